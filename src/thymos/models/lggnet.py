"""Local graphs of brain regions and a global graph between these (Ding et al. 2023)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from thymos.base.errors import InputError
from thymos.nn.cnn_lstm import BatchNorm
from thymos.nn.graph import RegionMean, similarity_graph
from thymos.training.estimator import TorchClassifier, check_layers

__all__ = ["LGGNet", "LGGNetClassifier", "regions_by_name"]

_SHARES = (0.5, 0.25, 0.125)  # length of the three temporal kernels, in seconds or in shares of a short sample
_TINY = 1e-12  # of standardised signals squared: silence has a logarithm
_OLDER = {"T5": "P7", "T6": "P8"}  # T3 and T4, now T7 and T8, keep their letter


def regions_by_name(ch_names: Sequence[str]) -> list[list[int]]:
    """Group electrodes by the letters of their 10-20 names.

    Fp1 and Fp2 are one region, so are F3, Fz and F4; letters that begin or end with T (T, FT, TP) are parted into left
    and right, which lie far apart. On the 32 electrodes of DEAP these are the 11 regions of the published "general"
    graph. A name of another kind is a region of its own.

    Parameters
    ----------
    ch_names : sequence of str

    Returns
    -------
    list of list of int
        Indices of channels, regions in the order of their first channel.
    """
    found: dict[str, list[int]] = {}
    for k, name in enumerate(ch_names):
        text = _OLDER.get(str(name).strip().upper(), str(name).strip().upper())
        parts = re.fullmatch(r"([A-Z]{1,3}?)(Z|\d{1,2}H?)", text)
        key = f"channel {k}"
        if parts:
            side = int(parts[2].rstrip("H")) % 2 if parts[2] != "Z" else ""
            key = f"{parts[1]}{side}" if "T" in (parts[1][0], parts[1][-1]) else parts[1]
        found.setdefault(key, []).append(k)
    return list(found.values())


class LGGNet(nn.Module):
    """Temporal kernels of three lengths, power, fusion; a filter per electrode, regions, a graph between regions.

    Parameters
    ----------
    n_bands, n_channels, n_times, n_outputs : int
        Shape of a sample, and classes.
    regions : sequence of sequence of int
        Channels of each region.
    kernels : sequence of int
        Length of the temporal kernels in samples.
    pool : int
        Samples whose power is averaged; with the longest kernel at most ``n_times + 1``.
    filters, hidden, dropout
        As :class:`LGGNetClassifier`.
    """

    def __init__(
        self,
        n_bands: int,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        regions: Sequence[Sequence[int]],
        kernels: Sequence[int],
        filters: int = 64,
        pool: int = 16,
        hidden: int = 32,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.temporal = nn.ModuleList(nn.Conv2d(n_bands, filters, (1, kernel)) for kernel in kernels)
        step = max(1, pool // 4)
        pair = 2 if pool > 1 else 1  # neighbours that do not overlap are not averaged
        self.power = nn.AvgPool2d((1, pool), (1, step))
        steps = sum((n_times - kernel + 1 - pool) // step + 1 for kernel in kernels) // pair
        self.before, self.after = BatchNorm(filters), BatchNorm(filters)
        self.fusion = nn.Sequential(nn.Conv2d(filters, filters, 1), nn.LeakyReLU(), nn.AvgPool2d((1, pair)))
        width = filters * steps
        self.local_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_channels, width)))
        self.local_bias = nn.Parameter(torch.zeros(n_channels, 1))
        self.regions = RegionMean(regions, n_channels)
        self.global_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(len(regions), len(regions))))
        self.region_norms = nn.ModuleList(BatchNorm(len(regions)) for _ in range(2))
        self.mix = nn.Linear(width, hidden)
        nn.init.xavier_uniform_(self.mix.weight, gain=2**0.5)
        nn.init.zeros_(self.mix.bias)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(len(regions) * hidden, n_outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, n_outputs); `x` of shape (batch, n_bands, n_channels, n_times)."""
        powers = [(self.power(convolve(x).square()) + _TINY).log() for convolve in self.temporal]
        fused = self.fusion(_over_places(self.before, torch.cat(powers, dim=-1)))
        nodes = _over_places(self.after, fused).transpose(1, 2).flatten(2)  # (batch, n_channels, filters * n_steps)
        regions = self.regions((nodes * self.local_weight - self.local_bias).relu())
        graph = similarity_graph(regions, self.global_weight)
        first, last = self.region_norms
        return self.head(last((graph @ self.mix(first(regions))).relu()))


