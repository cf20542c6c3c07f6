"""A bundle exported as a folder: the graph, what it must be given, and what it costs."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

import thymos
from thymos.base.errors import InputError
from thymos.base.folders import whole_folder
from thymos.base.optional import require
from thymos.base.probabilities import Calibration, predict_all
from thymos.base.random import child_seed
from thymos.base.recording import Frames, Recording, Signal
from thymos.serving.adapt import Recipe
from thymos.serving.bundle import Bundle
from thymos.serving.export import SAMPLES, OnnxPipeline, export_onnx, is_network, network_of, quantised, split_pipeline
from thymos.serving.footprint import latencies, operations, peak_memory
from thymos.serving.pictures import PictureRecipe
from thymos.serving.several import SeveralRecipe

__all__ = ["FILES", "KIND", "export_bundle", "noise_for", "on_onnx"]

_HEAD, _GRAPH, _SMALL = "export.json", "model.onnx", "model.int8.onnx"

#: The files of an export, and what a folder of these holds, in words.
FILES, KIND = (_HEAD, _GRAPH, _SMALL), "an exported model"

_WINDOWS = 64  # samples that stand for all


def export_bundle(
    bundle: Bundle,
    folder: str | Path,
    recordings: Iterable[Recording] | None = None,
    int8: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a bundle as ONNX, compare it with the bundle, and measure what both cost.

    Filters, features and the search for faces stay outside of the graph, which begins with the samples that they make:
    ``recipe`` in the head says how; ``thymos predict DIR --onnx FILE`` does it.

    Parameters
    ----------
    bundle : Bundle
    folder : path
        A new one; with `overwrite` also one that holds an export.
    recordings : iterable of Recording, optional
        Whose samples stand for all; noise of the amplitude of training by default.
    int8 : bool
        Also write the graph in eight bits, for which recordings are better than noise. Where that cannot be done, the
        rest is written all the same.
    overwrite : bool

    Returns
    -------
    dict
        The head, as it is written to ``export.json``: what :func:`thymos.serving.export.export_onnx` returns as
        ``graph``; ``samples``, what was compared; ``int8``, what :func:`~thymos.serving.export.quantised` returns, or
        a ``reason`` why there is no such model; ``costs``, a list of rows with ``model``, ``parameters``,
        ``operations`` of a sample, ``bytes``, ``memory`` (bytes by which a process grows, batch of 64) and seconds
        ``p50_1``, ``p99_1``, ``p50_64``, ``p99_64`` on one thread; ``window``, the same times for one window from the
        recording on, features included; none if no recording begins with a window.

    Raises
    ------
    InputError
        If the bundle cannot be exported, or no recording has two samples.
    MissingExtraError
        Without the libraries of ``thymos[onnx]``.
    """
    if isinstance(bundle.recipe, SeveralRecipe):
        raise InputError(
            f"The model takes {', '.join(bundle.recipe.modalities)}, and windows may lack one of them.",
            fits="a model of one modality, whose computing does not depend on what is there",
            do="deploy the folder itself (thymos predict), or train a model of one modality",
        )
    given = "recordings" if recordings is not None else "noise of the amplitude of training"
    noise = recordings is None
    recordings = list(noise_for(bundle.recipe) if recordings is None else recordings)
    try:
        X = _kept(bundle.samples(recordings).X)
    except InputError as error:
        if not noise:
            raise
        raise InputError(f"Of noise there are no samples. {error.came}", error.fits, "give recordings") from None
    require("onnxruntime", "onnx")
    with whole_folder(folder, FILES, KIND, overwrite) as fresh:
        properties = {"thymos": thymos.__version__, "bundle": bundle.digest, "level": bundle.level}
        graph = export_onnx(bundle.pipeline, X, fresh / _GRAPH, bundle.classes, bundle.calibration, properties)
        small: dict[str, Any] | None = None
        if int8:
            try:
                small = quantised(fresh / _GRAPH, fresh / _SMALL, bundle.pipeline, X, bundle.calibration)
            except InputError as error:
                small = {"reason": error.came}
        rows = _costs(bundle, fresh, X)
        head = {
            "format": "thymos-export-1",
            **properties,
            "recipe": bundle.recipe.model_dump(mode="json"),
            "classes": list(bundle.classes),
            "samples": {"of": given, "n": len(X), "compared": SAMPLES},
            "graph": graph,
            "int8": small,
            "costs": rows,
            "window": _whole_window(bundle, fresh / _GRAPH, recordings),
            "machine": {"processor": platform.machine(), "system": platform.system(), "threads": 1},
            "card": dict(bundle.card),
            "checksums": {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(fresh.glob("*.onnx"))
            },
        }
        (fresh / _HEAD).write_text(json.dumps(head, indent=1, default=str), encoding="utf-8")
    return head


def on_onnx(bundle: Bundle, path: str | Path) -> Bundle:
    """Return a bundle whose predictions are those of its exported model.

    Raises
    ------
    InputError
        If the file is no exported model, or that of another bundle.
    """
    exported = OnnxPipeline(path, bundle.pipeline)
    if exported.facts.get("bundle") != bundle.digest:
        raise InputError(
            f"{path} was not exported from this bundle as it is now.",
            fits="the file that `thymos export` has written of it",
            do="export it again; calibrating or training anew makes another bundle",
        )
    return bundle.replace(pipeline=exported, calibration=Calibration())


