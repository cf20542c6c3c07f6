"""The masked-electrode GAN as a sampler: what it trains on, what it keeps, and when it refuses."""

import numpy as np
import pytest
import torch

import thymos.augmentation.generative as generative
from thymos.augmentation.generative import MaskedElectrodeGAN, _nearest, _planes, _unplaned
from thymos.base.checkpoints import kept_in
from thymos.base.errors import InputError
from thymos.nn.masking import PATTERNS

SHAPE = (2, 8, 3)  # bands, electrodes, windows
NAMES = ["Fp1", "Fp2", "C3", "C4", "T7", "T8", "O1", "O2"]
SMALL = {
    **{"width": 8, "max_steps": 6, "critic_steps": 1, "judge_every": 2, "batch_size": 16, "lr": 1e-3},
    **{"average": 0.5, "random_state": 0},
}


@pytest.fixture
def samples(make_samples):
    return make_samples(subjects=3, trials=12, windows=4, shape=SHAPE, effect=1.0)


def made(sampler, samples):
    X, y, meta = sampler.fit_resample(samples.X, samples.y, meta=samples.meta)
    n = len(samples)
    return X[n:], y[n:], meta.iloc[n:].reset_index(drop=True)


def test_visible_electrodes_are_those_of_the_source_bit_for_bit_and_exactly_the_masked_ones_are_filled(samples):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, filtered=False, **SMALL)
    new, y, meta = made(sampler, samples)
    for row, label, trial in zip(new, y, meta["source_trial"], strict=True):
        sources = samples.X[(samples.meta["trial"] == trial).to_numpy() & (samples.y == label)]
        same = (sources == row).all(axis=(1, 3))  # (sources, electrodes)
        best = same[same.sum(axis=1).argmax()]
        assert 0 < best.sum() < len(NAMES)
        untouched = (sources[same.sum(axis=1).argmax()] == row)[:, ~best]
        assert not untouched.any(), "a hidden electrode kept some of its values"


def test_no_source_is_among_the_trials_held_back_and_the_generator_never_sees_these(samples):
    for seed in range(8):
        sampler = MaskedElectrodeGAN(filtered=False, **{**SMALL, "max_steps": 1, "random_state": seed})
        _, _, meta = made(sampler, samples)
        facts = sampler._facts
        held = set(samples.meta["trial"].iloc[facts.held])
        assert len(held) == 8  # a fifth of eighteen trials of each class, rounded
        assert not held & set(meta["source_trial"])
        assert not held & set(samples.meta["trial"].iloc[facts.train])
        assert set(samples.y[facts.held]) == {"calm", "tense"}
    other = samples.X.copy()
    other[facts.held] *= 50
    again = MaskedElectrodeGAN(filtered=False, **{**SMALL, "max_steps": 1, "random_state": 7})
    first, second = made(sampler, samples)[0], made(again, samples.replace(X=other))[0]
    assert np.array_equal(first, second)


def test_it_learns_to_fill_in_what_is_redundant(make_samples):
    """All electrodes carry the same course, so that the visible ones tell the hidden ones."""
    samples = make_samples(subjects=2, trials=20, windows=4, shape=SHAPE)
    X = np.repeat(samples.X[:, :, :1], 8, axis=2) + 0.05 * samples.X
    sampler = MaskedElectrodeGAN(
        ch_names=NAMES,
        **{**SMALL, "max_steps": 150, "judge_every": 50, "lr": 5e-3, "average": 0.9},
        reconstruction=50.0,
        filtered=False,
    )
    made(sampler, samples.replace(X=X))
    errors = [h["reconstruction"] for h in sampler.history_]
    assert errors[0] > 0.6
    assert errors[-1] < 0.5, "0.8 is what knowing nothing gives"
    assert sampler.history_[-1]["score"] < sampler.history_[0]["score"] + 0.02


def test_the_filter_throws_away_what_breaks_a_rule(samples):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, **SMALL)
    made(sampler, samples)
    game, rows = sampler._game_, sampler._facts.train[:40]
    at = torch.as_tensor(rows)
    hidden = torch.ones(40, 8, dtype=torch.bool)
    train = game.x[game.train]
    copies = sampler._rules(rows, game.x[at], hidden)
    assert not copies["distance"].any(), "copies of training samples pass"
    assert copies["range"].all()
    far = sampler._rules(rows, game.x[at] + 30, hidden)
    assert not far["distance"].any()
    assert not far["range"].any()
    swapped = rows[::-1].copy()
    wrong = sampler._rules(swapped, game.x[at], hidden)
    assert wrong["class"].mean() < 1
    assert len(train) == game.n_samples


def test_acceptance_is_told_and_a_class_that_nobody_recognises_switches_it_off(samples, monkeypatch):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, **SMALL)
    new, y, _ = made(sampler, samples)
    assert set(sampler.acceptance_) == {"calm", "tense"}
    assert set(sampler.acceptance_["calm"]) == {"class", "critic", "distance", "range", "all"}
    assert sampler.n_made_ == {label: int((y == label).sum()) for label in ("calm", "tense")}
    assert all(count <= 36 for count in sampler.n_made_.values())

    real = MaskedElectrodeGAN._rules
    monkeypatch.setattr(
        MaskedElectrodeGAN,
        "_rules",
        lambda self, rows, *rest: real(self, rows, *rest) | {"class": np.zeros(len(rows), bool)},
    )
    with pytest.warns(UserWarning, match="look like it"):
        new, _, _ = made(MaskedElectrodeGAN(ch_names=NAMES, **SMALL), samples)
    assert len(new) == 0


