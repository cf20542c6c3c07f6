"""Generator and discriminator of sequences: recurrent, told the class at every step (methods B4.7)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["LATENT", "SequenceDiscriminator", "SequenceGenerator", "drawn_noise"]

LATENT = 10  # random numbers at each step


class SequenceGenerator(nn.Module):
    """Noise and class at every step, one LSTM layer, values from -1 to 1.

    Parameters
    ----------
    n_channels, n_classes : int
    hidden : int
        Width of the LSTM.

    Notes
    -----
    C. Esteban, S. L. Hyland, G. Rätsch: Real-valued (medical) time series generation with recurrent conditional GANs.
    arXiv:1706.02633, 2017.
    """

    def __init__(self, n_channels: int, n_classes: int, hidden: int = 100):
        super().__init__()
        self.n_classes = n_classes
        self.recurrent = nn.LSTM(LATENT + n_classes, hidden, batch_first=True)
        self.last = nn.Linear(hidden, n_channels)

    def forward(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return sequences, shape (batch, n_times, n_channels); `z` of shape (batch, n_times, 10)."""
        states, _ = self.recurrent(_told(z, y, self.n_classes))
        return self.last(states).tanh()


class SequenceDiscriminator(nn.Module):
    """Whether sequences are real, at every step, by one LSTM layer.

    Beside values and class it sees at each step how much the sequences of the batch differ there, so that a generator
    that makes always the same one is caught.

    Parameters
    ----------
    n_channels, n_classes, hidden
        As :class:`SequenceGenerator`.
    """

    def __init__(self, n_channels: int, n_classes: int, hidden: int = 100):
        super().__init__()
        self.n_classes = n_classes
        self.recurrent = nn.LSTM(n_channels + 1 + n_classes, hidden, batch_first=True)
        self.last = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_times); `x` of shape (batch, n_times, n_channels), from -1 to 1."""
        spread = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=1)
        seen = torch.cat([x, spread[None, :, None].expand(len(x), -1, 1)], dim=2)
        states, _ = self.recurrent(_told(seen, y, self.n_classes))
        return self.last(states)[..., 0]


def drawn_noise(n: int, n_times: int, every: int, steady: int, rng: torch.Generator) -> torch.Tensor:
    """Return noise for `n` sequences, shape (n, n_times, 10), drawn at every so many steps, straight between these.

    The first `steady` of the ten numbers stay the same over a sequence.
    """
    drawn = torch.randn(n, LATENT, (n_times - 1) // every + 2, generator=rng)
    drawn[:, :steady] = drawn[:, :steady, :1]
    if every == 1:
        return drawn[..., :n_times].transpose(1, 2)
    at = torch.arange(n_times) / every
    before = at.long()
    noise = torch.lerp(drawn[..., before], drawn[..., before + 1], (at - before).to(drawn))
    return noise.transpose(1, 2)


def _told(x: torch.Tensor, y: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Put the class behind the values of each step."""
    told = functional.one_hot(y, n_classes).to(x)[:, None].expand(-1, x.shape[1], -1)
    return torch.cat([x, told], dim=2)
