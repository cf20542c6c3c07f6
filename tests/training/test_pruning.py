"""What decides which units stay while a network learns."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from thymos.nn.regulation import Expression, live_target
from thymos.nn.sparsity import Channels, Place, channel_units, connection_units, weights_of
from thymos.training.pruning import (
    GenePruner,
    GradualPruner,
    OneShotPruner,
    RigLPruner,
    SETPruner,
    layer_densities,
    settled_at,
)

FIRST, LAST, EPOCHS = 2, 12, 24


class Net:
    """As much of skorch's net as a pruner looks at, with a loss that wants given weights."""

    def __init__(self, pruner, shapes=((6, 10), (4, 6)), seed=0, targets=None, lr=0.05):
        torch.manual_seed(seed)
        self.pruner, layers = pruner, [nn.Linear(s[1], s[0], bias=False) for s in shapes]
        self.module_ = nn.Module()
        self.module_.network = nn.Sequential(*layers)
        self.module_.units = nn.ModuleList(connection_units(self.module_.network))
        self.optimizer_ = torch.optim.Adam(self.module_.network.parameters(), lr=lr)
        self.targets = [torch.randn(s) for s in shapes] if targets is None else targets
        self.history, self.shares, self.moved, self.noise = [], [], 0.0, 0.0
        pruner.on_train_begin(self)

    @property
    def units(self):
        return list(self.module_.units)

    @property
    def weights(self):
        return list(self.module_.network.parameters())

    def epoch(self, batches=5):
        self.history.append({})
        self.pruner.on_epoch_begin(self)
        for _ in range(batches):
            self.optimizer_.zero_grad()
            wanted = [t + self.noise * torch.randn(t.shape) for t in self.targets]
            sum(((w - t) ** 2).sum() for w, t in zip(self.weights, wanted, strict=True)).backward()
            self.pruner.on_grad_computed(self)
            self.optimizer_.step()
            for units, weight in zip(self.units, self.weights, strict=True):
                self.moved = max(self.moved, float(weight.detach()[~units.live].abs().sum()))
        self.shares.append(self.pruner.share)

    def run(self, epochs=EPOCHS):
        for _ in range(epochs):
            self.epoch()
        return self


def gene(**options):
    return GenePruner(0.5, EPOCHS, FIRST, LAST, **options)


PRUNERS = {
    "gene": gene,
    "no memory": lambda **o: gene(expression=None, **o),
    "no rewiring": lambda **o: gene(rewiring=0.0, **o),
    "homeostasis": lambda **o: gene(expression=Expression(repression=0.7), **o),
    "random scores": lambda **o: gene(scores="random", **o),
    "magnitude": lambda **o: OneShotPruner(0.5, EPOCHS, FIRST, LAST, **o),
    "random": lambda **o: OneShotPruner(0.5, EPOCHS, FIRST, LAST, by="random", **o),
    "gradual": lambda **o: GradualPruner(0.5, EPOCHS, FIRST, LAST, **o),
    "set": lambda **o: SETPruner(0.5, EPOCHS, FIRST, LAST, **o),
    "rigl": lambda **o: RigLPruner(0.5, EPOCHS, FIRST, LAST, every=5, steps=5 * EPOCHS, **o),
}


@pytest.mark.parametrize("name", PRUNERS)
def test_in_the_end_half_is_live_and_silenced_weights_never_move(name):
    net = Net(PRUNERS[name]()).run()
    assert net.shares[-1] == pytest.approx(0.5, abs=0.02)  # 84 units: one is 0.012
    assert net.moved == 0.0
    for units, weight in zip(net.units, net.weights, strict=True):
        assert (weight[~units.live] == 0).all()
        assert (weight[units.live] != 0).all()
        assert units.live.any()


