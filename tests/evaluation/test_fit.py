import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from thymos.base.errors import InputError
from thymos.evaluation import LeaveOneSubjectOut, TrialSplit, cross_validate
from thymos.evaluation.fit import discrete, fit_fold, fit_method, rated
from thymos.evaluation.many import last_step
from thymos.models import RecurrentClassifier
from thymos.signals.scaling import Flatten
from thymos.training.pipeline import make_pipeline

CLASSES = ["calm", "tense"]


def nearest():
    return make_pipeline(Flatten(), KNeighborsClassifier())


GRID = [{"kneighborsclassifier__n_neighbors": k} for k in (1, 25)]


@pytest.mark.parametrize("inner", [0, 3])
def test_parameters_are_chosen_by_the_loss_outside_the_test_part(make_rich, inner):
    samples = make_rich(effect=0.15, shape=(6,))  # noise: many neighbours have the lower log-loss
    (fold, *_) = LeaveOneSubjectOut(inner=inner).folds(samples.meta, samples.y)
    result = fit_fold(nearest(), samples, fold, CLASSES, GRID)
    where = "3 inner folds" if inner else "the validation part"
    assert result.facts["chosen"] == f"kneighborsclassifier__n_neighbors=25 by the lowest loss on {where}"
    chosen = nearest().set_params(kneighborsclassifier__n_neighbors=25)
    assert result.predictions.equals(fit_fold(chosen, samples, fold, CLASSES).predictions)
    turned = samples.replace(y=samples.y.copy())
    turned.y[fold.test] = np.where(samples.y[fold.test] == "calm", "tense", "calm")
    assert fit_fold(nearest(), turned, fold, CLASSES, GRID).facts["chosen"] == result.facts["chosen"]


class Splitting(KNeighborsClassifier):
    """A classifier that splits its training part itself, and keeps trials together."""

    inner_split = True

    def fit(self, X, y, validation=None, groups=None):
        assert validation is not None
        self.groups_ = groups
        return super().fit(X, y)


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: make_pipeline(Flatten(), e)])
def test_a_method_that_splits_its_training_part_is_told_the_trials(make_rich, wrap):
    samples = make_rich(shape=(6,))
    (fold, *_) = TrialSplit().folds(samples.meta, samples.y)
    fitted = fit_method(wrap(Splitting()), samples, fold, CLASSES)
    assert last_step(fitted.estimator).groups_.tolist() == samples.meta["trial"].iloc[fold.train].tolist()


def test_without_a_part_to_choose_on_the_method_stays_as_it_is(make_rich):
    samples = make_rich(shape=(6,))
    (fold, *_) = LeaveOneSubjectOut(validation=0).folds(samples.meta, samples.y)
    result = fit_fold(nearest(), samples, fold, CLASSES, GRID)
    assert result.facts["chosen"] == ""
    assert result.predictions.equals(fit_fold(nearest(), samples, fold, CLASSES).predictions)


def test_epochs_of_a_nested_network_are_the_median_of_the_inner_folds_and_nothing_is_held_back(make_rich):
    samples = make_rich(subjects=4, trials=8, effect=0.2, seed=3)
    (fold, *_) = LeaveOneSubjectOut(inner=3).folds(samples.meta, samples.y)
    network = RecurrentClassifier(hidden=4, max_epochs=12, patience=3, lr=0.1, random_state=0)
    best = []
    for train, held in fold.inner:
        fitted = RecurrentClassifier(**network.get_params()).fit(
            samples.X[train], samples.y[train], validation=samples[held]
        )
        best.append(fitted.best_epoch_)
    assert max(best) > np.median(best) > min(best), "these data do not tell the median from the rest"
    result = fit_fold(network, samples, fold, CLASSES)
    assert result.facts["best_epoch"] == int(np.median(best))
    assert result.facts["n_validation"] == 0
    assert result.facts["n_train"] == len(samples) - len(fold.test)
    assert "max_epochs" in result.facts["chosen"]


def test_ratings_are_cross_validated_with_their_own_metrics(make_rich):
    samples = make_rich(subjects=3, trials=10, shape=(4,))
    rating = samples.X[:, 0].astype(float)
    by_trial = samples.meta["trial"].map(dict(zip(samples.meta["trial"], rating, strict=True)))
    X = samples.X + 0.1 * np.random.default_rng(0).normal(size=samples.X.shape)
    X[:, 0] = by_trial
    ratings = samples.replace(X=X.astype(np.float32), meta=samples.meta.assign(valence=by_trial))
    table = cross_validate(
        make_pipeline(Ridge(1.0)), ratings, TrialSplit(), "valence", grid={"ridge__alpha": [1e-3, 1e6]}
    )
    whole = table[(table["subject"] == "all") & (table["level"] == "trial")]
    assert len(whole) == 15
    assert whole["rmse"].mean() < 0.1
    assert (table["chosen"].str.startswith("ridge__alpha=0.001")).all()
    assert {"ccc", "pearson", "rmse", "mae", "r2"} <= set(table)
    assert "accuracy" not in table


def test_labels_are_taken_for_what_they_are(make_samples, words):
    samples = make_samples()
    numbers = samples.replace(y=np.arange(len(samples)) / 7)
    with pytest.raises(InputError) as error:
        discrete(numbers)
    words(error.value, "The labels are ratings", "rating: true")
    assert rated(numbers.replace(y=np.arange(len(samples)))).y.dtype == np.float64
    with pytest.raises(InputError, match="no ratings: 'calm'"):
        rated(samples)


