import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.connectivity import METHODS, Connectivity, chord_data, connectivity, pair_names

pytest.importorskip("mne_connectivity")

SFREQ = 128.0
ALPHA = {"alpha": (8, 14)}


def noise(seconds=20.0, channels=2, seed=0):
    return np.random.default_rng(seed).normal(0, 1e-5, (channels, round(seconds * SFREQ)))


def narrow(lag, seconds=20.0, seed=0):
    """Return noise of 8 to 14 Hz, twice, the second `lag` of a period of 11 Hz later, in a little noise of their own.

    A sine would have one phase in every segment; this one has many.
    """
    n = round(seconds * SFREQ)
    freqs = np.fft.rfftfreq(n, 1 / SFREQ)
    rng = np.random.default_rng(seed)
    spectrum = np.where((freqs >= 7) & (freqs < 15), rng.normal(size=(2, len(freqs))).T @ [1, 1j], 0)
    pair = np.stack([spectrum, spectrum * np.exp(-2j * np.pi * lag)])
    x = np.fft.irfft(pair, n)
    return x / x.std() * 1e-5 + noise(seconds, seed=seed + 1) * 1e-2


@pytest.mark.parametrize("method", ["coherence", "plv"])
def test_what_is_the_same_but_for_sign_scale_and_delay_goes_together_fully(method):
    same = noise()[[0, 0, 0]] * np.array([[1], [5], [-0.1]])
    assert np.allclose(connectivity(same, SFREQ, "deap", method), 1)
    assert np.allclose(connectivity(narrow(0.25), SFREQ, ALPHA, method), 1, atol=0.01)


def test_a_sine_that_lags_is_locked_in_its_band():
    t = np.arange(2560) / SFREQ
    x = np.stack([np.sin(2 * np.pi * 10 * t), np.sin(2 * np.pi * 10 * t - 1)]) * 1e-5 + noise(seed=2) * 1e-3
    ten = {"ten": (10, 11), "beta": (20, 30)}
    for method in METHODS:
        locked, apart = connectivity(x, SFREQ, ten, method)[:, 0]
        assert locked == pytest.approx(np.sin(1) if method == "imaginary_coherence" else 1, abs=0.01)
        assert apart < 0.4


@pytest.mark.parametrize("method", ["imaginary_coherence", "wpli"])
@pytest.mark.parametrize(("lag", "expected"), [(0.0, 0.0), (0.25, 1.0), (0.75, 1.0)])
def test_what_comes_without_delay_counts_for_nothing_and_a_quarter_period_for_all(method, lag, expected):
    x = narrow(lag)
    found = connectivity(x, SFREQ, ALPHA, method).item()
    assert found == pytest.approx(expected, abs=0.02 if method == "imaginary_coherence" else 0.25)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equal_channels_have_no_phase_lag_at_all(dtype):
    same = noise()[[0, 0, 0]] * np.array([[1], [5], [-0.1]]) + np.array([[0], [0], [1e-4]])
    x = np.concatenate([same, noise(channels=1, seed=1)]).astype(dtype)
    found = dict(zip(pair_names("abcd"), connectivity(x, SFREQ, "deap", "wpli").T, strict=True))
    assert all((found[pair] == 0).all() for pair in ("a-b", "a-c", "b-c"))
    assert all((found[pair] > 0.01).all() for pair in ("a-d", "b-d", "c-d"))
    weak = same[:1] + np.stack([0 * x[3], 1e-3 * noise(channels=1, seed=1)[0]])
    assert (connectivity(weak.astype(dtype), SFREQ, "deap", "wpli") > 0.01).all(), "a weak lag is no rounding"


