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

from thymos.base.errors import InputError
from thymos.base.folders import whole_file
from thymos.base.optional import require
from thymos.base.probabilities import Calibration, predict_all
from thymos.models.svm import CalibratedSVC
from thymos.serving.steps import Calibrated, Constant, LinearProbabilities, Ordered, Tempered, arranged, step_module
from thymos.training.channels import compacted
from thymos.training.estimator import TorchEstimator

__all__ = ["SAMPLES", "OnnxPipeline", "export_onnx", "network_of", "quantised", "split_pipeline"]

#: Samples that an exported model is compared with the trained one on.
SAMPLES = 1000

_EQUAL = 1e-4  # largest difference of probabilities, or of ratings in units of their spread
_OF_RANGE = 0.01  # and of the range that probabilities of the compared samples have, which may be small
_ROUNDING = 1e-6  # of single precision
_INPUT = "samples"
_DENSE = ["MatMul", "Gemm", "LSTM"]
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
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self.facts = dict(self._session.get_modelmeta().custom_metadata_map)
            classes, outside = (self.facts[name].split("\n") for name in ("classes", "outside"))
        except Exception as error:  # of a kind for each thing that can be wrong with a file
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(
                f"{path} cannot be used as an exported model: {reason}.", fits="a file written by `thymos export`"
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
        return self._session.run(None, {_INPUT: np.ascontiguousarray(X, dtype=self._type)})[0]


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
        for part in (*model.graph.node, *model.graph.value_info, model.graph):
            del part.metadata_props[:]  # where each operation was called from, more than many a network
        texts = {name: "\n".join(facts[name]) for name in ("classes", "outside", "inside")}
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
    """Write an exported model with weights, and where it has convolutions also values, of eight bits.

    Convolutions are quantised by the ranges of values that samples give (static); dense and recurrent layers alone keep
    values in full and measure their ranges as they go (dynamic). Whether that is smaller or faster depends on network
    and machine, and it changes probabilities: what by is returned, and nothing is promised.

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
        ``kind``, ``static`` or ``dynamic``; ``difference`` and ``same`` as of :func:`export_onnx`.

    Raises
    ------
    InputError
        If ONNX Runtime cannot quantise the model.
    """
    onnx, quantization = require("onnx", "onnx"), require("onnxruntime.quantization", "onnx")
    classes = [str(c) for c in OnnxPipeline(path, pipeline).classes_.tolist()]
    model = onnx.load(path)
    del model.graph.value_info[:]  # shapes that the exporter noted and that the quantiser works out again, otherwise
    kinds = {node.op_type for node in model.graph.node}
    if not kinds & {"Conv", *_DENSE}:
        raise InputError("The model has no convolution, dense layer or LSTM to quantise.", fits="a network")
    static = "Conv" in kinds
    with whole_file(fresh, overwrite) as made:
        try:
            with _quiet():
                if static:
                    quantization.quantize_static(
                        model,
                        str(made),
                        _reader(quantization.CalibrationDataReader, _kept(split_pipeline(pipeline, example).given)),
                        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
                        per_channel=True,
                    )
                else:
                    quantization.quantize_dynamic(model, str(made), op_types_to_quantize=_DENSE)
        except Exception as error:  # of whatever kind the library raises for what it does not know
            raise InputError(
                f"The model cannot be quantised: {type(error).__name__}: {str(error).strip().splitlines()[0]}.",
                fits="convolutions, dense layers and LSTMs",
            ) from None
        difference, same, _ = _compared(pipeline, made, example, classes, calibration)
    return {"kind": "static" if static else "dynamic", "difference": difference, "same": same}


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
        module = compacted(module, torch.from_numpy(np.ascontiguousarray(estimator.arrange(X[:2]))), gone)
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
    if isinstance(getattr(last, "estimator_", last), TorchEstimator):
        network, words, estimator = network_of(last, X)
        _trace(nn.Sequential(*ahead, arranged(estimator, X), network, *after), parts.given, path)
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
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(f"The network cannot be exported: {reason}", fits="operations that ONNX has") from None


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
    versions = {entry.domain: entry.version for entry in whole.opset_import}
    try:
        with _quiet():
            made = converter.convert_sklearn(
                inner,
                initial_types=[("table", float_table([None, parts.X.shape[1]]))],
                options={id(inner): options},
                target_opset={"": versions[""], "ai.onnx.ml": 3},
            )
    except Exception as error:  # of whatever kind the converter raises for what it does not know
        raise InputError(
            f"{type(inner).__name__} cannot be exported: {str(error).strip().splitlines()[0]}",
            fits="a classifier that skl2onnx translates",
        ) from None
    outputs = [out.name for out in made.graph.output]
    whole = _joined(whole, made, ("predictions", "table"), outputs[-1:])
    if after:
        _trace(nn.Sequential(*after), np.ones((2, len(last.classes_)), np.float32), path)
        whole = _joined(whole, onnx.load(path), (whole.graph.output[0].name, _INPUT), ["predictions"])
    onnx.save(whole, path)
    return type(last).__name__


def _joined(first: Any, second: Any, between: tuple[str, str], outputs: Sequence[str]) -> Any:
    """Return one graph after the other; `outputs` are of the second."""
    onnx = require("onnx", "onnx")
    versions = {entry.domain: entry.version for entry in (*first.opset_import, *second.opset_import)}

    def alike(model: Any) -> Any:  # models of different versions are not put together, and domains are listed twice
        model.ir_version = max(first.ir_version, second.ir_version)
        del model.opset_import[:]
        model.opset_import.extend(onnx.helper.make_opsetid(name, number) for name, number in versions.items())
        return model

    prefix = f"step{len(first.graph.node)}_"
    second = onnx.compose.add_prefix(alike(second), prefix)
    link, outputs = (between[0], prefix + between[1]), [prefix + name for name in outputs]
    return alike(onnx.compose.merge_models(alike(first), second, io_map=[link], outputs=outputs))


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
        largest, spread = np.abs(known).max(), known.std()
        spread = spread if spread > 1e-6 * largest else largest or 1.0  # equal ratings have no spread
        known, made = known / spread, made / spread
        same = None
    return float(np.abs(known - made).max()), same, float(np.ptp(known, axis=0).max())


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
