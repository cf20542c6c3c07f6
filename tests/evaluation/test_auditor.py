import contextlib
import copy
import itertools
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from thymos.base.errors import DataError, StudyError
from thymos.evaluation import LeaveOneSubjectOut, RecordingSplit, TrialSplit, auditor
from thymos.evaluation.auditor import Audit, _as_well, _best, audit_data, audit_study, try_method
from thymos.evaluation.results import Results
from thymos.evaluation.runner import run_study
from thymos.evaluation.study_files import load_study, parse_study
from thymos.report.audit import collect
from thymos.signals.scaling import Flatten
from thymos.training.pipeline import make_pipeline

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
    assert "less than a nearest neighbour, which stands for the methods" in day["text"], (
        "the day cannot be an emotion, however little it tells"
    )
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
    muse_study["protocols"]["random_window"] = {"parameters": {"n_splits": 2}, "twin_of": "recording"}
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
    facts = json.loads((tmp_path / "run" / "environment.json").read_text())
    facts["split_digests"] = dict.fromkeys(facts["split_digests"], "another")
    (tmp_path / "run" / "environment.json").write_text(json.dumps(facts))
    other = audit_study(plan, muse_folder, Results(tmp_path / "run"))
    again = [f for f in other.findings if "split in another way" in f["text"]]
    found = {f["protocol"]: f["leaky"] for f in again}
    assert found == {"recording": False, "random_window": False}, "a control does not declare that"
    (muse_folder / "muse-mental-state" / "subjecta-relaxed-1.csv").unlink()
    with pytest.raises(DataError) as error:
        audit_study(plan, muse_folder, outcome.results)
    words(error.value, "not those of the run", "fingerprint")


def by_window(self, meta):
    return np.arange(len(meta))[:, None]


def test_a_split_that_leaks_is_found_by_its_keys_by_permuted_labels_and_by_the_simulator(monkeypatch):
    monkeypatch.setattr("thymos.evaluation.splitters.TrialSplit.groups", by_window)
    study = copy.deepcopy(SIMULATED)
    study["source"]["simulated-eeg"] |= {"subjects": 3, "trials": 12, "seconds": 10.0, "fingerprint": 2.0}
    audit = audit_study(parse_study(study))
    found = [f for f in audit.findings if not f["leaky"]]
    assert "group" in {f["kind"] for f in found}
    hidden = [f["text"] for f in found if f["kind"] == "hidden"]
    assert any("labels permuted between the trials" in text for text in hidden)
    assert any("simulated data without any effect" in text for text in hidden)


def test_a_step_that_splits_windows_by_itself_is_found(muse_folder, muse_study):
    network = {"sklearn.neural_network:MLPClassifier": {"early_stopping": True, "max_iter": 2}}
    muse_study["methods"] = {"mlp": {"steps": ["window_statistics", "flatten", network]}}
    audit = audit_study(parse_study(muse_study), muse_folder)
    assert ("leak", "inner split") in severities(audit)


def test_a_stimulus_that_tells_the_label_is_said_and_nobody_is_accused():
    study = copy.deepcopy(SIMULATED)
    study["source"]["simulated-eeg"] |= {"null": False}
    study["protocols"] = {"loso": {}}
    alone = audit_study(parse_study(study))
    study["protocols"]["subject_stimulus"] = {"parameters": {"n_splits": 2}}
    beside = audit_study(parse_study(study))

    def said(audit):
        return {
            f["severity"] for f in audit.findings if f["text"].startswith("Which stimulus") and f["protocol"] == "loso"
        }

    assert said(alone) == {"note"}, "stimuli are chosen for what they evoke"
    assert said(beside) == {"note"}


def test_features_prepared_with_test_rows_and_samples_made_before_the_split_are_found_in_every_modality(make_samples):
    samples = make_samples(subjects=4, trials=10, shape=(12,), effect=0.3)
    protocols = {"recording": RecordingSplit(5)}

    def kinds(X):
        audit = Audit()
        made = samples.replace(X=X)
        audit_data(audit, made, {"recording": protocols["recording"].folds(made.meta, made.y)}, protocols)
        return {f["kind"] for f in audit.findings}, audit

    scaled = (samples.X - samples.X.mean(axis=0)) / samples.X.std(axis=0)
    between = samples.X.copy()
    between[7] = (between[50] + between[90]) / 2
    label = samples.X.copy()
    label[:, 3] = samples.y == "calm"
    flat = np.zeros_like(samples.X)
    assert kinds(samples.X)[0] == set()
    assert kinds(scaled)[0] == {"statistics"}
    assert "resampling" in kinds(between)[0]
    assert "label" in kinds(label)[0]
    found, audit = kinds({"eeg": scaled, "eda": flat, "ecg": label})
    assert {"statistics", "constant", "label"} <= found
    assert any("features of eda" in text for text in audit.searched)


