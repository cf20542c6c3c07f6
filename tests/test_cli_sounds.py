"""Voices on the command line: a model of utterances, and files that are no use to it."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from thymos.sources.simulate.ravdess import write_ravdess


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    write_ravdess(folder, actors=4, repetitions=1, emotions=["happy", "sad"], sfreq=16000.0)
    study = {
        "name": "voices",
        "title": "Voices",
        "source": "ravdess",
        "modalities": {
            "mel": {
                "of": "speech",
                "process": ["trim_silence", {"normalise_level": {"to": -26.0}}, {"fit_length": {"seconds": 1.5}}],
                "features": [{"log_mel": {"n_mels": 8, "window": 0.05, "step": 0.05}}],
            }
        },
        "windows": {"seconds": 1.5},
        "target": {"label": "emotion"},
        "protocols": {"actor": {"parameters": {"n_splits": 2}}},
        "methods": {"lda": {"steps": [{"pick": {"modality": "mel"}}, "flatten", "channel_scaler", "lda"]}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder


@pytest.fixture
def model(place, thymos):
    folder = place / "model"
    if not folder.exists():
        status, _, said = thymos(
            "train", place / "study.yaml", "--method", "lda", "--data", place, "--out", folder, "--no-cache"
        )
        assert status == 0, said
    return folder


def test_sounds_are_predicted_and_what_is_no_use_is_said(place, model, thymos, tmp_path):
    known = sorted((place / "ravdess" / "Actor_02").glob("*.wav"))[0]
    voice, _ = soundfile.read(known)
    files = {
        "new.flac": (0.5 * voice, 16000),
        "fast.wav": (np.repeat(voice, 3), 48000),
        "stereo.wav": (np.stack([voice, 0.9 * voice], axis=1), 16000),
        "slow.wav": (voice[::2], 8000),
        "silent.wav": (0 * voice, 16000),
        "empty.wav": (voice[:0], 16000),
    }
    for name, (data, rate) in files.items():
        soundfile.write(tmp_path / name, data, rate)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "stereo.wav").read_bytes()[:9000])
    (tmp_path / "voice.mp3").write_bytes(b"ID3")
    paths = [known, *(tmp_path / name for name in (*files, "cut.wav", "voice.mp3", "new.flac")), tmp_path]
    status, printed, said = thymos("predict", model, *paths, "--level", "trial")
    assert status == 1
    table = pd.read_csv(io.StringIO(printed))
    assert table["recording"].tolist() == [str(path) for path in paths[:4]]
    assert set(table["predicted"]) <= {"happy", "sad"}
    own = table.set_index("recording")["p_happy"]
    assert own[str(tmp_path / "new.flac")] == pytest.approx(own[str(known)], abs=0.05), "the level is taken away"
    for words in (
        "the model has seen this recording",
        "resampled from 48000 to 16000 Hz",
        "2 channels are made one",
        "Its rate is 8000 Hz",
        "Its amplitude is 0",
        "about as strong",
        "ffmpeg -i voice.mp3 voice.wav",
        "new.flac: came more than once",
        f"{tmp_path} is a folder",
        "empty.wav holds no sound",
        "cut.wav is truncated",
    ):
        assert words in " ".join(said.split())
    assert "manifest (docs" not in said, "sounds have no unit"
