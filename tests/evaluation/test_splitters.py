import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import InputError, LeakError, ProtocolError
from thymos.evaluation import (
    GroupSplit,
    LeaveOneSubjectOut,
    OfficialSplit,
    RandomWindowSplit,
    RecordingSplit,
    SubjectStimulusSplit,
    TrialShares,
    TrialSplit,
    check_split,
)
from thymos.evaluation.catalogue import PROTOCOLS
from thymos.evaluation.protocol import Fold
from thymos.evaluation.splitters import OfficialWithCopies

HONEST = [name for name, row in PROTOCOLS.items() if not row.load().leaky]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_parts_are_disjoint_sorted_and_every_row_is_tested_once(name, make_rich, make_protocol):
    samples = make_rich(windows=9)
    folds = make_protocol(name).folds(samples.meta, samples.y)
    assert len({f.name for f in folds}) == len(folds)
    tested = np.concatenate([f.test for f in folds])
    if name.startswith("official") or name == "paired":
        assert set(samples.meta["part"].iloc[tested]) == {"test"}
    elif name != "trial_shares":  # which deals anew each time
        assert sorted(tested.tolist()) == list(range(len(samples)))
    for fold in folds:
        joined = np.concatenate([fold.train, fold.validation, fold.test])
        assert len(set(joined.tolist())) == len(joined)
        assert all(np.all(np.diff(part) > 0) for part in (fold.train, fold.validation, fold.test))
        assert len(fold.validation) > 0
        assert set(samples.y[fold.train]) == set(samples.y)


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("seed", range(3))
def test_no_key_stands_on_both_sides(name, seed, make_rich, make_protocol):
    samples = make_rich()
    nested = {} if name == "paired" else {"inner": 2}  # pairs of training share one of their halves
    protocol = make_protocol(name, random_state=seed, **nested)
    for fold in protocol.folds(samples.meta, samples.y):
        scope = samples.meta
        if protocol.within:
            scope = scope[scope[protocol.within] == scope[protocol.within].iloc[fold.test[0]]]
        for key in (*protocol.keys, "trial"):
            parts = [set(samples.meta[key].iloc[getattr(fold, part)]) for part in ("train", "validation", "test")]
            assert sum(map(len, parts)) == len(set.union(*parts)), key
            for train, held in fold.inner:
                inner = [set(samples.meta[key].iloc[rows]) for rows in (train, held, fold.test)]
                assert sum(map(len, inner)) == len(set.union(*inner)), key
        assert len(fold.inner) == nested.get("inner", 0)
        assert set(np.concatenate([fold.train, fold.validation, fold.test])) <= set(scope.index)


@pytest.mark.parametrize("name", HONEST)
def test_validation_is_cut_by_the_same_key_as_the_test_part(name, make_rich, make_protocol):
    samples = make_rich()
    protocol = make_protocol(name)
    for fold in protocol.folds(samples.meta, samples.y):
        key = samples.meta[list(dict.fromkeys([*protocol.keys, protocol.within or protocol.keys[0]]))].agg(
            "/".join, axis=1
        )
        for value in set(key.iloc[fold.validation]):
            rows = np.flatnonzero(key == value)
            assert np.isin(rows, fold.validation).all(), "a part of a group is in validation"


