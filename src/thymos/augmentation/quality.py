"""How good generated samples are (methods A6): as varied as real ones, in the right place, and no copies of them.

Held-out samples are real ones that the generator never saw. No measure here has a scale of its own: each stands beside
what real training samples reach against the same held-out ones at the same number, which is the best that a generator
trained on them may hope for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.base.random import child_seed, generator

__all__ = [
    "ALL",
    "BAD",
    "DOUBTFUL",
    "GOOD",
    "Quality",
    "Transfer",
    "copied",
    "density_coverage",
    "frechet_distance",
    "gan_report",
    "memorisation",
    "mmd2",
    "tstr_trts",
]

GOOD, DOUBTFUL, BAD = "good", "doubtful", "bad"
#: All classes together.
ALL = "all"
_GAP = "not measured"

_BANDWIDTHS = (0.5, 1.0, 2.0, 4.0, 8.0)  # of the median distance
_MOST = 1000  # rows of one side of anything that is quadratic in them
_SHOWN = 300  # points of each part in the embedding
_DIRECTIONS = 32  # of the Fréchet distance
_COLUMNS = 512  # that the fixed classifier is given
_FAR = 1e6  # standard deviations at which a value is cut off, so that its square is a number

# decisions, not laws: from where on a difference to the real value counts
_SMALL = 0.02  # squared MMD of a shift of about a third of a standard deviation of every feature
_CLEARLY = 0.8  # of the ratio that real rows reach
_SIGNIFICANT = 0.01
_CLOSE = (0.05, 0.10)  # shares of rows that are closer than 1 % of real ones, and as copies are
_TAUGHT = 0.05  # balanced accuracy above chance from which on a classifier has learnt something


def mmd2(X: np.ndarray, G: np.ndarray, permutations: int = 0, seed: int = 0) -> tuple[float, float]:
    """Squared maximum mean discrepancy, unbiased, with a mixture of Gaussian kernels.

    The kernel is the mean of ``exp(-d^2 / (2 s^2))`` over five bandwidths s: the median distance between different
    rows of both together, times 1/2, 1, 2, 4 and 8. It is 0 for the same distribution, give or take what chance adds
    on either side, and at most 2.

    Parameters
    ----------
    X : ndarray, shape (n_real, ...)
        Real samples in a fixed feature space.
    G : ndarray, shape (n_generated, ...)
        Generated ones.
    permutations : int
        Of rows between both sides, for the p-value; 0 for none.
    seed : int

    Returns
    -------
    value : float
    p : float
        Share of permutations with a value as large, the observed one among them; NaN without permutations. Rows count
        as independent: where they are windows of trials, real windows of other trials differ significantly too.

    Raises
    ------
    InputError
        If there are fewer than two rows on a side, values are missing, or all rows are the same.

    Notes
    -----
    A. Gretton et al.: A kernel two-sample test. Journal of Machine Learning Research 13, 2012, equation 3.
    """
    X, G = _pair(X, G)
    return _mmd2(euclidean_distances(np.concatenate([X, G]), squared=True), len(X), permutations, seed)


def _mmd2(squared: np.ndarray, n_real: int, permutations: int, seed: int) -> tuple[float, float]:
    """Return value and p of squared distances between all rows, real ones first."""
    n = len(squared)
    middle = float(np.median(squared[np.triu_indices(n, 1)]))
    if middle <= 0:
        raise InputError("Most rows are the same.", fits="rows that differ")
    kernel = np.zeros(squared.shape)
    for share in _BANDWIDTHS:
        kernel += np.exp(-squared / (2 * middle * share**2)) / len(_BANDWIDTHS)
    np.fill_diagonal(kernel, 0)
    sides = np.zeros((n, 1 + permutations))
    sides[:n_real] = 1
    rng = generator(seed, "mmd2")
    for k in range(permutations):
        sides[:, k + 1] = sides[rng.permutation(n), 0]
    of_real, of_all = kernel @ sides, kernel.sum()
    real = (sides * of_real).sum(axis=0)
    across = of_real.sum(axis=0) - real
    made, m = of_all - real - 2 * across, n - n_real
    values = real / (n_real * (n_real - 1)) + made / (m * (m - 1)) - 2 * across / (n_real * m)
    p = float(np.mean(values >= values[0] - 1e-12)) if permutations else np.nan
    return float(values[0]), p


def frechet_distance(X: np.ndarray, G: np.ndarray) -> float:
    """Squared Fréchet distance between Gaussians with the means and covariances of two sets of samples.

    ``|mean_x - mean_g|^2 + tr(C_x + C_g - 2 (C_x C_g)^(1/2))``. From few rows it is much too large, even between two
    draws of the same distribution, and from fewer rows than columns it says nothing: quote the value of real against
    real samples at the same numbers beside it.

    Parameters
    ----------
    X : ndarray, shape (n_real, ...)
    G : ndarray, shape (n_generated, ...)

    Returns
    -------
    float
        In squared units of the features.

    Raises
    ------
    InputError
        As :func:`mmd2`.

    Notes
    -----
    D. C. Dowson, B. V. Landau: The Fréchet distance between multivariate normal distributions. Journal of Multivariate
    Analysis 12, 1982, equation 4; for generators M. Heusel et al., NeurIPS 2017, equation 6.
    """
    X, G = (part.astype(np.float64) for part in _pair(X, G))
    means = [part.mean(axis=0) for part in (X, G)]
    # with C = R'R, the eigenvalues of C_x C_g are the squared singular values of R_x R_g'
    roots: list[Any] = [  # with this mode arrays, whatever the stub says
        np.linalg.qr((part - mean) / np.sqrt(len(part) - 1), mode="r") for part, mean in zip((X, G), means, strict=True)
    ]
    shared = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    traces = sum(np.square(root).sum() for root in roots)
    return max(0.0, float(np.square(means[0] - means[1]).sum() + traces - 2 * shared))


def density_coverage(X: np.ndarray, G: np.ndarray, k: int = 5) -> tuple[float, float]:
    """Density and coverage: whether generated samples lie among real ones, and whether real ones have some nearby.

    With r(x) the distance of a real sample to its k-th real neighbour, density is the mean number of balls around real
    samples that a generated one lies in, over k, and coverage the share of real samples whose ball holds a generated
    one. Density of a good generator is about 1, more where samples crowd in the middle; coverage is at most 1, and
    shrinks when whole regions are left out.

    Parameters
    ----------
    X : ndarray, shape (n_real, ...)
    G : ndarray, shape (n_generated, ...)
    k : int
        Neighbours.

    Returns
    -------
    density, coverage : float

    Raises
    ------
    InputError
        As :func:`mmd2`, and if there are no more than k real samples.

    Notes
    -----
    M. F. Naeem et al.: Reliable fidelity and diversity metrics for generative models. ICML 2020, section 3.2.
    """
    X, G = _pair(X, G)
    if not 1 <= k < len(X):
        raise InputError(f"k={k!r} came for {len(X)} real rows.", fits="neighbours, fewer than there are real rows")
    among, across = euclidean_distances(X, squared=True), euclidean_distances(X, G, squared=True)
    return _density_coverage(among, across, k, np.arange(len(X)))


def _density_coverage(among: np.ndarray, across: np.ndarray, k: int, trials: np.ndarray) -> tuple[float, float]:
    """Return both of squared distances among real rows and from real to generated ones.

    Neighbours are of another trial, as long as there are k of these.
    """
    _, codes, counts = np.unique(trials, return_inverse=True, return_counts=True)
    same = codes[:, None] == codes if counts.max() + k <= len(codes) else np.eye(len(codes), dtype=bool)
    radius = np.partition(np.where(same, np.inf, among), k - 1, axis=1)[:, k - 1]
    inside = across <= radius[:, None]
    return float(inside.sum() / (k * across.shape[1])), float(inside.any(axis=1).mean())


def memorisation(
    train: np.ndarray, held: np.ndarray, generated: np.ndarray, held_trials: Any = None, seed: int = 0
) -> dict[str, Any]:
    """Whether generated samples are training samples again.

    For a generated sample the distance to the nearest training sample is divided by that to the nearest held-out one.
    Without memory both would be alike, if it were not that there are more training than held-out samples, so that the
    nearest is nearer, and that held-out samples are of other trials, whose windows resemble their own kind. The ratio
    is therefore not compared with 1 but with that of real samples, which meet the same training samples and the same
    held-out ones: held-out samples are halved by trial, and those of either half are looked at as if they had been
    generated, against the other half. Drawing training samples down to the number of held-out ones would make the
    ratio 1 as well, but copies of what was not drawn would pass unseen.

    A second comparison is with training samples themselves, each left out in turn. A generator that starts from
    training samples may make new windows of their trials, which is less than new trials, but no copy.

    Parameters
    ----------
    train : ndarray, shape (n_train, ...)
        All samples that the generator was trained on, in a fixed feature space.
    held : ndarray, shape (n_held, ...)
        Real samples that it never saw.
    generated : ndarray, shape (n_generated, ...)
    held_trials : array-like, shape (n_held,), optional
        Trial of each held-out sample; rows are independent without it.
    seed : int
        Of the halves, and of the 1000 rows at most that are looked at of each part; all training samples are
        candidates, and 2000 held-out ones.

    Returns
    -------
    dict
        ``ratio``: its median over generated samples; ``new_trials``: that of real samples of further held-out trials,
        NaN with a single one; ``same_trials``: that of training samples to the nearest other one; ``p_new``,
        ``p_same``: that the ratio is below these (one-sided Wilcoxon test), and ``p``, the first of them that there is;
        ``close``: share of generated samples that are closer to a training sample than 1 % of training samples are to
        another, and ``close_new``, the same of held-out ones; ``copies``: the share of those among them that are nearer
        to it, by a ratio that 1 % of real samples have, than to held-out ones, which what resembles everything is not;
        ``nearer_than_new``, ``nearer_than_same``: whether the
        ratio is clearly below, by a fifth with p < 0.01; ``memorised``: below all that there is.

    Raises
    ------
    InputError
        If there are fewer than two training or four held-out samples, or as :func:`mmd2`.

    Notes
    -----
    Distances to training against held-out samples as in C. Meehan, K. Chaudhuri, S. Dasgupta: A non-parametric test to
    detect data-copying in generative models. AISTATS 2020, section 2. Where windows overlap, left-out training samples
    have near copies of themselves and the second comparison is blind.
    """
    return _memory(train, held, generated, held_trials, seed)[0]


def copied(found: dict[str, Any]) -> dict[str, Any]:
    """Return what :func:`memorisation` found, ``memorised`` also where a good share alone are copies."""
    return found | {"memorised": bool(found["memorised"] or found["copies"] > _CLOSE[1])}


def _memory(train: Any, held: Any, generated: Any, held_trials: Any, seed: int) -> tuple[dict[str, Any], dict]:
    """Return what :func:`memorisation` does, and distances to the nearest training sample by part."""
    train, G = _pair(train, generated)
    held = _pair(train, held)[1]
    # a row that is there twice, as in many pairs, would be its own nearest neighbour and hide every copy
    train = train[np.sort(np.unique(train, axis=0, return_index=True)[1])]
    if len(held) < 4:
        raise InputError(f"{len(held)} held-out rows came.", fits="four at least")
    trials = np.arange(len(held)) if held_trials is None else _column("held_trials", held_trials, len(held))
    some = _drawn(len(held), 2 * _MOST, seed, "held")
    held, halves = held[some], _halves(trials[some], generator(seed, "halves"))
    G = G[_drawn(len(G), _MOST, seed, "generated")]
    left_out = _drawn(len(train), _MOST, seed, "left out")

    to_train = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(train)
    to_held = [NearestNeighbors(n_neighbors=1, algorithm="brute").fit(held[half]) for half in halves]
    two, which = to_train.kneighbors(train[left_out], 2)
    other = np.where(which[:, 0] == left_out, two[:, 1], two[:, 0])  # of copies, the first may be another row
    nearest = {"generated": to_train.kneighbors(G)[0][:, 0], "held-out": to_train.kneighbors(held)[0][:, 0]}
    nearest["training"] = other
    tiny = 1e-6 * max(float(np.median(other)), 1e-6)

    def logs(distances: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(distances, tiny, dtype=np.float64))

    def from_held(X: np.ndarray) -> np.ndarray:
        return np.mean([logs(half.kneighbors(X)[0][:, 0]) for half in to_held], axis=0)

    made, same, new = logs(nearest["generated"]) - from_held(G), logs(other) - from_held(train[left_out]), np.empty(0)
    if len(halves) == 2:
        across = [logs(to_held[1 - k].kneighbors(held[half])[0][:, 0]) for k, half in enumerate(halves)]
        new = logs(nearest["held-out"])[np.concatenate(halves)] - np.concatenate(across)
    limit = np.percentile(other, 1)
    close = nearest["generated"] <= limit
    found = {
        "ratio": _median(made),
        "new_trials": _median(new),
        "same_trials": _median(same),
        "p_new": _below(made, new),
        "p_same": _below(made, same),
        "close": float(np.mean(close)),
        "copies": float(np.mean(close & (made < np.percentile(new if len(new) else same, 1)))),
        "close_new": float(np.mean(nearest["held-out"] <= limit)),
    }
    for kind in ("new", "same"):
        below = found["ratio"] < _CLEARLY * found[f"{kind}_trials"]
        found[f"nearer_than_{kind}"] = below and found[f"p_{kind}"] < _SIGNIFICANT
    alone = len(halves) == 1
    found["p"] = found["p_same"] if alone else found["p_new"]
    found["memorised"] = found["nearer_than_same"] and (alone or found["nearer_than_new"])
    return found, nearest


def _median(logs: np.ndarray) -> float:
    return float(np.exp(np.median(logs))) if len(logs) else np.nan


def _below(logs: np.ndarray, reference: np.ndarray) -> float:
    """Return p of the one-sided test that values lie below the median of a reference."""
    if not len(reference):
        return np.nan
    away = logs - np.median(reference)
    return float(wilcoxon(away, alternative="less", zero_method="zsplit", method="asymptotic").pvalue)


def _halves(trials: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the rows of two halves that share no trial, or all rows where there is one trial."""
    names, codes, counts = np.unique(trials, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return [np.arange(len(trials))]
    order = rng.permutation(len(names))
    first = np.cumsum(counts[order]) - counts[order] / 2 < len(trials) / 2
    first[0], first[-1] = True, False  # one trial at least in each
    inside = np.isin(codes, order[first])
    return [np.flatnonzero(inside), np.flatnonzero(~inside)]


class Transfer(NamedTuple):
    """Balanced accuracy of one classifier on real and generated samples, trained on either.

    Parameters
    ----------
    trtr : float
        Trained on real, tested on real samples: the reference.
    tstr : float
        Trained on synthetic, tested on real samples: whether they teach what real ones do.
    trts : float
        Trained on real, tested on synthetic samples: whether they look like the class that they are said to be.
    """

    trtr: float
    tstr: float
    trts: float


def tstr_trts(
    train: tuple[np.ndarray, Any], held: tuple[np.ndarray, Any], generated: tuple[np.ndarray, Any]
) -> Transfer:
    """Train on synthetic, test on real, and the other way round.

    The classifier is fixed: linear discriminant analysis with Ledoit and Wolf's shrinkage and equal priors.

    Parameters
    ----------
    train, held, generated : (X, y)
        ``X`` of shape (n_samples, ...) in a fixed feature space, and labels. All three have the same classes. For a
        fair reference there are as many training as generated samples of each class.

    Returns
    -------
    Transfer

    Raises
    ------
    InputError
        If classes differ, or there is one only.

    Notes
    -----
    C. Esteban, S. L. Hyland, G. Rätsch: Real-valued (medical) time series generation with recurrent conditional GANs.
    arXiv:1706.02633, 2017, section 4.1.1. A low TSTR with a high TRTS is mode collapse: what is made is typical of its
    class, and always the same.
    """
    parts = [_part(name, part) for name, part in (("train", train), ("held", held), ("generated", generated))]
    classes = [sorted(set(y.tolist())) for _, y in parts]
    if len(classes[0]) < 2 or classes[0] != classes[1] or classes[0] != classes[2]:
        raise InputError(
            "The classes are " + "; ".join(", ".join(names) for names in classes) + ".",
            fits="the same ones among training, held-out and generated samples, two at least",
        )
    real, made = (_discriminant(X, y) for X, y in (parts[0], parts[2]))
    return Transfer(
        *(float(balanced_accuracy_score(y, model.predict(X))) for model, (X, y) in (
            (real, parts[1]), (made, parts[1]), (real, parts[2])
        ))
    )  # fmt: skip


def _discriminant(X: np.ndarray, y: np.ndarray) -> LinearDiscriminantAnalysis:
    n_classes = len(np.unique(y))
    equal = np.full(n_classes, 1 / n_classes)
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=equal).fit(X, y)


