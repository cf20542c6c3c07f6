"""Simulated photographs of faces as a source, made on use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.random import child_seed
from thymos.sources.images import PhotoSource
from thymos.sources.simulate.faces import DOMAINS
from thymos.sources.simulate.images import album
from thymos.sources.simulate.latent import known, numbered

__all__ = ["SimulatedFaces"]


class SimulatedFaces(PhotoSource):
    """Drawn faces of people in one or several domains: modality ``face``, label ``emotion``.

    Parameters
    ----------
    photos : int or sequence of int
        In each domain, or in one after the other; people take turns.
    people : int or sequence of int
        In each domain, or in one after the other.
    domains : sequence of str
        Of :data:`~thymos.sources.simulate.faces.DOMAINS`: groups who look and express themselves in ways of their own.
    size : int
        Height and width in pixels, at least 24.
    effect : float
        Multiplies how much of an emotion is shown.
    null : bool
        No emotion is shown, whatever the labels say.
    flip : float
        Share of labels that are wrong.
    random_state : int

    Notes
    -----
    The metadata have ``subject`` (also as ``identity``) and ``domain``.
    """

    name = "simulated-faces"

    def __init__(
        self,
        photos: int | Sequence[int] = 400,
        people: int | Sequence[int] = 40,
        domains: Sequence[str] = ("plain",),
        size: int = 48,
        effect: float = 1.0,
        null: bool = False,
        flip: float = 0.05,
        random_state: int = 0,
    ):
        self.domains = tuple(known("domain", list(domains), DOMAINS))
        if not self.domains or len(set(self.domains)) < len(self.domains):
            raise InputError(f"domains={domains!r} came.", fits=f"some of {', '.join(DOMAINS)}, each once")
        self.photos_each, self.people_each = self._each("photos", photos), self._each("people", people)
        self.size, self.effect = size, effect
        self.null, self.flip, self.random_state = null, flip, random_state

    def _each(self, name: str, value: int | Sequence[int]) -> tuple[int, ...]:
        each = tuple(value) if isinstance(value, Sequence) else (value,) * len(self.domains)
        if len(each) != len(self.domains):
            raise InputError(f"{name}={value!r} came for {len(self.domains)} domains.", fits="a number for each")
        return each

    def photos(self) -> tuple[pd.DataFrame, np.ndarray]:
        """Return the metadata, and the pictures, shape (n_photographs, 1, size, size)."""
        tables, pictures = [], []
        for domain, photos, people in zip(self.domains, self.photos_each, self.people_each, strict=True):
            seed = child_seed(self.random_state, "photos", domain)
            made = album(photos, people, seed, self.size, self.effect, self.null, self.flip, domain)
            who = np.array([f"{domain}-{name}" for name in numbered("p", people)])[made.person]
            trial = [f"{person}-{k}" for k, person in enumerate(who)]
            tables.append(
                pd.DataFrame({"subject": who, "trial": trial, "identity": who, "domain": domain, "emotion": made.label})
            )
            pictures.append(made.pictures[:, None])
        return pd.concat(tables, ignore_index=True), np.concatenate(pictures)

    def pixels(self, key: np.ndarray) -> np.ndarray:
        """Return one photograph."""
        return key
