"""Scaling and reshaping between features and classifiers."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from thymos.base.errors import InputError

__all__ = ["ChannelScaler", "Flatten"]


class ChannelScaler(TransformerMixin, BaseEstimator):
    """Zero mean and unit variance of each channel over training samples and time.

    With more than two axes the last one is time and is pooled with the samples: raw windows are scaled per channel,
    differential entropy per band and channel. With two axes each column is scaled. The statistics come from `fit`
    alone, hence from the training part of a fold.

    Attributes
    ----------
    scaler_ : sklearn.preprocessing.StandardScaler
        Holds mean and variance.
    n_features_in_ : int
        Size of the second axis seen in `fit`.
    """

    def fit(self, X: np.ndarray, y: object = None) -> ChannelScaler:
        """Learn mean and standard deviation.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_channels, n_times), (n_samples, n_bands, n_channels, n_windows) or
            (n_samples, n_features)
        y : ignored
        """
        X = validate_data(self, X, allow_nd=True, dtype=[np.float64, np.float32])
        self.scaler_ = StandardScaler().fit(self._table(X))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled samples, same shape, float32 if they came as float32."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, dtype=[np.float64, np.float32], reset=False)
        table = self._table(X)
        if table.shape[1] != self.scaler_.n_features_in_:
            raise InputError(
                f"Samples of shape {X.shape[1:]} came, {table.shape[1]} channels in all.",
                fits=f"{self.scaler_.n_features_in_}, as in fit",
            )
        scaled = self.scaler_.transform(table)
        if X.ndim == 2:
            return scaled
        return np.moveaxis(scaled.reshape(len(X), X.shape[-1], *X.shape[1:-1]), 1, -1)

    @staticmethod
    def _table(X: np.ndarray) -> np.ndarray:
        return X if X.ndim == 2 else np.moveaxis(X, -1, 1).reshape(-1, int(np.prod(X.shape[1:-1])))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class Flatten(TransformerMixin, BaseEstimator):
    """All axes of a sample into one row of features, for classifiers that want a table.

    Attributes
    ----------
    shape_ : tuple of int
        Shape of a sample seen in `fit`.
    """

    def fit(self, X: np.ndarray, y: object = None) -> Flatten:
        """Remember the shape of a sample; `X` has shape (n_samples, ...)."""
        X = validate_data(self, X, allow_nd=True)
        self.shape_ = X.shape[1:]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_features)."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, reset=False)
        if X.shape[1:] != self.shape_:
            raise InputError(f"Samples of shape {X.shape[1:]} came.", fits=f"{self.shape_}, as in fit")
        return X.reshape(len(X), -1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
