"""Probes: how well things that are no emotion predict the label.

A probe sees one nuisance and nothing else: the scale of each channel, the share of mains hum, the recording day, who it
is. What it predicts above chance under an honest protocol, a model may be using too (methods A4; Geirhos et al. 2020 on
shortcuts). It is fitted and tested exactly like a method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from thymos.base.random import child_seed
from thymos.base.samples import Samples
from thymos.evaluation.evidence import CODES
from thymos.evaluation.fit import fit_fold
from thymos.evaluation.protocol import Fold

__all__ = ["FEW_TREES", "PROBES", "TREES", "Probe", "evidence", "probe_folds"]

#: Randomised trees of a probe, and of one under the budget `tiny`, which gives no result.
TREES, FEW_TREES = 100, 10

_TINY = 1e-30
_FLAT = 1e-3  # square of a grey value, of changes in a picture that has none
_BLOCK = 1024  # pictures that become floats at a time
_LEAST_ROWS, _MOST_ROWS = 50, 20_000  # of a table in which columns are told apart


@dataclass(frozen=True)
class Probe:
    """One nuisance.

    Parameters
    ----------
    title : str
        What it is, in words.
    features : callable
        Samples to a table (n_samples, n_features), or None where these samples have no such thing.
    by_value : bool
        The table is one column of names: predict the share of labels each name had in training.
    do : str
        What to do when it predicts the label.
    counts : str
        When it is a shortcut, beyond chance: ``well``, if it tells as much as the methods, since a signal may carry
        some emotion; ``half``, if it tells half as much above chance; ``always``, since it can be no emotion;
        ``never``: it is said all the same.
    unit, factor, log : str, float, bool
        How evidence is printed: features, exponentiated where they are logarithms, times `factor`, in `unit`.
    """

    title: str
    features: Callable[[Samples], np.ndarray | None]
    by_value: bool = False
    do: str = ""
    counts: str = "well"
    unit: str = ""
    factor: float = 1.0
    log: bool = False


def probe_folds(
    samples: Samples, folds: dict[str, list[Fold]], classes: list[str], seed: int = 0, trees: int = TREES
) -> pd.DataFrame:
    """Fit and test every probe under every protocol, on the first dealing of a repeated one, with so many trees.

    Returns
    -------
    DataFrame
        Predictions as of a run's methods, the probe's name in ``method``; for
        :func:`~thymos.evaluation.statistics.summarise`.
    """
    tables = []
    for name, probe in PROBES.items():
        features = probe.features(samples)
        if features is None:
            continue
        data = samples.replace(X=features)
        for protocol, parts in folds.items():
            for fold in (fold for fold in parts if fold.repeat == 0):
                estimator = _estimator(probe, bool(classes), child_seed(seed, name, protocol, fold.name), trees)
                bare = Fold(fold.name, fold.train, fold.validation, fold.test)
                made = fit_fold(estimator, data, bare, classes).predictions
                head = {"protocol": protocol, "method": name, "labels": "true", "fold": fold.name, "seed": 0}
                tables.append(made.assign(**head))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def evidence(samples: Samples, probe: Probe) -> tuple[str, ...]:
    """Say how a nuisance stands for the label: names that go with one label only, or medians by label.

    The medians are of the feature that differs most between labels, each recording counted once.
    """
    features, meta = probe.features(samples), samples.meta
    if features is None or samples.y.dtype.kind == "f":
        return ()
    if probe.by_value:
        table = pd.crosstab(features[:, 0], samples.y)
        pure = table[(table > 0).sum(axis=1) == 1]
        share = f"{len(pure)} of {len(table)} have one label only"
        return (share, *(f"{name}: only {label}" for name, label in pure.idxmax(axis=1).items()))
    recording = meta["recording" if "recording" in meta else "trial"].astype(str).to_numpy()
    units = pd.DataFrame(features).assign(label=samples.y, recording=recording)
    units = units.groupby(["recording", "label"]).median().reset_index()
    by_label = units.groupby("label")[list(range(features.shape[1]))].median()
    spread = units[list(range(features.shape[1]))].std()
    column = int(((by_label.max() - by_label.min()) / spread.replace(0, np.nan)).fillna(0).to_numpy().argmax())
    values = by_label[column].map(np.exp if probe.log else float) * probe.factor
    names = samples.info.get("ch_names", [])
    where = f"{names[column % len(names)]}: " if names and features.shape[1] % len(names) == 0 else ""
    return (where + ", ".join(f"{label} {value:.3g}{probe.unit}" for label, value in values.items()) + " (medians)",)


def _estimator(probe: Probe, classes: bool, seed: int, trees: int) -> BaseEstimator:
    if probe.by_value:
        return _ShareByValue() if classes else _MeanByValue()
    kind = ExtraTreesClassifier if classes else ExtraTreesRegressor
    return kind(n_estimators=trees, random_state=seed)


class _ShareByValue(ClassifierMixin, BaseEstimator):
    """Predict the share of labels that a value had in training; the overall share for values never seen."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> _ShareByValue:
        self.classes_ = np.unique(y)
        self.overall_ = (y[:, None] == self.classes_).mean(axis=0)
        self.shares_ = {v: (y[X[:, 0] == v, None] == self.classes_).mean(axis=0) for v in np.unique(X[:, 0])}
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.stack([self.shares_.get(value, self.overall_) for value in X[:, 0]])


