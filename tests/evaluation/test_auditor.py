import copy

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError
from thymos.evaluation.auditor import audit_study
from thymos.evaluation.results import Results
from thymos.evaluation.runner import run_study
from thymos.evaluation.study import load_study, parse_study
from thymos.report.audit import collect

SIMULATED = {
    "name": "simulated",
    "title": "Simulated",
    "source": {
        "simulated-eeg": {
            "subjects": 4,
            "trials": 16,
            "seconds": 5.0,
            "montage": "muse4",
            "null": True,
            "fingerprint": 1.0,
        }
    },
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5.0},
    "protocols": {
        "trial": {"parameters": {"n_splits": 3}},
        "random_window": {"parameters": {"n_splits": 3, "within": "subject"}, "twin_of": "trial"},
    },
    "methods": {"lda": {"steps": ["window_statistics", "flatten", "channel_scaler", "lda"]}},
}


def severities(audit, leaky=False):
    return {(f["severity"], f["kind"]) for f in audit.findings if f["leaky"] == leaky}


def test_a_clean_study_is_clean_and_its_controls_leak_as_declared():
    audit = audit_study(parse_study(SIMULATED))
    assert audit.clean
    assert not severities(audit) - {("note", "hint")}
    assert ("leak", "group") in severities(audit, leaky=True)
    controls = audit.controls[audit.controls["level"] == "window"].set_index(["protocol", "labels"])["value"]
    assert {"true", "permuted 1", "permuted 2", "permuted 3", "simulator null"} == set(audit.controls["labels"])
    permuted = [f"permuted {k}" for k in (1, 2, 3)]
    assert controls["random_window"][permuted].mean() > controls["trial"][permuted].mean() + 0.05
    assert any("other labels" in text for text in audit.searched)


def rewrite(folder, change):
    """Change the four electrodes of every file of a Muse folder; `change` gets state, day number and values."""
    for path in sorted((folder / "muse-mental-state").glob("*.csv")):
        table = pd.read_csv(path)
        state = path.name.split("-")[1]
        table.iloc[:, 1:5] = change(state, table.iloc[:, 1:5].to_numpy())
        if state == "relaxed":
            table["timestamps"] += 86_400 * 30
        table.to_csv(path, index=False, float_format="%.6f")


@pytest.fixture
def muse_study():
    study = copy.deepcopy(SIMULATED)
    study |= {"source": "muse-mental-state", "target": {"label": "state"}, "process": [{"resample": {"to": 128}}]}
    study["protocols"] = {"recording": {"parameters": {"n_splits": 2}}}
    return study


def test_contact_and_day_that_stand_for_the_state_are_named_with_the_channel(muse_folder, muse_study):
    loud = {"relaxed": [1, 1, 4, 1], "neutral": [1, 1, 1, 1], "concentrating": [1, 1.6, 1, 1]}
    rewrite(muse_folder, lambda state, x: x * np.array(loud[state]))
    audit = audit_study(parse_study(muse_study), muse_folder)
    assert not audit.clean
    shortcuts = {f["text"].split(" alone")[0]: f for f in audit.findings if f["severity"] == "shortcut"}
    scale = shortcuts["The scale of each channel (log standard deviation)"]
    assert scale["examples"][0].startswith("AF8:")
    assert "relaxed" in scale["examples"][0]
    day = shortcuts["The session (recording day)"]
    assert any("only relaxed" in text for text in day["examples"])
    assert "less than the methods do" in day["text"], "the day cannot be an emotion, however little it tells"
    assert scale["do"]
    assert not any(f["severity"] == "leak" for f in audit.findings)


def test_a_recording_stored_under_two_names_is_a_leak(muse_folder, muse_study):
    folder = muse_folder / "muse-mental-state"
    original = (folder / "subjecta-neutral-1.csv").read_text()
    (folder / "subjectb-neutral-2.csv").write_text(original)
    (folder / "subjectc-neutral-1.csv").write_text(original)
    audit = audit_study(parse_study(muse_study), muse_folder)
    kinds = {f["kind"] for f in audit.findings if f["severity"] == "leak"}
    assert "duplicate" in kinds
    rows = collect(audit.findings)
    assert rows[0]["severity"] == "leak"
    assert "neutral" in rows[0]["examples"]


def test_a_run_is_audited_with_its_own_methods_and_other_data_are_refused(muse_folder, muse_study, tmp_path, words):
    plan = parse_study(muse_study)
    outcome = run_study(plan, tmp_path / "run", muse_folder)
    stored = outcome.results.read_facts("audit")
    audit = audit_study(plan, muse_folder, outcome.results)
    assert set(audit.controls["labels"]) == {"permuted"}
    assert {f["kind"] for f in audit.findings} == {f["kind"] for f in stored["findings"]}
    assert "stored splits and predictions against the splits as they are cut now" in audit.searched
    predictions = sorted((tmp_path / "run" / "predictions").glob("*-lda-true-*"))
    table = pd.read_parquet(predictions[0])
    table.assign(row=table["row"].to_numpy()[::-1] + 10_000).to_parquet(predictions[0])
    broken = audit_study(plan, muse_folder, Results(tmp_path / "run"))
    assert ("leak", "record") in severities(broken)
    (muse_folder / "muse-mental-state" / "subjecta-relaxed-1.csv").unlink()
    with pytest.raises(DataError) as error:
        audit_study(plan, muse_folder, outcome.results)
    words(error.value, "not those of the run", "fingerprint")


@pytest.mark.realdata
def test_the_audit_of_the_muse_study_names_contact_and_day_unprompted(real_data):
    data = real_data("muse-mental-state")
    audit = audit_study(load_study("lstm-gru-muse", "tiny"), data)
    table = audit.probes.set_index(["method", "protocol"])["value"]
    assert table["channel scale", "random_window"] == pytest.approx(0.91, abs=0.02)
    assert table["channel scale", "loso"] == pytest.approx(0.70, abs=0.04)
    found = [f for f in audit.findings if f["severity"] == "shortcut"]
    assert any("scale of each channel" in f["text"] and f["examples"][0].startswith("AF8") for f in found)
    assert any("recording day" in f["text"] and any("only concentrating" in e for e in f["examples"]) for f in found)
