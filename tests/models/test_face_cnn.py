"""Classifiers of small photographs."""

import numpy as np
import pytest
import torch

from thymos.base.errors import InputError
from thymos.models.catalogue import MODELS
from thymos.models.face_cnn import CompactFaceNet, FaceCNN, ThreeBlockCNN
from thymos.nn.recurrent import count_parameters
from thymos.sources.simulate.images import album

SMALL = {"width": 4, "max_epochs": 2, "batch_size": 16, "random_state": 0}


@pytest.fixture(scope="module")
def faces():
    """Return uint8 images of two kinds: bright above, or bright below."""
    rng = np.random.default_rng(0)
    y = np.array(["above", "below"])[np.arange(120) % 2]
    X = rng.integers(0, 120, (120, 1, 16, 16))
    X[y == "above", :, :8] += 60
    X[y == "below", :, 8:] += 60
    return X.astype(np.uint8), y


def test_the_layers_are_those_of_the_card():
    network = ThreeBlockCNN((1, 48, 48), 7).eval()
    x, shapes = torch.zeros(2, 1, 48, 48), []
    for layer in network.maps:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert [s for s in shapes if len(s) == 3][3::4] == [(32, 24, 24), (64, 12, 12), (128, 6, 6)]
    assert (4608,) in shapes
    assert shapes[-1] == (256,)
    by_hand = 9 * (32 + 32 * 64 + 64 * 128) + 2 * (32 + 64 + 128) + 4608 * 256 + 2 * 256 + 256 * 7 + 7
    assert count_parameters(network) == by_hand


def test_the_compact_network_is_smaller_and_takes_any_size():
    network = CompactFaceNet((1, 48, 48), 7).eval()
    assert count_parameters(network) < count_parameters(ThreeBlockCNN((1, 48, 48), 7))
    for shape in ((1, 48, 48), (1, 8, 8), (1, 31, 65)):
        made = CompactFaceNet(shape, 3, width=4).eval()
        assert made(torch.zeros(2, *shape)).shape == (2, 3)
        assert ThreeBlockCNN(shape, 3, width=4).eval()(torch.zeros(2, *shape)).shape == (2, 3)


@pytest.mark.parametrize("architecture", ["three_block", "compact"])
def test_it_learns_from_whole_numbers_without_a_copy_as_floats(architecture, faces, monkeypatch):
    X, y = faces
    seen = []
    begin = FaceCNN.begin
    monkeypatch.setattr(
        FaceCNN, "begin", lambda self, module, data: (seen.append(data.dtype), begin(self, module, data))
    )
    model = FaceCNN(architecture, **{**SMALL, "width": 8, "max_epochs": 12, "lr": 1e-2}, patience=None)
    model.fit(X[:80], y[:80], validation=(X[80:], y[80:]))
    assert seen == [torch.uint8]
    assert (model.predict(X[80:]) == y[80:]).mean() > 0.9
    floats = model.predict_proba(X[80:].astype(np.float32) / 255)
    assert np.allclose(floats, model.predict_proba(X[80:]), atol=1e-5)


def test_the_best_macro_f1_is_kept(faces):
    X, y = faces
    model = FaceCNN(**{**SMALL, "max_epochs": 5}).fit(X[:80], y[:80], validation=(X[80:], y[80:]))
    scores = [h["valid_macro_f1"] for h in model.history_]
    assert model.best_epoch_ == int(np.argmax(scores)) + 1
    assert "macro F1" in model.selection_
    from sklearn.metrics import f1_score

    assert f1_score(y[80:], model.predict(X[80:]), average="macro") == pytest.approx(max(scores))


def test_whole_numbers_of_any_type_are_the_same_pictures(faces):
    X, y = faces
    model = FaceCNN(**SMALL).fit(X.astype(np.int64), y, validation=(X[:20].astype(np.int16), y[:20]))
    same = FaceCNN(**SMALL).fit(X, y, validation=(X[:20], y[:20]))
    for kind in (np.uint8, np.int64, np.uint16, np.float32, np.float64):
        assert np.array_equal(model.predict_proba(X.astype(kind)), same.predict_proba(X))
    with pytest.raises(InputError, match="whole numbers from 0 to 255, as in training"):
        model.predict(X / 100)
    for white in (1, 255, 1000):
        floats = FaceCNN(**SMALL).fit(np.float32(X / (255 / white)), y)
        same = floats.predict_proba(np.float32(X / (255 if white == 1 else 1)))
        assert np.allclose(floats.predict_proba(X), same, atol=1e-6)


