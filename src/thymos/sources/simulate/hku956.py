"""Simulated signals of the body in the layout of HKU956."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.sources.hku956 import FOLDER, INTERVALS, LIMIT, RATINGS, SIGNALS
from thymos.sources.simulate.folder import earlier, simulated
from thymos.sources.simulate.latent import Experiment
from thymos.sources.simulate.physiology import Body, Physiology

__all__ = ["write_hku956"]

_FIRST = 1903  # number of the first participant
_SONG = 100_001  # number of the first song
_PULSE = 100.0  # device units
_ACCEPTED = 0.55  # share of beats whose interval the device keeps
_CLOCK = 64.0  # Hz, of intervals

#: Signal to the factor and offset that lead from the simulator's unit to the file's, and the decimals written.
_STORED = {"bvp": (_PULSE, 0.0, 2), "eda": (1e6, 0.0, 6), "temp": (1.0, -273.15, 2), "hr": (60.0, 0.0, 2)}


def write_hku956(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 4,
    trials: int = 16,
    seconds: Sequence[int] = (30, 60),
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    shared: float = 1.0,
) -> Path:
    """Write ``hku956/1. physiological_signals/<participant>/<signal>/<song_no>_<song_id>.csv`` and the ratings.

    Parameters
    ----------
    folder : path
        Where the folder ``hku956`` is made: a data folder.
    random_state : int
        Seed; the same seed gives the same bytes.
    subjects, trials : int
        Number of participants, and of songs, which each of them hears once in an order of their own.
    seconds : (int, int)
        Shortest and longest song.
    shared : float
        Share of the songs that all participants hear. Others have a number of their own for each participant, as most
        songs of the corpus were heard by one.
    effect, null, fingerprint
        As :class:`~thymos.sources.simulate.physiology.Physiology`.

    Returns
    -------
    Path
        The folder written, with ``SIMULATED.json``.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or a parameter does not fit.
    """
    settings = {key: value for key, value in locals().items() if key != "folder"}
    target = Path(folder) / "hku956"
    earlier(target, "hku956")
    if len(seconds) != 2 or not 1 <= seconds[0] <= seconds[1]:
        raise InputError(f"seconds={seconds!r} came.", fits="the shortest and the longest song, 1 s or more")
    if not 0 <= shared <= 1:
        raise InputError(f"shared={shared!r} came.", fits="a share from 0 to 1")
    experiment = Experiment(subjects, trials, random_state)
    physiology = Physiology(random_state, effect, null, fingerprint)
    lengths = generator(random_state, "hku956", "songs").integers(seconds[0], seconds[1] + 1, trials)
    rows, truth = [], []
    with simulated(target, "hku956", {**settings, "seconds": list(map(int, seconds))}) as out:
        for index, k, _, felt in experiment.trials_of("hku956"):
            person, song, length = f"hku{_FIRST + index}", int(felt.order[k]), int(lengths[felt.order[k]])
            body = physiology.trial(index, k, length, felt.felt[k], felt.intensity[k])
            number = _SONG + song + (0 if song < round(shared * trials) else (1 + index) * trials)
            name = f"{k}_{number}.csv"
            for modality, (stored, sfreq, *_) in SIGNALS.items():
                factor, offset, digits = _STORED[modality]
                values = body.signal(modality, sfreq).data[0].astype(float) * factor + offset
                _lines(out.file(f"{FOLDER}/{person}/{stored}/{name}"), values, digits)
            kept = _intervals(body, generator(random_state, "hku956", "beats", index, k))
            _lines(out.file(f"{FOLDER}/{person}/{INTERVALS}/{name}"), kept, 6)
            ratings = [round((felt.ratings[name][k] - 5) / 4 * LIMIT, 1) + 0.0 for name in ("valence", "arousal")]
            signs = [("negative", "neutral", "positive")[int(np.sign(rating)) + 1] for rating in ratings]
            rows.append((person, k, number, ratings[0], signs[0], ratings[1], signs[1], length))
            truth.append({"trial": f"{person}/{k}", **felt.labels(k)})
        out.truth["records"] = truth
        columns = ["participant_id", "song_no", "song_id", "valence_rating", "valence", "arousal_rating", "arousal"]
        table = pd.DataFrame(rows, columns=[*columns, "play_duration"])
        table.to_csv(out.file(RATINGS), index=False, lineterminator="\n")
    return target


def _lines(path: Path, values: np.ndarray, digits: int) -> None:
    path.write_text("".join(f"{value:.{digits}f}\n" for value in values.tolist()), newline="\n")


def _intervals(body: Body, rng: np.random.Generator) -> np.ndarray:
    """Return the intervals in s that a device keeps, on the grid of its clock; which ones leaves no trace."""
    intervals = body.intervals[:, 1]
    return np.round(intervals[rng.uniform(size=len(intervals)) < _ACCEPTED] * _CLOCK) / _CLOCK
