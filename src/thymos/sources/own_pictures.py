"""Photographs of a user as recordings, for a model that is already trained: no labels, each file for itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from thymos.base.errors import DataError
from thymos.base.recording import Frames, Lazy, Recording
from thymos.sources.base import some
from thymos.sources.images import SUFFIXES
from thymos.sources.safe.files import Tree
from thymos.sources.safe.media import read_image

__all__ = ["own_pictures"]

_LARGEST = 2**26  # bytes of a file


def own_pictures(
    path: str | Path, modality: str = "face", grey: bool = True, notes: list[tuple[str, str]] | None = None
) -> Iterator[Recording]:
    """Yield one recording for each photograph that a path stands for: that file, or all in a folder or zip archive.

    Parameters
    ----------
    path : path
    modality : str
        How the recordings call it.
    grey : bool
        Decode to one channel; otherwise three.
    notes : list of (str, str), optional
        What else lies in a folder or archive, and is passed over, is added to it.

    Raises
    ------
    DataError
        If there is no such file or folder, or no photograph in it. One that cannot be decoded is an error when it is
        asked for.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no {path}.", fits=f"a photograph ({', '.join(SUFFIXES)}), a folder or a zip archive")
    alone = path.is_file() and path.suffix.lower() != ".zip"
    tree = Tree(path.parent if alone else path, _LARGEST)
    names = [path.name] if alone else tree.names(*SUFFIXES)
    if not names or (alone and path.suffix.lower() not in SUFFIXES):
        raise DataError(f"{path} {'is' if alone else 'holds'} no photograph.", fits=f"files {', '.join(SUFFIXES)}")
    others = [] if alone else sorted({*tree.names()} - {*names})
    if others and notes is not None:
        which = f"{len(others)} of its files ({some(others)})"
        notes.append((str(path), f"passed over, none of {', '.join(SUFFIXES)}: {which}"))
    for name in names:
        where = str(path) if alone else tree.where(name)
        meta = dict.fromkeys(("source", "subject", "session", "stimulus"), "-")
        made = Lazy({modality: partial(_frames, tree, name, where, grey)})
        yield Recording(made, {**meta, "source": "file", "session": "1", "trial": where, "recording": where})


def _frames(tree: Tree, name: str, where: str, grey: bool) -> Frames:
    return Frames(read_image(tree.read(name), where, grey)[None])
