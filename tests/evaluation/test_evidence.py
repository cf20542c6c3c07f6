import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from thymos.evaluation import RecordingSplit, TrialSplit
from thymos.evaluation.evidence import (
    Neighbourhood,
    constant_features,
    interpolated,
    label_carriers,
    near_copies,
    one_person,
    prepared_statistics,
)


@pytest.fixture
def table(make_samples):
    """Return samples of 12 features with people, and an honest fold."""
    samples = make_samples(subjects=4, trials=10, shape=(12,), effect=0.3)
    samples.X[:] += np.repeat(np.random.default_rng(1).normal(0, 1, (4, 12)), 40, axis=0)
    return samples, RecordingSplit(5).folds(samples.meta, samples.y)


def test_near_copies_across_the_split_are_found_with_both_names(table):
    samples, folds = table
    X = samples.X.copy()
    test, train = folds[0].test[3], folds[0].train[7]
    X[test] = X[train] + np.random.default_rng(0).normal(0, 0.01, 12)
    planted = samples.replace(X=X)
    found = list(near_copies(planted, folds, Neighbourhood(planted)))
    assert {fold.name for fold, _ in found} >= {"1"}
    _, finding = found[0]
    assert (finding.kind, finding.severity, finding.count) == ("near copy", "leak", 1)
    names = (samples.meta["trial"][test], samples.meta["trial"][train])
    assert all(name in finding.examples[0] for name in names)
    assert list(near_copies(samples, folds, Neighbourhood(samples))) == []


def test_near_copies_of_windows_are_found_whatever_their_offset(make_samples):
    samples = make_samples(subjects=2, trials=10, shape=(3, 64))
    folds = TrialSplit().folds(samples.meta, samples.y)
    X = samples.X.copy()
    X[folds[0].test[0]] = X[folds[0].train[0]] * 1.001 + np.array([[3.0], [0.0], [-1.0]])
    planted = samples.replace(X=X)
    assert [f.count for _, f in near_copies(planted, folds[:1], Neighbourhood(planted))] == [1]


def test_neighbours_in_few_directions_are_no_copies(make_samples):
    samples = make_samples(subjects=2, trials=10, shape=(2,))
    near = Neighbourhood(samples)
    assert near.dimension < 4
    assert list(near_copies(samples, TrialSplit().folds(samples.meta, samples.y), near)) == []
    assert interpolated(samples, near) == []


def test_rows_made_by_smote_before_the_split_are_found(table):
    samples, _ = table
    keep = (samples.y == "calm") | (np.arange(len(samples)) % 3 == 0)
    few = samples[keep]
    X, y = SMOTE(random_state=0).fit_resample(few.X, few.y)
    made = len(X) - len(few)
    rows = np.r_[np.arange(len(few)), np.zeros(made, dtype=int)]
    oversampled = few[rows].replace(X=X, y=y)
    (finding,) = interpolated(oversampled, Neighbourhood(oversampled))
    assert finding.kind == "resampling"
    assert 0.6 * made < finding.count < 1.6 * made
    assert interpolated(few, Neighbourhood(few)) == []


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
@pytest.mark.parametrize("by_subject", [False, True])
def test_scaling_over_test_rows_is_found(table, scaler, by_subject):
    samples, folds = table
    X = samples.X.astype(float)
    for subject in samples.meta["subject"].unique() if by_subject else [None]:
        rows = samples.meta["subject"].to_numpy() == subject if by_subject else np.full(len(X), True)
        X[rows] = scaler.fit_transform(X[rows])
    (finding,) = prepared_statistics(samples.replace(X=X.astype(np.float32)), folds[0])
    assert finding.kind == "statistics"
    assert ("each subject's" in finding.text) == by_subject
    assert ("0 to 1" in finding.text) == isinstance(scaler, MinMaxScaler)
    assert prepared_statistics(samples, folds[0]) == []


def test_scaling_windows_over_everything_is_found_and_scaling_each_recording_is_allowed(make_samples):
    samples = make_samples(subjects=3, trials=8, shape=(2, 32))
    fold = RecordingSplit(4).folds(samples.meta, samples.y)[0]
    X = samples.X - samples.X.mean(axis=(0, 2), keepdims=True)
    whole = samples.replace(X=X / X.std(axis=(0, 2), keepdims=True))
    assert [f.kind for f in prepared_statistics(whole, fold)] == ["statistics"]
    X = samples.X.copy()
    for trial in samples.meta["trial"].unique():
        rows = samples.meta["trial"].to_numpy() == trial
        X[rows] = (X[rows] - X[rows].mean(axis=(0, 2), keepdims=True)) / X[rows].std(axis=(0, 2), keepdims=True)
    assert prepared_statistics(samples.replace(X=X), fold) == []
    z = (samples.X - samples.X.mean(axis=2, keepdims=True)) / samples.X.std(axis=2, keepdims=True)
    assert prepared_statistics(samples.replace(X=z), fold) == []


