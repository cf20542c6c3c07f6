"""Frequency bands: sets by name, and which frequencies of a window belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import InputError

__all__ = ["BANDS", "band_members", "check_bands"]

#: Named sets of frequency bands in Hz, half-open [low, high).
BANDS: dict[str, dict[str, tuple[float, float]]] = {
    "seed": {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)},
    "deap": {"theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 45)},
    "lel": {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)},
    "muse": {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 45)},
}


def check_bands(bands: str | Mapping[str, tuple[float, float]], sfreq: float) -> list[tuple[float, float]]:
    """Return the limits of the bands in Hz, or say what is wrong with them."""
    if isinstance(bands, str):
        if bands not in BANDS:
            raise InputError(f"There is no set of bands {bands!r}.{near(bands, BANDS)}", fits=", ".join(BANDS))
        bands = BANDS[bands]
    if not isinstance(bands, Mapping) or not bands:
        raise InputError(f"The bands {bands!r} came.", fits=f"{', '.join(BANDS)}, or names with [low, high] in Hz")
    for name, limits in bands.items():
        pair = list(limits) if isinstance(limits, Sequence) and not isinstance(limits, str) else []
        if len(pair) != 2 or not all(isinstance(f, Real) for f in pair):
            raise InputError(f"The band {name} is {limits!r}.", fits="[low, high] in Hz, such as [8, 13]")
        low, high = pair
        if not 0 <= low < high <= sfreq / 2:
            raise InputError(
                f"The band {name} from {low} to {high} Hz does not fit a sampling rate of {sfreq:g} Hz.",
                fits=f"0 <= low < high <= {sfreq / 2:g} Hz",
                do="choose other bands or keep a higher rate",
            )
    return [(float(low), float(high)) for low, high in bands.values()]


def band_members(size: int, sfreq: float, limits: list[tuple[float, float]]) -> np.ndarray:
    """Return which frequencies of windows of `size` samples belong to each band, bool, (n_bands, size // 2 + 1)."""
    bins = np.arange(size // 2 + 1) * sfreq / size
    nyquist = sfreq / 2
    members = np.array(
        [(low <= bins) & ((bins < high) | ((bins == nyquist) & (high == nyquist))) for low, high in limits]
    )
    empty = [f"{low:g}-{high:g} Hz" for (low, high), m in zip(limits, members, strict=True) if not m[1:].any()]
    if empty:
        raise InputError(
            f"A window of {size} samples at {sfreq:g} Hz resolves {sfreq / size:g} Hz and has no frequency in "
            f"{', '.join(empty)}.",
            fits="a longer window or a wider band",
        )
    return members
