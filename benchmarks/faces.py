"""What layout, precision and changes of images cost when networks of faces are trained on a processor.

Run: python benchmarks/faces.py [--photos 3840] [--repeats 3]

One epoch on random photographs (time does not depend on what they show) in a fresh process each, two threads, the ways
in turns: the network in channels first or last, float32 or bfloat16, and with the changes switched off. The rival for
the changes is the usual way: each image by itself, on the processor, with Pillow (flip, rotation, shift and brightness
without erasing), timed over as many images, one thread each. An epoch judges an eighth as many photographs at its end.
Memory is the peak of photographs and training together, above that of the process after a small training before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SIDE, CLASSES = 48, 7
OFF = {"flip": 0.0, "rotation": 0.0, "shift": 0.0, "zoom": 0.0, "brightness": 0.0, "erasing": 0.0}
BATCH = {"three_block": 64, "compact": 96}
#: Ways to train: parameters of the network, memory format, type of the photographs.
WAYS = {
    "as shipped": ({"amp": True}, "last", "uint8"),
    "float32": ({"amp": False}, "last", "uint8"),
    "float32, channels first": ({"amp": False}, "first", "uint8"),
    "bfloat16, nothing changed": ({"amp": True, **OFF}, "last", "uint8"),
    "bfloat16, photographs as floats": ({"amp": True}, "last", "float32"),
}


def one(architecture: str, way: str, photos: int) -> dict[str, float]:
    """Return seconds of the second epoch and the peak of memory in this process."""
    import torch

    from thymos.models import face_cnn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    parameters, layout, dtype = WAYS[way]
    if layout == "first":
        torch.channels_last = torch.contiguous_format
    rng = np.random.default_rng(0)

    def pictures(number: int) -> np.ndarray:
        made = np.empty((number, 1, SIDE, SIDE), dtype)
        made[:] = rng.integers(0, 256, made.shape, dtype=np.uint8)
        if dtype == "float32":
            made /= 255
        return made

    more = {"batch_size": BATCH[architecture], "max_epochs": 2, "patience": None, "random_state": 0}
    model = face_cnn.FaceCNN(architecture, **{**more, **parameters})
    model.fit(pictures(2 * CLASSES), np.arange(2 * CLASSES) % CLASSES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    X, X_held = pictures(photos), pictures(photos // 8)
    model.fit(X, rng.integers(0, CLASSES, photos), validation=(X_held, rng.integers(0, CLASSES, len(X_held))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": model.history_[1]["seconds"], "megabytes": (peak - before) / 1024}


def changes(photos: int, repeats: int) -> dict[str, float]:
    """Return seconds of changing all images in batches, and one by one with Pillow, on one thread."""
    import torch
    from PIL import Image, ImageEnhance

    from thymos.nn.images import ImageAugmentation

    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (photos, 1, SIDE, SIDE), dtype=np.uint8)
    layer = ImageAugmentation(erasing=0.0).train()
    ours, theirs = [], []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # Pillow has no more
    try:
        for _ in range(repeats):
            begin = time.perf_counter()
            for part in torch.from_numpy(X).split(64):
                layer(part.float() / 255)
            ours.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            for picture in X[:, 0]:
                image = Image.fromarray(picture)
                if rng.random() < 0.5:
                    image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                shift = tuple(rng.uniform(-0.1, 0.1, 2) * SIDE)
                image = image.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR, translate=shift)
                np.asarray(ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2)), dtype=np.float32) / 255
            theirs.append(time.perf_counter() - begin)
    finally:
        torch.set_num_threads(threads)
    return {"batches": statistics.median(ours), "one by one": statistics.median(theirs)}


def main() -> None:
    """Measure all ways in turns and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=3840)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/faces.json"))
    parser.add_argument("--one", nargs=2, metavar=("ARCHITECTURE", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one, options.photos)))
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    found = {name: {way: [] for way in WAYS} for name in BATCH}
    for _ in range(options.repeats):
        for name, ways in found.items():
            for way, rows in ways.items():
                command = [sys.executable, __file__, "--photos", str(options.photos), "--one", name, way]
                said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
                rows.append(json.loads(said.splitlines()[-1]))
    stored = {"photos": options.photos, "threads": 2, "changes": changes(options.photos, options.repeats)}
    for name, ways in found.items():
        stored[name] = {
            way: {key: statistics.median(row[key] for row in rows) for key in ("seconds", "megabytes")}
            for way, rows in ways.items()
        }
        base = stored[name]["as shipped"]["seconds"]
        for way, row in stored[name].items():
            print(
                f"{name:12} {way:32} {row['seconds']:6.2f} s ({row['seconds'] / base:.2f}), {row['megabytes']:.0f} MB"
            )
    each = stored["changes"]
    print(f"changes of {options.photos} images: {each['batches']:.2f} s, one by one {each['one by one']:.2f} s")
    options.out.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
