"""Protocols: who is trained on, who is validated on, who is tested (methods A4).

A protocol reads labels and the metadata table, nothing else. Its folds are sorted, depend on the seed and the
metadata alone, and are the same in every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from thymos.base.errors import InputError, ProtocolError
from thymos.base.random import child_seed
from thymos.base.samples import Samples

__all__ = ["Fold", "LeaveOneSubjectOut", "Protocol", "RandomWindowSplit", "RecordingSplit", "TrialSplit"]


@dataclass(frozen=True)
class Fold:
    """Row numbers of the three parts of one fold, each sorted.

    Parameters
    ----------
    name : str
        Name of the fold within its protocol.
    train, validation, test : ndarray of int
        Row numbers; `validation` is empty where the protocol cannot supply one.
    note : str
        Why there is no validation part, if there is none.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    note: str = ""


class Protocol:
    """Grouped folds with a validation part cut by the same key.

    Parameters
    ----------
    n_splits : int
        Folds at most; fewer if the rarest class has fewer groups.
    validation : float
        Share of the groups left for training that becomes the validation part, rounded to one part in k; 0 for none.
    random_state : int
        Seed of the assignment.

    Attributes
    ----------
    name, question : str
        Name in a study, and the question a result under this protocol answers.
    keys : tuple of str
        Metadata columns of which no value may stand on both sides; empty for a leaky control.
    within : str
        Metadata column whose values are split one by one (``subject`` for subject-dependent protocols), or empty.
    leaky : bool
        Whether the protocol is a control that leaks by construction.
    """

    name: ClassVar[str] = ""
    question: ClassVar[str] = ""
    keys: ClassVar[tuple[str, ...]] = ()
    leaky: ClassVar[bool] = False
    within: str = ""

    def __init__(self, n_splits: int = 5, validation: float = 0.2, random_state: int = 0):
        whole = isinstance(n_splits, (int, np.integer)) and isinstance(random_state, (int, np.integer))
        if not whole or n_splits < 2 or random_state < 0 or not 0 <= validation <= 0.5:
            raise InputError(
                f"n_splits={n_splits!r}, validation={validation!r}, random_state={random_state!r} came.",
                fits="whole numbers, two splits or more, a validation share from 0 to 0.5, a seed from 0 on",
            )
        self.n_splits = n_splits
        self.validation = validation
        self.random_state = random_state

    def folds(self, meta: pd.DataFrame, y: Any) -> list[Fold]:
        """Return the folds.

        Parameters
        ----------
        meta : DataFrame
            Metadata, one row per sample.
        y : array-like, shape (n_samples,)
            Labels, for stratification.

        Raises
        ------
        ProtocolError
            If the data cannot be split so, in words.
        """
        y = np.asarray(y)
        if len(np.unique(y)) < 2:
            raise ProtocolError(
                f"All {len(y)} samples have the label {str(y[0]) if len(y) else None!r}.",
                fits="at least two classes",
                do="choose another target or threshold, or load more of the corpus",
            )
        if "synthetic" in meta and meta["synthetic"].any():
            raise ProtocolError("There are synthetic samples before the split.", fits="real samples only")
        owners = meta[[c for c in ("source", "subject", "session", "trial") if c in meta]].drop_duplicates()
        shared = owners["trial"][owners["trial"].duplicated()]
        if len(shared):
            raise ProtocolError(
                f"The trial {str(shared.iloc[0])!r} belongs to several subjects or sessions.",
                fits="trial names that are unique within the source",
                do="put subject and session into the name: meta['subject'] + '-' + meta['trial']",
            )
        groups = self.groups(meta)
        folds = []
        for part, rows in self._parts(meta):
            prefix = f"{part}/" if part else ""
            for name, test in self._deal(rows, groups, y, part):
                rest = np.setdiff1d(rows, test)
                train, held, note = self._cut(rest, groups, y, f"{prefix}{name}")
                missing = sorted(set(y[test]) - set(y[train]), key=str)
                if missing:
                    raise ProtocolError(
                        f"Under the protocol {self.name!r}, fold {prefix}{name} tests the class {str(missing[0])!r}, "
                        "which is not in its training part.",
                        fits=f"every class in the training part, so at least two {self._unit()}s of each",
                        do="choose fewer splits, another protocol, or another target",
                    )
                folds.append(Fold(f"{prefix}{name}", train, held, test, note))
        return folds

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (training and validation rows, test rows), as scikit-learn's splitters do.

        Parameters
        ----------
        X : Samples, or anything if `groups` is given
        y : array-like, optional
            Labels; those of `X` by default.
        groups : DataFrame, optional
            The metadata table; that of `X` by default.
        """
        meta = X.meta if isinstance(X, Samples) else groups
        if not isinstance(meta, pd.DataFrame):
            raise InputError(
                f"{type(self).__name__} came without metadata.", fits="Samples as X, or groups=<metadata DataFrame>"
            )
        for fold in self.folds(meta, X.y if y is None else y):
            yield np.sort(np.concatenate([fold.train, fold.validation])), fold.test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds on these data."""
        return sum(1 for _ in self.split(X, y, groups))

    def groups(self, meta: pd.DataFrame) -> np.ndarray:
        """Return the key of each row that may not stand on both sides, shape (n_samples,)."""
        columns = [c if c in meta.columns or c != "recording" else "trial" for c in self.keys]
        missing = [c for c in columns if c not in meta.columns]
        if missing:
            raise ProtocolError(
                f"The protocol {self.name!r} needs the metadata column {', '.join(missing)}.",
                fits=f"one of {', '.join(meta.columns)}",
            )
        return meta[columns].astype(str).agg("\x1f".join, axis=1).to_numpy(dtype=str)

    def _unit(self) -> str:
        return " and ".join(self.keys) or "window"

    def _parts(self, meta: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
        if not self.within:
            return [("", np.arange(len(meta)))]
        column = meta[self.within].astype(str).to_numpy(dtype=str)
        return [(str(value), np.flatnonzero(column == value)) for value in np.unique(column)]

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str) -> Iterator:
        """Yield (name, test rows) of each fold of one part."""
        n_splits = min(self.n_splits, _capacity(groups[rows], y[rows]))
        if n_splits < 2:
            where = f"{self.within} {part}" if part else "the data"
            rarest = min(np.unique(y[rows]), key=lambda c: len(np.unique(groups[rows][y[rows] == c])))
            raise ProtocolError(
                f"Under the protocol {self.name!r}, {where} cannot be split: "
                + (
                    f"there is one {self._unit()} of class {str(rarest)!r}."
                    if len(np.unique(y[rows])) > 1
                    else f"all of it has the class {str(rarest)!r}."
                ),
                fits=f"at least two {self._unit()}s of every class",
                do="leave it out, merge classes, or choose another protocol",
            )
        number = _assign(groups[rows], y[rows], n_splits, child_seed(self.random_state, self.name, part, "outer"))
        for k in range(n_splits):
            yield str(k + 1), rows[number == k]

    def _cut(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, name: str) -> tuple:
        """Cut the validation part from the rows left for training, by the same key."""
        none = np.empty(0, dtype=int)
        if not self.validation:
            return rows, none, "no validation part was asked for"
        n_splits = min(round(1 / self.validation), _capacity(groups[rows], y[rows]))
        if n_splits < 2:
            return rows, none, f"no validation part: training has too few {self._unit()}s of some class to spare one"
        seed = child_seed(self.random_state, self.name, name, "validation")
        number = _assign(groups[rows], y[rows], n_splits, seed)
        for k in range(n_splits):  # with unequal groups the first part may take a class away from training
            if set(y[rows[number != k]]) == set(y[rows]):
                return rows[number != k], rows[number == k], ""
        return rows, none, f"no validation part: every choice takes the last {self._unit()} of a class from training"


