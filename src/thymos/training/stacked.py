"""Many models of one architecture trained together: one batched pass instead of thousands of tiny ones.

Weights of all models are stacked along a new first axis and every step is one vectorised call
(``torch.func``). Each model keeps its own batches, optimiser, validation part and early stopping; models that have
finished leave the stack.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import clone
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.optim.adam import adam

from thymos.base.errors import InputError
from thymos.training.estimator import (
    MONITORS,
    Prepared,
    TorchEstimator,
    last_weighted,
    reproducible,
    weighted_loss,
)

__all__ = ["fit_many", "why_not"]

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # of Adam
_SCHEDULES = ("constant", "cosine")


def why_not(estimator: TorchEstimator) -> str:
    """Return why models of this estimator are trained one after the other; empty if they are stacked."""
    if not (estimator.stackable or getattr(estimator.module, "stackable", False)):
        return f"{type(estimator).__name__} is not declared to be faster as a stack"
    if estimator.mixup or estimator.amp:
        return "mixup and amp are the one-by-one loop's"
    if estimator.balance:
        return "what samples count depends on their metadata"
    if estimator.monitor not in ("loss", "accuracy"):
        return f"{estimator.monitor} is of a whole validation part"
    if estimator.schedule not in _SCHEDULES:
        return f"the schedule {estimator.schedule!r} follows each model alone"
    if estimator.loss not in {"auto", next(iter(estimator.losses))}:
        return f"the loss {estimator.loss!r} is of a whole validation part"
    return ""


def fit_many(
    estimator: TorchEstimator, parts: Sequence[tuple], random_states: Sequence[Any] | None = None
) -> list[TorchEstimator]:
    """Train one copy of an estimator for each part; see :meth:`TorchEstimator.fit_many`.

    Parts whose samples have the same shape, and their targets as many classes, form a stack; estimators that are not
    stacked go through :meth:`~TorchEstimator.fit`, one after the other. What one model raises (a loss that is not
    finite any more) ends the training of all.
    """
    seeds = [estimator.random_state] * len(parts) if random_states is None else list(random_states)
    made = [clone(estimator).set_params(random_state=seed) for seed in seeds]
    if why_not(estimator):
        full = [(*part, None, None)[:4] for part in parts]
        return [one.fit(*p[:2], validation=p[2], **_given(p[3])) for one, p in zip(made, full, strict=True)]
    ready = [one.prepare(*part[:3], **_given((*part, None, None)[3])) for one, part in zip(made, parts, strict=True)]
    groups: dict[tuple, list[int]] = {}
    for number, one in enumerate(ready):
        alike = one.X.shape[1:], one.n_outputs, one.device, one.held is None, one.weight is None
        groups.setdefault(alike, []).append(number)
    for numbers in groups.values():
        _train([made[k] for k in numbers], [ready[k] for k in numbers])
    return made


@dataclass
class _Model:
    """One model of a stack, and what is known of it."""

    estimator: TorchEstimator
    module: nn.Module
    ready: Prepared
    generator: torch.Generator
    first: int  # of its samples among those of all
    first_held: int
    criterion: nn.Module
    history: list[dict[str, Any]] = field(default_factory=list)
    best: tuple[float, int, dict[str, torch.Tensor]] = (np.inf, 0, {})
    lowest: float = np.inf
    misses: int = 0

    def draw(self) -> int:
        """Return a number from this model's generator, as a data loader does for itself and for its order."""
        return int(torch.empty((), dtype=torch.int64).random_(generator=self.generator))

    def order(self, late: bool = False) -> torch.Tensor:
        """Return the numbers of its samples among those of all, in the order of this epoch; late ones count in full."""
        self.draw()
        generator = torch.Generator()
        generator.manual_seed(self.draw())
        if not late:
            return torch.randperm(len(self.ready.X), generator=generator) + self.first
        counted = torch.from_numpy(np.flatnonzero(cast(np.ndarray, self.ready.weight) >= 1))
        return counted[torch.randperm(len(counted), generator=generator)] + self.first


