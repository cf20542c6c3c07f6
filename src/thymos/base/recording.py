"""A recording: one uninterrupted stretch of one trial, every modality at its own rate on one clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from thymos.base.errors import InputError

__all__ = ["META_COLUMNS", "SPAN_KINDS", "Recording", "Signal", "Span"]

#: Metadata that every recording and every sample carries. They are what makes an honest split possible.
META_COLUMNS = ("source", "subject", "session", "trial", "stimulus", "start", "stop")

#: What a marked stretch can be: at the converter's limits, or sampled at a doubtful rate.
SPAN_KINDS = ("rail", "rate")


@dataclass(frozen=True)
class Span:
    """A marked stretch of a recording.

    Parameters
    ----------
    start, stop : float
        Seconds on the recording's clock.
    kind : str
        One of :data:`SPAN_KINDS`.
    channel : str
        The channel concerned; empty for all.
    """

    start: float
    stop: float
    kind: str
    channel: str = ""


@dataclass(frozen=True)
class Signal:
    """One modality of one recording.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
        Values in `unit`, an SI unit.
    sfreq : float
        Sampling rate in Hz.
    ch_names : tuple of str
        One name per channel; 10-20 names for EEG.
    unit : str
        SI unit of the values: ``V``, ``S``, ``K``, ``s``; empty where there is none.
    start : float
        Seconds on the recording's clock of the first sample.
    """

    data: np.ndarray
    sfreq: float
    ch_names: tuple[str, ...]
    unit: str = "V"
    start: float = 0.0

    def __post_init__(self):
        if self.data.ndim != 2 or self.data.shape[0] != len(self.ch_names):
            raise InputError(
                f"A signal came with data of shape {self.data.shape} and {len(self.ch_names)} channel names.",
                fits="data of shape (n_channels, n_times) and one name per channel",
            )
        if not self.sfreq > 0:
            raise InputError(f"A signal came with a sampling rate of {self.sfreq} Hz.", fits="a positive rate")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.data.shape[1] / self.sfreq

    def replace(self, **changes: Any) -> Signal:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Recording:
    """One uninterrupted stretch of one trial of one subject.

    A trial with gaps becomes several recordings with the same ``trial``, so nothing can be filtered or windowed
    across a gap.

    Parameters
    ----------
    signals : mapping of str to Signal
        Modality (``eeg``, ``bvp``, ``eda``, ...) to signal.
    meta : mapping
        At least ``source, subject, session, trial, stimulus``; labels and further columns beside them. ``trial``
        is unique within the source.
    spans : tuple of Span
        Marked stretches. They are marks only: no sample has been changed.
    """

    signals: Mapping[str, Signal]
    meta: Mapping[str, Any]
    spans: tuple[Span, ...] = field(default=())

    def __post_init__(self):
        missing = [c for c in META_COLUMNS if c not in self.meta and c not in {"start", "stop"}]
        if missing:
            raise InputError(
                f"A recording came without the metadata {', '.join(missing)}.",
                fits="source, subject, session, trial and stimulus for every recording",
            )

    def map(self, modality: str, function: Callable[[Signal], Signal]) -> Recording:
        """Return a copy in which `function` has been applied to one modality."""
        return replace(self, signals={**self.signals, modality: function(self.signal(modality))})

    def signal(self, modality: str) -> Signal:
        """Return the signal of one modality, or say which ones there are."""
        if modality not in self.signals:
            raise InputError(
                f"The recording {self.meta['trial']!r} has no modality {modality!r}.",
                fits=f"one of {', '.join(self.signals)}",
            )
        return self.signals[modality]
