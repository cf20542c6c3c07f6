"""A first manifest and study for a folder of recordings: what names, folders and events tell, and what they do not."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from thymos.base.bands import BANDS
from thymos.base.errors import DataError, InputError
from thymos.base.folders import check_above, whole_file
from thymos.sources.base import some
from thymos.sources.manifest_rows import read_rows
from thymos.sources.signal_files import FORMATS, TABLES, Event, Header, read_header

__all__ = ["Outcome", "find_signals", "guess_names", "start_study"]

_MANIFEST, _STUDY = "manifest.csv", "study.yaml"
_RATE = 128.0  # Hz; the highest band in use ends at 45 Hz
_WINDOWS, _SHORT = (1.0, 2.0), 10.0  # seconds; trials below 10 s get the shorter windows
_SLOWEST = 2.0  # Hz; no EEG is recorded at a lower rate
_FEWEST_ELECTRODES = 2  # a table with fewer is no recording
_MOST_CLASSES = 10
_NAMED = 5
_EVENT = 1.5  # samples; a mark that is not longer has no duration (BrainVision gives all of them one sample)
_ENDS = re.compile(r"[_-](raw|eeg|ieeg|meg|epo|ave|tsss|sss)$", re.IGNORECASE)  # of names, as MNE wants them
_BIDS = re.compile(r"(?:^|[_/])(sub|ses|task|acq|run)-([A-Za-z0-9]+)")
_NO_LABEL = re.compile(r"^(bad|edge|boundary|new segment|n/a$|$)", re.IGNORECASE)

#: What a part of a name is when it looks so in every file.
_HINTS = {
    "subject": r"(s|sub|subj|subject|p|part|participant|vp)\d+|(subj|subject|participant)\w+",
    "session": r"(ses|sess|session|day|visit)\d+",
    "trial": r"(t|tr|trial|r|run|block|clip|video|take)?\d+",
}

#: Words that name an emotion or a state; a part of a name with them is a label, wherever it stands.
_STATES = re.compile(
    r"amus\w*|ang(er|ry)|anxious|baseline|bor(ed|ing)|calm|concentrat\w*|disgust|excited|fear|happ(y|iness)|joy|"
    r"neg(ative)?|neu(tral)?|pos(itive)?|relax\w*|rest|sad(ness)?|scared|stress\w*|surprise|tender\w*|tense|high|low",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Outcome:
    """What was written.

    Parameters
    ----------
    manifest, study : Path
        The two files.
    guessed : tuple of str
        What was guessed, and what could not be, in words.
    kept : bool
        Whether the manifest was there before.
    """

    manifest: Path
    study: Path
    guessed: tuple[str, ...]
    kept: bool = False


@dataclass
class _Names:
    """What the names of some files tell: one value per file in each list."""

    columns: dict[str, list[str]]
    words: list[str] = field(default_factory=list)


def start_study(folder: str | Path) -> Outcome:
    """Write ``manifest.csv`` and ``study.yaml`` for the recordings in a folder; nothing is overwritten.

    Parameters
    ----------
    folder : path
        Walked with all its subfolders. If it holds a ``manifest.csv``, the study is written for that.

    Raises
    ------
    InputError
        If there is no such folder, it cannot be written to, or the study is there already.
    DataError
        If the folder holds no recording that can be read, or its manifest is wrong.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", fits="a folder with recordings")
    if (folder / _STUDY).exists():
        raise InputError(
            f"{folder / _STUDY} already exists, and is not overwritten.",
            fits=f"a folder without {_STUDY}",
            do="edit that file, or rename it and run thymos init again",
        )
    check_above(folder / _MANIFEST)
    if (folder / _MANIFEST).exists():
        return _study_alone(folder)
    headers, words = find_signals(folder)
    names = guess_names([header.path.relative_to(folder) for header in headers])
    table, more = _rows(folder, headers, names)
    study, remarks = _study(folder, [h for h in headers if not h.table or h.stamps is not None], table)
    with whole_file(folder / _MANIFEST) as manifest, whole_file(folder / _STUDY) as plan:
        table.to_csv(manifest, index=False)
        plan.write_text(study, encoding="utf-8")
    return Outcome(folder / _MANIFEST, folder / _STUDY, (*words, *names.words, *more, *remarks))


