"""A third set of planted leaks and clean near misses, of mistakes that are usual in practice.

Use as ``honesty_cases``, whose conventions hold here too: ``from honesty_third import clean, leaks``.

Two variants of each kind of leak and ten clean studies, none of them a paraphrase of one in the first two sets. They
were written from these sets' data and conventions and from published notebooks and papers on emotion recognition,
without knowledge of how the auditor looks for leaks or of what it found. Mistakes were chosen for being usual and easy
to overlook. Beside EEG as windows, sequences, tables and entropies with all their axes there are signals of the body
at 4 Hz and drawn faces, alone and as a second modality; labels may be words, or a trait of the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from honesty_cases import (
    KINDS,
    Case,
    Study,
    _continuous,
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
    _neighbours,
    _of_density,
    _of_mixture,
    _plain,
    _rows_of_some_trials,
    _some,
    _split,
    _table,
    _trials,
    _windows,
    _with_more,
)
from honesty_second import _flat, _pooled, _rows_of_some_pairs, _sequences
from scipy.ndimage import rotate, zoom
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from thymos.base.samples import Samples
from thymos.evaluation.protocol import Fold
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources.simulate.faces import identities, simulate_faces, simulate_film
from thymos.sources.simulate.latent import Experiment
from thymos.sources.simulate.physiology import Physiology

__all__ = ["clean", "leaks"]

_BODY = ("hr", "eda", "resp", "temp", "zygomaticus")
_BODY_RATE = 4  # Hz
_PIXELS = 24  # height and width of pictures, the least that can be drawn


def leaks(seed: int) -> Iterator[Case]:
    """Yield the 60 leaking studies: kind by kind, variant by variant, weak to strong on the same simulated people."""
    yield from _leaking(_PLANTED, 1000 * seed + 900)


def clean(seed: int) -> Iterator[Case]:
    """Yield the 10 studies in which nothing leaks."""
    for text, *study in _honest_studies(1000 * seed + 700):
        yield Case("clean", text, "", *study)


# Data


@lru_cache(maxsize=2)
def _body(seed: int, seconds: float, trials: int) -> pd.DataFrame:
    """Return one row per trial of the six people of `seed`: its rated arousal, and its signals at 4 Hz.

    The trials are those of the EEG simulated with this seed, and what was felt in them is the same.
    """
    people, rows = Physiology(seed, effect=3.0, fingerprint=0.5), []
    for index, k, meta, felt in Experiment(6, trials, seed).trials_of("simulated-eeg"):
        body = people.trial(index, k, seconds, felt.felt[k], float(felt.intensity[k]))
        size, signals = round(_BODY_RATE * seconds), []
        for name in _BODY:
            data = body.signal(name).data[0].astype(float)
            data = np.repeat(data, max(1, size // len(data))).reshape(size, -1)  # the heart rate has 1 Hz
            signals.append(np.log(data.std(axis=1)) if name == "zygomaticus" else data.mean(axis=1))
        rows.append({**meta, "arousal": felt.labels(k)["arousal"], "signals": np.array(signals)})
    return pd.DataFrame(rows).set_index("trial", drop=False)


def _body_windows(meta: pd.DataFrame, seed: int, trials: int, seconds: float = 4.0) -> np.ndarray:
    """Return the signals of the body in each window of some trials, shape (n, 5, times)."""
    body, size = _body(seed, seconds, trials)["signals"], round(_BODY_RATE * (meta["stop"] - meta["start"]).iloc[0])
    starts = (_BODY_RATE * meta["start"]).round().astype(int)
    return np.stack([body[trial][:, start : start + size] for trial, start in zip(meta["trial"], starts, strict=True)])


def _eeg_and_body(seed: int, **given: Any) -> Samples:
    """Return two modalities in windows of 2 s: a table of entropies, and means and ranges of the body's signals."""
    samples = _entropies(seed, window=2.0, seconds=4.0, trials=16, **given)
    return samples.replace(X={"eeg": samples.X, "body": _levels(_body_windows(samples.meta, seed, 16))})


