"""Whether a method does better under some circumstances than under others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.probabilities import predict_all
from thymos.evaluation.inspections.base import Inspected, Inspection

__all__ = ["Breakdown"]


class Breakdown(Inspection):
    """The metrics of the test part for each value of a metadata column, such as the task of a trial.

    Parameters
    ----------
    column : str
        Of the metadata.
    """

    def __init__(self, column: str):
        self.column = column

    def check(self) -> None:
        """See that the parameters make sense; errors as :meth:`Inspection.check`."""
        if not isinstance(self.column, str):
            raise InputError(f"column={self.column!r} came.", fits="the name of a column of the metadata")

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return the metrics of each value.

        Returns
        -------
        DataFrame
            ``column``, ``value``, ``level``, ``subject``, ``n`` and metrics, for classes the calibration error
            (``ece``) too.

        Raises
        ------
        InputError
            If there is no such column.
        """
        self.check()
        meta = inspected.samples.meta
        if self.column not in meta:
            raise InputError(f"The samples have no column {self.column!r}.", fits=f"one of {', '.join(meta.columns)}")
        values = meta[self.column].astype(str).to_numpy(dtype=str)[inspected.test]
        tables, metrics = [], ("accuracy", "balanced_accuracy", "ece") if inspected.classes else None
        predicted = predict_all(inspected.estimator, inspected.samples[inspected.test], inspected.classes)
        for value in np.unique(values):
            mine = values == value
            table = inspected.scores(predicted[mine], inspected.test[mine], metrics)
            tables.append(table.assign(column=self.column, value=value))
        return pd.concat(tables, ignore_index=True)
