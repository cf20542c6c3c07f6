"""Experiments on a method: whether anything of the test part reaches its predictions that should not.

A method that is honest cannot know the labels of the test part, nor what the other test samples look like. Changing
either must leave its predictions exactly as they were. The experiments treat the method as a black box, so they catch
scaling with test rows, feature selection, resampling or a generator before the split, early stopping and model choice
on the test part, whichever way they came about.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.base import clone

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.base.samples import Samples
from thymos.evaluation.audit import Finding, describe
from thymos.evaluation.protocol import Fold

__all__ = ["inner_splits", "intervene", "small_fold"]

_SAME = 1e-6
_ROWS = {"train": 240, "validation": 80, "test": 80}

_HISTOGRAM = 10_000  # rows above which scikit-learn's histogram boosting stops early of its own accord


def intervene(
    procedure: Callable[[Samples, Fold], np.ndarray],
    samples: Samples,
    fold: Fold,
    name: str = "The method",
    seed: int = 0,
) -> list[Finding]:
    """Change the test part in ways an honest procedure cannot notice, and compare its predictions.

    Parameters
    ----------
    procedure : callable
        Takes samples and a fold, does everything that is done before and after the split, and returns predictions of
        the test rows in order, shape (n_test,) or (n_test, n_classes). It must give the same for the same input.
    samples : Samples
        With labels.
    fold : Fold
    name : str
        What the procedure is called in the findings.
    seed : int

    Returns
    -------
    list of Finding
        Of kind ``labels`` if predictions change with the labels of the test part, ``features`` if they change with
        the features of other test samples, ``unstable`` if they change without any intervention.

    Raises
    ------
    InputError
        If the procedure returns anything but one prediction for each test row.
    """
    rng = generator(seed, "interventions")

    def predict(data: Samples) -> np.ndarray:
        result = np.asarray(procedure(data, fold), dtype=float)
        if len(result) != len(fold.test):
            raise InputError(
                f"{name} returned {len(result)} predictions for {len(fold.test)} test samples.", "one each"
            )
        return result.reshape(len(result), -1)

    before = predict(samples)
    altered = _half(samples.meta["trial"].astype(str).to_numpy(dtype=str)[fold.test], rng)
    kept = np.setdiff1d(np.arange(len(fold.test)), altered)
    experiments = (
        (
            "labels",
            samples.replace(y=_other_labels(samples.y, fold.test, rng)),
            np.arange(len(fold.test)),
            "the labels of the test part were changed: they reach the method",
            "look for early stopping or model choice on the test part, feature selection or resampling before the "
            "split",
        ),
        (
            "features",
            samples.replace(X=_other_features(samples.X, fold.test[altered], rng)),
            kept,
            "the features of other test trials were changed: the test part is not predicted trial by trial",
            "look for scaling, PCA, a generator or neighbours fitted with test rows, or normalisation over a test "
            "batch",
        ),
    )
    findings = []
    for kind, data, rows, what, do in experiments:
        moved = np.abs(predict(data)[rows] - before[rows]).max(axis=1) > _SAME
        if not moved.any():
            continue
        if np.abs(predict(samples) - before).max() > _SAME:
            unstable = (
                f"{name} gives other predictions when it is run again with the same seed; the experiments say nothing."
            )
            return [Finding("unstable", unstable, len(fold.test), "fix its seed")]
        text = f"{name}: {moved.sum()} of {len(rows)} predictions changed when {what}."
        findings.append(Finding(kind, text, int(moved.sum()), do, describe(samples.meta, fold.test[rows[moved]])))
    return findings


def _half(trials: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the places of half of the trials; of a single trial, of half of its samples.

    Whole trials, because scaling a trial by itself, without its label, tells nothing of any other.
    """
    names = rng.permutation(np.unique(trials))
    if len(names) < 2:
        return rng.permutation(len(trials))[: len(trials) // 2]
    return np.flatnonzero(np.isin(trials, names[: len(names) // 2]))


def inner_splits(estimator: object, n_train: int = 0) -> list[Finding]:
    """Find steps that split their training rows at random, whatever trial they belong to.

    Parameters
    ----------
    estimator : scikit-learn estimator
    n_train : int
        Number of training rows, on which some defaults depend.
    """
    parameters = clone(estimator).get_params(deep=True)
    found = []
    for name, value in parameters.items():
        prefix, leaf = name[: len(name) - len(name.split("__")[-1])], name.split("__")[-1]
        at_random = {
            "early_stopping": value is True or (value == "auto" and n_train > _HISTOGRAM),
            "probability": value is True,
            # without a switch of its own this number is the switch
            "n_iter_no_change": value is not None and f"{prefix}early_stopping" not in parameters,
            "cv": value is None or isinstance(value, int),  # a splitter is somebody's decision and is left alone
        }
        if at_random.get(leaf, False):
            found.append(f"{name}={value!r}")
    if not found:
        return []
    return [
        Finding(
            "inner split",
            f"The method splits its training rows by itself ({', '.join(found)}): windows of one trial stand on both "
            "sides of that split, and what is chosen there is chosen by a leak.",
            len(found),
            "switch it off, or use a method that takes the validation part of the fold",
            tuple(found),
        )
    ]


def small_fold(samples: Samples, fold: Fold, seed: int = 0) -> Fold:
    """Return a fold with a few hundred rows at most, every class among the training rows."""
    rng = generator(seed, "small fold")
    parts: dict[str, np.ndarray] = {}
    for part, most in _ROWS.items():
        rows = getattr(fold, part)
        if part != "test" and samples.y.dtype.kind != "f":
            labels = samples.y[rows]
            classes = np.unique(labels)
            chosen = [rng.permutation(rows[labels == c])[: max(2, most // len(classes))] for c in classes]
            parts[part] = np.sort(np.concatenate(chosen)) if len(rows) else rows
        else:
            parts[part] = np.sort(rng.permutation(rows)[:most])
    return Fold(fold.name, parts["train"], parts["validation"], parts["test"], note=fold.note, key=fold.key)


def _other_labels(y: np.ndarray, test: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return labels in which every test row has another one."""
    y = y.copy()
    if y.dtype.kind == "f":
        y[test] = rng.permutation(y[test]) + y.std()
        return y
    classes, codes = np.unique(y, return_inverse=True)
    y[test] = classes[(codes[test] + rng.integers(1, len(classes), len(test))) % len(classes)]
    return y


def _other_features(X: np.ndarray | dict, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray | dict:
    """Return arrays in which some rows are three times as large and shifted by five standard deviations."""
    if isinstance(X, dict):
        return {name: _other_features(array, rows, rng) for name, array in X.items()}
    X = np.array(X)
    spread = float(X.std()) or 1.0
    X[rows] = (3 * X[rows].astype(float) + rng.normal(5, 1, X[rows].shape) * spread).astype(X.dtype)
    return X
