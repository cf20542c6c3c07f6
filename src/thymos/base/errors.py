"""The one family of errors that Thymos raises on purpose.

Every error says what came, what would have fitted and what to do, in that order. The command line prints the
message and exits with status 2; Python users may catch :class:`ThymosError`, or the built-in class each of them
also is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "DataError",
    "InputError",
    "LeakError",
    "MissingExtraError",
    "ProtocolError",
    "SourceNotFoundError",
    "StudyError",
    "ThymosError",
    "UnfitError",
    "UnknownNameError",
    "named",
]


class ThymosError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    came : str
        What was found, with the offending value.
    fits : str, optional
        What would have been accepted.
    do : str, optional
        What the reader can do about it.
    """

    def __init__(self, came: str, fits: str = "", do: str = ""):
        super().__init__(came, fits, do)
        self.came, self.fits, self.do = came, fits, do

    def __str__(self) -> str:
        lines = [self.came]
        if self.fits:
            lines.append(f"  expected: {self.fits}")
        if self.do:
            lines.append(f"  what to do: {self.do}")
        return "\n".join(lines)


class InputError(ThymosError, ValueError):
    """An argument or an array does not fit."""


class UnfitError(InputError):
    """What was asked for does not fit itself, whatever the data."""


class DataError(ThymosError, ValueError):
    """A file of a corpus is not what its format promises."""


class SourceNotFoundError(ThymosError, FileNotFoundError):
    """The folder of a corpus is not where it was looked for."""

    __str__ = ThymosError.__str__  # FileNotFoundError would format the arguments as errno and strerror


class StudyError(ThymosError, ValueError):
    """A study has an unknown key, name or value."""


class ProtocolError(ThymosError, ValueError):
    """The data cannot be split as the protocol demands."""


class LeakError(ProtocolError):
    """A split lets information pass from the test part into training."""


class UnknownNameError(ThymosError, LookupError):
    """A name is in no catalogue."""


class MissingExtraError(ThymosError, ImportError):
    """An optional dependency is not installed."""


@contextmanager
def named(what: str) -> Iterator[None]:
    """Say of any failure inside what it is of, such as a step on a trial.

    What is no fault of the data (a library that is not installed, things that do not fit each other) passes as it is.
    """
    try:
        yield
    except (MissingExtraError, UnfitError):
        raise
    except ThymosError as error:
        raise InputError(f"{what}: {error.came}", error.fits, error.do) from None
    except Exception as error:  # of a library, which knows nothing of steps and trials
        raise InputError(
            f"{what}: {type(error).__name__}: {error}", do="look at its parameters, and at this recording"
        ) from error
