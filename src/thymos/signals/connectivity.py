"""How channels go together in each band: coherence and phase locking, and the strongest links as a diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from thymos.base.bands import BANDS, band_members, check_bands
from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.optional import require
from thymos.signals.topography import azimuthal
from thymos.signals.transformer import WindowFeatures, in_windows
from thymos.signals.windows import sliding_windows

__all__ = ["METHODS", "Connectivity", "chord_data", "connectivity", "pair_names"]

#: Measures, and what mne-connectivity calls them.
METHODS = {"coherence": "coh", "imaginary_coherence": "imcoh", "plv": "plv", "wpli": "wpli"}

#: Imaginary coherence that may be nothing but rounding, of values of such a type.
_ROUNDING = {np.float64: 1e-12, np.float32: 1e-6}


def connectivity(
    x: np.ndarray,
    sfreq: float,
    bands: str | Mapping[str, tuple[float, float]] = "deap",
    method: str = "coherence",
    segment: float = 1.0,
) -> np.ndarray:
    """How strongly each two channels go together in each band.

    Whether two phases keep their distance can only be seen over repetitions. Each signal is therefore cut into
    half-overlapping, Hann-windowed segments; the measure is taken over them at each frequency, ``1 / segment`` Hz
    apart, and averaged over the frequencies of a band. With K segments, channels that have nothing to do with each
    other do not give 0 but about ``sqrt(pi / (4 K))`` for coherence and phase locking; compare only what has the same
    number of segments.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_times)
        Signals, in any unit.
    sfreq : float
        Sampling rate in Hz.
    bands : str or mapping of str to (low, high)
        A name of :data:`~thymos.signals.spectral.BANDS` or bands in Hz, half-open.
    method : {'coherence', 'imaginary_coherence', 'plv', 'wpli'}
        With the cross-spectrum S of two channels: ``coherence`` is ``|mean S|`` over the root of both powers;
        ``imaginary_coherence`` takes ``|Im mean S|`` instead, so that what reaches both without delay, as a common
        reference does, counts for nothing; ``plv``, the phase locking value, is ``|mean (S / |S|)|``; ``wpli``, the
        weighted phase lag index, is ``|mean Im S| / mean |Im S|``, and 0 where ``|Im mean S|`` is within rounding of 0
        (1e-12 of the root of both powers, 1e-6 for float32), as of two equal channels. All lie between 0 and 1.
    segment : float
        Length of a segment in seconds, at least one period of the lowest band.

    Returns
    -------
    ndarray, shape (..., n_bands, n_pairs), float32 (float64 for float64)
        Pairs in the order of :func:`pair_names`; none for one channel. NaN where a channel is constant.

    Raises
    ------
    InputError
        If a band does not fit the rate or holds no frequency, there is no such method, or the signals have fewer than
        two segments, of which every measure would be 1.
    MissingExtraError
        If mne-connectivity is not installed.

    Notes
    -----
    Coherence and phase locking: J.-P. Lachaux et al., Measuring phase synchrony in brain signals, Human Brain Mapping
    8, 1999. Imaginary part: G. Nolte et al., Clinical Neurophysiology 115, 2004; here its absolute value, since the
    sign depends on the order of the channels. Weighted phase lag index: M. Vinck et al., NeuroImage 55, 2011. Computed
    by mne-connectivity.
    """
    x = np.asarray(x)
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}.{near(method, METHODS)}", fits=", ".join(METHODS))
    if x.ndim < 2:
        raise InputError(f"Signals of shape {x.shape} came.", fits="(..., n_channels, n_times)")
    limits = check_bands(bands, sfreq)
    dtype = np.float64 if x.dtype == np.float64 else np.float32
    first, second = np.triu_indices(x.shape[-2], 1)
    made = np.empty((*x.shape[:-2], len(limits), len(first)), dtype=dtype)
    if not made.size:
        return made
    size, hop = in_windows(x.shape[-1], sfreq, min(segment, x.shape[-1] / sfreq), segment / 2)
    if x.shape[-1] < size + hop:
        raise InputError(
            f"Signals of {x.shape[-1] / sfreq:g} s came for segments of {segment:g} s.",
            fits=f"two half-overlapping segments or more, {1.5 * segment:g} s",
            do="give longer windows, or a shorter segment",
        )
    members, edges = _members(limits, size, sfreq)
    mne_connectivity = require("mne_connectivity", "connectivity")
    for at in np.ndindex(x.shape[:-2]):
        segments = np.moveaxis(sliding_windows(x[at].astype(np.float64), size, hop), 1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # constant channels, which become NaN below
            found = mne_connectivity.spectral_connectivity_epochs(
                segments,
                method=["wpli", "imcoh"] if method == "wpli" else METHODS[method],
                indices=(first, second),
                sfreq=sfreq,
                mode="fourier",
                fmin=edges[0],
                fmax=edges[1],
                verbose="CRITICAL",  # it warns of bands with few periods in a segment; the caller chose both
            )
            if method == "wpli":  # a ratio of roundings is any number
                found, imaginary = (part.get_data() for part in found)
                found = np.where(np.abs(imaginary) < _ROUNDING[dtype], 0, found)
            else:
                found = found.get_data()
            made[at] = members @ np.abs(found).T
        flat = np.ptp(x[at], axis=-1) == 0
        made[at][:, flat[first] | flat[second]] = np.nan
    return made


def pair_names(ch_names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of all pairs of channels, such as ``Fp1-Fz``: the first with all later ones, and so on."""
    return tuple(f"{a}-{b}" for a, b in combinations(ch_names, 2))


