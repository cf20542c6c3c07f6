"""How often the auditor finds planted leaks, by kind and strength, and how often it accuses clean studies.

Run: python benchmarks/honesty.py [--cases third|second|first] [--seeds 3] [--kind NAME ...]

There are three sets of cases, each written from a list of kinds alone by somebody who had not read the auditor: ten
kinds of leak in three strengths, and clean studies of which many look suspicious. The auditor was mended while
looking at what it missed of the `first` (`honesty_cases.py`: three variants of each kind, twenty clean studies), the
`second` (`honesty_second.py`: two other variants, ten clean studies) and the `third` (`honesty_third.py`, as large).
So these say what it can find; one look at the latter two from before, stored as `second-once` and `third-once`, says
how often it is right. A case is what an author hands over: samples with metadata, a split, and the procedure that
makes predictions. The auditor is given the same: it searches metadata and values of every fold, experiments with the
procedure on the first fold, and probes nuisances. A case counts as found if anything but a note is found, and as
`named` if that is not the shortcut probe alone, where the kind is no shortcut. Rates have 95 % intervals over cases;
seeds of a case are averaged, so that they are approximate: counts need not be whole numbers.
Results: results/honesty-SET.csv (every case) and results/honesty-SET.json, which --again makes of the former.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import honesty_cases
import honesty_second
import honesty_third
import pandas as pd
from honesty_cases import KINDS, Case
from scipy.stats import beta

from thymos.evaluation.auditor import Audit, audit_data, audit_probes
from thymos.evaluation.interventions import intervene
from thymos.evaluation.metrics import predictions_table
from thymos.evaluation.protocol import Protocol
from thymos.evaluation.statistics import summarise

SETS = {"first": honesty_cases, "second": honesty_second, "third": honesty_third}

#: What probes are told of a study.
STUDY = SimpleNamespace(seed=0, budget="quick", metric="balanced_accuracy", level="trial", baseline="majority")
NAME = "author"
SHORTCUT = "shortcut: shortcut"
SHORTCUTS = ("label in a feature", "identity as label")  # kinds that a probe of nuisances is the way to find


def audited(case: Case) -> Audit:
    """Return what the auditor finds in what an author hands over."""
    protocol = Protocol()
    protocol.keys, protocol.name = case.keys, NAME
    audit, classes = Audit(), sorted(set(map(str, case.samples.y)))
    audit_data(audit, case.samples, {NAME: case.folds}, {NAME: protocol})
    audit.add(intervene(case.procedure, case.samples, case.folds[0]), NAME)
    made = []
    for fold in case.folds:
        table = predictions_table(
            case.samples.meta.iloc[fold.test], case.samples.y[fold.test], case.procedure(case.samples, fold), classes
        )
        made.append(table.assign(protocol=NAME, method="method", labels="true", fold=fold.name, seed=0, repeat=0))
    references = summarise(pd.concat(made, ignore_index=True), classes, (STUDY.metric,), (STUDY.level,))
    audit_probes(audit, STUDY, case.samples, {NAME: case.folds}, {NAME: protocol}, classes, references)
    return audit


def row_of(case: Case, seed: int) -> dict[str, Any]:
    """Return one row of the table."""
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small fits
        audit = audited(case)
    counted = [finding for finding in audit.findings if finding["severity"] != "note" and not finding["leaky"]]
    return {
        "kind": case.kind,
        "strength": case.strength,
        "seed": seed,
        "found": bool(counted),
        "what": "; ".join(sorted({f"{finding['severity']}: {finding['kind']}" for finding in counted})),
        "variant": case.variant,
        "seconds": time.perf_counter() - begin,
    }


def rate(part: pd.DataFrame, column: str = "found") -> dict[str, float]:
    """Return a share with its approximate interval, Clopper and Pearson's over cases, whose seeds are averaged."""
    cases = part.groupby(["kind", "strength", "variant"], dropna=False)[column].mean()
    k, n = float(cases.sum()), len(cases)
    low, high = beta.ppf(0.025, k, n - k + 1) if k > 0 else 0.0, beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return {"n": len(part), "cases": n, "rate": k / n, "low": float(low), "high": float(high)}


def summed(table: pd.DataFrame) -> dict[str, Any]:
    """Return what is stored of the table of all cases."""
    said = table["what"].fillna("").str.split("; ")
    other = said.map(lambda kinds: any(kind and kind != SHORTCUT for kind in kinds))
    table = table.assign(named=table["found"] & (other | table["kind"].isin(SHORTCUTS)))
    planted, innocent = table[table["kind"] != "clean"], table[table["kind"] == "clean"]
    strengths = planted.groupby("strength", sort=False)
    found: dict[str, Any] = {
        "by_strength": {name: rate(part) for name, part in strengths},
        "named": {name: rate(part, "named") for name, part in strengths},
        "by_kind": {
            f"{kind}, {strength}": rate(part)
            for (kind, strength), part in planted.groupby(["kind", "strength"], sort=False)
        },
        "missed": planted.loc[~planted["found"], ["kind", "strength", "variant", "seed"]].to_dict("records"),
    }
    if len(innocent):
        found["false_alarms"] = rate(innocent)
        found["accused"] = innocent.loc[innocent["found"], ["variant", "what", "seed"]].to_dict("records")
    return found


def main() -> None:
    """Audit all cases, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", choices=[*SETS], default="third")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kind", nargs="+", choices=[*KINDS, "clean"], metavar="NAME", help="all if not given")
    parser.add_argument("--again", action="store_true", help="sum up the stored cases, and audit none")
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args()
    if given.again and given.kind:
        parser.error("--again sums up all stored cases: give no --kind")
    given.out.mkdir(parents=True, exist_ok=True)
    kinds = given.kind or [*KINDS, "clean"]
    cases, place = SETS[given.cases], given.out / f"honesty-{given.cases}"
    rows = []
    for seed in range(0 if given.again else given.seeds):
        for case in (*cases.leaks(seed), *cases.clean(seed)):
            if case.kind in kinds:
                rows.append(row_of(case, seed))
                print({key: value for key, value in rows[-1].items() if key != "variant"}, flush=True)
    table = pd.read_csv(place.with_suffix(".csv")) if given.again else pd.DataFrame(rows)
    found = summed(table)
    print(json.dumps({key: found[key] for key in found if key not in ("missed", "accused")}, indent=1))
    if set(kinds) >= {*KINDS, "clean"}:
        if rows:
            table.to_csv(place.with_suffix(".csv"), index=False, float_format="%.3g")
        place.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
