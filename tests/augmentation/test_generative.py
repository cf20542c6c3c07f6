"""The masked-electrode GAN as a sampler: what it trains on, what it keeps, and when it refuses."""

import numpy as np
import pytest
import torch

import thymos.augmentation.generative as generative
from thymos.augmentation.generative import MaskedElectrodeGAN, _nearest, _planes, _unplaned
from thymos.base.checkpoints import kept_in
from thymos.base.errors import InputError
from thymos.nn.masking import PATTERNS
from thymos.signals.topography import grid_places

SHAPE = (2, 8, 3)  # bands, electrodes, windows
# generators of a few steps: that some samples do not pass is no news here
pytestmark = pytest.mark.filterwarnings("ignore:.* wanted samples were made")

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
        lambda self, rows, *rest: real(self, rows, *rest) | {"class": self._facts.codes[rows] == 0},
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


def test_a_generator_that_fills_in_by_heart_is_refused(make_samples, monkeypatch):
    samples = make_samples(subjects=3, trials=16, windows=4, shape=SHAPE)
    own = generative._Filling.filled

    def by_heart(self, generator, at, hidden, rng):
        known = torch.isin(at, self.train)[:, None, None]
        return torch.where(known, self.x[at] + 0.01, own(self, generator, at, hidden, rng))

    monkeypatch.setattr(generative._Filling, "filled", by_heart)
    sampler = MaskedElectrodeGAN(ch_names=NAMES, **SMALL)
    with pytest.warns(UserWarning, match="by heart"):
        new, _, _ = made(sampler, samples)
    assert len(new) == 0
    assert sampler.memorised_["recall"] < 0.1
    monkeypatch.undo()
    honest = MaskedElectrodeGAN(ch_names=NAMES, **SMALL)
    made(honest, samples)
    assert 0.8 < honest.memorised_["recall"] < 1.2


def test_class_and_subject_reach_the_networks(samples):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, subjects=True, filtered=False, **SMALL)
    _, _, meta = made(sampler, samples)
    assert sampler.subjects_.tolist() == ["s0", "s1", "s2"]
    assert sampler.generator_.subjects.num_embeddings == 3
    assert sampler.generator_.classes.num_embeddings == 2
    assert set(meta["subject"]) == {"s0", "s1", "s2"}
    with pytest.raises(InputError, match="without metadata"):
        MaskedElectrodeGAN(subjects=True, **SMALL).fit_resample(samples.X, samples.y)


@pytest.fixture
def few_judged(monkeypatch):
    monkeypatch.setattr(generative, "_JUDGED", 48)


@pytest.fixture
def fitted(samples, few_judged):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, subjects=True, filtered=False, **{**SMALL, "max_steps": 1})
    made(sampler, samples)
    with torch.no_grad():
        for block in sampler.generator_.middle:
            block.film.weight.normal_(std=0.1)
        for table in (sampler.critic_.classes, sampler.critic_.subjects):
            table.weight.normal_()
    return sampler


def test_the_losses_are_those_of_the_paper(fitted):
    game, rows = fitted._game_, torch.arange(5, 21)
    critic, generator, weights = game.critic, game.generator, game.weights
    rng, again = (torch.Generator().manual_seed(4) for _ in range(2))
    loss, facts = game.critic_loss(rows, 0.3, rng)
    at = game.train[rows]
    hidden = game.drawn_masks(16, 0.2, 0.3 + 0.5 * 0.6, 0.1, again)
    x, y, subject = game.x[at], game.y[at], game.subject[at]
    one = generator(x, hidden, torch.randn(16, 32, generator=again), y, subject)
    new = torch.where(hidden[:, None], one, x).detach()
    wasserstein = (critic(x, hidden, y, subject) - critic(new, hidden, y, subject)).mean()
    assert facts["wasserstein"].item() == pytest.approx(wasserstein.item(), abs=1e-5)
    steep = generative.gradient_penalty(lambda v: critic(v, hidden, y, subject), x, new, again)
    assert loss.item() == pytest.approx((10 * steep - wasserstein).item(), rel=1e-4)

    rng, again = (torch.Generator().manual_seed(5) for _ in range(2))
    loss, facts = game.generator_loss(rows, 0.8, rng)
    hidden = game.drawn_masks(16, 0.2, 0.8, 0.1, again)
    assert hidden.all(dim=1).any(), "some samples have nothing to be compared with"
    z = torch.randn(32, 32, generator=again)
    one, two = generator(x, hidden, z[:16], y, subject), generator(x, hidden, z[16:], y, subject)
    new = torch.where(hidden[:, None], one, x)
    errors, spreads = [], []
    for k in range(16):
        there = hidden[k]
        error = (one[k] - x[k])[:, there].abs().mean()
        errors += [] if there.all() else [error]
        noise = (z[k] - z[16 + k]).abs().mean()
        spreads.append(((one[k] - two[k])[:, there].abs().mean() / noise).clamp(max=1.0))
    logits = torch.stack([game.judges[int(game.owner[a])](new[k : k + 1].flatten(1))[0] for k, a in enumerate(at)])
    known = {
        "adversarial": -critic(new, hidden, y, subject).mean(),
        "reconstruction": torch.stack(errors).mean(),
        "diversity_loss": -weights["diversity"] * torch.stack(spreads).mean(),
        "classification": 0.5 * torch.nn.functional.cross_entropy(logits, y),
    }
    assert {k: v.item() for k, v in facts.items()} == pytest.approx({k: v.item() for k, v in known.items()}, rel=1e-3)
    assert loss.item() == pytest.approx((sum(known.values()) + 4 * known["reconstruction"]).item(), rel=1e-3)


