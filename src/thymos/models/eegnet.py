"""EEGNet: few weights, separated by what they filter (Lawhern et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from thymos.models.convnets import ConvNetClassifier
from thymos.nn.convolution import BatchNormMaps, BoundedConv2d, BoundedLinear, glorot, same

__all__ = ["EEGNet", "EEGNetClassifier"]


class EEGNet(nn.Module):
    """Filters over time; filters over space for each of them; a separable convolution; a dense layer.

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Shape of the windows, and classes.
    filters, depth : int
        Filters over time, and filters over space for each of them.
    kernel, pool : int
        Length of the filters over time and of the means after the filters over space, in samples.
    dropout : float
        Share of values dropped after each of the two blocks.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        filters: int = 8,
        depth: int = 2,
        kernel: int = 64,
        pool: int = 4,
        dropout: float = 0.25,
    ):
        super().__init__()
        kernel, pool = min(kernel, n_times), min(pool, n_times)
        length, width = n_times // pool, filters * depth
        separable, second = min(16, length), min(8, length)
        self.first = nn.Sequential(
            same(kernel),
            nn.Conv2d(1, filters, (1, kernel), bias=False),
            BatchNormMaps(filters),
            BoundedConv2d(filters, width, (n_channels, 1), groups=filters, bias=False, max_norm=1.0),
            BatchNormMaps(width),
            nn.ELU(),
            nn.AvgPool2d((1, pool)),
            nn.Dropout(dropout),
        )
        self.second = nn.Sequential(
            same(separable),
            nn.Conv2d(width, width, (1, separable), groups=width, bias=False),
            nn.Conv2d(width, width, 1, bias=False),
            BatchNormMaps(width),
            nn.ELU(),
            nn.AvgPool2d((1, second)),
            nn.Dropout(dropout),
        )
        self.final_layer = BoundedLinear(width * (length // second), n_outputs, max_norm=0.25)
        glorot(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_channels, n_times)."""
        return self.final_layer(self.second(self.first(x[:, None])).flatten(1))


class EEGNetClassifier(ConvNetClassifier):
    """Classes from filters over time, over space and over time again (EEGNet-8,2; Lawhern et al. 2018).

    Each filter over time has filters over space of its own, whose norm is at most 1; a separable convolution sums them
    up over 0.5 s, and a dense layer with weights of norm 0.25 at most reads them. Published for 128 Hz: the lengths of
    the first filters (half a second) and of the first pool follow `sfreq`, so that everything after it runs at about
    32 Hz. A kernel or a pool that is longer than what is left of a window is cut to it, so that any length will do.

    Parameters
    ----------
    filters, depth : int
        Filters over time (F1), and filters over space for each of them (D); the separable convolution has
        ``F2 = F1 * D`` outputs.
    kernel, pool : int, optional
        Length of the filters over time and of the first mean, in samples; by default 1/2 and 1/32 s (64 and 4 samples
        where `sfreq` is unknown).
    dropout : float
        Share of values dropped after each block; published are 0.25 across subjects and 0.5 within.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Raises
    ------
    InputError
        From `fit`, if a parameter is no whole number of at least 1, `dropout` not in [0, 1) or `sfreq` not positive.

    Notes
    -----
    Batch normalisation keeps PyTorch's momentum and epsilon. Running statistics as slow as those of Keras, which the
    authors used, need hundreds of steps before predictions are of use.

    Scale and offset of the first normalisation are kept, so that the size is the published one, although the second
    normalisation undoes them.

    References
    ----------
    V. J. Lawhern et al. (2018), EEGNet: a compact convolutional neural network for EEG-based brain-computer
    interfaces, Journal of Neural Engineering 15, 056013, Table 2.
    """

    published_rate = 128.0

    def __init__(
        self,
        filters: int = 8,
        depth: int = 2,
        kernel: int | None = None,
        pool: int | None = None,
        dropout: float = 0.25,
        **training: Any,
    ):
        super().__init__(**training)
        self.filters = filters
        self.depth = depth
        self.kernel = kernel
        self.pool = pool
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for windows of shape (n_channels, n_times)."""
        self._check("filters", "depth", lengths=("kernel", "pool"))
        lengths = self._samples("kernel", 64), self._samples("pool", 4)
        n_channels, n_times = shape
        return EEGNet(n_channels, n_times, n_outputs, self.filters, self.depth, *lengths, self.dropout)
