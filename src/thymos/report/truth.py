"""What was claimed of five systems, what a leak gives, what is left without it: one page from many runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from thymos.base.errors import DataError
from thymos.evaluation.comparison import compare_methods
from thymos.evaluation.metrics import direction
from thymos.evaluation.systems import System
from thymos.report.page import percent, write_page
from thymos.report.view import RunView, number, title_of

__all__ = ["TABLE", "truth_rows", "write_truth"]

#: The table beside the page.
TABLE = "truth.csv"


def truth_rows(system: str, study: str, method: str, view: RunView) -> list[dict[str, Any]]:
    """Return what a finished run says of one method, a row for each honest protocol.

    Parameters
    ----------
    system, study, method : str
    view : RunView

    Returns
    -------
    list of dict
        ``system, study, title, protocol, method, metric, level, budget, simulated, claimed, claim`` (the text),
        ``claim_metric`` and what is reached ``in_claim_metric``, ``leaky`` and ``leaky_protocol``, ``honest, low, high,
        chance, p`` (after Holm, of all methods), ``gain`` of the leak with its interval ``gain_low, gain_high``,
        ``unit, n_units``, ``rival`` (the best other method but the majority), ``rival_value``, ``difference`` to it
        with its interval and ``difference_p``, and ``verdict``, in words.
    """
    rows: list[dict[str, Any]] = []
    if method not in view.methods:
        return rows
    corrected = {card.name: view.beats_chance(card.name) for card in view.honest}
    for card in view.honest:
        cell = view.cell(card.name, method)
        if cell.value is None:
            continue
        row: dict[str, Any] = {
            **{"system": system, "study": study, "title": view.study["title"], "protocol": card.name, "method": method},
            **{"method_title": view.methods[method], "metric": view.metric, "level": view.level},
            **{"budget": view.study["budget"], "simulated": _simulated(view)},
            **{"honest": cell.value, "low": cell.low, "high": cell.high, "chance": cell.chance},
            **{"p": corrected[card.name].get(method, np.nan), **_claim(view, card.name, method)},
            **_leak(view, card.name, method),
        }
        row |= _rival(view, card.name, method)
        row["verdict"] = _verdict(row)
        rows.append(row)
    return rows


def write_truth(
    folder: str | Path,
    systems: Mapping[str, System],
    runs: Mapping[str, Path],
    absent: Mapping[str, str],
    methods: Mapping[str, tuple[str, str]],
) -> Path:
    """Write the page, and the table beside it.

    Parameters
    ----------
    folder : path
    systems : mapping of str to System
    runs : mapping of str to path
        Folder of the run of each study.
    absent : mapping of str to str
        Why a study was not run, in words.
    methods : mapping of str to (str, str)
        System and method of each study.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        If no run has a finished fit.
    """
    rows: list[dict[str, Any]] = []
    gone = dict(absent)
    for study, run in runs.items():
        try:
            rows += truth_rows(methods[study][0], study, methods[study][1], RunView(run))
        except DataError as error:
            gone[study] = error.came
    if not rows:
        raise DataError("No study has a result.", do="; ".join(f"{name}: {text}" for name, text in gone.items()))
    table = pd.DataFrame(rows)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    table.to_csv(place / TABLE, index=False, float_format="%.5g")
    parts = [
        {
            "name": name,
            "system": system,
            "rows": [row for row in rows if row["system"] == name],
            "links": {study: _link(runs[study], place) for study in runs if methods[study][0] == name},
            "absent": {study: text for study, text in gone.items() if methods[study][0] == name},
        }
        for name, system in systems.items()
    ]
    content = {"parts": parts, "num": number, "percent": percent, "budgets": sorted({row["budget"] for row in rows})}
    return write_page("truth.html", place / "truth.html", content)


def _simulated(view: RunView) -> bool:
    """Say whether the data of a run were made by the simulator; its cautions say so in any case."""
    return any("simulated" in caution.lower() for caution in view.data["cautions"])


def _link(run: Path, place: Path) -> str:
    page = run / "report.html"
    return page.relative_to(place).as_posix() if page.is_relative_to(place) else page.as_posix()


def _claim(view: RunView, protocol: str, method: str) -> dict[str, Any]:
    """Return the published number that belongs to a method, if the study names one, and ours in its own metric."""
    claim = next((claim for claim in view.study["claims"] if claim["method"] == method), None)
    if claim is None:
        return {}
    metric = claim.get("metric") or view.metric
    here = view.cell(protocol, method, metric).value
    words = f"{claim['text']}, {claim['source']}"
    return {"claimed": claim["value"], "claim": words, "claim_metric": metric, "in_claim_metric": here}


def _leak(view: RunView, honest: str, method: str) -> dict[str, Any]:
    """Return what the leaky twin of a protocol reaches, and how much that is more."""
    twin = next((leaky for leaky, of in view.twins.items() if of == honest), None)
    if twin is None or view.cell(twin, method).value is None:
        return {}
    mine = view.predictions[(view.predictions["method"] == method) & view.predictions["protocol"].isin([honest, twin])]
    # the two protocols as methods of one: paired by subject
    paired = mine.assign(method=mine["protocol"], protocol="both")
    (row,) = compare_methods(paired, view.classes, view.metric, view.level, [(twin, honest)]).to_dict("records")
    leaky, mine_honest = view.cell(twin, method).value, cast(float, view.cell(honest, method).value)
    return {
        "leaky_protocol": twin,
        "leaky": leaky,
        "gain": cast(float, leaky) - mine_honest,
        "gain_low": row["low"],
        "gain_high": row["high"],
    }


def _rival(view: RunView, protocol: str, method: str) -> dict[str, Any]:
    """Return the best other method, and the paired difference to it."""
    every = {name: view.cell(protocol, name).value for name in view.methods if name != method}
    others = {name: value for name, value in every.items() if value is not None and not view.is_baseline(name)}
    if not others:
        return {}
    best = max(others, key=lambda name: direction(view.metric) * others[name])
    mine = view.predictions[view.predictions["protocol"] == protocol]
    (row,) = compare_methods(mine, view.classes, view.metric, view.level, [(method, best)]).to_dict("records")
    return {
        **{"rival": best, "rival_title": view.methods[best], "rival_value": others[best]},
        **{"unit": row["unit"], "n_units": row["n_units"]},
        **{"difference": row["difference"], "difference_low": row["low"], "difference_high": row["high"]},
        **{"difference_p": row["p"], "detectable": row["detectable"]},
    }


def _verdict(row: Mapping[str, Any]) -> str:
    """Say what the numbers of a row mean."""
    above = np.isfinite(row["p"]) and row["p"] < 0.05
    words = [
        f"Above chance ({number(row['honest'])} against {number(row['chance'])})."
        if above
        else f"Not told from chance ({number(row['honest'])} against {number(row['chance'])})."
    ]
    if row.get("in_claim_metric") is not None:
        short = row["claimed"] - row["in_claim_metric"]
        of = "" if row["claim_metric"] == row["metric"] else f" in {title_of(row['claim_metric'])}"
        words.append(
            f"The claim of {percent(row['claimed'])} is {100 * short:.0f} points higher{of}."
            if short > 0.005
            else f"The claim of {percent(row['claimed'])} is reached{of}."
        )
    if "gain" in row:
        span = "" if not np.isfinite(row["gain_low"]) else f" [{row['gain_low']:+.2f}, {row['gain_high']:+.2f}]"
        words.append(f"The split {row['leaky_protocol']}, which leaks, changes it by {row['gain']:+.3f}{span}.")
    if "rival" in row:
        known = row["difference_p"] < 0.05
        better = "better" if direction(row["metric"]) * row["difference"] > 0 else "worse"
        words.append(
            f"{'It is ' + better + ' than' if known else 'It is not told from'} {row['rival_title']} "
            f"({row['difference']:+.3f}, p {number(row['difference_p'])}, before correction)."
        )
    if row["simulated"]:
        words.append("Simulated data: this says nothing about people.")
    return " ".join(words)
