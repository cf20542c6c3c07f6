"""Filters and resampling, for one uninterrupted recording at a time: with zero phase, or causal as in a stream."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from scipy import signal as sps

from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.causal import CausalFilter, CausalResampler, floating

__all__ = [
    "band_pass",
    "band_pass_signal",
    "butterworth",
    "floating",
    "notch",
    "notch_signal",
    "require_finite",
    "resample",
    "resample_signal",
    "ringing",
]


_MOST = 1000  # times that a rate may be raised


def band_pass(
    x: np.ndarray,
    sfreq: float,
    low: float | None = None,
    high: float | None = None,
    order: int = 4,
    kind: str = "iir",
    causal: bool = False,
) -> np.ndarray:
    """Filter a recording; by default forward and backward with a Butterworth filter.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Signals of one uninterrupted recording.
    sfreq : float
        Sampling rate in Hz.
    low, high : float, optional
        Pass band in Hz; without `low` a low-pass, without `high` a high-pass filter.
    order : int
        Order of the Butterworth filter in one direction.
    kind : {'iir', 'fir'}
        A Butterworth filter, or MNE's windowed linear-phase filter, whose transitions MNE chooses.
    causal : bool
        Use nothing that comes later, as a stream must: the same as :class:`~thymos.signals.causal.CausalFilter` gives
        piece by piece. Such a filter delays. Otherwise the phase is zero, and a value depends on what follows it.

    Returns
    -------
    ndarray, shape (..., n_times)
        Same dtype as `x` where it is floating, else float32.

    Raises
    ------
    InputError
        If the band does not fit the rate, or the recording is too short or has missing values.
    """
    sos = butterworth(sfreq, low, high, order)
    if kind == "iir":
        return _filtered(sos, x, causal)
    if kind != "fir" or causal:
        raise InputError(
            f"A {'causal ' if causal else ''}filter of kind {kind!r} came.", fits="iir, or fir and not causal"
        )
    require_finite(x)
    from mne.filter import filter_data

    return filter_data(np.asarray(x, dtype=np.float64), sfreq, low, high, verbose="ERROR").astype(floating(x))


def notch(x: np.ndarray, sfreq: float, freq: float = 50.0, quality: float = 30.0, causal: bool = False) -> np.ndarray:
    """Remove a narrow line; by default forward and backward.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Signals of one uninterrupted recording.
    sfreq, freq : float
        Sampling rate and frequency of the line, in Hz.
    quality : float
        Ratio of `freq` to the -3 dB bandwidth.
    causal : bool
        As :func:`band_pass`.

    Returns
    -------
    ndarray, shape (..., n_times)

    Raises
    ------
    InputError
        As :func:`band_pass`.
    """
    if not (0 < freq < sfreq / 2 and quality > 0):
        raise InputError(
            f"A notch at {freq} Hz of quality {quality} came for a rate of {sfreq:g} Hz.",
            fits=f"0 < freq < {sfreq / 2:g} Hz and a quality above 0",
        )
    return _filtered(sps.tf2sos(*sps.iirnotch(freq, quality, fs=sfreq)), x, causal)


def resample(x: np.ndarray, sfreq: float, to: float, causal: bool = False) -> np.ndarray:
    """Change the sampling rate with a polyphase anti-aliasing filter; by default with zero phase.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Signals of one uninterrupted recording.
    sfreq, to : float
        Present and wanted rate in Hz.
    causal : bool
        Use nothing that comes later: the same as :class:`~thymos.signals.causal.CausalResampler` gives piece by piece.

    Returns
    -------
    ndarray, shape (..., ceil(n_times * to / sfreq))

    Raises
    ------
    InputError
        If a rate is not positive.
    """
    if not (sfreq > 0 and 0 < to <= _MOST * sfreq):
        raise InputError(
            f"Resampling from {sfreq} to {to} Hz was asked for.",
            fits=f"positive rates, at most {_MOST} times the present",
        )
    if causal:
        return CausalResampler(sfreq, to)(x)
    ratio = Fraction(to / sfreq).limit_denominator(1000)
    # "line" keeps a constant offset from ringing at the two ends
    return sps.resample_poly(x, ratio.numerator, ratio.denominator, axis=-1, padtype="line").astype(floating(x))


def band_pass_signal(
    signal: Signal,
    low: float | None = None,
    high: float | None = None,
    order: int = 4,
    kind: str = "iir",
    causal: bool = False,
) -> Signal:
    """Apply :func:`band_pass` to a recording's signal."""
    return signal.replace(data=band_pass(signal.data, signal.sfreq, low, high, order, kind, causal))


def notch_signal(signal: Signal, freq: float = 50.0, quality: float = 30.0, causal: bool = False) -> Signal:
    """Apply :func:`notch` to a recording's signal."""
    return signal.replace(data=notch(signal.data, signal.sfreq, freq, quality, causal))


def resample_signal(signal: Signal, to: float, causal: bool = False) -> Signal:
    """Apply :func:`resample` to a recording's signal."""
    return signal.replace(data=resample(signal.data, signal.sfreq, to, causal), sfreq=float(to))


def butterworth(sfreq: float, low: float | None = None, high: float | None = None, order: int = 4) -> np.ndarray:
    """Design a Butterworth filter; parameters as :func:`band_pass`.

    Returns
    -------
    ndarray, shape (n_sections, 6)
        Second-order sections.
    """
    nyquist = sfreq / 2
    edges = [f for f in (low, high) if f is not None]
    if not order >= 1:
        raise InputError(f"A filter of order {order} came.", fits="1 or more")
    if not edges or any(not 0 < f < nyquist for f in edges) or (len(edges) == 2 and edges[0] >= edges[1]):
        raise InputError(
            f"A pass band from {low} to {high} Hz came for a rate of {sfreq:g} Hz.",
            fits=f"0 < low < high < {nyquist:g} Hz",
        )
    kind = "bandpass" if len(edges) == 2 else ("highpass" if low is not None else "lowpass")
    return sps.butter(order, edges if len(edges) == 2 else edges[0], kind, fs=sfreq, output="sos")


def ringing(sos: np.ndarray, share: float) -> int:
    """Return after how many samples the slowest pole of a filter has decayed to a share of its start."""
    radius = max(np.abs(np.roots(section[3:])).max() for section in sos)
    return math.ceil(math.log(share) / math.log(radius))


def require_finite(x: np.ndarray) -> None:
    """Refuse signals with missing values, which a filter would spread.

    Raises
    ------
    InputError
        Saying how many there are.
    """
    bad = x.size - int(np.count_nonzero(np.isfinite(x)))
    if bad:
        raise InputError(
            f"{bad} values are missing or infinite; a filter would spread them.",
            fits="finite values",
            do="split the recording at the missing stretch first",
        )


def _filtered(sos: np.ndarray, x: np.ndarray, causal: bool) -> np.ndarray:
    x = np.asarray(x)
    if x.shape[-1] < 2:
        raise InputError(f"A recording of {x.shape[-1]} sample(s) cannot be filtered.", fits="two samples or more")
    require_finite(x)
    if causal:
        return CausalFilter(sos)(x)
    pad = min(3 * (2 * len(sos) + 1), x.shape[-1] - 1)
    # double precision inside: single precision makes low cut-offs at high rates drift
    return sps.sosfiltfilt(sos, x.astype(np.float64), axis=-1, padlen=pad).astype(floating(x))
