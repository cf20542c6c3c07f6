"""Electrode names as devices write them, and channels picked or filled in by the names of the 10-05 system."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import InputError

__all__ = [
    "OUTSIDE",
    "common_channels",
    "interpolate_channels",
    "pick_channels",
    "standard_montage",
    "standard_name",
    "standard_names",
]

#: Electrodes of some caps (SEED's) that the 10-05 system lacks. They keep their names and have no position.
OUTSIDE = ("CB1", "CB2")

#: Names of the older 10-20 system, and what the same places are called now.
_OLDER = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}

_PREFIX = re.compile(r"^EEG[\s:_-]*(?=\w)", re.IGNORECASE)
_REFERENCE = re.compile(
    r"\s*[-_:\s]\s*(REF|LE|LER|A1|A2|A1\W?A2|AA|M1|M2|M1\W?M2|AVG|AV|AVE|AR|CAR|LINKED\W?\w*)$", re.IGNORECASE
)
_FEWEST = 8  # channels; splines through fewer say little about the field between them


def standard_name(name: str) -> str | None:
    """Return the 10-05 name of an electrode, or None if the name is not that of one.

    Parameters
    ----------
    name : str
        As a device writes it: in any case, with or without ``EEG`` before it, with a reference (``-REF``, ``-LE``,
        ``-A1``) or dots behind it, in the older names T3, T4, T5 and T6.

    Returns
    -------
    str or None
        Such as ``Fp1``, ``T7`` or ``POz``. CB1 and CB2 of some caps keep their names although the system lacks them.
        A difference of two electrodes, such as ``F3-C3``, is no electrode.
    """
    text = _REFERENCE.sub("", _PREFIX.sub("", str(name).strip())).replace(" ", "").rstrip(".").upper()
    return _names().get(_OLDER.get(text, text))


def standard_names(names: Sequence[str]) -> list[str | None]:
    """Return the 10-05 names of all channels of a file; see :func:`standard_name`.

    Some caps number their electrodes A1, A2, A3, ... there A1 and A2 are not the ears, and get None.
    """
    bare = {str(name).strip().upper() for name in names}
    numbered = {"A1", "A3"} <= bare
    return [None if numbered and re.fullmatch(r"A\d", str(n).strip().upper()) else standard_name(n) for n in names]


def common_channels(lists: Iterable[Sequence[str]]) -> list[str]:
    """Return the names that are in every list, in the order of the first."""
    lists = [list(names) for names in lists]
    return [name for name in lists[0] if all(name in names for names in lists[1:])] if lists else []


def pick_channels(data: np.ndarray, ch_names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Return some channels in a given order.

    Parameters
    ----------
    data : ndarray, shape (..., n_channels, n_times)
        Signals, in any unit.
    ch_names : sequence of str
        Their names. Names are compared as they are, then by :func:`standard_name`, so T3 is found as T7.
    wanted : sequence of str
        Names of the channels to return.

    Returns
    -------
    ndarray, shape (..., len(wanted), n_times)

    Raises
    ------
    InputError
        If a wanted channel is not there, or two channels have its name.
    """
    _check_names(data, ch_names)
    places = _places(ch_names)
    missing = [name for name in wanted if _key(name) not in places]
    if missing:
        raise InputError(
            f"There is no channel {', '.join(missing)}.{near(missing[0], ch_names)}",
            fits=f"some of {', '.join(ch_names)}",
            do="leave it out, or fill it in with interpolate_channels",
        )
    return np.asarray(data)[..., [places[_key(name)] for name in wanted], :]


