"""RAVDESS: actors who speak and sing two sentences with eight emotions (Livingstone & Russo 2018)."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
import pandas as pd

from thymos.base.errors import DataError, InputError
from thymos.base.recording import Frames, Lazy, Recording, Signal
from thymos.sources.base import Note, Source
from thymos.sources.safe.files import Tree, once
from thymos.sources.safe.media import audio_facts, read_audio, read_video

__all__ = ["ACTORS", "EMOTIONS", "FIELDS", "FOLDS", "RAVDESS"]

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ACTORS = 24
RATES = (16000.0, 48000.0)  # Hz; published, and brought down

#: The fields of a file name after the first one, which says what kind of file it is; values are counted from 01.
FIELDS = {
    "vocal_channel": ("speech", "song"),
    "emotion": EMOTIONS,
    "intensity": ("normal", "strong"),
    "statement": ("kids", "dogs"),
    "repetition": ("1", "2"),
    "actor": tuple(f"{k:02d}" for k in range(1, ACTORS + 1)),
}

#: Five parts of the actors, as published (Luna-Jiménez et al. 2022, Applied Sciences 12, 327).
FOLDS = {
    **dict.fromkeys(("02", "05", "14", "15", "16"), "F0"),
    **dict.fromkeys(("03", "06", "07", "13", "18"), "F1"),
    **dict.fromkeys(("10", "11", "12", "19", "20"), "F2"),
    **dict.fromkeys(("08", "17", "21", "23", "24"), "F3"),
    **dict.fromkeys(("01", "04", "09", "22"), "F4"),
}

_SOUND, _FILM = (".wav", ".flac"), (".mp4",)
_NAME = re.compile(r"\d\d(-\d\d){6}")
_KINDS = {"01": _FILM, "02": _FILM, "03": _SOUND}  # film with sound, film without, sound
_FULL = 1 - 2**-15  # the greatest value of 16 bits
_STEP = 2**-15
_SILENCE = 0.3  # seconds
_QUIET = 0.5  # seconds
_DAMAGED = 5  # files that are named
_FITS = "Actor_<01 to 24>/03-<channel>-<emotion>-<intensity>-<statement>-<repetition>-<actor>.wav, .flac or .mp4"


class RAVDESS(Source):
    """24 actors, eight acted emotions, two sentences: modality ``speech``, and ``face`` where there are films.

    Sound and film of one utterance are one recording. Every file is read when it is asked for. Films come with sound
    and without; the pictures are the same, and are read from one of the two. The metadata ``fold`` are the published
    parts of the actors (:data:`FOLDS`).

    Parameters
    ----------
    root : path
        Folder with the files, at any depth. Wav and FLAC, 16 or 48 kHz.
    channel : {'speech', 'song', 'both'}
        Vocal channel.
    film_size : (int, int), optional
        Height and width to which the pictures of films are brought while they are read; their own by default.
    film_step : int
        Every how many pictures of a film one is kept.
    grey : bool
        Decode films to one channel; otherwise three.

    Notes
    -----
    Source: S. R. Livingstone, F. A. Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS),
    PLoS ONE 13(5), e0196391, 2018.
    """

    def __init__(
        self,
        root: str | Path,
        channel: str = "speech",
        film_size: tuple[int, int] | None = None,
        film_step: int = 1,
        grey: bool = True,
    ):
        self.root = Path(root)
        if channel not in (*FIELDS["vocal_channel"], "both"):
            raise InputError(f"channel={channel!r} came.", fits="speech, song or both")
        if not isinstance(film_step, int) or film_step < 1:
            raise InputError(f"film_step={film_step!r} came.", fits="a whole number, 1 or more")
        self.channel = channel
        self.film_size = None if film_size is None else cast("tuple[int, int]", tuple(film_size))
        self.film_step = film_step
        self.grey = bool(grey)

    @cached_property
    def _files(self) -> tuple[dict[str, dict[str, Path]], list[Note]]:
        """For each utterance its file of each modality, and what lies twice in the tree."""
        tree = Tree(self.root)
        if not self.root.is_dir():
            raise DataError(f"{self.root} is no folder.", fits=_FITS, do="unpack the archive first")
        kept, copies = once(tree.names(*_SOUND, *_FILM), lambda name: PurePosixPath(name).name)
        files: dict[str, dict[str, Path]] = defaultdict(dict)
        several = []
        for name in kept:
            kind, utterance = _parse(self.root / name)
            if self.channel not in (_fields(utterance)["vocal_channel"], "both"):
                continue
            modality = "speech" if kind == "03" else "face"
            if modality in files[utterance] and modality == "speech":
                several.append(name)
                continue
            files[utterance][modality] = self.root / name
        if not files:
            raise DataError(f"{self.root} holds no {self.channel} of RAVDESS.", _FITS, "point it at its folder")
        notes = []
        if copies:
            text = f"{len(copies)} files lie twice in the tree under one name; the deeper ones are left out"
            notes.append(Note(str(self.root), text))
        for name, first in copies:
            sizes = tree.size(name), tree.size(first)
            if sizes[0] != sizes[1]:
                text = f"{sizes[0]} bytes, while {first}, which is read, has {sizes[1]}"
                notes.append(Note(name, text))
        notes += [Note(name, "left out: the same utterance is there in another format") for name in several]
        return dict(sorted(files.items())), notes

    def subjects(self) -> list[str]:
        """Return the numbers of the actors, sorted."""
        return sorted({_fields(utterance)["actor"] for utterance in self._files[0]})

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording for each utterance.

        Raises
        ------
        DataError
            If a file's name is none of RAVDESS; or, when a signal is asked for, if its file cannot be read or has
            another rate.
        """
        wanted = None if subjects is None else set(subjects)
        for utterance, files in self._files[0].items():
            fields = _fields(utterance)
            if wanted is None or fields["actor"] in wanted:
                readers = {"speech": self._speech, "face": self._face}
                signals = {modality: partial(readers[modality], path) for modality, path in files.items()}
                yield Recording(Lazy(signals), self._meta(utterance, fields))

    def _meta(self, utterance: str, fields: dict[str, str]) -> dict[str, Any]:
        return {
            "source": "ravdess",
            "subject": fields["actor"],
            "session": "1",
            "trial": utterance,
            "stimulus": fields["statement"],
            "recording": utterance,
            **fields,
            "sex": "male" if int(fields["actor"]) % 2 else "female",
            "fold": FOLDS[fields["actor"]],
        }

    def _speech(self, path: Path) -> Signal:
        data, sfreq = read_audio(path)
        if sfreq not in RATES:
            raise DataError(f"{path} has {sfreq:g} Hz.", fits=" or ".join(f"{rate:g} Hz" for rate in RATES))
        if len(data) > 2:
            raise DataError(f"{path} has {len(data)} channels.", fits="one or two")
        # a few were published in stereo, with two equal channels
        mono = data[:1] if (data == data[:1]).all() else data.mean(axis=0, keepdims=True, dtype=np.float32)
        return Signal(mono, sfreq, ("mono",), "")

    def _face(self, path: Path) -> Frames:
        return Frames(*read_video(path, self.film_size, self.grey, self.film_step))

    def check(self) -> list[Note]:
        """Read every sound and say what is missing, equal, silent, clipped or told by loudness alone."""
        files, notes = self._files
        notes = [*notes, *self._missing()]
        rows, digests, damaged = [], defaultdict(list), []
        for recording in self.recordings():
            path = files[recording.meta["trial"]].get("speech")
            try:
                given = recording.signal("face" if path is None else "speech")
            except DataError as error:
                damaged.append(error)
                continue
            if path is None:
                continue
            signal = cast(Signal, given)
            digests[hashlib.blake2b(signal.data.tobytes(), digest_size=16).digest()].append(path.name)
            n_channels = audio_facts(path)[1]
            rows.append({"file": path.name, **recording.meta, **_measured(signal), "channels": n_channels})
        if len(damaged) > 1:  # all at once, not one after each repair
            raise DataError(
                f"{len(damaged)} files cannot be used: " + " ".join(error.came for error in damaged[:_DAMAGED]),
                fits=damaged[0].fits,
                do=damaged[0].do,
            )
        if damaged:
            raise damaged[0]
        for names in (sorted(names) for names in digests.values() if len(names) > 1):
            notes.append(Note(names[0], f"holds the same samples as {', '.join(names[1:])}"))
        return notes + (_findings(self.root, pd.DataFrame(rows)) if rows else [])

    def _missing(self) -> list[Note]:
        """Say which actors and which of the sounds of an actor are not there."""
        notes, files = [], self._files[0]
        people = self.subjects()
        absent = [actor for actor in FIELDS["actor"] if actor not in people]
        if absent:
            notes.append(Note(str(self.root), f"no files of the actors {', '.join(absent)}"))
        speech = [utterance for utterance, found in files.items() if "speech" in found]
        for actor in people if self.channel != "song" and speech else ():
            expected = {f"01-{utterance}-{actor}" for utterance in _spoken()}
            lost = sorted(expected - set(speech))
            if lost:
                names = ", ".join(f"03-{name}" for name in lost[:5]) + (" and more" if len(lost) > 5 else "")
                notes.append(Note(f"Actor_{actor}", f"{60 - len(lost)} of 60 sounds; missing: {names}"))
        return notes


