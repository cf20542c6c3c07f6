"""Samples: what everything downstream of a source eats. Arrays, labels, and one metadata row for each sample."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thymos.base.catalogue import near
from thymos.base.errors import DataError, InputError
from thymos.base.folders import whole_folder
from thymos.base.recording import META_COLUMNS
from thymos.base.writer import FORMAT, SamplesWriter, array_file

_OWN_COLUMNS = ("recording", "marks", "notes", "synthetic", "source_trial")  # what the toolkit itself notes

__all__ = ["TRIAL_OF", "Samples", "add_synthetic", "of_modality", "source_trials"]

#: What names of columns of pairs begin with that say where the sample of a modality comes from.
TRIAL_OF = "trial of "

_IDS = ("source", "subject", "session", "trial", "stimulus", "recording")
_FILES = ("info.json", "meta.parquet", "*.npy", "X/*.npy")  # of saved samples
_LEAST_TIMES = 16  # shorter time courses are sequences of features and have no spectrum
_MMAP_BYTES = 64 * 2**20  # arrays above this are mapped rather than read
_AND = " & "  # between several trials in source_trial; an ampersand of a name is written twice


class Samples:
    """Arrays with labels and a metadata table, sliced and joined together.

    Parameters
    ----------
    X : ndarray or dict of str to ndarray
        First axis: samples. Raw EEG ``(n_samples, n_channels, n_times)`` in volts, differential entropy
        ``(n_samples, n_bands, n_channels, n_windows)``, images ``(n_samples, 1, height, width)``, or one such
        array for each modality.
    y : array-like, shape (n_samples,), optional
        Labels.
    meta : DataFrame
        One row per sample with at least ``source, subject, session, trial, stimulus, start, stop``; ``start`` and
        ``stop`` in seconds within the recording. ``synthetic`` and ``source_trial`` are added if absent.
    info : dict, optional
        Facts about all samples: ``sfreq``, ``ch_names``, ``unit``, ...

    Raises
    ------
    InputError
        If lengths differ or a metadata column is missing.
    """

    def __init__(
        self,
        X: np.ndarray | Mapping[str, np.ndarray],
        y: Any = None,
        meta: pd.DataFrame | None = None,
        info: Mapping[str, Any] | None = None,
    ):
        self.X: np.ndarray | Any = dict(X) if isinstance(X, Mapping) else np.asanyarray(X)  # else one for each modality
        self.y: np.ndarray | Any = None if y is None else _plain(y)  # else None
        self.info: dict[str, Any] = dict(info or {})
        if meta is None:
            raise InputError(
                "Samples came without metadata.",
                fits=f"a DataFrame with the columns {', '.join(META_COLUMNS)}",
                do="pass bare arrays to an estimator directly if the rows really are independent",
            )
        missing = [c for c in META_COLUMNS if c not in meta.columns]
        if missing:
            raise InputError(f"The metadata lack {', '.join(missing)}.", fits=f"the columns {', '.join(META_COLUMNS)}")
        self.meta = meta.reset_index(drop=True)
        for column in _IDS:  # names are text, so that they sort and compare the same way everywhere
            if column in self.meta and not isinstance(self.meta[column].dtype, pd.StringDtype):
                self.meta = self.meta.assign(**{column: self.meta[column].astype(str).astype("str")})
        if not {"synthetic", "source_trial"} <= set(meta.columns):
            self.meta = self.meta.assign(
                synthetic=meta.get("synthetic", pd.Series(False, index=meta.index)).to_numpy(bool),
                source_trial=meta.get("source_trial", pd.Series("", index=meta.index)).to_numpy(),
            )
        if isinstance(self.X, dict) and not all(re.fullmatch(r"\w+", name) for name in self.X):
            raise InputError(f"The modalities are named {', '.join(map(repr, self.X))}.", fits="letters, digits and _")
        lengths = {name: len(array) for name, array in self._arrays().items()}
        lengths["meta"] = len(self.meta)
        if self.y is not None:
            lengths["y"] = len(self.y)
        if len(set(lengths.values())) != 1:
            raise InputError(
                f"The parts of Samples differ in length: {', '.join(f'{k} {n}' for k, n in lengths.items())}.",
                fits="one row of every part for each sample",
            )

    def __len__(self) -> int:
        return len(self.meta)

    def __repr__(self) -> str:
        shapes: Any = {name: array.shape for name, array in self._arrays().items()}
        shapes = shapes["X"] if set(shapes) == {"X"} else shapes
        return (
            f"Samples({len(self)} samples {shapes}, {self.meta['subject'].nunique()} subjects, "
            f"{self.meta['trial'].nunique()} trials)"
        )

    def __getitem__(self, index: Any) -> Samples:
        """Return the samples at a boolean mask, an index array or a slice."""
        if isinstance(index, (int, np.integer)):
            index = [int(index)]
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.dtype == object and all(isinstance(i, (bool, np.bool_)) for i in index):
                index = index.astype(bool)  # a mask of a DataFrame with missing values has this type
            if not index.size:
                index = index.astype(np.intp)
            if index.dtype.kind not in "biu":
                raise InputError(f"An index of type {index.dtype} came.", fits="a boolean mask, row numbers or a slice")
            if index.dtype == bool and index.shape != (len(self),):
                raise InputError(f"A mask of shape {index.shape} came for {len(self)} samples.", fits=f"({len(self)},)")
        X = {k: v[index] for k, v in self.X.items()} if isinstance(self.X, dict) else self.X[index]
        return Samples(X, None if self.y is None else self.y[index], self.meta.iloc[index], self.info)

    def replace(self, **parts: Any) -> Samples:
        """Return samples in which `X`, `y`, `meta` or `info` have been exchanged."""
        return Samples(**{"X": self.X, "y": self.y, "meta": self.meta, "info": self.info, **parts})

    def target(self, column: str) -> Samples:
        """Return samples whose `y` is a metadata column.

        Raises
        ------
        InputError
            If there is no such column or it has missing values.
        """
        if column not in self.meta.columns:
            raise InputError(
                f"There is no label {column!r} in the metadata.{near(column, self.meta.columns)}",
                fits=f"one of {', '.join(c for c in self.meta.columns if c not in (*META_COLUMNS, *_OWN_COLUMNS))}",
            )
        missing = int(self.meta[column].isna().sum())
        if missing:
            raise InputError(
                f"{missing} of {len(self)} samples have no {column!r}.",
                fits="a label for every sample",
                do="drop them first: samples[samples.meta[column].notna()]",
            )
        return self.replace(y=self.meta[column].to_numpy())

    def modality(self, name: str) -> Samples:
        """Return samples of one of several modalities, with what is known of it.

        Raises
        ------
        InputError
            If there is no such modality.
        """
        if not isinstance(self.X, dict) or name not in self.X:
            several = ", ".join(self.X) if isinstance(self.X, dict) else "samples of a single one"
            raise InputError(f"There is no modality {name!r}.", fits=several)
        return self.replace(X=self.X[name], info=self.info.get("modalities", {}).get(name, self.info))

    @property
    def raw(self) -> bool:
        """Whether these are windows of signals, (n_samples, n_channels, n_times), and not features of them."""
        X, info = self.X, self.info
        long = not isinstance(X, dict) and X.ndim == 3 and X.shape[2] >= _LEAST_TIMES
        return long and "features" not in info and info.get("modality") != "features"

    def ids(self) -> np.ndarray:
        """Return one identifier per sample: trial, start and stop. Real samples have unique ones."""
        m = self.meta
        return np.array([f"{t}@{a:.4f}-{b:.4f}" for t, a, b in zip(m["trial"], m["start"], m["stop"], strict=True)])

    def fingerprint(self) -> str:
        """Return a hash of all arrays, labels and identifying metadata, for provenance."""
        digest = hashlib.blake2b(digest_size=16)
        for name, array in sorted(self._arrays().items()):
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            for block in np.array_split(array, max(1, array.nbytes // _MMAP_BYTES)):
                digest.update(np.ascontiguousarray(block).view(np.uint8).data)
        for column in (*META_COLUMNS, "recording"):
            if column in self.meta:
                digest.update(f"{column}\n".encode() + "\n".join(map(str, self.meta[column])).encode())
        if self.y is not None:
            digest.update("\n".join(map(str, self.y)).encode())
        return digest.hexdigest()

    @classmethod
    def concatenate(cls, parts: Iterable[Samples]) -> Samples:
        """Join samples end to end; all need the same modalities, and labels either all or none."""
        parts = list(parts)
        if not parts:
            raise InputError("There is nothing to concatenate.", fits="at least one Samples")
        first = parts[0]
        for part in parts[1:]:
            if part._arrays().keys() != first._arrays().keys() or (part.y is None) != (first.y is None):
                raise InputError(
                    "Samples with different modalities, or with and without labels, cannot be joined.",
                    fits=f"modalities {', '.join(first._arrays())}, {'no ' if first.y is None else ''}labels",
                )
            for key in ("sfreq", "ch_names", "unit"):
                if part.info.get(key) != first.info.get(key):
                    raise InputError(
                        f"Samples with {key} {part.info.get(key)} cannot be joined to {first.info.get(key)}.",
                        fits="the same rate, channels and unit in every part",
                        do="resample and pick channels first",
                    )
            for name, array in part._arrays().items():
                if array.shape[1:] != first._arrays()[name].shape[1:]:
                    raise InputError(
                        f"{name} of shape {array.shape[1:]} cannot be joined to {first._arrays()[name].shape[1:]}.",
                        fits="the same channels and length in every part",
                    )
        X = {name: np.concatenate([p._arrays()[name] for p in parts]) for name in first._arrays()}
        return cls(
            X if isinstance(first.X, dict) else X["X"],
            None if first.y is None else np.concatenate([p.y for p in parts]),
            pd.concat([p.meta for p in parts], ignore_index=True),
            first.info,
        )

    def save(self, folder: str | os.PathLike, overwrite: bool = False) -> Path:
        """Write a folder of ``.npy`` files, ``meta.parquet`` and ``info.json``; no pickle.

        The folder appears complete or not at all. An existing folder is replaced only if it holds saved samples
        and `overwrite` is true.

        Raises
        ------
        InputError
            If the folder exists and may not be replaced.
        """
        with whole_folder(folder, _FILES, "saved samples", overwrite) as fresh, SamplesWriter(fresh) as writer:
            writer.add(self.X, self.meta, self.y)
            writer.finish(self.info)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | os.PathLike, mmap: bool | None = None) -> Samples:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        folder : path
            The folder.
        mmap : bool, optional
            Map the arrays instead of reading them; by default those above 64 MiB.

        Raises
        ------
        DataError
            If the folder does not hold saved samples.
        """
        folder = Path(folder)
        try:
            head = json.loads((folder / "info.json").read_text())
            if head.get("format") != FORMAT:
                raise ValueError(f"the format is {head.get('format')!r}")
            names = head["modalities"] or ["X"]
            arrays = {}
            for name in names:
                path = array_file(folder, name, head["modalities"] is not None)
                mapped = path.stat().st_size > _MMAP_BYTES if mmap is None else mmap
                arrays[name] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
            y = np.load(folder / "y.npy", allow_pickle=False) if (folder / "y.npy").exists() else None
            meta = pd.read_parquet(folder / "meta.parquet")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{folder} cannot be read as samples: {error}.",
                fits=f"a folder written by Samples.save ({FORMAT})",
                do="write it again from its source",
            ) from None
        return cls(arrays if head["modalities"] else arrays["X"], y, meta, head["info"])

    def _arrays(self) -> dict[str, np.ndarray]:
        return self.X if isinstance(self.X, dict) else {"X": self.X}


