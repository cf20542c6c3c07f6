import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.convnets import (
    DeepConvNetClassifier,
    ShallowConvNet,
    ShallowConvNetClassifier,
)
from thymos.nn.cnn_lstm import BatchNorm
from thymos.nn.convolution import BatchNormMaps, BoundedConv1d, BoundedConv2d, BoundedLinear, TimeSpaceConv, same
from thymos.nn.recurrent import count_parameters

BOTH = [ShallowConvNetClassifier, DeepConvNetClassifier]


def network(model, n_channels, n_times, n_outputs=3):
    torch.manual_seed(0)
    return model.build((n_channels, n_times), n_outputs)


# Lawhern et al. 2018, Table 3, lists what these networks have in trained values on three corpora at 128 Hz, with
# filters of 13 and 5 samples: P300 (64 channels, 128 samples), ERN (56, 160) and MRCP (64, 192), two classes each.
PUBLISHED = {(64, 128): (104_002, 174_127), (56, 160): (91_602, 169_927), (64, 192): (104_722, 175_727)}


@pytest.mark.parametrize("shape", PUBLISHED)
def test_the_shallow_network_has_the_published_size(shape):
    n_channels, n_times = shape
    stretches = (n_times - 13 + 1 - 35) // 7 + 1
    by_hand = 40 * 13 + 40 * 40 * n_channels + 2 * 40 + (40 * stretches * 2 + 2)
    assert count_parameters(ShallowConvNet(*shape, 2, 40, 13, 35, 7)) == by_hand
    assert by_hand == PUBLISHED[shape][0] - 40  # the bias of the filters over time, which the normalisation undoes


