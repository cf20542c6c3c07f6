import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from thymos.base.errors import InputError, MissingExtraError, UnfitError
from thymos.evaluation import saliency as module
from thymos.evaluation.saliency import ALL, REST, integrated_gradients, permutation_importance
from thymos.models.dgcnn import DGCNNClassifier
from thymos.models.eegnet import EEGNetClassifier
from thymos.models.lggnet import LGGNetClassifier
from thymos.models.mlp import MLPClassifier
from thymos.models.recurrent import RecurrentClassifier, RecurrentRegressor
from thymos.models.transformer import TransformerClassifier
from thymos.signals.asymmetry import Asymmetry
from thymos.signals.scaling import ChannelScaler, Flatten, PickModality
from thymos.signals.smoothing import Smooth
from thymos.signals.spectral import DifferentialEntropy
from thymos.signals.topography import TopographicGrid
from thymos.signals.transformer import WindowFeatures
from thymos.sources.simulate.eeg import EFFECTS, REGIONS, SimulatedEEG
from thymos.training.estimator import TorchClassifier
from thymos.training.pipeline import make_pipeline

ROOT = Path(__file__).resolve().parents[2]
BANDS = {"low": (1, 5), "high": (5, 12)}
NAMES = ("F3", "F4", "Pz")
SMALL = {"max_epochs": 2, "random_state": 0, "device": "cpu"}


@pytest.fixture
def features(make_samples):
    """Return features of 2 bands, 3 electrodes and 4 windows that depend on the class."""
    samples = make_samples(shape=(2, 3, 4), effect=0.3)
    return samples.replace(info={"ch_names": list(NAMES), "features": ["made"]})


@pytest.fixture
def signals(make_samples):
    """Return raw signals of 3 electrodes, 2 s at 32 Hz."""
    samples = make_samples(shape=(3, 64))
    return samples.replace(info={"ch_names": list(NAMES), "sfreq": 32.0, "unit": "V"})


class Linear(nn.Module):
    """Puts out sums of its input with weights that are set from outside."""

    def __init__(self, n_channels, n_times, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_channels * n_times, n_outputs)

    def forward(self, x):
        return self.layer(x.flatten(1))


def linear(samples, weights):
    """Return a fitted classifier whose logits are sums with these weights, shape (n_outputs, n_channels, n_times)."""
    made = TorchClassifier(Linear, max_epochs=1, random_state=0, device="cpu").fit(samples.X, samples.y)
    made.module_.layer.weight.data = torch.from_numpy(weights.reshape(len(weights), -1).astype(np.float32))
    return made


class Difference(WindowFeatures):
    """Features of pairs of neighbouring channels."""

    def _features(self, X):
        return np.diff(X, axis=1)[:, None, :, :4]

    def names(self):
        return ("difference",)

    def channels(self, ch_names):
        return [f"{a}-{b}" for a, b in pairwise(ch_names)]


class Reader(ClassifierMixin, BaseEstimator):
    """Knows `calm` from `tense` by one number of a sample, which `read` returns."""

    def __init__(self, read=None, steep=4.0):
        self.read = read
        self.steep = steep
        self.classes_ = np.array(["calm", "tense"])

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(-self.steep * self.read(X)))
        return np.c_[1 - p, p]


# ---------------------------------------------------------------------------------------------- integrated gradients


def test_attributions_of_a_linear_network_are_weights_times_inputs(features):
    samples = features.replace(X=features.X.reshape(len(features), 6, 4), info={"ch_names": list("abcdef")})
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((2, 6, 4))
    found = integrated_gradients(linear(samples, weights), samples, target=ALL, steps=1)
    relative = weights - weights.mean(axis=0)  # what all logits share changes no probability
    expected = np.einsum("nct,kct->nkc", samples.X, relative)
    assert np.allclose(found.signed_of_samples[:, :, 0, :-1], expected, atol=1e-5)
    assert np.allclose(found.signed[:, 0, :-1], expected.mean(axis=0), atol=1e-5)
    assert np.allclose(found.cells[:, 0], np.abs(expected).mean(axis=0), atol=1e-5)
    every = np.abs(samples.X[:, None] * relative).sum(axis=-1).mean(axis=0)
    assert np.allclose(found.by_electrode, every, atol=1e-5)
    assert found.maps == ("calm", "tense")


