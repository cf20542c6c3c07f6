"""Simulated speech: a voice source through the formants of vowels, coloured by emotion.

Glottal pulses and breath excite three resonators per vowel; short bursts of noise stand between the vowels. An emotion
changes pitch, its range and end, pace, loudness, brightness and breath, as the acoustic correlates of vocal
expression say (Scherer 2003; Juslin & Laukka 2003). Two sentences of vowels, no words.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from scipy.signal import lfilter, sosfilt

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.sources.simulate.latent import known, number, shown, whole

__all__ = ["PROFILES", "SPOKEN", "STATEMENTS", "VOWELS", "speakers", "synthesise"]

#: What an emotion does to the voice at full intensity: F0 (factor), range of F0 (SD in semitones), pace (factor), level
#: (dB), tilt (dB above 1 kHz), breath (share of noise), contour at the end (semitones).
PROFILES: dict[str, tuple[float, float, float, float, float, float, float]] = {
    "neutral": (1.00, 1.5, 1.00, 0.0, 0.0, 0.05, -1.0),
    "calm": (0.95, 1.2, 0.90, -3.0, -2.0, 0.10, -1.5),
    "happy": (1.25, 3.5, 1.10, 3.0, 2.0, 0.05, 1.0),
    "sad": (0.90, 1.0, 0.80, -5.0, -4.0, 0.15, -2.5),
    "angry": (1.30, 3.0, 1.15, 6.0, 5.0, 0.03, -2.0),
    "fearful": (1.45, 2.0, 1.20, 1.0, 1.0, 0.12, 1.0),
    "disgust": (0.95, 2.0, 0.85, 0.0, 0.0, 0.06, -3.0),
    "surprised": (1.50, 4.5, 1.05, 3.0, 2.0, 0.06, 6.0),
}

#: How the emotions of the latent model are called here.
SPOKEN = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "neutral": "neutral",
}

#: First three formants in Hz of a man's vowels (Peterson & Barney 1952).
VOWELS: dict[str, tuple[float, float, float]] = {
    "i": (270, 2290, 3010),
    "I": (390, 1990, 2550),
    "e": (530, 1840, 2480),
    "ae": (660, 1720, 2410),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "A": (640, 1190, 2390),
}

#: Vowels of the two sentences.
STATEMENTS: tuple[tuple[str, ...], ...] = (
    ("I", "a", "o", "I", "ae", "A", "o"),
    ("o", "a", "I", "I", "e", "A", "u"),
)

_BANDWIDTHS = (80.0, 100.0, 140.0)  # Hz
_VOWEL, _CONSONANT, _SILENCE = 0.17, 0.07, 0.15  # s: at pace 1; silence before and after at any pace
_LAST = 1.5  # the last vowel is longer
_OPENING, _CLOSING = 0.4, 0.16  # share of the glottal cycle
_VOICES = (115.0, 1.0), (205.0, 1.15)  # F0 in Hz and scale of the formants: long and short vocal tracts
_FLUTTER = 0.01  # SD of F0 from cycle to cycle, relative
_LOUDNESS = 0.06  # rms of neutral speech
#: SD between utterances: F0, pace and range (log), level and tilt (dB), breath (log), end (semitones).
_SLOPPY = {"f0": 0.02, "pace": 0.025, "range": 0.1, "level": 0.6, "tilt": 0.4, "breath": 0.15, "end": 0.4}


def speakers(n: int, random_state: int = 0) -> np.ndarray:
    """Draw voices, long and short vocal tracts in turn.

    Parameters
    ----------
    n : int
        How many.
    random_state : int
        Seed; the first voices are the same for any `n`.

    Returns
    -------
    structured ndarray, shape (n,)
        ``f0`` in Hz, ``tract``, the scale of the formants, ``level`` and ``tilt`` in dB and ``pace``, a factor.
    """
    n, rng = whole("n", n, 1), generator(random_state, "speech", "speakers")
    f0, tract = np.array(_VOICES)[np.arange(n) % 2].T
    z = np.clip(rng.standard_normal((n, 5)), -2.5, 2.5)
    voices = np.zeros(n, dtype=[(name, float) for name in ("f0", "tract", "level", "tilt", "pace")])
    voices["f0"], voices["tract"] = f0 * np.exp(0.10 * z[:, 0]), tract * np.exp(0.03 * z[:, 1])
    voices["level"], voices["tilt"], voices["pace"] = 0.8 * z[:, 2], 0.6 * z[:, 3], np.exp(0.03 * z[:, 4])
    return voices


def synthesise(
    emotion: str,
    speaker: np.void,
    intensity: float = 1.0,
    statement: int = 0,
    random_state: int = 0,
    sfreq: float = 16_000.0,
    effect: float = 1.0,
    null: bool = False,
) -> np.ndarray:
    """Say one sentence.

    Parameters
    ----------
    emotion : str
        Of :data:`PROFILES`.
    speaker : structured scalar
        A row of :func:`speakers`.
    intensity : float
        0 (neutral) to 1; 0.5 is the way half-way there.
    statement : int
        Which of :data:`STATEMENTS`.
    random_state : int
        Seed of this utterance.
    sfreq : float
        Sampling rate in Hz, at least 8000.
    effect : float
        As :func:`~thymos.sources.simulate.latent.shown`.
    null : bool
        Take `effect` as zero.

    Returns
    -------
    ndarray, shape (n_times,), float32
        -1 to 1, some 2 s long, slower speech longer.

    Raises
    ------
    InputError
        If a name or a parameter does not fit.
    """
    known("spoken emotion", [emotion], PROFILES)
    if statement not in range(len(STATEMENTS)):
        raise InputError(f"statement={statement!r} came.", fits="0 or 1", do="change statement")
    if getattr(getattr(speaker, "dtype", None), "names", None) is None or np.ndim(speaker):
        raise InputError(f"speaker={speaker!r} came.", fits="one row of speakers()", do="index the speakers")
    sfreq = number("sfreq", sfreq, 8000, "Hz")
    much = float(shown(number("intensity", intensity, most=1), 0.0 if null else number("effect", effect)))
    rng = generator(random_state, "speech", "utterance")
    voice = _voice(emotion, much, speaker, rng)
    vowels = STATEMENTS[statement]
    starts, stops = _timing(len(vowels), voice["pace"], rng)
    n = round((stops[-1] + _SILENCE) * sfreq)
    t = np.arange(n) / sfreq
    open_, burst = _envelopes(t, starts, stops, rng)
    source = _source(t, starts, stops, voice, rng, sfreq)
    x = _formants(source * open_, t, starts, stops, [VOWELS[v] for v in vowels], speaker["tract"], sfreq)
    x /= math.sqrt(np.square(x).sum() / max(open_.sum(), 1))
    x += 0.5 * burst * rng.standard_normal(n)
    x = _tilted(x, voice["tilt"], sfreq)
    voiced = math.sqrt((np.square(x) * open_).sum() / max(open_.sum(), 1))
    x *= _LOUDNESS * 10 ** (voice["level"] / 20) / voiced
    x += 2e-4 * rng.standard_normal(n)  # the room
    return np.tanh(x).astype(np.float32)


def _voice(emotion: str, much: float, speaker: np.void, rng: np.random.Generator) -> dict[str, float]:
    """Return what the voice does in this utterance."""
    neutral, full = np.array(PROFILES["neutral"]), np.array(PROFILES[emotion])
    f0, spread, pace, level, tilt, breath, end = (neutral + much * (full - neutral)).tolist()
    z = dict(zip(_SLOPPY, (np.array(list(_SLOPPY.values())) * rng.standard_normal(len(_SLOPPY))).tolist(), strict=True))
    return {
        "f0": speaker["f0"] * f0 * math.exp(z["f0"]),
        "range": spread * math.exp(z["range"]),
        "pace": speaker["pace"] * pace * math.exp(z["pace"]),
        "level": speaker["level"] + level + z["level"],
        "tilt": speaker["tilt"] + tilt + z["tilt"],
        "breath": breath * math.exp(z["breath"]),
        "end": end + z["end"],
    }


def _timing(n: int, pace: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return start and end of each vowel in s."""
    length = _VOWEL * np.exp(0.1 * rng.standard_normal(n))
    length[-1] *= _LAST
    gap = _CONSONANT * np.exp(0.15 * rng.standard_normal(n))
    stops = _SILENCE + np.cumsum(length + gap) / pace
    return stops - length / pace, stops


