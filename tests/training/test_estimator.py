import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch import nn

from thymos.base.errors import InputError
from thymos.base.samples import Samples
from thymos.models import RecurrentClassifier, RecurrentRegressor
from thymos.nn.recurrent import RecurrentNet
from thymos.training.estimator import (
    TorchClassifier,
    TorchEstimator,
    TorchRegressor,
    last_weighted,
    reproducible,
    weighted_loss,
)


def toy(n=120, seed=0, noise=1.0):
    """Return sequences whose class is the sign of their trend: only a model that reads the order can tell."""
    rng = np.random.default_rng(seed)
    y = np.array(["down", "up"])[np.arange(n) % 2]
    trend = np.linspace(-1, 1, 12) * np.where(y == "up", 1, -1)[:, None]
    X = rng.permuted(trend, axis=1) * 0.1 + trend + rng.normal(0, noise, (n, 12))
    return X[:, None].astype(np.float32), y


def log_loss(model, X, y):
    own = model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return -np.log(own).mean()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_it_learns_what_only_the_order_tells(cell):
    model = RecurrentClassifier(cell, 16, lr=1e-2, max_epochs=15, random_state=0).fit(*toy())
    X, y = toy(seed=1)
    assert (model.predict(X) == y).mean() > 0.9


def test_the_restored_best_model_reproduces_the_score_it_reports():
    X, y = toy(noise=3.0)
    validation = toy(60, seed=2, noise=3.0)
    model = RecurrentClassifier("lstm", 32, lr=3e-2, max_epochs=40, patience=6, random_state=0, dropout=0.5)
    model.fit(X, y, validation=validation)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert model.best_epoch_ == int(np.argmin(losses)) + 1
    assert len(losses) == model.best_epoch_ + 6 < 40, "patience did not stop training"
    assert log_loss(model, *validation) == pytest.approx(min(losses), rel=1e-5)
    assert model.selection_ == "lowest validation loss"


def test_best_weights_are_restored_when_epochs_run_out_too():
    X, y = toy(noise=3.0)
    validation = toy(60, seed=2, noise=3.0)
    model = RecurrentClassifier("lstm", 32, lr=3e-2, max_epochs=12, patience=50, random_state=0, dropout=0.5)
    model.fit(X, y, validation=validation)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert model.best_epoch_ < len(losses) == 12
    assert log_loss(model, *validation) == pytest.approx(min(losses), rel=1e-5)


def test_without_validation_all_epochs_are_trained_and_none_is_chosen():
    model = RecurrentClassifier(hidden=4, max_epochs=7, patience=1, random_state=0).fit(*toy())
    assert len(model.history_) == model.best_epoch_ == 7
    assert "valid_loss" not in model.history_[0]
    assert model.selection_ == "fixed number of epochs"


def test_validation_labels_decide_when_to_stop_but_never_train():
    X, y = toy()
    other = np.where(y == "up", "down", "up")
    models = [
        RecurrentClassifier(hidden=4, max_epochs=3, patience=None, random_state=0).fit(X, y, validation=(X, v))
        for v in (y, other)
    ]
    weights = [torch.cat([p.flatten() for p in m.module_.parameters()]) for m in models]
    assert torch.equal(*weights)


def test_seeds_decide_everything_and_the_global_state_is_left_alone():
    X, y = toy()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    probabilities = [
        RecurrentClassifier(hidden=4, max_epochs=2, random_state=s).fit(X, y).predict_proba(X) for s in (0, 0, 1)
    ]
    assert np.array_equal(probabilities[0], probabilities[1])
    assert not np.allclose(probabilities[0], probabilities[2])
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_training_does_not_fill_memory_that_is_written_anyway():
    filled = torch.utils.deterministic.fill_uninitialized_memory
    with reproducible(0, "cpu"):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert torch.utils.deterministic.fill_uninitialized_memory == filled


def test_the_schedule_is_the_published_one():
    model = RecurrentClassifier(hidden=2, max_epochs=20, decay=10.0, random_state=0).fit(*toy(20))
    rates = [epoch["lr"] for epoch in model.history_]
    assert np.allclose(rates, [1e-3 * np.exp(-e / 10) for e in range(20)])
    assert rates[-1] == pytest.approx(1.50e-4, rel=0.01)


