"""Fits computed elsewhere give the same rows, and a worker may die."""

import importlib
import os
import signal
import sys
import threading
import time

import pandas as pd
import pytest

from thymos.base.errors import InputError
from thymos.evaluation.engines import Engine, Lost
from thymos.evaluation.results import Results
from thymos.evaluation.runner import run_study
from thymos.evaluation.study_files import parse_study

# sockets of distributed's own are closed by the collector
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("unaudited"),
]

IDENTITY = ["protocol", "method", "labels", "fold", "seed", "level", "subject"]
STUDY = {
    "name": "spread",
    "title": "Spread",
    "source": {"simulated-eeg": {"subjects": 3, "trials": 8, "seconds": 3.0, "montage": "muse4"}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5.0},
    "protocols": {"trial": {"parameters": {"n_splits": 2}}},
    "methods": {
        "svm": {"steps": ["window_statistics", "flatten", "channel_scaler", "svm"]},
        "lstm": {"steps": ["channel_scaler", {"recurrent": {"hidden": 2, "max_epochs": 4}}]},
        "mlp": {"steps": ["channel_scaler", {"mlp": {"hidden": [4], "max_epochs": 2}}]},
    },
    "seeds": 2,
    "permuted": [],
}


def rows(folder):
    table = Results(folder).read("rows").sort_values(IDENTITY).reset_index(drop=True)
    return table.drop(columns=["fit_seconds", "predict_seconds", "seconds"])


def finished(folder):
    return len(list((folder / "rows").glob("*.parquet")))


@pytest.fixture(scope="module")
def sequential(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequential")
    assert not run_study(parse_study(STUDY), folder / "run").failed
    return rows(folder / "run")


CALLS = """
import os, signal, time
from pathlib import Path

def square(samples, value, diary, lethal="never"):
    times = len(list(Path(diary).glob(f"{value}-*")))
    (Path(diary) / f"{value}-{times}").touch()
    until = time.monotonic() + 10
    while lethal == "always" and not list(Path(diary).glob("1-*")) and time.monotonic() < until:
        time.sleep(0.01)  # a neighbour that is to die by itself must not be taken along before
    if lethal == "always" or (lethal == "once" and times == 0):
        os.kill(os.getpid(), signal.SIGKILL)
    return value**2

def kind(samples):
    return type(samples.X).__name__
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """Return a module that workers can import."""
    folder = tmp_path_factory.mktemp("calls")
    (folder / "calls_for_workers.py").write_text(CALLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(folder)
        yield importlib.import_module("calls_for_workers")
    sys.modules.pop("calls_for_workers")


@pytest.fixture(scope="module")
def cluster(calls):
    """Return a cluster of two worker processes that others may connect to."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as running:
        yield running


def test_a_cluster_of_two_processes_one_of_which_is_killed_gives_the_rows_of_one_process(sequential, cluster, tmp_path):
    folder, killed = tmp_path / "run", []
    workers = [worker.pid for worker in cluster.workers.values()]

    def kill():
        while finished(folder) < 3:
            time.sleep(0.005)
        os.kill(workers[0], signal.SIGKILL)
        killed.append(finished(folder))

    assassin = threading.Thread(target=kill, daemon=True)
    assassin.start()
    outcome = run_study(parse_study(STUDY), folder, engine=Engine("dask", address=cluster.scheduler_address))
    assassin.join(10)
    assert killed
    assert killed[0] < outcome.done, "it was not killed in the middle"
    assert outcome.failed == {}
    pd.testing.assert_frame_equal(rows(folder), sequential)
    assert not list(folder.glob(".thymos-*")), "the samples that were lent to the workers stay behind"
    assert Results(folder).sittings()[0]["engine"] == "dask"


@pytest.mark.parametrize("name", ["loky", "dask"])
def test_a_call_that_kills_its_worker_is_tried_once_more_and_then_reported(name, tmp_path, make_samples, calls, words):
    if name == "dask":
        pytest.importorskip("distributed")
    given = [(k, str(tmp_path), {1: "once", 2: "always"}.get(k, "never")) for k in range(6)]
    answers = dict(Engine(name, 2).run(calls.square, given, make_samples(), tmp_path))
    assert {k: answers[k] for k in (0, 1, 3, 4, 5)} == {k: k**2 for k in (0, 1, 3, 4, 5)}
    assert isinstance(answers[2], Lost)
    words(Exception(answers[2].words), "died", "once more", "same command again")
    assert len(list(tmp_path.glob("2-*"))) == 2


def test_workers_without_a_common_disk_are_sent_the_samples(calls, cluster, tmp_path, make_samples, monkeypatch):
    engine = Engine("dask", address=cluster.scheduler_address)
    assert dict(engine.run(calls.kind, [()], make_samples(), tmp_path)) == {0: "memmap"}
    monkeypatch.setattr("thymos.evaluation.engines._sees", lambda folder: False)
    assert dict(engine.run(calls.kind, [()], make_samples(), tmp_path)) == {0: "ndarray"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "lokky"}, ["'lokky'", "loky"]),
        ({"jobs": 0}, ["jobs=0", "at least 1"]),
        ({"name": "loky", "address": "tcp://host:1"}, ["address", "--engine dask"]),
    ],
)
def test_an_engine_that_cannot_be_is_refused(options, expected, words):
    with pytest.raises(InputError) as error:
        Engine(**options)
    words(error.value, *expected)


def test_a_scheduler_that_does_not_answer_is_said_in_words(tmp_path, make_samples, words, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("thymos.evaluation.engines._PATIENCE", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        with pytest.raises(InputError) as error:
            list(Engine("dask", address=address).run(print, [()], make_samples(), tmp_path))
        words(error.value, address, "dask scheduler")


def test_a_method_that_workers_cannot_import_is_said_in_words(cluster, tmp_path, make_samples, monkeypatch, words):
    (tmp_path / "only_here.py").write_text("def work(samples):\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("only_here").work
    answers = dict(Engine("dask", address=cluster.scheduler_address).run(work, [()], make_samples(), tmp_path))
    words(Exception(answers[0].words), "cannot compute it", "No module named 'only_here'")