def noise_for(recipe: Recipe | PictureRecipe, seed: int = 0) -> list[Recording]:
    """Return recordings that fit a recipe and show nothing: noise of the amplitude of training.

    One of many windows; where all of a recording is one sample, or a process leaves no more of it, many of one window.

    Parameters
    ----------
    recipe : Recipe or PictureRecipe
    seed : int
    """
    rng = np.random.default_rng(child_seed(seed, "noise"))
    places = {"source": "noise", "subject": "noise", "session": "", "trial": "noise", "stimulus": "noise"}
    if isinstance(recipe, PictureRecipe):
        pictures = Frames(rng.integers(0, 256, (_WINDOWS, *recipe.shape), dtype=np.uint8))
        return [Recording({recipe.modality: pictures}, {**places, "start": 0.0, "stop": 0.0})]
    rate, length = recipe.rates[0], recipe.seconds or 10.0
    step = recipe.step or length

    def noise(name: str, seconds: float) -> Recording:
        n_times = int(np.ceil(rate * seconds))
        data = recipe.spread * rng.standard_normal((len(recipe.channels), n_times)).astype(np.float32)
        signal = Signal(data, rate, recipe.channels, recipe.unit)
        rest = {recipe.modality: signal.replace(data=data[:, : n_times // 4])} if recipe.subtract_baseline else {}
        meta = {**places, "trial": name, "start": 0.0, "stop": signal.duration}
        return Recording({recipe.modality: signal}, meta, baseline=rest)

    if recipe.seconds is not None:
        made = long = noise("noise", length + _WINDOWS * step)
        for process in recipe.processes():
            made = process.apply(made)
        if made.signal(recipe.modality).duration >= length + step:
            return [long]
    return [noise(f"noise {k}", length) for k in range(_WINDOWS)]


def _kept(X: np.ndarray) -> np.ndarray:
    """Return a few samples, from all over."""
    return np.ascontiguousarray(X[np.unique(np.linspace(0, len(X) - 1, min(len(X), 4 * _WINDOWS)).astype(int))])


def _costs(bundle: Bundle, folder: Path, X: np.ndarray) -> list[dict[str, Any]]:
    """Return what the trained model and its exports cost, row by row."""
    calls = {"trained": lambda batch: predict_all(bundle.pipeline, batch, bundle.classes)}
    for path in sorted(folder.glob("*.onnx")):
        exported = OnnxPipeline(path, bundle.pipeline)
        calls[path.name] = exported.predict_proba if bundle.classes else exported.predict
    times = latencies(calls, X)
    rows = [{"model": "trained", **_size_of(bundle.pipeline, X), "memory": None, **times["trained"]}]
    for name in list(calls)[1:]:
        path = folder / name
        costs = {"bytes": path.stat().st_size, "memory": peak_memory(path, 64)}
        rows.append({"model": name, "parameters": None, "operations": None, **costs, **times[name]})
    return rows


def _size_of(pipeline: Any, X: np.ndarray) -> dict[str, int | None]:
    """Return parameters, operations and bytes of the network of a pipeline, without what it has silenced."""
    parts = split_pipeline(pipeline, X)
    if not is_network(parts.last):
        return {"parameters": None, "operations": None, "bytes": None}
    network, _, estimator = network_of(parts.last, parts.X)
    tensors = [*network.parameters(), *network.buffers()]
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "operations": operations(network, estimator.arrange(parts.X[:2])),
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in tensors),
    }


def _whole_window(bundle: Bundle, path: Path, recordings: Iterable[Recording]) -> Mapping[str, Mapping[str, float]]:
    """Return how long one window takes from the recording on, with processes and features, both ways."""
    one = _one_window(bundle, recordings)
    if one is None:
        return {}
    ways = {
        "trained": bundle,
        path.name: bundle.replace(pipeline=OnnxPipeline(path, bundle.pipeline), calibration=Calibration()),
    }
    calls = {name: lambda _, way=way: way.predict([one]) for name, way in ways.items()}
    return latencies(calls, np.zeros((1, 1), np.float32), batches=(1,), repeats=100)


def _one_window(bundle: Bundle, recordings: Iterable[Recording]) -> Recording | None:
    """Return the beginning of the first recording that has a window there."""
    for recording in recordings:
        one = _first_window(recording, cast("Recipe | PictureRecipe", bundle.recipe))
        with suppress(InputError):  # shorter than a window, or than its processes need
            bundle.samples([one])
            return one
    return None


def _first_window(recording: Recording, recipe: Recipe | PictureRecipe) -> Recording:
    """Return the beginning of a recording, as long as one window."""
    signal = recording.signal(recipe.modality)
    if isinstance(signal, Frames):
        short: Signal | Frames = signal.replace(data=signal.data[:1])
    elif recipe.seconds is None:
        short = signal
    else:
        short = signal.replace(data=signal.data[:, : int(np.ceil(recipe.seconds * signal.sfreq)) + 1])
    return Recording({recipe.modality: short}, recording.meta, baseline=recording.baseline)
