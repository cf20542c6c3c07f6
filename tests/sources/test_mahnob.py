import edfio
import numpy as np
import pytest

from thymos.base.errors import DataError
from thymos.sources.mahnob import MAHNOB

ABOUT = {"sessionId": "2", "feltArsl": "7", "feltVlnc": "3", "feltCtrl": "4", "feltPred": "5", "feltEmo": "12"}
LABELS = ("Fp1", "Cz", "EXG1", "EXG2", "EXG3", "EXG4", "GSR1", "Resp", "Temp")
UNITS = ("uV",) * 6 + ("uS", "", "degC")
SECONDS = 6


def put(folder, number=2, events=((2.0, 0.1), (5.0, 0.1)), rate=64, subject="1", kind="emotion", trial=1, **about):
    """Write one session; each channel holds a sine of its own."""
    place = folder / "Sessions" / str(number)
    place.mkdir(parents=True, exist_ok=True)
    given = {**ABOUT, "mediaFile": "53.avi", **about}
    words = " ".join(f'{k}="{v}"' for k, v in given.items() if v is not None)
    (place / "session.xml").write_text(f'<session {words}>\n <subject id="{subject}"/>\n</session>\n')
    if kind is None:
        return place
    at = np.arange(SECONDS * rate) / rate
    rows = [(k + 1) * 10 * np.sin(2 * np.pi * (k + 1) * at) for k in range(len(LABELS))]
    rows[-1] += 30
    status = np.zeros(len(at))
    for onset, length in events:
        status[round(onset * rate) : round((onset + length) * rate)] = 16
    limits = (-(2**23), 2**23 - 1)
    signals = [
        edfio.BdfSignal(row, rate, label=label, physical_dimension=unit)
        for row, label, unit in zip(rows, LABELS, UNITS, strict=True)
    ]
    signals.append(edfio.BdfSignal(status, rate, label="Status", physical_range=limits, digital_range=limits))
    edfio.Bdf(signals).write(place / f"Part_{subject}_S_Trial{trial}_{kind}.bdf")
    return place


def row(k, start, stop, rate=64):
    at = np.arange(round(start * rate), round(stop * rate)) / rate
    return (k + 1) * 10 * np.sin(2 * np.pi * (k + 1) * at)


@pytest.fixture
def recording(tmp_path):
    put(tmp_path)
    (made,) = MAHNOB(tmp_path).recordings()
    return made


def test_the_clip_lies_between_the_first_two_events_and_the_rest_before_it(recording):
    eeg, rest = recording.signal("eeg"), recording.baseline["eeg"]
    assert (eeg.start, eeg.duration, rest.start, rest.duration) == (0, 3, -2, 2)
    assert (eeg.ch_names, eeg.unit, eeg.sfreq) == (("Fp1", "Cz"), "V", 64)
    assert np.allclose(eeg.data, np.stack([row(0, 2, 5), row(1, 2, 5)]) * 1e-6, atol=1e-10)
    assert np.allclose(rest.data, np.stack([row(0, 0, 2), row(1, 0, 2)]) * 1e-6, atol=1e-10)


def test_the_body_has_si_units_and_other_channels_are_left_out(recording):
    assert list(recording.signals) == ["eeg", "ecg", "eda", "resp", "temp"]
    assert recording.signal("ecg").ch_names == ("EXG1", "EXG2", "EXG3")
    assert np.allclose(recording.signal("ecg").data[2], row(4, 2, 5) * 1e-6, atol=1e-10)
    assert np.allclose(recording.signal("eda").data, row(6, 2, 5) * 1e-6, atol=1e-10)
    assert np.allclose(recording.signal("temp").data, row(8, 2, 5) + 303.15, atol=1e-3)
    assert {m: recording.signal(m).unit for m in ("ecg", "eda", "resp", "temp")} == {
        "ecg": "V",
        "eda": "S",
        "resp": "",
        "temp": "K",
    }


def test_the_rate_is_that_of_the_header(tmp_path):
    put(tmp_path, rate=128)
    put(tmp_path, 4, rate=64)
    source = MAHNOB(tmp_path)
    assert [r.signal("eeg").sfreq for r in source.recordings()] == [128, 64]
    assert [r.signal("eeg").duration for r in source.recordings()] == [3, 3]
    assert [str(n) for n in source.check()] == [
        "EEG: recordings differ in rate: 1 at 128 Hz, 1 at 64 Hz; resample them"
    ]


def test_attributes_of_the_session_are_labels(recording):
    expected = {
        "subject": "01",
        "trial": "01-0002",
        "stimulus": "53.avi",
        "emotion": "anxiety",
        "arousal": 7,
        "valence": 3,
        "control": 4,
        "predictability": 5,
    }
    assert {key: recording.meta[key] for key in expected} == expected


def test_every_code_of_an_emotion_has_its_name(tmp_path):
    names = ["neutral", "anger", "disgust", "fear", "joy", "sadness", "surprise"]
    codes = {**dict(enumerate(names)), 11: "amusement", 12: "anxiety"}
    for number, code in enumerate(codes, start=1):
        put(tmp_path, number, feltEmo=code)
    assert MAHNOB(tmp_path).table()["emotion"].tolist() == list(codes.values())


def test_sessions_of_tagging_and_without_a_recording_are_left_out_and_counted(tmp_path):
    put(tmp_path, 10)
    put(tmp_path, 9, subject="3")
    put(tmp_path, 2, kind="tagging", feltArsl=None)
    put(tmp_path, 4, feltArsl=None)
    put(tmp_path, 6, kind=None)
    source = MAHNOB(tmp_path)
    assert source.subjects() == ["01", "03"]
    assert source.table()["trial"].tolist() == ["01-0010", "03-0009"]
    assert [str(note) for note in source.check()] == [
        "2 sessions: of the tagging experiment, left out: 2, 4",
        "1 sessions: without a recording, left out: 6",
    ]


def test_a_third_event_is_none_of_the_clip_and_sessions_are_in_order_of_their_numbers(tmp_path):
    put(tmp_path, 10, events=((1.0, 0.5), (3.0, 0.5), (4.0, 0.5)))
    put(tmp_path, 9)
    made = list(MAHNOB(tmp_path).recordings())
    assert [r.meta["trial"] for r in made] == ["01-0009", "01-0010"]
    assert (made[1].signal("eeg").duration, made[1].baseline["eeg"].duration) == (2, 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"events": ((2.0, 0.1),)}, ["has 1 events", "leave the session out"]),
        ({"feltEmo": 13}, ["session.xml", "feltEmo is '13'"]),
        ({"feltVlnc": None}, ["session.xml", "lacks feltVlnc"]),
        ({"feltVlnc": 0}, ["session.xml", "not 1 to 9"]),
        ({"subject": "one"}, ["session.xml", "names no subject"]),
    ],
)
def test_a_session_that_does_not_fit_is_said_in_words(tmp_path, words, options, expected):
    put(tmp_path, **options)
    with pytest.raises(DataError) as error:
        MAHNOB(tmp_path).table()
    words(error.value, *expected)


def test_two_recordings_of_one_session_are_refused_and_cost_their_subject_only(tmp_path, words):
    put(tmp_path)
    put(tmp_path, trial=2)
    put(tmp_path, number=4, subject="2")
    assert [r.meta["trial"] for r in MAHNOB(tmp_path).load(["02"])] == ["02-0004"]
    with pytest.raises(DataError) as error:
        MAHNOB(tmp_path).table()
    words(error.value, "holds 2 recordings", "remove the copy")