def test_attributions_add_up_to_the_output(features):
    pipe = make_pipeline(ChannelScaler(), MLPClassifier(hidden=(16,), **SMALL)).fit(features)
    found = integrated_gradients(pipe, features, target="tense")
    network = pipe[-1].module_
    with torch.no_grad():
        fed = torch.from_numpy(pipe[:-1].transform(features.X).reshape(len(features), -1))
        logits = network(torch.cat([fed, torch.zeros_like(fed[:1])]))
    output = (logits - logits.mean(dim=1, keepdim=True))[:, 1].numpy()
    moved = output[:-1] - output[-1]
    total = found.signed_of_samples[:, 0, -1, -1]
    assert np.abs(total - moved).max() < 0.05 * np.abs(moved).mean()
    assert np.allclose(found.predictions["residual"], np.abs(total - moved), atol=1e-5)
    coarse = integrated_gradients(pipe, features, target="tense", steps=1)
    assert coarse.predictions["residual"].mean() > 3 * found.predictions["residual"].mean()
    assert "more steps" in " ".join(coarse.notes)
    assert "more steps" not in " ".join(found.notes)
    # sums over bands, electrodes and samples
    assert np.allclose(found.signed[:, :-1, :-1].sum(axis=(1, 2)), found.signed[:, -1, -1])
    assert np.allclose(found.signed[0], found.signed_of_samples[:, 0].mean(axis=0), atol=1e-6)


def one_cell(network_steps, samples, band, channel):
    """Return attributions of a sample against a baseline that differs from it in one band of one electrode."""
    pipe = make_pipeline(*network_steps).fit(samples)
    fed = pipe[:-1].transform(samples.X[:1]) if len(pipe) > 1 else samples.X[:1]
    other = samples.X[:1].copy()
    other[:, band, channel] += 1.0
    other = pipe[:-1].transform(other) if len(pipe) > 1 else other
    assert not np.array_equal(fed, other)
    return integrated_gradients(pipe, samples[:1], baseline=other[0]).signed[0]


@pytest.mark.parametrize(
    "steps",
    [
        (MLPClassifier(hidden=(8,), **SMALL),),
        (ChannelScaler(), Flatten(), MLPClassifier(hidden=(8,), **SMALL)),
        (RecurrentClassifier(cell="gru", hidden=4, **SMALL),),
        (RecurrentClassifier(cell="lstm", hidden=4, steps="single", **SMALL),),
        (DGCNNClassifier(filters=4, dense=None, **SMALL),),
        (TransformerClassifier(width=8, heads=2, layers=1, feed_forward=8, **SMALL),),
        (LGGNetClassifier(filters=4, hidden=4, **SMALL),),
        (TopographicGrid(NAMES), MLPClassifier(hidden=(8,), **SMALL)),
    ],
    ids=["mlp", "flat", "gru", "lstm-single", "dgcnn", "transformer", "lggnet", "grid"],
)
def test_attributions_lie_where_a_sample_differs_from_the_baseline(steps, features):
    signed = one_cell(steps, features, band=1, channel=2)[:-1, :-1]
    assert signed[1, 2] != 0
    signed[1, 2] = 0
    assert not signed.any()


def test_bands_of_raw_signals_and_the_rest_add_up_to_the_whole(signals):
    pipe = make_pipeline(ChannelScaler(), EEGNetClassifier(filters=2, kernel=16, **SMALL)).fit(signals)
    fine = integrated_gradients(pipe, signals, bands=BANDS)
    coarse = integrated_gradients(pipe, signals, bands={"wide": (1, 12)})
    whole = integrated_gradients(pipe, signals, bands={"whole": (0, 16)})
    assert fine.bands == ("low", "high", REST)
    for split in (fine, coarse):
        parts = split.signed_of_samples[:, 0, :-1].sum(axis=1)
        assert np.allclose(parts, whole.signed_of_samples[:, 0, 0], atol=1e-5)
        assert np.allclose(split.by_electrode, whole.by_electrode, atol=1e-5)
    assert np.allclose(fine.signed_of_samples[:, 0, :2].sum(axis=1), coarse.signed_of_samples[:, 0, 0], atol=1e-5)


