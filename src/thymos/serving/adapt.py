"""What a model was trained on, and recordings of anybody made fit for it, or refused in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from thymos.base.catalogue import check_parameters, resolve
from thymos.base.errors import InputError, named
from thymos.base.recording import Recording, Signal
from thymos.signals.filters import require_finite, resample
from thymos.signals.montage import interpolate_channels, pick_channels, standard_name
from thymos.signals.processing import Process, make_process, signal_spread

__all__ = ["Facts", "Recipe", "Step", "Strict", "adapt", "explained"]

_MOST_MISSING = 0.25  # share of channels that may be filled in from the others
_SAME_RATE = 2e-3  # relative; rates taken from time stamps differ by less from the true one
_FAR = 100.0  # times the amplitude of training, above or below; between microvolts and volts lies a million

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Strict(BaseModel):
    """Plain values that are checked, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(Strict):
    """A name of a catalogue with parameters.

    An address (``package.module:name``) is refused: a bundle may name what every Thymos has and import nothing else.
    """

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _check(cls, name: str) -> str:
        if ":" in name:
            raise ValueError(f"{name!r} is an address; a bundle names processes and features of the catalogue only")
        return name


class Facts(Strict):
    """Channels, rate in Hz and unit of a signal."""

    channels: tuple[str, ...] = Field(min_length=1)
    sfreq: _Positive
    unit: str


class Recipe(Strict):
    """How samples were made of the training recordings, and must be made of any other.

    Parameters
    ----------
    modality : str
        Which signal.
    channels : tuple of str
        Its channels as they came, before anything was done.
    unit : str
        SI unit of its values.
    rates : tuple of float
        Sampling rates in Hz of the training recordings as they came.
    spread : float
        Median over these of :func:`~thymos.signals.processing.signal_spread`, in `unit`; 0 if it is not known.
    process : tuple of Step
        Applied to each recording alone.
    processed : Facts
        Of the signal after that.
    features : tuple of Step
        Computed of each recording; none for windows of the signal itself.
    seconds, step : float, optional
        Length of a sample and distance between two starts; whole recordings without.
    drop : tuple of str
        Kinds of marked spans whose samples are left out.
    subtract_baseline : bool
        Whether the mean of the first feature over the rest before the stimulus is subtracted.
    """

    modality: str
    channels: tuple[str, ...] = Field(min_length=1)
    unit: str
    rates: tuple[_Positive, ...] = Field(min_length=1)
    spread: float = Field(ge=0, allow_inf_nan=False)
    process: tuple[Step, ...] = ()
    processed: Facts
    features: tuple[Step, ...] = ()
    seconds: _Positive | None
    step: _Positive | None = None
    drop: tuple[str, ...] = ()
    subtract_baseline: bool = False

    def processes(self) -> list[Process]:
        """Return the functions of `process`.

        Raises
        ------
        UnknownNameError, InputError
            If this version has no such process or parameter.
        """
        return [make_process(step.name, self.modality, **step.parameters) for step in self.process]

    def transformers(self) -> list[Any]:
        """Return the transformers of `features`; errors as :meth:`processes`."""
        made = []
        for step in self.features:
            row = resolve(step.name, "transformer")
            check_parameters(row.load(), step.parameters, f"The feature {step.name!r}")
            made.append(row.load()(**{**row.parameters, **step.parameters}))
        return made


