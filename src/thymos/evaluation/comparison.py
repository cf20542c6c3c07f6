"""Which methods differ, and which differences the data could have shown (methods A5)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Iterable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import nctdtrinc
from scipy.stats import friedmanchisquare, studentized_range, wilcoxon
from scipy.stats import t as student

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.evaluation.metrics import CONFUSION_METRICS, RATING_METRICS, direction, recall_of
from thymos.evaluation.statistics import MIN_SUBJECTS, collected_counts, holm, unit_counts

__all__ = ["MARGIN", "average_ranks", "compare_methods", "corrected_resampled_t", "detectable", "sign_flip"]

_FLIPS, _EXACT = 10_000, 13  # up to this number of units all 2 ** n flips are taken
Metric = Callable[[np.ndarray], np.ndarray]
_NUMBERS = ["difference", "low", "high", "sd", "effect", "equal", "p_wilcoxon", "p", "p_holm", "detectable"]
_COLUMNS = ["protocol", "a", "b", "unit", "n_units", *_NUMBERS]
_RESAMPLES = 4000

#: A difference that nobody would choose a method for.
MARGIN = 0.02


def compare_methods(
    predictions: pd.DataFrame,
    classes: list[str],
    metric: str = "accuracy",
    level: str = "trial",
    pairs: Iterable[tuple[str, str]] | None = None,
    margin: float = MARGIN,
    once: Collection[str] = (),
) -> pd.DataFrame:
    """Compare methods by paired differences of one value per subject.

    Parameters
    ----------
    predictions : DataFrame
        As :func:`thymos.evaluation.statistics.summarise` takes them; those with permuted labels are left out.
    classes : list of str
        Empty for ratings.
    metric : str
        A name of :data:`~thymos.evaluation.metrics.CONFUSION_METRICS`, ``recall[NAME]`` of one class or, for ratings,
        a name of :data:`~thymos.evaluation.metrics.RATING_METRICS`.
    level : {'window', 'trial'}
    pairs : iterable of (str, str), optional
        The comparisons that were planned; all pairs by default. Fewer are corrected less.
    margin : float
        Half width of the region of practical equivalence, in the unit of the metric.
    once : collection of str
        Methods that were trained with one seed alone, though another would have given something else.

    Returns
    -------
    DataFrame
        One row per protocol and pair of methods that it has: ``difference`` of ``a`` minus ``b``, its mean over
        ``n_units`` with the 95 % percentile interval ``low``, ``high`` of a bootstrap over them, and standard deviation
        ``sd``; ``effect``, the difference in units of this deviation (Cohen's d of paired values); ``equal``, the share
        of the resamples in which the methods are within `margin` of each other; ``p_wilcoxon`` of the signed-rank test
        over subjects; ``p`` of the sign-flip permutation test, ``p_holm`` corrected for the pairs of the protocol; and
        ``detectable``, the difference that a paired test at 5 % finds with a power of 80 % at this ``sd``, for this
        pair alone.

    Raises
    ------
    InputError
        If there is no such metric, or a pair names a method without predictions.

    Notes
    -----
    Units are subjects: one value for each, seeds and repeats averaged. With fewer than 8 they are recordings (or
    trials): the metric is that of all predictions, and the test exchanges the predictions of the two methods for single
    units, which for one value per unit is the sign flip; ``sd`` is that of a unit under these exchanges. Of thousands
    of photographs the noise of training would be left: where it makes ``p`` larger, ``p``, interval, ``equal``, ``sd``
    and ``detectable`` are those of a t test with the variance over seeds added to that over units; that of a method
    that was trained once is taken for as large as the other's. Trials of one method alone, since a fold failed for the
    other, are left out. With one subject in several folds units are folds, whose differences are tested by the
    corrected resampled t.

    References
    ----------
    C. Nadeau and Y. Bengio (2003), Inference for the generalization error, Machine Learning 52.
    """
    known = dict(CONFUSION_METRICS if classes else RATING_METRICS)
    known |= {f"recall[{name}]": partial(recall_of, code=code) for code, name in enumerate(classes)}
    if metric not in known:
        raise InputError(f"There is no metric {metric!r}.", fits=f"one of {', '.join(known)}")
    predictions = predictions[predictions["labels"] == "true"]
    planned = None if pairs is None else list(pairs)
    absent = {name for pair in planned or () for name in pair} - set(predictions["method"])
    if absent:
        raise InputError(f"There are no predictions of {', '.join(sorted(absent))}.", do="name methods that ran")
    rows = []
    for protocol, part in predictions.groupby("protocol", sort=False):
        names = part["method"].unique().tolist()
        wanted = itertools.combinations(names, 2) if planned is None else planned
        wanted = [pair for pair in wanted if set(pair) <= set(names)]
        part = part[part["method"].isin({name for pair in wanted for name in pair})]
        compare, unit = _comparer(part, classes, known[metric], level, margin, once)
        found = [{"protocol": protocol, "unit": unit, "a": a, "b": b, **compare(a, b)} for a, b in wanted]
        for row, corrected in zip(found, holm([row["p"] for row in found]), strict=True):
            rows.append({**row, "p_holm": corrected})
    return pd.DataFrame(rows, columns=_COLUMNS)


def average_ranks(
    predictions: pd.DataFrame, classes: list[str], metric: str = "accuracy", level: str = "trial"
) -> pd.DataFrame:
    """Rank the methods of each protocol within subjects, and say which mean ranks can be told apart.

    Parameters
    ----------
    predictions, classes, metric, level
        As :func:`compare_methods`.

    Returns
    -------
    DataFrame
        ``protocol``, ``method``, mean ``rank`` (1 is best), ``n_units`` subjects, ``p`` of Friedman's test that all are
        alike, and ``critical``, the distance of two mean ranks that Nemenyi's test finds at 5 %. Only protocols with
        three methods and eight subjects at least.

    Notes
    -----
    J. Demšar: Statistical comparisons of classifiers over multiple data sets. Journal of Machine Learning Research 7,
    2006, 1-30; subjects stand for data sets.
    """
    known = CONFUSION_METRICS if classes else RATING_METRICS
    predictions, rows = predictions[predictions["labels"] == "true"], []
    for protocol, part in predictions.groupby("protocol", sort=False):
        values = _by_group(part, classes, known[metric], level).dropna()
        n, k = values.shape
        if k < 3 or n < MIN_SUBJECTS:
            continue
        ranks = values.round(10).rank(axis=1, ascending=direction(metric) < 0).mean()
        alike = bool((values.nunique(axis=1) == 1).all())
        p = 1.0 if alike else float(friedmanchisquare(*values.round(10).to_numpy().T).pvalue)
        critical = float(studentized_range.isf(0.05, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n)))
        head = {"protocol": protocol, "n_units": n, "p": p, "critical": critical}
        rows += [{**head, "method": method, "rank": float(rank)} for method, rank in ranks.sort_values().items()]
    return pd.DataFrame(rows, columns=["protocol", "method", "rank", "n_units", "p", "critical"])


def _comparer(
    part: pd.DataFrame, classes: list[str], metric: Metric, level: str, margin: float, once: Collection[str]
) -> tuple[Callable, str]:
    """Return what compares two methods of one protocol by name, and the unit it takes."""
    n_subjects, n_folds = part["subject"].nunique(), part["fold"].nunique()
    if n_subjects == 1 and n_folds > 1:
        repeats = part["repeat"].nunique() if "repeat" in part else 1
        # a fold is of one dealing: others would be empty in it if dealings were draws, and trials are in each of them
        fold = part["fold"].astype(str)
        apart = part.assign(subject=fold, trial=fold + " " + part["trial"].astype(str), repeat=0)
        values = _by_group(apart, classes, metric, level)
        share = 1 / max(n_folds / repeats - 1, 1)  # tested by trained on
        return lambda a, b: _of_folds(values[a] - values[b], share), "fold"
    unit = "subject" if n_subjects >= MIN_SUBJECTS else "recording" if "recording" in part else "trial"
    parts = dict(iter(part.groupby("method", sort=False)))
    trials = {name: frozenset(mine["trial"]) for name, mine in parts.items()}

    @cache
    def summed(method: str, among: frozenset) -> Any:
        mine = parts[method][parts[method]["trial"].isin(among)]
        return _of_subjects(mine, classes, metric, level) if unit == "subject" else unit_counts(mine, classes, level)[1]

    def compare(a: str, b: str) -> dict[str, float]:
        both = trials[a] & trials[b]  # a fold may have failed for one of them
        if not both:
            return _nothing(0)
        mine, rival = summed(a, both), summed(b, both)
        if unit == "subject":
            return _of_values(mine - rival, margin)
        return _of_counts(mine, rival, metric, margin, a in once or b in once)

    return compare, unit


def _by_group(part: pd.DataFrame, classes: list[str], metric: Metric, level: str) -> pd.DataFrame:
    """Return what each method (column) reaches for each subject, mean over seeds and repeats."""
    groups = part.groupby("method", sort=False)
    return pd.DataFrame({method: _of_subjects(mine, classes, metric, level) for method, mine in groups})


def _of_subjects(mine: pd.DataFrame, classes: list[str], metric: Metric, level: str) -> pd.Series:
    """Return what one method reaches for each subject, mean over seeds and repeats."""
    units, counts, _ = unit_counts(mine, classes, level)
    names, groups = np.unique(units["subject"].astype(str), return_inverse=True)
    collected = np.stack([collected_counts(c, groups) for c in counts])
    return pd.Series(metric(collected).mean(axis=0), index=names)


def _of_values(differences: pd.Series, margin: float) -> dict[str, float]:
    # equal differences stay equal: ranks and flips would tell them apart by their last digit
    values = differences.dropna().to_numpy(float).round(10)
    if len(values) < 2:
        return _nothing(len(values))
    sd = _sd(values)
    row = {
        "n_units": len(values),
        "difference": float(values.mean()),
        "sd": sd,
        "effect": _effect(values.mean(), sd),
        "detectable": detectable(sd, len(values)),
        **_practical(_resampled(np.ones(len(values), dtype=int)) @ values / len(values), margin),
    }
    if np.allclose(values, 0.0):
        return {**row, "p": 1.0, "p_wilcoxon": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ties and zeros make the p approximate
        return {**row, "p": sign_flip(values), "p_wilcoxon": float(wilcoxon(values).pvalue)}


def _of_folds(differences: pd.Series, share: float) -> dict[str, float]:
    values = differences.dropna().to_numpy(float).round(10)
    if len(values) < 2:
        return _nothing(len(values))
    sd = _sd(values)
    row = {**_nothing(len(values)), "difference": float(values.mean()), "sd": sd, "effect": _effect(values.mean(), sd)}
    return {**row, "p": corrected_resampled_t(values, share)}  # folds share training data: they cannot be resampled


def _of_counts(a: np.ndarray, b: np.ndarray, metric: Metric, margin: float, once: bool = False) -> dict[str, float]:
    """Compare two methods by exchanging their predictions for single units; counts (n_draws, n_units, ...).

    `once` says that the one with a single draw would be another with another seed.
    """
    if a.shape[1] < 2:  # folds failed
        return _nothing(a.shape[1])
    n, shape = a.shape[1], a.shape[2:]
    draws = max(len(a), len(b))  # seeds; a method without randomness has one
    a, b = (np.take(c, np.arange(draws) % len(c), axis=0) for c in (a, b))
    both, apart = (a + b).sum(axis=1) / 2, (a - b).reshape(draws, n, -1) / 2

    def difference(signs: np.ndarray) -> np.ndarray:
        moved = np.stack([signs @ own for own in apart]).reshape(draws, len(signs), *shape)
        return (metric(both[:, None] + moved) - metric(both[:, None] - moved)).mean(axis=0)

    here = float(difference(np.ones((1, n)))[0])
    if not np.isfinite(here):  # such as the recall of a class that no unit is of
        return _nothing(n)
    by_chance = difference(_signs(n))
    extreme = np.sum(~(np.abs(by_chance) < abs(here) - 1e-12))  # where it is not defined it may have been
    sd = float(np.sqrt(n) * by_chance[np.isfinite(by_chance)].std())  # of one unit, if all counted alike
    flat = np.concatenate([np.moveaxis(c, 1, 0).reshape(n, -1) for c in (a, b)], axis=1)
    kinds, often = np.unique(flat, axis=0, return_counts=True)  # units that both methods treat alike
    summed = (_resampled(often) @ kinds).reshape(_RESAMPLES, 2, draws, *shape)
    spread = (metric(summed[:, 0]) - metric(summed[:, 1])).mean(axis=1)
    row = {**_nothing(n), "difference": here, "p": _share(extreme, n), **_practical(spread, margin)}
    trained = metric(a.sum(axis=1)) - metric(b.sum(axis=1))  # the difference of each seed, on the same units
    beyond = _beyond_seeds(here, float(np.nanvar(spread)), n, trained, margin, once)
    if beyond and beyond["p"] > row["p"]:
        sd, row = beyond.pop("sd"), row | beyond
    return {**row, "sd": sd, "effect": _effect(here, sd), "detectable": detectable(sd, n)}


def _beyond_seeds(
    difference: float, variance: float, n: int, trained: np.ndarray, margin: float, once: bool
) -> dict[str, float] | None:
    """Return p, interval and so on of a difference that other units and other seeds would change.

    A t test with the variance over seeds added to that over units (Satterthwaite's degrees of freedom); None where
    seeds change nothing.
    """
    # the differences of all seeds have the single training of the other method in common
    of_seeds = _sd(trained) ** 2 * (1 / len(trained) + once) if len(trained) > 1 else 0.0
    if not of_seeds > 0:
        return None
    both = variance + of_seeds
    freedom, error = both**2 / (variance**2 / (n - 1) + of_seeds**2 / (len(trained) - 1)), np.sqrt(both)
    width = student.ppf(0.975, freedom) * error
    inside = student.cdf([(-margin - difference) / error, (margin - difference) / error], freedom)
    return {
        "p": float(2 * student.sf(abs(difference) / error, freedom)),
        "low": float(difference - width),
        "high": float(difference + width),
        "equal": float(inside[1] - inside[0]),
        "sd": float(np.sqrt(n) * error),
    }


def _resampled(often: np.ndarray) -> np.ndarray:
    """Return how often each kind of unit, of which there are so many, is in each resample, (n_resamples, n_kinds)."""
    total = int(often.sum())
    return generator(0, "resampled units", total).multinomial(total, often / total, _RESAMPLES).astype(float)


def _practical(spread: np.ndarray, margin: float) -> dict[str, float]:
    """Return the interval of resampled differences, and the share of them that is within the margin."""
    spread = spread[np.isfinite(spread)]
    if not len(spread):
        return {"low": np.nan, "high": np.nan, "equal": np.nan}
    low, high = np.percentile(spread, [2.5, 97.5])
    return {"low": float(low), "high": float(high), "equal": float(np.mean(np.abs(spread) <= margin))}


def _sd(values: np.ndarray) -> float:
    # that of equal values is the rounding of their mean, by which anything is infinitely significant
    return float(np.std(values, ddof=1)) if np.ptp(values) > 0 else 0.0


def _effect(difference: float, sd: float) -> float:
    return float(difference / sd) if sd > 0 else np.nan


def _nothing(n: int) -> dict[str, float]:
    return {"n_units": n, **dict.fromkeys([name for name in _NUMBERS if name != "p_holm"], np.nan)}


@lru_cache(maxsize=2)
def _signs(n: int) -> np.ndarray:
    """Return all flips of n signs, or 10 000 random ones, shape (n_flips, n)."""
    if n <= _EXACT:
        return 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    return 1.0 - 2.0 * generator(0, "sign flips").integers(0, 2, (_FLIPS, n))


def _share(extreme: int, n: int) -> float:
    return float(extreme / 2**n if n <= _EXACT else (1 + extreme) / (1 + _FLIPS))


def sign_flip(differences: np.ndarray) -> float:
    """Return the two-sided p of the mean of paired differences, shape (n_units,), by flipping their signs.

    All flips up to 13 units, 10 000 random ones beyond. That of :func:`scipy.stats.permutation_test`, tens to
    hundreds of times as fast (benchmarks/intervals.py), since the pairs of a study share the flips.
    """
    n = len(differences)
    means = np.abs(_signs(n) @ differences) / n
    return _share(np.sum(means >= abs(differences.mean()) - 1e-12), n)


def corrected_resampled_t(differences: np.ndarray, share: float) -> float:
    """Return the two-sided p of the corrected resampled t-test of Nadeau and Bengio (2003).

    Parameters
    ----------
    differences : ndarray, shape (n_folds,)
        Of all folds and repeats; their training parts overlap.
    share : float
        Samples tested by samples trained on: 1 / (k - 1) for k folds.

    Returns
    -------
    float
        NaN where all differences are the same and not zero: few trials give equal folds by chance, and without a spread
        nothing is known of it.
    """
    n, spread = len(differences), _sd(differences) ** 2
    if spread == 0:
        return 1.0 if np.allclose(differences, 0.0) else float("nan")
    t = differences.mean() / np.sqrt((1 / n + share) * spread)
    return float(2 * student.sf(abs(t), n - 1))


def detectable(sd: float, n: int, comparisons: int = 1, power: float = 0.8) -> float:
    """Return the mean paired difference that a two-sided t-test at 5 % finds with a given power.

    Parameters
    ----------
    sd : float
        Standard deviation of the differences.
    n : int
        Units.
    comparisons : int
        The level of the test is 5 % divided by it: what the first step of Holm's correction asks.
    power : float
    """
    if n < 2 or not np.isfinite(sd):
        return float("nan")
    critical = student.isf(0.025 / comparisons, n - 1)
    # a difference that is found with the wrong sign adds nothing at such powers
    return float(sd * nctdtrinc(n - 1, 1 - power, critical) / np.sqrt(n))
