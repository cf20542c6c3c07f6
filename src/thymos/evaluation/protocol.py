"""What a protocol is: who is trained on, who is validated on, who is tested (methods A4).

A protocol reads labels and the metadata table, nothing else. Its folds are sorted, depend on the seed and the
metadata alone, and are the same in every process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from thymos.base.errors import InputError, ProtocolError
from thymos.base.random import child_seed
from thymos.base.samples import Samples

__all__ = ["SAME_TIME", "Fold", "Protocol", "assign", "capacity", "near_in_time", "sharing_no_key"]

#: Seconds that make no difference: sums of window lengths are not exact.
SAME_TIME = 1e-6


@dataclass(frozen=True)
class Fold:
    """Row numbers of the three parts of one fold, each sorted.

    Rows may stand in no part: those closer to another part than the guard interval, and those that share one key of
    several with the test part.

    Parameters
    ----------
    name : str
        Name of the fold within its protocol.
    train, validation, test : ndarray of int
        Row numbers; `validation` is empty where the protocol cannot supply one.
    note : str
        Why there is no validation part, if there is none.
    repeat : int
        Which dealing of a repeated protocol the fold belongs to, from 0 on. Every dealing tests every row it can.
    inner : tuple of (ndarray, ndarray)
        Training and validation rows of the inner folds of a nested protocol; test rows are in none.
    calibration : ndarray of int
        Rows of a few labelled trials of the test subjects, which left the test part to calibrate the outputs.
    key : str
        Metadata column whose values a method keeps together where it splits its training part itself.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    note: str = ""
    repeat: int = 0
    inner: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    calibration: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    key: str = "trial"


