"""One group of people after the other: what is learnt, what is forgotten, and whether other units carry it.

Run: python benchmarks/sequential.py [--seeds 3] [--only gene]

With `--only` the rows of the other methods stay as they are stored.

Simulated faces of two domains, A (`plain`) and then B (`mouth`), whose people show emotions in ways of their own (800
photographs of 40 people each; a quarter of the people is for testing, an eighth for validation). A network learns A,
then goes on with B, half of its weights silenced or none. Beside it: the same network on both together, on B alone.

plasticity   epochs on B until its validation accuracy is 95 % of that of training on both; none if it never is
forgetting   accuracy on A's test part before B, minus that after; over all seeds with a 95 % interval over people, who
             are others in each
changed      share of units whose mask changed from the end of A to the end of B
overlap      units live after A alone and after B alone, over those live after either. Both begin with the same network,
             which alone decides most of what stays: beside it stands the same of A and of A with other people, which is
             what to expect where domains make no difference, and that of random masks, density / (2 - density) layer
             by layer

Pruning by size (`gradual`) never takes a unit back, so that nothing can change after A.

One thread. Results: results/sequential.json; until the last row it is results/sequential.part.json that is written.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import bootstrap

from thymos.base.random import generator
from thymos.models import FaceCNN, PrunedClassifier
from thymos.sources.simulate.photos import SimulatedFaces

torch.set_num_threads(1)
METHODS = {
    "dense": {"method": "dense"},
    "gene": {"method": "gene"},
    "gradual": {"method": "gradual"},
    "set": {"method": "set"},
}
EPOCHS = 16
OTHERS = 1000  # what is added to the seed of the people


def parts(domain: str, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return photographs, emotions and people of training, validation and test of a domain, of different people."""
    source = SimulatedFaces(photos=800, people=40, domains=[domain], random_state=seed)
    samples = source.load().images()
    who, people = samples.meta["subject"].to_numpy(str), np.unique(samples.meta["subject"].to_numpy(str))
    people = generator(seed, "sequential", domain).permutation(people)
    y = samples.meta["emotion"].to_numpy(str)
    cut = {"test": people[:10], "validation": people[10:15], "train": people[15:]}
    return {name: tuple(of[np.isin(who, mine)] for of in (samples.X, y, who)) for name, mine in cut.items()}


def fitted(options: dict[str, Any], train: Any, held: Any, seed: int, start: Any = None) -> PrunedClassifier:
    """Train a network."""
    inner = FaceCNN(width=16, max_epochs=EPOCHS, patience=EPOCHS, monitor="accuracy", device="cpu", random_state=seed)
    model = PrunedClassifier(inner, **options, dense_epochs=0 if start else EPOCHS // 2, random_state=seed)
    return model.fit(*train[:2], validation=held[:2], start=start)


def right(model: PrunedClassifier, part: Any) -> float:
    """Return the accuracy in a part."""
    return float(model.score(*part[:2]))


def by_person(model: PrunedClassifier, part: Any) -> np.ndarray:
    """Return the accuracy for each person of a part."""
    X, y, who = part
    return pd.Series(model.predict(X) == y).groupby(who).mean().to_numpy()


def masks(model: PrunedClassifier) -> list[np.ndarray]:
    """Return which units of each layer are live."""
    return [np.array(units["live"]) for units in model.units_]


def overlap(one: list[np.ndarray], other: list[np.ndarray]) -> tuple[float, float]:
    """Return the overlap of masks, and that of random ones with the densities of their layers."""
    both, either = (
        sum(f(a, b).sum() for a, b in zip(one, other, strict=True)) for f in (np.logical_and, np.logical_or)
    )
    pairs = [(a.mean(), b.mean(), a.size) for a, b in zip(one, other, strict=True)]
    expected = sum(p * q * n for p, q, n in pairs) / sum((p + q - p * q) * n for p, q, n in pairs)
    return float(both / either), float(expected)


def measured(name: str, seed: int) -> dict[str, Any]:
    """Return what one method does with one seed."""
    options, a, b = METHODS[name], parts("plain", seed), parts("mouth", seed)
    joint = {key: tuple(np.concatenate(arrays) for arrays in zip(a[key], b[key], strict=True)) for key in a}
    both = fitted(options, joint["train"], joint["validation"], seed)
    first = fitted(options, a["train"], a["validation"], seed)
    second = fitted(options, b["train"], b["validation"], seed, start=first)
    alone = fitted(options, b["train"], b["validation"], seed)
    goal = 0.95 * float(np.mean(both.predict(b["validation"][0]) == b["validation"][1]))
    reached = [epoch["epoch"] for epoch in second.history_ if epoch["valid_accuracy"] >= goal]
    row = {
        "method": name,
        "seed": seed,
        "together": {"A": right(both, a["test"]), "B": right(both, b["test"])},
        "after_A": {"A": right(first, a["test"]), "B": right(first, b["test"])},
        "after_B": {"A": right(second, a["test"]), "B": right(second, b["test"])},
        "B_alone": {"A": right(alone, a["test"]), "B": right(alone, b["test"])},
        "plasticity": int(reached[0]) if reached else None,
        "forgetting_of_people": (by_person(first, a["test"]) - by_person(second, a["test"])).tolist(),
    }
    row["forgetting"] = row["after_A"]["A"] - row["after_B"]["A"]
    if first.units_:
        before, after = masks(first), masks(second)
        row["changed"] = float(
            sum((x != y).sum() for x, y in zip(before, after, strict=True)) / sum(x.size for x in before)
        )
        row["overlap"], row["overlap_by_chance"] = overlap(before, masks(alone))
        others = parts("plain", seed + OTHERS)
        row["overlap_of_A"], _ = overlap(before, masks(fitted(options, others["train"], others["validation"], seed)))
    return row


def stored(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is stored of the rows there are: not every method may have some."""
    rows = sorted(rows, key=lambda row: (row["seed"], [*METHODS].index(row["method"])))
    forgotten = {}
    for name in METHODS:
        if mine := [row["forgetting_of_people"] for row in rows if row["method"] == name]:
            people = np.concatenate(mine)
            drawn = bootstrap((people,), np.mean, rng=0).confidence_interval
            forgotten[name] = {"mean": people.mean(), "low": drawn.low, "high": drawn.high}
            forgotten[name] |= {"n_people": len(people), "n_seeds": len(mine)}
    return {"epochs": EPOCHS, "forgetting": forgotten, "rows": rows}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/sequential.json"))
    parser.add_argument("--only", nargs="+", choices=METHODS, default=[*METHODS])
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    part = given.out.with_suffix(".part.json")
    rest = set(METHODS) - set(given.only) if given.out.is_file() else set()
    rows = [row for row in json.loads(given.out.read_text())["rows"] if row["method"] in rest] if rest else []
    for seed in range(given.seeds):
        for name in given.only:
            rows.append(measured(name, seed))
            print(json.dumps(rows[-1]), flush=True)
            part.write_text(json.dumps(stored(rows), indent=1) + "\n", encoding="utf-8")
    os.replace(part, given.out)


if __name__ == "__main__":
    main()