def test_a_fitted_model_survives_pickling():
    X, y = toy(20)
    model = RecurrentClassifier(hidden=2, max_epochs=1, random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


def test_an_interrupted_fit_does_not_pass_for_a_finished_one(monkeypatch):
    calls = []

    def interrupted(self, x, lengths=None):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(self, x, lengths)

    original = RecurrentNet.forward
    monkeypatch.setattr(RecurrentNet, "forward", interrupted)
    for epochs in (3, 30):
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            RecurrentClassifier(hidden=2, max_epochs=epochs).fit(*toy(64))


def test_divergence_is_said_in_words(monkeypatch, words):
    monkeypatch.setattr(RecurrentNet, "forward", lambda self, x: self.final_layer.bias.expand(len(x), -1) * np.nan)
    with pytest.raises(InputError) as error:
        RecurrentClassifier(hidden=2, max_epochs=2).fit(*toy(40))
    words(error.value, "not finite", "lower lr")


def test_a_validation_part_that_cannot_choose_is_refused():
    X, y = toy(40)
    holes = X.copy()
    holes[3, 0, 0] = np.nan
    for validation in ((holes, y), (X[:0], y[:0])):
        with pytest.raises(InputError, match="at least one sample and finite values"):
            RecurrentClassifier(hidden=2, max_epochs=2).fit(X, y, validation=validation)


@pytest.mark.parametrize(
    "wrong", [{"max_epochs": 0}, {"batch_size": 1.5}, {"patience": 0}, {"lr": -1.0}, {"lr": "1e-3"}]
)
def test_impossible_training_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RecurrentClassifier(hidden=2, **wrong).fit(*toy(20))


def test_other_shapes_and_unknown_classes_are_said_in_words(words):
    X, y = toy(40)
    model = RecurrentClassifier(hidden=2, max_epochs=1)
    with pytest.raises(InputError) as error:
        model.fit(X, y, validation=(X, np.full(len(y), "sideways")))
    words(error.value, "'sideways'", "down, up")
    with pytest.raises(InputError) as error:
        model.fit(X, y, validation=(X[..., :5], y))
    words(error.value, "(1, 5)", "(1, 12)")
    with pytest.raises(InputError, match="as in training"):
        model.fit(X, y).predict(X[..., :5])
    with pytest.raises(InputError) as error:
        RecurrentClassifier("lstn").fit(X, y)
    words(error.value, "cell='lstn'", "'lstm'")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_trains_on_a_gpu_when_there_is_one():
    model = RecurrentClassifier(hidden=4, max_epochs=2, random_state=0).fit(*toy())
    assert next(model.module_.parameters()).is_cuda
    assert model.predict_proba(toy()[0]).shape == (120, 2)


def test_the_weights_of_the_highest_validation_accuracy_can_be_kept_instead():
    X, y = toy(noise=3.0)
    validation = toy(60, seed=2, noise=3.0)
    options = {"lr": 1e-2, "max_epochs": 40, "patience": 6, "random_state": 3, "dropout": 0.5}
    by_loss, by_accuracy = (
        RecurrentClassifier("lstm", 32, **options, monitor=monitor).fit(X, y, validation=validation)
        for monitor in ("loss", "accuracy")
    )
    accuracies = [epoch["valid_accuracy"] for epoch in by_accuracy.history_]
    losses = [epoch["valid_loss"] for epoch in by_accuracy.history_]
    assert losses == [epoch["valid_loss"] for epoch in by_loss.history_], "what is kept must not change the training"
    assert by_accuracy.best_epoch_ == int(np.argmax(accuracies)) + 1 != by_loss.best_epoch_
    assert (by_accuracy.predict(validation[0]) == validation[1]).mean() == pytest.approx(max(accuracies))
    assert len(losses) == int(np.argmin(losses)) + 1 + 6, "early stopping must still watch the loss"
    assert by_accuracy.selection_ == "highest validation accuracy, stopped by the validation loss"
    assert "valid_accuracy" not in by_loss.history_[0]


def rated(n=120, seed=0, noise=0.5):
    """Return sequences and ratings around 60 that follow the slope."""
    rng = np.random.default_rng(seed)
    slope = rng.normal(0, 1, n)
    X = np.linspace(-1, 1, 12) * slope[:, None] + rng.normal(0, noise, (n, 12))
    return X[:, None].astype(np.float32), 60 + 20 * slope


@pytest.mark.parametrize("loss", ["mse", "ccc"])
def test_a_regressor_answers_in_the_unit_of_the_ratings(loss):
    model = RecurrentRegressor("gru", 16, lr=1e-2, max_epochs=30, random_state=0, loss=loss).fit(*rated())
    X, y = rated(seed=1)
    assert model.score(X, y) > 0.85
    assert (model.mean_, model.scale_) == pytest.approx((rated()[1].mean(), rated()[1].std()))


def test_a_regressors_target_is_scaled_by_the_training_part_alone():
    X, y = rated()
    models = [
        RecurrentRegressor(hidden=4, max_epochs=2, patience=None, random_state=0).fit(X, y, validation=(X, v))
        for v in (y, y + 1000)
    ]
    assert np.array_equal(*(m.predict(X) for m in models))
    assert models[0].mean_ == models[1].mean_ == pytest.approx(y.mean())


@pytest.mark.parametrize("loss", ["mse", "ccc"])
def test_a_regressor_keeps_its_best_epoch(loss):
    X, y = rated(noise=4.0)
    order = np.argsort(rated(200, 2)[1])  # sorted, so that batches of neighbours hardly vary
    X_valid, y_valid = (part[order] for part in rated(200, 2, noise=4.0))
    model = RecurrentRegressor("lstm", 32, lr=3e-2, max_epochs=40, patience=5, random_state=0, loss=loss)
    model.fit(X, y, validation=(X_valid, y_valid))
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert len(losses) == model.best_epoch_ + 5 < 40
    a, b = model.predict(X_valid), y_valid
    whole = {
        "mse": np.mean((a - b) ** 2) / model.scale_**2,
        "ccc": 1 - 2 * np.mean((a - a.mean()) * (b - b.mean())) / (a.var() + b.var() + (a.mean() - b.mean()) ** 2),
    }
    assert whole[loss] == pytest.approx(min(losses), rel=1e-4)


def test_equal_ratings_are_answered_with_that_rating():
    X, _ = rated(40)
    model = RecurrentRegressor(hidden=2, lr=1e-2, max_epochs=40, random_state=0).fit(X, np.full(40, 7.0))
    assert model.scale_ == 1.0
    assert np.abs(model.predict(X) - 7).max() < 1


def test_losses_monitors_and_ratings_that_do_not_fit_are_refused(words):
    X, y = rated(20)
    for wrong, words_of_it in (
        ({"loss": "cccc"}, "'ccc'"),
        ({"loss": "cross_entropy"}, "auto, mse, ccc"),
        ({"monitor": "accuracy"}, "one of loss"),
    ):
        with pytest.raises(InputError) as error:
            RecurrentRegressor(hidden=2, **wrong).fit(X, y)
        words(error.value, next(iter(wrong)), words_of_it)
    with pytest.raises(InputError, match="one of auto, cross_entropy"):
        RecurrentClassifier(hidden=2, loss="mse").fit(*toy(20))
    for wrong in (np.full(20, np.nan), np.full(20, "loud")):
        with pytest.raises(InputError, match=r"a number|numbers"):
            RecurrentRegressor(hidden=2, max_epochs=1).fit(X, y, validation=(X, wrong))
    with pytest.raises(TypeError, match="TorchClassifier or TorchRegressor"):
        TorchEstimator().fit(X, y)


def line(n_channels, n_times, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(n_channels * n_times, n_outputs))


def test_any_network_may_be_handed_over_as_a_factory(words):
    told = {}

    def made(n_channels, n_times, sfreq, n_outputs):
        told.update(n_channels=n_channels, n_times=n_times, sfreq=sfreq, n_outputs=n_outputs)
        return line(n_channels, n_times, n_outputs)

    X, y = toy()
    model = TorchClassifier(made, sfreq=64.0, lr=1e-2, random_state=0).fit(X, y)
    assert told == {"n_channels": 1, "n_times": 12, "sfreq": 64.0, "n_outputs": 2}
    assert (model.predict(X) == y).mean() > 0.9
    ratings = X[:, 0, 0] * 3 + 100
    rated = TorchRegressor(line, lr=3e-2, max_epochs=60, random_state=0).fit(X, ratings)
    assert np.corrcoef(rated.predict(X), ratings)[0, 1] > 0.95
    for wrong, expected in ((None, "was given no network"), (lambda n_outputs: "net", "module returned str")):
        with pytest.raises(InputError) as error:
            TorchClassifier(wrong).fit(X, y)
        words(error.value, expected)


def test_weights_of_classes_and_smoothed_labels_change_what_is_predicted():
    rng = np.random.default_rng(0)
    y = np.repeat(["rare", "usual"], [15, 105])
    X = (rng.normal(0, 1, (120, 1, 12)) + 0.5 * (y == "rare")[:, None, None]).astype(np.float32)
    plain, balanced, heavy = (
        TorchClassifier(line, class_weight=w, lr=1e-2, random_state=0).fit(X, y)
        for w in (None, "balanced", {"rare": 1e3, "usual": 1e-3})
    )
    share = [(m.predict(X) == "rare").mean() for m in (plain, balanced, heavy)]
    assert share[0] < 0.15 < share[1] < share[2]
    sure, smooth = (
        TorchClassifier(line, label_smoothing=s, lr=3e-2, max_epochs=60, random_state=0).fit(*toy()) for s in (0.0, 0.4)
    )
    assert (
        np.median(smooth.predict_proba(toy()[0]).max(axis=1))
        < 0.85
        < np.median(sure.predict_proba(toy()[0]).max(axis=1))
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("cosine", (1e-2, 1e-3)), ("one_cycle", (9e-3, 1e-6)), ("plateau", (1e-2, 1e-2)), ("constant", (1e-2, 1e-2))],
)
def test_schedules_end_where_they_should(schedule, expected):
    X, y = toy()
    model = TorchClassifier(line, schedule=schedule, lr=1e-2, max_epochs=10, random_state=0).fit(X, y)
    rates = [epoch["lr"] for epoch in model.history_]
    assert max(rates) == pytest.approx(expected[0], rel=0.15)
    assert rates[-1] <= expected[1] * 1.01


