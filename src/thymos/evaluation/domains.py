"""How far the best and the worst of several domains lie apart, and how far they would if domains made no difference.

A domain is a value of a metadata column that somebody annotated: a group of people, a device, a corpus. The gap between
the largest and the smallest of several numbers is never below zero, so that it says nothing without what chance gives.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["domain_gaps"]

_RESAMPLES = 5000
_LEAST = 3  # people of a domain


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
        ``method``; ``best`` and ``worst`` domain with ``best_value`` and ``worst_value``, means over subjects; ``gap``
        with the 95 % percentile interval ``low``, ``high`` over subjects, those of a domain drawn anew (where subjects
        are in several domains, with all of them); ``p``, how often a gap as large comes about when domains are dealt to
        subjects at random (within subjects that have several); ``n_subjects``. Methods with fewer than two domains of
        three subjects are left out.

    Notes
    -----
    The interval is of a number that is biased upwards: with equal domains it lies above 0 too. `p` is what tells.
    """
    own = table[table["subject"] != "all"].dropna(subset=[metric])
    rows = []
    for method, mine in own.groupby("method", sort=False):
        wide = mine.groupby(["subject", "value"])[metric].mean().unstack("value")
        wide = wide.loc[:, wide.notna().sum() >= _LEAST].dropna(how="all")
        if wide.shape[1] < 2:
            continue
        values, there = np.nan_to_num(wide.to_numpy(float)), wide.notna().to_numpy()
        means = _means(np.ones((1, len(wide))), values, there)[0]
        rng = np.random.default_rng(seed)
        spread = np.ptp(_means(_drawn(there, rng), values, there), axis=1)
        low, high = np.nanpercentile(spread, [2.5, 97.5])
        chance = np.array([_dealt_gap(values, there, rng) for _ in range(_RESAMPLES // 5)])
        gap = float(np.ptp(means))
        rows.append(
            {
                "method": method,
                "best": wide.columns[means.argmax()],
                "best_value": float(means.max()),
                "worst": wide.columns[means.argmin()],
                "worst_value": float(means.min()),
                **{"gap": gap, "low": float(low), "high": float(high)},
                "p": float((1 + np.sum(chance >= gap - 1e-12)) / (1 + len(chance))),
                "n_subjects": len(wide),
            }
        )
    return pd.DataFrame(rows)


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
