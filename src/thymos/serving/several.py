"""Models of several modalities: a recipe for each, and samples of the same moments side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, cast

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError, model_validator

from thymos.base.errors import InputError
from thymos.base.recording import Recording
from thymos.base.samples import Samples
from thymos.base.writer import Block
from thymos.serving.adapt import Recipe, Strict, explained
from thymos.serving.pictures import PictureRecipe
from thymos.signals.processing import Process
from thymos.signals.together import together
from thymos.signals.windows import joined

__all__ = ["SeveralRecipe", "recipe_of", "samples_of", "side_by_side"]

_Size = Annotated[int, Field(ge=1)]


class SeveralRecipe(Strict):
    """How samples of several modalities were made, and must be made of any other recording.

    Parameters
    ----------
    modalities : dict of str to Recipe or PictureRecipe
        By the name that the model knows; one of signals at least.
    shapes : dict of str to tuple of int
        Of a sample of each.
    missing : {'drop', 'keep'}
        What becomes of windows that a modality lacks, as of :func:`thymos.signals.together.together`.
    """

    modalities: dict[str, Recipe | PictureRecipe] = Field(min_length=1)
    shapes: dict[str, tuple[_Size, ...]]
    missing: Literal["drop", "keep"] = "drop"

    @model_validator(mode="after")
    def _check(self) -> SeveralRecipe:
        if set(self.shapes) != set(self.modalities) or self.seconds is None:
            raise ValueError("every modality has a shape, and one of signals is cut into windows")
        return self

    @property
    def seconds(self) -> float | None:
        """Length of a sample."""
        return next((recipe.seconds for recipe in self.modalities.values() if recipe.seconds is not None), None)

    def processes(self) -> dict[str, list[Process]]:
        """Return the functions that are applied to each modality; errors as :meth:`Recipe.processes`."""
        return {name: recipe.processes() for name, recipe in self.modalities.items()}

    def transformers(self) -> dict[str, list[Any]]:
        """Return the transformers of the features of each modality; errors as :meth:`Recipe.processes`."""
        return {name: recipe.transformers() for name, recipe in self.modalities.items()}


def recipe_of(content: Mapping[str, Any]) -> Recipe | PictureRecipe | SeveralRecipe:
    """Return a recipe of plain values: of signals, of pictures, or of several modalities.

    Raises
    ------
    InputError
        If a key is missing or unknown, or a value does not fit.
    """
    kind = SeveralRecipe if "modalities" in content else PictureRecipe if "shape" in content else Recipe
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(
            f"Samples made so cannot be made elsewhere: {explained(error)}.",
            fits=f"a recipe of {', '.join(kind.model_fields)}",
        ) from None


def side_by_side(
    recording: Recording,
    recipe: SeveralRecipe,
    blocks_of: Callable[[str, Recipe | PictureRecipe, list[str]], Iterable[Block]],
    words: list[str],
) -> list[Block]:
    """Return the samples of one recording, all modalities together; none if there are no common moments.

    Parameters
    ----------
    recording : Recording
    recipe : SeveralRecipe
    blocks_of : callable
        From the name of a modality, its recipe and a list that words are added to, to the samples of it.
    words : list of str
        What there is to say is added to it.

    Raises
    ------
    InputError
        If a modality does not fit, or is not there and may not be missing.
    """
    parts, gone = {}, []
    for name, mine in recipe.modalities.items():
        if mine.modality not in recording.signals and recipe.missing == "keep":
            gone.append(name)
            continue
        said: list[str] = []
        blocks = list(blocks_of(name, mine, said))
        words += [f"{name}: {text}" for text in said]
        if blocks:
            parts[name] = joined(blocks)
        elif recipe.missing == "keep":
            gone.append(name)
        else:
            return []
    if not any(recipe.modalities[name].seconds is not None for name in parts):
        words.append("no signal of a window's length: no prediction")
        return []
    try:
        made = together(parts, recipe.missing)
    except InputError as error:
        words.append(f"{error.came} No prediction")
        return []
    words += [
        f"{name}: {facts['unmatched']} windows have no other modality beside them: no prediction for them"
        for name, facts in made.info["modalities"].items()
        if "unmatched" in facts
    ]
    words += [f"without {name}, which is not there" for name in gone]
    there = cast("dict[str, np.ndarray]", made.X)
    X = {name: there.get(name, _nothing(len(made), recipe.shapes[name])) for name in recipe.modalities}
    return [Block(X, made.meta, made.info)]


def samples_of(blocks: list[Block]) -> Samples:
    """Return the samples of all blocks of :func:`side_by_side`."""
    X = {name: np.concatenate([block.X[name] for block in blocks]) for name in blocks[0].X}
    return Samples(X, meta=pd.concat([block.meta for block in blocks], ignore_index=True), info=blocks[0].info)


def _nothing(n_samples: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.full((n_samples, *shape), np.nan, dtype=np.float32)
