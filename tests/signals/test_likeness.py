import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from thymos.base.errors import InputError
from thymos.signals.likeness import alike_pairs, alike_pictures, altered_pairs


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.standard_normal((30, 1, 48, 48)), (0, 0, 3, 3))
    return (128 + 500 * smooth).clip(0, 255).astype(np.uint8)


def test_exact_and_near_copies_are_one_group(pictures):
    rng = np.random.default_rng(1)
    noisy = (pictures[3].astype(int) + rng.integers(-4, 5, pictures[3].shape)).clip(0, 255).astype(np.uint8)
    brighter = (pictures[7].astype(int) // 2 + 60).astype(np.uint8)
    everything = np.concatenate([pictures, pictures[:1], noisy[None], brighter[None]])
    group = alike_pictures(everything)
    assert group[:30].tolist() == list(range(30))
    assert group[30:].tolist() == [0, 3, 7]
    assert alike_pictures(everything, 1.0).tolist() == [*range(30), 0, 30, 31]


def test_what_is_alike_to_a_common_third_is_one_group_and_correlations_are_numpys(pictures):
    a, b = pictures[0].astype(float), pictures[1].astype(float)
    steps = np.stack([(1 - t) * a + t * b for t in np.linspace(0, 1, 12)]).astype(np.uint8)
    group = alike_pictures(steps, 0.97)
    small = steps.reshape(12, 24, 2, 24, 2).mean(axis=(2, 4)).reshape(12, -1)
    known = {(i, j) for i in range(12) for j in range(i + 1, 12) if np.corrcoef(small)[i, j] >= 0.97}
    found = {tuple(pair) for block in alike_pairs(steps, 0.97) for pair in block.tolist()}
    assert len(found ^ known) <= 2, "rounding at the limit apart"
    assert (0, 11) not in found
    assert group.tolist() == [0] * 12


def test_blocks_change_nothing(pictures, monkeypatch):
    everything = np.concatenate([pictures, pictures[::-1]])
    whole = alike_pictures(everything, 0.9)
    monkeypatch.setattr("thymos.signals.likeness._BLOCK", 7)
    assert np.array_equal(alike_pictures(everything, 0.9), whole)


def test_flat_pictures_are_alike_to_exact_copies_alone():
    flat = np.stack([np.full((1, 24, 24), value, np.uint8) for value in (0, 0, 9, 200)])
    assert alike_pictures(flat).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("given", "least"), [(np.zeros((3, 24, 24), np.uint8), 0.99), (np.zeros((3, 1, 4, 4)), 0.99), (None, 1.5)]
)
def test_what_does_not_fit_is_said(given, least, pictures):
    with pytest.raises(InputError):
        alike_pictures(pictures if given is None else given, least)


ALTERED = {
    "moved": lambda X, rng: np.roll(X, (1, -1), (2, 3)),
    "mirrored": lambda X, rng: X[..., ::-1],
    "brighter, less contrast": lambda X, rng: 0.6 * X + 70,
    "noisy": lambda X, rng: X + rng.normal(0, 4, X.shape),
    "all of it": lambda X, rng: 0.8 * np.roll(X[..., ::-1], 1, 2) + 20 + rng.normal(0, 4, X.shape),
}


@pytest.fixture
def many():
    """Return 120 smooth grey pictures on a ground that all have in common."""
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((121, 1, 24, 24)), (0, 0, 2, 2))
    return (128 + 200 * (noise[1:] + noise[0])).clip(0, 255).astype(np.uint8)


def altered(pictures, name, n):
    """Replace the last `n` pictures by the first ones, altered."""
    X = pictures.copy()
    X[-n:] = ALTERED[name](X[:n].astype(float), np.random.default_rng(1)).round().clip(0, 255)
    return X


def test_pictures_of_their_own_are_nobodys_copies(many):
    assert len(altered_pairs(many)) == 0


@pytest.mark.parametrize("name", ALTERED)
def test_altered_copies_are_found_and_nothing_else(many, name):
    pairs = altered_pairs(altered(many, name, 20))
    assert len(pairs) >= 18
    assert np.array_equal(pairs[:, 1] - pairs[:, 0], np.full(len(pairs), 100))
    some = altered_pairs(altered(many, name, 20), most=90)
    assert 2 <= len(some) < len(pairs)
    assert {tuple(pair) for pair in some.tolist()} <= {tuple(pair) for pair in pairs.tolist()}


def test_exact_copies_and_blank_pictures_are_no_altered_ones(many):
    blank = np.array([0, 255, 128, 16], np.uint8).reshape(4, 1, 1, 1) * np.ones((1, 24, 24), np.uint8)
    assert len(altered_pairs(np.concatenate([many, many[:20], blank]))) == 0


@pytest.mark.parametrize("size", [0.3, 0.5])
def test_photographs_of_one_person_with_other_expressions_are_no_copies(many, size):
    people = np.repeat(many[:40].astype(float), 4, axis=0)
    noise = gaussian_filter(np.random.default_rng(2).standard_normal(people.shape), (0, 0, 2, 2))
    expression = size * noise * people.std() / noise.std()
    assert len(altered_pairs((people + expression).clip(0, 255).astype(np.uint8))) == 0


def test_blocks_change_no_altered_pair(many, monkeypatch):
    X = altered(many, "all of it", 20)
    whole = altered_pairs(X)
    monkeypatch.setattr("thymos.signals.likeness._BLOCK", 7)
    assert np.array_equal(altered_pairs(X), whole)


@pytest.mark.parametrize(("pictures", "most"), [((11, 1, 24, 24), None), ((30, 1, 24, 7), None), ((30, 1, 24, 24), 5)])
def test_tiny_or_few_pictures_cannot_be_told_apart(pictures, most):
    with pytest.raises(InputError, match="12 at least, of 8 x 8 pixels"):
        altered_pairs(np.zeros(pictures, np.uint8), most)