class RandomWindowSplit(Protocol):
    """Windows dealt at random: a control that leaks, never a result.

    Parameters
    ----------
    n_splits, validation, random_state
        As :class:`Protocol`.
    within : str
        Deal within each value of this column (``subject``), or over all data.
    """

    name = "random_window"
    question = "none: windows of one trial stand on both sides, so recognising the trial is enough"
    leaky = True

    def __init__(self, n_splits: int = 5, validation: float = 0.2, random_state: int = 0, within: str = ""):
        super().__init__(n_splits, validation, random_state)
        self.within = within

    def groups(self, meta: pd.DataFrame) -> np.ndarray:
        """Return a key of its own for every row."""
        return np.arange(len(meta))


class TrialSplit(Protocol):
    """Trials of one subject, stratified; tests whether a calibrated user's new trial is recognised."""

    name = "trial"
    question = "can a new trial of a calibrated user be recognised?"
    keys = ("trial",)
    within = "subject"


class RecordingSplit(Protocol):
    """Recordings, stratified, every class in the training and the test part."""

    name = "recording"
    question = "can a new recording of a known user be recognised?"
    keys = ("recording",)


class LeaveOneSubjectOut(Protocol):
    """One subject at a time; tests whether a new user is recognised.

    Parameters
    ----------
    validation, random_state
        As :class:`Protocol`; the validation part is made of whole subjects too.
    """

    name = "loso"
    question = "can a new user be recognised? (the stimuli may be known)"
    keys = ("subject",)

    def __init__(self, validation: float = 0.2, random_state: int = 0):
        super().__init__(2, validation, random_state)

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str) -> Iterator:
        subjects = np.unique(groups)
        if len(subjects) < 2:
            raise ProtocolError(
                f"There is only the subject {str(subjects[0])!r}.", fits="two subjects or more", do="load more subjects"
            )
        for subject in subjects:
            yield str(subject), rows[groups[rows] == subject]


def _capacity(groups: np.ndarray, y: np.ndarray) -> int:
    """Return how many folds the groups allow so that every class can be on both sides."""
    if len(np.unique(y)) < 2:
        return 1
    return min(len(np.unique(groups[y == c])) for c in np.unique(y))


def _assign(groups: np.ndarray, y: np.ndarray, n_splits: int, seed: int) -> np.ndarray:
    """Deal groups to folds, stratified by class; return the fold number of each row."""
    keys, first, row_key = np.unique(groups, return_index=True, return_inverse=True)
    pure = np.array_equal(y[first][row_key], y)
    number = np.empty(len(y), dtype=int)
    if pure:  # one class per group: stratify the groups themselves, so that each fold gets its share of groups
        dealt = np.empty(len(keys), dtype=int)
        for k, (_, held) in enumerate(StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(keys, y[first])):
            dealt[held] = k
        return dealt[row_key]
    if len(keys) == n_splits:
        for k, (_, held) in enumerate(KFold(n_splits, shuffle=True, random_state=seed).split(keys)):
            number[np.isin(row_key, held)] = k
        return number
    for k, (_, held) in enumerate(StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed).split(y, y, row_key)):
        number[held] = k
    return number
