"""What decides, while a network learns, which of its units stay: regulation like that of genes, and its rivals.

Callbacks of skorch. All of them see the same: gradients after every batch, and the units between two epochs, after the
network of the last epoch was judged and possibly kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback

from thymos.nn.regulation import (
    Expression,
    gated,
    importance,
    live_target,
    live_threshold,
    regrown,
    shortfall,
    spread_of,
)
from thymos.nn.sparsity import Units, masked_weights, weights_of

__all__ = ["PRUNERS", "GenePruner", "GradualPruner", "OneShotPruner", "Pruner", "RigLPruner", "SETPruner", "settled_at"]

_FLOOR = {"connection": 0.1, "channel": 0.25}  # share of each layer that stays live
_CAP = 0.5  # share of the live units that the threshold may be above
_OLD = 2  # epochs that a unit is left in peace after it came back
_COURSE = 25.0  # epochs between first and last for which decay rates are given: time runs faster in a shorter course
_LEAP = 2.5  # of these epochs in a step at most: with more, one bad epoch would silence a unit
_REBORN = 0.6  # protein of a unit that comes back
_SETTLE = 5  # epochs with a fixed threshold after the last target
_BAND = 0.17  # share that the gate may lag behind the target, as hysteresis makes it (methods B3.5)
_TIE = 1e-3  # what a score adds where proteins are equal
_NEAR = 0.01  # share by which whole blocks may miss the target
_HALVINGS = 12  # of the interval in which a share of units is looked for
_GENES = Expression()
_ABOVE = 2.0  # importance over threshold from which all units begin


def settled_at(first: int, last: int, epochs: int) -> int:
    """Return after how many epochs the masks are fixed, where `epochs` are trained."""
    return min(last + _SETTLE, max(last + 1, (last + epochs) // 2))


class Pruner(Callback):
    """Keeps silenced units at 0, and decides between epochs which these are.

    Parameters
    ----------
    density : float
        Share that is live in the end, of all units or of their weights.
    epochs : int
        How many are trained.
    first, last : int
        After how many epochs units begin to be silenced, and until when the share falls.
    seed : int
    of : {'units', 'weights'}
        What shares are shares of. Channels of wide layers have more weights than others, and a layer loses with its own
        channels and with those of the layer before it: half of the channels are a quarter of the weights.
    multiple : int
        Channels are left in multiples of it: vector units take so many at a time, and what does not fill them is
        slow. Where a layer has fewer than two such blocks, of the largest power of two of which there are two. Decided
        wherever a method decides for good.

    Attributes
    ----------
    units_ : list of Units
        Those of the module that is trained, which has them as ``units`` beside its ``network``.
    log_ : list of dict
        Layer by layer after each epoch.
    """

    hears = False  # whether gradients of every batch are listened to

    def __init__(
        self, density: float, epochs: int, first: int, last: int, seed: int = 0, of: str = "units", multiple: int = 1
    ):
        self.density, self.epochs, self.seed, self.of = density, epochs, seed, of
        self.first, self.last, self.multiple = first, last, multiple

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.units_, self.network_ = list(net.module_.units), net.module_.network
        self.weights_ = weights_of(self.network_)
        self.rng_ = torch.Generator().manual_seed(self.seed)
        self.log_: list[dict[str, Any]] = []
        self.steps_, self.came_back_ = 0, 0
        self.still_: list[tuple[str, torch.Tensor, torch.Tensor]] = []
        self.decays_ = any(group.get("weight_decay") for group in net.optimizer_.param_groups)
        for units in self.units_:
            units.forget()  # on the device that they are on by now
        with torch.no_grad():
            # of connections as they were: those of a layer that loses many would look larger and larger
            self.scales_ = [units.magnitude(self.weights_)[units.live].mean() for units in self.units_]
            self.begin()
            self._apply(net, [torch.ones_like(u.live) for u in self.units_])
        self.began_ = self.share

    def on_grad_computed(self, net: NeuralNet, **kwargs: Any) -> None:
        self.steps_ += 1
        if self.hears:
            for units in self.units_:
                units.listen(self.weights_)
        with torch.no_grad():
            before = [units.live.clone() for units in self.units_]
            if self.after_batch(self.steps_):
                self._apply(net, before)
                self._count_returns(before)
        for units in self.units_:
            units.silence(self.weights_, "grad")
        self.still_ = [made for units in self.units_ for made in units.made_by(self.weights_)] if self.decays_ else []

    def on_batch_end(self, net: NeuralNet, training: bool = False, **kwargs: Any) -> None:
        with torch.no_grad():  # weight decay takes from weights without a gradient too
            for name, mask, values in self.still_ if training else ():
                weight = self.weights_[name]
                weight.copy_(torch.where(mask > 0, values, weight))

    def on_epoch_begin(self, net: NeuralNet, dataset_train: Any = None, **kwargs: Any) -> None:
        done = len(net.history) - 1
        if not done:
            return
        with torch.no_grad():
            before = [units.live.clone() for units in self.units_]
            self.between(done)
            self._apply(net, before)
            self._count_returns(before)
            self._note(done)
            self.came_back_ = 0  # some come back between two batches
            for units, old in zip(self.units_, before, strict=True):
                units.forget()
                units.age.add_(1).masked_fill_(units.live & ~old, 0.0)

    def begin(self) -> None:
        """Decide before the first epoch; all units are live, or those that another training has left."""

    def between(self, epoch: int) -> None:
        """Decide after so many epochs."""

    def after_batch(self, step: int) -> bool:
        """Decide after so many batches, and say whether anything was decided."""
        return False

    @property
    def share(self) -> float:
        """Share of all units, or of their weights, that is live."""
        if self.of == "units":
            return self._count() / sum(units.n for units in self.units_)
        silenced, total = masked_weights(self.network_, self.units_)
        return 1.0 - silenced / total

    @property
    def _settled(self) -> bool:
        """Whether another training has left as many as are wanted, in multiples."""
        left = self._left()
        whole = all(self._whole(units, live, live) == live for units, live in zip(self.units_, left, strict=True))
        return whole and sum(left) < sum(units.n for units in self.units_) and self.share <= self.density + 0.01

    def _count_returns(self, before: Sequence[torch.Tensor]) -> None:
        self.came_back_ += sum(int((units.live & ~old).sum()) for units, old in zip(self.units_, before, strict=True))

    def _count(self) -> int:
        return sum(self._left())

    def _sizes(self) -> list[torch.Tensor]:
        """Return the size of each unit; relative to its layer if there are channels, since layers differ in scale."""
        sizes = [units.magnitude(self.weights_) for units in self.units_]
        if not any(units.makers for units in self.units_):
            return sizes
        means = [s.mean() if u.makers else start for s, u, start in zip(sizes, self.units_, self.scales_, strict=True)]
        return [size / mean.clamp(min=1e-12) for size, mean in zip(sizes, means, strict=True)]

    def _reach(self, share: float, choose: Callable[[float], None]) -> None:
        """Choose so large a share of the units that `share` is reached, which is of their weights perhaps."""
        if self.of == "units":
            choose(share)
            return
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            choose(middle)
            low, high = (middle, high) if self.share < share else (low, middle)
        choose((low + high) / 2)

    def _keep_best(self, scores: Sequence[torch.Tensor], share: float, limits: Sequence[int] | None = None) -> None:
        """Leave so large a share live, units with the highest scores, and a few in each layer.

        In multiples where `limits` says how many units of each layer there may be.
        """
        most = [units.n for units in self.units_] if limits is None else limits

        def choose(of_units: float) -> None:
            self._keep_units(scores, of_units, most)
            if self.multiple > 1 and limits is not None:
                for units, mine, limit in zip(self.units_, scores, most, strict=True):
                    _keep(units, mine, self._whole(units, int(units.live.sum()), limit, self._floor(units)))

        self._reach(share, choose)
        if limits is not None:
            self._even_out(scores, share, limits)

    def _whole(self, units: Units, count: float, most: int, least: int = 1) -> int:
        """Return the multiple that is nearest to a count of units; the whole layer may stay too."""
        block = self._block(units)
        near = block * max(math.ceil(least / block), round(count / block))
        top = most if most == units.n or most < block else most - most % block
        return top if near >= top or top - count < abs(near - count) else near

    def _block(self, units: Units) -> int:
        if not units.makers or units.n >= 2 * self.multiple:
            return self.multiple if units.makers else 1
        return 2 ** max(0, units.n.bit_length() - 2)

    def _even_out(self, scores: Sequence[torch.Tensor], share: float, limits: Sequence[int]) -> None:
        """Give layers a block more or less, one after the other, while that brings the share nearer to the target.

        A block of wide layers is several hundredths of all weights.
        """
        while self.multiple > 1 and abs(self.share - share) > _NEAR:
            best, found = abs(self.share - share), None
            for units, mine, limit in zip(self.units_, scores, limits, strict=True):
                if not units.makers:
                    continue
                live, now = units.live.clone(), int(units.live.sum())
                for count in (now - self._block(units), now + self._block(units)):
                    count = self._whole(units, count, limit, self._floor(units))
                    _keep(units, mine, count)
                    if abs(self.share - share) < best:
                        best, found = abs(self.share - share), (units, mine, count)
                units.live.copy_(live)
            if found is None:
                return
            _keep(*found)

    def _left(self) -> list[int]:
        return [int(units.live.sum()) for units in self.units_]

    def _keep_units(self, scores: Sequence[torch.Tensor], share: float, most: Sequence[int]) -> None:
        floors = [min(self._floor(units), limit) for units, limit in zip(self.units_, most, strict=True)]
        wanted = min(sum(most), max(sum(floors), round(share * sum(units.n for units in self.units_))))
        pooled = torch.cat([_raised(mine, floor).flatten() for mine, floor in zip(scores, floors, strict=True)])
        chosen = torch.zeros_like(pooled, dtype=torch.bool)
        chosen[torch.topk(pooled, wanted).indices] = True
        for units, mine in zip(self.units_, chosen.split([u.n for u in self.units_]), strict=True):
            units.live.copy_(mine.reshape(units.live.shape))

    def _floor(self, units: Units) -> int:
        return max(1, math.ceil(min(self.density, _FLOOR["channel" if units.makers else "connection"]) * units.n))

    def _apply(self, net: NeuralNet, before: Sequence[torch.Tensor]) -> None:
        """Put silenced weights to 0, and let the optimiser forget what it knew of all that changed.

        How many steps Adam has taken it knows of whole tensors alone, so that the first steps of what comes back are
        longer than those of the others, (1 - beta1) / sqrt(1 - beta2) times at first, which is about three.
        """
        for units, old in zip(self.units_, before, strict=True):
            back = units.live & ~old
            changed = units.live != old
            if not changed.any():
                continue
            if units.makers and back.any():
                self._reborn(units, back)
            for place in (*units.places, *units.makers, *units.beside):
                weight = self.weights_[place.weight]
                still = 1.0 - units.mask(place, weight, changed)
                for moment in ("exp_avg", "exp_avg_sq"):
                    state = net.optimizer_.state.get(weight, {})
                    if moment in state:
                        state[moment].mul_(still)
                if place in units.places:  # what comes back begins at 0 too
                    weight.mul_(1.0 - units.mask(place, weight, back))
        for units in self.units_:
            units.silence(self.weights_)

    def _reborn(self, units: Units, back: torch.Tensor) -> None:
        """Draw anew the weights that make channels which come back, as large as those of the others."""
        for place in units.makers:
            weight = self.weights_[place.weight]
            spread = weight.std()
            fresh = torch.randn(weight.shape, generator=self.rng_).to(weight) * spread
            chosen = units.mask(place, weight, back)
            weight.copy_(torch.where(chosen > 0, fresh, weight))

    def _note(self, epoch: int) -> None:
        for units in self.units_:
            row = {"epoch": epoch, "layer": units.name, "kind": "channel" if units.makers else "connection"}
            row |= {"live": int(units.live.sum()), "n": units.n, "expression": float(units.p.mean())}
            self.log_.append({**row, "came_back": self.came_back_, "share": self.share})


class GenePruner(Pruner):
    """Units are expressed like genes: importance drives them, protein is their memory, silenced ones may come back.

    Parameters
    ----------
    density, epochs, first, last, seed, of, multiple
        As :class:`Pruner`; in multiples in the end, while regulation goes on by single units before.
    alpha, beta : float
        Weight of sensitivity and of youth in the importance.
    expression : Expression, optional
        The equations; without them a unit is live where its score is at least the threshold, epoch by epoch.
    rewiring : float
        Share of the live units that come back in an epoch at first; 0 for none.
    sigma : float
        How much chance decides on these at first: 0 takes those that miss least, infinity any.
    threshold : {'schedule', 'paper'}
        A quantile that follows the target, or mean plus half a standard deviation once and the median from then on.
    scores : {'importance', 'random'}
        Random ones are the control.
    """

    hears = True

    def __init__(
        self,
        density: float,
        epochs: int,
        first: int,
        last: int,
        seed: int = 0,
        alpha: float = 0.5,
        beta: float = 0.2,
        expression: Expression | None = _GENES,
        rewiring: float = 0.1,
        sigma: float = 0.5,
        threshold: str = "schedule",
        scores: str = "importance",
        of: str = "units",
        multiple: int = 1,
    ):
        super().__init__(density, epochs, first, last, seed, of, multiple)
        self.alpha, self.beta, self.expression = alpha, beta, expression
        self.rewiring, self.sigma, self.threshold, self.scores = rewiring, sigma, threshold, scores

    def begin(self) -> None:
        """Let live units begin in the steady state of an importance of twice the threshold, others in that of none."""
        genes = self.expression or _GENES
        for units in self.units_:
            level = genes.level(torch.where(units.live, _ABOVE, 0.0))
            units.m.copy_(level)
            units.p.copy_(level)
            units.age.fill_(_OLD)  # who is there from the beginning has not just come back
        self.tau_: float | None = None

    def between(self, epoch: int) -> None:
        """Score, express, silence and bring back, until everything is settled."""
        end = settled_at(self.first, self.last, self.epochs)
        if epoch < self.first or epoch > end:
            return
        scores = [self._score(units) for units in self.units_]
        if epoch <= self.last or self.tau_ is None:
            self.tau_ = self._threshold(scores, epoch)
        before, was, target = [units.live.clone() for units in self.units_], self.share, self._target(epoch)
        now = live_target(epoch, self.first, self.last, self.density, self.began_)
        for units, score in zip(self.units_, scores, strict=True):
            self._express(units, score / max(self.tau_, 1e-12))
        if self.threshold == "schedule":
            self._keep_course(scores, before, max(target, was - (now - target)))
            late = max(0.0, (epoch - self.last) / (end - self.last))  # so that the last step is a small one
            most = now + _BAND * (1.0 - late)
            if self.share > most and epoch < end:
                self._cut(scores, most)
        if epoch < self.last and self.rewiring:
            self._rewire(scores, epoch, before)
        if epoch < end:
            return
        target = self.density if self.threshold == "schedule" else self.share
        if self.multiple > 1:
            self._cut(scores, target, [units.n for units in self.units_])
        elif abs(self.share - target) > 0.01:
            self._cut(scores, target)

    def _cut(self, scores: Sequence[torch.Tensor], share: float, limits: Sequence[int] | None = None) -> None:
        """Leave a share live, those with most protein; in multiples where `limits` says how many there may be."""
        # live ones first, above all those that have just come back: what is silenced comes back only where too few are
        # left; proteins that are 0 or 1, as they are without dynamics, leave the choice to the scores
        u = [(score / max(cast(float, self.tau_), 1e-12)).tanh() for score in scores]
        ranks = [2.0 * mine.live * (1.0 + (mine.age < _OLD)) for mine in self.units_]
        best = [mine.p + rank + _TIE * more for mine, rank, more in zip(self.units_, ranks, u, strict=True)]
        self._keep_best(best, share, limits)

    def _score(self, units: Units) -> torch.Tensor:
        if self.scores == "random":
            return torch.rand(units.live.shape, generator=self.rng_).to(units.p)
        heard = units.heard() * torch.where(units.live, 1.0, units.usual(self.weights_))
        return importance(units.magnitude(self.weights_), heard, units.age, units.live, self.alpha, self.beta)

    def _threshold(self, scores: Sequence[torch.Tensor], epoch: int) -> float:
        live = [units.live for units in self.units_]
        if self.threshold == "paper":
            if self.tau_ is None:
                pooled = torch.cat([score[alive] for score, alive in zip(scores, live, strict=True)])
                return float(pooled.mean() + 0.5 * pooled.std())
            return live_threshold(scores, live, 0.5)
        target, among, whole, most = self._target(epoch), live, self.share, _CAP
        if self.began_ < 1.0:  # perhaps nothing is to go: what lives is weighed against what does not
            among, whole, most = [torch.ones_like(alive) for alive in live], 1.0, 1.0
        if self.of == "units":
            return live_threshold(scores, among, min(most, max(0.0, 1.0 - target / whole)))
        low, high = 0.0, most
        for _ in range(_HALVINGS):  # a share of the weights is no such share of the channels
            middle = (low + high) / 2
            tau = live_threshold(scores, among, middle)
            for units, score, alive in zip(self.units_, scores, among, strict=True):
                units.live = alive & (score >= tau)
            low, high = (middle, high) if self.share > target else (low, middle)
        for units, alive in zip(self.units_, live, strict=True):
            units.live = alive
        return live_threshold(scores, among, low)

    def _target(self, epoch: int) -> float:
        return live_target(epoch + 1, self.first, self.last, self.density, self.began_)

    def _express(self, units: Units, u: torch.Tensor) -> None:
        if self.expression is None:
            units.p.copy_((u >= 1).to(units.p))
            now = u >= 1
        else:
            dt = min(_LEAP, max(1.0, _COURSE / (self.last - self.first)))
            m, p = self.expression.step(units.m, units.p, u, dt, mean=units.p.mean())
            units.m.copy_(m)
            units.p.copy_(p)
            now = gated(units.live, p)
        now |= units.live & (units.age < _OLD)  # what has just come back has a while to show what it is worth
        missing = self._floor(units) - int(now.sum())
        if missing > 0:
            order = torch.where(now, -math.inf, units.p + u * 1e-3).flatten()
            now.view(-1)[torch.topk(order, missing).indices] = True
        units.live.copy_(now)

    def _keep_course(self, scores: Sequence[torch.Tensor], before: Sequence[torch.Tensor], most: float) -> None:
        """Let what the gate brings back displace others above a share of `most`, and no more go than in the end.

        Nothing goes for the course alone that the gate leaves live: it lags behind.
        """
        if self.share > most:
            live = [units.live.clone() for units in self.units_]
            for units, old in zip(self.units_, before, strict=True):
                units.live &= old
            lagging = self.share
            for units, mine in zip(self.units_, live, strict=True):
                units.live.copy_(mine)
            if self.share > max(most, lagging):
                self._cut(scores, max(most, lagging))
        elif self.share < self.density:
            proteins = torch.cat([units.p.flatten() for units in self.units_])
            gone = torch.cat([(old & ~units.live).flatten() for units, old in zip(self.units_, before, strict=True)])
            places = torch.nonzero(gone).flatten()
            self._switch(places[proteins[places].argsort(descending=True)], True, lambda share: share >= self.density)

    def _switch(self, places: torch.Tensor, live: bool, enough: Callable[[float], bool]) -> None:
        """Switch the first of some units, counted through all layers, as few as are enough."""
        known = torch.cat([units.live.flatten() for units in self.units_])

        def choose(number: int) -> bool:
            now = known.clone()
            now[places[:number]] = live
            for units, mine in zip(self.units_, now.split([u.n for u in self.units_]), strict=True):
                units.live.copy_(mine.reshape(units.live.shape))
            return enough(self.share)

        low, high = 0, len(places)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if choose(middle) else (middle, high)
        choose(high)

    def _rewire(self, scores: Sequence[torch.Tensor], epoch: int, before: Sequence[torch.Tensor]) -> None:
        sigma, tau = spread_of(epoch, self.last, self.sigma), cast(float, self.tau_)
        count = round(self.rewiring * spread_of(epoch, self.last, 1.0) * self._count())
        gone = torch.cat([~units.live.flatten() for units in self.units_])
        # what goes now cannot come back at once
        places = torch.nonzero(gone & ~torch.cat([old.flatten() for old in before])).flatten()
        missing = shortfall(torch.cat([score.flatten() for score in scores])[places], tau)
        back = places[regrown(missing.cpu(), sigma, count, self.rng_).to(places.device)]
        if not len(back):
            return
        proteins = torch.cat([units.p.flatten() for units in self.units_])
        ages = torch.cat([units.age.flatten() for units in self.units_])
        free = torch.nonzero(~gone & (ages >= _OLD)).flatten()
        equal = _TIE * (torch.cat([score.flatten() for score in scores]) / max(tau, 1e-12)).tanh()
        leaving = free[torch.topk(-(proteins + equal)[free], min(len(back), len(free))).indices]
        back = back[: len(leaving)]
        flat_scores = torch.cat([score.flatten() for score in scores])
        start = 0
        for units in self.units_:
            stop = start + units.n
            came, left = (part[(part >= start) & (part < stop)] - start for part in (back, leaving))
            live, m, p = (part.view(-1) for part in (units.live, units.m, units.p))
            # a layer that is at its floor gives nothing away
            left = left[: max(0, int(units.live.sum()) + len(came) - self._floor(units))]
            live[came], live[left] = True, False
            u = flat_scores[start:stop][came] / max(tau, 1e-12)
            m[came] = (self.expression or _GENES).level(u)
            p[came] = _REBORN
            start = stop


class OneShotPruner(Pruner):
    """Everything is decided before the first epoch: by size, or by chance.

    Parameters
    ----------
    density, epochs, first, last, seed, of, multiple
        As :class:`Pruner`.
    by : {'magnitude', 'random'}
    """

    def __init__(self, *arguments: Any, by: str = "magnitude", **options: Any):
        super().__init__(*arguments, **options)
        self.by = by

    def begin(self) -> None:
        """Keep the largest units of all, or any of each layer; as many as are wanted may be all that are left."""
        if self._settled:
            return
        if self.by == "magnitude":
            sizes = [s.masked_fill(~u.live, -1.0) for s, u in zip(self._sizes(), self.units_, strict=True)]
            self._keep_best(sizes, self.density, self._left())
            return
        drawn = [
            torch.rand(units.live.shape, generator=self.rng_).to(units.p).masked_fill(~units.live, -1.0)
            for units in self.units_
        ]
        left = self._left()

        def choose(share: float) -> None:
            for units, scores, most in zip(self.units_, drawn, left, strict=True):
                _keep(units, scores, self._whole(units, share * units.n, most))

        self._reach(self.density, choose)
        self._even_out(drawn, self.density, left)


class GradualPruner(Pruner):
    """The smallest units go, more of them after each epoch, and never come back (Zhu & Gupta 2017)."""

    def between(self, epoch: int) -> None:
        """Follow the falling target."""
        if self.first <= epoch <= self.last:
            sizes = [s.masked_fill(~u.live, -1.0) for s, u in zip(self._sizes(), self.units_, strict=True)]
            target = live_target(epoch, self.first, self.last, self.density, self.began_)
            self._keep_best(sizes, min(target, self.share), self._left())


class SETPruner(Pruner):
    """Sparse from the beginning; after each epoch the smallest go and others come back by chance (Mocanu et al. 2018).

    Parameters
    ----------
    density, epochs, first, last, seed, of, multiple
        As :class:`Pruner`.
    share_changed : float
        Of the live units of each layer, after each epoch.
    trained : bool
        Whether the network was trained before: then the largest units of each layer are live at first.
    """

    def __init__(self, *arguments: Any, share_changed: float = 0.3, trained: bool = False, **options: Any):
        super().__init__(*arguments, **options)
        self.share_changed, self.trained = share_changed, trained

    def begin(self) -> None:
        """Give each layer its density; where another training has left as many as are wanted, these stay."""
        if self._settled:
            return
        shapes = [tuple(units.live.shape) for units in self.units_]
        scores = [torch.rand(shape, generator=self.rng_) for shape in shapes]
        if self.trained:
            scores = [units.magnitude(self.weights_) for units in self.units_]
        scores = [
            mine.to(units.p).masked_fill(~units.live, -1.0) for mine, units in zip(scores, self.units_, strict=True)
        ]
        left = self._left()

        def choose(share: float) -> None:
            densities = layer_densities(shapes, share)
            for units, mine, most, density in zip(self.units_, scores, left, densities, strict=True):
                _keep(units, mine, self._whole(units, density * units.n, most))

        self._reach(self.density, choose)
        self._even_out(scores, self.density, left)

    def between(self, epoch: int) -> None:
        """Exchange units, except after the last epochs."""
        if epoch < settled_at(self.first, self.last, self.epochs):
            self._exchange(self.share_changed, lambda units: torch.rand(units.live.shape, generator=self.rng_))

    def _exchange(self, share: float, growth: Callable[[Units], torch.Tensor]) -> None:
        for units in self.units_:
            before = units.live.clone()
            count = round(share * int(before.sum()))
            if not count:
                continue
            live = units.live.view(-1)
            size = units.magnitude(self.weights_).masked_fill(~before, math.inf)
            live[torch.topk(-size.flatten(), count).indices] = False
            # any but those that stayed, also one that has just left
            back = growth(units).to(size).masked_fill(units.live, -math.inf)
            live[torch.topk(back.flatten(), count).indices] = True


class RigLPruner(SETPruner):
    """As SET, but what comes back has the largest gradient, every so many steps (Evci et al. 2020).

    Parameters
    ----------
    density, epochs, first, last, seed, of, multiple, share_changed, trained
        As :class:`SETPruner`; the share falls to 0 as half a cosine.
    every : int
        Steps between two exchanges.
    steps : int
        Steps of the whole training; exchanges end at three quarters of it.
    """

    def __init__(self, *arguments: Any, every: int = 100, steps: int = 1000, **options: Any):
        super().__init__(*arguments, **options)
        self.every, self.steps = every, steps

    def between(self, epoch: int) -> None:
        """Decide nothing: steps do."""

    def after_batch(self, step: int) -> bool:
        """Exchange units by the gradient of this batch."""
        end = 0.75 * self.steps
        if step % self.every or step >= end:
            return False
        self._exchange(self.share_changed / 2 * (1 + math.cos(math.pi * step / end)), self._gradient)
        return True

    def _gradient(self, units: Units) -> torch.Tensor:
        """Return what this batch's gradient of each unit that is silent is."""
        units.forget()
        units.listen(self.weights_)
        return units.heard()


