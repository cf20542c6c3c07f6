"""Samplers that draw new sequences, such as heart rates, from a recurrent generator trained on the training part."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional

from thymos.augmentation.base import Augmenter
from thymos.augmentation.quality import copied, memorisation, mmd2
from thymos.base.checkpoints import checkpoint
from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.models.generators.recurrent import (
    LATENT,
    SequenceDiscriminator,
    SequenceGenerator,
    drawn_noise,
)
from thymos.nn.scaling import SequenceScale
from thymos.training.adversarial import Game, Schedule, train_adversarial
from thymos.training.estimator import check_layers, device_named, reproducible
from thymos.training.parts import held_trials, trials_of

__all__ = ["SequenceRCGAN"]

_JUDGED = 512  # sequences at most that a checkpoint is judged on
_FEWEST = 4  # sequences held back, of which fewer say nothing
_SPREAD = 10  # sequences of a class, of which fewer do not show how they vary
_COMPARED = 64  # generated sequences of a class that are compared with training at least
_LEAST = 0.1  # share of drawn sequences that must pass the filter
_RATE, _SLOPE = "hr", "hr_slope"  # channels that are a heart rate in Hz and its slope in Hz/s
_BEATS, _CHANGE = (40 / 60, 180 / 60), 30 / 60  # Hz; Hz/s: what a heart does
_OFTEN = 0.5  # share of real sequences that are heart rates, below which a channel of that name is none
_BANDS, _DEVIATIONS = 8, 3.0  # of the spectrum, and how far these may be from those of real sequences
_FLOOR = 1e-6  # of power, of what was scaled to -1 and 1


class SequenceRCGAN(Augmenter):
    """New sequences of each class, from noise, by a recurrent generator that is told the class.

    One generator learns all classes against a discriminator that judges every step. What is no heart rate, or has
    another spectrum than real sequences, is thrown away.

    Parameters
    ----------
    ch_names : sequence of str, optional
        Names of the channels, where samples have three axes. A study fills them in. ``hr``, in Hz, is filtered as a
        heart rate, and ``hr_slope`` is not generated but computed from it.
    sfreq : float
        Sampling rate in Hz, of the slope. A study fills it in.
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`; by default the smallest classes are raised to one level.
    hidden : int
        Width of both LSTMs.
    noise_every : float
        Seconds between two draws of noise, between which it runs straight; 0 for every step, as published. A heart rate
        at 4 Hz changes with its beats only, about once a second.
    steady : int
        How many of the ten random numbers stay the same over a sequence, so that sequences can differ in their level; 0
        as published.
    changes : bool
        Whether the discriminator sees changes from step to step beside values, in which noise cannot hide; False as
        published.
    max_steps : int
        Steps of the generator; of all judgements the best is kept.
    batch_size, average, judge_every
        As :class:`~thymos.training.adversarial.Schedule`.
    lr, critic_lr : float
        Learning rates of generator and discriminator.
    validation : float
        Share of the training trials that the generator never sees: by them a checkpoint is chosen (smallest squared
        maximum mean discrepancy, mean of that of sequences and that of their spectra) and memorisation is tested.
        Without metadata none: the last state is kept.
    filtered : bool
        Whether sequences have to pass the filter, and the generator the test for memorisation.
    tries : int
        Drawings for each wanted sequence, at most.
    deterministic, device
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Attributes
    ----------
    generator_ : torch.nn.Module
    history_ : list of dict
        Losses at each judgement, with ``score`` and ``diversity`` (spread over that of real sequences).
    best_step_ : int
    stopped_ : str
        Why training ended before its time, if it did.
    acceptance_ : dict
        Share of drawn sequences that passed the filter, for each class and rule.
    memorised_ : dict
        What the test for memorisation found for the ``class`` that is nearest to its training sequences; empty without
        trials held back, and without a filter.
    refused_ : str
        Why nothing is added; empty if something is.

    Raises
    ------
    InputError
        From `fit_resample`, if a parameter does not fit.

    Notes
    -----
    Samples have shape (n_samples, n_channels, n_times); a table counts as one channel, and other axes between the first
    and the last as channels. Inside, least and greatest value of each channel are -1 and 1.

    C. Esteban, S. L. Hyland, G. Rätsch: Real-valued (medical) time series generation with recurrent conditional GANs.
    arXiv:1706.02633, 2017, whose sequences have 16 steps; learning rates, the spread of the batch as an input of the
    discriminator and the filter are those of methods B4.7. Noise drawn anew at each of 80 steps makes heart rates that
    jump; of such a generator next to nothing passes the filter (``noise_every=0, steady=0, changes=False``). Hegh et
    al. (2025) name a recurrent GAN and no more.
    """

    #: Of :meth:`features`, in words.
    measured_on = "sequences scaled as in training, and on the power of eight parts of their spectra"

    def __init__(
        self,
        ch_names: Sequence[str] | None = None,
        sfreq: float = 4.0,
        ratio: float | str = "budget",
        sampling_strategy: Any = None,
        weight: float = 1.0,
        hidden: int = 100,
        noise_every: float = 1.0,
        steady: int = 5,
        changes: bool = True,
        max_steps: int = 5000,
        batch_size: int = 32,
        lr: float = 1e-3,
        critic_lr: float = 5e-4,
        average: float = 0.99,
        judge_every: int = 100,
        validation: float = 0.2,
        filtered: bool = True,
        tries: int = 10,
        deterministic: bool = True,
        device: str = "auto",
        random_state: Any = None,
    ):
        super().__init__(ratio, sampling_strategy, weight, random_state)
        self.ch_names = ch_names
        self.sfreq = sfreq
        self.hidden = hidden
        self.noise_every = noise_every
        self.steady = steady
        self.changes = changes
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.lr = lr
        self.critic_lr = critic_lr
        self.average = average
        self.judge_every = judge_every
        self.validation = validation
        self.filtered = filtered
        self.tries = tries
        self.deterministic = deterministic
        self.device = device

    def learn(self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, rng: np.random.Generator) -> None:
        """Train generator and discriminator on the training samples, less the trials held back."""
        sequences = _sequences(X)
        n_channels = sequences.shape[1]
        names = list(self.ch_names or ())
        if X.ndim != 3:  # features of channels, which have names of their own
            names = []
        elif names and len(names) != n_channels:
            raise InputError(f"{len(names)} names came for {n_channels} channels.", "one name for each channel")
        self.classes_, codes = np.unique(y, return_inverse=True)
        trials = trials_of(meta, len(y))
        held = held_trials(trials, codes, 0.0 if meta is None else self.validation, rng)
        held &= held.sum() >= _FEWEST
        seed, device = int(rng.integers(2**31)), device_named(self.device)
        self._rate = names.index(_RATE) if _RATE in names else None
        if self._rate is not None and _beating(sequences[:, self._rate]).mean() < _OFTEN:
            self._rate = None  # the rate's name, and values of another kind, such as those relative to rest
        self._slope = names.index(_SLOPE) if self._rate is not None and _SLOPE in names else None
        self._own = [k for k in range(n_channels) if k != self._slope]  # channels that are generated
        self._shape, self._trials = X.shape[1:], trials
        with reproducible(seed, device, self.deterministic):
            sizes = len(self._own), len(self.classes_), self.hidden
            made = SequenceGenerator(*sizes), SequenceDiscriminator((1 + self.changes) * sizes[0], *sizes[1:])
            networks = made[0].to(device), made[1].to(device)
        every = max(1, round(self.noise_every * self.sfreq))
        game = _Sequences(sequences[:, self._own], codes, held, networks, every, seed, device)
        game.changes, game.steady = self.changes, self.steady
        kept = checkpoint("rcgan", sequences, codes, trials, seed, self.of_training())
        schedule = Schedule(
            *(self.max_steps, 1, self.batch_size, self.lr, (0.5, 0.9), self.average, self.judge_every), self.critic_lr
        )
        trained = train_adversarial(game, schedule, seed, device, self.deterministic, kept)
        self._play, self.generator_ = game, trained.generator
        self.history_, self.best_step_, self.stopped_ = trained.history, trained.best_step, trained.stopped
        self.refused_ = ""
        self.memorised_: dict[str, Any] = {}
        self.acceptance_: dict[Any, dict[str, float]] = {}
        self._usual = {code: _spectra(game.scaled(game.real(code))) for code in range(len(self.classes_))}
        if trained.stopped:
            warnings.warn(f"The generator's training ended early: {trained.stopped}.", stacklevel=2)
        if not trained.best_step:
            self.withdraw(f"its training failed: {trained.stopped}")
        elif held.any() and self.filtered:
            self._test_memory()

    def draw(
        self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, label: Any, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return at most `count` new sequences of a class, without parents."""
        made, drawn, kept_all = [np.empty((0, *self._shape))], 0, 0
        passed: dict[str, int] = {}
        code, generator = int(np.searchsorted(self.classes_, label)), torch.Generator()
        generator.manual_seed(int(rng.integers(2**31)))
        for _ in range(self.tries if self.filtered else 1):
            wanted = count - kept_all
            if wanted <= 0 or self.refused_:
                break
            new = self._play.made(self.generator_, torch.full((wanted,), code), generator)
            kept = np.ones(wanted, dtype=bool)
            if self.filtered:
                rules = self._rules(new, code)
                kept = np.logical_and.reduce(list(rules.values()))
                for name, good in {**rules, "all": kept}.items():
                    passed[name] = passed.get(name, 0) + int(good.sum())
            made.append(self._whole(new[kept]))
            drawn, kept_all = drawn + wanted, kept_all + int(kept.sum())
        self.acceptance_[label] = {name: number / drawn for name, number in passed.items()} if drawn else {}
        if self.filtered and kept_all < _LEAST * drawn:
            self.withdraw(f"only {kept_all / drawn:.0%} of the sequences of class {label!s} pass the filter")
        return np.concatenate(made).astype(X.dtype), np.full(kept_all, -1)

    @property
    def remarks_(self) -> list[str]:
        """What one should know when such sequences are compared with real ones."""
        if not self.memorised_:
            return []
        return [
            f"The distance to the nearest training sequence over that to the nearest held-out one is "
            f"{self.memorised_['ratio']:.2f}; real sequences of new trials have {self.memorised_['new_trials']:.2f}."
        ]

    def sample(self, n_per_class: int) -> tuple[np.ndarray, np.ndarray]:
        """Return generated sequences of every class in the shape of the training samples, unfiltered, and their labels.

        Raises
        ------
        InputError
            If the number is not whole and at least 1.
        NotFittedError
            If nothing was trained yet.
        """
        check_is_fitted(self, "generator_")
        check_layers({"n_per_class": n_per_class})
        rng = torch.Generator()
        rng.manual_seed(self._play.seed)
        codes = np.repeat(np.arange(len(self.classes_)), n_per_class)
        return self._whole(self._play.made(self.generator_, torch.as_tensor(codes), rng)), self.classes_[codes]

    def check(self) -> None:
        """Refuse impossible parameters."""
        super().check()
        check_layers({name: getattr(self, name) for name in ("hidden", "max_steps", "tries")})
        check_number("validation", self.validation, 0.0, 0.9)
        check_number("average", self.average, 0.0, 1.0)
        check_number("noise_every", self.noise_every)
        if self.steady not in range(LATENT + 1):
            raise InputError(f"steady={self.steady!r} came.", fits=f"a whole number from 0 to {LATENT}")
        if not (isinstance(self.sfreq, (int, float)) and 0 < self.sfreq < np.inf):
            raise InputError(f"sfreq={self.sfreq!r} came.", fits="a positive rate in Hz")

    def features(self, X: np.ndarray) -> np.ndarray:
        """Return what distances between samples mean something in, shape (n_samples, n_features).

        Samples as they are follow phases, which are arbitrary; spectra do not.
        """
        check_is_fitted(self, "generator_")
        x = self._play.scaled(_sequences(X)[:, self._own])
        return np.concatenate([_flat(x), _flat(_spectra(x))], axis=1)

    def _whole(self, made: np.ndarray) -> np.ndarray:
        """Return sequences (n, n_own_channels, n_times) with all channels, in the shape of a sample."""
        sequences = np.empty((len(made), len(self._own) + (self._slope is not None), made.shape[2]), dtype=made.dtype)
        sequences[:, self._own] = made
        if self._slope is not None:
            sequences[:, self._slope] = np.gradient(sequences[:, self._rate], axis=1) * self.sfreq
        return sequences.reshape(len(made), *self._shape)

    def _rules(self, made: np.ndarray, code: int) -> dict[str, np.ndarray]:
        """Say which sequences (n, n_own_channels, n_times) pass each rule of the filter."""
        mean, deviation = self._usual[code].mean(axis=0), self._usual[code].std(axis=0)
        if len(self._usual[code]) < _SPREAD:  # as all classes vary, each about its own mean
            about = [spectra - spectra.mean(axis=0) for spectra in self._usual.values()]
            deviation = np.concatenate(about).std(axis=0)
        far = np.abs(_spectra(self._play.scaled(made)) - mean) > _DEVIATIONS * deviation + 1e-6
        rules = {"spectrum": ~far.any(axis=(1, 2))}
        if self._rate is not None:
            rate = made[:, self._own.index(self._rate)]
            rules["rate"] = _beating(rate)
            rules["change"] = (np.abs(np.diff(rate, axis=1)) * self.sfreq <= _CHANGE).all(axis=1)
        return rules

    def _test_memory(self) -> None:
        """Refuse a generator that returns training sequences of any class: rare ones may be all that is added."""
        play, rng, worst = self._play, torch.Generator(), np.inf
        rng.manual_seed(play.seed)
        for code, label in enumerate(self.classes_):
            train, held = (rows[play.codes[rows] == code] for rows in (play.train, play.held))
            held = held if len(held) >= _FEWEST else play.held
            if len(train) < 2:
                continue
            count = max(_COMPARED, min(_JUDGED, 2 * len(held)))
            made = play.made(self.generator_, torch.full((count,), code), rng)
            seen, new, drawn = (_flat(play.scaled(part)) for part in (play.raw[train], play.raw[held], made))
            found = memorisation(seen, new, drawn, self._trials[held], play.seed)
            found = copied(found) | {"class": str(label)}
            if self.refused_ or (not found["memorised"] and found["ratio"] >= worst):
                continue
            self.memorised_, worst = found, found["ratio"]
            if found["memorised"]:
                self.withdraw(
                    f"it returns what it was trained on for class {label!s} (distance to the nearest training sequence "
                    f"over that to the nearest held-out one: median {found['ratio']:.2f}, p = {found['p']:.2g}; "
                    f"{found['copies']:.0%} are copies)"
                )


def _beating(rate: np.ndarray) -> np.ndarray:
    """Say which sequences (n, n_times) are rates of a heart, in Hz, throughout."""
    return np.asarray(((rate >= _BEATS[0]) & (rate <= _BEATS[1])).all(axis=1))


class _Sequences(Game):
    """The two networks, the real sequences, and what they lose."""

    changes: bool
    steady: int

    def __init__(
        self,
        raw: np.ndarray,
        codes: np.ndarray,
        held: np.ndarray,
        networks: tuple[nn.Module, nn.Module],
        every: int,
        seed: int,
        device: str,
    ):
        self.raw, self.codes, self.every, self.seed, self.device = raw, codes, every, seed, device
        self.train, self.held = np.flatnonzero(~held), np.flatnonzero(held)
        self.generator, self.critic = networks
        x = torch.as_tensor(np.ascontiguousarray(raw), dtype=torch.float32)
        self.scale = SequenceScale(raw.shape[1])
        self.scale.learn(x[self.train])
        self.x = self.scale(x).transpose(1, 2).to(device)
        self.y, self.rows = torch.as_tensor(codes, device=device), torch.as_tensor(self.train, device=device)
        changes = self.x[self.rows].diff(dim=1)
        self.change = changes.std(dim=(0, 1), correction=0).clamp_min(1e-6) if changes.numel() else 1.0

    @property
    def n_samples(self) -> int:
        """Real sequences that the networks may see."""
        return len(self.train)

    def critic_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return how badly real and generated sequences are told apart, at every step."""
        at = self.rows[rows.to(self.device)]
        y = self.y[at]
        with torch.no_grad():
            made = self.generator(self._noise(len(at), rng), y)
        ours, theirs = (self.critic(self._seen(x), y) for x in (self.x[at], made))
        real = functional.binary_cross_entropy_with_logits(ours, torch.ones_like(ours))
        caught = functional.binary_cross_entropy_with_logits(theirs, torch.zeros_like(theirs))
        return real + caught, {"real": real, "generated": caught}

    def generator_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return how often the discriminator catches generated sequences, at every step."""
        y = self.y[self.rows[rows.to(self.device)]]
        score = self.critic(self._seen(self.generator(self._noise(len(y), rng), y)), y)
        loss = functional.binary_cross_entropy_with_logits(score, torch.ones_like(score))
        return loss, {"generator": loss}

    def judge(self, generator: nn.Module) -> dict[str, float]:
        """Return the distance to sequences of trials held back, and how much sequences differ."""
        rng = torch.Generator()
        rng.manual_seed(self.seed)
        rows = self.held if len(self.held) else self.train
        if len(rows) > _JUDGED:  # from everywhere: corpora are sorted by person and class
            rows = np.sort(np.random.default_rng(self.seed).choice(rows, _JUDGED, replace=False))
        made = self.made(generator, torch.as_tensor(self.codes[rows]), rng)
        spread = made.std(axis=0).mean(axis=1) / np.maximum(self.raw[self.train].std(axis=0).mean(axis=1), 1e-12)
        found = {"diversity": float(spread.min())}
        if len(self.held):
            real, new = self.scaled(self.raw[rows]), self.scaled(made)
            looks = (np.asarray, _spectra) if self.x.shape[1] >= _BANDS else (np.asarray,)
            found["score"] = float(np.mean([mmd2(_flat(look(real)), _flat(look(new)))[0] for look in looks]))
        return found

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Return sequences from -1 to 1, by the training sequences."""
        return self.scale(torch.as_tensor(np.ascontiguousarray(x), dtype=torch.float32)).numpy()

    def real(self, code: int) -> np.ndarray:
        """Return the training sequences of a class."""
        return self.raw[self.train[self.codes[self.train] == code]]

    @torch.no_grad()
    def made(self, generator: nn.Module, y: torch.Tensor, rng: torch.Generator) -> np.ndarray:
        """Return generated sequences of classes in their own unit, shape (n, n_channels, n_times)."""
        parts = [generator(self._noise(len(part), rng), part.to(self.device)).cpu() for part in y.split(1024)]
        return self.scale.restored(torch.cat(parts).transpose(1, 2)).numpy()

    def _seen(self, x: torch.Tensor) -> torch.Tensor:
        """Put changes from step to step, in units of those of training, behind values, if they are shown."""
        if not self.changes:
            return x
        return torch.cat([x, functional.pad(x.diff(dim=1), (0, 0, 1, 0)) / self.change], dim=2)

    def _noise(self, n: int, rng: torch.Generator) -> torch.Tensor:
        return drawn_noise(n, self.x.shape[1], self.every, self.steady, rng).to(self.device)


def _sequences(X: np.ndarray) -> np.ndarray:
    """Return samples as sequences, shape (n_samples, n_channels, n_times)."""
    return X.reshape(len(X), int(np.prod(X.shape[1:-1])), X.shape[-1])


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def _spectra(x: np.ndarray) -> np.ndarray:
    """Return the log power of scaled sequences (n, n_channels, n_times) in 8 equal parts of the spectrum."""
    power = np.abs(np.fft.rfft(x - x.mean(axis=2, keepdims=True), axis=2))[..., 1:] ** 2
    parts = np.array_split(power, min(_BANDS, power.shape[2]), axis=2) if power.shape[2] else [np.zeros_like(x)]
    return np.log(np.stack([part.sum(axis=2) for part in parts], axis=2) + _FLOOR)
