"""Signal that goes by several names, and sequences over borders of trials, are found; what looks like it is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from thymos.base.samples import Samples
from thymos.evaluation import TrialSplit
from thymos.evaluation.continuity import Joins, continued

SFREQ, SECONDS = 64, 6


@pytest.fixture
def recorded(make_samples):
    """Return windows of one second of 40 recordings in four smooth channels with offsets of their own, and folds."""
    samples = make_samples(subjects=4, trials=10, windows=SECONDS, shape=(4, SFREQ))
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((40, 4, SECONDS * SFREQ + 40))
    signal = gaussian_filter1d(noise, 2.0, axis=2)[:, :, 20:-20] + rng.normal(0, 3, (40, 4, 1))
    X = signal.reshape(40, 4, SECONDS, SFREQ).swapaxes(1, 2).reshape(-1, 4, SFREQ)
    return samples.replace(X=X.astype(np.float32))


def _found(samples):
    folds = TrialSplit(4).folds(samples.meta, samples.y)
    return [finding for _, finding in continued(samples, folds, Joins(samples))]


def _renamed(samples, rows):
    meta = samples.meta.copy()
    for column in ("trial", "recording") if "recording" in meta else ("trial",):
        meta.loc[meta.index[rows], column] = meta[column].iloc[rows] + "-again"
    return samples.replace(meta=meta)


def test_recordings_of_their_own_are_not_accused(recorded):
    assert Joins(recorded).searched
    assert _found(recorded) == []


def test_trials_cut_in_two_are_found_at_the_cut(recorded):
    late = np.flatnonzero(np.arange(len(recorded)) % SECONDS >= SECONDS // 2)
    cut = _renamed(recorded, late)
    joins = Joins(cut)
    ends, begins = joins.followed.T
    assert len(ends) >= 20
    assert np.mean(begins == ends + 1) > 0.9
    findings = _found(cut)
    assert {(finding.kind, finding.severity) for finding in findings} == {("continuation", "leak")}
    assert "goes on" in findings[0].text
    assert "-again" in findings[0].examples[0]


def test_windows_dealt_to_two_names_one_by_one_are_found(recorded):
    second = np.flatnonzero(np.arange(len(recorded)) % 2 == 1)
    assert len(Joins(_renamed(recorded, second)).followed) > 50


def test_crops_that_share_signal_are_found_whatever_their_gain_and_offset(recorded):
    some = np.arange(0, 60, 6)
    both = np.concatenate([recorded.X[some], recorded.X[some + 1]], axis=2)[:, :, 20 : 20 + SFREQ]
    rng = np.random.default_rng(1)
    crops = rng.uniform(0.5, 2, (len(some), 1, 1)) * both + rng.normal(0, 5, (len(some), 4, 1))
    more = _renamed(recorded[some], np.arange(len(some))).replace(X=crops.astype(np.float32))
    joined = Samples.concatenate([recorded, more])
    pairs = {tuple(sorted(pair)) for pair in Joins(joined).shared.tolist()}
    assert {(first + side, len(recorded) + k) for k, first in enumerate(some) for side in (0, 1)} & pairs
    assert any("hold signal" in finding.text for finding in _found(joined))


def test_trials_of_one_recording_may_follow_each_other(recorded):
    meta = recorded.meta.assign(recording=recorded.meta["subject"])
    late = np.flatnonzero(np.arange(len(recorded)) % SECONDS >= SECONDS // 2)
    meta.loc[meta.index[late], "trial"] = meta["trial"].iloc[late] + "-again"
    assert len(Joins(recorded.replace(meta=meta)).followed) == 0


def test_a_signal_that_stands_still_or_repeats_is_not_shared(recorded):
    wave = np.sin(2 * np.pi * 8 * np.arange(SFREQ) / SFREQ).astype(np.float32)
    X = np.broadcast_to(wave, recorded.X.shape).copy()
    assert len(Joins(recorded.replace(X=X)).shared) == 0
    assert len(Joins(recorded.replace(X=np.zeros_like(X))).shared) == 0


@pytest.mark.parametrize("shape", [(12,), (4, 8)])
def test_tables_and_short_windows_are_not_searched(make_samples, shape):
    joins = Joins(make_samples(subjects=2, trials=4, shape=shape))
    assert not joins.searched
    assert len(joins.shared) == len(joins.followed) == 0


def _sequences(samples, steps, group):
    """Return sequences of rows of a table that end at each row, begun anew in each group."""
    place = samples.meta.groupby(group).cumcount().to_numpy()
    rows = np.flatnonzero(place >= steps - 1)
    return samples[rows].replace(X=samples.X[rows[:, None] + np.arange(1 - steps, 1)])


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("steps", [2, 12])
def test_sequences_over_borders_of_trials_are_found_in_either_order_of_axes(make_samples, steps, swapped):
    table = make_samples(subjects=2, trials=12, windows=3, shape=(10,))
    sequences = _sequences(table, steps, table.meta["subject"].to_numpy())
    if swapped:
        sequences = sequences.replace(X=sequences.X.swapaxes(1, 2))
    findings = _found(sequences)
    assert {finding.kind for finding in findings} == {"continuation"}
    assert "sequences were made over borders of trials" in findings[0].text
    folds = TrialSplit(4).folds(sequences.meta, sequences.y)
    last = np.flatnonzero(sequences.meta["subject"] == "s0")  # rows of the table, from which each sequence reaches back
    for fold, finding in continued(sequences, folds, Joins(sequences)):
        others = np.concatenate([fold.train, fold.validation])
        near = np.abs(fold.test[:, None] - others) < steps
        same = np.isin(fold.test[:, None], last) == np.isin(others, last)
        alike = steps - np.abs(fold.test[:, None] - others) >= min(2, steps - 1)
        assert finding.count == (near & same & alike).any(axis=1).sum()


def test_sequences_inside_trials_are_not_accused_nor_what_all_have_in_common(make_samples):
    table = make_samples(subjects=2, trials=12, windows=8, shape=(10,))
    inside = _sequences(table, 4, table.meta["trial"].to_numpy())
    assert _found(inside) == []
    for short in (slice(None, None, 2), slice(0, 20, 10)):
        padded = inside.X.copy()
        padded[short, -1] = padded[10, -2] = np.arange(10.0)  # what is too short was filled up, in many or in two
        assert _found(inside.replace(X=padded)) == []
    codes = np.random.default_rng(0).integers(0, 3, inside.X.shape).astype(np.float32)
    assert _found(inside.replace(X=codes)) == []


def test_one_step_that_two_sequences_have_in_common_is_chance(make_samples):
    table = make_samples(subjects=2, trials=12, windows=8, shape=(10,))
    sequences = _sequences(table, 4, table.meta["trial"].to_numpy())
    X = sequences.X.copy()
    for k in range(0, 60, 10):  # a lost step, filled up with a mean
        X[k, k // 10 % 4] = X[5, 0] if k == 0 else X[k + 5, (k // 10 + 1) % 4]
    assert _found(sequences.replace(X=X)) == []


def test_what_was_searched_for_sequences_is_told(make_samples):
    searched = {(4, 10): True, (100, 70): False, (1, 128): False, (32, 256): False, (12,): False}
    assert {shape: Joins(make_samples(shape=shape)).sequences for shape in searched} == searched
