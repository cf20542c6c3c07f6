"""The scikit-learn face of a network: skorch is composed inside `fit`, never inherited.

A model adds an architecture by overriding :meth:`TorchEstimator.build` and, where its layout differs,
:meth:`TorchEstimator.arrange`; a module of one's own is handed over as ``module``. Classes and ratings differ in the
coding of the target, in the loss and in what the outputs mean; everything else is shared.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_regressor
from sklearn.metrics import f1_score
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import Dataset, unpack_data
from skorch.helper import predefined_split
from skorch.utils import to_tensor
from torch import nn

from thymos.base.catalogue import near
from thymos.base.checkpoints import checkpoint
from thymos.base.checks import check_whole
from thymos.base.code import code_of
from thymos.base.errors import InputError
from thymos.base.samples import Samples
from thymos.nn.losses import ConcordanceLoss
from thymos.nn.scaling import Affine
from thymos.training.states import load_state, save_state

__all__ = [
    "MONITORS",
    "Prepared",
    "TorchClassifier",
    "TorchEstimator",
    "TorchRegressor",
    "check_layers",
    "check_share",
    "device_named",
    "fast_in_half",
    "last_weighted",
    "reproducible",
    "shared_trainings",
    "weighted_loss",
]

#: What decides which weights are kept: the column of the history, its sign, and the words for a result.
MONITORS = {
    "loss": ("valid_loss", 1, "lowest validation loss"),
    "accuracy": ("valid_accuracy", -1, "highest validation accuracy, stopped by the validation loss"),
    "macro_f1": ("valid_macro_f1", -1, "highest macro F1 of the validation part, stopped by the validation loss"),
}


_SCHEDULES = ("constant", "cosine", "plateau", "one_cycle")
_OF_SAMPLES = ("cross_entropy", "mse")  # losses that are means over samples
_REAL = 0.2  # of the epochs, the last ones, are for samples that count in full
_SHARED: ContextVar[bool] = ContextVar("shared", default=False)
_AT_ONCE = 2**17  # values predicted at once; a wide network over a long sequence needs thousands of bytes for each


@dataclass(frozen=True)
class Prepared:
    """What a loop trains on.

    Parameters
    ----------
    X, y : ndarray
        Arranged samples and encoded targets.
    held : (ndarray, ndarray), optional
        The validation part, likewise.
    n_outputs : int
    seed : int
        Of initial weights, dropout and batch order.
    device, loss : str
    criterion : callable
        Makes the loss.
    chosen : bool
        Whether the validation part decides when to stop and which weights to keep.
    weight : ndarray, shape (n_samples,), optional
        What each sample counts in the loss; all the same by default.
    around : callable, optional
        Puts a module around the new network, as its ``network``, for the time that it learns.
    callbacks : sequence of skorch callbacks
        Called before all others.
    from_epoch : int
        The first epoch that may be kept, and from which patience counts.
    """

    X: np.ndarray
    y: np.ndarray
    held: tuple[np.ndarray, np.ndarray] | None
    n_outputs: int
    seed: int
    device: str
    loss: str
    criterion: Callable[[], nn.Module]
    chosen: bool
    weight: np.ndarray | None = None
    around: Callable[[nn.Module], nn.Module] | None = None
    callbacks: Sequence[Callback] = ()
    from_epoch: int = 1


@contextlib.contextmanager
def shared_trainings() -> Iterator[None]:
    """Let networks that are fitted inside be trained once in a run, however many methods have the same one."""
    token = _SHARED.set(True)
    try:
        yield
    finally:
        _SHARED.reset(token)


def _all_parameters(cls: type[TorchEstimator]) -> inspect.Signature:
    """Return the parameters of a class' constructor and of those that it hands ``**training`` on to."""
    found: dict[str, inspect.Parameter] = {}
    for parent in cls.__mro__:
        own = parent.__dict__.get("_own_signature")
        own = inspect.signature(parent.__init__) if own is None and parent is TorchEstimator else own
        if own is None:
            continue
        for parameter in own.parameters.values():
            if parameter.kind is not parameter.VAR_KEYWORD:
                kind = parameter.kind if not found or parent is cls else parameter.KEYWORD_ONLY
                found.setdefault(parameter.name, parameter.replace(kind=kind))
        if not any(p.kind is p.VAR_KEYWORD for p in own.parameters.values()):
            break
    if cls.build is not TorchEstimator.build:  # an architecture of its own takes no other
        found.pop("module", None)
    return inspect.Signature(sorted(found.values(), key=lambda p: p.kind))


