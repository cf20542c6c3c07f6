import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from thymos.evaluation.metrics import CONFUSION_METRICS, RATING_METRICS, rating_metrics
from thymos.evaluation.statistics import (
    class_recalls,
    inflation_report,
    interval,
    intervals_of_kinds,
    permuted_counts,
    summarise,
    unit_counts,
)

CLASSES = ["a", "b"]


def predictions(subjects=10, trials=8, windows=3, skill=0.0, seed=0, seeds=(0,), protocol="trial", labels="true"):
    """Return made predictions: `skill` is the share of windows that are simply right."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(subjects):
        for t in range(trials):
            for w in range(windows):
                for k in seeds:
                    label = CLASSES[t % 2]
                    right = rng.random() < 0.5 + skill / 2
                    p = rng.uniform(0.5, 1.0)
                    p0 = p if (label == "a") == right else 1 - p
                    rows.append((f"s{s}", f"s{s}t{t}", f"s{s}t{t}", float(w), label, p0, 1 - p0, k))
    columns = ["subject", "trial", "recording", "start", "label", "p0", "p1", "seed"]
    return pd.DataFrame(rows, columns=columns).assign(protocol=protocol, method="m", labels=labels, fold="1")


def row(table, metric="accuracy", level="window", **where):
    part = table[(table["metric"] == metric) & (table["level"] == level)]
    for key, value in where.items():
        part = part[part[key] == value]
    assert len(part) == 1
    return part.iloc[0]


def test_with_eight_subjects_the_unit_is_the_subject():
    made = predictions(subjects=8, skill=0.4)
    found = row(summarise(made, CLASSES))
    by_subject = made.assign(right=(made["p0"] > 0.5) == (made["label"] == "a")).groupby("subject")["right"].mean()
    assert (found["unit"], found["n_units"]) == ("subject", 8)
    assert found["value"] == pytest.approx(by_subject.mean())
    assert found["low"] < found["value"] < found["high"]


def test_with_fewer_subjects_the_unit_is_the_recording_and_values_are_those_of_all_predictions():
    made = predictions(subjects=3, skill=0.4)
    table = summarise(made, CLASSES)
    predicted = np.where(made["p0"] > 0.5, "a", "b")
    assert row(table)["unit"] == "recording"
    assert row(table)["n_units"] == 24
    assert row(table)["value"] == pytest.approx(accuracy_score(made["label"], predicted))
    assert row(table, "balanced_accuracy")["value"] == pytest.approx(balanced_accuracy_score(made["label"], predicted))
    assert row(summarise(made.drop(columns="recording"), CLASSES))["unit"] == "trial"


def test_windows_are_never_resampled_so_copies_of_windows_change_nothing():
    made = predictions(subjects=9, skill=0.4)
    copied = pd.concat([made, made.assign(start=made["start"] + 100)], ignore_index=True)
    for level in ("window", "trial"):
        once, twice = (row(summarise(p, CLASSES), level=level) for p in (made, copied))
        assert once[["value", "low", "high", "chance"]].to_dict() == pytest.approx(
            twice[["value", "low", "high", "chance"]].to_dict()
        )


def test_seeds_are_averaged_and_their_spread_is_apart():
    made = predictions(subjects=9, seeds=(0, 1, 2), skill=0.3)
    found = row(summarise(made, CLASSES))
    single = [row(summarise(made[made["seed"] == k], CLASSES))["value"] for k in range(3)]
    assert found["n_seeds"] == 3
    assert found["value"] == pytest.approx(np.mean(single))
    assert found["seed_sd"] == pytest.approx(np.std(single, ddof=1))
    one = row(summarise(made[made["seed"] == 0], CLASSES))
    assert np.isnan(one["seed_sd"])
    assert found["high"] - found["low"] < 2 * (one["high"] - one["low"]), "seeds must not multiply the units"


@pytest.mark.parametrize("subjects", [3, 10])
def test_chance_is_where_nothing_is_known_and_p_tells_skill_from_none(subjects):
    nothing, skilled = (row(summarise(predictions(subjects, skill=s), CLASSES)) for s in (0.0, 0.6))
    for found in (nothing, skilled):
        assert found["chance"] == pytest.approx(0.5, abs=0.03)
        assert found["chance"] < found["chance_high"]
    assert skilled["p"] < 0.01 < 0.05 < nothing["p"]


def test_knowing_the_person_alone_is_no_better_than_chance():
    """Subjects differ in how often they say 'a'; predicting just that must not look like skill."""
    rng = np.random.default_rng(0)
    made = predictions(subjects=10, trials=20, windows=1)
    often = {s: (0.9 if k % 2 else 0.1) for k, s in enumerate(sorted(made["subject"].unique()))}
    share = made["subject"].map(often).to_numpy()
    made["label"] = np.where(rng.random(len(made)) < share, "a", "b")
    made["p0"], made["p1"] = share, 1 - share
    found = row(summarise(made, CLASSES))
    assert found["value"] > 0.8
    assert found["chance"] == pytest.approx(found["value"])
    assert found["p"] > 0.5


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    accuracy = CONFUSION_METRICS["accuracy"]
    hits = 0
    for k in range(100):
        p = np.clip(rng.normal(0.7, 0.1, 20), 0, 1)  # twenty subjects around a true mean of 0.7
        right = rng.binomial(50, p)
        confusions = np.stack([np.diag([r, 0]) + np.array([[0, 50 - r], [0, 0]]) for r in right]).astype(float)
        low, high = interval(confusions[None], lambda c: accuracy(c).mean(axis=-1), seed=k)
        hits += low <= 0.7 <= high
    assert 86 <= hits <= 99


def test_no_spread_gives_no_width_and_one_unit_no_interval():
    made = predictions(subjects=9).assign(p0=1.0, p1=0.0)
    found = row(summarise(made[made["label"] == "a"], CLASSES))
    assert (found["value"], found["low"], found["high"]) == (1.0, 1.0, 1.0)
    lone = row(summarise(predictions(1, trials=1), CLASSES))
    assert np.isnan(lone["low"])


def test_the_same_predictions_give_the_same_numbers():
    made = predictions(skill=0.2)
    pd.testing.assert_frame_equal(summarise(made, CLASSES), summarise(made.sample(frac=1, random_state=1), CLASSES))


def test_inflation_sets_the_four_numbers_side_by_side():
    made = pd.concat(
        [
            predictions(skill=s, protocol=p, labels=kind, seed=n)
            for n, (p, kind, s) in enumerate(
                [("trial", "true", 0.2), ("trial", "permuted", 0.0), ("leak", "true", 0.8), ("leak", "permuted", 0.7)]
            )
        ]
    )
    table = summarise(made, CLASSES)
    (found,) = inflation_report(table, {"leak": "trial"}).to_dict("records")
    assert found["inflation"] == pytest.approx(found["leaky_true"] - found["honest_true"])
    assert found["leaky_permuted"] > 0.75 > 0.6 > found["honest_permuted"]
    permuted = table[table["labels"] == "permuted"]
    assert permuted[["low", "high", "chance", "p"]].isna().all(axis=None), "the control is its own reference"


def test_nothing_gives_an_empty_table():
    assert summarise(pd.DataFrame(), CLASSES).empty
    assert inflation_report(pd.DataFrame(), {"a": "b"}).empty
    assert "inflation" in inflation_report(summarise(predictions(), CLASSES), {})


def ratings(subjects=10, trials=12, windows=3, skill=0.0, seed=0, seeds=(0,)):
    """Return made predictions of ratings; the correlation with the rating of a trial grows with `skill`."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(subjects):
        for t in range(trials):
            label = rng.uniform(1, 9)
            for w in range(windows):
                for k in seeds:
                    predicted = 5 + skill * (label - 5) + rng.normal(0, 1)
                    rows.append((f"s{s}", f"s{s}t{t}", f"s{s}t{t}", float(w), label, predicted, k))
    columns = ["subject", "trial", "recording", "start", "label", "predicted", "seed"]
    return pd.DataFrame(rows, columns=columns).assign(protocol="trial", method="m", labels="true", fold="1")


