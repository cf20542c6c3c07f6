"""EAV (Lee et al. 2024): EEG, voice and video of 42 people in conversations with five emotions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.errors import DataError, InputError
from thymos.base.recording import Frames, Lazy, Recording, Signal
from thymos.sources.base import Note
from thymos.sources.corpus import MICRO, Corpus, expect, find, identity, kept, signal
from thymos.sources.safe import MatFile, read_audio, read_video

__all__ = ["EAV"]

SFREQ = 500.0
TRIALS, SECONDS = 200, 20.0
#: Electrodes in the order of the publication; the files do not name them.
CHANNELS = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "FC5", "FC1", "FC2", "FC6", "T7", "C3", "Cz", "C4", "T8", "CP5"),
    *("CP1", "CP2", "CP6", "P7", "P3", "Pz", "P4", "P8", "PO9", "O1", "Oz", "O2", "PO10"),
)
EMOTIONS = ("neutral", "sadness", "anger", "happiness", "calmness")
TASKS = ("listening", "speaking")  # even and odd rows of `label`

_MEDIA = r"subject(\d+)_*/{}/(\d+)_Trial_\d+_(listening|speaking)_([a-z]+)[^/]*\.{}"
_AGAIN = "copy or download it again"


class EAV(Corpus):
    """42 people, 200 turns of a conversation of 20 s each, half of them listening and half speaking.

    EEG of 30 electrodes at 500 Hz for every turn, the voice (modality ``speech``) for the turns in which the person
    speaks, and the face (modality ``face``, pictures of a film) where its file is there. Every turn is a trial; a
    modality is read when it is asked for. The file of a sound or film must name the emotion that the EEG's label
    names, and sounds must belong to turns of speaking; otherwise the trials of the files do not fit together, which is
    an error.

    Parameters
    ----------
    root : path
        Folder that holds ``subject1`` or ``subject01`` and so on, with ``EEG``, ``Audio`` and ``Video``.
    tasks : sequence of {'listening', 'speaking'}
        Which turns are read.
    video_size : (int, int)
        Height and width to which pictures are brought; the films have 480 x 640.
    video_step : int
        Every how many pictures one is kept; the films have 30 a second.
    ch_names : sequence of str
        Electrodes, if a copy has them in another order.

    Notes
    -----
    Source: M.-H. Lee et al., EAV: EEG-Audio-Video Dataset for Emotion Recognition in Conversational Contexts,
    Scientific Data 11, 2024. Turns come in blocks of one emotion, so time and emotion are confounded within a person.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        tasks: Sequence[str] = TASKS,
        video_size: Sequence[int] = (120, 160),
        video_step: int = 6,
        ch_names: Sequence[str] = CHANNELS,
    ):
        super().__init__(root)
        self.tasks = (tasks,) if isinstance(tasks, str) else tuple(tasks)
        if not self.tasks or set(self.tasks) - set(TASKS):
            raise InputError(f"tasks={tasks!r} came.", fits=f"some of {', '.join(TASKS)}")
        self.video_size, self.video_step = (int(video_size[0]), int(video_size[1])), int(video_step)
        self.ch_names = tuple(ch_names)
        self._eeg = kept(self._read_eeg)

    def files(self) -> dict[str, dict[str, Any]]:
        """Return the files of every subject: ``eeg``, ``label``, and for each turn ``speech`` and ``face``."""
        fits = "subject1/EEG/subject1_eeg.mat and subject1_eeg_label.mat"
        eeg = find(self.root, r"subject(\d+)_*/EEG/subject\d+_*_eeg\.mat", fits)
        labels = find(self.root, r"subject(\d+)_*/EEG/subject\d+_*_eeg_label\.mat", fits)
        files: dict[str, dict[str, Any]] = {}
        for (number,), path in eeg.items():
            if (number,) not in labels:
                raise DataError(f"{path.parent} holds no {path.stem}_label.mat.", fits=fits, do=_AGAIN)
            files[f"{int(number):02d}"] = {"eeg": path, "label": labels[number,], "speech": {}, "face": {}}
        for modality, folder, suffix in (("speech", "Audio", "wav"), ("face", "Video", "mp4")):
            found = find(self.root, _MEDIA.format(folder, suffix), "", optional=True)  # a copy may hold the EEG alone
            for (number, turn, *about), path in found.items():
                if (subject := f"{int(number):02d}") in files:
                    if int(turn) in files[subject][modality]:
                        raise DataError(f"{path.parent} holds two files for turn {int(turn)}.", fits="one")
                    files[subject][modality][int(turn)] = (path, *(text.lower() for text in about))
        return files

    def _subject(self, subject: str, files: dict[str, Any]) -> Iterator[Recording]:
        path = files["label"]
        onehot = expect(path, "label", MatFile(path).read("label"), 2 * len(EMOTIONS), "turns")
        if not ((onehot == 0) | (onehot == 1)).all() or (onehot.sum(axis=0) != 1).any():
            raise DataError(f"{path}: label is not one-hot.", fits="one 1 in each column", do=_AGAIN)
        rows = onehot.argmax(axis=0)
        n_turns = len(rows)
        for k, row in enumerate(rows):
            emotion, task = EMOTIONS[row // 2], TASKS[row % 2]
            makers: dict[str, Any] = {"eeg": partial(self._turn, files["eeg"], k, n_turns)}
            for modality, read in (("speech", _speech), ("face", self._face)):
                if k + 1 in files[modality]:
                    self._agree(files[modality][k + 1], k + 1, emotion, task)
                    makers[modality] = partial(read, files[modality][k + 1][0])
            if task in self.tasks:
                trial = f"{subject}-{k + 1:03d}"
                meta = {
                    **identity("eav", subject, trial, f"turn{k + 1:03d}"),
                    "emotion": emotion,
                    "emotion_code": int(row // 2),
                    "task": task,
                }
                yield Recording(Lazy(makers), meta)

    def _agree(self, file: tuple[Path, str, str], turn: int, emotion: str, task: str) -> None:
        path, named_task, named_emotion = file
        if (named_task, named_emotion) != (task, emotion):
            raise DataError(
                f"{path.name} says {named_task}, {named_emotion}; the label of turn {turn} says {task}, {emotion}.",
                fits="the same turn in every file",
                do="the files are not of one recording, or numbered otherwise; download the subject again",
            )

    def _read_eeg(self, path: Path, n_turns: int) -> np.ndarray:
        content = MatFile(path)
        name = next((name for name in ("seg1", "seg") if name in content.names), "seg")
        return expect(path, name, content.read(name), "times", len(self.ch_names), n_turns)

    def _turn(self, path: Path, k: int, n_turns: int) -> Signal:
        data = self._eeg(path, n_turns)[:, :, k].T
        return signal(f"{path}, turn {k + 1}", data, SFREQ, self.ch_names, "V", MICRO)

    def _face(self, path: Path) -> Frames:
        return Frames(*read_video(path, self.video_size, grey=False, step=self.video_step))

    def check(self) -> list[Note]:
        """Say what is remarkable about this copy."""
        notes = []
        for subject, files in self._files.items():
            if not files["speech"] and not files["face"]:
                text = "no sounds and no films: which turns were spoken cannot be verified, even rows may be those"
                notes.append(Note(f"subject {subject}", text))
                continue
            for modality, expected in (("speech", TRIALS // 2), ("face", TRIALS)):
                if (n := len(files[modality])) != expected:
                    notes.append(Note(f"subject {subject}", f"{n} of {expected} files of the modality {modality}"))
        lengths = {r.signal("eeg").duration for r in self.recordings()} - {SECONDS}
        return [*notes, *(Note("EEG", f"turns of {n:g} s, published are {SECONDS:g} s") for n in sorted(lengths))]


def _speech(path: Path) -> Signal:
    data, sfreq = read_audio(path)
    names = [f"microphone{k + 1}" for k in range(len(data))]
    return signal(path, data, sfreq, names, "")
