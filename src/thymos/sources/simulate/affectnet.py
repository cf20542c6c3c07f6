"""Simulated faces in the layouts of AffectNet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.sources.affectnet import EXPRESSIONS, FOLDERS, IMAGES, LISTS, MISSING, NO_EXPRESSIONS
from thymos.sources.simulate.folder import earlier, simulated
from thymos.sources.simulate.images import Album, album, encoded
from thymos.sources.simulate.latent import PROTOTYPES, known, number, whole

__all__ = ["NAMES", "write_affectnet"]

FORMS = ("older", "newer")

#: How the emotions of the latent model are called here; contempt is not simulated.
NAMES = {"happiness": "happy", "sadness": "sad"}
NAMES |= {name: name for name in ("neutral", "surprise", "fear", "disgust", "anger")}

_MARGIN = 1.5  # side of a photograph, in sides of the face
_JUDGED = 0.1  # SD of what observers say of valence and arousal
_WARM = (1.0, 0.85, 0.72)  # share of red, green and blue


def write_affectnet(
    folder: str | Path,
    random_state: int = 0,
    form: str = "older",
    photos: Sequence[int] = (120, 40),
    people: int = 60,
    size: int = 64,
    effect: float = 1.0,
    null: bool = False,
    flip: float = 0.05,
    missing: float = 0.1,
) -> Path:
    """Write ``affectnet/``: lists and large photographs of the older release, or cut-out faces of the newer one.

    Valence and arousal are those of the emotion's prototype, as strong as it is shown, with some noise.

    Parameters
    ----------
    folder : path
        Where the folder ``affectnet`` is made: a data folder.
    random_state, size, effect, null, flip
        As :func:`~thymos.sources.simulate.images.write_images`; `size` is that of the face.
    form : {'older', 'newer'}
        Which release. The newer one stores numbers as text, and no landmarks are simulated: they are all 0.
    photos : (int, int)
        Number in training and validation.
    people : int
        Number of people, who are on both sides.
    missing : float
        Share of photographs without valence and arousal; in the older release they are uncertain or show no face.

    Returns
    -------
    Path
        The folder written, with ``SIMULATED.json``.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or a parameter does not fit.
    """
    settings = {key: value for key, value in locals().items() if key != "folder"}
    target = Path(folder) / "affectnet"
    earlier(target, "affectnet")
    known("form", [form], FORMS)
    if len(photos) != len(LISTS):
        raise InputError(f"photos={photos!r} came.", fits="two numbers: training and validation")
    counts = [whole("photos", n, 1) for n in photos]
    share = number("missing", missing, most=1)
    made = album(sum(counts), people, random_state, size, effect, null, flip)
    rng = generator(random_state, "affectnet", "ratings")
    ratings = np.array([PROTOTYPES[name][:2] for name in made.emotion]) * made.intensity[:, None]
    ratings = np.clip(ratings + _JUDGED * rng.standard_normal(ratings.shape), -1, 1).round(6)
    lacking = rng.uniform(size=len(ratings)) < share
    ratings[lacking] = MISSING
    table = pd.DataFrame(ratings, columns=["valence", "arousal"])
    table["label"] = [EXPRESSIONS.index(NAMES[name]) for name in made.label]
    table["part"] = np.repeat(list(LISTS), counts)
    write = _older if form == "older" else _newer
    with simulated(target, "affectnet", settings) as out:
        names = write(out, table, made, lacking, rng)
        out.truth["photographs"] = made.truth(names)
    return target


def _older(out, table: pd.DataFrame, made: Album, lacking: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Write photographs with a face somewhere in them, and the lists that say where."""
    n, size = made.pictures.shape[:2]
    side = round(_MARGIN * size)
    corner = rng.integers(0, side - size + 1, (n, 2))
    nobody = rng.integers(EXPRESSIONS.index("contempt") + 2, len(EXPRESSIONS) + len(NO_EXPRESSIONS), n)
    names = [f"{k % 7 + 1}/{k:06d}.jpg" for k in range(n)]
    for name, picture, (x, y), tone in zip(names, made.pictures, corner, rng.integers(60, 200, (n,)), strict=True):
        canvas = np.full((side, side), tone, np.uint8)
        canvas[y : y + size, x : x + size] = picture
        coloured = (canvas[..., None] * np.array(_WARM)).astype(np.uint8)
        out.file(f"{IMAGES}/{name}").write_bytes(encoded(coloured, "JPEG"))
    listed = pd.DataFrame(
        {
            "subDirectory_filePath": names,
            "face_x": corner[:, 0],
            "face_y": corner[:, 1],
            "face_width": size,
            "face_height": size,
            "facial_landmarks": ";".join(["0"] * 136),
            "expression": np.where(lacking, nobody, table["label"]),
            **{c: table[c] for c in ("valence", "arousal")},
        }
    )
    for part, name in LISTS.items():
        listed[table["part"] == part].to_csv(out.file(name), index=False, lineterminator="\n")
    return names


def _newer(out, table: pd.DataFrame, made: Album, *_) -> list[str]:
    """Write faces, and the annotations of each in files of their own; numbers begin anew in each part."""
    names = []
    for part, folder in FOLDERS.items():
        rows = np.flatnonzero(table["part"] == part)
        for k, row in enumerate(rows):
            names.append(f"{folder}/images/{k}.jpg")
            coloured = (made.pictures[row][..., None] * np.array(_WARM)).astype(np.uint8)
            out.file(names[-1]).write_bytes(encoded(coloured, "JPEG"))
            values = {"exp": table["label"][row], "val": table["valence"][row], "aro": table["arousal"][row]}
            arrays = {short: np.array(str(value)) for short, value in values.items()} | {"lnd": np.zeros(136)}
            for short, array in arrays.items():
                content = io.BytesIO()
                np.save(content, array, allow_pickle=False)
                out.file(f"{folder}/annotations/{k}_{short}.npy").write_bytes(content.getvalue())
    return names
