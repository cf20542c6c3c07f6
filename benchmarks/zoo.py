"""All methods of a run in one table: what each reaches, and which differences the data can show.

Run: thymos run zoo-simulated --out runs/zoo-simulated
     thymos run zoo-muse --data DIR --out runs/zoo-muse
     python benchmarks/zoo.py runs/zoo-simulated runs/zoo-muse
     python benchmarks/zoo.py runs/lel-faced-d3 --against lel
     python benchmarks/zoo.py runs/mgan-d3 --planned
     python benchmarks/zoo.py runs/fer2013 --metrics accuracy macro_f1 --recalls
     python benchmarks/zoo.py runs/hku956-physio --planned --auc
     python benchmarks/zoo.py runs/ravdess --planned --people

Every pair of methods, or one method and each of its rivals, or what the study planned, is compared by
`thymos.evaluation.compare_methods`: paired differences of values for each subject (for Muse, with four persons, each
recording), sign-flip test, corrected after Holm for all pairs compared. Intervals are those of the report (bootstrap
over the same units). Under protocols that leak nothing is compared. Results are named after the folders of the runs.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from thymos.evaluation.comparison import compare_methods, detectable, sign_flip
from thymos.report.view import RunView


def records(table: pd.DataFrame) -> list[dict]:
    """Return rows as JSON has them: rounded, and nothing where there is no number."""
    table = table.round(4)
    return table.astype(object).where(table.notna(), None).to_dict("records")


def recalls_compared(view: RunView, protocol: str) -> list[dict]:
    """Return the planned comparisons of the recall of single classes."""
    found = view.recall_comparisons.query("protocol == @protocol")
    return records(found.drop(columns=["protocol", "unit", "effect", "detectable", "p_wilcoxon"]))


def ranked(view: RunView) -> pd.DataFrame:
    """Return the area under the ROC curve inside people, whatever threshold a method answers by.

    Mean over people (of folds and seeds) with its 95 % bootstrap interval, and p of flipping the signs of what is over
    one half, before any correction; `n` people have both classes.
    """
    fits = view.rows.query("labels == 'true' and level == @view.level and subject != 'all'").dropna(subset=["roc_auc"])
    each = fits.groupby(["protocol", "method", "subject"], as_index=False)["roc_auc"].mean()
    rows = []
    for (protocol, method), mine in each[~each["method"].map(view.is_baseline)].groupby(["protocol", "method"]):
        values = mine["roc_auc"].to_numpy()
        drawn = bootstrap((values,), np.mean, rng=0).confidence_interval if np.ptp(values) > 0 else None
        low, high = (drawn.low, drawn.high) if drawn else (values[0], values[0])
        head = {"protocol": protocol, "method": method, "n": len(values), "value": values.mean()}
        rows.append({**head, "low": low, "high": high, "p": sign_flip((values - 0.5).round(10))})
    return pd.DataFrame(rows)


def by_person(view: RunView) -> pd.DataFrame:
    """Return what each method reaches for each person under honest protocols, mean over folds and seeds."""
    rows = view.rows.query("labels == 'true' and level == @view.level and subject != 'all'")
    rows = rows[rows["protocol"].isin([card.name for card in view.honest])]
    return rows.groupby(["protocol", "method", "subject"], as_index=False)[view.metric].mean()


def main() -> None:
    """Print the tables and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--against", help="compare this method with each other one, and nothing else")
    parser.add_argument("--planned", action="store_true", help="compare what the study says, and nothing else")
    parser.add_argument("--but", nargs="*", default=[], help="methods that are no rivals, such as variants")
    parser.add_argument("--metrics", nargs="+", help="which to store, the study's own by default")
    parser.add_argument("--recalls", action="store_true", help="store the recall of each class too")
    parser.add_argument("--auc", action="store_true", help="store the area under the ROC curve inside people too")
    parser.add_argument("--people", action="store_true", help="store what is reached for each person too")
    parser.add_argument("--out", type=Path, default=Path("results"))
    options = parser.parse_args()
    if options.planned and options.against:
        parser.error("--planned and --against came together: one says which pairs, or the other")
    options.out.mkdir(parents=True, exist_ok=True)
    for run in options.runs:
        view = RunView(run)
        unknown = {*options.but, *([options.against] if options.against else [])} - set(view.methods)
        if unknown:
            parser.error(f"{run} has no method {', '.join(sorted(unknown))}")
        name = f"{run.name}.{view.study['budget']}"
        summary = view.summary[view.summary["metric"].isin(options.metrics or [view.metric])]
        (options.out / f"{name}.csv").write_text(summary.to_csv(index=False, float_format="%.6g"))
        if options.recalls:
            (options.out / f"{name}.recalls.csv").write_text(view.recalls.to_csv(index=False, float_format="%.6g"))
        if options.auc:
            (options.out / f"{name}.auc.csv").write_text(ranked(view).to_csv(index=False, float_format="%.6g"))
        if options.people:
            (options.out / f"{name}.people.csv").write_text(by_person(view).to_csv(index=False, float_format="%.4g"))
        stored = {}
        for protocol in view.protocols:
            mine = view.summary.query("protocol == @protocol and level == @view.level and labels == 'true'")
            mine = mine[mine["metric"] == view.metric]
            rivals = [name for name in view.methods if name in set(mine["method"]) - {"majority", *options.but}]
            if view.protocols[protocol].leaky or len(rivals) < 2 or options.against not in (None, *rivals):
                continue
            wanted = itertools.combinations(rivals, 2)
            if options.against:
                wanted = [(options.against, name) for name in rivals if name != options.against]
            if options.planned:
                planned = view.study["comparisons"].items()
                wanted = [(a, b) for a, others in planned for b in others if {a, b} <= set(rivals)]
                if not wanted:
                    print(f"\n{name}, {protocol}: nothing was planned to be compared")
                    continue
            predictions = view.predictions[view.predictions["protocol"] == protocol]
            pairs = compare_methods(predictions, view.classes, view.metric, view.level, wanted, once=view.once)
            pairs = pairs.drop(columns=["protocol", "detectable"])
            if pairs["p_wilcoxon"].isna().all():  # tested over subjects alone
                pairs = pairs.drop(columns="p_wilcoxon")
            sd, n, unit = float(pairs["sd"].median()), int(pairs["n_units"].max()), pairs["unit"].iloc[0]
            stored[protocol] = {
                "unit": unit,
                "n": n,
                "pairs": len(pairs),
                "median_sd": sd,
                "detectable": None if unit == "fold" else detectable(sd, n),  # folds share what they learn from
                **({"compared": records(pairs)} if options.against or options.planned else {}),
                **(
                    {"recalls": recalls_compared(view, protocol)}
                    if options.planned and view.study.get("recalls")
                    else {}
                ),
                "significant": records(pairs.query("p_holm < 0.05")),
                "uncorrected": int((pairs["p"] < 0.05).sum()),
            }
            print(f"\n{name}, {protocol}: {n} {unit}s, sd of paired differences {sd:.3f}")
            fits = view.fits.query("protocol == @protocol and labels == 'true'")
            by_seed = fits.groupby(["method", "seed"])["fit_seconds"].sum()
            stored[protocol]["fit_seconds_of_a_seed"] = by_seed.groupby("method").mean().round(1).to_dict()
            sizes = fits.groupby("method")["n_parameters"].median().dropna()
            stored[protocol]["parameters"] = sizes.astype(int).to_dict()
            won = {name: [] for name in view.methods}
            for pair in stored[protocol]["significant"]:
                better, worse = (pair["a"], pair["b"]) if pair["difference"] > 0 else (pair["b"], pair["a"])
                won[better].append(worse)
            for _, row in mine.sort_values("value", ascending=False).iterrows():
                cost, beaten = fits[fits["method"] == row["method"]], ", ".join(won[row["method"]])
                print(
                    f"| {row['method']} | {row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}] "
                    f"| {cost['n_parameters'].median():.0f} | {cost['fit_seconds'].sum():.0f} | {beaten} |"
                )
        if stored:
            (options.out / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
