"""Figures of a report, as SVG text. Colours can be told apart by colour-blind readers (Okabe and Ito)."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from thymos.evaluation.metrics import calibration_bins, confusion, expected_calibration_error
from thymos.report.view import ProtocolCard, RunView

__all__ = [
    "STYLE",
    "Drawn",
    "calibration",
    "class_look",
    "common_epochs",
    "confusions",
    "curves",
    "grid",
    "inflation",
    "legend",
    "log_numbers",
    "look",
    "methods_in",
    "results",
    "scatter",
    "short",
    "split",
    "spread",
    "svg",
]

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8a8f98",
)  # fmt: skip
_PARTS = {"train": SKY, "validation": ORANGE, "calibration": PURPLE, "test": GREEN, "left out": "#e3e6ea"}
_NAMES_WIDE = 110  # letters that fit below an axis as wide as the page
_COLUMNS = 300  # that can be told apart on it
#: How figures look.
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "svg.hashsalt": "thymos",
}
#: Colours in which many things are told apart, and the signs and strokes of further rounds of them.
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
_ROUNDS = (("o", "-"), ("^", "--"), ("s", ":"))


class Drawn(NamedTuple):
    """A figure with the words above and below it.

    Parameters
    ----------
    title, caption : str
    svg : str
        Empty where there is nothing to draw, and the caption says why.
    tables : tuple of list of list of str
        Rows of tables below, the first of each its head.
    """

    title: str
    svg: str
    caption: str
    tables: tuple[list[list[str]], ...] = ()


def look(view: RunView, method: str) -> dict[str, Any]:
    """Return colour, sign and stroke of a method, the same in every figure."""
    names = [name for name in view.methods if not view.is_baseline(name)]
    if method not in names:
        return {"color": GREY, "marker": "o", "ls": "-"}
    position = names.index(method)
    marker, stroke = _ROUNDS[position // len(COLOURS) % len(_ROUNDS)]
    return {"color": COLOURS[position % len(COLOURS)], "marker": marker, "ls": stroke}


def class_look(code: int) -> dict[str, Any]:
    """Return colour and sign of a class, or of another kind of thing, by its number."""
    colours = (*COLOURS, "black", GREY)
    return {"color": colours[code % len(colours)], "marker": "o^sD"[code // len(colours) % 4]}


def methods_in(view: RunView, table: pd.DataFrame) -> list[str]:
    """Return the methods of a table, in the study's order."""
    there = set(table["method"])
    return [name for name in view.methods if name in there]


def short(text: str, width: int = 30) -> str:
    """Return a title in one line of a width."""
    return textwrap.shorten(text, width, placeholder="...")


