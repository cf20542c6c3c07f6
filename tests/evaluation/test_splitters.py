import json
import os
import subprocess
import sys

import numpy as np
import pytest

from thymos.base.errors import InputError, ProtocolError
from thymos.evaluation import LeaveOneSubjectOut, RandomWindowSplit, RecordingSplit, TrialSplit
from thymos.evaluation.catalogue import PROTOCOLS

PROTOCOL_CLASSES = [row.load() for row in PROTOCOLS.values()]
HONEST = [p for p in PROTOCOL_CLASSES if not p.leaky]


@pytest.mark.parametrize("protocol", PROTOCOL_CLASSES)
def test_parts_are_disjoint_sorted_and_every_row_is_tested_once(protocol, make_samples):
    samples = make_samples(subjects=4, trials=12)
    folds = protocol().folds(samples.meta, samples.y)
    assert len({f.name for f in folds}) == len(folds)
    tested = np.concatenate([f.test for f in folds])
    assert sorted(tested.tolist()) == list(range(len(samples)))
    for fold in folds:
        joined = np.concatenate([fold.train, fold.validation, fold.test])
        assert len(set(joined.tolist())) == len(joined)
        assert all(np.all(np.diff(part) > 0) for part in (fold.train, fold.validation, fold.test))
        assert len(fold.validation) > 0
        assert set(samples.y[fold.train]) == set(samples.y)


@pytest.mark.parametrize("protocol", HONEST)
@pytest.mark.parametrize("seed", range(3))
def test_no_group_stands_on_both_sides(protocol, seed, make_samples):
    samples = make_samples(subjects=4, trials=12)
    for fold in protocol(random_state=seed).folds(samples.meta, samples.y):
        for key in (*protocol.keys, "trial"):
            parts = [set(samples.meta[key].iloc[getattr(fold, part)]) for part in ("train", "validation", "test")]
            assert sum(map(len, parts)) == len(set.union(*parts)), key


@pytest.mark.parametrize("protocol", HONEST)
def test_validation_is_cut_by_the_same_key_as_the_test_part(protocol, make_samples):
    samples = make_samples(subjects=6, trials=12)
    for fold in protocol().folds(samples.meta, samples.y):
        key = samples.meta[list(protocol.keys)].agg("/".join, axis=1)
        for value in set(key.iloc[fold.validation]):
            rows = np.flatnonzero(key == value)
            assert np.isin(rows, fold.validation).all(), "a part of a group is in validation"


def test_trial_folds_are_subject_dependent_and_stratified(make_samples):
    samples = make_samples(subjects=2, trials=15, classes=("a", "b", "c"))
    folds = TrialSplit().folds(samples.meta, samples.y)
    assert len(folds) == 2 * 5
    for fold in folds:
        everything = np.concatenate([fold.train, fold.validation, fold.test])
        assert samples.meta["subject"].iloc[everything].nunique() == 1
        trials = samples.meta.iloc[fold.test].drop_duplicates("trial")
        assert trials["feeling"].value_counts().tolist() == [1, 1, 1]


def test_the_rarest_class_limits_the_number_of_folds(make_samples):
    samples = make_samples(subjects=1, trials=9, classes=("a", "a", "b"))
    assert len(TrialSplit(5).folds(samples.meta, samples.y)) == 3


def test_loso_tests_each_subject_and_validates_on_whole_subjects(make_samples):
    samples = make_samples(subjects=5)
    folds = LeaveOneSubjectOut().folds(samples.meta, samples.y)
    assert [f.name for f in folds] == ["s0", "s1", "s2", "s3", "s4"]
    for fold in folds:
        assert set(samples.meta["subject"].iloc[fold.test]) == {fold.name}
        assert samples.meta["subject"].iloc[fold.validation].nunique() == 1


def test_a_protocol_that_cannot_supply_validation_says_so_and_lends_nothing(make_samples):
    two = make_samples(subjects=2)
    for fold in LeaveOneSubjectOut().folds(two.meta, two.y):
        assert len(fold.validation) == 0
        assert "no validation part" in fold.note
        assert len(fold.train) + len(fold.test) == len(two)
    few = make_samples(subjects=1, trials=4)
    assert all("no validation part" in fold.note for fold in TrialSplit().folds(few.meta, few.y))
    assert all(len(f.validation) == 0 for f in TrialSplit(validation=0).folds(*_parts(make_samples())))


def _parts(samples):
    return samples.meta, samples.y


def test_recordings_default_to_trials_where_there_is_no_such_column(make_samples):
    samples = make_samples(subjects=2, trials=8)
    bare = samples.meta.drop(columns="recording")
    with_column, without = (RecordingSplit(4).folds(meta, samples.y) for meta in (samples.meta, bare))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(with_column, without, strict=True))


