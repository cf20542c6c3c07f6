"""The public table of Muse features with emotional labels (Bird et al. 2019), its recordings rebuilt.

Its rows were shuffled and lost the names of their recordings. But a row holds the features of two neighbouring
windows, and the later half of a row is the earlier half of the row that followed it (methods B5.2 and B5.4). Equal
halves therefore tell which rows belong together, and in which order.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from thymos.base.errors import DataError, InputError
from thymos.base.recording import Recording, Signal
from thymos.sources.base import Note, Source
from thymos.sources.safe import read_csv

__all__ = ["Chains", "EmotionsCSV", "rechain"]

FILE = "emotions.csv"
LABELS = ("NEGATIVE", "NEUTRAL", "POSITIVE")
N_COLUMNS = 2548  # two blocks of 1274
SFREQ = 2.0  # rows per second
LINKED = 0.95  # share of rows below which the chains are not believed

_LABEL = "label"
_BLOCK = re.compile(r"_(?P<block>[ab])(\.\d+)?$")  # pandas numbers names that come twice
_UNCHAINED = "unchained"


class Chains(NamedTuple):
    """What :func:`rechain` found.

    Parameters
    ----------
    number : ndarray of int, shape (n_rows,)
        Chain of each row, from 0, ordered by label and content; the order of the rows does not matter.
    position : ndarray of int, shape (n_rows,)
        Place of each row in its chain, from 0. Equal rows share chain and place.
    linked : float
        Share of rows with a neighbour.
    """

    number: np.ndarray
    position: np.ndarray
    linked: float


def rechain(
    table_a: np.ndarray, table_b: np.ndarray, labels: np.ndarray, mean_columns: slice | list[int] = slice(0, 5)
) -> Chains:
    """Put shuffled rows back into their order by the halves they share.

    Row i comes before row j if the later block of i is, bit for bit, the earlier block of j, and both have one label.
    Where several rows fit, the means of the two outer blocks that differ least decide, and each row is used once.

    Parameters
    ----------
    table_a, table_b : ndarray, shape (n_rows, n_columns), float64
        Earlier and later block of each row.
    labels : array-like, shape (n_rows,)
    mean_columns : slice or list of int
        Columns of a block that hold the means of the channels.

    Returns
    -------
    Chains

    Raises
    ------
    InputError
        If the blocks differ in shape or there are no rows.
    """
    table_a, table_b = (np.asarray(t, dtype=np.float64) for t in (table_a, table_b))
    if table_a.ndim != 2 or table_a.shape != table_b.shape or len(labels) != len(table_a) or not table_a.size:
        raise InputError(
            f"Blocks of shape {table_a.shape} and {table_b.shape} came with {len(labels)} labels.",
            fits="two blocks (n_rows, n_columns) and one label per row",
        )
    block_a, block_b = np.split(_codes(np.concatenate([table_a, table_b])), 2)
    label = np.unique(np.asarray(labels).astype(str), return_inverse=True)[1]
    # equal rows would compete for one place; sorted rows make what follows independent of the order they came in
    keys, first, twin = np.unique(np.c_[label, block_a, block_b], axis=0, return_index=True, return_inverse=True)
    outer = table_a[first][:, mean_columns], table_b[first][:, mean_columns]
    after = _successors(keys, *outer)
    number, position = _walk(after)
    linked = (after >= 0) | np.isin(np.arange(len(after)), after)
    twin = twin.reshape(-1)
    return Chains(number[twin], position[twin], float(linked[twin].mean()))


def _codes(table: np.ndarray) -> np.ndarray:
    """Return a number for each row, the same for rows of the same bits, ordered by content."""
    table = np.ascontiguousarray(table + 0.0)  # a negative zero becomes a zero
    rows = table.view(np.dtype((np.void, table.itemsize * table.shape[1])))[:, 0]
    return np.unique(rows, return_inverse=True)[1].reshape(-1)


def _successors(keys: np.ndarray, mean_a: np.ndarray, mean_b: np.ndarray) -> np.ndarray:
    """Return the row that follows each row, or -1; `keys` holds label and codes of both blocks, each row once."""
    table = pd.DataFrame(keys, columns=["label", "a", "b"]).reset_index(names="row")
    pairs = table.merge(table, left_on=["label", "b"], right_on=["label", "a"], suffixes=("", "_next"))
    pairs = pairs[pairs["row"] != pairs["row_next"]]
    jump = np.linalg.norm(mean_b[pairs["row_next"]] - mean_a[pairs["row"]], axis=1)
    pairs = pairs.assign(jump=jump).sort_values(["jump", "row", "row_next"])[["row", "row_next"]]
    after = np.full(len(keys), -1)
    while len(pairs):  # one round, unless several rows fit
        best = pairs.drop_duplicates("row").drop_duplicates("row_next")
        after[best["row"]] = best["row_next"]
        pairs = pairs[~pairs["row"].isin(best["row"]) & ~pairs["row_next"].isin(best["row_next"])]
    return after


def _walk(after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return chain and place of each row; a ring is cut before its first row."""
    number, position = np.full(len(after), -1), np.zeros(len(after), dtype=int)
    heads = np.setdiff1d(np.arange(len(after)), after)
    rings = np.setdiff1d(np.arange(len(after)), heads)
    chain = 0
    for head in (*heads, *rings):
        row, place = head, 0
        if number[head] >= 0:
            continue
        while row >= 0 and number[row] < 0:
            number[row], position[row] = chain, place
            row, place = after[row], place + 1
        chain += 1
    firsts = np.flatnonzero(position == 0)
    rank = np.empty(chain, dtype=int)
    rank[number[firsts]] = np.arange(chain)  # rows are sorted by content, so chains are by their first rows
    return rank[number], position