def test_what_could_not_be_searched_is_said(make_samples):
    few = make_samples(subjects=1, trials=6, shape=(2,))
    protocols = {"trial": TrialSplit(2)}
    audit = Audit()
    audit_data(audit, few, {"trial": protocols["trial"].folds(few.meta, few.y)}, protocols)
    skipped = " ".join(audit.skipped)
    assert "copies (samples of so few values" in skipped
    assert "near copies (the samples vary in" in skipped
    assert "samples interpolated between trials" in skipped
    assert "features that are the label (with fewer than 20 trials" in skipped
    assert not any("copies" in text for text in audit.searched)


def test_an_error_is_as_good_as_the_best_when_it_is_as_low():
    table = pd.DataFrame({"protocol": "loso", "metric": "rmse", "level": "trial", "labels": "true"}, index=range(3))
    table = table.assign(method=["mean", "a", "b"], value=[0.1, 1.0, 3.0])
    study = parse_study(
        {
            **SIMULATED,
            "target": {"label": "valence", "rating": True},
            "metric": "rmse",
            "methods": {"a": {"steps": ["flatten", "ridge"]}},
        }
    )
    assert _best(table, "loso", study) == 1.0
    assert _as_well(0.3, 1.0, "rmse")
    assert not _as_well(1.1, 1.0, "rmse")
    assert _as_well(0.69, 0.7, "accuracy")
    assert not _as_well(0.6, 0.7, "accuracy")


def test_a_method_that_cannot_be_fitted_is_no_clean_study(muse_folder, muse_study, words):
    muse_study["methods"] = {"lda": {"steps": ["window_statistics", "lda"]}}
    with pytest.raises(StudyError) as error:
        audit_study(parse_study(muse_study), muse_folder)
    words(error.value, "methods.lda fails on a few samples")


@pytest.mark.realdata
def test_the_audit_of_the_muse_study_names_contact_and_day_unprompted(real_data):
    data = real_data("muse-mental-state")
    study = load_study("lstm-gru-muse", "quick")
    few = {name: study.methods[name] for name in (study.baseline, "lda")}  # what is probed depends on the data alone
    audit = audit_study(study.model_copy(update={"methods": few}), data)
    table = audit.probes.set_index(["method", "protocol"])["value"]
    assert table["channel scale", "random_window"] == pytest.approx(0.91, abs=0.02)
    assert table["channel scale", "loso"] == pytest.approx(0.70, abs=0.04)
    found = [f for f in audit.findings if f["severity"] == "shortcut"]
    assert any("scale of each channel" in f["text"] and f["examples"][0].startswith("AF8") for f in found)
    assert any("recording day" in f["text"] and any("only concentrating" in e for e in f["examples"]) for f in found)


class Patient(LogisticRegression):
    """A classifier that notes for how long it is trained, and refuses to be trained for too short a time."""

    asked = []  # noqa: RUF012

    def __init__(self, max_epochs=100, least=0):
        super().__init__()
        self.max_epochs = max_epochs
        self.least = least

    def fit(self, X, y):
        self.asked.append(self.max_epochs)
        if self.max_epochs < self.least:
            raise ValueError("too short")
        return super().fit(X, y)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, [2]),
        ({"max_epochs": 1}, [1]),
        ({"least": 3}, [2, 4]),
        ({"least": 5}, [2, 4, 100]),
        ({"max_epochs": "all"}, ["all"]),
    ],
)
def test_a_method_is_tried_for_few_epochs_and_whole_where_that_fails(make_samples, options, asked):
    Patient.asked.clear()
    samples = make_samples()
    pipeline = make_pipeline(Flatten(), Patient(**options))
    with contextlib.suppress(StudyError):
        try_method("patient", pipeline, samples, TrialSplit().folds(samples.meta, samples.y)[0], ["calm", "tense"])
    assert [value for value, _ in itertools.groupby(Patient.asked)] == asked
    assert pipeline[-1].get_params() == Patient(**options).get_params(), "it was changed"


@pytest.mark.parametrize("windows", [30, 10, 1])
def test_a_method_is_tried_on_several_trials_of_each_class_however_long_they_are(make_samples, windows):
    samples = make_samples(subjects=2, trials=24, windows=windows, shape=(1,))
    number = np.unique(samples.meta["trial"], return_inverse=True)[1]
    seen = []

    class Counting(Patient):
        def fit(self, X, y):
            seen.append([len(np.unique(X[y == label])) for label in np.unique(y)])
            return super().fit(X, y)

    fold = TrialSplit(4).folds(samples.meta, samples.y)[0]
    try_method("counting", make_pipeline(Counting()), samples.replace(X=number[:, None]), fold, ["calm", "tense"])
    assert min(min(counts) for counts in seen) >= 4


