import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from thymos.nn.regulation import (
    Expression,
    gated,
    importance,
    live_target,
    live_threshold,
    regrown,
    shortfall,
    spread_of,
)


@pytest.mark.parametrize("decay_p", [0.5, 1.0])
@pytest.mark.parametrize("repression", [math.inf, 0.7])
def test_a_step_is_the_solution_of_the_equations(decay_p, repression):
    genes = Expression(decay_p=decay_p, repression=repression)
    u, m, p, mean = (
        torch.tensor([0.3, 1.0, 2.5]).double(),
        torch.tensor([0.9, 0.1, 0.4]),
        torch.tensor([0.2, 0.8, 0.5]),
        0.6,
    )
    found = genes.step(m.double(), p.double(), u, 1.7, mean)
    for k in range(3):

        def change(_, state, k=k):
            made = genes.decay_m * float(genes.level(u[k], mean))
            return [made - genes.decay_m * state[0], genes.decay_p * (state[0] - state[1])]

        solved = solve_ivp(change, (0, 1.7), [float(m[k]), float(p[k])], rtol=1e-10, atol=1e-12).y[:, -1]
        assert [float(part[k]) for part in found] == pytest.approx(solved.tolist(), abs=1e-6)


def test_in_the_steady_state_the_threshold_is_the_middle_of_the_gate():
    genes = Expression()
    assert 0.5 <= float(genes.level(torch.tensor(1.0))) <= 0.52
    m = p = torch.tensor([0.3])
    for _ in range(60):
        m, p = genes.step(m, p, torch.tensor([1.0]))
    assert float(p) == pytest.approx(0.51, abs=1e-4)
    assert float(genes.level(torch.tensor(math.inf))) == 1.0
    held = Expression(repression=0.5)
    assert held.level(torch.tensor(2.0), 1.0) < held.level(torch.tensor(2.0), 0.1) < genes.level(torch.tensor(2.0))


def epochs_until(u_before, u_after, most=40):
    genes = Expression()
    m = p = genes.level(torch.tensor([u_before]))
    live = torch.tensor([u_before > 1])
    for epoch in range(1, most + 1):
        m, p = genes.step(m, p, torch.tensor([u_after]))
        now = gated(live, p)
        if bool(now) != bool(live):
            return epoch
    return None


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(2.0, 0.5, 3), (2.0, 0.8, 5), (2.0, 1.0, None), (0.5, 2.0, 3)]
)
def test_a_unit_is_silenced_and_expressed_after_the_epochs_of_the_specification(before, after, expected):
    assert epochs_until(before, after) == expected


def test_one_noisy_epoch_silences_nothing():
    genes = Expression()
    m = p = genes.level(torch.tensor([2.0]))
    m, p = genes.step(m, p, torch.tensor([0.0]))
    assert gated(torch.tensor([True]), p).item()


def test_importance_is_relative_to_live_units_and_the_young_have_a_bonus():
    live = torch.tensor([True, True, False])
    score = importance(
        torch.tensor([1.0, 3.0, 4.0]), torch.tensor([2.0, 6.0, 0.0]), torch.tensor([0.0, 100.0, 2.0]), live
    )
    assert score.tolist() == pytest.approx([0.5 + 0.25 + 0.2, 1.5 + 0.75, 2.0 + 0.2 * math.exp(-1)])
    dead = torch.zeros(3)
    assert torch.isfinite(importance(dead, dead, dead, live)).all()


def test_the_share_of_live_units_falls_as_a_cube():
    assert live_target(3, 5, 25, 0.5) == 1.0
    assert live_target(15, 5, 25, 0.5) == pytest.approx(0.5 + 0.5 / 8)
    assert live_target(25, 5, 25, 0.5) == live_target(99, 5, 25, 0.5) == 0.5
    assert live_target(4, 5, 5, 0.2) == 1.0
    assert live_target(5, 5, 5, 0.2) == 0.2


def test_the_threshold_is_a_quantile_of_live_units_of_all_layers():
    scores = [torch.arange(10.0), torch.arange(100.0, 110.0)]
    live = [torch.ones(10, dtype=torch.bool), torch.arange(10) < 6]
    assert live_threshold(scores, live, 0.5) == 7.0
    assert live_threshold(scores, live, 1.0) == 105.0
    assert live_threshold(scores, live, 0.0) == 0.0


def test_what_misses_least_comes_back_most_often_and_sigma_says_how_much():
    missing = shortfall(torch.tensor([1.0, 0.9, 0.5, 0.0, 2.0]), 1.0)
    assert missing.tolist() == pytest.approx([0.0, 0.1, 0.5, 1.0, 0.0])
    assert shortfall(torch.ones(2), 0.0).tolist() == [0.0, 0.0]
    generator = torch.Generator().manual_seed(0)
    gaps = torch.tensor([0.0, 0.2, 0.4, 0.6])

    def often(sigma):
        drawn = torch.cat([regrown(gaps, sigma, 1, generator) for _ in range(4000)])
        return torch.bincount(drawn, minlength=4) / 4000

    expected = torch.softmax(-gaps / 0.3, 0)
    assert np.allclose(often(0.3), expected, atol=0.03)
    assert np.allclose(often(math.inf), 0.25, atol=0.03)
    assert often(0.0).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert sorted(regrown(gaps, 0.5, 9, generator).tolist()) == [0, 1, 2, 3], "no unit comes back twice"


def test_sigma_falls_to_a_tenth():
    assert [spread_of(t, 10) for t in (0, 5, 10, 50)] == pytest.approx([0.5, 0.25, 0.05, 0.05])
