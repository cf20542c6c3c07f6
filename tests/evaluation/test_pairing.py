import numpy as np
import pytest

from thymos.base.errors import InputError, ProtocolError
from thymos.evaluation import Fold, LeaveOneSubjectOut, TrialSplit, check_split
from thymos.evaluation.pairing import PairedAtRandom, PairedByLabel, PairedByTrial, independent_accuracy
from thymos.evaluation.splitters import PairedSplit


@pytest.fixture
def sides(make_samples):
    """Return faces and pulses of other people with the same labels, and how each is split."""
    faces = make_samples(subjects=4, trials=9, windows=1, classes=("calm", "glad", "tense"), shape=(1, 4, 4), seed=1)
    pulses = make_samples(subjects=5, trials=12, windows=2, classes=("tense", "calm", "calm", "glad"), seed=2)
    folds = TrialSplit(3, within="").folds(faces.meta, faces.y), LeaveOneSubjectOut(5).folds(pulses.meta, pulses.y)
    return faces.replace(X={"face": faces.X}), pulses.replace(X={"bvp": pulses.X}), *folds


def number(names):
    return np.array([int(name[1:]) for name in names])


@pytest.mark.parametrize("kind", [PairedByLabel, PairedAtRandom])
def test_pairs_never_cross_the_split_of_either_side(kind, sides):
    faces, pulses, of_faces, of_pulses = sides
    made = kind(draws=5).pair(faces, pulses, of_faces, of_pulses)
    meta = made.meta
    assert set(meta["draw"]) == {f"draw {k}" for k in range(1, 6)}
    for draw in range(5):
        a, b = of_faces[draw % 3], of_pulses[draw]
        for part, name in (("training", "train"), ("validation", "validation"), ("test", "test")):
            mine = meta[(meta["draw"] == f"draw {draw + 1}") & (meta["part"] == part)]
            assert set(number(mine["first"])) == set(getattr(a, name)), "a face is left out, or of another part"
            assert set(number(mine["second"])) <= set(getattr(b, name))
    folds = PairedSplit(kind.name).folds(meta, made.y)
    other = "random" if kind.name == "label" else "label"
    with pytest.raises(ProtocolError, match=f"paired (by|at) {other}"):
        PairedSplit(other).folds(meta, made.y)
    assert [fold.name for fold in folds] == [f"draw {k}/official" for k in range(1, 6)]
    for fold in folds:
        check_split(meta, fold, ("first", "second", "trial"))
        assert len(fold.train) + len(fold.validation) + len(fold.test) == (meta["draw"] == fold.name[:6]).sum()
    at = number(meta["first"]), number(meta["second"])
    assert np.array_equal(made.X["face"], faces.X["face"][at[0]])
    assert np.array_equal(made.X["bvp"], pulses.X["bvp"][at[1]])
    assert np.array_equal(made.y, faces.y[at[0]])
    assert np.array_equal(meta["subject"], pulses.meta["subject"].to_numpy()[at[1]])


def test_where_a_side_has_no_validation_part_pairs_have_none(sides):
    faces, pulses, of_faces, of_pulses = sides
    without = [Fold(fold.name, fold.train, fold.validation[:0], fold.test) for fold in of_pulses]
    made = PairedByLabel(draws=1).pair(faces, pulses, of_faces, without)
    (fold,) = PairedSplit().folds(made.meta, made.y)
    assert not len(fold.validation)
    assert "no validation part" in fold.note
    assert len(fold.train) == len(of_faces[0].train)


def test_partners_have_the_label_and_each_as_often_as_others(sides):
    faces, pulses, *folds = sides
    made = PairedByLabel(draws=1).pair(faces, pulses, *folds)
    assert np.array_equal(pulses.y[number(made.meta["second"])], made.y)
    train = made.meta[made.meta["part"] == "training"]
    for label in ("calm", "glad", "tense"):
        often = train[made.y[train.index] == label]["second"].value_counts()
        assert often.max() - often.min() <= 1
    random = PairedAtRandom(draws=1).pair(faces, pulses, *folds)
    assert 0.15 < np.mean(pulses.y[number(random.meta["second"])] == random.y) < 0.6


