"""Recurrent networks for classes and ratings: LSTM against GRU (methods B5; Storholt et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.nn.recurrent import CELLS, RecurrentNet, equal_width
from thymos.training.estimator import TorchClassifier, TorchEstimator, TorchRegressor, check_layers

__all__ = ["RecurrentClassifier", "RecurrentEstimator", "RecurrentRegressor"]


class RecurrentEstimator(TorchEstimator):
    """Recurrent network over the time axis of each sample.

    The last axis is time: raw windows ``(n_samples, n_channels, n_times)`` are sequences of `n_times` steps, entropy
    ``(n_samples, n_bands, n_channels, n_windows)`` of `n_windows` steps, and a table ``(n_samples, n_times)`` counts
    as one channel.

    Parameters
    ----------
    cell : {'lstm', 'gru', 'rnn'}
        Kind of recurrent layer; nothing else differs between them.
    hidden : int
        Width of the recurrent layers.
    parameters : int, optional
        Choose the width so that the number of trained values comes nearest to this; `hidden` is then not used. The
        fair way to compare cells.
    layers : int
        Number of recurrent layers.
    dropout : float
        Share of units dropped before the dense layer (and between recurrent layers).
    steps : {'time', 'single'}
        ``single`` gives the whole sample to one step, as the published LSTM does. It then has no recurrence and is
        a gated one-layer perceptron.
    readout : {'last', 'all'}
        What the dense layer sees: the last state, or all states (the published GRU).
    single_bias : bool
        One bias vector per gate instead of PyTorch's two.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`. The defaults are the corrected training of methods
        B5.5.
    """

    def __init__(
        self,
        cell: str = "lstm",
        hidden: int = 50,
        parameters: int | None = None,
        layers: int = 1,
        dropout: float = 0.2,
        steps: str = "time",
        readout: str = "last",
        single_bias: bool = False,
        **training: Any,
    ):
        super().__init__(**training)
        self.cell = cell
        self.hidden = hidden
        self.parameters = parameters
        self.layers = layers
        self.dropout = dropout
        self.steps = steps
        self.readout = readout
        self.single_bias = single_bias

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for sequences of shape (n_steps, n_features)."""
        for name, allowed in {"cell": CELLS, "steps": ("time", "single"), "readout": ("last", "all")}.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{name}={value!r} came.{near(value, allowed)}", fits=f"one of {', '.join(allowed)}")
        sizes = {"layers": self.layers, "hidden": self.hidden}
        check_layers(sizes if self.parameters is None else sizes | {"parameters": self.parameters}, self.dropout)
        n_steps, n_features = shape
        options: dict[str, Any] = {
            "cell": self.cell,
            "layers": self.layers,
            "dropout": self.dropout,
            "readout": self.readout,
            "n_steps": n_steps,
            "single_bias": self.single_bias,
        }
        hidden = self.hidden
        if self.parameters is not None:
            hidden = equal_width(self.parameters, n_features, n_outputs, **options)
        return RecurrentNet(n_features, n_outputs, hidden=hidden, **options)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return sequences of shape (n_samples, n_steps, n_features)."""
        if self.steps == "single":
            return X.reshape(len(X), 1, -1)
        X = X[:, None, :] if X.ndim == 2 else X
        return np.moveaxis(X, -1, 1).reshape(len(X), X.shape[-1], -1)


class RecurrentClassifier(RecurrentEstimator, TorchClassifier):
    """Classes from a recurrent network; parameters as :class:`RecurrentEstimator`."""


class RecurrentRegressor(RecurrentEstimator, TorchRegressor):
    """Ratings from a recurrent network; parameters as :class:`RecurrentEstimator`."""
