"""Classifiers behind the scikit-learn interface: one architecture per file, named in :mod:`thymos.models.catalogue`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Import a model class on use."""
    from thymos.models.catalogue import MODELS

    for row in MODELS.values():
        if row.target.endswith(f":{name}") and row.target.startswith("thymos."):
            return row.load()
    raise AttributeError(f"thymos.models has no {name!r}; see thymos.models.catalogue")
