"""WESAD: physiology of the chest and of the wrist under stress and amusement (Schmidt et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.errors import DataError
from thymos.base.recording import Lazy, Recording, Signal
from thymos.sources.base import Note
from thymos.sources.corpus import Corpus, expect, find, identity, signal
from thymos.sources.safe.pickles import read_pickle

__all__ = ["CONDITIONS", "RATE", "SIGNALS", "SUBJECTS", "WESAD"]

#: Codes of the label; 0 is in between, 5 to 7 are to be ignored.
CONDITIONS = {1: "baseline", 2: "stress", 3: "amusement", 4: "meditation"}
RATE = 700.0  # Hz, of everything on the chest and of the label
SUBJECTS = tuple(f"S{k}" for k in range(2, 18) if k != 12)

_AXES = ("x", "y", "z")
_GRAVITY = 9.80665  # m/s2

#: Modality to place and name in the file, rate in Hz, channels, unit, and factor and offset that lead to that unit.
SIGNALS: dict[str, tuple[str, str, float, tuple[str, ...], str, float, float]] = {
    "ecg": ("chest", "ECG", RATE, ("ECG",), "V", 1e-3, 0.0),
    "eda": ("chest", "EDA", RATE, ("EDA",), "S", 1e-6, 0.0),
    "emg": ("chest", "EMG", RATE, ("EMG",), "V", 1e-3, 0.0),
    "resp": ("chest", "Resp", RATE, ("Resp",), "", 1.0, 0.0),
    "temp": ("chest", "Temp", RATE, ("Temp",), "K", 1.0, 273.15),
    "acc": ("chest", "ACC", RATE, _AXES, "m/s2", _GRAVITY, 0.0),
    "bvp": ("wrist", "BVP", 64.0, ("BVP",), "", 1.0, 0.0),
    "wrist_eda": ("wrist", "EDA", 4.0, ("EDA",), "S", 1e-6, 0.0),
    "wrist_temp": ("wrist", "TEMP", 4.0, ("TEMP",), "K", 1.0, 273.15),
    "wrist_acc": ("wrist", "ACC", 32.0, _AXES, "m/s2", _GRAVITY / 64, 0.0),
}

_SHORTEST = 1.0  # seconds of a block
_APART = 1.0  # seconds by which lengths may differ
_FITS = "S<number>/S<number>.pkl with subject, signal (chest, wrist) and label"


class WESAD(Corpus):
    """15 people; baseline, stress, amusement and meditation; chest at 700 Hz, wrist at 64, 32 and 4 Hz.

    Each uninterrupted block of one condition is one trial and one recording, all modalities cut to it on one clock:
    ``ecg, eda, emg, resp, temp, acc`` of the chest and ``bvp, wrist_eda, wrist_temp, wrist_acc`` of the wrist.

    Parameters
    ----------
    root : path
        Folder with ``S<number>/S<number>.pkl``.

    Notes
    -----
    A file takes about a gigabyte; one is in memory at a time. Nothing in it is executed. A condition is one or two
    long trials: any split of one person's windows is a split within a trial; leave people out instead.

    Source: P. Schmidt, A. Reiss, R. Duerichen, C. Marberger, K. Van Laerhoven, Introducing WESAD, a Multimodal Dataset
    for Wearable Stress and Affect Detection, ICMI 2018.
    """

    def files(self) -> dict[str, Path]:
        """Return the file of each subject."""
        return {name.upper(): path for (name,), path in find(self.root, r"(S\d+)\.pkl", _FITS).items()}

    def _subject(self, subject: str, files: Path) -> Iterator[Recording]:
        yield from _blocks(files, subject, *_read(files, subject))

    def check(self) -> list[Note]:
        """Read every file and say which subjects and conditions are not there."""
        notes = []
        files = self.files()
        absent = [name for name in SUBJECTS if name not in files]
        if absent:
            notes.append(Note(str(self.root), f"no files of {', '.join(absent)}"))
        for subject, path in files.items():
            signals, label = _read(path, subject)
            blocks = list(_blocks(path, subject, signals, label))
            for block in blocks:
                for modality in block.signals:
                    block.signal(modality)  # damage is an error here
            lost = [name for name in CONDITIONS.values() if name not in {b.meta["condition"] for b in blocks}]
            if lost:
                notes.append(Note(path.name, f"no block of {', '.join(lost)}"))
            short = [b - a for a, b in _runs(label) if label[a] in CONDITIONS and b - a < _SHORTEST * RATE]
            if short:
                text = f"{len(short)} blocks of less than {_SHORTEST:g} s left out, {sum(short) / RATE:.2f} s together"
                notes.append(Note(path.name, text))
            lengths = {modality: data.shape[1] / SIGNALS[modality][2] for modality, data in signals.items()}
            differ = [f"{m} {t:.2f} s" for m, t in lengths.items() if abs(t - len(label) / RATE) >= 0.25]
            if differ:
                notes.append(
                    Note(path.name, f"lengths differ from the label's {len(label) / RATE:.2f} s: {', '.join(differ)}")
                )
        return notes


def _read(path: Path, subject: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return signals as they are in the file, shape (n_channels, n_times), and the label, shape (n_times,)."""
    content = _dict(path, read_pickle(path), "the file", ("subject", "signal", "label"))
    if str(content["subject"]) != subject:
        raise DataError(f"{path} says that it is of {content['subject']!r}.", fits=subject, do="rename it")
    label = expect(path, "the label", content["label"], "n_times")
    wrong = ~np.isin(label, range(8))
    if wrong.any():
        raise DataError(f"{path} has the label {label[wrong.argmax()]!s} at {wrong.argmax()}.", fits="0 to 7")
    places = _dict(path, content["signal"], "signal", ("chest", "wrist"))
    signals = {}
    for modality, (place, name, rate, ch_names, *_) in SIGNALS.items():
        there = places[place]
        spelled = {str(key).casefold(): key for key in there} if isinstance(there, Mapping) else {}
        if name.casefold() not in spelled:
            raise DataError(f"{path} has no {name} of the {place}; it has {', '.join(spelled) or 'none'}.", fits=_FITS)
        data = there[spelled[name.casefold()]]
        if isinstance(data, np.ndarray) and data.ndim == 1:
            data = data[:, None]
        data = expect(path, f"{name} of the {place}", data, "n_times", len(ch_names))
        seconds, expected = len(data) / rate, len(label) / RATE
        if abs(seconds - expected) > _APART:
            raise DataError(
                f"{path}: {name} of the {place} is {seconds:.2f} s long at {rate:g} Hz, the label {expected:.2f} s.",
                fits="the same length",
                do="copy or download it again",
            )
        signals[modality] = data.T
    return signals, label.astype(np.int8)


