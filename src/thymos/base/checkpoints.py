"""Where long computations keep their state, so that a killed one goes on and an equal one is not done twice.

A run opens a folder (:func:`kept_in`); loops ask for a file named after everything that their result depends on
(:func:`checkpoint`). Outside of a run there is no folder, and nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from thymos.base.code import code_digest

__all__ = ["checkpoint", "kept_in"]

_FOLDER: ContextVar[Path | None] = ContextVar("checkpoints", default=None)


@contextlib.contextmanager
def kept_in(folder: Path | None) -> Iterator[None]:
    """Keep the states of long computations inside in `folder`; ``None`` for nowhere."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def checkpoint(kind: str, *facts: Any) -> Path | None:
    """Return the file for the state of a computation, or None where nothing is kept.

    Parameters
    ----------
    kind : str
        Beginning of the file's name.
    *facts : ndarray or printable
        All that the result depends on: data, parameters, seed. The package's code is added, so that no state is taken
        over from another version.
    """
    folder = _FOLDER.get()
    if folder is None:
        return None
    digest = hashlib.blake2b(
        code_digest("base", "signals", "nn", "training", "models", "augmentation").encode(), digest_size=12
    )
    for fact in facts:
        if isinstance(fact, np.ndarray) and fact.dtype != object:
            digest.update(f"{fact.dtype}{fact.shape}".encode())
            digest.update(np.ascontiguousarray(fact).view(np.uint8).data)
        else:  # an array of objects is printed without its middle, a list is not
            digest.update(f"|{fact.tolist() if isinstance(fact, np.ndarray) else fact!r}".encode())
    return folder / f"{kind}-{digest.hexdigest()}.pt"
