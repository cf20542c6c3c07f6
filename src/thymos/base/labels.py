"""What can be predicted, as declared choices: which label, whose word it is, and where a rating is split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thymos.base.errors import InputError
from thymos.base.samples import Samples

__all__ = ["KINDS", "MEDIAN", "Label", "Rule", "grouped", "ratings", "settled"]

#: Whose word a label is.
KINDS = {
    "stimulus": "what the stimulus was chosen for, the same for everyone who met it",
    "self-report": "what the person said they felt",
    "acted": "what an actor was asked to show",
    "observer": "what others saw in a picture or heard",
    "condition": "what the person was asked to do",
    "simulated": "what the simulator put in",
}

#: Written in the place of a threshold: the median of the training part, found anew in each fold.
MEDIAN = "median"


@dataclass(frozen=True)
class Rule:
    """Where a rating is split into two classes.

    Parameters
    ----------
    threshold : float or 'median'
        The median is that of the training part of each fold, of all its people together; where each person is split
        alone, that is the person's own.
    inclusive : bool
        A rating equal to the threshold belongs to the upper class.
    names : (str, str)
        Lower and upper class.
    """

    threshold: float | str
    inclusive: bool = False
    names: tuple[str, str] = ("low", "high")

    def __str__(self) -> str:
        value = "the median of the training part" if self.threshold == MEDIAN else f"{self.threshold:g}"
        return f"{self.names[1]} {'at or above' if self.inclusive else 'above'} {value}"

    def apply(self, ratings: np.ndarray, train: np.ndarray | None = None) -> np.ndarray:
        """Return the class of every rating.

        Parameters
        ----------
        ratings : ndarray, shape (n_samples,)
            Numbers.
        train : ndarray, optional
            Indices of the training part, which alone decides where the median lies; without it, all.

        Raises
        ------
        InputError
            If the ratings are no numbers.
        """
        ratings, threshold = np.asarray(ratings), self.threshold
        if ratings.dtype.kind not in "fiu":
            raise InputError(f"{str(ratings[0])!r} is no rating.", fits="numbers where a threshold is set")
        if threshold == MEDIAN:
            threshold = float(np.median(ratings if train is None else ratings[train]))
        upper = ratings >= threshold if self.inclusive else ratings > threshold
        return np.where(upper, self.names[1], self.names[0])

    def to(self, samples: Samples) -> Samples:
        """Return samples in two classes; with the median, samples that :func:`settled` puts into classes later.

        Raises
        ------
        InputError
            If the labels are no numbers.
        """
        if self.threshold != MEDIAN:
            return samples.replace(y=self.apply(samples.y))
        self.apply(samples.y)
        rule = {"threshold": MEDIAN, "inclusive": self.inclusive, "names": list(self.names)}
        return samples.replace(y=samples.y.astype(float), info={**samples.info, "rule": rule})


@dataclass(frozen=True)
class Label:
    """A column of the metadata that can be predicted.

    Parameters
    ----------
    column : str
        Its name.
    kind : str
        One of :data:`KINDS`.
    summary : str
        What it is.
    classes : tuple of str
        The classes, where they are fixed; of a rating none.
    scale : (float, float), optional
        Least and greatest rating; None for classes.
    rule : Rule, optional
        How a rating is split where a study does not say.
    """

    column: str
    kind: str
    summary: str = ""
    classes: tuple[str, ...] = ()
    scale: tuple[float, float] | None = None
    rule: Rule | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"The label {self.column!r} is of kind {self.kind!r}.", fits=f"one of {', '.join(KINDS)}")


def ratings(kind: str, scale: tuple[float, float], above: float, **columns: str) -> tuple[Label, ...]:
    """Return several ratings on one scale with one default threshold; `columns` maps each name to its summary."""
    return tuple(Label(name, kind, text, scale=scale, rule=Rule(above)) for name, text in columns.items())


def settled(samples: Samples, train: np.ndarray | None = None) -> Samples:
    """Return samples whose ratings have become classes, if they were to be split at the median of the training part.

    Parameters
    ----------
    samples : Samples
        As :meth:`Rule.to` returns them.
    train : ndarray, optional
        Indices of the training part, which alone decides where the median lies. Without it all samples do: good enough
        to say which classes there are, and for nothing that is measured.
    """
    if "rule" not in samples.info:
        return samples
    info = {key: value for key, value in samples.info.items() if key != "rule"}
    rule = Rule(**{**samples.info["rule"], "names": tuple(samples.info["rule"]["names"])})
    return samples.replace(y=rule.apply(samples.y, train), info=info)


def grouped(values: Any, classes: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """Return the class each value belongs to; empty where it belongs to none, to be left out.

    Parameters
    ----------
    values : array-like, shape (n_samples,)
        Labels.
    classes : mapping of str to sequence
        New class to the old ones it holds.

    Raises
    ------
    InputError
        If an old class is named twice, or does not occur.
    """
    values = np.asarray(values).astype(str)
    lookup: dict[str, str] = {}
    for name, members in classes.items():
        for member in members:
            if str(member) in lookup:
                raise InputError(
                    f"The class {member!r} is in {lookup[str(member)]!r} and in {name!r}.", fits="one each"
                )
            lookup[str(member)] = name
    absent = sorted(set(lookup) - set(values))
    if absent:
        raise InputError(f"There is no class {', '.join(absent)}.", fits=f"some of {', '.join(np.unique(values))}")
    return np.array([lookup.get(value, "") for value in values])
