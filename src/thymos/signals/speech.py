"""Speech: spectrograms on the mel scale, cepstra, prosody, and the voice parameters of openSMILE."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks, get_window

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.signals.filters import band_pass, require_finite
from thymos.signals.transformer import WindowFeatures, in_windows
from thymos.signals.windows import sliding_windows

__all__ = [
    "FLOOR",
    "MFCC",
    "PROSODY",
    "EGeMAPS",
    "LogMel",
    "Prosody",
    "fundamental_frequency",
    "log_mel",
    "mel_filters",
    "mfcc",
    "prosody",
]

#: Smallest power, relative to 1: -100 dB, just above the noise of 16 bits, so that digital silence has a level.
FLOOR = 1e-10

#: Names of the prosodic features, in the order of :func:`prosody`.
PROSODY = (
    "f0_mean",
    "f0_sd",
    "f0_range",
    "f0_slope",
    "voiced_share",
    "level_mean",
    "level_sd",
    "level_range",
    "pause_share",
    "peak_rate",
    "seconds",
)

_PITCH = PROSODY[:5]  # what needs the fundamental frequency, which takes most of the time
_WINDOW, _STEP = 0.025, 0.010  # s
_BLOCK = 2**22  # values of spectra held at once
_PERIODS = 4  # of the lowest voice in a frame for its pitch
_RESOLUTION = 0.2  # semitones between two candidates of the pitch
_FORMANTS = 1000.0  # Hz, above which nothing is needed to tell the pitch
_VOICED = 3  # frames; the fewest that have a mean, a spread and a slope
_PAUSE, _PEAK = 25.0, 2.0  # dB below the loudest frames, and of a peak above the dips beside it
_SMOOTH = 2.0  # frames, SD of what smooths the power before peaks are counted
_SHORTEST = 0.06  # s, the longest frame of eGeMAPS


def mel_filters(n_mels: int, n_fft: int, sfreq: float, fmin: float = 50.0, fmax: float | None = None) -> np.ndarray:
    """Triangles that are equally wide on the mel scale ``2595 log10(1 + f / 700)``, with peaks of 1.

    Neighbours add up to 1, so no power between the first and the last centre is lost or counted twice.

    Parameters
    ----------
    n_mels : int
        Number of triangles.
    n_fft : int
        Points of the Fourier transform they are for.
    sfreq, fmin, fmax : float
        Sampling rate, lowest and highest frequency in Hz; `fmax` is the Nyquist frequency by default.

    Returns
    -------
    ndarray, shape (n_mels, n_fft // 2 + 1)
        Weight of each frequency.

    Raises
    ------
    InputError
        If the limits do not fit the rate.

    Notes
    -----
    S. B. Davis, P. Mermelstein: Comparison of parametric representations for monosyllabic word recognition in
    continuously spoken sentences. IEEE Transactions on Acoustics, Speech, and Signal Processing 28(4), 1980; the
    scale as in D. O'Shaughnessy, Speech Communication, 1987.
    """
    edges = _edges(n_mels, sfreq, fmin, fmax)
    widths, ramps = np.diff(edges), np.arange(n_fft // 2 + 1) * sfreq / n_fft - edges[:, None]
    return np.maximum(np.minimum(ramps[:-2] / widths[:-1, None], -ramps[2:] / widths[1:, None]), 0)


def log_mel(
    x: np.ndarray,
    sfreq: float,
    n_mels: int = 64,
    fmin: float = 50.0,
    fmax: float | None = None,
    window: float | None = _WINDOW,
    step: float | None = _STEP,
) -> np.ndarray:
    """Level in each mel band and frame: ``10 log10`` of the mean square, relative to 1.

    Frames are Hann-windowed and lie inside the signal, which is never padded. A sine of amplitude A whose frequency
    is a band's centre, wide bands taken, has ``20 log10(A) - 3`` dB there; the powers of all bands add up to the mean
    square of what lies between them.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Sound, -1 to 1.
    sfreq : float
        Sampling rate in Hz.
    n_mels, fmin, fmax
        As :func:`mel_filters`.
    window, step : float, optional
        Length of a frame and distance between two starts in seconds; ``window=None`` takes all of `x` as one frame.

    Returns
    -------
    ndarray, shape (..., n_mels, n_channels, n_frames), float32 (float64 for float64)
        In dB, at least -100 (:data:`FLOOR`), which is what digital silence gives.

    Raises
    ------
    InputError
        If the bands do not fit the rate, or the signal is shorter than a frame.
    """
    x = _sound(x)
    size, hop = in_windows(x.shape[-1], sfreq, window, step)
    narrowest = np.diff(_edges(n_mels, sfreq, fmin, fmax)).min()
    n_fft = 1 << (max(size, math.ceil(sfreq / narrowest)) - 1).bit_length()  # zeros make frequencies as close as bands
    filters = mel_filters(n_mels, n_fft, sfreq, fmin, fmax)
    hann = get_window("hann", size)
    sides = np.full(n_fft // 2 + 1, 2.0)
    sides[[0, -1]] = 1
    weights = (filters * sides / (n_fft * np.sum(hann**2))).T
    signals = x.reshape(-1, x.shape[-1])
    frames = sliding_windows(signals, size, hop)
    made = np.empty((*frames.shape[:2], n_mels), dtype=x.dtype)
    per_block = max(1, _BLOCK // (frames.shape[1] * n_fft))
    for begin in range(0, len(signals), per_block):
        part = np.s_[begin : begin + per_block]
        made[part] = _decibel(np.abs(fft.rfft(frames[part] * hann, n_fft)) ** 2 @ weights)
    return np.moveaxis(made.reshape(*x.shape[:-1], *made.shape[1:]), -1, -3)


def mfcc(
    x: np.ndarray,
    sfreq: float,
    n_mfcc: int = 13,
    deltas: int = 0,
    n_mels: int = 40,
    fmin: float = 50.0,
    fmax: float | None = None,
    window: float | None = _WINDOW,
    step: float | None = _STEP,
) -> np.ndarray:
    """Mel-frequency cepstral coefficients: the orthonormal cosine transform of :func:`log_mel` over its bands.

    Parameters
    ----------
    x, sfreq, n_mels, fmin, fmax, window, step
        As :func:`log_mel`.
    n_mfcc : int
        How many, from c0, which alone holds the level: a gain of g dB adds ``g sqrt(n_mels)`` to it.
    deltas : {0, 1, 2}
        How many derivatives by time follow: slopes of a line through five frames, in dB/s and dB/s².

    Returns
    -------
    ndarray, shape (..., n_mfcc * (1 + deltas), n_channels, n_frames), float32 (float64 for float64)
        In dB.

    Raises
    ------
    InputError
        As :func:`log_mel`, and if there are more coefficients than bands.
    """
    if not 1 <= n_mfcc <= n_mels or deltas not in (0, 1, 2):
        raise InputError(
            f"{n_mfcc} coefficients of {n_mels} mel bands with {deltas!r} derivatives came.",
            fits=f"1 to {n_mels} coefficients and 0, 1 or 2 derivatives",
        )
    levels = log_mel(x, sfreq, n_mels, fmin, fmax, window, step)
    parts = [fft.dct(levels, axis=-3, norm="ortho")[..., :n_mfcc, :, :]]
    _, hop = in_windows(np.shape(x)[-1], sfreq, window, step)
    for _ in range(deltas):
        parts.append(_slopes(parts[-1]) * (sfreq / hop))
    return np.concatenate(parts, axis=-3)


def fundamental_frequency(x: np.ndarray, sfreq: float, fmin: float = 75.0, fmax: float = 800.0) -> np.ndarray:
    """Fundamental frequency of a voice by probabilistic YIN, every 10 ms.

    Plain YIN is ten times faster, but decides neither on voicing nor between octaves. What lies above 1 kHz is
    filtered out first: the pitch of shouted voices is lost otherwise.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Sound, in any unit.
    sfreq, fmin, fmax : float
        Sampling rate, lowest and highest fundamental frequency in Hz.

    Returns
    -------
    ndarray, shape (..., n_frames)
        In Hz, in steps of 0.2 semitones; NaN where there is no voice. Frames have four periods of `fmin` and lie
        inside the signal; a shorter signal has none.

    Raises
    ------
    InputError
        If the limits do not fit the rate, or a value is not finite.
    MissingExtraError
        If librosa is not installed.

    Notes
    -----
    M. Mauch, S. Dixon: pYIN: a fundamental frequency estimator using probabilistic threshold distributions. ICASSP
    2014; computed by librosa.
    """
    x = np.asarray(x)
    if not 0 < 2 * fmin <= fmax < sfreq / 4:
        raise InputError(
            f"Voices from {fmin:g} to {fmax:g} Hz came for a rate of {sfreq:g} Hz.",
            fits=f"an octave or more between fmin and fmax, fmax below {sfreq / 4:g} Hz",
            do="give another range, or keep a higher rate",
        )
    if not np.isfinite(x).all():
        raise InputError("The sound has missing or infinite values.", fits="finite values", do="cut them out first")
    size, hop = _frame(sfreq, fmin), round(_STEP * sfreq)
    n_frames = max(0, 1 + (x.shape[-1] - size) // hop)
    found = np.full((*x.shape[:-1], n_frames), np.nan)
    if not found.size:
        return found
    librosa = require("librosa", "speech")
    smooth = x.astype(np.float64)
    if sfreq / 2 > _FORMANTS:
        smooth = band_pass(smooth, sfreq, high=_FORMANTS)
    for at in np.ndindex(x.shape[:-1]):  # each takes a tenth of a second; all at once would only take memory
        found[at], _, _ = librosa.pyin(
            smooth[at] - smooth[at].mean(),
            fmin=fmin,
            fmax=fmax,
            sr=sfreq,
            frame_length=size,
            hop_length=hop,
            resolution=_RESOLUTION,
            center=False,
        )
    return found


def prosody(x: np.ndarray, sfreq: float, fmin: float = 75.0, fmax: float = 800.0, pitch: bool = True) -> np.ndarray:
    """How an utterance is said: pitch, loudness, pauses and pace, in the order of :data:`PROSODY`.

    Frames are 25 ms long, every 10 ms; their level is that of their variance. A frame sounds if it is less than 25 dB
    below the loudest ones (their 99 % quantile). Cycle-by-cycle measures such as jitter are left out: frames cannot
    give them.

    * ``f0_mean`` in Hz (geometric), ``f0_sd`` and ``f0_range`` (from the 5 % to the 95 % quantile) in semitones,
      ``f0_slope`` in semitones per second, of the frames that sound and are voiced by
      :func:`fundamental_frequency`; NaN where there are fewer than three. ``voiced_share`` is their share.
    * ``level_mean``, ``level_sd`` and ``level_range`` (5 % to 95 %) in dB of the frames that sound; -100, 0 and 0 in
      digital silence.
    * ``pause_share``: share of frames that do not sound, before and after the utterance too.
    * ``seconds``: how long it is.
    * ``peak_rate``: peaks of the level per second that sound and rise 2 dB above the dips beside them, a proxy of
      the rate of syllables.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Sound, -1 to 1.
    sfreq, fmin, fmax
        As :func:`fundamental_frequency`.
    pitch : bool
        Look for the pitch, which takes most of the time; without it ``voiced_share`` is NaN too.

    Returns
    -------
    ndarray, shape (..., n_features, n_channels), float32 (float64 for float64)

    Raises
    ------
    InputError
        As :func:`fundamental_frequency`.

    Notes
    -----
    Threshold and peaks follow N. H. de Jong, T. Wempe: Praat script to detect syllable nuclei and measure speech rate
    automatically. Behavior Research Methods 41(2), 2009, 385-390, without their test of voicing.
    """
    x = _sound(x)
    require_finite(x)
    size, hop = min(round(_WINDOW * sfreq), x.shape[-1]), round(_STEP * sfreq)
    power = _variance(x, size, hop)
    level = _decibel(power)
    limit = np.maximum(np.quantile(level, 0.99, axis=-1, keepdims=True) - _PAUSE, 10 * np.log10(FLOOR))
    sounds = level > limit
    if pitch:
        f0 = fundamental_frequency(x, sfreq, fmin, fmax)
        middles = np.arange(f0.shape[-1]) + round((_frame(sfreq, fmin) - size) / 2 / hop)
        f0 = np.where(sounds[..., middles.clip(0, sounds.shape[-1] - 1)], f0, np.nan)  # a room's hum has a pitch too
        of_pitch = _voice(f0)
    else:
        of_pitch = [np.full(x.shape[:-1], np.nan)] * len(_PITCH)
    heard = np.where(sounds | ~sounds.any(axis=-1, keepdims=True), level, np.nan)
    low, high = np.nanquantile(heard, (0.05, 0.95), axis=-1)
    smooth = _decibel(gaussian_filter1d(power, _SMOOTH, axis=-1, mode="constant"))
    peaks = np.empty(x.shape[:-1])
    for at in np.ndindex(peaks.shape):
        peaks[at] = len(find_peaks(smooth[at], height=limit[at][0], prominence=_PEAK)[0]) if sounds[at].any() else 0
    rows = [
        *of_pitch,
        np.nanmean(heard, axis=-1),
        np.nanstd(heard, axis=-1),
        high - low,
        1 - sounds.mean(axis=-1),
        peaks * sfreq / x.shape[-1],
        np.full(x.shape[:-1], x.shape[-1] / sfreq),
    ]
    return np.stack(rows, axis=-2).astype(x.dtype)


class _Frames(WindowFeatures):
    """Base of features of frames, which may be pooled over an utterance."""

    @property
    def framed(self) -> bool:  # type: ignore[override]  # it depends on a parameter here
        """Whether there are values over time, rather than one for the whole sample."""
        return self.pool == "frames"

    def _pooled(self, values: np.ndarray) -> np.ndarray:
        """Return the frames, or their mean and standard deviation one after the other on the feature axis."""
        _check_pool(self.pool)
        if self.pool == "frames":
            return values
        moments = (np.mean, np.std)
        made = [moment(values, axis=-1, keepdims=True, dtype=np.float64) for moment in moments]
        return np.concatenate(made, axis=-3).astype(values.dtype)

    def _named(self, names: Sequence[str]) -> tuple[str, ...]:
        _check_pool(self.pool)
        if self.pool == "frames":
            return tuple(names)
        return tuple(f"{name}_{moment}" for moment in ("mean", "sd") for name in names)


class LogMel(_Frames):
    """Log-mel spectrogram of each sample, as :func:`log_mel`, in dB.

    Parameters
    ----------
    sfreq, n_mels, fmin, fmax, window, step
        As :func:`log_mel`.
    pool : {'frames', 'mean_sd'}
        Every frame, or mean and standard deviation over the frames, which have one length for utterances of any.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    def __init__(
        self,
        sfreq: float = 16_000.0,
        n_mels: int = 64,
        fmin: float = 50.0,
        fmax: float | None = None,
        window: float | None = _WINDOW,
        step: float | None = _STEP,
        pool: str = "frames",
    ):
        self.sfreq = sfreq
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.window = window
        self.step = step
        self.pool = pool

    def names(self) -> tuple[str, ...]:
        """Return ``mel_<centre in Hz>``, with ``_mean`` and ``_sd`` where pooled."""
        edges = _edges(self.n_mels, self.sfreq, self.fmin, self.fmax)
        return self._named([f"mel_{f:.0f}Hz" for f in edges[1:-1]])

    def _features(self, X: np.ndarray) -> np.ndarray:
        return self._pooled(log_mel(X, self.sfreq, self.n_mels, self.fmin, self.fmax, self.window, self.step))


class MFCC(_Frames):
    """Mel-frequency cepstral coefficients of each sample, as :func:`mfcc`.

    Parameters
    ----------
    sfreq, n_mfcc, deltas, n_mels, fmin, fmax, window, step
        As :func:`mfcc`.
    pool : {'frames', 'mean_sd'}
        As :class:`LogMel`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    def __init__(
        self,
        sfreq: float = 16_000.0,
        n_mfcc: int = 13,
        deltas: int = 0,
        n_mels: int = 40,
        fmin: float = 50.0,
        fmax: float | None = None,
        window: float | None = _WINDOW,
        step: float | None = _STEP,
        pool: str = "frames",
    ):
        self.sfreq = sfreq
        self.n_mfcc = n_mfcc
        self.deltas = deltas
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.window = window
        self.step = step
        self.pool = pool

    def names(self) -> tuple[str, ...]:
        """Return ``c0``, ``c1``, ... and ``c0_d`` and ``c0_dd`` for derivatives."""
        return self._named(
            [f"c{k}{'_' * bool(n)}{'d' * n}" for n in range(self.deltas + 1) for k in range(self.n_mfcc)]
        )

    def _features(self, X: np.ndarray) -> np.ndarray:
        limits = (self.n_mels, self.fmin, self.fmax, self.window, self.step)
        return self._pooled(mfcc(X, self.sfreq, self.n_mfcc, self.deltas, *limits))


class Prosody(WindowFeatures):
    """Pitch, loudness, pauses and pace of each sample, as :func:`prosody`; one row each.

    Parameters
    ----------
    sfreq, fmin, fmax
        As :func:`prosody`.
    only : sequence of str, optional
        Names of the features that are wanted, in this order; all by default.
    trim : bool
        Leave out digital silence at both ends, as :func:`thymos.signals.utterance.fit_length` puts it there.
    unvoiced : float, optional
        What mean, spread, range and slope of the pitch are where there are fewer than three voiced frames, which
        ``voiced_share`` tells as well: 0 as with openSMILE; missing by default.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    framed = False

    every = PROSODY

    def __init__(
        self,
        sfreq: float = 16_000.0,
        fmin: float = 75.0,
        fmax: float = 800.0,
        only: Sequence[str] | None = None,
        trim: bool = False,
        unvoiced: float | None = None,
    ):
        self.sfreq = sfreq
        self.fmin = fmin
        self.fmax = fmax
        self.only = only
        self.trim = trim
        self.unvoiced = unvoiced

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample whether a pitch that is wanted is missing; this takes as long as `transform`."""
        wanted = self._features(X)[:, [PROSODY.index(name) for name in self.names()]]
        few = np.isnan(wanted).any(axis=(1, 2, 3))
        return [f"fewer than {_VOICED} voiced frames, so no pitch" if lacks else "" for lacks in few]

    def _features(self, X: np.ndarray) -> np.ndarray:
        given = (self.sfreq, self.fmin, self.fmax, not set(_PITCH).isdisjoint(self.names()))
        made = np.stack([prosody(_sounding(x), *given) for x in X]) if self.trim else prosody(X, *given)
        if self.unvoiced is not None:
            made[np.isnan(made)] = self.unvoiced
        return made.astype(X.dtype)[..., None]


class EGeMAPS(WindowFeatures):
    """The 88 functionals of the extended Geneva minimalistic acoustic parameter set, v02; one row per sample.

    openSMILE computes them, and resamples inside where it wants to. Its licence allows research and private use, not
    commercial products. Samples shorter than 60 ms, its longest frame, give NaN.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz, at least 8000.
    trim : bool
        As :class:`Prosody`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.

    Notes
    -----
    F. Eyben et al.: The Geneva minimalistic acoustic parameter set (GeMAPS) for voice research and affective
    computing. IEEE Transactions on Affective Computing 7(2), 2016, 190-202. Units differ by parameter and are those
    of its table 1 and openSMILE's names, such as semitones from 27.5 Hz.
    """

    framed = False

    def __init__(self, sfreq: float = 16_000.0, trim: bool = False):
        self.sfreq = sfreq
        self.trim = trim

    def names(self) -> tuple[str, ...]:
        """Return openSMILE's names."""
        return tuple(_smile().feature_names)

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample whether it is too short."""
        return [f"shorter than {_SHORTEST} s" if X.shape[-1] < _SHORTEST * self.sfreq else ""] * len(X)

    def _features(self, X: np.ndarray) -> np.ndarray:
        if self.sfreq < 8000:
            raise InputError(f"Speech at {self.sfreq:g} Hz came.", fits="8000 Hz or more", do="give the recorded rate")
        smile = _smile()
        made = np.full((*X.shape[:-1], len(smile.feature_names)), np.nan, dtype=X.dtype)
        if X.shape[-1] >= _SHORTEST * self.sfreq:
            for at in np.ndindex(X.shape[:-1]):
                x = _sounding(X[at][None])[0] if self.trim else X[at]
                if len(x) >= _SHORTEST * self.sfreq:
                    made[at] = smile.process_signal(x.astype(np.float32), self.sfreq).to_numpy()[0]
        return made.swapaxes(-1, -2)[..., None]


def _sounding(x: np.ndarray) -> np.ndarray:
    """Return channels, shape (n_channels, n_times), without the digital silence that all have at both ends."""
    places = np.flatnonzero((x != 0).any(axis=0))
    return x[:, places[0] : places[-1] + 1] if len(places) else x


@lru_cache(maxsize=1)
def _smile() -> Any:
    opensmile = require("opensmile", "egemaps")
    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)


def _voice(f0: np.ndarray) -> list[np.ndarray]:
    """Return mean, spread, range, slope and voiced share of a pitch in Hz every 10 ms, shape (..., n_frames)."""
    voiced = np.isfinite(f0)
    count = voiced.sum(axis=-1)
    enough = count >= _VOICED
    tone = np.where(enough[..., None], 12 * np.log2(f0), np.nan)  # semitones from 1 Hz
    time = np.where(np.isfinite(tone), _STEP * np.arange(f0.shape[-1]), np.nan)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom|All-NaN slice", RuntimeWarning)
        mean = np.nanmean(tone, axis=-1)
        away = time - np.nanmean(time, axis=-1, keepdims=True)
        low, high = np.nanquantile(tone, (0.05, 0.95), axis=-1) if tone.shape[-1] else (mean, mean)
        spread = np.nanstd(tone, axis=-1)
    rise = np.nansum(away * (tone - mean[..., None]), axis=-1)
    slope = np.divide(rise, np.nansum(away**2, axis=-1), out=np.full(mean.shape, np.nan), where=enough)
    return [2 ** (mean / 12), spread, high - low, slope, count / max(f0.shape[-1], 1)]


def _edges(n_mels: int, sfreq: float, fmin: float, fmax: float | None) -> np.ndarray:
    """Return the centres of the mel bands in Hz, with the limits before and after them."""
    highest = sfreq / 2 if fmax is None else fmax
    if not 0 <= fmin < highest <= sfreq / 2 or n_mels < 1:
        raise InputError(
            f"{n_mels} mel bands from {fmin:g} to {highest:g} Hz came for a rate of {sfreq:g} Hz.",
            fits=f"one band or more, 0 <= fmin < fmax <= {sfreq / 2:g} Hz",
        )
    low, high = 2595 * np.log10(1 + np.array([fmin, highest]) / 700)
    return 700 * (10 ** (np.linspace(low, high, n_mels + 2) / 2595) - 1)


def _frame(sfreq: float, fmin: float) -> int:
    """Return the length of a frame for the pitch, in samples, an even number."""
    return 2 * round(_PERIODS * sfreq / fmin / 2)


def _variance(x: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Return the variance of each frame, by running sums: copies of all frames would take 40 times the memory."""
    starts = np.arange(0, x.shape[-1] - size + 1, hop)
    means = []
    for values in (x, np.square(x, dtype=np.float64)):
        sums = np.concatenate([np.zeros((*x.shape[:-1], 1)), np.cumsum(values, axis=-1, dtype=np.float64)], axis=-1)
        means.append((sums[..., starts + size] - sums[..., starts]) / size)
    return means[1] - means[0] ** 2


def _sound(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim < 2 or not x.shape[-1]:
        raise InputError(f"Sound of shape {x.shape} came.", fits="(..., n_channels, n_times)", do="add an axis")
    return x if x.dtype == np.float64 else x.astype(np.float32)


def _decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, FLOOR))


def _slopes(x: np.ndarray) -> np.ndarray:
    """Return the slope per frame of a line through five frames; the ends go on as they are."""
    wide = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(2, 2)], mode="edge")
    n = x.shape[-1]
    return (2 * (wide[..., 4:] - wide[..., :n]) + wide[..., 3 : n + 3] - wide[..., 1 : n + 1]) / 10


def _check_pool(pool: str) -> None:
    known = ("frames", "mean_sd")
    if pool not in known:
        raise InputError(f"There is no pool {pool!r}.{near(pool, known)}", fits=" or ".join(known))
