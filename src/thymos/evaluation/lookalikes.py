"""Pictures that were made of others: moved, mirrored, brightened, with noise; value for value they differ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.neighbors import NearestNeighbors

from thymos.base.random import generator
from thymos.base.samples import Samples
from thymos.evaluation.evidence import directions

__all__ = ["altered_pictures", "pictures"]

_MOST_ROWS = 5000
_LEAST_SIDE = 8  # pixels
_PROJECTED = 48
_NEIGHBOURS = 11
_NEAR, _BY_CHANCE = 0.35, 1e-6  # of the eleventh neighbour; or as close as one in so many is by chance
_LEAST_PAIRS = 3  # one may come about by chance


def altered_pictures(samples: Samples) -> np.ndarray:
    """Return pairs of pictures of which one is the other, moved by up to a pixel or mirrored, at any brightness.

    A pair counts where one picture, so moved or mirrored, is far closer to the other than anything else is: closer than
    0.35 of the distance of the other's eleventh neighbour, or than one in a million is by chance in as many directions
    as these pictures vary in. Above 5 000 pictures a random part of that size is compared.

    Parameters
    ----------
    samples : Samples
        Pictures (n_samples, n_colours, height, width); of other layouts there are no pairs.

    Returns
    -------
    pairs : ndarray of int, shape (n_pairs, 2)
        Rows; none if there are fewer than three pairs.
    """
    none = np.empty((0, 2), dtype=int)
    X = samples.X
    if not pictures(samples) or len(X) <= _NEIGHBOURS:
        return none
    rng = generator(0, "pictures")
    rows = np.arange(len(X))
    if len(rows) > _MOST_ROWS:
        rows = np.sort(rng.choice(len(rows), _MOST_ROWS, replace=False))
    X = np.asarray(X[rows], dtype=np.float32)
    weights = None
    pairs = []
    for version in _versions(X):
        if weights is None:  # as they are; distances survive a random projection well enough
            weights = rng.standard_normal((version.shape[1], _PROJECTED)).astype(np.float32)
            index = NearestNeighbors(n_neighbors=_NEIGHBOURS, algorithm="brute").fit(version @ weights)
            others = index.kneighbors()[0]
            limits = others[:, -1] * min(_NEAR, _BY_CHANCE ** (1 / max(directions(others), 1e-9)))
        distances, near = index.kneighbors(version @ weights, 2)
        every = np.arange(len(rows))
        nearest = (near[:, 0] == every).astype(int)  # the first of the two that is another picture
        other = near[every, nearest]
        close = np.flatnonzero(distances[every, nearest] <= limits[other])
        pairs.append(np.sort(np.stack([rows[close], rows[other[close]]], axis=1), axis=1))
    found = np.unique(np.concatenate(pairs), axis=0)
    differ = [not np.array_equal(samples.X[one], samples.X[two]) for one, two in found.tolist()]
    found = found[np.array(differ, dtype=bool)]  # equal ones are found as such
    return found if len(found) >= _LEAST_PAIRS else none


def pictures(samples: Samples) -> bool:
    """Whether these are pictures, and large enough to be told apart."""
    return not isinstance(samples.X, dict) and samples.X.ndim == 4 and min(samples.X.shape[2:]) >= _LEAST_SIDE


def _versions(X: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the inner part of each picture, then of each moved and mirrored one; all of one brightness and contrast."""
    height, width = X.shape[2] - 2, X.shape[3] - 2
    for picture in (X, X[..., ::-1]):
        for down, right in ((1, 1), *((d, r) for d in range(3) for r in range(3) if (d, r) != (1, 1))):
            part = picture[:, :, down : down + height, right : right + width].reshape(len(X), -1)
            part = part - part.mean(axis=1, keepdims=True)
            yield part / np.maximum(np.sqrt((part**2).sum(axis=1, keepdims=True)), np.finfo(np.float32).tiny)
