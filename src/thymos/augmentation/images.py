"""Samplers that draw new photographs from a generator trained on those of the training part."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional

from thymos.augmentation.base import Augmenter
from thymos.augmentation.quality import copied, frechet_distance, memorisation
from thymos.base.checkpoints import checkpoint
from thymos.base.checks import check_number
from thymos.models.face_cnn import FaceCNN
from thymos.models.generators.dcgan import LATENT, PhotoDiscriminator, PhotoGenerator, changed_alike
from thymos.training.adversarial import Game, Schedule, Trained, train_adversarial
from thymos.training.estimator import check_layers, device_named, reproducible
from thymos.training.parts import held_trials, trials_of

__all__ = ["FaceDCGAN"]

_REAL = 0.9  # what a real photograph is to be called: no discriminator should be sure
_JUDGED = 512  # photographs at most that a checkpoint is judged on
_FEWEST = 8  # photographs held back, of which fewer say nothing
_SURE = 0.5  # probability of its class that a photograph needs at most
_ALIKE = 0.25  # share of real photographs that may look less like their class than one that is kept
_LEAST = 0.1  # share of generated photographs that must pass, relative to real ones
# the network whose features are compared
_JUDGE: dict[str, Any] = {
    **{"width": 16, "patience": None, "erasing": 0.0, "batch_size": 64},
    "class_weight": "balanced",  # else a rare class would be refused for being rare
}
_UNIT = 8  # sides of photographs are multiples of it: three layers halve them


class FaceDCGAN(Augmenter):
    """New photographs of each class, from noise.

    One class-conditional generator learns from photographs of all classes, as many of each; a copy of it and of its
    discriminator then learns from those of each class that is wanted. A photograph that a network, trained on
    the real ones, takes for its class less than for three quarters of real photographs of it that were held back
    (but for those above a half, and never below chance) is thrown away.

    Parameters
    ----------
    ratio, sampling_strategy, weight, random_state
        As :class:`~thymos.augmentation.base.Augmenter`; by default the smallest classes are raised to one level.
    width : int
        Maps of the layers next to the photographs.
    pretraining_steps, class_steps : int
        Steps of the generator for all classes, and for each class that is wanted.
    pretraining_samples : int, optional
        Photographs of all classes together that the first stage learns from, as many of each class; all by default.
    batch_size, lr, average, judge_every
        As :class:`~thymos.training.adversarial.Schedule`.
    judge_epochs : int
        Of the network whose features are compared and that filters.
    validation : float
        Share of the photographs that the generator never sees: by them a checkpoint is chosen (smallest Fréchet
        distance of features) and memorisation is tested. Copies of one photograph, by the column ``picture`` of the
        metadata, stay together.
    filtered : bool
        Whether photographs are thrown away, and classes refused, that look unlike their class or like copies of
        training photographs. Without it neither is tested.
    tries : int
        Drawings for each wanted photograph, at most.
    amp, deterministic, device
        As :class:`~thymos.training.estimator.TorchEstimator`.

    Attributes
    ----------
    generators_ : dict
        Generator of each class that was wanted.
    history_ : list of dict
        Losses at each judgement; ``stage`` is ``all`` or a class, ``step`` counts through all stages.
    acceptance_ : dict
        Share of drawn photographs that passed the filter, for each class, and that of real ones held back.
    memorised_ : dict
        What the test for memorisation found, for each class. Where fewer than eight photographs of a class were held
        back it is compared with those of all classes.
    refused_ : dict
        Classes of which nothing is added, and why.
    n_made_ : dict

    Raises
    ------
    InputError
        From `fit_resample`, if a parameter does not fit.

    Notes
    -----
    Samples have shape (n_samples, 1 or 3, height, width), whole numbers up to 255 or numbers from 0 to 1; inside they
    are whole numbers up to 255. Other values are brought there by the least and the greatest of the training samples,
    other shapes are taken as one channel, and sides are filled up to multiples of 8 by repeating the border.

    A. Radford, L. Metz, S. Chintala: Unsupervised representation learning with deep convolutional generative
    adversarial networks. ICLR 2016; Hegh et al. (2025) name DCGAN and 20 % of generated photographs and no more: sizes,
    the class-conditional first stage and differentiable changes (S. Zhao et al. 2020) are those of methods B4.6.
    """

    #: Of :meth:`features`, in words.
    measured_on = "what a network sees that was trained on the real training samples"

    def __init__(
        self,
        ratio: float | str = "budget",
        sampling_strategy: Any = None,
        weight: float = 1.0,
        width: int = 64,
        pretraining_steps: int = 20_000,
        class_steps: int = 4_000,
        pretraining_samples: int | None = None,
        batch_size: int = 64,
        lr: float = 2e-4,
        average: float = 0.995,
        judge_every: int = 500,
        judge_epochs: int = 12,
        validation: float = 0.1,
        filtered: bool = True,
        tries: int = 10,
        amp: bool = False,
        deterministic: bool = True,
        device: str = "auto",
        random_state: Any = None,
    ):
        super().__init__(ratio, sampling_strategy, weight, random_state)
        self.width = width
        self.pretraining_steps = pretraining_steps
        self.class_steps = class_steps
        self.pretraining_samples = pretraining_samples
        self.batch_size = batch_size
        self.lr = lr
        self.average = average
        self.judge_every = judge_every
        self.judge_epochs = judge_epochs
        self.validation = validation
        self.filtered = filtered
        self.tries = tries
        self.amp = amp
        self.deterministic = deterministic
        self.device = device

    def learn(self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, rng: np.random.Generator) -> None:
        """Train the judging network and the first stage; generators of single classes follow when they are drawn."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._form = _Form.of(X)
        photos = self._form.bytes_of(X)
        trials = trials_of(meta, len(y))
        held = held_trials(trials, codes, self.validation, rng)
        held &= held.sum() >= _FEWEST
        seed = int(rng.integers(2**31))
        device = device_named(self.device)
        self.generators_: dict[Any, torch.nn.Module] = {}
        self.acceptance_: dict[Any, dict[str, float]] = {}
        self.memorised_: dict[Any, dict[str, Any]] = {}
        self.refused_: dict[Any, str] = {}
        self.history_: list[dict[str, Any]] = []
        judge = FaceCNN(**_JUDGE, max_epochs=self.judge_epochs, random_state=seed, device=device)
        self._judge = judge.fit(photos[~held], codes[~held])
        train = np.flatnonzero(~held)
        # in an order of their own: corpora are sorted by class, and checkpoints are judged on the first of them
        self._play = _Photos(photos, codes, train, rng.permutation(np.flatnonzero(held)), self._judge, seed, device)
        counts = np.bincount(codes[train])
        each = counts.max() if self.pretraining_samples is None else max(1, self.pretraining_samples // len(counts))
        draw = np.random.default_rng(seed)
        rows = [train[codes[train] == code] for code in range(len(counts))]
        # with replacement where a class has too few: in the first stage all classes are equally frequent
        self._play.rows = np.concatenate([draw.choice(r, each, replace=len(r) < each) for r in rows])
        self._facts = (photos, codes, trials, seed)
        with reproducible(seed, device, self.deterministic):
            shape = photos.shape[1:], len(counts), self.width
            networks = PhotoGenerator(*shape).to(device), PhotoDiscriminator(*shape).to(device)
        self._first = self._trained(networks, "all", self.pretraining_steps)

    def draw(
        self, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None, label: Any, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fine-tune a copy for a class, and return at most `count` new photographs without parents."""
        code = int(np.searchsorted(self.classes_, label))
        play = self._play
        play.rows = play.train[play.codes[play.train] == code]
        nothing = np.empty((0, *X.shape[1:]), dtype=X.dtype), np.empty(0, dtype=int)
        if len(play.rows) < 2:
            return self._refused(label, "a single photograph of it is there to learn from", nothing)
        first = self._first
        trained = self._trained((copy.deepcopy(first.generator), copy.deepcopy(first.critic)), label, self.class_steps)
        self.generators_[label] = trained.generator
        if not trained.best_step or not first.best_step:
            why = trained.stopped or first.stopped or "all that it made was alike"
            return self._refused(label, f"its training failed, {why}", nothing)
        generator = torch.Generator()
        generator.manual_seed(int(rng.integers(2**31)))
        if self.filtered and self._remembers(label, code, generator):
            return self._refused(label, "it returns what it was trained on", nothing)
        least, real = self._bar(code) if self.filtered else (0.0, 1.0)
        made, passed, drawn = [], 0, 0
        for _ in range(self.tries if self.filtered else 1):
            wanted = count - passed
            if wanted <= 0:
                break
            new = play.made(trained.generator, torch.full((wanted,), code), generator)
            kept = np.ones(wanted, dtype=bool)
            if self.filtered:
                kept = self._judge.predict_proba(new)[:, code] >= least
            made.append(new[kept])
            passed, drawn = passed + int(kept.sum()), drawn + wanted
        if drawn and self.filtered:
            self.acceptance_[label] = {"class": passed / drawn, "real ones": real}
            if passed < max(1.0, _LEAST * real * drawn):
                why = f"only {passed / drawn:.0%} look like it, of real ones {real:.0%}"
                return self._refused(label, why, nothing)
        return self._form.samples_of(np.concatenate(made), X.dtype), np.full(passed, -1)

    def features(self, X: np.ndarray) -> np.ndarray:
        """Return what the judging network sees in samples, shape (n_samples, n_features)."""
        check_is_fitted(self, "generators_")
        return self._judge.features(self._form.bytes_of(X))

    @property
    def remarks_(self) -> list[str]:
        """What one should know when such photographs are compared with real ones."""
        return [
            f"{label}: distance to the nearest training photograph over that to the nearest held-out one "
            f"{found['ratio']:.2f} (features of a network); real photographs {found['new_trials']:.2f}."
            for label, found in self.memorised_.items()
        ] + [
            f"{label}: not tested whether training photographs are returned."
            for label in self.generators_
            if label not in self.memorised_
        ]

    def sample(self, n_per_class: int) -> tuple[np.ndarray, np.ndarray]:
        """Return generated photographs of every class that was wanted, uint8, unfiltered, and their labels.

        Raises
        ------
        InputError
            If the number is not whole and at least 1.
        NotFittedError
            If nothing was trained yet.
        """
        check_is_fitted(self, "generators_")
        check_layers({"n_per_class": n_per_class})
        rng = torch.Generator()
        rng.manual_seed(self._play.seed)
        made, labels = [], []
        for label, generator in self.generators_.items():
            code = int(np.searchsorted(self.classes_, label))
            made.append(self._play.made(generator, torch.full((n_per_class,), code), rng))
            labels += [label] * n_per_class
        return np.concatenate(made), np.array(labels)

    def check(self) -> None:
        """Refuse impossible parameters."""
        super().check()
        whole = ("width", "pretraining_steps", "class_steps", "tries", "judge_epochs")
        check_layers({name: getattr(self, name) for name in whole})
        if self.pretraining_samples is not None:
            check_layers({"pretraining_samples": self.pretraining_samples})
        check_number("validation", self.validation, 0.0, 0.9)
        check_number("average", self.average, 0.0, 1.0)

    def _trained(self, networks: tuple, stage: Any, steps: int) -> Trained:
        play = self._play
        play.generator, play.critic = networks
        play.only = None if stage == "all" else int(np.searchsorted(self.classes_, stage))
        kept = checkpoint("dcgan", *self._facts, str(stage), self.of_training())
        schedule = Schedule(
            steps, 1, self.batch_size, self.lr, (0.5, 0.999), self.average, self.judge_every, amp=self.amp
        )
        trained = train_adversarial(play, schedule, play.seed, play.device, self.deterministic, kept)
        before = self.history_[-1]["step"] if self.history_ else 0
        self.history_ += [{"stage": str(stage), **words, "step": before + words["step"]} for words in trained.history]
        if trained.stopped:
            warnings.warn(f"The generator's training ({stage}) ended early: {trained.stopped}.", stacklevel=2)
        return trained

    def _remembers(self, label: Any, code: int, rng: torch.Generator) -> bool:
        play = self._play
        mine, held = (rows[play.codes[rows] == code] for rows in (play.train, play.held))
        held = held if len(held) >= _FEWEST else play.held
        if len(held) < _FEWEST:
            return False
        made = play.made(self.generators_[label], torch.full((min(_JUDGED, 4 * len(held)),), code), rng)
        real, new, drawn = (play.features(photos) for photos in (play.photos[mine], play.photos[held], made))
        self.memorised_[label] = copied(memorisation(real, new, drawn, self._facts[2][held], play.seed))
        return bool(self.memorised_[label]["memorised"])

    def _bar(self, code: int) -> tuple[float, float]:
        """Return the probability of its class that a photograph needs, and the share of real ones that have it.

        Where too few of a class were held back, those of all classes, each by its own; of those that the judge has
        learnt it would be surer than of any new one.
        """
        play = self._play
        held = play.held[play.codes[play.held] == code]
        real = held if len(held) >= _FEWEST else play.held if len(play.held) >= _FEWEST else play.rows
        found = self._judge.predict_proba(play.photos[real])[np.arange(len(real)), play.codes[real]]
        least = float(np.clip(np.quantile(found, _ALIKE), 1 / len(self.classes_), _SURE))
        return least, float((found >= least).mean())

    def _refused(self, label: Any, why: str, nothing: tuple) -> tuple:
        self.refused_[label] = why
        warnings.warn(f"Nothing is generated of class {label!s}: {why}.", stacklevel=2)
        return nothing


class _Photos(Game):
    """The two networks, the real photographs, and what they lose."""

    def __init__(
        self,
        photos: np.ndarray,
        codes: np.ndarray,
        train: np.ndarray,
        held: np.ndarray,
        judge: FaceCNN,
        seed: int,
        device: str,
    ):
        self.photos, self.codes, self.train, self.held = photos, codes, train, held
        self.x, self.y = torch.as_tensor(photos), torch.as_tensor(codes)
        self.network, self.seed, self.device = judge, seed, device
        self.rows = train
        self.only: int | None = None

    @property
    def n_samples(self) -> int:
        """Photographs that are drawn from at present."""
        return len(self.rows)

    def critic_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return how badly real and generated photographs are told apart."""
        real, y = self._batch(rows)
        with torch.no_grad():
            made = self.generator(self._noise(len(rows), rng), y)
        ours, theirs = (self.critic(changed_alike(x, rng), y) for x in (real, made))
        sure = functional.binary_cross_entropy_with_logits(ours, torch.full_like(ours, _REAL))
        caught = functional.binary_cross_entropy_with_logits(theirs, torch.zeros_like(theirs))
        return sure + caught, {"real": sure, "generated": caught}

    def generator_loss(self, rows: torch.Tensor, progress: float, rng: torch.Generator) -> tuple[torch.Tensor, dict]:
        """Return how often the discriminator catches generated photographs."""
        _, y = self._batch(rows)
        made = changed_alike(self.generator(self._noise(len(rows), rng), y), rng)
        score = self.critic(made, y)
        loss = functional.binary_cross_entropy_with_logits(score, torch.ones_like(score))
        return loss, {"adversarial": loss}

    def judge(self, generator: torch.nn.Module) -> dict[str, float]:
        """Return the Fréchet distance to held-out photographs, and the spread relative to that of real ones."""
        rng = torch.Generator()
        rng.manual_seed(self.seed)
        held = self.held if self.only is None else self.held[self.codes[self.held] == self.only]
        mine = self.rows[np.linspace(0, len(self.rows) - 1, min(len(self.rows), _JUDGED)).astype(int)]
        real = held[:_JUDGED] if len(held) >= _FEWEST else mine
        made = self.made(generator, self.y[real].repeat(max(1, _JUDGED // len(real))), rng)
        spread = made.std(axis=0, dtype=np.float64).mean() / self.photos[mine].std(axis=0, dtype=np.float64).mean()
        found = {"diversity": float(spread)}
        if len(held) >= _FEWEST:
            found["score"] = frechet_distance(self.features(self.photos[held[:_JUDGED]]), self.features(made))
        return found

    def features(self, photos: np.ndarray) -> np.ndarray:
        """Return what the judging network sees in photographs, shape (n_photos, n_features)."""
        return self.network.features(photos)

    @torch.no_grad()
    def made(self, generator: torch.nn.Module, y: torch.Tensor, rng: torch.Generator) -> np.ndarray:
        """Return generated photographs of classes, uint8."""
        was, _ = generator.training, generator.eval()
        parts = [generator(self._noise(len(part), rng), part.to(self.device)).cpu() for part in y.split(256)]
        generator.train(was)
        return ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()

    def _batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        at = torch.as_tensor(self.rows)[rows]
        return self.x[at].to(self.device).float() / 127.5 - 1, self.y[at].to(self.device)

    def _noise(self, n: int, rng: torch.Generator) -> torch.Tensor:
        return torch.randn(n, LATENT, generator=rng).to(self.device)


@dataclass(frozen=True)
class _Form:
    """What samples are, that have to become photographs of whole numbers, and these samples again.

    Parameters
    ----------
    shape : tuple of int
        Of a sample.
    low, high : float
        Values that become 0 and 255.
    """

    shape: tuple[int, ...]
    low: float
    high: float

    @classmethod
    def of(cls, X: np.ndarray) -> _Form:
        """Return the form of samples: grey values up to 255, shares up to 1, or any numbers."""
        low, high = float(X.min()), float(X.max())
        whole = X.dtype.kind != "f" or bool((np.rint(X) == X).all())
        if low >= 0 and (high <= 1 or (high <= 255 and whole)):
            low, high = 0.0, 1.0 if high <= 1 else 255.0
        return cls(X.shape[1:], low, high if high > low else low + 1)

    @property
    def planes(self) -> tuple[int, int, int]:
        """Channels, height and width as photographs."""
        if len(self.shape) == 3 and self.shape[0] in (1, 3):
            return self.shape
        return 1, int(np.prod(self.shape[:-1])), self.shape[-1]

    def bytes_of(self, X: np.ndarray) -> np.ndarray:
        """Return photographs, shape (n_samples, n_channels, height, width), sides filled up to multiples of 8."""
        # samples of another part may lie outside of what training had
        scaled = np.rint((X - self.low) * (255 / (self.high - self.low))).clip(0, 255).astype(np.uint8)
        more = [(0, max(2, -(-side // _UNIT)) * _UNIT - side) for side in self.planes[1:]]
        return np.pad(scaled.reshape(len(X), *self.planes), [(0, 0), (0, 0), *more], mode="edge")

    def samples_of(self, photos: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return samples of photographs."""
        _, height, width = self.planes
        values = photos[:, :, :height, :width].reshape(len(photos), *self.shape) / 255
        return (values * (self.high - self.low) + self.low).astype(dtype)
