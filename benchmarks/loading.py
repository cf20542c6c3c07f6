"""Seconds and memory to load each real corpus whole, against a plain loop over its files.

Run: python benchmarks/loading.py --data DIR

Every number is the median of fresh processes that take turns, files in the cache of the system. Seconds begin after the
imports; memory is the largest resident size of a process minus that of one that only imports. The plain loops check
nothing and know no labels: they are the least that any reader must do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Nothing heavy is imported here: a child's largest resident size begins with that of its parent.


def ours_fer2013(folder: Path):
    from thymos.sources.fer2013 import FER2013

    yield
    samples = FER2013(folder).load().images()
    yield [samples.X], len(samples)


def plain_fer2013(folder: Path):
    import io
    import zipfile

    import numpy as np
    from PIL import Image

    Image.init()
    yield
    with zipfile.ZipFile(folder / "archive.zip") as archive:
        pictures = [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in archive.namelist()]
    X = np.stack(pictures)
    yield [X], len(X)


def ours_ravdess(folder: Path):
    import soundfile  # noqa: F401

    from thymos.sources.ravdess import RAVDESS

    yield
    signals = [recording.signal("speech").data for recording in RAVDESS(folder).load()]
    yield signals, len(signals)


def plain_ravdess(folder: Path):
    import soundfile

    yield
    sounds = [soundfile.read(path, dtype="float32")[0] for path in sorted(folder.glob("Actor_*/*.flac"))]
    yield sounds, len(sounds)


def ours_hku956(folder: Path):
    from thymos.sources.hku956 import HKU956

    yield
    recordings = list(HKU956(folder, zeros="keep").load())
    signals = [recording.signal(modality).data for recording in recordings for modality in recording.signals]
    yield signals, len(recordings)


def plain_hku956(folder: Path):
    import numpy as np
    import pandas as pd

    yield
    files = [p for name in ("BVP", "EDA", "TEMP", "HR") for p in sorted(folder.glob(f"*/*/{name}/*.csv"))]
    signals = [pd.read_csv(path, header=None)[0].to_numpy(np.float32) for path in files]
    yield signals, len(signals) // 4


def ours_muse(folder: Path):
    from thymos.sources.muse import MuseMentalState

    yield
    recordings = list(MuseMentalState(folder).load())
    yield [r.signal("eeg").data for r in recordings], len({r.meta["trial"] for r in recordings})


def plain_muse(folder: Path):
    import numpy as np
    import pandas as pd

    yield
    columns = ["TP9", "AF7", "AF8", "TP10"]
    signals = [pd.read_csv(path)[columns].to_numpy(np.float32) for path in sorted(folder.glob("*.csv"))]
    yield signals, len(signals)


#: Folder of each corpus, its two readers, and what the plain loop is.
CORPORA = {
    "fer2013": ("fer2013", ours_fer2013, plain_fer2013, "zipfile and Pillow"),
    "ravdess": ("ravdess", ours_ravdess, plain_ravdess, "soundfile"),
    "hku956": ("hku956", ours_hku956, plain_hku956, "pandas.read_csv"),
    "muse-mental-state": ("muse-mental-state", ours_muse, plain_muse, "pandas.read_csv"),
}


def child(name: str, side: int, data: Path, load: bool) -> None:
    """Load one corpus in this process, or only import what loading needs, and print what it took."""
    folder, *readers, _ = CORPORA[name]
    steps = readers[side](data / folder)
    next(steps)
    begin = time.perf_counter()
    arrays, count = next(steps) if load else ([], 0)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    mib = sum(array.nbytes for array in arrays) / 2**20
    print(json.dumps({"seconds": seconds, "peak": peak, "count": count, "mib": mib}))


def run(name: str, side: int, data: Path, load: bool = True) -> dict:
    """Return what a fresh process measures."""
    command = [sys.executable, __file__, "--data", str(data), "--child", name, str(side), str(int(load))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def measure(name: str, data: Path, repeats: int) -> dict:
    """Return medians of both readers, which take turns, and their ratio."""
    folder, *_, rival = CORPORA[name]
    for path in (data / folder).rglob("*"):  # into the cache of the system
        if path.is_file():
            path.read_bytes()
    idle = [statistics.median(run(name, side, data, False)["peak"] for _ in range(repeats)) for side in (0, 1)]
    found = [[run(name, side, data) for side in (0, 1)] for _ in range(repeats)]
    result = {}
    for side, key in enumerate(("thymos", "plain")):
        rows = [turn[side] for turn in found]
        result[key] = {
            "seconds": round(statistics.median(row["seconds"] for row in rows), 3),
            "all_seconds": [round(row["seconds"], 3) for row in rows],
            "peak_mib": round(statistics.median(row["peak"] for row in rows) - idle[side], 1),
            "arrays_mib": round(rows[0]["mib"], 1),
            "recordings": rows[0]["count"],
        }
    result["plain"]["with"] = rival
    result["ratio"] = round(result["thymos"]["seconds"] / result["plain"]["seconds"], 2)
    return result


def machine() -> dict:
    """Return what the numbers were measured on."""
    from importlib.metadata import version

    names = ("numpy", "pandas", "pillow", "soundfile")
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def main() -> None:
    """Measure every corpus that is there, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/loading.json"))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, side, load = options.child
        child(name, int(side), options.data, bool(int(load)))
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result = {"command": "python benchmarks/loading.py", "machine": machine(), "repeats": options.repeats}
    for name, (folder, *_) in CORPORA.items():
        if not (options.data / folder).is_dir():
            print(f"{name}: not at {options.data / folder}, left out")
            continue
        result[name] = made = measure(name, options.data, options.repeats)
        print(
            f"{name}: {made['thymos']['recordings']} recordings, {made['thymos']['seconds']} s and "
            f"{made['thymos']['peak_mib']} MiB; {made['plain']['with']}: {made['plain']['seconds']} s and "
            f"{made['plain']['peak_mib']} MiB; ratio {made['ratio']}",
            flush=True,
        )
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
