"""Pairs of samples from two sides: of the same moment, of the same label, or at random (methods B4.3).

Faces and signals of different people that are paired by their label are two independent views of the answer: a fusion
of them is better than either by that alone. Pairs are made here after the split, inside each part, so that at least no
sample stands on both sides; what such pairs reach says nothing about people who have a face and a heart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.base.samples import TRIAL_OF, Samples
from thymos.evaluation.protocol import Fold

__all__ = ["PAIRINGS", "PairedAtRandom", "PairedByLabel", "PairedByTrial", "Pairing", "independent_accuracy"]

_PARTS = {"training": "train", "validation": "validation", "test": "test"}


class Pairing(ABC):
    """How samples of two sides become pairs, part by part.

    Parameters
    ----------
    draws : int
        How often pairs are drawn anew. Draw d takes the folds number d of both sides, from the beginning again where
        there are fewer: of five folds, 25 draws are five independent pairings each.
    most : int, optional
        Pairs of each part of a draw, at most; by default each sample of the first side that finds a partner is in one.
    random_state : int

    Raises
    ------
    InputError
        If a number does not fit.
    """

    name = ""

    def __init__(self, draws: int = 5, most: int | None = None, random_state: int = 0):
        for key, value in {"draws": draws, "most": 1 if most is None else most}.items():
            check_whole(key, value)
        self.draws = draws
        self.most = most
        self.random_state = random_state

    @abstractmethod
    def partners(
        self, labels: np.ndarray, others: np.ndarray, same: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Return for each sample of the first side its partner's number among those of the second; -1 for none.

        Parameters
        ----------
        labels, others : ndarray of str, shape (n_first,) and (n_second,)
            Labels of both sides.
        same : ndarray of int, shape (n_first,), or None
            Number of the sample of the second side that is of the same moment, where sides are of the same samples.
        rng : numpy.random.Generator
        """

    def pair(
        self, first: Samples, second: Samples, first_folds: Sequence[Fold], second_folds: Sequence[Fold] | None = None
    ) -> Samples:
        """Return pairs, formed inside each part of each draw.

        Parameters
        ----------
        first, second : Samples
            Both sides, with labels; ``X`` maps modalities to arrays, of different names.
        first_folds, second_folds : sequence of Fold
            How each side is split by itself. Without the latter both sides are the same samples, split alike.

        Returns
        -------
        Samples
            Of all modalities; the label is that of the first side. Metadata say ``pairing``, ``draw``, ``part``
            (``training``, ``validation``, ``test``), which samples were paired (``first`` and ``second``), and from
            which trial or picture that of each modality comes (``trial of MODALITY``). The subject is that of the first
            side, which has the label, where both sides are the same samples, else the second side's, and so is the
            recording, the trial or picture of that sample. ``info`` counts samples of the first side for which there
            was no partner in any draw (``alone``), and the ``folds`` of the side that has more.

        Raises
        ------
        InputError
            If modalities have the same names, or labels are missing or have nothing in common.
        """
        _check_sides(first, second)
        of_same = second_folds is None
        second_folds = first_folds if second_folds is None else second_folds
        rows, places = [], []
        asked, found = (np.zeros(len(first.meta), dtype=bool) for _ in range(2))
        for draw in range(self.draws):
            folds = first_folds[draw % len(first_folds)], second_folds[draw % len(second_folds)]
            for part, name in _PARTS.items():
                rng = generator(self.random_state, self.name, draw, part)
                mine, theirs = (getattr(fold, name) for fold in folds)
                if not len(mine) or not len(theirs):
                    continue
                # the same samples of the first side for every kind of pairing, which are compared
                drawn = generator(self.random_state, "first side", draw, part).permutation(mine)[: self.most]
                mine = np.sort(drawn)
                same = np.searchsorted(theirs, mine) if of_same else None
                chosen = self.partners(_text(first.y[mine]), _text(second.y[theirs]), same, rng)
                there = chosen >= 0
                asked[mine], found[mine[there]] = True, True
                rows.append(np.stack([mine[there], theirs[chosen[there]]]))
                places += [(draw, part, k) for k in range(int(there.sum()))]
        if not places:
            raise InputError(
                f"No label of one side is one of the other: {', '.join(np.unique(_text(first.y)))} and "
                f"{', '.join(np.unique(_text(second.y)))}.",
                fits="classes of the same names on both sides",
            )
        a, b = np.concatenate(rows, axis=1)
        one, other = cast("dict[str, np.ndarray]", first.X), cast("dict[str, np.ndarray]", second.X)
        X = {name: array[a] for name, array in one.items()} | {name: array[b] for name, array in other.items()}
        info = {side: part.info.get("modalities", {}) for side, part in (("a", first), ("b", second))}
        n_folds = max(len(first_folds), len(second_folds))
        alone = int((asked & ~found).sum())
        told = {"modalities": info["a"] | info["b"], "alone": {self.name: alone}, "folds": n_folds}
        return Samples(X, first.y[a], self._metadata(first, second, a, b, places, of_same), told)

    def _metadata(
        self, first: Samples, second: Samples, a: np.ndarray, b: np.ndarray, places: list, of_same: bool
    ) -> pd.DataFrame:
        side, rows = (first, a) if of_same else (second, b)
        names = [f"{self.name}-{draw}-{part}-{k}" for draw, part, k in places]
        origins = {
            f"{TRIAL_OF}{name}": _origin(samples)[own]
            for samples, own in ((first, a), (second, b))
            for name in cast("dict[str, np.ndarray]", samples.X)
        }
        return pd.DataFrame(
            {
                "source": "paired",
                "subject": side.meta["subject"].to_numpy()[rows],
                "session": "1",
                "trial": names,
                # not of the pair, of which more draws make more: intervals are over recordings where people are few
                "recording": _origin(side)[rows],
                "stimulus": first.meta["stimulus"].to_numpy()[a],
                "start": 0.0,
                "stop": 1.0,
                "pairing": self.name,
                "draw": [f"draw {draw + 1}" for draw, *_ in places],
                "part": [part for _, part, _ in places],
                "first": [f"a{row}" for row in a],
                "second": [f"b{row}" for row in b],
                **origins,
            }
        )