def test_a_rotation_fitted_on_all_rows_is_found(table):
    samples, folds = table
    X = PCA(6).fit_transform(samples.X).astype(np.float32)
    (finding,) = prepared_statistics(samples.replace(X=X), folds[0])
    assert "uncorrelated over all rows" in finding.text
    train = PCA(6).fit(samples.X[folds[0].train]).transform(samples.X).astype(np.float32)
    assert prepared_statistics(samples.replace(X=train), folds[0]) == []


def test_constant_channels_are_named(make_samples):
    samples = make_samples(shape=(3, 32))
    samples.X[:, 1] = 7.0
    (finding,) = constant_features(samples)
    assert (finding.severity, finding.examples) == ("note", ("c1",))
    assert constant_features(make_samples()) == []


@pytest.mark.parametrize("shape", [(5,), (3, 32)])
def test_a_feature_that_is_the_label_is_found_and_named(make_samples, shape):
    samples = make_samples(subjects=4, trials=9, shape=shape, classes=("a", "b", "c"))
    folds = RecordingSplit(3).folds(samples.meta, samples.y)
    assert label_carriers(samples, folds) == []
    code = np.array([[2.0, 0.0, 1.0]["abc".index(label)] for label in samples.y])  # an order of its own
    samples.X[:, 2] = (code + np.random.default_rng(0).normal(0, 0.01, len(code))).reshape(-1, *[1] * (len(shape) - 1))
    (finding,) = label_carriers(samples, folds)
    assert finding.kind == "label"
    assert "c2" in finding.examples[0] or finding.examples[0] == "column 2"
    rating = samples.replace(y=code + 0.5)
    assert [f.kind for f in label_carriers(rating, folds)] == ["label"]


@pytest.mark.parametrize("trials", [4, 12])
def test_noise_is_not_taken_for_the_label_however_few_trials_a_fold_tests(make_samples, trials):
    for seed in range(5):
        samples = make_samples(subjects=3, trials=trials, windows=1, shape=(300,), seed=seed)
        folds = TrialSplit(2).folds(samples.meta, samples.y)
        assert label_carriers(samples, folds) == []
        rated = samples.replace(y=np.random.default_rng(seed).uniform(1, 9, len(samples)))
        assert label_carriers(rated, TrialSplit(2).folds(rated.meta, rated.y)) == []


def test_a_label_far_to_the_right_of_a_wide_table_is_found(make_samples):
    samples = make_samples(subjects=4, trials=8, windows=1, shape=(6000,))
    samples.X[:, 5500] = samples.y == "calm"
    (finding,) = label_carriers(samples, RecordingSplit(4).folds(samples.meta, samples.y))
    assert finding.examples == ("c5500",)


def test_samples_upsampled_within_a_trial_are_no_resampling(make_samples):
    samples = make_samples(subjects=3, trials=8, windows=9, shape=(12,))
    X = samples.X.reshape(24, 9, 12)
    X[:, 1::2] = (X[:, :-1:2] + X[:, 2::2]) / 2
    upsampled = samples.replace(X=X.reshape(-1, 12))
    assert interpolated(upsampled, Neighbourhood(upsampled)) == []


def test_rounded_values_and_samples_that_say_they_are_synthetic_are_no_resampling(make_samples):
    samples = make_samples(subjects=4, trials=10, shape=(12,), effect=0.3)
    rounded = samples.replace(X=np.round(samples.X[:, :4]))
    near = Neighbourhood(rounded)
    assert near.coarse
    assert not Neighbourhood(samples).coarse
    assert interpolated(rounded, near) == []
    between = samples.X.copy()
    between[7] = (between[50] + between[90]) / 2
    hidden = samples.replace(X=between)
    assert len(interpolated(hidden, Neighbourhood(hidden))) == 1
    marked = hidden.replace(meta=samples.meta.assign(synthetic=np.arange(len(samples)) == 7))
    assert interpolated(marked, Neighbourhood(marked)) == []


def test_a_copy_with_replaced_values_is_found(make_samples):
    samples = make_samples(subjects=4, trials=10, shape=(60,))
    folds = RecordingSplit(5).folds(samples.meta, samples.y)
    X, rng = samples.X.copy(), np.random.default_rng(0)
    test, train = folds[0].test[2], folds[0].train[5]
    X[test] = np.where(rng.random(60) < 0.2, X.mean(axis=0), X[train])
    planted = samples.replace(X=X)
    assert [finding.count for _, finding in near_copies(planted, folds[:1], Neighbourhood(planted))] == [1]


