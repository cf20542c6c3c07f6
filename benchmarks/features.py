"""EEG features of one DEAP-sized subject against what one would write by hand, as ratios of CPU time in one run.

Run: python benchmarks/features.py

40 trials x 32 channels x 60 s at 128 Hz, simulated; one thread; alternating runs, medians. Rivals, in the usual form of
public code, with SciPy and NumPy:

``filter`` DE    Butterworth of order 4 and ``filtfilt``, a loop over trials and bands, variance in a loop over windows
``spectral`` DE  ``scipy.signal.stft`` of each channel, a loop over trials, channels and bands
Hjorth           a loop over trials, channels and windows
asymmetry        a loop over trials, bands and pairs

Memory is the most that a call holds in arrays at once (tracemalloc), its result included, as a share of the input.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
from scipy import signal as sps

from thymos.base.bands import BANDS
from thymos.signals.asymmetry import asymmetry, hemispheric_pairs
from thymos.signals.spectral import differential_entropy
from thymos.signals.statistics import hjorth

SFREQ, TRIALS, REPEATS, SEED = 128, 40, 3, 0
OUT = Path("results/features.json")


def subject() -> tuple[np.ndarray, list[str]]:
    """Return the signals, shape (n_trials, n_channels, n_times), and the names of the channels."""
    from thymos.sources.simulate.eeg import SimulatedEEG

    source = SimulatedEEG(subjects=1, trials=TRIALS, seconds=60.0, random_state=SEED)
    return np.stack([r.signal("eeg").data for r in source.recordings()]), list(source.ch_names)


def entropy(variance: np.ndarray) -> np.ndarray:
    return 0.5 * np.log(2 * np.pi * np.e * variance)


def filter_loop(x: np.ndarray) -> np.ndarray:
    out = np.empty((len(x), 4, x.shape[1], x.shape[2] // SFREQ))
    for t, trial in enumerate(x):
        for b, (low, high) in enumerate(BANDS["deap"].values()):
            numerator, denominator = sps.butter(4, [low, high], "bandpass", fs=SFREQ)
            filtered = sps.filtfilt(numerator, denominator, trial)
            for w in range(out.shape[-1]):
                out[t, b, :, w] = entropy(filtered[:, w * SFREQ : (w + 1) * SFREQ].var(axis=-1))
    return out


def stft_loop(x: np.ndarray) -> np.ndarray:
    out = np.empty((len(x), 4, x.shape[1], x.shape[2] // SFREQ))
    hann = sps.get_window("hann", SFREQ)
    density = 2 * hann.sum() ** 2 / (SFREQ * np.sum(hann**2))  # stft divides by the sum of the window
    for t, trial in enumerate(x):
        for c, channel in enumerate(trial):
            f, _, z = sps.stft(channel, SFREQ, hann, SFREQ, 0, detrend="constant", boundary=None, padded=False)
            power = np.abs(z) ** 2 * density
            for b, (low, high) in enumerate(BANDS["deap"].values()):
                out[t, b, c] = entropy(power[(f >= low) & (f < high)].sum(axis=0))
    return out


def hjorth_loop(x: np.ndarray) -> np.ndarray:
    out = np.empty((len(x), 3, x.shape[1], x.shape[2] // SFREQ))
    for t, trial in enumerate(x):
        for c, channel in enumerate(trial):
            for w in range(out.shape[-1]):
                window = channel[w * SFREQ : (w + 1) * SFREQ]
                first = np.diff(window)
                second = np.diff(first)
                mobility = np.sqrt(first.var() / window.var())
                out[t, :, c, w] = window.var(), mobility * SFREQ, np.sqrt(second.var() / first.var()) / mobility
    return out


def asymmetry_loop(de: np.ndarray, names: list[str]) -> np.ndarray:
    pairs = hemispheric_pairs(names)
    out = np.empty((*de.shape[:2], len(pairs), de.shape[-1]))
    for t in range(len(de)):
        for b in range(de.shape[1]):
            for p, (left, right) in enumerate(pairs):
                for w in range(de.shape[-1]):
                    out[t, b, p, w] = de[t, b, left, w] - de[t, b, right, w]
    return out


def cpu(function, *arguments) -> tuple[float, np.ndarray]:
    begin = time.process_time()
    result = function(*arguments)
    return time.process_time() - begin, result


def extra_memory(function, x: np.ndarray) -> float:
    """Return the most memory that a call holds in arrays at once, its result included, as a share of the input."""
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / x.nbytes


def main() -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    x, names = subject()
    stored = {"command": "python benchmarks/features.py", "seed": SEED, "shape": x.shape}
    print(
        f"{x.shape} at {SFREQ} Hz, {x.nbytes / 2**20:.1f} MiB float32, seed {SEED}, medians of {REPEATS}, CPU seconds"
    )
    de = differential_entropy(x, SFREQ, "deap", window=1.0)
    pairs = {
        "filter DE": (lambda: filter_loop(x), lambda: differential_entropy(x, SFREQ, "deap", "filter", 1.0)),
        "spectral DE": (lambda: stft_loop(x), lambda: differential_entropy(x, SFREQ, "deap", window=1.0)),
        "Hjorth": (lambda: hjorth_loop(x), lambda: hjorth(x, SFREQ, 1.0)),
        "asymmetry": (lambda: asymmetry_loop(de, names), lambda: asymmetry(de, names)),
    }
    for name, (rival, ours) in pairs.items():
        times = np.empty((REPEATS, 2))
        for k in range(REPEATS):
            times[k, 0], theirs = cpu(rival)
            times[k, 1], mine = cpu(ours)
        slow, fast = np.median(times, axis=0)
        stored[name] = {"loop_seconds": slow, "thymos_seconds": fast, "ratio": slow / fast, "extra_memory": None}
        print(f"{name:12} loop {slow:7.3f}  thymos {fast:6.3f}  ratio {slow / fast:6.1f}")
        if name.endswith("DE"):
            for b, band in enumerate(BANDS["deap"]):
                apart = np.abs(theirs[:, b] - mine[:, b])
                inner = apart[..., 1:-1].max()
                median, most = np.median(apart), apart.max()
                together = np.corrcoef(theirs[:, b].ravel(), mine[:, b].ravel())[0, 1]
                print(
                    f"             {band:6} correlation {together:.6f}, difference in nats: median "
                    f"{median:.1e}, largest {most:.1e}, without first and last window {inner:.1e}"
                )
                agreement = {"correlation": together, "median": median, "largest": most, "largest_inside": inner}
                stored[name].setdefault("agreement", {})[band] = agreement
        else:
            error = np.max(np.abs(theirs - mine) / (np.abs(theirs) + 1e-12))
            print(f"             largest relative difference {error:.1e}")
        stored[name]["extra_memory"] = memory = extra_memory(ours, x)
        print(f"             peak extra memory {memory:.2f} of the input")
    OUT.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
