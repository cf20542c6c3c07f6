"""Parameters of a method, chosen inside the training part of a fold (methods A4, rule iii)."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ParameterSampler
from sklearn.pipeline import Pipeline

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.base.samples import Samples
from thymos.evaluation.many import Request, last_step, predict_all
from thymos.evaluation.metrics import log_loss
from thymos.evaluation.protocol import Fold

__all__ = ["SAMPLERS", "Chosen", "Range", "Search", "choose"]

#: What may propose the parameters of a search.
SAMPLERS = ("random", "optuna")


@dataclass(frozen=True)
class Range:
    """Numbers to choose from.

    Parameters
    ----------
    low, high : int or float
        Ends, both included; two whole numbers give whole numbers.
    log : bool
        Equal chances for equal ratios.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self):
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high and (self.low > 0 or not self.log)):
            raise InputError(
                f"A range from {self.low} to {self.high}{' (log)' if self.log else ''} came.",
                fits="low below high, finite, and above 0 for log",
            )

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def rvs(self, size: Any = None, random_state: Any = None) -> float:
        """Draw one number, as scikit-learn asks distributions to."""
        share = random_state.random_sample()
        low, high = (self.low, self.high + 1) if self.whole else (self.low, self.high)
        value = low * (high / low) ** share if self.log else low + (high - low) * share
        return min(int(value), int(self.high)) if self.whole else float(value)


@dataclass(frozen=True)
class Search:
    """A search through a space of parameters.

    Parameters
    ----------
    space : mapping of str to Range or sequence
        Parameter of the pipeline to the numbers, or the values, to choose from.
    trials : int
        Sets of parameters that are tried.
    sampler : {'random', 'optuna'}
        Independent draws (Bergstra & Bengio 2012), or Optuna's tree-structured Parzen estimator, which learns from
        the trials before (Bergstra et al. 2011); it is in the extra ``tuning``.
    seed : int
    """

    space: Mapping[str, Range | Sequence[Any]]
    trials: int = 20
    sampler: str = "random"
    seed: int = 0

    def __post_init__(self):
        if self.sampler not in SAMPLERS:
            raise InputError(f"sampler={self.sampler!r} came.{near(self.sampler, SAMPLERS)}", ", ".join(SAMPLERS))
        seeds = [name for name in self.space if name.split("__")[-1] == "random_state"]
        if seeds:
            raise InputError(f"{seeds[0]} was to be searched.", "parameters that mean something: a seed is no choice")
        if not self.space or self.trials < 1:
            raise InputError(
                f"A search of {self.trials} trials in {len(self.space)} parameters came.", "at least one of each"
            )

    def proposals(self) -> Generator[Mapping[str, Any], float, None]:
        """Yield sets of parameters; each is answered with its loss."""
        if self.sampler == "optuna":
            yield from self._learnt()
        else:
            with warnings.catch_warnings():  # a small grid has fewer sets than trials were asked for
                warnings.simplefilter("ignore", UserWarning)
                drawn = list(ParameterSampler(dict(self.space), self.trials, random_state=self.seed % 2**32))
            yield from _listed(drawn)

    def _learnt(self) -> Generator[dict[str, Any], float, None]:
        optuna = require("optuna", "tuning")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.seed % 2**32))
        for _ in range(self.trials):
            trial = study.ask()
            loss = yield {name: _suggested(trial, name, values) for name, values in self.space.items()}
            if np.isfinite(loss):
                study.tell(trial, loss)
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _suggested(trial: Any, name: str, values: Range | Sequence[Any]) -> Any:
    if not isinstance(values, Range):  # by number, because values may be lists, which Optuna does not store
        return values[trial.suggest_categorical(name, list(range(len(values))))]
    suggest = trial.suggest_int if values.whole else trial.suggest_float
    return suggest(name, values.low, values.high, log=values.log)


