"""The simulated body: one heart and one breath in all signals, effects of the table, none in null mode."""

import time

import numpy as np
import pytest
from scipy.signal import find_peaks, welch

from thymos.base.errors import InputError
from thymos.sources.simulate.physiology import EFFECTS, RATES, Physiology

PLAIN = {"fingerprint": 0.0, "slope_sd": 0.0}
UNITS = {"ecg": "V", "bvp": "", "resp": "", "eda": "S", "temp": "K", "zygomaticus": "V", "trapezius": "V"}
UNITS |= {"acc": "m/s2", "hr": "Hz"}


def bodies(n=12, felt=(0.0, 0.0), intensity=0.5, seconds=60.0, **parameters):
    return [Physiology(**{**PLAIN, **parameters}).trial(i, 0, seconds, felt, intensity) for i in range(n)]


def peaks(signal, prominence):
    x = signal.data[0]
    at, _ = find_peaks(x, distance=int(0.33 * signal.sfreq), prominence=prominence * x.std())
    return at / signal.sfreq


def per_minute(times):
    return 60 / np.diff(times).mean()


# --- randomness ---------------------------------------------------------------------------------------------------


def test_same_seed_gives_identical_bytes_and_others_differ():
    first, second = (Physiology(3).trial(1, 2, 10.0, (0.5, 0.5), 0.7) for _ in range(2))
    others = [Physiology(4).trial(1, 2, 10.0, (0.5, 0.5), 0.7), Physiology(3).trial(0, 2, 10.0, (0.5, 0.5), 0.7)]
    others.append(Physiology(3).trial(1, 1, 10.0, (0.5, 0.5), 0.7))
    for name in reversed(RATES):
        bytes_ = first.signal(name).data.tobytes()
        assert second.signal(name).data.tobytes() == bytes_
        assert all(other.signal(name).data.tobytes() != bytes_ for other in others)


def test_null_mode_takes_the_effect_and_nothing_else():
    felt = (0.9, 0.9)
    null, zero, calm = (Physiology(effect=e, null=n) for e, n in ((3.0, True), (0.0, False), (3.0, False)))
    for name in RATES:
        made = null.trial(0, 0, 20.0, felt, 1.0).signal(name).data.tobytes()
        assert made == zero.trial(0, 0, 20.0, felt, 1.0).signal(name).data.tobytes()
        assert made == calm.trial(0, 0, 20.0).signal(name).data.tobytes()
        assert made != calm.trial(0, 0, 20.0, felt, 1.0).signal(name).data.tobytes()


def test_subjects_are_uncorrelated():
    for name in ("bvp", "resp", "zygomaticus"):
        x = [body.signal(name).data[0] for body in bodies(6, seconds=120.0)]
        r = np.corrcoef(x)[~np.eye(6, dtype=bool)]
        assert abs(r.mean()) < 0.1, name


# --- heart and breath ---------------------------------------------------------------------------------------------


def test_all_signals_show_the_same_beats():
    for body in bodies(5):
        truth = 60 / body.intervals[:, 1].mean()
        assert per_minute(peaks(body.signal("bvp"), 0.8)) == pytest.approx(truth, abs=1)
        for sfreq in (128.0, 700.0):
            found = peaks(body.signal("ecg", sfreq), 3)
            assert per_minute(found) == pytest.approx(truth, abs=0.5)
            nearest = np.abs(found[:, None] - body.beats).min(axis=1)
            assert nearest.max() < 0.02
        assert 60 * body.signal("hr").data.mean() == pytest.approx(truth, abs=1)


def test_heart_rate_and_its_variability_are_plausible():
    made = [body.intervals[:, 1] for body in bodies(40)]
    rate = np.array([60 / x.mean() for x in made])
    rmssd = np.array([1e3 * np.sqrt(np.square(np.diff(x)).mean()) for x in made])
    assert rate.mean() == pytest.approx(70, abs=4)
    assert rate.std() == pytest.approx(8, abs=2.5)
    assert 30 < np.median(rmssd) < 50
    assert (np.concatenate(made) > 0.3).all()


