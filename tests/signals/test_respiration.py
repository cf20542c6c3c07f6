import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.respiration import RESPIRATION_FEATURES, RespirationFeatures, find_breaths, respiration_features
from thymos.sources.simulate.physiology import Physiology


def as_dict(features):
    return dict(zip(RESPIRATION_FEATURES, features, strict=True))


def sine(freq, sfreq=32.0, seconds=60.0):
    return np.sin(2 * np.pi * freq * np.arange(round(seconds * sfreq)) / sfreq + 1)


@pytest.mark.parametrize("freq", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("sfreq", [4.0, 32.0, 256.0])
def test_a_sine_has_its_rate_and_depth_and_is_regular(freq, sfreq):
    rng = np.random.default_rng(0)
    x = 3 * sine(freq, sfreq) + 0.05 * rng.standard_normal(round(60 * sfreq)) + 100
    found = as_dict(respiration_features(x, sfreq)[:, 0])
    assert found["rate"] == pytest.approx(freq, rel=0.01)
    assert found["depth"] == pytest.approx(6, rel=0.06)
    assert found["inspiration"] == pytest.approx(0.5, abs=0.02)
    assert found["variation"] < 0.05
    assert found["breaths"] == pytest.approx(60 * freq, abs=2)


def test_inspiration_is_the_rising_share_of_a_breath():
    phase = (np.arange(1920) / 32 * 0.25) % 1
    x = np.where(phase < 0.35, 1 - np.cos(np.pi * phase / 0.35), 1 + np.cos(np.pi * (phase - 0.35) / 0.65))
    assert as_dict(respiration_features(x, 32.0)[:, 0])["inspiration"] == pytest.approx(0.35, abs=0.05)


def test_breaths_of_different_length_have_their_spread():
    lengths = np.tile([3.0, 5.0], 8)
    ends = np.cumsum(lengths)
    phase = np.interp(np.arange(round(ends[-1] * 32)) / 32, [0, *ends], np.arange(17))
    found = as_dict(respiration_features(-np.cos(2 * np.pi * phase), 32.0)[:, 0])
    assert found["variation"] == pytest.approx(np.std(lengths, ddof=1) / 4, rel=0.15)
    assert found["rmssd"] == pytest.approx(2.0, rel=0.15)
    assert found["rate"] == pytest.approx((1 / 3 + 1 / 5) / 2, rel=0.05)


def test_the_breaths_of_simulated_bodies_are_found():
    for subject in range(3):
        body = Physiology(4).trial(subject, 0, 60.0)
        breaths = find_breaths(body.signal("resp").data[0], 32.0)
        wave, clock = body._breath[1], body._clock
        inside = (clock >= 0) & (clock < 60)
        rises = np.flatnonzero(np.diff(np.sign(wave[inside])) > 0)
        assert len(breaths.start) == pytest.approx(len(rises), abs=2)
        assert (breaths.start < breaths.peak).all()
        assert (breaths.peak < breaths.stop).all()


def test_windows_hold_the_breaths_of_the_whole_recording_that_lie_in_them():
    x = Physiology(4).trial(0, 1, 90.0).signal("resp").data
    made = respiration_features(x, 32.0, window=30.0, step=15.0)
    assert (made.shape, made.dtype) == ((1, len(RESPIRATION_FEATURES), 5), np.float32)
    breaths = find_breaths(x[0], 32.0)
    for w in range(5):
        mine = (breaths.start >= 15 * w) & (breaths.stop < 15 * w + 30)
        found = as_dict(made[0, :, w])
        assert found["breaths"] == mine.sum()
        assert found["rate"] == pytest.approx(np.mean(1 / (breaths.stop - breaths.start)[mine]), rel=1e-5)
        assert found["depth"] == pytest.approx(breaths.depth[mine].mean(), rel=1e-5)


def test_reasons_are_given_in_words():
    rng = np.random.default_rng(0)
    X = np.stack([sine(0.25), np.ones(1920), rng.standard_normal(1920)])
    transformer = RespirationFeatures(32.0).fit(X)
    made, problems = transformer.transform(X), transformer.problems(X)
    assert problems[:2] == ["", "constant signal"]
    assert problems[2].endswith("no breathing")
    assert made.shape == (3, len(transformer.names()), 1, 1)
    assert np.array_equal(np.isfinite(made[:, 0, 0, 0]), [True, False, False])
    short = RespirationFeatures(32.0).fit(X[:, :256]).problems(X[:1, :256])[0]
    assert "in 8 s, fewer than 3" in short
    with pytest.raises(InputError, match="missing or infinite"):
        find_breaths(np.full(100, np.nan), 32.0)
