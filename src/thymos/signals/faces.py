"""Faces: found in pictures and films, cut out, and brought to one size."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

from thymos.base.catalogue import near
from thymos.base.errors import InputError, MissingExtraError
from thymos.base.optional import require
from thymos.base.recording import Frames
from thymos.signals.frames import resize_frames, to_grey

__all__ = ["CASCADES", "crop_faces", "detect_faces", "normalise_faces"]

#: OpenCV's cascades for faces from the front.
CASCADES = ("alt2", "alt", "default")

_SMALL, _ENLARGED = 96, 144  # pixels of the shorter side: pictures below the first are brought to the second
_BORDER = 0.25  # of the shorter side, repeated around small pictures
_FOLLOWED = 5  # frames over which the box of a film is smoothed


def detect_faces(
    picture: np.ndarray, cascade: str = "alt2", scale: float = 1.1, neighbours: int = 3, least: float = 0.2
) -> np.ndarray:
    """Find faces seen from the front.

    Pictures whose shorter side is below 96 pixels are enlarged, and a quarter of it is repeated around them: crops of
    faces, such as those of FER-2013, leave a cascade no border to see a head against.

    Parameters
    ----------
    picture : ndarray, shape (height, width) or (1 or 3, height, width), uint8
        Grey values, or red, green and blue.
    cascade : str
        One of :data:`CASCADES`. They find about as many photographs of FER-2013; ``default`` also finds faces where
        there are none.
    scale : float
        Factor between two sizes of face that are looked for, above 1.
    neighbours : int
        How many overlapping hits make a face; more find fewer, and fewer that are none.
    least : float
        Smallest side of a face, as a share of the picture's shorter side.

    Returns
    -------
    ndarray, shape (n_faces, 4), int
        x and y of the upper left corner, width and height in pixels, the largest first. Boxes may reach over the
        border of a small picture.

    Raises
    ------
    InputError
        If the picture or an option does not fit.
    MissingExtraError
        If OpenCV is not installed, or is version 5, which has no cascades.

    Notes
    -----
    P. Viola, M. Jones: Rapid object detection using a boosted cascade of simple features. CVPR 2001; the cascades by
    R. Lienhart, computed by OpenCV.
    """
    picture = np.asarray(picture)
    picture = picture[None] if picture.ndim == 2 else picture
    if picture.ndim != 3 or picture.shape[0] not in (1, 3) or picture.dtype != np.uint8 or not picture.size:
        raise InputError(
            f"A picture of shape {picture.shape} and type {picture.dtype} came.",
            fits="uint8 of shape (height, width) or (1 or 3, height, width)",
        )
    if not (scale > 1 and neighbours >= 0 and 0 < least <= 1):
        raise InputError(
            f"scale={scale}, neighbours={neighbours} and least={least} came.",
            fits="scale above 1, neighbours 0 or more, least above 0 and at most 1",
        )
    cv2, detector = _detector(cascade)
    grey = to_grey(picture[None])[0, 0]
    shorter, border, factor = min(grey.shape), 0, 1.0
    if shorter < _SMALL:
        border, factor = round(_BORDER * shorter), _ENLARGED / shorter
        grey = cv2.copyMakeBorder(grey, *[border] * 4, cv2.BORDER_REPLICATE)
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    side = max(1, round(least * shorter * factor))
    found = detector.detectMultiScale(np.ascontiguousarray(grey), scale, neighbours, minSize=(side, side))
    boxes = np.reshape(found, (-1, 4)) / factor - (border, border, 0, 0)
    boxes = np.round(boxes).astype(int)
    return boxes[np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable")]


def crop_faces(
    frames: Frames,
    size: int = 48,
    margin: float = 0.05,
    equalise: bool = False,
    missing: str = "error",
    every: int = 1,
    cascade: str = "alt2",
    scale: float = 1.1,
    neighbours: int = 3,
    least: float = 0.2,
) -> Frames:
    """Cut a square around the largest face of each picture.

    In a film the box is smoothed: the running median of five frames removes hits that are no face, the running mean
    of five what trembles. Frames without a face, and those between, take the box of the nearest frame that has one.
    Photographs stand for themselves. The square lies inside the picture, so what is already the crop of a face, as in
    FER-2013, comes out whole or nearly so.

    Parameters
    ----------
    frames : Frames
        A photograph or a film, in grey or colour.
    size : int
        Side of what is returned, in pixels.
    margin : float
        What is added on each side of the face, as a share of its width.
    equalise : bool
        Equalise the histogram of each crop.
    missing : {'error', 'keep'}
        What becomes of a photograph, or a film, without any face: an error, or the whole picture brought to `size`.
    every : int
        In a film, look for faces in every so many frames.
    cascade, scale, neighbours, least
        As :func:`detect_faces`.

    Returns
    -------
    Frames
        Grey values, shape (n_frames, 1, size, size), with the clock of `frames`.

    Raises
    ------
    InputError
        If there is no face and `missing` is ``error``, or an option does not fit.
    """
    if missing not in ("error", "keep"):
        raise InputError(f"missing={missing!r} came.{near(missing, ['error', 'keep'])}", fits="error or keep")
    if not (size >= 1 and margin >= 0 and every >= 1):
        raise InputError(
            f"size={size}, margin={margin} and every={every} came.",
            fits="size and every of 1 or more, margin of 0 or more",
        )
    data = to_grey(frames.data)
    film = frames.sfreq > 0
    squares = np.full((len(data), 3), np.nan)  # x and y of the middle, and side
    for k in range(0, len(data), every if film else 1):
        boxes = detect_faces(data[k], cascade, scale, neighbours, least)
        if len(boxes):
            x, y, width, height = boxes[0]
            squares[k] = x + width / 2, y + height / 2, max(width, height) * (1 + 2 * margin)
    found = np.isfinite(squares[:, 0])
    if len(data) and missing == "error" and not (found.any() if film else found.all()):
        raise InputError(
            f"No face was found in {'any' if film else f'{(~found).sum()}'} of {len(data)} picture(s) of "
            f"{data.shape[3]} x {data.shape[2]} pixels.",
            fits=f"a face from the front, {least:.0%} of the picture's shorter side or larger",
            do="lower least or neighbours, leave the recording out, or take missing='keep' for whole pictures",
        )
    if film and found.any():
        squares, found = _followed(squares, found), np.ones(len(data), dtype=bool)
    made = np.empty((len(data), 1, size, size), dtype=np.uint8)
    for k, picture in enumerate(data):
        part = picture[(slice(None), *_inside(squares[k], picture.shape[1:]))] if found[k] else picture
        made[k] = resize_frames(part[None], (size, size))[0]
    return frames.replace(data=_equalised(made) if equalise else made)


def normalise_faces(frames: Frames, size: int = 48, equalise: bool = False) -> Frames:
    """Bring whole pictures to grey squares of one size, as crops of faces without looking for any.

    Parameters
    ----------
    frames : Frames
        In grey or colour; pictures that are not square are squeezed.
    size : int
        Side of what is returned, in pixels.
    equalise : bool
        Equalise the histogram of each picture, so that light and contrast matter less.

    Returns
    -------
    Frames
        Grey values, shape (n_frames, 1, size, size), with the clock of `frames`.

    Raises
    ------
    InputError
        If `size` is below one pixel.
    """
    if size < 1:
        raise InputError(f"size={size} came.", fits="a side of one pixel or more")
    made = resize_frames(to_grey(frames.data), (size, size))
    return frames.replace(data=_equalised(made) if equalise else made)


@lru_cache(maxsize=len(CASCADES))
def _detector(cascade: str) -> tuple[Any, Any]:
    if cascade not in CASCADES:
        raise InputError(f"There is no cascade {cascade!r}.{near(cascade, CASCADES)}", fits=", ".join(CASCADES))
    cv2 = require("cv2", "faces")
    if not hasattr(cv2, "CascadeClassifier"):
        raise MissingExtraError(
            f"OpenCV {cv2.__version__} has no cascades; they ended with version 4.", do="pip install 'thymos[faces]'"
        )
    return cv2, cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_{cascade}.xml")


def _followed(squares: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Fill gaps of a film's squares, shape (n_frames, 3), from the nearest frame, and smooth them."""
    have = np.flatnonzero(found)
    at = np.arange(len(squares))
    after = np.searchsorted(have, at).clip(max=len(have) - 1)
    before = (after - 1).clip(min=0)
    nearest = np.where(np.abs(have[before] - at) <= np.abs(have[after] - at), have[before], have[after])
    smooth = median_filter(squares[nearest], (_FOLLOWED, 1), mode="nearest")
    return uniform_filter1d(smooth, _FOLLOWED, axis=0, mode="nearest")


def _inside(square: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of a square, moved into the picture and shrunk to it where it is larger."""
    x, y, side = square
    side = max(1, min(round(side), *shape))
    top, left = (int(np.clip(round(middle - side / 2), 0, n - side)) for middle, n in zip((y, x), shape, strict=True))
    return slice(top, top + side), slice(left, left + side)


def _equalised(data: np.ndarray) -> np.ndarray:
    cv2 = require("cv2", "faces")
    return np.stack([cv2.equalizeHist(picture[0])[None] for picture in data]) if len(data) else data
