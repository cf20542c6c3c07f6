"""LEL as an estimator: what it learns, what decides, and what its certificate is worth."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import f1_score

from thymos.base.errors import InputError
from thymos.models.catalogue import MODELS
from thymos.models.convnets import ConvNetClassifier
from thymos.models.lel import BranchLoss, LELClassifier
from thymos.nn.lel import BRANCHES
from thymos.training.estimator import weighted_loss

BANDS = {"theta": (4.0, 8.0), "alpha": (8.0, 14.0), "beta": (14.0, 30.0)}


def make(**options):
    few = {"sfreq": 64.0, "stride": 4, "blocks": 1, "refinements": 1, "heads": 2, "batch_size": 16, "lr": 3e-3}
    return LELClassifier(**{**few, "bands": BANDS, "max_epochs": 4, "random_state": 0, **options})


@pytest.fixture(scope="module")
def data():
    """Return windows in volts whose class is a rhythm at some channels: (X, y), a part held back, and a test part."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(0, 1e-5, (150, 4, 64)), np.array(["calm", "tense", "neutral"])[np.arange(150) % 3]
    time = np.arange(64) / 64
    for label, channel, hz in (("tense", 1, 10), ("neutral", 2, 20)):
        rows = np.flatnonzero(y == label)
        X[rows, channel] += 2e-5 * np.sin(2 * np.pi * (hz * time + rng.random((len(rows), 1))))
    X = X.astype(np.float32)
    return (X[:90], y[:90]), (X[90:120], y[90:120]), (X[120:], y[120:])


@pytest.fixture(scope="module")
def fitted(data):
    return make(max_epochs=12, measure=5).fit(*data[0], validation=data[1])


@pytest.fixture(scope="module")
def certified(data):
    return make(max_epochs=12, certified=True, lr=1e-2).fit(*data[0], validation=data[1])


def test_it_learns_and_so_does_every_branch_but_for_chance(fitted, data):
    X, y = data[2]
    assert (fitted.predict(X) == y).mean() > 0.8
    right = fitted.classes_[fitted.branch_probabilities(X).argmax(axis=2)] == y[:, None]
    assert (right.mean(axis=0)[1:] > 0.5).all()


def test_certified_one_learns_too(certified, data):
    assert (certified.predict(data[2][0]) == data[2][1]).mean() > 0.6


def test_the_validation_loss_is_that_of_the_fused_probabilities_of_the_weights_kept(fitted, data):
    X, y = data[1]
    probabilities = fitted.predict_proba(X)[np.arange(len(y)), np.searchsorted(fitted.classes_, y)]
    kept = fitted.history_[fitted.best_epoch_ - 1]["valid_loss"]
    assert -np.log(probabilities).mean() == pytest.approx(kept, rel=1e-4)
    assert kept == min(h["valid_loss"] for h in fitted.history_)


def test_the_weights_of_the_fusion_are_learnt_on_the_validation_part_alone(fitted, data):
    assert fitted.weights_.sum() == pytest.approx(1)
    assert np.ptp(fitted.weights_) > 0.01
    assert np.ptp(make().fit(*data[0]).weights_) == 0  # without one they are the mean
    assert np.ptp(make(fusion="average").fit(*data[0], validation=data[1]).weights_) == 0


def test_stacking_learns_the_fusion_from_networks_that_did_not_see_the_samples(data, monkeypatch):
    X, y = data[0]
    groups, seen, epochs = np.repeat(np.arange(30), 3), [], []
    fit = ConvNetClassifier.fit

    def watched(self, X, y, validation=None, groups=None, meta=None):
        seen.append(X[:, 0, 0])
        epochs.append(self.max_epochs)
        return fit(self, X, y, validation, meta=meta)

    monkeypatch.setattr(ConvNetClassifier, "fit", watched)
    model = make(stacking=3).fit(X, y, groups=groups)
    assert [len(part) for part in seen] == [90, 60, 60, 60]
    assert epochs == [4, model.best_epoch_, model.best_epoch_, model.best_epoch_]
    of = dict(zip(X[:, 0, 0].tolist(), groups.tolist(), strict=True))
    for part in seen[1:]:
        inside = {of[value] for value in part.tolist()}
        assert len(inside) == 20  # whole groups
    assert np.ptp(model.weights_) > 0.01
    plain = make(fusion="average").fit(X, y)
    state, other = model.module_.state_dict(), plain.module_.state_dict()
    assert all(torch.equal(state[k], other[k]) for k in state if not k.startswith("fusion"))


