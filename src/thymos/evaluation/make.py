"""What a study says, made: samples, and estimators with what they choose from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import ValidationError

from thymos.base.cache import Cache
from thymos.base.catalogue import called, check_parameters, load_object, near, resolve
from thymos.base.emotions import nearest
from thymos.base.errors import InputError, StudyError, ThymosError
from thymos.base.labels import Rule, grouped, settled
from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.study import (
    STEPS,
    Images,
    PairingSpec,
    ProtocolSpec,
    Prototypes,
    Quadrants,
    RangeSpec,
    Side,
    Step,
    Study,
    Target,
    protocol_of,
    step_of,
)

if TYPE_CHECKING:
    from thymos.evaluation.search import Search

__all__ = [
    "classes_of",
    "make_estimator",
    "make_grid",
    "make_samples",
    "make_source",
    "simulated_data",
    "takes_seed",
]


def make_source(study: Study | Side, data: str | Path | None = None) -> Any:
    """Return the source of a study, found below the folder `data` where it is a corpus.

    Raises
    ------
    SourceNotFoundError, InputError
        If the corpus is absent, or there is no such parameter.
    """
    row = resolve(study.source.name, "source")
    source_class = row.load()
    parameters = dict(study.source.parameters)
    if holder := getattr(row, "folder", ""):
        if "root" in parameters:
            raise InputError(
                f"root={parameters['root']!r} came for the source {study.source.name!r}.",
                fits=f"a study that names no place, and a folder that holds {holder}/ as --data or THYMOS_DATA",
            )
        parameters["root"] = load_object("thymos.sources.base:locate")(row, data)
    place = getattr(row, "file", "")
    if isinstance(parameters.get(place), str):  # a path in a study is relative to the study
        parameters[place] = str(Path(study.folder) / parameters[place])
    return called(f"The source {study.source.name!r}", source_class, parameters)


def make_samples(
    study: Study | Side,
    data: str | Path | None = None,
    cache: Cache | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Samples:
    """Read, process and window the study's source, compute features, and set the target.

    Parameters
    ----------
    study : Study, or a side of its pairs
    data : path, optional
        Folder that holds the corpora.
    cache : Cache, optional
        Where samples are kept, and taken from if the same were made before.
    progress : callable, optional
        Called with the numbers of subjects begun and in all, and a text.

    Raises
    ------
    SourceNotFoundError, DataError, InputError
        If the corpus is absent or damaged, or has no such label.
    """
    source = make_source(study, data)
    recordings = source.load()
    for step in study.process:
        recordings = recordings.process(step.name, study.modality, **cast("dict[str, Any]", step.parameters))
    cut: dict[str, Any] = {"modality": study.modality, "cache": cache, "progress": progress}
    cut |= study.windows.model_dump() if study.windows else {}
    if study.modalities:
        samples = _together(recordings, study, cut)
    elif study.images:
        samples = _pictures(recordings, study.images, study.modality)
    elif study.features:
        steps = [_build(step, {}) for step in study.features]
        samples = recordings.features(
            *steps, **cut, subtract_baseline=study.subtract_baseline, incomplete=study.incomplete
        )
        if study.keep_signals:
            samples = _beside(samples, recordings.windows(**cut))
    else:
        samples = recordings.windows(**cut, incomplete=study.incomplete)
    if getattr(source, "root", None) and load_object("thymos.sources.base:is_simulated")(source):
        samples.info["simulated"] = True
    samples = _labelled(samples, study.target)
    if isinstance(study, Study) and study.pairing:
        return _paired(study, study.pairing, samples, data, cache, progress)
    return samples


def simulated_data(info: Mapping[str, Any], *sources: str) -> bool:
    """Say whether data, or one side of pairs, were made by the simulator, as what is known of them tells.

    Parameters
    ----------
    info : mapping
        Of the samples.
    *sources : str
        Names of the catalogue.
    """
    targets = (resolve(name, "source").target for name in sources)
    return bool(info.get("simulated")) or any(target.startswith("thymos.sources.simulate.") for target in targets)


def _paired(study: Study, spec: PairingSpec, samples: Samples, data: Any, cache: Any, progress: Any) -> Samples:
    """Return pairs instead of samples."""
    from thymos.evaluation.pairing import PAIRINGS

    samples = settled(samples)
    first, second = _named(samples, spec.names[0]), None
    folds = [_folds_of_side(spec.protocol, study.seed, samples)]
    if spec.other is not None:
        other = settled(make_samples(spec.other, data, cache, progress))
        second = _named(other, spec.names[1])
        folds.append(_folds_of_side(spec.other.protocol, study.seed, other))
    else:
        missing = [name for name in spec.second if name not in first.X]
        if missing or len(spec.second) == len(first.X):
            raise InputError(
                f"pairing.second is {', '.join(spec.second)}, of the modalities {', '.join(first.X)}.",
                fits="some of them, and not all",
            )
        second = first.replace(X={name: first.X[name] for name in spec.second})
        own = cast("dict[str, np.ndarray]", first.X)
        first = first.replace(X={name: array for name, array in own.items() if name not in spec.second})
    made = [PAIRINGS[kind](spec.draws, spec.most, study.seed).pair(first, second, *folds) for kind in spec.kinds]
    pairs = Samples.concatenate(made)
    pairs.info["alone"] = {kind: n for part in made for kind, n in part.info["alone"].items()}
    pairs.info["folds"] = made[0].info["folds"]
    sides = dict(zip(spec.names, (first, second), strict=True))
    simulated = [name for name, part in sides.items() if part.info.get("simulated")]
    if simulated:
        pairs.info["simulated"] = True if len(simulated) == 2 else simulated[0]
    return pairs


def _folds_of_side(spec: ProtocolSpec, seed: int, samples: Samples) -> list[Any]:
    """Return how one side of pairs is split by itself, checked as any split is."""
    from thymos.evaluation.audit import check_split

    protocol = protocol_of(spec, seed)
    folds = protocol.folds(samples.meta, samples.y)
    for fold in folds:
        check_split(samples.meta, fold, (*protocol.keys, "trial"), protocol.guard)
    return folds


def _named(samples: Samples, name: str) -> Samples:
    """Return samples of named modalities."""
    if isinstance(samples.X, dict):
        return samples
    return samples.replace(X={name: samples.X}, info={**samples.info, "modalities": {name: samples.info}})


def _together(recordings: Any, study: Study | Side, cut: Mapping[str, Any]) -> Samples:
    """Return the windows of several modalities side by side."""
    parts = {}
    # where a modality may be missing, a window of it without a value is one that is missing
    cut = {**cut, "incomplete": "drop" if study.missing_modality == "keep" else study.incomplete}
    for name, spec in study.modalities.items():
        of, mine = spec.of or name, recordings
        for step in spec.process:
            mine = mine.process(step.name, of, **cast("dict[str, Any]", step.parameters))
        if spec.images:
            parts[name] = _pictures(mine, spec.images, of)
            continue
        steps, mine_cut = [_build(step, {}) for step in spec.features], {**cut, "modality": of}
        parts[name] = mine.features(*steps, **mine_cut) if steps else mine.windows(**mine_cut)
    return load_object("thymos.signals.together:together")(parts, study.missing_modality)


def _pictures(recordings: Any, images: Images, modality: str) -> Samples:
    """Return pictures as samples; what is there twice is marked on request."""
    samples = recordings.images(images.size, images.grey, modality)
    if images.alike is not None:
        group = load_object("thymos.signals.likeness:alike_pictures")(samples.X, images.alike)
        samples = samples.replace(meta=samples.meta.assign(picture=[f"p{number}" for number in group]))
    return samples


def _beside(features: Samples, signals: Samples) -> Samples:
    """Return features and signals of the same windows as two modalities."""
    places = ["trial", "start", "stop"]
    if not features.meta[places].equals(signals.meta[places]):
        raise InputError(
            f"{len(features)} windows have features and {len(signals)} have signals, or they stand in another order.",
            fits="features of every window",
            do="leave out keep_signals",
        )
    own = {"features": features.info, "signals": signals.info}
    counted = {"left_out", "too_short"}  # said once, of both
    of_each = {name: {key: one[key] for key in one if key not in counted} for name, one in own.items()}
    info = features.info | {"sfreq": signals.info["sfreq"], "modalities": of_each}
    return features.replace(X={"features": features.X, "signals": signals.X}, info=info)


def _labelled(samples: Samples, target: Target) -> Samples:
    """Give samples the study's target as their labels."""
    from thymos.evaluation.fit import discrete, rated  # scikit-learn, which listing studies does not need

    made = target.prototypes or target.quadrants
    columns = list(made.columns) if made else [target.label]
    if target.missing == "drop" and set(columns) <= set(samples.meta):
        values = samples.meta[columns]
        there = (values.notna() & (values.astype(str) != "")).all(axis=1).to_numpy()
        if not there.any():
            named = ", ".join(map(repr, columns))
            raise InputError(f"No sample has the label {named}.", do="choose another label of the source")
        samples = samples[there] if not there.all() else samples
    if target.prototypes:
        return _worded(samples, target.prototypes)
    if target.quadrants:
        return _quartered(samples, target.quadrants)
    samples = samples.target(target.label)
    if target.rating:
        return rated(samples)
    if target.rule:
        return target.rule.to(samples)
    if target.classes:
        classes = grouped(samples.y, target.classes)
        kept = classes != ""
        return samples.replace(y=classes)[kept] if not kept.all() else samples.replace(y=classes)
    return discrete(samples)