class _Dropped(nn.Module):
    """Stands for a dropout layer: what is kept is drawn outside, by each model from its own generator."""

    def __init__(self, feed: list[torch.Tensor]):
        super().__init__()
        self.feed = feed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input, in training times the next mask."""
        return x * self.feed.pop(0) if self.training else x


def _dropouts(module: nn.Module, x: torch.Tensor) -> list[tuple[float, tuple[int, ...]]]:
    """Return the share that is kept, and the shape of a sample, of each dropout in the order of their calls.

    Parameters
    ----------
    module : Module
    x : Tensor, shape (batch, ...)
    """
    found: list[tuple[float, tuple[int, ...]]] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, args: found.append((1 - layer.p, tuple(args[0].shape[1:]))))
        for layer in module.modules()
        if type(layer) is nn.Dropout and layer.p
    ]
    training = module.training
    with torch.no_grad():
        module.eval()(x)
    module.train(training)
    for hook in hooks:
        hook.remove()
    return found


class _Stack:
    """Weights, buffers and moments of several models, along a first axis."""

    def __init__(self, modules: list[nn.Module], example: torch.Tensor, name: str):
        self.name = name
        self.dropouts = _dropouts(modules[0], example)
        self.base = copy.deepcopy(modules[0]).to("meta")
        self.feed: list[torch.Tensor] = []
        for layer in list(self.base.modules()):
            for name, child in layer.named_children():
                if type(child) is nn.Dropout and child.p:
                    setattr(layer, name, _Dropped(self.feed))
        self.weights, self.buffers = stack_module_state(modules)
        trained = dict(modules[0].named_parameters())
        self.moments = {
            name: (torch.zeros_like(value), torch.zeros_like(value))
            for name, value in self.weights.items()
            if trained[name].requires_grad
        }
        self.steps = torch.zeros(len(modules), device=next(iter(self.weights.values())).device)

    def keep(self, rows: torch.Tensor) -> None:
        """Drop the models that are not among `rows`."""
        self.weights = {k: v.detach()[rows].requires_grad_(v.requires_grad) for k, v in self.weights.items()}
        self.buffers = {k: v[rows] for k, v in self.buffers.items()}
        self.moments = {k: (a[rows], b[rows]) for k, (a, b) in self.moments.items()}
        self.steps = self.steps[rows]

    def state(self, row: int) -> dict[str, torch.Tensor]:
        """Return a copy of the weights and buffers of one model."""
        return {k: v[row].detach().clone() for part in (self.weights, self.buffers) for k, v in part.items()}

    def masks(self, models: list[_Model], batch: int, device: Any) -> tuple[torch.Tensor, ...]:
        """Return what each dropout multiplies with, shape (n_models, batch, ...); drawn as the loop draws it."""
        made = [(kept, torch.empty(len(models), batch, *shape)) for kept, shape in self.dropouts]
        for row, model in enumerate(models):
            for kept, mask in made:
                mask[row].bernoulli_(kept, generator=model.generator)
        return tuple(mask.div_(kept).to(device) for kept, mask in made)

    def outputs(self, x: torch.Tensor, rows: torch.Tensor | None, models: list[_Model], training: bool) -> torch.Tensor:
        """Return outputs, shape (n_models, batch, n_outputs), of `models`, which are those at `rows`, or all."""
        self.base.train(training)
        masks = self.masks(models, x.shape[1], x.device) if training else ()
        weights, buffers = self.weights, self.buffers
        if rows is not None:
            weights = {k: v[rows] for k, v in weights.items()}
            buffers = {k: v[rows] for k, v in buffers.items()}

        def call(own: dict, running: dict, batch: torch.Tensor, kept: tuple[torch.Tensor, ...]) -> torch.Tensor:
            self.feed[:] = kept
            return functional_call(self.base, (own, running), (batch,))

        try:
            made = vmap(call)(weights, buffers, x, masks)
        except RuntimeError as error:
            if "randomness" not in str(error):
                raise
            raise InputError(
                f"A layer of {self.name} draws random numbers in a way that models of a stack would share.",
                fits="torch.nn.Dropout as the only random layer of a network that is declared stackable",
                do="use it, or declare stackable = False",
            ) from None
        if rows is not None and training:  # running statistics of the copy
            for name, value in buffers.items():
                self.buffers[name][rows] = value
        return made

    def step(self, loss: torch.Tensor, rows: torch.Tensor | None, lr: float, decay: float, clip: float | None) -> None:
        """Take one step of Adam (with decay AdamW) with the models at `rows`; all by default."""
        names = list(self.moments)
        weights = [self.weights[name] for name in names]
        gradients: Sequence[torch.Tensor] = torch.autograd.grad(loss.sum(), weights)
        means, squares = ([self.moments[name][k] for name in names] for k in (0, 1))
        with torch.no_grad():
            if rows is not None:  # copies, put back below
                gradients, own, means, squares = (
                    [value[rows] for value in values] for values in (gradients, weights, means, squares)
                )
            else:
                own = weights
            if clip is not None:
                norm = torch.sqrt(cast(torch.Tensor, sum(g.flatten(1).square().sum(1) for g in gradients)))
                scale = (clip / (norm + 1e-6)).clamp(max=1.0)
                gradients = [g * _beside(scale, g) for g in gradients]
            at = slice(None) if rows is None else rows
            self.steps[at] += 1
            steps = self.steps[at]
            if bool((steps == steps[0]).all()):
                _fused(own, gradients, means, squares, steps[0], lr, decay)
            else:
                _adam(own, gradients, means, squares, steps, lr, decay)
            if rows is not None:
                for name, *values in zip(names, own, means, squares, strict=True):
                    for whole, value in zip((self.weights[name], *self.moments[name]), values, strict=True):
                        whole[rows] = value


def _fused(weights: Any, gradients: Any, means: Any, squares: Any, step: torch.Tensor, lr: float, decay: float) -> None:
    """Adam where all models have taken equally many steps: PyTorch's own, in one pass."""
    before = [step.clone() - 1 for _ in weights]
    adam(
        list(weights),
        [g.contiguous() for g in gradients],  # it walks memory, and gradients of products come transposed
        list(means),
        list(squares),
        [],
        before,
        fused=True,
        amsgrad=False,
        beta1=_BETAS[0],
        beta2=_BETAS[1],
        lr=lr,
        weight_decay=decay,
        eps=_EPSILON,
        maximize=False,
        decoupled_weight_decay=True,
    )


