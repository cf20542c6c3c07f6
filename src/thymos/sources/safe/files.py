"""Folders, zip archives, tables and sizes."""

from __future__ import annotations

import csv
import io
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import pandas as pd

from thymos.base.errors import DataError, SourceNotFoundError, ThymosError

__all__ = [
    "LARGEST",
    "Tree",
    "bounded",
    "csv_chunks",
    "numbers",
    "once",
    "read_csv",
    "readable",
    "refuse",
]

#: Bytes that one array, or one file once unpacked, may take.
LARGEST = 4 * 2**30

_AGAIN = "copy or download it again"
_OBJECT = re.compile(r"\s*<[^<>]* at 0x[0-9a-f]+>")
_DAMAGED = (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, KeyError, zlib.error)


def bounded(path: str | os.PathLike, shape: Sequence[int], itemsize: int, limit: int = LARGEST) -> None:
    """Refuse an array that would be larger than anything the corpora hold, before it is made.

    Raises
    ------
    DataError
        If it would take more than `limit` bytes, or an axis is negative.
    """
    size = itemsize
    for n in shape:
        size *= int(n)
    if size > limit or any(n < 0 for n in shape):
        raise DataError(
            f"{path} declares an array of shape {tuple(int(n) for n in shape)}, {size / 2**30:.3g} GiB.",
            fits=f"at most {limit / 2**30:.3g} GiB",
            do=_AGAIN,
        )


@contextmanager
def readable(path: str | os.PathLike, fits: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn the errors of a library that reads `path` into one of ours.

    Parameters
    ----------
    path : path
        The file.
    fits : str
        What it should be.
    *errors : exception classes
        What the library raises, beside those of the operating system and of memory.

    Raises
    ------
    DataError
        In their place.
    """
    try:
        yield
    except ThymosError:
        raise
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.", fits=fits, do=_AGAIN) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or _reason(error)}.", fits=fits, do=_AGAIN) from None
    except (MemoryError, OverflowError):
        raise DataError(
            f"{path} needs more memory than there is, or says so.", fits=fits, do=f"use a larger machine, or {_AGAIN}"
        ) from None
    except errors as error:
        raise DataError(f"{path} cannot be read: {_reason(error)}.", fits=fits, do=_AGAIN) from None


def _reason(error: Exception) -> str:
    """Return the first line of what a library says, without the addresses of its objects."""
    said = _OBJECT.sub("", str(error)).strip().splitlines()
    return (said or [type(error).__name__])[0].rstrip(".")


def once(names: Sequence[str], key: Callable[[str], Hashable]) -> tuple[list[str], list[tuple[str, str]]]:
    """Leave out what lies twice in a tree, as mirrors nest it in itself.

    Parameters
    ----------
    names : sequence of str
        Paths relative to the root.
    key : callable
        Path to what names the content; of paths with one key the shallowest is kept.

    Returns
    -------
    kept : list of str
        Sorted.
    copies : list of (str, str)
        Each path left out, and the one kept in its place.
    """
    kept: dict[Hashable, str] = {}
    copies = []
    for name in sorted(names, key=lambda name: (name.count("/"), name)):
        first = kept.setdefault(key(name), name)
        if first != name:
            copies.append((name, first))
    return sorted(kept.values()), copies


def walk(root: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted, links to folders followed once, hidden ones passed over."""
    seen = set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder that was walked already
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "__MACOSX")
        yield from (Path(place) / name for name in sorted(names) if name[0] != ".")


