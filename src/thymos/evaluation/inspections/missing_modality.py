"""What is left of a method of several modalities when one of them is missing from the test part."""

from __future__ import annotations

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.probabilities import predict_all
from thymos.evaluation.inspections.base import Inspected, Inspection

__all__ = ["MissingModality"]


class MissingModality(Inspection):
    """The metrics of the test part with all modalities, without each of them, and with each alone.

    What is missing is NaN in all of its values, as :class:`thymos.models.fusion.HybridFusionClassifier` takes it. Test
    samples that have nothing left then, because they lacked a modality from the beginning, are left out of that set.
    """

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return the metrics of each set of modalities.

        Returns
        -------
        DataFrame
            ``column`` (``given``), ``value``: ``all``, ``without`` a modality, a modality ``alone``; ``level``,
            ``subject``, ``n`` and metrics.

        Raises
        ------
        InputError
            If the method does not tell its modalities (``encoders_``), or has fewer than two.
        """
        last = getattr(inspected.estimator, "steps", [("", inspected.estimator)])[-1][1]
        names = list(getattr(last, "encoders_", ()))
        test = inspected.samples[inspected.test]
        if len(names) < 2 or not isinstance(test.X, dict):
            raise InputError(
                f"{type(last).__name__} has the modalities {', '.join(names) or 'none'}.",
                fits="a method with two or more",
            )
        sets = {"all": names, **{f"without {name}": [n for n in names if n != name] for name in names}}
        if len(names) > 2:  # with two, without the other is alone
            sets |= {f"{name} alone": [name] for name in names}
        tables = []
        for value, kept in sets.items():
            X = {name: array if name in kept or name not in names else _gone(array) for name, array in test.X.items()}
            left = np.flatnonzero(np.any([_there(test.X[name]) for name in kept], axis=0))
            if len(left):
                predicted = predict_all(inspected.estimator, test.replace(X=X)[left], inspected.classes)
                table = inspected.scores(predicted, inspected.test[left])
                tables.append(table.assign(column="given", value=value))
        return pd.concat(tables, ignore_index=True)


def _there(X: np.ndarray) -> np.ndarray:
    """Return which samples have a modality."""
    return ~np.isnan(X.reshape(len(X), -1)).all(axis=1) if X.dtype.kind == "f" else np.ones(len(X), dtype=bool)


def _gone(X: np.ndarray) -> np.ndarray:
    return np.full(X.shape, np.nan, dtype=np.result_type(X.dtype, np.float32))
