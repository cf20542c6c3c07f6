import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.eegnet import EEGNet, EEGNetClassifier
from thymos.nn.recurrent import count_parameters


@pytest.mark.parametrize(
    ("n_channels", "n_times", "kernel", "n_outputs", "published"),
    [(64, 128, 64, 2, 2258), (64, 192, 64, 2, 2322), (22, 256, 32, 4, 1716)],
)
def test_it_has_the_published_size(n_channels, n_times, kernel, n_outputs, published):
    # Lawhern et al. 2018, Table 3: EEGNet-8,2 for P300, MRCP and SMR (1, 1.5 and 2 s at 128 Hz)
    by_hand = 8 * kernel + 2 * 8  # filters over time, normalisation
    by_hand += 16 * n_channels + 2 * 16  # two filters over space for each of them, normalisation
    by_hand += 16 * 16 + 16 * 16 + 2 * 16  # separable convolution, normalisation
    by_hand += 16 * (n_times // 32) * n_outputs + n_outputs
    model = EEGNetClassifier(sfreq=128.0, kernel=kernel)
    assert count_parameters(model.build((n_channels, n_times), n_outputs)) == by_hand == published


def test_the_smaller_published_network():
    # the same table, EEGNet-4,2 for P300
    by_hand = 4 * 64 + 2 * 4 + 8 * 64 + 2 * 8 + 8 * 16 + 8 * 8 + 2 * 8 + 8 * 4 * 2 + 2
    assert count_parameters(EEGNetClassifier(filters=4).build((64, 128), 2)) == by_hand == 1066


def test_half_a_second_at_any_rate():
    for sfreq, kernel, pool in ((128.0, 64, 4), (256.0, 128, 8), (250.0, 125, 8), (None, 64, 4)):
        module = EEGNetClassifier(sfreq=sfreq).build((2, 2000), 2)
        assert module.first[1].kernel_size == (1, kernel)
        assert module.first[6].kernel_size == (1, pool)
        assert module.second[1].kernel_size == (1, 16)


@pytest.mark.parametrize("n_times", [1, 2, 5, 31, 40])
def test_windows_of_any_length_will_do(n_times):
    torch.manual_seed(0)
    module = EEGNet(1, n_times, 3).train()
    out = module(torch.randn(1, 1, n_times))
    assert module.first[1].kernel_size[1] <= n_times, "no weight that only padding meets"
    assert out.shape == (1, 3)
    assert torch.isfinite(out).all()


def rhythms(n=64, seed=0):
    """Return two channels with a rhythm of 10 Hz and random phase, equal on both or opposite: power is the same."""
    rng = np.random.default_rng(seed)
    y = np.array(["equal", "opposite"])[np.arange(n) % 2]
    wave = np.cos(2 * np.pi * (10 * np.arange(128) / 128 + rng.uniform(size=(n, 1))))
    X = np.stack([wave, np.where(y == "equal", 1, -1)[:, None] * wave], axis=1) + rng.normal(0, 0.5, (n, 2, 128))
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def trained():
    return EEGNetClassifier(sfreq=128.0, lr=2e-2, max_epochs=15, dropout=0.1, random_state=0).fit(*rhythms())


def test_it_learns_what_channels_have_to_do_with_each_other(trained):
    X, y = rhythms(seed=1)
    assert (trained.predict(X) == y).mean() > 0.9
    flipped = X * np.array([1, -1], dtype=np.float32)[:, None]
    assert (trained.predict(flipped) == y).mean() < 0.1


def tones(n=64, seed=0):
    """Return a rhythm of 10 or of 25 Hz, of random phase and equal power."""
    rng = np.random.default_rng(seed)
    y = np.array(["slow", "fast"])[np.arange(n) % 2]
    turns = np.where(y == "slow", 10, 25)[:, None] * np.arange(128) / 128 + rng.uniform(size=(n, 1))
    return (np.cos(2 * np.pi * turns) + rng.normal(0, 0.5, (n, 128))).astype(np.float32)[:, None], y


def test_it_learns_how_fast_a_rhythm_is():
    model = EEGNetClassifier(sfreq=128.0, lr=2e-2, max_epochs=15, dropout=0.1, random_state=0).fit(*tones())
    X, y = tones(seed=1)
    order = np.random.default_rng(0).permutation(128)
    assert (model.predict(X) == y).mean() > 0.9
    assert (model.predict(X[:, :, order]) == y).mean() < 0.75, "the order of time matters"


def test_trained_filters_keep_their_bounds(trained):
    assert (trained.module_.first[3].max_norm, trained.module_.final_layer.max_norm) == (1.0, 0.25)
    space, dense = trained.module_.first[3].weight, trained.module_.final_layer.weight
    assert space.shape == (16, 1, 2, 1)
    assert space.detach().flatten(1).norm(dim=1).max() <= 1.0001
    assert dense.detach().norm(dim=1).max() <= 0.2501
    assert dense.detach().norm(dim=1).max() > 0.2, "the bound is reached here, so that it was tested"


def test_every_value_is_trained_in_float32():
    torch.manual_seed(0)
    module = EEGNet(3, 128, 2)
    module(torch.randn(8, 3, 128)).square().sum().backward()
    undone = ("first.2.weight", "first.2.bias")  # published, but the second normalisation undoes scale and offset
    for name, value in module.named_parameters():
        assert value.dtype == torch.float32
        assert value.grad is not None, name
        assert (value.grad.abs().max() > 1e-3) == (name not in undone), name


def test_predictions_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    module, x = EEGNet(4, 128, 3).eval(), torch.randn(64, 4, 128)
    with torch.inference_mode():
        torch.testing.assert_close(torch.cat([module(one[None]) for one in x]), module(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"filters": 0}, {"depth": 1.5}, {"kernel": 0}, {"pool": "wide"}, {"dropout": -0.1}])
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        EEGNetClassifier(**wrong).fit(*rhythms(4))