def test_the_last_batch_may_hold_one_image_of_which_a_pixel_is_left():
    X = np.random.default_rng(0).integers(0, 256, (9, 1, 32, 32), dtype=np.uint8)
    model = FaceCNN(architecture="compact", width=2, depths=(1,) * 5, batch_size=4, max_epochs=1, random_state=0)
    assert model.fit(X, list("ababababa")).predict_proba(X).shape == (9, 2)


def test_mirror_images_are_averaged(faces):
    X, y = faces
    model = FaceCNN(**SMALL, mirrored=True).fit(X, y)
    made = model.predict_proba(X)
    assert np.allclose(made, model.predict_proba(X[..., ::-1]), atol=1e-6)
    model.mirrored = False
    assert not np.allclose(made, model.predict_proba(X), atol=1e-6)


def test_images_are_changed_in_training_and_never_in_predictions(faces):
    X, y = faces
    plain = {"flip": 0.0, "rotation": 0.0, "shift": 0.0, "brightness": 0.0, "erasing": 0.0, "dropout": 0.0}
    one, other = FaceCNN(**SMALL, **plain).fit(X, y), FaceCNN(**SMALL, **{**plain, "flip": 1.0}).fit(X, y)
    assert one.history_[0]["train_loss"] != other.history_[0]["train_loss"]
    assert np.array_equal(other.predict_proba(X), other.predict_proba(X))


def test_seeds_decide(faces):
    X, y = faces
    made = [FaceCNN(**{**SMALL, "random_state": seed}).fit(X, y).predict_proba(X) for seed in (0, 0, 1)]
    assert np.array_equal(made[0], made[1])
    assert not np.allclose(made[0], made[2])


def test_bfloat16_is_used_where_it_is_fast_and_losses_stay_float32(faces, monkeypatch):
    X, y = faces
    monkeypatch.setattr("thymos.training.estimator.fast_in_half", lambda device: True)
    half, full = (FaceCNN("compact", **SMALL, amp=amp).fit(X, y) for amp in (True, False))
    losses = [[h["train_loss"] for h in one.history_] for one in (half, full)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)
    assert half.predict_proba(X).dtype == np.float64


def test_mixtures_of_whole_numbers_do_not_overflow(faces):
    X, y = faces
    model = FaceCNN(**SMALL, mixup=0.2).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_simulated_expressions_are_learnt():
    made = album(240, 40, 0, 48, 3.0, False, 0.0)
    y = np.where(np.isin(made.label, ["happiness", "surprise"]), "up", "other")
    X = made.pictures.reshape(240, 1, 48, 48)
    model = FaceCNN("compact", **{**SMALL, "width": 8, "max_epochs": 10, "lr": 5e-3}, patience=None).fit(
        X[:180], y[:180]
    )
    assert (model.predict(X[180:]) == y[180:]).mean() > max(np.mean(y[180:] == c) for c in set(y))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"architecture": "vgg"}, "three_block or compact"),
        ({"width": 0}, "whole number"),
        ({"rotation": 400.0}, "rotation"),
        ({"flip": 2.0}, "flip"),
        ({"architecture": "compact", "depths": 3}, "blocks of each stage"),
        ({"monitor": "f2"}, "macro_f1"),
    ],
)
def test_impossible_parameters_are_said_in_words(wrong, words, faces):
    with pytest.raises(InputError) as error:
        FaceCNN(**{**SMALL, **wrong}).fit(*faces)
    assert words in str(error.value)


def test_what_is_no_image_is_refused(faces):
    with pytest.raises(InputError, match="images"):
        FaceCNN(**SMALL).fit(np.zeros((8, 2, 5, 5), np.float32), list("abababab"))


@pytest.mark.parametrize("name", ["face_cnn", "compact_face_cnn"])
def test_presets_are_what_they_say(name):
    row = MODELS[name]
    model = row.load()(**row.parameters)
    assert (model.architecture == "compact") == (name == "compact_face_cnn")


def test_read_only_images_are_predicted_without_a_warning(faces):
    X, y = faces
    model = FaceCNN(**SMALL).fit(X, y)
    known = model.predict_proba(X)
    X = X.copy()
    X.flags.writeable = False
    assert np.array_equal(model.predict_proba(X), known)
