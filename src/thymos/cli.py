"""The command line. It may know every room, and imports each on use so that ``--help`` answers at once."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from thymos import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from thymos.base.cache import Cache
    from thymos.base.recording import Recording
    from thymos.evaluation.auditor import Audit
    from thymos.evaluation.study import Study
    from thymos.report.view import RunView
    from thymos.serving.bundle import Bundle
    from thymos.serving.several import SeveralRecipe
    from thymos.sources.base import SourceRow
    from thymos.sources.check import Check
    from thymos.sources.manifest import Manifest

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Recognise emotions from EEG, physiology, faces and speech, and measure honestly how well that works.",
)

Data = Annotated[Path | None, typer.Option("--data", envvar="THYMOS_DATA", help="Folder that holds the corpora.")]
Budget = Annotated[str, typer.Option("--budget", help="tiny, brief, quick or full: how much of the study is computed.")]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Make samples anew and in memory; keep none (see `thymos cache`).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there, if it is of this kind.")]
Trust = Annotated[
    list[str] | None,
    typer.Option("--trust", help="Function or class of your own, package.module.name, that the model needs."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Further parameters as name=value, such as subjects=2.")
]


def main() -> None:
    """Run the command line; a mistake of the user ends with one message and status 2."""
    from thymos.base.errors import ThymosError

    try:
        app()
    except ThymosError as error:
        print(f"thymos: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception:  # a fault of ours; no status that means something else
        traceback.print_exc()
        print("thymos: this is a fault of Thymos, not of yours; please report it.", file=sys.stderr)
        sys.exit(70)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
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
    console = _console()
    colours = {"ok": "green", "note": "yellow", "missing": "yellow", "wrong": "red"}
    for line in lines:
        state = f"[{colours[line.state]}]{line.state:7}[/]"
        words = f"{state} {_escaped(line.what)}: {_escaped(line.said)}"
        console.print(words, highlight=False, soft_wrap=True, markup=True)
        if line.do:
            console.print(f"        {line.do}", highlight=False, soft_wrap=True)
    if any(line.state == "wrong" for line in lines):
        raise typer.Exit(1)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


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


@app.command()
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
    _list(rows)


@app.command()
def studies() -> None:
    """List the studies that come with Thymos."""
    from thymos.evaluation.study import load_study, shipped_studies

    rows = []
    for name in shipped_studies():
        study = load_study(name)
        more = f"{study.source.name}: {', '.join(study.protocols)}; {len(study.methods)} methods"
        rows.append((name, study.title, more))
    _list(rows)


def _list(rows: Iterable[tuple[str, ...]]) -> None:
    """Print names, whole so that they can be copied, beside lines of words, the first of which counts most."""
    from rich.table import Column, Table
    from rich.text import Text

    table = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for name, first, *more in rows:
        words = [Text(first), *(Text(line, style="dim") for line in more)]
        table.add_row(Text(name, style="bold"), Text("\n").join(words))
    _console().print(table)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Folder with recordings: EDF, BDF, FIF, ...")]) -> None:
    """Write a first manifest and study for a folder of your own recordings."""
    from thymos.sources.init import start_study

    made = start_study(folder)
    console = _console()
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


@app.command()
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
    settings = _settings(parameters, row.load(), f"The source {source!r}", (row.file, "root"))
    reader = open_source(source, row, path, data, settings)
    console = _console()
    with console.status("reading") as status:
        found = check_source(reader, source, row, lambda text: status.update(_escaped(text)))
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

    console, marks = _console(), {"green": " ok ", "yellow": "look", "red": "WRONG"}
    for line in sorted(found.lines, key=lambda line: LEVELS.index(line.level)):
        head = Text.assemble((f"{marks[line.level]:<6}", f"bold {line.level}"), (f"{line.topic:<11}", "dim"), line.text)
        console.print(head, soft_wrap=True, highlight=False)
        if line.do:
            console.print(Padding(Text(f"what to do: {line.do}"), (0, 0, 0, 17), expand=False))
    n = {level: sum(line.level == level for line in found.lines) for level in LEVELS}
    words = {"green": "readable", "yellow": "readable", "red": "cannot be used as it is"}[found.level]
    console.print(f"{found.source}: {words}; {n['red']} things are wrong, {n['yellow']} to look at.", highlight=False)


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="Name of a shipped study (`thymos studies`) or path of a .yaml file.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; runs/<name> by default.")] = None,
    data: Data = None,
    budget: Budget = "quick",
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes; 0 for one per core.")] = 0,
    engine: Annotated[
        str, typer.Option("--engine", help="sequential, loky (processes here) or dask (see --address).")
    ] = "loky",
    address: Annotated[
        str | None, typer.Option("--address", help="Scheduler of a running Dask cluster, such as tcp://host:8786.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of each process.")] = 1,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            "--protocol",
            help="Only this protocol of the study; can be given again. A leaky one brings its twin for the baseline.",
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Predict this label of the corpus, such as arousal, by the same rule.")
    ] = None,
    no_cache: NoCache = False,
) -> None:
    """Run a study, or what is missing of it, and write its report."""
    from thymos.evaluation.engines import Engine, default_jobs
    from thymos.evaluation.runner import run_study
    from thymos.evaluation.study import load_study, narrowed

    place = Engine("dask" if address else engine, jobs or max(1, default_jobs() // threads), threads, address)
    plan = load_study(study, budget, label)
    plan = narrowed(plan, protocol) if protocol else plan
    out = out or Path("runs") / plan.name
    console = _console()
    title = f"[bold]{_escaped(plan.title)}[/bold]  budget {plan.budget} (reduces: {_escaped(plan.reduces)})"
    console.print(title, highlight=False, markup=True)
    console.print(f"target: {plan.target}", highlight=False)
    try:
        with _progress() as progress:
            outcome = run_study(plan, out, data, place, progress, _cache(no_cache, data))
    except KeyboardInterrupt:
        print("thymos: stopped. Finished fits are stored; the same command continues from there.", file=sys.stderr)
        raise typer.Exit(130) from None
    console.print(f"{outcome.done} fits computed, {outcome.kept} were there already.", highlight=False)
    _finish(out)
    if outcome.failed:
        name, error = min(outcome.failed.items())  # processes finish in any order
        words = error if "Traceback" not in error else error.strip().splitlines()[-1]
        print(f"thymos: {len(outcome.failed)} fits failed; the first, {name}:\n  {words}", file=sys.stderr)
        print(f"  in full: {out / 'failures.json'}", file=sys.stderr)
        print("  what to do: correct the cause and run the same command; finished fits are kept", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def reproduce(
    system: Annotated[str, typer.Argument(help="all, or one of the five systems (see --list).")] = "all",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the runs and of the page; runs/truth-BUDGET by default.")
    ] = None,
    data: Data = None,
    budget: Budget = "quick",
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Their studies on the embedded simulator instead; no data are needed.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes; 0 for one per core.")] = 0,
    add: Annotated[
        list[Path] | None,
        typer.Option("--add", help="truth.csv of another machine: its studies are shown and not run. Again for more."),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the systems and their studies, and do nothing.")] = False,
    no_cache: NoCache = False,
) -> None:
    """Claimed, leaky, honest: run the studies of five published systems, or what is missing of them, as one page."""
    from thymos.base.errors import ThymosError
    from thymos.evaluation.engines import Engine, default_jobs
    from thymos.evaluation.runner import run_study
    from thymos.evaluation.study import load_study
    from thymos.evaluation.systems import systems_named
    from thymos.report.truth import check_folder, read_truth, write_truth

    console, systems = _console(), systems_named(system)
    if show:
        for name, one in systems.items():
            console.print(f"{name}: {one.title} ({one.source}); {', '.join(one.studies)}; simulated: {one.demo[0]}")
        return
    out = out or Path("runs") / f"truth-{budget}"
    check_folder(out)  # before hours of computing
    others = [row for path in add or [] for row in read_truth(path)]
    elsewhere = {row["study"]: row["system"] for row in others}
    place, failed = Engine("loky", jobs or default_jobs(), 1, None), False
    runs: dict[str, Path] = {}
    absent: dict[str, str] = {}
    methods: dict[str, tuple[str, str]] = {}
    for name, one in systems.items():
        for study, method in [one.demo] if simulated else one.studies.items():
            methods[study], folder = (name, method), out / study
            if study in elsewhere and not (folder / "study.json").is_file():
                continue
            plan = load_study(study, budget)
            title = f"[bold]{_escaped(plan.title)}[/bold]  budget {plan.budget}"
            console.print(title, highlight=False, soft_wrap=True, markup=True)
            try:
                with _progress() as progress:
                    outcome = run_study(plan, folder, data, place, progress, _cache(no_cache, data))
                if outcome.failed:
                    failed = True
                    print(f"thymos: {study}: {len(outcome.failed)} fits failed, see {folder}", file=sys.stderr)
                _finish(folder)
                runs[study] = folder
            except KeyboardInterrupt:
                print("thymos: stopped. Finished fits are stored; the same command continues there.", file=sys.stderr)
                raise typer.Exit(130) from None
            except ThymosError as error:  # a corpus that is not here must not keep the others from being measured
                if (folder / "study.json").is_file():  # nor hide what was measured while it was here
                    runs[study] = folder
                    print(f"thymos: {study}: {error.came} Shown is what was measured before.", file=sys.stderr)
                else:
                    absent[study] = error.came
                    print(f"thymos: {study}: {error}", file=sys.stderr)
            except Exception as error:  # a defect in one study must not cost the page of the others
                failed, absent[study] = True, f"{type(error).__name__}: {error}"
                print(f"thymos: {study}: {absent[study]}; this is a defect of Thymos", file=sys.stderr)
    for name, one in systems_named("all").items():  # the page of one system keeps the others that were run here
        for study, method in [one.demo] if simulated else one.studies.items():
            if name not in systems and (out / study / "study.json").is_file():
                runs[study], methods[study] = out / study, (name, method)
    shown = {
        name: one
        for name, one in systems_named("all").items()
        if name in {of for of, _ in methods.values()} | set(elsewhere.values())
    }
    page = write_truth(out, shown, runs, absent, methods, others)
    console.print(f"page: {page}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def demo(out: Annotated[Path, typer.Option("--out", help="Folder of the runs.")] = Path("runs/demo")) -> None:
    """Run the five published systems small, on simulated data; minutes, no download, ends with one page."""
    reproduce(simulated=True, budget="brief", out=out)


@app.command()
def audit(
    study: Annotated[str, typer.Argument(help="A study (name or .yaml), or the folder of a run.", metavar="STUDY|RUN")],
    data: Data = None,
    budget: Budget = "quick",
    no_cache: NoCache = False,
) -> None:
    """Look for leaks and shortcuts. Status 0: clean; 1: something was found; 2: the input cannot be used."""
    from thymos.base.errors import InputError
    from thymos.evaluation.auditor import audit_study
    from thymos.evaluation.results import Results
    from thymos.evaluation.study import load_study, stored_study

    console, results = _console(), None
    if (Path(study) / "study.json").is_file():
        results = Results(study)
        plan = stored_study(results)
    elif Path(study).is_dir():
        raise InputError(f"{study} holds no run.", fits="the folder of a run, the name of a study, or a .yaml file")
    else:
        plan = load_study(study, budget)
    with console.status("auditing") as status:
        found = audit_study(plan, data, results, lambda text: status.update(_escaped(text)), _cache(no_cache, data))
    _print_audit(found, plan)
    raise typer.Exit(0 if found.clean else 1)


def _print_audit(found: Audit, plan: Study) -> None:
    """Print what an audit found, worst first, and what it looked for."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from thymos.report.audit import collect, probe_rows

    console = _console()
    marks = {"leak": "[bold red]LEAK[/]", "shortcut": "[bold yellow]SHORTCUT[/]", "note": "[dim]note[/]"}
    rows = collect(found.findings)
    for row in rows:
        stamp = "[dim]as declared[/]" if row["leaky"] else marks[row["severity"]]
        where = " | ".join(filter(None, (row["protocol"] + (" (LEAKY)" if row["leaky"] else ""), row["folds"])))
        kind = f"  [bold]{row['kind']}[/]" if row["kind"] != row["severity"] else ""
        console.print(f"{stamp}{kind}  {_escaped(where)}", highlight=False, markup=True)
        for head, text in (("", row["text"]), ("evidence: ", row["examples"]), ("what to do: ", row["do"])):
            if text:
                console.print(Padding(Text(head + text), (0, 0, 0, 4), expand=False))
    if len(found.probes):
        heads, body = probe_rows(found.probes, plan.metric)
        table = Table(*heads, title="What nuisances predict by themselves", title_justify="left")
        for cells in body:
            table.add_row(*cells)
        console.print(table)
    console.print("Searched for: " + "; ".join(dict.fromkeys(found.searched)) + ".", highlight=False)
    for text in found.skipped:
        console.print(f"Not searched: {text}.", highlight=False)
    n = {kind: sum(r["severity"] == kind and not r["leaky"] for r in rows) for kind in ("leak", "shortcut", "note")}
    console.print(
        f"{plan.name}: "
        + ("clean" if found.clean else f"{n['leak']} leaks, {n['shortcut']} shortcuts")
        + f", {n['note']} notes; what declared controls leak is not counted.",
        highlight=False,
    )


