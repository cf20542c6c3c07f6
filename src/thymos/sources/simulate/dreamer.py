"""Simulated experiments in the layouts of DREAMER and AMIGOS, which share their headset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.random import generator
from thymos.sources import amigos
from thymos.sources.dreamer import CLIP_EMOTION, CLIPS, HEADSET, MODALITIES, RATINGS
from thymos.sources.simulate.folder import cell, simulated, write_mat
from thymos.sources.simulate.latent import Felt
from thymos.sources.simulate.meanings import nearest_of, placed
from thymos.sources.simulate.multimodal import Simulated

__all__ = ["write_amigos", "write_dreamer"]


def write_dreamer(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 4,
    seconds: float = 60.0,
    baseline: float = 61.0,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
) -> Path:
    """Write ``dreamer/DREAMER.mat``: 18 clips, EEG and ECG, each with its own rest before it.

    Parameters
    ----------
    subjects : int
        Number of people.
    seconds, baseline : float
        Length of a clip, and of the rest before it.

    Notes
    -----
    The other parameters, the result and the errors are those of :func:`~thymos.sources.simulate.deap.write_deap`.
    """
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    settings = {"subjects": subjects, "seconds": seconds, "random_state": random_state, **emotion}
    source = Simulated(
        trials=CLIPS, sfreq=MODALITIES["eeg"][1], montage=HEADSET, meant=[placed(e) for e in CLIP_EMOTION], **settings
    )
    with simulated(Path(folder) / "dreamer", "dreamer", {**settings, "baseline": baseline}) as made:
        people = []
        made.truth["felt"] = {}
        for index, subject in enumerate(source.subjects()):
            felt = source.experiment.subject(index)
            places = np.argsort(felt.order)
            trials = [_both(source, index, k, felt, baseline) for k in places]
            person: dict[str, Any] = {"Age": str(20 + index % 15), "Gender": ("male", "female")[index % 2]}
            for modality, (field, *_) in MODALITIES.items():
                parts = zip(*(trial[modality] for trial in trials), strict=True)
                person[field] = {
                    part: cell(list(values), (CLIPS, 1))
                    for part, values in zip(("baseline", "stimuli"), parts, strict=True)
                }
            for name, field in RATINGS.items():
                person[field] = np.round((felt.ratings[name][places, None] + 1) / 2)  # 1 to 9 on 1 to 5
            people.append(person)
            made.truth["felt"][subject] = felt.felt[places]
        about = {
            "Data": cell(people),
            "EEG_SamplingRate": MODALITIES["eeg"][1],
            "ECG_SamplingRate": MODALITIES["ecg"][1],
            "EEG_Electrodes": cell(HEADSET),
            "noOfSubjects": float(len(people)),
            "noOfVideoSequences": float(CLIPS),
        }
        write_mat(made.file("DREAMER.mat"), DREAMER=about)
    return made.path


def write_amigos(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 4,
    videos: int = amigos.VIDEOS,
    seconds: float = 60.0,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
) -> Path:
    """Write ``amigos/Data_Preprocessed_P01.mat`` and so on, with the flaws of the release.

    Every eighth person, from the eighth on, did not see the long films (empty cells), and the first film of every
    third person holds missing values.

    Parameters
    ----------
    subjects, videos : int
        People, and films; those beyond the 16th are long.
    seconds : float
        Length of a short film; long ones are four times as long.

    Notes
    -----
    The other parameters, the result and the errors are those of :func:`~thymos.sources.simulate.deap.write_deap`.
    """
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    settings = {"subjects": subjects, "seconds": seconds, "random_state": random_state, **emotion}
    lengths = [seconds if k < amigos.SHORT else 4 * seconds for k in range(videos)]
    source = Simulated(trials=videos, sfreq=amigos.SFREQ, montage=HEADSET, **{**settings, "seconds": lengths})
    with simulated(Path(folder) / "amigos", "amigos", {**settings, "videos": videos}) as made:
        made.truth["felt"] = {}
        for index, subject in enumerate(source.subjects()):
            felt = source.experiment.subject(index)
            places = np.argsort(felt.order)
            signals = [_joined(source, index, k, felt) for k in places]
            reports = list(_reports(felt, random_state, index)[places][:, None])
            if index % 8 == 7:
                signals[amigos.SHORT :] = [np.zeros((0, 0))] * len(signals[amigos.SHORT :])
            if index % 3 == 2:
                signals[0][-10:, 3] = np.nan
            path = made.file(f"Data_Preprocessed_P{index + 1:02d}.mat")
            names = cell([f"v{k + 1:02d}" for k in range(videos)])
            write_mat(path, joined_data=cell(signals), labels_selfassessment=cell(reports), VideoIDs=names)
            made.truth["felt"][subject] = felt.felt[places]
    return made.path


def _both(source: Simulated, index: int, k: int, felt: Felt, baseline: float) -> dict[str, tuple]:
    """Return rest and clip of EEG and ECG in microvolts, each of shape (n_times, n_channels)."""
    body = source.physiology.trial(
        index, k, source.eeg.length(felt.order[k]), felt.felt[k], felt.intensity[k], baseline
    )
    sfreq = MODALITIES["ecg"][1]
    ecg = _leads(body.signal("ecg", sfreq).data)
    border = round(baseline * sfreq)
    eeg = [source.eeg.baseline(index, k, baseline).data.T * 1e6, source.eeg.signal(index, k, felt).data.T * 1e6]
    return {"eeg": tuple(eeg), "ecg": (ecg[:border], ecg[border:])}


def _joined(source: Simulated, index: int, k: int, felt: Felt) -> np.ndarray:
    """Return a trial of AMIGOS: 5 s of rest, then the film, shape (n_times, 17)."""
    eeg = source.eeg
    whole = np.concatenate([eeg.baseline(index, k, amigos.BASELINE).data, eeg.signal(index, k, felt).data], axis=1)
    seconds = eeg.length(felt.order[k])
    body = source.physiology.trial(index, k, seconds, felt.felt[k], felt.intensity[k], amigos.BASELINE)
    n = whole.shape[1]
    skin = body.signal("eda", amigos.SFREQ).data[0, :n] * 1e6
    return np.c_[whole.T * 1e6, _leads(body.signal("ecg", amigos.SFREQ).data)[:n], skin]


def _leads(ecg: np.ndarray) -> np.ndarray:
    """Return two leads in microvolts, shape (n_times, 2)."""
    return np.concatenate([ecg, 0.7 * ecg]).T * 1e6


def _reports(felt: Felt, random_state: int, index: int) -> np.ndarray:
    """Return the self-assessments of AMIGOS: ratings of 1 to 9, and which emotions were felt."""
    names = amigos.REPORTS
    ratings = [felt.ratings[name] for name in names[:5]]
    told = nearest_of(felt.felt, names[5:])
    chance = generator(random_state, "amigos", "reports", index).uniform(size=(len(told), len(names) - 5)) < 0.05
    return np.c_[np.array(ratings).T, (told[:, None] == np.array(names[5:])) | chance].astype(float)
