"""More planted leaks and clean near misses, for an auditor that was improved on the first ones.

Use as ``honesty_cases``, whose conventions hold here too: ``from honesty_second import clean, leaks``.

An auditor that was changed after a look at how it did on some cases is not measured fairly by them any more. Here are
two further variants of each kind of leak and ten further clean studies, none of them a paraphrase of one in the first
set: another mistake, another stage of the work or another form of the data. Samples are not only windows and tables,
but also pictures, sequences, entropies with all their axes and two modalities; labels may be words. They were written
from the first set and published practice, by somebody who did not know how the auditor looks for leaks and had not
seen what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from honesty_cases import (
    _SFREQ,
    KINDS,
    Case,
    Study,
    _as_further_trials,
    _continuous,
    _copied,
    _counts,
    _dealt,
    _drawn,
    _entropies,
    _fitted,
    _folds,
    _forest,
    _imbalanced,
    _lda,
    _leaking,
    _leaning,
    _logistic,
    _moved,
    _neighbours,
    _of_density,
    _plain,
    _rows_of_some_trials,
    _some,
    _spectra,
    _split,
    _table,
    _trials,
    _windows,
    _with_more,
)
from scipy.linalg import eigh
from scipy.ndimage import convolve1d, shift
from sklearn.decomposition import PCA
from sklearn.feature_selection import RFE
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from thymos.base.samples import Samples, add_synthetic
from thymos.evaluation.protocol import Fold
from thymos.evaluation.splitters import GroupSplit, LeaveOneSubjectOut
from thymos.signals.spectral import DifferentialEntropy

__all__ = ["clean", "leaks"]

_NEIGHBOURS = (  # eight electrodes, then for each one that lies beside it
    ("F3", "F4", "T7", "T8", "P3", "P4", "O1", "O2"),
    ("F5", "F6", "FT7", "FT8", "P5", "P6", "PO7", "PO8"),
)
_FILTER_BANK = ((4, 8), (8, 14), (14, 31), (31, 45))  # Hz


def leaks(seed: int) -> Iterator[Case]:
    """Yield the 60 leaking studies: kind by kind, variant by variant, weak to strong on the same simulated people."""
    yield from _leaking(_PLANTED, 1000 * seed + 600)


def clean(seed: int) -> Iterator[Case]:
    """Yield the 10 studies in which nothing leaks."""
    for text, *study in _honest_studies(1000 * seed + 800):
        yield Case("clean", text, "", *study)


# Data


def _sequences(samples: Samples, steps: int, groups: np.ndarray, wanted: np.ndarray | bool = True) -> Samples:
    """Return for each wanted row of a table the last rows up to it of its group, shape (n, steps, columns).

    Each keeps the names, times and label of its last row; what has too few rows of the group before it is left out.
    """
    place = samples.meta.groupby(groups).cumcount().to_numpy()
    rows = np.flatnonzero((place >= steps - 1) & wanted)
    return samples[rows].replace(X=samples.X[rows[:, None] + np.arange(1 - steps, 1)])


def _rows_of_some_pairs(samples: Samples, share: float, seed: int) -> np.ndarray:
    """Return the rows of some trials, as many of each of two classes for each person that has any."""
    trials = samples.meta.assign(y=samples.y)[["subject", "trial", "y"]].drop_duplicates()
    pair = trials["subject"] + trials.groupby(["subject", "y"]).cumcount().astype(str)
    return np.flatnonzero(samples.meta["trial"].isin(trials["trial"][pair.isin(_some(pair.unique(), share, seed))]))


def _second_edition(X: np.ndarray) -> np.ndarray:
    """Return windows of trials, shape (trials, windows, channels, times), as another laboratory would publish them.

    Cut out of the whole trial a little later, filtered from 4 to 45 Hz, and referred to the mean of the electrodes.
    There is one window less.
    """
    trials = X.swapaxes(1, 2).reshape(len(X), X.shape[2], -1)
    spectrum, frequencies = np.fft.rfft(trials), np.fft.rfftfreq(trials.shape[-1], 1 / _SFREQ)
    kept = np.fft.irfft(spectrum * ((frequencies >= 4) & (frequencies <= 45)), trials.shape[-1])
    kept -= kept.mean(axis=1, keepdims=True)
    late = kept[..., 16 : 16 + (X.shape[1] - 1) * X.shape[-1]]
    return late.reshape(len(X), X.shape[2], -1, X.shape[-1]).swapaxes(1, 2)


def _pictures(X: np.ndarray) -> np.ndarray:
    """Return grey pictures of raw windows, one row of pixels per channel and one pixel per hertz."""
    grey = 20 * _spectra(X).reshape(len(X), 1, X.shape[1], -1)
    return grey.clip(0, 255).astype(np.uint8)


def _standardised(X: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return each column with mean 0 and deviation 1 within each group of rows."""
    X = np.array(X, dtype=float)
    for code in np.unique(codes):
        X[codes == code] = StandardScaler().fit_transform(X[codes == code])
    return X


