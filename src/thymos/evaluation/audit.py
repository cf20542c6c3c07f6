"""The auditor: every leak of a split that can be proved from the data, with evidence.

Each check returns findings; :func:`check_split` turns them into an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import LeakError
from thymos.base.samples import Samples, source_trials
from thymos.evaluation.protocol import Fold, near_in_time

__all__ = [
    "SEVERITY",
    "Finding",
    "array_hashes",
    "audit_fold",
    "check_split",
    "copied_trials",
    "describe",
    "duplicates",
    "flat_samples",
    "groups_on_both_sides",
    "overlaps",
    "row_hashes",
    "synthetic_rows",
    "telling",
    "unattributed",
]

#: What kinds of findings there are, and what they mean for a result: a leak, a shortcut, or a note without consequence.
SEVERITY = {
    "group": "leak",
    "overlap": "leak",
    "duplicate": "leak",
    "near copy": "leak",
    "continuation": "leak",
    "two names": "leak",
    "synthetic": "leak",
    "resampling": "leak",
    "statistics": "leak",
    "labels": "leak",
    "features": "leak",
    "hidden": "leak",
    "record": "leak",
    "inner split": "leak",
    "label": "leak",
    "shortcut": "shortcut",
    "hint": "note",
    "constant": "note",
    "copies": "note",
    "unstable": "note",
}

_EXAMPLES = 5

#: Values of which two equal rows must be copies.
LEAST_VALUES = 8


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a split, the data or a method, with evidence.

    Parameters
    ----------
    kind : str
        One of :data:`SEVERITY`.
    text : str
        What was found, in words.
    count : int
        How many test (or, for ``synthetic``, offending) samples are concerned.
    do : str
        What to do about it.
    examples : tuple of str
        Some of the samples concerned.
    """

    kind: str
    text: str
    count: int
    do: str = ""
    examples: tuple[str, ...] = field(default=())

    @property
    def severity(self) -> str:
        """``leak``, ``shortcut`` or ``note``."""
        return SEVERITY[self.kind]


def audit_fold(
    samples: Samples,
    fold: Fold,
    keys: tuple[str, ...] = ("trial",),
    guard: float = 0.0,
    hashes: np.ndarray | None = None,
) -> list[Finding]:
    """Run all checks on one fold.

    Parameters
    ----------
    samples : Samples
    fold : Fold
    keys : tuple of str
        Columns of which no value may stand on both sides; ``trial`` is always among them.
    guard : float
        Seconds that must lie between windows of different parts of one recording.
    hashes : ndarray, shape (n_samples, n_modalities), optional
        Of :func:`row_hashes`, for many folds of the same samples.
    """
    keys = tuple(dict.fromkeys((*keys, "trial")))
    return [
        *groups_on_both_sides(samples.meta, fold, keys),
        *overlaps(samples.meta, fold, guard),
        *synthetic_rows(samples.meta, fold),
        *duplicates(samples, fold, hashes),
    ]


def check_split(meta: pd.DataFrame, fold: Fold, keys: tuple[str, ...] = ("trial",), guard: float = 0.0) -> None:
    """Raise if the metadata prove that a fold leaks.

    Parameters
    ----------
    meta : DataFrame
        Metadata, one row per sample.
    fold : Fold
    keys : tuple of str
        Columns of which no value may stand on both sides.
    guard : float
        Seconds that must lie between windows of different parts of one recording.

    Raises
    ------
    LeakError
        If a key stands on both sides, windows of one recording overlap (or lie closer than `guard`) across parts,
        a synthetic sample is outside training or was made from a trial outside it, or a trial that calibrates for a
        test subject is tested too.
    """
    findings = [
        *groups_on_both_sides(meta, fold, keys),
        *overlaps(meta, fold, guard),
        *synthetic_rows(meta, fold),
        *shared_shots(meta, fold),
    ]
    if findings:
        raise LeakError(
            f"The fold {fold.name!r} leaks: " + " ".join(f.text for f in findings),
            fits="parts that share nothing but the task",
            do=findings[0].do,
        )


