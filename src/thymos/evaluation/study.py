"""What a study is: its keys, checked by pydantic, every name resolved through the catalogues."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from thymos.base.catalogue import called, catalogue, near, resolve
from thymos.base.errors import InputError, ThymosError
from thymos.base.labels import Rule

if TYPE_CHECKING:
    from thymos.evaluation.inspections.base import Inspection

__all__ = [
    "BUDGETS",
    "Study",
    "honest_protocol",
    "make_inspections",
    "make_protocol",
    "protocol_of",
]

BUDGETS = ("tiny", "brief", "quick", "full")

STEPS = ("transformer", "sampler", "model")  # kinds of what a method is made of


def step_of(value: Any) -> Any:
    """Read ``name`` or ``{name: {parameter: value}}``."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) not in {"name", "parameters"}:
        name, parameters = next(iter(value.items()))
        return {"name": name, "parameters": parameters if parameters is not None else {}}
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Strict):
    """A name of a catalogue with parameters; written ``name`` or ``{name: {parameter: value}}``."""

    name: str
    parameters: dict[str, Any] | list[Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Step:
        if isinstance(self.parameters, list) != (self.name == "union"):
            raise ValueError(
                f"{self.name!r} wants " + ("a list of steps" if self.name == "union" else "parameters as name: value")
            )
        return self


Named = Annotated[Step, BeforeValidator(step_of)]


def _one_after_the_other(step: Step) -> Step:
    if step.name == "union":
        raise ValueError("a union is of features; processes act one after the other")
    return step


Processed = Annotated[Named, AfterValidator(_one_after_the_other)]


class Windows(_Strict):
    """How recordings are cut; ``seconds: null`` takes whole recordings, for features that can."""

    seconds: float | None = Field(gt=0, allow_inf_nan=False)
    step: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    drop: list[str] = Field(default_factory=list)


class Images(_Strict):
    """How photographs, or frames of films, become samples.

    Parameters
    ----------
    size : int or (int, int), optional
        Side, or height and width; as they are by default.
    grey : bool
        Turn colours into grey values.
    alike : float, optional
        Group what is there twice (:func:`thymos.signals.likeness.alike_pictures`), into the metadata column
        ``picture``: the correlation from which two are alike, 1 for exact copies alone.
    """

    size: int | tuple[int, int] | None = None
    grey: bool = True
    alike: float | None = Field(default=None, ge=0.5, le=1)


class Modality(_Strict):
    """How one of several modalities becomes samples.

    Parameters
    ----------
    of : str, optional
        The modality of the source; its name in the study by default.
    process : list of Step
        Applied to each recording alone.
    features : list of Step
        As of a study: transformers that learn nothing, recording by recording.
    images : Images, optional
        For pictures; each window is given the one nearest to its middle.
    """

    of: str | None = None
    process: list[Processed] = Field(default_factory=list)
    features: list[Named] = Field(default_factory=list)
    images: Images | None = None


class Prototypes(_Strict):
    """Ratings that name an emotion: the word nearest to them (methods B4.3), a label that nobody gave.

    Parameters
    ----------
    columns : list of str
        Valence, arousal and, where there is one, dominance.
    scale : (float, float)
        Least and greatest rating.
    """

    columns: list[str] = Field(min_length=2, max_length=3)
    scale: tuple[float, float]


class Quadrants(_Strict):
    """Two ratings, each split at a threshold: four classes, named by what is high (H) or low (L) (methods B4.3).

    Parameters
    ----------
    columns : (str, str)
        Valence and arousal, say: the classes are then ``HVHA``, ``HVLA``, ``LVHA`` and ``LVLA``.
    above : float
        A rating is high above it.
    """

    columns: tuple[str, str]
    above: float

    @model_validator(mode="after")
    def _check(self) -> Quadrants:
        if self.columns[0][:1].upper() == self.columns[1][:1].upper():
            raise ValueError("columns: two whose names begin differently, of which classes are named")
        return self


class Target(_Strict):
    """What is predicted: a label column, a rating split at a declared threshold, or the rating itself.

    Parameters
    ----------
    label : str
        Column of the metadata.
    above, at_least : float or 'median', optional
        Split a rating: the upper class lies above the threshold, or at and above it. The median is that of the
        training part of each fold. Where a study says nothing, the source's default rule is taken and printed.
    names : (str, str)
        Lower and upper class.
    classes : mapping of str to list, optional
        New class to the classes it holds; what is in none is left out.
    rating : bool
        Predict the rating itself.
    prototypes : Prototypes, optional
        Make the label of ratings: the nearest of seven words for emotions.
    quadrants : Quadrants, optional
        Make the label of two ratings: which of them are high.
    missing : {'error', 'drop'}
        What becomes of samples without this label.
    default : bool
        The threshold is the source's; set when a study is read.
    """

    label: str
    above: float | Literal["median"] | None = None
    at_least: float | Literal["median"] | None = None
    names: tuple[str, str] = ("low", "high")
    classes: dict[str, Annotated[list[Any], Field(min_length=1)]] | None = None
    rating: bool = False
    prototypes: Prototypes | None = None
    quadrants: Quadrants | None = None
    missing: Literal["error", "drop"] = "error"
    default: bool = False

    @model_validator(mode="after")
    def _check(self) -> Target:
        ways = {
            "above": self.above is not None,
            "at_least": self.at_least is not None,
            "classes": bool(self.classes),
            "rating": self.rating,
            "prototypes": bool(self.prototypes),
            "quadrants": bool(self.quadrants),
        }
        if sum(ways.values()) > 1:
            raise ValueError(f"{' and '.join(name for name, way in ways.items() if way)} exclude each other")
        if self.classes is not None and len(self.classes) < 2:
            raise ValueError("classes: two at least")
        return self

    @property
    def rule(self) -> Rule | None:
        """Where a rating is split, if it is."""
        if self.above is None and self.at_least is None:
            return None
        if self.above is not None:
            return Rule(self.above, False, self.names)
        return Rule(cast(float, self.at_least), True, self.names)

    def __str__(self) -> str:
        if self.rule:
            given = " (the default of the source; set target.above, at_least, classes or rating)"
            return f"{self.label}: {self.rule}, otherwise {self.names[0]}{given if self.default else ''}"
        if self.prototypes:
            return f"{self.label}: pseudo-label, the word nearest to the ratings {', '.join(self.prototypes.columns)}"
        if self.quadrants:
            first, second = self.quadrants.columns
            return f"{self.label}: {first} and {second}, each high (H) above {self.quadrants.above:g} or low (L)"
        if self.classes:
            words = "; ".join(f"{name} = {', '.join(map(str, old))}" for name, old in self.classes.items())
            return f"{self.label}: {words}"
        return f"{self.label}{' (rating)' if self.rating else ''}"


class ProtocolSpec(_Strict):
    """A protocol of the catalogue, under a name of its own.

    Parameters
    ----------
    split : str, optional
        Its name in the catalogue; that in the study by default.
    parameters : dict
    twin_of : str, optional
        The honest protocol that a leaky one stands beside.
    seeds : int, optional
        How many of the study's seeds are computed under it, at most.
    """

    split: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    twin_of: str | None = None
    seeds: int | None = Field(default=None, ge=1)

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = dump(self)
        if self.seeds is None:  # the digest of a study is as it was before there were any
            content.pop("seeds")
        return content


class _Sampled(_Strict):
    """What samples are made of: the keys that a study and a side of its pairs share, explained in :class:`Study`."""

    source: Named
    modality: str = "eeg"
    modalities: dict[str, Modality] = Field(default_factory=dict)
    missing_modality: Literal["drop", "keep"] = "drop"
    process: list[Processed] = Field(default_factory=list)
    windows: Windows | None = None
    images: Images | None = None
    features: list[Named] = Field(default_factory=list)
    keep_signals: bool = False
    subtract_baseline: bool = False
    incomplete: Literal["error", "drop"] = "error"
    target: Target
    folder: str = ""


class Side(_Sampled):
    """Samples of another source, to be paired with those of the study; keys as of a study."""

    keep_signals: Literal[False] = False
    protocol: ProtocolSpec


class PairingSpec(_Strict):
    """Pairs instead of samples, formed after the split (:mod:`thymos.evaluation.pairing`).

    Parameters
    ----------
    protocol : ProtocolSpec
        How the samples of the study are split, by themselves.
    other : Side, optional
        Where partners come from.
    second : list of str, optional
        Or modalities of the study's own samples that are taken from the partner.
    names : (str, str)
        Modalities of both sides, where samples are one array.
    kinds : list of {'trial', 'label', 'random'}
    draws : int
    most : int, optional
        Pairs of each part of a draw, at most.
    """

    protocol: ProtocolSpec
    other: Side | None = None
    second: list[str] = Field(default_factory=list)
    names: tuple[str, str] = ("first", "second")
    kinds: list[Literal["trial", "label", "random"]] = Field(default=["label", "random"], min_length=1)
    draws: int = Field(default=5, ge=1)
    most: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> PairingSpec:
        if (self.other is None) == (not self.second):
            raise ValueError("other, second: one of the two, another source or modalities of the same samples")
        if self.other is not None and "trial" in self.kinds:
            raise ValueError("kinds: samples of two sources have no trial in common")
        sides = [self.protocol] if self.other is None else [self.protocol, self.other.protocol]
        for spec in sides:
            if spec.split is None:
                raise ValueError("protocol: write {split: name, parameters: {...}}")
            if resolve(spec.split, "protocol").load().leaky:
                raise ValueError(f"protocol: {spec.split} leaks; what is paired after it would pass for honest")
        return self


class RangeSpec(_Strict):
    """Numbers from `low` to `high`; whole ones if both are."""

    low: int | float
    high: int | float
    log: bool = False


class SearchSpec(_Strict):
    """A search of parameters inside the training part of each fold.

    Parameters
    ----------
    space : mapping of str to list or range
        ``step.parameter`` to the values, or ``{low: ..., high: ..., log: true}``.
    trials : int
        Sets that are tried.
    sampler : {'random', 'optuna'}
        Independent draws, or Optuna's estimator (extra ``tuning``).
    """

    space: dict[str, RangeSpec | Annotated[list[Any], Field(min_length=1)]] = Field(min_length=1)
    trials: int = Field(default=20, ge=1)
    sampler: Literal["random", "optuna"] = "random"


class Method(_Strict):
    """A pipeline: transformers, perhaps a sampler, at last a classifier, or a regressor of ratings.

    ``grid`` maps ``step.parameter`` to the values to choose from, on the inner folds of a nested protocol or on the
    validation part; ``search`` tries a number of sets instead of all.
    """

    title: str = ""
    steps: list[Named] = Field(min_length=1)
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    search: SearchSpec | None = None
    seeds: int | None = Field(default=None, ge=1)
    protocols: list[str] | None = None


class Claim(_Strict):
    """A published number, set beside ours.

    Parameters
    ----------
    text, source : str
    value : float
    protocol, method : str
        Whose result it is set beside.
    stated : bool
        Whether its source says that samples were divided so; else an honest protocol is the nearest thing here.
    metric : str, optional
        What was published; the study's metric by default.
    differs : str
        What makes the published task another one, in words, if it is: then the numbers are not compared.
    """

    text: str
    value: float
    source: str
    protocol: str = ""
    method: str = ""
    stated: bool = True
    metric: str = ""
    differs: str = ""


class InspectionSpec(_Strict):
    """Which fits an inspection of the catalogue looks at, of those with true labels, and its parameters.

    Parameters
    ----------
    methods : list of str, optional
        All but the baseline by default.
    protocols : list of str, optional
        The honest ones by default.
    seeds : int
        How many of the first seeds.
    folds : int, optional
        How many of the first folds of each protocol; all by default.
    parameters : mapping
    """

    methods: list[str] | None = None
    protocols: list[str] | None = None
    seeds: int = Field(default=1, ge=1)
    folds: int | None = Field(default=None, ge=1)
    parameters: dict[str, Any] = Field(default_factory=dict)


class Panel(_Strict):
    """A figure of the report that sets some methods beside each other.

    Parameters
    ----------
    title : str
    figure : {'roc', 'curves'}
        Receiver operating characteristics, or losses by epoch.
    methods : mapping of str to str, or list of str
        Label to method; methods under their own titles.
    protocol : str
        The first honest one by default.
    caption : str
    """

    title: str
    figure: Literal["roc", "curves"]
    methods: Annotated[dict[str, str], Field(min_length=1)] | Annotated[list[str], Field(min_length=1)]
    protocol: str = ""
    caption: str = ""


class Budget(_Strict):
    """Changes to the study for less (or more) time; what they reduce is said in words."""

    reduces: str = "nothing"
    changes: dict[str, Any] = Field(default_factory=dict)


WORDS = ("title", "question", "citation", "claims", "cautions", "panels")  # keys of which nothing is computed
_CLASS_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "kappa")
_RATING_METRICS = ("ccc", "pearson", "rmse", "r2")


