"""What every source has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thymos.base.catalogue import Row, check_parameters, resolve
from thymos.base.errors import InputError, SourceNotFoundError, ThymosError
from thymos.base.recording import Recording, Signal
from thymos.base.samples import Samples
from thymos.signals.windows import cut_windows

__all__ = ["Note", "Recordings", "Source", "SourceRow", "locate"]


@dataclass(frozen=True)
class SourceRow(Row):
    """A corpus in the catalogue.

    Parameters
    ----------
    licence, obtain : str
        Terms of use, and where a copy comes from.
    modalities : tuple of str
        Modalities it holds.
    labels : tuple of str
        Metadata columns that can be a study's target.
    folder : str
        Name of its folder below ``--data``; empty for data that are made, not read.
    file : str
        Name of the constructor's parameter that is a path given by the user, relative to the study's file.
    cautions : tuple of str
        What a reader of any result on it must know.
    """

    licence: str = ""
    obtain: str = ""
    modalities: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    folder: str = ""
    file: str = ""
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """One thing a check found.

    Parameters
    ----------
    where : str
        File or recording.
    text : str
        What was found, in words.
    """

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class Recordings:
    """The recordings of a source, read one after the other each time they are walked.

    Parameters
    ----------
    read : callable
        Returns a fresh iterator of :class:`~thymos.base.recording.Recording`.
    steps : tuple of (str, str, callable)
        Name, modality and function applied to each recording on its way.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[Recording]],
        steps: tuple[tuple[str, str, Callable[[Signal], Signal]], ...] = (),
    ):
        self._read = read
        self._steps = steps

    def __iter__(self) -> Iterator[Recording]:
        for recording in self._read():
            for name, modality, function in self._steps:
                try:
                    recording = recording.map(modality, function)
                except (ThymosError, TypeError, ValueError) as error:
                    raise InputError(
                        f"The process {name!r} fails on {recording.meta['trial']!r}: {getattr(error, 'came', error)}",
                        getattr(error, "fits", ""),
                        getattr(error, "do", ""),
                    ) from None
            yield recording

    def process(self, name: str, modality: str = "eeg", **parameters: Any) -> Recordings:
        """Apply a process of the catalogue (``band_pass``, ``notch``, ``resample``, ...) to each recording alone."""
        function = resolve(name, "process").load()
        check_parameters(function, parameters, f"The process {name!r}", skip=["signal"])
        step = name, modality, lambda signal: function(signal, **parameters)
        return Recordings(self._read, (*self._steps, step))

    def windows(
        self, seconds: float, step: float | None = None, modality: str = "eeg", drop: Iterable[str] = ()
    ) -> Samples:
        """Cut windows; see :func:`thymos.signals.windows.cut_windows`."""
        return cut_windows(self, seconds, step, modality, drop)


class Source(ABC):
    """One corpus, or one way of making data."""

    @abstractmethod
    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of some or all subjects, in a fixed order, one trial in memory at a time."""

    @abstractmethod
    def subjects(self) -> list[str]:
        """Return the names of the subjects, sorted."""

    def check(self) -> list[Note]:
        """Read everything and return what a user should know about this copy; damage is an error."""
        return [
            Note(recording.meta["trial"], f"{span.kind} in {span.channel or 'all channels'} at {span.start:.2f} s")
            for recording in self.recordings()
            for span in recording.spans
        ]

    def load(self, subjects: Iterable[str] | None = None) -> Recordings:
        """Return the recordings, read lazily.

        Raises
        ------
        InputError
            If a subject is not in the corpus.
        """
        if subjects is not None:
            subjects = [str(s) for s in subjects]
            unknown = sorted(set(subjects) - set(self.subjects()))
            if unknown:
                raise InputError(
                    f"There is no subject {', '.join(unknown)}.", fits=f"subjects {', '.join(self.subjects())}"
                )
        return Recordings(lambda: self.recordings(subjects))


def locate(row: SourceRow, data: str | Path | None) -> Path:
    """Find the folder of a corpus below (or at) the data folder.

    Raises
    ------
    SourceNotFoundError
        If neither `data` nor ``data/<folder>`` exists.
    """
    if data is None:
        raise SourceNotFoundError(
            f"The corpus {row.folder!r} is needed, and no data folder was given.",
            do=f"pass --data DIR, where DIR holds {row.folder}/; {row.obtain}",
        )
    data = Path(data)
    folder = data if data.name == row.folder else data / row.folder
    if not folder.is_dir():
        raise SourceNotFoundError(
            f"There is no folder {folder}.", fits=f"a folder {row.folder}/ below {data}", do=row.obtain
        )
    return folder
