"""The architecture search: many people at once against one by one, what it costs, and one full fit extrapolated.

Run: python benchmarks/search.py [--subjects 32] [--repeats 3]

Random features in the layout of DEAP (32 electrodes, four bands); what a step costs does not depend on their values.
Each step of a search is one of the architecture and one of the weights; one thread, CPU seconds. The steps at the small
size are those of the study's budget ``quick``, alternating runs, medians; those of the full size its defaults with the
steps of a fold of 32 people. Steps of the full size and of the generator are one run each after a first. Results:
results/search.json.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from thymos.augmentation.generative import MaskedElectrodeGAN
from thymos.models.genotype import EEGSearchSpace, random_genotype
from thymos.models.supernet import Architecture, GenotypeNet, Supernet
from thymos.nn.graph import nearness
from thymos.signals.topography import DEAP_GRID, directions
from thymos.training.search import Part, SearchSchedule, _Search

torch.set_num_threads(1)
NAMES = [name for name in DEAP_GRID.split() if name != "."]
ADJACENCY = nearness(torch.from_numpy(directions(NAMES)).float())
QUICK, FULL = EEGSearchSpace(width=8, cells=2), EEGSearchSpace()
STEPS = 2  # of a search that is timed


def part(times: int, batch: int, seed: int = 0) -> Part:
    """Return samples for two steps."""
    rng = np.random.default_rng(seed)
    n = STEPS * batch
    X = rng.standard_normal((2, n, 4, 32, times)).astype(np.float32)
    y = rng.integers(0, 2, (2, n))
    return Part(X[0], y[0], X[1], y[1], seed)


def searching(space: EEGSearchSpace, times: int, batch: int, stack: int) -> Callable[[], None]:
    """Return a call that takes the steps of an epoch of a search of `stack` models."""
    parts = [part(times, batch, seed) for seed in range(stack)]
    schedule = SearchSchedule(epochs=10**6, warmup=0, batch_size=batch, guard_every=0)
    torch.manual_seed(0)
    loop = _Search(
        Supernet(space, (4, 32, times), 2, ADJACENCY, stack), Architecture(space, stack), parts, schedule, "cpu"
    )
    return lambda: loop.learn(None)


def training(space: EEGSearchSpace, times: int, batch: int) -> Callable[[], None]:
    """Return a call that takes as many steps of training a discrete network."""
    torch.manual_seed(0)
    net = GenotypeNet(random_genotype(space, np.random.default_rng(0)), space, (4, 32, times), 2, ADJACENCY)
    optimiser, own = torch.optim.AdamW(net.parameters()), part(times, batch)
    X, y = torch.from_numpy(own.X), torch.from_numpy(own.y)

    def steps() -> None:
        for rows in torch.arange(len(X)).split(batch):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(X[rows]), y[rows]).backward()
            optimiser.step()

    return steps


def generating(width: int, times: int, steps: int) -> Callable[[], None]:
    """Return a call that takes steps of the generator, each with five of the critic."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((256, 4, 32, times)).astype(np.float32), rng.integers(0, 2, 256)

    def play() -> None:
        sampler = MaskedElectrodeGAN(
            NAMES, width=width, max_steps=steps, judge_every=steps, filtered=False, classification=0.0, random_state=0
        )
        sampler.fit_resample(X, y)

    return play


def seconds(calls: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Return the median of CPU seconds of each call, one after the other in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            if number:  # the first warms up
                taken[name].append(time.process_time() - begin)
    return {name: float(np.median(values)) for name, values in taken.items()}


def main() -> None:
    """Measure and write ``results/search.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    folder = Path(__file__).parent.parent / "results"
    folder.mkdir(exist_ok=True)
    found: dict[str, dict] = {}
    for batch in (8, 32):
        small = EEGSearchSpace(width=4, cells=2)
        for name, space, times in (("least", small, 1), ("quick", QUICK, 6)):
            calls = {"one": searching(space, times, batch, 1), "stack": searching(space, times, batch, given.subjects)}
            own = seconds(calls, given.repeats)
            ratio = given.subjects * own["one"] / own["stack"]
            found[f"{name}, batch {batch}"] = {
                "subjects": given.subjects,
                "windows": times,
                "one by one": given.subjects * own["one"] / STEPS,
                "at once": own["stack"] / STEPS,
                "ratio": ratio,
            }
            print(f"{name}, batch {batch}: {given.subjects} at once {ratio:.2f} times as fast as one by one")
    step = seconds({"search": searching(QUICK, 6, 64, 1), "train": training(QUICK, 6, 64)}, given.repeats)
    found["step, quick"] = {name: value / STEPS for name, value in step.items()}
    full = seconds({"search": searching(FULL, 11, 64, 1), "train": training(FULL, 11, 64)}, 1)
    full = {name: value / STEPS for name, value in full.items()} | {
        "generator": (seconds({"g": generating(64, 11, 2)}, 1)["g"]) / 2
    }
    found["step, full"] = full
    # a fold of 32 people of 40 trials of 10 samples: 4 of 5 clips, of which a fifth is for validation
    rows = round(32 * 400 * 0.8 * 0.8)
    population = 30 * math.ceil(0.6 * rows / 64) * full["search"]
    personal = 32 * 15 * math.ceil(0.6 * rows / 32 / 64) * full["search"]
    last = 32 * 100 * math.ceil(rows / 32 / 64) * full["train"]
    found["fold, full, extrapolated hours on one thread"] = {
        "generator": 8000 * full["generator"] / 3600,
        "population": population / 3600,
        "personal": personal / 3600,
        "networks": last / 3600,
    }
    found["search over training, full"] = {"ratio": (population + personal) / last}
    for name, values in found.items():
        print(name, {key: round(value, 3) for key, value in values.items()})
    (folder / "search.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