def test_stacking_leaves_the_windows_of_a_trial_together(data):
    X, y = data[0]
    meta = pd.DataFrame({"trial": np.repeat([f"t{k}" for k in range(30)], 3)})
    model = make(stacking=3)
    for seed in (0, np.random.RandomState(1)):
        for train, held in model.set_params(random_state=seed)._folds(y, None, meta):
            assert not set(meta["trial"][train]) & set(meta["trial"][held])
    with pytest.raises(InputError, match="Metadata with subject came"):
        make(stacking=3).fit(X, y, meta=pd.DataFrame({"subject": ["a"] * len(y)}))


def test_stacking_needs_every_class_outside_each_fold(data):
    with pytest.raises(InputError, match="leaves a class out"):
        make(stacking=2, max_epochs=1).fit(
            data[0][0][:6], np.array(["calm", "tense"])[[0, 0, 0, 0, 1, 1]], groups=[0, 1, 2, 3, 4, 4]
        )


def test_the_branches_are_the_same_whatever_the_fusion_does(data):
    made = [make(fusion=f, patience=None).fit(*data[0], validation=data[1]) for f in ("learnt", "average", "vote")]
    states = [{k: v for k, v in m.module_.state_dict().items() if not k.startswith("fusion")} for m in made]
    assert all(torch.equal(states[0][k], other[k]) for other in states[1:] for k in states[0])


def test_fused_probabilities_are_those_of_the_branches_weighted(fitted, data):
    X = data[2][0]
    assert np.allclose(
        fitted.predict_proba(X), np.einsum("b,nbk->nk", fitted.weights_, fitted.branch_probabilities(X)), atol=1e-6
    )


def test_the_constant_is_logged_after_every_epoch(fitted):
    assert all(h["lipschitz"] > 0 for h in fitted.history_)
    assert (
        "lipschitz"
        not in make(max_epochs=1).fit(np.random.default_rng(0).normal(size=(9, 4, 64)), [0, 1, 2] * 3).history_[0]
    )


def test_the_unit_of_the_windows_does_not_matter(data):
    (X, y), (X_test, _) = data[0], data[2]
    volts, microvolts = make(noise=0.1).fit(X, y), make(noise=0.1).fit(X * np.float32(1e6), y)
    assert np.allclose(volts.predict_proba(X_test), microvolts.predict_proba(X_test * np.float32(1e6)), atol=1e-3)


def test_an_offset_of_a_channel_does_not_matter(data):
    (X, y), (X_test, _) = data[0], data[2]
    offset = np.array([0.0, 3e-4, -2e-4, 0.0], np.float32)[:, None]
    plain, moved = make(noise=0.0).fit(X, y), make(noise=0.0).fit(X + offset, y)
    assert np.allclose(plain.predict_proba(X_test), moved.predict_proba(X_test + offset), atol=2e-3)


def test_what_decides_about_the_fusion_is_what_decides_about_the_epochs(data):
    weights = {"calm": 10.0, "tense": 1.0, "neutral": 0.1}
    X, y = data[1]
    model = make(class_weight=weights, label_smoothing=0.1).fit(*data[0], validation=data[1])
    logs = torch.from_numpy(model.predict_proba(X)).log()
    codes = torch.from_numpy(np.searchsorted(model.classes_, y))
    of = torch.tensor([weights[c] for c in model.classes_], dtype=torch.float64)
    loss = torch.nn.functional.cross_entropy(logs, codes, weight=of, label_smoothing=0.1)
    assert float(loss) == pytest.approx(model.history_[model.best_epoch_ - 1]["valid_loss"], rel=1e-4)


