"""The search loop, once: weights of a network and weights of its architecture, learnt in turns on disjoint parts.

Several searches of equal shape are done at once: the model is the first axis of every parameter, so that the sum of
the losses gives each its own gradient. The loop knows no operation: it is handed a network, the weights of its
architecture and what counts as a collapsed one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.training.estimator import reproducible
from thymos.training.states import resume, save_state

__all__ = ["Found", "Part", "SearchSchedule", "dominant_eigenvalue", "search"]

_Table = TypeVar("_Table", bound=nn.Module)

_STOP, _WINDOW = 0.75, 5  # of the guard of Zela et al. (2020): ratio of eigenvalues, and epochs apart
_DIFFERENCE = 1e-2  # step of the finite difference, relative to the direction
_GUARDED = 256  # samples that the eigenvalue is of, at most


@dataclass(frozen=True)
class SearchSchedule:
    """How a search is done (methods B1.5).

    Parameters
    ----------
    epochs, warmup : int
        Epochs, and how many of them leave the architecture alone.
    batch_size : int
    lr, lr_least, momentum, weight_decay, clip : float
        Of the network's stochastic gradient descent; the rate falls along half a cosine.
    architecture_lr, architecture_decay : float
        Of the architecture's Adam, whose moments decay with 0.5 and 0.999.
    prior : float
        Weight of the squared distance to the architecture that the search begins with.
    cost : float
        Weight of the expected cost of the operations.
    guard_every : int
        Epochs between two eigenvalues; 0 for none.
    power_steps : int
        Steps of the power iteration.

    Raises
    ------
    InputError
        If a number does not fit.
    """

    epochs: int = 30
    warmup: int = 5
    batch_size: int = 64
    lr: float = 0.01
    lr_least: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    architecture_lr: float = 3e-4
    architecture_decay: float = 1e-3
    prior: float = 0.0
    cost: float = 0.0
    guard_every: int = 1
    power_steps: int = 10

    def __post_init__(self):
        least = {"epochs": 1, "warmup": 0, "batch_size": 1, "guard_every": 0, "power_steps": 1}
        for name, low in least.items():
            check_whole(name, getattr(self, name), low)
        for name in ("lr", "lr_least", "clip", "architecture_lr"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0 < value < np.inf):
                raise InputError(f"{name}={value!r} came.", fits="a positive number")
        for name in ("momentum", "weight_decay", "architecture_decay", "prior", "cost"):
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and 0 <= value < np.inf):
                raise InputError(f"{name}={value!r} came.", fits="0 or a positive number")

    def beta(self, epoch: int) -> float:
        """Return the weight of the auxiliary skip connections in an epoch, counted from 1: 1 at first, 0 at last."""
        return 1 - (epoch - 1) / (self.epochs - 1) if self.epochs > 1 else 0.0

    def rate(self, epoch: int) -> float:
        """Return the network's learning rate in an epoch, counted from 1."""
        share = (epoch - 1) / max(1, self.epochs - 1)
        return self.lr_least + (self.lr - self.lr_least) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Part:
    """What one search learns from.

    Parameters
    ----------
    X, y : ndarray, shape (n_samples, ...) and (n_samples,)
        Samples that the network's weights are learnt on; labels as whole numbers from 0 on.
    held_X, held_y : ndarray
        Samples that the architecture is learnt on.
    seed : int
        Of the order of samples.
    weight : ndarray, shape (n_samples,), optional
        Of each sample in the loss; 1 by default.
    """

    X: np.ndarray
    y: np.ndarray
    held_X: np.ndarray
    held_y: np.ndarray
    seed: int
    weight: np.ndarray | None = None

    def steps(self, batch_size: int) -> tuple[int, int, int]:
        """Return steps of an epoch, and the sizes of both batches."""
        size = min(batch_size, len(self.X))
        return math.ceil(len(self.X) / size), size, min(batch_size, len(self.held_X))


@dataclass
class Found:
    """What one search found.

    Parameters
    ----------
    architecture : dict of str to Tensor
        Its state, of one model.
    weights : dict of str to Tensor
        State of the network after the last epoch that it learnt, of one model: at most five after `epoch`.
    epoch : int
        Epoch whose architecture it is; 0 for that which the search began with.
    stopped : str
        Which guard ended it before its time; empty if none did.
    history : list of dict
        Losses, accuracy on the held samples, ``beta``, ``eigenvalue`` (its dominant one of the architecture's Hessian)
        and ``skips`` of each epoch.
    """

    architecture: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]
    epoch: int = 0
    stopped: str = ""
    history: list[dict[str, float]] = field(default_factory=list)


