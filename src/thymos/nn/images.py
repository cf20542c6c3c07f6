"""Layers for images: random changes of whole batches, squeeze-and-excitation, residual blocks with random depth."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from thymos.nn.cnn_lstm import BatchNorm2d

__all__ = ["ImageAugmentation", "Mirrored", "Pixels", "ResidualBlock", "SqueezeExcite", "StochasticDepth"]

_AREA, _ASPECT = (0.02, 0.2), (0.3, 1 / 0.3)  # of what is erased: share of the image, and width over height


class Pixels(nn.Module):
    """Grey values or colours as numbers: whole numbers up to 255 become 0 to 1, others stay as they are.

    `mean` and `scale` of each channel are learnt by :meth:`learn` and applied by :meth:`standardise`.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, n_channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_channels, 1, 1))
        self.register_buffer("scale", torch.ones(n_channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return images, shape (batch, n_channels, height, width), as float32."""
        return x.float() / 255 if x.dtype == torch.uint8 else x

    def standardise(self, x: torch.Tensor) -> torch.Tensor:
        """Return images, shape (batch, n_channels, height, width), standardised by the training images."""
        return (x - self.mean) / self.scale

    @torch.no_grad()
    def learn(self, x: torch.Tensor) -> None:
        """Take mean and deviation of each channel from images, shape (n, n_channels, height, width), part by part."""
        count, parts = x.numel() / x.shape[1], x.split(1024)
        mean = sum(self(part).double().sum(dim=(0, 2, 3)) for part in parts) / count
        away = (self(part).double() - mean[:, None, None] for part in parts)
        variance = sum(part.square().sum(dim=(0, 2, 3)) for part in away) / count
        self.mean.copy_(mean[:, None, None])
        self.scale.copy_(variance.sqrt().where(variance > 0, torch.ones_like(variance))[:, None, None])


class Mirrored(nn.Module):
    """The mean of what a network says of images and of their mirror images.

    Parameters
    ----------
    network : Module
        From images (batch, n_channels, height, width) to outputs that may be averaged.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean logits, shape (batch, n_classes)."""
        return (self.network(x) + self.network(x.flip(-1))) / 2


class ImageAugmentation(nn.Module):
    """Random changes of images while training: one interpolation for a whole batch.

    Parameters
    ----------
    flip : float
        Probability of a mirror image.
    rotation : float
        Largest angle in degrees.
    shift : float
        Largest shift along each axis, as a share of its length.
    zoom : float
        Largest change of size: 0.1 for 0.9 to 1.1.
    brightness : float
        Largest change of all values, as a share of them.
    erasing : float
        Probability that a rectangle of 2 to 20 % of the image is replaced by noise (Zhong et al. 2020).

    Notes
    -----
    What comes into view at a border repeats the border. Values stay in the range of their batch.
    """

    def __init__(
        self,
        flip: float = 0.5,
        rotation: float = 15.0,
        shift: float = 0.1,
        zoom: float = 0.0,
        brightness: float = 0.2,
        erasing: float = 0.2,
    ):
        super().__init__()
        self.flip, self.rotation, self.shift, self.zoom = flip, rotation, shift, zoom
        self.brightness, self.erasing = brightness, erasing

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return changed images, shape (batch, n_channels, height, width); the same ones when not training."""
        if not self.training:
            return x
        if self.flip or self.rotation or self.shift or self.zoom:
            where = functional.affine_grid(self._places(x), list(x.shape), align_corners=False)
            x = functional.grid_sample(x, where, padding_mode="border", align_corners=False)
        if self.brightness:
            x = (x * (1 + self.brightness * _between(-1, 1, x, (len(x), 1, 1, 1)))).clamp(*x.aminmax())
        return self._erased(x) if self.erasing else x

    def _places(self, x: torch.Tensor) -> torch.Tensor:
        """Return for each image the map from places in the new image to places in the old one, (batch, 2, 3)."""
        n, height, width = len(x), *x.shape[2:]
        angle = math.radians(self.rotation) * _between(-1, 1, x, (n,))
        size = 1 + self.zoom * _between(-1, 1, x, (n,))
        mirror = 1 - 2 * (torch.rand(n, device=x.device) < self.flip).to(x)
        cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
        shift = 2 * self.shift * _between(-1, 1, x, (2, n))  # the image goes from -1 to 1
        # places count in half widths and half heights: only in pixels is a rotation one
        rows = (mirror * cos, -sin * height / width, shift[0]), (mirror * sin * width / height, cos, shift[1])
        return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)

    def _erased(self, x: torch.Tensor) -> torch.Tensor:
        n, height, width = len(x), *x.shape[2:]
        area = height * width * _between(*_AREA, x, (n,))
        aspect = torch.exp(_between(math.log(_ASPECT[0]), math.log(_ASPECT[1]), x, (n,)))
        sides = torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()])  # heights, widths
        inside = []
        for length, side in ((height, sides[0]), (width, sides[1])):
            side = side.clamp(max=length).round()
            first = (torch.rand(n, device=x.device) * (length - side + 1)).floor()
            at = torch.arange(length, device=x.device)
            inside.append((at >= first[:, None]) & (at < (first + side)[:, None]))
        hit = (torch.rand(n, device=x.device) < self.erasing)[:, None, None]
        gone = (inside[0][:, :, None] & inside[1][:, None, :] & hit)[:, None]
        return torch.where(gone, _between(*x.aminmax(), x, x.shape), x)


class SqueezeExcite(nn.Module):
    """Weights of the maps from their means (Hu et al. 2018).

    Parameters
    ----------
    width : int
        Number of maps.
    reduction : int
        How many times smaller the layer in the middle is.
    """

    def __init__(self, width: int, reduction: int = 4):
        super().__init__()
        inner = max(1, width // reduction)
        self.weights = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return weighted maps, shape (batch, width, height, width)."""
        return x * self.weights(x.mean(dim=(2, 3)))[:, :, None, None]


class StochasticDepth(nn.Module):
    """Leave out a branch for some samples while training (Huang et al. 2016); what is kept counts more.

    Parameters
    ----------
    share : float
        Probability of being left out.
    """

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the branch, shape (batch, ...), or zeros for a share of the samples."""
        if not self.training or not self.share:
            return x
        kept = (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.share).to(x)
        return x * kept / (1 - self.share)


class ResidualBlock(nn.Module):
    """Two convolutions with squeeze-and-excitation beside a shortcut (He et al. 2016; Hu et al. 2018).

    Parameters
    ----------
    n_in, n_out : int
        Maps that come and go.
    stride : int
        2 halves height and width; the shortcut then takes means.
    drop : float
        Probability that the branch is left out while training.
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1, drop: float = 0.0):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            BatchNorm2d(n_out),
            SqueezeExcite(n_out),
            StochasticDepth(drop),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            mean = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
            self.shortcut = nn.Sequential(*mean, nn.Conv2d(n_in, n_out, 1, bias=False), BatchNorm2d(n_out))
        nn.init.zeros_(cast(nn.BatchNorm2d, self.branch[4]).weight)  # each block begins as its shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps, shape (batch, n_out, height, width) or half of it."""
        return functional.relu(self.branch(x) + self.shortcut(x))


def _between(
    low: float | torch.Tensor, high: float | torch.Tensor, like: torch.Tensor, shape: tuple[int, ...]
) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, device=like.device)