def test_a_method_is_tried_on_two_people_at_least(make_samples):
    samples = make_samples(subjects=4, trials=60, windows=1, shape=(1,))
    number = np.unique(samples.meta["subject"], return_inverse=True)[1]
    seen = []

    class Meeting(Patient):
        def fit(self, X, y):
            seen.append([len(np.unique(X[y == label])) for label in np.unique(y)])
            return super().fit(X, y)

    fold = LeaveOneSubjectOut().folds(samples.meta, samples.y)[0]
    try_method("meeting", make_pipeline(Meeting()), samples.replace(X=number[:, None]), fold, ["calm", "tense"])
    assert min(min(counts) for counts in seen) == 2


def test_people_of_unequal_labels_are_a_shortcut_where_trials_are_split(make_samples):
    samples = make_samples(subjects=6, trials=20, windows=2, shape=(6,))
    rng = np.random.default_rng(0)
    trial = np.unique(samples.meta["trial"], return_inverse=True)[1]
    leaning = samples.meta["subject"].isin(["s0", "s2", "s4"]).to_numpy()
    mostly = rng.random(trial.max() + 1)[trial] < 0.85
    labels = np.where(mostly == leaning, "tense", "calm")
    folds, protocol = TrialSplit(4).folds(samples.meta, labels), TrialSplit(4)
    study = parse_study(SIMULATED)
    for y, found in ((labels, True), (samples.y, False)):
        audit, planted = Audit(), samples.replace(y=y)
        auditor.audit_probes(
            audit, study, planted, {"trial": folds}, {"trial": protocol}, ["calm", "tense"], pd.DataFrame()
        )
        assert any("Who it is" in f["text"] and f["severity"] == "shortcut" for f in audit.findings) == found


def test_knowing_people_is_no_shortcut_to_a_metric_taken_person_by_person(make_samples):
    samples = make_samples(subjects=10, trials=20, windows=1, shape=(4,))
    trial = np.arange(len(samples)) % 20
    leaning = np.isin(samples.meta["subject"].str[1:].astype(int), range(5))
    labels = np.where((trial < 16) == leaning, "tense", "calm")
    planted = samples.replace(y=labels)
    folds, protocol = TrialSplit(4).folds(samples.meta, labels), TrialSplit(4)
    for metric, found in (("balanced_accuracy", False), ("accuracy", True)):
        study, audit = parse_study({**SIMULATED, "metric": metric}), Audit()
        given = {"trial": folds}, {"trial": protocol}, ["calm", "tense"], pd.DataFrame()
        auditor.audit_probes(audit, study, planted, *given)
        assert any("Who it is" in f["text"] for f in audit.findings) == found


def test_signal_under_several_names_and_people_under_two_are_part_of_the_audit(make_samples, monkeypatch):
    samples = make_samples(subjects=4, trials=6)
    kinds = TrialSplit(3)
    finding = auditor.Finding("two names", "a = b", 1)
    monkeypatch.setattr(auditor, "one_person", lambda *of: [finding])
    monkeypatch.setattr(auditor, "continued", lambda *of: [(folds[0], auditor.Finding("continuation", "cut", 2))])
    for keys, expected in ((("trial",), {"continuation"}), (("subject",), {"continuation", "two names"})):
        kinds.keys, audit = keys, Audit()
        folds = TrialSplit(3).folds(samples.meta, samples.y)
        audit_data(audit, samples, {"trial": folds}, {"trial": kinds})
        assert {f["kind"] for f in audit.findings} & {"continuation", "two names"} == expected
    assert "signal that goes by several names" in " ".join(audit.searched + audit.skipped)


@pytest.mark.parametrize(("n", "found"), [(20, True), (2, False)])
def test_pictures_that_are_others_moved_or_mirrored_are_part_of_the_audit(make_samples, n, found):
    samples = make_samples(subjects=6, trials=10, windows=1, shape=(1, 16, 16))
    X = samples.X.copy()
    X[-n:] = 0.5 * X[:n, :, :, ::-1] + 1  # of the first people, filed as the last one's
    samples, protocols = samples.replace(X=X), {"loso": LeaveOneSubjectOut()}
    audit = Audit()
    audit_data(audit, samples, {"loso": protocols["loso"].folds(samples.meta, samples.y)}, protocols)
    texts = [finding["text"] for finding in audit.findings if finding["kind"] == "near copy"]
    assert bool(texts) == found
    assert all("moved, mirrored, or at another brightness" in text for text in texts)
    assert "pictures that are others, moved, mirrored or at another brightness" in audit.searched