class Study(_Sampled):
    """Everything that defines a study.

    Parameters
    ----------
    name, title, question, citation : str
    source : Step
        Corpus or simulator, with its parameters.
    modality : str
    modalities : mapping of str to Modality
        Instead of `modality`, `process`, `features` and `images`: several modalities of the same windows, in samples
        that are mappings. Methods of one of them begin with ``pick: {modality: ...}``; ``hybrid_fusion`` takes all.
    pairing : PairingSpec, optional
        Tests pairs, under the protocol ``paired``.
    missing_modality : {'drop', 'keep'}
        What becomes of windows that some modality lacks, see :func:`thymos.signals.together.together`.
    process : list of Step
        Applied to each recording alone, before windows are cut.
    windows : Windows
    images : Images
        Instead of windows, where samples are pictures; the modality is ``face`` by default then.
    features : list of Step
        Transformers that learn nothing, computed once, recording by recording, before any split; the first one sees a
        whole recording. Methods are given what they return, instead of signals.
    keep_signals : bool
        With `features`: samples have two modalities, ``features`` and the ``signals`` of the same windows, and every
        method begins with ``pick: {modality: ...}``.
    subtract_baseline : bool
        Subtract the mean of the first feature over the rest before the stimulus.
    incomplete : {'error', 'drop'}
        What becomes of samples in which a value is missing, as a feature of a window that is too short for it, or the
        heart rate where no beats are found.
    target : Target
    protocols : mapping of str to ProtocolSpec
        At least one honest one; a leaky one must be the ``twin_of`` an honest one.
    methods : mapping of str to Method
    seeds : int
        Fits per fold for methods that use randomness.
    permuted : list of str
        Methods that are also fitted once with labels permuted between trials; all by default.
    level : {'window', 'trial'}
        The level shown first.
    metric : {'accuracy', 'balanced_accuracy', 'macro_f1', 'kappa', 'ccc', 'pearson', 'rmse', 'r2'}
        The metric shown first; balanced accuracy where classes are unequal. By default accuracy, of ratings the
        concordance correlation coefficient.
    inspections : mapping of str to InspectionSpec
        Looks at fitted methods, by their names in the catalogue.
    comparisons : mapping of str to list of str
        The comparisons of methods that were planned, each method to its rivals: these alone are tested and corrected
        for. All pairs by default.
    recalls : list of str
        Classes whose recall is compared too, for each of `comparisons`.
    panels : list of Panel
        More figures of the report, from what is stored of all fits.
    claims : list of Claim
    cautions : list of str
    budgets : mapping of {'tiny', 'brief', 'quick', 'full'} to Budget
    budget, reduces, reduced : str, str, mapping of str to str
        Which of them this is, what that reduces in words, and every value that it changes.
    folder : str
        Where the study's file lies; a path in it is relative to this folder.
    """

    name: str
    title: str
    question: str = ""
    citation: str = ""
    pairing: PairingSpec | None = None
    protocols: dict[str, ProtocolSpec] = Field(min_length=1)
    methods: dict[str, Method] = Field(min_length=1)
    seeds: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    permuted: list[str] | None = None
    level: Literal["window", "trial"] = "trial"
    metric: Literal[*_CLASS_METRICS, *_RATING_METRICS] = "accuracy"  # type: ignore[valid-type]  # spelt out above
    inspections: dict[str, InspectionSpec] = Field(default_factory=dict)
    comparisons: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default_factory=dict)
    recalls: list[str] = Field(default_factory=list)
    panels: list[Panel] = Field(default_factory=list)
    claims: list[Claim] = Field(default_factory=list)
    cautions: list[str] = Field(default_factory=list)
    budgets: dict[Literal["tiny", "brief", "quick", "full"], Budget] = Field(default_factory=dict)
    budget: str = "full"
    reduces: str = "nothing"
    reduced: dict[str, str] = Field(default_factory=dict)

    @property
    def baseline(self) -> str:
        """Name of the method that knows nothing but the training labels."""
        return "mean" if self.target.rating else "majority"

    @property
    def honest(self) -> list[str]:
        """Names of the protocols that are no leaky controls."""
        return [
            name for name, spec in self.protocols.items() if not resolve(spec.split or name, "protocol").load().leaky
        ]

    @model_validator(mode="after")
    def _check(self) -> Study:
        kind, known = ("rating", _RATING_METRICS) if self.target.rating else ("class", _CLASS_METRICS)
        if self.metric not in known:
            raise ValueError(f"metric: {self.metric!r} does not measure a {kind}; one of {', '.join(known)} does")
        if (self.windows is None) == (self.images is None):
            raise ValueError("windows, images: one of the two, for signals or for pictures")
        if self.images and (self.features or self.subtract_baseline or self.keep_signals):
            raise ValueError("features, subtract_baseline and keep_signals are for windows of signals")
        if self.modalities and (self.windows is None or self.features or self.process or self.keep_signals):
            raise ValueError(
                "modalities: windows are for all of them; process, features and images stand with each modality"
            )
        whole = self.windows is not None and self.windows.seconds is None
        if not self.features and (whole or self.subtract_baseline or self.keep_signals):
            raise ValueError(
                "windows.seconds: null, subtract_baseline: true and keep_signals: true are for studies with features"
            )
        targets = [self.target, *([self.pairing.other.target] if self.pairing and self.pairing.other else [])]
        if self.pairing and any("median" in (target.above, target.at_least) for target in targets):
            raise ValueError("target: the median of training is not known before pairs are formed; give a number")
        if self.keep_signals and (whole or self.incomplete == "drop"):
            raise ValueError("keep_signals: true wants windows of some seconds, all of which have features")
        for name, spec in self.protocols.items():
            row = resolve(spec.split or name, "protocol")
            protocol = row.load()
            make_protocol(self, name)
            if protocol.leaky:
                twin = self.protocols.get(spec.twin_of or "")
                if twin is None or resolve(twin.split or cast(str, spec.twin_of), "protocol").load().leaky:
                    raise ValueError(
                        f"protocols.{name}: a leaky protocol is a control and needs `twin_of:` one of the honest "
                        f"protocols of the study, not {spec.twin_of!r}"
                    )
        if self.baseline not in self.methods or self.methods[self.baseline].steps[-1].name != self.baseline:
            words = "mean rating" if self.target.rating else "majority class"
            raise ValueError(f"methods.{self.baseline}: this name is kept for the {words}")
        self._check_names()
        for name, made in make_inspections(self).items():
            try:
                getattr(made, "check", lambda: None)()
            except ThymosError as error:
                raise InputError(f"inspections.{name}: {error.came}", error.fits, error.do) from None
        for name, method in self.methods.items():
            steps = [step.name for step in method.steps]
            if method.grid and method.search:
                raise ValueError(f"methods.{name}: grid and search exclude each other")
            where, places = ("search.space", method.search.space) if method.search else ("grid", method.grid)
            for place in places:
                if place.split(".")[0] not in steps or place.count(".") != 1:
                    raise ValueError(
                        f"methods.{name}.{where}: {place!r} is no parameter of a step."
                        f"{near(place.split('.')[0], steps)} "
                        f"Write step.parameter, with one of the steps {', '.join(steps)}"
                    )
            for protocol in method.protocols or []:
                if protocol not in self.protocols:
                    raise ValueError(f"methods.{name}.protocols: no {protocol!r}.{near(protocol, self.protocols)}")
        return self

    def _check_names(self) -> None:
        """See that the methods and protocols that are named elsewhere in the study are there."""
        named = [("permuted", "method", self.permuted or [])]
        named += [("claims", "protocol", [claim.protocol]) for claim in self.claims if claim.protocol]
        named += [("claims", "method", [claim.method]) for claim in self.claims if claim.method]
        for name, spec in self.inspections.items():
            named += [(f"inspections.{name}.methods", "method", spec.methods or [])]
            named += [(f"inspections.{name}.protocols", "protocol", spec.protocols or [])]
        for name, rivals in self.comparisons.items():
            named += [("comparisons", "method", [name]), (f"comparisons.{name}", "method", rivals)]
            if name in rivals:
                raise ValueError(f"comparisons.{name}: a method is no rival of itself")
        if self.recalls and (self.target.rating or not self.comparisons):
            raise ValueError("recalls: classes, for studies that have classes and comparisons")
        for panel in self.panels:
            methods = list(panel.methods.values() if isinstance(panel.methods, dict) else panel.methods)
            named += [("panels", "method", methods), ("panels", "protocol", [panel.protocol] if panel.protocol else [])]
        for where, what, names in named:
            known = self.methods if what == "method" else self.protocols
            for name in names:
                if name not in known:
                    raise ValueError(f"{where}: there is no {what} {name!r}.{near(name, known)}")

    def digest(self) -> str:
        """Return a hash of everything that can change a result."""
        shown = {"comparisons", "recalls", "level", "metric", *WORDS}
        words = {"budgets", "folder", "reduced", *shown}
        # as it was before there were any
        newer = ("inspections", "keep_signals", "images", "modalities", "pairing")
        words |= {name for name in newer if not getattr(self, name)}
        words |= set() if self.modalities else {"missing_modality"}
        content = self.model_dump(mode="json", exclude=words)
        for name in ("prototypes", "quadrants"):
            if getattr(self.target, name) is None:
                content["target"].pop(name)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def make_protocol(study: Study, name: str) -> Any:
    """Return the protocol that the study calls `name`."""
    return protocol_of(study.protocols[name], study.seed, name)


