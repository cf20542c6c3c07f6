import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sps

from thymos.base.bands import BANDS
from thymos.base.errors import InputError
from thymos.signals.filters import band_pass
from thymos.signals.spectral import (
    BandPower,
    DifferentialEntropy,
    PowerSpectralDensity,
    band_power,
    band_variance,
    differential_entropy,
    frequencies,
    power_spectral_density,
)
from thymos.signals.windows import sliding_windows


@pytest.mark.parametrize(("method", "tolerance"), [("spectral", 0.03), ("filter", 0.06)])  # a filter has slopes
def test_differential_entropy_of_gaussian_noise_is_half_log_two_pi_e_variance(method, tolerance):
    sfreq, sigma = 128.0, 2e-5
    x = np.random.default_rng(0).normal(0, sigma, (40, 1, 1280))
    share = {"band": (8.0, 24.0)}  # of white noise this band holds 16/64 of the variance
    found = differential_entropy(x, sfreq, share, method).mean()
    assert found == pytest.approx(0.5 * np.log(2 * np.pi * np.e * sigma**2 * 16 / 64), abs=tolerance)


def test_entropy_uses_the_variance_not_the_standard_deviation():
    x = np.random.default_rng(0).normal(0, 1e-5, (1, 1, 1280))
    louder = differential_entropy(10 * x, 128.0, "deap") - differential_entropy(x, 128.0, "deap")
    assert np.allclose(louder, np.log(10), atol=1e-4)


@pytest.mark.parametrize("sfreq", [128.0, 200.0, 250.0, 256.0, 500.0])
@pytest.mark.parametrize("method", ["spectral", "filter"])
def test_a_sine_of_10_hz_has_half_its_squared_amplitude_in_alpha_and_nothing_elsewhere(sfreq, method):
    t = np.arange(round(4 * sfreq)) / sfreq
    x = 3e-5 * np.sin(2 * np.pi * 10 * t)[None]
    variance = dict(zip(BANDS["seed"], band_variance(x, sfreq, "seed", method)[:, 0, 0], strict=True))
    assert variance.pop("alpha") == pytest.approx(4.5e-10, rel=0.01 if method == "spectral" else 0.03)
    assert max(variance.values()) < 0.01 * 4.5e-10


def test_bands_are_half_open_so_that_together_they_hold_each_frequency_once():
    x = np.random.default_rng(1).normal(0, 1e-5, (3, 2, 256))
    bands = {"low": (0, 8), "mid": (8, 30), "high": (30, 64)}
    whole = band_variance(x, 128.0, {"all": (0, 64)})
    assert np.allclose(band_variance(x, 128.0, bands).sum(axis=-3, keepdims=True), whole)


@pytest.mark.parametrize("bands", [{"all": (0, 64)}, {"low": (0, 30)}, {"high": (30, 64)}])
def test_bands_may_reach_to_zero_and_to_the_nyquist_frequency(bands):
    x = np.random.default_rng(1).normal(0, 1e-5, (40, 1, 1280))
    (limits,) = bands.values()
    expected = 1e-10 * (limits[1] - limits[0]) / 64
    for method in ("spectral", "filter"):
        assert band_variance(x, 128.0, bands, method).mean() == pytest.approx(
            expected,
            rel=0.05 if method == "spectral" else 0.15,  # half the power at an edge
        )


def test_an_offset_changes_no_band():
    x = np.random.default_rng(2).normal(0, 1e-5, (2, 4, 256))
    assert np.allclose(band_variance(x + 1e-3, 128.0, "muse"), band_variance(x, 128.0, "muse"), rtol=1e-3)


def test_the_spectral_method_sees_its_own_window_alone():
    x = np.random.default_rng(3).normal(0, 1e-5, (1, 512))
    other = x.copy()
    other[:, 128:256] *= 50
    a, b = (differential_entropy(v, 128.0, "deap", window=1.0)[..., [0, 2, 3]] for v in (x, other))
    assert np.allclose(a, b, atol=1e-6)
    a, b = (differential_entropy(v, 128.0, "deap", "filter", window=1.0)[..., [0, 2, 3]] for v in (x, other))
    assert not np.allclose(a, b, atol=1e-3), (
        "the filter method rings into its neighbours; this is why it is not used for twins"
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from([0.5, 1.0]), st.integers(0, 2**31))
def test_windows_equal_those_cut_by_hand(n, channels, step, seed):
    x = np.random.default_rng(seed).normal(0, 1e-5, (n, channels, 300)).astype(np.float32)
    found = differential_entropy(x, 100.0, "deap", window=1.0, step=step)
    hop = round(100 * step)
    starts = range(0, 201, hop)
    by_hand = np.concatenate([differential_entropy(x[..., s : s + 100], 100.0, "deap") for s in starts], axis=-1)
    assert found.shape == (n, 4, channels, len(starts))
    assert np.allclose(found, by_hand, atol=1e-4)


