"""From stored predictions to numbers with intervals, chance levels and the price of a leak (methods A4-A5)."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from thymos.base.random import child_seed, generator
from thymos.evaluation.metrics import CONFUSION_METRICS, confusion, defined_mean, trial_probabilities

__all__ = ["MIN_SUBJECTS", "inflation_report", "interval", "permuted_confusions", "summarise", "unit_confusions"]

#: With fewer subjects the interval is taken over recordings (or trials) instead.
MIN_SUBJECTS = 8
_RESAMPLES = 10_000
_PERMUTATIONS = 2_000


def summarise(predictions: pd.DataFrame, classes: list[str], metrics: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Summarise all predictions of a study.

    Parameters
    ----------
    predictions : DataFrame
        One row per prediction with ``protocol, method, labels, seed, fold`` beside the columns of
        :class:`thymos.evaluation.fit.FoldResult`.
    classes : list of str
    metrics : tuple of str, optional
        Names of :data:`~thymos.evaluation.metrics.CONFUSION_METRICS`; all by default.

    Returns
    -------
    DataFrame
        One row per protocol, method, kind of labels (``true``, ``permuted``), level (``window``, ``trial``) and
        metric: ``value``; ``unit`` and ``n_units`` it is taken over; ``seed_sd`` and ``n_seeds``; and for true labels
        ``low`` and ``high`` of the 95 % BCa bootstrap interval, and ``chance``, ``chance_high`` (95th percentile)
        and ``p`` from permuting trial labels within subject against the stored predictions.

    Notes
    -----
    With at least 8 subjects the value is the mean of one value per subject and the bootstrap resamples subjects.
    Below, predictions of all recordings are taken together and the bootstrap resamples recordings. Windows are
    never resampled. Seeds are averaged; their spread is a column of its own.
    """
    if predictions.empty:
        return pd.DataFrame()
    metrics = metrics or tuple(CONFUSION_METRICS)
    rows = []
    for (protocol, method, labels), part in predictions.groupby(["protocol", "method", "labels"], sort=True):
        for level in ("window", "trial"):
            units, confusions, trials = unit_confusions(part, classes, level)
            unit = "subject" if units["subject"].nunique() >= MIN_SUBJECTS else units.attrs["unit"]
            groups = np.unique(units["subject"], return_inverse=True)[1] if unit == "subject" else np.arange(len(units))
            seed = child_seed(0, protocol, method, labels, level)
            collected = [_collect(c, groups) for c in confusions]
            head = {"protocol": protocol, "method": method, "labels": labels, "level": level}
            head |= {"unit": unit, "n_units": len(collected[0]), "n_seeds": len(collected)}
            # the control with permuted labels is its own reference: it gets a value, no interval and no chance
            null = permuted_confusions(trials, groups[trials["unit_number"]], seed) if labels == "true" else None
            for metric in metrics:
                value = _estimator(CONFUSION_METRICS[metric], unit == "subject")
                per_seed = [float(value(c)) for c in collected]
                row = {**head, "metric": metric, "value": float(np.mean(per_seed))}
                row["seed_sd"] = float(np.std(per_seed, ddof=1)) if len(per_seed) > 1 else np.nan
                if null is not None:
                    row["low"], row["high"] = interval(np.mean(collected, axis=0), value, seed)
                    by_chance = value(null)
                    row["chance"] = float(by_chance.mean())
                    row["chance_high"] = float(np.percentile(by_chance, 95))
                    row["p"] = float((1 + np.sum(by_chance >= row["value"] - 1e-12)) / (1 + len(by_chance)))
                rows.append(row)
    return pd.DataFrame(rows)


