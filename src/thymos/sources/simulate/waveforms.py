"""Waveforms of three classes whose best possible accuracy is known: a check of methods outside of emotion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from thymos.base.random import generator
from thymos.base.recording import Recording, Signal
from thymos.sources.base import Source
from thymos.sources.simulate.latent import number, whole

__all__ = ["Waveforms"]

N_TIMES = 21
_PEAKS = (7, 15, 11)  # of the three triangles
_PAIRS = {"first": (0, 1), "second": (0, 2), "third": (1, 2)}


class Waveforms(Source):
    """Sequences of 21 values: a random mixture of two of three triangles, and Gaussian noise (Breiman et al. 1984).

    The class says which two. With noise of unit variance the best accuracy that any method can have is about 0.86.

    Parameters
    ----------
    n : int
        How many sequences.
    noise : float
        Standard deviation.
    random_state : int

    Notes
    -----
    L. Breiman, J. H. Friedman, R. A. Olshen, C. J. Stone: Classification and Regression Trees. 1984, section 2.6.2.
    """

    def __init__(self, n: int = 1500, noise: float = 1.0, random_state: int = 0):
        self.n, self.noise, self.random_state = n, noise, random_state

    def subjects(self) -> list[str]:
        """Return ``nobody``: all sequences are drawn alike."""
        return ["nobody"]

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording of one second for each sequence, of modality ``features`` and one channel."""
        if subjects is not None and "nobody" not in subjects:
            return
        n, noise = whole("n", self.n, 3), number("noise", self.noise)
        rng = generator(self.random_state, "waveforms")
        times = np.arange(1, N_TIMES + 1)
        triangles = np.maximum(6 - np.abs(times - np.array(_PEAKS)[:, None]), 0)
        kinds = rng.integers(0, 3, n)
        share, error = rng.uniform(size=(n, 1)), rng.standard_normal((n, N_TIMES))
        first, second = np.array(list(_PAIRS.values()))[kinds].T
        values = share * triangles[first] + (1 - share) * triangles[second] + noise * error
        for k, (value, kind) in enumerate(zip(values.astype(np.float32), np.array(list(_PAIRS))[kinds], strict=True)):
            trial = f"wave-{k + 1:05d}"
            meta = {"source": "waveforms", "subject": "nobody", "session": "1", "trial": trial, "stimulus": "none"}
            signal = Signal(value[None], float(N_TIMES), ("wave",), "")
            yield Recording({"features": signal}, {**meta, "recording": trial, "kind": str(kind)})
