"""Photographs of faces: what all corpora of them share, and any folder of ``<class>/<file>``."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
import pandas as pd

from thymos.base.catalogue import near
from thymos.base.errors import DataError, InputError
from thymos.base.recording import Frames, Lazy, Recording
from thymos.sources.base import Note, Source, some
from thymos.sources.safe.files import Tree, once
from thymos.sources.safe.media import read_image

__all__ = ["PARTS", "ImageFolder", "PhotoSource", "duplicate_table", "labelled_files"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm", ".ppm")

#: The official parts of a corpus, and what folders call them.
PARTS = {
    "training": ("train", "training", "train_set"),
    "validation": ("val", "valid", "validation", "dev", "val_set"),
    "test": ("test", "testing", "test_set"),
}

_PART_OF = {name: part for part, names in PARTS.items() for name in names}
_LOW_CONTRAST = 5.0  # grey levels, standard deviation


class PhotoSource(Source):
    """A corpus of photographs: one recording each, decoded when it is asked for.

    A subclass says what the photographs are in :meth:`photos`, and how one is read in :meth:`pixels`.
    """

    #: Name in the catalogue.
    name = ""
    #: The column by which copies of one photograph can contradict each other.
    label = "emotion"

    @abstractmethod
    def photos(self) -> tuple[pd.DataFrame, Sequence[Any] | np.ndarray]:
        """Return the metadata, one row for each photograph, and what :meth:`pixels` needs to read it."""

    @abstractmethod
    def pixels(self, key: Any) -> np.ndarray:
        """Return one photograph, shape (1 or 3, height, width), uint8."""

    @cached_property
    def _photos(self) -> tuple[pd.DataFrame, Sequence[Any] | np.ndarray]:
        table, keys = self.photos()
        fixed = {"source": self.name, "subject": "unknown", "session": "1", "stimulus": "none"}
        table = table.assign(**{column: value for column, value in fixed.items() if column not in table})
        first = ["source", "subject", "session", "trial", "stimulus"]
        return table[[*first, *(c for c in table if c not in first)]].reset_index(drop=True), keys

    def _kept(self) -> np.ndarray:
        """Return which photographs are used, as row numbers."""
        return np.arange(len(self._photos[0]))

    def subjects(self) -> list[str]:
        """Return the names of the people; ``unknown`` where nobody says who is who."""
        return sorted(self._photos[0]["subject"].unique())

    def table(self) -> pd.DataFrame:
        """Return the metadata, one row for each photograph used."""
        return self._photos[0].iloc[self._kept()].reset_index(drop=True)

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording for each photograph, of modality ``face``.

        Raises
        ------
        DataError
            When a photograph that cannot be decoded is asked for.
        """
        table, keys = self._photos
        kept = self._kept()
        if subjects is not None:
            kept = kept[table["subject"].iloc[kept].isin(set(subjects)).to_numpy()]
        for row, meta in zip(kept, table.iloc[kept].to_dict("records"), strict=True):
            yield Recording(Lazy({"face": partial(self._frames, keys[row])}), meta)

    def _frames(self, key: Any) -> Frames:
        return Frames(self.pixels(key)[None])

    @cached_property
    def survey(self) -> pd.DataFrame:
        """The metadata of all photographs, with ``digest`` and standard deviation ``sd`` of the decoded pixels."""
        table, keys = self._photos
        digests, sd = [], np.empty(len(keys))
        for row, key in enumerate(keys):
            pixels = self.pixels(key)
            digests.append(hashlib.blake2b(pixels.tobytes(), digest_size=16, salt=str(pixels.shape).encode()[:16]))
            sd[row] = pixels.std()
        return table.assign(digest=[digest.hexdigest() for digest in digests], sd=sd)

    def check(self) -> list[Note]:
        """Decode every photograph and say what is remarkable about this copy: copies, contradictions, emptiness."""
        table = self.survey
        within, across = duplicate_table(table, self.label)
        notes = [
            Note(
                row.part,
                f"{row.redundant} of {row.files} photographs are exact copies of others: {row.groups} groups of "
                f"{row.in_groups} files" + (f", {row.conflicting} of them with several labels" * bool(row.conflicting)),
            )
            for row in within.itertuples()
            if row.redundant
        ]
        notes += [
            Note(
                f"{row.first} / {row.second}",
                f"{row.shared} photographs are in both: {row.files_first} files of {row.first}, {row.files_second} of "
                f"{row.second}, {row.conflicting} of the latter with a label that no copy in {row.first} has",
            )
            for row in across.itertuples()
            if row.shared
        ]
        for rows, what in (
            (table["sd"] == 0, "of one grey value throughout"),
            ((table["sd"] > 0) & (table["sd"] < _LOW_CONTRAST), f"of very low contrast (SD below {_LOW_CONTRAST:g})"),
        ):
            if rows.any():
                notes.append(
                    Note(
                        str(getattr(self, "root", self.name)),
                        f"{rows.sum()} photographs {what}: {some(table['trial'][rows])}",
                    )
                )
        return notes


