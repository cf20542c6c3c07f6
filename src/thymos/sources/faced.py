"""FACED (Chen et al. 2023): EEG of 123 people watching 28 film clips of nine emotions."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.errors import DataError, InputError
from thymos.base.recording import Lazy, Recording, Signal
from thymos.sources.base import Note, some
from thymos.sources.corpus import MICRO, Corpus, expect, find, identity, kept, signal
from thymos.sources.safe import MatFile, read_pickle

__all__ = ["FACED", "FACEDFeatures"]

SFREQ = 250.0
CLIPS, TIMES, SECONDS = 28, 7500, 30
_SCALP = (
    *("Fp1", "Fp2", "Fz", "F3", "F4", "F7", "F8", "FC1", "FC2", "FC5", "FC6", "Cz", "C3", "C4", "T7", "T8", "CP1"),
    *("CP2", "CP5", "CP6", "Pz", "P3", "P4", "P7", "P8", "PO3", "PO4", "Oz", "O1", "O2"),
)
#: Where readers of the corpus have seen the two mastoids; the release notes decide.
ORDERS = {
    "last": (*_SCALP, "A2", "A1"),
    "middle": (*_SCALP[:16], "A2", "A1", *_SCALP[16:]),
}
BANDS = ("delta", "theta", "alpha", "beta", "gamma")
EMOTIONS = ("anger", "disgust", "fear", "sadness", "neutral", "amusement", "inspiration", "joy", "tenderness")
_CLIPS_OF = (3, 3, 3, 3, 4, 3, 3, 3, 3)  # neutral has four clips
#: Emotion of the clips 1 to 28.
CLIP_EMOTION = tuple(emotion for emotion, n in zip(EMOTIONS, _CLIPS_OF, strict=True) for _ in range(n))
POLARITY = {
    **dict.fromkeys(EMOTIONS[:4], "negative"),
    "neutral": "neutral",
    **dict.fromkeys(EMOTIONS[5:], "positive"),
}
#: Self-reports, 0 to 7, in the order of `score`.
REPORTS = (
    *("joy", "tenderness", "inspiration", "amusement", "anger", "disgust", "fear", "sadness"),
    *("arousal", "valence", "familiarity", "liking"),
)
_GREATEST = 7


class _FACED(Corpus):
    """What the signals and the features share: clips, labels and self-reports."""

    name = "faced"
    pattern, fits = "", ""

    def __init__(self, root: str | os.PathLike, mastoids: str = "last"):
        super().__init__(root)
        if mastoids not in ORDERS:
            raise InputError(f"mastoids={mastoids!r} came.", fits=f"one of {', '.join(ORDERS)}")
        self.mastoids = mastoids
        self.ch_names = ORDERS[mastoids]
        self._reports: dict[str, Path] | None = None
        self._content = kept(self._data)

    def files(self) -> dict[str, Path]:
        """Return the file of every subject."""
        return {f"sub{int(n):03d}": path for (n,), path in find(self.root, self.pattern, self.fits).items()}

    def _subject(self, subject: str, files: Path) -> Iterator[Recording]:
        self._content(files)  # what is wrong with it is said before the first trial
        reports = self.reports(subject)
        for k, emotion in enumerate(CLIP_EMOTION):
            trial = f"{subject}-{k + 1:02d}"
            meta: dict[str, Any] = {
                **identity(self.name, subject, trial, f"clip{k + 1:02d}"),
                "emotion": emotion,
                "emotion_code": EMOTIONS.index(emotion),
                "polarity": POLARITY[emotion],
                **reports[k],
            }
            yield Recording(Lazy({self._modality(): partial(self._clip, files, k)}), meta)

    def _clip(self, path: Path, k: int) -> Signal:
        return self._signal(path, k, self._content(path)[k])

    @abstractmethod
    def _data(self, path: Path) -> np.ndarray:
        """Read the array of a subject, first axis: clips."""

    @abstractmethod
    def _signal(self, path: Path, k: int, data: np.ndarray) -> Signal:
        """Return the signal of one clip."""

    def _modality(self) -> str:
        return "eeg"

    def reports(self, subject: str) -> list[dict[str, Any]]:
        """Return the self-reports of a subject, one dict per clip, in order of the clips.

        The file lists them in the order in which the clips were shown; the number of the clip beside each puts them in
        order of the clips, as the signals are. ``presented`` is the place in the order of presentation, 1 to 28;
        ``felt_emotion`` is the highest of the eight reported emotions, empty where several are highest or all are 0.

        Raises
        ------
        DataError
            If the file does not name each of the 28 clips once, or a score is out of range.
        """
        if self._reports is None:
            # the release has them in two places
            found = find(self.root, r"sub(\d+)/After_remarks\.mat", "", optional=True, copies=True)
            self._reports = {f"sub{int(n):03d}": path for (n,), path in found.items()}
        if subject not in self._reports:
            return [dict.fromkeys((*REPORTS, "presented", "felt_emotion"), np.nan) | {"felt_emotion": ""}] * CLIPS
        return self._read_reports(self._reports[subject])

    def _read_reports(self, path: Path) -> list[dict[str, Any]]:
        fits = f"After_remark, a struct array of {CLIPS} rows with score, trial and vid"
        rows = MatFile(path).read("After_remark")
        if not isinstance(rows, np.ndarray) or rows.dtype != object or rows.size != CLIPS:
            size = rows.size if isinstance(rows, np.ndarray) else 1
            raise DataError(f"{path}: After_remark has {size} rows.", fits=fits)
        made: dict[int, dict] = {}
        for place, row in enumerate(rows.reshape(-1)):
            if not isinstance(row, dict) or not {"score", "vid"} <= set(row):
                raise DataError(f"{path}: row {place + 1} of After_remark lacks score or vid.", fits=fits)
            clip = int(np.ravel(row["vid"])[0]) if np.size(row["vid"]) else 0
            score = np.ravel(np.asarray(row["score"], dtype=float))
            if len(score) != len(REPORTS) or (score < 0).any() or (score > _GREATEST).any():
                raise DataError(f"{path}, clip {clip}: score is {score}.", fits=f"12 numbers from 0 to {_GREATEST}")
            shown = int(np.ravel(row["trial"])[0]) if np.size(row.get("trial", ())) else place + 1
            best = np.flatnonzero(score[:8] == score[:8].max())  # none if one is missing
            felt = REPORTS[best[0]] if len(best) == 1 and score[best[0]] else ""
            made[clip] = {**dict(zip(REPORTS, score.tolist(), strict=True)), "presented": shown, "felt_emotion": felt}
        if set(made) != set(range(1, CLIPS + 1)):
            missing = sorted(set(range(1, CLIPS + 1)) - set(made))
            raise DataError(f"{path} has no row for the clips {missing}.", fits=f"each of the {CLIPS} clips once")
        return [made[k] for k in range(1, CLIPS + 1)]

    def check(self) -> list[Note]:
        """Say what is remarkable about this copy."""
        files = self.files()
        self.reports(next(iter(files)))
        without = [subject for subject in files if subject not in (self._reports or {})]
        notes = []
        if without:
            notes.append(Note(some(without), "no After_remarks.mat: self-reports are missing"))
        felt = [r["felt_emotion"] for s in files if s in (self._reports or {}) for r in self.reports(s)]
        told = [(f, e) for f, e in zip(felt, CLIP_EMOTION * len(felt), strict=False) if f and e != "neutral"]
        if told:
            apart = np.mean([f != e for f, e in told])
            notes.append(
                Note("self-reports", f"{apart:.1%} name another emotion than the clip (emotional clips, no ties)")
            )
        return notes


class FACED(_FACED):
    """123 people, 28 film clips of nine emotions, 32 electrodes at 250 Hz, the last 30 s of each clip.

    The processed release: 0.05 to 47 Hz, components of eye movements removed, common average reference. Signals are in
    order of the clips. ``emotion`` is what the clip was chosen for, ``polarity`` its sign, and what the person said is
    in ``valence``, ``arousal``, the eight emotions, ``familiarity`` and ``liking`` (0 to 7).

    Parameters
    ----------
    root : path
        Folder that holds ``Processed_data`` and, for the self-reports, ``After_remarks`` or ``Data``.
    mastoids : {'last', 'middle'}
        Where the two mastoids are among the channels: at the end, or at the places 17 and 18. The release notes of a
        copy decide.

    Notes
    -----
    Source: J. Chen et al., A Large Finer-grained Affective Computing EEG Dataset, Scientific Data 10, 740, 2023. The
    unit of the files is taken to be the microvolt.
    """

    pattern, fits = r"Processed_data/sub(\d+)\.pkl", "Processed_data/sub000.pkl to sub122.pkl"

    def _data(self, path: Path) -> np.ndarray:
        return expect(path, "the array", read_pickle(path), CLIPS, len(self.ch_names), "times")

    def _signal(self, path: Path, k: int, data: np.ndarray) -> Signal:
        return signal(f"{path}, clip {k + 1}", data, SFREQ, self.ch_names, "V", MICRO)


class FACEDFeatures(_FACED):
    """The features published with FACED: one value per second, band and channel.

    The modality ``features`` has the channels ``<feature>-<band>-<electrode>``, band by band, and a rate of 1 Hz. They
    were computed from less processed signals than the ones published: entropies of :class:`FACED` correlate with them
    by about 0.55 only (a published audit), so results on one say little about the other.

    Parameters
    ----------
    root : path
        Folder that holds ``EEG_Features`` and, for the self-reports, ``After_remarks`` or ``Data``.
    feature : {'DE', 'PSD'}
        Differential entropy or power spectral density.
    mastoids : {'last', 'middle'}
        As :class:`FACED`.

    Notes
    -----
    Source: as :class:`FACED`.
    """

    name = "faced-features"

    def __init__(self, root: str | os.PathLike, feature: str = "DE", mastoids: str = "last"):
        super().__init__(root, mastoids)
        if feature not in ("DE", "PSD"):
            raise InputError(f"feature={feature!r} came.", fits="DE or PSD")
        self.feature = feature
        self.pattern = rf"EEG_Features/{feature}/sub(\d+)\.pkl(?:\.pkl)?"
        self.fits = f"EEG_Features/{feature}/sub000.pkl.pkl to sub122.pkl.pkl"

    def _modality(self) -> str:
        return "features"

    def _data(self, path: Path) -> np.ndarray:
        return expect(path, "the array", read_pickle(path), CLIPS, len(self.ch_names), "seconds", len(BANDS))

    def _signal(self, path: Path, k: int, data: np.ndarray) -> Signal:
        names = [f"{self.feature.lower()}-{band}-{channel}" for band in BANDS for channel in self.ch_names]
        rows = data.transpose(2, 0, 1).reshape(len(names), -1)
        return signal(f"{path}, clip {k + 1}", rows, 1.0, names, "")
