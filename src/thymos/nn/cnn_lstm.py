"""Convolutions over time that shorten a sequence for an LSTM."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from thymos.nn.recurrent import RecurrentNet

__all__ = ["BatchNorm", "CNNLSTMNet"]


class _OfOne(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation that takes a training batch of a single value, for which there is no variance.

    Such a batch, the last one of an epoch over sequences of one step or maps of one pixel, is scaled by the running
    statistics.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalised batch; `x` of shape (batch, n_channels, ...)."""
        if self.training and x[:, 0].numel() == 1:
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


class BatchNorm(_OfOne, nn.BatchNorm1d):
    """For values or sequences."""


class BatchNorm2d(_OfOne, nn.BatchNorm2d):
    """For maps."""


class CNNLSTMNet(nn.Module):
    """Two blocks of convolution, batch normalisation, ELU, average pooling and dropout; an LSTM; a dense layer.

    Parameters
    ----------
    n_channels, n_outputs : int
        Channels of the sequences, and classes.
    filters, kernel : int
        Number and length (in samples) of the filters of each block.
    pool : int
        Samples averaged into one after each block; a remainder is averaged too, so that any length will do.
    hidden : int
        Width of the LSTM, of which the last state is read.
    dropout : float
        Share of units dropped after each block and before the dense layer.
    """

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        filters: int = 16,
        kernel: int = 7,
        pool: int = 4,
        hidden: int = 32,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(width, filters, kernel, padding="same", bias=False),  # the normalisation has one
                    BatchNorm(filters),
                    nn.ELU(),
                    nn.AvgPool1d(pool, ceil_mode=True),
                    nn.Dropout(dropout),
                )
                for width in (n_channels, filters)
            )
        )
        self.recurrent = RecurrentNet(filters, n_outputs, "lstm", hidden, dropout=dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_channels, n_times)."""
        steps = self.blocks(x)  # (batch, filters, n_times / pool^2, rounded up)
        return self.recurrent(steps.transpose(1, 2))
