import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.heart import (
    HEART_FEATURES,
    HeartFeatures,
    clean_intervals,
    find_beats,
    heart_features,
    heart_rate,
    heart_rate_signal,
)
from thymos.sources.hku956 import HKU956
from thymos.sources.simulate.physiology import Physiology


def pulse(beats, sfreq, seconds, tops=0.35, late=0.45, noise=0.0, seed=0):
    """Waves after each beat, with a second wave of height `tops` after `late` s, and noise."""
    t = np.arange(round(seconds * sfreq)) / sfreq
    since = t[:, None] - beats
    x = (np.exp(-0.5 * ((since - 0.15) / 0.07) ** 2) + tops * np.exp(-0.5 * ((since - late) / 0.09) ** 2)).sum(axis=1)
    return x + noise * np.random.default_rng(seed).standard_normal(len(t))


def heart(beats, sfreq, seconds, noise=0.0, seed=0):
    t = np.arange(round(seconds * sfreq)) / sfreq
    since = t[:, None] - beats
    waves = ((-0.03, 0.01, -0.15), (0.0, 0.011, 1.0), (0.03, 0.01, -0.25), (0.27, 0.05, 0.35))
    x = sum(height * np.exp(-0.5 * ((since - at) / width) ** 2).sum(axis=1) for at, width, height in waves)
    return x + 0.2 * np.sin(t) + noise * np.random.default_rng(seed).standard_normal(len(t))


def as_dict(features):
    return dict(zip(HEART_FEATURES, features, strict=True))


def hit(found, true, within=0.1):
    """F1 of events, one to one."""
    near = np.abs(found[:, None] - true)
    matched = (near.min(axis=0) < within).sum()
    return 2 * matched / (len(found) + len(true))


@pytest.mark.parametrize("bpm", [45, 60, 80, 100, 150])
@pytest.mark.parametrize(("kind", "sfreq", "noise"), [("bvp", 64.0, 0.05), ("bvp", 128.0, 0.1), ("ecg", 250.0, 0.05)])
def test_heart_rate_is_right_within_one_beat_per_minute(bpm, kind, sfreq, noise):
    beats = np.arange(0.4, 31, 60 / bpm)
    x = (pulse if kind == "bvp" else heart)(beats, sfreq, 30.0, noise=noise)
    assert 60 * as_dict(heart_features(x, sfreq, kind)[:, 0])["rate"] == pytest.approx(bpm, abs=1)
    assert np.abs(60 * heart_rate(x, sfreq, kind)[0] - bpm).mean() < 0.05 * bpm


@pytest.mark.parametrize(
    ("kind", "sfreq"), [("bvp", 32.0), ("bvp", 50.0), ("bvp", 64.0), ("bvp", 128.0), ("ecg", 50.0), ("ecg", 250.0)]
)
def test_a_clean_heart_is_right_up_to_180_beats_per_minute_and_missing_beyond(kind, sfreq):
    make = pulse if kind == "bvp" else heart
    for bpm in (45, 70, 110, 140, 160, 165, 170, 175, 180):
        x = make(np.arange(0.4, 21, 60 / bpm), sfreq, 20.0)
        assert 60 * as_dict(heart_features(x, sfreq, kind)[:, 0])["rate"] == pytest.approx(bpm, abs=1)
        assert 60 * np.median(heart_rate(x, sfreq, kind)[0]) == pytest.approx(bpm, abs=1)
    for bpm in (185, 190, 200, 220, 240, 260, 300, 340):
        x = make(np.arange(0.4, 21, 60 / bpm), sfreq, 20.0, noise=0.02)
        assert np.isnan(as_dict(heart_features(x, sfreq, kind)[:, 0])["rate"]), bpm
        assert np.isnan(heart_rate(x, sfreq, kind)).all(), bpm
        assert "beats accepted" in HeartFeatures(sfreq, kind).problems(x[None])[0]


@pytest.mark.parametrize("kind", ["bvp", "ecg"])
def test_the_beats_of_simulated_bodies_are_found(kind):
    for subject in range(4):
        body = Physiology(3).trial(subject, 0, 40.0, felt=(0.0, 0.8))
        signal = body.signal(kind)
        found, true = find_beats(signal.data[0], signal.sfreq, kind), body.beats
        lag = np.median(found - true[np.searchsorted(true, found) - 1]) if kind == "bvp" else 0.0
        true = true + lag
        assert hit(found, true[(true >= 0) & (true < 40)]) > 0.97


