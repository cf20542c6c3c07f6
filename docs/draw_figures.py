"""Draw the figures of the pages from the package and from stored results; run: python docs/draw_figures.py."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.patches import Patch

from thymos.evaluation import LeaveOneSubjectOut, RandomWindowSplit, SubjectStimulusSplit, TrialSplit
from thymos.evaluation.protocol import Protocol
from thymos.evaluation.splitters import BlockedSplit, GroupSplit

ROOT = Path(__file__).resolve().parent
SUBJECTS, STIMULI, WINDOWS = 3, 8, 6
# Okabe and Ito's colours, told apart by everybody
PARTS = {"train": "#56b4e9", "validation": "#f0e442", "test": "#d55e00", "in no part": "#e6e6e6"}


def experiment() -> tuple[pd.DataFrame, np.ndarray]:
    """Return metadata and labels of three people who saw eight clips, six windows each."""
    rows = [
        {"source": "drawn", "subject": f"s{s}", "session": "1", "trial": f"s{s}-{k}", "stimulus": f"k{k}"}
        | {"recording": f"s{s}-{k}", "start": float(w), "stop": w + 1.0}
        for s in range(SUBJECTS)
        for k in range(STIMULI)
        for w in range(WINDOWS)
    ]
    meta = pd.DataFrame(rows)
    return meta, np.where(meta["stimulus"].str[1:].astype(int) % 2, "high", "low")


def protocols() -> None:
    """Draw which windows stand where in the first fold of six protocols."""
    meta, y = experiment()
    kinds: dict[str, Protocol] = {
        "trial": TrialSplit(4),
        "stimulus": GroupSplit("stimulus", 4),
        "loso": LeaveOneSubjectOut(),
        "subject_stimulus": SubjectStimulusSplit(2, subject_splits=3),
        "blocked (LEAKY)": BlockedSplit(3),
        "random_window (LEAKY)": RandomWindowSplit(4),
    }
    fig, axes = plt.subplots(len(kinds), 1, figsize=(9, 5.2), sharex=True)
    names = list(PARTS)
    for ax, (name, kind) in zip(axes, kinds.items(), strict=True):
        fold = kind.folds(meta, y)[0]
        code = np.full(len(meta), names.index("in no part"))
        for part in ("train", "validation", "test"):
            code[getattr(fold, part)] = names.index(part)
        for at, value in enumerate(code):
            gap = at // WINDOWS + 2 * (at // (WINDOWS * STIMULI))
            ax.bar(at + gap, 1, width=1, color=PARTS[names[value]])
        ax.set_yticks([0.5], [name], fontsize=9)
        ax.set_ylim(0, 1)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    width = WINDOWS * STIMULI + STIMULI + 2
    axes[-1].set_xticks(
        [k * width + width / 2 - 2 for k in range(SUBJECTS)], [f"person {k + 1}" for k in range(SUBJECTS)]
    )
    fig.legend([Patch(color=colour) for colour in PARTS.values()], names, loc="upper center", ncols=4, frameon=False)
    fig.subplots_adjust(top=0.92, left=0.19, right=0.99, bottom=0.06, hspace=0.35)
    save(fig, "protocols")


def leak() -> None:
    """Draw what a leak is worth on real recordings, with true labels and with meaningless ones."""
    table = pd.read_csv(ROOT.parent / "results" / "lstm-gru-muse.quick.csv")
    table = table[(table["metric"] == "accuracy") & (table["level"] == "window")].set_index(
        ["method", "protocol", "labels"]
    )
    methods = {
        "nearest_neighbour": "1-nearest neighbour",
        "lda": "LDA",
        "random_forest": "random forest",
        "lstm_single": "LSTM, one step",
    }
    methods = {key: title for key, title in methods.items() if key in table.index.get_level_values("method")}
    shown = {
        ("recording", "true"): ("new recording", "#0072b2", "o"),
        ("loso", "true"): ("new person", "#009e73", "s"),
        ("random_window", "true"): ("random windows, LEAKY", "#d55e00", "^"),
        ("random_window", "permuted"): ("LEAKY, labels permuted", "#999999", "v"),
    }
    fig, ax = plt.subplots(figsize=(9, 0.8 + 0.75 * len(methods)))
    for number, method in enumerate(methods):
        for shift, ((protocol, labels), (title, colour, marker)) in enumerate(shown.items()):
            row = table.loc[(method, protocol, labels)]
            at = number + 0.16 * (shift - 1.5)
            ax.plot([row["low"], row["high"]], [at, at], color=colour, lw=1.5)
            ax.plot(row["value"], at, marker, color=colour, label=title if not number else None)
    ax.axvline(1 / 3, color="#555555", ls=":", lw=1)
    ax.text(1 / 3, -0.42, " chance", fontsize=8, color="#555555", va="center")
    ax.set_yticks(range(len(methods)), methods.values())
    ax.invert_yaxis()
    ax.set_xlim(0.2, 1)
    ax.set_xlabel("accuracy by window, 95 % interval over recordings (three mental states, four people)")
    ax.spines[["top", "right"]].set_visible(False)
    fig.legend(loc="upper center", ncols=4, frameon=False, fontsize=8)
    fig.subplots_adjust(top=0.88, left=0.17, right=0.98, bottom=0.17)
    save(fig, "leak")


def save(fig: plt.Figure, name: str) -> None:
    """Write a figure as a vector file that is the same each time."""
    (ROOT / "figures").mkdir(exist_ok=True)
    fig.savefig(ROOT / "figures" / f"{name}.svg", metadata={"Date": None})
    plt.close(fig)


if __name__ == "__main__":
    matplotlib.rcParams["svg.hashsalt"] = "thymos"
    protocols()
    leak()
