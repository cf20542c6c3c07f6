"""Channels that can be taken out of a network, and the network without them."""

import numpy as np
import pytest
import torch
from torch import nn

from thymos.base.errors import InputError
from thymos.models.catalogue import MODELS
from thymos.nn.sparsity import channel_units, weights_of
from thymos.training.channels import channels_of, compacted

SHAPES = {
    "face_cnn": (1, 24, 24),
    "compact_face_cnn": (1, 24, 24),
    "mlp": (12,),
    "cnn_lstm": (4, 64),
    "eegnet": (8, 128),
}
SMALL = {"face_cnn": {"width": 4}, "compact_face_cnn": {"width": 8, "depths": (1, 1)}, "mlp": {"hidden": (8, 6)}}


def network_of(name):
    row = MODELS[name]
    made = row.load()(**{**row.parameters, **SMALL.get(name, {})})
    made.shape_ = SHAPES[name]
    if "sfreq" in made.get_params():
        made.sfreq = 64.0
    rng = np.random.default_rng(0)
    X = (
        rng.integers(0, 256, (6, *SHAPES[name]), dtype=np.uint8)
        if "face" in name
        else rng.normal(size=(6, *SHAPES[name]))
    )
    X = X if X.dtype == np.uint8 else X.astype(np.float32)
    made.look(X)
    x = torch.from_numpy(np.ascontiguousarray(made.arrange(X)))
    torch.manual_seed(0)
    return made.build(tuple(x.shape[1:]), 3).eval(), x


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("face_cnn", {"maps.0.weight": 4, "maps.4.weight": 8, "maps.8.weight": 16, "maps.14.weight": 256}),
        ("mlp", {"0.weight": 8, "6.weight": 6}),
        ("cnn_lstm", {"blocks.0.0.weight": 16, "blocks.1.0.weight": 16}),
    ],
)
def test_channels_are_those_of_the_layers_and_the_last_one_keeps_its_own(name, expected):
    network, x = network_of(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    but = [[key for key, part in network.named_modules() if isinstance(part, nn.Linear)][-1]]
    found = channels_of(network, x, but)
    assert {group.makers[0].weight: group.n for group in found} == expected
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items()), (
        "the network was changed"
    )


@pytest.mark.parametrize("name", SHAPES)
def test_without_silenced_channels_it_gives_what_the_masked_network_gives(name):
    network, x = network_of(name)
    last = [key for key, part in network.named_modules() if isinstance(part, nn.Linear)][-1]
    groups = channels_of(network, x, [last])
    assert groups
    for module in network.modules():  # as after training
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    generator, gone = torch.Generator().manual_seed(1), {}
    for units, group in zip(channel_units(groups), groups, strict=True):
        units.live.copy_(torch.rand(units.n, generator=generator) < 0.6)
        units.live[0] = True
        units.silence(weights_of(network))
        gone[group.makers[0].weight] = torch.nonzero(~units.live).flatten().tolist()
    small = compacted(network, x, gone)
    assert torch.allclose(network(x), small(x), atol=1e-5)
    assert torch.allclose(network(x[:1]), small(x[:1]), atol=1e-5)
    count = [sum(p.numel() for p in one.parameters()) for one in (small, network)]
    assert count[0] < count[1]


def test_channels_that_are_added_to_each_other_go_together():
    network, x = network_of("compact_face_cnn")
    by_name = {group.makers[0].weight: group for group in channels_of(network, x, ["final_layer"])}
    joined = next(group for group in by_name.values() if len(group.consumers) > 2)
    assert len(joined.makers) > 1


def test_biases_and_factors_of_channels_are_known():
    network, x = network_of("face_cnn")
    for group in channels_of(network, x):
        for place in group.beside:
            assert place.index == tuple(range(group.n))
            assert len(network.get_parameter(place.weight)) == group.n
    named = {place.weight for group in channels_of(network, x) for place in group.beside}
    vectors = {name for name, value in network.named_parameters() if value.dim() == 1}
    assert vectors - named == {name for name in vectors if name.startswith("final_layer")}


def test_a_normalisation_by_the_batch_alone_has_no_statistics_to_be_tried():
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    network = nn.Sequential(nn.Linear(5, 8), norm, nn.ReLU(), nn.Linear(8, 2)).eval()
    (found,) = channels_of(network, torch.randn(6, 5), ["3"])
    assert found.n == 8


class Normalised(nn.Module):
    """Looks across channels between two dense layers."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, 8, bias=False), nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.norm(self.first(x)))


@pytest.mark.parametrize("x", [torch.randn(3, 5), torch.zeros(3, 5)], ids=["noise", "nothing"])
def test_where_something_looks_across_channels_none_is_offered(x):
    assert channels_of(Normalised().eval(), x, ["last"]) == []


class Halved(nn.Module):
    """The first half of the channels is multiplied by the second, or the larger of both is taken."""

    def __init__(self, n, join):
        super().__init__()
        self.first, self.last, self.join = nn.Conv2d(1, n, 3), nn.Linear(n // 2, 3), join

    def forward(self, x):
        one, other = self.first(x).chunk(2, 1)
        return self.last(self.join(one, other).mean((2, 3)))


@pytest.mark.parametrize("n", [8, 12, 16, 20])
@pytest.mark.parametrize("join", [lambda a, b: a * torch.sigmoid(b), torch.maximum], ids=["product", "larger"])
def test_halves_that_belong_together_are_not_offered_and_not_taken_apart(n, join):
    torch.manual_seed(0)
    network, x = Halved(n, join).eval(), torch.randn(4, 1, 8, 8)
    assert channels_of(network, x, ["last"]) == []
    for gone in ([0], [0, 1], [0, 1, n - 1], range(n // 2), range(n - 1), range(n)):
        with pytest.raises(InputError, match=rf"cannot be taken out \({len(gone)} of first.weight\)"):
            compacted(network, x, {"first.weight": gone})


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.over_time, self.last = nn.Conv1d(4, 6, 3), nn.GRU(6, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        return self.last(self.over_time(self.first(x).transpose(1, 2))[0][:, -1])


def test_a_gated_layer_that_hides_channels_is_named():
    with pytest.raises(InputError, match="through the GRU over_time") as refused:
        channels_of(Gated(), torch.randn(3, 4, 9))
    assert "takes one tensor" not in str(refused.value)


class Untraceable(nn.Module):
    def forward(self, x):
        raise RuntimeError("no")


def test_what_cannot_be_traced_is_said_in_words():
    with pytest.raises(InputError, match=r"cannot be traced: .*no"):
        channels_of(Untraceable(), torch.randn(3, 5))
    with pytest.raises(InputError, match="makes no channels"):
        compacted(Normalised(), torch.randn(3, 5), {"norm.weight": [1]})
