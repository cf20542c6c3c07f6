"""Layers with a bounded Lipschitz constant, and functions that measure the constant a network really has.

A declared bound is worth what is measured beside it: :func:`empirical_lipschitz` takes any function of samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = [
    "LGCN",
    "CenterNorm",
    "FixedNorm",
    "Measured",
    "SpectralConv1d",
    "SpectralLinear",
    "attacked_lipschitz",
    "dropout_bound",
    "empirical_lipschitz",
    "local_lipschitz",
    "standardised",
]

_SLACK = 1e-6  # a float32 weight that was scaled to its bound must not exceed it by rounding


class _Spectral(nn.Module):
    """A layer whose linear map has at most `bound` as Lipschitz constant (Gong et al. 2025, equation 7).

    While the layer trains, one step of power iteration per forward pass follows the largest singular value, from below,
    and weights that it sees beyond the bound are scaled back before they are used. When training ends (``eval()``) the
    exact value is computed once, and no forward pass in evaluation mode changes anything.

    Parameters
    ----------
    *values, **options
        As the layer of PyTorch.
    bound : float, optional
        K; ``None`` leaves the weights alone.
    scaling : {'bound', 'set'}
        ``bound`` scales down what is beyond the bound (paper); ``set`` always scales to it (official code).
    """

    weight: torch.Tensor

    def __init__(self, *values: int, bound: float | None = 1.0, scaling: str = "bound", **options: object):
        super().__init__(*values, **options)
        self.bound = bound
        self.scaling = scaling
        self._vector: torch.Tensor | None = None

    @torch.no_grad()
    def lipschitz(self, after: torch.Tensor | None = None, before: torch.Tensor | None = None) -> float:
        """Return the Lipschitz constant of the present weights, or an upper bound of it.

        With what stands next to the layer, the constant of both is below the product of two constants.

        Parameters
        ----------
        after : Tensor, shape (n_outputs, 1), optional
            What each output is multiplied by afterwards.
        before : Tensor, shape (n_inputs, n), optional
            A linear map that gives the layer its input.
        """
        matrices = self._matrices(self.weight.cpu().double())  # not every device has double precision
        matrices = matrices if after is None else matrices * after.cpu().double()
        matrices = matrices if before is None else matrices @ before.cpu().double()
        small = matrices @ matrices.mH if matrices.shape[-2] < matrices.shape[-1] else matrices.mH @ matrices
        return self._excess() * float(torch.linalg.eigvalsh(small)[..., -1].max().clamp_min(0).sqrt())

    @torch.no_grad()
    def project(self, exact: bool = True) -> None:
        """Put the weights back inside the bound, with the `exact` constant or one step of power iteration."""
        if self.bound is None:
            return
        # bfloat16, in which layers may compute, is too coarse to follow a vector in
        with torch.autocast(self.weight.device.type, enabled=False):
            sigma = self.lipschitz() if exact else self._followed()
        if sigma > self.bound or (self.scaling == "set" and 0 < sigma < self.bound * (1 - 2 * _SLACK)):
            self.weight.mul_(self.bound / sigma * (1 - _SLACK))

    def train(self, mode: bool = True) -> Self:
        """Set the mode; weights that are to be evaluated are inside the bound."""
        if self.training and not mode:
            self.project()
        return super().train(mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer makes of `x`."""
        if self.training:
            self.project(exact=False)
        return super().forward(x)

    def _followed(self) -> float:
        matrices = self._matrices(self.weight)
        if self._vector is None or (self._vector.device, self._vector.dtype) != (matrices.device, matrices.dtype):
            self._vector = torch.linalg.svd(matrices, full_matrices=False).Vh[..., :1, :].mH
        image = matrices @ self._vector
        sigma = torch.linalg.vector_norm(image, dim=-2, keepdim=True)
        back = matrices.mH @ (image / sigma.clamp_min(1e-12))
        self._vector = back / torch.linalg.vector_norm(back, dim=-2, keepdim=True).clamp_min(1e-12)
        return float(sigma.max()) * self._excess()

    def _matrices(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the matrices whose largest singular value is the constant, but for :meth:`_excess`."""
        return weight

    def _excess(self) -> float:
        return 1.0


class SpectralLinear(_Spectral, nn.Linear):
    __doc__ = _Spectral.__doc__


class SpectralConv1d(_Spectral, nn.Conv1d):
    """A convolution over time whose true operator, not its reshaped kernel, has at most `bound` as Lipschitz constant.

    Zero padding and strides take rows and columns away from the convolution of endless sequences, whose norm is the
    largest singular value of the kernel's spectrum over all frequencies. The spectrum is a trigonometric polynomial of
    degree ``(kernel - 1) / 2`` but for its phase; its values on a grid of N frequencies stay below the largest one by a
    factor of ``cos(pi (kernel - 1) / (2 N))`` at most (Ehlich and Zeller 1964). With this factor the constant is an
    upper bound for windows of any length, which power iteration, that comes from below, cannot give.

    Parameters
    ----------
    *values, bound, scaling, **options
        As :class:`SpectralLinear`; one group, no dilation.
    """

    def _matrices(self, weight: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(weight, n=self._grid()).permute(2, 0, 1)

    def _grid(self) -> int:
        return 4 * self.kernel_size[0]

    def _excess(self) -> float:
        return 1 / math.cos(math.pi * (self.kernel_size[0] - 1) / (2 * self._grid()))


class LGCN(nn.Module):
    """Normalisation over the last axis with a bounded affine map (Gong et al. 2025, equation 10; methods B2.4).

    ``g * (x - mean) / sqrt(var + eps) + b`` with ``g = gamma * min(1, bound / max|gamma|)``. What is bounded is the
    affine map, by its exact constant: the largest ``|g|`` (the paper writes a Euclidean norm). Division by the sample's
    own deviation has no bound near constant samples.

    Parameters
    ----------
    width : int
        Size of the last axis.
    bound : float, optional
        K_aff; ``None`` for none.
    eps : float
    """

    def __init__(self, width: int, bound: float | None = 1.0, eps: float = 1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.beta = nn.Parameter(torch.zeros(width))
        self.bound = bound
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalised samples, of the shape of `x`."""
        gamma: torch.Tensor = self.gamma
        if self.bound is not None:
            gamma = gamma * (self.bound / (gamma.abs().max() + 1e-12)).clamp(max=1.0)
        return functional.layer_norm(x, gamma.shape, gamma, self.beta, self.eps)


class CenterNorm(nn.Module):
    """The mean over the last axis is taken away: ``D / (D - 1) (x - mean(x))`` (Qi et al. 2023).

    Unlike layer normalisation it has a Lipschitz constant, ``D / (D - 1)``. A single value passes.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the centred samples, of the shape of `x`."""
        return x if x.shape[-1] == 1 else (x - x.mean(dim=-1, keepdim=True)) * self.lipschitz(x.shape[-1])

    @staticmethod
    def lipschitz(width: int) -> float:
        """Return the constant for `width` values."""
        return width / (width - 1) if width > 1 else 1.0

    def matrix(self, width: int) -> torch.Tensor:
        """Return the map as a matrix, shape (width, width)."""
        return self(torch.eye(width, dtype=torch.float64)).T


class FixedNorm(nn.Module):
    """A scale and a shift of each channel that start by standardising training samples and are learnt from there.

    Batch normalisation divides by statistics of the batch while it trains, and has no constant then. Here mean and
    deviation are taken once (:meth:`begin`), so that the layer is the same map in both modes.

    Parameters
    ----------
    n_channels : int
        Size of the second axis.
    """

    def __init__(self, n_channels: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_channels, 1))
        self.shift = nn.Parameter(torch.zeros(n_channels, 1))

    @torch.no_grad()
    def begin(self, x: torch.Tensor) -> torch.Tensor:
        """Standardise the channels of `x`, shape (batch, n_channels, n_times), and return them so."""
        mean, deviation = x.mean(dim=(0, 2))[:, None], x.std(dim=(0, 2), correction=0)[:, None]
        self.scale.copy_(1 / deviation.clamp_min(1e-3 * float(deviation.max()) or 1.0))
        self.shift.copy_(-mean * self.scale)
        return self(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled and shifted samples, of the shape of `x`."""
        return x * self.scale + self.shift


def standardised(logits: torch.Tensor, bound: float) -> torch.Tensor:
    """Return logits standardised over the classes and shortened to norm `bound`, as the official code of LEL has it.

    Standardised logits of K classes have the norm ``sqrt(K - 1)`` always, so that this is a temperature: for 9 classes
    and a bound of 1 no probability exceeds 0.265, and a bound of 10 never acts.

    Parameters
    ----------
    logits : Tensor, shape (..., n_classes)
    bound : float
    """
    if logits.shape[-1] == 1:
        return logits
    z = (logits - logits.mean(-1, keepdim=True)) / (logits.std(-1, keepdim=True) + 1e-6)
    return z / (torch.linalg.vector_norm(z, dim=-1, keepdim=True) / bound).clamp_min(1.0)


def dropout_bound(*layers: nn.Dropout | nn.Dropout1d) -> float:
    """Return the Lipschitz constant of some dropout layers in a row, in the mode that they are in."""
    return math.prod(1 / (1 - layer.p) if layer.training else 1.0 for layer in layers)


@dataclass(frozen=True)
class Measured:
    """Measured lower bounds of a Lipschitz constant, in Euclidean norms of whole samples and outputs.

    Parameters
    ----------
    local : Tensor, shape (n_samples,)
        Largest singular value of the Jacobian at each sample.
    attack : Tensor, shape (n_samples,)
        Largest ratio ``|f(x + d) - f(x)| / |d|`` that an attack on each sample found.
    """

    local: torch.Tensor
    attack: torch.Tensor


def empirical_lipschitz(
    function: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    iterations: int = 20,
    steps: int = 50,
    reach: float = 0.1,
    random_state: int = 0,
) -> Measured:
    """Measure the Lipschitz constant of a function at given samples (methods B2.8).

    Parameters
    ----------
    function : callable
        From (n_samples, ...) to (n_samples, ...), each sample by itself, and the same whenever it is called.
    x : Tensor, shape (n_samples, ...)
    iterations : int
        Of the power iteration, see :func:`local_lipschitz`.
    steps, reach : int, float
        Of the attack, see :func:`attacked_lipschitz`; 0 steps for none.
    random_state : int

    Returns
    -------
    Measured
    """
    generator = torch.Generator(device=x.device).manual_seed(random_state)
    local = local_lipschitz(function, x, iterations, generator)
    found = attacked_lipschitz(function, x, steps, reach, generator) if steps else torch.zeros_like(local)
    return Measured(local, found)


def local_lipschitz(
    function: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    iterations: int = 20,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return the largest singular value of the Jacobian at each sample.

    Few outputs are taken row by row, which costs less than power iteration and is exact. Many need `iterations` of
    Jacobian-vector and vector-Jacobian products, which come from below.

    Parameters
    ----------
    function, x
        As :func:`empirical_lipschitz`.
    iterations : int
    generator : torch.Generator, optional
        Of the first direction.

    Returns
    -------
    Tensor, shape (n_samples,)
    """
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
        x = x.detach().clone().requires_grad_(True)
        y = function(x).flatten(1)
        if y.shape[1] <= iterations:
            rows = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0].flatten(1) for column in y.unbind(1)]
            jacobian = torch.stack(rows, dim=1)  # (samples, outputs, inputs)
            return torch.linalg.eigvalsh(jacobian @ jacobian.mT)[:, -1].clamp_min(0).sqrt()
        # J v is the derivative of the vector-Jacobian product u J, which is linear in u, in the direction v
        u = torch.zeros_like(y, requires_grad=True)
        (back,) = torch.autograd.grad(y, x, u, create_graph=True)
        v = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        for _ in range(iterations):
            v = v / _length(v)
            (image,) = torch.autograd.grad(back, u, v, retain_graph=True)
            (v,) = torch.autograd.grad(y, x, image, retain_graph=True)
        (image,) = torch.autograd.grad(back, u, v / _length(v))
        return torch.linalg.vector_norm(image, dim=1)


