"""What all samplers share: how many samples are made, of what shape, and where they are said to come from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from imblearn.base import BaseSampler
from imblearn.utils import check_sampling_strategy, check_target_type
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.base.samples import add_synthetic

__all__ = ["Augmenter", "synthetic_budget"]

_NEARLY = 0.9  # of the wanted samples, below which it is said
_AFTER_TRAINING = ("ratio", "sampling_strategy", "weight", "filtered", "tries")  # have no say in networks


class Augmenter(BaseSampler):
    """Base of samplers that add synthetic samples behind the real ones, which stay as they are.

    A subclass stores its parameters, names those of this class too, and overrides :meth:`draw`; what it learns from
    all samples first goes into :meth:`learn`, what it demands of its parameters into :meth:`check`.

    Parameters
    ----------
    ratio : float or 'budget'
        Synthetic samples of each class as a share of its real ones, rounded to a whole number; ``budget`` raises the
        smallest classes to one level, with a fifth of all samples (:func:`synthetic_budget`).
    sampling_strategy : str, dict, float or callable, optional
        As in imbalanced-learn's over-samplers; decides instead of `ratio` how many samples each class gets.
        ``'auto'`` raises all classes to the size of the largest.
    weight : float
        What a synthetic sample counts in the loss of what is trained next, as the metadata column ``sample_weight``
        says. Networks leave out what counts less than 1 in their last epochs.
    random_state : int, RandomState or None

    Attributes
    ----------
    sampling_strategy_ : dict
        Class to the number of synthetic samples that were wanted of it.
    n_made_ : dict
        Class to the number that was made.
    n_features_in_ : int
        Size of the second axis of the samples.
    """

    _sampling_type = "over-sampling"
    _parameter_constraints: ClassVar[dict] = {}  # of scikit-learn; parameters are refused by check()

    def __init__(
        self, ratio: float | str = 0.5, sampling_strategy: Any = None, weight: float = 1.0, random_state: Any = None
    ):
        self.ratio = ratio
        self.sampling_strategy = sampling_strategy
        self.weight = weight
        self.random_state = random_state

    def learn(self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, rng: np.random.Generator) -> None:
        """Learn what :meth:`draw` needs from the samples it may see; called once, unless nothing is to be made.

        Parameters
        ----------
        X : ndarray, shape (n_samples, ...)
            All samples that were given, floating-point.
        y : ndarray, shape (n_samples,)
        meta : DataFrame or None
            One row per sample.
        rng : numpy.random.Generator
            The only source of randomness.
        """

    def draw(
        self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, label: Any, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Make samples of one class.

        Parameters
        ----------
        X, y, meta, rng
            As in :meth:`learn`.
        label : object
            The class.
        count : int
            How many samples are wanted, at least 1.

        Returns
        -------
        samples : ndarray, shape (n_made, ...)
            As many as are wanted, or fewer where some are no good.
        parents : ndarray of int, shape (n_made,) or (n_made, n_parents)
            Rows of `X` that each sample was made from, the first of which lends its metadata row; -1 for none.
        """
        raise TypeError(f"{type(self).__name__} does not say what it makes: override draw()")

    def of_training(self) -> dict[str, Any]:
        """Return the parameters that decide on networks that a sampler trains."""
        return {name: value for name, value in self.get_params().items() if name not in _AFTER_TRAINING}

    def withdraw(self, why: str) -> None:
        """Add nothing after all, of any class, and say why in a warning and in ``refused_``."""
        self.refused_: str | dict[Any, str] = why  # of some classes alone, class to why
        warnings.warn(f"Nothing is generated: {why}.", stacklevel=2)

    def check(self) -> None:
        """Refuse impossible parameters.

        Raises
        ------
        InputError
        """
        if self.ratio != "budget":
            check_number("ratio", self.ratio)
        check_number("weight", self.weight)

    def fit(self, X: Any, y: Any, meta: pd.DataFrame | None = None) -> Augmenter:
        """Check the samples and count what would be made of them; :meth:`fit_resample` makes it."""
        self.sampling_strategy_ = self._wanted(self._check_X_y(X, y)[1])
        return self

    def fit_resample(self, X: Any, y: Any, meta: pd.DataFrame | None = None) -> tuple:
        """Add synthetic samples.

        Parameters
        ----------
        X : array-like, shape (n_samples, ...)
            Training samples with two axes or more; a table may be a list, a DataFrame or sparse.
        y : array-like, shape (n_samples,)
            Classes.
        meta : DataFrame, optional
            One row per sample.

        Returns
        -------
        X : same type and dtype, shape (n_samples + n_made, ...)
            The real samples, unchanged and in their order, then the synthetic ones, class by class. Where samples are
            whole numbers, such as grey values, so are synthetic ones.
        y : same type, shape (n_samples + n_made,)
        meta : DataFrame
            Only if it was given: with rows for the synthetic samples, see
            :func:`thymos.base.samples.add_synthetic`.

        Raises
        ------
        InputError
            If the parameters are impossible, the samples are not numbers or not finite, the labels are ratings or of
            one class, the table has another length, or these samples cannot be augmented so.
        """
        with _refusing(self):
            check_classification_targets(y)
        made = super().fit_resample(X, y, meta=meta)
        return made[:2] if meta is None else made

    def _check_X_y(self, X: Any, y: Any, accept_sparse: Any = None) -> tuple[Any, np.ndarray, bool]:
        self.check()
        with _refusing(self):
            y, one_vs_all = check_target_type(y, indicate_one_vs_all=True)
            X, y = validate_data(self, X=X, y=y, reset=True, accept_sparse="csr", allow_nd=True)
            self._wanted(y)
        return X, y, one_vs_all

    def _wanted(self, y: np.ndarray) -> dict[Any, int]:
        """Return how many samples of each class are to be added."""
        classes, counts = (values.tolist() for values in np.unique(y, return_counts=True))
        asked = check_sampling_strategy(self.sampling_strategy, y, self._sampling_type)
        if asked is not None:
            return {label: int(asked.get(label, 0)) for label in classes}
        if self.sampling_strategy is not None:
            raise InputError(
                f"sampling_strategy={self.sampling_strategy!r} came.",
                fits="nothing, or a name, mapping, number or function as in imbalanced-learn",
            )
        if self.ratio == "budget":
            return dict(zip(classes, synthetic_budget(counts).tolist(), strict=True))
        return {label: round(self.ratio * n) for label, n in zip(classes, counts, strict=True)}

    def _fit_resample(self, X: Any, y: np.ndarray, meta: pd.DataFrame | None = None) -> tuple:
        if meta is not None and (not isinstance(meta, pd.DataFrame) or len(meta) != len(y)):
            came = f"of {len(meta)} rows" if isinstance(meta, pd.DataFrame) else f"of type {type(meta).__name__}"
            raise InputError(f"A metadata table {came} came for {len(y)} samples.", fits="a DataFrame, one row each")
        self.sampling_strategy_ = self._wanted(y)
        wanted = {label: count for label, count in self.sampling_strategy_.items() if count}
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        real = X.toarray() if issparse(X) else X
        data = real if real.dtype.kind == "f" else real.astype(np.result_type(real.dtype, np.float32))
        if wanted:
            self.learn(data, y, meta, rng)
        made = {label: self.draw(data, y, meta, label, count, rng) for label, count in wanted.items()}
        refused = getattr(self, "refused_", "")
        if isinstance(refused, str) and refused:  # a mapping has the classes that are refused by themselves
            made = {}  # of no class, also where one was drawn before another failed
        self.n_made_ = {label: len(made[label][0]) if label in made else 0 for label in self.sampling_strategy_}
        made_all, wanted_all = sum(self.n_made_.values()), sum(wanted.values())
        if made_all < _NEARLY * wanted_all and not refused:
            warnings.warn(f"{made_all} of {wanted_all} wanted samples were made.", stacklevel=2)
        samples = np.concatenate([real, *(_like(new, real.dtype) for new, _ in made.values())])
        labels = np.concatenate([y, *(np.full(self.n_made_[label], label, dtype=y.dtype) for label in made)])
        if meta is not None:
            given = len(meta)
            meta = add_synthetic(meta, np.concatenate([parents for _, parents in made.values()]) if made else [])
            if self.weight != 1:
                counted = meta.get("sample_weight", pd.Series(1.0, index=meta.index)).to_numpy(float)
                meta["sample_weight"] = np.where(np.arange(len(meta)) < given, counted, self.weight)
        return csr_matrix(samples) if issparse(X) else samples, labels, meta

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def synthetic_budget(counts: Sequence[int], share: float = 0.2, most: float = 3.0) -> np.ndarray:
    """Return how many samples of each class raise the smallest classes to one level.

    Parameters
    ----------
    counts : sequence of int, length n_classes
        Real samples.
    share : float
        Synthetic samples in all, as a share of the real ones: the level L solves ``sum(max(0, L - n)) = share * n``.
    most : float
        Synthetic samples of a class as a multiple of its real ones, at most: else it would be mostly synthetic, and the
        budget is not used up.

    Returns
    -------
    ndarray of int, shape (n_classes,)

    Notes
    -----
    Methods B4.8. For the training part of FER-2013 the level is 4 360, and disgust gets 1 308.
    """
    real = np.asarray(counts, dtype=float)
    order = np.sort(real)
    # with the k smallest classes at the level L: k L - (their sum) = budget
    levels = (share * real.sum() + order.cumsum()) / np.arange(1, len(order) + 1)
    level = levels[np.flatnonzero(levels <= np.append(order[1:], np.inf))[0]]
    return np.rint(np.minimum(np.maximum(0.0, level - real), most * real)).astype(int)


@contextmanager
def _refusing(sampler: Augmenter) -> Iterator[None]:
    """Say in words why a library refused samples, labels or a sampling strategy."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{type(sampler).__name__} cannot augment these samples: {error}",
            fits="finite numbers of two axes or more, one class for each sample, and two classes or more",
        ) from error


def _like(samples: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return samples of a type; whole numbers are rounded, and stay within what the type can hold."""
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        samples = np.rint(samples).clip(bounds.min, bounds.max)
    return samples.astype(dtype, copy=False)
