"""Pictures: photographs and the frames of films, gathered into one array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.base.recording import Frames, Recording
from thymos.base.samples import Samples

__all__ = ["collect_frames", "frame_times", "frames_digest", "resize_frames", "to_grey"]

_LUMA = np.array([299, 587, 114], dtype=np.uint32)  # ITU-R BT.601, in thousandths


def collect_frames(
    recordings: Iterable[Recording],
    modality: str = "face",
    size: int | Sequence[int] | None = None,
    grey: bool = True,
) -> Samples:
    """Gather the pictures of some recordings, one sample each, with its metadata row.

    Parameters
    ----------
    recordings : iterable of Recording
        Read once.
    modality : str
        Which one holds :class:`~thymos.base.recording.Frames`; recordings that do not have it are passed over.
    size : int or (int, int), optional
        Side, or height and width, to which every picture is brought, bilinear; its own by default.
    grey : bool
        Turn colours into grey values.

    Returns
    -------
    Samples
        ``X`` of shape (n_samples, n_channels, height, width), uint8. ``start`` and ``stop`` are seconds within a
        film, and 0 for photographs.

    Raises
    ------
    InputError
        If there are no pictures, they differ in shape and no `size` is given, or a size does not fit.
    """
    target = None if size is None else _sides(size)
    blocks, metas, starts, stops, counts, shape, without = [], [], [], [], [], None, None
    for recording in recordings:
        if modality not in recording.signals:  # as of a film that was lost
            without = without or recording
            continue
        frames = recording.signal(modality)
        if not isinstance(frames, Frames):
            raise InputError(
                f"{modality!r} of the recording {recording.meta['trial']!r} is a signal.",
                fits="pictures",
                do="cut signals into windows instead",
            )
        data = to_grey(frames.data) if grey else frames.data
        data = data if target is None else resize_frames(data, target)
        shape = shape or data.shape[1:]
        if data.shape[1:] != shape:
            raise InputError(
                f"The pictures of {recording.meta['trial']!r} have the shape {data.shape[1:]}.",
                fits=f"(channels, height, width) = {shape}, as the first one",
                do="give a size, or ask for grey values" if target is None else "ask for grey values",
            )
        start, stop = frame_times(frames)
        blocks.append(data)
        metas.append(recording.meta)
        starts.append(start)
        stops.append(stop)
        counts.append(len(data))
    if not counts and without is not None:
        without.signal(modality)  # says which ones there are
    if not sum(counts):
        raise InputError("There are no pictures.", fits="at least one recording with pictures")
    meta = pd.DataFrame(metas).loc[np.repeat(np.arange(len(metas)), counts)]
    meta = meta.assign(start=np.concatenate(starts), stop=np.concatenate(stops))
    return Samples(np.concatenate(blocks), meta=meta, info={"modality": modality, "unit": ""})


def to_grey(data: np.ndarray) -> np.ndarray:
    """Turn red, green and blue into grey values; grey ones stay as they are.

    Parameters
    ----------
    data : ndarray, shape (n_frames, 1 or 3, height, width), uint8
        Pictures.

    Returns
    -------
    ndarray, shape (n_frames, 1, height, width), uint8
    """
    if data.shape[1] == 1:
        return data
    return ((np.tensordot(data.astype(np.uint32), _LUMA, (1, 0)) + 500) // 1000).astype(np.uint8)[:, None]


def resize_frames(data: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring pictures to one size, bilinear; what becomes smaller is averaged over.

    Parameters
    ----------
    data : ndarray, shape (n_frames, 1 or 3, height, width), uint8
        Pictures.
    size : (int, int)
        Height and width wanted.

    Returns
    -------
    ndarray, shape (n_frames, 1 or 3, *size), uint8
    """
    if data.shape[2:] == tuple(size):
        return data
    image = require("PIL.Image", "faces")
    made = np.empty((*data.shape[:2], *size), dtype=np.uint8)
    for at in np.ndindex(data.shape[:2]):
        made[at] = image.fromarray(data[at]).resize(size[::-1], image.Resampling.BILINEAR)
    return made


def frame_times(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Return when each frame of a film begins and ends, in seconds; 0 for photographs."""
    if not frames.sfreq:
        return np.zeros(len(frames.data)), np.zeros(len(frames.data))
    start = frames.start + np.arange(len(frames.data)) / frames.sfreq
    return start, start + 1 / frames.sfreq


def frames_digest(frames: Frames) -> str:
    """Return a hash of pictures, by which they are known again."""
    head = str(frames.data.shape).encode()
    return hashlib.blake2b(head + np.ascontiguousarray(frames.data).tobytes(), digest_size=16).hexdigest()


def _sides(size: int | Sequence[int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(sides) != 2 or not all(isinstance(n, (int, np.integer)) and 1 <= n <= 8192 for n in sides):
        raise InputError(f"size={size!r} came.", fits="height and width in pixels, 1 to 8192")
    return int(sides[0]), int(sides[1])
