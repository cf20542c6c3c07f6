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
    assert losses[1] < losses[0] - 0.01
    if not signal:
        assert losses[1] < np.log(3) + 0.03, "where there is nothing to know it must say so"


def test_validation_changes_probabilities_but_not_the_machine():
    X, y = blobs(120, 0)
    raw, tuned = CalibratedSVC().fit(X, y), CalibratedSVC().fit(X, y, validation=blobs(60, 1))
    assert np.array_equal(raw.svc_.decision_function(X), tuned.svc_.decision_function(X))
    assert not np.allclose(raw.predict_proba(X), tuned.predict_proba(X))


def test_a_validation_part_that_lacks_a_class_is_not_used():
    X, y = blobs(120, 0)
    X_valid, y_valid = blobs(60, 1)
    model = CalibratedSVC().fit(X, y, validation=(X_valid[y_valid > 0], y_valid[y_valid > 0]))
    assert model.calibrated_ is None
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)
