"""Sounds of a user as recordings, for a model that is already trained: each file for itself, without a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from thymos.base.errors import DataError
from thymos.base.recording import Recording, Signal
from thymos.sources.safe.media import read_audio

__all__ = ["SOUNDS", "UNREAD", "own_sound"]

#: Endings of the files that are read as sound.
SOUNDS = (".wav", ".flac")

#: Endings of sounds that are refused by name.
UNREAD = (".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff")

_CLIPPED = 1e-3  # share of the samples at full scale from which it is worth saying
_FULL = 1 - 2**-15
_OFFSET = 0.5  # mean over standard deviation from which it is worth saying


def own_sound(path: str | Path, modality: str = "speech") -> tuple[Recording, list[str]]:
    """Return the recording of a sound, and what is remarkable about it.

    Parameters
    ----------
    path : path
        Wav or FLAC; several channels are made one by their mean.
    modality : str
        What the model calls it.

    Raises
    ------
    DataError
        If there is no such file, it is no such sound, is cut short, or holds no sample.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}.", fits="a wav or flac file")
    if path.suffix.lower() in UNREAD:
        raise DataError(
            f"{path} is a sound of a kind that is not read.",
            fits="a wav or flac file",
            do=f"convert it, as with: ffmpeg -i {path.name} {path.stem}.wav",
        )
    data, sfreq = read_audio(path)
    notes = [f"{len(data)} channels are made one by their mean"] if len(data) > 1 else []
    clipped = float((np.abs(data) >= _FULL).any(axis=0).mean())
    if clipped > _CLIPPED:
        notes.append(f"{clipped:.1%} of its samples are at full scale: it is clipped, and predictions may suffer")
    with np.errstate(invalid="ignore"):  # what is missing or infinite is refused later, by the model
        mean, spread = np.abs(data.mean(axis=1, dtype=np.float64)), data.std(axis=1, dtype=np.float64)
    if (mean > _OFFSET * spread).any():
        text = f"it does not swing about 0 but about {mean.max():.2g} of full scale"
        notes.append(f"{text}: this offset may disturb predictions")
    mono = data[:1] if len(data) == 1 else data.mean(axis=0, keepdims=True, dtype=np.float32)
    names = {"source": "file", "subject": "-", "session": "1", "trial": str(path), "stimulus": "none"}
    return Recording({modality: Signal(mono, sfreq, ("mono",), "")}, {**names, "recording": str(path)}), notes
