"""What pruned channels are worth once they are taken out: size, operations, memory and time against the dense network.

Run: python benchmarks/pruned_speed.py RUN [--repeats 400] [--out results/pruned-speed.csv]

RUN is a finished run of a study with the inspection `regulation` and networks that lose channels, such as
gene-pruning-fer or gene-pruning-ravdess. Its samples, its classes and how many channels of each layer a method left in
the first fold are read from it; a network with so many is built, exported with ONNX and timed in turns with the dense
one, one thread. Which channels they are, and what their weights, makes no difference to time.
Networks that were small from the beginning are built as the study says. Medians of `repeats` at batch 1, a quarter as
many at batch 64; `time_<batch>` is a share of that of the dense network, so that 0.65 is 35 % less.

For speech, what comes before a network is timed too, on noise as long as its samples: `features` in ms, the same for
all (benchmarks/speech.py times whole models on real files).
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from thymos.base.catalogue import resolve
from thymos.base.recording import Recording, Signal
from thymos.models.catalogue import MODELS
from thymos.report.view import RunView
from thymos.serving.export import OnnxPipeline, export_onnx
from thymos.serving.footprint import latencies, operations, peak_memory
from thymos.sources.base import Recordings
from thymos.training.channels import compacted

_SPEECH = 16_000.0  # Hz


def samples_like(view: RunView) -> np.ndarray:
    """Return samples of the shape and kind that the run was made of, and nothing in them."""
    shape = (96, *view.data["shape"]["X"][1:])
    rng = np.random.default_rng(0)
    if view.study["images"]:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.standard_normal(shape).astype(np.float32)


def before_network(study: dict[str, Any], repeats: int) -> float:
    """Return the median time in ms of making one sample of speech: processes and features, as the study says."""
    noise = np.random.default_rng(0).normal(0, 0.05, (1, round(study["windows"]["seconds"] * _SPEECH)))
    signal = Signal(noise.astype(np.float32), _SPEECH, ("mono",), "")
    meta = {"source": "noise", "subject": "-", "session": "-", "trial": "-", "stimulus": "-"}
    recordings = Recordings(lambda: iter([Recording({study["modality"]: signal}, meta)]))
    for step in study["process"]:
        recordings = recordings.process(step["name"], study["modality"], **step["parameters"])
    made = [resolve(step["name"], "transformer").load()(**step["parameters"]) for step in study["features"]]
    spent = []
    for _ in range(repeats + 1):  # the first one is for imports
        begin = time.perf_counter()
        recordings.features(*made, **study["windows"], modality=study["modality"])
        spent.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(spent[1:])


def estimator_of(step: dict[str, Any], gone: dict[str, list[int]], X: np.ndarray, n_classes: int) -> Any:
    """Return an untrained network of a method for such samples, without some channels, ready to be exported."""
    inner = step["parameters"]["estimator"]
    row = MODELS[inner["name"]]
    made = row.load()(**{**row.parameters, **inner["parameters"], "device": "cpu"})
    shape = made.prepare(X, np.arange(len(X)) % n_classes).X.shape[1:]
    torch.manual_seed(0)
    network = made.build(shape, n_classes).eval()
    if gone:
        network = compacted(network, torch.zeros(2, *shape), gone)
    made.module_ = network
    return made


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("results/pruned-speed.csv"))
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    view = RunView(given.run)
    table = view.inspections.get("regulation", pd.DataFrame(columns=["kind"]))
    table = table[table["kind"] == "channel"]
    if table.empty or "dense" not in view.methods:
        parser.error(f"{given.run} has no method `dense`, or no inspection `regulation` of channels that are gone")
    table = table[table["protocol"] == table["protocol"].iloc[0]]
    X = samples_like(view)
    rows, calls = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for method, spec in view.study["methods"].items():
            step = spec["steps"][-1]
            mine = table[table["method"] == method]
            for seed in sorted(mine["seed"].unique()) if len(mine) else [0]:
                if not len(mine) and not method.startswith(("dense", "small")):
                    print(f"left out: {method}, whose channels the inspection `regulation` has not")
                    continue
                one = mine[mine["seed"] == seed]
                one = one[one["fold"] == one["fold"].min()]
                one = one[one["epoch"] == one["epoch"].max()].drop_duplicates("layer")
                gone = {r.layer: list(range(int(r.live), int(r.n))) for r in one.itertuples()}
                made, path = estimator_of(step, gone, X, len(view.classes)), Path(folder) / f"{method}-{seed}.onnx"
                export_onnx(made, X, path)
                calls[f"{method}-{seed}"] = OnnxPipeline(path).predict_proba
                rows.append(
                    {
                        "method": method,
                        "seed": seed,
                        "parameters": sum(p.numel() for p in made.module_.parameters()),
                        "operations": operations(made.module_, made.arrange(X)),
                        "bytes": path.stat().st_size,
                        "memory": peak_memory(path, 64),
                    }
                )
        times = latencies(calls, X, (1, 64), given.repeats)
    found = pd.DataFrame(rows)
    for batch in (1, 64):
        for share in (50, 99):
            found[f"p{share}_{batch}"] = [1e3 * times[name][f"p{share}_{batch}"] for name in calls]
        found[f"time_{batch}"] = found[f"p50_{batch}"] / found.loc[found["method"] == "dense", f"p50_{batch}"].iloc[0]
    for name in ("parameters", "operations", "bytes"):
        found[f"{name}_share"] = found[name] / found.loc[found["method"] == "dense", name].iloc[0]
    if view.study["modality"] == "speech":
        found["features"] = before_network(view.study, given.repeats)
    print(found.to_string(index=False, float_format="%.3g"))
    found.to_csv(given.out, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
