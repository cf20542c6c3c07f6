"""Smoothing of features over the windows of one trial. Windows then know what comes after them: never live."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.signals.transformer import ArrayTransformer

__all__ = ["Smooth", "linear_dynamical_system", "moving_average"]

_ROUNDS = 10  # of expectation maximisation
_LEAST = 1e-6  # share of the variance of the differences below which no noise is taken to lie


def moving_average(x: np.ndarray, length: int = 5) -> np.ndarray:
    """Mean of each window and its neighbours on both sides; at the ends of those that there are.

    Parameters
    ----------
    x : ndarray, shape (..., n_windows)
        Features of one trial in order of time.
    length : int
        Windows that are averaged, an odd number.

    Returns
    -------
    ndarray, shape (..., n_windows)

    Raises
    ------
    InputError
        If the length is not an odd positive number.
    """
    if length < 1 or length % 2 != 1:
        raise InputError(f"A moving average over {length} windows came.", fits="an odd number, as 5")
    x = np.asarray(x)
    total = uniform_filter1d(x.astype(np.float64), length, axis=-1, mode="constant")
    share = uniform_filter1d(np.ones(x.shape[-1]), length, mode="constant")
    return (total / share).astype(x.dtype)


def linear_dynamical_system(x: np.ndarray, ratio: float | None = None) -> np.ndarray:
    """Smooth each feature with a Kalman smoother: a hidden level that wanders, seen through noise.

    Parameters
    ----------
    x : ndarray, shape (..., n_windows)
        Features of one trial in order of time.
    ratio : float, optional
        Variance of a step of the level over the variance of the noise; the smaller the smoother. By default both are
        estimated for each feature from this trial alone, by expectation maximisation.

    Returns
    -------
    ndarray, shape (..., n_windows)

    Raises
    ------
    InputError
        If the ratio is not positive.

    Notes
    -----
    Level ``z_t = z_(t-1) + w_t``, feature ``x_t = z_t + v_t``; forward Kalman filter and backward Rauch-Tung-Striebel
    pass, all features at once. L.-C. Shi, B.-L. Lu: Off-line and on-line vigilance estimation based on linear dynamical
    system and manifold learning. EMBC 2010, section II-C.
    """
    if ratio is not None and not ratio > 0:
        raise InputError(f"ratio={ratio} came.", fits="a positive number, or none to estimate it")
    x = np.asarray(x)
    flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
    if x.shape[-1] < 3:
        return x.copy()
    spread = np.diff(flat, axis=-1).var(axis=-1) + np.diff(flat, axis=-1).mean(axis=-1) ** 2
    spread[spread == 0] = 1.0  # a constant feature stays as it is
    step = noise = spread / 3
    if ratio is not None:
        return _smoothed(flat, ratio * noise, noise)[0].reshape(x.shape).astype(x.dtype)
    for _ in range(_ROUNDS):
        level, variance, together = _smoothed(flat, step, noise)
        moved = np.diff(level, axis=-1) ** 2 + variance[:, 1:] + variance[:, :-1] - 2 * together
        step = np.maximum(moved.mean(axis=-1), _LEAST * spread)
        noise = np.maximum(((flat - level) ** 2 + variance).mean(axis=-1), _LEAST * spread)
    return _smoothed(flat, step, noise)[0].reshape(x.shape).astype(x.dtype)


def _smoothed(x: np.ndarray, step: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and variance of the level at each window, and the covariance of neighbours.

    `x` has the shape (n_features, n_windows); the variances of step and noise have (n_features,).
    """
    n = x.shape[-1]
    mean, variance = np.empty_like(x), np.empty_like(x)
    mean[:, 0], variance[:, 0] = x[:, 0], noise
    for t in range(1, n):
        ahead = variance[:, t - 1] + step
        gain = ahead / (ahead + noise)
        mean[:, t] = mean[:, t - 1] + gain * (x[:, t] - mean[:, t - 1])
        variance[:, t] = (1 - gain) * ahead
    together = np.empty((len(x), n - 1))
    for t in range(n - 2, -1, -1):
        ahead = variance[:, t] + step
        gain = variance[:, t] / ahead
        mean[:, t] += gain * (mean[:, t + 1] - mean[:, t])
        together[:, t] = gain * variance[:, t + 1]
        variance[:, t] += gain**2 * (variance[:, t + 1] - ahead)
    return mean, variance, together


class Smooth(ArrayTransformer):
    """Smoothing over the last axis of each sample, its windows; learns nothing from other samples.

    Among the features of a study a sample is a whole trial, so smoothing never crosses the border of one.

    Parameters
    ----------
    method : {'lds', 'moving_average'}
        :func:`linear_dynamical_system` or :func:`moving_average`.
    length : int
        Windows of the moving average.
    ratio : float, optional
        Of the linear dynamical system.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    learns = False
    offline = True

    def __init__(self, method: str = "lds", length: int = 5, ratio: float | None = None):
        self.method = method
        self.length = length
        self.ratio = ratio

    def channels(self, ch_names: list[str]) -> list[str]:
        """Return the names of the last axis but one, which stay."""
        return list(ch_names)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the smoothed samples, same shape."""
        X = self._checked(X)
        if self.method == "moving_average":
            return moving_average(X, self.length)
        if self.method == "lds":
            return linear_dynamical_system(X, self.ratio)
        known = ["lds", "moving_average"]
        raise InputError(f"There is no smoothing {self.method!r}.{near(self.method, known)}", fits=" or ".join(known))
