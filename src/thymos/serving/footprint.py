"""What a model costs where it runs: parameters, operations, bytes, memory and time."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["latencies", "operations", "peak_memory"]

_WARM = 50  # runs before those that are timed

_CHILD = """
import sys
import numpy as np, onnxruntime
def high():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
path, batch = sys.argv[1], int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
before = high()
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
given = session.get_inputs()[0]
samples = np.ones((batch, *given.shape[1:]), "uint8" if given.type == "tensor(uint8)" else "float32")
for _ in range(3):
    session.run(None, {given.name: samples})
print(1024 * (high() - before))
"""


def operations(network: nn.Module, X: np.ndarray) -> int:
    """Return the floating point operations of matrix products and convolutions for one sample.

    Parameters
    ----------
    network : Module
    X : ndarray, shape (n_samples, ...)
        Arranged samples. A product with a sum counts as two; what acts on single values is not counted.
    """
    given = torch.from_numpy(np.array(X[:2]))
    # the recurrent layers of the library for processors count as nothing; without it they are products
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of graphics cards, when the flag is set
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            network(given)
    return counter.get_total_flops() // len(given)


def latencies(
    calls: Mapping[str, Callable[[np.ndarray], Any]],
    X: np.ndarray,
    batches: Sequence[int] = (1, 64),
    repeats: int = 200,
) -> dict[str, dict[str, float]]:
    """Return how long functions take, on one thread and in turns, so that a busy moment hits all of them.

    Parameters
    ----------
    calls : mapping of str to callable
        Each is given samples.
    X : ndarray, shape (n_samples, ...)
    batches : sequence of int
        Numbers of samples at once.
    repeats : int
        Runs at the first of these, after as many for warming up, 50 at most; a quarter of both at the others, whose
        99 % is little less than the slowest of them.

    Returns
    -------
    dict of str to dict
        For each function ``p25_<batch>``, ``p50_<batch>``, ``p75_<batch>`` and ``p99_<batch>`` in seconds.
    """
    found: dict[str, dict[str, float]] = {name: {} for name in calls}
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):  # of what scikit-learn and NumPy compute with
            ways = list(enumerate(calls.values()))
            for k, batch in enumerate(batches):
                runs, warm = (max(1, n // (4 if k else 1)) for n in (repeats, min(repeats, _WARM)))
                given = np.resize(X, (batch, *X.shape[1:]))
                taken = np.empty((runs, len(calls)))
                for run in range(-warm, runs):
                    first = run % len(ways)  # so that none is always measured after the same one
                    for place, call in ways[first:] + ways[:first]:
                        begin = time.perf_counter()
                        call(given)
                        if run >= 0:
                            taken[run, place] = time.perf_counter() - begin
                for place, name in enumerate(calls):
                    for share in (25, 50, 75, 99):
                        found[name][f"p{share}_{batch}"] = float(np.percentile(taken[:, place], share))
    finally:
        torch.set_num_threads(threads)
    return found


def peak_memory(path: str | Path, batch: int) -> int | None:
    """Return the bytes by which a process of its own grows when it loads an exported model and predicts.

    Parameters
    ----------
    path : path
        Of an ONNX file.
    batch : int
        Samples at once.

    Returns
    -------
    int or None
        None where the system does not tell (`/proc`).
    """
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), str(batch)], capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else None
