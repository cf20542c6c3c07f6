"""Features of a heart-rate curve, as :func:`thymos.signals.heart.heart_rate` makes it (methods B4.4)."""

from __future__ import annotations

import numpy as np

from thymos.base.errors import InputError
from thymos.signals.events import float_type
from thymos.signals.transformer import WindowFeatures, in_windows
from thymos.signals.windows import sliding_windows

__all__ = ["RATE_FEATURES", "RateFeatures", "rate_features"]

_LOWEST = 8  # magnitudes of the spectrum
#: Names of the features, in the order of :func:`rate_features`.
RATE_FEATURES = ("mean", "sd", "rmssd", "power_low", "power_hf", *(f"fft_{k + 1}" for k in range(_LOWEST)))

_HF = (0.15, 0.4)  # Hz
_SLOWEST, _FASTEST = 0.25, 5.0  # Hz, of a heart, with room for a generated one


def rate_features(x: np.ndarray, sfreq: float, window: float | None = None, step: float | None = None) -> np.ndarray:
    """Level, spread and rhythm of the heart rate in each window.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Heart rate in Hz (beats per second), evenly sampled.
    sfreq : float
        Sampling rate of `x` in Hz.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; the whole of `x` is one window by default, and
        windows do not overlap.

    Returns
    -------
    ndarray, shape (..., n_features, n_windows), float32 (float64 for float64)
        In the order of :data:`RATE_FEATURES`: mean and standard deviation in Hz; ``rmssd``, root mean square of
        differences of successive intervals, s; power below 0.15 Hz and in 0.15-0.4 Hz, Hz²; and the magnitudes of the
        eight lowest frequencies above 0, multiples of one over the window, as amplitudes of sines in Hz. NaN throughout
        where a mean outside 0.25 to 5 Hz is no heart rate.

    Raises
    ------
    InputError
        If a window does not fit the signal, or the signal has missing values.

    Notes
    -----
    The beats of the intervals are those that the curve itself tells: one whenever its integral, which counts beats,
    reaches a whole number. They do not meet the beats that the curve was made of, so that ``rmssd`` is smaller by a
    quarter to a third than that of :func:`thymos.signals.heart.heart_features`. In windows of 20 s the two powers stand
    for what LF and HF are in minutes.
    """
    x = np.asarray(x)
    dtype = float_type(x)
    if not (np.isfinite(sfreq) and sfreq > 0) or not x.ndim:
        raise InputError(f"An array of shape {x.shape} at {sfreq} Hz came.", fits="(..., n_times) and a positive rate")
    if not np.isfinite(x).all():
        raise InputError(
            f"{int((~np.isfinite(x)).sum())} of {x.size} values are missing or infinite.",
            fits="finite values",
            do="leave out windows in which no beats were found",
        )
    frames = sliding_windows(x.astype(np.float64), *in_windows(x.shape[-1], sfreq, window, step))
    made = _features(frames.reshape(-1, frames.shape[-1]), sfreq)  # all windows of all signals at once
    return np.moveaxis(made.reshape(len(RATE_FEATURES), *frames.shape[:-1]), 0, -2).astype(dtype)


def _features(frames: np.ndarray, sfreq: float) -> np.ndarray:
    """Features of windows (n_windows, n_times), shape (n_features, n_windows)."""
    size, mean = frames.shape[1], frames.mean(axis=1)
    spectrum = np.abs(np.fft.rfft(frames - mean[:, None], axis=1)) * 2 / size
    freqs, power = np.fft.rfftfreq(size, 1 / sfreq), spectrum**2 / 2
    low, hf = (power[:, (freqs > 0) & (freqs < _HF[0])], power[:, (freqs >= _HF[0]) & (freqs <= _HF[1])])
    first = spectrum[:, 1 : 1 + _LOWEST]
    first = np.pad(first, ((0, 0), (0, _LOWEST - first.shape[1])))
    values = [mean, frames.std(axis=1), _rmssd(frames, sfreq), low.sum(axis=1), hf.sum(axis=1), *first.T]
    return np.where((mean > _SLOWEST) & (mean < _FASTEST), np.stack(values), np.nan)


def _rmssd(frames: np.ndarray, sfreq: float) -> np.ndarray:
    """Root mean square of successive differences of the intervals that heart rates (n_windows, n_times) make."""
    rate = np.clip(frames, _SLOWEST, _FASTEST)
    beats = np.cumsum((rate[:, 1:] + rate[:, :-1]) / (2 * sfreq), axis=1)
    beats = np.pad(beats, ((0, 0), (1, 0)))  # since the window began
    wanted = np.arange(int(beats[:, -1].max(initial=0)) + 1)
    # one search for all windows: the counts of each lie above those of the one before
    raised = (len(wanted) + 1) * np.arange(len(beats))[:, None]
    after = np.searchsorted((beats + raised).ravel(), (wanted + raised).ravel(), side="right")
    after = after.reshape(len(beats), len(wanted)) - beats.shape[1] * np.arange(len(beats))[:, None]
    after = np.clip(after, 1, beats.shape[1] - 1)
    lower, upper = (np.take_along_axis(beats, at, axis=1) for at in (after - 1, after))
    times = (after - 1 + (wanted - lower) / (upper - lower)) / sfreq
    there = (wanted <= beats[:, -1:])[:, 2:]
    squares = np.where(there, np.diff(times, n=2, axis=1) ** 2, 0.0).sum(axis=1)
    count = there.sum(axis=1)
    return np.sqrt(np.divide(squares, count, out=np.full(len(frames), np.nan), where=count > 0))


class RateFeatures(WindowFeatures):
    """Level, spread and rhythm of a heart rate, from samples whose first channel it is.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    window, step
        As :func:`rate_features`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    every = RATE_FEATURES

    def __init__(self, sfreq: float = 4.0, window: float | None = None, step: float | None = None):
        self.sfreq = sfreq
        self.window = window
        self.step = step

    def channels(self, ch_names: list[str]) -> list[str]:
        """Return the name of the only channel that is used."""
        return list(ch_names[:1])

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample, shape (n_samples, n_channels, n_times), what is wrong with it as a whole; else ''."""
        means = [float(np.mean(x[0], dtype=np.float64)) for x in X]
        return ["" if _SLOWEST < m < _FASTEST else f"mean {m:.4g} Hz, no heart rate in beats per second" for m in means]

    def _features(self, X: np.ndarray) -> np.ndarray:
        return np.swapaxes(rate_features(X[:, :1], self.sfreq, self.window, self.step), 1, 2)