def test_a_plateau_lowers_the_rate_when_nothing_is_gained():
    X, y = toy()
    rng = np.random.default_rng(0)
    model = TorchClassifier(line, schedule="plateau", lr=1e-1, max_epochs=30, patience=4, random_state=0)
    model.set_params(patience=6).fit(X, y, validation=(X, rng.permutation(y)))
    assert model.history_[-1]["lr"] < 0.1


def test_mixtures_keep_a_linear_answer_and_decay_keeps_weights_small(monkeypatch):
    X, y = toy(noise=2.0)
    options = {"lr": 1e-2, "max_epochs": 40, "random_state": 0}
    plain, mixed, small = (
        TorchClassifier(line, **options, **more).fit(X, y) for more in ({}, {"mixup": 1.0}, {"weight_decay": 1.0})
    )
    assert (mixed.predict(X) == y).mean() > 0.85
    assert mixed.predict_proba(X).max() < plain.predict_proba(X).max()
    assert mixed.history_[-1]["train_loss"] > plain.history_[-1]["train_loss"]
    assert small.module_[1].weight.norm() < 0.9 * plain.module_[1].weight.norm()
    again = TorchClassifier(line, **options, mixup=1.0).fit(X, y)
    assert np.array_equal(again.predict_proba(X), mixed.predict_proba(X))
    for fast in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, fast, lambda: False)
    on_cpu = TorchClassifier(line, **options, amp=True, device="cpu").fit(X, y)
    assert np.array_equal(on_cpu.predict_proba(X), plain.predict_proba(X)), "slow in bfloat16"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"mixup": -1.0}, "mixup=-1.0"),
        ({"weight_decay": "a"}, "weight_decay='a'"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"schedule": "cosine", "decay": 3.0}, "one of the two"),
        ({"label_smoothing": 1.0}, "label_smoothing=1.0"),
    ],
)
def test_training_that_does_not_fit_is_refused_in_words(parameters, expected, words):
    with pytest.raises(InputError) as error:
        TorchClassifier(line, **parameters).fit(*toy())
    words(error.value, expected)


