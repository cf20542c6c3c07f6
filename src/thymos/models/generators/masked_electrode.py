"""Generator and critic that fill in hidden electrodes of features on a map of the scalp (methods B1.3)."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from thymos.nn.masking import to_cells

__all__ = ["LATENT", "ElectrodeCritic", "ElectrodeGenerator", "composed", "on_map"]

#: Length of the random vector that a generated sample begins with.
LATENT = 32

_TILED, _CLASS, _GROUPS = 8, 16, 8


class _Residual(nn.Module):
    """Two convolutions whose normalised values are scaled and shifted by the condition (FiLM), beside the identity."""

    def __init__(self, width: int, condition: int):
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, width, affine=False) for _ in range(2))
        self.film = nn.Linear(condition, 4 * width)
        nn.init.zeros_(self.film.weight)  # starts as a plain residual block
        nn.init.zeros_(self.film.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Return the block's output, of the shape of `x`, (batch, width, rows, columns)."""
        scale, shift = self.film(condition)[..., None, None].unflatten(1, (2, 2, -1)).unbind(1)
        made = x
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            made = norm(convolution(made)) * (1 + scale[:, number]) + shift[:, number]
            made = functional.leaky_relu(made, 0.2)
        return x + made


class ElectrodeGenerator(nn.Module):
    """U-shaped network on the map of the scalp that proposes values for all electrodes, given those it sees.

    Parameters
    ----------
    cells : Tensor of int, shape (n_channels,)
        Cell of each electrode on the map, counted row by row.
    size : int
        Rows and columns of the map.
    n_planes : int
        Values of each electrode: bands times windows.
    n_classes, n_subjects : int
        What is drawn can be conditioned on; no subjects for none.
    width : int
        Maps of the first layer, a multiple of 8; published designs have 64.

    Notes
    -----
    The abstract of the paper gives no architecture; this one follows GANSER's U-Net on the 9 x 9 map (Zhang et al.
    2022) with conditioning by FiLM (Perez et al. 2018).
    """

    cells: torch.Tensor

    def __init__(
        self, cells: torch.Tensor, size: int, n_planes: int, n_classes: int, n_subjects: int = 0, width: int = 64
    ):
        super().__init__()
        self.size = size
        self.register_buffer("cells", cells.long())
        self.classes = nn.Embedding(n_classes, _CLASS)
        self.subjects = nn.Embedding(n_subjects, _CLASS) if n_subjects else None
        condition = LATENT + _CLASS * (1 + bool(n_subjects))
        self.tile = nn.Linear(LATENT, _TILED)

        def layer(inner: int, outer: int, stride: int = 1) -> nn.Module:
            convolution = nn.Conv2d(inner, outer, 3, stride, padding=1)
            return nn.Sequential(convolution, nn.GroupNorm(_GROUPS, outer), nn.LeakyReLU(0.2))

        self.first = layer(n_planes + 2 + _TILED, width)
        self.down = nn.ModuleList([layer(width, 2 * width, 2), layer(2 * width, 4 * width, 2)])
        self.middle = nn.ModuleList(_Residual(4 * width, condition) for _ in range(2))
        self.up = nn.ModuleList([layer(6 * width, 2 * width), layer(3 * width, width)])
        self.last = nn.Conv2d(width, n_planes, 3, padding=1)

    def forward(
        self,
        x: torch.Tensor,
        hidden: torch.Tensor,
        z: torch.Tensor,
        y: torch.Tensor,
        subject: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Propose values for every electrode; what a mask does not hide is taken from `x` by :func:`composed`.

        Parameters
        ----------
        x : Tensor, shape (batch, n_planes, n_channels)
            Standardised features. Those of hidden electrodes are not looked at.
        hidden : Tensor of bool, shape (batch, n_channels)
        z : Tensor, shape (batch, LATENT)
            Standard normal.
        y, subject : Tensor of int, shape (batch,)

        Returns
        -------
        Tensor, shape (batch, n_planes, n_channels)
        """
        noise = self.tile(z)[..., None, None].expand(-1, -1, self.size, self.size)
        seen = x.masked_fill(hidden[:, None], 0.0)
        a = self.first(torch.cat([on_map(seen, hidden, self.cells, self.size), noise], dim=1))
        b = self.down[0](a)
        c = self.down[1](b)
        condition = [z, self.classes(y)] + ([] if self.subjects is None else [self.subjects(subject)])
        for block in self.middle:
            c = block(c, torch.cat(condition, dim=1))
        for layer, skip in zip(self.up, (b, a), strict=True):
            c = functional.interpolate(c, skip.shape[-2:], mode="bilinear", align_corners=False)
            c = layer(torch.cat([c, skip], dim=1))
        return self.last(c).flatten(2)[..., self.cells]


class ElectrodeCritic(nn.Module):
    """Scores a sample on the map of the scalp, knowing which electrodes were filled in, class and subject.

    Parameters
    ----------
    cells, size, n_planes, n_classes, n_subjects, width
        As :class:`ElectrodeGenerator`.

    Notes
    -----
    No batch normalisation, as the gradient penalty wants it (Gulrajani et al. 2017, section 4); the class enters by a
    projection (Miyato & Koyama 2018, equation 3), and so does the subject.
    """

    cells: torch.Tensor

    def __init__(
        self, cells: torch.Tensor, size: int, n_planes: int, n_classes: int, n_subjects: int = 0, width: int = 64
    ):
        super().__init__()
        self.size = size
        self.register_buffer("cells", cells.long())
        smallest = math.ceil(math.ceil(size / 2) / 2)
        widths = [n_planes + 2, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for inner, outer, stride in zip(widths, widths[1:], (1, 2, 2), strict=False):
            layers += [nn.Conv2d(inner, outer, 3, stride, padding=1), nn.LeakyReLU(0.2)]
        dense = nn.Linear(4 * width * smallest**2, 4 * width)
        self.body = nn.Sequential(*layers, nn.Flatten(), dense, nn.LeakyReLU(0.2))
        self.score = nn.Linear(4 * width, 1)
        self.classes = nn.Embedding(n_classes, 4 * width)
        self.subjects = nn.Embedding(n_subjects, 4 * width) if n_subjects else None
        for table in (self.classes, self.subjects):
            if table is not None:
                nn.init.zeros_(table.weight)  # an untrained projection would drown the score

    def forward(
        self, x: torch.Tensor, hidden: torch.Tensor, y: torch.Tensor, subject: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return scores of shape (batch,); arguments as :class:`ElectrodeGenerator` has them."""
        h = self.body(on_map(x, hidden, self.cells, self.size))
        projected = self.classes(y) if self.subjects is None else self.classes(y) + self.subjects(subject)
        return self.score(h)[:, 0] + (projected * h).sum(dim=1)


def on_map(x: torch.Tensor, hidden: torch.Tensor, cells: torch.Tensor, size: int) -> torch.Tensor:
    """Return values, mask and the places of electrodes as maps, shape (batch, n_planes + 2, size, size).

    Parameters
    ----------
    x : Tensor, shape (batch, n_planes, n_channels)
    hidden : Tensor of bool, shape (batch, n_channels)
    cells, size
        As :class:`ElectrodeGenerator`.
    """
    mask = hidden[:, None].to(x.dtype)
    return to_cells(torch.cat([x, mask, torch.ones_like(mask)], dim=1), cells, size)


def composed(x: torch.Tensor, proposed: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Return `proposed` where electrodes are hidden and `x`, bit for bit, elsewhere; shapes as above."""
    return torch.where(hidden[:, None], proposed, x)
