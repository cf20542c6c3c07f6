"""Lipschitz constants of methods: measured, attacked, proven, declared; and what they certify."""

from __future__ import annotations

import textwrap

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thymos.report.figures import (
    BLUE,
    GREEN,
    GREY,
    STYLE,
    VERMILION,
    Drawn,
    grid,
    legend,
    log_numbers,
    look,
    methods_in,
    short,
    spread,
    svg,
)
from thymos.report.view import RunView

__all__ = ["certified_accuracy", "lipschitz"]

_MICROVOLT = {"µV": 1.0, "uV": 1.0, "V": 1e-6}


def lipschitz(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw measured, attacked, proven and declared Lipschitz constants; by the size of the input; certified radii."""
    drawn = []
    for part in (_constants, _scales):
        drawn += part(view, table)
    for _, mine in table.groupby(table["unit"].fillna(""), sort=False):  # radii in two units share no axis
        drawn += _radii(view, mine)
    return drawn


def certified_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Return which share of samples is right and stays right, by the size of the change that is allowed.

    Parameters
    ----------
    table : DataFrame
        One row per sample: ``value``, the certified radius, and ``correct``.

    Returns
    -------
    DataFrame
        ``radius``, rising, and ``share`` of all samples that are right with at least this radius; the first row is
        radius 0 and plain accuracy.

    Notes
    -----
    J. Cohen, E. Rosenfeld, J. Z. Kolter: Certified adversarial robustness via randomized smoothing. ICML 2019,
    section 4 (certified accuracy).
    """
    right = table["correct"].eq(True).to_numpy(bool)
    radii = np.sort(np.maximum(np.nan_to_num(table["value"].to_numpy(float)[right], nan=0.0, posinf=np.inf), 0))
    at = np.unique(np.r_[0.0, radii[np.isfinite(radii)]])
    return pd.DataFrame({"radius": at, "share": (len(radii) - np.searchsorted(radii, at)) / max(1, len(table))})


def _constants(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw Lipschitz constants of the parts of each method: measured ones must lie left of what is proven."""
    kinds = ("local", "attack", "bound", "declared")
    table = table[table["quantity"].isin(kinds) & (table["value"] > 0)]
    methods = methods_in(view, table)
    if not methods:
        return []
    names = _parts(table)
    columns = min(3, len(methods))
    with mpl.rc_context(STYLE):
        width = (10.5, 5.2, 3.5)[columns - 1]
        fig, axes = grid(len(methods), columns, width, 1.1 + 0.36 * len(names), sharex=True, sharey=True)
        for ax, method in zip(axes, methods, strict=True):
            mine = table[table["method"] == method]
            for y, name in enumerate(names):
                of = mine[mine["where"] == name].groupby("quantity")["value"]
                values = {quantity: part.to_numpy(float) for quantity, part in of}
                local = values.get("local", np.empty(0))
                spread(ax, y, local[np.isfinite(local)], BLUE)
                for quantity, marker, colour, size in (
                    ("attack", ">", VERMILION, 7),
                    ("bound", "D", GREEN, 6),
                    ("declared", "|", "black", 15),
                ):
                    found = values.get(quantity, np.array([np.inf]))
                    # of several fits the highest attack and the lowest bound, so that no violation hides; a bound that
                    # one fit lacks is none
                    place = found.min() if quantity == "bound" and np.isfinite(found).all() else found.max()
                    if np.isfinite(place):
                        ax.plot(place, y, marker, color=colour, ms=size, mew=2 if marker == "|" else 0)
            ax.set_xscale("log")
            ax.set_title(short(view.methods[method], 34))
            ax.grid(axis="x", color="#e6e8eb", lw=0.8)
            ax.set_axisbelow(True)
        log_numbers(axes[0].xaxis)
        axes[0].set_yticks(range(len(names)), [textwrap.fill(name, 24) for name in names])
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        for ax in axes[-columns:]:
            ax.set_xlabel(_with_unit("Lipschitz constant", table))
        handles = [
            Line2D([], [], color=BLUE, lw=5, alpha=0.4, label="measured at windows"),
            Line2D([], [], color=VERMILION, ls="", marker=">", ms=7, label="largest that an attack found"),
            Line2D([], [], color=GREEN, ls="", marker="D", ms=6, label="proven bound"),
            Line2D([], [], color="black", ls="", marker="|", ms=12, mew=2, label="declared for single layers"),
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
        drawn = svg(fig)
    caption = (
        "How much an output can change when a window changes a little; windows are divided by the deviation of each "
        "channel. Blue: measured at test windows (tick: median, bar: half of them, line: 90 %). Measuring and "
        "attacking find constants from below, a bound holds from above: the true constant lies right of all that was "
        "measured and attacked and left of the diamond, the lowest of all fits. Where there is no diamond nothing is "
        "proven. What single layers are held to (black) is no bound of the whole; what is measured right of it shows "
        "that."
    )
    return [Drawn("Lipschitz constants", drawn, caption)]


def _scales(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw the constant against the factor that the input was multiplied by, all methods in one panel."""
    table = table[(table["quantity"] == "scale") & (table["value"] > 0) & (table["amount"] > 0)]
    table = table[np.isfinite(table["value"].astype(float))]
    methods = methods_in(view, table)
    if not methods:
        return []
    names = _parts(table)
    columns = min(2, len(names))
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(names), columns, (8.0, 5.2)[columns - 1], 3.4, sharex=True, sharey=True)
        for ax, name in zip(axes, names, strict=True):
            for method in methods:
                of = table[(table["method"] == method) & (table["where"] == name)].groupby("amount")["value"]
                largest, style = of.max(), look(view, method)
                ax.fill_between(largest.index, of.median(), largest, alpha=0.1, lw=0, color=style["color"])
                ax.plot(largest.index, largest, ms=5, lw=1.5, label=view.methods[method], **style)
            ax.set(xscale="log", yscale="log")
            ax.set_title(name)
            ax.grid(color="#e6e8eb", lw=0.8)
            ax.set_axisbelow(True)
        for axis in (axes[0].xaxis, axes[0].yaxis):
            log_numbers(axis)
        for ax in axes[-columns:]:
            ax.set_xlabel("factor of its input")
        for ax in axes[::columns]:
            ax.set_ylabel(_with_unit("Lipschitz constant", table))
        legend(fig, axes[0])
        drawn = svg(fig)
    caption = (
        "What this part is given at test windows was multiplied by a factor, and its constant measured there: largest "
        "of all windows, and a band down to their median. A map with a Lipschitz constant stays below it at every "
        "factor; a line that goes on rising suggests that there is none."
    )
    return [Drawn("Lipschitz constant by size of the input", drawn, caption)]


def _radii(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw the share of samples that is right and provably stays right, against the change allowed."""
    table = table[table["quantity"] == "radius"]
    whole = table[table["where"] == "ensemble"]
    table = whole if len(whole) else table
    methods = methods_in(view, table)
    if not methods:
        return []
    curves = {m: certified_accuracy(table[table["method"] == m]) for m in methods}
    radii = np.concatenate([curve["radius"].to_numpy()[1:] for curve in curves.values()])
    line = next((_MICROVOLT[unit] for unit in table["unit"] if unit in _MICROVOLT), None)
    # a few windows near a border have radii of nearly nothing
    ends = [*np.quantile(radii, [0.01, 1])] * bool(len(radii)) + [line] * (line is not None)
    low, high = (min(ends) / 2, max(ends) * 2) if ends else (0.1, 10)
    fits = table.drop_duplicates(["method", "trial", "fold", "seed"])
    what = "windows" if len(fits) < len(table) else "trials"
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(10.5, 3.4), layout="constrained")
        ax = fig.subplots()
        for method, curve in curves.items():
            style = look(view, method)
            style.pop("marker")
            at = np.r_[0, curve["radius"].iloc[1:], high]
            share = np.r_[curve["share"], _beyond(table[table["method"] == method])]
            # a sample counts up to its own radius
            ax.step(at, share, where="pre", lw=1.6, label=view.methods[method], **style)
        ax.set(xscale="log", xlim=(low, high), ylim=(0, 1.02))
        log_numbers(ax.xaxis)
        ax.set_xlabel(_with_unit("certified radius", table))
        ax.set_ylabel(f"share of test {what}")
        if line:
            ax.axvline(line, color=GREY, lw=1, ls=":")
            ax.annotate("1 µV", (line, 1), xytext=(3, -2), textcoords="offset points", va="top", color=GREY, fontsize=8)
        ax.grid(color="#e6e8eb", lw=0.8)
        ax.set_axisbelow(True)
        legend(fig, ax)
        drawn = svg(fig)
    caption = (
        f"Share of all test {what} that are recognised and provably stay recognised whatever is added to "
        f"{'them' if what == 'windows' else 'each of their windows'}, as long as its root mean square is not above "
        "this. Towards the left this comes to plain accuracy."
    )
    return [Drawn("Certified radius", drawn, caption)]


def _beyond(table: pd.DataFrame) -> float:
    """Return the share of samples that are right whatever is done to them."""
    return float((table["correct"].eq(True) & np.isposinf(table["value"].astype(float))).mean())


def _parts(table: pd.DataFrame) -> list[str]:
    """Return branches in their order, the whole ensemble last."""
    return sorted(dict.fromkeys(table["where"]), key=lambda name: name == "ensemble")


def _with_unit(words: str, table: pd.DataFrame) -> str:
    units = {str(unit) for unit in table["unit"].dropna()} - {""}
    return f"{words} ({', '.join(sorted(units))})" if units else words
