"""The whole audit of a study or a run: splits, data, methods, probes and controls, in one report."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from sklearn.base import clone

from thymos.base.cache import Cache
from thymos.base.catalogue import resolve
from thymos.base.errors import DataError, StudyError, ThymosError
from thymos.base.labels import settled
from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.audit import (
    Finding,
    audit_fold,
    copied_trials,
    flat_samples,
    row_hashes,
    telling,
    unattributed,
)
from thymos.evaluation.continuity import Joins, continued
from thymos.evaluation.evidence import (
    LEAST_TRIALS,
    Neighbourhood,
    constant_features,
    interpolated,
    label_carriers,
    near_copies,
    one_person,
    prepared_statistics,
)
from thymos.evaluation.fit import fit_fold, permute_trial_labels, seed_estimator
from thymos.evaluation.interventions import inner_splits, intervene, small_fold
from thymos.evaluation.make import classes_of, make_estimator, make_samples
from thymos.evaluation.metrics import direction, predictions_of
from thymos.evaluation.probes import FEW_TREES, PROBES, TREES, Probe, evidence, probe_folds
from thymos.evaluation.protocol import Fold, Protocol
from thymos.evaluation.provenance import split_digest
from thymos.evaluation.results import Results
from thymos.evaluation.statistics import holm, summarise
from thymos.evaluation.study import Study, make_protocol
from thymos.signals.likeness import LEAST_PICTURES, LEAST_SIDE, altered_pairs

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Audit", "audit_data", "audit_methods", "audit_probes", "audit_run", "audit_study", "try_method"]

_ALPHA = 0.05
_AS_WELL = 0.02  # a probe this close below a method predicts the label as well as the method
_STAND_IN = "nearest neighbour"  # for the methods, where none is fitted yet
_DRAWS = 3
_PICTURES = 10_000  # that are compared with each other, moved and mirrored
_FEW, _OF_A_TRIAL = 20, 5  # samples of each class that a method is tried on, and at first of one trial
_EPOCHS = (2, 4)  # pruning takes four
_LENGTHS = (
    *("max_epochs", "max_steps", "dense_epochs", "search_epochs", "personal_epochs"),
    *("pretraining_steps", "class_steps", "judge_epochs"),
)

EXPERIMENTS = (
    "each method, run again with other labels and other features in the test part: scaling, feature selection, "
    "resampling, early stopping or model choice with test rows would change its predictions"
)


@dataclass
class Audit:
    """What an audit found.

    Parameters
    ----------
    findings : list of dict
        Fields of :class:`~thymos.evaluation.audit.Finding`, its ``severity``, and where: ``protocol`` (empty for
        all), ``leaky``, ``fold``.
    probes, controls : DataFrame
        Tables as of :func:`~thymos.evaluation.statistics.summarise`: probes on nuisance signals, and a reference with
        true, permuted and simulated null labels.
    searched, skipped : list of str
        What was looked for, and what could not be, with the reason.
    """

    findings: list[dict[str, Any]] = field(default_factory=list)
    probes: pd.DataFrame = field(default_factory=pd.DataFrame)
    controls: pd.DataFrame = field(default_factory=pd.DataFrame)
    searched: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found but notes and what the leaky controls are meant to have."""
        return not any(f["severity"] != "note" and not f["leaky"] for f in self.findings)

    def add(self, findings: Iterable[Finding], protocol: str = "", leaky: bool = False, fold: str = "") -> None:
        """Note findings and where they were made."""
        self.findings += [
            {"protocol": protocol, "leaky": leaky, "fold": fold, "severity": f.severity, **f.__dict__} for f in findings
        ]


