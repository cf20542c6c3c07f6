"""Generated photographs: how many, of what, and what is refused."""

import warnings

import numpy as np
import pytest

from thymos.augmentation import FaceDCGAN, Oversample, images
from thymos.augmentation.base import synthetic_budget
from thymos.augmentation.images import _Form
from thymos.base.checkpoints import kept_in
from thymos.base.errors import InputError
from thymos.sources.simulate.photos import SimulatedFaces

pytestmark = pytest.mark.filterwarnings("ignore:.* wanted samples were made")
SMALL = {
    **{"width": 4, "pretraining_steps": 12, "class_steps": 6, "judge_every": 6, "judge_epochs": 1, "lr": 0.05},
    **{"average": 0.0, "batch_size": 16, "random_state": 0},
}


@pytest.fixture(scope="module")
def faces():
    """Return faces of two kinds, of which one is rare."""
    samples = SimulatedFaces(photos=160, people=20, size=24).load().images()
    rare = np.isin(samples.meta["emotion"], ["surprise", "fear"])
    return samples.replace(y=np.where(rare, "rare", "usual"))


def test_the_budget_is_that_of_the_card():
    counts = (3995, 436, 4097, 7215, 4830, 3171, 4965)
    assert synthetic_budget(counts).tolist() == [365, 1308, 263, 0, 0, 1189, 0]
    uncapped = synthetic_budget(counts, most=100)
    assert uncapped.sum() == pytest.approx(0.2 * sum(counts), abs=2)
    levels = {int(n + more) for n, more in zip(counts, uncapped, strict=True) if more}
    assert max(levels) - min(levels) <= 1
    assert 4350 < min(levels) < 4370


def test_losses_are_computed_in_bfloat16_where_that_is_fast(faces, monkeypatch):
    monkeypatch.setattr("thymos.training.adversarial.fast_in_half", lambda device: True)
    histories = []
    for amp in (True, False):
        sampler = FaceDCGAN(filtered=False, amp=amp, **SMALL)
        X, _, _ = sampler.fit_resample(faces.X, faces.y, meta=faces.meta)
        assert X.dtype == np.uint8
        histories.append([sampler.history_[0][name] for name in ("real", "generated", "adversarial")])
    assert histories[0] != histories[1]
    assert histories[0] == pytest.approx(histories[1], rel=0.2)


@pytest.mark.parametrize(
    ("counts", "made"), [([10, 10], [1, 1]), ([100, 1], [0, 3]), ([5, 10, 100], [14, 9, 0]), ([50], [10])]
)
def test_budgets_by_hand(counts, made):
    assert synthetic_budget(counts, 0.2 if counts != [10, 10] else 0.1).tolist() == made


def test_any_sampler_can_keep_to_the_budget(faces):
    sampler = Oversample(ratio="budget", random_state=0)
    sampler.fit_resample(faces.X, faces.y)
    known = synthetic_budget([np.sum(faces.y == name) for name in ("rare", "usual")])
    assert [sampler.n_made_[name] for name in ("rare", "usual")] == known.tolist()
    assert known[1] == 0
    with pytest.raises(InputError, match="ratio='all'"):
        Oversample(ratio="all").fit_resample(faces.X, faces.y)


def test_only_classes_that_lack_photographs_get_some_and_real_ones_stay(faces):
    sampler = FaceDCGAN(filtered=False, **SMALL)
    X, y, meta = sampler.fit_resample(faces.X, faces.y, meta=faces.meta)
    n = len(faces)
    assert np.array_equal(X[:n], faces.X)
    assert X.dtype == np.uint8
    assert set(y[n:]) == {"rare"}
    assert sampler.n_made_["rare"] == len(y) - n > 0
    assert set(sampler.generators_) == {"rare"}
    assert (meta["source_trial"].iloc[n:] == "").all()
    assert X[n:].std(axis=0).mean() > 1, "all photographs are one"
    assert [(h["stage"], h["step"]) for h in sampler.history_] == [("all", 6), ("all", 12), ("rare", 18)]
    made, labels = sampler.sample(5)
    assert made.shape == (5, 1, 24, 24)
    assert set(labels) == {"rare"}


def test_generators_see_no_photograph_that_is_held_back(faces, monkeypatch):
    seen = []
    batch = FaceDCGAN.__init__.__globals__["_Photos"]._batch

    def watched(self, rows):
        seen.append(set(np.asarray(self.rows)[rows.numpy()].tolist()) & set(self.held.tolist()))
        return batch(self, rows)

    monkeypatch.setattr("thymos.augmentation.images._Photos._batch", watched)
    sampler = FaceDCGAN(filtered=False, validation=0.3, **SMALL)
    sampler.fit_resample(faces.X, faces.y, meta=faces.meta)
    assert len(seen) > 20
    assert not set.union(*seen)
    assert len(sampler._play.held) > 20


