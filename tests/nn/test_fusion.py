import pytest
import torch
from torch import nn

from thymos.nn.fusion import JOINED, FusionHead, FusionNet, without_head
from thymos.nn.physio import PhysioNet
from thymos.nn.recurrent import RecurrentNet

SIZES = (5, 3, 4)


def rows(n, there=None):
    torch.manual_seed(1)
    there = torch.ones(n, len(SIZES)) if there is None else there
    return torch.cat([torch.randn(n, sum(SIZES)), there], dim=1)


@pytest.mark.parametrize("kind", JOINED)
def test_all_modalities_count_and_a_missing_one_does_not(kind):
    torch.manual_seed(0)
    head = FusionHead(SIZES, 4, kind, hidden=8).eval()
    x = rows(6)
    plain = head(x)
    assert plain.shape == (6, 4)
    ends = torch.tensor([0, *SIZES]).cumsum(0)
    for k in range(len(SIZES)):
        other = x.clone()
        other[:, ends[k] : ends[k + 1]] += 1
        assert not torch.allclose(head(other), plain)
        without = other.clone()
        without[:, sum(SIZES) + k] = 0
        same = x.clone()
        same[:, sum(SIZES) + k] = 0
        assert torch.equal(head(without), head(same)), "what is missing was looked at"
        assert torch.isfinite(head(without)).all()
    only = rows(6, torch.tensor([[0.0, 1.0, 0.0]]).expand(6, -1))
    assert torch.isfinite(head(only)).all()


@pytest.mark.parametrize("kind", JOINED)
def test_modalities_are_left_out_while_training_and_never_the_last(kind):
    head = FusionHead(SIZES, 2, kind, hidden=8, modality_dropout=0.5)
    there = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).repeat(200, 1)
    torch.manual_seed(0)
    kept = head._kept(there)
    assert (kept <= there).all()
    assert (kept.sum(dim=1) >= 1).all()
    full = kept[0::3]
    lost = (full < 1).sum(dim=1)
    assert lost.max() == 1
    assert lost.float().mean().item() == pytest.approx(0.5, abs=0.08), "the share of samples that lose one"
    assert len(full.unique(dim=0)) == 4, "each of the three, or none"
    assert torch.equal(head.eval()._kept(there), there)
    assert torch.equal(FusionHead(SIZES, 2, kind, 8, modality_dropout=0.0)._kept(there), there)


def test_everything_is_trained_together_and_missing_samples_are_not_encoded():
    encoders = [nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5)), nn.Sequential(nn.Flatten(), nn.Linear(4, 3))]
    head = FusionHead((5, 3), 2, hidden=8)
    net = FusionNet(encoders, [(2,), (1, 2, 2)], [False, True], head)
    x = torch.cat([torch.randn(6, 2), torch.arange(24.0).reshape(6, 4), torch.ones(6, 2)], dim=1)
    encoders[1].insert(0, _Floats())
    types = []
    encoders[1].register_forward_pre_hook(lambda module, given: types.append(given[0].dtype))
    net(x).sum().backward()
    assert types[0] == torch.uint8
    assert all(p.grad is not None for p in net.parameters())
    net.eval()
    missing = x.clone()
    missing[:, 0:2], missing[:, 6] = torch.nan, 0.0
    missing[:3, 6] = 0.0
    assert torch.isfinite(net(missing)).all()
    assert (net.embed(missing)[:, :5] == 0).all()


class _Floats(nn.Module):
    def forward(self, x):
        return x.float()


@pytest.mark.parametrize(
    ("net", "shape"), [(PhysioNet((2, 10), 3, 4, (8, 6), 5), (23,)), (RecurrentNet(3, 4, hidden=7), (9, 3))]
)
def test_a_head_is_cut_off_a_copy(net, shape):
    net = net.eval()
    body, head = without_head(net)
    x = torch.randn(5, *shape)
    assert torch.allclose(head(body(x)), net(x))
    assert body(x).shape == (5, head.in_features)
    assert net.final_layer.out_features == 4, "the network itself was changed"


def test_a_network_without_a_dense_layer_has_no_head():
    assert without_head(nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten())) is None
