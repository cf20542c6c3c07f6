"""Random changes of images, with known answers, and blocks."""

import pytest
import torch

from thymos.nn.images import ImageAugmentation, Pixels, ResidualBlock, SqueezeExcite, StochasticDepth

NOTHING = {"flip": 0.0, "rotation": 0.0, "shift": 0.0, "zoom": 0.0, "brightness": 0.0, "erasing": 0.0}


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(6, 1, 12, 12)


def changed(images, monkeypatch=None, draw=None, **parameters):
    if draw is not None:
        monkeypatch.setattr(
            torch,
            "rand",
            lambda *shape, **options: torch.full(shape[0] if isinstance(shape[0], tuple) else shape, draw),
        )
    return ImageAugmentation(**{**NOTHING, **parameters}).train()(images)


def test_without_changes_and_without_training_images_stay_as_they_are(images):
    assert torch.equal(changed(images), images)
    assert torch.equal(ImageAugmentation().eval()(images), images)
    assert not torch.equal(ImageAugmentation().train()(images), images)


def test_a_flip_is_a_mirror_image(images):
    assert torch.allclose(changed(images, flip=1.0), images.flip(-1), atol=1e-5)


@pytest.mark.parametrize(("draw", "turns"), [(1.0, 1), (0.0, -1)])
def test_a_rotation_is_one_in_pixels_also_of_oblong_images(images, monkeypatch, draw, turns):
    made = changed(images, monkeypatch, draw, rotation=90.0)
    assert torch.allclose(made, torch.rot90(images, turns, (2, 3)), atol=1e-4)
    oblong = torch.zeros(1, 1, 12, 24)
    oblong[..., 4:8, 10:14] = 1.0  # a square in the middle stays one
    assert torch.allclose(changed(oblong, monkeypatch, draw, rotation=90.0), oblong, atol=1e-4)


def test_a_shift_moves_by_whole_pixels(images, monkeypatch):
    made = changed(images, monkeypatch, 1.0, shift=0.25)
    assert torch.allclose(made[..., :9, :9], images[..., 3:, 3:], atol=1e-4)
    assert torch.allclose(made[..., :9, 11], images[..., 3:, 11], atol=1e-4), "the border is repeated"


def test_zoom_brightness_and_their_limits(images, monkeypatch):
    small = changed(images, monkeypatch, 0.0, zoom=0.5)  # half as large
    assert torch.allclose(small[..., 3:9, 3:9], torch.nn.functional.avg_pool2d(images, 2), atol=1e-4)
    bright = changed(images, monkeypatch, 1.0, brightness=0.2)
    assert torch.allclose(bright, (1.2 * images).clamp(max=images.max()), atol=1e-6)


def test_erased_is_one_rectangle_of_a_bounded_share():
    torch.manual_seed(1)
    flat = torch.full((200, 1, 40, 40), 0.5)
    flat[:, :, 0, 0], flat[:, :, 39, 39] = 0.0, 1.0  # the range of the noise
    made = changed(flat, erasing=1.0)
    for one in (made != flat)[:, 0]:
        rows, columns = one.any(dim=1), one.any(dim=0)
        share = float(one.float().mean())
        assert 0.01 < share < 0.25
        assert share == pytest.approx(float(rows.float().mean() * columns.float().mean()), abs=0.01)
    assert 0 <= made.min() <= made.max() <= 1
    some = (changed(flat, erasing=0.3) != flat).flatten(1).any(dim=1).float().mean()
    assert 0.2 < some < 0.4


def test_changes_are_each_images_own():
    torch.manual_seed(0)
    made = ImageAugmentation().train()(torch.rand(1, 1, 16, 16).repeat(8, 1, 1, 1))
    assert len({one.numpy().tobytes() for one in made}) == 8


def test_grey_values_become_shares_and_are_standardised():
    whole = torch.randint(0, 256, (300, 3, 5, 5), dtype=torch.uint8)
    whole[:, 2] = 7
    pixels = Pixels(3)
    pixels.learn(whole)
    made = pixels.standardise(pixels(whole))
    assert made.dtype == torch.float32
    assert torch.allclose(made[:, :2].mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(made[:, :2].std(dim=(0, 2, 3), correction=0), torch.ones(2), atol=1e-5)
    assert torch.isfinite(made).all()
    assert torch.equal(pixels(whole[:1].float() / 255), pixels(whole[:1]))


def test_random_depth_keeps_the_mean():
    torch.manual_seed(0)
    layer = StochasticDepth(0.25).train()
    made = layer(torch.ones(4000, 1, 1, 1)).flatten()
    assert made.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert float(made.mean()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(layer.eval()(made), made)


def test_blocks_begin_as_their_shortcut_and_halve():
    x = torch.rand(2, 4, 9, 9)
    assert torch.allclose(ResidualBlock(4, 4).eval()(x), x)
    assert ResidualBlock(4, 8, 2)(x).shape == (2, 8, 5, 5)
    assert SqueezeExcite(3)(x[:, :3]).shape == (2, 3, 9, 9)