class Protocol:
    """Grouped folds with a validation part cut by the same key.

    Parameters
    ----------
    n_splits : int or 'all', optional
        Folds at most; fewer if the rarest class has fewer groups. ``all`` tests one group at a time. By default what
        is usual for the protocol.
    validation : float
        Share of the groups left for training that becomes the validation part, rounded to one part in k; 0 for none.
    guard : float
        Seconds that must lie between windows of different parts of one recording; training (then validation) windows
        that lie closer are left out of the fold. By default 0, for `blocked` 1.
    repeats : int
        How often the groups are dealt anew.
    inner : int
        For nested evaluation, number of inner folds that the rows left for training are dealt into by the same rule;
        a method with a grid is chosen on them. 0 for none.
    random_state : int
        Seed of the assignment.
    within : str, optional
        Split the values of this metadata column one by one, such as ``subject``; empty for all data at once.
    few_shot : int
        Labelled trials of every test subject that leave the test part and calibrate the method's outputs for that
        subject, classes taking turns. For protocols that test new subjects.
    train_share : float
        Share of the training trials that is kept, of each subject's trials of each class, one at least; the others
        stand in no part. Validation and test part stay whole, and a smaller share is part of a larger one, so that
        learning curves can be drawn.

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

    Notes
    -----
    With labels that are classes, folds are stratified and every class of a test part must be in training. With
    ratings (floating-point labels) groups are sorted by their mean rating and each run of `n_splits` neighbours is
    dealt to different folds.
    """

    name: str = ""
    question: str = ""
    keys: tuple[str, ...] = ()
    deciding = "cut from training by the same rule"  # where the validation part comes from
    leaky: ClassVar[bool] = False
    within: str = ""
    usual_splits: ClassVar[int | str] = 5
    usual_guard: ClassVar[float] = 0.0

    def __init__(
        self,
        n_splits: int | str | None = None,
        validation: float = 0.2,
        guard: float | None = None,
        repeats: int = 1,
        inner: int = 0,
        random_state: int = 0,
        within: str | None = None,
        few_shot: int = 0,
        train_share: float = 1.0,
    ):
        if isinstance(train_share, bool) or not (isinstance(train_share, (int, float)) and 0 < train_share <= 1):
            raise InputError(f"train_share={train_share!r} came.", fits="a share above 0, 1 at most")
        self.train_share = train_share
        self.within = self.within if within is None else within
        self.n_splits = self.usual_splits if n_splits is None else n_splits
        self.validation = validation
        self.guard = self.usual_guard if guard is None else guard
        self.repeats = repeats
        self.inner = inner
        self.few_shot = few_shot
        self.random_state = random_state
        numbers = {"repeats": 1, "inner": 0, "few_shot": 0, "random_state": 0}
        whole = all(
            isinstance(getattr(self, k), (int, np.integer))
            and not isinstance(getattr(self, k), bool)
            and getattr(self, k) >= v
            for k, v in numbers.items()
        )
        split = self.n_splits == "all" or (isinstance(self.n_splits, (int, np.integer)) and self.n_splits >= 2)
        if not (whole and split and 0 <= validation <= 0.5 and 0 <= self.guard < np.inf and inner != 1):
            raise InputError(
                f"n_splits={n_splits!r}, validation={validation!r}, guard={guard!r}, repeats={repeats!r}, "
                f"inner={inner!r}, few_shot={few_shot!r}, random_state={random_state!r} came.",
                fits="two splits or more or 'all', a validation share from 0 to 0.5, a guard in seconds, one repeat or "
                "more, no inner folds or at least two, no labelled trials or more, a seed from 0 on",
            )
        if few_shot:
            if "subject" not in self.keys or self.leaky:
                raise InputError(
                    f"few_shot={few_shot} came for the protocol {self.name!r}, which does not test new subjects.",
                    fits="a protocol that splits by subject, such as loso or subject_stimulus",
                )
            self.question += f" (given {few_shot} labelled trials to calibrate the outputs with)"
        if self.n_splits == "all" and repeats > 1:
            raise InputError(
                "Leaving out one group at a time was to be repeated.", fits="repeats with a number of splits"
            )

    def folds(self, meta: pd.DataFrame, y: Any) -> list[Fold]:
        """Return the folds.

        Parameters
        ----------
        meta : DataFrame
            Metadata, one row per sample.
        y : array-like, shape (n_samples,)
            Labels, or ratings as floating-point numbers, for stratification.

        Raises
        ------
        ProtocolError
            If the data cannot be split so, in words.
        """
        y, groups = self._checked(meta, y)
        return [
            self._fold(meta, groups, y, rows, test, f"{part}/{name}" if part else name, repeat)
            for repeat in range(self.repeats)
            for part, rows in self._parts(meta)
            for name, test in self._deal(rows, groups, y, part, repeat)
        ]

    def holdout(self, meta: pd.DataFrame, y: Any) -> Fold:
        """Return one fold without a test part, for a model that is to be deployed.

        The validation part is cut from all rows by the rule by which :meth:`folds` cuts it from those left for
        training, and so are inner folds. Where parts of the data are split one by one (`within`), each spares
        validation rows of its own, and the fold joins them.

        Parameters
        ----------
        meta : DataFrame
            Metadata, one row per sample.
        y : array-like, shape (n_samples,)
            Labels, or ratings as floating-point numbers.

        Returns
        -------
        Fold
            Named ``all``; `test` is empty, `note` says why validation rows are missing, if they are.

        Raises
        ------
        ProtocolError
            As :meth:`folds`.
        """
        y, groups = self._checked(meta, y)
        nothing = np.empty(0, dtype=int)
        cuts = [
            self._fold(meta, groups, y, rows, nothing, "/".join(filter(None, (part, "all"))), 0)
            for part, rows in self._parts(meta)
        ]

        def join(rows: Iterable[np.ndarray]) -> np.ndarray:
            return np.sort(np.concatenate(list(rows)))

        train, held = join(cut.train for cut in cuts), join(cut.validation for cut in cuts)
        inner = tuple(  # as many as the part with the fewest has
            (join(train for train, _ in pairs), join(rest for _, rest in pairs))
            for pairs in zip(*(cut.inner for cut in cuts), strict=False)
        )
        notes = "; ".join(dict.fromkeys(c.note for c in cuts if c.note))
        return Fold("all", train, held, nothing, notes, inner=inner, key=self._key(meta))

    def _checked(self, meta: pd.DataFrame, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and keys of data that can be split."""
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
        if not self.leaky:  # a trial has one score, so it must have one label
            labels = pd.DataFrame({"trial": meta["trial"].to_numpy(), "label": y}).drop_duplicates()["trial"]
            if labels.duplicated().any():
                raise ProtocolError(
                    f"Samples of the trial {str(labels[labels.duplicated()].iloc[0])!r} have several labels.",
                    fits="one label for each trial",
                    do="give each stretch with a label of its own a trial name, or label trials by their mean",
                )
        return y, self.groups(meta)

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
        """Return the keys of each row that may not stand on both sides, shape (n_samples, n_keys)."""
        columns = [c if c in meta.columns or c != "recording" else "trial" for c in self.keys]
        missing = [c for c in columns if c not in meta.columns]
        if missing:
            raise ProtocolError(
                f"The protocol {self.name!r} needs the metadata column {', '.join(missing)}.",
                fits=f"one of {', '.join(meta.columns)}",
            )
        return meta[columns].astype(str).to_numpy(dtype=str)

    def _fold(
        self,
        meta: pd.DataFrame,
        groups: np.ndarray,
        y: np.ndarray,
        rows: np.ndarray,
        test: np.ndarray,
        name: str,
        repeat: int,
    ) -> Fold:
        """Make one fold of its test rows: cut validation and inner folds by the same rule, keep the guard interval."""
        name = f"repeat {repeat + 1}/{name}" if self.repeats > 1 else name
        rest = sharing_no_key(groups, rows, test)
        rest = self._learnt_from(self._guarded(meta, rest, test))
        seed = child_seed(self.random_state, self.name, name, "validation")
        train, held, note = self._cut(meta, rest, groups, y, seed)
        train = self._thinned(meta, y, train, child_seed(seed, "share"))
        inner: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
        if self.inner:  # networks are trained on all of them at last, so that these too are a share
            some = self._thinned(meta, y, rest, child_seed(seed, "share"))
            inner = tuple(self._cuts(meta, some, groups, y, self.inner, child_seed(seed, "inner")))
            if len(inner) < 2:
                raise ProtocolError(
                    f"Under the protocol {self.name!r}, fold {name} leaves too few {self._units()} for inner folds.",
                    fits=f"at least two {self._units()} of every class in the training part",
                    do="choose inner: 0, or fewer splits",
                )
        if not len(train):
            raise ProtocolError(
                f"Under the protocol {self.name!r}, fold {name} leaves no row for training.",
                fits="a training part",
                do=f"shorten the guard interval of {self.guard:g} s, or choose fewer splits",
            )
        missing = sorted(set(y[test]) - set(y[train]), key=str) if y.dtype.kind != "f" else []
        if missing:
            numbers = bool(pd.to_numeric(pd.Series(y), errors="coerce").notna().all())
            raise ProtocolError(
                f"Under the protocol {self.name!r}, fold {name} tests the class {str(missing[0])!r}, "
                "which is not in its training part.",
                fits=f"every class in the training part, so at least two {self._units()} of each",
                do="choose fewer splits, another protocol, or another target"
                + ("; ratings are split in two by target: {above: ...}, or predicted as rating: true" * numbers),
            )
        shots = self._few(meta, y, test, name)
        return Fold(name, train, held, np.setdiff1d(test, shots), note, repeat, inner, shots, self._key(meta))

    def _key(self, meta: pd.DataFrame) -> str:
        """Return what a split inside the training part keeps together: what this one does; of several, the first."""
        return self.keys[0] if self.keys and self.keys[0] in meta.columns else "trial"

    def _learnt_from(self, rows: np.ndarray) -> np.ndarray:
        """Return those of the rows outside the test part that training, validation and inner folds may have."""
        return rows

    def _thinned(self, meta: pd.DataFrame, y: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return the rows of the share of training trials that is kept."""
        if self.train_share == 1:
            return rows
        trials = meta[["subject", "trial"]].astype(str).iloc[rows]
        trials = trials.assign(y=0 if y.dtype.kind == "f" else y[rows]).drop_duplicates("trial").sort_values("trial")
        order = trials.iloc[np.random.default_rng(seed).permutation(len(trials))]
        place = order.groupby(["subject", "y"]).cumcount()
        count = order.groupby(["subject", "y"])["trial"].transform("size")
        kept = order["trial"][place < np.maximum(1, np.round(self.train_share * count))]
        return rows[meta["trial"].astype(str).iloc[rows].isin(kept).to_numpy()]

    def _few(self, meta: pd.DataFrame, y: np.ndarray, test: np.ndarray, name: str) -> np.ndarray:
        """Return the test rows of the labelled trials that every test subject gives away."""
        if not (self.few_shot and len(test)):
            return np.empty(0, dtype=int)
        trials, chosen = meta[["subject", "trial"]].astype(str).iloc[test].assign(y=y[test]).drop_duplicates(), []
        for subject, mine in trials.groupby("subject", sort=True):
            if len(mine) <= self.few_shot:
                raise ProtocolError(
                    f"The subject {subject!r} has {len(mine)} trials, and {self.few_shot} of them were to calibrate.",
                    fits="at least one trial left to test",
                    do="choose a smaller few_shot, or leave the subject out",
                )
            seed = child_seed(self.random_state, self.name, name, subject, "few shot")
            mine = mine.sort_values("trial").sample(frac=1, random_state=seed)
            turn = 0 if y.dtype.kind == "f" else mine.groupby("y").cumcount()
            chosen += mine.assign(turn=turn).sort_values("turn", kind="stable")["trial"].tolist()[: self.few_shot]
        return test[meta["trial"].astype(str).iloc[test].isin(chosen).to_numpy()]

    def _unit(self) -> str:
        return " and ".join(self.keys) or "window"

    def _units(self) -> str:
        return " and ".join("stimuli" if key == "stimulus" else f"{key}s" for key in self.keys or ("window",))

    def _parts(self, meta: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
        if not self.within:
            return [("", np.arange(len(meta)))]
        column = meta[self.within].astype(str).to_numpy(dtype=str)
        return [(str(value), np.flatnonzero(column == value)) for value in np.unique(column)]

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str, repeat: int) -> Iterator:
        """Yield (name, test rows) of each fold of one part."""
        keys = groups[rows, 0]
        where = f"{self.within} {part}" if part else "the data"
        if self.n_splits == "all":
            values = np.unique(keys)
            if len(values) < 2:
                raise ProtocolError(
                    f"Under the protocol {self.name!r}, {where} cannot be split: there is only the {self._unit()} "
                    f"{str(values[0])!r}.",
                    fits=f"two {self._units()} or more",
                    do=f"load more {self._units()}, or choose another protocol",
                )
            yield from ((str(value), rows[keys == value]) for value in values)
            return
        n_splits = min(cast(int, self.n_splits), capacity(keys, y[rows]))
        if n_splits < 2:
            classes = np.unique(y[rows])
            rarest = min(classes, key=lambda c: len(np.unique(keys[y[rows] == c])))
            raise ProtocolError(
                f"Under the protocol {self.name!r}, {where} cannot be split: "
                + (
                    f"there is one {self._unit()}."
                    if len(np.unique(keys)) == 1
                    else f"there is one {self._unit()} of class {str(rarest)!r}."
                    if len(classes) > 1
                    else f"all of it has the class {str(rarest)!r}."
                ),
                fits=f"at least two {self._units()} of every class",
                do="leave it out, merge classes, or choose another protocol",
            )
        again = ("repeat", repeat) if repeat else ()
        number = assign(keys, y[rows], n_splits, child_seed(self.random_state, self.name, part, "outer", *again))
        for k in range(n_splits):
            yield str(k + 1), rows[number == k]

    def _cut(self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, seed: int) -> tuple:
        """Cut the validation part from the rows left for training, by the same key."""
        if not self.validation:
            return rows, rows[:0], "no validation part was asked for"
        n_splits = round(1 / self.validation)
        for train, held in self._cuts(meta, rows, groups, y, n_splits, seed):
            return train, held, ""
        return rows, rows[:0], f"no validation part: training has too few {self._units()} of some class to spare one"

    def _cuts(
        self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, n_splits: int, seed: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (training, validation) for each of `n_splits` dealings that leave every class in training."""
        n_splits = min(n_splits, capacity(groups[rows, 0], y[rows]))
        if n_splits < 2:
            return
        number = assign(groups[rows, 0], y[rows], n_splits, seed)
        yield from self._complete(meta, rows, y, ((number != k, number == k) for k in range(n_splits)))

    def _complete(self, meta: pd.DataFrame, rows: np.ndarray, y: np.ndarray, masks: Iterable[tuple]) -> Iterator[tuple]:
        """Yield those of the cuts whose training part keeps every class, at their guard interval."""
        for train, held in masks:  # with unequal groups a part may take a class away from training
            kept = self._guarded(meta, rows[train], rows[held])
            if held.any() and len(kept) and (y.dtype.kind == "f" or set(y[kept]) == set(y[rows])):
                yield kept, rows[held]

    def _guarded(self, meta: pd.DataFrame, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the rows that keep the guard interval to the others."""
        return rows[~near_in_time(meta, rows, others, self.guard)] if self.guard else rows


def near_in_time(meta: pd.DataFrame, rows: np.ndarray, others: np.ndarray, guard: float = 0.0) -> np.ndarray:
    """Say which rows share signal with others of the same recording, or lie closer than `guard` seconds.

    Parameters
    ----------
    meta : DataFrame
        Metadata of all samples.
    rows, others : ndarray of int
        Row numbers.
    guard : float
        Seconds.

    Returns
    -------
    ndarray of bool, shape (len(rows),)
    """
    recording, _ = pd.factorize(meta["recording" if "recording" in meta.columns else "trial"])
    start, stop = meta["start"].to_numpy(float), meta["stop"].to_numpy(float)
    hit = np.zeros(len(rows), dtype=bool)
    for value in np.intersect1d(recording[rows], recording[others]):
        mine = np.flatnonzero(recording[rows] == value)
        theirs = others[recording[others] == value]
        begin, end = np.sort(start[theirs]), np.sort(stop[theirs])
        # windows that begin before mine ends, less those that end before mine begins
        before = np.searchsorted(begin, stop[rows[mine]] + guard - SAME_TIME, side="left")
        gone = np.searchsorted(end, start[rows[mine]] - guard + SAME_TIME, side="right")
        hit[mine] = before > gone
    return hit


def sharing_no_key(groups: np.ndarray, rows: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the rows outside the test part that share none of their keys with it."""
    shares = np.isin(rows, test)
    for column in groups.T:
        shares |= np.isin(column[rows], column[test])
    return rows[~shares]


def capacity(groups: np.ndarray, y: np.ndarray) -> int:
    """Return how many folds the groups allow so that every class can be on both sides."""
    if y.dtype.kind == "f":
        return len(np.unique(groups))
    if len(np.unique(y)) < 2:
        return 1
    return min(len(np.unique(groups[y == c])) for c in np.unique(y))


def assign(groups: np.ndarray, y: np.ndarray, n_splits: int, seed: int) -> np.ndarray:
    """Deal groups to folds, stratified by class; return the fold number of each row."""
    keys, first, row_key = np.unique(groups, return_index=True, return_inverse=True)
    pure = np.array_equal(y[first][row_key], y)
    number = np.empty(len(y), dtype=int)
    if y.dtype.kind == "f":  # ratings: of each run of neighbours in rating, one group goes to every fold
        rng = np.random.default_rng(seed)
        order = np.argsort(np.bincount(row_key, y) / np.bincount(row_key), kind="stable")
        dealt = np.empty(len(keys), dtype=int)
        dealt[order] = np.concatenate([rng.permutation(n_splits) for _ in range(0, len(keys), n_splits)])[: len(keys)]
        return dealt[row_key]
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
