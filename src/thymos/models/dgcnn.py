"""Dynamical graph convolution over electrodes whose graph is learnt (Song et al. 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from thymos.nn.graph import ChebyshevConv, LearntGraph
from thymos.training.estimator import TorchClassifier, check_layers

__all__ = ["DGCNNClassifier", "DGCNNNet"]


class DGCNNNet(nn.Module):
    """Chebyshev graph convolution on a learnt graph, ReLU, dropout, dense layers.

    Parameters
    ----------
    n_nodes, n_features, n_outputs : int
        Electrodes, values of each, classes.
    order, filters, dense, dropout
        As :class:`DGCNNClassifier`.
    """

    def __init__(
        self,
        n_nodes: int,
        n_features: int,
        n_outputs: int,
        order: int = 2,
        filters: int = 64,
        dense: int | None = 256,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.graph = LearntGraph(n_nodes)
        self.convolution = ChebyshevConv(n_features, filters, order)
        width = n_nodes * filters
        between = [] if dense is None else [nn.Linear(width, dense), nn.ReLU(), nn.Dropout(dropout)]
        last = nn.Linear(width if dense is None else dense, n_outputs)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), *between, last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_nodes, n_features)."""
        return self.head(self.convolution(x, self.graph()).relu())


class DGCNNClassifier(TorchClassifier):
    """Classes from features of electrodes and a graph between these that is learnt with all else.

    Electrodes are the nodes: of features ``(n_samples, n_bands, n_channels, n_windows)`` each has
    n_bands * n_windows values (published: differential entropy in five bands, one window), of ``(n_samples,
    n_channels, n_values)`` it has n_values. A table ``(n_samples, n_values)`` counts as one node. Scale the features
    first.

    Parameters
    ----------
    order : int
        Number of Chebyshev polynomials of the graph's Laplacian, the first of which is the electrode itself.
    filters : int
        Values of each electrode after the graph convolution, whose sum over polynomials is the paper's 1 x 1
        convolution.
    dense : int, optional
        Width of a hidden dense layer; without it the convolution leads to the classes at once.
    dropout : float
        Share of units dropped before each dense layer.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`. The paper's penalty on the weights is `weight_decay`.

    Raises
    ------
    InputError
        From `fit`, if a size is no whole number of at least 1 or `dropout` no share below 1.

    Notes
    -----
    T. Song, W. Zheng, P. Song, Z. Cui: EEG emotion recognition using dynamical graph convolutional neural networks.
    IEEE Transactions on Affective Computing 11, 2020 (online 2018), section 3 and algorithm 1.

    The defaults of `order`, `filters`, `dense` and `dropout` are this implementation's, near those of other ones. Three
    things differ from the paper. The graph starts from random edges, not from distances between electrodes, so that
    it needs no positions. A negative edge is cut in the forward pass instead of set to zero after each step, so that
    it stays cut. And the graph is kept undirected, with 2 for the largest eigenvalue of its normalised Laplacian,
    which is the bound of all such graphs.
    """

    def __init__(
        self, order: int = 2, filters: int = 64, dense: int | None = 256, dropout: float = 0.5, **training: Any
    ):
        super().__init__(**training)
        self.order = order
        self.filters = filters
        self.dense = dense
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for samples of shape (n_nodes, n_features)."""
        sizes = {"order": self.order, "filters": self.filters}
        check_layers(sizes if self.dense is None else {**sizes, "dense": self.dense}, self.dropout)
        n_nodes, n_features = shape
        return DGCNNNet(n_nodes, n_features, n_outputs, self.order, self.filters, self.dense, self.dropout)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_nodes, n_features); the features of a node are ordered by band, then window."""
        X = X[:, None, :] if X.ndim == 2 else X
        return np.moveaxis(X, -2, 1).reshape(len(X), X.shape[-2], -1)