def _adam(weights: Any, gradients: Any, means: Any, squares: Any, steps: torch.Tensor, lr: float, decay: float) -> None:
    """Adam where models have taken different numbers of steps, shape (n_models,)."""
    torch._foreach_lerp_(means, gradients, 1 - _BETAS[0])
    torch._foreach_mul_(squares, _BETAS[1])
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - _BETAS[1])
    if decay:
        torch._foreach_mul_(weights, 1 - lr * decay)
    first, second = (1 - beta**steps for beta in _BETAS)
    sizes, roots = -lr / first, 1 / second.sqrt()
    for value, mean, square in zip(weights, means, squares, strict=True):
        root = square.sqrt().mul_(_beside(roots, square)).add_(_EPSILON)
        value.addcdiv_(mean * _beside(sizes, mean), root)


def _beside(values: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return one value for each model in the shape that multiplies `other`, (n_models, ...)."""
    return values.reshape(-1, *[1] * (other.dim() - 1))


def _train(estimators: list[TorchEstimator], ready: list[Prepared]) -> None:
    """Train models of equal shape as one stack."""
    lead, device = estimators[0], ready[0].device
    models = []
    ends = np.cumsum([0, *(len(one.X) for one in ready)])
    held_ends = np.cumsum([0, *(0 if one.held is None else len(one.held[0]) for one in ready)])
    with reproducible(ready[0].seed, device, lead.deterministic):
        for number, (estimator, one) in enumerate(zip(estimators, ready, strict=True)):
            torch.manual_seed(one.seed)
            module = estimator.build(one.X.shape[1:], one.n_outputs).to(device)
            generator = torch.Generator()
            generator.set_state(torch.get_rng_state())
            first, first_held = int(ends[number]), int(held_ends[number])
            models.append(_Model(estimator, module, one, generator, first, first_held, one.criterion()))
        X, y = (_joined([getattr(one, name) for one in ready], device) for name in "Xy")
        counts = None
        if ready[0].weight is not None:
            counts = _joined([cast(np.ndarray, one.weight) for one in ready], device)
        held = None
        if ready[0].held is not None:
            parts = [cast("tuple[np.ndarray, np.ndarray]", one.held) for one in ready]
            held = _joined([part[0] for part in parts], device), _joined([part[1] for part in parts], device)
        _epochs(lead, models, X, y, held, counts)


def _epochs(
    lead: TorchEstimator,
    models: list[_Model],
    X: torch.Tensor,
    y: torch.Tensor,
    held: tuple[torch.Tensor, torch.Tensor] | None,
    counts: torch.Tensor | None,
) -> None:
    stack, active = _Stack([model.module for model in models], X[:2], type(lead).__name__), list(models)
    loss_of = _loss(lead, models)
    for epoch in range(1, lead.max_epochs + 1):
        begin, lr = time.perf_counter(), _lr(lead, epoch)
        late = counts is not None and epoch > last_weighted(lead.max_epochs)
        orders = [model.order(late) for model in active]
        total = torch.zeros(len(active), device=X.device)
        for start in range(0, max(map(len, orders)), lead.batch_size):
            batches = [order[start : start + lead.batch_size] for order in orders]
            sizes = [len(batch) for batch in batches]
            for size in sorted({n for n in sizes if n}):  # the last batches of models differ in length
                chosen = [k for k, n in enumerate(sizes) if n == size]
                rows = None if len(chosen) == len(active) else torch.tensor(chosen, device=X.device)
                at = torch.stack([batches[k] for k in chosen]).to(X.device)
                own = [active[k] for k in chosen]
                weight = None if counts is None else _rows(counts, at)
                losses = loss_of(stack.outputs(_rows(X, at), rows, own, training=True), _rows(y, at), own, weight)
                stack.step(losses, rows, lr, lead.weight_decay, lead.clip)
                total[slice(None) if rows is None else rows] += losses.detach() * size
        trained = (total.cpu() / torch.tensor([len(order) for order in orders])).tolist()
        judged = _judge(lead, stack, active, held, loss_of) if held is not None else [{}] * len(active)
        seconds = (time.perf_counter() - begin) / len(active)
        going = []
        for row, (model, loss, words) in enumerate(zip(active, trained, judged, strict=True)):
            model.history.append({"epoch": epoch, "train_loss": loss, "lr": lr, "seconds": seconds, **words})
            if _goes_on(lead, model, stack, row, epoch):
                going.append(row)
        last = epoch == lead.max_epochs
        for row in range(len(active)) if last else sorted(set(range(len(active))) - set(going)):
            _finish(active[row], stack.state(row))
        if last or not going:
            return
        if len(going) < len(active):
            stack.keep(torch.tensor(going, device=X.device))
            active = [active[row] for row in going]


def _goes_on(lead: TorchEstimator, model: _Model, stack: _Stack, row: int, epoch: int) -> bool:
    """Note the best epoch of a model, and say whether it is trained on."""
    if not model.ready.chosen:
        return True
    words = model.history[-1]
    key, sign, _ = MONITORS[lead.monitor]
    if sign * words[key] < model.best[0]:
        model.best = (sign * words[key], epoch, stack.state(row))
    model.misses = 0 if words["valid_loss"] < model.lowest else model.misses + 1
    model.lowest = min(model.lowest, words["valid_loss"])
    return model.misses < cast(int, lead.patience)


def _finish(model: _Model, state: dict[str, torch.Tensor]) -> None:
    _, epoch, best = model.best
    model.module.load_state_dict(best or state)
    model.estimator.finish(model.module, model.history, epoch or None if model.ready.chosen else None)


def _judge(
    lead: TorchEstimator, stack: _Stack, active: list[_Model], held: tuple[torch.Tensor, torch.Tensor], loss_of: Any
) -> list[dict[str, float]]:
    """Return loss (and accuracy, if monitored) of each model on its validation part, in batches as in training."""
    counts = [len(cast(tuple, model.ready.held)[0]) for model in active]
    for model in active:
        model.draw()
    total, right = (torch.zeros(len(active), device=held[0].device) for _ in range(2))
    with torch.no_grad():
        for start in range(0, max(counts), lead.batch_size):
            sizes = [max(0, min(lead.batch_size, n - start)) for n in counts]
            for size in sorted({n for n in sizes if n}):
                chosen = [k for k, n in enumerate(sizes) if n == size]
                rows = None if len(chosen) == len(active) else torch.tensor(chosen, device=held[0].device)
                at = torch.stack([torch.arange(size) + active[k].first_held + start for k in chosen]).to(held[0].device)
                models, y = [active[k] for k in chosen], _rows(held[1], at)
                outputs = stack.outputs(_rows(held[0], at), rows, models, training=False)
                own = slice(None) if rows is None else rows
                total[own] += loss_of(outputs, y, models) * size
                if lead.monitor == "accuracy":
                    right[own] += (outputs.argmax(dim=-1) == y).float().sum(dim=1)
    n = torch.tensor(counts)
    found = [{"valid_loss": value} for value in (total.cpu() / n).tolist()]
    if lead.monitor == "accuracy":
        found = [{**one, "valid_accuracy": a} for one, a in zip(found, (right.cpu() / n).tolist(), strict=True)]
    return found


def _loss(lead: TorchEstimator, models: list[_Model]) -> Any:
    """Return a function from outputs and targets, (n_models, batch, ...), to the loss of each model."""
    criterion = models[0].criterion

    def weighted(outputs: torch.Tensor, y: torch.Tensor, own: list[_Model], counts: torch.Tensor) -> torch.Tensor:
        criteria = [model.criterion for model in own]
        return torch.stack([weighted_loss(*each) for each in zip(criteria, outputs, y, counts, strict=True)])

    def error(
        outputs: torch.Tensor, y: torch.Tensor, own: list[_Model], counts: torch.Tensor | None = None
    ) -> torch.Tensor:
        if counts is not None:
            return weighted(outputs, y, own, counts)
        return (outputs - y).square().flatten(1).mean(dim=1)

    if not isinstance(criterion, nn.CrossEntropyLoss):
        return error

    def entropy(
        outputs: torch.Tensor, y: torch.Tensor, own: list[_Model], counts: torch.Tensor | None = None
    ) -> torch.Tensor:
        if counts is not None:
            return weighted(outputs, y, own, counts)
        weights = [model.criterion.weight for model in own]
        weight = None if weights[0] is None else torch.stack(cast("list[torch.Tensor]", weights))

        def one(out: torch.Tensor, target: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
            return nn.functional.cross_entropy(out, target, w, label_smoothing=criterion.label_smoothing)

        return vmap(one)(outputs, y) if weight is None else vmap(one)(outputs, y, weight)

    return entropy


def _given(meta: Any) -> dict[str, Any]:
    """Return metadata as an argument; an estimator with a `fit` of its own may take none."""
    return {} if meta is None else {"meta": meta}


def _lr(lead: TorchEstimator, epoch: int) -> float:
    """Return the learning rate of an epoch, counted from 1."""
    if lead.decay is not None:
        return lead.lr * float(np.exp(-(epoch - 1) / lead.decay))
    if lead.schedule == "cosine":
        return lead.lr * (1 + np.cos(np.pi * (epoch - 1) / lead.max_epochs)) / 2
    return lead.lr


def _rows(values: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Return ``values[at]``; this way copies whole rows."""
    return values.index_select(0, at.flatten()).unflatten(0, at.shape)


def _joined(arrays: list[np.ndarray], device: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(arrays))).to(device)
