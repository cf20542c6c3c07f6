"""One copy of a classifier for each subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thymos.base.errors import InputError
from thymos.base.probabilities import predict_all
from thymos.base.samples import Samples
from thymos.training.pipeline import arguments_of, validation_pair

__all__ = ["PerSubject", "by_subject", "subjects_of", "validation_of"]


class PerSubject(ClassifierMixin, BaseEstimator):
    """A classifier fitted to each subject by itself, which is what subject-dependent results in the literature are.

    A subject whose training samples are all of one class is given that class; validation samples of classes that a
    subject's training part lacks are left out.

    A protocol can then deal its folds once for everybody, so that no clip is in one person's training part and in
    another's test part.

    Parameters
    ----------
    estimator : scikit-learn classifier with ``predict_proba``
        In a study a step, or a list of steps.
    others : bool
        Also fit one on all subjects, for those that are new when it predicts. Without it they are refused.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    estimators_ : dict of str to estimator
        By subject; that of all under an empty name.
    n_parameters_ : float
        Mean over the subjects, of estimators that count theirs.
    history_ : list of dict
        Epochs of all of them with a column ``subject``, where they train in epochs.
    n_features_in_ : int

    Raises
    ------
    InputError
        From `fit`, if there is no estimator.
    """

    #: Metadata column, for each value of which a copy is fitted.
    for_each: ClassVar[str] = "subject"
    #: Parameters that a study writes as steps, and the kinds that they may be.
    steps_inside: ClassVar[Mapping[str, tuple[str, ...]]] = {"estimator": ("transformer", "sampler", "model")}

    def __init__(self, estimator: Any = None, others: bool = False):
        self.estimator = estimator
        self.others = others

    def fit(self, X: np.ndarray, y: Any, validation: Any = None, meta: pd.DataFrame | None = None) -> PerSubject:
        """Fit a clone to the samples of each subject.

        Parameters
        ----------
        X : ndarray, shape (n_samples, ...)
        y : array-like, shape (n_samples,)
        validation : Samples or (X, y), optional
            Those of a subject are handed to its clone, if its `fit` takes ``validation``.
        meta : DataFrame, optional
            Metadata with the subjects; bare arrays are one subject.
        """
        if self.estimator is None:
            raise InputError("PerSubject was given no estimator.", fits="a classifier, or in a study a step or steps")
        check_classification_targets(y)
        X, y = validate_data(self, X, y, allow_nd=True, dtype=None, ensure_all_finite=True)
        self.classes_ = np.unique(y)
        owners = subjects_of(meta, len(X))
        names = [*np.unique(owners).tolist(), *([""] if self.others and (owners != "").any() else [])]
        self.estimators_ = {}
        for name in names:
            mine = np.ones(len(X), dtype=bool) if name == "" else owners == name
            part = None if meta is None else meta[mine].reset_index(drop=True)
            self.estimators_[name] = _fitted(
                clone(self.estimator), X[mine], y[mine], validation_of(validation, name), part
            )
        last = [getattr(one, "steps", [("", one)])[-1][1] for one in self.estimators_.values()]
        self.n_parameters_ = float(np.mean([getattr(one, "n_parameters_", np.nan) for one in last]))
        self.history_ = [
            {"subject": name, **epoch}
            for name, one in zip(names, last, strict=True)
            for epoch in getattr(one, "history_", [])
        ]
        return self

    def predict_proba(self, X: np.ndarray, meta: pd.DataFrame | None = None) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes), each subject's by its own classifier.

        Raises
        ------
        InputError
            If a subject is new, or unknown, and there is no classifier of all.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True, dtype=None)
        classes = [str(c) for c in self.classes_]
        return by_subject(
            subjects_of(meta, len(X)),
            list(self.estimators_),
            lambda name, mine: predict_all(self.estimators_[name], X[mine], classes),
        )

    def predict(self, X: np.ndarray, meta: pd.DataFrame | None = None) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,); see :meth:`predict_proba`."""
        codes = self.predict_proba(X, meta).argmax(axis=1)
        return self.classes_[codes]


def subjects_of(meta: pd.DataFrame | None, n_samples: int) -> np.ndarray:
    """Return the subject of each sample; empty without metadata.

    Raises
    ------
    InputError
        If the table has another length, or no such column.
    """
    if meta is None:
        return np.full(n_samples, "")
    if len(meta) != n_samples or "subject" not in meta:
        raise InputError(
            f"Metadata with {len(meta)} rows and the columns {', '.join(meta)} came for {n_samples} samples.",
            fits="one row for each sample, with its subject",
        )
    return meta["subject"].astype(str).to_numpy(dtype=str)


def validation_of(validation: Any, subject: str) -> Any:
    """Return the samples of a subject, all for an empty name; None if there are none."""
    if validation is None or not subject or not isinstance(validation, Samples):
        return validation
    mine = (validation.meta["subject"].astype(str) == subject).to_numpy()
    return validation[mine] if mine.any() else None


def by_subject(owners: np.ndarray, names: list[str], predict: Callable[[str, np.ndarray], np.ndarray]) -> np.ndarray:
    """Return what each subject's own model predicts, in the order of the samples.

    Parameters
    ----------
    owners : ndarray of str, shape (n_samples,)
        Empty for a subject that is not known.
    names : list of str
        Subjects that there are models of; the empty name is that of all.
    predict : callable
        From a name and rows, a mask, to probabilities of these rows.

    Raises
    ------
    InputError
        If a subject has no model, and there is none of all.
    """
    made: Any = None
    for owner in np.unique(owners):
        name = owner if owner in names else ""
        if name not in names:
            raise InputError(
                f"The subject {owner} was not in training." if owner else "The subject of the samples is not known.",
                fits=f"one of {', '.join(names)}",
                do="train with others=True to have a model for everybody else",
            )
        mine = owners == owner
        part = predict(name, mine)
        made = np.empty((len(owners), part.shape[1])) if made is None else made
        made[mine] = part
    return made


def _fitted(estimator: Any, X: np.ndarray, y: np.ndarray, validation: Any, meta: pd.DataFrame | None) -> Any:
    if len(np.unique(y)) == 1:  # nothing to tell apart, which many classifiers refuse
        return DummyClassifier(strategy="prior").fit(X, y)
    held = None if validation is None else _known(validation_pair(validation), np.unique(y))
    if meta is not None and getattr(estimator, "takes_samples", False):
        return estimator.fit(Samples(X, y, meta), validation=held)
    return estimator.fit(X, y, **arguments_of(estimator.fit, validation=held, meta=meta))


def _known(samples: tuple[np.ndarray, Any], classes: np.ndarray) -> tuple | None:
    """Return the validation samples of the classes that a subject's training part has; None if there are none."""
    X, y = samples
    mine = np.isin(np.asarray(y), classes)
    return (X[mine], np.asarray(y)[mine]) if mine.any() else None
