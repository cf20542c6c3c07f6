"""A network whose features tell classes and not domains apart: people, corpora, devices (methods A5)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
from torch import nn

from thymos.base.catalogue import near
from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.models.wrapped import WrappedNetwork
from thymos.nn.alignment import ALIGNMENTS, AlignedLoss, AlignedNet
from thymos.nn.fusion import last_dense
from thymos.training.estimator import check_layers

__all__ = ["DomainAlignedClassifier"]

_ENOUGH = 8  # samples of a domain in a batch


class DomainAlignedClassifier(WrappedNetwork):
    """A network trained so that what its last layer sees is distributed alike in all domains of the training part.

    Nothing of the test part is seen, labelled or not: this is generalisation to domains that nobody knows yet. Methods
    in the literature that adapt to unlabelled samples of the test domain are given more.

    Parameters
    ----------
    estimator : TorchClassifier, optional
        A classifier of PyTorch that ends with a dense layer; in a study a step. A multilayer perceptron by default.
    method : {'coral', 'dann'}
        ``coral``: means and covariances of the domains are drawn together (:func:`thymos.nn.alignment.coral_distance`),
        which wants several samples of several domains in a batch. ``dann``: a critic learns to name the domain, and
        the network to leave it in the dark, by a gradient that is turned round and grows in the course of training.
    domain : str
        Column of the metadata that names the domains. Arrays without metadata are one domain, of which nothing can be
        aligned.
    strength : float
        What the alignment counts beside the loss; 0 for none.
    hidden : int
        Width of the critic of ``dann``.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    domains_ : list of str
        Those of training.
    estimator_ : TorchClassifier
        Fitted; its training loss is that of classes and alignment together.
    history_ : list of dict
        Its epochs.
    n_parameters_ : int
        Of the network, without the critic.
    n_features_in_ : int

    Raises
    ------
    InputError
        From `fit`, if the estimator is no such network, a parameter makes no sense, the metadata lack the column or
        hold a single domain, or samples are weighted.

    Notes
    -----
    Sun and Saenko (2016), Deep CORAL; Ganin et al. (2016), Domain-adversarial training of neural networks; for several
    training domains and none of the test after Gulrajani and Lopez-Paz (2021).
    """

    def __init__(
        self,
        estimator: Any = None,
        method: str = "coral",
        domain: str = "subject",
        strength: float = 1.0,
        hidden: int = 64,
    ):
        self.estimator = estimator
        self.method = method
        self.domain = domain
        self.strength = strength
        self.hidden = hidden

    def fit(
        self, X: np.ndarray, y: Any, validation: Any = None, meta: pd.DataFrame | None = None
    ) -> DomainAlignedClassifier:
        """Train the network on all domains.

        Parameters
        ----------
        X : ndarray, shape (n_samples, ...)
        y : array-like, shape (n_samples,)
        validation : Samples or (X, y), optional
            Decides when to stop, by classes alone.
        meta : DataFrame, optional
            Metadata with the domains.
        """
        if self.method not in ALIGNMENTS:
            raise InputError(
                f"method={self.method!r} came.{near(self.method, ALIGNMENTS)}", fits=f"one of {', '.join(ALIGNMENTS)}"
            )
        check_number("strength", self.strength)
        check_layers({"hidden": self.hidden})
        network, X, y = self._begin(X, y)
        self.domains_, codes = self._domains(meta, len(X))
        ready = network.prepare(X, y, validation, meta)
        if ready.weight is not None:
            raise InputError(
                "Weighted samples came to a network whose domains are aligned.", fits="samplers that give no weights"
            )
        if len(self.domains_) > 1 and self.strength:
            each = network.batch_size / len(self.domains_)
            if self.method == "coral" and each < _ENOUGH:
                wanted = math.ceil(_ENOUGH * len(self.domains_))
                warnings.warn(
                    f"A batch of {network.batch_size} holds {each:.1f} samples of each of {len(self.domains_)} "
                    f"domains, of which covariances are mostly noise: batch_size={wanted} would be enough.",
                    stacklevel=2,
                )
            n_steps = network.max_epochs * math.ceil(len(X) / network.batch_size)
            ready = replace(
                ready,
                y=np.stack([ready.y, codes], axis=1),
                criterion=partial(self._loss, ready.criterion),
                around=partial(self._around, n_steps=n_steps),
            )
        self.estimator_ = network.fit_prepared(ready)
        self.history_, self.n_parameters_ = network.history_, network.n_parameters_
        return self

    def _domains(self, meta: pd.DataFrame | None, n_samples: int) -> tuple[list[str], np.ndarray]:
        """Return the names of the domains, and the number of the domain of each sample."""
        if meta is None:
            return [""], np.zeros(n_samples, dtype=np.int64)
        if self.domain not in meta or len(meta) != n_samples:
            raise InputError(
                f"domain={self.domain!r} came for metadata of {len(meta)} rows with {', '.join(meta)}.",
                fits="a column of the metadata, one row for each sample",
            )
        column = meta[self.domain].astype(str).to_numpy(dtype=str)
        names = np.unique(column[column != ""])  # generated samples are of nobody
        codes = np.where(column == "", -1, np.searchsorted(names, column))
        if len(names) < 2:
            raise InputError(
                f"All samples of training are of one {self.domain}: {', '.join(names) or 'none'}.",
                fits="two domains or more, or another column",
                do="leave the alignment out where the training part is a single domain",
            )
        return names.tolist(), codes

    def _loss(self, criterion: Callable[[], nn.Module]) -> nn.Module:
        return AlignedLoss(criterion(), self.method, len(self.classes_), self.strength)

    def _around(self, network: nn.Module, n_steps: int) -> nn.Module:
        head = last_dense(network)
        if head is None or network.get_submodule(head).out_features != len(self.classes_):
            raise InputError(
                f"The network of {type(self.estimator).__name__} does not end with a dense layer.",
                fits="one that does, such as mlp, dgcnn or physio_lstm",
            )
        layer = cast(nn.Linear, network.get_submodule(head))
        return AlignedNet(network, layer, self.method, len(self.domains_), self.hidden, n_steps)