def groups_on_both_sides(meta: pd.DataFrame, fold: Fold, keys: tuple[str, ...]) -> list[Finding]:
    """Find values of the key columns that stand in the test part and in training or validation, or in both of these."""
    findings = []
    for key in keys:
        column = meta[key if key in meta.columns or key != "recording" else "trial"].astype(str).to_numpy(dtype=str)
        for rows, others, words in _pairs(fold):
            hit = np.isin(column[rows], column[others])
            if hit.any():
                names = np.unique(column[rows][hit])
                findings.append(
                    Finding(
                        "group",
                        f"{len(names)} of {len(np.unique(column[rows]))} {key}s of the {words} too "
                        f"({hit.sum()} of {len(rows)} samples).",
                        int(hit.sum()),
                        f"split by {key}: all samples of one {key} belong on one side",
                        tuple(map(str, names[:_EXAMPLES])),
                    )
                )
    return findings


def shared_shots(meta: pd.DataFrame, fold: Fold) -> list[Finding]:
    """Find trials that calibrate the outputs for a test subject and stand in another part too."""
    trials = meta["trial"].astype(str).to_numpy(dtype=str)
    others = np.concatenate([fold.train, fold.validation, fold.test])
    shared = np.unique(trials[fold.calibration][np.isin(trials[fold.calibration], trials[others])])
    if not len(shared):
        return []
    words = f"{len(shared)} trials that calibrate for a test subject are in another part too."
    do = "take trials that calibrate out of the test part"
    return [Finding("group", words, len(shared), do, tuple(map(str, shared[:_EXAMPLES])))]


def overlaps(meta: pd.DataFrame, fold: Fold, guard: float = 0.0) -> list[Finding]:
    """Find windows that share signal (or lie closer than `guard` seconds) across the parts of one recording."""
    findings = []
    for rows, others, words in _pairs(fold):
        hit = near_in_time(meta, rows, others, guard)
        if hit.any():
            findings.append(
                Finding(
                    "overlap",
                    f"{hit.sum()} of {len(rows)} windows of the {words.replace(' are in', ' share signal with')}"
                    + (f" or lie closer than {guard:g} s." if guard else "."),
                    int(hit.sum()),
                    "keep all windows of one recording on one side",
                    describe(meta, rows[hit]),
                )
            )
    return findings


def synthetic_rows(meta: pd.DataFrame, fold: Fold) -> list[Finding]:
    """Find synthetic samples outside training, and those of whose parents' trials any is outside training."""
    if "synthetic" not in meta.columns or not meta["synthetic"].any():
        return []
    synthetic = meta["synthetic"].to_numpy(bool)
    findings = []
    outside = np.concatenate([fold.validation, fold.test])
    outside = outside[synthetic[outside]]
    if len(outside):
        findings.append(
            Finding(
                "synthetic",
                f"{len(outside)} synthetic samples are in validation or test.",
                len(outside),
                "augment inside the training part only",
                describe(meta, outside),
            )
        )
    made = fold.train[synthetic[fold.train]]
    origin = meta["source_trial"].astype(str).to_numpy(dtype=str)[made]
    known = set(meta["trial"].astype(str).to_numpy(dtype=str)[fold.train[~synthetic[fold.train]]])
    names, which = np.unique(origin, return_inverse=True)
    strange = [name not in known and not known.issuperset(source_trials(name)) for name in names]
    foreign = made[np.array(strange, dtype=bool)[which]]
    if len(foreign):
        findings.append(
            Finding(
                "synthetic",
                f"{len(foreign)} synthetic training samples were made from trials outside the training part.",
                len(foreign),
                "fit the generator inside the fold, on the training part only",
                describe(meta, foreign),
            )
        )
    return findings


