"""From a study to predictions on files of one's own, as a user types it."""

import io
import json
import re
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from thymos.base.probabilities import Calibration
from thymos.models import RecurrentClassifier
from thymos.serving.bundle import Bundle
from thymos.serving.exported import noise_for
from thymos.signals.scaling import ChannelScaler
from thymos.training.pipeline import make_pipeline

NAMES = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2")
PEOPLE = ("anna", "ben", "carl", "dora")


def write_file(path, mood, seed, seconds=4.0, scale=10.0, names=NAMES, sfreq=128):
    """Write a table of EEG in microvolts; the second half of the channels is louder where people are tense."""
    n = round(seconds * sfreq)
    gains = np.where(np.arange(len(names)) >= len(names) // 2, 2.0 if mood == "tense" else 1.0, 1.0)
    table = pd.DataFrame(
        scale * gains * np.random.default_rng(seed).standard_normal((n, len(names))), columns=list(names)
    )
    table.insert(0, "time", np.arange(n) / sfreq)
    table.to_csv(path, index=False, float_format="%.6g")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with recordings of four people, a manifest of three of them, and a study."""
    folder = tmp_path_factory.mktemp("own")
    rows = []
    for number, person in enumerate(PEOPLE):
        for k in range(4):
            mood = ("calm", "tense")[k % 2]
            name = f"{person}-{k}-{mood}.csv"
            write_file(folder / name, mood, 10 * number + k)
            rows.append({"path": name, "subject": person, "trial": k, "sfreq": 128, "unit": "uV", "mood": mood})
    pd.DataFrame(rows[:12]).to_csv(folder / "manifest.csv", index=False)
    pd.DataFrame(rows[12:]).drop(columns="mood").to_csv(folder / "dora.csv", index=False)
    study = {
        "name": "moods",
        "title": "Moods",
        "source": {"manifest": {"path": "manifest.csv"}},
        "process": [{"resample": {"to": 64}}],
        "windows": {"seconds": 1.0},
        "target": {"label": "mood"},
        "protocols": {"loso": {}, "random_window": {"twin_of": "loso"}},
        "methods": {"lda": {"title": "LDA", "steps": ["window_statistics", "flatten", "channel_scaler", "lda"]}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder


@pytest.fixture
def model(place, thymos):
    folder = place / "model"
    if not folder.exists():
        status, printed, said = thymos("train", place / "study.yaml", "--method", "lda", "--out", folder, "--no-cache")
        assert status == 0, said
        for words in ("LDA: 32 windows for training, 16 for validation", "calibration: temperature", "no test result"):
            assert words in printed
        assert printed.endswith(f"written: {folder}\n")
    return folder


def test_files_of_a_new_person_are_predicted_by_window_and_by_trial(place, model, thymos):
    files = sorted(place.glob("dora-*.csv"))
    status, printed, said = thymos("predict", model, *files)
    assert status == 0, said
    table = pd.read_csv(io.StringIO(printed))
    assert table["level"].value_counts().to_dict() == {"window": 16, "trial": 4}
    trials = table[table["level"] == "trial"]
    assert trials["trial"].tolist() == list(map(str, files))
    assert trials["predicted"].tolist() == ["calm", "tense", "calm", "tense"]
    assert np.allclose(table[["p_calm", "p_tense"]].sum(axis=1), 1)
    assert f"{files[0]} and 3 more: no unit is given; the values are taken as uV" in said
    assert "is not in its card" in said
    listed = pd.read_csv(io.StringIO(thymos("predict", model, place / "dora.csv", "--level", "trial")[1]))
    assert listed["trial"].tolist() == [f"dora-1-{k}" for k in range(4)]
    assert np.allclose(listed["p_calm"], trials["p_calm"])


@pytest.mark.parametrize(("said", "threads"), [(None, 1), ("2", 2)])
def test_a_network_answers_on_one_thread_unless_told_otherwise(said, threads, place, model, thymos, monkeypatch):
    used = []

    def predict(bundle, recordings, notes=None):
        used.append(torch.get_num_threads())
        return original(bundle, recordings, notes)

    original = Bundle.predict
    monkeypatch.setattr(Bundle, "predict", predict)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert thymos("predict", model, *sorted(place.glob("dora-*.csv")))[0] == 0
        assert set(used) == {threads}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_json_goes_into_a_file_that_is_not_overwritten_unasked(place, model, thymos, tmp_path):
    out = tmp_path / "new" / "p.json"
    command = ("predict", model, place / "anna-0-calm.csv", "--format", "json", "--out", out)
    status, printed, _ = thymos(*command)
    assert (status, printed) == (0, "")
    found = json.loads(out.read_text())
    assert (found["classes"], found["decided by"], len(found["windows"]), len(found["trials"])) == (
        ["calm", "tense"],
        "trial",
        4,
        1,
    )
    assert any("has seen this recording (" in note["text"] for note in found["notes"])
    status, _, said = thymos(*command)
    assert status == 2
    assert "is there already" in said
    assert thymos(*command, "--overwrite")[0] == 0
    assert [p.name for p in out.parent.iterdir()] == ["p.json"]


def test_a_file_that_does_not_fit_leaves_the_others_and_shows_in_the_status(place, model, thymos, tmp_path):
    write_file(tmp_path / "loud.csv", "calm", 1, scale=1e7)
    write_file(tmp_path / "few.csv", "calm", 1, names=NAMES[:4])
    write_file(tmp_path / "slow.csv", "calm", 1, sfreq=100)
    write_file(tmp_path / "short.csv", "calm", 1, seconds=0.5)
    (tmp_path / "empty.csv").write_text("")
    bad = sorted(tmp_path.glob("*.csv"))
    status, printed, said = thymos("predict", model, place / "dora-0-calm.csv", *bad, tmp_path / "gone.edf")
    assert status == 1
    assert len(pd.read_csv(io.StringIO(printed))) == 5
    for words in ("microvolts", "lacks 6 of the 10 channels", "rate is 100 Hz", "is empty", "no file", "shorter than"):
        assert words in said
    assert "Traceback" not in said
    status, printed, said = thymos("predict", model, bad[0], "--out", tmp_path / "p.csv")
    assert (status, printed) == (2, "")
    assert not (tmp_path / "p.csv").exists()


def test_trials_of_one_name_from_two_manifests_are_not_taken_for_one(place, model, thymos, tmp_path):
    write_file(tmp_path / "dora-0-calm.csv", "tense", 99)
    other = tmp_path / "dora.csv"
    pd.read_csv(place / "dora.csv").head(1).to_csv(other, index=False)
    status, printed, said = thymos("predict", model, place / "dora.csv", other)
    assert (status, printed) == (2, "")
    for words in ("'dora-1-0'", str(place / "dora.csv"), str(other)):
        assert words in said
    labels = tmp_path / "labels.csv"
    labels.write_text("trial,label\ndora-1-0,calm\ndora-1-1,tense\n")
    assert thymos("calibrate", model, place / "dora.csv", other, "--labels", labels, "--out", tmp_path / "new")[0] == 2


def test_recordings_of_a_corpus_can_be_predicted(place, model, thymos):
    command = ("predict", model, "--source", "simulated-eeg", "--subject", "s01", "--level", "trial")
    status, printed, said = thymos(*command)
    assert status == 0, said
    assert set(pd.read_csv(io.StringIO(printed))["trial"].str[:4]) == {"s01-"}
    assert "channels that the model does not know, not used: " in said
    for arguments, words in (
        ((), "No recordings came"),
        ((place / "dora.csv", "--source", "deap"), "Files and a --source came"),
        (("--source", "daep"), "Did you mean 'deap'"),
        ((place / "dora.csv", "--level", "trail"), "Did you mean 'trial'"),
        ((place / "dora.csv", "--format", "xml"), "csv, json"),
    ):
        status, _, said = thymos("predict", model, *arguments)
        assert status == 2
        assert words in said
    status, _, said = thymos("predict", place, place / "dora.csv")
    assert status == 2
    assert "cannot be used as a bundle" in said


def test_few_labelled_trials_calibrate_a_model_to_a_person(place, model, thymos, tmp_path):
    files = sorted(place.glob("dora-*.csv"))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n" + "\n".join(f"{f.name},{f.stem.split('-')[2]}" for f in files) + "\n")
    command = ("calibrate", model, *files, "--labels", labels, "--few-shot", 1, "--out", tmp_path / "dora")
    status, printed, said = thymos(*command)
    assert status == 0, said
    for words in ("2 trials used (1 calm, 1 tense)", "the other 2 labelled trials, after: accuracy", "later test"):
        assert words in printed
    found, before = Bundle.load(tmp_path / "dora"), Bundle.load(model)
    assert found.card["calibrated"]["trials"] == [str(files[0]), str(files[1])]
    assert len(found.calibration.bias) == 2
    assert before.calibration.bias == ()
    assert "(calibration)" in thymos("predict", tmp_path / "dora", files[0])[2]
    assert thymos(*command)[0] == 2
    for text, words in (
        ("file,label\ndora-0-calm.csv,clam\n", "Did you mean 'calm'"),
        ("file,mood\na,b\n", "the columns file, mood"),
        ("file,label\na,calm\na,calm\n", "lists 'a' twice"),
        ("file,label\na,calm\n", "None of the 1 labels"),
    ):
        labels.write_text(text)
        status, _, said = thymos(*command[:-1], tmp_path / "other")
        assert status == 2
        assert words in said
    labels.write_text("file,label\ndora-0-calm.csv,calm\n")
    status, _, said = thymos(
        "calibrate", model, files[0], tmp_path / "gone.csv", "--labels", labels, "--out", tmp_path / "x"
    )
    assert (status, "There is no file" in said) == (2, True)
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_trained_is_refused_before_data_are_read(place, model, thymos, tmp_path, monkeypatch):
    monkeypatch.setattr("thymos.evaluation.final.make_samples", lambda *a: pytest.fail("data were read"))
    for arguments, words in (
        (("--method", "lda", "--out", model), "already exists"),
        (("--method", "lda", "--out", place, "--overwrite"), "a folder that holds a bundle"),
        (("--method", "ldaa", "--out", tmp_path / "m"), "Did you mean 'lda'"),
        (("--method", "lda", "--out", tmp_path / "m", "--protocol", "random_window"), "leaks"),
        (("--method", "lda", "--out", tmp_path / "m", "--run", tmp_path), "is not a readable run"),
    ):
        status, printed, said = thymos("train", place / "study.yaml", *arguments)
        assert (status, printed) == (2, "")
        assert words in said
    assert not (tmp_path / "m").exists()


def test_a_step_of_ones_own_is_refused_before_anything_is_trained(place, thymos, tmp_path, monkeypatch):
    (tmp_path / "my_steps.py").write_text(
        "from sklearn.linear_model import LogisticRegression\nclass Mine(LogisticRegression):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    study = yaml.safe_load((place / "study.yaml").read_text())
    study["methods"]["mine"] = {"steps": ["window_statistics", "flatten", "my_steps:Mine"]}
    (place / "mine.yaml").write_text(yaml.safe_dump(study))
    command = ("train", place / "mine.yaml", "--method", "mine", "--no-cache", "--out", tmp_path / "m")
    with monkeypatch.context() as patch:
        patch.setattr("thymos.evaluation.final.fit_method", lambda *a: pytest.fail("it was trained"))
        status, _, said = thymos(*command)
    assert status == 2
    assert "my_steps.Mine" in said
    assert thymos(*command, "--trust", "my_steps.Mine")[0] == 0
    assert "not trusted: my_steps.Mine" in thymos("predict", tmp_path / "m", place / "dora.csv")[2]
    assert thymos("predict", tmp_path / "m", place / "dora.csv", "--trust", "my_steps.Mine")[0] == 0


def test_maps_of_what_a_model_uses_are_written(place, model, thymos, tmp_path):
    files = sorted(place.glob("dora-*.csv"))
    out, labels = tmp_path / "maps", tmp_path / "labels.csv"
    names = [path.name for path in files]
    pd.DataFrame({"file": names, "label": [name.split("-")[-1][:-4] for name in names]}).to_csv(labels, index=False)
    status, printed, said = thymos("explain", model, *files, "--out", out, "--labels", labels)
    assert status == 0, said
    assert f"written: {out / 'saliency.html'}" in printed
    table = pd.read_csv(out / "saliency.csv")
    whole = table[(table["channel"] == "all") & (table["band"] == "all")]
    assert set(whole["map"]) == {"all", "calm", "tense"}
    assert whole["value"].min() > 1, "with everything of another trial nothing is left of a model that is right"
    assert set(table["channel"]) == {*NAMES, "all"}
    unsure = Bundle.load(model).replace(calibration=Calibration(50.0)).save(tmp_path / "unsure")
    windows = pd.read_csv(io.StringIO(thymos("predict", unsure, *files, "--level", "window")[1]))
    assert thymos("explain", unsure, *files, "--out", tmp_path / "more")[0] == 0
    told = pd.read_csv(tmp_path / "more" / "predictions.csv")
    assert np.allclose(told[["p[calm]", "p[tense]"]], windows[["p_calm", "p_tense"]], atol=1e-5)
    pd.DataFrame({"file": ["another.csv"], "label": ["calm"]}).to_csv(labels, index=False)
    status, _, said = thymos("explain", model, *files, "--out", tmp_path / "no", "--labels", labels)
    assert (status, "No recording is left" in said) == (2, True)
    status, _, said = thymos("explain", model, *files, "--out", tmp_path / "no", "--method", "gradients")
    assert status == 2
    assert "permutation" in said
    assert not (tmp_path / "no").exists()
    status, _, said = thymos("explain", model, *files, "--out", out)
    assert (status, "is there already" in said) == (2, True)


def test_features_before_the_pipeline_are_named_as_they_were_computed(place, thymos, tmp_path):
    """Which frequencies there are depends on rate and length of the windows."""
    study = yaml.safe_load((place / "study.yaml").read_text())
    study["features"] = [{"power_spectral_density": {"low": 4, "high": 8}}]
    study["methods"] = {"lda": {"steps": ["flatten", "channel_scaler", "lda"]}}
    (place / "density.yaml").write_text(yaml.safe_dump(study))
    model, out = tmp_path / "m", tmp_path / "maps"
    assert thymos("train", place / "density.yaml", "--method", "lda", "--no-cache", "--out", model)[0] == 0
    status, _, said = thymos("explain", model, *sorted(place.glob("dora-*.csv")), "--out", out)
    assert status == 0, said
    assert set(pd.read_csv(out / "saliency.csv")["band"]) == {"4Hz", "5Hz", "6Hz", "7Hz", "8Hz", "all"}


@pytest.mark.usefixtures("unaudited")
def test_what_stands_in_brackets_is_printed_as_it_is(place, thymos, tmp_path):
    study = yaml.safe_load((place / "study.yaml").read_text()) | {"title": "Moods [bold][/x]"}
    study["protocols"] = {
        "loso [/x]": {"split": "loso"},
        "deal [b]": {"split": "random_window", "twin_of": "loso [/x]"},
    }
    (place / "odd.yaml").write_text(yaml.safe_dump(study))
    out = tmp_path / "[v2][/x]"
    status, printed, said = thymos("run", place / "odd.yaml", "--out", out, "--no-cache", "--engine", "sequential")
    assert status == 0, said
    assert printed.startswith("Moods [bold][/x]  budget quick")
    assert f"report: {out}/" in printed
    status, printed, said = thymos("audit", place / "odd.yaml", "--no-cache")
    assert "deal [b]" in printed, said
    status, printed, said = thymos("train", place / "odd.yaml", "--method", "lda", "--out", out / "m", "--no-cache")
    assert status == 0, said
    assert printed.endswith(f"written: {out / 'm'}\n")


def test_predictions_never_take_the_place_of_a_recording(place, model, thymos, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_bytes((place / "dora-0-calm.csv").read_bytes())
    before = file.read_bytes()
    status, _, said = thymos("predict", model, file, "--out", file, "--overwrite")
    assert (status, "is one of the files that are read" in said) == (2, True)
    other = tmp_path / "other.edf"
    other.write_bytes(b"signal")
    status, _, said = thymos("predict", model, file, "--out", other, "--overwrite")
    assert (status, "is no table" in said) == (2, True)
    assert (file.read_bytes(), other.read_bytes()) == (before, b"signal")
    status, _, said = thymos("predict", model, file, file)
    assert (status, "came more than once, predicted once" in said) == (0, True)


def test_a_file_without_a_window_counts_as_not_predicted(model, thymos, tmp_path):
    write_file(tmp_path / "short.csv", "calm", 0, seconds=0.5)
    status, _, said = thymos("predict", model, tmp_path / "short.csv")
    assert (status, "shorter than a window" in said) == (2, True)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["dora-0-calm.csv", "dora-9-calm.csv"], "belong to no recording"), (["anna-0-calm.csv"], "has seen")],
)
def test_labels_that_mean_nothing_do_not_calibrate(names, expected, place, model, thymos, tmp_path):
    labels = tmp_path / "labels.csv"
    pd.DataFrame({"file": names, "label": "calm"}).to_csv(labels, index=False)
    files = sorted(place.glob(names[0].split("-")[0] + "-*.csv"))
    status, _, said = thymos("calibrate", model, *files, "--labels", labels, "--out", tmp_path / "new")
    assert (status, expected in said) == (2, True), said
    assert not (tmp_path / "new").exists()


def test_an_exported_model_predicts_the_same(place, model, thymos, tmp_path):
    files = sorted(place.glob("dora-*.csv"))
    status, printed, said = thymos("export", model, *files, "--out", tmp_path / "onnx")
    assert status == 0, said
    for words in ("before it, by Thymos: windowstatistics", "in the graph: flattening", "samples of recordings"):
        assert words in printed
    head = json.loads((tmp_path / "onnx" / "export.json").read_text())
    assert {row["model"] for row in head["costs"]} == {"trained", "model.onnx"}
    assert all(row["p50_1"] > 0 for row in head["costs"])
    assert set(head["window"]) == {"trained", "model.onnx"}
    tables = []
    for more in ((), ("--onnx", tmp_path / "onnx" / "model.onnx")):
        status, printed, said = thymos("predict", model, *files, *more)
        assert status == 0, said
        tables.append(pd.read_csv(io.StringIO(printed)))
    columns = ["p_calm", "p_tense"]
    assert tables[0].drop(columns=columns).equals(tables[1].drop(columns=columns))
    assert np.allclose(tables[0][columns], tables[1][columns], atol=1e-5)
    assert not np.array_equal(tables[0][columns], tables[1][columns]), "ONNX Runtime computes in single precision"


@pytest.mark.usefixtures("unmeasured")
def test_an_export_of_another_bundle_or_to_a_folder_of_something_else_is_refused(place, model, thymos, tmp_path):
    Bundle.load(model).replace(calibration=Calibration(3.0)).save(tmp_path / "other")
    assert thymos("export", tmp_path / "other", "--out", tmp_path / "onnx")[0] == 0
    dora = sorted(place.glob("dora-*.csv"))[0]
    status, _, said = thymos("predict", model, dora, "--onnx", tmp_path / "onnx" / "model.onnx")
    assert status == 2
    assert "was not exported from this bundle" in said
    assert thymos("export", model, "--format", "tflite")[0] == 2
    status, _, said = thymos("export", model, "--out", place, "--overwrite")
    assert status == 2
    assert "a folder that holds an exported model" in said
    assert (place / "study.yaml").exists()


@pytest.mark.usefixtures("unmeasured")
def test_a_model_that_is_no_network_is_written_without_one_in_eight_bits(model, thymos, tmp_path, monkeypatch):
    bundle = tmp_path / "mine"
    Bundle.load(model).save(bundle)
    monkeypatch.chdir(bundle)
    status, printed, said = thymos("export", ".", "--int8")
    assert status == 1
    assert f"written: {tmp_path / 'mine-onnx'}" in printed
    assert "there is no model in eight bits: LinearDiscriminantAnalysis is no network" in said
    head = json.loads((tmp_path / "mine-onnx" / "export.json").read_text())
    assert head["int8"]["reason"] in said
    assert {path.name for path in (tmp_path / "mine-onnx").iterdir()} == {"export.json", "model.onnx"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "mine-onnx"]


@pytest.mark.usefixtures("unmeasured")
def test_a_recurrent_network_in_eight_bits_says_what_a_loud_neighbour_does(model, thymos, tmp_path):
    known = Bundle.load(model)
    X = known.samples(noise_for(known.recipe)).X
    network = RecurrentClassifier(max_epochs=1, hidden=4, device="cpu", random_state=0)
    pipeline = make_pipeline(ChannelScaler(), network).fit(X, np.resize(known.classes, len(X)))
    known.replace(pipeline=pipeline).save(tmp_path / "mine")
    status, printed, said = thymos("export", tmp_path / "mine", "--int8")
    assert status == 0, said
    head = json.loads((tmp_path / "mine-onnx" / "export.json").read_text())
    assert {row["model"] for row in head["costs"]} == {"trained", "model.onnx", "model.int8.onnx"}
    found = head["int8"]
    assert found["kind"] == "dynamic"
    assert f"beside a sample five times as loud: by up to {found['beside_loud']:.2g}, of 20 samples" in printed


def test_a_recording_is_decided_on_as_if_it_came_piece_by_piece(place, model, thymos, tmp_path):
    out = tmp_path / "new" / "moods.csv"
    command = ("live", model, "--replay", place / "dora-1-tense.csv", "--every", 0.5, "--out", out)
    status, printed, said = thymos(*command)
    assert status == 0
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines[:7]] == ["1.00", "1.50", "2.00", "2.50", "3.00", "3.50", "4.00"]
    assert lines[7].startswith("7 decisions; one takes ")
    assert lines[8].startswith(
        "beside the whole recording at once: 4 windows, 4 decided alike, largest difference of a "
    )
    for words in ("not causal: resample", "what is known of the model is about whole trials", "is not in its card"):
        assert words in said
    table = pd.read_csv(out)
    assert table["stop"].tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    assert table["predicted"].isin(["calm", "tense"]).all()
    assert table[["p_calm", "p_tense"]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert table[["time", "reason"]].isna().all(axis=None)
    before = out.read_bytes()
    status, _, said = thymos(*command)
    assert status == 2
    assert "there already" in said
    assert out.read_bytes() == before
    assert thymos(*command, "--overwrite", "--seconds", 2)[0] == 0
    assert len(pd.read_csv(out)) == 3


def test_a_signal_of_which_nothing_can_be_said_ends_in_status_1(model, thymos, tmp_path):
    write_file(tmp_path / "flat.csv", "calm", 1, scale=0)
    status, printed, _ = thymos("live", model, "--replay", tmp_path / "flat.csv", "--out", tmp_path / "l.csv")
    assert status == 1
    assert printed.count("no decision: ") == 1, "the same reason is said once"
    assert "0 decisions, 4 windows without one" in printed
    table = pd.read_csv(tmp_path / "l.csv")
    assert table["predicted"].isna().all()
    assert table["reason"].str.contains("does not change").all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "No signal came"),
        (("--stream", "x", "--replay", "y.csv"), "A --stream and a --replay came"),
        (("--replay", "y.csv"), "There is no file"),
        (("--replay", "{place}/dora.csv"), "holds 4 recordings"),
        (("--replay", "{place}/dora-0-calm.csv", "--out", "moods.json"), "no table"),
        (("--replay", "{place}/dora-0-calm.csv", "--every", 0), "every=0.0 came"),
        (("--replay", "{place}/dora-0-calm.csv", "--over", 0.5), "over=0.5 came"),
    ],
)
def test_what_is_no_stream_is_refused(options, words, place, model, thymos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, said = thymos("live", model, *(str(o).format(place=place) for o in options))
    assert (status, printed) == (2, "")
    assert words in said
    assert not list(tmp_path.iterdir())


def test_a_stream_is_decided_on_and_decisions_are_streamed(place, model, thymos, tmp_path):
    lsl = pytest.importorskip("mne_lsl.lsl")
    cap, mood = (f"{kind}-{uuid.uuid4().hex[:8]}" for kind in ("cap", "mood"))
    info = lsl.StreamInfo(cap, "EEG", len(NAMES) + 1, 128.0, "float32", cap)
    info.set_channel_names([*NAMES, "TRIGGER"])
    info.set_channel_units([*["microvolts"] * len(NAMES), "none"])
    outlet = lsl.StreamOutlet(info)
    if not lsl.resolve_streams(timeout=5.0, name=cap):
        pytest.skip("streams of this machine cannot be found here: its network refuses them")
    table = pd.read_csv(place / "dora-1-tense.csv")[list(NAMES)].to_numpy(np.float32)
    table = np.column_stack([table, np.zeros(len(table))]).astype(np.float32)

    def play():
        outlet.wait_for_consumers(30.0)
        for k in range(0, len(table), 64):
            outlet.push_chunk(table[k : k + 64], 1000.0 + (k + 63) / 128)
            time.sleep(0.2)

    playing = threading.Thread(target=play)
    playing.start()
    out = tmp_path / "moods.csv"
    status, printed, said = thymos("live", model, "--stream", cap, "--wait", 3, "--outlet", mood, "--out", out)
    playing.join()
    assert status == 1, "it ended by itself"
    assert f"Nothing came from the stream '{cap}' for 3 s" in said
    assert "channels in other units, not read: TRIGGER" in said
    found = pd.read_csv(out)
    at_once = pd.read_csv(io.StringIO(thymos("predict", model, place / "dora-1-tense.csv", "--level", "window")[1]))
    mine = at_once[at_once["stop"].isin(found["stop"])]  # what came before it was ready may have been passed over
    assert found["predicted"].tolist() == mine["predicted"].tolist()
    assert found["p_calm"].to_numpy() == pytest.approx(mine["p_calm"].to_numpy(), abs=0.02), "resampling is not causal"
    assert found["stop"].iloc[-1] == 4.0
    assert found["time"].iloc[-1] == pytest.approx(1000.0 + 511 / 128, abs=0.05)
    passed = 4 - len(found)
    assert f"{len(found)} decisions{f', {passed} passed over' if passed else ''}" in printed


@pytest.mark.usefixtures("model")
def test_the_programme_on_the_page_decides(place, monkeypatch, capsys):
    page = (Path(__file__).parent.parent / "docs" / "deploy.md").read_text()
    (code,) = [text for text in re.findall(r"^```python\n(.*?)^```", page, re.S | re.M) if "LivePredictor" in text]
    monkeypatch.chdir(place)
    exec(code, {})
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == [f"{k}.0" for k in range(1, 9)]
    assert {line.split()[1] for line in said} <= {"calm", "tense"}
