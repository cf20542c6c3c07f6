"""A folder with the graph, what it must be given, and what it costs."""

import hashlib
import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from thymos.base.errors import InputError
from thymos.base.recording import Frames
from thymos.models import FaceCNN, SpeechCNN
from thymos.serving.bundle import Bundle
from thymos.serving.exported import FILES, export_bundle, noise_for, on_onnx
from thymos.serving.pictures import PictureRecipe
from thymos.serving.several import SeveralRecipe, recipe_of
from thymos.signals.processing import signal_spread
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.training.pipeline import make_pipeline

RECIPE = recipe_of(
    {
        **{"modality": "eeg", "channels": ["F3", "F4"], "unit": "V", "rates": [100.0], "spread": 2e-5},
        **{"process": [], "processed": {"channels": ["F3", "F4"], "sfreq": 100.0, "unit": "V"}},
        **{"seconds": 2.0, "subtract_baseline": True, "features": ["band_power"]},
    }
    | {"features": [{"name": "band_power", "parameters": {"sfreq": 100.0, "bands": {"alpha": [8, 14]}}}]}
)
PICTURES = PictureRecipe(modality="face", shape=(1, 16, 16))
VOICE = {"channels": ["mono"], "unit": ""}
SPEECH = recipe_of(
    {
        **{"modality": "speech", **VOICE, "rates": [8000.0], "spread": 0.05, "seconds": 0.5},
        **{"process": [{"name": "fit_length", "parameters": {"seconds": 0.5}}]},
        **{"processed": {**VOICE, "sfreq": 8000.0}},
        **{"features": [{"name": "log_mel", "parameters": {"sfreq": 8000.0, "n_mels": 16}}]},
    }
)


@pytest.fixture(scope="module")
def faces():
    X = np.random.default_rng(0).integers(0, 256, (20, 1, 16, 16), dtype=np.uint8)
    network = FaceCNN(width=4, max_epochs=1, device="cpu", random_state=0)
    return Bundle(make_pipeline(network).fit(X, np.array(["a", "b"] * 10)), PICTURES, ("a", "b"))


def test_noise_is_as_loud_as_training_and_long_enough():
    (recording,) = noise_for(RECIPE)
    signal = recording.signal("eeg")
    assert signal.ch_names == ("F3", "F4")
    assert signal_spread(signal) == pytest.approx(2e-5, rel=0.05)
    assert signal.duration >= 128
    assert "eeg" in recording.baseline
    (recording,) = noise_for(PICTURES)
    assert isinstance(recording.signal("face"), Frames)
    assert recording.signal("face").data.shape[1:] == (1, 16, 16)


@pytest.mark.parametrize("seconds", [0.5, None])
def test_noise_is_several_recordings_where_each_becomes_one_sample(seconds, unmeasured, tmp_path):
    recipe = SPEECH.model_copy(update={"seconds": seconds})
    recordings = noise_for(recipe)
    assert len({recording.meta["trial"] for recording in recordings}) == len(recordings) == 64
    X = Bundle(None, recipe, ("a", "b")).samples(recordings).X
    assert len(X) == 64
    assert len(np.unique(X.reshape(len(X), -1), axis=0)) == 64
    network = SpeechCNN(width=2, blocks=1, max_epochs=1, device="cpu", random_state=0)
    pipeline = make_pipeline(ChannelScaler(), network).fit(X, np.array(["a", "b"] * 32))
    made = export_bundle(Bundle(pipeline, recipe, ("a", "b")), tmp_path / "onnx")
    assert made["samples"]["n"] == 64
    assert made["graph"]["difference"] < 1e-4


def test_the_time_of_a_window_is_that_of_a_recording_that_has_one(unmeasured, tmp_path):
    recipe = RECIPE.model_copy(update={"subtract_baseline": False})
    (long,) = noise_for(recipe)
    X = Bundle(None, recipe, ("a", "b")).samples([long]).X
    pipeline = make_pipeline(Flatten(), ChannelScaler(), LogisticRegression())
    bundle = Bundle(pipeline.fit(X, np.resize(["a", "b"], len(X))), recipe, ("a", "b"))
    short = long.map("eeg", lambda signal: signal.replace(data=signal.data[:, :150]))
    for recordings in ([short, long], [long, short]):
        made = export_bundle(bundle, tmp_path / "onnx", recordings, overwrite=True)
        assert set(made["window"]) == {"trained", "model.onnx"}
        assert [len(call(None)) for call in unmeasured[-1].values()] == [1, 1]


