"""LEL with a proof: every step from the scaled window to the logits has a finite Lipschitz constant (methods B2.8).

Nothing divides by what depends on the window, nothing multiplies two functions of it, and attention goes by distance.
Norms are Euclidean over whole windows; inside the attention stack they are those of the largest token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from thymos.nn.attention import L2SelfAttention, positions
from thymos.nn.lel import BRANCHES, Branches, Fusion, Settings, Spectrum
from thymos.nn.lipschitz import CenterNorm, FixedNorm, SpectralConv1d, SpectralLinear, dropout_bound

__all__ = ["CertifiedLEL"]

_BEGUN = 1024  # windows at most that the normalisations of branch 1 begin with


class _Residual(nn.Module):
    """``x + a f(x)`` with a fixed a, so small that the constant is at most ``1 + gain`` where f keeps its bounds.

    Parameters
    ----------
    function : Module
        With a method ``lipschitz()``.
    declared : float
        Constant of the function with all weights at their bounds, in evaluation mode.
    gain : float
    """

    function: Any

    def __init__(self, function: nn.Module, declared: float, gain: float):
        super().__init__()
        self.function = function
        self.share = gain / declared

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.share * self.function(x)

    def lipschitz(self) -> float:
        return 1 + self.share * self.function.lipschitz()


class _Attention(nn.Module):
    """Centred tokens, attention by distance, then perhaps ELU, and dropout."""

    def __init__(self, settings: Settings, bound: float, activation: nn.Module):
        super().__init__()
        self.norm, self.length = CenterNorm(), settings.tokens
        self.attention = L2SelfAttention(settings.width, settings.divided, bound)
        self.after, self.dropout = activation, nn.Dropout(settings.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.after(self.attention(self.norm(x))))

    def lipschitz(self) -> float:
        width = self.attention.output.in_features
        return (
            CenterNorm.lipschitz(width)
            * self.attention.lipschitz(self.length)
            * dropout_bound(self.attention.dropout, self.dropout)
        )


class _FeedForward(nn.Module):
    """Centred tokens, two bounded layers with ReLU between."""

    def __init__(self, settings: Settings, bound: float):
        super().__init__()
        width, hidden = settings.width, max(8, settings.n_channels // 8)
        self.norm, self.dropout = CenterNorm(), nn.Dropout(settings.dropout)
        self.first, self.second = SpectralLinear(width, hidden, bound=bound), SpectralLinear(hidden, width, bound=bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.dropout(self.first(self.norm(x)).relu()))

    def lipschitz(self) -> float:
        center = CenterNorm.lipschitz(self.first.in_features)
        return center * self.first.lipschitz() * self.second.lipschitz() * dropout_bound(self.dropout)


class _Graph(nn.Module):
    """``ReLU(A X Theta)`` with a learnt adjacency A of all nodes, the same for every sample."""

    def __init__(self, n_nodes: int, n_values: int, bound: float):
        super().__init__()
        self.nodes = SpectralLinear(n_nodes, n_nodes, bias=False, bound=bound)
        self.values = SpectralLinear(n_values, n_values, bias=False, bound=bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.nodes(self.values(x).mT).mT.relu()

    def lipschitz(self) -> float:
        return self.nodes.lipschitz() * self.values.lipschitz()


class _TokenGraph(_Graph):
    """The same on tokens: in the norm of the largest token, mixing L of them costs a factor of at most sqrt(L)."""

    def __init__(self, width: int, length: int, bound: float):
        super().__init__(width, length, bound)
        self.length = length

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.mT).mT

    def lipschitz(self) -> float:
        return math.sqrt(self.length) * super().lipschitz()


class _Head(nn.Module):
    """Centred features, a bounded hidden layer, bounded logits times a learnt factor.

    The factor is part of the constant; a margin grows with it as the bound does, so that radii do not depend on it.
    """

    def __init__(self, settings: Settings, width: int, hidden: int, bound: float, norm: bool = True):
        super().__init__()
        hidden = max(hidden, 8)
        self.norm = CenterNorm() if norm else nn.Identity()
        self.first, self.dropout = SpectralLinear(width, hidden, bound=bound), nn.Dropout(settings.dropout)
        self.out = SpectralLinear(hidden, settings.n_outputs, bound=bound)
        self.factor = nn.Parameter(torch.zeros(()))

    def hide(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(self.norm(x)).relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.dropout(self.hide(x))) * self.factor.exp()

    def lipschitz(self, before: torch.Tensor | None = None) -> float:
        """Return the constant, with that of a linear map `before`, shape (n_features, n), if one is given."""
        width = self.first.in_features
        centre = self.norm.matrix(width) if isinstance(self.norm, CenterNorm) else torch.eye(width, dtype=torch.float64)
        dense = self.first.lipschitz(before=centre if before is None else centre @ before.cpu().double())
        return dense * self.out.lipschitz() * dropout_bound(self.dropout) * float(self.factor.detach().exp())


class _Global(nn.Module):
    """Branch 1: bounded convolutions, attention by distance between points of time, a fixed learnt graph."""

    code: torch.Tensor
    convolutions: Any  # lists of SpectralConv1d and FixedNorm, whose own methods a ModuleList does not know of
    norms: Any

    def __init__(self, settings: Settings, bound: float, gain: float):
        super().__init__()
        c, width, length = settings.n_channels, settings.width, settings.tokens
        self.convolutions = nn.ModuleList(
            (
                SpectralConv1d(c, c, 11, padding=5, bias=False, bound=bound),
                SpectralConv1d(c, width, 11, padding=5, stride=settings.stride, bias=False, bound=bound),
            )
        )
        self.norms, self.dropout = nn.ModuleList((FixedNorm(c), FixedNorm(width))), nn.Dropout1d(settings.dropout)
        code = positions(length, width) if settings.position else torch.zeros(length, width)
        self.register_buffer("code", code, persistent=False)
        size, center = width // settings.divided, CenterNorm.lipschitz(width)
        attention = center * L2SelfAttention.declared(length) * bound**4 * math.sqrt(settings.divided / size)
        half = math.sqrt(1 + gain) - 1  # two residuals make a block
        parts: list[nn.Module] = []
        for _ in range(settings.blocks):
            parts.append(_Residual(_Attention(settings, bound, nn.Identity()), attention, half))
            parts.append(_Residual(_FeedForward(settings, bound), center * bound**2, half))
        for _ in range(settings.refinements):
            parts.append(_Residual(_Attention(settings, bound, nn.ELU()), attention, gain))
        graph = _TokenGraph(width, length, bound)
        parts.append(_Residual(graph, bound**2 * math.sqrt(length), gain))
        self.stack = nn.Sequential(*parts)
        self.head = _Head(settings, width, c // 2, bound, norm=False)

    def begin(self, waves: torch.Tensor) -> None:
        x = self.norms[0].begin(self.convolutions[0](waves)).relu()
        self.norms[1].begin(self.convolutions[1](x))

    def tokens(self, waves: torch.Tensor) -> torch.Tensor:
        x = self.dropout(self.norms[0](self.convolutions[0](waves)).relu())
        return self.norms[1](self.convolutions[1](x)).mT + self.code

    def features(self, waves: torch.Tensor) -> torch.Tensor:
        return self.stack(self.tokens(waves)).mean(dim=1)

    def lipschitz(self, entry: torch.Tensor) -> float:
        folded = (c.lipschitz(norm.scale) for c, norm in zip(self.convolutions, self.norms, strict=True))
        stack = math.prod(cast(_Residual, part).lipschitz() for part in self.stack) * dropout_bound(self.dropout)
        return math.prod(folded) * stack * self.head.lipschitz()


class _Energy(nn.Module):
    """Branch 2: root energies on a graph of the electrodes that is the same for every window."""

    def __init__(self, settings: Settings, bound: float, gain: float):
        super().__init__()
        c, n_bands = settings.n_channels, settings.n_bands
        self.graph = _Residual(_Graph(c, n_bands, bound), bound**2, gain)
        self.head = _Head(settings, c * n_bands, c * n_bands // 2, bound)

    def features(self, roots: torch.Tensor) -> torch.Tensor:
        return self.graph(roots).flatten(1)

    def lipschitz(self, entry: torch.Tensor) -> float:
        return float(entry.max()) * self.graph.lipschitz() * self.head.lipschitz()


class _Features(nn.Module):
    """Branch 3: root energies weighted by channel and band, and their means over bands and over channels."""

    def __init__(self, settings: Settings, bound: float):
        super().__init__()
        c, n_bands = settings.n_channels, settings.n_bands
        self.channel, self.band = nn.Parameter(torch.zeros(c)), nn.Parameter(torch.zeros(n_bands))
        width = (c + 1) * (n_bands + 1) - 1
        self.head = _Head(settings, width, width // 2, bound)

    def features(self, roots: torch.Tensor) -> torch.Tensor:
        return torch.cat([(roots * self._weights()).flatten(1), roots.mean(dim=2), roots.mean(dim=1)], dim=1)

    @torch.no_grad()
    def lipschitz(self, entry: torch.Tensor) -> float:
        single = torch.eye(entry.numel(), device=entry.device).unflatten(1, entry.shape)
        return self.head.lipschitz((self.features(single) * entry.flatten()[:, None]).T)

    def _weights(self) -> torch.Tensor:
        return self.channel.sigmoid()[:, None] * self.band.softmax(dim=0) * len(self.band)


class _Magnitude(nn.Module):
    """Branch 4: a head on the magnitudes of all bins within the bands."""

    def __init__(self, settings: Settings, width: int, bound: float):
        super().__init__()
        hidden = width // 10 if settings.hidden is None else min(width // 10, settings.hidden)
        self.head = _Head(settings, width, hidden, bound)

    def features(self, magnitudes: torch.Tensor) -> torch.Tensor:
        return magnitudes

    def lipschitz(self, entry: torch.Tensor) -> float:
        return self.head.lipschitz(entry.flatten().diag())


class CertifiedLEL(nn.Module):
    """The four branches with a product bound, and a convex combination of their logits.

    While it trains it returns the logits of every branch, (batch, n_branches, n_classes), in evaluation mode those of
    the ensemble, (batch, n_classes).

    Parameters
    ----------
    settings : Settings
        ``linear`` is the bound of every weight; the other constants, the constraint and `reconstruct` have no part in
        it.
    branches, fusion, noise
        As :class:`~thymos.nn.lel.LELNet`; fusion ``learnt`` or ``average``.
    gain : float
        What a residual block may add to the constant, as a share of it.
    """

    def __init__(
        self,
        settings: Settings,
        branches: Sequence[str] = tuple(BRANCHES),
        fusion: str = "learnt",
        noise: float = 0.0,
        gain: float = 0.2,
    ):
        super().__init__()
        bound = cast(float, settings.linear)
        self.spectrum = Spectrum(settings)
        makers = {
            "global": lambda: _Global(settings, bound, gain),
            "energy": lambda: _Energy(settings, bound, gain),
            "features": lambda: _Features(settings, bound),
            "magnitude": lambda: _Magnitude(settings, settings.n_channels * len(self.spectrum.used), bound),
        }
        self.branches = Branches({name: makers[name]() for name in branches})
        self.fusion = Fusion(len(self.branches), fusion, logits=True)
        self.noise = noise

    @torch.no_grad()
    def begin(self, x: torch.Tensor) -> None:
        """Take from training windows what the network knows of them before the first step.

        Root energies and magnitudes are divided by no less than a tenth of their median over all channels and bands: a
        band that a filter has emptied would take all of the bound, and tells nothing.
        """
        self.spectrum.begin(x)
        for values, least in ((self.spectrum.energy, 1e-2), (self.spectrum.magnitude, 1e-1)):
            values.clamp_(min=least * float(values.median()))
        if "global" in self.branches:
            few = min(_BEGUN, len(x))
            # evenly spaced: windows lie there person by person
            self.branches["global"].begin(self.spectrum.standardised(x[torch.arange(few) * len(x) // few]))

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of each branch, (batch, n_features of that branch), before their heads."""
        if self.training and self.noise:
            x = x + self.noise * self.spectrum.scale * torch.randn_like(x)
        spectrum, waves = self.spectrum, self.spectrum.standardised(x)
        bins = spectrum(waves)
        # ln(1 + r / r_0) of root energies r changes no faster than r / r_0; the gradient of a root has no value at 0
        roots = ((spectrum.energies(bins) + 1e-12).sqrt() / spectrum.energy.sqrt()).log1p()
        magnitudes = (spectrum.sizes(bins) / spectrum.magnitude).log1p().flatten(1)
        given = {"global": waves, "energy": roots, "features": roots, "magnitude": magnitudes}
        return [branch.features(given[name]) for name, branch in self.branches.items()]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of each branch, (batch, n_branches, n_classes)."""
        pairs = zip(self.branches.values(), self.features(x), strict=True)
        return torch.stack([branch.head(features) for branch, features in pairs], dim=1)

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """Return the hidden layers of all heads side by side, (batch, n_units)."""
        pairs = zip(self.branches.values(), self.features(x), strict=True)
        return torch.cat([branch.head.hide(features) for branch, features in pairs], dim=1)

    def attention(self, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
        """Return the first attention of branch 1 and the tokens it is given, (batch, n_tokens, 2 n_channels)."""
        first = self.branches["global"]
        return first.stack[0].function.attention, first.tokens(self.spectrum.standardised(x))

    def relations(self, x: torch.Tensor) -> torch.Tensor:
        """Return the learnt adjacency of the electrodes, the same for every window, as absolute weights."""
        weight = self.branches["energy"].graph.function.nodes.weight.abs()
        return (weight / weight.sum(dim=1, keepdim=True)).expand(x.shape[0], -1, -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of the branches while training, those of the ensemble otherwise."""
        logits = self.logits(x)
        return logits if self.training else self.fusion(logits)

    def lipschitz(self) -> dict[str, float]:
        """Return a proven bound of the constant of each branch and of the ``ensemble``, from the standardised window.

        It is computed from the present weights, for the mode that the network is in: dropout multiplies what it keeps.
        """
        spectrum = self.spectrum
        shared = math.sqrt(float(spectrum.masks.sum(dim=0).max()))  # a bin in two bands counts twice
        # ln(1 + r / r_0) changes by a share, between 0 and 1, of what r / r_0 does: a diagonal in front of the head
        entry = {"magnitude": 1 / spectrum.magnitude, "global": torch.ones(())}
        roots = shared / spectrum.energy.sqrt()
        bounds = {name: branch.lipschitz(entry.get(name, roots)) for name, branch in self.branches.items()}
        weights = self.fusion.weights.detach().tolist()
        return bounds | {"ensemble": sum(w * b for w, b in zip(weights, bounds.values(), strict=True))}
