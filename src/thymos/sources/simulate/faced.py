"""Simulated experiments in the layout of FACED, as signals and as features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.random import generator
from thymos.signals.spectral import differential_entropy
from thymos.sources.faced import CLIP_EMOTION, CLIPS, ORDERS, REPORTS, SECONDS, SFREQ
from thymos.sources.simulate.eeg import SimulatedEEG
from thymos.sources.simulate.folder import simulated, write_mat, write_pickle
from thymos.sources.simulate.latent import Felt
from thymos.sources.simulate.meanings import nearest_of, placed

__all__ = ["write_faced"]

_MASTOIDS = {"A1": "TP9", "A2": "TP10"}  # the nearest places of the 10-05 system
_GREATEST = 7


def write_faced(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 4,
    seconds: float = SECONDS,
    features: bool = False,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
) -> Path:
    """Write ``faced/Processed_data/sub000.pkl`` and so on, and ``faced/After_remarks``.

    Signals are in order of the clips; each person saw them in an order of their own, and the self-reports are in that
    order, as in the release: joined place by place they belong to other clips.

    Parameters
    ----------
    subjects : int
        Number of people.
    seconds : float
        Length of each clip.
    features : bool
        Write ``EEG_Features/DE`` and ``PSD`` of the signals, one value per second, instead of the signals.

    Notes
    -----
    The other parameters, the result and the errors are those of :func:`~thymos.sources.simulate.deap.write_deap`.
    """
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    settings = {"subjects": subjects, "seconds": seconds, "random_state": random_state, **emotion}
    source = SimulatedEEG(
        trials=CLIPS,
        sfreq=SFREQ,
        montage=[_MASTOIDS.get(name, name) for name in ORDERS["last"]],
        meant=[placed(name) for name in CLIP_EMOTION],
        **settings,
    )
    layout = "faced-features" if features else "faced"
    with simulated(Path(folder) / "faced", layout, {**settings, "features": features}) as made:
        made.truth["subjects"] = {}
        for index in range(source.n_subjects):
            name, felt = f"sub{index:03d}", source.experiment.subject(index)
            places = np.argsort(felt.order)  # of the clips in the order of presentation
            data = np.stack([source.signal(index, k, felt).data for k in places]) * 1e6
            if features:
                entropy = differential_entropy(data, SFREQ, "seed", window=1.0).transpose(0, 2, 3, 1)
                write_pickle(made.file(f"EEG_Features/DE/{name}.pkl.pkl"), entropy.astype(np.float64))
                power = np.exp(2 * entropy.astype(np.float64)) / (2 * np.pi * np.e)
                write_pickle(made.file(f"EEG_Features/PSD/{name}.pkl.pkl"), power)
            else:
                write_pickle(made.file(f"Processed_data/{name}.pkl"), data.astype(np.float32))
            remarks = made.file(f"After_remarks/{name}/After_remarks.mat")
            write_mat(remarks, After_remark=_remarks(felt, random_state, index))
            made.truth["subjects"][name] = {"presented": places + 1, "felt": felt.felt[places]}
    return made.path


def _remarks(felt: Felt, random_state: int, index: int) -> np.ndarray:
    """Return the self-reports, a struct array in order of presentation."""
    rng = generator(random_state, "faced", "remarks", index)
    scores = rng.uniform(0, 1.5, (CLIPS, len(REPORTS)))
    told = nearest_of(felt.felt, (*REPORTS[:8], "neutral"))
    for k, emotion in enumerate(told):
        if emotion != "neutral":
            scores[k, REPORTS.index(emotion)] = _GREATEST * felt.intensity[k]
    for column in REPORTS[8:]:
        scores[:, REPORTS.index(column)] = (felt.ratings[column] - 1) / 8 * _GREATEST
    rows = np.empty((CLIPS, 1), dtype=[("score", "O"), ("trial", "O"), ("vid", "O")])
    for k in range(CLIPS):
        row: Any = (np.round(scores[k], 1), float(k + 1), float(felt.order[k] + 1))
        rows[k, 0] = row
    return rows
