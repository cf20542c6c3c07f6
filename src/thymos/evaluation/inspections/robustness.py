"""How a method bears signals that are worse than those it was trained on (methods B2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import fft

from thymos.base.checks import check_whole
from thymos.base.errors import InputError
from thymos.base.probabilities import predict_all
from thymos.base.random import generator
from thymos.base.samples import Samples
from thymos.evaluation.fit import holds_signals
from thymos.evaluation.inspections.base import Inspected, Inspection, positives
from thymos.signals.montage import standard_names

__all__ = ["MUSCLES", "Robustness", "Scene", "electrode_loss", "gain_error", "muscle_noise", "white_noise"]

#: Electrodes over the temporal muscles and the sides of the forehead.
MUSCLES = frozenset(f"{row}{n}" for row in ("AF", "F", "FT", "T", "TP") for n in (7, 8, 9, 10))

_MUSCLE_BAND = (20.0, 60.0)  # Hz
_BURSTS = 2.0  # Hz, above which the strength of a muscle's noise does not change


@dataclass(frozen=True)
class Scene:
    """What a corruption has to know of the windows.

    Parameters
    ----------
    sd : ndarray, shape (n_channels,)
        Standard deviation of each channel over the training windows, in the unit of the signals.
    trials : ndarray of int, shape (n_windows,)
        Number of the trial of each window.
    muscles : ndarray of bool, shape (n_channels,)
        Channels that pick muscles up.
    sfreq : float
        Sampling rate in Hz.
    """

    sd: np.ndarray
    trials: np.ndarray
    muscles: np.ndarray
    sfreq: float


def white_noise(X: np.ndarray, amount: float, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian white noise to every window.

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_channels, n_times)
    amount : float
        Its standard deviation, as a share of the channel's.
    scene : Scene
    rng : Generator
        In the same state it gives the same noise, stronger for a larger amount.

    Returns
    -------
    ndarray, shape (n_windows, n_channels, n_times)
    """
    return X + (amount * scene.sd)[:, None] * rng.standard_normal(X.shape, dtype=np.float32)


