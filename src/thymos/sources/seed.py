"""SEED (Zheng & Lu 2015) and SEED-IV (Zheng et al. 2019): EEG of 15 people in three sessions of film clips.

Both are read as raw signals and as the features published with them. They differ in their clips, their labels, and in
what tells the session: the date in the file's name, or its folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from thymos.base.errors import DataError, InputError
from thymos.base.recording import Lazy, Recording, Signal
from thymos.sources.base import Note
from thymos.sources.corpus import MICRO, Corpus, expect, find, identity, signal
from thymos.sources.safe import MatFile

__all__ = ["SEED", "SEEDIV", "SEEDFeatures", "SEEDIVFeatures"]

SFREQ = 200.0
SESSIONS = 3
CHANNELS = (
    *("Fp1", "Fpz", "Fp2", "AF3", "AF4", "F7", "F5", "F3", "F1", "Fz", "F2", "F4", "F6", "F8", "FT7", "FC5", "FC3"),
    *("FC1", "FCz", "FC2", "FC4", "FC6", "FT8", "T7", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "T8", "TP7", "CP5"),
    *("CP3", "CP1", "CPz", "CP2", "CP4", "CP6", "TP8", "P7", "P5", "P3", "P1", "Pz", "P2", "P4", "P6", "P8", "PO7"),
    *("PO5", "PO3", "POz", "PO4", "PO6", "PO8", "CB1", "O1", "Oz", "O2", "CB2"),
)
BANDS = ("delta", "theta", "alpha", "beta", "gamma")

#: Labels of SEED's clips in order: 1 positive, 0 neutral, -1 negative; the same in every session.
SEED_LABELS = (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)
SEED_SECONDS = (235, 233, 206, 238, 185, 195, 237, 216, 265, 237, 235, 233, 235, 238, 206)
#: Dates of the published sessions of SEED, subject by subject.
SEED_DATES = tuple(
    row.split()
    for row in (
        "20131027 20131030 20131107",
        "20140404 20140413 20140419",
        "20140603 20140611 20140629",
        "20140621 20140702 20140705",
        "20140411 20140418 20140506",
        "20130712 20131016 20131113",
        "20131027 20131030 20131106",
        "20140511 20140514 20140521",
        "20140620 20140627 20140704",
        "20131130 20131204 20131211",
        "20140618 20140625 20140630",
        "20131127 20131201 20131207",
        "20140527 20140603 20140610",
        "20140601 20140615 20140627",
        "20130709 20131016 20131105",
    )
)
SEED_NAMES = {-1: "negative", 0: "neutral", 1: "positive"}
#: Labels of SEED-IV's clips in order, another 24 in each session.
SEEDIV_LABELS = (
    (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
)
SEEDIV_NAMES = {0: "neutral", 1: "sad", 2: "fear", 3: "happy"}
#: Windows of 4 s in each trial of the first session of SEED-IV.
SEEDIV_WINDOWS = (42, 23, 49, 32, 22, 40, 38, 52, 36, 42, 12, 27, 54, 42, 64, 35, 17, 44, 35, 12, 28, 28, 43, 34)

#: Channels of the published features; those of the asymmetries are pairs, numbered.
FEATURES = {"de": 62, "psd": 62, "dasm": 27, "rasm": 27, "asm": 54, "dcau": 23}
SMOOTHED = ("movingAve", "LDS")

_AGAIN = "copy or download it again"


class _SEED(Corpus):
    """What the two corpora and their features share: files of subjects and sessions, numbered variables."""

    name = "seed"
    place = r"Preprocessed_EEG/"
    labels: tuple[tuple[int, ...], ...] = (SEED_LABELS,) * SESSIONS
    names = SEED_NAMES
    same_clips = True
    variable = "eeg"

    def files(self) -> dict[str, list[tuple[str, str, Path]]]:
        """Return the sessions of every subject in their order: number, date and file of each."""
        fits = f"files such as {self.place.replace('([123])', '1')}1_20131027.mat"
        found: dict[str, list] = {}
        for groups, path in self._find(fits).items():
            *folder, number, date = groups
            found.setdefault(f"{int(number):02d}", []).append((folder[0] if folder else "", date, path))
        files = {}
        for subject, sessions in found.items():
            sessions.sort()
            if len(sessions) > (SESSIONS if self.same_clips else len({folder for folder, _, _ in sessions})):
                names = ", ".join(str(path) for _, _, path in sessions)
                raise DataError(
                    f"Subject {subject} has {len(sessions)} files: {names}.",
                    fits="one per session",
                    do="remove what does not belong to the release",
                )
            order = self._order(subject, [date for _, date, _ in sessions])
            files[subject] = [
                (folder or n, date, path) for n, (folder, date, path) in zip(order, sessions, strict=True)
            ]
        return files

    @staticmethod
    def _order(subject: str, dates: list[str]) -> list[str]:
        """Return the number of each session: of the published dates theirs, else the place in order."""
        published = SEED_DATES[int(subject) - 1] if int(subject) <= len(SEED_DATES) else []
        known = set(dates) <= set(published)  # a session may be missing
        return [str(published.index(date) + 1 if known else k + 1) for k, date in enumerate(dates)]

    def _find(self, fits: str) -> dict[tuple[str, ...], Path]:
        """Look below the folder of the release first, so that raw and feature files of one name are told apart."""
        name = r"(\d+)_(\d{8})\.mat"
        found = find(self.root, self.place + name, fits, optional=self.same_clips)
        return found or find(self.root, name, fits)  # the folder itself was given

    def _subject(self, subject: str, files: list[tuple[str, str, Path]]) -> Iterator[Recording]:
        for session, date, path in files:
            content = MatFile(path)
            variables = self._variables(content)
            for k, name in enumerate(variables):
                code = self.labels[int(session) - 1][k]
                trial = f"{subject}-{session}-{k + 1:02d}"
                meta = {
                    **identity(
                        self.name,
                        subject,
                        trial,
                        f"clip{k + 1:02d}" if self.same_clips else f"clip{session}-{k + 1:02d}",
                        session,
                    ),
                    "date": date,
                    "emotion": self.names[code],
                    "emotion_code": code,
                }
                yield Recording(Lazy({self._modality(): partial(self._signal, content, name)}), meta)

    def _variables(self, content: MatFile) -> list[str]:
        """Return the variables of the trials in order; the number at the end of the name tells it, not its place."""
        pattern = re.compile(rf"(?:^|_){self.variable}_?(\d+)$")  # asm_LDS1 is not dasm_LDS1
        found = {int(m[1]): name for name in content.names if (m := pattern.search(name))}
        expected = range(1, len(self.labels[0]) + 1)
        missing, more = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
        if missing or more:
            what = f"lacks the trials {missing}" if missing else f"has the trials {more} beyond the published ones"
            raise DataError(
                f"{content.path} {what}; it holds {', '.join(content.names[:30]) or 'no variable'}.",
                fits=f"variables ...{self.variable}1 to ...{self.variable}{len(self.labels[0])}",
                do=_AGAIN,
            )
        return [found[k] for k in expected]

    def _modality(self) -> str:
        return "eeg"

    def _signal(self, content: MatFile, name: str) -> Signal:
        data = expect(content.path, name, content.read(name), len(CHANNELS), "times")
        return signal(f"{content.path}, {name}", data, SFREQ, CHANNELS, "V", MICRO)

    def check(self) -> list[Note]:
        """Say what is remarkable about this copy."""
        notes = [
            Note(f"subject {subject}", f"{len(sessions)} of {SESSIONS} sessions")
            for subject, sessions in self.files().items()
            if len(sessions) != SESSIONS
        ]
        apart: dict[str, list[str]] = {}
        for recording in self.recordings():
            for text in self._length(recording):
                apart.setdefault(text, []).append(recording.meta["trial"])
        for text, trials in apart.items():
            notes.append(Note(f"{trials[0]}" + (f" and {len(trials) - 1} more" if trials[1:] else ""), text))
        return notes

    def _length(self, recording: Recording) -> Iterator[str]:
        """Yield what is odd about the length of a trial."""
        yield from ()


class SEED(_SEED):
    """15 people, three sessions with the same 15 film clips, 62 electrodes at 200 Hz.

    Sessions are a person's three files in order of their dates. ``emotion`` is what the clip was chosen for. The
    prefix of the variables differs between people and is ignored.

    Parameters
    ----------
    root : path
        Folder that holds ``Preprocessed_EEG``, or that folder. If ``label.mat`` lies among the files it must hold the
        published labels.

    Notes
    -----
    Source: W.-L. Zheng, B.-L. Lu, Investigating Critical Frequency Bands and Channels for EEG-based Emotion
    Recognition with Deep Neural Networks, IEEE Transactions on Autonomous Mental Development 7 (3), 2015. All sessions
    show the same clips: a new session is not a new stimulus.
    """

    def __init__(self, root: str | os.PathLike):
        super().__init__(root)

    def files(self) -> dict[str, list[tuple[str, str, Path]]]:
        """Return the files of every subject, in order of the sessions; see that the labels are the published ones."""
        files = super().files()
        for folder in {path.parent for sessions in files.values() for _, _, path in sessions}:
            if (folder / "label.mat").is_file():
                path = folder / "label.mat"
                labels = np.ravel(MatFile(path).read("label"))
                if expect(path, "label", labels, len(SEED_LABELS)).tolist() != list(SEED_LABELS):
                    raise DataError(
                        f"{path} holds the labels {' '.join(f'{v:g}' for v in labels)}.",
                        fits=" ".join(map(str, SEED_LABELS)),
                        do=_AGAIN,
                    )
        return files

    def _length(self, recording: Recording) -> Iterator[str]:
        seconds = SEED_SECONDS[int(recording.meta["trial"][-2:]) - 1]
        if abs(recording.signal("eeg").duration - seconds) > 2:
            yield "the length of the trial is not the published one"


class SEEDIV(_SEED):
    """15 people, three sessions with 24 film clips each, another 24 every time, 62 electrodes at 200 Hz.

    The session is the number of the folder. ``emotion`` is what the clip was chosen for.

    Parameters
    ----------
    root : path
        Folder that holds ``eeg_raw_data/1`` to ``3``.

    Notes
    -----
    Source: W.-L. Zheng, W. Liu, Y. Lu, B.-L. Lu, A. Cichocki, EmotionMeter: A Multimodal Framework for Recognizing
    Human Emotions, IEEE Transactions on Cybernetics 49 (3), 2019.
    """

    name, names, labels, same_clips = "seed-iv", SEEDIV_NAMES, SEEDIV_LABELS, False
    place = r"eeg_raw_data/([123])/"

    def __init__(self, root: str | os.PathLike):
        super().__init__(root)

    def _length(self, recording: Recording) -> Iterator[str]:
        if recording.meta["session"] == "1":
            windows = SEEDIV_WINDOWS[int(recording.meta["trial"][-2:]) - 1]
            if abs(recording.signal("eeg").duration / 4 - windows) > 2:
                yield "the length of the trial is not the published one"


class _Features(_SEED):
    """Features as a signal: one row per band and channel, one time per window."""

    def __init__(self, root: str | os.PathLike, feature: str, smoothed: str, window: float):
        super().__init__(root)
        self.feature, self.smoothed = _chosen("feature", feature, FEATURES), _chosen("smoothed", smoothed, SMOOTHED)
        self.window = float(window)

    @property
    def variable(self) -> str:  # type: ignore[override]
        return f"{self.feature}_{self.smoothed}"

    def _modality(self) -> str:
        return "features"

    def _signal(self, content: MatFile, name: str) -> Signal:
        n_channels = FEATURES[self.feature]
        data = expect(content.path, name, content.read(name), n_channels, "windows", len(BANDS))
        channels = CHANNELS if n_channels == len(CHANNELS) else [f"pair{k + 1:02d}" for k in range(n_channels)]
        names = [f"{self.feature}-{band}-{channel}" for band in BANDS for channel in channels]
        rows = data.transpose(2, 0, 1).reshape(-1, data.shape[1])
        self._check_window(content, name, rows.shape[1])
        return signal(f"{content.path}, {name}", rows, 1 / self.window, names, "")

    def _check_window(self, content: MatFile, name: str, n: int) -> None:
        """Refuse a number of windows that tells another length of them."""


class SEEDFeatures(_Features):
    """The features published with SEED, one value per window, band and channel.

    The modality ``features`` has the channels ``<feature>-<band>-<electrode>``, band by band, and a rate of one value
    per window.

    Parameters
    ----------
    root : path
        Folder that holds ``ExtractedFeatures_1s``, ``ExtractedFeatures_4s`` or ``ExtractedFeatures``, or that folder.
    window : {1, 4}
        Seconds. The folder of that name is read, otherwise ``ExtractedFeatures``; the number of windows must fit.
    feature : {'de', 'psd', 'dasm', 'rasm', 'asm', 'dcau'}
        Differential entropy, power spectral density, or an asymmetry.
    smoothed : {'LDS', 'movingAve'}
        Linear dynamic system, or moving average. Both look ahead within a trial, which is harmless as long as no
        trial is split, and impossible in real time.

    Notes
    -----
    Source: as :class:`SEED`.
    """

    name, place = "seed-features", r"ExtractedFeatures/"

    def __init__(self, root: str | os.PathLike, feature: str = "de", smoothed: str = "LDS", window: float = 1.0):
        super().__init__(root, feature, smoothed, window)
        if self.window not in (1.0, 4.0):
            raise InputError(f"window={window!r} came.", fits="1 or 4 seconds")

    def _find(self, fits: str) -> dict[tuple[str, ...], Path]:
        """Prefer the folder that names the window."""
        named = rf"ExtractedFeatures_{self.window:g}s/(\d+)_(\d{{8}})\.mat"
        return find(self.root, named, fits, optional=True) or super()._find(fits)

    def _check_window(self, content: MatFile, name: str, n: int) -> None:
        seconds = SEED_SECONDS[int(cast(re.Match[str], re.search(r"\d+$", name))[0]) - 1]
        (other,) = {1.0, 4.0} - {self.window}
        if not self.simulated and abs(n * other - seconds) <= 2 * other:
            raise DataError(
                f"{content.path}, {name}: {n} windows of a clip of {seconds} s.",
                fits=f"about {seconds / self.window:.0f} of {self.window:g} s",
                do=f"set window to {other:g}",
            )


class SEEDIVFeatures(_Features):
    """The features published with SEED-IV, one value per 4 s, band and channel.

    Parameters
    ----------
    root : path
        Folder that holds ``eeg_feature_smooth/1`` to ``3``.
    feature : {'de', 'psd'}
        Differential entropy or power spectral density.
    smoothed : {'LDS', 'movingAve'}
        As :class:`SEEDFeatures`.

    Notes
    -----
    Source: as :class:`SEEDIV`.
    """

    name, names, labels, same_clips = "seed-iv-features", SEEDIV_NAMES, SEEDIV_LABELS, False
    place = r"eeg_feature_smooth/([123])/"

    def __init__(self, root: str | os.PathLike, feature: str = "de", smoothed: str = "LDS"):
        _chosen("feature", feature, ("de", "psd"))
        super().__init__(root, feature, smoothed, 4.0)

    def _length(self, recording: Recording) -> Iterator[str]:
        if recording.meta["session"] == "1":
            windows = SEEDIV_WINDOWS[int(recording.meta["trial"][-2:]) - 1]
            if recording.signal("features").data.shape[1] != windows:
                yield "the number of windows is not the published one"


def _chosen(name: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise InputError(f"{name}={value!r} came.", fits=f"one of {', '.join(known)}")
    return value
