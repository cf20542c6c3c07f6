"""Rate of claims 'better than chance' where there is nothing to find.

Simulated EEG without any emotional effect, but with people, drift and trial fingerprints, is classified once per
seed, by LDA on differential entropy under every protocol, by LEL within subjects, with folds by stimulus or by trial
by LDA with samples that a masked-electrode GAN added and by personal architectures with and without these, and for
new people by one searched architecture with and without them. A claim is what a report calls one: p < 0.05 when
labels are permuted between the trials of each subject. Honest protocols should claim in 5 % of seeds or less;
`random_window` shows what the leak makes of nothing. Every protocol of a seed is written to a csv as soon as it is
done; a second call adds what is missing. Each method has a table of its own, results/null.csv that of LDA and
results/null-METHOD.csv those of the others.

    python benchmarks/null.py --seeds 200
    python benchmarks/null.py --method lel --seeds 10
    python benchmarks/null.py --method search_gan --seeds 10
    python benchmarks/null.py --method eegnas_gan --seeds 10
"""

from __future__ import annotations

import argparse
import itertools
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from thymos.augmentation import MaskedElectrodeGAN
from thymos.base.samples import Samples
from thymos.evaluation.catalogue import PROTOCOLS
from thymos.evaluation.fit import fit_fold
from thymos.evaluation.statistics import summarise
from thymos.models.catalogue import MODELS
from thymos.models.nas import EEGNASClassifier, PersonalisedSearch
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.signals.topography import directions
from thymos.sources import SimulatedEEG
from thymos.training.pipeline import Pipeline, make_pipeline

ELECTRODES = ("F3", "F4", "T7", "C3", "C4", "T8", "Pz", "Oz")
DATA = {"subjects": 8, "trials": 16, "seconds": 8.0, "null": True, "montage": ELECTRODES}
SPLITS = {
    "trial": {},
    "loso": {},
    "stimulus": {},
    "subject_stimulus": {"n_splits": 4},
    "random_window": {"within": "subject"},
}
CLASSES = ["high", "low"]


#: Protocols of each method.
METHODS = {
    "lda": tuple(SPLITS),
    "lel": ("trial", "random_window"),
    **dict.fromkeys(("gan", "search", "search_gan"), ("stimulus", "trial")),  # a fit takes up to a minute
    **dict.fromkeys(("eegnas", "eegnas_gan"), ("loso",)),
}
#: Name of each method's table.
TABLES = {method: "null.csv" if method == "lda" else f"null-{method}.csv" for method in METHODS}


def pipeline(method: str, seed: int) -> Pipeline:
    """Return the method."""
    row = MODELS["lel" if method == "lel" else "lda"]
    if method == "lel":
        quick = {"stride": 4, "batch_size": 32, "lr": 1e-3, "max_epochs": 15, "patience": 5}
        return make_pipeline(row.load()(sfreq=128.0, random_state=seed, **quick))
    entropy = DifferentialEntropy(128.0, "deap")
    gan = MaskedElectrodeGAN(
        ELECTRODES, width=8, max_steps=100, judge_every=25, lr=1e-3, average=0.95, random_state=seed
    )
    if method == "gan":
        return make_pipeline(entropy, gan, Flatten(), ChannelScaler(), row.load()(**row.parameters))
    if method.startswith(("search", "eegnas")):
        sizes = {"width": 4, "cells": 2, "nodes": 2, "search_epochs": 4, "warmup": 1, "guard_every": 0}
        sizes |= {"architecture_lr": 3e-3, "max_epochs": 20, "patience": 5, "random_state": seed}
        sizes |= {"positions": directions(ELECTRODES).tolist(), "sampler": gan if method.endswith("gan") else None}
        if method.startswith("eegnas"):
            return make_pipeline(entropy, EEGNASClassifier(**sizes))
        return make_pipeline(entropy, PersonalisedSearch(personal_epochs=3, **sizes))
    return make_pipeline(entropy, Flatten(), ChannelScaler(), row.load()(**row.parameters))


@lru_cache(maxsize=1)
def simulated(seed: int) -> Samples:
    """Return one simulated data set."""
    samples = SimulatedEEG(**DATA, random_state=seed).load().windows(1.0)
    return samples.replace(y=np.where(samples.meta["valence"] > 5, "high", "low"))


def one_seed(seed: int, method: str, name: str) -> pd.DataFrame:
    """Return value, chance and p of a protocol for each level of one simulated data set."""
    samples = simulated(seed)
    pipe, tables, spec = pipeline(method, seed), [], PROTOCOLS[name]
    protocol = spec.load()(**{**spec.parameters, **SPLITS[name], "random_state": seed})
    for fold in protocol.folds(samples.meta, samples.y):
        made = fit_fold(pipe, samples, fold, CLASSES).predictions
        tables.append(made.assign(protocol=name, method=method, labels="true", fold=fold.name, seed=0))
    table = summarise(pd.concat(tables, ignore_index=True), CLASSES, ("balanced_accuracy",))
    columns = ["protocol", "level", "value", "low", "high", "chance", "chance_high", "p", "n_units"]
    return table[columns].assign(seed=seed, method=method)


def measured(path: Path, method: str) -> pd.DataFrame:
    """Return the rows that are there, which are to be of the method."""
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame({"seed": [], "protocol": [], "method": []})
    if "method" not in table:  # of older tables only the name says it
        table["method"] = next((name for name, own in TABLES.items() if own == path.name), method)
    if others := set(table["method"]) - {method}:
        raise SystemExit(f"{path} holds rows of {', '.join(sorted(others))}, not of {method}: give another --out")
    return table


def report(table: pd.DataFrame, method: str) -> None:
    """Print the rate of claims with its Clopper-Pearson interval."""
    print(f"{table['seed'].nunique()} seeds, {method}, {DATA}")
    print("protocol          level   mean balanced accuracy (SD over seeds)   claims p < 0.05   95 % Clopper-Pearson")
    for (protocol, level), part in table.groupby(["protocol", "level"], sort=False):
        claims = int((part["p"] < 0.05).sum())
        low, high = binomtest(claims, len(part)).proportion_ci(0.95, "exact")
        verdict = "" if protocol == "random_window" else "  TOO MANY" if low > 0.05 else "  no sign of more"
        print(
            f"{protocol:<17} {level:<7} {part['value'].mean():.3f} ({part['value'].std():.3f})"
            f"{claims:>28} of {len(part)}     [{low:.3f}, {high:.3f}]{verdict}"
        )


def main() -> None:
    """Compute missing seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--method", choices=METHODS, default="lda")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    out = arguments.out or Path("results") / TABLES[arguments.method]
    out.parent.mkdir(parents=True, exist_ok=True)
    table = measured(out, arguments.method)
    done = set(zip(table["seed"].astype(int), table["protocol"], strict=True))
    every = itertools.product(range(arguments.seeds), METHODS[arguments.method])
    for seed, protocol in (key for key in every if key not in done):
        table = pd.concat([table, one_seed(seed, arguments.method, protocol)], ignore_index=True)
        table.sort_values(["seed"], kind="stable").to_csv(out, index=False, float_format="%.6g")
    report(table[table["seed"] < arguments.seeds], arguments.method)


if __name__ == "__main__":
    main()
