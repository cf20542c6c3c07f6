"""Small data for all tests, and the way to the real corpora."""

from __future__ import annotations

import os

# tests run side by side; libraries read this when they are imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from thymos.base.samples import Samples
from thymos.cli import main
from thymos.evaluation.catalogue import PROTOCOLS
from thymos.sources.catalogue import SOURCES

torch.set_num_threads(1)

# what libraries leave in memory is never garbage: to look through it again and again takes a tenth of the time
gc.freeze()
gc.set_threshold(100_000, 20, 50)

# compiled anew by every fresh installation, for seconds, where simulators need it once
os.environ.setdefault("MNE_USE_NUMBA", "false")

# the user's own cache is not the tests' to fill; commands that tests start inherit this
_CACHE = tempfile.TemporaryDirectory(prefix="thymos-test-cache-")
os.environ["THYMOS_CACHE"] = _CACHE.name

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
def make_rich(make_samples):
    """Return a maker of samples that every protocol can split: sessions, people, domains, official parts."""

    def make(subjects=6, trials=12, **options) -> Samples:
        samples = make_samples(subjects=subjects, trials=trials, **options)
        meta, number = samples.meta, samples.meta["trial"].str.split("-t").str[1].astype(int)
        columns = dict.fromkeys(("identity", "actor"), meta["subject"])
        columns["session"] = (number * 3 // trials).astype(str)
        columns["part"] = np.take(["training"] * 4 + ["validation", "test"], number * 6 // trials)
        columns["picture"] = meta["trial"]
        columns["draw"], columns["pairing"] = "draw 1", "label"
        columns["first"] = columns["second"] = meta["trial"]
        columns["domain"] = "d" + (meta["subject"].str[1:].astype(int) % 3).astype(str)
        return samples.replace(meta=meta.assign(**columns))

    return make


@pytest.fixture
def thymos(monkeypatch, capsys):
    """Return a function that runs a command here: status, what it printed, and what it said beside that."""
    monkeypatch.delenv("THYMOS_DATA", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["thymos", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def make_protocol():
    """Return a maker of protocols by their name in the catalogue."""

    def make(name, **parameters):
        row = PROTOCOLS[name]
        given = {"column": "session", "within": "subject"} if name == "group" else {}
        return row.load()(**{**row.parameters, **given, **parameters})

    return make


@pytest.fixture(scope="session")
def muse_files(tmp_path_factory):
    """Return a small corpus in the Muse layout, three states x three subjects x two takes, written once.

    Each recording has a scale of its own (its fingerprint) and each state a small one.
    """
    folder = tmp_path_factory.mktemp("muse") / "muse-mental-state"
    folder.mkdir()
    number = 0
    for subject in "abc":
        for state in ("concentrating", "neutral", "relaxed"):
            for take in "12":
                number += 1
                name = f"subject{subject}-{state}-{take}.csv"
                write_muse_csv(folder / name, seed=number, start=1533000000.0 + 1000 * number, scale=8 + number % 5)
    return folder.parent


@pytest.fixture
def muse_folder(muse_files, tmp_path):
    """Return a data folder with a copy of the small corpus, which a test may change."""
    return Path(shutil.copytree(muse_files, tmp_path / "data"))


@pytest.fixture(scope="session")
def emotions_folder(tmp_path_factory):
    """Return a short simulated table of Muse features, written once; take a copy to change it."""
    from thymos.sources.simulate.muse import write_emotions_csv

    return write_emotions_csv(tmp_path_factory.mktemp("simulated"), random_state=3, seconds=(3.0, 6.0))


@pytest.fixture
def data_folder(muse_folder, emotions_folder):
    """Return a data folder with a small copy of every corpus that is read from one."""
    shutil.copytree(emotions_folder, muse_folder / "emotions")
    return muse_folder


@pytest.fixture
def unaudited(monkeypatch):
    """Leave the audit out of runs of this process: it takes longer than small fits, and is tested elsewhere."""
    monkeypatch.setattr("thymos.evaluation.runner.audit_run", lambda *arguments: None)


@pytest.fixture
def unmeasured(monkeypatch):
    """Take no time and no memory of exported models; return what was called with one sample at a time."""
    called = []

    def latencies(calls, X, batches=(1, 64), **_):
        if batches == (1,):
            called.append(calls)
        return {name: {f"p{share}_{batch}": 1e-3 for share in (50, 99) for batch in batches} for name in calls}

    monkeypatch.setattr("thymos.serving.exported.latencies", latencies)
    monkeypatch.setattr("thymos.serving.exported.peak_memory", lambda *of: 1_000_000)
    return called


@pytest.fixture(scope="session", autouse=True)
def few_trees():
    """Let the probes of audits have as few trees as under the budget ``tiny``: what is planted here is plain to see."""
    from thymos.evaluation import auditor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditor, "TREES", auditor.FEW_TREES)
        yield


@pytest.fixture
def few_resamples(monkeypatch):
    """Draw intervals from few resamples, where nothing depends on their ends."""
    monkeypatch.setattr("thymos.evaluation.statistics._RESAMPLES", 200)


#: Parameters that make the simulated twin of each corpus small.
SMALL = {
    "affectnet": {"photos": [40, 10], "people": 6, "size": 32, "form": "newer"},
    "amigos": {"subjects": 3, "videos": 4, "seconds": 1.0},
    "deap": {"subjects": 2, "trials": 3, "seconds": 1.0, "films": 1},
    "dreamer": {"subjects": 2, "seconds": 1.0, "baseline": 1.0},
    "eav": {"subjects": 1, "turns": 8, "seconds": 1.0, "size": 32},
    "emotions-csv": {"seconds": [3.0, 6.0]},
    "faced": {"subjects": 1, "seconds": 1.0},
    "faced-features": {"subjects": 2, "seconds": 2.0},
    "fer2013": {"photos": [40, 10, 10], "people": 6, "form": "zip"},
    "hku956": {"subjects": 2, "trials": 4, "seconds": [5, 8]},
    "images": {"people": 5, "photos": 4},
    "mahnob": {"subjects": 2, "trials": 3, "seconds": 2.0, "rest": 1.0},
    "muse-mental-state": {"subjects": 2, "takes": 1, "seconds": 4.0},
    "ravdess": {"actors": 1, "repetitions": 1, "sfreq": 16000.0, "form": "wav"},
    "seed": {"subjects": 1, "sessions": 1, "scale": 0.004},
    "seed-features": {"subjects": 2, "sessions": 1, "scale": 0.01},
    "seed-iv": {"subjects": 1, "sessions": 1, "scale": 0.004},
    "seed-iv-features": {"subjects": 1, "sessions": 1, "scale": 0.05},
    "wesad": {"subjects": 1, "seconds": 2.0},
}


@pytest.fixture(scope="session")
def twin(tmp_path_factory):
    """Return a function: name of a layout -> a small simulated corpus in it, written once; copy it to change it."""
    from thymos.sources.simulate.catalogue import LAYOUTS

    made = {}

    def find(name: str) -> Path:
        if name not in made:
            row = LAYOUTS[name]
            place = tmp_path_factory.mktemp(f"twin-{name}")
            made[name] = row.load()(place, random_state=1, **{**row.parameters, **SMALL[name]})
        return made[name]

    return find


@pytest.fixture
def folder_state():
    """Return a function: folder -> its files and a hash of each."""
    import hashlib

    def state(folder):
        files = (p for p in folder.rglob("*") if p.is_file())
        return {p.relative_to(folder): hashlib.blake2b(p.read_bytes()).hexdigest() for p in files}

    return state


def write_signal_file(path: Path, volts: np.ndarray, sfreq: float, labels, events=(), unit="uV", header=None) -> Path:
    """Write channels in volts, shape (n_channels, n_times), in the format of the path's ending.

    ``events`` are (onset, duration, text); ``unit`` is that of an EDF's header, ``header`` writes other values into
    it: channel number to (signal, rate, unit).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix
    if suffix in (".edf", ".bdf"):
        import edfio

        made, signal = (edfio.Edf, edfio.EdfSignal) if suffix == ".edf" else (edfio.Bdf, edfio.BdfSignal)
        rows = [(row * 1e6, sfreq, unit) for row in volts]
        for number, row in (header or {}).items():
            rows[number] = row
        signals = [
            signal(data, rate, label=label, physical_dimension=dimension)
            for (data, rate, dimension), label in zip(rows, labels, strict=True)
        ]
        marks = [edfio.EdfAnnotation(*event) for event in events]
        made(signals, annotations=marks or None).write(path)
    elif suffix == ".fif":
        import mne

        raw = mne.io.RawArray(volts, mne.create_info(list(labels), sfreq, "eeg"), verbose="ERROR")
        raw.set_annotations(mne.Annotations(*(zip(*events, strict=True) if events else ([], [], []))))
        raw.save(path, verbose="ERROR")
    elif suffix == ".vhdr":
        import pybv

        pybv.write_brainvision(
            data=volts,
            sfreq=sfreq,
            ch_names=list(labels),
            fname_base=path.stem,
            folder_out=path.parent,
            resolution=0.01,
        )
    elif suffix == ".set":
        from eeglabio.raw import export_set

        export_set(str(path), volts, sfreq, list(labels))
    else:
        table = pd.DataFrame({label: row * 1e6 for label, row in zip(labels, volts, strict=True)})
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",", float_format="%.5f")
    return path


@pytest.fixture(scope="session")
def write_signals():
    """Return the writer of one signal file."""
    return write_signal_file


@pytest.fixture
def words():
    """Return a checker that a message says what came, what fits and what to do, by the words it must contain."""

    def check(error: BaseException, *expected: str) -> None:
        text = str(error)
        for word in expected:
            assert re.search(re.escape(word), text), f"{word!r} is not in:\n{text}"

    return check
