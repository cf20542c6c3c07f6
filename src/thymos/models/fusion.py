"""Classifiers of several modalities: encoders joined by a network, or classifiers whose probabilities are combined."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from thymos.base.catalogue import near
from thymos.base.checks import as_type, check_number, check_whole
from thymos.base.errors import InputError
from thymos.base.probabilities import Calibration, fit_calibration, log_probabilities, predict_all
from thymos.base.random import child_seed
from thymos.base.samples import Samples, of_modality
from thymos.models.mlp import MLPClassifier
from thymos.nn.fusion import HEADS, JOINED, FusionHead, FusionNet, without_head
from thymos.training.estimator import (
    TorchClassifier,
    TorchEstimator,
    check_layers,
    device_named,
    reproducible,
    shared_trainings,
)
from thymos.training.parts import held_trials, trials_of
from thymos.training.pipeline import Pipeline, arguments_of, validation_pair

__all__ = ["HybridFusionClassifier"]

_COMBINED = ("average", "independent", "stacking")
_ONE = "all"  # name of the modality of samples that are one array
_STACKED = 0.2  # of training trials that stacking learns from, where there is no validation part
_AT_ONCE = 512
_Parts = dict[str, np.ndarray]
_FROM_JOINED = ("batch_size", "patience", "deterministic", "device", "class_weight", "monitor")


class HybridFusionClassifier(ClassifierMixin, _BaseComposition):
    """Classes from several modalities of the same moment.

    Each modality has an encoder, a classifier of its own that is trained first. Their features are then joined by a
    network, whose layers are trained on top of still encoders and finally together with them; or their probabilities
    are combined, without a network. A modality that a sample lacks, all values of which are NaN, is left out, in
    training as in predictions.

    Parameters
    ----------
    encoders : list of (str, estimator), optional
        Name of the modality and its classifier, perhaps a pipeline of transformers, samplers and a classifier. In a
        study ``{name: step or steps}``. For a network the classifier is one of PyTorch's with a dense layer at last. By
        default one multilayer perceptron for each modality. Samplers act in an encoder's own training alone: what
        joins encoders learns from real samples.
    fusion : {'concat', 'gated', 'attention', 'average', 'independent', 'stacking'}
        ``concat`` (as published), ``gated``, ``attention``: as :class:`thymos.nn.fusion.FusionHead`. ``average``: mean
        log-probability. ``independent``: the product of the probabilities over that of the classes in training,
        which is right where modalities are independent given the class, and the most that pairing by label can give.
        ``stacking``: logistic regression on log-probabilities of the validation part. The latter two calibrate the
        probabilities of each encoder on the validation part first, by a temperature and a bias of each class: a
        temperature alone draws an unsure encoder towards classes that are all alike, which they are not.
    hidden, dropout, modality_dropout
        As :class:`thymos.nn.fusion.FusionHead`.
    frozen_epochs : int
        Epochs of the joining layers alone.
    finetune_epochs : int
        Epochs of everything together, at most; 0 for none.
    lr, finetune_lr : float
        Learning rates of the two.
    batch_size, patience, monitor, class_weight, deterministic, device
        As :class:`~thymos.training.estimator.TorchClassifier`, of the joined training.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    encoders_ : dict of str to estimator
        Fitted to their modalities.
    joined_ : estimator
        Holds the joined network, if there is one, as ``module_``.
    history_ : list of dict
        Epochs of all trainings one after the other, with a column ``stage``: a modality, ``joined`` or ``together``.
    selection_ : str
        How the epoch of the joined network was chosen, in words.
    temperatures_, biases_ : dict of str to float, and to list of float
        What probabilities of each encoder are calibrated with before they are combined.
    n_parameters_ : int
        Of the joined network.
    n_features_in_ : int
        Size of the second axis, of samples that are one array.

    Raises
    ------
    InputError
        From `fit` and predictions, if modalities are missing or have no encoder, a sample has none, or an encoder
        cannot be joined.

    Notes
    -----
    Hegh et al. (2025) join a face network and an LSTM by concatenation and a dense layer; sizes and the two stages are
    those of methods B4.5. In both stages the rate is constant, and `monitor` chooses the epoch: the lowest validation
    loss by default, where B4.5 names macro F1, which few validation people tell roughly.
    """

    #: Parameters that a study writes as steps for each modality, and the kinds that they may be.
    steps_by_modality: ClassVar[Mapping[str, tuple[str, ...]]] = {"encoders": ("transformer", "sampler", "model")}

    def __init__(
        self,
        encoders: Sequence[tuple[str, Any]] | None = None,
        fusion: str = "concat",
        hidden: int = 128,
        dropout: float = 0.3,
        modality_dropout: float = 0.2,
        frozen_epochs: int = 10,
        finetune_epochs: int = 30,
        lr: float = 1e-3,
        finetune_lr: float = 1e-4,
        batch_size: int = 64,
        patience: int | None = 12,
        monitor: str = "loss",
        class_weight: str | Mapping | None = None,
        deterministic: bool = True,
        device: str = "auto",
        random_state: Any = None,
    ):
        self.encoders = encoders
        self.fusion = fusion
        self.hidden = hidden
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.frozen_epochs = frozen_epochs
        self.finetune_epochs = finetune_epochs
        self.lr = lr
        self.finetune_lr = finetune_lr
        self.batch_size = batch_size
        self.patience = patience
        self.monitor = monitor
        self.class_weight = class_weight
        self.deterministic = deterministic
        self.device = device
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; those of encoders as ``modality__parameter``."""
        return self._get_params("encoders", deep and isinstance(self.encoders, (list, tuple)))

    def set_params(self, **parameters: Any) -> HybridFusionClassifier:
        """Set parameters; those of encoders as ``modality__parameter``."""
        return self._set_params("encoders", **parameters)

    def fit(self, X: Any, y: Any, validation: Any = None, meta: pd.DataFrame | None = None) -> HybridFusionClassifier:
        """Train encoders, then what joins them.

        Parameters
        ----------
        X : mapping of str to ndarray, or ndarray
            Samples of each modality, shapes (n_samples, ...); one array is one modality.
        y : array-like, shape (n_samples,)
        validation : Samples or (X, y), optional
            Decides when each training stops, tempers probabilities, and is what stacking learns from. Without it
            stacking holds back a fifth of the training trials from the encoders.
        meta : DataFrame, optional
            Metadata of the samples, handed to encoders that take them.
        """
        self._check()
        check_classification_targets(y)
        parts, y = self._learnt(X, y)
        if meta is not None and len(meta) != len(y):
            raise InputError(f"Metadata of {len(meta)} samples came for {len(y)}.", fits="a row for each")
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.prior_ = np.bincount(codes) / len(codes)
        seed = int(check_random_state(self.random_state).randint(2**31))
        held = None if validation is None else self._validation(validation)
        whole = parts, y, meta
        if self.fusion == "stacking" and held is None:
            whole, held = self._halved(*whole, codes, seed)
        self._fit_encoders(*whole, held, seed)
        self.temperatures_ = dict.fromkeys(self.encoders_, 1.0)
        self.biases_ = {name: [0.0] * len(self.classes_) for name in self.encoders_}
        if self.fusion in JOINED:
            self._join(*whole[:2], held, child_seed(seed, "joined"))
        elif held is not None and self.fusion != "average":
            self._temper(*held)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self)
        parts = self._modalities(X)
        if self.fusion in JOINED:
            return softmax(_through(self.joined_.module_, self._packed(parts)), axis=1)
        logs, there = self._log_probabilities(parts)
        if self.fusion == "stacking":
            return self.stacked_.predict_proba(self._evidence(logs, there))
        number = there.sum(axis=0)[:, None]
        total = np.where(there[..., None], logs, 0.0).sum(axis=0)
        if self.fusion == "average":
            return softmax(total / number, axis=1)
        return softmax(total - (number - 1) * np.log(self.prior_), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]

    def embed(self, X: Any) -> np.ndarray:
        """Return what encoders see of samples, side by side, shape (n_samples, n_features); missing ones as zeros."""
        check_is_fitted(self, "joined_")
        seen = _through(self.joined_.module_, self._packed(self._modalities(X)), "embed")
        return seen[:, : -len(self.encoders_)]

    def _fit_encoders(self, parts: _Parts, y: np.ndarray, meta: pd.DataFrame | None, held: Any, seed: int) -> None:
        self.encoders_: dict[str, Any] = {}
        self.history_: list[dict[str, Any]] = []
        self._dtypes = {name: array.dtype.name for name, array in parts.items()}
        self._sizes = {name: array.shape[1:] for name, array in parts.items()}
        for name, encoder in self.encoders or [(name, MLPClassifier()) for name in parts]:
            encoder, rows, validation = clone(encoder), _there(parts[name]), None
            if len(np.unique(y[rows])) < len(self.classes_):
                raise InputError(
                    f"No sample of some class has the modality {name!r}.", fits="samples of every class with it"
                )
            if held is not None:
                mine = _there(held[0][name])
                validation = (self._typed(name, held[0][name][mine]), held[1][mine]) if mine.any() else None
            seeds = [key for key in encoder.get_params() if key.split("__")[-1] == "random_state"]
            encoder.set_params(**{key: child_seed(seed, name, key) for key in seeds})
            table = None if meta is None else of_modality(meta[rows].reset_index(drop=True), name)
            with shared_trainings():  # encoders do not depend on how they are joined
                self.encoders_[name] = fitted = _fitted(encoder, parts[name][rows], y[rows], validation, table)
            self._note(name, getattr(_last(fitted), "history_", []))

    def _join(self, parts: _Parts, y: np.ndarray, held: Any, seed: int) -> None:
        """Train the joining layers on still encoders, then everything."""
        self._shapes, whole = {}, []
        for name, encoder in self.encoders_.items():
            last, given = _last(encoder), parts[name][_there(parts[name])][:2]
            cut = without_head(last.module_.eval()) if isinstance(last, TorchEstimator) else None
            ready = _arranged(encoder, given) if cut else None
            if cut is None or ready is None or not _acts_last(*cut, last.module_, ready):
                raise InputError(
                    f"The encoder of {name!r}, {type(last).__name__}, does not end with a dense layer before which it "
                    "could be joined.",
                    fits="a network of Thymos that does, or fusion='average', 'independent' or 'stacking'",
                )
            self._shapes[name] = ready.shape[1:]
            whole.append(ready.dtype == np.uint8)
        lasts = [_last(encoder) for encoder in self.encoders_.values()]
        sizes = list(self._shapes.values()), whole, self.fusion, self.hidden, self.dropout, self.modality_dropout
        joined, packed = _Joined([_bare(last) for last in lasts], *sizes), self._packed(parts)
        device = device_named(self.device)
        with reproducible(seed, device, self.deterministic):
            net = joined.build(packed.shape[1:], len(self.classes_)).to(device)
        for encoder, last in zip(net.encoders, lasts, strict=True):
            encoder.load_state_dict(_cut(last.module_)[0].state_dict())
        held = None if held is None else (self._packed(held[0]), held[1])
        seen = None if held is None else (_through(net, held[0], "embed"), held[1])
        self._train(net.head, _through(net, packed, "embed"), y, seen, "joined", self.lr, self.frozen_epochs, seed)
        self._train(net, packed, y, held, "together", self.finetune_lr, self.finetune_epochs, seed)
        self.joined_ = joined.finish(net, [], None)
        joined.shape_, joined.classes_ = packed.shape[1:], self.classes_
        self.n_parameters_ = joined.n_parameters_

    def _train(
        self, net: nn.Module, X: np.ndarray, y: np.ndarray, held: Any, stage: str, lr: float, epochs: int, seed: int
    ) -> None:
        """Train a network in place."""
        if epochs:
            options = {name: getattr(self, name) for name in _FROM_JOINED}
            model = _InPlace(net, lr=lr, max_epochs=epochs, random_state=seed, **options).fit(X, y, validation=held)
            self._note(stage, model.history_)
            self.selection_ = model.selection_

    def _note(self, stage: str, history: list[dict[str, Any]]) -> None:
        """Put the epochs of a training behind those of the trainings before it."""
        done = len(self.history_)
        self.history_ += [{**epoch, "stage": stage, "epoch": done + k + 1} for k, epoch in enumerate(history)]

    def _temper(self, parts: _Parts, y: np.ndarray) -> None:
        """Fit calibrations, and the regression of stacking, on the validation part."""
        codes = np.searchsorted(self.classes_, y)
        raw, there = self._log_probabilities(parts)
        for name, logs, mine in zip(self.encoders_, raw, there, strict=True):
            if mine.any():
                whole = len(np.unique(codes[mine])) == len(self.classes_)  # a bias would silence a class that lacks
                found = fit_calibration(np.exp(logs[mine]), codes[mine], bias=whole)
                self.temperatures_[name], self.biases_[name] = found.temperature, list(found.bias)
        if self.fusion == "stacking":
            evidence = self._evidence(*self._log_probabilities(parts))
            lacking = [str(c) for c in np.setdiff1d(self.classes_, y)]
            if lacking:
                raise InputError(
                    f"The validation part lacks {', '.join(lacking)}, which stacking cannot learn then.",
                    fits="every class of training in the validation part",
                    do="enlarge it, or choose fusion='independent'",
                )
            self.stacked_ = LogisticRegression(max_iter=1000).fit(evidence, y)

    def _log_probabilities(self, parts: _Parts) -> tuple[np.ndarray, np.ndarray]:
        """Return calibrated log-probabilities, (n_modalities, n_samples, n_classes), and what is there."""
        there = np.stack([_there(parts[name]) for name in self.encoders_])
        logs = np.zeros((*there.shape, len(self.classes_)))
        names = [str(c) for c in self.classes_]
        for k, (name, encoder) in enumerate(self.encoders_.items()):
            if there[k].any():
                made = predict_all(encoder, self._typed(name, parts[name][there[k]]), names)
                calibration = Calibration(self.temperatures_[name], tuple(self.biases_[name]))
                logs[k, there[k]] = log_probabilities(calibration.apply(made))
        return logs, there

    def _evidence(self, logs: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Return what encoders say beyond the frequencies of classes, one row for each sample; 0 where they cannot."""
        return np.concatenate(list(np.where(there[..., None], logs - np.log(self.prior_), 0.0)), axis=1)

    def _typed(self, name: str, X: np.ndarray) -> np.ndarray:
        """Return samples that are there as training had them: pictures beside missing ones came with broken numbers."""
        return as_type(repr(name), X, self._dtypes[name])

    def _packed(self, parts: _Parts) -> np.ndarray:
        """Return rows that hold the samples of all modalities, and behind them which are there."""
        there = [_there(parts[name]) for name in self.encoders_]
        rows = []
        for (name, encoder), mine in zip(self.encoders_.items(), there, strict=True):
            made = np.zeros((len(mine), int(np.prod(self._shapes[name]))), dtype=np.float32)
            if mine.any():
                made[mine] = _arranged(encoder, self._typed(name, parts[name][mine])).reshape(int(mine.sum()), -1)
            rows.append(made)
        return np.concatenate([*rows, np.stack(there, axis=1).astype(np.float32)], axis=1)

    def _learnt(self, X: Any, y: Any) -> tuple[_Parts, np.ndarray]:
        """Return samples by modality and labels, and note of what kind they are."""
        if _several(X):
            y = np.asarray(y)
            self.modalities_: list[str] | None = list(X)
            _length({**X, "y": y})
        else:
            X, y = validate_data(self, X, y, allow_nd=True, dtype=[np.float32, np.float64, np.uint8])
            self.modalities_ = None
        named = [name for name, _ in self.encoders or ()]
        if self.encoders and _several(X) and not set(named) <= set(X):
            raise InputError(
                f"Samples with the modalities {', '.join(X)} came for encoders of {', '.join(named)}.",
                fits="a modality for each encoder",
            )
        if self.encoders and not _several(X) and len(named) != 1:
            raise InputError(f"One array came for {len(named)} encoders.", fits="a mapping, modality to array")
        return self._modalities(X, named), y

    def _modalities(self, X: Any, named: Sequence[str] | None = None) -> _Parts:
        """Return samples by modality; refuse those of which a sample has none."""
        named = list(self.encoders_) if named is None else named
        if _several(X) != (self.modalities_ is not None):
            raise InputError("Samples of several modalities and samples that are one array came.", "as in training")
        if _several(X):
            missing = [name for name in named if name not in X]
            if missing:
                raise InputError(
                    f"The modality {missing[0]!r} is not there.{near(missing[0], X)}",
                    fits="every modality of training; where a sample lacks one, NaN in all of its values",
                )
            parts = {name: np.asarray(X[name]) for name in named or X}
        else:
            if hasattr(self, "encoders_"):
                X = validate_data(self, X, reset=False, allow_nd=True, dtype=[np.float32, np.float64, np.uint8])
            parts = {named[0] if named else _ONE: X}
        if not _length(parts):
            raise InputError("No sample came.", fits="one at least")
        for name, array in parts.items():
            known = getattr(self, "_sizes", {}).get(name, array.shape[1:])
            if array.shape[1:] != known:
                raise InputError(f"{name!r} came with samples of shape {array.shape[1:]}.", f"{known}, as in training")
            odd = _there(array) & ~_whole(array)
            if odd.any():
                raise InputError(
                    f"{int(odd.sum())} samples have missing or infinite values of {name!r} beside others.",
                    fits="finite values, or NaN in all values of a modality that a sample lacks",
                )
        alone = ~np.any([_there(array) for array in parts.values()], axis=0)
        if alone.any():
            raise InputError(
                f"{int(alone.sum())} of {len(alone)} samples have none of {', '.join(parts)}.",
                fits="one modality at least",
                do="leave these samples out",
            )
        return parts

    def _validation(self, validation: Any) -> tuple[_Parts, np.ndarray]:
        X, y = validation_pair(validation)
        unknown = sorted(set(np.unique(y).tolist()) - set(self.classes_.tolist()), key=str)
        if unknown:
            raise InputError(
                f"The validation part has the class {unknown[0]!r}, which training lacks.",
                fits=f"one of {', '.join(map(str, self.classes_))}",
            )
        return self._modalities(X, [name for name, _ in self.encoders or ()]), np.asarray(y)

    def _halved(self, parts: _Parts, y: np.ndarray, meta: pd.DataFrame | None, codes: np.ndarray, seed: int) -> tuple:
        """Divide training samples into those of encoders and those of stacking, by trial."""
        held = held_trials(trials_of(meta, len(y)), codes, _STACKED, np.random.default_rng(seed))
        if len(np.unique(codes[held])) < len(self.classes_):
            raise InputError(
                "Stacking has nothing to learn from: a class has a single trial.",
                fits="a validation part, or two trials of each class",
            )
        first, second = ({name: array[rows] for name, array in parts.items()} for rows in (~held, held))
        table = None if meta is None else meta[~held].reset_index(drop=True)
        return (first, y[~held], table), (second, y[held])

    def _check(self) -> None:
        if self.fusion not in (*JOINED, *_COMBINED):
            known = (*JOINED, *_COMBINED)
            raise InputError(f"fusion={self.fusion!r} came.{near(self.fusion, known)}", fits=", ".join(known))
        check_layers({"hidden": self.hidden}, self.dropout)
        if self.fusion == "attention" and self.hidden % HEADS:
            raise InputError(f"hidden={self.hidden!r} came for attention.", fits=f"a multiple of {HEADS}")
        check_number("modality_dropout", self.modality_dropout, 0.0, 1.0)
        for name in ("frozen_epochs", "finetune_epochs"):
            check_whole(name, getattr(self, name), 0)
        if self.fusion in JOINED and not (self.frozen_epochs or self.finetune_epochs):
            raise InputError("frozen_epochs=0 and finetune_epochs=0 came.", fits="one of them above 0")
        if self.encoders is not None:
            self._validate_names([name for name, _ in self.encoders])

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "temperatures_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class _Joined(TorchClassifier):
    """Holds the joined network, and builds it anew when it is loaded from a file.

    Parameters
    ----------
    lasts : list of TorchEstimator
        Those of the encoders, without their networks.
    shapes, whole, fusion, hidden, dropout, modality_dropout
        As :class:`thymos.nn.fusion.FusionNet` and :class:`thymos.nn.fusion.FusionHead`.
    """

    def __init__(
        self,
        lasts: Sequence[TorchEstimator] = (),
        shapes: Sequence[tuple[int, ...]] = (),
        whole: Sequence[bool] = (),
        fusion: str = "concat",
        hidden: int = 128,
        dropout: float = 0.3,
        modality_dropout: float = 0.2,
        **training: Any,
    ):
        super().__init__(**training)
        self.lasts = lasts
        self.shapes = shapes
        self.whole = whole
        self.fusion = fusion
        self.hidden = hidden
        self.dropout = dropout
        self.modality_dropout = modality_dropout

    def build(self, shape: tuple[int, ...], n_outputs: int) -> FusionNet:
        """Return a new network for rows of samples of all modalities."""
        cut = [_cut(last.build(size, n_outputs)) for last, size in zip(self.lasts, self.shapes, strict=True)]
        sizes = [head.in_features for _, head in cut]
        head = FusionHead(sizes, n_outputs, self.fusion, self.hidden, self.dropout, self.modality_dropout)
        return FusionNet([body for body, _ in cut], self.shapes, self.whole, head)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return the rows as they are."""
        return X


class _InPlace(TorchClassifier):
    """Trains a network that is there already."""

    def __init__(self, net: nn.Module | None = None, **training: Any):
        super().__init__(**training)
        self.net = net

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return the network."""
        return cast(nn.Module, self.net)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return the rows as they are."""
        return X


def _cut(network: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """Return body and head of a network that has a head."""
    return cast("tuple[nn.Module, nn.Linear]", without_head(network))


def _several(X: Any) -> bool:
    return isinstance(X, Mapping) and not issparse(X)  # one kind of sparse matrix is a mapping


def _last(encoder: Any) -> Any:
    return encoder[-1] if isinstance(encoder, Pipeline) else encoder


def _bare(last: TorchEstimator) -> TorchEstimator:
    """Return what an estimator needs to build its network, without the network."""
    made = copy.copy(last)
    for name in ("module_", "history_"):
        made.__dict__.pop(name, None)
    return made


def _fitted(encoder: Any, X: np.ndarray, y: np.ndarray, validation: Any, meta: pd.DataFrame | None) -> Any:
    """Fit an encoder to the samples of its modality."""
    if not isinstance(encoder, Pipeline):
        return encoder.fit(X, y, **arguments_of(encoder.fit, validation=validation, meta=meta))
    if meta is None:
        return encoder.fit(X, y, validation=validation)
    return encoder.fit(Samples(X, y, meta), validation=validation)


def _arranged(encoder: Any, X: np.ndarray) -> np.ndarray:
    """Return samples of a modality as the network of its encoder takes them."""
    last = _last(encoder)
    for _, step in encoder.steps[:-1] if isinstance(encoder, Pipeline) else ():
        if not hasattr(step, "fit_resample"):
            X = step.transform(X)
    X = last.typed(np.asarray(X))
    X = X if X.dtype in last.dtypes else X.astype(last.dtypes[0])
    last.warn_of(X)
    return last.arrange(X)


@torch.inference_mode()
def _acts_last(body: nn.Module, head: nn.Linear, module: nn.Module, X: np.ndarray) -> bool:
    """Say whether a network is a body and a head behind it."""
    device = next(module.parameters()).device
    x = torch.as_tensor(np.ascontiguousarray(X), device=device)
    seen, whole = body.eval()(x), module.eval()(x)
    return seen.dim() == 2 and seen.shape[1] == head.in_features and torch.allclose(head(seen), whole, atol=1e-4)


@torch.inference_mode()
def _through(net: nn.Module, X: np.ndarray, function: str = "forward") -> np.ndarray:
    """Return what a network, or one of its methods, makes of rows; float32."""
    device = next(net.parameters()).device
    call = getattr(net.eval(), function)
    return np.concatenate([call(part.to(device)).cpu().numpy() for part in torch.from_numpy(X).split(_AT_ONCE)])


def _length(parts: Mapping[str, Any]) -> int:
    """Return how many samples there are, which all parts have to agree on."""
    lengths = {name: len(array) for name, array in parts.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(
            f"Lengths differ: {', '.join(f'{k} {n}' for k, n in lengths.items())}.",
            fits="as many samples of each modality, and as many labels; NaN in all values where a sample lacks one",
        )
    return next(iter(lengths.values()))


def _whole(X: np.ndarray) -> np.ndarray:
    """Say which samples have finite values only."""
    return np.ones(len(X), dtype=bool) if X.dtype.kind != "f" else np.isfinite(X.reshape(len(X), -1)).all(axis=1)


def _there(X: np.ndarray) -> np.ndarray:
    """Say which samples have a modality: not all of their values are NaN."""
    if X.dtype.kind != "f":
        return np.ones(len(X), dtype=bool)
    return ~np.isnan(X.reshape(len(X), -1)).all(axis=1) if X[:1].size else np.ones(len(X), dtype=bool)
