"""What every sampler of the catalogue promises. A new member is exercised here without anybody remembering it."""

import warnings

import numpy as np
import pandas as pd
import pytest
from imblearn.utils.estimator_checks import estimator_checks_generator
from sklearn.base import BaseEstimator, ClassifierMixin, clone

import thymos.augmentation
from thymos.augmentation.base import Augmenter
from thymos.augmentation.catalogue import SAMPLERS
from thymos.base.errors import InputError
from thymos.base.samples import Samples, source_trials
from thymos.evaluation import Fold, TrialSplit, check_split, cross_validate
from thymos.evaluation.fit import fit_fold
from thymos.evaluation.make import make_estimator, make_samples
from thymos.evaluation.study_files import parse_study
from thymos.training.pipeline import make_pipeline

#: Parameters that make a member small.
FOR_CHECKS: dict[str, dict] = {
    "face_dcgan": {
        **{"width": 4, "pretraining_steps": 2, "class_steps": 1, "judge_every": 2, "judge_epochs": 1},
        **{"lr": 0.1, "average": 0.0, "batch_size": 16, "filtered": False, "ratio": 0.5},
    },
    "sequence_rcgan": {
        "hidden": 8,
        "max_steps": 4,
        "judge_every": 2,
        "batch_size": 16,
        "filtered": False,
        "ratio": 0.5,
    },
    # without the filter, which may leave less than was asked for; its own weight is tested with the others'
    "masked_electrode_gan": {
        **{"width": 8, "max_steps": 2, "critic_steps": 1, "judge_every": 1},
        **{"batch_size": 16, "filtered": False, "classification": 0.0, "weight": 1.0},
    },
}

#: Checks of imbalanced-learn that a member need not pass, by name, with the reason. Nothing is silenced by tags.
EXCEPTIONS = {
    "fourier_surrogate": {"check_samplers_fit": "two points of time have no phase that could be drawn"},
}

SHAPE = (3, 4, 5)  # bands, channels, windows


def make(name, **parameters):
    row = SAMPLERS[name]
    return row.load()(**{"random_state": 0, **row.parameters, **FOR_CHECKS.get(name, {}), **parameters})


@pytest.fixture
def train(make_samples):
    """Return a training part with unequal classes."""
    return make_samples(subjects=2, trials=9, classes=("calm", "calm", "tense"), shape=SHAPE)


