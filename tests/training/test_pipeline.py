import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from thymos.augmentation.classic import Jitter
from thymos.base.errors import InputError
from thymos.models import RecurrentClassifier
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.training.pipeline import make_pipeline, resample


class Witness(ClassifierMixin, BaseEstimator):
    """A last step that remembers what it was handed."""

    def fit(self, X, y, validation=None, groups=None):
        self.seen_ = X, y, validation, groups
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def parts(make_samples):
    samples = make_samples(subjects=2, trials=9, classes=("a", "a", "b"))
    train = samples.meta["subject"] == "s0"
    return samples[train.to_numpy()], samples[~train.to_numpy()]


def test_the_last_step_gets_transformed_training_and_validation_parts(parts):
    train, held = parts
    witness = make_pipeline(ChannelScaler(), Witness()).fit(train, validation=held)[-1]
    X, y, validation, groups = witness.seen_
    scaler = ChannelScaler().fit(train.X)
    assert np.allclose(X, scaler.transform(train.X))
    assert np.allclose(validation.X, scaler.transform(held.X))
    assert np.array_equal(y, train.y)
    assert np.array_equal(validation.y, held.y)
    assert validation.meta.equals(held.meta)
    assert groups is None


def test_validation_is_neither_resampled_nor_seen_by_a_sampler(parts):
    train, held = parts
    X, y, validation, _ = (
        make_pipeline(RandomOverSampler(random_state=0), Witness()).fit(train, validation=held)[-1].seen_
    )
    assert (y == "a").sum() == (y == "b").sum() == (train.y == "a").sum()
    assert len(validation) == len(held)
    assert X.shape[1:] == train.X.shape[1:]
    assert {row.tobytes() for row in X} <= {row.tobytes() for row in train.X}


def test_validation_may_come_as_arrays(parts):
    train, held = parts
    seen = make_pipeline(ChannelScaler(), Witness()).fit(train.X, train.y, validation=(held.X, held.y))[-1].seen_
    assert isinstance(seen[2], tuple)
    assert np.allclose(seen[2][0], ChannelScaler().fit(train.X).transform(held.X))


def test_a_last_step_without_validation_is_not_handed_any(parts):
    train, held = parts
    pipe = make_pipeline(Flatten(), StandardScaler(), LogisticRegression()).fit(train, validation=held)
    alone = make_pipeline(Flatten(), StandardScaler(), LogisticRegression()).fit(train.X, train.y)
    assert np.array_equal(pipe.predict_proba(held), alone.predict_proba(held.X))


def test_groups_are_a_column_and_follow_the_samplers(parts):
    train, _ = parts
    pipe = make_pipeline(RandomOverSampler(random_state=0), Witness()).fit(train, groups="trial")
    X, _, _, groups = pipe[-1].seen_
    origin = {row.tobytes(): trial for row, trial in zip(train.X, train.meta["trial"], strict=True)}
    assert [origin[row.tobytes()] for row in X] == groups.tolist()
    with pytest.raises(InputError, match="metadata column"):
        pipe.fit(train, groups=np.zeros(len(train)))


def test_metadata_follow_a_sampler_that_names_its_rows(parts):
    train, _ = parts
    X, y, meta = resample(RandomOverSampler(random_state=0), train.X, train.y, train.meta)
    assert meta["synthetic"].sum() == len(X) - len(train)
    assert np.array_equal(meta["feeling"].to_numpy().astype(str), y)
    made = meta[meta["synthetic"]]
    assert (made["source_trial"] == made["trial"]).all()
    X, y, meta = resample(RandomUnderSampler(random_state=0), train.X, train.y, train.meta)
    assert not meta["synthetic"].any()
    assert np.array_equal(meta["feeling"].to_numpy().astype(str), y)


def test_metadata_follow_a_sampler_that_appends(parts):
    train, _ = parts
    X, y, meta = resample(SMOTE(random_state=0, k_neighbors=2), train.X, train.y, train.meta)
    n = len(train)
    assert np.allclose(X[:n], train.X)
    assert meta["synthetic"].tolist() == [False] * n + [True] * (len(X) - n)
    assert (meta["source_trial"] == "").all()
    assert len(X) == len(y) == len(meta) > n


def test_a_sampler_that_takes_metadata_is_handed_them(parts):
    train, _ = parts

    class Doubling(BaseEstimator):
        def fit_resample(self, X, y, meta=None):
            return np.concatenate([X, X]), np.concatenate([y, y]), meta.iloc[np.tile(np.arange(len(X)), 2)]

    X, _, _, groups = make_pipeline(Doubling(), Witness()).fit(train, groups="subject")[-1].seen_
    assert len(X) == len(groups) == 2 * len(train)


