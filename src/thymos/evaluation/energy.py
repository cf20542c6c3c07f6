"""How long a block of code took and, where the processors count it, how much energy."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

__all__ = ["Meter"]

_COUNTERS = Path("/sys/class/powercap")
_EVERY = 30.0  # seconds; counters begin again at 0 after minutes to hours


class Meter:
    """Measures what happens inside a ``with`` block.

    Reads the energy counters of the processor packages (Intel's and AMD's running average power limit, as Linux shows
    them). They count everything that runs on the machine, and neither memory beyond the package nor graphics cards.
    Many systems let only administrators read them.

    Parameters
    ----------
    counters : path
        Folder of the counters.
    every : float
        Seconds between readings. A counter that begins again twice in between is counted too low.

    Attributes
    ----------
    seconds : float
    joules : float or None
        None where no counter can be read.
    """

    def __init__(self, counters: Path = _COUNTERS, every: float = _EVERY):
        self._every = every
        self._files = [path for path in sorted(counters.glob("*rapl:*/energy_uj")) if _package(path.parent)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seconds = 0.0
        self.joules: float | None = None

    def __enter__(self) -> Meter:
        self._begin = time.perf_counter()
        self._last = {path: value for path in self._files if (value := _read(path)) is not None}
        if self._last:
            self.joules = 0.0
            self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        if self._last:
            self._thread.join()
            self._add()
        self.seconds = time.perf_counter() - self._begin

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            self._add()

    def _add(self) -> None:
        for path, before in self._last.items():
            now = _read(path)
            if now is None:
                continue
            # after the largest value comes 0
            grown = now - before if now >= before else now - before + (_read(path.parent / "max_energy_range_uj") or 0)
            self.joules = (self.joules or 0.0) + max(0, grown) * 1e-6
            self._last[path] = now


def _package(folder: Path) -> bool:
    """Say whether a counter is of a whole processor, not of a part that is counted in another."""
    try:
        return (folder / "name").read_text().startswith("package")
    except OSError:
        return False


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
