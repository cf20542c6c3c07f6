import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from thymos.base.errors import InputError
from thymos.base.probabilities import (
    Calibration,
    fit_calibration,
    log_loss,
    predict_all,
    trial_means,
    trial_probabilities,
)


def drawn(seed, n=2000, n_classes=3, spread=1.5):
    """Return probabilities that are right, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    p = softmax(spread * rng.standard_normal((n, n_classes)), axis=1)
    return p, (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)


def distorted(p, temperature=1.0, bias=0.0):
    return softmax(np.log(p) * temperature - np.asarray(bias) * temperature, axis=1)


def test_a_trial_is_the_normalised_exponential_of_the_mean_logarithm():
    p = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    first, combined = trial_probabilities(np.array(["b", "b", "a"]), p)
    assert first.tolist() == [2, 0]
    odds = np.sqrt(0.9 * 0.5) / np.sqrt(0.1 * 0.5)
    assert combined == pytest.approx(np.array([[0.2, 0.8], [odds / (1 + odds), 1 / (1 + odds)]]))
    assert trial_means(np.array(["b", "b", "a"]), np.array([1.0, 2.0, 5.0]))[1].tolist() == [5.0, 1.5]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 20), st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_a_temperature_keeps_the_order_of_classes_and_a_calibration_commutes_with_trials(seed, temperature, bias):
    p, _ = drawn(seed, n=30, spread=1.0)
    assert np.array_equal(Calibration(temperature).apply(p).argsort(axis=1), p.argsort(axis=1))
    gentle = Calibration(1 + temperature, tuple(bias))  # no probability so small that it is cut off
    trials = np.repeat(np.arange(6), 5)
    by_window, by_trial = trial_probabilities(trials, gentle.apply(p))[1], trial_probabilities(trials, p)[1]
    assert np.allclose(by_window, gentle.apply(by_trial))


def test_nothing_to_do_leaves_probabilities_as_they_are():
    p, _ = drawn(0, n=20)
    assert Calibration().apply(p) is p


def test_a_calibration_after_another_is_one_calibration():
    p, _ = drawn(1, n=50, spread=1.0)
    for first, second in (
        (Calibration(2.0, (0.1, -0.2, 0.3)), Calibration(0.5, (1.0, 0.0, -1.0))),
        (Calibration(2.0), Calibration(3.0, (1.0, 0.0, -1.0))),
        (Calibration(2.0, (1.0, 0.0, -1.0)), Calibration(3.0)),
    ):
        assert np.allclose(first.then(second).apply(p), second.apply(first.apply(p)))
    assert Calibration(2.0).then(Calibration(3.0)) == Calibration(6.0)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_known_distortion_is_found(temperature):
    p, codes = drawn(2, n=6000)
    found = fit_calibration(distorted(p, temperature), codes)
    assert found.bias == ()
    assert found.temperature == pytest.approx(temperature, rel=0.06)
    bias = np.array([1.0, -0.5, -0.5])
    found = fit_calibration(distorted(p, temperature, bias), codes, bias=True)
    assert found.temperature == pytest.approx(temperature, rel=0.06)
    assert np.array(found.bias) - np.mean(found.bias) == pytest.approx(bias, abs=0.15)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.floats(0.1, 8), st.booleans(), st.booleans())
def test_the_loss_on_what_it_was_fitted_on_is_never_worse(seed, n, sharpness, bias, by_trial):
    p, codes = drawn(seed, n=n)
    p = distorted(p, sharpness)
    trials = [str(k // 3) for k in range(n)] if by_trial else None
    codes = codes[[3 * (k // 3) for k in range(n)]] if by_trial else codes
    found = fit_calibration(p, codes, trials, bias=bias)
    assert fit_calibration(p, codes, trials, bias=bias) == found
    assert 0.01 <= found.temperature <= 100
    first, p = trial_probabilities(np.array(trials), p) if by_trial else (np.arange(n), p)
    assert log_loss(codes[first], found.apply(p)) <= log_loss(codes[first], p)


@pytest.mark.parametrize("order", [[1, 0, 2], [2, 1, 0]])
def test_the_order_of_the_classes_does_not_matter(order):
    p, codes = drawn(3, n=200)
    p = distorted(p, 2.0, [0.7, -0.7, 0.0])
    found, other = (
        fit_calibration(p, codes, bias=True),
        fit_calibration(p[:, order], np.argsort(order)[codes], bias=True),
    )
    assert other.temperature == pytest.approx(found.temperature, rel=1e-3)
    assert other.bias == pytest.approx([found.bias[k] for k in order], abs=1e-3)


def test_one_trial_moves_little_whatever_the_number_of_its_windows():
    p = np.full((60, 2), 0.5)
    found = fit_calibration(p, np.zeros(60, dtype=int), ["only"] * 60, bias=True)
    once = fit_calibration(p[:1], np.zeros(1, dtype=int), bias=True)
    assert found.bias == pytest.approx(once.bias, abs=1e-4)
    assert 0.5 < found.apply(p)[0, 0] < 0.7
    # a hundred times the same windows as trials of their own are believed
    assert fit_calibration(p, np.zeros(60, dtype=int), bias=True).apply(p)[0, 0] > 0.9


def test_trials_decide_where_windows_of_a_trial_agree_in_their_error():
    rng = np.random.default_rng(0)
    codes = np.repeat(rng.integers(0, 2, 60), 20)
    sign = np.repeat(np.where(rng.random(60) < 0.75, 1, -1), 20) * np.where(codes == 0, 1, -1)
    p = softmax(np.stack([sign, -sign], axis=1) * 2.0, axis=1)  # sure, and wrong in a quarter of all trials
    trials = np.repeat(np.arange(60).astype(str), 20)
    p_right = trial_probabilities(trials, fit_calibration(p, codes, trials).apply(p))[1].max(axis=1).mean()
    assert p_right == pytest.approx(0.75, abs=0.06)


def test_what_does_not_fit_is_said_in_words():
    p, codes = drawn(0, n=5)
    for given_ in ((p[:0], codes[:0]), (p, codes[:3]), (p[0], codes), (p, codes, ["a"])):
        with pytest.raises(InputError, match="came"):
            fit_calibration(*given_)
    with pytest.raises(InputError, match="2 classes came for 3"):
        Calibration(1.0, (0.0, 1.0)).apply(p)
    for values in ((0.0,), (np.inf,), (1.0, (np.nan,))):
        with pytest.raises(InputError, match="temperature"):
            Calibration(*values)


class Plain:
    """Knows two of three classes, the later one first; its predictions are those of the first feature."""

    classes_ = np.array(["c", "a"])

    def predict_proba(self, X):
        assert isinstance(X, np.ndarray)
        return np.stack([X[:, 0, 0], 1 - X[:, 0, 0]], axis=1)

    def predict(self, X):
        assert isinstance(X, np.ndarray)
        return X[:, :1, 0]


class Personal(Plain):
    """Needs to know whom it predicts."""

    def predict_proba(self, X, meta=None):
        return super().predict_proba(X) * (0 if meta is None else (meta["subject"] == "s0").to_numpy()[:, None])

    def predict(self, X, meta=None):
        return super().predict(X) if meta is None else meta["start"].to_numpy()


class Whole(Plain):
    """Takes Samples, as a pipeline does."""

    takes_samples = True

    def predict_proba(self, X):
        return super().predict_proba(X.X) + X.meta["start"].to_numpy()[:, None]


def test_predictions_are_in_the_order_of_the_classes_and_metadata_reach_who_takes_them(make_samples):
    samples, classes = make_samples(subjects=2), ["a", "b", "c"]
    first = samples.X[:, 0, 0].astype(float)
    known = np.stack([1 - first, np.zeros_like(first), first], axis=1)
    for given_ in (samples, samples.X):
        assert predict_all(Plain(), given_, classes) == pytest.approx(known, abs=1e-6)
        assert predict_all(Plain(), given_, []) == pytest.approx(first, abs=1e-6)
    mine = (samples.meta["subject"] == "s0").to_numpy()[:, None]
    assert predict_all(Personal(), samples, classes) == pytest.approx(known * mine, abs=1e-6)
    assert not predict_all(Personal(), samples.X, classes).any()
    assert predict_all(Personal(), samples, []).tolist() == samples.meta["start"].tolist()
    start = samples.meta["start"].to_numpy()[:, None] * [1, 0, 1]
    assert predict_all(Whole(), samples, classes) == pytest.approx(known + start, abs=1e-6)