def unit_confusions(part: pd.DataFrame, classes: list[str], level: str) -> tuple[pd.DataFrame, np.ndarray, dict]:
    """Count predictions by recording (or trial), the smallest unit that is ever resampled.

    Parameters
    ----------
    part : DataFrame
        Predictions of one method under one protocol.
    classes : list of str
    level : {'window', 'trial'}

    Returns
    -------
    units : DataFrame, one row per unit
        ``subject`` and ``unit``; ``attrs['unit']`` says what a unit is.
    confusions : ndarray, shape (n_seeds, n_units, n_classes, n_classes)
    trials : dict of str to ndarray
        For permutations, one entry per trial: ``counts`` of predicted classes averaged over seeds, shape (n_trials,
        n_classes); ``label``; ``subject``; ``unit_number``.
    """
    n_classes = len(classes)
    columns = [f"p{k}" for k in range(n_classes)]
    kind = "recording" if "recording" in part.columns else "trial"
    part = part.assign(code=part["label"].map({c: k for k, c in enumerate(classes)}))
    units = part[["subject", kind]].drop_duplicates().sort_values(["subject", kind]).reset_index(drop=True)
    units = units.rename(columns={kind: "unit"})
    number = pd.Series(np.arange(len(units)), index=pd.MultiIndex.from_frame(units))
    trial_table = part.drop_duplicates("trial").sort_values("trial")
    trial_number = pd.Series(np.arange(len(trial_table)), index=trial_table["trial"])
    trials = {
        "counts": np.zeros((len(trial_table), n_classes)),
        "label": trial_table["code"].to_numpy(),
        "subject": trial_table["subject"].astype(str).to_numpy(dtype=str),
        "unit_number": number.loc[pd.MultiIndex.from_frame(trial_table[["subject", kind]])].to_numpy(),
    }
    seeds = sorted(part["seed"].unique())
    confusions = np.zeros((len(seeds), len(units), n_classes, n_classes))
    for s, seed in enumerate(seeds):
        mine = part[part["seed"] == seed]
        probabilities = mine[columns].to_numpy(float)
        if level == "trial":
            first, probabilities = trial_probabilities(mine["trial"].astype(str).to_numpy(), probabilities)
            mine = mine.iloc[first]
        predicted = probabilities.argmax(axis=1)
        codes = mine["code"].to_numpy()
        rows = number.loc[pd.MultiIndex.from_frame(mine[["subject", kind]])].to_numpy()
        flat = confusion(rows * n_classes + codes, predicted, max(n_classes, len(units) * n_classes))
        confusions[s] = flat[: len(units) * n_classes, :n_classes].reshape(len(units), n_classes, n_classes)
        np.add.at(trials["counts"], (trial_number.loc[mine["trial"]].to_numpy(), predicted), 1 / len(seeds))
    units.attrs["unit"] = kind
    return units, confusions, trials


def interval(confusions: np.ndarray, value: Callable[[np.ndarray], np.ndarray], seed: int) -> tuple[float, float]:
    """Return the 95 % BCa bootstrap interval of `value` over units, from confusions (n_units, n_classes, n_classes).

    Units without any spread give an interval of no width; a single unit gives none (NaN).
    """
    n_units = len(confusions)
    if n_units < 2:
        return float("nan"), float("nan")

    def statistic(index: np.ndarray, axis: int = -1) -> np.ndarray:
        return value(confusions[index])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate resamples are handled below
        with np.errstate(all="ignore"):
            result = bootstrap(
                (np.arange(n_units),),
                statistic,
                n_resamples=_RESAMPLES,
                batch=1000,
                vectorized=True,
                method="BCa",
                rng=np.random.default_rng(seed),
            )
    low, high = map(float, result.confidence_interval)
    if np.isnan(low) or np.isnan(high):  # all resamples alike, or the acceleration is undefined
        spread = result.bootstrap_distribution[np.isfinite(result.bootstrap_distribution)]
        low, high = np.percentile(spread, [2.5, 97.5]) if len(spread) else (np.nan, np.nan)
    return float(low), float(high)


def permuted_confusions(trials: dict, groups: np.ndarray, seed: int, n: int = _PERMUTATIONS) -> np.ndarray:
    """Confusions of the stored predictions after permuting labels between the trials of each subject.

    Parameters
    ----------
    trials : dict
        As returned by :func:`unit_confusions`.
    groups : ndarray of int, shape (n_trials,)
        The unit (or subject) that each trial is collected into.
    seed, n : int
        Seed and number of permutations.

    Returns
    -------
    ndarray, shape (n, n_groups, n_classes, n_classes)
    """
    rng = generator(seed, "permutation chance")
    counts, label, subject = trials["counts"], trials["label"], trials["subject"]
    n_classes = counts.shape[1]
    shuffled = np.empty((n, len(label)), dtype=np.intp)
    for name in np.unique(subject):
        mine = np.flatnonzero(subject == name)
        shuffled[:, mine] = rng.permuted(np.broadcast_to(label[mine], (n, len(mine))), axis=1)
    confusions = np.empty((n, groups.max() + 1, n_classes, n_classes))
    for group in range(groups.max() + 1):
        mine = np.flatnonzero(groups == group)
        for true in range(n_classes):
            confusions[:, group, true] = (shuffled[:, mine] == true) @ counts[mine]
    return confusions


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


def _collect(confusions: np.ndarray, groups: np.ndarray) -> np.ndarray:
    collected = np.zeros((groups.max() + 1, *confusions.shape[1:]))
    np.add.at(collected, groups, confusions)
    return collected


def _estimator(metric: Callable[[np.ndarray], np.ndarray], by_unit: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Return the statistic of confusions (..., n_units, K, K): mean of units' values, or the value of their sum."""
    if by_unit:
        return lambda confusions: defined_mean(metric(confusions))
    return lambda confusions: metric(confusions.sum(axis=-3))
