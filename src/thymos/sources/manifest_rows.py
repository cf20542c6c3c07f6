"""The rows of a manifest, read and checked without opening the files they name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.catalogue import near
from thymos.base.errors import DataError
from thymos.sources.signal_files import UNITS

__all__ = ["COLUMNS", "Row", "full_name", "read_rows"]

#: Columns that mean something to Thymos; every other one is a label or a rating. The first two are obligatory.
COLUMNS = (
    "path",
    "subject",
    "session",
    "trial",
    "stimulus",
    "recording",
    "modality",
    "onset",
    "duration",
    "sfreq",
    "unit",
)

_MODALITIES = {"gsr": "eda", "ekg": "ecg", "respiration": "resp", "ppg": "bvp", "temperature": "temp"}
_EMPTY = ("", "n/a", "nan")  # cells without a value, in lower case


@dataclass(frozen=True)
class Row:
    """One line of a manifest: what it says in :data:`COLUMNS`, defaults filled in, and its labels.

    `onset` and `duration` are in seconds of the file's clock (no duration: to its end), `sfreq` in Hz.
    """

    line: int
    path: Path
    subject: str
    session: str
    trial: str
    stimulus: str
    recording: str
    modality: str
    onset: float
    duration: float | None
    sfreq: float | None
    unit: str
    labels: Mapping[str, Any]


def read_rows(path: Path, labels: Mapping[str, Sequence[Any] | None] | None) -> list[Row]:
    """Read and check the manifest alone, without its files."""
    table = _read_csv(path)
    own = [c for c in table.columns if c not in (*COLUMNS, "line")]
    for name in labels or {}:
        if name not in own:
            raise DataError(
                f"{path} has no label column {name!r}.{near(name, own)}",
                fits=f"one of {', '.join(own)}" if own else "a column with labels",
            )
    wanted = list(own if labels is None else labels)
    _check_labels(path, table, wanted, labels or {})
    for column in ("path", "subject"):
        empty = table[column].str.lower().isin(_EMPTY)
        if empty.any():
            raise DataError(f"{path}, line {table['line'][empty].iloc[0]}: {column} is empty.", f"a {column}")
    numbers = {column: _column_numbers(path, table, column) for column in ("onset", "duration", "sfreq")}
    further = {column: _typed(table[column]) for column in own}
    folder = path.parent
    rows = []
    for k, cells in enumerate(table.to_dict("records")):
        text = {c: "" if str(v).lower() in _EMPTY else str(v) for c, v in cells.items()}
        modality = text.get("modality", "").lower() or "eeg"
        unit = text.get("unit", "")
        if unit and unit not in UNITS:
            raise DataError(
                f"{path}, line {cells['line']}: there is no unit {unit!r}.{near(unit, UNITS)}",
                fits=f"one of {', '.join(UNITS)}",
            )
        onset = numbers["onset"][k]
        rows.append(
            Row(
                line=int(cells["line"]),
                path=folder / text["path"],
                subject=text["subject"],
                session=text.get("session", "") or "1",
                trial=text.get("trial", ""),
                stimulus=text.get("stimulus", "") or "none",
                recording=text.get("recording", "") or os.path.normpath(text["path"]),
                modality=_MODALITIES.get(modality, modality),
                onset=0.0 if np.isnan(onset) else float(onset),
                duration=None if np.isnan(numbers["duration"][k]) else float(numbers["duration"][k]),
                sfreq=None if np.isnan(numbers["sfreq"][k]) else float(numbers["sfreq"][k]),
                unit=unit,
                labels={column: values[k] for column, values in further.items()},
            )
        )
    rows = _with_trials(rows)
    _check_trials(path, rows, wanted)
    return rows


def _read_csv(path: Path) -> pd.DataFrame:
    """Read the manifest as text, with the line number of each row in the column ``line``."""
    fits = "a csv file with the columns path, subject and labels"
    if path.is_dir():
        there = path / "manifest.csv"
        do = f"name the file {there}" if there.is_file() else f"let `thymos init {path}` write a first {there}"
        raise DataError(f"{path} is a folder.", fits=fits, do=do)
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        separator = next((s for s in (",", ";", "\t") if s in head), ",")
        table = pd.read_csv(
            path,
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except FileNotFoundError:
        raise DataError(
            f"There is no manifest {path}.",
            fits=fits,
            do="write one, or let `thymos init FOLDER` write a first version",
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty.", fits=fits, do="let `thymos init FOLDER` write a first version") from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        words = str(error).strip().splitlines()[0]
        raise DataError(f"{path} cannot be read: {words}.", fits=fits, do="save it as csv in UTF-8") from None
    table = table.fillna("").apply(lambda column: column.str.strip())
    names = [name.lower() if name.lower() in COLUMNS else name for name in table.iloc[0]]
    table = table.iloc[1:].set_axis(names, axis=1)
    table = table.loc[:, [bool(name) or table.iloc[:, k].ne("").any() for k, name in enumerate(names)]]
    twice = sorted({name for name in table.columns if list(table.columns).count(name) > 1})
    if twice or "" in table.columns or "line" in table.columns:
        wrong = f"twice the column {twice[0]!r}" if twice else "a column without a name or with the name 'line'"
        raise DataError(f"{path} has {wrong}.", fits="columns with names of their own", do="rename it")
    for column in ("path", "subject"):
        if column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r}; it has {', '.join(table.columns)}.{near(column, table.columns)}",
                fits=f"the columns path and subject, and as needed {', '.join(COLUMNS[2:])} and labels",
            )
    table = table.assign(line=np.arange(2, len(table) + 2))
    table = table[table.drop(columns="line").ne("").any(axis=1)].reset_index(drop=True)
    if not len(table):
        raise DataError(f"{path} lists no recordings.", fits="at least one row below the names of the columns")
    return table


def _check_labels(path: Path, table: pd.DataFrame, wanted: list[str], allowed: Mapping[str, Any]) -> None:
    for column in wanted:
        empty = table[column].str.lower().isin(_EMPTY)
        if empty.any():
            raise DataError(
                f"{path}, line {table['line'][empty].iloc[0]}: the label {column!r} is empty"
                + (f" (and on {empty.sum() - 1} further lines)." if empty.sum() > 1 else "."),
                fits=f"a value of {column} on every row",
                do=f"fill it in, take the row out, or, if {column} is no label, name the label columns with "
                "`labels: [...]` in the study's source",
            )
        values = [str(value) for value in allowed.get(column) or []]
        wrong = ~table[column].isin(values) if values else np.zeros(len(table), dtype=bool)
        if np.any(wrong):
            value = table[column][wrong].iloc[0]
            raise DataError(
                f"{path}, line {table['line'][wrong].iloc[0]}: {column} is {value!r}.{near(value, values)}",
                fits=f"one of {', '.join(values)}",
            )


def _column_numbers(path: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """Return onset, duration or rate as numbers; NaN where the cell is empty."""
    if column not in table.columns:
        return np.full(len(table), np.nan)
    text = table[column].where(~table[column].str.lower().isin(_EMPTY), "")
    numbers = pd.to_numeric(text.where(text.ne("")), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = (text.ne("") & ~np.isfinite(numbers)) | (numbers < 0) | ((numbers == 0) & (column != "onset"))
    if wrong.any():
        fits = {"onset": "seconds from the start of the file, 0 or more", "duration": "seconds, more than 0"}
        raise DataError(
            f"{path}, line {table['line'][wrong].iloc[0]}: {column} is {table[column][wrong].iloc[0]!r}.",
            fits=fits.get(column, "a rate in Hz, more than 0") + ", written with a decimal point",
        )
    return numbers


def _typed(column: pd.Series) -> list[Any]:
    """Return a column as numbers if all of it is numeric, as text otherwise; empty cells are None."""
    filled = column.where(~column.str.lower().isin(_EMPTY), "")
    numbers = pd.to_numeric(filled.where(filled.ne("")), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if not filled.ne("").any() or np.isnan(numbers[filled.ne("").to_numpy()]).any():
        return [value or None for value in filled]
    if np.isnan(numbers).any() or not filled.str.fullmatch(r"[-+]?\d{1,15}").all():
        return [float(value) for value in numbers]
    return [int(value) for value in numbers]


def _with_trials(rows: list[Row]) -> list[Row]:
    """Name the trials that have no name: the file, with a number where the file has several rows."""
    count: dict[tuple, int] = defaultdict(int)
    total: dict[tuple, int] = defaultdict(int)
    for row in rows:
        total[row.path, row.modality] += 1
    stems = defaultdict(set)
    for row in rows:
        stems[row.subject, row.session, row.path.stem].add(row.path.parent)
    named = []
    for row in rows:
        key = row.path, row.modality
        count[key] += 1
        # two files of one name in different folders are two trials
        alone = len(stems[row.subject, row.session, row.path.stem]) == 1
        name = row.path.stem if alone else f"{row.path.parent.name}-{row.path.stem}"
        name = f"{name}-{count[key]}" if total[key] > 1 else name
        named.append(row if row.trial else replace(row, trial=name))
    return named


def full_name(row: Row) -> str:
    """Return the name of a row's trial, unique within the manifest."""
    return f"{row.subject}-{row.session}-{row.trial}"


