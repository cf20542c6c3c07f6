"""Masks of electrodes."""

import pytest
import torch

from thymos.nn.masking import ElectrodeMasks, to_cells

XY = torch.tensor([[float(x), float(y)] for y in range(4) for x in range(-2, 3)])  # 20 electrodes, 4 on the midline
LOBES = [0] * 5 + [1] * 10 + [2] * 5


def drawn(masks, *limits, n=2000, seed=0, **more):
    return masks(n, *limits, generator=torch.Generator().manual_seed(seed), **more)


def test_shares_are_uniform_and_masks_never_empty():
    masks = ElectrodeMasks(20)
    share = drawn(masks, 0.2, 0.8).float().mean(dim=1)
    assert share.min() >= 0.2 - 0.026
    assert share.max() <= 0.8 + 0.026
    assert abs(share.mean() - 0.5) < 0.02
    assert drawn(masks, 0.0, 0.0).sum(dim=1).unique().tolist() == [1]


def test_everything_is_hidden_as_often_as_asked():
    assert abs(drawn(ElectrodeMasks(20), 0.2, 0.3, everything=0.1).all(dim=1).float().mean() - 0.1) < 0.02
    assert drawn(ElectrodeMasks(20), 0.2, 0.3, everything=1.0).all()


@pytest.mark.parametrize("pattern", ["patch", "side", "lobe"])
def test_each_pattern(pattern):
    masks = ElectrodeMasks(20, XY, LOBES)
    masks.weights = torch.tensor([float(name == pattern) for name in ("independent", "patch", "side", "lobe")])
    made = drawn(masks, 0.3, 0.3, n=200)
    for hidden in made:
        there = XY[hidden]
        if pattern == "side":
            assert len(set(torch.sign(there[:, 0]).tolist())) == 1
            assert hidden.sum() == 8
        elif pattern == "lobe":
            assert len({LOBES[k] for k in hidden.nonzero()[:, 0].tolist()}) == 1
            assert hidden.sum() in (5, 10)
        else:
            assert hidden.sum() == 6
            assert torch.cdist(there, there).max() < 4.5  # about one electrode; the head is 5 wide
    assert len(made.unique(dim=0)) > 1


def test_without_positions_masks_are_independent():
    masks = ElectrodeMasks(20)
    assert masks.weights.tolist() == pytest.approx([0.6, 0, 0, 0])
    together = drawn(masks, 0.5, 0.5).float()
    correlation = torch.corrcoef(together.T) - torch.eye(20)
    assert correlation.abs().max() < 0.15


def test_same_generator_same_masks():
    masks = ElectrodeMasks(20, XY, LOBES)
    assert torch.equal(drawn(masks, 0.2, 0.8), drawn(masks, 0.2, 0.8))
    assert not torch.equal(drawn(masks, 0.2, 0.8), drawn(masks, 0.2, 0.8, seed=1))


def test_channels_go_to_their_cells():
    made = to_cells(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([4, 1, 8]), 3)
    assert made.tolist() == [[[[0.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]]]]


def test_regions_are_sides_and_lobes_that_leave_something_to_see():
    left, right = XY[:, 0] < 0, XY[:, 0] > 0
    masks = ElectrodeMasks(20, XY, [-1] * 5 + [1] * 10 + [-2] * 5)
    assert torch.equal(masks.regions, torch.stack([left, right, (XY[:, 1] == 1) | (XY[:, 1] == 2)]))
    assert masks.n_sides == 2
    one_side = ElectrodeMasks(20, XY.abs(), [0] * 20)
    assert torch.equal(one_side.regions, left[None] | right[None])
    assert one_side.weights.tolist() == pytest.approx([0.6, 0.25, 0.05, 0.0]), "one lobe would hide everything"
    centred = ElectrodeMasks(20, XY * torch.tensor([0.0, 1.0]), LOBES)
    assert centred.weights.tolist() == pytest.approx([0.6, 0.25, 0.0, 0.1])


def test_equally_distant_electrodes_are_hidden_equally_often():
    cross = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    masks = ElectrodeMasks(5, cross)
    masks.weights = torch.tensor([0.0, 1.0, 0.0, 0.0])
    made = drawn(masks, 0.4, 0.4)
    about_middle = made[made[:, 0]][:, 1:].float().mean(dim=0)
    assert made.sum(dim=1).unique().tolist() == [2]
    assert (about_middle - 0.25).abs().max() < 0.05
