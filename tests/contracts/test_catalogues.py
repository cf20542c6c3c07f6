"""What every member of a catalogue promises. A new member is exercised here without anybody remembering it."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from thymos.base.catalogue import CATALOGUES, catalogue
from thymos.base.recording import META_COLUMNS, Recording
from thymos.models.catalogue import MODELS
from thymos.models.mlp import MLPClassifier
from thymos.signals.catalogue import PROCESSES, TRANSFORMERS
from thymos.sources.base import Recordings, Source
from thymos.sources.catalogue import SOURCES

#: scikit-learn's data have no sampling rate: one band over everything, and few epochs on few samples.
_LEL = {
    **{"sfreq": 10.0, "bands": {"all": (0.0, 5.0)}, "lr": 3e-2, "batch_size": 32},
    **{"max_epochs": 1, "blocks": 1, "refinements": 1},
}
_NAS = {
    **{"width": 8, "cells": 1, "nodes": 1, "operations": ["skip", "sep_t3"], "search_epochs": 1, "warmup": 0},
    **{"guard_every": 0, "max_epochs": 6, "lr": 3e-2, "dropout": 0.0, "path_dropout": 0.0, "batch_size": 32},
}
_FACES = {
    **{"lr": 5e-2, "width": 8, "batch_size": 32, "dropout": 0.0, "flip": 0.0, "rotation": 0.0, "shift": 0.0},
    **{"brightness": 0.0, "erasing": 0.0},
}
FOR_CHECKS = {
    "differential_entropy": {"sfreq": 10.0, "bands": {"all": (0.1, 5.0)}},
    "band_power": {"sfreq": 10.0, "bands": {"all": (0.1, 5.0)}},
    "bird_features": {"sfreq": 10.0, "bands": {"all": (0.1, 5.0)}, "window": None},
    "log_mel": {"sfreq": 10.0, "n_mels": 3, "fmin": 0.0, "window": None, "step": None},
    "mfcc": {"sfreq": 10.0, "n_mfcc": 2, "n_mels": 3, "fmin": 0.0, "window": None, "step": None},
    "connectivity": {"sfreq": 10.0, "bands": {"all": (0.1, 5.0)}},
    "random_forest": {"n_estimators": 10},
    "rnn_time": {"lr": 5e-2, "max_epochs": 8, "hidden": 16},
    "lstm_single": {"lr": 5e-2, "max_epochs": 8},
    "gru_long": {"lr": 5e-2, "max_epochs": 8, "hidden": 16},
    "cnn_lstm": {"lr": 3e-2, "max_epochs": 6, "filters": 8, "hidden": 8},
    "mlp": {"lr": 3e-2, "hidden": (16,), "dropout": 0.0, "max_epochs": 4},
    "dgcnn": {"lr": 3e-2, "filters": 16, "dense": None, "dropout": 0.0, "max_epochs": 5},
    "lggnet": {"lr": 3e-2, "filters": 8, "hidden": 16, "dropout": 0.0, "max_epochs": 3},
    "transformer": {
        **{"lr": 2e-2, "width": 16, "heads": 2, "layers": 1, "feed_forward": 16},
        **{"dropout": 0.0, "max_epochs": 4},
    },
    "eegnet": {"lr": 5e-2, "max_epochs": 4, "filters": 2, "dropout": 0.0},
    "shallow_convnet": {"lr": 1e-1, "max_epochs": 5, "filters": 16, "dropout": 0.0},
    "deep_convnet": {"lr": 2e-2, "max_epochs": 3, "filters": 4, "dropout": 0.0},
    "tsception": {"lr": 3e-2, "max_epochs": 3, "seconds": (0.5,), "filters": 8, "spatial": 8, "dropout": 0.0},
    "fbcnet": {"sfreq": 10.0, "bands": ((0.0, 5.0),), "lr": 1e-2, "spatial": 4, "max_epochs": 3},
    "lel": _LEL,
    "lel_code": {**_LEL, "max_epochs": 3},
    "lel_certified": {**_LEL, "max_epochs": 3},
    "face_cnn": {**_FACES, "max_epochs": 4},
    "compact_face_cnn": {**_FACES, "mirrored": False, "zoom": 0.0, "drop_path": 0.0, "depths": (1,), "max_epochs": 4},
    "speech_cnn": {"lr": 3e-2, "max_epochs": 6, "dropout": 0.0, "hide": 0.0, "shift": 0.0, "blocks": 1},
    "per_subject": {"estimator": LogisticRegression()},
    "gene_pruned": {
        "estimator": MLPClassifier(lr=3e-2, hidden=(16,), dropout=0.0, max_epochs=6, random_state=0),
        "density": 0.8,
        "random_state": 0,
    },
    "domain_aligned": {"estimator": MLPClassifier(lr=3e-2, hidden=(16,), dropout=0.0, max_epochs=4, random_state=0)},
    "eegnas": _NAS,
    "personalised_search": {**_NAS, "personal_epochs": 1},
    "speech_attention": {
        **{"lr": 5e-2, "max_epochs": 3, "width": 8, "hidden": 16},
        **{"dropout": 0.0, "hide": 0.0, "shift": 0.0},
    },
    "recurrent": {"lr": 5e-2, "max_epochs": 8, "hidden": 16},
    "recurrent_regressor": {"lr": 2e-2, "max_epochs": 15},
    "physio_lstm": {"lr": 3e-2, "max_epochs": 6, "hidden": (16, 16), "batch_size": 16},
    "physio_lstm_regressor": {
        "lr": 3e-2,
        "max_epochs": 20,
        "hidden": (16, 16),
        "batch_size": 32,
        "dropout": 0.0,
        "scaling": "zscore",
    },
    "hybrid_fusion": {
        "encoders": [("table", MLPClassifier(lr=3e-2, hidden=(16,), dropout=0.0, max_epochs=4, random_state=0))],
        **{"lr": 1e-2, "finetune_lr": 1e-3, "frozen_epochs": 6, "finetune_epochs": 2, "hidden": 16},
    },
    "random_forest_regressor": {"n_estimators": 10},
}

_FLOAT32 = {
    "check_methods_sample_order_invariance": "float32: a sum's last digit depends on the row's place in the batch",
    "check_methods_subset_invariance": "float32: a sum's last digit depends on the size of the batch",
}
_NO_SPECTRUM = {
    **_FLOAT32,
    "check_classifiers_train": "two points of time have no spectrum, whose bands are what three of four branches see",
}
_SEARCHED = {
    **_FLOAT32,
    "check_classifiers_train": "a table is one channel at as many times, over which the network averages at last",
}
#: Checks that a member need not pass, by name, with the reason. Nothing is silenced by tags.
EXCEPTIONS = {
    **dict.fromkeys(("recurrent", "recurrent_regressor", "cnn_lstm"), _FLOAT32),
    **dict.fromkeys(("eegnet", "shallow_convnet", "deep_convnet", "tsception"), _FLOAT32),
    **dict.fromkeys(("physio_lstm", "physio_lstm_regressor", "hybrid_fusion"), _FLOAT32),
    **dict.fromkeys(("mlp", "dgcnn", "lggnet", "transformer"), _FLOAT32),
    **dict.fromkeys(("domain_aligned", "gene_pruned"), _FLOAT32),
    **dict.fromkeys(("face_cnn", "compact_face_cnn", "speech_cnn", "speech_attention"), _FLOAT32),
    **dict.fromkeys(("eegnas", "personalised_search"), _SEARCHED),
    "riemann": {"check_classifiers_train": "a table is one channel, whose variance does not tell the check's classes"},
    "fbcnet": {
        **_FLOAT32,
        "check_classifiers_train": "two points of time have no spectrum, whose bands are all this model sees",
    },
    "lel": _NO_SPECTRUM,
    "lel_certified": _FLOAT32,
}

#: What scikit-learn skips by itself.
SKIPPED = {
    "check_array_api_input": "needs an environment variable of SciPy",
    "check_array_api_same_namespace": "needs an environment variable of SciPy",
    "check_array_api_mixed_inputs": "needs an environment variable of SciPy",
}

#: Presets that change numbers of a member and nothing of what it is; scikit-learn's own are checked by scikit-learn.
PRESETS = {"lel_code": "lel", "lstm_single": "recurrent", "gru_long": "recurrent", "rnn_time": "recurrent"}

ESTIMATORS = {**{n: TRANSFORMERS[n] for n in TRANSFORMERS}, **{n: MODELS[n] for n in MODELS}}


def make(name):
    row = ESTIMATORS[name]
    return row.load()(**{**row.parameters, **FOR_CHECKS.get(name, {})})


#: Checks that ask how good a model is. In all others it trains for a single epoch, which takes a third of the time.
ASKING_ACCURACY = {"check_classifiers_train", "check_regressors_train", "check_class_weight_classifiers"}


def brief(estimator):
    """Return the estimator, trained for a single epoch; as it is if its epochs are divided into stages."""
    epochs = {} if "dense_epochs" in estimator.get_params() else estimator.get_params()
    return clone(estimator).set_params(**{k: 1 for k, n in epochs.items() if k.endswith("epochs") and (n or 0) > 1})


CHECKED = [n for n, row in ESTIMATORS.items() if n not in PRESETS and not row.target.startswith("sklearn.")]


@pytest.mark.parametrize("name", CHECKED)
def test_scikit_learns_estimator_checks(name):
    estimator = make(name)
    tags = estimator.__sklearn_tags__()
    assert tags.input_tags.two_d_array, "this tag silences all checks"
    assert not tags.no_validation or name in {"majority", "mean"}, "this tag silences some checks"
    rough = brief(estimator)
    later = dict.fromkeys(ASKING_ACCURACY, "asked of the estimator itself") if repr(rough) != repr(estimator) else {}
    excepted = EXCEPTIONS.get(name, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke warnings on purpose
        results = check_estimator(rough, on_fail=None, expected_failed_checks={**excepted, **later})
        for _, check in estimator_checks_generator(estimator):
            if check.func.__name__ in later.keys() - excepted.keys():
                check(clone(estimator))
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "failed"}
    assert not failed
    passed = [r for r in results if r["status"] == "passed"]
    assert len(passed) > 40, f"only {len(passed)} checks ran"
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= set(SKIPPED)


def test_presets_are_what_they_are_presets_of():
    assert {ESTIMATORS[n].target for n in PRESETS} == {ESTIMATORS[n].target for n in PRESETS.values()}
    assert set(PRESETS.values()) <= set(CHECKED)


def test_exceptions_name_members_and_have_reasons():
    assert set(EXCEPTIONS) <= set(CHECKED)
    assert set(EXCEPTIONS) | set(FOR_CHECKS) <= set(ESTIMATORS)
    assert all(len(reason) > 20 for checks in EXCEPTIONS.values() for reason in checks.values())


@pytest.mark.parametrize("name", MODELS)
def test_models_say_what_they_predict(name):
    assert is_classifier(make(name)) != is_regressor(make(name))


@pytest.mark.parametrize("name", [n for n in MODELS if is_classifier(make(n))])
def test_classifiers_take_samples_windows_and_give_probabilities(name, make_samples):
    samples = make_samples(effect=1.0)
    estimator = clone(make(name))
    table = samples.X.reshape(len(samples), -1)
    estimator.fit(table, samples.y)
    probabilities = estimator.predict_proba(table)
    assert probabilities.shape == (len(samples), 2)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert estimator.classes_.tolist() == ["calm", "tense"]
    again = clone(make(name)).fit(table, samples.y)
    if "random_state" not in estimator.get_params():
        assert np.array_equal(again.predict_proba(table), probabilities)


@pytest.mark.parametrize("name", ["lda", "logistic_regression", "svm", "random_forest", "nearest_neighbour"])
def test_classifiers_of_features_answer_by_frequency_where_nothing_tells_classes_apart(name):
    X, y = np.ones((12, 4)), np.array(["calm", "glad", "glad"] * 4)
    model = make(name).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert name == "nearest_neighbour" or set(model.predict(X)) == {"glad"}


@pytest.mark.parametrize("name", [n for n in MODELS if is_regressor(make(n))])
@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_regressors_take_samples_windows_and_give_ratings_in_their_unit(name, unit, make_samples):
    samples = make_samples(effect=1.0)
    ratings = unit * (5 + np.where(samples.y == "tense", 2.0, -2.0))
    table = samples.X.reshape(len(samples), -1)
    seeded = {"random_state": 0} if "random_state" in make(name).get_params() else {}
    estimator = clone(make(name)).set_params(**seeded).fit(table, ratings)
    predicted = estimator.predict(table)
    assert predicted.shape == (len(samples),)
    assert np.isfinite(predicted).all()
    assert abs(predicted.mean() - 5 * unit) < unit
    again = clone(make(name)).fit(table, ratings)
    if "random_state" not in estimator.get_params():
        assert np.array_equal(again.predict(table), predicted)


@pytest.mark.parametrize("name", [n for n in ESTIMATORS if "random_state" in make(n).get_params()])
def test_equal_seeds_give_equal_models(name, make_samples):
    samples = make_samples(effect=0.3)
    table = samples.X.reshape(len(samples), -1)
    y, answer = (samples.meta["start"], "predict") if is_regressor(make(name)) else (samples.y, "predict_proba")
    models = [make(name).set_params(random_state=5).fit(table, y) for _ in range(2)]
    first, second = (getattr(model, answer)(table) for model in models)
    assert np.array_equal(first, second)


#: Parameters without which a process cannot be.
FOR_PROCESSES = {"band_pass": {"low": 1.0, "high": 40.0}, "resample": {"to": 64.0}}

#: Processes of other things than EEG, or to other things; their own tests say what they keep.
OTHERS = ("heart_rate", "crop_faces", "normalise_faces", "trim_silence", "fit_length")


@pytest.fixture(scope="module")
def one_recording():
    return next(iter(SOURCES["simulated-eeg"].load()(subjects=1, trials=1, seconds=12.0).load()))


@pytest.mark.parametrize("name", [name for name in PROCESSES if name not in OTHERS])
def test_processes_keep_channels_unit_and_start(name, one_recording):
    signal = one_recording.signal("eeg").replace(start=4.0)
    rest = signal.replace(data=signal.data[:, :256], start=2.0)
    recording = Recording({"eeg": signal}, one_recording.meta, baseline={"eeg": rest})
    walked = Recordings(lambda: iter([recording])).process(name, **FOR_PROCESSES.get(name, {}))
    processed = next(iter(walked))
    for made, given in ((processed.signal("eeg"), signal), (processed.baseline["eeg"], rest)):
        assert (made.ch_names, made.unit, made.start) == (given.ch_names, "V", given.start)
        assert made.data.dtype == np.float32
        assert made.duration == pytest.approx(given.duration, abs=0.01)
    assert recording.signal("eeg") is signal


def write_manifest(muse_folder):
    """List the files of the small Muse corpus as a user would list tables of their own."""
    files = sorted((muse_folder / "muse-mental-state").glob("*.csv"))
    rows = [f"muse-mental-state/{p.name},{p.stem[7]},256,uV,{p.stem.split('-')[1]}" for p in files]
    path = muse_folder / "manifest.csv"
    path.write_text("\n".join(["path,subject,sfreq,unit,state", *rows]))
    return path


def source_on_fake_data(name, muse_folder, twin) -> Source:
    """Return a small source: what is made on use, a list of own files, or the simulated twin of a corpus."""
    small = {
        "manifest": lambda cls: cls(write_manifest(muse_folder)),
        "simulated-eeg": lambda cls: cls(subjects=2, trials=4, seconds=4.0),
        "digits": lambda cls: cls(most=20),
        "waveforms": lambda cls: cls(n=6),
        "simulated-faces": lambda cls: cls(photos=8, people=4, size=24),
        "simulated": lambda cls: cls(subjects=1, trials=2, seconds=2.0),
    }
    return small.get(name, lambda cls: cls(twin(name)))(SOURCES[name].load())


@pytest.mark.parametrize("name", SOURCES)
def test_sources_give_complete_recordings_and_twice_the_same(name, muse_folder, twin):
    source = source_on_fake_data(name, muse_folder, twin)
    row = SOURCES[name]
    assert row.citation
    assert row.licence
    assert row.obtain
    assert row.summary
    recordings = list(source.load())
    assert all(isinstance(r, Recording) for r in recordings)
    meta = pd.DataFrame([r.meta for r in recordings])
    assert set(META_COLUMNS) - {"start", "stop"} <= set(meta.columns)
    assert meta["source"].eq(name).all()
    assert {label.column for label in row.labels} <= set(meta.columns)
    assert meta.drop_duplicates(["subject", "session", "trial"])["trial"].is_unique
    assert sorted(meta["subject"].unique()) == source.subjects()
    for recording, again in zip(recordings, source.load(), strict=True):
        assert again.meta.keys() == recording.meta.keys()
        for modality in recording.signals:
            signal = recording.signal(modality)
            assert np.isfinite(signal.data).all()
            assert np.array_equal(again.signal(modality).data, signal.data)
            if modality == "eeg":
                assert signal.unit == "V"
                assert 1e-7 < signal.data.std() < 1e-3, "not volts"
    some = source.subjects()[:1]
    assert {r.meta["subject"] for r in source.load(some)} == set(some)
    assert isinstance(source.check(), list)
    assert len(source.table()) == len(recordings)


@pytest.mark.parametrize("kind", CATALOGUES)
def test_every_row_can_be_imported_and_is_described(kind):
    for name, row in catalogue(kind).items():
        assert callable(row.load()), name
        assert len(row.summary) > 10, name
        assert not row.summary.endswith("."), name
