"""A fitted pipeline as two files: the numbers of its networks as safetensors, all else through skops. No pickle.

A network is rebuilt by the estimator it belongs to and then given its numbers, so that its code is that of the
installed package and never that of a file.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from torch import nn

from thymos.base.errors import DataError, InputError
from thymos.base.optional import require
from thymos.training.estimator import TorchEstimator

__all__ = ["PACKAGES", "decode", "encode", "untrusted"]

#: Packages whose estimators a bundle may hold: those that the catalogues name.
PACKAGES = ("thymos", "sklearn", "imblearn", "pyriemann")

#: Classes that are no estimators and that estimators hold. A tree checks the arrays that it is given.
_HELD = ("sklearn.tree._tree.Tree",)

_DAMAGED = "copy the bundle again, or train it anew"


def encode(pipeline: Any, trust: Collection[str] = ()) -> tuple[bytes, bytes]:
    """Return a fitted pipeline as the bytes of its two files; samplers, which act in training alone, are left out.

    Parameters
    ----------
    pipeline : fitted scikit-learn estimator
        It stays as it is.
    trust : collection of str
        Functions and classes of one's own, ``package.module.name``, as :func:`decode` wants them.

    Returns
    -------
    pipeline, weights : bytes
        Of skops and of safetensors.

    Raises
    ------
    InputError
        If a part of the pipeline could not be loaded again.
    MissingExtraError
        If skops or safetensors is not installed.
    """
    skops, safetensors = _libraries()
    bare = copy.deepcopy(_without_samplers(pipeline))
    tensors: dict[str, torch.Tensor] = {}
    for place, network in list(_networks(bare)):
        module = network.__dict__.pop("module_", None)
        if module is not None:
            state = module.state_dict()
            tensors |= {f"{place}|{name}": value.detach().cpu().contiguous() for name, value in state.items()}
        _check_factory(network.module)
    try:
        data = skops.dumps(bare, compression=ZIP_DEFLATED)
        weights = safetensors.save({name: value.clone() for name, value in tensors.items()})
    except Exception as error:  # of a library that knows nothing of pipelines
        raise InputError(
            f"The pipeline cannot be stored: {type(error).__name__}: {error}.",
            fits="steps of Thymos and scikit-learn, and networks that an estimator of Thymos holds",
        ) from None
    unknown = untrusted(data, trust)
    if unknown:
        raise InputError(
            f"The pipeline holds what no bundle may: {', '.join(unknown)}.",
            fits=f"estimators of {', '.join(PACKAGES)}",
            do="for an importable module of your own, name these in trust=, when saving and when loading",
        )
    return data, weights


def decode(data: bytes, weights: bytes, trust: Collection[str] = ()) -> tuple[Any, list[str]]:
    """Return the pipeline that :func:`encode` stored, and what is remarkable about it.

    Parameters
    ----------
    data, weights : bytes
    trust : collection of str
        Functions and classes, ``package.module.name``, that may be imported beside the estimators of :data:`PACKAGES`.

    Raises
    ------
    DataError
        If something else would be imported, the files are damaged, or this version builds other networks.
    """
    skops, safetensors = _libraries()
    unknown = untrusted(data, trust)
    if unknown:
        raise DataError(
            f"The bundle names what is not trusted: {', '.join(unknown)}.",
            fits=f"estimators of {', '.join(PACKAGES)}",
            do="do not load it unless you know where it comes from and these are your own; then name them in trust=",
        )
    try:
        with warnings.catch_warnings(record=True) as caught:  # scikit-learn says so where its version was another
            warnings.simplefilter("always")
            pipeline = skops.loads(data, trusted=skops.get_untrusted_types(data=data))
        tensors = safetensors.load(weights)
    except Exception as error:  # a damaged file raises anything
        raise _damaged(error) from None
    states: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        place, _, name = key.partition("|")
        states.setdefault(place, {})[name] = value
    for place, network in list(_networks(pipeline)):
        if place in states:
            network.module_ = _rebuilt(network, states.pop(place))
        elif hasattr(network, "history_"):
            raise DataError(f"The bundle lacks the weights of {type(network).__name__}.", do=_DAMAGED)
    if states:
        raise DataError(f"The bundle has weights of no network: {', '.join(states)}.", do=_DAMAGED)
    return pipeline, list(dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught))


def untrusted(data: bytes, trust: Collection[str] = ()) -> list[str]:
    """Return the names that loading a skops file would import and that are no estimators of :data:`PACKAGES`.

    Parameters
    ----------
    data : bytes
    trust : collection of str
        Further names that are accepted.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    skops, _ = _libraries()
    try:
        names = skops.get_untrusted_types(data=data)
    except Exception as error:
        raise _damaged(error) from None
    return [name for name in names if name not in trust and not _is_ours(name)]


