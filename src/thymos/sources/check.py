"""What is in a copy of a corpus, and what is wrong with it, in plain words.

Every recording is read once. A file that cannot be read costs a red line, and the rest is looked at all the same.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import MissingExtraError, ThymosError
from thymos.base.labels import KINDS, MEDIAN, Label, Rule
from thymos.base.recording import Frames, Recording, Signal
from thymos.sources.base import Source, SourceRow, is_simulated, some

__all__ = ["LEVELS", "Check", "Line", "balance", "check_source"]

#: From good to bad: as published; usable, but look; not usable as it is.
LEVELS = ("green", "yellow", "red")

#: Between which values the typical standard deviation (of temperature: the median) of a signal lies in its unit.
_PLAUSIBLE = {
    ("eeg", "V"): (2e-7, 1e-3),
    ("eog", "V"): (1e-7, 5e-3),
    ("ecg", "V"): (5e-6, 2e-2),
    ("emg", "V"): (1e-8, 1e-2),
    ("eda", "S"): (1e-11, 1e-4),
    ("temp", "K"): (283.0, 323.0),
    ("acc", "m/s2"): (0.0, 200.0),
}
_BY_MEDIAN = ("temp",)
_CAN_CLIP = ("eeg", "eog", "ecg", "emg", "bvp", "speech", "acc")  # slow signals rest at their extremes by themselves
_WINDOWS = (1.0, 2.0, 4.0)  # s
_RUN = 4  # samples that stay at a channel's extreme before it is called clipped
_CLIPPED = 1e-3  # share of samples above which it is worth a line
_FAINT = 0.002  # SD of sound below which nothing can be heard
_SAME = 0.9  # share of a subject's recordings that another one has too
_VECTOR = 40  # stimuli whose labels are listed
_ERRORS = 25  # red lines of one kind before the rest is counted only
_CLASSES = 12  # different values of a user's own label that are counted one by one
_LINE = re.compile(r", line \d+")

_some = partial(some, most=8)  # places named in one line


@dataclass(frozen=True)
class Line:
    """One finding.

    Parameters
    ----------
    level : str
        One of :data:`LEVELS`.
    topic : str
        What it is about: ``files``, ``subjects``, ``signals``, ``labels``, ``duplicates``, ``remark``.
    text : str
        The finding, in words.
    do : str
        What the reader can do about it.
    """

    level: str
    topic: str
    text: str
    do: str = ""


@dataclass
class Check:
    """What a check found.

    Parameters
    ----------
    source : str
        Name of the source.
    lines : list of Line
        In the order of topics.
    modalities : dict
        For each modality: recordings, channels, rates, seconds, windows.
    labels : dict
        For each label: its kind, and how many trials each class has under each way of splitting it.
    counts : dict
        Subjects, sessions, trials, stimuli, recordings.
    """

    source: str
    lines: list[Line] = field(default_factory=list)
    modalities: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """The worst level of any line."""
        return max((line.level for line in self.lines), key=LEVELS.index, default="green")

    def add(self, level: str, topic: str, text: str, do: str = "") -> None:
        """Add a line."""
        self.lines.append(Line(level, topic, text, do))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"level": self.level, **asdict(self)}


@dataclass
class _Seen:
    """What has been seen of one modality."""

    recordings: int = 0
    damaged: int = 0  # further ones, that cannot be read
    channels: Counter = field(default_factory=Counter)
    rates: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    units: Counter = field(default_factory=Counter)
    levels: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    flat: list[str] = field(default_factory=list)
    clipped: list[str] = field(default_factory=list)
    digests: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))


def check_source(
    source: Source, name: str, row: SourceRow, progress: Callable[[str], None] = lambda text: None
) -> Check:
    """Read everything a source has and say what it is, and what is odd or wrong about it.

    Parameters
    ----------
    source : Source
        Made, not yet read.
    name : str
        Its name in the catalogue.
    row : SourceRow
        Its row: what the full release holds, and which labels are declared.
    progress : callable
        Told what is being read.

    Returns
    -------
    Check
        Errors of the files are red lines in it; none is raised.

    Raises
    ------
    MissingExtraError
        If a library is missing that reads such files: that says nothing about them.
    """
    check = Check(name)
    try:
        subjects = source.subjects()
        reader, faults = source.without_faults()
    except MissingExtraError:
        raise
    except ThymosError as error:
        check.add("red", "files", _words(error), error.do)
        return check
    seen: dict[str, _Seen] = defaultdict(_Seen)
    metas: list[dict[str, Any]] = []
    errors: list[ThymosError] = list(faults)
    short = bool(faults)  # whether recordings are missing from what is counted
    for subject in subjects:
        progress(f"{name}: subject {subject}")
        for item in _guarded(reader.recordings([subject])):
            if isinstance(item, ThymosError):
                errors.append(item)
                short = True
                continue
            metas.append(dict(item.meta))
            errors += _look(item, len(metas) - 1, seen)
    told = _once(errors)
    for text, do in told[:_ERRORS]:
        check.add("red", "files", text, do)
    if len(told) > _ERRORS:
        check.add("red", "files", f"and {len(told) - _ERRORS} more files or recordings that cannot be read")
    if not metas:
        if not errors:
            check.add("red", "files", "no recording was found")
        return check
    meta = pd.DataFrame(metas)
    if is_simulated(source):
        check.add("yellow", "simulated", "these data were simulated; nothing measured on them is about people")
    _inventory(check, source, row, meta, subjects, short)
    read = {modality: record for modality, record in seen.items() if record.recordings}
    _signals(check, meta, read)
    _labels(check, row, meta)
    _own_labels(check, source.label_columns(), meta)
    _duplicates(check, meta, read)
    if not errors:  # a check of the reader's own reads the files again and would stop at the first bad one
        try:
            notes = source.check()
        except MissingExtraError:
            raise
        except ThymosError as error:
            check.add("red", "files", _words(error), error.do)
        else:
            for note in notes:
                check.add("yellow", "remark", str(note))
    for caution in row.cautions:
        check.add("yellow", "caution", caution)
    return check


def balance(label: Label, values: pd.Series) -> dict[str, dict[str, int]]:
    """Count the trials in each class under each way of splitting a label.

    Parameters
    ----------
    label : Label
    values : Series
        One value per trial; missing ones are left out.

    Returns
    -------
    dict
        Way of splitting, in words, to class to number of trials. For a rating: the default rule, the same threshold
        the other way round for ratings equal to it, the middle of the scale (both only where they make a difference),
        and the median, here of all trials.
    """
    values = values[values.notna() & (values != "")]
    if label.scale is None:
        return {"classes": {str(k): int(n) for k, n in values.value_counts().sort_index().items()}}
    numbers, ways = values.to_numpy(float), {}
    if not len(numbers):
        return {}
    middle = sum(label.scale) / 2
    default = label.rule or Rule(middle)
    names = default.names
    others = [
        Rule(default.threshold, not default.inclusive, names),
        Rule(middle, names=names),
        Rule(MEDIAN, names=names),
    ]
    for words, rule in ((f"default: {default}", default), *((str(rule), rule) for rule in others)):
        classes = rule.apply(numbers)
        counts = {name: int((classes == name).sum()) for name in names}
        if rule.threshold == MEDIAN:
            ways[f"{names[1]} above the median of all trials here (a study takes that of its training part)"] = counts
        elif counts not in ways.values():  # said once, if it comes to the same
            ways[words] = counts
    return ways


def _guarded(recordings: Iterator[Recording]) -> Iterator[Recording | ThymosError]:
    """Yield recordings, and at last the error that ended them, if one did."""
    while True:
        try:
            yield next(recordings)
        except StopIteration:
            return
        except MissingExtraError:
            raise
        except ThymosError as error:
            yield error
            return


def _look(recording: Recording, number: int, seen: dict[str, _Seen]) -> list[ThymosError]:
    """Note what a recording's signals are like; return what could not be read."""
    errors, trial = [], str(recording.meta["trial"])
    for modality in recording.baseline:
        try:
            recording.baseline[modality]
        except MissingExtraError:
            raise
        except ThymosError as error:
            errors.append(error)
    for modality in recording.signals:
        try:
            signal = recording.signals[modality]
        except MissingExtraError:
            raise
        except ThymosError as error:
            errors.append(error)
            seen[modality].damaged += 1
            continue
        record = seen[modality]
        record.recordings += 1
        data = signal.data
        record.digests[hashlib.blake2b(np.ascontiguousarray(data).data, digest_size=16).digest()].append(number)
        if isinstance(signal, Frames):
            record.sizes["x".join(map(str, data.shape[2:]))] += 1
            record.channels[("grey",) if data.shape[1] == 1 else ("red", "green", "blue")] += 1
            record.rates[signal.sfreq] += 1
            record.seconds.append(signal.duration)
            record.levels[str(recording.meta["subject"])].append(float(data.mean()))
            if data.min() == data.max():
                record.flat.append(trial)
            continue
        record.channels[signal.ch_names] += 1
        record.rates[signal.sfreq] += 1
        record.units[signal.unit] += 1
        record.seconds.append(signal.duration)
        _amplitudes(record, signal, recording.meta, modality)
    return errors


