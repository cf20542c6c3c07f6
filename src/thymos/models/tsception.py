"""TSception: filters of several lengths, and one filter for both hemispheres (Ding et al. 2022)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from thymos.base.errors import InputError
from thymos.models.convnets import ConvNetClassifier
from thymos.nn.convolution import BatchNormMaps

__all__ = ["TSception", "TSceptionClassifier", "hemispheres"]

_ELECTRODE = re.compile(r"([A-Z]{1,3})(\d+)(H?)", re.IGNORECASE)


def hemispheres(ch_names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the indices of left channels and, in the same order, of their counterparts on the right.

    In the 10-20 system and its refinements an odd number is left, and the even number after it is the same place on
    the right: F3 and F4, TP9 and TP10. Channels without a counterpart, the midline among them, are in neither list.

    Parameters
    ----------
    ch_names : sequence of str
        Names of electrodes; case does not matter.

    Raises
    ------
    InputError
        If there is no such pair.
    """
    found = {}
    for k, name in enumerate(ch_names):
        parts = _ELECTRODE.fullmatch(str(name).strip())
        if parts:
            found[parts[1].upper(), int(parts[2]), parts[3].upper()] = k
    pairs = [
        (k, found[site, number + 1, half])
        for (site, number, half), k in found.items()
        if number % 2 and (site, number + 1, half) in found
    ]
    if not pairs:
        raise InputError(
            f"No two of the channels {', '.join(map(str, ch_names))} lie opposite each other.",
            fits="names of the 10-20 system: odd numbers left, even numbers right",
            do="ch_names=None takes the first half of the channels as left and the second as right",
        )
    return [left for left, _ in pairs], [right for _, right in pairs]


