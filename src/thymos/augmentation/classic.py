"""Samplers without a network: each synthetic sample is a simple change of one real sample or of two.

They are also the controls that a generative sampler has to beat.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import fft
from sklearn.neighbors import NearestNeighbors

from thymos.augmentation.base import Augmenter
from thymos.base.checks import check_number, check_whole
from thymos.base.errors import InputError

__all__ = [
    "BandDropout",
    "ElectrodeDropout",
    "FourierSurrogate",
    "Jitter",
    "Mixup",
    "Oversample",
    "Smote",
]


class Oversample(Augmenter):
    """Real samples of the class, repeated at random.

    Adds no knowledge, only weight, and is what every other sampler is to be compared with.

    Parameters
    ----------
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`.
    """

    def draw(
        self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, label: Any, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change copies of samples drawn with replacement; see :meth:`Augmenter.draw`."""
        parents = rng.choice(np.flatnonzero(y == label), count)
        return self.change(X[parents], rng), parents

    def change(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return what becomes of copies of real samples, shape (n_samples, ...); here nothing."""
        return samples


class Jitter(Oversample):
    """Real samples of the class with Gaussian noise.

    Parameters
    ----------
    scale : float
        Standard deviation of the noise as a share of that of each feature over the training samples of all classes.
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`.

    Attributes
    ----------
    deviation_ : ndarray, shape of a sample
        Standard deviation of each feature, in its unit.
    """

    def __init__(
        self,
        scale: float = 0.1,
        ratio: float = 0.5,
        sampling_strategy: Any = None,
        weight: float = 1.0,
        random_state: Any = None,
    ):
        super().__init__(ratio, sampling_strategy, weight, random_state)
        self.scale = scale

    def check(self) -> None:
        """Refuse a negative scale."""
        super().check()
        check_number("scale", self.scale)

    def learn(self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, rng: np.random.Generator) -> None:
        """Learn the standard deviation of each feature."""
        self.deviation_ = X.std(axis=0, dtype=np.float64)

    def change(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the samples, shape (n_samples, ...), with noise."""
        noise = rng.standard_normal(samples.shape, dtype=_drawn(samples))
        noise *= (self.scale * self.deviation_).astype(noise.dtype)
        return samples + noise


