"""The feature generator behind the public Muse tables (methods B5.3; Bird et al. 2018, 2019), as it is and as it
should have been.

``legacy`` reproduces its columns, among them those whose names promise something else: ``fft`` is no spectrum,
``covmat`` no covariance of channels. ``clean`` computes what the names say.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, combinations_with_replacement, pairwise

import numpy as np
from scipy import fft
from scipy.signal import detrend, resample
from scipy.special import entr

from thymos.base.bands import check_bands
from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.signals.spectral import FLOOR, band_variance
from thymos.signals.statistics import window_statistics
from thymos.signals.transformer import ArrayTransformer
from thymos.signals.windows import sliding_windows

__all__ = ["MODES", "BirdFeatures", "bird_features", "bird_names", "lagged"]

MODES = ("clean", "legacy", "legacy_dedup")

_SIZE = 150  # points that the legacy generator resamples a window to
_SIGNALS = 5  # four electrodes and the auxiliary input
_SIDE = 12  # 12 x 12 is what the 144 numbers behind ``covmat`` are folded to
_MICRO = 1e6  # the public table is in microvolts
_DISTINCT = (0, 1, 2)  # of the five real parts of a 5-point transform; the others repeat them
_LOW, _HIGH = 1.0, 45.0  # Hz; mains are beyond, with the whole main lobe of the Hann window
_NOISE = 1e-14  # V^2, of the order of the converter's rounding; makes every covariance regular

#: A statistic of the whole window, of its second half less the first, of the quarters, and of pairs of quarters.
_PARTS = ("", "_d", "_q1", "_q2", "_q3", "_q4", *(f"_q{i + 1}q{j + 1}" for i, j in combinations(range(4), 2)))


def bird_features(
    x: np.ndarray,
    mode: str = "clean",
    sfreq: float = 256.0,
    bands: str | Mapping[str, tuple[float, float]] = "muse",
) -> np.ndarray:
    """Compute the features of windows; each depends on its window alone.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Windows in volts. The legacy modes want five channels, the auxiliary input last, and resample each window to
        150 points in the Fourier domain.
    mode : {'clean', 'legacy', 'legacy_dedup'}
        See Notes.
    sfreq : float
        Sampling rate in Hz; ``clean`` only.
    bands : str or mapping of str to (low, high)
        As :func:`thymos.signals.spectral.differential_entropy`; ``clean`` only.

    Returns
    -------
    ndarray, shape (..., n_features), float32 (float64 for float64)
        Columns as :func:`bird_names`. ``clean``: in volts, volts squared or nats, 404 for four channels, one second
        at 256 Hz and the bands of Muse. Legacy: in microvolts and their powers, 1274, or 974 without the copies.

    Raises
    ------
    InputError
        If the mode is unknown, or the channels or the length of a window do not fit it.

    Warns
    -----
    RuntimeWarning
        Where a legacy entropy is not finite, which is wherever samples of both signs meet; it is replaced by 0.

    Notes
    -----
    ``clean``, per channel: mean, maximum and minimum of the window, of its second half less the first, of the four
    quarters and of the differences of their six pairs; standard deviation and its difference of halves; skewness and
    excess kurtosis; magnitudes from 1 to 45 Hz of the window without its line of best fit, Hann-windowed, scaled to
    the amplitude of a sine; differential entropy per band; logarithm of the band's share of the power of all bands
    (the logarithm of the power itself is twice the entropy and a constant). Variances are at least 1e-20 V² under a
    logarithm. Then, over channels: covariance, upper triangle; its eigenvalues, ascending; matrix logarithm of the
    covariance plus 1e-14 V² times the identity, upper triangle.

    ``legacy``: mean, maximum and minimum as above; standard deviation and its difference of halves; central moments
    3 to 6; ``covmat``, the covariance of the rows of a 12 x 12 matrix folded from the 144 quarter statistics (50
    means less the last 6, 50 maxima, 50 minima); ``eigen``, its eigenvalues, descending; ``logm``, its matrix
    logarithm, upper triangle by diagonals; ``entropy`` of the samples normalised to sum 1; ``correlate``, the inner
    product over channels of sample k and sample k + 75; ``fft``, real part of the 5-point Fourier transform over the
    channels at each of 150 samples. ``legacy_dedup`` leaves out the two of every five ``fft`` columns that repeat
    another one.

    The covariance behind ``logm`` has rank 11 at most, so its logarithm does not exist. An eigenvalue that rounding
    made negative counts by its absolute value, which gives the real part of its logarithm, and none counts for less
    than the float64 resolution times the largest (or times 1 uV², whichever is more).
    """
    _check_mode(mode)
    x = np.asarray(x)
    if x.ndim < 2 or x.shape[-1] < 2:
        raise InputError(f"Windows of shape {x.shape} came.", fits="(..., n_channels, n_times), two samples or more")
    wide = x.astype(np.float64)
    made = _clean(wide, sfreq, bands) if mode == "clean" else _legacy(wide, mode)
    return made.astype(np.float64 if x.dtype == np.float64 else np.float32)


def bird_names(
    mode: str = "clean",
    lag: bool = False,
    ch_names: Sequence[str] = ("TP9", "AF7", "AF8", "TP10"),
    sfreq: float = 256.0,
    window: float = 1.0,
    bands: str | Mapping[str, tuple[float, float]] = "muse",
) -> list[str]:
    """Return the column names of :func:`bird_features`, or of two such blocks side by side.

    Parameters
    ----------
    mode : {'clean', 'legacy', 'legacy_dedup'}
    lag : bool
        The earlier block's names end in ``_a``, the later one's in ``_b``.
    ch_names : sequence of str
        Channels, without the auxiliary one; ``clean`` only. The legacy names number them.
    sfreq, window : float
        Rate in Hz and length of a window in seconds, which decide on the frequencies; ``clean`` only.
    bands : str or mapping
        As :func:`bird_features`; ``clean`` only.

    Returns
    -------
    list of str
        Each once. In the published header halves and quarters of the mean are both called ``mean_d``, so that names
        collide; here the quarters are ``mean_q``, as those of maximum and minimum are. All its names run through
        ``<family>_<number>_<block>``, and the copies left out by ``legacy_dedup`` leave gaps in the numbers.
    """
    _check_mode(mode)
    names = _clean_names(ch_names, sfreq, window, bands) if mode == "clean" else _legacy_names(mode)
    return [f"{name}_{block}" for block in "ab" for name in names] if lag else names


def lagged(features: np.ndarray) -> np.ndarray:
    """Put the features of each window beside those of the window before it.

    Parameters
    ----------
    features : ndarray, shape (..., n_windows, n_features)

    Returns
    -------
    ndarray, shape (..., n_windows - 1, 2 * n_features)
        Half of every row is, number for number, a half of its neighbour.
    """
    return np.concatenate([features[..., :-1, :], features[..., 1:, :]], axis=-1)


class BirdFeatures(ArrayTransformer):
    """The features of :func:`bird_features` for each sample; learns nothing, so it cannot leak.

    Parameters
    ----------
    sfreq : float
        Sampling rate of the samples in Hz.
    mode : {'clean', 'legacy', 'legacy_dedup'}
        As :func:`bird_features`.
    lag : bool
        Put each window beside the one before it, as the public table does: a sample of 1.5 s is one row then.
    window, step : float
        Length of a window inside a sample and distance between two starts, in seconds. ``window=None`` takes the
        sample as one window.
    auxiliary : int, optional
        Number of an auxiliary channel, which ``clean`` leaves out; -1 for the last.
    bands : str or mapping of str to (low, high)
        As :func:`bird_features`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    def __init__(
        self,
        sfreq: float = 256.0,
        mode: str = "clean",
        lag: bool = False,
        window: float | None = 1.0,
        step: float = 0.5,
        auxiliary: int | None = None,
        bands: str | Mapping[str, tuple[float, float]] = "muse",
    ):
        self.sfreq = sfreq
        self.mode = mode
        self.lag = lag
        self.window = window
        self.step = step
        self.auxiliary = auxiliary
        self.bands = bands

    def fit(self, X: np.ndarray, y: object = None) -> BirdFeatures:
        """Check the samples and the mode.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_channels, n_times) or (n_samples, n_times)
            In volts; two axes mean one channel.
        y : ignored
        """
        _check_mode(self.mode)
        if self.mode == "clean":
            check_bands(self.bands, self.sfreq)
        return super().fit(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_features, n_windows), units as :func:`bird_features`."""
        X = self._checked(X)
        X = X[:, None, :] if X.ndim == 2 else X
        if self.mode == "clean" and self.auxiliary is not None:
            X = self._without_auxiliary(X, self.auxiliary)
        size = X.shape[-1] if self.window is None else round(self.window * self.sfreq)
        hop = size if self.window is None else round(self.step * self.sfreq)
        windows = np.moveaxis(sliding_windows(X, size, hop), -2, 1)  # (n_samples, n_windows, n_channels, size)
        if windows.shape[1] < 1 + self.lag:
            raise InputError(
                f"Samples of {X.shape[-1]} points at {self.sfreq:g} Hz hold {windows.shape[1]} windows of {size}.",
                fits="two windows or more for a lag" if self.lag else "one window or more",
                do="cut longer windows, or shorten window and step",
            )
        features = bird_features(windows, self.mode, self.sfreq, self.bands)
        return np.moveaxis(lagged(features) if self.lag else features, 1, -1)

    def _without_auxiliary(self, X: np.ndarray, auxiliary: int) -> np.ndarray:
        if not -X.shape[1] <= auxiliary < X.shape[1] or X.shape[1] < 2:
            raise InputError(
                f"auxiliary={auxiliary!r} came for {X.shape[1]} channels.",
                fits="the number of one of several channels, or None",
            )
        return np.delete(X, auxiliary, axis=1)


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise InputError(f"There is no mode {mode!r}.{near(mode, MODES)}", fits=f"one of {', '.join(MODES)}")


def _family(x: np.ndarray, statistic: Callable[..., np.ndarray]) -> np.ndarray:
    """Return a statistic over time for each of :data:`_PARTS`, shape (..., n_parts, n_channels)."""
    first, second = (statistic(part, axis=-1) for part in _split(x, 2))
    quarters = [statistic(part, axis=-1) for part in _split(x, 4)]
    pairs = [a - b for a, b in combinations(quarters, 2)]
    return np.stack([statistic(x, axis=-1), second - first, *quarters, *pairs], axis=-2)


def _split(x: np.ndarray, n: int) -> list[np.ndarray]:
    """Cut the last axis into `n` parts, borders rounded down, each of one sample at least."""
    borders = [k * x.shape[-1] // n for k in range(n + 1)]
    return [x[..., a : max(b, a + 1)] for a, b in pairwise(borders)]


def _families(x: np.ndarray) -> list[np.ndarray]:
    """Return mean, maximum and minimum by :data:`_PARTS`, then the first two parts of the standard deviation."""
    return [*(_family(x, statistic) for statistic in (np.mean, np.max, np.min)), _family(x, np.std)[..., :2, :]]


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(*x.shape[:-2], -1)


def _log_matrix(x: np.ndarray, floor: np.ndarray | float) -> np.ndarray:
    """Return the real part of the logarithm of symmetric matrices whose eigenvalues are at least `floor` in size."""
    values, vectors = np.linalg.eigh(x)
    return (vectors * np.log(np.maximum(np.abs(values), floor))[..., None, :]) @ vectors.swapaxes(-1, -2)


# --- as published ---------------------------------------------------------------------------------------------------


def _legacy(x: np.ndarray, mode: str) -> np.ndarray:
    if x.shape[-2] != _SIGNALS:
        raise InputError(
            f"Windows of {x.shape[-2]} channels came for the mode {mode!r}.",
            fits=f"{_SIGNALS} channels: four electrodes and the auxiliary input",
            do="read the auxiliary channel too, or use mode='clean'",
        )
    x = resample(x * _MICRO, _SIZE, axis=-1)
    mean, most, least, sd = _families(x)
    centred = x - x.mean(axis=-1, keepdims=True)
    moments = np.stack([np.mean(centred**k, axis=-1) for k in (3, 4, 5, 6)], axis=-2)
    folded = np.concatenate([_flat(part[..., 2:, :]) for part in (mean, most, least)], axis=-1)
    kept = np.delete(folded, np.s_[_SIDE * _SIDE - 100 : 50], axis=-1)  # of the means the last six have no place
    covmat = _covariance(kept.reshape(*kept.shape[:-1], _SIDE, _SIDE), ddof=1)
    values = np.linalg.eigvalsh(covmat)[..., ::-1]
    resolution = np.finfo(np.float64).eps * np.maximum(values[..., :1], 1.0)
    logm = _log_matrix(covmat, resolution)[(..., *_diagonals(_SIDE))]
    half = _SIZE // 2
    correlate = np.einsum("...ct,...ct->...t", x[..., :half], x[..., half:])
    across = fft.rfft(x, axis=-2).real  # the transform of five real numbers has three distinct real parts
    across = across[..., _DISTINCT if mode == "legacy_dedup" else (0, 1, 2, 2, 1), :].swapaxes(-1, -2)
    blocks = [_flat(part) for part in (mean, sd, moments, most, least, covmat)]
    return np.concatenate([*blocks, values, logm, _entropy(x), correlate, _flat(across)], axis=-1)


def _legacy_names(mode: str) -> list[str]:
    counts = {"mean": 5, "mean_d": 5, "mean_q": 50, "stddev": 5, "stddev_d": 5, "moments": 20}
    counts |= {f"{name}{part}": n for name in ("max", "min") for part, n in (("", 5), ("_d", 5), ("_q", 50))}
    counts |= {"covmat": 144, "eigen": 12, "logm": 78, "entropy": 5, "correlate": 75}
    numbers = [k for k in range(_SIZE * 5) if mode == "legacy" or k % 5 in _DISTINCT]
    return [f"{name}_{k}" for name, n in counts.items() for k in range(n)] + [f"fft_{k}" for k in numbers]


def _covariance(x: np.ndarray, ddof: int = 0) -> np.ndarray:
    """Return the covariance of rows, shape (..., n_rows, n_rows); symmetric to the last digit."""
    x = x - x.mean(axis=-1, keepdims=True)
    return np.einsum("...it,...jt->...ij", x, x) / (x.shape[-1] - ddof)


def _diagonals(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column numbers of the upper triangle, diagonal by diagonal."""
    places = [(i, i + k) for k in range(n) for i in range(n - k)]
    return tuple(np.array(places).T)


