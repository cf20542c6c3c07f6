"""Photographs of anybody, as a model of pictures takes them."""

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Frames, Recording, Signal
from thymos.evaluation.final import train_method
from thymos.evaluation.make import make_samples, make_source
from thymos.evaluation.study_files import parse_study
from thymos.serving.adapt import Recipe
from thymos.serving.bundle import Bundle
from thymos.serving.pictures import PictureRecipe, adapt_picture
from thymos.serving.several import recipe_of

PLAIN = {"modality": "face", "shape": [1, 24, 24], "process": []}


def recording(data, **more):
    meta = {"source": "file", "subject": "-", "session": "1", "trial": "me.png", "stimulus": "-"}
    return Recording({"face": Frames(np.asarray(data, dtype=np.uint8), **more)}, meta)


def picture(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (1, *shape))


def adapted(data, recipe=PLAIN, **more):
    recipe = recipe_of(recipe)
    return adapt_picture(recording(data, **more), recipe, recipe.processes())


@pytest.fixture
def faces(monkeypatch):
    """Let as many faces be found as a test says."""

    def find(*boxes):
        for place in ("thymos.serving.pictures", "thymos.signals.faces"):
            monkeypatch.setattr(f"{place}.detect_faces", lambda *given: np.array(boxes, dtype=int).reshape(-1, 4))

    return find


def test_crops_of_the_size_of_training_are_taken_whole():
    data = picture(1, 24, 24)
    frames, notes = adapted(data)
    assert np.array_equal(frames.data, data)
    assert notes == []


def test_in_other_pictures_the_largest_face_is_cut_out(faces):
    data = picture(3, 100, 80)
    faces((10, 20, 40, 40), (60, 60, 12, 12))
    frames, notes = adapted(data)
    assert frames.data.shape == (1, 1, 24, 24)
    assert notes == ["2 faces were found: the largest is taken", "a face was cut out of 80 x 100 pixels"]
    faces((10, 20, 40, 40))
    alone, notes = adapted(data)
    assert np.array_equal(alone.data, frames.data)
    assert notes == ["a face was cut out of 80 x 100 pixels"]


def test_without_a_face_nothing_is_made_up(faces):
    faces()
    with pytest.raises(InputError) as error:
        adapted(picture(1, 64, 64))
    assert "'me.png' does not fit the model" in str(error.value)
    assert "No face was found" in str(error.value)
    assert "a picture of exactly 24 x 24 pixels is taken as it is" in str(error.value)


def test_what_is_too_small_or_empty_or_no_picture_is_said():
    with pytest.raises(InputError, match="1 x 1 pixels"):
        adapted(picture(1, 1, 1))
    _, notes = adapted(np.full((1, 1, 24, 24), 7))
    assert "hardly shows anything" in notes[0]
    signal = Recording({"face": Signal(np.zeros((1, 10)), 1.0, ("a",), "V")}, recording(picture(1, 24, 24)).meta)
    with pytest.raises(InputError, match="is a signal"):
        adapt_picture(signal, recipe_of(PLAIN), [])


def test_processes_of_the_study_replace_the_search_for_faces(faces):
    faces()
    recipe = {**PLAIN, "process": [{"name": "normalise_faces", "parameters": {"size": 24}}]}
    frames, _ = adapted(picture(3, 50, 70), recipe)
    assert frames.data.shape == (1, 1, 24, 24)


PHOTOS = {"simulated-faces": {"photos": 40, "people": 10, "size": 32}}
FILMS = {"simulated": {"subjects": 2, "trials": 4, "seconds": 6, "montage": "muse4", "size": 24, "frame_rate": 0.5}}


@pytest.mark.parametrize(
    ("source", "target"),
    [(PHOTOS, {"label": "emotion", "classes": {"up": ["happiness"], "down": ["sadness", "anger"]}}),
     (FILMS, {"label": "valence", "above": 5})],
)  # fmt: skip
def test_pictures_of_the_source_are_made_smaller_whole_as_in_training(source, target, faces):
    """A face is cut out of what is not of the source that the model was trained on."""
    faces()
    study = parse_study({
        **{"name": "small", "title": "Small", "source": source, "modality": "face", "images": {"size": 16}},
        **{"target": target, "level": "trial", "protocols": {"trial": {"parameters": {"n_splits": 2}}}},
        "methods": {"plain": {"steps": ["flatten", "lda"]}},
    })  # fmt: skip
    bundle, samples, notes = Bundle.of(train_method(study, "plain")), make_samples(study), []
    recordings = [r for r in make_source(study, None).load() if r.meta["trial"] in set(samples.meta["trial"])]
    table = bundle.predict(recordings, notes)
    expected = bundle.probabilities(samples.X)
    assert np.allclose(table[[f"p_{name}" for name in bundle.classes]].to_numpy(), expected, atol=1e-6)
    assert table[["start", "stop"]].equals(samples.meta[["start", "stop"]]), "by which windows get their frames"
    assert len(notes) == len(recordings)
    assert all("has seen this picture" in text for _, text in notes)
    stranger = Recording(recordings[0].signals, {**recordings[0].meta, "source": "file"})
    with pytest.raises(InputError, match="No face was found"):
        bundle.predict([stranger])


def test_models_of_colours_are_given_three_channels():
    frames, _ = adapted(picture(1, 24, 24), {**PLAIN, "shape": [3, 24, 24]})
    assert frames.data.shape == (1, 3, 24, 24)


def test_recipes_of_pictures_and_of_signals_are_told_apart():
    assert isinstance(recipe_of(PLAIN), PictureRecipe)
    with pytest.raises(InputError, match="shape"):
        recipe_of({**PLAIN, "shape": [2, 24, 24]})
    with pytest.raises(InputError, match="address"):
        recipe_of({**PLAIN, "process": [{"name": "os:system"}]})
    with pytest.raises(InputError, match="channels"):
        recipe_of({"modality": "eeg"})
    assert not issubclass(PictureRecipe, Recipe)
