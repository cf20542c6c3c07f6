"""DREAMER and AMIGOS: cells of MATLAB, one headset, two orders of the ratings."""

import numpy as np
import pytest
from scipy.io import savemat

from thymos.base.errors import DataError
from thymos.base.labels import Rule
from thymos.sources.amigos import AMIGOS, REPORTS
from thymos.sources.catalogue import SOURCES
from thymos.sources.check import balance
from thymos.sources.dreamer import CLIP_EMOTION, DREAMER, HEADSET

N_REST, N_CLIP = 2, 3  # s


def cells(values, shape=None):
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made.reshape(shape or (1, -1))


def device(rate, n_channels, person):
    """Return rest and clips of one device; person, clip and channel are in every value."""

    def made(seconds, sign):
        times = np.arange(round(seconds * rate))[:, None] / rate
        return [sign * (1000 * person + 20 * k + np.arange(n_channels) + times) for k in range(18)]

    return {"baseline": cells(made(N_REST, -1), (18, 1)), "stimuli": cells(made(N_CLIP, 1), (18, 1))}


def person(number):
    return {
        "Age": "22",
        "Gender": "male" if number else "female",
        "EEG": device(128, 14, number),
        "ECG": device(256, 2, number),
        "ScoreValence": (np.arange(18.0) % 5 + 1)[:, None],
        "ScoreArousal": (np.arange(18.0)[::-1] % 5 + 1)[:, None],
        "ScoreDominance": np.full((18, 1), 3.0),
    }


def put(folder, people):
    savemat(folder / "DREAMER.mat", {"DREAMER": {"Data": cells(people), "noOfSubjects": 2.0}}, oned_as="column")


@pytest.fixture
def dreamer(tmp_path):
    put(tmp_path, [person(0), person(1)])
    return tmp_path


def test_brain_and_heart_have_rates_of_their_own_on_one_clock(dreamer):
    source = DREAMER(dreamer)
    assert source.subjects() == ["01", "02"]
    recording = list(source.load(["02"]))[4]
    eeg, ecg = recording.signal("eeg"), recording.signal("ecg")
    assert (eeg.sfreq, ecg.sfreq, eeg.unit, ecg.unit) == (128, 256, "V", "V")
    assert (eeg.ch_names, ecg.ch_names) == (HEADSET, ("left", "right"))
    assert (eeg.start, ecg.start, eeg.duration, ecg.duration) == (0, 0, N_CLIP, N_CLIP)
    at = np.arange(3 * 128) / 128
    assert np.allclose(eeg.data, (1080 + np.arange(14)[:, None] + at) * 1e-6, rtol=1e-6, atol=0)
    assert np.allclose(ecg.data[:, ::2], (1080 + np.arange(2)[:, None] + at) * 1e-6, rtol=1e-6, atol=0)
    for modality in ("eeg", "ecg"):
        rest = recording.baseline[modality]
        assert (rest.start, rest.duration) == (-N_REST, N_REST)
        assert rest.data.max() < 0, "the rest is another cell"


def test_the_headset_and_the_clips_are_the_published_ones(dreamer):
    assert tuple("AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()) == HEADSET  # noqa: SIM905
    made = DREAMER(dreamer).table()
    mine = made[made["subject"] == "01"]
    assert tuple(mine["emotion"]) == CLIP_EMOTION
    assert mine["emotion"].value_counts().eq(2).all()
    assert mine["emotion"].iloc[[0, 1, 4, 9, 17]].tolist() == [
        "calmness",
        "surprise",
        "excitement",
        "disgust",
        "surprise",
    ]
    assert mine["valence"].tolist() == [k % 5 + 1 for k in range(18)]
    assert mine["arousal"].tolist() == [(17 - k) % 5 + 1 for k in range(18)]
    assert made.drop_duplicates("subject")[["sex", "age"]].to_numpy().tolist() == [["female", "22"], ["male", "22"]]


def test_high_is_above_three_unless_a_study_says_otherwise(dreamer):
    label = SOURCES["dreamer"].label("valence")
    assert (label.rule, label.scale, label.kind) == (Rule(3), (1, 5), "self-report")
    ratings = DREAMER(dreamer).table()["valence"].iloc[:18]
    ways = balance(label, ratings)
    assert ways["default: high above 3"] == {"low": int((ratings <= 3).sum()), "high": int((ratings > 3).sum())}


def test_devices_that_differ_in_length_are_noted(tmp_path):
    odd = person(0)
    odd["ECG"]["stimuli"][2, 0] = odd["ECG"]["stimuli"][2, 0][:256]
    put(tmp_path, [odd])
    assert [str(n) for n in DREAMER(tmp_path).check()] == ["01-03 (3.0 and 1.0 s): EEG and ECG differ in length"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("ScoreArousal", np.full((18, 1), 6.0), ["ScoreArousal lies between 6 and 6", "1 to 5"]),
        ("ScoreArousal", np.ones((17, 1)), ["ScoreArousal has the shape (17, 1)"]),
        ("ECG", {"baseline": cells([1.0] * 18, (18, 1))}, ["ECG.stimuli has 0 cells"]),
        ("EEG", {"baseline": cells([np.ones((2, 14))] * 17), "stimuli": np.ones(3)}, ["EEG.baseline has 17 cells"]),
        ("EEG", device(128, 13, 0), ["clip 1, eeg stimuli", "(384, 13)", "times x 14"]),
    ],
)
def test_a_person_that_does_not_fit_is_named(tmp_path, words, field, value, expected):
    put(tmp_path, [person(0), person(1) | {field: value}])
    with pytest.raises(DataError) as error:
        [recording.signal("eeg") for recording in DREAMER(tmp_path).recordings()]
    words(error.value, "DREAMER.mat, person 2", *expected)


