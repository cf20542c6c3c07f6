"""What classifiers have in common that train another network in their own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thymos.base.errors import InputError
from thymos.models.mlp import MLPClassifier
from thymos.training.estimator import TorchClassifier, TorchEstimator

__all__ = ["WrappedNetwork"]


class WrappedNetwork(ClassifierMixin, BaseEstimator):
    """Base of classifiers with a parameter ``estimator``, a network, whose fitted copy ``estimator_`` predicts."""

    #: Parameters that a study writes as steps, and the kinds that they may be.
    steps_inside: ClassVar[Mapping[str, tuple[str, ...]]] = {"estimator": ("model",)}

    estimator: Any

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(validate_data(self, X, reset=False, allow_nd=True, dtype=None))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def _begin(self, X: np.ndarray, y: Any) -> tuple[TorchClassifier, np.ndarray, np.ndarray]:
        """Return an unfitted copy of the network, by default a multilayer perceptron, and checked samples and labels.

        Raises
        ------
        InputError
            If the estimator is no network, or learns in more than one training, of which most would be left out.
        """
        check_classification_targets(y)
        X, y = validate_data(self, X, y, allow_nd=True, dtype=None)
        network = MLPClassifier() if self.estimator is None else clone(self.estimator)
        if not isinstance(network, TorchClassifier):
            raise InputError(
                f"{type(network).__name__} came as the estimator.", fits="a network of Thymos, such as mlp or face_cnn"
            )
        if getattr(network, "inner_split", type(network).fit is not TorchEstimator.fit):
            raise InputError(
                f"{type(network).__name__} learns in several trainings.",
                fits="a network that learns in one: no search, and no stacking",
            )
        self.classes_ = np.unique(y)
        return network, X, y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
