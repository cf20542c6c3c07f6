"""Multilayer perceptron on flattened features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from torch import nn

from thymos.base.errors import InputError
from thymos.nn.cnn_lstm import BatchNorm
from thymos.training.estimator import TorchClassifier, check_layers

__all__ = ["MLPClassifier"]


class MLPClassifier(TorchClassifier):
    """Classes from dense layers, each with batch normalisation, ReLU and dropout.

    All axes of a sample are flattened: order of channels, bands and windows means nothing to it, which makes it the
    network to compare those with that know better.

    Parameters
    ----------
    hidden : sequence of int
        Width of each hidden layer; empty for logistic regression.
    dropout : float
        Share of units dropped after each hidden layer.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Raises
    ------
    InputError
        From `fit`, if a width is no whole number of at least 1 or `dropout` no share below 1.

    Notes
    -----
    Batch normalisation before the nonlinearity follows Ioffe & Szegedy 2015, section 3.2; dropout Srivastava et al.
    2014. A batch of a single sample is scaled by the running statistics.
    """

    stackable = True

    def __init__(self, hidden: Sequence[int] = (64, 32), dropout: float = 0.5, **training: Any):
        super().__init__(**training)
        self.hidden = hidden
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for samples of shape (n_features,)."""
        if isinstance(self.hidden, str) or not isinstance(self.hidden, Iterable):
            raise InputError(f"hidden={self.hidden!r} came.", fits="a list of widths, such as [64, 32]")
        hidden = list(self.hidden)
        check_layers({f"hidden[{k}]": width for k, width in enumerate(hidden)}, self.dropout)
        layers: list[nn.Module] = []
        for before, width in pairwise([shape[0], *hidden]):
            normalised = nn.Unflatten(1, (-1, 1)), BatchNorm(width), nn.Flatten()
            layers += [nn.Linear(before, width, bias=False), *normalised, nn.ReLU(), nn.Dropout(self.dropout)]
        return nn.Sequential(*layers, nn.Linear([shape[0], *hidden][-1], n_outputs))

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_features)."""
        return X.reshape(len(X), -1)
