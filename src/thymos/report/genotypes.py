"""Genotypes as graphs, how often each operation was chosen, and the courses of the searches."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.patches import FancyArrowPatch

from thymos.report.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    STYLE,
    VERMILION,
    Drawn,
    grid,
    methods_in,
    svg,
)
from thymos.report.view import RunView

__all__ = ["genotypes"]

_GRAPHS = 4  # drawn for a method
#: What an operation looks at, and its colour.
_FAMILIES = {
    "along time": (BLUE, ("sep_t3", "sep_t5", "dil_t3", "avg_t3", "max_t3")),
    "across electrodes": (VERMILION, ("spat", "graph", "attn_e")),
    "across features": (GREEN, ("se",)),
    "nothing": (GREY, ("skip",)),
}


def genotypes(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw what searches found, in the first fold with the first seed as graphs and over all fits as frequencies."""
    drawn = []
    for method in methods_in(view, table):
        mine, name = table[table["method"] == method], view.methods[method]
        edges = mine[mine["kind"] == "edge"]
        first = edges[(edges["fold"] == edges["fold"].iloc[0]) & (edges["seed"] == edges["seed"].min())]
        drawn.append(Drawn(f"Cells found, {name}", _graphs(first), _words(first)))
        drawn.append(Drawn(f"Operations chosen, {name}", *_frequencies(edges)))
        epochs = mine[mine["kind"] == "epoch"]
        if len(epochs):
            stops = mine[mine["kind"] == "search"]
            drawn.append(Drawn(f"Searches, {name}", *_courses(epochs, stops)))
    return drawn


def _graphs(edges: pd.DataFrame) -> str:
    subjects = edges["subject"].unique()[:_GRAPHS]
    cells = [cell for cell in ("normal", "reduce") if cell in set(edges["cell"])]
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(subjects) * len(cells), len(cells), 4.2, 2.5)
        for ax, (subject, cell) in zip(axes, ((s, c) for s in subjects for c in cells), strict=True):
            mine = edges[(edges["subject"] == subject) & (edges["cell"] == cell)]
            _graph(ax, mine)
            kind = {"normal": "normal cell", "reduce": "reduction cell"}[cell]
            ax.set_title(f"{subject or 'all'}: {kind}" if len(subjects) > 1 or subject else kind, fontsize=9)
        return svg(fig)


