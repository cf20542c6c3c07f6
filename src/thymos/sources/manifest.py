"""A user's own recordings, listed in a csv file: one row per stretch of signal, with its subject, trial and labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from thymos.base.catalogue import near
from thymos.base.errors import DataError, InputError
from thymos.base.recording import Lazy, Recording, Signal
from thymos.signals.montage import common_channels, interpolate_channels, standard_name
from thymos.sources.base import Note, Source, some
from thymos.sources.manifest_rows import Row, full_name, read_rows
from thymos.sources.signal_files import (
    TABLES,
    UNITS,
    VOLTAGES,
    Header,
    check_stamps,
    companions,
    open_signal,
    read_header,
)

__all__ = ["Manifest"]

_RATE_TOLERANCE = 0.02
_NAMED = 5  # files or lines named in one message
_QUIET, _LOUD = 0.1e-6, 10e-3  # volts; the SD of EEG lies between
_MOST_CLASSES, _MOST_CODES = 12, 3  # different texts or numbers; a column with more holds no classes


@dataclass(frozen=True)
class _Stretch:
    """One row with what its file says: samples `start` to `stop` of some channels at one rate."""

    row: Row
    header: Header
    start: int
    stop: int
    sfreq: float


class Manifest(Source):
    """Own recordings, listed in a csv file with one row per stretch of signal.

    Parameters
    ----------
    path : path
        The csv file. Columns: ``path`` (signal file, relative to the manifest: EDF, BDF, FIF, BrainVision ``.vhdr``,
        EEGLAB ``.set``, or a table ``.csv``, ``.tsv``, ``.txt`` with one column per channel), ``subject``, and as
        needed

        * ``session`` (``1`` by default), ``trial`` (by default the file's name, with a number where a file has several
          rows), ``stimulus`` (``none``), ``recording`` (the file);
        * ``onset``, ``duration``: the stretch in seconds of the file's clock; the whole file by default;
        * ``modality``: ``eeg`` by default. Rows of one subject, session and trial with different modalities are one
          recording with several signals; they are taken to begin together;
        * ``sfreq``: the rate in Hz, obligatory for tables, checked for the other formats;
        * ``unit`` of a table's values, such as uV or uS.

        Every other column is a label or a rating.
    channels : 'common', 'all' or list of str
        EEG channels: those that all files have, in the order of the first file; all, which must be the same in every
        file; or a list of names. Names are 10-05 names however a file writes them (``EEG T3-REF`` is T7); a channel
        without such a name is taken only if the list has it.
    interpolate : bool
        Interpolate channels that a file lacks by spherical splines from all its others; the metadata column
        ``interpolated`` names them.
    labels : mapping of str to list, or list of str, optional
        Label columns, and the values each may have. Without it every further column is one. A label must be filled in
        on every row and be the same on all rows of a trial.
    unit : str
        Unit of EEG in tables without a column ``unit``.

    Notes
    -----
    Everything is checked, from the manifest and the files' headers, before the first recording is read. Nothing is
    split, filled in or resampled. ``trial`` becomes ``subject-session-trial``, so that it is unique.
    """

    def __init__(
        self,
        path: str | Path,
        channels: str | Sequence[str] = "common",
        interpolate: bool = False,
        labels: Mapping[str, Sequence[Any] | None] | Sequence[str] | None = None,
        unit: str = "uV",
    ):
        self.path = Path(path)
        self.channels = channels
        self.interpolate = bool(interpolate)
        self.labels = labels if labels is None or isinstance(labels, Mapping) else dict.fromkeys(labels)
        self.unit = unit
        self._late = False  # whether signals are read when they are asked for, so that a bad one spares the next
        if isinstance(channels, str) and channels not in {"common", "all"}:
            raise InputError(
                f"channels={channels!r} came.{near(channels, ['common', 'all'])}",
                fits="common, all, or a list of channel names",
            )
        if not isinstance(channels, str) and not channels:
            raise InputError("An empty list of channels came.", fits="common, all, or a list of channel names")
        if UNITS.get(unit, ("",))[0] != "V":
            raise InputError(f"unit={unit!r} came for EEG.{near(unit, UNITS)}", fits="V, mV, uV or nV")

    def subjects(self) -> list[str]:
        """Return the subjects of the manifest, sorted.

        Raises
        ------
        DataError
            If the manifest is wrong, with its line.
        """
        return sorted({row.subject for row in self._rows})

    def modalities(self) -> tuple[str, ...]:
        """Return the modalities that rows name, in their order.

        Raises
        ------
        DataError
            If the manifest is wrong.
        """
        return tuple(dict.fromkeys(row.modality for row in self._rows))

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording for each stretch, in the order of the manifest.

        Raises
        ------
        DataError
            If the manifest is wrong, or a file is missing, damaged or not what the manifest says.
        """
        chosen = None if subjects is None else {str(s) for s in subjects}
        _, recordings = self._electrodes, self._recordings  # everything is checked before the first recording
        readers: dict[tuple, Any] = {}
        for stretches in recordings:
            if chosen is None or stretches[0].row.subject in chosen:
                recording = self._read(stretches, readers)
                if not self._late:
                    list(recording.signals.values())
                yield recording

    def without_faults(self) -> tuple[Manifest, list[DataError]]:
        """Return the manifest without the trials that have a fault, and all faults of files and stretches."""
        stretches, faults = self._found
        whole = {s.row.line for s in stretches}
        lost = {full_name(row) for row in self._rows if row.line not in whole}
        made = Manifest(self.path, self.channels, self.interpolate, self.labels, self.unit)
        made._late = True
        # a trial that lacks one of its signals would be a fault of its own
        made.__dict__["_rows"] = [row for row in self._rows if full_name(row) not in lost]
        made.__dict__["_found"] = [s for s in stretches if full_name(s.row) not in lost], []
        return made, faults

    def label_columns(self) -> list[str]:
        """Return the columns that hold labels."""
        return list(self._rows[0].labels if self.labels is None else self.labels)

    def content(self) -> list[Path]:
        """Return the manifest, its files, and the files that these are read together with."""
        files = dict.fromkeys(row.path for row in self._rows)
        return [self.path, *dict.fromkeys(p for path in files for p in (path, *companions(path)) if p.is_file())]

    def check(self) -> list[Note]:
        """Read every file and say what is remarkable about these recordings."""
        found: dict[str, list[str]] = defaultdict(list)
        for stretch in {s.header.path: s for group in self._recordings for s in group}.values():
            for text in (*stretch.header.notes, *self._unused(stretch)):
                found[text].append(stretch.header.path.name)
        readers: dict[tuple, Any] = {}
        for stretches in self._recordings:
            recording = self._read(stretches, readers, found)
            list(recording.signals.values())  # all are read, for the faults that only their samples show
            for text in _amplitude_notes(recording):
                found[text].append(recording.meta["trial"])
            if recording.meta.get("interpolated"):
                found[f"interpolated: {recording.meta['interpolated']}"].append(stretches[0].header.path.name)
        notes = [Note(some(dict.fromkeys(places), 1), text) for text, places in found.items()]
        return [*notes, *(Note(self.path.name, text) for text in (*self._rate_notes(), *self._design_notes()))]

    @cached_property
    def _rows(self) -> list[Row]:
        return read_rows(self.path, self.labels)

    @cached_property
    def _recordings(self) -> list[list[_Stretch]]:
        """Return the stretches of each recording, checked against each other and their files' headers."""
        stretches, faults = self._found
        if faults:
            raise faults[0]
        return _grouped(self.path, stretches)

    @cached_property
    def _found(self) -> tuple[list[_Stretch], list[DataError]]:
        """Return the rows that fit their files' headers and each other, and the faults of the rest."""
        faults = []
        missing = list(dict.fromkeys(row.path for row in self._rows if not row.path.is_file()))
        if missing:
            faults.append(
                DataError(
                    f"{len(missing)} of the files that {self.path} lists cannot be found: {some(map(str, missing))}.",
                    fits=f"paths relative to {self.path.parent.resolve()}, or absolute ones",
                    do="correct the column path, or copy the files there",
                )
            )
        headers: dict[tuple, Header | None] = {}
        stretches = []
        for row in (row for row in self._rows if row.path not in missing):
            key = row.path, row.sfreq
            try:
                if key not in headers:
                    headers[key] = None  # a file that cannot be read is told once
                    headers[key] = self._header(row)
                if header := headers[key]:
                    stretches.append(self._stretch(row, header))
            except DataError as error:
                faults.append(error)
        overlaps = list(_overlaps(self.path, stretches))
        double = {line for line, _ in overlaps}
        return [s for s in stretches if s.row.line not in double], [*faults, *(error for _, error in overlaps)]

    @cached_property
    def _electrodes(self) -> list[str]:
        """Return the names of the EEG channels of every recording, in order."""
        files = {s.header.path: s.header for group in self._recordings for s in group if s.row.modality == "eeg"}
        if not files:
            return []
        there = {path: _electrodes(header) for path, header in files.items()}
        if not isinstance(self.channels, str):
            wanted = [standard_name(name) or str(name) for name in self.channels]
            repeated = sorted({name for name in wanted if wanted.count(name) > 1})
            if repeated:
                raise InputError(f"The list of channels has {', '.join(repeated)} twice.", fits="each channel once")
            for header in files.values():
                there[header.path] |= {label: k for k, label in enumerate(header.labels) if label in wanted}
        else:
            wanted = common_channels(list(names) for names in there.values())
            if not wanted and self.channels == "common":
                raise DataError(
                    f"The files of {self.path} have no EEG channel in common.",
                    fits="at least one electrode that every file has",
                    do="list channels and set interpolate: true, or leave files out",
                )
        if self.channels == "all":
            wanted = list(dict.fromkeys(name for names in there.values() for name in names))
        lacking = {p: [n for n in wanted if n not in names] for p, names in there.items()}
        lacking = {path: names for path, names in lacking.items() if names}
        if lacking and not self.interpolate:
            words = [f"{path.name} lacks {', '.join(names)}" for path, names in list(lacking.items())[:_NAMED]]
            raise DataError(
                f"{len(lacking)} of {len(files)} files lack channels: {'; '.join(words)}"
                + (f"; and {len(lacking) - _NAMED} more." if len(lacking) > _NAMED else "."),
                fits=f"{', '.join(wanted)} in every file",
                do="use channels: common, set interpolate: true, or leave the channels or files out",
            )
        return wanted

    def _where(self, row: Row) -> str:
        """Return the place of a row, for messages."""
        return f"{self.path}, line {row.line}"

    def _header(self, row: Row) -> Header:
        where = self._where(row)
        table = row.path.suffix.lower() in TABLES
        if table and row.sfreq is None:
            raise DataError(
                f"{where}: {row.path.name} is a table and does not say its sampling rate.",
                fits="the rate in Hz in the column sfreq",
                do="add the column sfreq to the manifest, such as 256",
            )
        header = read_header(row.path, row.sfreq)
        if not table and row.unit and row.modality in VOLTAGES and self._own_unit(row, header):
            raise DataError(
                f"{where}: the unit {row.unit!r} is given for {row.path.name}, which says its unit itself.",
                fits="an empty cell",
                do="leave the unit empty for all files but tables",
            )
        if row.modality == "eeg" and not _electrodes(header) and isinstance(self.channels, str):
            raise DataError(
                f"{row.path} has no channel with the name of an electrode; it has "
                f"{', '.join(header.labels[:8]) or 'none'}.",
                fits="names of the 10-05 system, such as Fp1 or EEG Cz-REF",
                do="list the channels to use in `channels`, or give the row its modality",
            )
        return header

    def _own_unit(self, row: Row, header: Header) -> bool:
        channels = header.of_kind(row.modality)
        return bool(channels) and all(header.units[k] == "V" for k in channels)

    def _stretch(self, row: Row, header: Header) -> _Stretch:
        """Place one row in its file."""
        where = self._where(row)
        sfreq = _rate(where, row, header)
        if row.sfreq is not None and abs(sfreq / row.sfreq - 1) > _RATE_TOLERANCE:
            raise DataError(
                f"{where}: sfreq is {row.sfreq:g} Hz, but {row.path.name} says {sfreq:g} Hz.",
                fits="the rate of the file, or an empty cell",
                do="correct sfreq, or export the file at the rate it should have",
            )
        end = header.seconds if row.duration is None else row.onset + row.duration
        if row.onset >= header.seconds or end > header.seconds + 1 / sfreq:
            raise DataError(
                f"{where}: the stretch from {row.onset:g} s to {max(end, row.onset):g} s does not lie in "
                f"{row.path.name}, which is {header.seconds:.2f} s long.",
                fits="onset and duration in seconds from the start of the file",
                do="correct onset or duration (are they in samples or milliseconds?)",
            )
        inside = [b for b in header.breaks if row.onset + 1 / sfreq < b < end - 1 / sfreq]
        if inside:
            raise DataError(
                f"{where}: {row.path.name} was interrupted at {inside[0]:.3f} s.",
                fits="an uninterrupted stretch",
                do="give the stretches before and after it rows of their own, with onset and duration",
            )
        start, stop = _samples(header, row.onset, end, sfreq)
        if stop - start < 2:
            raise DataError(
                f"{where}: the stretch of {end - row.onset:g} s has {stop - start} samples.", "two samples or more"
            )
        check_stamps(header, start, stop, where)
        return _Stretch(row, header, start, stop, sfreq)

    def _read(
        self, stretches: list[_Stretch], readers: dict[tuple, Any], found: dict[str, list[str]] | None = None
    ) -> Recording:
        """Return one recording; `readers` holds the open files of the one before, which often are the same."""
        first, meta = stretches[0].row, {}
        keys = {(s.header.path, s.row.modality) for s in stretches}
        signals = {s.row.modality: partial(self._signal, s, first.onset, keys, readers, found) for s in stretches}
        ids = {"source": "manifest", "subject": first.subject, "session": first.session}
        more = {"trial": full_name(first), "stimulus": first.stimulus, "recording": first.recording}
        if self.interpolate:
            there = [set(self._channels(s)[0]) for s in stretches if s.row.modality == "eeg"]
            meta["interpolated"] = ",".join(name for names in there for name in self._electrodes if name not in names)
        return Recording(Lazy(signals), {**ids, **more, **first.labels, **meta})

    def _signal(
        self,
        stretch: _Stretch,
        onset: float,
        keys: set[tuple],
        readers: dict[tuple, Any],
        found: dict[str, list[str]] | None,
    ) -> Signal:
        """Read one signal of a recording, whose files are `keys`."""
        for key in set(readers) - keys:
            del readers[key]
        key = stretch.header.path, stretch.row.modality
        if key not in readers:
            readers[key] = self._open(stretch, found)
        names, labels, units, read = readers[key]
        data = read(stretch.start, stretch.stop)
        _check_finite(stretch, labels, data)
        facts = [UNITS[unit] for unit in units]
        data = data * np.array([[f[1]] for f in facts]) + np.array([[f[2]] for f in facts])
        if stretch.row.modality == "eeg" and names != self._electrodes:
            data = interpolate_channels(data, names, self._electrodes, stretch.sfreq)
            names = self._electrodes
        data = np.ascontiguousarray(data, dtype=np.float32)
        return Signal(data, stretch.sfreq, tuple(names), facts[0][0], onset)

    def _channels(self, stretch: _Stretch) -> tuple[list[str], list[int]]:
        """Return the names of the channels of a row's modality and their numbers in the file."""
        header, row = stretch.header, stretch.row
        if row.modality != "eeg":
            channels = _of_modality(header, row.modality)
            return [header.labels[k] for k in channels], channels
        there = _electrodes(header) | {label: k for k, label in enumerate(header.labels) if label in self._electrodes}
        whole = all(name in there for name in self._electrodes)
        names = self._electrodes if whole else [n for n in there if n in self._electrodes or standard_name(n)]
        return names, [there[name] for name in names]

    def _open(self, stretch: _Stretch, found: dict[str, list[str]] | None) -> tuple:
        """Open the channels of one modality: their names, labels in the file, units and how they are read."""
        header, row = stretch.header, stretch.row
        where = self._where(row)
        names, channels = self._channels(stretch)
        if {header.rates[k] for k in channels} != {stretch.sfreq}:
            raise DataError(
                f"{where}: the channels {', '.join(names)} of {header.path.name} have different rates.",
                fits="one rate for one modality",
            )
        units = [_unit(where, row, header, k, self.unit) for k in channels]
        if len({UNITS[unit][0] for unit in units}) > 1:
            raise DataError(
                f"{where}: the channels {', '.join(names)} of {header.path.name} have the units {', '.join(units)}.",
                fits="one unit for one modality",
            )
        notes: list[str] = []
        read = open_signal(header, channels, notes)
        if found is not None:
            for text in notes:
                found[text].append(header.path.name)
        return list(names), [header.labels[k] for k in channels], units, read

    def _unused(self, stretch: _Stretch) -> Iterator[str]:
        """Say which channels of a file are not taken, and what was assumed about it."""
        header = stretch.header
        groups = [s for group in self._recordings for s in group if s.header.path == header.path]
        modalities = {s.row.modality for s in groups}
        if "eeg" not in modalities:
            return
        used = set(self._electrodes)
        by_kind = defaultdict(list)
        for label, kind, electrode in zip(header.labels, header.kinds, header.electrodes, strict=True):
            if kind not in modalities and label not in used:
                by_kind[kind].append(label)
            elif kind == "eeg" and electrode not in used and label not in used:
                by_kind["not in all files, or not listed"].append(label)
        if by_kind:
            words = "; ".join(
                f"{', '.join(labels)} ({'no name of an electrode' if kind == 'other' else kind})"
                for kind, labels in by_kind.items()
            )
            yield f"channels not used as EEG: {words}"
        outside = sorted(used & {"CB1", "CB2"})
        if outside:
            yield f"{', '.join(outside)}: outside the 10-05 system, without a position"
        if header.table and not stretch.row.unit:
            yield f"no unit is given; the values are taken as {self.unit}"

    def _rate_notes(self) -> Iterator[str]:
        rates = defaultdict(set)
        for stretch in (s for group in self._recordings for s in group):
            rates[stretch.row.modality].add(round(stretch.sfreq, 3))
        for modality, values in rates.items():
            if len(values) > 1:
                words = ", ".join(f"{v:g}" for v in sorted(values))
                step = f"process: [{{resample: {{to: {min(values):g}}}}}]"
                yield f"{modality} at different rates ({words} Hz): add `{step}` to the study"

    def _design_notes(self) -> Iterator[str]:
        """Say which protocols cannot use these recordings."""
        trials = pd.DataFrame(
            [{"subject": r.subject, "trial": full_name(r), **r.labels} for r in self._rows]
        ).drop_duplicates("trial")
        if trials["subject"].nunique() == 1:
            yield "one subject: the protocols loso and subject_stimulus need at least two"
        counts = trials["subject"].value_counts()
        single = sorted(counts[counts == 1].index)
        if single:
            yield (
                f"{len(single)} of {len(counts)} subjects have a single trial ({', '.join(single[:_NAMED])}): the "
                "protocols trial and session cannot use them; loso can"
            )
        files = pd.DataFrame([{"subject": r.subject, "recording": r.recording} for r in self._rows])
        shared = files.drop_duplicates()["recording"].value_counts()
        for recording in sorted(shared[shared > 1].index):
            yield f"{recording} is a recording of several subjects: loso has it on both sides"
        for label in self.labels or self._rows[0].labels:
            if self.labels or _is_class(trials[label]):
                yield from _class_notes(trials, label)


