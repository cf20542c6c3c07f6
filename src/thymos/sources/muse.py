"""Muse headband recordings of mental states (Bird et al. 2018), as raw csv files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from thymos.base.errors import DataError
from thymos.base.recording import Recording, Signal, Span
from thymos.sources.base import Note, Source
from thymos.sources.safe import read_csv

__all__ = ["MuseMentalState"]

SFREQ = 256.0
CHANNELS = ("TP9", "AF7", "AF8", "TP10")
AUXILIARY = "Right AUX"
RAIL = 999.0  # uV; the converter's range is -1000 to 999.5
STEP = 1000 / 2048  # uV; the converter's step
STATES = ("concentrating", "neutral", "relaxed")

_NAME = re.compile(r"subject(?P<subject>[^-]+)-(?P<state>[^-]+)-(?P<take>\d+)\.csv$")
_TIME = "timestamps"
_GAP = 2.5 / SFREQ + 0.001  # seconds; stamps are printed to 1 ms, so one lost sample or more shows beyond this
_RATE_TOLERANCE = 0.02
_SHORTEST = round(SFREQ / 4)  # samples; shorter pieces between missing values are left out
_MAX_MISSING = 0.2  # share of rows


class MuseMentalState(Source):
    """Four people, three mental states, two recordings of each state and person, 4 electrodes at 256 Hz.

    The states are relaxed, neutral and concentrating: mental states, not emotions. Recordings with gaps in their
    time stamps, or with missing values, are split there; nothing is filled in. Samples at the converter's limits are
    marked as spans of kind ``rail``, pieces whose stamps do not fit 256 Hz as ``rate``. ``session`` is the recording
    day (UTC).

    Parameters
    ----------
    root : path
        Folder with ``subject<letter>-<state>-<number>.csv``, header ``timestamps,TP9,AF7,AF8,TP10[,Right AUX]``,
        stamps in Unix seconds, values in microvolts.
    auxiliary : bool
        Read ``Right AUX`` too, as the fifth channel. It is an open input and measures nothing, so its limits are not
        marked; the published features take it for a signal.

    Notes
    -----
    Source: J. J. Bird et al., A Study on Mental State Classification using EEG-based Brain-Machine Interface,
    Intelligent Systems 2018.
    """

    def __init__(self, root: str | Path, auxiliary: bool = False):
        self.root = Path(root)
        self.auxiliary = bool(auxiliary)
        self.ch_names = (*CHANNELS, AUXILIARY) if self.auxiliary else CHANNELS

    def files(self) -> list[Path]:
        """Return the recordings' files, sorted by name.

        Raises
        ------
        DataError
            If there is none, or a file's state is not one of the three.
        """
        files = sorted(p for p in self.root.glob("*.csv") if _NAME.search(p.name))
        if not files:
            raise DataError(
                f"{self.root} holds no recording.",
                fits="files named subject<letter>-<state>-<number>.csv, such as subjecta-relaxed-1.csv",
                do="point --data at the folder that holds muse-mental-state/",
            )
        for path in files:
            state = _named(path)["state"]
            if state not in STATES:
                raise DataError(f"{path.name} names the state {state!r}.", fits=f"one of {', '.join(STATES)}")
        return files

    def subjects(self) -> list[str]:
        """Return the subject letters, sorted."""
        return sorted({_named(p)["subject"] for p in self.files()})

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording for each uninterrupted stretch, file by file.

        Raises
        ------
        DataError
            If a file is empty, lacks a column, holds text, is mostly missing, or runs at another rate.
        """
        for path in self.files():
            name = _named(path)
            if subjects is None or name["subject"] in subjects:
                yield from self._read(path, name["subject"], name["state"], name["take"])

    def check(self) -> list[Note]:
        """Read every file and say what is remarkable about this copy."""
        notes = []
        for path in self.files():
            pieces = list(self._read(path, *_named(path).group("subject", "state", "take")))
            signals = [piece.signal("eeg") for piece in pieces]
            length = sum(s.duration for s in signals)
            if len(pieces) > 1:
                span = signals[-1].start + signals[-1].duration
                notes.append(
                    Note(path.name, f"{len(pieces)} pieces with gaps: {length:.1f} s of signal in {span:.0f} s")
                )
            for piece in pieces:
                for mark in (mark for mark in piece.spans if mark.kind == "rate"):
                    text = f"the stamps of the {mark.stop - mark.start:.1f} s at {mark.start:.1f} s are not spaced for "
                    notes.append(Note(path.name, text + f"{SFREQ:g} Hz; packets may be missing inside"))
            if missing := pieces[0].meta["missing_rows"]:
                notes.append(Note(path.name, f"{missing} rows with a missing value; the recording is split there"))
            if short := pieces[0].meta["short_rows"]:
                notes.append(Note(path.name, f"{short} rows in pieces under {_SHORTEST / SFREQ:g} s, left out"))
            if length < 10:
                notes.append(Note(path.name, f"very short: {length:.1f} s"))
            rails = [span for piece in pieces for span in piece.spans if span.kind == "rail"]
            if rails:
                seconds = sum(span.stop - span.start for span in rails)
                channels = ", ".join(sorted({span.channel for span in rails}))
                notes.append(
                    Note(path.name, f"{len(rails)} stretches ({seconds:.2f} s) at the converter's limit: {channels}")
                )
            off = sum(
                int(np.sum(np.abs(np.round(s.data / (STEP * 1e-6)) - s.data / (STEP * 1e-6)) > 0.02)) for s in signals
            )
            if off:
                notes.append(
                    Note(path.name, f"{off} values are not multiples of the converter's step of {STEP:.3f} uV")
                )
        return notes

    def _read(self, path: Path, subject: str, state: str, take: str) -> Iterator[Recording]:
        stamps, volts = _table(path, self.ch_names)
        missing = ~np.isfinite(volts).all(axis=1)
        # a piece ends where a time stamp is missing or a value is
        breaks = np.flatnonzero((np.diff(stamps) > _GAP) | (missing[1:] != missing[:-1])) + 1
        pieces = [rows for rows in np.split(np.arange(len(stamps)), breaks) if not missing[rows[0]]]
        short = sum(len(rows) for rows in pieces if len(rows) < _SHORTEST)
        pieces = [rows for rows in pieces if len(rows) >= _SHORTEST]
        if not pieces:
            raise DataError(
                f"{path} has no uninterrupted stretch of {_SHORTEST / SFREQ:g} s.",
                fits="at least one",
                do="leave it out",
            )
        trial = f"{subject}-{state}-{take}"
        meta = {
            "source": "muse-mental-state",
            "subject": subject,
            "session": datetime.fromtimestamp(stamps[0], UTC).date().isoformat(),
            "trial": trial,
            "stimulus": "none",
            "recording": trial,
            "state": state,
            "missing_rows": int(missing.sum()),
            "short_rows": short,
        }
        _check_rate(path, [stamps[rows] for rows in pieces])
        for number, rows in enumerate(pieces):
            start = float(stamps[rows[0]] - stamps[0])
            data = np.ascontiguousarray(volts[rows].T, dtype=np.float32)
            signal = Signal(data, SFREQ, self.ch_names, "V", start)
            spans = _rails(data, start)
            if abs(_rate(stamps[rows]) / SFREQ - 1) > _RATE_TOLERANCE:
                spans += (Span(start, start + signal.duration, "rate"),)
            yield Recording({"eeg": signal}, {**meta, "piece": number}, spans)