def test_ratings_are_summarised_by_subject_with_interval_and_chance():
    made = ratings(skill=0.5)
    table = summarise(made, [])
    found = row(table, "ccc")
    by_subject = [rating_metrics(p["label"], p["predicted"])["ccc"] for _, p in made.groupby("subject")]
    assert (found["unit"], found["n_units"]) == ("subject", 10)
    assert found["value"] == pytest.approx(np.mean(by_subject))
    assert found["low"] < found["value"] < found["high"]
    assert abs(found["chance"]) < 0.05
    assert found["p"] < 0.01
    assert row(table, "ccc", "trial")["value"] > found["value"], "the mean over windows is less noisy"
    few = ratings(subjects=3, skill=0.5)
    pooled = row(summarise(few, []), "pearson")
    assert pooled["value"] == pytest.approx(rating_metrics(few["label"], few["predicted"])["pearson"])
    assert pooled["unit"] == "recording"


def test_an_error_is_better_when_it_is_lower():
    skilled, blind = (row(summarise(ratings(skill=s), []), "rmse") for s in (0.7, 0.0))
    assert skilled["p"] < 0.01
    assert blind["p"] > 0.05
    assert skilled["value"] < skilled["chance_high"] < skilled["chance"]


def test_the_chance_of_ratings_is_that_of_permuted_trials():
    made = ratings(subjects=1, trials=6, windows=2, skill=0.3)
    trials = unit_counts(made, [], "window")[2]
    null = permuted_counts(trials, np.zeros(6, dtype=int), 0, n=500)
    labels = made.drop_duplicates("trial").set_index("trial")["label"]
    some = []
    rng = np.random.default_rng(0)
    for _ in range(500):
        shuffled = dict(zip(labels.index, rng.permutation(labels.to_numpy()), strict=True))
        some.append(rating_metrics(made["trial"].map(shuffled), made["predicted"])["ccc"])
    values = RATING_METRICS["ccc"](null)[:, 0]
    assert values.mean() == pytest.approx(np.mean(some), abs=0.05)
    assert values.std() == pytest.approx(np.std(some), rel=0.2)


