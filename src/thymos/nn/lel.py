"""The networks of LEL: band extraction, four branches and their fusion (Gong et al. 2025; methods B2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from thymos.nn.attention import LGCA, make_attention, positions
from thymos.nn.cnn_lstm import BatchNorm
from thymos.nn.lipschitz import LGCN, SpectralLinear, standardised

__all__ = ["BRANCHES", "LGCBE", "Bands", "Branches", "Fusion", "LELNet", "Settings", "Spectrum", "fit_fusion"]

#: Branches by name, in the order of the paper, with their titles.
BRANCHES = {
    "global": "Global feature extractor",
    "energy": "Channel energy extractor",
    "features": "Channel feature mixer",
    "magnitude": "Band magnitude mixer",
}

_LEAST = 8  # hidden units: an eighth of a few electrodes would leave none


@dataclass(frozen=True)
class Settings:
    """What the parts of a LEL network have in common; see :class:`thymos.models.lel.LELClassifier`.

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Shape of the windows, and classes.
    members : Tensor of bool, shape (n_bands, n_times // 2 + 1)
        Which frequencies of a window belong to which band.
    spectral, attention, affine, linear : float, optional
        The constants K_sp, K_att, K_aff and K_lin; ``None`` for no constraint.
    constraint, projections, scaling, graph, dropout, stride, blocks, refinements, heads, hidden, reconstruct, position
        As the estimator.
    """

    n_channels: int
    n_times: int
    n_outputs: int
    members: torch.Tensor
    spectral: float | None = 1.0
    attention: float | None = 1.0
    affine: float | None = 1.0
    linear: float | None = 1.0
    constraint: str = "clamp"
    projections: str = "linear"
    scaling: str = "bound"
    graph: str = "learnt"
    dropout: float = 0.3
    stride: int = 1
    blocks: int = 6
    refinements: int = 3
    heads: int = 4
    hidden: int | None = 256
    reconstruct: bool = False
    position: bool = True

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return len(self.members)

    @property
    def tokens(self) -> int:
        """Number of tokens that attention sees."""
        return -(-self.n_times // self.stride)

    @property
    def width(self) -> int:
        """Values of a token: twice the channels."""
        return 2 * self.n_channels

    @property
    def divided(self) -> int:
        """Heads: those asked for if they divide the width of a token, otherwise 2, which always do."""
        return self.heads if self.width % self.heads == 0 else 2

    def dropped(self, share: float) -> float:
        """Return the `share` of a dropout that does not follow `dropout`; 0 where nothing is to be dropped at all."""
        return share if self.dropout else 0.0

    def dense(self, n_in: int, n_out: int, bias: bool = True) -> SpectralLinear:
        """Return a dense layer bounded by K_lin."""
        return SpectralLinear(n_in, n_out, bias=bias, bound=self.linear, scaling=self.scaling)


class Spectrum(nn.Module):
    """Standardised windows, the bins of their spectrum that belong to a band, and what training tells of these.

    A channel that was dead in training, with less than a thousandth of the median deviation, is divided by the median:
    should it live later it must not drown all others. The same holds for its energies and magnitudes.

    Bins between the lowest frequency and half the rate stand for two frequencies of a real signal and are multiplied
    by the root of 2, so that the spectrum has the Euclidean norm of the window.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    masks : Tensor, shape (n_bands, n_used)
        Which of the used bins belong to which band; the bands are disjoint or overlap as they are given.
    """

    used: torch.Tensor
    twice: torch.Tensor
    masks: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor
    energy: torch.Tensor
    magnitude: torch.Tensor

    def __init__(self, settings: Settings):
        super().__init__()
        used = settings.members.any(dim=0).nonzero().flatten()
        twice = torch.full(settings.members.shape[1:], math.sqrt(2.0))
        twice[0] = 1.0
        if settings.n_times % 2 == 0:
            twice[-1] = 1.0
        self.n_times = settings.n_times
        self.register_buffer("used", used, persistent=False)
        self.register_buffer("twice", twice[used], persistent=False)
        self.register_buffer("masks", settings.members[:, used].float(), persistent=False)
        shape = settings.n_channels, 1
        self.register_buffer("mean", torch.zeros(shape))  # of each channel, in the unit of the windows
        self.register_buffer("scale", torch.ones(shape))
        self.register_buffer("energy", torch.ones(settings.n_channels, settings.n_bands))  # E_0
        self.register_buffer("magnitude", torch.ones(settings.n_channels, len(used)))  # m_0

    @torch.no_grad()
    def begin(self, x: torch.Tensor) -> None:
        """Learn mean and deviation of each channel and the medians E_0 and m_0 from training windows."""
        self.mean.copy_(x.mean(dim=(0, 2))[:, None])
        self.scale.copy_(_alive((x - self.mean).square().mean(dim=(0, 2)).sqrt(), 1e-3)[:, None])
        bins = [self(self.standardised(part)) for part in x.split(256)]
        self.energy.copy_(_alive(torch.cat([self.energies(b) for b in bins]).median(dim=0).values, 1e-6))
        self.magnitude.copy_(_alive(torch.cat([self.sizes(b) for b in bins]).median(dim=0).values, 1e-3))

    def standardised(self, x: torch.Tensor) -> torch.Tensor:
        """Return windows, as they came, less the mean of each channel and divided by its deviation."""
        return (x - self.mean) / self.scale

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """Return the bins in use of standardised windows, shape (batch, n_channels, n_used, 2).

        Real and imaginary part are an axis of their own, because ONNX has no complex numbers.
        """
        return torch.view_as_real(torch.fft.rfft(waves, norm="ortho"))[..., self.used, :] * self.twice[:, None]

    def sizes(self, bins: torch.Tensor) -> torch.Tensor:
        """Return the size of each bin, whose gradient is 0 where it is, shape (batch, n_channels, n_used)."""
        return torch.view_as_complex(bins).abs()

    def energies(self, bins: torch.Tensor) -> torch.Tensor:
        """Return the energy of each channel and band, shape (batch, n_channels, n_bands)."""
        return bins.square().sum(dim=-1) @ self.masks.T

    def waves(self, bins: torch.Tensor) -> torch.Tensor:
        """Return the windows with this spectrum, shape (batch, n_channels, n_times)."""
        whole = bins.new_zeros(*bins.shape[:-2], self.n_times // 2 + 1, 2)
        whole[..., self.used, :] = bins / self.twice[:, None]
        return torch.fft.irfft(torch.view_as_complex(whole), n=self.n_times, norm="ortho")


@dataclass(frozen=True)
class Bands:
    """What LGCBE makes of a batch; the three inputs of the branches are made of it.

    Parameters
    ----------
    waves : Tensor, shape (batch, n_channels, n_times)
        Standardised windows, or their reconstruction.
    energy : Tensor, shape (batch, n_channels, n_bands)
        ``ln(1 + E / E_0)``.
    channel, spectral : Tensor, shape (batch, n_channels) and (batch, n_bands), optional
        Bounded weights, where anything takes them.
    magnitude : Tensor, shape (batch, n_channels * n_used)
        ``ln(1 + |X| / m_0)`` of every bin that is in a band.
    """

    waves: torch.Tensor
    energy: torch.Tensor
    channel: torch.Tensor | None
    spectral: torch.Tensor | None
    magnitude: torch.Tensor


class LGCBE(nn.Module):
    """Lipschitz gradient-constrained band extraction and adaptive weighting (equations 3 to 9; methods B2.3).

    Energies of the bands give weights of channels and of bands, whose norms are bounded by K_sp. The constraint bounds
    the weights, not the map from window to reconstruction: that is a product of two functions of the window, and its
    derivative grows with it.

    Parameters
    ----------
    settings : Settings
        With ``reconstruct`` the windows are replaced by ``s LGCN(x') + (1 - s) x``, where x' is the weighted sum of the
        bands and s, learnt, starts at one half.
    weighted : bool
        Whether anything takes the weights; if not, there are none to learn.
    """

    def __init__(self, settings: Settings, weighted: bool = True):
        super().__init__()
        self.spectrum = Spectrum(settings)
        self.bound, self.scaling = settings.spectral, settings.scaling

        def mlp(width: int) -> nn.Module:
            return nn.Sequential(settings.dense(width, width), nn.GELU(), settings.dense(width, width))

        weighted = weighted or settings.reconstruct
        self.channel: Any
        self.band: Any
        self.channel, self.band = (mlp(settings.n_channels), mlp(settings.n_bands)) if weighted else (None, None)
        self.norm = LGCN(settings.n_times, settings.affine) if settings.reconstruct else None
        self.gate = nn.Parameter(torch.zeros(())) if settings.reconstruct else None

    def forward(self, x: torch.Tensor) -> Bands:
        """Return bands, energies and weights of windows, shape (batch, n_channels, n_times)."""
        waves = self.spectrum.standardised(x)
        bins = self.spectrum(waves)
        energy = (self.spectrum.energies(bins) / self.spectrum.energy).log1p()
        channel, spectral = (None, None) if self.band is None else self.weights(energy)
        if self.norm is not None:
            assert self.gate is not None
            assert channel is not None
            assert spectral is not None
            share = self.gate.sigmoid()
            waves = share * self.norm(self.rebuilt(bins, channel, spectral)) + (1 - share) * waves
        magnitude = (self.spectrum.sizes(bins) / self.spectrum.magnitude).log1p().flatten(1)
        return Bands(waves, energy, channel, spectral, magnitude)

    def weights(self, energy: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the bounded weights of channels and of bands from energies, shape (batch, n_channels, n_bands).

        Weights of bands sum to 1, so that a bound of 1 or more acts on those of channels alone.
        """
        spectral = self.band(energy.mean(dim=1)).softmax(dim=-1)
        channel = self.channel(energy.mean(dim=2)).sigmoid()
        if self.bound is None:
            return channel, spectral
        if self.scaling == "set":  # official code: set to the norm, channels left alone
            return channel, spectral * self.bound / (torch.linalg.vector_norm(spectral, dim=-1, keepdim=True) + 1e-6)
        return _shortened(channel, self.bound), _shortened(spectral, self.bound)

    def rebuilt(self, bins: torch.Tensor, channel: torch.Tensor, spectral: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of the bands as windows (equation 8), shape (batch, n_channels, n_times)."""
        weights = (spectral @ self.spectrum.masks)[:, None] * channel[..., None]
        return self.spectrum.waves(bins * weights[..., None])


class _Relations(nn.Module):
    """The adjacency ``softmax(Q K^T / sqrt(n_nodes))`` of each sample, with residual networks for Q and K.

    Its rows sum to 1, those of ``A + I`` to 2: ``D^(-1/2) (A + I) D^(-1/2)`` is ``(A + I) / 2``, which is returned.
    """

    def __init__(self, settings: Settings, n_values: int):
        super().__init__()

        def mlp() -> nn.Module:
            first, second = (settings.dense(n_values, n_values) for _ in range(2))
            return nn.Sequential(first, nn.ReLU(), nn.Dropout(settings.dropped(0.1)), second)

        self.query, self.key = mlp(), mlp()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the adjacency and its normalised form, both (batch, n_nodes, n_nodes)."""
        scores = (x + self.query(x)) @ (x + self.key(x)).mT / math.sqrt(x.shape[1])
        adjacency = scores.softmax(dim=-1)
        return adjacency, (adjacency + torch.eye(x.shape[1], dtype=x.dtype, device=x.device)) / 2


class _Refinement(nn.Module):
    """Attention, normalisation, ELU and dropout, added to the input."""

    def __init__(self, settings: Settings, constraint: str, dropout: float):
        super().__init__()
        options: dict[str, Any] = {"linear_bound": settings.linear, "dropout": dropout}
        options |= {"projections": settings.projections, "scaling": settings.scaling}
        self.attention = make_attention(settings.width, settings.divided, constraint, settings.attention, **options)
        self.after = nn.Sequential(nn.LayerNorm(settings.width), nn.ELU(), nn.Dropout(dropout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.after(self.attention(x))


class _Head(nn.Module):
    """A bounded normalisation, a hidden layer, and the logits; :meth:`hide` gives the hidden layer."""

    def __init__(self, settings: Settings, width: int, hidden: int, norm: bool = True):
        super().__init__()
        hidden = max(hidden, _LEAST)
        first = [LGCN(width, settings.affine)] if norm else []
        self.hide = nn.Sequential(*first, settings.dense(width, hidden), nn.ReLU())
        self.dropout = nn.Dropout(settings.dropout)
        self.out = settings.dense(hidden, settings.n_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.dropout(self.hide(x)))


class _Global(nn.Module):
    """Branch 1: convolutions over time, a graph of their channels, attention between points of time."""

    code: torch.Tensor

    def __init__(self, settings: Settings):
        super().__init__()
        c, width, length = settings.n_channels, settings.width, settings.tokens
        in_blocks, in_refinements = ("norm", "rownorm") if settings.constraint == "code" else 2 * (settings.constraint,)
        self.convolution = nn.Sequential(
            nn.Conv1d(c, c, 11, padding=5, bias=False),
            BatchNorm(c),
            nn.ReLU(),
            nn.Dropout1d(settings.dropout),
            nn.Conv1d(c, width, 11, padding=5, stride=settings.stride, bias=False),
            BatchNorm(width),
        )
        self.relations = _Relations(settings, length)
        code = positions(length, width) if settings.position else torch.zeros(length, width)
        self.register_buffer("code", code, persistent=False)
        shared = settings.linear, settings.dropout, settings.projections, settings.scaling
        self.blocks = nn.Sequential(
            *(
                LGCA(width, settings.divided, max(8, c // 8), in_blocks, settings.attention, *shared)
                for _ in range(settings.blocks)
            ),
            *(
                _Refinement(settings, in_refinements, settings.dropped(share))
                for share in [0.3 - 0.1 * min(k, 2) for k in range(settings.refinements)]
            ),
        )
        self.mix = settings.dense(length, length, bias=False)
        self.gain = nn.Parameter(torch.ones(()))
        if settings.graph == "fixed":
            self.mix.requires_grad_(False)
        self.head = _Head(settings, width, c // 2, norm=False)

    def tokens(self, waves: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the convolutions make of windows, (batch, 2 C, tokens), and the tokens with their places."""
        u = self.convolution(waves)
        return u, u.mT + self.code

    def features(self, bands: Bands) -> torch.Tensor:
        u, tokens = self.tokens(bands.waves)
        _, graph = self.relations(u)
        h = self.blocks(tokens).mT
        return (h + self.gain * (graph @ self.mix(h)).relu()).mean(dim=-1)


class _Energy(nn.Module):
    """Branch 2: energies of the bands on a graph of the electrodes."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.relations = _Relations(settings, settings.n_bands)
        self.mix = settings.dense(settings.n_bands, settings.n_bands, bias=False)
        self.gain = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(settings.dropout)
        if settings.graph == "fixed":
            self.mix.requires_grad_(False)
        width = settings.n_channels * settings.n_bands
        self.head = _Head(settings, width, width // 2)

    def features(self, bands: Bands) -> torch.Tensor:
        _, graph = self.relations(bands.energy)
        spread = self.dropout(graph @ self.mix(bands.energy)).relu()
        return (bands.energy + self.gain * spread).flatten(1)


class _Features(nn.Module):
    """Branch 3: energies and weights side by side."""

    def __init__(self, settings: Settings):
        super().__init__()
        width = (settings.n_channels + 1) * (settings.n_bands + 1) - 1  # 6 C + 5 with five bands
        self.head = _Head(settings, width, width // 2)

    def features(self, bands: Bands) -> torch.Tensor:
        assert bands.channel is not None
        assert bands.spectral is not None
        return torch.cat([bands.energy.flatten(1), bands.channel, bands.spectral], dim=1)


class _Magnitude(nn.Module):
    """Branch 4: magnitudes of all bins within the bands."""

    def __init__(self, settings: Settings, width: int):
        super().__init__()
        hidden = width // 10 if settings.hidden is None else min(width // 10, settings.hidden)
        self.head = _Head(settings, width, hidden)

    def features(self, bands: Bands) -> torch.Tensor:
        return bands.magnitude


class Fusion(nn.Module):
    """Convex combination of the branches by softmax weights (equation 13; methods B2.7), and its simpler rivals.

    Parameters
    ----------
    n_branches : int
    kind : {'learnt', 'average', 'vote', 'joint'}
        Of probabilities: weights ``softmax(theta)`` that :func:`fit_fusion` learns on held-out samples (paper), the
        mean, or the share of branches that prefer a class. ``joint`` is the official code: the mean of the logits, each
        multiplied by a free number that is trained with everything else.
    logits : bool
        Combine logits instead of probabilities, which keeps a Lipschitz constant.
    """

    def __init__(self, n_branches: int, kind: str = "learnt", logits: bool = False):
        super().__init__()
        self.kind, self.logits = kind, logits
        start = (torch.ones if kind == "joint" else torch.zeros)(n_branches)
        self.theta = nn.Parameter(start, requires_grad=kind in ("learnt", "joint"))

    @property
    def weights(self) -> torch.Tensor:
        """The weights, shape (n_branches,)."""
        return self.theta / len(self.theta) if self.kind == "joint" else self.theta.softmax(dim=0)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities or logits, (batch, n_classes), from logits (batch, n_branches, n_classes)."""
        if self.kind == "joint" or self.logits:
            return torch.einsum("b,nbk->nk", self.weights, logits)
        if self.kind == "vote":
            votes = functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
            return (votes.mean(dim=1) + 1e-3).log().log_softmax(dim=-1)  # no class is ruled out by four votes
        return torch.logsumexp(self.weights.log()[:, None] + logits.log_softmax(dim=-1), dim=1)


@torch.enable_grad()
def fit_fusion(
    fusion: Fusion,
    logits: torch.Tensor,
    y: torch.Tensor,
    steps: int = 50,
    lr: float = 0.05,
    penalty: float = 0.1,
    criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = functional.cross_entropy,
) -> torch.Tensor:
    """Learn the weights of a fusion on held-out samples; nothing but these changes.

    Parameters
    ----------
    fusion : Fusion
        Training starts from its present weights.
    logits : Tensor, shape (n_samples, n_branches, n_classes)
        Of the frozen branches.
    y : Tensor of int, shape (n_samples,)
    steps, lr : int, float
        Of Adam.
    penalty : float
        Factor of the squared norm of theta: a handful of trials cannot tell four weights, and few samples leave them
        near the mean.
    criterion : callable
        The loss.

    Returns
    -------
    Tensor, shape (n_samples, n_classes)
        What the fusion makes of the logits afterwards.
    """
    logits = logits.detach().float()
    optimiser = torch.optim.Adam([fusion.theta], lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = criterion(fusion(logits), y) + penalty * fusion.theta.square().sum()
        loss.backward()
        optimiser.step()
    fusion.theta.grad = None  # the optimiser of the branches must not take a step with it
    return fusion(logits).detach()


class Branches(nn.ModuleDict):
    """Branches by their names, one of which, `global`, is a word of Python.

    Compilers and exporters write programmes that name a module's parts, and fail at that word; so the parts have
    another name inside.

    Parameters
    ----------
    branches : mapping of str to Module
    """

    _INSIDE = "_branch"

    def __init__(self, branches: Mapping[str, nn.Module]):
        super().__init__({name + self._INSIDE: branch for name, branch in branches.items()})

    if TYPE_CHECKING:  # a branch has features and a head, and none is a plain Module

        def values(self) -> ValuesView[Any]: ...

    def __getitem__(self, name: str) -> Any:
        """Return the branch of a name."""
        return super().__getitem__(name + self._INSIDE)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a branch of this name."""
        return f"{name}{self._INSIDE}" in self._modules

    def items(self) -> list[tuple[str, Any]]:  # type: ignore[override]  # a list of them, under other names
        """Return names and branches."""
        return [(name.removesuffix(self._INSIDE), branch) for name, branch in self._modules.items()]


class LELNet(nn.Module):
    """Four branches on one band extraction, and their fusion.

    While it trains it returns the logits of every branch, (batch, n_branches, n_classes), each of which has a loss of
    its own; in evaluation mode the logarithm of the fused probabilities, (batch, n_classes).

    Parameters
    ----------
    settings : Settings
    branches : sequence of str
        Of :data:`BRANCHES`.
    fusion : str
        As :class:`Fusion`.
    logit_norm : float, optional
        Standardise the logits of each branch and bound their norm, see :func:`~thymos.nn.lipschitz.standardised`.
    noise : float
        Deviation of Gaussian noise added while training, as a share of that of each channel.
    """

    def __init__(
        self,
        settings: Settings,
        branches: Sequence[str] = tuple(BRANCHES),
        fusion: str = "learnt",
        logit_norm: float | None = None,
        noise: float = 0.0,
    ):
        super().__init__()
        self.bands = LGCBE(settings, weighted="features" in branches)
        n_bins = settings.n_channels * len(self.bands.spectrum.used)
        makers = {
            "global": lambda: _Global(settings),
            "energy": lambda: _Energy(settings),
            "features": lambda: _Features(settings),
            "magnitude": lambda: _Magnitude(settings, n_bins),
        }
        self.branches = Branches({name: makers[name]() for name in branches})
        self.fusion = Fusion(len(self.branches), fusion)
        self.logit_norm, self.noise = logit_norm, noise

    @property
    def spectrum(self) -> Spectrum:
        """Means and deviations of the channels, and spectra."""
        return self.bands.spectrum

    def begin(self, x: torch.Tensor) -> None:
        """Take from training windows, (n, n_channels, n_times) in V, what is known before the first step."""
        self.bands.spectrum.begin(x)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of each branch, (batch, n_features of it), of windows in V, before their heads."""
        if self.training and self.noise:
            x = x + self.noise * self.spectrum.scale * torch.randn_like(x)
        bands = self.bands(x)
        return [branch.features(bands) for branch in self.branches.values()]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of each branch, (batch, n_branches, n_classes)."""
        pairs = zip(self.branches.values(), self.features(x), strict=True)
        logits = torch.stack([branch.head(features) for branch, features in pairs], dim=1)
        return logits if self.logit_norm is None else standardised(logits, self.logit_norm)

    def hidden(self, x: torch.Tensor) -> torch.Tensor:
        """Return the hidden layers of all heads side by side, (batch, n_units), of windows in V."""
        pairs = zip(self.branches.values(), self.features(x), strict=True)
        return torch.cat([branch.head.hide(features) for branch, features in pairs], dim=1)

    def attention(self, x: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
        """Return the first attention of branch 1 and its tokens, (batch, n_tokens, 2 n_channels), of windows in V."""
        first = self.branches["global"]
        return first.blocks[0].attention, first.tokens(self.bands(x).waves)[1]

    def relations(self, x: torch.Tensor) -> torch.Tensor:
        """Return the learnt adjacency of the electrodes, (batch, n_channels, n_channels); rows sum to 1."""
        return self.branches["energy"].relations(self.bands(x).energy)[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, (batch, n_branches, n_classes), while training; fused log-probabilities otherwise."""
        logits = self.logits(x)
        return logits if self.training and self.fusion.kind != "joint" else self.fusion(logits)


def _shortened(weights: torch.Tensor, bound: float) -> torch.Tensor:
    """Return weights whose norm over the last axis is `bound` at most (equation 7)."""
    norm = torch.linalg.vector_norm(weights, dim=-1, keepdim=True)
    return weights * (bound / (norm + 1e-6)).clamp(max=1.0)


def _alive(values: torch.Tensor, least: float) -> torch.Tensor:
    """Return positive values to divide by: those below `least` times the median over channels become the median."""
    middle = values.median(dim=0, keepdim=True).values
    middle = torch.where(middle > 0, middle, values.amax(dim=0, keepdim=True))
    values = torch.where(values < least * middle, middle, values)
    return torch.where(values > 0, values, torch.ones_like(values))
