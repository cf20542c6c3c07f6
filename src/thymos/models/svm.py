"""Support vector machine whose probabilities respect the groups of the study."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thymos.base.samples import Samples

__all__ = ["CalibratedSVC"]


class CalibratedSVC(ClassifierMixin, BaseEstimator):
    """Support vector classifier with probabilities from the validation part.

    scikit-learn's own probabilities come from an inner split of single rows, which puts windows of one trial on both
    sides. Here Platt's sigmoid is fitted on the validation part that was cut by the protocol; without one the
    decision values pass through a softmax, which ranks but is not calibrated.

    Parameters
    ----------
    C, kernel, gamma
        As :class:`sklearn.svm.SVC`.
    random_state : int, RandomState or None
        Accepted for uniformity; the fit is deterministic.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    svc_ : sklearn.svm.SVC
    calibrated_ : sklearn.calibration.CalibratedClassifierCV or None
    """

    def __init__(self, C: float = 1.0, kernel: str = "rbf", gamma: Any = "scale", random_state: Any = None):
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: Any, validation: Any = None) -> CalibratedSVC:
        """Fit on `X` of shape (n_samples, n_features); calibrate on `validation`, a Samples or (X, y)."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.svc_ = SVC(C=self.C, kernel=self.kernel, gamma=self.gamma, decision_function_shape="ovr").fit(X, y)
        self.classes_ = self.svc_.classes_
        self.calibrated_ = None
        if validation is not None:
            X_valid, y_valid = (validation.X, validation.y) if isinstance(validation, Samples) else validation
            if set(y_valid) == set(self.classes_):  # a sigmoid for each class needs members of each
                self.calibrated_ = CalibratedClassifierCV(FrozenEstimator(self.svc_), method="sigmoid")
                self.calibrated_.fit(X_valid, y_valid)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        if self.calibrated_ is not None:
            return self.calibrated_.predict_proba(X)
        scores = self.svc_.decision_function(X)
        return softmax(np.stack([-scores, scores], axis=1) / 2 if scores.ndim == 1 else scores, axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]
