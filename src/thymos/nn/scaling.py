"""Scales that a network learns from its training samples before the first step, and carries with its weights."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["SCALINGS", "Affine", "SequenceScale"]

SCALINGS = ("minmax", "zscore", "window", "none")


class Affine(nn.Module):
    """Outputs in a unit of their own: multiplied by a scale, then shifted.

    Parameters
    ----------
    scale, shift : float
    """

    def __init__(self, scale: float, shift: float):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return values of the same shape."""
        return x * self.scale + self.shift


class SequenceScale(nn.Module):
    """Each channel from the values that training had.

    Parameters
    ----------
    n_channels : int
    scaling : {'minmax', 'zscore', 'window', 'none'}
        ``minmax``: least and greatest training value become -1 and 1, and what lies beyond is clipped; ``zscore``: zero
        mean and unit variance; ``window``: each sequence by its own mean and spread, for pulses, the height of which is
        that of a sensor's contact. The latter learns nothing, and is not taken back.
    """

    middle: torch.Tensor
    width: torch.Tensor

    def __init__(self, n_channels: int, scaling: str = "minmax"):
        super().__init__()
        self.scaling = scaling
        self.register_buffer("middle", torch.zeros(n_channels, 1))
        self.register_buffer("width", torch.ones(n_channels, 1))

    @torch.no_grad()
    def learn(self, x: torch.Tensor) -> None:
        """Learn from training sequences, shape (n_samples, n_channels, n_times)."""
        if self.scaling == "minmax":
            low, high = x.amin(dim=(0, 2)), x.amax(dim=(0, 2))
            middle, width = (low + high) / 2, (high - low) / 2
        elif self.scaling == "zscore":
            middle, width = x.double().mean(dim=(0, 2)), x.double().std(dim=(0, 2), correction=0)
        else:
            return
        self.middle.copy_(middle[:, None])
        self.width.copy_(torch.where(width > 0, width, torch.ones_like(width))[:, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scaled sequences, same shape."""
        if self.scaling == "window":
            spread = x.std(dim=2, keepdim=True, correction=0)
            return (x - x.mean(dim=2, keepdim=True)) / torch.where(spread > 0, spread, torch.ones_like(spread))
        x = (x - self.middle) / self.width
        return x.clamp(-1, 1) if self.scaling == "minmax" else x

    def restored(self, x: torch.Tensor) -> torch.Tensor:
        """Return sequences in their own unit again."""
        return x * self.width + self.middle