def audit_study(
    study: Study,
    data: str | Path | None = None,
    results: Results | None = None,
    progress: Callable[[str], None] | None = None,
    cache: Cache | None = None,
) -> Audit:
    """Audit a study, or a run of it.

    Parameters
    ----------
    study : Study
    data : path, optional
        Folder that holds the corpora.
    results : Results, optional
        A run of the study: its stored splits, fits and controls are audited too, and probes are compared with its
        methods. Without it a 1-nearest neighbour on the first method's features stands for the methods.
    progress : callable, optional
        Called with what is being done.
    cache : Cache, optional
        Where samples are kept, and taken from if the same were made before.

    Raises
    ------
    DataError
        If the data are not those of the run.
    ThymosError
        Of the source, the protocols or the methods.
    """
    say = progress or (lambda text: None)
    say("reading data")
    samples = make_samples(study, data, cache, lambda done, total, text: say(text))
    classes = classes_of(study, samples)
    protocols = {name: make_protocol(study, name) for name in study.protocols}
    folds = {name: protocol.folds(samples.meta, samples.y) for name, protocol in protocols.items()}
    estimators = {name: make_estimator(study, name, samples.info) for name in study.methods}
    audit = Audit()
    if results is not None:
        say("comparing with the run")
        _check_run(audit, samples, folds, results)
    samples = settled(samples)  # which side of the median a rating is on is no matter for any leak
    first = next(iter(folds.values()))[0]
    for name, estimator in estimators.items():
        try_method(name, estimator, samples, first, classes)
    say("changing the test part")
    audit_methods(audit, estimators, samples, folds, protocols, classes)
    finished = results is not None and len(results.read("rows")) > 0
    if not finished:
        say("fitting controls")
        audit.controls = _controls(study, samples, estimators, classes)
        _null(audit, study, estimators, protocols)
    audit_run(audit, study, samples, folds, classes, results if finished else None, say)
    return audit


def audit_run(
    audit: Audit,
    study: Study,
    samples: Samples,
    folds: dict[str, list[Fold]],
    classes: list[str],
    results: Results | None,
    say: Callable[[str], None],
) -> Audit:
    """Search splits and data, judge the controls, and compare probes with the methods.

    Parameters
    ----------
    audit : Audit
        What was found so far; ``controls`` of the reference where there are no results.
    study, samples, folds, classes
        The study, its data and how they are split.
    results : Results, optional
        A run with finished fits, whose methods and controls with permuted labels are then the ones compared.
    say : callable
        Called with what is being done.
    """
    protocols = {name: make_protocol(study, name) for name in study.protocols}
    say("searching splits and data")
    audit_data(audit, samples, folds, protocols)
    if results is not None:
        predictions = results.read("predictions")
        true = predictions[predictions["labels"] == "true"]
        references = summarise(true, classes, (study.metric,), (study.level,))
        permuted = predictions[predictions["labels"] == "permuted"]
        audit.controls = summarise(permuted.assign(labels="true"), classes, (study.metric,), ("window",))
        audit.controls["labels"] = "permuted"
    else:
        references = audit.controls[audit.controls["labels"] == "true"] if len(audit.controls) else audit.controls
    _hidden(audit, protocols)
    say("probing nuisances")
    audit_probes(audit, study, samples, folds, protocols, classes, references)
    return audit


def try_method(name: str, estimator: Any, samples: Samples, fold: Fold, classes: list[str]) -> None:
    """Try a method on a few samples, so that a mistake in it is found before the first of many fits.

    Raises
    ------
    StudyError
        With the method's name and what went wrong.
    """
    train, validation = (_few_of_each(samples, rows, classes) for rows in (fold.train, fold.validation))
    fold = Fold("probe", train, validation, fold.test[:5], key=fold.key)
    try:
        for short in _shortened(estimator):
            with suppress(Exception):
                fit_fold(short, samples, fold, classes)
                return
        fit_fold(estimator, samples, fold, classes)  # the method as it is decides, and says what is wrong
    except ThymosError as error:
        raise StudyError(f"methods.{name}: {error.came}", error.fits, error.do) from None
    except Exception as error:
        raise StudyError(
            f"methods.{name} fails on a few samples of shape {_shapes(samples)}: {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else ''}",
            fits="steps that fit together: features, `flatten` where a classifier wants a table, a classifier at last",
            do="correct the method's steps and parameters",
        ) from error


def _few_of_each(samples: Samples, rows: np.ndarray, classes: list[str]) -> np.ndarray:
    """Return rows of each class, of several trials and people, since methods divide their training part by these."""
    trials = samples.meta["trial"].iloc[rows]
    late = trials.groupby(trials.to_numpy()).cumcount().to_numpy() >= _OF_A_TRIAL
    rows = rows[np.argsort(late, kind="stable")]
    labels = samples.y[rows] if classes else np.zeros(len(rows))
    people = samples.meta["subject"].iloc[rows].to_numpy()
    turn = pd.Series(rows).groupby([labels, people]).cumcount().to_numpy() // (_FEW // 2)
    rows, labels = (of[np.argsort(turn, kind="stable")] for of in (rows, labels))
    return np.sort(np.concatenate([rows[:0], *(rows[labels == label][:_FEW] for label in np.unique(labels))]))


