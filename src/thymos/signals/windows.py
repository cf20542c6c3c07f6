"""Windows: always inside one uninterrupted recording, never padded."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.recording import SPAN_KINDS, Recording, Span
from thymos.base.samples import Samples

__all__ = ["cut_windows", "sliding_windows"]


def sliding_windows(x: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Cut the last axis into windows without copying; an incomplete last window is left out.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Signals.
    size, hop : int
        Length of a window and distance between two starts, in samples.

    Returns
    -------
    ndarray, shape (..., n_windows, size)
        A read-only view of `x`.

    Raises
    ------
    InputError
        If `size` or `hop` is below one sample.
    """
    if size < 1 or hop < 1:
        raise InputError(f"A window of {size} samples every {hop} came.", fits="at least one sample each")
    if x.shape[-1] < size:
        return np.empty((*x.shape[:-1], 0, size), dtype=x.dtype)
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=-1)[..., ::hop, :]


def cut_windows(
    recordings: Iterable[Recording],
    seconds: float,
    step: float | None = None,
    modality: str = "eeg",
    drop: Iterable[str] = (),
) -> Samples:
    """Cut one modality of some recordings into windows, each with its metadata row.

    Parameters
    ----------
    recordings : iterable of Recording
        Read once.
    seconds, step : float
        Length of a window and distance between two starts, in seconds; `step` defaults to `seconds`.
    modality : str
        Which signal; recordings that do not have it are passed over.
    drop : iterable of str
        Kinds of marked spans (``rail``, ...) whose windows are left out. Without it they stay and the column
        ``marks`` names the kinds each window touches.

    Returns
    -------
    Samples
        ``X`` of shape (n_windows, n_channels, n_times), float32, in the signal's unit.

    Raises
    ------
    InputError
        If a kind is unknown, the recordings differ in channels or rate, or none is long enough for one window.
    """
    drop = set(drop)
    for kind in drop - set(SPAN_KINDS):
        raise InputError(f"Windows marked {kind!r} are to be dropped.{near(kind, SPAN_KINDS)}", ", ".join(SPAN_KINDS))
    step = seconds if step is None else step
    blocks, tables, info, longest, without = [], [], None, 0.0, None
    for recording in recordings:
        if modality not in recording.signals:  # as the voice of a turn in which a person listens
            without = without or recording
            continue
        signal = recording.signal(modality)
        facts = {"sfreq": float(signal.sfreq), "ch_names": list(signal.ch_names), "unit": signal.unit}
        info = info or {**facts, "modality": modality, "window": float(seconds), "step": float(step)}
        if any(info[key] != value for key, value in facts.items()):
            raise InputError(
                f"The recording {recording.meta['trial']!r} has {facts}.",
                fits=f"the same channels, rate and unit as the first recording, {info}",
                do="resample and pick channels before cutting windows",
            )
        longest = max(longest, signal.duration)
        size, hop = round(seconds * signal.sfreq), round(step * signal.sfreq)
        windows = np.moveaxis(sliding_windows(signal.data, size, hop), -2, 0)
        start = signal.start + np.arange(len(windows)) * hop / signal.sfreq
        stop = start + size / signal.sfreq
        marks = _marks(start, stop, recording.spans)
        keep = np.array([drop.isdisjoint(f.split(",")) for f in marks], dtype=bool)
        if keep.any():
            blocks.append(windows[keep].astype(np.float32))
            columns = {"start": start[keep], "stop": stop[keep], "marks": marks[keep]}
            tables.append(pd.DataFrame({**recording.meta, **columns}))
    if info is None and without is not None:
        without.signal(modality)  # says which ones there are
    if not blocks:
        raise InputError(
            f"No recording yields a window of {seconds} s (the longest has {longest:.2f} s"
            + (f", windows touching {', '.join(sorted(drop))} are dropped)." if drop else ")."),
            fits="recordings at least one window long",
            do="shorten the window",
        )
    return Samples(np.concatenate(blocks), meta=pd.concat(tables, ignore_index=True), info=info)


def _marks(start: np.ndarray, stop: np.ndarray, spans: Iterable[Span]) -> np.ndarray:
    """Name the kinds of spans that each window touches, comma-separated and sorted."""
    marks = np.full(len(start), "", dtype=object)
    for kind in sorted({span.kind for span in spans}):
        touched = np.zeros(len(start), dtype=bool)
        for span in (s for s in spans if s.kind == kind):
            touched |= (start < span.stop) & (stop > span.start)
        marks[touched] = [f"{f},{kind}" if f else kind for f in marks[touched]]
    return marks
