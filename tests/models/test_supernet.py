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
