"""A recording: one uninterrupted stretch of one trial, every modality at its own rate on one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from thymos.base.errors import InputError

__all__ = ["META_COLUMNS", "SPAN_KINDS", "Frames", "Lazy", "Recording", "Signal", "Span"]

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
    notes : tuple of str
        What processing decided for this recording, in words.
    """

    data: np.ndarray
    sfreq: float
    ch_names: tuple[str, ...]
    unit: str = "V"
    start: float = 0.0
    notes: tuple[str, ...] = ()

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
class Frames:
    """Pictures of one recording: a photograph, or the frames of a film.

    Parameters
    ----------
    data : ndarray, shape (n_frames, n_channels, height, width), uint8
        Grey values (one channel) or red, green and blue (three).
    sfreq : float
        Frames per second; 0 for photographs, which have no clock.
    start : float
        Seconds on the recording's clock of the first frame.
    notes : tuple of str
        What processing decided for this recording, in words.
    """

    data: np.ndarray
    sfreq: float = 0.0
    start: float = 0.0
    notes: tuple[str, ...] = ()

    #: Grey values have no SI unit.
    unit = ""

    def __post_init__(self):
        if self.data.ndim != 4 or self.data.shape[1] not in (1, 3) or self.data.dtype != np.uint8:
            raise InputError(
                f"Frames came with data of shape {self.data.shape} and type {self.data.dtype}.",
                fits="uint8 of shape (n_frames, 1 or 3 channels, height, width)",
            )

    @property
    def duration(self) -> float:
        """Length in seconds; 0 for photographs."""
        return len(self.data) / self.sfreq if self.sfreq else 0.0

    def replace(self, **changes: Any) -> Frames:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


class Lazy(Mapping):
    """Signals that are read, or made, when they are asked for, and then kept.

    Parameters
    ----------
    makers : mapping of str to callable, or to the signal itself
        Modality to a function without arguments that returns its :class:`Signal` or :class:`Frames`.
    """

    def __init__(self, makers: Mapping[str, Any]):
        self._makers = dict(makers)

    def __getitem__(self, modality: str) -> Signal | Frames:
        made = self._makers[modality]
        if callable(made):
            made = self._makers[modality] = made()
        return made

    def __contains__(self, modality: object) -> bool:
        return modality in self._makers  # a mapping would read the signal to find out

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def replace(self, modality: str, maker: Callable) -> Lazy:
        """Return a copy in which another function makes one modality, once it is asked for."""
        return Lazy({**self._makers, modality: maker})


@dataclass(frozen=True)
class Recording:
    """One uninterrupted stretch of one trial of one subject.

    A trial with gaps becomes several recordings with the same ``trial``, so nothing can be filtered or windowed
    across a gap.

    Parameters
    ----------
    signals : mapping of str to Signal or Frames
        Modality (``eeg``, ``bvp``, ``eda``, ``face``, ``speech``, ...) to signal; a :class:`Lazy` mapping reads only
        what is asked for.
    meta : mapping
        At least ``source, subject, session, trial, stimulus``; labels and further columns beside them. ``trial``
        is unique within the source.
    spans : tuple of Span
        Marked stretches. They are marks only: no sample has been changed.
    baseline : mapping of str to Signal
        Rest before the stimulus, where the corpus has it: the same modalities at negative times of the same clock. It
        is never part of `signals`, so no window of it can be taken for one of the trial.
    """

    signals: Mapping[str, Signal | Frames]
    meta: Mapping[str, Any]
    spans: tuple[Span, ...] = field(default=())
    baseline: Mapping[str, Signal] = field(default_factory=dict)

    def __post_init__(self):
        missing = [c for c in META_COLUMNS if c not in self.meta and c not in {"start", "stop"}]
        if missing:
            raise InputError(
                f"A recording came without the metadata {', '.join(missing)}.",
                fits="source, subject, session, trial and stimulus for every recording",
            )

    def map(self, modality: str, function: Callable, paired: bool = False) -> Recording:
        """Return a copy in which `function` has been applied to one modality, and to the rest before it.

        Parameters
        ----------
        modality : str
            Which signal.
        function : callable
            Signal to signal. The rest before the stimulus, where there is any, is processed alone.
        paired : bool
            `function` is given the signal and the rest before it, or None, together, and returns both.
        """
        self._require(modality)
        rest = modality in self.baseline
        if paired:
            both = cache(lambda: function(self.signals[modality], self.baseline[modality] if rest else None))
            makers = (lambda: both()[0]), (lambda: both()[1])
        else:
            makers = (lambda: function(self.signals[modality])), (lambda: function(self.baseline[modality]))
        return replace(
            self,
            signals=_replaced(self.signals, modality, makers[0]),
            baseline=_replaced(self.baseline, modality, makers[1]) if rest else self.baseline,
        )

    def signal(self, modality: str) -> Signal | Frames:
        """Return the signal of one modality, or say which ones there are."""
        self._require(modality)
        return self.signals[modality]

    def _require(self, modality: str) -> None:
        if modality not in self.signals:
            raise InputError(
                f"The recording {self.meta['trial']!r} has no modality {modality!r}.",
                fits=f"one of {', '.join(self.signals)}",
            )


def _replaced(signals: Mapping, modality: str, maker: Callable) -> Mapping:
    return signals.replace(modality, maker) if isinstance(signals, Lazy) else {**signals, modality: maker()}