# AMIGOS


def film(k, n=6 * 128):
    return 100.0 * k + np.arange(17) + np.arange(n)[:, None] / 128


def report(k):
    return np.array([[1.0 + k % 9, 9.0 - k % 9, 2, 3, 4, *np.eye(7)[k % 7]]])


def put_amigos(folder, number=1, signals=None, reports=None, names=True):
    signals = signals or [film(k) for k in range(20)]
    reports = reports or [report(k) for k in range(len(signals))]
    content = {"joined_data": cells(signals), "labels_selfassessment": cells(reports)}
    if names:
        content["VideoIDs"] = cells([f"v{k}" for k in range(len(signals))])
    savemat(folder / f"Data_Preprocessed_P{number:02d}.mat", content)


def test_of_amigos_arousal_comes_first(tmp_path):
    put_amigos(tmp_path)
    made = AMIGOS(tmp_path).table()
    assert REPORTS[:5] == ("arousal", "valence", "dominance", "liking", "familiarity")
    assert REPORTS[5:] == ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
    assert made["arousal"].tolist() == [1 + k % 9 for k in range(20)]
    assert made["valence"].tolist() == [9 - k % 9 for k in range(20)]
    assert made["surprise"].tolist() == [float(k % 7 == 3) for k in range(20)]
    assert made["stimulus"].tolist() == [f"v{k}" for k in range(20)]
    assert made["video"].tolist() == ["short"] * 16 + ["long"] * 4
    assert made["session"].tolist() == ["1"] * 16 + ["2"] * 4


def test_columns_of_amigos_are_electrodes_two_leads_and_skin(tmp_path):
    put_amigos(tmp_path)
    recording = list(AMIGOS(tmp_path).recordings())[3]
    for modality, columns, names, unit in (
        ("eeg", slice(0, 14), HEADSET, "V"),
        ("ecg", slice(14, 16), ("right", "left"), "V"),
        ("eda", slice(16, 17), ("GSR",), ""),
    ):
        rest, signal = recording.baseline[modality], recording.signal(modality)
        assert (signal.ch_names, signal.unit, signal.sfreq, signal.start) == (names, unit, 128, 0)
        assert (rest.start, rest.duration, signal.duration) == (-5, 5, 1)
        whole = np.concatenate([rest.data, signal.data], axis=1)
        assert np.allclose(whole, film(3)[:, columns].T * (1e-6 if unit else 1), rtol=1e-6, atol=0)


def test_films_without_signal_values_or_report_are_left_out_and_counted(tmp_path):
    signals, reports = [film(k) for k in range(20)], [report(k) for k in range(20)]
    signals[0][:77, 3] = np.nan
    signals[17] = np.zeros((0, 0))
    reports[5] = np.zeros((0, 0))
    reports[6] = report(6) * np.nan
    put_amigos(tmp_path, 8, signals, reports)
    put_amigos(tmp_path, 9)
    source = AMIGOS(tmp_path)
    made = source.table()
    mine = made[made["subject"] == "P08"]
    assert mine["stimulus"].tolist() == [f"v{k}" for k in range(20) if k not in (0, 5, 6, 17)]
    assert mine["arousal"].tolist() == [1 + k % 9 for k in range(20) if k not in (0, 5, 6, 17)]
    assert (made["subject"] == "P09").sum() == 20
    assert [str(note) for note in source.check()] == [
        "P08, film 1: left out: 10.0% of the samples have a missing value",
        "P08, film 6: left out: no self-assessment",
        "P08, film 7: left out: no self-assessment",
        "P08, film 18: left out: no signal",
    ]


def test_films_without_names_are_numbered(tmp_path):
    put_amigos(tmp_path, names=False)
    assert AMIGOS(tmp_path).table()["stimulus"].tolist() == [f"film{k:02d}" for k in range(1, 21)]


@pytest.mark.parametrize(
    ("signals", "reports", "expected"),
    [
        (21, 21, ["21 signals, 21 self-assessments", "20 at most"]),
        (4, 3, ["4 signals, 3 self-assessments"]),
        ([film(0)[:640]], 1, ["film 1: 640 samples", "640 of baseline"]),
        ([film(0)[:, :16]], 1, ["film 1", "(768, 16)", "times x 17"]),
        (1, [report(0) * 0], ["film 1: the ratings are", "1 to 9"]),
        (1, [report(0)[:, :11]], ["film 1", "(1, 11)", "1 x 12"]),
    ],
)
def test_films_that_do_not_fit_are_named(tmp_path, words, signals, reports, expected):
    signals = [film(k) for k in range(signals)] if isinstance(signals, int) else signals
    reports = [report(k) for k in range(reports)] if isinstance(reports, int) else reports
    put_amigos(tmp_path, 1, signals, reports)
    with pytest.raises(DataError) as error:
        AMIGOS(tmp_path).table()
    words(error.value, "Data_Preprocessed_P01.mat", *expected)