class TorchEstimator(BaseEstimator):
    """Base of all estimators that are a PyTorch module; see :class:`TorchClassifier` and :class:`TorchRegressor`.

    Parameters
    ----------
    module : callable, optional
        Factory of a network: ``module(n_channels=..., n_times=..., sfreq=..., n_outputs=...)``, given those of the four
        that it takes, returns an :class:`torch.nn.Module` from ``(batch, n_channels, n_times)`` to
        ``(batch, n_outputs)``. Estimators of one architecture build their own. A factory with the attribute
        ``stackable = True`` says that its networks train faster as one stack (:meth:`fit_many`).
    sfreq : float, optional
        Sampling rate in Hz, for factories that want it. A study fills it in.
    lr : float
        Learning rate of Adam.
    weight_decay : float
        Decoupled weight decay (AdamW); 0 for Adam.
    decay : float, optional
        Exponential schedule: the rate of epoch e = 0, 1, ... is ``lr * exp(-e / decay)``. Constant by default.
    schedule : {'constant', 'cosine', 'plateau', 'one_cycle'}
        Instead of `decay`: half a cosine down to 0 at the last epoch; a tenth of the rate after more than `patience` /
        2 epochs without a lower validation loss (training loss without validation); up to ``lr`` and down again within
        `max_epochs`.
    batch_size, max_epochs : int
        Samples per step and epochs at most.
    patience : int, optional
        Epochs without a lower validation loss after which training stops. It acts only where `fit` is handed a
        validation part, and then the weights of the best epoch are restored. ``None`` trains all epochs.
    clip : float, optional
        Largest gradient norm.
    mixup : float
        Train on mixtures of pairs of samples and of their targets, the share drawn from Beta(mixup, mixup) for each
        batch (Zhang et al. 2018); 0 for none.
    amp : bool
        Compute in bfloat16 on CUDA and on processors with instructions for it; elsewhere it would be slower and is not
        done.
    deterministic : bool
        Deterministic kernels, so that equal seeds give equal weights.
    device : str
        ``auto`` takes CUDA, then MPS, then the CPU; otherwise a torch device.
    random_state : int, RandomState or None
        Seed of initial weights, dropout and batch order.
    verbose : int
        1 prints a line per epoch.
    loss : str
        A name of :attr:`losses`; ``auto`` takes the first.
    monitor : {'loss', 'accuracy', 'macro_f1'}
        Keep the weights of the lowest validation loss, or those of the highest accuracy or macro F1 of the validation
        part (classifiers only). Early stopping watches the loss in both cases.
    balance : str
        Metadata column, such as ``domain``, each value of which counts in the loss as much as any other, however many
        samples it has, also in that of a validation part that comes as :class:`~thymos.base.samples.Samples`; empty
        for none. `fit` needs the metadata then.

    Attributes
    ----------
    n_features_in_ : int
        Size of the second axis of the samples.
    module_ : torch.nn.Module
        The trained network, in evaluation mode.
    history_ : list of dict
        ``epoch, train_loss, valid_loss, lr, seconds`` of each epoch; ``valid_loss`` is absent without validation,
        ``valid_accuracy`` or ``valid_macro_f1`` is there where it is monitored.
    best_epoch_ : int
        The epoch whose weights the network has, counted from 1.
    selection_ : str
        How that epoch was chosen, in words.
    n_parameters_ : int
        Values that training changed.
    """

    #: Whether models of this architecture train as one stack, and faster so (:meth:`fit_many`).
    stackable: ClassVar[bool] = False
    #: Losses that `loss` may name.
    losses: ClassVar[Mapping[str, Callable[[], nn.Module]]] = {}
    #: What `monitor` may name.
    monitors: ClassVar[tuple[str, ...]] = ("loss",)
    #: Types in which samples are taken as they come; others become the first.
    dtypes: ClassVar[tuple[type, ...]] = (np.float32,)
    #: Whether samples and parameters alone decide of a training.
    repeatable: ClassVar[bool] = True
    #: What callbacks of :meth:`watchers` record for each epoch, beside what is always there.
    watched: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        module: Callable[..., nn.Module] | None = None,
        sfreq: float | None = None,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        decay: float | None = None,
        schedule: str = "constant",
        batch_size: int = 32,
        max_epochs: int = 20,
        patience: int | None = 10,
        clip: float | None = 1.0,
        mixup: float = 0.0,
        amp: bool = False,
        deterministic: bool = True,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        loss: str = "auto",
        monitor: str = "loss",
        balance: str = "",
    ):
        self.module = module
        self.sfreq = sfreq
        self.lr = lr
        self.weight_decay = weight_decay
        self.decay = decay
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.clip = clip
        self.mixup = mixup
        self.amp = amp
        self.deterministic = deterministic
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.loss = loss
        self.monitor = monitor
        self.balance = balance

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a subclass name its own parameters and take those of training as ``**training``.

        scikit-learn reads a constructor's parameters from its signature; the signature of every subclass therefore
        lists its own and those of all estimators above it.
        """
        super().__init_subclass__(**options)
        inner = cls.__init__
        if "__init__" in cls.__dict__:
            cls._own_signature = inspect.signature(inner)

        @functools.wraps(inner)
        def __init__(self: Any, *values: Any, **parameters: Any) -> None:
            inner(self, *values, **parameters)

        __init__.__signature__ = _all_parameters(cls)  # type: ignore[attr-defined]  # any function can have one
        cls.__init__ = __init__  # type: ignore[method-assign]

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new module for arranged samples of `shape` (without the sample axis)."""
        if self.module is None:
            raise InputError(
                f"{type(self).__name__} was given no network.", fits="module: a factory of networks (see the docstring)"
            )
        facts = {"n_channels": shape[0], "n_times": shape[-1], "sfreq": self.sfreq, "n_outputs": n_outputs}
        taken = inspect.signature(self.module).parameters
        made = self.module(**{name: value for name, value in facts.items() if name in taken})
        if not isinstance(made, nn.Module):
            raise InputError(f"module returned {type(made).__name__}.", fits="a torch.nn.Module")
        return made

    def typed(self, X: Any) -> Any:
        """Return samples with the values that they mean to the trained network, where their type decides of that."""
        return X

    def warn_of(self, X: np.ndarray) -> None:
        """Warn of samples that a trained network takes, but not as they are."""

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return samples, first axis unchanged, in the layout the module takes; a table counts as one channel."""
        return X[:, None, :] if X.ndim == 2 else X

    def look(self, X: np.ndarray) -> None:
        """Let the estimator note what it wants to know of the training samples before any are arranged; nothing."""

    def begin(self, module: nn.Module, X: torch.Tensor) -> None:
        """Let a new module take what it wants from the arranged training samples before the first step; nothing."""

    def predictor(self, module: nn.Module) -> nn.Module:
        """Return a trained module with what makes predictions of its outputs, from arranged samples."""
        return module

    def watchers(self, ready: Prepared) -> list[Callback]:
        """Return callbacks of skorch that act at the end of every epoch, before its weights are judged; none."""
        return []

    def fit(
        self, X: np.ndarray, y: Any, validation: Any = None, groups: Any = None, meta: pd.DataFrame | None = None
    ) -> TorchEstimator:
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
        meta : DataFrame, optional
            Metadata of the samples. A sample counts in the loss what its ``sample_weight`` says, 1 without that
            column; those that count less than 1, such as generated ones, are left out in the last fifth of
            `max_epochs`, so that training ends on real samples.

        Raises
        ------
        InputError
            If the validation part has another shape or a class that training lacks.
        """
        ready = self.prepare(X, y, validation, meta)
        return self.fit_once(ready) if _SHARED.get() else self.fit_prepared(ready)

    def fit_once(self, ready: Prepared) -> TorchEstimator:
        """Train as :meth:`fit_prepared`, or take over the weights of an equal training that the run has done."""
        watched = type(self).watchers is not TorchEstimator.watchers
        kind, parameters = code_of(type(self)), sorted(self.get_params().items())
        nameless = kind is None or "<locals>" in kind  # another of the same name may be another network
        alone = nameless or self.module is not None or ready.around is not None or ready.callbacks or watched
        alone = alone or not self.repeatable
        facts = [kind, self.shape_, ready.n_outputs, ready.seed, ready.device, ready.loss, ready.from_epoch]
        facts += [torch.__version__, *(part for item in parameters for part in item)]
        weight = np.empty(0) if ready.weight is None else ready.weight
        held = (np.empty(0), np.empty(0)) if ready.held is None else ready.held
        path = None if alone else checkpoint("dense", ready.X, ready.y, weight, *held, *facts)
        state = None if path is None else load_state(path)
        if state is None:
            self.fit_prepared(ready)
            if path is not None:
                best = self.best_epoch_ if ready.chosen else None
                history = [
                    {key: value if isinstance(value, int) else float(value) for key, value in epoch.items()}
                    for epoch in self.history_
                ]
                save_state(path, {"weights": self.module_.state_dict(), "history": history, "best": best})
            return self
        with reproducible(ready.seed, ready.device, self.deterministic):
            module = self.build(ready.X.shape[1:], ready.n_outputs).to(ready.device)
            self.begin(module, torch.from_numpy(_writable(ready.X)).to(ready.device))
        module.load_state_dict(state["weights"])
        return self.finish(module, state["history"], state["best"])

    def fit_prepared(self, ready: Prepared) -> TorchEstimator:
        """Train on what :meth:`prepare` has returned."""
        stopping = _Stopping(ready.from_epoch, patience=self.patience, threshold=0)
        best = _KeepBest(*MONITORS[self.monitor][:2], first=ready.from_epoch)
        with reproducible(ready.seed, ready.device, self.deterministic):
            module = self.build(ready.X.shape[1:], ready.n_outputs).to(ready.device)
            self.begin(module, torch.from_numpy(_writable(ready.X)).to(ready.device))
            net = _Net(
                module if ready.around is None else ready.around(module).to(ready.device),
                ready.criterion,
                optimizer=torch.optim.AdamW if self.weight_decay else torch.optim.Adam,
                optimizer__weight_decay=self.weight_decay,
                lr=self.lr,
                batch_size=self.batch_size,
                max_epochs=self.max_epochs,
                train_split=None if ready.held is None else predefined_split(Dataset(*ready.held)),
                iterator_train__shuffle=True,
                # concordance is of a whole, and the rows of one trial, which share a rating, stand side by side
                iterator_valid__batch_size=len(ready.held[0])
                if ready.loss == "ccc" and ready.held is not None
                else self.batch_size,
                callbacks=[
                    *ready.callbacks,
                    *self.watchers(ready),
                    *self._callbacks([best, stopping] if ready.chosen else [], ready.held is not None, len(ready.X)),
                ],
                verbose=self.verbose,
                device=ready.device,
            )
            net.mixup, net.amp = self.mixup, self.amp and fast_in_half(ready.device)
            net.fit(Dataset(ready.X, ready.y if ready.weight is None else (ready.y, ready.weight)))
        epochs = sum("dur" in epoch for epoch in net.history)
        if epochs < self.max_epochs and not (ready.chosen and stopping.misses_ == self.patience):
            raise KeyboardInterrupt  # skorch swallows it; an interrupted fit must not pass for a finished one
        history = [
            {"epoch": h["epoch"], "train_loss": h["train_loss"], "lr": _rate(h), "seconds": h["dur"]}
            | {
                key: h[key]
                for key in dict.fromkeys(["valid_loss", "valid_accuracy", MONITORS[self.monitor][0], *self.watched])
                if key in h
            }
            for h in net.history
        ]
        trained = net.module_ if ready.around is None else net.module_.network
        return self.finish(trained, history, best.epoch_ if ready.chosen else None)

    def prepare(self, X: np.ndarray, y: Any, validation: Any = None, meta: pd.DataFrame | None = None) -> Prepared:
        """Check parameters and samples, learn the target, and return what a loop trains on; see :meth:`fit`."""
        X, y = validate_data(self, X, y, allow_nd=True, dtype=list(self.dtypes), y_numeric=is_regressor(self))
        self.shape_ = X.shape[1:]
        self._check_parameters()
        self.look(X)
        n_outputs = self._learn_target(y)
        device = device_named(self.device)
        loss = next(iter(self.losses)) if self.loss == "auto" else self.loss
        held = None if validation is None else self._validation(validation)
        if held is not None and self.balance and isinstance(validation, Samples) and self.balance in validation.meta:
            rows = _evenly(validation.meta[self.balance])
            held = held[0][rows], held[1][rows]
        return Prepared(
            X=self.arrange(X),
            y=self._encode(y),
            held=held,
            n_outputs=n_outputs,
            seed=check_random_state(self.random_state).randint(2**31),
            device=device,
            loss=loss,
            criterion=self._criterion(self.losses[loss], y, device),
            chosen=held is not None and self.patience is not None,
            weight=self._weights(meta, len(X), loss),
        )

    def finish(self, module: nn.Module, history: list[dict[str, Any]], best_epoch: int | None) -> TorchEstimator:
        """Take over a trained module with its history; `best_epoch` is the one it was put back to, if it was."""
        if not np.isfinite([h["train_loss"] for h in history]).all():
            raise InputError(
                f"The training loss of {type(self).__name__} is not finite any more.",
                do=f"lower lr={self.lr:g}, clip gradients, or scale the features first",
            )
        if best_epoch is not None and not np.isfinite([h["valid_loss"] for h in history]).any():
            raise InputError("The validation loss was never finite.", do="check the validation part, lower lr")
        self.module_ = module.eval()
        self.history_ = history
        self.best_epoch_ = len(history) if best_epoch is None else best_epoch
        self.selection_ = "fixed number of epochs" if best_epoch is None else MONITORS[self.monitor][2]
        self.n_parameters_ = sum(p.numel() for p in module.parameters() if p.requires_grad)
        return self

    def fit_many(self, parts: Sequence[tuple], random_states: Sequence[Any] | None = None) -> list[TorchEstimator]:
        """Train one model for each part, all together where that is faster.

        Parameters
        ----------
        parts : sequence of (X, y) or (X, y, validation)
            As of :meth:`fit`.
        random_states : sequence of int, optional
            Seed of each; that of this estimator for all by default.

        Returns
        -------
        list of estimators
            Fitted copies of this one, in the order of `parts`; this one stays as it is. On the processor they are
            those of :meth:`fit`, dropout included, up to the rounding of sums (which Adam makes steps of, where a
            parameter has no gradient: a bias before a batch normalisation).
        """
        from thymos.training.stacked import fit_many

        return fit_many(self, parts, random_states)

    def alone(self) -> str:
        """Return why :meth:`fit_many` trains such models one after the other; empty if it trains them together."""
        from thymos.training.stacked import why_not

        return why_not(self)

    def _weights(self, meta: pd.DataFrame | None, n_samples: int, loss: str) -> np.ndarray | None:
        """Return what each sample counts; None if all count the same."""
        if self.balance and (meta is None or self.balance not in meta):
            raise InputError(
                f"balance={self.balance!r} came, and the metadata have "
                f"{'nothing' if meta is None else ', '.join(meta.columns)}.",
                fits="a column of the metadata that fit is given",
            )
        if meta is None or not (self.balance or "sample_weight" in meta):
            return None
        weight = np.ones(n_samples, dtype=np.float32)
        if "sample_weight" in meta:
            weight = pd.to_numeric(meta["sample_weight"], errors="coerce").to_numpy(np.float32)
        if self.balance and len(weight) == len(meta):
            values = meta[self.balance].astype(str)
            counts = values.map(values.value_counts()).to_numpy()
            # no weight falls below 1, which says of a sample that it is generated and left out at the end
            weight = np.where(weight >= 1, weight * (counts.max() / counts), weight).astype(np.float32)
        if len(weight) != n_samples or not (np.isfinite(weight) & (weight >= 0)).all() or not (weight >= 1).any():
            raise InputError(
                f"{len(weight)} sample weights came for {n_samples} samples.",
                fits="a number of at least 0 for each, and 1 or more for some",
            )
        if (weight == 1).all():
            return None
        if self.mixup or loss not in _OF_SAMPLES:
            raise InputError(
                f"Weighted samples came with mixup={self.mixup!r} and the loss {loss!r}.",
                fits=f"no mixup, and a loss that is a mean over samples: {', '.join(_OF_SAMPLES)}",
            )
        return weight

    def _learn_target(self, y: np.ndarray) -> int:
        """Learn from the training target what :meth:`_encode` needs; return the number of outputs."""
        raise TypeError(f"{type(self).__name__} predicts nothing: derive it from TorchClassifier or TorchRegressor")

    def _encode(self, y: np.ndarray) -> np.ndarray:
        """Return the target in the form the loss takes, one row per sample."""
        raise TypeError(f"{type(self).__name__} predicts nothing: derive it from TorchClassifier or TorchRegressor")

    def _criterion(self, loss: Callable[[], nn.Module], y: np.ndarray, device: str) -> Callable[[], nn.Module]:
        """Return the loss with what the training target decides of it."""
        return loss

    def _outputs(self, X: np.ndarray, function: str | None = None, module: nn.Module | None = None) -> torch.Tensor:
        """Return what the trained module, a part of it, or a method makes of samples, (n_samples, ...), float64."""
        check_is_fitted(self)
        X = validate_data(self, self.typed(X), allow_nd=True, dtype=list(self.dtypes), reset=False)
        self._check_shape(X, "Samples")
        self.warn_of(X)
        module = self.module_ if module is None else module
        device = next(module.parameters()).device
        with torch.inference_mode():
            ready = torch.from_numpy(_writable(self.arrange(X)))
            parts = ready.split(max(1, min(1024, _AT_ONCE // max(1, ready[0].numel()))))
            call = module if function is None else getattr(module, function)
            return torch.cat([call(part.to(device)).cpu() for part in parts]).double()

    def _validation(self, validation: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = (validation.X, validation.y) if isinstance(validation, Samples) else validation
        X, y = self.typed(np.asarray(X)), np.asarray(y)
        X = X if X.dtype in self.dtypes else X.astype(self.dtypes[0])
        self._check_shape(X, "Validation samples")
        if not len(X) or not np.isfinite(X).all():
            raise InputError(
                f"The validation part has {len(X)} samples and {int((~np.isfinite(X)).sum())} missing values.",
                fits="at least one sample and finite values",
                do="leave out validation to train a fixed number of epochs",
            )
        return self.arrange(X), self._encode(y)

    def _check_parameters(self) -> None:
        for name in ("batch_size", "max_epochs", "patience"):
            if (value := getattr(self, name)) is not None or name != "patience":
                check_whole(name, value)
        for name, least in {"lr": np.nextafter(0, 1), "weight_decay": 0, "mixup": 0}.items():
            value = getattr(self, name)
            if not (isinstance(value, (int, float)) and least <= value < np.inf):
                raise InputError(f"{name}={value!r} came.", fits=f"a {'positive ' if least else ''}number")
        if self.decay is not None and self.schedule != "constant":
            raise InputError(f"decay={self.decay} and schedule={self.schedule!r} came.", fits="one of the two")
        named = {"loss": ("auto", *self.losses), "monitor": self.monitors, "schedule": _SCHEDULES}
        for name, allowed in named.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{name}={value!r} came.{near(value, allowed)}", fits=f"one of {', '.join(allowed)}")

    def _check_shape(self, X: np.ndarray, what: str) -> None:
        if X.shape[1:] != self.shape_:
            raise InputError(f"{what} of shape {X.shape[1:]} came.", fits=f"{self.shape_}, as in training")

    def _callbacks(self, more: list[Callback], held: bool, n_samples: int) -> list[Callback]:
        policies = torch.optim.lr_scheduler
        if self.decay is not None:
            schedule = {"policy": policies.ExponentialLR, "gamma": float(np.exp(-1 / self.decay))}
        elif self.schedule == "cosine":
            schedule = {"policy": policies.CosineAnnealingLR, "T_max": self.max_epochs}
        elif self.schedule == "plateau":
            monitor = "valid_loss" if held else "train_loss"
            patience = max(1, (self.patience or self.max_epochs) // 2)
            schedule = {"policy": policies.ReduceLROnPlateau, "monitor": monitor, "patience": patience}
        elif self.schedule == "one_cycle":
            steps = self.max_epochs * math.ceil(n_samples / self.batch_size)
            schedule = {"policy": policies.OneCycleLR, "max_lr": self.lr, "total_steps": steps, "step_every": "batch"}
        else:
            schedule = {"policy": policies.ConstantLR, "factor": 1.0}
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
    module, **training
        As :class:`TorchEstimator`; the loss is ``cross_entropy``.
    class_weight : 'balanced' or mapping of class to float, optional
        Weight of each class in the loss, as in scikit-learn.
    label_smoothing : float
        Share of the target spread over all classes, 0 to 1.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    module_, history_, best_epoch_, selection_, n_parameters_, n_features_in_
        As :class:`TorchEstimator`.
    """

    losses = {"cross_entropy": nn.CrossEntropyLoss}  # noqa: RUF012
    monitors = ("loss", "accuracy", "macro_f1")

    def __init__(
        self,
        module: Callable[..., nn.Module] | None = None,
        class_weight: str | Mapping | None = None,
        label_smoothing: float = 0.0,
        **training: Any,
    ):
        super().__init__(module, **training)
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing

    def _criterion(self, loss: Callable[..., nn.Module], y: np.ndarray, device: str) -> Callable[[], nn.Module]:
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing={self.label_smoothing!r} came.", fits="0 or more, below 1")
        weight = None
        if self.class_weight is not None:
            weight = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            weight = torch.as_tensor(weight, dtype=torch.float32, device=device)
        return functools.partial(loss, weight=weight, label_smoothing=self.label_smoothing)

    def predictor(self, module: nn.Module) -> nn.Module:
        """Return a trained module with the softmax behind it."""
        return nn.Sequential(module, nn.Softmax(dim=1))

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
    **training
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

    def predictor(self, module: nn.Module) -> nn.Module:
        """Return a trained module that puts out ratings in their own unit."""
        return nn.Sequential(module, Affine(self.scale_, self.mean_))

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


def _rate(epoch: dict[str, Any]) -> float:
    """Return the learning rate at the end of an epoch, which some schedules change with every batch."""
    if "event_lr" in epoch:
        return epoch["event_lr"]
    return [batch["event_lr"] for batch in epoch["batches"] if "event_lr" in batch][-1]


def _writable(X: np.ndarray) -> np.ndarray:
    """Return an array that PyTorch takes without a warning: a copy of what is read-only or not in one piece."""
    return np.require(X, requirements=("C", "W"))


def fast_in_half(device: str) -> bool:
    """Say whether a device computes in bfloat16 faster than in float32."""
    if device.startswith("cpu"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.startswith("cuda")


def _evenly(column: pd.Series) -> np.ndarray:
    """Return row numbers in which each value is as often as the commonest; the others are repeated."""
    places = [np.flatnonzero(column.astype(str) == value) for value in column.astype(str).unique()]
    return np.concatenate([np.resize(rows, max(map(len, places))) for rows in places])


def last_weighted(max_epochs: int) -> int:
    """Return the last epoch, counted from 1, that has samples which do not count in full."""
    return max_epochs - int(_REAL * max_epochs)


class _Net(NeuralNet):
    """skorch's loop with mixed samples, weighted samples and bfloat16."""

    mixup, amp = 0.0, False

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any) -> NeuralNet:
        """Keep at hand the samples that count in full, for the last epochs."""
        self.full_ = None
        if isinstance(X.y, tuple):
            counted = np.flatnonzero(X.y[1] >= 1)
            whole = Dataset(X.X[counted], (X.y[0][counted], X.y[1][counted]))
            self.full_ = self.get_iterator(whole, training=True)
        return super().fit_loop(X, y, epochs, **fit_params)

    def run_single_epoch(self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any) -> None:
        """Leave out in the last epochs what does not count in full."""
        late = training and self.full_ is not None and len(self.history) > last_weighted(self.max_epochs)
        super().run_single_epoch(self.full_ if late else iterator, training, prefix, step_fn, **fit_params)

    def get_loss(self, y_pred: torch.Tensor, y_true: Any, X: Any = None, training: bool = False) -> torch.Tensor:
        """Return the loss, of weighted samples the weighted mean."""
        if not isinstance(y_true, (tuple, list)):
            return super().get_loss(y_pred, y_true, X=X, training=training)
        y, weight = (to_tensor(part, self.device) for part in y_true)
        return weighted_loss(self.criterion_, y_pred, y, weight)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, torch.Tensor]:
        """Take one step, on mixtures if that is asked for."""
        if not self.mixup:
            return super().train_step_single(batch, **fit_params)
        self._set_training(True)
        X, y = unpack_data(batch)
        X, y = to_tensor(X, self.device), to_tensor(y, self.device)
        share = float(torch.distributions.Beta(self.mixup, self.mixup).sample())
        other = torch.randperm(len(X), device=X.device)
        predicted = self.infer(share * X.float() + (1 - share) * X[other].float(), **fit_params)
        losses = (self.get_loss(predicted, target, X=X, training=True) for target in (y, y[other]))
        loss = cast(torch.Tensor, sum(part * own for part, own in zip((share, 1 - share), losses, strict=True)))
        loss.backward()
        return {"loss": loss, "y_pred": predicted}

    def infer(self, x: Any, **fit_params: Any) -> torch.Tensor:
        """Return the outputs; the loss is computed in float32 in any case."""
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.amp):
            return super().infer(x, **fit_params).float()


class _Stopping(EarlyStopping):
    """Stop without progress, which counts from an epoch on.

    Parameters
    ----------
    first : int
    **options
        As :class:`skorch.callbacks.EarlyStopping`.
    """

    def __init__(self, first: int = 1, **options: Any):
        super().__init__(**options)
        self.first = first

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if net.history[-1, "epoch"] >= self.first:
            super().on_epoch_end(net, **kwargs)


class _KeepBest(Callback):
    """Keep the weights of the best epoch, the first of equals, and restore them when training ends.

    Parameters
    ----------
    key, sign
        Of a row of :data:`MONITORS`.
    first : int
        The first epoch that may be kept.
    """

    def __init__(self, key: str, sign: int, first: int = 1):
        self.key = key
        self.sign = sign
        self.first = first

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.epoch_, self.lowest_ = 0, np.inf

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.said_: list[tuple[torch.Tensor, torch.Tensor]] = []

    def on_batch_end(self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        if self.key != "valid_loss" and not training:
            self.said_.append((kwargs["y_pred"].argmax(dim=1).cpu(), batch[1].cpu()))

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if self.said_ and self.key not in net.history[-1]:  # a watcher may have changed the network since
            said, true = (torch.cat(parts).numpy() for parts in zip(*self.said_, strict=True))
            value = np.mean(said == true) if self.key == "valid_accuracy" else f1_score(true, said, average="macro")
            net.history.record(self.key, float(value))
        value = self.sign * net.history[-1, self.key]
        if value < self.lowest_ and net.history[-1, "epoch"] >= self.first:
            self.lowest_, self.epoch_ = value, net.history[-1, "epoch"]
            self.weights_ = {name: value.clone() for name, value in net.module_.state_dict().items()}

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if self.epoch_:
            net.module_.load_state_dict(self.weights_)


def weighted_loss(criterion: nn.Module, outputs: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean of the losses of samples.

    Parameters
    ----------
    criterion : CrossEntropyLoss or MSELoss
        Classes keep the weights that it has.
    outputs : Tensor, shape (batch, n_outputs), or (batch, n_branches, n_outputs)
        Losses of branches are summed.
    y : Tensor, shape (batch,) or (batch, n_outputs)
    weight : Tensor, shape (batch,)
    """
    if outputs.ndim == 3:
        each = (weighted_loss(criterion, branch, y, weight) for branch in outputs.unbind(dim=1))
        return cast(torch.Tensor, sum(each))
    if isinstance(criterion, nn.CrossEntropyLoss):
        loss = nn.functional.cross_entropy(
            outputs, y, criterion.weight, reduction="none", label_smoothing=criterion.label_smoothing
        )
        total = weight if criterion.weight is None else weight * criterion.weight[y]
        return (loss * weight).sum() / total.sum()  # the weight of the class is in the loss already
    return ((outputs - y).square().flatten(1).mean(dim=1) * weight).sum() / weight.sum()


def check_layers(whole: dict[str, Any], dropout: float = 0.0) -> None:
    """See that sizes of layers are whole numbers of at least 1, and that `dropout` is a share below 1.

    Raises
    ------
    InputError
        If not; it names the parameter.
    """
    for name, value in whole.items():
        check_whole(name, value)
    check_share("dropout", dropout)


def check_share(name: str, value: Any) -> None:
    """See that a parameter is a share below 1.

    Raises
    ------
    InputError
        If not; it names the parameter.
    """
    if isinstance(value, bool) or not (isinstance(value, (int, float)) and 0 <= value < 1):
        raise InputError(f"{name}={value!r} came.", fits="a share from 0 to below 1")


def device_named(device: str) -> str:
    """Return the device that a name stands for; ``auto`` takes CUDA, then MPS, then the processor.

    Raises
    ------
    InputError
        If there is none of this name.
    """
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
def reproducible(seed: int, device: str, deterministic: bool = True) -> Iterator[None]:
    """Seed torch inside, leave its global state as it was; deterministic kernels where there are any."""
    before = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        torch.set_deterministic_debug_mode("warn" if deterministic else "default")
        memory.fill_uninitialized_memory = False  # filling finds faults, and costs time
        torch.set_flush_denormal(True)  # long recurrences run into denormal gradients, at half the speed
        try:
            yield
        finally:
            torch.set_flush_denormal(False)
            memory.fill_uninitialized_memory = filled
            torch.set_deterministic_debug_mode(before)
