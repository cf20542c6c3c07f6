"""Whole trials are held back."""

import numpy as np
import pandas as pd

from thymos.base.samples import of_modality
from thymos.training.parts import held_trials, trials_of

TRIALS = np.repeat([f"t{k:02}" for k in range(30)], 4)
STRATA = np.repeat(np.arange(30) % 3, 4)


def test_a_share_of_whole_trials_of_each_stratum_is_held():
    held = held_trials(TRIALS, STRATA, 0.4, np.random.default_rng(0))
    by_trial = held.reshape(30, 4)
    assert (by_trial.all(axis=1) | ~by_trial.any(axis=1)).all()
    assert [by_trial[np.arange(30) % 3 == k, 0].sum() for k in range(3)] == [4, 4, 4]
    assert not np.array_equal(held, held_trials(TRIALS, STRATA, 0.4, np.random.default_rng(1)))


def test_one_trial_is_held_at_least_and_one_is_left():
    strata = np.where(TRIALS == "t00", 0, np.where(TRIALS <= "t02", 1, 2))
    for share in (0.01, 0.99):
        held = held_trials(TRIALS, strata, share, np.random.default_rng(0))
        assert not held[strata == 0].any()
        assert held[strata == 1].sum() == 4
        assert 4 <= held[strata == 2].sum() <= 4 * 26
    assert not held_trials(TRIALS, STRATA, 0.0, np.random.default_rng(0)).any()


def test_copies_of_the_second_half_of_pairs_are_one_trial():
    meta = pd.DataFrame(
        {
            "trial": [f"pair-{k}" for k in range(8)],
            "trial of face": [f"a{k % 4}" for k in range(8)],
            "trial of bvp": [f"b{k % 2}" for k in range(8)],
        }
    )
    assert trials_of(meta, 8).tolist() == ["b0", "b1"] * 4
    assert trials_of(of_modality(meta, "face"), 8).tolist() == ["a0", "a1", "a2", "a3"] * 2
    assert of_modality(meta, "eeg") is meta
    assert trials_of(meta[["trial"]], 8).tolist() == meta["trial"].tolist()
    assert trials_of(None, 3).tolist() == ["0", "1", "2"]
