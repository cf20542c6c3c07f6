"""Utterances made alike: silence at the ends, level, length."""

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.utterance import fit_length, normalise_level, trim_silence

SFREQ = 8000.0


def sound(before=0.5, voice=1.0, after=0.7, level=0.1, floor=0.0):
    """Return noise of a level between stretches of quiet."""
    rng = np.random.default_rng(0)
    parts = [s * rng.standard_normal(round(n * SFREQ)) for n, s in ((before, floor), (voice, level), (after, floor))]
    return Signal(np.concatenate(parts).astype(np.float32)[None], SFREQ, ("mono",), "", start=2.0)


@pytest.mark.parametrize("floor", [0.0, 3e-4])
def test_quiet_ends_are_cut_and_a_margin_stays(floor):
    made = trim_silence(sound(floor=floor), keep=0.1)
    assert made.duration == pytest.approx(1.2, abs=0.021)
    assert made.start == pytest.approx(2.4, abs=0.021)
    assert made.notes[-1].startswith("cut as silence: 0.4")
    again = trim_silence(made, keep=0.1)
    assert again.duration == pytest.approx(made.duration, abs=0.021)
    assert trim_silence(sound(floor=0.02)).duration == pytest.approx(2.2), "14 dB below is no silence"


def test_a_level_is_reached_whatever_it_was():
    quiet, loud = (normalise_level(sound(level=level), to=-20.0) for level in (1e-3, 0.3))
    for made in (quiet, loud):
        assert 20 * np.log10(np.sqrt(np.mean(np.square(made.data)))) == pytest.approx(-20.0, abs=1e-3)
        assert made.data.dtype == np.float32
    assert np.allclose(quiet.data, loud.data, rtol=1e-3)


def test_every_sound_has_the_length_afterwards():
    voice = sound()
    longer, shorter = fit_length(voice, 3.0), fit_length(voice, 1.0)
    assert longer.data.shape[1] == 24000
    assert np.array_equal(longer.data[:, : voice.data.shape[1]], voice.data)
    assert not longer.data[:, voice.data.shape[1] :].any()
    assert longer.start == 2.0
    assert np.array_equal(shorter.data, voice.data[:, 4800:12800])
    assert shorter.start == pytest.approx(2.6)
    assert np.array_equal(fit_length(voice, 1.0, where="start").data, voice.data[:, :8000])
    assert fit_length(voice, voice.duration).notes == ()


def test_a_sound_that_is_lengthened_with_itself_has_no_silence():
    voice = sound()
    there, longer = voice.data.shape[1], fit_length(voice, 5.0, fill="repeat")
    assert longer.data.shape[1] == 40000
    for at in range(0, 40000, there):
        assert np.array_equal(longer.data[:, at : at + there], voice.data[:, : 40000 - at])
    assert longer.notes == ("2.80 s repeated behind it",)
    assert np.array_equal(fit_length(voice, 1.0, fill="repeat").data, fit_length(voice, 1.0).data)


@pytest.mark.parametrize("process", [trim_silence, normalise_level])
def test_nothing_but_silence_no_sample_and_missing_values_are_said_in_words(process):
    silent = sound(level=0.0)
    with pytest.raises(InputError, match="nothing but digital silence"):
        process(silent)
    with pytest.raises(InputError, match="no samples"):
        process(silent.replace(data=silent.data[:, :0]))
    broken = silent.data.copy()
    broken[0, 3] = np.nan
    with pytest.raises(InputError, match="1 "):
        process(silent.replace(data=broken))


@pytest.mark.parametrize(
    "call",
    [
        lambda s: trim_silence(s, below=-1.0),
        lambda s: normalise_level(s, to=3.0),
        lambda s: fit_length(s, 0.0),
        lambda s: fit_length(s, 1.0, where="end"),
        lambda s: fit_length(s, 1.0, fill="noise"),
    ],
)
def test_impossible_parameters_are_refused(call):
    with pytest.raises(InputError, match="came"):
        call(sound())
