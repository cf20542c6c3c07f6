"""Waveforms whose best possible accuracy is in print."""

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.simulate.waveforms import N_TIMES, Waveforms

PAIRS = {"first": (7, 15), "second": (7, 11), "third": (15, 11)}


def read(source):
    recordings = list(source.load())
    X = np.stack([recording.signal("features").data[0] for recording in recordings])
    return X, np.array([recording.meta["kind"] for recording in recordings])


def test_the_best_rule_is_right_on_86_of_100():
    X, kinds = read(Waveforms(n=4000))
    share = np.linspace(0, 1, 101)[:, None]
    likelihood = []
    for first, second in PAIRS.values():
        a, b = (np.maximum(6 - np.abs(np.arange(1, N_TIMES + 1) - peak), 0) for peak in (first, second))
        means = share * a + (1 - share) * b
        square = ((X[:, None] - means) ** 2).sum(axis=2)
        likelihood.append(np.exp(-square / 2).mean(axis=1))
    right = np.array(list(PAIRS))[np.argmax(likelihood, axis=0)] == kinds
    assert right.mean() == pytest.approx(0.86, abs=0.015)


def test_the_same_seed_gives_the_same_and_noise_is_what_it_says():
    quiet, again, loud = (read(Waveforms(n=50, noise=noise))[0] for noise in (0.0, 0.0, 2.0))
    assert np.array_equal(quiet, again)
    assert (loud - quiet).std() == pytest.approx(2.0, rel=0.1)
    assert quiet.min() == 0
    assert quiet.max() <= 6
    assert not np.array_equal(quiet, read(Waveforms(n=50, noise=0.0, random_state=1))[0])
    with pytest.raises(InputError, match="n=2"):
        list(Waveforms(n=2).load())
