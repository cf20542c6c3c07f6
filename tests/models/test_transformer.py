import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.transformer import TransformerClassifier
from thymos.nn.recurrent import count_parameters

SMALL = {"width": 16, "heads": 2, "layers": 1, "feed_forward": 16, "dropout": 0.0}


@pytest.mark.parametrize(("readout", "more"), [("cls", 64), ("mean", 0)])
def test_the_size_is_that_of_its_layers(readout, more):
    # Vaswani et al. 2017, equations 1 and 2, for 30 steps of 310 values
    attention = 4 * (64 * 64 + 64)
    forward = 64 * 128 + 128 + 128 * 64 + 64
    layer = attention + forward + 2 * 2 * 64
    expected = (310 * 64 + 64) + 30 * 64 + 2 * layer + 2 * 64 + (64 * 3 + 3)
    assert count_parameters(TransformerClassifier(readout=readout).build((30, 310), 3)) == expected + more
    assert expected == 89_091


def pulses(n=200, seed=0):
    """Return two pulses in the two orders, at random times: which comes first is the class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(0, 0.1, (n, 1, 2, 8))
    times = np.sort(np.stack([rng.permutation(8)[:2] for _ in range(n)]), axis=1)
    for k, (first, second) in enumerate(times):
        X[k, 0, y[k], first] += 2
        X[k, 0, 1 - y[k], second] += 2
    return X.astype(np.float32), y


@pytest.mark.parametrize("readout", ["cls", "mean"])
def test_it_learns_the_order_of_time_from_its_positions_alone(readout):
    model = TransformerClassifier(**SMALL, readout=readout, lr=1e-2, max_epochs=20, random_state=0).fit(*pulses())
    X, y = pulses(seed=1)
    assert (model.predict(X) == y).mean() > 0.9
    with torch.no_grad():
        model.module_.position.zero_()
    mixed = X[..., np.random.default_rng(0).permutation(8)]
    assert np.allclose(model.predict_proba(X), model.predict_proba(mixed), atol=1e-5)


def test_the_token_is_what_is_read():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4)
    for readout in ("cls", "mean"):
        module = TransformerClassifier(readout=readout).build((3, 4), 2).eval()
        module.encoder = torch.nn.Identity()  # without attention the token knows nothing of the steps
        first, second = module(x)
        assert torch.equal(first, second) == (readout == "cls")


def test_steps_are_tokens_and_bands_and_channels_their_values():
    model = TransformerClassifier()
    X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    assert model.arrange(X).shape == (2, 5, 12)
    assert np.array_equal(model.arrange(X)[1, 3], X[1, :, :, 3].ravel())
    assert model.arrange(X[:, 0, 0]).shape == (2, 5, 1)


@pytest.mark.parametrize("readout", ["cls", "mean"])
def test_gradients_reach_every_layer_and_batches_do_not_matter(readout):
    torch.manual_seed(0)
    module = TransformerClassifier(readout=readout).build((6, 5), 3)
    x = torch.randn(64, 6, 5)
    module(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())
    module.eval()
    with torch.inference_mode():
        whole = module(x)
        assert torch.allclose(whole, torch.cat([module(row) for row in x.split(1)]), atol=1e-5)
    assert whole.dtype == torch.float32


@pytest.mark.parametrize(
    "wrong", [{"heads": 0}, {"width": 63}, {"layers": 1.5}, {"feed_forward": 0}, {"dropout": 1}, {"readout": "last"}]
)
def test_impossible_layers_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        TransformerClassifier(**wrong).fit(*pulses(8))
