"""Tests of the reports against SciPy's, and intervals against a slower way to them, on the same numbers.

Run: python benchmarks/intervals.py

Sign flips of paired differences against `scipy.stats.permutation_test` (all flips up to 13 units, 10 000 beyond). The
interval over thousands of photographs (`intervals_of_kinds`; BCa, 10 000 resamples of 3 589 photographs of seven
classes) against `interval`, the older way of Thymos, which has `scipy.stats.bootstrap` draw photograph by photograph.
Median of some repeats in one process, the first call apart.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import permutation_test

from thymos.evaluation.comparison import sign_flip
from thymos.evaluation.metrics import CONFUSION_METRICS
from thymos.evaluation.statistics import interval, intervals_of_kinds

UNITS, PHOTOS, CLASSES, FLIPS = (5, 12, 24), 3589, 7, 10_000
OUT = Path("results/intervals.json")


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the median seconds of a call after a first one, and what it returns."""
    found, taken = call(), []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken), found


def main() -> None:
    """Print and store ratios."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    rng, stored = np.random.default_rng(0), {}
    for n in UNITS:
        x = rng.normal(0.4, 1.0, n)
        options = {"permutation_type": "samples", "n_resamples": FLIPS, "rng": 0}
        ours, p = timed(lambda x=x: sign_flip(x), 9)
        theirs, test = timed(lambda x=x, options=options: permutation_test((x,), np.mean, **options), 5)
        stored[f"sign flips, {n} units"] = {"ratio": theirs / ours, "p": p, "p_scipy": float(test.pvalue)}
    true = rng.integers(0, CLASSES, PHOTOS)
    said = np.where(rng.random(PHOTOS) < 0.6, true, rng.integers(0, CLASSES, PHOTOS))
    counts = np.zeros((1, PHOTOS, CLASSES, CLASSES))
    counts[0, np.arange(PHOTOS), true, said] = 1
    for metric in ("accuracy", "macro_f1"):

        def value(c: np.ndarray, metric: str = metric) -> np.ndarray:
            return CONFUSION_METRICS[metric](c.sum(axis=-3))

        ours, found = timed(lambda value=value: intervals_of_kinds(counts, {"": value}, 0)[""], 5)
        theirs, known = timed(lambda value=value: interval(counts, value, 0), 1)
        stored[f"interval of {metric}"] = {"ratio": theirs / ours, "interval": found, "interval_scipy": known}
    for name, row in stored.items():
        print(f"{name}: {row['ratio']:.0f} times as fast", {k: v for k, v in row.items() if k != "ratio"})
    OUT.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
