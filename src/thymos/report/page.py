"""The page: stored results in, one self-contained HTML file out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, cast

import jinja2
import numpy as np

from thymos.base.folders import whole_file
from thymos.evaluation.comparison import MARGIN
from thymos.evaluation.metrics import direction
from thymos.evaluation.probes import FEW_TREES, TREES
from thymos.evaluation.study_files import stored_study
from thymos.report import figures
from thymos.report.audit import collect, probe_rows
from thymos.report.checklist import checklist
from thymos.report.inspections import draw_inspections
from thymos.report.panels import draw_panels
from thymos.report.ranks import critical_differences
from thymos.report.view import RunView, chance, number, title_of

__all__ = ["percent", "report_content", "verdict", "write_page", "write_report", "write_tables"]


def write_report(view: RunView) -> Path:
    """Write ``report.html`` into the folder of a run and return its path."""
    return write_page("page.html", view.results.folder / "report.html", report_content(view))


def write_page(template: str, path: Path, content: Mapping[str, Any]) -> Path:
    """Fill in a template of this room, and write it in the place of an older page; HTML is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (resources.files("thymos.report") / name).read_text("utf-8")),
        autoescape=template.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**content)
    with whole_file(path, overwrite=True) as fresh:
        fresh.write_text(text, encoding="utf-8")
    return path


def write_tables(view: RunView) -> list[Path]:
    """Write the summary and the rows of all fits as csv beside the report, and return their paths."""
    paths = []
    for name, table in (("summary", view.summary), ("fits", view.rows)):
        path = view.results.folder / f"{name}.csv"
        table.to_csv(path, index=False, float_format="%.6g")
        paths.append(path)
    return paths


def report_content(view: RunView) -> dict[str, Any]:
    """Return what the page shows: words, tables and figures by name."""
    honest = view.honest[0]
    shown = _shown(view)
    other = "trial" if view.level == "window" else "window"
    return {
        "view": view,
        "sample": view.sample,
        "trees": FEW_TREES if view.study["budget"] == "tiny" else TREES,
        "study": view.study,
        "target": stored_study(view.results).target,
        "data": view.data,
        "honest": honest,
        "verdict": verdict(view),
        "checks": checklist(view),
        "tables": {level: view.main_table(level) for level in (view.level, other)},
        "other_level": other,
        "metrics": view.metrics(),
        "differences": _differences(view),
        "recalls": _recalls(view),
        "inflation": view.inflation.to_dict("records"),
        "permuted": bool(view.inflation["leaky_permuted"].notna().any()),
        "audit": collect(
            (view.audit or {}).get("findings", []),
            {card.name: card.n_folds * card.repeats for card in view.protocols.values()},
        ),
        "probes": probe_rows(view.probes, view.metric) if len(view.probes) else None,
        "costs": _costs(view),
        "warnings": sorted({text for text in view.fits["warnings"] if text}),
        "environment": view.sittings[-1],
        "n_runs": len(view.sittings),
        "figures": {
            "results": figures.results(view),
            "inflation": figures.inflation(view),
            "split": {card.name: figures.split(view, card) for card in view.protocols.values()},
            "confusions": figures.scatter(view, shown) if view.rating else figures.confusions(view, shown),
            "curves": figures.curves(view, honest.name),
            "calibration": "" if view.rating else figures.calibration(view, shown),
        },
        "panels": draw_panels(view),
        "inspections": draw_inspections(view),
        "shown": [view.methods[m] for m in shown],
        "margin": MARGIN,
        "percent": percent,
        "num": number,
        "chance": chance,
    }


def verdict(view: RunView) -> list[str]:
    """Say in words what the numbers mean, without picking a winner on the test part."""
    lines: list[str] = []
    say = (lambda x: number(x, 2)) if view.rating else percent
    add = say if view.rating else (lambda x: f"{100 * x:.1f}")
    points, baseline = ("", "mean rating") if view.rating else (" percentage points", "majority class")
    lines += filter(None, (_claimed(view, claim, say) for claim in view.study["claims"]))
    for card in view.protocols.values():
        corrected = view.beats_chance(card.name)
        if not corrected or card.leaky:
            continue
        values = [cast(float, view.cell(card.name, m).value) for m in corrected]
        winners = sum(p < 0.05 for p in corrected.values())
        majority = [view.cell(card.name, m).value for m in view.methods if view.is_baseline(m)]
        lines.append(
            f"Under {card.name} the method{'s reach' if values[1:] else ' reaches'} {_span(values, say)} "
            f"({view.measured})"
            + (f"; the {baseline} reaches {say(majority[0])}" if majority and majority[0] is not None else "")
            + f". {winners} of {len(corrected)} beat chance (labels permuted between the trials of "
            "each subject, p < 0.05 after Holm)."
        )
    for leaky, honest in view.twins.items():
        table = view.inflation[view.inflation["leaky_protocol"] == leaky].dropna(subset=["inflation"])
        table = table[[not view.is_baseline(m) for m in table["method"]]]
        if table.empty:
            continue
        permuted = table["leaky_permuted"].dropna()
        gain = np.sort(direction(view.metric) * table["inflation"].to_numpy())
        verb, best, most = ("adds", "max", "most") if direction(view.metric) > 0 else ("takes away", "min", "least")
        what = f"{'to' if verb == 'adds' else 'from'} the {view.metric_title}"
        if gain[0] < 0:  # some method is worse with the leak
            verb, what, gain = "changes", f"in {view.metric_title}", direction(view.metric) * gain
        lines.append(
            f"The leak {leaky} {verb} {_span(gain, add)}{points} {what} by {view.sample} under {honest}"
            + (
                f"; with meaningless (permuted) labels it still shows {say(permuted.agg(best))} at {most}, against "
                f"{say(table['honest_permuted'].agg(best))} under {honest}."
                if len(permuted)
                else "."
            )
        )
    shortcuts = [f for f in (view.audit or {}).get("findings", []) if f["severity"] == "shortcut" and not f["leaky"]]
    lines += [f"Shortcut under {f['protocol']}: {f['text']}" for f in shortcuts]
    return lines