def test_rows_drawn_around_others_are_closer_than_chance(make_samples):
    samples = make_samples(subjects=4, trials=10, shape=(20,))
    folds = RecordingSplit(5).folds(samples.meta, samples.y)
    X, rng = samples.X.copy(), np.random.default_rng(0)
    X[folds[0].test[:6]] = X[folds[0].train[:6]] + rng.normal(0, 0.25, (6, 20))
    planted = samples.replace(X=X)
    near = Neighbourhood(planted)
    assert (near.distances[:, 0] / near.distances[:, -1]).min() > 0.1, "not by the plain rule"
    assert [finding.count for _, finding in near_copies(planted, folds[:1], near)] == [6]


def test_a_weighted_sum_of_two_windows_is_resampling(make_samples):
    samples = make_samples(subjects=2, trials=12, shape=(3, 64))
    X = samples.X - samples.X.mean(axis=2, keepdims=True)
    X[50] = np.sqrt(0.3) * X[0] + np.sqrt(0.7) * X[90]
    planted = samples.replace(X=X)
    (finding,) = interpolated(planted, Neighbourhood(planted))
    assert (finding.kind, finding.count) == ("resampling", 1)
    assert samples.meta["trial"][50] in finding.examples[0]


def test_a_single_column_that_was_standardised_is_named_and_a_code_is_not(table):
    samples, folds = table
    X = samples.X.astype(float)
    X[:, 3] = StandardScaler().fit_transform(X[:, [3]])[:, 0]
    (finding,) = prepared_statistics(samples.replace(X=X), folds[0])
    assert finding.kind == "statistics"
    assert finding.text.startswith("1 of 12 features are standardised over all rows")
    X = samples.X.astype(float)
    X[:, 3] = np.where(np.arange(len(X)) % 2, 1.0, -1.0)
    assert prepared_statistics(samples.replace(X=X), folds[0]) == []


def test_a_person_under_two_names_is_found(make_samples):
    samples = make_samples(subjects=6, trials=8, windows=8, shape=(10,))
    rng = np.random.default_rng(0)
    person = np.repeat(rng.normal(0, 2, (6, 10)), 64, axis=0)
    trial = np.repeat(rng.normal(0, 1, (48, 10)), 8, axis=0)
    samples = samples.replace(X=person + trial + rng.normal(0, 0.7, (len(samples), 10)))
    assert one_person(samples, Neighbourhood(samples)) == []
    meta, first = samples.meta.copy(), samples.meta["subject"].unique()[0]
    rows = np.flatnonzero((meta["subject"] == first).to_numpy() & (np.arange(len(meta)) % 2 == 1))
    meta.loc[meta.index[rows], "subject"] = "somebody"
    meta.loc[meta.index[rows], "trial"] = "somebody-" + meta["trial"].iloc[rows]
    doubled = samples.replace(meta=meta)
    (finding,) = one_person(doubled, Neighbourhood(doubled))
    assert (finding.kind, finding.severity) == ("two names", "leak")
    assert finding.examples == (f"{first} = somebody",)


def test_features_with_more_axes_are_searched_for_scaling_too(make_samples):
    samples = make_samples(subjects=3, trials=8, shape=(4, 5, 3))
    fold = RecordingSplit(4).folds(samples.meta, samples.y)[0]
    assert prepared_statistics(samples, fold) == []
    X = samples.X.astype(float)
    for name in samples.meta["subject"].unique():
        mine = (samples.meta["subject"] == name).to_numpy()
        X[mine] = (X[mine] - X[mine].mean(axis=(0, 3), keepdims=True)) / X[mine].std(axis=(0, 3), keepdims=True)
    (finding,) = prepared_statistics(samples.replace(X=X), fold)
    assert "standardised over each subject's rows" in finding.text
    assert finding.examples[0] == "column 0, 0"


def test_samples_that_are_mostly_alike_are_no_copies(make_samples):
    samples = make_samples(subjects=4, trials=10, shape=(60,))
    folds = RecordingSplit(5).folds(samples.meta, samples.y)
    X = samples.X.copy()
    X[:, :40] = 0  # as the black ground of pictures
    X[:, 40:] *= 1 + np.random.default_rng(0).random((len(X), 20))
    ground = samples.replace(X=X)
    near = Neighbourhood(ground)
    assert not near.medians.any()
    near.coarse = False
    assert list(near_copies(ground, folds, near)) == []


def test_exact_copies_are_left_to_the_search_for_these(make_samples):
    samples = make_samples(subjects=4, trials=10, shape=(60,))
    folds = RecordingSplit(5).folds(samples.meta, samples.y)
    X = samples.X.copy()
    X[folds[0].test[2]] = X[folds[0].train[5]]
    planted = samples.replace(X=X)
    assert list(near_copies(planted, folds, Neighbourhood(planted))) == []
