import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.models.physio import PhysioLSTM, PhysioLSTMRegressor

SMALL = {"hidden": (8, 8), "max_epochs": 12, "lr": 1e-2, "batch_size": 16, "random_state": 0}


@pytest.fixture
def rates():
    """Return heart rates in Hz and their slopes at 4 Hz, 20 s long, of two classes with other rhythms."""
    rng = np.random.default_rng(0)
    t, y = np.arange(80) / 4, np.tile([0, 1], 30)
    phase = rng.uniform(0, 2 * np.pi, (60, 1))
    freq = np.where(y == 0, 0.1, 0.3)[:, None]
    rate = rng.normal(1.2, 0.1, (60, 1)) + 0.05 * np.sin(2 * np.pi * freq * t + phase)
    return np.stack([rate, np.gradient(rate, 0.25, axis=1)], axis=1).astype(np.float32), np.array(["calm", "tense"])[y]


def test_rhythms_are_told_apart_with_features_of_the_rate(rates):
    X, y = rates
    model = PhysioLSTM(**SMALL, sfreq=4.0).fit(X[:40], y[:40])
    assert model.features_ == "rate"
    assert model.score(X[40:], y[40:]) > 0.9


@pytest.mark.parametrize(("sfreq", "unit", "chosen"), [(4.0, 1.0, "rate"), (4.0, 60.0, "none"), (None, 1.0, "none")])
def test_features_are_chosen_where_the_first_channel_is_a_heart_rate(rates, sfreq, unit, chosen):
    X, y = rates
    assert PhysioLSTM(**{**SMALL, "max_epochs": 1}, sfreq=sfreq).fit(X * np.float32(unit), y).features_ == chosen


def test_the_unit_does_not_matter_without_features(rates):
    X, y = rates
    once, other = (
        PhysioLSTM(**{**SMALL, "max_epochs": 2}, features="none")
        .fit(X * np.float32(unit), y)
        .predict_proba(X * np.float32(unit))
        for unit in (1.0, 64.0)
    )
    assert np.allclose(once, other, atol=1e-5)


@pytest.mark.parametrize("n", [17, 1])
def test_the_last_batch_may_hold_one_sample(rates, n):
    X, _ = rates
    model = PhysioLSTMRegressor(**{**SMALL, "batch_size": 16, "max_epochs": 2}, sfreq=4.0).fit(X[:n], np.arange(n) / 9)
    assert model.features_ == "rate"
    assert np.isfinite(model.predict(X)).all()


def test_a_few_odd_samples_take_the_features_from_all_and_that_is_said(rates):
    X, y = rates
    odd = np.where((np.arange(60) == 7)[:, None, None], 60 * X, X)
    with pytest.warns(UserWarning, match="1 of 60 samples is no heart rate"):
        model = PhysioLSTM(**{**SMALL, "max_epochs": 1}, sfreq=4.0).fit(odd, y)
    assert model.features_ == "none"
    assert PhysioLSTM(**{**SMALL, "max_epochs": 1}, sfreq=4.0).fit(X[..., :3], y).features_ == "none", "too short"


def test_ratings_are_predicted_too(rates):
    X, _ = rates
    level = X[:, 0].mean(axis=1)
    model = PhysioLSTMRegressor(**{**SMALL, "max_epochs": 40}, sfreq=4.0).fit(X, 5 + 10 * level)
    assert model.score(X, 5 + 10 * level) > 0.8


def test_what_is_no_heart_rate_is_refused_in_words(rates, words):
    X, y = rates
    with pytest.raises(InputError) as error:
        PhysioLSTM(**SMALL, sfreq=4.0, features="rate").fit(X * 60, y)
    words(error.value, "no heart rate", "beats per second", "features='none'")
    model = PhysioLSTM(**{**SMALL, "max_epochs": 1}, sfreq=4.0).fit(X, y)
    flat = X[:3].copy()
    flat[1, 0] = 0
    with pytest.warns(UserWarning, match="1 of 3 samples is no heart rate.*usual in training"):
        model.predict(flat)
    with pytest.raises(InputError, match="sampling rate"):
        PhysioLSTM(**SMALL, features="rate").fit(X, y)


@pytest.mark.parametrize(
    "options",
    [{"hidden": (8,)}, {"hidden": (0, 4)}, {"hidden": 8}, {"features": "heart"}, {"scaling": "min"}, {"dropout": 1.0}],
)
def test_impossible_parameters_are_refused(rates, options):
    with pytest.raises(InputError):
        PhysioLSTM(**{**SMALL, **options}, sfreq=4.0).fit(*rates)


def test_a_bundle_of_it_is_read_again(rates):
    from thymos.serving.store import decode, encode

    X, y = rates
    model = PhysioLSTM(**{**SMALL, "max_epochs": 1}, sfreq=4.0).fit(X, y)
    assert model.features_ == "rate"
    again, _ = decode(*encode(model))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