def add_synthetic(meta: pd.DataFrame, parents: Any) -> pd.DataFrame:
    """Return a metadata table with rows for synthetic samples behind its own.

    Parameters
    ----------
    meta : DataFrame
        One row per sample. Without ``trial`` nothing is said of the origin of what is added.
    parents : array-like of int, shape (n_added,) or (n_added, n_parents)
        Rows that each synthetic sample was made from; -1 for none.

    Returns
    -------
    DataFrame
        Its rows, then one for each synthetic sample: that of its first parent with ``synthetic=True`` and in
        ``source_trial`` the trials of all its parents, to be read by :func:`source_trials`; for a parent that is
        itself synthetic, those it was made from. Without a parent text is empty and other values are missing.
    """
    parents = np.asarray(parents, dtype=np.intp)
    parents = parents.reshape(len(parents), -1) if parents.size else np.empty((0, 1), dtype=np.intp)
    given = len(meta)
    table = meta.reset_index(drop=True).reindex(np.concatenate([np.arange(given), parents[:, 0]]))
    table = table.reset_index(drop=True)
    text = [column for column in meta if pd.api.types.is_string_dtype(meta[column].dtype)]
    table.loc[given + np.flatnonzero(parents[:, 0] < 0), text] = ""
    synthetic = meta["synthetic"].to_numpy(bool) if "synthetic" in meta else np.zeros(given, dtype=bool)
    sources = meta["source_trial"].astype(str).to_numpy(dtype=str) if "source_trial" in meta else np.full(given, "")
    made = np.full(len(parents), "")
    if "trial" in meta:
        trials = meta["trial"].astype(str).str.replace("&", "&&").to_numpy(dtype=str)
        made = _joined(np.append(np.where(synthetic, sources, trials), ""), parents)
    return table.assign(
        synthetic=np.append(synthetic, np.ones(len(parents), dtype=bool)), source_trial=np.append(sources, made)
    )


