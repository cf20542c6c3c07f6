"""What the signals of the body share: events with times (beats, breaths, responses) and their statistics in windows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from scipy import signal as sps

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.signals.transformer import in_windows
from thymos.signals.windows import sliding_windows

__all__ = [
    "describe",
    "finite_signal",
    "float_type",
    "in_each",
    "known",
    "level",
    "smoothed",
    "summit",
    "window_bounds",
    "with_neurokit",
]


def finite_signal(x: np.ndarray, sfreq: float) -> np.ndarray:
    """Return one signal, shape (n_times,), as float64, or say what is wrong with it or with its rate in Hz."""
    x = np.asarray(x, dtype=np.float64)
    if not (np.isfinite(sfreq) and sfreq > 0):
        raise InputError(f"sfreq={sfreq!r} came.", fits="a positive rate in Hz")
    if x.ndim != 1:
        raise InputError(f"An array of shape {x.shape} came.", fits="one signal, shape (n_times,)", do="take a channel")
    if not np.isfinite(x).all():
        raise InputError(
            f"{int((~np.isfinite(x)).sum())} of {len(x)} values are missing or infinite.",
            fits="finite values",
            do="split the recording at the missing stretch first",
        )
    return x


def known(what: str, name: str, names: tuple[str, ...]) -> None:
    """Raise an InputError if `name` is not one of `names`."""
    if name not in names:
        raise InputError(f"There is no {what} {name!r}.{near(name, names)}", fits=", ".join(names))


def smoothed(x: np.ndarray, sfreq: float, low: float | None, high: float, order: int = 2) -> np.ndarray:
    """Zero-phase Butterworth band-pass (in Hz; low-pass without `low`) of one signal, shape (n_times,), mirrored.

    Two periods of the slowest rhythm are added, since the filter would else ring into the first and the last event. The
    upper edge gives way where the rate is too low for it.
    """
    high = min(high, 0.45 * sfreq)
    pad = min(len(x) - 1, math.ceil(2 * sfreq / (low or high)))
    if len(x) < 2 or (low is not None and low >= high):
        return np.zeros_like(x)
    longer = np.pad(x, pad, mode="reflect")
    return sps.sosfiltfilt(_filter(sfreq, low, high, order), longer, padlen=0)[pad : pad + len(x)]


@lru_cache
def _filter(sfreq: float, low: float | None, high: float, order: int) -> np.ndarray:
    """Design a filter once for all recordings, which takes as long as filtering one."""
    band, kind = (high, "lowpass") if low is None else ((low, high), "bandpass")
    return sps.butter(order, band, kind, fs=sfreq, output="sos")


def with_neurokit(task: Callable[[ModuleType], Any], x: np.ndarray, sfreq: float) -> Any:
    """Return ``task(neurokit2)``, silently, or say that it failed on `x`, shape (n_times,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = require("neurokit2", "physiology")
        try:
            return task(library)
        except Exception as error:  # it has no errors of its own: whatever fails inside comes out
            raise InputError(
                f"NeuroKit2 failed on {len(x) / sfreq:g} s at {sfreq:g} Hz: {error}",
                do="give a longer recording, or use method='thymos'",
            ) from error


def summit(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return where the parabola through each local maximum `at`, shape (n_events,), is highest: fractional indices."""
    at = np.asarray(at, dtype=int)
    if len(x) < 3:
        return at.astype(float)
    inner = np.clip(at, 1, len(x) - 2)
    left, middle, right = x[inner - 1], x[inner], x[inner + 1]
    curve = left - 2 * middle + right
    shift = np.divide(left - right, 2 * curve, out=np.zeros(len(at)), where=curve < 0)
    return at + np.where(at == inner, np.clip(shift, -0.5, 0.5), 0.0)


def in_each(
    one: Callable[[np.ndarray, float, int, int], np.ndarray],
    n_features: int,
    x: np.ndarray,
    sfreq: float,
    window: float | None,
    step: float | None,
) -> np.ndarray:
    """Apply a function of one recording, ``one(x, sfreq, size, hop) -> (n_features, n_windows)``, to each of many.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Recordings.
    sfreq, window, step
        Sampling rate in Hz, length of a window and distance between two starts in seconds.

    Returns
    -------
    ndarray, shape (..., n_features, n_windows), float32 (float64 for float64)
    """
    x = np.asarray(x)
    if not (np.isfinite(sfreq) and sfreq > 0) or not x.ndim:
        raise InputError(f"An array of shape {x.shape} at {sfreq} Hz came.", fits="(..., n_times) and a positive rate")
    size, hop = in_windows(x.shape[-1], sfreq, window, step)
    n_windows = (x.shape[-1] - size) // hop + 1
    made = np.empty((*x.shape[:-1], n_features, n_windows), float_type(x))
    for place in np.ndindex(x.shape[:-1]):
        made[place] = one(finite_signal(x[place], sfreq), sfreq, size, hop)
    return made


def float_type(x: np.ndarray) -> np.dtype:
    """Return float64 for float64, else float32."""
    return np.dtype(np.float64 if np.asarray(x).dtype == np.float64 else np.float32)


def window_bounds(n_times: int, sfreq: float, size: int, hop: int) -> np.ndarray:
    """Return begin and end of each window in s, shape (2, n_windows, 1)."""
    begin = np.arange(0, n_times - size + 1, hop)[:, None]
    return np.stack([begin, begin + size]) / sfreq


def level(x: np.ndarray, sfreq: float, size: int, hop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation (n - 1) and slope per second (least squares) of each window, shape (n_windows,) each."""
    windows = sliding_windows(x, size, hop)
    t = (np.arange(size) - (size - 1) / 2) / sfreq
    return windows.mean(axis=-1), windows.std(axis=-1, ddof=1), (windows - windows[:, :1]) @ t / np.sum(t**2)


def describe(values: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation (of a sample, n - 1) and number of the values that belong to each window.

    Parameters
    ----------
    values : ndarray, shape (n_events,)
        NaN belongs to no window.
    members : ndarray of bool, shape (n_windows, n_events)
        Which events a window holds.

    Returns
    -------
    tuple of ndarray, shape (n_windows,)
        The mean of no value, and the deviation of fewer than two, are NaN.
    """
    members = members & np.isfinite(values)
    values = np.nan_to_num(values)
    n = members.sum(axis=1)
    mean = np.divide(members @ values, n, out=np.full(len(n), np.nan), where=n > 0)
    square = np.where(members, values - np.nan_to_num(mean)[:, None], 0.0) ** 2
    sd = np.sqrt(np.divide(square.sum(axis=1), n - 1, out=np.full(len(n), np.nan), where=n > 1))
    return mean, sd, n