@pytest.mark.parametrize("name", SAMPLERS)
def test_imbalanced_learns_checks(name):
    tags = make(name).__sklearn_tags__().input_tags
    assert tags.two_d_array, "this tag silences some checks"
    assert tags.sparse, "this tag silences some checks"
    assert tags.dataframe, "this tag silences some checks"
    failed, passed = {}, 0
    for sampler, check in estimator_checks_generator(make(name)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the checks provoke warnings on purpose
            try:
                check(sampler)
                passed += 1
            except Exception as error:
                failed[check.func.__name__] = repr(error)
    assert set(failed) == set(EXCEPTIONS.get(name, {})), failed
    assert passed + len(failed) >= 15, f"only {passed} checks ran"


def test_exceptions_name_members_and_have_reasons():
    assert set(EXCEPTIONS) | set(FOR_CHECKS) <= set(SAMPLERS)
    assert all(len(reason) > 20 for checks in EXCEPTIONS.values() for reason in checks.values())


@pytest.mark.parametrize("name", SAMPLERS)
def test_members_are_augmenters_and_can_be_imported_from_their_room(name):
    member = SAMPLERS[name].load()
    assert issubclass(member, Augmenter)
    assert getattr(thymos.augmentation, member.__name__) is member
    assert clone(make(name, ratio=0.3)).get_params()["ratio"] == 0.3


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_real_rows_come_first_as_they_were_and_the_others_class_by_class(name, dtype, train):
    X, before, n = train.X.astype(dtype), train.X.astype(dtype), len(train)
    sampler = make(name)
    made, y, meta = sampler.fit_resample(X, train.y, train.meta)
    assert np.array_equal(X, before), "the samples were changed in place"
    assert made.dtype == dtype
    assert np.array_equal(made[:n], X)
    assert np.array_equal(y[:n], train.y)
    assert y.dtype == train.y.dtype
    assert len(made) == len(y) == len(meta) == n + sum(sampler.n_made_.values())
    assert y[n:].tolist() == [label for label, count in sampler.n_made_.items() for _ in range(count)]
    assert sampler.sampling_strategy_ == {"calm": 24, "tense": 12}
    assert all(0 < count <= sampler.sampling_strategy_[label] for label, count in sampler.n_made_.items())
    assert np.isfinite(made).all()
    bare = make(name).fit_resample(X, train.y)
    assert len(bare) == 2
    assert bare[0].shape[1:] == SHAPE


@pytest.mark.parametrize("name", SAMPLERS)
def test_each_synthetic_row_says_which_trials_of_its_class_it_was_made_from(name, train):
    n, before = len(train), train.meta.copy()
    _, y, meta = make(name).fit_resample(train.X, train.y, train.meta)
    pd.testing.assert_frame_equal(train.meta, before)
    pd.testing.assert_frame_equal(meta.iloc[:n], before)
    assert meta.dtypes.equals(before.dtypes)
    assert meta.index.tolist() == list(range(len(meta)))
    made = meta.iloc[n:]
    assert made["synthetic"].all()
    classes = dict(zip(before["trial"], before["feeling"], strict=True))
    for label, trial, text in zip(y[n:], made["trial"], made["source_trial"], strict=True):
        if text:
            assert {classes[parent] for parent in source_trials(text)} == {label}
            assert source_trials(text)[0] == trial
    rows = np.arange(len(meta))
    check_split(meta, Fold("x", rows, rows[:0], rows[:0]))


@pytest.mark.parametrize("name", SAMPLERS)
def test_what_a_synthetic_sample_counts_stands_in_its_row(name, train):
    meta = make(name, weight=0.25).fit_resample(train.X, train.y, train.meta)[2]
    assert meta["sample_weight"].tolist() == [1.0] * len(train) + [0.25] * (len(meta) - len(train))
    again = make(name, weight=0.5).fit_resample(train.X, train.y, train.meta.assign(sample_weight=2.0))[2]
    assert set(again["sample_weight"]) == {2.0, 0.5}
    with pytest.raises(InputError):
        make(name, weight=-1).fit_resample(train.X, train.y)


@pytest.mark.parametrize("name", SAMPLERS)
def test_equal_seeds_give_equal_samples_and_others_do_not(name, train):
    def made(seed):
        return make(name, random_state=seed).fit_resample(train.X, train.y)[0]

    assert np.array_equal(made(1), made(1))
    assert not np.array_equal(made(1), made(2))
    assert np.array_equal(made(np.random.RandomState(3)), made(np.random.RandomState(3)))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampling_strategy_decides_what_is_made(name, train):
    sampler = make(name, sampling_strategy="auto")
    _, y = sampler.fit_resample(train.X, train.y)
    assert sampler.sampling_strategy_ == {"calm": 0, "tense": 24}
    assert sampler.n_made_["calm"] == 0
    sampler = make(name, sampling_strategy={"tense": 30})
    _, y = sampler.fit_resample(train.X, train.y)
    assert (y == "calm").sum() == 48
    assert 24 < (y == "tense").sum() <= 30


@pytest.mark.parametrize("name", SAMPLERS)
def test_without_anything_to_make_nothing_is_learnt_and_everything_stays(name, train, monkeypatch):
    sampler = make(name, ratio=0)
    monkeypatch.setattr(sampler, "learn", lambda *_: pytest.fail("it learnt for nothing"))
    X, y, meta = sampler.fit_resample(train.X, train.y, train.meta)
    assert np.array_equal(X, train.X)
    assert np.array_equal(y, train.y)
    pd.testing.assert_frame_equal(meta, train.meta)


class Witness(ClassifierMixin, BaseEstimator):
    """A last step that keeps what it was handed in a list that clones share."""

    def __init__(self, seen):
        self.seen = seen

    def __sklearn_clone__(self):
        return self

    def fit(self, X, y, validation=None):
        self.seen.append((X, y, validation))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_nothing_of_validation_and_test_reaches_what_is_made(name, make_samples):
    samples = make_samples(subjects=1, trials=15, shape=SHAPE)
    fold = TrialSplit(5).folds(samples.meta, samples.y)[0]
    others = samples.X.copy()
    others[np.concatenate([fold.validation, fold.test])] *= -50
    seen = []
    for X in (samples.X, others):
        fit_fold(make_pipeline(make(name), Witness(seen)), samples.replace(X=X), fold, ["calm", "tense"])
    (first, y, held), (second, again, _) = seen
    assert len(fold.validation)
    assert np.array_equal(first, second)
    assert np.array_equal(y, again)
    assert len(y) > len(fold.train)
    assert np.array_equal(held.X, samples.X[fold.validation]), "the validation part was resampled"
    assert not held.meta["synthetic"].any()


@pytest.mark.parametrize("name", SAMPLERS)
def test_arrays_with_a_validation_part_go_through_the_pipeline(name, train):
    seen = []
    make_pipeline(make(name), Witness(seen)).fit(train.X, train.y, validation=(train.X, train.y))
    ((X, y, held),) = seen
    assert len(X) == len(y) > len(train)
    assert len(held[0]) == len(train)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_study_names_it_among_its_steps(name):
    parameters = FOR_CHECKS.get(name, {})
    step = {name: {**parameters, "ratio": 0.25}}
    place = 0 if name in {"fourier_surrogate", "sequence_rcgan"} else 2  # which are for signals
    steps = ["differential_entropy", "channel_scaler", "flatten", "lda"]
    content = {
        "name": "augmented",
        "title": "A study with a sampler",
        "source": {"simulated-eeg": {"subjects": 1, "trials": 6, "seconds": 4.0}},
        "windows": {"seconds": 1.0},
        "target": {"label": "valence", "above": 5},
        "protocols": {"trial": {"parameters": {"n_splits": 2}}},
        "methods": {"lda": {"steps": [*steps[:place], step, *steps[place:]]}},
        "defaults": {name: {"ratio": 1.0, "random_state": 5}},
    }
    study = parse_study(content)
    assert study.methods["lda"].steps[place].parameters == {**parameters, "ratio": 0.25, "random_state": 5}
    samples = make_samples(study)
    pipe = make_estimator(study, "lda", samples.info)
    table = cross_validate(pipe, samples, TrialSplit(2), seeds=(0, 1))
    assert table["balanced_accuracy"].notna().all()
    assert (
        not table.query("seed == 0")["log_loss"]
        .reset_index(drop=True)
        .equals(table.query("seed == 1")["log_loss"].reset_index(drop=True))
    ), "seeds of a study do not reach the sampler"


def test_samplers_after_one_another_name_real_trials(train):
    X, y, meta = train.X, train.y, train.meta
    for name in ("jitter", "mixup", "smote"):
        X, y, meta = make(name).fit_resample(X, y, meta)
    made = meta[meta["synthetic"]]
    assert {trial for text in made["source_trial"] for trial in source_trials(text)} == set(train.meta["trial"])
    assert made["source_trial"].map(lambda text: len(source_trials(text))).max() > 2
    assert Samples(X, y, meta, train.info).meta.equals(meta)


def test_a_sampler_that_is_made_of_nothing_has_empty_origins(train):
    class Inventor(Augmenter):
        def draw(self, X, y, meta, label, count, rng):
            n = count - (label == "tense")  # one was no good
            return np.full((n, *X.shape[1:]), 3.0), np.full(n, -1)

    sampler = Inventor()
    X, _, meta = sampler.fit_resample(train.X, train.y, train.meta)
    assert sampler.sampling_strategy_ == {"calm": 24, "tense": 12}
    assert sampler.n_made_ == {"calm": 24, "tense": 11}
    made = meta.iloc[len(train) :]
    assert len(made) == 35
    assert made["synthetic"].all()
    assert (made[["source_trial", "trial", "subject"]] == "").all(axis=None)
    assert made["start"].isna().all()
    assert X.dtype == np.float32


def test_a_sampler_that_makes_nothing_says_so(train):
    with pytest.raises(TypeError, match=r"override draw\(\)"):
        Augmenter().fit_resample(train.X, train.y)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ratio": -0.5}, ["ratio=-0.5", "at least 0"]),
        ({"ratio": np.nan}, ["ratio=nan"]),
        ({"ratio": "half"}, ["ratio='half'"]),
        ({"ratio": True}, ["ratio=True"]),
        ({"sampling_strategy": "autoo"}, ["Oversample", "autoo", "not majority"]),
        ({"sampling_strategy": {"calmm": 90}}, ["Oversample", "calmm", "not present"]),
        ({"sampling_strategy": {"calm": 3}}, ["Oversample", "greater or equal"]),
        ({"sampling_strategy": ["calm"]}, ["Oversample", "list"]),
        ({"sampling_strategy": b"auto"}, ["sampling_strategy=b'auto'", "function"]),
    ],
)
def test_impossible_parameters_are_refused_in_words(changes, expected, train, words):
    for method in ("fit", "fit_resample"):
        with pytest.raises(InputError) as error:
            getattr(make("oversample", **changes), method)(train.X, train.y)
        words(error.value, *expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda X, y, meta: (X, np.zeros(len(y)), meta), ["more than 1 class", "two classes"]),
        (lambda X, y, meta: (X, np.linspace(1, 9, len(y)), meta), ["continuous", "one class for each sample"]),
        (lambda X, y, meta: (X, y[:-1], meta), ["inconsistent numbers of samples"]),
        (lambda X, y, meta: (np.where(X > 0, np.nan, X), y, meta), ["NaN", "finite"]),
        (lambda X, y, meta: (X[:, 0, 0, 0], y, meta), ["1D array", "two axes"]),
        (lambda X, y, meta: ({"eeg": X}, y, meta), ["Oversample"]),
        (lambda X, y, meta: (np.full(X.shape, "a"), y, meta), ["Oversample"]),
        (lambda X, y, meta: (X, y, meta[:-1]), ["of 71 rows", "72 samples"]),
        (lambda X, y, meta: (X, y, meta.to_dict()), ["of type dict", "DataFrame"]),
    ],
)
def test_samples_that_do_not_fit_are_refused_in_words(change, expected, train, words):
    with pytest.raises(InputError) as error:
        make("oversample").fit_resample(*change(train.X, train.y, train.meta))
    words(error.value, *expected)
