"""What a method is given and what it has learnt, as neighbourhoods and as a picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import pairwise_distances

from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.base.probabilities import log_probabilities
from thymos.base.random import child_seed, generator
from thymos.evaluation.inspections.base import Inspected, Inspection
from thymos.evaluation.many import last_step, predict_all

__all__ = ["Embedding", "neighbours_alike"]

_NEIGHBOURS = 10
_COMPONENTS = 50
_PERPLEXITY = 30.0
_LEAST = 10  # windows
_ROUNDING = 1e-12


class Embedding(Inspection):
    """Test windows before and after the last step of a method, in two dimensions.

    The stage ``input`` is what the last step is given, flattened. The stage ``learnt`` is what the last step makes of
    it: its ``embed(X)``, shape (n_samples, n_dimensions), where it has one, the logarithms of its probabilities
    otherwise.

    Parameters
    ----------
    windows : int
        Test windows at most, drawn at random, the same for all methods.

    Notes
    -----
    L. van der Maaten, G. Hinton: Visualizing data using t-SNE. Journal of Machine Learning Research 9, 2008; on the
    first 50 principal components, as there. It keeps neighbourhoods; distances between groups mean nothing, so that
    neighbours are counted in the space of the stage itself.
    """

    def __init__(self, windows: int = 400):
        self.windows = windows

    def check(self) -> None:
        """See that the parameters make sense; errors as :meth:`Inspection.check`."""
        check_whole("windows", self.windows, _LEAST)

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return the coordinates of windows.

        Returns
        -------
        DataFrame
            ``stage`` (``input``, ``learnt``), ``x``, ``y``, ``label``, ``trial``, ``subject``, and ``neighbours``: of
            the 10 nearest windows of other trials, the share that have the same label.

        Raises
        ------
        InputError
            If there are no classes, several modalities, or fewer than 10 test windows.
        """
        self.check()
        samples, test = inspected.samples, inspected.test
        if not inspected.classes or isinstance(samples.X, dict) or len(test) < _LEAST:
            raise InputError(
                f"{len(test)} test windows of {'classes' if inspected.classes else 'ratings'} came"
                f"{', of several modalities' if isinstance(samples.X, dict) else ''}.",
                fits=f"at least {_LEAST} windows with classes, in one array",
            )
        rows = np.sort(generator(inspected.seed, "embedding").permutation(test)[: self.windows])
        given = inspected.given(rows)
        last = last_step(inspected.estimator)
        if hasattr(last, "embed"):
            learnt = last.embed(given)
        else:
            learnt = log_probabilities(predict_all(last, given, inspected.classes))
        meta = samples.meta.iloc[rows]
        facts = {
            "label": samples.y[rows].astype(str),
            "trial": meta["trial"].astype(str).to_numpy(dtype=str),
            "subject": meta["subject"].astype(str).to_numpy(dtype=str),
        }
        tables = []
        for stage, made in (("input", given), ("learnt", learnt)):
            space = np.asarray(made, dtype=np.float64).reshape(len(rows), -1)
            alike = neighbours_alike(space, facts["label"], facts["trial"])
            x, y = _picture(space, child_seed(inspected.seed, stage)).T
            tables.append(pd.DataFrame({"stage": stage, "x": x, "y": y, **facts, "neighbours": alike}))
        return pd.concat(tables, ignore_index=True)


def neighbours_alike(space: np.ndarray, labels: np.ndarray, trials: np.ndarray, count: int = _NEIGHBOURS) -> np.ndarray:
    """Return for each sample the share of its nearest neighbours from other trials that have its label.

    Parameters
    ----------
    space : ndarray, shape (n_samples, n_dimensions)
    labels, trials : ndarray, shape (n_samples,)
    count : int
        Neighbours, or all samples of other trials where there are fewer.

    Returns
    -------
    ndarray, shape (n_samples,)
        NaN where there is no other trial.
    """
    away = pairwise_distances(space)
    away[trials[:, None] == trials] = np.inf
    nearest = np.argsort(away, axis=1, kind="stable")[:, :count]
    there = np.isfinite(np.take_along_axis(away, nearest, axis=1))
    alike = ((labels[nearest] == labels[:, None]) & there).sum(axis=1)
    return np.divide(alike, there.sum(axis=1), out=np.full(len(space), np.nan), where=there.any(axis=1))


def _picture(space: np.ndarray, seed: int) -> np.ndarray:
    """Return coordinates in two dimensions, shape (n_samples, 2)."""
    size, space = np.abs(space).max(), space - space.mean(axis=0)
    scale = np.abs(space).max()  # volts are small numbers
    there = scale > _ROUNDING * size
    space = space / scale if there else np.zeros_like(space)
    if there and space.shape[1] > _COMPONENTS:
        space = PCA(min(_COMPONENTS, len(space)), random_state=seed).fit_transform(space)
    # points on a line or in one place give no plane to begin from
    begin = "pca" if there and space.shape[1] > 1 else "random"
    perplexity = min(_PERPLEXITY, (len(space) - 1) / 3)
    return TSNE(perplexity=perplexity, init=begin, random_state=seed).fit_transform(space)