def test_a_constructor_shows_its_own_parameters_and_those_of_training():
    names = list(inspect.signature(RecurrentClassifier).parameters)
    assert names[:2] == ["cell", "hidden"]
    assert {"lr", "mixup", "class_weight", "random_state"} <= set(names)
    assert "module" not in names, "its architecture is its own"
    assert "class_weight" not in inspect.signature(RecurrentRegressor).parameters
    assert set(RecurrentClassifier().get_params()) == set(names)
    assert repr(RecurrentClassifier("gru", lr=0.1)) == "RecurrentClassifier(cell='gru', lr=0.1)"
    assert clone(RecurrentClassifier(mixup=0.5)).mixup == 0.5
    with pytest.raises(TypeError, match="hiden"):
        RecurrentClassifier(hiden=3)


def counted(weight):
    """Return metadata in which each sample counts what `weight` says."""
    return pd.DataFrame({"trial": "t", "sample_weight": np.asarray(weight)})


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("classes", [None, torch.tensor([0.5, 2.0, 1.0])])
def test_a_weight_is_the_number_of_times_that_a_sample_counts(classes, smoothing):
    rng = torch.Generator().manual_seed(0)
    outputs, y = torch.randn(6, 3, generator=rng), torch.tensor([0, 1, 2, 2, 1, 0])
    times = torch.tensor([1, 3, 0, 2, 1, 4])
    entropy = nn.CrossEntropyLoss(classes, label_smoothing=smoothing)
    repeated = entropy(outputs.repeat_interleave(times, 0), y.repeat_interleave(times))
    assert torch.allclose(weighted_loss(entropy, outputs, y, times.float()), repeated)
    assert torch.allclose(weighted_loss(entropy, outputs, y, torch.full((6,), 0.3)), entropy(outputs, y))
    target = torch.randn(6, 3, generator=rng)
    error = nn.MSELoss()(outputs.repeat_interleave(times, 0), target.repeat_interleave(times, 0))
    assert torch.allclose(weighted_loss(nn.MSELoss(), outputs, target, times.float()), error)


