"""Classifiers whose architecture is searched: one for all data, or one for each subject (methods B1.5)."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from thymos.base.checkpoints import checkpoint
from thymos.base.checks import check_number
from thymos.base.errors import InputError
from thymos.base.random import child_seed, generator
from thymos.models.genotype import EEGSearchSpace, Genotype, random_genotype
from thymos.models.per_subject import by_subject, subjects_of, validation_of
from thymos.models.supernet import Architecture, GenotypeNet, Supernet, joined
from thymos.nn.graph import nearness
from thymos.nn.mixed_ops import OPERATIONS, make_operation
from thymos.training.estimator import Prepared, TorchClassifier, check_layers, device_named, reproducible
from thymos.training.parts import held_trials
from thymos.training.pipeline import resample
from thymos.training.search import Found, Part, SearchSchedule, batches_alike, search

__all__ = ["EEGNASClassifier", "PersonalisedSearch"]

_COSTS, _SELECT = ("parameters", "latency"), ("weights", "perturb")
_TIMED = 7  # measurements of an operation, of which the median counts


class EEGNASClassifier(TorchClassifier):
    """Classes from a network whose cells are searched on the training part, and which is then trained from scratch.

    The training part is divided in two, by trial or by what the protocol keeps apart: on one part the weights of a
    network that mixes all operations are learnt, on the other what the operations weigh. The strongest make the network
    (its genotype), which is trained on all training samples and stopped by the validation part. The test part has no
    say in any of it.

    Parameters
    ----------
    positions : array-like, shape (n_channels, 3), optional
        Directions of the electrodes from the middle of the head, for the graph operation; its graph is learnt from
        nothing without them. A study fills them in.
    genotype : {'search', 'random'} or mapping
        Searched; drawn at random, which is what a search has to beat; or given, as `genotype_` of another fit.
    width, cells, nodes, operations
        The search space, see :class:`~thymos.models.genotype.EEGSearchSpace`. All operations by default.
    search_epochs, warmup, search_batch : int
        As :class:`~thymos.training.search.SearchSchedule`, `warmup` at most one less than `search_epochs`; so are the
        next three.
    search_lr, architecture_lr, cost : float
    guard_every : int
    cost_of : {'parameters', 'latency'}
        What `cost` weighs: numbers of parameters, or times measured on this machine, which differ from run to run.
    held : float
        Share of the training trials (or groups) that the architecture is learnt on.
    select : {'weights', 'perturb'}
        Keep the operations of the largest weights, or those whose removal hurts the accuracy on the held trials most
        (Wang et al. 2021).
    inherit : bool
        Begin the training of the discrete network with the weights of the search instead of new ones.
    sampler : imbalanced-learn sampler, optional
        Fitted on the part that weights are learnt on, and nothing else; what it makes joins that part, and the samples
        that the discrete network is trained on.
    dropout, path_dropout : float
        Of the discrete network: before the last layer, and of whole edges.
    **training
        As :class:`~thymos.training.estimator.TorchClassifier`, of the discrete network.

    Attributes
    ----------
    genotype_ : dict
        Operations and the states that they are applied to, for each node; of normal and of reduction cells.
    search_history_ : list of dict
        See :class:`~thymos.training.search.Found`; empty where nothing was searched.
    search_stopped_ : str
        Which guard ended the search, if one did.
    search_seconds_ : float
    n_made_ : int
        Samples that the sampler added.
    module_, history_, best_epoch_, selection_, n_parameters_, n_features_in_, classes_
        As :class:`~thymos.training.estimator.TorchClassifier`.

    Raises
    ------
    InputError
        From `fit`, if a parameter does not fit, or a class has too few trials to be divided.

    Notes
    -----
    K. Zhu, Q. Zhao, H. Wang, Y. Zhao: EEG emotion recognition based on masked generative adversarial networks and
    neural architecture search. Preprint, 2026; of which the abstract is public, so that space and search are this
    implementation's, after H. Liu et al. (DARTS, ICLR 2019) and C. Li et al. (IEEE TAFFC 2021).

    Samples have shape (n_samples, n_bands, n_channels, n_windows) or (n_samples, n_channels, n_times), which is one
    band; a table counts as one channel. Each band of each electrode is standardised inside, during the search by
    samples of the part that weights are learnt on.
    """

    #: Whether `fit` splits its training part, and wants the groups that stay together there.
    inner_split: ClassVar[bool] = True
    repeatable: ClassVar[bool] = False  # the architecture, and weights it begins with, were found before
    #: Parameters that a study writes as steps, and the kinds that they may be.
    steps_inside: ClassVar[Mapping[str, tuple[str, ...]]] = {"sampler": ("sampler",)}

    def __init__(
        self,
        positions: Any = None,
        genotype: Any = "search",
        width: int = 16,
        cells: int = 4,
        nodes: int = 3,
        operations: Sequence[str] | None = None,
        search_epochs: int = 30,
        warmup: int = 5,
        search_batch: int = 64,
        search_lr: float = 0.01,
        architecture_lr: float = 3e-4,
        cost: float = 0.0,
        guard_every: int = 1,
        cost_of: str = "parameters",
        held: float = 0.4,
        select: str = "weights",
        inherit: bool = False,
        sampler: Any = None,
        dropout: float = 0.5,
        path_dropout: float = 0.1,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        batch_size: int = 64,
        max_epochs: int = 100,
        patience: int | None = 15,
        label_smoothing: float = 0.05,
        **training: Any,
    ):
        super().__init__(
            lr=lr,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            label_smoothing=label_smoothing,
            **training,
        )
        self.positions = positions
        self.genotype = genotype
        self.width = width
        self.cells = cells
        self.nodes = nodes
        self.operations = operations
        self.search_epochs = search_epochs
        self.warmup = warmup
        self.search_batch = search_batch
        self.search_lr = search_lr
        self.architecture_lr = architecture_lr
        self.cost = cost
        self.guard_every = guard_every
        self.cost_of = cost_of
        self.held = held
        self.select = select
        self.inherit = inherit
        self.sampler = sampler
        self.dropout = dropout
        self.path_dropout = path_dropout

    def fit(
        self, X: np.ndarray, y: Any, validation: Any = None, groups: Any = None, meta: pd.DataFrame | None = None
    ) -> EEGNASClassifier:
        """Search and train; see :meth:`TorchEstimator.fit`.

        Parameters
        ----------
        X, y, validation
            As there.
        groups : array-like, shape (n_samples,), optional
            What stays whole where the training part is divided, such as the clip of each sample; trials by default.
            Where a class would be missing on one side, trials are dealt after all, with a warning. Rows count as
            independent without groups and metadata.
        meta : DataFrame, optional
            Metadata of the samples, which are handed to the sampler.
        """
        begin = time.perf_counter()
        trained = self._divided(X, y, validation, groups, meta)
        found, genotype = self._find(trained)
        self.genotype_: dict[str, Any] | None = genotype.to_dict()
        self.search_history_, self.search_stopped_ = (found.history, found.stopped) if found else ([], "")
        self.search_seconds_, self.n_made_ = time.perf_counter() - begin, len(trained.more_y)
        self._inherited = found.weights if found and self.inherit else None
        X, y, meta = trained.whole(np.asarray(X), np.asarray(y))
        super().fit(X, y, validation, meta=meta)
        del self._inherited
        return self

    def build(self, shape: tuple[int, ...], n_outputs: int) -> nn.Module:
        """Return a new network of the genotype for samples of shape (n_bands, n_channels, n_windows)."""
        return self._network(Genotype.of(cast("dict[str, Any]", self.genotype_)), shape, n_outputs)

    def begin(self, module: nn.Module, X: torch.Tensor) -> None:
        """Let a new network learn the scales of the training samples, and take weights over where that is wanted."""
        made = cast(GenotypeNet, module)
        made.begin(X)
        if self._inherited is not None:
            made.inherit(self._inherited)

    def arrange(self, X: np.ndarray) -> np.ndarray:
        """Return shape (n_samples, n_bands, n_channels, n_windows)."""
        X = X[:, None] if X.ndim == 2 else X
        return X[:, None] if X.ndim == 3 else X

    def _network(self, genotype: Genotype, shape: tuple[int, ...], n_outputs: int) -> GenotypeNet:
        adjacency = self._adjacency(shape[1])
        sizes = cast("tuple[int, int, int]", shape)
        return GenotypeNet(genotype, self.space(), sizes, n_outputs, adjacency, self.dropout, self.path_dropout)

    def space(self) -> EEGSearchSpace:
        """Return what is searched, or drawn from."""
        names = tuple(OPERATIONS) if self.operations is None else self.operations
        return EEGSearchSpace(self.width, self.cells, self.nodes, names)

    def _adjacency(self, n_channels: int) -> torch.Tensor:
        """Return how near electrodes are, zeros where nobody knows."""
        if self.positions is None:
            return torch.zeros(n_channels, n_channels)
        try:
            positions = np.asarray(self.positions, dtype=np.float32)
        except (TypeError, ValueError):
            raise InputError(f"positions={self.positions!r} came.", fits=f"({n_channels}, 3) numbers") from None
        if positions.shape != (n_channels, 3) or not np.isfinite(positions).all():
            raise InputError(f"positions of shape {positions.shape} came.", fits=f"({n_channels}, 3), finite")
        return nearness(torch.from_numpy(positions))

    def _schedule(self, **own: Any) -> SearchSchedule:
        given = {
            "epochs": self.search_epochs,
            "warmup": self.warmup,
            "batch_size": self.search_batch,
            "lr": self.search_lr,
            "lr_least": self.search_lr / 10,
            "architecture_lr": self.architecture_lr,
            "cost": self.cost,
            "guard_every": self.guard_every,
        }
        made = {**given, **own}
        made["warmup"] = min(made["warmup"], made["epochs"] - 1)  # else no architecture would be learnt
        return SearchSchedule(**made)

    def _divided(self, X: Any, y: Any, validation: Any, groups: Any, meta: pd.DataFrame | None) -> _Divided:
        """Check everything, divide the training samples, and let the sampler add to the part for weights."""
        self._check_search()
        ready = self.prepare(X, y, validation)
        labels = self.classes_[ready.y]
        groups = None if groups is None else np.asarray(groups).astype(str)
        if groups is not None and groups.shape != (len(labels),):
            raise InputError(f"groups of shape {groups.shape} came.", fits=f"one for each of {len(labels)} samples")
        if meta is None and groups is not None:
            meta = pd.DataFrame({"trial": groups})
        if meta is not None and (len(meta) != len(labels) or "trial" not in meta):
            raise InputError(
                f"Metadata with {len(meta)} rows and the columns {', '.join(meta)} came for {len(labels)} samples.",
                fits="one row for each sample, with its trial",
            )
        trials = np.arange(len(labels)).astype(str)
        subjects = np.zeros(len(labels), dtype=int)
        if meta is not None:
            trials = meta["trial"].astype(str).to_numpy(dtype=str)
        if meta is not None and "subject" in meta:
            subjects = np.unique(meta["subject"].astype(str).to_numpy(dtype=str), return_inverse=True)[1]
        held = self._held(trials if groups is None else groups, trials, subjects, ready)
        made = _Divided(ready, np.flatnonzero(~held), np.flatnonzero(held), subjects, meta)
        if self.sampler is not None:
            rows = made.rows
            part = None if meta is None else meta.iloc[rows].reset_index(drop=True)
            sampler = clone(self.sampler)
            parameters = sampler.get_params(deep=False)
            if "random_state" in parameters and parameters["random_state"] is None:
                sampler.set_params(random_state=child_seed(ready.seed, "sampler"))
            more, more_y, table = resample(sampler, np.asarray(X)[rows], labels[rows], part)
            more_meta = None if table is None else table.iloc[len(rows) :]
            made = replace(made, more=more[len(rows) :], more_y=more_y[len(rows) :], more_meta=more_meta)
        return made

    def _held(self, groups: np.ndarray, trials: np.ndarray, subjects: np.ndarray, ready: Prepared) -> np.ndarray:
        """Say which samples the architecture is learnt on: a share of the groups, or else of the trials."""
        rng, codes, count = generator(ready.seed, "inner split"), ready.y, len(self.classes_)
        within_people = subjects * count + codes
        ways = [(trials, within_people), (trials, codes)]  # the second: one trial of a class each, but several people
        if not np.array_equal(groups, trials):
            ways.insert(0, (groups, _usual(groups, codes, count)))
        for names, strata in ways:
            held = held_trials(names, strata, self.held, rng)
            if all(len(np.unique(codes[side])) == count for side in (held, ~held)):
                if names is not groups and len(ways) > 2:
                    warnings.warn(
                        "Too few groups: architectures are learnt on other trials of the same groups.", stacklevel=2
                    )
                return held
        if self._searches():
            raise InputError(
                "The training part cannot be divided: some class has one trial only (without trials, one sample).",
                fits="two trials of every class at least",
                do="choose fewer folds, or give a genotype",
            )
        return held

    def _searches(self) -> bool:
        """Say whether anything is searched."""
        return self.genotype == "search"

    def _find(self, trained: _Divided) -> tuple[Found | None, Genotype]:
        """Return the population's search, if there was one, and the genotype for all."""
        if isinstance(self.genotype, Mapping):
            return None, Genotype.of(self.genotype)
        if self.genotype == "random":
            return None, random_genotype(self.space(), generator(trained.ready.seed, "random genotype"))
        (found,), genotypes = self._search([self._part(trained, slice(None))], self._schedule(), trained.ready, "all")
        return found, genotypes[0]

    def _part(self, trained: _Divided, subject: int | slice) -> Part:
        """Return what a search learns from: of all, or of one subject, standardised with all samples for weights."""
        ready = trained.ready
        mean, scale = trained.scales

        def mine(owners: np.ndarray) -> np.ndarray:
            return np.ones(len(owners), dtype=bool) if isinstance(subject, slice) else owners == subject

        rows, others = (r[mine(trained.subjects[r])] for r in (trained.rows, trained.held))
        X, y, weight = ready.X[rows], ready.y[rows], np.ones(len(rows), dtype=np.float32)
        if trained.more is not None and len(trained.more_y):
            more = mine(trained.more_subjects)
            X = np.concatenate([X, self.arrange(trained.more[more])])
            y = np.concatenate([y, self._encode(trained.more_y[more])])
            weight = np.concatenate([weight, trained.more_weight[more]])
        seed = child_seed(ready.seed, "search", "all" if isinstance(subject, slice) else subject)
        own, held = (((values - mean) / scale).astype(np.float32) for values in (X, ready.X[others]))
        return Part(own, y, held, ready.y[others], seed, weight)

    def _search(
        self,
        parts: list[Part],
        schedule: SearchSchedule,
        ready: Prepared,
        stage: str,
        begin: Found | None = None,
    ) -> tuple[list[Found], list[Genotype]]:
        """Search, for all parts in as few passes as their sizes allow; from `begin` on, or anew."""
        space, shape, device = self.space(), ready.X.shape[1:], device_named(self.device)
        adjacency, n_outputs = self._adjacency(shape[1]), ready.n_outputs
        found: list[Any] = [None] * len(parts)
        genotypes: list[Any] = [None] * len(parts)
        price = self._price(shape, adjacency) if self.cost else None
        for numbers in batches_alike(parts, schedule.batch_size):
            own = [parts[k] for k in numbers]
            with reproducible(own[0].seed, "cpu"):
                if begin is None:
                    states = []
                    for part in own:  # each as if it were alone
                        torch.manual_seed(part.seed)
                        net, arch = Supernet(space, shape, n_outputs, adjacency), Architecture(space)
                        states.append((net.state_dict(), arch.state_dict()))
                else:
                    states = [(begin.weights, begin.architecture)] * len(own)
                network = Supernet(space, shape, n_outputs, adjacency, len(own))
                architecture = Architecture(space, len(own))
            network.load_state_dict(joined([weights for weights, _ in states]))
            architecture.load_state_dict(joined([table for _, table in states]))
            arrays = [a for p in own for a in (p.X, p.y, p.held_X, p.held_y, p.weight)]
            facts = [space, schedule, self.cost_of if self.cost else "", adjacency.numpy(), [p.seed for p in own]]
            before = () if begin is None else (*begin.architecture.values(), *begin.weights.values())
            facts += [n_outputs, *(value.numpy() for value in before)]
            results = search(
                network,
                architecture,
                own,
                schedule,
                lambda table: [g.operations().count("skip") for g in table.genotypes()],
                None if price is None else lambda table: _priced(table, price),
                device,
                self.deterministic,
                checkpoint(f"search-{stage}", *facts, *arrays),
            )
            for number, part, result in zip(numbers, own, results, strict=True):
                found[number] = result
                genotypes[number] = self._discrete(result, part, shape, adjacency, n_outputs, device)
        return found, genotypes

    def _discrete(
        self, found: Found, part: Part, shape: tuple, adjacency: torch.Tensor, n_outputs: int, device: str
    ) -> Genotype:
        architecture = Architecture(self.space())
        architecture.load_state_dict(found.architecture)
        if self.select == "perturb":
            network = Supernet(self.space(), shape, n_outputs, adjacency)
            network.load_state_dict(found.weights)
            _perturb(network.to(device), architecture.to(device), part, self.search_batch)
        return architecture.genotypes()[0]

    def _price(self, shape: tuple[int, ...], adjacency: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the cost of each operation, the largest being 1, for normal and for reduction cells."""
        space, made = self.space(), {}
        values: list[float]
        for kind, width in reversed(space.plan()):
            operations = [make_operation(name, 1, width, adjacency) for name in space.operations]
            if self.cost_of == "parameters":
                values = [sum(p.numel() for p in operation.parameters()) for operation in operations]
            else:
                x = torch.randn(1, width, *shape[1:], 64)
                values = [_seconds(partial(operation, x, x)) for operation in operations]
            made[kind] = torch.tensor(values, dtype=torch.float32) / (max(values) or 1.0)
        return made

    def _check_search(self) -> None:
        self.space()
        check_layers({"search_epochs": self.search_epochs}, self.dropout)
        check_layers({}, self.path_dropout)
        named = {"cost_of": _COSTS, "select": _SELECT}
        for name, allowed in named.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name}={getattr(self, name)!r} came.", fits=f"one of {', '.join(allowed)}")
        if isinstance(self.genotype, Mapping):
            Genotype.of(self.genotype)
        elif self.genotype not in ("search", "random"):
            raise InputError(f"genotype={self.genotype!r} came.", fits="search, random, or a genotype as a mapping")
        check_number("held", self.held, 0.01, 0.99)
        for name in ("search_lr", "architecture_lr"):
            check_number(name, getattr(self, name), np.nextafter(0, 1))
        check_number("cost", self.cost)
        check_number("warmup", self.warmup)
        if self.sampler is not None and not (
            hasattr(self.sampler, "fit_resample") and hasattr(self.sampler, "get_params")
        ):
            raise InputError(f"sampler={self.sampler!r} came.", fits="an imbalanced-learn sampler")


class PersonalisedSearch(EEGNASClassifier):
    """A network for each subject: searched for all together first, then for each from there on, all at once.

    Parameters
    ----------
    personal : {'search', 'population', 'random'}
        What a subject's network is: its own search; the architecture found for all; or one drawn at random. The second
        shows what the personal stage adds, the third what searching adds.
    personal_epochs, personal_warmup : int
        Of the search of each subject, which begins with the weights and the architecture of all; the second is at most
        one less than the first. A subject with too few trials to divide keeps that architecture.
    personal_batch : int
        Samples in a step of it. One person's few samples make few steps of large batches.
    personal_lr : float
        Of the architecture; a step moves none of its weights by more.
    prior : float
        Weight of the squared distance from the architecture of all. A weight of it comes to rest where the loss pulls
        with twice `prior` times its distance, however many steps there are; ``moved_`` tells how far that was.
    others : bool
        Also train a network of the architecture of all on everybody's samples, for subjects that are new when it
        predicts. Without it new subjects are refused.
    **search
        As :class:`EEGNASClassifier`.

    Attributes
    ----------
    subjects_ : list of str
    genotypes_ : dict of str to dict
        Genotype of each subject, and of the others under an empty name. ``genotype_`` is that of all, or None.
    searches_ : dict of str to list of dict
        History of each search; the first stage has an empty name.
    stopped_ : dict of str to str
        Which guard ended a search.
    moved_ : dict of str to float
        By how much at most a weight of each person's architecture differs from that of all.
    genotype_, search_seconds_, n_made_, module_, history_, n_parameters_, n_features_in_, classes_
        As :class:`EEGNASClassifier`; ``history_`` has a column ``subject``, ``n_parameters_`` is the mean.

    Notes
    -----
    Source as :class:`EEGNASClassifier`. Subjects are known by the column ``subject`` of the metadata; bare arrays are
    of one person, whose search is that for all. Where the test part holds clips that other people's training parts hold
    too, their consensus is in the architecture: deal folds by stimulus, the same for all.

    Personal searches have steps, batches and a prior of their own (methods B1.5: a rate of 3e-4, 64, five epochs of
    warm-up, a prior of 0.1): one person's windows make so few steps that architectures would hardly move.
    """

    def __init__(
        self,
        personal: str = "search",
        personal_epochs: int = 15,
        personal_warmup: int = 0,
        personal_batch: int = 16,
        personal_lr: float = 3e-3,
        prior: float = 0.01,
        others: bool = True,
        **search: Any,
    ):
        super().__init__(**search)
        self.personal = personal
        self.personal_epochs = personal_epochs
        self.personal_warmup = personal_warmup
        self.personal_batch = personal_batch
        self.personal_lr = personal_lr
        self.prior = prior
        self.others = others

    def fit(
        self, X: np.ndarray, y: Any, validation: Any = None, groups: Any = None, meta: pd.DataFrame | None = None
    ) -> PersonalisedSearch:
        """Search for all, then for each subject, and train a network for each.

        Parameters
        ----------
        X, y, validation, groups, meta
            As :meth:`EEGNASClassifier.fit`; of a validation part with metadata each network is given its subject's.
        """
        begin = time.perf_counter()
        if groups is not None and meta is not None and "subject" in meta and _of_one_each(groups, meta["subject"]):
            groups = None  # whole people on one side would leave them nothing to search with
        trained = self._divided(X, y, validation, groups, meta)
        owners = subjects_of(meta, len(trained.subjects))
        self.subjects_ = np.unique(owners).tolist() if meta is not None else []
        found: Found | None = None
        shared: Genotype | None = None
        if self.others or self.personal != "random":
            found, shared = self._find(trained)
        elif meta is None:
            shared = self._drawn(trained, "")
        genotypes, searches = self._personal(trained, found, shared)
        self.search_seconds_, self.n_made_ = time.perf_counter() - begin, len(trained.more_y)
        names = [*self.subjects_, *([""] if self.others or meta is None else [])]
        every = genotypes if shared is None else [*genotypes, shared]
        self.genotypes_ = {name: g.to_dict() for name, g in zip(names, every, strict=False)}
        self.genotype_ = shared.to_dict() if shared else None
        stages = {"": found, **dict(zip(self.subjects_, searches, strict=True))}
        self.searches_ = {name: stage.history for name, stage in stages.items() if stage}
        self.stopped_ = {name: stage.stopped for name, stage in stages.items() if stage}
        self.moved_ = {name: _apart(cast(Found, stages[name]), cast(Found, found)) for name in self.stopped_ if name}
        module = self.build(trained.ready.X.shape[1:], trained.ready.n_outputs)
        history = self._train(module, trained, np.asarray(X), owners, validation, stages)
        self.finish(module, history, None)
        self.n_parameters_ = round(self.n_parameters_ / len(module.networks))
        self.selection_ = "lowest validation loss of each network" if trained.ready.chosen else "last epoch"
        return self

    def build(self, shape: tuple[int, ...], n_outputs: int) -> _Networks:
        """Return new networks of all genotypes."""
        made = [self._network(Genotype.of(genotype), shape, n_outputs) for genotype in self.genotypes_.values()]
        return _Networks(made)

    def predict_proba(self, X: np.ndarray, meta: pd.DataFrame | None = None) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes), each subject's by its own network.

        Parameters
        ----------
        X : ndarray, shape (n_samples, ...)
        meta : DataFrame, optional
            Metadata with the subjects. Without it, and for subjects that were not in training, the network of all
            answers.

        Raises
        ------
        InputError
            If a subject is new, or unknown, and there is no network of all.
        """
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, dtype=np.float32, reset=False)
        names, networks = list(self.genotypes_), cast(_Networks, self.module_).networks
        return by_subject(
            subjects_of(meta, len(X)),
            names,
            lambda name, mine: self._outputs(X[mine], module=networks[names.index(name)]).softmax(dim=1).numpy(),
        )

    def predict(self, X: np.ndarray, meta: pd.DataFrame | None = None) -> np.ndarray:
        """Return the most probable class of each sample, shape (n_samples,); see :meth:`predict_proba`."""
        codes = self.predict_proba(X, meta).argmax(axis=1)
        return self.classes_[codes]

    def _check_search(self) -> None:
        super()._check_search()
        if self.personal not in ("search", "population", "random"):
            raise InputError(f"personal={self.personal!r} came.", fits="search, population or random")
        check_layers({"personal_epochs": self.personal_epochs})
        check_number("personal_warmup", self.personal_warmup)

    def _searches(self) -> bool:
        return super()._searches() and (self.personal != "random" or self.others)

    def _personal(
        self, trained: _Divided, found: Found | None, shared: Genotype | None
    ) -> tuple[list[Genotype], list[Found | None]]:
        """Return genotype and search of each subject."""
        count = len(self.subjects_)
        if self.personal == "random":
            return [self._drawn(trained, name) for name in self.subjects_], [None] * count
        assert shared is not None
        if self.personal == "population" or found is None:
            return [shared] * count, [None] * count
        parts = {number: self._part(trained, number) for number in range(count)}
        parts = {number: part for number, part in parts.items() if len(part.y) and len(part.held_y)}
        own = {"epochs": self.personal_epochs, "warmup": self.personal_warmup, "prior": self.prior}
        schedule = self._schedule(**own, batch_size=self.personal_batch, architecture_lr=self.personal_lr)
        made = self._search(list(parts.values()), schedule, trained.ready, "each", found)
        searches = dict(zip(parts, made[0], strict=True))
        genotypes = dict(zip(parts, made[1], strict=True))
        return [genotypes.get(k, shared) for k in range(count)], [searches.get(k) for k in range(count)]

    def _drawn(self, trained: _Divided, name: str) -> Genotype:
        return random_genotype(self.space(), generator(trained.ready.seed, "random", name))

    def _train(
        self,
        module: _Networks,
        trained: _Divided,
        X: np.ndarray,
        owners: np.ndarray,
        validation: Any,
        stages: Mapping[str, Found | None],
    ) -> list[dict[str, Any]]:
        """Train each network in its place; return the epochs of all."""
        whole, labels, meta = trained.whole(X, self.classes_[trained.ready.y])
        if self.subjects_:  # else there is one network, of everybody
            owners = np.concatenate([owners, np.array(self.subjects_)[trained.more_subjects]])
        history = []
        for number, (name, genotype) in enumerate(self.genotypes_.items()):
            mine = np.ones(len(whole), dtype=bool) if name == "" else owners == name
            one = _OfOne(**{k: v for k, v in self.get_params(deep=False).items() if k in _PLAIN})
            one.set_params(genotype=genotype, sampler=None, random_state=child_seed(trained.ready.seed, "net", name))
            one.known, one.begun = self.classes_, None
            stage = stages.get(name) or stages.get("")
            if self.inherit and stage is not None:
                one.begun = stage.weights
            part = None if meta is None else meta[mine].reset_index(drop=True)
            one.train(whole[mine], labels[mine], validation_of(validation, name), part)
            module.networks[number] = one.module_
            history += [{"subject": name, **epoch} for epoch in one.history_]
        return history