def test_a_sampler_that_cannot_be_traced_is_refused(parts, words):
    train, _ = parts

    class Inventing(BaseEstimator):
        def fit_resample(self, X, y):
            return X[::-1] + 1, y[::-1]

    with pytest.raises(InputError) as error:
        make_pipeline(Inventing(), Witness()).fit(train)
    words(error.value, "Inventing", "sample_indices_")


def test_arrays_alone_behave_as_imbalanced_learns_pipeline(parts):
    train, held = parts
    pipe = make_pipeline(Flatten(), RandomOverSampler(random_state=0), LogisticRegression()).fit(train.X, train.y)
    assert pipe.predict(held.X).shape == (len(held),)
    assert pipe.score(held.X, held.y) > 0


def test_samples_go_wherever_arrays_go(parts):
    train, held = parts
    pipe = make_pipeline(Flatten(), LogisticRegression()).fit(train)
    assert pipe.score(held) == pipe.score(held.X, held.y)
    assert np.array_equal(pipe.predict(held), pipe.predict(held.X))
    assert np.array_equal(pipe[:1].transform(held), held.X.reshape(len(held), -1))
    with pytest.raises(InputError, match="logisticregression__sample_weight"):
        pipe.fit(train, logisticregression__sample_weight=np.ones(len(train)))


def test_methods_exist_only_if_the_last_step_has_them():
    pipe = make_pipeline(Flatten(), Witness())
    assert hasattr(pipe, "predict")
    assert not hasattr(pipe, "predict_proba")
    assert hasattr(make_pipeline(ChannelScaler(), RecurrentClassifier()), "predict_proba")


class Knowing(Witness):
    """A last step that takes metadata wherever it can."""

    def fit(self, X, y, meta=None, sample_weight=None):
        self.seen_ = X, y, meta, sample_weight
        self.classes_ = np.unique(y)
        return self

    def predict(self, X, meta=None):
        self.asked_ = meta
        return super().predict(X)

    def predict_proba(self, X, meta=None):
        self.asked_ = meta
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_metadata_reach_a_last_step_that_takes_them_rows_of_samplers_included(parts):
    train, held = parts
    pipe = make_pipeline(ChannelScaler(), Jitter(ratio=0.5, weight=0.25, random_state=0), Knowing())
    X, y, meta, weight = pipe.fit(train, validation=held)[-1].seen_
    n = len(train)
    assert len(X) == len(y) == len(meta) == n + n // 2
    assert meta["trial"].iloc[:n].tolist() == train.meta["trial"].tolist()
    assert meta["synthetic"].tolist() == [False] * n + [True] * (n // 2)
    assert meta["sample_weight"].tolist() == [1.0] * n + [0.25] * (n // 2)
    assert weight is None, "they are in the metadata"
    assert np.array_equal(meta["feeling"].to_numpy().astype(str), y)


def test_weights_reach_a_last_step_that_takes_nothing_else(parts):
    train, held = parts
    weight = np.random.default_rng(0).uniform(0.01, 5, len(train))
    weighted = train.replace(meta=train.meta.assign(sample_weight=weight))
    flat = train.X.reshape(len(train), -1)
    for own in (SVC(C=0.1), LogisticRegression()):
        found = make_pipeline(Flatten(), own).fit(weighted)
        alone = type(own)(**own.get_params()).fit(flat, train.y, sample_weight=weight)
        plain = type(own)(**own.get_params()).fit(flat, train.y)
        known = held.X.reshape(len(held), -1)
        assert np.array_equal(found.decision_function(held), alone.decision_function(known))
        assert not np.allclose(found.decision_function(held), plain.decision_function(known), atol=1e-3)
    near = make_pipeline(Flatten(), KNeighborsClassifier()).fit(weighted)
    assert np.array_equal(near.predict(held), KNeighborsClassifier().fit(flat, train.y).predict(known))
    _, _, validation, groups = make_pipeline(Witness()).fit(weighted)[-1].seen_
    assert (validation, groups) == (None, None)


def test_metadata_of_samples_reach_predictions_that_take_them(parts):
    train, held = parts
    pipe = make_pipeline(ChannelScaler(), Knowing()).fit(train)
    for method in ("predict", "predict_proba"):
        getattr(pipe, method)(held)
        assert pipe[-1].asked_.equals(held.meta)
        getattr(pipe, method)(held.X)
        assert pipe[-1].asked_ is None
    pipe.predict(held.X, meta="own")
    assert pipe[-1].asked_ == "own"
    make_pipeline(Flatten(), LogisticRegression()).fit(train).predict_proba(held)
