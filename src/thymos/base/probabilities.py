"""Probabilities of classes: of windows and of trials, how good they are, and how they are made honest (methods A5).

Both rooms that judge a method and the one that deploys it need these; they know no estimator and no file.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from thymos.base.errors import InputError
from thymos.base.samples import Samples

__all__ = [
    "TINY",
    "Calibration",
    "fit_calibration",
    "fit_temperature",
    "log_loss",
    "log_probabilities",
    "predict_all",
    "trial_means",
    "trial_probabilities",
]

#: Probabilities are kept this far from 0, so that one certain miss does not make a loss infinite.
TINY = 1e-6
_LIMIT = np.log(100.0)  # of the logarithm of a temperature


def predict_all(estimator: Any, X: Any, classes: Sequence[str]) -> np.ndarray:
    """Return what an estimator predicts, in the order of a study's classes.

    Parameters
    ----------
    estimator : fitted scikit-learn estimator
        It may have seen some of the classes only. If its methods take ``meta``, as those of an estimator that has a
        network for each subject do, they are given the metadata of Samples.
    X : array or Samples
    classes : sequence of str
        All classes; none for ratings.

    Returns
    -------
    ndarray, shape (n_samples, n_classes), for ratings (n_samples,)
    """
    method, known = estimator.predict_proba if classes else estimator.predict, {}
    if isinstance(X, Samples) and not getattr(estimator, "takes_samples", False):
        known = {"meta": X.meta} if "meta" in inspect.signature(method).parameters else {}
        X = X.X
    raw = method(X, **known)
    if not classes:
        return np.asarray(raw, dtype=float).reshape(-1)
    probabilities = np.zeros((len(raw), len(classes)), dtype=np.float64)
    probabilities[:, [list(classes).index(str(c)) for c in estimator.classes_]] = raw
    return probabilities


def log_loss(codes: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean of minus the logarithm of the true class's probability.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        True class as index of a column.
    probabilities : ndarray, shape (n_samples, n_classes)
    """
    return float(-np.log(np.clip(probabilities[np.arange(len(codes)), codes], TINY, 1)).mean())


