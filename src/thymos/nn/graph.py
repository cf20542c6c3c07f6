"""Graphs over electrodes or regions: adjacency that is learnt, and convolutions along it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["ChebyshevConv", "LearntGraph", "RegionMean", "nearness", "normalised", "similarity_graph"]


def normalised(adjacency: torch.Tensor) -> torch.Tensor:
    """Return ``D^(-1/2) A D^(-1/2)`` with the degrees ``D = diag(A 1)``.

    Parameters
    ----------
    adjacency : Tensor, shape (..., n_nodes, n_nodes)
        Symmetric, 0 or more. A node without neighbours keeps a row of zeros.

    Returns
    -------
    Tensor, shape (..., n_nodes, n_nodes)
        Its eigenvalues lie between -1 and 1.
    """
    degree = adjacency.sum(dim=-1)
    alone = degree <= 0
    scale = degree.masked_fill(alone, 1.0).rsqrt().masked_fill(alone, 0.0)
    return adjacency * (scale[..., :, None] * scale[..., None, :])


def nearness(positions: torch.Tensor) -> torch.Tensor:
    """Return how near electrodes are to each other: ``exp(-d^2 / 2 s^2)`` of the angle d between their directions.

    Parameters
    ----------
    positions : Tensor, shape (n_nodes, 3)
        Directions from the middle of the head.

    Returns
    -------
    Tensor, shape (n_nodes, n_nodes)
        The scale s is the median of the angles to the three nearest; values below 0.1 are 0, and so is the diagonal.
    """
    unit = torch.nn.functional.normalize(positions, dim=1)
    angle = torch.arccos((unit @ unit.T).clamp(-1, 1)).fill_diagonal_(0.0)
    if len(angle) < 2:
        return torch.zeros_like(angle)
    scale = angle.sort(dim=1).values[:, 1:4].median().clamp_min(1e-6)  # of electrodes in one place it is 0
    near = torch.exp(-angle.square() / (2 * scale.square()))
    return torch.where(near < 0.1, 0.0, near).fill_diagonal_(0.0)


def similarity_graph(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the normalised graph of each sample: similar nodes are joined, as strongly as `weight` allows.

    ``relu((X X^T) * (W + W^T)) + I``, normalised (Ding et al. 2023, global graph-filtering layer).

    Parameters
    ----------
    x : Tensor, shape (batch, n_nodes, n_features)
    weight : Tensor, shape (n_nodes, n_nodes)

    Returns
    -------
    Tensor, shape (batch, n_nodes, n_nodes)
    """
    similarity = x @ x.transpose(1, 2)
    own = torch.eye(len(weight), dtype=x.dtype, device=x.device)
    return normalised((similarity * (weight + weight.T)).relu() + own)


class LearntGraph(nn.Module):
    """Undirected graph whose edges are trained like other weights (Song et al. 2018, algorithm 1).

    Parameters
    ----------
    n_nodes : int
    """

    def __init__(self, n_nodes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(n_nodes, n_nodes))

    def forward(self) -> torch.Tensor:
        """Return the scaled Laplacian ``2 L / 2 - I = -D^(-1/2) W D^(-1/2)``, shape (n_nodes, n_nodes).

        ``L = I - D^(-1/2) W D^(-1/2)`` has no eigenvalue above 2, which stands for the largest: the Chebyshev
        polynomials stay within their interval, and nothing is decomposed in every step.
        """
        positive = self.weight.relu()
        return -normalised((positive + positive.T) / 2)


class ChebyshevConv(nn.Module):
    """Spectral graph convolution ``sum_k T_k(L) X Theta_k + b`` (Defferrard et al. 2016; Song et al. 2018).

    Parameters
    ----------
    n_features, n_filters : int
        Values per node before and after.
    order : int
        Number of Chebyshev polynomials ``T_0 ... T_(order-1)``; 1 sees no neighbour.
    """

    def __init__(self, n_features: int, n_filters: int, order: int):
        super().__init__()
        self.order = order
        self.mix = nn.Linear(order * n_features, n_filters)

    def forward(self, x: torch.Tensor, laplacian: torch.Tensor) -> torch.Tensor:
        """Return shape (batch, n_nodes, n_filters).

        Parameters
        ----------
        x : Tensor, shape (batch, n_nodes, n_features)
        laplacian : Tensor, shape (n_nodes, n_nodes)
            Scaled, with eigenvalues between -1 and 1.
        """
        terms = [x, laplacian @ x]
        while len(terms) < self.order:
            terms.append(2 * laplacian @ terms[-1] - terms[-2])
        return self.mix(torch.cat(terms[: self.order], dim=-1))


class RegionMean(nn.Module):
    """Mean over the nodes of each region.

    Parameters
    ----------
    regions : sequence of sequence of int
        The nodes of each region; nodes of none are left out.
    n_nodes : int
        Nodes in all.
    """

    share: torch.Tensor

    def __init__(self, regions: Sequence[Sequence[int]], n_nodes: int):
        super().__init__()
        share = torch.zeros(len(regions), n_nodes)
        for row, nodes in zip(share, regions, strict=True):
            row[list(nodes)] = 1 / len(nodes)
        self.register_buffer("share", share)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return shape (batch, n_regions, n_features); `x` of shape (batch, n_nodes, n_features)."""
        return self.share @ x
