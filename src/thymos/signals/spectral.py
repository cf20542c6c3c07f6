"""Spectra, band power and differential entropy (Shi et al. 2013, Duan et al. 2013) of windows of a signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import fft
from scipy import signal as sps

from thymos.base.bands import BANDS, band_members, check_bands
from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.signals.filters import butterworth, floating, require_finite, ringing
from thymos.signals.transformer import WindowFeatures, in_windows
from thymos.signals.windows import channels_last, in_blocks, sliding_windows

__all__ = [
    "FLOOR",
    "BandPower",
    "DifferentialEntropy",
    "PowerSpectralDensity",
    "band_power",
    "band_variance",
    "differential_entropy",
    "frequencies",
    "power_spectral_density",
    "spectral_matrices",
]

#: Smallest variance in V^2 of which a logarithm is taken, 1e-8 uV^2: far below the noise of any amplifier.
FLOOR = 1e-20
_SCALES = ("power", "decibel", "relative")
_SIGNALS = 8  # signals filtered at once, so that they fit a cache
_SHORT = 512  # samples of a window up to which a matrix is faster than a Fourier transform
_RINGING = 1e-4  # share of the response of a filter that is left where the extension of a signal ends


def differential_entropy(
    x: np.ndarray,
    sfreq: float,
    bands: str | Mapping[str, tuple[float, float]] = "seed",
    method: str = "spectral",
    window: float | None = None,
    step: float | None = None,
    floor: float = FLOOR,
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
        ``spectral``, the default: power of the Hann-windowed spectrum of each window, which depends on that window
        alone and so is safe under any split.
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
    return (0.5 * np.log(2 * np.pi * np.e * np.maximum(variance, floor))).astype(floating(x))


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
    if x.ndim < 2:
        raise InputError(f"A signal of shape {x.shape} came.", fits="(..., n_channels, n_times)")
    size, hop = in_windows(x.shape[-1], sfreq, window, step)
    if method == "spectral":
        return in_blocks(x, size, hop, _pooling(size, sfreq, limits, floating(x)))
    if method == "filter":
        return _filtered_variance(x, sfreq, limits, size, hop)
    raise InputError(f"There is no method {method!r}.{near(method, ['spectral', 'filter'])}", "spectral or filter")


def band_power(
    x: np.ndarray,
    sfreq: float,
    bands: str | Mapping[str, tuple[float, float]] = "seed",
    method: str = "spectral",
    window: float | None = None,
    step: float | None = None,
    scale: str = "power",
) -> np.ndarray:
    """Power of the signal in each band and window.

    Parameters
    ----------
    x, sfreq, bands, method, window, step
        As :func:`differential_entropy`.
    scale : {'power', 'decibel', 'relative'}
        ``power`` in V²; ``decibel`` relative to 1 V² (1 µV² is -120 dB); ``relative``, the share of the sum over
        all bands, which has no unit and does not know the gain of an electrode.

    Returns
    -------
    ndarray, shape (..., n_bands, n_channels, n_windows), float32 (float64 for float64)

    Raises
    ------
    InputError
        As :func:`differential_entropy`, and for an unknown scale.
    """
    power = band_variance(x, sfreq, bands, method, window, step)
    if scale == "decibel":
        power = 10 * np.log10(np.maximum(power, FLOOR))
    elif scale == "relative":
        power = power / np.maximum(power.sum(axis=-3, keepdims=True), FLOOR)
    elif scale != "power":
        raise InputError(f"There is no scale {scale!r}.{near(scale, _SCALES)}", fits=", ".join(_SCALES))
    return power.astype(floating(x))


def power_spectral_density(
    x: np.ndarray,
    sfreq: float,
    low: float = 0.0,
    high: float | None = None,
    window: float | None = None,
    step: float | None = None,
) -> np.ndarray:
    """Periodogram of each Hann-windowed window without its mean.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Signals in volts.
    sfreq : float
        Sampling rate in Hz.
    low, high : float
        First and last frequency in Hz; up to the Nyquist frequency by default. :func:`frequencies` returns them.
    window, step : float, optional
        In seconds, as :func:`differential_entropy`.

    Returns
    -------
    ndarray, shape (..., n_frequencies, n_channels, n_windows), float32 (float64 for float64)
        One-sided, in V²/Hz: its sum times the distance of two frequencies is the variance of the window.

    Raises
    ------
    InputError
        If no frequency lies in the range, or the window does not fit the signal.
    """
    x = np.asarray(x)
    size, hop = in_windows(x.shape[-1], sfreq, window, step)
    kept = _kept(size, sfreq, low, high)
    volts = x.dtype == np.float64

    def density(windows: np.ndarray) -> np.ndarray:
        # unit variance inside: volts squared would underflow in float32
        scaled = windows if volts else windows * np.float32(1e6)
        found = sps.periodogram(scaled, sfreq, "hann", detrend="constant", axis=-1)[1][..., kept]
        return found if volts else found * np.float64(1e-12)

    return in_blocks(x, size, hop, density).astype(floating(x))


def frequencies(
    n_times: int, sfreq: float, low: float = 0.0, high: float | None = None, window: float | None = None
) -> np.ndarray:
    """Return the frequencies in Hz of :func:`power_spectral_density` for signals of `n_times` samples."""
    size, _ = in_windows(n_times, sfreq, window, None)
    return np.fft.rfftfreq(size, 1 / sfreq)[_kept(size, sfreq, low, high)]


def _kept(size: int, sfreq: float, low: float, high: float | None) -> np.ndarray:
    bins = np.fft.rfftfreq(size, 1 / sfreq)
    kept = (bins >= low) & (bins <= (sfreq / 2 if high is None else high))
    if not kept.any():
        raise InputError(
            f"Frequencies from {low} to {high} Hz were asked for of windows of {size} samples at {sfreq:g} Hz.",
            fits=f"a range that holds a multiple of {sfreq / size:g} Hz up to {sfreq / 2:g} Hz",
        )
    return kept


def _pooling(
    size: int, sfreq: float, limits: list[tuple[float, float]], dtype: np.dtype
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from windows, (n_signals, n_windows, size), to power in bands, (n_signals, n_windows, n_bands).

    For short windows the discrete Fourier transform of the bins in use is one matrix product, with the subtraction of
    the mean folded into the matrix: several times faster than an FFT of all bins.
    """
    if size > _SHORT:
        hann, used, pool = _bins(size, sfreq, limits)
        taper = hann.astype(dtype)

        def transformed(windows: np.ndarray) -> np.ndarray:
            spectrum = fft.rfft((windows - windows.mean(axis=-1, keepdims=True)) * taper)[..., used]
            # volts squared would underflow in float32
            return (np.square(spectrum.real, dtype=np.float64) + np.square(spectrum.imag, dtype=np.float64)) @ pool

        return transformed
    basis, both = spectral_matrices(size, sfreq, limits)
    basis = basis.astype(dtype)

    def multiplied(windows: np.ndarray) -> np.ndarray:
        spectrum = windows.reshape(-1, size) @ basis
        return (np.square(spectrum, dtype=np.float64) @ both).reshape(*windows.shape[:-1], -1)

    return multiplied


