"""The published GRU over 1500 steps of one value, once, on simulated data in the layout of the public table.

Run: python benchmarks/gru_long.py   (20 epochs; hours on one core, numbers are saved after every epoch)

One random split as published: a fifth for testing (stratified, seed 123), 70 % of the rest for training, 30 % for
validation. Rows of one recording stand on all sides, so the accuracy says how well recordings are recognised; the
nearest neighbour beside it says the same without training. Scaling is fitted on training rows, unlike published.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from skorch.callbacks import Callback

from thymos.models.catalogue import MODELS
from thymos.models.recurrent import RecurrentClassifier
from thymos.signals.scaling import ChannelScaler, Flatten, PickColumns
from thymos.sources.emotions import EmotionsCSV
from thymos.sources.simulate.muse import write_emotions_csv
from thymos.training.pipeline import make_pipeline

FFT = [[524, 1274], [1798, 2548]]  # the columns called fft, of both blocks


class Diary(Callback):
    """Note the test accuracy after every epoch and save; it chooses nothing."""

    def __init__(self, save, arrange, X, y, classes):
        self.save, self.arrange, self.X, self.y, self.classes = save, arrange, X, y, classes
        self.rows = []

    def on_epoch_end(self, net, **kwargs):
        with torch.inference_mode():
            parts = torch.from_numpy(self.arrange(self.X)).split(64)
            net.module_.eval()
            codes = torch.cat([net.module_(part) for part in parts]).argmax(dim=1).numpy()
        last = net.history[-1]
        row = {key: last[key] for key in ("epoch", "train_loss", "valid_loss", "valid_accuracy") if key in last}
        row |= {"test_accuracy": accuracy_score(self.y, self.classes[codes]), "seconds": last["dur"]}
        self.rows.append(row)
        self.save(self.rows)
        print("  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)


class Watched(RecurrentClassifier):
    """A recurrent classifier with one more callback, which comes before early stopping may end training."""

    diary = None

    def watchers(self, ready):
        return [*super().watchers(ready), self.diary]


def load(folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    samples = EmotionsCSV(write_emotions_csv(folder, random_state=seed)).load().windows(0.5, modality="features")
    return samples.X, samples.meta["emotion"].to_numpy(str)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated data and of the weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/gru-long.json"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    args = {key: value for key, value in vars(options).items() if key != "out"}
    with tempfile.TemporaryDirectory() as folder:
        X, y = load(Path(folder), options.seed)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=123)
    X, X_valid, y, y_valid = train_test_split(X, y, test_size=0.3, stratify=y, random_state=123)
    scale = make_pipeline(PickColumns(FFT), ChannelScaler(), Flatten()).fit(X)
    X, X_valid, X_test = (scale.transform(part) for part in (X, X_valid, X_test))
    sizes = {"train": len(y), "validation": len(y_valid), "test": len(y_test)}
    result = {
        "command": "python benchmarks/gru_long.py",
        "data": "simulated, in the layout of emotions.csv",
        "options": args,
        "rows": sizes,
        "chance": 1 / 3,
    }

    def save() -> None:
        options.out.write_text(json.dumps(result, indent=1) + "\n")

    nearest = KNeighborsClassifier(1).fit(X, y)
    result["nearest_neighbour"] = {"test_accuracy": nearest.score(X_test, y_test)}
    print(f"{sizes}  1-nearest neighbour {result['nearest_neighbour']['test_accuracy']:.3f}", flush=True)
    for name in ("lstm_single", "gru_long"):
        model = Watched(**{**MODELS[name].parameters, "max_epochs": options.epochs, "random_state": options.seed})
        entry = result[name] = {"finished": False, "epochs": []}

        def note(rows: list, entry: dict = entry) -> None:
            entry["epochs"] = rows
            save()

        Watched.diary = Diary(note, model.arrange, X_test, y_test, np.unique(y))
        begin = time.perf_counter()
        model.fit(X, y, validation=(X_valid, y_valid))
        entry |= {
            "finished": True,
            "test_accuracy": model.score(X_test, y_test),
            "best_epoch": model.best_epoch_,
            "selection": model.selection_,
            "parameters": model.n_parameters_,
            "seconds_per_epoch": float(np.median([epoch["seconds"] for epoch in model.history_])),
            "seconds": time.perf_counter() - begin,
        }
        save()
        print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in entry.items() if k != "epochs"), flush=True)


if __name__ == "__main__":
    main()