def test_hidden_shares_rise_to_the_largest_at_half_time(fitted, monkeypatch):
    game, asked = fitted._game_, []
    monkeypatch.setattr(game, "drawn_masks", lambda *given: asked.append(given[:4]))
    for progress in (0.0, 0.25, 0.5, 1.0):
        game._batch(torch.arange(3), progress, None)
    assert np.array(asked) == pytest.approx(np.array([[3, 0.2, most, 0.1] for most in (0.3, 0.55, 0.8, 0.8)]))


def test_judges_did_not_see_the_trials_that_they_judge(samples, monkeypatch, few_judged):
    parts, original = [], generative.MLPClassifier.fit_many
    monkeypatch.setattr(
        generative.MLPClassifier, "fit_many", lambda self, *given: parts.extend(given[0]) or original(self, *given)
    )
    sampler = MaskedElectrodeGAN(filtered=False, **{**SMALL, "max_steps": 1})
    made(sampler, samples)
    game, facts = sampler._game_, sampler._facts
    assert len(parts) == 3
    seen = [{row.tobytes() for row in X} for X, _ in parts]
    by_trial = {}
    for row in facts.train:
        judge = int(game.owner[row])
        by_trial.setdefault(facts.trials[row], set()).add(judge)
        flat = game.x[row].numpy()
        assert flat.tobytes() not in seen[judge]
        assert all(flat.tobytes() in rows for number, rows in enumerate(seen) if number != judge)
    assert all(len(judges) == 1 for judges in by_trial.values())
    at = torch.as_tensor(facts.train[:20])
    with torch.no_grad():
        known = [game.judges[int(game.owner[a])](game.x[a].flatten()[None])[0] for a in at]
        assert torch.allclose(game.judged(game.x[at], at), torch.stack(known), atol=1e-5)


def labelled(samples, rare):
    """Return samples of which some trials have a class of their own."""
    y = np.where(samples.meta["trial"].isin(rare), "rare", samples.y)
    return samples.replace(y=y)


def test_the_trials_of_each_class_are_dealt_evenly_to_the_judges(samples, few_judged):
    dealt = []
    for seed in range(6):
        given = {**SMALL, "max_steps": 1, "random_state": seed, "validation": 0.0, "filtered": False}
        sampler = MaskedElectrodeGAN(**given)
        made(sampler, labelled(samples, ["s0-t0", "s1-t2"]))
        assert len(sampler._game_.judges) == 3
        assert sampler.remarks_[1:] == []
        facts = sampler._facts
        _, first = np.unique(facts.trials, return_index=True)
        owner = sampler._game_.owner.numpy()[first]
        counts = np.stack([np.bincount(owner[facts.codes[first] == code], minlength=3) for code in range(3)])
        assert (np.ptp(counts, axis=1) <= 1).all()
        dealt.append(owner.tolist())
    assert len(np.unique(dealt, axis=0)) > 1, "the seed has no say"


def test_a_judge_that_has_seen_what_it_judges_is_told_of(samples, few_judged):
    sampler = MaskedElectrodeGAN(filtered=False, **{**SMALL, "max_steps": 1})
    with pytest.warns(UserWarning, match="has seen the sources"):
        made(sampler, labelled(samples, ["s0-t0"]))
    assert len(sampler._game_.judges) == 1
    assert "has seen the sources" in sampler.remarks_[1]
    nobody = MaskedElectrodeGAN(filtered=False, classification=0.0, **{**SMALL, "max_steps": 1})
    made(nobody, labelled(samples, ["s0-t0"]))
    assert len(nobody.remarks_) == 1, "nobody was asked"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 1000 / 3, -1e-5 / 3])
