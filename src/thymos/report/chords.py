"""Relations between channels as chords in a circle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from thymos.base.catalogue import load_object
from thymos.base.errors import InputError
from thymos.evaluation.metrics import defined_mean
from thymos.report.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILION,
    Drawn,
    grid,
    methods_in,
    svg,
)
from thymos.report.view import RunView

__all__ = ["mean_relations", "places", "relations", "strongest"]

_CHORDS = 20
_ALIKE = 1e-4  # of the largest weight; labels that differ by less are the same but for rounding
_INK = "#16324f"
_COLOURS = {"frontal": BLUE, "central": ORANGE, "temporal": PURPLE, "parietal": GREEN, "occipital": SKY, "ears": GREY}


def relations(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw the strongest learnt relations of channels as chords, for each label, and how labels differ."""
    drawn = []
    for method in methods_in(view, table):
        labels, names, weights = mean_relations(table[table["method"] == method])
        if len(names) < 2:
            continue
        order = {name: k for k, name in enumerate(view.classes)}
        rank = sorted(range(len(labels)), key=lambda k: order.get(labels[k], len(order)))
        labels, weights = [labels[k] for k in rank], weights[rank]
        title = f"Relations of channels, {view.methods[method]}"
        shown = f"the {min(_CHORDS, weights.shape[1])} strongest of {weights.shape[1]} pairs"
        finite = weights[np.isfinite(weights)]
        ends = [f"{f(finite):.3g}" for f in (np.min, np.mean, np.max)]
        differences = weights - weights.mean(axis=0)
        largest = np.abs(differences[np.isfinite(differences)]).max(initial=0)
        one = len(labels) > 1 and largest <= _ALIKE * np.abs(finite).max()
        drawn.append(
            Drawn(
                title,
                _chords(["all labels"] if one else labels, names, weights[:1] if one else weights),
                "Weight: mean of the learnt adjacency over the test windows of a label and all fits, of both "
                f"directions of a pair; drawn are {shown}{'' if one else ' of each label'}. All weights lie between "
                f"{ends[0]} and {ends[2]}; if no pair were preferred, each would be their mean, {ends[1]}. "
                f"{'They are the same for all labels. ' if one else ''}The front is at the top, the left hemisphere "
                "on the left. The weights say what the network uses, not what the brain does.",
            )
        )
        if len(labels) > 1 and not one:
            against, heads = "the mean over labels", labels
            if len(labels) == 2:  # each would be the mirror image of the other
                against, heads, differences = labels[1], [" minus ".join(labels)], weights[:1] - weights[1:]
                largest = 2 * largest
            drawn.append(
                Drawn(
                    f"{title}, difference from {against}",
                    _chords(heads, names, differences, signed=True),
                    f"Red: more than in {against}, blue: less; {shown} by the size of the difference, "
                    f"{largest:.2g} at most. A difference without a test is only a picture.",
                )
            )
    return drawn


def mean_relations(table: pd.DataFrame) -> tuple[list[str], list[str], np.ndarray]:
    """Average relations over fits and over both directions.

    Parameters
    ----------
    table : DataFrame
        ``label``, ``a``, ``b``, ``weight``; what leads from a channel to itself is left out.

    Returns
    -------
    labels, ch_names : list of str
        In the order in which they come.
    weights : ndarray, shape (n_labels, n_pairs)
        Pairs in the order of :func:`thymos.signals.connectivity.pair_names`; NaN where there is no row.
    """
    names, labels = list(dict.fromkeys([*table["a"], *table["b"]])), list(dict.fromkeys(table["label"].astype(str)))
    mean = table.assign(label=table["label"].astype(str)).groupby(["label", "a", "b"])["weight"].mean()
    wide = mean.unstack("b").reindex(columns=names)
    square = np.stack([wide.loc[label].reindex(names).to_numpy(float) for label in labels]) if labels else None
    if square is None:
        return [], [], np.empty((0, 0))
    rows, columns = np.triu_indices(len(names), 1)
    return labels, names, defined_mean(np.stack([square[:, rows, columns], square[:, columns, rows]], axis=-1))


