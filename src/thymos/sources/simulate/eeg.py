"""EEG of a simulated experiment: emotions with known effects, trial fingerprints, artifacts and a null mode.

One latent emotion per trial changes the log power of oscillations in twelve cortical regions; a spherical head model
takes them to the electrodes, among background activity and artifacts. Inside, values are in microvolts and
nanoampere metres; recordings leave in volts. Signs of the effects follow the literature, sizes are parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import fft
from scipy.signal import lfilter

from thymos.base.bands import BANDS as BAND_SETS
from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.random import generator
from thymos.base.recording import Recording, Signal
from thymos.signals.montage import standard_montage
from thymos.sources.base import Source
from thymos.sources.simulate.latent import Experiment, Felt, number, stimuli

__all__ = [
    "BANDS",
    "EFFECTS",
    "MONTAGES",
    "PRESETS",
    "REGIONS",
    "Head",
    "SimulatedEEG",
    "bursts",
    "forward",
    "head",
    "patch",
    "shaped_noise",
    "stimuli",
]

_LEFT = ("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz")
_RIGHT = ("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2")

#: Named montages. ``deap32``: the 32 electrodes of DEAP in Geneva order; ``muse4``: the Muse headband.
MONTAGES: dict[str, tuple[str, ...]] = {"deap32": (*_LEFT, *_RIGHT), "muse4": ("TP9", "AF7", "AF8", "TP10")}

#: Parameters that a preset stands for.
PRESETS: dict[str, dict[str, Any]] = {"realistic": {"effect": 1.0}, "teaching": {"effect": 3.0}, "null": {"null": True}}

#: Bands of the oscillations in Hz.
BANDS = BAND_SETS["deap"]

#: Regions of coherent activity and the electrodes they lie below: left, right or middle F(rontal), P(re)F(rontal),
#: C(entral), T(emporal), P(arietal), O(ccipital).
REGIONS: dict[str, tuple[str, ...]] = {
    "FL": ("F3", "AF3"),
    "FR": ("F4", "AF4"),
    "FM": ("Fz",),
    "PFL": ("Fp1",),
    "PFR": ("Fp2",),
    "CL": ("C3",),
    "CR": ("C4",),
    "TL": ("T7",),
    "TR": ("T8",),
    "P": ("Pz",),
    "OL": ("O1",),
    "OR": ("O2",),
}

#: What an emotion can act through: felt valence, felt arousal, and neutrality ``(1 - |valence|) (1 - |arousal|)``.
AXES = ("valence", "arousal", "neutral")

#: Change of log power per unit of an axis at ``effect=1``: band, regions, axis, size.
EFFECTS: tuple[tuple[str, tuple[str, ...], str, float], ...] = (
    ("alpha", ("FL",), "valence", -0.20),
    ("alpha", ("FR",), "valence", +0.20),
    ("beta", ("TL", "TR"), "valence", +0.20),
    ("gamma", ("TL", "TR"), "valence", +0.30),
    ("gamma", ("PFL", "PFR"), "valence", -0.20),
    ("alpha", ("P", "OL", "OR"), "neutral", +0.20),
    ("theta", ("FM",), "valence", +0.10),
    ("alpha", ("P", "OL", "OR", "CL", "CR"), "arousal", -0.30),
    ("beta", ("FL", "FM", "FR", "CL", "CR"), "arousal", +0.20),
    ("gamma", ("FL", "FM", "FR", "TL", "TR"), "arousal", +0.15),
)

_OSCILLATION = {"theta": 12.0, "alpha": 25.0, "beta": 8.0, "gamma": 4.0}  # nAm rms
_STRONGER_ALPHA = {"P": 1.6, "OL": 2.0, "OR": 2.0}
_BACKGROUND = 8.0  # uV rms, mean over the reference cap
_CHANNEL_NOISE = 1.0  # uV rms
_SESSION_SD = 0.2  # log power, for each region and band
_SUBJECT_GAIN, _TRIAL_GAIN = 0.2, 1 / 3  # SD of the log gain of a channel; the second times the fingerprint

_BLINK_AROUSAL = -0.3  # log rate of blinks per unit of arousal at effect 1
_MOST = 3.0  # emotions change the rate of an artifact by this factor at most

_CAP = MONTAGES["deap32"]  # the sphere is fitted to it, whatever the montage
_SAME_PLACE = {"CB1": "PO9", "CB2": "PO10"}  # names of caps that the 10-05 system lacks
_MUSCLES = ("T7", "T8", "F7", "F8")
_LOWEST_RATE = 100.0  # Hz; the oscillations reach 45 Hz


@dataclass(frozen=True)
class Head:
    """What each source looks like at the electrodes, average reference.

    Parameters
    ----------
    regions : ndarray, shape (n_channels, n_regions)
        Microvolts per nanoampere metre of each of :data:`REGIONS`.
    background : ndarray, shape (n_channels, n_channels)
        Square root of the covariance of the background, in microvolts.
    blink, saccade : ndarray, shape (n_channels,)
        Topographies: 1 at the forehead, and 1 at F8 and -1 at F7, on the reference cap.
    muscle : ndarray, shape (n_channels, n_muscles)
        Topographies of the muscles at T7, T8, F7 and F8, about 1 at their electrode.
    """

    regions: np.ndarray
    background: np.ndarray
    blink: np.ndarray
    saccade: np.ndarray
    muscle: np.ndarray


class SimulatedEEG(Source):
    """EEG of a simulated experiment in which every subject meets every stimulus once per session.

    A stimulus has a valence and an arousal; a subject feels them with some noise and rates what was felt with a bias
    of their own. The log power of region r and band b in trial k of a subject is::

        base(r, b) + drift(k, r, b) + fingerprint * xi(k, r, b)
            + effect * sum over axes of slope(axis, r, b) * size(axis, r, b) * felt(axis, k)

    with the sizes of :data:`EFFECTS` and slopes of mean 1 that differ between subjects. The fingerprint is the same
    in all windows of a trial and says nothing about emotion: it is what a random split of windows lets a model use.

    Parameters
    ----------
    subjects : int
        Number of subjects.
    trials : int
        Trials per subject and session, which is the number of stimuli.
    seconds : float or sequence of float
        Length of a trial, at least 1 s: one for all, or one for each stimulus.
    sfreq : float
        Sampling rate in Hz, at least 100.
    effect : float
        Multiplies every effect of emotion on the signal, those on blinks and muscles included. At 1 honest accuracies
        are as low as on real data, at 3 they suit teaching.
    null : bool
        Take `effect` as zero and change nothing else: same ratings, same random numbers, no emotion in the signal.
    fingerprint : float
        Standard deviation of log power between trials that no emotion explains, drawn anew for each trial, region
        and band. The log gain of each channel varies between trials by a third of it. What a random split of windows
        gains from it depends on the features as well: the less noisy their values in a window, the more.
    drift : float
        Standard deviation of log power that a random walk over the trials of a subject, in order of presentation,
        has reached at the last one, for each region and band.
    subject_sd : float
        Standard deviation of log power between subjects, for each region and band. Their channels differ in log gain
        by 0.2 besides.
    slope_sd : float
        Standard deviation between subjects of the factor (mean 1) on each effect; with 0.5 some people show the
        opposite sign.
    artifacts : bool
        Add blinks, saccades, muscle bursts, line noise, electrode pops and one noisy channel per subject.
    emg_confound : float
        Log rate of muscle bursts per unit of absolute valence, at effect 1.
    line_freq : float
        Frequency of the line noise in Hz. There is none at or above half the sampling rate.
    montage : str or sequence of str
        A name of :data:`MONTAGES`, or at least two electrodes of the 10-05 system. CB1 and CB2 are taken at PO9 and
        PO10.
    random_state : int
        Seed. Each subject and trial has random numbers of its own, so some of the subjects come out the same as in
        the full set.
    sessions : int
        Number of sessions, in each of which every stimulus is met again. With more than one, each has an offset of
        log power (standard deviation 0.2) for each region and band, and a drift of its own.
    meant : sequence of (float, float), optional
        Valence and arousal of each stimulus, -1 to 1; by default spread over the plane, see
        :func:`~thymos.sources.simulate.latent.stimuli`.
    shuffled : bool
        Whether each subject meets the stimuli in an order of their own, or all in order of their number.

    Notes
    -----
    Spherical head, radial sources, no connectivity, no event-related structure, emotions that last a whole trial,
    linear effects. A good result shows that code and protocol work, never that a method recognises emotions in
    people. The offset of a single session is part of the subject's base.

    Effects follow Davidson 1992 and Coan & Allen 2004 (frontal alpha asymmetry), Zheng & Lu 2015 and Zheng, Zhu & Lu
    2019 (beta, gamma and neutral alpha), Sammler et al. 2007 (frontal midline theta), Koelstra et al. 2012 (arousal).
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
    ):
        self.experiment = Experiment(subjects, trials, random_state, sessions, meant, bool(shuffled))
        self.seconds = _lengths(seconds, self.experiment.trials)
        self.sfreq = number("sfreq", sfreq, _LOWEST_RATE, "Hz")
        self.effect = number("effect", effect)
        self.null = bool(null)
        self.fingerprint = number("fingerprint", fingerprint)
        self.drift = number("drift", drift)
        self.subject_sd = number("subject_sd", subject_sd)
        self.slope_sd = number("slope_sd", slope_sd)
        self.artifacts = bool(artifacts)
        self.emg_confound = number("emg_confound", emg_confound)
        self.line_freq = number("line_freq", line_freq, 1, "Hz")
        self.ch_names = _electrodes(montage)
        self.random_state = self.experiment.random_state

    @classmethod
    def preset(cls, name: str, **parameters: Any) -> SimulatedEEG:
        """Make the source of a name of :data:`PRESETS`; `parameters` win over the preset's own.

        Raises
        ------
        InputError
            If there is no such preset.
        """
        if name not in PRESETS:
            raise InputError(
                f"There is no preset {name!r} of simulated EEG.{near(name, PRESETS)}",
                fits=f"one of {', '.join(PRESETS)}",
            )
        return cls(**{**PRESETS[name], **parameters})

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return self.experiment.subjects

    @property
    def n_trials(self) -> int:
        """Trials per subject, all sessions together."""
        return self.experiment.n_trials

    def subjects(self) -> list[str]:
        """Return ``s01``, ``s02`` and so on."""
        return self.experiment.names

    def recordings(self, subjects: Iterable[str] | None = None) -> Iterator[Recording]:
        """Yield one recording per trial, subject by subject, in order of presentation.

        The modality is ``eeg``, float32 in volts. ``valence`` and ``arousal`` are the ratings, 1 to 9;
        ``felt_valence`` and ``felt_arousal`` are what acted on the signal, -1 to 1.
        """
        wanted = None if subjects is None else set(subjects)
        for index, k, meta, felt in self.experiment.trials_of("simulated-eeg", wanted):
            labels = felt.labels(k)
            meta |= {name: labels[name] for name in ("valence", "arousal", "felt_valence", "felt_arousal")}
            yield Recording({"eeg": self.signal(index, k, felt)}, meta)

    def signal(self, index: int, k: int, felt: Felt | None = None) -> Signal:
        """Return the EEG of trial `k` of subject number `index`, both from 0, in volts.

        `felt` is what ``experiment.subject(index)`` returns, if it is at hand.
        """
        felt = felt or self.experiment.subject(index)
        return self._signal(index, k, self._log_power(index, felt.felt)[k], felt.felt[k], self.length(felt.order[k]))

    def baseline(self, index: int, k: int, seconds: float) -> Signal:
        """Return EEG without any emotion in the state of trial `k`, with its fingerprint and drift, in volts."""
        neutral = np.zeros((self.n_trials, 2))
        seconds = number("seconds", seconds, 1, "s")
        return self._signal(index, k, self._log_power(index, neutral, 0.0)[k], neutral[k], seconds, "baseline")

    def length(self, stimulus: int) -> float:
        """Return the length in seconds of the trials with stimulus number `stimulus`, from 0."""
        return self.seconds[stimulus] if isinstance(self.seconds, tuple) else self.seconds

    def _signal(self, index: int, k: int, power: np.ndarray, felt: np.ndarray, seconds: float, *part: str) -> Signal:
        data = self._trial(index, k, power, felt, seconds, *part) * 1e-6  # uV to V
        return Signal(data.astype(np.float32, copy=False), self.sfreq, self.ch_names)

    def _random(self, *names: object) -> np.random.Generator:
        return generator(self.random_state, "simulated-eeg", *names)

    def _log_power(self, index: int, felt: np.ndarray, effect: float | None = None) -> np.ndarray:
        """Return the log power of every trial relative to the mean, shape (n_trials, n_regions, n_bands)."""
        rng, shape = self._random("power", index), (len(REGIONS), len(BANDS))
        base = self.subject_sd * rng.standard_normal(shape)
        slopes = 1 + self.slope_sd * rng.standard_normal((len(AXES), *shape))
        several = range(1, self.experiment.sessions)
        parts = [self._changes(r) for r in (rng, *(self._random("power", index, session) for session in several))]
        if several:
            offsets = self._random("sessions", index).standard_normal((len(parts), *shape))
            parts = [part + _SESSION_SD * offset for part, offset in zip(parts, offsets, strict=True)]
        axes = np.c_[felt, np.prod(1 - np.abs(felt), axis=1)]
        effect = self._effect() if effect is None else effect
        emotion = effect * np.einsum("ka,arb->krb", axes, slopes * _effect_sizes())
        return base + np.concatenate(parts) + emotion

    def _changes(self, rng: np.random.Generator) -> np.ndarray:
        """Return drift and fingerprints of the log power in one session, shape (trials, n_regions, n_bands)."""
        shape = (self.experiment.trials, len(REGIONS), len(BANDS))
        walk = rng.standard_normal(shape).cumsum(axis=0) / math.sqrt(shape[0])
        xi = rng.standard_normal(shape)
        return self.drift * walk + self.fingerprint * xi

    def _effect(self) -> float:
        return 0.0 if self.null else self.effect

    def _trial(self, index: int, k: int, power: np.ndarray, felt: np.ndarray, seconds: float, *part: str) -> np.ndarray:
        """Return `part` of one trial in microvolts, shape (n_channels, n_times); `power` is (n_regions, n_bands)."""
        n_times, model = round(seconds * self.sfreq), head(self.ch_names)
        n_channels = len(self.ch_names)
        x = model.regions @ self._oscillations(self._random("oscillations", index, k, *part), power, n_times)
        rng = self._random("background", index, k, *part)
        x += model.background @ shaped_noise(rng, (n_channels,), n_times, self.sfreq, _pink)
        x += _CHANNEL_NOISE * rng.standard_normal(x.shape, dtype=np.float32)
        if self.artifacts:
            self._add_artifacts(x, model, index, k, felt, seconds, *part)
        gain = _SUBJECT_GAIN * self._random("gain", index).standard_normal(n_channels)
        gain += _TRIAL_GAIN * self.fingerprint * self._random("gain", index, k).standard_normal(n_channels)
        return x * np.exp(gain)[:, None].astype(np.float32)

    def _oscillations(self, rng: np.random.Generator, power: np.ndarray, n_times: int) -> np.ndarray:
        """Return the moment of every region in nAm, shape (n_regions, n_times)."""
        waves = shaped_noise(rng, power.shape, n_times, self.sfreq, _peaks)
        waves *= bursts(rng, power.shape, n_times, self.sfreq)
        return np.einsum("rb,rbt->rt", (_moments() * np.exp(power / 2)).astype(np.float32), waves)

    def _add_artifacts(
        self, x: np.ndarray, model: Head, index: int, k: int, felt: np.ndarray, seconds: float, *part: str
    ) -> None:
        n_channels, n_times = x.shape
        t = (np.arange(n_times) / self.sfreq).astype(np.float32)
        traits, d = self._random("traits", index), self._effect()
        blinks, saccades, muscles = traits.uniform(12, 18) / 60, 8 / 60, traits.uniform(2, 4) / 60  # per second

        rng = self._random("eyes", index, k, *part)
        factor = math.exp(_BLINK_AROUSAL * d * felt[1])
        start, length, size = _events(rng, seconds, blinks, (0.25, 0.4), (80, 150), factor)
        x += np.outer(model.blink, size @ _hump((t - start) / length))
        start, length, size = _events(rng, seconds, saccades, (0.3, 1.2), (-60, 60))
        x += np.outer(model.saccade, size @ _plateau((t - start) / length))

        rng = self._random("muscle", index, k, *part)
        factor = math.exp(self.emg_confound * d * abs(felt[0]))
        envelopes = []
        for _ in _MUSCLES:
            start, length, size = _events(rng, seconds, muscles, (0.4, 2.0), (5, 20), factor)
            envelopes.append(size @ _hump((t - start) / length))
        waves = shaped_noise(rng, (len(_MUSCLES),), n_times, self.sfreq, _muscle)
        x += model.muscle @ (waves * np.array(envelopes))

        rng, traits = self._random("electrodes", index, k, *part), self._random("electrodes", index)
        hum = np.exp(0.5 * traits.standard_normal(n_channels))  # uV
        noisy, noise = traits.integers(n_channels), traits.uniform(3, 8)
        if self.line_freq < self.sfreq / 2:
            wave = np.sin(2 * np.pi * (self.line_freq * t.astype(np.float64) + rng.uniform()))
            slow = bursts(rng, (), n_times, self.sfreq, rate=0.25, sd=0.3)
            x += np.outer(hum, slow * wave)
        x[noisy] += noise * rng.standard_normal(n_times, dtype=np.float32)
        start, length, size = _events(rng, seconds, 0.2 / 60, (0.2, 0.5), (-150, 150))
        where = rng.integers(n_channels, size=len(start))
        np.add.at(x, where, size[:, None] * _decay((t - start) / length))