def muscle_noise(X: np.ndarray, amount: float, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Add bursts of 20 to 60 Hz noise to the channels that pick muscles up; shapes as :func:`white_noise`.

    All these channels burst together, in each window at other times: strength is noise of up to 2 Hz where that is
    positive. `amount` is the standard deviation over all windows, pauses included, as a share of the channel's.
    """
    n, _, n_times = X.shape
    strength = np.maximum(_noise(rng, (n, 1, n_times), scene.sfreq, 0.0, _BURSTS), 0)
    noise = strength * _noise(rng, (n, int(scene.muscles.sum()), n_times), scene.sfreq, *_MUSCLE_BAND)
    noise /= np.sqrt(np.square(noise).mean()) or 1.0
    made = X.copy()
    made[:, scene.muscles] += (amount * scene.sd[scene.muscles])[:, None] * noise
    return made


def electrode_loss(X: np.ndarray, amount: int, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Set a number of channels (`amount`) to 0, others in each trial; shapes and units as :func:`white_noise`.

    Of a generator in the same state, what a smaller amount loses a larger one loses too.
    """
    order = rng.random((scene.trials.max() + 1, X.shape[1])).argsort(axis=1).argsort(axis=1)
    return np.where((order < amount)[scene.trials][:, :, None], X.dtype.type(0), X)


def gain_error(X: np.ndarray, amount: float, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Multiply each channel by a factor, another one in each trial; shapes and units as :func:`white_noise`.

    Factors are log-normal with mean 1 and standard deviation `amount`, so that no gain is negative.
    """
    spread = np.sqrt(np.log1p(amount**2))
    normal = rng.standard_normal((scene.trials.max() + 1, X.shape[1]), dtype=np.float32)
    return X * np.exp(spread * normal - spread**2 / 2).astype(X.dtype)[scene.trials][:, :, None]


#: Corruption to its function and the unit of its amounts.
_CORRUPTIONS: dict[str, tuple[Callable[..., np.ndarray], str]] = {
    "white noise": (white_noise, "of the channel's SD"),
    "muscle noise": (muscle_noise, "of the channel's SD"),
    "electrode loss": (electrode_loss, "electrodes"),
    "gain": (gain_error, "relative SD of gain"),
}


class Robustness(Inspection):
    """Metrics of test windows that are corrupted more and more, before any step of the method sees them.

    What is drawn depends on the fold alone: all methods are given the same windows, so that their curves can be
    compared in pairs. The method is not fitted again.

    Parameters
    ----------
    levels : int
        How many of the amounts of each corruption are taken, evenly spread over them, the largest among them.
    noise : sequence of float
        Standard deviations of white noise, and of muscle noise, as shares of the channel's over training windows.
    electrodes : sequence of int
        Electrodes that are lost for a whole trial; as many as there are, or more, are left out.
    gain : sequence of float
        Standard deviations of the factors by which the channels of a trial are multiplied.

    Notes
    -----
    Muscle noise goes to temporal and lateral frontal electrodes (:data:`MUSCLES`), found by name, where there are none
    to a third of the channels, drawn for each fold. It is left out where half the sampling rate lies below its band.
    """

    def __init__(
        self,
        levels: int = 5,
        noise: Sequence[float] = (0.1, 0.2, 0.4, 0.7, 1.0),
        electrodes: Sequence[int] = (1, 2, 4, 6, 8),
        gain: Sequence[float] = (0.05, 0.1, 0.2, 0.35, 0.5),
    ):
        self.levels = levels
        self.noise = noise
        self.electrodes = electrodes
        self.gain = gain

    def check(self) -> None:
        """See that the parameters make sense; errors as :meth:`Inspection.check`."""
        check_whole("levels", self.levels)
        for name in ("noise", "electrodes", "gain"):
            positives(name, getattr(self, name))
        for count in self.electrodes:
            check_whole("electrodes", count)

    def __call__(self, inspected: Inspected) -> pd.DataFrame:
        """Return the metrics at each step.

        Returns
        -------
        DataFrame
            ``corruption``, ``step`` (0 for the windows as they are), ``amount``, its ``unit``, ``level``, ``subject``,
            ``n`` and metrics.

        Raises
        ------
        InputError
            If the samples are no windows of raw signals.
        """
        self.check()
        samples = inspected.samples
        if not holds_signals(samples):
            raise InputError(
                "The samples are features, or several modalities, whose electrodes and noise cannot be told.",
                fits="windows of raw signals (n_samples, n_channels, n_times), and features inside the method",
            )
        X, scene = samples.X[inspected.test], _scene(inspected)

        def scores(windows: np.ndarray) -> pd.DataFrame:
            return inspected.scores(predict_all(inspected.estimator, windows, inspected.classes))

        clean, tables = scores(X), []
        for corruption, amounts in self._amounts(X.shape[1], X.shape[2], scene).items():
            made, unit = _CORRUPTIONS[corruption]
            for step, amount in enumerate((0, *amounts)):
                # a new generator for each step: the same draws, larger
                rng = generator(inspected.seed, corruption)
                table = scores(made(X, amount, scene, rng)) if step else clean
                tables.append(table.assign(corruption=corruption, step=step, amount=float(amount), unit=unit))
        columns = ["corruption", "step", "amount", "unit"]
        return pd.concat(tables, ignore_index=True)[[*columns, *clean]] if tables else pd.DataFrame()

    def _amounts(self, n_channels: int, n_times: int, scene: Scene) -> dict[str, list]:
        """Return the amounts of each corruption that these windows can bear."""
        lost = [count for count in self.electrodes if count < n_channels]
        muscles = self.noise if _members(n_times, scene.sfreq, *_MUSCLE_BAND).any() else []
        every = dict(zip(_CORRUPTIONS, (self.noise, muscles, lost, self.gain), strict=True))
        return {corruption: _some(amounts, self.levels) for corruption, amounts in every.items() if len(amounts)}


def _scene(inspected: Inspected) -> Scene:
    samples = inspected.samples
    training = samples.X[inspected.train]
    return Scene(
        training.std(axis=(0, 2), dtype=np.float64).astype(np.float32),
        np.unique(samples.meta["trial"].astype(str).iloc[inspected.test], return_inverse=True)[1],
        _muscles(samples, inspected.seed),
        float(samples.info["sfreq"]),
    )


def _muscles(samples: Samples, seed: int) -> np.ndarray:
    """Return which channels pick muscles up, by their names, or a random third of them."""
    n_channels = samples.X.shape[1]
    found = np.array([name in MUSCLES for name in standard_names(samples.info.get("ch_names") or [""] * n_channels)])
    if not found.any():
        found[generator(seed, "muscles").permutation(n_channels)[: max(1, n_channels // 3)]] = True
    return found


def _members(n_times: int, sfreq: float, low: float, high: float) -> np.ndarray:
    """Return which frequencies of a window's spectrum lie in a band, but for that of half the sampling rate."""
    frequencies = fft.rfftfreq(n_times, 1 / sfreq)
    return (frequencies >= low) & (frequencies <= high) & (frequencies < sfreq / 2)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sfreq: float, low: float, high: float) -> np.ndarray:
    """Return Gaussian noise of a band, of any scale; the last axis is time."""
    members = _members(shape[-1], sfreq, low, high)
    spectrum = np.zeros((*shape[:-1], len(members)), dtype=np.complex64)
    drawn = rng.standard_normal((*shape[:-1], int(members.sum()), 2), dtype=np.float32)
    spectrum[..., members] = drawn[..., 0] + 1j * drawn[..., 1]
    return fft.irfft(spectrum, n=shape[-1])


def _some(amounts: Sequence[float], levels: int) -> list[float]:
    """Return some amounts, evenly spread from the last one to the first."""
    places = np.linspace(len(amounts) - 1, 0, min(levels, len(amounts))).round().astype(int)
    return [amounts[place] for place in places[::-1]]
