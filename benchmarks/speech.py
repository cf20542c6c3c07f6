"""What networks of speech cost: an epoch of training, and one utterance from its file to the probabilities.

Run: python benchmarks/speech.py [--data ../shared/data] [--epochs 3] [--utterances 200]

Models of the study ravdess (budget quick) are trained on RAVDESS for a few epochs each, networks in bfloat16 (as
shipped, where the processor has instructions for it) and in float32; an epoch is the median of all but the first. Then
utterances are predicted one by one, models in turns: the file is read, resampled, trimmed, levelled, made features of,
and answered with calibrated probabilities. One thread. Results: results/speech.json.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from thymos.base.cache import Cache
from thymos.evaluation import load_study, train_method
from thymos.serving.bundle import Bundle
from thymos.sources.own_sounds import SOUNDS, own_sound

torch.set_num_threads(1)
#: Method and precision of each model.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "cnn": ("cnn", {"amp": True}),
    "cnn, float32": ("cnn", {"amp": False}),
    "attention": ("attention", {"amp": True}),
    "attention, float32": ("attention", {"amp": False}),
    "egemaps": ("egemaps", {}),
}


def trained(
    method: str, parameters: dict[str, Any], epochs: int, data: Path, cache: Cache
) -> tuple[Bundle, float | None]:
    """Return a model of a method, and the seconds of an epoch; none for a method without."""
    study = load_study("ravdess", "quick")
    last = study.methods[method].steps[-1]
    if parameters:
        last.parameters.update(parameters, max_epochs=epochs, patience=None)
    made = train_method(study, method, data, cache)
    epochs = [row["seconds"] for row in getattr(made.estimator[-1], "history_", [])[1:]]
    return Bundle.of(made), statistics.median(epochs) if epochs else None


def main() -> None:
    """Train, predict in turns and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("results/speech.json"))
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in given.data.rglob("03-01-*") if path.suffix in SOUNDS)
    if not files:
        parser.error(f"no utterance of RAVDESS lies below {given.data}")
    files = [files[k] for k in np.random.default_rng(0).permutation(len(files))[: given.utterances]]
    stored: dict[str, Any] = {"command": "python benchmarks/speech.py", "utterances": len(files), "models": {}}
    bundles: dict[str, Bundle] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (method, parameters) in MODELS.items():
            bundles[name], seconds = trained(method, parameters, given.epochs, given.data, Cache(Path(folder)))
            stored["models"][name] = {"epoch_s": seconds, "trained_on": bundles[name].card["n_train"]}
    spent: dict[str, list[float]] = {name: [] for name in bundles}
    for path in [files[0], *files]:  # the first one for imports and compilation
        for name, bundle in bundles.items():
            begin = time.perf_counter()
            bundle.predict([own_sound(path)[0]])
            spent[name].append(1e3 * (time.perf_counter() - begin))
    for name, row in stored["models"].items():
        row["p50_ms"], row["p99_ms"] = (float(np.percentile(spent[name][1:], q)) for q in (50, 99))
        epoch = f"{row['epoch_s']:.1f} s an epoch, " if row["epoch_s"] else ""
        print(f"{name:20} {epoch}{row['p50_ms']:.1f} ms an utterance (p99 {row['p99_ms']:.1f})")
    given.out.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
