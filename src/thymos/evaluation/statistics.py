"""From stored predictions to numbers with intervals, chance levels and the price of a leak (methods A4-A5)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap, norm

from thymos.base.random import child_seed, generator
from thymos.evaluation.metrics import (
    CONFUSION_METRICS,
    RATING_METRICS,
    defined_mean,
    direction,
    moments,
    predictions_of,
    recall_of,
    trial_means,
    trial_probabilities,
)

__all__ = [
    "MIN_SUBJECTS",
    "class_recalls",
    "collected_counts",
    "holm",
    "inflation_report",
    "interval",
    "intervals_of_kinds",
    "permuted_counts",
    "summarise",
    "unit_counts",
]

#: With fewer subjects the interval is taken over recordings (or trials) instead.
MIN_SUBJECTS = 8
_RESAMPLES = 10_000
_BATCH_VALUES = 2 * 10**7
_PERMUTATIONS = 2_000


def summarise(
    predictions: pd.DataFrame,
    classes: list[str],
    metrics: tuple[str, ...] | None = None,
    levels: tuple[str, ...] = ("window", "trial"),
) -> pd.DataFrame:
    """Summarise all predictions of a study.

    Parameters
    ----------
    predictions : DataFrame
        One row per prediction with ``protocol, method, labels, seed, fold`` (and ``repeat``) beside the columns of
        :class:`thymos.evaluation.fit.FoldResult`.
    classes : list of str
        Empty for ratings.
    metrics : tuple of str, optional
        Names of :data:`~thymos.evaluation.metrics.CONFUSION_METRICS`, for ratings of
        :data:`~thymos.evaluation.metrics.RATING_METRICS`; all by default.
    levels : tuple of {'window', 'trial'}

    Returns
    -------
    DataFrame
        One row per protocol, method, kind of labels (``true``, ``permuted``), level (``window``, ``trial``) and
        metric: ``value``; ``unit`` and ``n_units`` it is taken over; ``seed_sd`` over seeds and repeats, ``n_seeds``
        and ``n_repeats``; and for true labels ``low`` and ``high`` of the 95 % BCa bootstrap interval, and ``chance``,
        ``chance_high`` (what chance exceeds in 5 % of cases) and ``p`` from permuting trial labels within subject
        against the stored predictions.

    Notes
    -----
    Where trials have several lengths, permuted labels are of more windows or fewer than before: what an answer of as
    many windows in each class reaches without knowing anything is taken off after, and added from before, so that a
    constant answer is at chance. With at least 8 subjects the value is the mean of one value per subject and the
    bootstrap resamples subjects.
    Below, predictions of all recordings are taken together and the bootstrap resamples recordings. Windows are
    never resampled. Seeds and repeats are averaged; their spread is a column of its own.
    """
    if predictions.empty:
        return pd.DataFrame()
    known = CONFUSION_METRICS if classes else RATING_METRICS
    rows = []
    for (protocol, method, labels), part in predictions.groupby(["protocol", "method", "labels"], sort=True):
        for level in levels:
            units, counts, trials = unit_counts(part, classes, level)
            unit = "subject" if units["subject"].nunique() >= MIN_SUBJECTS else units.attrs["unit"]
            groups = np.unique(units["subject"], return_inverse=True)[1] if unit == "subject" else np.arange(len(units))
            seed = child_seed(0, protocol, method, labels, level)
            collected = np.stack([collected_counts(c, groups) for c in counts])
            head = {"protocol": protocol, "method": method, "labels": labels, "level": level}
            head |= {"unit": unit, "n_units": collected.shape[1], **units.attrs["draws"]}
            by_subject, axes = unit == "subject", counts.ndim - 2
            values = {metric: _estimator(known[metric], by_subject, axes) for metric in metrics or known}
            # what sums over units anyway is permuted in one group: photographs are thousands of units
            whole = groups if by_subject else np.zeros_like(groups)
            # the control with permuted labels is its own reference: it gets a value, no interval and no chance
            null = _null(trials, counts, whole, values, seed) if labels == "true" else None
            between = {}
            if labels == "true" and not by_subject:
                between = intervals_of_kinds(collected, values, seed)
            for metric, value in values.items():
                per_draw = value(collected)
                row = {**head, "metric": metric, "value": float(np.mean(per_draw))}
                row["seed_sd"] = float(np.std(per_draw, ddof=1)) if len(per_draw) > 1 else np.nan
                if null is not None:
                    if by_subject:  # each has a value of its own, of which the mean is taken
                        between[metric] = interval(known[metric](collected), defined_mean, seed)
                    row["low"], row["high"] = between[metric]
                    sign = direction(metric)
                    by_chance = null[metric][np.isfinite(null[metric])]
                    row["chance"], row["chance_high"], row["p"] = np.nan, np.nan, np.nan
                    if len(by_chance) and np.isfinite(row["value"]):
                        row["chance"] = float(by_chance.mean())
                        row["chance_high"] = sign * float(np.percentile(sign * by_chance, 95))
                        better = np.sum(sign * by_chance >= sign * row["value"] - 1e-12)
                        row["p"] = float((1 + better) / (1 + len(by_chance)))
                rows.append(row)
    return pd.DataFrame(rows)


def class_recalls(predictions: pd.DataFrame, classes: list[str], level: str = "trial") -> pd.DataFrame:
    """Return the recall of each class, pooled over all predictions, with intervals.

    Parameters
    ----------
    predictions : DataFrame
        As :func:`summarise`; those with permuted labels are left out.
    classes : list of str
    level : {'window', 'trial'}

    Returns
    -------
    DataFrame
        One row per protocol, method and class: ``recall``, ``low`` and ``high`` of the 95 % bootstrap interval over
        subjects (with fewer than 8: recordings or trials), ``n`` samples of the class in each seed.
    """
    rows = []
    table = predictions[predictions["labels"] == "true"]
    for (protocol, method), part in table.groupby(["protocol", "method"], sort=False):
        units, counts, _ = unit_counts(part, classes, level)
        groups = np.arange(len(units))
        if units["subject"].nunique() >= MIN_SUBJECTS:
            groups = np.unique(units["subject"], return_inverse=True)[1]
        collected = np.stack([collected_counts(c, groups) for c in counts])

        def recall(c: np.ndarray, code: int) -> np.ndarray:
            return recall_of(c.sum(axis=-3), code)

        values = {name: partial(recall, code=code) for code, name in enumerate(classes)}
        between = intervals_of_kinds(collected, values, child_seed(0, protocol, method, "recall"))
        for code, (name, value) in enumerate(values.items()):
            head = {"protocol": protocol, "method": method, "class": name, "recall": float(value(collected).mean())}
            low, high = between[name]
            rows.append({**head, "low": low, "high": high, "n": int(counts[0, :, code].sum())})
    return pd.DataFrame(rows)


def unit_counts(part: pd.DataFrame, classes: list[str], level: str) -> tuple[pd.DataFrame, np.ndarray, dict]:
    """Sum predictions by recording (or trial), the smallest unit that is ever resampled.

    Parameters
    ----------
    part : DataFrame
        Predictions of one method under one protocol.
    classes : list of str
        Empty for ratings.
    level : {'window', 'trial'}

    Returns
    -------
    units : DataFrame, one row per unit
        ``subject`` and ``unit``; ``attrs`` says what a ``unit`` is and how many ``draws`` (seeds, repeats) there are.
    counts : ndarray, shape (n_draws, n_units, n_classes, n_classes) or (n_draws, n_units, 6)
        Confusions; for ratings sums of :func:`~thymos.evaluation.metrics.moments`.
    trials : dict of str to ndarray
        For permutations, one entry per trial: ``counts`` of predicted classes in each draw, shape (n_draws, n_trials,
        n_classes), for ratings the number, sum and sum of squares of predictions, shape (n_draws, n_trials, 3);
        ``label``; ``subject``; ``unit_number``; ``classes``, their number.
    """
    n_classes = len(classes)
    kind = "recording" if "recording" in part.columns else "trial"
    if n_classes:
        part = part.assign(code=part["label"].map({c: k for k, c in enumerate(classes)}))
    else:  # sums of squares lose digits far from zero; no metric depends on the origin
        part = part.assign(code=part["label"].astype(float), predicted=part["predicted"].astype(float))
        part[["code", "predicted"]] -= part["code"].mean()
    part = part if "repeat" in part.columns else part.assign(repeat=0)
    number = part.groupby(["subject", kind], sort=True).ngroup().to_numpy()
    units = part[["subject", kind]].iloc[np.unique(number, return_index=True)[1]].reset_index(drop=True)
    units = units.rename(columns={kind: "unit"})
    trial = pd.factorize(part["trial"], sort=True)[0]
    first = np.unique(trial, return_index=True)[1]
    draws = list(part.groupby(["seed", "repeat"], sort=True).indices.values())
    codes, said = part["code"].to_numpy(), predictions_of(part, classes)
    trials = {
        "counts": np.zeros((len(draws), len(first), n_classes or 3)),
        "label": codes[first],
        "subject": part["subject"].iloc[first].astype(str).to_numpy(dtype=str),
        "unit_number": number[first],
        "classes": n_classes,
    }
    counts = np.zeros((len(draws), len(units), *((n_classes, n_classes) if n_classes else (6,))))
    for draw, per_trial, mine in zip(counts, trials["counts"], draws, strict=True):
        predicted = said[mine]
        if level == "trial":
            first, predicted = (trial_probabilities if n_classes else trial_means)(trial[mine], predicted)
            mine = mine[first]
        if n_classes:
            predicted = predicted.argmax(axis=1)
            np.add.at(draw, (number[mine], codes[mine], predicted), 1)
            np.add.at(per_trial, (trial[mine], predicted), 1)
        else:
            sums = moments(codes[mine], predicted)
            np.add.at(draw, number[mine], sums)
            np.add.at(per_trial, trial[mine], sums[:, [0, 2, 4]])
    units.attrs["unit"] = kind
    units.attrs["draws"] = {"n_seeds": part["seed"].nunique(), "n_repeats": part["repeat"].nunique()}
    return units, counts, trials


def interval(counts: np.ndarray, value: Callable[[np.ndarray], np.ndarray], seed: int) -> tuple[float, float]:
    """Return the 95 % BCa bootstrap interval over units of the mean of `value` over draws.

    `counts` have the shape (n_draws, n_units, ...); the same units are drawn for all seeds and repeats. Units without
    any spread give an interval of no width; a single unit gives none (NaN).
    """
    n_units = counts.shape[1]
    if n_units < 2:
        return float("nan"), float("nan")

    def statistic(index: np.ndarray, axis: int = -1) -> np.ndarray:
        return value(counts[:, index]).mean(axis=0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate resamples are handled below
        with np.errstate(all="ignore"):
            result = bootstrap(
                (np.arange(n_units),),
                statistic,
                n_resamples=_RESAMPLES,
                batch=int(np.clip(_BATCH_VALUES // counts.size, 10, 1000)),
                vectorized=True,
                method="BCa",
                rng=np.random.default_rng(seed),
            )
    low, high = map(float, result.confidence_interval)
    if np.isnan(low) or np.isnan(high):  # all resamples alike, or the acceleration is undefined
        spread = result.bootstrap_distribution[np.isfinite(result.bootstrap_distribution)]
        low, high = np.percentile(spread, [2.5, 97.5]) if len(spread) else (np.nan, np.nan)
    return float(low), float(high)


def intervals_of_kinds(
    counts: np.ndarray, values: Mapping[str, Callable[[np.ndarray], np.ndarray]], seed: int
) -> dict[str, tuple[float, float]]:
    """Return the intervals of :func:`interval` for values of summed counts, from the same resamples.

    Units with equal counts in all draws are of one kind, such as photographs of one class taken for another: a
    resample draws how often each kind is there, and leaving out one unit is done once for each kind. No unit's counts
    are copied: tens of times as fast for thousands of photographs (benchmarks/intervals.py).
    """
    n_draws, n_units = counts.shape[:2]
    if n_units < 2:
        return dict.fromkeys(values, (float("nan"), float("nan")))
    flat = np.moveaxis(counts, 1, 0).reshape(n_units, -1)
    kinds, often = np.unique(flat, axis=0, return_counts=True)

    def of(numbers: np.ndarray) -> np.ndarray:
        """Return each value of each row of numbers of kinds, shape (n_values, n_rows)."""
        summed = (numbers @ kinds).reshape(len(numbers), n_draws, 1, *counts.shape[2:])
        summed = np.moveaxis(summed, 1, 0)
        return np.stack([value(summed).mean(axis=0) for value in values.values()])

    with np.errstate(all="ignore"):
        drawn = np.random.default_rng(seed).multinomial(n_units, often / n_units, _RESAMPLES)
        spreads = np.concatenate([of(part) for part in np.array_split(drawn, 20)], axis=1)
        here = of(often[None])[:, 0]
        without = of(often - np.eye(len(often)))  # one unit of each kind left out
        found = [_bca(*mine, often) for mine in zip(spreads, here, without, strict=True)]
    return dict(zip(values, found, strict=True))


def _bca(spread: np.ndarray, here: float, without: np.ndarray, often: np.ndarray) -> tuple[float, float]:
    """Return the BCa interval from resampled values, the value itself and the `often` weighted ones without a unit."""
    spread = spread[np.isfinite(spread)]
    if not len(spread) or not np.isfinite(here) or np.ptp(spread) == 0:
        return (float(here), float(here)) if len(spread) else (float("nan"), float("nan"))
    away = np.average(without, weights=often) - without
    acceleration = np.sum(often * away**3) / (6 * np.sum(often * away**2) ** 1.5)
    bias = norm.ppf((np.mean(spread < here) + np.mean(spread <= here)) / 2)
    z = bias + norm.ppf([0.025, 0.975])
    share = norm.cdf(bias + z / (1 - acceleration * z))
    share = np.where(np.isfinite(share), share, [0.025, 0.975])
    low, high = np.quantile(spread, share)
    return float(low), float(high)


def permuted_counts(trials: dict, groups: np.ndarray, seed: int, n: int = _PERMUTATIONS, draw: int = 0) -> np.ndarray:
    """Counts of the stored predictions after permuting labels between the trials of each subject.

    Parameters
    ----------
    trials : dict
        As returned by :func:`unit_counts`.
    groups : ndarray of int, shape (n_trials,)
        The unit (or subject) that each trial is collected into.
    seed, n : int
        Seed and number of permutations; every draw sees the same ones.
    draw : int
        Which seed and repeat.

    Returns
    -------
    ndarray, shape (n, n_groups, n_classes, n_classes), for ratings (n, n_groups, 6)
    """
    rng = generator(seed, "permutation chance")
    label, subject, n_classes = (trials[key] for key in ("label", "subject", "classes"))
    counts = trials["counts"][draw]
    shuffled = np.empty((n, len(label)), dtype=label.dtype)
    for name in np.unique(subject):
        mine = np.flatnonzero(subject == name)
        shuffled[:, mine] = rng.permuted(np.broadcast_to(label[mine], (n, len(mine))), axis=1)
    result = np.empty((n, groups.max() + 1, *((n_classes, n_classes) if n_classes else (6,))))
    for group in range(groups.max() + 1):
        mine = np.flatnonzero(groups == group)
        if n_classes:
            for true in range(n_classes):
                result[:, group, true] = (shuffled[:, mine] == true) @ counts[mine]
            continue
        number, total, square = counts[mine].T
        y = shuffled[:, mine]
        result[:, group] = np.stack(
            [
                np.full(n, number.sum()),
                y @ number,
                np.full(n, total.sum()),
                y**2 @ number,
                np.full(n, square.sum()),
                y @ total,
            ],
            axis=-1,
        )
    return result


def holm(p_values: list[float]) -> list[float]:
    """Correct p-values for multiple comparison after Holm; NaN is of no test, counts as none and stays."""
    corrected = np.array(p_values, dtype=float)
    order = np.argsort(corrected)[: np.isfinite(corrected).sum()]  # NaN comes last
    scaled = corrected[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected.tolist()


def inflation_report(
    summary: pd.DataFrame, twins: dict[str, str], level: str = "window", metric: str = "accuracy"
) -> pd.DataFrame:
    """Set every leaky protocol beside its honest twin, with true and with permuted labels (methods A4).

    Parameters
    ----------
    summary : DataFrame
        As returned by :func:`summarise`.
    twins : dict of str to str
        Leaky protocol to honest protocol.
    level : {'window', 'trial'}
    metric : str

    Returns
    -------
    DataFrame
        One row per method and pair: the metric under both with true labels, their difference, and the same two after
        permuting labels. A leaky protocol stays high under permutation; an honest one falls to chance.
    """
    columns = ["method", "leaky_protocol", "honest_protocol"]
    columns += ["leaky_true", "honest_true", "leaky_permuted", "honest_permuted", "inflation"]
    if summary.empty:
        return pd.DataFrame(columns=columns)
    table = summary[(summary["metric"] == metric) & (summary["level"] == level)]
    table = table.set_index(["protocol", "method", "labels"])["value"]
    rows = []
    for leaky, honest in twins.items():
        for method in dict.fromkeys(summary["method"]):
            row = {"method": method, "leaky_protocol": leaky, "honest_protocol": honest}
            for labels in ("true", "permuted"):
                row[f"leaky_{labels}"] = table.get((leaky, method, labels), np.nan)
                row[f"honest_{labels}"] = table.get((honest, method, labels), np.nan)
            row["inflation"] = row["leaky_true"] - row["honest_true"]
            rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def _null(
    trials: dict, counts: np.ndarray, groups: np.ndarray, values: dict[str, Callable], seed: int
) -> dict[str, np.ndarray]:
    """Return what each metric gives for permuted labels, averaged over draws; NaN where nothing can be permuted."""
    varies = pd.Series(trials["label"]).groupby(trials["subject"]).nunique()
    if (varies < 2).all():  # each subject has one label: every permutation is the labels themselves
        return {metric: np.full(1, np.nan) for metric in values}
    total: dict[str, Any] = dict.fromkeys(values, 0.0)
    for draw, mine in enumerate(trials["counts"]):
        permuted = permuted_counts(trials, groups[trials["unit_number"]], seed, draw=draw)
        total = {metric: total[metric] + value(permuted) for metric, value in values.items()}
        if np.ptp(mine.sum(axis=1) if trials["classes"] else mine[:, 0]) > 0:
            # trials of several lengths: a label then has more windows than before, or fewer, which changes what a
            # constant answer reaches, though it knows nothing
            before = _unrelated(collected_counts(counts[draw], groups), trials["classes"])
            now = _unrelated(permuted, trials["classes"])
            total = {metric: total[metric] + value(before) - value(now) for metric, value in values.items()}
    return {metric: sums / len(trials["counts"]) for metric, sums in total.items()}


def _unrelated(counts: np.ndarray, n_classes: int) -> np.ndarray:
    """Return counts of answers that are as frequent as given and know nothing of the label."""
    if n_classes:
        whole = counts.sum(axis=(-2, -1), keepdims=True)
        return counts.sum(axis=-1, keepdims=True) * counts.sum(axis=-2, keepdims=True) / np.maximum(whole, 1)
    unrelated = np.array(counts, dtype=float)
    unrelated[..., 5] = counts[..., 1] * counts[..., 2] / np.maximum(counts[..., 0], 1)
    return unrelated


def collected_counts(counts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sum the counts of units, the first axis, by group; `groups` are numbers from 0, one for each unit."""
    collected = np.zeros((groups.max() + 1, *counts.shape[1:]))
    np.add.at(collected, groups, counts)
    return collected


def _estimator(
    metric: Callable[[np.ndarray], np.ndarray], by_unit: bool, n_axes: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the statistic of counts (..., n_units, *n_axes axes): mean of units' values, or the value of their sum."""
    if by_unit:
        return lambda counts: defined_mean(metric(counts))
    return lambda counts: metric(counts.sum(axis=-1 - n_axes))
