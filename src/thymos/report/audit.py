"""Findings and probes of an audit as rows for people, for the page and the command line alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["collect", "probe_rows"]

_ORDER = {"leak": 0, "shortcut": 1, "note": 2}
_EXAMPLES = 3


def collect(findings: Iterable[Mapping[str, Any]], n_folds: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
    """Return one row for each protocol and kind of finding, worst first, declared controls last.

    Shortcuts and other findings that concern no single fold are kept one by one.
    """
    table = pd.DataFrame(list(findings))
    if table.empty:
        return []
    table["own"] = np.where(table["fold"] == "", table["text"], "")
    rows = []
    for (protocol, kind, _), part in table.groupby(["protocol", "kind", "own"], sort=False):
        worst = part.loc[part["count"].idxmax()]
        folds = ""
        if worst["fold"]:
            total = f" of {n_folds[protocol]}" if n_folds and protocol in n_folds else ""
            count = part["fold"].nunique()
            folds = f"{count}{total} folds; the worst:" if count > 1 else f"1{total} fold{'s' * bool(total)}:"
        rows.append(
            {
                "protocol": protocol,
                "leaky": bool(worst["leaky"]),
                "kind": kind,
                "severity": worst["severity"],
                "folds": folds,
                "text": worst["text"],
                "examples": ", ".join(worst["examples"][:_EXAMPLES]),
                "do": worst["do"],
            }
        )
    return sorted(rows, key=lambda row: (row["leaky"], _ORDER[row["severity"]]))


def probe_rows(probes: pd.DataFrame, metric: str) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table of probes by protocols, honest protocols first.

    The last row but one is what they are compared with: the best method of a run, or a nearest neighbour before one.
    """
    protocols = probes.sort_values("leaky", kind="stable")[["protocol", "leaky"]].drop_duplicates()
    columns = list(protocols.itertuples(index=False))
    head = ["nuisance", *(f"{c.protocol}{' (LEAKY)' if c.leaky else ''}" for c in columns)]
    cells = probes.set_index(["method", "protocol"])
    rows = []
    for name in dict.fromkeys(probes["method"]):
        rows.append([name])
        for column in columns:
            cell = cells.loc[(name, column.protocol)]
            mark = "" if column.leaky else " *" if cell["p_holm"] < 0.05 else ""
            rows[-1].append(f"{cell['value']:.3f} [{cell['low']:.2f}, {cell['high']:.2f}]{mark}")
    best = probes.groupby("protocol")["best"].first()
    chance = probes.groupby("protocol")["chance"].median()
    rival = "nearest neighbour, for the methods" if probes.get("stand_in", pd.Series([False])).any() else "best method"
    rows.append([rival, *(f"{best[c.protocol]:.3f}" if np.isfinite(best[c.protocol]) else "-" for c in columns)])
    rows.append(["chance", *(f"{chance[c.protocol]:.3f}" for c in columns)])
    return [head[0] + f" ({metric.replace('_', ' ')}; * p < 0.05 after Holm)", *head[1:]], rows