def _worded(samples: Samples, prototypes: Prototypes) -> Samples:
    """Give samples the words nearest to their ratings as labels."""
    low, high = prototypes.scale
    columns = [samples.target(name).y.astype(float) for name in prototypes.columns]
    points = (np.stack(columns, axis=1) - (low + high) / 2) / ((high - low) / 2)
    return samples.replace(y=nearest(points))


def _quartered(samples: Samples, quadrants: Quadrants) -> Samples:
    """Give samples the quadrants of two ratings as labels."""
    sides = []
    for name in quadrants.columns:
        rule = Rule(quadrants.above, names=(f"L{name[0].upper()}", f"H{name[0].upper()}"))
        sides.append(rule.apply(samples.target(name).y))
    return samples.replace(y=np.char.add(*sides))


def classes_of(study: Study, samples: Samples) -> list[str]:
    """Return the classes of a study in order; none where the rating itself is predicted.

    Raises
    ------
    StudyError
        If the study names a class that there is not.
    """
    classes = [] if study.target.rating else [str(c) for c in np.unique(settled(samples).y)]
    for name in study.recalls:
        if name not in classes:
            raise StudyError(
                f"recalls: there is no class {name!r}.{near(name, classes)}", fits=f"any of {', '.join(classes)}"
            )
    return classes


