import warnings

import numpy as np
import pandas as pd
import pytest

from thymos.augmentation import SequenceRCGAN
from thymos.base.errors import InputError
from thymos.base.samples import of_modality

NAMES = ("hr", "hr_slope")
SMALL = {"hidden": 8, "max_steps": 4, "judge_every": 2, "batch_size": 16, "random_state": 0, "ratio": 0.5}


@pytest.fixture
def rates():
    """Return heart rates in Hz and slopes at 4 Hz of two classes, fast and slow, in trials of four windows."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.tile(["calm", "tense"], 20), 4)
    t, beats = np.arange(40) / 4, rng.standard_normal((160, 12))
    rate = np.stack([np.interp(t, np.arange(12), 0.04 * row) for row in beats])
    rate += np.where(y == "calm", 1.0, 1.6)[:, None] + 0.05 * rng.standard_normal((160, 1))
    X = np.stack([rate, np.gradient(rate, 0.25, axis=1)], axis=1).astype(np.float32)
    return X, y, pd.DataFrame({"trial": np.repeat(np.arange(40), 4).astype(str)})


def test_it_learns_what_classes_differ_in(rates):
    X, y, meta = rates
    sampler = SequenceRCGAN(NAMES, **{**SMALL, "hidden": 32, "max_steps": 400, "judge_every": 50, "lr": 5e-3})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it may not make as many as were wanted
        made, labels, table = sampler.fit_resample(X, y, meta=meta)
    assert np.array_equal(made[:160], X)
    new, of = made[160:, 0], labels[160:]
    assert len(new) > 20
    assert table["synthetic"][160:].all()
    assert new[of == "tense"].mean() - new[of == "calm"].mean() == pytest.approx(0.6, abs=0.15)
    first, best = sampler.history_[0]["score"], min(words["score"] for words in sampler.history_)
    assert best < 0.6 * first
    assert sampler.history_[[words["step"] for words in sampler.history_].index(sampler.best_step_)]["score"] == best


def test_checkpoints_are_judged_on_all_classes(rates, monkeypatch):
    X, y, meta = rates
    order = np.argsort(y, kind="stable")  # as corpora are sorted
    monkeypatch.setattr("thymos.augmentation.sequences._JUDGED", 24)
    sampler = SequenceRCGAN(NAMES, **SMALL, filtered=False, validation=0.5)
    sampler.fit_resample(X[order], y[order], meta=meta.iloc[order].reset_index(drop=True))
    play, asked = sampler._play, []
    monkeypatch.setattr(play, "made", lambda generator, codes, rng: asked.append(codes) or play.raw[: len(codes)])
    play.judge(None)
    assert len(asked[0]) == 24
    assert 6 < int(asked[0].sum()) < 18


def test_the_slope_is_that_of_the_rate_that_was_made(rates):
    X, y, meta = rates
    made = SequenceRCGAN(NAMES, **SMALL, filtered=False).fit_resample(X, y, meta=meta)[0][len(X) :]
    assert len(made) == 80
    assert np.allclose(made[:, 1], np.gradient(made[:, 0], axis=1) * 4.0, atol=1e-5)
    turned = SequenceRCGAN(NAMES[::-1], **SMALL, filtered=False).fit_resample(X[:, ::-1], y, meta=meta)[0][len(X) :]
    assert np.allclose(turned[:, ::-1], made, atol=1e-6)
    both = SequenceRCGAN(("a", "b"), **SMALL, filtered=False).fit_resample(X, y, meta=meta)[0][len(X) :]
    assert not np.allclose(both[:, 1], np.gradient(both[:, 0], axis=1) * 4.0, atol=1e-2)


def test_values_stay_within_those_of_training(rates):
    X, y, meta = rates
    options = {**SMALL, "noise_every": 0, "steady": 0, "changes": False}  # as published
    made = SequenceRCGAN(("a", "b"), **options, filtered=False).fit_resample(X, y, meta=meta)[0][len(X) :]
    for k in range(2):
        assert X[:, k].min() - 1e-5 <= made[:, k].min() <= made[:, k].max() <= X[:, k].max() + 1e-5


@pytest.mark.parametrize(
    ("rate", "rule"),
    [
        (np.full(40, 0.5), "rate"),
        (np.full(40, 3.2), "rate"),
        (np.where(np.arange(40) < 20, 1.0, 1.2), "change"),
        (1.0 + 0.04 * (-1.0) ** np.arange(40), "spectrum"),
    ],
)
def test_each_rule_of_the_filter_finds_what_it_is_for(rates, rate, rule):
    X, y, meta = rates
    sampler = SequenceRCGAN(NAMES, **SMALL, filtered=False)
    sampler.fit_resample(X, y, meta=meta)
    real = X[y == "calm"][:, :1]
    assert all(good.mean() > 0.8 for good in sampler._rules(real, 0).values())
    assert not sampler._rules(rate[None, None].astype(np.float32), 0)[rule].any()


def test_a_generator_of_nothing_plausible_adds_nothing(rates):
    X, y, meta = rates
    X = X + 0.1 * np.where(np.arange(40) < 20, 1, -1).astype(np.float32) * (np.arange(2) == 0)[:, None]  # all jump
    sampler = SequenceRCGAN(NAMES, **{**SMALL, "max_steps": 60, "lr": 5e-3}, noise_every=0, steady=0, changes=False)
    with pytest.warns(UserWarning, match="Nothing is generated: only 0%"):
        made, labels, table = sampler.fit_resample(X, y, meta=meta)
    assert len(made) == len(labels) == len(table) == len(X)
    assert set(sampler.n_made_.values()) == {0}
    assert "pass the filter" in sampler.refused_


def test_a_class_of_one_sequence_varies_as_the_others_do(rates):
    X, y, meta = rates
    rows = np.concatenate([np.flatnonzero(y == "calm"), np.flatnonzero(y == "tense")[:1]])
    sampler = SequenceRCGAN(NAMES, **SMALL, validation=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler.fit_resample(X[rows], y[rows], meta=meta.iloc[rows].reset_index(drop=True))
    others = X[y == "tense"][1:, :1]
    assert sampler._rules(others, 1)["spectrum"].mean() > 0.5


def test_a_generator_that_returns_its_training_sequences_adds_nothing(rates, monkeypatch):
    X, y, meta = rates
    from thymos.augmentation import sequences

    def copied(self, generator, codes, rng):
        draw = np.random.default_rng(int(codes.sum()) + len(codes))
        return np.stack([draw.choice(self.real(int(code))) for code in codes])

    monkeypatch.setattr(sequences._Sequences, "made", copied)
    with pytest.warns(UserWarning, match="returns what it was trained on"):
        made, *_ = SequenceRCGAN(NAMES, **SMALL).fit_resample(X, y, meta=meta)
    assert len(made) == len(X)


def test_copies_are_found_in_pairs_too_where_windows_overlap_and_occur_often(monkeypatch):
    from thymos.augmentation import sequences

    rng = np.random.default_rng(0)
    n, times = 40, np.arange(80) / 4
    slow = 1.2 + np.stack([np.interp(times, np.arange(24), row) for row in 0.04 * rng.standard_normal((n, 24))])
    windows = np.stack([slow[:, a : a + 40] for a in (0, 20, 40)], axis=1).reshape(3 * n, 40)  # half of each overlaps
    X = np.stack([windows, np.gradient(windows, 0.25, axis=1)], axis=1).astype(np.float32)
    y, trial = np.repeat(np.where(np.arange(n) % 3, "calm", "tense"), 3), np.repeat([f"t{k}" for k in range(n)], 3)
    rows = np.tile(np.arange(3 * n), 4)
    meta = pd.DataFrame({"trial": [f"pair {k}" for k in range(len(rows))], "trial of bvp": trial[rows]})

    def copied(self, generator, codes, rng):
        draw = np.random.default_rng(int(codes.sum()) + len(codes))
        made = np.stack([draw.choice(self.real(int(code))) for code in codes])
        return made + 1e-4 * draw.standard_normal(made.shape).astype(np.float32)

    monkeypatch.setattr(sequences._Sequences, "made", copied)
    with pytest.warns(UserWarning, match="returns what it was trained on"):
        SequenceRCGAN(NAMES, **SMALL).fit_resample(X[rows], y[rows], meta=of_modality(meta, "bvp"))


def test_rates_relative_to_rest_are_sequences_like_others(rates):
    X, y, meta = rates
    relative = ((X - X.mean(axis=(0, 2), keepdims=True)) / X.std(axis=(0, 2), keepdims=True)).astype(np.float32)
    sampler = SequenceRCGAN(NAMES, **SMALL, filtered=False).fit(relative, y)
    made, *_ = sampler.fit_resample(relative, y, meta=meta)
    assert len(made) > len(X)
    filtered = SequenceRCGAN(NAMES, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filtered.fit_resample(relative, y, meta=meta)
    assert all("rate" not in found and "change" not in found for found in filtered.acceptance_.values())


def test_a_generator_that_copies_the_rare_class_alone_is_refused_too(monkeypatch):
    from thymos.augmentation import sequences

    rng = np.random.default_rng(0)
    y = np.repeat(np.array(["pos"] * 60 + ["neg"] * 20), 4)
    times, beats = np.arange(40) / 4, rng.standard_normal((2, len(y), 12))
    level = np.where(y == "pos", 1.0, 1.6)[:, None] + 0.05 * rng.standard_normal((len(y), 1))
    known, new = (np.stack([np.interp(times, np.arange(12), 0.04 * b) for b in part]) + level for part in beats)
    X, fresh = (np.stack([r, np.gradient(r, 0.25, axis=1)], axis=1).astype(np.float32) for r in (known, new))
    meta = pd.DataFrame({"trial": np.repeat(np.arange(80), 4).astype(str)})

    def copied(self, generator, codes, rng):
        draw = np.random.default_rng(int(codes.sum()) + len(codes))
        pools = [self.real(0), fresh[y == "pos"][:, :1]]  # copies of the rare class, new ones of the other
        return np.stack([draw.choice(pools[int(code)]) for code in codes])

    monkeypatch.setattr(sequences._Sequences, "made", copied)
    with pytest.warns(UserWarning, match="trained on for class neg"):
        made, *_ = SequenceRCGAN(NAMES, **SMALL).fit_resample(X, y, meta=meta)
    assert len(made) == len(X)
    monkeypatch.setattr(
        sequences._Sequences,
        "made",
        lambda self, generator, codes, rng: np.stack(
            [
                np.random.default_rng(k).choice(fresh[y == ("neg", "pos")[int(code)]][:, :1])
                for k, code in enumerate(codes)
            ]
        ),
    )
    made, *_ = SequenceRCGAN(NAMES, **SMALL).fit_resample(X, y, meta=meta)
    assert len(made) > len(X)


def test_distances_are_those_of_courses_and_of_spectra(rates):
    X, y, meta = rates
    sampler = SequenceRCGAN(NAMES, **SMALL, filtered=False)
    sampler.fit_resample(X, y, meta=meta)
    found = sampler.features(X)
    assert found.shape == (160, 40 + 8)  # the slope follows from the rate
    turned = sampler.features(X[:, :, ::-1])
    assert np.allclose(turned[:, 40:], found[:, 40:], atol=1e-2)
    assert np.allclose(turned[:, :40], found[:, 39::-1], atol=1e-6)


def test_held_back_trials_are_never_trained_on(rates):
    X, y, meta = rates
    sampler = SequenceRCGAN(NAMES, **SMALL, filtered=False, validation=0.25)
    sampler.fit_resample(X, y, meta=meta)
    play = sampler._play
    assert len(play.held) == 40
    assert not set(meta["trial"].iloc[play.held]) & set(meta["trial"].iloc[play.train])
    changed = X.copy()
    changed[play.held] = 1.3 + 0.1 * np.random.default_rng(1).standard_normal((40, *X.shape[1:]))
    again = SequenceRCGAN(NAMES, **SMALL, filtered=False, validation=0.25)
    again.fit_resample(changed, y, meta=meta)
    losses = [[h["real"] for h in s.history_] for s in (sampler, again)]
    assert losses[0] == losses[1]


def test_a_killed_training_goes_on_and_an_equal_one_is_not_repeated(rates, tmp_path, monkeypatch):
    from thymos.base.checkpoints import kept_in
    from thymos.training import adversarial

    X, y, meta = rates
    options = {**SMALL, "filtered": False}
    whole = SequenceRCGAN(NAMES, **options).fit_resample(X, y, meta=meta)[0]
    original, steps = adversarial._Loop.step, []

    def dying(self):
        if len(steps) == 3:
            raise KeyboardInterrupt
        steps.append(1)
        original(self)

    monkeypatch.setattr(adversarial._Loop, "step", dying)
    with kept_in(tmp_path), pytest.raises(KeyboardInterrupt):
        SequenceRCGAN(NAMES, **options).fit_resample(X, y, meta=meta)
    monkeypatch.setattr(adversarial._Loop, "step", lambda self: (steps.append(1), original(self)))
    with kept_in(tmp_path):
        again = SequenceRCGAN(NAMES, **options).fit_resample(X, y, meta=meta)[0]
        assert len(steps) == 3 + 2, "it did not go on at the second step"
        SequenceRCGAN(NAMES, **{**options, "ratio": 0.25}).fit_resample(X, y, meta=meta)
    assert len(steps) == 5
    assert np.array_equal(again, whole)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": 0},
        {"sfreq": 0},
        {"lr": -1.0},
        {"critic_lr": 0.0},
        {"ch_names": ["hr"]},
        {"validation": 1.0},
        {"steady": 11},
    ],
)
def test_impossible_parameters_are_refused(rates, options):
    X, y, meta = rates
    with pytest.raises(InputError):
        SequenceRCGAN(**{"ch_names": NAMES, **SMALL, **options}).fit_resample(X, y, meta=meta)
    if "lr" not in "".join(options):
        with pytest.raises(InputError, match="column trial"):
            SequenceRCGAN(NAMES, **SMALL).fit_resample(X, y, meta=meta.rename(columns={"trial": "t"}))
