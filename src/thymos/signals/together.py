"""Modalities of the same moments, set side by side: windows of signals, and the picture nearest to each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.samples import Samples

__all__ = ["together"]

_PER_SECOND = 1000  # starts that differ by less than a millisecond are the same


def together(parts: Mapping[str, Samples], missing: str = "drop") -> Samples:
    """Join samples of several modalities of the same recordings, moment by moment.

    Parameters
    ----------
    parts : mapping of str to Samples
        Name of the modality and its windows, ``X`` of shape (n_samples, ...), all of the same length and step;
        pictures, uint8 of shape (n_pictures, n_channels, height, width), are taken as frames, of which each window is
        given the one nearest to its middle within its trial. One modality at least has windows.
    missing : {'drop', 'keep'}
        What becomes of windows that some modality lacks: left out, or kept with NaN in all values of it, pictures as
        floating-point numbers then.

    Returns
    -------
    Samples
        ``X`` maps each name to an array; metadata are those of the first modality that has the window; ``info`` holds
        that of each under ``modalities``.

    Raises
    ------
    InputError
        If there are no windows, or no moment at which all modalities are there.
    """
    if missing not in ("drop", "keep"):
        raise InputError(f"missing={missing!r} came.", fits="drop or keep")
    pictures = [name for name, part in parts.items() if part.X.dtype == np.uint8 and part.X.ndim == 4]
    windows = {name: part for name, part in parts.items() if name not in pictures}
    if not windows:
        raise InputError(
            f"The modalities {', '.join(parts)} are pictures only.", fits="a signal among them, whose windows count"
        )
    moments = {name: _moments(part.meta) for name, part in windows.items()}
    for name, own in moments.items():
        if not own.is_unique:
            raise InputError(f"Two windows of {name!r} begin at the same time of a trial.", fits="one window each")
    order = next(iter(moments.values()))
    for own in moments.values():
        order = order.append(own[~own.isin(order)]) if missing == "keep" else order[order.isin(own)]
    rows = {name: own.get_indexer(order) for name, own in moments.items()}
    meta = _metadata(windows, rows)
    for name in pictures:
        rows[name] = _nearest(parts[name].meta, meta)
        if missing == "drop":
            kept = rows[name] >= 0
            meta, rows = meta[kept].reset_index(drop=True), {key: at[kept] for key, at in rows.items()}
    if not len(meta):
        raise InputError(
            f"There is no moment at which {', '.join(parts)} are all there.",
            fits="recordings that have them, of the same clock",
            do="keep what is missing, or choose fewer modalities",
        )
    X = {name: _taken(part.X, rows[name]) for name, part in parts.items()}
    info = {name: part.info for name, part in parts.items()}
    return Samples(X, None, meta, {"modalities": info})


def _moments(meta: pd.DataFrame) -> pd.MultiIndex:
    starts = np.rint(meta["start"].to_numpy(float) * _PER_SECOND).astype(np.int64)
    return pd.MultiIndex.from_arrays([meta["trial"].astype(str), starts])


def _metadata(windows: Mapping[str, Samples], rows: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the metadata row of each moment, from the first modality that has it."""
    made: Any = None
    for name, part in windows.items():
        there = rows[name] >= 0
        own = part.meta.iloc[rows[name][there]].set_axis(np.flatnonzero(there))
        made = own if made is None else pd.concat([made, own.loc[own.index.difference(made.index)]])
    return made.sort_index().reset_index(drop=True)


def _nearest(frames: pd.DataFrame, meta: pd.DataFrame) -> np.ndarray:
    """Return for each window the frame of its trial nearest to its middle, within it; -1 where there is none."""
    of_frames = frames.groupby(frames["trial"].astype(str)).indices
    middle = (frames["start"].to_numpy(float) + frames["stop"].to_numpy(float)) / 2
    found = np.full(len(meta), -1)
    start, stop = meta["start"].to_numpy(float), meta["stop"].to_numpy(float)
    for trial, at in meta.groupby(meta["trial"].astype(str)).indices.items():
        mine = of_frames.get(trial)
        if mine is None:
            continue
        mine = mine[np.argsort(middle[mine], kind="stable")]
        wanted = (start[at] + stop[at]) / 2
        after = np.searchsorted(middle[mine], wanted).clip(1, len(mine)) if len(mine) > 1 else np.ones(len(at), int)
        before, after = mine[after - 1], mine[np.minimum(after, len(mine) - 1)]
        near = np.where(np.abs(middle[before] - wanted) <= np.abs(middle[after] - wanted), before, after)
        inside = (middle[near] >= start[at]) & (middle[near] <= stop[at])
        found[at] = np.where(inside, near, -1)
    return found


def _taken(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return samples at rows; NaN for -1."""
    if (rows >= 0).all():
        return X[rows]
    made = X[np.maximum(rows, 0)].astype(np.result_type(X.dtype, np.float32))
    made[rows < 0] = np.nan
    return made