def _is_class(column: pd.Series) -> bool:
    """Say whether a column holds classes rather than ratings or remarks."""
    return column.nunique() <= (_MOST_CODES if pd.api.types.is_numeric_dtype(column) else _MOST_CLASSES)


def _class_notes(trials: pd.DataFrame, label: str) -> Iterator[str]:
    """Say which classes of a label have too few trials for a protocol."""
    classes = trials[label].astype(str)
    if classes.nunique() < 2:
        yield f"{label} is {classes.iloc[0]!r} everywhere: no study can predict it"
        return
    counts = pd.crosstab(trials["subject"], classes)
    places = [(s, c) for s in counts.index for c in counts.columns if counts.loc[s, c] == 1]
    if places:
        words = ", ".join(f"{c} of {s}" for s, c in places[:_NAMED])
        yield (
            f"{label}: {len(places)} classes have a single trial within a subject ({words}): the protocol trial needs "
            "two of each"
        )
    constant = [s for s in counts.index if (counts.loc[s] > 0).sum() == 1 and counts.loc[s].sum() > 1]
    if constant:
        yield (
            f"{label}: all trials of {', '.join(map(str, constant[:_NAMED]))} have one class: the protocol trial "
            "cannot use such a subject"
        )


def _overlaps(path: Path, stretches: list[_Stretch]) -> Iterator[tuple[int, DataError]]:
    """Yield the lines of rows whose signal another one holds too, and what to say of them."""
    order = sorted(stretches, key=lambda s: (str(s.header.path.resolve()), s.row.modality, s.start, s.stop))
    for (file, modality), group in groupby(order, key=lambda s: (s.header.path.resolve(), s.row.modality)):
        longest = None
        for stretch in group:
            if longest is not None and stretch.start < longest.stop:
                a, b = sorted((longest.row, stretch.row), key=lambda row: row.line)
                labels = ", with different labels." if a.labels != b.labels else "."
                if (longest.start, longest.stop) == (stretch.start, stretch.stop):
                    error = DataError(
                        f"{path}, lines {a.line} and {b.line}: the same {modality} stretch of {file.name} is listed "
                        f"twice{labels}",
                        fits="each stretch once",
                        do="take one of the duplicate rows out" + _onset_hint(a, b),
                    )
                else:
                    seconds = (min(longest.stop, stretch.stop) - stretch.start) / stretch.sfreq
                    error = DataError(
                        f"{path}, lines {a.line} and {b.line}: the stretches of {file.name} overlap by {seconds:.2f} "
                        f"s{labels}",
                        fits="stretches that share no signal",
                        do="correct onset and duration" + _onset_hint(a, b),
                    )
                yield b.line, error
            if longest is None or stretch.stop > longest.stop:
                longest = stretch