@pytest.mark.parametrize("n_times", [64, 63])
def test_every_frequency_counts_once(signals, n_times):
    samples = signals.replace(X=signals.X[..., :n_times] + 3)  # an offset, and noise up to the Nyquist frequency
    weights = np.random.default_rng(0).standard_normal((2, 3, n_times))
    found = integrated_gradients(linear(samples, weights), samples, target=ALL, bands=BANDS)
    expected = np.einsum("nct,kct->nkc", samples.X, weights - weights.mean(axis=0))
    assert np.allclose(found.signed_of_samples[:, :, :-1, :-1].sum(axis=2), expected, atol=1e-4)
    assert np.allclose(found.signed_of_samples[:, :, -1, :-1], expected, atol=1e-4)


def test_an_oscillation_is_attributed_to_its_band_and_electrode(signals):
    t = np.arange(64) / 32
    X = np.zeros(signals.X.shape, dtype=np.float32)
    X[:, 1] = np.sin(2 * np.pi * 8 * t) + 3 * np.sin(2 * np.pi * 3 * t) + 5
    weights = np.zeros((2, 3, 64))
    weights[1, 1] = np.sin(2 * np.pi * 8 * t)  # sees nothing but 8 Hz
    found = integrated_gradients(linear(signals, weights), signals.replace(X=X), target="tense", bands=BANDS)
    expected = np.zeros((3, 3))
    expected[1, 1] = 0.5 * np.square(weights[1, 1]).sum()
    assert np.allclose(found.signed[0, :-1, :-1], expected, atol=1e-4)
    assert found.strongest("tense", 1).loc[0, ["band", "channel"]].tolist() == ["high", "F4"]


def test_maps_are_means_over_the_samples_of_a_class(features):
    pipe = make_pipeline(ChannelScaler(), MLPClassifier(hidden=(8,), **SMALL)).fit(features)
    found = integrated_gradients(pipe, features)
    predicted = pipe.predict(features.X)
    assert found.maps == (ALL, "calm", "tense")
    assert (found.outputs[:, 0] == predicted).all()
    assert (found.predictions["predicted"] == predicted).all()
    assert np.allclose(found.predictions["p[tense]"], pipe.predict_proba(features.X)[:, 1])
    mine = predicted == "calm"
    assert np.allclose(found.values[1], found.of_samples[mine, 0].mean(axis=0), atol=1e-6)
    single = found.per_prediction(5)
    assert single.maps == (predicted[5],)
    assert np.array_equal(single.signed[0], found.signed_of_samples[5, 0].astype(float))
    assert len(single.predictions) == 1
    with pytest.raises(InputError, match="0 to 71"):
        found.per_prediction(72)
    alone = integrated_gradients(pipe, features[5:6])  # a baseline of zeros knows no other samples
    assert np.allclose(alone.signed[0], single.signed[0], atol=1e-5)


def test_ratings_are_attributed_in_their_own_unit(features):
    rated = features.replace(y=np.linspace(1, 9, len(features)))
    model = RecurrentRegressor(cell="gru", hidden=4, **SMALL).fit(rated.X, rated.y)
    found = integrated_gradients(model, rated)
    moved = model.predict(rated.X) - model.predict(np.zeros_like(rated.X[:1]))
    assert np.allclose(found.signed_of_samples[:, 0, -1, -1], moved, atol=1e-2 * np.abs(moved).max())
    assert found.maps == ("rating",)
    with pytest.raises(InputError, match="one output"):
        integrated_gradients(model, rated, target="calm")