def trial_probabilities(trials: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Combine the windows of each trial: normalised exponential of the mean log-probability.

    Parameters
    ----------
    trials : ndarray, shape (n_windows,)
        Trial of each window.
    probabilities : ndarray, shape (n_windows, n_classes)

    Returns
    -------
    first : ndarray of int, shape (n_trials,)
        Row of the first window of each trial; trials are sorted by name.
    probabilities : ndarray, shape (n_trials, n_classes)
    """
    _, first, group = np.unique(trials, return_index=True, return_inverse=True)
    logs = log_probabilities(probabilities)
    sums = np.stack([np.bincount(group, weights=column, minlength=len(first)) for column in logs.T], axis=1)
    return first, softmax(sums / np.bincount(group)[:, None], axis=1)


def trial_means(trials: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Combine the windows of each trial: mean predicted rating.

    Returns
    -------
    first : ndarray of int, shape (n_trials,)
        Row of the first window of each trial; trials are sorted by name.
    predicted : ndarray, shape (n_trials,)
    """
    _, first, group = np.unique(trials, return_index=True, return_inverse=True)
    return first, np.bincount(group, weights=predicted) / np.bincount(group)


@dataclass(frozen=True)
class Calibration:
    """How sure a classifier is made, and which classes it is drawn towards: ``softmax(log p / T + b)``.

    Parameters
    ----------
    temperature : float
        T, above 0. Above 1 the probabilities move together, below 1 apart; the order of the classes stays.
    bias : tuple of float
        b, one for each class; none for 0.

    Notes
    -----
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On calibration of modern neural networks. ICML 2017, section 4.2,
    equation 9. The logarithm of a probability is a logit up to a constant, which the softmax takes away again. Windows
    calibrated one by one and then combined (:func:`trial_probabilities`) give what the combined trial gives when it is
    calibrated.
    """

    temperature: float = 1.0
    bias: tuple[float, ...] = ()

    def __post_init__(self):
        if not (0 < self.temperature < np.inf and np.isfinite(self.bias).all()):
            raise InputError(
                f"A calibration of temperature {self.temperature!r} and bias {self.bias!r} came.",
                fits="a temperature above 0 and finite numbers",
            )

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities.

        Parameters
        ----------
        probabilities : ndarray, shape (n_samples, n_classes)

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            Unchanged where the temperature is 1 and there is no bias.

        Raises
        ------
        InputError
            If there is a bias, and not one for each class.
        """
        probabilities = np.asarray(probabilities)
        if len(self.bias) not in (0, probabilities.shape[1]):
            raise InputError(
                f"A calibration of {len(self.bias)} classes came for {probabilities.shape[1]}.", "one bias per class"
            )
        if self == Calibration():
            return probabilities
        return softmax(log_probabilities(probabilities) / self.temperature + np.array(self.bias or 0.0), axis=1)

    def then(self, other: Calibration) -> Calibration:
        """Return the one calibration that does what this one and then `other` do."""
        temperature = self.temperature * other.temperature
        if not (self.bias or other.bias):
            return Calibration(temperature)
        bias = np.array(self.bias or 0.0) / other.temperature + np.array(other.bias or 0.0)
        return Calibration(temperature, tuple(bias.tolist()))


def fit_temperature(logits: np.ndarray, codes: np.ndarray, prior: bool = False) -> float:
    """Return the temperature of the lowest log-loss, between 0.01 and 100.

    Parameters
    ----------
    logits : ndarray, shape (n_samples, n_classes)
        Logits or logarithms of probabilities.
    codes : ndarray of int, shape (n_samples,)
        True class as index of a column.
    prior : bool
        Add the logarithm of a Gaussian of standard deviation 1 on log T to the sum of the losses.
    """

    def loss(log_temperature: float) -> float:
        return _loss(logits / np.exp(log_temperature), codes) + prior * log_temperature**2 / 2 / len(codes)

    return float(np.exp(minimize_scalar(loss, bounds=(-_LIMIT, _LIMIT), method="bounded").x))


def fit_calibration(
    probabilities: np.ndarray, codes: np.ndarray, trials: Sequence[str] | None = None, bias: bool = False
) -> Calibration:
    """Fit a calibration that lowers the log-loss, with a Gaussian prior, so that a handful of samples moves little.

    Parameters
    ----------
    probabilities : ndarray, shape (n_windows, n_classes)
        Of samples that the classifier was not trained on.
    codes : ndarray of int, shape (n_windows,)
        True class as index of a column.
    trials : sequence of str, optional
        Trial of each window. The loss is then that of trials, which is right where one decides by trial; without it
        every window counts.
    bias : bool
        Fit a bias of each class beside the temperature. It draws a classifier towards the classes of a new user, of
        whom a few labelled trials are enough.

    Returns
    -------
    Calibration
        Its log-loss on these samples is never above that of what came. With a single class, or few samples, the
        prior decides.

    Raises
    ------
    InputError
        If there are no samples, or sizes differ.

    Notes
    -----
    The sum of the losses over trials (or windows) has ``(log T)² / 2``, and ``b² / 2`` for each class, added to it:
    independent Gaussian priors of standard deviation 1 about doing nothing. A hundred trials outweigh them. log T stays
    within log 0.01 and log 100.
    """
    probabilities, codes = np.asarray(probabilities, dtype=float), np.asarray(codes)
    if probabilities.ndim != 2 or not len(codes) or len(probabilities) != len(codes):
        raise InputError(
            f"{len(codes)} labels and probabilities of shape {probabilities.shape} came.",
            fits="at least one sample, and one row of probabilities for each label",
        )
    if trials is not None:
        if len(trials) != len(codes):
            raise InputError(f"{len(trials)} trials came for {len(codes)} labels.", fits="one for each")
        first, probabilities = trial_probabilities(np.asarray(trials), probabilities)
        codes = codes[first]
    logits = log_probabilities(probabilities)
    if bias:
        temperature, biases = _fit_bias(logits, codes)
    else:
        temperature, biases = fit_temperature(logits, codes, prior=True), ()
    fitted = Calibration(temperature, biases)
    # a minimum found by steps may lie a rounding above the place where nothing is changed
    return fitted if log_loss(codes, fitted.apply(probabilities)) <= log_loss(codes, probabilities) else Calibration()


def _fit_bias(logits: np.ndarray, codes: np.ndarray) -> tuple[float, tuple[float, ...]]:
    """Return temperature and bias of the highest posterior density."""
    n, n_classes = logits.shape
    true = np.eye(n_classes)[codes]

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits / np.exp(x[0])
        moved = scaled + x[1:]
        excess = softmax(moved, axis=1) - true  # the gradient of the loss by the logits
        slope = np.concatenate([[-(excess * scaled).sum()], excess.sum(axis=0)])
        return n * _loss(moved, codes) + x @ x / 2, slope + x

    bounds = [(-_LIMIT, _LIMIT)] + [(None, None)] * n_classes
    found = minimize(objective, np.zeros(1 + n_classes), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])), tuple(found[1:].tolist())


def _loss(logits: np.ndarray, codes: np.ndarray) -> float:
    return -log_softmax(logits, axis=1)[np.arange(len(codes)), codes].mean()


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, none of them below that of 1e-6."""
    return np.log(np.clip(probabilities, TINY, 1))
