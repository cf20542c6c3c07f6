"""Protocols: who is trained on, who is validated on, who is tested (methods A4).

A protocol reads labels and the metadata table, nothing else. Its folds are sorted, depend on the seed and the
metadata alone, and are the same in every process.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from thymos.base.errors import InputError, ProtocolError
from thymos.base.random import child_seed
from thymos.base.samples import Samples

__all__ = [
    "BlockedSplit",
    "Fold",
    "GroupSplit",
    "LeaveOneSubjectOut",
    "OfficialSplit",
    "OfficialWithCopies",
    "PairedSplit",
    "Protocol",
    "RandomWindowSplit",
    "RecordingSplit",
    "SubjectStimulusSplit",
    "TrialShares",
    "TrialSplit",
    "near_in_time",
]

_PAIRED = {
    "label": "paired by label",
    "trial": "paired by trial, the same person and moment",
    "random": "paired at random",
}
_SAME_TIME = 1e-6  # seconds; sums of window lengths are not exact


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
        rest = _sharing_no_key(groups, rows, test)
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
        n_splits = min(cast(int, self.n_splits), _capacity(keys, y[rows]))
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
        number = _assign(keys, y[rows], n_splits, child_seed(self.random_state, self.name, part, "outer", *again))
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
        n_splits = min(n_splits, _capacity(groups[rows, 0], y[rows]))
        if n_splits < 2:
            return
        number = _assign(groups[rows, 0], y[rows], n_splits, seed)
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


class RandomWindowSplit(Protocol):
    """Windows dealt at random: a control that leaks, never a result. Parameters as :class:`Protocol`."""

    name = "random_window"
    question = "none: windows of one trial or samples of one person stand on both sides; to recognise these is enough"
    leaky = True

    def groups(self, meta: pd.DataFrame) -> np.ndarray:
        """Return a key of its own for every row."""
        return np.arange(len(meta))[:, None]


class BlockedSplit(Protocol):
    """Contiguous blocks of every recording, a guard interval apart: a control weaker than any split by recording.

    Where each class has one recording only, nothing else is possible (methods B5.4). What stays the same through a
    recording (contact, offset, day) still stands on both sides, so this is no result either. Parameters as
    :class:`Protocol`.
    """

    name = "blocked"
    question = "can a later stretch of a recording be recognised that was partly learnt from? (weaker than any other)"
    leaky = True
    usual_splits = 3
    usual_guard = 1.0

    def groups(self, meta: pd.DataFrame) -> np.ndarray:
        """Return the place of each row in its recording as a share of its rows, from 0 to below 1."""
        column = meta["recording" if "recording" in meta.columns else "trial"]
        rank = meta["start"].groupby(column.to_numpy()).rank(method="first").to_numpy() - 1
        return (rank / column.map(column.value_counts()).to_numpy(float))[:, None]

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str, repeat: int) -> Iterator:
        if self.n_splits == "all" or self.repeats > 1:
            raise ProtocolError("Contiguous blocks have one order.", fits="a number of splits and one repeat")
        n_splits = cast(int, self.n_splits)
        block = np.floor(groups[rows, 0] * n_splits + _SAME_TIME)
        yield from ((str(k + 1), rows[block == k]) for k in range(n_splits))

    def _cuts(
        self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, n_splits: int, seed: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        place = self.groups(meta.iloc[rows].reset_index(drop=True))[:, 0]
        block = np.floor(place * n_splits + _SAME_TIME)
        order = np.random.default_rng(seed).permutation(n_splits)
        yield from self._complete(meta, rows, y, ((block != k, block == k) for k in order))


class GroupSplit(Protocol):
    """Groups named by any metadata column; the catalogue has ``session``, ``stimulus``, ``identity``, ... as presets.

    Parameters
    ----------
    column : str
        Metadata column of which no value may stand on both sides.
    within : str
        Split the values of this column one by one, such as ``subject`` for sessions.
    dealt_by : str
        Metadata column that says in which fold a group is tested, as published folds do; `n_splits` then has no effect.
        The validation part is cut from the other groups as ever.
    **options
        As :class:`Protocol`.
    """

    def __init__(
        self,
        column: str,
        n_splits: int | str | None = None,
        validation: float = 0.2,
        guard: float | None = None,
        repeats: int = 1,
        inner: int = 0,
        random_state: int = 0,
        within: str = "",
        train_share: float = 1.0,
        dealt_by: str = "",
    ):
        super().__init__(n_splits, validation, guard, repeats, inner, random_state, within, 0, train_share)
        if dealt_by and (repeats > 1 or within):
            raise InputError(
                f"dealt_by={dealt_by!r} came with repeats={repeats!r} and within={within!r}.",
                fits="folds that are given",
            )
        self.column = column
        self.dealt_by = dealt_by
        self.name = column
        self.keys = (column,)
        self.question = f"can a new {column} be recognised" + (f" of a known {within}?" if within else "?")

    def groups(self, meta: pd.DataFrame) -> np.ndarray:
        """Return the keys of each row and, where groups are dealt by a column, its values beside them."""
        made = super().groups(meta)
        if not self.dealt_by:
            return made
        if self.dealt_by not in meta:
            raise ProtocolError(
                f"The protocol {self.name!r} needs the metadata column {self.dealt_by}.",
                fits=f"one of {', '.join(meta.columns)}",
            )
        dealt = meta[self.dealt_by].astype(str).to_numpy(dtype=str)
        pairs = pd.DataFrame({"key": made[:, 0], "dealt": dealt}).drop_duplicates()
        twice = pairs["key"][pairs["key"].duplicated()]
        if len(twice) or pairs["dealt"].nunique() < 2:
            came = f"The {self.column} {twice.iloc[0]!r} is in several" if len(twice) else "All rows are in one"
            raise ProtocolError(f"{came} of the parts of {self.dealt_by}.", fits="parts that share nobody, two or more")
        return np.column_stack([made, dealt])

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str, repeat: int) -> Iterator:
        if not self.dealt_by:
            yield from super()._deal(rows, groups, y, part, repeat)
            return
        dealt = groups[rows, -1]
        yield from ((str(value), rows[dealt == value]) for value in np.unique(dealt))


class TrialSplit(Protocol):
    """Trials of one subject, stratified; tests whether a calibrated user's new trial is recognised."""

    name = "trial"
    question = "can a new trial of a calibrated user be recognised?"
    keys = ("trial",)
    within = "subject"