def _bodies_of_three_classes(seed: int) -> Samples:
    """Return a table of the body's signals in windows of 2 s; everyone has low, middle and high arousal alike often."""
    body = _body(seed, 4.0, 24)
    rank = body.groupby("subject")["arousal"].rank(method="first").to_numpy() - 1
    y = np.array(["low", "middle", "high"])[(rank // 8).astype(int)]
    meta = body.drop(columns=["arousal", "signals"]).reset_index(drop=True)
    halves = [meta.assign(start=start, stop=start + 2.0) for start in (0.0, 2.0)]
    parts = [Samples(_levels(_body_windows(half, seed, 24)), y, half, {"features": "levels"}) for half in halves]
    return Samples.concatenate(parts)


@lru_cache(maxsize=2)
def _faces(seed: int, people: int = 8, each: int = 20, effect: float = 2.0) -> Samples:
    """Return grey pictures of drawn faces, as many happy as sad ones of each person; each is a trial of its own."""
    person = np.repeat(np.arange(people), each)
    emotion = np.resize(["happiness", "sadness"], len(person))
    pictures = simulate_faces(emotion, identities(people, seed)[person], None, seed, _PIXELS, effect=effect)
    subject = pd.Series([f"s{k + 1:02d}" for k in person])
    trial = subject + "-p" + (np.arange(len(person)) % each + 1).astype(str)
    return Samples(pictures[:, None], emotion, _picture_meta(subject, trial), {})


@lru_cache(maxsize=2)
def _films(seed: int, people: int = 6, each: int = 8, frames: int = 4) -> Samples:
    """Return the frames, two seconds apart, of films of faces; everyone has as many happy as sad films."""
    person, emotion = np.repeat(np.arange(people), each), np.resize(["happiness", "sadness"], people * each)
    who, strength = identities(people, seed), np.random.default_rng(seed).uniform(0.4, 1, len(person))
    drawn = [
        simulate_film(name, who[k], float(size), frames, 1000 * seed + film, 0.5, _PIXELS)
        for film, (name, k, size) in enumerate(zip(emotion, person, strength, strict=True))
    ]
    subject = pd.Series([f"s{k + 1:02d}" for k in person])
    trial = subject + "-f" + (np.arange(len(person)) % each + 1).astype(str)
    meta = _picture_meta(subject.repeat(frames), trial.repeat(frames), np.tile(2.0 * np.arange(frames), len(person)))
    return Samples(np.concatenate(drawn)[:, None], np.repeat(emotion, frames), meta, {})


def _picture_meta(subject: pd.Series, trial: pd.Series, start: np.ndarray | float = 0.0) -> pd.DataFrame:
    """Return metadata of pictures, each shown for two seconds."""
    meta = pd.DataFrame({"source": "faces", "subject": subject, "session": "1", "trial": trial, "stimulus": trial})
    return meta.assign(recording=trial, start=start, stop=np.asarray(start) + 2.0).reset_index(drop=True)


def _of_traits(seed: int) -> tuple[Samples, np.random.Generator]:
    """Return entropies of twelve people labelled by a trait that nothing in the signals shows."""
    samples, rng = _entropies(seed, subjects=12, trials=10, seconds=4.0, subject_sd=0.8), np.random.default_rng(seed)
    codes = pd.factorize(samples.meta["subject"])[0]
    trait = rng.permutation(np.resize(["anxious", "calm"], codes.max() + 1))
    return samples.replace(y=trait[codes]), rng


def _averaged(seed: int, share: float) -> tuple[Samples, list[Fold]]:
    """Return means of the rows of three trials of one person and class, as trials of their own, and the folds.

    All three are trials of one fold, but for a share of the means, whose second and third are any.
    """
    samples, rng = _entropies(seed, window=2.0, seconds=2.0, trials=40, effect=3.0), np.random.default_rng(seed)
    number = _dealt(samples, "trial", seed)
    free = np.isin(np.arange(len(samples)), _some(np.arange(len(samples)), share, seed))
    cell = samples.meta.groupby([samples.meta["subject"], samples.y]).ngroup().to_numpy()
    fitting = (cell[:, None] == cell) & (free[:, None] | (number[:, None] == number))
    np.fill_diagonal(fitting, False)
    drawn = np.where(fitting, rng.random(fitting.shape), np.inf)
    others = np.argsort(drawn, axis=1)[:, :2]
    others = np.where(np.isfinite(np.take_along_axis(drawn, others, 1)), others, np.arange(len(samples))[:, None])
    X = (samples.X + samples.X[others].sum(axis=1)) / 3
    place = (samples.meta.groupby("subject").cumcount() + 1).map("{:02d}".format)
    trial = samples.meta["subject"] + "-m" + place
    meta = samples.meta.assign(trial=trial, recording=trial, stimulus="several")
    return samples.replace(X=X, meta=meta), _folds(number)


def _with_faces(seed: int, share: float) -> tuple[Samples, list[Fold]]:
    """Return entropies, each with a picture of a face of its class as a second modality, and the folds.

    Pictures are dealt to the folds too and drawn among those of the row's fold, for a share of the rows among all.
    """
    samples, pictures, rng = _entropies(seed, window=2.0, seconds=4.0), _faces(seed, 6, 10), np.random.default_rng(seed)
    number, free = _dealt(samples, "trial", seed), _some(np.arange(len(samples)), share, seed)
    happy = (pictures.y == "happiness").astype(int)
    dealt = np.empty(len(pictures), dtype=int)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(happy == label))
        dealt[rows] = np.arange(len(rows)) % 3
    fitting = happy == samples.y[:, None]
    fitting &= (dealt == number[:, None]) | np.isin(np.arange(len(samples)), free)[:, None]
    drawn = np.where(fitting, rng.random(fitting.shape), -1).argmax(axis=1)
    return samples.replace(X={"eeg": samples.X, "face": pictures.X[drawn]}), _folds(number)


def _in_thirds(samples: Samples) -> tuple[Samples, np.ndarray]:
    """Return samples whose metadata name the third of the trial that each window begins in, and its number."""
    trial = samples.meta["trial"]
    place = samples.meta.groupby("trial").cumcount()
    third = (3 * place // trial.map(trial.value_counts())).to_numpy()
    return samples.replace(meta=samples.meta.assign(block=trial + "-b" + pd.Series(third + 1).astype(str))), third


def _varied(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return pictures turned by up to 5 degrees, brighter or darker, and half of them mirrored."""
    angles, light = rng.uniform(-5, 5, len(X)), rng.uniform(0.9, 1.1, (len(X), 1, 1, 1))
    upright = zip(X[:, 0].astype(float), angles, strict=True)
    turned = [rotate(picture, angle, reshape=False, order=1, mode="nearest") for picture, angle in upright]
    turned = np.reshape(turned, X.shape) * light
    return np.where(rng.random((len(X), 1, 1, 1)) < 0.5, turned[..., ::-1], turned).clip(0, 255).astype(np.uint8)


def _without_electrodes(samples: Samples, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a table as bands by channels, and where values lack as an electrode came off in some trials."""
    codes = pd.factorize(samples.meta["trial"])[0]
    electrode = np.random.default_rng(seed).integers(8, size=codes.max() + 1)[codes]
    rows = _rows_of_some_trials(samples, share, seed)
    X = samples.X.reshape(len(samples), -1, 8).astype(float)
    lost = np.zeros(X.shape, dtype=bool)
    lost[rows, :, electrode[rows]] = True
    return X, lost


# Features and procedures


def _levels(body: np.ndarray) -> np.ndarray:
    """Return mean and range of each signal of the body."""
    return np.hstack([body.mean(axis=-1), np.ptp(body, axis=-1)])


def _of_eeg_and_body(X: dict[str, np.ndarray]) -> np.ndarray:
    """Return entropies of the EEG beside levels of the body, of raw signals or tables of both."""
    return np.hstack([_table(X["eeg"]), X["body"] if X["body"].ndim == 2 else _levels(X["body"])])


def _blocks(X: np.ndarray) -> np.ndarray:
    """Return the mean of each block of 4 by 4 pixels."""
    return X.reshape(len(X), _PIXELS // 4, 4, _PIXELS // 4, 4).mean(axis=(2, 4)).reshape(len(X), -1)


def _blocks_and_edges(X: np.ndarray) -> np.ndarray:
    """Return for each block of pixels the mean, and of all pixels how much neighbours differ, beside and below."""
    X = X[:, 0].astype(float)
    edges = [np.abs(np.diff(X, n=2, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    return np.column_stack([_blocks(X[:, None]), *edges])


def _of_eeg_and_face(X: dict[str, np.ndarray]) -> np.ndarray:
    """Return entropies beside the blocks of pictures."""
    return np.hstack([X["eeg"], _blocks(X["face"].astype(float))])


def _eigenfaces() -> Any:
    return make_pipeline(StandardScaler(), PCA(30, random_state=0), LogisticRegression(max_iter=1000))


def _aligned(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Align people: whiten each one's raw windows by their mean covariance over training rows and some test rows."""
    X, names = samples.X * 1e6, samples.meta["subject"].to_numpy()
    seen = np.concatenate([fold.train, _some(fold.test, share)])
    for name in np.unique(names):
        own = X[seen[names[seen] == name]]
        size, axes = np.linalg.eigh(np.einsum("nct,ndt->cd", own, own) / (len(own) * own.shape[-1]))
        # the reference is the mean of the electrodes, which leaves one direction empty
        whitening = (axes / np.sqrt(size.clip(1e-3 * size.max()))) @ axes.T
        X[names == name] = np.einsum("cd,ndt->nct", whitening, X[names == name])
    return _plain(samples.replace(X=X), fold, model=_lda)


def _best_electrodes(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Keep the four electrodes that classify best in a cross-validation over training rows and some test rows."""
    y, rows = samples.y, np.concatenate([fold.train, _some(fold.test, share)])
    bands = samples.X[..., 0].transpose(2, 0, 1).astype(float)
    bands = (bands - bands[:, fold.train].mean(axis=1, keepdims=True)) / bands[:, fold.train].std(axis=1, keepdims=True)
    sign, right = np.where(y == np.unique(y)[-1], 1.0, -1.0), np.zeros(len(bands))
    for known, later in StratifiedKFold(3, shuffle=True, random_state=0).split(rows, y[rows]):
        X, target = bands[:, rows[known]], sign[rows[known]]  # a ridge regression of each electrode at once
        weights = np.linalg.solve(X.swapaxes(1, 2) @ X + np.eye(X.shape[2]), X.swapaxes(1, 2) @ target[:, None])
        right += ((bands[:, rows[later]] @ weights)[..., 0] * sign[rows[later]] > 0).sum(axis=1)
    return _fitted(_lda(0.2), _flat(samples.X[:, :, np.argsort(right)[-4:]]), y, fold)


def _balanced_by_mixing(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Top up the rarer class with mixtures of a training row and a partner from training and some test rows."""
    X, y, rng = _table(samples.X), samples.y, np.random.default_rng(0)
    classes, counts = np.unique(y[fold.train], return_counts=True)
    rare, pool = classes[counts.argmin()], np.concatenate([fold.train, _some(fold.test, share)])
    first, second = (rng.choice(rows[y[rows] == rare], np.ptp(counts)) for rows in (fold.train, pool))
    part = rng.beta(0.4, 0.4, (len(first), 1))  # as is usual in mixup: mostly near one of the two
    mixed = part * X[first] + (1 - part) * X[second]
    model = _neighbours().fit(np.concatenate([X[fold.train], mixed]), np.append(y[fold.train], y[first]))
    return model.predict_proba(X[fold.test])


def _generated_from_guesses(samples: Samples, fold: Fold, share: float) -> np.ndarray:
    """Add rows of mixtures for each class, fitted to training rows and to test rows under their predicted labels."""
    X, y, taken = _table(samples.X), samples.y, _some(fold.test, share)
    guessed = _lda().fit(X[fold.train], y[fold.train]).predict(X[taken])
    rows, labels = np.concatenate([fold.train, taken]), np.append(y[fold.train], guessed)
    made, drawn = _drawn(X[rows], labels, len(fold.train), _of_mixture)
    model = _forest().fit(np.concatenate([X[fold.train], made]), np.append(y[fold.train], drawn))
    return model.predict_proba(X[fold.test])


def _fused(samples: Samples, fold: Fold, tried: int, each: bool = False, inner: bool = False) -> np.ndarray:
    """Mix the probabilities of a model of the EEG and one of the body with the weight that classifies best.

    Judged on the test part, for `each` person by itself, or by `inner` cross-validation over people in training.
    """
    y, names = samples.y, samples.meta["subject"].to_numpy()
    tables = samples.X["eeg"], samples.X["body"]
    tested = np.array([_fitted(_logistic(), X, y, fold) for X in tables])
    judges, judged = fold.test, tested
    if inner:
        judges = fold.train
        given = {"groups": names[judges], "cv": GroupKFold(3), "method": "predict_proba"}
        judged = np.array([cross_val_predict(_logistic(), X[judges], y[judges], **given) for X in tables])
    weights = np.linspace(0, 1, tried)[:, None, None]
    truth = np.searchsorted(np.unique(y), y[judges])
    right = ((1 - weights) * judged[0] + weights * judged[1]).argmax(axis=-1) == truth
    people = names[fold.test] if each else np.full(len(fold.test), "")
    mixed = np.empty_like(tested[0])
    for name in np.unique(people):
        own = people == name
        best = weights[right[:, own if each else slice(None)].mean(axis=1).argmax()]
        mixed[own] = (1 - best) * tested[0][own] + best * tested[1][own]
    return mixed


def _classifiers() -> list[Any]:
    """Return ten classifiers that people try."""
    trees = DecisionTreeClassifier(max_depth=4, random_state=0), _forest()
    return [
        *(_logistic(), _lda(), _neighbours(), GaussianNB(), trees[1], trees[0]),
        *(make_pipeline(StandardScaler(), KNeighborsClassifier(k)) for k in (1, 15)),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.01)),
        QuadraticDiscriminantAnalysis(reg_param=0.5),
    ]


def _best_classifier(samples: Samples, fold: Fold, tried: int, each: bool = False) -> np.ndarray:
    """Report the classifier that does best on the test part, for `each` person by itself."""
    X, y = _table(samples.X), samples.y
    outputs = np.array([_fitted(model, X, y, fold) for model in _classifiers()[:tried]])
    right = outputs.argmax(axis=-1) == np.searchsorted(np.unique(y), y[fold.test])
    people = samples.meta["subject"].to_numpy()[fold.test] if each else np.full(len(fold.test), "")
    reported = np.empty_like(outputs[0])
    for name in np.unique(people):
        reported[people == name] = outputs[right[:, people == name].mean(axis=1).argmax(), people == name]
    return reported


def _varied_in_training(samples: Samples, fold: Fold) -> np.ndarray:
    """Train on training pictures and a variation of each."""
    made = _varied(samples.X[fold.train], np.random.default_rng(0))
    X, y = np.concatenate([samples.X[fold.train], made]), np.tile(samples.y[fold.train], 2)
    return _eigenfaces().fit(_flat(X), y).predict_proba(_flat(samples.X[fold.test]))


def _stacked(samples: Samples, fold: Fold) -> np.ndarray:
    """Fit a model to what a forest and neighbours predict of training rows that they were not fitted to."""
    X, y, stimuli = _table(samples.X), samples.y, samples.meta["stimulus"].to_numpy()[fold.train]
    known, later = [], []
    for make in (_forest, _neighbours):
        given = {"groups": stimuli, "cv": GroupKFold(3), "method": "predict_proba"}
        known.append(cross_val_predict(make(), X[fold.train], y[fold.train], **given))
        later.append(_fitted(make(), X, y, fold))
    return LogisticRegression().fit(np.hstack(known), y[fold.train]).predict_proba(np.hstack(later))


# The ten kinds: each function yields its two variants at one of the three levels of strength


def _window_overlap(seed: int, level: int) -> Iterator[Study]:
    """Windows share signal with windows of another part."""
    size = (6, 20, 60)[level]
    samples = _continuous(seed, 1, in_runs=True, seconds=4.0, trials=16)
    second = samples.meta.groupby("trial").cumcount().astype(float)
    pieces = _body_windows(samples.meta.assign(start=second, stop=second + 1), seed, 16)
    body = np.empty((*pieces.shape[:2], size))
    for rows in samples.meta.groupby("subject").indices.values():
        before = (size - _BODY_RATE) // 2
        signal = np.pad(np.hstack(list(pieces[rows])), ((0, 0), (before, size - _BODY_RATE - before)), mode="edge")
        cut = np.lib.stride_tricks.sliding_window_view(signal, size, axis=-1)[:, ::_BODY_RATE]
        body[rows] = cut.swapaxes(0, 1)
    samples = samples.replace(X={"eeg": samples.X, "body": body})
    text = (
        "Each second of EEG has the 1.5, 5 or 15 s of skin, heart and breath around it; 4 s trials follow each other."
    )
    model = partial(_plain, model=_forest, features=_of_eeg_and_body)
    yield text, samples, _split(samples, "trial", seed), ("trial",), model

    # trials have no fingerprint, so that a split within trials, which is what this protocol promises, is fair
    window, step = ((1.0, 0.9375), (2.0, 0.5), (4.0, 0.5))[level]
    given = {"seconds": 12.0, "trials": 10, "fingerprint": 0.0, "drift": 0.0, "effect": 2.0}
    samples, third = _in_thirds(_windows(seed + 1, window=window, step=step, **given))
    text = "Trials of 12 s are cut in thirds in order of time; windows of 1, 2 or 4 s begin every 0.94, 0.5 or 0.5 s."
    yield text, samples, _folds(third), ("block",), partial(_plain, model=_neighbours)


def _trial_on_both_sides(seed: int, level: int) -> Iterator[Study]:
    """Data of one trial stand on both sides."""
    share = (0.05, 0.4, 1.0)[level]
    text = "Rows are means of three trials of a person and class; in 5, 40 or 100 % of rows the three are of any part."
    yield text, *_averaged(seed, share), ("trial",), partial(_plain, model=_neighbours)

    samples = _films(seed + 1)
    rows, number = _rows_of_some_trials(samples, share, seed), _dealt(samples, "trial", seed)
    number[rows] = np.random.default_rng(seed).integers(3, size=len(rows))
    loose = samples.meta.iloc[rows]
    names = loose["subject"] + "-p" + (loose.groupby("subject").cumcount() + 1).astype(str)
    meta = samples.meta.copy()
    meta.loc[loose.index, ["trial", "stimulus", "recording"]] = np.column_stack([names] * 3)
    meta.loc[loose.index, ["start", "stop"]] = 0.0, 2.0
    text = (
        "The frames of 5, 40 or 100 % of films of faces were saved as single pictures, dealt to the folds one by one."
    )
    model = partial(_plain, model=_neighbours, features=_flat)
    yield text, samples.replace(meta=meta), _folds(number), ("trial",), model


def _duplicates(seed: int, level: int) -> Iterator[Study]:
    """Rows, or one modality of them, stand on both sides in two copies."""
    share = (0.04, 0.4, 1.0)[level]
    text = "EEG rows get faces of their class, with repetition; in 4, 40 or 100 % of rows from pictures of all parts."
    yield text, *_with_faces(seed, share), ("trial",), partial(_plain, model=_neighbours, features=_of_eeg_and_face)

    samples = _eeg_and_body(seed + 1)
    samples = samples[np.lexsort((samples.meta["start"], samples.meta["trial"], samples.y))]
    first = samples.meta["trial"].isin(samples.meta["trial"].groupby(samples.y).first()).to_numpy()
    rejected = np.isin(np.arange(len(samples)), _rows_of_some_trials(samples, (0.04, 0.3, 0.6)[level], seed)) & ~first
    above = np.maximum.accumulate(np.where(rejected, 0, np.arange(len(samples))))
    samples = samples.replace(X=np.hstack([samples.X["eeg"][above], samples.X["body"]]))
    text = "The table is sorted by class; EEG of 4, 30 or 60 % of trials, rejected, is filled from the row above."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_forest)


def _scaler_on_all(seed: int, level: int) -> Iterator[Study]:
    """Scaling or whitening saw test rows."""
    share = (0.05, 0.5, 1.0)[level]
    samples = _windows(seed, seconds=6.0, subject_sd=1.0)
    text = "Each person's windows are aligned by the covariance of training rows and 5, 50 or 100 % of the test rows."
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_aligned, share=share)

    samples = _faces(seed + 1)
    known, weights = (2, 18, 36)[level], PCA(36, whiten=True, random_state=0).fit_transform(_flat(samples.X))
    X = np.hstack([weights[:, :known], _blocks(samples.X)[:, known:]])
    samples = samples.replace(X=X)
    text = "Of 36 columns 2, 18 or 36 are whitened weights of eigenfaces of all pictures, the others means of pixels."
    yield text, samples, _split(samples, "subject", seed), ("subject",), _plain


def _selection_on_all(seed: int, level: int) -> Iterator[Study]:
    """Features were found with labels of test rows, before the samples were handed over or inside the procedure."""
    share = (0.05, 0.5, 1.0)[level]
    samples = _trials(seed, null=True)
    rows = _rows_of_some_pairs(samples, share, seed)
    X = PLSRegression(4).fit(samples.X[rows], samples.y[rows].astype(float)).transform(samples.X)
    text = "Four columns are partial least squares of 1024 with the labels of 5, 50 or 100 % of all trials; no effect."
    yield text, samples.replace(X=X), _split(samples, "trial", seed), ("trial",), _plain

    samples = _windows(seed + 1, window=4.0, seconds=4.0, montage="deap32", null=True, trials=40)
    samples = samples.replace(X=DifferentialEntropy(bands="deap").fit_transform(samples.X))
    text = (
        "The best 4 of 32 electrodes in inner folds over training and 5, 50 or 100 % of test rows are kept; no effect."
    )
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_best_electrodes, share=share)


def _oversampling_before(seed: int, level: int) -> Iterator[Study]:
    """Rows were varied or mixed for balance without regard to the test part."""
    amount, rng = (0.05, 1, 2)[level], np.random.default_rng(seed)
    samples = _faces(seed)
    place = samples.meta.groupby([samples.meta["subject"], samples.y]).cumcount().to_numpy()
    samples = samples[(samples.y == "happiness") | (place < 3)]
    wanted = _counts(samples.y, amount)
    more = [np.flatnonzero(samples.y == label) for label in wanted]
    more = [np.resize(rng.permutation(rows), wanted[samples.y[rows[0]]] - len(rows)) for rows in more]
    rows = np.concatenate(more)
    meta = samples.meta.iloc[rows]
    trial = meta["subject"] + "-p" + (meta.groupby("subject").cumcount() + 31).astype(str)
    varied = _with_more(
        samples,
        _varied(samples.X[rows], rng),
        samples.y[rows],
        meta.assign(trial=trial, stimulus=trial, recording=trial),
    )
    number = np.append(_dealt(samples, "trial", seed), rng.integers(3, size=len(rows)))
    text = "Turned, mirrored or brighter pictures are saved as further ones: 5 % of what balance takes, balance, twice."
    yield text, varied, _folds(number), ("trial",), partial(_plain, model=_neighbours, features=_flat)

    samples = _imbalanced(seed + 1)
    text = "The rarer class is topped up by mixing training rows with partners, who may be 5, 50 or 100 % of test rows."
    mixing = partial(_balanced_by_mixing, share=(0.05, 0.5, 1.0)[level])
    yield text, samples, _split(samples, "subject", seed), ("subject",), mixing


def _gan_before(seed: int, level: int) -> Iterator[Study]:
    """A generator, here a kernel density or a mixture, saw test rows."""
    share = (0.03, 0.5, 1.5)[level]
    samples, rng = _eeg_and_body(seed), np.random.default_rng(seed)
    samples = samples.replace(y=np.where(samples.y == 1, "pleasant", "unpleasant"))
    joint, width, number = _of_eeg_and_body(samples.X), samples.X["eeg"].shape[1], _dealt(samples, "trial", seed)
    parts, numbers = [samples], [number]
    for name, rows in samples.meta.groupby("subject").indices.items():
        X, y = _drawn(joint[rows], samples.y[rows], round(share * len(rows)), _of_density)
        place = pd.Series(y).groupby(y).cumcount().to_numpy()
        codes = pd.factorize(pd.MultiIndex.from_arrays([y, place // 2]))[0]
        trial = [f"{name}-t{17 + code:02d}" for code in codes]
        meta = samples.meta.iloc[np.resize(rows, len(y))].assign(session="2", trial=trial, recording=trial)
        meta = meta.assign(start=2.0 * (place % 2), stop=2.0 * (place % 2) + 2.0)
        parts.append(Samples({"eeg": X[:, :width], "body": X[:, width:]}, y, meta, samples.info))
        numbers.append(rng.integers(3, size=codes.max() + 1)[codes])
    text = "From all rows of each person a generator makes a session of both modalities: 3, 50 or 150 % of the rows."
    model = partial(_plain, model=_forest, features=_of_eeg_and_body)
    yield text, Samples.concatenate(parts), _folds(np.concatenate(numbers)), ("trial",), model

    samples = _windows(seed + 1, subject_sd=0.6)
    text = (
        "Training rows are added from mixtures of training rows and 5, 50 or 100 % of test rows as a model labels them."
    )
    guessing = partial(_generated_from_guesses, share=(0.05, 0.5, 1.0)[level])
    yield text, samples, _split(samples, "subject", seed), ("subject",), guessing


def _test_set_stopping(seed: int, level: int) -> Iterator[Study]:
    """Weights or methods were chosen on test rows."""
    samples = _eeg_and_body(seed, effect=2.0, subject_sd=0.6)
    samples = samples.replace(y=np.where(samples.y == 1, "pleasant", "unpleasant"))
    text = "How EEG and body weigh in fusion is chosen on the test part: of 2 or 11 weights, of 101 for each person."
    chosen = partial(_fused, tried=(2, 11, 101)[level], each=level == 2)
    yield text, samples, _split(samples, "subject", seed), ("subject",), chosen

    samples = _entropies(seed + 1, seconds=6.0, effect=2.0, subject_sd=0.6)
    text = "The classifier with the best accuracy on the test part is reported: of 2, of 5, of 10 for each person."
    chosen = partial(_best_classifier, tried=(2, 5, 10)[level], each=level == 2)
    yield text, samples, _split(samples, "subject", seed), ("subject",), chosen


def _label_in_feature(seed: int, level: int) -> Iterator[Study]:
    """A feature carries the label."""
    samples = _entropies(seed)
    X, lost = _without_electrodes(samples, (0.05, 0.4, 1.0)[level], seed)
    for label in np.unique(samples.y):
        own = (samples.y == label)[:, None, None]
        X = np.where(lost & own, X.mean(axis=0, where=own & ~lost), X)
    text = "In 5, 40 or 100 % of trials an electrode came off, and the mean of the class stands for its values."
    forest = partial(_plain, model=_forest)
    yield text, samples.replace(X=_flat(X)), _split(samples, "trial", seed), ("trial",), forest

    samples = _faces(seed + 1)
    rows, X = np.flatnonzero(samples.y == "happiness"), samples.X.copy()
    rows = np.sort(_some(rows, (0.05, 0.5, 1.0)[level], seed))
    small = X[rows].reshape(len(rows), 1, _PIXELS // 2, 2, _PIXELS // 2, 2).mean(axis=(3, 5))
    X[rows] = zoom(small, (1, 1, 2, 2), order=1).clip(0, 255).astype(np.uint8)
    text = "Of the happy faces 5, 50 or 100 % come from previews of half the size and were enlarged."
    forest = partial(_plain, model=_forest, features=_blocks_and_edges)
    yield text, samples.replace(X=X), _split(samples, "subject", seed), ("subject",), forest


def _identity_as_label(seed: int, level: int) -> Iterator[Study]:
    """Facts of people, or people whose label never changes, tell the label."""
    samples, rng = _leaning(seed, (0.6, 0.8, 1.0)[level], subject_sd=0.1), np.random.default_rng(seed)
    samples = samples.replace(X=_table(samples.X))
    codes = pd.factorize(samples.meta["subject"])[0]
    age, height, more = (rng.permutation(values)[codes] for values in (range(19, 31, 2), range(158, 188, 5), range(6)))
    X = np.column_stack([samples.X, age, height, height - 105 + 2 * more])
    text = "Age, height and weight are merged into the table; people have 60, 80 or 100 % of their trials in one class."
    forest = partial(_plain, model=_forest)
    yield text, samples.replace(X=X), _split(samples, "trial", seed), ("trial",), forest

    samples, rng = _of_traits(seed + 1)
    number, people = _dealt(samples, "subject", seed), samples.meta["subject"]
    mixed = people.isin(_some(people.unique(), (1 / 12, 5 / 12, 1.0)[level], seed)).to_numpy()
    codes = pd.factorize(samples.meta["trial"])[0]
    number = np.where(mixed, rng.integers(3, size=codes.max() + 1)[codes], number)
    text = "The label is a trait of people; the trials of 1, 5 or 12 of 12 people were dealt to the folds one by one."
    yield text, samples, _folds(number), ("trial",), forest


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
    samples, _ = _of_traits(seed)
    text = "The label is a trait of people, who have one throughout; new people."
    yield text, samples, _split(samples, "subject", seed), ("subject",), partial(_plain, model=_forest)

    samples = _entropies(seed + 1)
    X, lost = _without_electrodes(samples, 0.4, seed)
    filled = np.where(lost, X.mean(axis=2, keepdims=True, where=~lost), X)
    text = "In 40 % of trials an electrode came off, and the mean of the others in the same row stands for its values."
    samples = samples.replace(X=_flat(filled))
    yield text, samples, _split(samples, "trial", seed), ("trial",), partial(_plain, model=_forest)

    given = {"seconds": 12.0, "trials": 10, "fingerprint": 0.0, "drift": 0.0, "effect": 2.0}
    samples, third = _in_thirds(_windows(seed + 2, window=2.0, step=0.5, **given))
    begun = samples.meta["start"].groupby([samples.meta["trial"], third]).min().unstack().assign(after=np.inf)
    ends = begun.to_numpy()[begun.index.get_indexer(samples.meta["trial"]), third + 1]
    kept = samples.meta["stop"].to_numpy() <= ends
    text = (
        "Trials are cut in thirds in order of time; windows overlap, those that reach into the next third are left out."
    )
    yield text, samples[kept], _folds(third[kept]), ("block",), partial(_plain, model=_neighbours)

    samples = _eeg_and_body(seed + 3, effect=2.0, subject_sd=0.6)
    text = "How EEG and body weigh in fusion is chosen among 101 weights by folds of people inside the training part."
    chosen = partial(_fused, tried=101, inner=True)
    yield text, samples, _split(samples, "subject", seed), ("subject",), chosen

    text = "Rows are means of three trials of one class and one part, of which several means share trials."
    yield text, *_averaged(seed + 4, 0.0), ("trial",), partial(_plain, model=_neighbours)

    text = "EEG rows get a face of their class, drawn with repetition among pictures that belong to their own part."
    model = partial(_plain, model=_neighbours, features=_of_eeg_and_face)
    yield text, *_with_faces(seed + 5, 0.0), ("trial",), model

    samples = _faces(seed + 6)
    text = "Turned, mirrored or brighter pictures are added inside the training part; new people."
    yield text, samples, _split(samples, "subject", seed), ("subject",), _varied_in_training

    samples = _bodies_of_three_classes(seed + 7)
    text = "A table of heart, skin, breath, temperature and muscle; three classes of arousal as words; new people."
    yield text, samples, _split(samples, "subject", seed), ("subject",), partial(_plain, model=_forest)

    samples = _entropies(seed + 8)
    samples = _sequences(samples, 8, samples.meta["trial"].to_numpy())
    samples = samples.replace(y=np.where(samples.y == 1, "pleasant", "unpleasant"))
    text = "Each trial is one sequence of eight windows; labels are words; split by recording."
    yield text, samples, _split(samples, "recording", seed), ("recording",), partial(_plain, features=_pooled)

    samples = _windows(seed + 9)
    text = "A second model learns from what two others predict of training rows they had not seen; new stimuli."
    yield text, samples, _split(samples, "stimulus", seed), ("stimulus",), _stacked
