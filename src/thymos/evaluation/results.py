"""The store of a run: parquet files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from thymos.base.errors import DataError, InputError
from thymos.base.folders import existing

__all__ = ["Results"]

_ABANDONED = 3600  # seconds


class Results:
    """A folder of results.

    ``rows/``, ``predictions/``, ``history/`` and ``inspections/NAME/`` hold one parquet file per fit; ``*.json`` hold
    what concerns the whole run, ``sittings/`` who computed when. A fit counts as finished once its file in ``rows/`` is
    there, which is written last. Several processes may share a folder: each file appears whole, whoever writes it.

    Parameters
    ----------
    folder : path
        Made on first use.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)

    def check_writable(self) -> None:
        """Refuse a place where no folder can be, before anything is computed.

        Raises
        ------
        InputError
            If the folder, or its nearest parent that exists, is a file or cannot be written to.
        """
        place = existing(self.folder)
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise InputError(
                f"Results cannot be written to {self.folder}: {place} is "
                + ("not writable." if place.is_dir() else "not a folder."),
                fits="a new folder in a place one may write to",
                do="choose another --out",
            )

    def sweep(self) -> None:
        """Remove half-written files that killed processes left behind, an hour ago or more."""
        for path in self.folder.rglob(".*.part"):
            with contextlib.suppress(OSError):  # another process may be sweeping too
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def append(
        self,
        key: str,
        rows: pd.DataFrame,
        predictions: pd.DataFrame,
        history: pd.DataFrame,
        inspections: Mapping[str, pd.DataFrame] | None = None,
    ) -> None:
        """Store one fit. Each table carries the columns of the fit's identity."""
        looks = [(f"inspections/{name}", table) for name, table in (inspections or {}).items()]
        for kind, table in (*looks, ("predictions", predictions), ("history", history), ("rows", rows)):
            if len(table) or kind == "rows":
                self._write(
                    f"{kind}/{_file(key)}.parquet", lambda path, table=table: table.to_parquet(path, index=False)
                )

    def finished(self, key: str) -> bool:
        """Whether a fit is stored."""
        return (self.folder / "rows" / f"{_file(key)}.parquet").is_file()

    def read(self, kind: str) -> pd.DataFrame:
        """Return the tables of a kind of all finished fits, joined: ``rows``, ``history``, ``inspections/NAME``, ..."""
        tables = []
        for path in sorted((self.folder / kind).glob("*.parquet")):
            if not (self.folder / "rows" / path.name).is_file():
                continue  # a fit that was killed between its tables
            try:
                tables.append(pd.read_parquet(path))
            except (OSError, ValueError) as error:
                raise DataError(
                    f"{path} cannot be read: {error}.",
                    do="delete this one file and run the study again; all others are kept",
                ) from None
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Store one table that concerns the whole run."""
        self._write(f"{name}.parquet", lambda path: table.to_parquet(path, index=False))

    def read_table(self, name: str) -> pd.DataFrame:
        """Return a table that concerns the whole run, empty if there is none."""
        path = self.folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame()

    def write_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Store facts about the whole run as json."""
        text = json.dumps(facts, indent=1, default=str)
        self._write(f"{name}.json", lambda path: path.write_text(text))

    def claim_facts(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Store facts unless somebody else already has, perhaps at this moment; return whether these are stored now."""
        path = self.folder / f"{name}.json"
        if path.is_file():
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{uuid.uuid4().hex}.part")
        fresh.write_text(json.dumps(facts, indent=1, default=str))
        try:
            os.link(fresh, path)  # unlike a rename, fails where the name exists
        except FileExistsError:
            return False
        except OSError:  # a file system without links: two runs that begin in the same moment are not told apart
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        return True

    def add_sitting(self, facts: Mapping[str, Any]) -> str:
        """Store the circumstances under which a process computes fits; return the name to store more of them under."""
        name = f"sittings/{facts['time'].replace(':', '')}-{uuid.uuid4().hex[:6]}"
        self.write_facts(name, facts)
        return name

    def sittings(self) -> list[dict[str, Any]]:
        """Return the circumstances of every process that computed fits, oldest first."""
        return [self.read_facts(f"sittings/{path.stem}") for path in sorted((self.folder / "sittings").glob("*.json"))]

    def read_facts(self, name: str, *required: str) -> dict[str, Any]:
        """Return facts about the whole run; those `required` must be among them.

        Raises
        ------
        DataError
            If the folder holds no such facts.
        """
        path = self.folder / f"{name}.json"
        try:
            facts = json.loads(path.read_text())
            missing = [key for key in required if key not in facts]
            if missing:
                raise ValueError(f"{path.name} lacks {', '.join(missing)}")
            return facts
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{self.folder} is not a readable run: {error}.",
                fits="a folder written by `thymos run STUDY --out FOLDER`",
            ) from None

    def has_facts(self, name: str) -> bool:
        """Whether facts of this name are stored."""
        return (self.folder / f"{name}.json").is_file()

    def _write(self, name: str, write: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            write(fresh)
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)


def _file(key: str) -> str:
    """Return a file name for a key: readable, and unique through a hash."""
    readable = "".join(c if c.isalnum() or c in "-_." else "-" for c in key)[:100]
    return f"{readable}.{hashlib.sha256(key.encode()).hexdigest()[:10]}"
