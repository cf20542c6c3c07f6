"""Commands about data: what is here, what is wrong with it, features of it, simulated data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from thymos.cli.shared import Data, Settings, escaped, print_list, progress_bar, screen, settings_of, yaml_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thymos.sources.base import SourceRow
    from thymos.sources.check import Check
    from thymos.sources.manifest import Manifest


def doctor(data: Data = None) -> None:
    """Look at the installation: packages, extras and the lines that install them, processors, corpora below --data."""
    from thymos.base.cache import Cache
    from thymos.base.doctor import Line, environment, extras

    found = [name for name, place in _corpora(data) if place]
    lines = [*environment(Cache().folder), *extras()]
    lines.append(
        Line("corpora", "ok", ", ".join(found))
        if found
        else Line("corpora", "note", f"none below {data}" if data else "not looked for", "give --data FOLDER")
    )
    console = screen()
    colours = {"ok": "green", "note": "yellow", "missing": "yellow", "wrong": "red"}
    for line in lines:
        state = f"[{colours[line.state]}]{line.state:7}[/]"
        words = f"{state} {escaped(line.what)}: {escaped(line.said)}"
        console.print(words, highlight=False, soft_wrap=True, markup=True)
        if line.do:
            console.print(f"        {line.do}", highlight=False, soft_wrap=True)
    if any(line.state == "wrong" for line in lines):
        raise typer.Exit(1)


def _corpora(data: Path | None) -> Iterator[tuple[str, Path | None]]:
    """Yield the name of every corpus that lies in a folder, and where it is found."""
    from thymos.base.errors import SourceNotFoundError
    from thymos.sources.base import locate
    from thymos.sources.catalogue import SOURCES

    for name, row in SOURCES.items():
        if row.folder:
            try:
                yield name, locate(row, data)
            except SourceNotFoundError:
                yield name, None


def sources(data: Data = None) -> None:
    """List what can be read, and what of it is found below --data."""
    from thymos.sources.catalogue import SOURCES

    places = dict(_corpora(data))
    rows = []
    for name, row in SOURCES.items():
        found = "your own" if row.file else "made on use"
        if name in places:
            found = str(places[name] or ("no" if data else "no --data given"))
        labels = ", ".join(label.column for label in row.labels)
        rows.append((name, row.summary, f"found: {found}", f"labels: {labels}", f"licence: {row.licence}"))
    print_list(rows)


def init(folder: Annotated[Path, typer.Argument(help="Folder with recordings: EDF, BDF, FIF, ...")]) -> None:
    """Write a first manifest and study for a folder of your own recordings."""
    from thymos.sources.init import start_study

    made = start_study(folder)
    console = screen()
    for words in made.guessed:
        console.print(f"  {words}", highlight=False, soft_wrap=True)
    written = made.study if made.kept else f"{made.manifest} and {made.study}"
    console.print(f"written: {written}. What to do next:", highlight=False, soft_wrap=True)
    for words in (
        f"look at {made.manifest}: correct what was guessed wrong, fill in what is empty",
        f"thymos check manifest {made.manifest}",
        f"thymos audit {made.study}",
        f"thymos run {made.study} --out {folder / 'run'}",
    ):
        console.print(f"  {words}", highlight=False, soft_wrap=True)


def check(
    source: Annotated[str, typer.Argument(help="Name of a source, see `thymos sources`.")],
    path: Annotated[
        Path | None, typer.Argument(help="Its folder, found below --data by default; or the file of a manifest.")
    ] = None,
    data: Data = None,
    parameters: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that was found as JSON.")] = False,
) -> None:
    """Read a whole corpus and say what it is and what is odd or wrong. Status 2: it cannot be used as it is."""
    import json

    from thymos.base.catalogue import catalogue
    from thymos.sources.base import open_source
    from thymos.sources.check import check_source

    row = cast("SourceRow", catalogue("source")[source])
    settings = settings_of(parameters, row.load(), f"The source {source!r}", (row.file, "root"))
    reader = open_source(source, row, path, data, settings)
    console = screen()
    with console.status("reading") as status:
        found = check_source(reader, source, row, lambda text: status.update(escaped(text)))
    if as_json:
        print(json.dumps({**found.to_dict(), "path": str(path or data or "")}, indent=1))
    else:
        _print_check(found)
    if found.level == "red":
        raise typer.Exit(2)


def _print_check(found: Check) -> None:
    """Print the lines of a check, what is wrong last so that it is seen."""
    from rich.padding import Padding
    from rich.text import Text

    from thymos.sources.check import LEVELS

    console, marks = screen(), {"green": " ok ", "yellow": "look", "red": "WRONG"}
    for line in sorted(found.lines, key=lambda line: LEVELS.index(line.level)):
        head = Text.assemble((f"{marks[line.level]:<6}", f"bold {line.level}"), (f"{line.topic:<11}", "dim"), line.text)
        console.print(head, soft_wrap=True, highlight=False)
        if line.do:
            console.print(Padding(Text(f"what to do: {line.do}"), (0, 0, 0, 17), expand=False))
    n = {level: sum(line.level == level for line in found.lines) for level in LEVELS}
    words = {"green": "readable", "yellow": "readable", "red": "cannot be used as it is"}[found.level]
    console.print(f"{found.source}: {words}; {n['red']} things are wrong, {n['yellow']} to look at.", highlight=False)


def features(
    source: Annotated[str, typer.Argument(help="Name of a source, see `thymos sources`.")],
    path: Annotated[
        Path | None, typer.Argument(help="Its folder, found below --data by default; or the file of a manifest.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Table to write: .csv or .parquet.")] = Path("features.csv"),
    data: Data = None,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", help="Which signals; all that have features by default.")
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", help="Others for a signal: eeg=hjorth, or 'eeg={band_power: {bands: seed}}'."),
    ] = None,
    window: Annotated[float | None, typer.Option("--window", help="Seconds; whole recordings by default.")] = None,
    step: Annotated[float | None, typer.Option("--step", help="Seconds between two starts.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a table that is there.")] = False,
    parameters: Settings = None,
) -> None:
    """Compute features of all recordings as a table. Status 1: of some there are none, listed in a table beside it."""
    from thymos.base.catalogue import catalogue
    from thymos.base.errors import InputError
    from thymos.base.folders import whole_file
    from thymos.signals.table import feature_table
    from thymos.sources.base import open_source

    row = cast("SourceRow", catalogue("source")[source])
    settings = settings_of(parameters, row.load(), f"The source {source!r}", (row.file, "root"))
    listed = out.with_name(f"{out.stem}.failures.csv")
    there = [str(path) for path in (out, listed) if path.exists()]
    if out.suffix not in {".csv", ".parquet"} or (there and not overwrite):
        raise InputError(
            f"{' and '.join(there)} is there already." if there else f"--out {out} came.",
            fits="a new name that ends in .csv or .parquet",
            do="give another --out" + (", or --overwrite" if there else ""),
        )
    reader = open_source(source, row, path, data, settings)
    known = cast("Manifest", reader).modalities() if row.file else row.modalities
    steps = _features_of(known, modality, feature)
    with whole_file(out, overwrite) as fresh:
        with progress_bar() as progress:
            table, failures = feature_table(reader.load().watched(progress), steps, window, step)
        (table.to_csv if out.suffix == ".csv" else table.to_parquet)(fresh, index=False)
        listed.unlink(missing_ok=True)
        if len(failures):
            failures.to_csv(listed, index=False)
    console = screen()
    computed = [name for name in table if name.startswith(tuple(f"{kind}_" for kind in steps))]
    for name, count in table[computed].isna().sum().items():
        if count:
            console.print(f"  {name}: no value in {count} of {len(table)} rows", highlight=False)
    console.print(f"{len(table)} rows, {table.shape[1]} columns: {out}", highlight=False, soft_wrap=True)
    if len(failures):
        kinds = failures["reason"].str.replace(r"\d[\d.e-]*", "#", regex=True)
        for (which, reason), count in failures.groupby(["modality", kinds]).size().items():
            console.print(f"  {which}: {reason}: {count}", highlight=False)
        console.print(f"{len(failures)} failures, by trial and reason: {listed}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _features_of(there: Sequence[str], modalities: list[str] | None, given: list[str] | None) -> dict[str, Any]:
    """Return what is computed of each modality."""
    from thymos.base.catalogue import check_parameters, near
    from thymos.base.errors import InputError
    from thymos.signals.catalogue import OF_MODALITY, TRANSFORMERS
    from thymos.signals.transformer import WindowFeatures

    named = {}
    for text in given or []:
        kind, _, value = text.partition("=")
        value = yaml_value(value, f"--feature {text}")
        name, own = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else (value, {})
        if not isinstance(name, str) or not isinstance(own, dict):
            raise InputError(f"--feature {text} came.", fits="eeg=hjorth, or 'eeg={band_power: {bands: seed}}'")
        named[kind] = (name, own)
    wanted = list(dict.fromkeys([*(modalities or []), *named])) or [m for m in there if m in OF_MODALITY]
    made = {}
    for kind in wanted:
        if kind not in there or kind not in {**OF_MODALITY, **named}:
            fits = [m for m in there if m in OF_MODALITY]
            raise InputError(f"Of {kind!r} no features can be computed here.{near(kind, fits)}", fits=", ".join(fits))
        name, own = named.get(kind) or OF_MODALITY[kind]
        row = TRANSFORMERS[name]
        check_parameters(row.load(), own, f"The feature {name!r}")
        made[kind] = row.load()(**{**row.parameters, **own})
        if not isinstance(made[kind], WindowFeatures):
            those = ", ".join(n for n, r in TRANSFORMERS.items() if issubclass(r.load(), WindowFeatures))
            raise InputError(f"{name!r} is no feature of a signal.", fits=those)
    return made


def simulate(
    layout: Annotated[str, typer.Argument(help="Name of the source that will read it, such as emotions-csv.")],
    out: Annotated[Path, typer.Option("--out", help="Data folder; the corpus' own folder is made in it.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same bytes.")] = 0,
    subjects: Annotated[int, typer.Option("--subjects", min=0, help="People; a few by default.")] = 0,
    null: Annotated[bool, typer.Option("--null", help="No emotion in the signal; labels stay.")] = False,
    parameters: Settings = None,
) -> None:
    """Write simulated data in the layout of a corpus, with their truth beside them."""
    from thymos.sources.simulate.catalogue import LAYOUTS

    row = LAYOUTS[layout]
    write = row.load()
    own = ("folder", "random_state", "null", *row.parameters)
    given = [*(parameters or []), *([f"subjects={subjects}"] if subjects else [])]
    settings = {**row.parameters, **settings_of(given, write, f"The layout {layout!r}", own)}
    console = screen()
    with console.status("simulating"):
        folder = write(out, random_state=seed, null=null, **settings)
    console.print(f"written: {folder} (simulated, see SIMULATED.json)", highlight=False, soft_wrap=True)
