"""Thirty-two small models at once: stacked training against one by one and against a plain PyTorch loop.

Run: python benchmarks/stacked.py [--subjects 32]

Simulated EEG, effect three times the realistic one; differential entropy of 1 s windows, z-scored per subject on its
training trials; one model for each subject, trained on 28 of its 40 trials and tested on the others. Fixed number of
epochs, no validation, one thread of the processor, alternating runs, medians of CPU seconds. Convolutions on the raw
signals of eight of the people for two epochs show where a stack does not pay: Thymos trains such models one by one. The
plain loop is what one writes by hand: ``DataLoader``, ``Adam``, ``cross_entropy``. Accuracy is the mean over subjects
by window, chance 0.5.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from thymos.signals.spectral import DifferentialEntropy
from thymos.sources.simulate.eeg import SimulatedEEG
from thymos.training.estimator import TorchClassifier

SEED, TRIALS, TRAINED, SECONDS, EPOCHS, REPEATS, LR = 0, 40, 28, 10.0, 12, 3, 1e-3


def mlp(n_channels: int, n_times: int, n_outputs: int) -> nn.Module:
    """Return a perceptron on all values of a sample."""
    size = n_channels * n_times
    layers = nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, n_outputs)
    return nn.Sequential(nn.Flatten(), *layers)


def cnn(n_channels: int, n_times: int, n_outputs: int) -> nn.Module:
    """Return convolutions along the electrodes, bands being channels."""
    return nn.Sequential(
        nn.Conv1d(n_channels, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(4),
        nn.Flatten(),
        nn.Linear(128, n_outputs),
    )


def raw(n_channels: int, n_times: int, n_outputs: int) -> nn.Module:
    """Return convolutions over the time and then over the electrodes of raw windows."""
    return nn.Sequential(
        nn.Unflatten(1, (1, n_channels)),
        nn.Conv2d(1, 8, (1, 33), padding=(0, 16)),
        nn.Conv2d(8, 16, (n_channels, 1)),
        nn.ELU(),
        nn.AvgPool2d((1, 16)),
        nn.Flatten(),
        nn.Linear(16 * (n_times // 16), n_outputs),
    )


mlp.stackable = cnn.stackable = raw.stackable = True
RAW_SUBJECTS, RAW_EPOCHS = 8, 2


def data(subjects: int, features: bool = True) -> list[tuple[np.ndarray, ...]]:
    """Return training and test samples and labels of each subject.

    Features are of shape (n_samples, n_bands, n_channels), raw windows (n_samples, n_channels, n_times).
    """
    source = SimulatedEEG(subjects=subjects, trials=TRIALS, seconds=SECONDS, effect=3.0, random_state=SEED)
    recordings = source.load()
    samples = recordings.features(DifferentialEntropy(), seconds=1.0) if features else recordings.windows(1.0)
    parts = []
    for subject in source.subjects():
        mine = samples[(samples.meta["subject"] == subject).to_numpy()]
        trained = mine.meta["trial"].isin(sorted(mine.meta["trial"].unique())[:TRAINED]).to_numpy()
        X, y = mine.X[..., 0] if features else mine.X, (mine.meta["valence"] > 5).to_numpy().astype(int)
        mean, sd = X[trained].mean(axis=0), X[trained].std(axis=0)
        X = ((X - mean) / sd).astype(np.float32)
        parts.append((X[trained], y[trained], X[~trained], y[~trained]))
    return parts


def plain(factory, parts: list, batch: int, epochs: int) -> list[np.ndarray]:
    """Train as one would by hand, and return the predictions for the test part."""
    predicted = []
    for number, (X, y, test, _) in enumerate(parts):
        torch.manual_seed(number)
        model = factory(X.shape[1], X.shape[2], 2)
        optimiser = torch.optim.Adam(model.parameters(), lr=LR)
        loader = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), batch, shuffle=True)
        model.train()
        for _ in range(epochs):
            for x, target in loader:
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x), target).backward()
                optimiser.step()
        model.eval()
        with torch.no_grad():
            predicted.append(model(torch.from_numpy(test)).argmax(dim=1).numpy())
    return predicted


def estimators(factory, parts: list, batch: int, epochs: int, stacked: bool) -> list[np.ndarray]:
    """Train with Thymos, one by one or together, and return the predictions for the test part."""
    lead = TorchClassifier(factory, lr=LR, batch_size=batch, max_epochs=epochs, clip=None, device="cpu")
    if stacked:
        made = lead.fit_many([part[:2] for part in parts], range(len(parts)))
    else:
        made = [
            TorchClassifier(**{**lead.get_params(), "random_state": k}).fit(*part[:2]) for k, part in enumerate(parts)
        ]
    return [model.predict(part[2]) for model, part in zip(made, parts, strict=True)]


def accuracy(predicted: list, parts: list) -> float:
    return float(np.mean([(p == part[3]).mean() for p, part in zip(predicted, parts, strict=True)]))


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path("results/stacked.json"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    parts = data(options.subjects)
    stored = {"command": "python benchmarks/stacked.py", "seed": SEED, "subjects": len(parts), "device": "cpu"}
    print(f"{len(parts)} subjects, {len(parts[0][0])} samples each of {parts[0][0].shape[1:]}, {EPOCHS} epochs")
    print(f"{'':16}{'plain loop':>18}{'one by one':>18}{'stacked':>18}{'to plain':>10}{'to own':>8}")
    few = data(min(options.subjects, RAW_SUBJECTS), features=False)
    rows = (("MLP", mlp, parts, EPOCHS), ("1D-CNN", cnn, parts, EPOCHS), ("raw CNN", raw, few, RAW_EPOCHS))
    for name, factory, given, epochs in rows:
        for batch in (32, 64):
            what = factory, given, batch, epochs
            ways = {
                "plain": lambda what=what: plain(*what),
                "one by one": lambda what=what: estimators(*what, stacked=False),
                "stacked": lambda what=what: estimators(*what, stacked=True),
            }
            times, right = {way: [] for way in ways}, {}
            for _ in range(REPEATS):
                for way, call in ways.items():
                    begin = time.process_time()
                    predicted = call()
                    times[way].append(time.process_time() - begin)
                    right[way] = accuracy(predicted, given)
            seconds = {way: float(np.median(t)) for way, t in times.items()}
            to_plain, to_own = (seconds[way] / seconds["stacked"] for way in ("plain", "one by one"))
            cells = "".join(f"{seconds[way]:10.2f} s {right[way]:.3f}" for way in ways)
            print(f"{name:8}batch {batch:<4}{cells}{to_plain:10.1f}{to_own:8.1f}", flush=True)
            row = {"seconds": seconds, "accuracy": right, "ratio": to_plain, "ratio_own": to_own}
            stored[f"{name}, batch {batch}"] = row
    options.out.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
