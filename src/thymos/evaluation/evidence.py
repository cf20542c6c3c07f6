"""What the samples themselves give away: copies, prepared statistics, features that are the label (methods A4).

Everything here reads arrays and labels, never an estimator. What a finished table cannot show (that its columns were
chosen with the labels of the test rows, say) is the business of :mod:`thymos.evaluation.interventions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import combinations

import numpy as np
from sklearn.feature_selection import f_classif
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeClassifier

from thymos.base.random import generator
from thymos.base.samples import Samples
from thymos.evaluation.audit import Finding, describe
from thymos.evaluation.protocol import Fold
from thymos.signals.likeness import directions

__all__ = [
    "CODES",
    "LEAST_TRIALS",
    "Neighbourhood",
    "constant_features",
    "interpolated",
    "label_carriers",
    "near_copies",
    "one_person",
    "prepared_statistics",
]

_NEIGHBOURS = 11
_NEAR = 0.1  # a near copy is ten times closer than the eleventh neighbour
_BY_CHANCE, _NEAREST_BY_CHANCE = 1e-5, 0.35  # or closer than one in so many is by chance, if that is as close
_SOME_COPIES = 3
_MANY = 16  # values of which most must be equal
_ONE_PERSON, _ABOVE = 1.8, 2.5  # two names are nearer to each other than to themselves, and far more than others are
_MOST_ROWS = 20_000
_PROMISING = 20
_PROJECTED = 48
_LEAST_DIMENSION = 4.0  # in fewer directions unrelated samples come that close by chance
_LEAST_DIRECTIONS = 3.0  # of all samples together, for three on a line to be no accident
_ON_LINE = 1e-5
_EXACT = 1e-4
_CARRIES = 0.98
_MOST = 0.9  # of the columns

_FEW_ROWS, _DISTINCT = 1000, 0.25  # rows whose values are counted, and their share below which a column is coarse

#: Tested trials below which no single feature is accused of being the label.
LEAST_TRIALS = 20

#: Values that a column has at most if it may be a code.
CODES = 5


class Neighbourhood:
    """The nearest neighbours of each sample, found once for all folds.

    Windows are compared without each channel's mean, tables after scaling each column; above 20 000 samples a random
    part of that size is compared.

    Parameters
    ----------
    samples : Samples

    Attributes
    ----------
    rows : ndarray of int, shape (n_compared,)
        Rows of the samples that are compared.
    table : ndarray, shape (n_compared, n_values)
    distances, neighbours : ndarray, shape (n_compared, 11)
        In full space, nearest first; `neighbours` are places in `rows`.
    medians : ndarray, shape (n_compared, 3)
        Median difference of a value from that of the nearest, of the second and of the eleventh neighbour: of a copy in
        which some values were replaced it is as small as of any copy.
    dimension : float
        Estimated number of directions in which the samples vary (Levina and Bickel 2004), from the outer neighbours.
    """

    def __init__(self, samples: Samples):
        n = len(samples)
        rng = generator(0, "neighbourhood")
        self.rows = np.arange(n) if n <= _MOST_ROWS else np.sort(rng.choice(n, _MOST_ROWS, replace=False))
        self.table = comparable(samples, self.rows)
        projected = self.table
        if projected.shape[1] > 2 * _PROJECTED:  # distances survive a random projection well enough to find candidates
            projected = projected @ rng.standard_normal((projected.shape[1], _PROJECTED)).astype(np.float32)
        k = min(_NEIGHBOURS, len(self.rows) - 1)
        index = NearestNeighbors(n_neighbors=k, algorithm="brute" if projected.shape[1] > 15 else "auto").fit(projected)
        self.neighbours = index.kneighbors(return_distance=False)
        self.distances = np.empty(self.neighbours.shape)
        for part in _blocks(len(self.rows), k * self.table.shape[1]):
            difference = self.table[self.neighbours[part]] - self.table[part, None]
            self.distances[part] = np.sqrt(np.einsum("nkf,nkf->nk", difference, difference, dtype=np.float64))
        order = np.argsort(self.distances, axis=1, kind="stable")
        self.distances = np.take_along_axis(self.distances, order, axis=1)
        self.neighbours = np.take_along_axis(self.neighbours, order, axis=1)
        self.medians = np.empty((len(self.rows), 3))
        for part in _blocks(len(self.rows), 3 * self.table.shape[1]):
            some = self.table[self.neighbours[part][:, [0, min(1, k - 1), k - 1]]] - self.table[part, None]
            self.medians[part] = np.median(np.abs(some), axis=2)
        self.dimension = directions(self.distances)

    @cached_property
    def coarse(self) -> bool:
        """Whether most columns have so few values, as rounding leaves, that samples lie on lines by chance."""
        few = self.table[:_FEW_ROWS]
        return bool(np.median([len(np.unique(column)) for column in few.T]) < _DISTINCT * len(few))

    @property
    def flat(self) -> bool:
        """Whether the samples lie near a plane, in which three are on a line by chance."""
        few = self.table[:_FEW_ROWS].astype(np.float64)
        few -= few.mean(axis=0)
        gram = few @ few.T  # its eigenvalues are the power along each direction: their sum, and that of their squares
        return bool(np.trace(gram) ** 2 < _LEAST_DIRECTIONS * (gram**2).sum())

    @property
    def aligned(self) -> bool:
        """Whether samples lie on lines between others by chance: in a plane, or on the grid of rounded values."""
        return self.table.shape[1] < 3 or self.flat or self.coarse

    @property
    def crowded(self) -> bool:
        """Whether the samples vary in so few directions that neighbours come close by chance."""
        return self.dimension < _LEAST_DIMENSION

    def near_pairs(self) -> np.ndarray:
        """Return pairs of rows that are far closer to each other than to the rest, shape (n_pairs, 2)."""
        if self.distances.shape[1] < _NEIGHBOURS:
            return np.empty((0, 2), dtype=int)
        ratio = self.distances / np.maximum(self.distances[:, -1:], np.finfo(float).tiny)
        near = (ratio <= _NEAR) & (self.distances > 0)
        if not self.coarse:  # rounded values are equal by chance
            if self.table.shape[1] >= _MANY:
                # where most values of all are alike, such as a black ground, the median tells nothing
                replaced = (self.medians[:, :2] <= _NEAR * self.medians[:, 2:]) & (self.medians[:, 2:] > 0)
                near[:, :2] |= replaced & (self.distances[:, :2] > 0)
            limit = min(_NEAREST_BY_CHANCE, _BY_CHANCE ** (1 / max(self.dimension, 1e-9)))
            closer = (ratio <= limit) & (self.distances > 0)
            near |= closer & (closer.any(axis=1).sum() >= _SOME_COPIES)
        here, which = np.nonzero(near)
        return np.stack([self.rows[here], self.rows[self.neighbours[here, which]]], axis=1)


def near_copies(
    samples: Samples, folds: list[Fold], neighbourhood: Neighbourhood, altered: np.ndarray | None = None
) -> Iterator[tuple[Fold, Finding]]:
    """Find test samples with a near copy in training or validation: far closer than others, or in most values.

    Ten times closer than the eleventh neighbour, or closer than one in 100 000 samples is by chance if they vary in as
    many directions as these; or the median difference of a value is ten times smaller.

    Parameters
    ----------
    samples : Samples
    folds : list of Fold
    neighbourhood : Neighbourhood
        Of the samples.
    altered : ndarray of int, shape (n_pairs, 2), optional
        Further pairs, of :func:`thymos.signals.likeness.altered_pairs`; fewer than three may be chance.

    Yields
    ------
    Fold, Finding
    """
    close = np.empty((0, 2), dtype=int) if neighbourhood.crowded else neighbourhood.near_pairs()
    if len(close):
        yield from _copies(samples, folds, close, "far closer than their other neighbours, or equal in most values")
    if altered is not None and len(altered) >= _SOME_COPIES:
        known = set(map(tuple, np.sort(close, axis=1).tolist()))
        further = np.array([pair for pair in altered.tolist() if tuple(pair) not in known], dtype=int).reshape(-1, 2)
        yield from _copies(samples, folds, further, "moved, mirrored, or at another brightness")


def _copies(samples: Samples, folds: list[Fold], pairs: np.ndarray, how: str) -> Iterator[tuple[Fold, Finding]]:
    """Find test samples whose other half of a pair stands in training or validation."""
    for fold in folds:
        test, others = (np.zeros(len(samples), dtype=bool) for _ in range(2))
        test[fold.test], others[fold.train], others[fold.validation] = True, True, True
        hit = np.concatenate([pairs[test[a] & others[b]][:, order] for a, b, order in _both_ways(pairs)])
        if len(hit):
            rows, first = np.unique(hit[:, 0], return_index=True)
            names = [
                f"{a} = {b}"
                for a, b in zip(describe(samples.meta, rows), describe(samples.meta, hit[first, 1]), strict=True)
            ]
            yield (
                fold,
                Finding(
                    "near copy",
                    f"{len(rows)} of {len(fold.test)} test samples are nearly identical to training or validation "
                    f"samples ({how}).",
                    len(rows),
                    "find out where they come from (a recording stored twice, an augmented copy), keep all on one side",
                    tuple(names),
                ),
            )


def one_person(samples: Samples, neighbourhood: Neighbourhood) -> list[Finding]:
    """Find people who go by two names: nearer to the other name than to themselves in other trials, as nobody else is.

    That is so where the windows of a visit were dealt to two names. Neighbours of the same trial do not count.
    """
    place = neighbourhood.rows
    names, subject = np.unique(samples.meta["subject"].astype(str).to_numpy(dtype=str)[place], return_inverse=True)
    trial = np.unique(samples.meta["trial"].astype(str), return_inverse=True)[1][place]
    near = neighbourhood.neighbours
    others = trial[near] != trial[:, None]
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (np.broadcast_to(subject[:, None], near.shape)[others], subject[near][others]), 1)
    sizes = np.bincount(subject)
    if len(names) < 3 or sizes.min() < 2 * _NEIGHBOURS:
        return []
    nearness = counts / sizes / sizes[:, None]
    own = np.diag(nearness)
    a, b = np.triu_indices(len(names), 1)
    with np.errstate(invalid="ignore"):
        alike = np.nan_to_num((nearness[a, b] + nearness[b, a]) / (own[a] + own[b]), nan=1.0)
    found = np.flatnonzero(alike >= max(_ONE_PERSON, _ABOVE * np.quantile(alike, 0.8)))
    if not len(found):
        return []
    return [
        Finding(
            "two names",
            f"{len(found)} pairs of subjects are nearer to each other than to themselves in other trials, while others "
            "are apart: one person under two names.",
            int(sizes[np.unique(np.concatenate([a[found], b[found]]))].sum()),
            "look up who was recorded, give each person one name, and split by that",
            tuple(f"{names[a[k]]} = {names[b[k]]}" for k in found[:5]),
        )
    ]


def interpolated(samples: Samples, neighbourhood: Neighbourhood) -> list[Finding]:
    """Find samples that lie exactly between two others of different trials, as SMOTE and mixing make them.

    Those that say themselves that they are synthetic are judged by their metadata.
    """
    if neighbourhood.aligned:
        return []
    table, neighbours = neighbourhood.table, neighbourhood.neighbours
    trial = np.unique(samples.meta["trial"].astype(str), return_inverse=True)[1][neighbourhood.rows]
    # windows have lost their channels' means, so that a mixture of two is one of these, whatever its weights
    mixtures = not isinstance(samples.X, dict) and samples.X.ndim == 3 and samples.X.shape[2] >= 16
    between = np.zeros(len(table), dtype=bool)
    for part in _blocks(len(table), neighbours.shape[1] * table.shape[1]):
        arms = (table[neighbours[part]] - table[part, None]).astype(np.float64)
        gram = np.einsum("nif,njf->nij", arms, arms)
        length = np.sqrt(np.einsum("nii->ni", gram))
        owner = trial[neighbours[part]]
        for i, j in combinations(range(neighbours.shape[1]), 2):
            product = length[:, i] * length[:, j]  # arms in opposite directions: the cosine is -1
            shortest = np.minimum(length[:, i], length[:, j]) > 0.01 * np.maximum(length[:, i], length[:, j])
            apart = owner[:, i] != owner[:, j]  # within a trial, upsampling makes such samples and leaks nothing
            between[part] |= (gram[:, i, j] <= -(1 - _ON_LINE) * product) & (product > 0) & shortest & apart
        if mixtures:
            between[part] |= _mixed(table[part], table[neighbours[part]], owner)
    if "synthetic" in samples.meta:
        between &= ~samples.meta["synthetic"].to_numpy(dtype=bool)[neighbourhood.rows]
    rows = neighbourhood.rows[between]
    if not len(rows):
        return []
    return [
        Finding(
            "resampling",
            f"{len(rows)} of {len(table)} samples lie exactly on the line between two others: they were interpolated "
            "(SMOTE, mixing) before the split, so test samples have a share in training samples.",
            len(rows),
            "resample inside the training fold: put the sampler into the pipeline",
            describe(samples.meta, rows),
        )
    ]


def _mixed(rows: np.ndarray, neighbours: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Say which rows are a weighted sum of two of their neighbours, of different trials.

    Parameters
    ----------
    rows : ndarray, shape (n_rows, n_values)
    neighbours : ndarray, shape (n_rows, n_neighbours, n_values)
    owner : ndarray of int, shape (n_rows, n_neighbours)
        Their trials.
    """
    gram = np.einsum("nif,njf->nij", neighbours, neighbours, dtype=np.float64)
    along = np.einsum("nif,nf->ni", neighbours, rows, dtype=np.float64)
    length, own = np.einsum("nii->ni", gram), np.einsum("nf,nf->n", rows, rows, dtype=np.float64)
    mixed = np.zeros(len(rows), dtype=bool)
    for i, j in combinations(range(neighbours.shape[1]), 2):
        determinant = length[:, i] * length[:, j] - gram[:, i, j] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            a = (along[:, i] * length[:, j] - along[:, j] * gram[:, i, j]) / determinant
            b = (along[:, j] * length[:, i] - along[:, i] * gram[:, i, j]) / determinant
            rest = own - a * along[:, i] - b * along[:, j]
            shares = np.minimum(a**2 * length[:, i], b**2 * length[:, j]) > 0.01 * own
        told = (determinant > 1e-6 * length[:, i] * length[:, j]) & (rest <= _ON_LINE * own)
        mixed |= told & shares & (owner[:, i] != owner[:, j])
    return mixed


