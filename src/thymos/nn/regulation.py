"""Units of a network regulated like genes: importance, expression, threshold, regrowth (methods B3.3-B3.5).

Pure functions of tensors. A unit is a connection or a channel; it is live or silenced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

__all__ = ["Expression", "gated", "importance", "live_target", "live_threshold", "regrown", "shortfall", "spread_of"]

SILENCED, EXPRESSED = 0.45, 0.55  # protein below and above which a unit changes


@dataclass(frozen=True)
class Expression:
    """Two linear equations with a switch: mRNA is made as importance tells, protein as mRNA tells.

    ``dm/dt = k0 + km u^n / (1 + u^n) / (1 + (pbar / K)^h) - decay_m m`` and ``dp/dt = decay_p (m - p)``, where `u` is
    importance over threshold. In the steady state p is ``leak + (1 - leak) u^n / (1 + u^n)``, which is 0.51 at the
    threshold: in the long run the gate is the rule that what lies below the threshold goes, and single noisy epochs do
    not decide; in steps of four epochs they would.

    Parameters
    ----------
    cooperativity : float
        n, how steep the switch is.
    decay_m, decay_p : float
        Per epoch. Proteins outlive mRNA.
    leak : float
        What is made of a unit without importance.
    repression : float
        K of the mean protein of a layer; infinite for none. A layer that is fully expressed makes less.
    order : float
        h.
    """

    cooperativity: float = 4.0
    decay_m: float = 1.0
    decay_p: float = 0.5
    leak: float = 0.02
    repression: float = math.inf
    order: float = 2.0

    def level(self, u: torch.Tensor, mean: torch.Tensor | float = 0.0) -> torch.Tensor:
        """Return the mRNA, a share of the most, at which making and decay are equal, of the shape of `u`."""
        powered = u.clamp(min=0) ** self.cooperativity
        active = torch.where(torch.isfinite(powered), powered / (1 + powered), torch.ones_like(powered))
        held_back = 1.0 if math.isinf(self.repression) else 1.0 + (mean / self.repression) ** self.order
        return self.leak + (1 - self.leak) * active / held_back

    def step(
        self, m: torch.Tensor, p: torch.Tensor, u: torch.Tensor, dt: float = 1.0, mean: torch.Tensor | float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mRNA and protein, shares of the most, after `dt` epochs of one `u`, of its shape; exact."""
        level = self.level(u, mean)
        gone_m, gone_p = math.exp(-self.decay_m * dt), math.exp(-self.decay_p * dt)
        if math.isclose(self.decay_m, self.decay_p):
            carried = self.decay_p * (m - level) * dt * gone_p
        else:
            carried = self.decay_p * (m - level) / (self.decay_p - self.decay_m) * (gone_m - gone_p)
        return level + (m - level) * gone_m, level + (p - level) * gone_p + carried


def importance(
    magnitude: torch.Tensor,
    sensitivity: torch.Tensor,
    age: torch.Tensor,
    live: torch.Tensor,
    alpha: float = 0.5,
    beta: float = 0.2,
    youth: float = 2.0,
) -> torch.Tensor:
    """Return the score of each unit of a layer: ``a / mean a + alpha I / mean I + beta exp(-age / youth)``.

    Parameters
    ----------
    magnitude, sensitivity : Tensor, of the layer's shape
        a and I of methods B3.3; the means are those of live units.
    age : Tensor
        Epochs since birth or the last regrowth.
    live : Tensor of bool
    """

    def scaled(x: torch.Tensor) -> torch.Tensor:
        mean = x[live].mean() if live.any() else x.mean()
        return x / mean if mean > 0 else torch.zeros_like(x)

    return scaled(magnitude) + alpha * scaled(sensitivity) + beta * torch.exp(-age / youth)


def live_target(epoch: float, first: float, last: float, final: float, start: float = 1.0) -> float:
    """Return the share of units that are to be live, falling as a cube between two epochs (Zhu & Gupta 2017).

    It falls from `start`, which is the whole unless some were silenced before.
    """
    if last <= first:
        return final if epoch >= last else start
    left = 1.0 - min(1.0, max(0.0, (epoch - first) / (last - first)))
    return final + (start - final) * left**3


def live_threshold(scores: Sequence[torch.Tensor], live: Sequence[torch.Tensor], share: float) -> float:
    """Return the score below which a `share` of the live units of all layers lie, each of the shape of its layer."""
    pooled = torch.cat([score[alive] for score, alive in zip(scores, live, strict=True)])
    rank = min(len(pooled), max(1, math.ceil(share * len(pooled))))
    return float(pooled.kthvalue(rank).values)


def gated(live: torch.Tensor, protein: torch.Tensor) -> torch.Tensor:
    """Return which units live (a mask of one shape): silenced below 0.45, expressed above 0.55, else as before."""
    return (protein > EXPRESSED) | (live & (protein >= SILENCED))


def shortfall(scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """Return how far scores, of any shape, are below the threshold, as a share of it, from 0 to 1."""
    if threshold <= 0:
        return torch.zeros_like(scores)
    return ((threshold - scores) / threshold).clamp(0, 1)


def spread_of(epoch: float, last: float, start: float = 0.5) -> float:
    """Return sigma of the regrowth, falling to a tenth of `start` at the epoch `last`."""
    return start * max(0.1, 1.0 - epoch / max(last, 1e-9))


def regrown(missing: torch.Tensor, sigma: float, count: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """Draw units without replacement, each with a probability in proportion to ``exp(-missing / sigma)``.

    Parameters
    ----------
    missing : Tensor, shape (n_units,)
        :func:`shortfall` of those that may come back.
    sigma : float
        Infinite: all alike, the growth of SET; 0: those that miss least, the growth of RigL.
    count : int
    generator : Generator, optional

    Returns
    -------
    Tensor of int, shape (min(count, n_units),)
    """
    count = min(count, len(missing))
    if sigma == 0:
        return torch.topk(-missing, count).indices
    noise = torch.rand(missing.shape, generator=generator, device=missing.device).clamp(1e-12, 1 - 1e-7)
    return torch.topk(-missing / sigma - torch.log(-torch.log(noise)), count).indices  # the Gumbel trick