def protocol_of(spec: ProtocolSpec, seed: int, name: str = "") -> Any:
    """Return what a study says of a protocol, made."""
    row = resolve(spec.split or name, "protocol")
    parameters = {"random_state": seed, **row.parameters, **spec.parameters}
    return called(f"The protocol {name or spec.split!r}", row.load(), parameters)


def honest_protocol(study: Study, name: str | None = None) -> tuple[str, Any]:
    """Return the name of a protocol that is no leaky control, the first one by default, and the protocol.

    Raises
    ------
    InputError
        If it leaks, or there is none of this name.
    """
    honest = study.honest
    name = honest[0] if name is None else name
    if name not in honest:
        raise InputError(
            f"The protocol {name!r} leaks: a model must not be stopped or calibrated by windows of its own trials."
            if name in study.protocols
            else f"The study has no protocol {name!r}.{near(name, honest)}",
            fits=f"one of {', '.join(honest)}",
        )
    return name, make_protocol(study, name)


def make_inspections(study: Study) -> dict[str, Inspection]:
    """Return the inspections that a study asks for.

    Raises
    ------
    InputError, UnknownNameError
        If there is none of this name, or it has no such parameter.
    """
    made = {}
    for name, spec in study.inspections.items():
        row = catalogue("inspection")[name]
        made[name] = called(f"The inspection {name!r}", row.load(), {**row.parameters, **spec.parameters})
    return made
