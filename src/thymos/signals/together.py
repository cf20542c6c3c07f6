"""Modalities of the same moments, set side by side: windows of signals, and the picture nearest to each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.samples import Samples

__all__ = ["aligned", "together"]

_PER_SECOND = 1000  # starts of one modality that differ by less than a millisecond are the same


def together(parts: Mapping[str, Samples], missing: str = "drop") -> Samples:
    """Join samples of several modalities of the same recordings, moment by moment.

    Parameters
    ----------
    parts : mapping of str to Samples
        Name of the modality and its windows, ``X`` of shape (n_samples, ...), all of the same length and step. Windows
        of a trial are of one moment if each begins nearest to the other and less than half a step lies between.
        Pictures, uint8 of shape (n_pictures, n_channels, height, width), are taken as frames, of which each window is
        given the one nearest to its middle within its trial. One modality at least has windows.
    missing : {'drop', 'keep'}
        What becomes of windows that some modality lacks: left out, or kept with NaN in all values of it, pictures as
        floating-point numbers then.

    Returns
    -------
    Samples
        ``X`` maps each name to an array; metadata are those of the first modality that has the window; ``info`` holds
        that of each under ``modalities``, with the number of its windows that were left out as ``unmatched``, if any.

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
    for name, part in windows.items():
        if not _moments(part.meta).is_unique:
            raise InputError(f"Two windows of {name!r} begin at the same time of a trial.", fits="one window each")
    steps = [part.info.get("step") or (part.meta["stop"] - part.meta["start"]).min() for part in windows.values()]
    rows = aligned({name: part.meta for name, part in windows.items()}, np.nanmin(steps) / 2, missing)
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
    for name, part in windows.items() if missing == "drop" else ():
        if len(part) > len(meta):
            info[name] = {**part.info, "unmatched": len(part) - len(meta)}
    return Samples(X, None, meta, {"modalities": info})


def aligned(places: Mapping[str, pd.DataFrame], reach: float, missing: str = "keep") -> dict[str, np.ndarray]:
    """Find the windows that are of one moment.

    Two are where each is the nearest to the other of all in the trial: sensors have samples at different times, so a
    moment begins a little earlier in one than in the other.

    Parameters
    ----------
    places : mapping of str to DataFrame
        Name of the modality and ``trial`` and ``start`` of its windows.
    reach : float
        Seconds between two starts that are too many.
    missing : {'drop', 'keep'}
        Whether moments are given that some modality lacks.

    Returns
    -------
    dict of str to ndarray, shape (n_moments,)
        The row of each modality, -1 where it has none; moments in the order of the first, then of the next.
    """
    order: Any = None
    rows: dict[str, np.ndarray] = {}
    for name, table in places.items():
        own = table[["trial", "start"]].astype({"trial": str})
        at = np.empty(0, int) if order is None else _partners(order, own, reach)
        if order is None or missing == "keep":
            alone = np.setdiff1d(np.arange(len(own)), at)
            order = pd.concat([order, own.iloc[alone]])
            rows = {key: np.append(value, np.full(len(alone), -1)) for key, value in rows.items()}
            rows[name] = np.append(at, alone)
        else:
            order = order[at >= 0]
            rows = {key: value[at >= 0] for key, value in {**rows, name: at}.items()}
    return rows


def _partners(one: pd.DataFrame, other: pd.DataFrame, reach: float) -> np.ndarray:
    """Return for each row of one table that of the other with the nearest start in its trial; -1 where none is near."""
    starts = [table["start"].to_numpy(float) for table in (one, other)]
    of_other = other.groupby("trial").indices
    found = np.full(len(one), -1)
    for trial, mine in one.groupby("trial").indices.items():
        if trial not in of_other:
            continue
        places = [at[np.argsort(times[at])] for times, at in zip(starts, (mine, of_other[trial]), strict=True)]
        first, second = (times[at] for times, at in zip(starts, places, strict=True))
        there = _closest(second, first)
        near = (_closest(first, second)[there] == np.arange(len(first))) & (np.abs(second[there] - first) < reach)
        found[places[0]] = np.where(near, places[1][there], -1)
    return found


def _closest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return which of some times, in order, is nearest to each wanted one; of two, the earlier."""
    after = np.searchsorted(times, wanted).clip(1, len(times))
    before, after = after - 1, np.minimum(after, len(times) - 1)
    return np.where(np.abs(times[before] - wanted) <= np.abs(times[after] - wanted), before, after)


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
        near = mine[_closest(middle[mine], wanted)]
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
