"""The adversarial loop on a game in the plane."""

import copy

import pytest
import torch
from torch import nn

from thymos.base.errors import InputError
from thymos.training.adversarial import Game, Schedule, gradient_penalty, train_adversarial

QUICK = Schedule(steps=6, critic_steps=2, batch_size=16, lr=1e-2, judge_every=2)


class Plane(Game):
    """Points around (3, -2)."""

    def __init__(self):
        torch.manual_seed(0)
        self.x = torch.randn(200, 2) + torch.tensor([3.0, -2.0])
        self.n_samples = len(self.x)
        self.generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
        self.critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
        self.judged, self.progress, self.diversity = 0, [], 1.0

    def made(self, n, rng):
        return self.generator(torch.randn(n, 4, generator=rng))

    def score(self, x):
        return self.critic(x)[:, 0]

    def critic_loss(self, rows, progress, rng):
        real, made = self.x[rows], self.made(len(rows), rng).detach()
        gap = self.score(made).mean() - self.score(real).mean()
        return gap + 10 * gradient_penalty(self.score, real, made, rng), {"gap": -gap}

    def generator_loss(self, rows, progress, rng):
        self.progress.append(progress)
        return -self.score(self.made(len(rows), rng)).mean(), {}

    def judge(self, generator):
        self.judged += 1
        made = generator(torch.randn(200, 4, generator=torch.Generator().manual_seed(1))).detach()
        return {"score": float((made.mean(0) - self.x.mean(0)).norm()), "diversity": self.diversity}


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_linear_critic_of_unit_norm_has_no_penalty_and_others_do():
    x, rng = torch.randn(20, 2), torch.Generator()
    direction = torch.tensor([0.6, 0.8])
    assert gradient_penalty(lambda v: v @ direction, x, x.flip(0), rng) < 1e-10
    assert gradient_penalty(lambda v: 3 * v @ direction, x, x.flip(0), rng) == pytest.approx(4.0, rel=1e-5)


def test_the_generator_moves_to_the_data_and_the_best_state_is_kept():
    game = Plane()
    start = game.judge(game.generator)["score"]
    trained = train_adversarial(game, Schedule(steps=120, lr=5e-3, judge_every=20, average=0.9), 0)
    scores = [h["score"] for h in trained.history]
    assert min(scores) < 0.5 * start
    assert trained.best_step == trained.history[scores.index(min(scores))]["step"]
    assert game.judge(trained.generator)["score"] == min(scores)
    assert not trained.generator.training
    assert game.progress[0] == 0
    assert max(game.progress) < 1


def test_a_killed_loop_goes_on_to_the_same_end(tmp_path):
    whole, kept = train_adversarial(Plane(), QUICK, 3), tmp_path / "state.pt"
    game = Plane()
    judge, calls = game.judge, []

    def killed(generator):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return judge(generator)

    game.judge = killed
    with pytest.raises(KeyboardInterrupt):
        train_adversarial(game, QUICK, 3, kept=kept)
    again = train_adversarial(Plane(), QUICK, 3, kept=kept)
    assert equal(whole.generator, again.generator)
    assert equal(whole.critic, again.critic)
    assert [h["step"] for h in again.history] == [2, 4, 6]
    finished = Plane()
    train_adversarial(finished, QUICK, 3, kept=kept)
    assert finished.judged == 0


def test_a_damaged_state_is_computed_anew(tmp_path):
    kept = tmp_path / "state.pt"
    kept.write_bytes(b"no state")
    assert equal(
        train_adversarial(Plane(), QUICK, 3, kept=kept).generator, train_adversarial(Plane(), QUICK, 3).generator
    )


def test_same_seed_same_networks():
    assert equal(train_adversarial(Plane(), QUICK, 3).generator, train_adversarial(Plane(), QUICK, 3).generator)
    assert not equal(train_adversarial(Plane(), QUICK, 3).generator, train_adversarial(Plane(), QUICK, 4).generator)


def test_a_collapsed_generator_stops_the_loop():
    game = Plane()
    game.diversity = 0.01
    trained = train_adversarial(game, Schedule(steps=100, critic_steps=1, judge_every=1), 0)
    assert "differed by less than" in trained.stopped
    assert len(trained.history) == 3


