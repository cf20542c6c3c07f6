"""The Lipschitz constant that a network has, beside the one that is declared (methods B2.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.evaluation.inspections.base import Inspected, Inspection, positives
from thymos.evaluation.many import last_step, transformers

__all__ = ["Lipschitz"]


class Lipschitz(Inspection):
    """Measured constants at test windows, what is declared and what is proven, and certified radii.

    It wants a last step with ``measured(X, steps, scales, random_state)`` and ``bound_linear``, such as LEL; radii are
    there where ``certify(X, groups)`` is possible.

    Parameters
    ----------
    windows : int
        Test windows at most at which constants are measured, drawn at random, the same for all methods.
    steps : int
        Of the attack.
    scales : sequence of float
        Factors by which the tokens before the first attention are multiplied.
    """

    def __init__(self, windows: int = 20, steps: int = 50, scales: Sequence[float] = (1.0, 10.0, 100.0)):
        self.windows = windows
        self.steps = steps
        self.scales = scales

    def check(self) -> None:
        """See that the parameters make sense; errors as :meth:`Inspection.check`."""
        check_whole("windows", self.windows)
        check_whole("steps", self.steps)
        positives("scales", self.scales)

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return constants and radii.

        Returns
        -------
        DataFrame
            ``quantity``: ``local`` and ``attack`` for each window, ``scale`` (local constant of the first attention,
            with the ``amount`` its input was multiplied by), ``declared`` (K_lin), ``bound`` (proven), all of the
            network ``where`` it was measured, from windows in units of each channel's deviation; ``radius`` of the
            decision about each test ``trial``: the root mean square of what may be added to each of its windows, with
            ``correct`` and its ``unit``, empty where steps before the last one may have changed it. ``value``.

        Raises
        ------
        InputError
            If the method has no such measurements.
        """
        self.check()
        last = last_step(inspected.estimator)
        if not hasattr(last, "measured"):
            raise InputError(f"{type(last).__name__} does not measure its Lipschitz constant.", fits="a model as lel")
        rows = np.sort(generator(inspected.seed, "lipschitz").permutation(inspected.test)[: self.windows])
        found = last.measured(
            inspected.given(rows), steps=self.steps, scales=tuple(self.scales), random_state=inspected.seed % 2**31
        )
        tables = [
            found[found["where"] != "attention"].assign(quantity=name, value=found[name])
            for name in ("local", "attack")
        ]
        attention = found[found["where"] == "attention"]
        tables.append(attention.assign(quantity="scale", value=attention["local"], amount=attention["scale"]))
        bounds = last.bounds()
        facts = [{"quantity": "bound", "where": where, "value": value} for where, value in bounds.items()]
        if last.bound_linear is not None:
            facts.append({"quantity": "declared", "where": "ensemble", "value": float(last.bound_linear)})
        if facts:
            tables.append(pd.DataFrame(facts))
        if bounds:
            tables.append(_radii(inspected, last))
        columns = ["quantity", "where", "value", "amount", "trial", "correct", "unit"]
        return pd.concat(tables, ignore_index=True).reindex(columns=columns)


def _radii(inspected: Inspected, last: Any) -> pd.DataFrame:
    meta, y = inspected.samples.meta.iloc[inspected.test], inspected.samples.y[inspected.test].astype(str)
    trials = meta["trial"].astype(str).to_numpy(dtype=str)
    table = last.certify(inspected.given(inspected.test), trials)
    first = np.unique(trials, return_index=True)[1]
    unit = "" if transformers(inspected.estimator) else str(inspected.samples.info.get("unit", ""))
    unit, factor = ("\N{MICRO SIGN}V", 1e6) if unit == "V" else (unit, 1.0)
    return pd.DataFrame(
        {
            "quantity": "radius",
            "where": "ensemble",
            "value": factor * table["rms"],
            "trial": trials[first],
            "correct": last.classes_[table["predicted"]].astype(str) == y[first],
            "unit": unit,
        }
    )
