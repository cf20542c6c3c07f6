"""Figures of inspections: what was looked at in fitted methods, beside their predictions."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from thymos.evaluation.domains import LEAST, compare_gaps, domain_gaps
from thymos.evaluation.metrics import defined_mean
from thymos.evaluation.statistics import MIN_SUBJECTS, interval
from thymos.report.chords import relations
from thymos.report.figures import (
    BLUE,
    GREY,
    STYLE,
    VERMILION,
    Drawn,
    class_look,
    grid,
    legend,
    log_numbers,
    look,
    methods_in,
    short,
    spread,
    svg,
)
from thymos.report.genotypes import genotypes
from thymos.report.lipschitz import lipschitz
from thymos.report.regulation import regulation
from thymos.report.view import RunView, chance, number

__all__ = [
    "FIGURES",
    "branches",
    "breakdown",
    "draw_inspections",
    "embedding",
    "missing_modality",
    "neighbour_chance",
    "on_common_times",
    "over_units",
    "real_time",
    "robustness",
]

_INTERVALS = 10  # of a line; more would hide each other
_POINTS = 40  # of a line


def draw_inspections(view: RunView) -> list[Drawn]:
    """Draw all inspections of a run, protocol by protocol.

    Parameters
    ----------
    view : RunView

    Returns
    -------
    list of Drawn
        In the order of the study. An inspection that has no figure is named, with the place of its table.
    """
    drawn = []
    for name, table in view.inspections.items():
        if name not in FIGURES:
            words = f"It has no figure here; its rows are in inspections/{name} of the run's folder."
            drawn.append(Drawn(name.replace("_", " ").capitalize(), "", words))
            continue
        for card in view.protocols.values():
            mine = table[(table["protocol"] == card.name) & table["method"].isin(list(view.methods))]
            if len(mine):
                where = f"{card.name}{' (LEAKY)' if card.leaky else ''}"
                drawn += [one._replace(title=f"{one.title}, protocol {where}") for one in FIGURES[name](view, mine)]
    return drawn


def robustness(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw how the methods do on test windows that were made worse, one panel for each way to do so."""
    table = table[table["level"] == view.level]
    column, words, chance = _metric(view)
    lines = over_units(table, ["corruption", "method", "amount"], column)
    if lines.empty:
        return []
    kinds = list(dict.fromkeys(lines["corruption"]))
    units = table.groupby("corruption")["unit"].first()
    columns = min(2, len(kinds))
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(kinds), columns, 10.5 / columns, 2.9, sharey=True)
        for ax, kind in zip(axes, kinds, strict=True):
            panel = lines[lines["corruption"] == kind]
            _curves(ax, view, panel, "amount")
            ax.axhline(chance, color=GREY, lw=1, ls="--", label="chance")
            ax.set_title(kind)
            ax.set_xlabel(f"amount ({units[kind]})" if units[kind] else "amount")
            ax.xaxis.get_major_locator().set_params(integer=bool((panel["amount"] % 1 == 0).all()))
        ends = [*lines["low"], *lines["high"], *lines["value"], chance]
        axes[0].set_ylim(min(0, 1.1 * np.nanmin(ends)), min(1.02, 1.1 * np.nanmax(ends)))
        for ax in axes[::columns]:
            ax.set_ylabel(f"{words} by {view.level}")
        legend(fig, axes[0])
        drawn = svg(fig)
    caption = (
        "Windows of the test part were made worse before the method saw them; training never saw such windows. Noise "
        "is added after the filters of the study, and reaches frequencies that these have emptied. "
        f"Amount 0: as they are. {lines.attrs['words']} All methods were given the same damage. "
        "Lines lie a little side by side so that intervals can be told apart."
    )
    return [Drawn("Robustness", drawn, caption)]


