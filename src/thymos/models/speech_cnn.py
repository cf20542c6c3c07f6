"""Emotions from spectrograms of speech: convolutions, or convolutions with a recurrent layer and attention."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.nn.speech import SpecAugment, SpeechCNNNet, SpeechRecurrentNet
from thymos.training.estimator import TorchClassifier, check_layers, check_share

__all__ = ["SpeechCNN"]

_ARCHITECTURES = ("cnn", "recurrent")


class SpeechCNN(TorchClassifier):
    """Classes from log-mel spectrograms of utterances.

    The last axis is time, and all others together are frequency: ``(n_samples, n_mels, 1, n_frames)`` as
    :class:`~thymos.signals.speech.LogMel` has it, scaled for each band (``channel_scaler``). While it trains, bands of
    frequency and time are hidden and utterances shifted (SpecAugment, Park et al. 2019).

    Parameters
    ----------
    architecture : {'cnn', 'recurrent'}
        Blocks of two 3 x 3 convolutions whose maps are pooled over frequency and time; or two such blocks, a GRU in
        both directions and a mean over time with learnt weights.
    width : int
        Maps of the first block; each further one has twice as many.
    blocks : int
        Of ``cnn``.
    hidden : int
        Width of the GRU of ``recurrent`` in each direction.
    dropout : float
        Share of units dropped after each block, twice as many (half at most) before the last layer.
    hide : float
        Widest band of frequency and of time that is hidden, as a share of the axis; two of either. 0 for none.
    shift : float
        Largest shift in time, as a share of the length.
    **training
        As :class:`~thymos.training.estimator.TorchClassifier`.

    Raises
    ------
    InputError
        From `fit`, if a size is no whole number of at least 1, a share no number from 0 to below 1, or `architecture`
        unknown.
    """

    def __init__(
        self,
        architecture: str = "cnn",
        width: int = 16,
        blocks: int = 3,
        hidden: int = 48,
        dropout: float = 0.1,
        hide: float = 0.15,
        shift: float = 0.1,
        **training: Any,
    ):
        super().__init__(**training)
        self.architecture = architecture
        self.width = width
        self.blocks = blocks
        self.hidden = hidden
        self.dropout = dropout
        self.hide = hide
        self.shift = shift

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for spectrograms of shape (1, n_mels, n_frames)."""
        if self.architecture not in _ARCHITECTURES:
            text = f"architecture={self.architecture!r} came.{near(self.architecture, _ARCHITECTURES)}"
            raise InputError(text, fits=f"one of {', '.join(_ARCHITECTURES)}")
        check_layers({name: getattr(self, name) for name in ("width", "blocks", "hidden")}, self.dropout)
        for name in ("hide", "shift"):
            check_share(name, getattr(self, name))
        changes = SpecAugment(2, self.hide, self.hide, self.shift)
        if self.architecture == "cnn":
            return SpeechCNNNet(n_outputs, self.width, self.blocks, self.dropout, changes)
        return SpeechRecurrentNet(shape[1], n_outputs, self.width, self.hidden, self.dropout, changes)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return spectrograms of shape (n_samples, 1, n_mels, n_frames)."""
        return X.reshape(len(X), 1, int(np.prod(X.shape[1:-1])), X.shape[-1])

    def features(self, X: np.ndarray) -> np.ndarray:
        """Return what the last layer is given, shape (n_samples, n_features)."""
        return self._outputs(X, "embed").numpy()
