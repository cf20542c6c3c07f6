"""Samplers that add synthetic samples to a training part, named in :mod:`thymos.augmentation.catalogue`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Import a sampler class on use."""
    from thymos.augmentation.catalogue import SAMPLERS

    for row in SAMPLERS.values():
        if row.target.endswith(f":{name}") and row.target.startswith("thymos."):
            return row.load()
    raise AttributeError(f"thymos.augmentation has no {name!r}; see thymos.augmentation.catalogue")