@app.command()
def train(
    study: Annotated[str, typer.Argument(help="Name of a shipped study (`thymos studies`) or path of a .yaml file.")],
    method: Annotated[str, typer.Option("--method", help="One of the study's methods.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the model; a new one.")],
    data: Data = None,
    budget: Budget = "quick",
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Whose rule cuts the validation part; the first honest one.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything random in the method.")] = 0,
    run: Annotated[
        Path | None, typer.Option("--run", help="Finished run of the study: its honest results go into the card.")
    ] = None,
    overwrite: Overwrite = False,
    no_cache: NoCache = False,
    trust: Trust = None,
) -> None:
    """Train one model on all data of a study, as a folder that predicts recordings of anybody."""
    from thymos.base.folders import check_place
    from thymos.evaluation.final import train_method
    from thymos.evaluation.study import load_study
    from thymos.serving.bundle import FILES, KIND, Bundle
    from thymos.serving.several import recipe_of
    from thymos.serving.store import encode

    plan = load_study(study, budget)
    check_place(out, FILES, KIND, overwrite)
    with _progress() as progress:
        trained = train_method(
            plan,
            method,
            data,
            _cache(no_cache, data),
            seed,
            protocol,
            run,
            progress,
            check=lambda estimator, recipe: (recipe_of(recipe), encode(estimator, trust or ())),
        )
    made = Bundle.of(trained)
    made.save(out, overwrite, trust or ())
    console = _console()
    for words in _card_words(made.card):
        console.print(words, highlight=False, soft_wrap=True)
    console.print(f"written: {out}", highlight=False, soft_wrap=True)