def _study_alone(folder: Path) -> Outcome:
    """Write the study of a manifest that is there."""
    path = folder / _MANIFEST
    rows = read_rows(path, None)
    values = {column: [row.labels[column] for row in rows] for column in rows[0].labels}
    classes = [column for column, own in values.items() if 1 < len(set(own)) <= _MOST_CLASSES]
    rows = [row for row in rows if row.modality == "eeg"]
    if not rows or not values:
        raise InputError(
            f"{path} lists no EEG." if values else f"{path} has no column with labels.",
            fits="rows of EEG, and a column with the label to predict",
            do="correct the manifest, or write the study yourself: docs/own-recordings.md shows one of other signals",
        )
    target = "label" if "label" in values else next(iter([*classes, *values]))
    label = pd.Series([row.labels[target] for row in rows])
    rule = ""
    if target not in classes and pd.api.types.is_numeric_dtype(label):
        label, rule = (label > label.median()).map({True: "high", False: "low"}), ", above: median"
    table = pd.DataFrame(
        [{"path": str(r.path), **{c: getattr(r, c) for c in ("subject", "session", "trial", "duration")}} for r in rows]
    ).assign(label=label.astype(str))
    headers = [read_header(file, sfreq) for file, sfreq in dict.fromkeys((row.path, row.sfreq) for row in rows)]
    study, remarks = _study(folder, headers, table, target, rule)
    with whole_file(folder / _STUDY) as plan:
        plan.write_text(study, encoding="utf-8")
    words = f"{path} was there and is kept as it is; the study predicts its column {target}{rule}"
    return Outcome(path, folder / _STUDY, (words, *remarks), kept=True)


def find_signals(folder: Path) -> tuple[list[Header], list[str]]:
    """Return the headers of all recordings below a folder, by path, and what was left out, in words.

    Raises
    ------
    DataError
        If there is none.
    """
    headers: list[Header] = []
    words: list[str] = []
    passed: list[str] = []  # tables without electrodes
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in FORMATS and p.is_file()):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        try:
            header: Header | None = read_header(path)
        except DataError as error:
            if path.suffix.lower() not in TABLES:
                words.append(f"left out: {error.came}")
                continue
            header = _table_without_rate(path)
        if header is not None and (not header.table or len(header.of_kind("eeg")) >= _FEWEST_ELECTRODES):
            headers.append(header)
        elif not path.stem.endswith("_events"):
            passed.append(path.relative_to(folder).as_posix())
    if passed:
        words.append(f"tables that are no EEG, not used: {some(passed)}; labels in them belong into the manifest")
    if not headers:
        raise DataError(
            f"{folder} holds no recording that can be read" + (f"; {words[0]}." if words else "."),
            fits=f"files with the endings {', '.join(FORMATS)}; tables with names of electrodes in their first line",
            do="write a manifest yourself: one row for each table, with path, subject, trial, modality (such as bvp), "
            "sfreq, unit and the labels, as docs/own-recordings.md shows"
            if passed
            else "point at the folder with the recordings, or export them as EDF",
        )
    whole_of = {part.resolve(): header.path for header in headers for part in header.parts[1:]}
    parts = [header.path for header in headers if header.path.resolve() in whole_of]
    headers = [header for header in headers if header.path not in parts]  # those are read with the first one
    words += [f"left out: {path.name} is a part of {whole_of[path.resolve()].name}" for path in parts]
    formats = Counter(header.path.suffix.lower() for header in headers)
    found = ", ".join(f"{n} {suffix}" for suffix, n in formats.items())
    return headers, [f"{len(headers)} recordings: {found}", *words]


def guess_names(paths: Sequence[Path]) -> _Names:
    """Guess subject, session, trial and label of files from their names and folders.

    Parameters
    ----------
    paths : sequence of Path
        Relative to the folder they were found in.

    Returns
    -------
    object
        With ``columns`` (``subject``, ``session``, ``trial``, ``label`` to one text per file, empty where nothing was
        found) and ``words``.
    """
    given, paths = paths, [path.with_name(_ENDS.sub("", path.stem) + path.suffix) for path in paths]
    entities = [dict(_BIDS.findall(path.with_suffix("").as_posix())) for path in paths]
    names = _bids(entities) if all("sub" in e for e in entities) else _tokens(paths)
    columns = names.columns
    if len(set(zip(columns["subject"], columns["session"], columns["trial"], strict=True))) < len(paths):
        joined = ["-".join(p for p in pair if p) for pair in zip(columns["label"], columns["trial"], strict=True)]
        if len(set(zip(columns["subject"], columns["session"], joined, strict=True))) < len(paths):
            joined = ["-".join(path.with_suffix("").parts) for path in given]
        columns["trial"] = joined
    for column in ("subject", "session", "label"):
        values = sorted(set(columns[column]) - {""})
        if values and (column != "session" or values != ["1"]):
            shown = ", ".join(values[:_NAMED]) + (", ..." if len(values) > _NAMED else "")
            names.words.append(f"{column}: {len(values)} guessed from the names ({shown})")
    if not any(columns["subject"]):
        names.words.append("subject: NOT guessed; the column is empty, fill it in")
    return names


