"""Statistics of each window and channel in the time domain."""

from __future__ import annotations

import numpy as np

from thymos.signals.transformer import ArrayTransformer

__all__ = ["STATISTICS", "WindowStatistics", "window_statistics"]

#: Names of the statistics, in the order of :func:`window_statistics`.
STATISTICS = ("mean", "sd", "skewness", "kurtosis", "min", "max")


def window_statistics(x: np.ndarray) -> np.ndarray:
    """Mean, standard deviation, skewness, excess kurtosis, minimum and maximum over time.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Windows, in volts or any other unit.

    Returns
    -------
    ndarray, shape (..., n_statistics, n_channels, 1)
        The last axis is time, as in differential entropy of one window. In the order of :data:`STATISTICS`; skewness
        and kurtosis have no unit and are 0 for a constant channel, the others keep the unit of `x`.
    """
    x = np.asarray(x)
    mean = x.mean(axis=-1, dtype=np.float64)
    z = x - mean[..., None]
    sd = np.sqrt(np.mean(z**2, axis=-1))
    z = np.divide(z, sd[..., None], out=np.zeros_like(z), where=sd[..., None] > 0)
    kurtosis = np.where(sd > 0, np.mean(z**4, axis=-1) - 3, 0.0)
    values = [mean, sd, np.mean(z**3, axis=-1), kurtosis, x.min(axis=-1), x.max(axis=-1)]
    return np.stack(values, axis=-2)[..., None].astype(np.float64 if x.dtype == np.float64 else np.float32)


class WindowStatistics(ArrayTransformer):
    """Time-domain statistics of each sample; learns nothing, so it cannot leak.

    Samples have shape (n_samples, n_channels, n_times), or (n_samples, n_times) for one channel.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_statistics, n_channels, 1), units as :func:`window_statistics`."""
        X = self._checked(X)
        return window_statistics(X[:, None, :] if X.ndim == 2 else X)
