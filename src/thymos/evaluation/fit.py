"""One fit under one fold: the place where training, validation and test part go their separate ways."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_regressor
from sklearn.model_selection import ParameterGrid

from thymos.base.errors import InputError
from thymos.base.labels import Rule, settled
from thymos.base.probabilities import fit_calibration
from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.audit import check_split
from thymos.evaluation.inspections.base import Inspected, Inspections, look
from thymos.evaluation.many import Request, Walk, last_step, predict_all, walk_together
from thymos.evaluation.metrics import predictions_table, rows_of, trial_means
from thymos.evaluation.protocol import Fold, Protocol
from thymos.evaluation.search import Search, choose

__all__ = [
    "Fitted",
    "FoldResult",
    "cross_validate",
    "discrete",
    "fit_fold",
    "fit_folds",
    "fit_method",
    "holds_signals",
    "permute_trial_labels",
    "rated",
    "seed_estimator",
]


@dataclass
class FoldResult:
    """What one fit leaves behind.

    Parameters
    ----------
    predictions : DataFrame
        One row per test sample: row number, label, ``p0, p1, ...`` in the order of the classes (for ratings
        ``predicted``), and metadata.
    history : DataFrame
        One row per training epoch; empty for models without epochs.
    facts : dict
        Wall times (of what was trained as one stack, a share), sizes, warnings, and which inspections failed.
    inspections : dict of str to DataFrame
        What each inspection found, by its name.
    """

    predictions: pd.DataFrame
    history: pd.DataFrame
    facts: dict[str, Any]
    inspections: dict[str, pd.DataFrame] = field(default_factory=dict)


def seed_estimator(estimator: Any, seed: int) -> Any:
    """Return a clone in which every ``random_state`` is a child of `seed`, named after its parameter."""
    estimator = clone(estimator)
    names = [name for name in estimator.get_params(deep=True) if name.split("__")[-1] == "random_state"]
    return estimator.set_params(**{name: child_seed(seed, name) for name in names})


@dataclass(frozen=True)
class Fitted:
    """A trained method.

    Parameters
    ----------
    estimator : scikit-learn estimator
    train, validation : ndarray of int
        Rows it was trained on, and those that were held back from it to choose epochs and parameters.
    chosen : str
        Which parameters were chosen, and how; empty if there was nothing to choose.
    """

    estimator: Any
    train: np.ndarray
    validation: np.ndarray
    chosen: str


def fit_fold(
    estimator: Any,
    samples: Samples,
    fold: Fold,
    classes: list[str],
    grid: Sequence[Mapping[str, Any]] | Search = (),
    inspections: Inspections | None = None,
    seed: int = 0,
) -> FoldResult:
    """Fit a clone on the training part and predict the test part, which is touched once.

    Parameters
    ----------
    estimator : scikit-learn estimator with ``predict_proba``, for ratings with ``predict``
        If its `fit` takes ``validation`` it is handed the validation part.
    samples : Samples
        With labels.
    fold : Fold
    classes : list of str
        All classes of the study, in the order of the probability columns; empty for ratings.
    grid : sequence of dict, or Search
        Parameters to choose from, see :func:`thymos.evaluation.search.choose`.
    inspections : mapping of str to Inspection, optional
        Looks at the fitted method, taken after its predictions; see :mod:`thymos.evaluation.inspections`.
    seed : int
        Of the inspections.
    """
    (result,) = fit_folds([(estimator, samples, fold, classes, grid, inspections, seed)])
    if isinstance(result, Exception):
        raise result
    return result


def fit_folds(jobs: Sequence[tuple]) -> list[FoldResult | Exception]:
    """Do several fits side by side, so that networks that train faster as one stack do.

    Parameters
    ----------
    jobs : sequence of tuple
        Arguments of :func:`fit_fold`.

    Returns
    -------
    list of FoldResult or Exception
        What each returned or raised.
    """
    walks = [Walk(_fold(*job)) for job in jobs]
    walk_together(walks)
    for walk in walks:
        if walk.error is None:
            facts = walk.result.facts
            facts |= {"fit_seconds": walk.seconds - facts["predict_seconds"] - facts["inspect_seconds"]}
            facts |= {"warnings": "; ".join(sorted(set(walk.warnings))), "trained_together": walk.together}
    return [walk.error or walk.result for walk in walks]


def fit_method(
    estimator: Any,
    samples: Samples,
    fold: Fold,
    classes: list[str],
    grid: Sequence[Mapping[str, Any]] | Search = (),
) -> Fitted:
    """Choose parameters and fit a clone as :func:`fit_fold` does, and return it; no test part is looked at."""
    walk = Walk(_method(estimator, settled(samples, fold.train), fold, classes, grid))
    walk_together([walk])
    if walk.error:
        raise walk.error
    return walk.result


def _method(*what: Any) -> Generator[Sequence[Request], list, Fitted]:
    samples = what[1]
    fold = what[2]
    chosen = yield from choose(*what)
    (estimator,) = yield [Request(chosen.estimator, samples, chosen.train, chosen.validation, fold.key)]
    return Fitted(estimator, chosen.train, chosen.validation, chosen.words)


def _fold(
    estimator: Any,
    samples: Samples,
    fold: Fold,
    classes: list[str],
    grid: Sequence[Mapping[str, Any]] | Search = (),
    inspections: Inspections | None = None,
    seed: int = 0,
) -> Generator[Sequence[Request], list, FoldResult]:
    samples = settled(samples, fold.train)
    fitted = yield from _method(estimator, samples, fold, classes, grid)
    test, begin = samples[fold.test], time.perf_counter()
    predicted = predict_all(fitted.estimator, test, classes)
    if len(fold.calibration):
        predicted = _for_users(fitted.estimator, samples, fold, predicted, classes)
    seconds = time.perf_counter() - begin
    predictions = predictions_table(test.meta, test.y, predicted, classes).assign(row=fold.test, repeat=fold.repeat)
    begin = time.perf_counter()
    inspected = Inspected(fitted.estimator, samples, fitted.train, fitted.validation, fold.test, classes, seed)
    tables, failed = look(inspected, inspections or {})
    last = last_step(fitted.estimator)
    facts = {
        "n_train": len(fitted.train),
        "n_validation": len(fitted.validation),
        "n_test": len(fold.test),
        "n_calibration": len(fold.calibration),
        "predict_seconds": seconds,
        "inspect_seconds": time.perf_counter() - begin if inspections else 0.0,
        "uninspected": failed,
        "n_parameters": float(getattr(last, "n_parameters_", np.nan)),
        "best_epoch": float(getattr(last, "best_epoch_", np.nan)),
        "selection": getattr(last, "selection_", "none"),
        "chosen": fitted.chosen,
    }
    return FoldResult(predictions, pd.DataFrame(getattr(last, "history_", [])), facts, tables)


def _for_users(estimator: Any, samples: Samples, fold: Fold, predicted: np.ndarray, classes: list[str]) -> np.ndarray:
    """Return predictions of the test rows, calibrated for each subject on the labelled trials that it gave away.

    Probabilities get a temperature and a bias of each class (:func:`thymos.base.probabilities.fit_calibration`),
    ratings are moved by the mean error of n trials, shrunk by n / (n + 1).
    """
    few, predicted = samples[fold.calibration], predicted.copy()
    known = predict_all(estimator, few, classes)
    subjects = samples.meta["subject"].astype(str).to_numpy(dtype=str)
    owners, trials = subjects[fold.calibration], few.meta["trial"].astype(str).to_numpy(dtype=str)
    for subject in np.unique(owners):
        own, mine = owners == subject, subjects[fold.test] == subject
        if classes:
            codes = np.array([classes.index(str(label)) for label in few.y[own]])
            predicted[mine] = fit_calibration(known[own], codes, trials[own], bias=True).apply(predicted[mine])
        else:
            _, errors = trial_means(trials[own], few.y[own] - known[own])
            predicted[mine] += errors.sum() / (len(errors) + 1)
    return predicted


def _check_rates(estimator: Any, samples: Samples) -> None:
    """Refuse a step that takes the samples for signals of another rate: all its bands would be wrong."""
    rate = samples.info.get("sfreq")
    steps = estimator.get_params() if hasattr(estimator, "get_params") else {}
    for name, value in steps.items():
        if name.split("__")[-1] == "sfreq" and isinstance(rate, Real) and isinstance(value, Real) and value != rate:
            raise InputError(
                f"{name}={value:g} came for samples of {rate:g} Hz.",
                fits=f"the rate of the samples, {name}={rate:g}, or info['sfreq'] as it is",
            )


def _about_gaps(samples: Samples, error: ValueError) -> InputError | None:
    """Return what to say of an error that is due to numbers that are none; nothing if it is due to others."""
    X = samples.X
    if (
        not any(word in str(error) for word in ("NaN", "infinity", "finite"))
        or getattr(X, "dtype", np.dtype(int)).kind != "f"
    ):
        return None
    bad = np.flatnonzero(~np.isfinite(X).reshape(len(X), -1).all(axis=1))
    if not len(bad):
        return None
    return InputError(
        f"{len(bad)} of {len(X)} samples hold values that are no finite numbers; the first is sample {bad[0]}.",
        fits="finite numbers",
        do="leave these samples out: samples[np.isfinite(samples.X).all(axis=tuple(range(1, samples.X.ndim)))]",
    )


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
            do="split them at a threshold (in a study target: {label: ..., above: ...}, here rule=), or predict the "
            "rating itself (rating: true)",
        )
    return samples.replace(y=samples.y.astype(int))


def rated(samples: Samples) -> Samples:
    """Return samples whose labels are ratings, as floating-point numbers.

    Raises
    ------
    InputError
        If the labels are no finite numbers.
    """
    if samples.y is None or samples.y.dtype.kind not in "fiu" or not np.isfinite(samples.y).all():
        raise InputError(
            f"The labels are no ratings: {'none' if samples.y is None else repr(str(samples.y[0]))}.",
            fits="finite numbers",
        )
    return samples.replace(y=samples.y.astype(np.float64))


def holds_signals(samples: Samples) -> bool:
    """Whether samples are windows of raw signals of a known rate."""
    return samples.raw and "sfreq" in samples.info


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
    grid: Mapping[str, Sequence[Any]] | None = None,
    rule: Rule | None = None,
) -> pd.DataFrame:
    """Evaluate an estimator under a protocol.

    Parameters
    ----------
    estimator : scikit-learn classifier with ``predict_proba``, or regressor for ratings
        For example a pipeline of :func:`thymos.training.pipeline.make_pipeline`.
    samples : Samples
    protocol : Protocol
        A leaky one is run and its rows say so in the column ``leaky``.
    target : str, optional
        Metadata column to predict; the samples' own labels by default.
    seeds : iterable of int
        One fit per fold for each.
    grid : mapping of str to sequence, optional
        Parameters to choose from, as for scikit-learn's grid search. The choice is made on the inner folds of a
        nested protocol (``inner``), otherwise on the validation part; never on the test part.
    rule : Rule, optional
        Where ratings are split into two classes; the median is that of the training part of each fold.

    Returns
    -------
    DataFrame
        One row per fold, seed, level (``window``, ``trial``) and test subject, and one over all subjects of the
        fold (``subject='all'``), with the metrics of :func:`thymos.evaluation.metrics.classification_metrics` or
        :func:`thymos.evaluation.metrics.rating_metrics`.

    Raises
    ------
    ProtocolError
        If the data cannot be split so.
    LeakError
        If an honest protocol's split shares trials, windows or keys between its parts.
    """
    samples = samples.target(target) if target else samples
    split = discrete if rule is None else rule.to
    samples = rated(samples) if is_regressor(estimator) else split(samples)
    _check_rates(estimator, samples)
    classes = [] if is_regressor(estimator) else [str(c) for c in np.unique(settled(samples).y)]
    tables = []
    for fold in protocol.folds(samples.meta, samples.y):
        if not protocol.leaky:
            check_split(samples.meta, fold, (*protocol.keys, "trial"), protocol.guard)
        for seed in seeds:
            seeded = seed_estimator(estimator, child_seed(seed, protocol.name, fold.name))
            try:
                result = fit_fold(seeded, samples, fold, classes, list(ParameterGrid(dict(grid))) if grid else ())
            except ValueError as error:
                if text := _about_gaps(samples, error):
                    raise text from error
                raise
            head = {"protocol": protocol.name, "leaky": protocol.leaky, "fold": fold.name, "seed": seed}
            tables.append(rows_of(result.predictions, classes).assign(**head, **result.facts))
    return pd.concat(tables, ignore_index=True)