def real_time(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw how soon a trial is recognised, and how long a window takes."""
    evidence, latency = (table[table["kind"] == kind] for kind in ("evidence", "latency"))
    evidence, latency = evidence.dropna(subset=["seconds"]), latency.dropna(subset=["milliseconds"])
    column, measured, chance = _metric(view)
    lines = over_units(on_common_times(evidence, column), ["method", "seconds"], column)
    methods, words = methods_in(view, table), []
    if lines.empty and latency.empty:
        return []
    with mpl.rc_context(STYLE):
        fig = Figure(figsize=(10.5, max(3.4, 1.2 + 0.28 * len(methods))), layout="constrained")
        left, right = fig.subplots(1, 2, width_ratios=(1.3, 1))
        if len(lines):
            _curves(left, view, lines, "seconds")
            left.axhline(chance, color=GREY, lw=1, ls="--", label="chance")
            left.set_ylim(bottom=min(0, left.get_ylim()[0]) if view.rating else 0)
            words.append(
                "Left: the decision on a trial from all of its windows so far; a trial that has ended keeps it. "
                f"{lines.attrs['words']}"
            )
        left.set(title="decision on the trial", xlabel="seconds of the trial seen", ylabel=f"{measured} by trial")
        legend(fig, left)
        times = {m: latency.loc[latency["method"] == m, "milliseconds"].to_numpy() for m in methods}
        times = {m: values for m, values in times.items() if len(values)}
        for y, (method, values) in enumerate(times.items()):
            style = look(view, method)
            spread(right, y, values, style["color"], style["marker"])
        if times:
            right.set_xscale("log")
            log_numbers(right.xaxis)
            right.set_yticks(range(len(times)), [short(view.methods[m]) for m in times])
            right.set_ylim(len(times) - 0.5, -0.5)
            right.grid(axis="x", color="#e6e8eb", lw=0.8)
            right.set_axisbelow(True)
            words.append(_latency(view, times))
        right.set(title="time of one window", xlabel="milliseconds")
        drawn = svg(fig)
    difference = table["difference"].max()
    if np.isfinite(difference):
        words.append(f"Predictions for windows given one by one and in a batch differ by {difference:.1g} at most.")
    return [Drawn("In real time", drawn, " ".join(words))]


def embedding(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw windows of one fold where t-SNE puts them: what the last step is given, and what it makes of that."""
    methods, stages = methods_in(view, table), ("input", "learnt")
    if not methods:
        return []
    codes = {name: k for k, name in enumerate(view.classes)}
    across = 2 * min(2, len(methods))
    panels = [(method, stage) for method in methods for stage in stages]
    folds = []
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(panels), across, 10.5 / across, 10.2 / across + 0.3)
        for ax, (method, stage) in zip(axes, panels, strict=True):
            mine = table[table["method"] == method]
            fold, seed = mine[["fold", "seed"]].iloc[0]
            folds.append(fold)
            mine = mine[(mine["fold"] == fold) & (mine["seed"] == seed) & (mine["stage"] == stage)]
            size = 11 if len(mine) > 100 else 25
            for name, code in codes.items():
                dots = mine[mine["label"].astype(str) == name]
                ax.scatter(dots["x"], dots["y"], s=size, alpha=0.75, lw=0, label=name, **class_look(code))
            share = mine["neighbours"].mean()
            chance = neighbour_chance(mine["label"], mine["trial"])
            words = f"{stage}: neighbours {number(share, 2)}, chance {number(chance, 2)}"
            ax.set_title(f"{short(view.methods[method], 36)}\n{words}", fontsize=8)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_color("#d9dce1")
            ax.spines[:].set_visible(True)
        legend(fig, axes[0], markerscale=2)
        drawn = svg(fig)
    caption = (
        f"Windows of the test part of fold {', '.join(dict.fromkeys(map(str, folds)))}, one fit of each method, "
        "coloured by their label. Input: what the last step is given; learnt: what it makes of that. t-SNE shows who "
        "is near whom; distances between groups, and how large they are, mean nothing. A group may as well be a trial "
        "or a person. Neighbours: before t-SNE, of the 10 nearest windows of other trials, the share that have the "
        "window's label. Chance: the same share of all windows of other trials."
    )
    return [Drawn("Where windows lie", drawn, caption)]