def _amplitudes(record: _Seen, signal: Signal, meta: Mapping[str, Any], modality: str) -> None:
    data, trial = signal.data, meta["trial"]
    spread = data.std(axis=1)
    kind = modality.split("_")[-1]
    median = kind in _BY_MEDIAN
    record.levels[str(meta["subject"])].append(float(np.median(data) if median else np.median(spread)))
    flat = np.ptp(data, axis=1) == 0  # the standard deviation of equal values is not quite 0
    for k in np.flatnonzero(flat):
        record.flat.append(f"{trial} {signal.ch_names[k]}")
    if kind not in _CAN_CLIP or data.shape[1] <= _RUN:
        return
    stuck = np.zeros(len(data))
    for extreme in (data.max(axis=1, keepdims=True), data.min(axis=1, keepdims=True)):
        there = data == extreme
        run = there[:, _RUN - 1 :].copy()
        for first in range(_RUN - 1):
            run &= there[:, first : first - _RUN + 1]
        stuck += run.mean(axis=1)
    for k in np.flatnonzero((stuck > _CLIPPED) & ~flat):
        record.clipped.append(f"{trial} {signal.ch_names[k]}")


def _inventory(
    check: Check, source: Source, row: SourceRow, meta: pd.DataFrame, subjects: list[str], short: bool
) -> None:
    """Count what is there; `short` says that some of it could not be read."""
    files = len(meta[["subject", "session", "recording"]].drop_duplicates()) if "recording" in meta else len(meta)
    check.counts = {
        "subjects": meta["subject"].nunique(),
        "sessions": len(meta[["subject", "session"]].drop_duplicates()),
        "trials": meta["trial"].nunique(),
        "stimuli": meta["stimulus"].nunique(),
        "recordings": files,
    }
    level, rest = ("yellow", "; what is named as wrong is not counted") if short else ("green", "")
    left_out = source.left_out()
    for name, reason in left_out.items():
        check.add("yellow", "subjects", f"{name} is here and left out: {reason}")
    missing = [name for name in row.subjects if name not in subjects and name not in left_out]
    if missing:
        check.add(
            "yellow",
            "subjects",
            f"{len(missing)} of {len(row.subjects)} subjects of the full release are not here: {_some(missing)}",
            "fine for a part of the corpus; say so beside every result",
        )
    elif row.subjects:
        check.add("green", "subjects", f"all {len(row.subjects)} subjects of the full release")
    else:
        check.add(level, "subjects", f"{check.counts['subjects']} subjects: {_some(meta['subject'].unique())}{rest}")
    if list(subjects) == ["unknown"] and getattr(source, "subject_pattern", "") is None:
        check.add(
            "yellow",
            "subjects",
            "people cannot be told apart: all recordings are of one subject 'unknown'",
            "say where a file name has the person, as in --set 'subject_pattern=^(?P<subject>[a-z]+)_' for anna_1.png, "
            "and the same in the study's source",
        )
    n, expected = check.counts["trials"], row.trials if not missing else 0
    stimuli = f" of {check.counts['stimuli']} stimuli" if check.counts["stimuli"] > 1 else ""
    stretches = f"{len(meta)} stretches of " if files < len(meta) else ""
    words = f"{n} trials{stimuli} in {stretches}{files} recordings{rest}"
    if expected and n != expected:
        check.add("yellow", "trials", f"{words}; the full release has {expected} trials")
    else:
        check.add(level, "trials", words + (", as many as the full release" if expected else ""))
    if "part" in meta:
        parts = meta.drop_duplicates("trial")["part"].value_counts()
        check.add("green", "trials", "parts: " + ", ".join(f"{part} {n}" for part, n in parts.items()))


