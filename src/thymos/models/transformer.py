"""Transformer encoder over time steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.training.estimator import TorchClassifier, check_layers

__all__ = ["TransformerClassifier", "TransformerNet"]

_READOUTS = ("cls", "mean")


class TransformerNet(nn.Module):
    """Embedding of each step, learnt positions, encoder layers, one dense layer.

    Parameters
    ----------
    n_steps, n_features, n_outputs : int
        Tokens, values of each, classes.
    width, heads, layers, feed_forward, dropout, readout
        As :class:`TransformerClassifier`.
    """

    def __init__(
        self,
        n_steps: int,
        n_features: int,
        n_outputs: int,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        feed_forward: int = 128,
        dropout: float = 0.1,
        readout: str = "cls",
    ):
        super().__init__()
        self.embedding = nn.Linear(n_features, width)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02) if readout == "cls" else None
        self.position = nn.Parameter(torch.randn(n_steps, width) * 0.02)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width, heads, feed_forward, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.final_layer = nn.Linear(width, n_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_steps, n_features)."""
        tokens = self.embedding(x) + self.position
        if self.token is not None:
            tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], dim=1)
        encoded = self.encoder(self.dropout(tokens))
        return self.final_layer(encoded.mean(dim=1) if self.token is None else encoded[:, 0])


class TransformerClassifier(TorchClassifier):
    """Classes from self-attention between the time steps of a sample.

    The last axis is time, and all others together are the values of a step: entropy ``(n_samples, n_bands,
    n_channels, n_windows)`` has n_windows tokens; a table ``(n_samples, n_times)`` counts as one channel. Memory grows
    with the square of the steps, so that raw windows are better resampled or turned into features first.

    Parameters
    ----------
    width : int
        Length of a token, a multiple of `heads`.
    heads, layers : int
        Attention heads, and encoder layers.
    feed_forward : int
        Width inside each layer.
    dropout : float
        Share of units dropped, as in the paper.
    readout : {'cls', 'mean'}
        What the dense layer sees: a token of its own that only reads (Devlin et al. 2019), or the mean of all steps.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Raises
    ------
    InputError
        From `fit`, if a size is no whole number of at least 1, `width` no multiple of `heads`, `dropout` no share
        below 1 or `readout` unknown.

    Notes
    -----
    A. Vaswani et al.: Attention is all you need. NeurIPS 2017, section 3; positions are learnt (its table 3, row E),
    and normalisation stands before each block, which trains without a warm-up (Xiong et al. 2020). The defaults are
    small ones for small corpora.
    """

    def __init__(
        self,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        feed_forward: int = 128,
        dropout: float = 0.1,
        readout: str = "cls",
        **training: Any,
    ):
        super().__init__(**training)
        self.width = width
        self.heads = heads
        self.layers = layers
        self.feed_forward = feed_forward
        self.dropout = dropout
        self.readout = readout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for sequences of shape (n_steps, n_features)."""
        sizes = {name: getattr(self, name) for name in ("width", "heads", "layers", "feed_forward")}
        check_layers(sizes, self.dropout)
        if self.width % self.heads:
            raise InputError(f"width={self.width} came with heads={self.heads}.", fits="a multiple of the heads")
        if self.readout not in _READOUTS:
            raise InputError(f"readout={self.readout!r} came.{near(self.readout, _READOUTS)}", fits="cls or mean")
        n_steps, n_features = shape
        return TransformerNet(n_steps, n_features, n_outputs, **sizes, dropout=self.dropout, readout=self.readout)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return sequences of shape (n_samples, n_steps, n_features)."""
        X = X[:, None, :] if X.ndim == 2 else X
        return np.moveaxis(X, -1, 1).reshape(len(X), X.shape[-1], -1)