def test_one_of_several_modalities_is_looked_at_alone(signals):
    both = signals.replace(X={"eeg": signals.X, "other": signals.X[:, :1]}, info={"modalities": {"eeg": signals.info}})
    head = MLPClassifier(hidden=(8,), **SMALL)
    several = integrated_gradients(make_pipeline(PickModality("eeg"), clone(head)).fit(both), both, bands=BANDS)
    alone = integrated_gradients(make_pipeline(clone(head)).fit(signals), signals, bands=BANDS)
    assert (several.bands, several.ch_names) == (alone.bands, alone.ch_names)
    assert np.array_equal(several.values, alone.values)


def test_features_of_the_pipeline_bring_their_names(signals):
    names = ["F3", "F4", "P3", "P4"]
    samples = signals.replace(X=np.repeat(signals.X, 2, axis=1)[:, :4], info={**signals.info, "ch_names": names})
    steps = DifferentialEntropy(32.0, BANDS, window=0.5), Smooth("moving_average", 3), ChannelScaler()
    pipe = make_pipeline(*steps, MLPClassifier(hidden=(8,), **SMALL)).fit(samples)
    found = integrated_gradients(pipe, samples)
    assert (found.bands, found.ch_names) == (("low", "high"), tuple(names))
    assert found.positions[0, 0] == -found.positions[1, 0] < 0
    pairs = make_pipeline(steps[0], Asymmetry(names), ChannelScaler(), MLPClassifier(hidden=(8,), **SMALL)).fit(samples)
    found = integrated_gradients(pairs, samples)
    assert found.ch_names == ("F3-F4", "P3-P4")
    assert np.isnan(found.positions).all()
    found = integrated_gradients(make_pipeline(Difference(), MLPClassifier(hidden=(8,), **SMALL)).fit(samples), samples)
    assert (found.bands, found.ch_names) == (("difference",), ("F3-F4", "F4-P3", "P3-P4"))
    # electrodes are exchanged before the asymmetry
    assert permutation_importance(pairs, samples, ["calm", "tense"], repeats=1).ch_names == tuple(names)


def test_what_cannot_be_led_back_is_refused_with_the_way_out(features, signals, words):
    with pytest.raises(UnfitError) as error:
        integrated_gradients(make_pipeline(Flatten(), LogisticRegression()).fit(features), features)
    words(error.value, "LogisticRegression", "permutation_importance")
    mixed = make_pipeline(Flatten(), PCA(3), MLPClassifier(hidden=(8,), **SMALL)).fit(features)
    with pytest.raises(UnfitError) as error:
        integrated_gradients(mixed, features)
    words(error.value, "PCA", "permutation_importance")

    class Averaging(MLPClassifier):
        def arrange(self, X):
            return X.mean(axis=-1).reshape(len(X), -1)

    with pytest.raises(UnfitError, match="Averaging does more"):
        integrated_gradients(Averaging(hidden=(8,), **SMALL).fit(features.X, features.y), features)
    model = MLPClassifier(hidden=(8,), **SMALL).fit(features.X, features.y)
    for options, text in (
        ({"target": "tens"}, "tense"),
        ({"baseline": "median"}, "zero or mean"),
        ({"baseline": np.zeros(3)}, r"\(2, 3, 4\)"),
        ({"steps": 0}, "at least 1"),
        ({"bands": ["a"]}, "1 bands came for 2"),
    ):
        with pytest.raises(InputError, match=text):
            integrated_gradients(model, features, **options)
    with pytest.raises(InputError, match="its own mean"):
        integrated_gradients(model, features[:1], baseline="mean")
    with pytest.raises(InputError, match="no samples"):
        integrated_gradients(model, features[:0])
    with pytest.raises(InputError, match="as in training"):
        integrated_gradients(model, features.replace(X=features.X[:, :1]))
    with pytest.raises(InputError, match="do not overlap"):
        permutation_importance(Reader(), signals, ["calm", "tense"], bands={"a": (1, 5), "b": (4, 8)})
    pipe = make_pipeline(DifferentialEntropy(32.0, BANDS), Flatten(), LogisticRegression()).fit(signals)
    with pytest.raises(UnfitError, match="bands of its own"):
        permutation_importance(pipe, signals, ["calm", "tense"], bands=BANDS)
    with pytest.raises(UnfitError, match="pictures"):
        permutation_importance(Reader(), features.replace(info={}), ["calm", "tense"])
    with pytest.raises(UnfitError, match="modalities"):
        permutation_importance(Reader(), features.replace(X={"eeg": features.X}), ["calm", "tense"])