def _signals(check: Check, meta: pd.DataFrame, seen: dict[str, _Seen]) -> None:
    for modality, record in seen.items():
        seconds = np.array(record.seconds)
        names = max(record.channels, key=record.channels.__getitem__)
        facts: dict[str, Any] = {
            "recordings": record.recordings,
            "channels": list(names),
            "rates": {f"{rate:g}": n for rate, n in record.rates.items()},
            "unit": max(record.units, key=record.units.__getitem__) if record.units else "",
            "seconds": {
                "least": float(seconds.min()),
                "median": float(np.median(seconds)),
                "all": float(seconds.sum()),
            },
            "sizes": dict(record.sizes),
        }
        check.modalities[modality] = facts
        if seconds.sum():
            facts["windows"] = {f"{w:g} s": int((seconds / w + 1e-9).astype(int).sum()) for w in _WINDOWS}
            rate = ", ".join(f"{rate:g}" for rate in record.rates)
            lasting = (
                f"{seconds.min():.1f} to {seconds.max():.1f} s" if np.ptp(seconds) > 0.05 else f"{seconds[0]:.1f} s"
            )
            words = f"{_channels(names)} at {rate} Hz, {lasting} each, {_hours(seconds.sum())} together"
            windows = ", ".join(f"{n} of {w}" for w, n in facts["windows"].items())
            check.add("green", modality, f"{words}; windows: {windows}")
        else:
            check.add(
                "green",
                modality,
                f"{record.recordings} pictures, {_some([f'{s} ({n})' for s, n in record.sizes.most_common()])}",
            )
        if record.damaged:
            check.add("yellow", modality, f"of {record.damaged} of {len(meta)} recordings it cannot be read")
        n = len(meta) - record.recordings - record.damaged
        if n:
            check.add("yellow", modality, f"{n} of {len(meta)} recordings do not have it")
        for what, found in (("rates", record.rates), ("sets of channels", record.channels), ("sizes", record.sizes)):
            if len(found) > 1:
                words = ", ".join(f"{_key(k)} ({n})" for k, n in found.most_common(4))
                check.add("yellow", modality, f"{len(found)} different {what}: {words}", "choose or resample first")
        for places, text in (
            (record.flat, "pictures of one value" if record.sizes else "channels that never change their value"),
            (record.clipped, "channels stay at their highest or lowest value for runs of samples, as if clipped"),
        ):
            if places:
                check.add("yellow", modality, f"{len(places)} {text}: {_some(places)}")
        _plausible(check, modality, record)


