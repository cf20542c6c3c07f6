"""Runs a study: every fit is a task of its own, stored as soon as it is done, never computed twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thymos import __version__
from thymos.base.cache import Cache
from thymos.base.catalogue import resolve
from thymos.base.code import code_digest
from thymos.base.errors import InputError, ProtocolError, ThymosError
from thymos.base.labels import settled
from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.audit import check_split
from thymos.evaluation.auditor import Audit, audit_run, try_method
from thymos.evaluation.fit import fit_fold, permute_trial_labels, rows_of, seed_estimator
from thymos.evaluation.provenance import environment, split_digest
from thymos.evaluation.results import Results
from thymos.evaluation.splitters import Fold
from thymos.evaluation.study import Step, Study, classes_of, make_estimator, make_grid, make_protocol, make_samples

__all__ = ["Outcome", "Task", "run_study", "tasks_of"]

_REDRAWS = 50


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
    jobs: int = 1,
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
    jobs : int
        Processes.
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
    results = Results(out)
    results.check_writable()
    _refuse_others(results, study)
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
    waiting = [task for task in tasks if not results.finished(task.key)]
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
    if waiting or not results.sittings():
        results.add_sitting(environment())
    if waiting and len(results.sittings()) > 1:  # others may be at work here: begin elsewhere, to share what is left
        begin = int(np.random.default_rng().integers(len(waiting)))
        waiting = waiting[begin:] + waiting[:begin]
    results.write_table("folds", _fold_table(study, samples, folds))
    kept, failed = len(tasks) - len(waiting), {}
    begun = kept
    say(kept, len(tasks), "fitting")
    with _shared(samples, jobs) as where:
        find = {(kind, p, f.name): f for kind, parts in folds_of.items() for p, fs in parts.items() for f in fs}
        seeds = study.seed, control_seed
        calls = [
            (
                task,
                (estimators[task.method], grids[task.method]),
                find[task.labels, task.protocol, task.fold],
                classes,
                seeds,
                where,
                results,
            )
            for task in waiting
        ]
        for number, (task, tables, error) in enumerate(_execute(calls, jobs), start=1):
            if error:
                failed[task.key] = error
            elif tables is None:
                kept += 1
            else:
                results.append(task.key, *tables)
            say(begun + number, len(tasks), f"{task.method} | {task.protocol} | fold {task.fold}")
    results.write_facts("failures", failed)
    if told_anew or len(failed) < len(waiting) or not results.has_facts("audit"):
        say(len(tasks), len(tasks), "auditing")
        _audit(study, whole, folds, classes, results)
    return Outcome(results, len(tasks) - kept - len(failed), kept, failed)


def tasks_of(study: Study, folds_of: dict[str, dict[str, list[Fold]]], estimators: dict[str, Any]) -> list[Task]:
    """Return all fits of a study, in a fixed order.

    Methods without a ``random_state`` give the same result for every seed and are fitted once. The control with
    permuted labels is fitted with the first seed.
    """
    tasks = []
    for protocol in study.protocols:
        for name, method in study.methods.items():
            if method.protocols is not None and protocol not in method.protocols:
                continue
            random = any(p.split("__")[-1] == "random_state" for p in estimators[name].get_params(deep=True))
            seeds = (method.seeds or study.seeds) if random else 1
            control = study.permuted is None or name in study.permuted
            for labels, count in (("true", seeds), ("permuted", int(control))):
                names = [fold.name for fold in folds_of[labels].get(protocol, [])]
                tasks += [Task(protocol, name, labels, fold, seed) for fold in names for seed in range(count)]
    return tasks


def _execute(calls: list[tuple], jobs: int) -> Iterator[tuple]:
    if jobs == 1 or len(calls) < 2:
        yield from (_work(*call) for call in calls)
        return
    from joblib import Parallel, delayed, parallel_config

    try:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(_work)(*call) for call in calls)
    except BrokenProcessPool:
        raise ThymosError(
            "A worker process died, perhaps for lack of memory.",
            do="give the same command again, with fewer --jobs; finished fits are kept",
        ) from None


def _work(
    task: Task, method: tuple, fold: Fold, classes: list[str], seeds: tuple[int, int], where: Any, results: Results
) -> tuple:
    """Do one fit; an error is returned as text, so that one failing fit does not take the others along.

    Nothing is returned for a fit that another process has stored in the meantime.
    """
    if results.finished(task.key):
        return task, None, None
    if "torch" in sys.modules:  # one thread, whatever the engine: equal rows, and no two pools fighting for the cores
        sys.modules["torch"].set_num_threads(1)
    try:
        samples = where if isinstance(where, Samples) else _mapped(str(where))
        if task.labels == "permuted":
            samples = permute_trial_labels(samples, seeds[1])
        estimator, grid = method
        seeded = seed_estimator(estimator, child_seed(seeds[0], task.seed, task.protocol, task.fold))
        begin = time.perf_counter()
        result = fit_fold(seeded, samples, fold, classes, grid)
        identity = {**task.__dict__, "seconds": time.perf_counter() - begin, "code": code_digest()}
        rows = rows_of(result.predictions, classes).assign(**result.facts, note=fold.note, **identity)
        tables = (rows, result.predictions.assign(**task.__dict__), result.history.assign(**task.__dict__))
    except ThymosError as error:
        return task, None, str(error)
    except Exception:
        return task, None, traceback.format_exc(limit=-4)
    return task, tables, None


@lru_cache(maxsize=1)
def _mapped(folder: str) -> Samples:
    return Samples.load(folder, mmap=True)


class _shared:
    """Give the samples themselves to one process, a memory-mapped copy to several."""

    def __init__(self, samples: Samples, jobs: int):
        self.samples = samples
        self.folder = None
        if jobs != 1:
            _remove_abandoned()
            self.folder = tempfile.TemporaryDirectory(prefix=f"thymos-{os.getpid()}-")

    def __enter__(self) -> Any:
        return self.samples.save(Path(self.folder.name) / "samples") if self.folder else self.samples

    def __exit__(self, *error: Any) -> None:
        if self.folder:
            self.folder.cleanup()


def _remove_abandoned() -> None:
    """Remove the copies of samples that killed processes left behind."""
    if os.name != "posix":
        return  # elsewhere there is no harmless way to ask for a process
    for folder in Path(tempfile.gettempdir()).glob("thymos-*-*"):
        owner = folder.name.split("-")[1]
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, PermissionError):
            continue


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
    failure = None
    for draw in range(_REDRAWS):
        seed = child_seed(study.seed, "permuted", draw)
        try:
            return seed, _cut(study, permute_trial_labels(samples, seed))
        except ProtocolError as error:
            failure = error
    raise ProtocolError(
        f"The control with permuted labels cannot be split: {failure.came}",
        fits=failure.fits,
        do="choose fewer splits, or give up the control with permuted: []",
    )


def _audit(study: Study, samples: Samples, folds: dict[str, list[Fold]], classes: list[str], results: Results) -> None:
    """Audit splits and data, and set what nuisances predict beside what the methods predict."""
    finished = results if len(results.read("rows")) else None
    audit = Audit()
    try:
        audit_run(audit, study, samples, folds, classes, finished, lambda text: None)
    except Exception as error:  # fits are finished and stored: a fault of the audit must not take their report along
        audit.skipped.append(f"what comes after: the audit itself failed ({type(error).__name__}: {error})")
    results.write_facts("audit", {"findings": audit.findings, "searched": audit.searched, "skipped": audit.skipped})
    results.write_table("probes", audit.probes)


def _fold_table(study: Study, samples: Samples, folds: dict[str, list[Fold]]) -> pd.DataFrame:
    """Return how many samples of each recording stand in each part of each fold, for the drawing of the split."""
    kind = "recording" if "recording" in samples.meta.columns else "trial"
    tables = []
    for protocol, parts in folds.items():
        within = make_protocol(study, protocol).within
        for fold in (fold for fold in parts if fold.repeat == 0):
            numbers = {part: getattr(fold, part) for part in ("train", "validation", "test")}
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
    rated = {} if classes else samples.meta.assign(y=samples.y).drop_duplicates("trial")["y"].astype(float)
    return {
        "ratings": {} if classes else {"min": rated.min(), "max": rated.max(), "mean": rated.mean(), "sd": rated.std()},
        "source": study.source.model_dump(),
        "summary": row.summary,
        "citation": row.citation,
        "licence": getattr(row, "licence", ""),
        "obtain": getattr(row, "obtain", ""),
        "cautions": [*_simulated(samples), *_divided(study, samples), *getattr(row, "cautions", ()), *study.cautions],
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
        "processing": [*_told(study.process, "process"), *_told(study.features, "transformer", samples.info)],
        "notes": notes[notes != ""].value_counts().to_dict(),
    }


def _told(steps: list[Step], kind: str, info: Mapping[str, Any] | None = None) -> list[str]:
    """Return what was done to each recording before windows were cut, and what of it cannot be done on a stream."""
    told = []
    for step in steps:
        row = resolve(step.name, kind)
        parameters = {**row.parameters, **step.parameters}
        words = f"{step.name}: {row.summary}"
        words += f" ({', '.join(f'{k}={v}' for k, v in parameters.items())})" if parameters else ""
        if kind == "process":
            live = parameters.get("causal") or getattr(row, "live", False)
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
    return [
        f"{' and '.join(offline)} make the windows of a trial depend on each other: {' and '.join(dividing)}, which "
        "divides trials, leaks through them too."
    ]


def _simulated(samples: Samples) -> list[str]:
    """Return a caution for files that were simulated in the layout of a corpus; nothing else tells them from real."""
    if not samples.info.get("simulated"):
        return []
    return ["These files were simulated in the layout of the corpus: no result here is about people."]


def _recipe(estimators: dict[str, Any], grids: dict[str, list]) -> str:
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


def default_jobs() -> int:
    """Return the number of processes this machine has cores for."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