def test_a_baseline_outside_of_the_data_is_pointed_out(features):
    far = features.replace(X=features.X + 50)
    model = MLPClassifier(hidden=(8,), **SMALL).fit(far.X, far.y)
    assert "baseline='mean'" in " ".join(integrated_gradients(model, far).notes)
    mean = integrated_gradients(model, far, baseline="mean")
    assert "baseline" not in " ".join(mean.notes)
    assert np.allclose(mean.signed, integrated_gradients(model, far, baseline=far.X.mean(axis=0)).signed, atol=1e-5)


def test_without_captum_the_install_line_is_given(features, monkeypatch):
    model = MLPClassifier(hidden=(8,), **SMALL).fit(features.X, features.y)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"thymos\[explain\]"):
        integrated_gradients(model, features)


# -------------------------------------------------------------------------------------------- permutation importance


def test_only_the_cell_that_is_read_matters(features):
    reader = Reader(lambda X: X[:, 1, 2].mean(axis=-1) - 0.15)
    before = features.X.copy()
    found = permutation_importance(reader, features, ["calm", "tense"], repeats=3)
    assert np.array_equal(features.X, before)
    assert found.maps == (ALL, "calm", "tense")
    assert found.bands == ("feature 1", "feature 2")
    cells = found.cells.copy()
    assert (cells[:, 1, 2] > 0.05).all()
    for same in (found.by_band[:, 1], found.by_electrode[:, 2], found.values[:, -1, -1]):
        assert np.allclose(same, cells[:, 1, 2])
    cells[:, 1, 2] = 0
    assert not cells.any()
    assert not found.by_band[:, 0].any()
    counts = (features.y == "calm").mean(), (features.y == "tense").mean()
    assert np.allclose(found.values[0], counts[0] * found.values[1] + counts[1] * found.values[2])
    assert np.allclose(found.of_samples[:, 0].mean(axis=0), found.values[0], atol=1e-6)
    assert found.spread[0, 1, 2] > 0
    again = permutation_importance(reader, features, ["calm", "tense"], repeats=3)
    assert np.array_equal(again.values, found.values)


def test_the_importance_is_the_loss_of_the_exchange(features):
    """With two trials in all there is one exchange, which can be done by hand."""
    samples = features[features.meta["trial"].isin(["s0-t0", "s0-t1"]).to_numpy()]
    reader = Reader(lambda X: X[:, 0].mean(axis=(-1, -2)))
    exchanged = samples.X.copy()
    exchanged[:4, 0, 1], exchanged[4:, 0, 1] = samples.X[4:, 0, 1], samples.X[:4, 0, 1]
    true = (samples.y == "tense").astype(int)
    rows = np.arange(8)
    old, new = reader.predict_proba(samples.X), reader.predict_proba(exchanged)
    loss = permutation_importance(reader, samples, ["calm", "tense"], repeats=1)
    assert loss.values[0, 0, 1] == pytest.approx(np.mean(np.log(old[rows, true]) - np.log(new[rows, true])), abs=1e-6)
    assert (loss.quantity, loss.unit) == ("increase of log-loss", "nats")
    assert np.isnan(loss.spread).all()
    moved = permutation_importance(reader, samples.replace(y=None), ["calm", "tense"], repeats=1)
    assert moved.values[:, 0, 1] == pytest.approx([np.abs(old - new)[:, 0].mean()] * 2, abs=1e-6)
    assert moved.maps == ("calm", "tense")
    assert "label" not in moved.predictions


