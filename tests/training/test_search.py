"""The search loop on the real search space, with known answers."""

import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.genotype import EEGSearchSpace
from thymos.models.supernet import Architecture, Supernet, joined
from thymos.training.search import Part, SearchSchedule, _Search, batches_alike, dominant_eigenvalue, search
from thymos.training.states import load_state, save_state

SPACE = EEGSearchSpace(width=4, cells=1, nodes=1, operations=("skip", "sep_t3", "se"))
QUICK = SearchSchedule(epochs=3, warmup=1, batch_size=16, guard_every=0)


def skips(table):
    return [g.operations().count("skip") for g in table.genotypes()]


def no_skips(table):
    return [0] * len(table.genotypes())


def rising(n=48, seed=0, noise=0.3):
    """Return samples whose class is the sign of their slope in time, which no mean over time shows."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    # a saw tooth: equal means, equal spread, opposite slopes between neighbours
    saw = np.array([0, 1, 2, 0, 1, 2], dtype=float)
    course = np.where(y[:, None] == 1, saw, saw[::-1]) - 1
    x = course[:, None, None, :] + noise * rng.standard_normal((n, 1, 3, 6))
    return np.roll(x, rng.integers(0, 3), axis=-1).astype(np.float32), y


def part(seed=0, n=48, held=32):
    return Part(*rising(n, seed), *rising(held, seed + 100), seed)


def begun(parts, space=SPACE):
    states = []
    for one in parts:
        torch.manual_seed(one.seed)
        net, table = Supernet(space, one.X.shape[1:], 2, torch.zeros(3, 3)), Architecture(space)
        states.append((net.state_dict(), table.state_dict()))
    net, table = (
        Supernet(space, parts[0].X.shape[1:], 2, torch.zeros(3, 3), len(parts)),
        Architecture(space, len(parts)),
    )
    net.load_state_dict(joined([a for a, _ in states]))
    table.load_state_dict(joined([b for _, b in states]))
    return net, table


def same(a, b, atol=0.0):
    assert a.keys() == b.keys()
    return all(torch.allclose(a[k], b[k], atol=atol, rtol=0) for k in a)


def test_the_operation_that_carries_the_signal_wins():
    # no cell that halves the time axis: it looks at every second time apart, which tells slopes by itself
    space = EEGSearchSpace(width=8, cells=1, nodes=2, operations=("skip", "sep_t3", "se"))
    schedule = SearchSchedule(
        epochs=30, warmup=5, batch_size=32, lr=0.05, lr_least=0.005, architecture_lr=0.02, guard_every=0
    )
    one = part(0, 192, 96)
    (found,) = search(*begun([one], space), [one], schedule, no_skips)
    table = Architecture(space)
    table.load_state_dict(found.architecture)
    assert set(table.genotypes()[0].operations()) == {"sep_t3"}
    skip, slope, _ = table.weights("normal")[0][0].mean(dim=0)
    assert slope > skip + 0.2
    assert found.history[-1]["valid_accuracy"] > 0.9
    assert found.history[-1]["beta"] == 0.0
    assert found.epoch == 30


def test_the_auxiliary_connection_and_the_rate_fade():
    schedule = SearchSchedule(epochs=5)
    assert [schedule.beta(e) for e in range(1, 6)] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert schedule.rate(1) == pytest.approx(0.01)
    assert schedule.rate(5) == pytest.approx(0.001)
    assert SearchSchedule(epochs=1).beta(1) == 0.0


def test_architectures_are_left_alone_while_weights_warm_up():
    begin = begun([part()])[1].state_dict()
    tables = []
    search(
        *begun([part()]),
        [part()],
        QUICK,
        no_skips,
        watch=lambda e, table: tables.append({k: v.clone() for k, v in table.state_dict().items()}),
    )
    assert same(tables[0], begin)
    assert not same(tables[1], begin)


def test_the_search_is_that_of_the_paper_written_out():
    """Liu et al. 2019, algorithm 1, first order: the architecture on held samples, then the weights on the others."""
    weight = np.random.default_rng(0).uniform(0.2, 2, 40).astype(np.float32)
    one = Part(*rising(40, 0), *rising(30, 100), 3, weight)
    plan = SearchSchedule(
        **{"epochs": 4, "warmup": 1, "batch_size": 16, "lr": 0.05, "lr_least": 0.01, "momentum": 0.8, "clip": 0.05},
        **{"weight_decay": 0.01, "architecture_lr": 0.03, "architecture_decay": 0.02, "prior": 0.5, "cost": 0.3},
        guard_every=0,
    )

    def cost(table):
        return table.weights("normal")[0][:, :, 2].sum(dim=1)

    (found,) = search(*begun([one]), [one], plan, no_skips, cost)
    (net, table), rng = begun([one]), torch.Generator().manual_seed(3)
    begin = [p.detach().clone() for p in table.parameters()]
    ours = torch.optim.SGD(net.parameters(), plan.lr, plan.momentum, weight_decay=plan.weight_decay)
    theirs = torch.optim.Adam(
        table.parameters(), plan.architecture_lr, (0.5, 0.999), weight_decay=plan.architecture_decay
    )
    X, y, held_X, held_y = (torch.from_numpy(v) for v in (one.X, one.y, one.held_X, one.held_y))

    def loss_of(x, labels, beta, counts):
        loss = torch.nn.functional.cross_entropy(net(x[None], table, beta)[0], labels, reduction="none")
        return (loss * counts).sum() / counts.sum()

    def take(optimiser, parameters, loss, clip=None):
        optimiser.zero_grad()
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
            p.grad = g
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimiser.step()

    for epoch in range(1, 5):
        net.train()
        ours.param_groups[0]["lr"] = 0.01 + 0.04 * (1 + np.cos(np.pi * (epoch - 1) / 3)) / 2
        beta, losses = 1 - (epoch - 1) / 3, []
        # 40 samples are three batches of 16; whoever has fewer samples than these take begins anew
        orders = [torch.cat([torch.randperm(n, generator=rng) for _ in range(2)])[:48].view(3, 16) for n in (40, 30)]
        for rows, held in zip(*orders, strict=True):
            if epoch > 1:
                loss = loss_of(held_X[held], held_y[held], beta, torch.ones(16))
                away = sum((p - b).square().sum() for p, b in zip(table.parameters(), begin, strict=True))
                take(theirs, list(table.parameters()), loss + 0.5 * away + 0.3 * cost(table).sum())
            loss = loss_of(X[rows], y[rows], beta, torch.from_numpy(weight)[rows])
            losses.append(float(loss.detach()))
            take(ours, list(net.parameters()), loss, plan.clip)
        assert found.history[epoch - 1]["train_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
        assert ("architecture_loss" in found.history[epoch - 1]) == (epoch > 1)
    assert same(found.architecture, table.state_dict(), 1e-4)
    assert same(found.weights, net.state_dict(), 1e-4)
    with torch.no_grad():
        logits = net.eval()(held_X[None], table, 0.0)[0]
    assert found.history[-1]["valid_accuracy"] == pytest.approx(float((logits.argmax(1) == held_y).float().mean()))
    known = float(torch.nn.functional.cross_entropy(logits, held_y))
    assert found.history[-1]["valid_loss"] == pytest.approx(known, rel=1e-4)


def test_searches_at_once_are_those_one_by_one():
    parts = [part(seed, held=held) for seed, held in enumerate((32, 32, 27))]
    together = search(*begun(parts), parts, QUICK, no_skips)
    for one, found in zip(parts, together, strict=True):
        (alone,) = search(*begun([one]), [one], QUICK, no_skips)
        assert same(found.architecture, alone.architecture, 1e-4)
        for key in ("valid_loss", "valid_accuracy"):
            assert [h[key] for h in found.history] == pytest.approx([h[key] for h in alone.history], abs=1e-3)
        assert found.history[-1]["train_loss"] == pytest.approx(alone.history[-1]["train_loss"], abs=1e-3)
        assert same(found.weights, alone.weights, 2e-3)


def test_a_killed_search_goes_on_to_the_same_end(tmp_path):
    (whole,) = search(*begun([part()]), [part()], QUICK, no_skips)

    def killed(epoch, table):
        if epoch == 2:
            raise KeyboardInterrupt

    kept = tmp_path / "search.pt"
    with pytest.raises(KeyboardInterrupt):
        search(*begun([part()]), [part()], QUICK, no_skips, kept=kept, watch=killed)
    (again,) = search(*begun([part()]), [part()], QUICK, no_skips, kept=kept)
    assert same(whole.architecture, again.architecture)
    assert same(whole.weights, again.weights)
    assert [h["epoch"] for h in again.history] == [1, 2, 3]
    epochs = []
    search(*begun([part()]), [part()], QUICK, no_skips, kept=kept, watch=lambda e, t: epochs.append(e))
    assert epochs == []


def test_what_a_search_leaves_whose_last_step_broke_it_is_of_the_epoch_before(monkeypatch):
    parts, after = [part(0), part(1)], {}
    net, table = begun(parts)
    learn = _Search.learn

    def broken(self, costs):
        after[self.epoch] = self._weights(1)
        learn(self, costs)
        if self.epoch == 3:
            for value in self.network.parameters():
                value.data.chunk(2)[1].fill_(float("nan"))

    monkeypatch.setattr(_Search, "learn", broken)
    sound, left = search(net, table, parts, QUICK, no_skips)
    assert (sound.stopped, left.stopped) == ("", "the loss was not finite")
    assert left.epoch == 2
    assert same(left.weights, after[2])
    assert all(torch.isfinite(value).all() for value in left.weights.values())


def test_skip_connections_that_take_over_stop_a_search_and_the_others_go_on():
    parts = [part(0), part(1)]
    counts = iter([[1, 1], [2, 1], [2, 2]])
    first, second = search(*begun(parts), parts, QUICK, lambda table: next(counts))
    assert (first.epoch, second.epoch) == (1, 2)
    assert first.stopped == second.stopped == "2 edges of the normal cell were skip connections"


def test_a_search_that_a_guard_stopped_learns_nothing_more_from_the_others_of_its_stack():
    parts, longer = [part(0), part(1)], SearchSchedule(epochs=4, warmup=1, batch_size=16, guard_every=0)
    counts = {1: [1, 1], 2: [2, 1], 3: [2, 1], 4: [2, 1]}
    first, second = search(*begun(parts), parts, longer, lambda table: counts.pop(min(counts)))
    counts = {1: [1], 2: [2]}
    (alone,) = search(*begun(parts[:1]), parts[:1], longer, lambda table: counts.pop(min(counts)))
    assert [h["epoch"] for h in first.history] == [h["epoch"] for h in alone.history] == [1, 2]
    assert len(second.history) == 4
    assert same(first.weights, alone.weights, 2e-3)


@pytest.mark.parametrize("damage", ["key", "type", "shape"])
def test_a_state_that_does_not_fit_is_left_aside_as_a_whole(damage, tmp_path):
    (whole,) = search(*begun([part()]), [part()], QUICK, no_skips)
    kept = tmp_path / "search.pt"
    search(*begun([part()]), [part()], SearchSchedule(epochs=1, warmup=0), no_skips, kept=kept)
    state = load_state(kept)
    if damage == "key":
        del state["rngs"]
    else:
        state["optimisers" if damage == "type" else "modules"] = 3 if damage == "type" else [{}, {}]
    save_state(kept, state)
    (again,) = search(*begun([part()]), [part()], QUICK, no_skips, kept=kept)
    assert same(whole.weights, again.weights)
    assert [h["epoch"] for h in again.history] == [1, 2, 3]


def test_skip_connections_from_the_start_are_no_collapse():
    (found,) = search(*begun([part()]), [part()], QUICK, lambda table: [2])
    assert found.epoch == 3
    assert found.stopped == ""


def test_a_rising_eigenvalue_takes_the_architecture_back(monkeypatch):
    values = iter([1.0] * 5 + [1.0, 3.0, 9.0, 20.0, 20.0, 20.0, 20.0])
    monkeypatch.setattr("thymos.training.search.dominant_eigenvalue", lambda *given: [next(values)])
    schedule = SearchSchedule(epochs=12, warmup=0, batch_size=48)
    (found,) = search(*begun([part()]), [part()], schedule, no_skips)
    stopped = found.history[-1]["epoch"]
    assert "eigenvalue rose" in found.stopped
    assert found.epoch == stopped - 5
    means = [
        np.mean([h["eigenvalue"] for h in found.history if stop - 5 < h["epoch"] <= stop])
        for stop in range(6, 13)
        if stop <= stopped
    ]
    before = np.mean([h["eigenvalue"] for h in found.history if h["epoch"] <= stopped - 5])
    assert before / means[-1] < 0.75


def test_the_eigenvalue_of_a_known_hessian():
    basis = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)))[0]
    matrices = torch.stack(
        [
            basis @ torch.diag(torch.tensor(d)) @ basis.T
            for d in ([5.0, 3.0, 1.0, 0.5, 0.1, 0.0], [0.5, -2.0, 0.3, 0.2, 0.1, 0.0])
        ]
    )
    first = torch.nn.Parameter(torch.randn(2, 2, 2, generator=torch.Generator().manual_seed(1)))
    second = torch.nn.Parameter(torch.randn(2, 2, generator=torch.Generator().manual_seed(2)))
    before = first.detach().clone()

    def losses():
        x = torch.cat([first.flatten(1), second], dim=1)
        return 0.5 * torch.einsum("mi,mij,mj->m", x, matrices, x)

    found = dominant_eigenvalue(losses, [first, second], 2, 30, [0, 1])
    assert found == pytest.approx([5.0, 2.0], rel=1e-2)
    assert torch.equal(first, before)


def test_the_eigenvalue_of_a_search_is_that_of_its_own_held_samples_whoever_is_searched_with_it():
    parts = [part(seed, held=held) for seed, held in enumerate((32, 7, 300))]

    def guarded(own):
        loop = _Search(*begun(own), own, SearchSchedule(batch_size=16), "cpu")
        loop.epoch = 1
        return loop.eigenvalues()

    alone = [value for one in parts for value in guarded([one])]
    assert guarded(parts) == pytest.approx(alone, rel=1e-2)


def test_prior_and_cost_pull_at_the_architecture():
    def moved(**weights):
        schedule = SearchSchedule(epochs=3, warmup=0, batch_size=16, guard_every=0, architecture_lr=0.05, **weights)
        net, table = begun([part()])
        costs = (lambda t: t.weights("normal")[0][:, :, 2].sum(dim=1)) if weights.get("cost") else None
        (found,) = search(net, table, [part()], schedule, no_skips, costs)
        return found.architecture

    begin = begun([part()])[1].state_dict()
    away = {
        name: sum((found[k] - begin[k]).square().sum() for k in begin)
        for name, found in (("free", moved()), ("held", moved(prior=100.0)))
    }
    assert away["held"] < 0.2 * away["free"]
    dear, free = (Architecture(SPACE) for _ in range(2))
    dear.load_state_dict(moved(cost=100.0))
    free.load_state_dict(moved())
    assert dear.weights("normal")[0][0, :, 2].mean() < free.weights("normal")[0][0, :, 2].mean() - 0.1


def test_samples_of_no_weight_teach_nothing():
    one = part()
    noisy = Part(
        np.concatenate([one.X, 9 * one.X[:16]]), np.concatenate([one.y, 1 - one.y[:16]]), one.held_X, one.held_y, 0
    )
    losses = {}
    for name, weight in (("none", np.r_[np.ones(48), np.zeros(16)]), ("full", np.ones(64))):
        given = Part(noisy.X, noisy.y, noisy.held_X, noisy.held_y, 0, weight)
        net, table = begun([given])
        x, rows = torch.from_numpy(given.X)[None], torch.arange(64)[None]
        loop = _Search(net, table, [given], QUICK, "cpu")
        with torch.no_grad():
            losses[name] = float(loop.losses(0, rows, 0.0))
            logits = net(x, table, 0.0)[0]
        own = torch.nn.functional.cross_entropy(logits, torch.from_numpy(given.y), reduction="none").numpy()
        assert losses[name] == pytest.approx(np.average(own, weights=weight), rel=1e-4)


def test_parts_of_other_sizes_are_searched_apart_and_refused_together():
    parts = [part(0), part(1, n=80), part(2)]
    assert list(batches_alike(parts, 16)) == [[0, 2], [1]]
    with pytest.raises(InputError, match="different lengths"):
        search(*begun([parts[0], parts[2]]), parts[:2], QUICK, no_skips)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0.0}, {"prior": -1.0}, {"warmup": 1.5}])
def test_impossible_schedules_are_refused(wrong):
    with pytest.raises(InputError):
        SearchSchedule(**wrong)


def test_a_search_that_goes_on_from_skip_connections_is_not_stopped_by_them():
    schedule = SearchSchedule(epochs=3, warmup=0, batch_size=16, guard_every=0)
    (found,) = search(*begun([part()]), [part()], schedule, lambda table: [2])
    assert (found.epoch, found.stopped) == (3, "")
    counts = iter([[1], [1], [2], [2]])
    (found,) = search(*begun([part()]), [part()], schedule, lambda table: next(counts))
    assert (found.epoch, found.history[-1]["epoch"]) == (1, 2)