def search(
    network: nn.Module,
    architecture: _Table,
    parts: Sequence[Part],
    schedule: SearchSchedule,
    collapsed: Callable[[_Table], Sequence[int]],
    costs: Callable[[_Table], torch.Tensor] | None = None,
    device: str = "cpu",
    deterministic: bool = True,
    kept: Path | None = None,
    watch: Callable[[int, _Table], None] | None = None,
) -> list[Found]:
    """Search, for all parts at once.

    Parameters
    ----------
    network : Module
        ``network(x, architecture, beta)`` returns logits (n_models, batch, n_classes) of samples (n_models, batch,
        ...). The first axis of every parameter and buffer holds the models, one after the other.
    architecture : Module
        Likewise; what the samples held back teach.
    parts : sequence of Part
        One for each model; their epochs must have equally many steps of equal size.
    schedule : SearchSchedule
    collapsed : callable
        Returns for each model how many edges of its discrete network let everything through. A search is stopped when
        these are two or more, and more than at the end of the warm-up (Liang et al. 2019).
    costs : callable, optional
        Returns the expected cost of each model's architecture, shape (n_models,), differentiable.
    device : str
    deterministic : bool
    kept : path, optional
        Where the state is kept after every epoch; a search goes on from it.
    watch : callable, optional
        Called after every epoch with its number and the architecture.

    Notes
    -----
    H. Liu, K. Simonyan, Y. Yang: DARTS. ICLR 2019, first-order approximation; X. Chu et al.: DARTS-. ICLR 2021, for
    the auxiliary skip connection; A. Zela et al.: Understanding and robustifying differentiable architecture search.
    ICLR 2020, section 5, for the eigenvalue.
    """
    if len({part.steps(schedule.batch_size) for part in parts}) != 1:
        raise InputError("Searches with epochs of different lengths came.", fits="equally many samples in each part")
    with reproducible(parts[0].seed, device, deterministic):
        loop = _Search(network.to(device), architecture.to(device), parts, schedule, device)
        if not schedule.warmup:  # a search that goes on from another may begin with skip connections
            loop.allowed = list(collapsed(architecture))
        resume(loop, kept)
        while not loop.done:
            loop.learn(costs)
            loop.look(collapsed)
            if watch is not None:
                watch(loop.epoch, architecture)
            if kept is not None:
                save_state(kept, loop.state())
        return loop.finish()


