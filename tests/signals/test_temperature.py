import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.temperature import TEMPERATURE_FEATURES, TemperatureFeatures, temperature_features


@pytest.mark.parametrize("sfreq", [1.0, 4.0, 32.0])
def test_a_straight_line_has_its_slope_mean_and_range(sfreq):
    t = np.arange(round(60 * sfreq)) / sfreq
    x = (306.0 + 0.002 * t).astype(np.float32)
    made = temperature_features(x, sfreq, window=20.0, step=10.0)
    assert (made.shape, made.dtype) == ((len(TEMPERATURE_FEATURES), 5), np.float32)
    mean, sd, slope, spread = made
    length = 0.002 * (20 - 1 / sfreq)
    assert np.allclose(mean, 306 + 0.02 * np.arange(5) + length / 2, atol=1e-4)
    assert np.allclose(slope, 0.002, rtol=0.01)
    assert np.allclose(spread, length, atol=1e-4)
    assert np.allclose(sd, [np.std(x[: round(20 * sfreq)].astype(float), ddof=1)] * 5, rtol=0.01)


def test_what_is_no_skin_temperature_in_kelvin_is_named():
    X = np.stack([np.full(40, 306.0), np.full(40, 32.9)])
    transformer = TemperatureFeatures(4.0).fit(X)
    made = transformer.transform(X)
    assert transformer.problems(X) == ["", "mean 32.9 K, no skin temperature in kelvin"]
    assert made[0, :, 0, 0].tolist() == [306, 0, 0, 0]
    assert np.isnan(made[1]).all()
    with pytest.raises(InputError, match="missing or infinite"):
        temperature_features(np.full(40, np.nan), 4.0)
