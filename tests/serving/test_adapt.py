"""A recording is made fit for a model, or refused in words."""

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Recording, Signal
from thymos.serving.adapt import adapt
from thymos.serving.several import recipe_of
from thymos.signals.filters import resample
from thymos.signals.montage import interpolate_channels
from thymos.signals.processing import signal_spread
from thymos.sources.catalogue import SOURCES

EEG = ("Fp1", "Fp2", "F3", "F4", "F7", "F8", "C3", "C4", "T7", "T8", "P3", "P4", "O1", "O2", "Fz", "Pz")
META = {"source": "file", "subject": "-", "session": "1", "trial": "a.edf", "stimulus": "none"}


def noise(names=EEG, sfreq=256.0, seconds=4.0, scale=1e-5, seed=0):
    data = scale * np.random.default_rng(seed).standard_normal((len(names), round(seconds * sfreq)))
    return Signal(data.astype(np.float32), sfreq, tuple(names))


def recording(signal, modality="eeg", **baseline):
    return Recording({modality: signal}, META, baseline=baseline)


def recipe(channels=EEG, **changes):
    content = {
        "modality": "eeg",
        "channels": list(channels),
        "unit": "V",
        "rates": [256.0],
        "spread": 1e-5,
        "processed": {"channels": list(channels), "sfreq": 256.0, "unit": "V"},
        "seconds": 1.0,
    }
    return recipe_of({**content, **changes})


def fitted(signal, **changes):
    made, notes = adapt(recording(signal), recipe(**changes))
    return made.signal("eeg"), notes


def test_what_fits_stays_as_it_is():
    signal = noise()
    made, notes = fitted(signal)
    assert made.data is signal.data
    assert notes == []


def test_channels_are_found_by_their_electrodes_put_in_order_and_further_ones_dropped():
    order = np.random.default_rng(1).permutation(len(EEG))
    labels = [{"T7": "EEG T3-REF", "T8": "T4"}.get(EEG[k], EEG[k].upper()) for k in order]
    signal = noise([*labels, "EOG", "Cz"])
    made, notes = fitted(signal)
    assert made.ch_names == EEG
    assert np.array_equal(made.data[order], signal.data[:-2])
    words = "\n".join(notes)
    for expected in ("EEG T3-REF is taken as T7", "T4 is taken as T8", "not used: EOG, Cz", "order of training"):
        assert expected in words
    assert "interpolated" not in words


def test_a_quarter_of_the_channels_may_be_missing_and_is_interpolated(words):
    signal = noise(EEG[4:])
    made, notes = fitted(signal)
    assert np.array_equal(made.data, interpolate_channels(signal.data, signal.ch_names, EEG))
    assert notes == ["Fp1, Fp2, F3, F4 not there, interpolated from the other channels"]
    with pytest.raises(InputError) as error:
        fitted(noise(EEG[5:]))
    words(error.value, "'a.edf' does not fit", "lacks 5 of the 16 channels", "Fp1, Fp2, F3, F4, F7", "up to 4 of 16")


def test_channels_without_a_place_or_of_other_signals_are_not_made_up(words):
    with pytest.raises(InputError) as error:
        fitted(noise(EEG), channels=(*EEG, "left ear"))
    words(error.value, "left ear has no place")
    body = recipe(modality="eda", channels=["EDA left", "EDA right"], unit="S")
    pair = noise(["EDA left", "other"]).replace(unit="S")
    with pytest.raises(InputError) as error:
        adapt(recording(pair, "eda"), body)
    words(error.value, "lacks 1 of the 2 channels of training: EDA right")
    with pytest.raises(InputError, match="lacks 1 of the 16 channels of training: Fp1"):
        adapt(recording(noise(EEG[1:]), "emg"), recipe(modality="emg"))


def test_the_only_channel_of_a_body_signal_is_the_other():
    one = recipe(modality="eda", channels=["GSR"], unit="S")
    made, notes = adapt(recording(noise(["Skin"]).replace(unit="S"), "eda"), one)
    assert made.signal("eda").ch_names == ("GSR",)
    assert notes == ["its only channel Skin is taken for GSR"]


