"""Simulated faces in the layouts of FER-2013."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.sources.fer2013 import EMOTIONS, SIDE, TABLES
from thymos.sources.simulate.folder import earlier, simulated
from thymos.sources.simulate.images import album, encoded
from thymos.sources.simulate.latent import known, number, whole

__all__ = ["NAMES", "write_fer2013"]

FORMS = ("csv", "folder", "zip")
USAGES = ("Training", "PublicTest", "PrivateTest")

#: How the emotions of the latent model are called here.
NAMES = {"anger": "angry", "happiness": "happy", "sadness": "sad"}
NAMES |= {name: name for name in ("disgust", "fear", "surprise", "neutral")}

_EPOCH = (2013, 7, 1, 0, 0, 0)  # of every file in an archive


def write_fer2013(
    folder: str | Path,
    random_state: int = 0,
    form: str = "csv",
    photos: Sequence[int] = (240, 40, 40),
    people: int = 60,
    effect: float = 1.0,
    null: bool = False,
    flip: float = 0.05,
    copies: float = 0.08,
) -> Path:
    """Write ``fer2013/`` as ``fer2013.csv``, as folders of JPEGs, or as ``archive.zip`` of them.

    As in the corpus, a share of the photographs of validation and test are exact copies of one in training. Nobody
    can know who is who: people are on all sides.

    Parameters
    ----------
    folder : path
        Where the folder ``fer2013`` is made: a data folder.
    random_state, effect, null, flip
        As :func:`~thymos.sources.simulate.images.write_images`.
    form : {'csv', 'folder', 'zip'}
        Which release. Only the csv keeps every grey value.
    photos : (int, int, int)
        Number in Training, PublicTest and PrivateTest.
    people : int
        Number of people.
    copies : float
        Share of copies, 0 to 1.

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
    target = Path(folder) / "fer2013"
    earlier(target, "fer2013")
    known("form", [form], FORMS)
    if len(photos) != len(USAGES):
        raise InputError(f"photos={photos!r} came.", fits="three numbers: Training, PublicTest, PrivateTest")
    counts = [whole("photos", n, 1) for n in photos]
    share = number("copies", copies, most=1)
    made = album(sum(counts), people, random_state, SIDE, effect, null, flip)
    usage, pictures = np.repeat(USAGES, counts), made.pictures.copy()
    rng = generator(random_state, "fer2013", "copies")
    copied = np.flatnonzero((rng.uniform(size=len(usage)) < share) & (usage != USAGES[0]))
    origin = rng.integers(0, counts[0], len(usage))[copied]
    pictures[copied] = pictures[origin]
    labels = np.array([NAMES[name] for name in made.label])
    names = [
        f"{'train' if part == USAGES[0] else 'test'}/{label}/{part}_{k:05d}.jpg"
        for k, (part, label) in enumerate(zip(usage, labels, strict=True))
    ]
    with simulated(target, "fer2013", settings) as out:
        out.truth["photographs"] = made.truth(names)
        out.truth["copies"] = [{"row": a, "of": b} for a, b in zip(copied.tolist(), origin.tolist(), strict=True)]
        if form == "csv":
            with out.file(TABLES[0]).open("w", newline="\n") as file:
                file.write("emotion,pixels,Usage\n")
                for label, picture, part in zip(labels, pictures, usage, strict=True):
                    file.write(f"{EMOTIONS.index(label)},{' '.join(map(str, picture.ravel().tolist()))},{part}\n")
        elif form == "folder":
            for name, picture in zip(names, pictures, strict=True):
                out.file(name).write_bytes(encoded(picture, "JPEG"))
        else:
            with zipfile.ZipFile(out.file("archive.zip"), "w") as archive:
                for name, picture in zip(names, pictures, strict=True):
                    archive.writestr(zipfile.ZipInfo(name, _EPOCH), encoded(picture, "JPEG"))
    return target