@pytest.mark.parametrize("method", ["coherence", "plv"])
def test_independent_noise_has_the_bias_of_the_number_of_segments(method):
    x = noise(40.0, channels=12)
    found = connectivity(x, SFREQ, {"all": (2, 60)}, method).mean()
    assert found == pytest.approx(np.sqrt(np.pi / 4 / 79), rel=0.06)
    assert connectivity(x[:, :1280], SFREQ, {"all": (2, 60)}, method).mean() == pytest.approx(2 * found, rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_channels_is_the_order_of_the_pairs_and_nothing_else(method):
    x = noise(6.0, channels=4)
    x[1] += np.roll(x[0], 3)
    names = np.array(["a", "b", "c", "d"])
    plain = dict(zip(pair_names(names), connectivity(x, SFREQ, "deap", method).T, strict=True))
    assert list(plain) == ["a-b", "a-c", "a-d", "b-c", "b-d", "c-d"]
    order = [1, 0, 2, 3]
    for pair, values in zip(pair_names(names[order]), connectivity(x[order], SFREQ, "deap", method).T, strict=True):
        again = plain.get(pair, plain.get(pair[::-1]))
        assert np.allclose(values, again)
    assert plain["a-b"].mean() > plain["c-d"].mean()
    assert all((v >= 0).all() and (v <= 1).all() for v in plain.values())


@pytest.mark.parametrize("method", METHODS)
def test_measures_are_what_their_formulas_say(method):
    x = noise(10.0) + noise(10.0, channels=1, seed=1) + np.roll(noise(10.0, channels=1, seed=2), 3) * [[0], [1]]
    x[1, 3:] += x[0, :-3]
    segments = np.stack([x[:, k : k + 128] for k in range(0, 1280 - 127, 64)])
    first, second = np.moveaxis(np.fft.rfft(segments * np.hanning(130)[1:-1])[..., 8:14], 1, 0)
    cross = first * second.conj()
    power = np.sqrt((np.abs(first) ** 2).mean(axis=0) * (np.abs(second) ** 2).mean(axis=0))
    formulas = {
        "coherence": np.abs(cross.mean(axis=0)) / power,
        "imaginary_coherence": np.abs(cross.mean(axis=0).imag) / power,
        "plv": np.abs((cross / np.abs(cross)).mean(axis=0)),
        "wpli": np.abs(cross.imag.mean(axis=0)) / np.abs(cross.imag).mean(axis=0),
    }
    assert connectivity(x, SFREQ, ALPHA, method).item() == pytest.approx(formulas[method].mean(), abs=0.01)


def test_an_offset_is_no_oscillation():
    x = noise(10.0)
    low = connectivity(x, SFREQ, {"low": (0, 3)})
    assert np.allclose(low, connectivity(x, SFREQ, {"low": (1, 3)}))
    assert np.allclose(low, connectivity(x + 1e-3, SFREQ, {"low": (0, 3)}), atol=1e-3)


def test_bands_are_half_open_and_may_leave_gaps():
    t = np.arange(1280) / SFREQ
    x = np.stack([np.sin(2 * np.pi * 14 * t)] * 2) * 1e-5 + noise(10.0, seed=2) * 1e-2
    low, far, high = connectivity(x, SFREQ, {"alpha": (8, 12), "gamma": (50, 64), "beta": (14, 15)})[:, 0]
    assert high > 0.99
    assert max(low, far) < 0.5
    assert low == pytest.approx(connectivity(x, SFREQ, {"alpha": (8, 12)}).item())


def test_a_constant_channel_has_no_links_and_a_lonely_one_no_pairs():
    x = np.stack([noise(4.0, channels=3), noise(4.0, channels=3, seed=1)])
    x[1, 1] = 3e-5
    found = connectivity(x, SFREQ, "deap")
    assert found.shape == (2, 4, 3)
    assert np.array_equal(np.isnan(found[:, 0]), [[False] * 3, [True, False, True]])
    made = Connectivity(SFREQ).fit(x)
    assert made.problems(x) == ["", "constant channels: 1"]
    assert connectivity(x[:, :1], SFREQ, "deap").shape == (2, 4, 0)


def test_the_transformer_takes_windows():
    x = np.stack([noise(6.0, channels=3, seed=k) for k in range(2)]).astype(np.float32)
    made = Connectivity(SFREQ, "muse", "plv", segment=0.5, window=3.0, step=1.5).fit(x)
    assert made.names() == ("delta", "theta", "alpha", "beta", "gamma")
    with pytest.raises(InputError, match="no frequency in 1-4 Hz"):
        made.set_params(segment=0.2).transform(x)
    found = made.set_params(segment=0.5).transform(x)
    assert found.shape == (2, 5, 3, 3)
    assert found.dtype == np.float32
    alone = connectivity(x[1, :, 192:576], SFREQ, "muse", "plv", segment=0.5)
    assert np.allclose(found[1, :, :, 1], alone, atol=1e-6)


def test_links_are_sorted_and_stand_where_they_are_on_the_head():
    names = ["Fp1", "Fp2", "C3", "Cz", "C4", "O1", "O2"]
    pairs = pair_names(names)
    strength = np.linspace(0, 1, len(pairs))
    strength[-1] = np.nan
    table = chord_data(strength, names, strongest=5)
    assert table["strength"].tolist() == sorted(strength[:-1], reverse=True)[:5]
    assert [f"{a}-{b}" for a, b in zip(table["source"], table["target"], strict=True)] == list(pairs[-2:-7:-1])
    every = chord_data(strength, names, strongest=None)
    assert len(every) == len(pairs) - 1
    angle = dict(zip(every["source"], every["source_angle"], strict=True))
    angle |= dict(zip(every["target"], every["target_angle"], strict=True))
    place = {name: (np.cos(a), np.sin(a)) for name, a in angle.items()}
    for left, right in (("Fp1", "Fp2"), ("C3", "C4"), ("O1", "O2")):
        assert np.allclose(place[left], np.multiply(place[right], (-1, 1)))
        assert place[left][0] < 0
    assert place["Fp1"][1] > place["C3"][1] > place["O1"][1]
    assert np.allclose(np.diff(sorted(angle.values())), 2 * np.pi / 7)


def test_what_does_not_fit_is_said_in_words(words):
    with pytest.raises(InputError) as error:
        connectivity(noise(1.25), SFREQ, ALPHA)
    words(error.value, "1.25 s", "segments of 1 s", "1.5 s")
    with pytest.raises(InputError, match="segments of 1 s"):
        connectivity(noise(0.5), SFREQ, ALPHA)
    with pytest.raises(InputError, match="Did you mean 'coherence'"):
        connectivity(noise(), SFREQ, ALPHA, "coherenc")
    with pytest.raises(InputError, match="<= 64 Hz"):
        connectivity(noise(), SFREQ, {"high": (50, 70)})
    with pytest.raises(InputError, match="windows of"):
        connectivity(noise(), SFREQ, ALPHA, segment=0.0)
    with pytest.raises(InputError, match="n_channels, n_times"):
        connectivity(noise()[0], SFREQ, ALPHA)
    with pytest.raises(InputError) as error:
        chord_data(np.zeros(4), ["C3", "C4", "Cz"])
    words(error.value, "(4,)", "(3,)")
    with pytest.raises(InputError, match="no place on the scalp"):
        chord_data(np.zeros(1), ["C3", "left"])