def _plausible(check: Check, modality: str, record: _Seen) -> None:
    """See that the numbers can be what their unit says."""
    levels = {subject: float(np.median(values)) for subject, values in record.levels.items()}
    level = float(np.median(list(levels.values())))
    for unit in record.units:
        kind = modality.split("_")[-1]  # wrist_temp is a temperature
        low, high = _PLAUSIBLE.get((kind, unit), (0.0, np.inf))
        what = "median" if kind in _BY_MEDIAN else "standard deviation"
        odd = {subject: value for subject, value in levels.items() if not low <= value <= high}
        if odd:  # one subject's files may hold another unit than the others'
            words = _some(f"{value:.3g} {unit} of {subject}" for subject, value in odd.items())
            words = f"{level:.3g} {unit}" if len(odd) == len(levels) else words
            check.add(
                "red",
                modality,
                f"a typical {what} of {words} is not possible",
                f"between {low:g} and {high:g} {unit} would be; the files may hold another unit than the release does",
            )
        elif (kind, unit) in _PLAUSIBLE:
            check.add("green", modality, f"typical {what} {level:.3g} {unit}, plausible")
    if modality == "speech" and level < _FAINT:
        check.add("yellow", modality, f"very quiet: a typical standard deviation of {level:.2g} of full scale")


