"""AffectNet: faces found on the web, with expression, valence and arousal (Mollahosseini et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from thymos.base.catalogue import near
from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.sources.base import Note
from thymos.sources.images import SUFFIXES, PhotoSource, labelled_files
from thymos.sources.safe.files import Tree, numbers, read_csv, refuse
from thymos.sources.safe.media import read_image, read_npy

__all__ = ["EXPRESSIONS", "LISTS", "MISSING", "NO_EXPRESSIONS", "AffectNet"]

#: The official integers are the places in this tuple.
EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
#: Further codes of the older release, from 8 on.
NO_EXPRESSIONS = ("none", "uncertain", "no-face")
#: Written in the place of valence and arousal where there is none.
MISSING = -2.0

#: Part to the list of the older release, and to the folder of the newer one.
LISTS = {"training": "training.csv", "validation": "validation.csv"}
FOLDERS = {"training": "train_set", "validation": "val_set"}
IMAGES = "Manually_Annotated_Images"

_BOX = ("face_x", "face_y", "face_width", "face_height")
_RATINGS = ("valence", "arousal")
_COLUMNS = ("subDirectory_filePath", *_BOX, "expression", *_RATINGS)
_NAMES = {name: name for name in EXPRESSIONS} | {str(k): name for k, name in enumerate(EXPRESSIONS)}
_SYNONYMS = {"happiness": "happy", "sadness": "sad", "angry": "anger", "surprised": "surprise", "fearful": "fear"}
_INSIDE = 0.5  # share of a face's box that must lie in the photograph
_FITS = (
    f"the older release ({', '.join(LISTS.values())}, {IMAGES}/), the newer one (train_set/, val_set/ with images/ and "
    "annotations/), or <part>/<class>/<file>"
)


class _Photo(NamedTuple):
    """A photograph to be read: its file, and the face in it as x, y, width, height in pixels."""

    file: str
    box: tuple[float, float, float, float] | None = None


class AffectNet(PhotoSource):
    """Photographs of faces: modality ``face``, labels ``expression``, ``valence`` and ``arousal`` (-1 to 1).

    Parts are ``training`` and ``validation``; there is no public test part. Whatever is tuned on the validation part
    cannot be reported on it.

    Parameters
    ----------
    root : path
        The older release, the newer one with eight expressions, or a folder, or zip archive, of
        ``<part>/<class>/<file>`` with classes 0 to 7 or by name, which has no ratings. Which one is found out.
    expressions : sequence of str
        Those that are used, by default the eight; ``none``, ``uncertain`` and ``no-face`` of the older release are
        left out and counted by :meth:`check`.
    missing : {'drop', 'keep'}
        What is done with photographs without valence or arousal: left out, or kept with NaN.
    crop : bool
        In the older release, cut out the box of the face; boxes without a size are left out.
    grey : bool
        Decode to one channel; otherwise three.

    Notes
    -----
    The newer release has four annotation files for each photograph, three of which are read at once: expect minutes
    for all of them. Which is which is known by its name and checked by its values. The same number in training and
    validation is not the same photograph, and the older release has several rows for some: ``photo`` names the file.
    Nobody knows who is who: ``subject`` is ``unknown`` throughout.

    Source: A. Mollahosseini, B. Hasani, M. H. Mahoor, AffectNet: A Database for Facial Expression, Valence, and
    Arousal Computing in the Wild, IEEE Transactions on Affective Computing 10, 2019.
    """

    name = "affectnet"
    label = "expression"

    def __init__(
        self,
        root: str | Path,
        expressions: Sequence[str] = EXPRESSIONS,
        missing: str = "drop",
        crop: bool = True,
        grey: bool = False,
    ):
        self.root = Path(root)
        known = (*EXPRESSIONS, *NO_EXPRESSIONS)
        for name in expressions:
            if name not in known:
                raise InputError(f"There is no expression {name!r}.{near(name, known)}", fits=f"{', '.join(known)}")
        if missing not in ("drop", "keep"):
            raise InputError(f"missing={missing!r} came.", fits="drop or keep")
        self.expressions = tuple(expressions)
        self.missing = missing
        self.crop = bool(crop)
        self.grey = bool(grey)

    @cached_property
    def _tree(self) -> Tree:
        if not self.root.exists():
            raise SourceNotFoundError(f"There is no {self.root}.", fits=_FITS)
        return Tree(self.root, 2**26)

    @cached_property
    def _names(self) -> list[str]:
        return self._tree.names()

    @cached_property
    def form(self) -> str:
        """Which release it is: ``older``, ``newer`` or ``folders``."""
        if any(PurePosixPath(name).name in LISTS.values() for name in self._names):
            return "older"
        if any(f"/{folder}/annotations/" in f"/{name}" for folder in FOLDERS.values() for name in self._names):
            return "newer"
        return "folders"

    def photos(self) -> tuple[pd.DataFrame, list[_Photo]]:
        """Return the metadata and the files.

        Raises
        ------
        DataError
            If a list, an annotation or a photograph is missing, or does not fit the format.
        """
        table, self._notes = {"older": self._older, "newer": self._newer, "folders": self._folders}[self.form]()
        self._left_out(table, ~table["expression"].isin(self.expressions), "expression")
        table = table[table["expression"].isin(self.expressions)]
        if "valence" in table:
            lacking = table[list(_RATINGS)].isna().any(axis=1)
            if lacking.any():
                kept = "kept" if self.missing == "keep" else "left out"
                text = f"{lacking.sum()} photographs have no valence or no arousal: {kept}"
                self._notes.append(Note(str(self.root), text))
            table = table if self.missing == "keep" else table[~lacking]
        boxes = [None] * len(table)
        if "face_x" in table and self.crop:
            sized = table[["face_width", "face_height"]].gt(0).all(axis=1) & table[list(_BOX)].notna().all(axis=1)
            if not sized.all():
                text = f"{(~sized).sum()} boxes have no size: left out, as the face is to be cut out"
                self._notes.append(Note(str(self.root), text))
            table = table[sized]
            boxes = list(table[list(_BOX)].itertuples(index=False, name=None))
        if table.empty:
            raise DataError(f"{self.root} holds no photograph that is wanted.", fits=", ".join(self.expressions))
        files = self._found(table)
        keys = [_Photo(file, box) for file, box in zip(files, boxes, strict=True)]
        columns = [c for c in ("trial", "photo", "part", "expression", *_RATINGS) if c in table]
        return table[columns].reset_index(drop=True), keys

    def pixels(self, key: _Photo) -> np.ndarray:
        """Return one photograph, or the face in it.

        Raises
        ------
        DataError
            If it cannot be decoded, or more than half of the face's box lies outside.
        """
        where = self._tree.where(key.file)
        made = read_image(self._tree.read(key.file), where, self.grey)
        if key.box is None:
            return made
        x, y, width, height = key.box
        top, bottom = (round(min(max(value, 0), made.shape[1])) for value in (y, y + height))
        left, right = (round(min(max(value, 0), made.shape[2])) for value in (x, x + width))
        if (bottom - top) * (right - left) < max(_INSIDE * width * height, 1):
            raise DataError(
                f"The face of {where} lies at x {x:g}, y {y:g}, {width:g} x {height:g} pixels; the photograph has "
                f"{made.shape[2]} x {made.shape[1]}.",
                fits="a box of which at least half lies in the photograph",
                do="pass crop=False to read whole photographs",
            )
        return np.ascontiguousarray(made[:, top:bottom, left:right])

    def check(self) -> list[Note]:
        """Decode every photograph; say what has been left out, and what is remarkable."""
        table, _ = self._photos
        counts = table.groupby(["part", "expression"] if "part" in table else "expression").size()
        text = ", ".join(f"{' '.join(k) if isinstance(k, tuple) else k} {n}" for k, n in counts.items())
        notes = [Note(str(self.root), f"read as {self.form} release: {text}"), *self._notes]
        if (twice := table["photo"].duplicated().sum()) and self.form == "older":
            notes.append(Note(str(self.root), f"{twice} rows name a photograph that an earlier row names"))
        return [*notes, *super().check()]

    def _left_out(self, table: pd.DataFrame, rows: pd.Series, column: str) -> None:
        if rows.any():
            counts = ", ".join(f"{name} {n}" for name, n in table[column][rows].value_counts().items())
            self._notes.append(Note(str(self.root), f"{rows.sum()} photographs left out by {column}: {counts}"))

    def _found(self, table: pd.DataFrame) -> list[str]:
        """Return the file of each row, or say which are missing."""
        if "file" in table:
            return table["file"].tolist()
        there: dict[str, str] = {}
        for name in self._names:
            there.setdefault("/".join(PurePosixPath(name).parts[-2:]), name)
        lost = [photo for photo in table["photo"] if photo not in there]
        if lost:
            raise DataError(
                f"{self.root} lacks {len(lost)} of {len(table)} photographs; the first is {lost[0]}.",
                fits=f"every photograph of {' and '.join(LISTS.values())} below {IMAGES}/",
                do="copy or download it again",
            )
        return [there[photo] for photo in table["photo"]]

    def _older(self) -> tuple[pd.DataFrame, list[Note]]:
        tables = []
        for part, list_name in LISTS.items():
            found = [name for name in self._names if PurePosixPath(name).name == list_name]
            if not found:
                raise DataError(f"{self.root} holds no {list_name}.", fits=_FITS, do="copy or download it again")
            name = min(found, key=lambda name: (name.count("/"), name))
            where = self._tree.where(name)
            cells = {"dtype": {_COLUMNS[0]: str}, "keep_default_na": False, "na_values": ["", "NULL"]}
            table = read_csv(where, _COLUMNS, self._tree.read(name), **cells)
            values = {column: numbers(where, table, column) for column in _COLUMNS[1:]}
            code = values["expression"]
            refuse(where, table, "expression", ~np.isin(code, range(11)), "a whole number, 0 to 10")
            refuse(where, table, _COLUMNS[0], table[_COLUMNS[0]].isna(), "the path of a photograph")
            for column in _BOX:
                refuse(where, table, column, np.isinf(values[column]), "pixels")
            for column in _RATINGS:
                refuse(where, table, column, ~_rating(values[column]), f"-1 to 1, or {MISSING:g} where it is missing")
            photo = ["/".join(PurePosixPath(text.replace("\\", "/")).parts[-2:]) for text in table[_COLUMNS[0]]]
            made = pd.DataFrame({"photo": photo, "part": part, **values})
            made["expression"] = np.take([*EXPRESSIONS, *NO_EXPRESSIONS], code.astype(int))
            made[list(_RATINGS)] = made[list(_RATINGS)].mask(made[list(_RATINGS)] == MISSING)
            stem = [str(PurePosixPath(name).with_suffix("")) for name in photo]
            again = made.groupby("photo").cumcount()
            suffix = ("#" + (again + 1).astype(str)).where(again > 0, "")
            tables.append(made.assign(trial=f"{part}/" + pd.Series(stem, dtype=str) + suffix))
        return pd.concat(tables, ignore_index=True), []

    def _newer(self) -> tuple[pd.DataFrame, list[Note]]:
        if not self.root.is_dir():
            raise DataError(f"{self.root} is no folder.", fits=_FITS, do="unpack the archive first")
        rows = []
        for part, folder in FOLDERS.items():
            inside = [n for n in self._names if f"/{folder}/images/" in f"/{n}" and n.lower().endswith(SUFFIXES)]
            if not inside:
                raise DataError(f"{self.root} holds no photograph in {folder}/images.", fits=_FITS)
            for name in inside:
                path = PurePosixPath(name)
                stem = self.root / path.parent.parent / "annotations" / path.stem
                code = _one(f"{stem}_exp.npy", "expression")
                if code not in range(len(EXPRESSIONS)):
                    raise DataError(f"{stem}_exp.npy holds {code:g}.", fits=f"0 to {len(EXPRESSIONS) - 1}")
                ratings = [
                    _one(f"{stem}_{short}.npy", long) for short, long in zip(("val", "aro"), _RATINGS, strict=True)
                ]
                for value, short in zip(ratings, ("val", "aro"), strict=True):
                    if not _rating(np.array(value)):
                        raise DataError(
                            f"{stem}_{short}.npy holds {value:g}.", fits=f"-1 to 1, or {MISSING:g} where it is missing"
                        )
                rows.append((f"{part}/{path.stem}", name, part, EXPRESSIONS[int(code)], *ratings))
        table = pd.DataFrame(rows, columns=["trial", "file", "part", "expression", *_RATINGS])
        if table["trial"].duplicated().any():
            twice = table["file"][table["trial"].duplicated(keep=False)].tolist()
            raise DataError(
                f"{self.root / twice[0]} and {self.root / twice[1]} have the same part and number.",
                fits="each photograph once",
                do="remove the copy, or point at one of the two folders",
            )
        table[list(_RATINGS)] = table[list(_RATINGS)].mask(table[list(_RATINGS)] == MISSING)
        return table.assign(photo=table["file"]), []

    def _folders(self) -> tuple[pd.DataFrame, list[Note]]:
        table, notes = labelled_files(self._tree, _NAMES | _SYNONYMS)
        made = pd.DataFrame({"file": table["file"], "photo": table["file"], "expression": table["class"]})
        made["trial"] = [str(PurePosixPath(name).with_suffix("")) for name in table["file"]]
        if "part" in table:
            made["part"] = table["part"]
        return made, [*notes, Note(str(self.root), "folders of classes: no valence, no arousal, no box of the face")]


def _rating(values: np.ndarray) -> np.ndarray:
    return (np.abs(values) <= 1) | (values == MISSING)


def _one(path: str, what: str) -> float:
    """Read one number, which may be stored as text or as an array of one."""
    values = read_npy(path)
    if values.size != 1 or not np.isfinite(values).all():
        raise DataError(
            f"{path} holds {'no number' if values.size == 1 else f'{values.size} numbers'}.",
            fits=f"one number, the {what}; 136 would be landmarks",
        )
    return float(values.reshape(-1)[0])
