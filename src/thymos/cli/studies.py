"""Commands about studies: run one, audit it, report it, look at what its samplers generate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thymos.cli.shared import (
    Budget,
    Data,
    NoCache,
    Overwrite,
    cache_for,
    escaped,
    print_list,
    progress_bar,
    screen,
)

if TYPE_CHECKING:
    from thymos.evaluation.auditor import Audit
    from thymos.evaluation.study import Study
    from thymos.report.view import RunView


def studies() -> None:
    """List the studies that come with Thymos."""
    from thymos.evaluation.study_files import load_study, shipped_studies

    rows = []
    for name in shipped_studies():
        study = load_study(name)
        more = f"{study.source.name}: {', '.join(study.protocols)}; {len(study.methods)} methods"
        rows.append((name, study.title, more))
    print_list(rows)


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
    from thymos.evaluation.study_files import load_study, narrowed

    place = Engine("dask" if address else engine, jobs or max(1, default_jobs() // threads), threads, address)
    plan = load_study(study, budget, label)
    plan = narrowed(plan, protocol) if protocol else plan
    out = out or Path("runs") / plan.name
    console = screen()
    title = f"[bold]{escaped(plan.title)}[/bold]  budget {plan.budget} (reduces: {escaped(plan.reduces)})"
    console.print(title, highlight=False, markup=True)
    console.print(f"target: {plan.target}", highlight=False)
    try:
        with progress_bar() as progress:
            outcome = run_study(plan, out, data, place, progress, cache_for(no_cache, data))
    except KeyboardInterrupt:
        print("thymos: stopped. Finished fits are stored; the same command continues from there.", file=sys.stderr)
        raise typer.Exit(130) from None
    console.print(f"{outcome.done} fits computed, {outcome.kept} were there already.", highlight=False)
    finish(out)
    if outcome.failed:
        name, error = min(outcome.failed.items())  # processes finish in any order
        words = error if "Traceback" not in error else error.strip().splitlines()[-1]
        print(f"thymos: {len(outcome.failed)} fits failed; the first, {name}:\n  {words}", file=sys.stderr)
        print(f"  in full: {out / 'failures.json'}", file=sys.stderr)
        print("  what to do: correct the cause and run the same command; finished fits are kept", file=sys.stderr)
        raise typer.Exit(1)


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
    from thymos.evaluation.study_files import load_study, stored_study

    console, results = screen(), None
    if (Path(study) / "study.json").is_file():
        results = Results(study)
        plan = stored_study(results)
    elif Path(study).is_dir():
        raise InputError(f"{study} holds no run.", fits="the folder of a run, the name of a study, or a .yaml file")
    else:
        plan = load_study(study, budget)
    with console.status("auditing") as status:
        found = audit_study(plan, data, results, lambda text: status.update(escaped(text)), cache_for(no_cache, data))
    _print_audit(found, plan)
    raise typer.Exit(0 if found.clean else 1)


def _print_audit(found: Audit, plan: Study) -> None:
    """Print what an audit found, worst first, and what it looked for."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from thymos.report.audit import collect, probe_rows

    console = screen()
    marks = {"leak": "[bold red]LEAK[/]", "shortcut": "[bold yellow]SHORTCUT[/]", "note": "[dim]note[/]"}
    rows = collect(found.findings)
    for row in rows:
        stamp = "[dim]as declared[/]" if row["leaky"] else marks[row["severity"]]
        where = " | ".join(filter(None, (row["protocol"] + (" (LEAKY)" if row["leaky"] else ""), row["folds"])))
        kind = f"  [bold]{row['kind']}[/]" if row["kind"] != row["severity"] else ""
        console.print(f"{stamp}{kind}  {escaped(where)}", highlight=False, markup=True)
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
    from thymos.evaluation.study_files import load_study
    from thymos.report.generated import FILES, KIND, write_generated
    from thymos.report.view import number

    plan = load_study(study, budget)
    check_place(out, FILES, KIND, overwrite)
    with progress_bar() as progress:
        found = generate_study(plan, data, method or (), cache_for(no_cache, data), protocol, fold, seed, progress)
    page = write_generated(out, found, overwrite)
    rows = found.table()
    rows = rows[(rows["class"] == "all") & (rows["verdict"] != "")]
    table = Table("method", "measure", "generated", "real", "verdict", title="Generated samples beside real ones")
    for row in rows.itertuples(index=False):
        table.add_row(row.method, row.measure, number(row.value), number(row.reference), row.verdict)
    console = screen()
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


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    paper: Annotated[
        Path | None, typer.Option("--paper", help="Write every figure as SVG and every table as csv and LaTeX there.")
    ] = None,
) -> None:
    """Write report.html, card.md and tables from stored results only."""
    view = finish(run)
    if paper is not None:
        from thymos.report.paper import write_paper

        made = write_paper(view, paper)
        screen().print(f"for a paper: {len(made)} files in {paper}", highlight=False, soft_wrap=True)


def finish(folder: Path) -> RunView:
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
    console = screen()
    console.print(table)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
    return view
