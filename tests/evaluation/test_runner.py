import copy
import json
import shutil
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB

import thymos.evaluation.runner as runner
from thymos.base.checkpoints import checkpoint
from thymos.base.errors import DataError, InputError, LeakError, ProtocolError, StudyError
from thymos.evaluation import TrialSplit, cross_validate, engines
from thymos.evaluation.engines import Engine
from thymos.evaluation.fit import permute_trial_labels
from thymos.evaluation.make import make_samples
from thymos.evaluation.results import Results
from thymos.evaluation.runner import run_study
from thymos.evaluation.study_files import parse_study
from thymos.models.catalogue import MODELS
from thymos.report.page import write_report
from thymos.report.view import RunView
from thymos.signals.scaling import Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.training import stacked
from thymos.training.pipeline import make_pipeline
from thymos.training.states import load_state, save_state

pytestmark = pytest.mark.usefixtures("unaudited")

STUDY = {
    "name": "small",
    "title": "Small",
    "source": "muse-mental-state",
    "process": [{"resample": {"to": 64}}],
    "windows": {"seconds": 1.0, "step": 0.5},
    "target": {"label": "state"},
    "protocols": {
        "recording": {"parameters": {"n_splits": 2}},
        "random_window": {"parameters": {"n_splits": 2}, "twin_of": "recording"},
    },
    "methods": {
        "lda": {"steps": ["window_statistics", "flatten", "channel_scaler", "lda"]},
        "lstm": {"steps": ["channel_scaler", {"recurrent": {"hidden": 2, "max_epochs": 2, "batch_size": 64}}]},
    },
    "seeds": 2,
    "permuted": ["lda"],
}
IDENTITY = ["protocol", "method", "labels", "fold", "seed", "level", "subject"]
TIMES = ["fit_seconds", "predict_seconds", "seconds"]


AUDIT_RUN = runner.audit_run  # which is left out of other tests


def study(**changes):
    return parse_study({**copy.deepcopy(STUDY), **changes})


def rows(results):
    return results.read("rows").sort_values(IDENTITY).reset_index(drop=True).drop(columns=TIMES)


@pytest.fixture(scope="module")
def finished(muse_files, tmp_path_factory):
    """Return a finished run of the study, computed once."""
    return run_study(study(), tmp_path_factory.mktemp("finished") / "run", muse_files)


@pytest.fixture
def done(finished, muse_folder, tmp_path):
    """Return the outcome of a finished run, whose folder a test may change, and its data."""
    shutil.copytree(finished.results.folder, tmp_path / "run")
    return replace(finished, results=Results(tmp_path / "run")), muse_folder


def test_rows_are_tidy_and_complete(done):
    outcome, _ = done
    table = outcome.results.read("rows")
    # majority and LDA once per fold, the network with two seeds; LDA alone with permuted labels
    assert (outcome.done, outcome.kept, outcome.failed) == (2 * 2 * (1 + 1 + 2) + 2 * 2, 0, {})
    assert not table.duplicated(IDENTITY).any()
    fits = table[(table["subject"] == "all") & (table["level"] == "window") & (table["labels"] == "true")]
    assert fits.groupby(["protocol", "method"]).size().to_dict() == {
        (p, m): n for p in ("random_window", "recording") for m, n in (("lda", 2), ("lstm", 4), ("majority", 2))
    }
    assert {"accuracy", "balanced_accuracy", "macro_f1", "kappa", "roc_auc", "log_loss", "brier", "ece"} <= set(table)
    assert table["accuracy"].between(0, 1).all()
    assert set(table["level"]) == {"window", "trial"}


def test_a_protocol_may_have_fewer_seeds():
    protocols = copy.deepcopy(STUDY["protocols"])
    protocols["recording"]["seeds"] = 1
    plan = study(protocols=protocols)
    folds = {"true": {key: [SimpleNamespace(name="0")] for key in plan.protocols}, "permuted": {}}
    estimators = {"majority": GaussianNB(), "lda": GaussianNB(), "lstm": RandomForestClassifier()}
    seeds = Counter((task.protocol, task.method) for task in runner.tasks_of(plan, folds, estimators))
    assert (seeds["recording", "lstm"], seeds["random_window", "lstm"], seeds["recording", "lda"]) == (1, 2, 1)
    assert plan.digest() != study().digest()
    assert '"seeds": null' not in json.dumps(study().model_dump(mode="json")["protocols"])


