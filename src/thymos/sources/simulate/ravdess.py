"""Simulated speech in the layout of RAVDESS."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.base.random import child_seed
from thymos.sources.ravdess import ACTORS, EMOTIONS, RATES
from thymos.sources.simulate.folder import earlier, simulated
from thymos.sources.simulate.latent import known, whole
from thymos.sources.simulate.speech import STATEMENTS, speakers, synthesise

__all__ = ["write_ravdess"]

FORMS = ("wav", "flac")
_INTENSITY = (0.5, 1.0)  # normal, strong


def write_ravdess(
    folder: str | Path,
    random_state: int = 0,
    actors: int = 4,
    repetitions: int = 2,
    emotions: Sequence[str] = EMOTIONS,
    sfreq: float = RATES[1],
    form: str = "wav",
    effect: float = 1.0,
    null: bool = False,
) -> Path:
    """Write ``ravdess/Actor_<number>/03-01-<emotion>-<intensity>-<statement>-<repetition>-<actor>``.

    By default each actor says the published 60 utterances: two sentences twice in eight emotions, normal and strong,
    neutral only normal.

    Parameters
    ----------
    folder : path
        Where the folder ``ravdess`` is made: a data folder.
    random_state : int
        Seed; the same seed gives the same bytes.
    actors : int
        Number of actors, 24 at most; odd ones have a long vocal tract, even ones a short one.
    repetitions : int
        1 or 2.
    emotions : sequence of str
        Some of :data:`~thymos.sources.ravdess.EMOTIONS`.
    sfreq : float
        48000 Hz as published, or 16000 Hz.
    form : {'wav', 'flac'}
        Kind of file; both keep 16 bits.
    effect : float
        Multiplies how much of an emotion is heard.
    null : bool
        No emotion in any voice; names and everything else stay as they are.

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
    soundfile = require("soundfile", "speech")
    target = Path(folder) / "ravdess"
    earlier(target, "ravdess")
    known("form", [form], FORMS)
    codes = [EMOTIONS.index(name) + 1 for name in known("emotion", emotions, EMOTIONS)]
    if whole("actors", actors, 1) > ACTORS or whole("repetitions", repetitions, 1) > 2 or sfreq not in RATES:
        raise InputError(
            f"actors={actors}, repetitions={repetitions}, sfreq={sfreq} came.",
            fits=f"1 to {ACTORS} actors, 1 or 2 repetitions, {' or '.join(f'{rate:g} Hz' for rate in RATES)}",
        )
    settings["emotions"] = list(emotions)
    voices = speakers(actors, random_state)
    with simulated(target, "ravdess", settings) as out:
        out.truth["voices"] = [dict(zip(voices.dtype.names or (), map(float, voice), strict=True)) for voice in voices]
        spoken = product(range(actors), codes, (1, 2), range(1, len(STATEMENTS) + 1), range(1, repetitions + 1))
        for actor, code, strength, statement, take in spoken:
            emotion = EMOTIONS[code - 1]
            if emotion == "neutral" and strength == 2:
                continue
            seed = child_seed(random_state, "ravdess", actor, emotion, strength, statement, take)
            sound = synthesise(
                emotion, voices[actor], _INTENSITY[strength - 1], statement - 1, seed, sfreq, effect, null
            )
            values = np.clip(np.round(sound * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16)
            name = f"03-01-{code:02d}-{strength:02d}-{statement:02d}-{take:02d}-{actor + 1:02d}.{form}"
            path = out.file(f"Actor_{actor + 1:02d}/{name}")
            soundfile.write(path, values, int(sfreq), subtype="PCM_16")
    return target
