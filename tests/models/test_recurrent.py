import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.models import CNNLSTMClassifier, RecurrentClassifier
from thymos.models.catalogue import MODELS
from thymos.nn.recurrent import count_parameters


def preset(name, **changes):
    row = MODELS[name]
    return row.load()(**{**row.parameters, **changes})


def size(model, *shape, n_outputs=3):
    arranged = model.arrange(np.zeros((1, *shape), dtype=np.float32))
    return count_parameters(model.build(arranged.shape[1:], n_outputs))


@pytest.mark.parametrize("shape", [(1500,), (1, 1500)])
def test_the_published_gru_has_the_published_size(shape):
    assert size(preset("gru_long"), *shape) == 1_350_915


@pytest.mark.parametrize("shape", [(1500,), (1500, 1)])
def test_the_published_lstm_has_the_published_size(shape):
    assert size(preset("lstm_single"), *shape) == 310_353


def test_the_published_gru_is_trained_as_published():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 12)).astype(np.float32), np.arange(60) % 3
    model = preset("gru_long", hidden=2, random_state=0).fit(X, y, validation=(X[:30], y[:30]))
    rates = [epoch["lr"] for epoch in model.history_]
    listed = [1e-3, 9.0484e-4, 8.1873e-4, 7.4082e-4, 6.7032e-4, 6.0653e-4, 5.4881e-4, 4.9659e-4, 4.4933e-4, 4.0657e-4,
              3.6788e-4, 3.3287e-4, 3.0119e-4, 2.7253e-4, 2.4660e-4, 2.2313e-4, 2.0190e-4, 1.8268e-4, 1.6530e-4,
              1.4957e-4]  # fmt: skip
    assert rates == pytest.approx(listed[: len(rates)], rel=1e-4)
    assert len(rates) > 10
    assert model.get_params()["clip"] is None
    assert model.dropout == 0
    assert "accuracy" in model.selection_


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_cells_over_real_time_come_to_equal_size(cell):
    assert size(preset("rnn_time", cell=cell, parameters=8000), 4, 128) == pytest.approx(8000, rel=0.03)


def test_convolutions_before_an_lstm_come_to_equal_size_too():
    assert size(preset("cnn_lstm", parameters=8000), 4, 128) == pytest.approx(8000, rel=0.03)
    least = size(preset("cnn_lstm", hidden=1), 4, 128)
    assert size(preset("cnn_lstm", parameters=10), 4, 128) == least


def bursts(n=160, seed=0):
    """Return noise in which a rhythm of 20 or 30 Hz, of random phase, lasts a while: filters tell, means do not."""
    rng = np.random.default_rng(seed)
    y = np.array(["slow", "fast"])[np.arange(n) % 2]
    t = np.arange(128) / 128
    hz = np.where(y == "slow", 20, 30)[:, None]
    X = np.cos(2 * np.pi * (hz * t + rng.uniform(size=(n, 1)))) + rng.normal(0, 1, (n, 128))
    return X[:, None].astype(np.float32), y


def test_a_cnn_lstm_learns_a_rhythm_of_any_phase():
    model = CNNLSTMClassifier(lr=1e-2, max_epochs=15, random_state=0).fit(*bursts())
    X, y = bursts(seed=1)
    assert (model.predict(X) == y).mean() > 0.9
    assert model.n_parameters_ == size(model, 1, 128, n_outputs=2)


def test_a_cnn_lstm_takes_bands_and_channels_as_channels():
    model = CNNLSTMClassifier()
    X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    assert model.arrange(X).shape == (2, 12, 5)
    assert np.array_equal(model.arrange(X)[1, 7], X[1, 1, 3])
    assert model.arrange(X[:, 0, 0]).shape == (2, 1, 5)


@pytest.mark.parametrize("wrong", [{"pool": 0}, {"kernel": 2.5}, {"filters": 0}, {"hidden": 0}])
def test_impossible_layers_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        CNNLSTMClassifier(**wrong).fit(*bursts(8))


@pytest.mark.parametrize(
    "wrong",
    [{"hidden": 2.5}, {"hidden": True}, {"layers": 0}, {"dropout": 1.5}, {"parameters": -3}, {"parameters": "x"}],
)
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RecurrentClassifier(**wrong).fit(*bursts(8))


def test_long_sequences_are_predicted_in_small_parts():
    model = RecurrentClassifier(hidden=2, max_epochs=1, random_state=0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 1, 1500)).astype(np.float32), np.arange(300) % 2
    model.fit(X[:20, :, :5].repeat(300, axis=2), y[:20])
    largest = []
    model.module_.register_forward_hook(lambda module, inputs, output: largest.append(len(inputs[0])))
    assert len(model.predict(X)) == 300
    assert max(largest) * 1500 <= 2**17