def _apart(found: Found, begun: Found) -> float:
    """Return the largest difference between the weights of two architectures."""
    return max(float((value - begun.architecture[name]).abs().max()) for name, value in found.architecture.items())


def _of_one_each(groups: Any, subjects: pd.Series) -> bool:
    """Say whether every subject's samples are in one group."""
    return len(groups) == len(subjects) and bool((pd.Series(groups).groupby(subjects.to_numpy()).nunique() == 1).all())


class _Networks(nn.Module):
    """The networks of several subjects; as a whole it is the last of them, that of all others."""

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of the last network."""
        return self.networks[-1](x)


class _OfOne(EEGNASClassifier):
    """One network of a genotype, told the classes of all."""

    def train(self, X: np.ndarray, y: np.ndarray, validation: Any, meta: pd.DataFrame | None) -> None:
        """Train without any search."""
        self.genotype_ = dict(self.genotype)
        self._inherited = self.begun
        TorchClassifier.fit(self, X, y, validation, meta=meta)

    def _learn_target(self, y: np.ndarray) -> int:
        self.classes_ = self.known
        return len(self.classes_)


_PLAIN = set(EEGNASClassifier().get_params(deep=False))


@dataclass(frozen=True)
class _Divided:
    """The training samples, which of them weights and architecture are learnt on, and what a sampler added.

    Parameters
    ----------
    ready : Prepared
    rows, held : ndarray of int
        For weights, and for the architecture.
    subjects : ndarray of int, shape (n_samples,)
    meta : DataFrame or None
    more, more_y, more_meta
        Added samples, in the layout of the data, their labels and metadata.
    """

    ready: Prepared
    rows: np.ndarray
    held: np.ndarray
    subjects: np.ndarray
    meta: pd.DataFrame | None
    more: np.ndarray | None = None
    more_y: np.ndarray | tuple[()] = ()
    more_meta: pd.DataFrame | None = None

    @cached_property
    def scales(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each band of each electrode over the real samples for weights."""
        arranged = self.ready.X[self.rows]
        mean, scale = arranged.mean(axis=(0, 3), keepdims=True), arranged.std(axis=(0, 3), keepdims=True)
        return mean, np.where(scale > 0, scale, 1)

    @property
    def more_subjects(self) -> np.ndarray:
        """Subject of each added sample, as a number."""
        if not len(self.more_y) or self.more_meta is None or "subject" not in self.more_meta:
            return np.zeros(len(self.more_y), dtype=int)
        names = np.unique(cast(pd.DataFrame, self.meta)["subject"].astype(str).to_numpy(dtype=str))
        return np.searchsorted(names, self.more_meta["subject"].astype(str).to_numpy(dtype=str))

    @property
    def more_weight(self) -> np.ndarray:
        """What each added sample counts."""
        if self.more_meta is None or "sample_weight" not in self.more_meta:
            return np.ones(len(self.more_y), dtype=np.float32)
        return self.more_meta["sample_weight"].to_numpy(np.float32)

    def whole(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, pd.DataFrame | None]:
        """Return all training samples with those that were added."""
        if not len(self.more_y):
            return X, y, self.meta
        meta = None if self.meta is None else pd.concat([self.meta, self.more_meta], ignore_index=True)
        if meta is not None and "sample_weight" in meta:
            meta["sample_weight"] = meta["sample_weight"].fillna(1.0)
        return np.concatenate([X, self.more]), np.concatenate([y, self.more_y]), meta


