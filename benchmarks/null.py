"""Rate of claims 'better than chance' where there is nothing to find.

Simulated EEG without any emotional effect, but with people, drift and trial fingerprints, is classified by LDA on
differential entropy under every protocol, once per seed. A claim is what a report calls one: p < 0.05 when labels are
permuted between the trials of each subject. Honest protocols should claim in 5 % of seeds or less; `random_window`
shows what the leak makes of nothing. Every seed is written to a csv as soon as it is done; a second call adds what is
missing.

    python benchmarks/null.py --seeds 200 --out results/null.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from thymos.evaluation.catalogue import PROTOCOLS
from thymos.evaluation.fit import fit_fold
from thymos.evaluation.statistics import summarise
from thymos.models.catalogue import MODELS
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources import SimulatedEEG
from thymos.training.pipeline import make_pipeline

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


def one_seed(seed: int) -> pd.DataFrame:
    """Return value, chance and p for every protocol and level of one simulated data set."""
    samples = SimulatedEEG(**DATA, random_state=seed).load().windows(1.0)
    samples = samples.replace(y=np.where(samples.meta["valence"] > 5, "high", "low"))
    row = MODELS["lda"]
    pipe = make_pipeline(DifferentialEntropy(128.0, "deap"), Flatten(), ChannelScaler(), row.load()(**row.parameters))
    tables = []
    for name, parameters in SPLITS.items():
        spec = PROTOCOLS[name]
        protocol = spec.load()(**{**spec.parameters, **parameters, "random_state": seed})
        for fold in protocol.folds(samples.meta, samples.y):
            made = fit_fold(pipe, samples, fold, CLASSES).predictions
            tables.append(made.assign(protocol=name, method="lda", labels="true", fold=fold.name, seed=0))
    table = summarise(pd.concat(tables, ignore_index=True), CLASSES, ("balanced_accuracy",))
    columns = ["protocol", "level", "value", "low", "high", "chance", "chance_high", "p", "n_units"]
    return table[columns].assign(seed=seed)


def report(table: pd.DataFrame) -> None:
    """Print the rate of claims with its Clopper-Pearson interval."""
    print(f"{table['seed'].nunique()} seeds, LDA on DE, {DATA}")
    print("protocol          level   mean balanced accuracy (SD over seeds)   claims p < 0.05   95 % Clopper-Pearson")
    for (protocol, level), part in table.groupby(["protocol", "level"], sort=False):
        claims = int((part["p"] < 0.05).sum())
        low, high = binomtest(claims, len(part)).proportion_ci(0.95, "exact")
        verdict = "" if protocol == "random_window" else ("  ok" if low <= 0.05 else "  TOO MANY")
        print(
            f"{protocol:<17} {level:<7} {part['value'].mean():.3f} ({part['value'].std():.3f})"
            f"{claims:>28} of {len(part)}     [{low:.3f}, {high:.3f}]{verdict}"
        )


def main() -> None:
    """Compute missing seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("results/null.csv"))
    arguments = parser.parse_args()
    table = pd.read_csv(arguments.out) if arguments.out.is_file() else pd.DataFrame({"seed": []})
    for seed in sorted(set(range(arguments.seeds)) - set(table["seed"].astype(int))):
        table = pd.concat([table, one_seed(seed)], ignore_index=True)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        table.sort_values(["seed"], kind="stable").to_csv(arguments.out, index=False, float_format="%.6g")
    report(table[table["seed"] < arguments.seeds])


if __name__ == "__main__":
    main()
