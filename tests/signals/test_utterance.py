"""Utterances made alike: silence at the ends, level, length."""

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.speech import Prosody
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


@pytest.mark.parametrize("under", ["an offset", "a rumble"])
def test_what_is_no_sound_hides_no_silence_and_makes_no_level(under):
    voice = sound(floor=3e-5)
    t = np.arange(voice.data.shape[1]) / SFREQ
    moved = voice.replace(data=voice.data + np.float32(0.2 if under == "an offset" else 0.02 * np.sin(2 * np.pi * t)))
    made = trim_silence(moved)
    assert made.duration == pytest.approx(trim_silence(voice).duration, abs=0.021)
    if under == "an offset":
        assert abs(normalise_level(moved, to=-20.0).data.mean()) < 1e-5, "it is not made louder with the rest"
        assert np.std(normalise_level(moved, to=-20.0).data) == pytest.approx(0.1, rel=1e-3)
    two = voice.replace(data=np.concatenate([voice.data + 0.3, 0 * voice.data - 0.1]), ch_names=("left", "right"))
    assert np.mean(np.var(normalise_level(two, to=-20.0).data, axis=1)) == pytest.approx(0.01, rel=1e-3)


def test_every_sound_has_the_length_afterwards():
    voice = sound()
    longer, shorter = fit_length(voice, 3.0), fit_length(voice, 1.0)
    assert longer.data.shape[1] == 24000
    assert np.allclose(longer.data[:, : voice.data.shape[1]], voice.data, rtol=0, atol=1e-30)
    assert not longer.data[:, voice.data.shape[1] :].any()
    assert longer.start == 2.0
    assert np.allclose(shorter.data, voice.data[:, 4800:12800], rtol=0, atol=1e-30)
    assert shorter.start == pytest.approx(2.6)
    assert np.allclose(fit_length(voice, 1.0, where="start").data, voice.data[:, :8000], rtol=0, atol=1e-30)
    assert fit_length(voice, voice.duration).notes == ()


def test_a_sound_that_is_lengthened_with_itself_has_no_silence():
    voice = sound()
    there, longer = voice.data.shape[1], fit_length(voice, 5.0, fill="repeat")
    assert longer.data.shape[1] == 40000
    for at in range(0, 40000, there):
        assert np.array_equal(longer.data[:, at : at + there], voice.data[:, : 40000 - at])
    assert longer.notes == ("2.80 s repeated behind it",)
    assert np.array_equal(fit_length(voice, 1.0, fill="repeat").data, voice.data[:, 4800:12800])


@pytest.mark.parametrize("seconds", [1.0, 2.2, 3.0])
def test_silence_of_the_utterance_itself_is_told_from_what_is_put_behind_it(seconds):
    voice = sound()
    fitted = fit_length(voice, seconds)
    found = Prosody(SFREQ, only=["seconds"], trim=True).fit_transform(fitted.data[None])
    assert found.item() == pytest.approx(min(seconds, 2.2))
    assert not sound().data[:, [0, -1]].any()
    assert not voice.data[:, [0, -1]].any(), "what was given is changed"


@pytest.mark.parametrize("process", [trim_silence, normalise_level])
def test_nothing_but_silence_no_sample_and_missing_values_are_said_in_words(process):
    silent = sound(level=0.0)
    for still in (silent.data, silent.data + np.float32(0.3)):
        with pytest.raises(InputError, match="nothing but digital silence"):
            process(silent.replace(data=still))
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
