"""Figures that a study asks for by name: methods beside each other, from stored predictions and histories."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from thymos.evaluation.metrics import predictions_of, trial_probabilities
from thymos.report.figures import COLOURS, GREY, STYLE, VERMILION, Drawn, common_epochs, grid, svg
from thymos.report.view import RunView, number

__all__ = ["draw_panels", "macro_roc", "mean_roc", "stability"]

#: Share of false alarms at which curves are averaged.
FALSE_ALARMS = np.linspace(0, 1, 201)
_STROKES = ("-", "--", ":", "-.")


def draw_panels(view: RunView) -> list[Drawn]:
    """Draw the panels of a study.

    Parameters
    ----------
    view : RunView

    Returns
    -------
    list of Drawn
        In the order of the study; ROC panels that follow each other are one figure. A panel without results is left
        out.
    """
    drawn = []
    for figure, alike in groupby(view.panels, key=lambda panel: panel["figure"]):
        panels = list(alike)
        for group in [panels] if figure == "roc" else [[panel] for panel in panels]:
            drawn += {"roc": _roc, "curves": _curves}[figure](view, group)
    return drawn


def macro_roc(codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the receiver operating characteristic, averaged over classes.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        True class as index of a column.
    probabilities : ndarray, shape (n_samples, n_classes)

    Returns
    -------
    ndarray, shape (201,)
        Share of true alarms at each of :data:`FALSE_ALARMS`, mean over the classes that are there and are not alone,
        each against the rest; NaN if there are none.

    Notes
    -----
    T. Fawcett: An introduction to ROC analysis. Pattern Recognition Letters 27, 2006, 861-874, section 8 (vertical
    averaging) and section 10 (several classes). The area below is the ``roc_auc`` of
    :func:`thymos.evaluation.metrics.classification_metrics`, up to the width of the grid.
    """
    curves = []
    for code in range(probabilities.shape[1]):
        mine = codes == code
        if mine.any() and not mine.all():
            false, true, _ = roc_curve(mine, probabilities[:, code], drop_intermediate=False)
            curves.append(np.interp(FALSE_ALARMS, false, true))
    return np.mean(curves, axis=0) if curves else np.full(len(FALSE_ALARMS), np.nan)


def mean_roc(predictions: pd.DataFrame, classes: Sequence[str], level: str) -> np.ndarray:
    """Return the curve of :func:`macro_roc`, averaged over fits.

    Scores of different fits are never ranked against each other, since each has a scale of its own.

    Parameters
    ----------
    predictions : DataFrame
        Of one method under one protocol.
    classes : sequence of str
    level : {'window', 'trial'}

    Returns
    -------
    ndarray, shape (201,)
        NaN if there is no fit that has one.
    """
    lookup, curves = {name: k for k, name in enumerate(classes)}, []
    for _, fit in predictions.groupby(["fold", "seed"], sort=False):
        codes, scores = fit["label"].map(lookup).to_numpy(), predictions_of(fit, list(classes))
        if level == "trial":
            first, scores = trial_probabilities(fit["trial"].astype(str).to_numpy(), scores)
            codes = codes[first]
        curves.append(macro_roc(codes, scores))
    curves = [curve for curve in curves if np.isfinite(curve).all()]
    return np.mean(curves, axis=0) if curves else np.full(len(FALSE_ALARMS), np.nan)


def stability(history: pd.DataFrame) -> dict[str, float]:
    """Return how steadily the validation loss of a method goes.

    Parameters
    ----------
    history : DataFrame
        One row per epoch with ``fold``, ``seed``, ``epoch`` and ``valid_loss``; of one method under one protocol.

    Returns
    -------
    dict of str to float
        ``change``, the mean absolute change of the loss from one epoch to the next, mean over fits; ``sd``, the
        standard deviation over fits of the loss of their last epochs (NaN of one fit); ``n_fits``.
    """
    table = history.dropna(subset=["valid_loss"]).sort_values("epoch")
    fits = table.groupby(["fold", "seed"], sort=False)["valid_loss"]
    last = fits.last()
    return {
        "change": float(fits.agg(lambda loss: loss.diff().abs().mean()).mean()),
        "sd": float(last.std(ddof=1)),
        "n_fits": len(last),
    }