class _Search:
    """Networks, architectures, optimisers and random numbers, and how far the search is."""

    def __init__(
        self, network: nn.Module, architecture: nn.Module, parts: Sequence[Part], schedule: SearchSchedule, device: str
    ):
        self.network, self.architecture, self.parts, self.schedule = network, architecture, parts, schedule
        self.device, self.count = device, len(parts)
        self.data = [_joined([getattr(p, name) for p in parts], device) for name in ("X", "y", "held_X", "held_y")]
        weights = [np.ones(len(p.X)) if p.weight is None else np.asarray(p.weight) for p in parts]
        self.weights = _joined(weights, device).float()
        self.firsts = [np.cumsum([0, *(len(getattr(p, name)) for p in parts)])[:-1] for name in ("X", "held_X")]
        self.rngs = []
        for part in parts:
            self.rngs.append(torch.Generator())
            self.rngs[-1].manual_seed(part.seed)
        self.begin = {k: v.detach().clone() for k, v in architecture.state_dict().items()}
        self.optimiser = torch.optim.SGD(
            network.parameters(), schedule.lr, schedule.momentum, weight_decay=schedule.weight_decay
        )
        self.other = torch.optim.Adam(
            architecture.parameters(),
            schedule.architecture_lr,
            (0.5, 0.999),
            weight_decay=schedule.architecture_decay,
        )
        self.epoch = 0
        self.history: list[list[dict[str, float]]] = [[] for _ in parts]
        self.found = [0] * self.count  # epoch whose architecture is taken
        self.stopped = [""] * self.count
        self.allowed = [0] * self.count  # skip connections that were there at the start
        self.past = [self._copy()]  # architectures after each epoch
        self.left: dict[int, dict[str, torch.Tensor]] = {}  # weights of the models that a guard stopped
        self.sound = self._state()  # of the networks after the epoch before

    @property
    def done(self) -> bool:
        return self.epoch >= self.schedule.epochs or all(self.stopped)

    def learn(self, costs: Callable | None) -> None:
        """Take the steps of an epoch: the architecture on held samples, then the network on the others."""
        self.epoch += 1
        begin, schedule = time.perf_counter(), self.schedule
        beta = schedule.beta(self.epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.rate(self.epoch)
        steps, size, held = self.parts[0].steps(schedule.batch_size)
        orders = [self._order(0, steps, size), self._order(1, steps, held)]
        total = torch.zeros(2, self.count, device=self.device)
        self.network.train()
        for ours, theirs in zip(orders[0], orders[1], strict=True):
            if self.epoch > schedule.warmup:
                loss = self.losses(2, theirs, beta)
                total[1] += loss.detach()
                if schedule.prior:
                    loss = loss + schedule.prior * self._away()
                if costs is not None and schedule.cost:
                    loss = loss + schedule.cost * costs(self.architecture)
                self._step(self.other, self.architecture, loss, None)
            loss = self.losses(0, ours, beta)
            total[0] += loss.detach()
            self._step(self.optimiser, self.network, loss, schedule.clip)
        seconds = (time.perf_counter() - begin) / self.count
        for own, stopped, (train, other) in zip(self.history, self.stopped, (total / steps).T.tolist(), strict=True):
            if stopped:  # it goes on being computed with the others of its stack, which is nobody's business
                continue
            words = {"epoch": self.epoch, "train_loss": train, "beta": beta, "seconds": seconds}
            own.append(words | ({"architecture_loss": other} if self.epoch > schedule.warmup else {}))

    def look(self, collapsed: Callable) -> None:
        """Judge each search on its held samples, and see whether a guard stops it."""
        schedule = self.schedule
        loss, accuracy = self._judged()
        skips = list(collapsed(self.architecture))
        values = None
        guarded = schedule.guard_every and self.epoch > schedule.warmup
        if guarded and (self.epoch - schedule.warmup) % schedule.guard_every == 0:
            values = self.eigenvalues()
        self.past.append(self._copy())
        for model, own in enumerate(self.history):
            if self.stopped[model]:
                continue
            own[-1] |= {"valid_loss": loss[model], "valid_accuracy": accuracy[model], "skips": float(skips[model])}
            if values is not None:
                own[-1]["eigenvalue"] = values[model]
            self.found[model] = self.epoch
            if not np.isfinite([own[-1]["train_loss"], loss[model]]).all():  # the last step shows in the second alone
                self.stopped[model], self.found[model] = "the loss was not finite", self.epoch - 1
                self.left[model] = self._weights(model, self.sound)
                continue
            if self.epoch > schedule.warmup:
                self._guard(model, own)
            if self.stopped[model]:
                self.left[model] = self._weights(model)
        self.sound = self._state()

    def _guard(self, model: int, own: list[dict[str, float]]) -> None:
        allowed = own[self.schedule.warmup - 1]["skips"] if self.schedule.warmup else self.allowed[model]
        if own[-1]["skips"] >= 2 and own[-1]["skips"] > allowed:
            self.stopped[model] = f"{own[-1]['skips']:.0f} edges of the normal cell were skip connections"
            self.found[model] = self.epoch - 1
            return
        now, before = (_smoothed(own, epoch) for epoch in (self.epoch, self.epoch - _WINDOW))
        if now and before and "eigenvalue" in own[-1] and before / now < _STOP:
            self.stopped[model] = f"the dominant eigenvalue rose from {before:.3g} to {now:.3g} in {_WINDOW} epochs"
            self.found[model] = self.epoch - _WINDOW

    def losses(self, part: int, rows: torch.Tensor, beta: float, weight: torch.Tensor | None = None) -> torch.Tensor:
        """Return the loss of each model on rows of the data, shape (n_models, batch).

        Rows count what `weight`, of the same shape, says; by default those for the network what their part says.
        """
        X, y = self.data[part], self.data[part + 1]
        flat = rows.flatten()
        logits = self.network(X.index_select(0, flat).unflatten(0, rows.shape), self.architecture, beta)
        loss = functional.cross_entropy(logits.flatten(0, 1), y[flat], reduction="none").view(rows.shape)
        if part and weight is None:
            return loss.mean(dim=1)
        weight = self.weights[flat].view(rows.shape) if weight is None else weight
        return (loss * weight).sum(dim=1) / weight.sum(dim=1)

    def eigenvalues(self) -> list[float]:
        """Return the dominant eigenvalue of each model's architecture on held samples, the network as it predicts."""
        self.network.eval()
        sizes = [len(p.held_X) for p in self.parts]
        counts = [min(_GUARDED, n) for n in sizes]
        numbers = torch.arange(max(counts))
        # evenly spaced samples of each; where others have more, the last again, which does not count
        places = [numbers.clamp(max=count - 1) * n // count for n, count in zip(sizes, counts, strict=True)]
        rows = torch.stack([own + f for own, f in zip(places, self.firsts[1], strict=True)]).to(self.device)
        there = torch.stack([(numbers < count).float() for count in counts]).to(self.device)
        parameters = list(self.architecture.parameters())
        seeds = [part.seed + self.epoch for part in self.parts]
        beta = self.schedule.beta(self.epoch)
        return dominant_eigenvalue(
            lambda: self.losses(2, rows, beta, there), parameters, self.count, self.schedule.power_steps, seeds
        )

    @torch.no_grad()
    def _judged(self) -> tuple[list[float], list[float]]:
        """Return loss and accuracy of each model on all its held samples."""
        self.network.eval()
        counts = [len(p.held_X) for p in self.parts]
        total, right = torch.zeros(2, self.count, device=self.device)
        size = self.schedule.batch_size
        for start in range(0, max(counts), size):
            numbers = torch.arange(start, min(start + size, max(counts)))
            rows = torch.stack([numbers.clamp(max=n - 1) + f for n, f in zip(counts, self.firsts[1], strict=True)])
            there = torch.stack([(numbers < n).float() for n in counts]).to(self.device)
            rows = rows.to(self.device)
            x, y = self.data[2][rows], self.data[3][rows]
            logits = self.network(x, self.architecture, self.schedule.beta(self.epoch))
            loss = functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(rows.shape)
            total += (loss * there).sum(dim=1)
            right += ((logits.argmax(dim=2) == y) * there).sum(dim=1)
        n = torch.tensor(counts)
        return (total.cpu() / n).tolist(), (right.cpu() / n).tolist()

    def _order(self, which: int, steps: int, size: int) -> torch.Tensor:
        """Return the rows of an epoch's batches, (steps, n_models, size), each model's from its own generator."""
        orders = []
        for part, first, rng in zip(self.parts, self.firsts[which], self.rngs, strict=True):
            n = len((part.X, part.held_X)[which])
            rounds = [torch.randperm(n, generator=rng) for _ in range(math.ceil(steps * size / n))]
            orders.append((torch.cat(rounds)[: steps * size] + first).view(steps, size))
        return torch.stack(orders, dim=1).to(self.device)

    def _step(
        self, optimiser: torch.optim.Optimizer, module: nn.Module, loss: torch.Tensor, clip: float | None
    ) -> None:
        parameters = list(module.parameters())
        gradients = torch.autograd.grad(loss.sum(), parameters, allow_unused=True)
        if clip is not None:
            norm = torch.sqrt(_sum(g.reshape(self.count, -1).square().sum(1) for g in gradients if g is not None))
            scale = (clip / (norm + 1e-6)).clamp(max=1.0)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None and clip is not None:
                gradient = (gradient.reshape(self.count, -1) * scale[:, None]).view_as(gradient)
            parameter.grad = gradient
        optimiser.step()

    def _away(self) -> torch.Tensor:
        """Return each model's squared distance from the architecture that it began with."""
        named = self.architecture.named_parameters()
        return _sum((v - self.begin[k]).square().reshape(self.count, -1).sum(dim=1) for k, v in named)

    def _copy(self) -> dict[str, torch.Tensor]:
        return {k: v.detach().cpu().clone() for k, v in self.architecture.state_dict().items()}

    def _state(self) -> dict[str, torch.Tensor]:
        return {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def _weights(self, model: int, state: Mapping[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
        """Return the state of one model's network, as it is now or was."""
        state = self.network.state_dict() if state is None else state
        return {k: v.chunk(self.count)[model].detach().cpu().clone() for k, v in state.items()}

    def state(self) -> dict[str, Any]:
        """Return all that the search needs to go on."""
        return {
            "numbers": {name: copy.deepcopy(getattr(self, name)) for name in _NUMBERS},
            "rngs": [rng.get_state() for rng in self.rngs],
            "global": torch.get_rng_state(),
            "modules": [module.state_dict() for module in (self.network, self.architecture)],
            "optimisers": [optimiser.state_dict() for optimiser in (self.optimiser, self.other)],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        for name, value in state["numbers"].items():
            setattr(self, name, value)
        for rng, value in zip(self.rngs, state["rngs"], strict=True):
            rng.set_state(value)
        torch.set_rng_state(state["global"])
        for module, value in zip((self.network, self.architecture), state["modules"], strict=True):
            module.load_state_dict(value)
        for optimiser, value in zip((self.optimiser, self.other), state["optimisers"], strict=True):
            optimiser.load_state_dict(value)
        self.sound = self._state()

    def finish(self) -> list[Found]:
        """Return what was found for each part."""
        return [
            Found(
                {k: v.chunk(self.count)[model].clone() for k, v in self.past[epoch].items()},
                self.left.get(model) or self._weights(model),
                epoch,
                self.stopped[model],
                self.history[model],
            )
            for model, epoch in enumerate(self.found)
        ]


_NUMBERS = ("epoch", "history", "found", "stopped", "past", "allowed", "left")


def dominant_eigenvalue(
    losses: Callable[[], torch.Tensor],
    parameters: Sequence[torch.Tensor],
    count: int,
    steps: int,
    seeds: Sequence[int],
) -> list[float]:
    """Return the eigenvalue of largest size of the Hessian of each model's loss.

    Parameters
    ----------
    losses : callable
        Returns the loss of each model, shape (n_models,), which depends on its own part of the parameters alone.
    parameters : sequence of Tensor, shape (n_models, ...)
        Restored as they were.
    count : int
        Number of models.
    steps : int
        Of the power iteration, each of which takes two gradients: products with the Hessian are central differences.
    seeds : sequence of int
        Of the first directions.

    Returns
    -------
    list of float
        Sizes, in any case positive.
    """
    first = [parameter.detach().clone() for parameter in parameters]
    drawn = []
    for seed in seeds:
        rng = torch.Generator()
        rng.manual_seed(seed)
        drawn.append([torch.randn(p.reshape(count, -1).shape[1], generator=rng) for p in parameters])
    direction = [torch.stack(own).to(parameters[0]) for own in zip(*drawn, strict=True)]
    size: torch.Tensor | None = None

    def gradient(sign: float) -> list[torch.Tensor]:
        with torch.no_grad():
            for parameter, start, own in zip(parameters, first, direction, strict=True):
                parameter.copy_(start + sign * _DIFFERENCE * own.view_as(start))
        found = torch.autograd.grad(losses().sum(), parameters, allow_unused=True)
        return [
            torch.zeros(count, p[:1].numel() * len(p) // count).to(p) if g is None else g.reshape(count, -1)
            for g, p in zip(found, parameters, strict=True)
        ]

    for _ in range(steps):
        norm = torch.sqrt(_sum(own.square().sum(dim=1) for own in direction)).clamp_min(1e-12)
        direction = [own / norm[:, None] for own in direction]
        up, down = gradient(1.0), gradient(-1.0)
        direction = [(a - b) / (2 * _DIFFERENCE) for a, b in zip(up, down, strict=True)]
        size = torch.sqrt(_sum(own.square().sum(dim=1) for own in direction))
    with torch.no_grad():
        for parameter, start in zip(parameters, first, strict=True):
            parameter.copy_(start)
    return cast(torch.Tensor, size).tolist()


def _smoothed(history: list[dict[str, float]], epoch: int) -> float | None:
    """Return the mean eigenvalue of the epochs up to one; None if none was computed."""
    values = [h["eigenvalue"] for h in history if epoch - _WINDOW < h["epoch"] <= epoch and "eigenvalue" in h]
    return float(np.mean(values)) if values else None


def _sum(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the sum of at least one tensor."""
    return cast(torch.Tensor, sum(parts))


def _joined(arrays: list[np.ndarray], device: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(arrays))).to(device)


def batches_alike(parts: Sequence[Part], batch_size: int) -> Iterator[list[int]]:
    """Yield the numbers of the parts that can be searched as one."""
    groups: dict[tuple, list[int]] = {}
    for number, part in enumerate(parts):
        groups.setdefault((part.X.shape[1:], *part.steps(batch_size)), []).append(number)
    yield from groups.values()
