"""The mixture of all operations, and the networks that are cut out of it."""

import numpy as np
import pytest
import torch

from thymos.models.genotype import EEGSearchSpace, Genotype, random_genotype
from thymos.models.supernet import Architecture, GenotypeNet, Supernet, joined
from thymos.nn.graph import nearness
from thymos.nn.mixed_ops import OPERATIONS

SPACE = EEGSearchSpace(width=4, cells=4, nodes=2)
ADJACENCY = nearness(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))
SHAPE = (3, 6, 5)


def drawn(batch=7, times=5, stack=1):
    return torch.randn(stack, batch, 3, 6, times, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("times", [1, 4, 11])
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "zero"])
def test_genotypes_of_every_operation_give_finite_outputs(name, times):
    space = EEGSearchSpace(width=4, cells=4, nodes=2)
    rng = np.random.default_rng(len(name) + times)
    for genotype in (
        Genotype([[(name, 0), (name, 1)], [(name, 1), (name, 2)]], [[(name, 0), (name, 1)], [(name, 0), (name, 2)]]),
        random_genotype(space, rng),
    ):
        net = GenotypeNet(genotype, space, (3, 6, times), 2, ADJACENCY)
        x = drawn(times=times)[0]
        assert net(x).shape == (7, 2)
        assert torch.isfinite(net(x)).all()
        assert torch.isfinite(net.eval()(x[:1])).all()


@pytest.mark.parametrize("cells", [1, 2, 3, 4])
def test_one_hot_weights_equal_the_derived_network(cells):
    torch.manual_seed(0)
    space = EEGSearchSpace(width=4, cells=cells, nodes=2)
    supernet, architecture = Supernet(space, SHAPE, 2, ADJACENCY), Architecture(space)
    supernet(drawn(), architecture)  # running statistics that are not those of the start
    genotype = random_genotype(space, np.random.default_rng(cells))
    with torch.no_grad():
        for kind in architecture.alpha:
            architecture.alpha[kind].fill_(-torch.inf)
            architecture.eta[kind].fill_(-torch.inf)
            for to, node in enumerate(getattr(genotype, kind)):
                for name, source in node:
                    edge = space.edges.index((source, to + 2))
                    architecture.alpha[kind][:, edge, space.operations.index(name)] = 0.0
                    architecture.eta[kind][:, edge] = 0.0
            kept = architecture.eta[kind] > -torch.inf
            zero = space.operations.index("zero")
            architecture.alpha[kind][:, ~kept[0], zero] = 0.0  # an edge that is not kept carries nothing
    assert architecture.genotypes()[0].normal == genotype.normal
    net = GenotypeNet(genotype, space, SHAPE, 2, ADJACENCY)
    net.inherit(supernet.state_dict())
    supernet.eval()
    net.eval()
    assert torch.allclose(net(drawn()[0]), supernet(drawn(), architecture)[0], atol=1e-5)


def test_a_stack_gives_what_its_models_give_alone():
    torch.manual_seed(0)
    nets = [Supernet(SPACE, SHAPE, 2, ADJACENCY) for _ in range(3)]
    tables = [Architecture(SPACE) for _ in range(3)]
    net, table = Supernet(SPACE, SHAPE, 2, ADJACENCY, 3), Architecture(SPACE, 3)
    net.load_state_dict(joined([one.state_dict() for one in nets]))
    table.load_state_dict(joined([one.state_dict() for one in tables]))
    x = drawn(stack=3)
    alone = torch.cat([one(x[k : k + 1], tables[k], 0.3) for k, one in enumerate(nets)])
    assert torch.allclose(net(x, table, 0.3), alone, atol=1e-4)
    assert table.genotypes() == [one.genotypes()[0] for one in tables]


def test_the_strongest_edges_are_kept_with_their_best_operation_but_never_zero():
    space = EEGSearchSpace(width=4, cells=2, nodes=2, operations=("zero", "skip", "avg_t3"))
    table = Architecture(space)
    with torch.no_grad():
        for kind in table.alpha:
            table.alpha[kind].zero_()
            table.eta[kind].zero_()
        table.alpha["normal"][0, :, 0] = 5.0  # zero is the largest everywhere
        table.alpha["normal"][0, 3, 2] = 6.0
        table.eta["normal"][0, 4] = 1.0  # of the second node, from state 2
        table.eta["normal"][0, 2] = -1.0
    genotype = table.genotypes()[0]
    assert genotype.normal[1] == (("avg_t3", 1), ("skip", 2))
    assert genotype.normal[0] == (("skip", 0), ("skip", 1))
    with torch.no_grad():  # edges alike but for what they carry
        table.eta["normal"].zero_()
        table.alpha["normal"].zero_()
        table.alpha["normal"][0, 3, 0] = 3.0  # mostly zero, so that little is left for the others
    assert table.genotypes()[0].normal[1] == (("skip", 0), ("skip", 2))