def test_a_higher_rate_is_lowered_and_a_lower_one_refused(words):
    signal = noise(sfreq=512.0)
    made, notes = fitted(signal)
    assert made.sfreq == 256.0
    assert np.array_equal(made.data, resample(signal.data, 512.0, 256.0))
    assert notes == ["resampled from 512 to 256 Hz, the rate of training"]
    assert fitted(noise(sfreq=512.0), rates=[128.0, 500.0])[0].sfreq == 500.0
    with pytest.raises(InputError) as error:
        fitted(noise(sfreq=128.0))
    words(error.value, "rate is 128 Hz", "256 Hz, as in training, or more")
    made, notes = fitted(noise(sfreq=256.1))
    assert made.sfreq == 256.0
    assert notes == ["its rate of 256.1 Hz is taken as 256 Hz"]


@pytest.mark.parametrize("factor", [1e6, 1e-6, 150.0, 0.0])
def test_another_amplitude_is_refused(words, factor):
    with pytest.raises(InputError) as error:
        fitted(noise(scale=1e-5 * factor))
    words(error.value, "amplitude", "does not change" if not factor else "microvolts")


@pytest.mark.parametrize("factor", [1 / 50, 50.0])
def test_an_amplitude_that_people_can_have_is_not(factor):
    assert fitted(noise(scale=1e-5 * factor))[1] == []
    assert fitted(noise(scale=1e5), spread=0.0)[1] == [], "without an amplitude there is nothing to compare with"


@pytest.mark.parametrize("share", [0.3, 0.01])
def test_what_is_short_in_long_silence_is_as_loud_as_it_is(share):
    signal = noise(scale=1e-5)
    data = signal.data.copy()
    data[:, round(share * data.shape[1]) :] = 0
    assert fitted(signal.replace(data=data))[1] == []


def test_units_missing_values_and_other_modalities_are_refused(words):
    for signal, expected in (
        (noise().replace(unit=""), ["unit is 'none'", "'V'"]),
        (noise().replace(data=np.where(np.arange(1024) == 5, np.nan, noise().data)), ["16 values are missing"]),
    ):
        with pytest.raises(InputError) as error:
            fitted(signal)
        words(error.value, "'a.edf' does not fit the model", *expected)
    with pytest.raises(InputError, match="no modality 'eeg'"):
        adapt(recording(noise(), "ecg"), recipe())


def test_the_rest_before_the_stimulus_goes_the_same_way():
    rest = noise(EEG[::-1], sfreq=512.0, seconds=1.0).replace(start=-1.0)
    made, _ = adapt(recording(noise(EEG[::-1], sfreq=512.0), eeg=rest), recipe())
    assert made.baseline["eeg"].ch_names == EEG
    assert made.baseline["eeg"].sfreq == 256.0
    assert made.baseline["eeg"].start == -1.0


def test_a_recipe_names_only_what_every_thymos_has(words):
    for changes, expected in (
        ({"process": [{"name": "os:system", "parameters": {"command": "ls"}}]}, "os:system"),
        ({"features": [{"name": "mine:Feature"}]}, "mine:Feature"),
        ({"seconds": -1.0}, "seconds"),
        ({"speed": 1}, "speed"),
        ({"rates": []}, "rates"),
    ):
        with pytest.raises(InputError) as error:
            recipe(**changes)
        words(error.value, "cannot be made elsewhere", expected)
    with pytest.raises(LookupError, match="band_pass"):
        recipe(process=[{"name": "bandpass"}]).processes()
    with pytest.raises(InputError, match="no parameter 'windw'"):
        recipe(features=[{"name": "hjorth", "parameters": {"windw": 1}}]).transformers()


def test_no_utterance_of_ravdess_is_refused_by_what_others_trained(real_data):
    row = SOURCES["ravdess"]
    loud, *others = row.load()(real_data("ravdess") / row.folder).load(["01", "20"])
    signal = loud.signal("speech")
    facts = {"channels": list(signal.ch_names), "unit": ""}
    sound = recipe(
        modality="speech",
        rates=[signal.sfreq],
        spread=signal_spread(signal),
        processed={**facts, "sfreq": signal.sfreq},
        **facts,
    )
    assert [notes for other in others for notes in adapt(other, sound)[1]] == []