def test_every_test_prediction_is_kept_and_gives_the_same_metrics(done):
    outcome, folder = done
    predictions = outcome.results.read("predictions")
    samples = make_samples(study(), folder)
    classes = outcome.results.read_facts("data")["classes"]
    for _, part in predictions.groupby(["protocol", "method", "labels", "seed"]):
        assert sorted(part["row"]) == list(range(len(samples)))
    true = predictions[predictions["labels"] == "true"]
    assert np.array_equal(true["label"], samples.y[true["row"]])
    assert np.array_equal(true["trial"], samples.meta["trial"].to_numpy()[true["row"]])
    one = true[(true["method"] == "lda") & (true["protocol"] == "recording") & (true["fold"] == "1")]
    predicted = np.array(classes)[one[["p0", "p1", "p2"]].to_numpy().argmax(axis=1)]
    table = outcome.results.read("rows")
    stored = table.query(
        "protocol == 'recording' and method == 'lda' and labels == 'true' and fold == '1'"
        " and level == 'window' and subject == 'all'"
    )["accuracy"].item()
    assert (predicted == one["label"]).mean() == pytest.approx(stored)


def test_networks_leave_their_training_curves(done):
    outcome, _ = done
    history = outcome.results.read("history")
    assert set(history["method"]) == {"lstm"}
    assert history.groupby(["protocol", "fold", "seed"]).size().eq(2).all()
    assert history[["train_loss", "valid_loss"]].notna().all(axis=None)


def test_the_same_study_gives_the_same_rows_in_one_process_and_in_two(done, tmp_path):
    outcome, folder = done
    again = run_study(study(), tmp_path / "two", folder, engine=Engine("loky", 2))
    pd.testing.assert_frame_equal(rows(outcome.results), rows(again.results))


def test_a_second_run_computes_nothing_and_a_broken_one_only_what_is_missing(done, tmp_path, monkeypatch):
    outcome, folder = done
    before = rows(outcome.results)
    again = run_study(study(), tmp_path / "run", folder)
    assert (again.done, again.kept) == (0, outcome.done)
    victims = sorted((tmp_path / "run" / "rows").iterdir())[::3]
    for victim in victims:
        victim.unlink()
    mended = run_study(study(), tmp_path / "run", folder)
    assert (mended.done, mended.kept) == (len(victims), outcome.done - len(victims))
    pd.testing.assert_frame_equal(rows(mended.results), before)
    assert not list((tmp_path / "run").rglob("*.part"))


