"""Differences and ratios of a feature between electrodes that mirror each other (Duan et al. 2013, Zheng & Lu 2015)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.signals.montage import standard_name
from thymos.signals.transformer import ArrayTransformer

__all__ = ["KINDS", "Asymmetry", "asymmetry", "caudal_pairs", "hemispheric_pairs"]

#: What :func:`asymmetry` computes: left minus right, left over right, both, front minus back.
KINDS = ("dasm", "rasm", "asm", "dcau")

#: Rows of the cap from front to back, and what lies behind the vertex as far as they lie before it.
_BEHIND = {"Fp": "O", "AF": "PO", "F": "P", "FT": "TP", "FC": "CP"}


def hemispheric_pairs(ch_names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs (left, right) of channels that mirror each other, such as F3 and F4.

    Parameters
    ----------
    ch_names : sequence of str
        Names of the 10-05 system, or older ones (T3 is T7). Of SEED's 62 electrodes 27 pairs are found.

    Returns
    -------
    list of (int, int)
        In the order of the left channels.
    """
    places = _places(ch_names)
    parted = {name: re.fullmatch(r"(\D+)(\d*[13579])(h?)", name) for name in places}
    mirrored = {name: f"{m[1]}{int(m[2]) + 1}{m[3]}" for name, m in parted.items() if m}
    return [(places[left], places[right]) for left, right in mirrored.items() if right in places]


def caudal_pairs(ch_names: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs (front, back) of channels that mirror each other at the line between the ears, as FC5 and CP5.

    Parameters
    ----------
    ch_names : sequence of str
        As :func:`hemispheric_pairs`. On caps with CB1 and CB2 these are the partners of AF3 and AF4, as in SEED's
        published features, of whose 62 electrodes 23 pairs are found.

    Returns
    -------
    list of (int, int)
        In the order of the front channels.
    """
    places = _places(ch_names)
    special = {"AF3": "CB1", "AF4": "CB2"} if "CB1" in places else {}
    pairs = []
    for name, front in places.items():
        row = re.match(r"[A-Za-z]*?(?=z$|\d)", name)
        behind = special.get(name, _BEHIND.get(row[0], "") + name[row.end() :] if row else "")
        if row and row[0] in _BEHIND and behind in places:
            pairs.append((front, places[behind]))
    return pairs


def asymmetry(
    x: np.ndarray, ch_names: Sequence[str] | None = None, kind: str = "dasm", offset: float = 0.0
) -> np.ndarray:
    """Compare a feature between electrodes that mirror each other.

    Parameters
    ----------
    x : ndarray, shape (..., n_channels, n_windows)
        Differential entropy, band power in decibel or another feature of each channel.
    ch_names : sequence of str, optional
        Their names. Without them neighbours are pairs: the first and second channel, the third and fourth, ...
    kind : {'dasm', 'rasm', 'asm', 'dcau'}
        Differential (left minus right) or rational (left over right) asymmetry, both of them one after the other, or
        differential caudality (front minus back).
    offset : float
        Added to `x` before a ratio is taken. A ratio of logarithms depends on the unit: published rational asymmetries
        are of entropies of microvolts, which are ``ln(1e6) = 13.8`` above those of volts. Where such an entropy is
        near 0, so is what a ratio divides by; prefer differences.

    Returns
    -------
    ndarray, shape (..., n_pairs, n_windows)
        Pairs in the order of :func:`hemispheric_pairs` or :func:`caudal_pairs`; same type as `x`.

    Raises
    ------
    InputError
        If the kind is unknown, the names do not fit, or no channel has a partner.

    Notes
    -----
    W.-L. Zheng, B.-L. Lu: Investigating critical frequency bands and channels for EEG-based emotion recognition with
    deep neural networks. IEEE Transactions on Autonomous Mental Development 7, 2015, section III.
    """
    x = np.asarray(x)
    if kind not in KINDS:
        raise InputError(f"There is no asymmetry {kind!r}.{near(kind, KINDS)}", fits=", ".join(KINDS))
    if x.ndim < 2 or (ch_names is not None and len(ch_names) != x.shape[-2]):
        raise InputError(
            f"Features of shape {x.shape} came with {'no' if ch_names is None else len(ch_names)} channel names.",
            fits="(..., n_channels, n_windows) and one name for each channel",
        )
    pairs = _pairs(ch_names, x.shape[-2], kind)
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    parts = []
    if kind != "rasm":
        parts.append(x[..., first, :] - x[..., second, :])
    if kind in {"rasm", "asm"}:
        parts.append((x[..., first, :] + offset) / (x[..., second, :] + offset))
    return np.concatenate(parts, axis=-2).astype(x.dtype)


def _pairs(ch_names: Sequence[str] | None, count: int, kind: str) -> list[tuple[int, int]]:
    if ch_names is None:
        return [(k, k + 1) for k in range(0, count - 1, 2)]
    pairs = caudal_pairs(ch_names) if kind == "dcau" else hemispheric_pairs(ch_names)
    if not pairs:
        raise InputError(
            f"None of {', '.join(ch_names)} has a partner {'behind' if kind == 'dcau' else 'on the other side'}.",
            fits="pairs such as " + ("F3 and P3" if kind == "dcau" else "F3 and F4"),
        )
    return pairs


def _places(ch_names: Sequence[str]) -> dict[str, int]:
    """Return the place of each channel by its 10-05 name; others have no partner."""
    named = {standard_name(name): k for k, name in enumerate(ch_names)}
    return {name: k for name, k in named.items() if name is not None}


class Asymmetry(ArrayTransformer):
    """Asymmetry of the features of each sample; learns nothing.

    Takes features of shape (n_samples, n_bands, n_channels, n_windows), or (n_samples, n_channels), and returns
    (n_samples, n_bands, n_pairs, n_windows).

    Parameters
    ----------
    ch_names, kind, offset
        As :func:`asymmetry`.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples seen in `fit`.
    """

    learns = False

    def __init__(self, ch_names: Sequence[str] | None = None, kind: str = "dasm", offset: float = 0.0):
        self.ch_names = ch_names
        self.kind = kind
        self.offset = offset

    def channels(self, ch_names: list[str]) -> list[str]:
        """Return the names of the pairs, such as ``F3-F4`` and, for a ratio, ``F3/F4``."""
        named = [f"{ch_names[a]}{{}}{ch_names[b]}" for a, b in _pairs(self.ch_names, len(ch_names), self.kind)]
        signs = {"rasm": "/", "asm": "-/"}.get(self.kind, "-")
        return [pair.format(sign) for sign in signs for pair in named]

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_bands, n_pairs, n_windows)."""
        X = self._checked(X)
        return asymmetry(X[:, None, :, None] if X.ndim == 2 else X, self.ch_names, self.kind, self.offset)
