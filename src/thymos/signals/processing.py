"""Processes by name, applied to one recording at a time: the same way in training and on somebody else's file."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import norm

from thymos.base.catalogue import check_parameters, resolve
from thymos.base.errors import named
from thymos.base.recording import Frames, Recording, Signal

__all__ = ["Process", "is_live", "make_process", "signal_digest", "signal_spread"]

_MOST = 0.9  # share of the values whose distance from the median measures an amplitude


@dataclass(frozen=True)
class Process:
    """A function of a signal with its parameters.

    Parameters
    ----------
    name, modality : str
        Name in the catalogue, and the signal it is for.
    function : functools.partial
        ``Signal -> Signal`` or ``Frames -> Frames``.
    paired : bool
        Whether it takes the rest before the stimulus together with the signal, and returns both.
    """

    name: str
    modality: str
    function: partial
    paired: bool

    def apply(self, recording: Recording) -> Recording:
        """Return a recording whose signal is processed when it is asked for; a failure then names process and trial."""
        return recording.map(self.modality, self._named(recording.meta["trial"]), self.paired)

    def _named(self, trial: str) -> Callable:
        def apply(*signals: Signal | Frames | None) -> Any:
            with named(f"The process {self.name!r} fails on {trial!r}"):
                return self.function(*signals)

        return apply


def make_process(name: str, modality: str = "eeg", **parameters: Any) -> Process:
    """Return a process of the catalogue, or one given by address, with its parameters.

    Raises
    ------
    UnknownNameError, InputError
        If there is no such process or parameter; the near ones are listed.
    """
    function = resolve(name, "process").load()
    check_parameters(function, parameters, f"The process {name!r}", skip=["signal", "frames", "baseline"])
    paired = "baseline" in inspect.signature(function).parameters
    return Process(name, modality, partial(function, **parameters), paired)


def is_live(name: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a process of the catalogue uses nothing that comes later, so that a stream can have it too."""
    row = resolve(name, "process")
    return bool({**row.parameters, **parameters}.get("causal") or getattr(row, "live", False))


def signal_spread(signal: Signal) -> float:
    """Return the median over channels of a robust standard deviation over time, in the signal's unit.

    It is the distance from the median that nine of ten values keep, over that of a normal distribution: bursts in less
    than a tenth of the time do not decide on it, and neither does the silence around what is said in a sound, as it
    would on a median. As a measure of amplitude it tells volts from microvolts.
    """
    away = np.abs(signal.data - np.median(signal.data, axis=1, keepdims=True))
    return float(np.median(np.quantile(away, _MOST, axis=1)) / norm.ppf((1 + _MOST) / 2))


def signal_digest(signal: Signal) -> str:
    """Return a hash of a signal's values as float32, by which the same recording is known again."""
    data = np.ascontiguousarray(signal.data, dtype=np.float32)
    return hashlib.blake2b(data.view(np.uint8).data, digest_size=8, salt=str(data.shape)[:16].encode()).hexdigest()
