"""Folders of simulated files: they say that they are simulated, and never take the place of anything else."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thymos.base.errors import InputError
from thymos.base.folders import check_above
from thymos.sources.base import TRUTH

__all__ = ["TRUTH", "Simulated", "cell", "earlier", "simulated", "write_mat", "write_pickle"]


class Simulated:
    """A folder that is being filled.

    Attributes
    ----------
    path : Path
        The folder.
    truth : dict
        What was put in; written beside the data. Arrays are written as lists.
    """

    def __init__(self, path: Path):
        self.path = path
        self.truth: dict[str, Any] = {}
        self._files: list[str] = []

    def file(self, name: str) -> Path:
        """Return the path of a file to be written, its folder made.

        Raises
        ------
        InputError
            If there is such a file already, or a link leads out of the folder.
        """
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() or path.is_symlink() or not path.parent.resolve().is_relative_to(self.path.resolve()):
            raise InputError(f"{path} exists, or lies elsewhere, and was not simulated.", do="choose another folder")
        self._files.append(name)
        return path

    def _write(self, layout: str, parameters: Mapping[str, Any]) -> None:
        sizes = {name: (self.path / name).stat().st_size for name in self._files if (self.path / name).is_file()}
        about = {"layout": layout, "parameters": dict(parameters), **self.truth, "files": sizes}
        text = json.dumps(about, indent=1, default=lambda value: value.tolist())
        (self.path / TRUTH).write_text(text + "\n")


@contextmanager
def simulated(folder: Path, layout: str, parameters: Mapping[str, Any]) -> Iterator[Simulated]:
    """Fill a folder with simulated files; an earlier simulation in it is removed first.

    Parameters
    ----------
    folder : Path
        The corpus' own folder.
    layout : str
        Name of the source that reads it.
    parameters : mapping
        All that the simulation depends on.

    Raises
    ------
    InputError
        If the folder exists and was not simulated. Nothing of it is touched.
    """
    folder = Path(folder)
    for file in earlier(folder, layout):
        file.unlink()
    check_above(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = Simulated(folder)
    made._write(layout, parameters)  # first of all it says that it is simulated
    try:
        yield made
    finally:
        made._write(layout, parameters)


def earlier(folder: Path, layout: str) -> list[Path]:
    """Return the files that an earlier simulation left in a folder, as it left them.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or in another layout.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return []
    try:
        about = json.loads((folder / TRUTH).read_text())
        sizes, there = {Path(name): int(size) for name, size in about["files"].items()}, about["layout"]
        if any(name.is_absolute() or ".." in name.parts for name in sizes):
            raise ValueError(f"{TRUTH} names files elsewhere")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{folder} exists and was not simulated.",
            fits=f"a new folder, or one with {TRUTH}",
            do="choose another folder; real data are never overwritten",
        ) from None
    if there != layout:
        raise InputError(
            f"{folder} holds a simulation in another layout, {there}.",
            fits=f"a new folder, or one with {layout}",
            do="choose another --out",
        )
    inside = folder.resolve()
    return [
        folder / name
        for name, size in sizes.items()
        if (folder / name).is_file()
        and not (folder / name).is_symlink()
        and (folder / name).parent.resolve().is_relative_to(inside)
        and (folder / name).stat().st_size == size  # another size: not what was written
    ]


class _PythonTwo(pickle._Pickler):
    """Writes bytes and names as Python 2 did, where both were text; Python 3 would need half as much space again."""

    if TYPE_CHECKING:  # what the stub of the pickler leaves out

        def write(self, content: bytes) -> None: ...

        def memoize(self, value: Any) -> None: ...

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def _text(self, value: bytes | str) -> None:
        content = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = _text


def write_pickle(path: Path, content: Any) -> None:
    """Write arrays as Python 2 did, protocol 2."""
    with path.open("wb") as file:
        _PythonTwo(file, protocol=2).dump(content)


def write_mat(path: Path, **variables: Any) -> None:
    """Write a MATLAB file of version 5; unlike SciPy's own it does not hold the time of day."""
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True, oned_as="column")
    content = buffer.getvalue()
    path.write_bytes(b"MATLAB 5.0 MAT-file, simulated".ljust(116) + content[116:])


def cell(values: Sequence[Any], shape: tuple[int, int] | None = None) -> np.ndarray:
    """Return a MATLAB cell array, a row by default."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made.reshape(shape or (1, -1))
