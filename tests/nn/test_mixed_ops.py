"""Operations of the search space: shapes, known answers, and several models at once."""

import pytest
import torch
from torch.nn import functional

from thymos.nn.graph import nearness
from thymos.nn.mixed_ops import OPERATIONS, BatchNorm, MixedEdge, Pointwise, make_operation

WIDTH, CHANNELS = 4, 5


@pytest.fixture
def adjacency():
    return nearness(torch.randn(CHANNELS, 3, generator=torch.Generator().manual_seed(0)))


def drawn(stack=1, times=6, batch=3, seed=0):
    return torch.randn(stack, WIDTH, CHANNELS, times, batch, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("times", [1, 4, 11])
@pytest.mark.parametrize("stride", [1, 2])
def test_operations_keep_the_shape_or_halve_the_time_axis_rounded_up(name, times, stride, adjacency):
    x = drawn(times=times)
    made = make_operation(name, 1, WIDTH, adjacency, stride)(x, functional.elu(x))
    assert made.shape == (1, WIDTH, CHANNELS, -(-times // stride), 3)
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_stack_gives_what_its_models_give_alone(name, stride, adjacency):
    torch.manual_seed(0)
    alone = [make_operation(name, 1, WIDTH, adjacency, stride) for _ in range(3)]
    stack = make_operation(name, 3, WIDTH, adjacency, stride)
    states = [one.state_dict() for one in alone]
    stack.load_state_dict({key: torch.cat([state[key] for state in states]) for key in states[0]})
    x = drawn(stack=3)
    together = stack(x, functional.elu(x))
    for k, one in enumerate(alone):
        single = one(x[k : k + 1], functional.elu(x[k : k + 1]))
        assert torch.allclose(together[k : k + 1], single, atol=1e-5)
    for key, value in stack.state_dict().items():  # running statistics too
        assert torch.allclose(value, torch.cat([one.state_dict()[key] for one in alone]), atol=1e-6), key


def test_pools_ignore_what_is_not_there(adjacency):
    x = torch.arange(4.0).view(1, 1, 1, 4, 1).expand(1, WIDTH, CHANNELS, 4, 1) - 10
    mean, most = (make_operation(name, 1, WIDTH, adjacency)(x, x)[0, 0, 0, :, 0] for name in ("avg_t3", "max_t3"))
    assert mean.tolist() == [-9.5, -9.0, -8.0, -7.5]
    assert most.tolist() == [-9.0, -8.0, -7.0, -7.0]


def test_the_gradient_of_the_largest_goes_to_the_first_of_equals(adjacency):
    x = drawn().requires_grad_()
    made = make_operation("max_t3", 1, WIDTH, adjacency)(x, x)
    (ours,) = torch.autograd.grad(made.square().sum(), x)
    wide = functional.max_pool2d(x.flatten(0, 2), (3, 1), 1, (1, 0))
    (theirs,) = torch.autograd.grad(wide.square().sum(), x)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_batch_normalisation_is_pytorchs():
    ours, theirs = BatchNorm(1, WIDTH), torch.nn.BatchNorm2d(WIDTH)
    x = drawn(batch=8).mul(3).add(1).requires_grad_()
    as_theirs = x[0].permute(3, 0, 1, 2)  # (batch, features, channels, times)
    weights = torch.randn(x.shape)
    made, expected = ours(x), theirs(as_theirs).permute(1, 2, 3, 0)[None]
    assert torch.allclose(made, expected, atol=1e-5)
    (gradient,) = torch.autograd.grad((made * weights).sum(), x, retain_graph=True)
    (known,) = torch.autograd.grad((expected * weights).sum(), x)
    assert torch.allclose(gradient, known, atol=1e-5)
    ours.eval()
    theirs.eval()
    assert torch.allclose(
        ours(x), theirs(as_theirs).permute(1, 2, 3, 0)[None], rtol=5e-3, atol=1e-2
    )  # variance n, not n - 1


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "zero"])
def test_operations_learn_in_bfloat16_with_statistics_in_float32(name, adjacency):
    torch.manual_seed(0)
    operation, x = make_operation(name, 1, WIDTH, adjacency), drawn(batch=8).requires_grad_()
    gradients = []
    for half in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            made = operation(x, functional.elu(x)).float()
        gradients.append(torch.autograd.grad(made.pow(3).sum(), x)[0])
    assert functional.cosine_similarity(*(g.flatten() for g in gradients), dim=0) > 0.99
    assert {value.dtype for value in operation.state_dict().values()} <= {torch.float32}


def test_temporal_operations_filter_each_feature_and_mix_them(adjacency):
    operation = make_operation("dil_t3", 1, WIDTH, adjacency, affine=False).eval()
    x = drawn()
    with torch.no_grad():
        operation.mix.weight.copy_(torch.eye(WIDTH)[None])
        operation.weight.copy_(torch.tensor([1.0, 0.0, -1.0])[None, :, None].expand(1, 3, WIDTH))
    made = operation(x, x) * (1 + 1e-5) ** 0.5
    assert torch.allclose(made[..., 2:4, :], x[..., 0:2, :] - x[..., 4:6, :], atol=1e-5)
    assert torch.allclose(made[..., 0, :], -x[..., 2, :], atol=1e-5)


def test_the_graph_operation_is_the_chebyshev_polynomial(adjacency):
    operation = make_operation("graph", 1, WIDTH, adjacency, affine=False).eval()
    x, laplacian = drawn(), operation.laplacian()[0].detach()
    assert torch.linalg.eigvalsh(laplacian).abs().max() <= 1 + 1e-5
    a, b, c = operation.mix.weight[0].detach().chunk(3)
    terms = [torch.eye(CHANNELS), laplacian, 2 * laplacian @ laplacian - torch.eye(CHANNELS)]
    known = sum(torch.einsum("gf,cd,sfdwn->sgcwn", w, t, x) for w, t in zip((a, b, c), terms, strict=True))
    assert torch.allclose(operation(x, x) * (1 + 1e-5) ** 0.5, known, atol=1e-4)


def test_a_learnt_graph_begins_as_nearness(adjacency):
    laplacian = make_operation("graph", 1, WIDTH, adjacency).laplacian()[0]
    root = adjacency.sum(1).rsqrt()
    assert torch.allclose(-laplacian, root[:, None] * adjacency * root, atol=0.02)


def test_electrodes_are_mixed_by_spat_graph_and_attention_alone(adjacency):
    x = drawn()
    other = x.clone()
    other[:, :, 0] += 1
    for name in (name for name in OPERATIONS if name != "zero"):
        torch.manual_seed(1)  # with other weights the narrow layer of `se` may be shut
        operation = make_operation(name, 1, WIDTH, adjacency).eval()
        moved = (operation(other, functional.elu(other)) - operation(x, functional.elu(x))).abs()[:, :, 1:].max()
        assert (moved > 1e-6) == (name in {"spat", "graph", "attn_e", "se"}), name


def test_an_edge_weighs_its_operations_and_adds_the_auxiliary_connection(adjacency):
    names = ("zero", "skip", "avg_t3")
    edge, x = MixedEdge(names, 1, WIDTH, adjacency, 1), drawn()
    weights = torch.tensor([[0.2, 0.3, 0.5]])
    pooled = make_operation("avg_t3", 1, WIDTH, adjacency)(x, x)
    assert torch.allclose(edge(x, x, weights), 0.3 * x + 0.5 * pooled, atol=1e-6)
    assert torch.allclose(edge(x, x, weights, torch.tensor([0.4])), 0.7 * x + 0.5 * pooled, atol=1e-6)
    without = MixedEdge(("avg_t3",), 1, WIDTH, adjacency, 1)
    assert torch.allclose(without(x, x, weights[:, :1], torch.tensor([0.4])), 0.2 * pooled + 0.4 * x, atol=1e-6)


def test_pointwise_maps_the_features():
    layer, x = Pointwise(2, WIDTH, 3), drawn(stack=2)
    assert torch.allclose(layer(x), torch.einsum("sgf,sfcwn->sgcwn", layer.weight, x), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "taps"), [("sep_t3", (-1, 0, 1)), ("sep_t5", (-2, -1, 0, 1, 2)), ("dil_t3", (-2, 0, 2))]
)
def test_temporal_operations_reach_as_far_as_they_say(name, taps, adjacency):
    operation = make_operation(name, 1, WIDTH, adjacency, affine=False).eval()
    with torch.no_grad():
        operation.mix.weight.copy_(torch.eye(WIDTH)[None])
    x = torch.zeros(1, WIDTH, CHANNELS, 11, 1)
    x[..., 5, :] = 1
    made = operation(x, x)[0, :, 0, :, 0] * (1 + 1e-5) ** 0.5
    known = torch.zeros(WIDTH, 11)
    for number, tap in enumerate(taps):
        known[:, 5 - tap] = operation.weight[0, number].detach()
    assert torch.allclose(made, known, atol=1e-6)


