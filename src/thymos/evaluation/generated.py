"""What the samplers of a study generate from the training part of one fold, beside real samples they never saw."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import fft
from sklearn.pipeline import Pipeline

from thymos.base.cache import Cache
from thymos.base.catalogue import load_object, near
from thymos.base.errors import InputError, ProtocolError, ThymosError, UnfitError, named
from thymos.base.labels import settled
from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.audit import check_split
from thymos.evaluation.fit import holds_signals, seed_estimator
from thymos.evaluation.make import make_estimator, make_samples
from thymos.evaluation.protocol import Fold, Protocol
from thymos.evaluation.saliency import ELEMENTWISE, featured, picked
from thymos.evaluation.splitters import TrialSplit
from thymos.evaluation.study import Study, honest_protocol
from thymos.signals.scaling import Flatten

__all__ = ["Generated", "GeneratedStudy", "generate_study"]

_SMALLEST_PHOTO = 16  # pixels
_TINY = 1e-30  # power of a constant channel has no logarithm


@dataclass(frozen=True, eq=False)
class Generated:
    """What the sampler of one method makes, and what it was made of.

    Parameters
    ----------
    method, title : str
    sampler : str
        Name of its class.
    parts : dict of str to (ndarray, ndarray)
        Samples, shape (n_samples, ...) as the sampler is given them, and their labels: ``train``, ``held`` and
        ``generated``.
    quality : thymos.augmentation.quality.Quality
    acceptance : DataFrame
        ``class, rule, share`` of what was drawn that passed the sampler's filter; empty without one.
    history : DataFrame
        One row for each judgement of a training; empty without one.
    notes : tuple of str
        Warnings of the sampler, and what was not done.
    bands, ch_names : tuple of str
        Names of bands and channels, if samples have them.
    members : ndarray, shape (n_bands, n_frequencies), optional
        Of signals, which frequency belongs to which band.
    sfreq : float, optional
        Of signals, in Hz.
    unplaced : str
        Why bands and channels have no names; empty if they have.
    """

    method: str
    title: str
    sampler: str
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]]
    quality: Any
    acceptance: pd.DataFrame
    history: pd.DataFrame
    notes: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    ch_names: tuple[str, ...] = ()
    members: np.ndarray | None = field(default=None, repr=False)
    sfreq: float | None = None
    unplaced: str = ""

    @property
    def photos(self) -> bool:
        """Whether samples are pictures."""
        shape = self.parts["train"][0].shape[1:]
        return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= _SMALLEST_PHOTO and bool(self.unplaced)

    @property
    def sequences(self) -> bool:
        """Whether samples are signals without a place on the scalp, such as heart rates."""
        return self.sfreq is not None and self.members is None

    def cells(self, part: str) -> np.ndarray:
        """Return one value of each band and channel, shape (n_samples, n_bands, n_channels).

        Features are averaged over windows; of signals it is the decimal logarithm of the power in the band.

        Raises
        ------
        InputError
            If bands and channels have no names.
        """
        if self.unplaced:
            raise InputError(self.unplaced, fits="a sampler that is given values by band and channel, or signals")
        X = self.parts[part][0]
        if self.members is None:
            return X.reshape(len(X), len(self.bands), len(self.ch_names), -1).mean(axis=-1)
        power = np.moveaxis(self.spectra(part) @ self.members.T.astype(np.float32), 2, 1)
        return np.log10(np.maximum(power, _TINY))

    def spectra(self, part: str) -> np.ndarray:
        """Return the power of signals at each frequency, shape (n_samples, n_channels, n_frequencies)."""
        X = self.parts[part][0]
        X = X.reshape(len(X), len(self.ch_names), -1)
        return np.square(np.abs(fft.rfft(X, axis=-1))) / X.shape[-1]


@dataclass(frozen=True, eq=False)
class GeneratedStudy:
    """What the samplers of a study make.

    Parameters
    ----------
    study : Study
    protocol, fold : str
        Whose training part was augmented.
    held : str
        Where the real samples come from that generated ones are compared with.
    seed : int
    methods : tuple of Generated
    gaps : dict of str to str
        Methods of which there is nothing to show, and why.
    """

    study: Study
    protocol: str
    fold: str
    held: str
    seed: int
    methods: tuple[Generated, ...]
    gaps: Mapping[str, str]

    def table(self) -> pd.DataFrame:
        """Return the measures of all methods, one row each, with the columns ``method`` and ``sampler`` before."""
        tables = []
        for one in self.methods:
            table = one.quality.table.copy()
            table.insert(0, "method", one.method)
            table.insert(1, "sampler", one.sampler)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the samples as plain values."""
        methods = {
            one.method: {
                "title": one.title,
                "sampler": one.sampler,
                **one.quality.to_dict(),
                "acceptance": one.acceptance.to_dict("records"),
                "history": one.history.astype(object).where(one.history.notna(), None).to_dict("records"),
                "sampler_notes": list(one.notes),
            }
            for one in self.methods
        }
        head = {name: getattr(self, name) for name in ("protocol", "fold", "held", "seed")}
        study = {"study": self.study.name, "budget": self.study.budget, "reduces": self.study.reduces}
        return {**study, "study_digest": self.study.digest(), **head, "methods": methods, "gaps": dict(self.gaps)}


