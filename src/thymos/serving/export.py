"""A trained model in the format of ONNX: scaling, network and calibration as one graph, compacted and verified."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression
from torch import nn

from thymos.base.checks import as_type
from thymos.base.errors import InputError
from thymos.base.folders import whole_file
from thymos.base.optional import require
from thymos.base.probabilities import Calibration, predict_all
from thymos.models.svm import CalibratedSVC
from thymos.serving.steps import Calibrated, Constant, LinearProbabilities, Ordered, Tempered, arranged, step_module
from thymos.training.channels import compacted
from thymos.training.estimator import TorchEstimator

__all__ = ["SAMPLES", "OnnxPipeline", "export_onnx", "is_network", "network_of", "quantised", "split_pipeline"]

#: Samples that an exported model is compared with the trained one on.
SAMPLES = 1000

_EQUAL = 1e-4  # largest difference of probabilities, or of ratings in units of their spread
_OF_RANGE = 0.01  # and of the range that probabilities of the compared samples have, which may be small
_ROUNDING = 1e-6  # of single precision
_INPUT = "samples"
_NETWORK = "network"  # what names of the operations of the estimator's own network begin with
_DENSE = ["MatMul", "Gemm"]
_LOUD = 5.0  # times the amplitude of a sample, as of an artefact
_BESIDE = 20  # samples that are predicted alone and beside such a one
_WHOLE = 2**30  # numbers of the largest weight; the exporter leaves what makes large ones to the runtime
_UNTRANSLATED = {
    "RiemannClassifier": "eigenvalues of matrices, which ONNX has no operation for",
    "PerSubject": "a network for each person, and a graph is not told whose window it is given",
    "PersonalisedSearch": "a network for each person, and a graph is not told whose window it is given",
    "HybridFusionClassifier": "modalities that may be missing, so that what is computed depends on the samples",
}


class OnnxPipeline:
    """An exported model with the methods of the one that it was made of, on ONNX Runtime.

    Parameters
    ----------
    path : path
        Of a file that :func:`export_onnx` has written.
    pipeline : fitted pipeline, optional
        The one that was exported. Its steps that are not in the graph, which the file names, make samples first, and
        classes are of the type that it has.
    threads : int
        Of one prediction.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        In the order of the probabilities; none for ratings. Text, as in the file, without a pipeline.
    facts : dict of str to str
        What the file says of itself.

    Raises
    ------
    InputError
        If the file is not such a model, or names steps that the pipeline has not.
    MissingExtraError
        Without onnxruntime.
    """

    def __init__(self, path: str | Path, pipeline: Any = None, threads: int = 1):
        runtime = require("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 4  # what fails is raised as well
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self.facts = dict(self._session.get_modelmeta().custom_metadata_map)
            classes, outside = (self.facts[name].split("\n") for name in ("classes", "outside"))
        except Exception as error:  # of a kind for each thing that can be wrong with a file
            raise InputError(
                f"{path} cannot be used as an exported model: {_reason(error)}.",
                fits="a file written by `thymos export`",
            ) from None
        steps = dict(getattr(pipeline, "steps", ()))
        missing = [name for name in outside if name and name not in steps]
        if missing:
            raise InputError(
                f"{path} begins behind the steps {', '.join(missing)}.", fits="the pipeline that was exported"
            )
        self._before = [steps[name] for name in outside if name]
        typed = {str(label): label for label in getattr(pipeline, "classes_", ())}
        self.classes_ = np.array([name for name in classes if name])
        if len(self.classes_) and typed.keys() >= {*self.classes_}:
            self.classes_ = np.array([typed[name] for name in self.classes_])
        given = self._session.get_inputs()[0]
        self._type = np.uint8 if given.type == "tensor(uint8)" else np.float32
        self._shape = tuple(given.shape[1:])

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n_samples, n_classes), of samples, shape (n_samples, ...)."""
        return self._run(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class, or the rating, of each sample, shape (n_samples,)."""
        made = self._run(X)
        return self.classes_[made.argmax(axis=1)] if len(self.classes_) else made[:, 0]

    def _run(self, X: np.ndarray) -> np.ndarray:
        X = np.asarray(X)
        for step in self._before:
            X = step.transform(X)
        if X.shape[1:] != self._shape:
            raise InputError(f"Samples of shape {X.shape[1:]} came.", fits=f"{self._shape}, as in training")
        if X.dtype.kind in "iu" and self._type == np.float32 and self.facts.get("pictures"):
            raise InputError(
                "Pictures in bytes came.", fits="values from 0 to 1, as in training", do="divide them by 255"
            )
        return self._session.run(None, {_INPUT: np.ascontiguousarray(as_type("Samples", X, self._type))})[0]


@dataclass(frozen=True)
class _Split:
    """A fitted pipeline in parts.

    Parameters
    ----------
    outside : list of str
        Names of the steps before the graph.
    inside : list of (str, Module, str)
        Names of steps in the graph, modules that do the same, and words for them.
    given, X : ndarray
        Samples as the graph and as the last step are given them.
    last : estimator
    """

    outside: list[str]
    inside: list[tuple[str, nn.Module, str]]
    given: np.ndarray
    X: np.ndarray
    last: Any


def export_onnx(
    pipeline: Any,
    example: np.ndarray,
    path: str | Path,
    classes: Sequence[str] | None = None,
    calibration: Calibration | None = None,
    properties: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write what a fitted pipeline does with samples as one ONNX graph, and see that it does the same.

    In the graph are the last step, what follows it, and the steps before it that have a counterpart in ONNX: scaling,
    flattening, picked columns, spectral power and differential entropy. Where one has none, such as a zero-phase
    filter, it and all before it stay outside. Channels that a pruned network has silenced are taken out.

    Parameters
    ----------
    pipeline : fitted estimator
        A network of Thymos or a classifier of scikit-learn, or a pipeline that ends with one.
    example : ndarray, shape (n_samples, ...)
        Samples as the pipeline is given them, two or more; a thousand variations of them are what is compared.
    path : path
        The file that is written.
    classes : sequence of str, optional
        In the order of the probabilities; those of the pipeline by default, none for ratings.
    calibration : Calibration, optional
        Of probabilities, put behind the network.
    properties : mapping of str to str, optional
        Written into the file beside what it says of itself.
    overwrite : bool

    Returns
    -------
    dict
        ``input`` of the graph with its ``name``, ``shape`` and ``type``; ``classes``; ``outside``, names of steps that
        stay outside; ``inside``, what the graph holds, in words; ``difference``, the largest of a probability (of
        ratings, in units of their spread) between the two on 1000 samples; ``same``, the share of these that are
        decided alike, for classes.

    Raises
    ------
    InputError
        If the last step has no counterpart in ONNX, or the exported model gives something else.
    MissingExtraError
        Without onnx, onnxscript, onnxruntime, or skl2onnx for classifiers of scikit-learn.
    """
    onnx = require("onnx", "onnx")
    for module in ("onnxscript", "onnxruntime"):
        require(module, "onnx")
    if len(example) < 2:
        raise InputError(f"{len(example)} samples came as examples.", fits="two or more")
    if classes is None:
        classes = [str(name) for name in getattr(pipeline, "classes_", [])]
    parts = split_pipeline(pipeline, np.ascontiguousarray(example))
    why = _UNTRANSLATED.get(type(parts.last).__name__)
    if why:
        raise InputError(f"{type(parts.last).__name__} has {why}.", fits="a network, or a classifier of scikit-learn")
    after = _after(getattr(parts.last, "classes_", []), classes, calibration)
    with whole_file(path, overwrite) as fresh:
        words = _write(parts, [module for module, _ in after], fresh)
        facts = {
            "input": {
                "name": _INPUT,
                "shape": ["batch", *parts.given.shape[1:]],
                "type": str(_kept(parts.given).dtype),
            },
            "classes": list(classes),
            "outside": parts.outside,
            "inside": [
                text for text in (*(text for _, _, text in parts.inside), words, *(w for _, w in after)) if text
            ],
        }
        model = onnx.load(fresh)
        _mark_network(model)
        for part in (*model.graph.node, *model.graph.value_info, model.graph):
            del part.metadata_props[:]  # where each operation was called from, more than many a network
        texts = {name: "\n".join(facts[name]) for name in ("classes", "outside", "inside")}
        if np.uint8 in getattr(getattr(parts.last, "estimator_", parts.last), "dtypes", ()):
            texts["pictures"] = "yes"  # of which the trained model divides whole numbers by 255
        onnx.helper.set_model_props(model, {name: str(text) for name, text in (texts | dict(properties or {})).items()})
        onnx.save(model, fresh)
        difference, same, spread = _compared(pipeline, fresh, example, classes, calibration)
        most = min(_EQUAL, max(_ROUNDING, _OF_RANGE * spread))
        if not difference <= most:
            raise InputError(
                f"The exported model differs from the trained one by {difference:.2g}.",
                fits=f"{most:.2g} at most, where its answers are {spread:.2g} apart",
            )
    return {**facts, "difference": difference, "same": same}


def quantised(
    path: str | Path,
    fresh: str | Path,
    pipeline: Any,
    example: np.ndarray,
    calibration: Calibration | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write an exported model with the layers of its network in eight bits, weights and values.

    What comes before the network, such as spectral power and scaling, and what comes after it stays as it is. Ranges of
    values are those that samples show (static), so that the answer for one does not depend on those beside it. An LSTM
    can only be quantised by ranges that are measured as it goes, over all samples of a batch (dynamic). It stays as it
    is behind convolutions; a network of LSTMs without convolutions is quantised so, dense layers included. Whether that
    is smaller or faster depends on network and machine, and it changes probabilities: what by is returned, and nothing
    is promised.

    Parameters
    ----------
    path, fresh : path
        Of the exported model, and of the file that is written.
    pipeline, example, calibration
        As :func:`export_onnx`.
    overwrite : bool

    Returns
    -------
    dict
        ``kind``, ``static`` or ``dynamic``; ``difference`` and ``same`` as of :func:`export_onnx`; ``beside_loud``, of
        dynamic ones, how much an answer changes at most if one of five times the amplitude is among the samples that
        are predicted together, 20 of the examples against each of them alone.

    Raises
    ------
    InputError
        If the model is no network, an earlier version wrote it, or ONNX Runtime cannot quantise it or run what comes
        of it.
    """
    onnx, parts = require("onnx", "onnx"), split_pipeline(pipeline, example)
    for module in ("onnxruntime.quantization", "onnxscript.optimizer"):
        require(module, "onnx")
    classes = [str(c) for c in OnnxPipeline(path, pipeline).classes_.tolist()]
    if not is_network(parts.last):
        raise InputError(
            f"{type(parts.last).__name__} is no network: it has no layers that eight bits make smaller or faster.",
            fits="a network",
        )
    inside = [node for node in onnx.load(path).graph.node if node.name.startswith(f"{_NETWORK}/")]
    if not inside:
        raise InputError(
            f"{path} does not say which of its operations are the network's: an earlier version wrote it.",
            fits="a model that this version has exported",
            do="export it again",
        )
    kinds = {node.op_type for node in inside} & {"Conv", "LSTM", *_DENSE}
    if not kinds:
        raise InputError("The network has no convolution, dense layer or LSTM to quantise.", fits="one that has")
    static = "Conv" in kinds or "LSTM" not in kinds
    layers = {"op_types_to_quantize": [*_DENSE, "Conv" if static else "LSTM"]}
    names = [node.name for node in inside if node.op_type in layers["op_types_to_quantize"]]
    layers["nodes_to_quantize"] = [*names, *(f"{name}_MatMul" for name in names)]  # so a Gemm is called in parts
    given = _kept(parts.given) if static else None
    with whole_file(fresh, overwrite) as made:
        for per_channel in (True, False) if static else (False,):  # ranges of each channel are nearer, and run seldomer
            try:
                _quantise(path, made, given, per_channel=per_channel, **layers)
                difference, same, _ = _compared(pipeline, made, example, classes, calibration)
                break
            except Exception as error:  # of whatever kind the library raises for what it does not know
                reason = f"{type(error).__name__}: {_reason(error)}"
        else:
            raise InputError(f"The model cannot be quantised: {reason}.", fits="convolutions, dense layers and LSTMs")
        loud = {} if static else {"beside_loud": _beside_loud(OnnxPipeline(made, pipeline), example)}
    return {"kind": "static" if static else "dynamic", "difference": difference, "same": same, **loud}


def is_network(last: Any) -> bool:
    """Say whether the last step of a fitted pipeline is a network of Thymos, or one that trains another."""
    return isinstance(getattr(last, "estimator_", last), TorchEstimator)


def network_of(last: Any, X: np.ndarray) -> tuple[nn.Module, str, TorchEstimator]:
    """Return the network of a fitted estimator, from arranged samples to predictions, without what it has silenced.

    Parameters
    ----------
    last : estimator
        A network of Thymos, or one that trains another.
    X : ndarray, shape (n_samples, ...)
        Samples as it is given them.

    Returns
    -------
    network : Module
        On the processor, in evaluation mode.
    words : str
    estimator : TorchEstimator
    """
    estimator = getattr(last, "estimator_", last)
    gone = {
        units["layer"]: np.flatnonzero(~np.array(units["live"])).tolist()
        for units in getattr(last, "units_", [])
        if units["kind"] == "channel"
    }
    module = copy.deepcopy(estimator.module_).cpu().eval()  # the trained one stays where it is
    whole = sum(p.numel() for p in module.parameters())
    if any(gone.values()):
        module = compacted(module, torch.from_numpy(np.ascontiguousarray(estimator.arrange(_kept(X[:2])))), gone)
    left = sum(p.numel() for p in module.parameters())
    words = f"{type(estimator).__name__} of {left} parameters" + (f" ({whole} before)" if left < whole else "")
    return estimator.predictor(module).eval(), words, estimator


def split_pipeline(pipeline: Any, X: np.ndarray) -> _Split:
    """Return a fitted pipeline in parts: everything up to the last step without counterpart stays outside."""
    *before, (_, last) = getattr(pipeline, "steps", [("", pipeline)])
    found = _Split([], [], X, X, last)
    for name, step in before:
        if step in (None, "passthrough") or hasattr(step, "fit_resample"):
            continue  # samplers act in training alone
        made, X = step_module(step, found.X.shape[1:]), step.transform(found.X)
        if made is None:
            names = [*found.outside, *(inner for inner, _, _ in found.inside), name]
            found = _Split(names, [], X, X, last)
        else:
            found = replace(found, inside=[*found.inside, (name, *made)], X=X)
    return found


def _after(
    known: Sequence[Any], classes: Sequence[str], calibration: Calibration | None
) -> list[tuple[nn.Module, str]]:
    """Return modules, and words for them, for what comes after probabilities: their order, and calibration."""
    names = [str(name) for name in known]
    made: list[tuple[nn.Module, str]] = []
    if names != list(classes):
        made.append((Ordered(names, classes), "order of the classes"))
    if calibration is not None and calibration != Calibration():
        made.append((Calibrated(calibration), "calibration"))
    return made


def _write(parts: _Split, after: Sequence[nn.Module], path: Path) -> str:
    """Write the graph; return its last step in words."""
    ahead, last, X = [module for _, module, _ in parts.inside], parts.last, parts.X
    if is_network(last):
        network, words, estimator = network_of(last, X)
        graph = nn.Sequential(*ahead, arranged(estimator, X))
        graph.add_module(_NETWORK, network)  # the exporter notes this name at the operations of it
        _trace(graph.extend(after), parts.given, path)
        return words
    if isinstance(last, LogisticRegression | LinearDiscriminantAnalysis):
        linear = LinearProbabilities(last.coef_, last.intercept_)
        _trace(nn.Sequential(*ahead, linear, *after), parts.given, path)
        return type(last).__name__
    if isinstance(last, DummyClassifier | DummyRegressor):
        says = last.predict_proba(X[:1]) if hasattr(last, "classes_") else last.predict(X[:1])
        _trace(nn.Sequential(Constant(says), *after), parts.given, path)
        return type(last).__name__
    return _classic(parts, ahead, list(after), path)


def _trace(graph: nn.Module, example: np.ndarray, path: Path) -> None:
    """Write a module as ONNX; two samples or more are traced, because one would fix their number."""
    given = torch.from_numpy(np.resize(_kept(example[:3]), (3, *example.shape[1:])).copy())
    try:
        with _quiet():
            torch.onnx.export(
                graph.eval(),
                (given,),
                str(path),
                input_names=[_INPUT],
                output_names=["predictions"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # of whatever kind the exporter raises for what it cannot translate
        reason = _reason(error.__cause__ or error)
        raise InputError(f"The network cannot be exported: {reason}", fits="operations that ONNX has") from None


def _reason(error: BaseException) -> str:
    """Return the first line of what a library says of an error; its kind if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _mark_network(model: Any) -> None:
    """Put it into the names of operations whether they are the network's, as far as the exporter has noted it."""
    for node in model.graph.node:
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get("pkg.torch.onnx.name_scopes", "")
        if scopes.startswith(f"['', '{_NETWORK}'"):  # a list in writing, from the outermost module to the operation
            node.name = f"{_NETWORK}/{node.name}"


def _classic(parts: _Split, ahead: Sequence[nn.Module], after: list[nn.Module], path: Path) -> str:
    """Write a classifier of scikit-learn with modules ahead of it and after; return it in words."""
    onnx, converter = require("onnx", "onnx"), require("skl2onnx", "onnx")
    last, inner, options = parts.last, parts.last, {}
    if isinstance(last, CalibratedSVC):
        inner, options = last.svc_, {"raw_scores": True}
        # of two classes the converter gives minus and plus the score, of which ours has the halves
        after = [Tempered(last.temperature_ * (2 if len(last.classes_) == 2 else 1)), *after]
    if hasattr(inner, "classes_"):
        options["zipmap"] = False
    float_table = require("skl2onnx.common.data_types", "onnx").FloatTensorType
    _trace(nn.Sequential(*(ahead or [nn.Identity()])), parts.given, path)
    whole = onnx.load(path)
    if after:
        _trace(nn.Sequential(*after), np.ones((2, len(last.classes_)), np.float32), path)
    behind = onnx.load(path) if after else None
    versions = {entry.domain: entry.version for entry in whole.opset_import}
    try:
        with _quiet():
            made = converter.convert_sklearn(
                inner,
                initial_types=[("table", float_table([None, parts.X.shape[1]]))],
                options={id(inner): options},
                target_opset={"": versions[""], "ai.onnx.ml": 3},
            )
            whole = _joined(whole, made, ("predictions", "table"), made.graph.output[-1].name)
            if behind is not None:
                whole = _joined(whole, behind, (whole.graph.output[0].name, _INPUT), "predictions")
    except Exception as error:  # of whatever kind the libraries raise for what they do not know
        raise InputError(
            f"{type(inner).__name__} cannot be exported: {_reason(error)}", fits="a model that skl2onnx translates"
        ) from None
    onnx.save(whole, path)
    return type(last).__name__


def _joined(first: Any, second: Any, between: tuple[str, str], output: str) -> Any:
    """Return one graph after the other; `output` is of the second."""
    onnx = require("onnx", "onnx")
    versions: dict[str, int] = {}
    for entry in (*first.opset_import, *second.opset_import):  # a graph names the least that it needs, such as 1
        versions[entry.domain] = max(entry.version, versions.get(entry.domain, 1))

    def alike(model: Any) -> Any:  # models of different versions are not put together, and domains are listed twice
        model.ir_version = max(first.ir_version, second.ir_version)
        del model.opset_import[:]
        model.opset_import.extend(onnx.helper.make_opsetid(name, number) for name, number in versions.items())
        return model

    prefix = f"step{len(first.graph.node)}_"
    second = onnx.compose.add_prefix(alike(second), prefix)
    link = (between[0], prefix + between[1])
    return alike(onnx.compose.merge_models(alike(first), second, io_map=[link], outputs=[prefix + output]))


def _kept(X: np.ndarray) -> np.ndarray:
    """Return samples in the type that a graph takes: pictures as they are, all else as float32."""
    return X if X.dtype == np.uint8 else X.astype(np.float32, copy=False)


def _compared(
    pipeline: Any, path: Path, example: np.ndarray, classes: Sequence[str], calibration: Calibration | None
) -> tuple[float, float | None, float]:
    """Return the largest difference of the trained and the exported model, the share decided alike, and the range."""
    rng = np.random.default_rng(0)
    X = example[rng.integers(0, len(example), SAMPLES)]
    varied = X + 0.1 * X.std(axis=0) * rng.standard_normal(X.shape)  # no sample twice
    X = (varied if X.dtype.kind == "f" else varied.round().clip(X.min(), X.max())).astype(X.dtype)
    exported = OnnxPipeline(path, pipeline)
    method = exported.predict_proba if classes else exported.predict
    made = np.concatenate([method(part) for part in (X[:1], *np.array_split(X[1:], 10))])  # of several sizes
    known = predict_all(pipeline, X, classes)
    if classes:
        known = (calibration or Calibration()).apply(known)
        same = float((known.argmax(axis=1) == made.argmax(axis=1)).mean())
    else:
        unit = _spread(known)
        known, made = known / unit, made / unit
        same = None
    return float(np.abs(known - made).max()), same, float(np.ptp(known, axis=0).max())


def _spread(ratings: np.ndarray) -> float:
    """Return what differences of ratings are given in."""
    largest, spread = float(np.abs(ratings).max()), float(ratings.std())
    return spread if spread > 1e-6 * largest else largest or 1.0  # equal ratings have no spread


def _beside_loud(exported: OnnxPipeline, example: np.ndarray) -> float:
    """Return by how much an answer changes at most if a sample is predicted together with a loud one."""
    X = example[:_BESIDE]
    method = exported.predict_proba if len(exported.classes_) else exported.predict
    alone = np.concatenate([method(X[k : k + 1]) for k in range(len(X))])
    beside = method(np.concatenate([(_LOUD * X[:1]).astype(X.dtype), X]))[1:]
    return float(np.abs(beside - alone).max()) / (1.0 if len(exported.classes_) else _spread(alone))


def _quantise(path: str | Path, made: Path, given: np.ndarray | None, per_channel: bool, **layers: Any) -> None:
    """Write some layers of a graph in eight bits, by the ranges that samples give, or without any as it goes."""
    quantization, optimizer = require("onnxruntime.quantization", "onnx"), require("onnxscript.optimizer", "onnx")
    model = require("onnx", "onnx").load(path)
    with _quiet():
        # of a recurrent layer weights are quantised that stand in the graph, and none that it makes of others
        optimizer.fold_constants(model, input_size_limit=_WHOLE, output_size_limit=_WHOLE)
        del model.graph.value_info[:]  # shapes that the exporter noted and that the quantiser works out otherwise
        if given is None:
            quantization.quantize_dynamic(model, str(made), per_channel=per_channel, **layers)
        else:
            reader = _reader(quantization.CalibrationDataReader, given)
            quantization.quantize_static(model, str(made), reader, per_channel=per_channel, **layers)


def _reader(base: type, example: np.ndarray) -> Any:
    """Return what ONNX Runtime reads samples from."""

    class Reader(base):
        def __init__(self):
            self.batches = iter(np.array_split(example, max(1, len(example) // 64)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(({_INPUT: batch} for batch in self.batches), None)

    return Reader()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what exporters tell about their own insides."""
    told, names = io.StringIO(), ("torch.onnx", "skl2onnx", "onnxscript", "root", "")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