def test_an_upside_down_electrocardiogram_has_the_same_beats():
    beats = np.arange(0.4, 20, 0.8)
    x = heart(beats, 250.0, 20.0)
    for made in (x, -x):
        assert np.allclose(find_beats(made, 250.0, "ecg"), beats[:25], atol=2e-3)


def test_times_are_finer_than_samples():
    beats = np.arange(0.4, 30, 0.8137)
    found = find_beats(pulse(beats, 64.0, 30.0), 64.0)
    assert np.abs(np.diff(found) - 0.8137).max() < 0.1 / 64


def test_a_movement_costs_only_the_beats_it_covers():
    beats = np.arange(0.4, 60, 0.8)
    x = pulse(beats, 64.0, 60.0, noise=0.02)
    moved = x.copy()
    moved[1600:1920] += 30 * np.sin(2 * np.pi * 1.7 * np.arange(320) / 64)  # 25 to 30 s, thirty times the pulse
    found, clean = find_beats(moved, 64.0), find_beats(x, 64.0)
    assert hit(found, clean[(clean < 24) | (clean > 31)], 0.02) > 0.95
    got, expected = (as_dict(heart_features(v, 64.0)[:, 0]) for v in (moved, x))
    assert got["interval"] == pytest.approx(expected["interval"], rel=0.01)
    assert expected["covered"] - 0.15 < got["covered"] < expected["covered"] - 0.05


def test_a_fast_movement_gives_no_beats():
    beats = np.arange(0.4, 60, 0.9)
    x = pulse(beats, 64.0, 60.0, noise=0.02)
    t = np.arange(192) / 64
    x[1600:1792] += 5 * np.sin(2 * np.pi * 2.8 * t) * np.hanning(192)  # 3 s, eight strokes
    found = find_beats(x, 64.0)
    assert not ((found > 26) & (found < 27)).any()
    assert 60 * as_dict(heart_features(x, 64.0)[:, 0])["rate"] == pytest.approx(60 / 0.9, abs=1)


def test_a_tall_second_wave_is_no_beat():
    beats = np.arange(0.4, 30, 1.0)
    found = find_beats(pulse(beats, 64.0, 30.0, tops=0.6, late=0.6), 64.0)
    assert np.allclose(np.diff(found), 1.0, atol=0.02)
    assert len(found) >= 28


def test_the_gain_of_the_pulse_changes_its_amplitude_only():
    x = pulse(np.arange(0.4, 60, 0.8) + 0.02 * np.sin(np.arange(75)), 64.0, 60.0, noise=0.02)
    one, other = (as_dict(heart_features(v, 64.0)[:, 0]) for v in (x, 250 * x + 7))
    assert other.pop("amplitude") == pytest.approx(250 * one.pop("amplitude"), rel=1e-6)
    assert other == pytest.approx(one, rel=1e-6)


def test_intervals_no_heart_makes_are_marked_and_never_bridged():
    times = np.cumsum([0.0, 0.8, 0.8, 0.8, 1.6, 0.8, 0.3, 0.5, 0.8, 0.8])
    ends, intervals = clean_intervals(times)
    assert np.array_equal(ends, times[1:])
    assert np.array_equal(np.isnan(intervals), [False, False, False, True, False, True, True, False, False])
    assert np.isfinite(np.diff(intervals)).sum() == 3


def test_a_beat_missed_in_a_rhythm_too_fast_for_a_heart_is_no_slow_heart():
    times = np.delete(np.arange(40) * 0.3, [5, 6, 15, 25])  # intervals of 0.3 s, twice 0.6 s, once 0.9 s
    assert np.isnan(clean_intervals(times)[1]).all()
    assert len(clean_intervals(times[:1])[1]) == 0


