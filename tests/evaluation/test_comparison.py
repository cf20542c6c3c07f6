import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test, ttest_1samp, wilcoxon
from sklearn.metrics import balanced_accuracy_score

from thymos.base.errors import InputError
from thymos.evaluation import compare_methods
from thymos.evaluation.comparison import (
    MARGIN,
    _of_counts,
    _of_values,
    average_ranks,
    corrected_resampled_t,
    detectable,
    sign_flip,
)
from thymos.evaluation.metrics import CONFUSION_METRICS
from thymos.evaluation.statistics import holm

CLASSES = ["a", "b"]


def predictions(skills, subjects=10, trials=20, seeds=(0, 1), seed=0):
    """Return made predictions of methods with these shares of windows that are right beyond chance."""
    rng = np.random.default_rng(seed)
    rows = []
    for method, skill in skills.items():
        for s in range(subjects):
            for t in range(trials):
                for k in seeds:
                    label = CLASSES[t % 2]
                    p0 = 0.9 if (label == "a") == (rng.random() < 0.5 + skill / 2) else 0.1
                    rows.append((method, f"s{s}", f"s{s}t{t}", f"s{s}r{t % 4}", t % 5, label, p0, 1 - p0, k))
    columns = ["method", "subject", "trial", "recording", "fold", "label", "p0", "p1", "seed"]
    return pd.DataFrame(rows, columns=columns).assign(protocol="trial", labels="true", start=0.0)


def accuracies(made, by="subject"):
    right = (made["p0"] > 0.5) == (made["label"] == "a")
    return right.groupby([made["method"], made[by]]).mean().unstack()


def test_subjects_are_compared_in_pairs():
    made = predictions({"good": 0.8, "bad": 0.0, "fair": 0.3})
    table = compare_methods(made, CLASSES).set_index(["a", "b"])
    values = accuracies(made)
    for a, b in (("good", "bad"), ("good", "fair"), ("bad", "fair")):
        difference = (values.loc[a] - values.loc[b]).to_numpy().round(10)
        row = table.loc[(a, b)]
        assert (row["unit"], row["n_units"]) == ("subject", 10)
        assert row["difference"] == pytest.approx(difference.mean())
        assert row["sd"] == pytest.approx(difference.std(ddof=1))
        assert row["p_wilcoxon"] == pytest.approx(wilcoxon(difference).pvalue)
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"].tolist()))
    assert table.loc[("good", "bad"), "p_holm"] < 0.05


def test_fewer_planned_pairs_are_corrected_less():
    made = predictions({"good": 0.8, "bad": 0.0, "fair": 0.3})
    one = compare_methods(made, CLASSES, pairs=[("good", "bad")])
    every = compare_methods(made, CLASSES).set_index(["a", "b"])
    assert len(one) == 1
    assert one["p_holm"].item() == one["p"].item() < every.loc[("good", "bad"), "p_holm"]


@pytest.mark.parametrize("n", [6, 12, 20])
def test_the_sign_flip_test_is_that_of_scipy(n):
    differences = np.random.default_rng(n).normal(0.5, 1.0, n)
    theirs = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=10_000, rng=0).pvalue
    assert sign_flip(differences) == pytest.approx(theirs, abs=1e-12 if n <= 12 else 0.01)


def test_the_recall_of_one_class_is_compared():
    made = predictions({"one": 0.9, "other": 0.9}, subjects=5, seeds=(0,))
    missed = (made["method"] == "other") & (made["label"] == "b")
    made.loc[missed, ["p0", "p1"]] = [1.0, 0.0]  # one class is never seen
    a, b = (compare_methods(made, CLASSES, f"recall[{name}]").iloc[0] for name in "ab")
    mine = made[(made["method"] == "one") & (made["label"] == "b")].groupby("trial")["p1"].mean()
    assert a["p"] > 0.5
    assert b["difference"] == pytest.approx(np.mean(mine > 0.5))
    assert b["p"] < 0.01


