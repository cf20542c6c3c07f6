"""A study that is killed at any moment continues, and two processes may share a folder."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import InputError
from thymos.base.folders import remove_abandoned
from thymos.evaluation.results import Results
from thymos.evaluation.runner import run_study
from thymos.evaluation.study_files import parse_study

pytestmark = pytest.mark.usefixtures("unaudited")

STUDY = {
    "name": "killed",
    "title": "Killed",
    "source": {"simulated-eeg": {"subjects": 2, "trials": 8, "seconds": 3.0, "montage": "muse4"}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5.0},
    "protocols": {
        "trial": {"parameters": {"n_splits": 2}},
        "random_window": {"parameters": {"n_splits": 2, "within": "subject"}, "twin_of": "trial"},
    },
    "methods": {
        "lda": {"steps": ["window_statistics", "flatten", "channel_scaler", "lda"]},
        "mlp": {"steps": ["channel_scaler", {"mlp": {"hidden": [4], "max_epochs": 2}}]},  # a stack, with dropout
    },
    "seeds": 2,
}
IDENTITY = ["protocol", "method", "labels", "fold", "seed"]
TIMES = ["fit_seconds", "predict_seconds", "seconds"]

#: Imports everything once; runs the study in a fork of itself for each folder it is told, and says its number.
PARENT = f"""
import os, signal, sys, traceback
import torch, skorch, mne, pandas, sklearn.discriminant_analysis
import thymos.models.mlp, thymos.sources.simulate.eeg
from thymos.evaluation.runner import run_study
from thymos.evaluation.study_files import parse_study
torch.set_num_threads(1)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        try:
            run_study(parse_study({STUDY!r}), line.rstrip())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    print(child, flush=True)
"""


@pytest.fixture(scope="module")
def start():
    """Return a function that begins the study in a folder, in a process of its own, and returns its number."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(folder):
        parent.stdin.write(f"{folder}\n")
        parent.stdin.flush()
        return int(parent.stdout.readline())

    with parent:
        yield begin
        parent.stdin.close()


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(process):
    deadline = time.monotonic() + 120
    while alive(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def tables(folder):
    results = Results(folder)
    rows = results.read("rows").sort_values([*IDENTITY, "level", "subject"]).reset_index(drop=True)
    predictions = results.read("predictions").sort_values([*IDENTITY, "row"]).reset_index(drop=True)
    history = results.read("history").sort_values([*IDENTITY, "epoch"]).reset_index(drop=True)
    return rows.drop(columns=TIMES), predictions, history.drop(columns=["seconds"])


def finished(folder):
    return len(list((folder / "rows").glob("*.parquet")))


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unkilled")
    outcome = run_study(parse_study(STUDY), folder / "run")
    assert outcome.failed == {}
    return tables(folder / "run"), outcome.done


def test_killed_at_three_moments_it_continues_and_gives_the_rows_of_an_unkilled_run(unkilled, start, tmp_path):
    expected, n_fits = unkilled
    rng = np.random.default_rng()  # other moments every time; none may matter
    folder, seen = tmp_path / "run", []
    for _ in range(3):
        child = start(folder)
        # a random moment: while data are read, while the k-th further fit is computed or written
        wanted = finished(folder) + int(rng.integers(0, max(2, n_fits // 8)))
        deadline = time.monotonic() + 60
        while alive(child) and finished(folder) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.05)))
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.killpg(child, signal.SIGKILL)
        wait_for(child)
        seen.append(finished(folder))
    assert seen == sorted(seen), "finished fits were lost"
    outcome = run_study(parse_study(STUDY), folder)
    assert outcome.failed == {}
    assert outcome.kept == seen[-1]
    for mine, theirs in zip(tables(folder), expected, strict=True):
        pd.testing.assert_frame_equal(mine, theirs)


def test_two_processes_share_a_folder_without_harm(unkilled, start, tmp_path):
    expected, n_fits = unkilled
    folder = tmp_path / "run"
    for child in [start(folder), start(folder)]:
        wait_for(child)
    for mine, theirs in zip(tables(folder), expected, strict=True):
        pd.testing.assert_frame_equal(mine, theirs)
    assert finished(folder) == n_fits
    assert len(Results(folder).sittings()) == 2
    assert not list(folder.rglob("*.part"))


def test_of_two_studies_that_begin_in_one_folder_one_is_refused(unkilled, tmp_path, monkeypatch):
    first, second = parse_study(STUDY), parse_study({**STUDY, "seed": 1})
    claim = Results.claim_facts

    def late(self, name, facts):  # the other study claims the folder just before
        monkeypatch.setattr(Results, "claim_facts", claim)
        run_study(first, tmp_path / "run")
        return self.claim_facts(name, facts)

    monkeypatch.setattr(Results, "claim_facts", late)
    with pytest.raises(InputError, match="holds results of something else"):
        run_study(second, tmp_path / "run")
    for mine, theirs in zip(tables(tmp_path / "run"), unkilled[0], strict=True):
        pd.testing.assert_frame_equal(mine, theirs)


def test_of_two_claims_in_the_same_moment_the_first_holds(tmp_path, monkeypatch):
    first, second = Results(tmp_path), Results(tmp_path)
    assert first.claim_facts("study", {"mine": 1})
    monkeypatch.setattr(Path, "is_file", lambda self: False)  # the second looked before the first wrote
    assert not second.claim_facts("study", {"mine": 2})
    assert first.read_facts("study") == {"mine": 1}
    assert not list(tmp_path.glob(".*.part"))


def test_what_killed_processes_leave_behind_is_removed(tmp_path, monkeypatch):
    results = Results(tmp_path / "run")
    results.write_facts("study", {})
    old, young = (tmp_path / "run" / f".{name}.part" for name in ("old", "young"))
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (0, 0))
    results.sweep()
    assert (old.exists(), young.exists()) == (False, True)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    head = f".thymos-{socket.gethostname()}-"
    for owner in (child.pid, os.getpid(), "mine"):
        (tmp_path / f"{head}{owner}-x").mkdir()
    (tmp_path / f".thymos-elsewhere-{child.pid}-x").mkdir()  # another machine's number means nothing here
    remove_abandoned(tmp_path, ".thymos-")
    left = {path.name for path in tmp_path.glob(".thymos-*")}
    assert left == {f"{head}{os.getpid()}-x", f"{head}mine-x", f".thymos-elsewhere-{child.pid}-x"}
