"""Losses that PyTorch lacks."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ConcordanceLoss"]


class ConcordanceLoss(nn.Module):
    """One minus the concordance correlation coefficient of a batch (Lin 1989).

    ``1 - 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)`` with population moments: 0 where both agree, 1
    where they do not vary together, 2 at most. It sees scale and offset, which the correlation does not.
    """

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the loss of predictions `x` for ratings `y`, both of shape (batch, 1) or (batch,)."""
        x, y = x.flatten(), y.flatten()
        shift = x.mean() - y.mean()
        x, y = x - x.mean(), y - y.mean()
        spread = x.square().mean() + y.square().mean() + shift.square()
        tiny = torch.finfo(x.dtype).eps  # two equal constants agree no better than chance
        return 1 - 2 * (x * y).mean() / (spread + tiny)
