"""All methods of a run in one table: what each reaches, and which differences the data can show.

Run: thymos run zoo-simulated --out runs/zoo-simulated
     thymos run zoo-muse --data DIR --out runs/zoo-muse
     python benchmarks/zoo.py runs/zoo-simulated runs/zoo-muse
     python benchmarks/zoo.py runs/lel-faced-d3 --against lel

Every pair of methods, or one method and each of its rivals, is compared by paired differences of values for each
subject (for Muse, with four persons, each recording): two-sided sign-flip test with 10 000 draws, corrected after Holm
for all pairs compared. Intervals are those of the report (bootstrap over the same units). Results are named after the
folders of the runs.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from thymos.evaluation.metrics import classification_metrics
from thymos.evaluation.statistics import holm
from thymos.report.view import RunView

DRAWS, POWER = 10_000, 0.84 + 1.96  # z of a power of 80 % and of a two-sided 5 %


def values(view: RunView, protocol: str, unit: str) -> pd.DataFrame:
    """Return the study's metric of each method (rows) for each unit (columns)."""
    table = view.predictions.query("labels == 'true' and protocol == @protocol")
    columns = [f"p{k}" for k in range(len(view.data["classes"]))]
    found = {}
    for (method, name, seed), mine in table.groupby(["method", unit, "seed"]):
        if view.level == "trial":  # one row for each trial: the mean of the logarithms
            logs = np.log(mine[columns].clip(1e-6)).groupby(mine["trial"]).mean()
            codes, scores = mine.groupby("trial")["label"].first(), np.exp(logs.to_numpy())
        else:
            codes, scores = mine["label"], mine[columns].to_numpy(float)
        codes = codes.map({c: k for k, c in enumerate(view.data["classes"])}).to_numpy()
        found[method, name, seed] = classification_metrics(codes, scores, view.data["classes"])[view.metric]
    return pd.Series(found).groupby(level=[0, 1]).mean().unstack()


def compare(table: pd.DataFrame, against: str | None = None) -> pd.DataFrame:
    """Return mean difference, standard deviation and p of every pair of methods, or of one method and each other."""
    rows = []
    every = itertools.combinations(table.index, 2)
    for a, b in every if against is None else ((against, name) for name in table.index.drop(against)):
        difference = (table.loc[a] - table.loc[b]).to_numpy()
        test = permutation_test((difference,), np.mean, permutation_type="samples", n_resamples=DRAWS, rng=0)
        rows.append({"a": a, "b": b, "mean": difference.mean(), "sd": difference.std(ddof=1), "p": test.pvalue})
    pairs = pd.DataFrame(rows)
    return pairs.assign(p_holm=holm(pairs["p"].tolist()))


def main() -> None:
    """Print the tables and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--against", help="compare this method with each other one, and nothing else")
    parser.add_argument("--but", nargs="*", default=[], help="methods that are no rivals, such as variants")
    parser.add_argument("--out", type=Path, default=Path("results"))
    options = parser.parse_args()
    for run in options.runs:
        view = RunView(run)
        name = f"{run.name}.{view.study['budget']}"
        summary = view.summary.query("metric == @view.metric")
        (options.out / f"{name}.csv").write_text(summary.to_csv(index=False, float_format="%.6g"))
        stored = {}
        for protocol in view.protocols:
            mine = summary.query("protocol == @protocol and level == @view.level and labels == 'true'")
            unit = mine["unit"].iloc[0]
            table = values(view, protocol, unit)
            unknown = {*options.but, *([options.against] if options.against else [])} - set(view.methods)
            if unknown:
                parser.error(f"{run} has no method {', '.join(sorted(unknown))}")
            rivals = table.drop(index=[n for n in ("majority", *options.but) if n in table.index])
            if options.against and options.against not in rivals.index:
                continue
            pairs = compare(rivals, options.against)
            sd = float(pairs["sd"].median())
            stored[protocol] = {
                "unit": unit,
                "n": table.shape[1],
                "pairs": len(pairs),
                "median_sd": sd,
                "detectable": POWER * sd / np.sqrt(table.shape[1]),
                **({"compared": pairs.round(4).to_dict("records")} if options.against else {}),
                "significant": pairs.query("p_holm < 0.05").round(4).to_dict("records"),
                "uncorrected": int((pairs["p"] < 0.05).sum()),
            }
            print(f"\n{name}, {protocol}: {table.shape[1]} {unit}s, sd of paired differences {sd:.3f}")
            fits = view.fits.query("protocol == @protocol and labels == 'true'")
            won = {name: [] for name in table.index}
            for pair in stored[protocol]["significant"]:
                better, worse = (pair["a"], pair["b"]) if pair["mean"] > 0 else (pair["b"], pair["a"])
                won[better].append(worse)
            for _, row in mine.sort_values("value", ascending=False).iterrows():
                cost, beaten = fits[fits["method"] == row["method"]], ", ".join(won[row["method"]])
                print(
                    f"| {row['method']} | {row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}] "
                    f"| {cost['n_parameters'].median():.0f} | {cost['fit_seconds'].sum():.0f} | {beaten} |"
                )
        (options.out / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