class Tree:
    """The files below a folder, or in a zip archive, which is read in place and never unpacked to disk.

    Parameters
    ----------
    root : path
        A folder or a ``.zip`` file.
    limit : int
        Bytes that one file in it may have.
    """

    def __init__(self, root: str | os.PathLike, limit: int = 2**28):
        self.root = Path(root)
        self.limit = limit
        self._zip = self.root.suffix.lower() == ".zip"
        if not self.root.exists():
            raise SourceNotFoundError(f"There is no {self.root}.", fits="a folder or a zip archive")
        if self._zip:
            with readable(self.root, "a zip archive", zipfile.BadZipFile, ValueError, NotImplementedError):
                self._archive = zipfile.ZipFile(self.root)

    def names(self, *suffixes: str) -> list[str]:
        """Return the paths of all files, relative to the root, sorted; of some suffixes only if given.

        Hidden files and those that a Mac leaves in archives are passed over.
        """
        if self._zip:
            names = [i.filename for i in self._archive.infolist() if not i.is_dir()]
        else:
            names = [path.relative_to(self.root).as_posix() for path in walk(self.root)]
        wanted = {s.lower() for s in suffixes}
        return sorted(
            name
            for name in names
            if (not wanted or PurePosixPath(name).suffix.lower() in wanted)
            and not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
        )

    def where(self, name: str) -> str:
        """Return how a file is called in messages."""
        return f"{self.root}{':' if self._zip else os.sep}{name}"

    def size(self, name: str) -> int:
        """Return the size of one file in bytes, as its folder or the archive says."""
        with readable(self.where(name), "a file", KeyError):
            return self._archive.getinfo(name).file_size if self._zip else (self.root / name).stat().st_size

    @contextmanager
    def open(self, name: str, limit: int) -> Iterator[IO[bytes]]:
        """Open a long file to be read bit by bit.

        Raises
        ------
        DataError
            If it is larger than `limit` bytes, or damaged.
        """
        fits = f"an undamaged file of at most {limit / 2**20:.0f} MiB"
        if self.size(name) > limit:  # of an archive no more than this is ever unpacked
            raise DataError(f"{self.where(name)} is larger than {limit / 2**20:.0f} MiB.", fits=fits)
        with (
            readable(self.where(name), fits, *_DAMAGED),
            self._archive.open(name) if self._zip else (self.root / name).open("rb") as file,
        ):
            yield file

    def read(self, name: str) -> bytes:
        """Return the bytes of one file.

        Raises
        ------
        DataError
            If it cannot be read or is larger than the limit, whatever its header says.
        """
        fits = f"a file of at most {self.limit / 2**20:.0f} MiB"
        with (
            readable(self.where(name), fits, *_DAMAGED),
            self._archive.open(name) if self._zip else (self.root / name).open("rb") as file,
        ):
            content = file.read(self.limit + 1)
        if len(content) > self.limit:
            raise DataError(f"{self.where(name)} is larger than {self.limit / 2**20:.0f} MiB.", fits=fits)
        return content


def read_csv(path: str | os.PathLike, columns: Sequence[str], text: bytes | None = None, **options) -> pd.DataFrame:
    """Read a table and see that it has some columns; blanks around names are dropped.

    Parameters
    ----------
    path : path
        The file, named in messages.
    columns : sequence of str
        Columns that must be there; letter case counts.
    text : bytes, optional
        The content, where it does not lie at `path`.
    **options
        For :func:`pandas.read_csv`.

    Raises
    ------
    DataError
        If it cannot be read or lacks a column.
    """
    with _csv(path, columns) as fits:
        source = path if text is None else io.BytesIO(text)
        return _having(path, columns, fits, pd.read_csv(source, **{**_CSV, **options}))


def csv_chunks(
    path: str | os.PathLike, columns: Sequence[str], rows: int, file: IO[bytes] | None = None, **options
) -> Iterator[pd.DataFrame]:
    """Yield a long table, at `path` or in an open file, in pieces of `rows` rows; otherwise as :func:`read_csv`."""
    with _csv(path, columns):
        pieces = pd.read_csv(path if file is None else file, chunksize=rows, **{**_CSV, **options})
    with pieces:
        while True:
            with _csv(path, columns) as fits:  # not across the yield: the filter of warnings is everybody's
                piece = next(pieces, None)
                if piece is None:
                    return
                piece = _having(path, columns, fits, piece)
            yield piece


_CSV = {"skipinitialspace": True, "index_col": False}


@contextmanager
def _csv(path: str | os.PathLike, columns: Sequence[str]) -> Iterator[str]:
    fits = f"a csv with the columns {', '.join(columns)}" if columns else "a csv"
    errors = pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, csv.Error
    with warnings.catch_warnings(), readable(path, fits, *errors):
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a header that does not go with its rows
        try:
            yield fits
        except pd.errors.EmptyDataError:
            raise DataError(f"{path} is empty.", fits=fits, do=_AGAIN) from None


def _having(path: str | os.PathLike, columns: Sequence[str], fits: str, table: pd.DataFrame) -> pd.DataFrame:
    table.columns = [str(c).strip() for c in table.columns]
    absent = [c for c in columns if c not in table.columns]
    if absent:
        raise DataError(
            f"{path} has no column {', '.join(absent)}; it has {', '.join(table.columns[:12]) or 'none'}.", fits=fits
        )
    return table


def numbers(path: str | os.PathLike, table: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as floating-point numbers; an empty cell is NaN.

    Raises
    ------
    DataError
        If a cell holds text.
    """
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    text = np.flatnonzero(np.isnan(values) & table[column].notna().to_numpy())
    if len(text):
        raise DataError(
            f"{path}, row {text[0] + 1}, column {column}: {table[column].iloc[text[0]]!r} is not a number.",
            fits="numbers, or an empty cell where a value is missing",
        )
    return values


def refuse(
    path: str | os.PathLike, table: pd.DataFrame, column: str, wrong: np.ndarray | pd.Series, fits: str, start: int = 0
) -> None:
    """See that no value of a column is wrong; `start` rows came before this table.

    Raises
    ------
    DataError
        That names the first wrong value and its row, counted from 1 without the header.
    """
    rows = np.flatnonzero(np.asarray(wrong))
    if len(rows):
        value = table[column].iloc[rows[0]]
        raise DataError(f"{path}, row {start + rows[0] + 1}, column {column}: {value!r}.", fits=fits)
