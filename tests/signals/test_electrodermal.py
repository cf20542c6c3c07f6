import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.electrodermal import (
    ELECTRODERMAL_FEATURES,
    ElectrodermalFeatures,
    decompose,
    electrodermal_features,
    find_responses,
)
from thymos.sources.hku956 import HKU956
from thymos.sources.simulate.physiology import Physiology

ONSETS, SIZES = np.array([8.0, 20.0, 31.0, 47.0]), 1e-6 * np.array([0.3, 0.05, 0.6, 0.2])


def skin(onsets=ONSETS, sizes=SIZES, sfreq=4.0, seconds=60.0, level=4e-6, slope=0.0, noise=1e-9):
    """A level in a straight line, and responses that rise within 1.2 s and decay with 2 s."""
    t = np.arange(round(seconds * sfreq)) / sfreq
    since = np.clip(t[:, None] - onsets, 0, None)
    shape = np.exp(-since / 2.0) - np.exp(-since / 0.75)
    shape /= (0.75 / 2) ** (0.75 / 1.25) - (0.75 / 2) ** (2 / 1.25)
    return level + slope * t + shape @ sizes + noise * np.random.default_rng(0).standard_normal(len(t))


def as_dict(features):
    return dict(zip(ELECTRODERMAL_FEATURES, features, strict=True))


@pytest.mark.parametrize("sfreq", [4.0, 32.0, 250.0])
@pytest.mark.parametrize("slope", [-1e-8, 0.0, 1e-8])
def test_planted_responses_are_found_with_their_sizes_and_times(sfreq, slope):
    found = find_responses(skin(sfreq=sfreq, slope=slope), sfreq)
    assert np.allclose(found.onset, ONSETS, atol=0.6)
    assert np.allclose(found.amplitude, SIZES, rtol=0.15)
    assert np.allclose(found.rise, 1.2, atol=0.6)
    assert np.allclose(found.peak - found.onset, found.rise)
    assert np.allclose(found.recovery, 2.0, atol=0.5)


def test_noise_neither_adds_nor_splits_responses():
    x = skin(noise=4e-9)
    found = find_responses(x, 4.0)
    assert np.allclose(found.onset, ONSETS, atol=1.0)


def test_a_drift_before_a_response_is_no_part_of_its_size():
    t = np.arange(240) / 4
    x = skin(np.array([30.0]), np.array([9e-9]), noise=0.0) + np.interp(t, [18, 30, 34, 46], [0, 5e-9, 5e-9, 0])
    assert np.allclose(find_responses(x, 4.0, smallest=5e-9).amplitude, 9e-9, rtol=0.2)
    assert len(find_responses(x, 4.0, smallest=11e-9).onset) == 0


def test_a_rate_too_low_for_responses_is_refused_and_four_hertz_is_enough(words):
    onsets, sizes = 8.0 + 7.5 * np.arange(9), 1e-6 * np.array([0.3, 0.1, 0.5, 0.2, 0.08, 0.4, 0.15, 0.3, 0.2])
    for sfreq in (3.998, 4.0, 4.5, 5.0):
        assert len(find_responses(skin(onsets, sizes, sfreq, 80.0), sfreq).onset) == 9
    for sfreq in (1.0, 2.0, 3.5):
        x = skin(onsets, sizes, sfreq, 80.0)
        for refused in (
            find_responses,
            electrodermal_features,
            lambda x, sfreq: ElectrodermalFeatures(sfreq).fit_transform(x[None]),
        ):
            with pytest.raises(InputError) as error:
                refused(x, sfreq)
            words(error.value, f"{sfreq:g} Hz", "at least 4 Hz")
        assert np.allclose(decompose(x, sfreq)[0], 4e-6, atol=0.1e-6)


def test_the_smallest_response_counted_is_a_parameter():
    assert len(find_responses(skin(), 4.0, smallest=0.1e-6).onset) == 3
    assert len(find_responses(skin(sizes=SIZES / 100), 4.0).onset) == 0
    with pytest.raises(InputError, match="positive amplitude"):
        find_responses(skin(), 4.0, smallest=0.0)


@pytest.mark.parametrize("slope", [-2e-8, 2e-8])
def test_the_level_is_recovered_below_the_responses(slope):
    x = skin(slope=slope)
    tonic, phasic = decompose(x, 4.0)
    assert np.allclose(tonic, skin(sizes=0 * SIZES, slope=slope, noise=0.0), atol=0.05e-6)
    assert np.allclose(tonic + phasic, x)
    found = as_dict(electrodermal_features(x, 4.0)[:, 0])
    assert found["tonic"] == pytest.approx(4e-6 + 30 * slope, rel=0.01)
    assert found["tonic_slope"] == pytest.approx(slope, abs=1e-9)


def test_a_drop_of_a_loose_electrode_does_not_pull_the_level_down():
    x = skin()
    x[100:106] -= 3e-6
    assert np.abs(decompose(x, 4.0)[0] - decompose(skin(), 4.0)[0]).max() < 0.1e-6