def grid(count: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, list[Any]]:
    """Return a figure of `count` panels in rows of `columns`, and the panels; sizes of one in inches."""
    rows = -(-count // columns)
    fig = Figure(figsize=(width * columns, height * rows + 0.4), layout="constrained")
    axes = fig.subplots(rows, columns, squeeze=False, **options).ravel()
    for ax in axes[count:]:
        ax.set_visible(False)
    for ax in axes[max(0, count - columns) : count]:  # shared axes have their numbers in the last row, also if unfilled
        ax.tick_params(labelbottom=True)
    return fig, list(axes[:count])


def legend(fig: Figure, ax: Any, **options: Any) -> None:
    """Write one legend for all panels below them, from what one of them shows."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        labels = [short(label, 34) for label in labels]
        style = {"ncols": min(len(labels), 5), "fontsize": 8, "frameon": False, **options}
        fig.legend(handles, labels, loc="outside lower center", **style)


def log_numbers(axis: Any) -> None:
    """Write numbers at 1, 2 and 5 on a logarithmic axis that spans little, at powers of ten otherwise."""
    low, high = axis.get_view_interval()
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def spread(ax: Any, y: float, values: np.ndarray, colour: str, marker: str = "|") -> None:
    """Draw a distribution as a row: its median, a bar for its middle half and a line for its middle 90 %."""
    if len(values):
        low, first, median, third, high = np.percentile(values, [5, 25, 50, 75, 95])
        ax.plot([low, high], [y, y], color=colour, lw=1.5)
        ax.plot([first, third], [y, y], color=colour, lw=9, alpha=0.4, solid_capstyle="butt")
        ax.plot(median, y, marker=marker, color=colour, ms=9 if marker == "|" else 6, mew=2)


def results(view: RunView) -> str:
    """Draw the metric with its interval for each method and protocol, chance beside it."""
    cards, methods = list(view.protocols.values()), list(view.methods)
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(10.5, 1.3 + 0.32 * len(methods)), layout="constrained")
        axes = np.atleast_1d(fig.subplots(1, len(cards), sharey=True, sharex=True))
        for ax, card in zip(axes, cards, strict=True):
            colour = VERMILION if card.leaky else BLUE
            for y, method in enumerate(methods):
                cell = view.cell(card.name, method)
                if cell.value is None:
                    continue
                ax.plot(
                    [cell.chance, cell.chance_high], [y, y], color="#d9dce1", lw=13, solid_capstyle="butt", zorder=1
                )
                ax.plot([cell.low, cell.high], [y, y], color=colour, lw=2, zorder=2)
                ax.plot(cell.value, y, "o", color=colour, ms=6, zorder=3)
                for claim in view.study["claims"]:
                    same = (claim.get("metric") or view.metric) == view.metric  # of another metric it says nothing here
                    if same and claim["protocol"] == card.name and claim["method"] == method:
                        ax.plot(claim["value"], y, marker="|", ms=13, mew=2, color="black", zorder=4)
            _title(ax, card)
            shown = [view.cell(c.name, m) for c in cards for m in methods]
            _metric_axis(ax, view, [value for cell in shown for value in (cell.low, cell.value)])
            ax.grid(axis="x", color="#e6e8eb", lw=0.8)
            ax.set_axisbelow(True)
        axes[0].set_yticks(range(len(methods)), [view.methods[m] for m in methods])
        axes[0].invert_yaxis()
        fig.supxlabel(view.measured, fontsize=9)
        return svg(fig)


def inflation(view: RunView) -> str:
    """Draw the honest and the leaky value of each method, with true and with permuted labels."""
    table = view.inflation
    table = table[table[["leaky_true", "honest_true"]].notna().all(axis=1)]
    if table.empty:
        return ""
    with mpl.rc_context(STYLE):
        kinds = {"true": "true labels", "permuted": "labels permuted between trials"}
        kinds = {kind: title for kind, title in kinds.items() if table[f"leaky_{kind}"].notna().any()}
        fig = Figure(figsize=(1.5 + 4.5 * len(kinds), 1.3 + 0.32 * len(table)), layout="constrained")
        axes = fig.subplots(1, len(kinds), sharey=True, sharex=True, squeeze=False)[0]
        for ax, (kind, title) in zip(axes, kinds.items(), strict=True):
            for y, row in enumerate(table.to_dict("records")):
                honest, leaky = row[f"honest_{kind}"], row[f"leaky_{kind}"]
                ax.plot([honest, leaky], [y, y], color="#c9ccd1", lw=2, zorder=1)
                ax.plot(honest, y, "o", color=BLUE, ms=7, label="honest" if y == 0 else None)
                ax.plot(leaky, y, "s", color=VERMILION, ms=6, label="LEAKY" if y == 0 else None)
            ax.set_title(title)
            _metric_axis(ax, view, table[[f"{side}_{kind}" for side in ("honest", "leaky") for kind in kinds]].stack())
            ax.set_xlabel(f"{view.metric_title} by {view.sample}")
            ax.grid(axis="x", color="#e6e8eb", lw=0.8)
            ax.set_axisbelow(True)
        axes[0].set_yticks(range(len(table)), [view.methods[m] for m in table["method"]])
        axes[0].invert_yaxis()
        axes[0].legend(loc="lower left", frameon=False)
        return svg(fig)


def split(view: RunView, card: ProtocolCard) -> str:
    """Draw which part each recording stands in, fold by fold."""
    table = view.folds[view.folds["protocol"] == card.name]
    folds = list(dict.fromkeys(table["fold"]))
    shown = folds
    if card.within or len(card.keys) > 1:  # folds of one subject tell the scheme
        shown = [fold for fold in folds if fold.rsplit("/", 1)[0] == folds[0].rsplit("/", 1)[0]]
    shown = shown[:10]
    table = table[table["fold"].isin(shown)]
    recordings = table[["subject", "recording"]].drop_duplicates().sort_values(["subject", "recording"])
    n_columns = min(len(recordings), _COLUMNS)  # several photographs, each a recording, share a column
    column = dict(zip(recordings["recording"], np.arange(len(recordings)) * n_columns // len(recordings), strict=True))
    table = table.assign(column=table["recording"].map(column))
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(10.5, 0.75 + 0.27 * len(shown)), layout="constrained")
        ax = fig.subplots()
        for y, fold in enumerate(shown):
            mine = table[table["fold"] == fold].pivot_table(
                index="column", columns="part", values="count", aggfunc="sum", fill_value=0
            )
            share = mine.div(mine.sum(axis=1), axis=0) * 0.82
            x, bottom = share.index.to_numpy(), np.full(len(share), y - 0.41)
            for part, colour in _PARTS.items():
                if part in share:
                    top = bottom + share[part].to_numpy()
                    corners = [[x - 0.45, bottom], [x - 0.45, top], [x + 0.45, top], [x + 0.45, bottom]]
                    boxes = np.moveaxis(np.array(corners, dtype=float), 2, 0)[top > bottom]
                    label = part if y == 0 else None
                    # one collection, where bars would be thousands of things to draw
                    ax.add_collection(PolyCollection(boxes, facecolors=colour, label=label, lw=0), autolim=False)
                    bottom = top
        ax.set_yticks(range(len(shown)), [f"fold {fold}" for fold in shown])
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.set_xlim(-0.6, n_columns - 0.4)
        edges = np.flatnonzero(recordings["subject"].to_numpy()[1:] != recordings["subject"].to_numpy()[:-1]) + 1
        lines = edges * n_columns / len(recordings) - 0.5
        for line in lines:
            ax.axvline(line, color="black", lw=1)
        starts = np.r_[-0.5, lines, n_columns - 0.5]
        names = list(dict.fromkeys(recordings["subject"]))
        if len(names) <= 24 and sum(map(len, names)) <= _NAMES_WIDE:
            ax.set_xticks((starts[1:] + starts[:-1]) / 2, names)
        others = "; of the others likewise" if card.within and len(folds) > len(shown) else ""
        ax.set_xlabel("recordings, by subject" if len(names) > 1 else f"recordings of {names[0]}{others}")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.legend(ncols=len(_PARTS), frameon=False, loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, borderpad=0)
        return svg(fig)


def confusions(view: RunView, methods: list[str]) -> str:
    """Draw confusion matrices, true classes in rows, as shares of the true class."""
    if not methods:
        return ""
    cards = list(view.protocols.values())
    part = view.predictions[view.predictions["labels"] == "true"]
    n = len(view.classes)
    codes = part["label"].map({c: k for k, c in enumerate(view.classes)}).to_numpy()
    predicted = part[[f"p{k}" for k in range(n)]].to_numpy().argmax(axis=1)
    protocol, method = part["protocol"].to_numpy(), part["method"].to_numpy()
    cell = 0.55 + 0.42 * n
    with mpl.rc_context(STYLE):
        fig = Figure(
            figsize=(min(10.5, 1.6 + cell * 1.5 * len(cards)), cell * len(methods) + 0.9), layout="constrained"
        )
        axes = fig.subplots(len(methods), len(cards), squeeze=False)
        for i, name in enumerate(methods):
            for j, card in enumerate(cards):
                ax, mine = axes[i, j], (protocol == card.name) & (method == name)
                ax.spines[:].set_visible(False)
                if i == 0:
                    _title(ax, card)
                if j == 0:
                    ax.set_ylabel(textwrap.fill(view.methods[name], 18), fontsize=8)
                if not mine.any():
                    ax.set(xticks=[], yticks=[])
                    ax.text(0.5, 0.5, "not run", ha="center", va="center", fontsize=9, color=GREY)
                    continue
                counts = confusion(codes[mine], predicted[mine], n)
                share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
                ax.imshow(share, cmap="Oranges" if card.leaky else "Blues", vmin=0, vmax=1)
                for a in range(n):
                    for b in range(n):
                        ax.text(b, a, f"{share[a, b]:.2f}", ha="center", va="center", fontsize=8,
                                color="white" if share[a, b] > 0.6 else "black")  # fmt: skip
                tilt = {"rotation": 30, "ha": "right"} if max(map(len, view.classes)) > 8 else {}
                ax.set_xticks(range(n), view.classes if i == len(methods) - 1 else [""] * n, **tilt)
                ax.set_yticks(range(n), view.classes if j == 0 else [""] * n)
                ax.tick_params(length=0)
        fig.supxlabel("predicted", fontsize=9)
        return svg(fig)


def curves(view: RunView, protocol: str) -> str:
    """Draw training and validation loss of every network under one protocol."""
    if view.history.empty:
        return ""
    table = view.history[(view.history["labels"] == "true") & (view.history["protocol"] == protocol)]
    methods = [m for m in view.methods if m in set(table["method"])]
    if not methods:
        return ""
    fits = view.fits[(view.fits["labels"] == "true") & (view.fits["protocol"] == protocol)]
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(min(10.5, 2.9 * max(2, len(methods))), 2.7), layout="constrained")
        axes = np.atleast_1d(fig.subplots(1, len(methods)))
        for ax, method in zip(axes, methods, strict=True):
            mine = table[table["method"] == method]
            for column, colour, label in (("train_loss", SKY, "training"), ("valid_loss", VERMILION, "validation")):
                if column not in mine or mine[column].isna().all():
                    continue
                for _, fit in mine.groupby(["fold", "seed"]):
                    ax.plot(fit["epoch"], fit[column], color=colour, lw=0.6, alpha=0.35)
                mean = common_epochs(mine, column)["mean"]
                ax.plot(mean.index, mean, color=colour, lw=2, label=label)
            chosen = fits.loc[fits["method"] == method, "best_epoch"].median()
            if np.isfinite(chosen):
                ax.axvline(chosen, color=GREY, ls=":", lw=1, label="epoch kept (median)")
            ax.set_ylim(0, 1.6 * mine["train_loss"].max())
            ax.set_title(textwrap.fill(view.methods[method], 26 if len(methods) > 2 else 60), fontsize=8)
            ax.set_xlabel("epoch")
        axes[0].set_ylabel("loss" if view.rating else "cross-entropy")
        axes[0].legend(frameon=False, fontsize=7)
        return svg(fig)


def common_epochs(history: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return ``mean`` and ``sd`` of a column over fits by epoch, as long as all fits are still training."""
    epochs = history.groupby("epoch")[column]
    table = pd.DataFrame({"mean": epochs.mean(), "sd": epochs.std(ddof=1)})
    return table[epochs.size() == epochs.size().max()]


def calibration(view: RunView, methods: list[str]) -> str:
    """Draw how often predictions of a given confidence are right."""
    part = view.predictions[view.predictions["labels"] == "true"]
    part = part.assign(code=part["label"].map({c: k for k, c in enumerate(view.classes)}))
    columns = [f"p{k}" for k in range(len(view.classes))]
    cards = list(view.protocols.values())
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(min(10.5, 3.5 * len(cards)), 4.0), layout="constrained")
        axes = np.atleast_1d(fig.subplots(1, len(cards), sharey=True))
        named: dict[str, Any] = {}
        for ax, card in zip(axes, cards, strict=True):
            ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
            for method in methods[: len(COLOURS)]:
                mine = part[(part["protocol"] == card.name) & (part["method"] == method)]
                if mine.empty:
                    continue
                codes, probabilities = mine["code"].to_numpy(), mine[columns].to_numpy(float)
                bins = calibration_bins(codes, probabilities)
                error = expected_calibration_error(codes, probabilities)
                label = f"{error:.2f}"
                (named[view.methods[method]],) = ax.plot(
                    bins["confidence"],
                    bins["accuracy"],
                    marker="o",
                    ms=3,
                    lw=1.2,
                    color=look(view, method)["color"],
                    label=label,
                )
            _title(ax, card)
            ax.set_xlim(0.9 / len(view.classes), 1.01)
            ax.set_ylim(0, 1.02)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(frameon=False, fontsize=7, loc="lower right", title="calibration error", title_fontsize=7)
        axes[0].set_ylabel("share that is right")
        fig.supxlabel("confidence of the window's prediction", fontsize=9)
        ncols = 2 if len(cards) > 1 else 1
        fig.legend(named.values(), named.keys(), frameon=False, fontsize=8, loc="outside upper center", ncols=ncols)
        return svg(fig)