def _card_words(card: Mapping[str, Any]) -> Iterator[str]:
    """Say where a model comes from and what may be expected of it."""
    yield f"{card['title']}: {card['n_train']} windows for training, {card['n_validation']} for validation"
    if card["chosen"]:
        yield f"  chosen: {card['chosen']}"
    found = card["validation"]
    yield f"  calibration: {found['calibration']}"
    for when in ("metrics", "before", "after"):
        if when in found:
            numbers = ", ".join(f"{name} {value:.3f}" for name, value in found[when].items())
            yield f"  validation by {found['level']}{'' if when == 'metrics' else f', {when} calibration'}: {numbers}"
    if "caution" in found:
        yield f"  {found['caution']}"
    yield from _expected_words(card)


def _expected_words(card: Mapping[str, Any]) -> Iterator[str]:
    for row in card.get("expected", ()):
        yield (
            f"  expected under {row['protocol']}: {row['metric']} by {row['level']} {row['value']:.3f} "
            f"[{row['low']:.2f}, {row['high']:.2f}] over {row['n_units']} {row['unit']}s, chance {row['chance']:.3f}; "
            f"{row['caution']}"
        )
    if not card.get("expected"):
        yield "  what to expect of it on new recordings is not in its card (thymos run, then thymos train --run)"


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="Folder of a model.", metavar="DIR")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Signal files (EDF, BDF, FIF, ...) or manifests; wav, flac; photographs, folders or zip archives.",
            metavar="FILE...",
        ),
    ] = None,
    kind: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; standard output by default.")] = None,
    level: Annotated[str, typer.Option("--level", help="window, trial or both.")] = "both",
    source: Annotated[str | None, typer.Option("--source", help="Recordings of a corpus instead of files.")] = None,
    data: Data = None,
    subject: Annotated[list[str] | None, typer.Option("--subject", help="Of the corpus; all by default.")] = None,
    onnx: Annotated[
        Path | None, typer.Option("--onnx", help="Predict with this exported model of DIR (thymos export).")
    ] = None,
    overwrite: Overwrite = False,
    trust: Trust = None,
) -> None:
    """Predict recordings window by window and trial by trial. Status 1: some could not be predicted, see the notes."""
    from contextlib import nullcontext

    import pandas as pd

    from thymos.base.catalogue import near
    from thymos.base.errors import InputError
    from thymos.base.folders import whole_file
    from thymos.serving.bundle import Bundle

    for option, value, known in (
        ("--format", kind, ["csv", "json"]),
        ("--level", level, ["window", "trial", "both"]),
    ):
        if value not in known:
            raise InputError(f"{option} {value} came.{near(value, known)}", fits=", ".join(known))
    if out is not None and out.exists() and out.suffix not in {".csv", ".json", ".txt"}:
        raise InputError(f"{out} is there, and is no table.", fits="a new name, or a .csv, .json or .txt to overwrite")
    if out is not None and any(out.resolve() == path.resolve() for path in files or ()):
        raise InputError(f"{out} is one of the files that are read.", fits="another name")
    model = Bundle.load(bundle, trust or ())
    if onnx is not None:
        from thymos.serving.exported import on_onnx

        model = on_onnx(model, onnx)
    with _one_thread(), nullcontext() if out is None else whole_file(out, overwrite) as fresh:
        notes = [("the model", text) for text in model.notes]
        failures: dict[str, str] = {}
        parts = [model.predict([])]
        for recording in _recordings_of(model, files, source, data, subject, notes, failures):
            trial, said = recording.meta["trial"], len(notes)
            part = _tried(trial, model.predict, failures, [recording], notes)
            if part is not None and len(part):
                parts.append(part)
            elif part is not None:  # why there is no window stands in the notes
                failures[trial] = f"{trial}: {'; '.join(text for _, text in notes[said:])}"
        windows = pd.concat(parts[1:] or parts, ignore_index=True)
        if failures and not len(windows):
            for words in failures.values():
                print(f"thymos: {words}", file=sys.stderr)
            raise typer.Exit(2)
        tables = {"window": windows, "trial": model.by_trial(windows)}
        tables = {name: table for name, table in tables.items() if level in (name, "both")}
        text = _prediction_text(kind, tables, model, notes, failures)
        if fresh is None:
            sys.stdout.write(text)
        else:
            fresh.write_text(text, encoding="utf-8")
    _print_notes(notes)
    for words in (*failures.values(), *(line.strip() for line in _expected_words(model.card))):
        print(f"thymos: {words}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let networks compute on one thread, unless OMP_NUM_THREADS says how many.

    One recording is too little for several: where other programmes are busy, they wait for each other at every step of
    a sequence, many times as long in all.
    """
    torch = None if "OMP_NUM_THREADS" in os.environ else sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    try:
        if torch:
            torch.set_num_threads(1)
        yield
    finally:
        if torch:
            torch.set_num_threads(before)


def _print_notes(notes: list[tuple[str, str]]) -> None:
    """Print what there is to say about recordings, once for all of which the same is said."""
    places: dict[str, list[str]] = {}
    for place, text in notes:
        places.setdefault(text, []).append(place)
    for text, where in places.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        print(f"thymos: {where[0]}{more}: {text}", file=sys.stderr)


def _recordings_of(
    model: Bundle,
    files: list[Path] | None,
    source: str | None,
    data: Path | None,
    subjects: list[str] | None,
    notes: list[tuple[str, str]],
    failures: dict[str, str],
) -> Iterator[Recording]:
    """Yield the recordings of some files, or of a corpus; a file that cannot be read is noted among the failures."""
    from thymos.base.catalogue import catalogue
    from thymos.base.errors import InputError
    from thymos.sources.base import open_source

    if bool(files) == bool(source):
        raise InputError(
            "Files and a --source came." if files else "No recordings came.", fits="files, or --source NAME --data DIR"
        )
    if source:
        yield from open_source(source, cast("SourceRow", catalogue("source")[source]), None, data, {}).load(
            subjects or None
        )
        return
    places: dict[Path, list[Path]] = {}
    for path in files or []:
        places.setdefault(path.resolve(), []).append(path)
    notes += [(str(same[0]), "came more than once, predicted once") for same in places.values() if len(same) > 1]
    manifest_of: dict[str, Path] = {}
    for path, *_ in places.values():
        for recording in _of_file(path, model, notes, failures):
            trial = str(recording.meta["trial"])
            first = manifest_of.setdefault(trial, path)
            if first != path and recording.meta["source"] != "file":  # those are called by their paths
                raise InputError(
                    f"{first} and {path} both have a trial {trial!r}, which would be taken for one.",
                    fits="manifests whose trials have names of their own",
                    do="give one after the other, or change subjects or trials in one of them",
                )
            yield recording


def _of_file(path: Path, model: Bundle, notes: list[tuple[str, str]], failures: dict[str, str]) -> Iterator[Recording]:
    """Yield the recordings that a path stands for; what cannot be read is noted among the failures."""
    from thymos.base.errors import ThymosError
    from thymos.serving.pictures import PictureRecipe
    from thymos.serving.several import SeveralRecipe
    from thymos.sources.own_files import own_files
    from thymos.sources.own_pictures import own_pictures
    from thymos.sources.own_sounds import SOUNDS, UNREAD, own_sound

    try:
        if isinstance(model.recipe, SeveralRecipe):
            yield from _of_manifest(path, model)
        elif isinstance(model.recipe, PictureRecipe):
            yield from own_pictures(path, model.recipe.modality, model.recipe.shape[0] == 1, notes)
        elif path.suffix.lower() in (*SOUNDS, *UNREAD):
            recording, said = own_sound(path, model.recipe.modality)
            notes += [(str(path), text) for text in said]
            yield recording
        else:
            for own in own_files(path, model.recipe.modality, model.recipe.channels):
                try:
                    yield from own.recordings()
                except ThymosError as error:
                    failures[f"{own.path} {len(failures)}"] = str(error)
                notes += [(str(path), text) for text in own.notes]
    except ThymosError as error:
        failures[str(path)] = str(error)


def _of_manifest(path: Path, model: Bundle) -> Iterator[Recording]:
    """Yield the recordings of a manifest, whose rows of one trial are the modalities of one recording."""
    from thymos.base.errors import InputError
    from thymos.sources.manifest import Manifest

    if path.suffix.lower() not in (".csv", ".tsv"):
        raise InputError(
            f"{path} came for a model of {', '.join(cast('SeveralRecipe', model.recipe).modalities)}.",
            fits="a manifest, in which rows of one trial with different modalities are one recording, or --source",
        )
    yield from Manifest(path, labels={}).recordings()


def _tried(name: str, call: Callable[..., Any], failures: dict[str, str], *arguments: Any) -> Any:
    """Return what a call returns; what it cannot do is kept in words."""
    from thymos.base.errors import ThymosError

    try:
        return call(*arguments)
    except ThymosError as error:
        failures[name] = str(error)
        return None


def _prediction_text(
    kind: str, tables: Mapping[str, Any], model: Bundle, notes: list[tuple[str, str]], failures: Mapping[str, str]
) -> str:
    """Return tables of predictions as csv, one below the other, or as json."""
    import json

    import pandas as pd

    if kind == "csv":
        joined = pd.concat([t.assign(level=name) for name, t in tables.items()], ignore_index=True)
        return joined[["level", *joined.columns.drop("level")]].to_csv(index=False, float_format="%.9g")
    rows = {f"{name}s": json.loads(table.to_json(orient="records")) for name, table in tables.items()}
    head = {"model": model.card.get("title"), "classes": list(model.classes), "decided by": model.level}
    return (
        json.dumps(
            {**head, **rows, "notes": [{"of": of, "text": text} for of, text in notes], "failures": dict(failures)},
            indent=1,
        )
        + "\n"
    )


@app.command()
def export(
    bundle: Annotated[Path, typer.Argument(help="Folder of a model.", metavar="DIR")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings whose samples stand for all; noise without.", metavar="[FILE]..."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write; DIR-onnx by default.")] = None,
    kind: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    int8: Annotated[bool, typer.Option("--int8", help="Also in eight bits.")] = False,
    source: Annotated[str | None, typer.Option("--source", help="Recordings of a corpus instead of files.")] = None,
    data: Data = None,
    subject: Annotated[list[str] | None, typer.Option("--subject", help="Of the corpus; all by default.")] = None,
    overwrite: Overwrite = False,
    trust: Trust = None,
) -> None:
    """Write a model as ONNX, see that it predicts the same, and what it costs. Status 1: none in eight bits."""
    from thymos.base.errors import InputError
    from thymos.base.folders import check_place
    from thymos.serving.bundle import Bundle
    from thymos.serving.exported import FILES, KIND, export_bundle

    if kind != "onnx":
        raise InputError(f"--format {kind} came.", fits="onnx")
    model, whole = Bundle.load(bundle, trust or ()), bundle.resolve()
    beside = whole if bundle.name in ("", "..") else bundle  # which have no name of their own
    place = out or beside.with_name(f"{whole.name}-onnx")
    check_place(place, FILES, KIND, overwrite)
    notes: list[tuple[str, str]] = []
    failures: dict[str, str] = {}
    recordings = None
    if files or source:
        recordings = list(_recordings_of(model, files, source, data, subject, notes, failures))
    _print_notes(notes)
    for words in failures.values():
        print(f"thymos: {words}", file=sys.stderr)
    if failures and not recordings:
        raise typer.Exit(2)
    made = export_bundle(model, place, recordings, int8, overwrite)
    _print_export(made)
    _console().print(f"written: {place}", highlight=False, soft_wrap=True)
    if int8 and "reason" in made["int8"]:
        print(f"thymos: there is no model in eight bits: {made['int8']['reason']}", file=sys.stderr)
        raise typer.Exit(1)


def _print_export(made: Mapping[str, Any]) -> None:
    """Print what an export holds, how near it is to the trained model, and what both cost."""
    from rich.table import Table

    console = _console()

    def say(words: str) -> None:
        console.print(words, highlight=False, soft_wrap=True)

    graph, what = made["graph"], "a probability" if made["classes"] else "a rating, in units of their spread"
    say(f"in the graph: {'; '.join(graph['inside'])}")
    if graph["outside"]:
        say(f"before it, by Thymos: {', '.join(graph['outside'])}")
    of = f"{made['samples']['compared']} variations of {made['samples']['n']} samples of {made['samples']['of']}"
    say(f"largest difference of {what}: {graph['difference']:.1g} ({of})")
    small = made["int8"] or {}
    if "kind" in small:
        alike = f", {small['same']:.1%} decided alike" if made["classes"] else ""
        say(f"in eight bits ({small['kind']}): {small['difference']:.2g}{alike}")
    if "beside_loud" in small:
        say(f"in eight bits, beside a sample five times as loud: by up to {small['beside_loud']:.2g}, of 20 samples")
    table = Table(box=None, header_style="bold")
    columns = ("", "parameters", "MFLOP", "KiB", "memory, MiB", "1 sample, ms", "99 %", "64 samples, ms", "99 %")
    for name in columns:
        table.add_column(name, justify="right" if name else "left")
    for row in made["costs"]:
        scaled = (("parameters", 1), ("operations", 1e6), ("bytes", 1024), ("memory", 2**20))
        cells = ["" if row[key] is None else f"{row[key] / unit:,.{0 if unit == 1 else 2}f}" for key, unit in scaled]
        times = [f"{1e3 * row[f'p{share}_{batch}']:.3g}" for batch in (1, 64) for share in (50, 99)]
        table.add_row(row["model"], *cells, *times)
    console.print(table)
    parts = [f"{name} {1e3 * t['p50_1']:.3g} ms (99 %: {1e3 * t['p99_1']:.3g})" for name, t in made["window"].items()]
    if parts:
        say(f"one window from the recording on, features included: {', '.join(parts)}")
    say("one thread; memory: growth of a process of its own that predicts 64 samples at once")


@app.command()
def calibrate(
    bundle: Annotated[Path, typer.Argument(help="Folder of a model.", metavar="DIR")],
    files: Annotated[list[Path], typer.Argument(help="Recordings of one person, or a manifest.", metavar="FILE...")],
    labels: Annotated[Path, typer.Option("--labels", help="Table with the columns file (or trial) and label.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the calibrated model; a new one.")],
    shots: Annotated[
        int | None, typer.Option("--few-shot", min=1, help="Trials of each class that are used; all by default.")
    ] = None,
    overwrite: Overwrite = False,
    trust: Trust = None,
) -> None:
    """Calibrate a model to one new person by a few labelled trials, as a new folder."""
    from thymos.base.errors import DataError
    from thymos.base.folders import check_place
    from thymos.serving.bundle import FILES, KIND, Bundle

    check_place(out, FILES, KIND, overwrite)
    model, known = Bundle.load(bundle, trust or ()), _labels_of(labels)
    notes = [("the model", text) for text in model.notes]
    failures: dict[str, str] = {}
    recordings = _recordings_of(model, files, None, None, None, notes, failures)
    with _one_thread():
        made = model.calibrated(recordings, known, shots, notes)
    if failures:
        raise DataError(next(iter(failures.values())), do="leave the file out, or correct it")
    made.save(out, overwrite, trust or ())
    _print_notes(notes)
    console, facts = _console(), made.card["calibrated"]
    counts = ", ".join(f"{n} {name}" for name, n in facts["per_class"].items())
    biases = ", ".join(f"{name} {value:+.2f}" for name, value in facts["bias"].items())
    lines = [f"{len(facts['trials'])} trials used ({counts}): temperature {facts['temperature']:.3g}, bias {biases}"]
    for when, found in facts.get("rest", {}).items():
        words = f"accuracy {found['accuracy']:.3f}, log_loss {found['log_loss']:.3f}"
        lines.append(f"the other {found['n']} labelled trials, {when}: {words}")
    for line in (*lines, facts["caution"], f"written: {out}"):
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def augment(
    study: Annotated[str, typer.Argument(help="Name of a shipped study (`thymos studies`) or path of a .yaml file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the page and its tables; a new one.")],
    data: Data = None,
    budget: Budget = "quick",
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Methods; all that have a sampler by default.")
    ] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="The first honest one by default.")] = None,
    fold: Annotated[str | None, typer.Option("--fold", help="Name of a fold of it; the first by default.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")] = 0,
    overwrite: Overwrite = False,
    no_cache: NoCache = False,
) -> None:
    """Measure what the samplers of a study generate, beside real samples. Status 1: some methods have nothing."""
    from rich.table import Table

    from thymos.base.folders import check_place
    from thymos.evaluation.generated import generate_study
    from thymos.evaluation.study import load_study
    from thymos.report.generated import FILES, KIND, write_generated
    from thymos.report.view import number

    plan = load_study(study, budget)
    check_place(out, FILES, KIND, overwrite)
    with _progress() as progress:
        found = generate_study(plan, data, method or (), _cache(no_cache, data), protocol, fold, seed, progress)
    page = write_generated(out, found, overwrite)
    rows = found.table()
    rows = rows[(rows["class"] == "all") & (rows["verdict"] != "")]
    table = Table("method", "measure", "generated", "real", "verdict", title="Generated samples beside real ones")
    for row in rows.itertuples(index=False):
        table.add_row(row.method, row.measure, number(row.value), number(row.reference), row.verdict)
    console = _console()
    console.print(table)
    for one in found.methods:
        console.print(f"{one.method} ({one.sampler})", highlight=False, soft_wrap=True)
        for words in one.quality.words:
            console.print(f"  {words}", highlight=False, soft_wrap=True)
    console.print(f"written: {page}", highlight=False, soft_wrap=True)
    for words in found.gaps.values():
        print(f"thymos: {words}", file=sys.stderr)
    if found.gaps:
        raise typer.Exit(1)


@app.command()
def explain(
    bundle: Annotated[Path, typer.Argument(help="Folder of a model.", metavar="DIR")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Signal files (EDF, BDF, FIF, ...), or manifests.", metavar="FILE...")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the page, its figures and tables.")] = Path("saliency"),
    method: Annotated[str, typer.Option("--method", help="gradients, permutation, or auto.")] = "auto",
    target: Annotated[
        str | None, typer.Option("--target", help="Of gradients: a class, or all; the predicted one by default.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Table with the columns file (or trial) and label, for permutation.")
    ] = None,
    prediction: Annotated[
        list[int] | None, typer.Option("--prediction", help="Window, from 0 on, that gets a page of its own.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Recordings of a corpus instead of files.")] = None,
    data: Data = None,
    subject: Annotated[list[str] | None, typer.Option("--subject", help="Of the corpus; all by default.")] = None,
    parameters: Settings = None,
    overwrite: Overwrite = False,
    trust: Trust = None,
) -> None:
    """Show which electrodes and bands a model uses on some recordings, as maps. Status 1: some were left out."""
    import numpy as np

    from thymos.base.errors import InputError
    from thymos.base.samples import Samples
    from thymos.report.saliency import explain as write
    from thymos.serving.adapt import Recipe
    from thymos.serving.bundle import Bundle, key_of

    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out} is there already.", fits="a new or empty folder", do="give another --out, or --overwrite"
        )
    own = (
        "pipeline",
        "samples",
        "classes",
        "folder",
        "labels",
        "method",
        "title",
        "predictions",
        "target",
        "calibration",
    )
    given = _settings(parameters, write, "explain", own)
    model, known = Bundle.load(bundle, trust or ()), None if labels is None else _labels_of(labels)
    if not isinstance(model.recipe, Recipe):
        raise InputError(
            "This is a model of pictures, or of several modalities.",
            fits="a model of signals with electrodes and bands",
        )
    notes, parts = [("the model", text) for text in model.notes], []
    failures: dict[str, str] = {}
    for recording in _recordings_of(model, files, source, data, subject, notes, failures):
        key = None if known is None else key_of(recording, known)
        if known is not None and key is None:
            continue
        part = _tried(recording.meta["trial"], model.samples, failures, [recording], notes)
        if part is not None:
            parts.append(part if known is None or key is None else part.replace(y=np.full(len(part), known[key])))
    for words in failures.values():
        print(f"thymos: {words}", file=sys.stderr)
    if not parts:
        raise InputError("No recording is left to be explained.", fits="recordings that the model can predict")
    samples = Samples.concatenate(parts)
    names = samples.info.get("feature_names", ())
    options = given | ({} if target is None else {"target": target})
    if len(names) == samples.X.shape[1]:  # computed before the pipeline, which has no names
        options.setdefault("bands", tuple(names))
    title = f"What {model.card.get('title', 'the model')} uses"
    options["calibration"] = model.calibration  # so that probabilities are those of `thymos predict`
    shown = write(model.pipeline, samples, model.classes, out, samples.y, method, title, prediction or (), **options)
    _print_notes(notes)
    console = _console()
    strongest = shown.strongest(n=5)[["map", "band", "channel", "value"]]
    console.print(strongest.to_string(index=False), highlight=False)
    console.print(f"written: {out / 'saliency.html'}", highlight=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _labels_of(path: Path) -> dict[str, str]:
    """Read a table of labels: trial, or file, to class."""
    import pandas as pd

    from thymos.base.errors import DataError

    fits = "a csv file with the columns file (or trial) and label, one row for each"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
        raise DataError(f"{path} cannot be read: {error}.", fits=fits) from None
    names = [name for name in ("trial", "file") if name in table]
    if not names or "label" not in table or not len(table):
        raise DataError(f"{path} has {len(table)} rows and the columns {', '.join(table)}.", fits=fits)
    twice = table[names[0]][table[names[0]].duplicated()]
    if len(twice):
        raise DataError(f"{path} lists {twice.iloc[0]!r} twice.", fits=fits)
    return dict(zip(table[names[0]], table["label"], strict=True))


@app.command()
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
    settings = {**row.parameters, **_settings(given, write, f"The layout {layout!r}", own)}
    console = _console()
    with console.status("simulating"):
        folder = write(out, random_state=seed, null=null, **settings)
    console.print(f"written: {folder} (simulated, see SIMULATED.json)", highlight=False, soft_wrap=True)


def _value(text: str, option: str) -> Any:
    """Read the value of an option as YAML."""
    import yaml

    from thymos.base.errors import InputError

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"{option} came.", fits="a value as in YAML, such as 2, [1, 4] or {bands: seed}") from None


def _settings(given: list[str] | None, target: Callable, owner: str, own: tuple[str, ...]) -> dict[str, Any]:
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
        settings[name] = _value(value, f"--set {text}")
    check_parameters(target, settings, owner, skip=[name for name in own if name])
    return settings


@app.command()
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
    settings = _settings(parameters, row.load(), f"The source {source!r}", (row.file, "root"))
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
        with _progress() as progress:
            table, failures = feature_table(reader.load().watched(progress), steps, window, step)
        (table.to_csv if out.suffix == ".csv" else table.to_parquet)(fresh, index=False)
        listed.unlink(missing_ok=True)
        if len(failures):
            failures.to_csv(listed, index=False)
    console = _console()
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
        value = _value(value, f"--feature {text}")
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


cache_app = typer.Typer(no_args_is_help=True, help="What has been derived from corpora and is kept for next time.")
app.add_typer(cache_app, name="cache")


@cache_app.command("list")
def cache_list() -> None:
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
    console = _console()
    console.print(table)
    console.print(f"{len(entries)} entries, {sum(e.size for e in entries) / 1e6:.1f} MB", highlight=False)


@cache_app.command("clear")
def cache_clear(
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
    _console().print(f"{cache.clear(chosen) / 1e6:.1f} MB removed from {cache.folder}", highlight=False, soft_wrap=True)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    paper: Annotated[
        Path | None, typer.Option("--paper", help="Write every figure as SVG and every table as csv and LaTeX there.")
    ] = None,
) -> None:
    """Write report.html, card.md and tables from stored results only."""
    view = _finish(run)
    if paper is not None:
        from thymos.report.paper import write_paper

        made = write_paper(view, paper)
        _console().print(f"for a paper: {len(made)} files in {paper}", highlight=False, soft_wrap=True)


def _finish(folder: Path) -> RunView:
    """Write the report of a run, print its main table and where the report is; return what it shows."""
    from rich.table import Table

    from thymos.report.card import write_card
    from thymos.report.page import write_report, write_tables
    from thymos.report.view import RunView

    view = RunView(folder)
    page = write_report(view)
    write_tables(view)
    write_card(view)
    rows, head, caption = view.main_table()
    table = Table(*head, title="Results", caption=caption, caption_justify="left")
    for row in rows:
        table.add_row(*(cell.text for cell in row))
    console = _console()
    console.print(table)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
    return view


def _cache(no_cache: bool, data: Path | None) -> Cache | None:
    from thymos.base.cache import Cache

    return None if no_cache else Cache(away_from=[] if data is None else [data])


def _console():
    from rich.console import Console

    # a pipe or a log has no width of its own; 80 columns would fold every table
    return Console(width=None if sys.stdout.isatty() else 160, markup=False)  # paths and titles may have brackets


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
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
