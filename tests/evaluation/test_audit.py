import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import LeakError
from thymos.base.samples import Samples
from thymos.evaluation import Fold, RandomWindowSplit, TrialSplit, audit_fold, check_split
from thymos.evaluation.audit import flat_samples, unattributed


@pytest.fixture
def honest(make_samples):
    samples = make_samples(subjects=1, trials=10)
    return samples, TrialSplit(5).folds(samples.meta, samples.y)[0]


def kinds(samples, fold, **options):
    return [f.kind for f in audit_fold(samples, fold, **options)]


def test_an_honest_split_has_no_findings(honest):
    samples, fold = honest
    assert audit_fold(samples, fold) == []
    check_split(samples.meta, fold)


def test_a_trial_on_both_sides_is_found_with_its_name_and_number(honest, words):
    samples, fold = honest
    leaked = Fold("x", np.append(fold.train, fold.test[0]), fold.validation, fold.test[1:])
    with pytest.raises(LeakError) as error:
        check_split(samples.meta, leaked)
    trial = samples.meta["trial"].iloc[fold.test[0]]
    words(error.value, "fold 'x' leaks", "1 of 2 trials", "split by trial")
    (finding,) = [f for f in audit_fold(samples, leaked) if f.kind == "group"]
    assert finding.examples == (trial,)
    assert finding.count == 3


@pytest.mark.parametrize(("a", "b"), [("train", "validation"), ("validation", "test"), ("train", "test")])
def test_every_pair_of_parts_is_compared(honest, a, b):
    samples, fold = honest
    parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    parts[a] = np.append(parts[a], parts[b][0])
    parts[b] = parts[b][1:]
    assert "group" in kinds(samples, Fold("x", **parts))


def test_overlapping_windows_are_found_even_if_the_trial_ids_were_lost(honest, words):
    samples, fold = honest
    meta = samples.meta.assign(trial=[f"window {k}" for k in range(len(samples))])
    same = Fold("x", fold.train[:0], fold.validation, fold.test)
    rows = np.flatnonzero(meta["recording"] == meta["recording"].iloc[fold.test[0]])
    meta.loc[rows[0], ["start", "stop"]] = [0.5, 1.5]
    meta.loc[rows[1], ["start", "stop"]] = [1.0, 2.0]
    meta.loc[rows[2], ["start", "stop"]] = [2.0, 3.0]
    apart = Fold("x", rows[2:3], same.validation[:0], rows[0:1])
    touching = Fold("x", rows[2:3], same.validation[:0], rows[1:2])
    crossing = Fold("x", rows[1:2], same.validation[:0], rows[0:1])
    check_split(meta, apart)
    check_split(meta, touching)
    with pytest.raises(LeakError) as error:
        check_split(meta, touching, guard=0.25)
    words(error.value, "closer than 0.25 s")
    with pytest.raises(LeakError) as error:
        check_split(meta, crossing)
    words(error.value, "1 of 1 windows", "share signal with training")


def test_windows_that_touch_are_no_overlap_whatever_rounding_says(make_samples):
    samples = make_samples(subjects=1, trials=1, windows=200, shape=(1, 4))
    start = 0.008 + np.arange(200) * 20 / 200
    meta = samples.meta.assign(start=start, stop=start + 20 / 200)
    rows = np.arange(200)
    check_split(meta, Fold("x", rows[::2], rows[:0], rows[1::2]), keys=())


def test_overlap_counts_equal_those_of_a_plain_comparison(make_samples):
    samples = make_samples(subjects=2, trials=3, windows=20)
    rng = np.random.default_rng(0)
    start = np.tile(np.arange(20) * 0.5, 6)
    meta = samples.meta.assign(start=start, stop=start + rng.choice([0.4, 0.5, 1.0, 1.7], len(samples)))
    fold = RandomWindowSplit(3, validation=0).folds(meta, samples.y)[0]
    shares = [
        any(
            meta["recording"][i] == meta["recording"][j]
            and meta["start"][i] < meta["stop"][j]
            and meta["start"][j] < meta["stop"][i]
            for j in fold.train
        )
        for i in fold.test
    ]
    (finding,) = [f for f in audit_fold(samples.replace(meta=meta), fold) if f.kind == "overlap"]
    assert finding.count == sum(shares) > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("modalities", [False, True])
def test_exact_copies_are_found_and_near_ones_are_not(honest, dtype, modalities):
    samples, fold = honest
    X = (samples.X * 20).astype(dtype)
    X[fold.test[2]] = X[fold.train[5]]
    X[fold.test[3]] = X[fold.train[6]]
    X[fold.test[3], 0, 0] += 1
    samples = samples.replace(X={"a": X, "b": X[:, 0].copy()} if modalities else X)
    findings = audit_fold(samples, fold)
    assert [(f.kind, f.count) for f in findings] == [("duplicate", 1)]
    row = samples.meta.iloc[fold.test[2]]
    assert row["trial"] in findings[0].examples[0]


