"""Places of electrodes in the plane, and channels arranged as a picture of the scalp."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np
from scipy.optimize import linear_sum_assignment

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.signals.montage import standard_montage, standard_names
from thymos.signals.transformer import ArrayTransformer

__all__ = [
    "DEAP_GRID",
    "LOBES",
    "TopographicGrid",
    "azimuthal",
    "directions",
    "grid_places",
    "lobes",
    "to_grid",
    "validity_map",
]

#: Parts of the scalp and the letters that their electrodes' names begin with.
LOBES = {
    "frontal": ("Fp", "AF", "F"),
    "central": ("FC", "C", "CP"),
    "temporal": ("FT", "T", "TP"),
    "parietal": ("P",),
    "occipital": ("PO", "O", "I", "CB"),
}

#: The 32 electrodes of DEAP on 9 x 9 cells, the front at the top (methods A2).
DEAP_GRID = """
 .   .   .  Fp1  .  Fp2  .   .   .
 .   .   .  AF3  .  AF4  .   .   .
F7   .  F3   .   Fz  .   F4  .   F8
 .  FC5  .  FC1  .  FC2  .  FC6  .
T7   .  C3   .   Cz  .   C4  .   T8
 .  CP5  .  CP1  .  CP2  .  CP6  .
P7   .  P3   .   Pz  .   P4  .   P8
 .   .   .  PO3  .  PO4  .   .   .
 .   .   .  O1   Oz  O2  .   .   .
