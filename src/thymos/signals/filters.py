"""Zero-phase filters and resampling, for one uninterrupted recording at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy import signal as sps

from thymos.base.errors import InputError
from thymos.base.recording import Signal

__all__ = ["band_pass", "band_pass_signal", "notch", "notch_signal", "resample", "resample_signal"]


def band_pass(
    x: np.ndarray, sfreq: float, low: float | None = None, high: float | None = None, order: int = 4
) -> np.ndarray:
    """Filter forward and backward with a Butterworth filter (zero phase, so not causal).

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Signals of one uninterrupted recording.
    sfreq : float
        Sampling rate in Hz.
    low, high : float, optional
        Pass band in Hz; without `low` a low-pass, without `high` a high-pass filter.
    order : int
        Order of the filter in one direction.

    Returns
    -------
    ndarray, shape (..., n_times)
        Same dtype as `x` where it is floating, else float32.

    Raises
    ------
    InputError
        If the band does not fit the rate, or the recording is too short or has missing values.
    """
    nyquist = sfreq / 2
    edges = [f for f in (low, high) if f is not None]
    if not edges or any(not 0 < f < nyquist for f in edges) or (len(edges) == 2 and low >= high):
        raise InputError(
            f"A pass band from {low} to {high} Hz came for a rate of {sfreq:g} Hz.",
            fits=f"0 < low < high < {nyquist:g} Hz",
        )
    kind = "bandpass" if len(edges) == 2 else ("highpass" if low is not None else "lowpass")
    sos = sps.butter(order, edges if len(edges) == 2 else edges[0], kind, fs=sfreq, output="sos")
    return _zero_phase(sos, x)


def notch(x: np.ndarray, sfreq: float, freq: float = 50.0, quality: float = 30.0) -> np.ndarray:
    """Remove a narrow line, forward and backward.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Signals of one uninterrupted recording.
    sfreq, freq : float
        Sampling rate and frequency of the line, in Hz.
    quality : float
        Ratio of `freq` to the -3 dB bandwidth.

    Returns
    -------
    ndarray, shape (..., n_times)

    Raises
    ------
    InputError
        As :func:`band_pass`.
    """
    if not 0 < freq < sfreq / 2:
        raise InputError(f"A notch at {freq} Hz came for a rate of {sfreq:g} Hz.", fits=f"0 < freq < {sfreq / 2:g} Hz")
    return _zero_phase(sps.tf2sos(*sps.iirnotch(freq, quality, fs=sfreq)), x)


def resample(x: np.ndarray, sfreq: float, to: float) -> np.ndarray:
    """Change the sampling rate with a zero-phase polyphase anti-aliasing filter.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Signals of one uninterrupted recording.
    sfreq, to : float
        Present and wanted rate in Hz.

    Returns
    -------
    ndarray, shape (..., round(n_times * to / sfreq))

    Raises
    ------
    InputError
        If a rate is not positive.
    """
    if not (sfreq > 0 and to > 0):
        raise InputError(f"Resampling from {sfreq} to {to} Hz was asked for.", fits="positive rates")
    ratio = Fraction(to / sfreq).limit_denominator(1000)
    # "line" keeps a constant offset from ringing at the two ends
    return sps.resample_poly(x, ratio.numerator, ratio.denominator, axis=-1, padtype="line").astype(_float(x))


def band_pass_signal(signal: Signal, low: float | None = None, high: float | None = None, order: int = 4) -> Signal:
    """Apply :func:`band_pass` to a recording's signal."""
    return signal.replace(data=band_pass(signal.data, signal.sfreq, low, high, order))


def notch_signal(signal: Signal, freq: float = 50.0, quality: float = 30.0) -> Signal:
    """Apply :func:`notch` to a recording's signal."""
    return signal.replace(data=notch(signal.data, signal.sfreq, freq, quality))


def resample_signal(signal: Signal, to: float) -> Signal:
    """Apply :func:`resample` to a recording's signal."""
    return signal.replace(data=resample(signal.data, signal.sfreq, to), sfreq=float(to))


def _zero_phase(sos: np.ndarray, x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.shape[-1] < 2:
        raise InputError(f"A recording of {x.shape[-1]} sample(s) cannot be filtered.", fits="two samples or more")
    if not np.isfinite(x).all():
        raise InputError(
            f"{int((~np.isfinite(x)).sum())} values are missing or infinite; a filter would spread them.",
            fits="finite values",
            do="split the recording at the missing stretch first",
        )
    pad = min(3 * (2 * len(sos) + 1), x.shape[-1] - 1)
    # double precision inside: single precision makes low cut-offs at high rates drift
    return sps.sosfiltfilt(sos, x.astype(np.float64), axis=-1, padlen=pad).astype(_float(x))


def _float(x: np.ndarray) -> np.dtype:
    x = np.asarray(x)
    return x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.float32)
