"""MAHNOB-HCI (Soleymani et al. 2012): EEG and peripheral signals of 27 people watching 20 film clips."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from thymos.base.errors import DataError
from thymos.base.recording import Lazy, Recording, Signal
from thymos.sources.base import Note
from thymos.sources.corpus import Corpus, find, identity, signal
from thymos.sources.safe import readable
from thymos.sources.signal_files import UNITS, Header, open_signal, read_header

__all__ = ["MAHNOB"]

SESSIONS, SUBJECTS = 20, 30
#: Modality to names of its channels in the file; EEG is what has the name of an electrode.
MODALITIES = {
    "ecg": ("EXG1", "EXG2", "EXG3"),
    "eda": ("GSR1",),
    "resp": ("Resp",),
    "temp": ("Temp",),
}
#: Codes of `feltEmo`.
EMOTIONS = {
    **{0: "neutral", 1: "anger", 2: "disgust", 3: "fear", 4: "joy", 5: "sadness", 6: "surprise", 7: "scream"},
    **{8: "bored", 9: "sleepy", 10: "unknown", 11: "amusement", 12: "anxiety"},
}
RATINGS = {"arousal": "feltArsl", "valence": "feltVlnc", "control": "feltCtrl", "predictability": "feltPred"}

_FITS = "Sessions/<number>/session.xml beside Part_<subject>_S_Trial<n>_emotion.bdf"
_LARGEST_XML = 2**20
_TRIGGER = 0xFF  # bits of the status channel


class MAHNOB(Corpus):
    """27 people with usable data of 30, 20 film clips, 32 electrodes and peripheral signals, rate as the file says.

    A trial is what lies between the first two events of the status channel; the 30 s before it are the recording's
    `baseline`. ``emotion`` is what the person said they felt, ``arousal``, ``valence``, ``control`` and
    ``predictability`` are ratings of 1 to 9. Sessions of the tagging experiment, which have no such ratings, and
    sessions without a recording are left out; :meth:`check` counts them.

    Parameters
    ----------
    root : path
        Folder that holds ``Sessions``, or that folder.

    Notes
    -----
    Source: M. Soleymani, J. Lichtenauer, T. Pun, M. Pantic, A Multimodal Database for Affect Recognition and Implicit
    Tagging, IEEE Transactions on Affective Computing 3 (1), 2012. Films, sounds and gaze are not read. That the ECG is
    on EXG1 to EXG3 is not said by the files.
    """

    def __init__(self, root: str | os.PathLike):
        super().__init__(root)
        self.skipped: dict[str, list[str]] = {}

    def files(self) -> dict[str, list[tuple[str, Path, dict[str, str] | DataError]]]:
        """Return, for every subject, number, recording and attributes of each session, in order of the numbers."""
        found = find(self.root, r"(\d+)/session\.xml", _FITS)
        self.skipped = {"of the tagging experiment": [], "without a recording": []}
        files: dict[str, list] = {}
        for (number,), path in sorted(found.items(), key=lambda item: int(item[0][0])):
            recordings = sorted(p for p in path.parent.iterdir() if p.name.lower().endswith("_emotion.bdf"))
            try:
                about = _session(path)
                if len(recordings) > 1:
                    what = f"{path.parent} holds {len(recordings)} recordings."
                    raise DataError(what, fits="one", do="remove the copy")
            except DataError as error:  # said when its subject is read, so that the others can be
                subject = re.search(r"part_(\d+)_", " ".join(p.name.lower() for p in recordings))
                files.setdefault(f"{int(subject[1]) if subject else 0:02d}", []).append((number, path, error))
                continue
            if "feltArsl" not in about:
                self.skipped["of the tagging experiment"].append(number)
            elif not recordings:
                self.skipped["without a recording"].append(number)
            else:
                files.setdefault(f"{int(about['subject']):02d}", []).append((number, recordings[0], about))
        if not files:
            raise DataError(f"{self.root} holds no session with ratings and a recording.", fits=_FITS)
        return files

    def _subject(self, subject: str, files: list[tuple[str, Path, dict[str, str] | DataError]]) -> Iterator[Recording]:
        for number, path, about in files:
            if isinstance(about, DataError):
                raise about
            header = read_header(path)
            first, last = self._clip(header)
            trial = f"{subject}-{int(number):04d}"
            meta = {
                **identity("mahnob", subject, trial, about["mediaFile"]),
                "emotion": about["emotion"],
                **{name: float(about[field]) for name, field in RATINGS.items() if field in about},
            }
            channels = {"eeg": header.of_kind("eeg")}
            for modality, names in MODALITIES.items():
                channels[modality] = [k for k, label in enumerate(header.labels) if label in names]
            if not channels["eeg"]:
                raise DataError(f"{path} has no channel with the name of an electrode.", fits="32 of them")
            there = {modality: rows for modality, rows in channels.items() if rows}
            yield Recording(
                Lazy({m: partial(_read, header, rows, first, last, first) for m, rows in there.items()}),
                meta,
                baseline=Lazy({m: partial(_read, header, rows, 0.0, first, first) for m, rows in there.items()}),
            )

    def _clip(self, header: Header) -> tuple[float, float]:
        """Return begin and end of the clip in seconds."""
        rows = [k for k, label in enumerate(header.labels) if label.lower() == "status"]
        if not rows:
            raise DataError(f"{header.path} has no channel Status.", fits="one, whose events bracket the clip")
        sfreq = header.rates[rows[0]]
        codes = open_signal(header, rows)(0, int(header.seconds * sfreq))[0].astype(np.int64) & _TRIGGER
        onsets = np.flatnonzero((codes[1:] != codes[:-1]) & (codes[1:] != 0)) + 1
        if len(onsets) < 2:
            raise DataError(
                f"{header.path} has {len(onsets)} events.",
                fits="two, at the beginning and at the end of the clip",
                do="leave the session out",
            )
        return float(onsets[0] / sfreq), float(onsets[1] / sfreq)

    def check(self) -> list[Note]:
        """Say what is left out of this copy, and at which rates it was recorded."""
        files = self._files
        notes = [
            Note(f"{len(numbers)} sessions", f"{text}, left out: {', '.join(numbers[:10])}")
            for text, numbers in self.skipped.items()
            if numbers
        ]
        rates: dict[float, int] = {}
        for _, path, _ in (session for sessions in files.values() for session in sessions):
            header = read_header(path)
            for rate in {header.rates[k] for k in header.of_kind("eeg")}:
                rates[rate] = rates.get(rate, 0) + 1
        if len(rates) > 1:
            words = ", ".join(f"{n} at {rate:g} Hz" for rate, n in rates.items())
            notes.append(Note("EEG", f"recordings differ in rate: {words}; resample them"))
        return notes


def _session(path: Path) -> dict[str, str]:
    """Return the attributes of a session, its ``subject``, and its emotion by name."""
    with readable(path, _FITS, ElementTree.ParseError, UnicodeDecodeError, ValueError):
        text = path.read_text(encoding="utf-8", errors="strict") if path.stat().st_size <= _LARGEST_XML else ""
        if not text or re.search(r"<!(DOCTYPE|ENTITY)", text):
            raise ValueError("it is empty, larger than 1 MiB, or defines entities")
        root = ElementTree.fromstring(text)
        about = dict(root.attrib)
        person = root.find(".//subject")
        if person is None or not person.get("id", "").isdigit():
            raise ValueError("it names no subject")
        about["subject"] = person.attrib["id"]
        if "feltArsl" in about:
            absent = [field for field in ("feltVlnc", "feltEmo", "mediaFile") if field not in about]
            if absent:
                raise ValueError(f"it lacks {', '.join(absent)}")
            ratings = [about[field] for field in RATINGS.values() if field in about]
            if not all(value.isdigit() and 1 <= int(value) <= 9 for value in ratings):
                raise ValueError(f"its ratings are {', '.join(ratings)}, not 1 to 9")
            if not about["feltEmo"].isdigit() or int(about["feltEmo"]) not in EMOTIONS:
                raise ValueError(f"feltEmo is {about['feltEmo']!r}, none of {', '.join(map(str, EMOTIONS))}")
            about["emotion"] = EMOTIONS[int(about["feltEmo"])]
        return about


def _read(header: Header, rows: list[int], start: float, stop: float, zero: float) -> Signal:
    """Read some channels between two times of the file; `zero` is the time at which the trial's clock starts."""
    sfreq = header.rates[rows[0]]
    data = open_signal(header, rows)(round(start * sfreq), round(stop * sfreq))
    stored = header.units[rows[0]]
    unit, factor, added = UNITS.get(stored, ("", 1.0, 0.0))
    names = [header.electrodes[k] or header.labels[k] for k in rows]
    where = f"{header.path}, {', '.join(names[:3])}"
    return signal(where, data * factor + added, sfreq, names, unit, 1.0, float(start - zero))