def _shapes(samples: Samples) -> Any:
    """Return the shape of one sample, by modality where there are several."""
    X = samples.X
    return {name: array.shape[1:] for name, array in X.items()} if isinstance(X, dict) else X.shape[1:]


def audit_data(audit: Audit, samples: Samples, folds: dict[str, list[Fold]], protocols: dict[str, Protocol]) -> None:
    """Search the splits and the samples themselves."""
    near, hashes, joins = Neighbourhood(samples), row_hashes(samples), Joins(samples)
    pictures = not isinstance(samples.X, dict) and samples.X.ndim == 4
    large = pictures and min(samples.X.shape[2:]) >= LEAST_SIDE and len(samples) >= LEAST_PICTURES
    altered = altered_pairs(samples.X, _PICTURES) if large else None
    doubles = one_person(samples, near)
    for name, parts in folds.items():
        protocol = protocols[name]
        for fold in parts:
            audit.add(audit_fold(samples, fold, protocol.keys, protocol.guard, hashes), name, protocol.leaky, fold.name)
        for fold, finding in (*near_copies(samples, parts, near, altered), *continued(samples, parts, joins)):
            audit.add([finding], name, protocol.leaky, fold.name)
        audit.add(unattributed(samples.meta, parts), name, protocol.leaky)
        if "subject" in protocol.keys:
            audit.add(doubles, name, protocol.leaky)
    audit.searched.append("keys on both sides, windows that share signal, synthetic samples outside training")
    if joins.searched:
        audit.searched.append("signal that goes by several names")
    else:
        audit.skipped.append("signal that goes by several names (these are no windows of signals)")
    if pictures:
        words = "pictures that are others, moved, mirrored or at another brightness"
        if not large:
            audit.skipped.append(f"{words} (fewer than {LEAST_PICTURES}, or of less than {LEAST_SIDE} pixels)")
        elif len(samples) <= _PICTURES:
            audit.searched.append(words)
        else:
            audit.searched.append(f"{words} (among {_PICTURES} of {len(samples)}, chosen at random)")
    if joins.sequences:
        audit.searched.append("sequences made over borders of trials")
    if telling(samples):
        audit.searched.append("exact copies across the split")
    else:
        audit.skipped.append("copies (samples of so few values are alike by chance)")
    audit.add(interpolated(samples, near))
    if near.aligned:
        audit.skipped.append("samples interpolated between trials (rounded or nearly in a plane: on lines by chance)")
    else:
        audit.searched.append("samples interpolated between trials")
    if near.crowded:
        audit.skipped.append(
            f"near copies (the samples vary in {near.dimension:.1f} directions only, in which neighbours come that "
            "close by chance)"
        )
    else:
        audit.searched.append("near copies")
    if len(near.rows) < len(samples):
        share = (len(near.rows) / len(samples)) ** 2
        audit.skipped.append(f"near copies and interpolation in all but {share:.0%} of the pairs of samples")
    audit.add([*copied_trials(samples, hashes), *flat_samples(samples)])
    _audit_features(audit, samples, next(parts for name, parts in folds.items() if not protocols[name].leaky))


def _audit_features(audit: Audit, samples: Samples, folds: list[Fold]) -> None:
    """Search the features of each modality, under an honest protocol."""
    once = [fold for fold in folds if fold.repeat == 0]
    for name, array in samples.X.items() if isinstance(samples.X, dict) else [("", samples.X)]:
        part, of = samples.replace(X=array), f" of {name}" if name else ""
        if name and np.isnan(array.reshape(len(array), -1)).all(axis=1).any():
            audit.skipped.append(f"features{of}, which some samples lack")
            continue
        audit.add([*prepared_statistics(part, once[0]), *label_carriers(part, once), *constant_features(part)])
        if array.ndim in (2, 3) or (array.ndim == 4 and array.dtype.kind == "f"):
            audit.searched.append(f"features{of} scaled or rotated with statistics of test rows, constant features{of}")
        else:
            audit.skipped.append(f"features{of} scaled or rotated with statistics of test rows (not for this layout)")
        if samples.meta["trial"].iloc[np.concatenate([f.test for f in once])].nunique() >= LEAST_TRIALS:
            audit.searched.append(f"features{of} that are the label")
        else:
            audit.skipped.append(
                f"features{of} that are the label (with fewer than {LEAST_TRIALS} trials one may be so by chance)"
            )


