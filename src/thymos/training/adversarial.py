"""The adversarial loop, once: a generator against a critic, for whatever they draw and judge.

A method says what its two losses are (:class:`Game`); the loop takes the steps, averages the generator, watches for
collapse, keeps the best state and goes on where a killed one stopped.
"""

from __future__ import annotations

import abc
import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.training.estimator import fast_in_half, reproducible
from thymos.training.states import resume, save_state

__all__ = ["Game", "Schedule", "Trained", "gradient_penalty", "train_adversarial"]

_COLLAPSED, _PATIENCE = 0.05, 3


class Game(abc.ABC):
    """What two networks play for.

    Attributes
    ----------
    generator, critic : Module
    n_samples : int
        Real samples, which are drawn by their numbers.
    """

    generator: nn.Module
    critic: nn.Module

    if TYPE_CHECKING:  # of some it changes

        @property
        def n_samples(self) -> int: ...

    @abc.abstractmethod
    def critic_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return what the critic minimises on real samples `rows`, and facts for the history.

        Parameters
        ----------
        rows : Tensor of int, shape (batch,)
        progress : float
            Share of the generator's steps that are done, 0 to 1.
        rng : Generator
            On the processor; the only source of random numbers.
        """

    @abc.abstractmethod
    def generator_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return what the generator minimises; arguments as :meth:`critic_loss`."""

    def judge(self, generator: nn.Module) -> dict[str, float]:
        """Return how good a generator is: ``score``, lower is better, and ``diversity`` relative to real samples.

        By default nothing is judged: the last state is kept, and only values that are not finite stop the loop.
        """
        return {}


@dataclass(frozen=True)
class Schedule:
    """How a game is played.

    Parameters
    ----------
    steps, critic_steps : int
        Steps of the generator, and of the critic before each of them.
    batch_size : int
    lr : float
        Learning rate of both Adams, or of the generator's.
    betas : (float, float)
    average : float
        Decay of the moving average of the generator's weights, smaller at first (``(1 + n) / (10 + n)``).
    judge_every : int
        Steps between judgements, and between states that are kept for a restart.
    critic_lr : float, optional
        Learning rate of the critic's Adam, where it is another.
    amp : bool
        Losses are computed in bfloat16 on devices that are fast at it.
    """

    steps: int = 8000
    critic_steps: int = 5
    batch_size: int = 64
    lr: float = 1e-4
    betas: tuple[float, float] = (0.0, 0.9)
    average: float = 0.999
    judge_every: int = 200
    critic_lr: float | None = None
    amp: bool = False

    def __post_init__(self):
        for name in ("steps", "critic_steps", "batch_size", "judge_every"):
            check_whole(name, getattr(self, name))
        rates = (self.lr, self.lr if self.critic_lr is None else self.critic_lr)
        if not all(isinstance(r, (int, float)) and 0 < r < np.inf for r in rates) or not 0 <= self.average < 1:
            raise InputError(
                f"lr={self.lr!r}, critic_lr={self.critic_lr!r} and average={self.average!r} came.",
                "positive numbers; 0 to below 1",
            )


@dataclass
class Trained:
    """What the loop leaves behind.

    Parameters
    ----------
    generator, critic : Module
        In evaluation mode; the generator's weights are the averaged ones of the best judgement.
    history : list of dict
        One entry for each judgement.
    best_step : int
        0 if no judgement found a generator that could be kept.
    stopped : str
        Why it ended before its time; empty if it did not.
    """

    generator: nn.Module
    critic: nn.Module
    history: list[dict[str, float]] = field(default_factory=list)
    best_step: int = 0
    stopped: str = ""


def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, made: torch.Tensor, rng: torch.Generator
) -> torch.Tensor:
    """Return the mean of ``(|gradient| - 1) ** 2`` between real and generated samples.

    Parameters
    ----------
    critic : callable
        From samples to scores, shape (batch,), each of which depends on its own sample alone.
    real, made : Tensor, shape (batch, ...)
        Pairs of samples, on the straight line between which the gradient is taken.
    rng : Generator
        On the processor.

    Notes
    -----
    I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin, A. Courville: Improved training of Wasserstein GANs. NeurIPS
    2017, equation 3.
    """
    share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=rng).to(real)
    between = (share * real + (1 - share) * made).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def train_adversarial(
    game: Game, schedule: Schedule, seed: int, device: str = "cpu", deterministic: bool = True, kept: Path | None = None
) -> Trained:
    """Play a game.

    Parameters
    ----------
    game : Game
        Its networks are trained in place.
    schedule : Schedule
    seed : int
    device : str
    deterministic : bool
        Deterministic kernels.
    kept : path, optional
        Where the state is kept at each judgement. If a state is there, the loop goes on from it; a finished one is
        returned at once. Results are the same either way.
    """
    with reproducible(seed, device, deterministic):
        loop = _Loop(game, schedule, seed, device)
        resume(loop, kept)
        begin = time.perf_counter()
        while not loop.done:
            loop.step()
            if loop.number % schedule.judge_every == 0 or loop.done:
                loop.judge(time.perf_counter() - begin)
                begin = time.perf_counter()
                if kept is not None:
                    save_state(kept, loop.state())
        return loop.finish()