def prepared_statistics(samples: Samples, fold: Fold) -> list[Finding]:
    """Find columns scaled, or decorrelated, with statistics of all rows, test rows among them.

    Scaling each window or each recording by itself uses no other trial and is no finding.
    """
    columns = _channels(samples)
    if columns is None:
        return []
    varies = np.flatnonzero(np.ptp(columns, axis=(0, 1)) > 0)
    if not len(varies) or len(samples) < 20:
        return []
    meta, everything = samples.meta, np.zeros(len(samples), dtype=int)
    recording = np.unique(meta["recording" if "recording" in meta else "trial"].astype(str), return_inverse=True)[1]
    subject = np.unique(meta["subject"].astype(str), return_inverse=True)[1]
    values, names = columns[:, :, varies], np.array(_names(samples))[varies]
    by_recording = _scaled(values, recording)
    if any(held.mean() > _MOST for held in (*_scaled(values, np.arange(len(samples))), *by_recording)):
        return []
    for groups, whom in ((subject, "each subject's"), (everything, "all")):
        if groups is subject and subject.max() == 0:
            continue
        standard, unit = _scaled(values, groups)
        # shares reach from 0 to 1 by themselves, and codes -1 and 1 may balance; else that comes from a scaler
        standard &= ~by_recording[0] & ~_codes(values)
        some, how = (standard, "standardised") if standard.any() else (unit, "scaled to 0 to 1")
        if not standard.any() and unit.mean() <= _MOST:
            continue
        which = "The features are" if some.mean() > _MOST else f"{some.sum()} of {len(some)} features are"
        return [
            Finding(
                "statistics",
                f"{which} {how} over {whom} rows, test rows among them.",
                len(fold.test),
                "scale inside the pipeline, or each recording by itself; if a test subject's own unlabelled data "
                "may be used, say transductive",
                tuple(map(str, names[some][:5])),
            )
        ]
    if _decorrelated(columns[:, 0]) and not _decorrelated(columns[fold.train, 0], 1e-2):
        return [
            Finding(
                "statistics",
                f"The {columns.shape[2]} features are uncorrelated over all rows, test rows among them, and not over "
                "the training part: a rotation (PCA, whitening) was fitted before the split.",
                len(fold.test),
                "fit the rotation inside the pipeline",
            )
        ]
    return []