@dataclass(frozen=True, eq=False)
class Quality:
    """What was found about generated samples.

    Parameters
    ----------
    table : DataFrame
        One row per measure and class (``all``: all classes together): ``measure, class, value``, ``low`` and ``high``
        over draws; ``reference``, ``reference_low``, ``reference_high``: the same of real samples at the same number;
        ``p``; ``n`` rows on each side; ``verdict`` (``good``, ``doubtful``, ``bad``, or empty where nothing can be
        said) and ``words``.
    verdict : str
        The worst of the table.
    words : tuple of str
        What it comes from, in sentences.
    notes : tuple of str
        What a reader has to know about how it was measured.
    counts : dict
        Rows of each part: ``train, held, generated``, class to number.
    nearest : dict of str to ndarray
        Distances to the nearest training sample of ``generated``, ``held-out`` and (other) ``training`` samples, in
        standard deviations.
    embedding : DataFrame
        ``part, class, x, y``: some rows of each part on the two leading principal components of the training samples.
    explained : tuple of float
        Share of the variance of training samples on these two.
    """

    table: pd.DataFrame
    verdict: str
    words: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    nearest: Mapping[str, np.ndarray]
    embedding: pd.DataFrame
    explained: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return verdict, words, notes, counts and the rows of the table as plain values, None where there is none."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        plain = {key: list(getattr(self, key)) for key in ("words", "notes")}
        return {"verdict": self.verdict, **plain, "counts": {k: dict(v) for k, v in self.counts.items()}, "rows": rows}