def _envelopes(
    t: np.ndarray, starts: np.ndarray, stops: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return how open the mouth is in the vowels, 0 to 1, and the bursts before them."""
    flank = 0.02  # s
    which = np.minimum(np.searchsorted(stops, t), len(stops) - 1)
    inside = np.minimum(t - starts[which], stops[which] - t)
    open_ = np.clip(inside / flank, 0, 1)
    stress = np.exp(0.15 * rng.standard_normal(len(starts)))
    since = t - (starts[which] - 0.03)
    return open_ * stress[which], np.where((since > 0) & (since < 0.025), np.exp(-since / 0.01), 0)


def _source(
    t: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    voice: dict[str, float],
    rng: np.random.Generator,
    sfreq: float,
) -> np.ndarray:
    """Return the derivative of the glottal flow (Rosenberg 1971) and breath noise."""
    knots = np.r_[starts, stops[-1]]
    accents = rng.standard_normal(len(knots) - 1)
    accents = (accents - accents.mean()) / max(accents.std(), 1e-9)
    semitones = voice["range"] * np.interp(t, (starts + stops) / 2, accents)
    late = np.clip((t - knots[-3]) / (stops[-1] - knots[-3]), 0, 1)  # over the last two vowels
    semitones += voice["end"] * late
    n_cycles = math.ceil(t[-1] * 100) + 2
    flutter = np.interp(t * 100, np.arange(n_cycles), _FLUTTER * rng.standard_normal(n_cycles))
    f0 = np.clip(voice["f0"] * 2 ** (semitones / 12) * (1 + flutter), 50, 900)
    phase = np.cumsum(f0) / sfreq % 1
    closing = (phase - _OPENING) / _CLOSING
    flow = np.where(phase < _OPENING, 0.5 - 0.5 * np.cos(np.pi * phase / _OPENING), np.cos(np.pi / 2 * closing))
    flow[closing > 1] = 0
    pulses = np.diff(flow, prepend=0)
    pulses /= pulses.std()
    noise = rng.standard_normal(len(t)) * (0.4 + flow)
    share = voice["breath"]
    return math.sqrt(1 - min(share, 0.9)) * pulses + math.sqrt(share) * noise * 0.6


def _formants(
    x: np.ndarray, t: np.ndarray, starts: np.ndarray, stops: np.ndarray, vowels: list, tract: float, sfreq: float
) -> np.ndarray:
    """Filter each vowel by its resonators; neighbours fade into each other in the consonant between them."""
    centres = (starts + stops) / 2
    y = np.zeros_like(x)
    bounds = np.r_[0, (centres[:-1] + centres[1:]) / 2, t[-1] + 1]
    for (low, high), formants in zip(pairwise(bounds), vowels, strict=True):
        a, b = np.searchsorted(t, (low, high + 0.03))
        sections = [_resonator(f * tract, width, sfreq) for f, width in zip(formants, _BANDWIDTHS, strict=True)]
        y[a:b] += sosfilt(sections, np.where(t[a:b] < high, x[a:b], 0))
    return y


def _resonator(frequency: float, width: float, sfreq: float) -> list[float]:
    """Two poles with unit gain at 0 Hz, as in a cascade of formants (Klatt 1980)."""
    radius = math.exp(-math.pi * width / sfreq)
    a1, a2 = -2 * radius * math.cos(2 * math.pi * frequency / sfreq), radius**2
    return [1 + a1 + a2, 0, 0, 1, a1, a2]


def _tilted(x: np.ndarray, gain: float, sfreq: float, corner: float = 1000.0) -> np.ndarray:
    """Raise what lies above the corner by `gain` dB."""
    pole = math.exp(-2 * math.pi * corner / sfreq)
    low = lfilter([1 - pole], [1, -pole], x)
    return low + 10 ** (gain / 20) * (x - low)
