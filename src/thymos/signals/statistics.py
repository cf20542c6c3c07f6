"""Statistics of windows in the time domain: moments and extremes, differences (Picard et al. 2001), Hjorth's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.signals.filters import floating
from thymos.signals.transformer import WindowFeatures, in_windows
from thymos.signals.windows import in_blocks

__all__ = [
    "DIFFERENCES",
    "HJORTH",
    "STATISTICS",
    "Hjorth",
    "WindowStatistics",
    "difference_statistics",
    "hjorth",
    "window_statistics",
]

#: Names of the statistics, in the order of :func:`window_statistics`.
STATISTICS = ("mean", "sd", "skewness", "kurtosis", "min", "max")

#: Names of the statistics, in the order of :func:`difference_statistics`.
DIFFERENCES = ("mean", "sd", "first", "first_normalised", "second", "second_normalised")

#: Names of Hjorth's parameters, in the order of :func:`hjorth`.
HJORTH = ("activity", "mobility", "complexity")


def window_statistics(
    x: np.ndarray, sfreq: float = 1.0, window: float | None = None, step: float | None = None
) -> np.ndarray:
    """Mean, standard deviation, skewness, excess kurtosis, minimum and maximum over time.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Signals, in volts or any other unit.
    sfreq : float
        Sampling rate in Hz; needed for `window` only.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; the whole of `x` is one window by default.

    Returns
    -------
    ndarray, shape (..., n_statistics, n_channels, n_windows)
        In the order of :data:`STATISTICS`; skewness and kurtosis have no unit and are 0 for a constant channel, the
        others keep the unit of `x`.

    Raises
    ------
    InputError
        If the window does not fit the signal.
    """

    def moments(windows: np.ndarray) -> list[np.ndarray]:
        mean = windows.mean(axis=-1, dtype=np.float64)
        z = windows - mean[..., None]
        low, high = windows.min(axis=-1), windows.max(axis=-1)
        sd = np.where(low < high, np.sqrt(np.mean(z**2, axis=-1)), 0.0)  # rounding of the mean is no spread
        z = np.divide(z, sd[..., None], out=np.zeros_like(z), where=sd[..., None] > 0)
        kurtosis = np.where(sd > 0, np.mean(z**4, axis=-1) - 3, 0.0)
        return [mean, sd, np.mean(z**3, axis=-1), kurtosis, low, high]

    return _of_windows(x, sfreq, window, step, moments)


def difference_statistics(
    x: np.ndarray, sfreq: float = 1.0, window: float | None = None, step: float | None = None
) -> np.ndarray:
    """Mean, standard deviation, and mean absolute first and second differences, as they are and over the SD.

    Parameters
    ----------
    x, sfreq, window, step
        As :func:`window_statistics`.

    Returns
    -------
    ndarray, shape (..., n_statistics, n_channels, n_windows)
        In the order of :data:`DIFFERENCES`. The first difference is between neighbours, the second between samples two
        apart. Normalised ones have no unit and are 0 for a constant channel.

    Raises
    ------
    InputError
        As :func:`window_statistics`.

    Notes
    -----
    R. W. Picard, E. Vyzas, J. Healey: Toward machine emotional intelligence: analysis of affective physiological
    state. IEEE Transactions on Pattern Analysis and Machine Intelligence 23, 2001, section 4.1.
    """

    def differences(windows: np.ndarray) -> list[np.ndarray]:
        sd = windows.std(axis=-1, dtype=np.float64)
        values = [windows.mean(axis=-1, dtype=np.float64), sd]
        for lag in (1, 2):
            apart = np.abs(windows[..., lag:] - windows[..., :-lag])
            mean = apart.mean(axis=-1, dtype=np.float64) if apart.shape[-1] else np.zeros_like(sd)
            values += [mean, _ratio(mean, sd)]
        return values

    return _of_windows(x, sfreq, window, step, differences)


def hjorth(x: np.ndarray, sfreq: float, window: float | None = None, step: float | None = None) -> np.ndarray:
    """Hjorth's activity, mobility and complexity.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Signals, in volts or any other unit.
    sfreq : float
        Sampling rate in Hz.
    window, step : float, optional
        As :func:`window_statistics`.

    Returns
    -------
    ndarray, shape (..., 3, n_channels, n_windows)
        Activity, the variance, in the square of the unit of `x`; mobility, the ratio of the standard deviation of the
        slope to that of the signal, in 1/s (2 pi f of a slow sine of frequency f); complexity, the mobility of the
        slope over that of the signal, 1 for a sine. The last two are 0 where the signal, or its slope, is constant.

    Raises
    ------
    InputError
        As :func:`window_statistics`.

    Notes
    -----
    B. Hjorth: EEG analysis based on time domain properties. Electroencephalography and Clinical Neurophysiology 29,
    1970, 306-310.
    """

    def parameters(windows: np.ndarray) -> list[np.ndarray]:
        first = np.diff(windows, axis=-1)
        activity, slope, bend = (_variance(part) for part in (windows, first, np.diff(first, axis=-1)))
        mobility = np.sqrt(_ratio(slope, activity))
        return [activity, mobility * sfreq, _ratio(np.sqrt(_ratio(bend, slope)), mobility)]

    return _of_windows(x, sfreq, window, step, parameters)


def _of_windows(
    x: np.ndarray, sfreq: float, window: float | None, step: float | None, function: Callable[[np.ndarray], list]
) -> np.ndarray:
    """Return what `function` gives for windows, (n_signals, n_windows, size), as features of `x`."""
    x = np.asarray(x)
    x = x.astype(floating(x), copy=False)  # differences of whole numbers would overflow
    size, hop = in_windows(x.shape[-1], sfreq, window, step)
    return in_blocks(x, size, hop, lambda windows: np.stack(function(windows), axis=-1)).astype(floating(x))


def _variance(windows: np.ndarray) -> np.ndarray:
    """Variance over the last axis, summed in double precision: volts squared would underflow in float32."""
    if not windows.shape[-1]:
        return np.zeros(windows.shape[:-1])
    z = windows - windows.mean(axis=-1, keepdims=True)
    return np.einsum("...i,...i->...", z, z, dtype=np.float64) / z.shape[-1]


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


class WindowStatistics(WindowFeatures):
    """Time-domain statistics of each sample; learns nothing, so it cannot leak.

    Parameters
    ----------
    kind : {'moments', 'differences'}
        :func:`window_statistics` or :func:`difference_statistics`.
    sfreq : float
        Sampling rate of the samples in Hz; needed for `window` only.
    window, step : float, optional
        In seconds; the sample is one window by default.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    def __init__(
        self, kind: str = "moments", sfreq: float = 128.0, window: float | None = None, step: float | None = None
    ):
        self.kind = kind
        self.sfreq = sfreq
        self.window = window
        self.step = step

    def names(self) -> tuple[str, ...]:
        """Return the names of the statistics."""
        kinds = {"moments": STATISTICS, "differences": DIFFERENCES}
        if self.kind not in kinds:
            raise InputError(f"There are no statistics {self.kind!r}.{near(self.kind, kinds)}", fits=", ".join(kinds))
        return kinds[self.kind]

    def _features(self, X: np.ndarray) -> np.ndarray:
        function = window_statistics if self.names() == STATISTICS else difference_statistics
        return function(X, self.sfreq, self.window, self.step)


class Hjorth(WindowFeatures):
    """Hjorth's activity, mobility and complexity of each sample; see :func:`hjorth`.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    window, step : float, optional
        In seconds; the sample is one window by default.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    every = HJORTH

    def __init__(self, sfreq: float = 128.0, window: float | None = None, step: float | None = None):
        self.sfreq = sfreq
        self.window = window
        self.step = step

    def _features(self, X: np.ndarray) -> np.ndarray:
        return hjorth(X, self.sfreq, self.window, self.step)
