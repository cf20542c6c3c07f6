"""Beats, heart rate, skin conductance responses: Thymos against NeuroKit2 and a wristband, in one run, one thread.

Run: OMP_NUM_THREADS=1 python benchmarks/physiology.py [folder of HKU956]

Simulated bodies tell the truth: F1 of beats within 100 ms (the median delay of a method removed, since one marks the
rise and the other the top of the pulse), mean absolute error of heart rate, RMSSD and the number of skin conductance
responses above 0.01 uS. NeuroKit2 runs with its defaults; intervals of both are cleaned by the same rule. The responses
were made with the two time constants of a common model, which suits whoever assumes it; neither method here does.
In HKU956 there is no truth: heart rates of the two, and of the device, are compared with each other.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.signals.electrodermal import find_responses
from thymos.signals.heart import clean_intervals, find_beats
from thymos.sources.hku956 import HKU956
from thymos.sources.simulate.physiology import Physiology

SEED, SUBJECTS, SECONDS, MOVEMENTS = 0, 30, 60.0, 3
SMALLEST = 0.01e-6  # S
METHODS = ("thymos", "neurokit")
OUT = Path("results/physiology.json")


def f1(found: np.ndarray, true: np.ndarray, name: str) -> float:
    """F1 of beats within 100 ms of the truth, at the delay that suits the method; a pulse follows its beat."""
    if not len(found):
        return 0.0
    gap = found[:, None] - true
    gap = np.where(gap > 0, gap, np.inf) if name == "bvp" else gap
    true = true + np.median(gap[np.arange(len(gap)), np.abs(gap).argmin(axis=1)])
    true = true[(true >= 0) & (true < SECONDS)]
    hits = (np.abs(found[:, None] - true).min(axis=0) < 0.1).sum()
    return 2 * hits / (len(found) + len(true))


def rate_and_rmssd(beats: np.ndarray) -> tuple[float, float]:
    """Beats per minute and ms."""
    _, intervals = clean_intervals(beats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no interval at all: NaN
        return 60 * np.nanmean(1 / intervals), 1e3 * np.sqrt(np.nanmean(np.diff(intervals) ** 2))


def shaken(x: np.ndarray, sfreq: float, rng: np.random.Generator) -> np.ndarray:
    """Add movements of 3 s, five to thirty times as large as the signal."""
    x, size = x.copy(), round(3 * sfreq)
    for start in rng.integers(0, len(x) - size, MOVEMENTS):
        sway = np.sin(2 * np.pi * rng.uniform(0.5, 3) * np.arange(size) / sfreq) * np.hanning(size)
        x[start : start + size] += rng.uniform(5, 30) * x.std() * sway
    return x


def neurokit_responses(x: np.ndarray, sfreq: float) -> int:
    """Count with the defaults of NeuroKit2 and the same least amplitude."""
    nk = require("neurokit2", "physiology")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            phasic = nk.eda_phasic(x, sampling_rate=sfreq)["EDA_Phasic"].to_numpy()
            _, found = nk.eda_peaks(phasic, sampling_rate=sfreq)
        except ValueError:  # it raises where there is no response at all
            return 0
    return int(np.sum(np.asarray(found["SCR_Amplitude"]) > SMALLEST))


def clocked(function, *args, **options):
    """Return the result and the CPU seconds."""
    begin = time.process_time()
    made = function(*args, **options)
    return made, time.process_time() - begin


def simulated() -> dict:
    """Return errors against the truth of simulated bodies, and milliseconds of CPU for each."""
    bodies = [Physiology(SEED).trial(k, 0, SECONDS, (0.0, (k % 3 - 1) * 0.8)) for k in range(SUBJECTS)]
    stored = {}
    print(f"{SUBJECTS} simulated bodies, seed {SEED}, {SECONDS:g} s each; CPU in ms per body")
    print(f"{'signal':22}{'method':10}{'F1':>7}{'HR error':>10}{'RMSSD error':>13}{'CPU':>8}")
    for name, sfreq, moved in (("bvp", 64.0, False), ("bvp", 64.0, True), ("ecg", 256.0, False), ("ecg", 256.0, True)):
        rng, rows = np.random.default_rng(SEED), {method: [] for method in METHODS}
        for body in bodies:
            x = body.signal(name, sfreq).data[0].astype(float)
            x = shaken(x, sfreq, rng) if moved else x
            true = body.beats[(body.beats > -1) & (body.beats < SECONDS + 1)]
            inside = true[(true >= 0) & (true < SECONDS)]
            for method in METHODS:
                beats, cpu = clocked(find_beats, x, sfreq, name, method)
                errors = np.abs(np.subtract(rate_and_rmssd(beats), rate_and_rmssd(inside)))
                rows[method].append((f1(beats, true, name), *errors, 1e3 * cpu))
        for method in METHODS:
            f, rate, rmssd, cpu = np.nanmean(rows[method], axis=0)
            label = f"{name} {sfreq:g} Hz" + (" shaken" if moved else "")
            print(f"{label:22}{method:10}{f:7.3f}{rate:6.2f} bpm{rmssd:10.1f} ms{cpu:8.1f}")
            row = {"f1": f, "rate_error_bpm": rate, "rmssd_error_ms": rmssd, "cpu_ms": cpu}
            stored.setdefault(label, {})[method] = row
    rows = []
    for body in bodies:
        x = body.signal("eda").data[0].astype(float)
        onset, size = body.responses
        true = ((onset >= 0) & (onset < SECONDS - 2) & (size > SMALLEST)).sum()
        (ours, cpu), (theirs, other) = clocked(find_responses, x, 4.0), clocked(neurokit_responses, x, 4.0)
        rows.append((true, abs(len(ours.onset) - true), abs(theirs - true), 1e3 * cpu, 1e3 * other))
    true, ours, theirs, cpu, other = np.mean(rows, axis=0)
    print(f"skin responses at 4 Hz, {true:.1f} true on average; mean absolute error of the number")
    print(f"{'eda 4 Hz':22}{'thymos':10}{ours:7.2f}{cpu:41.1f} ms\n{'':22}{'neurokit':10}{theirs:7.2f}{other:41.1f} ms")
    stored["eda 4 Hz"] = {
        "true": true,
        "thymos": {"count_error": ours, "cpu_ms": cpu},
        "neurokit": {"count_error": theirs, "cpu_ms": other},
    }
    return stored


def real(folder: Path) -> dict:
    """Return how far heart rates of the methods and of the device are apart in the records of HKU956."""
    rows, spent = [], np.zeros(2)
    for record in HKU956(folder, zeros="keep").recordings():
        x, device = record.signal("bvp").data[0].astype(float), 60 * record.signal("hr").data.mean(dtype=float)
        rates, covers = [], []
        for k, method in enumerate(METHODS):
            try:
                beats, cpu = clocked(find_beats, x, 64.0, "bvp", method)
            except InputError:
                beats, cpu = np.empty(0), 0.0
            spent[k] += cpu
            rates.append(rate_and_rmssd(beats)[0])
            covers.append(np.nansum(clean_intervals(beats)[1]) * 64 / len(x))
        rows.append((*rates, device, *covers))
    ours, theirs, device, cover, _ = np.array(rows).T
    good = cover >= 0.5
    stored = {"records": len(rows), "less than half covered": 1 - good.mean()}
    print(f"HKU956, {len(rows)} records; {1 - good.mean():.1%} of them less than half covered by beats of Thymos")
    print(f"{'heart rate, bpm':28}{'median':>8}{'90 %':>8}   absolute difference per record, all / half covered")
    for name, a, b in (
        ("thymos - device", ours, device),
        ("neurokit - device", theirs, device),
        ("thymos - neurokit", ours, theirs),
    ):
        gap = np.abs(a - b)
        half, most, half_good, most_good = (np.nanquantile(g, q) for g in (gap, gap[good]) for q in (0.5, 0.9))
        print(f"{name:28}{half:8.2f}{most:8.2f}   /{half_good:8.2f}{most_good:8.2f}")
        stored[name] = {"all": [half, most], "half covered": [half_good, most_good]}
    print(f"CPU: thymos {spent[0]:.1f} s, neurokit {spent[1]:.1f} s, ratio {spent[1] / spent[0]:.1f}")
    return {**stored, "cpu_s": dict(zip(METHODS, spent, strict=True))}


def main() -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    find_beats(np.random.default_rng(SEED).standard_normal(6400), 64.0, "bvp", "neurokit")  # pay for the import first
    stored = {"command": "python benchmarks/physiology.py", "seed": SEED, "bodies": SUBJECTS, **simulated()}
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/hku956")
    if folder.is_dir():
        stored["hku956"] = real(folder)
    else:
        print(f"HKU956 is not at {folder}")
    OUT.write_text(json.dumps(stored, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