def _entropy(x: np.ndarray) -> np.ndarray:
    """Shannon entropy of the samples taken as a distribution; what is not finite becomes 0, with a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = entr(x / x.sum(axis=-1, keepdims=True)).sum(axis=-1)
    bad = ~np.isfinite(values)
    if bad.any():
        warnings.warn(
            f"{bad.sum()} of {bad.size} entropies do not exist because a window has samples of both signs; they are "
            "set to 0, as in the public table.",
            RuntimeWarning,
            stacklevel=4,
        )
    return np.where(bad, 0.0, values)


# --- as the names say -----------------------------------------------------------------------------------------------


def _clean(x: np.ndarray, sfreq: float, bands: str | Mapping[str, tuple[float, float]]) -> np.ndarray:
    shape = window_statistics(x)[..., 2:4, :, 0]  # skewness and kurtosis
    power = np.maximum(band_variance(x, sfreq, bands)[..., 0], FLOOR)
    entropy = 0.5 * np.log(2 * np.pi * np.e * power)
    share = np.log(power / power.sum(axis=-2, keepdims=True))
    by_channel = np.concatenate([*_families(x), shape, _magnitudes(x, sfreq), entropy, share], axis=-2)
    covariance = _covariance(x)
    upper = (..., *np.triu_indices(x.shape[-2]))
    values = np.linalg.eigvalsh(covariance)
    log = _log_matrix(covariance + _NOISE * np.eye(x.shape[-2]), _NOISE)
    return np.concatenate([_flat(by_channel), covariance[upper], values, log[upper]], axis=-1)


def _clean_names(
    ch_names: Sequence[str], sfreq: float, window: float, bands: str | Mapping[str, tuple[float, float]]
) -> list[str]:
    limits = check_bands(bands, sfreq)
    size = round(window * sfreq)
    rows = [f"{name}{part}" for name in ("mean", "max", "min") for part in _PARTS]
    rows += ["stddev", "stddev_d", "skewness", "kurtosis"]
    rows += [f"fft_{f:g}Hz" for f in fft.rfftfreq(size, 1 / sfreq)[_bins(size, sfreq)]]
    rows += [f"{name}_{low:g}-{high:g}Hz" for name in ("entropy", "log_share") for low, high in limits]
    pairs = [f"{a}-{b}" for a, b in combinations_with_replacement(ch_names, 2)]
    over = [f"covariance_{pair}" for pair in pairs] + [f"eigen_{k}" for k in range(len(ch_names))]
    return [f"{row}_{name}" for row in rows for name in ch_names] + over + [f"log_covariance_{pair}" for pair in pairs]


def _bins(size: int, sfreq: float) -> np.ndarray:
    """Return which bins of a transform of `size` points are used."""
    freqs = fft.rfftfreq(size, 1 / sfreq)
    return np.flatnonzero((freqs >= _LOW) & (freqs <= _HIGH))


def _magnitudes(x: np.ndarray, sfreq: float) -> np.ndarray:
    """Return amplitudes in volts, shape (..., n_freqs, n_channels)."""
    size = x.shape[-1]
    hann = np.hanning(size + 1)[:-1]
    spectrum = fft.rfft(detrend(x, axis=-1) * hann, axis=-1)[..., _bins(size, sfreq)]
    return (2 / hann.sum() * np.abs(spectrum)).swapaxes(-1, -2)