def test_variability_has_known_values():
    """Intervals that alternate between 0.8 and 0.9 s: half of the beats late, every difference 0.1 s."""
    beats = np.cumsum(np.tile([0.8, 0.9], 36))
    found = as_dict(heart_features(heart(beats, 500.0, 60.0), 500.0, "ecg")[:, 0])
    expected = {"interval": 0.85, "sdnn": 0.05, "rmssd": 0.1, "sdsd": 0.1, "pnn50": 1, "pnn20": 1, "sd1": 0.0707}
    assert {k: found[k] for k in expected} == pytest.approx(expected, rel=0.02)
    assert found["sd2"] < 0.002
    assert found["beats"] == 70
    assert found["rate"] == pytest.approx((1 / 0.8 + 1 / 0.9) / 2, rel=0.01)


@pytest.mark.parametrize(("freq", "band"), [(0.1, "power_lf"), (0.25, "power_hf")])
def test_a_rhythm_of_the_intervals_has_half_its_squared_amplitude_in_its_band(freq, band):
    beats = [0.4]
    while beats[-1] < 120:
        beats.append(beats[-1] + 0.8 + 0.04 * np.sin(2 * np.pi * freq * (beats[-1] + 0.4)))
    found = as_dict(heart_features(heart(np.array(beats), 250.0, 120.0), 250.0, "ecg")[:, 0])
    assert found[band] == pytest.approx(0.04**2 / 2, rel=0.1)
    other = {"power_lf": "power_hf", "power_hf": "power_lf"}[band]
    assert found[other] < 0.05 * found[band]
    assert found["lf_hf"] == pytest.approx(found["power_lf"] / found["power_hf"])


def test_a_window_too_short_for_a_rhythm_has_no_power_of_it():
    x = pulse(np.arange(0.4, 60, 0.8), 64.0, 60.0)
    for window, known in (
        (12.0, set()),
        (20.0, {"power_low", "power_hf"}),
        (50.0, {"power_low", "power_lf", "power_hf"}),
    ):
        found = as_dict(heart_features(x, 64.0, window=window)[:, 0])
        assert {k for k in found if k.startswith("power") and np.isfinite(found[k])} == known
        assert np.isfinite(found["rmssd"])


def test_windows_hold_the_beats_of_the_whole_recording_that_fall_in_them():
    body = Physiology(5).trial(1, 0, 90.0)
    x = body.signal("bvp").data[0].astype(float)
    made = heart_features(x, 64.0, window=20.0, step=5.0)
    assert made.shape == (len(HEART_FEATURES), 15)
    times = find_beats(x, 64.0)
    ends, intervals = clean_intervals(times)
    for w in range(15):
        mine = (ends - np.diff(times) >= 5 * w) & (ends < 5 * w + 20)
        kept = intervals[mine]
        found = as_dict(made[:, w])
        assert found["interval"] == pytest.approx(np.nanmean(kept))
        assert found["sdnn"] == pytest.approx(np.nanstd(kept, ddof=1))
        assert found["rmssd"] == pytest.approx(np.sqrt(np.nanmean(np.diff(kept) ** 2)))


def test_the_rate_follows_the_heart_and_its_slope_is_its_derivative():
    body = Physiology(2).trial(0, 0, 60.0)
    signal = Signal(body.signal("ecg").data, 256.0, ("ECG",), "V", start=-3.0)
    made = heart_rate_signal(signal, "ecg")
    assert (made.ch_names, made.unit, made.sfreq, made.start) == (("hr", "hr_slope"), "Hz", 4.0, -3.0)
    assert made.data.shape == (2, 240)
    assert made.data.dtype == np.float32
    ends, intervals = body.intervals.T
    true = np.interp(np.arange(240) / 4, ends - intervals / 2, 1 / intervals)
    assert np.abs(made.data[0] - true).mean() < 0.01
    assert np.corrcoef(np.gradient(made.data[0], 0.25), made.data[1])[0, 1] > 0.9
    with pytest.raises(InputError, match="one channel"):
        heart_rate_signal(signal.replace(data=np.zeros((2, 640)), ch_names=("a", "b")))
    assert np.isnan(heart_rate(np.zeros(640), 64.0)).all()
    for rate in (0, np.inf, np.nan, "4", True):
        with pytest.raises(InputError, match="positive rate"):
            heart_rate(np.zeros(640), 64.0, rate=rate)