def _libraries() -> tuple[Any, Any]:
    return require("skops.io", "deploy"), require("safetensors.torch", "deploy")


def _damaged(error: Exception) -> DataError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return DataError(f"The pipeline of the bundle cannot be read: {lines[0]}.", "an undamaged bundle", _DAMAGED)


def _is_ours(name: str) -> bool:
    """Whether a dotted name is an estimator of our packages.

    skops may call a class with arguments that a file gives. The constructor of an estimator stores them and does
    nothing else; those of other classes (a memory-mapped array, which opens a file) may do harm.
    """
    module, _, attribute = name.rpartition(".")
    parts = module.split(".")
    if name in _HELD:
        return True
    if parts[0] not in PACKAGES or any(part.startswith("__") for part in parts):  # __main__ runs when it is imported
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, BaseEstimator)


def _without_samplers(pipeline: Any) -> Any:
    if not isinstance(pipeline, Pipeline):
        return pipeline
    made = copy.copy(pipeline)
    made.steps = [(name, step) for name, step in pipeline.steps if not hasattr(step, "fit_resample")]
    return made


def _networks(
    thing: Any, place: str = "pipeline", seen: set[int] | None = None
) -> Iterator[tuple[str, TorchEstimator]]:
    """Yield every estimator that is a network, wherever it is inside another, and its place, the same after loading."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, nn.Module):
        return
    seen.add(id(thing))
    if isinstance(thing, TorchEstimator):
        yield place, thing
    inner: Mapping[Any, Any] = {}
    if isinstance(thing, BaseEstimator):
        inner = vars(thing)
    elif isinstance(thing, Mapping):
        inner = thing
    elif isinstance(thing, (list, tuple)):
        inner = dict(enumerate(thing))
    for name, value in sorted(inner.items(), key=lambda item: str(item[0])):
        yield from _networks(value, f"{place}.{name}", seen)


def _check_factory(module: Any) -> None:
    """Refuse a network whose factory no other process could import."""
    if module is None:
        return
    address = f"{getattr(module, '__module__', None)}:{getattr(module, '__qualname__', None)}"
    name, _, attribute = address.partition(":")
    try:
        found = None if name == "__main__" else getattr(importlib.import_module(name), attribute, None)
    except ImportError:
        found = None
    if found is not module:
        raise InputError(
            f"The network was built by {module!r}, which nobody could import.",
            fits="a function or class at the top of a module that can be imported",
            do="put it into a module of your own, and name it in trust=, when saving and when loading",
        )


def _rebuilt(network: TorchEstimator, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return the module that an estimator builds, with the stored numbers."""
    try:
        sample = network.arrange(np.zeros((1, *network.shape_), dtype=np.float32))
        with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and then replaced
            module = network.build(sample.shape[1:], len(getattr(network, "classes_", [None])))
        module.load_state_dict(state)
    except Exception as error:
        raise DataError(
            f"{type(network).__name__} cannot be rebuilt from its weights: {str(error).strip().splitlines()[0]}",
            fits="the version of Thymos that the bundle was made by, or one that builds the same network",
            do="install the version that the bundle names, or train it anew",
        ) from None
    return module.eval()
