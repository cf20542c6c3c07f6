import numpy as np
import pytest
from sklearn.metrics import log_loss

from thymos.models import CalibratedSVC


def blobs(n, seed, signal=1.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return rng.normal(0, 1.5, (n, 4)) + signal * y[:, None], y


@pytest.mark.parametrize("signal", [0.0, 1.0])
def test_the_validation_part_calibrates(signal):
    X, y = blobs(300, 0, signal)
    X_test, y_test = blobs(2000, 2, signal)
    raw, tuned = CalibratedSVC().fit(X, y), CalibratedSVC().fit(X, y, validation=blobs(300, 1, signal))
    losses = [log_loss(y_test, m.predict_proba(X_test)) for m in (raw, tuned)]
    assert losses[1] < losses[0] - 0.005
    if not signal:
        assert losses[1] < np.log(3) + 0.03, "where there is nothing to know it must say so"


def test_calibration_never_changes_the_class_it_names():
    X, y = blobs(120, 0)
    raw = CalibratedSVC().fit(X, y)
    X_valid, y_valid = blobs(60, 1)
    for labels in (y_valid, (y_valid + 1) % 3):  # even where validation contradicts training
        tuned = CalibratedSVC().fit(X, y, validation=(X_valid, labels))
        assert np.array_equal(tuned.predict(X), raw.predict(X))
        assert tuned.temperature_ != 1.0
    assert tuned.temperature_ > 10, "contradicted, it must become unsure"


@pytest.mark.parametrize("n", [1, 3])
def test_a_tiny_validation_part_will_do(n):
    X, y = blobs(120, 0)
    X_valid, y_valid = blobs(60, 1)
    model = CalibratedSVC().fit(X, y, validation=(X_valid[:n], y_valid[:n]))
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)