class _Loop:
    """Networks, optimisers and random numbers of a game, and how far it is."""

    def __init__(self, game: Game, schedule: Schedule, seed: int, device: str):
        self.game, self.schedule = game, schedule
        self.cast = torch.autocast(device.split(":")[0], torch.bfloat16, schedule.amp and fast_in_half(device))
        self.rng = torch.Generator()
        self.rng.manual_seed(seed)
        self.averaged = AveragedModel(game.generator, multi_avg_fn=_averaging(schedule.average), use_buffers=True)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), lr=rate, betas=(schedule.betas[0], schedule.betas[1]))
            for network, rate in ((game.critic, schedule.critic_lr or schedule.lr), (game.generator, schedule.lr))
        ]
        self.number, self.stopped = 0, ""
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {"score": np.inf, "step": 0, "weights": None, "critic": None}
        self.sums: dict[str, float] = {}
        self.since, self.poor = 0, 0

    @property
    def done(self) -> bool:
        return bool(self.stopped) or self.number >= self.schedule.steps

    def step(self) -> None:
        """Take the critic's steps and one of the generator."""
        game, progress = self.game, self.number / self.schedule.steps
        game.critic.train()
        game.generator.train()
        turns = [(game.critic_loss, 0)] * self.schedule.critic_steps + [(game.generator_loss, 1)]
        for loss_of, who in turns:
            rows = torch.randint(game.n_samples, (self.schedule.batch_size,), generator=self.rng)
            game.critic.requires_grad_(who == 0)  # the generator's step needs no gradient of the critic's weights
            with self.cast:
                loss, facts = loss_of(rows, progress, self.rng)
            if not torch.isfinite(loss):
                self.stopped = f"the {'generator' if who else 'critic'}'s loss was not finite"
                return
            self.optimisers[who].zero_grad()
            loss.backward()
            self.optimisers[who].step()
            share = 1 if who else 1 / self.schedule.critic_steps
            for name, value in facts.items():
                self.sums[name] = self.sums.get(name, 0.0) + share * float(value.detach())
        game.critic.requires_grad_(True)
        self.averaged.update_parameters(game.generator)
        self.number += 1
        self.since += 1

    @torch.no_grad()
    def judge(self, seconds: float) -> None:
        """Judge the averaged generator, and keep it if it is the best."""
        self.game.critic.eval()
        generator = self.averaged.module.eval()
        words = {name: total / max(1, self.since) for name, total in self.sums.items()}
        judged = {} if self.stopped else self.game.judge(generator)
        self.history.append({"step": self.number, **words, **judged, "seconds": seconds})
        self.sums, self.since = {}, 0
        score = judged.get("score", -self.number)  # unjudged, the last is kept
        poor = judged.get("diversity", 1.0) < _COLLAPSED
        if not (self.stopped or poor) and (score < self.best["score"] or self.best["weights"] is None):
            weights, critic = (copy.deepcopy(n.state_dict()) for n in (generator, self.game.critic))
            self.best = {"score": float(score), "step": self.number, "weights": weights, "critic": critic}
        self.poor = self.poor + 1 if poor else 0
        if self.poor == _PATIENCE:
            self.stopped = f"generated samples differed by less than {_COLLAPSED:.0%} of what real ones do"

    def state(self) -> dict[str, Any]:
        """Return all that the loop needs to go on."""
        return {
            "number": self.number,
            "history": self.history,
            "stopped": self.stopped,
            "best": self.best,
            "poor": self.poor,
            "rng": self.rng.get_state(),
            "global": torch.get_rng_state(),
            "networks": [n.state_dict() for n in (self.game.critic, self.game.generator, self.averaged)],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        for name in ("number", "history", "stopped", "best", "poor"):
            setattr(self, name, state[name])
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["global"])
        networks = self.game.critic, self.game.generator, self.averaged
        for network, weights in zip(networks, state["networks"], strict=True):
            network.load_state_dict(weights)
        for optimiser, own in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)

    def finish(self) -> Trained:
        """Return the networks with the best weights."""
        generator, critic = self.averaged.module, self.game.critic
        if self.best["weights"] is not None:
            generator.load_state_dict(self.best["weights"])
            critic.load_state_dict(self.best["critic"])
        critic.requires_grad_(True)
        return Trained(generator.eval(), critic.eval(), self.history, self.best["step"], self.stopped)


def _averaging(decay: float) -> Callable:
    """Return a moving average that forgets the first, untrained weights at once and not after a thousand steps."""

    @torch.no_grad()
    def average(kept: list[torch.Tensor], new: list[torch.Tensor], count: torch.Tensor) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for old, value in zip(kept, new, strict=True):
            old.lerp_(value.to(old), share) if old.is_floating_point() else old.copy_(value)

    return average
