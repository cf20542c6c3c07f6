"""Samples written to disk piece by piece, so that they need never be in memory together."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from thymos.base.errors import InputError

__all__ = ["FORMAT", "Block", "SamplesWriter", "array_file"]

FORMAT = "thymos-samples-1"


class Block(NamedTuple):
    """Samples on their way: those of one recording.

    Parameters
    ----------
    X : ndarray, shape (n_samples, ...), or dict of str to ndarray
        One array, or one for each modality.
    meta : DataFrame
        One row for each.
    info : dict
        Facts about all samples, the same in every block.
    """

    X: np.ndarray | Any
    meta: pd.DataFrame
    info: dict[str, Any]


class SamplesWriter:
    """Writer of a folder that :meth:`thymos.base.samples.Samples.load` reads; no pickle.

    The folder holds samples only after :meth:`finish`; write into one with another name, and rename it then.

    Parameters
    ----------
    folder : path
        An empty folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._heads: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
        self._tables: list[pd.DataFrame] = []
        self._labels: list[np.ndarray] = []
        self._several = False

    def add(self, X: np.ndarray | Mapping[str, np.ndarray], meta: pd.DataFrame, y: np.ndarray | None = None) -> None:
        """Append samples; first axis of `X` as long as `meta` and `y`.

        Raises
        ------
        InputError
            If they differ in shape or type from those before them.
        """
        self._several = isinstance(X, Mapping)
        for name, array in (X if isinstance(X, Mapping) else {"X": X}).items():
            if name not in self._files:
                self._heads[name] = array.dtype, array.shape[1:]
                self._files[name] = array_file(self.folder, name, self._several).open("wb")
                self._head(name, 0)
            dtype, shape = self._heads[name]
            if array.shape[1:] != shape or array.dtype != dtype:
                raise InputError(
                    f"Samples of shape {array.shape[1:]} and type {array.dtype} came.",
                    fits=f"shape {shape} and type {dtype}, as those before them",
                )
            np.ascontiguousarray(array).tofile(self._files[name])
        self._tables.append(meta)
        if y is not None:
            self._labels.append(y)

    def finish(self, info: Mapping[str, Any]) -> None:
        """Write what belongs to all samples, and see that everything is on the disk."""
        meta = pd.concat(self._tables, ignore_index=True)
        for name, file in self._files.items():
            self._head(name, len(meta))
            file.flush()
            os.fsync(file.fileno())
            file.close()
        if self._labels:
            np.save(self.folder / "y.npy", np.concatenate(self._labels), allow_pickle=False)
        try:
            meta.to_parquet(self.folder / "meta.parquet")
        except (ValueError, TypeError) as error:  # what Arrow says of a column of texts and numbers
            raise InputError(
                f"The metadata cannot be stored: {error}.", fits="columns of one type each", do="make it all text"
            ) from None
        head = {"format": FORMAT, "modalities": sorted(self._files) if self._several else None, "info": dict(info)}
        (self.folder / "info.json").write_text(json.dumps(head, indent=1, default=_json))

    def __enter__(self) -> SamplesWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        for file in self._files.values():
            file.close()

    def _head(self, name: str, count: int) -> None:
        """Write the head of an array of `count` samples; NumPy leaves room in it for a longer first axis."""
        dtype, shape = self._heads[name]
        head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count, *shape)}
        self._files[name].seek(0)
        np.lib.format.write_array_header_1_0(self._files[name], head)


def array_file(folder: Path, name: str, several: bool) -> Path:
    """Return where an array lies: ``X.npy``, or ``X/<modality>.npy``."""
    if not several:
        return folder / f"{name}.npy"
    (folder / "X").mkdir(exist_ok=True)
    return folder / "X" / f"{name}.npy"


def _json(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise InputError(f"info holds {value!r}, which is no number, text, list or mapping.", fits="plain values")