def attacked_lipschitz(
    function: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    steps: int = 50,
    reach: float = 0.1,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return the largest ratio ``|f(x + d) - f(x)| / |d|`` that gradient ascent on d finds at each sample.

    Parameters
    ----------
    function, x
        As :func:`empirical_lipschitz`.
    steps : int
        Of the ascent; each is a twentieth of the reach long.
    reach : float
        Largest ``|d|`` as a share of ``|x|``, or of that of a sample with a root mean square of 0.01 if it is larger.
    generator : torch.Generator, optional
        Of the first direction.

    Returns
    -------
    Tensor, shape (n_samples,)
    """
    x = x.detach()
    # near 0 a disturbance must not be so small that its effect is rounding
    base, limit = function(x).detach().flatten(1), reach * _length(x).clamp_min(1e-2 * x[0].numel() ** 0.5)
    d = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    d, best = d / _length(d) * limit / 2, torch.zeros(len(x), device=x.device, dtype=x.dtype)
    for _ in range(steps):
        with torch.enable_grad():
            d.requires_grad_(True)
            ratio = torch.linalg.vector_norm(function(x + d).flatten(1) - base, dim=1) / _length(d).flatten()
            (gradient,) = torch.autograd.grad(ratio.sum(), d)
        best = torch.maximum(best, ratio.detach())
        d = d.detach() + gradient / _length(gradient).clamp_min(1e-20) * limit / 20
        d = d * (limit / _length(d)).clamp(max=1.0)
    return best


def _length(v: torch.Tensor) -> torch.Tensor:
    """Return the Euclidean norm of each sample, shaped to divide it by."""
    return torch.linalg.vector_norm(v.flatten(1), dim=1).reshape(-1, *[1] * (v.ndim - 1)).clamp_min(1e-30)