class PairedByTrial(Pairing):
    """Each sample with itself: both sides of the same person and moment, the only pairs that can show integration."""

    name = "trial"

    def partners(
        self, labels: np.ndarray, others: np.ndarray, same: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the sample of the same moment; see :meth:`Pairing.partners`."""
        if same is None:
            raise InputError("Two corpora have no moment in common.", fits="pairing by label, or at random")
        return same


class PairedByLabel(Pairing):
    """Each sample of the first side with one of the second that has its label, all of them equally often."""

    name = "label"

    def partners(
        self, labels: np.ndarray, others: np.ndarray, same: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Return samples of the same label; see :meth:`Pairing.partners`."""
        chosen = np.full(len(labels), -1)
        for label in np.unique(labels):
            mine = np.flatnonzero(labels == label)
            chosen[mine] = _evenly(np.flatnonzero(others == label), len(mine), rng)
        return chosen


class PairedAtRandom(Pairing):
    """Each sample of the first side with any of the second: the control, under which the second side tells nothing."""

    name = "random"

    def partners(
        self, labels: np.ndarray, others: np.ndarray, same: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Return samples of any label; see :meth:`Pairing.partners`."""
        return _evenly(np.arange(len(others)), len(labels), rng)


#: Pairings by the names that a study may write.
PAIRINGS = {made.name: made for made in (PairedByTrial, PairedByLabel, PairedAtRandom)}


def independent_accuracy(accuracies: Sequence[float], n_classes: int) -> float:
    """Return the accuracy of several independent views of a label, from the accuracy of each alone.

    Parameters
    ----------
    accuracies : sequence of float
        Above chance and below 1.
    n_classes : int

    Returns
    -------
    float
        What the best decision reaches.

    Raises
    ------
    InputError
        If a number does not fit.

    Notes
    -----
    Views are Gaussian with unit variance, and classes equally far apart and equally frequent: a view at a distance d is
    right with probability ``E[Phi(z + d) ** (K - 1)]``, and views at d1, d2 are together at ``sqrt(d1² + d2²)``. Views
    of 0.62 and 0.76 of seven classes reach 0.878, without anything that one knows of the other (methods B4.2).
    """
    whole = isinstance(n_classes, (int, np.integer)) and n_classes >= 2
    if not whole or np.ndim(accuracies) != 1 or not all(1 / n_classes <= value < 1 for value in accuracies):
        raise InputError(
            f"Accuracies of {accuracies} came for {n_classes} classes.",
            fits="a list of numbers from chance to below 1, and a whole number of classes, two or more",
        )
    distances = [brentq(lambda d, value=value: _right(d, n_classes) - value, -1e-9, 50.0) for value in accuracies]
    return _right(float(np.sqrt(np.square(distances).sum())), n_classes)


def _right(distance: float, n_classes: int) -> float:
    """Return the accuracy of a Gaussian view in which each class is so far from the others' common level."""
    return quad(lambda z: norm.pdf(z) * norm.cdf(z + distance) ** (n_classes - 1), -10, 10)[0]


def _evenly(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return `n` rows in random order, each as often as any other or once more; -1 where there are none."""
    if not len(rows):
        return np.full(n, -1)
    return np.concatenate([rng.permutation(rows) for _ in range(-(-n // len(rows)))])[:n]


def _check_sides(first: Samples, second: Samples) -> None:
    for side in (first, second):
        if not isinstance(side.X, dict) or side.y is None:
            raise InputError("A side came without names of modalities, or without labels.", "a mapping, and labels")
    both = set(first.X) & set(second.X)
    if both:
        raise InputError(f"Both sides have a modality {sorted(both)[0]!r}.", fits="different names")


def _origin(samples: Samples) -> np.ndarray:
    """Return the picture of each sample, of which there may be copies, or its trial."""
    return samples.meta["picture" if "picture" in samples.meta else "trial"].astype(str).to_numpy()


def _text(y: np.ndarray) -> np.ndarray:
    return y.astype(str)
