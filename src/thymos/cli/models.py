"""Commands about models: train one on all data, predict, export, calibrate, explain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thymos.cli.recordings import labels_of, one_thread, print_notes, recordings_of, tried
from thymos.cli.shared import Budget, Data, NoCache, Overwrite, Settings, cache_for, progress_bar, screen, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from thymos.serving.bundle import Bundle

Trust = Annotated[
    list[str] | None,
    typer.Option("--trust", help="Function or class of your own, package.module.name, that the model needs."),
]


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
    from thymos.evaluation.study_files import load_study
    from thymos.serving.bundle import FILES, KIND, Bundle
    from thymos.serving.several import recipe_of
    from thymos.serving.store import encode

    plan = load_study(study, budget)
    check_place(out, FILES, KIND, overwrite)
    with progress_bar() as progress:
        trained = train_method(
            plan,
            method,
            data,
            cache_for(no_cache, data),
            seed,
            protocol,
            run,
            progress,
            check=lambda estimator, recipe: (recipe_of(recipe), encode(estimator, trust or ())),
        )
    made = Bundle.of(trained)
    made.save(out, overwrite, trust or ())
    console = screen()
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
    yield from expected_words(card)


def expected_words(card: Mapping[str, Any]) -> Iterator[str]:
    for row in card.get("expected", ()):
        yield (
            f"  expected under {row['protocol']}: {row['metric']} by {row['level']} {row['value']:.3f} "
            f"[{row['low']:.2f}, {row['high']:.2f}] over {row['n_units']} {row['unit']}s, chance {row['chance']:.3f}; "
            f"{row['caution']}"
        )
    if not card.get("expected"):
        yield "  what to expect of it on new recordings is not in its card (thymos run, then thymos train --run)"


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
    with one_thread(), nullcontext() if out is None else whole_file(out, overwrite) as fresh:
        notes = [("the model", text) for text in model.notes]
        failures: dict[str, str] = {}
        parts = [model.predict([])]
        for recording in recordings_of(model, files, source, data, subject, notes, failures):
            trial, said = recording.meta["trial"], len(notes)
            part = tried(trial, model.predict, failures, [recording], notes)
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
    print_notes(notes)
    for words in (*failures.values(), *(line.strip() for line in expected_words(model.card))):
        print(f"thymos: {words}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


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
        recordings = list(recordings_of(model, files, source, data, subject, notes, failures))
    print_notes(notes)
    for words in failures.values():
        print(f"thymos: {words}", file=sys.stderr)
    if failures and not recordings:
        raise typer.Exit(2)
    made = export_bundle(model, place, recordings, int8, overwrite)
    _print_export(made)
    screen().print(f"written: {place}", highlight=False, soft_wrap=True)
    if int8 and "reason" in made["int8"]:
        print(f"thymos: there is no model in eight bits: {made['int8']['reason']}", file=sys.stderr)
        raise typer.Exit(1)


def _print_export(made: Mapping[str, Any]) -> None:
    """Print what an export holds, how near it is to the trained model, and what both cost."""
    from rich.table import Table

    console = screen()

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
    model, known = Bundle.load(bundle, trust or ()), labels_of(labels)
    notes = [("the model", text) for text in model.notes]
    failures: dict[str, str] = {}
    recordings = recordings_of(model, files, None, None, None, notes, failures)
    with one_thread():
        made = model.calibrated(recordings, known, shots, notes)
    if failures:
        raise DataError(next(iter(failures.values())), do="leave the file out, or correct it")
    made.save(out, overwrite, trust or ())
    print_notes(notes)
    console, facts = screen(), made.card["calibrated"]
    counts = ", ".join(f"{n} {name}" for name, n in facts["per_class"].items())
    biases = ", ".join(f"{name} {value:+.2f}" for name, value in facts["bias"].items())
    lines = [f"{len(facts['trials'])} trials used ({counts}): temperature {facts['temperature']:.3g}, bias {biases}"]
    for when, found in facts.get("rest", {}).items():
        words = f"accuracy {found['accuracy']:.3f}, log_loss {found['log_loss']:.3f}"
        lines.append(f"the other {found['n']} labelled trials, {when}: {words}")
    for line in (*lines, facts["caution"], f"written: {out}"):
        console.print(line, highlight=False, soft_wrap=True)


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
    given = settings_of(parameters, write, "explain", own)
    model, known = Bundle.load(bundle, trust or ()), None if labels is None else labels_of(labels)
    if not isinstance(model.recipe, Recipe):
        raise InputError(
            "This is a model of pictures, or of several modalities.",
            fits="a model of signals with electrodes and bands",
        )
    notes, parts = [("the model", text) for text in model.notes], []
    failures: dict[str, str] = {}
    for recording in recordings_of(model, files, source, data, subject, notes, failures):
        key = None if known is None else key_of(recording, known)
        if known is not None and key is None:
            continue
        part = tried(recording.meta["trial"], model.samples, failures, [recording], notes)
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
    print_notes(notes)
    console = screen()
    strongest = shown.strongest(n=5)[["map", "band", "channel", "value"]]
    console.print(strongest.to_string(index=False), highlight=False)
    console.print(f"written: {out / 'saliency.html'}", highlight=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)