class ImageFolder(PhotoSource):
    """A folder, or zip archive, of photographs sorted by class, and by part if there are official ones.

    Parameters
    ----------
    root : path
        Holds ``<class>/<file>`` or ``<part>/<class>/<file>``, at any depth; parts are named as in :data:`PARTS`. A
        zip archive is read in place.
    classes : mapping of str to str, optional
        Name of a folder to the name of its class. Other folders are then an error; without it each folder is a class.
    label : str
        Name of the label's column.
    subject_pattern : str, optional
        Regular expression with a group named ``subject`` (or ``identity``), searched in the name of each file. It
        fills the columns ``subject`` and ``identity``; without it nobody is known.
    grey : bool
        Decode to one channel; otherwise three.

    Notes
    -----
    Names are not unique across classes: ``trial`` is part, class and name together.
    """

    name = "images"

    def __init__(
        self,
        root: str | Path,
        classes: Mapping[str, str] | None = None,
        label: str = "emotion",
        subject_pattern: str | None = None,
        grey: bool = True,
    ):
        self.root = Path(root)
        self.classes = None if classes is None else dict(classes)
        self.label = label
        self.subject_pattern = subject_pattern
        self.grey = bool(grey)

    @cached_property
    def _tree(self) -> Tree:
        return Tree(self.root, 2**26)

    @cached_property
    def _files(self) -> tuple[pd.DataFrame, list[Note]]:
        return labelled_files(self._tree, self.classes)

    def photos(self) -> tuple[pd.DataFrame, list[str]]:
        """Return the metadata and the files.

        Raises
        ------
        DataError
            If there is no photograph, one lies outside the folder of a class or of a part, or names nobody.
        """
        table, _ = self._files
        names = table["file"].tolist()
        made = pd.DataFrame({"trial": _stems(table), self.label: table["class"]})
        if "part" in table:
            made["part"] = table["part"]
        if self.subject_pattern is not None:
            made["subject"] = made["identity"] = [self._person(name) for name in names]
        return made, names

    def pixels(self, key: str) -> np.ndarray:
        """Return one photograph."""
        return read_image(self._tree.read(key), self._tree.where(key), self.grey)

    def check(self) -> list[Note]:
        """Decode every photograph; also what lies twice in the tree."""
        return [*self._files[1], *super().check()]

    def _person(self, name: str) -> str:
        try:
            pattern = re.compile(cast(str, self.subject_pattern))
        except (re.error, TypeError) as error:
            raise InputError(
                f"subject_pattern={self.subject_pattern!r} came: {error}.", "a regular expression"
            ) from None
        group = next((g for g in ("subject", "identity") if g in pattern.groupindex), None)
        if group is None:
            raise InputError(
                f"subject_pattern={self.subject_pattern!r} came.", fits="a group named subject, as in (?P<subject>\\d+)"
            )
        found = pattern.search(PurePosixPath(name).name)
        if not found or not found[group]:
            raise DataError(
                f"{self._tree.where(name)} names nobody.", fits=f"a file name in which {pattern.pattern} is found"
            )
        return str(found[group])