class Diverging(Ridge):
    """Predicts nothing finite above an alpha of 5."""

    def predict(self, X):
        return super().predict(X) * (np.nan if self.alpha > 5 else 1.0)


def test_what_diverges_loses_the_choice(make_rich):
    samples = make_rich(shape=(6,))
    rated_samples = samples.replace(y=samples.X[:, 0].astype(float))
    fold = LeaveOneSubjectOut().folds(samples.meta, samples.y)[0]
    grid = [{"alpha": 10.0}, {"alpha": 1.0}]
    assert fit_fold(Diverging(), rated_samples, fold, [], grid).facts["chosen"].startswith("alpha=1.0")
    with pytest.raises(InputError, match="No set of parameters"):
        fit_fold(Diverging(), rated_samples, fold, [], grid[:1])


def test_the_epochs_are_those_of_the_chosen_parameters(make_rich):
    samples = make_rich(subjects=4, trials=8, effect=0.2, seed=3)
    fold = LeaveOneSubjectOut(inner=3).folds(samples.meta, samples.y)[0]
    network = RecurrentClassifier(hidden=4, max_epochs=12, patience=3, random_state=0)
    alone = {lr: fit_fold(network.set_params(lr=lr), samples, fold, CLASSES).facts for lr in (1e-4, 0.1)}
    assert alone[1e-4]["best_epoch"] != alone[0.1]["best_epoch"], "these rates do not tell"
    both = fit_fold(network, samples, fold, CLASSES, [{"lr": 1e-4}, {"lr": 0.1}]).facts
    chosen = 0.1 if "lr=0.1" in both["chosen"] else 1e-4
    assert both["best_epoch"] == alone[chosen]["best_epoch"]
    other = fit_fold(network, samples, fold, CLASSES, [{"lr": 0.1}, {"lr": 1e-4}]).facts
    assert other["best_epoch"] == both["best_epoch"]


def test_the_median_that_splits_ratings_is_that_of_the_training_part(make_samples):
    from thymos.base.labels import MEDIAN, Rule

    samples = make_samples(subjects=4, trials=6)
    subject = samples.meta["subject"].str[1:].astype(int)
    number = samples.meta["trial"].str.split("-t").str[1].astype(int)
    rated = samples.replace(y=None, meta=samples.meta.assign(rating=10.0 * subject + number))
    fold = LeaveOneSubjectOut().folds(rated.meta, rated.meta["rating"].to_numpy())[3]
    made = Rule(MEDIAN).to(rated.target("rating"))
    result = fit_fold(make_pipeline(Flatten(), KNeighborsClassifier(1)), made, fold, ["high", "low"])
    median = np.median(rated.meta["rating"].to_numpy()[fold.train])
    expected = np.where(rated.meta["rating"].to_numpy()[fold.test] > median, "high", "low")
    assert result.predictions["label"].tolist() == expected.tolist()
    assert set(expected) == {"high"}  # the median of all, or of the test part, would split this person's trials
    table = cross_validate(
        make_pipeline(Flatten(), KNeighborsClassifier(1)), rated, LeaveOneSubjectOut(), "rating", rule=Rule(MEDIAN)
    )
    assert set(table["fold"]) == {"s0", "s1", "s2", "s3"}


class Lopsided(ClassifierMixin, BaseEstimator):
    """Knows the classes, and is drawn to the first by as much as the second axis of a sample says."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(X[:, 0] - X[:, 1]))
        return np.stack([1 - p, p], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_a_few_trials_calibrate_for_each_subject_alone(make_samples):
    samples = make_samples(subjects=3, trials=20, windows=2, shape=(2,))
    which = samples.meta["subject"].map({"s0": 0.0, "s1": 3.0, "s2": -3.0}).to_numpy()
    sign = np.where(samples.y == "tense", -1.0, 1.0)
    samples = samples.replace(X=np.stack([sign, which], axis=1).astype(np.float32))
    for few, least in ((0, 0.0), (8, 0.99)):
        found = {}
        for fold in LeaveOneSubjectOut(few_shot=few, n_splits="all").folds(samples.meta, samples.y):
            result = fit_fold(Lopsided(), samples, fold, CLASSES)
            assert result.facts["n_calibration"] == 2 * few
            assert len(result.predictions) == 40 - 2 * few
            guess = np.where(result.predictions["p0"] > 0.5, "calm", "tense")
            found[result.predictions["subject"].iloc[0]] = (guess == result.predictions["label"]).mean()
        assert found["s0"] in (0.0, 1.0)
        assert min(abs(found["s1"] - 0.5), abs(found["s2"] - 0.5)) < 1e-9 or few
        assert min(max(v, 1 - v) for v in found.values()) >= least


def test_a_few_trials_move_ratings(make_samples):
    samples = make_samples(subjects=3, trials=9, windows=2, shape=(1,))
    offset = samples.meta["subject"].map({"s0": 0.0, "s1": 0.0, "s2": 4.0}).to_numpy()
    rated = samples.replace(X=samples.X * 0, y=offset + 5.0)
    (fold,) = (f for f in LeaveOneSubjectOut(few_shot=3, n_splits="all").folds(samples.meta, rated.y) if f.name == "s2")
    result = fit_fold(Ridge(), rated, fold, [])
    assert np.allclose(result.predictions["predicted"], 5.0 + 4.0 * 3 / 4)
