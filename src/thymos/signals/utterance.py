"""Utterances made alike before anything is computed of them: silence at the ends, level, length.

Each of the three takes something away that may tell emotions apart, such as loudness, or corpora and rooms. None is
done unless a study asks for it.
"""

from __future__ import annotations

import numpy as np

from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.filters import require_finite

__all__ = ["fit_length", "normalise_level", "trim_silence"]

_FRAME = 0.02  # seconds
_WHERE = ("middle", "start")
_FILLS = ("silence", "repeat")
_LEAST = float(np.finfo(np.float32).tiny)


def trim_silence(signal: Signal, below: float = 40.0, keep: float = 0.1) -> Signal:
    """Cut off what is quiet at both ends; an offset is no sound.

    Parameters
    ----------
    signal : Signal
        Sound; of several channels the loudest decides.
    below : float
        A frame of 20 ms is quiet if its level, that of its variance, is so many dB under that of the loudest one.
    keep : float
        Seconds that stay before the first frame that is not quiet, and after the last one.

    Returns
    -------
    Signal
        Its start is moved by what was cut.

    Raises
    ------
    InputError
        If the sound is empty, nothing but digital silence, or holds missing values.
    """
    check_number("below", below)
    check_number("keep", keep)
    data = _sound(signal)
    size = max(2, round(_FRAME * signal.sfreq))
    starts = np.arange(0, data.shape[1], size)
    # variances, for an offset or the rumble of a room is louder than the end of a quiet word
    own = data - data.mean(axis=1, keepdims=True, dtype=np.float64)
    sums, squares = np.add.reduceat(own, starts, axis=1), np.add.reduceat(own**2, starts, axis=1)
    frames = (squares - sums**2 / np.diff(starts, append=data.shape[1])).max(axis=0)
    if not frames.max() > 0:
        raise InputError("The sound is nothing but digital silence.", fits="a voice", do="leave this recording out")
    loud = np.flatnonzero(frames > frames.max() * 10 ** (-below / 10))
    margin = round(keep * signal.sfreq)
    first, last = max(0, loud[0] * size - margin), min(data.shape[1], (loud[-1] + 1) * size + margin)
    cut = (first / signal.sfreq, (data.shape[1] - last) / signal.sfreq)
    notes = (*signal.notes, f"cut as silence: {cut[0]:.2f} s at the start, {cut[1]:.2f} s at the end")
    return signal.replace(data=data[:, first:last], start=signal.start + cut[0], notes=notes)


def normalise_level(signal: Signal, to: float = -26.0) -> Signal:
    """Take a sound's offset off and multiply it so that its level is the same as that of all others.

    Parameters
    ----------
    signal : Signal
        Sound, -1 to 1.
    to : float
        Root mean square over all of it, in dB of full scale, of what is left without an offset, which is no sound.

    Returns
    -------
    Signal
        Values beyond -1 and 1 are left as they are.

    Raises
    ------
    InputError
        If the sound is empty, nothing but digital silence, or holds missing values.
    """
    check_number("to", to, -120.0, 0.0)
    data = _sound(signal)
    own = data - data.mean(axis=1, keepdims=True, dtype=np.float64)
    level = float(np.sqrt(np.mean(own**2)))
    if not level > np.finfo(np.float32).eps * np.abs(data).max():  # of a constant rounding is left
        raise InputError("The sound is nothing but digital silence.", fits="a voice", do="leave this recording out")
    gain = 10 ** (to / 20) / level
    notes = (*signal.notes, f"level changed by {20 * np.log10(gain):+.1f} dB")
    return signal.replace(data=(own * gain).astype(data.dtype), notes=notes)


def fit_length(signal: Signal, seconds: float, where: str = "middle", fill: str = "silence") -> Signal:
    """Cut a sound to a length, or lengthen it: by digital silence, or by its own beginning.

    Parameters
    ----------
    signal : Signal
    seconds : float
        Of every recording afterwards.
    where : {'middle', 'start'}
        What is kept of a longer one.
    fill : {'silence', 'repeat'}
        What a shorter one is lengthened with. A network sees in its spectrogram where silence begins, and so how long
        the utterance is; one that is repeated as often as needed shows it less. With silence, an end of the utterance
        that is 0 becomes the smallest number above it, so that `trim` of features stops there.

    Raises
    ------
    InputError
        If the sound is empty, or a parameter makes no sense.
    """
    check_number("seconds", seconds, 1 / signal.sfreq)
    for name, value, known in (("where", where, _WHERE), ("fill", fill, _FILLS)):
        if value not in known:
            raise InputError(f"{name}={value!r} came.", fits=" or ".join(known))
    if not signal.data.shape[1]:
        raise InputError("The sound has no samples.", fits="a voice", do="leave this recording out")
    wanted, there = round(seconds * signal.sfreq), signal.data.shape[1]
    first, notes = 0, signal.notes
    if there < wanted:
        data = np.pad(signal.data, ((0, 0), (0, wanted - there)), mode="constant" if fill == "silence" else "wrap")
        words = "of silence put behind it" if fill == "silence" else "repeated behind it"
        notes = (*notes, f"{(wanted - there) / signal.sfreq:.2f} s {words}")
    else:
        first = (there - wanted) // 2 if where == "middle" else 0
        data = signal.data[:, first : first + wanted].copy()
        if there > wanted:
            notes = (*notes, f"{(there - wanted) / signal.sfreq:.2f} s cut off")
    if fill == "silence":
        ends = [0, min(there, wanted) - 1]
        data[:, ends] = np.where(data[:, ends] == 0, _LEAST, data[:, ends])
    return signal.replace(data=data, start=signal.start + first / signal.sfreq, notes=notes)


def _sound(signal: Signal) -> np.ndarray:
    if not signal.data.shape[1]:
        raise InputError("The sound has no samples.", fits="a voice", do="leave this recording out")
    require_finite(signal.data)
    return signal.data
