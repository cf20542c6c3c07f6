"""Generator and critic of masked electrodes."""

import pytest
import torch
from torch.nn import functional

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


def test_a_block_starts_as_a_plain_residual_and_is_scaled_and_shifted_by_the_condition(batch):
    block, x, condition = ElectrodeGenerator(CELLS, 9, 6, 2, width=8).middle[0], torch.randn(3, 32, 4, 4), batch[2]
    condition = torch.cat([condition, torch.randn(3, 16)], dim=1)

    def known(scale, shift):
        made = x
        for k in range(2):
            made = functional.group_norm(block.convolutions[k](made), 8)
            made = functional.leaky_relu(made * (1 + scale[k]) + shift[k], 0.2)
        return x + made

    assert torch.allclose(block(x, condition), known([0, 0], [0, 0]), atol=1e-5)
    with torch.no_grad():
        block.film.weight.normal_(std=0.1)
        block.film.bias.normal_(std=0.1)
    first, second, third, last = (part[..., None, None] for part in block.film(condition).chunk(4, dim=1))
    assert torch.allclose(block(x, condition), known([first, second], [third, last]), atol=1e-5)


def test_each_electrode_is_read_where_it_lies(batch):
    x, hidden, z, y = batch
    generator, maps = ElectrodeGenerator(CELLS, 9, 6, 2, width=8), []
    generator.last.register_forward_hook(lambda layer, given, made: maps.append(made))
    made = generator(x, hidden, z, y)
    for number, cell in enumerate(CELLS.tolist()):
        assert torch.equal(made[:, :, number], maps[0][:, :, cell // 9, cell % 9])


def test_an_untrained_critic_knows_no_class_and_a_trained_one_projects_on_it(batch):
    x, hidden, _, y = batch
    critic, subject = ElectrodeCritic(CELLS, 9, 6, 2, 4, 8), torch.tensor([0, 3, 1])
    before = critic(x, hidden, y, subject)
    assert torch.equal(before, critic(x, hidden, 1 - y, 0 * subject))
    with torch.no_grad():
        critic.classes.weight.normal_()
        critic.subjects.weight.normal_()
    h = critic.body(on_map(x, hidden, CELLS, 9))
    known = before + ((critic.classes.weight[y] + critic.subjects.weight[subject]) * h).sum(dim=1)
    assert torch.allclose(critic(x, hidden, y, subject), known, atol=1e-5)
