"""What an inspection is given, and how several are made of one fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import InputError, ThymosError
from thymos.base.samples import Samples
from thymos.evaluation.many import transformers
from thymos.evaluation.metrics import predictions_table, rows_of

__all__ = ["Inspected", "Inspection", "Inspections", "look", "positives"]


@dataclass(frozen=True)
class Inspected:
    """A fitted method, and the fold that it was fitted under.

    Parameters
    ----------
    estimator : fitted scikit-learn estimator
        Pipeline or estimator, as it was fitted; where a fold gives labelled trials of a test subject away, not
        calibrated on them.
    samples : Samples
        All of them, with settled labels.
    train, validation, test : ndarray of int
        Rows it was fitted on, those that were held back from it to choose epochs and parameters, and test rows.
    classes : list of str
        All classes of the study, in the order of probabilities; empty for ratings.
    seed : int
        For what an inspection draws. It depends on the fold alone, so that all methods are given the same.
    """

    estimator: Any
    samples: Samples
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    classes: list[str]
    seed: int

    def given(self, rows: np.ndarray) -> np.ndarray:
        """Return what the last step of the method is given of some samples, shape (n_rows, ...)."""
        X = self.samples[rows].X
        for step in transformers(self.estimator):
            X = step.transform(X)
        return X

    def scores(
        self, predicted: np.ndarray, rows: np.ndarray | None = None, metrics: tuple[str, ...] | None = None
    ) -> pd.DataFrame:
        """Return the metrics of predictions, as they are stored for a fit.

        Parameters
        ----------
        predicted : ndarray, shape (n_rows, n_classes), for ratings (n_rows,)
            Probabilities in the order of the classes, or ratings.
        rows : ndarray of int, shape (n_rows,), optional
            Samples they are of; the test part by default.
        metrics : tuple of str, optional
            Names of :func:`thymos.evaluation.metrics.classification_metrics` or
            :func:`thymos.evaluation.metrics.rating_metrics`; accuracy and balanced accuracy by default, for ratings
            ``ccc`` and ``rmse``.

        Returns
        -------
        DataFrame
            ``level``, ``subject``, ``n`` and the metrics, one row per level (``window``, ``trial``) and subject, and
            ``subject='all'``.
        """
        metrics = metrics or (("accuracy", "balanced_accuracy") if self.classes else ("ccc", "rmse"))
        rows = self.test if rows is None else rows
        table = predictions_table(self.samples.meta.iloc[rows], self.samples.y[rows], predicted, self.classes)
        return rows_of(table, self.classes)[["level", "subject", "n", *metrics]]


class Inspection(ABC):
    """A look at a fitted method. The constructor stores parameters and does nothing else."""

    def check(self) -> None:  # noqa: B027 - most have parameters to check, not all
        """See that the parameters make sense, before anything is fitted.

        Raises
        ------
        InputError
            If one does not.
        """

    @abstractmethod
    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return what is found, as a table; the columns of the fit's identity are added to it.

        Raises
        ------
        InputError
            If the method or its samples are nothing that can be looked at so. The fit is kept, with these words.
        """


Inspections = Mapping[str, Inspection]


def look(inspected: Inspected, inspections: Inspections) -> tuple[dict[str, pd.DataFrame], str]:
    """Make all inspections of one fit; what one raises leaves the fit and the others alone.

    Parameters
    ----------
    inspected : Inspected
    inspections : mapping of str to Inspection

    Returns
    -------
    tables : dict of str to DataFrame
        By the names of those that succeeded.
    failed : str
        Which others failed, and why; empty if none did.
    """
    tables, failed = {}, []
    for name, inspection in inspections.items():
        try:
            table = inspection(inspected)
            if not isinstance(table, pd.DataFrame):
                raise InputError(f"a {type(table).__name__} came back.", fits="a table")
            table.to_parquet()  # what cannot be stored is found here and not after the fit has left this process
            tables[name] = table
        except ThymosError as error:
            failed.append(f"{name}: {' '.join(str(error).split())}")
        except Exception as error:
            words = " ".join(str(error).split())
            failed.append(f"{name}: {type(error).__name__}{f': {words}' if words else ''}")
    return tables, "; ".join(failed)


def positives(name: str, values: Any) -> list[float]:
    """Return a parameter that is several positive numbers.

    Raises
    ------
    InputError
        If it is no list of finite numbers above 0.
    """
    if not isinstance(values, (list, tuple)) or not all(
        isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < np.inf for value in values
    ):
        raise InputError(f"{name}={values!r} came.", fits="a list of positive numbers")
    return list(values)
