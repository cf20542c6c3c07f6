"""What convolutional networks on raw windows share."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn
from torch.nn import functional

from thymos.nn.cnn_lstm import BatchNorm

__all__ = ["BatchNormMaps", "BoundedConv1d", "BoundedConv2d", "BoundedLinear", "TimeSpaceConv", "glorot", "same"]


class BatchNormMaps(BatchNorm):
    """Batch normalisation of maps of shape (batch, n_maps, n_channels, n_times), which takes a single value too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalised batch, of the shape of `x`."""
        return super().forward(x.flatten(2)).reshape(x.shape)


class _Bounded(nn.Module):
    """A layer whose weights have at most `max_norm` as Euclidean norm for each output (a max-norm constraint).

    Weights outside are put back onto the sphere: before each step of training, which is after the one before, and
    when training ends. A forward pass in evaluation mode changes nothing.

    Parameters
    ----------
    *values, **options
        As the layer of PyTorch.
    max_norm : float
        The bound.
    """

    weight: torch.Tensor

    def __init__(self, *values: int | tuple[int, int], max_norm: float, **options: object):
        super().__init__(*values, **options)
        self.max_norm = max_norm

    def project(self) -> None:
        """Put the weights back inside the bound."""
        self.weight.data.renorm_(2, 0, self.max_norm)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; weights to be evaluated are inside the bound."""
        self.project()
        return super().train(mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer makes of `x`."""
        if self.training:
            self.project()
        return super().forward(x)


class BoundedConv1d(_Bounded, nn.Conv1d):
    __doc__ = _Bounded.__doc__  # type: ignore[assignment]  # torch declares no docstring that is None


class BoundedConv2d(_Bounded, nn.Conv2d):
    __doc__ = _Bounded.__doc__  # type: ignore[assignment]


class BoundedLinear(_Bounded, nn.Linear):
    __doc__ = _Bounded.__doc__


class TimeSpaceConv(nn.Module):
    """A convolution over time, then one over all channels, computed as the one convolution that both are.

    Nothing stands between them, so that their product is a kernel over channels and time. It needs neither the work
    of the second convolution nor the memory for the maps of every channel.

    Parameters
    ----------
    n_channels : int
        Channels of the windows.
    filters, kernel : int
        Number of filters over time and their length in samples.
    spatial : int
        Number of filters over space, each of which sees all filters over time at all channels.
    """

    def __init__(self, n_channels: int, filters: int, kernel: int, spatial: int):
        super().__init__()
        self.time = nn.Parameter(torch.empty(filters, 1, kernel))
        self.space = nn.Parameter(torch.empty(spatial, filters, n_channels))
        nn.init.xavier_uniform_(self.time)
        nn.init.xavier_uniform_(self.space)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (batch, spatial, n_times - kernel + 1) of `x`, shape (batch, n_channels, n_times)."""
        return functional.conv1d(x, torch.einsum("sfc,fk->sck", self.space, self.time[:, 0]))


def glorot(module: nn.Module) -> None:
    """Draw the weights of convolutions and dense layers as Glorot and Bengio (2010), with zero biases."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def same(kernel: int) -> nn.ZeroPad2d:
    """Return the padding over time with which a convolution of `kernel` samples keeps the length, even ones too."""
    return nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2, 0, 0))
