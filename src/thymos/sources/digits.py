"""Handwritten digits that come with scikit-learn: a check of methods outside of emotion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from sklearn.datasets import load_digits

from thymos.base.recording import Recording, Signal
from thymos.sources.base import Source

__all__ = ["Digits"]


class Digits(Source):
    """The 1797 test digits of Alpaydin and Kaynak (1998), 8 x 8 counts from 0 to 16: modality ``features``.

    Every digit is a recording of one second with one value for each of its 64 places. Who wrote it is not told.

    Parameters
    ----------
    most : int, optional
        How many are taken, the first ones; all by default.
    """

    def __init__(self, most: int | None = None):
        self.most = most

    def subjects(self) -> list[str]:
        """Return ``unknown``: 13 people wrote them, and nobody says which one wrote which."""
        return ["unknown"]

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording for each digit."""
        if subjects is not None and "unknown" not in subjects:
            return
        values, digits = load_digits(return_X_y=True)
        names = tuple(f"row{row}-column{column}" for row in range(8) for column in range(8))
        for number, (value, digit) in enumerate(zip(values[: self.most], digits[: self.most], strict=True), start=1):
            trial = f"digit-{number:04d}"
            meta = {"source": "digits", "subject": "unknown", "session": "1", "trial": trial, "stimulus": "none"}
            signal = Signal(value[:, None].astype(np.float32), 1.0, names, "")
            yield Recording({"features": signal}, {**meta, "recording": trial, "digit": str(digit)})
