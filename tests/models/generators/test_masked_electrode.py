"""Generator and critic of masked electrodes."""

import pytest
import torch

from thymos.models.generators.masked_electrode import LATENT, ElectrodeCritic, ElectrodeGenerator, composed, on_map

CELLS = torch.tensor([3, 10, 40, 80, 22])


@pytest.fixture
def batch():
    torch.manual_seed(0)
    hidden = torch.tensor([[True, False, False, True, False], [True] * 5, [False, True, False, False, False]])
    return torch.randn(3, 6, 5), hidden, torch.randn(3, LATENT), torch.tensor([0, 1, 1])


@pytest.mark.parametrize("subjects", [0, 4])
def test_shapes_and_gradients_in_every_layer(batch, subjects):
    x, hidden, z, y = batch
    subject = torch.tensor([0, 3, 1]) if subjects else None
    sizes = CELLS, 9, 6, 2, subjects, 8
    generator, critic = ElectrodeGenerator(*sizes), ElectrodeCritic(*sizes)
    with torch.no_grad():  # what starts at zero to be out of the way shows no gradient of what it multiplies
        for block in generator.middle:
            block.film.weight.normal_()
    made = generator(x, hidden, z, y, subject)
    assert made.shape == x.shape
    score = critic(composed(x, made, hidden), hidden, y, subject)
    assert score.shape == (3,)
    score.square().sum().backward()
    for name, parameter in [*generator.named_parameters(), *critic.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_visible_electrodes_come_out_bit_for_bit_and_hidden_ones_are_filled(batch):
    x, hidden, z, y = batch
    made = composed(x, ElectrodeGenerator(CELLS, 9, 6, 2, width=8)(x, hidden, z, y), hidden)
    visible = ~hidden[:, None].expand_as(x)
    assert torch.equal(made[visible], x[visible])
    assert (made[~visible] != x[~visible]).all()


def test_hidden_electrodes_are_not_looked_at(batch):
    x, hidden, z, y = batch
    generator = ElectrodeGenerator(CELLS, 9, 6, 2, width=8).eval()
    other = torch.where(hidden[:, None], torch.randn(x.shape), x)
    assert torch.equal(generator(x, hidden, z, y), generator(other, hidden, z, y))


def test_noise_class_and_subject_matter(batch):
    x, hidden, z, y = batch
    generator = ElectrodeGenerator(CELLS, 9, 6, 2, 2, 8).eval()
    with torch.no_grad():
        for block in generator.middle:
            block.film.weight.normal_()
    first = torch.zeros(3, dtype=torch.long)
    before = generator(x, hidden, z, y, first)
    for change in ((z + 1, y, first), (z, 1 - y, first), (z, y, first + 1)):
        assert not torch.allclose(before, generator(x, hidden, *change), atol=1e-5)


def test_maps_hold_values_mask_and_places(batch):
    x, hidden, *_ = batch
    made = on_map(x, hidden, CELLS, 9).flatten(2)
    assert torch.equal(made[:, :6, CELLS], x)
    assert torch.equal(made[:, 6, CELLS].bool(), hidden)
    assert made[:, 7].sum(dim=1).tolist() == [5.0] * 3
    assert made[:, :, [k for k in range(81) if k not in CELLS.tolist()]].abs().sum() == 0
