"""Channels of a network that can be taken out, with all that hangs on them, and the smaller network without them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from thymos.base.errors import InputError, MissingExtraError
from thymos.base.optional import require
from thymos.nn.sparsity import Channels, Place

__all__ = ["channels_of", "compacted"]

_MAKERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
_BESIDE = (nn.BatchNorm1d, nn.BatchNorm2d, nn.PReLU)  # have factors of channels
_EQUAL = 1e-4  # relative to the range of the outputs


def channels_of(network: nn.Module, example: torch.Tensor, but: Sequence[str] = ()) -> list[Channels]:
    """Return the groups of channels of a network that can be silenced by what takes them in, and be taken out.

    A dependency graph (Fang et al. 2023, DepGraph; Torch-Pruning) tells what hangs together: channels that are added to
    each other, batch normalisations, depthwise convolutions, blocks of a flattened map. A group is returned only if
    :func:`compacted` is seen to take out whatever is tried: one channel, either half, half from anywhere, all but one.
    Where something looks across channels, such as a layer normalisation or a product of two halves, it cannot.

    Parameters
    ----------
    network : Module
        Left as it is.
    example : Tensor, shape (batch, ...)
        Any input; noise takes the place of one that is the same everywhere.
    but : sequence of str
        Names of layers whose outputs stay, such as the last one.

    Raises
    ------
    MissingExtraError
        If Torch-Pruning is not installed.
    InputError
        If the network cannot be traced.
    """
    plain, found = copy.deepcopy(network).cpu().eval(), []
    example = example.cpu()
    with _traced(plain):
        groups = list(_groups(_graph(plain, example), but))
    for name, group in groups:
        made = _channels(plain, name, group)
        if made is not None and _can_go(plain, example, made):
            found.append(made)
    return found


def compacted(network: nn.Module, example: torch.Tensor, gone: Mapping[str, Sequence[int]]) -> nn.Module:
    """Return a copy of a network without some channels, which gives what the whole one gives if nothing takes them in.

    Parameters
    ----------
    network : Module
    example : Tensor, shape (batch, ...)
        What both are compared on; noise if it is the same everywhere.
    gone : mapping of str to sequence of int
        Name of the weight that makes the channels, as the first of :attr:`Channels.makers` has it, and their numbers.

    Raises
    ------
    InputError
        If there are no such channels, or the network without them gives something else.
    """
    pruning = require("torch_pruning", "pruning")
    made, example = copy.deepcopy(network).cpu().eval(), _telling(example.cpu())
    for parameter in made.parameters():
        parameter.requires_grad_(True)  # the graph is read off the gradient's
    masked, chosen = copy.deepcopy(made), []
    with _traced(made):
        graph = _graph(made, example)
    for weight, numbers in gone.items():
        name = weight.removesuffix(".weight")
        layer = made.get_submodule(name)
        if not isinstance(layer, _MAKERS):
            raise InputError(f"{weight} makes no channels.", fits="a dense layer or a convolution")
        if len(numbers):
            out = pruning.prune_linear_out_channels if isinstance(layer, nn.Linear) else pruning.prune_conv_out_channels
            whole = graph.get_pruning_group(layer, out, idxs=list(range(len(layer.weight))))
            group = _channels(made, name, _items(graph, whole))
            if group is None:
                raise _kept(gone, f"what takes in those of {weight} cannot do without some")
            _silence(masked, group, numbers)
            chosen.append((layer, out, sorted(int(k) for k in numbers)))
    try:
        for layer, out, numbers in chosen:
            graph.get_pruning_group(layer, out, idxs=numbers).prune()
        with torch.no_grad():
            expected, found = masked(example), made(example)
        span = (expected.max() - expected.min()).clamp(min=torch.finfo(found.dtype).tiny)
        apart = float((expected - found).abs().max() / span)
    except Exception as error:  # the forward relies on a size that is stored elsewhere, or nothing is left of a layer
        raise _kept(gone, f"{type(error).__name__}: {error}") from None
    if not apart <= _EQUAL:
        raise _kept(gone, f"its outputs would differ by {apart:.2g} of their range")
    return made


def _kept(gone: Mapping[str, Sequence[int]], why: str) -> InputError:
    many = ", ".join(f"{len(numbers)} of {weight}" for weight, numbers in gone.items() if len(numbers))
    return InputError(f"Channels cannot be taken out ({many}): {why}", fits="channels that channels_of returns")


def _telling(example: torch.Tensor) -> torch.Tensor:
    """Return an example; noise if it is the same everywhere, which would hide what is done with it."""
    if example.numel() and not bool((example == example.flatten()[0]).all()):
        return example
    noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(0))
    return noise if example.is_floating_point() else (127 + 64 * noise).clamp(0, 255).to(example.dtype)


@torch.no_grad()
def _silence(network: nn.Module, group: Channels, numbers: Sequence[int]) -> None:
    """Let nothing take some channels in."""
    for place in group.consumers:
        network.get_parameter(place.weight)[:, np.isin(np.array(place.index), numbers)] = 0


def _graph(network: nn.Module, example: torch.Tensor) -> Any:
    pruning = require("torch_pruning", "pruning")
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parameters outside layers, which stay
        return pruning.DependencyGraph().build_dependency(network, example_inputs=example)


@contextmanager
def _traced(network: nn.Module) -> Iterator[None]:
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as error:  # of whatever kind a foreign network's forward raises while it is traced
        gru = next((f" through the GRU {name}" for name, m in network.named_modules() if isinstance(m, nn.GRU)), "")
        raise InputError(
            f"The network {type(network).__name__} cannot be traced{gru}: {type(error).__name__}: {error}",
            fits="LSTMs in place of GRUs" if gru else "a network whose forward takes one tensor",
            do="prune single connections instead of channels",
        ) from None


def _groups(graph: Any, but: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for group in graph.get_all_groups(root_module_types=list(_MAKERS)):
        items = _items(graph, group)
        if items[0][0] not in but:
            yield items[0][0], items


def _items(graph: Any, group: Any) -> list[tuple[str, Any]]:
    names = graph._module2name  # has no public name; the tests of this room notice a version without it
    return [(names.get(item.dep.target.module, ""), item) for item in group]


def _channels(network: nn.Module, name: str, group: Any) -> Channels | None:
    """Return the weights of a group, None if one of its consumers is of a kind that has no columns."""
    makers, consumers, beside = [], [], dict[Place, None]()
    for of, item in group:
        layer, way, index = item.dep.target.module, item.dep.handler.__name__, tuple(int(k) for k in item.root_idxs)
        if not of:  # an operation without weights
            continue
        if 1 < getattr(layer, "groups", 1) < layer.out_channels:  # a channel of such a group cannot go alone
            return None
        for key, vector in layer.named_parameters() if isinstance(layer, (*_MAKERS, *_BESIDE)) else ():
            if (
                vector.dim() == 1
                and len(vector) == len(index)
                and (isinstance(layer, _BESIDE) or way.startswith("prune_out"))
            ):
                beside[Place(f"{of}.{key}", 0, index)] = None
        if way.startswith("prune_in") and not isinstance(layer, _BESIDE):
            keys = ["weight"] if isinstance(layer, _MAKERS) else []
            keys = keys or [key for key, _ in layer.named_parameters() if key.startswith("weight_ih_l0")]
            if not keys or any(getattr(layer, key).shape[1] != len(index) for key in keys):
                return None
            consumers += [Place(f"{of}.{key}", 1, index) for key in keys]
        elif isinstance(layer, _MAKERS) and layer.weight.shape[0] == len(index):
            makers.append(Place(f"{of}.weight", 0, index))
    makers.sort(key=lambda place: place.weight != f"{name}.weight")
    if not consumers or not makers:
        return None
    n = 1 + max(cast("tuple[int, ...]", makers[0].index))
    return Channels(tuple(makers), tuple(consumers), n, tuple(beside))


@torch.no_grad()
def _can_go(network: nn.Module, example: torch.Tensor, group: Channels) -> bool:
    """Say whether the network can do without whichever channels are tried."""
    if group.n < 2:
        return False
    rng, plain = torch.Generator().manual_seed(group.n), copy.deepcopy(network)
    order = torch.randperm(group.n, generator=rng).tolist()
    for module in plain.modules():  # statistics of no training would hide a difference
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if module.running_mean is not None:
                module.running_mean.normal_(generator=rng)
            module.bias.normal_(generator=rng) if module.bias is not None else None
    half, every = group.n // 2, range(group.n)
    for gone in (order[:half], order[:1], order[1:], every[:half], every[half:]):
        try:
            compacted(plain, example, {group.makers[0].weight: gone})
        except InputError:
            return False
    return True
