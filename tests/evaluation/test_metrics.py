import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from thymos.base.errors import InputError
from thymos.evaluation.metrics import (
    RATING_METRICS,
    calibration_bins,
    classification_metrics,
    expected_calibration_error,
    moments,
    rating_metrics,
    trial_means,
    trial_probabilities,
)

CLASSES = ["a", "b", "c"]


def random_predictions(seed, n=60):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, n), rng.dirichlet(np.ones(3), n)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_metrics_equal_scikit_learns(seed):
    codes, p = random_predictions(seed)
    found, predicted = classification_metrics(codes, p, CLASSES), p.argmax(axis=1)
    known = {
        "accuracy": sk.accuracy_score(codes, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(codes, predicted),
        "kappa": sk.cohen_kappa_score(codes, predicted),
        "roc_auc": sk.roc_auc_score(codes, p, multi_class="ovr"),
        "log_loss": sk.log_loss(codes, np.clip(p, 1e-6, 1), labels=[0, 1, 2]),
        "brier": np.mean([sum((p[i, k] - (codes[i] == k)) ** 2 for k in range(3)) for i in range(len(p))]),
    }
    for average in ("macro", "weighted", "micro"):
        values = sk.precision_recall_fscore_support(codes, predicted, average=average, zero_division=np.nan)[:3]
        known |= dict(zip([f"{average}_{n}" for n in ("precision", "recall", "f1")], values, strict=True))
    for name, values in {
        "recall": sk.recall_score(codes, predicted, average=None),
        "f1": sk.f1_score(codes, predicted, average=None),
    }.items():
        known |= {f"{name}[{c}]": v for c, v in zip(CLASSES, values, strict=True)}
    for name, value in known.items():
        assert found[name] == pytest.approx(value, abs=1e-4), name


def test_a_class_that_is_absent_is_left_out_of_means():
    codes = np.array([0, 0, 1, 1])
    p = np.eye(3)[[0, 1, 1, 1]]
    found = classification_metrics(codes, p, CLASSES)
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert np.isnan(found["recall[c]"])
    one_class = classification_metrics(np.zeros(4, int), p, CLASSES)
    assert np.isnan(one_class["roc_auc"])
    assert one_class["accuracy"] == 0.25


def test_precision_of_a_class_that_is_never_said_is_0_in_every_mean():
    codes = np.repeat([0, 1], [7, 3])
    found = classification_metrics(codes, np.tile([1.0, 0.0], (10, 1)), ["a", "b"])
    wanted = {
        average: sk.precision_score(codes, 0 * codes, average=average, zero_division=0)
        for average in ("macro", "weighted")
    }
    assert (found["macro_precision"], found["weighted_precision"]) == pytest.approx(
        (wanted["macro"], wanted["weighted"])
    )
    assert np.isnan(found["precision[b]"])


def test_calibration_error_of_a_calibrated_and_an_overconfident_model():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 20_000)
    codes = (rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1)
    assert expected_calibration_error(codes, p) < 0.02
    sure = p**4 / (p**4).sum(axis=1, keepdims=True)
    assert expected_calibration_error(codes, sure) > 0.15
    assert calibration_bins(codes, p)["count"].tolist() == pytest.approx([20_000 / 15] * 15, abs=1)


def test_a_trials_probability_is_the_normalised_exponential_of_the_mean_log_probability():
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5]])
    first, trial = trial_probabilities(np.array(["t2", "t1", "t2", "t1"]), p)
    assert first.tolist() == [1, 0]
    by_hand = np.sqrt(p[[1, 0]] * p[[3, 2]])
    assert np.allclose(trial, by_hand / by_hand.sum(axis=1, keepdims=True))


def test_one_certain_miss_does_not_rule_a_trial():
    p = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    _, trial = trial_probabilities(np.array(["t", "t", "t"]), p)
    assert np.isfinite(trial).all()
    assert trial[0, 1] > 0.9


def test_wrong_shapes_are_said_in_words(words):
    with pytest.raises(InputError) as error:
        classification_metrics(np.zeros(3, int), np.zeros((2, 3)), CLASSES)
    words(error.value, "3 labels", "(2, 3)")
    with pytest.raises(InputError):
        classification_metrics(np.zeros(0, int), np.zeros((0, 3)), CLASSES)


def test_rating_metrics_have_known_values(words):
    y = np.array([1.0, 2.0, 3.0, 4.0])
    same = rating_metrics(y, y)
    assert (same["ccc"], same["pearson"], same["rmse"], same["mae"], same["r2"]) == pytest.approx((1, 1, 0, 0, 1))
    shifted = rating_metrics(y, y + 1)  # perfectly correlated, one off: ccc = 2 var / (2 var + 1) with var = 1.25
    assert (shifted["pearson"], shifted["rmse"], shifted["mae"]) == pytest.approx((1, 1, 1))
    assert shifted["ccc"] == pytest.approx(2.5 / 3.5)
    constant = rating_metrics(y, np.full(4, 2.5))
    assert constant["ccc"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(constant["pearson"])
    assert constant["r2"] == pytest.approx(0)
    flat = rating_metrics(np.full(7, 5.3), np.linspace(4, 6, 7))
    assert np.isnan(flat["r2"])
    assert np.isnan(flat["ccc"])
    rng = np.random.default_rng(0)
    a, b = rng.normal(1e4, 1, 200), rng.normal(1e4, 2, 200)
    found = rating_metrics(a, b)
    assert found["pearson"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((a - b) ** 2)))
    assert found["r2"] == pytest.approx(1 - ((a - b) ** 2).sum() / ((a - a.mean()) ** 2).sum())
    with pytest.raises(InputError) as error:
        rating_metrics(y, y[:2])
    words(error.value, "shape (4,)", "(2,)")


def test_sums_of_moments_are_the_moments_of_the_sum():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=30), rng.normal(size=30)
    parts = np.stack([moments(a[k::3], b[k::3]).sum(axis=0) for k in range(3)])
    for name, metric in RATING_METRICS.items():
        assert float(metric(parts.sum(axis=0))) == pytest.approx(rating_metrics(a, b)[name])
        assert metric(parts).shape == (3,)


def test_the_rating_of_a_trial_is_the_mean_of_its_windows():
    first, predicted = trial_means(np.array(["b", "a", "b"]), np.array([1.0, 5.0, 2.0]))
    assert (first.tolist(), predicted.tolist()) == ([1, 0], [5.0, 1.5])
