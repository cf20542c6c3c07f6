"""Skin temperature: level, spread and trend in windows."""

from __future__ import annotations

import numpy as np

from thymos.signals.events import in_each, level
from thymos.signals.transformer import WindowFeatures
from thymos.signals.windows import sliding_windows

__all__ = ["TEMPERATURE_FEATURES", "TemperatureFeatures", "temperature_features"]

#: Names of the features, in the order of :func:`temperature_features`.
TEMPERATURE_FEATURES = ("mean", "sd", "slope", "range")

_COLDEST, _HOTTEST = 273.15, 323.15  # K, of a skin that is alive


def temperature_features(
    x: np.ndarray, sfreq: float, window: float | None = None, step: float | None = None
) -> np.ndarray:
    """Mean, standard deviation, slope and range of the skin temperature in each window.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Temperatures in K.
    sfreq : float
        Sampling rate in Hz.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; the whole of `x` is one window by default, and
        windows do not overlap.

    Returns
    -------
    ndarray, shape (..., n_features, n_windows), float32 (float64 for float64)
        In the order of :data:`TEMPERATURE_FEATURES`, in K, and K/s for the slope of the least-squares line. NaN in
        windows with a mean outside 273.15 to 323.15 K, which is no skin, or no kelvin.

    Raises
    ------
    InputError
        If a window does not fit the signal, or the signal has missing values.
    """
    return in_each(_features, len(TEMPERATURE_FEATURES), x, sfreq, window, step)


def _features(x: np.ndarray, sfreq: float, size: int, hop: int) -> np.ndarray:
    mean, sd, slope = level(x, sfreq, size, hop)
    values = np.stack([mean, sd, slope, np.ptp(sliding_windows(x, size, hop), axis=-1)])
    return np.where((mean > _COLDEST) & (mean < _HOTTEST), values, np.nan)


class TemperatureFeatures(WindowFeatures):
    """Level, spread and trend of the skin temperature of each sample.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    window, step
        As :func:`temperature_features`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    every = TEMPERATURE_FEATURES

    def __init__(self, sfreq: float = 4.0, window: float | None = None, step: float | None = None):
        self.sfreq = sfreq
        self.window = window
        self.step = step

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample, shape (n_samples, n_channels, n_times), what is wrong with it as a whole; else ''."""
        means = [float(np.mean(x, dtype=np.float64)) for x in X]
        return ["" if _COLDEST < m < _HOTTEST else f"mean {m:.4g} K, no skin temperature in kelvin" for m in means]

    def _features(self, X: np.ndarray) -> np.ndarray:
        return np.swapaxes(temperature_features(X, self.sfreq, self.window, self.step), 1, 2)
