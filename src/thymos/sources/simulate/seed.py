"""Simulated experiments in the layouts of SEED and SEED-IV, as raw signals and as features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.errors import InputError
from thymos.signals.spectral import differential_entropy
from thymos.sources.seed import (
    CHANNELS,
    SEED,
    SEED_SECONDS,
    SEEDIV,
    SEEDIV_WINDOWS,
    SESSIONS,
    SFREQ,
    SEEDFeatures,
    SEEDIVFeatures,
)
from thymos.sources.simulate.eeg import SimulatedEEG
from thymos.sources.simulate.folder import simulated, write_mat
from thymos.sources.simulate.meanings import placed

__all__ = ["write_seed"]

_SMOOTHING = 5  # windows of the moving average
_MEMORY = 0.7  # of the smoothing forwards and backwards
#: Folder of each layout, and the reader whose labels it has.
_PLACES: dict[str, tuple[str, str, Any]] = {
    "seed": ("seed", "Preprocessed_EEG/", SEED),
    "seed-features": ("seed", "ExtractedFeatures/", SEEDFeatures),
    "seed-iv": ("seed-iv", "eeg_raw_data/{}/", SEEDIV),
    "seed-iv-features": ("seed-iv", "eeg_feature_smooth/{}/", SEEDIVFeatures),
}


def write_seed(
    folder: str | Path,
    random_state: int = 0,
    layout: str = "seed",
    subjects: int = 2,
    scale: float = 0.2,
    sessions: int = SESSIONS,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
) -> Path:
    """Write SEED or SEED-IV, three files per subject, named ``<subject>_<date>.mat``.

    SEED has the same 15 clips in every session, SEED-IV 24 others in each, with the published labels and in the same
    order for everyone. Lengths are the published ones times `scale`; for SEED-IV those of its first session.

    Parameters
    ----------
    layout : {'seed', 'seed-features', 'seed-iv', 'seed-iv-features'}
        Signals, or the entropies (``de``) and powers (``psd``) of the same signals, smoothed over five windows
        (``movingAve``) and forwards and backwards (``LDS``).
    subjects : int
        Number of people.
    scale : float
        Share of the published lengths.
    sessions : int
        How many of the three sessions are written.

    Notes
    -----
    The other parameters, the result and the errors are those of :func:`~thymos.sources.simulate.deap.write_deap`.
    """
    if layout not in _PLACES:
        raise InputError(f"layout={layout!r} came.", fits=f"one of {', '.join(_PLACES)}")
    name, place, reader = _PLACES[layout]
    window = 4.0 if name == "seed-iv" else 1.0
    counts = np.array(SEEDIV_WINDOWS if name == "seed-iv" else SEED_SECONDS)
    shortest = window if layout.endswith("features") else 1.0
    seconds = np.maximum(shortest, np.round(window * counts * scale)).tolist()
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    settings = {"subjects": subjects, "random_state": random_state, **emotion}
    source = _source(reader, seconds, settings)
    settings |= {"scale": scale, "sessions": sessions}
    with simulated(Path(folder) / name, layout, settings) as made:
        felt = {subject: source.experiment.subject(k).felt for k, subject in enumerate(source.subjects())}
        made.truth["felt"] = felt
        for index in range(source.n_subjects):
            for session, signals in enumerate(_sessions(source, index, len(counts), sessions)):
                variables: dict[str, Any] = {}
                for number, signal in enumerate(signals, start=1):
                    if layout.endswith("features"):
                        variables |= _features(signal, window, number)
                    else:
                        variables[f"p{index + 1}x_eeg{number}"] = signal * 1e6
                date = f"2013{session + 9:02d}{index % 28 + 1:02d}"
                write_mat(made.file(f"{place.format(session + 1)}{index + 1}_{date}.mat"), **variables)
        if layout == "seed":
            write_mat(made.file(f"{place}label.mat"), label=np.array([reader.labels[0]]))
    return made.path


def _source(reader: type[SEED], seconds: list[float], options: dict[str, Any]) -> SimulatedEEG:
    """Return the simulator: three sessions of the same clips, or one of all clips."""
    labels = reader.labels[:1] if reader.same_clips else reader.labels
    points = [placed(reader.names[code]) for session in labels for code in session]
    return SimulatedEEG(
        trials=len(points),
        seconds=seconds * len(labels),
        sfreq=SFREQ,
        montage=CHANNELS,
        sessions=SESSIONS if reader.same_clips else 1,
        meant=points,
        shuffled=False,
        **options,
    )


def _sessions(source: SimulatedEEG, index: int, n: int, sessions: int) -> Iterator[Iterator[np.ndarray]]:
    """Yield the signals in volts of each session of one subject, `n` trials each."""
    felt = source.experiment.subject(index)
    for session in range(sessions):
        yield (source.signal(index, session * n + k, felt).data for k in range(n))


def _features(signal: np.ndarray, window: float, number: int) -> dict[str, np.ndarray]:
    """Return the features of one trial as published: shape (62 channels, windows, 5 bands)."""
    entropy = differential_entropy(signal * 1e6, SFREQ, "seed", window=window)
    entropy = entropy.transpose(1, 2, 0).astype(np.float64)  # bands, channels, windows before
    n = entropy.shape[1]
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= _SMOOTHING // 2
    moving = np.einsum("st,ctb->csb", near / near.sum(axis=1, keepdims=True), entropy)
    lds = entropy.copy()
    for view in (lds, lds[:, ::-1]):  # forwards and backwards
        for t in range(1, n):
            view[:, t] = _MEMORY * view[:, t - 1] + (1 - _MEMORY) * view[:, t]
    return {
        f"{feature}_{name}{number}": values if feature == "de" else np.exp(2 * values) / (2 * np.pi * np.e)
        for name, values in (("movingAve", moving), ("LDS", lds))
        for feature in ("de", "psd")
    }
