"""Where words for emotions lie among valence, arousal and dominance."""

from __future__ import annotations

import numpy as np

from thymos.base.errors import InputError

__all__ = ["PROTOTYPES", "nearest"]

#: Mean valence, arousal and dominance, -1 to 1, of emotion terms (Russell & Mehrabian 1977); neutral is the origin.
PROTOTYPES: dict[str, tuple[float, float, float]] = {
    "anger": (-0.51, 0.59, 0.25),
    "disgust": (-0.60, 0.35, 0.11),
    "fear": (-0.64, 0.60, -0.43),
    "happiness": (0.76, 0.48, 0.35),
    "sadness": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
    "neutral": (0.0, 0.0, 0.0),
}


def nearest(points: np.ndarray) -> np.ndarray:
    """Return the name of the prototype nearest to each valence and arousal, or each valence, arousal and dominance.

    Parameters
    ----------
    points : ndarray, shape (n, 2) or (n, 3)
        From -1 to 1.

    Returns
    -------
    ndarray of str, shape (n,)

    Raises
    ------
    InputError
        If the points have another shape.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise InputError(f"Points of shape {points.shape} came.", fits="(n, 2) or (n, 3): valence, arousal, dominance")
    if not np.isfinite(points).all():
        raise InputError(f"{np.isnan(points).any(axis=1).sum()} points have missing ratings.", fits="ratings of all")
    places = np.array(list(PROTOTYPES.values()))[:, : points.shape[1]]
    return np.array(list(PROTOTYPES))[np.square(points[:, None] - places).sum(axis=-1).argmin(axis=1)]
