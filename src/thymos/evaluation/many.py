"""Fits that are walked side by side, so that those whose networks can train as one stack do.

A fit is a generator: whenever something has to be trained it yields :class:`Request` objects and is sent the trained
estimators. Requests of all fits that wait at the same moment are looked at together: pipelines whose last steps are
equal but for their seed, and which say that they train faster together, are handed to ``fit_many`` as one.
"""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from thymos.base.probabilities import predict_all
from thymos.base.samples import Samples

__all__ = ["Request", "Walk", "last_step", "predict_all", "transformers", "walk_together"]


@dataclass(frozen=True)
class Request:
    """One estimator to be trained.

    Parameters
    ----------
    estimator : scikit-learn estimator
        It stays as it is: a clone is trained.
    samples : Samples
        All of them.
    train, validation : ndarray of int
        Rows to train on, and those handed to a `fit` that takes ``validation``.
    key : str
        Metadata column whose values it keeps together where it splits its training part itself (``inner_split``).
    """

    estimator: Any
    samples: Samples
    train: np.ndarray
    validation: np.ndarray
    key: str = "trial"


@dataclass
class Walk:
    """One fit on its way.

    Parameters
    ----------
    steps : generator
        Yields sequences of :class:`Request`, is sent the trained estimators, returns the result.
    seconds : float
        Wall time spent on it; of what was trained as one stack, its share.
    warnings : list of str
    together : int
        Models of the last stack that it was part of; 1 for what was trained alone.
    """

    steps: Generator[Sequence[Request], list, Any]
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    together: int = 1
    waiting: Sequence[Request] = ()
    result: Any = None
    error: Exception | None = None
    done: bool = False

    def go_on(self, move: Callable[..., Sequence[Request]], *given: Any) -> None:
        """Take the next step of the generator, ``move(*given)``, and note what it wants, returns or raises."""
        with _watched([self]):
            try:
                self.waiting = move(*given)
            except StopIteration as end:
                self.result, self.done, self.waiting = end.value, True, ()
            except Exception as error:
                self.error, self.done, self.waiting = error, True, ()


def last_step(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def transformers(estimator: Any) -> list[Any]:
    """Return the transformers of a pipeline, which are those of its steps that predictions pass through."""
    steps = estimator.steps[:-1] if isinstance(estimator, Pipeline) else []
    return [s for _, s in steps if s not in (None, "passthrough") and not hasattr(s, "fit_resample")]


def walk_together(walks: Sequence[Walk]) -> None:
    """Walk fits to their ends; what one raises is noted on it and leaves the others alone."""
    for walk in walks:
        walk.go_on(next, walk.steps)
    while going := [walk for walk in walks if not walk.done]:
        answers = _train([(walk, request) for walk in going for request in walk.waiting])
        for walk in going:
            mine = [answers.pop(0) for _ in walk.waiting]
            failed = next((answer for answer in mine if isinstance(answer, Exception)), None)
            if failed is None:
                walk.go_on(walk.steps.send, mine)
            else:
                walk.go_on(walk.steps.throw, failed)


def _train(wanted: list[tuple[Walk, Request]]) -> list[Any]:
    """Return a trained estimator, or an exception, for each request."""
    answers: list[Any] = [None] * len(wanted)
    together: dict[str, list[int]] = {}
    for number, (_, request) in enumerate(wanted):
        last = last_step(request.estimator)
        if isinstance(request.estimator, Pipeline) and hasattr(last, "fit_many") and not last.alone():
            together.setdefault(_alike(last), []).append(number)
    for numbers in together.values():
        if len(numbers) > 1:
            made = _stacked([wanted[k] for k in numbers])
            for number, answer in zip(numbers, made, strict=True):
                answers[number] = answer
    for number, (walk, request) in enumerate(wanted):
        if answers[number] is None:
            answers[number] = _tried([walk], _fitted, request)
    return answers


def _stacked(wanted: list[tuple[Walk, Request]]) -> list[Any]:
    """Train the last steps of several pipelines as one; None for those that have to be trained alone after all."""
    made = [clone(request.estimator) for _, request in wanted]
    ready = [_tried([walk], _prepared, one, request) for one, (walk, request) in zip(made, wanted, strict=True)]
    good = [k for k, answer in enumerate(ready) if not isinstance(answer, Exception)]
    if not good:
        return ready
    lead, seeds = made[good[0]][-1], [made[k][-1].random_state for k in good]
    parts = [(*ready[k][:3], ready[k][4]) for k in good]  # samples, labels, validation part, metadata
    trained = _tried([wanted[k][0] for k in good], lead.fit_many, parts, seeds)
    answers: list[Any] = list(ready)
    for place, k in enumerate(good):
        if isinstance(trained, Exception):  # of one of them, or of stacking itself; alone, each says its own
            answers[k] = None
        else:
            wanted[k][0].together = len(good)
            made[k].steps[-1] = (made[k].steps[-1][0], trained[place])
            answers[k] = made[k]
    return answers


def _prepared(estimator: Any, request: Request) -> Any:
    return estimator.prepare(*_parts(request))


def _fitted(request: Request) -> Any:
    estimator = clone(request.estimator)
    X, y, validation = _parts(request)
    takes = inspect.signature(estimator.fit).parameters
    if "validation" not in takes:
        return estimator.fit(X.X, y)
    # Thymos' pipeline and networks; a plain scikit-learn estimator gets the bare array
    data = X if isinstance(estimator, Pipeline) else X.X
    handed: dict[str, Any] = {} if validation is None else {"validation": validation}
    if "meta" in takes:  # a pipeline has them in its samples
        handed["meta"] = X.meta
    if getattr(last_step(estimator), "inner_split", False):
        handed["groups"] = request.key if isinstance(estimator, Pipeline) else X.meta[request.key].to_numpy()
    return estimator.fit(data, y, **handed)


def _parts(request: Request) -> tuple[Samples, np.ndarray, Samples | None]:
    """Return training samples, their labels and the validation part, if there is one."""
    part = request.samples[request.train]
    return part, part.y, request.samples[request.validation] if len(request.validation) else None


def _alike(last: Any) -> str:
    """Return what models that train together have in common."""
    parameters = {k: v for k, v in last.get_params().items() if k != "random_state"}
    return f"{type(last).__module__}.{type(last).__qualname__} {parameters!r}"


def _tried(walks: Sequence[Walk], call: Callable[..., Any], *given: Any) -> Any:
    """Return what a call returns or raises; its time and warnings are put down to the walks it was made for."""
    with _watched(walks):
        try:
            return call(*given)
        except Exception as error:
            return error


@contextmanager
def _watched(walks: Sequence[Walk]) -> Any:
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    words = [f"{w.category.__name__}: {str(w.message).splitlines()[0]}" for w in caught]
    for walk in walks:
        walk.seconds += (time.perf_counter() - begin) / len(walks)
        walk.warnings += words
