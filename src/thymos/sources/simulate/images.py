"""Simulated photographs in folders of classes, and what all writers of photographs share."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.base.random import generator
from thymos.sources.simulate.faces import draw_emotions, flip_labels, identities, simulate_faces
from thymos.sources.simulate.folder import earlier, simulated
from thymos.sources.simulate.latent import numbered, whole

__all__ = ["Album", "album", "encoded", "write_images"]

PARTS = ("train", "val", "test")
_SHARES = (0.6, 0.2)  # of the people, in training and validation; the rest is for the test


@dataclass(frozen=True)
class Album:
    """Simulated photographs and what is true of them.

    Parameters
    ----------
    pictures : ndarray, shape (n, size, size), uint8
        Grey values.
    person : ndarray of int, shape (n,)
        Who it is, from 0.
    emotion, label : ndarray of str, shape (n,)
        What is shown, and what the photograph is said to show.
    intensity : ndarray, shape (n,)
        0.4 to 1.
    """

    pictures: np.ndarray
    person: np.ndarray
    emotion: np.ndarray
    label: np.ndarray
    intensity: np.ndarray

    def truth(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return what is true of each photograph, as rows for ``SIMULATED.json``."""
        columns = self.person.tolist(), self.emotion.tolist(), self.label.tolist(), self.intensity.round(6).tolist()
        keys = "file", "person", "emotion", "label", "intensity"
        return [dict(zip(keys, row, strict=True)) for row in zip(names, *columns, strict=True)]


def album(
    n: int,
    people: int,
    random_state: int = 0,
    size: int = 48,
    effect: float = 1.0,
    null: bool = False,
    flip: float = 0.05,
    domain: str = "plain",
) -> Album:
    """Take `n` photographs of `people` people in turn; parameters as :func:`write_images`."""
    n, people = whole("photos", n, 1), whole("people", people, 1)
    person = np.arange(n) % people
    emotion = draw_emotions(n, random_state, domain)
    intensity = generator(random_state, "images", "intensity").uniform(0.4, 1, n)
    who = identities(people, random_state, domain)[person]
    pictures = simulate_faces(emotion, who, intensity, random_state, size, domain, effect, null)
    return Album(pictures, person, emotion, flip_labels(emotion, random_state, flip), intensity)


def encoded(picture: np.ndarray, kind: str = "PNG") -> bytes:
    """Return a picture, shape (height, width) or (height, width, 3), as the bytes of a file."""
    content = io.BytesIO()
    options = {"quality": 95} if kind == "JPEG" else {}
    require("PIL.Image", "faces").fromarray(picture).save(content, kind, **options)
    return content.getvalue()


def write_images(
    folder: str | Path,
    random_state: int = 0,
    people: int = 10,
    photos: int = 12,
    size: int = 48,
    parts: bool = True,
    effect: float = 1.0,
    null: bool = False,
    flip: float = 0.05,
    domain: str = "plain",
) -> Path:
    r"""Write ``images/<part>/<emotion>/<person>-<number>.png``, the parts without a person in common.

    Parameters
    ----------
    folder : path
        Where the folder ``images`` is made: a data folder.
    random_state : int
        Seed; the same seed gives the same bytes.
    people, photos : int
        Number of people, and of photographs of each.
    size : int
        Height and width in pixels, at least 24.
    parts : bool
        Sort into ``train``, ``val`` and ``test``, 60, 20 and 20 % of the people; otherwise into emotions alone.
    effect : float
        Multiplies how much of an emotion is shown.
    null : bool
        No emotion in any face; labels and everything else stay as they are.
    flip : float
        Share of false labels.
    domain : str
        Of :data:`~thymos.sources.simulate.faces.DOMAINS`.

    Returns
    -------
    Path
        The folder written, with ``SIMULATED.json``. Read it with ``subject_pattern=r"(?P<subject>p\d+)"``.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or a parameter does not fit.
    """
    settings = {key: value for key, value in locals().items() if key != "folder"}
    target = Path(folder) / "images"
    earlier(target, "images")
    if whole("people", people, 1) < 3 and parts:
        raise InputError(f"people={people} came.", fits="3 or more for three parts", do="pass parts=False")
    made = album(people * whole("photos", photos, 1), people, random_state, size, effect, null, flip, domain)
    edges = np.clip(np.ceil(np.cumsum(_SHARES) * people), (1, 2), (people - 2, people - 1)) if parts else np.empty(0)
    names = []
    for k, (person, label) in enumerate(zip(made.person, made.label, strict=True)):
        part = f"{PARTS[int(np.searchsorted(edges, person, side='right'))]}/" if parts else ""
        names.append(f"{part}{label}/{numbered('p', people)[person]}-{k // people + 1:04d}.png")
    with simulated(target, "images", settings) as out:
        out.truth["photographs"] = made.truth(names)
        for name, picture in zip(names, made.pictures, strict=True):
            out.file(name).write_bytes(encoded(picture))
    return target
