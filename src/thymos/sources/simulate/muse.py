"""Muse headband data in the layouts of the public corpora, from simulated EEG whose truth is written beside them.

What makes the public recordings recognisable is simulated too: an offset for each electrode and recording that
wanders, the fingerprint of a trial, the converter's grid, and an open auxiliary input.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.signals.bird import bird_features, bird_names, lagged
from thymos.signals.windows import sliding_windows
from thymos.sources.emotions import FILE, LABELS
from thymos.sources.muse import AUXILIARY, CHANNELS, SFREQ, STEP
from thymos.sources.simulate.eeg import SimulatedEEG, stimuli
from thymos.sources.simulate.folder import earlier, simulated

__all__ = ["write_emotions_csv", "write_muse_csv"]

_OFFSET = 150.0  # uV, SD between recordings of the offset of an electrode
_WANDER = 20.0  # uV, SD that a random walk of the offset has reached after a minute
_OPEN_INPUT = 15.0  # uV rms of the auxiliary channel
_LIMITS = (-1000.0, 1000.0 - STEP)  # uV
_PER_EMOTION = 3  # film clips; neutral is recorded once
_BEGIN = 1_533_000_000.0  # Unix seconds of the first simulated recording
_PAUSE = 30.0  # seconds between two of them


@dataclass(frozen=True)
class _Take:
    """One simulated recording: microvolts of shape (5, n_times), and what is true of it."""

    subject: str
    name: str
    stimulus: int
    data: np.ndarray


def write_emotions_csv(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 2,
    seconds: Sequence[float] = (60.0, 180.0),
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
    offset: float = _OFFSET,
    wander: float = _WANDER,
    digits: int = 3,
) -> Path:
    """Write ``emotions/emotions.csv`` in the published layout, its rows shuffled.

    Each subject has three negative and three positive clips and one neutral recording. By default that makes
    12 x 118 + 2 x 358 = 2132 rows of 2548 columns and a label, as in the public file.

    Parameters
    ----------
    folder : path
        Where the folder ``emotions`` is made: a data folder.
    random_state : int
        Seed; the same seed gives the same bytes.
    subjects : int
        Number of people.
    seconds : (float, float)
        Length of a clip and of a neutral recording, at least 2 s; T seconds make 2 T - 2 rows.
    effect, fingerprint, artifacts
        As :class:`~thymos.sources.simulate.eeg.SimulatedEEG`.
    null : bool
        No emotion in the signal; labels and everything else stay as they are.
    offset, wander : float
        Standard deviation in microvolts of the offset of each electrode between recordings, and of its random walk
        after a minute.
    digits : int
        Significant digits in the file, 3 as published.

    Returns
    -------
    Path
        The folder written, with ``SIMULATED.json`` beside the table: all parameters, and for each recording its
        subject, label and rows in order.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or a parameter does not fit.
    """
    target = Path(folder) / "emotions"
    earlier(target, "emotions-csv")  # refused before anything is computed
    lengths = [float(t) for t in seconds]
    if len(lengths) != 2 or min(lengths) < 2:
        raise InputError(f"seconds={seconds!r} came.", fits="two lengths, of a clip and of a neutral one, 2 s or more")
    trials = 2 * _PER_EMOTION + 1
    meant = stimuli(trials, random_state)[:, 0].argsort().argsort()  # rank of valence
    labels = [LABELS[(rank >= _PER_EMOTION) + int(rank > _PER_EMOTION)] for rank in meant]
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    source = _source(subjects, trials, max(lengths), random_state, emotion)
    blocks, truth = [], []
    for take in _takes(source, offset, wander):
        label = labels[take.stimulus]
        length = round(lengths[label == "NEUTRAL"] * SFREQ)
        windows = np.moveaxis(sliding_windows(take.data[:, :length], int(SFREQ), int(SFREQ) // 2), -2, 0)
        # the whole table is in microvolts, and the generator takes volts
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # entropies do not exist in the public table either
            blocks.append(lagged(bird_features(windows * 1e-6, "legacy")))
        truth.append({"recording": take.name, "subject": take.subject, "label": label})
    row_label = np.repeat([t["label"] for t in truth], [len(b) for b in blocks])
    order = generator(random_state, "emotions-csv", "shuffle").permutation(len(row_label))
    places = np.split(np.argsort(order), np.cumsum([len(b) for b in blocks])[:-1])
    truth = [{**t, "rows": rows.tolist()} for t, rows in zip(truth, places, strict=True)]
    settings = {"subjects": subjects, "seconds": lengths, "offset": offset, "wander": wander, "digits": digits}
    settings |= {"random_state": random_state, **emotion}
    with simulated(target, "emotions-csv", settings) as made, made.file(FILE).open("w", newline="\n") as file:
        made.truth["recordings"] = truth
        file.write(f"# {','.join(bird_names('legacy', lag=True))},label\n")  # the published header is a comment too
        for values, label in zip(np.concatenate(blocks)[order].tolist(), row_label[order], strict=True):
            file.write(",".join([f"{value:.{digits}g}" for value in values]) + f",{label}\n")
    return target


def write_muse_csv(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 4,
    takes: int = 2,
    seconds: float = 60.0,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
    offset: float = _OFFSET,
    wander: float = _WANDER,
) -> Path:
    """Write ``muse-mental-state/subject<letter>-<state>-<number>.csv``, raw signals with time stamps.

    The states stand for arousal: of a subject's recordings the calmest third is relaxed, the most aroused third is
    concentrating. They come in random order, so that state and time are not confounded here.

    Parameters
    ----------
    folder : path
        Where the folder ``muse-mental-state`` is made: a data folder.
    random_state, effect, null, fingerprint, artifacts, offset, wander
        As :func:`write_emotions_csv`.
    subjects : int
        Number of people, 26 at most.
    takes : int
        Recordings of each state and person.
    seconds : float
        Length of a recording.

    Returns
    -------
    Path
        The folder written, with ``SIMULATED.json``.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or a parameter does not fit.
    """
    target = Path(folder) / "muse-mental-state"
    earlier(target, "muse-mental-state")  # refused before anything is computed
    if not (isinstance(subjects, int) and 1 <= subjects <= 26 and isinstance(takes, int) and takes >= 1):
        raise InputError(f"subjects={subjects!r}, takes={takes!r} came.", fits="1 to 26 subjects, one take or more")
    trials = 3 * takes
    rank = stimuli(trials, random_state)[:, 1].argsort().argsort()  # of arousal
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    source = _source(subjects, trials, seconds, random_state, emotion)
    tables, truth = {}, []
    seen: dict[tuple[str, str], int] = {}
    for place, take in enumerate(_takes(source, offset, wander)):
        state = ("relaxed", "neutral", "concentrating")[rank[take.stimulus] // takes]
        letter = "abcdefghijklmnopqrstuvwxyz"[source.subjects().index(take.subject)]
        number = seen[letter, state] = seen.get((letter, state), 0) + 1
        begin = _BEGIN + place * (seconds + _PAUSE)
        name = f"subject{letter}-{state}-{number}.csv"
        tables[name] = _raw_table(begin, take.data)
        truth.append({"file": name, "subject": take.subject, "recording": take.name, "label": state})
    settings = {"subjects": subjects, "takes": takes, "seconds": seconds, "offset": offset, "wander": wander}
    settings |= {"random_state": random_state, **emotion}
    with simulated(target, "muse-mental-state", settings) as made:
        made.truth["recordings"] = truth
        for name, table in tables.items():
            table.to_csv(made.file(name), index=False, float_format="%.3f", lineterminator="\n")
    return target


def _source(subjects: int, trials: int, seconds: float, random_state: int, emotion: dict[str, Any]) -> SimulatedEEG:
    """Return the simulator of what lies under a headband's electrodes."""
    return SimulatedEEG(subjects, trials, seconds, SFREQ, montage=tuple(CHANNELS), random_state=random_state, **emotion)


def _takes(source: SimulatedEEG, offset: float, wander: float) -> Iterator[_Take]:
    """Yield what the headband makes of each trial: offsets, the auxiliary input, and the converter's grid."""
    for number, recording in enumerate(source.recordings()):
        rng = generator(source.random_state, "muse", "electrodes", number)
        eeg = recording.signal("eeg").data.astype(np.float64) * 1e6
        n_times = eeg.shape[1]
        data = np.concatenate([eeg, _OPEN_INPUT * rng.standard_normal((1, n_times))])
        steps = rng.standard_normal(data.shape) * wander / np.sqrt(60 * SFREQ)
        data += offset * rng.standard_normal((len(data), 1)) + steps.cumsum(axis=1)
        data = np.clip(np.round(data / STEP) * STEP, *_LIMITS)
        meta = recording.meta
        yield _Take(meta["subject"], meta["recording"], int(meta["stimulus"][1:]) - 1, data)


def _raw_table(begin: float, data: np.ndarray) -> pd.DataFrame:
    stamps = begin + np.arange(data.shape[1]) / SFREQ
    return pd.DataFrame({"timestamps": stamps, **dict(zip((*CHANNELS, AUXILIARY), data, strict=True))})
