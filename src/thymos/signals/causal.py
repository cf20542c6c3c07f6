"""Filters and resampling for signals that come in piece by piece. They remember; nothing of the future is used."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scipy import signal as sps

from thymos.base.errors import InputError

__all__ = ["CausalFilter", "CausalResampler", "floating"]

_HALF = 10  # periods of the slower rate on each side of the middle of the anti-aliasing filter


class CausalFilter:
    """A filter that is given a signal piece by piece; the pieces end to end are what the whole would have given.

    It begins as if the first sample had always been there, so that an offset does not make it ring.

    Parameters
    ----------
    sos : ndarray, shape (n_sections, 6)
        Second-order sections, as of :func:`thymos.signals.filters.butterworth`.
    """

    def __init__(self, sos: np.ndarray):
        self.sos = np.asarray(sos)
        self._state: np.ndarray | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Filter the next piece, shape (..., n_times); float32 if it came as float32."""
        x = np.asarray(x)
        if not x.shape[-1]:
            return x.astype(floating(x))
        if self._state is None:
            rest = sps.sosfilt_zi(self.sos)  # (n_sections, 2)
            rest = rest.reshape(len(rest), *[1] * (x.ndim - 1), 2)
            self._state = rest * x[None, ..., :1].astype(np.float64)
        elif self._state.shape[1:-1] != x.shape[:-1]:
            raise InputError(
                f"A piece of shape {x.shape} came after pieces of {self._state.shape[1:-1]} channels.",
                fits="the same channels in every piece",
                do="make a new filter for another stream",
            )
        y, self._state = sps.sosfilt(self.sos, x.astype(np.float64), axis=-1, zi=self._state)
        return y.astype(floating(x))


class CausalResampler:
    """Change of the sampling rate of a signal that comes piece by piece.

    Parameters
    ----------
    sfreq, to : float
        Present and wanted rate in Hz.

    Attributes
    ----------
    delay : float
        Seconds by which the result lags behind: half the length of the linear-phase anti-aliasing filter.
    """

    def __init__(self, sfreq: float, to: float):
        if not (sfreq > 0 and to > 0):
            raise InputError(f"Resampling from {sfreq} to {to} Hz was asked for.", fits="positive rates")
        ratio = Fraction(to / sfreq).limit_denominator(1000)
        self.up, self.down = ratio.numerator, ratio.denominator
        most = max(self.up, self.down)
        # at up * sfreq; the same design as SciPy's polyphase resampling
        design = sps.firwin(2 * _HALF * most + 1, 1 / most, window=("kaiser", 5.0)) if most > 1 else np.ones(1)
        self._filter = self.up * design
        self.delay = (len(self._filter) - 1) / 2 / (self.up * sfreq)
        self._kept: np.ndarray | None = None  # the input that later output still needs
        self._first = 0  # number of the first sample of it
        self._next = 0  # number of the next sample of the output

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the next piece at the new rate, shape (..., n); n may be 0. float32 if it came as float32."""
        x = np.asarray(x)
        if not x.shape[-1]:
            return x.astype(floating(x))
        reach = (len(self._filter) - 1) // self.up
        if self._kept is None:  # as if the first sample had always been there
            self._kept, self._first = np.repeat(x[..., :1], reach, axis=-1).astype(np.float64), -reach
        buffer = np.concatenate([self._kept, x], axis=-1)
        arrived = self._first + buffer.shape[-1]  # number of the first sample that has not come yet
        stop = -(-arrived * self.up // self.down)  # output that needs no later input
        begin = self._next * self.down - self._first * self.up  # on the grid of the filter, at up * sfreq
        shift = -begin * pow(self.up, -1, self.down) % self.down  # zeros in front bring it onto every down-th place
        padded = np.concatenate([np.zeros((*x.shape[:-1], shift)), buffer], axis=-1)
        place = (begin + shift * self.up) // self.down
        made = sps.upfirdn(self._filter, padded, self.up, self.down, axis=-1)
        made = made[..., place : place + max(stop - self._next, 0)].astype(floating(x))
        oldest = max(0, buffer.shape[-1] - reach)
        self._kept, self._first, self._next = buffer[..., oldest:], self._first + oldest, max(stop, self._next)
        return made


def floating(x: np.ndarray) -> np.dtype:
    """Return the type of what is computed from `x`: its own where it is floating, else float32."""
    x = np.asarray(x)
    return x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.float32)