def _bids(entities: list[dict[str, str]]) -> _Names:
    """Read names such as ``sub-01_ses-02_task-x_run-3``; tasks that differ and recur are label candidates."""
    tasks = [e.get("task", "") for e in entities]
    recur = len(set(tasks)) > 1 and min(Counter(tasks).values()) > 1
    trials = ["-".join(e[k] for k in ("task", "acq", "run") if k in e) for e in entities]
    return _Names(
        {
            "subject": [e["sub"] for e in entities],
            "session": [e.get("ses", "1") for e in entities],
            "trial": [trial or "1" for trial in trials],
            "label": tasks if recur else [""] * len(tasks),
        }
    )


def _tokens(paths: Sequence[Path]) -> _Names:
    """Read names by their parts, between ``_``, ``-``, spaces and dots, if all files have as many."""
    parts = [[*p.parent.parts, *re.split(r"[_\-\s.]+", p.stem)] for p in paths]
    n = len(paths)
    guess = {"subject": [""] * n, "session": ["1"] * n, "trial": [p.stem for p in paths], "label": [""] * n}
    if n == 1:
        return _Names({**guess, "subject": [paths[0].stem]}, ["one file: it is taken as one subject"])
    if len({len(row) for row in parts}) > 1:
        folders = [p.parts[0] if len(p.parts) > 1 else "" for p in paths]
        if len(set(folders)) > 1 and all(folders):
            return _Names(
                {**guess, "subject": folders}, ["the names have no common form; folders are taken as subjects"]
            )
        return _Names(guess, ["the names have no common form"])
    columns = [list(column) for column in zip(*parts, strict=True)]
    roles = _roles(columns)
    for role in ("subject", "session", "label"):
        if role in roles.values():
            guess[role] = columns[next(k for k, own in roles.items() if own == role)]
    trials = [k for k, own in roles.items() if own == "trial"]
    if trials:
        guess["trial"] = ["-".join(columns[k][row] for k in trials) for row in range(n)]
    return _Names(guess)


def _roles(columns: list[list[str]]) -> dict[int, str]:
    """Say which part of the names is subject, session, trial and label; parts that are all equal are none."""
    vary = [k for k, column in enumerate(columns) if len(set(column)) > 1]
    roles: dict[int, str] = {}
    for role in ("subject", "session"):
        hinted = [k for k, column in enumerate(columns) if _looks(column, _HINTS[role]) and k not in roles]
        if hinted:
            roles[hinted[0]] = role
    states = [k for k in vary if k not in roles and _states(columns[k])]
    if states:
        roles[states[0]] = "label"
    numbered = [k for k in vary if k not in roles and _looks(columns[k], _HINTS["trial"])]
    words = [k for k in vary if k not in roles and k not in numbered]
    if "subject" not in roles.values():
        # a single number may count people or trials; nobody can tell
        first = words[:1] or (numbered[:1] if len(numbered) > 1 else [])
        roles |= dict.fromkeys(first, "subject")
    roles |= dict.fromkeys((k for k in numbered if k not in roles), "trial")
    subject = next((columns[k] for k, role in roles.items() if role == "subject"), None)
    if "label" not in roles.values() and subject is not None:
        crossing = [k for k in words if k not in roles and _crosses(columns[k], subject)]
        roles |= dict.fromkeys(crossing[:1], "label")
    return roles


def _looks(column: list[str], pattern: str) -> bool:
    return all(re.fullmatch(pattern, value, re.IGNORECASE) for value in column)


def _states(column: list[str]) -> bool:
    values = set(column)
    return sum(bool(_STATES.fullmatch(value)) for value in values) >= len(values) / 2


def _crosses(column: list[str], subject: list[str]) -> bool:
    """Say whether a few values recur, in several subjects: a label does, a name of a clip may."""
    counts = Counter(column)
    people = defaultdict(set)
    for value, person in zip(column, subject, strict=True):
        people[value].add(person)
    recur = min(counts.values()) > 1 and len(counts) <= _MOST_CLASSES
    return recur and max(len(p) for p in people.values()) > 1


