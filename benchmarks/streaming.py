"""A corpus larger than the memory, in SEED's layout, featurised in a process that may have 2 GB of its own.

Run: python benchmarks/streaming.py [--folder DIR] [--subjects 15]

Writes simulated data in SEED's layout (62 channels, 200 Hz, three sessions a person; kept in DIR if one is given, and
used again), then starts two processes whose memory is limited. One computes differential entropy,
filtered over each trial and smoothed, and cuts 4 s windows of the signals; both go to a cache, piece by piece. The
other tries to have all windows in memory, to see that the limit holds. Files are compressed: 7 GB on disk are 15 GB of
double precision once they are read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 2 * 2**30  # bytes of memory of its own; pages of mapped files can be dropped at any time and do not count

#: The process that measures may have had more: what getrusage says survives the start of another.
PEAK = """
import resource, sys
def peak():
    try:
        with open("/proc/self/status") as lines:
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""

CHILD = """
{peak}
import json, os, time
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
resource.setrlimit(resource.RLIMIT_DATA, ({limit}, {limit}))
from thymos.base.cache import Cache
from thymos.signals.smoothing import Smooth
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources import SEED
recordings = SEED({folder!r}).load()
result = {{}}
def run(name, call):
    begin = time.perf_counter()
    samples = call()
    result[name] = [list(samples.X.shape), samples.X.nbytes, time.perf_counter() - begin]
if {memory}:
    run("windows in memory", lambda: recordings.windows(4.0))
else:
    cache = Cache({cache!r})
    steps = DifferentialEntropy(bands="seed", method="filter", window=1.0), Smooth()
    run("features", lambda: recordings.features(*steps, seconds=4.0, cache=cache))
    run("features, from the cache", lambda: recordings.features(*steps, seconds=4.0, cache=cache))
    run("windows", lambda: recordings.windows(4.0, cache=cache))
result["peak"] = peak()
print(json.dumps(result))
"""


def child(folder: Path, cache: Path, memory: bool) -> subprocess.CompletedProcess:
    code = CHILD.format(peak=PEAK, limit=LIMIT, folder=str(folder), cache=str(cache), memory=memory)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def refusal(done: subprocess.CompletedProcess) -> str:
    """Return what a process said that was to run out of memory; another error ends the measurement."""
    if done.returncode == 0:
        return "went through: no limit"
    errors = [line for line in done.stderr.splitlines() if "MemoryError" in line]
    if not errors:
        sys.exit(done.stderr or f"ended with {done.returncode}")
    return errors[-1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--subjects", type=int, help="of the data that are written, 15 if not given")
    parser.add_argument("--out", type=Path, default=Path("results/streaming.json"))
    given = parser.parse_args()
    if given.subjects and given.folder and (given.folder / "seed").is_dir():
        parser.error(f"{given.folder / 'seed'} holds data already: --subjects is of those that are written")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if not (folder / "seed").is_dir():
            from thymos.sources.simulate.seed import write_seed

            begin = time.perf_counter()
            write_seed(folder, random_state=0, subjects=given.subjects or 15, scale=1.0)
            print(f"written in {time.perf_counter() - begin:.0f} s")
        size = sum(p.stat().st_size for p in (folder / "seed").rglob("*") if p.is_file())
        print(f"corpus {size / 1e9:.2f} GB in {folder}; memory limited to {LIMIT / 1e9:.2f} GB")
        whole = child(folder / "seed", Path(temporary) / "cache", memory=True)
        reason = refusal(whole)
        print(f"windows in memory: {reason}")
        streamed = child(folder / "seed", Path(temporary) / "cache", memory=False)
        if streamed.returncode:
            sys.exit(streamed.stderr)
        found = json.loads(streamed.stdout)
        peak = found.pop("peak")
    for name, (shape, made, seconds) in found.items():
        print(f"{name}: {shape}, {made / 1e9:.2f} GB, {seconds:.0f} s")
    print(f"peak of memory in use, mapped pages of the cache included: {peak / 1e9:.2f} GB")
    result = {
        "command": "python benchmarks/streaming.py",
        "gb": {"corpus": size / 1e9, "limit": LIMIT / 1e9, "peak": peak / 1e9},
        "in memory": reason,
        "made": {name: {"shape": s, "gb": made / 1e9, "seconds": t} for name, (s, made, t) in found.items()},
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
