"""Runs a study: every fit is a task of its own, kept once it is stored; those of a stack are computed together."""

from __future__ import annotations

import hashlib
import json
import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from sklearn.base import clone

from thymos import __version__
from thymos.base.cache import Cache
from thymos.base.catalogue import resolve
from thymos.base.checkpoints import kept_in
from thymos.base.code import code_digest
from thymos.base.errors import InputError, ProtocolError, ThymosError
from thymos.base.labels import settled
from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.audit import check_split
from thymos.evaluation.auditor import Audit, audit_run, try_method
from thymos.evaluation.energy import Meter
from thymos.evaluation.engines import Engine, Lost
from thymos.evaluation.fit import FoldResult, fit_folds, permute_trial_labels, seed_estimator
from thymos.evaluation.inspections.base import Inspections
from thymos.evaluation.interventions import small_fold
from thymos.evaluation.make import classes_of, make_estimator, make_grid, make_samples
from thymos.evaluation.metrics import rows_of
from thymos.evaluation.protocol import Fold
from thymos.evaluation.provenance import environment, split_digest
from thymos.evaluation.results import Results
from thymos.evaluation.study import PairingSpec, Side, Step, Study, make_inspections, make_protocol
from thymos.signals.processing import is_live

__all__ = ["Outcome", "Task", "inspections_of", "run_study", "tasks_of", "units_of"]

_REDRAWS = 50
_STATES = "checkpoints"  # of long fits, so that a killed one goes on and others need not search the same again
_STACK_MODELS, _STACK_BYTES = 32, 2**29  # trained as one, at most


@dataclass(frozen=True)
class Task:
    """One fit.

    Parameters
    ----------
    protocol, method, labels, fold : str
        Names; `labels` is ``true`` or ``permuted``.
    seed : int
    """

    protocol: str
    method: str
    labels: str
    fold: str
    seed: int

    @property
    def key(self) -> str:
        """Unique name within the study."""
        return f"{self.protocol}/{self.method}/{self.labels}/{self.fold}/{self.seed}"


@dataclass
class Outcome:
    """What a run did.

    Parameters
    ----------
    results : Results
    done, kept : int
        Fits computed now, and fits that were already there.
    failed : dict of str to str
        Task to error text.
    """

    results: Results
    done: int
    kept: int
    failed: dict[str, str]


