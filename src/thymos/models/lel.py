"""LEL, the Lipschitz-constrained ensemble of four branches on EEG windows (Gong et al. 2025)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from thymos.base.bands import band_members, check_bands
from thymos.base.catalogue import near
from thymos.base.checks import check_number, check_whole
from thymos.base.errors import InputError
from thymos.models.convnets import ConvNetClassifier
from thymos.nn.attention import CONSTRAINTS
from thymos.nn.lel import BRANCHES, LELNet, Settings, fit_fusion
from thymos.nn.lel_certified import CertifiedLEL
from thymos.nn.lipschitz import empirical_lipschitz, local_lipschitz
from thymos.training.estimator import MONITORS, Prepared, check_layers
from thymos.training.parts import trials_of

__all__ = ["BranchLoss", "LELClassifier"]

_CHOICES = {
    "constraint": (*CONSTRAINTS, "code"),
    "projections": ("linear", "mlp"),
    "scaling": ("bound", "set"),
    "graph": ("learnt", "fixed"),
    "fusion": ("learnt", "average", "vote", "joint"),
}
# what may decide beside the loss, by its column of the history
_SCORES = {"valid_accuracy": accuracy_score, "valid_macro_f1": partial(f1_score, average="macro")}


class BranchLoss(nn.CrossEntropyLoss):
    """Cross-entropy of each branch, summed over branches; of one set of logits it is cross-entropy as usual."""

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of logits, (batch, n_branches, n_classes) or (batch, n_classes)."""
        if logits.ndim == 2:
            return super().forward(logits, target)
        each = (super(BranchLoss, self).forward(branch, target) for branch in logits.unbind(dim=1))
        return cast(torch.Tensor, sum(each))


