"""What is there to work with: versions, extras with the line that installs each, processors, memory, folders."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from thymos import __version__
from thymos.base.folders import existing

__all__ = ["Line", "environment", "extras"]

_FREE = 5e9  # bytes that a derived corpus may need
_INNER = {"dev", "docs"}  # of people who change Thymos


@dataclass(frozen=True)
class Line:
    """One thing that was looked at.

    Parameters
    ----------
    what : str
    state : str
        ``ok``; ``missing``, which one may want; ``note``; ``wrong``: nothing works as long as it is so.
    said : str
        What was found.
    do : str
        What helps, empty where nothing has to be done.
    """

    what: str
    state: str
    said: str
    do: str = ""


def environment(cache: Path) -> Iterator[Line]:
    """Look at the interpreter, the packages that Thymos always needs, the processors, memory and the cache's folder.

    Parameters
    ----------
    cache : Path
        Where derived corpora are kept.
    """
    old = sys.version_info < (3, 11)
    version = f"{platform.python_version()} at {sys.executable}"
    yield Line("Python", "wrong" if old else "ok", version, "install Python 3.11 or newer" if old else "")
    yield Line("Thymos", "ok", f"{__version__} at {Path(__file__).resolve().parents[1]}")
    needed = [requirement for requirement in _requirements() if not requirement.marker]
    broken = [text for requirement in needed if (text := _lacking(requirement))]
    yield Line(
        "packages it always needs",
        "wrong" if broken else "ok" if needed else "note",
        "; ".join(broken) or ("all there" if needed else "not known: Thymos runs from its source, it is not installed"),
        "" if needed and not broken else "pip install --upgrade thymos" if broken else "pip install -e .",
    )
    yield _accelerator()
    memory = _memory()
    yield Line("memory", "ok" if memory is None or memory > 4e9 else "note", _bytes(memory))
    place = existing(cache)
    writable, free = os.access(place, os.W_OK), shutil.disk_usage(place).free
    enough = writable and free > _FREE
    yield Line(
        "cache",
        "ok" if enough else "note",
        f"{cache}, {_bytes(free)} free" + ("" if writable else ", not writable"),
        "" if enough else "give commands --no-cache, or make room",
    )


def extras() -> Iterator[Line]:
    """Look for the packages of each extra."""
    found: dict[str, list[Requirement]] = {}
    for requirement in _requirements():
        for name in metadata.metadata("thymos").get_all("Provides-Extra") or ():
            if name not in _INNER and requirement.marker and requirement.marker.evaluate({"extra": name}):
                found.setdefault(name, []).append(requirement)
    for name, requirements in found.items():
        broken = [text for requirement in requirements if (text := _lacking(requirement))]
        yield Line(
            f"extra {name}",
            "missing" if broken else "ok",
            "; ".join(broken) or ", ".join(f"{r.name} {metadata.version(r.name)}" for r in requirements),
            f"pip install 'thymos[{name}]'" if broken else "",
        )


def _requirements() -> list[Requirement]:
    """Return what the installed package asks for, nothing where it is not installed."""
    try:
        return [Requirement(text) for text in metadata.requires("thymos") or ()]
    except metadata.PackageNotFoundError:
        return []


def _lacking(requirement: Requirement) -> str:
    """Say what is wrong with an installed package, empty if nothing is."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} {version}, but {requirement.specifier} is needed"


def _accelerator() -> Line:
    cores = f"{os.cpu_count()} processor cores"
    try:
        import torch
    except ImportError as error:
        return Line("computing", "wrong", f"{cores}; PyTorch cannot be imported: {error}", "reinstall torch")
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))
        return Line("computing", "ok", f"{cores}, PyTorch {torch.__version__} with {names}")
    return Line("computing", "ok", f"{cores}, PyTorch {torch.__version__} without a graphics card")


def _memory() -> float | None:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not on this system
        return None


def _bytes(n: float | None) -> str:
    return "not known" if n is None else f"{n / 1e9:.1f} GB"