@pytest.mark.parametrize("shape", PUBLISHED)
def test_the_deep_network_has_the_published_size(shape):
    n_channels, length = shape
    by_hand = 25 * 5 + 25 * 25 * n_channels + 2 * 25
    for block, width in enumerate((25, 50, 100, 200)):
        by_hand += (width // 2 * width * 5 + 2 * width) if block else 0
        length = (length - 4) // 2
    by_hand += 200 * length * 2 + 2
    assert count_parameters(network(DeepConvNetClassifier(sfreq=128.0), *shape, n_outputs=2)) == by_hand
    assert by_hand == PUBLISHED[shape][1] - (25 + 25 + 50 + 100 + 200)  # biases before a normalisation


def test_lengths_follow_the_sampling_rate():
    published = network(ShallowConvNetClassifier(), 2, 1000)
    assert published.filters.time.shape == (40, 1, 25)
    assert (published.pool.kernel_size, published.pool.stride) == ((75,), (15,))
    assert published.final_layer.in_features == 40 * 61
    half = network(ShallowConvNetClassifier(sfreq=125.0), 2, 500)
    assert (half.filters.time.shape[-1], half.pool.kernel_size, half.pool.stride) == (12, (38,), (8,))
    assert network(ShallowConvNetClassifier(sfreq=125.0, kernel=25), 2, 500).filters.time.shape[-1] == 25
    deep = network(DeepConvNetClassifier(), 2, 1000).blocks
    assert [layer.kernel_size for layer in deep if isinstance(layer, torch.nn.Conv1d)] == 3 * [(10,)]


@pytest.mark.parametrize("n_times", [1, 2, 3, 10, 30, 57])
@pytest.mark.parametrize("cls", BOTH)
def test_windows_of_any_length_will_do(cls, n_times):
    module = network(cls(filters=2), 1, n_times)
    assert module(torch.randn(1, 1, n_times)).shape == (1, 3)


def test_time_and_space_are_one_convolution():
    layer = TimeSpaceConv(3, 4, 5, 6)
    x = torch.randn(2, 3, 20)
    maps = torch.nn.functional.conv2d(x[:, None], layer.time[:, :, None])  # (batch, filters, channels, times)
    expected = torch.nn.functional.conv2d(maps, layer.space[..., None])[:, :, 0]
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("kernel", [1, 2, 5, 16])
def test_padding_keeps_the_length(kernel):
    x = same(kernel)(torch.arange(1.0, 21.0).reshape(1, 1, 1, 20))
    assert x.shape[-1] - kernel + 1 == 20
    assert x[0, 0, 0, (kernel - 1) // 2] == 1


def test_maps_are_normalised_over_batch_channels_and_time():
    torch.manual_seed(0)
    x = 3 + 2 * torch.randn(4, 2, 3, 5)
    layer, reference = BatchNormMaps(2), torch.nn.BatchNorm2d(2)
    torch.testing.assert_close(layer(x), reference(x))
    assert torch.isfinite(layer(x[:1, :, :1, :1])).all()


@pytest.mark.parametrize(
    "layer", [BoundedConv1d(3, 4, 1, max_norm=0.5), BoundedConv2d(1, 4, (3, 1), max_norm=0.5),
              BoundedLinear(6, 4, max_norm=0.5)]
)  # fmt: skip
def test_weights_stay_within_their_bound(layer):
    with torch.no_grad():
        layer.weight[:] = 0.01
        layer.weight[0] = 10.0
    layer.eval()
    norms = layer.weight.detach().flatten(1).norm(dim=1)
    assert norms[0] == pytest.approx(0.5, abs=1e-4)
    assert norms[1:].max() < 0.05, "what is inside is left alone"
    with torch.no_grad():
        layer.weight[:] = 10.0
    x = (
        torch.ones(2, 6)
        if isinstance(layer, BoundedLinear)
        else torch.ones(2, *((3, 5), (1, 3, 5))[layer.weight.ndim - 3])
    )
    before = layer(x)
    assert layer.weight.detach().max() == 10, "a forward pass in evaluation mode changes nothing"
    layer.train()(x)
    assert layer.weight.detach().flatten(1).norm(dim=1).max() < 0.5001
    assert before.abs().max() > layer(x).abs().max()
    (layer(x) + layer(x)).sum().backward()  # two passes before one step


def test_a_batch_of_one_value_can_be_normalised():
    assert torch.isfinite(BatchNorm(2)(torch.randn(1, 2, 1))).all()
    module = network(DeepConvNetClassifier(filters=2), 2, 1).train()
    assert torch.isfinite(module(torch.randn(1, 2, 1))).all()


def rhythms(n=96, seed=0, n_channels=3):
    """Return noise with a rhythm of 10 Hz and random phase on the first or on the last channel."""
    rng = np.random.default_rng(seed)
    y = np.array(["first", "last"])[np.arange(n) % 2]
    t = np.arange(125) / 125
    X = rng.normal(size=(n, n_channels, 125))
    wave = 1.5 * np.cos(2 * np.pi * (10 * t + rng.uniform(size=(n, 1))))
    X[np.arange(n), np.where(y == "first", 0, n_channels - 1)] += wave
    return X.astype(np.float32), y


@pytest.mark.parametrize(
    "model", [ShallowConvNetClassifier(filters=8, lr=1e-2), DeepConvNetClassifier(filters=4, lr=5e-3, dropout=0.2)]
)
def test_where_a_rhythm_of_any_phase_sits_is_learnt(model):
    model.set_params(sfreq=125.0, max_epochs=12, random_state=0).fit(*rhythms())
    X, y = rhythms(seed=1)
    assert (model.predict(X) == y).mean() > 0.9
    assert (model.predict(X[:, ::-1]) == y).mean() < 0.1, "channels are told apart"


def test_the_shallow_network_sees_power_and_no_sign():
    module = network(ShallowConvNetClassifier(filters=4), 2, 300).eval()
    x = torch.randn(3, 2, 300)
    torch.testing.assert_close(module(x), module(-x))  # running mean and offset are 0 before training
    assert not torch.allclose(module(x), module(2 * x), atol=1e-3)


@pytest.mark.parametrize("cls", BOTH)
def test_every_value_is_trained_in_float32(cls):
    module = network(cls(filters=2, sfreq=125.0), 2, 125)
    module(torch.randn(8, 2, 125)).square().sum().backward()
    for name, value in module.named_parameters():
        assert value.dtype == torch.float32
        assert value.grad is not None, name
        assert value.grad.abs().max() > 1e-6, name


@pytest.mark.parametrize("cls", BOTH)
def test_predictions_do_not_depend_on_the_batch(cls):
    module = network(cls(sfreq=125.0), 4, 125).eval()
    x = torch.randn(64, 4, 125)
    with torch.inference_mode():
        torch.testing.assert_close(torch.cat([module(one[None]) for one in x]), module(x), rtol=1e-4, atol=1e-5)


def test_all_axes_but_time_are_channels():
    X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    arranged = ShallowConvNetClassifier().arrange(X)
    assert arranged.shape == (2, 12, 5)
    assert np.array_equal(arranged[1, 7], X[1, 1, 3])
    assert ShallowConvNetClassifier().arrange(X[:, 0, 0]).shape == (2, 1, 5)


@pytest.mark.parametrize(
    "wrong", [{"filters": 0}, {"kernel": 2.5}, {"pool": -1}, {"filters": True}, {"dropout": 1.0}, {"dropout": "much"},
              {"sfreq": 0.0}, {"sfreq": "fast"}]
)  # fmt: skip
@pytest.mark.parametrize("cls", BOTH)
def test_impossible_parameters_are_refused(cls, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        cls(**wrong).fit(*rhythms(4))


def test_an_impossible_stride_is_refused():
    with pytest.raises(InputError, match="stride"):
        ShallowConvNetClassifier(stride=0).fit(*rhythms(4))
