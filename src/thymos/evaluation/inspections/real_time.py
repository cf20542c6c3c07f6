"""A method as it would be used live: windows come one by one, and a trial is decided before it ends."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from thymos.base.checks import check_whole
from thymos.base.probabilities import predict_all
from thymos.evaluation.inspections.base import Inspected, Inspection

__all__ = ["RealTime", "order_of_windows", "seconds_seen"]

_WARM_UPS = 20


class RealTime(Inspection):
    """Latency of single windows, and how good the decision on a trial is after each part of it.

    Windows are given to the fitted pipeline trial by trial, in order of time. What was done to whole recordings before
    the split, filters or features, is not timed.

    Parameters
    ----------
    windows : int
        Windows that are timed at most, after 20 that are not.
    moments : int
        Moments of a trial at which it is decided, at most, the first and the last window among them.
    """

    def __init__(self, windows: int = 200, moments: int = 30):
        self.windows = windows
        self.moments = moments

    def check(self) -> None:
        """See that the parameters make sense; errors as :meth:`Inspection.check`."""
        check_whole("windows", self.windows)
        check_whole("moments", self.moments)

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return latencies and decisions.

        Returns
        -------
        DataFrame
            ``kind='latency'``: ``milliseconds`` of each timed window, and the largest ``difference`` of what a window
            is given alone and among all test windows: of probabilities, for ratings in their unit.
            ``kind='evidence'``: ``seconds`` of signal seen (the median over trials), ``subject``, ``n`` trials and the
            metrics of the decision made from all windows so far, as it is made from a whole trial. A trial that has
            ended keeps its decision.
        """
        self.check()
        samples, test = inspected.samples, inspected.test
        order = test[order_of_windows(samples.meta.iloc[test])]
        together = predict_all(inspected.estimator, samples[order].X, inspected.classes)
        latency = self._latency(inspected, order[: self.windows], together[: self.windows]).assign(kind="latency")
        evidence = self._evidence(inspected, order, together).assign(kind="evidence")
        columns = ["kind", *latency.columns.drop("kind"), *evidence.columns.drop("kind")]
        return pd.concat([latency, evidence], ignore_index=True)[columns]

    def _latency(self, inspected: Inspected, rows: np.ndarray, together: np.ndarray) -> pd.DataFrame:
        singles = [inspected.samples[rows[k : k + 1]].X for k in range(len(rows))]
        for k in range(_WARM_UPS):
            predict_all(inspected.estimator, singles[k % len(singles)], inspected.classes)
        taken, alone = np.empty(len(rows)), np.empty_like(together)
        for k, single in enumerate(singles):
            begin = time.perf_counter()
            answer = predict_all(inspected.estimator, single, inspected.classes)
            taken[k] = time.perf_counter() - begin
            alone[k] = answer[0]
        return pd.DataFrame({"milliseconds": 1e3 * taken, "difference": np.abs(alone - together).max()})

    def _evidence(self, inspected: Inspected, rows: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
        meta = inspected.samples.meta.iloc[rows]
        seen, number = seconds_seen(meta), meta.groupby("trial", sort=False).cumcount().to_numpy()
        tables = []
        for count in np.unique(np.linspace(1, number.max() + 1, self.moments).round().astype(int)):
            so_far = number < count
            scores = inspected.scores(predicted[so_far], rows[so_far]).query("level == 'trial'").drop(columns="level")
            tables.append(scores.assign(seconds=np.median(seen[number == count - 1])))
        made = pd.concat(tables, ignore_index=True)
        return made[["seconds", *made.columns.drop("seconds")]]


def order_of_windows(meta: pd.DataFrame) -> np.ndarray:
    """Return the order in which windows come: trial by trial, recordings of a trial as they stand, by ``start``.

    Parameters
    ----------
    meta : DataFrame
        One row per window.

    Returns
    -------
    ndarray of int, shape (n_windows,)
    """
    recording = pd.factorize(_recordings(meta))[0]
    return np.lexsort((meta["start"].to_numpy(float), recording, pd.factorize(meta["trial"])[0]))


def seconds_seen(meta: pd.DataFrame) -> np.ndarray:
    """Return how many seconds of its trial have been seen when a window ends; what no window covers does not count.

    Parameters
    ----------
    meta : DataFrame
        One row per window, in the order of :func:`order_of_windows`.

    Returns
    -------
    ndarray, shape (n_windows,)
    """
    before = meta.groupby(_recordings(meta), sort=False)["stop"].shift()
    fresh = (meta["stop"] - np.maximum(meta["start"], before.fillna(-np.inf))).clip(lower=0)
    return fresh.groupby(meta["trial"], sort=False).cumsum().to_numpy(float)


def _recordings(meta: pd.DataFrame) -> pd.Series:
    return meta["recording"] if "recording" in meta else meta["trial"]
