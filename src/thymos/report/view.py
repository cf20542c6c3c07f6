"""A run as the report sees it: read once from stored results, summarised once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import DataError
from thymos.evaluation.comparison import average_ranks, compare_methods
from thymos.evaluation.make import simulated_data, takes_seed
from thymos.evaluation.results import Results
from thymos.evaluation.statistics import class_recalls, holm, inflation_report, summarise
from thymos.evaluation.study import make_protocol
from thymos.evaluation.study_files import stored_study

_TITLES = {
    "kappa": "Cohen's kappa",
    "macro_f1": "macro F1",
    "ccc": "concordance correlation",
    "pearson": "correlation (Pearson)",
    "rmse": "root mean squared error",
    "r2": "explained variance (R2)",
}

__all__ = ["Cell", "ProtocolCard", "RunView", "number"]


@dataclass(frozen=True)
class ProtocolCard:
    """What a protocol is, for people.

    Parameters
    ----------
    name, question : str
    keys : tuple of str
        What may not stand on both sides.
    leaky : bool
    twin_of : str
        For a leaky control, the honest protocol it is set beside.
    n_folds : int
    notes : list of str
        Remarks of the folds, such as a missing validation part.
    guard : float
        Seconds between windows of different parts of one recording.
    repeats, inner : int
        How often the folds were dealt, and into how many inner folds training was dealt.
    within : str
        Metadata column whose values are split one by one.
    deciding : str
        Where the validation part comes from.
    """

    name: str
    question: str
    keys: tuple[str, ...]
    leaky: bool
    twin_of: str
    n_folds: int
    notes: list[str]
    guard: float = 0.0
    repeats: int = 1
    inner: int = 0
    within: str = ""
    deciding: str = ""


@dataclass(frozen=True)
class Cell:
    """One number of a table with its interval and chance level, or words alone."""

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    chance_high: float | None = None
    p: float | None = None
    seed_sd: float | None = None


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with some digits, no minus before nothing, a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "-"
    return f"{round(value, digits) + 0.0:.{digits}f}"


def chance(p: float | None) -> str:
    """Write a p-value, none as 0."""
    return "< 0.001" if p is not None and p < 0.0005 else number(p)


def title_of(metric: str) -> str:
    """Return a metric in words."""
    return _TITLES.get(metric, metric.replace("_", " "))


class RunView:
    """Everything a report shows, from the folder of a run.

    Parameters
    ----------
    folder : path

    Raises
    ------
    DataError
        If the folder is no run, or holds no finished fit.
    """

    def __init__(self, folder: str | Path):
        self.results = Results(folder)
        facts = self.results.read_facts("study", "study", "digest", "fingerprint", "n_tasks")
        self.study: dict[str, Any] = facts["study"]
        self.digest: str = facts["digest"]
        self.fingerprint: str = facts["fingerprint"]
        self.n_tasks: int = facts["n_tasks"]
        self.data = self.results.read_facts("data", "classes", "cautions")
        self.audit = self.results.read_facts("audit", "findings") if self.results.has_facts("audit") else None
        self.probes = self.results.read_table("probes")
        self.environment = self.results.read_facts("environment", "split_digests")
        self.sittings = self.results.sittings()
        self.classes: list[str] = self.data["classes"]
        self.rows = self.results.read("rows")
        if self.rows.empty:
            raise DataError(
                f"{self.results.folder} holds no finished fit yet.",
                do="run the study first: thymos run STUDY --out FOLDER",
            )
        self.predictions = self.results.read("predictions")
        self.history = self.results.read("history")
        self.folds = self.results.read_table("folds")
        if self.predictions.empty or self.folds.empty:
            raise DataError(
                f"{self.results.folder} has lost its {'predictions' if self.predictions.empty else 'folds'}.",
                do="run the study again into a new folder",
            )

    @property
    def level(self) -> str:
        """``window`` or ``trial``: the level shown first."""
        return self.study["level"]

    @property
    def metric(self) -> str:
        """The metric shown first, as a name of the summary."""
        return self.study["metric"]

    @property
    def metric_title(self) -> str:
        """The metric shown first, in words."""
        return title_of(self.metric)

    @property
    def rating(self) -> bool:
        """Whether ratings are predicted, not classes."""
        return not self.classes

    @property
    def simulated(self) -> bool:
        """Whether the data, or one side of pairs, were made by the simulator."""
        other = (self.study.get("pairing") or {}).get("other")
        names = [side["source"]["name"] for side in (self.study, other) if side]
        return simulated_data(self.data.get("info", {}), *names)

    @property
    def measured(self) -> str:
        """The metric shown first and its level, in words."""
        return f"{self.metric_title} by {self.level}"

    @cached_property
    def fits(self) -> pd.DataFrame:
        """One row per finished fit."""
        return self.rows.drop_duplicates(["protocol", "method", "labels", "fold", "seed"])

    @cached_property
    def inspections(self) -> dict[str, pd.DataFrame]:
        """Tables of the inspections that the study asks for, in its order; those without rows are left out."""
        tables = {name: self.results.read(f"inspections/{name}") for name in self.study.get("inspections") or {}}
        return {name: table for name, table in tables.items() if len(table)}

    @property
    def panels(self) -> list[dict[str, Any]]:
        """Further figures that the study asks for."""
        return self.study.get("panels") or []

    @property
    def uninspected(self) -> list[str]:
        """Which fits could not be inspected as the study asks, and why; older runs have none."""
        if "uninspected" not in self.fits:
            return []
        mine = self.fits[self.fits["uninspected"].fillna("") != ""]
        folds = mine.groupby(["method", "uninspected"], sort=False)["fold"].unique()
        return [
            f"{self.methods[method]}, fold{'s' if len(names) > 1 else ''} {', '.join(names)}: {text}"
            for (method, text), names in folds.items()
        ]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The table of :func:`thymos.evaluation.statistics.summarise`."""
        return summarise(self.predictions, self.classes)

    @cached_property
    def recalls(self) -> pd.DataFrame:
        """Recall of each class, see :func:`thymos.evaluation.statistics.class_recalls`, under honest protocols."""
        honest = [card.name for card in self.honest]
        mine = self.predictions[self.predictions["protocol"].isin(honest)]
        return pd.DataFrame() if self.rating else class_recalls(mine, self.classes, self.level)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """The table of :func:`thymos.evaluation.comparison.compare_methods`, of the honest protocols.

        Those of the study's comparisons that have results, or else all pairs of methods but the baseline.
        """
        return self._compared(self.metric)

    @cached_property
    def recall_comparisons(self) -> pd.DataFrame:
        """The same for the recall of each class that the study names, in ``class``; corrected for all of a protocol."""
        tables = [
            self._compared(f"recall[{name}]").assign(**{"class": name}) for name in self.study.get("recalls") or []
        ]
        if not tables:
            return pd.DataFrame()
        found = pd.concat(tables, ignore_index=True)
        return found.assign(p_holm=found.groupby("protocol")["p"].transform(lambda p: holm(list(p))))

    def _compared(self, metric: str) -> pd.DataFrame:
        honest = [card.name for card in self.honest]
        names = [name for name in self.methods if not self.is_baseline(name)]
        planned = [(a, b) for a, rivals in (self.study.get("comparisons") or {}).items() for b in rivals]
        mine = self.predictions[self.predictions["protocol"].isin(honest)]
        # some methods are run under leaky controls alone, or have only fits with permuted labels so far
        there = set(mine.loc[mine["labels"] == "true", "method"])
        pairs = [pair for pair in planned or itertools.combinations(names, 2) if set(pair) <= there]
        return compare_methods(mine, self.classes, metric, self.level, pairs, once=self.once)

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """The table of :func:`thymos.evaluation.comparison.average_ranks`: honest protocols, without the baseline."""
        honest = [card.name for card in self.honest]
        mine = self.predictions[self.predictions["protocol"].isin(honest)]
        mine = mine[~mine["method"].map(self.is_baseline).astype(bool)]
        return average_ranks(mine, self.classes, self.metric, self.level)

    @cached_property
    def protocols(self) -> dict[str, ProtocolCard]:
        """Protocols of the study, honest ones first."""
        cards = []
        study = stored_study(self.results)
        for name, spec in self.study["protocols"].items():
            kind = make_protocol(study, name)
            mine = self.folds[self.folds["protocol"] == name]
            notes = sorted({note for note in mine["note"] if note})
            n_folds = mine["fold"].nunique()
            rules = {"guard": kind.guard, "repeats": kind.repeats, "inner": kind.inner, "within": kind.within}
            rules["deciding"] = kind.deciding
            head = (name, kind.question, kind.keys, kind.leaky, spec["twin_of"] or "", n_folds, notes)
            cards.append(ProtocolCard(*head, **rules))
        return {card.name: card for card in sorted(cards, key=lambda card: card.leaky)}

    @property
    def sample(self) -> str:
        """What one sample is, in words."""
        return "picture" if self.study.get("images") else "window"

    @property
    def honest(self) -> list[ProtocolCard]:
        """The protocols that do not leak."""
        return [card for card in self.protocols.values() if not card.leaky]

    @cached_property
    def methods(self) -> dict[str, str]:
        """Names of the methods with results, and their titles, in the study's order."""
        present = set(self.summary.loc[self.summary["labels"] == "true", "method"])
        return {name: spec["title"] or name for name, spec in self.study["methods"].items() if name in present}

    @cached_property
    def twins(self) -> dict[str, str]:
        """Leaky protocol to the honest one it is set beside."""
        return {card.name: card.twin_of for card in self.protocols.values() if card.leaky}

    @cached_property
    def inflation(self) -> pd.DataFrame:
        """The table of :func:`thymos.evaluation.statistics.inflation_report`, at window level."""
        table = inflation_report(self.summary, self.twins, metric=self.metric)
        order = {name: k for k, name in enumerate(self.methods)}
        return table.sort_values(["leaky_protocol", "method"], key=lambda c: c.map(order) if c.name == "method" else c)

    def cell(self, protocol: str, method: str, metric: str = "", level: str = "", labels: str = "true") -> Cell:
        """Return one number with its interval, or a dash."""
        row = self._index.get((protocol, method, labels, level or self.level, metric or self.metric))
        if row is None:
            return Cell("-")
        value, low, high = row["value"], row["low"], row["high"]
        text = number(value) + (f" [{number(low, 2)}, {number(high, 2)}]" if np.isfinite(low) else "")
        return Cell(text, value, low, high, row["chance"], row["chance_high"], row["p"], row["seed_sd"])

    def main_table(self, level: str = "") -> tuple[list[list[Cell]], list[str], str]:
        """Return rows of cells, head and caption of the method x protocol table."""
        cards = self.protocols.values()
        head = ["method", *(f"{card.name}{' (LEAKY)' if card.leaky else ''}" for card in cards)]
        rows = [
            [Cell(title), *(self.cell(card.name, name, level=level) for card in cards)]
            for name, title in self.methods.items()
        ]
        chance = [
            number(np.nanmedian([self.cell(c.name, m, level=level).chance or np.nan for m in self.methods]))
            for c in cards
        ]
        rows.append([Cell("Chance level"), *(Cell(text) for text in chance)])
        return rows, head, self.caption(level)

    def metrics(self, level: str = "") -> pd.DataFrame:
        """Return further metrics, one row per protocol and method.

        Those of the confusion matrix are the summary's values; those of probabilities are means over folds and seeds.
        """
        level = level or self.level
        keys = ["protocol", "method"]
        mine = (self.summary["labels"] == "true") & (self.summary["level"] == level)
        table = self.summary[mine].pivot_table(index=keys, columns="metric", values="value", sort=False)
        fits = self.rows
        fits = fits[(fits["labels"] == "true") & (fits["level"] == level) & (fits["subject"] == "all")]
        soft = ["mae"] if self.rating else ["macro_precision", "macro_recall", "roc_auc", "log_loss", "brier", "ece"]
        return table.join(fits.groupby(keys)[soft].mean())

    def units(self, level: str = "") -> dict[tuple[str, int], list[str]]:
        """Return what intervals are over, such as subject, and how many; with the protocols where they are."""
        mine = self.summary[(self.summary["labels"] == "true") & (self.summary["level"] == (level or self.level))]
        found: dict[tuple[str, int], list[str]] = {}
        for name in self.protocols:
            part = mine[mine["protocol"] == name]
            if len(part):
                most = part.loc[part["n_units"].idxmax()]
                found.setdefault((most["unit"], int(most["n_units"])), []).append(name)
        return found

    def caption(self, level: str = "") -> str:
        """Say what the numbers of the main table are."""
        level = level or self.level
        part = self.summary[(self.summary["labels"] == "true") & (self.summary["level"] == level)]
        units = self.units(level)
        over = " and ".join(
            f"{n} {unit}s" + (f" ({', '.join(names)})" if len(units) > 1 else "") for (unit, n), names in units.items()
        )
        few = "" if all(unit == "subject" for unit, _ in units) else ", since there are fewer than 8 subjects"
        count = int(part["n_seeds"].max())
        seeds = f"mean of {count} seeds where a method uses randomness" if count > 1 else "one seed"
        seeds += "".join(f", of {n} under {name}" for name, n in self.fewer_seeds.items())
        repeats = int(part["n_repeats"].max())
        seeds += f", of {repeats} dealings into folds" if repeats > 1 else ""
        return (
            f"{self.metric_title.capitalize()} by {level}, 95 % bootstrap interval over {over}{few}; {seeds}. "
            f"Budget {self.study['budget']} (reduces: {self.study['reduces']})."
        )

    def beats_chance(self, protocol: str) -> dict[str, float]:
        """Return Holm-corrected p-values against permuted labels, for every method but the baseline."""
        names = [m for m in self.methods if not self.is_baseline(m)]
        values = [self.cell(protocol, m).p for m in names]
        known = [(m, p) for m, p in zip(names, values, strict=True) if p is not None and np.isfinite(p)]
        return dict(zip([m for m, _ in known], holm([p for _, p in known]), strict=True))

    def is_baseline(self, method: str) -> bool:
        """Whether a method is the majority class, or the mean rating."""
        return self.study["methods"][method]["steps"][-1]["name"] in ("majority", "mean")

    @property
    def once(self) -> set[str]:
        """Methods that the study trains with one seed, though another would make them others."""
        once = {name: spec["steps"] for name, spec in self.study["methods"].items() if spec.get("seeds") == 1}
        return {name for name, steps in once.items() if not self.is_baseline(name) and any(map(takes_seed, steps))}

    @property
    def fewer_seeds(self) -> dict[str, int]:
        """How many seeds the study computes under a protocol, where these are fewer than it has."""
        seeds = {name: spec.get("seeds") for name, spec in self.study["protocols"].items()}
        return {name: n for name, n in seeds.items() if n is not None and n < self.study["seeds"]}

    @cached_property
    def _index(self) -> dict[tuple, Any]:
        keys = ["protocol", "method", "labels", "level", "metric"]
        return {tuple(row[k] for k in keys): row for row in self.summary.to_dict("records")}
