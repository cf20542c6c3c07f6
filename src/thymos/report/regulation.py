"""How many units were live, came back and were expressed, epoch by epoch and layer by layer."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from thymos.report.figures import BLUE, GREY, ORANGE, STYLE, Drawn, grid, legend, methods_in, short, svg
from thymos.report.view import RunView

__all__ = ["regulation"]


def regulation(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw the course of all units for every method, and the density of each layer of one fit."""
    methods = methods_in(view, table)
    if not methods:
        return []
    return [
        Drawn("Live units and returns", _courses(view, table, methods), _words(view, table, methods)),
        Drawn(
            "Live units by layer",
            _layers(view, table, methods),
            "One fit of each method: the first fold with the first seed. Layers from input (dark) to output (light).",
        ),
    ]


def _courses(view: RunView, table: pd.DataFrame, methods: list[str]) -> str:
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(methods), min(4, len(methods)), 2.6, 2.1, sharex=True, sharey=True)
        for ax, method in zip(axes, methods, strict=True):
            mine = table[(table["method"] == method) & (table["labels"] == "true")]
            once = mine.drop_duplicates(["fold", "seed", "epoch"])
            weighed = mine.assign(units=mine["n"], expressed=mine["n"] * mine["expression"])
            units = weighed.groupby(["fold", "seed", "epoch"])[["units", "expressed"]].sum().reset_index()
            once = once.merge(units, on=["fold", "seed", "epoch"])
            once = once.assign(back=once["came_back"] / once["units"], expressed=once["expressed"] / once["units"])
            course = once.groupby("epoch")[["share", "back", "expressed"]].agg(["mean", "min", "max"])
            lines = [("share", BLUE, "live"), ("back", GREY, "came back in an epoch")]
            if mine["expression"].nunique() > 1:  # other rules leave it as it is
                lines.append(("expressed", ORANGE, "mean expression"))
            for column, colour, label in lines:
                ax.fill_between(
                    course.index, course[column, "min"], course[column, "max"], color=colour, alpha=0.2, lw=0
                )
                ax.plot(course.index, course[column, "mean"], color=colour, label=label)
            ax.set_title(short(view.methods[method]), fontsize=9)
            ax.set_ylim(0, 1.03)
        axes[0].set_ylabel("share")
        for ax in axes:
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        legend(fig, max(axes, key=lambda ax: len(ax.lines)))
        return svg(fig)


def _layers(view: RunView, table: pd.DataFrame, methods: list[str]) -> str:
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(methods), min(4, len(methods)), 2.6, 2.1, sharex=True, sharey=True)
        for ax, method in zip(axes, methods, strict=True):
            mine = table[(table["method"] == method) & (table["labels"] == "true")]
            mine = mine[(mine["fold"] == mine["fold"].iloc[0]) & (mine["seed"] == mine["seed"].min())]
            layers = list(dict.fromkeys(mine["layer"]))
            for number, layer in enumerate(layers):
                own = mine[mine["layer"] == layer].sort_values("epoch")
                colour = mpl.colormaps["viridis"](0.95 * number / max(1, len(layers) - 1))
                ax.plot(own["epoch"], own["live"] / own["n"], color=colour, lw=1.2)
            ax.set_title(short(view.methods[method]), fontsize=9)
            ax.set_ylim(0, 1.03)
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes[0].set_ylabel("share of a layer's units")
        return svg(fig)


def _words(view: RunView, table: pd.DataFrame, methods: list[str]) -> str:
    ends = []
    for method in methods:
        mine = table[(table["method"] == method) & (table["labels"] == "true")]
        last = mine[mine["epoch"] == mine["epoch"].max()]
        ends.append(f"{view.methods[method]}: {np.mean(last['weights']):.0%} of the weights left")
    return (
        "; ".join(ends) + ". Live are shares of the units, or of their weights where the study counts these. Lines are "
        "means over fits, areas reach from the lowest to the highest."
    )
