"""Heart beats in the pulse and the electrocardiogram, heart rate and its variability (methods B4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import ModuleType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal as sps
from scipy.interpolate import PchipInterpolator

from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.events import (
    describe,
    finite_signal,
    float_type,
    in_each,
    known,
    smoothed,
    summit,
    window_bounds,
    with_neurokit,
)
from thymos.signals.transformer import WindowFeatures

__all__ = [
    "GAP",
    "HEART_FEATURES",
    "HeartFeatures",
    "clean_intervals",
    "find_beats",
    "heart_features",
    "heart_rate",
    "heart_rate_signal",
]

#: Names of the features, in the order of :func:`heart_features`.
HEART_FEATURES = (
    "rate",
    "rate_sd",
    "interval",
    "sdnn",
    "rmssd",
    "sdsd",
    "pnn50",
    "pnn20",
    "sd1",
    "sd2",
    "power_low",
    "power_lf",
    "power_hf",
    "lf_hf",
    "amplitude",
    "covered",
    "beats",
)

#: Seconds from the nearest accepted interval beyond which there is no heart rate.
GAP = 3.5

_SLOWEST = {"bvp": 32.0, "ecg": 50.0}  # Hz, of sampling
KINDS = tuple(_SLOWEST)
METHODS = ("thymos", "neurokit")

_PULSE = (0.5, 8.0)  # Hz
_QRS = (5.0, 20.0)  # Hz
_SHORTEST, _LONGEST = 0.33, 1.5  # s, of an interval
_CLOSEST = 0.125  # s, of two beats: what is faster than a heart is found too, lest half of its beats pass for one
_DEVIATION, _NEAR = 0.3, 9  # greatest share by which an interval may leave the median of so many around it
_PROMINENCE = 0.3  # of a rise of the pulse, in local standard deviations
_ENOUGH = 32.0  # Hz, for what is below 8 Hz
_FRAME = 8.0  # s, in which the usual rise and the usual interval are looked for
_APART = 0.6  # least distance of two beats, as a share of the usual interval
_SEGMENT = (0.3, 0.5)  # share of an interval before and after a beat of the pulse that is compared
_LIKENESS, _SIZES = 0.7, 3.0  # least correlation with the median beat; greatest ratio to the size of those around
_AROUND = 21  # beats, of which a fast movement of a few seconds is not the greater part
_QRS_SEGMENT = 0.15  # s before and after an R wave that is compared
_QRS_WIDTH, _QRS_SHARE = 0.12, 0.4  # s; share of the usual height above which an envelope is a beat
_LOW, _LF, _HF = (0.0, 0.15), (0.04, 0.15), (0.15, 0.4)  # Hz
_PERIODS = 2  # of the slowest rhythm of a band that a window must hold
_FEWEST, _LEAST_COVER = 5, 0.5


def find_beats(x: np.ndarray, sfreq: float, kind: str = "bvp", method: str = "thymos") -> np.ndarray:
    """Find the heart beats in one uninterrupted recording.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Pulse, rising with each beat, or electrocardiogram, either way up. Its unit does not matter.
    sfreq : float
        Sampling rate in Hz.
    kind : {'bvp', 'ecg'}
        ``bvp``: local maxima of the slope of the pulse between 0.5 and 8 Hz, more prominent than 0.3 local standard
        deviations and no closer than 0.125 s or 0.6 of the local interval, which the autocorrelation tells. ``ecg``:
        maxima of the energy of the slope between 5 and 20 Hz, above 0.4 of its usual height, moved to the R wave.
        Of both, only beats that correlate by 0.7 or more with the median beat of the recording (after Orphanidou et
        al. 2015) and are at most three times larger or smaller than the 21 beats around: what remains of noise and
        movements is little, and ectopic beats are left out. What beats faster than a heart is found too, since half
        of its beats would pass for a slow heart; :func:`clean_intervals` accepts none of it.
    method : {'thymos', 'neurokit'}
        ``neurokit``: peaks as found by NeuroKit2 with its defaults; needs the extra ``physiology``.

    Returns
    -------
    ndarray, shape (n_beats,), float64
        Seconds from the first sample, resolved finer than a sample by a parabola. A beat of the pulse is where it rises
        most steeply, and lies behind the R wave by the time the wave travels.

    Raises
    ------
    InputError
        If the array or a name does not fit, or the rate is below 32 Hz (pulse) or 50 Hz (electrocardiogram).
    MissingExtraError
        If NeuroKit2 is asked for and not installed.

    Notes
    -----
    Methods B4.4 asks for peaks of the pulse, with a prominence of 0.3 SD. At the wrist the top of the pulse is flat and
    often double, and one movement multiplies the SD; so the steepest rise stands for the peak, and for the SD of the
    recording one estimated from the median of the slope in the 8 s around. Its least distance of 0.33 s would halve the
    rate of whatever beats faster; here it is a limit of intervals only.
    """
    x = finite_signal(x, sfreq)
    known("kind of heart signal", kind, KINDS)
    known("method", method, METHODS)
    if sfreq < _SLOWEST[kind]:
        raise InputError(
            f"A signal of kind {kind!r} at {sfreq:g} Hz came.", fits=f"at least {_SLOWEST[kind]:g} Hz to find beats in"
        )
    if len(x) < 3 or np.ptp(x) == 0:
        return np.empty(0)
    if method == "neurokit":
        return with_neurokit(partial(_neurokit_beats, kind, x, sfreq), x, sfreq)
    return _pulse_beats(x, sfreq) if kind == "bvp" else _qrs_beats(x, sfreq)


def _pulse_beats(x: np.ndarray, sfreq: float) -> np.ndarray:
    slope = np.gradient(smoothed(x, sfreq, *_PULSE))
    at, found = sps.find_peaks(slope, prominence=0)
    thin = max(1, int(sfreq / _ENOUGH))
    usual, interval = (values[at // thin] for values in _usual(slope[::thin], sfreq / thin))
    big = found["prominences"] > _PROMINENCE * usual
    at, interval, height = at[big], interval[big], found["prominences"][big]
    kept = _apart(at, height, np.maximum(_CLOSEST, _APART * interval) * sfreq)
    at, interval = at[kept], interval[kept]
    around = [round(share * np.median(interval) * sfreq) if len(at) else 0 for share in _SEGMENT]
    return summit(slope, at[_alike(slope, at, *around)]) / sfreq


def _alike(x: np.ndarray, at: np.ndarray, before: int, after: int) -> np.ndarray:
    """Say which beats have the shape of most and the size of those around them."""
    if len(at) < _FEWEST:
        return np.ones(len(at), dtype=bool)
    shapes = np.pad(x, (before, after))[at[:, None] + np.arange(before + after + 1)]
    size = np.sqrt(np.mean(shapes**2, axis=1))
    shapes = shapes / size[:, None]
    usual = np.median(shapes, axis=0)
    usual /= max(np.sqrt(np.mean(usual**2)), np.finfo(float).tiny)
    around = sliding_window_view(np.pad(np.log(size), _AROUND // 2, mode="reflect"), _AROUND)
    strange = np.abs(np.log(size) - np.median(around, axis=1)) > np.log(_SIZES)
    return (np.mean(shapes * usual, axis=1) > _LIKENESS) & ~strange


def _usual(x: np.ndarray, sfreq: float) -> tuple[np.ndarray, np.ndarray]:
    """Robust standard deviation, and interval in s at which `x` repeats itself, around each sample."""
    size = min(len(x), round(_FRAME * sfreq))
    hop = max(1, round(sfreq))
    frames = sliding_window_view(x, size)[::hop]
    sd = np.median(np.abs(frames), axis=1) / 0.6745
    sd = np.maximum(sd, 0.1 * np.median(sd))  # noise of a stretch without contact is no pulse
    lags = np.arange(int(_CLOSEST * sfreq), min(int(_LONGEST * sfreq) + 2, size // 2))
    centre = (np.arange(len(frames)) * hop + size / 2) / sfreq
    t = np.arange(len(x)) / sfreq
    if len(lags) < 3:
        return np.interp(t, centre, sd), np.full(len(x), _CLOSEST)
    bounded = np.clip(frames, -4 * sd[:, None], 4 * sd[:, None])  # a movement must not drown the rhythm around it
    power = np.abs(np.fft.rfft(bounded, 2 * size)) ** 2
    r = np.fft.irfft(power)[:, lags[0] - 1 : lags[-1] + 2] / (size - np.arange(lags[0] - 1, lags[-1] + 2))
    peak = (r[:, 1:-1] >= r[:, :-2]) & (r[:, 1:-1] > r[:, 2:])
    r = r[:, 1:-1]
    tall = peak & (r >= 0.8 * np.max(np.where(peak, r, 0), axis=1, keepdims=True)) & (r > 0)
    first = tall.argmax(axis=1)  # twice the interval fits as well as the interval
    strength = np.where(tall.any(axis=1), r[np.arange(len(r)), first], 0)
    interval = np.where(strength > 0, lags[first] / sfreq, _CLOSEST)
    interval = sps.medfilt(np.pad(interval, 4, mode="edge"), 9)[4:-4]
    return np.interp(t, centre, sd), np.interp(t, centre, interval)


def _apart(at: np.ndarray, height: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Keep the highest events, and of the others those `apart` from every higher one."""
    first, last = np.searchsorted(at, at - apart, side="right"), np.searchsorted(at, at + apart, side="left")
    keep = np.ones(len(at), dtype=bool)
    for k in np.argsort(-height, kind="stable"):
        if keep[k]:
            keep[first[k] : last[k]] = False
            keep[k] = True
    return keep