def shaped_noise(
    rng: np.random.Generator, shape: tuple[int, ...], n_times: int, sfreq: float, amplitude: Any
) -> np.ndarray:
    """Return Gaussian noise of unit power with given spectra, made in the frequency domain.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    shape : tuple of int
        Leading axes.
    n_times : int
        Number of samples.
    sfreq : float
        Sampling rate in Hz.
    amplitude : callable
        Takes frequencies in Hz, shape (n_freqs,), and returns amplitudes of any scale, broadcasting to
        (*shape, n_freqs).

    Returns
    -------
    ndarray, shape (*shape, n_times), float32
        Its expected mean square is 1.
    """
    size = fft.next_fast_len(n_times + math.ceil(sfreq), real=True)  # the ends of the cut are not neighbours
    freqs = fft.rfftfreq(size, 1 / sfreq)
    weight = amplitude(freqs) * (freqs > 0) * (freqs < sfreq / 2)
    weight = weight * (size / 2) / np.sqrt(np.square(weight).sum(axis=-1, keepdims=True))
    spectrum = rng.standard_normal((*shape, len(freqs), 2), dtype=np.float32).view(np.complex64)[..., 0]
    spectrum *= weight.astype(np.float32)
    return fft.irfft(spectrum, size, axis=-1)[..., :n_times]