def constant_features(samples: Samples) -> list[Finding]:
    """Find channels or columns that never change."""
    columns = _channels(samples)
    if columns is None:
        return []
    flat = np.flatnonzero(np.ptp(columns, axis=(0, 1)) == 0)
    if not len(flat):
        return []
    names = [_names(samples)[k] for k in flat]
    return [
        Finding(
            "constant",
            f"{len(flat)} of {columns.shape[2]} channels or columns have one value in all samples.",
            len(samples),
            "leave them out: they carry nothing, and may be a lost electrode",
            tuple(names[:5]),
        )
    ]


def label_carriers(samples: Samples, folds: list[Fold]) -> list[Finding]:
    """Find single values of a sample that give its label away: alone they are right on 98 % of the tested trials.

    A small tree is fitted on one value at a time, in every fold; a rating must correlate at 0.98 over trials. With
    fewer than 20 tested trials nothing is searched, for with so few some column fits by chance.
    """
    y, trial = samples.y, np.unique(samples.meta["trial"].astype(str), return_inverse=True)[1]
    rows = np.concatenate([fold.test for fold in folds])
    if len(np.unique(trial[rows])) < LEAST_TRIALS:
        return []
    table = comparable(samples, slice(None), scaled=False)
    columns = _channels(samples)
    if columns is not None and columns.shape[1] > 1:  # windows: the mean of a channel is a feature too
        table = np.concatenate([columns.mean(axis=1), columns.std(axis=1), table], axis=1)
    order = np.argsort(trial, kind="stable")
    pieces = np.split(order, np.flatnonzero(np.diff(trial[order])) + 1)
    means = np.stack([table[rows].mean(axis=0, dtype=np.float64) for rows in pieces])
    label = y[np.unique(trial, return_index=True)[1]]
    if y.dtype.kind == "f":
        scores, names = np.abs(_correlations(means, label)), np.arange(table.shape[1])
        baseline = 0.0
    else:
        varies = np.ptp(means, axis=0) > 0
        if not varies.any():
            return []
        strength = np.zeros(table.shape[1])
        with np.errstate(all="ignore"):  # a column without any spread inside the classes is infinitely strong
            strength[varies] = f_classif(means[:, varies], label)[0]
        names = np.argsort(-np.nan_to_num(strength, nan=0.0, posinf=np.inf), kind="stable")[:_PROMISING]
        scores = np.array([_told_by(table[:, [name]], y, trial, folds) for name in names])
        baseline = float(np.unique(label, return_counts=True)[1].max() / len(label))
    found = [(float(score), int(name)) for score, name in zip(scores, names, strict=True) if score >= _CARRIES]
    if not found or baseline > 0.95:
        return []
    best, where = max(found, key=lambda pair: (pair[0], -pair[1]))
    width = 0 if columns is None or columns.shape[1] == 1 else columns.shape[2]
    return [
        Finding(
            "label",
            f"{len(found)} single values correlate with the rating at {best:.3f} over {len(label)} trials."
            if y.dtype.kind == "f"
            else f"{len(found)} single values give the label away: alone, the best is right on {best:.1%} of the "
            f"tested trials (the commonest class: {baseline:.1%}).",
            len(rows),
            "find out what this column is; a label, a code or a trigger channel does not belong among the features",
            (_place(samples, where, width),),
        )
    ]