def _labels(check: Check, row: SourceRow, meta: pd.DataFrame) -> None:
    trials = meta.drop_duplicates("trial")
    for label in row.labels:
        if label.column not in trials:
            check.add("yellow", "labels", f"{label.column}: not in this copy")
            continue
        values = trials[label.column]
        n_missing = int((values.isna() | (values == "")).sum())
        ways = balance(label, values)
        check.labels[label.column] = {"kind": label.kind, "missing": n_missing, "balance": ways}
        head = f"{label.column} ({label.kind}: {KINDS[label.kind]})"
        if label.scale is not None:
            numbers = values.dropna().astype(float)
            if len(numbers):
                head += f", {numbers.min():.3g} to {numbers.max():.3g} of {label.scale[0]:g} to {label.scale[1]:g}"
                if numbers.min() < label.scale[0] or numbers.max() > label.scale[1]:
                    check.add(
                        "red", "labels", f"{label.column} leaves its scale: {numbers.min():g} to {numbers.max():g}"
                    )
        unknown = set(ways.get("classes", ())) - set(label.classes) if label.classes else set()
        if unknown:
            check.add("red", "labels", f"{label.column} has the unknown classes {_some(sorted(unknown))}")
        check.add("green", "labels", head)
        for words, counts in ways.items():
            total = sum(counts.values()) or 1
            shares = ", ".join(f"{name} {n} ({n / total:.1%})" for name, n in counts.items())
            one_sided = total > 1 and max(counts.values(), default=0) == total
            check.add("yellow" if one_sided else "green", "labels", f"  {words}: {shares}")
        if label.kind == "stimulus":
            _label_vector(check, label, trials)
        if n_missing:
            check.add("yellow", "labels", f"{n_missing} of {len(trials)} trials have no {label.column}")


def _own_labels(check: Check, columns: Sequence[str], meta: pd.DataFrame) -> None:
    """Count the trials of each class of labels that a user has named."""
    trials = meta.drop_duplicates("trial")
    for column in columns:
        values = trials[column].dropna()
        counts = {str(k): int(n) for k, n in values.value_counts().sort_index().items()}
        missing = len(trials) - len(values)
        check.labels[column] = {"kind": "own", "missing": missing, "balance": {"classes": counts}}
        if len(counts) <= _CLASSES:
            shown = ", ".join(f"{name} {n} ({n / len(values):.1%})" for name, n in counts.items())
            check.add("green" if len(counts) > 1 else "yellow", "labels", f"{column}: {shown}")
        elif pd.api.types.is_numeric_dtype(values):
            text = f"{column}: {len(counts)} different numbers, {values.min():g} to {values.max():g}"
            check.add("green", "labels", text)
        else:
            check.add("green", "labels", f"{column}: {len(counts)} different words, such as {some(counts, 3)}")
        if missing:
            check.add("yellow", "labels", f"{missing} of {len(trials)} trials have no {column}")