def audit_methods(
    audit: Audit,
    estimators: dict[str, Any],
    samples: Samples,
    folds: dict[str, list[Fold]],
    protocols: dict[str, Protocol],
    classes: list[str],
) -> None:
    """Experiment on every method with a small part of one honest fold, networks for a few epochs."""
    whole = next(parts for name, parts in folds.items() if not protocols[name].leaky)[0]
    n_train, fold = len(whole.train), small_fold(samples, whole)
    parts = fold.train, fold.validation, fold.test
    rows = np.sort(np.concatenate(parts))
    train, validation, test = (np.searchsorted(rows, part) for part in parts)
    few, fold = samples[rows], Fold(fold.name, train, validation, test, key=fold.key)
    for name, estimator in estimators.items():
        audit.add(inner_splits(estimator, n_train))
        words = ""
        for short in _shortened(seed_estimator(estimator, child_seed(0, name))):

            def procedure(data: Samples, part: Fold, short: Any = short) -> np.ndarray:
                return predictions_of(fit_fold(short, data, part, classes).predictions, classes)

            try:
                audit.add(intervene(procedure, few, fold, f"methods.{name}"))
                break
            except Exception as error:  # of any library, on so few samples
                words = words or getattr(error, "came", f"{type(error).__name__}: {error}").splitlines()[0]
        else:
            audit.skipped.append(f"experiments on {name} ({words})")
    audit.searched.append(EXPERIMENTS)


def audit_probes(
    audit: Audit,
    study: Study,
    samples: Samples,
    folds: dict[str, list[Fold]],
    protocols: dict[str, Protocol],
    classes: list[str],
    references: pd.DataFrame,
) -> None:
    """Compare what nuisances predict with chance and with the methods.

    Parameters
    ----------
    references : DataFrame
        Summary of the methods that the probes are compared with, true labels only.
    """
    made = probe_folds(samples, folds, classes, study.seed, FEW_TREES if study.budget == "tiny" else TREES)
    there = [name for name in PROBES if len(made) and name in set(made["method"])]
    missing = [name for name in PROBES if name not in there]
    if there:
        audit.searched.append(f"what nuisances predict by themselves ({', '.join(there)})")
    if missing:
        audit.skipped.append(f"probes without anything to see in these data ({', '.join(missing)})")
    if made.empty:
        return
    table = summarise(made, classes, (study.metric,), (study.level,))
    # who it is says nothing beyond chance if chance knows who it is
    named = made[made["method"] == "subject"].assign(subject="all")
    if len(named):
        drawn = summarise(named, classes, (study.metric,), (study.level,)).set_index("protocol")
        mine = table["method"] == "subject"
        for column in ("chance", "chance_high", "p"):
            table.loc[mine, column] = table.loc[mine, "protocol"].map(drawn[column])
        # a metric that is taken person by person, such as balanced accuracy, may gain nothing by knowing them
        gain = direction(study.metric) * (table["value"] - table["chance"])
        table.loc[mine & ~(gain > _AS_WELL), "p"] = 1.0
    table["title"] = table["method"].map(lambda name: PROBES[name].title)
    table["leaky"] = table["protocol"].map(lambda name: protocols[name].leaky)
    table["best"] = table["protocol"].map(lambda name: _best(references, name, study))
    table["stand_in"] = len(references) > 0 and set(references["method"]) == {_STAND_IN}
    table["p_holm"] = table.groupby("protocol")["p"].transform(lambda p: holm(p.fillna(1.0).tolist()))
    audit.probes = table
    for row in table[~table["leaky"] & (table["p_holm"] < _ALPHA)].to_dict("records"):
        probe = PROBES[row["method"]]
        counts = probe.counts != "never" and (
            probe.counts == "always" or not np.isfinite(row["best"]) or _enough(probe, row, study.metric)
        )
        text = _said(row, table[table["leaky"] & (table["method"] == row["method"])], study)
        finding = Finding(
            "shortcut" if counts else "hint", text, int(row["n_units"]), probe.do, evidence(samples, probe)
        )
        audit.add([finding], row["protocol"])


