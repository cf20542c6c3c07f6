"""Which code something was computed with."""

from __future__ import annotations

import hashlib
import inspect
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import thymos

__all__ = ["code_digest", "code_of", "versions"]

#: Libraries that decide on the value of a feature, the optional ones among them.
_LIBRARIES = (
    *(
        "numpy",
        "scipy",
        "pandas",
        "scikit-learn",
        "mne",
        "mne-connectivity",
        "neurokit2",
        "librosa",
        "soxr",
        "opensmile",
    ),
    *("opencv-python-headless", "opencv-python", "opencv-contrib-python", "pillow", "av", "soundfile", "audioread"),
    *("h5py", "pymatreader", "edfio"),
)


@lru_cache
def code_digest(*rooms: str) -> str:
    """Return a hash of the Python files of some rooms of the package, of all that can change a result by default."""
    folder = Path(thymos.__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0]
        if room in rooms if rooms else room not in {"report", "cli"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def code_of(thing: Any) -> str | None:
    """Return where a function or an object's class is defined, with a hash of that file if it is not of the package.

    None for what was typed into a session: nothing tells it from another of the same name.
    """
    thing = inspect.unwrap(thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing))
    name = f"{thing.__module__}:{getattr(thing, '__qualname__', '')}"
    if name.startswith("thymos."):
        return name
    try:
        return f"{name} {hashlib.sha256(Path(inspect.getfile(thing)).read_bytes()).hexdigest()[:12]}"
    except (OSError, TypeError):
        return None


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Return the versions of the libraries that decide on the value of a feature, as far as they are installed."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
