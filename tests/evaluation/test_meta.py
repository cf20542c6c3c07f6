"""One difference on several sources."""

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import InputError
from thymos.evaluation.meta import combine_sources


def sources(differences, sd=0.1, n=16, p=0.2):
    return pd.DataFrame({"difference": differences, "sd": sd, "n_units": n, "p": p})


def test_equal_sources_are_one_larger_source():
    made = combine_sources(sources([0.05, 0.05, 0.05, 0.05]))
    assert made["difference"] == pytest.approx(0.05)
    assert made["high"] - made["low"] == pytest.approx(2 * 1.96 * 0.1 / 8, rel=1e-3)
    assert (made["tau"], made["i2"], made["n_sources"]) == (0.0, 0.0, 4)
    assert made["p_same"] == 1.0
    assert made["p_stouffer"] < 0.1, "four times p .2 in one direction is more than once"


def test_sources_that_disagree_widen_the_interval():
    apart = combine_sources(sources([0.2, -0.1, 0.2, -0.1]))
    assert apart["difference"] == pytest.approx(0.05)
    assert apart["p_same"] < 1e-6
    assert apart["i2"] > 0.9
    assert apart["low"] < -0.05 < 0.15 < apart["high"]
    assert apart["tau"] == pytest.approx(np.sqrt(np.var([0.2, -0.1, 0.2, -0.1], ddof=1) - 0.1**2 / 16), rel=1e-6)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        true = 0.03 + 0.05 * rng.standard_normal(12)
        found = combine_sources(sources(true + 0.1 / 4 * rng.standard_normal(12)))
        inside += found["low"] <= 0.03 <= found["high"]
    assert 0.88 <= inside / 300 <= 0.98


def test_one_source_is_nothing_to_combine():
    with pytest.raises(InputError, match="1 sources"):
        combine_sources(sources([0.1, np.nan]))


def test_differences_over_folds_are_refused():
    with pytest.raises(InputError, match="share their training data"):
        combine_sources(sources([0.1, 0.2]).assign(unit=["subject", "fold"]))