def _spoken() -> list[str]:
    """Return the 60 utterances of an actor: neutral has one intensity, all else two."""
    values = product(range(1, 9), (1, 2), (1, 2), (1, 2))
    return [f"{e:02d}-{i:02d}-{s:02d}-{r:02d}" for e, i, s, r in values if (e, i) != (1, 2)]


def _parse(path: Path) -> tuple[str, str]:
    """Return the kind of file, and the name of the utterance, which leaves the kind out."""
    kind, _, utterance = path.stem.partition("-")
    if not _NAME.fullmatch(path.stem) or path.suffix.lower() not in _KINDS.get(kind, ()):
        raise DataError(f"{path} has a name that is none of RAVDESS.", fits=_FITS)
    for value, (field, values) in zip(utterance.split("-"), FIELDS.items(), strict=True):
        if not 1 <= int(value) <= len(values):
            raise DataError(f"{path} names the {field} {value}.", fits=f"01 to {len(values):02d}")
    return kind, utterance


def _fields(utterance: str) -> dict[str, str]:
    codes = map(int, utterance.split("-"))
    return {field: values[code - 1] for code, (field, values) in zip(codes, FIELDS.items(), strict=True)}


def _measured(signal: Signal) -> dict[str, Any]:
    """Return level in dB of full scale, silence at both ends, the longest quiet stretch in s, and clipped samples."""
    data = signal.data[0]
    sounding = np.flatnonzero(data)
    first, last = (sounding[0], sounding[-1] + 1) if len(sounding) else (len(data), len(data))
    loud = np.flatnonzero(np.abs(data) > _STEP)
    quiet = np.diff(loud, prepend=-1, append=len(data)).max() - 1
    return {
        "level": 10 * np.log10(max(float(np.mean(np.square(data, dtype=np.float64))), 1e-20)),
        "head": first / signal.sfreq,
        "tail": (len(data) - last) / signal.sfreq,
        "quiet": quiet / signal.sfreq,
        "clipped": int(np.sum((data >= _FULL) | (data <= -1))),
        "sfreq": signal.sfreq,
    }