def run_study(
    study: Study,
    out: str | Path,
    data: str | Path | None = None,
    engine: Engine | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    cache: Cache | None = None,
) -> Outcome:
    """Run a study, or what is missing of it.

    Parameters
    ----------
    study : Study
    out : path
        Folder of the run. If it holds results of the same study they are kept and only missing fits are computed.
    data : path, optional
        Folder that holds the corpora.
    engine : Engine, optional
        Where fits are computed; in this process by default. Rows are the same wherever that is.
    progress : callable, optional
        Called with the number of finished fits, of all fits, and a text; while data are read, with numbers of subjects.
    cache : Cache, optional
        Where samples are kept, and taken from if the same were made before.

    Raises
    ------
    InputError
        If the folder holds results of another study or of other data.
    LeakError
        If an honest protocol's split leaks. Nothing is fitted then.
    ThymosError
        Of the source, the protocols or the methods, before anything is fitted.
    """
    say = progress or (lambda done, total, text: None)
    engine = engine or Engine()
    results = Results(out)
    results.check_writable()
    _refuse_others(results, study)
    engine.check()
    say(0, 0, "reading data")
    samples = make_samples(study, data, cache, say)
    classes, whole = classes_of(study, samples), settled(samples)
    say(0, 0, "cutting folds")
    folds = _cut(study, samples)
    control_seed, control_folds = _control(study, samples)
    folds_of = {"true": folds, "permuted": control_folds}
    estimators = {name: make_estimator(study, name, samples.info) for name in study.methods}
    grids = {name: make_grid(study, name, estimator) for name, estimator in estimators.items()}
    say(0, 0, "trying each method on a few samples")
    for name, estimator in estimators.items():
        try_method(name, estimator, whole, next(iter(folds.values()))[0], classes)
    recipe, fingerprint = _recipe(estimators, grids), samples.fingerprint()
    _refuse_others(results, study, fingerprint, recipe)
    tasks = tasks_of(study, folds_of, estimators)
    find = {(kind, p, f.name): f for kind, parts in folds_of.items() for p, fs in parts.items() for f in fs}
    missing = {task.key for task in tasks if not results.finished(task.key)}
    units = units_of(tasks, find, estimators, whole)
    waiting = [unit for unit in units if any(task.key in missing for task in unit)]
    facts = {"digest": study.digest(), "fingerprint": fingerprint, "recipe": recipe, "n_tasks": len(tasks)}
    # the study's own place is needed to find files named in it, and nobody else's business otherwise
    private = set() if getattr(resolve(study.source.name, "source"), "file", "") else {"folder"}
    stored = study.model_dump(mode="json", exclude=private)
    if not results.claim_facts("study", {**facts, "study": stored}):
        _refuse_others(results, study, fingerprint, recipe)  # another process may have begun something else here
    told_anew = results.read_facts("study")["study"] != json.loads(json.dumps(stored))
    if told_anew:  # words, metric or level were changed, which no fit depends on
        results.write_facts("study", {**facts, "study": stored})
    results.sweep()
    results.write_facts("data", _data_card(study, whole, classes))
    digests = {name: split_digest(samples, parts) for name, parts in folds.items()}
    results.write_facts("environment", {"split_digests": digests})
    sitting, around = "", {**environment(), "engine": engine.name, "jobs": engine.jobs, "threads": engine.threads}
    if waiting or not results.sittings():
        sitting = results.add_sitting(around)
    if waiting and len(results.sittings()) > 1:  # others may be at work here: begin elsewhere, to share what is left
        begin = int(np.random.default_rng().integers(len(waiting)))
        waiting = waiting[begin:] + waiting[:begin]
    results.write_table("folds", _fold_table(study, samples, folds))
    begun, computed, failed = len(tasks) - len(missing), 0, {}
    say(begun, len(tasks), "fitting")
    looks = inspections_of(study, tasks, folds)
    calls = [
        (
            unit,
            (estimators[unit[0].method], grids[unit[0].method]),
            [find[_place(task)] for task in unit],
            [looks[task] for task in unit],
            classes,
            (study.seed, control_seed),
            results,
        )
        for unit in waiting
    ]
    with Meter() as meter:
        for number, answer in engine.run(_work, calls, samples, results.folder):
            done = [(task, None, answer.words) for task in waiting[number]] if isinstance(answer, Lost) else answer
            for task, tables, error in done:
                if error:
                    failed[task.key] = error
                elif tables is not None:
                    results.append(task.key, *tables)
                    computed += 1
                begun += task.key in missing
                say(begun, len(tasks), f"{task.method} | {task.protocol} | fold {task.fold}")
    if sitting:
        results.write_facts(sitting, {**around, "wall_seconds": meter.seconds, "joules": meter.joules})
    results.write_facts("failures", failed)
    if all(results.finished(task.key) for task in tasks):
        shutil.rmtree(results.folder / _STATES, ignore_errors=True)
    if told_anew or len(failed) < len(missing) or not results.has_facts("audit"):
        say(len(tasks), len(tasks), "auditing")
        _audit(study, whole, folds, classes, results)
    return Outcome(results, computed, len(tasks) - computed - len(failed), failed)


def tasks_of(study: Study, folds_of: dict[str, dict[str, list[Fold]]], estimators: dict[str, Any]) -> list[Task]:
    """Return all fits of a study, in a fixed order.

    Methods without a ``random_state`` give the same result for every seed and are fitted once. The control with
    permuted labels is fitted with the first seed.
    """
    tasks = []
    for protocol, spec in study.protocols.items():
        for name, method in study.methods.items():
            if method.protocols is not None and protocol not in method.protocols:
                continue
            random = any(p.split("__")[-1] == "random_state" for p in estimators[name].get_params(deep=True))
            wanted = method.seeds or study.seeds
            seeds = min(wanted, spec.seeds or wanted) if random else 1
            control = study.permuted is None or name in study.permuted
            for labels, count in (("true", seeds), ("permuted", int(control))):
                names = [fold.name for fold in folds_of[labels].get(protocol, [])]
                tasks += [Task(protocol, name, labels, fold, seed) for fold in names for seed in range(count)]
    return tasks