def _over_places(normalise: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Normalise the filters of `x`, shape (batch, filters, n_channels, n_steps), over all else."""
    return normalise(x.flatten(2)).view_as(x)


class LGGNetClassifier(TorchClassifier):
    """Classes from the power of learnt rhythms, gathered in regions of the brain and exchanged between these.

    Takes windows ``(n_samples, n_channels, n_times)``, as published, or features ``(n_samples, n_bands, n_channels,
    n_windows)``, whose bands enter the temporal kernels side by side. A table ``(n_samples, n_times)`` counts as one
    channel. Scale the signals first: power is compared with what the kernels' biases give.

    Parameters
    ----------
    regions : sequence of sequence of int, optional
        Channels of each region by their index. No channel may stand in two; one that stands in none is not seen.
    ch_names : sequence of str, optional
        Names of the channels, from which regions are made where none are given (:func:`regions_by_name`). A study
        fills them in. Without both every channel is a region.
    filters : int
        Temporal kernels of each of the three lengths, which are 0.5, 0.25 and 0.125 s, and never more than that
        share of a sample.
    pool : int
        Samples whose power is averaged, in steps of a quarter; never more than an eighth of a sample. Features of a
        few windows are thus not averaged at all, and keep their order.
    hidden : int
        Values of each region after the graph convolution.
    dropout : float
        Share of units dropped before the dense layer.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`. Without `sfreq` the kernels have their shares of a
        sample. Published: ``label_smoothing=0.1, batch_size=64, max_epochs=200, patience=20``.

    Raises
    ------
    InputError
        From `fit`, if regions or names do not fit the channels, a size is no whole number of at least 1 or `dropout`
        no share below 1.

    Notes
    -----
    Y. Ding, N. Robinson, C. Tong, Q. Zeng, C. Guan: LGGNet: learning from local-global-graph representations for
    brain-computer interface. IEEE Transactions on Neural Networks and Learning Systems 35, 2024 (online 2023),
    section III. The defaults are those that the authors publish for DEAP (4 s of 32 channels at 128 Hz), with the
    "general" regions in place of the "hemisphere" ones, which names alone do not give.
    """

    def __init__(
        self,
        regions: Sequence[Sequence[int]] | None = None,
        ch_names: Sequence[str] | None = None,
        filters: int = 64,
        pool: int = 16,
        hidden: int = 32,
        dropout: float = 0.5,
        **training: Any,
    ):
        super().__init__(**training)
        self.regions = regions
        self.ch_names = ch_names
        self.filters = filters
        self.pool = pool
        self.hidden = hidden
        self.dropout = dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network for samples of shape (n_bands, n_channels, n_times)."""
        sizes = {name: getattr(self, name) for name in ("filters", "pool", "hidden")}
        check_layers(sizes, self.dropout)
        length = shape[-1] if self.sfreq is None else min(self.sfreq, shape[-1])
        kernels = [max(1, int(share * length)) for share in _SHARES]
        sizes["pool"] = min(self.pool, max(1, shape[-1] // 8))
        n_bands, n_channels, n_times = shape
        return LGGNet(
            n_bands, n_channels, n_times, n_outputs, self._regions(shape[1]), kernels, **sizes, dropout=self.dropout
        )

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_bands, n_channels, n_times)."""
        X = X[:, None, :] if X.ndim == 2 else X
        return X.reshape(len(X), -1, *X.shape[-2:])

    def _regions(self, n_channels: int) -> list[list[int]]:
        if self.regions is None:
            if self.ch_names is None:
                return [[k] for k in range(n_channels)]
            if len(self.ch_names) != n_channels:
                raise InputError(
                    f"{len(self.ch_names)} channel names came for {n_channels} channels.",
                    fits="one name for each",
                    do="give regions as lists of indices, or ch_names of the features",
                )
            return regions_by_name(self.ch_names)
        regions = [list(region) if isinstance(region, (Sequence, np.ndarray)) else [] for region in self.regions]
        channels = [channel for region in regions for channel in region]
        whole = all(isinstance(channel, (int, np.integer)) for channel in channels)
        if not (regions and all(regions) and whole and set(channels) <= set(range(n_channels))):
            raise InputError(
                f"regions={self.regions!r} came for {n_channels} channels.",
                fits=f"lists of indices from 0 to {n_channels - 1}, none of them empty",
            )
        if len(set(channels)) < len(channels):
            raise InputError(f"regions={self.regions!r} came.", fits="each channel in one region at most")
        return regions
