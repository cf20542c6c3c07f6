"""The protocols of the catalogue: what each keeps on one side, and how it deals its folds (methods A4)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pandas as pd

from thymos.base.errors import InputError, ProtocolError
from thymos.base.random import child_seed
from thymos.evaluation.protocol import SAME_TIME, Protocol, assign, capacity, sharing_no_key

__all__ = [
    "BlockedSplit",
    "GroupSplit",
    "LeaveOneSubjectOut",
    "OfficialSplit",
    "OfficialWithCopies",
    "PairedSplit",
    "RandomWindowSplit",
    "RecordingSplit",
    "SubjectStimulusSplit",
    "TrialShares",
    "TrialSplit",
]

_PAIRED = {
    "label": "paired by label",
    "trial": "paired by trial, the same person and moment",
    "random": "paired at random",
}


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
        block = np.floor(groups[rows, 0] * n_splits + SAME_TIME)
        yield from ((str(k + 1), rows[block == k]) for k in range(n_splits))

    def _cuts(
        self, meta: pd.DataFrame, rows: np.ndarray, groups: np.ndarray, y: np.ndarray, n_splits: int, seed: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        place = self.groups(meta.iloc[rows].reset_index(drop=True))[:, 0]
        block = np.floor(place * n_splits + SAME_TIME)
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
            n = min(n_splits, capacity(keys, y[rows]))
            if n < 2:
                return
            numbers.append(assign(keys, y[rows], n, child_seed(seed, self.keys[column])))
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
        return sharing_no_key(groups, rows, held), held, ""


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


def _spare(keys: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Return the groups, shuffled, but for one of every class (for ratings: one)."""
    groups, first = np.unique(keys, return_index=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    kept = [0] if y.dtype.kind == "f" else np.unique(y[first][order], return_index=True)[1]
    return groups[np.delete(order, kept)]