@dataclass(frozen=True)
class _Row:
    """A row of the table."""

    measure: str
    of: str
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    reference: float = np.nan
    reference_low: float = np.nan
    reference_high: float = np.nan
    p: float = np.nan
    n: int = 0
    verdict: str = ""
    words: str = ""

    @classmethod
    def over(cls, measure: str, of: str, draws: Sequence[tuple[float, float]], **facts: Any) -> _Row:
        """Return the row of (value, reference) of several draws."""
        value, reference = np.array(draws, dtype=float).T
        ends = {"low": value.min(), "high": value.max()}
        ends |= {"reference_low": reference.min(), "reference_high": reference.max()}
        return cls(measure, of, value.mean(), reference=reference.mean(), **ends, **facts)


def gan_report(
    train: tuple[np.ndarray, Any],
    held: tuple[np.ndarray, Any],
    generated: tuple[np.ndarray, Any],
    held_trials: Any = None,
    k: int = 5,
    permutations: int = 200,
    draws: int = 5,
    seed: int = 0,
) -> Quality:
    """Measure generated samples against real ones in every way of this module, and say what it means.

    Samples are flattened and standardised by the training samples. Of every class as many training, held-out and
    generated samples are drawn as the fewest of the three (1000 at most), `draws` times. Generated against held-out
    samples are the value, training against held-out ones the reference; ``all`` are the draws of all classes together,
    so that other shares of classes are no difference. Where trials are known, neighbours of density and coverage are of
    other trials: windows of one trial lie so close together that training samples would be outside of every ball.
    The Fréchet distance is in as many random directions as a quarter of the rows, 32 at most, since a covariance needs
    rows; the classifier is given 512 at most.

    Parameters
    ----------
    train, held, generated : (X, y)
        ``X`` of shape (n_samples, ...), features or whatever else distances mean something in, and labels. `train` is
        all that the generator was trained on; `held` are real samples that it never saw.
    held_trials : array-like, shape (n_held,), optional
        Trial of each held-out sample; see :func:`memorisation`.
    k : int
        Neighbours of :func:`density_coverage`. A class with fewer than 2 k samples in a part is not measured.
    permutations : int
        Of :func:`mmd2`, on the first draw.
    draws : int
    seed : int

    Returns
    -------
    Quality

    Raises
    ------
    InputError
        If shapes, lengths or classes do not fit, values are missing, nothing varies, or no class has enough samples.
    """
    for name, value, least in (("k", k, 1), ("draws", draws, 1), ("permutations", permutations, 0)):
        check_whole(name, value, least)
    names = ("train", "held", "generated")
    parts = {name: _part(name, part) for name, part in zip(names, (train, held, generated), strict=True)}
    X, notes = _standardised({name: part[0] for name, part in parts.items()})
    y = {name: part[1] for name, part in parts.items()}
    classes = np.unique(y["train"]).tolist()
    if ALL in classes:
        raise InputError(f"A class is called {ALL!r}.", fits="another name, since this one is for all classes together")
    for name in ("held", "generated"):
        strange = sorted(set(y[name].tolist()) - set(classes))
        if strange:
            raise InputError(f"{strange[0]!r} among {name} is no class of training.", fits=", ".join(classes))
    counts = {name: {c: int((y[name] == c).sum()) for c in classes} for name in names}
    sizes = {c: min(min(counts[name][c] for name in names), _MOST) for c in classes}
    enough = [c for c in classes if sizes[c] >= 2 * k]
    if not enough:
        raise InputError(
            "No class has enough samples: " + "; ".join(f"{name} {counts[name]}" for name in names) + ".",
            fits=f"{2 * k} at least of one class in each part",
        )
    rows = [_Row(_GAP, c, words=_gap(counts, c, 2 * k)) for c in classes if c not in enough]
    trials = np.arange(len(X["held"])) if held_trials is None else _column("held_trials", held_trials, len(X["held"]))
    draw = _Draw(X, y, trials, {c: sizes[c] for c in enough}, seed)
    groups = [(c, [c]) for c in enough] + ([(ALL, enough)] if len(enough) > 1 else [])
    for of, members in groups:
        rows += _distances(draw, of, members, k, permutations, draws, seed)
    memory, nearest = _memory(X["train"], X["held"], X["generated"], held_trials, seed)
    rows += _memory_rows(memory, min(len(X["generated"]), _MOST))
    rows += _transfer_rows(draw, classes, enough, draws, seed)
    if draw.drawn_down:
        notes.append(f"Distances are between {_MOST} rows at most of each part, drawn {draws} times.")
    if held_trials is None:
        notes.append("Rows count as independent, since trials are not known.")
    elif np.isnan(memory["new_trials"]):
        notes.append("There is one held-out trial, so that nothing is known of real samples of further trials.")
    embedding, explained = _embedding(draw)
    table = pd.DataFrame([asdict(row) for row in rows]).rename(columns={"of": "class"})
    verdict, words = _verdict(rows)
    return Quality(table, verdict, words, tuple(notes), counts, nearest, embedding, explained)


