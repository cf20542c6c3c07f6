import sys
import types

import numpy as np
import pytest

from thymos.base.errors import InputError, MissingExtraError
from thymos.base.recording import Frames
from thymos.signals import faces
from thymos.signals.faces import CASCADES, crop_faces, detect_faces, normalise_faces
from thymos.sources.simulate.faces import identities, simulate_faces

pytest.importorskip("cv2")


def wall(seed=0, height=240, width=320):
    """Draw a wall with blotches and grain, and no face."""
    rng = np.random.default_rng(seed)
    blotches = np.kron(rng.normal(128, 25, (height // 20, width // 20)), np.ones((20, 20)))
    return np.clip(blotches + rng.normal(0, 10, (height, width)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def portrait():
    """Return a simulated photograph of 100 x 100 pixels; the face reaches from 16 to 84 across."""
    return simulate_faces(["neutral"], identities(1, 1), random_state=3, size=100)[0]


def hung(portrait, x, y, seed=0):
    picture = wall(seed)
    picture[y : y + 100, x : x + 100] = portrait
    return picture


def overlap(a, b):
    """Return intersection over union of two boxes."""
    sides = [min(a[k] + a[k + 2], b[k] + b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
    both = max(sides[0], 0) * max(sides[1], 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


@pytest.mark.parametrize("cascade", CASCADES)
@pytest.mark.parametrize(("x", "y"), [(10, 20), (150, 110)])
def test_a_face_is_found_where_it_is(portrait, cascade, x, y):
    picture = hung(portrait, x, y)
    box = detect_faces(picture, cascade)[0]
    assert overlap(box, (x + 16, y + 16, 68, 68)) > 0.7
    colour = np.stack([picture] * 3)
    assert np.array_equal(detect_faces(colour, cascade)[0], box)


def test_a_wall_has_no_face():
    for seed in range(3):
        found = detect_faces(wall(seed))
        assert found.shape == (0, 4)
    assert detect_faces(np.zeros((1, 48, 48), np.uint8)).shape == (0, 4)


def test_the_largest_face_comes_first_and_small_ones_can_be_left_out(portrait):
    picture = wall()
    small = normalise_faces(Frames(portrait[None, None]), 70).data[0, 0]
    picture[20:120, 190:290], picture[130:200, 30:100] = portrait, small
    first, second = detect_faces(picture)
    assert first[2] > second[2]
    assert first[0] > 190 > second[0]
    assert len(detect_faces(picture, least=0.25)) == 1


def test_a_face_without_anything_around_it_is_found(portrait):
    tight = portrait[20:80, 20:80]
    assert overlap(detect_faces(tight)[0], (0, 0, 60, 60)) > 0.6


def test_small_pictures_are_enlarged_so_that_crops_are_found_and_come_out_whole():
    crops = simulate_faces(["neutral"] * 24, identities(24, 4), random_state=6)
    found = [detect_faces(crop) for crop in crops]
    assert np.mean([len(boxes) > 0 for boxes in found]) > 0.7
    assert all(overlap(boxes[0], (5, 5, 38, 38)) > 0.5 for boxes in found if len(boxes))
    faces = crop_faces(Frames(crops[:, None]), margin=0.3, missing="keep")
    assert np.array_equal(faces.data[:, 0], crops)


def test_a_crop_is_the_square_around_the_face(portrait):
    frames = Frames(hung(portrait, 150, 110)[None, None])
    x, y, side, _ = detect_faces(frames.data[0])[0]
    plain = crop_faces(frames, size=side, margin=0.0)
    assert plain.data.shape == (1, 1, side, side)
    assert np.array_equal(plain.data[0, 0], frames.data[0, 0, y : y + side, x : x + side])
    wide = crop_faces(frames, size=2 * side, margin=0.5)
    middle = frames.data[0, 0, y - side // 2 : y + 2 * side - side // 2, x - side // 2 : x + 2 * side - side // 2]
    assert np.abs(wide.data[0, 0].astype(int) - middle).mean() < 25
    assert crop_faces(Frames(np.repeat(frames.data, 3, axis=1))).data.shape == (1, 1, 48, 48)


def test_squares_stay_inside_the_picture(portrait):
    for x, y in ((0, 0), (220, 140)):
        frames = Frames(hung(portrait, x, y)[None, None])
        assert crop_faces(frames, margin=1.5, size=240).data.shape == (1, 1, 240, 240)
    whole = crop_faces(Frames(portrait[None, None]), margin=2.0, size=100)
    assert np.array_equal(whole.data[0, 0], portrait)


def film(portrait, places, sfreq=10.0):
    pictures = [wall() if place is None else hung(portrait, *place) for place in places]
    return Frames(np.stack(pictures)[:, None], sfreq, 2.0)


def test_a_film_follows_the_face_and_bridges_frames_without_one(portrait):
    places = [(100, 100)] * 6 + [None] * 3 + [(100, 100)] * 6
    made = crop_faces(film(portrait, places), size=60)
    assert (made.sfreq, made.start) == (10.0, 2.0)
    away = np.abs(made.data.astype(int) - made.data[0]).mean(axis=(1, 2, 3))
    assert away[[*range(1, 6), *range(9, 15)]].max() < 1
    assert away[6:9].min() > 10
    empty = film(portrait, [None] * 15).data[6:9]
    x, y, side, _ = detect_faces(film(portrait, places).data[0])[0]
    middle = empty[..., y + side // 2, x + side // 2]
    assert np.abs(made.data[6:9, 0, 30, 30].astype(int) - middle[:, 0]).max() < 60


def seen(monkeypatch, boxes, **options):
    """Return crops, 50 x 50, of a film of a wall in which these boxes are found."""
    left = iter([np.reshape(box, (-1, 4)) for box in boxes])
    monkeypatch.setattr(faces, "detect_faces", lambda *_: next(left))
    pictures = np.repeat(wall()[None, None], options.pop("n_frames", len(boxes)), axis=0)
    return crop_faces(Frames(pictures, 10.0), size=50, margin=0.0, **options).data[:, 0]


def test_a_hit_elsewhere_does_not_move_the_square(monkeypatch):
    made = seen(monkeypatch, [[100, 100, 50, 50]] * 4 + [[10, 10, 120, 120]] + [[100, 100, 50, 50]] * 4)
    assert (made == wall()[100:150, 100:150]).all()


def test_a_frame_without_a_face_takes_the_nearest_box(monkeypatch):
    made = seen(monkeypatch, [[20, 30, 50, 50]] * 8 + [[]] * 4 + [[200, 150, 50, 50]] * 8)
    assert (made[:8] == wall()[30:80, 20:70]).all()
    assert (made[12:] == wall()[150:200, 200:250]).all()


def test_faces_are_looked_for_in_every_so_many_frames(monkeypatch):
    made = seen(monkeypatch, [[20, 30, 50, 50]] * 3, n_frames=7, every=3)
    assert (made == wall()[30:80, 20:70]).all()


def test_photographs_stand_for_themselves(portrait):
    pair = Frames(np.stack([hung(portrait, 10, 20), hung(portrait, 150, 110)])[:, None])
    made = crop_faces(pair, size=60)
    alone = [crop_faces(Frames(pair.data[k : k + 1]), size=60).data[0] for k in (0, 1)]
    assert np.array_equal(made.data, np.stack(alone))


def test_pictures_without_a_face_are_named_or_kept_whole(words, portrait):
    empty = Frames(wall()[None, None])
    with pytest.raises(InputError) as error:
        crop_faces(empty)
    words(error.value, "No face", "320 x 240", "missing='keep'")
    kept = crop_faces(empty, missing="keep")
    assert np.array_equal(kept.data, normalise_faces(empty).data)
    with pytest.raises(InputError, match="in any of 2"):
        crop_faces(film(portrait, [None, None]))
    mixed = Frames(np.stack([wall(), hung(portrait, 10, 20)])[:, None])
    with pytest.raises(InputError, match="in 1 of 2"):
        crop_faces(mixed)
    assert len(crop_faces(mixed, missing="keep").data) == 2
    assert crop_faces(Frames(np.empty((0, 1, 48, 48), np.uint8))).data.shape == (0, 1, 48, 48)


def test_equalised_pictures_do_not_know_their_light(portrait):
    frames = Frames(np.minimum(hung(portrait, 10, 20), 200)[None, None])
    lit = frames.replace(data=frames.data + np.uint8(50))
    for function in (normalise_faces, crop_faces):
        plain, equal = ([function(f, equalise=e).data.astype(int) for f in (frames, lit)] for e in (False, True))
        assert np.abs(plain[0] - plain[1]).min() > 45
        assert np.abs(equal[0] - equal[1]).mean() < 1
        assert np.ptp(equal[0]) == 255 > np.ptp(plain[0]) + 20


def test_what_does_not_fit_is_said_in_words(words, monkeypatch):
    with pytest.raises(InputError) as error:
        detect_faces(np.zeros((48, 48)))
    words(error.value, "(1, 48, 48)", "float64", "uint8")
    with pytest.raises(InputError, match="Did you mean 'default'"):
        detect_faces(wall(), "defalt")
    with pytest.raises(InputError, match="scale above 1"):
        detect_faces(wall(), scale=1.0)
    with pytest.raises(InputError, match="error or keep"):
        crop_faces(Frames(wall()[None, None]), missing="drop")
    with pytest.raises(InputError, match="size and every"):
        crop_faces(Frames(wall()[None, None]), every=0)
    with pytest.raises(InputError, match="one pixel"):
        normalise_faces(Frames(wall()[None, None]), size=0)
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(__version__="5.0.0"))
    faces._detector.cache_clear()
    with pytest.raises(MissingExtraError, match=r"OpenCV 5\.0\.0 has no cascades"):
        detect_faces(wall())
    faces._detector.cache_clear()


def test_most_photographs_of_fer_are_found_and_come_out_as_they_are(real_data):
    from thymos.sources.catalogue import SOURCES

    row = SOURCES["fer2013"]
    source = row.load()(real_data("fer2013") / row.folder)
    pictures = []
    for number, recording in enumerate(source.load()):
        if number % 40 == 0:
            pictures.append(recording.signal("face").data)
        if len(pictures) == 60:
            break
    frames = Frames(np.concatenate(pictures))
    found = np.array([len(detect_faces(picture)) > 0 for picture in frames.data])
    same = (crop_faces(frames, missing="keep").data == frames.data).all(axis=(1, 2, 3))
    assert found.mean() > 0.65
    assert same[~found].all()
    assert same.mean() > 0.65