class TrialShares(TrialSplit):
    """Trials of one subject dealt at random into training, validation and test by given shares (Gong et al. 2025).

    One trial of every class is sure to be in training; the others are shuffled. With few trials of many classes the
    validation part lacks classes, and estimates badly: with the 28 trials of FACED and the published shares it holds
    three. A class that has many of its few trials in training has few left in the test part, so that a method that
    knows nothing but frequencies ends below chance: set results beside the chance level of the report, not beside one
    over the number of classes. Folds of :class:`TrialSplit` do not have this and use the data better.

    Parameters
    ----------
    test, validation : float
        Shares of the trials; published 0.3 and 0.1.
    repeats : int
        How often trials are dealt.
    guard, inner, random_state
        As :class:`Protocol`.

    Raises
    ------
    InputError
        If the shares leave nothing for training.
    """

    name = "trial_shares"

    def __init__(
        self,
        test: float = 0.3,
        validation: float = 0.1,
        guard: float | None = None,
        repeats: int = 3,
        inner: int = 0,
        random_state: int = 0,
    ):
        super().__init__(2, validation, guard, repeats, inner, random_state)
        if not (0 < test < 1 and test + validation < 1):
            raise InputError(f"test={test!r} and validation={validation!r} came.", fits="shares, together below 1")
        self.test = test

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str, repeat: int) -> Iterator:
        """Yield the one fold of a dealing."""
        keys = groups[rows, 0]
        spare = _spare(keys, y[rows], child_seed(self.random_state, self.name, part, repeat))
        test = spare[: round(self.test * len(np.unique(keys)))]
        if not len(test):
            raise ProtocolError(
                f"Under the protocol {self.name!r}, {self.within} {part} has {len(np.unique(keys))} trials, of which "
                f"{len(np.unique(keys)) - len(spare)} have to be in training: none is left to test.",
                fits="more trials than classes",
                do="merge classes, or leave it out",
            )
        yield "1", rows[np.isin(keys, test)]

    def _cut(self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, seed: int) -> tuple:
        """Cut the validation part at random, but for one trial of every class."""
        keys = groups[rows, 0]
        count = round(self.validation / (1 - self.test) * len(np.unique(keys)))
        held = np.isin(keys, _spare(keys, y[rows], seed)[:count])
        note = "" if held.any() else "no validation part: there are too few trials to spare one"
        return rows[~held], rows[held], note


class RecordingSplit(Protocol):
    """Recordings, stratified, every class in the training and the test part."""

    name = "recording"
    question = "can a new recording be recognised (of a known user, if people have several)?"
    keys = ("recording",)


class LeaveOneSubjectOut(Protocol):
    """One subject at a time (or, with `n_splits`, folds of subjects); tests whether a new user is recognised."""

    name = "loso"
    question = "can a new user be recognised? (the stimuli may be known)"
    keys = ("subject",)
    usual_splits = "all"


