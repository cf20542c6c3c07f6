"""Networks of the search space: the mixture of all, and the one that a genotype describes (methods B1.4)."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from thymos.models.genotype import EEGSearchSpace, Genotype
from thymos.nn.mixed_ops import BatchNorm, MixedEdge, Pointwise, make_operation

__all__ = ["Architecture", "GenotypeNet", "Supernet", "joined"]


class _Enter(nn.Module):
    """ReLU, linear map and batch normalisation of what a cell is given; halves the time axis where that is due."""

    def __init__(self, stack: int, inner: int, width: int, halve: bool, affine: bool):
        super().__init__()
        self.halve = halve
        if halve:
            self.even, self.odd = Pointwise(stack, inner, width - width // 2), Pointwise(stack, inner, width // 2)
        else:
            self.map = Pointwise(stack, inner, width)
        self.norm = BatchNorm(stack, width, affine)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.relu()
        if not self.halve:
            return self.norm(self.map(x))
        later = functional.pad(x, (0, 0, 0, x.shape[-2] % 2))[..., 1::2, :]
        return self.norm(torch.cat([self.even(x[..., ::2, :]), self.odd(later)], dim=1))


class _Cell(nn.Module):
    """Two inputs, nodes that sum what their edges bring, and a linear map of all nodes."""

    kind: str
    edges: Any  # a list of what a network puts there

    def __init__(
        self,
        stack: int,
        inner: tuple[int, int],
        width: int,
        halve: bool,
        nodes: int,
        affine: bool,
    ):
        super().__init__()
        self.enter = nn.ModuleList(
            [_Enter(stack, inner[0], width, halve, affine), _Enter(stack, inner[1], width, False, affine)]
        )
        self.nodes = nodes
        self.out = Pointwise(stack, nodes * width, width)

    def forward(self, before: torch.Tensor, last: torch.Tensor, bring: Callable) -> torch.Tensor:
        """Return the cell's output; ``bring(node, states, active)`` returns what a node is given."""
        states = [enter(x) for enter, x in zip(self.enter, (before, last), strict=True)]
        active = [functional.elu(x) for x in states]  # once for all edges that begin there
        for node in range(self.nodes):
            states.append(bring(node, states, active))
            active.append(functional.elu(states[-1]))
        return self.out(torch.cat(states[2:], dim=1))


