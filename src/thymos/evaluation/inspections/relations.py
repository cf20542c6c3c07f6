"""How much a model lets electrodes take from each other, by emotion."""

from __future__ import annotations

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.evaluation.inspections.base import Inspected, Inspection
from thymos.evaluation.many import last_step

__all__ = ["Relations"]


class Relations(Inspection):
    """The mean learnt adjacency of the electrodes over the test windows of each class.

    It wants a last step with ``relations(X)``, shape (n_samples, n_channels, n_channels), that is given all channels of
    the samples.
    """

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return mean weights.

        Returns
        -------
        DataFrame
            ``label``, electrodes ``a`` (which takes) and ``b`` (which gives), and ``weight``.

        Raises
        ------
        InputError
            If the method learns no relations, or the samples do not name their channels.
        """
        last, names = last_step(inspected.estimator), list(inspected.samples.info.get("ch_names") or [])
        if not hasattr(last, "relations"):
            raise InputError(f"{type(last).__name__} learns no relations of electrodes.", fits="a model such as lel")
        made = last.relations(inspected.given(inspected.test))
        if made.shape[1] != len(names):
            raise InputError(
                f"Relations of {made.shape[1]} channels came, and {len(names)} names.", fits="as many names as channels"
            )
        labels, tables = inspected.samples.y[inspected.test].astype(str), []
        a, b = (part.ravel() for part in np.meshgrid(names, names, indexing="ij"))
        for label in np.unique(labels):
            weight = made[labels == label].mean(axis=0).ravel()
            tables.append(pd.DataFrame({"label": label, "a": a, "b": b, "weight": weight})[a != b])
        return pd.concat(tables, ignore_index=True)
