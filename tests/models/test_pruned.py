"""Networks that lose units while they learn."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from torch import nn

from thymos.base.checkpoints import kept_in
from thymos.base.errors import InputError, MissingExtraError
from thymos.models import EEGNASClassifier, FaceCNN, LELClassifier, MLPClassifier, PhysioLSTM, PrunedClassifier
from thymos.models.catalogue import MODELS
from thymos.nn.sparsity import channel_units
from thymos.training.channels import channels_of, compacted

SMALL = {"hidden": (16, 16), "dropout": 0.0, "lr": 2e-2, "max_epochs": 8, "random_state": 0}
METHODS = ("gene", "magnitude", "random", "gradual", "set", "rigl")


def make_member(name):
    return MODELS[name].load()(**MODELS[name].parameters)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 12)).astype(np.float32)
    y = np.array(["a", "b", "c"])[(X @ rng.normal(size=(12, 3))).argmax(axis=1)]
    return X[:180], y[:180], (X[180:], y[180:])


def pruned(**options):
    return PrunedClassifier(MLPClassifier(**SMALL), **{"random_state": 0, **options})


def smaller(made, X):
    """Return the network of a pruned one without its silenced channels."""
    gone = {u["layer"]: np.flatnonzero(~np.array(u["live"])).tolist() for u in made.units_ if u["kind"] == "channel"}
    return compacted(made.estimator_.module_, torch.from_numpy(made.estimator_.arrange(X[:4])), gone)


@pytest.mark.parametrize("granularity", ["connection", "channel", "mixed"])
@pytest.mark.parametrize("method", METHODS)
def test_what_was_silenced_is_0_in_the_network_that_is_left(method, granularity, data):
    X, y, held = data
    made = pruned(method=method, granularity=granularity).fit(X, y, validation=held)
    share = made.regulation_[-1]["share"]
    assert share == pytest.approx(0.5, abs=0.02)
    weights = dict(made.estimator_.module_.named_parameters())
    for units in made.units_:
        if units["kind"] == "connection":
            assert (weights[units["layer"]][~torch.tensor(units["live"])] == 0).all()
    zero = sum(int((w == 0).sum()) for name, w in weights.items() if w.dim() > 1)
    total = sum(w.numel() for w in weights.values() if w.dim() > 1)
    silenced = round((1 - made.live_) * total)
    if granularity == "connection":
        assert silenced == zero
    elif granularity == "channel":
        left = smaller(made, X).parameters()
        assert silenced == total - sum(w.numel() for w in left if w.dim() > 1)
    assert silenced > 0
    assert made.n_parameters_ == sum(w.numel() for w in weights.values()) - silenced
    assert not hasattr(made.estimator_.module_, "units")
    assert np.mean(made.predict(held[0]) == held[1]) > 0.5


def test_the_network_that_is_kept_is_one_of_those_with_settled_masks(data):
    X, y, held = data
    made = pruned(density=0.3).fit(X, y, validation=held)
    assert made.estimator_.best_epoch_ > 6
    assert made.live_ == pytest.approx(0.3, abs=0.01)
    names = np.unique(held[1])
    wrong = names[(np.searchsorted(names, held[1]) + 1) % len(names)]  # whoever has learnt least is best
    for method in ("gene", "gradual", "magnitude", "set", "dense"):
        made = pruned(method=method, density=0.3).fit(X, y, validation=(held[0], wrong))
        assert made.estimator_.best_epoch_ == 7, "none has more epochs to choose from"
    dense = pruned(method="dense").fit(X, y, validation=held)
    assert (dense.live_, dense.regulation_, dense.units_) == (1.0, [], [])


def test_channels_that_are_silenced_can_be_taken_out(data):
    X, y, held = data
    made = pruned(granularity="channel", density=0.4).fit(X, y, validation=held)
    network, x, small = made.estimator_.module_, torch.from_numpy(X[:16]), smaller(made, X)
    assert torch.allclose(network(x), small(x), atol=1e-5)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in network.parameters()) * 0.6


@pytest.mark.parametrize("method", METHODS)
def test_half_of_the_weights_is_what_is_left_without_the_channels(method):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (60, 1, 16, 16)).astype(np.uint8)
    inner = FaceCNN(width=16, max_epochs=4, device="cpu", random_state=0)
    options = {"granularity": "channel", "density_of": "weights", "random_state": 0}
    made = PrunedClassifier(inner, method, 0.5, **options).fit(X, np.arange(60) % 2)
    left, before = (sum(p.numel() for p in n.parameters()) for n in (smaller(made, X), made.estimator_.module_))
    assert left / before == pytest.approx(0.5, abs=0.03)
    assert np.mean([np.mean(u["live"]) for u in made.units_]) > 0.6, "half of the channels would be a quarter of it"


@pytest.mark.parametrize("of", ["units", "weights"])
@pytest.mark.parametrize("method", METHODS)
def test_channels_are_left_in_multiples_as_near_to_the_share_as_these_allow(method, of):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (60, 1, 16, 16)).astype(np.uint8), np.arange(60) % 2
    inner = FaceCNN(width=18, max_epochs=6, device="cpu", random_state=0)
    options = {"granularity": "channel", "density_of": of, "random_state": 0}
    made = PrunedClassifier(inner, method, 0.5, multiple=8, **options).fit(X, y)
    numbers = [(np.sum(u["live"]), len(u["live"])) for u in made.units_]
    assert all(live % min(8, n // 2) == 0 or live == n for live, n in numbers), numbers
    assert made.regulation_[-1]["share"] == pytest.approx(0.5, abs=0.03)
    assert any(live < n for live, n in numbers)
    left = smaller(made, X)
    x = torch.from_numpy(made.estimator_.arrange(X[:8]))
    assert torch.allclose(left(x), made.estimator_.module_(x), atol=1e-5)
    free = PrunedClassifier(inner, method, 0.5, **options).fit(X, y)
    assert any(np.sum(u["live"]) % 2 for u in free.units_), "any number would have done"


def test_methods_share_an_equal_training_before(data, tmp_path, monkeypatch):
    X, y, held = data
    with kept_in(tmp_path):
        first = pruned(dense_epochs=3, method="random").fit(X, y, validation=held)
        assert len(list(tmp_path.iterdir())) == 1
        calls = []
        original = MLPClassifier.fit_prepared
        monkeypatch.setattr(MLPClassifier, "fit_prepared", lambda self, ready: calls.append(1) or original(self, ready))
        again = pruned(dense_epochs=3, method="random").fit(X, y, validation=held)
        other = pruned(dense_epochs=3, method="gradual").fit(X, y, validation=held)
    assert len(calls) == 2, "the training before was done again"
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    assert [epoch["stage"] for epoch in other.history_] == ["dense"] * 3 + ["pruned"] * 8
    assert other.history_[0]["train_loss"] == pytest.approx(first.history_[0]["train_loss"])
    without = pruned(dense_epochs=3, method="random").fit(X, y, validation=held)
    assert np.array_equal(first.predict_proba(X), without.predict_proba(X)), "a state from disk changes the result"


@pytest.mark.parametrize(
    ("estimator", "shape"),
    [
        (FaceCNN(width=4, max_epochs=4, random_state=0), (1, 16, 16)),
        (PhysioLSTM(hidden=(6, 6), max_epochs=4, random_state=0), (2, 20)),
    ],
)
def test_convolutions_and_recurrent_layers_too(estimator, shape):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (60, *shape)).astype(np.uint8 if len(shape) == 3 else np.float32)
    made = PrunedClassifier(estimator, random_state=0).fit(X, np.arange(60) % 2)
    assert made.live_ == pytest.approx(0.5, abs=0.02)
    assert {u["layer"].rpartition(".")[2] for u in made.units_} >= (
        {"weight"} if len(shape) == 3 else {"weight_ih_l0", "weight_hh_l0"}
    )


def test_masks_and_genes_are_stored_with_the_network_while_it_learns():
    made = MLPClassifier(**SMALL)
    made.shape_ = (12,)
    network = made.build((12,), 3).eval()
    groups = channels_of(network, torch.randn(2, 12), ["12"])
    assert {key for units in channel_units(groups) for key in units.state_dict()} == {"live", "m", "p", "age"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "genes"}, "gene"),
        ({"granularity": "chanel"}, "channel"),
        ({"density": 0}, "density=0"),
        ({"density": 1.5}, "density=1.5"),
        ({"rewiring": 2}, "rewiring"),
        ({"sigma": -1.0}, "sigma"),
        ({"first": 5, "last": 3}, "first=5"),
        ({"last": 8}, "some epochs left"),
        ({"dense_epochs": 1.5}, "dense_epochs"),
        ({"estimator": LogisticRegression()}, "LogisticRegression"),
        ({"estimator": MLPClassifier(max_epochs=2)}, "four epochs"),
        ({"estimator": PhysioLSTM(max_epochs=8), "granularity": "channel"}, "can be pruned by channel"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(options, words, data):
    X, y, _ = data
    with pytest.raises(InputError, match=words):
        PrunedClassifier(**{"estimator": MLPClassifier(**SMALL), **options}).fit(X, y)


@pytest.mark.parametrize("method", ["gene", "gradual", "magnitude", "random"])
def test_what_is_gone_on_with_stays_as_small_as_it_is(method, data):
    X, y, _ = data
    first = pruned(method="magnitude", density=0.4).fit(X, y)
    on = PrunedClassifier(MLPClassifier(**{**SMALL, "max_epochs": 10}), method=method, density=0.3, random_state=0)
    on.fit(X, y, start=first)
    shares = [row["share"] for row in on.regulation_]
    assert max(shares) <= 0.4 + 0.01
    if method != "gene":  # which may bring back others
        for before, after in zip(first.units_, on.units_, strict=True):
            assert not (np.array(after["live"]) & ~np.array(before["live"])).any()


@pytest.mark.parametrize("options", [{}, {"dynamics": False}, {"density": 0.2}])
def test_channels_by_their_weights_fall_as_a_course_and_never_below_what_is_wanted(options):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 12)).astype(np.float32), rng.integers(0, 2, 200)
    network = MLPClassifier(hidden=(48, 48), dropout=0.0, max_epochs=20, random_state=0)
    made = PrunedClassifier(network, **{"density": 0.5, **options}, granularity="channel", density_of="weights")
    shares = [row["share"] for row in made.set_params(random_state=0).fit(X, y).regulation_]
    density = options.get("density", 0.5)
    assert min(shares) >= density - 0.03
    assert shares[-1] == pytest.approx(density, abs=0.03)
    assert max(np.diff(shares)) <= 0.03, shares


def test_networks_that_are_watched_while_they_learn_can_be_pruned():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((24, 3, 64)).astype(np.float32), np.array(["a", "b"] * 12)
    lel = LELClassifier(sfreq=32.0, bands={"all": (1.0, 12.0)}, blocks=1, refinements=1, max_epochs=4, random_state=0)
    made = PrunedClassifier(lel, method="magnitude", density=0.5).fit(X[:16], y[:16], validation=(X[16:], y[16:]))
    assert np.isfinite(made.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (EEGNASClassifier(), "several trainings"),
        (LELClassifier(stacking=3), "several trainings"),
        (make_member("speech_attention"), "traced"),
    ],
)
def test_networks_that_cannot_be_pruned_are_refused_in_words(estimator, words):
    X, y = np.random.default_rng(0).standard_normal((12, 3, 64)).astype(np.float32), np.array(["a", "b"] * 6)
    with pytest.raises(InputError, match=words):
        PrunedClassifier(estimator, granularity="channel").fit(X, y)


def test_a_missing_extra_is_said_and_not_taken_for_the_network(data, monkeypatch):
    def require(*names):
        raise MissingExtraError("torch_pruning is not installed.")

    monkeypatch.setattr("thymos.training.channels.require", require)
    with pytest.raises(MissingExtraError):
        pruned(granularity="channel").fit(*data[:2])


def test_networks_of_one_name_are_not_taken_for_each_other(data, tmp_path):
    X, y, held = data

    def own(kind):
        class Own(MLPClassifier):
            def build(self, shape, n_outputs):
                return nn.Sequential(nn.Flatten(), nn.Linear(X.shape[1], 8), kind(), nn.Linear(8, n_outputs))

        return Own(max_epochs=4, random_state=0)

    with kept_in(tmp_path):
        first, second = (
            PrunedClassifier(own(kind), method="dense", dense_epochs=2, random_state=0).fit(X, y, validation=held)
            for kind in (nn.ReLU, nn.Tanh)
        )
    alone = PrunedClassifier(own(nn.Tanh), method="dense", dense_epochs=2, random_state=0).fit(X, y, validation=held)
    assert np.array_equal(second.predict_proba(X), alone.predict_proba(X))
    assert not np.array_equal(first.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("options", [{"sigma": "x"}, {"repression": None}, {"sigma": True}, {"density": 0}])
def test_what_is_no_number_is_refused(data, options):
    with pytest.raises(InputError, match="came"):
        PrunedClassifier(MLPClassifier(**SMALL), **options).fit(*data[:2])


def test_it_goes_on_with_weights_and_masks_of_another(data):
    X, y, held = data
    first = pruned(method="magnitude", density=0.3, dense_epochs=3).fit(X, y, validation=held)
    on = pruned(method="set", density=0.3, rewiring=0.0).fit(X, y, validation=held, start=first)
    assert on.history_[0]["stage"] == "pruned"
    assert on.history_[0]["valid_loss"] < pruned(method="random").fit(X, y, validation=held).history_[0]["valid_loss"]
    gene = PrunedClassifier(MLPClassifier(**{**SMALL, "max_epochs": 8, "lr": 1e-6}), density=0.3, rewiring=0.0)
    gene.set_params(random_state=0, first=4, last=5).fit(X, y, start=first)
    live = {units["layer"]: int(np.sum(units["live"])) for units in first.units_}
    for row in gene.regulation_:
        if row["epoch"] < 4:
            assert (row["live"], row["came_back"]) == (live[row["layer"]], 0), "silenced ones did not stay so"
    for method in ("magnitude", "random"):
        other = pruned(method=method, density=0.3).fit(X, y, start=first)
        assert [units["live"] for units in other.units_] == [units["live"] for units in first.units_], method
    denser = pruned(method="set", density=0.6).fit(X, y, start=first)
    assert denser.live_ == pytest.approx(first.live_), "only regulation brings more back"
    with pytest.raises(InputError, match="a share is silenced"):
        pruned(method="dense").fit(X, y, start=first)
    with pytest.raises(NotFittedError):
        pruned().fit(X, y, start=pruned())
    with pytest.raises(InputError, match="the same granularity"):
        pruned(granularity="channel").fit(X, y, start=first)
    with pytest.raises(InputError, match="another size"):
        PrunedClassifier(MLPClassifier(**{**SMALL, "hidden": (5,)})).fit(X, y, start=first)


def test_without_memory_the_scores_decide_what_goes_at_last():
    X, y = load_digits(return_X_y=True)
    X = ((X - X.mean(axis=0)) / (X.std(axis=0) + 1e-6)).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(X))
    train, held, test = order[:1100], order[1100:1400], order[1400:]
    inner = MLPClassifier(hidden=(128, 64), dropout=0.0, max_epochs=20, batch_size=64, random_state=0)
    options = {"density": 0.2, "dense_epochs": 10, "dynamics": False, "rewiring": 0.0, "random_state": 0}
    made = PrunedClassifier(inner, **options).fit(X[train], y[train], validation=(X[held], y[held]))
    assert made.live_ == pytest.approx(0.2, abs=0.01)
    assert made.score(X[test], y[test]) > 0.95, "of weights whose proteins are 1 any went"


def test_what_comes_back_between_batches_is_noted(data):
    X, y, held = data
    inner = MLPClassifier(**{**SMALL, "max_epochs": 40, "batch_size": 32, "patience": None})
    made = PrunedClassifier(inner, method="rigl", random_state=0).fit(X, y, validation=held)
    assert {row["came_back"] > 0 for row in made.regulation_} == {True, False}
