import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.lggnet import LGGNetClassifier, regions_by_name
from thymos.nn.graph import RegionMean, similarity_graph
from thymos.nn.recurrent import count_parameters

DEAP = [
    "Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz",
    "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2",
]  # fmt: skip

#: The published "general" regions of these.
GENERAL = (
    "Fp1 Fp2, AF3 AF4, F3 F7 Fz F4 F8, FC5 FC1 FC6 FC2, C3 Cz C4, CP5 CP1 CP2 CP6, P7 P3 Pz P4 P8, PO3 PO4, O1 Oz O2, "
    "T7, T8"
)


def test_the_names_of_deap_give_the_published_general_regions():
    made = {frozenset(DEAP[k] for k in region) for region in regions_by_name(DEAP)}
    assert made == {frozenset(region.split()) for region in GENERAL.split(", ")}


@pytest.mark.parametrize(
    ("names", "regions"),
    [
        (["TP9", "AF7", "AF8", "TP10"], [[0], [1, 2], [3]]),
        (["T5", "t6", "P3", "T3", "Cz", "cpz"], [[0, 1, 2], [3], [4], [5]]),
        (["FT7", "FT9", "FT8", "FTT8h"], [[0, 1], [2], [3]]),
        (["Right AUX", "EXG1", "c", ""], [[0], [1], [2], [3]]),
    ],
)
def test_names_are_grouped_by_letters_and_others_stand_alone(names, regions):
    assert regions_by_name(names) == regions


def test_the_size_on_deap_is_that_of_its_layers():
    # what the authors publish for DEAP: 4 s of 32 channels at 128 Hz, 64 kernels each of 64, 32 and 16 samples,
    # power over 16 samples in steps of 4
    steps = [(512 - kernel + 1 - 16) // 4 + 1 for kernel in (64, 32, 16)]
    assert steps == [109, 117, 121]
    width = 64 * (sum(steps) // 2)
    temporal = 64 * (64 + 32 + 16) + 3 * 64
    fusion = 64 * 64 + 64 + 2 * 2 * 64
    local = 32 * width + 32
    graph = 11 * 11 + 2 * 2 * 11 + width * 32 + 32
    last = 11 * 32 * 2 + 2
    model = LGGNetClassifier(ch_names=DEAP, sfreq=128.0)
    assert count_parameters(model.build((1, 32, 512), 2)) == temporal + fusion + local + graph + last == 721_319


def test_regions_are_means_and_similar_regions_are_joined():
    x = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [0.0, 5.0], [9.0, 9.0]]])
    means = RegionMean([[0, 1], [2]], 4)(x)
    assert torch.equal(means, torch.tensor([[[2.0, 0.0], [0.0, 5.0]]]))
    weight = torch.full((3, 3), 0.5)
    apart, joined = (
        similarity_graph(torch.tensor([[[1.0, 0.0], [0.0, 1.0], third]]), weight) for third in ([0.0, 0.0], [1.0, 0.0])
    )
    assert torch.allclose(apart, torch.eye(3))
    assert torch.allclose(joined[0, 0, [0, 2]], torch.tensor([2 / 3, 1 / 3]))
    assert torch.equal(similarity_graph(x, -torch.ones(4, 4)), torch.eye(4)[None])


def bursts(n=120, seed=0):
    """Return noise and a rhythm of random phase in one of two regions, which is the class; no mean tells it."""
    rng = np.random.default_rng(seed)
    y = np.array(["front", "back"])[np.arange(n) % 2]
    t = np.arange(64) / 64
    rhythm = 1.5 * np.cos(2 * np.pi * (10 * t + rng.uniform(size=(n, 2, 1))))
    X = rng.normal(size=(n, 4, 64))
    X[:, :2] += rhythm * (y == "front")[:, None, None]
    X[:, 2:] += rhythm * (y == "back")[:, None, None]
    return X.astype(np.float32), y


def test_it_learns_the_power_of_a_region():
    model = LGGNetClassifier(
        [[0, 1], [2, 3]], filters=8, pool=8, hidden=8, sfreq=64.0, lr=1e-2, max_epochs=8, random_state=0
    )
    model.fit(*bursts())
    X, y = bursts(seed=1)
    assert (model.predict(X) == y).mean() > 0.9
    assert (model.predict(X[:, [2, 3, 0, 1]]) == y).mean() < 0.1  # the regions have changed places


def test_channels_of_no_region_are_not_seen():
    model = LGGNetClassifier([[0, 1], [3]], filters=2, hidden=2, max_epochs=1, random_state=0).fit(*bursts(16))
    X, _ = bursts(16)
    before = model.predict_proba(X)
    X[:, 2] += 1
    assert np.array_equal(model.predict_proba(X), before)
    X[:, 3] += 1
    assert not np.allclose(model.predict_proba(X), before, atol=1e-6)


def test_windows_features_and_tables_are_arranged():
    model = LGGNetClassifier()
    X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    assert np.array_equal(model.arrange(X), X)
    assert np.array_equal(model.arrange(X[:, 0]), X[:, :1])
    assert model.arrange(X[:, 0, 0]).shape == (2, 1, 1, 5)


@pytest.mark.parametrize("sfreq", [None, 128.0])
@pytest.mark.parametrize("n_times", [1, 2, 3, 7, 16, 33, 100])
def test_kernels_and_pools_shrink_to_short_samples(n_times, sfreq):
    module = LGGNetClassifier(sfreq=sfreq, filters=2).build((2, 3, n_times), 2)
    assert module(torch.randn(3, 2, 3, n_times)).shape == (3, 2)
    for convolution in module.temporal:
        torch.nn.init.zeros_(convolution.bias)
    assert torch.isfinite(module(torch.zeros(1, 2, 3, n_times))).all()
    assert module.power.kernel_size == (1, {33: 4, 16: 2, 100: 12}.get(n_times, 1))


def test_a_batch_of_one_value_is_trained_on():
    module = LGGNetClassifier(filters=1, hidden=1).build((1, 1, 1), 2)
    assert torch.isfinite(module(torch.ones(1, 1, 1, 1))).all()


def test_the_order_of_two_windows_is_kept():
    torch.manual_seed(0)
    module = LGGNetClassifier(filters=4).build((1, 2, 2), 2).eval()
    x = torch.randn(5, 1, 2, 2)
    assert not torch.allclose(module(x), module(x.flip(-1)), atol=1e-4)


def test_gradients_reach_every_layer_and_batches_do_not_matter():
    torch.manual_seed(0)
    module = LGGNetClassifier([[0, 1], [2]], filters=4).build((2, 3, 32), 3)
    x = torch.randn(64, 2, 3, 32)
    module(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())
    module.eval()
    whole = module(x)
    assert whole.dtype == torch.float32
    assert torch.allclose(whole, torch.cat([module(row) for row in x.split(1)]), atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"filters": 0}, "filters"),
        ({"pool": 1.5}, "pool"),
        ({"hidden": 0}, "hidden"),
        ({"dropout": 2}, "dropout"),
        ({"regions": []}, "regions"),
        ({"regions": [[0], []]}, "regions"),
        ({"regions": [[0], [4]]}, "0 to 3"),
        ({"regions": [[0, 1], [1]]}, "one region"),
        ({"regions": [0, 1]}, "regions"),
        ({"regions": [["Fz"]]}, "regions"),
        ({"ch_names": ["Fz"]}, "1 channel names"),
    ],
)
def test_what_does_not_fit_is_said_in_words(wrong, named):
    with pytest.raises(InputError, match=named):
        LGGNetClassifier(**wrong).fit(*bursts(8))