class _MeanByValue(RegressorMixin, BaseEstimator):
    """Predict the mean rating that a value had in training."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> _MeanByValue:
        self.overall_ = y.mean()
        self.means_ = {v: y[X[:, 0] == v].mean() for v in np.unique(X[:, 0])}
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.array([self.means_.get(value, self.overall_) for value in X[:, 0]])


def _windows(samples: Samples) -> np.ndarray | None:
    """Return windows (n_samples, n_channels, n_times); None for tables, which have no scale, hum or clipping."""
    return samples.X if samples.raw else None


def _scale(samples: Samples) -> np.ndarray | None:
    x = _windows(samples)
    return None if x is None else np.log(x.std(axis=2, dtype=np.float64) + _TINY)


def _offset(samples: Samples) -> np.ndarray | None:
    x = _windows(samples)
    return None if x is None else x.mean(axis=2, dtype=np.float64)


def _hum(samples: Samples) -> np.ndarray | None:
    """Return the log share of each channel's power within 1 Hz of 50 Hz and of 60 Hz, where the rate allows them."""
    x, sfreq = _windows(samples), samples.info.get("sfreq", 0)
    if x is None or sfreq < 104 or x.shape[2] < sfreq / 2:
        return None
    x = x - x.mean(axis=2, keepdims=True)
    power = np.abs(np.fft.rfft(x * np.hanning(x.shape[2]).astype(x.dtype), axis=2)) ** 2
    frequency = np.fft.rfftfreq(x.shape[2], 1 / sfreq)
    lines = [f for f in (50, 60) if f + 1 < sfreq / 2]
    shares = [power[:, :, np.abs(frequency - f) <= 1].sum(axis=2) / (power.sum(axis=2) + _TINY) for f in lines]
    return np.log(np.concatenate(shares, axis=1) + 1e-9)


def _clipping(samples: Samples) -> np.ndarray | None:
    """Return the share of time each channel stands still, and whether the source marked the window."""
    x = _windows(samples)
    if x is None:
        return None
    still = (np.diff(x, axis=2) == 0).mean(axis=2)
    marks = samples.meta["marks"].astype(str) if "marks" in samples.meta else pd.Series([""] * len(samples))
    table = np.concatenate([still, marks.str.get_dummies(",").to_numpy(float)], axis=1)
    return table if np.ptp(table, axis=0).any() else None


def _of_pictures(
    measure: Callable[[np.ndarray], list[np.ndarray]], least: int = 1
) -> Callable[[Samples], np.ndarray | None]:
    """Return a reader of numbers that are measured on pictures of `least` pixels a side, block by block."""

    def read(samples: Samples) -> np.ndarray | None:
        for X in samples.X.values() if isinstance(samples.X, dict) else [samples.X]:
            if X.dtype == np.uint8 and X.ndim == 4 and min(X.shape[2:]) >= least:
                blocks = (X[k : k + _BLOCK].astype(np.float32) for k in range(0, len(X), _BLOCK))
                return np.concatenate([np.column_stack(measure(block)) for block in blocks])
        return None

    return read


def _light(pictures: np.ndarray) -> list[np.ndarray]:
    """Return brightness and contrast, from 0 to 255."""
    return [pictures.mean(axis=(1, 2, 3)), pictures.std(axis=(1, 2, 3))]


def _sharpness(pictures: np.ndarray) -> list[np.ndarray]:
    """Return logs of mean square changes to the next pixel over those to the next but one, down and across.

    They know neither light nor contrast, and what was enlarged or out of focus has small ones.
    """
    down = [pictures[:, :, step:] - pictures[:, :, :-step] for step in (1, 2)]
    across = [pictures[..., step:] - pictures[..., :-step] for step in (1, 2)]
    sizes = [[np.square(change).mean(axis=(1, 2, 3)) + _FLAT for change in both] for both in (down, across)]
    return [np.log(near / far) for near, far in sizes]


def _place(samples: Samples) -> np.ndarray | None:
    start = samples.meta["start"].to_numpy(float)
    return start[:, None] if np.ptp(start) > 0 else None


def _column(*names: str) -> Callable[[Samples], np.ndarray | None]:
    """Return a reader of one or more metadata columns, None where they have a single value."""

    def read(samples: Samples) -> np.ndarray | None:
        if not set(names) <= set(samples.meta.columns):
            return None
        values = samples.meta[list(names)].astype(str).agg("/".join, axis=1).to_numpy(dtype=str)
        return values[:, None] if len(np.unique(values)) > 1 else None

    return read


def _feature(name: str) -> Callable[[Samples], np.ndarray | None]:
    """Return a reader of one feature by its name, None where no modality has it or it has a single value."""

    def read(samples: Samples) -> np.ndarray | None:
        several = isinstance(samples.X, dict)
        infos = samples.info.get("modalities", {}) if several else {"": samples.info}
        for modality, info in infos.items():
            names = info.get("feature_names", [])
            if name in names:
                values = (samples.X[modality] if several else samples.X)[:, names.index(name)]
                values = values.reshape(len(values), -1)
                return values if np.ptp(values) > 0 else None
        return None

    return read