def test_what_is_not_defined_has_no_p_and_takes_part_in_no_correction():
    made = predictions({"one": 0.9, "other": 0.1, "third": 0.5}, subjects=5, seeds=(0,))
    of_one_class = made[made["label"] == "a"]
    for level in ("trial", "window"):
        table = compare_methods(of_one_class, CLASSES, "recall[b]", level)
        assert table[["difference", "p", "p_holm"]].isna().all(axis=None)
    # kappa is not defined where one class alone is there and said: some exchanges come to that
    few = made[(made["subject"] == "s0") & made["trial"].isin(["s0t0", "s0t1", "s0t2"])].copy()
    few["label"] = ["a", "a", "b"] * 3
    few["p0"] = [0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    few["p1"] = 1 - few["p0"]
    row = compare_methods(few.assign(fold=0), CLASSES, "kappa", pairs=[("one", "other")]).iloc[0]
    assert row["difference"] == pytest.approx(1.0)
    assert row["p"] == 1.0


def test_units_that_only_one_of_two_methods_was_tested_on_are_left_out():
    made = predictions({"one": 0.6}, subjects=4)
    both = pd.concat([made, made.assign(method="other")])
    lost = {"one": made["fold"].min(), "other": made["fold"].max()}
    left = both[both["fold"] != both["method"].map(lost)]
    row = compare_methods(left, CLASSES).iloc[0]
    assert (row["difference"], row["p"]) == (0, 1)
    assert row["n_units"] > 0
    nothing = pd.concat([made[made["fold"] == 0], made[made["fold"] == 1].assign(method="other")])
    assert np.isnan(compare_methods(nothing, CLASSES)["difference"].iloc[0])


def test_methods_that_are_alike_do_not_differ():
    made = predictions({"one": 0.4})
    table = compare_methods(pd.concat([made, made.assign(method="other")]), CLASSES)
    assert table["difference"].item() == 0
    assert table["p"].item() == table["p_wilcoxon"].item() == table["p_holm"].item() == 1


def test_permuted_labels_are_no_results():
    made = predictions({"good": 0.8, "bad": 0.0})
    both = pd.concat([made, made.assign(labels="permuted", p0=0.5, p1=0.5)])
    pd.testing.assert_frame_equal(compare_methods(made, CLASSES), compare_methods(both, CLASSES))


def test_few_subjects_are_compared_by_recording_and_one_by_fold():
    few = compare_methods(predictions({"good": 0.8, "bad": 0.0}, subjects=3), CLASSES)
    assert (few["unit"].item(), few["n_units"].item()) == ("recording", 12)
    assert few["p"].item() < 0.01
    made = predictions({"good": 0.9, "bad": 0.0}, subjects=1, trials=200)
    table = compare_methods(made, CLASSES)
    values = accuracies(made, "fold")
    difference = (values.loc["good"] - values.loc["bad"]).to_numpy()
    assert (table["unit"].item(), table["n_units"].item()) == ("fold", 5)
    assert table["p"].item() == pytest.approx(corrected_resampled_t(difference, 1 / 4))


def test_one_more_right_answer_in_every_fold_proves_nothing():
    made = predictions({"one": 1.0, "other": 1.0}, subjects=1, trials=30, seeds=(0,))
    fold = made["trial"].str[3:].astype(int) // 10
    made = made.assign(fold=fold)
    # 0.3, 0.9 and 0.6 against 0.2, 0.8 and 0.5: the last digits of the differences are not the same
    right = pd.Series({("one", 0): 3, ("one", 1): 9, ("one", 2): 6, ("other", 0): 2, ("other", 1): 8, ("other", 2): 5})
    places = pd.MultiIndex.from_arrays([made["method"], fold])
    wrong = made.groupby(["method", "fold"]).cumcount() >= right.loc[places].to_numpy()
    made.loc[wrong, ["p0", "p1"]] = made.loc[wrong, ["p1", "p0"]].to_numpy()
    row = compare_methods(made, CLASSES).iloc[0]
    assert row["difference"] == pytest.approx(0.1)
    assert (row["sd"], row["n_units"]) == (0, 3)
    assert np.isnan(row["p"])
    assert np.isnan(row["p_holm"])


def test_folds_of_several_dealings_of_one_subject_are_compared_too():
    made = predictions({"one": 0.9, "other": 0.3}, subjects=1, trials=40)
    dealt = [
        made.assign(repeat=r, fold=[f"repeat {r}/{t % 2}" for t in pd.factorize(made["trial"])[0] // (r + 1)])
        for r in (0, 1)
    ]
    row = compare_methods(pd.concat(dealt), CLASSES).iloc[0]
    assert (row["unit"], row["n_units"]) == ("fold", 4)
    right = made.assign(right=(made["p0"] > 0.5) == (made["label"] == "a")).groupby("method")["right"].mean()
    assert row["difference"] == pytest.approx(right["one"] - right["other"], abs=0.02)
    assert row["p"] < 0.1


def test_with_few_subjects_the_difference_is_that_of_the_metric_over_all_predictions():
    made = predictions({"one": 0.9, "other": 0.3}, subjects=1, trials=300, seeds=(0,)).assign(fold=0)
    made = made[(made["label"] == "a") | (np.arange(len(made)) % 10 < 2)].drop(columns="recording")  # unequal classes
    row = compare_methods(made, CLASSES, "balanced_accuracy").iloc[0]
    said = np.where(made["p0"] > 0.5, "a", "b")
    known = [
        balanced_accuracy_score(made["label"][of], said[of])
        for of in (made["method"] == "one", made["method"] == "other")
    ]
    assert row["unit"] == "trial"
    assert row["difference"] == pytest.approx(known[0] - known[1])
    assert row["p"] < 0.01


def test_exchanging_predictions_is_the_sign_flip_where_each_unit_has_one_value():
    made = predictions({"one": 0.7, "other": 0.3}, subjects=3, seeds=(0,))
    right = ((made["p0"] > 0.5) == (made["label"] == "a")).groupby([made["method"], made["recording"]]).mean().unstack()
    differences = (right.loc["one"] - right.loc["other"]).to_numpy().round(10)
    row = compare_methods(made, CLASSES).iloc[0]
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["p"] == pytest.approx(sign_flip(differences))
    assert row["sd"] == pytest.approx(np.sqrt(np.mean(differences**2)))


def test_the_corrected_resampled_t_has_the_variance_of_overlapping_training_parts():
    differences = np.array([0.1, 0.2, 0.05, 0.12, 0.0])
    plain = ttest_1samp(differences, 0).pvalue
    assert corrected_resampled_t(differences, 0.0) == pytest.approx(plain)
    assert corrected_resampled_t(differences, 0.25) > plain
    assert corrected_resampled_t(np.zeros(5), 0.25) == 1.0
    assert np.isnan(corrected_resampled_t(np.full(3, 0.1), 0.5)), "equal folds of a few trials prove nothing"


def test_what_is_detectable_is_found_four_times_in_five():
    rng = np.random.default_rng(0)
    for n, comparisons in ((8, 1), (12, 5)):
        effect = detectable(0.08, n, comparisons)
        p = ttest_1samp(rng.normal(effect, 0.08, (4000, n)), 0, axis=1).pvalue
        assert np.mean(p < 0.05 / comparisons) == pytest.approx(0.8, abs=0.025)


def test_ratings_are_compared_too():
    rng = np.random.default_rng(0)
    rows = [(f"s{s}", f"s{s}t{t}", t % 2, rng.uniform(1, 9)) for s in range(9) for t in range(20)]
    made = pd.DataFrame(rows, columns=["subject", "trial", "fold", "label"]).assign(seed=0, protocol="p", labels="true")
    near = made.assign(method="near", predicted=made["label"] + rng.normal(0, 0.5, len(made)))
    far = made.assign(method="far", predicted=rng.uniform(1, 9, len(made)))
    row = compare_methods(pd.concat([near, far]), [], "rmse").iloc[0]
    assert (row["a"], row["b"]) == ("near", "far")
    assert row["difference"] < -1
    assert row["p"] < 0.01


def test_what_is_not_there_is_said():
    made = predictions({"good": 0.8})
    with pytest.raises(InputError, match="no predictions of other"):
        compare_methods(made, CLASSES, pairs=[("good", "other")])
    with pytest.raises(InputError, match="no metric 'rmse'"):
        compare_methods(made, CLASSES, "rmse")


def test_practical_equivalence_is_told_from_not_knowing():
    rng = np.random.default_rng(0)

    def compared(sd, shift):
        values = {"a": 0.6 + shift + sd * rng.standard_normal(40), "b": np.full(40, 0.6)}
        return _of_values(pd.Series(values["a"] - values["b"]), MARGIN)

    same, unknown, apart = compared(0.01, 0.0), compared(0.3, 0.0), compared(0.05, 0.2)
    assert same["equal"] == 1.0
    assert 0.03 < unknown["equal"] < 0.6
    assert apart["equal"] == 0.0
    assert apart["effect"] == pytest.approx(0.2 / 0.05, rel=0.35)
    for row in (same, unknown, apart):
        half = 1.96 * row["sd"] / np.sqrt(40)
        assert (row["low"], row["high"]) == pytest.approx(
            (row["difference"] - half, row["difference"] + half), abs=0.25 * half
        )


def test_intervals_of_counted_units_are_those_of_their_differences():
    rng = np.random.default_rng(1)
    right = rng.random((2, 300)) < np.array([[0.7], [0.6]])
    counts = np.zeros((2, 1, 300, 2, 2))
    counts[:, 0, :, 0, 0], counts[:, 0, :, 0, 1] = right, ~right
    row = _of_counts(counts[0], counts[1], lambda c: c[..., 0, 0] / c.sum(axis=(-1, -2)), MARGIN)
    differences = right[0].astype(float) - right[1]
    half = 1.96 * differences.std() / np.sqrt(300)
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.08)


def test_ranks_are_of_subjects_and_their_critical_distance_is_that_of_the_tables():
    made = predictions({"good": 1.0, "bad": -0.6, "middle": 0.4}, subjects=12)
    found = average_ranks(made, CLASSES)
    assert found["method"].tolist() == ["good", "middle", "bad"]
    ranks = accuracies(made).rank(ascending=False).mean(axis=1)
    assert found.set_index("method")["rank"].to_dict() == pytest.approx(ranks.to_dict())
    assert found["critical"].iloc[0] == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 12)), rel=1e-3)
    assert found["p"].iloc[0] < 1e-4
    assert average_ranks(made[made["method"] != "bad"], CLASSES).empty
    assert average_ranks(predictions({"a": 0.1, "b": 0.2, "c": 0.3}, subjects=5), CLASSES).empty