def scatter(view: RunView, methods: list[str]) -> str:
    """Draw predicted against given ratings, one dot for each trial."""
    if not methods:
        return ""
    cards = list(view.protocols.values())
    part = view.predictions[view.predictions["labels"] == "true"]
    keys = ["protocol", "method", "trial"]
    dots = part.groupby(keys, sort=False)[["label", "predicted"]].mean().reset_index()
    low, high = dots["label"].min(), dots["label"].max()
    with mpl.rc_context(STYLE):
        size = (min(10.5, 2.6 * len(cards) + 0.6), 2.4 * len(methods) + 0.5)
        fig = Figure(figsize=size, layout="constrained")
        axes = fig.subplots(len(methods), len(cards), squeeze=False, sharex=True, sharey=True)
        for i, name in enumerate(methods):
            for j, card in enumerate(cards):
                ax, mine = axes[i, j], dots[(dots["protocol"] == card.name) & (dots["method"] == name)]
                ax.plot([low, high], [low, high], color=GREY, lw=1, ls="--")
                colour = VERMILION if card.leaky else BLUE
                ax.plot(mine["label"], mine["predicted"], ".", ms=3, alpha=0.5, color=colour)
                if i == 0:
                    _title(ax, card)
                if j == 0:
                    ax.set_ylabel(textwrap.fill(view.methods[name], 22) + "\npredicted", fontsize=8)
        fig.supxlabel("rating given", fontsize=9)
        return svg(fig)


