"""Signal files of a user: EDF, BDF, FIF, BrainVision, EEGLAB and csv, their headers first and their samples on demand.

MNE reads everything but csv. What it says in warnings is kept as notes; what it raises becomes one message.
"""

from __future__ import annotations

import glob
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import DataError, ThymosError
from thymos.base.optional import require
from thymos.signals.montage import standard_names
from thymos.sources.safe.files import readable

__all__ = [
    "FORMATS",
    "KINDS",
    "TABLES",
    "UNITS",
    "VOLTAGES",
    "Event",
    "Header",
    "channel_kind",
    "check_stamps",
    "companions",
    "open_signal",
    "read_header",
]

#: Endings of tables with one column per channel, which say no sampling rate.
TABLES = (".csv", ".tsv", ".txt")

#: Endings of the files that can be read.
FORMATS = (".edf", ".bdf", ".fif", ".vhdr", ".set", *TABLES)

#: Units of values in files: the SI unit, the factor to it and what is added.
UNITS: dict[str, tuple[str, float, float]] = {
    "V": ("V", 1.0, 0.0),
    "mV": ("V", 1e-3, 0.0),
    "uV": ("V", 1e-6, 0.0),
    "µV": ("V", 1e-6, 0.0),
    "μV": ("V", 1e-6, 0.0),  # the Greek letter; the line above has the micro sign
    "nV": ("V", 1e-9, 0.0),
    "S": ("S", 1.0, 0.0),
    "mS": ("S", 1e-3, 0.0),
    "uS": ("S", 1e-6, 0.0),
    "µS": ("S", 1e-6, 0.0),
    "K": ("K", 1.0, 0.0),
    "degC": ("K", 1.0, 273.15),
    "°C": ("K", 1.0, 273.15),
    "s": ("s", 1.0, 0.0),
    "ms": ("s", 1e-3, 0.0),
    "none": ("", 1.0, 0.0),
}

#: What a channel can be, by words in its name. EEG is what has the name of an electrode.
KINDS: dict[str, str] = {
    "eog": r"eog",
    "ecg": r"ecg|ekg",
    "emg": r"emg",
    "eda": r"gsr|eda",
    "resp": r"resp|airflow|thorax|abdomen",
    "bvp": r"bvp|ppg|pleth|plet\b",
    "temp": r"temp",
    "stim": r"status|trig|stim|marker|event|annotation|\bsti ?\d*$",
}

#: Kinds that are measured in volts.
VOLTAGES = ("eeg", "eog", "ecg", "emg")

_MNE_KINDS = {"eog": "eog", "ecg": "ecg", "emg": "emg", "gsr": "eda", "resp": "resp", "temperature": "temp"}
_TIME = ("time", "timestamp", "timestamps")
_RATE_TOLERANCE = 0.02
_VOLT_LABELS = ("V", "mV", "uV", "µV", "μV")  # in an EDF header; MNE converts these to volts
_BREAKS = re.compile(r"^(boundary|BAD boundary|EDGE boundary|BAD_ACQ_SKIP|New Segment/.*)$", re.IGNORECASE)
_NO_NEWS = re.compile(r"naming conventions|Number of records from the header|lowpass|highpass|cutoff", re.IGNORECASE)


@dataclass(frozen=True)
class Event:
    """A stretch that a file marks.

    Parameters
    ----------
    onset, duration : float
        Seconds on the file's clock, which starts at its first sample.
    text : str
        What the file calls it.
    """

    onset: float
    duration: float
    text: str