def strongest(weights: np.ndarray, names: Sequence[str], count: int = _CHORDS) -> pd.DataFrame:
    """Return the strongest relations of one label, the weakest of them first.

    Parameters
    ----------
    weights : ndarray, shape (n_pairs,)
        As of :func:`mean_relations`; the size counts, not the sign.
    names : sequence of str
        Channels.
    count : int

    Returns
    -------
    DataFrame
        ``a``, ``b``, ``weight``.
    """
    rows, columns = np.triu_indices(len(names), 1)
    size = np.where(np.isfinite(weights), np.abs(weights), -1.0)
    best = np.argsort(-size, kind="stable")[:count]
    best = best[size[best] > 0][::-1]
    named = np.asarray(names, dtype=object)
    return pd.DataFrame({"a": named[rows[best]], "b": named[columns[best]], "weight": weights[best]})


def places(ch_names: Sequence[str]) -> dict[str, float]:
    """Return where each channel stands on a circle, in radians counter-clockwise from the right.

    Electrodes as in :func:`thymos.signals.connectivity.chord_data`: the front at the top, the left on the left. Other
    channels in their order, counter-clockwise from the top.
    """
    n = len(ch_names)
    try:
        chord_data = load_object("thymos.signals.connectivity:chord_data")
        table = chord_data(np.zeros(n * (n - 1) // 2), ch_names, None)
        return dict(zip(table["source"], table["source_angle"], strict=True)) | dict(
            zip(table["target"], table["target_angle"], strict=True)
        )
    except InputError:  # no electrodes, but components or nodes
        return {name: float(np.pi / 2 + 2 * np.pi * k / n) for k, name in enumerate(ch_names)}


def _chords(labels: Sequence[str], names: Sequence[str], weights: np.ndarray, signed: bool = False) -> str:
    """Draw a circle of channels for each label, and chords as wide as the relation is strong."""
    angle = places(names)
    chosen = [strongest(row, names) for row in weights]
    sizes = np.abs(np.concatenate([table["weight"].to_numpy(float) for table in chosen]))
    low, high = (0.0 if signed else sizes.min(), sizes.max()) if len(sizes) else (0.0, 1.0)
    regions = {name: _region(name) for name in names}

    def style(weight: float) -> dict[str, Any]:
        share = (abs(weight) - low) / (high - low) if high > low else 1.0
        colour = _INK if not signed else BLUE if weight < 0 else VERMILION
        return {"color": colour, "lw": 0.7 + 2.8 * share, "alpha": 0.35 + 0.6 * share}

    columns = min(3, len(labels))
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(labels), columns, 3.5, 3.6)
        for ax, label, table in zip(axes, labels, chosen, strict=True):
            for row in table.to_dict("records"):
                _chord(ax, angle[row["a"]], angle[row["b"]], **style(row["weight"]))
            linked = {*table["a"], *table["b"]}
            for name, at in angle.items():
                x, y = np.cos(at), np.sin(at)
                ax.plot(x, y, "o", ms=4.5 if name in linked else 3, color=_COLOURS.get(regions[name], GREY), mew=0)
                left = x < -1e-9
                ax.text(1.07 * x, 1.07 * y, name, fontsize=7 if len(names) <= 34 else 5.5, va="center",
                        ha="right" if left else "left", rotation=np.degrees(at) + 180 * left, rotation_mode="anchor",
                        color="black" if name in linked else GREY)  # fmt: skip
            ax.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal", title=label)
            ax.axis("off")
        scale = (high, high / 2, -high / 2, -high) if signed else (high, (low + high) / 2, low)
        handles = [
            Line2D([], [], label=f"{weight:{'+' if signed else ''}.2g}", **style(weight))
            for weight in scale
            if len(sizes)
        ]
        handles += [
            Line2D([], [], color=colour, ls="", marker="o", ms=5, label=region)
            for region, colour in _COLOURS.items()
            if region in regions.values()
        ]
        if handles:
            n = (3, 6, 10)[columns - 1]
            fig.legend(handles=handles, loc="outside lower center", ncols=n, frameon=False, fontsize=8)
        return svg(fig)


def _chord(ax: Any, a: float, b: float, **style: Any) -> None:
    """Draw a curve between two places on the circle that bends towards its middle."""
    ends = np.array([[np.cos(a), np.sin(a)], [np.cos(b), np.sin(b)]])
    path = Path([ends[0], 0.3 * ends.mean(axis=0), ends[1]], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    ax.add_patch(PathPatch(path, fill=False, capstyle="round", **style))


def _region(name: str) -> str:
    """Return the part of the scalp that an electrode lies over, by its letters; empty for other channels."""
    letters = name.rstrip("0123456789hH").rstrip("zZ")
    parts = {**load_object("thymos.signals.topography:LOBES"), "ears": ("A", "M")}
    return next((part for part, starts in parts.items() if letters in starts), "")