def test_a_band_of_a_raw_signal_is_exchanged_alone(signals):
    t = np.arange(64) / 32
    strong = (signals.y == "tense")[:, None]
    X = 0.1 * signals.X
    X[:, 1] += (1 + strong) * np.sin(2 * np.pi * 8 * t)
    X[:, 1] += 2 * np.sin(2 * np.pi * 3 * t)  # the same in all: exchanging it loses nothing

    def power(X):  # of 8 Hz in F4
        return np.abs(np.fft.rfft(X[:, 1])[:, 16]) / 32 - 1.5

    found = permutation_importance(Reader(power), signals.replace(X=X.astype(np.float32)), ["calm", "tense"], BANDS)
    assert found.bands == ("low", "high", REST)
    cells = np.abs(found.cells[0])
    assert cells[1, 1] > 0.5
    assert found.by_electrode[0, 1] == pytest.approx(cells[1, 1], rel=1e-4)
    cells[1, 1] = 0
    assert cells.max() < 1e-5


def test_samples_are_worked_on_in_blocks(signals, features, monkeypatch):
    deep = Reader(lambda X: X[..., :3].sum(axis=tuple(range(1, X.ndim))) / 4)
    network = MLPClassifier(hidden=(8,), **SMALL).fit(features.X, features.y)
    given = (signals, BANDS), (features, None)
    whole = [permutation_importance(deep, s, ["calm", "tense"], b, repeats=2) for s, b in given]
    whole.append(integrated_gradients(network, features))
    monkeypatch.setattr(module, "_BLOCK", 1000)
    monkeypatch.setattr(module, "_AT_ONCE", 1000)
    parts = [permutation_importance(deep, s, ["calm", "tense"], b, repeats=2) for s, b in given]
    parts.append(integrated_gradients(network, features))
    for a, b in zip(whole, parts, strict=True):
        assert np.allclose(a.values, b.values, atol=1e-5)
        assert np.allclose(a.error, b.error, atol=1e-5)


def test_trials_are_exchanged_whole_and_within_a_person():
    rng = np.random.default_rng(0)
    meta = pd.DataFrame(
        [
            {"subject": f"s{s}", "trial": f"s{s}-t{t}", "start": float(w)}
            for s in range(2)
            for t in range(5)
            for w in range(2 + t % 3)
        ]
    ).sample(frac=1, random_state=0, ignore_index=True)
    trial, subject, start = (meta[name].to_numpy() for name in ("trial", "subject", "start"))
    for level, within in (("trial", "subject"), ("trial", None), ("window", "subject")):
        donors = module._donors(meta, level, within, rng)
        assert (donors != np.arange(len(meta))).all()
        if within:
            assert (subject[donors] == subject).all()
        else:
            assert (subject[donors] != subject).any()
        if level == "trial":
            assert (trial[donors] != trial).all()
            for name in set(trial):
                mine = np.flatnonzero(trial == name)[np.argsort(start[trial == name])]
                assert len(set(trial[donors[mine]])) == 1
                assert (np.diff(start[donors[mine]]) >= 0).all()
    with pytest.raises(InputError, match="trial or window"):
        module._donors(meta, "subject", None, rng)
    with pytest.raises(InputError, match=r"no column 'sbject'.*subject") as error:
        module._donors(meta, "trial", "sbject", rng)
    assert error.value.fits.endswith(", or None")
    with pytest.raises(InputError, match="within=None"):
        module._donors(meta[meta["trial"].isin(["s0-t0", "s1-t0"])], "trial", "subject", rng)


def test_windows_of_a_trial_count_as_one(features):
    """Every window twice: the same importance, and the same standard error."""
    reader = Reader(lambda X: X[:, 1, 2].mean(axis=-1) - 0.15)
    twice = features[np.repeat(np.arange(len(features)), 2)]
    once, double = (permutation_importance(reader, s, ["calm", "tense"], repeats=2) for s in (features, twice))
    assert np.allclose(once.values, double.values)
    assert np.allclose(once.error, double.error)
    means = pd.Series(once.of_samples[:, 0, 1, 2]).groupby(features.meta["trial"]).mean()
    assert once.error[0, 1, 2] == pytest.approx(means.std() / np.sqrt(len(means)), rel=1e-5)


