"""Photographs that are there more than once: exactly, nearly, or moved, mirrored and at another brightness."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.signals.frames import resize_frames, to_grey

__all__ = ["LEAST_PICTURES", "LEAST_SIDE", "alike_pairs", "alike_pictures", "altered_pairs", "directions"]

_SIDE = 24  # pixels of what is compared: enough to tell people apart, too few for the noise of compression
_BLOCK = 2048  # pictures compared with all others at once
_FLAT = 1e-6  # standard deviation in grey levels below which a picture shows nothing
_PROJECTED = 48
_NEAR, _BY_CHANCE = 0.35, 1e-6  # of the eleventh neighbour; or as close as one in so many is by chance
_SAME = 0.97  # correlation of one picture; several of one person, with other expressions, have less
_Way = tuple[bool, int, int]
_OUTER = 5  # neighbours from there on tell in how many directions samples vary, even if there are some copies

#: Pixels that pictures must have, to be told apart when they are moved, and how many there must be.
LEAST_SIDE, LEAST_PICTURES = 8, 12


def alike_pictures(pictures: np.ndarray, least: float = 0.99) -> np.ndarray:
    """Group pictures that show the same photograph.

    Parameters
    ----------
    pictures : ndarray, shape (n_pictures, 1 or 3, height, width), uint8
    least : float
        Correlation of grey values at 24 x 24 pixels from which two are alike. FER-2013 has tens of pairs above 0.99
        that are no exact copies: other crops, or shots of one series. 1 groups exact copies alone.

    Returns
    -------
    ndarray of int, shape (n_pictures,)
        Number of the group of each picture, from 0 in their order; what is alike to a common third is one group.

    Raises
    ------
    InputError
        If these are no pictures, or `least` is no correlation.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or pictures.dtype != np.uint8:
        raise InputError(
            f"Pictures of shape {pictures.shape} and type {pictures.dtype} came.",
            fits="uint8 of shape (n_pictures, 1 or 3, height, width)",
        )
    check_number("least", least, 0.5, 1.0)
    rows = np.ascontiguousarray(pictures).reshape(len(pictures), -1)
    _, first, exact = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    group = exact.ravel()
    if least < 1:
        pairs = np.concatenate([np.empty((0, 2), dtype=int), *alike_pairs(pictures[first], least)])
        graph = coo_matrix((np.ones(len(pairs)), pairs.T), (len(first), len(first)))
        group = connected_components(graph, directed=False)[1][group]
    order = np.unique(group, return_index=True)[1]  # numbered by their first picture
    rank = np.empty(len(order), dtype=int)
    rank[np.argsort(order)] = np.arange(len(order))
    return rank[group]


def alike_pairs(pictures: np.ndarray, least: float) -> Iterator[np.ndarray]:
    """Yield pairs of pictures that correlate, in blocks of shape (n_pairs, 2), the smaller number first.

    Pictures of one grey value correlate with nothing.
    """
    small = resize_frames(to_grey(pictures), (_SIDE, _SIDE)).reshape(len(pictures), -1).astype(np.float32)
    small -= small.mean(axis=1, keepdims=True)
    size = np.linalg.norm(small, axis=1, keepdims=True)
    small /= np.where(size > _FLAT * _SIDE, size, np.inf)
    for start in range(0, len(small), _BLOCK):
        near = small[start : start + _BLOCK] @ small[start:].T >= least
        a, b = np.nonzero(np.triu(near, 1))
        yield np.stack([a, b], axis=1) + start