def _blocks(path: Path, subject: str, signals: Mapping[str, np.ndarray], label: np.ndarray) -> Iterator[Recording]:
    count = dict.fromkeys(CONDITIONS, 0)
    for begin, end in _runs(label):
        code = int(label[begin])
        if code not in CONDITIONS or end - begin < _SHORTEST * RATE:
            continue
        count[code] += 1
        trial = f"{subject}-{CONDITIONS[code]}-{count[code]}"
        meta = {
            **identity("wesad", subject, trial, CONDITIONS[code]),
            "condition": CONDITIONS[code],
            "onset": begin / RATE,
        }
        cut = {m: partial(_cut, f"{path}, {trial}, {m}", m, data, begin, end) for m, data in signals.items()}
        yield Recording(Lazy(cut), meta)


def _cut(where: str, modality: str, data: np.ndarray, begin: int, end: int) -> Signal:
    """Return what of a signal lies in a block; its first sample falls between two of the label, where rates differ."""
    _, _, rate, ch_names, unit, factor, offset = SIGNALS[modality]
    first, last = (-(-sample * int(rate) // int(RATE)) for sample in (begin, end))
    made = signal(where, data[:, first:last], rate, ch_names, unit, factor, first / rate - begin / RATE)
    return made.replace(data=made.data + np.float32(offset)) if offset else made


def _runs(label: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each stretch of one value."""
    edges = [0, *(np.flatnonzero(np.diff(label)) + 1).tolist(), len(label)]
    return pairwise(edges)


def _dict(path: Path, value: Any, what: str, keys: tuple[str, ...]) -> Mapping:
    lost = [key for key in keys if key not in value] if isinstance(value, Mapping) else keys
    if lost:
        raise DataError(f"{path}: {what} has no {', '.join(lost)}.", fits=_FITS)
    return value