def _table_without_rate(path: Path) -> Header | None:
    """Return the header of a table that says no rate; None for tables that are no recordings."""
    try:
        return read_header(path, 1.0)
    except DataError:
        return None


def _rows(folder: Path, headers: list[Header], names: _Names) -> tuple[pd.DataFrame, list[str]]:
    """Return the manifest: one row per file, or per event with a duration."""
    rows, words, idle = [], [], 0
    sources: Counter[str] = Counter()
    for k, header in enumerate(headers):
        own = {column: values[k] for column, values in names.columns.items()}
        row = {"path": header.path.relative_to(folder).as_posix(), **own}
        if header.table:
            rate = header.rates[0]
            if header.stamps is not None and rate < _SLOWEST:
                words.append(f"{row['path']}: the time stamps look like milliseconds; Thymos takes them as seconds")
                rate *= 1000  # so that the check says so too
            row |= {"sfreq": "" if header.stamps is None else f"{rate:g}", "unit": "uV"}
        events, source = _events(header)
        shortest = _EVENT / max(header.rates, default=_RATE)
        useful = [e for e in events if e.duration > shortest and not _NO_LABEL.match(e.text)]
        idle += bool(events) and not useful
        for number, event in enumerate(useful, 1):
            trial = f"{own['trial']}-{number:02d}"
            place = {"onset": f"{event.onset:.6g}", "duration": f"{event.duration:.6g}"}
            rows.append({**row, "trial": trial, "label": event.text, **place})
        sources[source] += len(useful)
        if not useful:
            rows.append(row)
    for source, count in sources.items():
        if count:
            words.append(f"label: {count} stretches with onset and duration from {source}")
    if idle:
        words.append(
            f"{idle} files mark events without a duration, which give no stretches; each is one row. To use them, "
            "write a table NAME_events.tsv beside the file NAME, with the columns onset, duration (in seconds) and "
            "trial_type, or rows with onset and duration into the manifest"
        )
    table = pd.DataFrame(rows).fillna("")
    if not table["subject"].ne("").any() and sources.total():
        table["subject"] = [_ENDS.sub("", Path(path).stem) for path in table["path"]]
        words.append("subject: each file is taken as one subject, because it holds several trials")
    empty = int(table["label"].eq("").sum())
    if empty:
        words.append(f"label: NOT guessed for {empty} of {len(table)} rows; the cells are empty, fill them in")
    if "unit" in table:
        words.append("unit: uV is assumed for tables; correct the column unit if they hold something else")
        if (table["sfreq"].eq("") & table["unit"].ne("")).any():
            words.append("sfreq: NOT found for tables without time stamps; fill in the rate in Hz")
    if table["session"].eq("1").all():
        table = table.drop(columns="session")
    order = ["path", "subject", "session", "trial", "onset", "duration", "sfreq", "unit", "label"]
    return table[[c for c in order if c in table]], words


def _events(header: Header) -> tuple[list[Event], str]:
    """Return the events of a file: those of a BIDS table beside it, or its own."""
    stem = header.path.stem
    beside = [header.path.with_name(f"{s}_events.tsv") for s in (re.sub(r"_[^_]*$", "", stem), stem)]
    path = next((p for p in beside if p.is_file()), None)
    if path is None:
        inside = [e for e in header.events if e.onset >= 0 and e.onset + e.duration <= header.seconds + 0.01]
        return inside, "the annotations in the files"
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        texts = table["trial_type"]
        times = table[["onset", "duration"]].apply(pd.to_numeric, errors="coerce").fillna(0.0)
    except (KeyError, ValueError, OSError):
        return [], f"{path.name}, which has no onset, duration and trial_type"
    rows = zip(times["onset"], times["duration"], texts, strict=True)
    return [Event(float(a), float(b), str(text)) for a, b, text in rows], "the tables *_events.tsv"