def _told_by(column: np.ndarray, y: np.ndarray, trial: np.ndarray, folds: list[Fold]) -> float:
    """Return the share of tested trials whose label one column tells, each trial by the share of its windows."""
    tree = DecisionTreeClassifier(max_leaf_nodes=4 * len(np.unique(y)), random_state=0)
    right = [tree.fit(column[f.train], y[f.train]).predict(column[f.test]) == y[f.test] for f in folds]
    place = np.unique(trial[np.concatenate([f.test for f in folds])], return_inverse=True)[1]
    return float((np.bincount(place, np.concatenate(right)) / np.bincount(place)).mean())


def comparable(samples: Samples, rows: np.ndarray | slice, scaled: bool = True) -> np.ndarray:
    """Return the samples as a table of float32, windows without their channels' means, columns scaled on request."""
    parts = []
    for _, array in sorted((samples.X if isinstance(samples.X, dict) else {"X": samples.X}).items()):
        part = np.asarray(array[rows], dtype=np.float32)
        there = ~np.isnan(part.reshape(len(part), -1)).all(axis=1)
        if there.all():
            parts.append(_table(part, scaled))
        else:  # those that lack a modality are in the middle of the others
            parts.append(np.zeros((len(part), part[0].size), dtype=np.float32))
            if there.any():
                parts[-1][there] = _table(part[there], scaled)
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _table(part: np.ndarray, scaled: bool) -> np.ndarray:
    """Return samples of one modality as a table, see :func:`comparable`."""
    if scaled and part.ndim == 3 and part.shape[2] >= 16:
        part = part - part.mean(axis=2, keepdims=True)
        return part.reshape(len(part), -1) / max(float(part.std()), np.finfo(np.float32).tiny)
    part = part.reshape(len(part), -1)
    if scaled:
        spread = part.std(axis=0)
        part = (part - part.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return part


def _channels(samples: Samples) -> np.ndarray | None:
    """Return values by row, time and channel, shape (n_samples, n_times, n_channels); None for other layouts.

    Of features with more axes, such as bands and electrodes, each is a channel; pictures are none.
    """
    if isinstance(samples.X, dict) or samples.X.ndim not in (2, 3, 4) or samples.X.dtype.kind not in "fiu":
        return None
    if samples.X.ndim == 4 and samples.X.dtype.kind != "f":
        return None
    X = np.asarray(samples.X, dtype=np.float32)
    return X[:, None, :] if X.ndim == 2 else np.moveaxis(X.reshape(len(X), -1, X.shape[-1]), 2, 1)


def _scaled(columns: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Say which columns were standardised, and which scaled to 0 to 1, in each group; each of shape (n_columns,)."""
    standard, unit = (np.ones(columns.shape[2], dtype=bool) for _ in range(2))
    for group in np.unique(groups)[:50]:
        flat = columns[groups == group].reshape(-1, columns.shape[2]).astype(np.float64)
        if len(flat) < 3:
            return np.zeros_like(standard), np.zeros_like(unit)
        still, spread = np.ptp(flat, axis=0) == 0, flat.std(axis=0)
        z = (np.abs(flat.mean(axis=0)) < _EXACT) & (np.abs(spread - 1) < max(_EXACT, 0.6 / len(flat)))
        standard &= z | still
        unit &= (np.abs(flat.min(axis=0)) < 1e-7) & (np.abs(flat.max(axis=0) - 1) < 1e-6) | still
    return standard, unit


def _codes(columns: np.ndarray) -> np.ndarray:
    """Say which columns have a few values only."""
    flat = columns.reshape(-1, columns.shape[2])[: 50 * _FEW_ROWS]
    return np.array([len(np.unique(column)) <= CODES for column in flat.T], dtype=bool)


def _decorrelated(table: np.ndarray, tolerance: float = _EXACT) -> bool:
    """Whether all columns of a table, shape (n_samples, n_columns), are uncorrelated."""
    if not 2 <= table.shape[1] <= min(1000, len(table) // 2):
        return False
    z = table.astype(np.float64) - table.mean(axis=0, dtype=np.float64)
    norm = np.sqrt((z**2).sum(axis=0))
    z = z[:, norm > 0] / norm[norm > 0]
    return z.shape[1] > 1 and float(np.abs(z.T @ z - np.eye(z.shape[1])).max()) < tolerance


def _correlations(table: np.ndarray, y: np.ndarray) -> np.ndarray:
    z, t = table - table.mean(axis=0), y - y.mean()
    norm = np.sqrt((z**2).sum(axis=0) * (t**2).sum())
    return np.divide(t @ z, norm, out=np.zeros(z.shape[1]), where=norm > 0)


def _names(samples: Samples) -> list[str]:
    names, axes = samples.info.get("ch_names"), samples.X.shape[1:-1] or samples.X.shape[1:]
    if names and axes == (len(names),):
        return list(names)
    return [f"column {', '.join(map(str, place))}" for place in np.ndindex(*axes)]


def _place(samples: Samples, where: int, width: int) -> str:
    """Name a column of the table that :func:`label_carriers` searches."""
    if isinstance(samples.X, dict):
        return f"value {where}"
    if where < 2 * width:
        return f"{'mean' if where < width else 'SD'} of {_names(samples)[where % width]}"
    each = samples.X.shape[-1] if samples.X.ndim > 2 else 1
    channel, time = divmod(where - 2 * width, each)
    return _names(samples)[channel] + (f" at time sample {time}" if each > 1 else "")


def _both_ways(pairs: np.ndarray) -> tuple:
    return (pairs[:, 0], pairs[:, 1], [0, 1]), (pairs[:, 1], pairs[:, 0], [1, 0])


def _blocks(n: int, values: int) -> Iterator[slice]:
    size = max(1, 2**24 // max(1, values))
    return (slice(begin, begin + size) for begin in range(0, n, size))