def _named(path: Path) -> re.Match[str]:
    """Return what the name of one of :meth:`MuseMentalState.files` says."""
    return cast(re.Match[str], _NAME.search(path.name))


def _table(path: Path, ch_names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Read time stamps in seconds and channels in volts, shape (n_times, n_channels); missing values as NaN."""
    table = read_csv(path, (_TIME, *ch_names))
    if len(table) < 2:
        raise DataError(f"{path} has {len(table)} rows.", fits="a header and at least two rows", do="download it again")
    values = {}
    for column in (_TIME, *ch_names):
        numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
        text = np.flatnonzero(np.isnan(numbers) & table[column].notna().to_numpy())
        if len(text):
            raise DataError(
                f"{path}, line {text[0] + 2}, column {column}: {table[column].iloc[text[0]]!r} is not a number.",
                fits="numbers in microvolts, or an empty cell where a value is missing",
            )
        values[column] = numbers
    stamps = values[_TIME]
    if not np.isfinite(stamps).all() or (np.diff(stamps) <= 0).any():
        line = int(
            np.flatnonzero(~np.isfinite(stamps))[0]
            if not np.isfinite(stamps).all()
            else np.argmax(np.diff(stamps) <= 0) + 1
        )
        raise DataError(
            f"{path}, line {line + 2}: the time stamp {stamps[line]} is missing or not later than the one before.",
            fits="increasing Unix seconds",
        )
    if not 1e8 < stamps[0] < 1e10:
        raise DataError(f"{path}: the first time stamp is {stamps[0]:g}.", fits="Unix seconds, such as 1533222559.839")
    volts = np.stack([values[c] for c in ch_names], axis=1) * 1e-6
    share = 1 - np.isfinite(volts).all(axis=1).mean()
    if share > _MAX_MISSING:
        raise DataError(
            f"{path}: {share:.0%} of the rows have a missing or infinite value.",
            fits=f"at most {_MAX_MISSING:.0%}; such rows are left out and the recording is split there",
            do="leave the file out or repair it",
        )
    return stamps, volts


def _rate(stamps: np.ndarray) -> float:
    """Return the rate in Hz by the time stamps; below a second, where rounded stamps do not tell, the nominal one."""
    return (len(stamps) - 1) / (stamps[-1] - stamps[0]) if len(stamps) > SFREQ else SFREQ


def _check_rate(path: Path, pieces: list[np.ndarray]) -> None:
    rate = float(np.median([_rate(stamps) for stamps in pieces]))
    if abs(rate / SFREQ - 1) > _RATE_TOLERANCE:
        raise DataError(f"{path} was sampled at {rate:.1f} Hz by its time stamps.", fits=f"{SFREQ:g} Hz")


def _rails(data: np.ndarray, start: float) -> tuple[Span, ...]:
    """Mark runs of samples at the converter's limits; `data` in volts, shape (n_channels, n_times)."""
    spans = []
    for name, channel in zip(CHANNELS, np.abs(data[: len(CHANNELS)]) >= RAIL * 1e-6, strict=True):
        edges = np.flatnonzero(np.diff(channel.astype(np.int8), prepend=0, append=0))
        spans += [Span(start + a / SFREQ, start + b / SFREQ, "rail", name) for a, b in edges.reshape(-1, 2)]
    return tuple(spans)
