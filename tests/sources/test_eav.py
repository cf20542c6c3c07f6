import wave

import numpy as np
import pytest
from scipy.io import savemat

from thymos.base.errors import DataError, InputError
from thymos.sources.eav import CHANNELS, EAV
from thymos.sources.simulate.eav import write_film

#: Row of `label` of each turn: neutral, sadness, anger, happiness, calmness, each listening and speaking.
ROWS = [4, 5, 9, 8, 1, 0, 7, 2]
TURNS = [
    ("anger", "listening"),
    ("anger", "speaking"),
    ("calmness", "speaking"),
    ("calmness", "listening"),
    ("neutral", "speaking"),
    ("neutral", "listening"),
    ("happiness", "speaking"),
    ("sadness", "listening"),
]


def seg(times=5):
    """Return turns x channels x times in one number each: turn 1000, channel 10, time 1."""
    made = np.arange(times)[:, None, None] + 10.0 * np.arange(30)[:, None] + 1000.0 * np.arange(len(ROWS))
    return made.astype(np.float32)


def write_wave(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.full(800, value, "<i2").tobytes())


def put(folder, name="subject1", variable="seg1", stem=None, sounds=True):
    place, stem = folder / name, stem or name
    (place / "EEG").mkdir(parents=True, exist_ok=True)
    label = np.zeros((10, len(ROWS)))
    label[ROWS, np.arange(len(ROWS))] = 1
    savemat(place / "EEG" / f"{stem}_eeg.mat", {variable: seg()})
    savemat(place / "EEG" / f"{stem}_eeg_label.mat", {"label": label})
    for k, (emotion, task) in enumerate(TURNS, start=1):
        if sounds and task == "speaking":
            write_wave(place / "Audio" / f"{k:03d}_Trial_{k:02d}_Speaking_{emotion.capitalize()}_aud.wav", 1000 * k)


@pytest.fixture
def folder(tmp_path):
    put(tmp_path)
    return tmp_path


def test_rows_of_the_label_are_emotion_times_task(folder):
    made = EAV(folder).table()
    assert list(zip(made["emotion"], made["task"], strict=True)) == TURNS
    assert made["emotion_code"].tolist() == [row // 2 for row in ROWS]
    assert made["trial"].tolist() == [f"01-{k:03d}" for k in range(1, 9)]


def test_times_are_first_and_turns_last_in_the_file(folder):
    for k, recording in enumerate(EAV(folder).recordings()):
        signal = recording.signal("eeg")
        expected = 1000 * k + 10 * np.arange(30)[:, None] + np.arange(5)
        assert np.allclose(signal.data, expected * 1e-6, rtol=1e-6, atol=0)
        assert (signal.sfreq, signal.unit, signal.ch_names) == (500, "V", CHANNELS)


def test_only_who_speaks_has_a_voice_and_it_is_that_of_the_turn(folder):
    for k, (recording, (_, task)) in enumerate(zip(EAV(folder).recordings(), TURNS, strict=True), start=1):
        assert ("speech" in recording.signals) == (task == "speaking")
        assert "face" not in recording.signals
        if task == "speaking":
            voice = recording.signal("speech")
            assert (voice.sfreq, voice.unit, voice.ch_names) == (16000, "", ("microphone1",))
            assert voice.data.shape == (1, 800)
            assert np.allclose(voice.data, 1000 * k / 32768)


@pytest.mark.parametrize("name", ["subject1", "subject01", "subject01__", "subject1_"])
@pytest.mark.parametrize("variable", ["seg", "seg1"])
def test_folders_and_variables_of_either_name_are_found(tmp_path, name, variable):
    put(tmp_path, name, variable)
    source = EAV(tmp_path)
    assert source.subjects() == ["01"]
    recordings = list(source.recordings())
    assert recordings[1].signal("eeg").data[0, 0] == pytest.approx(1000e-6)
    assert "speech" in recordings[1].signals


def test_a_subject_in_two_folders_is_refused(folder, words):
    put(folder / "again", "subject1")
    with pytest.raises(DataError) as error:
        EAV(folder).subjects()
    words(error.value, "subject1_eeg.mat is there twice")


@pytest.mark.parametrize("tasks", [["speaking"], "speaking", ["listening"]])
def test_turns_are_chosen_by_task_and_keep_their_numbers(folder, tasks, words):
    made = EAV(folder, tasks=tasks).table()
    task = tasks if isinstance(tasks, str) else tasks[0]
    assert made["trial"].tolist() == [f"01-{k:03d}" for k, turn in enumerate(TURNS, start=1) if turn[1] == task]
    for wrong in (["singing"], []):
        with pytest.raises(InputError) as error:
            EAV(folder, tasks=wrong)
        words(error.value, "listening, speaking")


def test_a_modality_that_nobody_asks_for_is_not_opened(folder):
    recordings = list(EAV(folder, tasks=["speaking"]).recordings())
    (folder / "subject1" / "EEG" / "subject1_eeg.mat").write_bytes(b"garbage")
    assert [round(float(r.signal("speech").data.mean() * 32.768)) for r in recordings] == [2, 3, 5, 7]
    with pytest.raises(DataError, match="no MATLAB file"):
        recordings[0].signal("eeg")


def test_films_are_read_in_the_size_and_pace_asked_for(folder):
    place = folder / "subject1" / "Video"
    place.mkdir()
    write_film(place / "001_Trial_01_Listening_Anger.mp4", np.full((12, 3, 48, 64), 90, np.uint8), 30.0)
    recordings = list(EAV(folder, video_size=(24, 32), video_step=5).recordings())
    face = recordings[0].signal("face")
    assert (face.data.shape, face.sfreq) == ((3, 3, 24, 32), 6.0)
    assert all("face" not in recording.signals for recording in recordings[1:])


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("001_Trial_01_Speaking_Anger_aud.wav", ["speaking, anger", "turn 1 says listening, anger"]),
        ("003_Trial_03_Speaking_Sadness_aud.wav", ["speaking, sadness", "turn 3 says speaking, calmness"]),
    ],
)
def test_a_sound_that_belongs_to_another_turn_is_refused(folder, words, wrong, expected):
    (folder / "subject1" / "Audio" / f"{wrong[:3]}_Trial_03_Speaking_Calmness_aud.wav").unlink(missing_ok=True)
    write_wave(folder / "subject1" / "Audio" / wrong, 0)
    with pytest.raises(DataError) as error:
        EAV(folder).table()
    words(error.value, *expected)


def test_two_sounds_of_one_turn_are_refused(folder, words):
    write_wave(folder / "subject1" / "Audio" / "002_Trial_02_Speaking_Sadness_aud.wav", 0)
    with pytest.raises(DataError) as error:
        EAV(folder).table()
    words(error.value, "two files for turn 2")


def test_an_eeg_of_another_number_of_turns_is_refused_when_it_is_read(folder, words):
    savemat(folder / "subject1" / "EEG" / "subject1_eeg.mat", {"seg1": seg()[:, :, :7]})
    recording = next(iter(EAV(folder).recordings()))
    with pytest.raises(DataError) as error:
        recording.signal("eeg")
    words(error.value, "seg1 has the shape (5, 30, 7)", "times x 30 x 8")


def test_what_is_missing_from_a_copy_is_noted(folder):
    assert [str(note) for note in EAV(folder).check()] == [
        "subject 01: 4 of 100 files of the modality speech",
        "subject 01: 0 of 200 files of the modality face",
        "EEG: turns of 0.01 s, published are 20 s",
    ]