def _joined(names: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Join the names of the parents of each sample, each once; there are far fewer combinations than samples."""
    values, codes = np.unique(names, return_inverse=True)
    combinations, which = np.unique(codes[parents], axis=0, return_inverse=True)
    joined = [
        _AND.join(dict.fromkeys(trial for code in row for trial in values[code].split(_AND) if trial))
        for row in combinations
    ]
    return np.array(joined, dtype=str)[which.ravel()] if joined else np.empty(0, dtype=str)


def source_trials(text: str) -> list[str]:
    """Return the trials that a synthetic sample was made from, as its ``source_trial`` names them."""
    return [trial.replace("&&", "&") for trial in text.split(_AND) if trial]


def _plain(y: Any) -> np.ndarray:
    """Return labels as an array that NumPy can store without pickle."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise InputError(f"Labels came with shape {y.shape}.", fits="one label per sample, shape (n_samples,)")
    missing = int(pd.isna(y).sum())
    if missing:
        raise InputError(
            f"{missing} of {len(y)} labels are missing.", fits="a label for every sample", do="drop such samples first"
        )
    return y.astype(str) if y.dtype == object else y


def of_modality(meta: pd.DataFrame, modality: str) -> pd.DataFrame:
    """Return metadata of pairs of two samples as those of the samples of one modality, which many pairs share.

    Their trial, or picture, is the one that the sample comes from, so that what learns from this modality alone can
    keep trials whole. Metadata of other samples are returned as they are.
    """
    own = f"{TRIAL_OF}{modality}"
    if own not in meta:
        return meta
    return meta.assign(trial=meta[own]).drop(columns=[name for name in meta if str(name).startswith(TRIAL_OF)])
