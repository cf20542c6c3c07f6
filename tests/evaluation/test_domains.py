"""Gaps between domains, with what chance gives."""

import numpy as np
import pandas as pd
import pytest

from thymos.evaluation.domains import compare_gaps, domain_gaps


def people(shift, n=40, crossed=False, seed=0, spread=0.1):
    """Return the accuracy of people, one third in each domain (or all in each), the last of which has a shift."""
    rng, rows = np.random.default_rng(seed), []
    for k in range(n):
        level = 0.6 + spread * rng.standard_normal()
        for d, domain in enumerate("abc"):
            if crossed or k % 3 == d:
                value = level + 0.05 * rng.standard_normal() + (shift if domain == "c" else 0.0)
                rows.append({"method": "m", "subject": f"s{k}", "value": domain, "accuracy": value, "seed": 0})
    rows.append({"method": "m", "subject": "all", "value": "a", "accuracy": 9.0, "seed": 0})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("crossed", [False, True])
def test_a_domain_that_is_worse_is_found_with_its_distance(crossed):
    (row,) = domain_gaps(people(-0.2, crossed=crossed), "accuracy").to_dict("records")
    assert row["worst"] == "c"
    assert row["gap"] == pytest.approx(0.2, abs=0.08)
    assert row["low"] < row["gap"] < row["high"]
    assert row["p"] < 0.01
    assert row["n_subjects"] == 40
    assert row["best_value"] - row["worst_value"] == pytest.approx(row["gap"])


def test_crossed_people_tell_more_than_others():
    width = {}
    for crossed in (False, True):
        (row,) = domain_gaps(people(-0.2, crossed=crossed), "accuracy").to_dict("records")
        width[crossed] = row["high"] - row["low"]
    assert width[True] < 0.6 * width[False]


@pytest.mark.parametrize("crossed", [False, True])
def test_equal_domains_are_told_apart_as_often_as_chance_allows(crossed):
    p = [domain_gaps(people(0.0, 18, crossed, seed), "accuracy")["p"].iloc[0] for seed in range(30)]
    assert np.mean(np.array(p) < 0.05) <= 0.2
    assert 0.25 < np.mean(p) < 0.75


def test_seeds_are_averaged_and_domains_of_few_people_left_out():
    table = people(-0.2)
    twice = pd.concat([table, table.assign(seed=1, accuracy=table["accuracy"] + 0.1)])
    one, two = (domain_gaps(t, "accuracy").iloc[0] for t in (table, twice))
    assert two["gap"] == pytest.approx(one["gap"])
    assert two["best_value"] == pytest.approx(one["best_value"] + 0.05)
    few = table[(table["value"] == "a") | table["subject"].isin(["s1", "s4"])]
    assert domain_gaps(few, "accuracy").empty


@pytest.mark.parametrize("gap", [0.0, 0.15])
def test_the_interval_holds_the_gap_as_often_as_it_says(gap):
    held = []
    for seed in range(60):
        (row,) = domain_gaps(people(-gap, 36, seed=seed), "accuracy").to_dict("records")
        held.append(row["low"] <= gap <= row["high"])
        assert row["worst_low"] < row["worst_value"] < row["worst_high"]
    assert np.mean(held) > 0.85


def both(shift, other, crossed, seed=0, loss=0.0, noise=0.01):
    """Return two methods of the same people, whose worst domain differs by so much; the first may be worse for all."""
    one, two = people(shift, 40, crossed, seed), people(other, 40, crossed, seed).assign(method="n")
    one["accuracy"] -= loss
    two["accuracy"] += noise * np.random.default_rng(seed).standard_normal(len(two))
    return pd.concat([one, two])


@pytest.mark.parametrize("loss", [0.0, 0.3])
@pytest.mark.parametrize("crossed", [False, True])
def test_a_method_that_is_worse_for_one_domain_has_a_wider_gap(crossed, loss):
    table = both(-0.3, -0.1, crossed, loss=loss)
    (row,) = compare_gaps(table, "accuracy", [("m", "n"), ("m", "none")]).to_dict("records")
    assert row["difference"] == pytest.approx(0.2, abs=0.03)
    assert row["low"] < row["difference"] < row["high"]
    assert row["low"] > 0
    assert row["p"] < 0.01
    (back,) = compare_gaps(both(-0.3, -0.1, crossed), "accuracy", [("n", "m")]).to_dict("records")
    assert back["difference"] == pytest.approx(-row["difference"])


def test_equal_gaps_are_told_apart_as_often_as_chance_allows():
    p = [compare_gaps(both(-0.2, -0.2, False, seed), "accuracy", [("m", "n")])["p"].iloc[0] for seed in range(30)]
    assert np.mean(np.array(p) < 0.05) <= 0.2
    assert 0.25 < np.mean(p) < 0.75


@pytest.mark.parametrize(("shift", "other"), [(-0.1, 0.0), (0.0, 0.0), (-0.2, -0.1)])
def test_the_interval_of_a_difference_of_gaps_holds_it_as_often_as_it_says(shift, other, monkeypatch):
    monkeypatch.setattr("thymos.evaluation.domains._RESAMPLES", 500)
    held = []
    for seed in range(60):
        table = both(shift, other, False, seed, noise=0.06)
        (row,) = compare_gaps(table[table["value"] != "b"], "accuracy", [("m", "n")]).to_dict("records")
        held.append(row["low"] <= other - shift <= row["high"])
    assert np.mean(held) > 0.9
