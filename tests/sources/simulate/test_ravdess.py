import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.random import child_seed
from thymos.sources.ravdess import RAVDESS
from thymos.sources.simulate.ravdess import write_ravdess
from thymos.sources.simulate.speech import speakers, synthesise

SMALL = {"actors": 2, "repetitions": 1, "emotions": ["neutral", "angry"], "sfreq": 16000.0}


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_what_is_written_is_read(check_writer, form):
    folder, truth = check_writer(write_ravdess, "ravdess", f".{form}", form=form, **SMALL)
    source = RAVDESS(folder)
    recordings = {r.meta["trial"]: r for r in source.recordings()}
    assert len(recordings) == len(truth["files"]) == 2 * (2 + 4)
    recording = recordings["01-05-02-02-01-02"]
    seed = child_seed(3, "ravdess", 1, "angry", 2, 2, 1)
    sound = synthesise("angry", speakers(2, 3)[1], 1.0, 1, seed, 16000.0)
    signal = recording.signal("speech")
    assert signal.sfreq == 16000
    assert np.abs(signal.data[0] - sound).max() <= 2**-16 + 1e-7
    expected = {"actor": "02", "sex": "female", "emotion": "angry", "intensity": "strong", "statement": "dogs"}
    assert {key: recording.meta[key] for key in expected} == expected
    assert truth["voices"][0]["f0"] < truth["voices"][1]["f0"]


def test_an_actor_says_the_published_sixty(tmp_path):
    folder = write_ravdess(tmp_path, actors=1, sfreq=16000.0)
    assert not any("missing" in str(note) for note in RAVDESS(folder).check())
    assert len(RAVDESS(folder).table()) == 60


def test_the_default_rate_is_the_published_one(tmp_path):
    folder = write_ravdess(tmp_path, actors=1, repetitions=1, emotions=["calm"])
    assert next(iter(RAVDESS(folder).recordings())).signal("speech").sfreq == 48000


def test_wrong_parameters_leave_nothing(tmp_path):
    for wrong in ({"form": "mp3"}, {"actors": 25}, {"repetitions": 3}, {"sfreq": 8000}, {"emotions": ["joy"]}):
        with pytest.raises(InputError):
            write_ravdess(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())
