"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from thymos.base.errors import InputError

__all__ = ["check_above", "check_place", "existing", "mine", "remove_abandoned", "whole_file", "whole_folder"]


def check_place(folder: str | os.PathLike, names: Sequence[str], what: str, overwrite: bool = False) -> Path:
    """Refuse a place where a folder may not be written; only what is recognised may ever be replaced.

    Parameters
    ----------
    folder : path
    names : sequence of str
        Names of the files of such a folder, or patterns of names, with the folder in it that they lie in
        (``X/*.npy``). The first is in every one; a folder that holds anything else is not replaced.
    what : str
        What such a folder holds, in words.
    overwrite : bool
        Such a folder may be replaced.

    Raises
    ------
    InputError
        If something is there that may not be replaced, or the place cannot be written to.
    """
    folder = Path(folder).absolute()
    if folder.is_symlink():
        raise InputError(f"{folder} is a link.", "a folder", "name the folder that it leads to, or another one")
    if folder.exists() and overwrite and (folder / names[0]).is_file():
        strange = next((p for p in folder.rglob("*") if not _is_named(p, folder, names)), None)
        if strange is not None:
            raise InputError(
                f"{folder} holds {strange.relative_to(folder).as_posix()!r} beside {what}.",
                f"nothing but {what}",
                "move it away, or choose a new name",
            )
    elif folder.exists():
        raise InputError(
            f"{folder} already exists.",
            fits=f"a folder that holds {what}" if overwrite else "a new folder",
            do="choose another name"
            + ("" if overwrite else f", or pass overwrite=True (on the command line --overwrite) to replace {what}"),
        )
    check_above(folder)
    return folder


def _is_named(place: Path, folder: Path, names: Sequence[str]) -> bool:
    """Whether what lies in a folder is called as a file of it, or is a folder of such files."""
    name = place.relative_to(folder).as_posix()
    if place.is_dir():
        return not place.is_symlink() and any(pattern.startswith(f"{name}/") for pattern in names)
    return any(fnmatch(name, pattern) and name.count("/") == pattern.count("/") for pattern in names)


def check_above(folder: Path) -> None:
    """Refuse a place for a new folder whose nearest parent that exists is a file, or may not be written to.

    Raises
    ------
    InputError
        If it is so.
    """
    above = existing(folder.absolute().parent)
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{folder} cannot be written: {above} does not allow it.", "a folder one may write to")


def existing(place: Path) -> Path:
    """Return the place itself if it is there, else its nearest parent that is."""
    place = place.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def mine(prefix: str) -> str:
    """Return how the names of folders begin that this process removes in the end; see :func:`remove_abandoned`."""
    return f"{prefix}{socket.gethostname()}-{os.getpid()}-"


def remove_abandoned(place: Path, prefix: str) -> None:
    """Remove folders in a place that processes of this machine began (:func:`mine`) and, killed, left behind."""
    if os.name != "posix":
        return  # elsewhere there is no harmless way to ask for a process
    head = f"{prefix}{socket.gethostname()}-"
    for folder in place.glob(f"{head}*-*"):
        try:
            os.kill(int(folder.name.removeprefix(head).split("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, PermissionError):
            continue


@contextmanager
def whole_folder(folder: str | os.PathLike, names: Sequence[str], what: str, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new, empty folder, which takes the name of `folder` at the end if nothing was raised meanwhile.

    Parameters and errors as :func:`check_place`. Whatever happens, what was there before is there unchanged until the
    new folder is finished.
    """
    folder = check_place(folder, names, what, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, retired = (folder.with_name(f".{folder.name}.{uuid.uuid4().hex}") for _ in range(2))
    fresh.mkdir()
    try:
        yield fresh
        if folder.exists():
            folder.rename(retired)
        fresh.rename(folder)
        shutil.rmtree(retired, ignore_errors=True)
    finally:
        if retired.exists() and not folder.exists():
            retired.rename(folder)
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def whole_file(path: str | os.PathLike, overwrite: bool = False) -> Iterator[Path]:
    """Yield a name to write to, which becomes `path` at the end if nothing was raised meanwhile.

    Raises
    ------
    InputError
        If the file exists and may not be replaced, or the place cannot be written to.
    """
    path = Path(path)
    if path.exists() and not (overwrite and path.is_file()):
        raise InputError(f"{path} is there already.", "a new name", "give another name, or --overwrite")
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.touch()  # now, and not after an hour of computing
        yield fresh
        with _writing(path):
            fresh.replace(path)
    finally:
        with suppress(OSError):
            fresh.unlink()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}.", fits="a place that can be written to") from None
