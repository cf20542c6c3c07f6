"""A network that loses connections or channels while it learns, by gene-like regulation or by a rival (methods B3)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from thymos.base.catalogue import near
from thymos.base.checks import check_number, check_whole
from thymos.base.errors import InputError
from thymos.models.wrapped import WrappedNetwork
from thymos.nn.fusion import last_dense
from thymos.nn.regulation import Expression
from thymos.nn.sparsity import Units, channel_units, connection_units, masked_weights
from thymos.training.channels import channels_of
from thymos.training.estimator import Prepared, TorchClassifier
from thymos.training.pruning import PRUNERS, Pruner, settled_at

__all__ = ["PrunedClassifier"]

_EXCHANGE = 100  # steps between two exchanges of RigL
_GRANULARITIES = ("connection", "channel", "mixed")
_METHODS = ("gene", "dense", *(name for name in PRUNERS if name != "gene"))
_CHOICES = {"granularity": _GRANULARITIES, "method": _METHODS, "threshold": ("schedule", "paper")}
_CHOICES |= {"scores": ("importance", "random"), "density_of": ("units", "weights")}


class PrunedClassifier(WrappedNetwork):
    """A network that learns, loses units while it learns, and goes on learning without them.

    Units are single weights of dense, convolutional and recurrent layers, or channels with all that hangs on them,
    which can be taken out of the network afterwards (:func:`thymos.training.channels.compacted`). Masks that keep a
    tensor's size make nothing faster.

    Parameters
    ----------
    estimator : TorchClassifier, optional
        In a study a step; a multilayer perceptron by default. Its `max_epochs` are those of the training that prunes.
    method : {'gene', 'dense', 'magnitude', 'random', 'gradual', 'set', 'rigl'}
        Who decides: regulation like that of genes; nobody (as long a training); size or chance before the first epoch;
        size, more and more (Zhu & Gupta 2017); exchange by chance (SET, Mocanu et al. 2018) or by gradient (RigL, Evci
        et al. 2020) at a fixed density.
    density : float
        Share that stays.
    density_of : {'units', 'weights'}
        Of the units, or of the weights of dense, convolutional and recurrent layers, those left out that make silenced
        channels: half of all channels are about a quarter of the weights. The settled masks are within a hundredth of
        it, as far as single channels and the least share of each layer allow.
    multiple : int
        Channels of a layer are left in multiples of it, in narrow layers of the largest power of two that fits twice;
        1 for any number. Vector units take 8 or 16 at a time, and what does not fill them is slow. A block of a wide
        layer is several hundredths of all weights, and the share may be as far from `density`.
    granularity : {'connection', 'channel', 'mixed'}
        ``channel`` and ``mixed`` need ``pip install 'thymos[pruning]'``. The last dense layer keeps its channels.
    dense_epochs : int
        Epochs of ordinary training before. Methods of one fold of a study that share them share that training.
    first, last : int, optional
        After how many epochs units begin to be silenced, and until when their share falls; a tenth and six tenths of
        `max_epochs` by default. Up to five further epochs settle it, and the rest trains what is left.
    alpha, beta : float
        What gradients and youth count beside the size of a weight.
    dynamics : bool
        Whether units have a memory (mRNA and protein); without it a score below the threshold decides at once.
    rewiring : float
        Share of live units that come back in an epoch at first; 0 for none.
    sigma : float
        What chance has to say in it at first.
    repression : float
        K of the mean expression by which a layer holds itself back; infinite for none.
    threshold, scores
        As :class:`~thymos.training.pruning.GenePruner`; the threshold ``paper`` decides on the share by itself,
        whatever `density` says.
    random_state : int, RandomState or None
        Of what comes back; weights and batches are the estimator's.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    estimator_ : TorchClassifier
        Fitted; silenced weights are 0.
    units_ : list of dict
        ``layer``, ``kind`` and ``live``, a mask as nested lists, of every layer that was pruned.
    regulation_ : list of dict
        Layer by layer after each epoch: ``live`` of ``n`` units, mean ``expression``, how many ``came_back`` in all,
        ``share`` of all units.
    live_ : float
        Share of the weights of dense, convolutional and recurrent layers that are not silenced, and make no silenced
        channel.
    history_ : list of dict
        Epochs of both trainings.
    n_parameters_ : int
        Of the network, silenced ones left out.
    n_features_in_ : int

    Raises
    ------
    InputError
        From `fit`, if a parameter makes no sense, the estimator is no such network, or nothing of it can be pruned.
    MissingExtraError
        For channels, without Torch-Pruning.

    Notes
    -----
    Arato (2025), Gene-network-inspired dynamic pruning and rewiring; corrected as in methods B3.2.
    """

    def __init__(
        self,
        estimator: Any = None,
        method: str = "gene",
        density: float = 0.5,
        granularity: str = "connection",
        dense_epochs: int = 0,
        first: int | None = None,
        last: int | None = None,
        alpha: float = 0.5,
        beta: float = 0.2,
        dynamics: bool = True,
        rewiring: float = 0.1,
        sigma: float = 0.5,
        repression: float = math.inf,
        threshold: str = "schedule",
        scores: str = "importance",
        density_of: str = "units",
        multiple: int = 1,
        random_state: Any = None,
    ):
        self.estimator = estimator
        self.method = method
        self.density = density
        self.granularity = granularity
        self.dense_epochs = dense_epochs
        self.first = first
        self.last = last
        self.alpha = alpha
        self.beta = beta
        self.dynamics = dynamics
        self.rewiring = rewiring
        self.sigma = sigma
        self.repression = repression
        self.threshold = threshold
        self.scores = scores
        self.density_of = density_of
        self.multiple = multiple
        self.random_state = random_state

    def fit(
        self,
        X: np.ndarray,
        y: Any,
        validation: Any = None,
        meta: pd.DataFrame | None = None,
        start: PrunedClassifier | None = None,
    ) -> PrunedClassifier:
        """Train and prune.

        Parameters
        ----------
        X : ndarray, shape (n_samples, ...)
        y : array-like, shape (n_samples,)
        validation : Samples or (X, y), optional
            Decides which epoch is kept, of those after the masks of `gene` are settled, whatever the method.
        meta : DataFrame, optional
            As :meth:`thymos.training.estimator.TorchEstimator.fit`.
        start : PrunedClassifier, optional
            A fitted one of the same network, granularity and classes whose weights and masks are gone on with, on other
            samples perhaps; instead of the ordinary training. Where it has less than `density`, `gene` alone brings
            more back.
        """
        self._check()
        network, X, y = self._begin(X, y)
        seed = check_random_state(self.random_state).randint(2**31)
        ready = network.prepare(X, y, validation, meta)
        if start is None:
            (weights, history), live = self._dense(network, ready), []
        else:
            weights, history, live = self._from(start, network), [], start.units_
        first, last = self._course(network.max_epochs)
        pruner = self._pruner(network, len(X), first, last, seed, weights is not None)
        around = partial(self._around, start=weights, example=torch.from_numpy(ready.X[:2]), live=live)
        network.fit_prepared(
            replace(
                ready,
                around=around,
                callbacks=[] if pruner is None else [pruner],
                from_epoch=settled_at(first, last, network.max_epochs) + 1,  # of as many epochs for every method
            )
        )
        self._learn(network, [] if pruner is None else pruner.units_, [] if pruner is None else pruner.log_)
        self.history_ = [{"stage": "dense", **epoch} for epoch in history]
        self.history_ += [{"stage": "pruned", **epoch} for epoch in network.history_]
        return self

    def _check(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"{name}={value!r} came.{near(value, known)}", fits=f"one of {', '.join(known)}")
        check_number("density", self.density, 0.0, 1.0)
        for name in ("alpha", "beta"):
            check_number(name, getattr(self, name))
        check_number("rewiring", self.rewiring, 0.0, 1.0)
        odd = [not isinstance(value, Real) or isinstance(value, bool) for value in (self.repression, self.sigma)]
        if any(odd) or not self.density or not self.repression > 0 or not self.sigma >= 0:
            raise InputError(
                f"density={self.density!r}, repression={self.repression!r}, sigma={self.sigma!r} came.",
                fits="numbers above 0, sigma also 0; infinite ones for no repression, and for nothing but chance",
            )
        check_whole("multiple", self.multiple, 1)
        for name in ("dense_epochs", "first", "last"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value, 0)

    def _course(self, epochs: int) -> tuple[int, int]:
        """Return after how many epochs units begin to be silenced, and until when their share falls."""
        first = max(1, round(0.1 * epochs)) if self.first is None else self.first
        last = max(first + 1, round(0.6 * epochs)) if self.last is None else self.last
        if not 1 <= first < last or settled_at(first, last, epochs) >= epochs:
            raise InputError(
                f"first={first}, last={last} came with max_epochs={epochs} of the estimator.",
                fits="first before last, and some epochs left after it; with the defaults four epochs in all or more",
            )
        return first, last

    def _dense(self, network: TorchClassifier, ready: Prepared) -> tuple[Mapping | None, list[dict]]:
        """Return the weights and epochs of the ordinary training; of an equal one that was done, those."""
        if not self.dense_epochs:
            return None, []
        plain = copy.copy(network)
        plain.max_epochs = self.dense_epochs
        plain.fit_once(ready)
        return plain.module_.state_dict(), plain.history_

    def _from(self, start: PrunedClassifier, network: TorchClassifier) -> Mapping[str, torch.Tensor]:
        """Return the weights of a fitted one that is gone on with."""
        check_is_fitted(start, "estimator_")
        if self.method == "dense" and start.units_:
            raise InputError(
                "method='dense', which silences nothing, came with one to go on with of which a share is silenced.",
                fits="any other method, which keeps to what is live there",
            )
        same = (self.granularity, type(network), network.shape_, self.classes_.tolist())
        other = (start.granularity, type(start.estimator_), start.estimator_.shape_, start.classes_.tolist())
        if same != other:
            raise InputError(
                f"It was to go on with {', '.join(map(str, other))}.",
                fits=f"the same granularity, network, shape and classes: {', '.join(map(str, same))}",
            )
        return start.estimator_.module_.state_dict()

    def _around(
        self, network: nn.Module, start: Mapping | None, example: torch.Tensor, live: Sequence[Mapping] = ()
    ) -> nn.Module:
        """Return the network with its units beside it."""
        if start is not None:
            sizes = [
                {key: tuple(value.shape) for key, value in state.items()} for state in (network.state_dict(), start)
            ]
            if sizes[0] != sizes[1]:
                raise InputError("It was to go on with a network of another size.", fits="the same parameters")
            network.load_state_dict(start)
        units: list[Units] = []
        if self.method != "dense" and self.granularity != "channel":
            units += connection_units(network)
        if self.method != "dense" and self.granularity != "connection":
            units += channel_units(channels_of(network, example, [last_dense(network) or ""]))
        if not units and self.method != "dense":
            raise InputError(
                f"Nothing of {type(network).__name__} can be pruned by {self.granularity}.",
                fits="a network with dense or convolutional layers, whose channels can be taken out",
                do="try granularity='connection'",
            )
        for one, known in zip(units, live, strict=bool(live)):
            one.live.copy_(torch.tensor(known["live"]))
        return _WithUnits(network, units)

    def _pruner(
        self, network: TorchClassifier, n_samples: int, first: int, last: int, seed: int, trained: bool
    ) -> Pruner | None:
        """Return who decides; `trained` says whether the weights were trained before."""
        if self.method == "dense":
            return None
        epochs = network.max_epochs
        options: dict[str, Any] = {"of": self.density_of, "multiple": self.multiple}
        if self.method == "gene":
            expression = Expression(repression=self.repression) if self.dynamics else None
            options |= {"alpha": self.alpha, "beta": self.beta, "expression": expression, "rewiring": self.rewiring}
            options |= {"sigma": self.sigma, "threshold": self.threshold, "scores": self.scores}
        elif self.method in ("magnitude", "random"):
            options |= {"by": self.method}
        elif self.method in ("set", "rigl"):
            options |= {"trained": trained}
            if self.method == "rigl":
                steps = math.ceil(n_samples / network.batch_size)
                options |= {"steps": epochs * steps, "every": min(_EXCHANGE, steps)}  # of short epochs once in each
        return PRUNERS[self.method](self.density, epochs, first, last, seed, **options)

    def _learn(self, network: TorchClassifier, units: list[Units], log: list[dict]) -> None:
        """Take over the trained network."""
        silenced, total = masked_weights(network.module_, units)
        self.live_ = 1.0 - silenced / max(1, total)
        network.n_parameters_ -= silenced
        self.estimator_, self.regulation_, self.n_parameters_ = network, log, network.n_parameters_
        self.units_ = [
            {"layer": u.name, "kind": "channel" if u.makers else "connection", "live": u.live.cpu().tolist()}
            for u in units
        ]


class _WithUnits(nn.Module):
    """A network and its units, stored together while it learns."""

    def __init__(self, network: nn.Module, units: list[Units]):
        super().__init__()
        self.network, self.units = network, nn.ModuleList(units)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of samples."""
        return self.network(x)

    def __getattr__(self, name: str) -> Any:  # those who watch a network's training look for its parts here
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)