@pytest.mark.parametrize("options", [{}, {"class_weight": {"down": 3.0, "up": 1.0}, "label_smoothing": 0.2}])
def test_a_sample_of_weight_three_is_that_sample_three_times(options):
    X, y = toy(40, noise=2.0)
    times = np.random.default_rng(0).integers(1, 4, len(y))
    # one batch, so that the order of samples does not matter
    options = {"lr": 1e-2, "max_epochs": 10, "batch_size": 200, "random_state": 0, **options}
    weighted = TorchClassifier(line, **options).fit(X, y, meta=counted(times))
    repeated = TorchClassifier(line, **options).fit(X.repeat(times, 0), y.repeat(times))
    plain = TorchClassifier(line, **options).fit(X, y)
    assert weighted.predict_proba(X) == pytest.approx(repeated.predict_proba(X), abs=1e-4)
    assert np.abs(weighted.predict_proba(X) - plain.predict_proba(X)).max() > 1e-2
    losses = [[h["train_loss"] for h in model.history_] for model in (weighted, repeated)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("kind", [TorchClassifier, TorchRegressor])
def test_weights_of_one_are_no_weights(kind):
    X, y = toy() if kind is TorchClassifier else rated()
    options = {"lr": 1e-2, "max_epochs": 5, "mixup": 0.2, "random_state": 0}
    models = [kind(line, **options).fit(X, y, meta=meta) for meta in (None, counted(np.ones(len(y))))]
    models.append(kind(line, **options).fit(X, y, meta=counted(y).drop(columns="sample_weight")))
    assert all(np.array_equal(one.predict(X), models[0].predict(X)) for one in models[1:])
    losses = [[h["train_loss"] for h in one.history_] for one in models]
    assert losses[0] == losses[1] == losses[2]


def test_what_counts_less_than_one_is_left_out_in_the_last_fifth_of_the_epochs():
    assert [last_weighted(n) for n in (1, 4, 5, 10, 14, 100)] == [1, 4, 4, 8, 12, 80]
    batches = []

    class Seen(nn.Module):
        def __init__(self, n_times, n_outputs):
            super().__init__()
            self.out = nn.Linear(n_times, n_outputs)

        def forward(self, x):
            if self.training:
                batches.append(set(x[:, 0, 0].int().tolist()))
            return self.out(x[:, 0] / 100)

    X, y = toy(24)
    X[:, 0, 0] = np.arange(24)
    weight = np.repeat([0.5, 2.0, 1.0], 8)
    model = TorchClassifier(Seen, max_epochs=10, batch_size=8, random_state=0).fit(X, y, meta=counted(weight))
    epochs = [set.union(*batches[k : k + 3]) for k in range(0, 24, 3)]
    assert epochs == [set(range(24))] * 8
    assert [batches[24] | batches[25], batches[26] | batches[27]] == [set(range(8, 24))] * 2
    assert len(batches) == 28
    assert [h["epoch"] for h in model.history_] == list(range(1, 11))


def test_the_validation_part_is_not_weighted():
    X, y = toy(noise=3.0)
    held = toy(60, seed=2, noise=3.0)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(y))
    model = TorchClassifier(line, lr=3e-2, max_epochs=20, patience=4, random_state=0)
    model.fit(X, y, validation=held, meta=counted(weight))
    assert log_loss(model, *held) == pytest.approx(min(h["valid_loss"] for h in model.history_), rel=1e-5)


