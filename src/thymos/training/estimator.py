"""The scikit-learn face of a network: skorch is composed inside `fit`, never inherited.

A model adds an architecture by overriding :meth:`TorchEstimator.build` and, where its layout differs,
:meth:`TorchEstimator.arrange`. Classes and ratings differ in the coding of the target, in the loss and in what the
outputs mean; everything else is shared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from thymos.base.catalogue import near
from thymos.base.errors import InputError
from thymos.base.samples import Samples
from thymos.nn.losses import ConcordanceLoss

__all__ = ["TorchClassifier", "TorchEstimator", "TorchRegressor"]

#: What decides which weights are kept: the column of the history, its sign, and the words for a result.
_MONITORS = {
    "loss": ("valid_loss", 1, "lowest validation loss"),
    "accuracy": ("valid_accuracy", -1, "highest validation accuracy, stopped by the validation loss"),
}


_AT_ONCE = 2**17  # values predicted at once; a wide network over a long sequence needs thousands of bytes for each


class TorchEstimator(BaseEstimator):
    """Base of all estimators that are a PyTorch module; see :class:`TorchClassifier` and :class:`TorchRegressor`.

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
    loss : str
        A name of :attr:`losses`; ``auto`` takes the first.
    monitor : {'loss', 'accuracy'}
        Keep the weights of the lowest validation loss, or those of the highest validation accuracy (classifiers
        only). Early stopping watches the loss in both cases.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples.
    module_ : torch.nn.Module
        The trained network, in evaluation mode.
    history_ : list of dict
        ``epoch, train_loss, valid_loss, lr, seconds`` of each epoch; ``valid_loss`` is absent without validation,
        ``valid_accuracy`` is there where it is monitored.
    best_epoch_ : int
        The epoch whose weights the network has, counted from 1.
    selection_ : str
        How that epoch was chosen, in words.
    n_parameters_ : int
        Values that training changed.
    """

    #: Losses that `loss` may name.
    losses: ClassVar[Mapping[str, Callable[[], nn.Module]]] = {}
    #: What `monitor` may name.
    monitors: ClassVar[tuple[str, ...]] = ("loss",)

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
        loss: str = "auto",
        monitor: str = "loss",
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
        self.loss = loss
        self.monitor = monitor

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new module for arranged samples of `shape` (without the sample axis)."""
        raise TypeError(f"{type(self).__name__} does not say how its module is built: override build()")

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return samples, first axis unchanged, in the layout the module takes."""
        return X

    def fit(self, X: np.ndarray, y: Any, validation: Any = None, groups: Any = None) -> TorchEstimator:
        """Train.

        Parameters
        ----------
        X : ndarray, shape (n_samples, ...)
            Training samples.
        y : array-like, shape (n_samples,)
            Labels or ratings.
        validation : Samples or (X, y), optional
            A part cut off before anything was fitted. It decides when to stop and which weights to keep. Without it
            `max_epochs` epochs are trained and the last weights kept: no part is cut from `X`, whose rows may
            belong together.
        groups : ignored
            This estimator makes no split of its own.

        Raises
        ------
        InputError
            If the validation part has another shape or a class that training lacks.
        """
        X, y = validate_data(self, X, y, allow_nd=True, dtype=np.float32, y_numeric=is_regressor(self))
        self.shape_ = X.shape[1:]
        self._check_parameters()
        n_outputs = self._learn_target(y)
        seed = check_random_state(self.random_state).randint(2**31)
        device = _device(self.device)
        loss = next(iter(self.losses)) if self.loss == "auto" else self.loss
        held = None if validation is None else self._validation(validation)
        chosen = held is not None and self.patience is not None
        stopping, best = EarlyStopping(patience=self.patience, threshold=0), _KeepBest(*_MONITORS[self.monitor])
        with _reproducible(seed, device):
            module = self.build(self.arrange(X[:1]).shape[1:], n_outputs).to(device)
            net = NeuralNet(
                module,
                self.losses[loss],
                optimizer=torch.optim.Adam,
                lr=self.lr,
                batch_size=self.batch_size,
                max_epochs=self.max_epochs,
                train_split=None if held is None else predefined_split(held),
                iterator_train__shuffle=True,
                # concordance is of a whole, and the rows of one trial, which share a rating, stand side by side
                iterator_valid__batch_size=len(held) if loss == "ccc" and held is not None else self.batch_size,
                callbacks=self._callbacks([best, stopping] if chosen else []),
                verbose=self.verbose,
                device=device,
            )
            net.fit(Dataset(self.arrange(X), self._encode(y)))
        epochs = sum("dur" in epoch for epoch in net.history)
        if epochs < self.max_epochs and not (chosen and stopping.misses_ == self.patience):
            raise KeyboardInterrupt  # skorch swallows it; an interrupted fit must not pass for a finished one
        if not np.isfinite(net.history[:, "train_loss"]).all():
            raise InputError(
                f"The training loss of {type(self).__name__} is not finite any more.",
                do=f"lower lr={self.lr:g}, clip gradients, or scale the features first",
            )
        self.module_ = net.module_.eval()
        self.history_ = [
            {"epoch": h["epoch"], "train_loss": h["train_loss"], "lr": h["event_lr"], "seconds": h["dur"]}
            | {key: h[key] for key in ("valid_loss", "valid_accuracy") if key in h}
            for h in net.history
        ]
        if chosen and not np.isfinite(net.history[:, "valid_loss"]).any():
            raise InputError("The validation loss was never finite.", do="check the validation part, lower lr")
        self.best_epoch_ = best.epoch_ if chosen else epochs
        self.selection_ = best.words if chosen else "fixed number of epochs"
        self.n_parameters_ = sum(p.numel() for p in module.parameters() if p.requires_grad)
        return self

    def _learn_target(self, y: np.ndarray) -> int:
        """Learn from the training target what :meth:`_encode` needs; return the number of outputs."""
        raise TypeError(f"{type(self).__name__} predicts nothing: derive it from TorchClassifier or TorchRegressor")

    def _encode(self, y: np.ndarray) -> np.ndarray:
        """Return the target in the form the loss takes, one row per sample."""
        raise TypeError(f"{type(self).__name__} predicts nothing: derive it from TorchClassifier or TorchRegressor")

    def _outputs(self, X: np.ndarray) -> torch.Tensor:
        """Return what the trained module makes of samples, shape (n_samples, n_outputs), float64."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, dtype=np.float32, reset=False)
        self._check_shape(X, "Samples")
        device = next(self.module_.parameters()).device
        with torch.inference_mode():
            ready = torch.from_numpy(np.ascontiguousarray(self.arrange(X)))
            parts = ready.split(max(1, min(1024, _AT_ONCE // max(1, ready[0].numel()))))
            return torch.cat([self.module_(part.to(device)).cpu() for part in parts]).double()

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
        return Dataset(self.arrange(X), self._encode(y))

    def _check_parameters(self) -> None:
        for name in ("batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            if not (isinstance(value, (int, np.integer)) and value >= 1) and (name, value) != ("patience", None):
                raise InputError(f"{name}={value!r} came.", fits="a whole number of at least 1")
        if not (isinstance(self.lr, (int, float)) and self.lr > 0):
            raise InputError(f"lr={self.lr!r} came.", fits="a positive number")
        for name, allowed in {"loss": ("auto", *self.losses), "monitor": self.monitors}.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{name}={value!r} came.{near(value, allowed)}", fits=f"one of {', '.join(allowed)}")

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


class TorchClassifier(ClassifierMixin, TorchEstimator):
    """Base of all classifiers that are a PyTorch module; it puts out one logit per class.

    Parameters
    ----------
    lr, decay, batch_size, max_epochs, patience, clip, device, random_state, verbose, loss, monitor
        As :class:`TorchEstimator`; the loss is ``cross_entropy``.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    module_, history_, best_epoch_, selection_, n_parameters_, n_features_in_
        As :class:`TorchEstimator`.
    """

    losses = {"cross_entropy": nn.CrossEntropyLoss}  # noqa: RUF012
    monitors = ("loss", "accuracy")

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        return self._outputs(X).softmax(dim=1).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def _learn_target(self, y: np.ndarray) -> int:
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        return len(self.classes_)

    def _encode(self, y: np.ndarray) -> np.ndarray:
        unknown = sorted(set(y) - set(self.classes_), key=str)
        if unknown:
            raise InputError(
                f"The validation part has the class {str(unknown[0])!r}, which training lacks.",
                fits=f"classes {', '.join(map(str, self.classes_))}",
            )
        return np.searchsorted(self.classes_, y).astype(np.int64)


class TorchRegressor(RegressorMixin, TorchEstimator):
    """Base of all regressors that are a PyTorch module; it puts out one number, the standardised rating.

    Inside `fit` ratings have zero mean and unit variance over the training samples; predictions are in the unit of
    the ratings.

    Parameters
    ----------
    lr, decay, batch_size, max_epochs, patience, clip, device, random_state, verbose, loss, monitor
        As :class:`TorchEstimator`. The loss is ``mse``, the squared error, or ``ccc``, one minus the concordance
        correlation of a batch, which small batches estimate badly. The validation part is one batch then.

    Attributes
    ----------
    mean_, scale_ : float
        Mean and standard deviation of the training ratings.
    module_, history_, best_epoch_, selection_, n_parameters_, n_features_in_
        As :class:`TorchEstimator`.
    """

    losses = {"mse": nn.MSELoss, "ccc": ConcordanceLoss}  # noqa: RUF012

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the rating of each sample, shape (n_samples,), in the unit of the training ratings."""
        return self._outputs(X)[:, 0].numpy() * self.scale_ + self.mean_

    def _learn_target(self, y: np.ndarray) -> int:
        y = y.astype(np.float64)
        self.mean_, self.scale_ = float(y.mean()), float(y.std()) or 1.0  # equal ratings have no scale
        return 1

    def _encode(self, y: np.ndarray) -> np.ndarray:
        try:
            y = np.asarray(y, dtype=np.float64)
        except ValueError:
            raise InputError(f"The validation part has the rating {str(y[0])!r}.", fits="numbers") from None
        if not np.isfinite(y).all():
            raise InputError("The validation part has ratings that are not finite.", fits="a number for every sample")
        return ((y - self.mean_) / self.scale_).astype(np.float32)[:, None]


class _KeepBest(Callback):
    """Keep the weights of the best epoch, the first of equals, and restore them when training ends.

    Parameters
    ----------
    key, sign, words
        A row of :data:`_MONITORS`.
    """

    def __init__(self, key: str, sign: int, words: str):
        self.key = key
        self.sign = sign
        self.words = words

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.epoch_, self.lowest_ = 0, np.inf

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.right_ = []

    def on_batch_end(self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        if self.key == "valid_accuracy" and not training:
            self.right_.append(kwargs["y_pred"].argmax(dim=1).cpu() == batch[1].cpu())

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if self.right_:
            net.history.record(self.key, float(torch.cat(self.right_).double().mean()))
        value = self.sign * net.history[-1, self.key]
        if value < self.lowest_:
            self.lowest_, self.epoch_ = value, net.history[-1, "epoch"]
            self.weights_ = {name: value.clone() for name, value in net.module_.state_dict().items()}

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if self.epoch_:
            net.module_.load_state_dict(self.weights_)


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