def test_breath_moves_the_heart():
    for body in bodies(5):
        wave, times = body.signal("resp"), body.intervals
        at = np.interp(times[:, 0] - times[:, 1] / 2, np.arange(wave.data.shape[1]) / wave.sfreq, wave.data[0])
        assert np.corrcoef(at, times[:, 1])[0, 1] < -0.5  # breathing in, the heart is faster
        freqs, power = welch(wave.data[0], wave.sfreq, nperseg=1024)
        assert 0.15 < freqs[power.argmax()] < 0.4


# --- skin ---------------------------------------------------------------------------------------------------------


def test_number_of_responses_is_that_of_the_process():
    for felt, rate in (((0, 0), 3), ((0, 1), 6), ((0, -1), 1.5)):
        counts = [(body.responses[0] >= 0).sum() for body in bodies(40, felt, seconds=120.0)]
        expected = 40 * 2 * rate
        assert abs(sum(counts) - expected) < 3.3 * np.sqrt(expected)


def test_responses_are_seen_and_some_people_have_none():
    made = bodies(60, seconds=40.0)
    alive = np.array([body.responsive for body in made])
    assert 0.02 < 1 - alive.mean() < 0.22
    for body in made:
        x = body.signal("eda", 16.0).data[0]
        assert x.min() > 0.3e-6
        assert x.max() < 60e-6
        swing = np.ptp(x - np.linspace(x[0], x[-1], len(x))) / x.mean()
        assert body.responsive or swing < 0.08
    start, size = next(b for b in made if b.responsive and (b.responses[0] > 1).sum() > 1).responses
    assert size.min() > 0
    assert len(start) == len(size)


# --- effects ------------------------------------------------------------------------------------------------------


def measure(body):
    """Return what an analyst measures, by the name of the quantity in EFFECTS."""
    intervals, pulse, eda = body.intervals, body.signal("bvp").data[0], body.responses
    breath, late = body.signal("resp"), body.intervals[:, 0] > 10
    freqs, power = welch(breath.data[0], breath.sfreq, nperseg=1920)
    window = (freqs > 0.1) & (freqs < 0.8)
    early = (intervals[:, 0] > 0.5) & (intervals[:, 0] < 5)
    since = eda[0] >= 0
    return {
        "heart_rate": 60 / intervals[late, 1].mean(),
        "deceleration": 60 / intervals[late, 1].mean() - 60 / intervals[early, 1].mean(),
        "variability": np.log(np.diff(intervals[late, 1]).std()),
        "pulse": np.log(pulse.std()),
        "resp_rate": np.log((freqs * power)[window].sum() / power[window].sum()),
        "resp_depth": np.log(breath.data.std()),
        "scr_rate": np.log1p(since.sum()),
        "scr_size": np.log(eda[1][since].mean()) if eda[1][since].any() else np.nan,
        "temp": body.signal("temp").data.mean(dtype=float),
        "zygomaticus": body.signal("zygomaticus").data.std(),
        "trapezius": np.log(body.signal("trapezius").data.std()),
    }


FELT = {"arousal": ((0, 1), 0.5), "negative": ((-1, 0), 0.5), "positive": ((1, 0), 0.5), "intensity": ((0, 0), 1.0)}


@pytest.mark.parametrize(("quantity", "axis", "size"), [row[:3] for row in EFFECTS])
def test_every_effect_has_its_sign(quantity, axis, size):
    felt, intensity = FELT[axis]
    with_, without = (
        [measure(body)[quantity] for body in bodies(8, f, i, slope_sd=0.3, effect=3.0)]
        for f, i in ((felt, intensity), ((0, 0), 0.0 if axis == "intensity" else intensity))
    )
    changes = np.sign(size) * np.subtract(with_, without)
    changes = changes[np.isfinite(changes)]  # some skins do not respond
    assert len(changes) >= 5
    assert changes.mean() > 2 * changes.std() / np.sqrt(len(changes))