@dataclass(frozen=True)
class Chosen:
    """An estimator with its parameters, and the rows it is to be trained on.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Not fitted.
    train, validation : ndarray of int
        Row numbers.
    words : str
        What was chosen and how; empty if nothing was.
    """

    estimator: Any
    train: np.ndarray
    validation: np.ndarray
    words: str = ""


def choose(
    estimator: Any, samples: Samples, fold: Fold, classes: list[str], grid: Sequence[Mapping[str, Any]] | Search
) -> Generator[Sequence[Request], list, Chosen]:
    """Choose the parameters with the lowest loss on the inner folds, or on the validation part where there are none.

    A generator of requests, see :mod:`thymos.evaluation.many`. After a choice on inner folds, an estimator that counts
    its epochs is trained for the median of the inner folds' best epochs on everything outside the test part. Without a
    part to choose on, or anything to choose, the estimator stays as it is.

    Raises
    ------
    InputError
        If no set of parameters has a finite loss.
    """
    pairs = fold.inner or (((fold.train, fold.validation),) if len(fold.validation) else ())
    by_epochs = bool(fold.inner) and {"max_epochs", "patience"} <= set(last_step(estimator).get_params())
    if not pairs or (not grid and not by_epochs):
        return Chosen(estimator, fold.train, fold.validation)
    tried, losses, epochs, failure = [], [], [], None
    proposals = grid.proposals() if isinstance(grid, Search) else _listed(grid)
    parameters: Mapping[str, Any] | None = next(proposals)
    while parameters is not None:
        candidate = clone(estimator).set_params(**parameters)
        tried.append(parameters)
        try:
            fits = yield [Request(candidate, samples, train, held, fold.key) for train, held in pairs]
        except InputError as error:  # what diverges, or cannot be, loses
            failure, scores, best = error, [np.inf], [0]
        else:
            scores = [_loss(f, samples[held], classes) for f, (_, held) in zip(fits, pairs, strict=True)]
            best = [getattr(last_step(f), "best_epoch_", 0) for f in fits]
        losses.append(float(np.mean(scores)))
        epochs.append(int(np.median(best)))
        try:
            parameters = proposals.send(losses[-1])
        except StopIteration:
            parameters = None
    finite = np.where(np.isfinite(losses), losses, np.inf)
    if np.isinf(finite).all():
        raise failure or InputError(
            "No set of parameters of the grid has a finite loss.", fits="at least one that can be trained"
        )
    chosen = int(np.argmin(finite))
    where = f"{len(pairs)} inner folds" if fold.inner else "the validation part"
    drawn = isinstance(grid, Search)  # numbers that nobody wrote down have many digits
    words = [f"{name}={f'{v:.4g}' if drawn and type(v) is float else v}" for name, v in tried[chosen].items()]
    if isinstance(grid, Search):
        where += f", {len(tried)} sets tried ({grid.sampler})"
    estimator = clone(estimator).set_params(**tried[chosen])
    if not by_epochs:
        return Chosen(estimator, fold.train, fold.validation, f"{', '.join(words)} by the lowest loss on {where}")
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    estimator.set_params(**{f"{prefix}max_epochs": max(1, epochs[chosen]), f"{prefix}patience": None})
    everything = np.unique(np.concatenate([rows for pair in pairs for rows in pair]))
    words.append(f"max_epochs={max(1, epochs[chosen])}")
    return Chosen(estimator, everything, everything[:0], f"{', '.join(words)} by the lowest loss on {where}")


def _listed(grid: Sequence[Mapping[str, Any]]) -> Generator[Mapping[str, Any], float, None]:
    for parameters in grid or ({},):
        yield dict(parameters)


def _loss(estimator: Any, held: Samples, classes: list[str]) -> float:
    """Return log-loss, or root mean squared error of ratings."""
    predicted = predict_all(estimator, held, classes)
    if not classes:
        return float(np.sqrt(np.mean((held.y - predicted) ** 2)))
    codes = np.array([classes.index(str(label)) for label in held.y])
    return log_loss(codes, predicted)