def _qrs_beats(x: np.ndarray, sfreq: float) -> np.ndarray:
    y = smoothed(x, sfreq, *_QRS)
    width = max(1, round(_QRS_WIDTH * sfreq))
    energy = np.convolve(np.gradient(y) ** 2, sps.windows.hann(width + 2)[1:-1], mode="same")
    envelope = np.sqrt(np.maximum(energy, 0))
    at, _ = sps.find_peaks(envelope, distance=max(1, _CLOSEST * sfreq))
    if not len(at):
        return np.empty(0)
    # the usual height of a beat: median around of the highest value in each longest interval
    size = min(len(x), round(_LONGEST * sfreq))
    tops = envelope[: len(x) // size * size].reshape(-1, size).max(axis=1)
    around = min(len(tops), 7)
    usual = np.median(sliding_window_view(tops, around), axis=1)
    centre = (np.arange(len(usual)) + around / 2) * size
    at = at[envelope[at] > _QRS_SHARE * np.interp(at, centre, usual)]
    # move to the R wave, the larger deflection of most beats
    reach = max(1, width // 2)
    around = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, len(x) - 1)
    up = np.median(y[around].max(axis=1) + y[around].min(axis=1)) >= 0
    y = y if up else -y
    at = np.unique(around[np.arange(len(at)), y[around].argmax(axis=1)])
    reach = round(_QRS_SEGMENT * sfreq)
    return summit(y, at[_alike(y, at, reach, reach)]) / sfreq


def _neurokit_beats(kind: str, x: np.ndarray, sfreq: float, nk: ModuleType) -> np.ndarray:
    clean, find, key = {
        "bvp": (nk.ppg_clean, nk.ppg_findpeaks, "PPG_Peaks"),
        "ecg": (nk.ecg_clean, nk.ecg_findpeaks, "ECG_R_Peaks"),
    }[kind]
    return np.asarray(find(clean(x, sampling_rate=sfreq), sampling_rate=sfreq)[key], dtype=float) / sfreq


def clean_intervals(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals between beats, those that no heart makes marked as missing.

    An interval is missing if it is outside 0.33 to 1.5 s or deviates by more than 30 % from the median of the nine
    around it. It keeps its place, so differences of successive intervals never bridge it. Where most are shorter than
    0.33 s all are missing: a longer one is then a beat that was not found.

    Parameters
    ----------
    times : ndarray, shape (n_beats,)
        Times of beats in s, rising.

    Returns
    -------
    times : ndarray, shape (n_beats - 1,)
        Time in s of the beat that ends each interval.
    intervals : ndarray, shape (n_beats - 1,)
        In s; NaN where the interval is not accepted.

    Raises
    ------
    InputError
        If the times do not rise.
    """
    times = np.asarray(times, dtype=float)
    intervals = np.diff(times)
    if times.ndim != 1 or not (intervals > 0).all():
        raise InputError("Times of beats came that do not rise.", fits="seconds, shape (n_beats,), each later")
    fast = len(intervals) > 0 and np.median(intervals) < _SHORTEST
    kept = np.where((intervals >= _SHORTEST) & (intervals <= _LONGEST) & (not fast), intervals, np.nan)
    near = np.pad(kept, _NEAR // 2, constant_values=np.nan)
    usual = np.full(len(kept), np.nan)
    there = np.isfinite(kept)
    if there.any():
        around = sliding_window_view(near, _NEAR)[there]
        few = np.isfinite(around).sum(axis=1) < 3
        usual[there] = np.where(few, np.median(kept[there]), np.nanmedian(around, axis=1))
    return times[1:], np.where(np.abs(kept - usual) <= _DEVIATION * usual, kept, np.nan)


def heart_rate(x: np.ndarray, sfreq: float, kind: str = "bvp", rate: float = 4.0) -> np.ndarray:
    """Instantaneous heart rate of one recording and its slope, evenly sampled (methods B4.4).

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Pulse or electrocardiogram.
    sfreq : float
        Sampling rate of `x` in Hz.
    kind : {'bvp', 'ecg'}
        As :func:`find_beats`.
    rate : float
        Sampling rate of the result in Hz.

    Returns
    -------
    ndarray, shape (2, round(n_times * rate / sfreq)), float32 (float64 for float64)
        Heart rate in Hz (beats per second) and its slope in Hz/s, the first sample at that of `x`. One over each
        accepted interval, placed in its middle, with a monotone cubic (PCHIP) between them, which also bridges a few
        intervals that were not accepted, and the first and last value held towards the ends. NaN where the nearest
        accepted interval is more than :data:`GAP` away, and throughout where fewer than two were accepted.

    Raises
    ------
    InputError
        As :func:`find_beats`, or if `rate` is not positive.
    """
    dtype = float_type(x)
    if isinstance(rate, bool) or not (isinstance(rate, (int, float, np.number)) and 0 < rate < np.inf):
        raise InputError(f"rate={rate!r} came.", fits="a positive rate in Hz")
    ends, intervals = clean_intervals(find_beats(x, sfreq, kind))
    there = np.isfinite(intervals)
    t = np.arange(round(np.shape(x)[-1] * rate / sfreq)) / rate
    if there.sum() < 2:
        return np.full((2, len(t)), np.nan, dtype)
    middle, beats = (ends - intervals / 2)[there], 1 / intervals[there]
    curve = PchipInterpolator(middle, beats, extrapolate=False)
    slope = np.nan_to_num(curve.derivative()(t))  # 0 where a value is held
    made = np.stack([curve(np.clip(t, middle[0], middle[-1])), slope]).astype(dtype)
    after = np.searchsorted(middle, t).clip(1, len(middle) - 1)
    away = np.minimum(np.abs(t - middle[after - 1]), np.abs(t - middle[after]))
    made[:, away > GAP] = np.nan
    return made


def heart_rate_signal(signal: Signal, kind: str = "bvp", rate: float = 4.0) -> Signal:
    """Apply :func:`heart_rate` to a recording's pulse or electrocardiogram of one channel.

    Returns
    -------
    Signal
        Channels ``hr`` (Hz) and ``hr_slope`` (Hz/s) at `rate`, with the start of `signal`.

    Raises
    ------
    InputError
        If the signal has several channels, or as :func:`heart_rate`.
    """
    if len(signal.ch_names) != 1:
        raise InputError(f"A signal with the channels {', '.join(signal.ch_names)} came.", fits="one channel")
    data = heart_rate(signal.data[0], signal.sfreq, kind, rate)
    if np.isnan(data).any():
        share = np.isnan(data[0]).mean()
        signal = signal.replace(notes=(*signal.notes, f"no beats were found in {share:.0%} of it"))
    return signal.replace(data=data, sfreq=float(rate), ch_names=("hr", "hr_slope"), unit="Hz")


def heart_features(
    x: np.ndarray, sfreq: float, kind: str = "bvp", window: float | None = None, step: float | None = None
) -> np.ndarray:
    """Heart rate, its variability and the size of the beats in each window.

    Beats are found once in the whole of `x`; an interval belongs to a window if both its beats do, a difference of
    successive intervals if all three do.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Pulses or electrocardiograms, each one uninterrupted recording.
    sfreq : float
        Sampling rate in Hz.
    kind : {'bvp', 'ecg'}
        As :func:`find_beats`.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; the whole of `x` is one window by default, and
        windows do not overlap.

    Returns
    -------
    ndarray, shape (..., n_features, n_windows), float32 (float64 for float64)
        In the order of :data:`HEART_FEATURES`:

        * ``rate``, ``rate_sd``: mean and standard deviation of one over the interval, Hz;
        * ``interval``, ``sdnn``, ``rmssd``, ``sdsd``: mean and standard deviation of the intervals, root mean square
          and standard deviation of successive differences, s; ``pnn50``, ``pnn20``: share of differences above 50 and
          20 ms (Task Force 1996, table 1);
        * ``sd1``, ``sd2``: standard deviation across and along the diagonal of successive intervals, s (Brennan et
          al. 2001);
        * ``power_low``, ``power_lf``, ``power_hf``: power of the intervals below 0.15, in 0.04-0.15 and in 0.15-0.4 Hz,
          s², and ``lf_hf``: by least squares with a floating mean (Zechmeister & Kürster 2009, sect. 2) under a Hann
          window, at multiples of one over the window, so that nothing is interpolated over missing intervals;
        * ``amplitude``: difference of the highest and the lowest value between two beats, of the pulse between 0.5 and
          8 Hz or the electrocardiogram between 5 and 20 Hz, unit of `x`;
        * ``covered``: share of the window within accepted intervals; ``beats``: number of beats that begin or end one.

        A band needs a window of two periods of its slowest rhythm: 50 s for LF and 13.4 s for HF, else it is NaN; the
        power below 0.15 Hz goes with HF, and its slowest rhythm is that of the window. Windows with fewer than five
        beats or less than half covered have NaN for all but the last two.

    Raises
    ------
    InputError
        As :func:`find_beats`, or if a window does not fit the signal.
    """
    known("kind of heart signal", kind, KINDS)
    return in_each(partial(_features, kind), len(HEART_FEATURES), x, sfreq, window, step)


def _features(kind: str, x: np.ndarray, sfreq: float, size: int, hop: int) -> np.ndarray:
    begin, end = bounds = window_bounds(len(x), sfreq, size, hop)
    times = find_beats(x, sfreq, kind)
    ends, intervals = clean_intervals(times)
    starts, there = times[:-1], np.isfinite(intervals)
    within = (starts >= begin) & (ends < end) & there
    successive = np.diff(intervals, append=np.nan)  # to the next
    pairs = 2 * intervals + successive
    in_pair = within & np.roll(within, -1, axis=1) & np.isfinite(successive)  # the last one has no next
    interval, sdnn, _ = describe(intervals, within)
    rate, rate_sd, _ = describe(1 / intervals, within)
    _, sdsd, _ = describe(successive, in_pair)
    _, sd2, _ = describe(pairs, in_pair)
    rmssd = np.sqrt(describe(successive**2, in_pair)[0])
    pnn50, pnn20 = (describe((np.abs(successive) > limit).astype(float), in_pair)[0] for limit in (0.05, 0.02))
    band = _PULSE if kind == "bvp" else _QRS
    amplitude = describe(_heights(smoothed(x, sfreq, *band), times, sfreq), within)[0]
    powers = _powers(intervals, (starts + ends) / 2, within, bounds)
    overlap = np.clip(np.minimum(ends, end) - np.maximum(starts, begin), 0, None)
    covered = np.where(there, overlap, 0).sum(axis=1) / (end - begin)[:, 0]
    bound = np.zeros((len(begin), len(times)), dtype=bool)
    if len(times):
        bound[:, 1:] |= within
        bound[:, :-1] |= within
    beats = bound.sum(axis=1)
    values = np.stack(
        [
            rate,
            rate_sd,
            interval,
            sdnn,
            rmssd,
            sdsd,
            pnn50,
            pnn20,
            sdsd / np.sqrt(2),
            sd2 / np.sqrt(2),
            *powers,
            amplitude,
        ]
    )
    return np.vstack([np.where(_enough(covered, beats), values, np.nan), covered, beats])


def _enough(covered: np.ndarray, beats: np.ndarray) -> np.ndarray:
    return (covered >= _LEAST_COVER) & (beats >= _FEWEST)


def _heights(y: np.ndarray, times: np.ndarray, sfreq: float) -> np.ndarray:
    """Height of `y` in each interval between two beats, in the unit of `y`, shape (n_beats - 1,)."""
    if len(times) < 2:
        return np.empty(0)
    at = np.round(times * sfreq).astype(int)
    return np.maximum.reduceat(y, at)[:-1] - np.minimum.reduceat(y, at)[:-1]


def _powers(y: np.ndarray, t: np.ndarray, within: np.ndarray, bounds: np.ndarray) -> list[np.ndarray]:
    """Power below 0.15 Hz, of LF, of HF, and LF/HF, shape (n_windows,) each, of values `y` at uneven times `t`."""
    begin, length = bounds[0], float(bounds[1, 0, 0] - bounds[0, 0, 0])
    freqs = np.arange(1, int(_HF[1] * length) + 1) / length
    nothing = np.full(len(begin), np.nan)
    if length * _HF[0] < _PERIODS or not len(y):
        return [nothing] * 4
    weight = np.where(within, np.sin(np.pi * np.clip((t - begin) / length, 0, 1)) ** 2, 0)
    total = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    angle = 2 * np.pi * np.outer(t, freqs)
    cos, sin, y = np.cos(angle), np.sin(angle), np.nan_to_num(y)
    c, s, mean = weight @ cos, weight @ sin, (weight @ y)[:, None]
    yc, ys = weight @ (y[:, None] * cos) - mean * c, weight @ (y[:, None] * sin) - mean * s
    cc, cs = weight @ cos**2 - c**2, weight @ (cos * sin) - c * s
    ss = 1 - weight @ cos**2 - s**2
    determinant = cc * ss - cs**2
    fit = determinant > 1e-6
    safe = np.where(fit, determinant, 1.0)
    a, b = (yc * ss - ys * cs) / safe, (ys * cc - yc * cs) / safe
    power = np.where(fit, (a**2 + b**2) / 2, 0) / 1.5  # a Hann window spreads a sine over 1.5 frequencies
    low, lf, hf = (power[:, (freqs >= f[0]) & (freqs < f[1])].sum(axis=1) for f in (_LOW, _LF, _HF))
    lf = lf if length * _LF[0] >= _PERIODS else nothing
    return [low, lf, hf, np.divide(lf, hf, out=nothing.copy(), where=hf > 0)]


class HeartFeatures(WindowFeatures):
    """Heart rate, its variability and the size of the beats of samples that are recordings, or long parts of them.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    kind, window, step
        As :func:`heart_features`.
    only : sequence of str, optional
        Names of the features that are wanted, in this order; all by default.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    offline = True

    every = HEART_FEATURES

    def __init__(
        self,
        sfreq: float = 64.0,
        kind: str = "bvp",
        window: float | None = None,
        step: float | None = None,
        only: Sequence[str] | None = None,
    ):
        self.sfreq = sfreq
        self.kind = kind
        self.window = window
        self.step = step
        self.only = only

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample, shape (n_samples, n_channels, n_times), why no window has features; else ''."""
        X = np.asarray(X)
        made = self._features(X[:, None, :] if X.ndim == 2 else X)
        return [self._problem(x, *features[-2:]) for x, features in zip(X, made, strict=True)]

    def _problem(self, x: np.ndarray, covered: np.ndarray, beats: np.ndarray) -> str:
        """Say what is wrong with one sample, whose windows have shape (n_channels, n_windows)."""
        if _enough(covered, beats).any():
            return ""
        if (np.ptp(x, axis=-1) == 0).all():
            return "constant signal"
        seconds = x.shape[-1] / self.sfreq if self.window is None else self.window
        if beats.max() < _FEWEST:
            return f"{beats.max():.0f} beats accepted in {seconds:g} s, fewer than {_FEWEST}"
        return f"beats cover {covered.max():.0%} of {seconds:g} s, less than half"

    def _features(self, X: np.ndarray) -> np.ndarray:
        return np.swapaxes(heart_features(X, self.sfreq, self.kind, self.window, self.step), 1, 2)