class LELClassifier(ConvNetClassifier):
    """Classes from EEG windows by four branches with constrained layers (LEL; Gong et al. 2025).

    Give it windows in volts, ``(n_samples, n_channels, n_times)``: it standardises channels by itself, by means and
    deviations of the training windows. Any number of channels, length, rate and classes will do; a window of one second
    is advised.

    Parameters
    ----------
    branches : sequence of str
        Of ``global`` (convolutions, graph of channels, attention between points of time), ``energy`` (energies of the
        bands on a graph of the electrodes), ``features`` (energies and adaptive weights), ``magnitude`` (spectra).
        Each works alone.
    bands : str or mapping of str to (low, high)
        In Hz, half-open, or a set of :data:`thymos.base.bands.BANDS`. Those of the code are delta 0.5-4, theta 4-8,
        alpha 8-13, beta 13-30, gamma 30-45.
    bound_spectral, bound_attention, bound_affine, bound_linear : float, optional
        The Lipschitz constants K_sp, K_att, K_aff, K_lin; ``None`` takes a constraint away. Paper: 1 each. Code: one
        constant, 10.
    constraint : {'clamp', 'norm', 'rownorm', 'none', 'l2', 'code'}
        Of attention scores, see :class:`~thymos.nn.attention.ConstrainedAttention`. Paper: ``clamp``. ``code``:
        ``norm`` in the blocks and ``rownorm`` in the refinement.
    projections : {'linear', 'mlp'}
        Queries, keys and values: paper ``linear``, code ``mlp``.
    scaling : {'bound', 'set'}
        Weights beyond a constant are scaled down (paper); all are scaled to it, those of channels left alone (code).
    graph : {'learnt', 'fixed'}
        Weights of the graph convolutions: paper ``learnt``; in the code they are random and stay so.
    position : bool
        Add the sinusoidal code of time to the tokens. Code: built, never added.
    reconstruct : bool
        Give branch 1 the weighted bands, mixed with the window (equations 8 and 9). Code: computed and not used.
    logit_norm : float, optional
        Standardise the logits of each branch and bound their norm, as the code does (with 10, which has no effect but
        a temperature).
    fusion : {'learnt', 'average', 'vote', 'joint'}
        Paper ``learnt``: softmax weights, fitted on the validation part after every epoch, with the branches frozen.
        Code ``joint``: four free numbers trained with the branches on the training part. Without a validation part
        ``learnt`` is the average.
    stacking : int
        Learn the weights of the fusion on the training part instead, from predictions of networks that did not see the
        samples: that many folds of the ``groups`` given to `fit` (of rows, where there are none; a study gives what its
        protocol keeps apart), each a training of its own over as many epochs as the network itself was kept at. For
        data too few to spare a validation part. 0 for none.
    penalty : float
        Factor of the squared norm of the fusion's parameters.
    noise : float
        Deviation of noise added in training, as a share of each channel's. Code: 0.2 in raw units.
    dropout : float
        Paper 0.3, code 0.1. But for the certified variant two places have shares of their own, whatever this is: 0.1
        in the networks that relate channels (branches 1 and 2); 0.3, 0.2, then 0.1 in the `refinements`. A `dropout`
        of 0 switches these off too.
    stride : int
        Samples per token of branch 1. Published: 1, at the cost of attention between all samples; 4 is much cheaper.
    blocks, refinements, heads : int
        Of the attention in branch 1: six blocks, three refinements, four heads (fewer where they do not divide twice
        the number of channels).
    hidden : int, optional
        Largest hidden layer of branch 4; ``None`` for a tenth of the input. (The code has 26 million weights there for
        32 channels, because its input holds all bins once for every band, most of them 0.)
    certified : bool
        The variant with a proven Lipschitz constant (:class:`~thymos.nn.lel_certified.CertifiedLEL`): attention by
        distance, root energies, graphs and weights that do not depend on the window, fusion of logits. It takes
        `bound_linear` for all weights; `constraint`, the other constants, `projections`, `scaling`, `graph`,
        `reconstruct` and `logit_norm` have no part in it, and `fusion` is ``learnt`` or ``average``.
    gain : float
        What each residual block of the certified variant may add to the constant, as a share of it.
    measure : int
        Measure the local Lipschitz constant at that many training windows after every epoch; the largest goes into
        ``history_`` as ``lipschitz``. Not for ``vote``, whose probabilities are constant but for steps.
    **training
        As :class:`~thymos.training.estimator.TorchEstimator`; paper: ``lr`` 3e-4, 100 epochs, batches of 128; code:
        1e-3 and 500. `sfreq` is needed.

    Attributes
    ----------
    branches_ : list of str
        Titles of the branches.
    weights_ : ndarray, shape (n_branches,)
        Of the fusion.

    Raises
    ------
    InputError
        From `fit`, if `sfreq` is unknown, a band holds no frequency of the windows, or another parameter is impossible.

    Notes
    -----
    The published programme asks the band extraction for a tenth of the window's length as sampling rate, which leaves
    two of its five bands empty and the others elsewhere; here bands are in true Hz, and an empty one is refused. It
    cuts windows before it splits, and keeps the best epoch by test accuracy; here the validation part decides.
    Constraints bound single layers. Neither they nor clamped attention make the network Lipschitz: measure it with
    :meth:`measured`, and see :meth:`certify` for the variant in which a bound holds.

    References
    ----------
    S. Gong et al. (2025), LEL: Lipschitz continuity constrained ensemble learning for efficient EEG-based
    intra-subject emotion recognition, arXiv:2504.09156.
    """

    # history: `train_loss` is the mean over the branches, to be set beside the loss of the fusion
    losses = {"cross_entropy": BranchLoss}  # noqa: RUF012
    watched = ("lipschitz",)

    module_: LELNet | CertifiedLEL

    def __init__(
        self,
        branches: Sequence[str] = tuple(BRANCHES),
        bands: str | Mapping[str, tuple[float, float]] = "lel",
        bound_spectral: float | None = 1.0,
        bound_attention: float | None = 1.0,
        bound_affine: float | None = 1.0,
        bound_linear: float | None = 1.0,
        constraint: str = "clamp",
        projections: str = "linear",
        scaling: str = "bound",
        graph: str = "learnt",
        position: bool = True,
        reconstruct: bool = False,
        logit_norm: float | None = None,
        fusion: str = "learnt",
        stacking: int = 0,
        penalty: float = 0.1,
        noise: float = 0.1,
        dropout: float = 0.3,
        stride: int = 1,
        blocks: int = 6,
        refinements: int = 3,
        heads: int = 4,
        hidden: int | None = 256,
        certified: bool = False,
        gain: float = 0.2,
        measure: int = 0,
        lr: float = 3e-4,
        batch_size: int = 128,
        max_epochs: int = 100,
        patience: int | None = 20,
        clip: float | None = 5.0,
        **training: Any,
    ):
        super().__init__(lr=lr, batch_size=batch_size, max_epochs=max_epochs, patience=patience, clip=clip, **training)
        self.branches = branches
        self.bands = bands
        self.bound_spectral = bound_spectral
        self.bound_attention = bound_attention
        self.bound_affine = bound_affine
        self.bound_linear = bound_linear
        self.constraint = constraint
        self.projections = projections
        self.scaling = scaling
        self.graph = graph
        self.position = position
        self.reconstruct = reconstruct
        self.logit_norm = logit_norm
        self.fusion = fusion
        self.stacking = stacking
        self.penalty = penalty
        self.noise = noise
        self.dropout = dropout
        self.stride = stride
        self.blocks = blocks
        self.refinements = refinements
        self.heads = heads
        self.hidden = hidden
        self.certified = certified
        self.gain = gain
        self.measure = measure

    @property
    def inner_split(self) -> bool:
        """Whether `fit` splits its training part, and wants the groups that stay together there."""
        return bool(self.stacking)

    def fit(
        self, X: np.ndarray, y: Any, validation: Any = None, groups: Any = None, meta: pd.DataFrame | None = None
    ) -> LELClassifier:
        """Train; see :meth:`TorchEstimator.fit`.

        Parameters
        ----------
        X, y, validation, meta
            As there.
        groups : array-like, shape (n_samples,), optional
            What stays together in the folds of `stacking`; otherwise the trials of `meta`, or each sample by itself.
        """
        check_whole("stacking", self.stacking, 0)
        folds = self._folds(np.asarray(y), groups, meta) if self.stacking > 1 else []
        super().fit(X, y, validation, meta=meta)
        if folds:
            self._stack(np.asarray(X), np.asarray(y), folds, meta)
        return self

    def _folds(self, y: np.ndarray, groups: Any, meta: pd.DataFrame | None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows that are trained on and those that are held back, for stacking."""
        keys = _groups(trials_of(meta, len(y)) if groups is None else groups, len(y))
        if len(np.unique(keys)) < self.stacking:
            raise InputError(
                f"stacking={self.stacking} came for {len(np.unique(keys))} groups.",
                fits="no more folds than groups",
                do="choose fewer folds, or learn the fusion on a validation part (stacking=0)",
            )
        splitter = StratifiedGroupKFold(self.stacking, shuffle=True, random_state=check_random_state(self.random_state))
        folds = list(splitter.split(y, y, keys))
        if any(len(np.unique(y[train])) < len(np.unique(y)) for train, _ in folds):
            raise InputError(
                f"stacking={self.stacking} leaves a class out of training.",
                fits="at least two groups of every class",
                do="choose fewer folds, or learn the fusion on a validation part (stacking=0)",
            )
        return folds

    def _stack(
        self, X: np.ndarray, y: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]], meta: pd.DataFrame | None
    ) -> None:
        """Learn the fusion from the logits that networks give to samples they did not see."""
        fusion = self.module_.fusion
        logits = torch.empty(len(y), len(self.branches), len(self.classes_), dtype=torch.float64)
        for train, held in folds:
            other = clone(self).set_params(stacking=0, fusion="average", measure=0, max_epochs=self.best_epoch_)
            mine = None if meta is None else meta.iloc[train]
            logits[held] = other.fit(X[train], y[train], meta=mine)._outputs(X[held], "logits")
        device = fusion.theta.device
        criterion = self._criterion(BranchLoss, y, str(device))()
        codes = torch.from_numpy(self._encode(y)).to(device)
        fit_fusion(fusion, logits.to(device), codes, steps=500, penalty=self.penalty, criterion=criterion)
        self.weights_ = fusion.weights.detach().cpu().numpy()

    def build(self, shape: tuple[int, ...], n_outputs: int) -> LELNet | CertifiedLEL:
        """Return a new network for windows of shape (n_channels, n_times)."""
        settings = self._settings(shape, n_outputs)
        if self.certified:
            return CertifiedLEL(settings, tuple(self.branches), self.fusion, self.noise, self.gain)
        return LELNet(settings, tuple(self.branches), self.fusion, self.logit_norm, self.noise)

    def begin(self, module: nn.Module, X: torch.Tensor) -> None:
        """Let a new network learn the scales of the training windows."""
        cast("LELNet | CertifiedLEL", module).begin(X)

    def watchers(self, ready: Prepared) -> list[Callback]:
        """Return what acts after every epoch: the fusion's weights are fitted, the constant is measured."""
        found: list[Callback] = [] if self.fusion == "joint" else [_PerBranch(len(self.branches))]
        learns = self.fusion == "learnt" and not self.stacking
        if learns and ready.held is not None and len(self.branches) > 1:
            found.append(_FitFusion(torch.from_numpy(ready.held[1]), self.penalty, MONITORS[self.monitor][0]))
        if self.measure:
            rows = np.random.default_rng(ready.seed).permutation(len(ready.X))[: self.measure]
            found.append(_Measure(torch.from_numpy(ready.X[np.sort(rows)])))
        return found

    def finish(self, module: nn.Module, history: list[dict[str, Any]], best_epoch: int | None) -> LELClassifier:
        """Take over a trained network; see :meth:`TorchEstimator.finish`."""
        super().finish(module, history, best_epoch)
        self.branches_ = [BRANCHES[name] for name in self.branches]
        self.weights_ = self.module_.fusion.weights.detach().cpu().numpy()
        return self

    def branch_probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return the class probabilities of each branch by itself, shape (n_samples, n_branches, n_classes)."""
        return self._outputs(X, "logits").softmax(dim=-1).numpy()

    def embed(self, X: np.ndarray) -> np.ndarray:
        """Return the hidden layers of all branches side by side, shape (n_samples, n_units)."""
        return self._outputs(X, "hidden").float().numpy()

    def relations(self, X: np.ndarray) -> np.ndarray:
        """Return how much each electrode (rows) takes from each, shape (n_samples, n_channels, n_channels).

        It is the adjacency of the branch ``energy``, whose rows sum to 1.

        Raises
        ------
        InputError
            If the ensemble lacks that branch.
        """
        if "energy" not in self.branches:
            raise InputError(
                "Relations of electrodes are learnt by the branch 'energy', which is missing.",
                fits=f"branches with 'energy', not {self.branches!r}",
            )
        return self._outputs(X, "relations").float().numpy()

    def measured(
        self, X: np.ndarray, steps: int = 50, scales: Sequence[float] = (), random_state: int = 0
    ) -> pd.DataFrame:
        """Measure the Lipschitz constant at some windows (methods B2.8).

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_channels, n_times)
        steps : int
            Of the attack.
        scales : sequence of float
            Measure the first attention by itself too, at the tokens it is given, multiplied by each.
        random_state : int

        Returns
        -------
        DataFrame
            For each branch (its logits) and for the ``ensemble`` (log-probabilities; logits of the certified variant):
            ``where, sample, local, attack``, from the standardised window. For the
            ``attention``: its ``scale``, and no attack.
        """
        x, module = self._standardised(X), self.module_
        mean, scale = module.spectrum.mean, module.spectrum.scale
        check_whole("steps", steps, 0)
        scales = _numbers("scales", scales)

        def of(branch: int) -> Callable[[torch.Tensor], torch.Tensor]:
            return lambda z: module.logits(z * scale + mean)[:, branch]

        functions = {name: of(branch) for branch, name in enumerate(self.branches_)}
        if self.fusion != "vote":  # votes do not change but for steps
            functions["ensemble"] = lambda z: module(z * scale + mean)
        tables = []
        for name, function in functions.items():
            found = empirical_lipschitz(function, x, steps=steps, random_state=random_state)
            columns = {"local": found.local.cpu().numpy(), "attack": found.attack.cpu().numpy()}
            tables.append(pd.DataFrame({"where": name, "sample": np.arange(len(x)), "scale": 1.0, **columns}))
        for factor in scales if "global" in self.branches and self.blocks else ():
            attention, tokens = module.attention(x * scale + mean)
            generator = torch.Generator(device=x.device).manual_seed(random_state)
            local = local_lipschitz(attention, factor * tokens, generator=generator).cpu().numpy()
            about = {"sample": np.arange(len(x)), "scale": factor, "local": local, "attack": np.nan}
            tables.append(pd.DataFrame({"where": "attention", **about}))
        return pd.concat(tables, ignore_index=True)

    def bounds(self) -> dict[str, float]:
        """Return the proven constant of each branch and of the ``ensemble``; none but of the certified variant."""
        check_is_fitted(self)
        if not self.certified:
            return {}
        found = cast(CertifiedLEL, self.module_).lipschitz()
        return {BRANCHES.get(name, name): value for name, value in found.items()}

    def certify(self, X: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
        """Return how far each window may move before the predicted class can change (methods B2.8).

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_channels, n_times)
        groups : ndarray, shape (n_samples,), optional
            Trials, about each of which one decision is made, from the mean of the logits of its windows. None of them
            may move further then.

        Returns
        -------
        DataFrame
            One row per window, or per trial in sorted order: ``predicted`` (code of the class), ``margin`` between its
            logit and the next, ``radius``, ``margin / (sqrt(2) L)`` with the proven constant L, in the Euclidean norm
            of the window divided by the deviation of each channel, and ``rms``, the root mean square of any
            disturbance, in the unit of the windows, that is certain to stay within the radius.

        Raises
        ------
        InputError
            If this is not the certified variant.
        """
        check_is_fitted(self)
        if not self.certified:
            raise InputError(
                "A bound is proven for the certified variant only.",
                fits="certified=True",
                do="measure what this one has: measured(X)",
            )
        logits, module = self._outputs(X), cast(CertifiedLEL, self.module_)
        if groups is not None:
            names, group = np.unique(_groups(groups, len(logits)), return_inverse=True)
            share = np.equal.outer(np.arange(len(names)), group).astype(float)
            logits = torch.from_numpy(share / share.sum(axis=1, keepdims=True)) @ logits
        if logits.shape[1] == 1:  # there is no other class
            margin = np.full(len(logits), np.inf)
        else:
            highest = logits.topk(2, dim=1).values
            margin = (highest[:, 0] - highest[:, 1]).numpy()
        radius = margin / (np.sqrt(2) * module.lipschitz()["ensemble"])
        smallest = float(module.spectrum.scale.min()) / np.sqrt(np.prod(self.shape_))
        table = {"predicted": logits.argmax(dim=1).numpy(), "margin": margin, "radius": radius}
        return pd.DataFrame(table | {"rms": radius * smallest})

    def _standardised(self, X: np.ndarray) -> torch.Tensor:
        """Return windows as the network standardises them."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, dtype=np.float32, reset=False)
        self._check_shape(X, "Samples")
        spectrum = self.module_.spectrum
        return spectrum.standardised(torch.from_numpy(np.ascontiguousarray(self.arrange(X))).to(spectrum.scale.device))

    def _settings(self, shape: tuple[int, ...], n_outputs: int) -> Settings:
        """Return what the parts of the network share, or say which parameter is impossible."""
        if self.sfreq is None:
            raise InputError("LEL has bands in Hz and was given no sampling rate.", fits="sfreq in Hz")
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(f"{name}={value!r} came.{near(value, allowed)}", fits=f"one of {', '.join(allowed)}")
        named = isinstance(self.branches, (list, tuple)) and all(isinstance(name, str) for name in self.branches)
        if (
            not named
            or not self.branches
            or set(self.branches) - set(BRANCHES)
            or len(set(self.branches)) < len(self.branches)
        ):
            raise InputError(
                f"branches={self.branches!r} came.", fits=f"one or more of {', '.join(BRANCHES)}, each once"
            )
        bounds = {k: getattr(self, f"bound_{k}") for k in ("spectral", "attention", "affine", "linear")}
        for name, value in {**{f"bound_{k}": b for k, b in bounds.items()}, "logit_norm": self.logit_norm}.items():
            if value is not None:
                check_number(name, value, 1e-9)
        if self.certified and (self.bound_linear is None or self.fusion not in ("learnt", "average")):
            raise InputError(
                f"certified=True came with bound_linear={self.bound_linear!r} and fusion={self.fusion!r}.",
                fits="a number, and the fusion 'learnt' or 'average'",
            )
        whole = {name: getattr(self, name) for name in ("stride", "heads")}
        check_layers(whole if self.hidden is None else {**whole, "hidden": self.hidden}, self.dropout)
        for name in ("blocks", "refinements", "measure", "stacking"):
            check_whole(name, getattr(self, name), 0)
        if (
            self.stacking == 1
            or (self.stacking and self.fusion != "learnt")
            or (self.measure and self.fusion == "vote")
        ):
            raise InputError(
                f"stacking={self.stacking!r} and measure={self.measure!r} came with fusion={self.fusion!r}.",
                fits="stacking of 0, or of two folds or more with the fusion 'learnt'; measure=0 with 'vote'",
            )
        for name in ("noise", "penalty", "gain"):
            check_number(name, getattr(self, name))
        if shape[-1] < 2:
            raise InputError("Windows of one point of time came (n_features = 1).", fits="windows with a spectrum")
        members = band_members(shape[-1], self._rate(), check_bands(self.bands, self._rate()))
        n_channels, n_times = shape
        return Settings(
            n_channels,
            n_times,
            n_outputs,
            torch.from_numpy(members),
            **bounds,
            **{k: getattr(self, k) for k in ("constraint", "projections", "scaling", "graph", "dropout", "stride")},
            **{k: getattr(self, k) for k in ("blocks", "refinements", "heads", "hidden", "reconstruct", "position")},
        )


