import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from thymos.base.errors import InputError
from thymos.evaluation import RecordingSplit
from thymos.evaluation.interventions import inner_splits, intervene, small_fold


@pytest.fixture
def setting(make_samples):
    samples = make_samples(subjects=4, trials=8, shape=(10,), effect=0.4)
    return samples, RecordingSplit(4).folds(samples.meta, samples.y)[0]


def fitted(model, X, samples, fold):
    return model.fit(X[fold.train], samples.y[fold.train]).predict_proba(X[fold.test])


def honest(samples, fold):
    return fitted(make_pipeline(StandardScaler(), LogisticRegression()), samples.X, samples, fold)


def scaled_before(samples, fold):
    return fitted(LogisticRegression(), StandardScaler().fit_transform(samples.X), samples, fold)


def rotated_before(samples, fold):
    return fitted(LogisticRegression(), PCA(3, svd_solver="full").fit_transform(samples.X), samples, fold)


def selected_before(samples, fold):
    return fitted(LogisticRegression(), SelectKBest(k=3).fit_transform(samples.X, samples.y), samples, fold)


def resampled_before(samples, fold):
    keep = np.setdiff1d(np.arange(len(samples)), fold.train[samples.y[fold.train] == "calm"][::2])
    X, y = SMOTE(random_state=0).fit_resample(samples.X[keep], samples.y[keep])
    train = np.setdiff1d(np.arange(len(X)), np.searchsorted(keep, fold.test))
    return LogisticRegression().fit(X[train], y[train]).predict_proba(samples.X[fold.test])


def stopped_on_test(samples, fold):
    best, score = None, -1.0
    for c in (1e-4, 1e-2, 1.0, 100.0):  # 'epochs' of which the test part chooses one
        model = LogisticRegression(C=c).fit(samples.X[fold.train], samples.y[fold.train])
        accuracy = model.score(samples.X[fold.test], samples.y[fold.test])
        best, score = (model, accuracy) if accuracy > score else (best, score)
    return best.predict_proba(samples.X[fold.test])


def normalised_over_the_test_batch(samples, fold):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(samples.X[fold.train], samples.y[fold.train])
    batch = samples.X[fold.test]
    return model.predict_proba((batch - batch.mean(axis=0)) / batch.std(axis=0))


@pytest.mark.parametrize(
    ("procedure", "kinds"),
    [
        (honest, set()),
        (scaled_before, {"features"}),
        (rotated_before, {"features"}),
        (selected_before, {"labels"}),
        (resampled_before, {"labels", "features"}),
        (stopped_on_test, {"labels"}),
        (normalised_over_the_test_batch, {"features"}),
    ],
)
def test_what_reaches_the_test_part_is_found_and_an_honest_method_is_cleared(setting, procedure, kinds):
    found = intervene(procedure, *setting, name=procedure.__name__)
    assert {f.kind for f in found} >= kinds
    assert bool(found) == bool(kinds)
    assert all(f.severity == "leak" and f.examples and procedure.__name__ in f.text for f in found)


def test_ratings_are_experimented_on_too(setting):
    samples, fold = setting
    rated = samples.replace(y=samples.X[:, 0].astype(float))

    def nearest_of_all(data, part):
        return np.full(len(part.test), data.y.mean())

    assert [f.kind for f in intervene(nearest_of_all, rated, fold)] == ["labels"]
    assert intervene(lambda data, part: data.X[part.test, 0], rated, fold) == []


def test_a_method_that_is_not_reproducible_is_said_to_be_so(setting):
    rng = np.random.default_rng()
    (finding,) = intervene(lambda data, part: rng.random(len(part.test)), *setting)
    assert (finding.kind, finding.severity) == ("unstable", "note")
    with pytest.raises(InputError, match="3 predictions"):
        intervene(lambda data, part: np.zeros(3), *setting)


@pytest.mark.parametrize(
    ("estimator", "what"),
    [
        (MLPClassifier(early_stopping=True), "early_stopping=True"),
        (make_pipeline(StandardScaler(), HistGradientBoostingClassifier()), ""),
        (GradientBoostingClassifier(n_iter_no_change=5), "n_iter_no_change=5"),
        (RandomForestClassifier(oob_score=True), ""),
        (SVC(), ""),
        (SVC(probability=True), "probability=True"),
        (GridSearchCV(SVC(), {"C": [1.0]}), "cv=None"),
        (make_pipeline(StandardScaler(), LogisticRegression()), ""),
    ],
)
def test_estimators_that_split_windows_by_themselves_are_found(estimator, what):
    found = inner_splits(estimator)
    assert bool(found) == bool(what)
    assert all(what in f.text for f in found)
    assert bool(inner_splits(HistGradientBoostingClassifier(), n_train=20_000))


def test_a_small_fold_keeps_every_class_and_every_part_apart(make_samples):
    samples = make_samples(subjects=4, trials=60, windows=10)
    fold = RecordingSplit(4).folds(samples.meta, samples.y)[0]
    small = small_fold(samples, fold)
    assert len(small.train) <= 240
    assert len(small.test) <= 80
    assert set(samples.y[small.train]) == set(samples.y)
    for part in ("train", "validation", "test"):
        assert set(getattr(small, part)) <= set(getattr(fold, part))


def test_a_trial_may_be_scaled_by_itself_and_not_with_others(setting):
    samples, fold = setting
    trials = samples.meta["trial"].to_numpy(str)

    def scaled(groups):
        def procedure(data, part):
            X = data.X.copy()
            for name in np.unique(groups):
                mine = groups == name
                X[mine] = (X[mine] - X[mine].mean(axis=0)) / X[mine].std(axis=0)
            return fitted(LogisticRegression(), X, data, part)

        return procedure

    assert intervene(scaled(trials), samples, fold) == []
    (finding,) = intervene(scaled(samples.meta["subject"].to_numpy(str)), samples, fold)
    assert finding.kind == "features"
