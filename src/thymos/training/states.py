"""States of long loops on disk: written whole or not at all, read without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from thymos.base.folders import whole_file

__all__ = ["load_state", "save_state"]


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