class Mixup(Augmenter):
    """Weighted means of two different samples of one class.

    x = l x1 + (1 - l) x2 with l ~ Beta(alpha, alpha) (Zhang et al. 2018, equation in section 2). They mix classes, and
    labels by the same share; here both samples are of one class, so that the label is kept. The first parent is the
    one with the larger share, which leaves the distribution as it is.

    Parameters
    ----------
    alpha : float
        Above 0; the smaller, the nearer to one of the two.
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`.
    """

    def __init__(
        self,
        alpha: float = 0.2,
        ratio: float = 0.5,
        sampling_strategy: Any = None,
        weight: float = 1.0,
        random_state: Any = None,
    ):
        super().__init__(ratio, sampling_strategy, weight, random_state)
        self.alpha = alpha

    def check(self) -> None:
        """Refuse an alpha that is not positive."""
        super().check()
        check_number("alpha", self.alpha, low=np.nextafter(0, 1))

    def draw(
        self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, label: Any, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix pairs drawn with replacement; see :meth:`Augmenter.draw`."""
        rows = _several(y, label)
        first = rng.integers(len(rows), size=count)
        second = (first + rng.integers(1, len(rows), size=count)) % len(rows)
        share = rng.beta(self.alpha, self.alpha, size=count)
        parents = rows[np.stack([first, second], axis=1)]
        return _between(X, parents, np.minimum(share, 1 - share)), parents


class Smote(Augmenter):
    """Random points on the lines from samples to nearest neighbours of their class (Chawla et al. 2002, section 4.2).

    As imbalanced-learn's, but it says which samples each one was made from. Distances are Euclidean over all values
    of a sample, so features should be scaled before.

    Parameters
    ----------
    neighbours : int
        How many nearest neighbours of the class one is drawn from; all others where the class has fewer.
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`.
    """

    def __init__(
        self,
        neighbours: int = 5,
        ratio: float = 0.5,
        sampling_strategy: Any = None,
        weight: float = 1.0,
        random_state: Any = None,
    ):
        super().__init__(ratio, sampling_strategy, weight, random_state)
        self.neighbours = neighbours

    def check(self) -> None:
        """Refuse a number of neighbours below 1."""
        super().check()
        check_whole("neighbours", self.neighbours)

    def draw(
        self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, label: Any, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw points between neighbours; see :meth:`Augmenter.draw`."""
        rows = _several(y, label)
        search = NearestNeighbors(n_neighbors=min(self.neighbours, len(rows) - 1))
        near = search.fit(X[rows].reshape(len(rows), -1)).kneighbors(return_distance=False)  # of each but itself
        first = rng.integers(len(rows), size=count)
        second = near[first, rng.integers(near.shape[1], size=count)]
        parents = rows[np.stack([first, second], axis=1)]
        return _between(X, parents, rng.random(count)), parents


class _Dropout(Oversample):
    """Real samples of the class in which a random share of the entries of one axis is set to the training mean."""

    #: Number of axes of the samples to the axis that is dropped from, and what its entries are.
    _axes: ClassVar[dict[int, int]]
    _entries: str

    def __init__(
        self,
        low: float = 0.1,
        high: float = 0.5,
        ratio: float = 0.5,
        sampling_strategy: Any = None,
        weight: float = 1.0,
        random_state: Any = None,
    ):
        super().__init__(ratio, sampling_strategy, weight, random_state)
        self.low = low
        self.high = high

    def check(self) -> None:
        """Refuse shares outside 0 to 1 and a range that is none."""
        super().check()
        check_number("low", self.low, high=1.0)
        check_number("high", self.high, low=self.low, high=1.0)

    def learn(self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, rng: np.random.Generator) -> None:
        """Learn the mean of each feature."""
        axis = self._axes.get(X.ndim)
        if axis is None or X.shape[axis] < 2:
            raise InputError(
                f"{type(self).__name__} was given samples of shape {X.shape[1:]}.",
                fits=f"two {self._entries} or more, in samples with {' or '.join(str(n - 1) for n in self._axes)} axes",
            )
        self.mean_ = X.mean(axis=0, dtype=np.float64)

    def change(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the samples, shape (n_samples, ...), without some entries."""
        axis = self._axes[samples.ndim]
        count, size = len(samples), samples.shape[axis]
        share = rng.uniform(self.low, self.high, size=(count, 1))
        dropped = np.rint(share * size).clip(1, size - 1)
        gone = rng.permuted(np.tile(np.arange(size), (count, 1)), axis=1) < dropped
        shape = [count, *(size if k == axis else 1 for k in range(1, samples.ndim))]
        return np.where(gone.reshape(shape), self.mean_.astype(samples.dtype), samples)


class ElectrodeDropout(_Dropout):
    """Real samples of the class in which a random share of the electrodes is lost.

    A lost electrode has the mean over the training samples of all classes of each of its values. At least one is lost
    and one is left.

    Parameters
    ----------
    low, high : float
        The share of each sample is drawn uniformly between these, and rounded to whole electrodes.
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`. Samples have shape (n_samples, n_bands, n_channels,
        n_windows), (n_samples, n_channels, n_times), or (n_samples, n_channels) with one value for each.

    Attributes
    ----------
    mean_ : ndarray, shape of a sample
        Mean of each feature, in its unit.
    """

    _axes: ClassVar[dict[int, int]] = {2: 1, 3: 1, 4: 2}
    _entries = "electrodes"


class BandDropout(_Dropout):
    """Real samples of the class in which a random share of the frequency bands is lost.

    A lost band has the mean over the training samples of all classes of each of its values. At least one is lost and
    one is left.

    Parameters
    ----------
    low, high : float
        The share of each sample is drawn uniformly between these, and rounded to whole bands.
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`. Samples have shape (n_samples, n_bands, n_channels,
        n_windows), or (n_samples, n_bands) with one value for each.

    Attributes
    ----------
    mean_ : ndarray, shape of a sample
        Mean of each feature, in its unit.
    """

    _axes: ClassVar[dict[int, int]] = {2: 1, 4: 1}
    _entries = "bands"


class FourierSurrogate(Oversample):
    """Real signals of the class with random phases (Theiler et al. 1992, section 2.4.1).

    The Fourier transform along the last axis is multiplied by exp(i p(f)) with p uniform between 0 and 2 pi, drawn
    once for each sample and frequency and the same for all its channels. Amplitude spectra, cross-spectra between
    channels, means and covariances stay as they are; what depends on the place in time is lost.

    Parameters
    ----------
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`. Samples have shape (n_samples, ..., n_times), with three
        points of time at least.
    """

    def learn(self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, rng: np.random.Generator) -> None:
        """Refuse what has no phases."""
        if X.shape[-1] < 3:
            raise InputError(
                f"{type(self).__name__} was given samples of shape {X.shape[1:]}.",
                fits="signals, with three points of time at least on the last axis",
                do="place it before the features",
            )

    def change(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the signals, shape (n_samples, ..., n_times), with other phases."""
        n_times = samples.shape[-1]
        spectra = fft.rfft(samples, axis=-1)
        turn = np.exp(2j * np.pi * rng.random((len(samples), spectra.shape[-1])))
        turn[:, 0] = 1  # the mean is no oscillation
        if n_times % 2 == 0:
            turn[:, -1] = 1  # nor has the highest frequency a phase
        spectra *= turn.reshape(len(samples), *[1] * (samples.ndim - 2), -1).astype(spectra.dtype)
        return fft.irfft(spectra, n_times, axis=-1)


def _several(y: np.ndarray, label: Any) -> np.ndarray:
    """Return the rows of a class that has two samples at least."""
    rows = np.flatnonzero(y == label)
    if len(rows) < 2:
        raise InputError(
            f"The class {str(label)!r} has one sample.",
            fits="two samples at least of each class that is added to",
            do="leave it out by sampling_strategy, or use another sampler",
        )
    return rows


def _between(X: np.ndarray, parents: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the points at a share of the way from the first to the second parent, shape (n_samples, ...)."""
    first, second = X[parents[:, 0]], X[parents[:, 1]]
    return first + share.reshape(-1, *[1] * (X.ndim - 1)).astype(X.dtype) * (second - first)


def _drawn(samples: np.ndarray) -> type:
    """Return the type random numbers are drawn in for samples."""
    return np.float32 if samples.dtype.itemsize <= 4 else np.float64