def _check_trials(path: Path, rows: list[Row], labels: list[str]) -> None:
    """Check that a trial has one subject, session and label, and a recording one clock."""
    trials: dict[str, Row] = {}
    clocks: dict[tuple, Row] = {}
    for row in rows:
        first = trials.setdefault(full_name(row), row)
        if (first.subject, first.session) != (row.subject, row.session):
            raise DataError(
                f"{path}, lines {first.line} and {row.line}: two trials get the name {full_name(row)!r}.",
                fits="names of subject, session and trial that stay different when joined by '-'",
            )
        for column in labels:
            if first.labels[column] != row.labels[column]:
                raise DataError(
                    f"{path}, lines {first.line} and {row.line}: the trial {full_name(row)!r} has two values of "
                    f"{column}, {first.labels[column]!r} and {row.labels[column]!r}.",
                    fits="one label for one trial",
                    do="give each stretch with a label of its own another name in the column trial",
                )
        other = clocks.setdefault((row.recording, row.modality), row)
        if other.path.resolve() != row.path.resolve():
            raise DataError(
                f"{path}, lines {other.line} and {row.line}: the recording {row.recording!r} has two {row.modality} "
                f"files, {other.path.name} and {row.path.name}.",
                fits="one file per recording and modality, so that its times have one clock",
                do="give the files different names in the column recording, or leave it empty",
            )