def test_ratings_lose_squared_error(features):
    class Mean(RegressorMixin, BaseEstimator):
        def predict(self, X):
            return X[:, 0, 0].mean(axis=-1)

    rated = features.replace(y=features.X[:, 0, 0].mean(axis=-1).astype(float))
    found = permutation_importance(Mean(), rated, [], repeats=2)
    assert found.maps == ("rating",)
    assert found.values[0, 0, 0] > 0
    assert found.strongest(n=1).loc[0, "channel"] == "F3"
    assert not found.cells[0, 1].any()


def test_a_method_must_fit_the_classes_and_be_steady(features, words):
    good = Reader(lambda X: X[:, 1, 2].mean(axis=-1))
    with pytest.raises(InputError) as error:
        permutation_importance(good, features, ["calm"])
    words(error.value, "calm, tense", "all classes")
    good.classes_ = np.array(["calm"])
    with pytest.raises(InputError, match="label 'tense'"):
        permutation_importance(good, features, ["calm"])
    with pytest.raises(InputError, match="no probabilities"):
        permutation_importance(Ridge(), features, ["calm", "tense"])
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="asked again"):
        permutation_importance(Reader(lambda X: rng.standard_normal(len(X))), features, ["calm", "tense"], repeats=1)

    def overwriting(X):
        X *= 0.5
        return X[:, 1, 2].mean(axis=-1)

    with pytest.raises(InputError, match="leaves its input"):
        permutation_importance(Reader(overwriting), features, ["calm", "tense"], repeats=1)


def test_published_features_and_tables_have_places_too(make_samples):
    names = [f"de-{band}-{channel}" for band in ("theta", "alpha") for channel in NAMES]
    samples = make_samples(shape=(6, 5))
    samples = samples.replace(info={"ch_names": names, "sfreq": 1.0, "modality": "features"})
    reader = Reader(lambda X: X[:, 4].mean(axis=-1))
    found = permutation_importance(reader, samples, ["calm", "tense"], repeats=1)
    assert (found.bands, found.ch_names) == (("theta", "alpha"), NAMES)
    assert np.flatnonzero(found.cells[0]).tolist() == [4]
    table = samples.replace(X=samples.X[..., 0], info={})
    found = permutation_importance(Reader(lambda X: X[:, 4]), table, ["calm", "tense"], repeats=1)
    assert (found.bands, found.ch_names[:2]) == (("value",), ("channel 1", "channel 2"))
    assert np.flatnonzero(found.cells[0]).tolist() == [4]


def test_the_table_names_every_value(features):
    reader = Reader(lambda X: X[:, 1, 2].mean(axis=-1))
    found = permutation_importance(reader, features, ["calm", "tense"], ["theta", "alpha"], repeats=2)
    table = found.table().set_index(["map", "band", "channel"])
    assert len(table) == 3 * 3 * 4
    assert table.loc[("calm", "alpha", "Pz"), "value"] == found.cells[1, 1, 2]
    assert table.loc[(ALL, "theta", ALL), "value"] == found.by_band[0, 0]
    assert table.loc[("tense", ALL, "F4"), "error"] == found.error[2, -1, 1]
    assert table.loc[(ALL, "theta", "F3"), ["x", "y"]].tolist() == found.positions[0].tolist()
    with pytest.raises(InputError, match=r"no map of 'clam'.*calm"):
        found.strongest("clam")


# ------------------------------------------------------------------------------------------------------ known effects


