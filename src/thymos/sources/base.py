"""What every source has in common."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from thymos.base.cache import Cache
from thymos.base.catalogue import Row
from thymos.base.code import code_of
from thymos.base.errors import InputError, SourceNotFoundError, ThymosError
from thymos.base.labels import Label
from thymos.base.recording import Recording
from thymos.base.samples import Samples
from thymos.base.writer import Block
from thymos.signals.frames import collect_frames
from thymos.signals.processing import Process, make_process
from thymos.signals.stream import check_steps, feature_blocks
from thymos.signals.windows import joined, window_blocks
from thymos.sources.safe.files import walk

Progress = Callable[[int, int, str], None]

__all__ = ["TRUTH", "Note", "Recordings", "Source", "SourceRow", "is_simulated", "locate", "open_source", "some"]


#: The file that says that a folder was simulated, and how.
TRUTH = "SIMULATED.json"


@dataclass(frozen=True)
class SourceRow(Row):
    """A corpus in the catalogue.

    Parameters
    ----------
    licence, obtain : str
        Terms of use, and where a copy comes from.
    modalities : tuple of str
        Modalities it holds.
    labels : tuple of Label
        What can be a study's target.
    subjects : tuple of str
        Names of the subjects in the full release; empty where there is no such thing.
    trials : int
        Trials in the full release, 0 where there is no such thing: stretches of signal, photographs, utterances.
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
    labels: tuple[Label, ...] = ()
    subjects: tuple[str, ...] = ()
    trials: int = 0
    folder: str = ""
    file: str = ""
    cautions: tuple[str, ...] = ()

    def label(self, column: str) -> Label | None:
        """Return the declaration of a label, if it is declared."""
        return next((label for label in self.labels if label.column == column), None)


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
    steps : tuple of Process
        Applied to each recording on its way.
    source : Source, optional
        What is read; a cache needs it.
    subjects : tuple of str, optional
        Those that are read; all by default.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[Recording]],
        steps: tuple[Process, ...] = (),
        source: Source | None = None,
        subjects: tuple[str, ...] | None = None,
    ):
        self._read = read
        self._steps = steps
        self._source = source
        self._subjects = subjects

    def __iter__(self) -> Iterator[Recording]:
        idle = {step.modality: step.name for step in self._steps}
        for recording in self._read():
            for step in self._steps:
                if step.modality in recording.signals:  # not every recording has every modality
                    idle.pop(step.modality, None)
                    recording = step.apply(recording)
            yield recording
        for modality, name in idle.items():
            raise InputError(
                f"The process {name!r} is for {modality!r}, and no recording has it.", "a modality of the source"
            )

    def process(self, name: str, modality: str = "eeg", **parameters: Any) -> Recordings:
        """Apply a process of the catalogue (``band_pass``, ``notch``, ``resample``, ...) to each recording alone."""
        step = make_process(name, modality, **parameters)
        return Recordings(self._read, (*self._steps, step), self._source, self._subjects)

    def windows(
        self,
        seconds: float,
        step: float | None = None,
        modality: str = "eeg",
        drop: Iterable[str] = (),
        incomplete: str = "keep",
        cache: Cache | None = None,
        progress: Progress | None = None,
    ) -> Samples:
        """Cut windows.

        Parameters
        ----------
        seconds, step, modality, drop, incomplete
            As :func:`thymos.signals.windows.cut_windows`.
        cache : Cache, optional
            Where the samples are kept, written recording by recording, and mapped into memory from; without one they
            are in memory.
        progress : callable, optional
            Called with the numbers of subjects begun and in all, and a text.
        """
        given: dict[str, Any] = {"seconds": seconds, "step": step, "modality": modality, "drop": sorted(set(drop))}
        given["incomplete"] = incomplete
        return self._collected(lambda walked: window_blocks(walked, **given), {"windows": given}, cache, progress)

    def features(
        self,
        *steps: Any,
        seconds: float | None = None,
        step: float | None = None,
        modality: str = "eeg",
        drop: Iterable[str] = (),
        subtract_baseline: bool = False,
        incomplete: str = "error",
        cache: Cache | None = None,
        progress: Progress | None = None,
    ) -> Samples:
        """Compute features recording by recording.

        Parameters
        ----------
        *steps, seconds, step, modality, drop, subtract_baseline, incomplete
            As :func:`thymos.signals.stream.feature_blocks`.
        cache, progress
            As :meth:`windows`.
        """
        check_steps(steps)
        given: dict[str, Any] = {"seconds": seconds, "step": step, "modality": modality, "drop": sorted(set(drop))}
        given |= {"subtract_baseline": subtract_baseline, "incomplete": incomplete}
        facts = {"features": [[code_of(made), made.get_params()] for made in steps], **given}
        return self._collected(lambda walked: feature_blocks(walked, steps, **given), facts, cache, progress)

    def _collected(
        self,
        make: Callable[[Iterable[Recording]], Iterator[Block]],
        facts: Mapping[str, Any],
        cache: Cache | None,
        progress: Progress | None,
    ) -> Samples:
        walked = self if progress is None else self.watched(progress)
        source = self._source
        process = [[s.name, s.modality, code_of(s.function.func), s.function.keywords] for s in self._steps]
        codes = [
            code_of(source),
            *(code for _, _, code, _ in process),
            *(code for code, _ in facts.get("features", [])),
        ]
        files = None if cache is None or source is None or None in codes else source.content()
        if files is None or cache is None or source is None:
            return joined(make(walked))
        root = getattr(source, "root", None)
        cache.keep_away({path.parent for path in files} if root is None else {Path(root)})
        if progress is not None:
            progress(0, 0, "looking whether files have changed")
        digest = partial(cache.digest, files, None if root is None else Path(root))
        content = digest()
        given = {key: value for key, value in source.given.items() if key not in {"root", "path"}}
        everything = {
            "source": [codes[0], given],
            "files": content,
            "subjects": self._subjects,
            "process": process,
            **facts,
        }
        return cache.samples(everything, lambda: make(walked), lambda: digest() == content)

    def watched(self, progress: Progress) -> Iterator[Recording]:
        """Walk the recordings and say to `progress` how many subjects are done, of how many, and what is read."""
        total = len(self._source.subjects() if self._subjects is None else self._subjects) if self._source else 0
        seen: dict[str, int] = {}
        for recording in self:
            seen.setdefault(recording.meta["subject"], len(seen) + 1)
            progress(len(seen) - 1, total, f"reading {recording.meta['trial']}")
            yield recording

    def images(self, size: tuple[int, int] | None = None, grey: bool = True, modality: str = "face") -> Samples:
        """Collect pictures; see :func:`thymos.signals.frames.collect_frames`."""
        return collect_frames(self, modality, size, grey)


