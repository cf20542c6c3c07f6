"""The one family of errors that Thymos raises on purpose.

Every error says what came, what would have fitted and what to do, in that order. The command line prints the
message and exits with status 2; Python users may catch :class:`ThymosError`, or the built-in class each of them
also is.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "InputError",
    "LeakError",
    "MissingExtraError",
    "ProtocolError",
    "SourceNotFoundError",
    "StudyError",
    "ThymosError",
    "UnknownNameError",
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
