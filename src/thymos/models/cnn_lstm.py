"""Convolutions and an LSTM: what a recurrence over raw signals gains from filters of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from thymos.nn.cnn_lstm import CNNLSTMNet
from thymos.nn.recurrent import nearest_width
from thymos.training.estimator import TorchClassifier, check_layers

__all__ = ["CNNLSTMClassifier"]


class CNNLSTMClassifier(TorchClassifier):
    """Classes from two blocks of convolution over time, followed by an LSTM.

    The last axis is time, and all others together are channels: raw windows ``(n_samples, n_channels, n_times)`` or
    entropy ``(n_samples, n_bands, n_channels, n_windows)``; a table ``(n_samples, n_times)`` counts as one channel.

    Parameters
    ----------
    filters, kernel : int
        Number and length (in samples) of the filters of each block.
    pool : int
        Samples averaged into one after each block, so that the LSTM runs over n_times / pool² steps.
    hidden : int
        Width of the LSTM.
    parameters : int, optional
        Choose the width of the LSTM so that the number of trained values comes nearest to this; `hidden` is then not
        used. The convolutions keep their size, which is the least that can be had.
    dropout : float
        Share of units dropped after each block and before the dense layer.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`.
    """

    def __init__(
        self,
        filters: int = 16,
        kernel: int = 7,
        pool: int = 4,
        hidden: int = 32,
        parameters: int | None = None,
        dropout: float = 0.2,
        **training: Any,
    ):
        super().__init__(**training)
        self.filters = filters
        self.kernel = kernel
        self.pool = pool
        self.hidden = hidden
        self.parameters = parameters
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for sequences of shape (n_channels, n_times)."""
        check_layers({name: getattr(self, name) for name in ("filters", "kernel", "pool", "hidden")}, self.dropout)

        def make(hidden: int) -> CNNLSTMNet:
            return CNNLSTMNet(shape[0], n_outputs, self.filters, self.kernel, self.pool, hidden, self.dropout)

        return make(self.hidden if self.parameters is None else nearest_width(self.parameters, make))

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return sequences of shape (n_samples, n_channels, n_times)."""
        return X.reshape(len(X), int(np.prod(X.shape[1:-1])), X.shape[-1])