def bursts(
    rng: np.random.Generator, shape: tuple[int, ...], n_times: int, sfreq: float, rate: float = 4.0, sd: float = 0.4
) -> np.ndarray:
    """Return envelopes ``exp(sd z)`` of unit mean square power; z is autoregressive and interpolated.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    shape : tuple of int
        Leading axes.
    n_times : int
        Number of samples.
    sfreq : float
        Sampling rate in Hz.
    rate : float
        Rate of z in Hz; its autoregressive coefficient is 0.9, so that bursts last some ten of its samples.
    sd : float
        Standard deviation of the log amplitude.

    Returns
    -------
    ndarray, shape (*shape, n_times), float32
        Positive.
    """
    place = np.arange(n_times) * (rate / sfreq)
    left = place.astype(int)
    z = rng.standard_normal((*shape, left[-1] + 2), dtype=np.float32)
    z[..., 1:] *= math.sqrt(1 - 0.9**2)
    z = lfilter(np.array([1], np.float32), np.array([1, -0.9], np.float32), z, axis=-1)
    part = (place - left).astype(np.float32)
    return np.exp(np.float32(sd) * (z[..., left] * (1 - part) + z[..., left + 1] * part) - np.float32(sd**2))


@lru_cache(maxsize=16)
def head(ch_names: tuple[str, ...]) -> Head:
    """Compute the head model of some electrodes; remembered within the process."""
    gain, dipoles, directions = forward((*_CAP, *ch_names))
    cap, picks = slice(len(_CAP)), slice(len(_CAP), None)
    forehead, sides = _on_cap("Fp1", "Fp2"), _on_cap("F7", "F8")

    regions = np.stack([patch(gain, dipoles, directions[_on_cap(*below)]) for below in REGIONS.values()], axis=1)
    uncorrelated = _referenced(gain[picks])
    scale = _BACKGROUND / np.sqrt(np.square(_referenced(gain[cap])).sum(axis=1).mean())
    values, vectors = np.linalg.eigh(uncorrelated @ uncorrelated.T)  # singular: the reference takes one dimension
    blink = _bumps(directions, directions[forehead], 0.45).sum(axis=1)
    saccade = _bumps(directions, directions[sides], 0.45) @ [-1, 1]
    muscle = _bumps(directions, directions[_on_cap(*_MUSCLES)], 0.3)
    return Head(
        regions=_referenced(regions[picks]).astype(np.float32),
        background=(scale * (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T).astype(np.float32),
        blink=(_referenced(blink[picks]) / _referenced(blink[cap])[forehead].mean()).astype(np.float32),
        saccade=(_referenced(saccade[picks]) / (_referenced(saccade[cap])[sides] @ [-0.5, 0.5])).astype(np.float32),
        muscle=_referenced(muscle[picks]).astype(np.float32),
    )


def forward(ch_names: Sequence[str], n: int = 400, depth: float = 0.86) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute what radial dipoles on a shell look like at electrodes on a layered sphere (MNE's analytic solution).

    The sphere is the same for every choice of electrodes: it is fitted to the 32 of DEAP, because a fit to the few
    electrodes of a headband gives a sphere of twice the size of a head.

    Parameters
    ----------
    ch_names : sequence of str
        Electrodes of the 10-05 system; a name may come twice.
    n : int
        Number of dipoles on a full shell; those below the cap are left out.
    depth : float
        Radius of the shell as a share of the brain's.

    Returns
    -------
    gain : ndarray, shape (n_channels, n_dipoles)
        Microvolts per nanoampere metre, before any reference.
    dipoles : ndarray, shape (n_dipoles, 3)
        Unit vectors from the centre.
    directions : ndarray, shape (n_channels, 3)
        Unit vectors from the centre to the electrodes.
    """
    import mne  # slow to import

    places = [_SAME_PLACE.get(name, name) for name in ch_names]
    unique = list(dict.fromkeys(places))
    with mne.use_log_level("ERROR"):
        montage = standard_montage()
        sphere = mne.make_sphere_model("auto", "auto", mne.create_info(list(_CAP), 1.0, "eeg").set_montage(montage))
        info = mne.create_info(unique, 1.0, "eeg").set_montage(montage)
        k = np.arange(n) + 0.5  # Fibonacci shell
        polar, azimuth = np.arccos(1 - 2 * k / n), np.pi * (1 + 5**0.5) * k
        dipoles = np.c_[np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)]
        dipoles = dipoles[dipoles[:, 2] > -0.35]
        position = sphere["r0"] + depth * sphere["layers"][0]["rad"] * dipoles
        space = mne.setup_volume_source_space(pos={"rr": position, "nn": dipoles}, sphere=sphere)
        solution = mne.make_forward_solution(info, None, space, sphere, meg=False, eeg=True, mindist=0.0)
    free = solution["sol"]["data"].reshape(len(unique), len(dipoles), 3)  # three orientations, V/Am
    gain = np.einsum("cnk,nk->cn", free, dipoles) * 1e-3
    directions = np.array([channel["loc"][:3] for channel in info["chs"]]) - sphere["r0"]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rows = [unique.index(place) for place in places]
    return gain[rows], dipoles, directions[rows]


def patch(gain: np.ndarray, dipoles: np.ndarray, centres: np.ndarray, width: float = 0.25) -> np.ndarray:
    """Return the topography of a coherent patch of dipoles below some electrodes.

    Parameters
    ----------
    gain : ndarray, shape (n_channels, n_dipoles)
        As from :func:`forward`.
    dipoles : ndarray, shape (n_dipoles, 3)
        Unit vectors.
    centres : ndarray, shape (n_centres, 3)
        Unit vectors to the electrodes.
    width : float
        Standard deviation in rad of the weight around each centre.

    Returns
    -------
    ndarray, shape (n_channels,)
        In the unit of `gain`, for a total moment of 1.
    """
    weight = _bumps(dipoles, centres, width).sum(axis=1)
    return gain @ (weight / weight.sum())


def _bumps(directions: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    """Return Gaussians of the angle, shape (n_directions, n_centres)."""
    return np.exp(-0.5 * (np.arccos(np.clip(directions @ centres.T, -1, 1)) / width) ** 2)


def _referenced(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0)


def _on_cap(*names: str) -> list[int]:
    return [_CAP.index(name) for name in names]


def _moments() -> np.ndarray:
    """Return the moment of each oscillation in nAm rms, shape (n_regions, n_bands)."""
    return np.array(
        [[_OSCILLATION[b] * (_STRONGER_ALPHA.get(r, 1) if b == "alpha" else 1) for b in BANDS] for r in REGIONS]
    )


def _effect_sizes() -> np.ndarray:
    """Return :data:`EFFECTS` as an array of shape (n_axes, n_regions, n_bands)."""
    sizes = np.zeros((len(AXES), len(REGIONS), len(BANDS)))
    for band, regions, axis, size in EFFECTS:
        sizes[AXES.index(axis), [list(REGIONS).index(r) for r in regions], list(BANDS).index(band)] = size
    return sizes


def _peaks(freqs: np.ndarray) -> np.ndarray:
    """Amplitude of the oscillations, shape (n_bands, n_freqs): Gaussian, two SD to either edge of the band."""
    low, high = np.array(list(BANDS.values())).T[..., None]
    return np.exp(-0.5 * ((freqs - (low + high) / 2) / ((high - low) / 4)) ** 2)


def _pink(freqs: np.ndarray) -> np.ndarray:
    """Amplitude of the background: power falls with 1/f above 1 Hz."""
    return np.maximum(freqs, 1) ** -0.5


def _muscle(freqs: np.ndarray) -> np.ndarray:
    """Amplitude of muscle activity: 20 to 60 Hz."""
    return ((freqs >= 20) & (freqs <= 60)).astype(float)


def _events(
    rng: np.random.Generator,
    seconds: float,
    rate: float,
    length: tuple[float, float],
    size: tuple[float, float],
    factor: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw events of a Poisson process: start (n_events, 1) and length (n_events, 1) in s, size (n_events,).

    The process runs at `_MOST` times `rate` and keeps a share of its events, so that `factor` adds or takes away
    events and leaves the others, and all later random numbers, as they are.
    """
    n = rng.poisson(_MOST * rate * seconds)
    start, lengths = rng.uniform(0, seconds, (n, 1)), rng.uniform(*length, (n, 1))
    sizes, lot = rng.uniform(*size, n), rng.uniform(0, _MOST, n)
    kept = lot < factor
    return start[kept].astype(np.float32), lengths[kept].astype(np.float32), sizes[kept].astype(np.float32)


def _hump(phase: np.ndarray) -> np.ndarray:
    """Raised cosine between 0 and 1."""
    return np.where((phase > 0) & (phase < 1), 0.5 - 0.5 * np.cos(2 * np.pi * phase), 0).astype(np.float32)


def _plateau(phase: np.ndarray) -> np.ndarray:
    """Gaze away and back: steep flanks between 0 and 1."""
    return np.clip(20 * np.minimum(phase, 1 - phase), 0, 1)


def _decay(phase: np.ndarray) -> np.ndarray:
    """Jump at 0 and exponential return."""
    return np.where(phase > 0, np.exp(-np.maximum(phase, 0)), 0)


def _lengths(seconds: float | Sequence[float], trials: int) -> float | tuple[float, ...]:
    """Return the length of all trials, or of those with each stimulus."""
    if not isinstance(seconds, Sequence | np.ndarray) or isinstance(seconds, str):
        return number("seconds", seconds, 1, "s")
    if len(seconds) != trials:
        raise InputError(
            f"The simulation came with {len(seconds)} lengths for {trials} stimuli.",
            fits="one number of seconds, or one for each stimulus",
            do="change seconds or trials",
        )
    return tuple(number("seconds", value, 1, "s") for value in seconds)


def _electrodes(montage: str | Sequence[str]) -> tuple[str, ...]:
    """Return the electrodes of a montage, or say what is wrong with it."""
    if isinstance(montage, str):
        if montage not in MONTAGES:
            raise InputError(
                f"There is no montage {montage!r}.{near(montage, MONTAGES)}",
                fits=f"{', '.join(MONTAGES)}, or a list of at least two electrodes",
                do="choose a montage or list the electrodes",
            )
        return MONTAGES[montage]
    names = tuple(str(name) for name in montage)
    known = {*standard_montage().ch_names, *_SAME_PLACE}
    for name in names:
        if name not in known:
            raise InputError(
                f"There is no electrode {name!r}.{near(name, known)}",
                fits="names of the 10-05 system, such as Fp1, Cz or TP9",
                do="leave it out, or use the name of the nearest electrode",
            )
    if len(set(names)) < max(2, len(names)):
        raise InputError(
            f"The montage {', '.join(names) or 'without electrodes'} came.",
            fits="at least two electrodes, each once, because the reference is their average",
            do="add an electrode" if len(names) < 2 else "leave out the repeated ones",
        )
    return names