def test_a_new_subject_on_new_stimuli_shares_neither(make_rich):
    samples = make_rich(subjects=6, trials=10)
    folds = SubjectStimulusSplit(5).folds(samples.meta, samples.y)
    assert len(folds) == 6 * 5
    for fold in folds:
        test = samples.meta.iloc[fold.test]
        assert test["subject"].nunique() == 1
        assert test["stimulus"].nunique() == 2
        validation = samples.meta.iloc[fold.validation]
        # rows that share one of the two keys stand in no part
        used = len(fold.train) + len(fold.validation) + len(fold.test)
        n_subjects, n_stimuli = 5 - validation["subject"].nunique(), 8 - validation["stimulus"].nunique()
        assert used == (n_subjects * n_stimuli + len(validation) // 4 + 2) * 4
    grouped = SubjectStimulusSplit(5, subject_splits=3).folds(samples.meta, samples.y)
    assert len(grouped) == 3 * 5
    with pytest.raises(InputError, match="two splits or more"):
        SubjectStimulusSplit(subject_splits=1)


def test_a_guard_interval_keeps_parts_of_a_recording_apart(make_rich, make_protocol):
    samples = make_rich(subjects=2, trials=4, windows=30)
    for guard, dropped in ((0.0, 0), (1.0, None), (2.5, None)):
        protocol = make_protocol("blocked", guard=guard, validation=0)
        for fold in protocol.folds(samples.meta, samples.y):
            check_split(samples.meta, fold, (), guard)
            if dropped is None:
                with pytest.raises(LeakError, match="closer than"):
                    check_split(samples.meta, fold, (), guard + 1.5)
            borders = 1 if fold.name in "13" else 2
            lost = len(samples) - len(fold.train) - len(fold.test)
            assert lost == 8 * borders * int(np.ceil(guard))  # windows of 1 s that touch the border or come near it
    with_validation = make_protocol("blocked", guard=2.0).folds(samples.meta, samples.y)
    assert all(len(f.validation) for f in with_validation)
    for fold in with_validation:
        check_split(samples.meta, fold, (), 2.0)
    with pytest.raises(ProtocolError, match="no row for training"):
        make_protocol("blocked", guard=100.0).folds(samples.meta, samples.y)


def test_blocks_are_contiguous_thirds_of_every_recording(make_rich, make_protocol):
    samples = make_rich(subjects=2, trials=4, windows=9)
    for k, fold in enumerate(make_protocol("blocked").folds(samples.meta, samples.y)):
        assert set(samples.meta["start"].iloc[fold.test]) == {3.0 * k, 3.0 * k + 1, 3.0 * k + 2}
        assert samples.meta["recording"].iloc[fold.test].nunique() == 8


def test_repeats_deal_anew_and_each_tests_every_row_once(make_rich, make_protocol):
    samples = make_rich()
    folds = make_protocol("recording", n_splits=2, repeats=3).folds(samples.meta, samples.y)
    assert [f.name for f in folds] == [f"repeat {r}/{k}" for r in (1, 2, 3) for k in (1, 2)]
    dealt = {r: [f.test for f in folds if f.repeat == r] for r in range(3)}
    assert all(sorted(np.concatenate(tests)) == list(range(len(samples))) for tests in dealt.values())
    assert len({tuple(tests[0]) for tests in dealt.values()}) == 3
    strict = make_protocol("subject_stimulus", n_splits=2, repeats=3).folds(samples.meta, samples.y)
    assert len({tuple(f.test) for f in strict if f.name.endswith("s0/1")}) == 3
    once = make_protocol("recording", n_splits=2).folds(samples.meta, samples.y)
    assert np.array_equal(once[0].test, dealt[0][0]), "the first dealing is that of the protocol without repeats"
    with pytest.raises(InputError, match="was to be repeated"):
        make_protocol("loso", repeats=2)


def test_fourteen_recordings_in_two_halves_hold_their_share_of_classes(make_samples):
    # the public Muse features: 2 neutral, 6 positive and 6 negative recordings
    samples = make_samples(subjects=1, trials=14, classes=("n", *"ababab", "n", *"ababab"))
    for fold in RecordingSplit(2, repeats=20).folds(samples.meta, samples.y):
        trials = samples.meta.iloc[fold.test].drop_duplicates("trial")
        assert trials["feeling"].value_counts().to_dict() == {"a": 3, "b": 3, "n": 1}


def test_inner_folds_that_cannot_be_cut_are_refused(make_rich, make_protocol, words):
    samples = make_rich(subjects=2)
    with pytest.raises(ProtocolError) as error:
        make_protocol("loso", inner=3).folds(samples.meta, samples.y)
    words(error.value, "too few subjects for inner folds", "inner: 0")


def test_ratings_are_dealt_evenly_and_need_no_classes(make_rich, make_protocol):
    samples = make_rich(subjects=1, trials=25)
    rating = samples.meta["trial"].str.split("-t").str[1].astype(float).to_numpy() / 3
    for name in ("trial", "recording", "loso", "subject_stimulus"):
        rich = make_rich()
        by_trial = np.random.default_rng(0).uniform(1, 9, rich.meta["trial"].nunique())
        spread = by_trial[pd.factorize(rich.meta["trial"])[0]]
        assert make_protocol(name).folds(rich.meta, spread), name
    for fold in make_protocol("trial").folds(samples.meta, rating):
        assert abs(rating[fold.test].mean() - rating.mean()) < 0.7  # a random fifth of 25 trials: SD 1.0
        assert len(fold.validation)


def test_any_column_can_be_a_group(make_rich, words):
    samples = make_rich()
    meta = samples.meta.assign(device="v" + (samples.meta["subject"].str[1:].astype(int) % 2).astype(str))
    protocol = GroupSplit("device", "all")
    assert [f.name for f in protocol.folds(meta, samples.y)] == ["v0", "v1"]
    assert (protocol.name, protocol.keys) == ("device", ("device",))
    assert "new device" in protocol.question
    with pytest.raises(ProtocolError) as error:
        GroupSplit("devise").folds(meta, samples.y)
    words(error.value, "needs the metadata column devise", "device")


def test_sessions_are_split_within_each_subject(make_rich, make_protocol, words):
    samples = make_rich(subjects=2)
    folds = make_protocol("session").folds(samples.meta, samples.y)
    assert [f.name for f in folds] == [f"s{s}/{k}" for s in range(2) for k in range(3)]
    assert all(samples.meta["subject"].iloc[f.train].unique() == f.name[:2] for f in folds)
    with pytest.raises(ProtocolError) as error:
        make_protocol("session").folds(samples.meta.assign(session="1"), samples.y)
    words(error.value, "subject s0 cannot be split", "only the session '1'")


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


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_trials_are_those_asked_for_and_training_has_every_class(seed):
    n, label = 28, np.repeat([*"abcdefghi", "e"], [3] * 9 + [1])
    meta = pd.DataFrame({"subject": "s", "trial": np.repeat([f"t{k:02d}" for k in range(n)], 4)})
    folds = TrialShares(repeats=3, random_state=seed).folds(meta, np.repeat(label, 4))
    assert len(folds) == 3
    for fold in folds:
        counts = [meta["trial"].iloc[rows].nunique() for rows in (fold.train, fold.validation, fold.test)]
        assert counts == [17, 3, 8]
        assert not set(meta["trial"].iloc[fold.test]) & set(meta["trial"].iloc[np.r_[fold.train, fold.validation]])
        assert not set(meta["trial"].iloc[fold.validation]) & set(meta["trial"].iloc[fold.train])
        assert set(np.repeat(label, 4)[fold.train]) == set("abcdefghi")
    assert len({tuple(fold.test) for fold in folds}) == 3


def test_shares_of_trials_that_leave_nothing_are_refused(make_samples):
    with pytest.raises(InputError, match="below 1"):
        TrialShares(test=0.6, validation=0.4)
    with pytest.raises(ProtocolError, match="none is left to test"):
        TrialShares().folds(pd.DataFrame({"subject": "s", "trial": ["a", "b"]}), np.array(["x", "y"]))


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
rows = [dict(source='m', subject=f's{s}', session=str(t // 5), trial=f's{s}t{t}', stimulus=f'k{t}',
             identity=str(s), actor=str(s), domain=str(s % 2),
             part=['training', 'training', 'validation', 'test'][s], picture=f's{s}t{t}', draw='1', pairing='label',
             first=f's{s}t{t}', second=f's{s}t{t}', start=w, stop=w + 1.)
        for s in range(4) for t in range(10) for w in range(9)]
meta = pd.DataFrame(rows)
y = meta['stimulus'].str[-1].astype(int).to_numpy() % 2
group = {'column': 'stimulus'}
print(json.dumps({n: [[f.name, f.train.tolist(), f.validation.tolist(), f.test.tolist()]
                      for f in r.load()(**{**(group if n == 'group' else {}), **r.parameters, 'random_state': 3})
                      .folds(meta, y)] for n, r in PROTOCOLS.items()}))
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
    assert "rating" not in str(error.value)
    with pytest.raises(ProtocolError) as error:
        LeaveOneSubjectOut().folds(one.meta, np.where(one.y == "rare", 9, 1))
    words(error.value, "tests the class '9'", "above:", "rating: true")
    with pytest.raises(ProtocolError) as error:
        SubjectStimulusSplit(2).folds(one.meta, one.y)
    words(error.value, "one stimulus of class 'rare'", "at least two stimuli of every class")
    alone = make_samples(subjects=1)
    with pytest.raises(ProtocolError, match="only the subject 's0'"):
        LeaveOneSubjectOut().folds(alone.meta, alone.y)
    with pytest.raises(ProtocolError) as error:
        TrialSplit().folds(samples.meta, np.resize(["calm", "tense"], len(samples)))
    words(error.value, "the trial 's0-t0' have several labels", "by their mean")
    with pytest.raises(ProtocolError, match="synthetic samples before the split"):
        TrialSplit().folds(samples.meta.assign(synthetic=True), samples.y)
    with pytest.raises(ProtocolError) as error:
        LeaveOneSubjectOut().folds(samples.meta.drop(columns="subject"), samples.y)
    words(error.value, "column subject")
    for wrong in ({"n_splits": 1}, {"n_splits": "some"}, {"guard": -1.0}, {"repeats": 0}, {"inner": 1}):
        with pytest.raises(InputError, match="two splits or more"):
            TrialSplit(**wrong)


@pytest.mark.parametrize("name", [name for name in HONEST if name != "paired"])  # pairs are not deployed
@pytest.mark.parametrize("inner", [0, 2])
def test_all_rows_are_held_out_by_the_same_rule_for_a_model_that_is_deployed(name, inner, make_rich, make_protocol):
    samples = make_rich()
    protocol = make_protocol(name, inner=inner)
    fold = protocol.holdout(samples.meta, samples.y)
    assert (fold.name, len(fold.test), len(fold.inner)) == ("all", 0, inner)
    both = np.concatenate([fold.train, fold.validation])
    assert len(set(both.tolist())) == len(both)
    if name != "subject_stimulus":  # which drops the rows that share one of its two keys with validation
        assert len(both) == len(samples)
    assert 0 < len(fold.validation) < len(fold.train)
    parts = samples.meta["subject"] if protocol.within else np.zeros(len(samples))
    for value in np.unique(parts):  # every subject spares some, where subjects are split one by one
        mine = np.flatnonzero(parts == value)
        for train, held in ((fold.train, fold.validation), *fold.inner):
            train, held = np.intersect1d(train, mine), np.intersect1d(held, mine)
            assert len(held) > 0
            assert set(samples.y[train]) == set(samples.y)
            for key in (*protocol.keys, "trial"):
                assert not set(samples.meta[key].iloc[train]) & set(samples.meta[key].iloc[held])
    again = protocol.holdout(samples.meta, samples.y)
    assert np.array_equal(again.validation, fold.validation)


def test_who_can_spare_no_validation_row_is_trained_on_and_named(make_samples, words):
    samples = make_samples(subjects=2, trials=6)
    few = (samples.meta["subject"] == "s0") | samples.meta["trial"].isin(["s1-t0", "s1-t1"])
    samples = samples[few.to_numpy()]
    fold = TrialSplit().holdout(samples.meta, samples.y)
    assert set(samples.meta["subject"].iloc[fold.validation]) == {"s0"}
    assert set(samples.meta["subject"].iloc[fold.train]) == {"s0", "s1"}
    assert "too few trials" in fold.note
    with pytest.raises(ProtocolError, match="All 8 samples"):
        TrialSplit().holdout(samples.meta[:8], np.repeat("calm", 8))


def test_a_few_labelled_trials_of_each_new_subject_leave_the_test_part(make_samples):
    samples = make_samples(subjects=6, trials=8, windows=3)
    whole = {f.name: f for f in LeaveOneSubjectOut(n_splits=2).folds(samples.meta, samples.y)}
    trials = samples.meta["trial"].to_numpy()
    for fold in LeaveOneSubjectOut(few_shot=3, n_splits=2).folds(samples.meta, samples.y):
        plain = whole[fold.name]
        assert np.array_equal(np.sort(np.concatenate([fold.test, fold.calibration])), plain.test)
        assert np.array_equal(fold.train, plain.train)
        assert not set(trials[fold.test]) & set(trials[fold.calibration])
        given = samples.meta.iloc[fold.calibration].groupby("subject")["trial"].nunique()
        assert given.eq(3).all()
        shots = samples.meta.iloc[fold.calibration].drop_duplicates("trial")
        labels = shots.groupby(["subject", "feeling"]).size().unstack(fill_value=0)
        assert labels.shape == (shots["subject"].nunique(), 2)
        assert (labels.max(axis=1) - labels.min(axis=1)).eq(1).all(), "classes take turns"
        check_split(samples.meta, fold, ("subject", "trial"))
        tested = Fold(fold.name, fold.train, fold.validation, plain.test, calibration=fold.calibration)
        with pytest.raises(LeakError, match="9 trials that calibrate"):
            check_split(samples.meta, tested, ("subject", "trial"))


def test_subjects_with_stimuli_held_out_give_trials_away_too(make_rich):
    samples = make_rich()
    folds = SubjectStimulusSplit(n_splits=2, few_shot=1).folds(samples.meta, samples.y)
    for fold in folds:
        check_split(samples.meta, fold, ("subject", "stimulus", "trial"))
        assert (
            samples.meta["trial"].iloc[fold.calibration].nunique() == samples.meta["subject"].iloc[fold.test].nunique()
        )


@pytest.mark.parametrize("protocol", [TrialSplit, RandomWindowSplit])
def test_few_shots_are_for_new_subjects(protocol):
    with pytest.raises(InputError, match="does not test new subjects"):
        protocol(few_shot=2)


def test_a_subject_keeps_a_trial_to_be_tested(make_samples):
    samples = make_samples(subjects=3, trials=4)
    with pytest.raises(ProtocolError, match="has 4 trials, and 4"):
        LeaveOneSubjectOut(few_shot=4).folds(samples.meta, samples.y)


def test_a_share_of_the_training_trials_of_each_subject_and_class_is_kept(make_samples):
    samples = make_samples(subjects=3, trials=20, windows=2)
    whole = GroupSplit("stimulus", 5).folds(samples.meta, samples.y)
    thin = {s: GroupSplit("stimulus", 5, train_share=s).folds(samples.meta, samples.y) for s in (0.1, 0.25, 0.5)}
    for number, fold in enumerate(whole):
        before = set(fold.train)
        for share, folds in sorted(thin.items(), reverse=True):
            other = folds[number]
            assert np.array_equal(other.test, fold.test)
            assert np.array_equal(other.validation, fold.validation)
            assert set(other.train) < before, "a smaller share is no part of a larger one"
            before = set(other.train)
            kept = samples.meta.iloc[other.train].assign(y=samples.y[other.train])
            assert (kept.groupby("trial").size() == 2).all(), "trials are whole"
            counts = kept.drop_duplicates("trial").groupby(["subject", "y"]).size()
            full = samples.meta.iloc[fold.train].assign(y=samples.y[fold.train]).drop_duplicates("trial")
            expected = (full.groupby(["subject", "y"]).size() * share).round().clip(lower=1)
            assert (counts == expected).all()
    nested = GroupSplit("stimulus", 5, train_share=0.25, inner=2).folds(samples.meta, samples.y)
    for thin_fold, fold in zip(nested, whole, strict=True):  # what a network is trained on at last
        everything = np.unique(np.concatenate([rows for pair in thin_fold.inner for rows in pair]))
        there = samples.meta.iloc[np.r_[fold.train, fold.validation]]["trial"].nunique()
        assert samples.meta["trial"].iloc[everything].nunique() <= 0.4 * there
    for wrong in (0.0, 1.1, True):
        with pytest.raises(InputError):
            GroupSplit("stimulus", 5, train_share=wrong)


@pytest.fixture
def parted():
    """Return metadata of 60 photographs in three official parts, some of them copies, and their labels."""
    part = np.repeat(["training", "validation", "test"], [36, 12, 12])
    meta = pd.DataFrame(
        {
            "source": "made",
            "subject": "unknown",
            "session": "1",
            "trial": [f"t{k}" for k in range(60)],
            "part": part,
            "picture": [f"p{k}" for k in range(60)],
            "start": 0.0,
            "stop": 0.0,
        }
    )
    meta.loc[0, "picture"] = "p50"  # a copy of a test photograph in training,
    meta.loc[40, "picture"] = "p51"  # one in validation,
    meta.loc[1, "picture"] = "p41"  # and one of a validation photograph in training
    return meta, np.array(["a", "b", "c"])[np.arange(60) % 3]


def test_official_parts_are_taken_without_what_is_on_several_sides(parted):
    meta, y = parted
    (fold,) = OfficialSplit().folds(meta, y)
    assert fold.test.tolist() == list(range(48, 60))
    assert fold.validation.tolist() == [k for k in range(36, 48) if k != 40]
    assert fold.train.tolist() == list(range(2, 36))
    (copied,) = OfficialWithCopies().folds(meta, y)
    assert (copied.train.tolist(), copied.validation.tolist()) == (list(range(36)), list(range(36, 48)))
    assert OfficialWithCopies.leaky
    assert not OfficialSplit.leaky
    check_split(meta, fold, OfficialSplit().keys)
    with pytest.raises(LeakError):
        check_split(meta, copied, OfficialSplit().keys)


def test_where_validation_is_the_test_another_part_is_cut_from_training(parted):
    meta, y = parted
    (fold,) = OfficialSplit(test="validation", validation=0.25).folds(meta, y)
    assert fold.test.tolist() == list(range(36, 48))
    assert len(fold.validation) == 9
    assert set(meta["part"].iloc[np.append(fold.train, fold.validation)]) == {"training"}
    (nested,) = OfficialSplit(test="validation", inner=2).folds(meta, y)
    for rows in (rows for pair in nested.inner for rows in pair):
        assert set(meta["part"].iloc[rows]) == {"training"}, "the corpus' own test part is no part of this"
    (without,) = OfficialSplit().folds(meta[meta["part"] != "validation"].reset_index(drop=True), y[:48])
    assert len(without.validation) > 0


def test_official_parts_that_are_not_there_are_said(parted):
    meta, y = parted
    with pytest.raises(ProtocolError, match="training, validation"):
        OfficialSplit().folds(meta[meta["part"] != "test"].reset_index(drop=True), y[:48])
    with pytest.raises(ProtocolError, match="not told"):
        OfficialSplit().folds(meta.drop(columns="part"), y)
    with pytest.raises(ProtocolError, match="needs the metadata column picture"):
        OfficialSplit().folds(meta.drop(columns="picture"), y)
    with pytest.raises(InputError, match="test or validation"):
        OfficialSplit(test="training")
    with pytest.raises(InputError, match="metadata column"):
        OfficialSplit(apart="")


def test_people_with_stimuli_of_their_own_are_tested_on_all_they_met(make_samples):
    samples = make_samples(subjects=6, trials=8)
    own = samples.meta["subject"] + "-" + samples.meta["stimulus"]
    shared = samples.meta["stimulus"] == "k0"  # one that everybody met
    meta = samples.meta.assign(stimulus=np.where(shared, "k0", own))
    folds = SubjectStimulusSplit(1, subject_splits=3).folds(meta, samples.y)
    assert [fold.name for fold in folds] == ["1", "2", "3"]
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(meta)))
    for fold in folds:
        rest = np.concatenate([fold.train, fold.validation])
        assert meta["subject"].iloc[fold.validation].nunique() == 1
        assert len(fold.validation) == 7 * 4, "all that the subject met and nobody who is tested did"
        assert not {"k0"} & set(meta["stimulus"].iloc[rest]), "it was met by those who are tested"
        check_split(meta, fold, ("subject", "stimulus", "trial"))
    with pytest.raises(ProtocolError, match="no row for training"):
        SubjectStimulusSplit(1, subject_splits=3).folds(samples.meta, samples.y)
    for wrong in (0, True, 1.0):
        with pytest.raises(InputError, match="n_splits"):
            SubjectStimulusSplit(wrong)