class _Head(nn.Module):
    """Electrodes weighed by attention, times averaged, dropout, one linear map."""

    def __init__(self, stack: int, width: int, n_outputs: int, dropout: float):
        super().__init__()
        self.hidden, self.score = Pointwise(stack, width, width), Pointwise(stack, width, 1)
        self.dropout = nn.Dropout(dropout)
        self.out = Pointwise(stack, width, n_outputs)
        self.bias = nn.Parameter(torch.zeros(stack, n_outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.score(self.hidden(x).tanh()).softmax(dim=2)
        pooled = (weight * x).sum(dim=2).mean(dim=2)
        return (self.out(self.dropout(pooled)) + self.bias[:, :, None]).mT


class _Network(nn.Module, abc.ABC):
    """Stem, cells and head; what fills the edges of the cells is the subclass'.

    Parameters
    ----------
    space : EEGSearchSpace
    shape : (int, int, int)
        Features, electrodes and times of a sample.
    n_outputs, stack : int
    adjacency : Tensor, shape (n_channels, n_channels)
    dropout : float
    affine : bool
    """

    def __init__(
        self,
        space: EEGSearchSpace,
        shape: tuple[int, int, int],
        n_outputs: int,
        adjacency: torch.Tensor,
        stack: int,
        dropout: float,
        affine: bool,
    ):
        super().__init__()
        self.space, self.stack = space, stack
        self.stem, self.norm = Pointwise(stack, shape[0], space.width), BatchNorm(stack, space.width, affine)
        widths, halved = (space.width, space.width), False
        cells: list[_Cell] = []
        for kind, width in space.plan():
            cells.append(_Cell(stack, widths, width, halved, space.nodes, affine))
            cells[-1].edges = self.make_edges(kind, width, adjacency)
            cells[-1].kind = kind
            widths, halved = (widths[1], width), kind == "reduce"
        self.cells = nn.ModuleList(cells)
        self.head = _Head(stack, widths[1], n_outputs, dropout)

    @abc.abstractmethod
    def make_edges(self, kind: str, width: int, adjacency: torch.Tensor) -> nn.Module:
        """Return what the edges of a cell hold."""

    def run(self, x: torch.Tensor, bringing: Callable[[_Cell], Callable]) -> torch.Tensor:
        """Return logits, shape (n_models, batch, n_outputs), of (n_models, batch, n_features, n_channels, n_times)."""
        before = last = self.norm(self.stem(x.permute(0, 2, 3, 4, 1).contiguous()))
        for cell in cast("Iterable[_Cell]", self.cells):
            before, last = last, cell(before, last, bringing(cell))
        return self.head(last)


class Architecture(nn.Module):
    """Weights of operations and edges, which a search learns: one table for normal and one for reduction cells.

    Parameters
    ----------
    space : EEGSearchSpace
    stack : int
    """

    def __init__(self, space: EEGSearchSpace, stack: int = 1):
        super().__init__()
        self.space = space
        kinds = sorted({kind for kind, _ in space.plan()})
        edges, operations = len(space.edges), len(space.operations)
        self.alpha = nn.ParameterDict({kind: 1e-3 * torch.randn(stack, edges, operations) for kind in kinds})
        self.eta = nn.ParameterDict({kind: 1e-3 * torch.randn(stack, edges) for kind in kinds})

    def weights(self, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights of operations, (n_models, n_edges, n_operations), and of edges, (n_models, n_edges).

        Those of the edges that lead to one node sum to 1 (Xu et al. 2020).
        """
        counts = [node + 2 for node in range(self.space.nodes)]
        edges = torch.cat([part.softmax(dim=1) for part in self.eta[kind].split(counts, dim=1)], dim=1)
        return self.alpha[kind].softmax(dim=2), edges

    @torch.no_grad()
    def genotypes(self) -> list[Genotype]:
        """Return the discrete network of each model: on each node the two strongest edges, on each the best operation.

        The strength of an edge is its weight times that of its best operation, ``zero`` left out.
        """
        names = self.space.operations
        allowed = torch.tensor([name != "zero" for name in names])
        found: dict[str, list] = {}
        for kind in self.alpha:
            operations, edges = (part.cpu() for part in self.weights(kind))
            operations = operations.masked_fill(~allowed, -1.0)
            strength, best = operations.max(dim=2)
            strength = strength * edges
            found[kind] = []
            for model in range(len(strength)):
                nodes = []
                for node in range(self.space.nodes):
                    rows = [k for k, (_, to) in enumerate(self.space.edges) if to == node + 2]
                    weakness = {k: -float(strength[model, k]) for k in rows}
                    kept = sorted(rows, key=weakness.__getitem__)[:2]
                    nodes.append([(names[int(best[model, k])], self.space.edges[k][0]) for k in sorted(kept)])
                found[kind].append(nodes)
        normal = found["normal"]
        return [Genotype(a, b) for a, b in zip(normal, found.get("reduce", normal), strict=True)]


class Supernet(_Network):
    """Every operation on every edge, several models at once.

    Parameters
    ----------
    space : EEGSearchSpace
    shape : (int, int, int)
        Features, electrodes and times of a sample.
    n_outputs : int
    adjacency : Tensor, shape (n_channels, n_channels)
        Nearness of electrodes.
    stack : int
        Number of models.
    """

    def __init__(
        self,
        space: EEGSearchSpace,
        shape: tuple[int, int, int],
        n_outputs: int,
        adjacency: torch.Tensor,
        stack: int = 1,
    ):
        super().__init__(space, shape, n_outputs, adjacency, stack, dropout=0.0, affine=False)

    def make_edges(self, kind: str, width: int, adjacency: torch.Tensor) -> nn.Module:
        """Return one mixture for each edge; those from the inputs of a reduction cell halve the time axis."""
        space = self.space
        strides = [2 if kind == "reduce" and source < 2 else 1 for source, _ in space.edges]
        return nn.ModuleList(MixedEdge(space.operations, self.stack, width, adjacency, stride) for stride in strides)

    def forward(self, x: torch.Tensor, architecture: Architecture, beta: float = 0.0) -> torch.Tensor:
        """Return logits, shape (n_models, batch, n_outputs).

        Parameters
        ----------
        x : Tensor, shape (n_models, batch, n_features, n_channels, n_times)
        architecture : Architecture
        beta : float
            Weight of the auxiliary skip connections.
        """
        weights = {kind: architecture.weights(kind) for kind in architecture.alpha}
        edges = self.space.edges

        def bringing(cell: _Cell) -> Callable:
            operations, strength = weights[cell.kind]

            def bring(node: int, states: list[torch.Tensor], active: list[torch.Tensor]) -> torch.Tensor:
                total: Any = 0.0
                for number, (source, to) in enumerate(edges):
                    if to == node + 2:
                        # the weight of the edge goes into those of its operations: one product less
                        own = operations[:, number] * strength[:, number, None]
                        pull = strength[:, number] * beta if beta else None
                        total = total + cell.edges[number](states[source], active[source], own, pull)
                return total

            return bring

        return self.run(x, bringing)


class GenotypeNet(_Network):
    """The network that a genotype describes.

    Parameters
    ----------
    genotype : Genotype
    space : EEGSearchSpace
        Its width and cells; nodes are the genotype's.
    shape, n_outputs, adjacency
        As :class:`Supernet`.
    dropout, path_dropout : float
        Share of features dropped before the last layer, and of samples for which an edge that is no skip connection is
        dropped.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        genotype: Genotype,
        space: EEGSearchSpace,
        shape: tuple[int, int, int],
        n_outputs: int,
        adjacency: torch.Tensor,
        dropout: float = 0.5,
        path_dropout: float = 0.1,
    ):
        self.genotype, self.path_dropout = genotype, path_dropout
        space = EEGSearchSpace(space.width, space.cells, genotype.nodes, space.operations)
        super().__init__(space, shape, n_outputs, adjacency, 1, dropout, affine=True)
        self.register_buffer("mean", torch.zeros(*shape[:2], 1))
        self.register_buffer("scale", torch.ones(*shape[:2], 1))

    @torch.no_grad()
    def begin(self, x: torch.Tensor) -> None:
        """Take mean and deviation of each band of each electrode from training samples, shaped as for the forward."""
        self.mean.copy_(x.mean(dim=(0, 3))[..., None])
        deviation = x.std(dim=(0, 3), correction=0)[..., None]
        self.scale.copy_(torch.where(deviation > 0, deviation, 1.0))

    def inherit(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over the weights of a search.

        Parameters
        ----------
        state : mapping of str to Tensor
            Of a :class:`Supernet` of the same space with one model.
        """
        places = {edge: number for number, edge in enumerate(self.space.edges)}
        names = {}
        for k, cell in enumerate(cast("Iterable[_Cell]", self.cells)):
            nodes = getattr(self.genotype, cell.kind)
            kept = [(name, places[source, to + 2]) for to, node in enumerate(nodes) for name, source in node]
            for number, (name, edge) in enumerate(kept):
                names[f"cells.{k}.edges.{number}."] = f"cells.{k}.edges.{edge}.operations.{name}."
        own = self.state_dict()
        for name in own:
            prefix = next((p for p in names if name.startswith(p)), "")
            there = name if not prefix else names[prefix] + name.removeprefix(prefix)
            if there in state and not (".edges." in name and not prefix):
                own[name] = state[there]
        self.load_state_dict(own)

    def make_edges(self, kind: str, width: int, adjacency: torch.Tensor) -> nn.Module:
        """Return the operations of all nodes, two for each."""
        return nn.ModuleList(
            make_operation(name, 1, width, adjacency, 2 if kind == "reduce" and source < 2 else 1)
            for node in getattr(self.genotype, kind)
            for name, source in node
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (batch, n_outputs), of samples (batch, n_features, n_channels, n_times)."""

        def bringing(cell: _Cell) -> Callable:
            nodes = getattr(self.genotype, cell.kind)
            firsts = [sum(map(len, nodes[:k])) for k in range(len(nodes))]

            def bring(node: int, states: list[torch.Tensor], active: list[torch.Tensor]) -> torch.Tensor:
                parts = []
                for number, (name, source) in enumerate(nodes[node], start=firsts[node]):
                    made = cell.edges[number](states[source], active[source])
                    parts.append(self._dropped(made) if name != "skip" else made)
                return cast(torch.Tensor, sum(parts) / len(parts))

            return bring

        return self.run(((x - self.mean) / self.scale)[None], bringing)[0]

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.path_dropout):
            return x
        kept = torch.empty(x.shape[-1], device=x.device).bernoulli_(1 - self.path_dropout)
        return x * kept / (1 - self.path_dropout)


def joined(states: list[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the state of a stack from the states of its models."""
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}
