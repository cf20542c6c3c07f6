"""The latent experiment: the same for all modalities, plausible ratings, sessions, and published numbers that stay."""

import hashlib
import json

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.simulate import eeg
from thymos.sources.simulate.eeg import BANDS, SimulatedEEG
from thymos.sources.simulate.latent import PROTOTYPES, Experiment, nearest, shown, stimuli

SMALL = {"subjects": 2, "trials": 3, "seconds": 2.0}
WILD = {
    "subjects": 3,
    "trials": 6,
    "seconds": 1.7,
    "fingerprint": 0.5,
    "drift": 1.0,
    "subject_sd": 0.1,
    "slope_sd": 0.0,
}
WILD |= {"artifacts": False, "emg_confound": 1, "line_freq": 60}
BAND = {"subjects": 2, "trials": 4, "seconds": 2.5, "null": True, "montage": "muse4", "sfreq": 256.0, "random_state": 7}


def digest(parts):
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        total.update(part)
    return total.hexdigest()


def numbers(recordings):
    """Return some values of a signal, in microvolts: spread, mean power, ends of the first and last recording."""
    data = [r.signal("eeg").data.astype(float) * 1e6 for r in recordings]
    power = np.mean([np.square(x).mean() for x in data])
    return [data[0].std(), data[-1].std(), power, *data[0][0, :3], *data[-1][-1, -3:]]


@pytest.mark.parametrize(
    ("parameters", "labels", "signals"),
    [
        (
            SMALL,
            "0e22c5f466393dabe42efbf622c9f55f",
            [11.2021, 11.2547, 178.123, 2.95509, 2.40948, 1.59893, 13.5674, 14.0191, 13.4393],
        ),
        (
            BAND,
            "b77f70a88f046b5a36057f7f513b9adb",
            [6.48947, 6.42495, 60.6328, -6.2065, -5.86862, -7.4295, -2.43692, -1.69105, -3.6434],
        ),
        (
            WILD,
            "800e2260360f53dbba8c98659ab29258",
            [11.612, 13.2584, 156.643, -6.57017, -5.32164, 1.62312, -3.65791, 4.31963, -4.07293],
        ),
    ],
    ids=["cap", "band", "wild"],
)
def test_published_results_hang_on_these_numbers(parameters, labels, signals):
    """The simulator that wrote results/*.csv; the last digits depend on the processor."""
    recordings = list(SimulatedEEG(**parameters).recordings())
    assert digest(json.dumps(dict(r.meta)).encode() for r in recordings) == labels
    assert numbers(recordings) == pytest.approx(signals, rel=1e-4, abs=1e-3)


def test_stimuli_are_where_they_were():
    assert eeg.stimuli is stimuli


def test_what_was_felt_drives_the_ratings():
    people = [Experiment(40, 40).subject(index) for index in range(40)]
    felt = np.concatenate([p.felt for p in people])

    def r(name, axis):
        return np.corrcoef(np.concatenate([p.ratings[name] for p in people]), felt[:, axis])[0, 1]

    assert min(r("valence", 0), r("arousal", 1)) > 0.85
    assert r("liking", 0) > 0.5
    assert 0.15 < r("dominance", 0) < 0.5
    assert 0.15 < r("dominance", 1) < 0.5
    assert max(abs(r("familiarity", 0)), abs(r("familiarity", 1))) < 0.1
    for values in (p.ratings for p in people):
        assert all(v.min() >= 1 and v.max() <= 9 for v in values.values())


def test_intensity_grows_with_the_distance_from_neutral():
    people = [Experiment(20, 40).subject(index) for index in range(20)]
    felt, intensity = (np.concatenate([getattr(p, name) for p in people]) for name in ("felt", "intensity"))
    assert (intensity.min(), intensity.max()) == (0.4, 1.0)
    r = np.corrcoef(np.hypot(*felt.T), intensity)[0, 1]
    assert 0.6 < r < 0.95  # and is not that distance


def test_emotions_are_the_nearest_prototypes():
    names = list(PROTOTYPES)
    assert nearest(np.array(list(PROTOTYPES.values()))[:, :2]).tolist() == names
    person = Experiment(1, 60).subject(0)
    assert set(person.emotion) <= set(names)
    assert len(set(person.emotion)) >= 5
    assert 0.4 < (person.emotion == person.meant_emotion).mean() < 1


def test_each_session_has_an_order_and_noise_of_its_own():
    one, three = Experiment(2, 10).subject(1), Experiment(2, 10, sessions=3).subject(1)
    np.testing.assert_array_equal(three.felt[:10], one.felt)
    np.testing.assert_array_equal(three.ratings["valence"][:10], one.ratings["valence"])
    assert three.session.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    orders = three.order.reshape(3, 10)
    assert (np.sort(orders) == np.arange(10)).all()
    assert len({tuple(order) for order in orders.tolist()}) == 3
    noise = three.felt - Experiment(2, 10).points[three.order]
    assert not np.isclose(*noise.reshape(3, 10, 2)[:2]).any()
    fixed = Experiment(2, 10, sessions=2, shuffled=False).subject(0)
    assert fixed.order.tolist() == [*range(10), *range(10)]