def test_weights_of_edges_to_a_node_sum_to_one():
    operations, edges = Architecture(SPACE, 2).weights("reduce")
    assert torch.allclose(operations.sum(dim=2), torch.ones(2, 5))
    assert torch.allclose(edges[:, :2].sum(dim=1), torch.ones(2))
    assert torch.allclose(edges[:, 2:].sum(dim=1), torch.ones(2))


def test_samples_are_standardised_by_training_samples():
    net = GenotypeNet(random_genotype(SPACE, np.random.default_rng(0)), SPACE, SHAPE, 2, ADJACENCY)
    x = drawn()[0]
    before = net.eval()(x)
    scale, shift = torch.rand(3, 6, 1) + 0.5, torch.randn(3, 6, 1)
    net.begin(x)
    after = net(x)
    net.begin(x * scale + shift)
    assert torch.allclose(net(x * scale + shift), after, atol=1e-4)
    assert not torch.allclose(before, after, atol=1e-4)


def test_electrodes_and_times_keep_their_places():
    net = GenotypeNet(random_genotype(SPACE, np.random.default_rng(0)), SPACE, SHAPE, 2, ADJACENCY).eval()
    x = drawn()[0]
    assert not torch.allclose(net(x), net(x.flip(2)), atol=1e-5)


def test_a_cell_is_given_the_outputs_of_the_two_before_it():
    net, seen = Supernet(SPACE, SHAPE, 2, ADJACENCY).eval(), []
    for cell in net.cells:
        cell.register_forward_hook(lambda cell, given, made: seen.append((*given[:2], made)))
    x = drawn()
    net(x, Architecture(SPACE))
    stem = net.norm(net.stem(x.permute(0, 2, 3, 4, 1)))
    outputs = [stem, stem, *(made for *_, made in seen)]
    for k, (before, last, _) in enumerate(seen):
        assert torch.allclose(before, outputs[k], atol=1e-6)
        assert torch.allclose(last, outputs[k + 1], atol=1e-6)


def test_auxiliary_connections_have_the_weight_of_the_epoch():
    net, table, x = Supernet(SPACE, SHAPE, 2, ADJACENCY).eval(), Architecture(SPACE), drawn()
    made = [net(x, table, beta) for beta in (0.0, 0.5, 1.0)]
    assert torch.equal(made[0], net(x, table))
    assert all(not torch.allclose(a, b, atol=1e-5) for a, b in ((made[0], made[1]), (made[1], made[2])))


def test_the_head_weighs_electrodes_and_averages_times():
    head, x = Supernet(SPACE, SHAPE, 3, ADJACENCY, 2).head, torch.randn(2, 16, 6, 5, 7)
    with torch.no_grad():
        head.bias.normal_()
        head.score.weight.mul_(5)
    hidden = torch.einsum("sgf,sfctn->sgctn", head.hidden.weight, x).tanh()
    weight = torch.einsum("sgf,sfctn->sgctn", head.score.weight, hidden).exp()
    pooled = (weight * x).sum(dim=2) / weight.sum(dim=2)
    known = torch.einsum("sgf,sfn->sng", head.out.weight, pooled.mean(dim=2)) + head.bias[:, None]
    assert head(x).shape == (2, 7, 3)
    assert torch.allclose(head(x), known, atol=1e-5)


def test_edges_are_dropped_for_whole_samples_and_in_training_alone():
    def made(name, path_dropout):
        torch.manual_seed(0)
        genotype = Genotype([[(name, 0), (name, 1)]], [[(name, 0), (name, 1)]])
        return GenotypeNet(genotype, SPACE, SHAPE, 2, ADJACENCY, dropout=0.0, path_dropout=path_dropout)

    net, x = made("sep_t3", 0.4), torch.randn(1, 4, 6, 5, 2000)
    dropped = net._dropped(x)
    kept = (dropped != 0).all(dim=(0, 1, 2, 3))
    assert torch.equal(dropped, torch.where(kept, x / 0.6, 0.0))
    assert kept.float().mean() == pytest.approx(0.6, abs=0.05)
    assert torch.equal(net.eval()._dropped(x), x)
    x = drawn()[0]
    for name in ("sep_t3", "skip"):
        before, after = made(name, 0.0)(x), made(name, 0.9)(x)
        assert torch.allclose(before, after, atol=1e-5) == (name == "skip")