def _usual(groups: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Return for each sample the most frequent class of its group."""
    names, number = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), count))
    np.add.at(counts, (number, codes), 1)
    return counts.argmax(axis=1)[number]


def _priced(architecture: Architecture, price: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the expected cost of each model's cells, shape (n_models,)."""
    parts = (architecture.weights(kind)[0] * value.to(architecture.alpha[kind]) for kind, value in price.items())
    return cast(torch.Tensor, sum(part.sum(dim=(1, 2)) for part in parts))


@torch.no_grad()
def _perturb(network: Supernet, architecture: Architecture, part: Part, batch_size: int) -> None:
    """Raise on each edge the operation whose removal costs most accuracy on the held samples (Wang et al. 2021)."""
    network.eval()
    x, y = (torch.from_numpy(part.held_X), torch.from_numpy(part.held_y))

    def judged() -> tuple[float, float]:
        logits = torch.cat([network(b[None].to(_device(network)), architecture)[0].cpu() for b in x.split(batch_size)])
        loss = nn.functional.cross_entropy(logits, y)
        return float((logits.argmax(dim=1) == y).float().mean()), -float(loss)

    for table in architecture.alpha.values():
        learnt, chosen = table.clone(), []
        for edge in range(table.shape[1]):
            after = []
            for number, name in enumerate(network.space.operations):
                table.copy_(learnt)
                table[:, edge, number] = -torch.inf
                after.append((1.0, 0.0) if name == "zero" or len(network.space.operations) == 1 else judged())
            chosen.append(min(range(len(after)), key=after.__getitem__))
        table.copy_(learnt)
        for edge, number in enumerate(chosen):
            table[:, edge, number] = learnt[:, edge].max() + 1


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


@torch.no_grad()
def _seconds(call: Callable[[], Any]) -> float:
    taken = []
    for _ in range(_TIMED):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken))
