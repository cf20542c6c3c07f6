"""What several commands have in common: their options, the terminal, values that are given as text."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from thymos.base.cache import Cache

Data = Annotated[Path | None, typer.Option("--data", envvar="THYMOS_DATA", help="Folder that holds the corpora.")]
Budget = Annotated[str, typer.Option("--budget", help="tiny, brief, quick or full: how much of the study is computed.")]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Make samples anew and in memory; keep none (see `thymos cache`).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there, if it is of this kind.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Further parameters as name=value, such as subjects=2.")
]


def screen():
    """Return the terminal, or what stands for it."""
    from rich.console import Console

    # a pipe or a log has no width of its own; 80 columns would fold every table
    return Console(width=None if sys.stdout.isatty() else 160, markup=False)  # paths and titles may have brackets


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None]]:
    """Yield what is told how many are done, of how many, and what is done now; 0 for a number that nobody knows."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total or None, description=text)


def escaped(text: str) -> str:
    """Return a text whose brackets are no markup."""
    from rich.markup import escape

    return escape(text)


def print_list(rows: Iterable[tuple[str, ...]]) -> None:
    """Print names, whole so that they can be copied, beside lines of words, the first of which counts most."""
    from rich.table import Column, Table
    from rich.text import Text

    table = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for name, first, *more in rows:
        words = [Text(first), *(Text(line, style="dim") for line in more)]
        table.add_row(Text(name, style="bold"), Text("\n").join(words))
    screen().print(table)


def cache_for(no_cache: bool, data: Path | None) -> Cache | None:
    """Return where samples are kept, never below the data; None to keep none."""
    from thymos.base.cache import Cache

    return None if no_cache else Cache(away_from=[] if data is None else [data])


def settings_of(given: list[str] | None, target: Callable, owner: str, own: tuple[str, ...]) -> dict[str, Any]:
    """Read --set options; `own` are parameters that have an option or an argument of their own."""
    from thymos.base.catalogue import check_parameters
    from thymos.base.errors import InputError

    settings = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or name in own:
            raise InputError(
                f"--set {text} came.", fits="name=value; " + ", ".join(filter(None, own)) + " are given otherwise"
            )
        settings[name] = yaml_value(value, f"--set {text}")
    check_parameters(target, settings, owner, skip=[name for name in own if name])
    return settings


def yaml_value(text: str, option: str) -> Any:
    """Read the value of an option as YAML."""
    import yaml

    from thymos.base.errors import InputError

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"{option} came.", fits="a value as in YAML, such as 2, [1, 4] or {bands: seed}") from None
