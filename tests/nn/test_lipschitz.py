"""Bounds hold for the weights as they are, and measuring finds the constants of maps whose constants are known."""

import numpy as np
import pytest
import torch
from torch import nn

from thymos.nn.lipschitz import (
    LGCN,
    CenterNorm,
    FixedNorm,
    SpectralConv1d,
    SpectralLinear,
    attacked_lipschitz,
    empirical_lipschitz,
    local_lipschitz,
    standardised,
)


def train(layer, x, steps=40, lr=0.1):
    """Take steps that push the weights outwards."""
    optimiser = torch.optim.SGD(layer.parameters(), lr=lr)
    layer.train()
    for _ in range(steps):
        optimiser.zero_grad()
        (-layer(x).square().mean()).backward()
        optimiser.step()
    return layer


def sigma(weight):
    return float(np.linalg.norm(weight.detach().double().numpy(), 2))


@pytest.mark.parametrize(("n_in", "n_out"), [(8, 8), (20, 5), (5, 20), (1, 7)])
@pytest.mark.parametrize("bound", [0.2, 1.0])
def test_a_bounded_layer_is_inside_its_bound_once_it_is_evaluated(n_in, n_out, bound):
    torch.manual_seed(0)
    layer = SpectralLinear(n_in, n_out, bound=bound)
    train(layer, torch.randn(30, n_in))
    assert sigma(layer.weight) > bound  # the last step led outside
    layer.eval()
    assert sigma(layer.weight) <= bound
    assert sigma(layer.weight) > 0.99 * bound
    assert layer.lipschitz() == pytest.approx(sigma(layer.weight), rel=1e-6)


def test_while_training_one_step_of_power_iteration_keeps_the_weights_near_the_bound():
    torch.manual_seed(0)
    layer, x = SpectralLinear(30, 30, bound=1.0), torch.randn(50, 30)
    train(layer, x, lr=0.01)
    layer(x)
    assert sigma(layer.weight) < 1.03


def test_the_singular_vector_is_followed_in_float32_and_found_once_where_layers_compute_in_bfloat16(monkeypatch):
    found, svd = [], torch.linalg.svd
    monkeypatch.setattr(torch.linalg, "svd", lambda *given, **options: found.append(1) or svd(*given, **options))
    torch.manual_seed(0)
    layer, x = SpectralLinear(20, 20, bound=0.5), torch.randn(4, 20)
    for _ in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16
    assert len(found) == 1
    assert sigma(layer.weight) <= 0.5 * (1 + 1e-4), "bfloat16 has three digits"


def test_a_layer_inside_its_bound_stays_as_it_is_and_evaluation_changes_nothing():
    layer = SpectralLinear(4, 4, bound=100.0)
    before = layer.weight.clone()
    layer(torch.randn(2, 4))
    layer.eval()(torch.randn(2, 4))
    assert torch.equal(layer.weight, before)
    free = SpectralLinear(4, 4, bound=None)
    free.weight.data.mul_(1000)
    before = free.weight.clone()
    free(torch.randn(2, 4))
    free.eval()
    assert torch.equal(free.weight, before)


def test_the_official_scaling_sets_the_constant():
    layer = SpectralLinear(6, 6, bound=10.0, scaling="set").eval()
    assert sigma(layer.weight) == pytest.approx(10.0, rel=1e-4)


