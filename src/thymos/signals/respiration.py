"""Breaths, and rate, depth and regularity of breathing in windows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import signal as sps

from thymos.signals.events import describe, finite_signal, in_each, smoothed, summit, window_bounds
from thymos.signals.transformer import WindowFeatures

__all__ = ["RESPIRATION_FEATURES", "Breaths", "RespirationFeatures", "find_breaths", "respiration_features"]

#: Names of the features, in the order of :func:`respiration_features`.
RESPIRATION_FEATURES = (
    "rate",
    "rate_sd",
    "depth",
    "depth_sd",
    "inspiration",
    "variation",
    "rmssd",
    "covered",
    "breaths",
)

_BAND = (0.05, 1.0)  # Hz, of breathing with its shape
_SIGNAL = 4.0  # Hz, up to which breathing is compared with all else
_PROMINENCE = 0.5  # of a breath, in standard deviations estimated from the median
_SHORTEST, _LONGEST = 1.5, 15.0  # s, of a breath
_FEWEST, _LEAST_SHARE = 3, 0.7


class Breaths(NamedTuple):
    """Breaths from trough to trough; each array has shape (n_breaths,).

    Attributes
    ----------
    start, peak, stop : ndarray
        Begin and end of the inspiration, and end of the expiration, in s from the first sample.
    depth : ndarray
        Height of the peak above the trough before, in the unit of the signal.
    """

    start: np.ndarray
    peak: np.ndarray
    stop: np.ndarray
    depth: np.ndarray


def find_breaths(x: np.ndarray, sfreq: float) -> Breaths:
    """Find the breaths in one uninterrupted recording.

    Peaks of the signal between 0.05 and 1 Hz with a prominence of half a standard deviation, estimated from the median
    so that one movement does not hide the rest, and the lowest points between them. Breaths outside 1.5 to 15 s are
    left out.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Signal of a belt or another sensor, rising with inspiration, in any unit.
    sfreq : float
        Sampling rate in Hz, more than 1.

    Returns
    -------
    Breaths

    Raises
    ------
    InputError
        If the array or the rate does not fit.
    """
    x = finite_signal(x, sfreq)
    return _breaths(smoothed(x, sfreq, *_BAND), sfreq)


def _breaths(y: np.ndarray, sfreq: float) -> Breaths:
    usual = np.median(np.abs(y)) / 0.6745 if len(y) else 0.0
    peaks, _ = sps.find_peaks(y, prominence=max(_PROMINENCE * usual, np.finfo(float).tiny))
    edges = [0, *peaks, len(y)]
    troughs = np.array([a + y[a:b].argmin() for a, b in pairwise(edges)], dtype=int)
    if not len(peaks):
        return Breaths(*np.empty((4, 0)))
    # the ends of the recording are no troughs
    first, last = int(troughs[0] == 0), len(peaks) - int(troughs[-1] == len(y) - 1)
    times, depth = summit(-y, troughs) / sfreq, y[peaks] - y[troughs[:-1]]
    start, peak, stop, depth = (v[first:last] for v in (times[:-1], summit(y, peaks) / sfreq, times[1:], depth))
    real = (stop - start >= _SHORTEST) & (stop - start <= _LONGEST)
    return Breaths(start[real], peak[real], stop[real], depth[real])


def respiration_features(
    x: np.ndarray, sfreq: float, window: float | None = None, step: float | None = None
) -> np.ndarray:
    """Rate, depth and regularity of breathing in each window; breaths are those of the whole recording.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Respiration, each one uninterrupted recording.
    sfreq : float
        Sampling rate in Hz.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; the whole of `x` is one window by default, and
        windows do not overlap. A breath belongs to a window if it begins and ends in it.

    Returns
    -------
    ndarray, shape (..., n_features, n_windows), float32 (float64 for float64)
        In the order of :data:`RESPIRATION_FEATURES`:

        * ``rate``, ``rate_sd``: mean and standard deviation of one over the length of a breath, Hz;
        * ``depth``, ``depth_sd``: of the height of the peak above the trough before it, between 0.05 and 1 Hz, unit of
          `x`;
        * ``inspiration``: mean share of the breath before its peak (duty cycle; Boiten et al. 1994), of corners rounded
          by the same band;
        * ``variation``: standard deviation of the length of a breath over its mean; ``rmssd``: root mean square of
          differences between the lengths of adjoining breaths, s;
        * ``covered``: share of the window within breaths; ``breaths``: their number.

        Windows with fewer than three breaths, and recordings of which less than 0.7 of the variance between
        0.05 and 4 Hz is below 1 Hz, so that what is found is noise, have NaN for all but the last two.

    Raises
    ------
    InputError
        As :func:`find_breaths`, or if a window does not fit the signal.
    """
    return in_each(_features, len(RESPIRATION_FEATURES), x, sfreq, window, step)


def _features(x: np.ndarray, sfreq: float, size: int, hop: int) -> np.ndarray:
    begin, end = window_bounds(len(x), sfreq, size, hop)
    y = smoothed(x, sfreq, *_BAND)
    found = _breaths(y, sfreq)
    held = (found.start >= begin) & (found.stop < end)
    length = found.stop - found.start
    period, period_sd, number = describe(length, held)
    # a breath left out is not bridged
    adjoins = np.append(found.start[1:] - found.stop[:-1] < 0.5 / sfreq, [False])[: len(length)]
    change = np.where(adjoins, np.diff(length, append=np.nan), np.nan)
    values = np.stack(
        [
            *describe(1 / length, held)[:2],
            *describe(found.depth, held)[:2],
            describe((found.peak - found.start) / length, held)[0],
            period_sd / period,
            np.sqrt(describe(change**2, held & np.roll(held, -1, axis=1))[0]),
        ]
    )
    overlap = np.clip(np.minimum(found.stop, end) - np.maximum(found.start, begin), 0, None).sum(axis=1)
    good = (number >= _FEWEST) & (_share(x, y, sfreq) >= _LEAST_SHARE)
    return np.vstack([np.where(good, values, np.nan), overlap / (end - begin)[:, 0], number])


def _share(x: np.ndarray, y: np.ndarray, sfreq: float) -> float:
    """Share of the variance between 0.05 and 4 Hz that is in `y`, below 1 Hz."""
    whole = smoothed(x, sfreq, _BAND[0], _SIGNAL).var()
    return y.var() / whole if whole > 0 else 0.0


class RespirationFeatures(WindowFeatures):
    """Rate, depth and regularity of breathing of samples that are recordings, or long parts of them.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    window, step
        As :func:`respiration_features`.
    only : sequence of str, optional
        Names of the features that are wanted, in this order; all by default.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    offline = True

    every = RESPIRATION_FEATURES

    def __init__(
        self,
        sfreq: float = 32.0,
        window: float | None = None,
        step: float | None = None,
        only: Sequence[str] | None = None,
    ):
        self.sfreq = sfreq
        self.window = window
        self.step = step
        self.only = only

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample, shape (n_samples, n_channels, n_times), why no window has features; else ''."""
        X = np.asarray(X)
        X = X[:, None, :] if X.ndim == 2 else X
        made = self._features(X)
        return [self._problem(x, features) for x, features in zip(X, made, strict=True)]

    def _problem(self, x: np.ndarray, features: np.ndarray) -> str:
        """Say what is wrong with one sample, given its features, shape (n_features, n_channels, n_windows)."""
        if np.isfinite(features[0]).any():
            return ""
        if (np.ptp(x, axis=-1) == 0).all():
            return "constant signal"
        number = features[-1].max()
        seconds = x.shape[-1] / self.sfreq if self.window is None else self.window
        if number < _FEWEST:
            return f"{number:.0f} breaths found in {seconds:g} s, fewer than {_FEWEST}"
        share = max(_share(v, smoothed(v, self.sfreq, *_BAND), self.sfreq) for v in x.astype(np.float64))
        return f"{share:.0%} of the variance above 0.05 Hz is below 1 Hz, less than {_LEAST_SHARE:.0%}: no breathing"

    def _features(self, X: np.ndarray) -> np.ndarray:
        return np.swapaxes(respiration_features(X, self.sfreq, self.window, self.step), 1, 2)
