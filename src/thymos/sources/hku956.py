"""HKU956: wrist physiology of people listening to music, with ratings of valence and arousal (Hu et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.base.recording import Lazy, Recording, Signal
from thymos.sources.base import Note, Source
from thymos.sources.safe.files import numbers, read_csv, readable, refuse

__all__ = ["FOLDER", "HKU956", "LIMIT", "RATINGS", "SIGNALS"]

FOLDER = "1. physiological_signals"
RATINGS = "3. AV_ratings.csv"
INTERVALS = "IBI"
LIMIT = 10.0  # greatest rating, and the least with the other sign

#: Modality to name on disk, rate in Hz, unit, and what turns a value of the file into that unit: factor and offset.
SIGNALS: dict[str, tuple[str, float, str, float, float]] = {
    "bvp": ("BVP", 64.0, "", 1.0, 0.0),
    "eda": ("EDA", 4.0, "S", 1e-6, 0.0),
    "temp": ("TEMP", 4.0, "K", 1.0, 273.15),
    "hr": ("HR", 1.0, "Hz", 1 / 60, 0.0),
}

_COLUMNS = ("participant_id", "song_no", "song_id", "valence_rating", "valence", "arousal_rating", "arousal")
_LENGTH = "play_duration"
_CLASSES = ("negative", "neutral", "positive")
_NO_CONTACT = 0.05e-6  # S
_FEW_BEATS = 10
_LOW_COVER = 0.3  # share of a record
_LARGEST = 2**26  # bytes of one file
_GREATEST = float(np.finfo(np.float32).max)
_FITS = f"the folder with '{FOLDER}' and '{RATINGS}'"


class HKU956(Source):
    """30 people, 956 listening records of 592 songs, Empatica E4 wristband.

    Modalities ``bvp`` (64 Hz, device unit), ``eda`` (4 Hz, S), ``temp`` (4 Hz, K) and ``hr`` (1 Hz, beats per second),
    read when they are asked for. All begin with the song, which is the stimulus. Labels are ``valence_rating`` and
    ``arousal_rating``, -10 to 10, and ``valence`` and ``arousal``, their signs.

    Parameters
    ----------
    root : path
        Folder with ``1. physiological_signals/<participant>/<signal>/<song_no>_<song_id>.csv`` and
        ``3. AV_ratings.csv``.
    zeros : {'drop', 'keep'}
        What is done with records of which a rating is exactly 0, and so neither positive nor negative: left out, or
        kept as ``neutral``.
    zeros_of : sequence of {'valence', 'arousal'}
        Whose zeros count. A study of valence alone keeps more records with ``zeros_of: [valence]``.

    Notes
    -----
    The intervals between beats have no times, and beats that were rejected leave no trace: they are no signal, and
    :meth:`intervals` returns them. Take the variability of the heart rate from ``bvp``.

    Source: X. Hu, F. Li, R. Liu, Detecting Music-Induced Emotion Based on Acoustic Analysis and Physiological
    Sensing: A Multimodal Approach, Applied Sciences 12, 9354, 2022.
    """

    def __init__(self, root: str | Path, zeros: str = "drop", zeros_of: Sequence[str] = ("valence", "arousal")):
        self.root = Path(root)
        if zeros not in ("drop", "keep"):
            raise InputError(f"zeros={zeros!r} came.", fits="drop or keep")
        self.zeros = zeros
        self.zeros_of = (zeros_of,) if isinstance(zeros_of, str) else tuple(zeros_of)
        if not self.zeros_of or set(self.zeros_of) - {"valence", "arousal"}:
            raise InputError(f"zeros_of={zeros_of!r} came.", fits="valence, arousal, or both")

    @cached_property
    def _records(self) -> pd.DataFrame:
        """All listening records, those with a rating of 0 too, sorted by participant and order of listening."""
        if not self.root.is_dir():
            raise SourceNotFoundError(f"There is no folder {self.root}.", fits=_FITS)
        path = self.root / RATINGS
        ids = dict.fromkeys(("participant_id", "song_id"), str)
        table = read_csv(path, (*_COLUMNS, _LENGTH), dtype=ids, keep_default_na=False, na_values=[""])
        if not len(table):
            raise DataError(f"{path} has no rows.", fits="one row for each record", do="copy or download it again")
        for column in ("song_no", "valence_rating", "arousal_rating", _LENGTH):
            table[column] = numbers(path, table, column)
        empty = table[[*_COLUMNS, _LENGTH]].isna()
        if empty.any(axis=None):
            row, column = np.argwhere(empty.to_numpy())[0]
            raise DataError(f"{path}, row {row + 1}: {empty.columns[column]} is missing.", fits="a value")
        for name in ("valence", "arousal"):
            rating = table[f"{name}_rating"]
            refuse(path, table, f"{name}_rating", ~rating.between(-LIMIT, LIMIT), f"-{LIMIT:g} to {LIMIT:g}")
            sign = np.take(_CLASSES, np.sign(rating).astype(int) + 1)
            refuse(path, table, name, table[name].ne(sign), f"{', '.join(_CLASSES)}: the sign of the rating")
        refuse(path, table, _LENGTH, ~table[_LENGTH].between(1, 86400), "seconds")
        refuse(path, table, "song_no", (table["song_no"] < 0) | (table["song_no"] % 1 != 0), "a whole number")
        odd = table[["participant_id", "song_id"]].apply(lambda c: ~c.str.fullmatch(r"\w+"))
        refuse(path, table, "participant_id", odd.any(axis=1), "letters and digits, and so of song_id")
        number = table["song_no"].astype(int)
        table["trial"] = table["participant_id"] + "/" + number.astype(str)
        refuse(path, table, "song_no", table["trial"].duplicated(), "one row for each song_no of a participant")
        table["file"] = number.astype(str) + "_" + table["song_id"] + ".csv"
        return table.assign(song_no=number).sort_values(["participant_id", "song_no"], ignore_index=True)

    def _used(self) -> pd.DataFrame:
        table = self._records
        return table if self.zeros == "keep" else table[~self._zero(table)]

    def _zero(self, table: pd.DataFrame) -> pd.Series:
        return table[[f"{name}_rating" for name in self.zeros_of]].eq(0).any(axis=1)

    def subjects(self) -> list[str]:
        """Return the names of the participants, sorted."""
        return sorted(self._used()["participant_id"].unique())

    def left_out(self) -> dict[str, str]:
        """Return the participants all of whose records have a rating of 0."""
        gone = sorted(set(self._records["participant_id"]) - set(self.subjects()))
        return dict.fromkeys(gone, f"every record has a rating ({' or '.join(self.zeros_of)}) of exactly 0")

    def table(self) -> pd.DataFrame:
        """Return the metadata of every record used; no signal is read."""
        return self._meta(self._used()).reset_index(drop=True)

    def _meta(self, table: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "source": "hku956",
                "subject": table["participant_id"],
                "session": "1",
                "trial": table["trial"],
                "stimulus": table["song_id"],
                "recording": table["trial"],
                "order": table["song_no"],
                **{c: table[c] for c in ("valence_rating", "arousal_rating", "valence", "arousal")},
                "duration": table[_LENGTH],
            }
        )

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording for each record.

        Raises
        ------
        DataError
            If the table of ratings does not fit, or a file is missing; or, when a signal is asked for, if its file
            holds text or is not as long as the song was played.
        """
        table = self._used()
        if subjects is not None:
            table = table[table["participant_id"].isin(set(subjects))]
        self._complete(table)
        for row, meta in zip(table.itertuples(), self._meta(table).to_dict("records"), strict=True):
            yield Recording(Lazy({m: partial(self._signal, m, row, meta["duration"]) for m in SIGNALS}), meta)

    def intervals(self, trial: str) -> np.ndarray:
        """Return the intervals between accepted beats of one record, in seconds, shape (n_intervals,).

        Raises
        ------
        InputError
            If there is no such record.
        DataError
            If the file cannot be read, or holds anything but positive numbers.
        """
        found = self._records[self._records["trial"] == trial]
        if found.empty:
            raise InputError(f"There is no record {trial!r}.", fits="<participant>/<song_no>")
        path = self._path(INTERVALS, found.iloc[0])
        values = _column(path)
        if (values <= 0).any():
            row = int((values <= 0).argmax())
            raise DataError(f"{path}, row {row + 1}: {values[row]:g}.", fits="positive seconds")
        return values

    def check(self) -> list[Note]:
        """Read every record, also those left out, and say what is remarkable."""
        table = self._records
        self._complete(table)
        notes, flat, cover, beats = [], {}, {}, {}
        zero = self._zero(table)
        if zero.any():
            kept = "kept as neutral" if self.zeros == "keep" else "left out"
            text = f"{zero.sum()} of {len(table)} records have a rating ({' or '.join(self.zeros_of)}) of exactly 0, "
            text += "neither positive nor negative: "
            notes.append(Note(RATINGS, text + kept))
        for row in table.itertuples():
            for modality in SIGNALS:
                signal = self._signal(modality, row, getattr(row, _LENGTH))
                if modality == "eda" and (mean := float(signal.data.mean())) < _NO_CONTACT:
                    flat[row.trial] = mean
            found = self.intervals(row.trial)
            beats[row.trial], cover[row.trial] = len(found), found.sum() / getattr(row, _LENGTH)
        if flat:
            people = table.loc[table["trial"].isin(flat), "participant_id"].value_counts()
            text = f"{len(flat)} records with a mean below 0.05 uS, probably no contact with the skin: "
            notes.append(Note("EDA", text + ", ".join(f"{name} {count}" for name, count in people.items())))
        beats, cover = pd.Series(beats), pd.Series(cover)
        if (beats < _FEW_BEATS).any():
            text = f"{(beats == 0).sum()} records without an interval, {(beats < _FEW_BEATS).sum()} with fewer than "
            text += f"{_FEW_BEATS}; together the intervals cover {cover.mean():.0%} of a record on average, "
            notes.append(Note(INTERVALS, text + f"below {_LOW_COVER:.0%} of {(cover < _LOW_COVER).sum()} records"))
        again = table.duplicated(["participant_id", "song_id"])
        if again.any():
            notes.append(Note(RATINGS, f"{again.sum()} records repeat a song for the same participant"))
        return notes

    def _path(self, signal: str, row) -> Path:
        return self.root / FOLDER / row.participant_id / signal / row.file

    def _complete(self, table: pd.DataFrame) -> None:
        """See that every record has all its files, before the first one is read."""
        names = [*(spec[0] for spec in SIGNALS.values()), INTERVALS]
        lost = [p for row in table.itertuples() for name in names if not (p := self._path(name, row)).is_file()]
        if lost:
            raise DataError(
                f"{len(lost)} of {len(table) * len(names)} files of {self.root} are missing; the first is {lost[0]}.",
                fits=f"{', '.join(names)} of every record in {RATINGS}",
                do="copy or download it again",
            )

    def _signal(self, modality: str, row, seconds: float) -> Signal:
        name, sfreq, unit, factor, offset = SIGNALS[modality]
        path = self._path(name, row)
        values = _column(path)
        if len(values) != round(seconds * sfreq):
            raise DataError(
                f"{path} has {len(values)} rows.",
                fits=f"{round(seconds * sfreq)}: the song was played for {seconds:g} s, at {sfreq:g} Hz",
                do="copy or download it again",
            )
        return Signal((values * factor + offset).astype(np.float32)[None], sfreq, (name,), unit)


def _column(path: Path) -> np.ndarray:
    """Read one number from each line of a file."""
    fits = "one number on each line, no header"
    with readable(path, fits), path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise DataError(f"{path} is larger than {_LARGEST / 2**20:.0f} MiB.", fits=fits)
    lines = content.splitlines()
    try:
        values = np.array(list(map(float, lines)))
        good = np.abs(values) <= _GREATEST
    except ValueError:
        good = np.array([_is_number(line) for line in lines])
    if not good.all():
        row = int(good.argmin())
        raise DataError(f"{path}, row {row + 1}: {lines[row][:40].decode('latin1')!r}.", fits=fits)
    return values


def _is_number(text: bytes) -> bool:
    try:
        return abs(float(text)) <= _GREATEST
    except ValueError:
        return False
