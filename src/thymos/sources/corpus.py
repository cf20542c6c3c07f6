"""What the readers of published corpora share: finding files, seeing that arrays are as promised, and SI units."""

from __future__ import annotations

import filecmp
import os
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.errors import DataError, SourceNotFoundError
from thymos.base.recording import Recording, Signal
from thymos.sources.base import TRUTH, Source
from thymos.sources.safe.files import walk

__all__ = ["MICRO", "Corpus", "expect", "find", "identity", "kept", "published", "signal"]

#: Volts in a microvolt, siemens in a microsiemens.
MICRO = 1e-6

_AGAIN = "copy or download it again"
_UP = 4  # folders above a file in which it may be said that it was simulated


class Corpus(Source):
    """A corpus that lies in files of its subjects.

    Parameters
    ----------
    root : path
        Its folder, or one above or below it: files are found by the end of their path.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)

    @cached_property
    def _files(self) -> dict[str, Any]:
        """The files of every subject, found once."""
        return dict(sorted(self.files().items()))

    @cached_property
    def simulated(self) -> bool:
        """Whether the folder of any file says that it was simulated."""
        return any((folder / TRUTH).is_file() for path in _paths(self._files) for folder in list(path.parents)[:_UP])

    @abstractmethod
    def files(self) -> dict[str, Any]:
        """Return the files of every subject.

        Raises
        ------
        SourceNotFoundError, DataError
            If there is no folder, no such file in it, or one of them twice.
        """

    @abstractmethod
    def _subject(self, subject: str, files: Any) -> Iterator[Recording]:
        """Yield the recordings of one subject."""

    def subjects(self) -> list[str]:
        """Return the names of the subjects, sorted."""
        return list(self._files)

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings, subject by subject.

        Raises
        ------
        DataError
            If a file cannot be read or is not what the format promises.
        """
        wanted = None if subjects is None else set(subjects)
        for subject, files in self._files.items():
            if wanted is None or subject in wanted:
                yield from self._subject(subject, files)


def _paths(files: Any) -> Iterator[Path]:
    """Yield every path in nested dicts and sequences."""
    if isinstance(files, Path):
        yield files
    elif isinstance(files, (dict, list, tuple)):
        for value in files.values() if isinstance(files, dict) else files:
            yield from _paths(value)


def find(
    root: Path, pattern: str, fits: str, optional: bool = False, copies: bool = False
) -> dict[tuple[str, ...], Path]:
    """Find files below a folder by the end of their path.

    Parameters
    ----------
    root : Path
        Where to look.
    pattern : str
        Regular expression for the end of the path, ``/`` between folders; letter case does not count.
    fits : str
        What such a file is called, in words.
    optional : bool
        Whether there need not be any.
    copies : bool
        Whether a file may be there twice if both are equal, byte for byte; the first is taken.

    Returns
    -------
    dict
        What the groups of the pattern matched, to the file; sorted by path. Numbers come without leading zeros, so
        that s1 and s01 are the same.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    DataError
        If nothing matches, or two files match with the same groups, as in an archive unpacked twice.
    """
    root = Path(root)
    if root.is_file():
        raise SourceNotFoundError(f"{root} is a file.", fits=f"a folder with {fits}", do="unpack archives first")
    if not root.is_dir():
        raise SourceNotFoundError(f"There is no folder {root}.", fits=f"a folder with {fits}")
    compiled = re.compile(rf"(?:^|/){pattern}$", re.IGNORECASE)
    found: dict[tuple[str, ...], Path] = {}
    for path in walk(root):
        match = compiled.search(path.absolute().as_posix())  # the root's own name may be part of the pattern
        if not match:
            continue
        key = tuple(str(int(group)) if group and group.isdecimal() else group for group in match.groups())
        if key in found and not (copies and filecmp.cmp(found[key], path, shallow=False)):
            raise DataError(
                f"{path.name} is there twice: {found[key]} and {path}.",
                fits="each file once",
                do="remove the copy, or point at one of the two folders",
            )
        found.setdefault(key, path)
    if not found and not optional:
        raise DataError(f"{root} holds none of the files.", fits=fits, do="point at the folder of the corpus")
    return found


def expect(where: object, what: str, value: Any, *shape: int | str, kinds: str = "fiu") -> np.ndarray:
    """See that a value read from a file is an array of numbers with the axes that its format promises.

    Parameters
    ----------
    where : path or str
        The file, for the message.
    what : str
        Name of the array in it.
    value : object
        What was read.
    *shape : int or str
        Length of each axis, or its name where any length will do.
    kinds : str
        Allowed kinds of type.

    Raises
    ------
    DataError
        If it is something else.
    """
    words = " x ".join(str(n) for n in shape)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        kind = f"of type {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise DataError(f"{where}: {what} is {kind}.", fits=f"an array of numbers, {words}", do=_AGAIN)
    fixed = [(n, m) for n, m in zip(value.shape, shape, strict=False) if isinstance(m, int)]
    if value.ndim != len(shape) or any(n != m for n, m in fixed) or not value.size:
        raise DataError(f"{where}: {what} has the shape {value.shape}.", fits=words, do=_AGAIN)
    return value


def identity(source: str, subject: str, trial: str, stimulus: str, session: str = "1") -> dict[str, str]:
    """Return the metadata that every recording needs; a trial is one recording here."""
    ids = {"source": source, "subject": subject, "session": session, "trial": trial, "stimulus": stimulus}
    return {**ids, "recording": trial}


def published(corpus: Corpus, n: int, name: str) -> int | str:
    """Return the length that an axis must have; of simulated data only its name, as they may be smaller."""
    return name if corpus.simulated else n


def signal(
    where: object,
    data: np.ndarray,
    sfreq: float,
    ch_names: Sequence[str],
    unit: str = "V",
    factor: float = 1.0,
    start: float = 0.0,
) -> Signal:
    """Make a signal in SI units, and see that no value of it is missing.

    Parameters
    ----------
    where : str
        File and trial, for the message.
    data : ndarray, shape (n_channels, n_times)
        As stored.
    sfreq, ch_names, unit, start
        As :class:`~thymos.base.recording.Signal`.
    factor : float
        Takes the stored unit to `unit`.

    Raises
    ------
    DataError
        If a value is missing or infinite.
    """
    with np.errstate(over="ignore"):  # what exceeds single precision becomes infinite, and is said below
        made = np.asarray(data, dtype=np.float32) * np.float32(factor)
    if not np.isfinite(made).all():
        bad = ~np.isfinite(made)
        channel = int(bad.any(axis=1).argmax())
        raise DataError(
            f"{where}: {int(bad.sum())} of {bad.size} values are missing or infinite, the first in "
            f"{ch_names[channel]} at {bad[channel].argmax() / sfreq:.2f} s.",
            fits="finite numbers",
            do="leave the trial out or repair the file",
        )
    return Signal(np.ascontiguousarray(made), sfreq, tuple(ch_names), unit, start)


def kept(function: Callable) -> Callable:
    """Keep the last result of a reader, so that the trials of one file read it once and no second file is kept."""
    return lru_cache(maxsize=1)(function)
