"""DREAMER (Katsigiannis & Ramzan 2018): EEG and ECG of 23 people watching 18 film clips."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.errors import DataError
from thymos.base.recording import Lazy, Recording
from thymos.sources.base import Note
from thymos.sources.corpus import MICRO, Corpus, expect, find, identity, kept, signal
from thymos.sources.safe import MatFile

__all__ = ["DREAMER", "HEADSET"]

#: The 14 electrodes of the headset, which AMIGOS used as well.
HEADSET = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
#: Modality to field, rate in Hz, channel names and factor to volts.
MODALITIES = {
    "eeg": ("EEG", 128.0, HEADSET, MICRO),
    "ecg": ("ECG", 256.0, ("left", "right"), MICRO),
}
RATINGS = {"valence": "ScoreValence", "arousal": "ScoreArousal", "dominance": "ScoreDominance"}
CLIPS, SUBJECTS = 18, 23
#: What the clips were chosen for, in order.
CLIP_EMOTION = (
    *("calmness", "surprise", "amusement", "fear", "excitement", "disgust", "happiness", "anger", "sadness"),
    *("disgust", "calmness", "amusement", "happiness", "anger", "fear", "excitement", "sadness", "surprise"),
)
_FITS = "DREAMER.mat with the struct DREAMER and its field Data, a cell per person"


class DREAMER(Corpus):
    """23 people, 18 film clips, 14 electrodes at 128 Hz and two ECG leads at 256 Hz, one clock.

    ``emotion`` is what the clip was chosen for; ``valence``, ``arousal`` and ``dominance`` are ratings of 1 to 5.
    The rest recorded before each clip is the recording's `baseline`.

    Parameters
    ----------
    root : path
        Folder that holds ``DREAMER.mat``.

    Notes
    -----
    Source: S. Katsigiannis, N. Ramzan, DREAMER: A Database for Emotion Recognition Through EEG and ECG Signals From
    Wireless Low-cost Off-the-Shelf Devices, IEEE Journal of Biomedical and Health Informatics 22 (1), 2018. The ECG's
    unit is taken to be the microvolt.
    """

    def __init__(self, root: str | os.PathLike):
        super().__init__(root)
        self._people = kept(_people)

    def files(self) -> dict[str, tuple[Path, int]]:
        """Return the file, and the place in it, of every subject."""
        path = find(self.root, r"DREAMER\.mat", "DREAMER.mat")[()]
        return {f"{k + 1:02d}": (path, k) for k in range(len(self._people(path)))}

    def _subject(self, subject: str, files: tuple[Path, int]) -> Iterator[Recording]:
        path, place = files
        person = self._people(path)[place]
        where = f"{path}, person {place + 1}"
        stored = {m: _fields(where, person, field) for m, (field, *_) in MODALITIES.items()}
        scores = {name: _scores(where, person, field) for name, field in RATINGS.items()}

        def make(modality: str, part: str, k: int):
            _, sfreq, names, factor = MODALITIES[modality]
            what = f"{where}, clip {k + 1}, {modality} {part}"
            data = expect(what, "the signal", stored[modality][part][k], "times", len(names)).T
            start = -data.shape[1] / sfreq if part == "baseline" else 0.0
            return signal(what, data, sfreq, names, "V", factor, start)

        for k, emotion in enumerate(CLIP_EMOTION):
            trial = f"{subject}-{k + 1:02d}"
            meta = {
                **identity("dreamer", subject, trial, f"clip{k + 1:02d}"),
                "emotion": emotion,
                **{name: float(values[k]) for name, values in scores.items()},
                "sex": _text(person.get("Gender")),
                "age": _text(person.get("Age")),
            }
            yield Recording(
                Lazy({m: partial(make, m, "stimuli", k) for m in MODALITIES}),
                meta,
                baseline=Lazy({m: partial(make, m, "baseline", k) for m in MODALITIES}),
            )

    def check(self) -> list[Note]:
        """Say what is remarkable about this copy."""
        apart = []
        for recording in self.recordings():
            lengths = [recording.signal(m).duration for m in MODALITIES]
            if abs(lengths[0] - lengths[1]) > 0.5:
                apart.append(f"{recording.meta['trial']} ({lengths[0]:.1f} and {lengths[1]:.1f} s)")
        return [Note(trial, "EEG and ECG differ in length") for trial in apart]


def _people(path: Path) -> list[dict[str, Any]]:
    """Return what is stored of every person."""
    whole = MatFile(path).read("DREAMER")
    people = whole.get("Data") if isinstance(whole, dict) else None
    if isinstance(people, dict):
        people = np.array([people], dtype=object)
    if not isinstance(people, np.ndarray) or people.dtype != object or not people.size:
        raise DataError(f"{path} has no people in DREAMER.Data.", fits=_FITS, do="copy or download it again")
    people = list(people.reshape(-1))
    for k, person in enumerate(people):
        if not isinstance(person, dict):
            raise DataError(f"{path}, person {k + 1} is no struct.", fits=_FITS)
    return people


def _fields(where: str, person: dict[str, Any], field: str) -> dict[str, np.ndarray]:
    """Return the cells of rest and clips of one device."""
    stored, made = person.get(field), {}
    for part in ("baseline", "stimuli"):
        cells = stored.get(part) if isinstance(stored, dict) else None
        if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.size != CLIPS:
            n = cells.size if isinstance(cells, np.ndarray) and cells.dtype == object else 0
            raise DataError(f"{where}: {field}.{part} has {n} cells.", fits=f"{CLIPS}, one per clip")
        made[part] = cells.reshape(-1)
    return made


def _scores(where: str, person: dict[str, Any], field: str) -> np.ndarray:
    values = expect(where, field, person.get(field), CLIPS, 1).reshape(-1)
    if not (np.isfinite(values).all() and values.min() >= 1 and values.max() <= 5):
        raise DataError(f"{where}: {field} lies between {values.min():g} and {values.max():g}.", fits="1 to 5")
    return values


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    return str(value) if value is not None else ""