def _part(name: str, part: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return samples as a table, shape (n_samples, n_features), and their labels as text."""
    if not isinstance(part, (tuple, list)) or len(part) != 2:
        raise InputError(f"{name} is a {type(part).__name__}.", fits="samples and their labels, (X, y)")
    X = _table(name, part[0])
    return X, _column(f"The labels of {name}", part[1], len(X))


def _table(name: str, X: Any) -> np.ndarray:
    X = X if isinstance(X, np.ndarray) else np.asarray(X) if isinstance(X, (list, tuple)) else np.empty(0, dtype=object)
    if X.dtype.kind not in "fiu" or X.ndim < 2 or not X.size:
        raise InputError(
            f"{name} came as {X.dtype} of shape {X.shape}.", fits="numbers, shape (n_samples, ...), one array"
        )
    X = X.reshape(len(X), -1)
    if not np.isfinite(X).all():
        raise InputError(
            f"{int((~np.isfinite(X)).any(axis=1).sum())} of {len(X)} rows of {name} have values that are no numbers.",
            fits="finite values",
            do="drop such rows first",
        )
    return X if X.dtype == np.float64 else X.astype(np.float32, copy=False)


def _column(name: str, values: Any, n: int) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (n,):
        raise InputError(f"{name} came with shape {values.shape}.", fits=f"({n},), one for each sample")
    return values.astype(str)


def _pair(X: Any, G: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return real and generated samples as tables that fit each other."""
    X, G = _table("the real samples", X), _table("the generated samples", G)
    if X.shape[1] != G.shape[1] or min(len(X), len(G)) < 2:
        raise InputError(
            f"{len(X)} real rows with {X.shape[1]} values and {len(G)} generated ones with {G.shape[1]} came.",
            fits="two rows or more of each, and the same values in both",
        )
    return X, G


def _standardised(X: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return all parts with mean 0 and standard deviation 1 in the training part, without what is constant there."""
    train, notes = X["train"], []
    for name in ("held", "generated"):
        if X[name].shape[1] != train.shape[1]:
            raise InputError(f"{name} has {X[name].shape[1]} values in a row.", fits=f"{train.shape[1]}, as in train")
    varies = train.min(axis=0) < train.max(axis=0)
    if not varies.any():
        raise InputError("All training rows are the same.", fits="rows that differ")
    if not varies.all():
        strange = int((X["generated"][:, ~varies] != train[0, ~varies]).any(axis=0).sum())
        notes.append(
            f"{int((~varies).sum())} of {len(varies)} features are constant in training and were left out; generated "
            f"samples have other values in {strange} of them."
        )
    mean = train[:, varies].mean(axis=0, dtype=np.float64)
    spread = train[:, varies].std(axis=0, dtype=np.float64)
    spread = np.where(spread > 0, spread, np.finfo(np.float64).tiny)
    made = {
        name: np.clip((part[:, varies] - mean) / spread, -_FAR, _FAR).astype(np.float32) for name, part in X.items()
    }
    return made, notes


@dataclass
class _Draw:
    """Draws of the same number of rows of each part, class by class."""

    X: dict[str, np.ndarray]
    y: dict[str, np.ndarray]
    trials: np.ndarray
    sizes: dict[str, int]
    seed: int
    drawn_down: bool = False

    def __call__(self, part: str, members: Sequence[str], number: int) -> np.ndarray:
        """Return rows of some classes, `number` being which draw; fewer of each where all would be too many."""
        return self.X[part][self.rows(part, members, number, _MOST)]

    def rows(self, part: str, members: Sequence[str], number: int, most: int, sizes: Any = None) -> np.ndarray:
        sizes = self.sizes if sizes is None else sizes
        total = sum(sizes[c] for c in members)
        chosen = []
        for c in members:
            size = sizes[c] if total <= most else max(2, sizes[c] * most // total)
            mine = np.flatnonzero(self.y[part] == c)
            self.drawn_down |= size < sizes[c] or size == _MOST
            rng = generator(self.seed, "draw", part, c, number)
            chosen.append(np.sort(rng.permutation(mine)[:size]))
        return np.concatenate(chosen)


def _drawn(n: int, most: int, seed: int, name: str) -> np.ndarray:
    return np.arange(n) if n <= most else np.sort(generator(seed, "some", name).permutation(n)[:most])


def _directions(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return random orthogonal directions, or all axes where there are no more, shape (n, n_directions).

    Principal components would be no fair choice: they follow the chance deviations of the rows they are taken from.
    """
    if n <= most:
        return np.eye(n, dtype=np.float32)
    return np.linalg.qr(rng.standard_normal((n, most)))[0].astype(np.float32)


def _distances(
    draw: _Draw, of: str, members: list[str], k: int, permutations: int, draws: int, seed: int
) -> list[_Row]:
    """Return the rows of MMD, Fréchet distance, density and coverage of some classes together."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ("mmd2", "frechet", "density", "coverage")}
    p = [np.nan, np.nan]
    for number in range(draws):
        chosen = draw.rows("held", members, number, _MOST)
        held, trials = draw.X["held"][chosen], draw.trials[chosen]
        n = len(held)
        directions = _directions(held.shape[1], min(_DIRECTIONS, max(1, n // 4)), generator(seed, "directions", number))
        pairs = {name: [0.0, 0.0] for name in found}
        for side, part in enumerate(("generated", "train")):
            other = draw(part, members, number)
            squared = euclidean_distances(np.concatenate([held, other]), squared=True)
            value, chance = _mmd2(squared, n, 0 if number else permutations, seed)
            p[side] = p[side] if number else chance
            density, coverage = _density_coverage(squared[:n, :n], squared[:n, n:], k, trials)
            distance = frechet_distance(held @ directions, other @ directions)
            for name, one in zip(found, (value, distance, density, coverage), strict=True):
                pairs[name][side] = one
        for name, pair in pairs.items():
            found[name].append((pair[0], pair[1]))
    rows = {name: _Row.over(name, of, pairs, n=n) for name, pairs in found.items()}
    return [
        _graded(rows["mmd2"], _of_mmd2(rows["mmd2"], *p), p=p[0]),
        _graded(rows["frechet"], _of_frechet(rows["frechet"], directions.shape)),
        _graded(rows["density"], _of_density(rows["density"])),
        _graded(rows["coverage"], _of_coverage(rows["coverage"])),
    ]


def _graded(row: _Row, said: tuple[str, str], **facts: Any) -> _Row:
    return _Row(**{**asdict(row), "verdict": said[0], "words": said[1], **facts})


def _of_mmd2(row: _Row, p: float, p_real: float) -> tuple[str, str]:
    real = f"; real training rows against held-out ones: p = {p_real:.2g}" if np.isfinite(p_real) else ""
    if row.value <= 1.25 * max(row.reference_high, 0.0) or not p < 0.05:
        return GOOD, f"as close to held-out rows as real training rows are{real}"
    if row.value > _SMALL and row.value > 2 * row.reference_high:
        return BAD, f"another distribution than real rows{real}"
    return DOUBTFUL, f"not quite the distribution of real rows{real}"


def _of_frechet(row: _Row, shape: tuple[int, int]) -> tuple[str, str]:
    on = f"in {shape[1]} {'random directions' if shape[1] < shape[0] else 'features'}"
    if row.value <= max(1.25 * row.reference, row.reference_high):
        return GOOD, f"means and covariances as of real rows, {on}"
    if row.value > max(2 * row.reference, row.reference_high):
        return BAD, f"other means or covariances than real rows, {on}"
    return DOUBTFUL, f"means or covariances somewhat off, {on}"


def _of_density(row: _Row) -> tuple[str, str]:
    if row.reference < 0.05:
        return "", "real training rows do not lie among held-out ones either"
    share = row.value / row.reference
    if share > 1.33:
        return DOUBTFUL, "crowded where real rows are densest, less varied than these"
    if share >= 0.75:
        return GOOD, "lies among held-out rows as real training rows do"
    return (DOUBTFUL if share >= 0.5 else BAD), "much of it lies where there are no real rows"


def _of_coverage(row: _Row) -> tuple[str, str]:
    if row.reference < 0.05:
        return "", "real training rows do not cover held-out ones either"
    share = row.value / row.reference
    if share >= 0.8:
        return GOOD, "reaches as many held-out rows as real training rows do"
    return (DOUBTFUL if share >= 0.5 else BAD), "some kinds of real rows are never made"


def _memory_rows(memory: dict[str, Any], n: int) -> list[_Row]:
    """Return the rows of the ratio and of the share that is too close."""
    new, same, p = memory["new_trials"], memory["same_trials"], memory["p"]
    real = f"real rows of new trials have {new:.2f}, " if np.isfinite(new) else ""
    real += f"left-out training rows {same:.2f}"
    if memory["memorised"]:
        verdict, words = BAD, f"copies of training rows, much nearer to them than real rows are ({real})"
    elif memory["nearer_than_new"]:
        verdict, words = DOUBTFUL, f"no copies, but nearer to the trials trained on than new trials are ({real})"
    elif memory["nearer_than_same"]:
        verdict, words = DOUBTFUL, f"nearer to training rows than these are to each other ({real})"
    else:
        verdict, words = GOOD, f"no nearer to training rows than real rows are ({real})"
    reference = same if np.isnan(new) else new
    ratio = _Row("memorisation", ALL, memory["ratio"], reference=reference, p=p, n=n, verdict=verdict, words=words)
    share, copies, real = memory["close"], memory["copies"], memory["close_new"]
    low, high = (max(limit, 2 * real) for limit in _CLOSE)
    words = "closer to a training row than 1 % of training rows are to another"
    if share > low:  # what is dull resembles everything, and is no copy
        words += f"; {copies:.0%} of all rows as copies are, much nearer to it than to held-out rows"
    verdict = GOOD if share <= low else BAD if copies > high else DOUBTFUL
    return [ratio, _Row("close", ALL, share, reference=real, n=n, verdict=verdict, words=words)]


def _transfer_rows(draw: _Draw, classes: list[str], enough: list[str], draws: int, seed: int) -> list[_Row]:
    """Return the rows of train on synthetic, test on real, and the reverse, of the classes that are generated."""
    if len(enough) < 2:
        words = "a classifier cannot be trained on generated rows of fewer than two classes"
        return [_Row(name, ALL, words=words) for name in ("tstr", "trts")]
    among = f", of {', '.join(enough)}" if len(enough) < len(classes) else ""
    classes, X = enough, draw.X
    if X["train"].shape[1] > _COLUMNS:
        directions = _directions(X["train"].shape[1], _COLUMNS, generator(seed, "columns"))
        X = {name: part @ directions for name, part in X.items()}
    sizes = {c: min(int((draw.y[name] == c).sum()) for name in ("train", "generated")) for c in classes}
    n, found = sum(sizes.values()), []
    held = np.flatnonzero(np.isin(draw.y["held"], classes))
    for number in range(draws):
        drawn = {name: draw.rows(name, classes, number, n, sizes) for name in ("train", "generated")}
        drawn["held"] = held
        parts = ((X[name][drawn[name]], draw.y[name][drawn[name]]) for name in ("train", "held", "generated"))
        found.append(tstr_trts(*parts))
    rows = {name: _Row.over(name, ALL, [(getattr(f, name), f.trtr) for f in found], n=n) for name in ("tstr", "trts")}
    certain = 2 * np.sqrt((len(classes) - 1) / len(np.unique(draw.trials[held]))) / len(classes)
    judged = {name: _of_transfer(name, row, 1 / len(classes), certain) for name, row in rows.items()}
    return [_graded(row, (judged[name][0], judged[name][1] + among)) for name, row in rows.items()]


def _of_transfer(name: str, row: _Row, chance: float, certain: float) -> tuple[str, str]:
    """Judge by what is left of what real rows teach; `certain` is what chance seldom reaches in so few trials."""
    learnt, kept = row.reference - chance, row.value - chance
    if learnt < max(_TAUGHT, certain):
        few = f"; with so few held-out trials {chance + certain:.2f} would be more" if certain > _TAUGHT else ""
        return "", f"real training rows teach no more than chance about held-out ones either ({chance:.2f}{few})"
    verdict = GOOD if kept >= 0.75 * learnt else DOUBTFUL if kept >= 0.5 * learnt else BAD
    if name == "tstr":
        words = {
            GOOD: "teaches a classifier what real rows teach",
            DOUBTFUL: "teaches a classifier less than real rows",
            BAD: "teaches a classifier little of what real rows teach",
        }[verdict]
    elif verdict == GOOD:
        clearer = kept > 1.25 * learnt
        words = "looks like its class" + (", more clearly than held-out real rows do" if clearer else "")
    else:
        words = "does not look like the class that was asked for"
    return verdict, f"{words} (chance {chance:.2f})"


def _embedding(draw: _Draw) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Return some rows of every part on the two leading components, and the share of variance on these."""
    train = draw.X["train"][_drawn(len(draw.X["train"]), 4 * _MOST, draw.seed, "axes")]
    axes = PCA(min(2, *train.shape), random_state=child_seed(draw.seed, "axes")).fit(train)
    tables = []
    for part, name in (("train", "training"), ("held", "held-out"), ("generated", "generated")):
        rows = _drawn(len(draw.X[part]), _SHOWN, draw.seed, part)
        places = axes.transform(draw.X[part][rows])[:, :2]
        places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
        tables.append(pd.DataFrame({"part": name, "class": draw.y[part][rows], "x": places[:, 0], "y": places[:, 1]}))
    shares = np.r_[axes.explained_variance_ratio_[:2], 0.0][:2]
    return pd.concat(tables, ignore_index=True), (float(shares[0]), float(shares[1]))


def _gap(counts: Mapping[str, Mapping[str, int]], c: str, least: int) -> str:
    """Say why a class is not measured."""
    if not counts["generated"][c]:
        return f"{c}: not measured, nothing of it was generated"
    names = (("train", "training"), ("held", "held-out"), ("generated", "generated"))
    listed = ", ".join(f"{counts[part][c]} {name}" for part, name in names)
    return f"{c}: not measured, with {listed} samples; {least} of each are needed"


_NAMES = {"tstr": "training on synthetic rows", "trts": "testing on synthetic rows"}

#: What is said of a verdict in one sentence, by measure, worst first.
_SENTENCES: dict[str, Callable[[_Row], str]] = {
    "memorisation": lambda row: (
        f"Distance to the nearest training over that to the nearest held-out row: {row.value:.2f}; {row.words}."
    ),
    "close": lambda row: (
        f"{100 * row.value:.0f} % of the samples are {row.words} (held-out rows: {100 * row.reference:.0f} %)."
    ),
    "tstr": lambda row: (
        f"Trained on, they reach a balanced accuracy of {row.value:.2f} on held-out rows, real ones "
        f"{row.reference:.2f}: {row.words}."
    ),
    "trts": lambda row: (
        f"Their classes are recognised with {row.value:.2f}, those of held-out rows with "
        f"{row.reference:.2f}: {row.words}."
    ),
    "coverage": lambda row: f"Coverage {row.value:.2f} (real {row.reference:.2f}): {row.words}.",
    "density": lambda row: f"Density {row.value:.2f} (real {row.reference:.2f}): {row.words}.",
    "mmd2": lambda row: f"MMD\N{SUPERSCRIPT TWO} {row.value:.3f} (real {row.reference:.3f}): {row.words}.",
    "frechet": lambda row: f"Fréchet distance {row.value:.1f} (real {row.reference:.1f}): {row.words}.",
}


def _verdict(rows: list[_Row]) -> tuple[str, tuple[str, ...]]:
    """Return the worst verdict, and what it comes from in sentences, the worst first."""
    whole = {row.measure: row for row in rows if row.of == ALL}
    for row in rows:  # with one class there is no row of all
        if row.measure != _GAP:
            whole.setdefault(row.measure, row)
    graded = [whole[name] for name in _SENTENCES if name in whole and whole[name].verdict]
    classes = [row for row in rows if row.of != ALL and row not in graded and row.verdict == BAD]
    worst = next((v for v in (BAD, DOUBTFUL) if any(row.verdict == v for row in graded)), GOOD)
    worst = DOUBTFUL if worst == GOOD and classes else worst
    heads = {
        BAD: "Bad: not what new real samples would be.",
        DOUBTFUL: "Doubtful: much like new real samples, with reservations.",
        GOOD: "Good: by these measures like further real samples.",
    }
    lines = [heads[worst]]
    if {row.measure for row in graded if row.verdict == BAD} in (
        {"memorisation"},
        {"close"},
        {"memorisation", "close"},
    ):
        lines.append("They are training rows again. As noise on real rows they may still be of use in training.")
    tstr, trts = whole.get("tstr"), whole.get("trts")
    if tstr is not None and trts is not None and tstr.verdict == BAD and trts.verdict == GOOD:
        lines.append("Train on synthetic, test on real is low and the reverse is high: the generator has collapsed.")
    lines += [_SENTENCES[row.measure](row) for v in (BAD, DOUBTFUL) for row in graded if row.verdict == v]
    by_class: dict[str, list[str]] = {}
    for row in classes:
        if whole[row.measure].verdict != BAD:
            by_class.setdefault(row.of, []).append(row.measure)
    lines += [f"Of class {of} alone, bad by {', '.join(names)}." for of, names in by_class.items()]
    lines += [f"{row.words[0].upper()}{row.words[1:]}." for row in rows if row.measure == _GAP]
    silent: dict[str, list[str]] = {}
    for row in whole.values():
        if not row.verdict:
            silent.setdefault(row.words, []).append(_NAMES.get(row.measure, row.measure))
    lines += [f"Nothing can be said by {' and '.join(names)}: {words}." for words, names in silent.items()]
    if worst == GOOD:
        lines += [_SENTENCES[row.measure](row) for row in graded if row.measure in ("memorisation", "tstr")]
    return worst, tuple(lines)
