import shutil
from itertools import product

import numpy as np
import pandas as pd
import pytest
import soundfile

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.evaluation import load_study
from thymos.signals.catalogue import TRANSFORMERS
from thymos.sources.ravdess import FOLDS, RAVDESS

RATE = 16000


def sound(seed=0, seconds=0.1):
    rng = np.random.default_rng(seed)
    return (rng.uniform(-0.5, 0.5, round(seconds * RATE)) * 2**15).round() / 2**15


def put(folder, name, data=None, rate=RATE):
    path = folder / f"Actor_{name[18:20]}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound(len(name)) if data is None else data, rate, subtype="PCM_16")
    return path


def film(path, frames=6, size=(32, 48), rate=10, noise=False):
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"} if noise else {}) as out:
        stream = out.add_stream("mpeg4", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for k in range(frames):
            picture = np.full((*size, 3), 40 * k % 256, np.uint8)
            picture = np.random.default_rng(k).integers(0, 256, picture.shape).astype(np.uint8) if noise else picture
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "ravdess"
    names = ["01-01-01-01-01", "05-02-02-01-01", "05-02-02-02-01", "04-01-01-01-02"]
    for k, name in enumerate(names):
        put(root, f"03-01-{name}.wav", sound(k))
    return root


def test_names_become_labels_and_metadata(folder):
    source = RAVDESS(folder)
    recordings = list(source.load())
    table = pd.DataFrame([r.meta for r in recordings])
    assert source.table().equals(table)
    assert table["trial"].is_unique
    assert source.subjects() == ["01", "02"]
    angry = table.set_index("trial").loc["01-05-02-02-01-01"]
    expected = {
        "source": "ravdess",
        "subject": "01",
        "actor": "01",
        "sex": "male",
        "emotion": "angry",
        "intensity": "strong",
        "statement": "dogs",
        "stimulus": "dogs",
        "repetition": "1",
        "vocal_channel": "speech",
    }
    assert angry[list(expected)].to_dict() == expected
    assert table.loc[table["actor"] == "02", "sex"].tolist() == ["female"]
    signal = recordings[0].signal("speech")
    assert (signal.sfreq, signal.unit, signal.ch_names, signal.data.dtype) == (RATE, "", ("mono",), np.float32)
    assert np.allclose(signal.data[0], sound(0), atol=1e-7)
    assert "face" not in recordings[0].signals


def test_the_folds_are_those_that_were_published():
    parts = {
        name: [int(actor) for actor, fold in sorted(FOLDS.items()) if fold == name] for name in set(FOLDS.values())
    }
    assert parts == {
        "F0": [2, 5, 14, 15, 16],
        "F1": [3, 6, 7, 13, 18],
        "F2": [10, 11, 12, 19, 20],
        "F3": [8, 17, 21, 23, 24],
        "F4": [1, 4, 9, 22],
    }


def test_an_utterance_without_pitch_stays_in_the_study(folder):
    spec = load_study("ravdess").modalities["tune"]
    recordings = RAVDESS(folder).load()
    for step in spec.process:
        recordings = recordings.process(step.name, "speech", **step.parameters)
    (step,) = spec.features
    made = TRANSFORMERS[step.name].load()(**step.parameters)
    X = recordings.features(made, seconds=3.0, modality="speech").X[..., 0, 0]
    assert X.shape == (4, 11)
    assert not X[:, :5].any(), "noise has a pitch"
    assert np.allclose(X[:, 10], 0.1), "how long it was"


def test_flac_and_48_khz_are_read_and_mixed_rates_noticed(folder):
    put(folder, "03-01-03-01-01-01-02.flac", sound(9))
    put(folder, "03-01-03-01-02-01-02.wav", sound(8), 48000)
    recordings = {r.meta["trial"]: r for r in RAVDESS(folder).recordings()}
    assert np.allclose(recordings["01-03-01-01-01-02"].signal("speech").data[0], sound(9), atol=1e-7)
    assert recordings["01-03-01-02-01-02"].signal("speech").sfreq == 48000
    assert any("several rates: 5 files of 16000 Hz, 1 files of 48000 Hz" in str(n) for n in RAVDESS(folder).check())


def test_stereo_becomes_mono(folder):
    put(folder, "03-01-01-01-01-01-01.wav", np.stack([sound(0), sound(0)], axis=1))
    put(folder, "03-01-05-02-02-01-01.wav", np.stack([sound(0), sound(1)], axis=1))
    equal, other = (r.signal("speech").data for r in list(RAVDESS(folder).recordings(["01"]))[:2])
    assert np.allclose(equal[0], sound(0), atol=1e-7)
    assert np.allclose(other[0], (sound(0) + sound(1)) / 2, atol=1e-7)
    assert any("2 files in stereo" in str(note) for note in RAVDESS(folder).check())


def test_song_is_read_on_request(folder, words):
    put(folder, "03-02-03-01-01-01-02.wav")
    assert set(RAVDESS(folder).table()["vocal_channel"]) == {"speech"}
    assert len(RAVDESS(folder, channel="both").table()) == 5
    assert RAVDESS(folder, channel="song").table()["trial"].tolist() == ["02-03-01-01-01-02"]
    with pytest.raises(InputError, match="speech, song or both"):
        RAVDESS(folder, channel="shout")
    (folder / "Actor_02" / "03-02-03-01-01-01-02.wav").unlink()
    with pytest.raises(DataError) as error:
        RAVDESS(folder, channel="song").subjects()
    words(error.value, "holds no song of RAVDESS")


def test_a_nested_copy_counts_once_and_a_difference_is_said(folder):
    shutil.copytree(folder, folder / "audio_speech_actors_01-24")
    source = RAVDESS(folder)
    assert len(source.table()) == 4
    notes = [str(note) for note in source.check()]
    assert "4 files lie twice in the tree" in notes[0]
    assert not any("bytes, while" in note for note in notes)
    put(folder / "audio_speech_actors_01-24", "03-01-01-01-01-01-01.wav", sound(3, 0.2))
    source = RAVDESS(folder)
    assert any("bytes, while Actor_01/03-01-01-01-01-01-01.wav" in str(note) for note in source.check())
    first = next(iter(source.recordings())).signal("speech")
    assert np.allclose(first.data[0], sound(0), atol=1e-7), "the deeper copy was read"


def test_sound_and_film_of_an_utterance_are_one_recording(folder):
    film(folder / "Actor_01" / "02-01-01-01-01-01-01.mp4")
    film(folder / "Actor_01" / "01-01-01-01-01-01-01.mp4")
    film(folder / "Actor_02" / "02-01-02-01-01-01-02.mp4")
    recordings = {r.meta["trial"]: r for r in RAVDESS(folder).recordings()}
    assert len(recordings) == 5
    both = recordings["01-01-01-01-01-01"]
    assert set(both.signals) == {"speech", "face"}
    face = both.signal("face")
    assert (face.data.shape, face.sfreq) == ((6, 1, 32, 48), 10)
    assert np.abs(face.data.mean(axis=(1, 2, 3)) - 40 * np.arange(6)).max() < 4
    assert set(recordings["01-02-01-01-01-02"].signals) == {"face"}
    small = RAVDESS(folder, film_size=(8, 12), film_step=2, grey=False)
    face = next(r for r in small.recordings() if "face" in r.signals).signal("face")
    assert (face.data.shape, face.sfreq) == ((3, 3, 8, 12), 5)
    assert np.abs(face.data.mean(axis=(1, 2, 3)) - [0, 80, 160]).max() < 4
    with pytest.raises(InputError, match="film_step"):
        RAVDESS(folder, film_step=0)


def test_missing_sounds_and_actors_are_named(tmp_path):
    data = sound(seconds=0.02)
    for e, i, s, r in product(range(1, 9), (1, 2), (1, 2), (1, 2)):
        if (e, i) != (1, 2) and (e, i, s, r) != (6, 2, 1, 2):
            put(tmp_path, f"03-01-{e:02d}-{i:02d}-{s:02d}-{r:02d}-07.wav", data)
    notes = [str(note) for note in RAVDESS(tmp_path).check()]
    assert any("no files of the actors 01, 02, 03" in note and "07" not in note.split("actors")[1] for note in notes)
    assert "Actor_07: 59 of 60 sounds; missing: 03-01-06-02-01-02-07" in notes


def test_copies_silence_clipping_and_loudness_are_noticed(folder):
    put(folder, "03-01-05-02-02-02-01.wav", sound(1))
    quiet = np.concatenate([np.zeros(8000), sound(5), np.zeros(16000)])
    put(folder, "03-01-04-01-01-01-02.wav", quiet * 0.01)
    loud = sound(0)
    loud[[3, 4, 7]] = [-1, 1 - 2**-15, 1 - 2**-15]
    put(folder, "03-01-01-01-01-01-01.wav", loud)
    put(folder, "03-01-08-01-01-01-02.wav", np.zeros(1600))
    notes = "\n".join(map(str, RAVDESS(folder).check()))
    assert "03-01-05-02-02-01-01.wav: holds the same samples as 03-01-05-02-02-02-01.wav" in notes
    assert "more than 0.3 s at the start of 1 files and at the end of 1; 1 files have more than 0.5 s" in notes
    assert "3 samples at full scale, in 1 files" in notes
    assert "nothing but silence in 03-01-08-01-01-01-02.wav" in notes
    assert "loudness tells the emotion" in notes
    assert notes.index("neutral -") < notes.index("sad -")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("03-01-09-01-01-01-01.wav", ["the emotion 09", "01 to 08"]),
        ("03-01-01-01-01-01-25.wav", ["the actor 25", "01 to 24"]),
        ("03-01-01-01-03-01-01.wav", ["the statement 03", "01 to 02"]),
        ("03-01-01-01-01-01.wav", ["none of RAVDESS"]),
        ("happy.wav", ["none of RAVDESS"]),
        ("01-01-01-01-01-01-01.wav", ["none of RAVDESS"]),
    ],
)
def test_wrong_names_are_said_in_words(folder, words, name, expected):
    shutil.copy(folder / "Actor_01" / "03-01-01-01-01-01-01.wav", folder / name)
    with pytest.raises(DataError) as error:
        RAVDESS(folder).check()
    words(error.value, name, *expected, "expected:")


