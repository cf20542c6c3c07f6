"""AMIGOS (Miranda-Correa et al. 2021): EEG, ECG and skin conductance of 40 people watching short and long films."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from thymos.base.errors import DataError
from thymos.base.recording import Lazy, Recording, Signal
from thymos.sources.base import Note
from thymos.sources.corpus import MICRO, Corpus, expect, find, identity, kept, signal
from thymos.sources.dreamer import HEADSET
from thymos.sources.safe import MatFile

__all__ = ["AMIGOS"]

SFREQ = 128.0
BASELINE = 5.0  # s before each film
VIDEOS, SHORT = 20, 16
#: Modality to columns, channel names, unit and factor. The unit of the skin conductance is not documented.
MODALITIES = {
    "eeg": (slice(0, 14), HEADSET, "V", MICRO),
    "ecg": (slice(14, 16), ("right", "left"), "V", MICRO),
    "eda": (slice(16, 17), ("GSR",), "", 1.0),
}
#: Columns of `labels_selfassessment`: arousal comes first. The first five are ratings of 1 to 9, the others 0 or 1.
REPORTS = (
    *("arousal", "valence", "dominance", "liking", "familiarity"),
    *("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness"),
)
_RATINGS = 5
_FITS = "Data_Preprocessed_P01.mat to P40.mat"


class AMIGOS(Corpus):
    """40 people, 16 short and 4 long films, 14 electrodes, two ECG leads and skin conductance at 128 Hz.

    The preprocessed release. The 5 s before each film are the recording's `baseline`. Films that a person did not see,
    that hold missing values, or that were not rated, are left out; :meth:`check` lists them. ``video`` is ``short`` or
    ``long``; ``presented`` is the place in the file.

    Parameters
    ----------
    root : path
        Folder that holds ``Data_Preprocessed_P01.mat`` and so on.

    Notes
    -----
    Source: J. A. Miranda-Correa, M. K. Abadi, N. Sebe, I. Patras, AMIGOS: A Dataset for Affect, Personality and Mood
    Research on Individuals and Groups, IEEE Transactions on Affective Computing 12 (2), 2021. The self-assessment
    lists arousal before valence.
    """

    def __init__(self, root: str | os.PathLike):
        super().__init__(root)
        self._content = kept(_content)

    def files(self) -> dict[str, Path]:
        """Return the file of every subject."""
        return {f"P{int(n):02d}": p for (n,), p in find(self.root, r"Data_Preprocessed_P(\d+)\.mat", _FITS).items()}

    def _subject(self, subject: str, files: Path, skipped: list[Note] | None = None) -> Iterator[Recording]:
        cells, reports, videos = self._content(files)
        if not len(cells) == len(reports) == len(videos) <= VIDEOS:
            raise DataError(
                f"{files} holds {len(cells)} signals, {len(reports)} self-assessments, {len(videos)} names of films.",
                fits=f"as many of each, {VIDEOS} at most",
            )
        first = round(BASELINE * SFREQ)
        n_columns = MODALITIES["eda"][0].stop
        for k, (data, report, video) in enumerate(zip(cells, reports, videos, strict=True)):
            where, reason = f"{files}, film {k + 1}", ""
            if not np.size(data):
                reason = "no signal"
            elif not np.size(report) or not np.isfinite(np.asarray(report, dtype=float)).all():
                reason = "no self-assessment"
            elif np.isnan(expect(where, "joined_data", data, "times", n_columns)).any():
                reason = f"{np.isnan(data).any(axis=1).mean():.1%} of the samples have a missing value"
            if reason:
                if skipped is not None:
                    skipped.append(Note(f"{subject}, film {k + 1}", f"left out: {reason}"))
                continue
            if len(data) <= first:
                raise DataError(f"{where}: {len(data)} samples.", fits=f"{first} of baseline, then the film")
            scores = expect(where, "labels_selfassessment", np.asarray(report, dtype=float), 1, len(REPORTS))[0]
            if scores[:_RATINGS].min() < 1 or scores[:_RATINGS].max() > 9:
                raise DataError(f"{where}: the ratings are {scores[:_RATINGS]}.", fits="1 to 9")
            name = str(video) if isinstance(video, (str, np.str_)) and video else f"film{k + 1:02d}"
            meta = {
                **identity("amigos", subject, f"{subject}-{k + 1:02d}", name, "1" if k < SHORT else "2"),
                "video": "short" if k < SHORT else "long",
                **dict(zip(REPORTS, scores.tolist(), strict=True)),
            }
            yield Recording(
                Lazy({m: partial(self._part, files, k, m, slice(first, None), 0.0) for m in MODALITIES}),
                meta,
                baseline=Lazy({m: partial(self._part, files, k, m, slice(first), -BASELINE) for m in MODALITIES}),
            )

    def _part(self, path: Path, k: int, modality: str, part: slice, start: float) -> Signal:
        columns, names, unit, factor = MODALITIES[modality]
        data = self._content(path)[0][k]
        return signal(f"{path}, film {k + 1}", data[part, columns].T, SFREQ, names, unit, factor, start)

    def check(self) -> list[Note]:
        """Say what is left out of this copy, and why."""
        skipped: list[Note] = []
        for subject, path in self._files.items():
            for _ in self._subject(subject, path, skipped):
                pass
        return skipped


def _content(path: Path) -> tuple[list, list, list]:
    """Return signals, self-assessments and names of the films of one person."""
    content = MatFile(path)
    cells, reports = (_cells(path, content, name) for name in ("joined_data", "labels_selfassessment"))
    return cells, reports, _cells(path, content, "VideoIDs") if "VideoIDs" in content.names else [None] * len(cells)


def _cells(path: Path, content: MatFile, name: str) -> list:
    cells = content.read(name)
    if not isinstance(cells, np.ndarray) or cells.dtype != object:
        raise DataError(f"{path}: {name} is no cell array.", fits="one cell per film", do="copy or download it again")
    return list(cells.reshape(-1))
