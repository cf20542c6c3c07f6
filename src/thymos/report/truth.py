"""What was claimed of five systems, what a leak gives, what is left without it: one page from many runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from thymos.base.errors import DataError, InputError
from thymos.base.folders import whole_file
from thymos.evaluation.comparison import compare_methods
from thymos.evaluation.metrics import RATING_METRICS, direction
from thymos.evaluation.study import BUDGETS
from thymos.evaluation.systems import SYSTEMS, System
from thymos.report.page import percent, write_page
from thymos.report.view import ProtocolCard, RunView, chance, number, title_of

__all__ = ["TABLE", "check_folder", "read_truth", "truth_rows", "write_truth"]

#: The table beside the page.
TABLE = "truth.csv"
_PAGE = "truth.html"
# what every row has; what it may lack besides is left out of the page
_WORDS = ("system", "study", "title", "protocol", "method", "method_title", "metric", "level", "budget", "verdict")
_NUMBERS = ("honest", "low", "high", "chance")
_PERHAPS = ("claimed", "leaky", "gain", "gain_low", "gain_high", "rival_value")


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
        ``claim_metric``, what is reached ``in_claim_metric``, by the leak ``leak_in_claim_metric``, what ``differs`` in
        the published task; ``leaky`` and ``leaky_protocol``, ``honest, low, high, chance, p`` (after Holm, of all
        methods), ``seeds``, ``missing`` (folds that have no finished fit), ``pairs`` (how pairs of modalities of
        different people were made, if they were); ``gain`` of the leak with its interval ``gain_low, gain_high``,
        ``unit, n_units``, ``rival`` (the best other method but the majority), ``rival_value``, ``rival_seeds`` and
        ``rival_once`` (whether the only one could have been another), ``difference`` to it with its interval and
        ``difference_p``, and ``verdict``, in words.
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
            **{"budget": view.study["budget"], "simulated": view.simulated},
            **{"honest": cell.value, "low": cell.low, "high": cell.high, "chance": cell.chance},
            **{"p": corrected[card.name].get(method, np.nan), **_fits(view, card, method)},
            **{"pairs": _pairs(view, card.name), **_claim(view, card.name, method)},
            **_leak(view, card.name, method),
        }
        row |= _rival(view, card.name, method)
        row["verdict"] = _verdict(row)
        rows.append(row)
    return rows


def read_truth(path: str | Path) -> list[dict[str, Any]]:
    """Read the rows of a table that :func:`write_truth` wrote, such as that of another machine.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of dict
        As those of :func:`truth_rows`, with ``elsewhere``.

    Raises
    ------
    DataError
        If it is no such table.
    """
    fits = f"the {TABLE} that `thymos reproduce` writes"
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(_WORDS, str))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table ({error}).", fits=fits) from None
    missing = [name for name in (*_WORDS, *_NUMBERS, "simulated") if name not in table]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}.", fits=fits)
    numbers = [name for name in (*_NUMBERS, *_PERHAPS) if name in table]
    wrong = [name for name in numbers if table[name].notna().any() and not pd.api.types.is_numeric_dtype(table[name])]
    if wrong or table["simulated"].dtype != bool or table[list(_WORDS)].isna().any(axis=None):
        raise DataError(f"{path} has values that are not those of such a table.", fits=fits)
    unknown = sorted(set(table["system"]) - set(SYSTEMS))
    if unknown:
        raise DataError(f"{path} tells of {', '.join(unknown)}.", fits=f"the systems {', '.join(SYSTEMS)}")
    rows = []
    for row in table.to_dict("records"):
        there = {str(key): value for key, value in row.items() if not pd.isna(value)}
        # the page shows these with what belongs to them
        nothing: dict[str, Any] = dict.fromkeys(("gain_low", "gain_high"), np.nan) if "gain" in there else {}
        nothing |= {"claim": "", "claim_metric": ""} if "claimed" in there else {}
        nothing |= {"rival_title": there["rival"], "rival_value": np.nan} if "rival" in there else {}
        rows.append({**dict.fromkeys(_NUMBERS, np.nan), "pairs": "", "elsewhere": True} | nothing | there)
    return rows


def check_folder(folder: str | Path) -> None:
    """See that the page and its table may be written into a folder.

    Raises
    ------
    InputError
        If it is a file, or has a file of one of their names that is none of them.
    """
    place, fits = Path(folder), "a new folder, or one that `thymos reproduce` has written"
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is no folder.", fits)
    if (place / TABLE).exists():
        try:
            read_truth(place / TABLE)
        except DataError as error:
            raise InputError(f"What is there would be replaced, and is something else: {error.came}", fits) from None
    elif (place / _PAGE).exists():
        raise InputError(f"{place / _PAGE} would be replaced, and has no {TABLE} beside it.", fits)


def write_truth(
    folder: str | Path,
    systems: Mapping[str, System],
    runs: Mapping[str, Path],
    absent: Mapping[str, str],
    methods: Mapping[str, tuple[str, str]],
    added: Iterable[Mapping[str, Any]] = (),
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
    added : iterable of dict
        Rows of other tables (:func:`read_truth`). Those of studies that have rows of their own are left out, and of
        several tables of one study those of the larger budget stay, and of these the first of each protocol.

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
            found = truth_rows(methods[study][0], study, methods[study][1], RunView(run))
        except DataError as error:
            gone[study] = error.came
            continue
        rows += found
        if not found:
            gone[study] = f"{methods[study][1]} has no finished fit under an honest protocol"
    here = {row["study"] for row in rows}
    known = {name: number for number, name in enumerate(BUDGETS)}
    more = [dict(row) for row in added if row["study"] not in here and row["system"] in systems]
    largest: dict[str, str] = {}
    for row in more:
        largest[row["study"]] = max(largest.get(row["study"], ""), row["budget"], key=lambda name: known.get(name, -1))
    once: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in more:
        if row["budget"] == largest[row["study"]]:
            once.setdefault((row["study"], row["protocol"], row["method"]), row)
    others = list(once.values())
    rows += others
    for row in others:
        gone.pop(row["study"], None)
    if not rows:
        raise DataError("No study has a result.", do="; ".join(f"{name}: {text}" for name, text in gone.items()))
    table = pd.DataFrame(rows)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with whole_file(place / TABLE, overwrite=True) as fresh:
        table.drop(columns="elsewhere", errors="ignore").to_csv(fresh, index=False, float_format="%.5g")
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
    content["ratings"] = list(RATING_METRICS)
    return write_page("truth.html", place / _PAGE, content)


def _link(run: Path, place: Path) -> str:
    page = run / "report.html"
    return page.relative_to(place).as_posix() if page.is_relative_to(place) else page.as_posix()


def _claim(view: RunView, protocol: str, method: str) -> dict[str, Any]:
    """Return the published number that belongs to a method, if the study names one, and ours in its own metric."""
    claims = [claim for claim in view.study["claims"] if claim["method"] == method]
    if not claims:
        return {}
    twin = _twin(view, protocol)
    # that of this protocol, or else of its leaky twin, or else any
    claim = min(claims, key=lambda claim: (claim["protocol"] != protocol, claim["protocol"] != twin))
    metric = claim.get("metric") or view.metric
    words = f"{claim['text']}, {claim['source']}"
    row = {"claimed": claim["value"], "claim": words, "claim_metric": metric, "differs": claim.get("differs", "")}
    row["in_claim_metric"] = view.cell(protocol, method, metric).value
    if twin is not None and claim["protocol"] == twin:
        row["leak_in_claim_metric"] = view.cell(twin, method, metric).value
    return row


def _twin(view: RunView, honest: str) -> str | None:
    return next((leaky for leaky, of in view.twins.items() if of == honest), None)


def _fits(view: RunView, card: ProtocolCard, method: str) -> dict[str, int]:
    """Return how many seeds there are, and how many folds without any fit."""
    mine = _true_fits(view, card.name, method)
    # fits of several dealings have folds of their own
    return {"seeds": mine["seed"].nunique(), "missing": card.n_folds * card.repeats - mine["fold"].nunique()}


def _true_fits(view: RunView, protocol: str, method: str) -> pd.DataFrame:
    fits = view.fits[view.fits["labels"] == "true"]
    return fits[(fits["protocol"] == protocol) & (fits["method"] == method)]


def _pairs(view: RunView, protocol: str) -> str:
    """Return how modalities of different people were paired, if they were."""
    if not view.study.get("pairing"):
        return ""
    kind = (view.study["protocols"][protocol].get("parameters") or {}).get("pairing", "label")
    return "" if kind == "trial" else str(kind)


def _leak(view: RunView, honest: str, method: str) -> dict[str, Any]:
    """Return what the leaky twin of a protocol reaches, and how much that is more."""
    twin = _twin(view, honest)
    if twin is None or view.cell(twin, method).value is None:
        return {}
    mine = view.predictions[(view.predictions["method"] == method) & view.predictions["protocol"].isin([honest, twin])]
    # the two protocols as methods of one: paired by subject
    paired = mine.assign(method=mine["protocol"], protocol="both")
    once = [name for name in (honest, twin) if view.fewer_seeds.get(name) == 1]
    pair = [(twin, honest)]
    (row,) = compare_methods(paired, view.classes, view.metric, view.level, pair, once=once).to_dict("records")
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
    pair = [(method, best)]
    (row,) = compare_methods(mine, view.classes, view.metric, view.level, pair, once=view.once).to_dict("records")
    return {
        **{"rival": best, "rival_title": view.methods[best], "rival_value": others[best]},
        **{"rival_once": best in view.once, "rival_seeds": _true_fits(view, protocol, best)["seed"].nunique()},
        **{"unit": row["unit"], "n_units": row["n_units"]},
        **{"difference": row["difference"], "difference_low": row["low"], "difference_high": row["high"]},
        **{"difference_p": row["p"], "detectable": row["detectable"]},
    }


def _verdict(row: Mapping[str, Any]) -> str:
    """Say what the numbers of a row mean."""
    against = f"({number(row['honest'])} against {number(row['chance'])})"
    words = []
    if row["pairs"]:
        words.append(f"Pairs of different people, drawn by {'their label' if row['pairs'] == 'label' else 'chance'}.")
    if row["missing"] > 0:
        words.append(f"Unfinished: {row['missing']} folds are missing.")
    if not np.isfinite(row["p"]):
        words.append(f"Whether it is above chance cannot be said {against}.")
    else:
        words.append(f"{'Above' if row['p'] < 0.05 else 'Not told from'} chance {against}.")
    words += [_of_claim(row)] if row.get("claimed") is not None else []
    if "gain" in row:
        span = "" if not np.isfinite(row["gain_low"]) else f" [{row['gain_low']:+.2f}, {row['gain_high']:+.2f}]"
        words.append(f"The split {row['leaky_protocol']}, which leaks, changes it by {row['gain']:+.3f}{span}.")
    if "rival" in row:
        known = row["difference_p"] < 0.05
        better = "better" if direction(row["metric"]) * row["difference"] > 0 else "worse"
        if np.isfinite(row["difference_p"]):
            words.append(
                f"{'It is ' + better + ' than' if known else 'It is not told from'} {row['rival_title']} "
                f"({row['difference']:+.3f}, p {chance(row['difference_p'])}, before correction"
                f"{_trained(row)})."
            )
    if row["simulated"]:
        words.append("Simulated data: this says nothing about people.")
    return " ".join(words)


def _trained(row: Mapping[str, Any]) -> str:
    """Say what of a comparison rests on a single training."""
    if row["seeds"] > 1:
        return ", the other trained once" if row.get("rival_once") else ""
    return ", trained once" if row.get("rival_seeds", 1) > 1 else ", of one training each"


def _of_claim(row: Mapping[str, Any]) -> str:
    """Set a published number beside ours, in its own metric."""
    better = direction(row["claim_metric"])
    say = percent if better > 0 and row["claim_metric"] not in RATING_METRICS else number
    claim, here = f"claim of {say(row['claimed'])}", row["in_claim_metric"]
    if row["differs"]:
        return f"The {claim} is of another task ({row['differs']}) and is not compared."
    if here is None or not np.isfinite(here):
        return f"The {claim} cannot be compared."
    of = "" if row["claim_metric"] == row["metric"] else f" in {title_of(row['claim_metric'])}"
    short = better * (row["claimed"] - here)
    if short <= 0.005:
        text = f"The {claim} is reached{of}"
    else:
        far = f"{100 * short:.0f} points higher" if say is percent else f"{number(short)} better"
        end = row["high"] if better > 0 else row["low"]
        near = not of and np.isfinite(end) and better * (row["claimed"] - end) <= 0
        text = f"The {claim} is {far}{of}{', within the interval' if near else ''}"
    text += ", by pairs that no person has" if row["pairs"] else ""
    leak = row.get("leak_in_claim_metric")
    if leak is not None and short > 0.005:
        text += (
            "; the leak reaches it" if better * (row["claimed"] - leak) <= 0.005 else "; the leak falls short of it too"
        )
    return f"{text}."