def spectral_matrices(size: int, sfreq: float, limits: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the two matrices of which power in bands is made: ``(window @ basis) ** 2 @ pool``.

    Parameters
    ----------
    size : int
        Samples of a window.
    sfreq : float
        In Hz.
    limits : list of (float, float)
        Bands in Hz.

    Returns
    -------
    basis : ndarray, shape (size, 2 * n_bins)
        Real and imaginary parts of the bins in use of the Hann-windowed window without its mean.
    pool : ndarray, shape (2 * n_bins, n_bands)
    """
    hann, used, pool = _bins(size, sfreq, limits)
    phase = 2 * np.pi * np.outer(np.arange(size), used) / size
    basis = hann[:, None] * np.concatenate([np.cos(phase), -np.sin(phase)], axis=1)
    return basis - basis.mean(axis=0), np.concatenate([pool, pool])  # the same for real and imaginary parts


def _bins(size: int, sfreq: float, limits: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the taper, the bins of the spectrum in use, and what each of them adds to each band."""
    members = band_members(size, sfreq, limits)
    used = np.flatnonzero(members.any(axis=0))
    hann = np.hanning(size + 1)[:-1]
    one_sided = np.where((used == 0) | (2 * used == size), 1.0, 2.0) / (size * np.sum(hann**2))
    return hann, used, (members[:, used] * one_sided).T


def _filtered_variance(
    x: np.ndarray, sfreq: float, limits: list[tuple[float, float]], size: int, hop: int
) -> np.ndarray:
    """Variance in windows of band-passed signals.

    Filtering forward and backward multiplies the spectrum by the squared magnitude of the response, so one Fourier
    transform of a signal serves all bands: several times faster than filtering it once for each band. Both ends are
    extended by the point reflection of the signal until the response has died away.
    """
    require_finite(x)
    n, dtype = x.shape[-1], floating(x)
    edges = [(low or None, high if high < sfreq / 2 else None) for low, high in limits]
    filters = [None if edge == (None, None) else butterworth(sfreq, *edge) for edge in edges]
    pad = min(n - 1, max((ringing(sos, _RINGING) for sos in filters if sos is not None), default=0))
    length = fft.next_fast_len(n + 2 * pad, real=True)
    omega = 2 * np.pi * np.fft.rfftfreq(length)
    gains = [None if sos is None else (np.abs(sps.freqz_sos(sos, omega)[1]) ** 2).astype(dtype) for sos in filters]

    def variance(signals: np.ndarray) -> np.ndarray:
        # in double: an offset may be a thousand times the signal
        part = (signals - signals.mean(axis=-1, keepdims=True, dtype=np.float64)).astype(dtype)
        left, right = 2 * part[..., :1] - part[..., pad:0:-1], 2 * part[..., -1:] - part[..., -2 : -pad - 2 : -1]
        spectrum = fft.rfft(np.concatenate([left, part, right], axis=-1), length)
        found = []
        for gain in gains:
            band = part if gain is None else fft.irfft(spectrum * gain, length)[..., pad : pad + n]
            windows = sliding_windows(band, size, hop)
            found.append(np.einsum("...i,...i->...", windows, windows) / size - windows.mean(axis=-1) ** 2)
        return np.stack(found, axis=-1)

    flat = x.reshape(-1, n)
    parts = [variance(flat[begin : begin + _SIGNALS]) for begin in range(0, len(flat), _SIGNALS)]
    return channels_last(np.concatenate(parts), x.shape)


class _InBands(WindowFeatures):
    """Parameters that the features of frequency bands share."""

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

    def fit(self, X: np.ndarray, y: object = None) -> _InBands:
        """Check the samples, shape (n_samples, n_channels, n_times) or (n_samples, n_times), and the bands."""
        check_bands(self.bands, self.sfreq)
        return super().fit(X)

    @property
    def offline(self) -> bool:  # type: ignore[override]  # it depends on a parameter here
        """Whether a window's features use samples after it: a zero-phase filter does."""
        return self.method == "filter"

    def names(self) -> tuple[str, ...]:
        """Return the names of the bands."""
        return tuple(BANDS[self.bands] if isinstance(self.bands, str) else self.bands)


class DifferentialEntropy(_InBands):
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

    def _features(self, X: np.ndarray) -> np.ndarray:
        return differential_entropy(X, self.sfreq, self.bands, self.method, self.window, self.step)


class BandPower(_InBands):
    """Power in frequency bands of each sample.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    bands, method, window, step, scale
        As :func:`band_power`.

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
        scale: str = "decibel",
    ):
        super().__init__(sfreq, bands, method, window, step)
        self.scale = scale

    def _features(self, X: np.ndarray) -> np.ndarray:
        return band_power(X, self.sfreq, self.bands, self.method, self.window, self.step, self.scale)


class PowerSpectralDensity(WindowFeatures):
    """Power spectral density of each sample.

    Parameters
    ----------
    sfreq, low, high, window, step
        As :func:`power_spectral_density`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    n_times_ : int
        Length of the samples seen in `fit`.
    """

    def __init__(
        self,
        sfreq: float = 128.0,
        low: float = 0.0,
        high: float | None = None,
        window: float | None = None,
        step: float | None = None,
    ):
        self.sfreq = sfreq
        self.low = low
        self.high = high
        self.window = window
        self.step = step

    def fit(self, X: np.ndarray, y: object = None) -> PowerSpectralDensity:
        """Check the samples, shape (n_samples, n_channels, n_times) or (n_samples, n_times)."""
        self.n_times_ = self._checked(X, reset=True).shape[-1]
        return self

    def names(self) -> tuple[str, ...]:
        """Return the frequencies, as ``10Hz``."""
        found = frequencies(self.n_times_, self.sfreq, self.low, self.high, self.window)
        return tuple(f"{f:g}Hz" for f in found)

    def _features(self, X: np.ndarray) -> np.ndarray:
        return power_spectral_density(X, self.sfreq, self.low, self.high, self.window, self.step)
