import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.smoothing import Smooth, linear_dynamical_system, moving_average


def level_and_noise(n=100, windows=60, step=0.3):
    rng = np.random.default_rng(0)
    level = step * rng.standard_normal((n, windows)).cumsum(axis=-1)
    return level, level + rng.standard_normal(level.shape)


def test_a_moving_average_is_the_mean_of_the_neighbours_there_are():
    x = np.array([0.0, 3.0, 6.0, 0.0, 0.0])
    assert np.allclose(moving_average(x, 3), [1.5, 3, 3, 2, 0])
    assert np.array_equal(moving_average(x, 1), x)
    for length in (0, 4):
        with pytest.raises(InputError, match="an odd number"):
            moving_average(x, length)


def test_the_smoother_comes_nearer_to_the_hidden_level_and_learns_how_much_to_smooth():
    level, seen = level_and_noise()
    learnt, told = linear_dynamical_system(seen), linear_dynamical_system(seen, 0.09)
    error = [np.mean((x - level) ** 2) for x in (seen, learnt, told)]
    assert error[2] < error[1] < 0.3 * error[0]
    assert error[2] == pytest.approx(0.15, abs=0.02), "the optimum for this ratio: step^2 / noise^2 = 0.09"
    rough = np.mean(np.diff(linear_dynamical_system(seen, 10.0)) ** 2)
    assert np.mean(np.diff(told) ** 2) < rough < np.mean(np.diff(seen) ** 2)


def test_the_smoother_equals_the_solution_of_the_normal_equations():
    _, seen = level_and_noise(n=1, windows=12)
    ratio, n = 0.5, 12
    path = np.diff(np.eye(n), axis=0)
    weights = np.eye(n) + path.T @ path / ratio  # the most probable path of a random walk, its start being free
    expected = np.linalg.solve(weights, seen[0])
    assert np.allclose(linear_dynamical_system(seen, ratio)[0], expected)


def test_smoothing_knows_no_other_feature_and_no_other_trial():
    _, seen = level_and_noise(n=6)
    x = seen.reshape(3, 2, 60).astype(np.float32)
    for made in (Smooth(), Smooth("moving_average")):
        whole = made.fit(x).transform(x)
        assert (whole.shape, whole.dtype) == (x.shape, np.float32)
        assert np.allclose(whole[1:2], made.transform(x[1:2]), atol=1e-6)
        assert made.offline
        assert not made.learns
    constant = np.full((2, 5), 4.0)
    assert np.allclose(linear_dynamical_system(constant), constant)
    with pytest.raises(InputError, match="Did you mean 'lds'"):
        Smooth("ldss").fit_transform(x)
    with pytest.raises(InputError, match="positive"):
        linear_dynamical_system(x, 0.0)
