"""Pictures made of others are found, however they were altered; pictures of their own are not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from thymos.evaluation import LeaveOneSubjectOut
from thymos.evaluation.evidence import Neighbourhood, near_copies
from thymos.evaluation.lookalikes import altered_pictures

SIDE = 24
ALTERED = {
    "moved": lambda X, rng: np.roll(X, (1, -1), (2, 3)),
    "mirrored": lambda X, rng: X[..., ::-1],
    "brighter, less contrast": lambda X, rng: 0.6 * X + 70,
    "noisy": lambda X, rng: X + rng.normal(0, 4, X.shape),
    "all of it": lambda X, rng: 0.8 * np.roll(X[..., ::-1], 1, 2) + 20 + rng.normal(0, 4, X.shape),
}


@pytest.fixture
def pictures(make_samples):
    """Return 120 smooth grey pictures on a ground that all have in common, of 60 trials."""
    samples = make_samples(subjects=6, trials=10, windows=2, shape=(1, SIDE, SIDE))
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.standard_normal((len(samples) + 1, 1, SIDE, SIDE)), (0, 0, 2, 2))
    X = 128 + 200 * (noise[1:] + noise[0])
    return samples.replace(X=X.clip(0, 255).astype(np.uint8))


def _with_altered(pictures, alter, n):
    """Replace the last `n` pictures by altered ones of the first but two, which are of other trials."""
    X = pictures.X.copy()
    X[-n:] = alter(X[2 : n + 2].astype(float), np.random.default_rng(1)).round().clip(0, 255)
    return pictures.replace(X=X)


def test_pictures_of_their_own_are_not_accused(pictures):
    assert len(altered_pictures(pictures)) == 0


@pytest.mark.parametrize("name", ALTERED)
def test_altered_copies_are_found_and_nothing_else(pictures, name):
    samples = _with_altered(pictures, ALTERED[name], 20)
    pairs = altered_pictures(samples)
    assert len(pairs) >= 18
    assert np.array_equal(pairs[:, 1] - pairs[:, 0], np.full(len(pairs), len(samples) - 22))
    findings = [
        finding
        for _, finding in near_copies(
            samples, LeaveOneSubjectOut().folds(samples.meta, samples.y), Neighbourhood(samples), pairs
        )
    ]
    assert "near copy" in {finding.kind for finding in findings}
    assert any("moved, mirrored, or at another brightness" in finding.text for finding in findings)


def test_exact_copies_and_single_pairs_are_left_to_others(pictures):
    assert len(altered_pictures(_with_altered(pictures, lambda X, rng: X, 20))) == 0
    assert len(altered_pictures(_with_altered(pictures, ALTERED["mirrored"], 2))) == 0
    assert len(altered_pictures(_with_altered(pictures, ALTERED["mirrored"], 3))) == 3


def test_what_are_no_pictures_has_none(make_samples, pictures):
    assert len(altered_pictures(make_samples(shape=(12,)))) == 0
    assert len(altered_pictures(pictures.replace(X=pictures.X[..., :6]))) == 0
    assert len(altered_pictures(pictures[np.arange(5)])) == 0