def test_blocks_do_not_change_the_result(monkeypatch):
    x = np.random.default_rng(4).normal(0, 1e-5, (50, 3, 256)).astype(np.float32)
    whole = differential_entropy(x, 128.0, "deap", window=1.0, step=0.5)
    monkeypatch.setattr("thymos.signals.windows._BLOCK", 1000)
    assert np.allclose(differential_entropy(x, 128.0, "deap", window=1.0, step=0.5), whole, atol=1e-5)


def test_a_flat_channel_gives_the_floor_and_units_shift_by_a_constant():
    flat = differential_entropy(np.zeros((1, 1, 128)), 128.0, "deap")
    assert np.allclose(flat, 0.5 * np.log(2 * np.pi * np.e * 1e-20))
    x = np.random.default_rng(5).normal(0, 1e-5, (1, 1, 128))
    in_volts, in_microvolts = differential_entropy(x, 128.0, "deap"), differential_entropy(x * 1e6, 128.0, "deap")
    assert np.allclose(in_microvolts - in_volts, 13.8155, atol=1e-3)


def test_bands_that_do_not_fit_are_said_in_words(words):
    x = np.zeros((1, 64))
    with pytest.raises(InputError) as error:
        differential_entropy(x, 64.0, "seed")
    words(error.value, "gamma", "64 Hz", "<= 32 Hz")
    with pytest.raises(InputError) as error:
        differential_entropy(x, 64.0, {"theta": (4, 8), "narrow": (8.2, 8.4)})
    words(error.value, "8.2-8.4 Hz", "longer window")
    with pytest.raises(InputError, match="Did you mean 'seed'"):
        differential_entropy(x, 128.0, "sed")
    with pytest.raises(InputError, match="Did you mean 'filter'"):
        differential_entropy(x, 128.0, "deap", "filtr")
    with pytest.raises(InputError, match="windows of 640 samples"):
        differential_entropy(x, 128.0, "deap", window=5.0)


def test_the_transformer_wraps_the_function_and_takes_one_channel_as_a_table():
    x = np.random.default_rng(6).normal(0, 1e-5, (5, 3, 256)).astype(np.float32)
    made = DifferentialEntropy(128.0, "deap", window=1.0).fit(x).transform(x)
    assert np.array_equal(made, differential_entropy(x, 128.0, "deap", window=1.0))
    one = DifferentialEntropy(128.0, "deap").fit_transform(x[:, 0])
    assert np.allclose(one, differential_entropy(x[:, :1], 128.0, "deap"))


def test_filter_variances_are_those_of_the_filtered_signal_away_from_the_ends():
    rng = np.random.default_rng(7)
    x = (rng.standard_normal((2, 3, 2560)).cumsum(axis=-1) * 1e-6 + 0.3).astype(np.float32)  # drift, a large offset
    found = band_variance(x, 128.0, "deap", "filter", window=1.0, step=0.5)
    filtered = [band_pass(x.astype(np.float64), 128.0, *edges) for edges in BANDS["deap"].values()]
    by_hand = np.stack([sliding_windows(y, 128, 64).var(axis=-1) for y in filtered], axis=1)
    assert found.shape == (2, 4, 3, 39)
    assert np.allclose(found[..., 4:-4], by_hand[..., 4:-4], rtol=0.01)
    assert np.corrcoef(np.log(found).ravel(), np.log(by_hand).ravel())[0, 1] > 0.999


def test_a_band_that_reaches_to_zero_keeps_no_mean_of_a_window():
    slow = np.sin(2 * np.pi * 0.1 * np.arange(2000) / 100)[None]
    found = band_variance(slow, 100.0, {"slow": (0, 4)}, "filter", window=1.0)[0, 0]
    assert np.allclose(found[2:-2], slow.reshape(20, 100).var(axis=1)[2:-2], rtol=0.05, atol=1e-6)