@pytest.mark.parametrize("name", PRUNERS)
def test_the_seed_decides(name):
    one, same, other = (Net(PRUNERS[name](seed=s)).run() for s in (1, 1, 2))
    masks = [torch.cat([u.live.flatten() for u in net.units]) for net in (one, same, other)]
    assert torch.equal(masks[0], masks[1])
    if name in ("random scores", "random", "set"):
        assert not torch.equal(masks[0], masks[2])
    if name in ("no rewiring", "magnitude", "gradual"):
        assert torch.equal(masks[0], masks[2]), "nothing is drawn"


def test_regulation_follows_the_course():
    net = Net(gene()).run()
    assert net.shares[:FIRST] == [1.0, 1.0]
    end = settled_at(FIRST, LAST, EPOCHS)
    assert min(net.shares[:LAST]) >= 0.5 - 0.02, "silenced more than is wanted in the end"
    assert len(set(net.shares[end:])) == 1, "masks change after they are settled"
    came = [row["came_back"] for row in net.pruner.log_ if row["layer"] == "0.weight"]
    assert any(came[FIRST:LAST])
    assert not any(came[end:])


@pytest.mark.parametrize(
    "options", [{}, {"expression": None}, {"scores": "random"}, {"scores": "random", "expression": None}]
)
@pytest.mark.parametrize(("first", "last", "epochs"), [(FIRST, LAST, EPOCHS), (1, 5, 8)])
def test_the_share_lags_behind_its_target_by_as_much_as_the_gate_may_and_no_more(options, first, last, epochs):
    pruner = GenePruner(0.2, epochs, first, last, **options)
    net = Net(pruner, shapes=((20, 30), (10, 20)))
    net.noise = 1.0
    end, shares = settled_at(first, last, epochs), net.run(epochs).shares
    for epoch in range(first, end):
        assert shares[epoch] <= live_target(epoch, first, last, 0.2) + 0.17 + 0.01, (epoch, shares)
    assert shares[end - 1] - shares[end] <= 0.17 + 0.01, "most of it goes at once in the end"
    steps = [a - b for a, b in itertools.pairwise(shares[last:end])]
    assert not steps or max(steps) <= 0.08, shares


@pytest.mark.parametrize("name", ["magnitude", "random", "set", "rigl"])
def test_what_another_training_silenced_stays_silenced_at_the_beginning(name):
    for share in (0.4, 0.7):  # fewer than are wanted, and more
        pruner = PRUNERS[name]()
        net = Net(pruner, shapes=((20, 30), (10, 20)))
        torch.manual_seed(1)
        known = [torch.rand(units.live.shape) < (share if k else 0.9 * share) for k, units in enumerate(net.units)]
        for units, live in zip(net.units, known, strict=True):
            units.live.copy_(live)
        pruner.on_train_begin(net)
        for units, live in zip(net.units, known, strict=True):
            assert not (units.live & ~live).any(), share


def test_weight_decay_takes_nothing_from_what_makes_silenced_channels():
    torch.manual_seed(0)
    net = Net(OneShotPruner(0.5, EPOCHS, FIRST, LAST))
    network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    every = tuple(range(8))
    makers, beside = (Place("0.weight", 0, every),), (Place("0.bias", 0, every),)
    net.module_.network = network
    net.module_.units = nn.ModuleList(channel_units([Channels(makers, (Place("2.weight", 1, every),), 8, beside)]))
    net.optimizer_ = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.5)
    net.pruner.on_train_begin(net)
    before, live = [value.detach().clone() for value in network[0].parameters()], net.units[0].live
    for _ in range(3):
        net.optimizer_.zero_grad()
        network(torch.randn(16, 5)).square().sum().backward()
        net.pruner.on_grad_computed(net)
        net.optimizer_.step()
        net.pruner.on_batch_end(net, training=True)
    assert live.sum() < 8
    for value, old in zip(network[0].parameters(), before, strict=True):
        assert torch.equal(value[~live], old[~live])
        assert not torch.equal(value[live], old[live])


