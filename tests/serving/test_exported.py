"""A folder with the graph, what it must be given, and what it costs."""

import hashlib
import json

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Frames
from thymos.models import FaceCNN
from thymos.serving.bundle import Bundle
from thymos.serving.exported import FILES, export_bundle, noise_for, on_onnx
from thymos.serving.pictures import PictureRecipe
from thymos.serving.several import SeveralRecipe, recipe_of
from thymos.signals.processing import signal_spread
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
