"""Photographs of FER-2013 that are there more than once, exactly or nearly, within and across its parts.

Run: python benchmarks/copies.py --data DIR
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from thymos.signals.likeness import alike_pictures
from thymos.sources.fer2013 import FER2013

ALIKE = {"exact": 1.0, "near": 0.99}
OUT = Path("results/copies.json")


def main() -> None:
    """Print and store the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    samples = FER2013(given.data / "fer2013").load().images()
    part, stored = samples.meta["part"].to_numpy(str), {"photographs": len(samples)}
    for kind, least in ALIKE.items():
        group = alike_pictures(samples.X, least)
        stored[kind] = {"distinct": int(group.max() + 1)}
        for a, b in (("training", "validation"), ("training", "test"), ("validation", "test")):
            both = np.intersect1d(group[part == a], group[part == b])
            inside = np.isin(group, both)
            stored[kind][f"{a} and {b}"] = {p: int((inside & (part == p)).sum()) for p in (a, b)}
    print(json.dumps(stored, indent=1))
    OUT.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