def test_where_no_beats_are_found_for_some_seconds_there_is_no_rate():
    beats = np.concatenate([np.arange(0.4, 20, 0.8), np.arange(40.4, 60, 0.8)])
    made = heart_rate(pulse(beats, 64.0, 60.0), 64.0)
    t = np.arange(240) / 4
    gone = np.isnan(made).all(axis=0)
    assert not gone[(t < 22) | (t > 39)].any()
    assert gone[(t > 24) & (t < 36)].all()
    assert np.array_equal(np.isnan(made[0]), np.isnan(made[1]))
    short = np.delete(np.arange(0.4, 60, 0.8), slice(30, 33))  # three beats are bridged
    assert np.isfinite(heart_rate(pulse(short, 64.0, 60.0), 64.0)).all()
    signal = heart_rate_signal(Signal(pulse(beats, 64.0, 60.0)[None], 64.0, ("BVP",), "none"))
    assert "no beats were found in 2" in signal.notes[-1]


def test_the_transformer_gives_reasons_in_words_where_it_gives_no_features():
    rng = np.random.default_rng(0)
    good = pulse(np.arange(0.4, 44, 0.8), 64.0, 44.0)
    late = np.concatenate([np.zeros(64 * 32), good[: 64 * 12]])
    few = np.concatenate([np.zeros(64 * 41), good[: 64 * 3]])
    X = np.stack([good, np.ones(2816), late, few, rng.standard_normal(2816)])[:, None].astype(np.float32)
    transformer = HeartFeatures(64.0).fit(X)
    made, problems = transformer.transform(X), transformer.problems(X)
    assert made.shape == (5, len(transformer.names()), 1, 1)
    assert made.dtype == np.float32
    assert problems[:2] == ["", "constant signal"]
    assert "of 44 s, less than half" in problems[2]
    assert "beats accepted in 44 s, fewer than 5" in problems[3]
    assert problems[4]
    assert np.array_equal(np.isfinite(made[:, 0, 0, 0]), [p == "" for p in problems])
    both = HeartFeatures(64.0, window=10.0).fit(X)
    assert both.transform(X).shape == (5, 17, 1, 4)
    assert both.problems(X)[2] == "", "the last ten seconds have features"


@pytest.mark.parametrize(
    "bad", [{"kind": "ppg"}, {"sfreq": 31.9}, {"sfreq": 49.9, "kind": "ecg"}, {"method": "neurokti"}]
)
def test_what_does_not_fit_is_said_in_words(bad):
    with pytest.raises(InputError):
        find_beats(**{"x": np.zeros(640), "sfreq": 64.0, **bad})
    with pytest.raises(InputError, match="missing or infinite"):
        find_beats(np.full(640, np.nan), 64.0)
    with pytest.raises(InputError, match="rise"):
        clean_intervals(np.array([1.0, 0.5]))
    with pytest.raises(InputError, match="windows of 1280 samples"):
        heart_features(np.zeros(640), 64.0, window=20.0)


def test_real_pulses_agree_with_the_device_in_most_records(real_data):
    difference = []
    for record in HKU956(real_data("hku956") / "hku956", zeros="keep").recordings(["hku1928"]):
        pulse, device = record.signal("bvp"), record.signal("hr").data.mean()
        found = as_dict(heart_features(pulse.data[0], pulse.sfreq)[:, 0])
        difference.append(60 * abs(found["rate"] - device))
    assert np.nanmedian(difference) < 3


def test_neurokit_may_be_chosen_and_agrees_on_a_clean_pulse():
    pytest.importorskip("neurokit2", exc_type=ImportError)
    beats = np.arange(0.4, 30, 0.8)
    for kind, x, sfreq in (("bvp", pulse(beats, 64.0, 30.0), 64.0), ("ecg", heart(beats, 250.0, 30.0), 250.0)):
        ours, theirs = (clean_intervals(find_beats(x, sfreq, kind, m))[1] for m in ("thymos", "neurokit"))
        assert 60 / np.nanmean(theirs) == pytest.approx(60 / np.nanmean(ours), abs=1)
    with pytest.raises(InputError, match="NeuroKit2 failed on 0\\.0781"):
        find_beats(np.arange(5.0) ** 2, 64.0, "bvp", "neurokit")