def _label_vector(check: Check, label: Label, trials: pd.DataFrame) -> None:
    """Say which label each stimulus has; it must have one."""
    told = trials[trials[label.column].notna() & (trials[label.column] != "")]
    by_stimulus = told.groupby("stimulus", sort=True)[label.column].unique()
    several = by_stimulus[by_stimulus.map(len) > 1]
    if len(by_stimulus) < 2:
        return
    if len(several):
        text = f"{label.column} differs between people for the stimuli {_some(several.index)}"
        check.add("red", "labels", text, "labels and trials are not in the same order")
        return
    vector = {str(stimulus): str(values[0]) for stimulus, values in by_stimulus.items()}
    check.labels[label.column]["by_stimulus"] = vector
    if len(vector) <= _VECTOR:
        check.add("green", "labels", "  by stimulus: " + ", ".join(f"{k} {v}" for k, v in vector.items()))


def _duplicates(check: Check, meta: pd.DataFrame, seen: dict[str, _Seen]) -> None:
    """Say which recordings are equal, and which of them stand in different parts or under different labels."""
    known = [c for c in ("emotion", "expression", "state") if c in meta]
    alone = [m for m, record in seen.items() if len(record.digests) == record.recordings]
    if alone:
        check.add("green", "duplicates", f"no two recordings are equal in {', '.join(alone)}")
    told: dict[tuple, list[str]] = defaultdict(list)  # groups of equal recordings to the modalities they are equal in
    for modality, record in seen.items():
        groups = tuple(tuple(rows) for rows in record.digests.values() if len(rows) > 1)
        if groups:
            told[groups].append(modality)
    for groups, modalities in told.items():
        where, twins = ", ".join(modalities), _twins(meta, groups)
        if twins:
            do = "one of them is a damaged or misnamed copy; download it again"
            check.add("red", "duplicates", f"{where}: the recordings of {_some(twins)} are the same", do)
            continue
        n = sum(map(len, groups))
        text = f"{where}: {n} recordings in {len(groups)} groups are equal"
        for column, words in (("part", "in different parts"), ("subject", "of different subjects")):
            if column in meta:
                apart = sum(meta[column].iloc[list(rows)].nunique() > 1 for rows in groups)
                text += f"; {apart} groups {words}" if apart else ""
        for column in known[:1]:
            apart = sum(meta[column].iloc[list(rows)].nunique() > 1 for rows in groups)
            text += f"; {apart} groups with different labels ({column})" if apart else ""
        example = ", ".join(meta["trial"].iloc[list(groups[0])].head(3))
        check.add("yellow", "duplicates", f"{text}; for example {example}", "keep copies on one side of every split")


def _twins(meta: pd.DataFrame, groups: Iterable[tuple[int, ...]]) -> list[str]:
    """Return pairs of subjects of whom nearly all recordings are the same."""
    subject = meta["subject"].astype(str).to_numpy()
    shared: Counter[tuple[str, str]] = Counter()
    for rows in groups:
        for pair in combinations(sorted({subject[row] for row in rows}), 2):
            shared[pair] += 1
    size = Counter(subject)
    return [f"{a} and {b}" for (a, b), n in shared.items() if n >= max(2, _SAME * min(size[a], size[b]))]


def _once(errors: Iterable[ThymosError]) -> list[tuple[str, str]]:
    """Return each fault once, in words with what to do: the same one on other lines of a table is counted."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for error in errors:
        text = _words(error)
        alike[_LINE.sub("", text), error.do].append(text)
    further = [len(set(texts)) - 1 for texts in alike.values()]
    return [
        (texts[0] + (f" (and the same on {n} further lines)" if n else ""), do)
        for ((_, do), texts), n in zip(alike.items(), further, strict=True)
    ]


def _words(error: ThymosError) -> str:
    return error.came + (f" Expected: {error.fits}." if error.fits else "")


def _channels(names: tuple[str, ...]) -> str:
    return f"{len(names)} channels" if len(names) > 3 else ", ".join(names)


def _key(value: Any) -> str:
    return _channels(value) if isinstance(value, tuple) else f"{value:g} Hz" if isinstance(value, float) else str(value)


def _hours(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.1f} s"
    )
