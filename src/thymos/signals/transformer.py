"""What the transformers of this room share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from thymos.base.catalogue import near
from thymos.base.errors import InputError

__all__ = ["ArrayTransformer", "WindowFeatures", "in_windows"]


class ArrayTransformer(TransformerMixin, BaseEstimator):
    """Base of transformers of samples with two axes or more, the first being samples, float32 or float64."""

    #: Whether `fit` learns from the samples. What does not learn may be computed before any split.
    learns = True

    def fit(self, X: np.ndarray, y: Any = None) -> ArrayTransformer:
        """Check the samples, shape (n_samples, ...); `y` is ignored."""
        self._checked(X, reset=True)
        return self

    def _checked(self, X: np.ndarray, reset: bool = False) -> np.ndarray:
        """Return the samples as an array of finite floats with as many entries on the second axis as in `fit`."""
        if not reset:
            check_is_fitted(self)
        return validate_data(self, X, allow_nd=True, dtype=[np.float64, np.float32], reset=reset)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class WindowFeatures(ArrayTransformer):
    """Base of features of signals that learn nothing, so they cannot leak.

    Samples have shape (n_samples, n_channels, n_times), or (n_samples, n_times) for one channel. A subclass stores
    its parameters, among them ``sfreq`` in Hz and, if it is framed, ``window`` and ``step`` in seconds (``window=None``
    takes the sample as one window), and overrides :meth:`_features` and :meth:`names`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    learns = False

    #: Whether a window's features use samples after it, so that they cannot be had while a signal comes in.
    offline = False

    #: Names of all features, where no parameter decides on them.
    every: tuple[str, ...] = ()

    #: Names of those that are wanted; all by default. A parameter of features some of which short samples cannot have.
    only: Sequence[str] | None = None

    #: Whether the last axis follows time, window by window; otherwise there is one value for the whole sample.
    framed = True

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_features, n_channels, n_windows); units as of the function of this feature."""
        X = self._checked(X)
        names = self.names() if self.only is not None else ()
        made = self._features(X[:, None, :] if X.ndim == 2 else X)
        return made if self.only is None else made[:, [self.every.index(name) for name in names]]

    def names(self) -> tuple[str, ...]:
        """Return the names of the second axis of what `transform` returns."""
        if self.only is None:
            return self.every
        names = (self.only,) if isinstance(self.only, str) else tuple(self.only)
        unknown = [name for name in names if name not in self.every]
        if unknown or not names:
            raise InputError(
                f"only={list(names)} came." + (near(unknown[0], self.every) if unknown else ""),
                fits=f"some of {', '.join(self.every)}",
            )
        return names

    def channels(self, ch_names: list[str]) -> Sequence[str]:
        """Return the names of the last axis but one, for signals with such channels."""
        return list(ch_names)

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample, shape (n_samples, n_channels, n_times), why it has no features; else ''."""
        return [""] * len(X)

    def _features(self, X: np.ndarray) -> np.ndarray:
        """Compute shape (n_samples, n_features, n_channels, n_windows) of (n_samples, n_channels, n_times)."""
        raise TypeError(f"{type(self).__name__} does not say what it computes: override _features()")


def in_windows(n_times: int, sfreq: float, window: float | None, step: float | None) -> tuple[int, int]:
    """Return length of a window and distance between two starts, in samples, for a signal of `n_times`.

    Raises
    ------
    InputError
        If a window has fewer than two samples or is longer than the signal, or the step is below one sample.
    """
    for name, value in (("window", window), ("step", step), ("sfreq", sfreq)):
        if not (value is None or (isinstance(value, Real) and math.isfinite(value))):
            raise InputError(f"{name}={value!r} came.", fits="a number of seconds, or of hertz")
    size = n_times if window is None else round(window * sfreq)
    hop = size if step is None else round(step * sfreq)
    if not 1 < size <= n_times or hop < 1:
        raise InputError(
            f"A signal of {n_times} samples at {sfreq:g} Hz came for windows of {size} samples every {hop}.",
            fits="at least one window of two samples, and a step of one sample or more",
            do="give longer signals, or a shorter window (in seconds)",
        )
    return size, hop
