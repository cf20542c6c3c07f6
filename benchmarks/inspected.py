"""What the inspections of a run found, in a few numbers.

Run: thymos run lel-demo --out runs/lel-demo
     python benchmarks/inspected.py runs/lel-demo

Means of scores are taken over folds for each subject, then over subjects. Weights and likeness of branches, neighbours
in an embedding, latencies, Lipschitz constants and radii are pooled over all rows. Stability is that of the report:
the mean absolute change of the validation loss from one epoch to the next, and the standard deviation over fits of the
loss of their last epochs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from thymos.evaluation.domains import compare_gaps, domain_gaps
from thymos.report.checklist import broken_down
from thymos.report.panels import stability
from thymos.report.view import RunView

NOISE = 1.0  # uV rms: what an amplifier adds


def over_subjects(table: pd.DataFrame, keys: list[str], column: str) -> pd.Series:
    """Return the mean over subjects of means over folds."""
    mine = table[table["subject"] != "all"]
    return mine.groupby([*keys, "subject"])[column].mean().groupby(keys).mean()


def branches(table: pd.DataFrame, level: str) -> dict[str, Any]:
    """Return scores and weights of branches and of combinations, and how alike branches are."""
    scores = table[(table["kind"] == "scores") & (table["level"] == level)]
    keys = ["protocol", "method", "combination"]
    weight = scores.groupby(keys)["weight"].agg(["mean", "std"])
    found = pd.DataFrame(
        {name: over_subjects(scores, keys, name) for name in ("accuracy", "balanced_accuracy", "log_loss")}
    )
    alike = table[table["kind"] == "correlation"].groupby(["protocol", "method", "a", "b"])
    alike = alike[["correlation", "agreement"]].mean()
    joined = found.join(weight.add_prefix("weight_"))
    return {"scores": records(joined), "likeness": records(alike)}


def lipschitz(table: pd.DataFrame, level: str) -> dict[str, Any]:
    """Return measured, declared and proven constants, and radii."""
    keys, found = ["method", "where"], {}
    for name in ("local", "attack"):
        mine = table[table["quantity"] == name].groupby(keys)["value"]
        found[name] = records(mine.quantile([0.5, 0.95, 1.0]).unstack().add_prefix("q"))
    for name in ("bound", "declared"):
        found[name] = records(table[table["quantity"] == name].groupby(keys)["value"].agg(["min", "median", "max"]))
    scale = table[table["quantity"] == "scale"].groupby(["method", "amount"])["value"]
    found["scale"] = records(scale.agg(["median", "max"]))
    radius = table[table["quantity"] == "radius"]
    for method, mine in radius.groupby("method"):
        right = mine["correct"].astype(bool)
        found[f"radius, {method}"] = {
            "unit": mine["unit"].iloc[0],
            "trials": len(mine),
            "median": mine["value"].median(),
            "largest": mine["value"].max(),
            "correct": right.mean(),
            f"correct and beyond {NOISE:g}": (right & (mine["value"] >= NOISE)).mean(),
        }
    return found


def robustness(table: pd.DataFrame, level: str) -> Any:
    """Return the metric of each corruption and amount."""
    mine = table[table["level"] == level]
    keys = ["protocol", "method", "corruption", "amount"]
    return records(over_subjects(mine, keys, "balanced_accuracy").unstack("method"))


def real_time(table: pd.DataFrame, level: str) -> Any:
    """Return latency, the difference to the batch, and the accuracy of decisions on the way."""
    latency = table[table["kind"] == "latency"].groupby("method")
    found = latency["milliseconds"].quantile([0.5, 0.95]).unstack().add_prefix("ms_q")
    found["difference"] = latency["difference"].max()
    way = table[table["kind"] == "evidence"]
    return {
        "latency": records(found),
        "evidence": records(over_subjects(way, ["method", "seconds"], "accuracy").unstack("method")),
    }


def gaps(view: RunView) -> list[dict[str, Any]]:
    """Return how far the best and the worst value of a column lie apart, and what the study's comparisons say of it."""
    planned = [(a, b) for a, others in view.study["comparisons"].items() for b in others]
    found = []
    for table in broken_down(view):
        for (protocol, column), mine in table[table["level"] == view.level].groupby(["protocol", "column"]):
            own = {"gaps": domain_gaps(mine, "balanced_accuracy")}
            own["compared"] = compare_gaps(mine, "balanced_accuracy", planned)
            found.append({"protocol": protocol, "column": column, **{name: records(of) for name, of in own.items()}})
    return found


def embedding(table: pd.DataFrame, level: str) -> Any:
    """Return the share of neighbours from other trials that have the same label."""
    return records(table.groupby(["protocol", "method", "stage"])["neighbours"].agg(["mean", "count"]))


def breakdown(table: pd.DataFrame, level: str) -> Any:
    """Return the metric for each value of the column."""
    mine = table[table["level"] == level]
    return records(over_subjects(mine, ["protocol", "method", "column", "value"], "accuracy").to_frame())


def missing_modality(table: pd.DataFrame, level: str) -> Any:
    """Return the metric with what is left when modalities are taken away."""
    mine = table[table["level"] == level]
    return records(over_subjects(mine, ["protocol", "method", "value"], "balanced_accuracy").unstack("method"))


SUMMARIES: dict[str, Callable[[pd.DataFrame, str], Any]] = {
    "branches": branches,
    "breakdown": breakdown,
    "embedding": embedding,
    "lipschitz": lipschitz,
    "missing_modality": missing_modality,
    "real_time": real_time,
    "robustness": robustness,
}


def records(table: pd.DataFrame | pd.Series) -> list[dict[str, Any]]:
    """Return rows as plain values, rounded."""
    table = pd.DataFrame(table)
    table = table if isinstance(table.index, pd.RangeIndex) else table.reset_index()
    return json.loads(table.round(5).to_json(orient="records"))


def steadiness(view: RunView) -> dict[str, Any]:
    """Return the stability of every network under each honest protocol."""
    found = {}
    for card in view.protocols.values():
        history = view.history
        mine = history[(history["labels"] == "true") & (history["protocol"] == card.name)]
        for method, table in {} if card.leaky else mine.groupby("method"):
            found[f"{card.name}, {method}"] = stability(table)
    return found


def main() -> None:
    """Print the numbers and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for run in options.runs:
        view = RunView(run)
        found = {n: SUMMARIES[n](t, view.level) for n, t in view.inspections.items() if n in SUMMARIES}
        found["stability"] = steadiness(view)
        found |= {"gaps": gaps(view)} if broken_down(view) and not view.rating else {}
        text = json.dumps(found, indent=1, default=float)
        (options.out / f"{run.name}.{view.study['budget']}.inspected.json").write_text(text + "\n")
        print(text)


if __name__ == "__main__":
    main()
