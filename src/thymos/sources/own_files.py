"""Signal files of a user as recordings, for a model that is already trained: no labels, each file for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from thymos.base.errors import DataError
from thymos.base.recording import Recording
from thymos.sources.manifest import Manifest
from thymos.sources.manifest_rows import Row, read_rows
from thymos.sources.own_sounds import SOUNDS
from thymos.sources.signal_files import FORMATS, TABLES, read_header

__all__ = ["OwnFile", "own_files"]

_LOOSE = 0  # the line of a row that no manifest has


class OwnFile(Manifest):
    """The rows of one signal file, with all its electrodes.

    Parameters
    ----------
    path : Path
        Of the manifest, or of the file itself.
    rows : sequence of Row
        Stretches of the file.
    channels : sequence of str
        Names of channels that are taken even if they are not those of electrodes.

    Attributes
    ----------
    notes : tuple of str
        What is remarkable about the file, once its first recording has been read.
    """

    def __init__(self, path: Path, rows: Sequence[Row], channels: Sequence[str] = ()):
        super().__init__(path, labels={})
        self.notes: tuple[str, ...] = ()
        self._given = list(rows)
        self._taken = channels

    def recordings(self, subjects: Any = None) -> Iterator[Recording]:
        """Yield one recording for each row; one of a file without a manifest is a trial named after the file."""
        first = self._given[0]
        header = read_header(first.path, first.sfreq)
        names = [name for name in header.electrodes if name]
        self.channels = [*names, *(label for label in header.labels if label in self._taken and label not in names)]
        self.channels = self.channels or "common"
        self.notes = header.notes
        if header.table and not first.unit:
            self.notes += (f"no unit is given; the values are taken as {self.unit}",)
        if first.line != _LOOSE:
            yield from super().recordings(subjects)
            return
        if header.table:  # its stamps say the rate
            self._given = [replace(first, sfreq=header.rates[0])]
        own = {"source": "file", "trial": str(first.path), "recording": str(first.path)}
        for recording in super().recordings(subjects):
            yield replace(recording, meta={**recording.meta, **own})

    @property
    def _rows(self) -> list[Row]:
        return self._given

    def _where(self, row: Row) -> str:
        return str(row.path) if row.line == _LOOSE else super()._where(row)


def own_files(path: str | Path, modality: str = "eeg", channels: Sequence[str] = ()) -> Iterator[OwnFile]:
    """Yield the signal files that a path stands for: that file, or all that a manifest lists.

    Parameters
    ----------
    path : path
        A file of one of :data:`~thymos.sources.signal_files.FORMATS`, or a manifest: a table with the columns ``path``
        and ``subject`` (see :class:`~thymos.sources.manifest.Manifest`). Labels in it are not looked at. A table of
        signals without a manifest is EEG in microvolts with a column of time stamps.
    modality : str
        Which signal; rows of others are passed over.
    channels : sequence of str
        As :class:`OwnFile`.

    Raises
    ------
    DataError
        If there is no such file, or it is none that can be read, or a manifest lists no such signal.
    """
    path = Path(path)
    if path.is_dir():
        known = SOUNDS if modality == "speech" else FORMATS
        endings = [p.suffix for p in sorted(path.iterdir()) if p.suffix.lower() in known]
        raise DataError(
            f"{path} is a folder.",
            fits="files of signals or sounds, or a manifest that lists some",
            do=f"name its files, such as {path}/*{next(iter(endings), known[0])}",
        )
    if not path.is_file():
        raise DataError(f"There is no file {path}.", fits="a signal file, or a manifest that lists some")
    if not _is_manifest(path):
        row = Row(_LOOSE, path, "-", "1", path.stem, "none", str(path), modality, 0.0, None, None, "", {})
        yield OwnFile(path, [row], channels)
        return
    rows = [row for row in read_rows(path, {}) if row.modality == modality]
    if not rows:
        raise DataError(f"{path} lists no signal of the modality {modality!r}.", fits="rows with this modality")
    for _, group in groupby(sorted(rows, key=lambda row: str(row.path)), key=lambda row: str(row.path)):
        yield OwnFile(path, list(group), channels)


def _is_manifest(path: Path) -> bool:
    """Whether the first line of a table names the columns that a manifest must have."""
    if path.suffix.lower() not in TABLES:
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        head = file.readline().lower()
    names = {
        name.strip().strip('"') for part in head.split(";") for cell in part.split(",") for name in cell.split("\t")
    }
    return {"path", "subject"} <= names
