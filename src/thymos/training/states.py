"""States of long loops on disk: written whole or not at all, read without running anything."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from thymos.base.folders import whole_file

__all__ = ["load_state", "resume", "save_state"]


class Resumable(Protocol):
    """A long loop that can tell all that it needs to go on, and take it over."""

    def state(self) -> Mapping[str, Any]:
        """Return tensors, numbers, text, and lists and mappings of them."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""


def save_state(path: Path, state: Any) -> None:
    """Write tensors, numbers, text, and lists and mappings of them, in the place of an older state."""
    with whole_file(path, overwrite=True) as fresh, fresh.open("wb") as file:
        torch.save(state, file)


def load_state(path: Path) -> Any | None:
    """Return what :func:`save_state` wrote; None if nothing is there or it is damaged, so that it is computed anew."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever is wrong with the file: what it holds can be computed again
        return None


def resume(loop: Resumable, path: Path | None) -> bool:
    """Let a loop go on from its state on disk, and say whether it does: one that does not fit is left aside."""
    state = None if path is None else load_state(path)
    if state is None:
        return False
    fresh = copy.deepcopy(loop.state())
    try:
        loop.restore(state)
    except Exception:  # a key or a tensor is missing, or is something else: the loop begins anew, as a whole
        loop.restore(fresh)
        return False
    return True