def _onset_hint(a: Row, b: Row) -> str:
    whole = a.duration is None and b.duration is None and a.onset == b.onset == 0
    return "; to use several parts of one file, add the columns onset and duration" if whole else ""


def _grouped(path: Path, stretches: list[_Stretch]) -> list[list[_Stretch]]:
    """Put the modalities of one trial together: the n-th stretch of each is the n-th recording of the trial."""
    trials: dict[str, dict[str, list[_Stretch]]] = defaultdict(lambda: defaultdict(list))
    for stretch in stretches:
        trials[full_name(stretch.row)][stretch.row.modality].append(stretch)
    groups = []
    for trial, modalities in trials.items():
        counts = {modality: len(group) for modality, group in modalities.items()}
        if len(set(counts.values())) > 1:
            words = ", ".join(f"{n} of {modality}" for modality, n in counts.items())
            line = next(iter(modalities.values()))[0].row.line
            raise DataError(
                f"{path}, line {line}: the trial {trial!r} has {words}.",
                fits="as many stretches of each modality",
                do="add or take out rows, or give the trials different names",
            )
        groups += [list(group) for group in zip(*modalities.values(), strict=True)]
    return groups


def _electrodes(header: Header) -> dict[str, int]:
    """Return the number of the channel of each electrode of a file, or say which two are the same."""
    places: dict[str, int] = {}
    for k, electrode in enumerate(header.electrodes):
        if electrode is None:
            continue
        if electrode in places:
            raise DataError(
                f"{header.path}: the channels {header.labels[places[electrode]]!r} and {header.labels[k]!r} are the "
                f"same electrode, {electrode}.",
                fits="each electrode once",
                do="export the file with one reference",
            )
        places[electrode] = k
    return places


