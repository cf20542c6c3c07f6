"""Small data for all tests, and the way to the real corpora."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from thymos.base.samples import Samples
from thymos.sources.catalogue import SOURCES

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items):
    for item in items:  # a test that names a real corpus by fixture is marked, and skipped with a reason below
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.realdata)


@pytest.fixture(scope="session")
def real_data():
    """Return a function: name of a source -> its folder, or skip with a reason."""
    data = Path(os.environ.get("THYMOS_DATA", ROOT / "../shared/data"))

    def find(name: str) -> Path:
        folder = data / SOURCES[name].folder
        if not folder.is_dir():
            pytest.skip(f"{name} is not at {folder}; set THYMOS_DATA")
        return data

    return find


@pytest.fixture
def make_samples():
    """Return a maker of random samples: subjects x trials x windows, label per trial."""

    def make(subjects=3, trials=6, windows=4, shape=(2, 32), classes=("calm", "tense"), effect=0.0, seed=0) -> Samples:
        rng = np.random.default_rng(seed)
        rows = [
            {
                "source": "made",
                "subject": f"s{s}",
                "session": "1",
                "trial": f"s{s}-t{t}",
                "stimulus": f"k{t}",
                "recording": f"s{s}-t{t}",
                "start": float(w),
                "stop": float(w + 1),
                "feeling": classes[t % len(classes)],
            }
            for s in range(subjects)
            for t in range(trials)
            for w in range(windows)
        ]
        meta = pd.DataFrame(rows)
        codes = meta["feeling"].map({c: k for k, c in enumerate(classes)}).to_numpy()
        X = rng.standard_normal((len(meta), *shape)).astype(np.float32)
        X += effect * codes.reshape(-1, *[1] * len(shape))
        info = {"sfreq": 32.0, "ch_names": [f"c{k}" for k in range(shape[0])], "unit": "V"}
        return Samples(X, meta["feeling"].to_numpy(), meta, info)

    return make


def write_muse_csv(path: Path, seconds: float = 6.0, seed: int = 0, start: float = 1533000000.0, scale: float = 10.0):
    """Write one recording in the layout of the Muse corpus; return the table."""
    rng = np.random.default_rng(seed)
    n = round(seconds * 256)
    columns = ("TP9", "AF7", "AF8", "TP10", "Right AUX")
    # values on the converter's grid, as the device writes them
    grid = np.round(rng.normal(0, scale, (n, 5)) / (1000 / 2048)) * (1000 / 2048)
    table = pd.DataFrame(
        {"timestamps": np.round(start + np.arange(n) / 256, 3), **dict(zip(columns, grid.T, strict=True))}
    )
    table.to_csv(path, index=False, float_format="%.3f")
    return table


@pytest.fixture(scope="session")
def write_muse():
    """Return the writer of one recording in the layout of the Muse corpus."""
    return write_muse_csv


@pytest.fixture
def muse_folder(tmp_path):
    """Write a small corpus in the Muse layout, three states x three subjects x two takes, and return the data folder.

    Each recording has a scale of its own (its fingerprint) and each state a small one.
    """
    folder = tmp_path / "data" / "muse-mental-state"
    folder.mkdir(parents=True)
    number = 0
    for subject in "abc":
        for state in ("concentrating", "neutral", "relaxed"):
            for take in "12":
                number += 1
                name = f"subject{subject}-{state}-{take}.csv"
                write_muse_csv(folder / name, seed=number, start=1533000000.0 + 1000 * number, scale=8 + number % 5)
    return folder.parent


@pytest.fixture
def words():
    """Return a checker that a message says what came, what fits and what to do, by the words it must contain."""

    def check(error: BaseException, *expected: str) -> None:
        text = str(error)
        for word in expected:
            assert re.search(re.escape(word), text), f"{word!r} is not in:\n{text}"

    return check