def test_an_interruption_keeps_what_is_finished(muse_folder, tmp_path, monkeypatch):
    original, calls = runner.fit_folds, []

    def interrupted(jobs):
        calls.append(jobs)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(jobs)

    monkeypatch.setattr(runner, "fit_folds", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(study(), tmp_path / "run", muse_folder)
    monkeypatch.undo()
    whole = run_study(study(), tmp_path / "whole", muse_folder)
    resumed = run_study(study(), tmp_path / "run", muse_folder)
    assert resumed.kept == 3
    pd.testing.assert_frame_equal(rows(resumed.results), rows(whole.results))


def test_one_failing_method_does_not_take_the_others_along(muse_folder, tmp_path, monkeypatch):
    original = runner.fit_folds

    def failing(jobs):
        if type(jobs[0][0][-1]).__name__ == "RecurrentClassifier":
            raise RuntimeError("out of memory")
        return original(jobs)

    monkeypatch.setattr(runner, "fit_folds", failing)
    outcome = run_study(study(), tmp_path / "run", muse_folder)
    assert len(outcome.failed) == 8
    assert all("/lstm/" in key and "out of memory" in text for key, text in outcome.failed.items())
    assert set(outcome.results.read("rows")["method"]) == {"majority", "lda"}
    assert outcome.results.read_facts("failures") == outcome.failed


def test_states_of_long_loops_are_kept_while_a_run_is_not_finished_and_gone_afterwards(
    muse_folder, tmp_path, monkeypatch
):
    plan = study(methods={"lda": STUDY["methods"]["lda"]}, permuted=[])
    folder, original, known, calls = tmp_path / "run" / "checkpoints", runner.fit_folds, [], []

    def watched(jobs, stop):
        calls.append(jobs)
        place = checkpoint("loop", "some facts")
        assert place.parent == folder
        known.append(load_state(place))
        save_state(place, {"call": len(calls)})
        if len(calls) == stop:
            raise KeyboardInterrupt
        if stop == 0 and len(calls) == 2:
            raise RuntimeError("out of memory")
        return original(jobs)

    monkeypatch.setattr(runner, "_audit", lambda *given: None)
    monkeypatch.setattr(runner, "fit_folds", lambda jobs: watched(jobs, 3))
    with pytest.raises(KeyboardInterrupt):
        run_study(plan, tmp_path / "run", muse_folder)
    assert [p.name.split("-")[0] for p in folder.iterdir()] == ["loop"]
    assert checkpoint("loop", "some facts") is None
    monkeypatch.setattr(runner, "fit_folds", lambda jobs: watched(jobs, 0))
    calls.clear()
    assert len(run_study(plan, tmp_path / "run", muse_folder).failed) == 1
    assert len(list(folder.iterdir())) == 1, "a fit is still missing"
    monkeypatch.setattr(runner, "fit_folds", lambda jobs: watched(jobs, 9))
    calls.clear()
    outcome = run_study(plan, tmp_path / "run", muse_folder)
    assert (outcome.done, outcome.failed) == (1, {})
    assert known[0] is None
    assert all(state is not None for state in known[1:]), "what was kept is there when the run goes on"
    assert not folder.exists()


MLP = {"steps": ["channel_scaler", {"mlp": {"hidden": [3], "max_epochs": 2}}]}


def test_a_stack_is_computed_as_a_whole_and_only_what_is_missing_of_it_is_stored(muse_folder, tmp_path, monkeypatch):
    plan = study(methods={"mlp": MLP}, permuted=[])
    sizes, original = [], runner.fit_folds
    monkeypatch.setattr(runner, "fit_folds", lambda jobs: sizes.append(len(jobs)) or original(jobs))
    whole = run_study(plan, tmp_path / "run", muse_folder)
    assert sorted(sizes) == [1] * 4 + [4, 4], "two folds, two seeds, two protocols; the majority class alone"
    before = rows(whole.results)
    assert before.groupby("method")["trained_together"].unique().map(list).to_dict() == {"majority": [1], "mlp": [4]}
    victim, *_ = (path for path in sorted((tmp_path / "run" / "rows").iterdir()) if "mlp" in path.name)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "rows").iterdir() if path != victim}
    victim.unlink()
    again = run_study(plan, tmp_path / "run", muse_folder)
    assert (again.done, sizes[-1]) == (1, 4)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    pd.testing.assert_frame_equal(rows(again.results), before)


def test_a_stack_holds_no_more_models_than_allowed_inner_fits_included(muse_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_STACK_MODELS", 6)
    sizes, original = [], stacked._train
    monkeypatch.setattr(stacked, "_train", lambda made, ready: sizes.append(len(made)) or original(made, ready))
    protocols = {"recording": {"parameters": {"n_splits": 2, "inner": 2}}}
    outcome = run_study(study(methods={"mlp": MLP}, protocols=protocols, permuted=[], seeds=4), tmp_path, muse_folder)
    assert outcome.failed == {}
    assert max(sizes) == 6, "three fits with two inner folds each"


def test_what_cannot_be_stacked_after_all_is_trained_alone(muse_folder, tmp_path, monkeypatch):
    def broken(made, ready):
        raise RuntimeError("vmap knows no such thing")

    monkeypatch.setattr(stacked, "_train", broken)
    outcome = run_study(study(methods={"mlp": MLP}, permuted=[]), tmp_path, muse_folder)
    assert outcome.failed == {}
    assert set(outcome.results.read("rows")["trained_together"]) == {1}


def test_a_cluster_that_does_not_answer_is_noticed_before_anything_is_read(muse_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_PATIENCE", 0.5)
    monkeypatch.setattr(runner, "make_samples", lambda *args: pytest.fail("data were read"))
    with pytest.raises(InputError, match="No Dask scheduler answers"):
        run_study(study(), tmp_path / "run", muse_folder, engine=Engine("dask", address="tcp://127.0.0.1:9"))


def test_a_stack_holds_no_more_than_memory_allows(muse_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_STACK_BYTES", 1)
    sizes, original = [], runner.fit_folds
    monkeypatch.setattr(runner, "fit_folds", lambda jobs: sizes.append(len(jobs)) or original(jobs))
    run_study(study(methods={"mlp": MLP}, permuted=[]), tmp_path / "run", muse_folder)
    assert set(sizes) == {1}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["lda"], ["methods.wrong fails on a few samples", "ValueError", "flatten"]),
        ([{"recurrent": {"cell": "lstmm"}}], ["methods.wrong", "cell='lstmm'", "'lstm'"]),
        ([{"recurrent": {"max_epochs": 0}}], ["max_epochs=0", "at least 1"]),
        ([{"recurrent": {"device": "gpu"}}], ["device='gpu'", "cuda"]),
        ([{"differential_entropy": {"bands": "seeds"}}, "flatten", "lda"], ["'seeds'", "'seed'"]),
    ],
)
def test_a_mistake_in_a_method_is_found_before_the_first_fit(steps, expected, muse_folder, tmp_path, words):
    with pytest.raises(StudyError) as error:
        run_study(study(methods={**STUDY["methods"], "wrong": {"steps": steps}}), tmp_path / "run", muse_folder)
    words(error.value, *expected)
    assert not (tmp_path / "run").exists()