def test_a_class_that_the_network_does_not_recognise_is_refused_and_said(faces, monkeypatch):
    from thymos.models.face_cnn import FaceCNN

    monkeypatch.setattr(FaceCNN, "predict_proba", lambda self, X: np.tile([0.0, 1.0], (len(X), 1)))
    sampler = FaceDCGAN(tries=2, **SMALL)
    with pytest.warns(UserWarning, match="Nothing is generated of class rare: only 0% look like it, of real ones"):
        _, y = sampler.fit_resample(faces.X, faces.y)
    assert len(y) == len(faces)
    assert "look like it" in sampler.refused_["rare"]


def test_a_generator_whose_photographs_are_alike_is_refused(faces, monkeypatch):
    monkeypatch.setattr("thymos.training.adversarial._COLLAPSED", np.inf)
    with pytest.warns(
        UserWarning, match="Nothing is generated of class rare: its training failed, all that it made was"
    ):
        FaceDCGAN(filtered=False, **SMALL).fit_resample(faces.X, faces.y, meta=faces.meta)


def test_a_generator_that_returns_its_photographs_is_refused(faces, monkeypatch):
    def remembered(self, generator, y, rng):
        rows = self.train[self.codes[self.train] == int(y[0])]
        return self.photos[rows[np.arange(len(y)) % len(rows)]]

    monkeypatch.setattr("thymos.augmentation.images._Photos.made", remembered)
    sampler = FaceDCGAN(validation=0.4, **{**SMALL, "judge_epochs": 3})
    with pytest.warns(UserWarning, match="returns what it was trained on"):
        sampler.fit_resample(faces.X, faces.y, meta=faces.meta)
    assert sampler.memorised_["rare"]["memorised"]


@pytest.mark.parametrize(("copies", "photos"), [(1.0, 11), (0.4, 160)])
def test_copies_are_found_among_others_and_in_a_tiny_class(copies, photos, faces, monkeypatch):
    original = FaceDCGAN.__init__.__globals__["_Photos"].made

    def remembered(self, generator, y, rng):
        made, rows = original(self, generator, y, rng), self.train[self.codes[self.train] == int(y[0])]
        some = round(copies * len(y))
        made[:some] = self.photos[rows[np.arange(some) % len(rows)]]
        return made

    few = np.concatenate([np.flatnonzero(faces.y == "usual"), np.flatnonzero(faces.y == "rare")[:photos]])
    monkeypatch.setattr("thymos.augmentation.images._Photos.made", remembered)
    sampler = FaceDCGAN(validation=0.3, **{**SMALL, "judge_epochs": 3})
    with pytest.warns(UserWarning, match="Nothing is generated of class rare: it returns"):
        sampler.fit_resample(faces.X[few], faces.y[few])
    assert sampler.memorised_["rare"]["memorised"]


def test_what_was_not_tested_is_said(faces):
    sampler = FaceDCGAN(filtered=False, **SMALL)
    sampler.fit_resample(faces.X, faces.y)
    assert sampler.remarks_ == ["rare: not tested whether training photographs are returned."]


def test_as_many_real_photographs_pass_as_the_filter_says(faces):
    sampler = FaceDCGAN(validation=0.4, **{**SMALL, "judge_epochs": 4})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler.fit_resample(faces.X, faces.y)
    play, code = sampler._play, 0
    real = play.photos[play.held[play.codes[play.held] == code]]
    least, share = sampler._bar(code)
    assert share == np.mean(sampler._judge.predict_proba(real)[:, code] >= least)
    assert least == 0.5 or share >= 0.75


