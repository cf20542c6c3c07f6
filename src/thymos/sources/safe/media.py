"""Sound and pictures, sizes seen before anything is decoded."""

from __future__ import annotations

import io
import math
import os
import warnings
from typing import Any, Literal

import numpy as np

from thymos.base.errors import DataError
from thymos.base.optional import require
from thymos.sources.safe.files import bounded, readable

__all__ = ["audio_facts", "read_audio", "read_image", "read_npy", "read_video"]

#: Endings of sounds, and the containers that each may be: others are not looked at for what a cut has taken away.
_SOUNDS = {".wav": ("WAV", "WAVEX", "RF64"), ".flac": ("FLAC",)}
_ENDLESS = 2**63 - 1  # samples of which a header does not say how many there are
_UNKNOWN = 2**32 - 1  # bytes, likewise
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"RF64": "little", b"RIFX": "big"}
_MOST_CHUNKS = 1000
_LONGEST = 2**28  # bytes of one sound once decoded: an hour and a half at 16 kHz
_LARGEST_SIDE = 8192  # pixels
#: Endings of films, and the container that each must be.
_FILMS = {".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".avi": "avi", ".mkv": "matroska", ".webm": "matroska"}
_LARGEST_FILM = 2**31  # bytes of one film once decoded: half a minute of 1280 x 720 in grey, at 60 frames a second


def audio_facts(path: str | os.PathLike) -> tuple[float, int, int]:
    """Return rate in Hz, number of channels and number of samples, from the header alone.

    Raises
    ------
    DataError
        If it is no sound that can be read, is of another kind than its ending says, or does not tell its length.
    """
    soundfile = require("soundfile", "speech")
    with readable(path, "a wav or flac file", soundfile.LibsndfileError, RuntimeError, TypeError):
        facts = soundfile.info(os.fspath(path))
    name = os.path.basename(path)
    stem, ending = os.path.splitext(name)
    kinds = _SOUNDS.get(ending.lower())
    if kinds and facts.format not in kinds:
        raise DataError(
            f"{path} is a file of the kind {facts.format} with the ending {ending}.",
            fits=f"{kinds[0]}, as its ending says",
            do=f"convert it, as with: ffmpeg -i {name} {stem}-converted{ending}",
        )
    if facts.frames == _ENDLESS:
        raise DataError(
            f"{path} does not say in its header how long it is, so that nobody can tell whether it is whole.",
            fits="the number of its samples, which programs that write into a pipe leave out",
            do=f"write it anew, as with: ffmpeg -i {name} {stem}-whole{ending}",
        )
    return float(facts.samplerate), int(facts.channels), int(facts.frames)


def read_audio(path: str | os.PathLike) -> tuple[np.ndarray, float]:
    """Read a sound.

    Returns
    -------
    data : ndarray, shape (n_channels, n_times), float32
        Full scale is 1.
    sfreq : float
        Hz.

    Raises
    ------
    DataError
        If it cannot be read, is empty, truncated, or absurdly long.
    """
    soundfile = require("soundfile", "speech")
    sfreq, n_channels, n_times = audio_facts(path)
    bounded(path, (n_channels, n_times), 4, _LONGEST)
    if not n_times:
        raise DataError(f"{path} holds no sound.", fits="a wav or flac file", do="copy or download it again")
    with readable(path, "a wav or flac file", soundfile.LibsndfileError, RuntimeError):
        data, _ = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)
    if len(data) < n_times or _cut_short(path):
        came = f"{len(data)} of {n_times} samples" if len(data) < n_times else "its header promises more bytes"
        raise DataError(f"{path} is truncated: {came}.", fits="all of them", do="copy or download it again")
    return np.ascontiguousarray(data.T), sfreq


def _cut_short(path: str | os.PathLike) -> bool:
    """Say whether a wav file is shorter than its header, or that of its samples, says; libsndfile passes over it."""
    with open(path, "rb") as file:
        order = _ORDERS.get(file.read(4))
        if order is None:
            return False

        def number(n_bytes: int = 4) -> int:
            value = int.from_bytes(file.read(n_bytes), order)
            return 0 if value == _UNKNOWN else value

        of_file, of_samples, start = number(), 0, 0
        file.seek(12)
        for _ in range(_MOST_CHUNKS):
            name, size, start = file.read(4), number(), file.tell()
            if name == b"data":
                of_samples = size or of_samples
                break
            if name == b"ds64":  # the sizes of a file that may be larger than 32 bits say
                of_file, of_samples = number(8), number(8)
            file.seek(start + size + size % 2)
    return max(8 + of_file, start + of_samples) > os.path.getsize(path)


