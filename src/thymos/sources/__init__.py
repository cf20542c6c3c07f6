"""Corpora and the simulator. Each is one file and one row of :mod:`thymos.sources.catalogue`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Import a source class on use."""
    from thymos.sources.catalogue import SOURCES

    for row in SOURCES.values():
        if row.target.endswith(f":{name}"):
            return row.load()
    raise AttributeError(f"thymos.sources has no {name!r}; known: {', '.join(r.target for r in SOURCES.values())}")
