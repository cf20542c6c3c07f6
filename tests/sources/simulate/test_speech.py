"""Simulated speech: pitch, loudness, pace and brightness follow the table of emotions."""

import time

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.simulate.latent import PROTOTYPES
from thymos.sources.simulate.speech import PROFILES, SPOKEN, STATEMENTS, VOWELS, speakers, synthesise


def frames(x, sfreq=16_000, quietest=0.4):
    """Return frames of 40 ms in which somebody speaks, not quieter than a share of the loudest."""
    x = np.asarray(x, dtype=float)
    size = int(0.04 * sfreq)
    cut = x[: len(x) // size * size].reshape(-1, size)
    rms = np.sqrt(np.square(cut).mean(axis=1))
    return cut[rms > quietest * rms.max()]


def pitch(x, sfreq=16_000, quietest=0.4):
    """Return F0 of each frame in Hz, from the autocorrelation."""
    cut = frames(x, sfreq, quietest)
    spectrum = np.square(np.abs(np.fft.rfft(cut - cut.mean(axis=1, keepdims=True), 2 * cut.shape[1])))
    r = np.fft.irfft(spectrum)[:, : cut.shape[1]]
    low, high = int(sfreq / 500), int(sfreq / 70)
    r = r / (1 - np.arange(r.shape[1]) / r.shape[1])
    return sfreq / (low + r[:, low:high].argmax(axis=1))


def measure(x, sfreq=16_000):
    power = np.square(np.abs(np.fft.rfft(x)))
    freqs = np.fft.rfftfreq(len(x), 1 / sfreq)
    f0 = pitch(x, sfreq)
    return {
        "f0": np.log(np.median(f0)),
        "range": np.log(np.subtract(*np.log(np.percentile(f0, (85, 15))))),
        "pace": -np.log(len(x)),
        "level": np.log(np.sqrt(np.square(frames(x, sfreq)).mean())),
        "tilt": np.log(power[(freqs > 1500) & (freqs < 4000)].sum() / power[freqs < 1000].sum()),
    }


def mean(emotion, n=12, **parameters):
    voices = speakers(n)
    rows = [measure(synthesise(emotion, voices[i], random_state=i, **parameters)) for i in range(n)]
    return {name: np.mean([row[name] for row in rows]) for name in rows[0]}


def test_same_seed_gives_identical_bytes():
    a, b = speakers(2)
    x = synthesise("happy", a, random_state=1)
    assert x.tobytes() == synthesise("happy", a, random_state=1).tobytes()
    assert x.tobytes() != synthesise("happy", a, random_state=2).tobytes()
    assert x.tobytes() != synthesise("happy", b, random_state=1).tobytes()
    np.testing.assert_array_equal(speakers(5)[:2], speakers(2))


@pytest.mark.parametrize("sfreq", [8000.0, 16_000.0, 48_000.0])
def test_waves_are_waves(sfreq):
    for emotion in PROFILES:
        x = synthesise(emotion, speakers(1)[0], statement=1, sfreq=sfreq)
        assert x.dtype == np.float32
        assert 1.2 < len(x) / sfreq < 4
        assert 0.03 < np.abs(x).max() <= 1
        assert abs(x.mean(dtype=float)) < 0.1 * x.std()


def test_emotions_sound_as_the_table_says():
    neutral = mean("neutral")
    columns = ("f0", "range", "pace", "level", "tilt")
    for emotion, profile in PROFILES.items():
        spoken = mean(emotion)
        change = {name: spoken[name] - neutral[name] for name in columns}
        for name, there, here in zip(columns, profile, PROFILES["neutral"], strict=False):
            big = {"f0": 0.2, "range": 1.0, "pace": 0.1, "level": 3.0, "tilt": 2.0}[name]
            if abs(there - here) >= big:
                assert np.sign(change[name]) == np.sign(there - here), (emotion, name)
        assert change["f0"] == pytest.approx(np.log(profile[0]), abs=0.2)  # its end counts too
        assert change["level"] * 20 / np.log(10) == pytest.approx(profile[3], abs=3)


def test_anger_is_loud_and_sadness_soft_and_slow():
    assert max(PROFILES, key=lambda name: PROFILES[name][3]) == "angry"
    assert min(PROFILES, key=lambda name: PROFILES[name][3]) == "sad" == min(PROFILES, key=lambda n: PROFILES[n][2])
    assert max(PROFILES, key=lambda name: PROFILES[name][6]) == "surprised"


def test_pitch_is_that_of_the_voice():
    for voice in speakers(4):
        assert np.median(pitch(synthesise("neutral", voice))) == pytest.approx(voice["f0"], rel=0.15)


def test_the_end_rises_or_falls():
    def end(emotion):
        tracks = [pitch(synthesise(emotion, v, random_state=i), quietest=0.15) for i, v in enumerate(speakers(16))]
        return np.mean([np.log2(np.median(f[-4:]) / np.median(f[:-8])) for f in tracks])

    assert end("surprised") > 0.1 > -0.05 > end("disgust")


def test_formants_are_those_of_the_vowels():
    """The spectrum of a long calm statement peaks near the mean first formant and falls towards high frequencies."""
    x = synthesise("neutral", speakers(1)[0])
    power = np.square(np.abs(np.fft.rfft(x)))
    freqs = np.fft.rfftfreq(len(x), 1 / 16_000)
    low, high = (power[(freqs > a) & (freqs < b)].mean() for a, b in ((250, 850), (3800, 7000)))
    assert low > 100 * high


def test_half_intensity_is_half_way_and_null_is_neutral():
    neutral, half, full = (mean("angry", intensity=i) for i in (0.0, 0.5, 1.0))
    for name in ("f0", "level", "tilt"):
        assert neutral[name] < half[name] < full[name]
    voice = speakers(1)[0]
    silent = synthesise("angry", voice, null=True)
    for other in (synthesise("neutral", voice), synthesise("angry", voice, 0.0), synthesise("angry", voice, effect=0)):
        assert silent.tobytes() == other.tobytes()
    assert mean("angry", intensity=0.5, effect=3.0)["level"] > half["level"]


def test_statements_differ_and_names_meet():
    voice = speakers(1)[0]
    assert synthesise("calm", voice, statement=0).tobytes() != synthesise("calm", voice, statement=1).tobytes()
    assert SPOKEN.keys() == PROTOTYPES.keys()
    assert set(SPOKEN.values()) == set(PROFILES) - {"calm"}
    assert {vowel for statement in STATEMENTS for vowel in statement} <= VOWELS.keys()


def test_speakers_are_of_two_kinds():
    voices = speakers(40)
    low, high = voices[::2], voices[1::2]
    assert low["f0"].mean() == pytest.approx(115, rel=0.08)
    assert high["f0"].mean() == pytest.approx(205, rel=0.08)
    assert low["tract"].mean() < high["tract"].mean()


def test_an_utterance_is_quick():
    begin = time.perf_counter()
    for _ in range(5):
        synthesise("fearful", speakers(1)[0])
    assert (time.perf_counter() - begin) / 5 < 0.2  # 0.007 s on a free core


@pytest.mark.parametrize(
    ("call", "came"),
    [
        (lambda v: synthesise("anger", v), "no spoken emotion 'anger'. Did you mean 'angry'"),
        (lambda v: synthesise("angry", v, 1.5), "intensity=1.5"),
        (lambda v: synthesise("angry", v, statement=2), "statement=2"),
        (lambda v: synthesise("angry", v, sfreq=100), "sfreq=100"),
        (lambda v: synthesise("angry", speakers(2)), "speaker="),
        (lambda v: speakers(0), "n=0"),
    ],
)
def test_wrong_input_is_answered(call, came):
    with pytest.raises(InputError) as caught:
        call(speakers(1)[0])
    assert came in caught.value.came
    assert caught.value.do