@dataclass(frozen=True)
class Header:
    """What a file says about itself before its samples are read.

    Parameters
    ----------
    path : Path
    seconds : float
        Length.
    labels : tuple of str
        Channel names as the file writes them.
    kinds : tuple of str
        ``eeg``, a key of :data:`KINDS`, or ``other`` for each channel.
    electrodes : tuple of str or None
        The 10-05 name of each channel that is EEG.
    rates : tuple of float
        Sampling rate in Hz of each channel.
    units : tuple of str
        Unit of each channel's values as :func:`open_signal` returns them; empty where the file does not say.
    breaks : tuple of float
        Seconds at which the file says that it was interrupted.
    events : tuple of Event
    notes : tuple of str
        What is remarkable.
    stamps : ndarray, shape (n_times,), optional
        Time stamps in seconds from the first one; csv only.
    parts : tuple of Path
        All files that its samples lie in; FIF only.
    """

    path: Path
    seconds: float
    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    electrodes: tuple[str | None, ...]
    rates: tuple[float, ...]
    units: tuple[str, ...]
    breaks: tuple[float, ...] = ()
    events: tuple[Event, ...] = ()
    notes: tuple[str, ...] = ()
    stamps: np.ndarray | None = None
    parts: tuple[Path, ...] = ()

    @property
    def table(self) -> bool:
        """Whether the file is a table of numbers, which says neither its rate nor its unit."""
        return self.path.suffix.lower() in TABLES

    def of_kind(self, kind: str) -> list[int]:
        """Return the numbers of the channels of one kind."""
        return [k for k, own in enumerate(self.kinds) if own == kind]


def channel_kind(label: str, electrode: str | None) -> str:
    """Return what a channel is by its name: ``eeg``, a key of :data:`KINDS`, or ``other``."""
    if electrode is not None:
        return "eeg"
    return next((kind for kind, words in KINDS.items() if re.search(words, label, re.IGNORECASE)), "other")


def read_header(path: Path, sfreq: float | None = None) -> Header:
    """Read what a file says about itself.

    Parameters
    ----------
    path : Path
    sfreq : float, optional
        Rate in Hz of a table; without it the rate is taken from its time stamps.

    Raises
    ------
    DataError
        If the file is of no known format, damaged, cut off or interrupted, or a table has no rate.
    """
    suffix = path.suffix.lower()
    if suffix in (".edf", ".bdf"):
        return _edf_header(path)
    if suffix in TABLES:
        return _table_header(path, sfreq)
    if suffix in FORMATS:
        return _mne_header(path)
    raise DataError(
        f"{path} has the ending {suffix or 'of no format'!r}.",
        fits=f"one of {', '.join(FORMATS)}",
        do="export it from the recording software as EDF or BrainVision",
    )


def companions(path: Path) -> list[Path]:
    """Return the files that are read together with a file of signals: data, marks, continued parts."""
    suffix = path.suffix.lower()
    if suffix == ".set":
        return [path.with_suffix(".fdt")]
    if suffix == ".fif":
        return sorted(path.parent.glob(f"{glob.escape(path.stem)}-*.fif"))
    if suffix != ".vhdr":
        return []
    with readable(path, "a BrainVision header"), path.open("rb") as file:
        text = file.read(2**20).decode("latin1")
    named = re.findall(r"^(?:DataFile|MarkerFile)=(.+?)\s*$", text, re.MULTILINE)
    return [path.parent / name.replace("$b", path.stem) for name in named]


def open_signal(
    header: Header, channels: Sequence[int], notes: list[str] | None = None
) -> Callable[[int, int], np.ndarray]:
    """Open some channels of a file.

    Parameters
    ----------
    header : Header
    channels : sequence of int
        Numbers of channels, all of one rate.
    notes : list of str, optional
        What MNE warns of is added to it.

    Returns
    -------
    callable
        ``read(start, stop)`` in samples, which returns shape (len(channels), stop - start), float64, in the
        header's units.
    """
    labels = [header.labels[k] for k in channels]
    if header.table:
        table = _numbers(header.path, labels)
        return lambda start, stop: table[:, start:stop]
    hidden = [label for label in dict.fromkeys(header.labels) if label not in labels]
    with _words(header.path, notes):
        raw = _open(header.path, hidden)

    def read(start: int, stop: int) -> np.ndarray:
        with _words(header.path, notes):
            data = raw.get_data(picks=labels, start=start, stop=stop)
        if data.shape[1] != stop - start:
            raise DataError(
                f"{header.path} has {data.shape[1]} of {stop - start} samples.",
                "as many as its header says",
                "copy it again",
            )
        return data

    return read


