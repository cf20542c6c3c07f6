"""From a study of faces to predictions on photographs of one's own, as a user types it."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from thymos.sources.simulate.photos import SimulatedFaces

SOURCE = {"photos": 70, "people": 14, "size": 24}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a study and with photographs of every kind."""
    folder = tmp_path_factory.mktemp("faces")
    study = {
        "name": "mine",
        "title": "Mine",
        "source": {"simulated-faces": SOURCE},
        "images": {"size": 24},
        "target": {
            "label": "emotion",
            "classes": {"up": ["happiness", "surprise"], "down": ["sadness", "anger", "fear"]},
        },
        "protocols": {"identity": {"parameters": {"n_splits": 2}}},
        "methods": {"cnn": {"title": "CNN", "steps": [{"face_cnn": {"width": 4, "max_epochs": 2, "lr": 0.01}}]}},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    photos = folder / "photos"
    photos.mkdir()
    other = SimulatedFaces(**{**SOURCE, "random_state": 5}).load().images()
    Image.fromarray(other.X[0, 0]).save(photos / "crop.png")
    Image.fromarray(other.X[1, 0]).convert("RGB").save(photos / "colour.png")
    Image.fromarray(other.X[2, 0].astype(np.uint16) * 256).save(photos / "deep.png")
    Image.fromarray(other.X[3, 0][:1, :1]).save(photos / "dot.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8)).save(photos / "noise.png")
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff no photograph")
    seen = SimulatedFaces(**SOURCE).load().images()
    Image.fromarray(seen.X[0, 0]).save(folder / "seen.png")
    return folder


@pytest.fixture
def model(place, thymos):
    folder = place / "model"
    if not folder.exists():
        status, _, said = thymos("train", place / "study.yaml", "--method", "cnn", "--out", folder, "--no-cache")
        assert status == 0, said
    return folder


def test_a_folder_of_photographs_is_predicted_and_what_cannot_be_is_said(place, model, thymos):
    status, printed, said = thymos("predict", model, place / "photos", "--level", "trial")
    assert status == 1, "some could not be predicted"
    table = pd.read_csv(io.StringIO(printed))
    names = table["trial"].str.extract(r"(\w+)\.\w+$")[0].tolist()
    assert names == ["colour", "crop", "deep"], printed + said
    assert np.allclose(table[["p_down", "p_up"]].sum(axis=1), 1)
    for words in ("broken.jpg", "dot.png", "1 x 1 pixels", "noise.png", "No face was found"):
        assert words in said, words
    assert " at 0x" not in said, "addresses of objects are of no use"


def test_other_files_of_a_folder_are_passed_over_and_said(place, model, thymos):
    grey = SimulatedFaces(**{**SOURCE, "random_state": 5}).load().images()
    folder = place / "mixed"
    folder.mkdir()
    Image.fromarray(grey.X[0, 0]).save(folder / "crop.png")
    Image.fromarray(grey.X[0, 0]).save(folder / "two.gif")
    (folder / "phone.heic").write_bytes(b"heic")
    status, printed, said = thymos("predict", model, folder, "--level", "trial")
    assert status == 0
    assert len(pd.read_csv(io.StringIO(printed))) == 1
    assert "2 of its files (phone.heic, two.gif)" in said


def test_colours_and_sixteen_bits_are_the_same_picture(place, model, thymos):
    grey = SimulatedFaces(**{**SOURCE, "random_state": 5}).load().images()
    Image.fromarray(grey.X[1, 0]).save(place / "grey.png")
    Image.fromarray(grey.X[2, 0]).save(place / "flat.png")
    _, printed, _ = thymos("predict", model, place / "photos" / "colour.png", place / "grey.png", "--level", "trial")
    table = pd.read_csv(io.StringIO(printed))
    assert table["p_up"].iloc[0] == pytest.approx(table["p_up"].iloc[1], abs=1e-6)
    _, printed, _ = thymos("predict", model, place / "photos" / "deep.png", place / "flat.png", "--level", "trial")
    table = pd.read_csv(io.StringIO(printed))
    assert table["p_up"].iloc[0] == pytest.approx(table["p_up"].iloc[1], abs=1e-6)


def test_archives_are_read_in_place_and_pictures_of_training_are_known_again(place, model, thymos):
    with zipfile.ZipFile(place / "some.zip", "w") as archive:
        archive.write(place / "photos" / "crop.png", "a/crop.png")
    status, printed, _ = thymos("predict", model, place / "some.zip", "--format", "json")
    assert status == 0
    assert [row["trial"].rpartition(":")[2] for row in json.loads(printed)["trials"]] == ["a/crop.png"]
    status, _, said = thymos("predict", model, place / "seen.png")
    assert status == 0
    assert "the model has seen this picture" in said


def test_what_is_no_photograph_is_said(place, model, thymos):
    status, _, said = thymos("predict", model, place / "study.yaml")
    assert status == 2
    assert "is no photograph" in said
    status, _, said = thymos("predict", model, place / "nowhere")
    assert status == 2
    assert "There is no" in said


def test_electrodes_of_a_model_of_pictures_are_asked_for_in_vain(place, model, thymos):
    status, _, said = thymos("explain", model, place / "grey.png", "--out", place / "maps")
    assert status == 2
    assert "a model of pictures" in said
