"""Maps of the electrodes and bands that a model uses, as figures, a table and one self-contained page."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke

from thymos.base.catalogue import near
from thymos.base.errors import InputError, UnfitError
from thymos.base.folders import whole_file
from thymos.base.probabilities import Calibration
from thymos.base.samples import Samples
from thymos.evaluation.saliency import ALL, Saliency, integrated_gradients, permutation_importance
from thymos.report.figures import BLUE, GREY, STYLE, VERMILION, svg
from thymos.report.page import write_page
from thymos.report.view import number

__all__ = [
    "colour_bar",
    "explain",
    "head",
    "margins_figure",
    "row_label",
    "saliency_figure",
    "write_prediction",
    "write_saliency",
]

_METHODS: dict[str, Callable[..., Saliency]] = {
    "gradients": integrated_gradients,
    "permutation": permutation_importance,
}
_FEWEST = 8  # electrodes; colours between fewer would be invented
_BARS = 15
_OUTLINE = [withStroke(linewidth=2, foreground="white")]
_NAMED = 0.4  # of the largest value of a figure: what is less is not named


def saliency_figure(saliency: Saliency, signed: bool = False, top: int = 3) -> Figure:
    """Draw how much a model uses each band of each electrode: a row for each map, a column for each band.

    All maps share one scale. Where channels have no place on the head, the strongest cells are drawn as bars.

    Parameters
    ----------
    saliency : Saliency
    signed : bool
        Draw the attribution with its sign instead of the importance.
    top : int
        How many electrodes of each map are named, if they are strong enough.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there are no signs.
    """
    values = _values(saliency, signed)[:, :-1, :-1]
    label = _label(saliency, signed)
    placed = np.isfinite(saliency.positions).all(axis=1)
    with mpl.rc_context(STYLE):
        if not placed.any():
            return _bars(saliency, values, label, signed)
        shown = values[:, :, placed]
        norm, colours = _scale(shown, signed)
        n_maps, n_bands = values.shape[:2]
        fig = Figure(figsize=(min(10.5, 1.75 * n_bands + 1.9), 1.7 * n_maps + 0.6), layout="constrained")
        axes = fig.subplots(n_maps, n_bands, squeeze=False)
        clear = _clear(saliency, shown, placed, signed)
        for i in range(n_maps):
            for j, band in enumerate(saliency.bands):
                names = _names(saliency, shown[i, j], placed, clear[i, j], norm, top)
                head(axes[i, j], shown[i, j], saliency.positions[placed], norm, colours, names)
                if i == 0:
                    axes[i, j].set_title(band)
            row_label(axes[i, 0], saliency.maps[i])
        colour_bar(fig, axes, norm, colours, label)
        return fig


def margins_figure(saliency: Saliency) -> Figure:
    """Draw how much a model uses whole electrodes (heads or bars) and whole bands (bars); a row for each map."""
    placed = np.isfinite(saliency.positions).all(axis=1)
    label, n_maps = _label(saliency, False), len(saliency.maps)
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(8.5, 2.3 * n_maps + 0.6), layout="constrained")
        axes = fig.subplots(n_maps, 2, squeeze=False, sharex="col", width_ratios=(1, 1.4))
        electrodes = saliency.by_electrode
        norm, colours = _scale(electrodes[:, placed] if placed.any() else electrodes, False)
        for i in range(n_maps):
            left, right = axes[i]
            if placed.any():
                clear = ~(electrodes[i] < 2 * saliency.error[i, -1, :-1])[placed]
                names = _names(saliency, electrodes[i, placed], placed, clear, norm, 3)
                head(left, electrodes[i, placed], saliency.positions[placed], norm, colours, names)
            else:
                best = np.argsort(-electrodes[i], kind="stable")[:_BARS]
                _bar(left, [saliency.ch_names[k] for k in best], electrodes[i, best], saliency.error[i, -1, best])
                left.set_xlabel(label if i == n_maps - 1 else "")
            row_label(left, saliency.maps[i], 0.25 if placed.any() else 1.0)
            _bar(right, [*saliency.bands, ALL], saliency.values[i, :, -1], saliency.error[i, :, -1])
        axes[0, 0].set_title("whole electrodes, all bands")
        axes[0, 1].set_title("whole bands, all electrodes")
        axes[-1, 1].set_xlabel(label)
        if placed.any():
            colour_bar(fig, axes[:, :1], norm, colours, label, location="left")
        return fig


def write_saliency(
    folder: str | Path, saliency: Saliency, title: str = "What the model uses", predictions: Iterable[int] = ()
) -> Path:
    """Write figures, tables and a page about what a model uses.

    Parameters
    ----------
    folder : path
        Made if it is not there. It gets ``saliency.html``, ``saliency.csv`` (:meth:`Saliency.table`),
        ``predictions.csv``, ``saliency.png``, ``margins.png``, for attributions ``signed.png``, and what
        :func:`write_prediction` writes. Files of these names are replaced, each whole or not at all.
    saliency : Saliency
    title : str
    predictions : iterable of int
        Numbers of samples, from 0, whose predictions get a page of their own.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If the folder is a file, or there is no such sample.
    """
    folder, singles = _folder(folder), [(k, saliency.per_prediction(k)) for k in predictions]
    figures = {"saliency": saliency_figure(saliency), "margins": margins_figure(saliency)}
    if saliency.signed is not None:
        figures["signed"] = saliency_figure(saliency, signed=True)
    for name, table in (("saliency", saliency.table()), ("predictions", saliency.predictions)):
        with whole_file(folder / f"{name}.csv", overwrite=True) as fresh:
            table.to_csv(fresh, index=False, float_format="%.6g")
    content = {
        "title": title,
        "saliency": saliency,
        "prediction": None,
        "links": [f"prediction-{k}.html" for k, _ in singles],
    }
    for k, single in singles:
        write_prediction(folder, single, k, title)
    return _page(folder, "saliency", figures, content)


def write_prediction(folder: str | Path, single: Saliency, k: int, title: str = "What the model uses") -> Path:
    """Write ``prediction-<k>.html`` and ``prediction-<k>.png``: the probabilities of one prediction, and its map.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    single : Saliency
        Of one sample (:meth:`Saliency.per_prediction`).
    k : int
        Its number.
    title : str

    Returns
    -------
    Path
        The page.
    """
    row = single.predictions.iloc[0].to_dict()
    of_class = {name[2:-1]: value for name, value in row.items() if name.startswith("p[")}
    content = {
        "title": f"{title}: prediction {k}",
        "saliency": single,
        "prediction": {
            "facts": {name: value for name, value in row.items() if not name.startswith("p[") and name != "residual"},
            "probabilities": of_class,
        },
        "links": [],
    }
    figure = saliency_figure(single, signed=single.signed is not None)
    return _page(_folder(folder), f"prediction-{k}", {"saliency": figure}, content)


def explain(
    pipeline: Any,
    samples: Samples,
    classes: Sequence[str],
    folder: str | Path,
    labels: Any = None,
    method: str = "auto",
    title: str = "What the model uses",
    predictions: Iterable[int] = (),
    calibration: Calibration | None = None,
    **options: Any,
) -> Saliency:
    """Find out what a trained method uses, and write it down.

    Parameters
    ----------
    pipeline : Pipeline or estimator, fitted
    samples : Samples
        Not those it was trained on.
    classes : sequence of str
        All classes in the order of the study; empty for ratings.
    folder, title, predictions
        As :func:`write_saliency`.
    labels : array-like, shape (n_samples,), optional
        Labels of the samples; those that `samples` has are not used.
    calibration : Calibration, optional
        Of the probabilities that are shown, as a deployed model has it; the maps are of the method before it.
    method : {'auto', 'gradients', 'permutation'}
        ``auto`` takes integrated gradients where the method allows them, and permutation importance otherwise.
    **options
        Of :func:`thymos.evaluation.saliency.integrated_gradients` or
        :func:`thymos.evaluation.saliency.permutation_importance`; ``auto`` takes those of both.

    Returns
    -------
    Saliency

    Raises
    ------
    InputError
        If there is no such method or option, or what it raises.
    """
    if method not in ("auto", *_METHODS):
        named = "auto", *_METHODS
        raise InputError(f"method={method!r} came.{near(str(method), named)}", fits=", ".join(named))
    ways = tuple(_METHODS) if method == "auto" else (method,)
    taken = {way: set(signature(_METHODS[way]).parameters) - {"pipeline", "samples", "classes"} for way in ways}
    known = sorted(set().union(*taken.values()))
    for name in options:
        if name not in known:
            raise InputError(f"There is no option {name!r}.{near(name, known)}", fits=", ".join(known))
    _folder(folder)
    samples = samples.replace(y=labels)
    for way in ways:
        given = {name: value for name, value in options.items() if name in taken[way]}
        given |= {"classes": classes} if way == "permutation" else {}
        try:
            found = _METHODS[way](pipeline, samples, **given)
            break
        except UnfitError:
            if way == ways[-1]:
                raise
    if calibration is not None and classes:
        found = _calibrated(found, classes, calibration)
    write_saliency(folder, found, title, predictions)
    return found


def _calibrated(saliency: Saliency, classes: Sequence[str], calibration: Calibration) -> Saliency:
    """Return the same maps beside calibrated probabilities."""
    columns = [f"p[{name}]" for name in classes]
    scores = calibration.apply(saliency.predictions[columns].to_numpy(float))
    table = saliency.predictions.assign(
        predicted=np.array(classes)[scores.argmax(axis=1)], **dict(zip(columns, scores.T, strict=True))
    )
    note = "The probabilities shown are calibrated; the maps are of the model before its calibration."
    return replace(saliency, predictions=table, notes=(*saliency.notes, note))


def _values(saliency: Saliency, signed: bool) -> np.ndarray:
    if not signed:
        return saliency.values
    if saliency.signed is None:
        raise InputError(f"{saliency.method.capitalize()} has no sign.", fits="signed=False")
    return saliency.signed


def _label(saliency: Saliency, signed: bool) -> str:
    return f"{'attribution' if signed else saliency.quantity} ({saliency.unit})"


def _scale(values: np.ndarray, signed: bool) -> tuple[Normalize, str]:
    """Return the common scale and the colours; what is below zero without a sign is chance and drawn as zero."""
    most = float(np.abs(values).max() if signed else values.max()) if values.size else 0.0
    most = most if most > 0 else 1.0
    return Normalize(-most if signed else 0.0, most), "RdBu_r" if signed else "Blues"


def _clear(saliency: Saliency, shown: np.ndarray, placed: np.ndarray, signed: bool) -> np.ndarray:
    """Return which values are more than twice their error, all where there is none."""
    error = saliency.error[:, :-1, :-1][:, :, placed]
    return np.ones(shown.shape, dtype=bool) if signed else ~(shown < 2 * error)


def _names(
    saliency: Saliency, values: np.ndarray, placed: np.ndarray, clear: np.ndarray, norm: Normalize, top: int
) -> list[str]:
    """Return the names of the few strongest electrodes and '' for the others, or all where there are few."""
    if len(values) < _FEWEST:
        return [saliency.ch_names[electrode] for electrode in np.flatnonzero(placed)]
    least, most = cast(float, norm.vmin), cast(float, norm.vmax)
    size = np.where(clear, np.abs(values) if least < 0 else values, -np.inf)
    best = set(np.argsort(-size, kind="stable")[:top])
    electrodes = np.flatnonzero(placed)
    return [
        saliency.ch_names[electrode] if k in best and size[k] > _NAMED * most else ""
        for k, electrode in enumerate(electrodes)
    ]


def head(
    ax: Any, values: np.ndarray, positions: np.ndarray, norm: Normalize, colours: str, names: Sequence[str]
) -> None:
    """Draw one head from above, the nose at the top; few electrodes as discs, with no colours between them."""
    if len(values) < _FEWEST:
        ax.add_patch(Circle((0, 0), 1, fill=False, lw=1))
        ax.plot([-0.12, 0, 0.12], [0.99, 1.14, 0.99], color="black", lw=1)
        look = {"cmap": colours, "norm": norm, "edgecolors": "black", "linewidths": 0.6}
        ax.scatter(*positions.T, s=90, c=values, zorder=3, clip_on=False, **look)
        ax.set(xlim=(-1.5, 1.5), ylim=(-1.4, 1.4))
        ax.set_aspect("equal")
        ax.axis("off")
    else:
        from mne.viz import plot_topomap  # slow to import

        plot_topomap(
            np.clip(values, norm.vmin, norm.vmax),
            positions,
            axes=ax,
            show=False,
            sphere=1.0,
            cmap=colours,
            vlim=(norm.vmin, norm.vmax),
            contours=0,
            sensors=False,
        )
        ax.scatter(*positions.T, s=3, color="black", zorder=3)
    for name, (x, y) in zip(names, positions, strict=True):
        if name:
            place = {"xytext": (0, 3 if len(values) >= _FEWEST else 7), "textcoords": "offset points"}
            ax.annotate(name, (x, y), ha="center", fontsize=7, fontweight="bold", path_effects=_OUTLINE, **place)


def _bars(saliency: Saliency, values: np.ndarray, label: str, signed: bool) -> Figure:
    """Draw the strongest cells of each map as bars; channels without a place have no other figure."""
    n_maps, n_bands, n_channels = values.shape
    count = min(_BARS, n_bands * n_channels)
    fig = Figure(figsize=(min(10.5, 3.6 * n_maps + 0.6), 0.27 * count + 0.9), layout="constrained")
    axes = fig.subplots(1, n_maps, squeeze=False, sharex=True)[0]
    errors = saliency.error[:, :-1, :-1] * (np.nan if signed else 1)
    for ax, of, single, error in zip(axes, saliency.maps, values, errors, strict=True):
        best = np.argsort(-(np.abs(single) if signed else single).ravel(), kind="stable")[:count]
        named = [_cell(saliency, *divmod(int(k), n_channels)) for k in best]
        _bar(ax, named, single.ravel()[best], error.ravel()[best])
        ax.set_title(textwrap.fill(of, 30))
    fig.supxlabel(label, fontsize=9)
    return fig


def _cell(saliency: Saliency, band: int, channel: int) -> str:
    """Name a cell, without what all cells share."""
    parts = [saliency.bands[band]] * (len(saliency.bands) > 1) + [saliency.ch_names[channel]] * (
        len(saliency.ch_names) > 1 or len(saliency.bands) == 1
    )
    return " ".join(parts)


def _bar(ax: Any, names: Sequence[str], values: np.ndarray, error: np.ndarray) -> None:
    places = np.arange(len(names))
    colours = [
        GREY if name == ALL else BLUE if value >= 0 else VERMILION for name, value in zip(names, values, strict=True)
    ]
    ax.barh(places, values, 0.72, color=colours)
    if np.isfinite(error).all():
        ax.errorbar(values, places, xerr=error, fmt="none", ecolor="black", elinewidth=1)
    ax.set_yticks(places, [textwrap.shorten(name, 28, placeholder="...") for name in names])
    ax.tick_params(axis="y", length=0)
    ax.axvline(0, color="black", lw=0.8)
    ax.invert_yaxis()


def row_label(ax: Any, name: str, inches: float = 0.1) -> None:
    """Write a name to the left of a row."""
    place = {"xy": (0, 0.5), "xycoords": "axes fraction", "xytext": (-72 * inches, 0), "textcoords": "offset points"}
    ax.annotate(textwrap.fill(name, 14), ha="right", va="center", fontweight="bold", **place)


def colour_bar(
    fig: Figure, axes: np.ndarray, norm: Normalize, colours: str, label: str, location: str = "right"
) -> None:
    """Draw the scale of some heads beside them."""
    shades = mpl.cm.ScalarMappable(norm, colours)
    fig.colorbar(shades, ax=axes, location=location, shrink=0.9, aspect=25, label=label)


def _words(saliency: Saliency) -> list[str]:
    """Say in words what each map shows."""
    lines = []
    for i, of in enumerate(saliency.maps):
        best = saliency.strongest(of, 3)
        band, channel = int(saliency.by_band[i].argmax()), int(saliency.by_electrode[i].argmax())
        cells = ", ".join(
            f"{_cell(saliency, saliency.bands.index(row['band']), saliency.ch_names.index(row['channel']))} "
            f"({_short(row['value'])})"
            for row in best.to_dict("records")
        )
        lines.append(
            f"{of}: most {saliency.quantity} at {cells}; the strongest whole band is {saliency.bands[band]} "
            f"({_short(saliency.by_band[i, band])}), the strongest whole electrode {saliency.ch_names[channel]} "
            f"({_short(saliency.by_electrode[i, channel])}), all together {_short(saliency.values[i, -1, -1])} "
            f"{saliency.unit}."
        )
    return lines


def _short(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "-"


def _folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file.", fits="a folder, or a name for a new one")
    return folder


def _page(folder: Path, name: str, figures: dict[str, Figure], content: dict[str, Any]) -> Path:
    """Write the figures as pictures and the page that holds them."""
    for figure, drawn in figures.items():
        place = folder / f"{name if figure == 'saliency' else figure}.png"
        with mpl.rc_context(STYLE), whole_file(place, overwrite=True) as fresh:
            drawn.savefig(fresh, format="png", dpi=150)
    with mpl.rc_context(STYLE):
        pictures = {figure: svg(drawn) for figure, drawn in figures.items()}
    saliency = content["saliency"]
    found = {
        "figures": pictures,
        "tables": {of: saliency.strongest(of, 10).to_dict("records") for of in saliency.maps},
        "words": _words(saliency),
        "error": bool(np.isfinite(saliency.error).any()),
        "num": number,
        "short": _short,
    }
    return write_page("saliency.html", folder / f"{name}.html", {**content, **found})