"""

_DEAP = {
    name: (row, column)
    for row, line in enumerate(DEAP_GRID.strip().splitlines())
    for column, name in enumerate(line.split())
    if name != "."
}
_NEIGHBOURS = {"CB1": "PO9", "CB2": "PO10"}  # the 10-05 system lacks them; they lie about there


def azimuthal(ch_names: Sequence[str]) -> np.ndarray:
    """Azimuthal equidistant projection of electrodes from the vertex.

    The equator, at distance 1, is the plane of Fpz, T7, Oz and T8, and its middle theirs; what lies below it, such as
    TP9, is farther out. Positions are those of the 10-05 system on MNE's template head, made the same on both sides;
    it is no sphere, so that T7 lies at 1.06 rather than 1. CB1 and CB2 of SEED's cap are taken at PO9 and PO10.

    Parameters
    ----------
    ch_names : sequence of str
        Electrodes, in any spelling that :func:`~thymos.signals.montage.standard_name` knows.

    Returns
    -------
    ndarray, shape (n_channels, 2)
        x to the right and y to the front; 1 is the equator.

    Raises
    ------
    InputError
        If a name is no electrode's, or two are the same electrode.
    """
    known = _projection()
    return np.array([known[name] for name in _electrodes(ch_names)]).reshape(-1, 2)


def directions(ch_names: Sequence[str]) -> np.ndarray:
    """Return the directions of electrodes from the middle of the head, which :func:`azimuthal` projects.

    Parameters
    ----------
    ch_names : sequence of str
        As :func:`azimuthal`.

    Returns
    -------
    ndarray, shape (n_channels, 3)
        x to the right, y to the front, z upwards; of length 1.
    """
    xy = azimuthal(ch_names)
    radius = np.hypot(*xy.T)
    angle = radius * np.pi / 2
    level = np.divide(np.sin(angle), radius, out=np.ones_like(radius), where=radius > 0)
    return np.c_[xy * level[:, None], np.cos(angle)]


def lobes(ch_names: Sequence[str]) -> list[str]:
    """Return the part of the scalp, a name of :data:`LOBES`, that each electrode lies over.

    Parameters
    ----------
    ch_names : sequence of str
        As :func:`azimuthal`.

    Raises
    ------
    InputError
        If a name is no electrode's, or two are the same electrode.
    """
    letters = {letter: name for name, members in LOBES.items() for letter in members}
    outside = {"N": "frontal", "A": "temporal", "M": "temporal"}  # the nose, the ears and what is behind them
    known = letters | outside
    found = []
    for name in _electrodes(ch_names):
        text = cast(re.Match[str], re.match(r"[A-Z]+p?", name))[0]
        # AFF, FFC, CPP, ... lie between two rows and belong to the front one
        found.append(next(known[text[:n]] for n in range(len(text), 0, -1) if text[:n] in known))
    return found


def grid_places(ch_names: Sequence[str], size: int = 9) -> np.ndarray:
    """Give each electrode a cell of its own.

    If all are among DEAP's 32 and the grid has 9 x 9 cells, they lie as in :data:`DEAP_GRID`. Otherwise they are
    projected by :func:`azimuthal`, the equator reaching from the first to the last row and column, and the cells are
    those that make the sum of squared distances smallest, with none on the wrong side of the midline as long as there
    is room. Which cell an electrode gets does not depend on the order of the names, but on which others there are.

    Parameters
    ----------
    ch_names : sequence of str
        As :func:`azimuthal`.
    size : int
        Rows and columns.

    Returns
    -------
    ndarray, shape (n_channels, 2), int
        Row, from the front, and column, from the left.

    Raises
    ------
    InputError
        As :func:`azimuthal`, and if there are more electrodes than cells.
    """
    names = _electrodes(ch_names)
    _check_room(len(names), size)
    if size == 9 and set(names) <= set(_DEAP):
        return np.array([_DEAP[name] for name in names], dtype=int).reshape(-1, 2)
    order = np.argsort(names)
    xy = azimuthal(names)[order]
    half = (size - 1) / 2
    cells = np.indices((size, size)).reshape(2, -1).T
    wanted = half * (1 + np.c_[-xy[:, 1], xy[:, 0]])
    distance = np.square(wanted[:, None] - cells).sum(axis=-1)
    wrong = np.abs(np.sign(xy[:, :1]) - np.sign(cells[:, 1] - half))
    _, chosen = linear_sum_assignment(distance + 100 * size**4 * wrong)  # a side weighs more than all distances
    places = np.empty((len(names), 2), dtype=int)
    places[order] = cells[chosen]
    return places


def to_grid(x: np.ndarray, places: np.ndarray, size: int = 9) -> np.ndarray:
    """Put channels into their cells; the others are 0.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels)
        One value per channel, in any unit.
    places : ndarray, shape (n_channels, 2), int
        Row and column of each, as of :func:`grid_places`.
    size : int
        Rows and columns.

    Returns
    -------
    ndarray, shape (..., size, size)
        Same dtype as `x`.

    Raises
    ------
    InputError
        If places and channels differ in number, or places do not fit the grid.
    """
    x, places = np.asarray(x), np.asarray(places)
    cells = _cells(places, size)
    if x.ndim < 1 or x.shape[-1] != len(places):
        raise InputError(
            f"Values of shape {x.shape} came for {len(places)} places.", fits="(..., n_channels), one place per channel"
        )
    made = np.zeros((*x.shape[:-1], size * size), dtype=x.dtype)
    made[..., cells] = x
    return made.reshape(*x.shape[:-1], size, size)


def validity_map(places: np.ndarray, size: int = 9) -> np.ndarray:
    """Return where the electrodes are, shape (size, size), bool; `places` as of :func:`grid_places`."""
    made = np.zeros(size * size, dtype=bool)
    made[_cells(np.asarray(places), size)] = True
    return made.reshape(size, size)


class TopographicGrid(ArrayTransformer):
    """Features of each channel as pictures of the scalp; learns nothing, so it cannot leak.

    Samples have shape (n_samples, n_bands, n_channels, n_windows), as of the features of windows, or (n_samples,
    n_channels, n_times), which is one band, or (n_samples, n_channels), which is one band and one window.

    Parameters
    ----------
    ch_names : sequence of str, optional
        Names of the channels. Without them cells are filled row by row from the front, which is a picture of no scalp:
        neighbours then mean nothing.
    size : int
        Rows and columns.

    Attributes
    ----------
    places_ : ndarray, shape (n_channels, 2)
        Row and column of each channel.
    validity_ : ndarray, shape (size, size), bool
        Cells in which an electrode lies.
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    learns = False

    def __init__(self, ch_names: Sequence[str] | None = None, size: int = 9):
        self.ch_names = ch_names
        self.size = size

    def fit(self, X: np.ndarray, y: object = None) -> TopographicGrid:
        """Find the places of the channels of `X`; `y` is ignored."""
        X = self._checked(X, reset=True)
        n_channels = X.shape[2 if X.ndim == 4 else 1]
        _check_room(n_channels, self.size)
        if self.ch_names is not None and len(self.ch_names) != n_channels:
            raise InputError(
                f"Samples of shape {X.shape[1:]} came with {len(self.ch_names)} channel names.",
                fits="(n_bands, n_channels, n_windows), and one name per channel",
            )
        rows = np.stack(np.divmod(np.arange(n_channels), self.size), axis=1)
        self.places_ = rows if self.ch_names is None else grid_places(self.ch_names, self.size)
        self.validity_ = validity_map(self.places_, self.size)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_bands * n_windows, size, size): all windows of the first band come first."""
        X = self._checked(X)
        X = X[:, None] if X.ndim < 4 else X
        X = X[..., None] if X.ndim < 4 else X
        made = to_grid(X.swapaxes(-1, -2), self.places_, self.size)  # (n, B, W, size, size)
        return made.reshape(len(X), -1, self.size, self.size)


@lru_cache(maxsize=1)
def _projection() -> dict[str, np.ndarray]:
    """Return x and y of all electrodes of the 10-05 system and of those that lie near one of them."""
    head = {name: np.asarray(place) for name, place in standard_montage().get_positions()["ch_pos"].items()}
    front, left, back, right = (head[name] for name in ("Fpz", "T7", "Oz", "T8"))
    middle = (front + left + back + right) / 4
    forward = (front - back) / np.linalg.norm(front - back)
    across = right - left - (right - left) @ forward * forward
    across /= np.linalg.norm(across)
    frame = np.stack([across, forward, np.cross(across, forward)])
    x, y, z = frame @ (np.stack(list(head.values())) - middle).T
    level = np.hypot(x, y)
    radius = np.arctan2(level, z) / (np.pi / 2)
    xy = (radius * np.stack([x, y]) / level).T
    place = dict(zip(head, xy, strict=True))
    known = {name: (place[name] + place[_partner(name)] * (-1, 1)) / 2 for name in head}
    return known | {name: known[near_by] for name, near_by in _NEIGHBOURS.items()}


def _partner(name: str) -> str:
    """Return the electrode on the other side: odd numbers are on the left, z on the midline."""
    parts = re.fullmatch(r"(\D+)(\d+)(h?)", name)
    if parts is None:
        return name
    number = int(parts[2])
    return f"{parts[1]}{number + 1 if number % 2 else number - 1}{parts[3]}"


def _electrodes(ch_names: Sequence[str]) -> list[str]:
    """Return the 10-05 names, each once, or say what is wrong."""
    names, known = cast(list[str], standard_names(ch_names)), _projection()
    for came, name in zip(ch_names, names, strict=True):
        if name not in known:
            raise InputError(
                f"The channel {came!r} has no place on the scalp.{near(str(came), known)}",
                fits="names of the 10-05 system, such as Fp1 or Cz",
                do="leave out channels that are no electrodes on the head",
            )
        if names.count(name) > 1:
            raise InputError(f"The electrode {name} came twice.", fits="each electrode once", do="leave one out")
    return names


def _check_room(n_channels: int, size: int) -> None:
    if not 0 < n_channels <= size**2:
        raise InputError(
            f"{n_channels} channels came for a grid of {size} x {size}.",
            fits=f"1 to {size**2} channels",
            do="take a larger size",
        )


def _cells(places: np.ndarray, size: int) -> np.ndarray:
    """Return the number of each place's cell, counted row by row."""
    if places.ndim != 2 or places.shape[1] != 2 or not ((places >= 0) & (places < size)).all():
        raise InputError(
            f"Places of shape {places.shape} came for a grid of {size} x {size}.",
            fits=f"(n_channels, 2), row and column from 0 to {size - 1}",
        )
    cells = places @ (size, 1)
    if len(set(cells.tolist())) < len(cells):
        raise InputError("Two channels have the same cell.", fits="a cell for each", do="take those of grid_places")
    return cells
