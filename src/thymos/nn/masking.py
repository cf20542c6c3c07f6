"""Masks of electrodes: which are hidden from a network that has to fill them in (methods B1.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["ElectrodeMasks", "to_cells"]

#: How often each pattern is drawn: independent electrodes, a patch around one, one side of the head, one lobe.
PATTERNS = {"independent": 0.6, "patch": 0.25, "side": 0.05, "lobe": 0.1}


class ElectrodeMasks(nn.Module):
    """Draws masks of electrodes at random; 1 hides an electrode.

    Independent electrodes alone could be filled in from their neighbours. Patches, sides and lobes take the neighbours
    away too. Without the electrodes' positions all masks are independent ones.

    Parameters
    ----------
    xy : Tensor, shape (n_channels, 2), optional
        Places of the electrodes in the plane, x to the right.
    lobes : sequence of int, optional
        Number of each electrode's lobe; negative for none.

    Notes
    -----
    The patterns and their frequencies are this implementation's (:data:`PATTERNS`). A side is what lies on one side of
    the midline; an electrode on it belongs to neither.
    """

    weights: torch.Tensor
    regions: torch.Tensor
    distance: torch.Tensor

    def __init__(self, n_channels: int, xy: torch.Tensor | None = None, lobes: Sequence[int] | None = None):
        super().__init__()
        self.n_channels = n_channels
        weights = torch.tensor(list(PATTERNS.values()))
        regions: dict[str, list[torch.Tensor]] = {"side": [], "lobe": []}
        if xy is not None:
            middle = 1e-6 * float(xy[:, 0].abs().max())
            regions["side"] = [xy[:, 0] < -middle, xy[:, 0] > middle]
        if lobes is not None:
            owner = torch.as_tensor(list(lobes))
            regions["lobe"] = [owner == k for k in sorted({*owner.tolist()}) if k >= 0]
        masks = []
        for place, kind in enumerate(("side", "lobe"), start=2):
            regions[kind] = [mask for mask in regions[kind] if 0 < int(mask.sum()) < n_channels]
            weights[place] *= bool(regions[kind])
            masks += regions[kind]
        weights[1] *= xy is not None
        self.n_sides = len(regions["side"])
        self.register_buffer("weights", weights)
        self.register_buffer("regions", torch.stack(masks).bool() if masks else torch.empty(0, n_channels).bool())
        distance = torch.zeros(n_channels, n_channels) if xy is None else torch.cdist(xy.float(), xy.float())
        self.register_buffer("distance", distance)

    def forward(
        self, n: int, low: float, high: float, everything: float = 0.0, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Draw masks.

        Parameters
        ----------
        n : int
        low, high : float
            Hidden shares are drawn from the uniform distribution between them, rounded to whole electrodes, one at
            least. Sides and lobes are hidden as they are.
        everything : float
            Probability that all electrodes are hidden.
        generator : Generator, optional
            On the processor, so that masks are the same on every device.

        Returns
        -------
        Tensor of bool, shape (n, n_channels)
        """
        device, channels = self.distance.device, self.n_channels
        share = low + (high - low) * torch.rand(n, generator=generator)
        count = (share * channels).round().clamp(1, channels)
        pattern = torch.multinomial(self.weights.cpu(), n, replacement=True, generator=generator)
        score = torch.rand(n, channels, generator=generator)
        middle = torch.randint(channels, (n,), generator=generator)
        place = torch.rand(n, generator=generator)
        whole = torch.rand(n, generator=generator) < everything
        # of equally distant electrodes the random score decides
        around = self.distance.cpu()[middle] + 1e-3 * self.distance.max().cpu() * score
        score = torch.where((pattern == 1)[:, None], around, score)
        hidden = score.argsort(dim=1).argsort(dim=1) < count[:, None]
        sides, regions = self.n_sides, self.regions.cpu()
        for number, first, amount in ((2, 0, sides), (3, sides, len(regions) - sides)):
            if amount:
                chosen = regions[first + (place * amount).long().clamp(max=amount - 1)]
                hidden = torch.where((pattern == number)[:, None], chosen, hidden)
        return (hidden | whole[:, None]).to(device)


def to_cells(x: torch.Tensor, cells: torch.Tensor, size: int) -> torch.Tensor:
    """Put channels into the cells of a square map; the others are 0.

    Parameters
    ----------
    x : Tensor, shape (batch, n_planes, n_channels)
    cells : Tensor of int, shape (n_channels,)
        Cell of each channel, counted row by row.
    size : int
        Rows and columns.

    Returns
    -------
    Tensor, shape (batch, n_planes, size, size)
    """
    grid = x.new_zeros(*x.shape[:-1], size * size)
    return grid.index_copy(-1, cells, x).unflatten(-1, (size, size))
