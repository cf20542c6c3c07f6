"""How far the best and the worst of several domains lie apart, and how far they would if domains made no difference.

A domain is a value of a metadata column that somebody annotated: a group of people, a device, a corpus. The gap between
the largest and the smallest of several numbers is never below zero, so that it says nothing without what chance gives.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

__all__ = ["LEAST", "compare_gaps", "domain_gaps"]

_RESAMPLES = 5000

#: People of a domain, fewer of which are no domain.
LEAST = 3


def domain_gaps(table: pd.DataFrame, metric: str, seed: int = 0) -> pd.DataFrame:
    """Return for each method its worst and best domain and the gap between them.

    Parameters
    ----------
    table : DataFrame
        One row per ``method``, ``subject`` and domain (``value``), and perhaps per fit, with the metric. Rows of
        ``all`` subjects are not used.
    metric : str
        Column; larger is better.
    seed : int

    Returns
    -------
    DataFrame
        ``method``; ``best`` and ``worst`` domain with ``best_value`` and ``worst_value``, means over subjects;
        ``worst_low`` and ``worst_high``, the 95 % percentile interval of the latter over subjects, those of a domain
        drawn anew (where subjects are in several domains, with all of them); ``gap`` with the 95 % interval ``low``,
        ``high``; ``p``, how often a gap as large comes about when domains are dealt to subjects at random (within
        subjects that have several); ``n_subjects``. Methods with fewer than two domains of three subjects are left
        out.

    Notes
    -----
    The largest of several numbers minus the smallest is biased upwards, and so is every resample of it. The interval is
    made of simultaneous ones of all differences of two domains (the largest deviation, in standard errors, of 95 % of
    the resamples), so that it begins at 0 where none of them is told from 0.
    """
    rows = []
    for method, wide in _by_people(table, metric).items():
        values, there = np.nan_to_num(wide.to_numpy(float)), wide.notna().to_numpy()
        means = _means(np.ones((1, len(wide))), values, there)[0]
        rng = np.random.default_rng(seed)
        resampled = _means(_drawn(there, rng), values, there)
        low, high = _of_gap(means, resampled)
        worst_low, worst_high = np.nanpercentile(resampled[:, means.argmin()], [2.5, 97.5])
        chance = np.array([_dealt_gap(values, there, rng) for _ in range(_RESAMPLES // 5)])
        gap = float(np.ptp(means))
        rows.append(
            {
                "method": method,
                "best": wide.columns[means.argmax()],
                "best_value": float(means.max()),
                "worst": wide.columns[means.argmin()],
                "worst_value": float(means.min()),
                **{"worst_low": float(worst_low), "worst_high": float(worst_high)},
                **{"gap": gap, "low": low, "high": high},
                "p": float((1 + np.sum(chance >= gap - 1e-12)) / (1 + len(chance))),
                "n_subjects": len(wide),
            }
        )
    return pd.DataFrame(rows)


def compare_gaps(table: pd.DataFrame, metric: str, pairs: Iterable[tuple[str, str]], seed: int = 0) -> pd.DataFrame:
    """Return how much farther apart the best and the worst domain are for one method than for another.

    Parameters
    ----------
    table, metric, seed
        As :func:`domain_gaps`.
    pairs : iterable of (str, str)

    Returns
    -------
    DataFrame
        ``a``, ``b``; ``difference`` of the gap of ``a`` minus that of ``b``, over subjects that both have, with a 95 %
        interval ``low``, ``high`` over subjects; ``p``, how often exchanging the values of the two methods, for each
        subject at random, gives as large a difference. Pairs without two domains are left out.

    Notes
    -----
    The difference of two gaps is the largest, over pairs of domains, of the smallest, over pairs again, of differences
    of one method's difference and the other's. Its interval is what follows from simultaneous ones of all these, since
    resamples of a gap are biased (see :func:`domain_gaps`). Values are exchanged after each method's mean over domains
    was taken off: else a method that is worse for everybody would hide that it is worse for some.
    """
    people, rows = _by_people(table, metric), []
    for a, b in pairs:
        if not {a, b} <= set(people):
            continue
        mine, rival = people[a].align(people[b], join="inner")
        there = (mine.notna() & rival.notna()).to_numpy()
        if there.shape[1] < 2 or (there.sum(axis=0) < LEAST).any():
            continue
        values = [np.where(there, wide.to_numpy(float), 0.0) for wide in (mine, rival)]
        rng = np.random.default_rng(seed)
        weights, swapped = _drawn(there, rng), rng.integers(0, 2, (_RESAMPLES, len(there)))
        means = [_means(np.ones((1, len(there))), v, there)[0] for v in values]
        low, high = _of_gaps(*means, *(_means(weights, v, there) for v in values))
        alike = [np.where(there, v - mean.mean(), 0.0) for v, mean in zip(values, means, strict=True)]
        dealt = [((1 - swapped) @ v + swapped @ other) / there.sum(axis=0) for v, other in (alike, alike[::-1])]
        by_chance = np.subtract(*(np.ptp(drawn, axis=1) for drawn in dealt))
        difference = float(np.ptp(means[0]) - np.ptp(means[1]))
        extreme = np.sum(np.abs(by_chance) >= abs(difference) - 1e-12)
        p = float((1 + extreme) / (1 + _RESAMPLES))
        rows.append({"a": a, "b": b, "difference": difference, "low": low, "high": high, "p": p})
    return pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "p"])


def _by_people(table: pd.DataFrame, metric: str) -> dict[str, pd.DataFrame]:
    """Return for each method that has two domains at least the values of subjects (rows) in domains (columns)."""
    own = table[table["subject"] != "all"].dropna(subset=[metric])
    found = {}
    for method, mine in own.groupby("method", sort=False):
        wide = mine.groupby(["subject", "value"])[metric].mean().unstack("value")
        wide = wide.loc[:, wide.notna().sum() >= LEAST].dropna(how="all")
        if wide.shape[1] > 1:
            found[str(method)] = wide
    return found


def _of_gap(means: np.ndarray, resampled: np.ndarray) -> tuple[float, float]:
    """Return the interval of the largest difference of two means from resampled ones, (n_resamples, n_domains)."""
    i, j = np.triu_indices(len(means), 1)
    here, drawn = means[i] - means[j], resampled[:, i] - resampled[:, j]
    error = np.nanstd(drawn, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.where(error > 0, np.abs(drawn - here) / error, 0.0)
    width = np.nanquantile(np.nanmax(apart, axis=1), 0.95) * error
    return float(max(0.0, np.max(np.abs(here) - width))), float(np.max(np.abs(here) + width))


def _of_gaps(a: np.ndarray, b: np.ndarray, drawn_a: np.ndarray, drawn_b: np.ndarray) -> tuple[float, float]:
    """Return the interval of the difference of two gaps from means of domains and resampled ones, (n_resamples, n)."""
    i, j = np.nonzero(~np.eye(len(a), dtype=bool))
    whole = ~np.isnan(drawn_a + drawn_b).any(axis=1)
    off_a, off_b = ((d[whole][:, i] - d[whole][:, j]) - (m[i] - m[j]) for d, m in ((drawn_a, a), (drawn_b, b)))
    back = np.lexsort((i, j))  # where the same two domains stand the other way round
    here, width, largest = (a[i] - a[j])[:, None] - (b[i] - b[j]), np.zeros((len(i), len(i))), np.zeros(len(off_a))
    for k in np.flatnonzero(i < j):  # the others are the same ones with the other sign
        off = off_a[:, k, None] - off_b
        error = off.std(axis=0)
        width[k], width[back[k]] = error, error[back]
        known = error > 1e-12
        if known.any():
            largest = np.maximum(largest, np.max(np.abs(off[:, known]) / error[known], axis=1))
    width *= np.quantile(largest, 0.95)
    return float((here - width).min(axis=1).max()), float((here + width).min(axis=1).max())


def _means(weights: np.ndarray, values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the mean of each domain for each row of numbers of subjects, shape (n_rows, n_domains)."""
    with np.errstate(invalid="ignore"):
        return (weights @ (values * there)) / (weights @ there)


def _drawn(there: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how often each subject is drawn, each kind of subject (the domains that it has) as often as there are."""
    weights = np.zeros((_RESAMPLES, len(there)))
    kinds = np.unique(there, axis=0, return_inverse=True)[1].reshape(-1)
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        weights[:, mine] = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), _RESAMPLES)
    return weights


def _dealt_gap(values: np.ndarray, there: np.ndarray, rng: np.random.Generator) -> float:
    """Return the gap when domains are dealt anew: inside subjects that have several, else among subjects."""
    dealt_values, dealt = values.copy(), there.copy()
    several = there.sum(axis=1) > 1
    for row in np.flatnonzero(several):
        mine = np.flatnonzero(there[row])
        dealt_values[row, mine] = rng.permutation(values[row, mine])
    single = np.flatnonzero(~several)
    if len(single):
        place = there[single].argmax(axis=1)
        known = values[single, place]
        dealt_values[single], dealt[single] = 0.0, False
        place = rng.permutation(place)
        dealt_values[single, place], dealt[single, place] = known, True
    return float(np.ptp(_means(np.ones((1, len(values))), dealt_values, dealt)[0]))
