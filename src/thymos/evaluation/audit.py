"""The auditor: every leak of a split that can be proved from the data, with evidence.

Each check returns findings; :func:`check_split` turns them into an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.errors import LeakError
from thymos.base.samples import Samples
from thymos.evaluation.splitters import Fold

__all__ = ["Finding", "audit_fold", "check_split", "duplicates", "groups_on_both_sides", "overlaps", "synthetic_rows"]

_EXAMPLES = 5
_SAME_TIME = 1e-6  # seconds; sums of window lengths are not exact


@dataclass(frozen=True)
class Finding:
    """One leak, proved.

    Parameters
    ----------
    kind : str
        ``group``, ``overlap``, ``duplicate`` or ``synthetic``.
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


def audit_fold(samples: Samples, fold: Fold, keys: tuple[str, ...] = ("trial",), guard: float = 0.0) -> list[Finding]:
    """Run all checks on one fold.

    Parameters
    ----------
    samples : Samples
    fold : Fold
    keys : tuple of str
        Columns of which no value may stand on both sides; ``trial`` is always among them.
    guard : float
        Seconds that must lie between windows of different parts of one recording.
    """
    keys = tuple(dict.fromkeys((*keys, "trial")))
    return [
        *groups_on_both_sides(samples.meta, fold, keys),
        *overlaps(samples.meta, fold, guard),
        *synthetic_rows(samples.meta, fold),
        *duplicates(samples, fold),
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
        or a synthetic sample is outside training or was made from a trial outside it.
    """
    findings = [
        *groups_on_both_sides(meta, fold, keys),
        *overlaps(meta, fold, guard),
        *synthetic_rows(meta, fold),
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


def overlaps(meta: pd.DataFrame, fold: Fold, guard: float = 0.0) -> list[Finding]:
    """Find windows that share signal (or lie closer than `guard` seconds) across the parts of one recording."""
    column = "recording" if "recording" in meta.columns else "trial"
    recording, _ = pd.factorize(meta[column])
    start, stop = meta["start"].to_numpy(float), meta["stop"].to_numpy(float)
    findings = []
    for rows, others, words in _pairs(fold):
        shared = np.intersect1d(recording[rows], recording[others])
        hit = np.zeros(len(rows), dtype=bool)
        for value in shared:
            mine = np.flatnonzero(recording[rows] == value)
            theirs = others[recording[others] == value]
            begin, end = np.sort(start[theirs]), np.sort(stop[theirs])
            # windows that begin before mine ends, less those that end before mine begins
            before = np.searchsorted(begin, stop[rows[mine]] + guard - _SAME_TIME, side="left")
            gone = np.searchsorted(end, start[rows[mine]] - guard + _SAME_TIME, side="right")
            hit[mine] = before > gone
        if hit.any():
            findings.append(
                Finding(
                    "overlap",
                    f"{hit.sum()} of {len(rows)} windows of the {words.replace(' are in', ' share signal with')}"
                    + (f" or lie closer than {guard:g} s." if guard else "."),
                    int(hit.sum()),
                    "keep all windows of one recording on one side",
                    _names(meta, rows[hit]),
                )
            )
    return findings


def synthetic_rows(meta: pd.DataFrame, fold: Fold) -> list[Finding]:
    """Find synthetic samples outside training, and those made from a trial outside training."""
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
                _names(meta, outside),
            )
        )
    made = fold.train[synthetic[fold.train]]
    origin = meta["source_trial"].astype(str).to_numpy(dtype=str)[made]
    trials = meta["trial"].astype(str).to_numpy(dtype=str)[fold.train[~synthetic[fold.train]]]
    foreign = made[(origin != "") & ~np.isin(origin, trials)]
    if len(foreign):
        findings.append(
            Finding(
                "synthetic",
                f"{len(foreign)} synthetic training samples were made from trials outside the training part.",
                len(foreign),
                "fit the generator inside the fold, on the training part only",
                _names(meta, foreign),
            )
        )
    return findings


def duplicates(samples: Samples, fold: Fold) -> list[Finding]:
    """Find test samples that stand, value for value, in training or validation."""
    if not len(fold.test):
        return []
    arrays = samples.X if isinstance(samples.X, dict) else {"X": samples.X}
    keys = np.zeros(len(samples), dtype=np.uint64)
    for number, (_, array) in enumerate(sorted(arrays.items())):
        keys = keys * np.uint64(1_000_003) + _row_hashes(array, number)
    others = np.concatenate([fold.train, fold.validation])
    candidates = fold.test[np.isin(keys[fold.test], keys[others])]
    confirmed = []
    for row in candidates:  # few, if any: a hash alone is no proof
        twins = others[keys[others] == keys[row]]
        if any(all(np.array_equal(a[row], a[twin]) for a in arrays.values()) for twin in twins):
            confirmed.append(row)
    if not confirmed:
        return []
    return [
        Finding(
            "duplicate",
            f"{len(confirmed)} of {len(fold.test)} test samples are copies of training or validation samples.",
            len(confirmed),
            "remove the copies from training, or keep all copies on one side",
            _names(samples.meta, np.array(confirmed)),
        )
    ]


def _row_hashes(array: np.ndarray, salt: int) -> np.ndarray:
    """Hash each sample's bytes with random 64-bit weights, block by block."""
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
    return [(rows, others, words) for rows, others, words in pairs if len(rows) and len(others)]


def _names(meta: pd.DataFrame, rows: Any) -> tuple[str, ...]:
    some = meta.iloc[np.asarray(rows)[:_EXAMPLES]]
    return tuple(f"{t} {a:.1f}-{b:.1f} s" for t, a, b in zip(some["trial"], some["start"], some["stop"], strict=True))
