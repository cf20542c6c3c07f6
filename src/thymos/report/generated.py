"""What samplers generate, beside real samples: measures in words and numbers, and figures, as one page."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize

from thymos.base.folders import whole_folder
from thymos.evaluation.generated import Generated, GeneratedStudy
from thymos.evaluation.saliency import electrode_places
from thymos.report.figures import (
    BLUE,
    GREY,
    ORANGE,
    STYLE,
    VERMILION,
    Drawn,
    grid,
    legend,
    log_numbers,
    spread,
    svg,
)
from thymos.report.page import write_page
from thymos.report.saliency import colour_bar, head, row_label
from thymos.report.view import chance, number

__all__ = ["FILES", "KIND", "draw_generated", "maps_figure", "write_generated"]

#: What is written, the first in every such folder.
FILES = ("quality.json", "quality.csv", "generated.html")
KIND = "a look at generated samples"

_PARTS = {"train": ("training", GREY), "held": ("held-out", BLUE), "generated": ("generated", VERMILION)}
_BY_NAME = dict(_PARTS.values())
#: Short names of the measures, and what they say.
_MEASURES = {
    "mmd2": ("MMD\N{SUPERSCRIPT TWO}", "distance between distributions; 0 is none"),
    "frechet": ("Fréchet distance", "of means and covariances; large by itself with few rows"),
    "density": ("density", "lies among real rows: about the real value"),
    "coverage": ("coverage", "real rows with a generated one nearby: about the real value"),
    "memorisation": ("distance ratio", "to the nearest training over the nearest held-out row; far below real: copies"),
    "close": ("too close", "share closer to a training row than 1 % of these to each other"),
    "tstr": ("train on synthetic, test on real", "balanced accuracy of LDA; real: trained on real"),
    "trts": ("train on real, test on synthetic", "balanced accuracy of LDA; real: tested on real"),
}
_ROWS = 3  # classes in maps; more would not fit on a page
_BANDS_SHOWN = 7
_SHOWN = 8  # photographs of a class
_LEAST = 0.5  # standard deviations that the colours of maps span at least, so that noise stays pale


def write_generated(folder: str | Path, found: GeneratedStudy, overwrite: bool = False) -> Path:
    """Write ``quality.csv`` and ``quality.json`` (:meth:`GeneratedStudy.table`, ``to_dict``) and a page with figures.

    Parameters
    ----------
    folder : path
        It appears whole or not at all. One that is there is replaced only if it holds such files and nothing else, and
        `overwrite` is true.
    found : GeneratedStudy
    overwrite : bool

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If the folder is there and may not be replaced, or cannot be written.
    """
    with whole_folder(folder, FILES, KIND, overwrite) as fresh:
        content = {
            "found": found,
            "study": found.study,
            "measures": _MEASURES,
            "tables": {one.method: _table(one) for one in found.methods},
            "figures": {one.method: draw_generated(one) for one in found.methods},
            "num": number,
            "chance": chance,
        }
        found.table().to_csv(fresh / FILES[1], index=False, float_format="%.6g")
        text = json.dumps(_plain(found.to_dict()), indent=1, ensure_ascii=False, allow_nan=False)
        (fresh / FILES[0]).write_text(text + "\n", encoding="utf-8")
        write_page("generated.html", fresh / FILES[2], content)
    return Path(folder) / FILES[2]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what is no number is null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _table(one: Generated) -> list[dict[str, Any]]:
    """Return the rows of the measures of a method, in their order."""
    table = one.quality.table
    order = {name: k for k, name in enumerate(_MEASURES)}
    rows = [row for row in table.to_dict("records") if row["measure"] in order]
    return sorted(rows, key=lambda row: order[row["measure"]])


def draw_generated(one: Generated) -> list[Drawn]:
    """Draw what a sampler made; a figure that cannot be drawn is a caption that says why.

    Parameters
    ----------
    one : Generated

    Returns
    -------
    list of Drawn
    """
    drawing: tuple[Callable[[Generated], Drawn], ...] = (_maps, _profile, _moments, _embedding, _nearest)
    if one.photos:
        drawing = (_photos, _embedding, _nearest)
    if one.sequences:
        drawing = (_waveforms, _spectra, _courses, _embedding, _nearest)
    with mpl.rc_context(STYLE):
        drawn = [draw(one) for draw in drawing]
    if len(one.acceptance):
        drawn.append(_acceptance(one))
    if len(one.history.select_dtypes("number").columns):
        drawn.append(_history(one))
    return drawn


def _photos(one: Generated) -> Drawn:
    """Draw for each class some held-out and some generated photographs, side by side."""
    classes = [name for name in np.unique(one.parts["generated"][1]) if (one.parts["held"][1] == name).any()]
    if not classes:
        return Drawn("Photographs", "", "No class has both held-out and generated photographs.")
    with mpl.rc_context(STYLE):
        fig, axes = grid(2 * len(classes), 2, 4.6, 0.85 if len(classes) > 1 else 1.0)
        for number_, ax in enumerate(axes):
            name, part = classes[number_ // 2], ("held", "generated")[number_ % 2]
            X, y = one.parts[part]
            mine = np.flatnonzero(y == name)
            shown = X[mine[:: max(1, len(mine) // _SHOWN)][:_SHOWN]]
            shown = shown / (255 if shown.max() > 1 else 1)
            blank = [(0, _SHOWN - len(shown)), (0, 0), (0, 0), (0, 2)]  # rows are equally long, with gaps
            strip = np.moveaxis(np.concatenate(list(np.pad(shown, blank, constant_values=1)), axis=-1), 0, -1)
            ax.imshow(strip[..., 0] if strip.shape[-1] == 1 else strip, cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            for side in ax.spines.values():
                side.set_visible(False)
            ax.set_title(f"{name}: {_PARTS[part][0]}", fontsize=8)
        drawn = svg(fig)
    return Drawn("Photographs", drawn, "Evenly drawn from each part, not chosen by eye.")


def _waveforms(one: Generated) -> Drawn:
    """Draw for each class some held-out and some generated sequences, side by side."""
    classes = list(np.unique(one.parts["generated"][1]))[:_ROWS]
    with mpl.rc_context(STYLE):
        fig, axes = grid(2 * len(classes), 2, 4.8, 1.7, sharex=True, sharey=True)
        for k, ax in enumerate(axes):
            name, part = classes[k // 2], ("held", "generated")[k % 2]
            X, y = one.parts[part]
            mine = np.flatnonzero(y == name)
            shown = X[mine[:: max(1, len(mine) // _SHOWN)][:_SHOWN]]
            ax.plot(
                np.arange(X.shape[-1]) / cast(float, one.sfreq), shown[:, 0].T, color=_PARTS[part][1], lw=0.8, alpha=0.8
            )
            ax.set_title(f"{name}: {_PARTS[part][0]}", fontsize=9)
        for ax in axes[-2:]:
            ax.set_xlabel("seconds")
        for ax in axes[::2]:
            ax.set_ylabel(one.ch_names[0] if one.ch_names else "")
        drawn = svg(fig)
    return Drawn("Sequences", drawn, "First channel; evenly drawn from each part, not chosen by eye.")


def maps_figure(one: Generated, classes: list[str]) -> Any:
    """Draw heads: for each class a row of real, of generated samples and of their difference, a column for each band.

    Values are means over samples less the mean of all training samples, in standard deviations of these. All heads
    share one scale.

    Parameters
    ----------
    one : Generated
    classes : list of str

    Returns
    -------
    Figure
    """
    places = electrode_places(one.ch_names)
    placed = np.isfinite(places).all(axis=1)
    train, made = one.cells("train"), one.cells("generated")
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    rows, bands = [], one.bands[:_BANDS_SHOWN]
    for name in classes:
        of_class = [
            (cells[one.parts[part][1].astype(str) == name].mean(axis=0) - mean) / deviation
            for part, cells in (("train", train), ("generated", made))
        ]
        rows += [(f"{name}: real", of_class[0]), ("generated", of_class[1]), ("difference", of_class[1] - of_class[0])]
    values = np.array([row[1] for row in rows])[:, : len(bands), placed]
    most = max(_LEAST, float(np.abs(values).max()))
    norm, colours = Normalize(-most, most), "RdBu_r"
    fig, drawn = grid(len(rows) * len(bands), len(bands), min(max(1.9, 6.5 / len(bands)), 9.2 / len(bands)), 1.5)
    axes = np.array(drawn).reshape(len(rows), len(bands))
    names = [""] * int(placed.sum()) if placed.sum() >= 8 else [one.ch_names[k] for k in np.flatnonzero(placed)]
    for i, (label, _) in enumerate(rows):
        for j, band in enumerate(bands):
            head(axes[i, j], values[i, j], places[placed], norm, colours, names)
            if i == 0:
                axes[i, j].set_title(band)
        row_label(axes[i, 0], label)
    colour_bar(fig, axes, norm, colours, "from the mean of training samples, in their standard deviations")
    return fig


def _maps(one: Generated) -> Drawn:
    title = "Maps of the scalp"
    if one.unplaced:
        return Drawn(title, "", f"No maps: {one.unplaced}")
    if not np.isfinite(electrode_places(one.ch_names)).all(axis=1).any():
        return Drawn(title, "", "No maps: none of the channels is an electrode with a place on the scalp.")
    made = set(one.parts["generated"][1].astype(str).tolist())
    classes = [name for name in np.unique(one.parts["train"][1].astype(str)).tolist() if name in made][:_ROWS]
    with mpl.rc_context(STYLE):
        drawn = svg(maps_figure(one, classes))
    left = len(made) - len(classes)
    more = f" The first {_ROWS} classes; {left} more are not drawn." if left else ""
    return Drawn(
        title,
        drawn,
        "Means over training samples and over generated ones, and their difference, all on one scale."
        + ("" if one.members is None else " Of signals: logarithm of the power in the band.")
        + more,
    )


def _profile(one: Generated) -> Drawn:
    """Draw spectra of signals, values of bands, or a course over the last axis, with their spread over samples."""
    X = one.parts["train"][0]
    with mpl.rc_context(STYLE):
        if one.members is not None:
            return _spectra(one)
        if not one.unplaced:
            return _bands(one)
        if X.ndim == 3 and X.shape[2] > 1:
            return _courses(one)
    return Drawn("Profile", "", "No profile: samples are tables without bands or times; see mean and spread below.")


def _spectra(one: Generated) -> Drawn:
    fig, (ax,) = grid(1, 1, 7.5, 3.2)
    for part, (name, colour) in _PARTS.items():
        power = one.spectra(part)
        power = np.log10(np.maximum(power[:, 0] if one.sequences else power.mean(axis=1), 1e-30))[:, 1:]
        frequencies = np.arange(1, power.shape[1] + 1) * one.sfreq / one.parts[part][0].shape[-1]
        _banded(ax, frequencies, 10 * power, colour, name)
    where = "first channel" if one.sequences else "mean over channels"
    ax.set(xlabel="frequency (Hz)", ylabel=f"power, {where} (dB)", xlim=(0, min(60.0, cast(float, one.sfreq) / 2)))
    legend(fig, ax)
    return Drawn("Spectrum", svg(fig), "Median over samples, and the range of the middle 90 %.")


def _courses(one: Generated) -> Drawn:
    count = min(6, one.parts["train"][0].shape[1])
    fig, axes = grid(count, 3, 3.4, 2.0, sharex=True)
    for row, ax in enumerate(axes):
        for part, (name, colour) in _PARTS.items():
            X = one.parts[part][0][:, row]
            _banded(ax, np.arange(X.shape[1]), X, colour, name)
        names = one.ch_names or ()
        ax.set_title(names[row] if row < len(names) else f"row {row + 1}")
    axes[-1].set_xlabel("step")
    legend(fig, axes[0])
    return Drawn(
        "Course over time", svg(fig), f"The first {count} rows: median over samples, and the middle 90 %, step by step."
    )


def _banded(ax: Any, x: np.ndarray, values: np.ndarray, colour: str, name: str) -> None:
    low, middle, high = np.percentile(values, [5, 50, 95], axis=0)
    ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    ax.plot(x, middle, color=colour, lw=1.5, label=name)


def _bands(one: Generated) -> Drawn:
    """Draw the values of each band, mean over channels, as a row of each part."""
    bands = one.bands[:_BANDS_SHOWN]
    fig, axes = grid(len(bands), min(4, len(bands)), 10.5 / min(4, max(2, len(bands))), 1.7)
    cells = {part: one.cells(part).mean(axis=2) for part in _PARTS}
    for j, (ax, band) in enumerate(zip(axes, bands, strict=True)):
        for y, (part, (_, colour)) in enumerate(_PARTS.items()):
            spread(ax, y, cells[part][:, j], colour)
        ax.set_title(band)
        ax.set_yticks(range(len(_PARTS)), [name for name, _ in _PARTS.values()] if j % 4 == 0 else [""] * len(_PARTS))
        ax.set_ylim(len(_PARTS) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
    return Drawn(
        "Bands",
        svg(fig),
        "Mean over electrodes, distribution over samples: median, middle half (bar) and middle 90 % (line), in the "
        "unit that the sampler is given.",
    )


def _moments(one: Generated) -> Drawn:
    """Draw how mean and standard deviation of every value of a sample differ from those of training samples."""
    flat = {part: X.reshape(len(X), -1) for part, (X, _) in one.parts.items()}
    step = max(1, flat["train"].shape[1] // 2000)
    train = flat["train"][:, ::step]
    mean, deviation = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    varies = deviation > 0
    with mpl.rc_context(STYLE):
        fig, axes = grid(2, 2, 4.6, 2.6)
        found = {}
        for part in ("held", "generated"):
            X = flat[part][:, ::step][:, varies]
            away = (X.mean(axis=0, dtype=np.float64) - mean[varies]) / deviation[varies]
            found[part] = np.clip(away, -5, 5), np.clip(X.std(axis=0, dtype=np.float64) / deviation[varies], 0, 5)
        for k, ax in enumerate(axes):
            edges = np.histogram_bin_edges(np.concatenate([values[k] for values in found.values()]), 40)
            for part, values in found.items():
                _histogram(ax, values[k], edges, *_PARTS[part])
        for ax, same in zip(axes, (0, 1), strict=True):
            ax.axvline(same, color="black", lw=1, ls="--")
        axes[0].set(xlabel="mean less that of training (its standard deviations)", ylabel="percent of the values")
        axes[1].set(xlabel="standard deviation over that of training")
        legend(fig, axes[0])
        drawn = svg(fig)
    return Drawn(
        "Mean and spread of every value",
        drawn,
        "Of every value of a sample (band, electrode and window, or channel and time), over all samples. Dashed: as in "
        "training. Left of the line on the right, samples vary less than real ones; held-out samples show what chance "
        "does. Cut off at 5.",
    )


def _embedding(one: Generated) -> Drawn:
    table = one.quality.embedding
    classes = np.unique(table["class"]).tolist()
    classes = classes if len(classes) <= 4 else ["all"]
    shares = [f"component {k + 1} ({100 * share:.0f} %)" for k, share in enumerate(one.quality.explained)]
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(classes), 2, 4.6, 3.3, sharex=True, sharey=True)
        for ax, name in zip(axes, classes, strict=True):
            for part in ("training", "held-out", "generated"):
                mine = table[(table["part"] == part) & ((table["class"] == name) | (name == "all"))]
                ax.plot(mine["x"], mine["y"], "o", ms=3, alpha=0.55, mew=0, color=_BY_NAME[part], label=part)
            ax.set(title=textwrap.shorten(name, 40, placeholder="..."), xlabel=shares[0])
        axes[0].set_ylabel(shares[1])
        legend(fig, axes[0], markerscale=2)
        drawn = svg(fig)
    return Drawn(
        "Two dimensions",
        drawn,
        "The two leading principal components of the training samples, with the share of their variance; up to 300 "
        "samples of each kind. Two of many dimensions: what looks alike here may differ in the others.",
    )


def _nearest(one: Generated) -> Drawn:
    nearest = {
        name: np.asarray(one.quality.nearest[name], dtype=float) for name in ("training", "held-out", "generated")
    }
    least = max(1e-3 * float(np.median(nearest["training"])), 1e-9)
    nearest = {name: np.maximum(values, least) for name, values in nearest.items()}
    both = np.concatenate(list(nearest.values()))
    wide = both.max() > 5 * both.min()
    edges = (np.geomspace if wide else np.linspace)(both.min() * 0.98, both.max() * 1.02, 41)
    with mpl.rc_context(STYLE):
        fig, (ax,) = grid(1, 1, 7.5, 2.8)
        for name, values in nearest.items():
            _histogram(ax, values, edges, name, _BY_NAME[name])
            ax.axvline(np.median(values), color=_BY_NAME[name], lw=1.5, ls="--")
        ax.set(xlabel="distance to the nearest training sample (standard deviations)", ylabel="percent of the samples")
        if wide:
            ax.set_xscale("log")
            log_numbers(ax.xaxis)
        legend(fig, ax)
        drawn = svg(fig)
    return Drawn(
        "Distance to the nearest training sample",
        drawn,
        "Of training samples to the nearest other one. Dashed: medians. Generated samples far to the left of both "
        "others are copies; distances below a thousandth of the usual one are drawn there.",
    )


def _histogram(ax: Any, values: np.ndarray, edges: np.ndarray, name: str, colour: str) -> None:
    shares = np.full(len(values), 100 / max(1, len(values)))
    ax.hist(values, edges, weights=shares, histtype="stepfilled", alpha=0.4, color=colour, label=name)


def _acceptance(one: Generated) -> Drawn:
    table = one.acceptance
    rules = list(dict.fromkeys(table["rule"]))
    classes = list(dict.fromkeys(table["class"]))
    with mpl.rc_context(STYLE):
        fig, (ax,) = grid(1, 1, 7.5, 0.5 + 0.24 * len(table))
        labels = []
        for y, row in enumerate(table.itertuples(index=False)):
            share = row[2]
            ax.barh(y, 100 * share, 0.7, color=(BLUE, ORANGE)[classes.index(row[0]) % 2])
            ax.text(100 * share + 1, y, f"{100 * share:.0f} %", va="center", fontsize=8)
            labels.append(f"{row[0]}: {row[1]}" if len(rules) > 1 else row[0])
        ax.set_yticks(range(len(table)), labels)
        ax.set(xlim=(0, 109), xlabel="percent of the samples drawn")
        ax.tick_params(axis="y", length=0)
        ax.invert_yaxis()
        drawn = svg(fig)
    return Drawn(
        "Accepted", drawn, "Share of what the generator drew that passed the sampler's own filter" + (
            ", rule by rule; all: every one of them." if len(rules) > 1 else "."
        )
    )  # fmt: skip


def _history(one: Generated) -> Drawn:
    table = one.history.select_dtypes("number")
    step = next((name for name in ("step", "epoch") if name in table), None)
    columns = [name for name in table if name != step and table[name].notna().any()]
    x = table[step] if step else pd.Series(np.arange(1, len(table) + 1))
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(columns), 4, 2.6, 1.9, sharex=True)
        for ax, name in zip(axes, columns, strict=True):
            known = table[name].notna()
            ax.plot(x[known], table.loc[known, name], color=BLUE, lw=1.3, marker="." if known.sum() < 30 else "")
            ax.set_title(name.replace("_", " "), fontsize=9)
        axes[-1].set_xlabel(step or "judgement")
        drawn = svg(fig)
    return Drawn(
        "Training of the generator", drawn, f"What the sampler noted while it was trained, {len(table)} times."
    )
