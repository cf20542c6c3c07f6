"""What a search finds: which operations connect which nodes of a cell, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thymos.base.catalogue import near
from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.nn.mixed_ops import OPERATIONS

__all__ = ["EEGSearchSpace", "Genotype", "random_genotype"]

_KINDS = ("normal", "reduce")


@dataclass(frozen=True)
class EEGSearchSpace:
    """Networks to choose from (methods B1.4).

    Parameters
    ----------
    width : int
        Features after the stem; every reduction cell doubles them.
    cells : int
        Cells in a row: normal and reduction cells take turns.
    nodes : int
        Nodes of a cell between its two inputs and its output.
    operations : sequence of str
        Names of :data:`thymos.nn.mixed_ops.OPERATIONS`.

    Raises
    ------
    InputError
        If a size is no whole number of at least 1, or there is no such operation.
    """

    width: int = 16
    cells: int = 4
    nodes: int = 3
    operations: Sequence[str] = field(default_factory=lambda: tuple(OPERATIONS))

    def __post_init__(self):
        for name in ("width", "cells", "nodes"):
            check_whole(name, getattr(self, name))
        if not isinstance(self.operations, (str, Sequence)):
            raise InputError(f"operations={self.operations!r} came.", fits="a list of names")
        names = (self.operations,) if isinstance(self.operations, str) else tuple(self.operations)
        object.__setattr__(self, "operations", names)
        for name in names:
            if name not in OPERATIONS:
                raise InputError(
                    f"There is no operation {name!r}.{near(name, OPERATIONS)}", fits=f"some of {', '.join(OPERATIONS)}"
                )
        if not self.choices or len(set(names)) < len(names):
            raise InputError(
                f"operations={list(names)} came.", "each once, and at least one that lets something through"
            )

    @property
    def choices(self) -> tuple[str, ...]:
        """Operations that a genotype may hold: all but ``zero``."""
        return tuple(name for name in self.operations if name != "zero")

    @property
    def edges(self) -> list[tuple[int, int]]:
        """From and to of all edges of a cell: states 0 and 1 are its inputs, nodes follow."""
        return [(source, node + 2) for node in range(self.nodes) for source in range(node + 2)]

    def plan(self) -> list[tuple[str, int]]:
        """Return kind and width of the cells in a row."""
        return [(_KINDS[k % 2], self.width * 2 ** ((k + 1) // 2)) for k in range(self.cells)]

    def count(self) -> int:
        """Return the number of genotypes."""
        per_node = [
            len(self.choices) ** min(2, n) * (n * (n - 1) // 2 if n > 1 else 1) for n in range(2, self.nodes + 2)
        ]
        return int(np.prod([float(n) for n in per_node])) ** len({kind for kind, _ in self.plan()})


@dataclass(frozen=True)
class Genotype:
    """The two edges that lead to each node of a cell, for normal and for reduction cells.

    Parameters
    ----------
    normal, reduce : sequence of sequence of (str, int)
        For each node the operation and the state that it is applied to, twice.

    Raises
    ------
    InputError
        If an operation does not exist, or a node would use a later one.
    """

    normal: tuple[tuple[tuple[str, int], ...], ...]
    reduce: tuple[tuple[tuple[str, int], ...], ...]

    def __post_init__(self):
        for kind in _KINDS:
            try:
                nodes = tuple(tuple((str(o), int(k)) for o, k in node) for node in getattr(self, kind))
            except (TypeError, ValueError):
                raise InputError(
                    f"The {kind} cell of a genotype is {getattr(self, kind)!r}.",
                    fits="for each node a list of pairs: an operation and the state it is applied to",
                ) from None
            object.__setattr__(self, kind, nodes)
            for number, node in enumerate(nodes):
                for operation, source in node:
                    if operation not in OPERATIONS or operation == "zero":
                        raise InputError(
                            f"A genotype has the operation {operation!r}.{near(operation, OPERATIONS)}",
                            fits=f"one of {', '.join(name for name in OPERATIONS if name != 'zero')}",
                        )
                    if not 0 <= source < number + 2:
                        raise InputError(
                            f"Node {number} of a {kind} cell uses state {source}.", fits=f"0 to {number + 1}"
                        )
        if not self.normal or len(self.normal) != len(self.reduce) or not all((*self.normal, *self.reduce)):
            raise InputError(
                f"A genotype has {len(self.normal)} nodes in normal and {len(self.reduce)} in reduction cells.",
                fits="equally many, each with an edge",
            )

    @property
    def nodes(self) -> int:
        """Nodes of a cell."""
        return len(self.normal)

    def operations(self, kind: str = "normal") -> list[str]:
        """Return the operations of a cell in order."""
        return [operation for node in getattr(self, kind) for operation, _ in node]

    def to_dict(self) -> dict[str, Any]:
        """Return the genotype as lists, for JSON; the constructor takes them back as ``Genotype(**content)``."""
        return {kind: [[[o, k] for o, k in node] for node in getattr(self, kind)] for kind in _KINDS}

    @classmethod
    def of(cls, given: Genotype | Mapping[str, Any]) -> Genotype:
        """Return a genotype from one or from what :meth:`to_dict` returns.

        Raises
        ------
        InputError
            If it is neither.
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping) or set(given) != set(_KINDS):
            raise InputError(f"{given!r} came for a genotype.", fits="a mapping with the keys normal and reduce")
        return cls(**given)


def random_genotype(space: EEGSearchSpace, rng: np.random.Generator) -> Genotype:
    """Draw a genotype: for each node two different states, and on each an operation (Li & Talwalkar 2019).

    Parameters
    ----------
    space : EEGSearchSpace
    rng : numpy.random.Generator
    """

    def cell() -> tuple[tuple[tuple[str, int], ...], ...]:
        return tuple(
            tuple((str(rng.choice(space.choices)), int(k)) for k in sorted(rng.choice(node + 2, 2, replace=False)))
            for node in range(space.nodes)
        )

    return Genotype(cell(), cell())