def test_what_seeds_alone_make_is_no_difference_of_methods():
    rng = np.random.default_rng(0)

    def counts(skills):  # of each seed, the same units: one photograph each, of two classes
        right = np.array([rng.random(300) < skill for skill in skills])
        label = np.tile(np.arange(300) % 2, (len(skills), 1))
        made = np.zeros((len(skills), 300, 2, 2))
        answer = np.where(right, label, 1 - label)
        np.put_along_axis(made.reshape(len(skills), 300, 4), (2 * label + answer)[..., None], 1.0, axis=2)
        return made

    accuracy = CONFUSION_METRICS["accuracy"]
    nulls = [
        _of_counts(*(counts(rng.normal(0.7, 0.1, 3).clip(0, 1)) for _ in range(2)), accuracy, MARGIN)["p"]
        for _ in range(20)
    ]
    assert np.mean(np.array(nulls) < 0.05) <= 0.15
    nulls = {False: [], True: []}
    for _ in range(40):
        three, single = counts(rng.normal(0.7, 0.1, 3).clip(0, 1)), counts([rng.normal(0.7, 0.1)])
        for once, found in nulls.items():
            found.append(_of_counts(three, single, accuracy, MARGIN, once)["p"] < 0.05)
    assert np.mean(nulls[True]) <= 0.12 < np.mean(nulls[False]), "what another training of the one gives is not known"
    apart = _of_counts(counts([0.5, 0.7, 0.9]), counts([0.6, 0.6, 0.6]), accuracy, MARGIN)
    assert apart["p"] > 0.05
    assert apart["low"] < 0 < apart["high"], "the interval says what p says"
    assert apart["detectable"] > abs(apart["difference"])
    same = _of_counts(counts([0.9, 0.9, 0.9]), counts([0.7, 0.7, 0.7]), accuracy, MARGIN)
    assert same["p"] < 0.01
    one = _of_counts(counts([0.8]), counts([0.7]), accuracy, MARGIN)
    assert 0.0001 < one["p"] < 0.2