def test_meanings_can_be_given():
    meant = [[0.9, 0.9], [-0.9, -0.9], [0.0, 0.0]]
    person = Experiment(1, 3, meant=meant, shuffled=False).subject(0)
    assert np.abs(person.felt - meant).max() < 0.7
    assert person.meant_emotion.tolist() == ["happiness", "sadness", "neutral"]


def test_what_is_shown():
    assert shown(0.5, 0.0) == 0
    assert shown(1.0, 0.0) == 0
    assert shown(0.5) == 0.5
    assert 0.5 < shown(0.5, 3.0) < 1


# --- sessions, lengths and baselines of the EEG --------------------------------------------------------------------


def log_alpha(data):
    power = np.square(np.abs(np.fft.rfft(data * np.hanning(data.shape[-1]))))
    freqs, (low, high) = np.fft.rfftfreq(data.shape[-1], 1 / 128), BANDS["alpha"]
    return np.log(power[..., (freqs >= low) & (freqs < high)].mean(-1))


def test_sessions_of_the_eeg():
    parameters = {"subjects": 2, "trials": 4, "seconds": 2.0}
    one, two = (list(SimulatedEEG(**parameters, sessions=n).recordings()) for n in (1, 2))
    assert [r.meta["trial"] for r in two] == [f"s0{s}-{n}-t0{t}" for s in (1, 2) for n in (1, 2) for t in (1, 2, 3, 4)]
    assert [r.meta["session"] for r in two] == ["1"] * 4 + ["2"] * 4 + ["1"] * 4 + ["2"] * 4
    assert [r.meta["valence"] for r in two[:4]] == [r.meta["valence"] for r in one[:4]]
    assert not np.array_equal(two[0].signal("eeg").data, two[4].signal("eeg").data)


def test_sessions_differ_by_an_offset():
    still = {"trials": 6, "null": True, "fingerprint": 0.0, "drift": 0.0, "subject_sd": 0.0, "artifacts": False}
    source = SimulatedEEG(20, seconds=1.0, sessions=3, **still)
    power = np.array([source._log_power(i, source.experiment.subject(i).felt) for i in range(20)])
    assert power.std() == pytest.approx(0.2, abs=0.02)
    power = power.reshape(20, 3, 6, 12, 4)
    np.testing.assert_array_equal(power, np.broadcast_to(power[:, :, :1], power.shape))  # the same in all its trials
    assert abs(np.corrcoef(power[:, 0, 0].ravel(), power[:, 1, 0].ravel())[0, 1]) < 0.15
    source = SimulatedEEG(20, seconds=1.0, sessions=2, **{**still, "drift": 2.0, "trials": 20})
    walk = np.array([source._log_power(i, source.experiment.subject(i).felt) for i in range(20)])
    spread = walk.std(axis=(0, 2, 3))
    assert spread[[0, 20]].max() < 0.6 < 1.5 < spread[[19, 39]].min()  # the walk of a session starts at zero


def test_every_stimulus_can_have_a_length():
    source = SimulatedEEG(1, 3, [1.0, 2.0, 3.0])
    lengths = {r.meta["stimulus"]: r.signal("eeg").duration for r in source.recordings()}
    assert lengths == {"k01": 1.0, "k02": 2.0, "k03": 3.0}


def test_a_baseline_knows_no_emotion_and_has_the_fingerprint_of_its_trial():
    parameters = {"subjects": 1, "trials": 6, "artifacts": False, "fingerprint": 1.5, "drift": 0.0, "seconds": 20.0}
    strong, null = SimulatedEEG(**parameters, effect=3.0), SimulatedEEG(**parameters, null=True)
    assert strong.baseline(0, 2, 3.0).data.tobytes() == null.baseline(0, 2, 3.0).data.tobytes()
    assert strong.baseline(0, 2, 3.0).data.shape == (32, 384)
    assert not np.array_equal(null.baseline(0, 2, 20.0).data, null.signal(0, 2).data)
    before, during = (
        np.array([log_alpha(make(k).data) for k in range(6)])
        for make in (lambda k: null.baseline(0, k, 20.0), lambda k: null.signal(0, k))
    )
    before, during = before - before.mean(axis=0), during - during.mean(axis=0)
    assert np.corrcoef(before.ravel(), during.ravel())[0, 1] > 0.6


@pytest.mark.parametrize(
    ("parameters", "came", "fits"),
    [
        ({"sessions": 0}, "sessions=0", "a whole number, 1 or more"),
        ({"trials": 2, "meant": [[0.1, 0.2]]}, "trials=2 and meant of shape (1, 2)", "one [valence, arousal]"),
        ({"trials": 1, "meant": [[0.1, 2.0]]}, "meant of shape (1, 2)", "-1 to 1"),
        ({"trials": 1, "meant": [[0.1, float("nan")]]}, "meant", "-1 to 1"),
        ({"trials": 1, "meant": "happy"}, "meant", "-1 to 1"),
        ({"trials": 3, "seconds": [1.0, 2.0]}, "2 lengths for 3 stimuli", "one for each stimulus"),
        ({"trials": 2, "seconds": [1.0, 0.1]}, "seconds=0.1", "a number, 1 s or more"),
        ({"seconds": "long"}, "seconds='long'", "a number, 1 s or more"),
    ],
)
def test_wrong_input_is_answered(parameters, came, fits):
    with pytest.raises(InputError) as caught:
        SimulatedEEG(**parameters)
    assert came in caught.value.came
    assert fits in caught.value.fits
    assert caught.value.do
