"""Samplers that draw new samples from a generator trained on the training part."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional

from thymos.augmentation.base import Augmenter
from thymos.augmentation.quality import memorisation, mmd2
from thymos.base.checkpoints import checkpoint
from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.models.generators.masked_electrode import LATENT, ElectrodeCritic, ElectrodeGenerator, composed
from thymos.models.mlp import MLPClassifier
from thymos.nn.masking import ElectrodeMasks
from thymos.signals.topography import azimuthal, grid_places, lobes
from thymos.training.adversarial import Game, Schedule, gradient_penalty, train_adversarial
from thymos.training.estimator import check_layers, device_named, reproducible
from thymos.training.parts import held_trials, trials_of

__all__ = ["MaskedElectrodeGAN"]

_LOW, _HIGH, _FIRST = 0.2, 0.8, 0.3  # hidden shares: least, most when samples are drawn, most at the first step
_EVERYTHING = 0.1  # of training masks hide all electrodes
_SURE, _LEAST = 0.5, 0.1  # probability of its class that a sample needs; share of samples that must reach it
_SCORES, _NEAR, _DEVIATIONS = (5, 95), (0.3, 2.5), 6.0
_STILL = 1e-6  # deviation of a value, as a share of its mean, up to which it is a constant but for rounding
_REAL = 1000  # samples at most that the limits of the filter are taken from
_JUDGED = 512  # samples at most that a checkpoint is judged on
_BY_HEART = 0.5  # error of fillings of training samples over that of held-out ones, below which they are known
_FOLDS, _FEWEST = 3, 4  # of the auxiliary classifier; samples of trials held back, of which fewer say nothing
_SEEN = "Some class has too few trials to leave any out: the classifier of samples has seen the sources of all of them"
_WEIGHTS = ("penalty", "reconstruction", "classification", "diversity")


class MaskedElectrodeGAN(Augmenter):
    """New samples of each class, made of training samples of which some electrodes are hidden and filled in again.

    A generator learns, against a critic, to fill in electrodes that a random mask hides, given the visible ones, the
    class, on demand the subject, and noise. A new sample is a training sample of its class with such a filling:
    visible electrodes are those of the sample, bit for bit. What does not pass a filter of quality is thrown away.

    Parameters
    ----------
    ch_names : sequence of str, optional
        Names of the electrodes. A study fills them in. Without them the map of the scalp is filled row by row and masks
        hide independent electrodes only.
    mask : {'random', 'all'}
        ``all`` hides all electrodes always: a conditional generator, for the ablation.
    mask_max : float
        Largest hidden share in the second half of the training; it rises from 0.3. Samples are drawn with shares from
        0.3 to this, 0.8 at most; but sides and lobes, a seventh of all, are hidden as they are.
    subjects : bool
        Whether generator and critic are also told the subject; metadata are needed then.
    width : int
        Maps of the first layers, a multiple of 8.
    max_steps : int
        Steps of the generator.
    critic_steps, batch_size, lr, average, judge_every
        As :class:`~thymos.training.adversarial.Schedule`.
    penalty, reconstruction, classification, diversity : float
        Weights of the gradient penalty, of the error at hidden electrodes, of the auxiliary classifier's loss, and of
        the reward for samples that differ when the noise does.
    validation : float
        Share of the training trials that the generator never sees, by which the checkpoint is chosen and memorisation
        is tested. Without metadata, or with fewer than two trials in a class, none: the last state is kept.
    filtered : bool
        Whether samples have to pass the filter.
    tries : int
        Drawings for each wanted sample, at most.
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`.
    deterministic, device
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Attributes
    ----------
    generator_, critic_ : torch.nn.Module
    history_ : list of dict
        Losses at each judgement, with ``score`` (squared maximum mean discrepancy to the trials held back), and
        ``diversity`` (spread of samples with everything hidden, over that of real ones).
    best_step_ : int
        Step whose generator is used.
    stopped_ : str
        Why training ended before its time, if it did.
    acceptance_ : dict
        Share of drawn samples that passed the filter, for each class and rule.
    memorised_ : dict
        What the test for memorisation found, in samples with everything hidden; and ``recall``: the median error of
        fillings of training samples over that of held-out ones, far below 1 where they are known by heart. Empty
        without trials held back, and without a filter.
    refused_ : str
        Why nothing is added; empty if something is.

    Raises
    ------
    InputError
        From `fit_resample`, if a parameter does not fit or there are as many names as no axis has values.

    Notes
    -----
    K. Zhu, Q. Zhao, H. Wang, Y. Zhao: EEG emotion recognition based on masked generative adversarial networks and
    neural architecture search. Preprint, 2026; of which the abstract is public, so that the design is this
    implementation's. It follows GANSER (Z. Zhang, S.-h. Zhong, Y. Liu, IEEE TAFFC 2022) for masks on the map of the
    scalp, Gulrajani et al. (2017) for the loss, Miyato & Koyama (2018) for the critic.

    Samples have shape (n_samples, n_bands, n_channels, n_windows), (n_samples, n_channels, n_values) or (n_samples,
    n_channels). Each value of an electrode is standardised over the training samples inside; one that never changes
    there is not generated but kept. Whether a sample looks like its class is asked of classifiers that did not see the
    trial of its source; where a class has too few trials for that, a warning and the remarks tell so.
    """

    def __init__(
        self,
        ch_names: Sequence[str] | None = None,
        ratio: float = 0.5,
        sampling_strategy: Any = None,
        weight: float = 0.5,
        mask: str = "random",
        mask_max: float = 0.8,
        subjects: bool = False,
        width: int = 64,
        max_steps: int = 8000,
        critic_steps: int = 5,
        batch_size: int = 64,
        lr: float = 1e-4,
        average: float = 0.999,
        judge_every: int = 200,
        penalty: float = 10.0,
        reconstruction: float = 5.0,
        classification: float = 0.5,
        diversity: float = 0.1,
        validation: float = 0.2,
        filtered: bool = True,
        tries: int = 10,
        deterministic: bool = True,
        device: str = "auto",
        random_state: Any = None,
    ):
        super().__init__(ratio, sampling_strategy, weight, random_state)
        self.ch_names = ch_names
        self.mask = mask
        self.mask_max = mask_max
        self.subjects = subjects
        self.width = width
        self.max_steps = max_steps
        self.critic_steps = critic_steps
        self.batch_size = batch_size
        self.lr = lr
        self.average = average
        self.judge_every = judge_every
        self.penalty = penalty
        self.reconstruction = reconstruction
        self.classification = classification
        self.diversity = diversity
        self.validation = validation
        self.filtered = filtered
        self.tries = tries
        self.deterministic = deterministic
        self.device = device

    def learn(self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, rng: np.random.Generator) -> None:
        """Train generator and critic on the training samples, less the trials held back."""
        planes = _planes(X)
        self.classes_ = np.unique(y)
        codes = np.searchsorted(self.classes_, y)
        wanted = ["trial", "subject"] if self.subjects else ["trial"]
        if meta is not None and not set(wanted) <= set(meta):
            raise InputError(f"Metadata with the columns {', '.join(meta)} came.", f"the columns {', '.join(wanted)}")
        trials = trials_of(meta, len(y))
        names = np.zeros(len(y), dtype=int)
        self.subjects_ = np.empty(0, dtype=str)
        if self.subjects:
            if meta is None:
                raise InputError("subjects=True came without metadata.", "samples with a metadata table, or False")
            self.subjects_, names = np.unique(meta["subject"].astype(str).to_numpy(dtype=str), return_inverse=True)
        share = self.validation if meta is not None else 0.0
        held = held_trials(trials, codes, share, rng)
        held &= held.sum() >= _FEWEST
        seed = int(rng.integers(2**31))
        self._facts = _Facts(planes, X.shape[1:], codes, names, trials, np.flatnonzero(~held), np.flatnonzero(held))
        device = device_named(self.device)
        seen = planes[~held]
        mean, deviation = seen.mean(axis=0, dtype=np.float64), seen.std(axis=0, dtype=np.float64)
        self._still = deviation <= _STILL * np.abs(mean)
        mean[self._still] = np.median(seen[:, self._still], axis=0)  # the very value; a mean is rounded
        self.mean_ = mean.astype(np.result_type(planes, np.float32))
        self.scale_ = np.where(self._still, 1, deviation).astype(np.float32)
        with reproducible(seed, device, self.deterministic):
            game = self._game(device, seed)
            kept = checkpoint("gan", planes, codes, names, trials, seed, self.of_training())
            schedule = Schedule(
                self.max_steps, self.critic_steps, self.batch_size, self.lr, (0.0, 0.9), self.average, self.judge_every
            )
            trained = train_adversarial(game, schedule, seed, device, self.deterministic, kept)
        self._game_ = game
        self.generator_, self.critic_ = trained.generator, trained.critic
        self.history_, self.best_step_, self.stopped_ = trained.history, trained.best_step, trained.stopped
        self.refused_ = ""
        self.memorised_: dict[str, Any] = {}
        self.acceptance_: dict[Any, dict[str, float]] = {}
        self._limits = self._of_real(seed) if self.filtered else None
        if trained.stopped:
            warnings.warn(f"The generator's training ended early: {trained.stopped}.", stacklevel=2)
        if not trained.best_step:
            self.withdraw(f"its training failed: {trained.stopped}")
        elif held.any() and self.filtered:
            self._test_memory(seed)

    def draw(
        self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, label: Any, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return at most `count` new samples of a class, and the rows of the samples that they were made of."""
        nothing = np.empty((0, *X.shape[1:]), dtype=X.dtype), np.empty(0, dtype=int)
        if self.refused_:
            return nothing
        code = int(np.searchsorted(self.classes_, label))
        mine = np.flatnonzero((self._facts.codes == code) & np.isin(np.arange(len(y)), self._facts.train))
        generator = torch.Generator()
        generator.manual_seed(int(rng.integers(2**31)))
        parts: list[np.ndarray] = []
        parents: list[np.ndarray] = []
        passed: dict[str, int] = {}
        drawn = 0
        for _ in range(self.tries if self.filtered else 1):
            wanted = count - sum(map(len, parents))
            if wanted <= 0:
                break
            rows = rng.choice(mine, wanted)
            made, hidden = self._fill(rows, generator)
            kept = np.ones(wanted, dtype=bool)
            if self.filtered:
                rules = self._rules(rows, made, hidden)
                kept = np.logical_and.reduce(list(rules.values()))
                for name, good in {**rules, "all": kept}.items():
                    passed[name] = passed.get(name, 0) + int(good.sum())
            drawn += wanted
            parts.append(self._restored(made, rows, hidden)[kept])
            parents.append(rows[kept])
        self.acceptance_[label] = {name: number / drawn for name, number in passed.items()} if drawn else {}
        if self.acceptance_[label].get("class", 1.0) < _LEAST:
            self.withdraw(f"only {self.acceptance_[label]['class']:.0%} of the samples of class {label!s} look like it")
            return nothing
        return (np.concatenate(parts), np.concatenate(parents)) if parts else nothing

    @property
    def remarks_(self) -> list[str]:
        """What one should know when such samples are compared with real ones."""
        found, most = [], min(_HIGH, self.mask_max)
        if self.mask == "random":
            found.append(
                f"A sample keeps the visible electrodes of its source, {1 - most:.0%} to {1 - _FIRST:.0%} of them, "
                "more where a small lobe is hidden, and is near it by that alone."
            )
        if len(self._game_.judges) == 1:
            found.append(f"{_SEEN}.")
        if self.memorised_:
            found.append(
                "With nothing visible the generator's samples have a distance to the nearest training sample over that "
                f"to the nearest held-out one of {self.memorised_['ratio']:.2f}; real samples of new trials have "
                f"{self.memorised_['new_trials']:.2f}. Its error at hidden electrodes of training samples is "
                f"{self.memorised_['recall']:.2f} times that of held-out ones."
            )
        return found

    def sample(self, n_per_class: int) -> tuple[np.ndarray, np.ndarray]:
        """Return generated samples of every class in the shape of the training samples, and their labels.

        They are made as `fit_resample` makes them, without the filter; each call returns the same.

        Parameters
        ----------
        n_per_class : int

        Raises
        ------
        InputError
            If the number is not whole and at least 1.
        NotFittedError
            If nothing was trained yet.
        """
        return self._sampled(n_per_class, lambda values, hidden, rows, others: self._restored(values, rows, hidden))

    def unlearnt(self, n_per_class: int) -> tuple[np.ndarray, np.ndarray]:
        """Return samples whose hidden electrodes are those of another training sample of the class.

        What they reach in a measure is reached by hiding electrodes alone, without anything learnt. Arguments and
        errors as :meth:`sample`.
        """
        planes = self._facts.planes

        def filled(values: Any, hidden: torch.Tensor, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
            return _unplaned(np.where(hidden.cpu().numpy()[:, None], planes[others], planes[rows]), self._facts.shape)

        return self._sampled(n_per_class, filled)

    def _sampled(self, n_per_class: int, made_of: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self, "generator_")
        check_layers({"n_per_class": n_per_class})
        made, labels, rng = [], [], np.random.default_rng(self._game_.seed)
        for code, label in enumerate(self.classes_):
            mine = self._facts.train[self._facts.codes[self._facts.train] == code]
            rows = rng.choice(mine, n_per_class)
            generator = torch.Generator()
            generator.manual_seed(int(rng.integers(2**31)))
            values, hidden = self._fill(rows, generator)
            made.append(made_of(values, hidden, rows, rng.choice(mine, n_per_class)))
            labels += [label] * n_per_class
        return np.concatenate(made), np.array(labels)

    def _game(self, device: str, seed: int) -> _Filling:
        facts = self._facts
        n_planes, n_channels = facts.planes.shape[1:]
        size = max(9, int(np.ceil(np.sqrt(n_channels))))
        places: Any = np.divmod(np.arange(n_channels), size)
        xy, owners = None, None
        if self.ch_names is not None:
            if len(self.ch_names) != n_channels:
                raise InputError(
                    f"{len(self.ch_names)} names came for {n_channels} electrodes.", "one name for each electrode"
                )
            places = grid_places(self.ch_names, size).T
            xy = torch.as_tensor(azimuthal(self.ch_names), dtype=torch.float32)
            owners = np.unique(lobes(self.ch_names), return_inverse=True)[1].tolist()
        cells = torch.as_tensor(places[0] * size + places[1])
        sizes = cells, size, n_planes, len(self.classes_), len(self.subjects_), self.width
        x = ((facts.planes - self.mean_) / self.scale_).astype(np.float32)
        game = _Filling(facts, x, device, ElectrodeGenerator(*sizes), ElectrodeCritic(*sizes))
        game.still = torch.as_tensor(self._still, device=device)
        game.masks = ElectrodeMasks(n_channels, xy, owners).to(device)
        if self.classification or self.filtered:  # else nobody asks them
            game.judges, game.owner = self._judges(x[facts.train], seed, device)
        game.weights = {name: getattr(self, name) for name in _WEIGHTS}
        game.mask_max = self.mask_max if self.mask == "random" else None
        game.seed = seed
        return game

    def _judges(self, x: np.ndarray, seed: int, device: str) -> tuple[list[nn.Module], torch.Tensor]:
        """Return classifiers of real samples, and for each row of the data the one that did not see its trial."""
        facts = self._facts
        codes, trials = facts.codes[facts.train], facts.trials[facts.train]
        names, first, which = np.unique(trials, return_index=True, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(names))
        order = order[np.argsort(codes[first][order], kind="stable")]  # class by class, which are dealt in turns
        fold = (np.argsort(order) % _FOLDS)[which]
        parts = [(x[fold != k], codes[fold != k]) for k in range(_FOLDS)]
        if any(len(np.unique(labels)) < len(self.classes_) for _, labels in parts):
            parts, fold = [(x, codes)], np.zeros(len(x), dtype=int)
            warnings.warn(f"{_SEEN}.", stacklevel=2)
        model = MLPClassifier(hidden=(64,), weight_decay=1e-2, max_epochs=20, device=device)
        fitted = model.fit_many(parts, [seed] * len(parts))
        owner = np.zeros(len(facts.codes), dtype=int)
        owner[facts.train] = fold
        return [one.module_.requires_grad_(False) for one in fitted], torch.as_tensor(owner, device=device)

    @torch.no_grad()
    def _fill(self, rows: np.ndarray, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return samples in which hidden electrodes are filled in, and which these are; standardised."""
        game, hidden, made = self._game_, [], []
        for part in torch.as_tensor(rows, device=game.device).split(1024):
            hidden.append(game.drawn_masks(len(part), _FIRST, game.most, 0.0, rng))
            made.append(game.filled(self.generator_, part, hidden[-1], rng))
        return torch.cat(made), torch.cat(hidden)

    def _restored(self, made: torch.Tensor, rows: np.ndarray, hidden: torch.Tensor) -> np.ndarray:
        """Return samples in the unit and shape of the data; what is visible comes from the data themselves."""
        values = made.cpu().numpy() * self.scale_ + self.mean_
        values = np.where(hidden.cpu().numpy()[:, None], values, self._facts.planes[rows])
        return _unplaned(values, self._facts.shape)

    @torch.no_grad()
    def _of_real(self, seed: int) -> tuple[float, float, float]:
        """Return the range of the critic's scores of real samples, and how far these usually are from each other."""
        game, rng = self._game_, torch.Generator()
        rng.manual_seed(seed)
        own = torch.randperm(game.n_samples, generator=rng)[:_REAL].to(game.device)
        at = game.train[own]
        hidden = game.drawn_masks(len(at), _FIRST, game.most, 0.0, rng)
        score = self.critic_(game.x[at], hidden, *game.labels(at)).cpu().numpy()
        near = _nearest(game.x[at], game.x[game.train], hidden, own)
        low, high = np.percentile(score, _SCORES)
        return float(low), float(high), float(near.median())

    @torch.no_grad()
    def _rules(self, rows: np.ndarray, made: torch.Tensor, hidden: torch.Tensor) -> dict[str, np.ndarray]:
        """Say which samples pass each rule of the filter (methods B1.3)."""
        game, at = self._game_, torch.as_tensor(rows, device=made.device)
        y, subject = game.labels(at)
        sure = game.judged(made, at).softmax(dim=1).gather(1, y[:, None])[:, 0]
        low, high, usual = cast("tuple[float, float, float]", self._limits)
        score = self.critic_(made, hidden, y, subject).cpu().numpy()
        train = game.x[game.train]
        near = _nearest(made, train, hidden)
        middle = train.median(dim=0).values
        wide = (train - middle).abs().median(dim=0).values
        wide = torch.where(wide > 0, wide, train.std(dim=0, correction=0))  # else one value that most have is all
        inside = ((made - middle).abs() <= _DEVIATIONS * wide + 1e-6).flatten(1).all(dim=1)
        return {
            "class": (sure >= _SURE).cpu().numpy(),
            "critic": (score >= low) & (score <= high),
            "distance": ((near >= _NEAR[0] * usual) & (near <= _NEAR[1] * usual)).cpu().numpy(),
            "range": inside.cpu().numpy(),
        }

    @torch.no_grad()
    def _test_memory(self, seed: int) -> None:
        """Refuse a generator that returns what it was trained on."""
        game, facts = self._game_, self._facts
        rng = torch.Generator()
        rng.manual_seed(seed)
        made = game.unseen(self.generator_, min(_JUDGED, 2 * len(facts.held)), rng).cpu().numpy()
        x = game.x.cpu().numpy().reshape(len(game.x), -1)
        trials = facts.trials[facts.held]
        found = memorisation(x[facts.train], x[facts.held], made.reshape(len(made), -1), trials, seed)
        self.memorised_ = found = {**found, "recall": self._recall(rng)}
        if found["recall"] < _BY_HEART:
            self.withdraw(
                f"it fills in by heart what it was trained on (error at hidden electrodes of training samples over "
                f"that of held-out ones: {found['recall']:.2f})"
            )
        elif found["memorised"]:
            self.withdraw(
                f"it returns what it was trained on (distance to the nearest training sample over that to the nearest "
                f"held-out one: median {found['ratio']:.2f}, p = {found['p']:.2g})"
            )

    def _recall(self, rng: torch.Generator) -> float:
        """Return the error at hidden electrodes of training samples over that of held-out ones."""
        game, errors = self._game_, []
        for rows in (game.train, game.held):
            at = rows[torch.randperm(len(rows), generator=rng)[:_JUDGED].to(rows.device)]
            hidden = game.drawn_masks(len(at), _FIRST, game.most, 0.0, rng)
            missed = (game.filled(self.generator_, at, hidden, rng) - game.x[at]).square()
            errors.append(float(_over(hidden, missed).sqrt().median()))
        return errors[0] / max(errors[1], 1e-12)

    def check(self) -> None:
        """Refuse impossible parameters."""
        super().check()
        check_layers({"width": self.width, "tries": self.tries})
        if self.mask not in ("random", "all"):
            raise InputError(f"mask={self.mask!r} came.", fits="random or all")
        if self.width % 8:
            raise InputError(f"width={self.width!r} came.", fits="a multiple of 8")
        check_number("mask_max", self.mask_max, _FIRST, 1.0)
        check_number("validation", self.validation, 0.0, 0.9)
        for name in (*_WEIGHTS, "average"):
            check_number(name, getattr(self, name))


class _Filling(Game):
    """The two networks, the real samples, and what they lose."""

    n_samples: int
    masks: ElectrodeMasks
    still: torch.Tensor
    judges: Sequence[nn.Module] = ()
    owner: torch.Tensor
    weights: Mapping[str, float]
    mask_max: float | None
    seed: int

    def __init__(self, facts: _Facts, x: np.ndarray, device: str, generator: nn.Module, critic: nn.Module):
        self.device = device
        self.x = torch.as_tensor(x, device=device)
        self.y = torch.as_tensor(facts.codes, device=device)
        self.subject = torch.as_tensor(facts.names, device=device) if generator.subjects is not None else None
        self.train, self.held = (torch.as_tensor(rows, device=device) for rows in (facts.train, facts.held))
        self.generator, self.critic = generator.to(device), critic.to(device)
        self.n_samples = len(self.train)

    @property
    def most(self) -> float:
        """Largest hidden share when samples are drawn: no larger than in training."""
        return _HIGH if self.mask_max is None else min(_HIGH, self.mask_max)

    def labels(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return class and subject of rows of the data."""
        return self.y[at], None if self.subject is None else self.subject[at]

    def drawn_masks(self, n: int, low: float, high: float, everything: float, rng: torch.Generator) -> torch.Tensor:
        """Return masks, shape (n, n_channels)."""
        return self.masks(n, low, high, everything if self.mask_max is not None else 1.0, rng)

    def proposed(self, generator: nn.Module, at: torch.Tensor, hidden: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return what a generator proposes for rows of the data; what never changes in training stays as it is."""
        return generator(self.x[at], hidden, z.to(self.device), *self.labels(at)).masked_fill(self.still, 0.0)

    def filled(
        self, generator: nn.Module, at: torch.Tensor, hidden: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Return rows of the data in which hidden electrodes are filled in."""
        z = torch.randn(len(at), LATENT, generator=rng)
        return composed(self.x[at], self.proposed(generator, at, hidden, z), hidden)

    def unseen(self, generator: nn.Module, n: int, rng: torch.Generator) -> torch.Tensor:
        """Return samples of which nothing was visible, classes as frequent as in training."""
        at = self.train[torch.randint(self.n_samples, (n,), generator=rng).to(self.device)]
        return self.filled(generator, at, torch.ones(n, self.x.shape[2], dtype=torch.bool, device=self.device), rng)

    def judged(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """Return logits of the auxiliary classifier that did not see the trials of rows `at`."""
        logits = torch.stack([judge(x.flatten(1)) for judge in self.judges])
        return logits[self.owner[at], torch.arange(len(at), device=self.device)]

    def critic_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return Wasserstein loss and gradient penalty."""
        at, hidden = self._batch(rows, progress, rng)
        y, subject = self.labels(at)
        with torch.no_grad():
            made = self.filled(self.generator, at, hidden, rng)
        twice = None if subject is None else subject.repeat(2)
        both = self.critic(torch.cat([made, self.x[at]]), hidden.repeat(2, 1), y.repeat(2), twice)
        gap = both[: len(at)].mean() - both[len(at) :].mean()
        steep = gradient_penalty(lambda x: self.critic(x, hidden, y, subject), self.x[at], made, rng)
        return gap + self.weights["penalty"] * steep, {"wasserstein": -gap, "gradient_penalty": steep}

    def generator_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return the critic's score with reconstruction, classification and diversity."""
        at, hidden = self._batch(rows, progress, rng)
        y, subject = self.labels(at)
        z = torch.randn(2 * len(at), LATENT, generator=rng)
        one, two = self.proposed(self.generator, at.repeat(2), hidden.repeat(2, 1), z).chunk(2)
        made = composed(self.x[at], one, hidden)
        partly = ~hidden.all(dim=1)
        error = _over(hidden, (one - self.x[at]).abs()) * partly
        wrong = error.sum() / partly.sum().clamp(min=1)
        # means, over hidden electrodes: sums over the whole map would be at the limit from the first step
        spread = _over(hidden, (one - two).abs()) / (z[: len(at)] - z[len(at) :]).abs().mean(dim=1).to(self.device)
        parts = {
            "adversarial": -self.critic(made, hidden, y, subject).mean(),
            "reconstruction": self.weights["reconstruction"] * wrong,
            "diversity_loss": -self.weights["diversity"] * spread.clamp(max=1.0).mean(),
        }
        if self.weights["classification"]:
            entropy = functional.cross_entropy(self.judged(made, at), y)
            parts["classification"] = self.weights["classification"] * entropy
        return sum(parts.values()), parts | {"reconstruction": wrong}

    def judge(self, generator: nn.Module) -> dict[str, float]:
        """Return the discrepancy to the trials held back, and the spread of samples with nothing visible."""
        rng = torch.Generator()
        rng.manual_seed(self.seed)
        unseen = self.unseen(generator, _JUDGED, rng)
        found = {"diversity": float(unseen.std(dim=0).mean() / self.x[self.train].std(dim=0).mean())}
        if len(self.held):
            at = self.train[torch.randint(self.n_samples, (_JUDGED,), generator=rng).to(self.device)]
            hidden = self.drawn_masks(_JUDGED, _FIRST, self.most, 0.0, rng)
            made = self.filled(generator, at, hidden, rng).flatten(1).cpu().numpy()
            held = self.x[self.held[:: max(1, len(self.held) // _JUDGED)]].flatten(1).cpu().numpy()
            found["score"] = mmd2(held, made)[0]
        return found

    def _batch(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        most = _FIRST if self.mask_max is None else _FIRST + (self.mask_max - _FIRST) * min(1.0, 2 * progress)
        return self.train[rows.to(self.device)], self.drawn_masks(len(rows), _LOW, most, _EVERYTHING, rng)


@dataclass(frozen=True)
class _Facts:
    """The training samples, shape (n_samples, n_planes, n_channels), and what is known of them."""

    planes: np.ndarray
    shape: tuple[int, ...]
    codes: np.ndarray
    names: np.ndarray
    trials: np.ndarray
    train: np.ndarray
    held: np.ndarray


def _over(hidden: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return the mean of values, (batch, n_planes, n_channels), over hidden electrodes, shape (batch,)."""
    mask = hidden[:, None]
    return (values * mask).sum(dim=(1, 2)) / (mask.sum(dim=(1, 2)) * values.shape[1])


def _nearest(
    x: torch.Tensor, train: torch.Tensor, hidden: torch.Tensor, own: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the distance of each sample to the nearest training sample at hidden electrodes, root mean square.

    Parameters
    ----------
    x : Tensor, shape (n, n_planes, n_channels)
    train : Tensor, shape (n_train, n_planes, n_channels)
    hidden : Tensor of bool, shape (n, n_channels)
    own : Tensor of int, shape (n,), optional
        Training samples that do not count.
    """
    found = []
    squares, flat = train.square().sum(dim=1).T, train.flatten(1).T
    for k, (part, mask) in enumerate(zip(x.split(512), hidden.split(512), strict=True)):
        seen = part * mask[:, None]
        square = seen.square().sum(dim=(1, 2))[:, None] + mask.to(x) @ squares - 2 * seen.flatten(1) @ flat
        if own is not None:
            square.scatter_(1, own[512 * k : 512 * k + len(part), None], torch.inf)
        found.append(square.min(dim=1).values.clamp(min=0) / (mask.sum(dim=1) * x.shape[1]))
    return torch.cat(found).sqrt()


def _planes(X: np.ndarray) -> np.ndarray:
    """Return samples with all values of an electrode on one axis, shape (n_samples, n_planes, n_channels)."""
    if X.ndim == 2:
        return X[:, None]
    return np.ascontiguousarray(np.moveaxis(X, -2, -1).reshape(len(X), -1, X.shape[-2]))


def _unplaned(planes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return what :func:`_planes` was given, of samples of `shape`."""
    if len(shape) == 1:
        return planes[:, 0]
    return np.moveaxis(planes.reshape(len(planes), *shape[:-2], shape[-1], shape[-2]), -1, -2)