def interpolate_channels(
    data: np.ndarray, ch_names: Sequence[str], wanted: Sequence[str], sfreq: float = 1.0
) -> np.ndarray:
    """Return the wanted channels; those that are not there are interpolated from all others by spherical splines.

    An interpolated channel is a weighted sum of the others and adds no information; it lets recordings with
    different caps be used together.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
        Signals, in any unit.
    ch_names : sequence of str
        Their names.
    wanted : sequence of str
        Names of the channels to return.
    sfreq : float
        Sampling rate in Hz; the result does not depend on it.

    Returns
    -------
    ndarray, shape (len(wanted), n_times)
        Same dtype as `data` where it is floating, else float32.

    Raises
    ------
    InputError
        If a missing channel has no place in the 10-05 system, or fewer than 8 channels have one.

    Notes
    -----
    F. Perrin, J. Pernier, O. Bertrand, J. F. Echallier: Spherical splines for scalp potential and current density
    mapping. Electroencephalography and Clinical Neurophysiology 72, 1989, 184-187; computed by MNE.
    """
    import mne

    data = np.asarray(data)
    _check_names(data, ch_names)
    places = _places(ch_names)
    dtype = data.dtype if np.issubdtype(data.dtype, np.floating) else np.dtype(np.float32)
    missing = [name for name in wanted if _key(name) not in places]
    if not missing:
        return pick_channels(data, ch_names, wanted).astype(dtype)
    basis = [name for name in places if standard_name(name) not in {None, *OUTSIDE}]
    nowhere = [name for name in missing if standard_name(name) in {None, *OUTSIDE}]
    if nowhere or len(basis) < _FEWEST:
        raise InputError(
            f"The channels {', '.join(missing)} cannot be interpolated: "
            + (
                f"{', '.join(nowhere)} has no place in the 10-05 system."
                if nowhere
                else f"only {len(basis)} of the channels that are there have a place in the 10-05 system."
            ),
            fits=f"at least {_FEWEST} channels with names such as Fp1 or Cz, and such names for the missing ones",
            do="use only channels that every recording has",
        )
    fresh = [standard_name(name) for name in missing]
    info = mne.create_info([*basis, *fresh], sfreq, "eeg")
    block = np.concatenate([data[[places[name] for name in basis]], np.zeros((len(fresh), data.shape[1]))])
    with mne.use_log_level("ERROR"):
        raw = mne.io.RawArray(block, info).set_montage(standard_montage())
        raw.info["bads"] = fresh
        # the centre of the template's head; a sphere fitted to a few electrodes of one region would lie anywhere
        raw.interpolate_bads(reset_bads=True, origin=(0.0, 0.0, 0.04))
    filled = dict(zip(fresh, raw.get_data(picks=fresh), strict=True))
    rows = [data[places[_key(n)]] if _key(n) in places else filled[standard_name(n)] for n in wanted]
    return np.stack(rows).astype(dtype)


@lru_cache(maxsize=1)
def standard_montage() -> Any:
    """Return MNE's 10-05 positions on the Colin 27 head, which has had two names."""
    import mne

    known = mne.channels.get_builtin_montages()
    return mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in known else "standard_1005")


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Return the names of the 10-05 system and :data:`OUTSIDE` by their upper case."""
    return {name.upper(): name for name in (*standard_montage().ch_names, *OUTSIDE)}


def _key(name: str) -> str:
    return standard_name(name) or str(name)


def _places(ch_names: Sequence[str]) -> dict[str, int]:
    """Return the row of each channel by its key, or say which two have the same."""
    places: dict[str, int] = {}
    for row, name in enumerate(ch_names):
        if _key(name) in places:
            raise InputError(
                f"The channels {ch_names[places[_key(name)]]!r} and {name!r} are the same electrode, {_key(name)}.",
                fits="each electrode once",
                do="leave one of them out",
            )
        places[_key(name)] = row
    return places


def _check_names(data: np.ndarray, ch_names: Sequence[str]) -> None:
    if np.ndim(data) < 2 or np.shape(data)[-2] != len(ch_names):
        raise InputError(
            f"Data of shape {np.shape(data)} came with {len(ch_names)} channel names.",
            fits="data of shape (..., n_channels, n_times) and one name per channel",
        )
