"""The two-layer LSTM on sequences of the body: heart rate and its slope, or the pulse itself (methods B4.5)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from thymos.base.catalogue import near, resolve
from thymos.base.errors import InputError
from thymos.nn.physio import PhysioNet
from thymos.nn.scaling import SCALINGS
from thymos.training.estimator import TorchClassifier, TorchEstimator, TorchRegressor, check_layers

__all__ = ["PhysioEstimator", "PhysioLSTM", "PhysioLSTMRegressor"]

_FEATURES = ("auto", "rate", "none")
_FEW = 0.1  # share of samples up to which those that are no heart rate are exceptions


class PhysioEstimator(TorchEstimator):
    """Two LSTM layers over time, and a dense layer on features of the heart rate, side by side to one dense layer.

    The last axis is time: sequences ``(n_samples, n_channels, n_times)``; a table ``(n_samples, n_times)`` counts as
    one channel. Sequences are scaled inside by what training had, so that heart rates come in Hz.

    Parameters
    ----------
    hidden : (int, int)
        Widths of the two layers.
    side : int
        Width of the dense layer of the features.
    features : {'auto', 'rate', 'none'}
        Features that stand beside the sequence. ``rate``: those of
        :func:`thymos.signals.heart_sequence.rate_features` of the first channel, a heart rate in Hz; ``auto``: these,
        if the first channel of every training sample is one and the sampling rate is known.
    scaling : {'minmax', 'zscore', 'window', 'none'}
        As :class:`thymos.nn.scaling.SequenceScale`; the paper scales by least and greatest value.
    dropout : float
        Share of units dropped between the layers.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`. The defaults are those of methods B4.5, but the rate
        falls to a tenth (half there) after seven epochs (five) without a lower validation loss; classifiers keep the
        weights of the highest macro F1.

    Attributes
    ----------
    features_ : str
        ``rate`` or ``none``.

    usual_ : ndarray, shape (n_features,)
        Means of the features in training, which stand for those of predicted samples that are no heart rate, with a
        warning.

    Raises
    ------
    InputError
        From `fit`, if features are wanted of samples that are no heart rate.

    Notes
    -----
    Hegh et al. (2025) name two LSTM layers, a heart rate and its features, and no sizes; those are of methods B4.5.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (128, 64),
        side: int = 16,
        features: str = "auto",
        scaling: str = "minmax",
        dropout: float = 0.3,
        schedule: str = "plateau",
        batch_size: int = 64,
        max_epochs: int = 100,
        patience: int | None = 12,
        **training: Any,
    ):
        super().__init__(schedule=schedule, batch_size=batch_size, max_epochs=max_epochs, patience=patience, **training)
        self.hidden = hidden
        self.side = side
        self.features = features
        self.scaling = scaling
        self.dropout = dropout

    def look(self, X: np.ndarray) -> None:
        """Decide whether features of the heart rate stand beside the sequence."""
        for name, allowed in {"features": _FEATURES, "scaling": SCALINGS}.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{name}={value!r} came.{near(value, allowed)}", fits=f"one of {', '.join(allowed)}")
        wanted = self.features
        if wanted == "auto":
            wanted = "none"
            if self.sfreq is not None and X.shape[-1] > 1:
                odd = np.array([bool(text) for text in _rate_features(self.sfreq).problems(self._sequences(X))])
                wanted = "none" if odd.any() else "rate"
                if 0 < odd.sum() <= _FEW * len(odd):
                    text = f"{self._told(X, odd)} No features stand beside the sequences, of the others neither."
                    warnings.warn(text, stacklevel=2)
        if wanted == "rate" and self.sfreq is None:
            raise InputError("features='rate' came without a sampling rate.", fits="sfreq, in Hz")
        self.features_ = wanted
        if wanted == "rate":
            made = self._made(X)
            odd = ~np.isfinite(made).all(axis=1)
            if odd.all() and self.features == "auto":  # too short for any
                self.features_ = "none"
            elif odd.any():
                raise InputError(
                    self._told(X, odd),
                    fits="beats per second, as the process heart_rate makes them, for several seconds",
                    do="leave these samples out, or set features='none'",
                )
            else:
                self.usual_ = made.mean(axis=0)

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for rows of a sequence and its features."""
        if not isinstance(self.hidden, Sequence) or len(self.hidden) != 2:
            raise InputError(f"hidden={self.hidden!r} came.", fits="the widths of two layers, such as [128, 64]")
        check_layers({"hidden[0]": self.hidden[0], "hidden[1]": self.hidden[1], "side": self.side}, self.dropout)
        n_channels, n_times = self._sequences(np.empty((0, *self.shape_))).shape[1:]
        sizes = self.hidden, self.side, self.dropout, self.scaling
        return PhysioNet((n_channels, n_times), shape[0] - n_channels * n_times, n_outputs, *sizes)

    def begin(self, module: nn.Module, X: torch.Tensor) -> None:
        """Let the network learn the scale of its sequences."""
        cast(PhysioNet, module).learn_scale(X)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return rows, each a sequence and its features, shape (n_samples, n_channels * n_times + n_features)."""
        X = self._sequences(X)
        rows = X.reshape(len(X), -1)
        if self.features_ == "none":
            return rows
        made = self._made(X)
        made = np.where(np.isfinite(made), made, self.usual_)
        return np.concatenate([rows, made.astype(rows.dtype)], axis=1)

    def warn_of(self, X: np.ndarray) -> None:
        """Warn of samples that are no heart rate, for whose features others stand."""
        if self.features_ == "rate":
            odd = ~np.isfinite(self._made(X)).all(axis=1)
            if odd.any():
                text = self._told(X, odd)
                warnings.warn(f"{text} Features that are usual in training stand for its own.", stacklevel=2)

    def _made(self, X: np.ndarray) -> np.ndarray:
        """Return the features of samples, shape (n_samples, n_features); NaN where there is no heart rate."""
        X = self._sequences(X)
        features = _rate_features(cast(float, self.sfreq))
        return features.fit_transform(X).reshape(len(X), len(features.names()))

    def _told(self, X: np.ndarray, odd: np.ndarray) -> str:
        """Say which samples are no heart rate, and what the first of them is."""
        X = self._sequences(X)
        sfreq = cast(float, self.sfreq)
        text = _rate_features(sfreq).problems(X[odd][:1])[0] or f"{X.shape[-1] / sfreq:g} s, too few beats"
        return f"The first channel of {int(odd.sum())} of {len(X)} samples is no heart rate: {text}."

    @staticmethod
    def _sequences(X: np.ndarray) -> np.ndarray:
        """Return samples as sequences of shape (n_samples, n_channels, n_times)."""
        return X.reshape(len(X), int(np.prod(X.shape[1:-1])), X.shape[-1])


class PhysioLSTM(PhysioEstimator, TorchClassifier):
    """Classes from two LSTM layers; parameters as :class:`PhysioEstimator`."""

    def __init__(self, monitor: str = "macro_f1", **training: Any):
        super().__init__(monitor=monitor, **training)


class PhysioLSTMRegressor(PhysioEstimator, TorchRegressor):
    """Ratings from two LSTM layers; parameters as :class:`PhysioEstimator`."""


def _rate_features(sfreq: float) -> Any:
    return resolve("rate_features", "transformer").load()(sfreq)
