"""Photographs that are there more than once, exactly or nearly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.signals.frames import resize_frames, to_grey

__all__ = ["alike_pairs", "alike_pictures"]

_SIDE = 24  # pixels of what is compared: enough to tell people apart, too few for the noise of compression
_BLOCK = 2048  # pictures compared with all others at once
_FLAT = 1e-6  # standard deviation in grey levels below which a picture shows nothing


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
