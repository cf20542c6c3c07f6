"""Whether maps of what a model uses show the places that carry the effect, and none where there is none.

Run: python benchmarks/saliency.py [--seeds 5]

Simulated EEG, whose effects are known (`thymos.sources.simulate.eeg.EFFECTS`), five times the realistic ones and alike
in all people; 2 s windows; valence and arousal above 5 or not. Models are trained on three quarters of the trials of
all subjects and explained on the others. True places are the bands of those electrodes that EFFECTS names for the
target. Three conditions: with the effect, without it (`null`), and with it but trained on labels permuted between the
trials of each subject. For every map: the share of the importance that lies in true places (values below 0 count as 0)
beside their share of the cells, and how often a true place beats another one (area under the curve, 0.5 by chance). At
last EEGNet on raw signals and arousal, with and without eyes and muscles: whether a map tells what it uses. One thread.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from thymos.base.samples import Samples
from thymos.evaluation.fit import permute_trial_labels
from thymos.evaluation.saliency import REST, Saliency, integrated_gradients, permutation_importance
from thymos.models.catalogue import MODELS
from thymos.models.convnets import ShallowConvNetClassifier
from thymos.models.eegnet import EEGNetClassifier
from thymos.models.mlp import MLPClassifier
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources.simulate.eeg import EFFECTS, REGIONS, SimulatedEEG
from thymos.training.pipeline import Pipeline, make_pipeline

DATA = {"subjects": 8, "trials": 40, "seconds": 8.0, "effect": 5.0, "slope_sd": 0.0}
CLASSES = ["high", "low"]


@lru_cache(maxsize=2)
def simulated(seed: int, **parameters: Any) -> Samples:
    return SimulatedEEG(**DATA, random_state=seed, **parameters).load().windows(2.0)


def load(seed: int, target: str, **parameters: Any) -> tuple[Samples, Samples]:
    """Return the training and the test part."""
    samples = simulated(seed, **parameters)
    samples = samples.replace(y=np.where(samples.meta[target] > 5, "high", "low"))
    test = samples.meta["trial"].str[-2:].astype(int).to_numpy() % 4 == 0
    return samples[~test], samples[test]


def true_places(target: str, saliency: Saliency) -> np.ndarray:
    """Return which cells carry the effect, bool, shape (n_bands, n_channels)."""
    found = np.zeros(saliency.cells.shape[1:], dtype=bool)
    for band, regions, axis, _ in EFFECTS:
        if axis == target:
            electrodes = [saliency.ch_names.index(name) for region in regions for name in REGIONS[region]]
            found[saliency.bands.index(band), electrodes] = True
    return found


def judged(saliency: Saliency, target: str) -> dict[str, Any]:
    """Compare the map over all samples with the truth."""
    true, importance = true_places(target, saliency), np.maximum(saliency.cells[0], 0)
    best = np.argsort(-importance, axis=None, kind="stable")[:10]
    band = saliency.bands[int(saliency.by_band[0].argmax())]
    return {
        "share": float(importance[true].sum() / importance.sum()),
        "of_cells": float(true.mean()),
        "auc": float(roc_auc_score(true.ravel(), importance.ravel())),
        "true_of_best_10": int(true.ravel()[best].sum()),
        "everything": float(saliency.values[0, -1, -1]),
        "strongest_band": band,
        "strongest": [f"{row.band} {row.channel}" for row in saliency.strongest(n=5).itertuples()],
    }


def person_alone(train: Samples, test: Samples) -> float:
    """Return the balanced accuracy of naming the commoner label of each person."""
    commoner = pd.Series(train.y).groupby(train.meta["subject"]).agg(lambda labels: labels.mode()[0])
    return float(balanced_accuracy_score(test.y, test.meta["subject"].map(commoner)))


def methods(seed: int, raw: bool) -> dict[str, tuple[Pipeline, list[str]]]:
    """Return fresh pipelines and how each is explained."""
    row = MODELS["lda"]
    lda = make_pipeline(DifferentialEntropy(), Flatten(), ChannelScaler(), row.load()(**row.parameters))
    mlp = MLPClassifier(max_epochs=10, weight_decay=0.1, random_state=seed)
    found = {
        "LDA": (lda, ["permutation"]),
        "MLP": (make_pipeline(DifferentialEntropy(), ChannelScaler(), mlp), ["permutation", "gradients"]),
    }
    if raw:
        net = ShallowConvNetClassifier(sfreq=128.0, max_epochs=6, random_state=seed)
        found["ShallowConvNet"] = make_pipeline(ChannelScaler(), net), ["gradients"]
    return found


def one_seed(seed: int) -> list[dict[str, Any]]:
    """Train and explain every method under every condition."""
    rows = []
    for target in ("valence", "arousal"):
        for condition in ("effect", "null", "permuted labels"):
            train, test = load(seed, target, null=condition == "null")
            person = person_alone(train, test)
            train = permute_trial_labels(train, seed) if condition == "permuted labels" else train
            # the network on raw signals is slow: one target, with and without effect, every fourth window
            for name, (pipe, ways) in methods(seed, target == "valence" and condition != "permuted labels").items():
                pipe.fit(train)
                right = balanced_accuracy_score(test.y, pipe.predict(test.X))
                for way in ways:
                    if way == "permutation":
                        saliency = permutation_importance(pipe, test, CLASSES, random_state=seed)
                    else:
                        saliency = integrated_gradients(pipe, test[:: 4 if name == "ShallowConvNet" else 1])
                    head = {"target": target, "condition": condition, "method": name, "way": way, "seed": seed}
                    accuracies = {"balanced_accuracy": float(right), "person_alone": person}
                    rows.append({**head, **accuracies, **judged(saliency, target)})
    return rows


def eyes(seed: int) -> dict[str, Any]:
    """Say what EEGNet uses for arousal, which changes the rate of blinks, and what without eyes and muscles."""
    found = {}
    for artifacts in (True, False):
        train, test = load(seed, "arousal", artifacts=artifacts)
        pipe = make_pipeline(ChannelScaler(), EEGNetClassifier(sfreq=128.0, max_epochs=6, random_state=seed)).fit(train)
        saliency = integrated_gradients(pipe, test[::4])
        front = saliency.cells[0, saliency.bands.index(REST)][[saliency.ch_names.index(n) for n in ("Fp1", "Fp2")]]
        found["with artifacts" if artifacts else "without artifacts"] = {
            "balanced_accuracy": float(balanced_accuracy_score(test.y, pipe.predict(test.X))),
            "strongest": [f"{row.band} {row.channel}" for row in saliency.strongest(n=3).itertuples()],
            "share_of_fp1_fp2_outside_bands": float(front.sum() / saliency.cells[0].sum()),
            "share_of_bands": dict(
                zip(saliency.bands, (saliency.by_band[0] / saliency.by_band[0].sum()).tolist(), strict=True)
            ),
        }
    return found


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/saliency.json"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    begin = time.process_time()
    rows = [row for seed in range(options.seeds) for row in one_seed(seed)]
    table = pd.DataFrame(rows)
    keys = ["target", "condition", "method", "way"]
    shown = ["balanced_accuracy", "person_alone", "share", "of_cells", "auc", "true_of_best_10", "everything"]
    print(table.groupby(keys, sort=False)[shown].agg(["mean", "std"]).round(3).to_string())
    stored = {
        "command": f"python benchmarks/saliency.py --seeds {options.seeds}",
        "data": DATA,
        "seeds": options.seeds,
        "maps": rows,
        "eyes": eyes(0),
        "seconds": time.process_time() - begin,
    }
    print(json.dumps(stored["eyes"], indent=1), f"{stored['seconds']:.0f} s")
    options.out.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
