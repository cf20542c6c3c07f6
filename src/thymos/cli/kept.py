"""Commands about the cache: what is kept of samples, and how to be rid of it."""

from __future__ import annotations

from typing import Annotated

import typer

from thymos.cli.shared import screen

app = typer.Typer(no_args_is_help=True, help="What has been derived from corpora and is kept for next time.")


@app.command("list")
def show() -> None:
    """List what is kept, and where."""
    from rich.table import Table

    from thymos.base.cache import Cache

    cache = Cache()
    entries = cache.entries()
    table = Table("key", "made", "MB", "source", "what", "state", title=f"Cache {cache.folder}", title_justify="left")
    for entry in entries:
        facts = entry.facts
        kind = "features" if "features" in facts else "windows"
        what = " + ".join(code.partition(":")[2] for code, _ in facts.get("features", [])) or kind
        source = str(facts.get("source", ["?"])[0]).partition(":")[2]
        state = "broken" if not entry.whole else "in use" if entry.current else "of other code"
        table.add_row(entry.key[:8], entry.created, f"{entry.size / 1e6:.1f}", source, what, state)
    console = screen()
    console.print(table)
    console.print(f"{len(entries)} entries, {sum(e.size for e in entries) / 1e6:.1f} MB", highlight=False)


@app.command("clear")
def clear(
    keys: Annotated[list[str] | None, typer.Argument(help="First letters of keys; all by default.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Only what is broken or of other code.")] = False,
) -> None:
    """Remove what is kept; it is made again when it is needed. Nothing else is touched."""
    from thymos.base.cache import Cache
    from thymos.base.errors import InputError

    cache = Cache()
    chosen = None
    if keys or stale:
        entries = cache.entries()
        for key in keys or []:
            if not any(entry.key.startswith(key) for entry in entries):
                raise InputError(f"There is no entry {key!r} in {cache.folder}.", fits="a key of `thymos cache list`")
        chosen = [
            entry.key
            for entry in entries
            if (not keys or entry.key.startswith(tuple(keys))) and not (stale and entry.whole and entry.current)
        ]
    screen().print(f"{cache.clear(chosen) / 1e6:.1f} MB removed from {cache.folder}", highlight=False, soft_wrap=True)
