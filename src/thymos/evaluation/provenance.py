"""What a result needs so that somebody else can trust or repeat it (methods A7)."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import thymos
from thymos.base.code import code_digest
from thymos.base.samples import Samples
from thymos.evaluation.protocol import Fold

__all__ = ["environment", "split_digest"]

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "imbalanced-learn", "torch", "skorch", "mne")


def environment() -> dict[str, Any]:
    """Return versions, hardware and, in a git checkout, the commit of the code."""
    return {
        "thymos": thymos.__version__,
        "commit": _commit(),
        "code": code_digest(),
        "python": sys.version.split()[0],
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def split_digest(samples: Samples, folds: list[Fold]) -> str:
    """Return a hash of the sorted sample identifiers of every part of every fold."""
    ids = samples.ids()
    digest = hashlib.sha256()
    for fold in folds:
        for part in (
            fold.train,
            fold.validation,
            fold.test,
            *([fold.calibration] if len(fold.calibration) else []),
            *(rows for pair in fold.inner for rows in pair),
        ):
            digest.update(f"{fold.name}|".encode() + "\n".join(np.sort(ids[part])).encode())
    return digest.hexdigest()[:16]


def _commit() -> str | None:
    """Return the commit of the checkout the package lies in, marked where files have been changed since."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        call = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(call, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # an installed copy may lie inside somebody else's checkout
        return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