def generate_study(
    study: Study,
    data: str | Path | None = None,
    methods: Sequence[str] = (),
    cache: Cache | None = None,
    protocol: str | None = None,
    fold: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> GeneratedStudy:
    """Let the samplers of a study augment the training part of one fold, and measure what they make.

    Everything before the sampler is fitted on the training part. Held-out samples are the validation part of the fold,
    passed through the same transformers; where there is none, trials are cut from the training part, which the sampler
    then does not see. The test part is touched by nothing.

    Parameters
    ----------
    study : Study
    data : path, optional
        Folder that holds the corpora.
    methods : sequence of str
        Names of methods; all that have a sampler by default: as a step, as a parameter ``sampler`` of the last one, or
        as the first step of what the last one fits to each subject.
    cache : Cache, optional
    protocol : str, optional
        The first honest one by default.
    fold : str, optional
        Name of a fold of it, the first by default.
    seed : int
    progress : callable, optional
        Called with numbers of subjects begun and in all, and a text.

    Returns
    -------
    GeneratedStudy

    Raises
    ------
    InputError
        If there is no such method, protocol or fold, the study predicts ratings, no method has a sampler, or no sampler
        makes anything that can be measured.
    ThymosError
        Of the source or the protocol.
    """
    say = progress or (lambda done, total, text: None)
    for name in methods:
        if name not in study.methods:
            raise InputError(f"The study has no method {name!r}.{near(name, study.methods)}", ", ".join(study.methods))
    if study.target.rating:
        raise InputError("The study predicts ratings.", fits="classes, of which samplers make more")
    name, rule = honest_protocol(study, protocol)
    say(0, 0, "reading data")
    samples = make_samples(study, data, cache, say)
    pipelines = {one: make_estimator(study, one, samples.info) for one in methods or study.methods}
    places = {one: place for one, pipeline in pipelines.items() if (place := _place(pipeline)) is not None}
    without = [one for one in pipelines if one not in places]
    if not places or (methods and without):
        raise InputError(
            f"The method {without[0]!r} has no sampler." if methods else "No method of the study has a sampler.",
            fits="a method with a sampler among its steps, such as smote, as the parameter `sampler` of the last, or "
            "first inside per_subject",
        )
    chosen = _fold(rule, samples, name, fold)
    samples = settled(samples, chosen.train)
    train, held, words = _held_out(rule, samples, chosen)
    made, gaps = [], {}
    for number, one in enumerate(places):
        say(number, len(places), f"generating: {one}")
        pipeline = seed_estimator(pipelines[one], child_seed(study.seed, seed, name, chosen.name))
        try:
            with named(f"methods.{one}"):
                made.append(_generated(study, one, pipeline, places[one], samples[train], samples[held], seed))
        except InputError as error:
            gaps[one] = str(error)
    if not made:
        raise InputError(
            "There is nothing to measure:\n" + "\n".join(f"    {text}" for text in gaps.values()),
            fits="a sampler that adds samples to the training part",
        )
    return GeneratedStudy(study, name, chosen.name, words, seed, tuple(made), gaps)


def _fold(rule: Protocol, samples: Samples, protocol: str, fold: str | None) -> Fold:
    folds = rule.folds(samples.meta, samples.y)
    names = [one.name for one in folds]
    if fold is not None and fold not in names:
        raise InputError(
            f"The protocol {protocol!r} has no fold {fold!r}.{near(fold, names)}",
            fits=", ".join(names[:10]) + (", ..." if len(names) > 10 else ""),
        )
    found = folds[0 if fold is None else names.index(fold)]
    check_split(samples.meta, found, (*rule.keys, "trial"), rule.guard)
    return found


def _held_out(rule: Protocol, samples: Samples, fold: Fold) -> tuple[np.ndarray, np.ndarray, str]:
    """Return rows of training and held-out samples, and where the latter come from."""
    if len(fold.validation):
        return fold.train, fold.validation, "the validation part of the fold"
    part = samples[fold.train]
    own = copy.copy(rule)
    own.validation, own.inner = rule.validation or 0.2, 0
    for way, words in ((own, f"by {' and '.join(rule.keys)}"), (TrialSplit(within=""), "by trial")):
        try:
            cut = way.holdout(part.meta, part.y)
        except ProtocolError:
            continue
        if len(cut.validation):
            why = f"the fold has no validation part; cut from its training part {words}"
            return fold.train[cut.train], fold.train[cut.validation], why
    raise InputError(
        f"The fold {fold.name} has no validation part, and its training part has too few trials to spare some.",
        fits="two trials of every class at least in the training part",
    )


def _place(pipeline: Pipeline) -> int | None:
    """Return the number of the step that has a sampler, or is one."""
    return next((number for number, (_, step) in enumerate(pipeline.steps) if _sampler(step) is not None), None)


def _sampler(step: Any) -> Any | None:
    """Return a step that is a sampler, or the sampler that it has."""
    inner = getattr(step, "sampler", None)
    if getattr(step, "for_each", ""):
        inner = step.estimator.steps[0][1] if isinstance(step.estimator, Pipeline) else None
    return next((one for one in (step, inner) if hasattr(one, "fit_resample")), None)


def _added(step: Any, X: np.ndarray, part: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples that a step adds to a training part, and their classes."""
    sampler, resample = _sampler(step), load_object("thymos.training.pipeline:resample")
    people: list[Any] = [slice(None)]
    if column := getattr(step, "for_each", ""):
        names = part.meta[column].astype(str).to_numpy(dtype=str)
        people = [np.flatnonzero(names == name) for name in np.unique(names)]
    found = []
    for mine in people:
        if len(np.unique(part.y[mine])) > 1:  # of one class only, the subject is given that class
            meta = part.meta.iloc[mine].reset_index(drop=True)
            more_X, more_y, meta = resample(sampler, X[mine], part.y[mine], meta)
            new = meta["synthetic"].to_numpy(dtype=bool)
            found.append((more_X[new], more_y[new]))
    if not found:
        return X[:0], part.y[:0]
    return np.concatenate([made for made, _ in found]), np.concatenate([labels for _, labels in found])


def _generated(
    study: Study, method: str, pipeline: Pipeline, place: int, train: Samples, held: Samples, seed: int
) -> Generated:
    """Fit what stands before the sampler, let it resample, and measure what it added."""
    before = [step for _, step in pipeline.steps[:place] if step not in (None, "passthrough")]
    step = pipeline.steps[place][1]
    sampler: Any = _sampler(step)
    X, rest = train.X, held.X
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for transformer in before:
            X, rest = transformer.fit_transform(X, train.y), transformer.transform(rest)
        new_X, new_y = _added(step, X, train)
    notes = list(dict.fromkeys(str(one.message).splitlines()[0] for one in caught))
    later = [type(s).__name__ for _, s in pipeline.steps[place + 1 : -1] if hasattr(s, "fit_resample")]
    notes += [f"{name} comes after it and was not looked at." for name in later]
    if study.methods[method].grid or study.methods[method].search:
        notes.append("Parameters are those of the study; nothing was chosen from its grid or search.")
    notes += getattr(sampler, "remarks_", [])
    if not len(new_y):
        shares = _acceptance(getattr(sampler, "acceptance_", None) or {}).to_dict("records")
        passed = ", ".join(f"{one['class']}, {one['rule']}: {one['share']:.0%}" for one in shares)
        notes += [f"Shares of what was drawn that passed: {passed}."] if passed else []
        raise InputError(
            f"{type(sampler).__name__} added no sample. {' '.join(notes)}".strip(),
            fits="a sampler that adds some; where classes are equal, not one that makes them equal",
        )
    parts = {"train": (X, train.y), "held": (rest, held.y), "generated": (new_X, new_y)}
    made = Generated(
        method,
        study.methods[method].title or method,
        type(sampler).__name__,
        parts,
        None,
        _acceptance(getattr(sampler, "acceptance_", None) or {}),
        pd.DataFrame(getattr(sampler, "history_", None) or []),
        **_axes(pipeline[: place + 1], train, X),
    )
    if made.members is not None:
        notes.append("Measured on the power of each band of each channel: phases of raw signals are arbitrary.")
        parts = {name: (made.cells(name), y) for name, (_, y) in parts.items()}
    elif hasattr(sampler, "measured_on"):
        notes.append(f"Measured on {sampler.measured_on}.")
        parts = {name: (sampler.features(values), y) for name, (values, y) in parts.items()}
    trials = held.meta["trial"].astype(str).to_numpy(dtype=str)
    measure = load_object("thymos.augmentation.quality:gan_report")
    given = {"held_trials": trials, "seed": child_seed(study.seed, seed, "quality")}
    quality = measure(*parts.values(), **given)
    if hasattr(sampler, "unlearnt") and made.members is None:
        control = sampler.unlearnt(max(1, len(new_y) // len(np.unique(new_y))))
        notes.append(_beside(measure(parts["train"], parts["held"], control, **given).table))
    return replace(made, quality=quality, notes=tuple(notes))


def _beside(control: pd.DataFrame) -> str:
    """Say what the same measures give for samples of which nothing was learnt."""
    whole = control[control["class"] == "all"].set_index("measure")["value"]
    known = {"mmd2": "MMD²", "coverage": "coverage", "close": "too close", "tstr": "trained on them, tested on real",
             "trts": "trained on real, tested on them"}  # fmt: skip
    words = ", ".join(f"{text} {whole[name]:.2f}" for name, text in known.items() if name in whole)
    return (
        "A control without anything learnt, hidden electrodes taken from another training sample of the class: "
        f"{words}. What is no better than this is not the generator's doing."
    )


def _acceptance(found: Mapping[Any, Any]) -> pd.DataFrame:
    """Return shares that passed a filter; a sampler says one for each class, or one for each class and rule."""
    rows = [
        (str(label), str(rule), float(share))
        for label, shares in found.items()
        for rule, share in (shares if isinstance(shares, Mapping) else {"all": shares}).items()
    ]
    return pd.DataFrame(rows, columns=["class", "rule", "share"])


def _axes(pipeline: Pipeline, samples: Samples, X: np.ndarray) -> dict[str, Any]:
    """Find bands and channels in what a sampler, the last step, is given."""
    samples, pipeline = picked(pipeline, samples)
    try:
        _, grid, rest = featured(pipeline, samples[:1], None)
        of_cells = (len(grid.bands), len(grid.ch_names))
        for _, step in rest.steps[:-1]:
            known = step in (None, "passthrough") or isinstance(step, (Flatten, *ELEMENTWISE))
            if not known and (X.ndim != 4 or X.shape[1:3] != of_cells or grid.members is not None):
                raise UnfitError(f"What {type(step).__name__} makes cannot be led back to bands and electrodes.")
        size, values = int(np.prod(X.shape[1:])), int(np.prod(of_cells))
        if grid.members is not None:
            values = len(grid.ch_names) * samples.X.shape[-1]
        if size % values or (grid.members is not None and size != values):
            raise UnfitError(f"Samples of shape {X.shape[1:]} have no axes of bands and channels.")
    except ThymosError as error:
        found: dict[str, Any] = {"unplaced": error.came}
        if holds_signals(samples) and X.shape[1:] == samples.X.shape[1:]:  # of the body
            found |= {"sfreq": float(samples.info["sfreq"]), "ch_names": tuple(samples.info.get("ch_names", ()))}
        return found
    sfreq = float(samples.info["sfreq"]) if grid.members is not None and holds_signals(samples) else None
    return {"bands": grid.bands, "ch_names": grid.ch_names, "members": grid.members, "sfreq": sfreq}