def test_an_electrode_that_never_changes_stays_as_it_is(value, dtype, samples, few_judged):
    X = 1e-6 * samples.X.astype(dtype)  # volts
    X[:, :, 3] = value
    sampler = MaskedElectrodeGAN(ch_names=NAMES, filtered=False, **SMALL)
    new = made(sampler, samples.replace(X=X))[0]
    x = sampler._game_.x[sampler._game_.train]
    assert (x[:, :, 3] == 0).all()
    assert np.delete(x.std(dim=0).numpy(), 3, axis=1) == pytest.approx(1.0, rel=0.01)
    assert (new[:, :, 3] == X[0, 0, 3, 0]).all()


def test_values_far_from_zero_are_standardised_in_the_precision_that_they_came_in(samples, few_judged):
    sampler = MaskedElectrodeGAN(filtered=False, **{**SMALL, "max_steps": 1})
    made(sampler, samples.replace(X=1e4 + samples.X.astype(np.float64)))
    x = sampler._game_.x[sampler._game_.train]
    assert np.allclose(x.mean(dim=0), 0, atol=1e-6)


@pytest.mark.parametrize("mask", ["random", "all"])
@pytest.mark.parametrize("kind", ["dead", "mostly one value"])
def test_an_electrode_that_hardly_changes_does_not_fail_the_rule_of_the_range(kind, mask, samples, monkeypatch):
    monkeypatch.setattr(generative, "_SURE", 0.0)  # a generator of a few steps makes nothing that looks like a class
    X = samples.X.copy()
    X[:, :, 3] = 5.0 if kind == "dead" else np.maximum(X[:, :, 3], 1.0)
    shares = []
    for values in (samples.X, X):
        sampler = MaskedElectrodeGAN(ch_names=NAMES, mask=mask, **SMALL)
        new, _, _ = made(sampler, samples.replace(X=values))
        shares.append([found["range"] for found in sampler.acceptance_.values()])
        assert len(new)
    assert np.mean(shares[1]) > np.mean(shares[0]) - 0.05


def test_electrodes_lie_on_the_scalp_and_so_do_their_masks(fitted, samples):
    places = grid_places(NAMES)
    assert fitted.generator_.cells.tolist() == fitted.critic_.cells.tolist() == (places @ (9, 1)).tolist()
    masks = fitted._game_.masks
    assert masks.weights.tolist() == pytest.approx(list(PATTERNS.values()))
    assert masks.regions[0].tolist() == [name[-1] in "13579" for name in NAMES]
    lobes = [row.nonzero()[:, 0].tolist() for row in masks.regions[2:]]
    assert sorted(lobes) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    nameless = MaskedElectrodeGAN(filtered=False, **{**SMALL, "max_steps": 1})
    made(nameless, samples)
    assert nameless.generator_.cells.tolist() == list(range(8))
    assert nameless._game_.masks.weights[1:].tolist() == [0.0] * 3


def test_trials_held_back_judge_the_generator_and_whether_it_remembers(samples, monkeypatch, few_judged):
    given = {"mmd2": [], "memorisation": []}
    for name, calls in given.items():
        original = getattr(generative, name)
        monkeypatch.setattr(generative, name, lambda *args, c=calls, o=original: c.append(args) or o(*args))
    sampler = MaskedElectrodeGAN(**SMALL)
    made(sampler, samples)
    game = sampler._game_
    train, held = (game.x[rows].flatten(1).numpy() for rows in (game.train, game.held))
    assert len(held) == 32
    assert len(given["mmd2"]) == 3
    for real, new in given["mmd2"]:
        assert np.array_equal(real, held)
        assert new.shape == (48, held.shape[1])
    ((first, second, _, trials, _),) = given["memorisation"]
    assert np.array_equal(first, train)
    assert np.array_equal(second, held)
    assert np.array_equal(trials, sampler._facts.trials[sampler._facts.held])
    assert np.allclose(train.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(train.std(axis=0), 1, atol=1e-3)
    with torch.no_grad():
        assert game.judge(sampler.generator_) == game.judge(sampler.generator_)


def test_each_rule_of_the_filter_has_its_bounds(samples, monkeypatch, few_judged):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, **{**SMALL, "max_steps": 1})
    made(sampler, samples)
    game, rows = sampler._game_, sampler._facts.train[3:24]
    at, hidden = torch.as_tensor(rows), torch.ones(21, 8, dtype=torch.bool)
    new, own = game.x[at] + 0.1, []
    original = generative._nearest
    monkeypatch.setattr(generative, "_nearest", lambda *given: own.append(given[3:]) or original(*given))
    real = torch.linspace(0, 1, game.n_samples)
    scores = iter([real, torch.tensor([-0.01, 0.02, 0.06, 0.5, 0.94, 0.98] + [0.5] * 15)])
    monkeypatch.setattr(sampler, "critic_", lambda *given: next(scores))
    sure = torch.tensor([0.4, 0.6] * 10 + [0.4])
    y = game.y[at]
    logits = torch.stack([torch.where(y == k, sure, 1 - sure) for k in (0, 1)], dim=1).log()
    monkeypatch.setattr(game, "judged", lambda *given: logits)
    sampler._limits = sampler._of_real(0)  # of all real samples, whatever is drawn in a round
    rules = sampler._rules(rows, new, hidden)
    assert rules["class"].tolist() == (sure > 0.5).tolist()
    assert rules["critic"].tolist() == [False, False, True, True, True, False] + [True] * 15
    (left_out,), none = own
    assert none == ()
    assert sorted(left_out.tolist()) == list(range(game.n_samples)), "a sample is no neighbour of its own"