def _spliced(samples: Samples, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a window for each label: halves of two windows of that label and of one person."""
    subjects, half = samples.meta["subject"].to_numpy(), samples.X.shape[-1] // 2
    X = np.empty((len(y), *samples.X.shape[1:]))
    for new, label in zip(X, y, strict=True):
        first = rng.choice(np.flatnonzero(samples.y == label))
        second = rng.choice(np.flatnonzero((samples.y == label) & (subjects == subjects[first])))
        new[:, :half], new[:, half:] = samples.X[first, :, :half], samples.X[second, :, half:]
    return X


def _of_latent(X: np.ndarray, n: int) -> np.ndarray:
    """Return rows decoded from places near those where a linear autoencoder puts the given rows."""
    code = PCA(min(30, len(X) - 1), whiten=True, random_state=0).fit(X)
    return code.inverse_transform(_of_density(code.transform(X), n))


def _generated_windows(X: np.ndarray, y: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return raw windows with amplitudes from a generator for each class and random phases, and their labels."""
    size = np.log(np.abs(np.fft.rfft(X * 1e6)) + 1e-3)
    made, labels = _drawn(size.reshape(len(X), -1), y, n, _of_latent)
    phase = rng.uniform(0, 2 * np.pi, (len(made), *size.shape[1:]))
    return np.fft.irfft(np.exp(made.reshape(phase.shape) + 1j * phase), X.shape[-1]) * 1e-6, labels


def _as_further_people(samples: Samples, X: np.ndarray, y: np.ndarray) -> Samples:
    """Return samples with made rows as trials of eight windows of six further people, who have both labels alike."""
    place = pd.Series(y).groupby(y).cumcount().to_numpy()
    person, trial = place // 8 % 6, place // 48 * 2 + y + 1
    subject = np.array([f"s{7 + number:02d}" for number in person])
    trial = [f"{name}-t{number:02d}" for name, number in zip(subject, trial, strict=True)]
    stimuli = samples.meta["stimulus"].unique()
    meta = pd.DataFrame({"source": samples.meta["source"].iloc[0], "subject": subject, "session": "1", "trial": trial})
    meta = meta.assign(stimulus=stimuli[pd.factorize(meta["trial"])[0] % len(stimuli)], recording=trial)
    return _with_more(samples, X, y, meta.assign(start=place % 8 + 0.0, stop=place % 8 + 1.0))


def _other_amplifier(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return raw windows as of an amplifier that damps high frequencies and has more noise."""
    return convolve1d(X, [0.25, 0.5, 0.25], axis=-1) + 1.5e-6 * rng.standard_normal(X.shape)


def _of_two_corpora(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return raw windows of which those of every second person come from a corpus with another amplifier."""
    second = samples.meta["subject"].str[1:].astype(int).to_numpy() % 2 == 1
    X = np.where(second[:, None, None], _other_amplifier(samples.X, rng), samples.X).astype(np.float32)
    return samples.replace(X=X, meta=samples.meta.assign(source=np.where(second, "corpus-b", "corpus-a")))


# Features and procedures


def _flat(X: np.ndarray) -> np.ndarray:
    """Return all axes of a sample as one row."""
    return X.reshape(len(X), -1).astype(float)


def _pooled(X: np.ndarray) -> np.ndarray:
    """Return the mean of sequences over their steps, as a network does that pools over time."""
    return X.mean(axis=1)


def _in_eighths(X: np.ndarray) -> np.ndarray:
    """Return the logarithmic power of each channel of raw windows in each eighth of their time."""
    return np.log(np.square(X.reshape(*X.shape[:2], 8, -1) * 1e6).mean(axis=-1) + 1e-3).reshape(len(X), -1)


def _fine_tuned(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Train a perceptron, then go on with the first two windows of a share of the test trials, which stay in the test.

    With a share of 0, as in a study in order, those of the fold's calibration trials are taken.
    """
    X, y, meta = _table(samples.X), samples.y, samples.meta
    X, classes = StandardScaler().fit(X[fold.train]).transform(X), np.unique(y)
    rows = fold.calibration
    if share:
        rows = fold.test[meta["trial"].iloc[fold.test].isin(_some(meta["trial"].iloc[fold.test].unique(), share))]
        rows = rows[meta.iloc[rows].groupby("trial").cumcount().to_numpy() < 2]
    network = MLPClassifier((32,), learning_rate_init=0.01, random_state=0)
    for shown in (fold.train, rows):
        for _ in range(30 if len(shown) else 0):
            network.partial_fit(X[shown], y[shown], classes=classes)
    return network.predict_proba(X[fold.test])


def _in_training_mode(samples: Samples, fold: Fold, weight: float) -> np.ndarray:
    """Scale the test part as batch normalisation does that was left in training mode: by statistics of the test part.

    The statistics of the training part weigh what is left to 1.
    """
    X = _table(samples.X)
    train, test = X[fold.train], X[fold.test]
    mean, spread = ((1 - weight) * f(train, axis=0) + weight * f(test, axis=0) for f in (np.mean, np.std))
    model = LogisticRegression(max_iter=1000)
    model.fit((train - train.mean(axis=0)) / (train.std(axis=0) + 1e-9), samples.y[fold.train])
    return model.predict_proba((test - mean) / (spread + 1e-9))


def _after_spatial_patterns(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Learn common spatial patterns in each band from the training rows and a share of the test rows.

    Six filters are kept of each band; discriminant analysis of their logarithmic power is fitted to training rows.
    """
    y, rows = samples.y, np.concatenate([fold.train, _some(fold.test, share)])
    spectrum, frequencies = np.fft.rfft(samples.X * 1e6), np.fft.rfftfreq(samples.X.shape[-1], 1 / _SFREQ)
    features = []
    for low, high in _FILTER_BANK:
        part = spectrum[..., (frequencies >= low) & (frequencies < high)]
        covariance = np.einsum("nct,ndt->ncd", part, part.conj()).real
        covariance /= np.trace(covariance, axis1=1, axis2=2)[:, None, None]
        seen = covariance[rows]
        one = seen[y[rows] == np.unique(y)[-1]].mean(axis=0)
        ridge = 1e-4 * np.eye(len(one)) / len(one)  # average reference: the last direction holds nothing
        filters = eigh(one, seen.mean(axis=0) + ridge)[1][:, [0, 1, 2, -3, -2, -1]]
        features.append(np.log(np.einsum("cf,ncd,df->nf", filters, covariance, filters) + 1e-9))
    return _fitted(_lda(), np.hstack(features), y, fold)


def _eliminated(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Fit a model to each person's training rows, on 20 columns that elimination leaves.

    Elimination sees that person's training rows and a share of all test rows.
    """
    X, y, names = StandardScaler().fit(samples.X[fold.train]).transform(samples.X), samples.y, samples.meta["subject"]
    names, seen = names.to_numpy(), _some(fold.test, share)
    probabilities = np.empty((len(fold.test), len(np.unique(y))))
    for name in np.unique(names[fold.test]):
        train = fold.train[names[fold.train] == name]
        if len(np.unique(y[train])) < probabilities.shape[1]:  # nothing to learn from this person alone
            train = fold.train
        rows, tested = np.concatenate([train, seen[names[seen] == name]]), names[fold.test] == name
        kept = RFE(RidgeClassifier(10.0), n_features_to_select=20, step=0.5).fit(X[rows], y[rows]).support_
        own = replace(fold, train=train, test=fold.test[tested])
        probabilities[tested] = _fitted(_logistic(), X[:, kept], y, own)
    return probabilities


def _translated(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Add training rows translated to look like test rows: class by class the same means and deviations.

    What a translating network learns from pairs of classes, reduced to its first two moments. It sees a share of the
    test rows and, where they lack a class, all of them for it.
    """
    X, y, target = _table(samples.X), samples.y, _some(fold.test, share)
    made = X[fold.train].astype(float)
    for label in np.unique(y[fold.train]):
        source, goal = y[fold.train] == label, target[y[target] == label]
        goal = goal if len(goal) > 1 else target
        scaled = StandardScaler().fit_transform(made[source])
        made[source] = scaled * X[goal].std(axis=0) + X[goal].mean(axis=0)
    model = _lda().fit(np.concatenate([X[fold.train], made]), np.tile(y[fold.train], 2))
    return model.predict_proba(X[fold.test])


def _thresholded(
    samples: Samples, fold: Fold, tried: tuple[float, ...], part: str = "test", each: bool = False
) -> np.ndarray:
    """Move the threshold between two classes to where accuracy on one part is best, for `each` person by itself."""
    y, judges, names = samples.y, getattr(fold, part), samples.meta["subject"].to_numpy()
    shown = replace(fold, test=np.concatenate([judges, fold.test]))
    later = _plain(samples, shown)[:, 1].clip(1e-6, 1 - 1e-6)
    judged, tested = np.split(np.log(later / (1 - later)), [len(judges)])
    truth, moved = y[judges] == np.unique(y)[-1], np.empty(len(fold.test))
    for name in np.unique(names[fold.test]) if each else [None]:
        mine, theirs = (
            np.ones(len(rows), dtype=bool) if name is None else names[rows] == name for rows in (judges, fold.test)
        )
        limits = [np.log(limit / (1 - limit)) for limit in tried]
        best = max(limits, key=lambda limit: np.mean((judged[mine] > limit) == truth[mine]))
        moved[theirs] = 1 / (1 + np.exp(best - tested[theirs]))
    return np.column_stack([1 - moved, moved])


def _best_sources(samples: Samples, fold: Fold, left_out: int) -> np.ndarray:
    """Leave out of training up to so many people that accuracy on the test part is best."""
    X, y, names = _table(samples.X), samples.y, samples.meta["subject"].to_numpy()
    people, best, kept = np.unique(names[fold.train]), -1.0, np.empty(0)
    for number in range(min(left_out, len(people) - 1) + 1):
        for away in combinations(people, number):
            train = fold.train[~np.isin(names[fold.train], away)]
            if len(np.unique(y[train])) < len(np.unique(y[fold.train])):
                continue
            model = _lda(0.1).fit(X[train], y[train])
            if (accuracy := model.score(X[fold.test], y[fold.test])) > best:
                best, kept = accuracy, model.predict_proba(X[fold.test])
    return kept


def _scaled_by_person(samples: Samples, fold: Fold) -> np.ndarray:
    """Scale each person's rows by that person's training rows."""
    X, names = _table(samples.X).astype(float), samples.meta["subject"].to_numpy()
    for name in np.unique(names):
        known = fold.train[names[fold.train] == name]
        X[names == name] = StandardScaler().fit(X[known if len(known) else fold.train]).transform(X[names == name])
    return _fitted(LogisticRegression(max_iter=1000), X, samples.y, fold)


def _of_both_modalities(samples: Samples, fold: Fold) -> np.ndarray:
    """Join entropies of the EEG with mean and deviation of the pulse."""
    pulse = samples.X["pulse"][:, 0]
    X = np.column_stack([_table(samples.X["eeg"]), pulse.mean(axis=-1), pulse.std(axis=-1)])
    return _fitted(_logistic(), X, samples.y, fold)


# The ten kinds: each function yields its two variants at one of the three levels of strength


def _window_overlap(seed: int, level: int) -> Iterator[Study]:
    """Windows share signal with windows of another part."""
    steps, share = ((2, 0.05), (3, 1.0), (8, 1.0))[level]
    samples = _entropies(seed, seconds=4.0)
    meta = samples.meta
    samples = samples[np.lexsort((meta["start"], meta["trial"], samples.y, meta["subject"]))]
    trial, folder = samples.meta["trial"], samples.meta["subject"] + np.where(samples.y == 1, "/happy", "/calm")
    reaching = (trial != trial.groupby(folder.to_numpy()).shift(steps - 1)).to_numpy()
    wanted = ~reaching | trial.isin(_some(trial.unique(), share, seed)).to_numpy()
    samples = _sequences(samples, steps, folder.to_numpy(), wanted)
    text = "Sequences of 2, 3 or 8 rows run on from trial to trial of one class, in 5, 100 or 100 % of the trials."
    folds = _split(samples, "trial", seed)
    yield text, samples, folds, ("trial",), partial(_plain, model=_neighbours, features=_pooled)

    # trials have no fingerprint, so that a split within trials, which is what this protocol promises, is fair
    step = (1.875, 1.0, 0.1875)[level]
    samples = _windows(seed + 1, window=2.0, step=step, seconds=6.0, fingerprint=0.0, drift=0.0, effect=2.0)
    place = samples.meta.groupby("trial").cumcount().astype(str)
    samples = samples.replace(meta=samples.meta.assign(segment=samples.meta["trial"] + "-w" + place))
    number = np.random.default_rng(seed).integers(3, size=len(samples))
    text = "Windows that overlap by 6, 50 or 91 % are dealt to the folds one by one; only new windows are promised."
    yield text, samples, _folds(number), ("segment",), partial(_plain, model=_neighbours)


def _trial_on_both_sides(seed: int, level: int) -> Iterator[Study]:
    """Windows of one trial stand on both sides."""
    share = (0.04, 0.4, 1.0)[level]
    samples = _windows(seed, montage=sum(_NEIGHBOURS, ()))
    info = {**samples.info, "ch_names": _NEIGHBOURS[0]}
    later = samples.meta.assign(start=samples.meta["start"] + 8, stop=samples.meta["stop"] + 8)
    halves = Samples(samples.X[:, :8], samples.y, samples.meta, info), Samples(samples.X[:, 8:], samples.y, later, info)
    samples = Samples.concatenate(halves)
    rows = _rows_of_some_trials(samples, share, seed)
    moved = _moved(samples, _dealt(samples, "trial", seed), rows[rows >= len(halves[0])])
    text = "Every second electrode makes rows of its own, filed as those of another trial: 4, 40 or 100 % of trials."
    yield text, *moved, ("trial", "recording"), partial(_plain, model=_neighbours, features=_spectra)

    samples = _windows(seed + 1, subject_sd=0.6)
    text = "A model is calibrated on the first two windows of 4, 40 or 100 % of the test trials, all of it tested."
    tuned = partial(_fine_tuned, share=share)
    yield text, samples, _split(samples, "subject", seed), ("subject",), tuned


def _duplicates(seed: int, level: int) -> Iterator[Study]:
    """Rows stand on both sides in two copies."""
    share = (0.04, 0.3, 1.0)[level]
    samples = _windows(seed)
    rows = _rows_of_some_pairs(samples, share, seed)
    X = _second_edition(samples.X[rows].reshape(-1, 8, *samples.X.shape[1:]))
    rows = rows.reshape(-1, 8)[:, :-1].ravel()  # the edition begins later and has one window less of each trial
    names = samples.meta["subject"].unique()
    twins = pd.Series({name: f"s{int(name[1:]) + 6:02d}" for name in names})
    number = _dealt(samples, "subject", seed)
    copied = _copied(samples, number, rows, X.reshape(-1, *samples.X.shape[1:]), twins)
    text = "4, 30 or 100 % of trials are there in a second edition: other people, filter, reference and first moment."
    yield text, *copied, ("subject",), partial(_plain, model=_lda)

    samples, rng = _windows(seed + 1), np.random.default_rng(seed)
    samples = samples.replace(X=_pictures(samples.X))
    rows = np.sort(_some(np.arange(len(samples)), share, seed))
    X = shift(samples.X[rows].astype(float), (0, 0, 0, 1), order=0, mode="nearest")
    X = X * rng.uniform(0.9, 1.1, (len(rows), 1, 1, 1)) + rng.normal(0, 3, X.shape)
    copied = _copied(samples, _dealt(samples, "trial", seed), rows, X.clip(0, 255))
    text = "4, 30 or 100 % of grey pictures of spectra stand again, shifted by a pixel, brighter or darker, noisy."
    yield text, *copied, ("trial",), partial(_plain, model=_neighbours, features=_flat)


def _scaler_on_all(seed: int, level: int) -> Iterator[Study]:
    """Scaling saw test rows."""
    share = (0.05, 0.5, 1.0)[level]
    samples = _windows(seed, montage="deap32", seconds=6.0, subject_sd=1.0)
    X = DifferentialEntropy(bands="deap", window=0.5).fit_transform(samples.X)
    electrodes, codes = _some(np.arange(X.shape[2]), share, seed), pd.factorize(samples.meta["subject"])[0]
    X[:, :, electrodes] = _standardised(_flat(X[:, :, electrodes]), codes).reshape(X[:, :, electrodes].shape)
    text = (
        "Each person's entropies, all axes kept, were z-scored over all their trials, on 5, 50 or 100 % of electrodes."
    )
    folds = _split(samples, "trial", seed)
    yield text, samples.replace(X=X), folds, ("trial",), partial(_plain, model=_lda, features=_flat)

    samples = _windows(seed + 1, seconds=6.0, subject_sd=1.0)
    text = "A network is left in training mode: of what scales test rows their own statistics weigh 5, 50 or 100 %."
    scaled = partial(_in_training_mode, weight=share)
    yield text, samples, _split(samples, "subject", seed), ("subject",), scaled


def _selection_on_all(seed: int, level: int) -> Iterator[Study]:
    """Features were selected with labels of test rows, inside the procedure."""
    share = (0.05, 0.5, 1.0)[level]
    samples = _windows(seed, window=4.0, seconds=4.0, montage="deap32", null=True)
    text = "Spatial patterns of four bands are learnt from training rows and 5, 50 or 100 % of test rows; no effect."
    patterns = partial(_after_spatial_patterns, share=share)
    yield text, samples, _split(samples, "trial", seed), ("trial",), patterns

    samples = _trials(seed + 1, null=True)
    text = "For each person 20 of 1024 columns are left by elimination, seeing 5, 50 or 100 % of test rows; no effect."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_eliminated, share=share)


def _oversampling_before(seed: int, level: int) -> Iterator[Study]:
    """Rows were repeated, interpolated or mixed before the split."""
    amount, rng = (0.05, 1, 2)[level], np.random.default_rng(seed)
    samples = _imbalanced(seed)
    samples = samples.replace(X=_table(samples.X))
    parents = []
    for label, wanted in _counts(samples.y, amount).items():
        rows = np.flatnonzero(samples.y == label)
        near = NearestNeighbors(n_neighbors=6).fit(samples.X[rows]).kneighbors(samples.X[rows])[1][:, 1:]
        first = np.resize(rng.permutation(len(rows)), wanted - len(rows))
        second = near[first, rng.integers(5, size=len(first))]
        parents.append(rows[np.column_stack([first, second])])
    parents, number = np.concatenate(parents), _dealt(samples, "trial", seed)
    ends, part = samples.X[parents], rng.uniform(0.3, 1, (len(parents), 1))
    made = Samples(
        np.concatenate([samples.X, (1 - part) * ends[:, 0] + part * ends[:, 1]]),
        np.append(samples.y, samples.y[parents[:, 0]]),
        add_synthetic(samples.meta, parents),
        samples.info,
    )
    folds = [replace(f, test=f.test[f.test < len(samples)]) for f in _folds(np.append(number, number[parents[:, 0]]))]
    text = "Marked SMOTE rows go with the first of their two trials alone: 5 % of what balance takes, balance, twice."
    yield text, made, folds, ("trial",), partial(_plain, model=_neighbours)

    samples = _imbalanced(seed + 1)
    wanted, counts = _counts(samples.y, amount), dict(zip(*np.unique(samples.y, return_counts=True), strict=True))
    y = np.repeat(list(wanted), [n - counts[label] for label, n in wanted.items()])
    filed = _as_further_trials(samples, _spliced(samples, y, rng), y, seed)
    text = "Halves of raw windows are spliced anew, filed as further trials: 5 % of what balance takes, balance, twice."
    yield text, *filed, ("trial",), partial(_plain, model=_neighbours)


def _gan_before(seed: int, level: int) -> Iterator[Study]:
    """A generator, here a linear one, saw test rows."""
    samples, rng = _windows(seed), np.random.default_rng(seed)
    X, y = _generated_windows(samples.X, samples.y, round((0.03, 0.5, 1.5)[level] * len(samples)), rng)
    samples = _as_further_people(samples, X, y)
    text = "Raw windows generated from codes of all windows are filed as further people's: 3, 50 or 150 % of windows."
    yield text, samples, _split(samples, "subject", seed), ("subject",), partial(_plain, model=_forest)

    samples = _windows(seed + 1, subject_sd=0.6)
    text = "Training rows are translated to look, class by class, like 5, 50 or 100 % of the new people's test rows."
    translated = partial(_translated, share=(0.05, 0.5, 1.0)[level])
    yield text, samples, _split(samples, "subject", seed), ("subject",), translated


def _test_set_stopping(seed: int, level: int) -> Iterator[Study]:
    """Epochs or settings were chosen on test rows."""
    samples = _entropies(seed, subject_sd=0.8, effect=2.0)
    text = "The threshold is chosen on the test part: 0.45, 0.5 or 0.55, of 19 values, of 99 for each person."
    tried = (0.5, 0.45, 0.55), tuple(np.arange(1, 20) / 20), tuple(np.arange(1, 100) / 100)
    chosen = partial(_thresholded, tried=tried[level], each=level == 2)
    yield text, samples, _split(samples, "subject", seed), ("subject",), chosen

    samples = _windows(seed + 1, subjects=9, trials=16, effect=2.0, slope_sd=0.6)
    text = "Which of six people are trained on is chosen on the test part, leaving out 1, 2 or 5 of them at most."
    chosen = partial(_best_sources, left_out=(1, 2, 5)[level])
    yield text, samples, _split(samples, "subject", seed), ("subject",), chosen


def _label_in_feature(seed: int, level: int) -> Iterator[Study]:
    """A feature carries the label."""
    samples = _entropies(seed)
    trials = samples.meta.assign(y=samples.y).drop_duplicates("trial").sort_values("trial").set_index("trial")
    running = pd.Series(0.5, index=trials.index)
    for _, labels in trials.groupby("subject")["y"]:
        mood = 0.5
        for trial, label in labels.items():
            running[trial] = mood = mood + (0.05, 1 / 3, 1.0)[level] * (label - mood)
    column = samples.meta["trial"].map(running)
    text = "A column is the running mean of the person's labels, in which the row's own one weighs 0.05, 0.33 or 1."
    folds = _split(samples, "subject", seed)
    yield text, samples.replace(X=np.insert(samples.X, 5, column, axis=1)), folds, ("subject",), _plain

    samples = _windows(seed + 1)
    rows, X = np.flatnonzero(samples.y == 0), samples.X.copy()
    X[rows[_rows_of_some_trials(samples[rows], (0.04, 0.5, 1.0)[level], seed)], :, -16:] = 0
    text = "Windows of 4, 50 or 100 % of the trials of class 0 are an eighth shorter and filled up with zeros."
    forest = partial(_plain, model=_forest, features=_in_eighths)
    yield text, samples.replace(X=X), _split(samples, "trial", seed), ("trial",), forest


def _identity_as_label(seed: int, level: int) -> Iterator[Study]:
    """People, corpora or recordings tell the label."""
    share, rng = (0.6, 0.8, 1.0)[level], np.random.default_rng(seed)
    samples = _of_two_corpora(_leaning(seed, share, fingerprint=0.3), rng)
    text = "Two corpora were merged; people of each, on an amplifier of its own, have 60, 80 or 100 % in one class."
    yield text, samples, _split(samples, "subject", seed), ("subject",), _plain

    samples = _windows(seed + 1)
    second = samples.y == 1
    second[_rows_of_some_trials(samples, 1 - share, seed)] ^= True
    recording = samples.meta["subject"] + np.where(second, "-b", "-a")
    gain = np.exp(0.4 * rng.standard_normal((recording.nunique(), samples.X.shape[1], 1)))
    start = samples.meta.groupby(recording).cumcount().astype(float)
    meta = samples.meta.assign(recording=recording, start=start, stop=start + 1)
    X = (samples.X * gain[pd.factorize(recording)[0]]).astype(np.float32)
    samples = samples.replace(X=X, y=np.where(samples.y == 1, "happy", "calm"), meta=meta)
    text = "Each person's two recordings, for which the cap was put on anew, have 60, 80 or 100 % in one class."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_forest)


_PLANTED: dict[str, Callable[[int, int], Iterator[Study]]] = dict(
    zip(
        KINDS,
        (
            *(_window_overlap, _trial_on_both_sides, _duplicates, _scaler_on_all, _selection_on_all),
            *(_oversampling_before, _gan_before, _test_set_stopping, _label_in_feature, _identity_as_label),
        ),
        strict=True,
    )
)


# Clean


def _honest_studies(seed: int) -> Iterator[Study]:
    """Yield first what looks suspicious, then ordinary studies."""
    samples = _continuous(seed, 2, in_runs=True, seconds=4.0)
    folds = GroupSplit("trial", 3, 0.0, guard=0.5, random_state=seed).folds(samples.meta, samples.y)
    text = "Windows reach over borders of trials; training windows within half a second of the test stand in no part."
    yield text, samples, folds, ("trial",), partial(_plain, model=_neighbours)

    samples = _entropies(seed + 1)
    samples = _sequences(samples, 4, samples.meta["trial"].to_numpy())
    text = "Sequences of four windows, begun at every window, share three with their neighbours of the same trial."
    folds = _split(samples, "trial", seed)
    yield text, samples, folds, ("trial",), partial(_plain, model=_neighbours, features=_pooled)

    samples = _entropies(seed + 2, subject_sd=1.0)
    text = "Each person's rows, of the test part too, are scaled by that person's training rows."
    yield text, samples, _split(samples, "trial", seed), ("trial",), _scaled_by_person

    samples = _windows(seed + 3, subject_sd=0.6)
    folds = LeaveOneSubjectOut(3, 0.0, few_shot=4, random_state=seed).folds(samples.meta, samples.y)
    text = "A model is calibrated on four trials of each new person, which stand in no other part; their others test."
    yield text, samples, folds, ("trial",), partial(_fine_tuned, share=0.0)

    samples = _entropies(seed + 4, subject_sd=0.8, effect=2.0)
    text = "The threshold is chosen among 19 on a validation part of other people."
    folds = _split(samples, "subject", seed, validation=0.25)
    chosen = partial(_thresholded, tried=tuple(np.arange(1, 20) / 20), part="validation")
    yield text, samples, folds, ("subject",), chosen

    samples, rng = _entropies(seed + 5), np.random.default_rng(seed)
    codes = pd.factorize(samples.meta["subject"])[0]
    facts = rng.permutation(np.arange(19, 25))[codes], codes % 2
    samples = samples.replace(X=np.column_stack([samples.X, *facts]))
    text = "Two columns are age and sex, the same in all rows of a person, who has both labels equally often."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_forest)

    samples = _of_two_corpora(_windows(seed + 6), rng)
    text = "Two corpora with amplifiers of their own were merged; everyone has both labels equally often; new people."
    yield text, samples, _split(samples, "subject", seed), ("subject",), _plain

    samples = _windows(seed + 7)
    trials = _rows_of_some_trials(samples, 0.25, seed).reshape(-1, 8)
    X = samples.X.copy()
    for rows, electrode in zip(trials, rng.integers(X.shape[1], size=len(trials)), strict=True):
        X[rows, electrode] = 0
    text = "One electrode is dead, exactly zero, in each of a quarter of the trials, whatever their label."
    yield text, samples.replace(X=X), _split(samples, "trial", seed), ("trial",), partial(_plain, model=_forest)

    samples = _windows(seed + 8, window=4.0, seconds=4.0, montage="deap32", null=True)
    text = "Spatial patterns and a model on them are fitted to training rows; no effect in the signals."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_after_spatial_patterns, share=0.0)

    samples = _windows(seed + 9)
    rate, phase = rng.uniform(1.0, 1.6, (len(samples), 1, 1)), rng.uniform(0, 2 * np.pi, (len(samples), 1, 1))
    pulse = np.sin(phase + 2 * np.pi * rate * np.arange(_SFREQ) / _SFREQ) + 0.1 * rng.standard_normal(
        (len(samples), 1, _SFREQ)
    )
    X: dict[str, Any] = {"eeg": samples.X, "pulse": pulse.astype(np.float32)}
    samples = samples.replace(X=X, y=np.where(samples.y == 1, "happy", "calm"))
    text = "EEG and pulse are two modalities, labels are words; new stimuli."
    yield text, samples, _split(samples, "stimulus", seed), ("stimulus",), _of_both_modalities
