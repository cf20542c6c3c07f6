import numpy as np
import pytest
from sklearn.covariance import oas

from thymos.base.errors import InputError, MissingExtraError
from thymos.models.riemann import RiemannClassifier, shrunk_covariance


def coupled(n=80, seed=0):
    """Return windows in volts whose channels have equal power; the sign of their correlation is the class."""
    rng = np.random.default_rng(seed)
    y = np.array(["with", "against"])[np.arange(n) % 2]
    first, own = rng.normal(size=(2, n, 64))
    second = 0.6 * np.where(y == "with", 1, -1)[:, None] * first + 0.8 * own
    return 1e-5 * np.stack([first, second, rng.normal(size=(n, 64))], axis=1), y


def test_it_learns_what_only_the_covariance_tells():
    model = RiemannClassifier().fit(*coupled())
    X, y = coupled(seed=1)
    assert (model.predict(X) == y).mean() > 0.95
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(1)
    assert model.classes_.tolist() == ["against", "with"]


def test_a_mixture_of_the_channels_changes_nothing():
    mix = np.array([[1.0, 0.5, 0.0], [-0.3, 2.0, 0.1], [0.2, 0.0, 30.0]])
    (X, y), (new, _) = coupled(), coupled(seed=1)
    plain, mixed = (RiemannClassifier(0.0).fit(m @ X, y).predict_proba(m @ new) for m in (np.eye(3), mix))
    assert np.allclose(plain, mixed, atol=1e-3)
    assert np.ptp(plain) > 0.9


def test_the_reference_is_of_the_training_part_alone():
    X, y = coupled()
    model = RiemannClassifier(0.0).fit(X[:40], y[:40])
    reference = model.reference_.copy()
    later = np.concatenate([X[40:50], 100 * X[50:]])
    assert np.allclose(model.predict_proba(later)[:10], model.predict_proba(X[40:50]))
    assert np.array_equal(model.reference_, reference)
    # the mean of two commuting covariances is geometric: that of variances 1 and 100 is 10
    t = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    wave = np.sqrt(2) * np.stack([np.sin(t), np.cos(t)])
    means = RiemannClassifier(0.0).fit(np.stack([wave, 10 * wave]), [0, 1]).reference_
    assert means == pytest.approx(10 * np.eye(2), abs=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_shrinkage_is_scikit_learns(channels):
    x = np.random.default_rng(0).normal(size=(3, channels, 12)).astype(np.float32)
    x[:, -1] *= 5
    made = shrunk_covariance(x)
    assert made.dtype == np.float64
    for one, window in zip(made, x.astype(float), strict=True):
        assert np.allclose(one, oas(window.T)[0])
    half = shrunk_covariance(x[0], 0.5)
    sample = np.cov(x[0], bias=True).reshape(channels, channels)
    assert np.allclose(half, 0.5 * sample + 0.5 * np.trace(sample) / channels * np.eye(channels))
    assert np.linalg.eigvalsh(shrunk_covariance(x[..., :3])).min() > 0  # fewer samples than channels


def test_volts_in_float32_lose_nothing_but_their_own_digits():
    X = coupled(4)[0].astype(np.float32)
    assert np.allclose(shrunk_covariance(X), shrunk_covariance(X.astype(float)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("spoil", ["flat", "doubled", "silent", "one sample"])
def test_windows_without_full_rank_are_taken(spoil):
    X, y = coupled(40)
    if spoil == "one sample":
        X = X[..., :1]
    else:
        X[:, 2] = {"flat": 0.0, "doubled": X[:, 1], "silent": 0.0}[spoil]
        X *= spoil != "silent"
    for shrinkage in ("oas", 0.0):
        probabilities = RiemannClassifier(shrinkage).fit(X, y).predict_proba(X)
        assert np.isfinite(probabilities).all()
    if spoil in ("silent", "one sample"):
        assert np.allclose(probabilities, 0.5, atol=1e-6)


def test_bands_are_channels_and_a_table_is_one_channel():
    X, y = coupled(20)
    assert RiemannClassifier().fit(X.reshape(20, 3, 2, 32), y).reference_.shape == (6, 6)
    assert RiemannClassifier().fit(X[:, 0], y).reference_.shape == (1, 1)


@pytest.mark.parametrize(
    "wrong", [{"shrinkage": 1.5}, {"shrinkage": "lw"}, {"metric": "riemannian"}, {"C": 0}, {"max_iter": 0}]
)
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RiemannClassifier(**wrong).fit(*coupled(8))


def test_other_shapes_and_a_missing_library_are_said_in_words(monkeypatch):
    X, y = coupled(8)
    with pytest.raises(InputError, match="as in training"):
        RiemannClassifier().fit(X, y).predict(X[..., 1:])
    monkeypatch.setitem(__import__("sys").modules, "pyriemann.tangentspace", None)
    with pytest.raises(MissingExtraError, match=r"thymos\[riemann\]"):
        RiemannClassifier().fit(X, y)
