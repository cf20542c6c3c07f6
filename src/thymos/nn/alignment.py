"""Features that do not tell domains apart: correlation alignment and a domain critic behind a reversed gradient."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import nn

__all__ = ["ALIGNMENTS", "AlignedLoss", "AlignedNet", "coral_distance"]

ALIGNMENTS = ("coral", "dann")
_SLOPE = 10.0  # of the course of the reversed gradient (Ganin et al. 2016, section 5.2.2)


class _Reverse(torch.autograd.Function):
    """Identity, the gradient of which is turned round and scaled."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, share: float) -> torch.Tensor:
        context.share = share
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -context.share * gradient, None


class AlignedNet(nn.Module):
    """A network that, while it learns, also returns what its last dense layer is given, for :class:`AlignedLoss`.

    Parameters
    ----------
    network : Module
        Classifies; samples to logits.
    head : Linear
        Its last dense layer.
    kind : {'coral', 'dann'}
    n_domains : int
    hidden : int
        Width of the critic of ``dann``.
    n_steps : int
        Training steps in all, over which the reversed gradient of ``dann`` grows from 0 to its full size.
    """

    def __init__(self, network: nn.Module, head: nn.Linear, kind: str, n_domains: int, hidden: int, n_steps: int):
        super().__init__()
        self.network, self.kind, self.n_steps, self.steps = network, kind, n_steps, 0
        self._head = [head]  # in a list: its weights are the network's, and are not to be counted twice
        if kind == "dann":
            self.critic = nn.Sequential(nn.Linear(head.in_features, hidden), nn.ReLU(), nn.Linear(hidden, n_domains))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_classes); in training followed by features, or by the logits of domains."""
        if not self.training:
            return self.network(x)
        seen: list[torch.Tensor] = []
        hook = self._head[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        try:
            logits = self.network(x)
        finally:
            hook.remove()
        features = seen[-1].flatten(1)
        if self.kind == "coral":
            return torch.cat([logits, features], dim=1)
        share = 2.0 / (1.0 + math.exp(-_SLOPE * min(1.0, self.steps / self.n_steps))) - 1.0
        self.steps += 1
        return torch.cat([logits, self.critic(_Reverse.apply(features, share))], dim=1)


class AlignedLoss(nn.Module):
    """Cross-entropy of classes and, of what :class:`AlignedNet` returns in training, the price of seeing domains.

    Parameters
    ----------
    classes : Module
        Loss of the logits of classes.
    kind : {'coral', 'dann'}
    n_classes : int
    strength : float
        What the second part counts.
    """

    def __init__(self, classes: nn.Module, kind: str, n_classes: int, strength: float):
        super().__init__()
        self.classes, self.kind, self.n_classes, self.strength = classes, kind, n_classes, strength

    def forward(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the loss.

        Parameters
        ----------
        outputs : Tensor, shape (batch, n_classes), in training (batch, n_classes + n_features or n_domains)
        y : Tensor of int, shape (batch,), in training (batch, 2)
            Class, and domain; -1 for a sample of none, which is not aligned.
        """
        if y.dim() == 1:  # the validation part
            return self.classes(outputs, y)
        label, domain = y[:, 0], y[:, 1]
        logits, beside = outputs[:, : self.n_classes], outputs[:, self.n_classes :]
        loss = self.classes(logits, label)
        known = domain >= 0
        if not known.any():
            return loss
        price = nn.functional.cross_entropy if self.kind == "dann" else coral_distance
        return loss + self.strength * price(beside[known], domain[known])


def coral_distance(features: torch.Tensor, domain: torch.Tensor) -> torch.Tensor:
    """Return how far the means and covariances of domains are apart, the mean over pairs of domains.

    Parameters
    ----------
    features : Tensor, shape (batch, n_features)
    domain : Tensor of int, shape (batch,)
        Those with a single sample are left out.

    Returns
    -------
    Tensor, shape ()
        Mean squared difference of means plus that of covariances; 0 with fewer than two domains.

    Notes
    -----
    Sun and Saenko (2016) align covariances of two domains; means too and all pairs of training domains are the form of
    Gulrajani and Lopez-Paz (2021).
    """
    means, spreads = [], []
    for code in domain.unique():
        mine = features[domain == code]
        if len(mine) > 1:
            centred = mine - mine.mean(dim=0)
            means.append(mine.mean(dim=0))
            spreads.append(centred.T @ centred / (len(mine) - 1))
    if len(means) < 2:
        return features.new_zeros(())
    return cast(torch.Tensor, sum(torch.stack(parts).flatten(1).var(dim=0).mean() * 2 for parts in (means, spreads)))