#: Rivals of the regulation by name.
PRUNERS = {
    "gene": GenePruner,
    "magnitude": OneShotPruner,
    "random": OneShotPruner,
    "gradual": GradualPruner,
    "set": SETPruner,
    "rigl": RigLPruner,
}


def layer_densities(shapes: Sequence[tuple[int, ...]], density: float) -> list[float]:
    """Return the density of each layer: higher for small ones (Erdős-Rényi kernel, Evci et al. 2020), all alike in 1d.

    Parameters
    ----------
    shapes : sequence of tuple
        Of the weights; channels have one axis.
    density : float
        Of all together.
    """
    sizes = [math.prod(shape) for shape in shapes]
    raw = [sum(shape) / math.prod(shape) if len(shape) > 1 else 1.0 for shape in shapes]
    dense: set[int] = set()
    while True:
        rest = [k for k in range(len(shapes)) if k not in dense]
        left = density * sum(sizes) - sum(sizes[k] for k in dense)
        factor = left / sum(raw[k] * sizes[k] for k in rest) if rest else 0.0
        full = {k for k in rest if factor * raw[k] > 1}
        if not full:
            return [1.0 if k in dense else factor * raw[k] for k in range(len(shapes))]
        dense |= full


def _raised(scores: torch.Tensor, floor: int) -> torch.Tensor:
    """Return scores of a layer in which the best, as many as have to stay, are above all others."""
    raised = scores.flatten().clone()
    raised[torch.topk(raised, floor).indices] = math.inf
    return raised.reshape(scores.shape)


def _keep(units: Units, scores: torch.Tensor, count: int) -> None:
    """Leave the units with the highest scores live."""
    units.live.zero_()
    units.live.view(-1)[torch.topk(scores.flatten().to(units.p), count).indices] = True
