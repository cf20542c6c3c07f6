"""A simulated experiment with every modality: brain, body, face and voice of one felt emotion per trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from thymos.base.random import child_seed
from thymos.base.recording import Frames, Lazy, Recording, Signal
from thymos.sources.base import Source
from thymos.sources.simulate.eeg import SimulatedEEG
from thymos.sources.simulate.faces import identities, simulate_film
from thymos.sources.simulate.latent import Felt, number, whole
from thymos.sources.simulate.physiology import Body, Physiology
from thymos.sources.simulate.speech import SPOKEN, STATEMENTS, speakers, synthesise

__all__ = ["MODALITIES", "Simulated"]

#: What every recording holds.
MODALITIES = ("eeg", "ecg", "bvp", "eda", "resp", "temp", "emg", "face", "speech")

_MUSCLES = ("zygomaticus", "trapezius")


class Simulated(Source):
    """EEG, signals of the body, face and voice that one felt emotion and one intensity per trial drive together.

    A modality that nobody asks for is not made. The EEG is that of
    :class:`~thymos.sources.simulate.eeg.SimulatedEEG` with the same parameters.

    Parameters
    ----------
    subjects, trials, seconds, sfreq, effect, null, fingerprint, drift, subject_sd, slope_sd, artifacts, emg_confound, \
line_freq, montage, random_state, sessions, meant, shuffled
        As for :class:`~thymos.sources.simulate.eeg.SimulatedEEG`; `effect`, `null`, `fingerprint` and `slope_sd` act on
        the body alike, `effect` and `null` on face and voice as well.
    size : int
        Height and width of a frame in pixels.
    frame_rate : float
        Frames per second.
    speech_rate : float
        Sampling rate of the voice in Hz.

    Notes
    -----
    Face and voice show the prototype nearest to what was felt, as strongly as its intensity; nothing else ties them to
    valence and arousal. The voice repeats two sentences as long as the trial lasts. Cartoon faces, vowel-like speech
    and linear effects: a good result shows that code and protocol work, never that a method recognises emotions in
    people.
    """

    def __init__(
        self,
        subjects: int = 4,
        trials: int = 16,
        seconds: float | Sequence[float] = 12.0,
        sfreq: float = 128.0,
        effect: float = 1.0,
        null: bool = False,
        fingerprint: float = 0.25,
        drift: float = 0.15,
        subject_sd: float = 0.3,
        slope_sd: float = 0.5,
        artifacts: bool = True,
        emg_confound: float = 0.3,
        line_freq: float = 50.0,
        montage: str | Sequence[str] = "deap32",
        random_state: int = 0,
        sessions: int = 1,
        meant: Sequence[Sequence[float]] | None = None,
        shuffled: bool = True,
        size: int = 48,
        frame_rate: float = 1.0,
        speech_rate: float = 16_000.0,
    ):
        self.eeg = SimulatedEEG(
            subjects=subjects,
            trials=trials,
            seconds=seconds,
            sfreq=sfreq,
            effect=effect,
            null=null,
            fingerprint=fingerprint,
            drift=drift,
            subject_sd=subject_sd,
            slope_sd=slope_sd,
            artifacts=artifacts,
            emg_confound=emg_confound,
            line_freq=line_freq,
            montage=montage,
            random_state=random_state,
            sessions=sessions,
            meant=meant,
            shuffled=shuffled,
        )
        self.experiment, self.random_state = self.eeg.experiment, self.eeg.random_state
        self.physiology = Physiology(random_state, effect, null, fingerprint, slope_sd)
        self.size = whole("size", size, 24)
        self.frame_rate = number("frame_rate", frame_rate, 0.1, "Hz")
        self.speech_rate = number("speech_rate", speech_rate, 8000, "Hz")

    def subjects(self) -> list[str]:
        """Return ``s01``, ``s02`` and so on."""
        return self.experiment.names

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording per trial, subject by subject, in order of presentation.

        The modalities are those of :data:`MODALITIES`: ``eeg``, ``ecg`` and ``emg`` in volts, ``eda`` in siemens,
        ``temp`` in kelvin, ``face`` as grey frames, ``speech`` between -1 and 1. The metadata hold the ratings
        (``valence``, ``arousal``, ``dominance``, ``liking``, ``familiarity``, 1 to 9) and the truth: ``felt_valence``,
        ``felt_arousal`` (-1 to 1), ``intensity`` (0.4 to 1), ``emotion``, the prototype nearest to what was felt, and
        ``meant_emotion``, that of the stimulus.
        """
        wanted = None if subjects is None else set(subjects)
        for index, k, meta, felt in self.experiment.trials_of("simulated", wanted):
            yield Recording(Lazy(self._makers(index, k, felt)), {**meta, **felt.labels(k)})

    def _makers(self, index: int, k: int, felt: Felt) -> dict:
        seconds = self.eeg.length(felt.order[k])
        body = self.physiology.trial(index, k, seconds, felt.felt[k], felt.intensity[k])
        emotion, intensity = str(felt.emotion[k]), float(felt.intensity[k])
        return {
            "eeg": partial(self.eeg.signal, index, k, felt),
            **{name: partial(body.signal, name) for name in ("ecg", "bvp", "eda", "resp", "temp")},
            "emg": partial(_muscles, body),
            "face": partial(self._face, index, k, emotion, intensity, seconds),
            "speech": partial(self._speech, index, k, emotion, intensity, seconds),
        }

    def _face(self, index: int, k: int, emotion: str, intensity: float, seconds: float) -> Frames:
        person = identities(index + 1, self.random_state)[index]
        seed = child_seed(self.random_state, "simulated", "face", index, k)
        n = max(1, round(seconds * self.frame_rate))
        shown: dict[str, Any] = {"size": self.size, "effect": self.eeg.effect, "null": self.eeg.null}
        film = simulate_film(emotion, person, intensity, n, seed, self.frame_rate, **shown)
        return Frames(film[:, None], self.frame_rate)

    def _speech(self, index: int, k: int, emotion: str, intensity: float, seconds: float) -> Signal:
        speaker = speakers(index + 1, self.random_state)[index]
        n = round(seconds * self.speech_rate)
        said: list[np.ndarray] = []
        while sum(map(len, said)) < n:
            seed = child_seed(self.random_state, "simulated", "speech", index, k, len(said))
            spoken: dict[str, Any] = {"sfreq": self.speech_rate, "effect": self.eeg.effect, "null": self.eeg.null}
            statement = (k + len(said)) % len(STATEMENTS)
            said.append(synthesise(SPOKEN[emotion], speaker, intensity, statement, seed, **spoken))
        return Signal(np.concatenate(said)[None, :n], self.speech_rate, ("voice",), "")


def _muscles(body: Body) -> Signal:
    both = [body.signal(name) for name in _MUSCLES]
    return both[0].replace(data=np.concatenate([signal.data for signal in both]), ch_names=_MUSCLES)
