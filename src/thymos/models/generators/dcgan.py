"""Generator and discriminator of small photographs (Radford et al. 2016; methods B4.6)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

__all__ = ["LATENT", "PhotoDiscriminator", "PhotoGenerator", "changed_alike"]

#: Length of the random vector that a generated photograph begins with.
LATENT = 100

_HALVINGS, _SLOPE, _SD = 3, 0.2, 0.02
_SHIFT, _CUT, _BRIGHTNESS = 0.125, 0.5, 0.5  # of differentiable changes: shares of the side, and of the range


class PhotoGenerator(nn.Module):
    """Photographs from noise and a class: one dense layer, and three transposed convolutions that double the side.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width; the sides are multiples of 8.
    n_classes : int
    width : int
        Maps of the last hidden layer; those before it have two and four times as many.
    """

    def __init__(self, shape: tuple[int, int, int], n_classes: int, width: int = 64):
        super().__init__()
        sides = [side // 2**_HALVINGS for side in shape[1:]]
        widths = [4 * width, 2 * width, width, shape[0]]
        self.of_class = nn.Embedding(n_classes, LATENT)
        self.first = nn.Sequential(
            nn.Linear(LATENT, widths[0] * sides[0] * sides[1], bias=False),
            nn.Unflatten(1, (widths[0], *sides)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=after == shape[0]))
            layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)] if after != shape[0] else [nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_begin)

    def forward(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return photographs, shape (batch, n_channels, height, width), from -1 to 1; `z` of shape (batch, 100)."""
        return self.layers(self.first(z + self.of_class(y)))


class PhotoDiscriminator(nn.Module):
    """Whether photographs are real, and of their class: three convolutions that halve the side, a dense layer.

    The class enters by a projection (Miyato and Koyama 2018): its vector times the features is added to the logit.

    Parameters
    ----------
    shape, n_classes, width
        As :class:`PhotoGenerator`; `width` is that of the first layer.
    """

    def __init__(self, shape: tuple[int, int, int], n_classes: int, width: int = 64):
        super().__init__()
        widths = [shape[0], width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=number == 0))
            layers += [nn.BatchNorm2d(after)] if number else []
            layers.append(nn.LeakyReLU(_SLOPE, inplace=True))
        self.layers = nn.Sequential(*layers)
        size = widths[-1] * (shape[1] // 2**_HALVINGS) * (shape[2] // 2**_HALVINGS)
        self.last = nn.Linear(size, 1)
        self.of_class = nn.Embedding(n_classes, widths[-1])
        self.apply(_begin)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch,); `x` from -1 to 1."""
        maps = self.layers(x)
        seen = (self.of_class(y) * maps.mean(dim=(2, 3))).sum(dim=1)
        return self.last(maps.flatten(1))[:, 0] + seen


def changed_alike(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return photographs that are brighter or darker, shifted and partly cut out, so that gradients pass.

    Real and generated ones are changed alike before they are judged: a discriminator of a few hundred photographs
    cannot learn these by heart, and the generator is not taught to make changed ones (Zhao et al. 2020).

    Parameters
    ----------
    x : Tensor, shape (batch, n_channels, height, width)
    rng : Generator
        On the processor.
    """
    n, height, width = len(x), *x.shape[2:]
    draw = torch.rand(5, n, generator=rng).to(x.device)
    x = x + (_BRIGHTNESS * (2 * draw[0] - 1))[:, None, None, None]
    # whole pixels, zeros come in
    down, right = ((2 * draw[k] - 1) * _SHIFT * side for k, side in ((1, height), (2, width)))
    places = [
        torch.arange(side, device=x.device)[None] - by.round().long()[:, None]
        for side, by in ((height, down), (width, right))
    ]
    there = [(at >= 0) & (at < side) for at, side in zip(places, (height, width), strict=True)]
    rows, columns = (at.clamp(0, side - 1) for at, side in zip(places, (height, width), strict=True))
    x = x.gather(2, rows[:, None, :, None].expand(-1, x.shape[1], -1, width))
    x = x.gather(3, columns[:, None, None, :].expand(-1, x.shape[1], height, -1))
    kept = there[0][:, :, None] & there[1][:, None, :]
    for_cut = []
    for k, side in ((3, height), (4, width)):
        first = (draw[k] * (side + 1)).floor() - _CUT * side / 2
        at = torch.arange(side, device=x.device)
        for_cut.append((at >= first[:, None]) & (at < first[:, None] + _CUT * side))
    kept = kept & ~(for_cut[0][:, :, None] & for_cut[1][:, None, :])
    return x * kept[:, None]


def _begin(module: nn.Module) -> None:
    """Draw weights as Radford et al. did."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, 0.0, _SD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _SD)
