"""The model that is deployed: what it is trained on, calibrated on, and what is said about it."""

import copy

import numpy as np
import pytest

from thymos.base.errors import InputError, LeakError
from thymos.base.labels import settled
from thymos.base.probabilities import Calibration, fit_calibration
from thymos.base.random import child_seed
from thymos.evaluation.final import expected_of, train_method
from thymos.evaluation.fit import seed_estimator
from thymos.evaluation.make import make_estimator, make_samples
from thymos.evaluation.protocol import Protocol
from thymos.evaluation.runner import run_study
from thymos.evaluation.study import make_protocol
from thymos.evaluation.study_files import parse_study
from thymos.report.view import RunView
from thymos.signals.processing import signal_digest, signal_spread
from thymos.sources import SimulatedEEG

STUDY = {
    "name": "small",
    "title": "Small",
    "source": {"simulated-eeg": {"subjects": 4, "trials": 6, "seconds": 4.0, "effect": 6.0}},
    "process": [{"resample": {"to": 64}}],
    "windows": {"seconds": 2.0},
    "target": {"label": "valence", "above": 5},
    "protocols": {"loso": {}, "trial": {"parameters": {"n_splits": 2}}, "random_window": {"twin_of": "loso"}},
    "methods": {
        "lda": {"title": "LDA", "steps": ["window_statistics", "flatten", "channel_scaler", "lda"]},
        "net": {"steps": ["channel_scaler", {"eegnet": {"max_epochs": 2, "filters": 2}}]},
    },
    "metric": "balanced_accuracy",
    "permuted": [],
}


def study(**changes):
    return parse_study({**copy.deepcopy(STUDY), **changes})


@pytest.fixture(scope="module")
def trained():
    return train_method(study(), "lda")


def test_everything_but_the_validation_part_is_trained_on(trained):
    plan = study()
    samples = make_samples(plan)
    fold = make_protocol(plan, "loso").holdout(samples.meta, samples.y)
    assert (trained.card["n_train"], trained.card["n_validation"]) == (len(fold.train), len(fold.validation))
    assert len(fold.train) + len(fold.validation) == len(samples)
    assert trained.card["protocol"] == "loso"
    by_hand = make_estimator(plan, "lda", samples.info).fit(samples.X[fold.train], samples.y[fold.train])
    wanted = by_hand.predict_proba(samples.X)
    assert np.array_equal(trained.estimator.predict_proba(samples.X), wanted)
    codes = (samples.y == "low").astype(int)[fold.validation]
    trials = samples.meta["trial"].to_numpy(str)[fold.validation]
    assert trained.calibration == fit_calibration(wanted[fold.validation], codes, trials)
    found = trained.card["validation"]
    assert found["after"]["log_loss"] <= found["before"]["log_loss"]
    assert "no test result" in found["caution"]
    assert f"on {len(set(trials))} trials" in found["calibration"]


def test_the_recipe_is_what_came_and_what_became_of_it(trained):
    plan = study()
    raw = list(SimulatedEEG(**plan.source.parameters).load())
    signals = [recording.signal("eeg") for recording in raw]
    recipe = trained.recipe
    assert recipe["channels"] == list(signals[0].ch_names)
    assert (recipe["rates"], recipe["unit"], recipe["modality"]) == ([128.0], "V", "eeg")
    assert recipe["spread"] == pytest.approx(np.median([signal_spread(signal) for signal in signals]))
    assert recipe["process"] == [{"name": "resample", "parameters": {"to": 64}}]
    assert recipe["processed"] == {"channels": recipe["channels"], "sfreq": 64.0, "unit": "V"}
    assert (recipe["seconds"], recipe["step"], recipe["features"]) == (2.0, None, [])
    assert set(trained.known) == {signal_digest(signal) for signal in signals}
    by_subject = {r.meta["subject"]: trained.known[signal_digest(x)] for r, x in zip(raw, signals, strict=True)}
    assert sorted(by_subject.values()) == ["training"] * 3 + ["validation"]


def test_the_card_says_where_it_comes_from(trained):
    plan, card = study(), trained.card
    assert card["study_digest"] == plan.digest()
    assert card["fingerprint"] == make_samples(plan).fingerprint()
    assert "folder" not in card["study"]
    assert card["study"]["windows"]["seconds"] == 2.0
    assert (card["method"], card["title"], card["threshold"]) == ("lda", "LDA", 5.0)
    assert any("simulated" in words for words in card["cautions"])
    assert (card["data"]["n_subjects"], card["data"]["n_trials"]) == (4, 24)
    assert {"thymos", "code", "packages"} <= set(card["environment"])
    assert card["expected"] == []


def test_seeds_decide_on_the_model_and_nothing_else_does():
    one, same, other = (train_method(study(), "net", seed=seed) for seed in (3, 3, 4))
    X = make_samples(study()).X[:5]
    assert np.array_equal(one.estimator.predict_proba(X), same.estimator.predict_proba(X))
    assert not np.array_equal(one.estimator.predict_proba(X), other.estimator.predict_proba(X))
    seeded = seed_estimator(make_estimator(study(), "net", {"sfreq": 64.0}), child_seed(0, 3, "deploy"))
    assert one.estimator[-1].random_state == seeded[-1].random_state
    assert one.card["best_epoch"] in (1, 2)
    assert one.card["n_parameters"] > 0


