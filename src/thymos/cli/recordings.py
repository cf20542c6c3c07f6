"""The recordings that a command is given for a model: files of one's own, manifests, or those of a corpus."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from thymos.base.recording import Recording
    from thymos.serving.bundle import Bundle
    from thymos.serving.several import SeveralRecipe
    from thymos.sources.base import SourceRow


def recordings_of(
    model: Bundle,
    files: list[Path] | None,
    source: str | None,
    data: Path | None,
    subjects: list[str] | None,
    notes: list[tuple[str, str]],
    failures: dict[str, str],
) -> Iterator[Recording]:
    """Yield the recordings of some files, or of a corpus; a file that cannot be read is noted among the failures."""
    from thymos.base.catalogue import catalogue
    from thymos.base.errors import InputError
    from thymos.sources.base import open_source

    if bool(files) == bool(source):
        raise InputError(
            "Files and a --source came." if files else "No recordings came.", fits="files, or --source NAME --data DIR"
        )
    if source:
        yield from open_source(source, cast("SourceRow", catalogue("source")[source]), None, data, {}).load(
            subjects or None
        )
        return
    places: dict[Path, list[Path]] = {}
    for path in files or []:
        places.setdefault(path.resolve(), []).append(path)
    notes += [(str(same[0]), "came more than once, predicted once") for same in places.values() if len(same) > 1]
    manifest_of: dict[str, Path] = {}
    for path, *_ in places.values():
        for recording in _of_file(path, model, notes, failures):
            trial = str(recording.meta["trial"])
            first = manifest_of.setdefault(trial, path)
            if first != path and recording.meta["source"] != "file":  # those are called by their paths
                raise InputError(
                    f"{first} and {path} both have a trial {trial!r}, which would be taken for one.",
                    fits="manifests whose trials have names of their own",
                    do="give one after the other, or change subjects or trials in one of them",
                )
            yield recording


def _of_file(path: Path, model: Bundle, notes: list[tuple[str, str]], failures: dict[str, str]) -> Iterator[Recording]:
    """Yield the recordings that a path stands for; what cannot be read is noted among the failures."""
    from thymos.base.errors import ThymosError
    from thymos.serving.pictures import PictureRecipe
    from thymos.serving.several import SeveralRecipe
    from thymos.sources.own_files import own_files
    from thymos.sources.own_pictures import own_pictures
    from thymos.sources.own_sounds import SOUNDS, UNREAD, own_sound

    try:
        if isinstance(model.recipe, SeveralRecipe):
            yield from _of_manifest(path, model)
        elif isinstance(model.recipe, PictureRecipe):
            yield from own_pictures(path, model.recipe.modality, model.recipe.shape[0] == 1, notes)
        elif path.suffix.lower() in (*SOUNDS, *UNREAD):
            recording, said = own_sound(path, model.recipe.modality)
            notes += [(str(path), text) for text in said]
            yield recording
        else:
            for own in own_files(path, model.recipe.modality, model.recipe.channels):
                try:
                    yield from own.recordings()
                except ThymosError as error:
                    failures[f"{own.path} {len(failures)}"] = str(error)
                notes += [(str(path), text) for text in own.notes]
    except ThymosError as error:
        failures[str(path)] = str(error)


def _of_manifest(path: Path, model: Bundle) -> Iterator[Recording]:
    """Yield the recordings of a manifest, whose rows of one trial are the modalities of one recording."""
    from thymos.base.errors import InputError
    from thymos.sources.manifest import Manifest

    if path.suffix.lower() not in (".csv", ".tsv"):
        raise InputError(
            f"{path} came for a model of {', '.join(cast('SeveralRecipe', model.recipe).modalities)}.",
            fits="a manifest, in which rows of one trial with different modalities are one recording, or --source",
        )
    yield from Manifest(path, labels={}).recordings()


def tried(name: str, call: Callable[..., Any], failures: dict[str, str], *arguments: Any) -> Any:
    """Return what a call returns; what it cannot do is kept in words."""
    from thymos.base.errors import ThymosError

    try:
        return call(*arguments)
    except ThymosError as error:
        failures[name] = str(error)
        return None


def print_notes(notes: list[tuple[str, str]]) -> None:
    """Print what there is to say about recordings, once for all of which the same is said."""
    places: dict[str, list[str]] = {}
    for place, text in notes:
        places.setdefault(text, []).append(place)
    for text, where in places.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        print(f"thymos: {where[0]}{more}: {text}", file=sys.stderr)


def labels_of(path: Path) -> dict[str, str]:
    """Read a table of labels: trial, or file, to class."""
    import pandas as pd

    from thymos.base.errors import DataError

    fits = "a csv file with the columns file (or trial) and label, one row for each"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
        raise DataError(f"{path} cannot be read: {error}.", fits=fits) from None
    names = [name for name in ("trial", "file") if name in table]
    if not names or "label" not in table or not len(table):
        raise DataError(f"{path} has {len(table)} rows and the columns {', '.join(table)}.", fits=fits)
    twice = table[names[0]][table[names[0]].duplicated()]
    if len(twice):
        raise DataError(f"{path} lists {twice.iloc[0]!r} twice.", fits=fits)
    return dict(zip(table[names[0]], table["label"], strict=True))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let networks compute on one thread, unless OMP_NUM_THREADS says how many.

    One recording is too little for several: where other programmes are busy, they wait for each other at every step of
    a sequence, many times as long in all.
    """
    torch = None if "OMP_NUM_THREADS" in os.environ else sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    try:
        if torch:
            torch.set_num_threads(1)
        yield
    finally:
        if torch:
            torch.set_num_threads(before)