def test_where_noise_has_no_samples_recordings_are_asked_for(tmp_path, words):
    """Of an amplitude that nobody knows it is silence, without a heart beat."""
    pulse = {"channels": ["ECG"], "unit": "V"}
    recipe = recipe_of(
        {
            **{"modality": "ecg", **pulse, "rates": [100.0], "spread": 0.0, "seconds": None},
            **{"processed": {**pulse, "sfreq": 100.0}},
            "features": [{"name": "heart_features", "parameters": {"kind": "ecg", "only": ["rmssd"]}}],
        }
    )
    bundle = Bundle(None, recipe, ("a", "b"))
    with pytest.raises(InputError) as error:
        bundle.samples(noise_for(recipe))
    words(error.value, "No recording has a window", "no prediction", "expected: recordings that have all values")
    with pytest.raises(InputError) as error:
        export_bundle(bundle, tmp_path / "onnx")
    words(error.value, "noise", "give recordings")


def test_without_a_model_in_eight_bits_the_rest_is_written_with_the_reason(faces, unmeasured, tmp_path, monkeypatch):
    from onnxruntime import quantization

    def fail(*_, **__):
        raise RuntimeError("not today")

    monkeypatch.setattr(quantization, "quantize_static", fail)
    made = export_bundle(faces, tmp_path / "onnx", int8=True)
    assert made["int8"] == {"reason": "The model cannot be quantised: RuntimeError: not today."}
    assert json.loads((tmp_path / "onnx" / "export.json").read_text())["int8"] == made["int8"]
    assert {path.name for path in (tmp_path / "onnx").iterdir()} == {"export.json", "model.onnx"}
    assert [row["model"] for row in made["costs"]] == ["trained", "model.onnx"]


def test_the_head_says_what_is_there_and_what_it_costs(faces, tmp_path):
    faces.save(tmp_path / "b")
    bundle = Bundle.load(tmp_path / "b")
    assert bundle.digest == json.loads((tmp_path / "b" / "bundle.json").read_text())["checksum"]
    made = export_bundle(bundle, tmp_path / "onnx")
    head = json.loads((tmp_path / "onnx" / "export.json").read_text())
    assert head["classes"] == ["a", "b"] == made["classes"]
    assert head["bundle"] == bundle.digest
    assert head["recipe"]["shape"] == [1, 16, 16]
    assert head["samples"]["of"] == "noise of the amplitude of training"
    content = (tmp_path / "onnx" / "model.onnx").read_bytes()
    assert head["checksums"] == {"model.onnx": hashlib.sha256(content).hexdigest()}
    trained, graph = head["costs"]
    assert trained["parameters"] == sum(p.numel() for p in bundle.pipeline[-1].module_.parameters())
    assert trained["operations"] > 0
    assert graph["bytes"] == len(content)
    assert graph["memory"] > 0
    recordings = noise_for(PICTURES, seed=1)
    known, other = (b.predict(recordings) for b in (bundle, on_onnx(bundle, tmp_path / "onnx" / "model.onnx")))
    assert np.allclose(known[["p_a", "p_b"]], other[["p_a", "p_b"]], atol=1e-5)
    assert set(FILES) >= {path.name for path in (tmp_path / "onnx").iterdir()}


def test_several_modalities_are_refused_and_nothing_is_left(faces, tmp_path):
    several = SeveralRecipe(modalities={"face": PICTURES, "eeg": RECIPE}, shapes={"face": (1, 16, 16), "eeg": (2, 9)})
    with pytest.raises(InputError, match="takes face, eeg, and windows may lack one"):
        export_bundle(faces.replace(recipe=several), tmp_path / "onnx")
    assert not list(tmp_path.iterdir())