class TSception(nn.Module):
    """Filters over time of several lengths, filters over all channels and over each hemisphere, and their fusion.

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Shape of the windows, and classes.
    kernels : sequence of int
        Lengths of the filters over time, in samples.
    filters, spatial, hidden : int
        Filters over time of each length, filters over space, and units of the dense layer.
    dropout : float
        Share of those units dropped.
    left, right : sequence of int, optional
        Indices of the channels of each hemisphere, in the same order. By default the first and the second half.
    """

    sides: torch.Tensor

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        kernels: Sequence[int] = (64, 32, 16),
        filters: int = 15,
        spatial: int = 15,
        hidden: int = 32,
        dropout: float = 0.5,
        left: Sequence[int] | None = None,
        right: Sequence[int] | None = None,
    ):
        super().__init__()
        half = n_channels // 2
        if left is None:
            left, right = range(half), range(half, 2 * half)
        self.register_buffer(
            "sides", torch.tensor([*left, *cast("Sequence[int]", right)], dtype=torch.int64), persistent=False
        )
        self.time = nn.ModuleList()
        length = 0
        for kernel in kernels:
            kernel = min(kernel, n_times)
            pool = min(8, n_times - kernel + 1)
            self.time.append(_block(1, filters, (1, kernel), pool))
            length += (n_times - kernel + 1) // pool
        self.time_norm = BatchNormMaps(filters)
        pool = min(2, length)
        self.everywhere = _block(filters, spatial, (n_channels, 1), pool)
        # one filter, applied to the left and to the right; a single channel has no sides
        self.each_side = _block(filters, spatial, (len(left), 1), pool, (len(left), 1)) if len(left) else None
        self.space_norm = BatchNormMaps(spatial)
        self.fusion = _block(spatial, spatial, (3 if len(left) else 1, 1), min(4, length // pool))
        self.fusion_norm = BatchNormMaps(spatial)
        self.dense = nn.Sequential(nn.Linear(spatial, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.final_layer = nn.Linear(hidden, n_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_channels, n_times)."""
        x = x[:, None]
        y = self.time_norm(torch.cat([block(x) for block in self.time], dim=-1))  # (batch, filters, channels, times)
        rows = [self.everywhere(y)]
        if self.each_side is not None:
            rows.append(self.each_side(y[:, :, self.sides]))
        z = self.space_norm(torch.cat(rows, dim=2))  # (batch, spatial, everywhere + left + right, times)
        z = self.fusion_norm(self.fusion(z))
        return self.final_layer(self.dense(z.mean(dim=(2, 3))))


class TSceptionClassifier(ConvNetClassifier):
    """Classes from rhythms and from what sets the hemispheres apart (TSception; Ding et al. 2022).

    15 filters over time of 0.5, 0.25 and 0.125 s each; 15 filters over all channels, and 15 over one hemisphere that
    see the left and the right with the same weights; a layer that fuses the three; two dense layers. Kernels and pools
    that are longer than what is left of a window are cut to it, so that any length will do. A single channel has no
    hemispheres: only the filters over all channels remain.

    Parameters
    ----------
    ch_names : sequence of str, optional
        Names of the channels, by which left (odd numbers) and right (even numbers) are paired, see
        :func:`hemispheres`. Channels without a counterpart, such as the midline, are seen by the filters over all
        channels only. Without names the first half counts as left, the second as right in the same order, and the last
        channel of an odd number as midline. A study fills it in.
    seconds : sequence of float
        Lengths of the filters over time in s; at 128 Hz where `sfreq` is unknown.
    filters, spatial : int
        Filters over time of each length, and filters over space.
    hidden : int
        Units of the first dense layer.
    dropout : float
        Share of these units dropped.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Raises
    ------
    InputError
        From `fit`, if the names are not as many as the channels or hold no pair, if `seconds` are not positive, or if
        another parameter is impossible.

    References
    ----------
    Y. Ding, N. Robinson, S. Zhang, Q. Zeng and C. Guan (2022), TSception: capturing temporal dynamics and spatial
    asymmetry from EEG for emotion recognition, IEEE Transactions on Affective Computing, Section III. Pools and widths
    are those of the authors' programme for DEAP.
    """

    published_rate = 128.0

    def __init__(
        self,
        ch_names: Sequence[str] | None = None,
        seconds: Sequence[float] = (0.5, 0.25, 0.125),
        filters: int = 15,
        spatial: int = 15,
        hidden: int = 32,
        dropout: float = 0.5,
        **training: Any,
    ):
        super().__init__(**training)
        self.ch_names = ch_names
        self.seconds = seconds
        self.filters = filters
        self.spatial = spatial
        self.hidden = hidden
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for windows of shape (n_channels, n_times)."""
        self._check("filters", "spatial", "hidden")
        try:
            seconds = np.atleast_1d(np.asarray(self.seconds, dtype=float))
        except (TypeError, ValueError):
            seconds = np.zeros(1)
        if seconds.ndim > 1 or not (seconds.size and np.isfinite(seconds).all() and (seconds > 0).all()):
            raise InputError(f"seconds={self.seconds!r} came.", fits="one or more positive lengths in s")
        kernels = [max(1, int(length * self._rate())) for length in seconds]
        sides: tuple[list[int] | None, list[int] | None] = (None, None)
        if self.ch_names is not None:
            if isinstance(self.ch_names, str) or not np.iterable(self.ch_names):
                raise InputError(f"ch_names={self.ch_names!r} came.", fits="one name for each channel, or None")
            if len(self.ch_names) != shape[0]:
                raise InputError(
                    f"{len(self.ch_names)} channel names came for samples of {shape[0]} channels.",
                    fits="raw windows and one name for each channel",
                )
            sides = hemispheres(self.ch_names)
        n_channels, n_times = shape
        sizes = self.filters, self.spatial, self.hidden
        return TSception(n_channels, n_times, n_outputs, kernels, *sizes, self.dropout, *sides)


def _block(width: int, filters: int, kernel: tuple[int, int], pool: int, stride: Any = 1) -> nn.Sequential:
    """Return a convolution over maps, leaky ReLU and means over time."""
    return nn.Sequential(nn.Conv2d(width, filters, kernel, stride), nn.LeakyReLU(), nn.AvgPool2d((1, pool)))
