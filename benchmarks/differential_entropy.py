"""Differential entropy of one DEAP-sized subject: Thymos against plain SciPy, as ratios of CPU time in one run.

Run: python benchmarks/differential_entropy.py

Rivals, both written as one would by hand with SciPy and NumPy:
``loop``  band-pass each trial with sosfiltfilt, variance in one-second windows (compared with method='filter');
``rfft``  Hann window and np.fft.rfft of all windows, sum over bands (compared with method='spectral').
"""

from __future__ import annotations

import time

import numpy as np
from scipy import signal as sps

from thymos.signals.spectral import BANDS, differential_entropy

SFREQ, REPEATS = 128, 5


def loop(x: np.ndarray) -> np.ndarray:
    out = []
    for trial in x:
        bands = []
        for low, high in BANDS["deap"].values():
            sos = sps.butter(4, (low, high), "bandpass", fs=SFREQ, output="sos")
            filtered = sps.sosfiltfilt(sos, trial.astype(float), axis=-1)
            variance = filtered.reshape(len(trial), -1, SFREQ).var(axis=-1)
            bands.append(0.5 * np.log(2 * np.pi * np.e * variance))
        out.append(bands)
    return np.array(out)


def rfft(x: np.ndarray) -> np.ndarray:
    windows = x.reshape(*x.shape[:-1], -1, SFREQ)
    windows = windows - windows.mean(axis=-1, keepdims=True)
    hann = np.hanning(SFREQ + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(windows * hann, axis=-1)) ** 2 * 2 / (SFREQ * np.sum(hann**2))
    freqs = np.fft.rfftfreq(SFREQ, 1 / SFREQ)
    bands = [power[..., (freqs >= low) & (freqs < high)].sum(axis=-1) for low, high in BANDS["deap"].values()]
    return 0.5 * np.log(2 * np.pi * np.e * np.stack(bands, axis=1))


def cpu(function, x) -> tuple[float, np.ndarray]:
    begin = time.process_time()
    result = function(x)
    return time.process_time() - begin, result


def main() -> None:
    x = (np.random.default_rng(0).standard_normal((40, 32, 60 * SFREQ)) * 1e-5).astype(np.float32)
    pairs = {
        "spectral": (rfft, lambda v: differential_entropy(v, SFREQ, "deap", window=1.0)),
        "filter": (loop, lambda v: differential_entropy(v, SFREQ, "deap", "filter", window=1.0)),
    }
    print(f"40 trials x 32 channels x 60 s at {SFREQ} Hz, median of {REPEATS} alternating runs, CPU seconds")
    for name, (rival, ours) in pairs.items():
        rival(x[:2]), ours(x[:2])
        times = np.array([[(a := cpu(rival, x))[0], (b := cpu(ours, x))[0]] for _ in range(REPEATS)])
        difference = np.abs(a[1] - b[1]).max()
        slow, fast = np.median(times, axis=0)
        print(
            f"{name:9} {rival.__name__:5} {slow:.3f}  thymos {fast:.3f}  ratio {slow / fast:.2f}"
            f"  largest difference {difference:.1e} nats"
        )


if __name__ == "__main__":
    main()
