"""What every simulated modality shares: an experiment in which people meet stimuli and feel, show and rate something.

A stimulus means a valence and an arousal. A person feels them with some noise and rates what was felt with a bias of
their own. How strongly a trial is felt, its intensity, is one number for all modalities: this is what makes them
truly paired, and what pairing by label destroys.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from thymos.base.catalogue import near
from thymos.base.emotions import PROTOTYPES, nearest
from thymos.base.errors import InputError
from thymos.base.random import generator

__all__ = ["PROTOTYPES", "Experiment", "Felt", "known", "nearest", "number", "numbered", "shown", "stimuli", "whole"]

_FELT_SD, _BIAS_SD, _RATING_SD = 0.2, 0.25, 0.15  # units of valence and arousal
_WEAKEST, _INTENSITY_SD = 0.4, 0.1  # intensity of the weakest trials; SD of what felt emotion does not explain
#: Weights of felt valence and arousal in further ratings, and SD of what they leave unexplained.
_FURTHER = {"dominance": (0.25, 0.2, 0.35), "liking": (0.6, 0.1, 0.3), "familiarity": (0.0, 0.0, 0.45)}


@dataclass(frozen=True)
class Felt:
    """All trials of one subject, in order of presentation.

    Parameters
    ----------
    order, session : ndarray of int, shape (n_trials,)
        Number of the stimulus, and of the session, from 0.
    felt : ndarray, shape (n_trials, 2)
        Valence and arousal that act on the signals, -1 to 1.
    ratings : mapping of str to ndarray, shape (n_trials,)
        ``valence``, ``arousal``, ``dominance``, ``liking`` and ``familiarity``, 1 to 9.
    intensity : ndarray, shape (n_trials,)
        0.4 to 1: grows with the distance of what was felt from neutral.
    emotion, meant_emotion : ndarray of str, shape (n_trials,)
        The prototype nearest to what was felt, and to what the stimulus means.
    """

    order: np.ndarray
    session: np.ndarray
    felt: np.ndarray
    ratings: dict[str, np.ndarray]
    intensity: np.ndarray
    emotion: np.ndarray
    meant_emotion: np.ndarray

    def labels(self, k: int) -> dict[str, Any]:
        """Return everything that is known of trial `k`, as metadata."""
        return {
            **{name: float(values[k]) for name, values in self.ratings.items()},
            "emotion": str(self.emotion[k]),
            "meant_emotion": str(self.meant_emotion[k]),
            "felt_valence": float(self.felt[k, 0]),
            "felt_arousal": float(self.felt[k, 1]),
            "intensity": float(self.intensity[k]),
        }


@dataclass(frozen=True)
class Experiment:
    """Subjects who meet the same stimuli once per session.

    Parameters
    ----------
    subjects : int
        Number of subjects.
    trials : int
        Trials per session, which is the number of stimuli.
    random_state : int
        Seed. Each subject and session has random numbers of its own.
    sessions : int
        Number of sessions. Subject, bias and meaning of the stimuli stay; order, noise and ratings are new.
    meant : array-like, shape (trials, 2), optional
        Valence and arousal of each stimulus, -1 to 1; by default :func:`stimuli`.
    shuffled : bool
        Whether each subject meets the stimuli of each session in an order of their own.

    Raises
    ------
    InputError
        If a parameter does not fit.
    """

    subjects: int
    trials: int
    random_state: int = 0
    sessions: int = 1
    meant: Any = None
    shuffled: bool = True

    def __post_init__(self):
        for name, least in (("subjects", 1), ("trials", 1), ("random_state", 0), ("sessions", 1)):
            object.__setattr__(self, name, whole(name, getattr(self, name), least))
        if self.meant is not None:
            object.__setattr__(self, "meant", self._points(self.meant))

    def _points(self, meant: Any) -> tuple[tuple[float, float], ...]:
        try:
            points = np.array(meant, dtype=float)
        except (TypeError, ValueError):
            points = np.empty(0)
        if points.shape != (self.trials, 2) or not (np.abs(points) <= 1).all():
            raise InputError(
                f"The simulation came with trials={self.trials} and meant of shape {points.shape}.",
                fits="one [valence, arousal] per stimulus, each -1 to 1",
                do="change trials or meant",
            )
        return tuple(map(tuple, points.tolist()))

    @cached_property
    def points(self) -> np.ndarray:
        """Valence and arousal of the stimuli, shape (trials, 2)."""
        return stimuli(self.trials, self.random_state) if self.meant is None else np.array(self.meant)

    @property
    def names(self) -> list[str]:
        """The subjects: ``s01``, ``s02`` and so on."""
        return numbered("s", self.subjects)

    @property
    def n_trials(self) -> int:
        """Trials per subject, all sessions together."""
        return self.sessions * self.trials

    def subject(self, index: int) -> Felt:
        """Return what subject number `index`, from 0, meets, feels and rates."""
        parts = [self._session(index, session) for session in range(self.sessions)]
        order, felt, noise = (np.concatenate(part) for part in zip(*parts, strict=True))
        noise = noise + self._bias(index)
        rated = dict(zip(("valence", "arousal"), (felt + noise).T, strict=True))
        rng = generator(self.random_state, "latent", "ratings", index)
        for name, (valence, arousal, sd) in _FURTHER.items():
            own, rest = _BIAS_SD * rng.standard_normal(), sd * rng.standard_normal(self.n_trials)
            rated[name] = felt @ [valence, arousal] + own + rest
        rng = generator(self.random_state, "latent", "intensity", index)
        strength = np.hypot(*felt.T) / math.sqrt(2) * (1 - _WEAKEST) + _WEAKEST
        return Felt(
            order,
            np.repeat(np.arange(self.sessions), self.trials),
            felt,
            {name: 5 + 4 * np.clip(values, -1, 1) for name, values in rated.items()},
            np.clip(strength + _INTENSITY_SD * rng.standard_normal(self.n_trials), _WEAKEST, 1),
            nearest(felt),
            nearest(self.points[order]),
        )

    def trials_of(self, source: str, wanted: set[str] | None = None) -> Iterator[tuple[int, int, dict, Felt]]:
        """Yield number of subject and of trial, both from 0, the metadata of a recording, and what was felt.

        The metadata name a trial ``s01-t01``, and ``s01-1-t01`` where there are several sessions.
        """
        stimulus, place = numbered("k", self.trials), numbered("t", self.trials)
        for index, subject in enumerate(self.names):
            if wanted is not None and subject not in wanted:
                continue
            felt = self.subject(index)
            for k, (which, session) in enumerate(zip(felt.order, felt.session + 1, strict=True)):
                stem = subject if self.sessions == 1 else f"{subject}-{session}"
                trial = f"{stem}-{place[k % self.trials]}"
                meta = {"source": source, "subject": subject, "session": str(session), "trial": trial}
                yield index, k, {**meta, "stimulus": stimulus[which], "recording": trial}, felt

    def _session(self, index: int, session: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return stimuli, felt emotion and noise of the ratings; the latter (trials, 2)."""
        rng = self._random(index, session)
        order = rng.permutation(self.trials)
        if not self.shuffled:
            order = np.arange(self.trials)
        meant = self.points[order]
        felt = np.clip(meant + _FELT_SD * rng.standard_normal(meant.shape), -1, 1)
        rng.standard_normal(2)  # the bias
        return order, felt, _RATING_SD * rng.standard_normal(meant.shape)

    def _bias(self, index: int) -> np.ndarray:
        rng = self._random(index, 0)
        rng.permutation(self.trials)
        rng.standard_normal((self.trials, 2))
        return _BIAS_SD * rng.standard_normal(2)

    def _random(self, index: int, session: int) -> np.random.Generator:
        # named after the first source that had them: published results hang on its numbers
        return generator(self.random_state, "simulated-eeg", "emotions", index, *([session] if session else []))


