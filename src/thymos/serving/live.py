"""A model on a signal that comes piece by piece: a decision about the last window, every so many seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from thymos.base.errors import InputError, ThymosError, UnfitError, named
from thymos.base.probabilities import trial_means, trial_probabilities
from thymos.base.recording import Recording, Signal
from thymos.serving.adapt import Recipe, adapt
from thymos.serving.bundle import Bundle
from thymos.signals.processing import is_live

__all__ = ["Decision", "LivePredictor", "of_one_signal"]

_META = {"source": "stream", "subject": "-", "session": "", "trial": "the stream", "stimulus": "-"}
_MOST_NOTES = 100
_RATE_SECONDS, _RATE_OFF = 10.0, 0.02  # after which the true rate is looked at, and by how much it may be another


@dataclass(frozen=True)
class Decision:
    """What a model says of one window of a stream.

    Parameters
    ----------
    start, stop : float
        Seconds since the first sample of the stream.
    time : float
        Time stamp of the last sample of the window; NaN where none came.
    predicted : str, float or None
        A class or a rating; None if nothing can be said.
    probabilities : mapping of str to float
        Of each class; empty for ratings.
    reason : str
        Why nothing can be said.
    """

    start: float
    stop: float
    time: float = float("nan")
    predicted: str | float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


class LivePredictor:
    """Decides about a signal that comes piece by piece, with the functions that made the samples of training.

    The last window and up to `context` seconds before it are taken for a recording, processed as those of training
    were, and its last sample is what the model is given. What is causal then gives what it gives for the whole
    recording, but for what its filters remember from before the context; what is not knows nothing after the window,
    and `notes` name it.

    Parameters
    ----------
    bundle : Bundle
        Of one signal, cut into windows.
    ch_names : sequence of str
        Of the stream, in its order; found in it as :func:`thymos.serving.adapt.adapt` does.
    sfreq : float
        Rate of the stream in Hz.
    unit : str
        SI unit of its values.
    every : float, optional
        Seconds between two decisions; by default as far apart as the windows of training.
    context : float
        Seconds before a window that its processing may know, or a little more: as far as the windows of training are
        apart, or several times that.
    rest : float
        Seconds at the beginning that are the rest before the stimulus, for models that subtract it. Nothing is decided
        about them.
    over : float, optional
        Decisions are about the windows of so many seconds together, combined as those of a trial are; about single
        windows by default.
    gap : float
        Seconds by which a time stamp may miss the one that was to come. Beyond, and at values that are missing, the
        signal is cut: no window reaches over.

    Attributes
    ----------
    notes : list of str
        What was done to the signal so that it fits, and which steps are not causal; grows while it runs.
    skipped : int
        Windows that ``push(latest=True)`` has passed over.

    Raises
    ------
    InputError
        If the model is of pictures, of several modalities or of whole recordings, if the stream does not fit it, or one
        of these lengths does not fit its windows.
    """

    def __init__(
        self,
        bundle: Bundle,
        ch_names: Sequence[str],
        sfreq: float,
        unit: str = "V",
        every: float | None = None,
        context: float = 30.0,
        rest: float = 0.0,
        over: float | None = None,
        gap: float = 0.25,
    ):
        recipe = of_one_signal(bundle)
        seconds = cast(float, recipe.seconds)
        every = (recipe.step or seconds) if every is None else every
        for name, value in {"sfreq": sfreq, "every": every, "gap": gap}.items():
            if not 0 < value < np.inf:
                raise InputError(f"{name}={value} came.", fits="more than 0")
        for name, value in {"context": context, "rest": rest}.items():
            if not 0 <= value < np.inf:
                raise InputError(f"{name}={value} came.", fits="0 seconds or more")
        if over is not None and not seconds <= over < np.inf:
            raise InputError(f"over={over} came.", fits=f"{seconds:g} seconds, a window, or more")
        if recipe.subtract_baseline and not rest:
            raise InputError(
                "The model subtracts the rest before the stimulus, and of the stream none was named.",
                fits="the seconds of rest at its beginning",
                do="let the person rest first, and say how long",
            )
        self.bundle, self.recipe = bundle, recipe
        self.ch_names, self.sfreq, self.unit = tuple(ch_names), float(sfreq), unit
        self.over, self.gap = over, gap
        self.notes: list[str] = []
        self.skipped = 0
        self._window, self._hop = round(seconds * sfreq), max(1, round(every * sfreq))  # samples
        grid = round((recipe.step or seconds) * sfreq)  # on which features of several windows lie
        self._context = int(np.ceil(context * sfreq / grid - 1e-6)) * grid
        self._resting = round(rest * sfreq)  # samples of rest that are still to come
        self._rest: dict[str, Signal] = {}
        self._count = 0  # samples that came
        self._origin = self._last = np.nan  # time stamps of the first sample of all and of the last
        self._whole = True  # whether the last sample had all values
        self._recent: deque[tuple[float, float, np.ndarray]] = deque()
        self._anew(0.0)
        self._say([*bundle.notes, *_not_live(recipe)])
        if bundle.level == "trial" and over is None:
            self._say(["what is known of the model is about whole trials: single windows are decided less surely"])
        self._try_out()

    def push(self, data: np.ndarray, times: np.ndarray | None = None, latest: bool = False) -> list[Decision]:
        """Take the next piece of the signal; return what can be decided now.

        Parameters
        ----------
        data : ndarray, shape (n_channels, n_times)
            In the unit of the stream; any number of samples.
        times : ndarray, shape (n_times,), optional
            Their time stamps in seconds, of any clock.
        latest : bool
            Of several windows that are complete by now decide about the last alone; the others count as ``skipped``.

        Returns
        -------
        list of Decision

        Raises
        ------
        InputError
            If the piece has other channels, or not one time stamp for each sample.
        """
        data = np.asarray(data)
        if data.ndim != 2 or len(data) != len(self.ch_names):
            raise InputError(f"A piece of shape {data.shape} came.", fits=f"({len(self.ch_names)}, number of samples)")
        data = data if np.issubdtype(data.dtype, np.floating) else data.astype(np.float32)
        times = np.full(data.shape[1], np.nan) if times is None else np.asarray(times, dtype=float)
        if times.shape != data.shape[1:]:
            raise InputError(f"{times.size} time stamps came for {data.shape[1]} samples.", fits="one for each")
        if not len(times):
            return []
        if not self._count:
            self._origin = times[0]
        whole = np.isfinite(data).all(axis=0)
        whole_before = np.append(self._whole, whole[:-1])
        late = np.abs(times - np.append(self._last, times[:-1]) - 1 / self.sfreq) > self.gap  # not without stamps
        decisions = []
        for part in np.split(np.arange(len(times)), np.flatnonzero(late | (whole != whole_before))):
            if len(part) and whole[part[0]]:
                if late[part[0]] or not whole_before[part[0]]:
                    stamped = times[part[0]] - self._origin
                    self._anew(stamped if np.isfinite(stamped) else self._count / self.sfreq)
                    why = "time stamps jump" if late[part[0]] else "values were missing"
                    self._say([f"{why} at {self._begin:.1f} s: no window reaches over"])
                decisions += self._grown(data[:, part], times[part], latest)
            self._count += len(part)
        self._whole, self._last = bool(whole[-1]), times[-1]
        if latest and decisions:
            self.skipped += len(decisions) - 1
            return decisions[-1:]
        return decisions

    def _anew(self, begin: float) -> None:
        """Forget the signal; the next sample is the first of an uninterrupted stretch, at `begin` seconds."""
        self._begin = begin
        self._buffer = np.empty((len(self.ch_names), 0), np.float32)
        self._stamps = np.empty(0)
        self._first = 0  # number in the stretch of the first sample of the buffer
        self._next = 0  # number of the next window
        self._since = np.nan  # time stamp of the first sample of the stretch

    def _grown(self, piece: np.ndarray, stamps: np.ndarray, latest: bool) -> list[Decision]:
        """Add samples that follow without a gap; return the decisions about the windows that are complete now."""
        if not self._first + self._buffer.shape[1]:
            self._since = stamps[0]
        self._buffer = np.concatenate([self._buffer.astype(piece.dtype, copy=False), piece], axis=1)
        self._stamps = np.concatenate([self._stamps, stamps])
        if self._resting:
            n = self._resting
            if self._buffer.shape[1] < n:
                return []
            self._rest = {self.recipe.modality: self._signal(self._buffer[:, :n], -n / self.sfreq)}
            self._resting, after = 0, (self._buffer[:, n:], self._stamps[n:])
            self._anew(self._begin + n / self.sfreq)
            return self._grown(*after, latest) if after[0].shape[1] else []
        arrived = self._first + self._buffer.shape[1]
        self._look_at_rate(arrived)
        due = range(self._next, (arrived - self._window) // self._hop + 1)
        self._next = max(self._next, due.stop)
        if latest and due:
            self.skipped += len(due) - 1
            due = due[-1:]
        decisions = [self._decided(number) for number in due]
        gone = min(self._next * self._hop - self._context - self._first, self._buffer.shape[1])
        if gone > 0:
            self._buffer, self._stamps = self._buffer[:, gone:].copy(), self._stamps[gone:].copy()
            self._first += gone
        return decisions

    def _decided(self, number: int) -> Decision:
        """Return the decision about a window whose samples are all there."""
        mine = number * self._hop
        begin, stop = max(0, mine - self._context), mine + self._window
        data = self._buffer[:, begin - self._first : stop - self._first]
        signal = self._signal(data, self._begin + begin / self.sfreq)
        end = self._begin + stop / self.sfreq
        decision = Decision(end - self._window / self.sfreq, end, float(self._stamps[stop - 1 - self._first]))
        try:
            predicted = self._predicted(signal, (mine - begin) / self.sfreq)
        except ThymosError as error:
            return replace(decision, reason=error.came)
        if self.over is not None:
            self._recent.append((decision.start, decision.stop, predicted))
            while self._recent[0][0] < decision.stop - self.over - 0.5 / self.sfreq:
                self._recent.popleft()
            together = np.concatenate([values for _, _, values in self._recent])
            one = np.full(len(together), "")
            combined = trial_probabilities(one, together) if self.bundle.classes else trial_means(one, together)
            predicted, decision = combined[1], replace(decision, start=self._recent[0][0])
        if not self.bundle.classes:
            return replace(decision, predicted=float(np.ravel(predicted)[0]))
        shares = dict(zip(self.bundle.classes, map(float, predicted[0]), strict=True))
        return replace(decision, predicted=max(shares, key=lambda name: shares[name]), probabilities=shares)

    def _predicted(self, signal: Signal, before: float) -> np.ndarray:
        """Return what the model says of the last window of a signal, `before` seconds after its beginning."""
        # samples as far apart as the context is long: one at its beginning, and the one that is asked for
        recipe = self.recipe.model_copy(update={"step": before or None})
        said: list[tuple[str, str]] = []
        made = self.bundle.replace(recipe=recipe).samples(
            [Recording({recipe.modality: signal}, _META, (), self._rest)], said
        )
        words = [text for _, text in said]
        self._say([text for text in words if "no prediction" not in text])
        if made.meta["start"].iloc[-1] < signal.start + before / 2:
            raise InputError(words[-1] if words else "A value is missing.")
        with named("The model fails"):
            return self.bundle.probabilities(made.X[-1:])

    def _signal(self, data: np.ndarray, start: float) -> Signal:
        return Signal(data, self.sfreq, self.ch_names, self.unit, start)

    def _try_out(self) -> None:
        """Refuse a stream that does not fit, and load what the first decision would have to wait for."""
        n = self._window + self._hop * bool(self._context)
        noise = np.random.default_rng(0).standard_normal((len(self.ch_names), n)) * (self.recipe.spread or 1.0)
        signal = self._signal(noise.astype(np.float32), 0.0)
        adapt(Recording({self.recipe.modality: signal}, _META), self.recipe)
        said, rest = list(self.notes), self._rest
        if self.recipe.subtract_baseline:
            self._rest = {self.recipe.modality: signal}
        try:
            self._predicted(signal, (n - self._window) / self.sfreq)
        except UnfitError:  # such as windows between those of which features are computed
            raise
        except ThymosError:  # noise has no heart beats; of the stream it will be said when it comes
            pass
        self.notes, self._rest = said, rest

    def _look_at_rate(self, arrived: int) -> None:
        """Note a rate that is another than the stream says, once there are enough time stamps."""
        seconds = self._stamps[-1] - self._since
        if seconds > _RATE_SECONDS and abs((arrived - 1) / seconds / self.sfreq - 1) > _RATE_OFF:
            self._say(
                [f"time stamps tell of another rate than {self.sfreq:g} Hz: samples are lost, or the rate is wrong"]
            )

    def _say(self, words: Sequence[str]) -> None:
        self.notes += [text for text in words if text not in self.notes][: _MOST_NOTES - len(self.notes)]


def of_one_signal(bundle: Bundle) -> Recipe:
    """Return what the recordings of a model must be that can decide on a stream.

    Raises
    ------
    InputError
        If it is of pictures, of several modalities or of whole recordings.
    """
    recipe = bundle.recipe
    if not isinstance(recipe, Recipe) or recipe.seconds is None:
        kind = "whole recordings" if isinstance(recipe, Recipe) else "pictures, or of several modalities"
        raise InputError(f"The model is of {kind}.", fits="a model of one signal that is cut into windows")
    return recipe


def _not_live(recipe: Recipe) -> list[str]:
    """Name the steps of which training knew what followed a window."""
    names = [step.name for step in recipe.process if not is_live(step.name, step.parameters)]
    made = zip(recipe.features, recipe.transformers(), strict=True)
    names += [step.name for step, one in made if getattr(one, "offline", False)]
    if not names:
        return []
    return [
        f"not causal: {', '.join(names)}; in training what follows a window was known, on a stream it is not, so that "
        "what was measured of the model holds less"
    ]