def _roc(view: RunView, panels: list[dict[str, Any]]) -> list[Drawn]:
    """Draw ROC panels side by side."""
    found = []
    for panel in [] if view.rating else panels:
        protocol, methods = _asked(view, panel)
        table = view.predictions[(view.predictions["labels"] == "true") & (view.predictions["protocol"] == protocol)]
        curves = {
            label: (method, mean_roc(table[table["method"] == method], view.classes, view.level))
            for label, method in methods.items()
        }
        curves = {label: curve for label, curve in curves.items() if np.isfinite(curve[1]).all()}
        if curves:
            found.append((panel, protocol, curves))
    if not found:
        return []
    areas = view.metrics()["roc_auc"]
    columns = min(3, len(found))
    most = max(len(curves) for _, _, curves in found)
    protocols = dict.fromkeys(_stamped(view, protocol) for _, protocol, _ in found)
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(found), columns, 10.5 / max(2, columns), 3.6 + 0.17 * most, sharex=True, sharey=True)
        for ax, (panel, protocol, curves) in zip(axes, found, strict=True):
            ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
            for k, (label, (method, curve)) in enumerate(curves.items()):
                stroke = _STROKES[k // len(COLOURS) % len(_STROKES)]
                words = textwrap.fill(f"{label} ({number(areas.get((protocol, method)), 2)})", 44)
                ax.plot(np.r_[0, FALSE_ALARMS], np.r_[0, curve], color=COLOURS[k % len(COLOURS)], ls=stroke, lw=1.5,
                        label=words)  # fmt: skip
            where = f"\n{_stamped(view, protocol)}" if len(protocols) > 1 else ""
            ax.set_title(textwrap.fill(panel["title"], 34) + where)
            ax.set_xlabel("share of false alarms")
            ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
            # below the axes: the lower right corner is where curves of weak methods are
            ax.legend(frameon=False, fontsize=7.5, loc="upper left", bbox_to_anchor=(0, -0.2), borderpad=0)
        for ax in axes[::columns]:
            ax.set_ylabel("share of true alarms")
        drawn = svg(fig)
    caption = (
        f"Receiver operating characteristic by {view.level}, each class against the rest, mean over classes and fits; "
        f"in brackets the area below, 0.5 for chance. Protocol {', '.join(protocols)}."
    )
    return [Drawn("Receiver operating characteristic", drawn, _with_words(caption, panels))]


def _curves(view: RunView, panels: list[dict[str, Any]]) -> list[Drawn]:
    """Draw the validation loss of methods side by side, on the same axes."""
    (panel,) = panels
    protocol, methods = _asked(view, panel)
    table = view.history
    if "valid_loss" not in table:
        return []
    table = table[(table["labels"] == "true") & (table["protocol"] == protocol)].dropna(subset=["valid_loss"])
    methods = {label: method for label, method in methods.items() if method in set(table["method"])}
    if not methods:
        return []
    table = table[table["method"].isin(list(methods.values()))]
    columns = min(3, len(methods))
    # a loss that explodes in a few epochs would press all others to the ground
    low, high = np.quantile(table["valid_loss"], [0, 0.99])
    room = 0.05 * (high - low) or 0.1
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(methods), columns, 10.5 / max(2, columns), 3.0, sharex=True, sharey=True)
        for ax, (label, method) in zip(axes, methods.items(), strict=True):
            mine = table[table["method"] == method]
            for _, fit in mine.groupby(["fold", "seed"]):
                ax.plot(fit["epoch"], fit["valid_loss"], color=VERMILION, lw=0.6, alpha=0.25)
            mean = common_epochs(mine, "valid_loss")
            ax.fill_between(mean.index, mean["mean"] - mean["sd"], mean["mean"] + mean["sd"], color=VERMILION,
                            alpha=0.2, lw=0)  # fmt: skip
            ax.plot(mean.index, mean["mean"], color=VERMILION, lw=2)
            steady = stability(mine)
            fits = f"{steady['n_fits']} fit{'s' if steady['n_fits'] != 1 else ''}"
            words = f"change {number(steady['change'])}, SD {number(steady['sd'])}, {fits}"
            ax.set_title(f"{textwrap.fill(label, 34)}\n{words}", fontsize=9)
        axes[0].set_ylim(low - room, high + room)
        axes[0].xaxis.get_major_locator().set_params(integer=True)
        for ax in axes[-columns:]:
            ax.set_xlabel("epoch")
        for ax in axes[::columns]:
            ax.set_ylabel("validation loss")
        drawn = svg(fig)
    caption = (
        "Thin: single fits; thick: their mean with a band of one standard deviation, as long as all of them train. "
        "Change: mean absolute change of the loss from one epoch to the next. SD: over the fits at their last "
        "epochs, which are not the same for all where training stops early. "
        f"Protocol {_stamped(view, protocol)}."
    )
    return [Drawn(panel["title"], drawn, _with_words(caption, panels))]


def _asked(view: RunView, panel: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return protocol and methods of a panel, label to name; those without results are left out."""
    honest = view.honest[0].name
    asked = panel["methods"]
    if not isinstance(asked, Mapping):
        asked = {view.methods.get(name, name): name for name in asked}
    return panel.get("protocol") or honest, {label: name for label, name in asked.items() if name in view.methods}


def _stamped(view: RunView, protocol: str) -> str:
    return f"{protocol}{' (LEAKY)' if view.protocols[protocol].leaky else ''}"


def _with_words(caption: str, panels: Sequence[Mapping[str, Any]]) -> str:
    """Put the study's own words before what a figure says of itself."""
    return " ".join([*dict.fromkeys(filter(None, (panel.get("caption") for panel in panels))), caption])