@pytest.mark.parametrize("subjects", [2, 9])
def test_a_constant_answer_is_never_above_chance_where_trials_of_one_class_are_longer(subjects):
    made = predictions(subjects=subjects, windows=9)
    made = made[(made["label"] == "a") | (made["start"] < 2)].reset_index(drop=True)  # 9 windows of a, 2 of b
    constant = made.assign(p0=0.9, p1=0.1)
    table = summarise(constant, CLASSES).dropna(subset=["p"])
    assert (table["p"] == 1).all()
    found = row(table)
    assert found["chance"] == pytest.approx(found["value"])
    knowing = made.assign(p0=np.where(made["label"] == "a", 0.9, 0.1), p1=np.where(made["label"] == "a", 0.1, 0.9))
    assert row(summarise(knowing, CLASSES))["p"] < 0.01
    lengths = np.random.default_rng(0).integers(1, 9, made["trial"].nunique())[pd.factorize(made["trial"])[0]]
    rated = made.assign(label=lengths.astype(float), predicted=1.0)[made["start"] < lengths]
    table = summarise(rated.drop(columns=["p0", "p1"]), []).dropna(subset=["p"])
    assert len(table)
    assert (table["p"] == 1).all()


def test_repeats_are_averaged_not_pooled():
    once = predictions(subjects=9, skill=0.4)
    other = predictions(subjects=9, skill=0.1, seed=5)
    both = pd.concat([once.assign(repeat=0), other.assign(repeat=1)], ignore_index=True)
    for level in ("window", "trial"):
        single = [row(summarise(p, CLASSES), level=level)["value"] for p in (once, other)]
        found = row(summarise(both, CLASSES), level=level)
        assert found["value"] == pytest.approx(np.mean(single))
        assert found["seed_sd"] == pytest.approx(np.std(single, ddof=1))
        assert (found["n_seeds"], found["n_repeats"], found["n_units"]) == (1, 2, 9)


