"""Skin conductance: its level, its responses, and features of both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import signal as sps
from scipy.interpolate import make_interp_spline
from scipy.linalg import solveh_banded
from scipy.ndimage import grey_closing

from thymos.base.errors import InputError
from thymos.signals.events import (
    describe,
    finite_signal,
    float_type,
    in_each,
    known,
    level,
    smoothed,
    window_bounds,
    with_neurokit,
)
from thymos.signals.transformer import WindowFeatures
from thymos.signals.windows import sliding_windows

__all__ = [
    "ELECTRODERMAL_FEATURES",
    "ElectrodermalFeatures",
    "Responses",
    "decompose",
    "electrodermal_features",
    "find_responses",
]

#: Names of the features, in the order of :func:`electrodermal_features`.
ELECTRODERMAL_FEATURES = (
    "tonic",
    "tonic_sd",
    "tonic_slope",
    "phasic_sd",
    "phasic_area",
    "responses",
    "response_rate",
    "amplitude",
    "amplitude_max",
    "rise",
    "recovery",
)

METHODS = ("thymos", "neurokit")

_GRID = 4.0  # Hz, on which the level is computed
_SLOWEST = 3.9  # Hz, of sampling: 4 Hz by a clock that is late; at 2 Hz noise makes responses
_SLOW = 0.02  # Hz, that the level follows by half where nothing lies above it
_ABOVE, _ROUNDS = 0.02, 30  # weight of samples above the level; most changes of the weights
_DIP = 4.0  # s; a shorter drop is a loose electrode, not a level
_FASTEST = 1.0  # Hz, of a response
_FLAT, _LONGEST_RISE = 0.1, 5.0  # share of the steepest slope that is no rise yet; s, a slower rise is a drift
_SMALLEST = 0.01e-6  # S, of a response (Boucsein 2012)
_CONTACT, _GREATEST = 0.05e-6, 1e-3  # S


class Responses(NamedTuple):
    """Skin conductance responses; each array has shape (n_responses,).

    Attributes
    ----------
    onset, peak : ndarray
        Time in s from the first sample.
    amplitude : ndarray
        Height of the peak above the onset, S.
    rise : ndarray
        From onset to peak, s.
    recovery : ndarray
        From the peak until half of the amplitude is lost, s; NaN where the next response or the end comes first.
    """

    onset: np.ndarray
    peak: np.ndarray
    amplitude: np.ndarray
    rise: np.ndarray
    recovery: np.ndarray


def decompose(x: np.ndarray, sfreq: float, method: str = "thymos") -> tuple[np.ndarray, np.ndarray]:
    """Split the skin conductance of one uninterrupted recording into level and responses.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Skin conductance in S.
    sfreq : float
        Sampling rate in Hz.
    method : {'thymos', 'neurokit'}
        ``thymos``: the level is the smooth curve of asymmetric least squares (Eilers & Boelens 2005), at 4 Hz:
        samples above it weigh 0.02, those below 0.98, and its second difference is held so small that it follows a
        rhythm of 0.02 Hz by half. Drops shorter than 4 s are filled before. ``neurokit``: low-pass and high-pass at
        0.05 Hz by NeuroKit2; needs the extra ``physiology``.

    Returns
    -------
    tonic, phasic : ndarray, shape (n_times,), float32 (float64 for float64)
        In S; their sum is `x`.

    Raises
    ------
    InputError
        If the array, the rate or the name does not fit.
    MissingExtraError
        If NeuroKit2 is asked for and not installed.
    """
    dtype = float_type(x)
    x = finite_signal(x, sfreq)
    known("method", method, METHODS)
    if method == "neurokit":
        tonic = with_neurokit(lambda nk: nk.eda_phasic(x, sampling_rate=sfreq)["EDA_Tonic"].to_numpy(), x, sfreq)
    else:
        tonic = _baseline(x, sfreq)
    return tonic.astype(dtype), (x - tonic).astype(dtype)


def _baseline(x: np.ndarray, sfreq: float) -> np.ndarray:
    step = max(1, int(sfreq / _GRID))
    coarse = x[: len(x) // step * step].reshape(-1, step).mean(axis=1)
    n = len(coarse)
    if n < 4:
        return np.full(len(x), x.mean() if len(x) else 0.0)
    stiffness = (sfreq / step / (2 * np.pi * _SLOW)) ** 4
    bands = np.zeros((3, n))  # of the squared second difference, lower form
    for k, value in enumerate((1.0, -2.0, 1.0)):
        for m, other in enumerate((1.0, -2.0, 1.0)[k:]):
            bands[m, k : n - 2 + k] += stiffness * value * other
    coarse = grey_closing(coarse, max(1, round(_DIP * sfreq / step)))
    weight = np.full(n, 0.5)
    for _ in range(_ROUNDS):
        system = bands.copy()
        system[0] += weight
        curve = solveh_banded(system, weight * coarse, lower=True)
        before, weight = weight, np.where(coarse > curve, _ABOVE, 1 - _ABOVE)
        if np.array_equal(weight, before):
            break
    if step == 1:
        return curve
    centre = (np.arange(n) + 0.5) * step - 0.5
    return make_interp_spline(centre, curve, k=3)(np.clip(np.arange(len(x)), centre[0], centre[-1]))


def find_responses(x: np.ndarray, sfreq: float, smallest: float = _SMALLEST) -> Responses:
    """Find skin conductance responses in one uninterrupted recording.

    A response is a rise of the phasic part, low-passed at 1 Hz, by `smallest` or more within 5 s, from its onset, where
    the slope last was below a tenth of its steepest, to its peak. One that begins before the last one has peaked is not
    told apart.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Skin conductance in S, at 4 Hz or more.
    sfreq : float
        Sampling rate in Hz.
    smallest : float
        Least amplitude in S; 0.01 to 0.05 microsiemens are usual (Boucsein 2012).

    Returns
    -------
    Responses

    Raises
    ------
    InputError
        As :func:`decompose`, or if `smallest` is not positive or the rate is below 4 Hz.
    """
    if not smallest > 0:
        raise InputError(f"smallest={smallest!r} came.", fits="a positive amplitude in S, as 0.01e-6")
    x = finite_signal(x, sfreq)
    return _responses(smoothed(_phasic(x, sfreq), sfreq, None, _FASTEST), sfreq, smallest)


def _responses(y: np.ndarray, sfreq: float, smallest: float) -> Responses:
    if sfreq < _SLOWEST:
        raise InputError(
            f"A skin conductance at {sfreq:g} Hz came.",
            fits=f"at least {_GRID:g} Hz to find responses in",
            do="take a higher rate, or the level alone, from decompose",
        )
    peaks, _ = sps.find_peaks(y, prominence=smallest)
    slope = np.diff(y)
    onsets = np.empty_like(peaks)
    for k, (a, b) in enumerate(pairwise([0, *peaks])):
        steepest = a + slope[a:b].argmax()
        flat = slope[a:steepest] <= _FLAT * slope[steepest]
        onsets[k] = steepest - flat[::-1].argmax() if flat.any() else a
    amplitude = y[peaks] - y[onsets]
    until = np.append(onsets[1:], len(y) - 1)[: len(peaks)]
    half = y[peaks] - amplitude / 2
    recovery = np.full(len(peaks), np.nan)
    for k, (a, b) in enumerate(zip(peaks, until, strict=True)):
        below = y[a : b + 1] <= half[k]
        if below.any():
            last = a + below.argmax() - 1
            recovery[k] = (last - a + (y[last] - half[k]) / (y[last] - y[last + 1])) / sfreq
    real = (amplitude >= smallest) & (peaks - onsets <= _LONGEST_RISE * sfreq)
    columns = (onsets / sfreq, peaks / sfreq, amplitude, (peaks - onsets) / sfreq, recovery)
    return Responses(*(column[real] for column in columns))


def electrodermal_features(
    x: np.ndarray,
    sfreq: float,
    window: float | None = None,
    step: float | None = None,
    smallest: float = _SMALLEST,
    contact: float = _CONTACT,
) -> np.ndarray:
    """Level, responses and their sizes in each window; decomposition and responses are those of the whole recording.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Skin conductance in S, each one uninterrupted recording, at 4 Hz or more.
    sfreq : float
        Sampling rate in Hz.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; the whole of `x` is one window by default, and
        windows do not overlap.
    smallest : float
        As :func:`find_responses`.
    contact : float
        Windows with a mean below this, in S, did not touch the skin.

    Returns
    -------
    ndarray, shape (..., n_features, n_windows), float32 (float64 for float64)
        In the order of :data:`ELECTRODERMAL_FEATURES`:

        * ``tonic``, ``tonic_sd`` in S, ``tonic_slope`` in S/s: mean, standard deviation and slope of the level;
        * ``phasic_sd`` in S, ``phasic_area`` in S s: standard deviation of the phasic part, integral above zero;
        * ``responses``, ``response_rate``: number of responses that begin in the window, and per second;
        * ``amplitude``, ``amplitude_max`` in S: their mean and largest amplitude, 0 without a response;
        * ``rise``, ``recovery`` in s: mean time from onset to peak, and to half recovery; NaN without one.

        A window without contact, of a constant recording, or with a mean above 1 mS (no skin conducts that, the unit
        is another), has NaN for all.

    Raises
    ------
    InputError
        As :func:`find_responses`, or if a window does not fit the signal.
    """
    one = partial(_features, smallest, contact)
    return in_each(one, len(ELECTRODERMAL_FEATURES), x, sfreq, window, step)


def _features(smallest: float, contact: float, x: np.ndarray, sfreq: float, size: int, hop: int) -> np.ndarray:
    begin, end = window_bounds(len(x), sfreq, size, hop)
    mean, phasic = sliding_windows(x, size, hop).mean(axis=-1), _phasic(x, sfreq)
    found = _responses(smoothed(phasic, sfreq, None, _FASTEST), sfreq, smallest)
    held = (found.onset >= begin) & (found.onset < end)
    number = held.sum(axis=1)
    parts = sliding_windows(phasic, size, hop)
    amplitude, rise, recovery = (describe(v, held)[0] for v in (found.amplitude, found.rise, found.recovery))
    values = np.stack(
        [
            *level(x - phasic, sfreq, size, hop),
            parts.std(axis=-1, ddof=1),
            np.clip(parts, 0, None).sum(axis=-1) / sfreq,
            number,
            number / (end - begin)[:, 0],
            np.nan_to_num(amplitude),
            np.where(held, found.amplitude, 0).max(axis=1, initial=0),
            rise,
            recovery,
        ]
    )
    return np.where((mean >= contact) & (mean <= _GREATEST) & (np.ptp(x) > 0), values, np.nan)


def _phasic(x: np.ndarray, sfreq: float) -> np.ndarray:
    return x - _baseline(x, sfreq)


class ElectrodermalFeatures(WindowFeatures):
    """Level and responses of the skin conductance of samples that are recordings, or long parts of them.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    window, step, smallest, contact
        As :func:`electrodermal_features`.
    only : sequence of str, optional
        Names of the features that are wanted, in this order; all by default.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.

    Notes
    -----
    ``rise`` and ``recovery`` are NaN wherever there is no response. Dropping incomplete samples then keeps people and
    moments with responses and loses the calm ones, which is a selection by what is to be recognised; leave the two out
    with `only` where samples without responses must stay.
    """

    offline = True

    every = ELECTRODERMAL_FEATURES

    def __init__(
        self,
        sfreq: float = 4.0,
        window: float | None = None,
        step: float | None = None,
        smallest: float = _SMALLEST,
        contact: float = _CONTACT,
        only: Sequence[str] | None = None,
    ):
        self.sfreq = sfreq
        self.window = window
        self.step = step
        self.smallest = smallest
        self.contact = contact
        self.only = only

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample, shape (n_samples, n_channels, n_times), what is wrong with it as a whole; else ''."""
        return [self._problem(np.asarray(x, dtype=float)) for x in X]

    def _problem(self, x: np.ndarray) -> str:
        mean = x.mean()
        if mean < self.contact:
            return f"no contact with the skin: mean {mean * 1e6:.3g} uS, below {self.contact * 1e6:g} uS"
        if mean > _GREATEST:
            return f"mean {mean:.3g} S, above 1 mS: not a skin conductance in siemens"
        return "constant signal" if (np.ptp(x, axis=-1) == 0).all() else ""

    def _features(self, X: np.ndarray) -> np.ndarray:
        made = electrodermal_features(X, self.sfreq, self.window, self.step, self.smallest, self.contact)
        return np.swapaxes(made, 1, 2)