def test_checkpoints_are_judged_on_all_classes_and_copies_are_held_back_together():
    samples = SimulatedFaces(photos=320, people=20, size=24).load().images()
    order = np.argsort(samples.meta["emotion"].to_numpy(), kind="stable")  # as corpora are sorted
    X, y = samples.X[order], samples.meta["emotion"].to_numpy()[order]
    meta = samples.meta.iloc[order].reset_index(drop=True).assign(picture=[f"p{k // 2}" for k in range(len(y))])
    sampler = FaceDCGAN(filtered=False, validation=0.5, **SMALL)
    sampler.fit_resample(X, y, meta=meta)
    play = sampler._play
    assert len(set(play.codes[play.held[: len(play.held) // 3]])) == len(set(y))
    assert not set(meta["picture"].iloc[play.train]) & set(meta["picture"].iloc[play.held])


def test_of_a_single_photograph_nothing_is_learnt(faces):
    one = np.concatenate([np.flatnonzero(faces.y == "usual"), np.flatnonzero(faces.y == "rare")[:1]])
    sampler = FaceDCGAN(validation=0.0, **SMALL)
    with pytest.warns(UserWarning, match="Nothing is generated of class rare: a single photograph"):
        sampler.fit_resample(faces.X[one], faces.y[one])
    assert list(sampler.refused_) == ["rare"]


def test_the_bar_of_a_class_of_which_too_few_were_held_back_comes_from_others_that_were(faces, monkeypatch):
    monkeypatch.setattr("thymos.augmentation.images._Photos.made", lambda self, net, y, rng: self.photos[: len(y)])
    few = np.concatenate([np.flatnonzero(faces.y == "usual"), np.flatnonzero(faces.y == "rare")[:12]])
    sampler = FaceDCGAN(validation=0.3, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler.fit_resample(faces.X[few], faces.y[few])
    judged = []
    monkeypatch.setattr(sampler._judge, "predict_proba", lambda X: judged.append(X) or np.full((len(X), 2), 0.5))
    sampler._bar(0)
    held = sampler._play.photos[sampler._play.held]
    assert 0 < (sampler._play.codes[sampler._play.held] == 0).sum() < 8
    np.testing.assert_array_equal(judged[0], held)


@pytest.mark.parametrize(
    ("X", "ends"), [([0.0, 1.2], (0.0, 1.2)), ([0.0, 200.0], (0, 255)), ([0.5, 200.0], (0.5, 200))]
)
def test_numbers_that_are_not_whole_are_no_grey_values(X, ends):
    form = _Form.of(np.resize(X, (2, 1, 8, 8)))
    assert (form.low, form.high) == ends


def test_values_outside_of_training_do_not_wrap_around():
    form = _Form.of(np.linspace(-1, 1, 64).reshape(1, 1, 8, 8))
    assert form.bytes_of(np.full((1, 1, 8, 8), 1.5)).max() == form.bytes_of(np.full((1, 1, 8, 8), 1.5)).min() == 255


def test_equal_seeds_give_equal_photographs_also_after_a_stop(faces, tmp_path):
    plain = FaceDCGAN(filtered=False, **SMALL).fit_resample(faces.X, faces.y)[0]
    with kept_in(tmp_path):
        first = FaceDCGAN(filtered=False, **SMALL).fit_resample(faces.X, faces.y)[0]
        again = FaceDCGAN(filtered=False, **SMALL).fit_resample(faces.X, faces.y)[0]
    assert np.array_equal(plain, first)
    assert np.array_equal(first, again)
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_training_killed_in_any_stage_goes_on(stop, faces, tmp_path, monkeypatch):
    plain = FaceDCGAN(filtered=False, **SMALL).fit_resample(faces.X, faces.y)[0]
    judge, calls = images._Photos.judge, []

    def killed(self, generator):
        calls.append(self.only)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return judge(self, generator)

    monkeypatch.setattr(images._Photos, "judge", killed)
    with kept_in(tmp_path):
        with pytest.raises(KeyboardInterrupt):
            FaceDCGAN(filtered=False, **SMALL).fit_resample(faces.X, faces.y)
        again = FaceDCGAN(filtered=False, **SMALL).fit_resample(faces.X, faces.y)[0]
    assert np.array_equal(again, plain)
    # the stage of all classes has two judgements, then that of the rare class has one: what was done is not done again
    assert calls[stop:].count(None) == 3 - stop


@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(0).integers(0, 256, (5, 3, 20, 17)).astype(np.uint8),
        np.random.default_rng(0).random((5, 1, 16, 16)).astype(np.float32),
        np.random.default_rng(0).normal(3, 7, (5, 2, 4, 5)),
        np.random.default_rng(0).normal(size=(5, 9)),
    ],
)
def test_samples_become_photographs_and_samples_again(X):
    form = _Form.of(X)
    photos = form.bytes_of(X)
    assert photos.dtype == np.uint8
    assert all(side % 8 == 0 and side >= 16 for side in photos.shape[2:])
    back = form.samples_of(photos, X.dtype)
    assert back.shape == X.shape
    assert np.abs(back.astype(float) - X).max() <= (form.high - form.low) / 500


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"class_steps": 0}, {"validation": 2}, {"pretraining_samples": 0}, {"average": 2.0}]
)
def test_impossible_parameters_are_refused(wrong, faces):
    with pytest.raises(InputError):
        FaceDCGAN(**{**SMALL, **wrong}).fit_resample(faces.X, faces.y)


def test_colours_are_kept():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (60, 3, 16, 16)).astype(np.uint8), np.array(list("aab") * 20)
    made, _ = FaceDCGAN(filtered=False, **SMALL).fit_resample(X, y)
    assert made.shape[1:] == (3, 16, 16)
    assert len(made) > 60