def test_seeds_of_a_random_method_differ_and_folds_do_not_share_one(done):
    outcome, _ = done
    table = outcome.results.read("predictions").query("method == 'lstm' and protocol == 'recording'")
    one, two = (table[table["seed"] == k].sort_values("row")["p0"].to_numpy() for k in (0, 1))
    assert not np.allclose(one, two, atol=1e-3)


def test_the_control_is_left_out_on_request_and_drawn_again_where_it_cannot_be_split(
    muse_folder, tmp_path, monkeypatch
):
    outcome = run_study(study(permuted=[]), tmp_path / "run", muse_folder)
    assert set(outcome.results.read("rows")["labels"]) == {"true"}
    original, draws = runner._cut, []

    def rarely(plan, samples):
        draws.append(1)
        if 1 < len(draws) < 4:  # the first call cuts the true labels
            raise ProtocolError("one recording of class '0'")
        return original(plan, samples)

    monkeypatch.setattr(runner, "_cut", rarely)
    assert not run_study(study(), tmp_path / "again", muse_folder).failed
    assert len(draws) == 4
    monkeypatch.setattr(runner, "_REDRAWS", 1)
    draws[:] = []
    with pytest.raises(ProtocolError, match="The control with permuted labels cannot be split"):
        run_study(study(), tmp_path / "never", muse_folder)


def test_results_are_not_written_where_no_folder_can_be(muse_folder, tmp_path, words):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError) as error:
            run_study(study(), out, muse_folder)
        words(error.value, "not a folder", "choose another --out")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_sitting_that_computes_nothing_leaves_no_trace(done, tmp_path):
    outcome, folder = done
    run_study(study(), tmp_path / "run", folder)
    assert len(outcome.results.sittings()) == 1
    assert outcome.results.read("rows")["code"].nunique() == 1


def test_results_are_never_mixed_or_overwritten(done, tmp_path, words):
    outcome, folder = done
    before = rows(outcome.results)
    with pytest.raises(InputError) as error:
        run_study(study(seed=1), tmp_path / "run", folder)
    words(error.value, "holds results of something else", "study digest", "choose another --out")
    path = folder / "muse-mental-state" / "subjecta-relaxed-1.csv"
    text = path.read_text().splitlines()
    text[5] = text[5].rsplit(",", 2)[0] + ",99.609,0.0"
    path.write_text("\n".join(text))
    with pytest.raises(InputError, match="data fingerprint"):
        run_study(study(), tmp_path / "run", folder)
    pd.testing.assert_frame_equal(rows(outcome.results), before)


def test_changed_presets_are_noticed(done, tmp_path, monkeypatch):
    _, folder = done
    monkeypatch.setitem(MODELS["lda"].parameters, "shrinkage", 0.5)
    with pytest.raises(InputError, match="digest of all parameters"):
        run_study(study(), tmp_path / "run", folder)


def test_a_leak_in_an_honest_protocol_stops_the_run_before_anything_is_fitted(muse_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "thymos.evaluation.splitters.RecordingSplit.groups", lambda self, meta: np.arange(len(meta))[:, None]
    )
    with pytest.raises(LeakError, match="trials of the test part are in training"):
        run_study(study(), tmp_path / "run", muse_folder)
    assert not (tmp_path / "run").exists()


def test_the_leaky_control_is_audited_and_stamped(done):
    outcome, _ = done
    findings = outcome.results.read_facts("audit")["findings"]
    assert {(f["protocol"], f["leaky"]) for f in findings} == {("random_window", True)}
    assert {f["kind"] for f in findings} == {"group", "overlap"}