def altered_pairs(pictures: np.ndarray, most: int | None = None) -> np.ndarray:
    """Find pictures that are others, moved by up to a pixel or mirrored, at any brightness, perhaps with some noise.

    A pair counts where one picture, so moved or mirrored, correlates with the other at 0.97 or more, and is far closer
    to it than anything else is: closer than 0.35 of the distance of the other's eleventh neighbour, or than one in a
    million is by chance in as many directions as these pictures vary in. Distances are those of a random projection of
    the inner part of the pictures, all of one brightness and contrast. Photographs of one moment, such as frames that
    follow each other, may be that close, too.

    Parameters
    ----------
    pictures : ndarray, shape (n_pictures, n_colours, height, width)
    most : int, optional
        Of more pictures a random part of so many is compared; all by default, in n² steps.

    Returns
    -------
    pairs : ndarray of int, shape (n_pairs, 2)
        Numbers of pictures, the smaller first; exact copies and blank pictures are none.

    Raises
    ------
    InputError
        If there are fewer than twelve pictures, or they have less than eight pixels in a row.
    """
    rows = np.arange(len(pictures))
    rng = generator(0, "pictures")
    if most is not None and len(rows) > most:
        rows = np.sort(rng.choice(len(rows), most, replace=False))
    if min(pictures.shape[2:]) < LEAST_SIDE or len(rows) < LEAST_PICTURES:
        raise InputError(
            f"{len(rows)} pictures of shape {pictures.shape[1:]} came.",
            fits=f"{LEAST_PICTURES} at least, of {LEAST_SIDE} x {LEAST_SIDE} pixels at least",
        )
    weights = rng.standard_normal((pictures[0, :, 2:, 2:].size, _PROJECTED)).astype(np.float32)

    def projected(way: _Way) -> np.ndarray:  # block by block: many large pictures do not fit into memory as numbers
        blocks = (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))
        return np.concatenate([_inner(pictures[block], way) @ weights for block in blocks])

    as_they_are, *others = ((mirrored, d, r) for mirrored in (False, True) for d in (1, 0, 2) for r in (1, 0, 2))
    table = projected(as_they_are)
    here, pairs, index = np.arange(len(rows)), [], NearestNeighbors(algorithm="brute").fit(table)
    beside = index.kneighbors(n_neighbors=LEAST_PICTURES - 1)[0]
    limits = beside[:, -1] * min(_NEAR, _BY_CHANCE ** (1 / max(directions(beside), 1e-9)))
    for way in (as_they_are, *others):
        distances, near = index.kneighbors(table if way is as_they_are else projected(way), 2)
        nearest = (near[:, 0] == here).astype(int)  # the first of the two that is another picture
        close = np.flatnonzero(distances[here, nearest] <= limits[near[here, nearest]])
        one, two = rows[close], rows[near[here, nearest][close]]
        alike = np.einsum("nv,nv->n", _inner(pictures[one], way), _inner(pictures[two], as_they_are)) >= _SAME
        pairs.append(np.sort(np.stack([one, two], axis=1)[alike], axis=1))
    found = np.unique(np.concatenate(pairs), axis=0)
    differ = [not np.array_equal(pictures[one], pictures[two]) for one, two in found.tolist()]
    return found[np.array(differ, dtype=bool)]


def _inner(pictures: np.ndarray, way: _Way) -> np.ndarray:
    """Return the inner part of pictures as rows of mean 0 and length 1, 0 of blank ones.

    Parameters
    ----------
    pictures : ndarray, shape (n_pictures, n_colours, height, width)
    way : bool, int, int
        Whether they are mirrored; how many pixels are cut off above and on the left, of two in all.
    """
    mirrored, down, right = way
    part = pictures[..., ::-1] if mirrored else pictures
    height, width = part.shape[2] - 2, part.shape[3] - 2
    part = part[:, :, down : down + height, right : right + width].astype(np.float32)
    part = part.reshape(len(part), np.prod(part.shape[1:]))
    part -= part.mean(axis=1, keepdims=True)
    size = np.linalg.norm(part, axis=1, keepdims=True)
    return part / np.where(size > _FLAT * np.sqrt(part.shape[1]), size, np.inf)


def directions(distances: np.ndarray) -> float:
    """Estimate in how many directions samples vary (Levina and Bickel 2004), by how distances grow.

    Parameters
    ----------
    distances : ndarray, shape (n_samples, n_neighbours)
        Nearest first; the nearest ones do not count, for they may be copies.
    """
    k = distances.shape[1]
    outer = distances[:, min(_OUTER, k - 2) :] if k > 1 else distances[:, :0]
    outer = outer[outer[:, 0] > 0] if outer.shape[1] else outer
    if not outer.size:
        return 0.0
    # of uniform points, log(d_k / d_j) is the sum of 1 / i from j to k - 1 over the dimension, on average
    expected = np.cumsum(1 / np.arange(k - 1, k - outer.shape[1], -1)).mean()
    grown = float(np.median(np.log(outer[:, -1:] / outer[:, :-1]).mean(axis=1)))
    return float(expected / grown) if grown > 0 else 0.0
