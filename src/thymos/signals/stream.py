"""Features computed recording by recording, before any split, so that a corpus need never be in memory.

Only steps that learn nothing may stand here. The first one sees a whole recording and gives its features over time;
further ones see all of these, as smoothing does; samples are cut last. What learns belongs into a method's pipeline.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from thymos.base.errors import InputError
from thymos.base.recording import Recording, Signal
from thymos.base.writer import Block
from thymos.signals.transformer import WindowFeatures, in_windows
from thymos.signals.windows import blocks, sliding_windows

__all__ = ["INCOMPLETE", "Featurised", "feature_blocks", "featurise"]

#: What becomes of samples that have no value for some feature.
INCOMPLETE = ("error", "drop", "keep")


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
        steps (``features``) and those of them that cannot be done on a stream (``offline``), and counts the samples
        that were dropped (``left_out``).

    Raises
    ------
    InputError
        If a step learns, windows and samples do not fit each other, there is no rest to subtract, or a sample is
        incomplete.
    """
    if incomplete not in INCOMPLETE:
        raise InputError(f"incomplete={incomplete!r} came.", fits=", ".join(INCOMPLETE))

    told: dict[str, Any] = {}  # of all blocks, so that what is left out last is counted too
    left_out = 0

    def cut(recording: Recording) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nonlocal left_out
        found = featurise(recording, steps, seconds, step, modality, subtract_baseline)
        bad = np.isnan(found.X).any(axis=tuple(range(1, found.X.ndim)))
        if bad.any() and incomplete == "error":
            raise InputError(
                f"{bad.sum()} of {len(bad)} samples of {recording.meta['trial']!r} have no value for some feature"
                + (f": {found.problem}." if found.problem else "."),
                fits="values for all",
                do="leave such samples out (incomplete: drop), or choose features that all have, with only",
            )
        keep = ~bad if incomplete == "drop" else slice(None)
        left_out += int(bad.sum()) if incomplete == "drop" else 0
        return found.X[keep], found.start[keep], found.stop[keep]

    features = {
        "features": [repr(clone(made)) for made in steps],
        "subtract_baseline": subtract_baseline,
        "offline": [type(made).__name__ for made in steps if getattr(made, "offline", False)],
    }
    for block in blocks(recordings, cut, seconds, step, modality, drop):
        info = {key: value for key, value in block.info.items() if key not in {"sfreq", "unit"}}
        if block.X.shape[-2] != len(info["ch_names"]):
            info.pop("ch_names")
        told.update({**info, **features})
        yield block._replace(info=told)
    told["left_out"] = left_out


class Featurised(NamedTuple):
    """Features of one recording.

    Parameters
    ----------
    X : ndarray, shape (n_samples, ..., n_windows)
    start, stop : ndarray, shape (n_samples,)
        Seconds on the recording's clock.
    problem : str
        Why values are missing, if any are.
    first : transformer
        The first step, as it was used.
    """

    X: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    problem: str
    first: Any


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
    first, *others = _prepared(steps, signal, seconds, step)
    data = signal.data[None]
    first.fit(data)
    if seconds is not None and signal.duration < seconds:
        nothing = np.empty((0, len(first.names()), len(signal.ch_names), 1))
        return Featurised(nothing, np.empty(0), np.empty(0), "", first)
    X, size, hop = _over_time(first, signal, seconds, step)
    if subtract_baseline:
        X = X - _rest(recording, modality, first)
    for other in others:
        X = other.fit(X).transform(X)
    if X.shape[-1] != 1 + int((signal.duration - size) / hop + 1e-6):
        raise InputError(
            f"{type(first).__name__} and what follows give {X.shape[-1]} windows.",
            fits="one for each window of the signal, on the last axis",
        )
    count, jump = _counts(X.shape[-1], size, hop, seconds, step)
    X = np.moveaxis(sliding_windows(X[0], count, jump), -2, 0)
    start = signal.start + np.arange(len(X)) * jump * hop
    stop = start + (count - 1) * hop + size
    problem = first.problems(data)[0] if np.isnan(X).any() else ""
    return Featurised(X, start, stop, problem, first)


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


def _prepared(steps: Sequence[Any], signal: Signal, seconds: float | None, step: float | None) -> list[Any]:
    """Return copies of the steps that know rate, channels and windows."""
    if not steps:
        raise InputError("No features were asked for.", fits="at least one transformer")
    made = []
    for number, given in enumerate(steps):
        name = type(given).__name__
        if getattr(given, "learns", True):
            raise InputError(
                f"{name} learns from data, or does not say that it does not.",
                fits="steps that learn nothing: they see test data too",
                do="put it into the pipeline of a method, where it is fitted on training data alone",
            )
        known = inspect.signature(type(given)).parameters
        if number == 0 and not isinstance(given, WindowFeatures):
            raise InputError(f"{name} is no feature of a signal.", fits="first a feature with window and step")
        values = {"sfreq": signal.sfreq, "ch_names": list(signal.ch_names)}
        if number == 0 and given.framed and given.window is None:
            values |= {"window": seconds, "step": seconds if step is None else step}
        made.append(clone(given).set_params(**{key: value for key, value in values.items() if key in known}))
    return made


def _counts(n: int, size: float, hop: float, seconds: float | None, step: float | None) -> tuple[int, int]:
    """Return how many windows a sample has, and by how many the next sample is later."""
    if seconds is None:
        return n, n
    count = 1 + int((seconds - size) / hop + 1e-6)
    between = seconds if step is None else step
    jump = round(between / hop)
    if seconds < size - 1e-6 or jump < 1 or abs(jump * hop - between) > 1e-3 * hop:
        raise InputError(
            f"Samples of {seconds:g} s every {between:g} s came, of windows of {size:g} s every {hop:g} s.",
            fits="samples not shorter than a window, every whole multiple of the distance of windows",
        )
    return count, jump


def _rest(recording: Recording, modality: str, first: Any) -> np.ndarray:
    """Return the mean of the features over the rest before the stimulus, with a last axis of length 1."""
    if modality not in recording.baseline:
        raise InputError(
            f"{recording.meta['trial']!r} has no rest before the stimulus.",
            fits="a source with a baseline (DEAP, AMIGOS, DREAMER, MAHNOB-HCI)",
        )
    data = recording.baseline[modality].data[None]
    return first.fit(data).transform(data).mean(axis=-1, keepdims=True)