@pytest.mark.parametrize(
    ("weight", "options", "expected"),
    [
        (np.ones(39) / 2, {}, ["39 sample weights came for 40 samples"]),
        (np.full(40, 0.5), {}, ["1 or more for some"]),
        (np.r_[-1.0, np.ones(39)], {}, ["at least 0"]),
        (np.r_[np.nan, np.ones(39)], {}, ["at least 0"]),
        (np.r_[np.inf, np.ones(39)], {}, ["at least 0"]),
        (["a"] * 40, {}, ["a number"]),
        (np.r_[0.5, np.ones(39)], {"mixup": 0.1}, ["mixup=0.1", "no mixup"]),
    ],
)
def test_weights_that_cannot_be_are_refused_in_words(weight, options, expected, words):
    with pytest.raises(InputError) as error:
        TorchClassifier(line, **options).fit(*toy(40), meta=counted(weight))
    words(error.value, *expected)


def test_a_loss_of_a_whole_batch_knows_no_weights(words):
    X, y = rated(40)
    with pytest.raises(InputError) as error:
        TorchRegressor(line, loss="ccc").fit(X, y, meta=counted(np.r_[0.5, np.ones(39)]))
    words(error.value, "the loss 'ccc'", "cross_entropy, mse")


def test_each_group_counts_the_same_however_many_samples_it_has():
    X, y = toy(40, noise=2.0)
    meta = pd.DataFrame({"trial": "t", "domain": np.where(np.arange(40) < 30, "many", "few")})
    options = {"lr": 1e-2, "max_epochs": 10, "batch_size": 200, "random_state": 0}
    balanced = TorchClassifier(line, **options, balance="domain").fit(X, y, meta=meta)
    times = np.where(meta["domain"] == "few", 3, 1)
    weighted = TorchClassifier(line, **options).fit(X, y, meta=counted(times))
    assert np.array_equal(balanced.predict_proba(X), weighted.predict_proba(X))
    ready = balanced.prepare(X, y, meta=meta.assign(sample_weight=np.where(np.arange(40) == 39, 0.5, 1.0)))
    assert ready.weight[[0, 35, 39]].tolist() == [1.0, 3.0, 0.5], "what is generated does not count in full"
    head = dict.fromkeys(("source", "subject", "session", "stimulus"), "s") | {"start": 0.0, "stop": 1.0}
    held = Samples(X[2:36], y[2:36], meta.assign(**head, trial=np.arange(40).astype(str))[2:36])
    shown, labels = balanced.prepare(X, y, held, meta).held
    assert len(shown) == len(labels) == 2 * 28, "28 of many, and 6 of few as often"
    rare = [np.isclose(shown, row).reshape(len(shown), -1).all(axis=1).sum() for row in held.X[28:]]
    assert sorted(rare) == [4, 4, 5, 5, 5, 5]
    assert len(TorchClassifier(line, **options).prepare(X, y, held, meta).held[0]) == 34
    for given in (None, meta.drop(columns="domain")):
        with pytest.raises(InputError, match="balance='domain' came"):
            TorchClassifier(line, balance="domain").fit(X, y, meta=given)
