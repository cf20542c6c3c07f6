import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.mlp import MLPClassifier
from thymos.nn.recurrent import count_parameters


def agreement(n=256, seed=0):
    """Return features of which no single one tells the class: whether the first two have one sign."""
    X = np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, 2, 3, 1)).astype(np.float32)
    return X, (X[:, 0, 0, 0] * X[:, 0, 1, 0] > 0).astype(int)


def test_the_size_follows_from_the_widths():
    # 5 x 62 features: weights without bias, two values per normalised unit, and the last layer
    expected = 310 * 64 + 2 * 64 + 64 * 32 + 2 * 32 + 32 * 3 + 3
    assert count_parameters(MLPClassifier().build((310,), 3)) == expected == 22_179
    assert count_parameters(MLPClassifier(hidden=[]).build((310,), 3)) == 310 * 3 + 3


def test_hidden_layers_learn_what_a_linear_model_cannot():
    X, y = agreement(seed=1)
    scores = [
        (MLPClassifier(hidden, 0.0, lr=2e-2, max_epochs=8, random_state=0).fit(*agreement()).predict(X) == y).mean()
        for hidden in ((16, 8), ())
    ]
    assert scores[0] > 0.95
    assert scores[1] < 0.8


def test_samples_of_any_axes_are_flattened():
    X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    assert np.array_equal(MLPClassifier().arrange(X), X.reshape(2, 60))
    assert MLPClassifier().arrange(X[:, 0, 0]).shape == (2, 5)


def test_gradients_reach_every_layer_and_batches_do_not_matter():
    torch.manual_seed(0)
    module = MLPClassifier().build((7,), 3)
    x = torch.randn(64, 7)
    module(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())
    module.eval()
    whole = module(x)
    assert whole.dtype == torch.float32
    assert torch.allclose(whole, torch.cat([module(row) for row in x.split(1)]), atol=1e-6)


def test_a_last_batch_of_one_sample_is_trained_on():
    X, y = agreement(33)
    assert np.isfinite(MLPClassifier(batch_size=32, max_epochs=2, random_state=0).fit(X, y).predict_proba(X)).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"hidden": (8, 0)}, r"hidden\[1\]=0"),
        ({"hidden": (True,)}, r"hidden\[0\]=True"),
        ({"hidden": 8}, "hidden=8"),
        ({"hidden": "64"}, "hidden='64'"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_impossible_layers_are_refused(wrong, named):
    with pytest.raises(InputError, match=named):
        MLPClassifier(**wrong).fit(*agreement(8))