class Connectivity(WindowFeatures):
    """How strongly each two channels of each sample go together, as :func:`connectivity`.

    The features are bands, and pairs of channels stand where other features have channels: shape (n_samples, n_bands,
    n_pairs, n_windows). One channel has no pairs, and that axis is empty.

    Parameters
    ----------
    sfreq, bands, method, segment
        As :func:`connectivity`.
    window, step : float, optional
        Length of a window and distance between two starts in seconds; a window holds several segments. By default a
        sample is one window.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    def __init__(
        self,
        sfreq: float = 128.0,
        bands: str | Mapping[str, tuple[float, float]] = "deap",
        method: str = "coherence",
        segment: float = 1.0,
        window: float | None = None,
        step: float | None = None,
    ):
        self.sfreq = sfreq
        self.bands = bands
        self.method = method
        self.segment = segment
        self.window = window
        self.step = step

    def channels(self, ch_names: list[str]) -> tuple[str, ...]:
        """Return the names of the pairs."""
        return pair_names(ch_names)

    def names(self) -> tuple[str, ...]:
        """Return the names of the bands."""
        check_bands(self.bands, self.sfreq)
        return tuple(BANDS[self.bands] if isinstance(self.bands, str) else self.bands)

    def problems(self, X: np.ndarray) -> list[str]:
        """Return for each sample which channels are constant throughout, by number."""
        flat = np.ptp(X, axis=-1) == 0
        return [f"constant channels: {', '.join(map(str, np.flatnonzero(row)))}" if row.any() else "" for row in flat]

    def _features(self, X: np.ndarray) -> np.ndarray:
        windows = sliding_windows(X, *in_windows(X.shape[-1], self.sfreq, self.window, self.step))
        made = connectivity(np.moveaxis(windows, -2, 1), self.sfreq, self.bands, self.method, self.segment)
        return np.moveaxis(made, 1, -1)


def chord_data(strength: np.ndarray, ch_names: Sequence[str], strongest: int | None = 20) -> pd.DataFrame:
    """Return the strongest links between channels, ready for a diagram of chords in a circle.

    Electrodes stand at equal distances: those left of the midline on the left from the front, at the top, to the
    back, those right of it on the right; those on the midline at the top and at the bottom.

    Parameters
    ----------
    strength : ndarray, shape (n_pairs,)
        One value per pair, in the order of :func:`pair_names`; NaN is left out.
    ch_names : sequence of str
        Electrodes of the 10-05 system.
    strongest : int, optional
        How many links; all by default of None.

    Returns
    -------
    DataFrame
        ``source``, ``target``, ``strength``, ``source_angle`` and ``target_angle``, the strongest first. Angles in
        radians, counter-clockwise from the right, as plots of cosine and sine take them.

    Raises
    ------
    InputError
        If the number of values is not that of the pairs, or a channel has no place on the scalp.
    """
    strength = np.asarray(strength)
    pairs = list(combinations(ch_names, 2))
    if strength.shape != (len(pairs),) or (strongest is not None and strongest < 1):
        raise InputError(
            f"Strengths of shape {strength.shape} came for {len(ch_names)} channels, of which {strongest} strongest.",
            fits=f"({len(pairs)},), one per pair, and one link or more",
            do="give one band and one sample, or a mean of some",
        )
    angle = _angles(ch_names)
    table = pd.DataFrame(pairs, columns=["source", "target"]).assign(strength=strength)
    table["source_angle"], table["target_angle"] = table["source"].map(angle), table["target"].map(angle)
    table = table.dropna(subset="strength").sort_values("strength", ascending=False, kind="stable")
    return table.head(len(table) if strongest is None else strongest).reset_index(drop=True)


def _members(limits: list[tuple[float, float]], size: int, sfreq: float) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the weight of each frequency in each band, and the lowest and highest frequency in use."""
    inside = band_members(size, sfreq, limits)
    inside[:, 0] = False  # the mean is no oscillation
    used = np.flatnonzero(inside.any(axis=0))
    used = np.arange(used[0], used[-1] + 1)
    weights = inside[:, used] / inside[:, used].sum(axis=1, keepdims=True)
    return weights, ((used[0] - 0.5) * sfreq / size, (used[-1] + 0.5) * sfreq / size)


def _angles(ch_names: Sequence[str]) -> dict[str, float]:
    """Return where each electrode stands on the circle, in radians."""
    x, y = azimuthal(ch_names).T
    order = np.argsort(-y, kind="stable")  # from the front to the back
    groups = ((x == 0) & (y >= 0), x < 0, (x == 0) & (y < 0), x > 0)
    top, left, bottom, right = (order[group[order]] for group in groups)
    ring = np.concatenate([top, left, bottom, right[::-1]])  # counter-clockwise
    angles = np.pi / 2 + 2 * np.pi * (np.arange(len(ring)) - (len(top) - 1) / 2) / len(ring)
    return {ch_names[k]: float(a) for k, a in zip(ring, angles % (2 * np.pi), strict=True)}