def test_what_is_told_of_returns_are_those_that_were_silenced_before():
    net, masks = Net(gene()), []
    net.noise = 1.0
    for _ in range(EPOCHS):
        net.epoch()
        masks.append(torch.cat([units.live.flatten() for units in net.units]))
    told = [row["came_back"] for row in net.pruner.log_ if row["layer"] == "0.weight"]
    assert told == [int((now & ~old).sum()) for old, now in itertools.pairwise(masks)]
    assert not any(told[:FIRST]), "nothing was silenced yet"


@pytest.mark.parametrize("options", [{}, {"expression": None}, {"scores": "random"}, {"rewiring": 0.4}])
def test_the_share_never_rises_and_what_came_back_stays_two_epochs(options):
    net = Net(gene(**options))
    net.noise, masks = 1.0, []
    for _ in range(EPOCHS):
        net.epoch()
        masks.append(torch.cat([units.live.flatten() for units in net.units]))
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(net.shares)), net.shares
    end = settled_at(FIRST, LAST, EPOCHS)
    assert net.shares[end - 1] >= 0.5 - 1e-9, "the last step only takes away"
    back = [(k, now & ~old) for k, (old, now) in enumerate(itertools.pairwise(masks), start=1) if k < end - 2]
    came = sum(int(came.sum()) for _, came in back)
    assert came > 0
    for k, came in back:
        assert all(masks[later][came].all() for later in (k + 1, k + 2)), f"gone again after epoch {k}"


