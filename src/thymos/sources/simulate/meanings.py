"""Where the emotions that corpora name lie in the plane of valence and arousal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from thymos.sources.simulate.latent import PROTOTYPES

__all__ = ["MEANINGS", "nearest_of", "placed"]

#: Valence and arousal, -1 to 1, of stimuli chosen for an emotion: the prototypes, and further names placed among them
#: after the circumplex (Russell 1980). These are parameters of the simulator.
MEANINGS: dict[str, tuple[float, float]] = {
    **{name: point[:2] for name, point in PROTOTYPES.items()},
    "positive": (0.7, 0.3),
    "negative": (-0.6, 0.2),
    "sad": PROTOTYPES["sadness"][:2],
    "happy": PROTOTYPES["happiness"][:2],
    "joy": (0.8, 0.4),
    "amusement": (0.65, 0.6),
    "inspiration": (0.55, 0.15),
    "tenderness": (0.6, -0.35),
    "calmness": (0.45, -0.6),
    "excitement": (0.6, 0.8),
    "anxiety": (-0.45, 0.7),
    "baseline": (0.05, -0.2),
    "stress": (-0.6, 0.7),
    "meditation": (0.3, -0.75),
}


def placed(name: str) -> tuple[float, float]:
    """Return the valence and arousal that a stimulus chosen for an emotion means."""
    return MEANINGS[name]


def nearest_of(points: np.ndarray, names: Iterable[str]) -> np.ndarray:
    """Return, of some emotions, the one nearest to each felt valence and arousal.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Valence and arousal, -1 to 1.
    names : iterable of str
        Keys of :data:`MEANINGS`.

    Returns
    -------
    ndarray of str, shape (n,)
    """
    names = list(names)
    places = np.array([MEANINGS[name] for name in names])
    return np.array(names)[np.square(points[:, None] - places).sum(axis=-1).argmin(axis=1)]
