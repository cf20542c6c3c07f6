"""Networks on spectrograms of speech, and random changes of these while training."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

__all__ = ["AttentionPool", "SpecAugment", "SpeechCNNNet", "SpeechRecurrentNet"]


class SpecAugment(nn.Module):
    """Random bands of frequency and of time are put to 0, the mean, while training (Park et al. 2019).

    Parameters
    ----------
    bands : int
        How many of either kind.
    frequency, time : float
        Widest band, as a share of the axis.
    shift : float
        Largest shift in time, as a share of the length; what leaves at one end comes in at the other.
    """

    def __init__(self, bands: int = 2, frequency: float = 0.15, time: float = 0.15, shift: float = 0.1):
        super().__init__()
        self.bands, self.frequency, self.time, self.shift = bands, frequency, time, shift

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return changed spectrograms, shape (batch, 1, n_mels, n_frames); the same ones when not training."""
        if not self.training:
            return x
        if self.shift:
            moved = ((2 * torch.rand(len(x), device=x.device) - 1) * self.shift * x.shape[3]).round().long()
            places = (torch.arange(x.shape[3], device=x.device) - moved[:, None]) % x.shape[3]
            x = x.gather(3, places[:, None, None].expand_as(x))
        for dim, widest in ((2, self.frequency), (3, self.time)):
            for _ in range(self.bands if widest else 0):
                x = x.masked_fill(self._band(x, dim, widest), 0.0)
        return x

    @staticmethod
    def _band(x: torch.Tensor, dim: int, widest: float) -> torch.Tensor:
        length, at = x.shape[dim], torch.arange(x.shape[dim], device=x.device)
        width = torch.rand(len(x), 1, device=x.device) * widest * length
        first = torch.rand(len(x), 1, device=x.device) * (length - width)
        inside = (at >= first.floor()) & (at < (first + width).floor())
        return inside[:, None, :, None] if dim == 2 else inside[:, None, None, :]


class AttentionPool(nn.Module):
    """The mean over time with learnt weights.

    Parameters
    ----------
    width : int
        Values of a moment.
    hidden : int
        Width of the layer that the weights come from.
    """

    def __init__(self, width: int, hidden: int = 32):
        super().__init__()
        self.weight = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (batch, width) of (batch, n_steps, width)."""
        return (self.weight(x).softmax(dim=1) * x).sum(dim=1)


def _block(n_in: int, n_out: int, pool: tuple[int, int], dropout: float) -> nn.Sequential:
    """Return two convolutions with batch normalisation, the greatest of each patch, dropout."""
    layers: list[nn.Module] = []
    for come in (n_in, n_out):
        layers += [nn.Conv2d(come, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(pool, ceil_mode=True), nn.Dropout(dropout))


class SpeechCNNNet(nn.Module):
    """Blocks of convolutions over frequency and time; means and greatest values over both; a dense layer.

    Parameters
    ----------
    n_outputs : int
    width : int
        Maps of the first block, doubled with each further one.
    blocks : int
    dropout : float
        Share of units dropped after each block and, twice as many (half at most), before the dense layer.
    changes : SpecAugment
    """

    def __init__(self, n_outputs: int, width: int, blocks: int, dropout: float, changes: SpecAugment):
        super().__init__()
        self.changes = changes
        widths = [1, *(width * 2**k for k in range(blocks))]
        self.blocks = nn.Sequential(*(_block(a, b, (2, 2), dropout) for a, b in pairwise(widths)))
        self.dropout = nn.Dropout(min(0.5, 2 * dropout))
        self.final_layer = nn.Linear(2 * widths[-1], n_outputs)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees, shape (batch, 2 * width of the last block)."""
        maps = self.blocks(self.changes(x))
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_outputs), of spectrograms, shape (batch, 1, n_mels, n_frames)."""
        return self.final_layer(self.dropout(self.embed(x)))


class SpeechRecurrentNet(nn.Module):
    """Convolutions that shorten frequency four times as much as time, a GRU both ways, a mean with learnt weights.

    Parameters
    ----------
    n_mels, n_outputs : int
    width : int
        Maps of the first block; the second has twice as many.
    hidden : int
        Width of the GRU in each direction.
    dropout : float
        As :class:`SpeechCNNNet`.
    changes : SpecAugment
    """

    def __init__(self, n_mels: int, n_outputs: int, width: int, hidden: int, dropout: float, changes: SpecAugment):
        super().__init__()
        self.changes = changes
        self.blocks = nn.Sequential(_block(1, width, (4, 2), dropout), _block(width, 2 * width, (4, 2), dropout))
        rows = (n_mels + 15) // 16  # of frequency that are left, rounded up as the pooling does
        self.recurrent = nn.GRU(2 * width * rows, hidden, batch_first=True, bidirectional=True)
        self.pool = AttentionPool(2 * hidden)
        self.dropout = nn.Dropout(min(0.5, 2 * dropout))
        self.final_layer = nn.Linear(2 * hidden, n_outputs)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees, shape (batch, 2 * hidden)."""
        maps = self.blocks(self.changes(x))
        states, _ = self.recurrent(maps.flatten(1, 2).transpose(1, 2))
        return self.pool(states)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_outputs), of spectrograms, shape (batch, 1, n_mels, n_frames)."""
        return self.final_layer(self.dropout(self.embed(x)))