def test_the_accuracy_that_is_monitored_is_that_of_the_kept_state(data):
    for seed in range(3):
        model = make(monitor="accuracy", random_state=seed).fit(*data[0], validation=data[1])
        kept = model.history_[model.best_epoch_ - 1]["valid_accuracy"]
        assert kept == pytest.approx((model.predict(data[1][0]) == data[1][1]).mean())


def test_the_macro_f1_that_is_monitored_is_that_of_the_kept_state(data):
    for seed in range(3):
        model = make(monitor="macro_f1", random_state=seed).fit(*data[0], validation=data[1])
        kept = model.history_[model.best_epoch_ - 1]["valid_macro_f1"]
        assert kept == pytest.approx(f1_score(data[1][1], model.predict(data[1][0]), average="macro"))
        assert kept == max(h["valid_macro_f1"] for h in model.history_)


def test_losses_of_training_and_validation_can_be_set_side_by_side(data):
    model = make(max_epochs=1, lr=1e-6, noise=0.0, dropout=0.0).fit(*data[0], validation=data[0])
    first = model.history_[0]
    assert first["train_loss"] == pytest.approx(first["valid_loss"], rel=0.25)  # not the sum of four


@pytest.mark.parametrize("schedule", ["cosine", "plateau", "one_cycle"])
def test_schedules_go_with_a_validation_part(schedule, data):
    model = make(schedule=schedule).fit(*data[0], validation=data[1])
    assert all(h["lr"] > 0 for h in model.history_[:-1])


def test_measuring_does_not_change_what_is_learnt(data):
    plain, watched = (make(measure=m, certified=True).fit(*data[0]) for m in (0, 3))
    state = plain.module_.state_dict()
    assert all(torch.equal(state[k], v) for k, v in watched.module_.state_dict().items())


def test_votes_have_no_constant(data):
    model = make(fusion="vote", max_epochs=1).fit(*data[0])
    assert "ensemble" not in set(model.measured(data[2][0][:3], steps=1)["where"])


def test_with_one_class_nothing_can_change(data):
    X = data[0][0]
    model = make(certified=True, max_epochs=1).fit(X[:20], ["calm"] * 20)
    assert np.isinf(model.certify(X[:3].tolist())["radius"]).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda m, X: m.certify(X, groups=[1, 2]),
        lambda m, X: m.certify(X, groups=[None] * len(X)),
        lambda m, X: m.measured(X, steps="a"),
        lambda m, X: m.measured(X, steps=-1),
        lambda m, X: m.measured(X, scales="a"),
        lambda m, X: m.measured(np.full_like(X, np.nan)),
        lambda m, X: m.measured(X[:0]),
        lambda m, X: m.measured(X[..., :10]),
        lambda m, X: make(stacking=3).fit(X[:6], ["a", "b"] * 3, groups=[1, 2, 1, 2, 1, 2]),
        lambda m, X: make(stacking=3).fit(X[:6], ["a", "b"] * 3, groups=[1, 2]),
        lambda m, X: make(dropout=0.9999, max_epochs=1).fit(X[:6], ["a", "b"] * 3).predict(X[:, 0]),
    ],
)
def test_wrong_calls_end_in_words(call, certified, data):
    with pytest.raises(ValueError, match=r"\w+"):
        call(certified, data[2][0])


def test_a_model_of_the_published_choices_runs(data):
    model = clone(MODELS["lel_code"].load()(**MODELS["lel_code"].parameters))
    model.set_params(sfreq=64.0, bands=BANDS, blocks=1, refinements=1, stride=4, max_epochs=2, random_state=0)
    model.fit(*data[0], validation=data[1])
    assert model.predict_proba(data[2][0]).shape == (30, 3)
    mix = model.module_.branches["global"].mix.weight
    assert not mix.requires_grad


