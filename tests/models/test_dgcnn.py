import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.dgcnn import DGCNNClassifier
from thymos.nn.graph import ChebyshevConv, LearntGraph, normalised
from thymos.nn.recurrent import count_parameters


def test_the_size_on_seed_is_that_of_its_layers():
    # 62 electrodes with entropy in five bands (SEED, as in Song et al. 2018)
    graph = 62 * 62
    convolution = 2 * 5 * 64 + 64  # one 5 x 64 matrix for each of two polynomials
    dense = 62 * 64 * 256 + 256 + 256 * 3 + 3
    assert count_parameters(DGCNNClassifier().build((62, 5), 3)) == graph + convolution + dense == 1_021_383
    short = DGCNNClassifier(order=3, filters=32, dense=None).build((62, 5), 3)
    assert count_parameters(short) == graph + 3 * 5 * 32 + 32 + 62 * 32 * 3 + 3


def test_chebyshev_terms_are_the_polynomials_of_the_laplacian():
    generator = torch.Generator().manual_seed(0)
    graph = torch.rand(4, 4, generator=generator)
    laplacian = -normalised(graph + graph.T)
    x = torch.randn(2, 4, 1, generator=generator)
    conv = ChebyshevConv(1, 1, 4)
    with torch.no_grad():
        conv.mix.weight.copy_(torch.tensor([[0.0, 0.0, 0.0, 1.0]]))
        conv.mix.bias.zero_()
    expected = (4 * torch.linalg.matrix_power(laplacian, 3) - 3 * laplacian) @ x  # T_3
    assert torch.allclose(conv(x, laplacian), expected, atol=1e-6)


def test_a_learnt_graph_is_undirected_positive_and_bounded():
    torch.manual_seed(0)
    graph = LearntGraph(6)
    with torch.no_grad():
        graph.weight.sub_(0.5)
    laplacian = graph().detach()
    values = torch.linalg.eigvalsh(laplacian)
    assert torch.equal(laplacian, laplacian.T)
    assert laplacian.max() == 0
    assert values.abs().max() == pytest.approx(1, abs=1e-5)
    with torch.no_grad():
        graph.weight.fill_(-1)
    assert torch.equal(graph(), torch.zeros(6, 6))


def test_a_node_without_neighbours_has_a_gradient():
    graph = torch.tensor([[0.0, 0.0], [0.0, 1.0]], requires_grad=True)
    normalised(graph).sum().backward()
    assert torch.isfinite(graph.grad).all()


def agreement(n=240, seed=0):
    """Return one feature of four electrodes; the class is whether the first two have one sign."""
    X = np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, 1, 4, 1)).astype(np.float32)
    return X, np.where(X[:, 0, 0, 0] * X[:, 0, 1, 0] > 0, "same", "other")


def test_the_graph_sees_how_electrodes_agree_and_electrodes_alone_do_not():
    X, y = agreement(seed=1)
    options = {"filters": 16, "dense": None, "dropout": 0.0, "lr": 3e-2, "max_epochs": 20, "random_state": 0}
    scores = [(DGCNNClassifier(order, **options).fit(*agreement()).predict(X) == y).mean() for order in (2, 1)]
    assert scores[0] > 0.95
    assert scores[1] < 0.8


def test_electrodes_are_nodes_and_bands_and_windows_their_features():
    model = DGCNNClassifier()
    X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    assert model.arrange(X).shape == (2, 4, 15)
    assert np.array_equal(model.arrange(X)[1, 2], X[1, :, 2].ravel())
    assert np.array_equal(model.arrange(X[:, 0]), X[:, 0])
    assert model.arrange(X[:, 0, 0]).shape == (2, 1, 5)


@pytest.mark.parametrize("dense", [None, 8])
def test_gradients_reach_every_layer_and_batches_do_not_matter(dense):
    torch.manual_seed(0)
    module = DGCNNClassifier(dense=dense).build((4, 5), 3)
    x = torch.randn(64, 4, 5)
    module(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())
    module.eval()
    whole = module(x)
    assert whole.dtype == torch.float32
    assert torch.allclose(whole, torch.cat([module(row) for row in x.split(1)]), atol=1e-6)


@pytest.mark.parametrize("wrong", [{"order": 0}, {"filters": 1.5}, {"dense": 0}, {"dropout": -0.1}])
def test_impossible_layers_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        DGCNNClassifier(**wrong).fit(*agreement(8))