def explained(error: ValidationError) -> str:
    """Return what does not fit, and where, in words."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
    )


def adapt(recording: Recording, recipe: Recipe) -> tuple[Recording, list[str]]:
    """Return a recording that enters as the training recordings did, and what was done to it, in words.

    Channels are found by their 10-05 names, whatever a device calls them, put into the order of training, and further
    ones dropped. Up to a quarter of the channels of EEG may be missing; they are interpolated from the others by
    spherical splines, which adds no information. A higher sampling rate is lowered to one of the training recordings.

    Parameters
    ----------
    recording : Recording
    recipe : Recipe

    Returns
    -------
    recording : Recording
        With this one signal and the rest before the stimulus, where there is any.
    notes : list of str

    Raises
    ------
    InputError
        If there is no such signal, its unit differs, too many channels are missing or cannot be interpolated, its rate
        is below that of training, values are missing, or its amplitude is more than a hundred times that of training,
        or less than a hundredth.
    """
    with named(f"{recording.meta['trial']!r} does not fit the model"):
        signal = recording.signal(recipe.modality)
        if not isinstance(signal, Signal):
            raise InputError(f"{recipe.modality!r} is pictures.", fits="a signal")
        notes: list[str] = []
        fitted = _fitted(signal, recipe, notes)
        _check_amplitude(fitted, recipe)
        rest = {
            name: _fitted(signal, recipe, []) for name, signal in recording.baseline.items() if name == recipe.modality
        }
        return replace(recording, signals={recipe.modality: fitted}, baseline=rest), notes


def _fitted(signal: Signal, recipe: Recipe, notes: list[str]) -> Signal:
    """Return a signal with the channels and a rate of training; what is done is added to `notes`."""
    if signal.unit != recipe.unit:
        raise InputError(
            f"Its unit is {signal.unit or 'none'!r}.",
            fits=f"{recipe.unit or 'no unit'!r}, as in training",
            do="give the unit of its values in a manifest (docs/own-recordings.md)",
        )
    signal = _with_channels(signal, recipe, notes)
    require_finite(signal.data)
    return _at_rate(signal, recipe, notes)


def _with_channels(signal: Signal, recipe: Recipe, notes: list[str]) -> Signal:
    wanted, there = recipe.channels, signal.ch_names
    if there == wanted:
        return signal
    if len(there) == len(wanted) == 1 and recipe.modality != "eeg":  # one electrodermal channel is the other
        notes.append(f"its only channel {there[0]} is taken for {wanted[0]}")
        return signal.replace(ch_names=wanted)
    known = {standard_name(name) or name: name for name in there}
    keys = [standard_name(name) or name for name in wanted]
    missing = [name for name, key in zip(wanted, keys, strict=True) if key not in known]
    if missing and (recipe.modality != "eeg" or len(missing) > _MOST_MISSING * len(wanted)):
        most = f"; up to {int(_MOST_MISSING * len(wanted))} of {len(wanted)} may be missing and are interpolated"
        raise InputError(
            f"It lacks {len(missing)} of the {len(wanted)} channels of training: {', '.join(missing)}. It has "
            f"{', '.join(there)}.",
            fits=", ".join(wanted) + (most if recipe.modality == "eeg" else ""),
            do="record these channels, give them these names, or train a model on the channels that you have",
        )
    if missing:
        data = interpolate_channels(signal.data, there, wanted, signal.sfreq)
        notes.append(f"{', '.join(missing)} not there, interpolated from the other channels")
    else:
        data = pick_channels(signal.data, there, wanted)
    renamed = [
        f"{known[k]} is taken as {name}" for name, k in zip(wanted, keys, strict=True) if known.get(k, name) != name
    ]
    dropped = [name for key, name in known.items() if key not in keys]
    places = [there.index(known[key]) for key in keys if key in known]
    notes += ["; ".join(renamed)] if renamed else []
    notes += [f"channels that the model does not know, not used: {', '.join(dropped)}"] if dropped else []
    notes += ["channels put into the order of training"] if places != sorted(places) else []
    return signal.replace(data=data, ch_names=wanted)


def _at_rate(signal: Signal, recipe: Recipe, notes: list[str]) -> Signal:
    nearest = min(recipe.rates, key=lambda rate: abs(rate - signal.sfreq))
    if abs(signal.sfreq / nearest - 1) <= _SAME_RATE:
        if signal.sfreq != nearest:
            notes.append(f"its rate of {signal.sfreq:.6g} Hz is taken as {nearest:g} Hz")
        return signal.replace(sfreq=nearest)
    lower = [rate for rate in recipe.rates if rate < signal.sfreq]
    if not lower:
        raise InputError(
            f"Its rate is {signal.sfreq:g} Hz.",
            fits=f"{min(recipe.rates):g} Hz, as in training, or more: what was not recorded cannot be made up",
            do="export it at its full rate, or train a model on recordings of this rate",
        )
    to = max(lower)
    notes.append(f"resampled from {signal.sfreq:g} to {to:g} Hz, the rate of training")
    return signal.replace(data=resample(signal.data, signal.sfreq, to), sfreq=to)


def _check_amplitude(signal: Signal, recipe: Recipe) -> None:
    spread = signal_spread(signal)
    if not spread and np.ptp(signal.data) > 0:
        return  # a click in silence has no amplitude to compare
    if recipe.spread and not 1 / _FAR <= spread / recipe.spread <= _FAR:
        unit = f" {recipe.unit}" if recipe.unit else ""  # sounds have none
        far = ": perhaps microvolts were read as volts, or the reverse?" if recipe.unit else "."
        raise InputError(
            f"Its amplitude is {spread:.2g}{unit}, that of the training recordings {recipe.spread:.2g}{unit} (median "
            "over channels of a robust standard deviation)" + (": it does not change." if not spread else far),
            fits="the same kind of signal" + (", and the unit of its values" if recipe.unit else ", about as strong"),
            do="look at the signal"
            + (
                "; give the unit of a table in a manifest (docs/own-recordings.md)"
                if recipe.unit
                else ", or listen to it"
            ),
        )
