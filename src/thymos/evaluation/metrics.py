"""Metrics of one set of predictions (methods A5), from probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from thymos.base.errors import InputError
from thymos.base.probabilities import log_loss, trial_means, trial_probabilities

__all__ = [
    "CONFUSION_METRICS",
    "LOWER_IS_BETTER",
    "RATING_METRICS",
    "calibration_bins",
    "classification_metrics",
    "confusion",
    "defined_mean",
    "direction",
    "expected_calibration_error",
    "log_loss",
    "moments",
    "predictions_of",
    "predictions_table",
    "rating_metrics",
    "recall_of",
    "rows_of",
    "trial_means",
    "trial_probabilities",
]

_ROUNDING = 1e-12

#: Metadata kept beside every prediction.
_KEPT = ("subject", "session", "trial", "stimulus", "recording", "start", "stop")


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan, dtype=float), where=below > 0)


def _accuracy(c: np.ndarray) -> np.ndarray:
    return _ratio(np.trace(c, axis1=-2, axis2=-1), c.sum(axis=(-2, -1)))


def _recall(c: np.ndarray) -> np.ndarray:
    return _ratio(np.diagonal(c, axis1=-2, axis2=-1), c.sum(axis=-1))


def _precision(c: np.ndarray) -> np.ndarray:
    return _ratio(np.diagonal(c, axis1=-2, axis2=-1), c.sum(axis=-2))


def _f1(c: np.ndarray) -> np.ndarray:
    return _ratio(2 * np.diagonal(c, axis1=-2, axis2=-1), c.sum(axis=-1) + c.sum(axis=-2))


def recall_of(c: np.ndarray, code: int) -> np.ndarray:
    """Return the recall of one class of confusion matrices (..., n_classes, n_classes), NaN where it has no samples."""
    return _ratio(c[..., code, code], c[..., code, :].sum(axis=-1))


def defined_mean(values: np.ndarray) -> np.ndarray:
    """Average over the last axis of scores, shape (..., n_values), leaving out what is not defined (NaN)."""
    defined = np.isfinite(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def _kappa(c: np.ndarray) -> np.ndarray:
    total = c.sum(axis=(-2, -1))
    chance = _ratio((c.sum(axis=-1) * c.sum(axis=-2)).sum(axis=-1), total**2)
    return _ratio(_accuracy(c) - chance, 1 - chance)


#: Metrics that are functions of the confusion matrix, shape (..., n_classes, n_classes), true classes in rows.
CONFUSION_METRICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": lambda c: defined_mean(_recall(c)),
    "macro_f1": lambda c: defined_mean(_f1(c)),
    "kappa": _kappa,
}


def _covariances(m: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return means of ratings and predictions, their variances and covariance, from sums of moments (..., 6)."""
    n, y, p, yy, pp, yp = np.moveaxis(np.asarray(m, dtype=float), -1, 0)
    mean_y, mean_p = _ratio(y, n), _ratio(p, n)
    return (
        mean_y,
        mean_p,
        np.maximum(_ratio(yy, n) - mean_y**2, 0),
        np.maximum(_ratio(pp, n) - mean_p**2, 0),
        _ratio(yp, n) - mean_y * mean_p,
    )


