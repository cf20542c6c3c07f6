"""Digits of scikit-learn as recordings."""

import numpy as np
from sklearn.datasets import load_digits

from thymos.sources.digits import Digits


def test_each_digit_is_a_recording_with_its_64_places():
    X, y = load_digits(return_X_y=True)
    recordings = list(Digits().load())
    assert len(recordings) == 1797
    for k in (0, 17, 1796):
        signal = recordings[k].signal("features")
        assert np.array_equal(signal.data[:, 0], X[k].astype(np.float32))
        assert recordings[k].meta["digit"] == str(y[k])
        assert signal.ch_names[9] == "row1-column1"
    assert len(list(Digits(most=5).load())) == 5
