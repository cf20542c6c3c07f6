"""Scaling and reshaping between features and classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.preprocessing import StandardScaler

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.samples import of_modality
from thymos.signals.transformer import ArrayTransformer

__all__ = ["ChannelScaler", "Flatten", "PickColumns", "PickModality"]


class ChannelScaler(ArrayTransformer):
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
        X = self._checked(X, reset=True)
        self.scaler_ = StandardScaler().fit(self._table(X))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled samples, same shape, float32 if they came as float32."""
        X = self._checked(X)
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


class Flatten(ArrayTransformer):
    """All axes of a sample into one row of features, for classifiers that want a table.

    Attributes
    ----------
    shape_ : tuple of int
        Shape of a sample seen in `fit`.
    """

    def fit(self, X: np.ndarray, y: object = None) -> Flatten:
        """Remember the shape of a sample; `X` has shape (n_samples, ...)."""
        self.shape_ = self._checked(X, reset=True).shape[1:]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_features)."""
        X = self._checked(X)
        if X.shape[1:] != self.shape_:
            raise InputError(f"Samples of shape {X.shape[1:]} came.", fits=f"{self.shape_}, as in fit")
        return X.reshape(len(X), -1)


class PickColumns(ArrayTransformer):
    """Some entries of the second axis, in their order: channels of windows or columns of tables.

    Parameters
    ----------
    ranges : sequence of (int, int), optional
        Numbers of the first entry and of the one after the last, from 0, of each run that is kept, such as
        ``[[524, 1274], [1798, 2548]]``; all by default.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis seen in `fit`.
    """

    def __init__(self, ranges: Sequence[Sequence[int]] | None = None):
        self.ranges = ranges

    def fit(self, X: np.ndarray, y: object = None) -> PickColumns:
        """Check that the samples, shape (n_samples, n_entries, ...), have the entries."""
        super().fit(X)
        for run in self.ranges or ():
            if len(run) != 2 or not 0 <= run[0] < run[1] <= self.n_features_in_:
                raise InputError(
                    f"The range {list(run)} came for {self.n_features_in_} entries.",
                    fits=f"[first, one after the last], between 0 and {self.n_features_in_}",
                )
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_kept, ...)."""
        X = self._checked(X)
        return X if self.ranges is None else np.concatenate([X[:, a:b] for a, b in self.ranges], axis=1)


class PickModality(ArrayTransformer):
    """One of several modalities, for a method that takes one array.

    Parameters
    ----------
    modality : str, optional
        Its name. Samples that are one array, without a name, are passed on as they are.
    lacking : {'error', 'zeros'}
        What becomes of samples that lack it; zeros are for methods that look at no values, such as the commonest class.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the modality seen in `fit`.
    """

    learns = False

    def __init__(self, modality: str | None = None, lacking: str = "error"):
        self.modality = modality
        self.lacking = lacking

    def fit(self, X: np.ndarray | Mapping[str, np.ndarray], y: object = None) -> PickModality:
        """Check that the modality is there; shape (n_samples, ...)."""
        return super().fit(self._picked(X))

    def transform(self, X: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the modality, shape (n_samples, ...).

        Raises
        ------
        InputError
            If there is no such modality, or samples lack it and may not.
        """
        return self._checked(self._picked(X))

    def meta_of(self, meta: pd.DataFrame) -> pd.DataFrame:
        """Return the metadata of samples as those of the modality; see :func:`~thymos.base.samples.of_modality`."""
        return of_modality(meta, str(self.modality))

    def _picked(self, X: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
        if not isinstance(X, Mapping) or issparse(X):  # one kind of sparse matrix is a mapping
            return cast(np.ndarray, X)
        if self.modality is None or self.modality not in X:
            raise InputError(
                f"There is no modality {self.modality!r}.{near(str(self.modality), X)}", f"one of {', '.join(X)}"
            )
        values = X[self.modality]
        if self.lacking not in ("error", "zeros"):
            raise InputError(f"lacking={self.lacking!r} came.", fits="error or zeros")
        if values.dtype.kind != "f":
            return values
        lacking = np.isnan(values.reshape(len(values), -1)).all(axis=1)
        if lacking.any() and self.lacking == "zeros":
            return np.where(lacking.reshape(-1, *[1] * (values.ndim - 1)), np.zeros((), values.dtype), values)
        if lacking.any():
            raise InputError(
                f"{lacking.sum()} of {len(values)} samples lack the modality {self.modality!r}.",
                fits="samples that have it, or a method that takes what is there, such as hybrid_fusion",
                do="set `missing_modality: drop`",
            )
        return values
