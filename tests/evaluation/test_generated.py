import numpy as np
import pytest
from sklearn.base import BaseEstimator

from thymos.base.errors import InputError
from thymos.base.samples import add_synthetic
from thymos.evaluation import generated
from thymos.evaluation.generated import generate_study
from thymos.evaluation.make import make_samples
from thymos.evaluation.study import make_protocol
from thymos.evaluation.study_files import parse_study
from thymos.models.mlp import MLPClassifier

ENTROPY = {"differential_entropy": {"bands": "deap"}}
HERE = "test_generated_samplers"


class Copies(BaseEstimator):
    """Every real sample again, with what a generator would tell of itself; keeps what it is given."""

    seen = None

    def __init__(self, share=1.0, random_state=None):
        self.share = share
        self.random_state = random_state

    def fit_resample(self, X, y, meta=None):
        Copies.seen = X, y, meta
        n = round(self.share * len(X))
        self.acceptance_ = {name: {"class": 0.5, "all": 0.25} for name in np.unique(y)}
        self.history_ = [{"step": k, "loss": 1.0 / k} for k in (1, 2, 3)]
        return np.concatenate([X, X[:n]]), np.concatenate([y, y[:n]]), add_synthetic(meta, np.arange(n))


class Sampling(MLPClassifier):
    """A classifier that augments by itself."""

    def __init__(self, sampler=None, **training):
        super().__init__(**training)
        self.sampler = sampler


@pytest.fixture
def planned(monkeypatch):
    """Return a maker of studies whose methods are lists of steps; samplers of this file are there by address."""
    import sys
    import types

    module = types.ModuleType(HERE)
    module.Copies, module.Sampling = Copies, Sampling
    module.with_sampler = lambda: Sampling(Copies(), max_epochs=1, device="cpu")
    monkeypatch.setitem(sys.modules, HERE, module)

    def plan(methods=None, protocols=None, **changes):
        methods = methods or {"copies": [ENTROPY, "channel_scaler", f"{HERE}:Copies", "flatten", "lda"]}
        return parse_study(
            {
                "name": "planned",
                "title": "Planned",
                "source": {"simulated-eeg": {"subjects": 2, "trials": 16, "seconds": 4}},
                "windows": {"seconds": 0.5},
                "target": {"label": "valence", "above": 5.0},
                "protocols": protocols or {"trial": {"parameters": {"within": "", "n_splits": 3}}},
                "methods": {name: {"steps": steps} for name, steps in methods.items()},
                **changes,
            }
        )

    return plan


def fold_of(study, samples):
    return make_protocol(study, study.honest[0]).folds(samples.meta, samples.y)[0]


def test_the_sampler_is_given_the_training_part_alone_and_compared_with_the_validation_part(planned):
    study = planned()
    found = generate_study(study)
    samples = make_samples(study)
    fold = fold_of(study, samples)
    (one,) = found.methods
    X, _, meta = Copies.seen
    assert list(meta["trial"]) == list(samples.meta["trial"].iloc[fold.train])
    assert one.parts["train"][0].shape == X.shape == (len(fold.train), 4, 32, 1)
    assert np.array_equal(one.parts["train"][1], samples.y[fold.train])
    assert np.array_equal(one.parts["held"][1], samples.y[fold.validation])
    assert X.mean(axis=(0, 3)) == pytest.approx(np.zeros((4, 32)), abs=1e-5), "scaled on the training part"
    assert np.abs(one.parts["held"][0].mean(axis=(0, 3))).max() > 1e-3
    assert np.array_equal(one.parts["generated"][0], X)
    assert (found.protocol, found.fold) == ("trial", fold.name)
    assert "validation part of the fold" in found.held
    assert one.quality.verdict == "bad"
    assert one.sampler == "Copies"


def test_bands_and_electrodes_are_known_by_name(planned):
    methods = {
        "cells": [ENTROPY, "channel_scaler", f"{HERE}:Copies", "flatten", "lda"],
        "flat": [ENTROPY, "flatten", "channel_scaler", f"{HERE}:Copies", "lda"],
        "signals": [f"{HERE}:Copies", ENTROPY, "flatten", "lda"],
        "surrogate": ["fourier_surrogate", ENTROPY, "flatten", "lda"],
        "mixed": [ENTROPY, "flatten", {"sklearn.decomposition:PCA": {"n_components": 8}}, f"{HERE}:Copies", "lda"],
    }
    found = {one.method: one for one in generate_study(planned(methods)).methods}
    cells, flat, signals = found["cells"], found["flat"], found["signals"]
    assert cells.bands == flat.bands == ("theta", "alpha", "beta", "gamma")
    assert cells.ch_names[:2] == ("Fp1", "AF3")
    assert np.allclose(cells.cells("train"), flat.cells("train"), atol=1e-4)
    assert signals.bands == ("theta", "alpha", "beta", "gamma", "rest")
    assert signals.sfreq == 128
    assert "band" in " ".join(signals.notes)
    ratio = found["surrogate"].quality.table.set_index("measure").loc["memorisation", "value"]
    assert ratio < 0.01, "measured on the power of bands, which surrogates share with their parents"
    assert "PCA" in found["mixed"].unplaced
    with pytest.raises(InputError, match="PCA"):
        found["mixed"].cells("train")
    # differential entropy of a band is half the logarithm of its variance, give or take the window
    entropy = (
        generate_study(planned({"cells": [ENTROPY, f"{HERE}:Copies", "flatten", "lda"]})).methods[0].cells("train")
    )
    power = signals.cells("train")[:, :4] * np.log(10) / 2
    for band in range(4):
        assert np.corrcoef(entropy[:, band].ravel(), power[:, band].ravel())[0, 1] > 0.7


