"""Networks that join what several encoders see: side by side, weighed by gates, or by attention (methods B4.5)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from thymos.nn.cnn_lstm import BatchNorm

__all__ = ["HEADS", "JOINED", "FusionHead", "FusionNet", "last_dense", "without_head"]

JOINED = ("concat", "gated", "attention")
HEADS = 4  # of the attention


class FusionHead(nn.Module):
    """Features of some modalities to classes; what is missing counts as zeros, or is not looked at.

    Parameters
    ----------
    sizes : sequence of int
        Features of each modality.
    n_outputs : int
    kind : {'concat', 'gated', 'attention'}
        ``concat``: side by side, a dense layer; ``gated``: each to `hidden` features, weighed by gates that see all
        (Arevalo et al. 2017, gated multimodal units); ``attention``: each to `hidden` features, which attend to each
        other, and their mean.
    hidden : int
    dropout : float
        Before the last layer.
    modality_dropout : float
        Share of the training samples that one of their modalities is left out of; the last one never is.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        n_outputs: int,
        kind: str = "concat",
        hidden: int = 128,
        dropout: float = 0.3,
        modality_dropout: float = 0.2,
    ):
        super().__init__()
        self.sizes, self.kind, self.modality_dropout = list(sizes), kind, modality_dropout
        total = sum(self.sizes)
        if kind == "concat":
            self.joined = nn.Linear(total, hidden)
        else:
            self.each = nn.ModuleList(nn.Linear(size, hidden) for size in self.sizes)
        if kind == "gated":
            self.gates = nn.Linear(total, len(self.sizes))
        if kind == "attention":
            self.attention = nn.MultiheadAttention(hidden, HEADS, batch_first=True)
            self.which = nn.Parameter(0.02 * torch.randn(len(self.sizes), hidden))
        self.after = nn.Sequential(BatchNorm(hidden), nn.ReLU(), nn.Dropout(dropout))
        self.final_layer = nn.Linear(hidden, n_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_outputs).

        Parameters
        ----------
        x : Tensor, shape (batch, sum(sizes) + n_modalities)
            Features of all modalities, and behind them for each whether it is there, 0 or 1.
        """
        features, there = x[:, : sum(self.sizes)], x[:, sum(self.sizes) :]
        there = self._kept(there)
        parts = [part * there[:, k, None] for k, part in enumerate(features.split(self.sizes, dim=1))]
        return self.final_layer(self.after(self._joined(parts, there)))

    def _joined(self, parts: list[torch.Tensor], there: torch.Tensor) -> torch.Tensor:
        if self.kind == "concat":
            return self.joined(torch.cat(parts, dim=1))
        each = torch.stack([layer(part) for layer, part in zip(self.each, parts, strict=True)], dim=1)
        if self.kind == "gated":
            gates = self.gates(torch.cat(parts, dim=1)).masked_fill(there == 0, -torch.inf).softmax(dim=1)
            return (gates[..., None] * each.tanh()).sum(dim=1)
        each = each + self.which
        seen, _ = self.attention(each, each, each, key_padding_mask=there == 0, need_weights=False)
        return ((each + seen) * there[..., None]).sum(dim=1) / there.sum(dim=1, keepdim=True)

    def _kept(self, there: torch.Tensor) -> torch.Tensor:
        """Leave out one modality of some samples while training, and never the last one."""
        if not self.training or not self.modality_dropout:
            return there
        hit = (torch.rand_like(there[:, 0]) < self.modality_dropout) & (there.sum(dim=1) > 1)
        one = torch.rand_like(there).masked_fill(there == 0, -1.0).argmax(dim=1)
        return there * (1.0 - nn.functional.one_hot(one, there.shape[1]).to(there) * hit[:, None])


class FusionNet(nn.Module):
    """Encoders, and a head on what they see.

    Parameters
    ----------
    encoders : sequence of Module
        Each from samples of its modality to features (batch, size).
    shapes : sequence of tuple of int
        Shape of a sample of each modality.
    whole : sequence of bool
        Which modalities are whole numbers up to 255.
    head : FusionHead
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        shapes: Sequence[tuple[int, ...]],
        whole: Sequence[bool],
        head: FusionHead,
    ):
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        self.shapes, self.whole, self.head = [tuple(shape) for shape in shapes], list(whole), head

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of all modalities, and behind them which are there; what is missing is zeros."""
        lengths = [int(torch.tensor(shape).prod()) for shape in self.shapes]
        *parts, there = x.split([*lengths, len(lengths)], dim=1)
        made = []
        for k, (encoder, part) in enumerate(zip(self.encoders, parts, strict=True)):
            features = x.new_zeros(x.shape[0], self.head.sizes[k])
            rows = there[:, k].nonzero()[:, 0]
            if len(rows):
                given = part[rows].reshape(len(rows), *self.shapes[k])
                features[rows] = _seen(encoder, given.to(torch.uint8) if self.whole[k] else given).to(features)
            made.append(features)
        return torch.cat([*made, there], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_outputs).

        Parameters
        ----------
        x : Tensor, shape (batch, n_values + n_modalities)
            The samples of all modalities, each as a row, and behind them for each modality whether it is there.
        """
        return self.head(self.embed(x))


def _seen(encoder: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what an encoder sees; a single sample, from which no normalisation can learn, as in predictions."""
    if len(x) > 1 or not encoder.training:
        return encoder(x)
    with torch.no_grad():
        seen = encoder.eval()(x)
    encoder.train()
    return seen


def last_dense(module: nn.Module) -> str | None:
    """Return the name of the dense layer of a network that was made last; empty if it is the network, None without."""
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    return names[-1] if names else None


def without_head(module: nn.Module) -> tuple[nn.Module, nn.Linear] | None:
    """Return a copy of a network without its last dense layer, and that layer; None if it has none.

    Parameters
    ----------
    module : Module
        Its dense layers were made in the order in which they act.
    """
    name = last_dense(module)
    if not name:
        return None
    copied = copy.deepcopy(module)
    place, _, attribute = name.rpartition(".")
    owner = copied.get_submodule(place)
    head = getattr(owner, attribute)
    setattr(owner, attribute, nn.Identity())
    return copied, head
