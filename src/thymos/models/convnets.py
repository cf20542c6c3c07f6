"""The shallow and the deep ConvNet of Schirrmeister et al. (2017), and what networks on raw windows share."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from thymos.base.errors import InputError
from thymos.nn.cnn_lstm import BatchNorm
from thymos.nn.convolution import TimeSpaceConv, glorot
from thymos.training.estimator import TorchClassifier, check_layers

__all__ = ["ConvNetClassifier", "DeepConvNet", "DeepConvNetClassifier", "ShallowConvNet", "ShallowConvNetClassifier"]


class ConvNetClassifier(TorchClassifier):
    """Base of the networks on raw windows, shape (n_samples, n_channels, n_times).

    The last axis is time and all others together are channels; a table ``(n_samples, n_times)`` counts as one channel.
    Batch normalisation has to see about unit variance: volts vanish beside its epsilon, so scale the samples first.
    """

    #: Sampling rate in Hz for which the lengths in samples were published; taken where `sfreq` is unknown.
    published_rate: ClassVar[float] = 250.0

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return windows of shape (n_samples, n_channels, n_times)."""
        return X.reshape(len(X), int(np.prod(X.shape[1:-1])), X.shape[-1])

    def _rate(self) -> float:
        """Return the sampling rate in Hz."""
        rate = self.published_rate if self.sfreq is None else self.sfreq
        if not (isinstance(rate, (int, float, np.number)) and 0 < rate < np.inf):
            raise InputError(f"sfreq={rate!r} came.", fits="a sampling rate in Hz, or None")
        return float(rate)

    def _samples(self, name: str, published: int) -> int:
        """Return a length in samples: the parameter `name`, or by default what lasts as long as the published one."""
        value = getattr(self, name)
        return max(1, round(published * self._rate() / self.published_rate)) if value is None else value

    def _check(self, *names: str, lengths: tuple[str, ...] = ()) -> None:
        """Refuse parameters, and `lengths` that are given, which are no whole number of 1 or more; odd dropouts too."""
        given = (*names, *(name for name in lengths if getattr(self, name) is not None))
        check_layers({name: getattr(self, name) for name in given}, getattr(self, "dropout", 0.0))


class ShallowConvNet(nn.Module):
    """Filters over time, filters over space, and the logarithm of their mean power in overlapping stretches.

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Shape of the windows, and classes.
    filters, kernel : int
        Filters over time, as many over space, and their length in samples.
    pool, stride : int
        Length of a stretch and the step to the next, in samples.
    dropout : float
        Share of powers dropped before the dense layer.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        filters: int = 40,
        kernel: int = 25,
        pool: int = 75,
        stride: int = 15,
        dropout: float = 0.5,
    ):
        super().__init__()
        kernel = min(kernel, n_times)
        length = n_times - kernel + 1
        pool = min(pool, length)
        self.filters = TimeSpaceConv(n_channels, filters, kernel, filters)
        self.norm = BatchNorm(filters)
        self.pool = nn.AvgPool1d(pool, stride)
        self.dropout = nn.Dropout(dropout)
        self.final_layer = nn.Linear(filters * ((length - pool) // stride + 1), n_outputs)
        glorot(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_channels, n_times)."""
        power = self.pool(self.norm(self.filters(x)).square())  # (batch, filters, stretches)
        return self.final_layer(self.dropout(power.clamp(min=1e-6).log()).flatten(1))


class DeepConvNet(nn.Module):
    """Four blocks of convolution, batch normalisation, ELU and max pooling; the first filters time, then space.

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Shape of the windows, and classes.
    filters : int
        Filters of the first block; every block has twice as many as the one before.
    kernel, pool : int
        Length of the filters and of the pools of each block, in samples of that block.
    dropout : float
        Share of values dropped before each block but the first, and before the dense layer.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        filters: int = 25,
        kernel: int = 10,
        pool: int = 3,
        dropout: float = 0.5,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        length = n_times
        for block in range(4):
            width, size = filters * 2**block, min(kernel, length)
            if block:
                layers += [nn.Dropout(dropout), nn.Conv1d(width // 2, width, size, bias=False)]
            else:
                layers.append(TimeSpaceConv(n_channels, width, size, width))
            length -= size - 1
            step = min(pool, length)
            layers += [BatchNorm(width), nn.ELU(), nn.MaxPool1d(step)]
            length //= step
        self.blocks = nn.Sequential(*layers, nn.Dropout(dropout))
        self.final_layer = nn.Linear(filters * 8 * length, n_outputs)
        glorot(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_channels, n_times)."""
        return self.final_layer(self.blocks(x).flatten(1))