def shown(intensity: Any, effect: float = 1.0) -> np.ndarray:
    """Return how much of an emotion of some intensity is shown, 0 to 1.

    ``1 - (1 - intensity)^effect``: nothing at effect 0, the intensity at 1, more than it above, and never more than
    there is.
    """
    return 1 - (1 - np.asarray(intensity, dtype=float)) ** effect if effect else np.zeros(np.shape(intensity))


def stimuli(n: int, random_state: int) -> np.ndarray:
    """Return valence and arousal of `n` stimuli, spread over the plane and as independent as can be.

    Parameters
    ----------
    n : int
        Number of stimuli.
    random_state : int
        Seed.

    Returns
    -------
    ndarray, shape (n, 2)
        Each column holds the midpoints of `n` equal parts of -1 to 1, so that half of an even number are positive.
        Of many random pairings the one is taken in which signs, values and absolute values of the two are least
        related.
    """
    rng = generator(random_state, "simulated-eeg", "stimuli")
    level = (2 * np.arange(n) + 1) / n - 1
    valence = rng.permutation(level)
    arousal = rng.permuted(np.tile(level, (1000, 1)), axis=1)
    related = [
        np.abs((arousal @ valence) / max(level @ level, 1)),
        np.abs(np.sign(arousal) @ np.sign(valence)) / n,
        np.abs((np.abs(arousal) - np.abs(level).mean()) @ np.abs(valence)) / n,
    ]
    return np.c_[valence, arousal[np.sum(related, axis=0).argmin()]]


def numbered(letter: str, n: int) -> list[str]:
    """Return `n` names such as ``s01``, with as many digits as needed and two at least."""
    digits = max(2, len(str(n)))
    return [f"{letter}{i:0{digits}d}" for i in range(1, n + 1)]


def whole(name: str, value: Any, least: int) -> int:
    """Return `value` as a whole number, `least` or more, or say what is wrong with parameter `name`."""
    try:
        result = operator.index(value)
    except TypeError:
        result = least - 1
    if result < least:
        raise InputError(
            f"The simulation came with {name}={value!r}.", fits=f"a whole number, {least} or more", do=f"change {name}"
        )
    return result


def number(name: str, value: Any, least: float = 0.0, unit: str = "", most: float = math.inf) -> float:
    """Return `value` as a finite number between `least` and `most`, or say what is wrong with parameter `name`."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not (least <= result <= most and math.isfinite(result)):
        limits = f"{least:g} {unit}".rstrip() + (" or more" if most == math.inf else f" to {most:g}")
        raise InputError(f"The simulation came with {name}={value!r}.", fits=f"a number, {limits}", do=f"change {name}")
    return result


def known(kind: str, names: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """Return `names` as a list if each is one of `allowed`, or say which is not."""
    for name in names:
        if name not in allowed:
            raise InputError(
                f"There is no {kind} {name!r}.{near(name, allowed)}",
                fits=f"one of {', '.join(allowed)}",
                do="choose one of these",
            )
    return list(names)
