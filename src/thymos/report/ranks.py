"""Mean ranks of the methods on one line; a bar joins those that a test cannot tell apart (Demšar 2006, figure 1)."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from thymos.report.figures import GREY, STYLE, grid, look, short, svg
from thymos.report.view import RunView

__all__ = ["cliques", "critical_differences"]

_LINE = 0.22  # inches for a method


def critical_differences(view: RunView, table: pd.DataFrame) -> str:
    """Draw the mean ranks of one protocol; empty without any.

    Parameters
    ----------
    view : RunView
    table : DataFrame
        Rows of one protocol as :func:`thymos.evaluation.comparison.average_ranks` returns them.
    """
    if table.empty:
        return ""
    names, ranks = table["method"].tolist(), table["rank"].to_numpy()
    bars = cliques(ranks, float(table["critical"].iloc[0]))
    k, half = len(names), -(-len(names) // 2)
    depth = _LINE * (half + len(bars) + 1.5)
    with mpl.rc_context(STYLE):
        fig, (ax,) = grid(1, 1, 7.5, depth + 0.4)
        ax.set_xlim(k + 0.3, 0.7)  # the best at the right
        ax.set_ylim(-depth / _LINE, 1.6)
        ax.axis("off")
        ax.plot([1, k], [0, 0], color="black", lw=1)
        for rank in range(1, k + 1):
            ax.plot([rank, rank], [0, 0.3], color="black", lw=1)
            ax.text(rank, 0.5, str(rank), ha="center", va="bottom", fontsize=8)
        for place, (first, last) in enumerate(bars):
            y = -0.55 - 0.8 * place
            ax.plot([ranks[first] - 0.05, ranks[last] + 0.05], [y, y], color=GREY, lw=4, solid_capstyle="butt")
        below = -0.8 - 0.8 * len(bars)
        for place, (name, rank) in enumerate(zip(names, ranks, strict=True)):
            right = place < half
            y = below - (place if right else k - 1 - place)
            edge = 0.85 if right else k + 0.15
            colour = look(view, name)["color"]
            ax.plot([rank, rank, edge], [0, y, y], color=colour, lw=0.9)
            text = f"{short(view.methods[name], 48)}  {rank:.2f}"
            ax.text(edge, y, f" {text} ", ha="left" if right else "right", va="center", fontsize=8.5)
        return svg(fig)


def cliques(ranks: np.ndarray, critical: float) -> list[tuple[int, int]]:
    """Return the first and the last of each greatest run of sorted mean ranks that lie closer than the critical one."""
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = int(np.flatnonzero(ranks - ranks[first] < critical)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
