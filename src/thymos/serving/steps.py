"""Steps of a fitted pipeline as parts of a graph."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from thymos.base.bands import check_bands
from thymos.base.errors import InputError
from thymos.base.probabilities import TINY, Calibration
from thymos.signals.scaling import ChannelScaler, Flatten, PickColumns, PickModality
from thymos.signals.spectral import FLOOR, BandPower, DifferentialEntropy, spectral_matrices
from thymos.signals.transformer import in_windows
from thymos.training.estimator import TorchEstimator

__all__ = ["Calibrated", "Constant", "LinearProbabilities", "Ordered", "Tempered", "arranged", "step_module"]

_MICRO = 1e12  # V^2 to uV^2: volts squared are at the end of what float32 has


def step_module(step: Any, shape: tuple[int, ...]) -> tuple[nn.Module, str] | None:
    """Return what a fitted transformer does as a module, and in words; None if it has no counterpart.

    Parameters
    ----------
    step : transformer
    shape : tuple of int
        Of a sample that it is given.
    """
    make = _MADE.get(type(step))
    return None if make is None else make(step, shape)


def arranged(estimator: TorchEstimator, X: np.ndarray) -> nn.Module:
    """Return a module that does what an estimator does with samples before its network sees them.

    Raises
    ------
    InputError
        If that is more than another order of their axes.
    """
    X = X[:4]
    wanted = estimator.arrange(X)
    for order in itertools.permutations(range(1, X.ndim)):
        made = np.transpose(X, (0, *order))
        if made.size == wanted.size and np.array_equal(made.reshape(wanted.shape), wanted):
            return _Reordered((0, *order), wanted.shape[1:])
    raise InputError(
        f"{type(estimator).__name__} computes features of samples outside of its network.",
        fits="a network that is given samples as they are",
    )


class Constant(nn.Module):
    """What is said of every sample, whatever it is; `values` of shape (1, n_outputs)."""

    values: torch.Tensor

    def __init__(self, values: np.ndarray):
        super().__init__()
        self.register_buffer("values", torch.from_numpy(np.asarray(values)).float().reshape(1, -1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the values for each sample."""
        return self.values.expand(x.shape[0], -1)


class LinearProbabilities(nn.Module):
    """Softmax of a linear function; for two classes, which have one function, of it and 0.

    skl2onnx takes twice the function where a discriminant analysis has two classes.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, coefficients: np.ndarray, intercepts: np.ndarray):
        super().__init__()
        weight, bias = np.atleast_2d(coefficients), np.atleast_1d(intercepts)
        if len(weight) == 1:
            weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
        self.register_buffer("weight", torch.from_numpy(weight.T.copy()).float())
        self.register_buffer("bias", torch.from_numpy(bias).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return probabilities of shape (batch, n_classes)."""
        return (x @ self.weight + self.bias).softmax(dim=1)


class Tempered(nn.Module):
    """Probabilities from the scores of a support vector machine."""

    def __init__(self, temperature: float):
        super().__init__()
        self.temperature = temperature

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Return probabilities of shape (batch, n_classes)."""
        return (scores / self.temperature).softmax(dim=1)


class Ordered(nn.Module):
    """Probabilities in another order of classes, 0 for those that were never seen."""

    moved: torch.Tensor

    def __init__(self, known: Sequence[str], classes: Sequence[str]):
        super().__init__()
        self.register_buffer("moved", torch.tensor([[float(name == other) for other in classes] for name in known]))

    def forward(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Return probabilities of shape (batch, n_classes)."""
        return probabilities @ self.moved


class Calibrated(nn.Module):
    """As :meth:`thymos.base.probabilities.Calibration.apply`."""

    bias: torch.Tensor

    def __init__(self, calibration: Calibration):
        super().__init__()
        self.temperature = calibration.temperature
        self.register_buffer("bias", torch.tensor(calibration.bias or (0.0,), dtype=torch.float32))

    def forward(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Return probabilities of the same shape."""
        return (probabilities.clamp(min=TINY).log() / self.temperature + self.bias).softmax(dim=1)


class _Scaled(nn.Module):
    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, scaler: ChannelScaler, shape: tuple[int, ...]):
        super().__init__()
        wide = shape if len(shape) == 1 else (*shape[:-1], 1)
        for name, values in (("mean", scaler.scaler_.mean_), ("scale", scaler.scaler_.scale_)):
            self.register_buffer(name, torch.from_numpy(np.asarray(values).reshape(wide)).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


class _Picked(nn.Module):
    def __init__(self, ranges: Sequence[Sequence[int]] | None):
        super().__init__()
        self.ranges = ranges

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.ranges is None else torch.cat([x[:, first:stop] for first, stop in self.ranges], dim=1)


class _Reordered(nn.Module):
    def __init__(self, order: tuple[int, ...], shape: tuple[int, ...]):
        super().__init__()
        self.order, self.shape = order, tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(*self.order).reshape(-1, *self.shape)


class _Bands(nn.Module):
    """Power in bands of Hann-windowed windows, and what is made of it."""

    basis: torch.Tensor
    pool: torch.Tensor

    def __init__(self, step: BandPower | DifferentialEntropy, shape: tuple[int, ...]):
        super().__init__()
        self.size, self.hop = in_windows(shape[-1], step.sfreq, step.window, step.step)
        basis, pool = spectral_matrices(self.size, step.sfreq, check_bands(step.bands, step.sfreq))
        self.register_buffer("basis", torch.from_numpy(basis * math.sqrt(_MICRO)).float())
        self.register_buffer("pool", torch.from_numpy(pool).float())
        self.scale = step.scale if isinstance(step, BandPower) else "entropy"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_bands, n_channels, n_windows) of (batch, n_channels, n_times)."""
        x = x if x.ndim == 3 else x[:, None]
        starts = range(0, x.shape[-1] - self.size + 1, self.hop)
        windows = torch.stack([x[..., start : start + self.size] for start in starts], dim=2)
        power = ((windows @ self.basis).square() @ self.pool).permute(0, 3, 1, 2)  # in uV^2
        if self.scale == "relative":
            return power / power.sum(dim=1, keepdim=True).clamp(min=FLOOR * _MICRO)
        if self.scale == "power":
            return power / _MICRO
        logs = power.clamp(min=FLOOR * _MICRO).log() - math.log(_MICRO)
        return 10 / math.log(10) * logs if self.scale == "decibel" else 0.5 * (math.log(2 * math.pi * math.e) + logs)


def _bands(step: BandPower | DifferentialEntropy, shape: tuple[int, ...]) -> tuple[nn.Module, str] | None:
    if step.method != "spectral":  # a zero-phase filter looks at whole signals
        return None
    return _Bands(step, shape), "differential entropy" if isinstance(step, DifferentialEntropy) else "power in bands"


_MADE: Mapping[type, Callable[[Any, tuple[int, ...]], tuple[nn.Module, str] | None]] = {
    ChannelScaler: lambda step, shape: (_Scaled(step, shape), "scaling of each channel"),
    Flatten: lambda step, shape: (nn.Flatten(), "flattening"),
    PickModality: lambda step, shape: (nn.Identity(), ""),  # a graph takes one modality
    PickColumns: lambda step, shape: (_Picked(step.ranges), "picked columns"),
    BandPower: _bands,
    DifferentialEntropy: _bands,
}