def _graph(ax: Any, edges: pd.DataFrame) -> None:
    """Draw states from left to right and what leads from one to another."""
    nodes = int(edges["node"].max()) + 1
    places = {0: (0.0, 0.7), 1: (0.0, -0.7)} | {k + 2: (1.4 * (k + 1), 0.6 * (-1) ** k * (k > 0)) for k in range(nodes)}
    for (node, source), pair in edges.groupby(["node", "source"]):
        node, source = int(node), int(source)
        (x0, y0), (x1, y1) = places[source], places[node + 2]
        for number, operation in enumerate(pair["operation"]):
            colour = next(c for c, members in _FAMILIES.values() if operation in members)
            # what passes a node goes around it, on the side that it comes from
            passed = min(2, node - max(0, source - 1))
            bend = (0.15, 0.38, 0.5)[passed] * (1 if y0 >= 0 else -1) + 0.25 * number
            ax.add_patch(
                FancyArrowPatch(
                    (x0, y0), (x1, y1), connectionstyle=f"arc3,rad={-bend}", arrowstyle="-|>", mutation_scale=9,
                    color=colour, shrinkA=11, shrinkB=11, linewidth=1.4,
                )
            )  # fmt: skip
            t = 0.42
            middle = np.array([(1 - t) * x0 + t * x1, (1 - t) * y0 + t * y1])
            along = np.array([x1 - x0, y1 - y0])
            middle += bend * 0.5 * np.array([-along[1], along[0]])
            ax.text(*middle, operation, fontsize=7.5, ha="center", va="center", color=colour,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    names = {0: "before", 1: "last"} | {k + 2: str(k + 1) for k in range(nodes)}
    for state, (x, y) in places.items():
        ax.scatter([x], [y], s=420, color="#eef2f7", edgecolor="#16324f", zorder=3)
        ax.text(x, y, names[state], fontsize=6.5 if state < 2 else 8, ha="center", va="center", zorder=4)
    ax.set_xlim(-0.5, 1.4 * nodes + 0.5)
    ax.set_ylim(-1.7, 2.1)
    ax.axis("off")


def _words(edges: pd.DataFrame) -> str:
    subjects = edges["subject"].unique()
    shown = f"; {_GRAPHS} of {len(subjects)} are shown" if len(subjects) > _GRAPHS else ""
    return (
        "What leads from the outputs of the two cells before (before, last) to the nodes of a cell, of all of which "
        f"its output is made; of the first fold and the first seed{shown}. Blue looks along time, red across "
        "electrodes, green across features; grey passes on."
    )


def _frequencies(edges: pd.DataFrame) -> tuple[str, str]:
    every, personal = edges, edges[edges["subject"] != ""]
    edges = personal if len(personal) else edges  # that of all is nobody's network where each has one
    share = edges.groupby("cell")["operation"].value_counts(normalize=True).unstack(fill_value=0.0)
    order = [name for _, members in _FAMILIES.values() for name in members if name in share]
    with mpl.rc_context(STYLE):
        fig, (ax,) = grid(1, 1, 6.4, 0.34 * len(order) + 0.9)
        y = np.arange(len(order))
        for number, cell in enumerate(share.index):
            ax.barh(y + 0.2 - 0.4 * number, share.loc[cell, order], 0.36, color=(BLUE, ORANGE)[number],
                    label={"normal": "normal cells", "reduce": "reduction cells"}[cell])  # fmt: skip
        ax.set_yticks(y, order)
        ax.invert_yaxis()
        ax.set_xlabel("share of the edges")
        ax.axvline(1 / edges["choices"].max(), color=GREY, linewidth=1, linestyle=":")
        ax.legend(frameon=False, fontsize=8)
        text = svg(fig)
    whole = every.assign(edge=every["operation"] + every["source"].astype(str)).groupby(["fold", "seed", "subject"])
    whole = whole["edge"].agg(tuple)
    is_shared = whole.index.get_level_values("subject") == ""
    found, same = whole[~is_shared] if len(personal) else whole, ""
    if len(personal) and is_shared.any():
        shared = whole.xs("", level="subject")
        equal = [genotype == shared[place[:2]] for place, genotype in found.items()]
        same = f" {sum(equal)} of {len(equal)} personal ones are that of all."
    return text, (
        f"Over {len(found)} genotypes, {found.nunique()} of which are different.{same} The dotted line is the share of "
        f"each of the {edges['choices'].max()} operations if all were equally frequent; one that is not here was never "
        "chosen."
    )


def _courses(epochs: pd.DataFrame, stops: pd.DataFrame) -> tuple[str, str]:
    columns = {
        "train_loss": "loss, weights",
        "valid_loss": "loss, architecture",
        "eigenvalue": "dominant eigenvalue",
    }
    columns = {c: words for c, words in columns.items() if c in epochs and epochs[c].notna().any()}
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(columns), len(columns), 3.1, 2.4)
        for ax, (column, words) in zip(axes, columns.items(), strict=True):
            for stage, colour in ((True, PURPLE), (False, BLUE)):
                mine = epochs[(epochs["subject"] == "") == stage].dropna(subset=[column])
                if mine.empty:
                    continue
                by_epoch = mine.groupby("epoch")[column]
                low, middle, high = (by_epoch.quantile(q) for q in (0.1, 0.5, 0.9))
                ax.fill_between(middle.index, low, high, color=colour, alpha=0.2, linewidth=0)
                label = "for all" if stage else "personal"
                ax.plot(middle.index, middle, color=colour, label=label, marker="o", markersize=3)
            ax.set_title(words, fontsize=9)
            ax.set_xlabel("epoch")
        axes[0].legend(frameon=False, fontsize=8)
        text = svg(fig)
    ended = stops["stopped"].fillna("").ne("").sum()
    moved = stops["moved"].astype(float).dropna()
    words = (
        f" The weight that moved most in a personal search moved by {moved.median():.3f} (median)."
        if len(moved)
        else ""
    )
    return text, (
        f"Median over folds, seeds and people, and the range from a tenth to nine tenths. {ended} of {len(stops)} "
        f"searches were ended by a guard before their time, and an earlier architecture was taken.{words}"
    )
