"""Simulated signals of the body in the layout of WESAD."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.sources.simulate.folder import earlier, simulated, write_pickle
from thymos.sources.simulate.latent import number, whole
from thymos.sources.simulate.meanings import placed
from thymos.sources.simulate.physiology import Body, Physiology
from thymos.sources.wesad import CONDITIONS, RATE, SIGNALS, SUBJECTS

__all__ = ["write_wesad"]

_FELT_SD = 0.15
_ORDERS = (  # the two versions of the experiment, in turn
    ("baseline", "amusement", "meditation", "stress", "meditation"),
    ("baseline", "stress", "meditation", "amusement", "meditation"),
)
_PAUSE = 5.0  # s of transition before each block and after the last
_CODES = {name: code for code, name in CONDITIONS.items()}
#: What the simulator calls a signal where it is not the modality's name.
_MADE = {"emg": "trapezius", "wrist_eda": "eda", "wrist_temp": "temp", "wrist_acc": "acc"}
_SWING = 10.0  # per cent of the respiration belt's range
_PULSE = 100.0  # device units


def write_wesad(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 3,
    seconds: float = 60.0,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
) -> Path:
    """Write ``wesad/S<number>/S<number>.pkl``: five blocks of four conditions, with transitions between them.

    Stress and amusement change places from one subject to the next. Each block is a body of its own.

    Parameters
    ----------
    folder : path
        Where the folder ``wesad`` is made: a data folder.
    random_state : int
        Seed; the same seed gives the same bytes.
    subjects : int
        Number of subjects, 15 at most.
    seconds : float
        Length of a block.
    effect, null, fingerprint
        As :class:`~thymos.sources.simulate.physiology.Physiology`.

    Returns
    -------
    Path
        The folder written, with ``SIMULATED.json``. A minute of one subject takes 7 MB in the file.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or a parameter does not fit.
    """
    settings = {key: value for key, value in locals().items() if key != "folder"}
    target = Path(folder) / "wesad"
    earlier(target, "wesad")
    if whole("subjects", subjects, 1) > len(SUBJECTS):
        raise InputError(f"subjects={subjects} came.", fits=f"1 to {len(SUBJECTS)}")
    seconds = round(number("seconds", seconds, 1, "s") * 4) / 4  # whole samples at every rate
    physiology = Physiology(random_state, effect, null, fingerprint)
    with simulated(target, "wesad", settings) as out:
        out.truth["blocks"] = []
        for index, subject in enumerate(SUBJECTS[:subjects]):
            blocks, label = [], []
            for k, condition in enumerate(_ORDERS[index % 2]):
                rng = generator(random_state, "wesad", "felt", index, k)
                felt = np.clip(placed(condition) + _FELT_SD * rng.standard_normal(2), -1, 1)
                blocks.append(physiology.trial(index, k, seconds, felt, min(1.0, np.hypot(*felt)), _PAUSE))
                label += [np.zeros(round(_PAUSE * RATE)), np.full(round(seconds * RATE), _CODES[condition])]
                out.truth["blocks"].append({"subject": subject, "condition": condition, "felt": felt})
            blocks.append(physiology.trial(index, len(blocks), _PAUSE))
            label.append(np.zeros(round(_PAUSE * RATE)))
            content = {
                "signal": _signals(blocks),
                "label": np.concatenate(label).astype(np.int32),
                "subject": subject,
            }
            write_pickle(out.file(f"{subject}/{subject}.pkl"), content)
    return target


def _signals(blocks: list[Body]) -> dict[str, dict[str, np.ndarray]]:
    """Return all signals end to end, in the units of the files, shape (n_times, n_channels)."""
    made: dict[str, dict[str, np.ndarray]] = {"chest": {}, "wrist": {}}
    scale = {"resp": _SWING, "bvp": _PULSE}
    for modality, (place, name, rate, _, _, factor, offset) in SIGNALS.items():
        parts = [body.signal(_MADE.get(modality, modality), rate).data for body in blocks]
        values = np.concatenate(parts, axis=1).T.astype(np.float64) * scale.get(modality, 1.0)
        made[place][name] = (values - offset) / factor
    return made