def unattributed(meta: pd.DataFrame, folds: Sequence[Fold]) -> list[Finding]:
    """Find synthetic samples that do not say what they were made from and train while every other sample is tested.

    Whatever they were made from is then tested in one of the folds, with them in training.
    """
    if "synthetic" not in meta.columns or not meta["synthetic"].any() or not folds:
        return []
    synthetic = meta["synthetic"].to_numpy(bool)
    nameless = np.flatnonzero(synthetic & (meta["source_trial"].astype(str).to_numpy(dtype=str) == ""))
    always = reduce(np.intersect1d, [fold.train for fold in folds], nameless)
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
    if not len(always) or not np.isin(np.flatnonzero(~synthetic), tested).all():
        return []
    return [
        Finding(
            "synthetic",
            f"{len(always)} synthetic samples do not say which trials they were made from and train in all folds, "
            "while every other sample is tested in one of them: in some fold they were made from the test part.",
            len(always),
            "fit the generator inside the fold, on the training part only",
            describe(meta, always),
        )
    ]


def duplicates(samples: Samples, fold: Fold, hashes: np.ndarray | None = None) -> list[Finding]:
    """Find test samples that stand, value for value, in training or validation: whole, or one modality of them.

    Parameters
    ----------
    samples : Samples
    fold : Fold
    hashes : ndarray, shape (n_samples, n_modalities), optional
        Of :func:`row_hashes`, if they were computed for another fold already.
    """
    hashes = row_hashes(samples) if hashes is None else hashes
    whole = _copied(_arrays(samples), _joint(hashes), fold)
    found = [("", whole)]
    for number, name in enumerate(sorted(samples.X) if isinstance(samples.X, dict) else ()):
        rows = _copied([samples.X[name]], hashes[:, number], fold)
        found.append((f" in {name}", np.setdiff1d(rows, whole)))
    return [
        Finding(
            "duplicate",
            f"{len(rows)} of {len(fold.test)} test samples are copies of training or validation samples{where}.",
            len(rows),
            "remove the copies from training, or keep all copies on one side",
            describe(samples.meta, rows),
        )
        for where, rows in found
        if len(rows)
    ]


def _copied(arrays: list[np.ndarray], keys: np.ndarray, fold: Fold) -> np.ndarray:
    """Return the test rows that are equal in all of these arrays to a row of training or validation."""
    if not len(fold.test) or not _many_values(arrays):
        return np.empty(0, dtype=int)
    others = np.concatenate([fold.train, fold.validation])
    candidates = fold.test[np.isin(keys[fold.test], keys[others])]
    candidates = candidates[~_flat(arrays, candidates)]
    confirmed = []
    for row in candidates:  # few, if any: a hash alone is no proof
        twins = others[keys[others] == keys[row]]
        if any(all(_same(a[row], a[twin]) for a in arrays) for twin in twins):
            confirmed.append(row)
    return np.array(confirmed, dtype=int)


def copied_trials(samples: Samples, hashes: np.ndarray) -> list[Finding]:
    """Find trials that hold copies of another trial's samples, wherever the split puts them."""
    if not telling(samples):
        return []
    rows = np.flatnonzero(~_flat(_arrays(samples), np.arange(len(samples))))
    table = pd.DataFrame(
        {"key": _joint(hashes)[rows], "trial": samples.meta["trial"].to_numpy()[rows]}
    ).drop_duplicates()
    names = table.groupby("key")["trial"].agg(lambda trials: " = ".join(sorted(trials)))
    shared = names[table.groupby("key")["trial"].size() > 1]
    if shared.empty:
        return []
    pairs = shared.value_counts()
    return [
        Finding(
            "copies",
            f"{len(shared)} samples stand in more than one trial, value for value.",
            len(shared),
            "find out which is the original, and leave out the others; a split that separates them leaks",
            tuple(pairs.index[:_EXAMPLES]),
        )
    ]