@pytest.fixture(scope="module")
def simulated():
    """Return training and test samples of simulated EEG, with and without the effect of valence."""

    def part(null):
        electrodes = ["F3", "F4", "T7", "T8", "C3", "C4", "Pz", "O1", "O2"]
        source = SimulatedEEG(
            subjects=4, trials=32, seconds=6.0, effect=6.0, slope_sd=0.0, null=null, montage=electrodes, artifacts=False
        )
        samples = source.load().windows(2.0)
        samples = samples.replace(y=np.where(samples.meta["valence"] > 5, "high", "low"))
        test = samples.meta["trial"].str[-2:].astype(int).to_numpy() % 4 == 0
        return samples[~test], samples[test]

    return {null: part(null) for null in (False, True)}


def test_the_places_that_carry_the_effect_come_out_on_top(simulated):
    shares = {}
    for null, (train, test) in simulated.items():
        network = MLPClassifier(max_epochs=10, weight_decay=0.1, random_state=0, device="cpu")
        pipe = make_pipeline(DifferentialEntropy(), ChannelScaler(), network).fit(train)
        gradients = integrated_gradients(pipe, test)
        for found in (permutation_importance(pipe, test, ["high", "low"]), gradients):
            true = np.zeros(found.cells.shape[1:], dtype=bool)
            for band, regions, axis, _ in EFFECTS:
                near = [e for r in regions for e in REGIONS[r] if e in found.ch_names]
                if axis == "valence":
                    true[found.bands.index(band), [found.ch_names.index(e) for e in near]] = True
            importance = np.maximum(found.cells[0], 0)
            shares[found.method, null] = importance[true].sum() / importance.sum() / true.mean()
            if not null:
                assert true.ravel()[importance.argmax()]
            elif found is not gradients:
                assert found.values[0, -1, -1] < 0.1
    assert shares["permutation importance", False] > 2.5
    assert shares["integrated gradients", False] > 1.5
    assert shares["permutation importance", True] < 1.7
    assert shares["integrated gradients", True] < 1.3


def test_the_python_of_the_page_runs(capsys):
    *_, code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "saliency.md").read_text(), re.S)
    exec(compile(code, "saliency.md", "exec"), {})
    assert capsys.readouterr().out.count("alpha") >= 4


def test_the_numbers_of_the_page_are_the_stored_ones():
    stored = json.loads((ROOT / "results" / "saliency.json").read_text())
    table = pd.DataFrame(stored["maps"]).set_index(["target", "condition", "method", "way"])
    lines = (ROOT / "docs" / "saliency.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.count("|") == 9]
    rows = [row for row in rows if row[0] in ("valence", "arousal")]
    assert len(rows) == len(set(table.index))
    for target, condition, method, way, *cells in rows:
        mine = table.loc[[(target, condition, method, way)]]
        assert len(mine) == stored["seeds"]
        for cell, column in zip(cells, ("balanced_accuracy", "share", "auc", "true_of_best_10"), strict=True):
            mean, spread = map(float, re.findall(r"-?\d+\.?\d*", cell)[:2])
            places = 0.051 if column == "true_of_best_10" else 0.0051
            assert [mean, spread] == pytest.approx([mine[column].mean(), mine[column].std()], abs=places)
    text = " ".join(" ".join(lines).split())
    eyes = [stored["eyes"][key] for key in ("with artifacts", "without artifacts")]
    rest, rest_without = (100 * part["share_of_bands"][REST] for part in eyes)
    front, front_without = (100 * part["share_of_fp1_fp2_outside_bands"] for part in eyes)
    assert f"{rest:.0f} % of the importance outside the bands, and {front:.1f} % at Fp1 and Fp2" in text
    assert f"these are {rest_without:.0f} % and {front_without:.1f} %" in text
    person = table.groupby("target")["person_alone"].mean()
    assert f"reaches {person['valence']:.2f} for valence and {person['arousal']:.2f} for arousal" in text
    table = table.reset_index().query("way == 'permutation'").groupby(["condition", "target", "method"])["everything"]
    for condition, words in (
        ("null", "everything at once costs {:.3f} to {:.3f} nats"),
        ("permuted labels", "({:.3f} to"),
    ):
        costs = table.mean()[condition]
        assert words.format(costs.min(), costs.max()) in text