def _study(
    folder: Path, known: list[Header], table: pd.DataFrame, target: str = "label", rule: str = ""
) -> tuple[str, list[str]]:
    """Return the text of a study and what it leaves out, in words; `known` are the files that say their rate."""
    rates = {h.rates[k] for h in known for k in h.of_kind("eeg") or h.of_kind("other")} or {_RATE}
    rate = min(*rates, _RATE)
    process = "process: []  # the rate is used as it is"
    if len(rates) > 1 or max(rates) > _RATE:
        process = (
            f"process:  # the files have {', '.join(f'{r:g}' for r in sorted(rates))} Hz\n"
            f"  - resample: {{to: {rate:g}}}  # Hz, with an anti-aliasing filter"
        )
    lengths = {h.path: h.seconds for h in known}
    whole = table["path"].map(lambda path: lengths.get(folder / path)).astype(float)
    stretches = pd.to_numeric(table["duration"]).fillna(whole) if "duration" in table else whole
    seconds = _WINDOWS[bool((stretches.dropna() >= _SHORT).all())]
    bands = {name: list(edges) for name, edges in BANDS["deap"].items() if edges[1] <= rate / 2}
    protocols, words = _protocols(table)
    first = next(iter(protocols))
    lines = "\n".join(f"  {name}: {{}}  # {text}" for name, text in protocols.items())
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "own"
    classes = sorted(set(table["label"]) - {""})
    labels = f"  # {', '.join(classes[:_MOST_CLASSES])}" if classes else "  # fill in this column of the manifest"
    return _TEMPLATE.format(
        name=json.dumps(name),
        title=json.dumps(f"Own recordings: {folder.resolve().name}", ensure_ascii=False),
        process=process,
        seconds=seconds,
        long=3 * seconds,
        target=(target if target.isidentifier() else json.dumps(target, ensure_ascii=False)) + rule,
        labels=labels,
        protocols=lines,
        control="{parameters: {within: subject}, twin_of: trial}" if first == "trial" else "{twin_of: loso}",
        bands=json.dumps(bands) if len(bands) < len(BANDS["deap"]) else "deap",
    ), words


def _protocols(table: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    """Return the honest protocols that the rows allow, with what they ask, and why others are left out."""
    made, words = {}, []
    people = table["subject"].nunique()
    labelled = table["label"].ne("").all()
    trials = table.drop_duplicates([c for c in ("subject", "session", "trial") if c in table])
    if labelled:
        counts = pd.crosstab(trials["subject"], trials["label"])
        enough = bool(((counts == 0) | (counts >= 2)).all(axis=None) and ((counts > 0).sum(axis=1) > 1).all())
    else:
        enough = bool((trials["subject"].value_counts() >= 4).all())
    if people >= 2:
        made["loso"] = "leave one subject out: is a new person recognised?"
    else:
        words.append("protocol loso: left out, it needs two subjects or more")
    if enough:
        made["trial"] = "new trials of a known person, whole trials on one side"
    else:
        words.append("protocol trial: left out, it needs two trials of every class from every subject")
    if not made:
        made["trial"] = "needs at least two trials of every class from every subject; these data do not have them yet"
        words.append("NO honest protocol fits these data: record at least two trials of every class")
    return made, words


_TEMPLATE = """\
# A first study of your recordings, written by `thymos init`. Edit what is wrong; an unknown key or name is answered
# with the near ones.
name: {name}
title: {title}
source:
  manifest:
    path: manifest.csv  # relative to this file
    channels: common  # EEG channels that all files have; or all, or a list such as [Fp1, Fp2, Cz]
    # interpolate: true  # fill in channels that a file lacks
    # labels: {{label: [calm, tense]}}  # the allowed values; anything else is an error
{process}
windows: {{seconds: {seconds}}}  # cut inside each stretch of the manifest, never across its ends
target: {{label: {target}}}{labels}
# for a rating, such as 1 to 9, split at a threshold: target: {{label: valence, above: 5}}
protocols:  # who is trained on and who is tested
{protocols}
  random_window: {control}  # LEAKY control: what a split of windows at random would report
metric: balanced_accuracy  # also right where one class is commoner than another
definitions:
  entropy: &entropy
    differential_entropy: {{bands: {bands}}}  # log power per band and channel
methods:  # the majority class is added by itself
  logistic_regression: {{title: Logistic regression, steps: [*entropy, flatten, channel_scaler, logistic_regression]}}
  lda: {{title: LDA with shrinkage, steps: [*entropy, flatten, channel_scaler, lda]}}
  svm: {{title: RBF-SVM, steps: [*entropy, flatten, channel_scaler, svm]}}
seeds: 1
budgets:  # thymos run study.yaml --budget tiny, quick or full
  tiny:
    reduces: every third window, one method; checks that everything runs
    changes:
      windows: {{step: {long}}}
      methods: {{lda: null, svm: null}}
  quick:
    reduces: nothing
"""