def _said(row: dict[str, Any], leaky: pd.DataFrame, study: Study) -> str:
    """Say what a probe reaches, beside chance, the best method and the leaky controls."""
    text = (
        f"{row['title'][0].upper()}{row['title'][1:]} alone, and nothing else, reaches {row['value']:.2f} "
        f"[{row['low']:.2f}, {row['high']:.2f}] ({study.metric.replace('_', ' ')} by {study.level}; chance "
        f"{round(row['chance'], 2) + 0.0:.2f}, p = {row['p_holm']:.3f} after Holm)"
    )
    text += "".join(f"; {r['value']:.2f} under {r['protocol']} (LEAKY)" for r in leaky.to_dict("records"))
    if not np.isfinite(row["best"]):
        return text + "."
    better = "as well as" if _as_well(row["value"], row["best"], study.metric) else "less than"
    if row["stand_in"]:
        rival = f"a nearest neighbour, which stands for the methods before a run ({row['best']:.2f})"
    else:
        rival = f"the methods do (the best: {row['best']:.2f})"
    return f"{text}. It predicts the label {better} {rival}."


def _best(references: pd.DataFrame, protocol: str, study: Study) -> float:
    """Return the best value of the methods under a protocol, the baseline aside."""
    if references.empty:
        return float("nan")
    mine = references[
        (references["protocol"] == protocol)
        & (references["metric"] == study.metric)
        & (references["level"] == study.level)
        & (references["labels"] == "true")
        & (references["method"] != study.baseline)
    ]["value"].dropna()
    sign = direction(study.metric)
    return sign * float((sign * mine).max()) if len(mine) else float("nan")


def _enough(probe: Probe, row: dict[str, Any], metric: str) -> bool:
    """Whether a probe tells so much that what the methods tell may be that."""
    if probe.counts == "half":
        return 2 * abs(row["value"] - row["chance"]) >= abs(row["best"] - row["chance"])
    return _as_well(row["value"], row["best"], metric)


def _as_well(value: float, best: float, metric: str) -> bool:
    """Whether a value is as good as the best method's: 0.02 below, for an error 2 % above."""
    margin = _AS_WELL * (abs(best) if direction(metric) < 0 else 1)
    return direction(metric) * (value - best) >= -margin


def _check_run(
    audit: Audit,
    samples: Samples,
    folds: dict[str, list[Fold]],
    results: Results,
) -> None:
    """Compare the stored run with the data and the splits as they are now."""
    stored = results.read_facts("study", "fingerprint")["fingerprint"]
    if stored != samples.fingerprint():
        raise DataError(
            f"The data are not those of the run in {results.folder}: fingerprint {samples.fingerprint()} now, "
            f"{stored} there.",
            fits="the copy of the corpus the run was made with",
            do="point --data at it, or audit the study by its name",
        )
    digests = results.read_facts("environment", "split_digests")["split_digests"]
    predictions = results.read("predictions")
    true = predictions[predictions["labels"] == "true"] if len(predictions) else predictions
    for name, parts in folds.items():
        if digests.get(name) != split_digest(samples, parts):
            text = f"The run was split in another way: split digest {digests.get(name)} there."
            audit.add([Finding("record", text, 0, "run the study again into a new folder")], name)
            continue
        for fold in parts if len(true) else ():
            mine = true[(true["protocol"] == name) & (true["fold"] == fold.name)]
            wrong = int((~mine["row"].isin(fold.test)).sum())
            if wrong:
                text = f"{wrong} stored predictions are of rows that were not in the test part."
                audit.add(
                    [Finding("record", text, wrong, "run the study again into a new folder")], name, fold=fold.name
                )
    audit.searched.append("stored splits and predictions against the splits as they are cut now")


def _controls(
    study: Study, samples: Samples, estimators: dict[str, Any], classes: list[str], draws: int = _DRAWS
) -> pd.DataFrame:
    """Fit the reference with true labels, and some times with labels permuted between trials, under every protocol."""
    estimator = _reference(study, estimators)
    labelled = {"true": samples}
    labelled |= {
        f"permuted {k + 1}": permute_trial_labels(samples, child_seed(study.seed, "audit", k)) for k in range(draws)
    }
    tables = []
    for labels, data in labelled.items():
        for protocol in study.protocols:
            try:
                parts = make_protocol(study, protocol).folds(data.meta, data.y)
            except ThymosError:
                continue  # this permutation leaves a class in one group only
            for fold in (fold for fold in parts if fold.repeat == 0):
                bare = Fold(fold.name, fold.train, fold.validation, fold.test)
                made = fit_fold(estimator, data, bare, classes).predictions
                head = {"protocol": protocol, "method": _STAND_IN, "fold": fold.name, "seed": 0}
                tables.append(made.assign(labels="true", draw=labels, **head))
    if not tables:
        return pd.DataFrame()
    made = pd.concat(tables, ignore_index=True)
    table = pd.concat(
        [summarise(part, classes, (study.metric,)).assign(labels=name) for name, part in made.groupby("draw")]
    )
    return table.reset_index(drop=True)


