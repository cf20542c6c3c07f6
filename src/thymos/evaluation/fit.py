"""One fit under one fold: the place where training, validation and test part go their separate ways."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from thymos.base.errors import InputError
from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.audit import check_split
from thymos.evaluation.metrics import classification_metrics, trial_probabilities
from thymos.evaluation.splitters import Fold, Protocol

__all__ = ["FoldResult", "cross_validate", "discrete", "fit_fold", "permute_trial_labels", "rows_of", "seed_estimator"]

#: Metadata kept beside every test prediction.
_KEPT = ("subject", "session", "trial", "stimulus", "recording", "start", "stop")


@dataclass
class FoldResult:
    """What one fit leaves behind.

    Parameters
    ----------
    predictions : DataFrame
        One row per test sample: row number, label, ``p0, p1, ...`` in the order of the classes, and metadata.
    history : DataFrame
        One row per training epoch; empty for models without epochs.
    facts : dict
        Wall times, sizes, warnings.
    """

    predictions: pd.DataFrame
    history: pd.DataFrame
    facts: dict[str, Any]


def seed_estimator(estimator: Any, seed: int) -> Any:
    """Return a clone in which every ``random_state`` is a child of `seed`, named after its parameter."""
    estimator = clone(estimator)
    names = [name for name in estimator.get_params(deep=True) if name.split("__")[-1] == "random_state"]
    return estimator.set_params(**{name: child_seed(seed, name) for name in names})


def fit_fold(estimator: Any, samples: Samples, fold: Fold, classes: list[str]) -> FoldResult:
    """Fit a clone on the training part and predict the test part, which is touched once.

    Parameters
    ----------
    estimator : scikit-learn estimator with ``predict_proba``
        If its `fit` takes ``validation`` it is handed the validation part.
    samples : Samples
        With labels.
    fold : Fold
    classes : list of str
        All classes of the study, in the order of the probability columns.
    """
    estimator = clone(estimator)
    train, test = samples[fold.train], samples[fold.test]
    arguments = {}
    takes = inspect.signature(estimator.fit).parameters
    if "validation" in takes:
        # Thymos' pipeline and classifiers; a plain scikit-learn estimator gets the bare array
        if len(fold.validation):
            arguments["validation"] = samples[fold.validation]
        data = train if hasattr(estimator, "steps") else train.X
    else:
        data = train.X
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(data, train.y, **arguments)
        fitted = time.perf_counter()
        raw = estimator.predict_proba(test.X)
    done = time.perf_counter()
    probabilities = np.zeros((len(test), len(classes)), dtype=np.float64)
    known = [classes.index(str(c)) for c in estimator.classes_]
    probabilities[:, known] = raw
    predictions = pd.DataFrame({"row": fold.test, "label": test.y.astype(str)})
    predictions = predictions.assign(**{f"p{k}": probabilities[:, k].astype(np.float32) for k in range(len(classes))})
    for column in _KEPT:
        if column in test.meta.columns:
            predictions[column] = test.meta[column].to_numpy()
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    facts = {
        "n_train": len(fold.train),
        "n_validation": len(fold.validation),
        "n_test": len(fold.test),
        "fit_seconds": fitted - begin,
        "predict_seconds": done - fitted,
        "n_parameters": float(getattr(last, "n_parameters_", np.nan)),
        "best_epoch": float(getattr(last, "best_epoch_", np.nan)),
        "selection": getattr(last, "selection_", "none"),
        "warnings": "; ".join(sorted({f"{w.category.__name__}: {str(w.message).splitlines()[0]}" for w in caught})),
    }
    return FoldResult(predictions, pd.DataFrame(getattr(last, "history_", [])), facts)


def rows_of(predictions: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Return the metrics of one fit: one row per level (``window``, ``trial``) and subject, and ``subject='all'``."""
    columns = [f"p{k}" for k in range(len(classes))]
    lookup = {name: k for k, name in enumerate(classes)}
    rows = []
    subjects = predictions["subject"].astype(str).to_numpy()
    for subject in [*np.unique(subjects), "all"]:
        part = predictions if subject == "all" else predictions[subjects == subject]
        codes = part["label"].map(lookup).to_numpy()
        probabilities = part[columns].to_numpy(float)
        first, by_trial = trial_probabilities(part["trial"].astype(str).to_numpy(), probabilities)
        for level, c, p in (("window", codes, probabilities), ("trial", codes[first], by_trial)):
            rows.append({"level": level, "subject": subject, "n": len(c), **classification_metrics(c, p, classes)})
    return pd.DataFrame(rows)


