"""A training step of LEL against the official design: double precision and a decomposition per layer and pass.

Run: python benchmarks/lel.py [--repeats 3]

The rival is a twin of the same network with the same weights that does what the authors' programme does: float64, the
largest singular value of every constrained layer from a full decomposition in every forward pass, attention written
out. A third one has our precision and layers, and attention written out. Steps (forward, backward, Adam) alternate
between fresh processes of one thread; medians of processor seconds, and the peak of memory. Two sizes: the budget
`quick` (32 channels, 1 s at 128 Hz, a token per 4 samples, batches of 32) and the unreduced model of the paper (200
samples, a token per sample, batches of 128). Random windows: time does not depend on what they hold. The cost of the
whole study on FACED is extrapolated from the step of the paper.
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

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import torch
from torch import nn
from torch.nn import functional

from thymos.base.bands import band_members, check_bands
from thymos.nn.attention import ConstrainedAttention
from thymos.nn.lel import LELNet, Settings
from thymos.nn.lipschitz import SpectralLinear

CHANNELS, CLASSES, LR = 32, 9, 3e-4
SIZES = {
    "quick": {"n_times": 128, "sfreq": 128.0, "batch": 32, "stride": 4},
    "paper": {"n_times": 200, "sfreq": 200.0, "batch": 128, "stride": 1},
}
STEPS = {"quick": 20, "paper": 2}
#: FACED: subjects, folds, training windows of a fold (17 trials of 30 s), epochs.
FACED = {"subjects": 123, "folds": 3, "windows": 17 * 30, "epochs": 100}


class DecomposedLinear(SpectralLinear):
    """A dense layer whose weights are divided by their largest singular value in every pass."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer makes of `x`."""
        sigma = torch.linalg.svdvals(self.weight.detach())[0]
        return functional.linear(x, self.weight * (self.bound / sigma).clamp(max=1.0), self.bias)


class WrittenAttention(ConstrainedAttention):
    """Clamped attention as it is written in the paper."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return attended tokens."""
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        root = q.shape[-1] ** 0.5
        scores = (q @ k.mT / root).clamp(-self.bound * root, self.bound * root)
        attended = functional.dropout(scores.softmax(dim=-1), self.dropout, self.training) @ v
        return self.output(attended.transpose(1, 2).flatten(2))


def network(size: str, design: str) -> nn.Module:
    """Return a network of one of the designs."""
    chosen = SIZES[size]
    members = band_members(chosen["n_times"], chosen["sfreq"], check_bands("lel", chosen["sfreq"]))
    torch.manual_seed(0)
    settings = Settings(
        CHANNELS,
        chosen["n_times"],
        CLASSES,
        torch.from_numpy(members),
        stride=chosen["stride"],
    )
    net = LELNet(settings, noise=0.1)
    for module in net.modules() if design != "thymos" else ():
        if isinstance(module, ConstrainedAttention):
            module.__class__ = WrittenAttention
        elif isinstance(module, SpectralLinear) and design == "official":
            module.__class__ = DecomposedLinear
    return net.double() if design == "official" else net


def measure(size: str, design: str) -> dict[str, float]:
    """Return the median seconds of a step and the peak of memory in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    net, chosen = network(size, design), SIZES[size]
    x = torch.randn(
        chosen["batch"], CHANNELS, chosen["n_times"], dtype=torch.float64 if design == "official" else torch.float32
    )
    y = torch.arange(len(x)) % CLASSES
    net.begin(x)
    optimiser = torch.optim.Adam(net.parameters(), lr=LR)
    seconds = []
    for _ in range(1 + STEPS[size]):
        start = time.process_time()  # one thread: what others do on the machine does not count
        optimiser.zero_grad()
        loss = sum(functional.cross_entropy(logits, y) for logits in net.train()(x).unbind(dim=1))
        loss.backward()
        optimiser.step()
        seconds.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": statistics.median(seconds[1:]),
        "megabytes": (peak - before) / 1024,
        "parameters": sum(p.numel() for p in net.parameters()),
    }


def main() -> None:
    """Measure both designs at all sizes, in processes of their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "DESIGN"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("results/lel-step.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table: dict[str, dict] = {}
    for size in SIZES:
        found: dict[str, list[dict]] = {"thymos": [], "written": [], "official": []}
        for _ in range(options.repeats):
            for design, runs in found.items():
                call = [sys.executable, __file__, "--one", size, design]
                runs.append(json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout))
        row = {
            design: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            for design, runs in found.items()
        }
        blocks = [w["seconds"] / t["seconds"] for t, w in zip(found["thymos"], found["written"], strict=True)]
        ratios = [o["seconds"] / t["seconds"] for t, o in zip(found["thymos"], found["official"], strict=True)]
        row |= {"ratio": statistics.median(ratios), "ratios": ratios, "ratio_blocks": statistics.median(blocks)}
        table[size] = row
        ours, twin = row["thymos"], row["official"]
        print(
            f"{size:10} {ours['seconds']:8.3f} s {ours['megabytes']:7.0f} MB against {twin['seconds']:8.3f} s "
            f"{twin['megabytes']:7.0f} MB: {row['ratio']:.1f} times ({', '.join(f'{r:.1f}' for r in ratios)}), "
            f"{row['ratio_blocks']:.1f} by attention in blocks alone; {ours['parameters']:,.0f} parameters",
            flush=True,
        )
    steps = FACED["subjects"] * FACED["folds"] * FACED["epochs"] * -(-FACED["windows"] // SIZES["paper"]["batch"])
    hours = {d: table["paper"][d]["seconds"] * steps / 3600 for d in ("thymos", "official")}
    print(
        f"FACED, all subjects, 3 folds, 100 epochs, one thread: {steps} steps, {hours['thymos']:.0f} h (extrapolated)"
    )
    table["faced_extrapolated"] = {"steps": steps, **{f"{d}_hours": h for d, h in hours.items()}}
    options.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