def _edf_header(path: Path) -> Header:
    """Read an EDF or BDF header (E. Kemp et al. 1992, 2003) and compare its length with that of the file."""
    field = _edf_fields(path)
    n_records, seconds = field["n_records"], field["record_seconds"]
    record = int(np.sum(field["samples"])) * (3 if path.suffix.lower() == ".bdf" else 2)
    found = (path.stat().st_size - field["bytes"]) / record
    notes = []
    if n_records < 0:
        n_records = int(found)
        notes.append("the header does not say how long the file is; its size does")
    if found < n_records:
        raise DataError(
            f"{path} is cut off: {max(found, 0) * seconds:.1f} of the {n_records * seconds:.1f} s that its header "
            f"names are there, {(n_records - max(found, 0)) * seconds:.1f} s are missing.",
            fits="a file as long as its header says",
            do="copy it again from the recording computer; if it is short there too, export it anew, or leave it out",
        )
    if found > n_records:
        notes.append(f"{(found - n_records) * seconds:.1f} s more than its header says, not read")
    if field["kind"].startswith(("EDF+D", "BDF+D")):
        raise DataError(
            f"{path} is a file with interruptions ({field['kind'][:5]}).",
            fits="an uninterrupted file (EDF+C, EDF, BDF)",
            do="export each uninterrupted stretch as a file of its own",
        )
    labels = field["labels"]
    marks = [label.upper() in {"EDF ANNOTATIONS", "BDF ANNOTATIONS"} for label in labels]
    keep = [k for k, mark in enumerate(marks) if not mark]
    labels = tuple(labels[k] for k in keep)
    electrodes = tuple(standard_names(labels))
    events: tuple[Event, ...] = ()
    if any(marks):
        hidden = list(dict.fromkeys(labels))[1:]
        with _words(path, notes):
            events = _events(_open(path, hidden))
    return Header(
        path,
        n_records * seconds,
        labels,
        tuple(channel_kind(label, e) for label, e in zip(labels, electrodes, strict=True)),
        electrodes,
        tuple(field["samples"][k] / seconds for k in keep),
        tuple("V" if field["units"][k] in _VOLT_LABELS else field["units"][k] for k in keep),
        events=events,
        notes=tuple(notes),
    )


