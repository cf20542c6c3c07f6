from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from thymos.base.checkpoints import kept_in
from thymos.base.errors import InputError
from thymos.base.probabilities import Calibration
from thymos.base.samples import Samples
from thymos.models.face_cnn import FaceCNN
from thymos.models.fusion import HybridFusionClassifier
from thymos.models.mlp import MLPClassifier
from thymos.models.physio import PhysioLSTM
from thymos.nn.fusion import JOINED
from thymos.signals.scaling import ChannelScaler
from thymos.training.pipeline import make_pipeline

COMBINED = ("average", "independent", "stacking")
NAMES = np.array(["calm", "glad", "tense"])


def views(n=900, distance=1.3, seed=0):
    """Return two views of three classes that are independent given the class, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    a, b = (
        (distance * np.eye(3)[y] + rng.standard_normal((n, 3)) + shift).astype(np.float32) for shift in (0.0, 100.0)
    )
    return {"a": a, "b": b}, NAMES[y]


def small(fusion, **options):
    net = MLPClassifier(hidden=(16,), max_epochs=12, lr=1e-2)
    encoders = [("a", net), ("b", make_pipeline(ChannelScaler(), clone(net)))]
    given = {"frozen_epochs": 6, "finetune_epochs": 3, "hidden": 16, "lr": 5e-3, "random_state": 0}
    return HybridFusionClassifier(encoders, fusion, **{**given, **options})


def cut(X, rows):
    return {name: array[rows] for name, array in X.items()}


@pytest.fixture(scope="module")
def parts():
    X, y = views()
    train, held, test = np.split(np.arange(900), [400, 600])
    return (cut(X, train), y[train]), (cut(X, held), y[held]), (cut(X, test), y[test])


@pytest.fixture(scope="module")
def fused(parts):
    """Return a function that returns a trained fusion, which is not trained again."""
    (X, y), held, _ = parts
    return cache(lambda fusion: small(fusion).fit(X, y, validation=held))


@pytest.mark.parametrize("fusion", [*JOINED, *COMBINED])
def test_two_views_are_better_than_one_and_one_is_better_than_none(fusion, parts, fused):
    X_test, y_test = parts[2]
    model = fused(fusion)
    both = model.score(X_test, y_test)
    alone = {}
    for name in X_test:
        other = "b" if name == "a" else "a"
        alone[name] = model.score({name: X_test[name], other: np.full_like(X_test[other], np.nan)}, y_test)
        assert alone[name] > 0.55
    assert both > max(alone.values()) + 0.03
    probabilities = model.predict_proba(X_test)
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_independent_views_are_combined_as_bayes_would(parts, fused):
    X_test, model = parts[2][0], fused("independent")
    a, b = (
        Calibration(model.temperatures_[name], tuple(model.biases_[name])).apply(
            model.encoders_[name].predict_proba(X_test[name])
        )
        for name in ("a", "b")
    )
    known = a * b / model.prior_
    assert np.allclose(model.predict_proba(X_test), known / known.sum(axis=1, keepdims=True), atol=1e-6)
    mean = fused("average")
    a, b = (mean.encoders_[name].predict_proba(X_test[name]) for name in ("a", "b"))
    known = np.sqrt(a * b)
    assert np.allclose(mean.predict_proba(X_test), known / known.sum(axis=1, keepdims=True), atol=1e-6)


def test_a_useless_view_beside_a_good_one_changes_nothing_though_classes_are_unequal():
    rng = np.random.default_rng(0)
    n, priors = 3000, [0.6, 0.3, 0.1]
    y = rng.choice(3, n, p=priors)
    X = {"good": rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[y], "useless": rng.normal(size=(n, 8))}
    train, held, test = np.split(np.arange(n), [800, 1800])
    sure = RandomForestClassifier(30, min_samples_leaf=2, random_state=0)  # knows its training samples by heart
    encoders = [("good", LogisticRegression()), ("useless", sure)]
    model = HybridFusionClassifier(encoders, "independent", random_state=0)
    model.fit(cut(X, train), y[train], (cut(X, held), y[held]))
    alone = np.mean(model.encoders_["good"].predict(X["good"][test]) == y[test])
    assert -0.012 < model.score(cut(X, test), y[test]) - alone < 0.03  # calibration may help the good one too
    rare = np.mean(model.predict(cut(X, test)) == 2)
    assert rare < 0.12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: {**X, "a": np.where(np.arange(X["a"].shape[1]) == 0, np.nan, X["a"])}, "beside others"),
        (lambda X: {**X, "a": np.where(np.arange(X["a"].shape[1]) == 0, np.inf, X["a"])}, "infinite"),
        (lambda X: {**X, "a": X["a"][:-1]}, "Lengths differ"),
        (lambda X: {**X, "a": X["a"][:, :-1]}, "as in training"),
    ],
)
def test_broken_values_and_other_shapes_are_refused_when_it_predicts(change, words, parts, fused):
    for fusion in ("concat", "average"):
        with pytest.raises(InputError, match=words):
            fused(fusion).predict(change(parts[2][0]))


def test_pictures_of_another_scale_are_no_pictures_of_training():
    rng = np.random.default_rng(0)
    faces, y = rng.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8), np.arange(40) % 2
    X = {"face": faces, "b": rng.normal(size=(40, 3)).astype(np.float32)}
    encoders = [("face", FaceCNN(width=2, max_epochs=1)), ("b", MLPClassifier(hidden=(4,), max_epochs=1))]
    model = HybridFusionClassifier(encoders, frozen_epochs=1, finetune_epochs=0, hidden=4, random_state=0).fit(X, y)
    same = model.predict_proba({**X, "face": faces.astype(np.float32)})
    assert np.allclose(same, model.predict_proba(X))
    with pytest.raises(InputError, match="whole numbers from 0 to 255"):
        model.predict({**X, "face": faces.astype(np.float32) / 255})


@pytest.mark.parametrize("fusion", [*JOINED, *COMBINED])
def test_samples_that_lack_a_modality_are_trained_on_too(fusion, parts):
    (X, y), (X_held, y_held), (X_test, y_test) = parts
    X, X_held = (cut(part, slice(None)) for part in (X, X_held))
    for part in (X, X_held):
        part["a"], part["b"] = part["a"].copy(), part["b"].copy()
        part["a"][::3] = np.nan
        part["b"][1::3] = np.nan
    model = small(fusion).fit(X, y, validation=(X_held, y_held))
    assert model.score(X_test, y_test) > 0.65


@pytest.mark.parametrize("fusion", ["concat", "stacking"])
def test_without_a_validation_part_all_epochs_are_trained(fusion, parts):
    (X, y), _, (X_test, y_test) = parts
    model = small(fusion).fit(X, y)
    assert model.score(X_test, y_test) > 0.65
    stages = pd.DataFrame(model.history_)["stage"].value_counts().to_dict()
    joined = {"joined": 6, "together": 3} if fusion == "concat" else {}
    assert stages == {"a": 12, "b": 12, **joined}
    assert [epoch["epoch"] for epoch in model.history_] == list(range(1, len(model.history_) + 1))


def test_stacking_names_the_classes_that_its_validation_part_lacks(parts, words):
    (X, y), (X_held, y_held), (X_test, y_test) = parts
    some = np.flatnonzero(y_held == "glad")
    held = cut(X_held, some), y_held[some]
    with pytest.raises(InputError) as error:
        small("stacking").fit(X, y, validation=held)
    words(error.value, "lacks calm, tense", "every class of training", "fusion='independent'")
    for fusion in ("average", "independent"):  # what is recommended silences no class instead
        assert small(fusion).fit(X, y, validation=held).score(X_test, y_test) > 0.65


def test_stacking_holds_whole_trials_back(parts, monkeypatch):
    (X, y), _, _ = parts
    order = np.argsort(y, kind="stable")
    meta = pd.DataFrame(dict.fromkeys(("source", "subject", "session", "stimulus"), "x"), index=range(400))
    meta = meta.assign(trial=(np.arange(400) // 5).astype(str), start=0.0, stop=1.0)
    seen = []
    original = LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, Z, t: (seen.append(len(t)), original(self, Z, t))[1])
    model = small("stacking").fit(cut(X, order), y[order], meta=meta)
    assert seen[0] % 5 == 0
    assert 50 <= seen[0] <= 110
    assert model.encoders_["a"].n_features_in_ == 3


def test_still_encoders_stay_as_they_are_and_finetuning_changes_them(parts):
    (X, y), held, _ = parts
    still = small("concat", finetune_epochs=0).fit(X, y, validation=held)
    alone = still.encoders_["a"].module_.state_dict()
    joined = still.joined_.module_.encoders[0].state_dict()
    assert all(np.array_equal(alone[name], value) for name, value in joined.items())
    tuned = small("concat", finetune_lr=1e-2).fit(X, y, validation=held)
    first = next(iter(tuned.joined_.module_.encoders[0].state_dict().values()))
    assert not np.array_equal(first, next(iter(alone.values())))
    assert tuned.embed(X).shape == (400, 32)


def test_a_validation_part_with_missing_pictures_is_taken_as_training_is():
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 255, (24, 1, 16, 16)).astype(np.uint8)
    X = {"face": faces, "b": rng.standard_normal((24, 3)).astype(np.float32)}
    y = np.tile(["calm", "tense"], 12)
    held = {"face": faces.astype(np.float32), "b": X["b"]}
    held["face"][0] = np.nan
    encoders = [("face", FaceCNN(width=4, max_epochs=1)), ("b", MLPClassifier(hidden=(4,), max_epochs=1))]
    model = HybridFusionClassifier(encoders, "average", random_state=0).fit(X, y, validation=(held, y))
    alone = FaceCNN(width=4, max_epochs=1, random_state=model.encoders_["face"].random_state)
    alone.fit(faces, y, validation=(faces[1:], y[1:]))
    assert model.history_[0]["valid_loss"] == pytest.approx(alone.history_[0]["valid_loss"], rel=1e-5)


def test_the_seed_decides_and_reaches_the_encoders(parts):
    (X, y), _, (X_test, _) = parts
    one, same, other = (small("gated", random_state=seed).fit(X, y).predict_proba(X_test) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)
    parameters = small("concat").get_params()
    assert parameters["a__max_epochs"] == 12
    assert small("concat").set_params(b__mlpclassifier__max_epochs=3).encoders[1][1][-1].max_epochs == 3


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("scaled", [False, True])
def test_joined_networks_see_pictures_as_their_encoders_do(kind, scaled):
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 30)
    faces = rng.integers(60, 120, (60, 1, 16, 16))
    faces[y == 1, :, 4:12, 4:12] += 80
    net = FaceCNN(width=4, max_epochs=2, patience=None)
    encoder = make_pipeline(ChannelScaler(), net) if scaled else net
    model = HybridFusionClassifier([("face", encoder)], frozen_epochs=1, finetune_epochs=0, hidden=4, random_state=0)
    model.fit({"face": faces.astype(kind)}, y)
    one = model.encoders_["face"]
    X = faces.astype(kind)
    seen = one[-1].features(one[0].transform(X)) if scaled else one.features(X)
    np.testing.assert_allclose(model.embed({"face": X})[:, : seen.shape[1]], seen, atol=1e-4)


def test_faces_and_heart_rates_are_joined_as_published():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 40)
    faces = rng.integers(0, 80, (80, 1, 16, 16)).astype(np.uint8) + (y * 60).astype(np.uint8)[:, None, None, None]
    rate = 1.0 + 0.3 * y[:, None] + 0.02 * rng.standard_normal((80, 40))
    pulse = np.stack([rate, np.gradient(rate, 0.25, axis=1)], axis=1).astype(np.float32)
    encoders = [
        ("face", FaceCNN(width=4, max_epochs=2)),
        ("bvp", PhysioLSTM(hidden=(8, 6), side=4, max_epochs=3, sfreq=4.0)),
    ]
    model = HybridFusionClassifier(encoders, frozen_epochs=8, finetune_epochs=2, hidden=8, lr=1e-2, random_state=0)
    X = {"face": faces, "bvp": pulse}
    model.fit(X, y)
    assert model.joined_.module_.head.sizes == [256, 10]
    with pytest.warns(UserWarning, match="1 of 2 samples is no heart rate.*usual in training"):
        model.predict({"face": faces[:2], "bvp": pulse[:2] * [[[1]], [[60]]]})
    assert model.score(X, y) > 0.9
    without = {"face": np.full(faces.shape, np.nan, np.float32), "bvp": pulse}
    without["face"][0] = faces[0]  # as broken numbers, since others are missing
    assert np.allclose(model.predict_proba(without)[0], model.predict_proba(X)[0], atol=1e-5)


def test_what_cannot_be_joined_is_refused_and_can_be_combined(parts, words):
    (X, y), held, _ = parts
    encoders = [("a", LogisticRegression()), ("b", LogisticRegression())]
    with pytest.raises(InputError) as error:
        HybridFusionClassifier(encoders).fit(X, y)
    words(error.value, "'a', LogisticRegression", "dense layer", "average")
    assert HybridFusionClassifier(encoders, "average").fit(X, y, validation=held).score(X, y) > 0.6


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda X: {"a": X["a"]}, ["modality 'b' is not there", "NaN"]),
        (lambda X: X["a"], ["several modalities"]),
        (lambda X: {name: np.full_like(array, np.nan) for name, array in X.items()}, ["300 of 300", "none of a, b"]),
    ],
)
def test_samples_that_do_not_fit_are_refused(parts, fused, change, expected, words):
    with pytest.raises(InputError) as error:
        fused("average").predict(change(parts[2][0]))
    words(error.value, *expected)


@pytest.mark.parametrize(
    "options",
    [
        {"fusion": "concatenate"},
        {"hidden": 0},
        {"hidden": 6, "fusion": "attention"},
        {"modality_dropout": 1.5},
        {"frozen_epochs": -1},
        {"frozen_epochs": 0, "finetune_epochs": 0},
    ],
)
def test_impossible_parameters_are_refused(parts, options):
    (X, y), _, _ = parts
    with pytest.raises(InputError):
        small(options.pop("fusion", "concat"), **options).fit(X, y)


def test_training_samples_that_do_not_fit_are_refused(parts, words):
    (X, y), _, _ = parts
    with pytest.raises(InputError, match="encoders of a, b"):
        small("concat").fit({"a": X["a"]}, y)
    with pytest.raises(InputError, match="Lengths differ: a 400, b 5, y 400") as error:
        small("concat").fit({"a": X["a"], "b": X["b"][:5]}, y)
    words(error.value, "as many labels")
    gone = {**X, "a": np.where((y == "calm")[:, None], np.nan, X["a"])}
    with pytest.raises(InputError, match="some class has the modality 'a'"):
        small("concat").fit(gone, y)


def test_samples_with_metadata_go_through_the_pipeline(parts):
    (X, y), (X_held, y_held), (X_test, y_test) = parts

    def table(n, offset):
        meta = pd.DataFrame(dict.fromkeys(("source", "subject", "session", "stimulus"), "x"), index=range(n))
        return meta.assign(trial=(offset + np.arange(n)).astype(str), start=0.0, stop=1.0)

    train, held, test = (
        Samples(part, labels, table(len(labels), k))
        for k, (part, labels) in ((0, (X, y)), (1000, (X_held, y_held)), (2000, (X_test, y_test)))
    )
    pipe = make_pipeline(small("concat")).fit(train, validation=held)
    assert pipe.score(test) > 0.65


@pytest.mark.parametrize("fusion", JOINED)
def test_the_last_batch_and_a_rare_modality_may_hold_one_sample(fusion, parts):
    (X, y), _, (X_test, _) = parts
    one = {name: array[:65] for name, array in X.items()}
    odd = {"a": one["a"], "b": np.where((np.arange(65) % 40 == 3)[:, None], one["b"], np.nan)}
    odd["a"] = np.where((np.arange(65) == 43)[:, None], np.nan, odd["a"])  # has the rare one alone
    encoders = [("a", MLPClassifier(hidden=(8,), max_epochs=2)), ("b", MLPClassifier(hidden=(8,), max_epochs=2))]
    y = np.where(y[:65] == "calm", "calm", "glad")
    y[[3, 43]] = "calm", "glad"  # both classes have the rare one
    for data in (one, odd):
        model = HybridFusionClassifier(encoders, fusion, hidden=8, finetune_epochs=4, batch_size=64, random_state=0)
        assert np.isfinite(model.fit(data, y).predict_proba(X_test)).all()
        assert all(np.isfinite(epoch["train_loss"]) for epoch in model.history_)


def test_encoders_are_trained_once_in_a_run(parts, fused, tmp_path, monkeypatch):
    (X, y), held, (X_test, _) = parts
    plain = [fused(fusion).predict_proba(X_test) for fusion in ("concat", "average")]
    calls, original = [], MLPClassifier.fit_prepared
    monkeypatch.setattr(MLPClassifier, "fit_prepared", lambda self, ready: calls.append(1) or original(self, ready))
    with kept_in(tmp_path):
        first, second = (small(fusion).fit(X, y, validation=held) for fusion in ("concat", "average"))
        assert len(calls) == 2
        small("average", random_state=1).fit(X, y, validation=held)
        assert len(calls) == 4, "another seed is another training"
        small("average").fit(X, y)
        assert len(calls) == 6, "so is one without a validation part"
    for model, expected in zip((first, second), plain, strict=True):
        assert np.array_equal(model.predict_proba(X_test), expected)
    a, b = ([row for row in m.history_ if row["stage"] in X] for m in (first, second))
    assert a == b


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda X, y: ({"X": X, "y": y}, (X, np.where(y == "calm", "zzz", y))), ["'zzz'", "calm, glad, tense"]),
        (lambda X, y: ({"X": cut(X, slice(0)), "y": y[:0]}, None), []),
        (lambda X, y: ({"X": X, "y": y, "meta": pd.DataFrame({"trial": ["a"]})}, None), ["Metadata of 1 samples"]),
    ],
)
def test_unknown_classes_and_what_is_empty_or_too_short_is_refused(parts, change, expected, words):
    given, held = change(*parts[0])
    with pytest.raises((InputError, ValueError)) as error:
        small("independent").fit(**given, validation=held)
    words(error.value, *expected)
    model = small("average").fit(*parts[0])
    with pytest.raises(InputError, match="No sample came"):
        model.predict(cut(parts[0][0], slice(0)))


@pytest.mark.parametrize("fusion", ["concat", "attention", "stacking"])
def test_a_fusion_is_stored_and_comes_back(parts, fusion):
    from thymos.serving.store import decode, encode

    (X, y), held, (X_test, _) = parts
    pipe = make_pipeline(small(fusion, finetune_epochs=0 if fusion == "attention" else 2)).fit(X, y, validation=held)
    again, _ = decode(*encode(pipe))
    assert np.array_equal(again.predict_proba(X_test), pipe.predict_proba(X_test))
    missing = {"a": X_test["a"], "b": np.full_like(X_test["b"], np.nan)}
    assert np.array_equal(again.predict_proba(missing), pipe.predict_proba(missing))
