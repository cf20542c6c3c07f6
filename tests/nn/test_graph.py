"""Nearness of electrodes; the convolutions are tested where they are used."""

import numpy as np
import pytest
import torch

from thymos.nn.graph import RegionMean, nearness
from thymos.signals.topography import directions


def ring(*degrees):
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], dim=1)


def test_nearness_falls_with_the_angle_as_a_gaussian():
    places = ring(0.0, 10.0, 20.0, 30.0, 80.0)
    # the three nearest of each: 10 20 30, 10 10 20, 10 10 20, 10 20 30, 50 60 70; their lower median is 20 degrees
    found = nearness(places)
    for a, b, angle in ((0, 1, 10), (0, 3, 30), (3, 2, 10), (1, 3, 20)):
        assert found[a, b] == pytest.approx(np.exp(-(angle**2) / (2 * 20**2)), rel=1e-3)
    assert found[3, 4] == 0, "exp(-3.1) is below 0.1"
    assert found[0, 3] > 0.1
    assert found.diagonal().tolist() == [0.0] * 5
    assert torch.equal(found, found.T)


def test_only_directions_count_not_their_lengths():
    places = ring(0.0, 10.0, 20.0, 30.0, 80.0)
    scaled = places * torch.tensor([1.0, 2.0, 0.1, 85.0, 3.0])[:, None]
    assert torch.allclose(nearness(places), nearness(scaled), atol=1e-4)
    order = [3, 1, 4, 0, 2]
    assert torch.allclose(nearness(places[order]), nearness(places)[order][:, order], atol=1e-6)


def test_neighbours_on_the_scalp_are_near_and_the_other_side_is_not():
    names = ["Fp1", "Fp2", "F3", "Fz", "F4", "C3", "Cz", "C4", "T7", "T8", "P3", "Pz", "P4", "O1", "O2"]
    found = nearness(torch.from_numpy(directions(names)).float())
    near = {(a, b): float(found[names.index(a), names.index(b)]) for a in names for b in names}
    assert near["C3", "Cz"] > 0.3
    assert near["O1", "O2"] > 0.5
    assert near["T7", "T8"] == near["O1", "Fp1"] == 0
    assert near["C3", "P3"] == pytest.approx(near["C4", "P4"], abs=1e-3)
    assert (found.sum(dim=1) > 0).all()


def test_few_electrodes_have_few_neighbours():
    assert nearness(ring(0.0)).tolist() == [[0.0]]
    assert nearness(torch.empty(0, 3)).shape == (0, 0)
    two = nearness(ring(0.0, 40.0))
    assert two[0, 1] == pytest.approx(np.exp(-0.5), rel=1e-3)
    same = nearness(ring(0.0, 0.0, 0.0))
    assert torch.isfinite(same).all()


def test_regions_are_means_of_their_nodes():
    x = torch.arange(8.0).view(1, 4, 2)
    assert RegionMean([[0, 2], [3]], 4)(x).tolist() == [[[2.0, 3.0], [6.0, 7.0]]]
