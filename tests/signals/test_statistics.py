import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.statistics import (
    HJORTH,
    Hjorth,
    WindowStatistics,
    difference_statistics,
    hjorth,
    window_statistics,
)


def test_hjorths_parameters_of_a_sine_are_known():
    t = np.arange(4 * 256) / 256
    x = (3e-5 * np.sin(2 * np.pi * 6 * t)).astype(np.float32)[None]
    activity, mobility, complexity = hjorth(x, 256.0)[:, 0, 0]
    assert activity == pytest.approx(4.5e-10, rel=1e-3)
    assert mobility == pytest.approx(2 * 256 * np.sin(np.pi * 6 / 256), rel=0.01)
    assert complexity == pytest.approx(1, rel=0.01)
    noise = np.random.default_rng(0).standard_normal((1, 5000))
    assert hjorth(noise, 1.0)[1, 0, 0] == pytest.approx(np.sqrt(2), rel=0.02)
    assert hjorth(noise, 1.0)[2, 0, 0] == pytest.approx(np.sqrt(3 / 2), rel=0.03)


def test_the_gain_of_an_electrode_changes_the_activity_alone():
    x = np.random.default_rng(1).standard_normal((2, 300))
    soft, loud = hjorth(x, 100.0), hjorth(7 * x, 100.0)
    assert np.allclose(loud[0], 49 * soft[0])
    assert np.allclose(loud[1:], soft[1:])


def test_differences_of_a_line_are_its_slope():
    line = 2.0 * np.arange(101)[None]
    found = difference_statistics(line)[:, 0, 0]
    sd = line.std()
    assert np.allclose(found, [100, sd, 2, 2 / sd, 4, 4 / sd])


@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
@pytest.mark.parametrize("function", [hjorth, window_statistics, difference_statistics])
def test_whole_numbers_do_not_overflow(dtype, function):
    limits = np.iinfo(dtype)
    x = np.random.default_rng(3).integers(limits.min, limits.max, (2, 500), dtype=dtype)
    assert np.allclose(function(x, 100.0), function(x.astype(np.float32), 100.0))
    assert np.allclose(function(x, 100.0), function(x.astype(float), 100.0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("made", "function"),
    [
        (Hjorth(50.0, 2.0, 1.0), hjorth),
        (WindowStatistics("moments", 50.0, 2.0, 1.0), window_statistics),
        (WindowStatistics("differences", 50.0, 2.0, 1.0), difference_statistics),
    ],
)
def test_windows_equal_those_cut_by_hand_and_keep_float32(made, function):
    x = np.random.default_rng(2).normal(0, 1e-5, (3, 2, 300)).astype(np.float32)
    found = made.fit(x).transform(x)
    by_hand = np.concatenate([function(x[..., s : s + 100], 50.0) for s in range(0, 201, 50)], axis=-1)
    assert found.dtype == np.float32
    assert found.shape == (3, len(made.names()), 2, 5)
    assert np.array_equal(found, by_hand)


def test_a_constant_channel_gives_zeros_and_a_wrong_name_the_near_one():
    flat = np.full((1, 50), 3.0)
    assert np.array_equal(hjorth(flat, 10.0)[:, 0, 0], [0, 0, 0])
    assert np.array_equal(difference_statistics(flat)[:, 0, 0], [3, 0, 0, 0, 0, 0])
    assert np.array_equal(window_statistics(np.full((1, 1000), 0.1))[[1, 2, 3], 0, 0], [0, 0, 0]), (
        "rounding is no spread"
    )
    assert Hjorth().names() == HJORTH
    with pytest.raises(InputError, match="Did you mean 'moments'"):
        WindowStatistics("moment").fit_transform(flat[None])