def dense(conv, length):
    """Return the matrix of a convolution on windows of some length."""
    n = conv.in_channels * length
    columns = conv(torch.eye(n).reshape(n, conv.in_channels, length)).flatten(1)
    return columns.T


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize(("kernel", "length"), [(11, 5), (11, 40), (3, 16), (1, 9)])
def test_the_constant_of_a_convolution_bounds_its_true_operator(kernel, length, stride):
    torch.manual_seed(kernel)
    conv = SpectralConv1d(3, 5, kernel, padding=kernel // 2, stride=stride, bias=False, bound=None).eval()
    assert sigma(dense(conv, length)) <= conv.lipschitz() * (1 + 1e-6)


def test_the_bound_of_a_convolution_is_near_the_truth_for_long_windows():
    torch.manual_seed(0)
    conv = SpectralConv1d(3, 5, 11, padding=5, bias=False, bound=None).eval()
    assert sigma(dense(conv, 150)) > 0.9 * conv.lipschitz()


def test_a_convolution_with_a_factor_per_output_is_bounded_more_tightly_than_by_two_constants():
    torch.manual_seed(0)
    conv = SpectralConv1d(3, 5, 7, padding=3, bias=False, bound=None).eval()
    factor = torch.rand(5, 1) * 3
    matrix = (dense(conv, 40).reshape(5, 40, -1) * factor[..., None]).flatten(0, 1)
    assert sigma(matrix) <= conv.lipschitz(factor) <= conv.lipschitz() * float(factor.max())


def test_the_affine_map_of_a_normalisation_is_bounded_exactly():
    norm = LGCN(6, bound=1.0)
    norm.gamma.data = torch.tensor([0.1, -4.0, 2.0, 0.0, 1.0, 0.5])
    u = torch.eye(6)
    x = u - u.mean(dim=1, keepdim=True)
    made = norm(x) - norm.beta
    plain = nn.functional.layer_norm(x, (6,), eps=norm.eps)
    assert torch.allclose(made, plain * norm.gamma / 4, atol=1e-6)
    norm.gamma.data /= 8  # inside already: not stretched
    assert torch.allclose(norm(x) - norm.beta, plain * norm.gamma, atol=1e-6)
    unbounded = LGCN(6, bound=None)
    unbounded.gamma.data = norm.gamma.data
    assert torch.allclose(unbounded(x), plain * norm.gamma, atol=1e-6)


def test_centring_has_the_constant_that_it_says():
    x = torch.randn(20, 5)
    assert torch.allclose(CenterNorm()(x).mean(dim=1), torch.zeros(20), atol=1e-6)
    assert float(local_lipschitz(CenterNorm(), x).max()) == pytest.approx(1.25, abs=1e-5)
    assert torch.equal(CenterNorm()(x[:, :1]), x[:, :1])


def test_a_fixed_normalisation_standardises_once_and_is_the_same_map_in_both_modes():
    torch.manual_seed(0)
    norm = FixedNorm(3)
    x = torch.randn(50, 3, 20) * torch.tensor([1.0, 10.0, 0.1])[:, None] + 5
    made = norm.begin(x)
    assert torch.allclose(made.mean(dim=(0, 2)), torch.zeros(3), atol=1e-3)
    assert torch.allclose(made.std(dim=(0, 2)), torch.ones(3), atol=1e-3)
    other = torch.randn(4, 3, 20) * 100
    assert torch.equal(norm.train()(other), norm.eval()(other))


def test_the_official_norm_of_logits_is_a_temperature():
    torch.manual_seed(0)
    logits = torch.randn(500, 9) * 10
    assert float(standardised(logits, 1.0).softmax(-1).max()) <= 0.266
    assert torch.allclose(standardised(logits, 10.0).norm(dim=-1), torch.full((500,), 8.0**0.5), atol=1e-3)
    assert torch.equal(standardised(logits[:, :1], 1.0), logits[:, :1])


@pytest.mark.parametrize("n_out", [4, 60])
def test_measuring_a_linear_map_finds_its_norm(n_out):
    torch.manual_seed(0)
    weight = torch.randn(n_out, 30, dtype=torch.float64)
    found = empirical_lipschitz(lambda x: x @ weight.T, torch.randn(5, 30, dtype=torch.float64), iterations=40)
    assert found.local.numpy() == pytest.approx(sigma(weight), rel=0.01)
    assert (found.local <= sigma(weight) * (1 + 1e-9)).all()
    assert (found.attack <= sigma(weight) * (1 + 1e-9)).all()
    assert (found.attack > 0.7 * sigma(weight)).all()


def test_the_local_constant_belongs_to_the_sample():
    x = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    assert local_lipschitz(torch.square, x).tolist() == pytest.approx([4.0, 6.0])


def test_an_attack_stays_within_its_reach():
    x, seen = torch.tensor([[3.0, 4.0]]), []

    def steeper_outside(z):
        seen.append(float((z - x).detach().norm()))
        return z.pow(3)

    attacked_lipschitz(steeper_outside, x, steps=60, reach=0.1)
    assert max(seen) <= 0.5 + 1e-5
    assert max(seen) > 0.45