@pytest.mark.parametrize("share", [0, 0.005, 0.5], ids=["empty", "header cut", "half"])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp4"])
def test_truncated_files_are_said_in_words(folder, words, folder_state, share, suffix):
    name = f"{'02' if suffix == '.mp4' else '03'}-01-03-01-01-01-02{suffix}"
    path = film(folder / "Actor_02" / name) if suffix == ".mp4" else put(folder, name, sound(1, 1.0))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    before = folder_state(folder)
    with pytest.raises(DataError) as error:
        RAVDESS(folder).check()
    words(error.value, name, "expected:")
    assert folder_state(folder) == before


def test_all_files_that_are_damaged_are_named_at_once(folder, words):
    names = ["03-01-03-01-01-01-02.wav", "03-01-04-01-01-01-02.wav"]
    for name in names:
        path = put(folder, name, sound(1, 1.0))
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError) as error:
        RAVDESS(folder).check()
    words(error.value, "2 files cannot be used", *names, "expected:")


def test_a_film_whose_end_is_missing_is_said_in_words(folder, words):
    path = film(folder / "Actor_02" / "02-01-03-01-01-01-02.mp4", frames=20, noise=True)
    assert next(r for r in RAVDESS(folder).recordings() if "face" in r.signals).signal("face").data.shape[0] == 20
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "the header lies at the end"
    for share in (0.5, 0.97):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError) as error:
            RAVDESS(folder).check()
        words(error.value, path.name, "expected: a film")


