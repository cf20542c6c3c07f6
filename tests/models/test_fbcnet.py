import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.fbcnet import BANDS, FBCNetClassifier, FilterBank
from thymos.nn.recurrent import count_parameters


def network(n_channels=3, n_times=128, n_outputs=2, **parameters):
    torch.manual_seed(0)
    return FBCNetClassifier(**{"sfreq": 128.0, **parameters}).build((n_channels, n_times), n_outputs)


def test_it_has_the_published_size():
    # Mane et al. 2021, Section II with the widths of the authors' programme: 22 channels, 4 s at 250 Hz, 9 bands, 32
    # filters each, 4 parts, 4 classes. With 288 biases of the filters over space, which the normalisation undoes,
    # these are 11,812.
    by_hand = 9 * 32 * 22 + 2 * 9 * 32 + (9 * 32 * 4 * 4 + 4)
    assert count_parameters(network(22, 1000, 4, sfreq=250.0)) == by_hand == 11_812 - 9 * 32


def test_a_rhythm_passes_its_own_band_whole_and_no_other():
    t = np.arange(512) / 128
    for hz, inside in ((10, [1]), (30, [6]), (50, []), (1, [])):
        x = torch.tensor(np.cos(2 * np.pi * (hz * t + 0.1)), dtype=torch.float32)[None, None]
        y = FilterBank(512, 128.0)(x)
        assert y.shape == (1, 9, 1, 512)
        middle = y[0, :, 0, 64:-64]
        for band in range(9):
            if band in inside:
                torch.testing.assert_close(middle[band], x[0, 0, 64:-64], rtol=0, atol=0.01)
            else:
                assert middle[band].square().mean() < 1e-3


def test_slopes_fall_to_zero_within_their_width():
    bank = FilterBank(640, 128.0, [(8.0, 12.0)])
    hz = np.fft.rfftfreq(1280, 1 / 128)
    gain = dict(zip(hz.round(4).tolist(), bank.gain[0].tolist(), strict=True))
    assert [gain[f] for f in (8.0, 10.0, 12.0)] == [1, 1, 1]
    assert [gain[f] for f in (7.0, 13.0)] == pytest.approx([0.5, 0.5])
    assert [gain[f] for f in (6.0, 14.0, 0.0, 64.0)] == pytest.approx([0, 0, 0, 0], abs=1e-7)


def test_the_ends_of_a_window_do_not_leak_into_each_other():
    x = torch.linspace(-1, 1, 256)[None, None]  # a ramp: as periodic, it would have a step
    assert FilterBank(256, 128.0)(x).abs().max() < 0.05


def test_no_filter_is_trained():
    assert not list(FilterBank(64, 128.0).parameters())
    assert BANDS[0] == (4, 8)
    assert BANDS[-1] == (36, 40)
    assert len(BANDS) == 9


@pytest.mark.parametrize("n_times", [1, 2, 3, 7, 9, 130])
def test_windows_of_any_length_will_do(n_times):
    module = network(1, n_times)
    out = module(torch.randn(1, 1, n_times))
    assert out.shape == (1, 2)
    assert torch.isfinite(out).all()
    assert module.stretches == max(1, min(4, n_times // 2))


def rhythms(n=60, seed=0):
    """Return three channels that see rhythms of 10 and 22 Hz from one place; the class is which of them is strong."""
    rng = np.random.default_rng(seed)
    y = np.array(["alpha", "beta"])[np.arange(n) % 2]
    t = np.arange(128) / 128
    waves = np.cos(2 * np.pi * (np.array([10, 22])[:, None] * t + rng.uniform(size=(n, 2, 1))))
    strong = np.where((y == "alpha")[:, None], [2.0, 0.5], [0.5, 2.0])
    X = np.einsum("c,ns,nst->nct", [1, -1, 0.5], strong, waves) + rng.normal(0, 0.5, (n, 3, 128))
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def trained():
    return FBCNetClassifier(sfreq=128.0, spatial=4, lr=1e-2, max_epochs=12, random_state=0).fit(*rhythms())


def test_it_learns_which_rhythm_is_strong(trained):
    X, y = rhythms(seed=1)
    assert (trained.predict(X) == y).mean() > 0.9
    assert trained.n_parameters_ == count_parameters(network(3, 128, spatial=4))


def test_it_is_blind_outside_its_bands(trained):
    X, _ = rhythms(seed=1)
    t = (np.arange(128) + 0.5) / 128  # the mirrored window is one unbroken wave
    mains = X + 5 * np.cos(2 * np.pi * 50 * t).astype(np.float32) + 20
    assert np.allclose(trained.predict_proba(mains), trained.predict_proba(X), atol=1e-3)


def test_order_of_time_matters(trained):
    X, y = rhythms(seed=1)
    order = np.random.default_rng(0).permutation(128)
    assert (trained.predict(X[:, :, order]) == y).mean() < 0.8


def test_trained_weights_keep_their_bounds(trained):
    for layer, bound in ((trained.module_.space, 2.0), (trained.module_.final_layer, 0.5)):
        assert layer.max_norm == bound
        assert layer.weight.detach().flatten(1).norm(dim=1).max() <= bound + 1e-4
    assert trained.module_.final_layer.weight.detach().norm(dim=1).max() > 0.4, "the bound is reached here"


def test_parts_of_the_window_are_read_apart():
    module = network(1, 130, stretches=2, bands=[(0, 64)], spatial=2).eval()
    seen = []
    module.final_layer.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    torch.manual_seed(0)
    x = torch.randn(1, 1, 130)
    louder = x.clone()
    louder[..., 65:] *= 3
    with torch.inference_mode():
        module(x)
        module(louder)
    before, after = (part.reshape(2, 2) for part in seen)  # (filters, parts)
    torch.testing.assert_close(after[:, 0], before[:, 0])
    assert (after[:, 1] > before[:, 1] + 1).all()


def test_every_value_is_trained_in_float32():
    module = network(3, 128)
    module(torch.randn(8, 3, 128)).square().sum().backward()
    for name, value in module.named_parameters():
        assert value.dtype == torch.float32
        assert value.grad is not None, name
        assert value.grad.abs().max() > 1e-6, name


def test_predictions_do_not_depend_on_the_batch():
    module, x = network(4, 128).eval(), torch.randn(64, 4, 128)
    with torch.inference_mode():
        torch.testing.assert_close(torch.cat([module(one[None]) for one in x]), module(x), rtol=1e-4, atol=1e-5)


def test_bands_may_have_names():
    named = network(bands={"alpha": (8, 12), "beta": (13, 30)})
    assert torch.equal(named.bank.gain, network(bands=[[8, 12], [13, 30]]).bank.gain)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"sfreq": None}, "no sampling rate"), ({"sfreq": -1.0}, "sfreq"), ({"sfreq": 60.0}, "28 to 32 Hz"),
     ({"bands": ()}, "bands"), ({"bands": (4, 8)}, "bands"), ({"bands": "seed"}, "bands"),
     ({"bands": [(8, 4)]}, "8 to 4"), ({"bands": [(4, np.nan)]}, "4 to nan"), ({"bands": 3}, "bands"),
     ({"spatial": 0}, "spatial"), ({"stretches": 2.5}, "stretches")],
)  # fmt: skip
def test_impossible_parameters_are_refused(wrong, word):
    X, y = rhythms(4)
    with pytest.raises(InputError, match=word):
        FBCNetClassifier(**{"sfreq": 128.0, **wrong}).fit(X, y)
