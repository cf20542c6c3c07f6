"""Simulated faces: emotions move the features they should, people differ, and labels err as people do."""

import sys

import numpy as np
import pytest

from thymos.base.errors import InputError, MissingExtraError
from thymos.sources.simulate.faces import (
    DOMAINS,
    PARTNERS,
    PRIOR,
    PROTOTYPES,
    TRAITS,
    UNITS,
    draw_emotions,
    flip_labels,
    identities,
    simulate_faces,
    simulate_film,
)
from thymos.sources.simulate.latent import PROTOTYPES as EMOTIONS

NAMES = list(PROTOTYPES)


def average(emotion, n=60, **parameters):
    """Return the mean of many faces, in which poses cancel."""
    return simulate_faces([emotion] * n, identities(n), **{"intensity": 1.0, **parameters}).mean(axis=0)


def test_same_seed_gives_identical_bytes_and_more_faces_begin_alike():
    people = identities(6)
    first, again, other = (simulate_faces(NAMES[:6], people, random_state=seed) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert (first.dtype, first.shape) == (np.uint8, (6, 48, 48))
    np.testing.assert_array_equal(simulate_faces(NAMES[:3], people[:3], random_state=1), first[:3])
    np.testing.assert_array_equal(identities(3), people[:3])
    assert len(np.unique(people)) == 6


def test_tables_are_complete():
    assert PROTOTYPES.keys() == EMOTIONS.keys() == PRIOR.keys()
    assert {unit for units in PROTOTYPES.values() for unit in units} <= set(UNITS)
    assert sum(PRIOR.values()) == pytest.approx(1)
    assert all(PARTNERS[PARTNERS[name]] == name for name in PARTNERS)
    for domain in DOMAINS.values():
        assert sum(domain.prior.values()) == pytest.approx(1)
        assert domain.traits.keys() <= TRAITS.keys()
        assert domain.rules.keys() <= set(UNITS)


def test_every_emotion_changes_the_picture_and_null_mode_none():
    neutral = average("neutral")
    for name in NAMES[:-1]:
        assert np.abs(average(name) - neutral).max() > 12, name
        np.testing.assert_array_equal(average(name, null=True), neutral)
        np.testing.assert_array_equal(average(name, effect=0.0), neutral)
        np.testing.assert_array_equal(average(name, intensity=0.0), neutral)


def test_features_move_where_they_should():
    neutral = average("neutral")

    def darker(name, rows, columns):
        return (neutral - average(name))[rows, columns].mean()

    def corner(name):
        """Row of the darkest spot where a corner of the mouth is."""
        return average(name)[28:37, 17:20].mean(axis=1).argmin()

    mouth, brows = (slice(32, 38), slice(20, 28)), (slice(15, 19), slice(21, 27))
    assert darker("surprise", *mouth) > 10  # open
    assert darker("anger", *brows) > 2  # lowered and drawn together
    assert corner("happiness") < corner("sadness")


def test_change_grows_with_intensity_and_effect():
    neutral = average("neutral")
    change = [np.abs(average("surprise", intensity=x) - neutral).mean() for x in (0.2, 0.5, 1.0)]
    assert change[0] < change[1] < change[2]
    change = [np.abs(average("surprise", intensity=0.5, effect=d) - neutral).mean() for d in (0.5, 1.0, 3.0)]
    assert change[0] < change[1] < change[2]


def test_the_same_person_looks_alike():
    people = np.repeat(identities(12), 6)
    x = simulate_faces(["neutral"] * 72, people, random_state=3).reshape(12, 6, -1).astype(float)
    x -= x.mean(axis=-1, keepdims=True)
    within, between = x.var(axis=1).mean(), x.mean(axis=1).var(axis=0).mean()
    assert between > within / 6  # more than chance


def test_domains_look_and_show_differently():
    skin = {name: identities(200, domain=name)["skin"].mean() for name in DOMAINS}
    assert skin["mouth"] < skin["plain"] < skin["eyes"]
    n = 60

    def change(domain, rows):
        x, y = (
            simulate_faces([e] * n, identities(n), 1.0, domain=domain).mean(axis=0) for e in ("surprise", "neutral")
        )
        return np.abs(x - y)[rows].mean()

    lower, upper = slice(30, 42), slice(12, 24)
    assert change("mouth", lower) > change("eyes", lower)
    assert change("mouth", upper) < change("eyes", upper)


def test_emotions_come_in_the_proportions_of_the_domain():
    for name, domain in DOMAINS.items():
        drawn = draw_emotions(20_000, domain=name)
        for emotion, share in domain.prior.items():
            assert (drawn == emotion).mean() == pytest.approx(share, abs=0.012)


def test_labels_flip_to_what_is_taken_for_them():
    truth = np.repeat(NAMES, 4000)
    assert (flip_labels(truth, rate=0.0) == truth).all()
    flipped = flip_labels(truth, rate=0.2)
    wrong = flipped != truth
    assert wrong.mean() == pytest.approx(0.2, abs=0.01)
    for name, partner in PARTNERS.items():
        assert (flipped[wrong & (truth == name)] == partner).mean() > 0.75
    assert len(set(flipped[wrong & (truth == "happiness")])) == 6


def test_film_rises_to_an_apex():
    person = identities(1)[0]
    film = simulate_film("surprise", person, 1.0, 12, random_state=2, sfreq=4.0)
    assert (film.shape, film.dtype) == ((12, 48, 48), np.uint8)
    assert film.tobytes() == simulate_film("surprise", person, 1.0, 12, random_state=2, sfreq=4.0).tobytes()
    still = simulate_film("surprise", person, 1.0, 12, random_state=2, sfreq=4.0, null=True)
    change = np.abs(film.astype(float) - still).mean(axis=(1, 2))
    assert change[0] < 0.35 * change[-4:].mean()
    assert change[4] < change[8:].mean() * 1.1
    steps = np.abs(np.diff(still.astype(float), axis=0)).mean()
    others = simulate_faces(["neutral"] * 12, np.repeat(identities(1), 12), 0.0).astype(float)
    assert steps < 0.6 * np.abs(np.diff(others, axis=0)).mean()  # the head drifts, it does not jump


@pytest.mark.parametrize("size", [24, 96, 224])
def test_sizes(size):
    assert simulate_faces(["fear"], identities(1), size=size).shape == (1, size, size)


def test_a_large_picture_is_the_small_one_in_detail():
    people = identities(3)
    small, large = (simulate_faces(NAMES[:3], people, 1.0, 0, size).astype(float) for size in (48, 96))
    shrunk = large.reshape(3, 48, 2, 48, 2).mean(axis=(2, 4))
    assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95 for a, b in zip(small, shrunk, strict=True))


def test_without_pillow_the_install_line(monkeypatch):
    for name in ("PIL", "PIL.Image", "PIL.ImageDraw"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"thymos\[faces\]"):
        simulate_faces(["fear"], identities(1))


@pytest.mark.parametrize(
    ("call", "came"),
    [
        (lambda: simulate_faces(["joy"], identities(1)), "no emotion 'joy'"),
        (lambda: simulate_faces(["fear"], identities(2)), "1 emotions came with people of shape (2,)"),
        (lambda: simulate_faces(["fear"], identities(1), 1.5), "intensity=1.5"),
        (lambda: simulate_faces(["fear"], identities(1), size=8), "size=8"),
        (lambda: simulate_faces(["fear"], identities(1), effect=-1), "effect=-1"),
        (lambda: identities(0), "n=0"),
        (lambda: identities(1, domain="eye"), "no domain 'eye'. Did you mean 'eyes'"),
        (lambda: flip_labels(["fear"], rate=2), "flip=2"),
        (lambda: simulate_film("fear", identities(1)[0], 0.5, 0), "n_frames=0"),
    ],
)
def test_wrong_input_is_answered(call, came):
    with pytest.raises(InputError) as caught:
        call()
    assert came in caught.value.came
    assert caught.value.do
