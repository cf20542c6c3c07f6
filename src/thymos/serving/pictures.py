"""What a model of pictures was trained on, and photographs of anybody made fit for it, or refused in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import Field

from thymos.base.errors import InputError, named
from thymos.base.recording import Frames, Recording
from thymos.serving.adapt import Step, Strict
from thymos.signals.faces import crop_faces, detect_faces
from thymos.signals.frames import resize_frames, to_grey
from thymos.signals.processing import Process, make_process

__all__ = ["PictureRecipe", "adapt_picture"]

_SMALLEST = 8  # pixels of a shorter side that can show a face
_LOW_CONTRAST = 5.0  # grey levels, standard deviation
_Side = Annotated[int, Field(ge=1, le=8192)]


class PictureRecipe(Strict):
    """How pictures became samples, and any others must.

    Parameters
    ----------
    modality : str
        Which one of a recording.
    shape : (int, int, int)
        Channels, height and width of a sample.
    process : tuple of Step
        Applied to each recording alone.
    whole : tuple of str
        Sources whose pictures are brought to that size whole, as those of training were.
    seconds : None
        A picture has no length; as :class:`~thymos.serving.adapt.Recipe` has it.
    """

    modality: str
    shape: tuple[Literal[1, 3], _Side, _Side]
    process: tuple[Step, ...] = ()
    whole: tuple[str, ...] = ()
    seconds: None = None

    def processes(self) -> list[Process]:
        """Return the functions of `process`; errors as :meth:`thymos.serving.adapt.Recipe.processes`."""
        return [make_process(step.name, self.modality, **step.parameters) for step in self.process]

    def transformers(self) -> list[Any]:
        """Return no transformers: features of pictures are learnt."""
        return []


def adapt_picture(recording: Recording, recipe: PictureRecipe, processes: list[Process]) -> tuple[Frames, list[str]]:
    """Return pictures as the training pictures were, and what was done to them, in words.

    Pictures of the sources of training, and those of exactly the size of training, are taken whole. In any other the
    largest face is looked for, cut out and brought to that size, unless a process of the recipe does so itself.

    Parameters
    ----------
    recording : Recording
    recipe : PictureRecipe
    processes : list of Process
        Those of the recipe.

    Returns
    -------
    frames : Frames
    notes : list of str

    Raises
    ------
    InputError
        If there are no pictures, they are too small, or there is no face.
    """
    channels, height, width = recipe.shape
    with named(f"{recording.meta['trial']!r} does not fit the model"):
        frames = recording.signal(recipe.modality)
        if not isinstance(frames, Frames):
            raise InputError(f"{recipe.modality!r} is a signal.", fits="pictures")
        came = frames.data.shape[2:]
        if min(came) < min(_SMALLEST, height, width):
            raise InputError(
                f"It has {came[1]} x {came[0]} pixels.", fits=f"a face of about {width} x {height} pixels, or more"
            )
        notes: list[str] = []
        if frames.data.std(axis=(1, 2, 3)).min() < _LOW_CONTRAST:
            notes.append("it hardly shows anything: its grey values are nearly all the same")
        if processes:
            for process in processes:
                recording = process.apply(recording)
            frames = cast(Frames, recording.signal(recipe.modality))
        elif came != (height, width) and recording.meta["source"] not in recipe.whole:
            frames = _faces(frames, recipe, notes)
        data = to_grey(frames.data) if channels == 1 else frames.data
        data = data.repeat(3, axis=1) if channels == 3 and data.shape[1] == 1 else data
        return frames.replace(data=resize_frames(data, (height, width))), [*notes, *frames.notes]


def _faces(frames: Frames, recipe: PictureRecipe, notes: list[str]) -> Frames:
    """Return the largest face of each picture."""
    if not frames.sfreq:  # of a film the faces are followed, and not counted
        counts = {len(detect_faces(picture)) for picture in to_grey(frames.data)}
        if max(counts) > 1:
            notes.append(f"{max(counts)} faces were found: the largest is taken")
    _, height, width = recipe.shape
    try:
        made = crop_faces(frames, size=max(height, width))
    except InputError as error:
        do = f"cut the face out: a picture of exactly {width} x {height} pixels is taken as it is"
        raise InputError(error.came, error.fits, do) from None
    notes.append(f"a face was cut out of {frames.data.shape[3]} x {frames.data.shape[2]} pixels")
    if recipe.shape[0] == 3:
        notes.append("in grey: faces are cut out of grey pictures")
    return made.replace(data=np.ascontiguousarray(made.data))