def test_spat_mixes_electrodes_in_each_group_of_features_by_identity_and_a_low_rank(adjacency):
    operation, x = make_operation("spat", 2, 8, adjacency, affine=False).eval(), torch.randn(2, 8, CHANNELS, 6, 3)
    assert operation.groups == 4
    apart, shared = (part.detach().unflatten(0, (2, 4)) for part in (operation.apart, operation.shared))
    grouped = x.unflatten(1, (4, 2))
    mixed = (grouped + torch.einsum("sgcr,sgrd,sgfdtn->sgfctn", apart, shared, grouped)).flatten(1, 2)
    known = operation.mix(mixed)
    assert torch.allclose(operation(x, x) * (1 + 1e-5) ** 0.5, known, atol=1e-5)


def test_excitation_weighs_features_by_their_means_over_electrodes_and_times(adjacency):
    operation, x = make_operation("se", 2, WIDTH, adjacency), drawn(stack=2)
    squeezed = torch.einsum("sgf,sfn->sgn", operation.squeeze.weight, x.mean(dim=(2, 3))).relu()
    weight = torch.einsum("sgf,sfn->sgn", operation.excite.weight, squeezed).sigmoid()
    assert torch.allclose(operation(x, x), x * weight[:, :, None, None], atol=1e-6)


