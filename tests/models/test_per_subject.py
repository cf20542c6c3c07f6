"""A copy of a classifier for each subject."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from thymos.base.errors import InputError
from thymos.base.probabilities import predict_all
from thymos.evaluation import GroupSplit
from thymos.evaluation.fit import fit_fold
from thymos.models.mlp import MLPClassifier
from thymos.models.per_subject import PerSubject
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.training.pipeline import make_pipeline


@pytest.fixture
def opposed(make_samples):
    """Return samples of two subjects for whom the same feature means the opposite."""
    samples = make_samples(subjects=2, trials=10, shape=(2, 4), effect=3.0)
    X = samples.X.copy()
    second = (samples.meta["subject"] == "s1").to_numpy()
    X[second] = 3.0 - X[second]
    return samples.replace(X=X)


def test_each_subject_is_predicted_by_its_own_copy(opposed):
    flat = opposed.X.reshape(len(opposed), -1)
    together = LogisticRegression().fit(flat, opposed.y)
    apart = PerSubject(make_pipeline(Flatten(), LogisticRegression())).fit(opposed.X, opposed.y, meta=opposed.meta)
    assert (together.predict(flat) == opposed.y).mean() < 0.8
    assert (apart.predict(opposed.X, opposed.meta) == opposed.y).mean() > 0.95
    order = np.random.default_rng(0).permutation(len(opposed))
    mixed = opposed[order]
    assert np.array_equal(apart.predict_proba(mixed.X, mixed.meta), apart.predict_proba(opposed.X, opposed.meta)[order])


def test_a_new_subject_is_refused_or_predicted_by_the_copy_of_all(opposed):
    meta = opposed.meta.assign(subject="new")
    model = PerSubject(make_pipeline(Flatten(), LogisticRegression()))
    with pytest.raises(InputError, match="new was not in training"):
        model.fit(opposed.X, opposed.y, meta=opposed.meta).predict(opposed.X, meta)
    with pytest.raises(InputError, match="is not known"):
        model.predict(opposed.X)
    both = PerSubject(model.estimator, others=True).fit(opposed.X, opposed.y, meta=opposed.meta)
    flat = opposed.X.reshape(len(opposed), -1)
    known = LogisticRegression().fit(flat, opposed.y).predict_proba(flat)
    assert np.allclose(both.predict_proba(opposed.X, meta), known)
    assert np.allclose(both.predict_proba(opposed.X), known)


def test_in_a_study_validation_rows_and_metadata_reach_each_copy(opposed):
    seen = {}

    class Watched(MLPClassifier):
        def fit(self, X, y, validation=None, groups=None, meta=None):
            seen[meta["subject"].iloc[0]] = (len(X), len(validation[0]), set(meta["subject"]))
            return super().fit(X, y, validation, groups, meta)

    fold = GroupSplit("stimulus", 5).folds(opposed.meta, opposed.y)[0]
    pipeline = make_pipeline(ChannelScaler(), PerSubject(Watched(hidden=(8,), max_epochs=3)))
    result = fit_fold(pipeline, opposed, fold, ["calm", "tense"])
    half = len(fold.train) // 2
    assert seen == {s: (half, len(fold.validation) // 2, {s}) for s in ("s0", "s1")}
    assert set(result.history["subject"]) == {"s0", "s1"}
    one = MLPClassifier(hidden=(8,), max_epochs=1).fit(opposed.X, opposed.y)
    assert result.facts["n_parameters"] == one.n_parameters_, "of one copy"


def test_a_subject_that_lacks_a_class_gives_it_no_probability(opposed):
    second = (opposed.meta["subject"] == "s1").to_numpy()
    y = np.where(second & (opposed.y == "tense"), "happy", opposed.y)
    model = PerSubject(make_pipeline(Flatten(), LogisticRegression())).fit(opposed.X, y, meta=opposed.meta)
    made = predict_all(model, opposed, ["calm", "happy", "sad", "tense"])
    assert made.shape == (len(opposed), 4)
    assert (made[:, 2] == 0).all()
    assert (made[second, 3] == 0).all()
    assert (made[~second, 1] == 0).all()
    assert np.allclose(made.sum(axis=1), 1)


@pytest.mark.parametrize("last", [LogisticRegression(), MLPClassifier(hidden=(4,), max_epochs=3, random_state=0)])
@pytest.mark.parametrize("inside", [False, True])
def test_weights_reach_each_copy(last, inside, opposed):
    weight = np.random.default_rng(0).choice([0.1, 1.0, 3.0], len(opposed))
    weighted = opposed.replace(X=opposed.X.reshape(len(opposed), -1), meta=opposed.meta.assign(sample_weight=weight))
    model = PerSubject(make_pipeline(last) if inside else last).fit(weighted.X, weighted.y, meta=weighted.meta)
    mine = (weighted.meta["subject"] == "s1").to_numpy()
    alone = make_pipeline(clone(last)).fit(weighted[mine])
    assert np.array_equal(model.predict_proba(weighted.X, weighted.meta)[mine], alone.predict_proba(weighted.X[mine]))
    plain = clone(last).fit(weighted.X[mine], weighted.y[mine])
    assert not np.allclose(alone.predict_proba(weighted.X[mine]), plain.predict_proba(weighted.X[mine]), atol=1e-3)


def test_without_an_estimator_it_says_so(opposed):
    with pytest.raises(InputError, match="no estimator"):
        PerSubject().fit(opposed.X, opposed.y)


def test_validation_samples_of_a_class_that_a_person_was_not_trained_on_are_left_out(opposed):
    seen = {}

    class Watched(MLPClassifier):
        def fit(self, X, y, validation=None, groups=None, meta=None):
            seen[meta["subject"].iloc[0]] = None if validation is None else sorted(set(validation[1]))
            return super().fit(X, y, validation, groups, meta)

    y = np.where(np.arange(len(opposed)) % 4 == 0, "happy", opposed.y)
    labelled = opposed.replace(y=y)
    lacking = (opposed.meta["subject"] == "s1").to_numpy() & (y == "happy")
    model = PerSubject(Watched(hidden=(4,), max_epochs=1, random_state=0))
    model.fit(labelled.X[~lacking], y[~lacking], validation=labelled, meta=labelled.meta[~lacking])
    assert seen == {"s0": sorted(set(y)), "s1": sorted({*y} - {"happy"})}
