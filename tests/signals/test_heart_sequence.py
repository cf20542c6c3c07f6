import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.heart import HEART_FEATURES, heart_features, heart_rate
from thymos.signals.heart_sequence import RATE_FEATURES, RateFeatures, rate_features

T = np.arange(80) / 4.0  # 20 s at 4 Hz


def of(x, name, **options):
    return rate_features(x, 4.0, **options)[..., RATE_FEATURES.index(name), :]


def test_there_are_thirteen():
    assert len(RATE_FEATURES) == 13
    assert rate_features(np.ones((3, 2, 80), np.float32), 4.0).shape == (3, 2, 13, 1)


def test_a_steady_heart_has_a_mean_and_nothing_else():
    values = rate_features(np.full(80, 1.1), 4.0)[:, 0]
    assert values[0] == pytest.approx(1.1)
    assert np.abs(values[1:]).max() < 1e-9


@pytest.mark.parametrize(("freq", "band", "other"), [(0.1, "power_low", "power_hf"), (0.25, "power_hf", "power_low")])
def test_a_rhythm_shows_in_its_band_and_at_its_frequency(freq, band, other):
    x = 1.2 + 0.1 * np.sin(2 * np.pi * freq * T)
    assert of(x, band) == pytest.approx(0.1**2 / 2, rel=1e-6)
    assert of(x, other) == pytest.approx(0, abs=1e-9)
    assert of(x, "sd") == pytest.approx(0.1 / np.sqrt(2), rel=1e-6)
    spectrum = rate_features(x, 4.0)[5:, 0]
    assert spectrum.argmax() == round(freq * 20) - 1
    assert spectrum.max() == pytest.approx(0.1, rel=1e-6)


def test_successive_differences_are_those_of_the_beats_that_the_curve_makes():
    # intervals that grow by 0.01 s each: the rate that has them, integrated by hand
    ends = np.cumsum(0.7 + 0.01 * np.arange(25))
    t = np.arange(0, 18, 0.25)
    beats = np.interp(t, np.r_[0, ends], np.arange(26))
    rate = np.gradient(beats, t)
    assert of(rate, "rmssd") == pytest.approx(0.01, rel=0.15)


def test_they_follow_what_is_found_in_the_pulse_itself():
    rng, made, known = np.random.default_rng(0), [], []
    t = np.arange(64 * 120) / 64
    for jitter in np.linspace(0.005, 0.06, 8):
        beats = np.cumsum(0.8 + jitter * rng.standard_normal(160))
        pulse = np.exp(-(((t[:, None] - beats) / 0.08) ** 2)).sum(axis=1)
        made.append(rate_features(heart_rate(pulse, 64.0)[0], 4.0, 20.0).mean(axis=1))
        known.append(heart_features(pulse, 64.0, window=20.0).mean(axis=1))
    made, known = np.array(made), np.array(known)
    assert made[:, 0] == pytest.approx(known[:, HEART_FEATURES.index("rate")], rel=0.02)
    rmssd = known[:, HEART_FEATURES.index("rmssd")]
    assert np.corrcoef(made[:, 2], rmssd)[0, 1] > 0.98
    assert np.median(made[:, 2] / rmssd) == pytest.approx(0.7, abs=0.1)


def test_windows_are_cut_as_those_of_other_features():
    x = np.random.default_rng(0).normal(1.2, 0.05, 200)
    cut = rate_features(x, 4.0, window=20.0, step=10.0)
    assert cut.shape == (13, 4)
    assert np.allclose(cut[:, 1], rate_features(x[40:120], 4.0)[:, 0])


def test_what_is_no_heart_rate_has_no_features_and_says_why():
    X = np.stack([np.full((2, 80), 1.0), np.full((2, 80), 72.0), np.full((2, 80), 0.0)]).astype(np.float32)
    made = RateFeatures().fit_transform(X)
    assert made.shape == (3, 13, 1, 1)
    assert np.isfinite(made[0]).all()
    assert np.isnan(made[1:]).all()
    assert [bool(text) for text in RateFeatures().problems(X)] == [False, True, True]
    assert "72 Hz" in RateFeatures().problems(X)[1]


def test_missing_values_and_short_windows_are_refused():
    x = np.ones(80)
    x[3] = np.nan
    with pytest.raises(InputError, match="1 of 80 values"):
        rate_features(x, 4.0)
    with pytest.raises(InputError, match="windows of"):
        rate_features(np.ones(80), 4.0, window=60.0)
    assert rate_features(np.ones((0, 2, 80)), 4.0).shape == (0, 2, 13, 1)
