"""Constraints do to attention what they say, and no more: only attention by distance has a constant."""

import math

import pytest
import torch

from thymos.nn.attention import CONSTRAINTS, LGCA, ConstrainedAttention, L2SelfAttention, _Blockwise, positions
from thymos.nn.lipschitz import local_lipschitz

DOT = [c for c in CONSTRAINTS if c != "l2"]


def by_hand(module, x):
    """Compute attention with loops over heads."""
    q, k, v, heads = module.query(x), module.key(x), module.value(x), []
    d = x.shape[-1] // module.heads
    for h in range(module.heads):
        a, b, c = (part[..., h * d : (h + 1) * d] for part in (q, k, v))
        s = a @ b.mT / math.sqrt(d)
        if module.constraint == "clamp":
            s = s.clamp(-module.bound * math.sqrt(d), module.bound * math.sqrt(d))
        if module.constraint == "norm":
            s = module.bound * s / (a.norm(dim=-1).amax(-1) * b.norm(dim=-1).amax(-1))[:, None, None]
        if module.constraint == "rownorm":
            s = s / (module.bound * s.norm(dim=-1, keepdim=True))
        heads.append(s.softmax(-1) @ c)
    return module.output(torch.cat(heads, dim=-1))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("constraint", DOT)
def test_attention_is_the_formula(constraint, training):
    torch.manual_seed(0)
    module = ConstrainedAttention(8, 2, constraint, bound=0.5, linear_bound=None).train(training)
    x = 3 * torch.randn(4, 6, 8)
    assert torch.allclose(module(x), by_hand(module, x), atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_attention_in_blocks_has_the_gradient_of_the_formula(dropout, monkeypatch):
    monkeypatch.setattr("thymos.nn.attention._BLOCK", 50)  # two sequences in a block
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, 2, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))

    def attend(*tensors):
        torch.manual_seed(1)
        return _Blockwise.apply(*tensors, 0.8, dropout)

    assert ((q @ k.mT).abs() > 0.8).any()
    assert torch.autograd.gradcheck(attend, (q, k, v))
    if not dropout:
        assert torch.allclose(attend(q, k, v), (q @ k.mT).clamp(-0.8, 0.8).softmax(-1) @ v)


def test_attention_in_blocks_drops_the_share_it_should_and_keeps_the_mean():
    torch.manual_seed(0)
    q, k, v = torch.zeros(40, 2, 30, 4), torch.zeros(40, 2, 30, 4), torch.eye(30).expand(40, 2, 30, 30)
    weights = _Blockwise.apply(q, k, v, math.inf, 0.3)  # (..., queries, keys): 1/30 each, or nothing
    assert float((weights == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(weights.sum(-1).mean()) == pytest.approx(1, abs=0.01)
    again = _Blockwise.apply(q, k, v, math.inf, 0.3)
    assert not torch.equal(weights, again)


def test_constraints_differ_where_they_act():
    torch.manual_seed(0)
    modules = [ConstrainedAttention(8, 2, c, bound=0.1, linear_bound=None).eval() for c in DOT]
    for module in modules[1:]:
        module.load_state_dict(modules[0].state_dict())
    x = 3 * torch.randn(4, 6, 8)
    made = [module(x) for module in modules]
    assert all(not torch.allclose(a, b, atol=1e-4) for k, a in enumerate(made) for b in made[:k])


def test_a_clamp_bounds_how_sharp_attention_gets():
    module = ConstrainedAttention(4, 1, "clamp", bound=0.5, linear_bound=None).eval()
    for layer in (module.query, module.key, module.value, module.output):
        layer.weight.data, layer.bias.data = torch.eye(4), torch.zeros(4)
    x = torch.zeros(1, 5, 4)
    x[0, 0, 0] = 100.0  # the score of the first token with itself is 5000
    share = float(module(x)[0, 0, 0].detach()) / 100
    assert share == pytest.approx(math.exp(1) / (4 + math.exp(1)))  # K sqrt(d) = 1 against four scores of 0
    assert share <= math.exp(2) / (4 + math.exp(2))


@pytest.mark.parametrize("constraint", ["clamp", "none"])
def test_the_jacobian_of_clamped_attention_grows_with_its_input(constraint):
    """The negative result: the paper's constraint does not make attention Lipschitz."""
    torch.manual_seed(0)
    module = ConstrainedAttention(8, 1, constraint, bound=4 / math.sqrt(8), linear_bound=None).eval()
    for layer in (module.query, module.key, module.value, module.output):
        torch.nn.init.orthogonal_(layer.weight)
    x = torch.randn(200, 8, 8)
    largest = [float(local_lipschitz(module, scale * x, iterations=30).max()) for scale in (1, 10, 100)]
    assert largest[1] > 10 * largest[0]
    assert largest[2] > 3 * largest[1]


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("length", [2, 12])
def test_attention_by_distance_stays_below_its_bound_at_any_scale(length, heads):
    torch.manual_seed(length + heads)
    module = L2SelfAttention(6, heads, linear_bound=None).eval()
    bound = math.sqrt(length) * module.lipschitz(length)  # in the Euclidean norm of the sequence
    for scale in (0.01, 1, 10, 1000):
        local = float(local_lipschitz(module, scale * torch.randn(30, length, 6), iterations=40).max())
        assert 0 < local <= bound


def test_attention_by_distance_is_the_formula():
    torch.manual_seed(0)
    module = L2SelfAttention(6, 2, linear_bound=None).eval()
    x, heads = torch.randn(3, 5, 6), []
    for key, value in zip(module.keys, module.values, strict=True):
        W, V = key.weight.T, value.weight.T
        distance = torch.cdist(x @ W, x @ W).square()
        P = (-distance / math.sqrt(3)).softmax(-1)
        heads.append(P @ x @ W @ W.T / math.sqrt(3) @ V)
    assert torch.allclose(module(x), module.output(torch.cat(heads, dim=-1)), atol=1e-5)


def test_its_weights_are_bounded_while_it_trains():
    torch.manual_seed(0)
    module = L2SelfAttention(6, 2, linear_bound=0.3).train()
    module(torch.randn(2, 4, 6))
    assert all(layer.lipschitz() <= 0.3 + 1e-3 for layer in (*module.keys, *module.values, module.output))


def test_mixing_adds_what_the_derivation_says():
    assert [round(L2SelfAttention.declared(n), 1) for n in (10, 50, 200, 400)] == [5.4, 9.5, 13.6, 15.7]


def test_positions_tell_all_places_apart():
    code = positions(50, 7)
    assert code.shape == (50, 7)
    assert code[0].tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert float(torch.pdist(code).min()) > 0.1


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_blocks_keep_the_shape_and_see_all_tokens(constraint):
    torch.manual_seed(0)
    block = LGCA(8, 2, 16, constraint).eval()
    x = torch.randn(2, 5, 8, requires_grad=True)
    made = block(x)
    assert made.shape == x.shape
    made[0, 0, 0].backward()
    assert (x.grad[0].abs().sum(dim=1) > 0).all()
    assert float(x.grad[1].abs().sum()) == 0
