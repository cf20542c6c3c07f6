"""FER-2013: faces found on the web, one of seven expressions each (Goodfellow et al. 2013)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.sources.base import Note
from thymos.sources.images import PhotoSource, labelled_files
from thymos.sources.safe.files import Tree, csv_chunks, refuse
from thymos.sources.safe.media import read_image

__all__ = ["COUNTS", "EMOTIONS", "FER2013"]

#: The official integers are the places in this tuple; folders come in alphabetical order, which is another one.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SIDE = 48  # pixels

#: Official number of photographs in each part, in the order of :data:`EMOTIONS`.
COUNTS = {
    "training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "validation": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}
TABLES = ("fer2013.csv", "icml_face_data.csv")

_PARTS = {"Training": "training", "PublicTest": "validation", "PrivateTest": "test"}
_PREFIX = re.compile(r"(Training|PublicTest|PrivateTest)_")
_COPIES = ("keep", "drop_training", "drop_test")
_ROWS = 2048  # of the csv, read at a time
_LARGEST_TABLE = 2**30  # bytes of the csv in an archive; the published one has 301 MB
_FITS = f"a folder or zip archive with train/<class>/*.jpg and test/<class>/*.jpg, or {' or '.join(TABLES)}"


class FER2013(PhotoSource):
    """35,887 grey photographs of 48 x 48 pixels: modality ``face``, label ``emotion``.

    Parts are the official ones: Training is ``training``, PublicTest ``validation``, PrivateTest ``test``. In the
    release as folders the latter two lie in one folder and only the names of the files tell them apart.

    Parameters
    ----------
    root : path
        ``fer2013.csv`` or ``icml_face_data.csv``, a zip archive of it or of the folders (read in place), or a folder
        that holds one of these or ``train/<class>`` and ``test/<class>``.
    copies : {'keep', 'drop_training', 'drop_test'}
        What is done with photographs of which training and another part have an exact copy: nothing, or leave out
        those of training, or those of validation and test. Leaving out decodes everything once.

    Notes
    -----
    The csv is read whole, 83 MB of pixels; files are decoded when they are asked for. Nobody knows who is who:
    ``subject`` is ``unknown`` throughout.

    Source: I. J. Goodfellow et al., Challenges in Representation Learning: A report on three machine learning
    contests, ICONIP 2013.
    """

    name = "fer2013"

    def __init__(self, root: str | Path, copies: str = "keep"):
        self.root = Path(root)
        if copies not in _COPIES:
            raise InputError(f"copies={copies!r} came.", fits=f"one of {', '.join(_COPIES)}")
        self.copies = copies

    @cached_property
    def _origin(self) -> Path:
        """The csv, archive or folder that is read."""
        if not self.root.exists():
            raise SourceNotFoundError(f"There is no {self.root}.", fits=_FITS)
        if not self.root.is_dir():
            return self.root
        tables = [self.root / name for name in TABLES if (self.root / name).is_file()]
        archives = sorted(p for p in self.root.glob("*.zip") if p.name[0] != ".")
        found = [*tables, *archives]
        if len(found) > 1 and not tables:
            raise DataError(f"{self.root} holds {', '.join(p.name for p in found)}.", _FITS, "point it at one of them")
        return found[0] if found else self.root

    @property
    def _zip(self) -> bool:
        return self._origin.suffix.lower() == ".zip"

    @cached_property
    def _tree(self) -> Tree:
        return Tree(self._origin, 2**24)

    def photos(self) -> tuple[pd.DataFrame, Sequence[Any] | np.ndarray]:
        """Return the metadata, and the pixels of the csv or the names of the files.

        Raises
        ------
        DataError
            If nothing fits the format, or a row of the csv does not.
        """
        keys: Sequence[Any] | np.ndarray
        inside = [name for name in self._tree.names(".csv") if Path(name).name in TABLES] if self._zip else []
        if self._origin.suffix.lower() == ".csv":
            table, keys, self._notes = _read_csv(self._origin)
        elif inside:
            with self._tree.open(inside[0], _LARGEST_TABLE) as file:
                table, keys, self._notes = _read_csv(self._tree.where(inside[0]), file)
        else:
            table, keys, self._notes = self._files()
        table["emotion_code"] = table["emotion"].map({name: k for k, name in enumerate(EMOTIONS)})
        return table, keys

    def _files(self) -> tuple[pd.DataFrame, list[str], list[Note]]:
        table, notes = labelled_files(self._tree, {name: name for name in EMOTIONS})
        prefix = table["stem"].str.extract(_PREFIX)[0]
        if "part" not in table and prefix.isna().any():
            raise DataError(
                f"{self._tree.where(table['file'][prefix.isna().idxmax()])} names no part.",
                fits="train/<class>/<file> and test/<class>/<file>, or names that begin with Training_, PublicTest_ "
                "or PrivateTest_",
            )
        part = prefix.map(_PARTS)
        if prefix.isna().any():
            text = f"{prefix.isna().sum()} names have no prefix: their part is the folder's"
            if "test" in set(table["part"][prefix.isna()]) and "validation" not in set(table["part"]):
                text += "; validation (PublicTest) and test (PrivateTest) cannot be told apart there"
            notes = [*notes, Note(str(self._origin), text)]
            part = part.fillna(table["part"])
        made = pd.DataFrame({"part": part, "emotion": table["class"]})
        made.insert(0, "trial", made["part"] + "/" + made["emotion"] + "/" + table["stem"])
        if made["trial"].duplicated().any():
            twice = made["trial"].duplicated(keep=False)
            names = " and ".join(self._tree.where(name) for name in table["file"][twice][:2])
            raise DataError(f"{names} have the same part, class and name.", fits="one photograph of each")
        return made, table["file"].tolist(), notes

    def pixels(self, key: str | np.ndarray) -> np.ndarray:
        """Return one photograph, shape (1, 48, 48).

        Raises
        ------
        DataError
            If it has another size.
        """
        if isinstance(key, np.ndarray):
            return key
        made = read_image(self._tree.read(key), self._tree.where(key))
        if made.shape != (1, SIDE, SIDE):
            raise DataError(
                f"{self._tree.where(key)} has {made.shape[2]} x {made.shape[1]} pixels.", fits=f"{SIDE} x {SIDE}"
            )
        return made

    def _kept(self) -> np.ndarray:
        kept = super()._kept()
        if self.copies == "keep":
            return kept
        training = (self.survey["part"] == "training").to_numpy()
        digest = self.survey["digest"]
        both = set(digest[training]) & set(digest[~training])
        dropped = training if self.copies == "drop_training" else ~training
        return kept[~(dropped & digest.isin(both).to_numpy())]

    def check(self) -> list[Note]:
        """Decode every photograph; count classes, copies, contradictions and empty pictures."""
        table, _ = self._photos
        counts = pd.crosstab(table["part"], table["emotion"]).reindex(
            index=list(COUNTS), columns=list(EMOTIONS), fill_value=0
        )
        notes = [Note(str(self._origin), "read from here"), *self._notes]
        for part, official in COUNTS.items():
            differ = [
                f"{name} {here} instead of {there}"
                for name, here, there in zip(EMOTIONS, counts.loc[part], official, strict=True)
                if here != there
            ]
            if differ:
                notes.append(Note(part, f"other numbers than published: {', '.join(differ)}"))
        return [*notes, *super().check()]


def _read_csv(path: Path | str, file: IO[bytes] | None = None) -> tuple[pd.DataFrame, np.ndarray, list[Note]]:
    """Read emotion, part and pixels, shape (n_photographs, 1, 48, 48)."""
    tables, blocks, start = [], [], 0
    for piece in csv_chunks(path, ("emotion", "pixels", "Usage"), _ROWS, file, dtype=str, keep_default_na=False):
        usage = piece["Usage"].str.strip()
        refuse(path, piece, "Usage", ~usage.isin(list(_PARTS)), f"one of {', '.join(_PARTS)}", start)
        code = pd.to_numeric(piece["emotion"], errors="coerce")
        refuse(path, piece, "emotion", ~code.isin(range(len(EMOTIONS))), f"0 to {len(EMOTIONS) - 1}", start)
        blocks.append(_pixels(path, piece["pixels"].tolist(), start))
        tables.append(pd.DataFrame({"part": usage.map(_PARTS), "emotion": np.take(EMOTIONS, code.astype(int))}))
        start += len(piece)
    if not start:
        raise DataError(f"{path} has no rows.", fits="one row for each photograph", do="copy or download it again")
    table = pd.concat(tables, ignore_index=True)
    number = pd.Series(np.arange(start)).astype(str).str.zfill(5)
    table.insert(0, "trial", table["part"] + "/" + table["emotion"] + "/" + number)
    return table, np.concatenate(blocks), []


def _pixels(path: Path | str, texts: list[str], start: int) -> np.ndarray:
    """Read rows of grey values, written with blanks between them, all at once."""
    count, fits = SIDE * SIDE, f"{SIDE * SIDE} whole numbers from 0 to 255, with blanks between them"
    joined = "\n".join([*texts, ""]).encode("ascii", "replace")
    content = np.frombuffer(joined, np.uint8)
    inside = content - np.uint8(48) < 10  # what lies below the digits wraps to large numbers
    ends = np.flatnonzero(content == 10)
    odd = ~inside & (content != 32) & (content != 10)
    if odd.any():
        row = int(np.searchsorted(ends, odd.argmax()))
        cell = next((c for c in texts[row].split() if not (c.isascii() and c.isdigit())), texts[row][:20])
        raise DataError(f"{path}, row {start + row + 1}, column pixels: {cell!r}.", fits=fits)
    last = np.flatnonzero(inside[:-1] > inside[1:])  # the last digit of each number
    found = np.diff(np.searchsorted(last, ends), prepend=0)
    if (found != count).any():
        row = int((found != count).argmax())
        raise DataError(f"{path}, row {start + row + 1}, column pixels: {found[row]} numbers.", fits=fits)
    values = np.fromstring(joined, dtype=np.int64, sep=" ")
    if (values > 255).any():
        at = int((values > 255).argmax())
        cell = texts[at // count].split()[at % count]
        raise DataError(f"{path}, row {start + at // count + 1}, column pixels: {cell}.", fits=fits)
    return values.astype(np.uint8).reshape(len(texts), 1, SIDE, SIDE)