def test_a_generator_that_returns_its_training_samples_is_refused(make_samples, monkeypatch):
    samples = make_samples(subjects=3, trials=16, windows=4, shape=SHAPE)

    def remembered(self, generator, n, rng):
        at = torch.randint(self.n_samples, (n,), generator=rng)
        return self.x[self.train[at]] + 0.01

    monkeypatch.setattr(generative._Filling, "unseen", remembered)
    sampler = MaskedElectrodeGAN(ch_names=NAMES, **SMALL)
    with pytest.warns(UserWarning, match="returns what it was trained on"):
        new, _, _ = made(sampler, samples)
    assert len(new) == 0
    assert sampler.memorised_["memorised"]
    assert "returns what" in sampler.refused_


def test_class_and_subject_reach_the_networks(samples):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, subjects=True, filtered=False, **SMALL)
    _, _, meta = made(sampler, samples)
    assert sampler.subjects_.tolist() == ["s0", "s1", "s2"]
    assert sampler.generator_.subjects.num_embeddings == 3
    assert sampler.generator_.classes.num_embeddings == 2
    assert set(meta["subject"]) == {"s0", "s1", "s2"}
    with pytest.raises(InputError, match="without metadata"):
        MaskedElectrodeGAN(subjects=True, **SMALL).fit_resample(samples.X, samples.y)


def test_with_everything_hidden_nothing_of_the_source_is_left(samples):
    sampler = MaskedElectrodeGAN(mask="all", filtered=False, **SMALL)
    new, _, _ = made(sampler, samples)
    flat = samples.X.reshape(len(samples), -1)
    assert not np.isin(new.reshape(len(new), -1), flat).any()


def test_a_killed_training_goes_on_and_an_equal_one_is_not_repeated(samples, tmp_path, monkeypatch):
    whole = made(MaskedElectrodeGAN(**SMALL), samples)[0]
    judge, calls = generative._Filling.judge, []

    def killed(self, generator):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(self, generator)

    monkeypatch.setattr(generative._Filling, "judge", killed)
    with kept_in(tmp_path):
        with pytest.raises(KeyboardInterrupt):
            made(MaskedElectrodeGAN(**SMALL), samples)
        assert np.array_equal(made(MaskedElectrodeGAN(**SMALL), samples)[0], whole)
        count = len(calls)
        more = made(MaskedElectrodeGAN(**{**SMALL, "ratio": 1.0}), samples)[0]
        assert len(calls) == count, "another ratio needs no other generator"
        assert len(more) > len(whole)
        assert len(list(tmp_path.iterdir())) == 1


def test_samples_of_each_class_are_drawn_on_demand(samples):
    sampler = MaskedElectrodeGAN(filtered=False, **SMALL)
    made(sampler, samples)
    X, y = sampler.sample(5)
    assert X.shape == (10, *SHAPE)
    assert y.tolist() == ["calm"] * 5 + ["tense"] * 5
    assert np.array_equal(X, sampler.sample(5)[0])


def test_the_nearest_training_sample_is_that_at_hidden_electrodes():
    rng = torch.Generator().manual_seed(0)
    x, train = torch.randn(6, 2, 5, generator=rng), torch.randn(9, 2, 5, generator=rng)
    hidden = torch.rand(6, 5, generator=rng) < 0.5
    hidden[:, 0] = True
    own = torch.arange(6)
    for left_out in (None, own):
        found = _nearest(x, train, hidden, left_out)
        for k in range(6):
            there = hidden[k]
            distances = (train[:, :, there] - x[k][:, there]).square().mean(dim=(1, 2)).sqrt()
            if left_out is not None:
                distances[k] = torch.inf
            assert found[k] == pytest.approx(float(distances.min()), rel=1e-3)


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5), (4,)])
def test_planes_and_back(shape):
    X = np.random.default_rng(0).standard_normal((6, *shape))
    planes = _planes(X)
    assert planes.shape[0] == 6
    assert planes.shape[-1] == shape[-2 if len(shape) > 1 else 0]
    assert np.array_equal(_unplaned(planes, shape), X)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 12},
        {"width": 4},
        {"mask": "some"},
        {"mask_max": 0.2},
        {"penalty": -1},
        {"max_steps": 0},
        {"tries": 0},
        {"ch_names": ["Fp1"]},
        {"validation": 1.0},
    ],
)
def test_impossible_parameters_are_refused_in_words(wrong, samples):
    with pytest.raises(InputError):
        made(MaskedElectrodeGAN(**{**SMALL, **wrong}), samples)


def test_patterns_are_a_distribution():
    assert sum(PATTERNS.values()) == pytest.approx(1)
