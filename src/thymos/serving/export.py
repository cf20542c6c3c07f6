"""A trained network in the format of ONNX: preprocessing, network and calibration in one graph, compacted, verified."""

from __future__ import annotations

import contextlib
import io
import itertools
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from thymos.base.errors import InputError
from thymos.base.folders import whole_file
from thymos.base.optional import require
from thymos.base.probabilities import Calibration
from thymos.signals.scaling import ChannelScaler, Flatten, PickModality
from thymos.training.channels import compacted
from thymos.training.estimator import TorchClassifier, TorchEstimator

__all__ = ["export_onnx", "timed_session"]

_SAMPLES = 1000  # that the exported model is compared with the trained one on
_EQUAL = 1e-4  # largest difference of probabilities, or of ratings in units of their spread
_INPUT, _OUTPUT = "samples", "probabilities"


def export_onnx(
    pipeline: Any,
    example: np.ndarray,
    path: str | Path,
    calibration: Calibration | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write what a fitted pipeline does with samples as one ONNX graph, and see that it does the same.

    Parameters
    ----------
    pipeline : fitted estimator
        A network of Thymos, or a pipeline of scaling, flattening and one; what learns nothing but was computed before
        (differential entropy, windows) stays outside. Channels that a pruned network has silenced are taken out.
    example : ndarray, shape (n_samples, ...)
        Real samples as the pipeline is given them, two or more; variations of them are what is compared.
    path : path
        The file that is written.
    calibration : Calibration, optional
        Of probabilities, put behind the network.
    overwrite : bool

    Returns
    -------
    dict
        ``input`` and ``output``: names, shapes and types; ``steps``: what the graph holds, in words; ``difference``:
        the largest between the two on 1000 samples; ``parameters`` and ``parameters_before`` of the network;
        ``bytes``.

    Raises
    ------
    InputError
        If a step has no counterpart in the graph, the network computes features outside of itself, or the exported
        model gives something else.
    MissingExtraError
        Without onnx, onnxscript or onnxruntime.
    """
    require("onnxscript", "onnx")
    require("onnxruntime", "onnx")
    example = np.ascontiguousarray(example[: max(2, min(len(example), 64))])
    if len(example) < 2:
        raise InputError("One sample came as an example.", fits="two or more: of one, its number would be fixed")
    graph, facts = _graph(pipeline, example, calibration)
    with whole_file(Path(path), overwrite=overwrite) as fresh:
        _write(graph, example, fresh)
        facts["difference"] = _compared(pipeline, fresh, example, calibration)
        facts["bytes"] = fresh.stat().st_size
    return facts


def timed_session(path: str | Path, example: np.ndarray, batch: int, repeats: int = 200) -> Mapping[str, float]:
    """Return the median and the 99th percentile of the time of a batch on one thread, in seconds.

    Parameters
    ----------
    path : path
        Of an exported model.
    example : ndarray, shape (n_samples, ...)
    batch, repeats : int
    """
    session, given = _session(path), np.resize(example, (batch, *example.shape[1:]))
    name, taken = session.get_inputs()[0].name, []
    for _ in range(repeats + 5):
        begin = time.perf_counter()
        session.run(None, {name: given})
        taken.append(time.perf_counter() - begin)
    return dict(zip(("median", "p99"), np.percentile(taken[5:], [50, 99]).tolist(), strict=True))


def _graph(pipeline: Any, example: np.ndarray, calibration: Calibration | None) -> tuple[nn.Module, dict[str, Any]]:
    """Return a module that does what a pipeline does, and what is in it."""
    *before, last = [step for _, step in getattr(pipeline, "steps", [("", pipeline)])]
    parts, words, X = [], [], example
    for step in before:
        if hasattr(step, "fit_resample") or isinstance(step, PickModality):
            continue  # samplers act in training alone, and a graph takes one modality
        if isinstance(step, ChannelScaler):
            parts.append(_Scaled(step, X.shape[1:]))
            words.append("scaling of each channel")
        elif isinstance(step, Flatten):
            parts.append(nn.Flatten())
            words.append("flattening")
        else:
            raise InputError(
                f"The step {type(step).__name__} has no counterpart in the graph.",
                fits="scaling, flattening and a network",
                do="let the study compute it as `features`, before the methods",
            )
        X = step.transform(X)
    network, estimator = _network(last, X)
    counts = [sum(p.numel() for p in one.parameters()) for one in (network, estimator.module_)]
    parts += [_arranged(estimator, X), network]
    words += [
        f"{type(estimator).__name__}, {counts[0]} parameters" + (f" of {counts[1]}" if counts[0] < counts[1] else "")
    ]
    if isinstance(estimator, TorchClassifier):
        parts.append(_Probabilities(calibration or Calibration()))
        words.append("softmax" + (" and calibration" if calibration else ""))
    facts = {
        "input": {"name": _INPUT, "shape": ["batch", *example.shape[1:]], "type": str(example.dtype)},
        "output": {"name": _OUTPUT, "classes": [str(c) for c in getattr(pipeline, "classes_", [])]},
        "steps": words,
        "parameters": counts[0],
        "parameters_before": counts[1],
    }
    return nn.Sequential(*parts).eval(), facts


def _network(last: Any, X: np.ndarray) -> tuple[nn.Module, TorchEstimator]:
    """Return the network of a last step without what it has silenced, and its estimator."""
    estimator = getattr(last, "estimator_", last)
    if not isinstance(estimator, TorchEstimator):
        raise InputError(f"{type(last).__name__} is no network.", fits="a network of Thymos")
    gone = {
        units["layer"]: np.flatnonzero(~np.array(units["live"])).tolist()
        for units in getattr(last, "units_", [])
        if units["kind"] == "channel"
    }
    network = estimator.module_.cpu().eval()
    if any(gone.values()):
        network = compacted(network, torch.from_numpy(np.ascontiguousarray(estimator.arrange(X[:2]))), gone)
    return network, estimator


def _arranged(estimator: TorchEstimator, X: np.ndarray) -> nn.Module:
    """Return a module that does what the estimator does with samples before its network sees them."""
    wanted = estimator.arrange(X)
    for order in itertools.permutations(range(1, X.ndim)):
        made = np.transpose(X, (0, *order))
        if made.size == wanted.size and np.array_equal(made.reshape(wanted.shape), wanted):
            return _Reordered((0, *order), wanted.shape[1:])
    raise InputError(
        f"{type(estimator).__name__} computes features of samples outside of its network.",
        fits="a network that is given samples as they are",
    )


class _Scaled(nn.Module):
    def __init__(self, scaler: ChannelScaler, shape: tuple[int, ...]):
        super().__init__()
        wide = shape if len(shape) == 1 else (*shape[:-1], 1)
        for name, values in (("mean", scaler.scaler_.mean_), ("scale", scaler.scaler_.scale_)):
            self.register_buffer(name, torch.from_numpy(np.asarray(values).reshape(wide)).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


class _Reordered(nn.Module):
    def __init__(self, order: tuple[int, ...], shape: tuple[int, ...]):
        super().__init__()
        self.order, self.shape = order, tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(*self.order).reshape(-1, *self.shape)


class _Probabilities(nn.Module):
    def __init__(self, calibration: Calibration):
        super().__init__()
        self.temperature = calibration.temperature
        self.register_buffer("bias", torch.tensor(calibration.bias or (0.0,), dtype=torch.float32))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return (logits.log_softmax(dim=1) / self.temperature + self.bias).softmax(dim=1)


def _write(graph: nn.Module, example: np.ndarray, path: Path) -> None:
    # of an example of one sample some exporters take its number for a constant
    given = torch.from_numpy(example[:2].copy())
    told = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        warnings.simplefilter("ignore")  # of the exporter about its own insides
        try:
            torch.onnx.export(
                graph,
                (given,),
                str(path),
                input_names=[_INPUT],
                output_names=[_OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # whatever the exporter cannot translate
            raise InputError(
                f"The network cannot be exported: {type(error).__name__}: {str(error).splitlines()[0]}",
                fits="operations that ONNX has",
            ) from None


def _session(path: str | Path) -> Any:
    runtime = require("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _compared(pipeline: Any, path: Path, example: np.ndarray, calibration: Calibration | None) -> float:
    """Return the largest difference between the trained and the exported model."""
    rng = np.random.default_rng(0)
    X = example[rng.integers(0, len(example), _SAMPLES)]
    if X.dtype.kind == "f":  # no sample twice
        X = (X + 0.1 * X.std(axis=0) * rng.standard_normal(X.shape)).astype(X.dtype)
    session, made = _session(path), []
    for begin in range(0, _SAMPLES, 100):  # of several sizes, one among them
        part = X[begin : begin + 100]
        pieces = (part[:1], part[1:]) if not begin else (part,)
        made += [session.run(None, {_INPUT: piece})[0] for piece in pieces]
    made = np.concatenate(made)
    if hasattr(pipeline, "predict_proba"):
        known = (calibration or Calibration()).apply(pipeline.predict_proba(X))
    else:
        known = pipeline.predict(X).reshape(made.shape)
        known, made = known / max(known.std(), 1e-12), made / max(known.std(), 1e-12)
    difference = float(np.abs(known - made).max())
    if not difference <= _EQUAL:
        raise InputError(
            f"The exported model differs from the trained one by {difference:.2g}.", fits=f"{_EQUAL:g} at most"
        )
    return difference