def test_features_beside_their_signals_keep_their_names(planned):
    steps = [{"pick": {"modality": "features"}}, "channel_scaler", f"{HERE}:Copies", "flatten", "lda"]
    signals = [{"pick": {"modality": "signals"}}, f"{HERE}:Copies", ENTROPY, "flatten", "lda"]
    study = planned({"features": steps, "signals": signals}, features=[ENTROPY], keep_signals=True)
    features, signals = generate_study(study).methods
    assert features.unplaced == signals.unplaced == ""
    assert features.bands == ("theta", "alpha", "beta", "gamma")
    assert features.ch_names == signals.ch_names
    assert features.ch_names[:2] == ("Fp1", "AF3")
    assert (signals.bands[-1], signals.sfreq) == ("rest", 128)


def test_cells_are_means_over_windows():
    X = np.arange(2 * 2 * 3 * 4.0).reshape(2, 2, 3, 4)
    made = {"acceptance": None, "history": None, "quality": None, "bands": ("a", "b"), "ch_names": ("x", "y", "z")}
    one = generated.Generated("m", "M", "S", {"train": (X.reshape(2, -1), np.zeros(2))}, **made)
    assert np.array_equal(one.cells("train"), X.mean(axis=3))


def test_a_sampler_inside_the_last_step_is_found(planned):
    study = planned({"inner": [ENTROPY, "flatten", "channel_scaler", f"{HERE}:with_sampler"]})
    (one,) = generate_study(study).methods
    assert one.sampler == "Copies"
    assert one.parts["train"][0].shape[1:] == (128,)


def test_a_sampler_inside_the_method_of_each_person_adds_to_each(planned):
    study = planned({"each": [ENTROPY, {"per_subject": {"estimator": [f"{HERE}:Copies", "flatten", "lda"]}}]})
    (one,) = generate_study(study).methods
    assert one.sampler == "Copies"
    assert len(set(Copies.seen[2]["subject"])) == 1
    added, real = (one.parts[name][0] for name in ("generated", "train"))
    assert np.array_equal(np.sort(added, axis=0), np.sort(real, axis=0))
    study = planned({"plain": [ENTROPY, {"per_subject": {"estimator": ["flatten", "lda"]}}]})
    with pytest.raises(InputError, match="No method of the study has a sampler"):
        generate_study(study)


def test_what_a_sampler_tells_is_kept(planned):
    (one,) = generate_study(planned()).methods
    assert list(one.acceptance.columns) == ["class", "rule", "share"]
    assert one.acceptance["share"].tolist() == [0.5, 0.25] * 2
    assert one.history["loss"].tolist() == [1.0, 1 / 2, 1 / 3]
    facts = generate_study(planned()).to_dict()
    assert facts["methods"]["copies"]["history"][1] == {"step": 2, "loss": 0.5}


def test_a_sampler_may_know_what_distances_mean_something_in(planned, monkeypatch):
    asked = []
    monkeypatch.setattr(Copies, "measured_on", "halves", raising=False)
    monkeypatch.setattr(
        Copies, "features", lambda self, X: asked.append(len(X)) or X.reshape(len(X), -1)[:, ::2], raising=False
    )
    (made,) = generate_study(planned()).methods
    assert asked == [len(X) for X, _ in made.parts.values()]
    assert "Measured on halves." in made.notes


def test_without_a_validation_part_trials_are_cut_from_training(planned):
    study = planned(protocols={"trial": {"parameters": {"within": "", "n_splits": 3, "validation": 0.0}}})
    found = generate_study(study)
    samples = make_samples(study)
    fold = fold_of(study, samples)
    assert not len(fold.validation)
    (one,) = found.methods
    seen = set(Copies.seen[2]["trial"])
    assert seen < set(samples.meta["trial"].iloc[fold.train])
    assert len(one.parts["train"][0]) + len(one.parts["held"][0]) == len(fold.train)
    assert len(seen) * 8 == len(one.parts["train"][0]), "whole trials"
    assert "cut from its training part by trial" in found.held