def test_synthetic_samples_belong_to_training_and_come_from_it(honest, words):
    samples, fold = honest
    train_trial = samples.meta["trial"].iloc[fold.train[0]]
    test_trial = samples.meta["trial"].iloc[fold.test[0]]
    made = samples[fold.train[:3]]

    def with_made(source):
        meta = made.meta.assign(synthetic=True, source_trial=source, trial="made", recording="made")
        return Samples.concatenate([samples, Samples(made.X + 1, made.y, meta, samples.info)])

    rows = np.arange(len(samples), len(samples) + 3)
    inside = Fold("x", np.append(fold.train, rows), fold.validation, fold.test)
    assert kinds(with_made(train_trial), inside) == []
    assert kinds(with_made(""), inside) == []
    other_trial = samples.meta["trial"].iloc[fold.train[-1]]
    assert kinds(with_made(f"{train_trial} & {other_trial}"), inside) == []
    for pair in (f"{train_trial} & {test_trial}", f"{test_trial} & {train_trial}"):
        assert kinds(with_made(pair), inside) == ["synthetic"]
    assert kinds(with_made(test_trial), inside) == ["synthetic"]
    with pytest.raises(LeakError) as error:
        check_split(with_made(test_trial).meta, inside)
    words(error.value, "3 synthetic training samples", "fit the generator inside the fold")
    outside = Fold("x", fold.train, fold.validation, np.append(fold.test, rows))
    with pytest.raises(LeakError, match="3 synthetic samples are in validation or test"):
        check_split(with_made(train_trial).meta, outside)


def test_random_windows_are_found_out(make_samples):
    samples = make_samples()
    for fold in RandomWindowSplit().folds(samples.meta, samples.y):
        assert "group" in kinds(samples, fold)


def test_an_empty_table_of_others_is_no_leak(honest):
    samples, fold = honest
    assert kinds(samples, Fold("x", fold.train, fold.validation[:0], fold.test[:0])) == []
    assert isinstance(samples.meta, pd.DataFrame)


def test_inner_folds_are_searched_too(honest, words):
    samples, fold = honest
    inner = ((fold.train, fold.test), (fold.validation, fold.train))
    leaking = Fold("x", fold.train, fold.validation, fold.test, inner=inner)
    with pytest.raises(LeakError) as error:
        check_split(samples.meta, leaking)
    words(error.value, "test part are in an inner fold")
    shared = Fold("x", fold.train, fold.validation, fold.test, inner=((fold.train, fold.train[:1]),))
    with pytest.raises(LeakError, match="inner validation part are in its training"):
        check_split(samples.meta, shared)


def test_a_copy_of_one_modality_is_found_and_one_that_is_lacking_is_none(honest):
    samples, fold = honest
    face = np.random.default_rng(0).normal(size=(len(samples), 1, 4, 4))
    face[fold.test[:3]] = face[fold.train[4]]
    face[fold.test[3:5]], face[fold.train[:5]] = np.nan, np.nan
    face[fold.train[4]] = face[fold.test[0]]
    face[fold.test[5]], face[fold.train[6]] = 0.0, 0.0
    (finding,) = audit_fold(samples.replace(X={"eeg": samples.X, "face": face}), fold)
    assert (finding.kind, finding.count) == ("duplicate", 3)
    assert finding.text == f"3 of {len(fold.test)} test samples are copies of training or validation samples in face."


def test_flat_samples_and_tables_of_few_values_are_no_copies(honest, make_samples):
    samples, fold = honest
    X = samples.X.copy()
    X[[fold.test[0], fold.train[0], fold.train[5]]] = 0.0
    assert "duplicate" not in kinds(samples.replace(X=X), fold)
    (note,) = flat_samples(samples.replace(X=X))
    assert (note.severity, note.count) == ("note", 3)
    table = make_samples(subjects=1, trials=10, shape=(3,))
    whole = table.replace(X=np.round(table.X))
    assert audit_fold(whole, TrialSplit().folds(table.meta, table.y)[0]) == []


def test_copies_with_missing_values_are_copies(honest):
    samples, fold = honest
    X = samples.X.copy()
    X[fold.train[0], 0, 3] = np.nan
    X[fold.test[0]] = X[fold.train[0]]
    assert "duplicate" in kinds(samples.replace(X=X), fold)


def test_synthetic_samples_that_name_no_source_are_found_where_everything_else_is_tested(make_samples):
    samples = make_samples(subjects=4, trials=6)
    folds = TrialSplit(3).folds(samples.meta, samples.y)
    n = len(samples)
    more = samples.meta.iloc[:5].assign(trial="made", synthetic=True, source_trial="")
    real = samples.meta.assign(synthetic=False, source_trial="")
    meta = pd.concat([real, more], ignore_index=True)
    joined = [Fold(f.name, np.r_[f.train, n : n + 5], f.validation, f.test) for f in folds]
    (finding,) = unattributed(meta, joined)
    assert (finding.kind, finding.severity, finding.count) == ("synthetic", "leak", 5)
    assert unattributed(meta, joined[:1]) == [], "one fold tests a part only: they may be of the rest"
    named = meta.assign(source_trial=np.where(meta["synthetic"], real["trial"].iloc[0], ""))
    assert unattributed(named, joined) == []
    assert unattributed(real, folds) == []