def test_a_loss_that_is_not_finite_stops_the_loop_with_the_best_state():
    game, first = Plane(), []

    def broken(rows, progress, rng):
        first.append(1)
        loss, facts = Plane.generator_loss(game, rows, progress, rng)
        return loss * (torch.nan if len(first) > 3 else 1), facts

    game.generator_loss = broken
    trained = train_adversarial(game, QUICK, 0)
    assert trained.stopped == "the generator's loss was not finite"
    assert trained.best_step == 2
    assert all(torch.isfinite(p).all() for p in trained.generator.parameters())


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lr": -1.0}, {"critic_steps": 1.5}, {"average": 1.0}])
def test_impossible_schedules_are_refused(wrong):
    with pytest.raises(InputError):
        Schedule(**wrong)


def test_the_gradient_is_taken_between_pairs_at_a_place_of_each_pairs_own():
    rng = torch.Generator().manual_seed(0)
    real, made, seen = torch.randn(500, 2, 3), torch.randn(500, 2, 3) + 5, []

    def critic(x):
        seen.append(x.detach())
        return x.square().flatten(1).sum(dim=1) / 2

    penalty = gradient_penalty(critic, real, made, rng)
    share = ((seen[0] - made) / (real - made)).flatten(1)
    assert torch.allclose(share, share[:, :1].expand_as(share), atol=1e-2)
    assert share[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    assert share.min() < 0.05
    assert share.max() > 0.95
    # the gradient of half the square is the sample itself
    assert float(penalty.detach()) == pytest.approx(
        float((seen[0].flatten(1).norm(dim=1) - 1).square().mean()), rel=1e-4
    )


def test_the_loop_is_that_of_the_paper_with_a_moving_average():
    """Gulrajani et al. 2017, algorithm 1, written out."""
    plan = Schedule(steps=6, critic_steps=3, batch_size=16, lr=1e-2, betas=(0.1, 0.8), average=0.3, judge_every=2)
    trained = train_adversarial(Plane(), plan, 5)
    game, rng = Plane(), torch.Generator().manual_seed(5)
    critic, generator = (torch.optim.Adam(n.parameters(), 1e-2, (0.1, 0.8)) for n in (game.critic, game.generator))
    averaged, best, gaps = copy.deepcopy(game.generator), (torch.inf, None, None), []

    def take(optimiser, loss_of, done):
        rows = torch.randint(game.n_samples, (16,), generator=rng)
        loss, facts = loss_of(rows, done / 6, rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return facts

    for done in range(6):
        gaps += [float(take(critic, game.critic_loss, done)["gap"].detach()) for _ in range(3)]
        take(generator, game.generator_loss, done)
        share = 1.0 if done == 0 else 1 - min(0.3, (1 + done) / (10 + done))
        with torch.no_grad():
            for old, new in zip(averaged.parameters(), game.generator.parameters(), strict=True):
                old.lerp_(new, share)
        if done % 2:
            score = game.judge(averaged)["score"]
            if score < best[0]:
                best = (score, copy.deepcopy(averaged.state_dict()), copy.deepcopy(game.critic.state_dict()))
    for found, known in ((trained.generator, best[1]), (trained.critic, best[2])):
        assert all(torch.allclose(value, known[name], atol=1e-5) for name, value in found.state_dict().items())
    means = [sum(gaps[k : k + 6]) / 6 for k in (0, 6, 12)]
    assert [h["gap"] for h in trained.history] == pytest.approx(means, rel=1e-3)


def test_the_critic_is_that_of_the_best_generator_and_learns_nothing_in_the_others_turn():
    game = Plane()
    scores, states = iter([3.0, 1.0, 2.0]), []

    def judge(generator):
        states.append(copy.deepcopy((game.generator.state_dict(), game.critic.state_dict())))
        return {"score": next(scores), "diversity": 1.0}

    def generator_loss(rows, progress, rng):
        assert not any(p.requires_grad for p in game.critic.parameters())
        return Plane.generator_loss(game, rows, progress, rng)

    game.judge, game.generator_loss = judge, generator_loss
    trained = train_adversarial(game, QUICK, 0)
    assert trained.best_step == 4
    assert all(torch.equal(value, states[1][1][name]) for name, value in trained.critic.state_dict().items())
    assert all(p.requires_grad for p in trained.critic.parameters())


def test_one_poor_judgement_is_no_collapse():
    game, values = Plane(), iter([0.01, 0.01, 1.0] * 4)
    game.judge = lambda generator: {"score": 1.0, "diversity": next(values)}
    trained = train_adversarial(game, Schedule(steps=12, critic_steps=1, judge_every=1), 0)
    assert trained.stopped == ""
