"""DEAP (Koelstra et al. 2012): EEG and peripheral signals of 32 people watching 40 music videos."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import DataError
from thymos.base.recording import Frames, Lazy, Recording, Signal
from thymos.sources.base import Note
from thymos.sources.corpus import MICRO, Corpus, expect, find, identity, kept, published, signal
from thymos.sources.safe import read_csv, read_pickle, read_video
from thymos.sources.safe.files import numbers

__all__ = ["DEAP"]

SFREQ = 128.0
BASELINE = 3.0  # s before each video
TRIALS, TIMES = 40, 8064
CHANNELS = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
)
#: Modality to rows of `data`, channel names, unit, factor. The published units of the last four are not documented.
MODALITIES = {
    "eeg": (slice(0, 32), CHANNELS, "V", MICRO),
    "eog": (slice(32, 34), ("hEOG", "vEOG"), "V", MICRO),
    "emg": (slice(34, 36), ("zygomaticus", "trapezius"), "V", MICRO),
    "eda": (slice(36, 37), ("GSR",), "", 1.0),
    "resp": (slice(37, 38), ("respiration",), "", 1.0),
    "bvp": (slice(38, 39), ("plethysmograph",), "", 1.0),
    "temp": (slice(39, 40), ("temperature",), "", 1.0),
}
RATINGS = ("valence", "arousal", "dominance", "liking")  # columns of `labels`, in this order

_FIRST = round(BASELINE * SFREQ)  # sample of the video's begin
_FITS = "the preprocessed Python release, files s01.dat to s32.dat"


class DEAP(Corpus):
    """32 people, 40 music videos of 60 s each, 32 electrodes and 8 peripheral channels at 128 Hz, 22 faces.

    The preprocessed release: 4 to 45 Hz, eye artifacts removed, common average reference. Each trial begins with the
    video; the 3 s before it are the recording's `baseline`. Ratings of 1 to 9 stay as they are. Trials are in order of
    the videos, so ``stimulus`` is the video and the order in which a person saw them is known only from
    ``participant_ratings.csv``: where that file is there, ``presented`` is the place in that order, and
    ``familiarity`` is added. Films of faces (``s01_trial01.avi``, the first 22 people) are numbered in that order too,
    so they become the modality ``face`` only where the table is there.

    Parameters
    ----------
    root : path
        Folder that holds ``s01.dat`` and so on, at any depth.
    video_size : (int, int)
        Height and width to which pictures of a face are brought.
    video_step : int
        Every how many pictures one is kept; the films have 50 a second.

    Notes
    -----
    Source: S. Koelstra et al., DEAP: A Database for Emotion Analysis using Physiological Signals, IEEE Transactions on
    Affective Computing 3 (1), 2012. There is no signal below 4 Hz: a delta band would measure the filter. All people
    saw the same videos, so a new person is not a new stimulus. The electrodermal channel is a skin resistance; its
    unit, and those of respiration, pulse and temperature, are not documented: they are passed on as stored.
    """

    def __init__(self, root: str | os.PathLike, video_size: Sequence[int] = (144, 180), video_step: int = 10):
        super().__init__(root)
        self._content = kept(self._read)
        self.video_size, self.video_step = (int(video_size[0]), int(video_size[1])), int(video_step)

    @cached_property
    def films(self) -> dict[tuple[int, int], Path]:
        """Number of the subject and place in the order of presentation, to the film of the face."""
        found = find(self.root, r"s(\d+)_trial(\d+)\.avi", "", optional=True)
        return {(int(subject), int(place)): path for (subject, place), path in found.items()}

    def files(self) -> dict[str, Path]:
        """Return the file of every subject."""
        return {f"s{int(number):02d}": path for (number,), path in find(self.root, r"s(\d+)\.dat", _FITS).items()}

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return data and labels of one file."""
        content = read_pickle(path)
        if not isinstance(content, dict) or not {"data", "labels"} <= set(content):
            raise DataError(f"{path} holds no dict with data and labels.", fits=_FITS)
        n_channels = MODALITIES["temp"][0].stop
        data = expect(path, "data", content["data"], published(self, TRIALS, "trials"), n_channels, "times")
        labels = expect(path, "labels", content["labels"], len(data), len(RATINGS))
        if data.shape[2] <= _FIRST:
            raise DataError(f"{path}: data has {data.shape[2]} times.", fits=f"{_FIRST} of baseline, then the video")
        if not np.isfinite(labels).all():
            raise DataError(f"{path}: {int((~np.isfinite(labels)).sum())} ratings are missing.", fits="1 to 9")
        if labels.min() < 1 or labels.max() > 9:
            raise DataError(
                f"{path}: the ratings lie between {labels.min():g} and {labels.max():g}.",
                fits="1 to 9",
                do="the file may be truncated, or data and labels exchanged",
            )
        return data, labels

    def _part(self, path: Path, k: int, modality: str, part: slice, start: float) -> Signal:
        rows, names, unit, factor = MODALITIES[modality]
        data, _ = self._content(path)
        return signal(f"{path}, trial {k + 1}", data[k, rows, part], SFREQ, names, unit, factor, start)

    def _subject(self, subject: str, files: Path) -> Iterator[Recording]:
        _, labels = self._content(files)
        more = self._more(subject, labels)
        for k in range(len(labels)):
            meta = {
                **identity("deap", subject, f"{subject}-{k + 1:02d}", f"video{k + 1:02d}"),
                **dict(zip(RATINGS, labels[k].tolist(), strict=True)),
                **{name: values[k] for name, values in more.items()},
            }
            makers: dict[str, Any] = {m: partial(self._part, files, k, m, slice(_FIRST, None), 0.0) for m in MODALITIES}
            if film := self.films.get((int(subject[1:]), meta.get("presented", 0))):
                makers["face"] = partial(self._face, film)
            yield Recording(
                Lazy(makers),
                meta,
                baseline=Lazy({m: partial(self._part, files, k, m, slice(_FIRST), -BASELINE) for m in MODALITIES}),
            )

    def _face(self, path: Path) -> Frames:
        return Frames(*read_video(path, self.video_size, grey=False, step=self.video_step))

    def _more(self, subject: str, labels: np.ndarray) -> dict[str, list]:
        """Return what the table of ratings adds, in order of the videos; it must agree with the ratings."""
        table = self._table()
        if table is None:
            return {}
        path, table = table
        mine = table[table["Participant_id"] == int(subject[1:])].sort_values("Experiment_id")
        if len(mine) != len(labels):
            raise DataError(f"{path} has {len(mine)} rows for {subject}.", fits=f"{len(labels)}")
        apart = np.abs(mine[["Valence", "Arousal"]].to_numpy(float) - labels[:, :2]).max()
        if apart > 0.01:
            raise DataError(
                f"{path} and {subject}.dat differ by up to {apart:.2f} in valence and arousal.",
                fits="the same ratings in both",
                do="trials of one of them are in another order; take both from the same release",
            )
        return {"presented": mine["Trial"].astype(int).tolist(), "familiarity": mine["Familiarity"].tolist()}

    def _table(self) -> tuple[Path, pd.DataFrame] | None:
        columns = ("Participant_id", "Trial", "Experiment_id", "Valence", "Arousal", "Familiarity")
        paths = sorted(self.root.rglob("participant_ratings.csv"))
        if not paths:
            return None
        table = read_csv(paths[0], columns)
        return paths[0], pd.DataFrame({column: numbers(paths[0], table, column) for column in columns})

    def check(self) -> list[Note]:
        """Say what is remarkable about this copy."""
        lengths = {r.signal("temp").data.shape[1] + r.baseline["temp"].data.shape[1] for r in self.recordings()}
        notes = [
            Note("data", f"trials of {n} times, published are {TIMES} ({TIMES / SFREQ:g} s)") for n in lengths - {TIMES}
        ]
        if self._table() is None:
            notes.append(Note("participant_ratings.csv", "not there: order of presentation and familiarity unknown"))
            if self.films:
                notes.append(Note("films of faces", f"{len(self.films)}, of no use without that table"))
        return notes