def test_draws_differ_and_the_seed_decides(sides):
    faces, pulses, of_faces, of_pulses = sides
    same = of_faces[:1], of_pulses[:1]
    made = PairedByLabel(draws=2).pair(faces, pulses, *same)
    one, two = (made.meta[made.meta["draw"] == f"draw {k}"]["second"].tolist() for k in (1, 2))
    assert one != two
    again, other = (PairedByLabel(2, random_state=s).pair(faces, pulses, *same).meta["second"].tolist() for s in (0, 1))
    assert again == made.meta["second"].tolist() != other


def test_samples_are_paired_with_themselves_or_anew(make_samples):
    samples = make_samples(subjects=4, trials=8)
    first, second = samples.replace(X={"face": samples.X}), samples.replace(X={"bvp": samples.X + 1})
    folds = LeaveOneSubjectOut(4).folds(samples.meta, samples.y)
    true = PairedByTrial(draws=4).pair(first, second, folds)
    assert np.array_equal(number(true.meta["first"]), number(true.meta["second"]))
    assert np.allclose(true.X["bvp"], true.X["face"] + 1)
    anew = PairedByLabel(draws=4).pair(first, second, folds)
    assert np.array_equal(anew.meta["first"], true.meta["first"])
    assert np.mean(anew.meta["first"].str[1:] == anew.meta["second"].str[1:]) < 0.2
    assert np.array_equal(samples.y[number(anew.meta["second"])], anew.y)


def test_labels_of_one_side_alone_and_many_samples_are_left_out(sides):
    faces, pulses, *folds = sides
    other = pulses.replace(y=np.where(pulses.y == "glad", "sad", pulses.y))
    made = PairedByLabel(draws=1).pair(faces, other, *folds)
    assert set(made.y) == {"calm", "tense"}
    few = PairedByLabel(draws=2, most=4).pair(faces, pulses, *folds).meta.groupby(["draw", "part"]).size()
    assert few.max() == 4


def test_independent_views_reach_what_the_specification_says():
    # published as 87.6 and 96.5
    assert independent_accuracy([0.62, 0.76], 7) == pytest.approx(0.876, abs=2e-3)
    assert independent_accuracy([0.81, 0.86], 7) == pytest.approx(0.965, abs=2e-3)
    assert independent_accuracy([0.6], 3) == pytest.approx(0.6, abs=1e-9)
    assert independent_accuracy([0.7, 1 / 3], 3) == pytest.approx(0.7, abs=1e-6), "chance adds nothing"
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 40_000)
    views = [d * np.eye(4)[y] + rng.standard_normal((len(y), 4)) for d in (1.0, 1.5)]
    alone = [(view.argmax(axis=1) == y).mean() for view in views]
    both = ((views[0] + 1.5 * views[1]).argmax(axis=1) == y).mean()
    assert independent_accuracy(alone, 4) == pytest.approx(both, abs=0.01)


def test_what_does_not_fit_is_said(sides, words):
    faces, pulses, *folds = sides
    with pytest.raises(InputError) as error:
        PairedByTrial().pair(faces, pulses, *folds)
    words(error.value, "no moment in common")
    with pytest.raises(InputError) as error:
        PairedByLabel().pair(faces, pulses.replace(y=np.full(len(pulses), "sad")), *folds)
    words(error.value, "calm, glad, tense", "sad")
    with pytest.raises(InputError, match="modality 'face'"):
        PairedByLabel().pair(faces, faces, folds[0])
    with pytest.raises(InputError, match="without names"):
        PairedByLabel().pair(faces.replace(X=faces.X["face"]), pulses, *folds)
    for wrong in ({"draws": 0}, {"most": 0}, {"draws": True}):
        with pytest.raises(InputError):
            PairedByLabel(**wrong)
    for wrong in (([0.1], 7), ([1.0], 7), ([0.6], 1)):
        with pytest.raises(InputError):
            independent_accuracy(*wrong)