def test_provenance_is_stored(done):
    outcome, folder = done
    facts = outcome.results.read_facts("study")
    assert facts["fingerprint"] == make_samples(study(), folder).fingerprint()
    assert facts["digest"] == study().digest()
    environment = outcome.results.read_facts("environment")
    assert set(environment["split_digests"]) == {"recording", "random_window"}
    assert {"numpy", "torch"} <= set(outcome.results.sittings()[0]["packages"])
    assert str(folder) not in (outcome.results.folder / "study.json").read_text(), "a private path is in the results"


def test_permuted_labels_stay_with_their_trials_and_subjects(make_samples):
    samples = make_samples(subjects=4, trials=12)
    made = permute_trial_labels(samples, 0)
    table = samples.meta.assign(new=made.y, old=samples.y)
    assert table.groupby("trial")["new"].nunique().eq(1).all()
    counts = [table.groupby(["subject", column]).size().to_dict() for column in ("new", "old")]
    assert counts[0] == counts[1]
    assert (made.y != samples.y).mean() > 0.2
    with pytest.raises(InputError, match="several labels"):
        permute_trial_labels(samples.replace(y=np.resize(["a", "b"], len(samples))), 0)


def test_cross_validate_gives_tidy_rows(make_samples):
    samples = make_samples(subjects=2, trials=10, effect=1.0)
    table = cross_validate(make_pipeline(Flatten(), MODELS["lda"].load()()), samples, TrialSplit(), target="feeling")
    overall = table[(table["subject"] == "all") & (table["level"] == "trial")]
    assert len(overall) == 10
    assert overall["accuracy"].mean() > 0.9
    assert not table["leaky"].any()


def test_samples_of_another_rate_and_numbers_that_are_none_are_said(make_samples, words):
    samples = make_samples(subjects=2, trials=10, effect=1.0).target("feeling")
    wrong = samples.replace(info={**samples.info, "sfreq": 256.0})
    made = make_pipeline(DifferentialEntropy(sfreq=128.0), Flatten(), MODELS["lda"].load()())
    with pytest.raises(InputError) as error:
        cross_validate(made, wrong, TrialSplit())
    words(error.value, "sfreq=128 came for samples of 256 Hz", "sfreq=256")
    X = samples.X.copy()
    X[[3, 7], 0, 1] = np.nan
    with pytest.raises(InputError) as error:
        cross_validate(make_pipeline(Flatten(), MODELS["lda"].load()()), samples.replace(X=X), TrialSplit())
    words(error.value, f"2 of {len(X)} samples", "the first is sample 3", "finite numbers")
    with pytest.raises(InputError) as error:
        samples.target("felling")
    assert "notes" not in str(error.value)
    assert "marks" not in str(error.value)


def test_a_fit_that_was_killed_between_its_tables_does_not_count(done, tmp_path):
    outcome, _ = done
    before = len(outcome.results.read("predictions"))
    victim = next((tmp_path / "run" / "rows").iterdir())
    lost = len(pd.read_parquet(tmp_path / "run" / "predictions" / victim.name))
    victim.unlink()
    assert len(outcome.results.read("predictions")) == before - lost


def test_a_damaged_result_file_is_named(done, tmp_path, words):
    outcome, _ = done
    victim = next((tmp_path / "run" / "rows").iterdir())
    victim.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError) as error:
        outcome.results.read("rows")
    words(error.value, victim.name, "delete this one file", "others are kept")
    with pytest.raises(DataError, match="not a readable run"):
        Results(tmp_path / "nowhere").read_facts("study")


def test_words_and_metric_changed_after_a_run_are_taken_up_and_nothing_is_computed_again(done, tmp_path, monkeypatch):
    outcome, folder = done
    monkeypatch.undo()  # audited again, by the other metric
    again = run_study(study(title="Another title", metric="balanced_accuracy"), tmp_path / "run", folder)
    assert (again.done, again.kept) == (0, outcome.done)
    stored = again.results.read_facts("study")["study"]
    assert (stored["title"], stored["metric"]) == ("Another title", "balanced_accuracy")
    assert set(again.results.read_table("probes")["metric"]) == {"balanced_accuracy"}


