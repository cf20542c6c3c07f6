"""Whether searched networks use the planted electrodes and bands, and whether genotypes tell of them.

Run: python benchmarks/planted.py [--effect 6] [--draws 39] [--jobs 2]

Simulated EEG whose effects are known (`thymos.sources.simulate.eeg.EFFECTS`): eight people, 40 trials of 24 s; valence
above 5 or not; differential entropy of windows of 1 s in samples of 6 s. Personal architectures are searched and
trained on two thirds of the clips with the sizes of the budget ``quick``, once with the labels and `draws` times with
labels permuted between the trials of each person. A map is the mean size of gradient times standardised value over the
samples of the other clips, summed over windows; how often a planted place (a band of an electrode) beats another one is
the area under the curve; the same for a logistic regression of each person, to know what these data tell a simple
method. Of genotypes: the share of the edges that mix electrodes. p is the share of the permuted fits
that reach the value of the true labels, that fit included. One thread each; every fit is written down as soon as it is
done, and a second call with the same seed adds what is missing.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from thymos.base.samples import Samples
from thymos.evaluation.fit import permute_trial_labels
from thymos.evaluation.splitters import GroupSplit
from thymos.models.nas import PersonalisedSearch
from thymos.signals.spectral import DifferentialEntropy
from thymos.signals.topography import directions
from thymos.sources.simulate.eeg import EFFECTS, REGIONS, SimulatedEEG

SIZES = {
    **{"width": 8, "cells": 2, "search_epochs": 8, "warmup": 2, "guard_every": 0, "architecture_lr": 3e-3},
    **{"personal_epochs": 8, "personal_batch": 16, "max_epochs": 40, "patience": 8, "others": False},
}
BANDS = ("theta", "alpha", "beta", "gamma")
ACROSS = {"spat", "graph", "attn_e"}


def load(effect: float, seed: int) -> Samples:
    """Return features of the people."""
    source = SimulatedEEG(subjects=8, trials=40, seconds=24.0, effect=effect, random_state=seed)
    entropy = DifferentialEntropy(128.0, "deap", "filter", 1.0, 1.0)
    samples = source.load().features(entropy, seconds=6.0)
    return samples.replace(y=np.where(samples.meta["valence"] > 5, "high", "low"))


def planted(ch_names: list[str]) -> np.ndarray:
    """Return which places carry valence, bool, shape (n_bands, n_channels)."""
    found = np.zeros((len(BANDS), len(ch_names)), dtype=bool)
    for band, regions, axis, _ in EFFECTS:
        if axis == "valence":
            found[BANDS.index(band), [ch_names.index(n) for region in regions for n in REGIONS[region]]] = True
    return found


def looked(samples: Samples, seed: int) -> dict[str, float]:
    """Search and train, and return what the networks use."""
    fold = GroupSplit("stimulus", 3).folds(samples.meta, samples.y)[0]
    train, held, test = (samples[getattr(fold, part)] for part in ("train", "validation", "test"))
    names = list(samples.info["ch_names"])
    model = PersonalisedSearch(positions=directions(names).tolist(), random_state=seed, **SIZES)
    model.fit(train.X, train.y, validation=held, meta=train.meta)
    areas = []
    for number, subject in enumerate(model.subjects_):
        net = model.module_.networks[number]
        mine = (test.meta["subject"] == subject).to_numpy()
        x = torch.from_numpy(test.X[mine]).requires_grad_()
        logits = net(x)
        (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), x)
        standard = (x.detach() - net.mean) / net.scale
        use = (slope * net.scale * standard).sum(dim=3).abs().mean(dim=0).numpy()
        areas.append(roc_auc_score(planted(names).ravel(), use.ravel()))
    operations = [o for g in model.genotypes_.values() for cell in g.values() for node in cell for o, _ in node]
    right = model.predict(test.X, test.meta) == test.y
    return {
        "auc": float(np.mean(areas)),
        **linear(train, test),
        "across electrodes": float(np.mean([o in ACROSS for o in operations])),
        "accuracy by sample": float(right.mean()),
    }


def linear(train: Samples, test: Samples) -> dict[str, float]:
    """Return the same of a logistic regression of each person, which takes every value for itself."""
    areas, right = [], []
    for subject in np.unique(train.meta["subject"]):
        mine, other = (part[(part.meta["subject"] == subject).to_numpy()] for part in (train, test))
        scaler, model = StandardScaler(), LogisticRegression(max_iter=1000)
        model.fit(scaler.fit_transform(mine.X.reshape(len(mine), -1)), mine.y)
        table = scaler.transform(other.X.reshape(len(other), -1))
        use = np.abs((model.coef_ * table).reshape(other.X.shape).sum(axis=3)).mean(axis=0)
        areas.append(roc_auc_score(planted(list(train.info["ch_names"])).ravel(), use.ravel()))
        right.extend(model.predict(table) == other.y)
    return {"auc, linear": float(np.mean(areas)), "accuracy by sample, linear": float(np.mean(right))}


def fitted(samples: Samples, number: int, seed: int) -> tuple[int, dict[str, float]]:
    """Return what networks use with the labels as they are (number -1), or with labels permuted."""
    torch.set_num_threads(1)
    own = samples if number < 0 else permute_trial_labels(samples, number)
    return number, looked(own, seed + max(0, number))


def summed_up(rows: dict[str, dict[str, float]]) -> dict:
    """Return for each measure its value with the labels, those with permuted ones, and p."""
    true, drawn = rows["-1"], [rows[name] for name in sorted(rows, key=int) if name != "-1"]
    return {
        name: {
            "true labels": value,
            "permuted": [one[name] for one in drawn],
            "p": (1 + sum(one[name] >= value for one in drawn)) / (1 + len(drawn)),
        }
        for name, value in true.items()
    }


def main() -> None:
    """Measure and write ``results/planted-d<effect>.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effect", type=float, default=6.0)
    parser.add_argument("--draws", type=int, default=39)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    path = Path(__file__).parent.parent / "results" / f"planted-d{given.effect:g}.json"
    path.parent.mkdir(exist_ok=True)
    stored = json.loads(path.read_text()) if path.exists() else {"about": {}, "fits": {}}
    fits = stored["fits"] if stored["about"].get("seed") == given.seed else {}
    samples = load(given.effect, given.seed)
    missing = [number for number in range(-1, given.draws) if str(number) not in fits]
    work = (delayed(fitted)(samples, number, given.seed) for number in missing)
    for number, found in Parallel(given.jobs, return_as="generator_unordered")(work):
        fits[str(number)] = found
        print("true labels" if number < 0 else f"permuted {number}", found, flush=True)
        about = {"effect": given.effect, "seed": given.seed, "draws": len(fits) - ("-1" in fits)}
        table = summed_up(fits) if "-1" in fits else {}
        path.write_text(json.dumps({"about": about, **table, "fits": fits}, indent=1) + "\n")
    for name, row in summed_up(fits).items():
        permuted = np.array(row["permuted"])
        spread = f"permuted {permuted.mean():.3f} +- {permuted.std():.3f}"
        print(f"{name}: {row['true labels']:.3f}, {spread}, p {row['p']:.2f}")


if __name__ == "__main__":
    main()