def read_image(content: bytes | str | os.PathLike, where: str = "", grey: bool = True) -> np.ndarray:
    """Read a photograph.

    Parameters
    ----------
    content : bytes or path
        A JPEG, PNG, BMP, WebP or PGM.
    where : str
        How it is called in messages; the path by default.
    grey : bool
        One channel; otherwise three.

    Returns
    -------
    ndarray, shape (1 or 3, height, width), uint8

    Raises
    ------
    DataError
        If it cannot be decoded, or is absurdly large.

    Notes
    -----
    A picture is turned as its EXIF data say, as every viewer does: cameras store what they saw on their side.
    """
    image_module, operations = require("PIL.Image", "faces"), require("PIL.ImageOps", "faces")
    where = where or str(content)
    fits = f"a photograph of at most {_LARGEST_SIDE} x {_LARGEST_SIDE} pixels"
    formats = ("JPEG", "PNG", "BMP", "WEBP", "PPM")
    source: Any = io.BytesIO(content) if isinstance(content, bytes) else content
    with warnings.catch_warnings(), readable(where, fits, Exception):  # the decoders raise what they like
        warnings.simplefilter("error", image_module.DecompressionBombWarning)
        with image_module.open(source, formats=formats) as image:
            if max(image.size) > _LARGEST_SIDE:
                raise ValueError(f"it has {image.size[0]} x {image.size[1]} pixels")
            operations.exif_transpose(image, in_place=True)
            if image.mode.startswith("I"):  # of 16 bits, which Pillow would cut off at 255
                data = (np.asarray(image).clip(0, 2**16 - 1) >> 8).astype(np.uint8)[..., None]
                data = data if grey else data.repeat(3, axis=-1)
            else:
                data = np.asarray(image.convert("L" if grey else "RGB")).reshape(image.height, image.width, -1)
    # one grey channel lies in memory as it should already, and this is read by the ten thousand
    return data.reshape(1, *data.shape[:2]) if grey else np.ascontiguousarray(np.moveaxis(data, -1, 0))


def read_video(
    path: str | os.PathLike, size: tuple[int, int] | None = None, grey: bool = True, step: int = 1
) -> tuple[np.ndarray, float]:
    """Read the pictures of a film.

    Parameters
    ----------
    path : path
        An mp4, or whatever else the decoder knows.
    size : (int, int), optional
        Height and width to which each picture is brought; its own by default.
    grey : bool
        One channel; otherwise three.
    step : int
        Every how many pictures one is kept.

    Returns
    -------
    frames : ndarray, shape (n_frames, 1 or 3, height, width), uint8
    sfreq : float
        Frames per second that are left.

    Raises
    ------
    DataError
        If it cannot be decoded, holds no picture, is truncated, or absurdly large.
    """
    av = require("av", "video")
    kind = _FILMS.get(os.path.splitext(os.fspath(path))[1].lower())
    if kind is None:
        raise DataError(f"{path} has the ending of no film.", fits=f"one of {', '.join(_FILMS)}")
    fits = f"a film of at most {_LARGEST_SIDE} x {_LARGEST_SIDE} pixels that a decoder can read to its end"
    frames: list[np.ndarray] = []
    rate = 0.0
    # the decoders raise what they like; left to itself one would take a text file for a list of other files
    with readable(path, fits, Exception), av.open(os.fspath(path), format=kind) as film:
        stream = film.streams.video[0] if film.streams.video else None
        if stream is None:
            raise ValueError("it holds no pictures")
        rate = float(stream.average_rate or 0)
        if not rate > 0:
            raise ValueError("it does not say how many pictures a second it has")
        promised = int(stream.frames)
        height, width = size or (stream.height, stream.width)
        count = 0
        for frame in film.decode(stream):
            if count % step == 0:
                bounded(path, (len(frames) + 1, 1 if grey else 3, height, width), 1, _LARGEST_FILM)
                if max(frame.height, frame.width) > _LARGEST_SIDE:
                    raise ValueError(f"it has {frame.width} x {frame.height} pixels")
                made = frame.reformat(width, height, "gray" if grey else "rgb24").to_ndarray()
                frames.append(np.moveaxis(made.reshape(height, width, -1), -1, 0))
            count += 1
    if not count or count < promised:
        raise DataError(
            f"{path} is truncated: {count} of {promised} pictures.", fits=fits, do="copy or download it again"
        )
    return np.stack(frames), rate / step


def read_npy(path: str | os.PathLike, largest: int = 2**20) -> np.ndarray:
    """Read a small array; no pickle is opened, and no size is believed.

    Parameters
    ----------
    path : path
        An ``.npy`` file.
    largest : int
        Bytes that the file may have.

    Returns
    -------
    ndarray
        Numbers, whatever type they were stored in; text that holds numbers becomes numbers.

    Raises
    ------
    DataError
        If it is no such file, is larger, truncated, or holds text that is no number.
    """
    fits = "an .npy file of numbers"
    with readable(path, fits, Exception):  # a hostile header is parsed as Python, and its complaints are many
        with open(path, "rb") as stored:
            content = stored.read(largest + 1)
        if len(content) > largest:
            raise ValueError(f"it has more than {largest} bytes")
        file = io.BytesIO(content)
        head = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        version = np.lib.format.read_magic(file)[0]
        if version not in head:
            raise ValueError(f"it is written in version {version} of the format")
        shape, order, dtype = head[version](file)
        if dtype.kind not in "biufSU":
            raise ValueError(f"it holds values of type {dtype}")
        bounded(path, shape, dtype.itemsize, largest)
        size = math.prod(shape) * dtype.itemsize
        values = np.frombuffer(file.read(), np.uint8)
        if len(values) != size:
            raise ValueError(f"it holds {len(values)} bytes for an array of shape {shape} and type {dtype}")
        if dtype.itemsize:
            return values.view(dtype).reshape(shape, order="F" if order else "C").astype(np.float64)
        raise ValueError("it holds empty text")