def test_level_and_responses_scale_with_the_signal():
    tonic, phasic = decompose(skin(), 4.0)
    assert np.allclose(decompose(3 * skin(), 4.0), (3 * tonic, 3 * phasic))


def test_a_slow_drift_is_no_response():
    t = np.arange(480) / 4
    assert len(find_responses(4e-6 + 0.5e-6 * np.sin(2 * np.pi * t / 60), 4.0).onset) == 0


def test_the_responses_of_simulated_skin_are_counted():
    planted = found = 0
    for subject in range(8):
        body = Physiology(1).trial(subject, 0, 120.0)
        onset, size = body.responses
        planted += ((onset >= 0) & (onset < 117) & (size > 0.01e-6)).sum()
        found += len(find_responses(body.signal("eda").data[0], 4.0).onset)
    assert found == pytest.approx(planted, rel=0.2)


def test_features_have_the_values_of_their_names():
    found = as_dict(electrodermal_features(skin(), 4.0)[:, 0])
    assert (found["responses"], found["response_rate"]) == (4, pytest.approx(4 / 60))
    assert found["amplitude"] == pytest.approx(SIZES.mean(), rel=0.1)
    assert found["amplitude_max"] == pytest.approx(SIZES.max(), rel=0.1)
    fine = np.trapezoid(skin(sfreq=100.0, level=0.0, noise=0.0), dx=0.01)
    assert found["phasic_area"] == pytest.approx(fine, rel=0.2)
    quiet = as_dict(electrodermal_features(skin(sizes=0 * SIZES), 4.0)[:, 0])
    assert (quiet["responses"], quiet["amplitude"], quiet["amplitude_max"]) == (0, 0, 0)
    assert np.isnan([quiet["rise"], quiet["recovery"]]).all()
    always = [name for name in ELECTRODERMAL_FEATURES if name not in {"rise", "recovery"}]
    made = ElectrodermalFeatures(only=always).fit_transform(skin(sizes=0 * SIZES)[None])
    assert np.isfinite(made).all(), "without the two a calm sample is complete"


def test_windows_hold_the_responses_of_the_whole_recording_that_begin_in_them():
    x = skin().astype(np.float32)
    made = electrodermal_features(x, 4.0, window=15.0, step=7.5)
    assert (made.shape, made.dtype) == ((len(ELECTRODERMAL_FEATURES), 7), np.float32)
    onset = find_responses(x, 4.0).onset
    start = 7.5 * np.arange(7)[:, None]
    held = (onset >= start) & (onset < start + 15)
    count, mean, tonic = (made[ELECTRODERMAL_FEATURES.index(n)] for n in ("responses", "amplitude", "tonic"))
    assert np.array_equal(count, held.sum(axis=1))
    assert np.allclose(
        mean[count > 0], (held * find_responses(x, 4.0).amplitude).sum(axis=1)[count > 0] / count[count > 0]
    )
    assert np.allclose(tonic, [decompose(x, 4.0)[0][30 * w : 30 * w + 60].mean() for w in range(7)])


def test_reasons_are_given_in_words():
    x = skin()
    X = np.stack([x, np.full(240, 1.2e-8), np.full(240, 3e-6), 1e6 * x])[:, None]
    transformer = ElectrodermalFeatures(4.0).fit(X)
    made, problems = transformer.transform(X), transformer.problems(X)
    assert problems[:3] == ["", "no contact with the skin: mean 0.012 uS, below 0.05 uS", "constant signal"]
    assert "not a skin conductance in siemens" in problems[3]
    assert made.shape == (4, len(transformer.names()), 1, 1)
    assert np.isfinite(made[0]).all()
    assert np.isnan(made[1:]).all()
    off = x.copy()
    off[:120] = 0
    assert np.array_equal(
        np.isnan(ElectrodermalFeatures(4.0, window=30.0).fit_transform(off[None])[0, 0, 0]), [True, False]
    )


def test_what_does_not_fit_is_said_in_words(words):
    with pytest.raises(InputError) as error:
        decompose(skin(), 4.0, method="neurokitt")
    words(error.value, "Did you mean 'neurokit'")
    with pytest.raises(InputError, match="one signal"):
        decompose(skin()[None], 4.0)
    with pytest.raises(InputError, match="positive rate"):
        electrodermal_features(skin(), 0.0)


def test_real_records_without_contact_are_named(real_data):
    records = HKU956(real_data("hku956") / "hku956", zeros="keep").recordings(["hku1915", "hku1916"])
    signals = [record.signal("eda").data for record in records]
    problems = [ElectrodermalFeatures(4.0).problems(x[None])[0] for x in signals]
    assert sum("no contact" in p for p in problems) == 8


def test_neurokit_may_be_chosen_and_its_parts_add_up():
    pytest.importorskip("neurokit2", exc_type=ImportError)
    tonic, phasic = decompose(skin(), 4.0, method="neurokit")
    assert np.allclose(tonic + phasic, skin())
    assert tonic.mean() == pytest.approx(skin().mean(), rel=0.02)
