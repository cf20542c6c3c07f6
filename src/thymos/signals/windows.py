"""Windows: always inside one uninterrupted recording, never padded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.recording import SPAN_KINDS, Recording, Signal, Span
from thymos.base.samples import Samples
from thymos.base.writer import Block

__all__ = [
    "INCOMPLETE",
    "Incomplete",
    "IncompleteError",
    "blocks",
    "channels_last",
    "cut_windows",
    "in_blocks",
    "joined",
    "sliding_windows",
    "window_blocks",
]

_DO = "leave such samples out (incomplete: drop), cut longer ones, or choose features that all have, with only"

#: What becomes of samples in which a value is missing.
INCOMPLETE = ("error", "drop", "keep")

_BLOCK = 2**20  # values per block of windows; bounds the extra memory to some megabytes


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


def in_blocks(x: np.ndarray, size: int, hop: int, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a function to the windows of a few signals at a time, so that little memory is needed beside the result.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Signals.
    size, hop : int
        As :func:`sliding_windows`.
    function : callable
        Windows, shape (n_signals, n_windows, size), to features, shape (n_signals, n_windows, n_features).

    Returns
    -------
    ndarray, shape (..., n_features, n_channels, n_windows)
    """
    windows = sliding_windows(x.reshape(-1, x.shape[-1]), size, hop)
    count = max(1, _BLOCK // max(windows.shape[1] * size, 1))
    return channels_last(
        np.concatenate([function(windows[begin : begin + count]) for begin in range(0, len(windows), count)]), x.shape
    )


def channels_last(features: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bring features of signals, shape (n_signals, n_windows, n_features), into the order of axes of this room.

    Returns
    -------
    ndarray, shape (..., n_features, n_channels, n_windows)
        For signals of `shape` (..., n_channels, n_times).
    """
    return np.moveaxis(features.reshape(*shape[:-1], *features.shape[1:]), -1, -3)


def cut_windows(
    recordings: Iterable[Recording],
    seconds: float,
    step: float | None = None,
    modality: str = "eeg",
    drop: Iterable[str] = (),
    incomplete: str = "keep",
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
    incomplete : {'keep', 'drop', 'error'}
        What becomes of windows in which a value is missing, as in a heart rate where no beats were found.

    Returns
    -------
    Samples
        ``X`` of shape (n_windows, n_channels, n_times), float32, in the signal's unit. ``info`` counts the windows that
        were dropped for a missing value (``left_out``) and recordings shorter than a window (``too_short``).

    Raises
    ------
    InputError
        If a kind is unknown, the recordings differ in channels or rate, none is long enough for one window, or a window
        is incomplete.
    """
    return joined(window_blocks(recordings, seconds, step, modality, drop, incomplete))


def window_blocks(
    recordings: Iterable[Recording],
    seconds: float,
    step: float | None = None,
    modality: str = "eeg",
    drop: Iterable[str] = (),
    incomplete: str = "keep",
) -> Iterator[Block]:
    """Yield what :func:`cut_windows` returns, recording by recording."""
    gaps = Incomplete(incomplete)

    def cut(recording: Recording) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        signal = recording.signal(modality)
        size, hop = round(seconds * signal.sfreq), round((seconds if step is None else step) * signal.sfreq)
        windows = np.moveaxis(sliding_windows(signal.data, size, hop), -2, 0)
        start = signal.start + np.arange(len(windows)) * hop / signal.sfreq
        gaps.short += not len(windows)
        if incomplete != "keep" and np.isnan(signal.data).any():  # seldom, and windows overlap
            words = "; ".join(signal.notes) or f"missing values in {modality}"
            keep = gaps.kept(windows, recording.meta["trial"], words)
            windows, start = windows[keep], start[keep]
        return windows, start, start + size / signal.sfreq

    return gaps.counted(blocks(recordings, cut, seconds, step, modality, drop))


class IncompleteError(InputError):
    """No sample is without a missing value."""


class Incomplete:
    """Decides about samples in which a value is missing, and counts what is left out.

    Parameters
    ----------
    wanted : {'error', 'drop', 'keep'}

    Attributes
    ----------
    lost : dict of str to int
        Samples that were left out, by why.
    short : int
        Recordings without a sample.
    """

    def __init__(self, wanted: str):
        if wanted not in INCOMPLETE:
            raise InputError(f"incomplete={wanted!r} came.", fits=", ".join(INCOMPLETE))
        self.wanted = wanted
        self.lost: dict[str, int] = {}
        self.short = 0

    def kept(self, X: np.ndarray, trial: str, why: str) -> np.ndarray | slice:
        """Return which samples of a recording, shape (n_samples, ...), stay: a mask, or a slice where all do."""
        bad = np.isnan(X).any(axis=tuple(range(1, X.ndim)))
        if not bad.any() or self.wanted == "keep":
            return slice(None)  # nothing is copied
        if self.wanted == "error":
            raise InputError(
                f"{bad.sum()} of {len(bad)} samples of {trial!r} are incomplete: {why}.",
                fits="no missing value",
                do=_DO,
            )
        self.lost[why] = self.lost.get(why, 0) + int(bad.sum())
        return ~bad

    def counted(self, made: Iterator[Block]) -> Iterator[Block]:
        """Yield blocks, whose ``info`` tells at last how much was left out.

        ``left_out``: samples in which a value is missing; ``too_short``: recordings shorter than one sample.

        Raises
        ------
        InputError
            If none is left.
        """
        told: dict[str, Any] = {}  # of all blocks, so that what is left out last is counted too
        try:
            for block in made:
                told.update(block.info)
                yield block._replace(info=told)
        except InputError:
            if not self.lost or told:
                raise
            raise IncompleteError(
                f"All {sum(self.lost.values())} samples are incomplete; the first: {next(iter(self.lost))}.",
                fits="samples without missing values",
                do=_DO,
            ) from None
        told |= {"left_out": sum(self.lost.values()), "too_short": self.short}


def blocks(
    recordings: Iterable[Recording],
    cut: Callable[[Recording], tuple[np.ndarray, np.ndarray, np.ndarray]],
    seconds: float | None,
    step: float | None,
    modality: str,
    drop: Iterable[str],
) -> Iterator[Block]:
    """Yield the samples that are cut from each recording, with their metadata; parameters as :func:`cut_windows`.

    `cut` returns the samples of a recording and their first and last second on its clock.
    """
    drop = set(drop)
    for kind in drop - set(SPAN_KINDS):
        raise InputError(f"Windows marked {kind!r} are to be dropped.{near(kind, SPAN_KINDS)}", ", ".join(SPAN_KINDS))
    info, longest, without, some = None, 0.0, None, False
    for recording in recordings:
        if modality not in recording.signals:  # as the voice of a turn in which a person listens
            without = without or recording
            continue
        signal = recording.signal(modality)
        if not isinstance(signal, Signal):
            raise InputError(
                f"{modality!r} of the recording {recording.meta['trial']!r} is pictures.",
                fits="a signal",
                do="collect pictures with images()",
            )
        facts = {"sfreq": float(signal.sfreq), "ch_names": list(signal.ch_names), "unit": signal.unit}
        if info is None:
            length = None if seconds is None else float(seconds)
            info = {**facts, "modality": modality, "window": length, "step": length if step is None else float(step)}
        if any(info[key] != value for key, value in facts.items()):
            raise InputError(
                f"The recording {recording.meta['trial']!r} has {facts}.",
                fits=f"the same channels, rate and unit as the first recording, {info}",
                do="resample and pick channels before cutting windows",
            )
        longest = max(longest, signal.duration)
        X, start, stop = cut(recording)
        marks = _marks(start, stop, recording.spans)
        keep = np.array([drop.isdisjoint(f.split(",")) for f in marks], dtype=bool)
        if keep.any():
            some = True
            columns = {"start": start[keep], "stop": stop[keep], "marks": marks[keep], "notes": "; ".join(signal.notes)}
            yield Block(X[keep].astype(np.float32, copy=False), pd.DataFrame({**recording.meta, **columns}), info)
    if info is None and without is not None:
        without.signal(modality)  # says which ones there are
    if not some:
        raise InputError(
            f"No recording yields a window of {seconds} s (the longest has {longest:.2f} s"
            + (f", windows touching {', '.join(sorted(drop))} are dropped)." if drop else ")."),
            fits="recordings at least one window long",
            do="shorten the window",
        )


def joined(parts: Iterable[Block]) -> Samples:
    """Return the samples of all blocks, in memory.

    Raises
    ------
    InputError
        If they differ in shape.
    """
    parts = list(parts)
    shapes = {part.X.shape[1:]: part.meta["trial"].iloc[0] for part in parts}
    if len(shapes) > 1:
        raise InputError(
            "Samples differ in shape: " + ", ".join(f"{shape} ({trial})" for shape, trial in shapes.items()) + ".",
            fits="the same shape for every recording",
            do="cut windows of one length",
        )
    meta = pd.concat([part.meta for part in parts], ignore_index=True)
    return Samples(np.concatenate([part.X for part in parts]), meta=meta, info=parts[0].info)


def _marks(start: np.ndarray, stop: np.ndarray, spans: Iterable[Span]) -> np.ndarray:
    """Name the kinds of spans that each window touches, comma-separated and sorted."""
    marks = np.full(len(start), "", dtype=object)
    for kind in sorted({span.kind for span in spans}):
        touched = np.zeros(len(start), dtype=bool)
        for span in (s for s in spans if s.kind == kind):
            touched |= (start < span.stop) & (stop > span.start)
        marks[touched] = [f"{f},{kind}" if f else kind for f in marks[touched]]
    return marks