@pytest.mark.parametrize(("subjects", "words"), [(3, "by subject"), (2, "by trial")])
def test_what_is_cut_from_training_follows_the_protocol_where_it_can(planned, subjects, words):
    source = {"simulated-eeg": {"subjects": subjects, "trials": 16, "seconds": 4}}
    study = planned(protocols={"loso": {"parameters": {"n_splits": "all", "validation": 0.0}}}, source=source)
    found = generate_study(study)
    assert found.held.endswith(words)
    assert Copies.seen[2]["subject"].nunique() == 1


def test_methods_protocols_and_folds_are_chosen(planned):
    steps = [ENTROPY, "flatten", f"{HERE}:Copies", "lda"]
    study = planned({"one": steps, "two": steps, "plain": steps[:2] + steps[3:]}, {"trial": {}, "loso": {}})
    assert [one.method for one in generate_study(study).methods] == ["one", "two"]
    found = generate_study(study, methods=["two"], protocol="loso", fold="s02")
    assert [one.method for one in found.methods] == ["two"]
    assert set(Copies.seen[2]["subject"]) == {"s01"}
    for options, words in (
        ({"methods": ["tow"]}, "Did you mean 'two'"),
        ({"methods": ["plain"]}, "'plain' has no sampler"),
        ({"protocol": "lso"}, "Did you mean 'loso'"),
        ({"protocol": "loso", "fold": "s03"}, "no fold 's03'"),
    ):
        with pytest.raises(InputError, match=words):
            generate_study(study, **options)


def test_what_cannot_be_shown_is_a_gap_and_not_the_end(planned):
    methods = {
        "copies": [ENTROPY, "flatten", f"{HERE}:Copies", "lda"],
        "none": [ENTROPY, "flatten", {f"{HERE}:Copies": {"share": 0.0}}, "lda"],
        "broken": [ENTROPY, "flatten", {"imblearn.over_sampling:SMOTE": {"k_neighbors": 500}}, "lda"],
    }
    found = generate_study(planned(methods))
    assert [one.method for one in found.methods] == ["copies"]
    assert "added no sample" in found.gaps["none"]
    assert "methods.broken" in found.gaps["broken"]
    with pytest.raises(InputError, match=r"nothing to measure(.|\n)*added no sample"):
        generate_study(planned(methods), methods=["none"])


def test_imbalanced_learn_samplers_and_leaky_protocols_and_ratings(planned):
    smote = {"imblearn.over_sampling:SMOTE": {"k_neighbors": 3}}
    study = planned(
        {"smote": [ENTROPY, "flatten", smote, "lda"]},
        {"trial": {"parameters": {"within": ""}}, "random_window": {"twin_of": "trial"}},
    )
    (one,) = generate_study(study).methods
    made = set(one.parts["generated"][1].tolist())
    assert len(made) == 1, "only the smaller class grows"
    assert "not measured" in " ".join(one.quality.words)
    with pytest.raises(InputError, match="leaks"):
        generate_study(study, protocol="random_window")
    ratings = planned({"ridge": [ENTROPY, "flatten", "ridge"]}, target={"label": "valence", "rating": True})
    with pytest.raises(InputError, match="ratings"):
        generate_study(ratings)


def test_the_seed_decides(planned):
    study = planned({"jitter": [ENTROPY, "flatten", "jitter", "lda"]})
    first, again, other = (generate_study(study, seed=seed) for seed in (0, 0, 1))
    assert first.table().equals(again.table())
    made = [found.methods[0].parts["generated"][0] for found in (first, other)]
    assert not np.array_equal(*made)


def test_no_test_row_is_ever_transformed(planned, monkeypatch):
    study = planned()
    samples = make_samples(study)
    fold = fold_of(study, samples)
    before = generate_study(study).table()
    damaged = samples.X.copy()
    damaged[fold.test] = np.nan
    monkeypatch.setattr(generated, "make_samples", lambda *arguments: samples.replace(X=damaged))
    assert generate_study(study).table().equals(before)


def test_signals_of_the_body_keep_their_rate_and_names(planned):
    study = planned(
        {"copies": [f"{HERE}:Copies", "flatten", "lda"]},
        source={"simulated": {"subjects": 2, "trials": 44, "seconds": 12}},
        modality="bvp",
        process=[{"heart_rate": {"kind": "bvp"}}],
        windows={"seconds": 6.0},
    )
    (one,) = generate_study(study).methods
    assert one.sequences
    assert (one.sfreq, one.ch_names) == (4.0, ("hr", "hr_slope"))
    assert one.unplaced