def _table(samples: Samples) -> np.ndarray | None:
    """Return a table of features (n_samples, n_columns), or None for windows and several modalities."""
    X = samples.X
    if isinstance(X, dict) or X.dtype.kind not in "fiu" or not (X.ndim == 2 or (X.ndim == 3 and X.shape[2] == 1)):
        return None
    return X.reshape(len(X), -1)


def _few_values(samples: Samples) -> np.ndarray | None:
    """Return the columns of a few values, where most have many: a code, a marker, a rating."""
    X = _table(samples)
    if X is None or len(X) < _LEAST_ROWS:
        return None
    few = np.array([len(np.unique(column)) <= CODES for column in X[:_MOST_ROWS].T])
    few &= np.ptp(X, axis=0) > 0
    return X[:, few] if few.any() and few.mean() < 0.5 else None


def _clocks(samples: Samples) -> np.ndarray | None:
    """Return the columns that count time: that grow by the same in every second of every trial."""
    X, start = _table(samples), samples.meta["start"].to_numpy(float)
    if X is None or len(X) < _LEAST_ROWS:
        return None
    trial = np.unique(samples.meta["trial"].astype(str), return_inverse=True)[1]
    count = np.bincount(trial)

    def inside(values: np.ndarray) -> np.ndarray:
        return values - (np.bincount(trial, values) / count)[trial]

    t = inside(start)
    if not t.any():
        return None
    clocks = []
    for number, column in enumerate(X.T.astype(np.float64)):
        own = inside(column)
        slope = (own @ t) / (t @ t)
        # rounding of float32 is of the whole value, and a counter may come as the trial's number too
        if slope and np.abs(own - slope * t).max() <= 1e-2 * np.abs(slope * t).max() + 1e-6 * np.abs(column).max():
            clocks.append(number)
    return X[:, clocks] if clocks else None


_REPORT = "say so beside every result, and record anew with this balanced over labels"

#: What is probed for in every study.
PROBES = {
    "channel scale": Probe(
        "the scale of each channel (log standard deviation)",
        _scale,
        do="look at electrode contact; scale each window by itself, see what is left, and say so beside every result. "
        "Where emotion itself changes the amplitude, part of this is no shortcut",
        unit=" uV",
        factor=1e6,
        log=True,
    ),
    "channel offset": Probe(
        "the mean of each channel", _offset, do="remove the mean of each window or high-pass", unit=" uV", factor=1e6
    ),
    "mains hum": Probe(
        "the share of mains hum in each channel",
        _hum,
        do="remove 50/60 Hz, and look at contact",
        unit=" %",
        factor=100,
        log=True,
    ),
    "clipping": Probe("clipped or frozen stretches", _clipping, do="drop marked windows, in a study with windows.drop"),
    "light": Probe(
        "brightness and contrast of the pictures",
        _of_pictures(_light),
        do="bring all pictures to one mean and one deviation, see what is left, and say so beside every result. Where "
        "expressions themselves change the light, part of this is no shortcut",
        unit=" of 255",
    ),
    "sharpness": Probe(
        "how sharp the pictures are (changes to the next pixel over those to the next but one)",
        _of_pictures(_sharpness, least=3),
        do="find out whether pictures of some classes come from another camera, size or archive; blur all to the least "
        "sharp, see what is left, and say so beside every result",
        log=True,
    ),
    "loudness": Probe(
        "how loud the voice was recorded",
        _feature("level_mean"),
        do="bring all to one level (normalise_level), see what is left, and say so beside every result. Where emotion "
        "itself changes the loudness, part of this is no shortcut",
        unit=" dB",
    ),
    "duration": Probe(
        "how long the utterance is",
        _feature("seconds"),
        do="see what is left with utterances of one length, and say so beside every result",
        unit=" s",
    ),
    "few values": Probe(
        "columns of a few values among the features",
        _few_values,
        do="find out what they are; a code, a marker or a rating does not belong among the features",
        counts="always",
    ),
    "clock": Probe(
        "columns that count time among the features",
        _clocks,
        do=f"leave them out, randomise the order; {_REPORT}",
        counts="always",
    ),
    "place in recording": Probe("the time since the recording began", _place, do=f"randomise the order; {_REPORT}"),
    "session": Probe("the session (recording day)", _column("session"), True, _REPORT, "always"),
    "session of a subject": Probe(
        "the subject and the session", _column("subject", "session"), True, _REPORT, "always"
    ),
    # people differ in how often they feel something
    "subject": Probe(
        "who it is", _column("subject"), True, "balance labels within each subject, or weight them", "half"
    ),
    "stimulus": Probe(
        "which stimulus it was",
        _column("stimulus"),
        True,
        "report subject_stimulus (or stimulus) beside it: what a stimulus evokes by itself is learnt too",
        "never",
    ),
    "domain": Probe("the domain", _column("domain"), True, _REPORT, "always"),
}