def test_attention_is_that_among_the_electrodes_of_one_time(adjacency):
    operation, x = make_operation("attn_e", 2, WIDTH, adjacency), drawn(stack=2)
    with torch.no_grad():
        operation.project.weight.mul_(4)  # otherwise nearly all are seen alike
    parts = torch.einsum("sgf,sfctn->sgctn", operation.project.weight, x).permute(0, 3, 4, 2, 1).chunk(3, dim=-1)
    seen = functional.scaled_dot_product_attention(*parts).permute(0, 4, 3, 1, 2)
    known = x + torch.einsum("sgf,sfctn->sgctn", operation.out.weight, seen)
    assert torch.allclose(operation(x, x), known, atol=1e-5)


def test_a_skip_connection_of_stride_two_maps_alternate_times_apart(adjacency):
    operation, x = make_operation("skip", 1, WIDTH, adjacency, 2, affine=False).eval(), drawn(times=5)
    later = torch.cat([x[..., 1::2, :], torch.zeros_like(x[..., :1, :])], dim=-2)
    known = torch.cat([operation.even(x[..., ::2, :]), operation.odd(later)], dim=1)
    assert torch.allclose(operation(torch.zeros_like(x), x) * (1 + 1e-5) ** 0.5, known, atol=1e-5)


def test_stride_two_takes_the_first_of_two_times(adjacency):
    x = drawn(times=5)
    for name in ("avg_t3", "max_t3", "sep_t5", "spat", "graph", "attn_e"):
        torch.manual_seed(0)
        whole = make_operation(name, 1, WIDTH, adjacency).eval()
        half = make_operation(name, 1, WIDTH, adjacency, 2).eval()
        half.load_state_dict(whole.state_dict())
        assert torch.allclose(half(x, x), whole(x, x)[..., ::2, :], atol=1e-5), name
