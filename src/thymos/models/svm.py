"""Support vector machine whose probabilities respect the groups of the study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thymos.base.probabilities import fit_temperature
from thymos.base.samples import Samples

__all__ = ["CalibratedSVC"]


class CalibratedSVC(ClassifierMixin, BaseEstimator):
    """Support vector classifier with probabilities from the validation part.

    scikit-learn's own probabilities come from an inner split of single rows, which puts windows of one trial on both
    sides. Here the decision values pass through a softmax whose temperature is fitted on the validation part that the
    protocol cut. A temperature is positive, so it changes how sure the machine is and never which class it names;
    without a validation part it is 1, which ranks but is not calibrated.

    Parameters
    ----------
    C, kernel, gamma, class_weight
        As :class:`sklearn.svm.SVC`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    svc_ : sklearn.svm.SVC
    temperature_ : float
        Between 0.01 and 100.
    """

    def __init__(self, C: float = 1.0, kernel: str = "rbf", gamma: Any = "scale", class_weight: Any = None):
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.class_weight = class_weight

    def fit(self, X: np.ndarray, y: Any, validation: Any = None, meta: pd.DataFrame | None = None) -> CalibratedSVC:
        """Fit on `X` of shape (n_samples, n_features); calibrate on `validation`, a Samples or (X, y).

        A sample counts what the column ``sample_weight`` of `meta` says, 1 without it.
        """
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        weight = meta["sample_weight"].to_numpy(float) if meta is not None and "sample_weight" in meta else None
        machine = SVC(C=self.C, kernel=self.kernel, gamma=self.gamma, class_weight=self.class_weight)
        self.svc_ = machine.fit(X, y, sample_weight=weight)
        self.classes_ = self.svc_.classes_
        self.temperature_ = 1.0
        if validation is not None:
            X_valid, y_valid = (validation.X, validation.y) if isinstance(validation, Samples) else validation
            known = np.isin(y_valid, self.classes_)
            if known.any():
                codes = np.searchsorted(self.classes_, np.asarray(y_valid)[known])
                self.temperature_ = fit_temperature(self._logits(np.asarray(X_valid)[known]), codes)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        return softmax(self._logits(validate_data(self, X, reset=False)) / self.temperature_, axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def _logits(self, X: np.ndarray) -> np.ndarray:
        scores = self.svc_.decision_function(X)
        return np.stack([-scores, scores], axis=1) / 2 if scores.ndim == 1 else scores