def test_the_band_extraction_of_the_programme_is_refused():
    """It takes a tenth of the window for the rate, at which there is no band above 10 Hz."""
    model = LELClassifier(sfreq=20.0, max_epochs=1)
    with pytest.raises(InputError, match="alpha"):
        model.fit(np.zeros((6, 4, 200), np.float32), [0, 1] * 3)


def test_measuring_tells_of_every_branch(fitted, certified, data):
    for model in (fitted, certified):
        found = model.measured(data[2][0][:6], steps=5)
        assert set(found["where"]) == {*BRANCHES.values(), "ensemble"}
        assert len(found) == 6 * 5
        assert (found["local"] > 0).all()
    bounds = certified.bounds()
    assert fitted.bounds() == {}
    for where, part in found.groupby("where"):
        assert part[["local", "attack"]].to_numpy().max() <= bounds[where]


def test_only_attention_by_distance_keeps_its_constant_when_tokens_grow(fitted, certified, data):
    X, scales = data[2][0][:6], (1.0, 10.0, 100.0)
    found = [m.measured(X, steps=1, scales=scales).query("where == 'attention'") for m in (fitted, certified)]
    clamped, distance = (table.groupby("scale")["local"].max() for table in found)
    assert clamped[100.0] > 5 * clamped[1.0]
    attention = certified.module_.attention(torch.from_numpy(X))[0]
    assert distance.max() <= 16**0.5 * attention.lipschitz(16)


def test_a_trial_is_certified_by_the_mean_of_its_windows(certified, data):
    X = data[2][0]
    trials = np.repeat(["b", "a", "c"], 10)
    table, windows = certified.certify(X, trials), certified.certify(X)
    logits = certified.module_(torch.from_numpy(X)).detach().numpy()
    means = np.stack([logits[trials == name].mean(axis=0) for name in "abc"])
    assert table["predicted"].tolist() == means.argmax(axis=1).tolist()
    assert table["margin"].to_numpy() == pytest.approx(np.diff(np.sort(means, axis=1)[:, -2:], axis=1)[:, 0], rel=1e-4)
    assert certified.certify(X[:10], trials[:10])["radius"][0] <= windows["radius"][:10].max() + 1e-9


def test_nothing_within_the_certified_radius_changes_a_prediction(certified, data):
    X = data[2][0]
    table = certified.certify(X)
    assert (table["radius"] > 0).all()
    spectrum = certified.module_.spectrum
    scale, mean = spectrum.scale.numpy(), spectrum.mean.numpy()
    rng = np.random.default_rng(0)
    module = certified.module_
    x = spectrum.standardised(torch.from_numpy(X)).requires_grad_(True)
    logits = module(x * spectrum.scale + spectrum.mean)
    highest = logits.topk(2, dim=1).indices
    margin = logits.gather(1, highest[:, :1]) - logits.gather(1, highest[:, 1:])
    (worst,) = torch.autograd.grad(margin.sum(), x)
    for direction in (-worst.numpy(), rng.normal(size=X.shape)):
        length = np.linalg.norm(direction.reshape(len(X), -1), axis=1)[:, None, None]
        moved = (X - mean) / scale + 0.999 * table["radius"].to_numpy()[:, None, None] * direction / length
        assert (certified.predict((moved * scale + mean).astype(np.float32)) == certified.predict(X)).all()
    noise = rng.normal(size=X.shape)
    noise *= (table["rms"].to_numpy() / np.sqrt((noise**2).mean(axis=(1, 2))))[:, None, None]
    assert (np.linalg.norm((noise / scale).reshape(len(X), -1), axis=1) <= table["radius"] * (1 + 1e-6)).all()


