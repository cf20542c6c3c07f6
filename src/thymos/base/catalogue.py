"""Catalogues: names a user may write, and the objects they stand for, imported on use.

A room lists its members in a ``catalogue.py`` of its own. Nothing is imported until a member is asked for, so
listing is cheap and rooms that must not know each other can still find each other's members by name.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from thymos.base.errors import InputError, ThymosError, UnknownNameError

__all__ = ["Catalogue", "Row", "called", "catalogue", "check_parameters", "load_object", "near", "resolve"]

#: Where the catalogue of each kind of thing lives.
CATALOGUES = {
    "source": "thymos.sources.catalogue:SOURCES",
    "process": "thymos.signals.catalogue:PROCESSES",
    "transformer": "thymos.signals.catalogue:TRANSFORMERS",
    "sampler": "thymos.augmentation.catalogue:SAMPLERS",
    "model": "thymos.models.catalogue:MODELS",
    "protocol": "thymos.evaluation.catalogue:PROTOCOLS",
    "inspection": "thymos.evaluation.catalogue:INSPECTIONS",
}


@dataclass(frozen=True)
class Row:
    """One member of a catalogue.

    Parameters
    ----------
    target : str
        Dotted address ``package.module:attribute``.
    summary : str
        One line for listings.
    citation : str
        The publication it implements, if any.
    parameters : mapping
        Defaults that this name stands for (a preset); a user's own values win.
    """

    target: str
    summary: str
    citation: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return the member."""
        return load_object(self.target)


class Catalogue(Mapping):
    """Exact look-up by name; a wrong name is answered with the near ones.

    Parameters
    ----------
    kind : str
        What the members are, for messages.
    rows : mapping of str to Row
        The members.
    """

    def __init__(self, kind: str, rows: Mapping[str, Row]):
        self.kind = kind
        self._rows = dict(rows)

    def __getitem__(self, name: str) -> Row:
        try:
            return self._rows[name]
        except KeyError:
            raise UnknownNameError(
                f"There is no {self.kind} named {name!r}.{near(name, self._rows)}",
                fits=f"one of {', '.join(sorted(self._rows))}",
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def near(name: object, names: Iterable[str]) -> str:
    """Return ``' Did you mean ...?'`` for names close to `name`, or an empty string."""
    close = difflib.get_close_matches(str(name), list(names), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def load_object(address: str) -> Any:
    """Import ``package.module:attribute`` and return the attribute.

    Raises
    ------
    UnknownNameError
        If the module or the attribute does not exist.
    """
    module_name, _, attribute = address.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise UnknownNameError(f"{address!r} is no address.", fits="'package.module:Class'")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if not (module_name == missing or module_name.startswith(f"{missing}.")):
            raise  # the module exists and lacks a dependency of its own
        raise UnknownNameError(
            f"The module {module_name!r} of {address!r} cannot be found.",
            fits="an importable 'package.module:Class'",
            do="install the package or put its folder on PYTHONPATH",
        ) from None
    except AttributeError:
        raise UnknownNameError(
            f"The module {module_name!r} has no {attribute!r}.", fits="an importable 'package.module:Class'"
        ) from None


def catalogue(kind: str) -> Catalogue:
    """Return the catalogue of a kind, such as ``source``, ``transformer`` or ``model``."""
    return load_object(CATALOGUES[kind])


def resolve(name: str, *kinds: str) -> Row:
    """Find `name` in the catalogues of the given kinds; ``package.module:Class`` is taken as an address.

    Raises
    ------
    UnknownNameError
        If no catalogue has the name; the message lists the near ones of all kinds.
    """
    if ":" in name:
        return Row(name, "given by address")
    books = [catalogue(kind) for kind in kinds]
    for book in books:
        if name in book:
            return book[name]
    merged = {key: row for book in books for key, row in book.items()}
    return Catalogue(" or ".join(kinds), merged)[name]


def check_parameters(function: Any, parameters: Iterable[str], owner: str, skip: Iterable[str] = ()) -> None:
    """Refuse parameters that `function` (or a class's constructor) does not take.

    Raises
    ------
    InputError
        Naming the near parameters.
    """
    try:
        signature = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise InputError(f"{owner} cannot be used here: {function!r} shows no parameters.", "a class") from None
    if any(p.kind is p.VAR_KEYWORD for p in signature):
        return
    known = [p.name for p in signature if p.name not in {"self", *skip}]
    for name in parameters:
        if name not in known:
            raise InputError(
                f"{owner} has no parameter {name!r}.{near(name, known)}",
                fits=f"one of {', '.join(known)}" if known else "no parameters",
            )


def called(owner: str, made: Any, parameters: Mapping[str, Any]) -> Any:
    """Return what a class makes of parameters that a user wrote.

    Raises
    ------
    InputError
        If there is no such parameter, or the class cannot be made of these; `owner` is named.
    """
    check_parameters(made, parameters, owner)
    try:
        return made(**parameters)
    except ThymosError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{owner} cannot be made of {parameters}: {error}.") from None