def test_samples_that_pass_keep_their_source(samples, monkeypatch, few_judged):
    monkeypatch.setattr(MaskedElectrodeGAN, "_rules", lambda self, rows, *rest: {"class": np.arange(len(rows)) % 3 > 0})
    sampler = MaskedElectrodeGAN(ch_names=NAMES, **{**SMALL, "max_steps": 1, "tries": 2})
    new, y, meta = made(sampler, samples)
    # 36 of each class wanted: 24 pass at first, 8 of the other 12 then
    assert sampler.n_made_ == {"calm": 32, "tense": 32}
    assert sampler.acceptance_["calm"]["all"] == pytest.approx(32 / 48)
    for row, label, trial in zip(new, y, meta["source_trial"], strict=True):
        sources = samples.X[(samples.meta["trial"] == trial).to_numpy() & (samples.y == label)]
        assert (sources == row).all(axis=(1, 3)).any(), "no electrode is that of the trial it is said to come from"


def test_another_training_has_a_state_of_its_own(samples, tmp_path, few_judged):
    with kept_in(tmp_path):
        for change in ({}, {"reconstruction": 1.0}, {"lr": 1e-4}, {"random_state": 1}, {"weight": 0.1, "tries": 3}):
            given = {**SMALL, "max_steps": 1, "classification": 0.0, "filtered": False, **change}
            made(MaskedElectrodeGAN(**given), samples)
    assert len(list(tmp_path.iterdir())) == 4


def test_with_everything_hidden_nothing_of_the_source_is_left(samples):
    sampler = MaskedElectrodeGAN(mask="all", filtered=False, **SMALL)
    new, _, meta = made(sampler, samples)
    for row, trial in zip(new, meta["source_trial"], strict=True):
        assert not (samples.X[(samples.meta["trial"] == trial).to_numpy()] == row).any()


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


def test_remarks_tell_what_is_kept_and_what_memory_there_is(samples):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, **SMALL)
    made(sampler, samples)
    kept, memory = sampler.remarks_
    assert "20% to 70%" in kept
    assert f"{sampler.memorised_['ratio']:.2f}" in memory
    bare = MaskedElectrodeGAN(mask="all", filtered=False, **SMALL)
    made(bare, samples)
    assert bare.remarks_ == []


def test_fewer_samples_than_wanted_are_said(samples, monkeypatch):
    few = {name: np.arange(1000) % 7 == 0 for name in ("class", "critic", "distance", "range")}
    monkeypatch.setattr(
        MaskedElectrodeGAN, "_rules", lambda self, rows, *rest: {k: v[: len(rows)] for k, v in few.items()}
    )
    with pytest.warns(UserWarning, match=r"\d+ of 72 wanted samples were made"):
        made(MaskedElectrodeGAN(ch_names=NAMES, tries=1, **SMALL), samples)


def test_the_control_takes_hidden_electrodes_from_other_samples_of_the_class(samples):
    sampler = MaskedElectrodeGAN(ch_names=NAMES, filtered=False, **SMALL)
    made(sampler, samples)
    X, y = sampler.unlearnt(20)
    assert X.shape == (40, *samples.X.shape[1:])
    for row, label in zip(X, y, strict=True):
        mine = samples.X[samples.y == label]
        sources = (mine == row).all(axis=(1, 3)).sum(axis=1)  # electrodes that each sample lent
        assert sorted(sources)[-2:] == [8, 8] or np.sort(sources)[-2:].sum() == len(NAMES)
    assert np.array_equal(X, sampler.unlearnt(20)[0])
    assert not np.array_equal(X, sampler.sample(20)[0])
