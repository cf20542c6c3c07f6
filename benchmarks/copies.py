"""Photographs of FER-2013 that are there more than once, exactly, nearly or altered, within and across its parts.

Run: python benchmarks/copies.py --data DIR [--run RUN --method dense]

Near copies are what `images: {alike: 0.99}` of a study groups and the protocol `official` leaves out of training.
Altered ones, that are moved by up to a pixel, mirrored, or at another brightness
(`thymos.signals.likeness.altered_pairs`), correlate less and stay. With a run of such a study, the accuracy of a
method, mean over its seeds, for tested photographs of which an altered copy stayed in training, and for the others.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from thymos.evaluation.results import Results
from thymos.evaluation.study_files import stored_study
from thymos.signals.likeness import alike_pictures, altered_pairs
from thymos.sources.fer2013 import FER2013

ALIKE = {"exact": 1.0, "near": 0.99}
PARTS = (("training", "validation"), ("training", "test"), ("validation", "test"))
OUT = Path("results/copies.json")


def accuracies(run: Path, method: str, altered: np.ndarray) -> dict[str, float]:
    """Return the accuracy of a method for tested photographs, given by their trials, that are altered copies or not.

    The interval of the difference comes from photographs drawn anew from both, each with the mean of its seeds.
    """
    results = Results(run)
    if "official" not in stored_study(results).protocols:
        raise SystemExit(f"{run} has no protocol official.")
    table = results.read("predictions").query("protocol == 'official' and method == @method and labels == 'true'")
    if table.empty:
        raise SystemExit(f"{run} has no predictions of {method}.")
    classes = sorted(table["label"].unique())
    said = table[[f"p{k}" for k in range(len(classes))]].to_numpy().argmax(axis=1)
    right = pd.Series(np.array(classes)[said] == table["label"].to_numpy()).groupby(table["trial"].to_numpy()).mean()
    known = right.index.isin(altered)
    parts = right[known].to_numpy(), right[~known].to_numpy()
    drawn = bootstrap(parts, lambda a, b, axis: a.mean(axis) - b.mean(axis), batch=500, rng=0).confidence_interval
    return {
        "method": method,
        "seeds": int(table["seed"].nunique()),
        "n_altered": int(known.sum()),
        "altered": float(parts[0].mean()),
        "others": float(parts[1].mean()),
        "all": float(right.mean()),
        "difference_low": float(drawn.low),
        "difference_high": float(drawn.high),
    }


def main() -> None:
    """Print and store the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="of a study of FER-2013 with the protocol official")
    parser.add_argument("--method", default="dense", help="of that run")
    given = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    samples = FER2013(given.data / "fer2013").load().images()
    part, stored = samples.meta["part"].to_numpy(str), {"photographs": len(samples)}
    for kind, least in ALIKE.items():
        group = alike_pictures(samples.X, least)
        stored[kind] = {"distinct": int(group.max() + 1)}
        for a, b in PARTS:
            both = np.intersect1d(group[part == a], group[part == b])
            inside = np.isin(group, both)
            stored[kind][f"{a} and {b}"] = {p: int((inside & (part == p)).sum()) for p in (a, b)}
    one, two = altered_pairs(samples.X).T
    one, two = one[group[one] != group[two]], two[group[one] != group[two]]  # of others than the near ones
    left_out = np.isin(group, group[part == "test"])  # of training, where `official` looks for copies
    stored["altered"] = {"pairs": len(one)}
    for a, b in PARTS:
        across = [
            np.concatenate([x[(part[x] == p) & (part[y] == q)] for x, y in ((one, two), (two, one))])
            for p, q in ((a, b), (b, a))
        ]
        stored["altered"][f"{a} and {b}"] = {p: len(np.unique(rows)) for p, rows in zip((a, b), across, strict=True)}
    if given.run:
        stays = (part == "training") & ~left_out
        tested = [x[(part[x] == "test") & stays[y]] for x, y in ((one, two), (two, one))]
        trials = samples.meta["trial"].to_numpy(str)[np.unique(np.concatenate(tested))]
        stored["accuracy"] = accuracies(given.run, given.method, trials)
    elif OUT.is_file():
        stored |= {key: value for key, value in json.loads(OUT.read_text()).items() if key == "accuracy"}
    print(json.dumps(stored, indent=1))
    OUT.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