class SubjectStimulusSplit(Protocol):
    """One subject on held-out stimuli: neither the subject nor the stimulus is in training, the strictest protocol.

    Each fold tests one subject (or, with `subject_splits`, one group of subjects) on one part of the stimuli. Rows
    that share only the subject or only the stimulus with the test part stand in no part. Validation is cut so too:
    new subjects on new stimuli.

    Parameters
    ----------
    n_splits : int or 'all'
        Parts of the stimuli. 1 divides the subjects alone, for corpora whose subjects meet stimuli of their own: a fold
        tests some subjects on everything, and what they met stands in no other part.
    subject_splits : int or 'all'
        Parts of the subjects.
    validation : float
        Share of subjects, and of stimuli, that become the validation part.
    guard, repeats, inner, random_state
        As :class:`Protocol`.
    """

    name = "subject_stimulus"
    question = "can a new user be recognised on a new stimulus?"
    keys = ("subject", "stimulus")

    def __init__(
        self,
        n_splits: int | str | None = None,
        validation: float = 0.2,
        guard: float | None = None,
        repeats: int = 1,
        inner: int = 0,
        random_state: int = 0,
        subject_splits: int | str = "all",
        few_shot: int = 0,
    ):
        undivided = n_splits == 1 and type(n_splits) is int
        super().__init__(
            None if undivided else n_splits, validation, guard, repeats, inner, random_state, few_shot=few_shot
        )
        self.n_splits = 1 if undivided else self.n_splits
        self.subject_splits = subject_splits
        LeaveOneSubjectOut(n_splits=subject_splits)  # the same numbers fit

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str, repeat: int) -> Iterator:
        seed = self.random_state if not repeat else child_seed(self.random_state, "repeat", repeat)
        subjects = LeaveOneSubjectOut(self.subject_splits, random_state=seed)
        if self.n_splits == 1:
            yield from subjects._deal(rows, groups, y, part, repeat)
            return
        stimuli = GroupSplit("stimulus", self.n_splits, random_state=seed)
        by_stimulus = list(stimuli._deal(rows, groups[:, 1:], y, "", 0))
        for subject, mine in subjects._deal(rows, groups, y, "", 0):
            for number, theirs in by_stimulus:
                both = np.intersect1d(mine, theirs)
                if len(both):  # not everybody meets every stimulus
                    yield f"{subject}/{number}", both

    def _cuts(
        self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, n_splits: int, seed: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        numbers = []
        for column in (0,) if self.n_splits == 1 else (0, 1):
            keys = groups[rows, column]
            n = min(n_splits, _capacity(keys, y[rows]))
            if n < 2:
                return
            numbers.append(_assign(keys, y[rows], n, child_seed(seed, self.keys[column])))
        if self.n_splits == 1:
            mine, theirs = groups[rows, 1], numbers[0]
            held = (theirs == i for i in range(theirs.max() + 1))
            masks = ((~part & ~np.isin(mine, mine[part]), part) for part in held)
            yield from itertools.islice(self._complete(meta, rows, y, masks), n_splits)
            return
        a, b = numbers
        pairs = ((i, (i + shift) % (b.max() + 1)) for shift in range(b.max() + 1) for i in range(a.max() + 1))
        masks = (((a != i) & (b != j), (a == i) & (b == j)) for i, j in pairs)
        yield from itertools.islice(self._complete(meta, rows, y, masks), n_splits)


class OfficialSplit(Protocol):
    """The parts that a corpus came with: one fold, by the metadata column ``part``.

    Rows of ``training`` learn, those of ``validation`` decide on epochs and parameters, those of ``test`` are tested.
    What shares its value of `apart` with the test part is left out of the others, and what shares it with the
    validation part is left out of training: copies of test photographs, for example. Without an official validation
    part one is cut from training.

    Parameters
    ----------
    apart : str
        Metadata column of which no value may stand on both sides, such as ``picture`` (study key ``images.alike``),
        ``identity`` or ``subject``.
    test : {'test', 'validation'}
        Which part is tested. Where a corpus publishes no labels of its test part its validation part is, and the part
        that decides on epochs is cut from training.
    validation, inner, random_state, train_share
        As :class:`Protocol`; `validation` only where there is no official part.
    """

    name = "official"
    question = "is what the corpus holds back as its test part recognised?"
    deciding = "the corpus's own, or cut from training where it has none"
    keys: tuple[str, ...] = ("picture",)

    def __init__(
        self,
        apart: str = "picture",
        test: str = "test",
        validation: float = 0.2,
        inner: int = 0,
        random_state: int = 0,
        train_share: float = 1.0,
    ):
        super().__init__(None, validation, None, 1, inner, random_state, train_share=train_share)
        self.apart = apart
        self.test = test
        if test not in ("test", "validation"):
            raise InputError(f"test={test!r} came.", fits="test or validation")
        if not self.leaky:
            if not isinstance(apart, str) or not apart:
                raise InputError(f"apart={apart!r} came.", fits="a metadata column, such as picture or identity")
            self.keys = (apart,)

    def _checked(self, meta: pd.DataFrame, y: Any) -> tuple[np.ndarray, np.ndarray]:
        parts = set(meta["part"]) if "part" in meta else set()
        if not {"training", self.test} <= parts:
            raise ProtocolError(
                f"The parts of the corpus are {', '.join(sorted(map(str, parts))) or 'not told'}.",
                fits=f"a metadata column `part` with training and {self.test}",
                do="choose another protocol" + (", or test: validation" if "validation" in parts else ""),
            )
        self._part = meta["part"].to_numpy(dtype=str)
        return super()._checked(meta, y)

    def _deal(self, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, part: str, repeat: int) -> Iterator:
        yield "official", rows[self._part[rows] == self.test]

    def _learnt_from(self, rows: np.ndarray) -> np.ndarray:
        decided = self.test == "test" and (self._part[rows] == "validation").any()
        return rows if decided else rows[self._part[rows] == "training"]

    def _cut(self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, seed: int) -> tuple:
        held = rows[self._part[rows] == "validation"]
        if not len(held):
            return super()._cut(meta, rows, groups, y, seed)
        return _sharing_no_key(groups, rows, held), held, ""


class OfficialWithCopies(OfficialSplit):
    """The official parts as they are, copies of test rows in training included: a control for `official`."""

    name = "official_with_copies"
    question = "what is reached where copies of tested rows were trained on?"
    keys = ()
    leaky = True

    def groups(self, meta: pd.DataFrame) -> np.ndarray:
        """Return a key of its own for every row."""
        return np.arange(len(meta))[:, None]


class PairedSplit(OfficialSplit):
    """Pairs that were formed inside the parts of their sides, draw by draw (:mod:`thymos.evaluation.pairing`).

    Parameters
    ----------
    pairing : {'label', 'trial', 'random'}
        Which pairs, of those that there are.
    random_state, train_share
        As :class:`OfficialSplit`. The validation part is that of the sides, and there are no inner folds: pairs of
        training share one of their two halves.
    """

    name = "paired"
    keys = ("first", "second")
    within = "draw"

    def __init__(
        self,
        pairing: str = "label",
        random_state: int = 0,
        train_share: float = 1.0,
    ):
        super().__init__("first", "test", 0.0, 0, random_state, train_share)
        if pairing not in _PAIRED:
            raise InputError(f"pairing={pairing!r} came.", fits=", ".join(_PAIRED))
        self.pairing = pairing
        self.question = f"are pairs recognised, {_PAIRED[pairing]} after the split?"
        self.keys = ("first", "second")

    def _parts(self, meta: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
        if "pairing" not in meta or not (meta["pairing"] == self.pairing).any():
            raise ProtocolError(
                f"There are no samples {_PAIRED[self.pairing]}.", fits="pairs of thymos.evaluation.pairing"
            )
        mine = (meta["pairing"] == self.pairing).to_numpy()
        return [(name, rows[mine[rows]]) for name, rows in super()._parts(meta) if mine[rows].any()]

    def _cut(self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, seed: int) -> tuple:
        # never cut from pairs of training, many of which share one of their two halves
        held = rows[self._part[rows] == "validation"]
        train = np.setdiff1d(rows, held)
        return train, held, "" if len(held) else "one of the two sides has no validation part"


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
        before = np.searchsorted(begin, stop[rows[mine]] + guard - _SAME_TIME, side="left")
        gone = np.searchsorted(end, start[rows[mine]] - guard + _SAME_TIME, side="right")
        hit[mine] = before > gone
    return hit


def _sharing_no_key(groups: np.ndarray, rows: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the rows outside the test part that share none of their keys with it."""
    shares = np.isin(rows, test)
    for column in groups.T:
        shares |= np.isin(column[rows], column[test])
    return rows[~shares]


def _spare(keys: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Return the groups, shuffled, but for one of every class (for ratings: one)."""
    groups, first = np.unique(keys, return_index=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    kept = [0] if y.dtype.kind == "f" else np.unique(y[first][order], return_index=True)[1]
    return groups[np.delete(order, kept)]


def _capacity(groups: np.ndarray, y: np.ndarray) -> int:
    """Return how many folds the groups allow so that every class can be on both sides."""
    if y.dtype.kind == "f":
        return len(np.unique(groups))
    if len(np.unique(y)) < 2:
        return 1
    return min(len(np.unique(groups[y == c])) for c in np.unique(y))


def _assign(groups: np.ndarray, y: np.ndarray, n_splits: int, seed: int) -> np.ndarray:
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
