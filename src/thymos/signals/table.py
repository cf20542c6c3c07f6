"""Features of many recordings and modalities as one table, and what could not be computed, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import InputError, MissingExtraError, ThymosError, UnfitError
from thymos.base.recording import Recording
from thymos.signals.stream import check_steps, featurise
from thymos.signals.together import aligned

__all__ = ["FAILURES", "feature_table"]

#: Columns of the table of failures.
FAILURES = ("trial", "modality", "reason")


def feature_table(
    recordings: Iterable[Recording],
    steps: Mapping[str, Any],
    seconds: float | None = None,
    step: float | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row of features for each recording, or for each window of it.

    Parameters
    ----------
    recordings : iterable of Recording
        Read once, one at a time.
    steps : mapping of str to WindowFeatures
        Modality to what is computed of it.
    seconds, step : float, optional
        Length of a window and distance between two starts; whole recordings by default.

    Returns
    -------
    table : DataFrame
        Metadata, ``start`` and ``stop`` in seconds on the recording's clock, and a column for each feature, named
        ``modality_feature``, with ``_channel`` behind it where there are several. What has no value is missing; a
        recording of which nothing could be computed keeps a row. Windows of two modalities stand in one row if they
        begin less than half a step apart.
    failures : DataFrame
        Trial, modality and reason wherever a recording cannot be used, or a window of it has no feature at all.

    Raises
    ------
    InputError
        If no recording has one of the modalities.
    """
    for made in steps.values():
        check_steps([made])
    between = seconds if step is None else step
    reach = np.inf if between is None else between / 2
    rows, failures, there = [], [], set()
    for recording in recordings:
        parts = {}
        for modality in (name for name in steps if name in recording.signals):
            there.add(modality)
            try:
                parts[modality], reason = _part(recording, modality, steps[modality], seconds, step)
            except (MissingExtraError, UnfitError):
                raise
            except ThymosError as error:
                reason = error.came
            if reason:
                failures.append((recording.meta["trial"], modality, reason))
        made = _side_by_side(parts, reach)
        places = made[["start", "stop"]]
        meta = {key: value for key, value in recording.meta.items() if key not in places}
        head = pd.DataFrame({**meta, **places})
        rows.append((head, made.drop(columns=["start", "stop"])))
    missing = [name for name in steps if name not in there]
    if missing or not steps:
        raise InputError(
            f"No recording has {', '.join(missing)}." if missing else "No features were asked for.",
            fits="modalities that the source has",
        )
    table = pd.concat([pd.concat([head, made], axis=1) for head, made in rows], ignore_index=True)
    first = [name for name in rows[0][0].columns if name in table]
    return table[[*first, *(name for name in table if name not in first)]], pd.DataFrame(failures, columns=FAILURES)


def _side_by_side(parts: Mapping[str, pd.DataFrame], reach: float) -> pd.DataFrame:
    """Return the tables of the modalities of one recording as one, a row for each moment; one at least."""
    at = aligned({name: part.assign(trial="") for name, part in parts.items()}, reach)
    found = [part.reindex(at[name]).reset_index(drop=True) for name, part in parts.items()]  # there is no row -1
    if not any(len(part) for part in found):
        found.append(pd.DataFrame({"start": [np.nan], "stop": [np.nan]}))
    start, stop = (pd.concat([part.pop(name) for part in found], axis=1) for name in ("start", "stop"))
    made = pd.concat([start.bfill(axis=1).iloc[:, 0], stop.max(axis=1).rename("stop"), *found], axis=1)
    return made.sort_values("start", ignore_index=True)


def _part(
    recording: Recording, modality: str, made: Any, seconds: float | None, step: float | None
) -> tuple[pd.DataFrame, str]:
    """Return the features of one modality with start and stop of their window, and why a window has none."""
    found = featurise(recording, [made], seconds, step, modality)
    if found.X.shape[-1] > 1:
        raise UnfitError(
            f"{type(made).__name__} gives {found.X.shape[-1]} values over time for one row.",
            fits="one value for each row",
            do="give no windows of its own, or pool them",
        )
    several = len(found.channels) > 1
    names = [
        f"{modality}_{name}_{channel}" if several else f"{modality}_{name}"
        for name in found.names
        for channel in found.channels
    ]
    table = pd.DataFrame(found.X.reshape(-1, len(names)), columns=names)
    table = table.assign(start=np.round(found.start, 6), stop=found.stop)
    if not len(found.X):
        return table, f"{recording.signal(modality).duration:g} s, shorter than a window"
    empty = np.isnan(found.X).all(axis=tuple(range(1, found.X.ndim))).sum()
    return table, found.problem or (f"{empty} of {len(found.X)} windows have no features" if empty else "")
