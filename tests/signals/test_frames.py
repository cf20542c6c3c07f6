import numpy as np
import pytest
from PIL import Image

from thymos.base.errors import InputError
from thymos.base.recording import Frames, Lazy, Recording, Signal
from thymos.signals.frames import collect_frames, resize_frames, to_grey
from thymos.sources.base import Recordings


def recording(trial, data, sfreq=0.0, start=0.0):
    meta = {"source": "made", "subject": "a", "session": "1", "trial": trial, "stimulus": "none", "emotion": "happy"}
    return Recording(Lazy({"face": lambda: Frames(data, sfreq, start)}), meta)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_photographs_become_one_row_each_and_films_one_per_frame():
    photo, film = noise(1, 1, 6, 5), noise(3, 1, 6, 5)
    samples = collect_frames([recording("p", photo), recording("f", film, sfreq=4.0, start=0.5)])
    assert samples.X.dtype == np.uint8
    assert np.array_equal(samples.X, np.concatenate([photo, film]))
    assert samples.meta["trial"].tolist() == ["p", "f", "f", "f"]
    assert samples.meta["start"].tolist() == [0.0, 0.5, 0.75, 1.0]
    assert samples.meta["stop"].tolist() == [0.0, 0.75, 1.0, 1.25]
    assert samples.meta["emotion"].eq("happy").all()
    assert len(set(samples.ids())) == 4


def test_colours_become_grey_as_pillow_makes_them_or_stay():
    colour = noise(2, 3, 7, 5)
    pillow = np.stack([np.asarray(Image.fromarray(np.moveaxis(f, 0, -1)).convert("L")) for f in colour])
    assert np.abs(to_grey(colour)[:, 0].astype(int) - pillow).max() <= 1
    assert collect_frames([recording("a", colour)]).X.shape == (2, 1, 7, 5)
    assert np.array_equal(collect_frames([recording("a", colour)], grey=False).X, colour)
    white = np.full((1, 3, 2, 2), 255, np.uint8)
    assert (to_grey(white) == 255).all()


def test_pictures_of_several_sizes_need_one(words):
    mixed = [recording("a", noise(1, 1, 6, 5)), recording("b", noise(1, 1, 8, 8))]
    with pytest.raises(InputError) as error:
        collect_frames(mixed)
    words(error.value, "'b'", "(1, 8, 8)", "(1, 6, 5)", "give a size")
    assert collect_frames(mixed, size=(4, 3)).X.shape == (2, 1, 4, 3)
    assert collect_frames(mixed, size=4).X.shape == (2, 1, 4, 4)
    with pytest.raises(InputError, match="channels"):
        collect_frames([mixed[0], recording("c", noise(1, 3, 6, 5))], grey=False)


def test_resizing_averages_and_keeps_rows_apart_from_columns():
    step = np.zeros((1, 1, 8, 4), np.uint8)
    step[..., 4:, :] = 200
    assert resize_frames(step, (2, 6)).tolist()[0][0] == [[w] * 6 for w in resize_frames(step, (2, 1)).ravel()]
    assert abs(resize_frames(noise(1, 1, 64, 64), (1, 1)).item() - 127) < 12
    assert resize_frames(step, (8, 4)) is step


def test_signals_nothing_and_bad_sizes_are_said_in_words(words):
    meta = recording("a", noise(1, 1, 2, 2)).meta
    signal = Recording({"eeg": Signal(np.zeros((1, 4)), 4.0, ("Cz",))}, meta)
    with pytest.raises(InputError) as error:
        collect_frames([signal], modality="eeg")
    words(error.value, "'eeg'", "is a signal", "windows")
    with pytest.raises(InputError, match="no modality 'face'"):
        collect_frames([signal])
    with pytest.raises(InputError, match="no pictures"):
        collect_frames([])
    for size in (0, (4,), (4.0, 4), (9000, 4)):
        with pytest.raises(InputError, match="height and width"):
            collect_frames([recording("a", noise(1, 1, 2, 2))], size=size)


def test_recordings_without_pictures_are_passed_over():
    bare = Recording({"eeg": Signal(np.zeros((1, 4)), 4.0, ("Cz",))}, recording("b", noise(1, 1, 2, 2)).meta)
    samples = collect_frames([bare, recording("a", noise(2, 1, 4, 4)), bare])
    assert samples.meta["trial"].tolist() == ["a", "a"]


def test_recordings_give_images():
    load = Recordings(lambda: iter([recording("a", noise(1, 3, 4, 4))]))
    assert load.images().X.shape == (1, 1, 4, 4)
    assert load.images(size=2, grey=False).X.shape == (1, 3, 2, 2)