def _edf_fields(path: Path) -> dict[str, Any]:
    """Return the fields of an EDF or BDF header that matter here."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
            number = int(head[252:256])
            if not 0 < number < 10_000:
                raise ValueError("it names no channels")
            rows = file.read(256 * number).decode("latin-1")
        if len(rows) < 256 * number:
            raise ValueError("its header is cut off")
        field: dict[str, Any] = {
            "bytes": int(head[184:192]),
            "kind": head[192:236].decode("latin-1"),
            "n_records": int(head[236:244]),
            "record_seconds": float(head[244:252]),
            "labels": [rows[16 * k : 16 * (k + 1)].strip() for k in range(number)],
            "units": [rows[96 * number + 8 * k :][:8].strip() for k in range(number)],
            "samples": [int(rows[216 * number + 8 * k :][:8]) for k in range(number)],
        }
        if not (field["record_seconds"] > 0 and min(field["samples"]) > 0 and field["bytes"] == 256 * (number + 1)):
            raise ValueError("the lengths in its header contradict each other")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as {path.suffix[1:].upper()}: {_first_line(error)}.",
            fits=f"an undamaged {path.suffix[1:].upper()} file",
            do="copy or export it again",
        ) from None
    return field


def _mne_header(path: Path) -> Header:
    notes: list[str] = []
    with _words(path, notes):
        raw = _open(path)
        types = raw.get_channel_types()
        events = _events(raw)
    if raw.info["bads"]:
        notes.append(f"marked bad in the file and used as they are: {', '.join(raw.info['bads'])}")
    labels = tuple(raw.ch_names)
    electrodes, kinds = [], []
    for label, electrode, kind in zip(labels, standard_names(labels), types, strict=True):
        kind = channel_kind(label, electrode) if kind in {"eeg", "misc", "bio"} else _MNE_KINDS.get(kind, "stim")
        kinds.append(kind)
        electrodes.append(electrode if kind == "eeg" else None)
    units = ("V" if kind in (*VOLTAGES, "other") else "S" if kind == "eda" else "" for kind in kinds)
    return Header(
        path,
        raw.n_times / raw.info["sfreq"],
        labels,
        tuple(kinds),
        tuple(electrodes),
        (float(raw.info["sfreq"]),) * len(labels),
        tuple(units),
        tuple(e.onset for e in events if _BREAKS.match(e.text) and e.onset > 0),
        tuple(e for e in events if not _BREAKS.match(e.text)),
        tuple(notes),
        parts=tuple(map(Path, raw.filenames)) if path.suffix.lower() == ".fif" else (),
    )


def _open(path: Path, hidden: Sequence[str] = ()) -> Any:
    """Open a file with MNE, its samples unread; `hidden` are labels of EDF channels to leave aside."""
    import mne

    suffix = path.suffix.lower()
    if suffix in (".edf", ".bdf"):  # channels at other rates would be resampled, so they stay hidden
        reader = mne.io.read_raw_edf if suffix == ".edf" else mne.io.read_raw_bdf
        return reader(path, exclude=list(hidden), stim_channel=None, verbose="WARNING")
    if suffix == ".set":
        require("pymatreader", "eeglab")
        return mne.io.read_raw_eeglab(path, verbose="WARNING")
    reader = mne.io.read_raw_brainvision if suffix == ".vhdr" else mne.io.read_raw_fif
    return reader(path, verbose="WARNING")


def _events(raw: Any) -> tuple[Event, ...]:
    marks = raw.annotations
    onsets = marks.onset - raw.first_time  # FIF counts from the start of the acquisition
    rows = zip(onsets, marks.duration, marks.description, strict=True)
    return tuple(Event(float(onset), float(duration), str(text)) for onset, duration, text in rows)


@contextmanager
def _words(path: Path, notes: list[str] | None = None) -> Iterator[None]:
    """Keep what MNE warns of as notes, and turn what it raises into one message."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except ThymosError:
        raise
    except Exception as error:  # readers of damaged files raise anything
        raise DataError(
            f"{path} cannot be read: {_first_line(error)}.",
            fits="an undamaged, continuous recording" + (" with all its files" if path.suffix == ".vhdr" else ""),
            do="copy or export it again, or leave it out",
        ) from None
    if notes is not None:
        for warning in caught:
            text = _first_line(warning.message)
            if not _NO_NEWS.search(text) and text not in notes:
                notes.append(text)


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(". ")


def _table_header(path: Path, sfreq: float | None) -> Header:
    """Read the names of a table's columns, its length and its time stamps."""
    columns = _columns(path)
    time = next((c for c in columns if c.lower() in _TIME), None)
    labels = tuple(c for c in columns if c != time)
    if time is None:
        n_times, stamps = len(_read_table(path, [columns[0]])), None
    else:
        stamps = _numbers(path, [time])[0]
        n_times = len(stamps)
        late = np.flatnonzero(~(np.diff(stamps) > 0))
        if len(late):
            raise DataError(
                f"{path}, line {late[0] + 3}: the time stamp is missing or not later than the one before.",
                fits="increasing stamps in seconds",
            )
        stamps = stamps - stamps[0]
        if sfreq is not None and len(stamps) > 1:
            _check_seconds(path, stamps, sfreq)
    if n_times < 2:
        raise DataError(f"{path} has {n_times} rows of values.", fits="a line of channel names and two rows or more")
    if sfreq is None:
        if stamps is None:
            raise DataError(
                f"{path} does not say its sampling rate.",
                fits="a rate, or a column of time stamps",
                do="add time stamps in seconds, or list the file in a manifest with its sfreq",
            )
        steps = np.diff(stamps)  # printed to 1 ms they are 3 or 4 ms at 256 Hz: their mean tells, gaps left out
        sfreq = round(1 / float(steps[steps <= 2.5 * np.median(steps) + 0.001].mean()), 3)
    electrodes = tuple(standard_names(labels))
    kinds = tuple(channel_kind(label, e) for label, e in zip(labels, electrodes, strict=True))
    seconds = n_times / sfreq if stamps is None else float(stamps[-1]) + 1 / sfreq
    n = len(labels)
    return Header(path, seconds, labels, kinds, electrodes, (float(sfreq),) * n, ("",) * n, stamps=stamps)


