"""The scikit-learn face of a network: skorch is composed inside `fit`, never inherited.

A model adds an architecture by overriding :meth:`TorchClassifier.build` and, where its layout differs,
:meth:`TorchClassifier.arrange`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from thymos.base.errors import InputError
from thymos.base.samples import Samples

__all__ = ["TorchClassifier"]


class TorchClassifier(ClassifierMixin, BaseEstimator):
    """Base of all classifiers that are a PyTorch module.

    Parameters
    ----------
    lr : float
        Learning rate of Adam.
    decay : float, optional
        Exponential schedule: the rate of epoch e = 0, 1, ... is ``lr * exp(-e / decay)``. Constant by default.
    batch_size, max_epochs : int
        Samples per step and epochs at most.
    patience : int, optional
        Epochs without a lower validation loss after which training stops. It acts only where `fit` is handed a
        validation part, and then the weights of the best epoch are restored. ``None`` trains all epochs.
    clip : float, optional
        Largest gradient norm.
    device : str
        ``auto`` takes CUDA, then MPS, then the CPU; otherwise a torch device.
    random_state : int, RandomState or None
        Seed of initial weights, dropout and batch order.
    verbose : int
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
        Size of the second axis of the samples.
    module_ : torch.nn.Module
        The trained network, in evaluation mode.
    history_ : list of dict
        ``epoch, train_loss, valid_loss, lr, seconds`` of each epoch; ``valid_loss`` is absent without validation.
    best_epoch_ : int
        The epoch whose weights the network has, counted from 1.
    selection_ : str
        How that epoch was chosen, in words.
    n_parameters_ : int
        Values that training changed.
    """

    def __init__(
        self,
        lr: float = 1e-3,
        decay: float | None = None,
        batch_size: int = 32,
        max_epochs: int = 20,
        patience: int | None = 10,
        clip: float | None = 1.0,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.lr = lr
        self.decay = decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.clip = clip
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new module for arranged samples of `shape` (without the sample axis)."""
        raise TypeError(f"{type(self).__name__} does not say how its module is built: override build()")

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return samples, first axis unchanged, in the layout the module takes."""
        return X

    def fit(self, X: np.ndarray, y: Any, validation: Any = None, groups: Any = None) -> TorchClassifier:
        """Train.

        Parameters
        ----------
        X : ndarray, shape (n_samples, ...)
            Training samples.
        y : array-like, shape (n_samples,)
            Labels.
        validation : Samples or (X, y), optional
            A part cut off before anything was fitted. It decides when to stop and which weights to keep. Without it
            `max_epochs` epochs are trained and the last weights kept: no part is cut from `X`, whose rows may
            belong together.
        groups : ignored
            This classifier makes no split of its own.

        Raises
        ------
        InputError
            If the validation part has another shape or a class that training lacks.
        """
        X, y = validate_data(self, X, y, allow_nd=True, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.shape_ = X.shape[1:]
        self._check_parameters()
        seed = check_random_state(self.random_state).randint(2**31)
        device = _device(self.device)
        with _reproducible(seed, device):
            module = self.build(self.arrange(X[:1]).shape[1:], len(self.classes_)).to(device)
            stopping = EarlyStopping(patience=self.patience or self.max_epochs + 1, threshold=0, load_best=True)
            net = NeuralNet(
                module,
                nn.CrossEntropyLoss,
                optimizer=torch.optim.Adam,
                lr=self.lr,
                batch_size=self.batch_size,
                max_epochs=self.max_epochs,
                train_split=None if validation is None else predefined_split(self._validation(validation)),
                iterator_train__shuffle=True,
                callbacks=self._callbacks([] if validation is None or not self.patience else [stopping]),
                verbose=self.verbose,
                device=device,
            )
            net.fit(Dataset(self.arrange(X), codes.astype(np.int64)))
        epochs = sum("dur" in epoch for epoch in net.history)
        if epochs < self.max_epochs and stopping.__dict__.get("misses_") != self.patience:
            raise KeyboardInterrupt  # skorch swallows it; an interrupted fit must not pass for a finished one
        if not np.isfinite(net.history[:, "train_loss"]).all():
            raise InputError(
                f"The training loss of {type(self).__name__} is not finite any more.",
                do=f"lower lr={self.lr:g}, clip gradients, or scale the features first",
            )
        self.module_ = net.module_.eval()
        self.history_ = [
            {"epoch": h["epoch"], "train_loss": h["train_loss"], "lr": h["event_lr"], "seconds": h["dur"]}
            | ({"valid_loss": h["valid_loss"]} if "valid_loss" in h else {})
            for h in net.history
        ]
        chosen = validation is not None and self.patience
        if chosen and not stopping.best_epoch_:
            raise InputError("The validation loss was never finite.", do="check the validation part, lower lr")
        self.best_epoch_ = int(stopping.best_epoch_) if chosen else epochs
        self.selection_ = "lowest validation loss" if chosen else "fixed number of epochs"
        self.n_parameters_ = sum(p.numel() for p in module.parameters() if p.requires_grad)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, dtype=np.float32, reset=False)
        self._check_shape(X, "Samples")
        device = next(self.module_.parameters()).device
        with torch.inference_mode():
            parts = torch.from_numpy(np.ascontiguousarray(self.arrange(X))).split(1024)
            logits = torch.cat([self.module_(part.to(device)).cpu() for part in parts])
        return logits.double().softmax(dim=1).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def _validation(self, validation: Any) -> Dataset:
        X, y = (validation.X, validation.y) if isinstance(validation, Samples) else validation
        X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
        self._check_shape(X, "Validation samples")
        if not len(X) or not np.isfinite(X).all():
            raise InputError(
                f"The validation part has {len(X)} samples and {int((~np.isfinite(X)).sum())} missing values.",
                fits="at least one sample and finite values",
                do="leave out validation to train a fixed number of epochs",
            )
        unknown = sorted(set(y) - set(self.classes_), key=str)
        if unknown:
            raise InputError(
                f"The validation part has the class {str(unknown[0])!r}, which training lacks.",
                fits=f"classes {', '.join(map(str, self.classes_))}",
            )
        return Dataset(self.arrange(X), np.searchsorted(self.classes_, y).astype(np.int64))

    def _check_parameters(self) -> None:
        for name in ("batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            if not (isinstance(value, (int, np.integer)) and value >= 1) and (name, value) != ("patience", None):
                raise InputError(f"{name}={value!r} came.", fits="a whole number of at least 1")
        if not (isinstance(self.lr, (int, float)) and self.lr > 0):
            raise InputError(f"lr={self.lr!r} came.", fits="a positive number")

    def _check_shape(self, X: np.ndarray, what: str) -> None:
        if X.shape[1:] != self.shape_:
            raise InputError(f"{what} of shape {X.shape[1:]} came.", fits=f"{self.shape_}, as in training")

    def _callbacks(self, more: list[Callback]) -> list[Callback]:
        schedule = {}
        if self.decay is not None:
            schedule = {"policy": torch.optim.lr_scheduler.ExponentialLR, "gamma": float(np.exp(-1 / self.decay))}
        else:
            schedule = {"policy": torch.optim.lr_scheduler.ConstantLR, "factor": 1.0}
        clip = [] if self.clip is None else [GradientNormClipping(self.clip)]
        return [LRScheduler(**schedule), *clip, *more]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _device(device: str) -> str:
    if device != "auto":
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            raise InputError(
                f"device={device!r} cannot be used: {str(error).splitlines()[0]}", fits="auto, cpu, cuda, cuda:1, mps"
            ) from None
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextlib.contextmanager
def _reproducible(seed: int, device: str) -> Iterator[None]:
    """Seed torch inside, leave its global state as it was; deterministic kernels where there are any."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_flush_denormal(True)  # long recurrences run into denormal gradients, at half the speed
        try:
            yield
        finally:
            torch.set_flush_denormal(False)
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
