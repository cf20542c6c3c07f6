"""Differential entropy of band-limited signals (methods A2; Shi et al. 2013, Duan et al. 2013)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.signals.filters import band_pass
from thymos.signals.transformer import ArrayTransformer
from thymos.signals.windows import sliding_windows

__all__ = ["BANDS", "DifferentialEntropy", "band_variance", "differential_entropy"]

#: Named sets of frequency bands in Hz, half-open [low, high).
BANDS: dict[str, dict[str, tuple[float, float]]] = {
    "seed": {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)},
    "deap": {"theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 45)},
    "lel": {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)},
    "muse": {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 45)},
}

_FLOOR = 1e-20  # V^2, that is 1e-8 uV^2: far below the noise of any amplifier
_SIGNALS = 32  # signals filtered at once
_BLOCK = 2**23  # values per block of windows; bounds the extra memory to some tens of megabytes


def differential_entropy(
    x: np.ndarray,
    sfreq: float,
    bands: str | Mapping[str, tuple[float, float]] = "seed",
    method: str = "spectral",
    window: float | None = None,
    step: float | None = None,
    floor: float = _FLOOR,
) -> np.ndarray:
    """Differential entropy ``0.5 ln(2 pi e variance)`` in each band and window.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Signals in volts. With ``method='filter'`` give whole recordings, since the filter sees all of `x`.
    sfreq : float
        Sampling rate in Hz.
    bands : str or mapping of str to (low, high)
        A name of :data:`BANDS` or bands in Hz, half-open.
    method : {'spectral', 'filter'}
        ``spectral``: power of the Hann-windowed spectrum of each window, which depends on that window alone.
        ``filter``: variance of the zero-phase band-pass filtered signal (Butterworth, order 4). These are two
        different features: their rank order agrees, their values do not.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; the whole of `x` is one window by default,
        and windows do not overlap.
    floor : float
        Smallest variance in V², so that a flat channel gives a finite number.

    Returns
    -------
    ndarray, shape (..., n_bands, n_channels, n_windows), float32 (float64 for float64)
        In nats (of volts). In microvolts every value would be 13.8 higher.

    Raises
    ------
    InputError
        If a band holds no frequency of such a window, exceeds the Nyquist frequency, or the window is longer than
        the signal.
    """
    variance = band_variance(x, sfreq, bands, method, window, step)
    dtype = np.float64 if np.asarray(x).dtype == np.float64 else np.float32
    return (0.5 * np.log(2 * np.pi * np.e * np.maximum(variance, floor))).astype(dtype)


def band_variance(
    x: np.ndarray,
    sfreq: float,
    bands: str | Mapping[str, tuple[float, float]] = "seed",
    method: str = "spectral",
    window: float | None = None,
    step: float | None = None,
) -> np.ndarray:
    """Variance of the signal in each band and window; parameters as :func:`differential_entropy`.

    Returns
    -------
    ndarray, shape (..., n_bands, n_channels, n_windows), float64
        In V².
    """
    x = np.asarray(x)
    limits = check_bands(bands, sfreq)
    size = x.shape[-1] if window is None else round(window * sfreq)
    hop = size if step is None else round(step * sfreq)
    if x.ndim < 2 or not 1 < size <= x.shape[-1]:
        raise InputError(
            f"A signal of shape {x.shape} at {sfreq:g} Hz came for windows of {size} samples.",
            fits="(..., n_channels, n_times), at least one window of two samples long",
        )
    if method == "spectral":
        windows = sliding_windows(x.reshape(-1, x.shape[-1]), size, hop)
        result = _spectral_variance(windows, sfreq, limits).reshape(*x.shape[:-1], -1, len(limits))
    elif method == "filter":
        result = _filtered_variance(x.reshape(-1, x.shape[-1]), sfreq, limits, size, hop)
        result = result.reshape(*x.shape[:-1], -1, len(limits))
    else:
        raise InputError(f"There is no method {method!r}.{near(method, ['spectral', 'filter'])}", "spectral or filter")
    return np.moveaxis(result, -1, -3)  # (..., C, W, B) -> (..., B, C, W)


def check_bands(bands: str | Mapping[str, tuple[float, float]], sfreq: float) -> list[tuple[float, float]]:
    """Return the limits of the bands in Hz, or say what is wrong with them."""
    if isinstance(bands, str):
        if bands not in BANDS:
            raise InputError(f"There is no set of bands {bands!r}.{near(bands, BANDS)}", fits=", ".join(BANDS))
        bands = BANDS[bands]
    for name, (low, high) in bands.items():
        if not 0 <= low < high <= sfreq / 2:
            raise InputError(
                f"The band {name} from {low} to {high} Hz does not fit a sampling rate of {sfreq:g} Hz.",
                fits=f"0 <= low < high <= {sfreq / 2:g} Hz",
                do="choose other bands or keep a higher rate",
            )
    return list(bands.values())


def _spectral_variance(windows: np.ndarray, sfreq: float, limits: list[tuple[float, float]]) -> np.ndarray:
    """Sum the power spectral density of Hann-windowed windows, shape (n_signals, n_windows, size), over each band.

    The discrete Fourier transform of the bins in use is one matrix product, several times faster than an FFT of all
    bins for short windows. Subtracting the mean of the window is folded into the matrix.
    """
    n_signals, n_windows, size = windows.shape
    bins = np.arange(size // 2 + 1) * sfreq / size
    nyquist = sfreq / 2
    members = np.array(
        [(low <= bins) & ((bins < high) | ((bins == nyquist) & (high == nyquist))) for low, high in limits]
    )
    empty = [f"{low:g}-{high:g} Hz" for (low, high), m in zip(limits, members, strict=True) if not m[1:].any()]
    if empty:
        raise InputError(
            f"A window of {size} samples at {sfreq:g} Hz resolves {sfreq / size:g} Hz and has no frequency in "
            f"{', '.join(empty)}.",
            fits="a longer window or a wider band",
        )
    used = np.flatnonzero(members.any(axis=0))
    hann = np.hanning(size + 1)[:-1]
    phase = 2 * np.pi * np.outer(np.arange(size), used) / size
    basis = hann[:, None] * np.concatenate([np.cos(phase), -np.sin(phase)], axis=1)
    basis = (basis - basis.mean(axis=0)).astype(np.float64 if windows.dtype == np.float64 else np.float32)
    one_sided = np.where((used == 0) | (2 * used == size), 1.0, 2.0) / (size * np.sum(hann**2))
    pool = (members[:, used] * one_sided).T
    result = np.empty((n_signals, n_windows, len(limits)))
    per_block = max(1, _BLOCK // max(size * n_windows, 1))
    for begin in range(0, n_signals, per_block):  # overlapping windows are copied one block at a time
        spectrum = windows[begin : begin + per_block].reshape(-1, size) @ basis
        power = np.square(spectrum, dtype=np.float64)  # volts squared would underflow in float32
        power = (power[:, : len(used)] + power[:, len(used) :]) @ pool
        result[begin : begin + per_block] = power.reshape(-1, n_windows, len(limits))
    return result


def _filtered_variance(
    x: np.ndarray, sfreq: float, limits: list[tuple[float, float]], size: int, hop: int
) -> np.ndarray:
    """Variance in windows of band-passed signals (n_signals, n_times), a few at a time so that they fit a cache."""
    blocks = []
    for begin in range(0, len(x), _SIGNALS):
        part = x[begin : begin + _SIGNALS].astype(np.float64)
        edges = ((low or None, high if high < sfreq / 2 else None) for low, high in limits)
        bands = (part if edge == (None, None) else band_pass(part, sfreq, *edge) for edge in edges)
        blocks.append(np.stack([sliding_windows(band, size, hop).var(axis=-1) for band in bands], axis=-1))
    return np.concatenate(blocks)


class DifferentialEntropy(ArrayTransformer):
    """Differential entropy of each sample; learns nothing, so it cannot leak.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    bands, method, window, step
        As :func:`differential_entropy`. ``window=None`` gives one value per sample, band and channel.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    def __init__(
        self,
        sfreq: float = 128.0,
        bands: str | Mapping[str, tuple[float, float]] = "deap",
        method: str = "spectral",
        window: float | None = None,
        step: float | None = None,
    ):
        self.sfreq = sfreq
        self.bands = bands
        self.method = method
        self.window = window
        self.step = step

    def fit(self, X: np.ndarray, y: object = None) -> DifferentialEntropy:
        """Check the samples and the bands.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_channels, n_times) or (n_samples, n_times)
            In volts; two axes mean one channel.
        y : ignored
        """
        check_bands(self.bands, self.sfreq)
        return super().fit(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_bands, n_channels, n_windows), in nats."""
        X = self._checked(X)
        X = X[:, None, :] if X.ndim == 2 else X
        return differential_entropy(X, self.sfreq, self.bands, self.method, self.window, self.step)
