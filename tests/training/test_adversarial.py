"""The adversarial loop on a game in the plane."""

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