def make_estimator(study: Study, method: str, info: Mapping[str, Any]) -> Any:
    """Return the pipeline that the study calls `method`, told what the samples know (``sfreq``).

    Raises
    ------
    StudyError
        If a step or a parameter does not exist.
    """
    from sklearn.base import is_regressor

    pipeline = load_object("thymos.training.pipeline:make_pipeline")
    first = study.methods[method].steps[0]
    if first.name == "pick":  # what follows sees this modality alone
        info = _of_modality(info, cast("dict[str, Any]", first.parameters).get("modality"))
    try:
        made = pipeline(*(_build(step, info) for step in study.methods[method].steps))
        made._validate_steps()
        if study.target.rating and not is_regressor(made[-1]):
            raise InputError(f"The last step, {type(made[-1]).__name__}, predicts no ratings.", "a regressor at last")
        if not study.target.rating and not hasattr(made, "predict_proba"):
            raise InputError(
                f"The last step, {type(made[-1]).__name__}, gives no probabilities.", "a classifier at last"
            )
        return made
    except TypeError as error:  # a step in the middle that neither transforms nor resamples
        raise StudyError(f"methods.{method}: {error}", fits="transformers and samplers, then a classifier") from None
    except ThymosError as error:
        raise StudyError(f"methods.{method}: {error.came}", error.fits, error.do) from None


def takes_seed(step: Step | Mapping[str, Any]) -> bool:
    """Say whether a step of a method is given a seed, so that another one may make it another."""
    name = step.name if isinstance(step, Step) else step["name"]
    return name != "union" and "random_state" in inspect.signature(resolve(name, *STEPS).load()).parameters