def _metric_axis(ax: Any, view: RunView, values: Iterable[float | None]) -> None:
    """Set the range of a metric: a share from 0 to 1, a correlation around 0, an error from 0 to the largest shown."""
    if not view.rating and view.metric != "kappa":
        ax.set_xlim(0, 1.02)
    elif view.metric == "rmse":
        ax.set_xlim(left=0)
    else:
        ends = [value for value in values if value is not None and np.isfinite(value)]
        ax.set_xlim(min([-0.25, *ends]) - 0.03, 1.02)
        ax.axvline(0, color=GREY, lw=0.8)


def _title(ax: Any, card: ProtocolCard) -> None:
    words = f"{card.name} (LEAKY)" if card.leaky else card.name
    crowded = ax.get_figure().get_size_inches()[0] / max(1, len(ax.get_figure().axes)) < 2.4
    ax.set_title(words, color=VERMILION if card.leaky else "black", fontsize=8 if crowded else None)


def svg(fig: Figure) -> str:
    """Return a figure as SVG text, the same for the same figure."""
    text = io.StringIO()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        FigureCanvasSVG(fig).print_svg(text, metadata={"Date": None})  # savefig draws twice for the same file
    for one in said:
        if "missing from font" not in str(one.message):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if any("missing from font" in str(one.message) for one in said):  # a browser knows more letters
        text = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            FigureCanvasSVG(fig).print_svg(text, metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