_RECORDINGS = 14
_PIECES = (
    f"there are more chains than the {_RECORDINGS} recordings the table is made of; rows are missing, and pieces of one"
    " recording may stand on both sides of a split by recording"
)


class EmotionsCSV(Source):
    """Features of Muse EEG of two people who watched film clips: negative, neutral (no clip) and positive.

    Every rebuilt chain is a recording and a trial of its own, ``chain-01`` and so on. Where fewer than 95 % of the
    rows find a neighbour, a warning says so and all rows carry one recording and trial name, ``unchained``, so that
    every honest protocol refuses them. Subject, session and stimulus are ``unknown``.

    Parameters
    ----------
    root : path
        Folder with ``emotions.csv``: 2548 columns of numbers and ``label`` with NEGATIVE, NEUTRAL, POSITIVE. The two
        blocks are told by the endings ``_a`` and ``_b`` of the names or, where these do not tell, are the first and
        the second half.

    Notes
    -----
    Source: J. J. Bird et al., Mental Emotional Sentiment Classification with an EEG-based Brain-machine Interface,
    2019. The modality is ``features``, one "channel" per column, at 2 rows per second, float32 without a unit: the
    columns are microvolts and powers of them, see :func:`thymos.signals.bird.bird_features`. Cut windows of 0.5 s:
    each is one row. A row describes 1.5 s and shares 1 s with the next.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root)

    def subjects(self) -> list[str]:
        """Return ``unknown``: the table does not tell people apart."""
        return ["unknown"]

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording per rebuilt chain.

        Raises
        ------
        DataError
            If the file is missing, empty, has other columns or labels, or holds text, gaps or infinite numbers.
        """
        if subjects is not None and "unknown" not in subjects:
            return
        values, labels, names = self._table()
        chains = _chains(values, labels, names)
        if chains.linked < LINKED:
            warnings.warn(
                f"{self.root / FILE}: only {chains.linked:.1%} of the rows have a neighbour, so recordings cannot be "
                f"told apart; all rows are called {_UNCHAINED!r} and honest protocols will refuse them.",
                UserWarning,
                stacklevel=2,
            )
            borders = np.flatnonzero(labels[1:] != labels[:-1]) + 1
            for rows in np.split(np.arange(len(labels)), borders):
                yield _recording(_UNCHAINED, values[rows], labels[rows[0]], names, rows[0] / SFREQ)
            return
        if _in_pieces(chains):
            warnings.warn(f"{self.root / FILE}: {_PIECES}", UserWarning, stacklevel=2)
        order = np.lexsort((chains.position, chains.number))
        digits = max(2, len(str(chains.number.max() + 1)))
        for rows in np.split(order, np.flatnonzero(np.diff(chains.number[order])) + 1):
            name = f"chain-{chains.number[rows[0]] + 1:0{digits}d}"
            yield _recording(name, values[rows], labels[rows[0]], names)

    def check(self) -> list[Note]:
        """Read the file and say how well its recordings can be rebuilt."""
        values, labels, names = self._table()
        chains = _chains(values, labels, names)
        counts = zip(*np.unique(labels, return_counts=True), strict=True)
        notes = [
            Note(FILE, f"{len(labels)} rows: {', '.join(f'{n} {label.lower()}' for label, n in counts)}"),
            Note(FILE, f"{chains.linked:.1%} of the rows have a neighbour with which they share half of their numbers"),
        ]
        if chains.linked < LINKED:
            text = f"under {LINKED:.0%}: recordings cannot be told apart, and only leaky protocols will run"
            return [*notes, Note(FILE, text)]
        lengths, how_many = np.unique(np.bincount(chains.number), return_counts=True)
        words = ", ".join(f"{n} of {length} rows" for length, n in zip(lengths, how_many, strict=True))
        notes.append(Note(FILE, f"{chains.number.max() + 1} chains, taken for recordings: {words}"))
        if _in_pieces(chains):
            notes.append(Note(FILE, _PIECES))
        twins = len(labels) - len(np.unique(np.c_[chains.number, chains.position], axis=0))
        if twins:
            notes.append(Note(FILE, f"{twins} rows are copies of another row"))
        return notes

    def _table(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Return values (n_rows, n_columns) as float64, labels, and column names."""
        path = self.root / FILE
        fits = f"a csv with {N_COLUMNS} columns of numbers and {_LABEL}"
        table = read_csv(path, (), low_memory=False)
        table.columns = [str(name).lstrip("# ") for name in table.columns]  # the published header is a comment
        if _LABEL not in table.columns:
            raise DataError(f"{path} has no column {_LABEL!r}.", fits=fits, do="take the file with labels")
        labels = table.pop(_LABEL)
        if table.shape[1] != N_COLUMNS:
            raise DataError(f"{path} has {table.shape[1]} columns beside {_LABEL!r}.", fits=fits)
        if not len(table):
            raise DataError(f"{path} has no rows.", fits="at least one", do="download it again")
        strange = np.flatnonzero(~labels.isin(LABELS))
        if len(strange):
            raise DataError(
                f"{path}, line {strange[0] + 2}: the label is {labels.iloc[strange[0]]!r}.",
                fits=f"one of {', '.join(LABELS)}",
            )
        return _numbers(path, table), labels.to_numpy(dtype=str), tuple(table.columns)


def _numbers(path: Path, table: pd.DataFrame) -> np.ndarray:
    """Return a table of finite numbers that fit float32, or say which cell is none."""
    text = table.select_dtypes(exclude="number")  # any text in a column makes it a column of text
    if text.shape[1]:
        table = table.assign(**text.apply(pd.to_numeric, errors="coerce"))
    values = table.to_numpy(np.float64)
    wrong = np.argwhere(~(np.abs(values) < np.finfo(np.float32).max))
    if len(wrong):
        row, column = wrong[0]
        name = table.columns[column]
        cell = text[name].iloc[row] if name in text else values[row, column]
        raise DataError(
            f"{path}, line {row + 2}, column {name}: {str(cell)!r} came.",
            fits="a finite number in every cell",
            do="download the file again, or leave such rows out",
        )
    return values


def _in_pieces(chains: Chains) -> bool:
    return int(chains.number.max()) + 1 > _RECORDINGS


def _chains(values: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> Chains:
    """Rebuild the chains of a table, its blocks told by name or by place."""
    found = [match["block"] if (match := _BLOCK.search(name)) else "" for name in names]
    half = len(names) // 2
    earlier = np.array([block == "a" for block in found])
    if found.count("a") != half or found.count("b") != half:
        earlier = np.arange(len(names)) < half
    return rechain(values[:, earlier], values[:, ~earlier], labels)


def _recording(name: str, rows: np.ndarray, label: str, names: tuple[str, ...], start: float = 0.0) -> Recording:
    data = np.ascontiguousarray(rows.T, dtype=np.float32)
    meta = {
        "source": "emotions-csv",
        "subject": "unknown",
        "session": "unknown",
        "trial": name,
        "stimulus": "unknown",
        "recording": name,
        "emotion": str(label).lower(),
    }
    return Recording({"features": Signal(data, SFREQ, names, "", float(start))}, meta)
