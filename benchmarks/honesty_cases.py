"""Planted leaks and clean near misses, to score a leakage auditor on.

Use: ``from honesty_cases import clean, leaks`` with this folder on the path; a scorer walks ``leaks(seed)`` and
``clean(seed)`` and shows each case to the auditor as its author would: samples, folds, the keys that the protocol
promises to keep apart, and a procedure that makes probabilities of the test rows from samples and one fold. Another
seed gives other people, trials, folds and planted rows.

There are ten kinds of leak, each planted in three ways, each way in three strengths, and twenty clean cases, most of
which look suspicious and are in order. The cases were written from the list of kinds alone, by somebody who did not
know how the auditor looks for them.

The data are simulated EEG of six people, mostly of eight electrodes. Unless a case says otherwise there are two
classes, valence above 5 or not, without the trials rated within 1 of that; the metadata hold names and times but no
ratings; classes are equally frequent within each person, so that names tell nothing of labels; and the model is fitted
to the training rows of whatever samples the procedure is given. No procedure keeps data of its own.

Strengths follow one idea. Weak: barely worth mentioning, some 3 to 5 % of the rows, columns or trials concerned, or a
small part of the procedure. Middle: what a careless author does. Strong: everything concerned. The three numbers
stand in this order in the text of each variant, which is the same for its strengths, and in its code. Shares of test
rows are shares of those of the fold at hand. What is filed under other names gets times that begin at 0 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from scipy.ndimage import convolve1d
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from thymos.base.recording import META_COLUMNS
from thymos.base.samples import Samples, add_synthetic
from thymos.evaluation.protocol import Fold
from thymos.evaluation.splitters import GroupSplit, LeaveOneSubjectOut, SubjectStimulusSplit
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources import SimulatedEEG

__all__ = ["KINDS", "STRENGTHS", "Case", "clean", "leaks"]

STRENGTHS: tuple[str, ...] = ("weak", "middle", "strong")

Procedure = Callable[[Samples, Fold], np.ndarray]
Study = tuple[str, Samples, list[Fold], tuple[str, ...], Procedure]  # a case but for its kind and strength

_NO_ROWS = np.empty(0, dtype=int)
_SFREQ = 128  # Hz, of all simulated recordings
_THREE = (3.5, 6.5)  # limits of valence between three classes
_SIMULATION = {
    "subjects": 6,
    "trials": 24,
    "seconds": 8.0,
    "montage": ("F3", "F4", "T7", "T8", "Fz", "Pz", "O1", "O2"),
    "effect": 6.0,
    "fingerprint": 0.8,
    "slope_sd": 0.2,
    "artifacts": False,
}


@dataclass(frozen=True)
class Case:
    """One study as its author would hand it over.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`, or ``clean``.
    variant : str
        What was done, in words.
    strength : str
        One of :data:`STRENGTHS`, or empty for clean cases.
    samples : Samples
        Features or windows with labels and with metadata that claim to be in order.
    folds : list of Fold
        The author's split.
    keys : tuple of str
        Metadata columns of which the protocol promises that no value stands in two parts of a fold.
    procedure : callable
        Takes samples and one fold; returns the probabilities of the sorted classes, shape (n_test, n_classes), in the
        order of ``fold.test``. Deterministic, and takes everything from the samples it is given.
    """

    kind: str
    variant: str
    strength: str
    samples: Samples
    folds: list[Fold]
    keys: tuple[str, ...]
    procedure: Procedure


def leaks(seed: int) -> Iterator[Case]:
    """Yield the 90 leaking studies: kind by kind, variant by variant, weak to strong on the same simulated people."""
    yield from _leaking(_PLANTED, 1000 * seed)


def _leaking(kinds: dict[str, Callable[[int, int], Iterator[Study]]], seed: int) -> Iterator[Case]:
    """Yield the cases of each kind, from functions that yield its variants at a seed and a level of strength."""
    for number, (kind, planted) in enumerate(kinds.items()):
        for variant in zip(*(planted(seed + 10 * number, level) for level in range(3)), strict=True):
            for strength, (text, *study) in zip(STRENGTHS, variant, strict=True):
                yield Case(kind, text, strength, *study)


def clean(seed: int) -> Iterator[Case]:
    """Yield the 20 studies in which nothing leaks."""
    for text, *study in _honest_studies(1000 * seed + 500):
        yield Case("clean", text, "", *study)


# Data


@lru_cache(maxsize=2)
def _recorded(seed: int, window: float, step: float | None, simulation: tuple[tuple[str, Any], ...]) -> Samples:
    return SimulatedEEG(random_state=seed, **{**_SIMULATION, **dict(simulation)}).load().windows(window, step)


def _windows(
    seed: int,
    cuts: tuple[float, ...] = (5.0,),
    window: float = 1.0,
    step: float | None = None,
    columns: tuple[str, ...] = (),
    **simulation: Any,
) -> Samples:
    """Return raw windows labelled by valence, classes balanced within people, with some more `columns` of metadata."""
    recorded = _recorded(seed, window, step, tuple(simulation.items()))
    y = np.digitize(recorded.meta["valence"], cuts, right=True)
    samples = recorded.replace(y=y, meta=recorded.meta[[*META_COLUMNS, "recording", *columns]])
    if len(cuts) == 1:
        samples = samples[(recorded.meta["valence"] - cuts[0]).abs().to_numpy() > 1]
    counts = samples.meta.assign(y=samples.y).groupby(["subject", "y"])["trial"].nunique().unstack(fill_value=0)
    return _fewer(samples, seed, lambda subject, label: counts.loc[subject].min() / counts.loc[subject, label])


def _fewer(samples: Samples, seed: int, share: Callable[[str, int], float]) -> Samples:
    """Return the samples of some of the trials: of each subject and class the share that is asked for."""
    trials = samples.meta.assign(y=samples.y).drop_duplicates("trial").sample(frac=1, random_state=seed)
    kept = [of["trial"].iloc[: round(share(*names) * len(of))] for names, of in trials.groupby(["subject", "y"])]
    return samples[samples.meta["trial"].isin(pd.concat(kept)).to_numpy()]


def _imbalanced(seed: int) -> Samples:
    """Return raw windows in which everyone has a third as many trials of the second class as of the first."""
    return _fewer(_windows(seed), seed, lambda subject, label: 1 / 3 if label else 1.0)


def _leaning(seed: int, share: float, **given: Any) -> Samples:
    """Return raw windows of people of whom every second has this share of trials of class 1, the others of class 0."""
    rarer = (1 - share) / share
    return _fewer(_windows(seed, **given), seed, lambda subject, label: 1.0 if int(subject[1:]) % 2 == label else rarer)


def _entropies(seed: int, **given: Any) -> Samples:
    """Return a table of the differential entropy of each window, band and channel."""
    samples = _windows(seed, **given)
    return samples.replace(X=_table(samples.X))


def _trials(seed: int, **given: Any) -> Samples:
    """Return a wide table with one row per trial: differential entropy of 32 electrodes in stretches of half a second.

    The trials last four seconds, which makes 1024 columns.
    """
    samples = _windows(seed, **{"window": 4.0, "seconds": 4.0, "montage": "deap32", "trials": 40, **given})
    entropy = DifferentialEntropy(bands="deap", window=0.5).fit_transform(samples.X)
    return samples.replace(X=entropy.reshape(len(samples), -1).astype(float))


def _continuous(seed: int, length: int, in_runs: bool, **simulation: Any) -> Samples:
    """Return windows of one recording per subject in which trials follow each other without a pause.

    Windows of `length` seconds begin every second and belong to the trial in their middle. With `in_runs` up to three
    trials of one class follow each other, as in a block design.
    """
    pieces, parts = _windows(seed, drift=0.0, **simulation), []
    for subject, rows in pieces.meta.groupby("subject").indices.items():
        meta, y = pieces.meta.iloc[rows], pieces.y[rows]
        run = (meta["trial"].groupby(y).rank("dense").to_numpy() - 1) // 3 if in_runs else np.zeros(len(rows))
        order = rows[np.lexsort((meta["start"], meta["trial"], y if in_runs else 0 * y, run))]
        signal = np.concatenate(list(pieces.X[order]), axis=-1)
        X = np.lib.stride_tricks.sliding_window_view(signal, length * _SFREQ, axis=-1)[:, ::_SFREQ].swapaxes(0, 1)
        start = np.arange(len(X))
        middle = order[start + length // 2]
        times = {"recording": f"{subject}-visit", "start": start.astype(float), "stop": start + float(length)}
        parts.append(Samples(X.copy(), pieces.y[middle], pieces.meta.iloc[middle].assign(**times), pieces.info))
    return Samples.concatenate(parts)


def _split(samples: Samples, key: str, seed: int, n_splits: int = 3, validation: float = 0.0) -> list[Fold]:
    return GroupSplit(key, n_splits, validation, random_state=seed).folds(samples.meta, samples.y)


def _dealt(samples: Samples, key: str, seed: int) -> np.ndarray:
    """Return the number of the fold in which each row is tested."""
    number = np.empty(len(samples), dtype=int)
    for k, fold in enumerate(_split(samples, key, seed)):
        number[fold.test] = k
    return number


def _folds(number: np.ndarray) -> list[Fold]:
    """Return the folds in which rows are tested; those with a number below 0 are in every training part."""
    parts = [(np.flatnonzero(number != k), np.flatnonzero(number == k)) for k in range(number.max() + 1)]
    return [Fold(str(k + 1), train, _NO_ROWS, test) for k, (train, test) in enumerate(parts)]


def _copied(
    samples: Samples, number: np.ndarray, rows: np.ndarray, X: np.ndarray, heirs: pd.Series | None = None
) -> tuple[Samples, list[Fold]]:
    """Return samples with copies `X` of some rows under other names, perhaps of their heirs, in the next fold."""
    meta = samples.meta.iloc[rows]
    meta = _renamed(meta, None if heirs is None else meta["subject"].map(heirs))
    number = np.append(number, (number[rows] + 1) % (number.max() + 1))
    return _with_more(samples, X, samples.y[rows], meta), _folds(number)


def _trials_of(samples: Samples, labels: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Return metadata that file made rows as further trials of eight, and the number of each row's trial."""
    place = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    codes = pd.factorize(pd.MultiIndex.from_arrays([labels, place // 8]))[0]
    names, stimuli = samples.meta["subject"].unique(), samples.meta["stimulus"].unique()
    subject = names[codes % len(names)]
    trial = [f"{name}-t{31 + code // len(names)}" for name, code in zip(subject, codes, strict=True)]
    meta = pd.DataFrame({"source": samples.meta["source"].iloc[0], "subject": subject, "session": "1", "trial": trial})
    times = {"start": place % 8 + 0.0, "stop": place % 8 + 1.0}
    return meta.assign(stimulus=stimuli[codes % len(stimuli)], recording=trial, **times), codes


def _as_further_trials(samples: Samples, X: np.ndarray, y: np.ndarray, seed: int) -> tuple[Samples, list[Fold]]:
    """Return samples with made rows as further trials, and folds of all trials."""
    meta, codes = _trials_of(samples, y)
    dealt = np.random.default_rng(seed).integers(3, size=codes.max() + 1)[codes]
    return _with_more(samples, X, y, meta), _folds(np.append(_dealt(samples, "trial", seed), dealt))


def _with_more(samples: Samples, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Samples:
    return Samples.concatenate([samples, Samples(X.astype(samples.X.dtype), y, meta, samples.info)])


def _renamed(meta: pd.DataFrame, subject: Any = None) -> pd.DataFrame:
    """Return metadata as of trials of their own, perhaps of other subjects, in names of the usual form from t31 on."""
    subject = meta["subject"] if subject is None else pd.Series(np.asarray(subject, dtype=str), index=meta.index)
    trial = subject + "-t" + (meta["trial"].str[-2:].astype(int) + 30).astype(str)
    length = meta["stop"] - meta["start"]
    start = meta.groupby("trial").cumcount() * length
    return meta.assign(subject=subject, trial=trial, recording=trial, start=start, stop=start + length)


def _moved(samples: Samples, number: np.ndarray, rows: np.ndarray, subject: Any = None) -> tuple[Samples, list[Fold]]:
    """Return samples of which some rows stand under other names in the next fold, and the folds."""
    meta, number = samples.meta.copy(), number.copy()
    fresh = _renamed(meta.iloc[rows], subject)
    meta.loc[meta.index[rows], fresh.columns] = fresh
    number[rows] = (number[rows] + 1) % (number.max() + 1)
    return samples.replace(meta=meta), _folds(number)


def _some(values: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Return a random share of some values, at least one of them unless the share is 0."""
    return np.random.default_rng(seed).permutation(values)[: int(np.ceil(share * len(values)))]


def _rows_of_some_trials(samples: Samples, share: float, seed: int) -> np.ndarray:
    trials = _some(samples.meta["trial"].unique(), share, seed)
    return np.flatnonzero(samples.meta["trial"].isin(trials))


def _every_second(samples: Samples, rows: np.ndarray) -> np.ndarray:
    """Return every second of the rows of each trial."""
    return rows[samples.meta.iloc[rows].groupby("trial").cumcount().to_numpy() % 2 == 1]


def _heirs(samples: Samples, number: np.ndarray) -> pd.Series:
    """Return for each subject another one, who is tested in the next fold."""
    fold = pd.Series(number).groupby(samples.meta["subject"].to_numpy()).first()
    return fold.map(lambda k: fold.index[fold == (k + 1) % (number.max() + 1)][0])


def _counts(y: np.ndarray, amount: float) -> dict[Any, int]:
    """Return how many rows of each class oversampling makes: up to 1 equal counts in part, 2 twice the largest."""
    classes, counts = np.unique(y, return_counts=True)
    wanted = 2 * counts.max() + 0 * counts if amount == 2 else counts + np.ceil(amount * (counts.max() - counts))
    return {label: int(n) for label, n in zip(classes, wanted, strict=True)}


def _of_mixture(X: np.ndarray, n: int) -> np.ndarray:
    parts = max(1, min(20, len(X) // 8))
    return GaussianMixture(parts, covariance_type="diag", reg_covar=0.02, random_state=0).fit(X).sample(n)[0]


def _of_density(X: np.ndarray, n: int) -> np.ndarray:
    return KernelDensity(bandwidth=0.2).fit(X).sample(n, random_state=0)


def _drawn(X: np.ndarray, y: np.ndarray, n: int, generator: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Return about `n` rows that a generator for each class makes after being fitted to some rows, and their labels."""
    scaler, (classes, counts) = StandardScaler().fit(X), np.unique(y, return_counts=True)
    sizes = np.maximum(1, np.round(n * counts / len(y)).astype(int))
    made = [generator(scaler.transform(X[y == label]), size) for label, size in zip(classes, sizes, strict=True)]
    return scaler.inverse_transform(np.concatenate(made)), np.repeat(classes, sizes)


# Features and procedures


def _table(X: np.ndarray) -> np.ndarray:
    """Return tables as they are, and raw windows as their differential entropy in each band and channel."""
    return X if X.ndim == 2 else make_pipeline(DifferentialEntropy(bands="deap"), Flatten()).fit_transform(X)


def _amplitudes(X: np.ndarray) -> np.ndarray:
    """Return mean, deviation, extremes and line length of each channel of raw windows, in microvolts."""
    X = X * 1e6
    parts = X.mean(-1), X.std(-1), X.max(-1), X.min(-1), np.abs(np.diff(X)).sum(-1)
    return np.concatenate(parts, axis=1)


def _spectra(X: np.ndarray) -> np.ndarray:
    """Return the logarithmic power of each channel of raw windows at each frequency from 2 to 45 Hz."""
    power = np.square(np.abs(np.fft.rfft(X * np.hanning(X.shape[-1]) * 1e6)))[..., 2:46]
    return np.log(power + 1e-6).reshape(len(X), -1)


def _logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _neighbours() -> Any:
    return make_pipeline(StandardScaler(), KNeighborsClassifier(3))


def _forest(trees: int = 20) -> RandomForestClassifier:
    return RandomForestClassifier(trees, min_samples_leaf=3, random_state=0)


def _lda(shrinkage: float | str = "auto") -> LinearDiscriminantAnalysis:
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)


def _smote_inside() -> Any:
    return make_sampling_pipeline(StandardScaler(), SMOTE(random_state=0), _forest())


def _fitted(model: Any, X: np.ndarray, y: np.ndarray, fold: Fold) -> np.ndarray:
    """Return the probabilities of test rows after fitting a model to training rows."""
    return model.fit(X[fold.train], y[fold.train]).predict_proba(X[fold.test])


def _plain(
    samples: Samples, fold: Fold, model: Callable[[], Any] = _logistic, features: Callable = _table
) -> np.ndarray:
    """Train on training rows, test on test rows."""
    return _fitted(model(), features(samples.X), samples.y, fold)


def _and_some_test_rows(fold: Fold, share: float) -> np.ndarray:
    return np.concatenate([fold.train, _some(fold.test, share)])


def _after_pca(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Fit scaling and whitening to training rows and a share of the test rows."""
    X = _table(samples.X)
    whitening = make_pipeline(StandardScaler(), PCA(8, whiten=True, random_state=0))
    whitening.fit(X[_and_some_test_rows(fold, share)])
    return _fitted(LogisticRegression(max_iter=1000), whitening.transform(X), samples.y, fold)


def _after_min_max(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Fit the limits of a share of the columns to all rows, those of the others to training rows; five neighbours."""
    X = _amplitudes(samples.X)
    columns = _some(np.arange(X.shape[1]), share)
    scaled = MinMaxScaler().fit(X[fold.train]).transform(X)
    scaled[:, columns] = MinMaxScaler().fit_transform(X[:, columns])
    return _fitted(KNeighborsClassifier(5), scaled, samples.y, fold)


def _after_selection(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Select columns by F values over training rows and a share of the test rows."""
    X, rows = _table(samples.X), _and_some_test_rows(fold, share)
    chosen = SelectKBest(f_classif, k=20).fit(X[rows], samples.y[rows])
    return _fitted(_logistic(), chosen.transform(X), samples.y, fold)


def _after_importance(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Take the columns most important to a forest: a share of them by a forest on all rows."""
    X, y = _table(samples.X), samples.y
    on_all = np.argsort(-_forest(100).fit(X, y).feature_importances_)[: round(30 * share)]
    on_training = np.argsort(-_forest(100).fit(X[fold.train], y[fold.train]).feature_importances_)
    columns = np.concatenate([on_all, on_training[~np.isin(on_training, on_all)][: 30 - len(on_all)]])
    return _fitted(_lda(), X[:, columns], y, fold)


def _after_weighted_ranking(samples: Samples, fold: Fold, weight: float) -> np.ndarray:
    """Take the frequencies of electrodes that correlate most with the labels; test rows have some weight in that."""
    X, rows = _spectra(samples.X), np.concatenate([fold.train, fold.test])
    weights = np.repeat([1.0, weight], [len(fold.train), len(fold.test)])
    targets = (samples.y[rows, None] == np.unique(samples.y[rows])).astype(float)
    centred = X[rows] - np.average(X[rows], axis=0, weights=weights)
    targets -= np.average(targets, axis=0, weights=weights)
    spread = np.sqrt(np.average(centred**2, axis=0, weights=weights)) + 1e-12
    correlation = np.abs((centred * weights[:, None]).T @ targets).max(axis=1) / spread
    return _fitted(_lda(), X[:, np.argsort(-correlation)[:40]], samples.y, fold)


def _repeated(samples: Samples, fold: Fold, amount: float) -> np.ndarray:
    """Repeat rows of all parts at random, then take the test part away; what was repeated of it stays."""
    X, y = _table(samples.X), samples.y
    rows = np.arange(len(y))[:, None]
    repeats = RandomOverSampler(sampling_strategy=_counts(y, amount), random_state=0).fit_resample(rows, y)[0][len(y) :]
    train = np.concatenate([fold.train, repeats[:, 0]])
    return _fitted(_forest(), X, y, replace(fold, train=train))


def _with_generated(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Train on training rows and as many of a mixture for each class, fitted to them and a share of the test rows."""
    X, y, rows = _table(samples.X), samples.y, _and_some_test_rows(fold, share)
    made, labels = _drawn(X[rows], y[rows], len(fold.train), _of_mixture)
    model = _forest().fit(np.concatenate([X[fold.train], made]), np.concatenate([y[fold.train], labels]))
    return model.predict_proba(X[fold.test])


def _stopped(
    samples: Samples, fold: Fold, part: str = "validation", epochs: int = 25, restarts: int = 1, last: int = 0
) -> np.ndarray:
    """Train a perceptron and keep the epoch with the best accuracy on one part; `last`: only of the last epochs."""
    X, y, judges = _table(samples.X), samples.y, getattr(fold, part)
    X, classes = StandardScaler().fit(X[fold.train]).transform(X), np.unique(y[fold.train])
    best, kept = -1.0, np.empty(0)
    for restart in range(restarts):
        network = MLPClassifier((16,), batch_size=64, learning_rate_init=0.01, random_state=restart)
        for epoch in range(epochs):
            network.partial_fit(X[fold.train], y[fold.train], classes=classes)
            accuracy = np.mean(network.predict(X[judges]) == y[judges])
            if accuracy > best and epoch >= (epochs - last if last else 0):
                best, kept = accuracy, network.predict_proba(X[fold.test])
    return kept


def _best_on_test(samples: Samples, fold: Fold, tried: int) -> np.ndarray:
    """Try strengths of shrinkage and, in more than twelve attempts, random halves of the columns; keep the best."""
    X, y, rng = _table(samples.X), samples.y, np.random.default_rng(0)
    best, kept = -1.0, np.empty(0)
    for attempt in range(tried):
        columns = rng.permutation(X.shape[1])[: X.shape[1] // 2] if tried > 12 else np.arange(X.shape[1])
        model = _lda(np.linspace(0.05, 0.95, min(tried, 12))[attempt % 12]).fit(
            X[fold.train][:, columns], y[fold.train]
        )
        accuracy = model.score(X[fold.test][:, columns], y[fold.test])
        if accuracy > best:
            best, kept = accuracy, model.predict_proba(X[fold.test][:, columns])
    return kept


def _with_name(samples: Samples, fold: Fold, weight: float) -> np.ndarray:
    """Mix the probabilities of a model with how often the subject has each label in training."""
    y, names = samples.y, samples.meta["subject"].to_numpy()
    shares = pd.crosstab(names[fold.train], y[fold.train], normalize="index")
    overall = shares.mean().to_numpy()
    of_subject = shares.reindex(names[fold.test]).fillna(dict(zip(shares, overall, strict=True))).to_numpy()
    return (1 - weight) * _plain(samples, fold) + weight * of_subject


def _by_channel(samples: Samples, fold: Fold) -> np.ndarray:
    """Fit a pipeline from raw windows on."""
    steps = DifferentialEntropy(bands="deap"), ChannelScaler(), Flatten(), LogisticRegression(max_iter=1000)
    return _fitted(make_pipeline(*steps), samples.X, samples.y, fold)


def _scaled_by_trial(samples: Samples, fold: Fold) -> np.ndarray:
    """Divide raw windows by the deviation of their own trial."""
    codes = pd.factorize(samples.meta["trial"])[0]
    power = np.bincount(codes, np.square(samples.X * 1e6).mean(axis=(1, 2))) / np.bincount(codes)
    return _plain(samples.replace(X=samples.X / np.sqrt(power[codes] + 1e-9)[:, None, None]), fold)


def _grid_searched(samples: Samples, fold: Fold) -> np.ndarray:
    """Choose the strength of regularisation by folds of trials inside the training part."""
    X, y, trials = _table(samples.X), samples.y, samples.meta["trial"].to_numpy()[fold.train]
    search = GridSearchCV(_logistic(), {"logisticregression__C": [0.01, 0.1, 1.0]}, cv=GroupKFold(3))
    return search.fit(X[fold.train], y[fold.train], groups=trials).predict_proba(X[fold.test])


# The ten kinds: each function yields its three variants at one of the three levels of strength


def _window_overlap(seed: int, level: int) -> Iterator[Study]:
    """Windows share signal with windows of another part."""
    length, share = ((2, 0.05), (2, 1.0), (6, 1.0))[level]
    samples = _continuous(seed, length, in_runs=True, seconds=4.0)
    if share < 1:
        trial = samples.meta["trial"]
        reaching = (trial != trial.shift()) & (samples.meta["start"] > 0)
        samples = samples[(~reaching | trial.isin(_some(trial.unique(), share, seed))).to_numpy()]
    text = "Windows of 2, 2 or 6 s reach over 5, 100 or 100 % of the borders of 4 s trials in one recording."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_neighbours)

    samples = _windows(seed + 1, step=0.5)
    samples = samples.replace(X=samples.X / samples.X.std(axis=(1, 2), keepdims=True))
    rows = _every_second(samples, _rows_of_some_trials(samples, (0.04, 0.3, 1.0)[level], seed))
    text = "Of crops that overlap by half every second one is filed as another trial, in 4, 30 or 100 % of trials."
    moved = _moved(samples, _dealt(samples, "trial", seed), rows)
    yield text, *moved, ("trial",), partial(_plain, model=_neighbours)

    kernel = ((0.05, 0.9, 0.05), (0.2,) * 5, (1 / 15,) * 15)[level]
    samples = _continuous(seed + 2, 1, in_runs=True)
    X = _table(samples.X).astype(float)
    for rows in samples.meta.groupby("subject").indices.values():
        X[rows] = convolve1d(X[rows], kernel, axis=0, mode="nearest")
    text = "Features are smoothed over borders of 8 s trials: neighbours weigh 0.05, means of 5 or 15 windows."
    yield text, samples.replace(X=X), _split(samples, "trial", seed), ("trial",), partial(_plain, model=_neighbours)


def _trial_on_both_sides(seed: int, level: int) -> Iterator[Study]:
    """Windows of one trial stand on both sides."""
    samples = _entropies(seed, cuts=_THREE)
    number = _dealt(samples, "trial", seed)
    rows = _rows_of_some_trials(samples, (0.05, 0.4, 1.0)[level], seed)
    number[rows] = np.random.default_rng(seed).integers(number.max() + 1, size=len(rows))
    text = "Windows of 5, 40 or 100 % of the trials were dealt to the folds one by one; three classes."
    yield text, samples, _folds(number), ("trial",), partial(_plain, model=_forest)

    samples = _windows(seed + 1)
    rows = _rows_of_some_trials(samples, (0.05, 0.4, 1.0)[level], seed)
    rows = rows[samples.meta["start"].to_numpy()[rows] >= 4]
    text = "Trials are cut in two, the second half filed as another trial and recording: 5, 40 or 100 % of trials."
    moved = _moved(samples, _dealt(samples, "trial", seed), rows)
    yield text, *moved, ("trial", "recording"), partial(_plain, model=_neighbours)

    samples = _entropies(seed + 2, montage="deap32", seconds=6.0)
    trials = samples.meta["trial"].unique()
    doubled = trials[: int(np.ceil((0.04, 1 / 3, 1.0)[level] * len(trials)))]
    rows = _every_second(samples, np.flatnonzero(samples.meta["trial"].isin(doubled)))
    twins = samples.meta["subject"].iloc[rows].map(lambda name: f"s{int(name[1:]) + 6:02d}")
    text = "Visits go by two people's names, every second window by each, in 4, 33 or 100 % of the trials."
    moved = _moved(samples, _dealt(samples, "subject", seed), rows, twins)
    yield text, *moved, ("subject",), partial(_plain, model=_lda)


def _duplicates(seed: int, level: int) -> Iterator[Study]:
    """Rows stand on both sides in two copies."""
    share = (0.03, 0.2, 0.6)[level]
    samples = _entropies(seed, cuts=_THREE)
    rows = np.sort(_some(np.arange(len(samples)), share, seed))
    copied = _copied(samples, _dealt(samples, "trial", seed), rows, samples.X[rows])
    text = "Exact copies of 3, 20 or 60 % of the rows stand in another fold as other trials; three classes."
    yield text, *copied, ("trial",), partial(_plain, model=_forest)

    samples, rng = _windows(seed + 1), np.random.default_rng(seed)
    rows, number = _rows_of_some_trials(samples, share, seed), _dealt(samples, "subject", seed)
    X, codes = samples.X[rows], pd.factorize(samples.meta["trial"].iloc[rows])[0]
    gain = np.exp(rng.uniform(-0.22, 0.22, (codes.max() + 1, 1, 1)))[codes]
    noise, offset = 0.05 * X.std() * rng.standard_normal(X.shape), 5e-6 * rng.standard_normal((*X.shape[:2], 1))
    X = gain * (X + noise + offset)
    text = "3, 20 or 60 % of trials stand again as another person's, with other gains and offsets and 5 % of noise."
    yield text, *_copied(samples, number, rows, X, _heirs(samples, number)), ("subject",), _plain

    samples = _trials(seed + 2)
    rows, number = np.sort(_some(np.arange(len(samples)), share, seed)), _dealt(samples, "subject", seed)
    lost = np.random.default_rng(seed).random((len(rows), samples.X.shape[1])) < 0.2
    X = np.where(lost, samples.X.mean(axis=0), samples.X[rows]).round(2)
    text = "3, 20 or 60 % of trials stand again as another person's, rounded, a fifth of the values column means."
    copied = _copied(samples, number, rows, X, _heirs(samples, number))
    yield text, *copied, ("subject",), partial(_plain, model=_neighbours)


def _scaler_on_all(seed: int, level: int) -> Iterator[Study]:
    """Scaling saw test rows."""
    share = (0.05, 0.5, 1.0)[level]
    samples = _entropies(seed, montage="deap32", seconds=6.0)
    columns, X = _some(np.arange(samples.X.shape[1]), share, seed), samples.X.astype(float)
    X[:, columns] = StandardScaler().fit_transform(X[:, columns])
    text = "5, 50 or 100 % of the columns were standardised over all rows before the samples were handed over."
    folds = _split(samples, "subject", seed)
    yield text, samples.replace(X=X), folds, ("subject",), partial(_plain, model=_lda)

    samples = _windows(seed + 1)
    text = "Scaling and PCA whitening are fitted to the training rows and 5, 50 or 100 % of the test rows."
    folds = _split(samples, "trial", seed, validation=0.25)
    yield text, samples, folds, ("trial",), partial(_after_pca, share=share)

    samples = _windows(seed + 2, artifacts=True)
    text = "Min-max limits of amplitudes are fitted to all rows, for 5, 50 or 100 % of the columns."
    yield text, samples, _split(samples, "subject", seed), ("subject",), partial(_after_min_max, share=share)


def _selection_on_all(seed: int, level: int) -> Iterator[Study]:
    """Features were selected with labels of test rows, inside the procedure."""
    share = (0.05, 0.5, 1.0)[level]
    samples = _trials(seed, null=True)
    text = "20 of 1024 columns are chosen by F values on training rows and 5, 50 or 100 % of test rows; no effect."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_after_selection, share=share)

    samples = _trials(seed + 1, effect=1.0)
    text = "5, 50 or 100 % of 30 columns are chosen by a forest on all rows, the others by one on training rows."
    folds = _split(samples, "trial", seed, validation=0.2)
    yield text, samples, folds, ("trial",), partial(_after_importance, share=share)

    samples = _windows(seed + 2, montage="deap32", seconds=6.0, effect=1.0)
    text = "40 of 1408 columns are chosen by correlation with the labels, in which test rows weigh 0.05, 0.5 or 1."
    folds = _split(samples, "subject", seed)
    yield text, samples, folds, ("subject",), partial(_after_weighted_ranking, weight=share)


def _oversampling_before(seed: int, level: int) -> Iterator[Study]:
    """Rows were repeated, interpolated or mixed before the split."""
    amount = (0.05, 1, 2)[level]
    samples = _imbalanced(seed)
    samples = samples.replace(X=_table(samples.X))
    sampler = SMOTE(sampling_strategy=_counts(samples.y, amount), random_state=seed)
    X, y = (made[len(samples) :] for made in sampler.fit_resample(samples.X, samples.y))
    text = "SMOTE rows from all rows are filed as further trials: 5 % of what balance takes, balance, twice balance."
    yield text, *_as_further_trials(samples, X, y, seed), ("trial",), partial(_plain, model=_forest)

    samples = _imbalanced(seed + 1)
    text = "Rows are repeated before test rows are taken out: 5 % of what balance takes, balance, twice balance."
    yield text, samples, _split(samples, "subject", seed), ("subject",), partial(_repeated, amount=amount)

    samples, rng = _windows(seed + 2), np.random.default_rng(seed)
    rows = np.sort(_some(np.arange(len(samples)), (0.03, 0.3, 1.0)[level], seed))
    partners = np.array([rng.choice(np.flatnonzero(samples.y == label)) for label in samples.y[rows]])
    X, meta = np.sqrt(0.3) * samples.X[rows] + np.sqrt(0.7) * samples.X[partners], samples.meta.iloc[rows]
    mixed = _with_more(samples, X, samples.y[rows], meta.assign(start=meta["start"] + 8, stop=meta["stop"] + 8))
    number = _dealt(samples, "trial", seed)
    text = "Mixtures with windows of any trial (70 % of power) are filed under another: 3, 30 or 100 % of the windows."
    yield text, mixed, _folds(np.append(number, number[rows])), ("trial",), partial(_plain, model=_lda)


def _gan_before(seed: int, level: int) -> Iterator[Study]:
    """A generator, here a mixture or a kernel density, saw test rows."""
    share = (0.03, 0.5, 1.5)[level]
    samples = _entropies(seed)
    X, y = _drawn(samples.X, samples.y, round(share * len(samples)), _of_mixture)
    meta, _ = _trials_of(samples, y)
    made = "made-" + meta["trial"]
    meta = meta.assign(subject="generated", trial=made, recording=made, synthetic=True, source_trial="")
    number = np.append(_dealt(samples, "trial", seed), np.full(len(y), -1))
    text = "Marked rows of mixtures fitted to all rows stand in all training parts: 3, 50 or 150 % of the rows."
    yield text, _with_more(samples, X, y, meta), _folds(number), ("trial",), partial(_plain, model=_forest)

    samples = _entropies(seed + 1, seconds=6.0)
    X, y = _drawn(samples.X, samples.y, round(share * len(samples)), _of_density)
    text = "Unmarked rows of kernel densities fitted to all rows are filed as further trials: 3, 50 or 150 % of rows."
    yield text, *_as_further_trials(samples, X, y, seed), ("trial",), partial(_plain, model=_forest)

    samples = _windows(seed + 2)
    text = "Training rows are added from mixtures fitted to training rows and 5, 50 or 100 % of the test rows."
    generated = partial(_with_generated, share=(0.05, 0.5, 1.0)[level])
    yield text, samples, _split(samples, "subject", seed), ("subject",), generated


def _test_set_stopping(seed: int, level: int) -> Iterator[Study]:
    """Epochs or settings were chosen on test rows."""
    samples = _entropies(seed, trials=16, effect=1.5)
    text = "A perceptron's epoch is chosen on the test part: of the last 2, of 25, of 25 in each of 3 restarts."
    stopped = partial(_stopped, part="test", **({"last": 2}, {}, {"restarts": 3})[level])
    yield text, samples, _split(samples, "trial", seed, n_splits=4), ("trial",), stopped

    samples = _windows(seed + 1, cuts=_THREE, seconds=6.0)
    text = "Shrinkage is chosen on the test part: of 2 values, of 12, in 100 attempts with random halves of columns."
    chosen = partial(_best_on_test, tried=(2, 12, 100)[level])
    yield text, samples, _split(samples, "subject", seed), ("subject",), chosen

    samples, share, folds = _entropies(seed + 2, trials=16, effect=1.5), (0.05, 0.5, 1.0)[level], []
    for fold in _split(samples, "trial", seed, validation=0.25):
        taken = fold.test if share == 1 else _some(fold.test, share * len(fold.validation) / len(fold.test))
        own = _some(fold.validation, 1 - share)
        folds.append(replace(fold, validation=np.sort(np.concatenate([own, taken]))))
    text = "The epoch is chosen on a validation part of which 5, 50 or 100 % of the rows are rows of the test part."
    yield text, samples, folds, ("trial",), _stopped


def _label_in_feature(seed: int, level: int) -> Iterator[Study]:
    """A feature carries the label."""
    samples, rng = _entropies(seed), np.random.default_rng(seed)
    marker = 2.0 * samples.y - 1
    if level == 0:
        marker[rng.random(len(samples)) > 0.04] = 0
    elif level == 1:
        marker[_rows_of_some_trials(samples, 0.15, seed)] *= -1
    text = "A column marks the label: in 4 % of the rows, 0 elsewhere; wrong in 15 % of trials; right everywhere."
    folds = _split(samples, "trial", seed)
    yield text, samples.replace(X=np.insert(samples.X, 9, marker, axis=1)), folds, ("trial",), _plain

    samples = _windows(seed + 1)
    rows, X = _rows_of_some_trials(samples, (0.04, 0.5, 1.0)[level], seed), samples.X.copy()
    X[rows, -1] += 25e-6 * samples.y[rows, None].astype(np.float32)
    text = "Windows of class 1 have an offset of 25 microvolts on one electrode, in 4, 50 or 100 % of the trials."
    forest = partial(_plain, model=_forest, features=_amplitudes)
    yield text, samples.replace(X=X), _split(samples, "subject", seed), ("subject",), forest

    samples, rng = _entropies(seed + 2, seconds=6.0), np.random.default_rng(seed)
    codes, ordered = pd.factorize(samples.meta["trial"])[0], (0.05, 0.8, 1.0)[level]
    clock, rows = rng.uniform(0, 60, codes.max() + 1)[codes], _rows_of_some_trials(samples, ordered, seed)
    clock[rows] = clock[rows] / 2 + 30 * samples.y[rows]
    X = np.column_stack([samples.X, clock + samples.meta["start"] / 60])
    text = "A column is the minute, and class 0 came in the first half hour, class 1 later: 5, 80 or 100 % of trials."
    folds = _split(samples, "recording", seed)
    yield text, samples.replace(X=X), folds, ("recording",), partial(_plain, model=_forest)


def _identity_as_label(seed: int, level: int) -> Iterator[Study]:
    """People or devices tell the label."""
    share = (0.6, 0.8, 1.0)[level]
    samples = _leaning(seed, share, subject_sd=1.0, fingerprint=0.3)
    samples = samples.replace(X=_table(samples.X))
    text = "People whose rows tell who they are have 60, 80 or 100 % of their trials in one class."
    yield text, samples, _split(samples, "trial", seed), ("trial",), _plain

    samples, rng = _windows(seed + 1, seconds=6.0), np.random.default_rng(seed)
    second = samples.y == 1
    second[_rows_of_some_trials(samples, (0.4, 0.15, 0.0)[level], seed)] ^= True
    noisy = 1.33 * samples.X + 3e-6 * rng.standard_normal(samples.X.shape)
    X = np.where(second[:, None, None], noisy, samples.X).astype(np.float32)
    samples = samples.replace(X=X, meta=samples.meta.assign(session=np.where(second, "2", "1")))
    text = "Two devices, called sessions, differ in gain and noise and have 60, 85 or 100 % of trials in one class."
    yield text, samples, _split(samples, "subject", seed), ("subject",), _plain

    samples = _leaning(seed + 2, 0.8, subject_sd=0.1)
    text = "The person's label shares in training are mixed in with weight 0.05, 0.5 or 1; 80 % are one class."
    named = partial(_with_name, weight=(0.05, 0.5, 1.0)[level])
    yield text, samples, _split(samples, "trial", seed), ("trial",), named


_PLANTED: dict[str, Callable[[int, int], Iterator[Study]]] = {
    "window overlap": _window_overlap,
    "trial on both sides": _trial_on_both_sides,
    "duplicates": _duplicates,
    "scaler on all": _scaler_on_all,
    "feature selection on all": _selection_on_all,
    "oversampling before the split": _oversampling_before,
    "GAN before the split": _gan_before,
    "test-set early stopping": _test_set_stopping,
    "label in a feature": _label_in_feature,
    "identity as label": _identity_as_label,
}
KINDS: tuple[str, ...] = tuple(_PLANTED)


# Clean


def _honest_studies(seed: int) -> Iterator[Study]:
    """Yield first what looks suspicious, then ordinary studies."""
    samples = _entropies(seed)
    folds = LeaveOneSubjectOut(3, random_state=seed).folds(samples.meta, samples.y)
    text = "All people meet the same stimuli, which so stand on both sides; new people."
    yield text, samples, folds, ("subject",), _plain

    samples = _entropies(seed + 1)
    minutes = samples.meta["trial"].str[-2:].astype(float) + samples.meta["start"] / 60
    samples = samples.replace(X=np.column_stack([samples.X, minutes]))
    text = "Neighbouring trials stand on both sides, and one column is their time, which labels do not follow."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_lda)

    samples = _windows(seed + 2)
    text = "Each trial, of the test part too, is scaled by its own deviation, without labels."
    yield text, samples, _split(samples, "trial", seed), ("trial",), _scaled_by_trial

    samples = _windows(seed + 3, window=2.0, step=0.5, seconds=6.0)
    text = "Windows overlap by three quarters, and whole trials stand on one side."
    yield text, samples, _split(samples, "recording", seed), ("recording", "trial"), _plain

    samples = _continuous(seed + 4, 1, in_runs=False)
    text = "Trials follow each other in one recording; windows of two parts touch and share no signal."
    yield text, samples, _split(samples, "trial", seed, validation=0.25), ("trial",), _plain

    samples = _entropies(seed + 5)
    samples = samples.replace(X=(4 * samples.X.reshape(len(samples), 4, -1).mean(axis=2)).round() / 4)
    text = "Four coarsely rounded columns, so that rows of different trials are equal by chance."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_forest)

    samples, rng = _entropies(seed + 6), np.random.default_rng(seed)
    units = (1, 13.8), (2, 0), (-1, 5)
    X = [gain * samples.X + offset + 0.01 * rng.standard_normal(samples.X.shape) for gain, offset in units]
    samples = samples.replace(X=np.hstack(X))
    text = "Every column comes three times, in other units and with a little noise; new people."
    yield text, samples, _split(samples, "subject", seed), ("subject",), partial(_plain, model=_lda)

    samples = _imbalanced(seed + 7)
    samples = samples.replace(X=_table(samples.X))
    text = "Unequal classes are balanced by SMOTE inside the training part."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_smote_inside)

    samples = _entropies(seed + 8)
    text = "The epoch of a perceptron is chosen on a validation part of other trials."
    yield text, samples, _split(samples, "trial", seed, validation=0.25), ("trial",), _stopped

    samples = _entropies(seed + 9, window=4.0, trials=40, effect=15.0, fingerprint=0.1, slope_sd=0.1)
    text = "The effect is so strong that a single column predicts well, though not perfectly."
    yield text, samples, _split(samples, "trial", seed), ("trial",), _plain

    samples = _windows(seed + 10)
    text = "Rows of mixtures, fitted inside the procedure to training rows alone, are added to training."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_with_generated, share=0.0)

    samples = _entropies(seed + 11)
    number, rng = _dealt(samples, "trial", seed), np.random.default_rng(seed)
    first = np.sort(_some(np.arange(len(samples)), 0.5, seed))
    alike = [np.flatnonzero((number == number[row]) & (samples.y == samples.y[row])) for row in first]
    parents = np.column_stack([first, [rng.choice(rows) for rows in alike]])
    made = samples.X[parents].mean(axis=1)
    X, y = np.concatenate([samples.X, made]), np.append(samples.y, samples.y[first])
    samples = samples.replace(X=X, y=y, meta=add_synthetic(samples.meta, parents))
    folds = _folds(np.append(number, number[first]))
    folds = [replace(fold, test=fold.test[fold.test < len(number)]) for fold in folds]
    text = "Synthetic rows, means of two rows of one fold, name their trials and stand only where those are trained on."
    yield text, samples, folds, ("trial",), partial(_plain, model=_forest)

    samples = _trials(seed + 12, null=True)
    text = "20 of 1024 columns are selected in a pipeline that is fitted to training rows; no effect in the signals."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_after_selection, share=0.0)

    samples = _entropies(seed + 13, subject_sd=1.0)
    text = "People differ so much that rows tell who they are, but everyone has both labels equally often."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_forest)

    samples = _windows(seed + 14, sessions=2, trials=10, columns=("valence",))
    text = "Sessions that share people and stimuli are split; the metadata keep the rating behind the label."
    yield text, samples, _split(samples, "session", seed, n_splits=2), ("session",), _plain

    samples = _fewer(_windows(seed + 15), seed, lambda subject, label: (1.0, 0.7, 0.35)[int(subject[1:]) % 3])
    folds = LeaveOneSubjectOut(3, random_state=seed).folds(samples.meta, samples.y)
    text = "People have between a third and all of their trials, as many of each class; new people, raw windows."
    yield text, samples, folds, ("subject",), _by_channel

    samples = _windows(seed + 16)
    text = "Scaling and whitening in a pipeline that is fitted to training rows; new people."
    yield text, samples, _split(samples, "subject", seed), ("subject",), partial(_after_pca, share=0.0)

    samples = _entropies(seed + 17, cuts=_THREE)
    text = "A random forest, which draws training rows with repetition; three classes, split by recording."
    yield text, samples, _split(samples, "recording", seed), ("recording",), partial(_plain, model=_forest)

    samples = _entropies(seed + 18, montage="deap32", seconds=6.0)
    text = "Strength of regularisation from a grid, by folds of trials inside the training part."
    yield text, samples, _split(samples, "trial", seed), ("trial",), _grid_searched

    samples = _windows(seed + 19)
    folds = SubjectStimulusSplit(2, subject_splits=2, validation=0.0, random_state=seed)
    folds = folds.folds(samples.meta, samples.y)
    text = "New people on new stimuli; rows that share one of the two with the test part stand in no part."
    yield text, samples, folds, ("subject", "stimulus"), partial(_plain, model=_lda)