def _varies(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Whether a variance is more than the rounding of its sums."""
    return variance > _ROUNDING * (mean**2 + variance)


def _ccc(m: np.ndarray) -> np.ndarray:
    mean_y, mean_p, var_y, var_p, cov = _covariances(m)
    # without any spread in the ratings there is nothing to agree with
    return _ratio(2 * cov, np.where(_varies(mean_y, var_y), var_y + var_p + (mean_y - mean_p) ** 2, 0.0))


def _pearson(m: np.ndarray) -> np.ndarray:
    mean_y, mean_p, var_y, var_p, cov = _covariances(m)
    varies = _varies(mean_y, var_y) & _varies(mean_p, var_p)  # a constant has no correlation
    return _ratio(cov, np.where(varies, np.sqrt(var_y * var_p), 0.0))


def _mse(m: np.ndarray) -> np.ndarray:
    n, _, _, yy, pp, yp = np.moveaxis(np.asarray(m, dtype=float), -1, 0)
    return np.maximum(_ratio(yy + pp - 2 * yp, n), 0)


def _r2(m: np.ndarray) -> np.ndarray:
    mean, _, variance, _, _ = _covariances(m)
    return 1 - _ratio(_mse(m), np.where(_varies(mean, variance), variance, 0.0))


#: Metrics of ratings that are functions of six sums, shape (..., 6): n, y, p, y*y, p*p, y*p (see :func:`moments`).
RATING_METRICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ccc": _ccc,
    "pearson": _pearson,
    "rmse": lambda m: np.sqrt(_mse(m)),
    "r2": _r2,
}

#: Metrics that count errors.
LOWER_IS_BETTER = frozenset({"rmse", "mae"})


def direction(metric: str) -> int:
    """Return 1 for a metric that is better when it is higher, -1 for an error."""
    return -1 if metric in LOWER_IS_BETTER else 1


def moments(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return ``1, y, p, y*y, p*p, y*p`` of each rating and prediction, shape (n_samples, 6); sums of rows add up."""
    y, p = np.asarray(y, dtype=float), np.asarray(predicted, dtype=float)
    return np.stack([np.ones_like(y), y, p, y * y, p * p, y * p], axis=-1)


def rating_metrics(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the metrics of predicted ratings.

    Parameters
    ----------
    y, predicted : ndarray, shape (n_samples,)

    Returns
    -------
    dict of str to float
        ``ccc`` (concordance correlation coefficient, Lin 1989), ``pearson``, ``rmse`` and ``mae`` in the unit of the
        ratings, ``r2``. A metric that these samples do not define, such as a correlation with a constant, is NaN.

    Raises
    ------
    InputError
        If there are no samples, or shapes differ.
    """
    y, predicted = np.asarray(y, dtype=float), np.asarray(predicted, dtype=float)
    if y.ndim != 1 or y.shape != predicted.shape or not len(y):
        raise InputError(
            f"Ratings of shape {y.shape} and predictions of shape {predicted.shape} came.", "equal lengths"
        )
    centre = y.mean()  # sums of squares lose digits far from zero
    total = moments(y - centre, predicted - centre).sum(axis=0)
    result = {name: float(metric(total)) for name, metric in RATING_METRICS.items()}
    return {**result, "mae": float(np.abs(y - predicted).mean())}


def confusion(codes: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the confusion matrix, true classes in rows, shape (n_classes, n_classes)."""
    return np.bincount(codes * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def classification_metrics(codes: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> dict[str, float]:
    """Return every metric of methods A5.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        True class as index into `classes`.
    probabilities : ndarray, shape (n_samples, n_classes)
        Predicted probabilities.
    classes : list of str
        Names of the classes.

    Returns
    -------
    dict of str to float
        ``accuracy``, ``balanced_accuracy``, precision, recall and F1 as ``macro_``, ``weighted_`` and ``micro_``
        average and per class (``recall[name]``), ``kappa``, ``roc_auc`` (macro, one against the rest), ``log_loss``,
        ``brier``, ``ece``. A metric that these samples do not define is NaN.

    Raises
    ------
    InputError
        If there are no samples, or shapes differ.
    """
    codes, probabilities = np.asarray(codes), np.asarray(probabilities, dtype=float)
    if len(codes) == 0 or probabilities.shape != (len(codes), len(classes)):
        raise InputError(
            f"{len(codes)} labels and probabilities of shape {probabilities.shape} came for {len(classes)} classes.",
            fits="one row of probabilities for each label, one column for each class",
        )
    matrix = confusion(codes, probabilities.argmax(axis=1), len(classes))
    result = {name: float(metric(matrix)) for name, metric in CONFUSION_METRICS.items()}
    support = matrix.sum(axis=1)
    for name, values in {"precision": _precision(matrix), "recall": _recall(matrix), "f1": _f1(matrix)}.items():
        result |= {f"{name}[{label}]": float(value) for label, value in zip(classes, values, strict=True)}
        present = support > 0
        counted = np.where(present, np.nan_to_num(values), values)  # a class that is never predicted is worth nothing
        result[f"macro_{name}"] = float(defined_mean(counted))
        result[f"weighted_{name}"] = float(np.average(counted[present], weights=support[present]))
        result[f"micro_{name}"] = result["accuracy"]  # equal by definition when every sample has one label
    present = np.flatnonzero((support > 0) & (support < len(codes)))
    result["roc_auc"] = float(_areas(codes, probabilities, present).mean()) if len(present) else float("nan")
    result["log_loss"] = log_loss(codes, probabilities)
    result["brier"] = float(((probabilities - np.eye(len(classes))[codes]) ** 2).sum(axis=1).mean())
    result["ece"] = expected_calibration_error(codes, probabilities)
    return result


def predictions_table(meta: pd.DataFrame, y: np.ndarray, predicted: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Return predictions with what they are of.

    Parameters
    ----------
    meta : DataFrame
        One row per sample.
    y : ndarray, shape (n_samples,)
        Labels.
    predicted : ndarray, shape (n_samples, n_classes), for ratings (n_samples,)
        Probabilities in the order of the classes, or ratings.
    classes : list of str
        Empty for ratings.

    Returns
    -------
    DataFrame
        One row per sample: label, ``p0, p1, ...`` (for ratings ``predicted``), and metadata.
    """
    table = pd.DataFrame({"label": y.astype(str) if classes else y})
    if classes:
        table = table.assign(**{f"p{k}": predicted[:, k].astype(np.float32) for k in range(len(classes))})
    else:
        table["predicted"] = predicted
    return table.assign(**{name: meta[name].to_numpy() for name in _KEPT if name in meta})


def predictions_of(predictions: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Return the probabilities, shape (n_samples, n_classes), or the ratings, shape (n_samples,), of a table."""
    columns = [f"p{k}" for k in range(len(classes))] if classes else "predicted"
    return predictions[columns].to_numpy(float)


def rows_of(predictions: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Return the metrics of one fit: one row per level (``window``, ``trial``) and subject, and ``subject='all'``."""
    lookup = {name: k for k, name in enumerate(classes)}
    rows = []
    subjects = predictions["subject"].astype(str).to_numpy()
    for subject in [*np.unique(subjects), "all"]:
        part = predictions if subject == "all" else predictions[subjects == subject]
        trials, predicted = part["trial"].astype(str).to_numpy(), predictions_of(part, classes)
        if classes:
            true = part["label"].map(lookup).to_numpy()
            first, by_trial = trial_probabilities(trials, predicted)
        else:
            true = part["label"].to_numpy(float)
            first, by_trial = trial_means(trials, predicted)
        for level, t, p in (("window", true, predicted), ("trial", true[first], by_trial)):
            metrics = classification_metrics(t, p, classes) if classes else rating_metrics(t, p)
            rows.append({"level": level, "subject": subject, "n": len(t), **metrics})
    return pd.DataFrame(rows)


def calibration_bins(codes: np.ndarray, probabilities: np.ndarray, n_bins: int = 15) -> pd.DataFrame:
    """Return ``confidence``, ``accuracy`` and ``count`` of bins with about equal numbers of samples.

    From class codes, shape (n_samples,), and probabilities, shape (n_samples, n_classes).
    """
    return pd.DataFrame(
        dict(zip(("confidence", "accuracy", "count"), _bins(codes, probabilities, n_bins), strict=True))
    )


def expected_calibration_error(codes: np.ndarray, probabilities: np.ndarray, n_bins: int = 15) -> float:
    """Return the mean distance of accuracy and confidence over equal-mass bins; shapes as :func:`calibration_bins`."""
    confidence, accuracy, count = _bins(codes, probabilities, n_bins)
    return float(np.average(np.abs(accuracy - confidence), weights=count))


def _bins(codes: np.ndarray, probabilities: np.ndarray, n_bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, accuracy and size of each bin; bins differ in size by one at most."""
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == codes).astype(float)
    order, n_bins = np.argsort(confidence, kind="stable"), min(n_bins, len(codes))
    count = len(codes) // n_bins + (np.arange(n_bins) < len(codes) % n_bins)
    starts = np.cumsum(count) - count
    return np.add.reduceat(confidence[order], starts) / count, np.add.reduceat(right[order], starts) / count, count


def _areas(codes: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the area under the curve of each class against the rest, from ranks (Mann & Whitney 1947)."""
    positive = codes[:, None] == classes
    n = positive.sum(axis=0)
    ranks = rankdata(probabilities[:, classes], axis=0)
    return ((ranks * positive).sum(axis=0) - n * (n + 1) / 2) / (n * (len(codes) - n))
