"""Randomness that depends on what is computed, never on the order in which it is computed.

A run has one integer seed. Whatever needs random numbers asks for a child by name (protocol, fold, method, ...);
the same name gives the same numbers in any process, on any engine and under any ``PYTHONHASHSEED``.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["child_seed", "generator"]


def child_seed(seed: int, *names: object) -> int:
    """Return a 32-bit seed for the child called `names` of a run with `seed`."""
    return int(_sequence(seed, names).generate_state(1)[0])


def generator(seed: int, *names: object) -> np.random.Generator:
    """Return a NumPy generator for the child called `names` of a run with `seed`."""
    return np.random.default_rng(_sequence(seed, names))


def _sequence(seed: int, names: tuple) -> np.random.SeedSequence:
    digest = hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()
    return np.random.SeedSequence([int(seed), *np.frombuffer(digest[:16], dtype=np.uint32).tolist()])
