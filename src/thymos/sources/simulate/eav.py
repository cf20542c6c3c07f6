"""Simulated experiments in the layout of EAV: brain, voice and face of one latent trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.optional import require
from thymos.base.recording import Recording
from thymos.sources.eav import CHANNELS, EMOTIONS, SFREQ, TASKS, TRIALS
from thymos.sources.simulate.folder import simulated, write_mat
from thymos.sources.simulate.latent import nearest
from thymos.sources.simulate.meanings import placed
from thymos.sources.simulate.multimodal import Simulated

__all__ = ["write_eav", "write_film", "write_wav"]

#: Emotions of the published blocks. Each has two neutral turns and eight of its emotion, listening and speaking.
_BLOCKS = [
    {"A": "anger", "C": "calmness", "S": "sadness", "H": "happiness"}[letter] for letter in "AACCSSHACHHSSAACCHHS"
]
_BLOCK, _SHORT_BLOCK, _NEUTRAL = 10, 4, 2  # turns
_FRAMES = 30.0  # pictures a second


def write_eav(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 1,
    turns: int = 40,
    seconds: float = 20.0,
    size: int = 96,
    video: bool = True,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
) -> Path:
    """Write ``eav/subject1`` and so on with ``EEG``, ``Audio`` and ``Video``, all from one latent trial per turn.

    This is the truly paired set: brain, voice and face share what was felt and how strongly. Turns of listening have
    no voice.

    Parameters
    ----------
    subjects, turns : int
        People, and turns of the conversation. 200 turns come in the published blocks; fewer in blocks of four, so
        that 16 hold every emotion.
    seconds : float
        Length of a turn.
    size : int
        Height and width of the film in pixels.
    video : bool
        Write films; they need most of the time.

    Notes
    -----
    The other parameters, the result and the errors are those of :func:`~thymos.sources.simulate.deap.write_deap`.
    """
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    settings = {"subjects": subjects, "seconds": seconds, "random_state": random_state, **emotion}
    named = _emotions(turns)
    source = Simulated(
        trials=turns,
        sfreq=SFREQ,
        montage=CHANNELS,
        meant=[placed(name) for name in named],
        shuffled=False,
        size=size,
        frame_rate=_FRAMES,
        **settings,
    )
    label = np.zeros((2 * len(EMOTIONS), turns))
    label[[2 * EMOTIONS.index(name) + k % 2 for k, name in enumerate(named)], np.arange(turns)] = 1
    with simulated(Path(folder) / "eav", "eav", {**settings, "turns": turns, "size": size, "video": video}) as made:
        made.truth["felt"], made.truth["shown"] = {}, {}
        for index, subject in enumerate(source.subjects()):
            name, recordings = f"subject{index + 1}", list(source.recordings([subject]))
            seg = np.stack([r.signal("eeg").data.T * 1e6 for r in recordings], axis=2).astype(np.float32)
            write_mat(made.file(f"{name}/EEG/{name}_eeg.mat"), seg1=seg)
            write_mat(made.file(f"{name}/EEG/{name}_eeg_label.mat"), label=label)
            for k, recording in enumerate(recordings):
                task = TASKS[k % 2].capitalize()
                stem = f"{k + 1:03d}_Trial_{k // 2 + 1:02d}_{task}_{named[k].capitalize()}"
                if task == "Speaking":
                    write_wav(made.file(f"{name}/Audio/{stem}_aud.wav"), *_sound(recording))
                if video:
                    write_film(made.file(f"{name}/Video/{stem}.mp4"), recording.signal("face").data, _FRAMES)
            felt = np.array([[r.meta["felt_valence"], r.meta["felt_arousal"]] for r in recordings])
            made.truth["felt"][subject], made.truth["shown"][subject] = felt, nearest(felt)
    return made.path


def write_wav(path: Path, data: np.ndarray, sfreq: float) -> None:
    """Write a sound of shape (n_times,), -1 to 1, as 16-bit wav or flac by the path's ending."""
    require("soundfile", "speech").write(path, data, round(sfreq), subtype="PCM_16")


def write_film(path: Path, frames: np.ndarray, sfreq: float) -> None:
    """Write pictures, shape (n_frames, 1 or 3, height, width), uint8, in the container of the path's ending."""
    av = require("av", "video")
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as film:
        stream = film.add_stream("mpeg4", rate=round(sfreq))
        stream.height, stream.width, stream.pix_fmt = frames.shape[2], frames.shape[3], "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.thread_count = 1
        for picture in frames:
            colour = np.moveaxis(picture if len(picture) == 3 else picture.repeat(3, axis=0), 0, -1)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(colour), format="rgb24")))
        film.mux(stream.encode())


def _emotions(turns: int) -> list[str]:
    """Return the emotion of every turn."""
    blocks, size = (_BLOCKS, _BLOCK) if turns >= TRIALS else (list(dict.fromkeys(_BLOCKS)), _SHORT_BLOCK)
    return ["neutral" if k % size < _NEUTRAL else blocks[k // size % len(blocks)] for k in range(turns)]


def _sound(recording: Recording) -> tuple[np.ndarray, float]:
    signal = recording.signal("speech")
    return signal.data[0], signal.sfreq
