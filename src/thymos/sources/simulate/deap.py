"""Simulated experiments in the layout of DEAP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thymos.signals.filters import band_pass_signal
from thymos.sources.deap import BASELINE, MODALITIES, RATINGS, SFREQ, TRIALS
from thymos.sources.simulate.eav import write_film
from thymos.sources.simulate.folder import simulated, write_pickle
from thymos.sources.simulate.latent import Felt
from thymos.sources.simulate.multimodal import Simulated

__all__ = ["write_deap"]

_FACE, _FRAMES = 96, 50.0  # pixels; pictures a second
_BAND = (4.0, 45.0)  # Hz, of the published preprocessing
_COLUMNS = "Participant_id,Trial,Experiment_id,Start_time,Valence,Arousal,Dominance,Liking,Familiarity"


def write_deap(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 4,
    trials: int = TRIALS,
    seconds: float = 60.0,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
    films: int = 0,
) -> Path:
    """Write ``deap/data_preprocessed_python/s01.dat`` and so on, and ``deap/metadata_csv/participant_ratings.csv``.

    Each trial is 3 s of rest without emotion and then the video, trials in order of the videos, EEG from 4 to 45 Hz
    with average reference, as published. Each person sees the videos in an order of their own, which only the table
    of ratings tells.

    Parameters
    ----------
    folder : path
        A data folder, in which ``deap`` is made.
    random_state : int
        Seed; the same seed gives the same bytes.
    subjects, trials : int
        People, and videos.
    seconds : float
        Length of a video.
    effect, null, fingerprint, artifacts
        As :class:`~thymos.sources.simulate.eeg.SimulatedEEG`.
    films : int
        Of how many people films of their faces are written (22 in the release); they need most of the time.

    Returns
    -------
    Path
        The folder made, with the truth in ``SIMULATED.json``.

    Raises
    ------
    InputError
        If the folder exists and was not simulated, or a parameter does not fit.
    """
    options: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    settings = {"subjects": subjects, "trials": trials, "seconds": seconds, "random_state": random_state, **options}
    source = Simulated(sfreq=SFREQ, size=_FACE, frame_rate=_FRAMES, **settings)
    with simulated(Path(folder) / "deap", "deap", {**settings, "films": films}) as made:
        table, made.truth["subjects"] = [_COLUMNS], {}
        for index, subject in enumerate(source.subjects()):
            felt = source.experiment.subject(index)
            places = np.argsort(felt.order)  # of the videos in the order of presentation
            data = np.stack([_trial(source, index, k, felt) for k in places])
            labels = np.stack([felt.ratings[name][places] for name in RATINGS], axis=1)
            path = made.file(f"data_preprocessed_python/{subject}.dat")
            write_pickle(path, {"data": data, "labels": labels})
            for video, k in enumerate(places):
                scores = ",".join(f"{felt.ratings[name][k]:.2f}" for name in (*RATINGS, "familiarity"))
                table.append(f"{index + 1},{k + 1},{video + 1},{k * 70 * 10**6},{scores}")
            for k, recording in enumerate(source.recordings([subject]) if index < films else ()):
                film = made.file(f"face_video/{subject}/{subject}_trial{k + 1:02d}.avi")
                write_film(film, recording.signal("face").data, _FRAMES)
            made.truth["subjects"][subject] = {"presented": places + 1, "felt": felt.felt[places]}
        made.file("metadata_csv/participant_ratings.csv").write_text("\n".join(table) + "\n")
    return made.path


def _trial(source: Simulated, index: int, k: int, felt: Felt) -> np.ndarray:
    """Return one trial as published, shape (40 channels, n_times), float32: rest, then video."""
    eeg = source.eeg
    rest, video = eeg.baseline(index, k, BASELINE), eeg.signal(index, k, felt)
    whole = band_pass_signal(video.replace(data=np.concatenate([rest.data, video.data], axis=1)), *_BAND).data
    seconds = video.data.shape[1] / SFREQ
    body = source.physiology.trial(index, k, seconds, felt.felt[k], felt.intensity[k], BASELINE)
    frontal = [eeg.ch_names.index(name) for name in ("F7", "F8", "Fp1", "Fp2")]
    rows = {
        "eeg": whole * 1e6,
        "eog": np.stack([whole[frontal[0]] - whole[frontal[1]], whole[frontal[2]] + whole[frontal[3]]]) * 1e6,
        "emg": np.concatenate([body.signal(name, SFREQ).data for name in MODALITIES["emg"][1]]) * 1e6,
        "eda": 1 / np.maximum(body.signal("eda", SFREQ).data, 1e-8),  # a resistance
        **{name: body.signal(name, SFREQ).data for name in ("resp", "bvp", "temp")},
    }
    n_times = whole.shape[1]
    return np.concatenate([rows[name][:, :n_times] for name in MODALITIES]).astype(np.float32)
