import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.tsception import TSception, TSceptionClassifier, hemispheres
from thymos.nn.recurrent import count_parameters

NAMES = ("Fz", "F4", "T7", "F3", "T8", "Cz")


def network(n_channels=6, n_times=256, n_outputs=2, **parameters):
    torch.manual_seed(0)
    return TSceptionClassifier(**parameters).build((n_channels, n_times), n_outputs)


def test_it_has_the_published_size():
    # Ding et al. 2022, layers of Section III with the widths of the authors' programme: DEAP, 28 channels, 4 s at
    # 128 Hz, 15 filters of each kind, 32 units, two classes
    by_hand = 15 * (64 + 1) + 15 * (32 + 1) + 15 * (16 + 1) + 2 * 15  # time, normalisation
    by_hand += 15 * (15 * 28 + 1) + 15 * (15 * 14 + 1) + 2 * 15  # all channels, one hemisphere, normalisation
    by_hand += 15 * (15 * 3 + 1) + 2 * 15  # fusion, normalisation
    by_hand += 15 * 32 + 32 + 32 * 2 + 2
    assert count_parameters(network(28, 512, sfreq=128.0)) == by_hand == 12_563


def test_electrodes_are_paired_with_their_counterparts():
    assert hemispheres(NAMES) == ([2, 3], [4, 1])
    assert hemispheres(["TP9", "AF7", "AF8", "TP10"]) == ([0, 1], [3, 2])
    assert hemispheres(["fp1", "FP2", "O1", "Oz", "FCC3h", "FCC4h"]) == ([0, 4], [1, 5])
    assert hemispheres(["F3h", "F4", "F3", "F4h"]) == ([0, 2], [3, 1])
    for names in (["Fz", "Cz"], ["F3", "C4"], ["F3", "FC4"], ["EDA", "ECG"], ["F4", "F5"]):
        with pytest.raises(InputError, match="opposite"):
            hemispheres(names)


def test_the_order_of_channels_does_not_matter_where_they_have_names():
    module = network(ch_names=NAMES).eval()
    order = [4, 0, 3, 5, 1, 2]
    other = network(ch_names=[NAMES[k] for k in order]).eval()
    other.load_state_dict(module.state_dict())
    space = other.everywhere[0].weight  # one weight for each channel, in their order
    # pairs come in another order, too: F3-F4 before T7-T8
    side = other.each_side[0].weight
    with torch.no_grad():
        space.copy_(space[:, :, order].clone())
        side.copy_(side[:, :, [1, 0]].clone())
    x = torch.randn(3, 6, 256)
    torch.testing.assert_close(other(x[:, order]), module(x))
    assert not torch.allclose(other(x), module(x), atol=1e-3)


def test_both_hemispheres_are_seen_by_the_same_filters():
    module = network(ch_names=NAMES).eval()
    left, right = hemispheres(NAMES)
    seen = []
    module.each_side.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    x = torch.randn(3, 6, 256)
    swapped = x.clone()
    swapped[:, left], swapped[:, right] = x[:, right], x[:, left]
    midline = x.clone()
    midline[:, [0, 5]] = 0
    with torch.inference_mode():
        logits = [module(part) for part in (x, swapped, midline)]
    assert seen[0].shape[1:3] == (15, 2)
    torch.testing.assert_close(seen[1], seen[0].flip(2))
    assert torch.equal(seen[2], seen[0]), "the midline belongs to no hemisphere"
    assert not torch.allclose(logits[0], logits[1], atol=1e-4), "sides are told apart"
    assert not torch.allclose(logits[0], logits[2], atol=1e-4), "the midline is seen by the other filters"


def test_without_names_the_first_half_is_left():
    assert network(6).sides.tolist() == [0, 1, 2, 3, 4, 5]
    assert network(5).sides.tolist() == [0, 1, 2, 3]
    assert network(1).each_side is None
    assert network(ch_names=NAMES).sides.tolist() == [2, 3, 4, 1]


def test_filters_last_as_long_at_any_rate():
    for sfreq, kernels in ((128.0, [64, 32, 16]), (200.0, [100, 50, 25]), (None, [64, 32, 16])):
        assert [block[0].kernel_size[1] for block in network(2, 800, sfreq=sfreq).time] == kernels


@pytest.mark.parametrize("n_times", [1, 2, 9, 17, 65])
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_windows_of_any_size_will_do(n_channels, n_times):
    for seconds in ((0.5, 0.25, 0.125), (0.5,)):
        out = network(n_channels, n_times, seconds=seconds)(torch.randn(1, n_channels, n_times))
        assert out.shape == (1, 2)
        assert torch.isfinite(out).all()


def asymmetry(n=80, seed=0):
    """Return noise with a rhythm of 10 Hz at one place, on the left or on the right; the place is random."""
    rng = np.random.default_rng(seed)
    y = np.array(["left", "right"])[np.arange(n) % 2]
    names = ("F3", "F4", "P3", "P4", "Cz")
    X = rng.normal(size=(n, 5, 128))
    wave = 1.5 * np.cos(2 * np.pi * (10 * np.arange(128) / 128 + rng.uniform(size=(n, 1))))
    X[np.arange(n), (y == "right") + 2 * rng.integers(2, size=n)] += wave
    return X.astype(np.float32), y, names


def test_it_learns_which_side_a_rhythm_is_on():
    X, y, names = asymmetry()
    options = {"filters": 6, "spatial": 6, "lr": 1e-2, "max_epochs": 15, "dropout": 0.1, "random_state": 0}
    model = TSceptionClassifier(names, sfreq=128.0, **options).fit(X, y)
    X, y, _ = asymmetry(seed=1)
    assert (model.predict(X) == y).mean() > 0.9
    assert (model.predict(X[:, [1, 0, 3, 2, 4]]) == y).mean() < 0.1


def test_every_value_is_trained_in_float32():
    module = network(4, 128)
    module(torch.randn(8, 4, 128)).square().sum().backward()
    for name, value in module.named_parameters():
        assert value.dtype == torch.float32
        assert value.grad is not None, name
        assert value.grad.abs().max() > 1e-7, name


def test_predictions_do_not_depend_on_the_batch():
    module, x = network(4, 128).eval(), torch.randn(64, 4, 128)
    with torch.inference_mode():
        torch.testing.assert_close(torch.cat([module(one[None]) for one in x]), module(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"filters": 0}, "filters"), ({"spatial": None}, "spatial"), ({"hidden": 1.5}, "hidden"),
     ({"seconds": ()}, "seconds"), ({"seconds": (0.5, -1)}, "seconds"), ({"seconds": "long"}, "seconds"),
     ({"ch_names": ["F3", "F4"]}, "2 channel names"), ({"ch_names": list("abcde")}, "opposite"),
     ({"ch_names": 5}, "ch_names"), ({"ch_names": "F3 F4"}, "ch_names")],
)  # fmt: skip
def test_impossible_parameters_are_refused(wrong, word):
    X, y, _ = asymmetry(4)
    with pytest.raises(InputError, match=word):
        TSceptionClassifier(**wrong).fit(X, y)


def test_the_module_takes_sides_by_index():
    module = TSception(3, 128, 2, left=[0], right=[2])
    assert module.sides.tolist() == [0, 2]
