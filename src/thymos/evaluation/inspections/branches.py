"""What the branches of an ensemble know, alone and together (methods B2)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.probabilities import predict_all
from thymos.evaluation.inspections.base import Inspected, Inspection
from thymos.evaluation.many import last_step

__all__ = ["Branches"]

_METRICS = ("accuracy", "balanced_accuracy", "log_loss")


class Branches(Inspection):
    """Metrics of each branch of an ensemble, of simple ways to combine them, and how alike they are.

    The method is not fitted again. Branches that are trained by losses of their own do not depend on what combines
    them, but the epoch at which they were kept does: it was chosen by the combination as fitted. It wants a last step
    with ``branch_probabilities(X)``, shape (n_samples, n_branches, n_classes), and titles ``branches_``.
    """

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return metrics of branches and of combinations, and the likeness of branches.

        Returns
        -------
        DataFrame
            Of kind ``scores``: ``combination`` (a branch, ``average`` of probabilities, ``vote``, ``as fitted``), its
            ``weight`` in the ensemble, ``level``, ``subject``, ``n``, accuracy, balanced accuracy, log-loss. Of kind
            ``correlation``: branches ``a`` and ``b``, the ``correlation`` over test windows of what they give to the
            true class, and ``agreement``, the share of windows for which they prefer the same class.

        Raises
        ------
        InputError
            If the method is no ensemble of branches.
        """
        last = last_step(inspected.estimator)
        if not hasattr(last, "branch_probabilities"):
            raise InputError(f"{type(last).__name__} has no branches.", fits="an ensemble such as lel")
        given, classes = inspected.given(inspected.test), inspected.classes
        known = [classes.index(str(name)) for name in last.classes_]
        alone = np.zeros((len(given), len(last.branches_), len(classes)))
        alone[..., known] = last.branch_probabilities(given)
        preferred = alone.argmax(axis=2)
        votes = (preferred[..., None] == np.arange(len(classes))).mean(axis=1) + 1e-3  # a trial may overrule four votes
        ways = {name: (alone[:, k], last.weights_[k]) for k, name in enumerate(last.branches_)}
        ways["average"] = alone.mean(axis=1), np.nan
        ways["vote"] = votes / votes.sum(axis=1, keepdims=True), np.nan
        ways["as fitted"] = predict_all(last, given, classes), np.nan
        tables = [
            inspected.scores(predicted, metrics=_METRICS).assign(kind="scores", combination=name, weight=weight)
            for name, (predicted, weight) in ways.items()
        ]
        true = np.array([classes.index(str(label)) for label in inspected.samples.y[inspected.test]])
        trust = alone[np.arange(len(true)), :, true]
        likeness = [
            {
                "kind": "correlation",
                "a": last.branches_[j],
                "b": last.branches_[k],
                "correlation": _correlation(trust[:, j], trust[:, k]),
                "agreement": (preferred[:, j] == preferred[:, k]).mean(),
            }
            for j, k in combinations(range(len(last.branches_)), 2)
        ]
        return pd.concat([*tables, pd.DataFrame(likeness)], ignore_index=True)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else np.nan