def test_the_results_of_a_finished_run_are_copied_as_its_report_states_them(tmp_path, monkeypatch, words):
    monkeypatch.setattr("thymos.evaluation.runner._audit", lambda *a: None)  # takes longer than all else
    monkeypatch.setattr("thymos.evaluation.statistics._RESAMPLES", 500)
    plan = study(methods={"lda": STUDY["methods"]["lda"]})
    run_study(plan, tmp_path / "run")
    found = train_method(plan, "lda", run=tmp_path / "run").card["expected"]
    view = RunView(tmp_path / "run")
    assert [row["protocol"] for row in found] == ["loso", "trial"], "a leaky result is nothing to expect"
    for row in found:
        cell = view.cell(row["protocol"], "lda")
        assert [row[key] for key in ("value", "low", "high", "chance")] == [
            cell.value,
            cell.low,
            cell.high,
            cell.chance,
        ]
        assert (row["metric"], row["level"]) == ("balanced_accuracy", "trial")
    assert "one model for each subject" in found[1]["caution"]
    for other, expected in ((study(), "something else"), (parse_study({**STUDY, "seed": 1}), "something else")):
        with pytest.raises(InputError) as error:
            expected_of(tmp_path / "run", other, "lda")
        words(error.value, expected, "'small'")
    with pytest.raises(InputError, match="other data"):
        expected_of(tmp_path / "run", plan, "lda", "another fingerprint")
    next((tmp_path / "run" / "rows").glob("*.parquet")).unlink()
    with pytest.raises(InputError, match=r"holds \d+ of \d+ fits"):
        train_method(plan, "lda", run=tmp_path / "run")


def test_what_leaks_or_is_not_there_is_refused_before_anything_is_read(monkeypatch, words):
    monkeypatch.setattr("thymos.evaluation.final.make_samples", lambda *a: pytest.fail("data were read"))
    for arguments, expected in (
        ({"method": "ldaa"}, ["no method 'ldaa'", "Did you mean 'lda'"]),
        ({"method": "lda", "protocol": "random_window"}, ["'random_window' leaks", "loso, trial"]),
        ({"method": "lda", "protocol": "lso"}, ["no protocol 'lso'", "Did you mean 'loso'"]),
    ):
        with pytest.raises(InputError) as error:
            train_method(study(), **arguments)
        words(error.value, *expected)
    small = parse_study(
        {**STUDY, "budgets": {"tiny": {"reduces": "one", "changes": {"methods": {"net": None}}}}}, "tiny"
    )
    with pytest.raises(InputError) as error:
        train_method(small, "net")
    words(error.value, "The budget 'tiny' leaves out 'net'", "lda")


def test_a_validation_part_that_shares_a_trial_with_training_is_refused(monkeypatch):
    holdout = Protocol.holdout

    def leaking(self, meta, y):
        fold = holdout(self, meta, y)
        return type(fold)("all", fold.train, np.append(fold.validation, fold.train[:1]), fold.test)

    monkeypatch.setattr(Protocol, "holdout", leaking)
    with pytest.raises(LeakError):
        train_method(study(), "lda")


def test_the_check_comes_before_training(monkeypatch):
    monkeypatch.setattr("thymos.evaluation.final.fit_method", lambda *a: pytest.fail("it was trained"))

    def check(estimator, recipe):
        assert recipe["channels"]
        raise InputError("cannot be stored")

    with pytest.raises(InputError, match="cannot be stored"):
        train_method(study(), "lda", check=check)


def test_without_a_validation_part_nothing_is_calibrated():
    plan = study(protocols={"loso": {"parameters": {"validation": 0}}})
    found = train_method(plan, "lda")
    assert found.calibration == Calibration()
    assert "no validation part was asked for" in found.card["validation"]["calibration"]
    assert set(found.known.values()) == {"training"}
    nested = study(
        protocols={"loso": {"parameters": {"inner": 2}}},
        methods={"net": {**STUDY["methods"]["net"], "grid": {"eegnet.lr": [1e-3, 1e-2]}}},
    )
    found = train_method(nested, "net")
    assert found.card["n_validation"] == 0
    assert "inner folds" in found.card["validation"]["calibration"]
    assert "max_epochs=" in found.card["chosen"]


def test_ratings_and_medians_of_the_training_part():
    rating = study(
        target={"label": "valence", "rating": True},
        metric="ccc",
        methods={"ridge": {"steps": ["window_statistics", "flatten", "channel_scaler", "ridge"]}},
    )
    found = train_method(rating, "ridge")
    assert (found.classes, found.calibration) == ([], Calibration())
    assert set(found.card["validation"]["metrics"]) == {"ccc", "rmse"}
    plan = study(target={"label": "valence", "above": "median"})
    found, samples = train_method(plan, "lda"), make_samples(plan)
    fold = make_protocol(plan, "loso").holdout(samples.meta, samples.y)
    assert found.card["threshold"] == np.median(samples.y[fold.train])
    labels = settled(samples, fold.train).y
    by_hand = make_estimator(plan, "lda", samples.info).fit(samples.X[fold.train], labels[fold.train])
    assert np.array_equal(found.estimator.predict(samples.X), by_hand.predict(samples.X))
    held = fold.validation
    assert not np.array_equal(labels[held], settled(samples).y[held]), "the median of all would be the same"
    codes, trials = (labels[held] == "low").astype(int), samples.meta["trial"].to_numpy(str)[held]
    assert found.calibration == fit_calibration(by_hand.predict_proba(samples.X[held]), codes, trials)


def test_sessions_of_subjects_may_have_the_same_names():
    plan = study(protocols={"session": {"split": "group", "parameters": {"column": "stimulus", "within": "subject"}}})
    found = train_method(plan, "lda")
    assert found.card["n_validation"] > 0