def test_published_folds_are_tested_as_they_are_and_validation_is_cut_from_the_others():
    who = np.repeat([f"a{k}" for k in range(12)], 4)
    meta = pd.DataFrame({"source": "s", "subject": who, "session": "1", "trial": [f"t{k}" for k in range(48)]})
    meta = meta.assign(stimulus="x", start=0.0, stop=1.0, actor=who, fold=[f"F{int(w[1:]) % 3}" for w in who])
    y = np.array(["calm", "glad"] * 24)
    folds = GroupSplit("actor", dealt_by="fold").folds(meta, y)
    assert [fold.name for fold in folds] == ["F0", "F1", "F2"]
    for fold in folds:
        people = [set(meta["actor"].iloc[rows]) for rows in (fold.train, fold.validation, fold.test)]
        assert set(meta["fold"].iloc[fold.test]) == {fold.name}
        assert sum(map(len, people)) == len(set.union(*people)), "somebody is in two parts"
        assert len(people[1]) in (1, 2), "a fifth of the eight others"
    for column, words in (("part", "needs the metadata column part"), ("trial", "is in several")):
        with pytest.raises(ProtocolError, match=words):
            GroupSplit("actor", dealt_by=column).folds(meta, y)
    with pytest.raises(InputError, match="folds that are given"):
        GroupSplit("actor", dealt_by="fold", repeats=2)