class _FitFusion(Callback):
    """Fit the weights of the fusion on the validation part after every epoch; what is noted becomes that of the fusion.

    The logits of the branches are caught as the validation pass makes them, so that they are computed once.

    Parameters
    ----------
    y : Tensor of int, shape (n_samples,)
        Classes of the validation part.
    penalty : float
    key : str
        Column of the history that decides which epoch is kept; it is recorded beside the loss.
    """

    def __init__(self, y: torch.Tensor, penalty: float, key: str):
        self.y = y
        self.penalty = penalty
        self.key = key

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.hook_ = net.module_.fusion.register_forward_pre_hook(lambda module, given: self.caught_.append(given[0]))

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.caught_: list[torch.Tensor] = []

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        logits = torch.cat(self.caught_)  # fitting calls the fusion too, and is caught for nothing
        y = self.y.to(logits.device)
        fused = fit_fusion(net.module_.fusion, logits, y, penalty=self.penalty, criterion=net.criterion_)
        net.history.record("valid_loss", float(net.criterion_(fused, y)))
        if self.key in _SCORES:
            net.history.record(self.key, float(_SCORES[self.key](self.y.numpy(), fused.argmax(dim=1).cpu().numpy())))

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self.hook_.remove()


class _Measure(Callback):
    """Note the largest local Lipschitz constant of the ensemble after every epoch.

    Parameters
    ----------
    windows : Tensor, shape (n_samples, n_channels, n_times)
    """

    def __init__(self, windows: torch.Tensor):
        self.windows = windows

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        module = copy.deepcopy(net.module_).eval()  # evaluation projects weights; training goes on with its own
        spectrum = module.spectrum
        waves = spectrum.standardised(self.windows.to(spectrum.scale.device))
        generator = torch.Generator(device=waves.device).manual_seed(0)
        found = local_lipschitz(lambda z: module(z * spectrum.scale + spectrum.mean), waves, generator=generator)
        net.history.record("lipschitz", float(found.max()))


class _PerBranch(Callback):
    """Note the training loss as a mean over branches, which a loss of all of them together can be set beside.

    Parameters
    ----------
    count : int
        Branches.
    """

    def __init__(self, count: int):
        self.count = count

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        net.history.record("train_loss", net.history[-1, "train_loss"] / self.count)


def _groups(groups: Any, count: int) -> np.ndarray:
    """Return groups as an array, or say what is wrong with them."""
    keys = np.asarray(groups)
    if keys.shape != (count,) or any(key is None for key in keys.tolist()):
        raise InputError(f"groups of shape {keys.shape} came.", fits=f"one for each of {count} samples")
    return keys.astype(str)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    made = tuple(values) if isinstance(values, (list, tuple, np.ndarray)) else (values,)
    for value in made:
        check_number(name, value)
    return made
