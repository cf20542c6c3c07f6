"""Simulated signals of the body: one train of heart beats and one respiration per trial drive all of them.

Signs of the effects of emotion follow the literature, sizes are parameters. Recordings leave in SI units: volts,
siemens, kelvin; pulse and respiration in those of their device, which have no name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.base.recording import Signal
from thymos.sources.simulate.eeg import bursts, shaped_noise
from thymos.sources.simulate.latent import known, number, whole

__all__ = ["EFFECTS", "RATES", "Body", "Physiology"]

#: What an emotion changes at ``effect=1``: quantity, axis, size per unit of the axis, unit (``log`` is a change of the
#: logarithm). The axis ``negative`` is ``max(-valence, 0)``, ``positive`` is ``max(valence, 0)``.
EFFECTS: tuple[tuple[str, str, float, str], ...] = (
    ("heart_rate", "arousal", 4.0, "1/min"),
    ("deceleration", "negative", 3.0, "1/min"),  # of the first seconds
    ("variability", "arousal", -0.20, "log"),
    ("pulse", "arousal", -0.15, "log"),
    ("resp_rate", "arousal", 0.15, "log"),
    ("resp_depth", "arousal", -0.10, "log"),
    ("scr_rate", "arousal", math.log(2), "log"),
    ("scr_size", "intensity", 1.0, "log"),
    ("temp", "arousal", -0.1, "K"),
    ("zygomaticus", "positive", 2.0, "1"),  # times the activity at rest
    ("trapezius", "arousal", 0.4, "log"),
)

#: Signals, and their sampling rates in Hz unless others are given.
RATES: dict[str, float] = {
    "ecg": 256.0,
    "bvp": 64.0,
    "resp": 32.0,
    "eda": 4.0,
    "temp": 4.0,
    "zygomaticus": 256.0,
    "trapezius": 256.0,
    "acc": 32.0,
    "hr": 1.0,
}

_HEART_RATE, _HEART_RATE_SD = 70.0, 8.0  # beats per minute; SD between subjects
_RSA, _MAYER, _JITTER = 0.05, 0.03, 0.008  # share of the beat interval: respiration, 0.1 Hz, from beat to beat
_BREATH, _BREATH_SD = 0.25, 0.1  # Hz; SD between subjects of its log
_HEART_LAG, _LAG = 8.0, 4.0  # s, time constants of the heart rate and temperature, and of all else
_DIP = 2.5  # s after onset at which the deceleration is deepest
_SCR_RATE, _SCR_MOST = 3 / 60, 24 / 60  # responses per second at rest, and at most
_SCR_RISE, _SCR_DECAY = 0.75, 2.0  # s
_SCR_SIZE = 0.3e-6  # S, median
_TONIC, _TONIC_SD = 5e-6, 0.4  # S, median of people; SD of the log
_TONIC_WALK, _TONIC_STEP = 0.04, 10.0  # SD of the log after a minute of random walk; seconds between its knots
_DEAF = 0.1  # share of people whose skin does not respond
_SKIN = 273.15 + 33.0  # K
_REST = {"zygomaticus": 2e-6, "trapezius": 4e-6}  # V rms
_TRANSIT = 0.2  # s from the heart to the finger
_GAIN = 0.25  # SD between subjects of the log gain of a signal
_TRIAL_RATE = 8.0  # beats per minute, SD between trials, times the fingerprint
_GRID = 50.0  # Hz, at which beats and respiration are computed
_EDGE = 12.0  # s computed before and after, so that no signal knows where it was cut

#: Waves of the electrocardiogram: time from R and width in s, height in V (after McSharry et al. 2003).
_WAVES = {
    "P": (-0.18, 0.025, 0.12e-3),
    "Q": (-0.028, 0.010, -0.12e-3),
    "R": (0.0, 0.011, 1.0e-3),
    "S": (0.028, 0.010, -0.22e-3),
    "T": (0.27, 0.050, 0.28e-3),
}
#: Waves of the pulse: time and width as a share of the beat, height.
_PULSE = ((0.25, 0.09, 1.0), (0.55, 0.11, 0.35))


class Physiology:
    """The bodies of a simulated experiment.

    Parameters
    ----------
    random_state : int
        Seed. Each subject, trial and signal has random numbers of its own.
    effect : float
        Multiplies every effect of emotion.
    null : bool
        Take `effect` as zero and change nothing else.
    fingerprint : float
        Standard deviation between trials that no emotion explains: of the log amplitude of every signal, and, times
        8 per minute, of the heart rate.
    slope_sd : float
        Standard deviation between subjects of the factor (mean 1) on each effect.

    Raises
    ------
    InputError
        If a parameter does not fit.

    Notes
    -----
    Heart: integral pulse frequency modulation by respiration, the 0.1 Hz rhythm and jitter; a faster and less variable
    heart with arousal, and a brief deceleration for unpleasant stimuli (Bradley & Lang 2000). Skin: responses of a
    Poisson process on a tonic level, twice as many per unit of arousal (Boucsein 2012), none in a tenth of the people.
    Respiration faster and shallower with arousal (Boiten et al. 1994), peripheral vasoconstriction and cooling, and
    smiling muscles with pleasure (Lang et al. 1993). Simulated: sizes are parameters.
    """

    def __init__(
        self,
        random_state: int = 0,
        effect: float = 1.0,
        null: bool = False,
        fingerprint: float = 0.25,
        slope_sd: float = 0.3,
    ):
        self.random_state = whole("random_state", random_state, 0)
        self.effect = number("effect", effect)
        self.null = bool(null)
        self.fingerprint = number("fingerprint", fingerprint)
        self.slope_sd = number("slope_sd", slope_sd)

    def trial(
        self,
        index: int,
        k: int,
        seconds: float,
        felt: np.ndarray | tuple[float, float] = (0.0, 0.0),
        intensity: float = 0.0,
        baseline: float = 0.0,
    ) -> Body:
        """Return the body of subject number `index` in trial `k`, both from 0.

        Parameters
        ----------
        index, k : int
            Subject and trial.
        seconds : float
            Length of the trial, at least 1 s.
        felt : (float, float)
            Valence and arousal, -1 to 1.
        intensity : float
            Of the emotion, 0 to 1.
        baseline : float
            Seconds before the trial in which there is no emotion; they are part of every signal.
        """
        felt = np.asarray(felt, dtype=float)
        if felt.shape != (2,) or not (np.abs(felt) <= 1).all():
            raise InputError(f"felt={felt.tolist()} came.", fits="valence and arousal, each -1 to 1", do="change felt")
        seconds, baseline = number("seconds", seconds, 1, "s"), number("baseline", baseline, 0, "s")
        return Body(self, index, k, seconds, tuple(felt.tolist()), number("intensity", intensity, most=1), baseline)


@dataclass(frozen=True)
class Body:
    """One body in one trial; its signals are made on demand, at any rate, and belong together.

    Made by :meth:`Physiology.trial`; times are seconds from the first sample, of the baseline if there is one.
    """

    owner: Physiology
    index: int
    k: int
    seconds: float
    felt: tuple[float, float]
    intensity: float
    baseline: float

    def signal(self, name: str, sfreq: float | None = None) -> Signal:
        """Return one of :data:`RATES` as float32.

        ``ecg``, ``zygomaticus`` and ``trapezius`` are in volts, ``eda`` in siemens, ``temp`` in kelvin, ``acc`` (three
        axes) in ``m/s2``, ``hr``, the heart rate of the last beats, in hertz; ``bvp`` and ``resp`` have no unit.

        Raises
        ------
        InputError
            If there is no such signal, or the rate does not suit it.
        """
        known("signal of the body", [name], RATES)
        least = 50.0 if name == "ecg" else 100.0 if name in _REST else 1.0 if name == "hr" else 4.0
        sfreq = number("sfreq", RATES[name] if sfreq is None else sfreq, least, "Hz")
        t = np.arange(round(self.duration * sfreq)) / sfreq
        data, unit = getattr(self, f"_{name}")(t, sfreq)
        data = np.atleast_2d(data).astype(np.float32)
        names = (name,) if len(data) == 1 else tuple(f"{name}_{axis}" for axis in "xyz")
        return Signal(data, sfreq, names, unit)

    @property
    def duration(self) -> float:
        """Seconds, baseline included."""
        return self.baseline + self.seconds

    @property
    def intervals(self) -> np.ndarray:
        """Beats within the trial: time in s, and the interval in s that it ends; shape (n_beats, 2)."""
        beats = np.c_[self.beats[1:], np.diff(self.beats)]
        return beats[(beats[:, 0] >= 0) & (beats[:, 0] < self.duration)]

    @cached_property
    def beats(self) -> np.ndarray:
        """Times of the R waves in s, some before and after the trial included."""
        t, rng, trait = self._clock, self._random("beats"), self._trait("heart")
        rest = np.clip(_HEART_RATE + _HEART_RATE_SD * trait.standard_normal(), 50, 100)
        rate = rest + _TRIAL_RATE * self.owner.fingerprint * self._random("heart").standard_normal()
        since = np.maximum(t - self.baseline, 0)
        dip = since / _DIP * np.exp(1 - since / _DIP)
        rate = rate + self._change("heart_rate") * self._onset(t, _HEART_LAG) - self._change("deceleration") * dip
        swing = np.exp(self._change("variability") * self._onset(t))
        first, turn = rng.uniform(size=2)
        mayer = np.sin(2 * np.pi * (0.1 * t + turn))
        modulation = swing * (_MAYER * mayer - _RSA * self._breath[1])
        phase = np.cumsum(np.clip(rate, 35, 190) / 60 / (1 + modulation)) / _GRID
        n = int(phase[-1])
        jitter = _JITTER * rng.standard_normal(n)
        return np.interp(np.arange(n) + first + jitter.cumsum(), phase, t)

    @cached_property
    def responses(self) -> tuple[np.ndarray, np.ndarray]:
        """Onsets in s, and heights in S, of the responses of the skin; some before the trial included."""
        rng, trait = self._random("responses"), self._trait("skin")
        n = rng.poisson(_SCR_MOST * (self.duration + _EDGE))
        start, lot = rng.uniform(-_EDGE, self.duration, n), rng.uniform(0, _SCR_MOST, n)
        size = _SCR_SIZE * np.exp(0.5 * rng.standard_normal(n) + _GAIN * trait.standard_normal())
        felt = start >= self.baseline
        kept = lot < _SCR_RATE * np.exp(self._change("scr_rate") * felt)
        size *= np.exp(self._change("scr_size") * felt) * self.responsive
        return start[kept], size[kept]

    @property
    def responsive(self) -> bool:
        """Whether the skin of this subject responds at all."""
        return bool(self._trait("responsive").uniform() >= _DEAF)

    @cached_property
    def _clock(self) -> np.ndarray:
        return np.arange(round((self.duration + 2 * _EDGE) * _GRID)) / _GRID - _EDGE

    @cached_property
    def _breath(self) -> tuple[np.ndarray, np.ndarray]:
        """Depth, and the wave of unit depth that also moves the heart, on the clock."""
        t, rng = self._clock, self._random("breath")
        pace = _BREATH * math.exp(_BREATH_SD * self._trait("breath").standard_normal())
        on = self._onset(t)
        wander = 0.15 * shaped_noise(rng, (), len(t), _GRID, lambda f: f < 0.1)
        phase = 2 * np.pi * (np.cumsum(pace * np.exp(self._change("resp_rate") * on + wander)) / _GRID + rng.uniform())
        return np.exp(self._change("resp_depth") * on), np.sin(phase)

    def _ecg(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        rng, x = self._random("ecg"), np.zeros(len(t))
        beats, length = self.beats, np.diff(self.beats, append=self.beats[-1] + 0.8)
        last = np.searchsorted(beats, t, side="right") - 1
        for beat in (last, last + 1):  # waves of other beats are too far away
            since, stretch = t - beats[beat], np.sqrt(length[beat])
            for name, (place, width, height) in _WAVES.items():
                factor = stretch if name in "PT" else 1.0
                tall = height * (factor if name == "T" else 1.0)
                x += tall * np.exp(-0.5 * ((since - place * factor) / width) ** 2)
        x = x * self._amplitude("ecg") + 0.05e-3 * self._at(self._breath[1], t)
        x += 0.05e-3 * shaped_noise(rng, (), len(t), sfreq, lambda f: (f < 0.5) / np.maximum(f, 0.05))
        return x + 8e-6 * rng.standard_normal(len(t)), "V"

    def _bvp(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        rng, beats = self._random("bvp"), self.beats + _TRANSIT
        place = np.interp(t, beats, np.arange(len(beats)))
        share = place % 1
        x = sum(
            height * np.exp(-0.5 * ((share - centre - beat) / width) ** 2)
            for centre, width, height in _PULSE
            for beat in (-1, 0, 1)
        )
        tall = np.exp(self._change("pulse") * self._onset(t)) * (1 - 0.1 * self._at(self._breath[1], t))
        x = (x - 0.4) * tall * self._amplitude("bvp")
        x += 0.1 * shaped_noise(rng, (), len(t), sfreq, lambda f: (f < 0.4) / np.maximum(f, 0.05))
        return x + 0.01 * rng.standard_normal(len(t)), ""

    def _resp(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        depth, wave = self._breath
        x = self._at(depth * (wave + 0.15 * wave**2), t) * self._amplitude("resp")
        return x + 0.02 * self._random("resp").standard_normal(len(t)), ""

    def _eda(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        rng, (start, size) = self._random("eda"), self.responses
        tonic = _TONIC * math.exp(_TONIC_SD * self._trait("tonic").standard_normal())
        knots = np.arange(0, self.duration + 2 * _TONIC_STEP, _TONIC_STEP)
        walk = rng.standard_normal(len(knots)).cumsum() * _TONIC_WALK * math.sqrt(_TONIC_STEP / 60)
        walk = CubicSpline(knots, walk)(t)  # the level changes slowly and without corners
        lead = math.ceil(_EDGE * sfreq)
        drive = np.zeros(lead + len(t))
        place = (start + _EDGE) * sfreq  # an impulse between two samples is shared by them
        left = np.minimum(place.astype(int), len(drive) - 2)
        np.add.at(drive, left, size * (1 - place + left))
        np.add.at(drive, left + 1, size * (place - left))
        slow, fast = np.exp(-1 / (sfreq * np.array([_SCR_DECAY, _SCR_RISE])))
        phasic = lfilter([1.0], [1.0, -slow], drive) - lfilter([1.0], [1.0, -fast], drive)
        peak = math.log(_SCR_DECAY / _SCR_RISE) * _SCR_DECAY * _SCR_RISE / (_SCR_DECAY - _SCR_RISE)
        phasic /= math.exp(-peak / _SCR_DECAY) - math.exp(-peak / _SCR_RISE)
        level = tonic * math.exp(0.4 * self.owner.fingerprint * self._random("tonic").standard_normal())
        return level * np.exp(walk) + phasic[lead:] + 2e-9 * rng.standard_normal(len(t)), "S"

    def _temp(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        rng = self._random("temp")
        rest = _SKIN + 0.8 * self._trait("temp").standard_normal()
        walk = rng.standard_normal(len(t)).cumsum() * 0.03 / math.sqrt(60 * sfreq)  # K after a minute
        x = rest + walk + self._change("temp") * self._onset(t, _HEART_LAG)
        x += 0.2 * self.owner.fingerprint * self._random("skin").standard_normal()
        return x + 0.005 * rng.standard_normal(len(t)), "K"

    def _zygomaticus(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        return self._muscle("zygomaticus", 1 + self._change("zygomaticus") * self._onset(t), sfreq)

    def _trapezius(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        return self._muscle("trapezius", np.exp(self._change("trapezius") * self._onset(t)), sfreq)

    def _acc(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        """Gravity on a wrist at rest, breathing and small shifts."""
        rng = self._random("acc")
        posture = self._trait("posture").standard_normal(3) + 0.2 * self._random("posture").standard_normal(3)
        x = np.tile(9.81 * posture / np.linalg.norm(posture), (len(t), 1)).T
        x += 0.05 * shaped_noise(rng, (3,), len(t), sfreq, lambda f: (f < 1) / np.maximum(f, 0.05))
        return x + 0.02 * self._at(self._breath[1], t) + 0.03 * rng.standard_normal(x.shape), "m/s2"

    def _hr(self, t: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        n = 4  # beats
        rate = n / (self.beats[n:] - self.beats[:-n])
        return np.interp(t, self.beats[n:], rate), "Hz"

    def _muscle(self, name: str, level: np.ndarray, sfreq: float) -> tuple[np.ndarray, str]:
        rng, n = self._random(name), len(level)
        x = shaped_noise(rng, (), n, sfreq, lambda f: (f >= 20) & (f <= 60)) * bursts(rng, (), n, sfreq)
        return _REST[name] * self._amplitude(name) * level * x + 0.3e-6 * rng.standard_normal(n), "V"

    def _change(self, quantity: str) -> float:
        """Return how much this subject's `quantity` changes in this trial."""
        axis, size = next((axis, size) for what, axis, size, _ in EFFECTS if what == quantity)
        valence, arousal = self.felt
        amounts = {"arousal": arousal, "negative": max(-valence, 0), "positive": max(valence, 0)}
        amount = {**amounts, "intensity": self.intensity}[axis]
        slope = 1 + self.owner.slope_sd * self._trait("slope", quantity).standard_normal()
        return (0.0 if self.owner.null else self.owner.effect) * slope * size * amount

    def _onset(self, t: np.ndarray, lag: float = _LAG) -> np.ndarray:
        """0 in the baseline, then rising to 1."""
        return -np.expm1(-np.maximum(t - self.baseline, 0) / lag)

    def _amplitude(self, name: str) -> float:
        """Gain of a signal: the subject's and the trial's."""
        own, now = (r("gain", name).standard_normal() for r in (self._trait, self._random))
        return math.exp(_GAIN * own + self.owner.fingerprint * now)

    def _at(self, values: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.interp(t, self._clock, values)

    def _random(self, *names: Any) -> np.random.Generator:
        return generator(self.owner.random_state, "physiology", *names, self.index, self.k)

    def _trait(self, *names: Any) -> np.random.Generator:
        return generator(self.owner.random_state, "physiology", *names, self.index)