def discrete(samples: Samples) -> Samples:
    """Return samples whose labels are classes; whole numbers stored as floats become integers.

    Raises
    ------
    InputError
        If there are no labels, or they are ratings.
    """
    if samples.y is None:
        raise InputError("The samples have no labels.", fits="labels, or target=<metadata column>")
    if samples.y.dtype.kind != "f":
        return samples
    if not np.array_equal(samples.y, np.round(samples.y)):
        raise InputError(
            f"The labels are ratings, such as {samples.y[0]:g}.",
            fits="classes",
            do="split them at a threshold, in a study with target: {label: ..., above: ...}",
        )
    return samples.replace(y=samples.y.astype(int))


def permute_trial_labels(samples: Samples, seed: int) -> Samples:
    """Return samples whose labels are permuted between the trials of each subject (methods A4).

    Windows of one trial keep a common label, so a split that leaks trials still scores high.

    Raises
    ------
    InputError
        If the windows of some trial have different labels.
    """
    rng = np.random.default_rng(child_seed(seed, "permuted labels"))
    trial = samples.meta["trial"].astype(str).to_numpy(dtype=str)
    subject = samples.meta["subject"].astype(str).to_numpy(dtype=str)
    _, first, group = np.unique(trial, return_index=True, return_inverse=True)
    labels = samples.y[first]
    if not np.array_equal(labels[group], samples.y):
        raise InputError("Some trials have several labels.", fits="one label per trial, so that trials can be permuted")
    for value in np.unique(subject[first]):
        mine = np.flatnonzero(subject[first] == value)
        labels[mine] = labels[rng.permutation(mine)]
    return samples.replace(y=labels[group])


def cross_validate(
    estimator: Any,
    samples: Samples,
    protocol: Protocol,
    target: str | None = None,
    seeds: Iterable[int] = (0,),
) -> pd.DataFrame:
    """Evaluate an estimator under a protocol.

    Parameters
    ----------
    estimator : scikit-learn estimator with ``predict_proba``
        For example a pipeline of :func:`thymos.training.pipeline.make_pipeline`.
    samples : Samples
    protocol : Protocol
        A leaky one is run and its rows say so in the column ``leaky``.
    target : str, optional
        Metadata column to predict; the samples' own labels by default.
    seeds : iterable of int
        One fit per fold for each.

    Returns
    -------
    DataFrame
        One row per fold, seed, level (``window``, ``trial``) and test subject, and one over all subjects of the
        fold (``subject='all'``), with the metrics of :func:`thymos.evaluation.metrics.classification_metrics`.

    Raises
    ------
    ProtocolError
        If the data cannot be split so.
    LeakError
        If an honest protocol's split shares trials, windows or keys between its parts.
    """
    samples = discrete(samples.target(target) if target else samples)
    classes = [str(c) for c in np.unique(samples.y)]
    tables = []
    for fold in protocol.folds(samples.meta, samples.y):
        if not protocol.leaky:
            check_split(samples.meta, fold, (*protocol.keys, "trial"))
        for seed in seeds:
            seeded = seed_estimator(estimator, child_seed(seed, protocol.name, fold.name))
            result = fit_fold(seeded, samples, fold, classes)
            head = {"protocol": protocol.name, "leaky": protocol.leaky, "fold": fold.name, "seed": seed}
            tables.append(rows_of(result.predictions, classes).assign(**head, **result.facts))
    return pd.concat(tables, ignore_index=True)