def test_signs_are_those_of_the_literature():
    falls = {what for what, _, size, _ in EFFECTS if size < 0}
    assert falls == {"variability", "pulse", "resp_depth", "temp"}  # the deceleration is counted positive


def test_nothing_changes_before_the_trial():
    owner = Physiology(effect=3.0)
    strong, calm = (owner.trial(0, 0, 10.0, felt, i, baseline=5.0) for felt, i in (((-0.9, 0.9), 1.0), ((0, 0), 0.0)))
    for name in ("bvp", "ecg", "resp", "trapezius", "temp"):
        a, b = strong.signal(name, 128.0), calm.signal(name, 128.0)
        assert a.data.shape[1] == 15 * 128
        scale = b.data.std()
        assert np.abs(a.data - b.data)[:, : 4 * 128].max() < 0.05 * scale, name
        assert np.abs(a.data - b.data)[:, -5 * 128 :].max() > 0.3 * scale, name


def test_subjects_and_trials_differ_in_gain():
    def level(i, k, **parameters):
        return np.log(Physiology(**parameters).trial(i, k, 30.0).signal("bvp").data.std())

    assert np.std([level(i, 0, **PLAIN) for i in range(12)]) > 0.12
    assert np.std([level(0, k, **PLAIN) for k in range(8)]) < 0.1
    assert np.std([level(0, k, fingerprint=0.5) for k in range(8)]) > 0.2


# --- interface ----------------------------------------------------------------------------------------------------


def test_units_rates_and_ranges():
    body = Physiology(1).trial(0, 0, 20.0, (0.5, 0.5), 0.8)
    made = {name: body.signal(name) for name in RATES}
    for name, signal in made.items():
        assert (signal.unit, signal.sfreq, signal.data.dtype) == (UNITS[name], RATES[name], np.float32)
        assert signal.data.shape == (3 if name == "acc" else 1, round(20 * RATES[name]))
        assert len(set(signal.ch_names)) == len(signal.data)
        assert np.isfinite(signal.data).all()
    assert 0.4e-3 < made["ecg"].data.max() < 4e-3
    assert 295 < made["temp"].data.min() < made["temp"].data.max() < 312
    assert np.linalg.norm(made["acc"].data, axis=0).mean() == pytest.approx(9.81, abs=0.3)
    assert 1e-6 < made["zygomaticus"].data.std() < 50e-6
    assert body.signal("eda", 128.0).data.shape == (1, 2560)


def test_a_minute_is_quick():
    begin = time.perf_counter()
    body = Physiology().trial(0, 0, 60.0)
    for name in RATES:
        body.signal(name, 128.0)
    assert time.perf_counter() - begin < 0.5  # 0.01 s on a free core


@pytest.mark.parametrize(
    ("call", "came"),
    [
        (lambda: Physiology(-1), "random_state=-1"),
        (lambda: Physiology(effect=-1), "effect=-1"),
        (lambda: Physiology().trial(0, 0, 0.1), "seconds=0.1"),
        (lambda: Physiology().trial(0, 0, 2.0, (0.0, 2.0)), "felt=[0.0, 2.0]"),
        (lambda: Physiology().trial(0, 0, 2.0, intensity=2), "intensity=2"),
        (lambda: Physiology().trial(0, 0, 2.0, baseline=-1), "baseline=-1"),
        (lambda: Physiology().trial(0, 0, 2.0).signal("ppg"), "no signal of the body 'ppg'"),
        (lambda: Physiology().trial(0, 0, 2.0).signal("ecg", 10.0), "sfreq=10.0"),
    ],
)
def test_wrong_input_is_answered(call, came):
    with pytest.raises(InputError) as caught:
        call()
    assert came in caught.value.came
    assert caught.value.do