def test_random_windows_are_dealt_within_a_column_on_request(make_samples):
    samples = make_samples(subjects=3)
    for fold in RandomWindowSplit(3, within="subject").folds(samples.meta, samples.y):
        assert samples.meta["subject"].iloc[np.concatenate([fold.train, fold.test])].nunique() == 1
    (fold, *_) = RandomWindowSplit(3).folds(samples.meta, samples.y)
    assert set(samples.meta["trial"].iloc[fold.test]) & set(samples.meta["trial"].iloc[fold.train])


def test_seeds_change_the_folds_and_equal_seeds_do_not(make_samples):
    samples = make_samples(subjects=2, trials=20)

    def tests(seed):
        return [f.test.tolist() for f in TrialSplit(random_state=seed).folds(samples.meta, samples.y)]

    assert tests(0) == tests(0)
    assert tests(0) != tests(1)


def test_the_order_of_rows_does_not_change_who_is_tested_with_whom(make_samples):
    samples = make_samples(subjects=3, trials=10)
    mixed = samples[np.random.default_rng(0).permutation(len(samples))]

    def groups(s):
        return [sorted(set(s.meta["trial"].iloc[f.test])) for f in RecordingSplit().folds(s.meta, s.y)]

    assert groups(samples) == groups(mixed)


def test_folds_are_the_same_under_different_hash_seeds():
    code = """
import json, numpy as np, pandas as pd
from thymos.evaluation.catalogue import PROTOCOLS
rows = [dict(source='m', subject=f's{s}', session='1', trial=f's{s}t{t}', stimulus=f'k{t}', start=w, stop=w + 1.)
        for s in range(4) for t in range(10) for w in range(3)]
meta = pd.DataFrame(rows)
y = meta['stimulus'].str[-1].astype(int).to_numpy() % 2
print(json.dumps({n: [[f.name, f.train.tolist(), f.validation.tolist(), f.test.tolist()]
                      for f in r.load()(random_state=3).folds(meta, y)] for n, r in PROTOCOLS.items()}))
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    ]
    assert runs[0] == runs[1] == runs[2]
    assert set(json.loads(runs[0])) == set(PROTOCOLS)


def test_as_scikit_learns_splitters(make_samples):
    samples = make_samples(subjects=3, trials=6)
    protocol = TrialSplit(3)
    (first, *_), (fold, *_) = protocol.split(samples), protocol.folds(samples.meta, samples.y)
    assert np.array_equal(first[1], fold.test)
    assert np.array_equal(first[0], np.sort(np.concatenate([fold.train, fold.validation])))
    assert protocol.get_n_splits(samples.X, samples.y, groups=samples.meta) == 9
    with pytest.raises(InputError, match="groups=<metadata DataFrame>"):
        next(protocol.split(samples.X, samples.y))


def test_what_cannot_be_split_is_said_in_words(make_samples, words):
    samples = make_samples()
    shared = samples.meta.assign(trial=samples.meta["trial"].str.split("-").str[1])
    with pytest.raises(ProtocolError) as error:
        TrialSplit().folds(shared, samples.y)
    words(error.value, "'t0' belongs to several subjects", "meta['subject'] + '-'")
    with pytest.raises(ProtocolError) as error:
        TrialSplit().folds(samples.meta, np.full(len(samples), "calm"))
    words(error.value, "All 72 samples have the label 'calm'", "at least two classes")
    one = samples.replace(y=np.where(samples.meta["trial"] == "s1-t0", "rare", "calm"))
    with pytest.raises(ProtocolError) as error:
        TrialSplit().folds(one.meta, one.y)
    words(error.value, "subject s0 cannot be split", "'calm'")
    with pytest.raises(ProtocolError) as error:
        RecordingSplit().folds(one.meta, one.y)
    words(error.value, "one recording of class 'rare'", "at least two recordings")
    with pytest.raises(ProtocolError) as error:
        LeaveOneSubjectOut().folds(one.meta, one.y)
    words(error.value, "fold s1 tests the class 'rare'", "training part")
    alone = make_samples(subjects=1)
    with pytest.raises(ProtocolError, match="only the subject 's0'"):
        LeaveOneSubjectOut().folds(alone.meta, alone.y)
    with pytest.raises(ProtocolError, match="synthetic samples before the split"):
        TrialSplit().folds(samples.meta.assign(synthetic=True), samples.y)
    with pytest.raises(ProtocolError) as error:
        LeaveOneSubjectOut().folds(samples.meta.drop(columns="subject"), samples.y)
    words(error.value, "column subject")
    with pytest.raises(InputError, match="two splits or more"):
        TrialSplit(1)