def _hidden(audit: Audit, protocols: dict[str, Protocol]) -> None:
    """Find honest protocols under which labels without meaning are predicted, in every permutation that was tried."""
    table = audit.controls
    if "level" in table:
        table = table[table["labels"].str.startswith("permuted") & (table["level"] == "window")]
    if table.empty or table["p"].isna().all():
        audit.skipped.append(
            "fits with labels permuted between the trials of each subject ("
            + ("there are none" if table.empty else "no subject has two labels")
            + ")"
        )
        return
    audit.searched.append("fits with labels permuted between the trials of each subject")
    table = table.assign(p=table.groupby(["protocol", "labels"])["p"].transform(lambda p: holm(p.fillna(1.0).tolist())))
    for (protocol, method), part in table.groupby(["protocol", "method"]):
        # one permutation may look like skill by accident; three of three hardly
        limit = _ALPHA if len(part) >= _DRAWS else _ALPHA / 5
        if protocols[protocol].leaky or not (part["p"] < limit).all():
            continue
        values = ", ".join(f"{v:.2f}" for v in part["value"])
        text = (
            f"With labels permuted between the trials of each subject, {method} still reaches {values} "
            f"(chance {part['chance'].mean():.2f}): training and test part share something that is not the label."
        )
        do = "look for one recording stored under several names, or trials that continue each other"
        audit.add([Finding("hidden", text, int(part["n_units"].max()), do)], protocol)


def _null(audit: Audit, study: Study, estimators: dict[str, Any], protocols: dict[str, Protocol]) -> None:
    """Run the reference on the study's simulator without any effect, where its source is one."""
    source = study.source
    if "null" not in inspect.signature(resolve(source.name, "source").load()).parameters:
        audit.skipped.append("the simulator's null mode (the study's source is recorded, not simulated)")
        return
    parameters = {**cast("dict[str, Any]", source.parameters), "null": True}
    null = study.model_copy(update={"source": source.model_copy(update={"parameters": parameters})})
    samples = settled(make_samples(null))
    classes = classes_of(null, samples)
    table = _controls(null, samples, estimators, classes, draws=0)
    if table.empty:
        audit.skipped.append("the simulator's null mode (these few simulated trials cannot be split)")
        return
    table = table.assign(labels="simulator null")
    audit.controls = pd.concat([audit.controls, table], ignore_index=True)
    for row in table[table["level"] == "window"].to_dict("records"):
        if not protocols[row["protocol"]].leaky and row["p"] < _ALPHA / 10:
            text = (
                f"On simulated data without any effect the reference reaches {row['value']:.2f} (chance "
                f"{row['chance']:.2f}, p = {row['p']:.4f})."
            )
            audit.add(
                [Finding("hidden", text, int(row["n_units"]), "this protocol leaks; do not use it")], row["protocol"]
            )
    audit.searched.append("the reference on simulated data without any effect")


def _reference(study: Study, estimators: dict[str, Any]) -> Any:
    """Return a nearest neighbour on the features of the study's first method, the baseline aside."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.preprocessing import FunctionTransformer

    methods = [e for name, e in estimators.items() if name != study.baseline]
    first = methods[0] if methods else estimators[study.baseline]
    nearest = KNeighborsRegressor(1) if study.target.rating else KNeighborsClassifier(1)
    steps = [(name, clone(step)) for name, step in first.steps[:-1]]
    return type(first)([*steps, ("table", FunctionTransformer(_flat)), ("nearest", nearest)])


def _flat(X: np.ndarray) -> np.ndarray:
    return np.asarray(X).reshape(len(X), -1)


def _shortened(estimator: Any) -> Iterator[Any]:
    """Yield copies of an estimator whose networks learn for a few epochs at most, those for the fewest first.

    What is no number of epochs stays as it is.
    """
    lengths = {
        name: value for name, value in estimator.get_params(deep=True).items() if name.split("__")[-1] in _LENGTHS
    }
    whole = {name: value for name, value in lengths.items() if isinstance(value, int)}
    shorter = [{name: min(value, epochs) for name, value in whole.items()} for epochs in _EPOCHS]
    for k, values in enumerate(shorter):
        if values not in shorter[:k]:
            yield clone(estimator).set_params(**values)
