"""Covariance of raw windows, seen from the tangent space of its manifold (Barachant et al. 2012)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thymos.base.catalogue import near
from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.base.optional import require

__all__ = ["RiemannClassifier", "shrunk_covariance"]

_METRICS = ("riemann", "logeuclid")
_FLOOR = 1e-7  # of the mean variance of training: keeps a flat or doubled channel off the edge of the manifold


def shrunk_covariance(x: np.ndarray, shrinkage: str | float = "oas") -> np.ndarray:
    """Return the covariance over time, drawn towards equal and uncorrelated channels.

    ``(1 - a) S + a tr(S) / p I`` with the sample covariance S of p channels.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Signals, in any unit.
    shrinkage : 'oas' or float
        The share a, 0 to 1; ``oas`` estimates it for each window (Chen et al. 2010, equation 23, as scikit-learn
        writes it).

    Returns
    -------
    ndarray, shape (..., n_channels, n_channels), float64
        In the squared unit of `x`; computed in float64, because volts squared are small.

    Raises
    ------
    InputError
        If `shrinkage` is neither ``oas`` nor a share.
    """
    if shrinkage != "oas" and not (isinstance(shrinkage, (int, float)) and 0 <= shrinkage <= 1):
        raise InputError(f"shrinkage={shrinkage!r} came.", fits="'oas' or a share from 0 to 1")
    x = np.asarray(x, dtype=np.float64)
    n_channels, n_times = x.shape[-2:]
    x = x - x.mean(axis=-1, keepdims=True)
    sample = x @ np.swapaxes(x, -1, -2) / n_times
    variance = np.trace(sample, axis1=-2, axis2=-1) / n_channels
    share: Any = shrinkage
    if shrinkage == "oas":
        square, even = np.square(sample).mean(axis=(-2, -1)), np.square(variance)
        spread = (n_times + 1) * (square - even / n_channels)
        # one channel, equal ones without correlation, or silence: any share gives the same
        share = np.divide(square + even, spread, out=np.ones_like(spread), where=spread > 0).clip(0, 1)
    shares: np.ndarray = np.asarray(share)[..., None, None]
    return (1 - shares) * sample + shares * variance[..., None, None] * np.eye(n_channels)


class RiemannClassifier(ClassifierMixin, BaseEstimator):
    """Covariance of each window, tangent space at the mean of the training windows, logistic regression.

    The last axis of a sample is time and all others together are channels: raw windows ``(n_samples, n_channels,
    n_times)``, or such of several bands. A table ``(n_samples, n_times)`` counts as one channel and shows its variance
    alone. What is in the mean of a window over time does not count. With the metric ``riemann`` any invertible
    mixture of channels, a new reference or gains for instance, changes next to nothing.

    Parameters
    ----------
    shrinkage : 'oas' or float
        As :func:`shrunk_covariance`.
    metric : {'riemann', 'logeuclid'}
        Of the reference and of the projection; ``logeuclid`` is faster and not blind to mixtures.
    C : float
        Inverse strength of the L2 penalty.
    class_weight : 'balanced' or mapping of class to float, optional
        As :class:`sklearn.linear_model.LogisticRegression`.
    max_iter : int
        Iterations of logistic regression at most.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
        Size of the second axis of the samples.
    n_iter_ : int
        Iterations of logistic regression.
    reference_ : ndarray, shape (n_channels, n_channels)
        Mean covariance of the training windows, of which the test part knows nothing and to which it adds nothing.
    tangent_ : pyriemann.tangentspace.TangentSpace
    regression_ : sklearn.linear_model.LogisticRegression

    Raises
    ------
    InputError
        From `fit`, if a parameter does not fit; from `predict`, if samples have another shape than in training.
    MissingExtraError
        From `fit`, if pyRiemann is not installed.

    Notes
    -----
    A. Barachant, S. Bonnet, M. Congedo, C. Jutten: Multiclass brain-computer interface classification by Riemannian
    geometry. IEEE Transactions on Biomedical Engineering 59, 2012, section III. A ten-millionth of the mean
    variance of training is added to the diagonal, so that dead and doubled channels do no harm.
    """

    def __init__(
        self,
        shrinkage: str | float = "oas",
        metric: str = "riemann",
        C: float = 1.0,
        class_weight: Any = None,
        max_iter: int = 1000,
    ):
        self.shrinkage = shrinkage
        self.metric = metric
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter

    def fit(self, X: np.ndarray, y: Any) -> RiemannClassifier:
        """Learn reference and regression from `X` of shape (n_samples, n_channels, n_times)."""
        if self.metric not in _METRICS:
            raise InputError(f"metric={self.metric!r} came.{near(self.metric, _METRICS)}", fits="riemann or logeuclid")
        if not (isinstance(self.C, (int, float)) and 0 < self.C < np.inf):
            raise InputError(f"C={self.C!r} came.", fits="a positive number")
        check_whole("max_iter", self.max_iter)
        tangentspace = require("pyriemann.tangentspace", "riemann")
        X, y = validate_data(self, X, y, allow_nd=True)
        check_classification_targets(y)
        self.shape_ = X.shape[1:]
        covariance = shrunk_covariance(self._signals(X), self.shrinkage)
        mean = np.trace(covariance.mean(axis=0)) / covariance.shape[-1]
        self.floor_ = _FLOOR * mean if mean > 0 else 1.0  # silence throughout: every window is the same
        self.tangent_ = tangentspace.TangentSpace(metric=self.metric)
        tangent = self.tangent_.fit_transform(self._lifted(covariance))
        self.reference_ = self.tangent_.reference_
        self.regression_ = LogisticRegression(C=self.C, class_weight=self.class_weight, max_iter=self.max_iter)
        self.regression_.fit(tangent, y)
        self.classes_, self.n_iter_ = self.regression_.classes_, int(self.regression_.n_iter_.max())
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, reset=False)
        if X.shape[1:] != self.shape_:
            raise InputError(f"Samples of shape {X.shape[1:]} came.", fits=f"{self.shape_}, as in training")
        covariance = shrunk_covariance(self._signals(X), self.shrinkage)
        return self.regression_.predict_proba(self.tangent_.transform(self._lifted(covariance)))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def _signals(self, X: np.ndarray) -> np.ndarray:
        return X.reshape(len(X), int(np.prod(X.shape[1:-1])), X.shape[-1])

    def _lifted(self, covariance: np.ndarray) -> np.ndarray:
        return covariance + self.floor_ * np.eye(covariance.shape[-1])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