def _of_modality(header: Header, modality: str) -> list[int]:
    """Return the channels of a modality; a table's channels need no telling name."""
    if modality == "eeg":
        return header.of_kind("eeg") or header.of_kind("other")
    return header.of_kind(modality) or (header.of_kind("other") if header.table else [])


def _rate(where: str, row: Row, header: Header) -> float:
    """Return the rate of the channels of a row's modality, which must have one."""
    channels = _of_modality(header, row.modality)
    if not channels:
        there = [kind for kind in dict.fromkeys(header.kinds) if kind != "other"]
        raise DataError(
            f"{where}: {row.path.name} has no channel of the modality {row.modality!r}.{near(row.modality, there)}",
            fits=f"one of {', '.join(there)}" if there else "a file with channels whose names say what they are",
            do="correct the column modality, or name the channels after what they measure",
        )
    rates = {header.rates[k] for k in channels}
    if len(rates) > 1:
        raise DataError(
            f"{where}: the {row.modality} channels of {row.path.name} have the rates "
            f"{', '.join(f'{r:g}' for r in sorted(rates))} Hz.",
            fits="one rate for one modality",
            do="export them at one rate",
        )
    return rates.pop()


def _samples(header: Header, onset: float, end: float, sfreq: float) -> tuple[int, int]:
    """Return the first sample of a stretch and the one after its last."""
    if header.stamps is not None:  # rows may be missing in a table, so its stamps say where a second is
        half = 0.5 / sfreq
        first, stop = np.searchsorted(header.stamps, [onset - half, end - half])
        return int(first), int(stop)
    total = round(header.seconds * sfreq)
    return round(onset * sfreq), min(round(end * sfreq), total)