class ShallowConvNetClassifier(ConvNetClassifier):
    """Classes from the power in learnt bands at learnt places (ShallowConvNet; Schirrmeister et al. 2017).

    What filter bank common spatial patterns do, trained as one: 40 filters over time, 40 over space, squares, means
    over 0.3 s every 0.06 s, logarithms, a dense layer. Published for 250 Hz; lengths in samples follow `sfreq`. A
    kernel or a pool that is longer than what is left of a window is cut to it, so that any length will do.

    Parameters
    ----------
    filters : int
        Number of filters over time, and of filters over space.
    kernel, pool, stride : int, optional
        Lengths of the filters over time, of the means and of the step between them, in samples; by default 0.1, 0.3
        and 0.06 s (25, 75 and 15 samples where `sfreq` is unknown).
    dropout : float
        Share of powers dropped before the dense layer.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Raises
    ------
    InputError
        From `fit`, if a parameter is no whole number of at least 1, `dropout` not in [0, 1) or `sfreq` not positive.

    Notes
    -----
    The network is trained on whole windows, not on crops. The bias of the filters over time is left out: batch
    normalisation takes it away again, and Adam would make full steps of the rounding errors of its gradient.

    References
    ----------
    R. T. Schirrmeister et al. (2017), Deep learning with convolutional neural networks for EEG decoding and
    visualization, Human Brain Mapping 38, 5391-5420, Fig. 2.
    """

    def __init__(
        self,
        filters: int = 40,
        kernel: int | None = None,
        pool: int | None = None,
        stride: int | None = None,
        dropout: float = 0.5,
        **training: Any,
    ):
        super().__init__(**training)
        self.filters = filters
        self.kernel = kernel
        self.pool = pool
        self.stride = stride
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for windows of shape (n_channels, n_times)."""
        self._check("filters", lengths=("kernel", "pool", "stride"))
        lengths = self._samples("kernel", 25), self._samples("pool", 75), self._samples("stride", 15)
        n_channels, n_times = shape
        return ShallowConvNet(n_channels, n_times, n_outputs, self.filters, *lengths, self.dropout)


class DeepConvNetClassifier(ConvNetClassifier):
    """Classes from four blocks of convolution and max pooling (DeepConvNet; Schirrmeister et al. 2017).

    25 filters over time and 25 over space, then 50, 100 and 200 filters, each block with batch normalisation, ELU and
    max pooling; a dense layer. Published for 250 Hz; lengths in samples follow `sfreq`, which gives 5 and 2 at 128 Hz.
    A kernel or a pool that is longer than what is left of a window is cut to it, so that any length will do; a network
    that is to keep its depth wants about 440 samples at 250 Hz, 80 at 128 Hz.

    Parameters
    ----------
    filters : int
        Filters of the first block; each block has twice as many as the one before.
    kernel, pool : int, optional
        Length of filters and pools in samples; by default 40 and 12 ms (10 and 3 samples where `sfreq` is unknown).
    dropout : float
        Share of values dropped before each block but the first, and before the dense layer.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Raises
    ------
    InputError
        From `fit`, if a parameter is no whole number of at least 1, `dropout` not in [0, 1) or `sfreq` not positive.

    Notes
    -----
    As for :class:`ShallowConvNetClassifier`; no convolution has a bias, because batch normalisation follows each.

    References
    ----------
    R. T. Schirrmeister et al. (2017), Deep learning with convolutional neural networks for EEG decoding and
    visualization, Human Brain Mapping 38, 5391-5420, Fig. 1.
    """

    def __init__(
        self,
        filters: int = 25,
        kernel: int | None = None,
        pool: int | None = None,
        dropout: float = 0.5,
        **training: Any,
    ):
        super().__init__(**training)
        self.filters = filters
        self.kernel = kernel
        self.pool = pool
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for windows of shape (n_channels, n_times)."""
        self._check("filters", lengths=("kernel", "pool"))
        lengths = self._samples("kernel", 10), self._samples("pool", 3)
        n_channels, n_times = shape
        return DeepConvNet(n_channels, n_times, n_outputs, self.filters, *lengths, self.dropout)
