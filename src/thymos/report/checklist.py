"""What has to hold for the numbers of a run to be relied on, asked of what the run stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from thymos.base.catalogue import resolve
from thymos.evaluation.auditor import EXPERIMENTS
from thymos.evaluation.statistics import MIN_SUBJECTS
from thymos.report.view import RunView

__all__ = ["Check", "broken_down", "checklist"]

_SEEDS = 3  # fewer do not show how much chance in training matters


@dataclass(frozen=True)
class Check:
    """One question of the checklist.

    Parameters
    ----------
    asked : str
    answer : str
        ``yes``, ``in part``, ``no`` or ``not known``.
    fact : str
        What was stored that says so.
    """

    asked: str
    answer: str
    fact: str


def checklist(view: RunView) -> list[Check]:
    """Ask a run what has to hold for its numbers to be relied on.

    Parameters
    ----------
    view : RunView

    Returns
    -------
    list of Check
        None of the answers is taken from the study's own words; each follows from stored fits, folds and findings.
    """
    return [*_complete(view), *_honest(view), *_measured(view)]


def broken_down(view: RunView) -> list[pd.DataFrame]:
    """Return the stored tables of fits that were looked at group by group, with ``column``, ``value``, ``subject``."""
    # what is left without a modality has the same columns, and no groups of people
    tables = (table for name, table in view.inspections.items() if name != "missing_modality")
    return [table for table in tables if {"column", "value", "subject"} <= set(table.columns)]


def _complete(view: RunView) -> Iterator[Check]:
    done = len(view.fits)
    yield Check("All fits are finished", _yes(done >= view.n_tasks), f"{done} of {view.n_tasks}")
    states = view.fits["code"].nunique()
    commits = sorted({str(sitting.get("commit") or "no commit known") for sitting in view.sittings})
    known = all(sitting.get("commit") and not sitting["commit"].endswith("-dirty") for sitting in view.sittings)
    yield Check(
        "One known state of the code computed them",
        _yes(states == 1) if known else "no" if states > 1 else "in part",
        f"{_count(states, 'state')} of the code; {', '.join(commits)}",
    )
    full = view.study["budget"] == "full"
    said = f"budget {view.study['budget']}" + ("" if full else f": {view.study['reduces']}")
    yield Check("Nothing was made smaller to save time", _yes(full), said)
    yield Check("The data are real", _yes(not view.simulated), "simulated" if view.simulated else view.data["summary"])


def _honest(view: RunView) -> Iterator[Check]:
    honest = view.honest
    found = [f for f in (view.audit or {}).get("findings", []) if not f["leaky"]]
    unknown = "not audited" if view.audit is None else "the audit itself failed" if view.audit.get("failed") else ""
    kept = "; ".join(f"{card.name}: {', '.join(card.keys)}" for card in honest)
    for severity, asked, nothing, gap in (
        ("leak", "The audit finds no way from the test part into training", f"never on both sides: {kept}", unknown),
        (
            "shortcut",
            "No nuisance predicts the labels as well as the methods do",
            "none found",
            unknown or ("" if len(view.probes) else "no nuisance could be looked at"),
        ),
    ):
        mine = [f["text"] for f in found if f["severity"] == severity]
        answer = "no" if mine else "not known" if gap else "yes"
        yield Check(asked, answer, " ".join(dict.fromkeys(mine)) or gap or nothing)
    nothing_there = "probes without anything to see"  # is no gap of the search
    skipped = [t for t in (view.audit or {}).get("skipped", []) if not t.startswith(nothing_there)]
    if view.audit is not None:
        if EXPERIMENTS not in view.audit.get("searched", []):
            skipped.append("no experiment with the test part of each method, which `thymos audit` of the study makes")
        yield Check("The audit could search for all that it knows", "in part" if skipped else "yes", _listed(skipped))
    yield Check("Tested on people of whom nothing was seen", *_new_people(view))
    twins = ", ".join(f"{leaky} beside {of}" for leaky, of in view.twins.items())
    yield Check("A control that leaks shows what a leak would add", _yes(bool(twins)), twins or "none")


def _new_people(view: RunView) -> tuple[str, str]:
    """Return answer and fact: people are kept apart by the protocol, or by those of the sides of pairs."""
    pairing = view.study.get("pairing")
    if not pairing:
        new = [card.name for card in view.honest if "subject" in card.keys]
        others = ", ".join(card.name for card in view.honest)
        return _yes(bool(new)), ", ".join(new) or f"only {others}"
    sides = pairing["protocol"], (pairing.get("other") or {}).get("protocol")
    splits = [side["split"] for side in sides if side]
    new = [name for name in splits if "subject" in resolve(name, "protocol").load().keys]
    answer = "in part" if 0 < len(new) < len(splits) else _yes(bool(new))
    return answer, f"pairs, whose sides are split by {' and '.join(splits)}"


def _measured(view: RunView) -> Iterator[Check]:
    permuted = sorted(set(view.fits.loc[view.fits["labels"] == "permuted", "method"]))
    yield Check(
        "Compared with labels that mean nothing",
        "yes" if permuted else "in part",
        f"fitted again on permuted labels: {', '.join(permuted)}"
        if permuted
        else "stored predictions alone, against permuted labels",
    )
    simple = [name for name in view.methods if view.is_baseline(name)]
    yield Check("Compared with an answer that looks at nothing", _yes(bool(simple)), ", ".join(simple) or "none")
    true = view.fits[view.fits["labels"] == "true"]
    seeds = true.groupby("method")["seed"].nunique()
    # with one seed they could be without randomness, but for those that the study gives fewer
    fewer = [m for m, spec in view.study["methods"].items() if (spec.get("seeds") or seeds.max()) < seeds.max()]
    yield Check(
        f"{_SEEDS} seeds or more where a method uses randomness",
        "no"
        if seeds.max() < _SEEDS
        else "yes"
        if set(seeds) <= {1, seeds.max()} and not fewer and not view.fewer_seeds
        else "in part",
        "; ".join(f"{_count(n, 'seed')}: {', '.join(names.index)}" for n, names in seeds.groupby(seeds))
        + "".join(f"; {_count(n, 'seed')} under {name}" for name, n in view.fewer_seeds.items()),
    )
    honest = {card.name for card in view.honest}
    over = {key: names for key, names in view.units().items() if honest & {*names}}
    enough = [unit == "subject" and n >= MIN_SUBJECTS for unit, n in over]
    yield Check(
        f"Intervals are over people, {MIN_SUBJECTS} or more",
        _yes(all(enough)) if all(enough) or not any(enough) else "in part",
        "; ".join(
            f"over {_count(n, unit)}" + (f" under {', '.join(names)}" if len(over) > 1 else "")
            for (unit, n), names in over.items()
        ),
    )
    planned = view.study.get("comparisons") or {}
    pairs = sum(len(rivals) for rivals in planned.values())
    yield Check(
        "Comparisons are named in the study, and corrected for their number",
        "yes" if pairs else "in part",
        f"{_count(pairs, 'planned comparison')}, Holm" if pairs else "all pairs, Holm",
    )
    columns = sorted({str(value) for table in broken_down(view) for value in table["column"].unique()})
    yield Check("Groups were looked at apart", _yes(bool(columns)), f"by {', '.join(columns)}" if columns else "none")


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _listed(texts: list[str]) -> str:
    return f"not searched: {'; '.join(texts)}" if texts else "nothing was left out"
