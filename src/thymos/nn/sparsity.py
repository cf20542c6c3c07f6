"""Masks of connections and channels with what regulation remembers of each unit.

A silenced weight is 0 and stays so, since its gradient is put to 0 before every step. The gradient itself is that of
the network as it is, so that silenced units can be heard too, in recurrent layers as in others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["Channels", "Place", "Units", "channel_units", "connection_units", "masked_weights", "weights_of"]

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.LSTM, nn.GRU, nn.RNN)


@dataclass(frozen=True)
class Place:
    """Where units lie in a weight.

    Parameters
    ----------
    weight : str
        Name of the parameter.
    dim : int, optional
        Axis along which units lie; none if every value is a unit.
    index : tuple of int, optional
        Number of the unit at each place of that axis.
    """

    weight: str
    dim: int | None = None
    index: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Channels:
    """Channels that go together: one layer makes them, perhaps others add to them, and some take them in.

    Parameters
    ----------
    makers : tuple of Place
        Along the first axis of weights; the first one is the layer that the group is named after.
    consumers : tuple of Place
        Along the second axis.
    n : int
        Number of channels.
    beside : tuple of Place
        Biases and factors of the channels, along their only axis.
    """

    makers: tuple[Place, ...]
    consumers: tuple[Place, ...]
    n: int
    beside: tuple[Place, ...] = ()


class Units(nn.Module):
    """Units that are masked together: the weights of one layer, or channels at all layers that take them in.

    Parameters
    ----------
    name : str
    shape : tuple of int
        One entry for each unit.
    places : sequence of Place
        What is 0 where a unit is silenced.
    makers : sequence of Place
        Of channels: the weights that make them, which stay as they were, so that it can be heard whether a silenced
        channel would be of use. Without them the places themselves are what a unit is as large as.
    beside : sequence of Place
        Of channels: biases and factors, which stay as they were too.

    Attributes
    ----------
    live, m, p, age : Tensor of `shape`
        Whether each is live, its mRNA and protein, and epochs since birth; buffers, stored and moved with the network.
    """

    live: torch.Tensor
    m: torch.Tensor
    p: torch.Tensor
    age: torch.Tensor

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        places: Sequence[Place],
        makers: Sequence[Place] = (),
        beside: Sequence[Place] = (),
    ):
        super().__init__()
        self.name, self.places, self.makers, self.beside = name, tuple(places), tuple(makers), tuple(beside)
        self.register_buffer("live", torch.ones(tuple(shape), dtype=torch.bool))
        for key in ("m", "p", "age"):
            self.register_buffer(key, torch.ones(tuple(shape)))
        for place in (*self.places, *self.makers, *self.beside):  # made once, not at every batch
            if place.index is not None:
                self.register_buffer(_index_name(place), torch.as_tensor(place.index), persistent=False)
        self.forget()

    @property
    def n(self) -> int:
        """Number of units."""
        return self.live.numel()

    def forget(self) -> None:
        """Begin anew with what is heard of gradients."""
        self._heard, self._batches = torch.zeros_like(self.age), 0

    @torch.no_grad()
    def listen(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take in the gradients of a batch: of live units |w dL/dw|, of others |dL/dw|, both summed inside a unit.

        The sum of weight times gradient over all that take a channel in is that of its values times their gradient.
        """
        product, square = torch.zeros_like(self.age), torch.zeros_like(self.age)
        for place in self.places:
            weight = weights[place.weight]
            if weight.grad is None:
                continue
            product += self._inside(place, weight * weight.grad)
            square += self._inside(place, weight.grad.square())
        self._heard += torch.where(self.live, product.abs(), square.sqrt())
        self._batches += 1

    def heard(self) -> torch.Tensor:
        """Return the mean over batches of what :meth:`listen` took in."""
        return self._heard / max(1, self._batches)

    @torch.no_grad()
    def magnitude(self, weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the size of each unit: the absolute weight, or the root mean square of the weights of a channel."""
        if not self.makers:
            return weights[self.places[0].weight].abs()
        squares, numbers = torch.zeros_like(self.age), torch.zeros_like(self.age)
        for maker in self.makers:  # of a residual sum all that is added
            square = weights[maker.weight].square().flatten(1)
            squares.index_add_(0, self._index(maker), square.sum(dim=1))
            numbers.index_add_(0, self._index(maker), torch.full_like(square[:, 0], square.shape[1]))
        return (squares / numbers.clamp(min=1)).sqrt()

    @torch.no_grad()
    def usual(self, weights: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return what makes the gradients of silenced units, as they are heard, comparable with those of live ones.

        Of connections that is the mean absolute live weight. A channel is heard through the weights that take it in,
        whatever size those have that make it: the root mean square of the live ones, times what a sum of many products
        of either sign is below the product of their norms.
        """
        some = self.live if self.live.any() else torch.ones_like(self.live)
        if not self.makers:
            return self.magnitude(weights)[some].mean()
        squares, numbers = torch.zeros_like(self.age), torch.zeros_like(self.age)
        for place in self.places:
            weight = weights[place.weight]
            squares += self._inside(place, weight.square())
            numbers += self._inside(place, torch.ones_like(weight))
        return (2 / torch.pi * squares[some].sum() / numbers[some].sum()).sqrt()

    @torch.no_grad()
    def made_by(self, weights: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
        """Yield names of weights that make silenced channels or are beside them, where they do so, and their values."""
        if not self.live.all():
            for place in (*self.makers, *self.beside):
                weight = weights[place.weight]
                yield place.weight, self.mask(place, weight, ~self.live), weight.clone()

    @torch.no_grad()
    def silence(self, weights: Mapping[str, torch.Tensor], of: str = "value") -> None:
        """Put to 0 what belongs to silenced units: weights, or their gradients (`of` is ``grad``)."""
        for place in self.places:
            weight = weights[place.weight]
            if of == "value":
                weight.mul_(self.mask(place, weight))
            elif weight.grad is not None:
                weight.grad.mul_(self.mask(place, weight))

    def mask(self, place: Place, weight: torch.Tensor, of: torch.Tensor | None = None) -> torch.Tensor:
        """Return 1 where units are live (or where `of` is), in a shape that multiplies a weight."""
        chosen = (self.live if of is None else of).to(weight.dtype)
        if place.dim is None:
            return chosen
        return chosen[self._index(place)].reshape([-1 if d == place.dim else 1 for d in range(weight.dim())])

    def _inside(self, place: Place, values: torch.Tensor) -> torch.Tensor:
        """Sum the values of a weight inside each unit."""
        if place.dim is None:
            return values
        along = values.sum(dim=[d for d in range(values.dim()) if d != place.dim])
        return torch.zeros_like(self.age).index_add_(0, self._index(place), along)

    def _index(self, place: Place) -> torch.Tensor:
        return self.get_buffer(_index_name(place))


def _index_name(place: Place) -> str:
    return f"{place.weight}:{place.dim}".replace(".", ":")


def connection_units(network: nn.Module, but: Sequence[str] = ()) -> list[Units]:
    """Return a unit for every weight of dense, convolutional and recurrent layers, by weight matrix.

    Parameters
    ----------
    network : Module
    but : sequence of str
        Names of layers that stay as they are, such as the last one.
    """
    return [Units(name, weight.shape, [Place(name)]) for name, weight in _matrices(network, but)]


def channel_units(groups: Sequence[Channels]) -> list[Units]:
    """Return a unit for every channel."""
    return [Units(g.makers[0].weight, (g.n,), g.consumers, g.makers, g.beside) for g in groups]


def weights_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of a network by name."""
    return dict(network.named_parameters())


def masked_weights(network: nn.Module, units: Sequence[Units]) -> tuple[int, int]:
    """Return how many weights of dense, convolutional and recurrent layers do nothing, and how many there are.

    Those do nothing that are silenced, and those that make silenced channels.
    """
    weights = weights_of(network)
    masks: dict[str, torch.Tensor] = {}
    for group in units:
        for place in (*group.places, *group.makers):
            weight = weights[place.weight]
            mask = torch.broadcast_to(group.mask(place, weight), weight.shape)
            masks[place.weight] = masks.get(place.weight, 1.0) * mask
    silenced = sum(int((mask == 0).sum()) for mask in masks.values())
    return silenced, sum(weight.numel() for _, weight in _matrices(network))


def _matrices(network: nn.Module, but: Sequence[str] = ()) -> Iterator[tuple[str, nn.Parameter]]:
    for name, layer in network.named_modules():
        if isinstance(layer, _LAYERS) and name not in but:
            for key, weight in layer.named_parameters(prefix=name, recurse=False):
                if weight.dim() > 1:
                    yield key, weight
