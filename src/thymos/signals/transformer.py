"""What the transformers of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["ArrayTransformer"]


class ArrayTransformer(TransformerMixin, BaseEstimator):
    """Base of transformers of samples with two axes or more, the first being samples, float32 or float64."""

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