def make_grid(study: Study, method: str, estimator: Any) -> list[dict[str, Any]] | Search:
    """Return the sets of parameters that the study's `method` chooses from, by the names of its pipeline.

    Raises
    ------
    StudyError
        If a step has no such parameter, or a range is none.
    """
    from sklearn.model_selection import ParameterGrid

    from thymos.evaluation.search import Range, Search

    spec = study.methods[method]
    position = {step.name: k for k, step in enumerate(spec.steps)}
    known, space = estimator.get_params(deep=True), {}
    for place, values in (spec.search.space if spec.search else spec.grid).items():
        step, parameter = place.split(".")
        own, prefix = estimator.steps[position[step]][1], f"{estimator.steps[position[step]][0]}__"
        if prefix + parameter not in known:
            raise StudyError(
                f"methods.{method}: {step} has no parameter {parameter!r}.{near(parameter, own.get_params())}",
                fits=f"one of {', '.join(own.get_params(deep=False))}",
            )
        try:
            space[prefix + parameter] = Range(**values.model_dump()) if isinstance(values, RangeSpec) else values
        except InputError as error:
            raise StudyError(f"methods.{method}.search.space.{place}: {error.came}", error.fits) from None
    if spec.search:
        # one seed for all fits: folds that draw the same sets train them as one stack
        return called(
            f"methods.{method}.search",
            Search,
            {
                "space": space,
                "trials": spec.search.trials,
                "sampler": spec.search.sampler,
                "seed": child_seed(study.seed, method, "search"),
            },
        )
    return list(ParameterGrid(space)) if space else []


def _build(step: Step, info: Mapping[str, Any], kinds: tuple[str, ...] = STEPS) -> Any:
    if step.name == "union":  # several features side by side, each flattened
        from sklearn.pipeline import make_pipeline, make_union

        flatten = resolve("flatten", "transformer").load()
        branches = [Step.model_validate(step_of(branch)) for branch in step.parameters]
        lanes = [make_pipeline(_build(branch, info), flatten()) for branch in branches]
        try:
            for lane in lanes:
                lane._validate_steps()
        except TypeError:
            names = ", ".join(branch.name for branch in branches)
            raise InputError(f"A union of {names} came.", fits="features and other transformers only") from None
        return make_union(*lanes)
    row = resolve(step.name, *kinds)
    made = row.load()
    parameters = {**row.parameters, **cast("dict[str, Any]", step.parameters)}
    check_parameters(made, parameters, f"The step {step.name!r}")
    for name, inside in getattr(made, "steps_inside", {}).items():
        if isinstance(parameters.get(name), (str, dict, list)):
            parameters[name] = _built_inside(f"{step.name}.{name}", parameters[name], inside, info)
    for name, inside in getattr(made, "steps_by_modality", {}).items():
        if isinstance(parameters.get(name), dict):
            parameters[name] = [
                (modality, _built_inside(f"{step.name}.{name}.{modality}", steps, inside, _of_modality(info, modality)))
                for modality, steps in parameters[name].items()
            ]
    takes = inspect.signature(made).parameters
    for fact in ("sfreq", "ch_names"):
        if fact in takes and fact in info:
            parameters.setdefault(fact, info[fact])
    if "positions" in takes and "ch_names" in info:
        with suppress(InputError):  # channels that are no electrodes have no place
            parameters.setdefault("positions", _positions(tuple(info["ch_names"])))
    return called(f"The step {step.name!r}", made, parameters)


def _of_modality(info: Mapping[str, Any], name: Any) -> Mapping[str, Any]:
    """Return what is known of samples of one modality of several."""
    return {**info, **info.get("modalities", {}).get(name, {})}


def _built_inside(owner: str, given: Any, kinds: tuple[str, ...], info: Mapping[str, Any]) -> Any:
    """Return the step, or the pipeline of steps, that is a parameter of another step."""
    try:
        steps = [Step.model_validate(step_of(one)) for one in (given if isinstance(given, list) else [given])]
    except ValidationError:
        steps = []
    if not steps:
        raise InputError(f"{owner} is {given!r}.", fits="a step, or a list of steps")
    built = [_build(step, info, kinds) for step in steps]
    if len(built) == 1:
        return built[0]
    made = load_object("thymos.training.pipeline:make_pipeline")(*built)
    made._validate_steps()
    return made


@lru_cache
def _positions(ch_names: tuple[str, ...]) -> list[list[float]]:
    """Return the directions of electrodes, as plain numbers, which can be stored with an estimator."""
    return load_object("thymos.signals.topography:directions")(ch_names).round(6).tolist()