def flat_samples(samples: Samples) -> list[Finding]:
    """Find samples that have one value throughout: a lost electrode, a gap that was filled."""
    rows = np.flatnonzero(_flat(_arrays(samples), np.arange(len(samples))))
    if not len(rows) or not telling(samples):
        return []
    text = f"{len(rows)} samples have one value throughout."
    return [Finding("constant", text, len(rows), "leave them out", describe(samples.meta, rows))]


def telling(samples: Samples) -> bool:
    """Whether a sample has so many values that two equal ones must be copies."""
    return _many_values(_arrays(samples))


def _many_values(arrays: list[np.ndarray]) -> bool:
    return sum(int(np.prod(a.shape[1:])) for a in arrays) >= LEAST_VALUES


def _flat(arrays: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Say which of some rows have one value throughout every array, or none: one that a sample lacks is all NaN."""
    result = np.ones(len(rows), dtype=bool)
    for array in arrays:
        part = array if len(rows) == len(array) else array[rows]
        part = part.reshape(len(part), int(np.prod(part.shape[1:])))
        spread = np.ptp(part, axis=1)
        lacking = np.isnan(spread)
        lacking[lacking] = np.isnan(part[lacking]).all(axis=1)
        result &= (spread == 0) | lacking
    return result


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def row_hashes(samples: Samples) -> np.ndarray:
    """Return a hash of each modality of each sample, sorted by name, shape (n_samples, n_modalities)."""
    return np.stack([array_hashes(array, number) for number, array in enumerate(_arrays(samples))], axis=1)


def _joint(hashes: np.ndarray) -> np.ndarray:
    """Return one hash of each sample over all modalities, shape (n_samples,)."""
    keys = np.zeros(len(hashes), dtype=np.uint64)
    for column in hashes.T:
        keys = keys * np.uint64(1_000_003) + column
    return keys


def _arrays(samples: Samples) -> list[np.ndarray]:
    return [array for _, array in sorted(samples.X.items())] if isinstance(samples.X, dict) else [samples.X]


def array_hashes(array: np.ndarray, salt: int = 0) -> np.ndarray:
    """Return a hash of the bytes of each row, by random 64-bit weights, block by block; another with other salt."""
    result = np.empty(len(array), dtype=np.uint64)
    per_sample = max(1, array[:1].nbytes)
    n_words = -(-per_sample // 4)
    weights = np.random.default_rng(salt).integers(1, 2**63, n_words, dtype=np.uint64) | np.uint64(1)
    block = max(1, 2**25 // per_sample)
    for begin in range(0, len(array), block):
        part = np.ascontiguousarray(array[begin : begin + block])
        raw = part.view(np.uint8).reshape(len(part), -1) if part.size else np.zeros((len(part), 0), np.uint8)
        raw = np.pad(raw, ((0, 0), (0, 4 * n_words - raw.shape[1])))
        result[begin : begin + block] = raw.view(np.uint32).astype(np.uint64) @ weights
    return result


def _pairs(fold: Fold) -> list[tuple[np.ndarray, np.ndarray, str]]:
    pairs = [
        (fold.test, fold.train, "test part are in training"),
        (fold.test, fold.validation, "test part are in validation"),
        (fold.validation, fold.train, "validation part are in training"),
    ]
    for train, held in fold.inner:
        pairs += [
            (fold.test, np.concatenate([train, held]), "test part are in an inner fold"),
            (held, train, "inner validation part are in its training"),
        ]
    return [(rows, others, words) for rows, others, words in pairs if len(rows) and len(others)]


def describe(meta: pd.DataFrame, rows: Any) -> tuple[str, ...]:
    """Name the first few of some rows: trial, and seconds from and to."""
    some = meta.iloc[np.asarray(rows)[:_EXAMPLES]]
    return tuple(f"{t} {a:.1f}-{b:.1f} s" for t, a, b in zip(some["trial"], some["start"], some["stop"], strict=True))
