import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from unittest import mock

import pytest
import yaml

from thymos.base.errors import DataError
from thymos.cli import main

STUDY = {
    "name": "small",
    "title": "Small",
    "source": "muse-mental-state",
    "process": [{"resample": {"to": 64}}],
    "windows": {"seconds": 1.0},
    "target": {"label": "state"},
    "protocols": {
        "recording": {"parameters": {"n_splits": 2}},
        "random_window": {"parameters": {"n_splits": 2}, "twin_of": "recording"},
    },
    "methods": {"lda": {"title": "LDA", "steps": ["window_statistics", "flatten", "lda"]}},
}


def thymos(*arguments):
    """Run the command line in this process."""
    environment = {k: v for k, v in os.environ.items() if k != "THYMOS_DATA"}
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["thymos", *map(str, arguments)]),
        mock.patch.dict(os.environ, environment, clear=True),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        warnings.simplefilter("default")
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


@pytest.fixture
def plan(tmp_path):
    """Return a writer of a study file."""

    def write(**changes):
        path = tmp_path / f"small-{'-'.join(changes)}.yaml"
        path.write_text(yaml.safe_dump({**STUDY, **changes}))
        return path

    return write


@pytest.fixture(scope="module")
def finished(muse_files, tmp_path_factory):
    """Return the folder of a finished run of the study; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.yaml").write_text(yaml.safe_dump(STUDY))
    result = thymos("run", folder / "small.yaml", "--data", muse_files, "--out", folder / "out", "--jobs", 1)
    assert result.returncode == 0, result.stderr
    return folder / "out"


@pytest.fixture
def run_folder(finished, tmp_path):
    """Return a copy of a finished run of the study, which a test may change."""
    return shutil.copytree(finished, tmp_path / "out")


@pytest.fixture
def own_module(monkeypatch, tmp_path):
    """Return a writer of a module that a study can name."""
    monkeypatch.syspath_prepend(tmp_path / "modules")

    def write(name, text):
        (tmp_path / "modules").mkdir()
        (tmp_path / "modules" / f"{name}.py").write_text(text)

    yield write
    for path in (tmp_path / "modules").iterdir():
        sys.modules.pop(path.stem, None)


def test_help_lists_the_commands():
    result = thymos("--help")
    assert result.returncode == 0
    for command in ("sources", "studies", "init", "simulate", "check", "features", "cache", "run", "audit", "report"):
        assert command in result.stdout


def test_listings(muse_folder):
    result = thymos("sources", "--data", muse_folder)
    assert result.returncode == 0
    assert "muse-mental-state" in result.stdout
    assert "simulated-eeg" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    (place,) = (number for number, words in enumerate(lines) if words[:1] == ["manifest"])
    assert ["found:", "your", "own"] in lines[place + 1 : place + 4]
    result = thymos("studies")
    assert "lstm-gru-muse" in result.stdout
    assert "demo" in result.stdout


def test_a_run_ends_with_a_table_and_the_path_of_a_report_and_can_be_reported_again(plan, muse_folder, tmp_path):
    result = thymos("run", plan(), "--data", muse_folder, "--out", tmp_path / "out", "--jobs", 1)
    assert result.returncode == 0, result.stderr
    assert "LDA" in result.stdout
    assert "LEAKY" in result.stdout
    assert "Chance" in result.stdout
    page = tmp_path / "out" / "report.html"
    assert result.stdout.rstrip().endswith(f"report: {page}")
    first = page.read_text()
    page.unlink()
    again = thymos("report", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert page.read_text() == first, "the report is not made of stored results alone"
    resumed = thymos("run", plan(), "--data", muse_folder, "--out", tmp_path / "out", "--jobs", 1)
    assert "0 fits computed, 16 were there already" in resumed.stdout


def test_check_says_what_is_remarkable(muse_folder):
    (muse_folder / "muse-mental-state" / "subjecta-neutral-1.csv").unlink()
    result = thymos("check", "muse-mental-state", "--data", muse_folder)
    assert result.returncode == 0, result.stderr
    assert "very short: 6.0 s" in result.stdout
    assert "muse-mental-state: readable; 0 things are wrong" in result.stdout
    found = thymos("check", "muse-mental-state", "--data", muse_folder, "--json")
    assert found.returncode == 0, found.stderr
    facts = json.loads(found.stdout)
    assert facts["level"] == "yellow"
    assert facts["counts"]["trials"] == 17
    assert facts["modalities"]["eeg"]["windows"]["1 s"] == 17 * 6
    assert facts["labels"]["state"]["balance"]["classes"] == {"concentrating": 6, "neutral": 5, "relaxed": 6}
    path = muse_folder / "muse-mental-state" / "subjecta-relaxed-1.csv"
    path.write_text(path.read_text().replace("AF7", "XX7", 1))
    for options in ([], ["--json"]):
        broken = thymos("check", "muse-mental-state", muse_folder / "muse-mental-state", *options)
        assert broken.returncode == 2
        assert "has no column AF7" in broken.stdout
        assert not broken.stderr


@pytest.fixture
def own_folder(tmp_path, write_signals):
    """Write EDF files of simulated EEG: two people, two trials of each of two feelings."""
    from thymos.sources import SimulatedEEG

    count = {}
    for recording in SimulatedEEG(subjects=2, trials=16, seconds=4.0, montage="muse4", effect=3.0).load():
        subject, feeling = recording.meta["subject"], "high" if recording.meta["valence"] > 5 else "low"
        number = count[subject, feeling] = count.get((subject, feeling), 0) + 1
        signal = recording.signal("eeg")
        if number <= 2:
            path = tmp_path / "own" / f"{subject}_{feeling}_{number}.edf"
            write_signals(path, signal.data.astype(float), signal.sfreq, signal.ch_names)
    return tmp_path / "own"


def test_own_recordings_from_edf_files_to_a_report(own_folder, tmp_path):
    result = thymos("init", own_folder)
    assert result.returncode == 0, result.stderr
    assert "subject: 2 guessed from the names (s01, s02)" in result.stdout
    assert f"thymos check manifest {own_folder / 'manifest.csv'}" in result.stdout
    result = thymos("check", "manifest", own_folder / "manifest.csv")
    assert result.returncode == 0, result.stderr
    assert "manifest: readable; 0 things are wrong, 1 to look at." in result.stdout
    arguments = ["run", own_folder / "study.yaml", "--budget", "tiny", "--out", tmp_path / "out", "--jobs", 1]
    result = thymos(*arguments)
    assert result.returncode == 0, result.stderr
    assert "loso" in result.stdout
    assert (tmp_path / "out" / "report.html").is_file()
    again = thymos("init", own_folder)
    assert again.returncode == 2
    assert "already exists" in again.stderr


def test_a_manifest_with_mistakes_ends_with_one_message_and_status_2(own_folder, tmp_path):
    assert thymos("init", own_folder).returncode == 0
    manifest = own_folder / "manifest.csv"
    text = manifest.read_text()
    cases = [
        (text.replace("s01_high_1.edf", "gone.edf"), ["1 of the files", "gone.edf"]),
        (text + text.splitlines()[1], ["lines 2 and 10", "is listed twice"]),
        (text.replace("label", "lable"), ["no label 'label'", "'lable'"]),
    ]
    for wrong, expected in cases:
        manifest.write_text(wrong)
        result = thymos("run", own_folder / "study.yaml", "--out", tmp_path / "out")
        assert result.returncode == 2, result.stdout
        assert "Traceback" not in result.stderr
        assert result.stderr.count("thymos:") == 1
        for words in expected:
            assert words in result.stderr, result.stderr
        assert not (tmp_path / "out").exists()
    result = thymos("check", "manifest")
    assert result.returncode == 2
    assert "thymos check manifest PATH" in result.stderr


def break_column(text):
    return text.replace("AF7", "XX7", 1)


def break_number(text):
    lines = text.splitlines()
    lines[40] = lines[40].replace(",", ",oops", 1)
    return "\n".join(lines)


def blank_rows(text):
    head, *lines = text.splitlines()
    return "\n".join([head, *(line.split(",")[0] + ",,,,," for line in lines)])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (break_column, ["has no column AF7", "expected: a csv with the columns timestamps, TP9"]),
        (break_number, ["line 41, column TP9", "is not a number"]),
        (blank_rows, ["100% of the rows have a missing", "repair it"]),
        (lambda text: "", ["is empty", "download it again"]),
    ],
    ids=["missing column", "text in numbers", "NaN", "empty file"],
)
def test_damaged_files_end_with_one_message_and_status_2(change, expected, plan, muse_folder, tmp_path):
    path = muse_folder / "muse-mental-state" / "subjectb-relaxed-2.csv"
    path.write_text(change(path.read_text()))
    result = thymos("run", plan(), "--data", muse_folder, "--out", tmp_path / "out")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.count("thymos:") == 1
    for words in ["subjectb-relaxed-2.csv", *expected]:
        assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_studies_end_with_one_message_and_status_2(plan, muse_folder, tmp_path):
    cases = [
        (["run", plan(protocolls={}), "--data", muse_folder], ["protocolls: unknown key", "'protocols'"]),
        (["run", plan(target={"label": "stat"}), "--data", muse_folder], ["no label 'stat'", "'state'"]),
        (
            ["run", plan(name="one class", target={"label": "piece", "above": -1}), "--data", muse_folder],
            ["at least two classes"],
        ),
        (["run", plan(windows={"seconds": 60}), "--data", muse_folder], ["No recording yields a window of 60.0 s"]),
        (["run", "lstm-gru-muse"], ["no data folder was given", "--data DIR"]),
        (["run", "lstm-gru-muse", "--data", tmp_path / "no"], ["There is no folder", "muse-mental-state"]),
        (["run", "demmo"], ["no study 'demmo'", "'demo'"]),
        (["run", "demo", "--budget", "quik"], ["no budget 'quik'", "'quick'"]),
        (["check", "muse-mental-stat"], ["no source named", "'muse-mental-state'"]),
        (["report", tmp_path], ["is not a readable run"]),
    ]
    for arguments, expected in cases:
        result = thymos(*arguments, *(["--out", tmp_path / "out"] if arguments[0] == "run" else []))
        assert result.returncode == 2, (arguments, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        for words in expected:
            assert words in result.stderr, (arguments, result.stderr)
        assert not (tmp_path / "out").exists(), arguments


def test_a_mistake_never_touches_finished_results(plan, muse_folder, run_folder):
    before = {p: p.read_bytes() for p in run_folder.rglob("*") if p.is_file()}
    (muse_folder / "muse-mental-state" / "subjectb-relaxed-2.csv").write_text("")
    assert thymos("run", plan(), "--data", muse_folder, "--out", run_folder).returncode == 2
    assert thymos("run", plan(seed=3), "--data", muse_folder, "--out", run_folder).returncode == 2
    assert {p: p.read_bytes() for p in run_folder.rglob("*") if p.is_file()} == before


@pytest.mark.usefixtures("unaudited")
def test_failed_fits_end_with_status_1_and_the_first_error(plan, muse_folder, tmp_path, own_module):
    own_module(
        "fragile",
        "from sklearn.dummy import DummyClassifier\n"
        "class Fragile(DummyClassifier):\n"
        "    def predict_proba(self, X):\n"
        "        if len(X) > 5:\n"
        "            raise ValueError('too much')\n"
        "        return super().predict_proba(X)\n",
    )
    methods = {**STUDY["methods"], "flat": {"title": "Flat", "steps": ["fragile:Fragile"]}}
    result = thymos("run", plan(methods=methods), "--data", muse_folder, "--out", tmp_path / "out", "--jobs", 1)
    assert result.returncode == 1
    assert "8 fits failed; the first, random_window/flat/" in result.stderr
    assert "ValueError" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in (tmp_path / "out" / "failures.json").read_text()
    assert "LDA" in result.stdout
    assert (tmp_path / "out" / "report.html").is_file()


def test_ctrl_c_ends_with_one_message_and_status_130(plan, muse_folder, tmp_path, own_module):
    own_module(
        "impatient",
        "from sklearn.dummy import DummyClassifier\n"
        "class Impatient(DummyClassifier):\n"
        "    def predict_proba(self, X):\n"
        "        if len(X) > 5:\n"
        "            raise KeyboardInterrupt\n"
        "        return super().predict_proba(X)\n",
    )
    methods = {**STUDY["methods"], "last": {"steps": ["impatient:Impatient"]}}
    result = thymos("run", plan(methods=methods), "--data", muse_folder, "--out", tmp_path / "out", "--jobs", 1)
    assert result.returncode == 130
    assert "the same command continues from there" in result.stderr
    assert "Traceback" not in result.stderr
    assert list((tmp_path / "out" / "rows").iterdir()), "finished fits were lost"


@pytest.mark.usefixtures("unaudited")
def test_a_study_without_a_leaky_twin_has_a_report_too(plan, muse_folder, tmp_path):
    path = plan(protocols={"recording": {"parameters": {"n_splits": 2}}})
    result = thymos("run", path, "--data", muse_folder, "--out", tmp_path / "out", "--jobs", 1)
    assert result.returncode == 0, result.stderr
    assert "Leaky twin beside" not in (tmp_path / "out" / "report.html").read_text()


def test_damaged_runs_end_with_one_message_and_status_2(plan, muse_folder, run_folder):
    (run_folder / "folds.parquet").unlink()
    result = thymos("report", run_folder)
    assert result.returncode == 2
    assert "has lost its folds" in result.stderr
    (run_folder / "study.json").write_text("{}")
    for arguments in (["report", run_folder], ["run", plan(), "--data", muse_folder, "--out", run_folder]):
        result = thymos(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr
        assert "study.json lacks" in result.stderr


def test_simulated_corpora_are_written_and_never_over_real_ones(tmp_path):
    arguments = "simulate", "muse-mental-state", "--out", tmp_path, "--null", "--set", "seconds=2"
    result = thymos(*arguments, "--set", "subjects=1", "--set", "takes=1", "--seed", 3)
    assert result.returncode == 0, result.stderr
    assert "SIMULATED.json" in result.stdout
    truth = json.loads((tmp_path / "muse-mental-state" / "SIMULATED.json").read_text())["parameters"]
    assert (truth["random_state"], truth["null"], truth["subjects"]) == (3, True, 1)
    assert "readable" in thymos("check", "muse-mental-state", "--data", tmp_path).stdout
    (tmp_path / "muse-mental-state" / "SIMULATED.json").unlink()
    for wrong, expected in (
        (arguments, "was not simulated"),
        (("simulate", "muse-mental-stat", "--out", tmp_path), "'muse-mental-state'"),
        ((*arguments, "--set", "subjcts=2"), "'subjects'"),
        ((*arguments, "--set", "subjects"), "name=value"),
        ((*arguments, "--set", "null=1"), "null are given otherwise"),
    ):
        result = thymos(*wrong)
        assert result.returncode == 2
        assert expected in result.stderr
        assert "Traceback" not in result.stderr


def test_the_package_is_a_command_too():
    result = subprocess.run([sys.executable, "-m", "thymos", "--version"], capture_output=True, text=True)
    assert result.stdout.strip() == "0.1.0"


def test_an_audit_says_clean_leak_or_unusable_by_its_status(plan, muse_folder, tmp_path):
    clean = thymos("audit", plan(), "--data", muse_folder)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "small: clean" in clean.stdout
    assert "as declared  group  random_window (LEAKY)" in clean.stdout
    folder = muse_folder / "muse-mental-state"
    for name in ("subjectb-neutral-2.csv", "subjectc-neutral-1.csv"):
        (folder / name).write_text((folder / "subjecta-neutral-1.csv").read_text())
    leak = thymos("audit", plan(), "--data", muse_folder)
    assert leak.returncode == 1
    assert "LEAK  duplicate  recording" in leak.stdout
    assert "a-neutral-1 = b-neutral-2 = c-neutral-1" in leak.stdout
    assert "evidence: " in leak.stdout
    assert "what to do: remove the copies" in leak.stdout
    for arguments, expected in (
        (("lstm-gru-mus",), "Did you mean 'lstm-gru-muse'"),
        ((plan(), "--data", tmp_path / "nowhere"), "There is no folder"),
        ((tmp_path / "nowhere",), "There is no study"),
        ((tmp_path,), "holds no run"),
    ):
        wrong = thymos("audit", *arguments)
        assert wrong.returncode == 2
        assert expected in wrong.stderr
        assert "Traceback" not in wrong.stderr


def test_a_method_that_looks_at_the_test_part_is_found(plan, muse_folder, own_module):
    own_module(
        "cheating",
        "import numpy as np\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "class BatchNormalised(LogisticRegression):\n"
        "    def predict_proba(self, X):\n"
        "        return super().predict_proba((X - X.mean(axis=0)) / X.std(axis=0))\n",
    )
    methods = {"mine": {"steps": ["window_statistics", "flatten", "cheating:BatchNormalised"]}}
    found = thymos("audit", plan(methods=methods), "--data", muse_folder)
    assert found.returncode == 1, found.stderr
    assert "LEAK  features" in found.stdout
    assert "methods.mine" in found.stdout


def test_a_run_is_audited_by_its_folder(muse_folder, run_folder):
    result = thymos("audit", run_folder, "--data", muse_folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "stored splits" in result.stdout
    (muse_folder / "muse-mental-state" / "subjecta-neutral-1.csv").unlink()
    other = thymos("audit", run_folder, "--data", muse_folder)
    assert other.returncode == 2
    assert "not those of the run" in other.stderr


def test_a_study_of_the_baseline_alone_has_a_report_and_an_audit(plan, muse_folder, tmp_path):
    path = plan(protocols={"recording": {"parameters": {"n_splits": 2}}}, methods={})
    run = thymos("run", path, "--data", muse_folder, "--out", tmp_path / "out", "--jobs", 1)
    if run.returncode == 2:  # refused in words is as good
        assert "methods" in run.stderr
        return
    assert run.returncode == 0, run.stderr
    assert thymos("audit", path, "--data", muse_folder).returncode in (0, 1)


def test_a_run_of_another_version_is_refused_in_words(muse_folder, run_folder):
    facts = json.loads((run_folder / "study.json").read_text())
    facts["study"]["key_of_tomorrow"] = 1
    (run_folder / "study.json").write_text(json.dumps(facts))
    for command, *options in (("report",), ("audit", "--data", muse_folder)):
        result = thymos(command, run_folder, *options)
        assert result.returncode == 2, result.stderr
        assert "key_of_tomorrow" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_system_is_reproduced_on_the_simulator_and_what_is_not_here_is_said(thymos, tmp_path, monkeypatch):
    status, printed, said = thymos("reproduce", "--list")
    assert status == 0
    assert "lstm-gru: LSTM against GRU" in printed
    where = ("--budget", "tiny", "--jobs", "1", "--no-cache", "--out", tmp_path / "t")
    status, printed, said = thymos("reproduce", "lstm-gru", "--simulated", *where)
    assert status == 0, said
    assert (tmp_path / "t" / "truth.html").exists()
    assert (tmp_path / "t" / "truth.csv").exists()
    assert "lstm-gru-demo" in (tmp_path / "t" / "truth.html").read_text()
    status, _, said = thymos("reproduce", "lstm-gru", "--data", tmp_path, *where)
    assert status == 2
    assert "No study has a result" in said
    assert thymos("reproduce", "lell")[0] == 2

    def absent(*of, **options):
        raise DataError("its corpus is gone")

    monkeypatch.setattr("thymos.evaluation.runner.run_study", absent)
    assert thymos("reproduce", "masked-gan", "--simulated", *where)[0] == 0
    text = (tmp_path / "t" / "truth.html").read_text()
    assert "mgan-nas-demo: its corpus is gone" in text
    assert "lstm-gru-demo, trial:" in text, "the page keeps what was run here"
    assert thymos("reproduce", "lstm-gru", "--simulated", *where)[0] == 0
    assert "lstm-gru-demo, trial:" in (tmp_path / "t" / "truth.html").read_text()
    table = tmp_path / "t" / "truth.csv"
    status, _, said = thymos("reproduce", "lstm-gru", "--simulated", *where[:-1], tmp_path / "u", "--add", table)
    assert (status, said) == (0, ""), "what was run elsewhere is not run here"
    assert "run elsewhere" in (tmp_path / "u" / "truth.html").read_text()
    assert thymos("reproduce", "lel", "--add", tmp_path / "t" / "truth.html", *where)[0] == 2
    assert thymos("reproduce", "lel", "--simulated", "--out", table)[0] == 2


def test_doctor_names_what_is_there_and_fails_where_nothing_would_work(monkeypatch, muse_folder):
    told = thymos("doctor", "--data", muse_folder)
    assert told.returncode == 0
    assert "muse-mental-state" in told.stdout
    assert "extra deploy" in told.stdout
    from thymos.base import doctor

    wrong = doctor.Line("packages it always needs", "wrong", "numpy [is] not installed", "pip install thymos")
    monkeypatch.setattr(doctor, "environment", lambda cache: [wrong])
    told = thymos("doctor")
    assert told.returncode == 1
    assert "wrong   packages it always needs: numpy [is] not installed" in told.stdout
    assert "pip install thymos" in told.stdout


def test_demo_runs_the_five_systems_small_on_simulated_data(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("thymos.cli.systems.reproduce", lambda **options: asked.append(options))
    assert thymos("demo", "--out", tmp_path).returncode == 0
    assert asked == [{"simulated": True, "budget": "brief", "out": tmp_path}]


def test_systems_of_which_all_fits_fail_are_no_success(thymos, tmp_path, monkeypatch):
    from thymos.evaluation import runner

    def broken(*of):
        raise RuntimeError("no fit works today")

    monkeypatch.setattr(runner, "fit_folds", broken)
    elsewhere = Path(__file__).resolve().parent.parent / "results" / "truth.csv"
    where = ("--budget", "tiny", "--out", tmp_path / "t", "--jobs", "1", "--add", elsewhere)
    status, _, said = thymos("reproduce", "lstm-gru", "--simulated", *where)
    assert status == 1, said
    assert "fits failed" in said
    assert "measured before" not in said


LONG = """
name: long
title: Takes long
source: {simulated-eeg: {subjects: 1, trials: 8, seconds: 2.0, montage: muse4}}
windows: {seconds: 1.0}
target: {label: valence, above: 5.0}
protocols: {trial: {parameters: {n_splits: 2}}}
methods:
  mlp: {steps: [{mlp: {hidden: [4], max_epochs: 1000000, patience: 1000000}}]}
"""


def wait_until(true):
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="groups of processes are those of POSIX")
def test_a_run_that_a_scheduler_ends_takes_its_workers_along_and_can_be_continued(tmp_path):
    (tmp_path / "long.yaml").write_text(LONG)
    said, begun = tmp_path / "said", ".thymos-*/begun/*"
    command = [sys.executable, "-m", "thymos", "run", tmp_path / "long.yaml", "--out", tmp_path / "run", "--jobs", "2"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with said.open("w") as file:
        process = subprocess.Popen(command, stderr=file, start_new_session=True, env=env)
    try:
        wait_until(lambda: len(list(tmp_path.glob(begun))) == 2)  # fits that will not end
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        wait_until(lambda: not alive(process.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert said.read_text().strip().endswith("the same command continues from there.")
    assert "Warning" not in said.read_text()
