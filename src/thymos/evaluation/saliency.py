"""Which electrodes and bands a trained model uses, over many samples and for each prediction.

Integrated gradients follow one network from a baseline to a sample and give every input its share of the output.
Permutation importance exchanges one electrode's share of one band between trials and sees what the predictions lose;
it needs nothing of the method but its predictions. Either shows what a model uses, never where in the brain an emotion
is: muscles, eyes and bad contacts are used gladly, and of two electrodes that say the same a model may use either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy import fft
from sklearn.base import is_regressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from thymos.base.bands import BANDS, band_members, check_bands
from thymos.base.catalogue import near
from thymos.base.checks import check_whole
from thymos.base.errors import InputError, UnfitError
from thymos.base.optional import require
from thymos.base.random import generator
from thymos.base.samples import Samples
from thymos.evaluation.fit import discrete, holds_signals, rated
from thymos.evaluation.many import last_step, predict_all, transformers
from thymos.signals.montage import standard_names
from thymos.signals.scaling import ChannelScaler, Flatten, PickColumns, PickModality
from thymos.signals.topography import TopographicGrid, azimuthal
from thymos.signals.transformer import WindowFeatures

__all__ = [
    "ALL",
    "ELEMENTWISE",
    "REST",
    "Saliency",
    "electrode_places",
    "featured",
    "integrated_gradients",
    "permutation_importance",
]

#: All bands, all electrodes, all samples together.
ALL = "all"
#: What of a signal lies in no band: offset and drifts below, muscles and mains above.
REST = "rest"

_KEPT = ("subject", "session", "trial", "stimulus", "recording", "start", "stop")
_BANDS = "deap"
_SUBJECTS = 8  # from which on errors are over subjects, as everywhere
_TINY = 1e-6  # probabilities are kept this far from 0, as in every log-loss of this room
_SAME = 1e-6
_BLOCK = 2**22  # values of samples in work at once
_AT_ONCE = 2**17  # values a network sees at once, interpolated ones included
_MUCH = 5.0  # percent of the outputs
_FAR = 3.0  # standard deviations at which a baseline of zeros counts as outside of the data

_REARRANGE = (Flatten, PickColumns, TopographicGrid)
#: Transformers that change values one by one, each by numbers of its own.
ELEMENTWISE = (ChannelScaler, StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)


@dataclass(frozen=True, eq=False)
class Saliency:
    """How much a model uses each band of each electrode.

    Parameters
    ----------
    values : ndarray, shape (n_maps, n_bands + 1, n_channels + 1)
        Importance. The last entry of the second axis is all bands together, that of the third all electrodes together.
        These are measured of their own and are no sums of the others.
    error : ndarray of the same shape
        Standard error of `values` over trials, or over subjects where there are at least 8; NaN for a single one.
    spread : ndarray of the same shape
        Standard deviation of `values` over repeats; NaN where nothing was repeated.
    signed : ndarray of the same shape, optional
        Attribution with its sign, which adds up over bands and electrodes; above 0 it speaks for the class.
    maps : tuple of str
        What each map is of: ``all`` samples, or a class.
    bands : tuple of str
        Frequency bands, or other features. For raw signals the last is ``rest``, what lies in no band.
    ch_names : tuple of str
        Electrodes or other channels.
    positions : ndarray, shape (n_channels, 2)
        Place of each electrode, as of :func:`thymos.signals.topography.azimuthal`; NaN where the name has none.
    method, quantity, unit : str
        How it was measured, what, and in which unit.
    notes : tuple of str
        What a reader has to know.
    predictions : DataFrame
        One row per sample: metadata, ``label`` if there are labels, ``predicted``, for classes ``p[<class>]``, and for
        integrated gradients ``residual``, the largest part of an output (in `unit`) that no input was given.
    of_samples : ndarray, shape (n_samples, n_outputs, n_bands + 1, n_channels + 1), float32, optional
        The same for each sample. Maps are means of it.
    signed_of_samples : ndarray of the same shape, optional
    outputs : ndarray, shape (n_samples, n_outputs), optional
        The class that each of these is about.
    """

    values: np.ndarray
    error: np.ndarray
    spread: np.ndarray
    signed: np.ndarray | None
    maps: tuple[str, ...]
    bands: tuple[str, ...]
    ch_names: tuple[str, ...]
    positions: np.ndarray
    method: str
    quantity: str
    unit: str
    notes: tuple[str, ...]
    predictions: pd.DataFrame
    of_samples: np.ndarray | None = None
    signed_of_samples: np.ndarray | None = None
    outputs: np.ndarray | None = None

    @property
    def cells(self) -> np.ndarray:
        """Importance of each band of each electrode, shape (n_maps, n_bands, n_channels)."""
        return self.values[:, :-1, :-1]

    @property
    def by_electrode(self) -> np.ndarray:
        """Importance of whole electrodes, all bands together, shape (n_maps, n_channels)."""
        return self.values[:, -1, :-1]

    @property
    def by_band(self) -> np.ndarray:
        """Importance of whole bands, all electrodes together, shape (n_maps, n_bands)."""
        return self.values[:, :-1, -1]

    def table(self) -> pd.DataFrame:
        """Return one row for each map, band and channel, ``all`` among them.

        Returns
        -------
        DataFrame
            ``map, band, channel, value, error, spread, signed, x, y``; the last two are the electrode's place.
        """
        axes = [list(self.maps), [*self.bands, ALL], [*self.ch_names, ALL]]
        rows = pd.MultiIndex.from_product(axes, names=["map", "band", "channel"]).to_frame(index=False)
        signed = np.full_like(self.values, np.nan) if self.signed is None else self.signed
        columns = {"value": self.values, "error": self.error, "spread": self.spread, "signed": signed}
        places = np.tile(np.r_[self.positions, [[np.nan, np.nan]]], (len(rows) // (len(self.ch_names) + 1), 1))
        return rows.assign(**{k: v.reshape(-1) for k, v in columns.items()}, x=places[:, 0], y=places[:, 1])

    def strongest(self, of: str | None = None, n: int = 5) -> pd.DataFrame:
        """Return the rows of :meth:`table` of the `n` most important cells of a map, the first by default.

        Raises
        ------
        InputError
            If there is no such map.
        """
        of = self.maps[0] if of is None else of
        if of not in self.maps:
            raise InputError(f"There is no map of {of!r}.{near(of, self.maps)}", fits=f"one of {', '.join(self.maps)}")
        rows = self.table()
        rows = rows[(rows["map"] == of) & (rows["band"] != ALL) & (rows["channel"] != ALL)]
        return rows.sort_values("value", ascending=False, kind="stable").head(n).reset_index(drop=True)

    def per_prediction(self, k: int) -> Saliency:
        """Return the maps of sample number `k` alone, from 0.

        Raises
        ------
        InputError
            If there is no such sample.
        """
        count = 0 if self.of_samples is None else len(self.of_samples)
        if self.of_samples is None or not -count <= k < count:
            raise InputError(f"Sample {k} was asked for.", fits=f"a number from 0 to {count - 1}" if count else "")
        return replace(
            self,
            values=self.of_samples[k].astype(float),
            error=np.full(self.of_samples[k].shape, np.nan),
            spread=np.full(self.of_samples[k].shape, np.nan),
            signed=None if self.signed_of_samples is None else self.signed_of_samples[k].astype(float),
            maps=tuple(map(str, cast(np.ndarray, self.outputs)[k])),
            predictions=self.predictions.iloc[[k]].reset_index(drop=True),
            of_samples=None,
            signed_of_samples=None,
            outputs=None,
        )


def integrated_gradients(
    pipeline: Any,
    samples: Samples,
    target: str | None = None,
    baseline: str | np.ndarray = "zero",
    steps: int = 32,
    bands: str | Mapping[str, tuple[float, float]] | Sequence[str] | None = None,
) -> Saliency:
    """Share of each electrode and band in the outputs of a network.

    Samples pass through the fitted transformers. At the input of the network, the attribution of value i of a sample x
    against the baseline b is ``(x_i - b_i)`` times the mean gradient of the output on the straight line from b to x
    (Sundararajan et al. 2017, equation 1). All attributions of a sample add up to ``f(x) - f(b)``.

    The output is the logit of a class less the mean of all logits: what all logits share changes no probability. For
    ratings it is the rating.

    Parameters
    ----------
    pipeline : Pipeline or estimator, fitted
        Its last step is a network (:class:`thymos.training.estimator.TorchEstimator`).
    samples : Samples
        What the pipeline takes. Labels are not needed.
    target : str, optional
        A class; ``all`` for every class; by default the class that is predicted for each sample.
    baseline : {'zero', 'mean'} or ndarray, shape as one input of the network
        ``zero`` is the mean of the training part where the last transformer is a
        :class:`~thymos.signals.scaling.ChannelScaler`, does not depend on which samples are explained together, and
        allows a single one; hence the default. ``mean`` is the mean over `samples`, for inputs that nobody centred.
    steps : int
        Points on the line (Gauss-Legendre).
    bands : str, mapping or sequence of str, optional
        For raw signals a name of :data:`thymos.signals.spectral.BANDS` or bands in Hz that do not overlap. For features
        computed before the pipeline, the names of their second axis. Features of the pipeline know their names.

    Returns
    -------
    Saliency
        ``signed`` is the mean attribution over samples and ``values`` the mean of its absolute value, where the
        attributions of all windows or times of a cell are summed first. Of whole electrodes ``values`` sums the
        absolute attribution of every single input, of whole bands that of every cell.

    Raises
    ------
    MissingExtraError
        If captum is not installed.
    UnfitError
        If the last step is no network, or a transformer mixes electrodes so that its output cannot be led back.
    InputError
        If a parameter does not fit the samples.

    Notes
    -----
    Raw signals have no bands of their own. For a mean gradient g held fixed the attribution is linear in ``d = x - b``,
    so that the part of d in a band has the attribution ``sum over t of d_band(t) g(t)``. By Parseval's theorem this is
    the sum of ``Re D(f) conj(G(f)) / n_times`` over the frequencies of the band: one cross spectrum gives all bands,
    and they and the rest add up to the whole exactly.

    M. Sundararajan, A. Taly, Q. Yan: Axiomatic attribution for deep networks. ICML 2017, section 3; computed by Captum.
    """
    check_whole("steps", steps)
    inputs = _inputs(pipeline, samples, bands)
    network, grid = inputs.network, inputs.grid
    classes = [] if is_regressor(network) else [str(c) for c in network.classes_]
    predicted = predict_all(network, inputs.X, classes)
    chosen = _chosen_outputs(target, predicted, classes)
    start = _baseline(baseline, inputs)

    shape = (*chosen.shape, len(grid.bands) + 1, len(grid.ch_names) + 1)
    values, signed = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    residual, moved = np.zeros(chosen.shape), np.zeros(chosen.shape)
    walk = _Line(network, inputs.arranged(start[None]), steps)
    for rows in _slices(len(samples), walk.size):
        x = inputs.arranged(inputs.X[rows])
        for k in range(chosen.shape[1]):
            gradient, moved[rows, k] = walk(x, chosen[rows, k])
            away, slope = inputs.led_back(x - walk.start, gradient)
            values[rows, k], signed[rows, k] = grid.attributed(away, slope)
            residual[rows, k] = np.abs(moved[rows, k] - signed[rows, k, -1, -1])

    names = np.array(classes)[chosen] if classes else np.full(chosen.shape, "rating")
    maps = _Maps.over(names, (ALL,) if target is None and classes else ())
    typical = np.abs(moved).mean() or 1.0
    missed, most = 100 * np.median(residual) / typical, 100 * residual.max() / typical
    notes = [
        f"What attributions do not account for of an output is {missed:.1f} % of the mean output (median over samples; "
        f"at most {most:.1f} %), with {steps} steps."
    ]
    if isinstance(baseline, str) and baseline == "zero" and inputs.far_from_zero():
        notes.append("Zeros lie outside of the inputs of this network; scale them, or take baseline='mean'.")
    if missed > _MUCH:
        notes.append("That is much: take more steps.")
    mean = maps.mean(values)
    return Saliency(
        values=mean,
        error=maps.error(values, mean, _units(samples.meta)),
        spread=np.full(mean.shape, np.nan),
        signed=maps.mean(signed),
        maps=maps.names,
        bands=grid.bands,
        ch_names=grid.ch_names,
        positions=electrode_places(grid.ch_names),
        method="integrated gradients",
        quantity="absolute attribution",
        unit="logit" if classes else "unit of the rating",
        notes=(*notes, *grid.notes),
        predictions=_predictions(samples, predicted, classes).assign(residual=residual.max(axis=1)),
        of_samples=values,
        signed_of_samples=signed,
        outputs=names,
    )


def permutation_importance(
    pipeline: Any,
    samples: Samples,
    classes: Sequence[str],
    bands: str | Mapping[str, tuple[float, float]] | Sequence[str] | None = None,
    repeats: int = 5,
    random_state: int = 0,
    level: str = "trial",
    within: str | None = "subject",
) -> Saliency:
    """Loss of a method when one band of one electrode comes from another trial.

    Where the pipeline computes features of windows, or the samples are features, the feature of one band and channel is
    exchanged between samples. Of raw signals the part of one channel that lies in the band is exchanged, in the Fourier
    domain of the window. All bands of an electrode, and all electrodes of a band, are exchanged together as well.

    Parameters
    ----------
    pipeline : Pipeline or estimator, fitted
        With ``predict_proba``, for ratings with ``predict``.
    samples : Samples
        Samples that the method was not trained on: what it lost on training samples shows what it remembers. With
        labels the loss of predictions is measured, without them how far predictions move.
    classes : sequence of str
        All classes, in the order of the study; empty for ratings.
    bands : str, mapping or sequence of str, optional
        As :func:`integrated_gradients`.
    repeats : int
        Permutations; `spread` is over them.
    random_state : int
        Seed of the permutations. All cells are measured with the same ones, so that they can be compared.
    level : {'trial', 'window'}
        ``trial``, the default: a trial gets the windows of one other trial, in their order. Windows of one trial are
        alike in much that is no emotion, so windows dealt one by one may come from the same trial, where little is
        lost, and as many different trials stand in for one as it has windows, which averages out by trial what each of
        them brings. ``window`` suits samples of a single trial.
    within : str, optional
        Metadata column: exchange only between units that share its value. By default within the subject, since
        features that nobody has come about when an electrode is somebody else's; None allows all.

    Returns
    -------
    Saliency
        With labels, the increase of log-loss in nats (of squared error for ratings) over ``all`` samples and over those
        of each true class. Without, the mean absolute change of the probability of each class (of the rating).

    Raises
    ------
    InputError
        If classes and labels do not fit, nothing can be exchanged, or the method predicts the same samples differently
        when it is asked again.

    Notes
    -----
    Importance of a correlated feature is hard to read (Strobl et al. 2008; Hooker, Mentch & Zhou 2021). Neighbouring
    electrodes see the same sources: when one is exchanged, the others still tell, and none seems to matter; look at
    whole bands and whole electrodes too. And an electrode at odds with its neighbours is a sample that the method has
    never met, where it may answer anything. Values below 0 are chance.

    L. Breiman: Random forests. Machine Learning 45, 2001, section 10. C. Strobl et al.: Conditional variable importance
    for random forests. BMC Bioinformatics 9:307, 2008. G. Hooker, L. Mentch, S. Zhou: Unrestricted permutation forces
    extrapolation. Statistics and Computing 31:82, 2021.
    """
    check_whole("repeats", repeats)
    classes = [str(c) for c in classes]
    _check_classes(pipeline, classes)
    X, grid, method = featured(pipeline, samples, bands)
    score, outputs, tops = _scores(samples, classes)
    donors = [_donors(samples.meta, level, within, generator(random_state, "exchange", r)) for r in range(repeats)]
    maps = _Maps.over(outputs, tops)

    shape = (len(grid.bands) + 1, len(grid.ch_names) + 1)
    each = np.zeros((*outputs.shape, *shape), dtype=np.float32)
    of_repeat = np.zeros((repeats, len(maps.names), *shape))
    predicted = []
    for rows in _blocks(len(X), int(np.prod(X.shape[1:]))):
        block = np.array(X[rows])
        found = predict_all(method, block, classes)
        before = score(found, rows)
        if np.abs(score(predict_all(method, block, classes), rows) - before).max() > _SAME:
            raise InputError(
                "The method predicts the same samples differently when it is asked again.",
                fits="a method without randomness in its predictions, which leaves its input as it is",
            )
        for band, channel in np.ndindex(shape):
            cell = None if band == len(grid.bands) else band, None if channel == len(grid.ch_names) else channel
            for r, donor in enumerate(donors):
                grid.exchange(block, X, rows, donor[rows], *cell)
                change = score(predict_all(method, block, classes), rows) - before
                change = np.abs(change) if samples.y is None else change
                each[rows, :, band, channel] += change / repeats
                of_repeat[r, :, band, channel] += maps.part(change, rows)
            grid.exchange(block, X, rows, rows, *cell)
        predicted.append(found)
    loss = "increase of log-loss" if classes else "increase of squared error"
    moved = "change of probability" if classes else "change of rating"
    unit = "nats" if classes else "squared unit of the rating"
    exchanged = f"{level}s{f' within each {within}' if within else ''}"
    mean = of_repeat.mean(axis=0)
    return Saliency(
        values=mean,
        error=maps.error(each, mean, _units(samples.meta)),
        spread=of_repeat.std(axis=0, ddof=1) if repeats > 1 else np.full(mean.shape, np.nan),
        signed=None,
        maps=maps.names,
        bands=grid.bands,
        ch_names=grid.ch_names,
        positions=electrode_places(grid.ch_names),
        method="permutation importance",
        quantity=moved if samples.y is None else loss,
        unit=("share" if classes else "unit of the rating") if samples.y is None else unit,
        notes=(
            f"{repeats} permutation{'s' if repeats > 1 else ''} of {exchanged}. "
            "What other electrodes tell as well seems unimportant: look at whole bands and whole electrodes too.",
            *grid.notes,
        ),
        predictions=_predictions(samples, np.concatenate(predicted), classes),
        of_samples=each,
        outputs=outputs,
    )


@dataclass(frozen=True)
class _Grid:
    """Bands and channels of samples, and how to get at them.

    Features can be seen as (n_samples, n_bands, n_channels, n_windows). Raw signals are (n_samples, n_channels,
    n_times); of them `members`, bool, shape (n_bands, n_frequencies), says which frequency belongs to which band.
    """

    bands: tuple[str, ...]
    ch_names: tuple[str, ...]
    members: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def cells(self, X: np.ndarray) -> np.ndarray:
        """Return samples with an axis of channels, and for features one of bands before it."""
        return X if self.members is not None else X.reshape(len(X), len(self.bands), len(self.ch_names), -1)

    def exchange(
        self, block: np.ndarray, X: np.ndarray, rows: Any, donors: Any, band: int | None, channel: int | None
    ) -> None:
        """Put a cell of the donors into the samples of a block, which is a copy of some rows; None is all of them."""
        own, source = self.cells(block), self.cells(X)
        there = slice(None) if channel is None else channel
        if self.members is None:
            among = slice(None) if band is None else band
            own[:, among, there] = source[donors, among, there]
        elif band is None or donors is rows:
            own[:, there] = source[donors, there]
        else:
            mine = source[rows, there]
            other = fft.rfft(source[donors, there] - mine, axis=-1) * self.members[band]
            own[:, there] = mine + fft.irfft(other, mine.shape[-1], axis=-1)

    def attributed(self, away: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return absolute and signed attribution, shape (n_samples, n_bands + 1, n_channels + 1).

        `away` is the distance from the baseline and `slope` the mean gradient, of samples as they are, in double.
        """
        single = self.cells(away * slope)
        if self.members is None:
            signed = single.sum(axis=-1)
        else:
            n_times = single.shape[-1]
            cross = (fft.rfft(self.cells(away)) * fft.rfft(self.cells(slope)).conj()).real / n_times
            k = np.arange(cross.shape[-1])
            cross *= np.where((k == 0) | (2 * k == n_times), 1.0, 2.0)  # the others stand for two frequencies each
            signed = np.moveaxis(cross @ self.members.T.astype(float), -1, 1)
        by_electrode = np.abs(single).sum(axis=-1)
        by_electrode = by_electrode if self.members is not None else by_electrode.sum(axis=1)
        cells = np.abs(signed)
        bordered = np.pad(cells, ((0, 0), (0, 1), (0, 1)))
        bordered[:, :-1, -1] = cells.sum(axis=-1)
        bordered[:, -1, :-1], bordered[:, -1, -1] = by_electrode, by_electrode.sum(axis=-1)
        signed = np.concatenate([signed, signed.sum(axis=1, keepdims=True)], axis=1)
        return bordered, np.concatenate([signed, signed.sum(axis=2, keepdims=True)], axis=2)


