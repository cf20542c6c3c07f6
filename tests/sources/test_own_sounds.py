"""Sounds of a user for a model that is already trained."""

import numpy as np
import pytest
import soundfile

from thymos.base.errors import DataError
from thymos.sources.own_sounds import own_sound


def write(path, data, sfreq=16000):
    soundfile.write(path, np.asarray(data, np.float32), sfreq, subtype="PCM_16")
    return path


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_a_sound_becomes_a_recording_named_after_its_file(tmp_path, form):
    voice = 0.3 * np.sin(np.arange(8000) / 20)
    recording, notes = own_sound(write(tmp_path / f"a.{form}", voice), "speech")
    signal = recording.signal("speech")
    assert (signal.sfreq, signal.ch_names, signal.unit) == (16000.0, ("mono",), "")
    assert np.allclose(signal.data[0], voice, atol=1e-4)
    assert recording.meta["trial"] == str(tmp_path / f"a.{form}")
    assert notes == []


def test_stereo_is_made_one_and_clipping_is_said(tmp_path):
    voice = 0.3 * np.sin(np.arange(4000) / 20)
    recording, notes = own_sound(write(tmp_path / "a.wav", np.stack([voice, 2 * voice], axis=1)))
    assert np.allclose(recording.signal("speech").data, 1.5 * voice, atol=1e-4)
    assert notes == ["2 channels are made one by their mean"]
    loud = np.clip(3 * np.sin(np.arange(8000) / 20), -1, 1)
    _, notes = own_sound(write(tmp_path / "b.wav", loud))
    assert "is clipped" in notes[0]


def test_an_offset_is_said(tmp_path):
    voice = 0.02 * np.sin(np.arange(8000) / 20)
    assert own_sound(write(tmp_path / "a.wav", voice + 0.002))[1] == []
    _, notes = own_sound(write(tmp_path / "b.wav", np.stack([voice, voice - 0.25], axis=1)))
    assert "does not swing about 0 but about 0.25 of full scale" in notes[1]


def test_what_is_no_sound_is_said_in_words(tmp_path):
    whole = write(tmp_path / "a.wav", np.ones(8000) * 0.1).read_bytes()
    (tmp_path / "short.wav").write_bytes(whole[:5000])
    (tmp_path / "text.wav").write_text("no sound")
    write(tmp_path / "empty.wav", np.zeros(0))
    for name, words in (
        ("short.wav", "truncated"),
        ("text.wav", "wav or flac"),
        ("empty.wav", "holds no sound"),
        ("gone.wav", "There is no file"),
    ):
        with pytest.raises(DataError, match=words):
            own_sound(tmp_path / name)