def _claimed(view: RunView, claim: dict[str, Any], say: Callable[[float | None], str]) -> str:
    """Set a published number beside what its method reaches here, if it has results under the claim's protocol.

    A claim under an honest protocol says itself that it was split so; one under a leaky one is set beside the honest
    twin too.
    """
    card, method = view.protocols.get(claim["protocol"]), view.methods.get(claim["method"])
    if card is None or method is None:
        return ""
    metric = claim.get("metric") or view.metric  # older runs have none
    here = view.cell(card.name, claim["method"], metric)
    honest = view.cell(card.twin_of, claim["method"], metric) if card.leaky else here
    if here.value is None:
        return ""
    words = f"(95 % interval {say(honest.low)} to {say(honest.high)}, chance {say(honest.chance)})"
    of = "" if metric == view.metric else f" {title_of(metric)}"
    reached = f"Claimed: {say(claim['value'])} ({claim['text']}, {claim['source']}). Here {method} reaches "
    reached += f"{say(here.value)}{of}"
    if not card.leaky:
        which = (
            ", which the claim states" if claim.get("stated", True) else "; how the claim divided samples is not known"
        )
        return f"{reached} {words} under {card.name}{which}."
    reached += f" under the leaky protocol {card.name}"
    if honest.value is None:
        return f"{reached}; what it reaches under {card.twin_of} is in no part of this run."
    return f"{reached}, and {say(honest.value)} {words} under {card.twin_of}."


def _recalls(view: RunView) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return for each honest protocol a row of cells for each method but the baseline."""
    made = []
    table = view.recalls
    for protocol in dict.fromkeys(table["protocol"]) if len(table) else ():
        rows, mine = [], table[table["protocol"] == protocol]
        for method in figures.methods_in(view, mine):
            if not view.is_baseline(method):
                cells = mine[mine["method"] == method].to_dict("records")
                rows.append(
                    {"title": view.methods[method], "cells": cells, "classes": [(c["class"], c["n"]) for c in cells]}
                )
        made += [(protocol, rows)] if rows else []
    return made


def _differences(view: RunView) -> list[dict[str, Any]]:
    """Return the comparisons of methods by protocol, and say of each protocol what they found."""
    found = []
    planned = bool(view.study.get("comparisons"))
    for protocol, table in view.comparisons.dropna(subset=["p"]).groupby("protocol", sort=False):
        differ = int((table["p_holm"] < 0.05).sum())
        unit = table["unit"].iloc[0]
        found.append(
            {
                "protocol": protocol,
                "planned": planned,
                "unit": unit,
                "words": f"{differ} of {len(table)} {'planned comparisons' if planned else 'pairs'} "
                f"({table['n_units'].max()} {unit}s) differ at p < 0.05 after Holm"
                f"{'' if differ else ': nothing here says that one method is better than another'}.",
                "ranks": critical_differences(view, ranks := view.ranks[view.ranks["protocol"] == protocol]),
                "friedman": float(ranks["p"].iloc[0]) if len(ranks) else None,
                "rows": (table if planned else table.sort_values("p", kind="stable")).to_dict("records"),
                "recalls": [row for row in view.recall_comparisons.to_dict("records") if row["protocol"] == protocol],
            }
        )
    return found


def _span(values: Sequence[float] | np.ndarray, say: Callable[[float], str]) -> str:
    """Say the least and the greatest of some values, or the one value there is."""
    ends = say(min(values)), say(max(values))
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def percent(value: float | None) -> str:
    """Write a share as a percentage, or a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "-"
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def _shown(view: RunView) -> list[str]:
    """Choose the methods drawn in detail: those of the claims, then the study's order, four at most, no majority."""
    named = [claim["method"] for claim in view.study["claims"]]
    trained = set() if view.history.empty else set(view.history["method"])
    networks = [name for name in view.methods if name in trained]
    order = dict.fromkeys([*named, *networks, *view.methods])
    return [m for m in order if m in view.methods and not view.is_baseline(m)][:4]


def _costs(view: RunView) -> list[dict[str, Any]]:
    fits = view.fits[view.fits["labels"] == "true"]
    rows = []
    for method, title in view.methods.items():
        mine = fits[fits["method"] == method]
        parameters = mine["n_parameters"].dropna()
        chosen = mine["chosen"][mine["chosen"] != ""]
        per_window = (mine["predict_seconds"] / mine["n_test"]).median() * 1e3
        rows.append(
            {
                "title": title,
                "fits": len(mine),
                "seconds": mine["fit_seconds"].median(),
                "per_window": per_window,
                "parameters": f"{int(parameters.median()):,}".replace(",", " ") if len(parameters) else "-",
                "selection": ", ".join(sorted(set(mine["selection"]) - {"none"})) or "-",
                "chosen": chosen.mode().iloc[0] if len(chosen) else "",
            }
        )
    return rows