@dataclass(frozen=True)
class _Inputs:
    """What a network is fed, and how its input leads back to bands and channels.

    `X` are the samples behind all transformers, `places` for each value that the network is fed its place in a sample
    as `grid` sees it, from 1, or 0 for a constant that stands for no electrode. `shape` is that of such a sample.
    """

    X: np.ndarray
    network: Any
    grid: _Grid
    shape: tuple[int, ...]
    places: np.ndarray

    def arranged(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.network.arrange(X.astype(np.float32, copy=False)), dtype=np.float32)

    def led_back(self, away: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return distances and gradients, as of the network's input, in the shape of samples, float64."""
        size = int(np.prod(self.shape))
        made = [np.zeros((len(away), size + 1)) for _ in range(2)]
        made[0][:, self.places] = away.reshape(len(away), -1)
        at: Any = (slice(None), self.places)
        np.add.at(made[1], at, gradient.reshape(len(away), -1))  # a value may be fed twice
        distance, slope = (part[:, 1:].reshape(len(away), *self.shape) for part in made)
        return distance, slope

    def far_from_zero(self) -> bool:
        """Whether most inputs lie far from zero, seen from their spread."""
        mean, spread = self.X.mean(axis=0, dtype=np.float64), self.X.std(axis=0, dtype=np.float64)
        return bool(np.median(np.abs(mean) / np.where(spread > 0, spread, np.inf)) > _FAR)


class _Line:
    """Mean gradients of a network's outputs on the line from a start to its inputs.

    Parameters
    ----------
    network : TorchEstimator
    start : ndarray, shape (1, ...)
        The baseline as the network is fed it.
    steps : int

    Attributes
    ----------
    size : int
        How many inputs fit at once.
    """

    def __init__(self, network: Any, start: np.ndarray, steps: int):
        import torch

        captum = require("captum.attr", "explain")
        self.torch, self.start, self.steps = torch, start, steps
        self.module, self.scale = network.module_, getattr(network, "scale_", None)
        self.device = next(self.module.parameters()).device
        # multiplied by ourselves: bands need the gradient alone
        self.method = captum.IntegratedGradients(self._output, multiply_by_inputs=False)
        rows = max(1, min(1024, _AT_ONCE // max(1, start.size)))
        self.size = max(1, rows // steps)
        self.rows = None if self.size * steps <= rows else rows
        with torch.no_grad():
            self.first = self._output(self._fed(start))[0]

    def __call__(self, x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean gradients of one output per sample, and how far that output is from that of the start."""
        torch = self.torch
        fed, wanted = self._fed(x), torch.as_tensor(target, device=self.device)
        recurrent = any(isinstance(part, torch.nn.RNNBase) for part in self.module.modules())
        # cuDNN's recurrent layers have no gradient in evaluation mode
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not recurrent):
            gradient = self.method.attribute(
                fed,
                self._fed(self.start),
                target=wanted,
                n_steps=self.steps,
                internal_batch_size=self.rows,
            )
        with torch.no_grad():
            moved = (self._output(fed) - self.first).gather(1, wanted[:, None])[:, 0]
        return gradient.detach().cpu().numpy().astype(np.float64), moved.double().cpu().numpy()

    def _output(self, x: Any) -> Any:
        made = self.module(x)
        return made - made.mean(dim=1, keepdim=True) if self.scale is None else made * self.scale

    def _fed(self, x: np.ndarray) -> Any:
        return self.torch.from_numpy(x).to(self.device)


def _inputs(pipeline: Any, samples: Samples, bands: Any) -> _Inputs:
    """Pass samples through the transformers and find out which value of the network's input is which."""
    network = last_step(pipeline)
    if not all(hasattr(network, name) for name in ("module_", "arrange", "shape_")):
        raise UnfitError(
            f"The last step, {type(network).__name__}, is no trained network.",
            fits="a fitted pipeline that ends with one of Thymos' networks",
            do="use permutation_importance, which takes any method",
        )
    X, grid, rest = featured(pipeline, samples, bands)
    shape = X.shape[1:]
    places = np.arange(1.0, 1 + np.prod(shape)).reshape(1, *shape)
    for step in transformers(rest):
        if hasattr(step, "channels") and X.ndim == 4 and grid.members is None:
            X = _transformed([step], X)
            shape = X.shape[1:]
            grid = replace(grid, ch_names=tuple(step.channels(list(grid.ch_names))))
            places = np.arange(1.0, 1 + np.prod(shape)).reshape(1, *shape)
        elif isinstance(step, _REARRANGE):
            X, places = _transformed([step], X), step.transform(places)
        elif isinstance(step, ELEMENTWISE):
            X = _transformed([step], X)
        else:
            raise UnfitError(
                f"What {type(step).__name__} makes cannot be led back to single electrodes.",
                fits="features of windows, scaling, smoothing, asymmetry and rearrangement before the network",
                do="use permutation_importance, which takes any method",
            )
    if X.shape[1:] != network.shape_:
        raise InputError(
            f"The network is fed samples of shape {X.shape[1:]}.", fits=f"{network.shape_}, as in training"
        )
    _check_arrangement(network)
    return _Inputs(X, network, grid, shape, network.arrange(places).reshape(-1).astype(np.intp))


def _check_arrangement(network: Any) -> None:
    """See that a network takes values as they are, in another order, zeros perhaps among them."""
    size = int(np.prod(network.shape_))
    drawn = np.random.default_rng(0).standard_normal((1, *network.shape_)).astype(np.float32)
    places = network.arrange(np.arange(1.0, 1 + size).reshape(1, *network.shape_)).reshape(-1)
    whole = np.array_equal(places, np.clip(np.round(places), 0, size))
    if not whole or not np.array_equal(np.r_[0, drawn.ravel()][places.astype(int)], network.arrange(drawn).reshape(-1)):
        raise UnfitError(
            f"{type(network).__name__} does more than to rearrange what it is fed.",
            fits="a network whose `arrange` moves values and changes none",
            do="use permutation_importance, which takes any method",
        )


def featured(pipeline: Any, samples: Samples, bands: Any) -> tuple[np.ndarray, _Grid, Any]:
    """Return samples in which bands and channels can be found, where they are, and what is left of the pipeline.

    Features that the pipeline computes are computed, once; raw signals that it takes otherwise stay signals.
    """
    samples, pipeline = picked(pipeline, samples)
    if isinstance(samples.X, dict):
        raise UnfitError(f"Samples of several modalities came: {', '.join(samples.X)}.", fits="one array")
    if not len(samples):
        raise InputError("There are no samples.", fits="at least one")
    X, ch_names = samples.X, _ch_names(samples)
    steps = transformers(pipeline)
    first = next((k for k, step in enumerate(steps) if isinstance(step, WindowFeatures)), None)
    if first is None:
        return X, _grid(samples, ch_names, bands), pipeline
    if bands is not None:
        raise UnfitError(
            f"bands={bands!r} came, and {type(steps[first]).__name__} has bands of its own.", do="leave out bands"
        )
    X, names = _transformed(steps[: first + 1], X), list(steps[first].names())
    for step in steps[: first + 1]:
        ch_names = step.channels(ch_names) if hasattr(step, "channels") else ch_names
    if X.shape[1:3] != (len(names), len(ch_names)):
        raise UnfitError(
            f"{type(steps[first]).__name__} makes features of shape {X.shape[1:]} from channels "
            f"{', '.join(ch_names)}, and what stands before it does not say which it keeps.",
            fits=f"{len(names)} features of each channel",
            do="choose channels before the pipeline",
        )
    place = next(k for k, (_, step) in enumerate(pipeline.steps) if step is steps[first])
    return X, _Grid(tuple(names), tuple(ch_names)), pipeline[place + 1 :]


def picked(pipeline: Any, samples: Samples) -> tuple[Samples, Any]:
    """Return what a method that picks one of several modalities looks at, and what is left of the method."""
    first = pipeline.steps[0][1] if isinstance(pipeline, Pipeline) else None
    if not isinstance(samples.X, dict) or not isinstance(first, PickModality):
        return samples, pipeline
    return samples.modality(str(first.modality)), pipeline[1:]


def _transformed(steps: Sequence[Any], X: np.ndarray) -> np.ndarray:
    parts = []
    for rows in _blocks(len(X), int(np.prod(X.shape[1:]))):
        part = X[rows]
        for step in steps:
            part = step.transform(part)
        parts.append(part)
    return np.concatenate(parts)


def _ch_names(samples: Samples) -> list[str]:
    """Return the names of the channels of samples, or numbers; refuse samples that have no channels."""
    X, names = samples.X, samples.info.get("ch_names")
    axis = {2: 1, 3: 1, 4: 2}.get(X.ndim)
    if axis is None or (X.ndim == 4 and not names) or (names and len(names) != X.shape[axis]):
        raise UnfitError(
            f"Samples of shape {X.shape[1:]} came with {len(names or ())} channel names.",
            fits="(n_channels, n_times), (n_features, n_channels, n_windows) or (n_columns,), and all channels named",
            do="" if names else "pictures have no electrodes",
        )
    return [str(name) for name in names] if names else [f"channel {k + 1}" for k in range(X.shape[axis])]


def _grid(samples: Samples, ch_names: list[str], bands: Any) -> _Grid:
    """Find bands and channels of samples as they are."""
    X, info = samples.X, samples.info
    if holds_signals(samples):
        return _spectral(X.shape[2], info["sfreq"], ch_names, _BANDS if bands is None else bands)
    pairs = [name.rpartition("-")[::2] for name in ch_names]  # published features: de-alpha-F3
    first, second = (list(dict.fromkeys(part)) for part in zip(*pairs, strict=True))
    if len(first) > 1 and len(second) > 1 and pairs == [(a, b) for a in first for b in second]:
        found, ch_names = [name.rpartition("-")[2] for name in first], second
    elif X.ndim == 4:
        names = [str(name) for name in info.get("feature_names", ())]
        found = names if len(names) == X.shape[1] else [f"feature {k + 1}" for k in range(X.shape[1])]
    else:
        found = ["value"]
    if bands is not None:
        named = [str(b) for b in (BANDS.get(bands, [bands]) if isinstance(bands, str) else bands)]
        if len(named) != len(found):
            raise InputError(f"{len(named)} bands came for {len(found)} features.", fits="a name for each feature")
        found = named
    return _Grid(tuple(found), tuple(ch_names))


def _spectral(n_times: int, sfreq: float, ch_names: list[str], bands: Any) -> _Grid:
    limits = check_bands(bands, sfreq)
    names = list(BANDS[bands] if isinstance(bands, str) else bands)
    members = band_members(n_times, sfreq, limits)
    shown = [f"{name} {low:g}-{high:g} Hz" for name, (low, high) in zip(names, limits, strict=True)]
    if (members.sum(axis=0) > 1).any() or {ALL, REST} & set(names):
        raise InputError(
            f"The bands {', '.join(shown)} came.",
            fits=f"bands that do not overlap, and none called {ALL} or {REST}",
        )
    members = np.r_[members, ~members.any(axis=0, keepdims=True)]
    note = (
        f"{', '.join(shown)}; {REST} is what lies in none of them: drifts and eyes below, muscles and mains above. A "
        f"window of {n_times / sfreq:g} s keeps neighbouring bands apart by {sfreq / n_times:g} Hz at best."
    )
    return _Grid((*names, REST), tuple(ch_names), members, (note,))


def electrode_places(ch_names: Sequence[str]) -> np.ndarray:
    """Return x and y of each electrode, NaN for what is none or comes a second time."""
    places = np.full((len(ch_names), 2), np.nan)
    known = {name: k for k, name in reversed(list(enumerate(standard_names(ch_names)))) if name is not None}
    places[list(known.values())] = azimuthal(list(known))
    return places


def _chosen_outputs(target: str | None, predicted: np.ndarray, classes: list[str]) -> np.ndarray:
    """Return the numbers of the outputs that are explained, shape (n_samples, n_outputs)."""
    if not classes:
        if target is not None:
            raise InputError(f"target={target!r} came for ratings.", fits="no target: there is one output")
        return np.zeros((len(predicted), 1), dtype=int)
    if target is None:
        return predicted.argmax(axis=1)[:, None]
    if target == ALL:
        return np.tile(np.arange(len(classes)), (len(predicted), 1))
    if str(target) not in classes:
        raise InputError(
            f"There is no class {target!r}.{near(str(target), classes)}", fits=f"{ALL}, or one of {', '.join(classes)}"
        )
    return np.full((len(predicted), 1), classes.index(str(target)))


def _baseline(baseline: Any, inputs: _Inputs) -> np.ndarray:
    """Return the baseline in the shape of one sample behind all transformers."""
    shape = inputs.X.shape[1:]
    if isinstance(baseline, str):
        if baseline not in ("zero", "mean"):
            raise InputError(f"baseline={baseline!r} came.{near(baseline, ['zero', 'mean'])}", fits="zero or mean")
        if baseline == "zero":
            return np.zeros(shape, dtype=np.float32)
        if len(inputs.X) < 2:
            raise InputError(
                "baseline='mean' came for one sample, which is its own mean.", fits="zero, or more samples"
            )
        return inputs.X.mean(axis=0, dtype=np.float64).astype(np.float32)
    given = np.asarray(baseline)
    if given.shape != shape or given.dtype.kind not in "fiu" or not np.isfinite(given).all():
        raise InputError(f"A baseline of shape {given.shape} came.", fits=f"finite numbers of shape {shape}")
    return given.astype(np.float32)


def _check_classes(pipeline: Any, classes: list[str]) -> None:
    """See that a method predicts probabilities of these classes, or ratings if there are none."""
    if is_regressor(last_step(pipeline)) and not classes:
        return
    name, known = type(last_step(pipeline)).__name__, [str(c) for c in getattr(pipeline, "classes_", ())]
    if not hasattr(pipeline, "predict_proba") or not known:
        raise InputError(f"{name} predicts no probabilities.", fits="a fitted classifier with predict_proba")
    if not set(known) <= set(classes):
        raise InputError(
            f"{name} knows the classes {', '.join(known)}, and {', '.join(classes) or 'none'} came.",
            fits="all classes; none for a method that predicts ratings",
        )


def _scores(
    samples: Samples, classes: list[str]
) -> tuple[Callable[[np.ndarray, slice], np.ndarray], np.ndarray, tuple[str, ...]]:
    """Return what is measured of predictions, of which class it is, and which maps are over all samples.

    The first takes predictions of some rows and returns (n_rows, n_outputs); the second has the shape (n_samples,
    n_outputs).
    """
    if samples.y is None:
        names = np.tile(np.array(classes or ["rating"]), (len(samples), 1))
        return (lambda p, rows: p.reshape(len(p), -1)), names, ()
    if not classes:
        ratings = rated(samples).y
        return (lambda p, rows: np.square(p - ratings[rows])[:, None]), np.full((len(ratings), 1), "rating"), ()
    labels = discrete(samples).y.astype(str)
    unknown = sorted(set(labels.tolist()) - set(classes))
    if unknown:
        raise InputError(
            f"A sample has the label {unknown[0]!r}.{near(unknown[0], classes)}", fits=f"one of {', '.join(classes)}"
        )
    codes = np.array([classes.index(label) for label in labels])

    def loss(p: np.ndarray, rows: slice) -> np.ndarray:
        return -np.log(np.clip(p[np.arange(len(p)), codes[rows]], _TINY, 1))[:, None]

    return loss, labels[:, None], (ALL,)


def _donors(meta: pd.DataFrame, level: str, within: str | None, rng: np.random.Generator) -> np.ndarray:
    """Return for each sample the row that it gets a cell from, never its own where there is another.

    All units of a stratum stand in a circle in random order, and each gets from the one before it.
    """
    if level not in ("trial", "window"):
        raise InputError(f"level={level!r} came.{near(str(level), ['trial', 'window'])}", fits="trial or window")
    if within is not None and within not in meta:
        raise InputError(
            f"There is no column {within!r} in the metadata.{near(within, meta.columns)}",
            fits=f"one of {', '.join(meta.columns)}, or None",
        )
    rows = np.arange(len(meta))
    _, unit = np.unique(meta["trial"].astype(str) if level == "trial" else rows, return_inverse=True)
    in_order = np.lexsort((meta["start"].to_numpy(float), unit))
    rows_of = np.split(in_order, np.flatnonzero(np.diff(unit[in_order])) + 1)
    stratum = np.zeros(len(meta), dtype=int) if within is None else pd.factorize(meta[within].astype(str))[0]
    of_unit = stratum[[mine[0] for mine in rows_of]]
    donors = rows.copy()
    for value in np.unique(of_unit):
        circle = rng.permutation(np.flatnonzero(of_unit == value))
        for mine, theirs in zip(circle, np.roll(circle, 1), strict=True):
            place = np.arange(len(rows_of[mine])) * len(rows_of[theirs]) // len(rows_of[mine])
            donors[rows_of[mine]] = rows_of[theirs][place]
    if (donors == rows).all():
        raise InputError(
            f"There is no {level} to exchange anything with"
            + (f": each {within} has one." if within else ": there is one."),
            fits="at least two",
            do="give more"
            + (", or exchange within=None" if within else "")
            + (", or windows with level='window' (on the command line --set level=window)" if level == "trial" else ""),
        )
    return donors


@dataclass(frozen=True)
class _Maps:
    """Maps as weighted means over samples: `weights` of shape (n_maps, n_samples), `output` which of each is taken."""

    names: tuple[str, ...]
    weights: np.ndarray
    output: np.ndarray

    @classmethod
    def over(cls, outputs: np.ndarray, tops: tuple[str, ...]) -> _Maps:
        """Return the maps of outputs, shape (n_samples, n_outputs), which name the class that each is about.

        Where every sample has one output a map is over the samples of a class, and those of `tops` over all samples;
        otherwise all are, one for each class.
        """
        n, several = outputs.shape
        if several > 1:
            return cls(tuple(map(str, outputs[0])), np.full((several, n), 1 / n), np.arange(several))
        found = np.unique(outputs)
        weights = [np.full(n, 1 / n) for _ in tops]
        weights += [(outputs[:, 0] == name) / (outputs[:, 0] == name).sum() for name in found]
        return cls((*tops, *map(str, found)), np.array(weights), np.zeros(len(weights), dtype=int))

    def part(self, values: np.ndarray, rows: slice) -> np.ndarray:
        """Return what some samples, shape (n_rows, n_outputs), add to each map, shape (n_maps,)."""
        return (self.weights[:, rows] * values.T[self.output]).sum(axis=1)

    def mean(self, of_samples: np.ndarray) -> np.ndarray:
        """Return the maps, shape (n_maps, ...), of values of shape (n_samples, n_outputs, ...)."""
        return np.stack(
            [np.tensordot(w, of_samples[:, k], axes=1) for w, k in zip(self.weights, self.output, strict=True)]
        )

    def error(self, of_samples: np.ndarray, mean: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Return the standard error of the maps over `units`, shape (n_samples,), of which samples are parts."""
        order = np.argsort(units, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(units[order]) > 0])
        errors = np.full(mean.shape, np.nan)
        for k, (weights, output) in enumerate(zip(self.weights, self.output, strict=True)):
            away = (of_samples[:, output] - mean[k]) * weights[:, None, None]
            sums = np.add.reduceat(away[order], starts)[np.add.reduceat(weights[order], starts) > 0]
            if len(sums) > 1:
                errors[k] = np.sqrt(np.square(sums).sum(axis=0) * len(sums) / (len(sums) - 1))
        return errors


def _units(meta: pd.DataFrame) -> np.ndarray:
    """Return the number of the subject of each sample, or of the trial where there are few subjects."""
    column = "subject" if meta["subject"].nunique() >= _SUBJECTS else "trial"
    return np.unique(meta[column].astype(str), return_inverse=True)[1]


def _predictions(samples: Samples, predicted: np.ndarray, classes: list[str]) -> pd.DataFrame:
    table = samples.meta[[name for name in _KEPT if name in samples.meta]].reset_index(drop=True)
    if samples.y is not None:
        table["label"] = samples.y.astype(str) if classes else samples.y
    if not classes:
        return table.assign(predicted=predicted)
    table["predicted"] = np.array(classes)[predicted.argmax(axis=1)]
    return table.assign(**{f"p[{name}]": predicted[:, k] for k, name in enumerate(classes)})


def _blocks(n: int, values: int) -> Iterator[slice]:
    """Yield slices of `n` samples of so many values that are not too large to work on."""
    return _slices(n, max(1, _BLOCK // max(1, values)))


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(n, begin + size)) for begin in range(0, n, size))
