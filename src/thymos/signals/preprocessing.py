"""Cleaning of EEG through MNE, one recording at a time: reference, bad channels, eye movements, rest before a trial.

Nothing here learns across recordings. What was decided for a recording (which channels, how many components) is noted
on its signal and counted in the data card of a study.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.filters import require_finite
from thymos.signals.montage import interpolate_channels, standard_montage, standard_name

__all__ = [
    "bad_channels",
    "interpolate_bad_channels_signal",
    "reference_signal",
    "remove_ocular_signal",
    "subtract_baseline_signal",
    "to_mne",
]

_FLAT = 0.05  # share of the median standard deviation below which a channel is flat
_LOUD = 5.0  # robust standard deviations of the log amplitude beyond which a channel is noise
_ALONE = 0.4  # greatest correlation with another channel below which a channel records something else
_NEIGHBOURS = 20  # of the local outlier factor, as in MNE
_FEWEST = 8  # channels; with fewer no channel can be told from its neighbours, nor be interpolated
_SHORTEST = 10.0  # s; a shorter recording has too little to learn components from
_COMPONENTS = 15
_FLAT_REST = 1e-6  # share of the mean below which a standard deviation is rounding
_HIGH_PASS = 1.0  # Hz; drift spoils the decomposition


def to_mne(signal: Signal) -> Any:
    """Return an EEG signal as an :class:`mne.io.RawArray`.

    Parameters
    ----------
    signal : Signal
        In volts. Channels with 10-05 names get their positions on the template head, others have none.
    """
    import mne

    info = mne.create_info(list(signal.ch_names), signal.sfreq, "eeg")
    raw = mne.io.RawArray(np.asarray(signal.data, dtype=np.float64), info, verbose="ERROR")
    places = standard_montage().get_positions()["ch_pos"]
    named = {name: places[standard_name(name)] for name in signal.ch_names if standard_name(name) in places}
    return raw.set_montage(mne.channels.make_dig_montage(named, coord_frame="head"), on_missing="ignore")


def reference_signal(signal: Signal, to: str | Sequence[str] = "average") -> Signal:
    """Refer all channels to the mean of some.

    Parameters
    ----------
    signal : Signal
        EEG.
    to : 'average' or sequence of str
        All channels, or names such as ``[M1, M2]``, which stay and become each other's opposite.

    Raises
    ------
    InputError
        If a channel is not there.
    """
    names = list(signal.ch_names) if to == "average" else [to] if isinstance(to, str) else list(to)
    missing = [name for name in names if name not in signal.ch_names]
    if missing or not names:
        hint = near(missing[0], signal.ch_names) if missing else ""
        raise InputError(
            f"The reference {', '.join(missing) or 'to no channel'} was asked for.{hint}",
            fits=f"average, or some of {', '.join(signal.ch_names)}",
        )
    raw = to_mne(signal).set_eeg_reference(names, ch_type="eeg", verbose="ERROR")
    return signal.replace(data=raw.get_data().astype(signal.data.dtype))


def bad_channels(signal: Signal, threshold: float = 1.5) -> dict[str, str]:
    """Find channels that are flat, far louder than the others, or unlike them.

    Parameters
    ----------
    signal : Signal
        EEG, best without drift.
    threshold : float
        Local outlier factor beyond which a channel is bad.

    Returns
    -------
    dict of str to str
        Name of a channel to ``flat``, ``loud``, ``alone`` or ``outlier``.

    Raises
    ------
    InputError
        If there are fewer than 8 channels.

    Notes
    -----
    The local outlier factor is MNE's: V. Kumaravel et al., Automated EEG bad channel detection using the local outlier
    factor, Sensors 22, 2022. Flat: a standard deviation below 5 % of the median channel's. Loud: beyond 5 robust
    standard deviations of the logarithm of that of all channels. Alone: correlated with no other channel beyond 0.4
    (the limit of N. Bigdely-Shamlo et al., The PREP pipeline, Frontiers in Neuroinformatics 9, 2015).
    """
    from mne.preprocessing import find_bad_channels_lof

    if len(signal.ch_names) < _FEWEST:
        raise InputError(
            f"A recording with {len(signal.ch_names)} channels came.",
            fits=f"{_FEWEST} or more; with fewer no channel can be told from its neighbours",
        )
    require_finite(signal.data)
    spread = signal.data.std(axis=-1, dtype=np.float64)
    found = dict.fromkeys(np.flatnonzero(spread <= _FLAT * np.median(spread)).tolist(), "flat")
    rest = [k for k in range(len(spread)) if k not in found]
    if rest:
        log = np.log(spread[rest])
        scale = 1.4826 * np.median(np.abs(log - np.median(log)))
        far = (log - np.median(log)) > _LOUD * max(scale, 0.1)  # alike channels do not make a small difference large
        found |= {rest[k]: "loud" for k in np.flatnonzero(far)}
    rest = [k for k in rest if k not in found]
    if len(rest) > 1:
        together = np.abs(np.corrcoef(signal.data[rest])) - np.eye(len(rest))
        found |= {rest[k]: "alone" for k in np.flatnonzero(together.max(axis=-1) < _ALONE)}
    rest = [k for k in rest if k not in found]
    if len(rest) >= _FEWEST:
        part = Signal(signal.data[rest], signal.sfreq, tuple(signal.ch_names[k] for k in rest), signal.unit)
        neighbours = min(_NEIGHBOURS, len(rest) - 1)
        unlike = find_bad_channels_lof(to_mne(part), neighbours, picks="eeg", threshold=threshold, verbose="ERROR")
        found |= {signal.ch_names.index(name): "outlier" for name in unlike}
    return {signal.ch_names[k]: found[k] for k in sorted(found)}


def interpolate_bad_channels_signal(
    signal: Signal, baseline: Signal | None = None, threshold: float = 1.5, most: float = 0.25
) -> tuple[Signal, Signal | None]:
    """Replace bad channels by spherical splines through the good ones.

    Parameters
    ----------
    signal : Signal
        EEG of a trial, in which bad channels are sought; see :func:`bad_channels`.
    baseline : Signal, optional
        The rest before it, of which the same channels are replaced.
    threshold : float
        Local outlier factor beyond which a channel is bad.
    most : float
        Share of the channels that may be bad.

    Returns
    -------
    (Signal, Signal or None)
        The signal notes each channel that was replaced, and why.

    Raises
    ------
    InputError
        If too many channels are bad, or one has no place in the 10-05 system.
    """
    bad = bad_channels(signal, threshold)
    words = ", ".join(f"{name} ({why})" for name, why in bad.items())
    if len(bad) > most * len(signal.ch_names):
        raise InputError(
            f"{len(bad)} of {len(signal.ch_names)} channels are bad: {words}.",
            fits=f"at most {most:.0%}, so that the others can tell what was there",
            do="leave the recording out, or allow more with most",
        )
    if not bad:
        return signal, baseline
    good = [k for k, name in enumerate(signal.ch_names) if name not in bad]
    names = [signal.ch_names[k] for k in good]

    def fill(part: Signal) -> Signal:
        return part.replace(data=interpolate_channels(part.data[good], names, part.ch_names, part.sfreq))

    notes = tuple(f"interpolated {name} ({why})" for name, why in bad.items())
    return fill(signal).replace(notes=signal.notes + notes), None if baseline is None else fill(baseline)


def remove_ocular_signal(
    signal: Signal,
    baseline: Signal | None = None,
    eyes: Sequence[str] = ("Fp1", "Fp2"),
    components: float | int = 0.99,
    threshold: float = 0.7,
    random_state: int = 0,
) -> tuple[Signal, Signal | None]:
    """Remove independent components that go with the electrodes next to the eyes.

    Parameters
    ----------
    signal : Signal
        EEG of a trial of 10 s or more, from which the components are learnt.
    baseline : Signal, optional
        The rest before it, from which the same components are removed.
    eyes : sequence of str
        Channels that see the eyes; those of them that are there are used.
    components : float or int
        Number of components, or the share of the variance that they explain; 15 where one explains it all.
    threshold : float
        Correlation with such a channel, from 1 to 10 Hz, beyond which a component is removed. A standard score over
        components, the other usual measure, cannot be large where there are few of them.
    random_state : int
        Seed of the decomposition.

    Returns
    -------
    (Signal, Signal or None)
        The signal notes how many components were removed.

    Raises
    ------
    InputError
        If the recording is too short, or none of the channels is there.

    Notes
    -----
    FastICA on the recording high-passed at 1 Hz, components found and removed by MNE. An electrode on the forehead also
    sees the brain below it: prefrontal EEG loses some of its own, so report results with and without.
    """
    from mne.preprocessing import ICA

    there = [name for name in signal.ch_names if standard_name(name) in {standard_name(e) for e in eyes}]
    if not there or signal.duration < _SHORTEST or len(signal.ch_names) < 3:
        raise InputError(
            f"A recording of {signal.duration:g} s with the channels {', '.join(signal.ch_names)} came.",
            fits=f"{_SHORTEST:g} s or more, 3 channels or more, and one of {', '.join(eyes)} to tell the eyes by",
        )
    require_finite(signal.data)
    raw = to_mne(signal)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # FastICA says that it stopped before its tolerance; components are used as found
        slow = raw.copy().filter(_HIGH_PASS, None, verbose="ERROR")
        options = {"method": "fastica", "random_state": random_state, "max_iter": "auto", "verbose": "ERROR"}
        try:
            ica = ICA(components, **options).fit(slow, verbose="ERROR")
        except RuntimeError:  # so large an artefact that one component explains all that was asked for
            ica = ICA(min(_COMPONENTS, len(signal.ch_names) - 1), **options).fit(slow, verbose="ERROR")
        found, _ = ica.find_bads_eog(slow, ch_name=there, measure="correlation", threshold=threshold, verbose="ERROR")

    def clean(part: Signal) -> Signal:
        cleaned = ica.apply(to_mne(part), exclude=found, verbose="ERROR").get_data()
        return part.replace(data=cleaned.astype(part.data.dtype))

    if not found:
        return signal.replace(notes=(*signal.notes, "0 ocular components removed")), baseline
    notes = (*signal.notes, f"{len(found)} ocular components removed")
    return clean(signal).replace(notes=notes), None if baseline is None else clean(baseline)


def subtract_baseline_signal(
    signal: Signal, baseline: Signal | None = None, scale: bool = False
) -> tuple[Signal, Signal | None]:
    """Subtract the mean of the rest before a trial from each channel, of the trial and of the rest.

    It uses no label and no other trial, so it is safe before any split.

    Parameters
    ----------
    signal : Signal
    baseline : Signal
        The rest before the trial.
    scale : bool
        Divide by the standard deviation over the rest, so that values are z-scores against it, which levels people
        (methods B4.4), without a unit. A channel that is flat at rest becomes NaN, and a note of the signal names it.

    Raises
    ------
    InputError
        If the recording has no rest before the trial, or in other channels.
    """
    if baseline is None or baseline.ch_names != signal.ch_names:
        raise InputError(
            "A recording came without rest before the trial" + (" in the same channels." if baseline else "."),
            fits="a source with a baseline (DEAP, AMIGOS, DREAMER, MAHNOB-HCI)",
        )
    mean = baseline.data.mean(axis=-1, keepdims=True, dtype=np.float64)
    spread, notes = np.ones_like(mean), signal.notes
    if scale:
        spread = baseline.data.std(axis=-1, keepdims=True, dtype=np.float64)
        flat = spread[:, 0] <= _FLAT_REST * np.abs(mean[:, 0])
        spread[flat] = np.nan
        if flat.any():
            names = ", ".join(name for name, odd in zip(signal.ch_names, flat, strict=True) if odd)
            notes = (*notes, f"flat at rest, without values: {names}")
    unit = "" if scale else signal.unit
    first, second = (
        part.replace(data=((part.data - mean) / spread).astype(part.data.dtype), unit=unit)
        for part in (signal, baseline)
    )
    return first.replace(notes=notes), second
