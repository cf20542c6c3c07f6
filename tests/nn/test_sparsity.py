import pytest
import torch
from torch import nn

from thymos.nn.sparsity import Channels, Place, Units, channel_units, connection_units, masked_weights, weights_of
from thymos.training.channels import channels_of


def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2)
    )


CONV = Channels((Place("0.weight", 0, (0, 1, 2)),), (Place("3.weight", 1, tuple(k // 4 for k in range(12))),), 3)


def backward(network):
    torch.manual_seed(1)
    x = torch.randn(8, 2, 4)
    network.zero_grad()
    nn.functional.cross_entropy(network(x), torch.arange(8) % 2).backward()
    return x


def test_every_weight_of_dense_convolutional_and_recurrent_layers_is_a_unit_and_nothing_else():
    network = nn.ModuleDict({"a": small(), "b": nn.LSTM(3, 5), "norm": nn.BatchNorm1d(4), "words": nn.Embedding(7, 2)})
    names = {units.name: tuple(units.live.shape) for units in connection_units(network)}
    assert names == {
        **{"a.0.weight": (3, 2, 3), "a.3.weight": (4, 12), "a.5.weight": (2, 4)},
        **{"b.weight_ih_l0": (20, 3), "b.weight_hh_l0": (20, 5)},
    }
    assert "a.5.weight" not in {units.name for units in connection_units(network, ["a.5"])}


def test_silenced_weights_are_0_and_their_gradient_too_but_it_is_heard_before():
    network = small()
    (first, *_), weights = connection_units(network), weights_of(network)
    first.live[:, 0] = False
    first.silence(weights)
    assert (weights["0.weight"][:, 0] == 0).all()
    assert (weights["0.weight"][:, 1] != 0).all()
    backward(network)
    first.listen(weights)
    dense = weights["0.weight"].grad.clone()
    assert torch.allclose(first.heard()[:, 0], dense[:, 0].abs())
    assert torch.allclose(first.heard()[:, 1], (dense * weights["0.weight"]).abs()[:, 1])
    assert (dense[:, 0] != 0).any()
    first.silence(weights, "grad")
    assert (weights["0.weight"].grad[:, 0] == 0).all()
    assert torch.equal(weights["0.weight"].grad[:, 1], dense[:, 1])
    first.listen(weights)  # the mean of two batches
    assert torch.allclose(first.heard()[:, 0], dense[:, 0].abs() / 2)
    first.forget()
    assert (first.heard() == 0).all()


def test_what_is_heard_of_a_channel_is_its_value_times_its_gradient():
    network = small()
    (units,), weights, seen = channel_units([CONV]), weights_of(network), []

    def keep(_, __, values):
        values.retain_grad()
        seen.append(values)

    network[1].register_forward_hook(keep)
    backward(network)
    units.listen(weights)
    expected = (seen[0] * seen[0].grad).sum(dim=(0, 2)).abs()
    assert torch.allclose(units.heard(), expected, atol=1e-6)
    assert torch.allclose(units.magnitude(weights), weights["0.weight"].square().mean(dim=(1, 2)).sqrt())


def test_a_silenced_channel_is_heard_as_loud_as_live_ones_whatever_made_it():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 64, 3), nn.BatchNorm1d(64), nn.ReLU(), nn.Conv1d(64, 32, 3))
    (units,) = channel_units(channels_of(network, torch.zeros(2, 1, 16)))
    silenced = torch.arange(64) % 2 == 0
    weights = dict(network.named_parameters())
    found = []
    for louder in (1.0, 100.0):
        with torch.no_grad():
            network[0].weight.mul_(louder)
        for live in (torch.ones(64, dtype=torch.bool), ~silenced):
            units.live.copy_(live)
            units.forget()
            for _ in range(16):
                network.zero_grad()
                network(torch.randn(32, 1, 16)).square().sum().backward()
                units.listen(weights)
            found.append((units.heard() * torch.where(live, 1.0, units.usual(weights)))[silenced].mean())
    there, gone, louder, louder_gone = found
    torch.testing.assert_close((gone / there, louder_gone / louder), (gone / there,) * 2, rtol=0.2, atol=0)
    assert 0.3 < gone / there < 3


def test_a_silenced_channel_is_taken_in_by_nothing_and_still_made():
    network = small()
    (units,), weights = channel_units([CONV]), weights_of(network)
    made = weights["0.weight"].clone()
    units.live[1] = False
    units.silence(weights)
    assert (weights["3.weight"].reshape(4, 3, 4)[:, 1] == 0).all()
    assert torch.equal(weights["0.weight"], made)
    x = backward(network)
    units.listen(weights)
    assert units.heard()[1] > 0, "it can be heard whether it would be of use"
    before = network(x)
    with torch.no_grad():
        weights["0.weight"][1] += 5
    assert torch.equal(network(x), before)
    assert masked_weights(network, [units]) == (16 + 6, 18 + 48 + 8), "what makes it does nothing either"


def test_masks_of_several_kinds_on_one_weight_are_counted_once():
    network = small()
    (channels,), connections = channel_units([CONV]), connection_units(network)
    channels.live[0] = False
    connections[1].live[0] = False  # the first row of the dense layer
    silenced, total = masked_weights(network, [channels, *connections])
    assert (silenced, total) == (16 + 6 + 12 - 4, 74)


def test_state_travels_with_the_network():
    units, other = (Units("x", (4,), [Place("x", 1, (0, 1, 2, 3))]) for _ in range(2))
    for key in ("m", "p", "age"):
        getattr(units, key).uniform_()
    units.live[2] = False
    other.load_state_dict(units.state_dict())
    for key in ("live", "m", "p", "age"):
        assert torch.equal(getattr(units, key), getattr(other, key))
    assert set(units.state_dict()) == {"live", "m", "p", "age"}


@pytest.mark.parametrize("dim", [0, 1])
def test_a_mask_lies_along_its_axis(dim):
    units = Units("x", (2,), [Place("x", dim, (0, 0, 1))])
    units.live[0] = False
    mask = units.mask(units.places[0], torch.ones(3, 3, 5))
    assert mask.shape == ((3, 1, 1) if dim == 0 else (1, 3, 1))
    assert mask.flatten().tolist() == [0, 0, 1]
