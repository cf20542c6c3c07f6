"""Self-attention between tokens: with constrained scores, and one kind that has a Lipschitz constant."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import torch
from scipy.special import lambertw
from torch import nn
from torch.nn import functional

from thymos.nn.lipschitz import SpectralLinear

__all__ = ["CONSTRAINTS", "LGCA", "ConstrainedAttention", "L2SelfAttention", "make_attention", "positions"]

#: What :class:`ConstrainedAttention` does to its scores.
CONSTRAINTS = ("clamp", "norm", "rownorm", "none", "l2")

_BLOCK = 2**17  # scores computed at once


def positions(length: int, width: int) -> torch.Tensor:
    """Return the sinusoidal code of each place (Vaswani et al. 2017, section 3.5), shape (length, width)."""
    place = torch.arange(length, dtype=torch.float32)[:, None]
    turn = torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
    code = torch.zeros(length, width)
    code[:, 0::2] = torch.sin(place * turn)
    code[:, 1::2] = torch.cos(place * turn)[:, : width // 2]
    return code


class _Blockwise(torch.autograd.Function):
    """``dropout(softmax(clamp(Q K^T))) V`` block by block, for training on a processor.

    PyTorch's fused attention neither clamps nor, on processors, drops. Written out, the scores of all heads are stored
    several times over: gigabytes for long windows. Here a block of sequences stays in the cache and is computed again
    for the gradient, and eight weights are dropped or kept by one random number: a third of the time, measured. The
    share that is dropped is a multiple of 1/256.
    """

    @staticmethod
    def forward(
        ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, limit: float, dropout: float
    ) -> torch.Tensor:
        made = torch.empty_like(v, memory_format=torch.contiguous_format)
        ctx.cut = min(255, round(256 * dropout)) if dropout else 0
        ctx.limit, ctx.seed = limit, int(torch.randint(2**62, ())) if ctx.cut else 0
        generator = torch.Generator().manual_seed(ctx.seed)
        for a, b, c, out in _blocks(q, k, v, made):
            weights = torch.bmm(a, b.mT).clamp_(-limit, limit).softmax(dim=-1)
            if ctx.cut:
                weights *= _kept(weights, ctx.cut, generator)
            torch.bmm(weights, c, out=out)
        ctx.save_for_backward(q, k, v)
        return made.mul_(256 / (256 - ctx.cut))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        gradient = gradient * (256 / (256 - ctx.cut))
        generator = torch.Generator().manual_seed(ctx.seed)
        made = [torch.empty_like(part, memory_format=torch.contiguous_format) for part in (q, k, v)]
        for a, b, c, g, to_q, to_k, to_v in _blocks(q, k, v, gradient, *made):
            scores = torch.bmm(a, b.mT)
            inside = scores.abs() <= ctx.limit
            weights, change = scores.clamp_(-ctx.limit, ctx.limit).softmax(dim=-1), torch.bmm(g, c.mT)
            dropped = weights
            if ctx.cut:
                kept = _kept(weights, ctx.cut, generator)
                change, dropped = change.mul_(kept), weights * kept
            torch.bmm(dropped.mT, g, out=to_v)
            change = change.mul_(weights)
            change = change.sub_(weights * change.sum(dim=-1, keepdim=True)).mul_(inside)
            torch.bmm(change, b, out=to_q)
            torch.bmm(change.mT, a, out=to_k)
        return *made, None, None


def _blocks(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Return (batch, heads, length, size) in blocks of sequences whose scores fit a cache."""
    count = max(1, _BLOCK // tensors[0].shape[-2] ** 2)
    return zip(*(t.flatten(0, 1).split(count) for t in tensors), strict=True)


def _kept(like: torch.Tensor, cut: int, generator: torch.Generator) -> torch.Tensor:
    """Return which values are kept: those whose random byte is not below `cut`."""
    numbers = torch.empty(-(-like.numel() // 8), dtype=torch.int64)
    numbers.random_(-(2**63), 2**63 - 1, generator=generator)
    return numbers.view(torch.uint8)[: like.numel()].view(like.shape) >= cut


class ConstrainedAttention(nn.Module):
    """Multi-head dot-product attention with constrained scores (Gong et al. 2025, equations 11 and 12; methods B2.5).

    Parameters
    ----------
    width, heads : int
        Values of a token, and heads; the heads divide the width.
    constraint : {'clamp', 'norm', 'rownorm', 'none'}
        What becomes of the scores ``s = q k / sqrt(d)``, with K the `bound` and d the width of a head. ``clamp``
        (paper): cut at ``K sqrt(d)`` on either side. ``norm`` (official code, extractor): ``K s`` divided by the
        longest query and the longest key. ``rownorm`` (official code, refinement): each row divided by K times its
        norm. ``none``: nothing.
    bound : float, optional
        K_att; without a constraint it is not used.
    linear_bound : float, optional
        K_lin of all projections.
    dropout : float
        Share of attention weights dropped.
    projections : {'linear', 'mlp'}
        Queries, keys and values from one layer (paper) or from two with a GELU between (official code).
    scaling : {'bound', 'set'}
        As :class:`~thymos.nn.lipschitz.SpectralLinear`.

    Notes
    -----
    **None of the constraints makes attention globally Lipschitz.** They bound how sharp attention gets; where a clamp
    does not act, the derivative of a score grows with the tokens, and multiplies values that grow as well.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        constraint: str = "clamp",
        bound: float | None = 1.0,
        linear_bound: float | None = 1.0,
        dropout: float = 0.0,
        projections: str = "linear",
        scaling: str = "bound",
    ):
        super().__init__()
        self.heads = heads
        self.constraint = constraint
        self.bound = cast(float, bound)
        self.dropout = dropout

        def linear() -> nn.Module:
            return SpectralLinear(width, width, bound=linear_bound, scaling=scaling)

        def projection() -> nn.Module:
            return linear() if projections == "linear" else nn.Sequential(linear(), nn.GELU(), linear())

        self.query, self.key, self.value = projection(), projection(), projection()
        self.output = linear()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return attended tokens of the shape of `x`, (batch, n_tokens, width)."""
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        dropout, root = self.dropout if self.training else 0.0, math.sqrt(q.shape[-1])
        if self.constraint == "norm":
            longest = torch.linalg.vector_norm(q, dim=-1).amax(-1) * torch.linalg.vector_norm(k, dim=-1).amax(-1)
            q = q * (self.bound / longest.clamp_min(1e-12))[..., None, None]
        if self.constraint in ("norm", "none") and not dropout:
            attended = functional.scaled_dot_product_attention(q, k, v)
        else:
            limit = self.bound * root if self.constraint == "clamp" else math.inf
            if self.training and x.device.type == "cpu" and self.constraint != "rownorm":
                attended = _Blockwise.apply(q / root, k, v, limit, dropout)
            else:
                scores = (q @ k.mT / root).clamp(-limit, limit)
                if self.constraint == "rownorm":
                    norm = torch.linalg.vector_norm(scores, dim=-1, keepdim=True)
                    scores = scores / (self.bound * norm).clamp_min(1e-12)
                attended = functional.dropout(scores.softmax(dim=-1), dropout, bool(dropout)) @ v
        return self.output(attended.transpose(1, 2).flatten(2))


class L2SelfAttention(nn.Module):
    """Multi-head attention by distance, with keys tied to queries, which has a Lipschitz constant (Kim et al. 2021).

    ``P_ij = softmax_j(-|x_i W - x_j W|^2 / sqrt(d))``, ``f = P X W W^T / sqrt(d)`` for each head, then ``f V`` of all
    heads, side by side, and an output layer.

    Parameters
    ----------
    width, heads : int
        Values of a token, and heads; the heads divide the width.
    linear_bound : float, optional
        K_lin of all weights.
    dropout : float
        Share of the attended values dropped. (Weights of single pairs are not dropped: their sum would not stay 1.)
    scaling : {'bound', 'set'}
        As :class:`~thymos.nn.lipschitz.SpectralLinear`.
    """

    keys: Any  # lists of SpectralLinear, whose own methods a ModuleList does not know of
    values: Any

    def __init__(
        self,
        width: int,
        heads: int,
        linear_bound: float | None = 1.0,
        dropout: float = 0.0,
        scaling: str = "bound",
    ):
        super().__init__()
        self.heads = heads
        options: dict[str, Any] = {"bias": False, "bound": linear_bound, "scaling": scaling}
        size = width // heads
        self.keys = nn.ModuleList(SpectralLinear(width, size, **options) for _ in range(heads))
        self.values = nn.ModuleList(SpectralLinear(width, size, **options) for _ in range(heads))
        self.output = SpectralLinear(width, width, bound=linear_bound, scaling=scaling)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return attended tokens of the shape of `x`, (batch, n_tokens, width)."""
        for layer in (*self.keys, *self.values):
            if layer.training:
                layer.project(exact=False)
        W = torch.stack([layer.weight.T for layer in self.keys])  # (heads, width, size)
        V = torch.stack([layer.weight.T for layer in self.values])
        root = math.sqrt(W.shape[-1])
        y = x[:, None] @ W
        square = y.square().sum(-1)
        scores = (2 * y @ y.mT - square[..., :, None] - square[..., None, :]) / root
        mixed = scores.softmax(dim=-1) @ y  # P X W
        heads = mixed @ (W.mT @ V / root)
        return self.output(self.dropout(heads.transpose(1, 2).flatten(2)))

    def lipschitz(self, length: int) -> float:
        """Return a bound of the constant for sequences of `length` tokens, in the norm of the largest token.

        ``(1 + 4 M) |W_O| sqrt(sum_h (|W_h|^2 |V_h| / sqrt(d))^2)`` with ``M = W_0((length - 1) / e)``, Lambert's
        function (methods B2.8). In the Euclidean norm of the whole sequence it is ``sqrt(length)`` times as large.
        """
        root = math.sqrt(self.keys[0].out_features)
        heads = sum(
            (w.lipschitz() ** 2 * v.lipschitz() / root) ** 2 for w, v in zip(self.keys, self.values, strict=True)
        )
        return self.declared(length) * self.output.lipschitz() * math.sqrt(heads)

    @staticmethod
    def declared(length: int) -> float:
        """Return ``1 + 4 M``, what mixing `length` tokens by distance can add."""
        return 1 + 4 * float(lambertw((length - 1) / math.e).real)


def make_attention(width: int, heads: int, constraint: str, bound: float | None, **options: Any) -> nn.Module:
    """Return attention by distance for ``l2``, otherwise constrained dot-product attention.

    Parameters
    ----------
    width, heads, constraint, bound
        As :class:`ConstrainedAttention`; without a bound its scores are not constrained.
    **options
        ``linear_bound``, ``dropout``, ``projections``, ``scaling``.
    """
    if constraint == "l2":
        options.pop("projections", None)
        return L2SelfAttention(width, heads, **options)
    return ConstrainedAttention(width, heads, "none" if bound is None else constraint, bound, **options)


class LGCA(nn.Module):
    """A block of constrained attention and a feed-forward layer, each added and normalised (methods B2.5).

    Parameters
    ----------
    width, heads : int
        Values of a token, and heads.
    feed_forward : int
        Width of the hidden layer.
    constraint, bound, linear_bound, dropout, projections, scaling
        As :class:`ConstrainedAttention`; ``l2`` takes :class:`L2SelfAttention` instead. The normalisations after it
        keep the block from having a constant all the same.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        feed_forward: int,
        constraint: str = "clamp",
        bound: float | None = 1.0,
        linear_bound: float | None = 1.0,
        dropout: float = 0.0,
        projections: str = "linear",
        scaling: str = "bound",
    ):
        super().__init__()
        options: dict[str, Any] = {"linear_bound": linear_bound, "dropout": dropout}
        options |= {"projections": projections, "scaling": scaling}
        self.attention = make_attention(width, heads, constraint, bound, **options)
        spectral: dict[str, Any] = {"bound": linear_bound, "scaling": scaling}
        self.feed_forward = nn.Sequential(
            SpectralLinear(width, feed_forward, **spectral),
            nn.GELU(),
            nn.Dropout(dropout),
            SpectralLinear(feed_forward, width, **spectral),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens of the shape of `x`, (batch, n_tokens, width)."""
        x = self.norms[0](x + self.attention(x))
        return self.norms[1](x + self.feed_forward(x))