@pytest.mark.parametrize("sigma", [0.0, math.inf])
def test_returns_can_be_the_most_important_or_mere_chance_and_fade_either_way(sigma, monkeypatch):
    came, rewire = [0] * EPOCHS, GenePruner._rewire

    def counted(self, scores, epoch, before):
        known = [units.live.clone() for units in self.units_]
        rewire(self, scores, epoch, before)
        came[epoch] = sum(int((units.live & ~old).sum()) for units, old in zip(self.units_, known, strict=True))

    monkeypatch.setattr(GenePruner, "_rewire", counted)
    net = Net(gene(sigma=sigma)).run()
    assert max(came) > 0
    assert max(came[FIRST : (FIRST + LAST) // 2]) > max(came[(FIRST + LAST) // 2 : LAST])
    assert net.shares[-1] == pytest.approx(0.5, abs=0.02)


def test_large_wanted_weights_stay_and_small_ones_go():
    torch.manual_seed(3)
    targets = [torch.where(torch.rand(6, 10) < 0.5, 3.0, 0.01), torch.where(torch.rand(4, 6) < 0.5, 3.0, 0.01)]
    for name, least in {"gene": 0.9, "gradual": 0.9, "no memory": 0.7}.items():
        net = Net(PRUNERS[name](), targets=targets).run()
        wanted = torch.cat([t.flatten() > 1 for t in targets])
        live = torch.cat([u.live.flatten() for u in net.units])
        assert (wanted == live).float().mean() > least, name
    net = Net(PRUNERS["random"](), targets=targets).run()
    assert (wanted == torch.cat([u.live.flatten() for u in net.units])).float().mean() < 0.65


def plant(sigma, wanted, seed):
    """Silence one connection that the loss wants at `wanted`; return after how many epochs it is back and how long."""
    targets = [torch.full((6, 10), 0.3), torch.full((4, 6), 0.3)]
    net = Net(gene(sigma=sigma, seed=seed), targets=targets, seed=seed)
    net.noise = 1.0  # otherwise live weights have no gradient, and every silenced one is important beside them
    for _ in range(FIRST + 2):
        net.epoch()
    units = net.units[0]
    with torch.no_grad():  # several go, so that something is left to choose from
        units.live[:, :5], units.p[:, :5], units.m[:, :5] = False, 0.0, 0.0
        units.silence(weights_of(net.module_.network))
    net.targets[0] = net.targets[0].clone()
    net.targets[0][0, 0] = wanted
    lives = []
    for _ in range(7):
        net.epoch()
        lives.append(bool(units.live[0, 0]))
    return lives


def test_a_planted_connection_comes_back_if_chance_is_small_and_stays_two_epochs():
    for seed in range(5):
        lives = plant(0.05, 6.0, seed)
        assert any(lives[:5]), f"seed {seed}: {lives}"
        back = lives.index(True)
        assert all(lives[back : back + 2]), "what came back is gone at once"


def test_the_more_important_come_back_more_often():
    often = [np.mean([any(plant(0.3, wanted, seed)[:3]) for seed in range(16)]) for wanted in (0.31, 6.0)]
    assert often[0] < 0.75 * often[1], often


def test_what_comes_back_begins_at_0_and_without_momentum():
    net = Net(gene(), lr=0.05)
    for _ in range(LAST):
        before = [u.live.clone() for u in net.units]
        net.history.append({})
        net.pruner.on_epoch_begin(net)
        for units, weight, old in zip(net.units, net.weights, before, strict=True):
            back = units.live & ~old
            state = net.optimizer_.state.get(weight, {})
            assert (weight[back] == 0).all()
            assert (units.age[back] == 0).all()
            for moment in ("exp_avg", "exp_avg_sq"):
                if moment in state:
                    assert (state[moment][units.live != old] == 0).all()
        net.history.pop()
        net.epoch()


@pytest.mark.parametrize(
    ("epochs", "fallen", "after"), [(50, 0.5, 3), (20, 0.5, 2), (12, 0.5, 2), (8, 0.5, 2), (8, 0.8, 2)]
)
def test_one_bad_epoch_silences_nothing_however_short_the_course_is(epochs, fallen, after):
    net = Net(GenePruner(0.5, epochs, 0, epochs // 2))
    for count in range(1, after + 1):
        for units in net.units:
            net.pruner._express(units, torch.full(units.live.shape, fallen))
        lives = [float(units.live.float().mean()) for units in net.units]
        assert all(share == 1.0 if count < after else share < 0.2 for share in lives), (count, lives)


@pytest.mark.parametrize("density", [0.5, 0.55])  # as many as are wanted now, or somewhat more
@pytest.mark.parametrize("of", ["units", "weights"])
def test_training_that_goes_on_weighs_what_lives_against_what_does_not(of, density):
    first = Net(GenePruner(density, EPOCHS, FIRST, LAST, of=of), shapes=((20, 30), (10, 20))).run()
    again = Net(gene(of=of), shapes=((20, 30), (10, 20)), seed=1)
    again.noise = 1.0
    for mine, known in zip(again.units, first.units, strict=True):
        mine.live.copy_(known.live)
    again.pruner.on_train_begin(again)
    assert again.pruner.began_ == pytest.approx(density, abs=0.01)
    below, expressed = [], []
    for _ in range(LAST):
        again.epoch()
        if again.pruner.tau_ is not None:
            scores = [again.pruner._score(units) for units in again.units]
            low = [(s < again.pruner.tau_)[u.live] for s, u in zip(scores, again.units, strict=True)]
            below.append(float(torch.cat(low).float().mean()))
            expressed.append(float(torch.cat([u.p.flatten() for u in again.units]).gt(0.5).float().mean()))
            assert again.shares[-1] == pytest.approx(0.5, abs=0.2)
    assert np.mean(below) > 0.03, "no live unit is ever below the threshold"
    assert np.mean(expressed) < 0.75, "nearly everything is expressed"


def test_channels_and_connections_of_one_network_are_as_large_as_their_layers_make_them():
    network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    every = tuple(range(8))
    channels = channel_units([Channels((Place("0.weight", 0, every),), (Place("2.weight", 1, every),), 8)])
    net = Net(OneShotPruner(0.5, EPOCHS, FIRST, LAST))
    net.module_.network = network
    net.module_.units = nn.ModuleList([*channels, *connection_units(network, ["0"])])
    typical = network[2].weight.detach().abs().mean()
    net.pruner.on_train_begin(net)
    whole, single = net.pruner._sizes()
    assert float(whole.mean()) == pytest.approx(1.0)
    assert 0 < int((~channels[0].live).sum()) < 6, "channels go too"
    assert (network[2].weight == 0).any()
    assert torch.allclose(single, network[2].weight.abs() / typical), "what is left of a layer looks larger"


def in_blocks(pruner, sizes=(16, 24, 3)):
    """Return a net of dense layers whose channels, of layers of different sizes, are left in multiples."""
    torch.manual_seed(0)
    layers = [nn.Linear(i, o, bias=False) for i, o in itertools.pairwise((5, *sizes))]
    net = Net(pruner, shapes=[tuple(layer.weight.shape) for layer in layers])
    made = [
        Channels((Place(f"{k}.weight", 0, tuple(range(n))),), (Place(f"{k + 1}.weight", 1, tuple(range(n))),), n)
        for k, n in enumerate(sizes[:-1])
    ]
    net.module_.units = nn.ModuleList(channel_units(made))
    net.pruner.on_train_begin(net)
    return net


def drill(net):
    """Train, and return which units were live in each epoch."""
    course = []
    for _ in range(EPOCHS):
        net.history.append({})
        net.pruner.on_epoch_begin(net)
        net.optimizer_.zero_grad()
        sum((w**2).sum() for w in net.weights).backward()
        net.pruner.on_grad_computed(net)
        net.optimizer_.step()
        course.append([units.live.clone() for units in net.units])
    return course


@pytest.mark.parametrize("name", PRUNERS)
def test_channels_stay_in_blocks_and_what_goes_gradually_never_comes_back(name):
    net = in_blocks(PRUNERS[name](multiple=8))
    course = drill(net)
    assert [int(mask.sum()) % 8 for mask in course[-1]] == [0, 0]
    assert sum(int(mask.sum()) for mask in course[-1]) in (16, 24), "as near to half of 40 as blocks allow"
    if name == "gradual":
        assert all((old | ~new).all() for a, b in itertools.pairwise(course) for old, new in zip(a, b, strict=True))
        assert len({tuple(int(m.sum()) for m in masks) for masks in course}) > 2, "all at once"
    if name == "gene":
        before = course[settled_at(FIRST, LAST, EPOCHS) - 1]
        assert any(int(mask.sum()) % 8 for mask in before), "regulation goes by single channels"


def test_what_there_may_be_at_most_and_at_least_is_kept_where_blocks_do_not_fit():
    pruner = PRUNERS["gradual"](multiple=8)
    units = in_blocks(pruner, (21, 4, 3)).units
    assert [pruner._whole(units[0], count, 21) for count in (1, 11, 13, 18, 19, 30)] == [8, 8, 16, 16, 21, 21]
    assert pruner._whole(units[0], 14, most=11) == 8, "what may not come back is left out"
    assert pruner._whole(units[0], 14, most=3) == 3, "less than a block was left before"
    assert pruner._whole(units[0], 2, most=21, least=9) == 16
    assert [pruner._whole(units[1], count, 4) for count in (1, 2, 4)] == [2, 2, 4], "halves of so few"
    odd = {n: in_blocks(PRUNERS["gradual"](multiple=16), (n, 9, 3)).pruner for n in (15, 18, 31, 32, 40)}
    assert {n: pruner._block(pruner.units_[0]) for n, pruner in odd.items()} == {15: 4, 18: 8, 31: 8, 32: 16, 40: 16}


@pytest.mark.parametrize("name", ["magnitude", "gradual", "gene"])
def test_so_small_a_share_that_hardly_anything_is_left_empties_no_layer(name):
    made = {"magnitude": OneShotPruner, "gradual": GradualPruner, "gene": GenePruner}[name]
    for sizes in ((6, 6, 6, 2), (21, 15, 7, 3)):
        net = in_blocks(made(0.1, EPOCHS, FIRST, LAST), sizes)
        drill(net)
        assert [int(units.live.sum()) for units in net.units] == [math.ceil(0.1 * n) for n in sizes[:-1]]


@pytest.mark.parametrize("multiple", [1, 8])
@pytest.mark.parametrize("name", ["magnitude", "random", "gradual", "set", "rigl"])
def test_what_another_training_left_nothing_of_does_not_come_back_and_the_rest_is_made_to_fit(name, multiple):
    net = in_blocks(PRUNERS[name](multiple=multiple), (40, 40, 3))
    for units, left in zip(net.units, (4, 36), strict=True):
        units.live.copy_(torch.arange(40) < left)
    net.pruner.on_train_begin(net)
    before = [units.live.clone() for units in net.units]
    if name in ("magnitude", "random", "gradual"):
        before = [torch.arange(40) < left for left in (4, 36)]
        for masks in drill(net):
            assert all((old | ~new).all() for old, new in zip(before, masks, strict=True))
            before = masks
    counts = [int(mask.sum()) for mask in before]
    assert counts[0] in (1, 2, 3, 4)
    assert counts[1] % multiple == 0


def test_no_layer_is_emptied():
    targets = [torch.full((6, 10), 3.0), torch.full((4, 6), 1e-4)]
    for name in ("gene", "magnitude", "gradual", "no memory"):
        net = Net(PRUNERS[name](), targets=targets).run()
        assert int(net.units[1].live.sum()) >= math.ceil(0.1 * 24), name


def test_the_threshold_of_the_paper_takes_more_than_half_at_once():
    net = Net(GenePruner(0.5, EPOCHS, FIRST, LAST, expression=None, threshold="paper", rewiring=0.0))
    for _ in range(FIRST + 1):
        net.epoch()
    assert net.shares[-1] < 0.5


def test_after_half_the_units_are_gone_for_good_nothing_is_added_by_the_gradual_one():
    net = Net(PRUNERS["gradual"]()).run()
    assert net.shares == sorted(net.shares, reverse=True)


def test_set_and_rigl_exchange_and_stay_as_dense_as_they_are():
    for name in ("set", "rigl"):
        net = Net(PRUNERS[name]())
        first = torch.cat([u.live.flatten() for u in net.units])
        net.run()
        assert len(set(net.shares)) == 1
        assert not torch.equal(first, torch.cat([u.live.flatten() for u in net.units]))


def test_what_has_just_left_may_come_back_at_once():
    """The smallest weights have by far the largest gradients: nothing else would be chosen."""
    net = Net(RigLPruner(0.5, EPOCHS, FIRST, LAST, every=1, steps=100, trained=True), lr=0.0)
    for units, weight, target in zip(net.units, net.weights, net.targets, strict=True):
        small = torch.topk(
            -weight.abs().masked_fill(~units.live, math.inf).flatten(), round(0.3 * int(units.live.sum()))
        ).indices
        target.copy_(weight.detach())
        target.view(-1)[small] += 100.0
    masks = [units.live.clone() for units in net.units]
    net.epoch(batches=1)
    for units, before in zip(net.units, masks, strict=True):
        gone = before & ~units.live
        assert not gone.any()
        assert int(units.live.sum()) == int(before.sum())


def test_small_layers_are_denser_and_the_sum_is_right():
    shapes = [(64, 3, 3, 3), (128, 64, 3, 3), (7, 128)]
    made = layer_densities(shapes, 0.2)
    sizes = [math.prod(shape) for shape in shapes]
    assert sum(d * s for d, s in zip(made, sizes, strict=True)) / sum(sizes) == pytest.approx(0.2)
    assert made[0] == 1.0 or made[0] > made[1]
    assert made[2] > made[1]
    assert layer_densities([(8,), (16,)], 0.3) == pytest.approx([0.3, 0.3])
    assert layer_densities(shapes, 1.0) == pytest.approx([1.0, 1.0, 1.0])


def test_masks_are_settled_before_the_end():
    assert settled_at(5, 30, 50) == 35
    assert settled_at(1, 5, 8) == 6
    assert settled_at(1, 2, 4) == 3
