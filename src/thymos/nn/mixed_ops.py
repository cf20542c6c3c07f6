"""Operations of a search space for EEG, and the mixture of all of them (methods B1.4).

Several networks of one shape are computed at once: every parameter and every activation has the model as its first
axis. Activations have shape (n_models, n_features, n_channels, n_times, batch): mixing features and mixing electrodes
are products of matrices without a copy, moving along time takes whole slabs, and what belongs to a feature multiplies
long rows of memory.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from thymos.nn.graph import normalised

__all__ = ["OPERATIONS", "BatchNorm", "MixedEdge", "Pointwise", "make_operation"]

_EPSILON, _MOMENTUM = 1e-5, 0.1
_GROUPS, _RANK = 4, 8  # of the mixing of electrodes
_ORDER = 2  # of the Chebyshev polynomials
_UNLEARNT = -3.0  # softplus(2 * _UNLEARNT) = 0.002: a learnt graph begins as the given one


class _Normalise(torch.autograd.Function):
    """Zero mean and unit variance of each model's features, in three passes over the data and back."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean = x.mean(dim=(2, 3, 4), keepdim=True)
        made = x - mean
        # two passes that are vectorised, which torch.var_mean is not on a processor
        variance = torch.linalg.vector_norm(made, dim=(2, 3, 4), keepdim=True).square() / made[0, 0].numel()
        scale = (variance + _EPSILON).rsqrt()
        made.mul_(scale)
        ctx.save_for_backward(made, scale)
        ctx.mark_non_differentiable(mean, variance)
        return made, mean, variance

    @staticmethod
    def backward(ctx, gradient: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        made, scale = ctx.saved_tensors
        along = (gradient * made).mean(dim=(2, 3, 4), keepdim=True)
        return torch.addcmul(gradient - gradient.mean(dim=(2, 3, 4), keepdim=True), made, along, value=-1).mul_(scale)


class _Largest(torch.autograd.Function):
    """Maximum of three tensors; the gradient goes to the first of equals, where PyTorch's shares it, at some cost."""

    @staticmethod
    def forward(ctx, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        most = torch.maximum(torch.maximum(a, b), c)
        ctx.save_for_backward(a == most, b == most)
        return most

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        first, second = ctx.saved_tensors
        a = gradient * first
        rest = gradient - a
        b = rest * second
        return a, b, rest - b


class BatchNorm(nn.Module):
    """Batch normalisation of the features of each model (Ioffe & Szegedy 2015).

    Parameters
    ----------
    stack : int
        Number of models.
    width : int
        Number of features.
    affine : bool
        Learn a scale and a shift. During a search the mixture weights are the only scale.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, stack: int, width: int, affine: bool = True):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(stack, width)) if affine else None
        self.shift = nn.Parameter(torch.zeros(stack, width)) if affine else None
        self.register_buffer("mean", torch.zeros(stack, width))
        self.register_buffer("variance", torch.ones(stack, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return normalised features, of the shape of `x`; a batch with one value is not normalised by itself."""
        if self.training and x[0, 0].numel() > 1:
            x, mean, variance = _Normalise.apply(x.float())  # statistics of bfloat16 would be coarse
            with torch.no_grad():
                self.mean.lerp_(mean[:, :, 0, 0, 0], _MOMENTUM)
                self.variance.lerp_(variance[:, :, 0, 0, 0], _MOMENTUM)
        else:
            x = (x - _along(self.mean)) * _along((self.variance + _EPSILON).rsqrt())
        return (
            x if self.scale is None or self.shift is None else torch.addcmul(_along(self.shift), x, _along(self.scale))
        )


class Pointwise(nn.Module):
    """Linear map of the features, in other words a 1 x 1 convolution, without a bias.

    Parameters
    ----------
    stack, inner, outer : int
        Number of models, features before and after.
    """

    def __init__(self, stack: int, inner: int, outer: int):
        super().__init__()
        self.weight = nn.Parameter(_uniform(stack, outer, inner, fan=inner))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n_models, outer, ...) of (n_models, inner, ...)."""
        return torch.bmm(self.weight, x.flatten(2)).unflatten(2, x.shape[2:])


class _Operation(nn.Module, abc.ABC):
    """An operation that keeps the shape, or with `stride` 2 halves the time axis, rounded up.

    Parameters
    ----------
    stack, width : int
        Number of models and of features.
    adjacency : Tensor, shape (n_channels, n_channels)
        Nearness of electrodes, zero on the diagonal.
    stride : {1, 2}
    affine : bool
        Of batch normalisations.
    """

    def __init__(self, stack: int, width: int, adjacency: torch.Tensor, stride: int, affine: bool):
        super().__init__()
        self.stride = stride
        self.make(stack, width, adjacency, affine)

    def make(self, stack: int, width: int, adjacency: torch.Tensor, affine: bool) -> None:
        """Make the parameters; none."""

    def thinned(self, x: torch.Tensor) -> torch.Tensor:
        """Return every second time if the stride is 2."""
        return x if self.stride == 1 else x[..., :: self.stride, :]

    @abc.abstractmethod
    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        """Return the operation on `x`; `active` is ``elu(x)``, which several operations of a node share."""


class _Zero(_Operation):
    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(self.thinned(x))


class _Skip(_Operation):
    """Identity; with stride 2 two linear maps of alternate times, side by side."""

    def make(self, stack: int, width: int, adjacency: torch.Tensor, affine: bool) -> None:
        if self.stride == 2:
            self.even, self.odd = Pointwise(stack, width, width - width // 2), Pointwise(stack, width, width // 2)
            self.norm = BatchNorm(stack, width, affine)

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        if self.stride == 1:
            return x
        later = functional.pad(active, (0, 0, 0, active.shape[-2] % 2))[..., 1::2, :]
        return self.norm(torch.cat([self.even(active[..., ::2, :]), self.odd(later)], dim=1))


class _AveragePool(_Operation):
    """Mean of three neighbouring times, of those that exist at the ends."""

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        there = torch.ones(x.shape[-2], 1, device=x.device, dtype=x.dtype)
        total, count = (sum(_shifted(part, (-1, 0, 1), self.stride, 0.0)) for part in (x, there))
        return cast(torch.Tensor, total / count)


class _MaxPool(_Operation):
    """Maximum of three neighbouring times, of those that exist at the ends."""

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        return _Largest.apply(*_shifted(x, (-1, 0, 1), self.stride, -torch.inf))


class _Temporal(_Operation):
    """Each feature filtered along time, then features mixed."""

    taps: tuple[int, ...] = ()

    def make(self, stack: int, width: int, adjacency: torch.Tensor, affine: bool) -> None:
        self.weight = nn.Parameter(_uniform(stack, len(self.taps), width, fan=len(self.taps)))
        self.mix, self.norm = Pointwise(stack, width, width), BatchNorm(stack, width, affine)

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        made = None
        for number, part in enumerate(_shifted(active, self.taps, self.stride, 0.0)):
            weight = _along(self.weight[:, number])
            made = part * weight if made is None else torch.addcmul(made, part, weight)
        return self.norm(self.mix(made))


class _Separable3(_Temporal):
    taps = (-1, 0, 1)


class _Separable5(_Temporal):
    taps = (-2, -1, 0, 1, 2)


class _Dilated3(_Temporal):
    taps = (-2, 0, 2)


class _Spatial(_Operation):
    """Electrodes mixed by the identity and a map of low rank, for each group of features apart; then features."""

    def make(self, stack: int, width: int, adjacency: torch.Tensor, affine: bool) -> None:
        channels = len(adjacency)
        rank = min(_RANK, channels)
        self.groups = _GROUPS if width % _GROUPS == 0 else 1
        self.apart = nn.Parameter(_uniform(stack * self.groups, channels, rank, fan=rank))
        self.shared = nn.Parameter(_uniform(stack * self.groups, rank, channels, fan=channels))
        self.mix, self.norm = Pointwise(stack, width, width), BatchNorm(stack, width, affine)

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        active = self.thinned(active)
        flat = active.flatten(3).unflatten(1, (self.groups, -1))  # (models, groups, features, channels, rest)
        apart, shared = (part.unflatten(0, (x.shape[0], -1))[:, :, None] for part in (self.apart, self.shared))
        mixed = flat + apart @ (shared @ flat)
        return self.norm(self.mix(mixed.reshape(active.shape)))


class _Graph(_Operation):
    """Chebyshev polynomials of the Laplacian of a graph that begins as nearness and is learnt from there."""

    adjacency: torch.Tensor

    def make(self, stack: int, width: int, adjacency: torch.Tensor, affine: bool) -> None:
        channels = len(adjacency)
        self.register_buffer("adjacency", adjacency, persistent=False)  # of the montage, not of a model
        self.residual = nn.Parameter(torch.full((stack, channels, channels), _UNLEARNT))
        self.mix, self.norm = Pointwise(stack, width, (1 + _ORDER) * width), BatchNorm(stack, width, affine)

    def laplacian(self) -> torch.Tensor:
        """Return ``2 L / 2 - I`` of each model; 2 bounds the eigenvalues of every normalised Laplacian L."""
        learnt = functional.softplus(self.residual + self.residual.mT)
        weights = (self.adjacency + learnt) * (1 - torch.eye(len(self.adjacency), device=learnt.device))
        return -normalised(weights)

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        active = self.thinned(active)
        flat, laplacian = active.flatten(3), self.laplacian()[:, None]
        # features first: X W0 + L X W1 + (2 L L - I) X W2 without storing the polynomials of the wide X
        a, b, c = self.mix(flat).chunk(1 + _ORDER, dim=1)
        made = a - c + laplacian @ (b + 2 * (laplacian @ c))
        return self.norm(made.reshape(active.shape))


class _Excitation(_Operation):
    """Features weighed by what their means over electrodes and time say (squeeze and excitation; Hu et al. 2018)."""

    def make(self, stack: int, width: int, adjacency: torch.Tensor, affine: bool) -> None:
        narrow = max(1, width // 4)
        self.squeeze, self.excite = Pointwise(stack, width, narrow), Pointwise(stack, narrow, width)

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        weight = self.excite(self.squeeze(x.mean(dim=(2, 3))).relu()).sigmoid()
        return self.thinned(x) * weight[:, :, None, None]


class _Attention(_Operation):
    """One head of attention among the electrodes of each time, beside the identity."""

    def make(self, stack: int, width: int, adjacency: torch.Tensor, affine: bool) -> None:
        self.project, self.out = Pointwise(stack, width, 3 * width), Pointwise(stack, width, width)

    def forward(self, x: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        x = self.thinned(x)
        rows = x.permute(0, 3, 4, 2, 1).contiguous()  # (models, times, batch, channels, features)
        projected = rows.flatten(1, 3) @ self.project.weight.mT
        query, key, value = (part.unflatten(1, rows.shape[1:4]).flatten(0, 2) for part in projected.chunk(3, dim=2))
        # written out, as products of matrices; scaled_dot_product_attention is made for wider heads
        nearness = torch.bmm(query, key.mT).mul(x.shape[1] ** -0.5).softmax(dim=2)
        seen = torch.bmm(nearness, value).view(rows.shape)
        return x + self.out(seen.permute(0, 4, 3, 1, 2).contiguous())


#: What an edge may be, by name.
OPERATIONS: dict[str, type[_Operation]] = {
    "zero": _Zero,
    "skip": _Skip,
    "avg_t3": _AveragePool,
    "max_t3": _MaxPool,
    "sep_t3": _Separable3,
    "sep_t5": _Separable5,
    "dil_t3": _Dilated3,
    "spat": _Spatial,
    "graph": _Graph,
    "se": _Excitation,
    "attn_e": _Attention,
}


def make_operation(
    name: str, stack: int, width: int, adjacency: torch.Tensor, stride: int = 1, affine: bool = True
) -> nn.Module:
    """Return a new operation ``(x, elu(x)) -> y`` on (n_models, width, n_channels, n_times, batch).

    Parameters
    ----------
    name : str
        Of :data:`OPERATIONS`.
    stack, width, adjacency, stride, affine
        Number of models and of features; nearness of electrodes, shape (n_channels, n_channels); 2 halves the time
        axis, rounded up; whether batch normalisations learn a scale.
    """
    return OPERATIONS[name](stack, width, adjacency, stride, affine)


class MixedEdge(nn.Module):
    """All operations on one edge, weighted, with an auxiliary skip connection (Chu et al. 2021).

    Parameters
    ----------
    names : sequence of str
        Operations.
    stack, width, adjacency, stride
        As :func:`make_operation`.
    """

    def __init__(self, names: Sequence[str], stack: int, width: int, adjacency: torch.Tensor, stride: int):
        super().__init__()
        self.names = names
        self.operations = nn.ModuleDict(
            {name: make_operation(name, stack, width, adjacency, stride, affine=False) for name in names}
        )
        self.zero = make_operation("zero", stack, width, adjacency, stride)
        # a space without this operation still has the auxiliary connection
        self.auxiliary = None if "skip" in names else make_operation("skip", stack, width, adjacency, stride, False)

    def forward(
        self, x: torch.Tensor, active: torch.Tensor, weights: torch.Tensor, pull: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mixture.

        Parameters
        ----------
        x, active : Tensor, shape (n_models, width, n_channels, n_times, batch)
        weights : Tensor, shape (n_models, n_operations)
        pull : Tensor, shape (n_models,), optional
            Weight of the auxiliary skip connection.
        """
        made = None
        for number, name in enumerate(self.names):
            if name == "zero":
                continue
            weight = weights[:, number] if name != "skip" or pull is None else weights[:, number] + pull
            made = _added(made, self.operations[name](x, active), weight)
        if self.auxiliary is not None and pull is not None:
            made = _added(made, self.auxiliary(x, active), pull)
        return self.zero(x, active) if made is None else made


def _added(total: torch.Tensor | None, part: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return a sum with ``weight * part``, the weights being of the models."""
    weight = weight[:, None, None, None, None]
    return part * weight if total is None else torch.addcmul(total, part, weight)


def _along(values: torch.Tensor) -> torch.Tensor:
    """Return features of each model, (n_models, width), in the shape that multiplies activations."""
    return values[:, :, None, None, None]


def _shifted(x: torch.Tensor, taps: tuple[int, ...], stride: int, filling: float) -> list[torch.Tensor]:
    """Return `x` moved along its time axis, the last but one, by each of `taps`, every `stride`-th time."""
    reach, times = max(taps), x.shape[-2]
    wide = functional.pad(x, (0, 0, reach, reach), value=filling)
    return [wide[..., reach + tap : reach + tap + times : stride, :] for tap in taps]


def _uniform(*shape: int, fan: int) -> torch.Tensor:
    """Return weights drawn as PyTorch's linear layers are."""
    return torch.empty(*shape).uniform_(-(fan**-0.5), fan**-0.5)
