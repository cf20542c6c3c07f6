"""Every catalogued classifier and regressor as ONNX: equal or not, and what one window costs with its features.

Run: python benchmarks/exported.py [--only NAME ...] [--repeats 300]

Each member is trained for one epoch on noise in the shape that it is used for, which is enough to be exported: raw EEG
of 32 channels and 1 s at 128 Hz, differential entropy of such windows, in a table or as (band, electrode) images over
time, a heart rate of 80 s at 1 Hz, photographs of 48 x 48. Exported and trained model are compared on 1000 samples.
Then one sample, from the raw window on, features included, is predicted by both in turns, one thread. Memory is what a
process of its own grows by. Results, with the reason where there are none: results/exported.csv; as they come they are
written to results/exported.part.csv, which takes its place at the end.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from thymos.base.errors import InputError
from thymos.base.probabilities import Calibration
from thymos.models.catalogue import MODELS
from thymos.serving.export import OnnxPipeline, export_onnx, network_of
from thymos.serving.footprint import latencies, operations, peak_memory
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.signals.topography import DEAP_GRID
from thymos.training.estimator import TorchEstimator
from thymos.training.pipeline import make_pipeline

NAMES = [name for name in DEAP_GRID.split() if name != "."]
FACES = ("face_cnn", "compact_face_cnn")
BODY = ("physio_lstm", "physio_lstm_regressor")
SPEECH = ("speech_cnn", "speech_attention")
RAW = (
    *("eegnet", "shallow_convnet", "deep_convnet", "tsception", "fbcnet", "lggnet", "lel", "lel_code", "lel_certified"),
    *("cnn_lstm", "riemann"),
)
STEPS = ("dgcnn", "eegnas", "personalised_search", "transformer", "recurrent", "recurrent_regressor", "rnn_time")
#: What a member cannot be made without.
NEEDED = {"per_subject": {"estimator": "mlp"}}
SMALL = {
    **{"max_epochs": 1, "search_epochs": 1, "warmup": 0, "personal_epochs": 1, "frozen_epochs": 1},
    **{"finetune_epochs": 1, "device": "cpu", "random_state": 0, "sfreq": 128.0, "ch_names": NAMES},
}


def member(name: str) -> tuple[object, np.ndarray, np.ndarray, list]:
    """Return a member of the catalogue, samples, labels or ratings, and the steps before it."""
    row, rng = MODELS[name], np.random.default_rng(0)
    made = row.load()(**row.parameters)
    if name in NEEDED:
        made.set_params(estimator=MODELS[NEEDED[name]["estimator"]].load()())
    if name == "gene_pruned":  # so that it has channels to lose
        inner = MODELS["face_cnn"].load()(max_epochs=4, device="cpu", random_state=0)
        made.set_params(estimator=inner, granularity="channel", density=0.7)
    own = made.get_params()
    made.set_params(**{key: value for key, value in SMALL.items() if key in own and key not in row.parameters})
    steps: list = []
    if name in FACES or name == "gene_pruned":
        X = rng.integers(0, 256, (96, 1, 48, 48), dtype=np.uint8)
    elif name in SPEECH:
        X, steps = (-60 + 10 * rng.standard_normal((96, 40, 1, 200))).astype(np.float32), [ChannelScaler()]
    elif name in BODY:
        X, steps = (70 + 5 * rng.standard_normal((96, 1, 80))).astype(np.float32), []
    else:
        X = (1e-5 * rng.standard_normal((96, 32, 128))).astype(np.float32)
        if name in RAW:
            steps = [ChannelScaler()] if name != "riemann" else []
        elif name in STEPS:
            steps = [
                DifferentialEntropy(128.0, window=0.25, bands={"alpha": (8, 14), "beta": (14, 31)}),
                ChannelScaler(),
            ]
        else:
            steps = [DifferentialEntropy(128.0), Flatten(), ChannelScaler()]
    y = np.array(["a", "b", "c"])[np.arange(96) % 3] if is_classifier(made) else rng.standard_normal(96)
    return made, X, y, steps


def measured(name: str, folder: Path, repeats: int) -> dict[str, object]:
    """Return one row of the table."""
    last, X, y, steps = member(name)
    pipeline, path = make_pipeline(*steps, last), folder / f"{name}.onnx"
    calibration = Calibration(1.3, (0.1, 0.0, -0.1)) if is_classifier(last) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one epoch and few samples
        pipeline.fit(X, y)
        facts = export_onnx(pipeline, X, path, calibration=calibration)
    exported = OnnxPipeline(path, pipeline)
    method = "predict_proba" if is_classifier(last) else "predict"
    times = latencies(
        {"trained": getattr(pipeline, method), "exported": getattr(exported, method)}, X, (1, 64), repeats
    )
    row = {
        "model": name,
        "outside": " ".join(facts["outside"]),
        "difference": facts["difference"],
        "bytes": path.stat().st_size,
        "memory": peak_memory(path, 64),
    }
    if isinstance(getattr(pipeline[-1], "estimator_", pipeline[-1]), TorchEstimator):
        given = pipeline[:-1].transform(X) if steps else X
        network, _, estimator = network_of(pipeline[-1], given)
        row["parameters"] = sum(p.numel() for p in network.parameters())
        row["operations"] = operations(network, estimator.arrange(given[:2]))
    for batch in (1, 64):
        for share in (50, 99):
            row |= {f"{kind}_p{share}_{batch}": 1e3 * times[kind][f"p{share}_{batch}"] for kind in times}
        row[f"ratio_{batch}"] = row[f"trained_p50_{batch}"] / row[f"exported_p50_{batch}"]
    return row


def row_of(name: str, folder: Path, repeats: int) -> dict[str, object]:
    """Return one row of the table, or one that says why there is none: a model that fails leaves the others."""
    try:
        return measured(name, folder, repeats)
    except InputError as error:
        return {"model": name, "reason": error.came}
    except Exception as error:  # a mistake, which is to be seen in the table
        return {"model": name, "reason": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument(
        "--out", type=Path, help="results/exported.csv if not given; with --only then nothing is stored"
    )
    given = parser.parse_args()
    out, rows = given.out or (None if given.only else Path("results/exported.csv")), []
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in given.only or list(MODELS):
            rows.append(row_of(name, Path(folder), given.repeats))
            numbers = {k: v for k, v in rows[-1].items() if not (v is None or isinstance(v, str))}
            print(rows[-1] | {k: f"{v:.3g}" for k, v in numbers.items()}, flush=True)
            if out:
                pd.DataFrame(rows).to_csv(out.with_suffix(".part.csv"), index=False, float_format="%.4g")
    if out:
        os.replace(out.with_suffix(".part.csv"), out)


if __name__ == "__main__":
    main()