class Source(ABC):
    """One corpus, or one way of making data.

    Attributes
    ----------
    given : dict
        Parameters of the constructor, as they were given.
    """

    given: Mapping[str, Any] = MappingProxyType({})

    def __new__(cls, *args: Any, **kwargs: Any) -> Source:
        made = super().__new__(cls)
        with suppress(TypeError):  # the constructor says what is wrong; a copy brings its own
            bound = inspect.signature(cls.__init__).bind(made, *args, **kwargs)
            bound.apply_defaults()
            made.given = dict(list(bound.arguments.items())[1:])
        return made

    def content(self) -> list[Path] | None:
        """Return the files that decide on what is read; None if that cannot be told, and nothing is cached then.

        All files below ``root``, for sources that have one; none for data that are made.
        """
        root = getattr(self, "root", None)
        if root is None:
            return [] if is_simulated(self) else None
        root = Path(root)
        return [path for path in walk(root) if path.is_file()] if root.is_dir() else [root]

    @abstractmethod
    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of some or all subjects, in a fixed order, one trial in memory at a time."""

    @abstractmethod
    def subjects(self) -> list[str]:
        """Return the names of the subjects, sorted."""

    def table(self) -> pd.DataFrame:
        """Return the metadata of every recording, one row each; signals that lie in files of their own stay unread."""
        return pd.DataFrame([recording.meta for recording in self.recordings()])

    def without_faults(self) -> tuple[Source, Sequence[ThymosError]]:
        """Return what can be read of this source, for readers that would stop at the first fault, and all faults."""
        return self, []

    def label_columns(self) -> list[str]:
        """Return the columns that hold labels which the catalogue cannot know."""
        return []

    def left_out(self) -> dict[str, str]:
        """Return the subjects that are there and not read, and why."""
        return {}

    def check(self) -> list[Note]:
        """Read everything and return what a user should know about this copy; damage is an error."""
        return [
            Note(recording.meta["trial"], f"{span.kind} in {span.channel or 'all channels'} at {span.start:.2f} s")
            for recording in self.recordings()
            for span in recording.spans
        ]

    def load(self, subjects: Iterable[str | int] | str | None = None) -> Recordings:
        """Return the recordings, read lazily.

        Parameters
        ----------
        subjects : sequence of str or int, optional
            Names; a number stands for the name with that number, as 1 for ``s01``. All by default.

        Raises
        ------
        InputError
            If a subject is not in the corpus.
        """
        names: list[str] | None = None
        if subjects is not None:
            known = self.subjects()
            names = [_subject(s, known) for s in ([subjects] if isinstance(subjects, str) else subjects)]
            unknown = sorted(set(names) - set(known))
            if unknown:
                raise InputError(
                    f"There is no subject {', '.join(unknown)}.", fits=f"subjects {', '.join(self.subjects())}"
                )
        return Recordings(lambda: self.recordings(names), (), self, None if names is None else tuple(names))


def _subject(name: str | int, known: list[str]) -> str:
    """Return the name that a number stands for, if it is one; else the name itself."""
    if isinstance(name, str) or str(name) in known:
        return str(name)
    same = [k for k in known if re.fullmatch(rf"\D*0*{int(name)}\D*", k)]
    return same[0] if len(same) == 1 else str(name)


def some(names: Iterable[str], most: int = 5) -> str:
    """Name the first few, and say how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_simulated(source: Source) -> bool:
    """Whether a source makes its data, or reads a folder that says that it was simulated."""
    if hasattr(source, "simulated"):
        return source.simulated
    root = getattr(source, "root", None)
    if root is None:
        return type(source).__module__.startswith("thymos.sources.simulate.")
    return any((folder / TRUTH).is_file() for folder in (Path(root), Path(root).parent))


def open_source(
    name: str, row: SourceRow, path: str | Path | None, data: str | Path | None, settings: Mapping[str, Any]
) -> Source:
    """Make a source of a path that a user gave.

    Parameters
    ----------
    name, row
        The source.
    path : path, optional
        The corpus' own folder, whatever it is called, or one above it; for a manifest its file.
    data : path, optional
        The data folder, where no path is given.
    settings : mapping
        Further parameters.

    Raises
    ------
    InputError, SourceNotFoundError
        If a file is needed and none is given, or there is no such folder.
    """
    made = row.load()
    if row.file:
        if path is None:
            raise InputError(
                f"The source {name!r} is read from a file, and none was given.",
                fits=f"thymos check {name} PATH",
                do=row.obtain,
            )
        return made(**{row.file: path, **settings})
    if not row.folder:
        return made(**settings)
    if path is None or (Path(path) / row.folder).is_dir():
        path = locate(row, path or data)
    elif not Path(path).exists():
        raise SourceNotFoundError(f"There is no {path}.", fits="the folder of the corpus", do=row.obtain)
    return made(root=path, **settings)


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