def labelled_files(tree: Tree, classes: Mapping[str, str] | None = None) -> tuple[pd.DataFrame, list[Note]]:
    """Find photographs that lie in folders named after their class, and those in folders named after their part.

    Parameters
    ----------
    tree : Tree
        Where they lie.
    classes : mapping of str to str, optional
        Name of a folder, letter case apart, to the name of its class; any folder is a class without it.

    Returns
    -------
    table : DataFrame
        ``file``, ``stem``, ``class``, and ``part`` where there are parts; sorted by part, class and name.
    notes : list of Note
        What lies twice in the tree.

    Raises
    ------
    DataError
        If there is none, a class is unknown, only some lie in a part, or two with one place and name differ.
    """
    fits = "photographs as <class>/<file> or <part>/<class>/<file>"
    kept, copies = once(tree.names(*SUFFIXES), lambda name: _place(name))
    if not kept:
        raise DataError(f"{tree.root} holds no photograph.", fits=fits, do="point it at the folder of the corpus")
    rows = [(name, PurePosixPath(name).stem, *_place(name)[:2]) for name in kept]
    table = pd.DataFrame(rows, columns=["file", "stem", "part", "class"])
    lost = table["class"].eq("") | (table["part"].eq("") & table["part"].ne("").any())
    if lost.any():
        name = table["file"][lost.idxmax()]
        what = "a class" if table["class"][lost.idxmax()] == "" else "a part, while others are"
        raise DataError(f"{tree.where(name)} is in no folder of {what}.", fits=fits)
    if classes is not None:
        known = {str(folder).casefold(): str(name) for folder, name in classes.items()}
        folded = table["class"].str.casefold()
        unknown = table["class"][~folded.isin(known)]
        if len(unknown):
            raise DataError(
                f"{tree.where(table['file'][unknown.index[0]])} is in a folder of the class {unknown.iloc[0]!r}."
                f"{near(unknown.iloc[0].casefold(), known)}",
                fits=f"one of {', '.join(known)}",
            )
        table["class"] = folded.map(known)
    table = table.sort_values(["part", "class", "file"], ignore_index=True)
    if table["part"].eq("").all():
        table = table.drop(columns="part")
    for name, first in copies:
        if tree.size(name) != tree.size(first) or tree.read(name) != tree.read(first):
            raise DataError(
                f"{tree.where(name)} and {tree.where(first)} have the same part, class and name, and differ.",
                fits="one photograph of each part, class and name",
                do="point it at one of the two folders",
            )
    text = f"{len(copies)} photographs lie twice in the tree; the deeper copies are left out"
    return table, [Note(str(tree.root), text)] if copies else []


def duplicate_table(table: pd.DataFrame, label: str = "emotion") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count exact copies, within each part and across parts.

    Parameters
    ----------
    table : DataFrame
        One row for each photograph, with ``digest``, the label, and ``part`` if there are parts.
    label : str
        Column of the label.

    Returns
    -------
    within : DataFrame
        ``part, files, distinct, groups, in_groups, redundant, conflicting, in_conflicting``: a group is a photograph
        that is there more than once, and conflicting if its files have more than one label. With several parts the
        last row counts all of them together, as ``all``.
    across : DataFrame
        ``first, second, shared, files_first, files_second, conflicting``: photographs in both parts, their files in
        each, and the files of the second part whose label no copy in the first has.
    """
    parts = [p for p in PARTS if p in set(table["part"])] if "part" in table else []
    pieces = {part: table[table["part"] == part] for part in parts}
    within = []
    for part, piece in (pieces if len(parts) == 1 else {**pieces, "all": table}).items():
        groups = piece.groupby("digest")[label].agg(["size", "nunique"])
        several = groups[groups["size"] > 1]
        clash = several[several["nunique"] > 1]["size"]
        counts = len(piece), len(groups), len(several), several["size"].sum(), len(piece) - len(groups)
        within.append((part, *map(int, counts), len(clash), int(clash.sum())))
    across = []
    for k, first in enumerate(parts):
        for second in parts[k + 1 :]:
            a, b = pieces[first], pieces[second]
            in_b, in_a = a[a["digest"].isin(b["digest"])], b[b["digest"].isin(a["digest"])]
            known = set(zip(in_b["digest"], in_b[label], strict=True))
            clash = sum(pair not in known for pair in zip(in_a["digest"], in_a[label], strict=True))
            across.append((first, second, in_a["digest"].nunique(), len(in_b), len(in_a), clash))
    return (
        pd.DataFrame(
            within,
            columns=["part", "files", "distinct", "groups", "in_groups", "redundant", "conflicting", "in_conflicting"],
        ),
        pd.DataFrame(across, columns=["first", "second", "shared", "files_first", "files_second", "conflicting"]),
    )


def _place(name: str) -> tuple[str, str, Hashable]:
    """Return part, class and file name; the first two empty where there are none."""
    *folders, file = PurePosixPath(name).parts
    label = folders[-1] if folders and folders[-1].casefold() not in _PART_OF else ""
    part = _PART_OF.get(folders[-2].casefold(), "") if len(folders) > 1 else ""
    return part, label, file


def _stems(table: pd.DataFrame) -> list[str]:
    """Return part, class and name of each file; the suffix too where it alone tells files apart."""
    stem = table["class"] + "/" + table["stem"]
    stem = table["part"] + "/" + stem if "part" in table else stem
    suffix = [PurePosixPath(name).suffix for name in table["file"]]
    return stem.mask(stem.duplicated(keep=False), stem + suffix).tolist()