def inspections_of(study: Study, tasks: Sequence[Task], folds: Mapping[str, list[Fold]]) -> dict[Task, Inspections]:
    """Return the inspections that a study asks for of each fit, by name."""
    made = make_inspections(study)
    honest, others = study.honest, [name for name in study.methods if name != study.baseline]
    number = {(protocol, fold.name): k for protocol, parts in folds.items() for k, fold in enumerate(parts)}

    def asked(task: Task, name: str) -> bool:
        spec = study.inspections[name]
        return (
            task.labels == "true"
            and task.method in (others if spec.methods is None else spec.methods)
            and task.protocol in (honest if spec.protocols is None else spec.protocols)
            and task.seed < spec.seeds
            and (spec.folds is None or number[task.protocol, task.fold] < spec.folds)
        )

    return {task: {name: made[name] for name in made if asked(task, name)} for task in tasks}


def units_of(
    tasks: Sequence[Task], folds: Mapping[tuple, Fold], estimators: dict[str, Any], samples: Samples
) -> list[tuple[Task, ...]]:
    """Return the tasks in the groups that are computed together.

    Fits of one method under one protocol whose networks train faster as one stack are grouped, up to what fits into
    memory. Groups depend on the study and its data alone, neither on the engine nor on what is finished: a model of a
    stack is rounded a little differently in another stack.
    """
    sizes = {name: _stack_size(estimator, samples, folds) for name, estimator in estimators.items()}
    groups: dict[tuple, list[Task]] = {}
    for number, task in enumerate(tasks):
        size = sizes[task.method]
        alike = (number,) if not size else (task.protocol, task.method, task.labels)
        groups.setdefault(alike, []).append(task)
    units = []
    for group in groups.values():
        if len(group) == 1:
            units.append(tuple(group))
            continue
        cut = [folds[_place(task)] for task in group]
        rows, inner = (max(map(f, cut)) for f in (lambda f: len(f.train) + len(f.validation), lambda f: len(f.inner)))
        most = min(_STACK_MODELS, _STACK_BYTES // (rows * sizes[group[0].method]))
        count = max(1, int(most) // max(1, inner))
        units += [tuple(group[k : k + count]) for k in range(0, len(group), count)]
    return units


def _stack_size(estimator: Any, samples: Samples, folds: Mapping[tuple, Fold]) -> int:
    """Return the bytes of a sample as the last step is given it, if that trains as a stack; else 0."""
    last = estimator[-1]
    if not hasattr(last, "fit_many") or last.alone():
        return 0
    few = small_fold(samples, next(iter(folds.values())), 0)
    X = clone(estimator).prepare(samples[few.train])[0]
    return max(1, X.nbytes // len(X))


def _place(task: Task) -> tuple[str, str, str]:
    return task.labels, task.protocol, task.fold


def _work(
    samples: Samples,
    unit: Sequence[Task],
    method: tuple,
    folds: list[Fold],
    looks: list[Inspections],
    classes: list[str],
    seeds: tuple,
    out: Any,
) -> list[tuple]:
    """Do the fits of a unit; return ``(task, tables, error)`` for each.

    An error is returned as text, so that one failing fit does not take the others along. Without tables or error,
    another process has stored the fit in the meantime.
    """
    missing = [task for task in unit if not out.finished(task.key)]
    if not missing:
        return [(task, None, None) for task in unit]
    (estimator, grid), jobs = method, []
    try:
        data = permute_trial_labels(samples, seeds[1]) if unit[0].labels == "permuted" else samples
        for task, fold, mine in zip(unit, folds, looks, strict=True):
            seeded = seed_estimator(estimator, child_seed(seeds[0], task.seed, task.protocol, task.fold))
            drawn = child_seed(seeds[0], "inspections", task.protocol, task.fold)
            # what is only computed again for the sake of its stack was inspected before
            jobs.append((seeded, data, fold, classes, grid, mine if task in missing else {}, drawn))
        with kept_in(Path(out.folder) / _STATES):
            answers = fit_folds(jobs)
    except Exception as error:
        answers = [error] * len(unit)
    done: list[tuple] = []
    for task, fold, answer in zip(unit, folds, answers, strict=True):
        if task not in missing:
            done.append((task, None, None))
        elif isinstance(answer, ThymosError):
            done.append((task, None, str(answer)))
        elif isinstance(answer, Exception):
            done.append((task, None, "".join(traceback.format_exception(answer, limit=-4))))
        else:
            done.append((task, _tables(task, fold, answer, classes), None))
    return done


def _tables(task: Task, fold: Fold, result: FoldResult, classes: list[str]) -> tuple:
    """Return rows, predictions, history and inspections of a fit, each with the columns of its identity."""
    seconds = result.facts["fit_seconds"] + result.facts["predict_seconds"]
    identity = {**task.__dict__, "seconds": seconds, "code": code_digest()}
    rows = rows_of(result.predictions, classes).assign(**result.facts, note=fold.note, **identity)
    inspections = {name: table.assign(**task.__dict__) for name, table in result.inspections.items()}
    return rows, result.predictions.assign(**task.__dict__), result.history.assign(**task.__dict__), inspections


def _cut(study: Study, samples: Samples) -> dict[str, list[Fold]]:
    """Return the folds of every protocol; an honest one that provably leaks is refused."""
    folds = {}
    for name in study.protocols:
        protocol = make_protocol(study, name)
        folds[name] = protocol.folds(samples.meta, samples.y)
        if not protocol.leaky:
            for fold in folds[name]:
                check_split(samples.meta, fold, (*protocol.keys, "trial"), protocol.guard)
    return folds


def _control(study: Study, samples: Samples) -> tuple[int, dict[str, list[Fold]]]:
    """Return the seed of the permuted labels, and folds cut on them.

    The control repeats the whole protocol, stratification included, on labels that mean nothing. Where recordings
    hold several trials some permutations leave a class in one recording only; such a draw is made again.
    """
    if study.permuted == []:
        return 0, {}
    failure: ProtocolError | None = None
    for draw in range(_REDRAWS):
        seed = child_seed(study.seed, "permuted", draw)
        try:
            return seed, _cut(study, permute_trial_labels(samples, seed))
        except ProtocolError as error:
            failure = error
    assert failure is not None
    raise ProtocolError(
        f"The control with permuted labels cannot be split: {failure.came}",
        fits=failure.fits,
        do="choose fewer splits, or give up the control with permuted: []",
    )


def _audit(study: Study, samples: Samples, folds: dict[str, list[Fold]], classes: list[str], results: Results) -> None:
    """Audit splits and data, and set what nuisances predict beside what the methods predict."""
    finished = results if len(results.read("rows")) else None
    audit, failed = Audit(), ""
    try:
        audit_run(audit, study, samples, folds, classes, finished, lambda text: None)
    except Exception as error:  # fits are finished and stored: a fault of the audit must not take their report along
        failed = f"{type(error).__name__}: {error}"
    facts = {"findings": audit.findings, "searched": audit.searched, "skipped": audit.skipped, "failed": failed}
    results.write_facts("audit", facts)
    results.write_table("probes", audit.probes)


def _fold_table(study: Study, samples: Samples, folds: dict[str, list[Fold]]) -> pd.DataFrame:
    """Return how many samples of each recording stand in each part of each fold, for the drawing of the split."""
    kind = "recording" if "recording" in samples.meta.columns else "trial"
    tables = []
    for protocol, parts in folds.items():
        within = make_protocol(study, protocol).within
        for fold in (fold for fold in parts if fold.repeat == 0):
            numbers = {part: getattr(fold, part) for part in ("train", "validation", "test")}
            if len(fold.calibration):
                numbers["calibration"] = fold.calibration
            mine = samples.meta[within].isin(samples.meta[within].iloc[fold.test]) if within else np.ones(len(samples))
            numbers["left out"] = np.setdiff1d(np.flatnonzero(mine), np.concatenate(list(numbers.values())))
            for part, rows in numbers.items():
                count = samples.meta.iloc[rows].groupby(["subject", kind], sort=True).size()
                head = {"protocol": protocol, "fold": fold.name, "part": part, "note": fold.note}
                count = count.rename("count").reset_index().rename(columns={kind: "recording"})
                tables.append(count.assign(**head))
    return pd.concat(tables, ignore_index=True)


def _data_card(study: Study, samples: Samples, classes: list[str]) -> dict[str, Any]:
    row = resolve(study.source.name, "source")
    meta = samples.meta.assign(label=samples.y.astype(str))
    marks = meta["marks"].str.split(",").explode() if "marks" in meta else pd.Series(dtype=str)
    trials = meta.drop_duplicates("recording" if "recording" in meta else "trial")
    notes = trials["notes"].str.split("; ").explode() if "notes" in meta else pd.Series(dtype=str)
    by_subject = meta.groupby(["subject", "label"]).size().unstack(fill_value=0).to_dict("index")
    rated: Any = {} if classes else samples.meta.assign(y=samples.y).drop_duplicates("trial")["y"].astype(float)
    return {
        "ratings": {} if classes else {"min": rated.min(), "max": rated.max(), "mean": rated.mean(), "sd": rated.std()},
        "source": study.source.model_dump(),
        "summary": row.summary,
        "citation": row.citation,
        "licence": getattr(row, "licence", ""),
        "obtain": getattr(row, "obtain", ""),
        "cautions": [
            *_simulated(samples),
            *_left_out(samples.info),
            *_paired(study, samples.info),
            *_divided(study, samples),
            *getattr(row, "cautions", ()),
            *study.cautions,
        ],
        "classes": classes,
        "n_samples": len(samples),
        "shape": {"X": list(samples.X.shape)} if not isinstance(samples.X, dict) else {},
        "info": samples.info,
        "counts": {
            c: int(meta[c].nunique()) for c in ("subject", "session", "trial", "stimulus", "recording") if c in meta
        },
        "windows_by_subject": by_subject if classes else {},
        "trials_by_label": meta.drop_duplicates("trial")["label"].value_counts().sort_index().to_dict()
        if classes
        else {},
        "windows_by_label": meta["label"].value_counts().sort_index().to_dict() if classes else {},
        "marks": marks[marks != ""].value_counts().to_dict(),
        "processing": _prepared(study, samples.info),
        "notes": notes[notes != ""].value_counts().to_dict(),
    }


def _left_out(info: Mapping[str, Any]) -> list[str]:
    """Return a caution where samples or recordings were left out before the split, for each modality."""
    found = {"": info, **{f" of {name}": facts for name, facts in info.get("modalities", {}).items()}}
    words = {
        "left_out": "of the samples{} left out before the split, since a value is missing.",
        "too_short": "of the recordings{} left out, being shorter than one sample.",
        "unmatched": "of the windows{} left out, since another modality has none of that moment.",
    }
    return [
        f"{facts[key]} {text.format(name)}"
        for name, facts in found.items()
        for key, text in words.items()
        if facts.get(key)
    ]


def _prepared(study: Study, info: Mapping[str, Any]) -> list[str]:
    """Return what was done before the split, to each modality and to both sides of pairs."""
    told = [*_told(study.process, "process"), *_told(study.features, "transformer", info)]
    other = None if study.pairing is None else study.pairing.other
    sides: list[Study | Side] = [study] if other is None else [study, other]
    of_each = info.get("modalities", {})
    for side in sides:
        for name, spec in side.modalities.items():
            mine = _told(spec.process, "process") + _told(spec.features, "transformer", of_each.get(name, {}))
            told += [f"{name}: {text}" for text in mine or ["as the source gives it"]]
    for side in sides[1:]:
        name = cast(PairingSpec, study.pairing).names[1]
        mine = _told(side.process, "process") + _told(side.features, "transformer", of_each.get(name, {}))
        told += [f"{name} ({side.source.name}): {text}" for text in mine]
    return told


def _drawn(draws: int, info: Mapping[str, Any]) -> str:
    """Say how often pairs were drawn, and how many folds of the sides these draws take in turn."""
    folds = int(info.get("folds", draws))
    often = "once" if draws == 1 else f"{draws} times"
    left = f" ({folds - draws} never tested)" if draws < folds else ""
    return f"drawn {often} over {folds} folds in turn{left}"


def _paired(study: Study, info: Mapping[str, Any]) -> list[str]:
    """Return cautions where pairs are tested: what was paired by label are independent views of the answer."""
    if study.pairing is None:
        return []
    spec = study.pairing
    partner = f"the source {spec.other.source.name}" if spec.other else f"the same samples ({', '.join(spec.second)})"
    whose = spec.names[1] if spec.other else "the side that is not taken from the partner"
    told = [
        f"Every number here is of pairs, formed after the split inside each part, {_drawn(spec.draws, info)}; "
        f"partners come from {partner}. What is paired by label are independent views of the answer: a fusion of them "
        "is better than either by that alone.",
        f"Values are means over the people of {whose}, who have different labels: even a method that looks at the "
        "other side alone differs a little from what it reaches there by itself. Intervals are over these people, or "
        "over their trials where they are few, and know nothing of other samples of the other side or of other draws.",
    ]
    alone = {kind: n for kind, n in info.get("alone", {}).items() if n}
    told += [
        f"Paired by {kind}, {n} samples of the first side never find a partner and are left out."
        for kind, n in alone.items()
    ]
    if spec.other:
        other = resolve(spec.other.source.name, "source")
        told += [f"{spec.other.source.name}: {text}" for text in (*getattr(other, "cautions", ()),)]
        told += [f"{spec.other.source.name} is to be cited too: {other.citation}"] if other.citation else []
        licence = getattr(other, "licence", "")
        told += [f"Licence of {spec.other.source.name}: {licence}"] if licence else []
    return told


def _told(steps: list[Step], kind: str, info: Mapping[str, Any] | None = None) -> list[str]:
    """Return what was done to each recording before windows were cut, and what of it cannot be done on a stream."""
    told = []
    for step in steps:
        row = resolve(step.name, kind)
        parameters = {**row.parameters, **cast("dict[str, Any]", step.parameters)}
        words = f"{step.name}: {row.summary}"
        words += f" ({', '.join(f'{k}={v}' for k, v in parameters.items())})" if parameters else ""
        if kind == "process":
            live = is_live(step.name, parameters)
        else:
            live = row.load().__name__ not in (info or {}).get("offline", [])
        told.append(words + ("" if live else "; offline: a value depends on what follows it"))
    return told


def _divided(study: Study, samples: Samples) -> list[str]:
    """Return a caution where windows know of each other and some protocol puts windows of one trial on both sides."""
    offline = samples.info.get("offline")
    dividing = [name for name in study.protocols if make_protocol(study, name).leaky]
    if not (offline and dividing):
        return []
    makes = "makes" if len(offline) == 1 else "make"
    divides = "divides" if len(dividing) == 1 else "divide"
    return [
        f"{' and '.join(offline)} {makes} the windows of a trial depend on each other: {' and '.join(dividing)}, which "
        f"{divides} trials, {'leaks' if len(dividing) == 1 else 'leak'} through them too."
    ]


def _simulated(samples: Samples) -> list[str]:
    """Return a caution for files that were simulated in the layout of a corpus; nothing else tells them from real."""
    which = samples.info.get("simulated")
    if not which:
        return []
    if isinstance(which, str):  # one side of pairs
        return [f"The files of {which} were simulated in the layout of the corpus: no result with it is about people."]
    return ["These files were simulated in the layout of the corpus: no result here is about people."]


def _recipe(estimators: dict[str, Any], grids: Mapping[str, Any]) -> str:
    """Return a hash of every parameter of every method, defaults and presets included, and of Thymos' version."""
    parameters = {
        name: {key: str(value) for key, value in e.get_params(deep=True).items() if not hasattr(value, "get_params")}
        for name, e in estimators.items()
    }
    return hashlib.sha256(
        json.dumps([__version__, parameters, grids], sort_keys=True, default=str).encode()
    ).hexdigest()[:16]


def _refuse_others(results: Results, study: Study, fingerprint: str | None = None, recipe: str | None = None) -> None:
    """Refuse a folder that holds results of another study, of other data or of other parameters."""
    if not (results.folder / "study.json").is_file():
        return
    there = results.read_facts("study", "digest", "fingerprint", "recipe", "study")
    differs = [
        f"{what} {there[key]} there, {now} now"
        for key, what, now in (
            ("digest", "study digest", study.digest()),
            ("fingerprint", "data fingerprint", fingerprint),
            ("recipe", "digest of all parameters and the version", recipe),
        )
        if now is not None and there[key] != now
    ]
    if differs:
        raise InputError(
            f"{results.folder} holds results of something else (study {there['study']['name']!r}, budget "
            f"{there['study']['budget']!r}): {'; '.join(differs)}.",
            fits="a new folder, or one begun with the same study, data and version",
            do="choose another --out; finished results are never overwritten",
        )
