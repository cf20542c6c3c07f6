"""Networks on spectrograms."""

import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models import SpeechCNN
from thymos.nn.speech import AttentionPool, SpecAugment

SMALL = {"width": 4, "hidden": 8, "max_epochs": 12, "lr": 1e-2, "batch_size": 16, "random_state": 0}


def spectrograms(n=96, seed=0):
    """Return spectrograms whose class is a band of frequency that is loud for a while, at any time."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, 16, 1, 40)).astype(np.float32), np.arange(n) % 3
    for x, k in zip(X, y, strict=True):
        first = rng.integers(0, 30)
        x[2 + 5 * k : 5 + 5 * k, 0, first : first + 10] += 3
    return X, np.array(["low", "middle", "high"])[y]


@pytest.mark.parametrize("architecture", ["cnn", "recurrent"])
def test_bands_of_frequency_are_told_apart_wherever_they_sound(architecture):
    X, y = spectrograms()
    model = SpeechCNN(architecture, **SMALL).fit(X, y)
    assert model.score(*spectrograms(seed=1)) > 0.8
    assert model.features(X[:5]).shape[0] == 5
    again = SpeechCNN(architecture, **SMALL).fit(X, y)
    assert np.array_equal(model.predict_proba(X), again.predict_proba(X))


def test_the_length_is_that_of_training():
    X, y = spectrograms(30)
    model = SpeechCNN(**{**SMALL, "max_epochs": 1}).fit(X, y)
    with pytest.raises(InputError, match="as in training"):
        model.predict(X[..., :20])


@pytest.mark.parametrize(
    "options",
    [
        *({"architecture": "cnm"}, {"blocks": 0}, {"hidden": 1.5}, {"dropout": 1.0}),
        *({"hide": 1.5}, {"hide": 1.0}, {"hide": True}, {"shift": -0.1}, {"shift": 1.0}, {"shift": None}),
    ],
)
def test_impossible_parameters_are_refused(options):
    X, y = spectrograms(12)
    with pytest.raises(InputError, match="came"):
        SpeechCNN(**{**SMALL, **options}).fit(X, y)


def test_hidden_bands_are_as_wide_as_they_may_be_and_only_while_training():
    torch.manual_seed(0)
    x = torch.ones(400, 1, 20, 50)
    changes = SpecAugment(bands=1, frequency=0.2, time=0.0, shift=0.0)
    rows = (changes(x)[:, 0, :, 0] == 0).sum(dim=1)
    assert rows.max() == 4
    assert 1.0 < rows.float().mean() < 3.0
    assert ((changes(x) == 0).all(dim=3) | (changes(x) == 1).all(dim=3)).any()
    assert changes.eval()(x) is x
    moved = SpecAugment(bands=2, frequency=0.0, time=0.0, shift=0.1)
    ramp = torch.arange(50.0).expand(30, 1, 20, 50)
    found = moved(ramp)[:, 0, 0, 0]
    assert {*found.long().tolist()} <= {*range(6), *range(45, 50)}
    assert len(found.unique()) > 3
    assert torch.equal(moved(ramp).sort(dim=3).values, ramp), "nothing is lost"


def test_attention_is_a_mean_with_weights_that_sum_to_one():
    pool = AttentionPool(3)
    same = torch.randn(2, 1, 3).expand(2, 7, 3)
    assert torch.allclose(pool(same), same[:, 0], atol=1e-6)
    x = torch.randn(4, 9, 3)
    assert (pool(x) <= x.amax(dim=1) + 1e-6).all()
    assert (pool(x) >= x.amin(dim=1) - 1e-6).all()
