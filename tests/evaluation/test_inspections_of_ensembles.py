"""Inspections of what a method is made of (branches, constants, relations), and of where it does well."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from thymos.base.errors import InputError, ThymosError
from thymos.base.samples import Samples
from thymos.evaluation.inspections.base import Inspected, look
from thymos.evaluation.inspections.branches import Branches
from thymos.evaluation.inspections.breakdown import Breakdown
from thymos.evaluation.inspections.lipschitz import Lipschitz
from thymos.evaluation.inspections.missing_modality import MissingModality
from thymos.evaluation.inspections.relations import Relations
from thymos.evaluation.study_files import parse_study
from thymos.models.lel import LELClassifier
from thymos.training.pipeline import make_pipeline


@pytest.fixture
def inspected(make_samples):
    """Return a maker of a method, the given windows as test part, and one window of each class before them."""

    def make(estimator, X, labels, trials, classes, subjects=None):
        given = np.asarray(X, dtype=np.float32)
        samples = make_samples(subjects=1, trials=1, windows=len(classes) + len(given), shape=given.shape[1:])
        n = len(classes)
        samples = samples.replace(
            X=np.concatenate([np.full_like(given, 0.5)[:1]] * n + [given]),
            y=np.array([*classes, *labels], dtype=object),
            meta=samples.meta.assign(
                trial=["trained"] * n + list(trials), subject=["s"] * n + list(subjects or ["s"] * len(given))
            ),
        )
        rows = np.arange(len(samples))
        return Inspected(estimator, samples, rows[:n], rows[:0], rows[n:], list(classes), 0)

    return make


class Ensemble(ClassifierMixin, BaseEstimator):
    """What a window holds, shape (n_branches, n_classes), is what its branches say; the first one counts double."""

    def __init__(self, classes, branches):
        self.classes_, self.branches_ = np.array(classes), list(branches)
        weights = np.r_[2.0, np.ones(len(branches) - 1)]
        self.weights_ = weights / weights.sum()

    def fit(self, X, y):
        return self

    def branch_probabilities(self, X):
        return X

    def predict_proba(self, X):
        return np.einsum("b,nbk->nk", self.weights_, X)


class Plain(ClassifierMixin, BaseEstimator):
    """Is as sure of the second class as the first value of a window says."""

    classes_ = np.array(["a", "b"])

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        p = X.reshape(len(X), -1)[:, 0]
        return np.stack([1 - p, p], axis=1)


class Twice(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return 2 * X


# ------------------------------------------------------------------------------------------------ branches

#: Probability of "a", else "c", by branch and window; "b" never was in training.
SAID = np.array([[0.9, 0.8, 0.6, 0.3, 0.4, 0.2], [0.6, 0.1, 0.7, 0.7, 0.3, 0.9], [0.2, 0.7, 0.2, 0.2, 0.1, 0.3]])
LABELS, TRIALS = list("aabbcc"), [f"t{trial}" for trial in (2, 2, 0, 0, 1, 1)]


@pytest.fixture
def three(inspected):
    """Return an ensemble of three branches on three trials of two windows each."""
    X = np.stack([SAID.T, 1 - SAID.T], axis=2)
    return inspected(Ensemble(["a", "c"], ["one", "two", "three"]), X, LABELS, TRIALS, ["a", "b", "c"])


def test_branches_and_their_combinations_by_hand(three):
    table = Branches()(three)
    scores = table[(table["kind"] == "scores") & (table["subject"] == "all")]
    names = ["one", "two", "three", "average", "vote", "as fitted"]
    assert list(dict.fromkeys(scores["combination"])) == names
    scores = scores.set_index(["level", "combination"])
    windows, trials = scores.loc["window"].loc[names], scores.loc["trial"].loc[names]
    assert (windows["accuracy"] * 6).tolist() == pytest.approx([4, 2, 3, 4, 4, 4])
    # recall of the missing class is 0; a window for which two of three branches are wrong is lost by the vote
    assert windows["balanced_accuracy"].tolist() == pytest.approx([2 / 3, 1 / 3, 0.5, 2 / 3, 2 / 3, 2 / 3])
    assert (trials["accuracy"] * 3).tolist() == pytest.approx([2, 0, 1, 2, 2, 2])
    assert windows["n"].tolist() == [6] * 6
    assert trials["n"].tolist() == [3] * 6
    assert windows["weight"].tolist() == pytest.approx([0.5, 0.25, 0.25, np.nan, np.nan, np.nan], nan_ok=True)
    for name, p in (("one", SAID[0]), ("average", SAID.mean(axis=0)), ("as fitted", [0.5, 0.25, 0.25] @ SAID)):
        true = [p[0], p[1], 1e-6, 1e-6, 1 - p[4], 1 - p[5]]  # losses are bounded so
        assert windows["log_loss"][name] == pytest.approx(-np.log(true).mean(), rel=1e-4)


def test_correlation_and_agreement_by_hand(three):
    pairs = Branches()(three).query("kind == 'correlation'").set_index(["a", "b"])
    assert pairs.index.tolist() == [("one", "two"), ("one", "three"), ("two", "three")]
    assert (pairs["agreement"] * 6).tolist() == pytest.approx([3, 4, 1])
    true = np.array([[0.9, 0.8, 0, 0, 0.6, 0.8], [0.6, 0.1, 0, 0, 0.7, 0.1], [0.2, 0.7, 0, 0, 0.9, 0.7]])
    z = true - true.mean(axis=1, keepdims=True)
    z /= np.sqrt((z**2).sum(axis=1, keepdims=True))
    assert pairs["correlation"].tolist() == pytest.approx([z[0] @ z[1], z[0] @ z[2], z[1] @ z[2]], rel=1e-5)


def test_a_branch_that_always_says_the_same_has_no_correlation(inspected):
    X = np.array([[[0.5, 0.5], [0.9, 0.1]], [[0.5, 0.5], [0.2, 0.8]]])
    table = Branches()(inspected(Ensemble(["a", "c"], ["dull", "keen"]), X, ["a", "c"], ["t0", "t1"], ["a", "c"]))
    (pair,) = table.query("kind == 'correlation'").to_dict("records")
    assert np.isnan(pair["correlation"])
    assert pair["agreement"] == 0.5


def test_a_tied_vote_goes_to_the_first_class_and_other_windows_decide_the_trial(inspected):
    def say(votes, of=4):  # so many branches for "a"
        return [[0.9, 0.1]] * votes + [[0.1, 0.9]] * (of - votes)

    X = [say(2), say(1), say(2), say(2), say(4), *[say(1)] * 8]
    trials = ["tie and against", "tie and against", "ties", "ties", *["one against many"] * 9]
    looked = inspected(Ensemble(["a", "c"], "wxyz"), X, ["c"] * 2 + ["a"] * 2 + ["c"] * 9, trials, ["a", "c"])
    vote = Branches()(looked).query("combination == 'vote' and subject == 'all'").set_index("level")["accuracy"]
    assert vote["trial"] == 1, "four votes in one window do not outweigh three in each of eight"
    assert vote["window"] == pytest.approx(11 / 13), "of the first trial's tie and of all four for a"


def test_one_branch_is_an_ensemble_too(inspected):
    X = np.array([[[0.9, 0.1]], [[0.2, 0.8]]])
    table = Branches()(inspected(Ensemble(["a", "c"], ["alone"]), X, ["a", "c"], ["t0", "t1"], ["a", "c"]))
    assert set(table["kind"]) == {"scores"}
    assert set(table["accuracy"]) == {1.0}


@pytest.mark.parametrize(
    ("inspection", "expected"),
    [(Branches(), "no branches"), (Lipschitz(), "Lipschitz constant"), (Relations(), "no relations")],
)
def test_methods_that_have_no_such_parts_are_refused(inspected, words, inspection, expected):
    looked = inspected(Plain(), np.zeros((2, 2, 2)), ["a", "b"], ["t0", "t1"], ["a", "b"])
    with pytest.raises(InputError) as error:
        inspection(looked)
    words(error.value, "Plain", expected, "lel")


# ------------------------------------------------------------------------------------------------ relations


class Related(Plain):
    def relations(self, X):
        return X


def test_relations_are_means_over_the_test_windows_of_a_label(inspected):
    X = np.arange(4 * 9, dtype=float).reshape(4, 3, 3) ** 2
    looked = inspected(make_pipeline(Twice(), Related()), X, list("baab"), ["t0", "t1", "t1", "t2"], ["a", "b", "c"])
    looked = replace(
        looked, samples=looked.samples.replace(info={**looked.samples.info, "ch_names": ["F3", "Cz", "O1"]})
    )
    table = Relations()(looked)
    assert len(table) == 2 * 6, "nothing of a label without windows, nothing from an electrode to itself"
    weight = table.set_index(["label", "a", "b"])["weight"]
    for label, rows in (("a", [1, 2]), ("b", [0, 3])):
        assert weight[label, "F3", "O1"] == pytest.approx(2 * X[rows, 0, 2].mean())
        assert weight[label, "O1", "F3"] == pytest.approx(2 * X[rows, 2, 0].mean())
        assert weight[label, "Cz", "F3"] == pytest.approx(2 * X[rows, 1, 0].mean())


@pytest.mark.parametrize("names", [["F3", "Cz"], [], None])
def test_electrodes_without_names_are_refused(inspected, words, names):
    looked = inspected(Related(), np.zeros((2, 3, 3)), ["a", "b"], ["t0", "t1"], ["a", "b"])
    looked = replace(looked, samples=looked.samples.replace(info={**looked.samples.info, "ch_names": names}))
    with pytest.raises(InputError) as error:
        Relations()(looked)
    words(error.value, "Relations of 3 channels", f"{len(names or [])} names", "as many names as channels")


# ------------------------------------------------------------------------------------------------ breakdown


def test_each_value_of_a_column_has_the_metrics_of_its_windows(inspected):
    said = [0.9, 0.8, 0.4, 0.1, 0.7, 0.3, 0.6, 0.2]
    X, labels = np.array(said)[:, None, None], list("bbabaaba")
    trials, subjects = [f"t{k // 2}" for k in range(8)], list("ssssuuuu")
    looked = inspected(Plain(), X, labels, trials, ["a", "b"], subjects)
    meta = looked.samples.meta.assign(task=[9, 9, 1, 1, 0, 1, 0, 0, 1, 1])
    looked = replace(looked, samples=looked.samples.replace(meta=meta), test=looked.test[::-1])
    table = Breakdown("task")(looked)
    assert set(table["value"]) == {"0", "1"}, "of the test part, as words"
    assert set(table["column"]) == {"task"}
    windows = table[table["level"] == "window"].set_index(["value", "subject"])
    assert windows["n"].to_dict() == {("0", "s"): 1, ("0", "u"): 2, ("0", "all"): 3, ("1", "s"): 3, ("1", "u"): 2,
                                      ("1", "all"): 5}  # fmt: skip
    right = {("0", "s"): 1, ("0", "u"): 0.5, ("0", "all"): 2 / 3, ("1", "s"): 2 / 3, ("1", "u"): 1, ("1", "all"): 0.8}
    assert windows["accuracy"].to_dict() == pytest.approx(right)
    assert windows["balanced_accuracy"]["1", "all"] == pytest.approx((3 / 4 + 1) / 2)
    assert table.query("level == 'trial' and subject == 'all'").set_index("value")["n"].to_dict() == {"0": 2, "1": 3}


def test_a_column_that_is_not_there_is_refused(inspected, words):
    looked = inspected(Plain(), np.zeros((2, 1, 1)), ["a", "b"], ["t0", "t1"], ["a", "b"])
    for column, expected in (("mood", ["'mood'", "one of", "stimulus"]), (["task"], ["column=['task']", "the name"])):
        with pytest.raises(InputError) as error:
            Breakdown(column)(looked)
        words(error.value, *expected)


# --------------------------------------------------------------------------------------------- several modalities


class TwoViews:
    """Probabilities of what is there: `a` is always right, `b` always wrong, both together are `a`."""

    classes_ = np.array(["calm", "tense"])

    def __init__(self):
        self.encoders_ = {"a": None, "b": None}

    def predict_proba(self, X):
        there = {name: ~np.isnan(array).any(axis=1) for name, array in X.items()}
        assert (there["a"] | there["b"]).all(), "a sample without anything came"
        right = np.where(there["a"], X["a"][:, 0], 1 - X["b"][:, 0])
        return np.stack([1 - right, right], axis=1)


def test_modalities_are_taken_away_one_after_the_other():
    truth = np.arange(40) % 2
    views = {name: truth[:, None].repeat(3, axis=1).astype(np.float32) for name in "ab"}
    views["b"][:10] = np.nan  # these lack it
    meta = pd.DataFrame({"trial": [f"t{k}" for k in range(40)]}).assign(**dict.fromkeys(("source", "subject"), "s"))
    meta = meta.assign(session="1", stimulus="k", start=0.0, stop=1.0)
    samples = Samples(views, np.array(["calm", "tense"])[truth], meta)
    rows = np.arange(40)
    table = MissingModality()(Inspected(TwoViews(), samples, rows[:0], rows[:0], rows, ["calm", "tense"], 0))
    whole = table[(table["level"] == "window") & (table["subject"] == "all")].set_index("value")
    assert whole["accuracy"].to_dict() == {"all": 1.0, "without a": 0.0, "without b": 1.0}
    assert whole["n"].to_dict() == {"all": 40, "without a": 30, "without b": 40}
    with pytest.raises(InputError, match="two or more"):
        MissingModality()(Inspected(TwoViews(), samples.replace(X=views["a"]), rows[:0], rows[:0], rows, [], 0))


# ------------------------------------------------------------------------------------------------ LEL itself

SFREQ, N_TIMES = 64.0, 64
TINY = {"sfreq": SFREQ, "stride": 4, "blocks": 1, "refinements": 1, "heads": 2, "batch_size": 32, "max_epochs": 2}
BANDS = {"theta": (4.0, 8.0), "alpha": (8.0, 14.0), "beta": (14.0, 30.0)}


@pytest.fixture(scope="module")
def volts():
    """Return windows in volts, four of each of 24 trials, whose class is a rhythm at one of four channels."""
    rng = np.random.default_rng(0)
    n = 96
    trial, window = np.divmod(np.arange(n), 4)
    y = np.array(["tense", "calm"], dtype=object)[trial % 2]
    X = rng.normal(0, 1e-5, (n, 4, N_TIMES))
    hz = np.where(y == "tense", 20, 10)[:, None]
    X[:, 1] += 3e-5 * np.sin(2 * np.pi * (hz * np.arange(N_TIMES) / SFREQ + rng.random((n, 1))))
    names = {"source": "made", "subject": "s", "session": "1", "trial": [f"t{k}" for k in trial], "stimulus": "k"}
    meta = pd.DataFrame({**names, "start": window, "stop": window + 1.0, "half": np.where(trial < 12, "one", "two")})
    info = {"sfreq": SFREQ, "ch_names": ["F3", "F4", "O1", "O2"], "unit": "V"}
    return Samples(X.astype(np.float32), y, meta, info)


def fitted(samples, *steps, **options):
    """Return a look at a LEL that was fitted to half of the trials; test windows are not in their order."""
    rows = np.random.default_rng(1).permutation(len(samples))
    number = samples.meta["trial"].str[1:].astype(int).to_numpy()
    train, held, test = (rows[np.isin(number[rows] % 6, part)] for part in ([0, 1], [2, 3], [4, 5]))
    model = make_pipeline(*steps, LELClassifier(**{**TINY, "bands": BANDS, "random_state": 0, **options}))
    model.fit(samples.X[train], samples.y[train], validation=(samples.X[held], samples.y[held]))
    return Inspected(model, samples, train, held, test, ["calm", "tense"], 3)


@pytest.fixture(scope="module")
def plain(volts):
    return fitted(volts)


@pytest.fixture(scope="module")
def certified(volts):
    return fitted(volts, certified=True, max_epochs=4, lr=1e-2)


@pytest.fixture(scope="module")
def proven(certified):
    return Lipschitz(windows=5, steps=5)(certified)


def test_what_is_proven_is_above_all_that_is_measured(certified, proven):
    last = certified.estimator[-1]
    assert proven.columns.tolist() == ["quantity", "where", "value", "amount", "trial", "correct", "unit"]
    bound = proven[proven["quantity"] == "bound"].set_index("where")["value"]
    assert bound.index.tolist() == [*last.branches_, "ensemble"]
    for quantity in ("local", "attack"):
        found = proven[proven["quantity"] == quantity].groupby("where")["value"]
        assert (found.size() == 5).all()
        assert set(found.groups) == set(bound.index)
        assert (found.min() > 0).all()
        assert (found.max() <= bound[found.max().index]).all()
    assert proven[proven["quantity"] == "declared"][["where", "value"]].values.tolist() == [["ensemble", 1.0]]


def test_each_trial_has_the_radius_of_its_decision(certified, proven):
    found = proven[proven["quantity"] == "radius"]
    trials = certified.samples.meta["trial"].to_numpy(str)[certified.test]
    assert found["trial"].tolist() == sorted(set(trials))
    X, y, last = certified.given(certified.test), certified.samples.y[certified.test], certified.estimator[-1]
    for row in found.to_dict("records"):
        mine = trials == row["trial"]
        (one,) = last.certify(X[mine], trials[mine]).to_dict("records")
        assert row["value"] == pytest.approx(1e6 * one["rms"], rel=1e-3), "in microvolts"
        assert row["correct"] == (last.classes_[one["predicted"]] == y[mine][0])
    trial = certified.scores(certified.estimator.predict_proba(X)).query("level == 'trial' and subject == 'all'")
    assert found["correct"].astype(float).mean() == pytest.approx(trial["accuracy"].item())
    assert 0 < found["correct"].astype(float).mean() < 1, "else nothing was tested"
    assert set(found["unit"]) == {"µV"}


def test_a_radius_has_the_unit_of_the_windows_that_the_model_is_given(volts, certified):
    def radii(looked):
        return Lipschitz(windows=1, steps=1)(looked).query("quantity == 'radius'")

    own, other = radii(certified), replace(certified, samples=volts.replace(info={**volts.info, "unit": "mV"}))
    assert set(radii(other)["unit"]) == {"mV"}
    assert radii(other)["value"].to_numpy(float) == pytest.approx(1e-6 * own["value"].to_numpy(float))
    changed = fitted(volts, Twice(), certified=True)
    assert set(radii(changed)["unit"]) == {""}, "no volts any more"


def test_windows_are_drawn_by_the_fold_alone(certified, proven):
    again = Lipschitz(windows=5, steps=5)(certified)
    pd.testing.assert_frame_equal(again, proven)
    other = Lipschitz(windows=5, steps=5)(replace(certified, seed=4))
    assert not np.allclose(other["value"][:5].astype(float), proven["value"][:5].astype(float))
    all_of_them = Lipschitz(windows=500, steps=1, scales=[])(certified)
    own = certified.estimator[-1].measured(certified.given(np.sort(certified.test)), steps=1, random_state=3)
    for name in ("local", "attack"):
        found = all_of_them[all_of_them["quantity"] == name]
        assert found["where"].tolist() == own["where"].tolist()
        assert found["value"].to_numpy(float) == pytest.approx(own[name].to_numpy(float), rel=1e-4), "of test windows"


def test_nothing_is_proven_of_plain_lel_and_its_constant_grows_with_the_input(plain):
    found = Lipschitz(windows=8, steps=2, scales=[1, 10.0, 100.0])(plain)
    assert set(found["quantity"]) == {"local", "attack", "scale", "declared"}
    scale = found[found["quantity"] == "scale"]
    assert set(scale["where"]) == {"attention"}
    largest = scale.groupby("amount")["value"].agg(["max", "size"])
    assert largest["size"].to_dict() == {1: 8, 10: 8, 100: 8}
    assert largest["max"][10] > 2 * largest["max"][1]
    assert largest["max"][100] > 2 * largest["max"][10]
    assert (found["amount"].notna() == (found["quantity"] == "scale")).all()


def test_nothing_is_declared_where_layers_are_free(volts):
    looked = fitted(volts, bound_linear=None, max_epochs=1, branches=["energy", "magnitude"])
    found = Lipschitz(windows=2, steps=1)(looked)
    assert set(found["quantity"]) == {"local", "attack"}, "and without branch 1 there is no attention"
    assert set(found["where"]) == {*looked.estimator[-1].branches_, "ensemble"}


def test_all_of_them_look_at_lel_and_can_be_stored(plain, certified, tmp_path):
    wanted = {
        "branches": Branches(),
        "lipschitz": Lipschitz(windows=2, steps=1),
        "relations": Relations(),
        "breakdown": Breakdown("half"),
    }
    for looked in (plain, certified):
        tables, failed = look(looked, wanted)
        assert failed == ""
        assert list(tables) == list(wanted)
        tables["lipschitz"].to_parquet(tmp_path / "kept.parquet")
        kept = pd.read_parquet(tmp_path / "kept.parquet")
        assert kept["correct"].notna().equals(kept["quantity"] == "radius")
        assert kept["correct"].eq(True).equals(tables["lipschitz"]["correct"].eq(True))
        sums = tables["relations"].groupby(["label", "a"])["weight"].sum()
        assert ((sums > 0) & (sums < 1)).all(), "rows sum to 1 with what is left out"
        scores = tables["branches"].query("combination == 'as fitted' and subject == 'all'").set_index("level")
        own = looked.scores(looked.estimator.predict_proba(looked.given(looked.test))).query("subject == 'all'")
        assert scores["accuracy"].to_dict() == own.set_index("level")["accuracy"].to_dict()


STUDY = {
    "name": "looked",
    "title": "Looked at",
    "source": {"simulated-eeg": {"subjects": 2, "trials": 4, "seconds": 2.0, "montage": "muse4"}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5.0},
    "protocols": {"recording": {"parameters": {"n_splits": 2}}},
    "methods": {"lda": {"steps": ["window_statistics", "flatten", "lda"]}},
}


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("lipschitz", {"windows": 0}, ["windows=0", "whole number"]),
        ("lipschitz", {"steps": 1.5}, ["steps=1.5", "whole number"]),
        ("lipschitz", {"scales": 5}, ["scales=5", "list of positive"]),
        ("lipschitz", {"scales": "12"}, ["scales='12'", "list of positive"]),
        ("lipschitz", {"scales": [1, 0]}, ["scales=[1, 0]", "list of positive"]),
        ("lipschitz", {"scales": [float("inf")]}, ["scales=[inf]", "list of positive"]),
        ("lipschitz", {"scales": [True]}, ["scales=[True]", "list of positive"]),
        ("breakdown", {"column": 3}, ["column=3", "name of a column"]),
        ("breakdown", {}, ["breakdown", "column"]),
    ],
)
def test_impossible_parameters_are_refused_before_anything_is_fitted(words, name, parameters, expected):
    with pytest.raises(ThymosError) as error:
        parse_study({**STUDY, "inspections": {name: {"parameters": parameters}}})
    words(error.value, *expected)
