"""Features computed recording by recording, before any split, so that a corpus need never be in memory.

Only steps that learn nothing may stand here. The first one sees a whole recording and gives its features over time;
further ones see all of these, as smoothing does; samples are cut last. What learns belongs into a method's pipeline.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from thymos.base.errors import InputError, UnfitError, named
from thymos.base.recording import Recording, Signal
from thymos.base.writer import Block
from thymos.signals.transformer import WindowFeatures, in_windows
from thymos.signals.windows import Incomplete, blocks, sliding_windows

__all__ = ["Featurised", "check_steps", "feature_blocks", "featurise"]


def feature_blocks(
    recordings: Iterable[Recording],
    steps: Sequence[Any],
    seconds: float | None = None,
    step: float | None = None,
    modality: str = "eeg",
    drop: Iterable[str] = (),
    subtract_baseline: bool = False,
    incomplete: str = "error",
) -> Iterator[Block]:
    """Yield the features of the samples of each recording.

    Parameters
    ----------
    recordings : iterable of Recording
        Read once, one at a time.
    steps : sequence of transformers
        Such as ``[DifferentialEntropy(method="filter", window=1, step=0.5), Smooth()]``: first
        :class:`~thymos.signals.transformer.WindowFeatures`, then transformers of features, shape
        (1, ..., n_windows). None of them may learn. Where the first has no window of its own, its windows are the
        samples. ``sfreq`` and ``ch_names`` are those of the signal.
    seconds, step : float, optional
        Length of a sample and distance between two starts; whole recordings by default.
    modality : str
        Which signal; recordings that do not have it are passed over.
    drop : iterable of str
        Kinds of marked spans whose samples are left out.
    subtract_baseline : bool
        Subtract the mean of the first step's features over the rest before the stimulus.
    incomplete : {'error', 'drop', 'keep'}
        What becomes of samples in which a feature has no value.

    Yields
    ------
    Block
        ``X`` of shape (n_samples, ..., n_windows), float32: as many windows as lie inside a sample. ``info`` names the
        steps (``features``), those of them that cannot be done on a stream (``offline``) and the second axis as far as
        they tell (``feature_names``), and counts the samples that were dropped (``left_out``) and recordings shorter
        than one (``too_short``).

    Raises
    ------
    InputError
        If a step learns, windows and samples do not fit each other, there is no rest to subtract, or a sample is
        incomplete.
    """
    check_steps(steps)
    gaps = Incomplete(incomplete)
    channels: list[str] | None = None
    names: tuple[str, ...] = ()

    def cut(recording: Recording) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nonlocal channels, names
        found = featurise(recording, steps, seconds, step, modality, subtract_baseline)
        channels, names = found.channels, found.names
        gaps.short += not len(found.X)
        keep = gaps.kept(found.X, recording.meta["trial"], found.problem or f"no value for {found.missing()}")
        return found.X[keep], found.start[keep], found.stop[keep]

    features = {
        "features": [repr(clone(made)) for made in steps],
        "subtract_baseline": subtract_baseline,
        "offline": [type(made).__name__ for made in steps if getattr(made, "offline", False)],
    }

    def told(block: Block) -> Block:
        info = {key: value for key, value in block.info.items() if key not in {"sfreq", "unit", "ch_names"}}
        told = {"ch_names": channels} if channels else {}
        told |= {"feature_names": list(names)} if names else {}
        return block._replace(info={**info, **told, **features})

    return gaps.counted(told(block) for block in blocks(recordings, cut, seconds, step, modality, drop))


class Featurised(NamedTuple):
    """Features of one recording.

    Parameters
    ----------
    X : ndarray, shape (n_samples, ..., n_windows)
    start, stop : ndarray, shape (n_samples,)
        Seconds on the recording's clock.
    problem : str
        Why values are missing, if any are and the first step knows.
    names : tuple of str
        Of the second axis, as far as steps tell.
    channels : list of str
        Of the last axis but one, as far as steps tell.
    """

    X: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    problem: str
    names: tuple[str, ...]
    channels: list[str]

    def missing(self) -> str:
        """Return the names of the features without a value, or how many there are."""
        bad = np.isnan(self.X).any(axis=(0, *range(2, self.X.ndim)))
        named = [name for name, gone in zip(self.names, bad, strict=False) if gone]
        return ", ".join(named) or f"{bad.sum()} features"


def featurise(
    recording: Recording,
    steps: Sequence[Any],
    seconds: float | None,
    step: float | None,
    modality: str,
    subtract_baseline: bool = False,
) -> Featurised:
    """Return the features of one recording; parameters as :func:`feature_blocks`."""
    signal = recording.signal(modality)
    trial = recording.meta["trial"]
    if not isinstance(signal, Signal):
        raise InputError(f"{modality!r} of {trial!r} is pictures.", fits="a signal")
    for name, value in (("seconds", seconds), ("step", step)):
        if value is not None and not (isinstance(value, Real) and 0 < value < math.inf):
            raise UnfitError(f"{name}={value!r} came.", fits="a positive number of seconds")
    first, *others = _prepared(steps, signal, seconds, step)
    data = signal.data[None]
    with named(f"{type(first).__name__} fails on {trial!r}"):
        first.fit(data)
    names, channels = first.names(), first.channels(list(signal.ch_names))
    if seconds is not None and signal.duration < seconds:
        nothing = np.empty((0, len(names), len(channels), 1))
        return Featurised(nothing, np.empty(0), np.empty(0), "", names, channels)
    with named(f"{type(first).__name__} fails on {trial!r}"):
        X, size, hop = _over_time(first, signal, seconds, step)
        problem = first.problems(data)[0] if np.isnan(X).any() else ""
        if subtract_baseline:
            X = X - _rest(recording, modality, first, X.shape)
    for other in others:
        with named(f"{type(other).__name__} fails on {trial!r}"):
            X = other.fit(X).transform(X)
        channels = other.channels(channels) if hasattr(other, "channels") else []
    if X.shape[-1] != 1 + int((signal.duration - size) / hop + 1e-6):
        raise InputError(
            f"{type(first).__name__} and what follows give {X.shape[-1]} windows.",
            fits="one for each window of the signal, on the last axis",
        )
    count, jump = _counts(X.shape[-1], first, seconds, step)
    X = np.moveaxis(sliding_windows(X[0], count, jump), -2, 0)
    start = signal.start + np.arange(len(X)) * jump * hop
    stop = start + (count - 1) * hop + size
    return Featurised(X, start, stop, problem, names, channels)


def _over_time(
    first: WindowFeatures, signal: Signal, seconds: float | None, step: float | None
) -> tuple[np.ndarray, float, float]:
    """Return features, shape (1, ..., n_windows), and length and distance of the windows in seconds."""
    n, sfreq = signal.data.shape[1], signal.sfreq
    if first.framed:
        size, hop = in_windows(n, sfreq, first.window, first.step)
        X = first.transform(signal.data[None])
    else:  # one value for each sample, so these are cut first
        size, hop = in_windows(n, sfreq, seconds, seconds if step is None else step)
        values = first.transform(np.moveaxis(sliding_windows(signal.data, size, hop), -2, 0))
        X = np.moveaxis(values[..., 0], 0, -1)[None]
    return X, size / sfreq, hop / sfreq


def check_steps(steps: Sequence[Any]) -> None:
    """Refuse steps that may not stand before a split.

    Raises
    ------
    UnfitError
        If there are none, one of them learns, or the first is no feature of a signal.
    """
    if not steps:
        raise UnfitError("No features were asked for.", fits="at least one transformer")
    for number, step in enumerate(steps):
        name = type(step).__name__
        if getattr(step, "learns", True):
            raise UnfitError(
                f"{name} learns from data, or does not say that it does not.",
                fits="steps that learn nothing: they see test data too",
                do="put it into the pipeline of a method, where it is fitted on training data alone",
            )
        if number == 0 and not isinstance(step, WindowFeatures):
            raise UnfitError(f"{name} is no feature of a signal.", fits="first a feature with window and step")


def _prepared(steps: Sequence[Any], signal: Signal, seconds: float | None, step: float | None) -> list[Any]:
    """Return copies of the steps that know rate, channels and windows."""
    made = []
    for number, given in enumerate(steps):
        known = inspect.signature(type(given)).parameters
        values = {"sfreq": signal.sfreq, "ch_names": list(signal.ch_names)}
        if number == 0 and given.framed and given.window is None:
            values |= {"window": seconds, "step": seconds if step is None else step}
        made.append(clone(given).set_params(**{key: value for key, value in values.items() if key in known}))
    return made


def _counts(n: int, first: WindowFeatures, seconds: float | None, step: float | None) -> tuple[int, int]:
    """Return how many windows a sample has, and by how many the next sample is later.

    Counted in what was asked for: where a second is no whole number of samples, windows come out a little shorter.
    """
    between = seconds if step is None else step
    window, apart = (first.window, first.step) if first.framed else (seconds, between)
    if seconds is None or window is None or between is None:
        return n, n
    apart = window if apart is None else apart
    count, jump = 1 + math.floor((seconds - window) / apart + 1e-6), between / apart
    if seconds < window * (1 - 1e-6) or jump < 0.5 or abs(jump - round(jump)) > 1e-3:
        raise UnfitError(
            f"Samples of {seconds:g} s every {between:g} s came, of windows of {window:g} s every {apart:g} s.",
            fits="samples not shorter than a window, every whole multiple of the distance of windows",
        )
    return count, round(jump)


def _rest(recording: Recording, modality: str, first: WindowFeatures, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mean of the features over the rest before the stimulus, with a last axis of length 1."""
    if modality not in recording.baseline:
        raise InputError(
            f"{recording.meta['trial']!r} has no rest before the stimulus.",
            fits="a source with a baseline (DEAP, AMIGOS, DREAMER, MAHNOB-HCI)",
        )
    data = recording.baseline[modality].data[None]
    mean = clone(first).fit(data).transform(data).mean(axis=-1, keepdims=True)
    if mean.shape[1:-1] != shape[1:-1]:
        raise InputError(
            f"The rest before the stimulus has features of shape {mean.shape[1:-1]}, the trial {shape[1:-1]}.",
            fits="the same for both",
            do="give windows that fit into the rest",
        )
    return mean