def test_only_the_certified_one_certifies(fitted, data):
    with pytest.raises(InputError, match="certified"):
        fitted.certify(data[2][0])


def test_relations_need_their_branch(fitted, data):
    rows = fitted.relations(data[2][0])
    assert rows.shape == (30, 4, 4)
    assert np.allclose(rows.sum(axis=2), 1, atol=1e-5)
    alone = make(branches=("magnitude",), max_epochs=1).fit(*data[0])
    with pytest.raises(InputError, match="energy"):
        alone.relations(data[2][0])


def test_hidden_layers_of_all_branches_are_the_embedding(fitted, data):
    made = fitted.embed(data[2][0])
    assert made.shape == (30, sum(b.head.out.in_features for b in fitted.module_.branches.values()))


@pytest.mark.parametrize(
    "options",
    [
        {"sfreq": None},
        {"branches": ()},
        {"branches": ("global", "global")},
        {"branches": ("globe",)},
        {"constraint": "clip"},
        {"fusion": "mean"},
        {"bound_linear": 0.0},
        {"certified": True, "bound_linear": None},
        {"certified": True, "fusion": "vote"},
        {"stride": 0},
        {"blocks": -1},
        {"noise": -0.1},
        {"noise": None},
        {"gain": "0.2"},
        {"bound_linear": "1"},
        {"bound_linear": np.inf},
        {"logit_norm": -1.0},
        {"branches": None},
        {"branches": [["global"]]},
        {"measure": 3, "fusion": "vote"},
        {"stacking": 1},
        {"stacking": 2, "fusion": "average"},
        {"dropout": 1.0},
        {"bands": {"gamma": (30.0, 45.0)}},
    ],
)
def test_impossible_parameters_are_refused_in_words(options, data):
    with pytest.raises(InputError):
        make(**options).fit(*data[0])


def test_the_loss_of_branches_is_the_sum_of_theirs():
    torch.manual_seed(0)
    logits, y = torch.randn(6, 4, 3), torch.arange(6) % 3
    weights = torch.tensor([1.0, 2.0, 0.5])
    loss = BranchLoss(weight=weights)
    parts = [torch.nn.functional.cross_entropy(logits[:, k], y, weight=weights) for k in range(4)]
    assert float(loss(logits, y)) == pytest.approx(float(sum(parts)))
    assert float(loss(logits[:, 0], y)) == pytest.approx(float(parts[0]))


def test_samples_count_what_their_metadata_say(make_samples):
    samples = make_samples(subjects=2, trials=6, windows=2, shape=(3, 64), effect=0.5)
    X, small = (
        samples.X * np.float32(1e-5),
        {"sfreq": 128.0, "blocks": 1, "max_epochs": 3, "noise": 0.0, "random_state": 0},
    )
    counts = pd.DataFrame({"sample_weight": np.ones(len(samples))})
    plain = LELClassifier(**small).fit(X, samples.y).predict_proba(X)
    assert np.array_equal(LELClassifier(**small).fit(X, samples.y, meta=counts).predict_proba(X), plain)
    counts.loc[::2, "sample_weight"] = 0.25
    assert not np.allclose(LELClassifier(**small).fit(X, samples.y, meta=counts).predict_proba(X), plain)
    balanced = LELClassifier(**small, balance="subject")
    assert balanced.fit(X, samples.y, meta=samples.meta).predict_proba(X).shape == plain.shape


def test_weighted_losses_of_branches_are_summed():
    logits, y, weight = torch.randn(6, 4, 3), torch.tensor([0, 1, 2, 0, 1, 2]), torch.ones(6)
    assert weighted_loss(BranchLoss(), logits, y, weight) == pytest.approx(float(BranchLoss()(logits, y)), rel=1e-5)
    weight[3:] = 0
    half = float(BranchLoss()(logits[:3], y[:3]))
    assert weighted_loss(BranchLoss(), logits, y, weight) == pytest.approx(half, rel=1e-5)
