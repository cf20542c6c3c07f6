"""Optional dependencies, imported on use and reported with the line that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from thymos.base.errors import MissingExtraError

__all__ = ["require"]


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, which belongs to the extra `extra`.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message holds the install line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"This needs {module!r}, which is not installed ({error}).", do=f"pip install 'thymos[{extra}]'"
        ) from None