def test_other_damage_is_said_in_words(folder, tmp_path, words):
    path = put(folder, "03-01-01-01-01-01-01.wav", sound(0), 22050)
    with pytest.raises(DataError) as error:
        RAVDESS(folder).check()
    words(error.value, path.name, "has 22050 Hz", "16000 Hz or 48000 Hz")
    put(folder, path.name, np.zeros((100, 3)))
    with pytest.raises(DataError, match="3 channels"):
        RAVDESS(folder).check()
    put(folder, path.name, np.zeros(0))
    with pytest.raises(DataError, match="holds no sound"):
        RAVDESS(folder).check()
    path.write_bytes(b"RIFF no sound at all" * 9)
    with pytest.raises(DataError, match="cannot be read"):
        RAVDESS(folder).check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no speech of RAVDESS"):
        RAVDESS(tmp_path / "empty").subjects()
    with pytest.raises(SourceNotFoundError, match="There is no"):
        RAVDESS(tmp_path / "nowhere").subjects()


def test_the_real_recordings_are_as_published(real_folder):
    source = RAVDESS(real_folder("ravdess"))
    table = source.table()
    assert len(table) == 1440
    assert table.groupby("actor").size().eq(60).all()
    assert table["emotion"].value_counts().to_dict() == {
        "neutral": 96,
        **dict.fromkeys(("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 192),
    }
    notes = [str(note) for note in source.check()]
    assert "03-01-03-01-02-01-07.flac: holds the same samples as 03-01-03-01-02-02-07.flac" in notes
    assert sum("holds the same samples" in note for note in notes) == 1
    text = "\n".join(notes)
    assert "at the start of 279 files and at the end of 15; 454 files have more than 0.5 s" in text
    assert "29 samples at full scale" in text
    levels = "angry -29.7, fearful -34.6, happy -36.4, surprised -38.3, disgust -40.9, sad -44.6, neutral -47.4, calm "
    assert levels + "-48.8" in text
    assert not any("missing" in note or "several rates" in note for note in notes)
