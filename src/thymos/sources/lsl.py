"""Signals of a device as they come, over the Lab Streaming Layer; mne-lsl reads them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import DataError, InputError
from thymos.base.optional import require
from thymos.sources.signal_files import UNITS

__all__ = ["LSLStream", "open_outlet"]

_PREFIXES = {"": "", "milli": "m", "micro": "u", "nano": "n"}
# what devices call units, beside their symbols
_WORDS = {
    **{f"{prefix}{word}": f"{symbol}V" for prefix, symbol in _PREFIXES.items() for word in ("volt", "volts")},
    **{f"{prefix}siemens": f"{_PREFIXES[prefix]}S" for prefix in ("", "milli", "micro")},
    **{key.lower(): key for key in UNITS if key.endswith("V")},
    "celsius": "degC",
}
_CONFIG = "lsl_api.cfg"
_PULL = 0.05  # seconds that a pull waits at most


class LSLStream:
    """One stream of the Lab Streaming Layer, in SI units.

    Parameters
    ----------
    name : str
        Of the stream, or its source id.
    si : str
        The SI unit that is wanted; channels in other units are left out.
    unit : str, optional
        A key of :data:`~thymos.sources.signal_files.UNITS`, in place of what the channels say, if they say any.
    channels : sequence of str, optional
        Names of the channels, where the stream says none or others.
    timeout : float
        Seconds for which the stream is looked for.

    Attributes
    ----------
    ch_names : tuple of str
        Of the channels that are read.
    sfreq : float
        Rate in Hz that the stream promises.
    left_out : tuple of str
        Channels in other units.

    Raises
    ------
    DataError
        If there is no such stream, or several; the others that are there are named. If it has no rate, no names or no
        unit that is known.
    MissingExtraError
        Without mne-lsl.
    """

    def __init__(
        self,
        name: str,
        si: str = "V",
        unit: str | None = None,
        channels: Sequence[str] | None = None,
        timeout: float = 10.0,
    ):
        lsl = _library()
        if unit is not None and unit not in UNITS:
            raise InputError(f"There is no unit {unit!r}.{near(unit, UNITS)}", fits=f"one of {', '.join(UNITS)}")
        info = _found(lsl, name, timeout)
        self._lsl, self.name, self.sfreq = lsl, name, float(info.sfreq)
        if not self.sfreq > 0:
            raise DataError(f"The stream {name!r} has no rate: its samples come when they like.", fits="a signal")
        if info.dtype == "string":
            raise DataError(f"The stream {name!r} is of texts.", fits="a signal")
        self._inlet = lsl.StreamInlet(info, processing_flags=["clocksync"])
        self._inlet.open_stream(timeout=timeout)
        whole = self._inlet.get_sinfo(timeout=timeout)
        names = channels or whole.get_channel_names()
        if not names or len(names) != info.n_channels or len(set(names)) != len(names):
            said = ", ".join(map(str, names or ())) or "none"
            raise DataError(
                f"The stream {name!r} has {info.n_channels} channels and the names {said}.",
                fits="one name for each channel, as the device counts them",
                do="give them (--channels TP9,AF7,...)",
            )
        units = [unit or _symbol(text) for text in whole.get_channel_units() or [""] * len(names)]
        unknown = [f"{n} ({u or 'no unit'})" for n, u in zip(names, units, strict=True) if u not in UNITS]
        if len(unknown) == len(names):
            raise DataError(
                f"The stream {name!r} does not say its unit: {', '.join(unknown)}.",
                fits=f"one of {', '.join(UNITS)}",
                do="look it up in the manual of the device, and give it (--unit uV)",
            )
        self._taken = [k for k, text in enumerate(units) if text in UNITS and UNITS[text][0] == si]
        if not self._taken:
            there = ", ".join(dict.fromkeys(text for text in units if text))
            raise DataError(
                f"The stream {name!r} is in {there}.", fits=f"a signal in {si or 'no unit'}, as the model's"
            )
        scale = np.array([UNITS[units[k]][1:] for k in self._taken], dtype=np.float32)
        self._factor, self._offset = scale[:, :1], scale[:, 1:]
        self.ch_names = tuple(str(names[k]) for k in self._taken)
        self.left_out = tuple(str(n) for k, n in enumerate(names) if k not in self._taken)

    def pieces(self, patience: float = 10.0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield what has come since, for as long as the stream lasts.

        Parameters
        ----------
        patience : float
            Seconds without a sample after which the stream is given up.

        Yields
        ------
        data : ndarray, shape (n_channels, n_times), float32
            In SI units; may have no samples.
        times : ndarray, shape (n_times,)
            Time stamps in seconds, on the clock of this machine (``mne_lsl.lsl.local_clock``).

        Raises
        ------
        DataError
            If nothing came for so long.
        """
        heard = time.monotonic()
        while True:
            data, times = self._inlet.pull_chunk(timeout=_PULL, max_samples=max(1024, int(self.sfreq)))
            if len(times):
                heard = time.monotonic()
            elif time.monotonic() - heard > patience:
                raise DataError(
                    f"Nothing came from the stream {self.name!r} for {patience:g} s.",
                    do="see that the device is on, near, and streaming",
                )
            values = np.asarray(data, dtype=np.float32).reshape(len(times), self._inlet.n_channels)[:, self._taken]
            yield values.T * self._factor + self._offset, np.asarray(times)

    def close(self) -> None:
        """Let the stream go."""
        self._inlet.close_stream()