def test_a_fault_of_the_audit_does_not_take_the_results_along(muse_folder, tmp_path, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("a fault")

    monkeypatch.setattr(runner, "audit_run", broken)
    outcome = run_study(study(permuted=[]), tmp_path / "run", muse_folder)
    assert outcome.failed == {}
    assert outcome.results.read_facts("audit")["failed"] == "RuntimeError: a fault"
    text = write_report(RunView(outcome.results.folder)).read_text()
    assert "The audit itself failed" in text
    assert "In the honest protocols nothing was found" not in text


@pytest.mark.usefixtures("few_resamples")
def test_samples_that_lack_a_modality_are_audited_and_have_a_baseline(tmp_path, monkeypatch):
    def lacking(*given):
        samples = make_samples(*given)
        face, body = (np.array(samples.X[name], dtype=np.float32) for name in ("face", "body"))
        face[::5], body[1::5] = np.nan, np.nan
        of_each = samples.info["modalities"]
        info = {**samples.info, "modalities": {**of_each, "body": {**of_each["body"], "unmatched": 3}}}
        return samples.replace(X={"face": face, "body": body}, info=info)

    monkeypatch.setattr(runner, "make_samples", lacking)
    monkeypatch.setattr(runner, "audit_run", AUDIT_RUN)
    encoders = {"face": ["flatten", "channel_scaler", {"mlp": {"hidden": [4], "max_epochs": 1}}]}
    encoders["body"] = ["flatten", {"mlp": {"hidden": [4], "max_epochs": 1}}]
    plan = {
        **{"name": "gaps", "title": "Gaps", "level": "trial", "permuted": [], "missing_modality": "keep"},
        "source": {"simulated": {"subjects": 2, "trials": 12, "seconds": 4, "montage": "muse4", "size": 24}},
        "modalities": {
            "face": {"of": "eda", "features": ["window_statistics"]},
            "body": {"of": "eeg", "features": ["window_statistics"]},
        },
        "windows": {"seconds": 2.0},
        "target": {"label": "valence", "above": 5},
        "protocols": {"trial": {"parameters": {"n_splits": 2}}},
        "methods": {"fusion": {"steps": [{"hybrid_fusion": {"encoders": encoders, "fusion": "average"}}]}},
    }
    outcome = run_study(parse_study(plan), tmp_path / "run")
    assert outcome.failed == {}
    facts = outcome.results.read_facts("audit")
    assert facts["failed"] == ""
    assert {"features of face, which some samples lack", "features of body, which some samples lack"} <= {
        *facts["skipped"]
    }
    assert set(outcome.results.read("rows")["method"]) == {"majority", "fusion"}
    left = "3 of the windows of body left out, since another modality has none of that moment."
    assert left in outcome.results.read_facts("data")["cautions"]


def test_the_data_card_lists_what_was_done_and_decided_before_the_split(tmp_path):
    from thymos.base.cache import Cache
    from thymos.report.page import write_report
    from thymos.report.view import RunView

    plan = {
        **STUDY,
        "source": {"simulated-eeg": {"subjects": 2, "trials": 6, "seconds": 4, "montage": "deap32"}},
        "process": [{"notch": {"causal": True}}, "reference", {"interpolate_bad_channels": {"threshold": 1.2}}],
        "windows": {"seconds": 2.0},
        "features": [{"differential_entropy": {"window": 1.0}}, {"smooth": {"method": "moving_average"}}],
        "target": {"label": "valence", "above": "median"},
        "protocols": {
            "trial": {"parameters": {"n_splits": 2}},
            "random_window": {"parameters": {"n_splits": 2}, "twin_of": "trial"},
        },
        "methods": {"svm": {"steps": ["flatten", "svm"]}},
        "permuted": [],
    }
    outcome = run_study(parse_study(plan), tmp_path / "run", cache=Cache(tmp_path / "cache"))
    assert not outcome.failed
    card = outcome.results.read_facts("data")
    done = card["processing"]
    assert [text.split(":")[0] for text in done] == [
        *("notch", "reference", "interpolate_bad_channels"),
        *("differential_entropy", "smooth"),
    ]
    assert ["offline" in text for text in done] == [False, False, True, False, True]
    assert "(method=moving_average)" in done[-1]
    assert all(text.startswith("interpolated ") for text in card["notes"])
    assert 1 <= sum(card["notes"].values()) <= 12 * 8
    page = write_report(RunView(outcome.results.folder)).read_text()
    assert "each recording alone" in page
    assert next(iter(card["notes"])) in page
    assert "Smooth makes the windows of a trial depend on each other: random_window" in page