def test_a_long_window_takes_neither_much_memory_nor_another_value():
    rng = np.random.default_rng(9)
    x = rng.normal(0, 1e-5, (8, 20000)).astype(np.float32)
    tracemalloc.start()
    long = band_variance(x, 200.0, "deap")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * x.nbytes, "a matrix of all times and frequencies would be a thousand times the signal"
    _, density = sps.periodogram(x.astype(float), 200.0, "hann", detrend="constant")
    f = np.arange(10001) / 100
    by_hand = [density[:, (low <= f) & (f < high)].sum(axis=1) / 100 for low, high in BANDS["deap"].values()]
    assert np.allclose(long[..., 0], by_hand, rtol=1e-4)


@pytest.mark.parametrize("size", [512, 513])
def test_the_two_ways_to_a_spectrum_agree(size):
    x = np.random.default_rng(10).normal(3e-5, 1e-5, (4, size)).astype(np.float32)
    _, density = sps.periodogram(x.astype(float), 128.0, "hann", detrend="constant")
    f = np.fft.rfftfreq(size, 1 / 128)
    expected = density[:, (f >= 8) & (f < 14)].sum(axis=1) * 128 / size
    assert np.allclose(band_variance(x, 128.0, {"alpha": (8, 14)})[0, :, 0], expected, rtol=1e-4)


def test_a_filter_is_refused_where_values_are_missing():
    x = np.zeros((1, 512))
    x[0, 100] = np.nan
    with pytest.raises(InputError, match="1 values are missing"):
        differential_entropy(x, 128.0, "deap", "filter", window=1.0)


def test_the_power_of_a_sine_lies_in_its_band_and_is_half_its_squared_height():
    t = np.arange(2 * 128) / 128
    x = (2e-5 * np.sin(2 * np.pi * 10 * t)).astype(np.float32)[None]
    power = band_power(x, 128.0, "deap")[:, 0, 0]
    assert power[1] == pytest.approx(2e-10, rel=1e-3)
    assert power[[0, 2, 3]].max() < 1e-6 * power[1]
    assert band_power(x, 128.0, "deap", scale="decibel")[1, 0, 0] == pytest.approx(-96.99, abs=0.01)
    assert band_power(x, 128.0, "deap", scale="relative").sum() == pytest.approx(1)
    filtered = band_power(np.tile(x, 4), 128.0, "deap", "filter")
    assert filtered[1, 0, 0] == pytest.approx(2e-10, rel=0.02)
    with pytest.raises(InputError, match="Did you mean 'decibel'"):
        band_power(x, 128.0, "deap", scale="decibels")


def test_a_density_sums_to_the_variance_and_peaks_at_the_frequency_of_a_sine():
    rng = np.random.default_rng(8)
    x = (rng.normal(0, 1e-5, (3, 2, 500)) + 1e-5 * np.sin(np.arange(500) * 2 * np.pi * 20 / 100)).astype(np.float32)
    density = power_spectral_density(x, 100.0, window=1.0)
    f = frequencies(500, 100.0, window=1.0)
    assert density.shape == (3, len(f), 2, 5)
    assert (f[density.mean(axis=(0, 2, 3)).argmax()], f[1] - f[0]) == (20, 1)
    hann = np.hanning(101)[:-1]
    windows = x.reshape(3, 2, 5, 100) - x.reshape(3, 2, 5, 100).mean(axis=-1, keepdims=True)
    assert np.allclose(density.sum(axis=1), ((windows * hann) ** 2).sum(axis=-1) / (hann**2).sum(), rtol=0.05)
    some = PowerSpectralDensity(100.0, low=4.0, high=30.0, window=1.0).fit(x)
    assert np.array_equal(some.transform(x), density[:, 4:31])
    assert (some.names()[0], some.names()[-1]) == ("4Hz", "30Hz")
    with pytest.raises(InputError, match="multiple of 1 Hz up to 50 Hz"):
        power_spectral_density(x, 100.0, low=60.0, high=70.0, window=1.0)


def test_a_filter_over_the_whole_signal_is_marked_as_offline_and_bands_have_names():
    assert DifferentialEntropy(method="filter").offline
    assert not DifferentialEntropy().offline
    assert not DifferentialEntropy().learns
    assert BandPower(bands={"low": (1, 4)}).names() == ("low",)
    assert DifferentialEntropy(bands="seed").names() == ("delta", "theta", "alpha", "beta", "gamma")
