"""The model card of a run: data, protocols, results, limits, groups, time and energy, all from what it stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from thymos.evaluation.domains import domain_gaps
from thymos.evaluation.study_files import shipped_studies, stored_study
from thymos.report.checklist import broken_down, checklist
from thymos.report.page import verdict, write_page
from thymos.report.view import RunView, chance, number

__all__ = ["CARD", "write_card"]

#: The file beside the report.
CARD = "card.md"

_JOULES = 3.6e6  # in a kilowatt-hour


def write_card(view: RunView) -> Path:
    """Write ``card.md`` into the folder of a run and return its path.

    Raises
    ------
    DataError
        If the run has lost what it stored.
    """
    study, sittings = view.study, view.sittings
    content = {
        "view": view,
        "study": study,
        "shipped": study["name"] in shipped_studies(),
        "data": view.data,
        "target": stored_study(view.results).target,
        "verdict": verdict(view),
        "checks": checklist(view),
        "honest": view.honest,
        "leaky": [card for card in view.protocols.values() if card.leaky],
        "cell": view.cell,
        "chosen": sorted({text for text in view.fits["selection"] if text != "none"}),
        "gaps": list(_gaps(view)),
        "grouped": bool(broken_down(view)),
        "uninspected": view.uninspected,
        "warnings": sorted({text for text in view.fits["warnings"] if text}),
        "hours": view.fits[["fit_seconds", "predict_seconds"]].to_numpy(float).sum() / 3600,
        "energy": _energy(sittings),
        "sittings": sittings,
        "num": number,
        "chance": chance,
    }
    return write_page("card.md", view.results.folder / CARD, content)


def _gaps(view: RunView) -> Iterator[dict[str, Any]]:
    """Yield the gap between the best and the worst group for each protocol and method, with the column of groups."""
    if view.rating:
        return
    for table in broken_down(view):
        mine = table[table["level"] == view.level]
        for (protocol, column), part in mine.groupby(["protocol", "column"], sort=False):
            named = f"{protocol} (LEAKY)" if view.protocols[protocol].leaky else protocol
            # as in the report: accuracy would also tell how often each class is there
            for row in domain_gaps(part, "balanced_accuracy").to_dict("records"):
                yield {**row, "title": view.methods[row["method"]], "protocol": named, "column": column}


def _energy(sittings: list[dict[str, Any]]) -> str:
    """Say what was measured of the energy, in words."""
    metered = [sitting["joules"] for sitting in sittings if sitting.get("joules") is not None]
    if not metered:
        return "not metered: no counter of the machine could be read"
    words = f"{np.sum(metered) / _JOULES:.3g} kWh by the processors' own counters, everything else that ran included"
    return words + ("" if len(metered) == len(sittings) else f"; {len(metered)} of {len(sittings)} sittings metered")
