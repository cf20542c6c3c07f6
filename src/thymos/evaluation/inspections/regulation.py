"""How a network lost its units while it learned."""

from __future__ import annotations

import pandas as pd

from thymos.base.errors import InputError
from thymos.evaluation.inspections.base import Inspected, Inspection
from thymos.evaluation.many import last_step

__all__ = ["Regulation"]


class Regulation(Inspection):
    """Live units, expression and returns of each layer after each epoch.

    It wants a last step with ``regulation_``, such as ``gene_pruned``.
    """

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return what was noted.

        Returns
        -------
        DataFrame
            One row per epoch and ``layer``: its ``kind`` of units, how many are ``live`` of ``n``, their mean
            ``expression``; for all layers together how many ``came_back``, the ``share`` that is live, and in the end
            the share of weights that are (``weights``).

        Raises
        ------
        InputError
            If the method has lost nothing.
        """
        last = last_step(inspected.estimator)
        if not getattr(last, "regulation_", None):
            raise InputError(f"{type(last).__name__} loses no units.", fits="a model such as gene_pruned")
        return pd.DataFrame(last.regulation_).assign(weights=last.live_)
