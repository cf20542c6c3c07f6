"""One model of all the data of a study, to be deployed: trained, calibrated, and told what may be expected of it.

Nothing here is a test. What a method is worth is measured by running the study, whose results are copied beside the
model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from thymos.base.cache import Cache
from thymos.base.catalogue import near, resolve
from thymos.base.errors import InputError
from thymos.base.labels import MEDIAN, settled
from thymos.base.probabilities import Calibration, fit_calibration, predict_all, trial_means, trial_probabilities
from thymos.base.random import child_seed
from thymos.base.recording import Frames, Recording, Signal
from thymos.base.samples import Samples
from thymos.evaluation.audit import check_split
from thymos.evaluation.fit import Fitted, fit_method, seed_estimator
from thymos.evaluation.make import classes_of, make_estimator, make_grid, make_samples, make_source, simulated_data
from thymos.evaluation.many import last_step
from thymos.evaluation.metrics import classification_metrics, rating_metrics
from thymos.evaluation.provenance import environment
from thymos.evaluation.results import Results
from thymos.evaluation.statistics import summarise
from thymos.evaluation.study import Modality, Study, Windows, honest_protocol, make_protocol
from thymos.signals.frames import frames_digest
from thymos.signals.processing import make_process, signal_digest, signal_spread
from thymos.signals.scaling import PickModality

__all__ = ["Trained", "expected_of", "train_method"]

#: What is kept of the metrics of the validation part.
_SHOWN = ("accuracy", "balanced_accuracy", "log_loss", "ece", "ccc", "rmse")

_NO_TEST = (
    "stopping, parameters and calibration were decided on the validation part, as far as the method has them: these "
    "numbers flatter the model and are no test result"
)


@dataclass(frozen=True)
class Trained:
    """A trained method with what is needed to use it.

    Parameters
    ----------
    estimator : fitted scikit-learn estimator
    recipe : dict
        What the recordings were before anything was done to them, and how samples were made of them, as plain values:
        ``modality, channels, unit, rates`` (Hz), ``spread`` (in `unit`), ``process, processed, features, seconds, step,
        drop, subtract_baseline``.
    classes : list of str
        In the order of the probabilities; empty for ratings.
    level : {'window', 'trial'}
        What is decided about.
    calibration : Calibration
    card : dict
        Provenance and expected performance, as plain values.
    known : dict of str to str
        Hash of each recording that was used, and whether for training or validation.
    """

    estimator: Any
    recipe: dict[str, Any]
    classes: list[str]
    level: str
    calibration: Calibration
    card: dict[str, Any]
    known: dict[str, str]


def train_method(
    study: Study,
    method: str,
    data: str | Path | None = None,
    cache: Cache | None = None,
    seed: int = 0,
    protocol: str | None = None,
    run: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    check: Callable[[Any, dict[str, Any]], Any] | None = None,
) -> Trained:
    """Train a method of a study on all its data but a validation part.

    Parameters
    ----------
    study : Study
    method : str
        Its name in the study.
    data : path, optional
        Folder that holds the corpora.
    cache : Cache, optional
        Where samples are kept, and taken from if the same were made before.
    seed : int
    protocol : str, optional
        The protocol by whose rule the validation part is cut; the first honest one of the study by default.
    run : path, optional
        A finished run of this study, whose results under honest protocols are copied into the card.
    progress : callable, optional
        Called with numbers of subjects begun and in all, and a text.
    check : callable, optional
        Called with the estimator and the recipe before anything is trained; raises if they cannot be stored.

    Raises
    ------
    InputError
        If there is no such method or protocol, the protocol leaks, or the run is of something else or not finished.
    ThymosError
        Of the source, the protocol or the method.
    """
    say = progress or (lambda done, total, text: None)
    if f"methods.{method}" in study.reduced:
        raise InputError(
            f"The budget {study.budget!r} leaves out {method!r}.",
            fits=f"another budget, such as full, or one of {', '.join(study.methods)}",
        )
    if method not in study.methods:
        raise InputError(
            f"The study has no method {method!r}.{near(method, study.methods)}", f"one of {', '.join(study.methods)}"
        )
    if study.pairing is not None:
        raise InputError(
            "The study tests pairs, which nobody records.",
            fits="a study of one modality, or of several that were recorded together",
        )
    name, rule = honest_protocol(study, protocol)
    if run is not None:
        _check_run(Results(run), study)
    say(0, 0, "reading data")
    samples = make_samples(study, data, cache, say)
    classes, fingerprint = classes_of(study, samples), samples.fingerprint()
    expected = [] if run is None else expected_of(run, study, method, fingerprint)
    fold = rule.holdout(samples.meta, samples.y)
    # of a column whose values are split one by one, such as the sessions of a subject, the same name may come again
    check_split(samples.meta, fold, ("trial",) if rule.within else (*rule.keys, "trial"), rule.guard)
    estimator = make_estimator(study, method, samples.info)
    grid = make_grid(study, method, estimator)
    recipe, trials = _entry(study, estimator, samples, data, say)
    if check is not None:
        check(estimator, recipe)
    say(0, 0, "training")
    seeded = seed_estimator(estimator, child_seed(study.seed, seed, "deploy"))
    fitted = fit_method(seeded, samples, fold, classes, grid)
    whole = settled(samples, fold.train)
    calibration, validation = _calibrated(study, fitted, whole, classes, fold.note)
    last = last_step(fitted.estimator)
    card = {
        **_origin(study, method, samples),
        "seed": seed,
        "protocol": name,
        "fingerprint": fingerprint,
        "threshold": _threshold(study, samples, fold.train),
        "n_train": len(fitted.train),
        "n_validation": len(fitted.validation),
        "n_parameters": getattr(last, "n_parameters_", None),
        "best_epoch": getattr(last, "best_epoch_", None),
        "chosen": fitted.chosen,
        "validation": validation,
        "expected": expected,
        "environment": environment(),
    }
    held = set(whole.meta["trial"].iloc[fitted.validation])
    used = set(whole.meta["trial"].iloc[np.concatenate([fitted.train, fitted.validation])])
    known = {digest: "validation" if t in held else "training" for digest, t in trials.items() if t in used}
    return Trained(fitted.estimator, recipe, classes, study.level, calibration, card, known)


def expected_of(run: str | Path, study: Study, method: str, fingerprint: str | None = None) -> list[dict[str, Any]]:
    """Return what a method reached under the honest protocols of a finished run, as its report states it.

    Parameters
    ----------
    run : path
        Folder of a run.
    study : Study
        The same as that of the run.
    method : str
    fingerprint : str, optional
        Of the data; those of the run must be the same.

    Returns
    -------
    list of dict
        For each honest protocol its ``protocol, question, metric, level, value``, the 95 % interval ``low, high`` over
        ``n_units`` of ``unit``, ``chance``, and ``caution``: in what the deployed model differs from those measured.

    Raises
    ------
    InputError
        If the run is of another study, of other data, not finished, or has no such method.
    DataError
        If the folder is no run.
    """
    results = Results(run)
    _check_run(results, study, fingerprint)
    rules = {name: make_protocol(study, name) for name in study.protocols}
    predictions = results.read("predictions")
    mine = predictions[
        (predictions["method"] == method)
        & (predictions["labels"] == "true")
        & predictions["protocol"].isin([name for name, rule in rules.items() if not rule.leaky])
    ]
    if not len(mine):
        raise InputError(f"{results.folder} has no results of {method!r} under an honest protocol.", "a run with them")
    classes = results.read_facts("data", "classes")["classes"]
    table = summarise(mine, classes, (study.metric,), (study.level,)).set_index("protocol")
    expected = []
    for name in (name for name in study.protocols if name in table.index):
        row, rule = table.loc[name], rules[name]
        numbers = {key: float(row[key]) for key in ("value", "low", "high", "chance")}
        caution = (
            f"measured with one model for each {rule.within}; this one was trained on all of them together"
            if rule.within
            else "measured with models trained on fewer data than this one"
        )
        head = {"protocol": name, "question": rule.question, "metric": study.metric, "level": study.level}
        expected.append({**head, **numbers, "unit": row["unit"], "n_units": int(row["n_units"]), "caution": caution})
    return expected


def _check_run(results: Results, study: Study, fingerprint: str | None = None) -> None:
    """Refuse a run of another study or of other data, or one that is not finished."""
    facts = results.read_facts("study", "digest", "fingerprint", "n_tasks", "study")
    other = facts["digest"] != study.digest()
    if other or (fingerprint is not None and facts["fingerprint"] != fingerprint):
        raise InputError(
            f"{results.folder} is a run of {'something else' if other else 'other data'} (study "
            f"{facts['study']['name']!r}, budget {facts['study']['budget']!r}).",
            fits=f"a run of {study.name!r} with the budget {study.budget!r}, of the same data",
            do="run the study first: thymos run STUDY --out DIR",
        )
    rows = results.read("rows")
    done = len(rows.drop_duplicates(["protocol", "method", "labels", "fold", "seed"])) if len(rows) else 0
    if done < facts["n_tasks"]:
        raise InputError(
            f"{results.folder} holds {done} of {facts['n_tasks']} fits.",
            fits="a finished run",
            do="give the command that began it again; finished fits are kept",
        )


def _entry(
    study: Study, estimator: Any, samples: Samples, data: str | Path | None, say: Callable[[int, int, str], None]
) -> tuple[dict, dict[str, str]]:
    """Return the recipe of a study's samples, and a hash of each of its recordings with its trial.

    Signals are read as they came, once, whatever the cache holds: what enters later is compared with that.
    """
    parts = _modalities(study, estimator)
    seen = {(spec.of or name): _Signals(spec.of or name) for name, spec in parts.items() if not spec.images}
    for recording in make_source(study, data).load().watched(say) if seen else ():
        for one in seen.values():
            if one.modality in recording.signals:
                one.see(recording)
    trials: dict[str, str] = {}
    recipes = {}
    for name, spec in parts.items():
        X = samples.X[name] if isinstance(samples.X, dict) else samples.X
        if spec.images:
            recipes[name], digests = _picture_entry(spec, spec.of or name, X, samples.meta)
            trials |= digests
        else:
            recipes[name] = seen[spec.of or name].recipe(study, spec)
    for one in seen.values():
        trials |= one.trials
    first = getattr(estimator, "steps", [("", estimator)])[0][1]
    if not isinstance(samples.X, dict) or isinstance(first, PickModality):  # which passes on what is one array
        return next(iter(recipes.values())), trials
    shapes = {name: list(samples.X[name].shape[1:]) for name in parts}
    return {"modalities": recipes, "shapes": shapes, "missing": study.missing_modality}, trials


def _modalities(study: Study, estimator: Any) -> dict[str, Modality]:
    """Return how each modality that a method looks at becomes samples; a study of one has one."""
    first = getattr(estimator, "steps", [("", estimator)])[0][1]
    looked_at = {first.modality} if isinstance(first, PickModality) else set()
    for parameter in getattr(first, "steps_by_modality", {}):
        looked_at |= {name for name, _ in getattr(first, parameter) or ()}
    if study.modalities:
        return {name: spec for name, spec in study.modalities.items() if name in looked_at or not looked_at}
    one = Modality(of=study.modality, process=study.process, features=study.features, images=study.images)
    if study.keep_signals:
        both = {"features": one, "signals": one.model_copy(update={"features": []})}
        return {name: spec for name, spec in both.items() if name in looked_at or not looked_at}
    return {study.modality: one}


class _Signals:
    """What the recordings of training are like in one modality, before anything was done to them."""

    def __init__(self, modality: str):
        self.modality = modality
        self.trials: dict[str, str] = {}
        self._first: Recording | None = None
        self._facts: dict[str, Any] | None = None
        self._rates: set[float] = set()
        self._spreads: list[float] = []

    def see(self, recording: Recording) -> None:
        """Take note of a recording."""
        signal = cast(Signal, recording.signal(self.modality))
        mine: dict[str, Any] = {"channels": list(signal.ch_names), "unit": signal.unit}
        if self._facts is not None and mine != self._facts:
            raise InputError(
                f"The recording {recording.meta['trial']!r} has {mine}.",
                fits=f"channels and unit of the first recording, {self._facts}",
                do="pick the same channels of all recordings; own files have the parameter `channels`",
            )
        self._first, self._facts = self._first or recording, mine
        self._rates.add(float(signal.sfreq))
        self._spreads.append(signal_spread(signal))
        self.trials[signal_digest(signal)] = str(recording.meta["trial"])

    def recipe(self, study: Study, spec: Modality) -> dict:
        """Return how samples are made of such recordings, in plain values."""
        made = cast(Recording, self._first)
        for step in spec.process:
            parameters = cast("dict[str, Any]", step.parameters)
            made = make_process(step.name, self.modality, **parameters).apply(made)
        signal, known = cast(Signal, made.signal(self.modality)), np.isfinite(self._spreads)
        return {
            "modality": self.modality,
            **cast("dict[str, Any]", self._facts),
            "rates": sorted(self._rates),
            "spread": float(np.median(np.array(self._spreads)[known])) if known.any() else 0.0,
            "process": _plain(spec.process),
            "features": _plain(spec.features),
            "processed": {"channels": list(signal.ch_names), "sfreq": float(signal.sfreq), "unit": signal.unit},
            **cast(Windows, study.windows).model_dump(mode="json"),
            "subtract_baseline": study.subtract_baseline and bool(spec.features),
        }


def _picture_entry(spec: Modality, modality: str, X: np.ndarray, meta: pd.DataFrame) -> tuple[dict, dict[str, str]]:
    """Return the recipe of pictures, and a hash of each with its trial."""
    there = np.isfinite(X).all(axis=tuple(range(1, X.ndim))) if X.dtype.kind == "f" else np.ones(len(X), bool)
    digests = (frames_digest(Frames(picture[None])) for picture in X[there].astype(np.uint8, copy=False))
    recipe = {"modality": modality, "shape": list(X.shape[1:]), "process": _plain(spec.process)}
    recipe["whole"] = sorted(meta["source"].unique())  # a picture of anything else may show more than a face
    return recipe, dict(zip(digests, meta["trial"][there].astype(str), strict=True))


def _plain(steps: list[Any]) -> list[dict]:
    return [step.model_dump(mode="json") for step in steps]


def _threshold(study: Study, samples: Samples, train: np.ndarray) -> float | None:
    """Return where a rating was split, if it was."""
    if study.target.rule is None:
        return None
    threshold = study.target.rule.threshold
    return float(np.median(samples.y[train]) if threshold == MEDIAN else threshold)


def _calibrated(
    study: Study, fitted: Fitted, samples: Samples, classes: list[str], note: str
) -> tuple[Calibration, dict[str, Any]]:
    """Return a calibration on the validation part, and what there is to say about that part."""
    held = samples[fitted.validation]
    if not len(held):
        reason = note or "everything was trained on, after a choice on inner folds"
        return Calibration(), {"calibration": f"none: there is no validation part ({reason})"}
    trials = held.meta["trial"].to_numpy(str) if study.level == "trial" else None
    predicted = predict_all(fitted.estimator, held, classes)
    if not classes:
        words = "none: ratings are predicted"
        before = _measured(held.y, predicted, trials, classes)
        return Calibration(), {"calibration": words, "level": study.level, "metrics": before, "caution": _NO_TEST}
    codes = np.array([classes.index(str(label)) for label in held.y])
    if len(set(codes)) < 2:
        calibration, words = Calibration(), "none: the validation part has one class only"
    else:
        calibration = fit_calibration(predicted, codes, trials)
        count = len(codes) if trials is None else len(np.unique(trials))
        words = f"temperature {calibration.temperature:.3g}, fitted on {count} {study.level}s"
    before, after = (_measured(codes, p, trials, classes) for p in (predicted, calibration.apply(predicted)))
    facts = {"level": study.level, "before": before, "after": after, "caution": _NO_TEST}
    return calibration, {"calibration": words, **facts}


def _measured(
    y: np.ndarray, predicted: np.ndarray, trials: np.ndarray | None, classes: list[str]
) -> Mapping[str, float]:
    """Return some metrics at the level of trials, or without these of windows."""
    if trials is not None:
        first, predicted = (trial_probabilities if classes else trial_means)(trials, predicted)
        y = y[first]
    found = classification_metrics(y, predicted, classes) if classes else rating_metrics(y, predicted)
    return {key: float(found[key]) for key in _SHOWN if key in found}


def _origin(study: Study, method: str, samples: Samples) -> dict[str, Any]:
    """Return which study, method and data a model comes from."""
    row = resolve(study.source.name, "source")
    stored = study.model_dump(mode="json", exclude={"folder", "budgets"})
    place = getattr(row, "file", "")
    if stored["source"]["parameters"].get(place):  # where it lies is nobody else's business
        stored["source"]["parameters"][place] = Path(stored["source"]["parameters"][place]).name
    simulated = simulated_data(samples.info, study.source.name)
    words = ["trained on simulated data: nothing here is about people"] if simulated else []
    return {
        "study": stored,
        "study_digest": study.digest(),
        "method": method,
        "title": study.methods[method].title or method,
        "target": str(study.target),
        "data": {
            "source": study.source.name,
            "summary": row.summary,
            "citation": row.citation,
            "licence": getattr(row, "licence", ""),
            **{f"n_{key}s": int(samples.meta[key].nunique()) for key in ("subject", "trial")},
            "n_windows": len(samples),
        },
        "cautions": [*words, *getattr(row, "cautions", ()), *study.cautions],
    }
