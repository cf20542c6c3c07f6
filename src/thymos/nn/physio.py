"""Two LSTM layers on a sequence of the body, and its features in numbers beside them (methods B4.5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from thymos.nn.cnn_lstm import BatchNorm
from thymos.nn.scaling import SequenceScale

__all__ = ["PhysioNet"]


class PhysioNet(nn.Module):
    """Sequence to its last state, features to a dense layer, both side by side to the classes.

    Parameters
    ----------
    shape : (int, int)
        Channels and time steps of a sequence.
    n_features : int
        Features in numbers that stand beside the sequence; 0 for none.
    n_outputs : int
    hidden : (int, int)
        Widths of the two LSTM layers.
    side : int
        Width of the dense layer of the features.
    dropout : float
        Share of units dropped between the two layers.
    scaling : {'minmax', 'zscore', 'window', 'none'}
        As :class:`thymos.nn.scaling.SequenceScale`.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        n_features: int,
        n_outputs: int,
        hidden: Sequence[int] = (128, 64),
        side: int = 16,
        dropout: float = 0.3,
        scaling: str = "minmax",
    ):
        super().__init__()
        self.shape = tuple(shape)
        self.scale = SequenceScale(shape[0], scaling)
        self.first = nn.LSTM(shape[0], hidden[0], batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.LSTM(hidden[0], hidden[1], batch_first=True)
        self.side = None
        if n_features:
            self.side = nn.Sequential(BatchNorm(n_features), nn.Linear(n_features, side), nn.ReLU())
        self.final_layer = nn.Linear(hidden[1] + (side if n_features else 0), n_outputs)

    def learn_scale(self, x: torch.Tensor) -> None:
        """Learn the scale of the sequences from those of training; shape as of :meth:`forward`."""
        self.scale.learn(self._sequence(x))

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the last layer sees, shape (batch, hidden[1] + side)."""
        steps = self.scale(self._sequence(x)).transpose(1, 2)
        states, _ = self.first(steps)
        _, (last, _) = self.second(self.dropout(states))
        parts = [last[-1]]
        if self.side is not None:
            parts.append(self.side(x[:, self._length :]))
        return torch.cat(parts, dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_outputs), of rows that hold a sequence and behind it its features.

        Parameters
        ----------
        x : Tensor, shape (batch, n_channels * n_times + n_features)
        """
        return self.final_layer(self.embed(x))

    @property
    def _length(self) -> int:
        return self.shape[0] * self.shape[1]

    def _sequence(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, : self._length].unflatten(1, self.shape)