def open_outlet(name: str, channels: Sequence[str]) -> Callable[[Sequence[float], float], None]:
    """Open a stream of the Lab Streaming Layer for decisions, at no fixed rate.

    Parameters
    ----------
    name : str
        Under which it can be found; its type is ``Emotion``.
    channels : sequence of str
        What its values are of, such as the classes of a model.

    Returns
    -------
    callable
        Sends a value for each channel and their time stamp; NaN for that of this moment.
    """
    lsl = _library()
    info = lsl.StreamInfo(name, "Emotion", len(channels), 0.0, "float32", f"thymos-{name}")
    info.set_channel_names(list(channels))
    outlet = lsl.StreamOutlet(info)

    def send(values: Sequence[float], stamp: float) -> None:
        outlet.push_sample(np.asarray(values, dtype=np.float32), stamp if np.isfinite(stamp) else 0.0)

    return send


def _library() -> Any:
    """Return mne-lsl, whose library tells of errors alone unless a configuration of the user says otherwise."""
    lsl = require("mne_lsl.lsl", "live")
    places = (Path.home() / "lsl_api" / _CONFIG, Path("/etc/lsl_api") / _CONFIG, Path(_CONFIG))
    if not os.environ.get("LSLAPICFG") and not any(place.exists() for place in places):
        lsl.set_config_content("[log]\nlevel = -2\n")
    return lsl


def _found(lsl: Any, name: str, timeout: float) -> Any:
    """Return the one stream of a name or source id."""
    until = time.monotonic() + timeout
    while True:
        there = lsl.resolve_streams(timeout=min(0.25, timeout))
        mine = [info for info in there if name in (info.name, info.source_id)]
        if mine or time.monotonic() > until:
            break
    known = ", ".join(f"{i.name} ({i.stype}, {i.n_channels} channels, {i.sfreq:g} Hz, id {i.source_id})" for i in there)
    if not mine:
        raise DataError(
            f"There is no stream {name!r}.{near(name, [info.name for info in there])}",
            fits=f"one of those that are there: {known}" if known else "a stream; none is there",
            do="start the device's programme, on this machine or in this network, and let it stream to LSL",
        )
    if len(mine) > 1:
        raise DataError(f"{len(mine)} streams are called {name!r}.", fits=known, do="name one by its id")
    return mine[0]


def _symbol(text: str | None) -> str:
    """Return the key of a unit as a device writes it; what is not known as it came."""
    text = (text or "").strip()
    return text if text in UNITS else _WORDS.get(text.lower(), text)