def _check_seconds(path: Path, stamps: np.ndarray, sfreq: float) -> None:
    """Refuse stamps whose steps are a thousand or a million times as long as the rate says."""
    step = float(np.median(np.diff(stamps)))
    for factor, unit in ((1e3, "milliseconds"), (1e6, "microseconds")):
        if 0.5 < step * sfreq / factor < 2:  # whole milliseconds are far from even steps
            raise DataError(
                f"{path}: the time stamps look like {unit}: at {sfreq:g} Hz they would be {1 / sfreq:.4g} apart, and "
                f"are {step:.4g}.",
                fits="time stamps in seconds",
                do=f"divide the column by {factor:,.0f}, or take it out: sfreq says the rate",
            )


def _columns(path: Path) -> list[str]:
    """Return the names in a table's first line, or say what is wrong with it."""
    head = _read_table(path, None, rows=0)
    names = [str(c).strip() for c in head.columns]
    if all(re.fullmatch(r"[-+\d.eE\s]*", name) for name in names):
        raise DataError(
            f"{path}: the first line holds numbers, {', '.join(names[:4])}.",
            fits="a first line with the names of the channels",
        )
    return names


def _read_table(path: Path, columns: Sequence[str] | None, rows: int | None = None) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline()
        separator = next((s for s in ("\t", ";", ",") if s in line), r"\s+" if " " in line.strip() else ",")
        return pd.read_csv(
            path,
            sep=separator,
            usecols=None if columns is None else (lambda c: str(c).strip() in columns),
            nrows=rows,
            skipinitialspace=True,
            index_col=False,
            encoding="utf-8-sig",
        )
    except pd.errors.EmptyDataError:
        raise DataError(
            f"{path} is empty.", fits="a line of channel names, then numbers", do="export it again"
        ) from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: {_first_line(error)}.", fits="a table with one column per channel"
        ) from None


def _numbers(path: Path, columns: Sequence[str]) -> np.ndarray:
    """Return columns of a table as float64, shape (len(columns), n_times); empty cells are NaN."""
    table = _read_table(path, columns).rename(columns=lambda c: str(c).strip())
    values = []
    for column in columns:
        numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
        text = np.flatnonzero(np.isnan(numbers) & table[column].notna().to_numpy())
        if len(text):
            raise DataError(
                f"{path}, line {text[0] + 2}, column {column}: {str(table[column].iloc[text[0]])!r} is not a number.",
                fits="numbers with a decimal point",
            )
        values.append(numbers)
    return np.stack(values)


def check_stamps(header: Header, start: int, stop: int, where: str) -> None:
    """Say whether the time stamps of a stretch of a table show a gap or another rate than the declared one.

    Raises
    ------
    DataError
        If they do.
    """
    if header.stamps is None or stop - start < 2:
        return
    sfreq, stamps = header.rates[0], header.stamps[start:stop]
    gaps = np.flatnonzero(np.diff(stamps) > 2.5 / sfreq + 0.001)  # stamps may be printed to 1 ms
    if stop - start >= sfreq:  # below a second rounded stamps do not tell the mean rate
        kept = np.delete(np.diff(stamps), gaps)
        rate = 1 / float(np.mean(kept))
        if abs(rate / sfreq - 1) > _RATE_TOLERANCE:
            raise DataError(
                f"{where}: the time stamps of {header.path} are spaced for {rate:.4g} Hz, sfreq says {sfreq:g} Hz.",
                fits="the rate of the recording in Hz, and time stamps in seconds",
                do="correct sfreq in the manifest",
            )
    if len(gaps):
        ends, begins = float(stamps[gaps[0]]) + 1 / sfreq, float(stamps[gaps[0] + 1])
        raise DataError(
            f"{where}: {header.path} has {len(gaps)} gaps in its time stamps; the first, of {begins - ends:.2f} s, "
            f"begins at {ends:.3f} s.",
            fits="an uninterrupted stretch",
            do=f"give each stretch between gaps a row of its own with onset and duration: the first ends at "
            f"{ends:.3f} s, the next begins at {begins:.3f} s",
        )