def _findings(root: Path, table: pd.DataFrame) -> list[Note]:
    notes = []
    where = str(root)
    rates = table["sfreq"].value_counts()
    if len(rates) > 1:
        notes.append(Note(where, "several rates: " + ", ".join(f"{n} files of {r:g} Hz" for r, n in rates.items())))
    stereo = table["file"][table["channels"] > 1]
    if len(stereo):
        notes.append(Note(where, f"{len(stereo)} files in stereo, made mono: {', '.join(stereo[:5])}"))
    if (table["level"] < -199).any():
        notes.append(Note(where, f"nothing but silence in {', '.join(table['file'][table['level'] < -199][:5])}"))
    head, tail, quiet = (
        (table[c] > limit).sum() for c, limit in (("head", _SILENCE), ("tail", _SILENCE), ("quiet", _QUIET))
    )
    if head or tail or quiet:
        text = f"digital silence of more than {_SILENCE:g} s at the start of {head} files and at the end of {tail}; "
        notes.append(Note(where, text + f"{quiet} files have more than {_QUIET:g} s within one step of zero"))
    clipped = table[table["clipped"] > 0]
    if len(clipped):
        notes.append(Note(where, f"{clipped['clipped'].sum()} samples at full scale, in {len(clipped)} files"))
    level = table.groupby("emotion")["level"].median().sort_values(ascending=False)
    if len(level) > 1:
        text = ", ".join(f"{emotion} {value:.1f}" for emotion, value in level.items())
        notes.append(Note(where, f"loudness tells the emotion; median level in dB of full scale: {text}"))
    return notes
