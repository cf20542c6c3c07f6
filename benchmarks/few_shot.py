"""What a few labelled trials of a new person are worth, on simulated people.

Run: python benchmarks/few_shot.py

Twenty-four simulated people, 40 trials of 8 s each, effect three times the realistic one; LDA on differential entropy
of 1 s windows, leave one person out. The same trials are tested whatever number calibrates: those that the largest
number leaves. Log-loss and balanced accuracy by trial, mean over people, with the standard error of the paired change
against no calibration.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from thymos.base.probabilities import log_loss, trial_probabilities
from thymos.evaluation import LeaveOneSubjectOut
from thymos.evaluation.fit import fit_fold
from thymos.evaluation.protocol import Fold
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources.simulate.eeg import SimulatedEEG
from thymos.training.pipeline import make_pipeline

SEED, CLASSES, SHOTS = 2, ["high", "low"], (0, 2, 4, 8, 16)
OUT = Path("results/few_shot.json")


def by_trial(predictions: pd.DataFrame, tested: set[str]) -> tuple[float, float]:
    """Return log-loss and balanced accuracy of the tested trials."""
    mine = predictions[predictions["trial"].isin(tested)]
    first, scores = trial_probabilities(mine["trial"].to_numpy(str), mine[["p0", "p1"]].to_numpy(float))
    codes = np.array([CLASSES.index(label) for label in mine["label"].iloc[first]])
    right = scores.argmax(axis=1) == codes
    return log_loss(codes, scores), float(np.mean([right[codes == k].mean() for k in np.unique(codes)]))


def main() -> None:
    """Measure, print and store."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    source = SimulatedEEG(subjects=24, trials=40, seconds=8.0, effect=3.0, random_state=SEED)
    samples = source.load().features(DifferentialEntropy(), seconds=1.0)
    samples = samples.replace(y=np.where(samples.meta["valence"] > 5, "high", "low"))
    method = make_pipeline(Flatten(), ChannelScaler(), LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"))
    rows = []
    for fold in LeaveOneSubjectOut(few_shot=max(SHOTS)).folds(samples.meta, samples.y):
        trials = samples.meta["trial"].to_numpy(str)
        order = list(dict.fromkeys(trials[fold.calibration]))
        label = {trial: samples.y[trials == trial][0] for trial in order}
        turns = sorted(order, key=lambda trial: [t for t in order if label[t] == label[trial]].index(trial))
        for shots in SHOTS:
            used = fold.calibration[np.isin(trials[fold.calibration], turns[:shots])]
            part = Fold(fold.name, fold.train, fold.validation, fold.test, calibration=used)
            loss, accuracy = by_trial(fit_fold(method, samples, part, CLASSES).predictions, set(trials[fold.test]))
            rows.append({"subject": fold.name, "shots": shots, "log_loss": loss, "balanced_accuracy": accuracy})
    table = pd.DataFrame(rows)
    stored = {"command": "python benchmarks/few_shot.py", "seed": SEED, "subjects": int(table["subject"].nunique())}
    for shots in SHOTS:
        row = {}
        for name in ("log_loss", "balanced_accuracy"):
            values = table.pivot(index="subject", columns="shots", values=name)
            change = values[shots] - values[0]
            row[name] = {"mean": values[shots].mean(), "change": change.mean(), "error": change.sem()}
        stored[str(shots)] = row
        words = ", ".join(f"{k} {v['mean']:.3f} ({v['change']:+.3f} +- {v['error']:.3f})" for k, v in row.items())
        print(f"{shots:3} trials: {words}", flush=True)
    OUT.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
