"""How a training part is divided once more: whole trials, of every class and subject."""

from __future__ import annotations

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.samples import TRIAL_OF

__all__ = ["held_trials", "trials_of"]


def trials_of(meta: pd.DataFrame | None, n_samples: int) -> np.ndarray:
    """Return for each sample the name of what must not stand on both sides of a division, an array of str.

    Its trial; of photographs the picture, of which there may be copies; of pairs that of the second sample (see
    :func:`thymos.base.samples.of_modality`). Without metadata every sample is its own.

    Parameters
    ----------
    meta : DataFrame or None
        Metadata with the column ``trial``; ``picture`` and, for pairs, ``trial of MODALITY`` go before it.
    n_samples : int

    Raises
    ------
    InputError
        If metadata do not tell the trials.
    """
    if meta is None:
        return np.arange(n_samples).astype(str)
    sides = [name for name in meta if str(name).startswith(TRIAL_OF)]
    name = next((name for name in (*sides[-1:], "picture") if name in meta), "trial")
    if name not in meta:
        came = ", ".join(map(str, meta.columns)) or "no column"
        raise InputError(f"Metadata with {came} came.", fits="a column trial", do="name the trial of each sample")
    return meta[name].astype(str).to_numpy(dtype=str)


def held_trials(trials: np.ndarray, strata: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Say which rows belong to trials that are held back: a share of each stratum's, one at least, and never all.

    Parameters
    ----------
    trials : ndarray of str, shape (n_samples,)
    strata : ndarray, shape (n_samples,)
        Of the first sample of a trial: its class, or class and subject. Of a stratum with one trial none is held.
    share : float
        0 holds nothing.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n_samples,)
    """
    if not share:
        return np.zeros(len(trials), dtype=bool)
    names, first = np.unique(trials, return_index=True)
    held = []
    for stratum in np.unique(strata):
        mine = rng.permutation(names[strata[first] == stratum])
        held.append(mine[: min(len(mine) - 1, max(1, round(share * len(mine))))])
    return np.isin(trials, np.concatenate(held))
