"""Commands about the five published systems as a whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thymos.cli.shared import Budget, Data, NoCache, cache_for, escaped, progress_bar, screen
from thymos.cli.studies import finish

if TYPE_CHECKING:
    from thymos.evaluation.engines import Engine
    from thymos.evaluation.study import Study


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
    from thymos.evaluation.engines import Engine, default_jobs
    from thymos.evaluation.study_files import load_study
    from thymos.evaluation.systems import systems_named
    from thymos.report.truth import check_folder, read_truth, write_truth

    console, every, chosen = screen(), systems_named("all"), systems_named(system)
    if show:
        for name, one in chosen.items():
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
    for name, one in every.items():
        for study, method in [one.demo] if simulated else one.studies.items():
            folder = out / study
            stored = (folder / "study.json").is_file()
            if name in chosen and (stored or study not in elsewhere):
                whole, missing = _measured(load_study(study, budget), folder, data, place, no_cache)
                failed |= not whole
                if missing:
                    absent[study] = missing
                else:
                    runs[study] = folder
            elif name not in chosen and stored:  # the page of one system keeps the others that were run here
                runs[study] = folder
            if name in chosen or stored:
                methods[study] = name, method
    shown = {name for name, _ in methods.values()} | set(elsewhere.values())
    page = write_truth(out, {n: one for n, one in every.items() if n in shown}, runs, absent, methods, others)
    console.print(f"page: {page}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _measured(plan: Study, folder: Path, data: Path | None, place: Engine, no_cache: bool) -> tuple[bool, str]:
    """Run a study and write its report; return whether all went well, and why there is no run, empty if there is one.

    A corpus that is not here must not keep the other studies from being measured, nor a defect in one of them.
    """
    from thymos.base.errors import ThymosError
    from thymos.evaluation.runner import run_study

    title = f"[bold]{escaped(plan.title)}[/bold]  budget {plan.budget}"
    screen().print(title, highlight=False, soft_wrap=True, markup=True)
    whole = True
    try:
        with progress_bar() as progress:
            outcome = run_study(plan, folder, data, place, progress, cache_for(no_cache, data))
        whole = not outcome.failed
        if not whole:
            print(f"thymos: {plan.name}: {len(outcome.failed)} fits failed, see {folder}", file=sys.stderr)
        finish(folder)
    except KeyboardInterrupt:
        print("thymos: stopped. Finished fits are stored; the same command continues there.", file=sys.stderr)
        raise typer.Exit(130) from None
    except ThymosError as error:
        if not whole:  # no fit is left to be shown
            return False, error.came
        if (folder / "study.json").is_file():  # measured while its corpus was here
            print(f"thymos: {plan.name}: {error.came} Shown is what was measured before.", file=sys.stderr)
            return True, ""
        print(f"thymos: {plan.name}: {error}", file=sys.stderr)
        return True, error.came
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        print(f"thymos: {plan.name}: {words}; this is a defect of Thymos", file=sys.stderr)
        return False, words
    return whole, ""


def demo(out: Annotated[Path, typer.Option("--out", help="Folder of the runs.")] = Path("runs/demo")) -> None:
    """Run the five published systems small, on simulated data; minutes, no download, ends with one page."""
    reproduce(simulated=True, budget="brief", out=out)
