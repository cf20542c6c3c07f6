"""Recurrent networks in which the cell is an argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn

__all__ = ["CELLS", "RecurrentNet", "count_parameters", "equal_width", "nearest_width"]

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNet(nn.Module):
    """Recurrent layers, dropout, and one dense layer to the classes.

    Parameters
    ----------
    n_features : int
        Values per time step.
    n_outputs : int
        Classes.
    cell : {'rnn', 'lstm', 'gru'}
        Kind of recurrent layer.
    hidden, layers : int
        Width and number of recurrent layers.
    dropout : float
        Share of units dropped between layers and before the dense layer.
    readout : {'last', 'all'}
        The dense layer sees the last valid state, or all states of a sequence of `n_steps`.
    n_steps : int, optional
        Length of a sequence; needed for ``readout='all'``.
    single_bias : bool
        Keep the second bias vector of each gate at zero, so that the count equals that of frameworks with one.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        cell: str = "lstm",
        hidden: int = 50,
        layers: int = 1,
        dropout: float = 0.2,
        readout: str = "last",
        n_steps: int | None = None,
        single_bias: bool = False,
    ):
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.recurrent = CELLS[cell](n_features, hidden, layers, batch_first=True, dropout=between)
        if single_bias:
            for name, parameter in self.recurrent.named_parameters():
                if name.startswith("bias_hh"):
                    nn.init.zeros_(parameter).requires_grad_(False)
        self.dropout = nn.Dropout(dropout)
        self.readout = readout
        self.final_layer = nn.Linear(hidden if readout == "last" else hidden * cast(int, n_steps), n_outputs)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs).

        Parameters
        ----------
        x : Tensor, shape (batch, n_steps, n_features)
            Sequences, padded at their end where they are shorter.
        lengths : Tensor of int, shape (batch,), optional
            Valid steps of each sequence. Padding does not change the result, because the state is read at the last
            valid step and the layers run forward only.
        """
        states, _ = self.recurrent(x)  # (batch, n_steps, hidden)
        if self.readout == "all":
            if lengths is not None:
                inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
                states = states * inside[..., None]
            return self.final_layer(self.dropout(states.flatten(1)))
        last = states[:, -1] if lengths is None else states[torch.arange(len(x), device=x.device), lengths - 1]
        return self.final_layer(self.dropout(last))


def count_parameters(module: nn.Module) -> int:
    """Return the number of values that training changes."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def equal_width(parameters: int, n_features: int, n_outputs: int, **options: Any) -> int:
    """Return the width at which a :class:`RecurrentNet` comes nearest to `parameters` trainable values.

    Parameters
    ----------
    parameters : int
        The wanted count.
    n_features, n_outputs : int
        As :class:`RecurrentNet`.
    **options
        Further arguments of :class:`RecurrentNet`, without ``hidden``.
    """
    return nearest_width(parameters, lambda hidden: RecurrentNet(n_features, n_outputs, hidden=hidden, **options))


def nearest_width(parameters: int, build: Callable[[int], nn.Module]) -> int:
    """Return the width, 1 or more, at which a network comes nearest to `parameters` trainable values.

    Parameters
    ----------
    parameters : int
        The wanted count.
    build : callable
        Returns the network of a width. Its count must grow with the width; nothing is computed with it.
    """

    def count(width: int) -> int:
        with torch.device("meta"):
            return count_parameters(build(width))

    high = 1
    while count(high) < parameters:
        high *= 2
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < parameters else (low, middle)
    return min((low, high), key=lambda width: abs(count(width) - parameters))
