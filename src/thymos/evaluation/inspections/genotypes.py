"""Which networks searches found, and how they went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from thymos.base.errors import InputError
from thymos.evaluation.inspections.base import Inspected, Inspection
from thymos.evaluation.many import last_step

__all__ = ["Genotypes"]


class Genotypes(Inspection):
    """Edges of every searched cell, and the epochs of the searches.

    It wants a last step with ``genotype_``, or with ``genotypes_`` and ``searches_`` by subject, whose empty name is
    that of all.
    """

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return what was found.

        Returns
        -------
        DataFrame
            Of kind ``edge``: ``subject`` (empty for all), ``cell``, ``node``, ``source`` and ``operation``. Of kind
            ``epoch``: ``subject``, ``epoch``, losses, accuracy on the samples for the architecture, ``beta``,
            ``eigenvalue`` and ``skips``. Of kind ``search``: ``subject``, ``stopped``, which guard ended it, and
            ``moved``, by how much a personal architecture left that of all. ``choices`` is the number of operations
            that an edge could have had.

        Raises
        ------
        InputError
            If the method has no genotype.
        """
        last = last_step(inspected.estimator)
        if not hasattr(last, "genotype_"):
            raise InputError(f"{type(last).__name__} has no genotype.", fits="a model such as eegnas")
        if hasattr(last, "genotypes_"):
            genotypes = ({"": last.genotype_} if last.genotype_ else {}) | last.genotypes_
            searches, stopped = last.searches_, last.stopped_
        else:
            genotypes, searches = {"": last.genotype_}, {"": last.search_history_} if last.search_history_ else {}
            stopped = {"": last.search_stopped_} if searches else {}
        moved = getattr(last, "moved_", {})
        rows = [
            *(row for name, genotype in genotypes.items() for row in _edges(name, genotype)),
            *({"kind": "epoch", "subject": name, **epoch} for name, history in searches.items() for epoch in history),
            *(
                {"kind": "search", "subject": name, "stopped": words, "moved": moved.get(name)}
                for name, words in stopped.items()
            ),
        ]
        return pd.DataFrame(rows).assign(choices=len(last.space().choices))


def _edges(subject: str, genotype: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"kind": "edge", "subject": subject, "cell": cell, "node": node, "source": source, "operation": operation}
        for cell, nodes in genotype.items()
        for node, edges in enumerate(nodes)
        for operation, source in edges
    ]