def _unit(where: str, row: Row, header: Header, channel: int, eeg: str) -> str:
    """Return the unit in which a channel's values come."""
    unit = row.unit or header.units[channel] or (eeg if header.table and row.modality == "eeg" else "")
    voltage = row.modality in VOLTAGES
    if not unit and not voltage and not header.table:
        return "none"
    if not unit or unit not in UNITS or (voltage and UNITS[unit][0] != "V"):
        raise DataError(
            f"{where}: the unit of {header.labels[channel]!r} in {header.path.name} is "
            + (f"{unit!r}." if unit else "not given."),
            fits="V, mV, uV or nV" if voltage else f"one of {', '.join(UNITS)}",
            do="write the unit of the values into the column unit of the manifest",
        )
    return unit


def _check_finite(stretch: _Stretch, labels: list[str], data: np.ndarray) -> None:
    bad = (~np.isfinite(data)).sum(axis=1)
    if bad.any():
        words = ", ".join(f"{n} in {label}" for label, n in zip(labels, bad, strict=True) if n)
        raise DataError(
            f"{stretch.header.path}: {int(bad.sum())} of {data.size} values are missing or infinite (NaN): {words}.",
            fits="finite values",
            do="give the stretches before and after them rows of their own with onset and duration, or leave the "
            "channel or file out",
        )


def _amplitude_notes(recording: Recording) -> Iterator[str]:
    """Say where EEG is flat or has an amplitude that no EEG has."""
    if "eeg" not in recording.signals:
        return
    signal = cast(Signal, recording.signals["eeg"])
    deviations = signal.data.std(axis=1, dtype=np.float64)
    flat = [name for name, sd in zip(signal.ch_names, deviations, strict=True) if sd == 0]
    if flat and len(flat) < len(deviations):
        yield f"flat (all values equal): {', '.join(flat)}"
    median = float(np.median(deviations))
    if not _QUIET <= median <= _LOUD:
        kind = "small" if median < _QUIET else "large"
        yield f"the signal is too {kind} for EEG (median standard deviation of a channel {_microvolts(median)}): unit?"


def _microvolts(volts: float) -> str:
    return f"about 1e{round(np.log10(volts * 1e6)):+d} uV" if volts > 0 else "0"