def branches(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw what each branch of an ensemble reaches alone and together, its weight, and how branches agree."""
    scores = table[(table["kind"] == "scores") & (table["level"] == view.level)]
    pairs = table[table["kind"] == "correlation"]
    column, measured, chance = _metric(view)
    parts = over_units(scores, ["method", "combination"], column)
    if parts.empty:
        return []
    methods = methods_in(view, parts)
    rows = [list(dict.fromkeys(scores.loc[scores["method"] == m, "combination"])) for m in methods]
    with mpl.rc_context(STYLE):
        height = sum(0.9 + max(1.6, 0.3 * len(names)) for names in rows)
        fig = Figure(figsize=(10.5, height), layout="constrained")
        axes = fig.subplots(len(methods), 3, squeeze=False, width_ratios=(1.5, 0.9, 1.2))
        ends = (np.nanmax([*parts["high"], *parts["value"], chance]), scores["weight"].max())
        for (left, middle, right), method, names in zip(axes, methods, rows, strict=True):
            mine = parts[parts["method"] == method].set_index("combination").reindex(names)
            weights = scores[scores["method"] == method].drop_duplicates(["combination", "fold", "seed"])
            weights = weights.dropna(subset=["weight"])
            weighted = set(weights["combination"])
            for y, name in enumerate(names):
                colour, row = BLUE if name in weighted else VERMILION, mine.loc[name]
                left.plot([row["low"], row["high"]], [y, y], color=colour, lw=2)
                left.plot(row["value"], y, "o", color=colour, ms=6)
                own = weights.loc[weights["combination"] == name, "weight"]
                if len(own):
                    middle.plot(own, np.full(len(own), y), "o", color=BLUE, ms=4, alpha=0.35, mew=0)
                    middle.plot(own.mean(), y, "|", color="black", ms=14, mew=2)
            left.axvline(chance, color=GREY, lw=1, ls="--")
            left.set_yticks(range(len(names)), [textwrap.fill(name, 24) for name in names])
            if weighted:
                middle.axvline(1 / len(weighted), color=GREY, lw=1, ls="--")
            middle.set_yticks(range(len(names)), [""] * len(names))
            for ax, end in zip((left, middle), ends, strict=True):
                ax.set_ylim(len(names) - 0.5, -0.5)
                ax.set_xlim(0, 1.05 * end if end > 0 else 1)
                ax.grid(axis="x", color="#e6e8eb", lw=0.8)
                ax.set_axisbelow(True)
            left.set_title(short(view.methods[method], 40))
            left.set_xlabel(f"{measured} by {view.level}")
            middle.set_title("learnt weights")
            middle.set_xlabel("weight")
            right.set_title("correlation (agreement)")
            _matrix(right, pairs[pairs["method"] == method])
        drawn = svg(fig)
    caption = (
        "Left: single branches (blue) and their combinations (red), all at the epoch that was chosen as fitted; "
        f"dashed: chance. {parts.attrs['words']} "
        "Middle: learnt weights of all fits, their mean as a black tick; dashed: equal weights. Right: correlation of "
        "what two branches give, in brackets the share of equal decisions, means over fits. Branches that all say "
        "the same add little to each other."
    )
    return [Drawn("Branches", drawn, caption)]


def breakdown(view: RunView, table: pd.DataFrame, gaps: bool = True) -> list[Drawn]:
    """Draw what the methods reach for each value of a metadata column, subjects as thin lines; say how far apart."""
    table = table[table["level"] == view.level].rename(columns={"value": "of"})
    column, measured, chance = _metric(view)
    parts = over_units(table, ["method", "of"], column)
    if parts.empty:
        return []
    methods, values = methods_in(view, parts), _in_order(parts["of"])
    name = str(table["column"].iloc[0])
    own = table[table["subject"] != "all"].groupby(["method", "subject", "of"])[column].mean().unstack("of")
    rows = -(-len(methods) // max(1, min(5, 24 // len(values))))
    columns = -(-len(methods) // rows)
    width = 5.2 if columns == 1 and len(values) <= 8 else 10.5 / columns
    names = [textwrap.fill(value, 14) for value in values]
    longest = max((len(line) for text in names for line in text.splitlines()), default=0)
    turned = 0.08 * longest > 0.85 * width / len(values)  # inches
    with mpl.rc_context(STYLE):
        fig, axes = grid(len(methods), columns, width, 3.2, sharex=True, sharey=True)
        at = np.arange(len(values))
        for ax, method in zip(axes, methods, strict=True):
            for line in own[own.index.get_level_values("method") == method].reindex(columns=values).to_numpy():
                ax.plot(at, line, color="#c9ccd1", lw=0.8, marker=".", ms=3)
            mine, style = parts[parts["method"] == method].set_index("of").reindex(values), look(view, method)
            ax.vlines(at, mine["low"], mine["high"], color=style["color"], lw=2.5)
            ax.plot(at, mine["value"], ls="", ms=7, color=style["color"], marker=style["marker"])
            ax.axhline(chance, color=GREY, lw=1, ls="--")
            ax.set_title(short(view.methods[method], 120 // columns), fontsize=10 if columns < 4 else 8)
            ax.grid(axis="y", color="#e6e8eb", lw=0.8)
            ax.set_axisbelow(True)
        axes[0].set_xlim(-0.5, len(values) - 0.5)
        axes[0].set_ylim(bottom=min(0, axes[0].get_ylim()[0]) if view.rating else 0)
        axes[0].set_xticks(at, [short(value, 24) for value in values] if turned else names)
        for label in [label for ax in axes for label in ax.get_xticklabels()] if turned else []:
            label.set(rotation=45, ha="right", rotation_mode="anchor")
        for ax in axes[-columns:]:
            ax.set_xlabel(name)
        for ax in axes[::columns]:
            ax.set_ylabel(f"{measured} by {view.level}")
        drawn = svg(fig)
    counts = table[table["subject"] == "all"].groupby(["method", "seed", "of"])["n"].sum().groupby("of").max()
    each = ", ".join(f"{counts[value]} {value}" for value in values)
    if counts.nunique() == 1 or len(values) > 8:
        each = f"{' to '.join(dict.fromkeys(str(f(counts)) for f in (min, max)))} of each"
    seeds = f" ({table['seed'].nunique()} seeds averaged)" if table["seed"].nunique() > 1 else ""
    caption = (
        f"The same fits{seeds}, test {view.level}s apart by {name}. {parts.attrs['words']} Grey: subjects; "
        f"dashed: chance. Tested {view.level}s: {each}. What else differs between the values, such as the order of the "
        "trials, is not taken out."
    )
    tables: tuple[list[list[str]], ...] = ()
    if gaps and not view.rating:
        words, tables = _gaps(view, table.rename(columns={"of": "value"}), column)
        caption += words
    return [Drawn(f"Breakdown by {name}", drawn, caption, tables)]


def _gaps(view: RunView, table: pd.DataFrame, column: str) -> tuple[str, tuple[list[list[str]], ...]]:
    """Say how far the best and the worst value lie apart for each method, and whether chance could do that."""
    rows = domain_gaps(table, column).to_dict("records")
    if not rows:
        return "", ()
    text = (
        " Below: the gap between the best and the worst, with 95 % intervals over subjects, and how often one as large "
        "comes about by chance (p)."
    )
    heads = [["method", "gap", "worst", "best", "p"]]
    gaps = [
        [
            view.methods[row["method"]],
            _ranged(row, "gap", "low", "high"),
            f"{row['worst']} {_ranged(row, 'worst_value', 'worst_low', 'worst_high')}",
            f"{row['best']} {row['best_value']:.3f}",
            chance(row["p"]),
        ]
        for row in rows
    ]
    whole = table[(table["subject"] == "all") & table["method"].isin([row["method"] for row in rows])]
    if "ece" in whole:
        errors = whole.groupby(["method", "value"], sort=False)["ece"].mean().unstack("value")
        heads[0].append("calibration error (ece, mean over fits)")
        for row, line in zip(rows, gaps, strict=True):
            line.append(", ".join(f"{value} {error:.3f}" for value, error in errors.loc[row["method"]].items()))
    own = table[table["subject"] != "all"]
    people = own.groupby("value")["subject"].nunique()
    few = [f"{value} ({n})" for value, n in people.items() if n < LEAST]
    if few:
        text += f" Left out of gaps, since fewer than {LEAST} subjects have them: {', '.join(few)}."
    planned = [(a, b) for a, rivals in (view.study.get("comparisons") or {}).items() for b in rivals]
    compared = [
        [
            view.methods[row["a"]],
            view.methods[row["b"]],
            f"{row['difference']:+.3f} [{row['low']:+.2f}, {row['high']:+.2f}]",
            chance(row["p"]),
        ]
        for row in compare_gaps(table, column, planned).to_dict("records")
    ]
    if not compared:
        return text, ([*heads, *gaps],)
    text += " Differences of two gaps are not corrected for their number."
    return text, ([*heads, *gaps], [["method", "rival", "its gap minus that of the rival", "p"], *compared])


def _ranged(row: dict[str, Any], *names: str) -> str:
    value, low, high = (row[name] for name in names)
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def missing_modality(view: RunView, table: pd.DataFrame) -> list[Drawn]:
    """Draw what methods reach without each of their modalities, and with each alone."""
    words = over_units(table[table["level"] == view.level], ["method", "value"], _metric(view)[0]).attrs.get(
        "words", ""
    )
    caption = (
        "Modalities were taken from the test part, of which those samples are tested that have what is left; training "
        f"had whatever there is, and left some out at random where the method is a network. {words} "
        "Grey: subjects; dashed: chance."
    )
    return [Drawn("Missing modalities", drawn.svg, caption) for drawn in breakdown(view, table, gaps=False)]


#: The figure of each inspection: called with the run and the rows of one protocol.
FIGURES: Mapping[str, Callable[[RunView, pd.DataFrame], list[Drawn]]] = {
    "robustness": robustness,
    "real_time": real_time,
    "embedding": embedding,
    "branches": branches,
    "breakdown": breakdown,
    "missing_modality": missing_modality,
    "lipschitz": lipschitz,
    "genotypes": genotypes,
    "regulation": regulation,
    "relations": relations,
}


def over_units(table: pd.DataFrame, by: Sequence[str], column: str) -> pd.DataFrame:
    """Average a metric over subjects, with its interval.

    Parameters
    ----------
    table : DataFrame
        One row per fit and subject, with ``subject``, ``fold``, the columns of `by` and the metric.
    by : sequence of str
        Columns; one mean for each of their combinations.
    column : str
        The metric; rows without it (NaN) are left out.

    Returns
    -------
    DataFrame
        The columns of `by`, ``value``, ``low`` and ``high`` of the 95 % BCa bootstrap interval, and ``n_units``, in the
        order of the rows. ``attrs["words"]`` says what the units are.

    Notes
    -----
    A unit is a subject, whose folds and seeds are averaged first; with fewer than 8 subjects it is a fold of a subject.
    """
    own = table[table["subject"] != "all"]
    table = own if len(own) else table
    few = table["subject"].nunique() < MIN_SUBJECTS
    unit = ["subject", "fold"] if few else ["subject"]
    values = table.dropna(subset=[*by, column]).groupby([*by, *unit], sort=False)[column].mean()
    rows = []
    for key, part in values.groupby(level=list(by), sort=False):
        key = key if isinstance(key, tuple) else (key,)
        # the same seed for all: units are drawn alike, so that neighbours on a line have like intervals
        low, high = interval(part.to_numpy(float)[None], defined_mean, seed=0)
        head = dict(zip(by, key, strict=True))
        rows.append({**head, "value": float(part.mean()), "low": low, "high": high, "n_units": len(part)})
    made = pd.DataFrame(rows, columns=[*by, "value", "low", "high", "n_units"])
    n = int(made["n_units"].max()) if len(made) else 0
    many = " to ".join(dict.fromkeys(str(f(made["n_units"])) for f in (min, max))) if n else ""
    what = "folds of subjects, since there are fewer than 8 subjects" if few else "subjects"
    words = (
        f"Mean and 95 % bootstrap interval over {many} {what}." if n > 1 else "Of one fold alone, hence no interval."
    )
    made.attrs["words"] = words
    return made


def on_common_times(evidence: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return decisions of all fits at the same moments, at most 40; until the next decision the last one holds.

    Parameters
    ----------
    evidence : DataFrame
        ``method, fold, seed, subject``, ``seconds`` and the metric. Folds whose trials are of other lengths have other
        moments.
    column : str
        The metric.

    Returns
    -------
    DataFrame
        The same columns; NaN before a fit's first decision.
    """
    wide = evidence.pivot_table(index=["method", "fold", "seed", "subject"], columns="seconds", values=column)
    wide = wide.ffill(axis=1).iloc[:, _evenly(wide.shape[1], _POINTS)]
    return wide.melt(ignore_index=False, value_name=column).reset_index()


def neighbour_chance(labels: Sequence[str], trials: Sequence[str]) -> float:
    """Return how often a window of another trial has the label of a window, if neighbours are drawn at random.

    Parameters
    ----------
    labels, trials : sequence of str, shape (n_windows,)

    Returns
    -------
    float
        NaN if there is one trial only.
    """
    windows = pd.DataFrame({"label": np.asarray(labels, dtype=str), "trial": np.asarray(trials, dtype=str)})
    alike = windows.groupby("label")["label"].transform("size") - windows.groupby(["label", "trial"])[
        "label"
    ].transform("size")
    others = len(windows) - windows.groupby("trial")["trial"].transform("size")
    return float((alike / others.where(others > 0)).mean())


def _metric(view: RunView) -> tuple[str, str, float]:
    """Return the metric that figures show, in words, and what it is where nothing is learnt."""
    return (
        ("ccc", "concordance correlation", 0.0)
        if view.rating
        else ("balanced_accuracy", "balanced accuracy", 1 / len(view.classes))
    )


def _curves(ax: Any, view: RunView, lines: pd.DataFrame, x: str) -> None:
    """Draw one line for each method with intervals at some of its points, a little beside each other."""
    methods = methods_in(view, lines)
    step = min(0.008, 0.04 / max(1, len(methods) - 1)) * np.ptp(lines[x])
    for k, method in enumerate(methods):
        mine = lines[lines["method"] == method].sort_values(x)
        at = mine[x].to_numpy() + step * (k - (len(methods) - 1) / 2)
        style = look(view, method)
        shown = _evenly(len(mine), _INTERVALS)
        ax.vlines(at[shown], mine["low"].iloc[shown], mine["high"].iloc[shown], color=style["color"], lw=1, alpha=0.6)
        ax.plot(at, mine["value"], ms=4, lw=1.4, markevery=list(shown), label=view.methods[method], **style)
    ax.grid(axis="y", color="#e6e8eb", lw=0.8)
    ax.set_axisbelow(True)


def _evenly(n: int, most: int) -> np.ndarray:
    """Return some of n positions, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def _in_order(values: pd.Series) -> list[str]:
    """Return different words sorted, numbers among them by their size."""
    numbers = pd.to_numeric(values, errors="coerce")
    return list(pd.DataFrame({"n": numbers, "v": values}).sort_values(["n", "v"])["v"].drop_duplicates())


def _latency(view: RunView, times: Mapping[str, np.ndarray]) -> str:
    """Say how long windows took."""
    each = "; ".join(
        f"{view.methods[method]} {np.median(values):.3g} and {np.percentile(values, 95):.3g}"
        for method, values in times.items()
    )
    machine = view.sittings[-1].get("processor", "") if view.sittings else ""
    return (
        "Right: windows came one by one"
        + (f" ({machine})" if machine else "")
        + "; what is done to whole recordings before the split is not timed. Dot: median, bar: half of the windows, "
        "line: 90 % of them. "
        f"Median and 95th percentile in ms: {each}."
    )


def _matrix(ax: Any, pairs: pd.DataFrame) -> None:
    """Draw correlation and agreement of each two branches, means over fits."""
    if pairs.empty:
        ax.axis("off")
        return
    names = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    mean = pairs.groupby(["a", "b"])[["correlation", "agreement"]].mean()
    square = np.full((len(names), len(names)), np.nan)
    for (a, b), row in mean.iterrows():
        i, j = sorted((names.index(a), names.index(b)))
        if i != j:
            square[j, i] = row["correlation"]
            words = f"{number(row['correlation'], 2)}\n({number(row['agreement'], 2)})"
            colour = "white" if abs(row["correlation"]) > 0.6 else "black"
            ax.text(i, j, words, ha="center", va="center", fontsize=8, color=colour)
    ax.imshow(square, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    ax.set_xlim(-0.5, len(names) - 1.5)
    ax.set_ylim(len(names) - 0.5, 0.5)
    short = [textwrap.fill(name, 12) for name in names]
    ax.set_xticks(range(len(names) - 1), short[:-1], fontsize=8)
    ax.set_yticks(range(1, len(names)), short[1:], fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
