"""Signals that know of each other under different names: stretches and rows they share, ends that others begin after.

Names of trials are believed nowhere here: a trial that was cut in two, crops that were filed as further trials, a visit
that goes by two names leave nothing in the metadata, and everything in the samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d
from scipy.stats import binomtest

from thymos.base.random import generator
from thymos.base.samples import Samples
from thymos.evaluation.audit import LEAST_VALUES, Finding, array_hashes, describe
from thymos.evaluation.protocol import Fold

__all__ = ["Joins", "continued"]

_MOST_ROWS = 20_000
_REACH = 8  # an anchor is the largest of the 2 * 8 + 1 values around it
_MOST_STEPS = 64  # of a sequence; what is longer is a signal, and has stretches
_FREE = 24  # values of a stretch that may differ between two of one shape
_STEPS = 4096  # of a value of a stretch: rounding of float32 moves one in a thousand across a border
_COMMON = 10  # windows that hold a stretch, at most
_LEAST_PAIRS = 3  # one may come about by chance
_FITTED = 20_000  # stretches that are learnt from
_LONGEST, _VALUES = 16, 128  # time samples, and values, on either side of a join
_SHRINK = 1e-3
_NATS = 3.0  # by which two windows prefer each other to all others
_NULLS = 3  # stretches from the middle
_SURE = 5e-4
_FEWEST, _MOST_JOINED = 10, 3000  # windows of which all pairs are looked at


class Joins:
    """Pairs of windows of different trials and recordings of which one holds, or goes on from, the other's signal.

    Parameters
    ----------
    samples : Samples
        Windows (n_samples, n_channels, n_times), or sequences of features with two axes in either order; of other
        layouts there are no pairs.

    Attributes
    ----------
    searched : bool
        Whether these samples are such windows, with stretches of signal.
    sequences : bool
        Whether these samples may be sequences of steps.
    shared : ndarray of int, shape (n_pairs, 2)
        Rows that share a stretch of signal, whatever the gain and the offset of each.
    followed : ndarray of int, shape (n_pairs, 2)
        Rows of which the second begins where the first ends.
    parts : ndarray of int, shape (n_pairs, 2)
        Rows of different trials of which one goes on, step for step, from within the other.
    """

    def __init__(self, samples: Samples):
        self.shared = self.followed = self.parts = np.empty((0, 2), dtype=int)
        self.sequences = False
        X = samples.X
        self.searched = samples.raw and X.dtype.kind == "f"  # a table of features has no stretches
        if isinstance(X, dict) or X.ndim != 3:
            return
        rng = generator(0, "joins")
        rows = np.arange(len(X))
        if len(rows) > _MOST_ROWS:
            rows = np.sort(rng.choice(len(rows), _MOST_ROWS, replace=False))
        meta = samples.meta.iloc[rows].reset_index(drop=True)
        trial, recording = (
            pd.factorize(meta[column if column in meta else "trial"].astype(str))[0]
            for column in ("trial", "recording")
        )
        X = X[rows] if len(rows) < len(X) else X
        sides = [side for side in (X, X.swapaxes(1, 2)) if _steps(side)]
        self.sequences = bool(sides) and not (self.searched and X.shape[2] > _MOST_STEPS)  # those have stretches
        for side in sides:
            self.parts = np.concatenate([self.parts, rows[_moved(side, trial)]])
        if not self.searched:
            return
        X = np.asarray(X, dtype=np.float32)
        spread = X.std(axis=(0, 2))
        X = X[:, spread > 0] / spread[spread > 0, None]
        if not X.shape[1]:
            return

        def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return (trial[a] != trial[b]) & (recording[a] != recording[b])

        pairs = _shared(X, rng)
        self.shared = rows[pairs[apart(*pairs.T)]]
        every, whole = np.arange(len(X)), meta.groupby(trial)
        # the ends of trials, which were cut there, and all windows, which may have been dealt one by one
        sides = [(whole["stop"].idxmax().to_numpy(), whole["start"].idxmin().to_numpy()), (every, every)]
        for ends, begins in sides:
            if len(self.followed) == 0 and _FEWEST <= len(ends) <= _MOST_JOINED:
                self.followed = rows[_followed(X, apart(ends[:, None], begins), ends, begins, rng)]


def continued(samples: Samples, folds: list[Fold], joins: Joins) -> Iterator[tuple[Fold, Finding]]:
    """Find test windows that share signal with windows of training or validation filed under other names.

    Parameters
    ----------
    samples : Samples
    folds : list of Fold
    joins : Joins
        Of the samples.

    Yields
    ------
    Fold, Finding
    """
    other = "a training or validation sample of another trial"
    several = "one recording goes by several names"
    names = "name trials and recordings as they were recorded, and split by those names"
    words = {
        "shared": (_LEAST_PAIRS, f"hold signal of {other} and recording: {several}", names),
        "followed": (_LEAST_PAIRS, f"begin or end where {other} and recording goes on: {several}", names),
        "parts": (
            1,
            f"hold values that stand at another place of {other}: sequences were made over borders of trials, before "
            "the split",
            "make sequences inside each trial, or after the split",
        ),
    }
    for fold in folds:
        test, others = (np.zeros(len(samples), dtype=bool) for _ in range(2))
        test[fold.test], others[fold.train], others[fold.validation] = True, True, True
        for name, (least, text, do) in words.items():
            pairs = getattr(joins, name)
            pairs = np.concatenate([pairs, pairs[:, ::-1]])
            pairs = pairs[test[pairs[:, 0]] & others[pairs[:, 1]]]
            if len(np.unique(np.sort(pairs, axis=1), axis=0)) < least:
                continue
            hit, first = np.unique(pairs[:, 0], return_index=True)
            sides = describe(samples.meta, hit), describe(samples.meta, pairs[first, 1])
            yield (
                fold,
                Finding(
                    "continuation",
                    f"{len(hit)} of {len(fold.test)} test samples {text}.",
                    len(hit),
                    do,
                    tuple(f"{a} and {b}" for a, b in zip(*sides, strict=True)),
                ),
            )


def _shared(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return pairs of rows with an equal stretch, up to one gain and an offset of each channel.

    Stretches begin where a mixture of the channels has a peak, so that two windows agree on where to look.
    """
    _, channels, times = X.shape
    length = max(4, -(-_FREE // channels) + 1)
    if times < length + 2 * _REACH:
        return np.empty((0, 2), dtype=int)
    mixture = np.einsum("nct,c->nt", X, rng.choice([-1.0, 1.0], channels).astype(np.float32))
    peak = maximum_filter1d(mixture, 2 * _REACH + 1, axis=1) == mixture
    peak[:, : _REACH // 2] = peak[:, times - length :] = False  # nearer to the ends another might be larger outside
    row, begin = np.nonzero(peak)
    keys = np.empty(len(row), dtype=np.uint64)
    weights = rng.integers(1, 2**63, channels * length, dtype=np.uint64) | np.uint64(1)
    block = max(1, 2**24 // (channels * length))
    for part in range(0, len(row), block):
        here = slice(part, part + block)
        some = sliding_window_view(X, length, axis=2)[row[here], :, begin[here]]
        some = some - some.mean(axis=2, keepdims=True)
        some = some.reshape(len(some), -1)
        norm = np.sqrt((some**2).sum(axis=1, keepdims=True))
        codes = np.rint(_STEPS * some / np.maximum(norm, 1e-6)).astype(np.int64).view(np.uint64)
        keys[here] = np.where(norm[:, 0] > 1e-3, codes @ weights, np.uint64(0))
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    # what stands still, or comes again and again, is alike by chance
    kept = (keys > 0) & (counts[which] <= _COMMON)
    first, second = _equal(keys[kept], _COMMON)
    return np.unique(np.stack([row[kept][first], row[kept][second]], axis=1), axis=0)


def _steps(X: np.ndarray) -> bool:
    """Whether samples, shape (n_samples, n_steps, n_values), may be sequences, whose steps are told by their values."""
    return 2 <= X.shape[1] <= _MOST_STEPS and X.shape[2] >= LEAST_VALUES


def _moved(X: np.ndarray, trial: np.ndarray) -> np.ndarray:
    """Return pairs of rows of different trials of which one goes on, step for step, from within the other.

    They have two steps in common at least; where there are no more than two, one, and there are several such pairs.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_steps, n_values)
    trial : ndarray of int, shape (n_samples,)
    """
    n, steps, values = X.shape
    table = np.ascontiguousarray(X).reshape(n * steps, values)
    keys = array_hashes(table)
    _, begin, which, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    distinct = 1 + (np.diff(np.sort(table[begin[several]], axis=1), axis=1) > 0).sum(axis=1)
    told = np.zeros(len(counts), dtype=bool)
    told[several] = distinct >= LEAST_VALUES  # a few codes are alike by chance
    kept = np.flatnonzero(told[which])
    # a moment is at each place of one sequence at most; padding, silence, and what all have in common, of several
    _, same, times = np.unique(which[kept] * steps + kept % steps, return_inverse=True, return_counts=True)
    kept = kept[~np.isin(which[kept], which[kept][times[same] > 1])]
    first, second = _equal(which[kept], steps)
    (row, place), (other, later) = np.divmod(kept[first], steps), np.divmod(kept[second], steps)
    found = np.unique(np.stack([row, other, place - later], axis=1)[trial[row] != trial[other]], axis=0)
    pairs = [np.empty((0, 2), dtype=int)]
    for shift in np.unique(found[:, 2]):
        a, b = found[found[:, 2] == shift, :2].T
        ahead, behind = slice(max(shift, 0), steps + min(shift, 0)), slice(max(-shift, 0), steps - max(shift, 0))
        if steps - abs(shift) >= min(2, steps - 1):
            whole = (X[a, ahead] == X[b, behind]).all(axis=(1, 2))
            pairs.append(np.stack([a, b], axis=1)[whole])
    together = np.unique(np.concatenate(pairs), axis=0)
    return together if steps > 2 or len(together) >= _LEAST_PAIRS else together[:0]


def _equal(keys: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of equal keys, all pairs of so many that follow each other at most."""
    order = np.argsort(keys, kind="stable")
    first, second = [np.empty(0, dtype=int)], [np.empty(0, dtype=int)]
    for apart in range(1, most):
        same = keys[order][apart:] == keys[order][:-apart]
        if not same.any():
            break
        first.append(order[:-apart][same])
        second.append(order[apart:][same])
    return np.concatenate(first), np.concatenate(second)


def _followed(
    X: np.ndarray, apart: np.ndarray, ends: np.ndarray, begins: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return pairs of rows of which the second goes on where the first ends, if there are more than by chance.

    How much better the end of a window explains the beginning of another than nothing does follows from a normal
    distribution learnt inside windows. A pair counts if each of the two prefers the other by far. The same count with
    stretches from the middle of the second window is what chance gives: they have its offset and its person, too.

    Parameters
    ----------
    X : ndarray, shape (n_samples, n_channels, n_times)
    apart : ndarray of bool, shape (n_ends, n_begins)
        Which pairs are asked for.
    ends, begins : ndarray of int
        Rows.
    """
    n, channels, times = X.shape
    length = int(np.clip(_VALUES // channels, 2, min(_LONGEST, times // 4)))
    channels = min(channels, _VALUES // length)
    X = X[:, :channels]
    row, at = rng.integers(n, size=_FITTED), rng.integers(0, times - 2 * length + 1, size=_FITTED)
    both = sliding_window_view(X, 2 * length, axis=2)[row, :, at].astype(np.float64)
    before, after = (part.reshape(_FITTED, -1) for part in (both[..., :length], both[..., length:]))
    means = before.mean(axis=0), after.mean(axis=0)
    before, after = before - means[0], after - means[1]
    weights = np.linalg.solve(_covariance(before), before.T @ after / _FITTED)
    with_past, without = _covariance(after - before @ weights), _covariance(after)
    past, alone = (np.linalg.cholesky(np.linalg.inv(matrix)) for matrix in (with_past, without))
    gain = (np.linalg.slogdet(without)[1] - np.linalg.slogdet(with_past)[1]) / 2
    told = (X[ends, :, times - length :].reshape(len(ends), -1) - means[0]) @ weights @ past
    counted = []
    for begin in (0, *(k * (times - length) // (_NULLS + 1) for k in range(1, _NULLS + 1))):
        stretch = X[begins, :, begin : begin + length].reshape(len(begins), -1) - means[1]
        seen = stretch @ past
        distance = (told**2).sum(axis=1)[:, None] + (seen**2).sum(axis=1) - 2 * told @ seen.T
        evidence = gain - distance / 2 + ((stretch @ alone) ** 2).sum(axis=1) / 2
        counted.append(_preferred(np.where(apart, evidence, -np.inf)))
    true, total = counted[0], sum(map(len, counted))
    if not total or binomtest(len(true), total, 1 / len(counted), alternative="greater").pvalue >= _SURE:
        return np.empty((0, 2), dtype=int)
    return np.stack([ends[true[:, 0]], begins[true[:, 1]]], axis=1)


def _covariance(table: np.ndarray) -> np.ndarray:
    matrix = table.T @ table / len(table)
    return matrix + _SHRINK * np.trace(matrix) / len(matrix) * np.eye(len(matrix))


def _preferred(evidence: np.ndarray) -> np.ndarray:
    """Return places of pairs that prefer each other to everything else by far, shape (n_pairs, 2)."""
    first = np.arange(len(evidence))
    second = evidence.argmax(axis=1)
    best = evidence[first, second]
    others = evidence.copy()
    others[first, second] = -np.inf
    next_best = np.maximum(others.max(axis=1), others[:, second].max(axis=0))
    # no other candidate is as unlikely as none at all
    far = (evidence.argmax(axis=0)[second] == first) & (best - np.maximum(next_best, 0) > _NATS)
    return np.stack([first[far], second[far]], axis=1)