def test_value_interval_and_chance_are_of_the_same_thing_when_seeds_differ():
    """Averaged over seeds, never over pooled predictions: two seeds far apart, two collapsed on different classes."""
    made = ratings(skill=0.5, seeds=(0, 1))
    made["predicted"] += np.where(made["seed"] == 0, -5.0, 5.0)
    table = summarise(made, [])
    for metric in ("ccc", "pearson", "rmse"):
        found = row(table, metric)
        single = [row(summarise(made[made["seed"] == k], []), metric)["value"] for k in (0, 1)]
        assert found["value"] == pytest.approx(np.mean(single))
        assert found["low"] <= found["value"] <= found["high"], metric
    assert row(table, "pearson")["p"] < 0.01
    blind = ratings(skill=0.0, seeds=(0, 1), seed=3)
    blind["predicted"] += np.where(blind["seed"] == 0, -5.0, 5.0)
    assert row(summarise(blind, []), "pearson")["p"] > 0.05
    collapsed = predictions(seeds=(0, 1))
    collapsed["p0"] = np.where(collapsed["seed"] == 0, 0.9, 0.1)
    collapsed["p1"] = 1 - collapsed["p0"]
    found = row(summarise(collapsed, CLASSES), "macro_f1")
    assert [found["value"], found["low"], found["high"], found["chance"]] == pytest.approx([1 / 3] * 4)


def test_where_no_label_can_be_permuted_there_is_no_chance():
    made = predictions(subjects=9, skill=1.0)
    made["label"] = np.where(made["subject"] < "s4", "a", "b")
    found = row(summarise(made, CLASSES))
    assert np.isnan(found["p"])
    assert np.isnan(found["chance"])
    assert np.isfinite(found["value"])


def test_constant_ratings_have_no_explained_variance():
    made = ratings(trials=1, windows=7)
    table = summarise(made, [])
    assert np.isnan(row(table, "r2")["value"])
    assert np.isnan(row(table, "ccc")["p"])


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "kappa"])
@pytest.mark.parametrize("n_draws", [1, 2])
def test_the_interval_of_thousands_of_equal_units_is_that_of_single_ones(metric, n_draws):
    rng = np.random.default_rng(0)
    counts = np.zeros((n_draws, 400, 3, 3))
    true = rng.choice(3, 400, p=[0.6, 0.3, 0.1])
    for draw in counts:
        said = np.where(rng.random(400) < 0.7, true, rng.integers(0, 3, 400))
        draw[np.arange(400), true, said] = 1

    def value(c):
        return CONFUSION_METRICS[metric](c.sum(axis=-3))

    slow, fast = interval(counts, value, 0), intervals_of_kinds(counts, {"value": value}, 0)["value"]
    assert fast == pytest.approx(slow, abs=0.004)
    assert slow[1] - slow[0] > 0.05


def test_photographs_without_people_are_thousands_of_units():
    made = predictions(subjects=1, trials=1200, windows=1, skill=0.4).drop(columns="recording")
    found = row(summarise(made, CLASSES))
    assert (found["unit"], found["n_units"]) == ("trial", 1200)
    assert found["low"] < found["value"] < found["high"] < found["low"] + 0.08
    assert found["chance"] == pytest.approx(0.5, abs=0.02)


def test_units_that_are_all_alike_have_an_interval_of_no_width():
    counts = np.zeros((1, 600, 2, 2))
    counts[..., 0, 0] = 1
    values = {"accuracy": lambda c: CONFUSION_METRICS["accuracy"](c.sum(axis=-3))}
    assert intervals_of_kinds(counts, values, 0) == {"accuracy": (1.0, 1.0)}


@pytest.mark.parametrize("subjects", [9, 3])
def test_recalls_are_those_of_each_class_with_intervals(subjects):
    made = predictions(subjects=subjects, trials=16, skill=0.5, seeds=(0, 1))
    table = class_recalls(made, CLASSES, "window").set_index("class")
    predicted = np.where(made["p0"] > 0.5, "a", "b")
    for name in CLASSES:
        mine = (made["label"] == name).to_numpy()
        found = table.loc[name]
        assert found["recall"] == pytest.approx((predicted[mine] == name).mean())
        assert found["n"] == mine.sum() // 2
        assert found["low"] < found["recall"] < found["high"]
