import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals import speech
from thymos.signals.speech import (
    MFCC,
    PROSODY,
    EGeMAPS,
    LogMel,
    Prosody,
    fundamental_frequency,
    log_mel,
    mel_filters,
    mfcc,
    prosody,
)

SFREQ = 16_000.0


def noise(seconds=1.0, scale=0.1, seed=0, shape=(1,)):
    return np.random.default_rng(seed).normal(0, scale, (*shape, round(seconds * SFREQ)))


def voice(f0, seconds=1.0, loud=0.1):
    """Sum eight harmonics; `f0` in Hz may change with time."""
    f0 = np.broadcast_to(f0, round(seconds * SFREQ))
    phase = 2 * np.pi * np.cumsum(f0) / SFREQ
    return loud * sum(np.cos(k * phase + k**2) / k for k in range(1, 9))[None]


def said(x, **options):
    return dict(zip(PROSODY, prosody(x, SFREQ, **options)[:, 0], strict=True))


def test_a_tone_is_loudest_in_its_band_and_has_its_level_there():
    t = np.arange(16_000) / SFREQ
    for band in (8, 12, 17):
        centre = 700 * ((1 + 8000 / 700) ** ((band + 1) / 21) - 1)
        found = log_mel(0.5 * np.sin(2 * np.pi * centre * t)[None], SFREQ, n_mels=20, fmin=0.0)[:, 0]
        assert (found.argmax(axis=0) == band).all()
        assert np.allclose(found[band], 20 * np.log10(0.5) - 3.01, atol=0.5)


def test_the_powers_of_all_bands_add_up_to_the_mean_square():
    x = voice(500.0, loud=0.2)  # 500 to 4000 Hz
    power = (10 ** (log_mel(x, SFREQ, n_mels=30, window=0.05) / 10)).sum(axis=0).mean()
    assert power == pytest.approx(np.mean(x**2), rel=0.01)


def test_filters_are_the_triangles_of_librosa():
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=SFREQ, n_fft=1024, n_mels=30, fmin=60, fmax=7000, htk=True, norm=None)
    assert np.allclose(mel_filters(30, 1024, SFREQ, 60.0, 7000.0), theirs, atol=1e-6)


def test_bands_narrower_than_the_resolution_of_a_frame_keep_their_level():
    power = (10 ** (log_mel(noise(), SFREQ, n_mels=256) / 10))[:40].mean(axis=(1, 2))
    assert np.log10(power).std() < 0.1


def test_frames_lie_inside_the_signal_and_each_sees_itself_alone():
    x = noise(0.2)
    whole = log_mel(x, SFREQ)
    assert whole.shape[-1] == 1 + (3200 - 400) // 160
    assert np.allclose(whole[..., 7], log_mel(x[:, 7 * 160 : 7 * 160 + 400], SFREQ)[..., 0])


def test_blocks_and_company_do_not_change_a_signal(monkeypatch):
    x = noise(0.2, shape=(3, 2)).astype(np.float32)
    whole = log_mel(x, SFREQ)
    assert whole.dtype == np.float32
    assert whole.shape[:3] == (3, 64, 2)
    monkeypatch.setattr(speech, "_BLOCK", 1)
    assert np.allclose(log_mel(x, SFREQ), whole, atol=1e-4)
    assert np.allclose(log_mel(x[1], SFREQ), whole[1], atol=1e-4)


def test_digital_silence_is_finite():
    x = np.zeros((1, 8000), np.float32)
    assert (log_mel(x, SFREQ) == -100).all()
    assert np.isfinite(mfcc(x, SFREQ, deltas=2)).all()
    found = said(x)
    assert [k for k, v in found.items() if np.isnan(v)] == ["f0_mean", "f0_sd", "f0_range", "f0_slope"]
    levels = [found[name] for name in ("voiced_share", "level_mean", "level_sd", "level_range", "peak_rate")]
    assert levels == [0, -100, 0, 0, 0]
    assert found["pause_share"] == 1


def test_a_gain_moves_the_first_coefficient_alone():
    x = noise()
    quiet, loud = mfcc(x, SFREQ, deltas=1), mfcc(10 * x, SFREQ, deltas=1)
    assert np.allclose(loud[0] - quiet[0], 20 * np.sqrt(40))
    assert np.allclose(loud[1:], quiet[1:], atol=1e-6)


def test_coefficients_are_an_orthonormal_transform_of_the_levels():
    levels, all_ = log_mel(noise(0.1), SFREQ, n_mels=12), mfcc(noise(0.1), SFREQ, n_mfcc=12, n_mels=12)
    assert np.allclose((all_**2).sum(axis=0), (levels**2).sum(axis=0))
    assert np.allclose(mfcc(noise(0.1), SFREQ, n_mfcc=5, n_mels=12), all_[:5])


def test_derivatives_are_per_second():
    t = np.arange(16_000) / SFREQ
    x = np.tile(noise(0.01), 100) * 10 ** (30 * t / 20)  # each step of 10 ms is one period, 0.3 dB louder
    found = mfcc(x, SFREQ, n_mfcc=1, deltas=2)[:, 0, 4:-4]
    assert np.allclose(found[1], 30 * np.sqrt(40), rtol=1e-3)
    assert np.allclose(found[2], 0, atol=0.5)


@pytest.mark.parametrize("f0", [81.3, 143.0, 260.0, 450.0])
def test_the_pitch_of_a_voice_is_found_within_one_per_cent(f0):
    found = fundamental_frequency(voice(f0, 0.4), SFREQ)
    assert np.isfinite(found).mean() > 0.9
    assert np.nanmax(np.abs(found / f0 - 1)) < 0.01
    found = said(voice(f0, 0.4))
    assert found["f0_mean"] == pytest.approx(f0, rel=0.01)
    assert found["f0_sd"] < 0.2


@pytest.mark.parametrize("slope", [6.0, -8.0])
def test_a_pitch_that_rises_has_a_slope_in_semitones_per_second(slope):
    t = np.arange(16_000) / SFREQ
    found = said(voice(200 * 2 ** (slope * t / 12)))
    assert found["f0_slope"] == pytest.approx(slope, abs=0.3)
    assert found["f0_range"] == pytest.approx(0.9 * abs(slope), rel=0.1)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_quiet_part_of_a_sound_is_pause(share):
    x = voice(150.0, 2.0)
    assert said(x)["pause_share"] == 0
    sounding = round((1 - share) * 32_000)
    x[:, sounding:] = 1e-3 * noise(2.0)[:, sounding:]
    found = said(x)
    assert found["pause_share"] == pytest.approx(share, abs=0.02)
    assert found["voiced_share"] == pytest.approx(1 - share, abs=0.03)
    assert found["level_mean"] == pytest.approx(10 * np.log10(np.var(x[:, :sounding])), abs=0.6)


def test_the_hum_of_a_pause_is_no_voice():
    x = voice(220.0, 1.0)
    x = np.concatenate([x, 0.01 * voice(100.0, 1.0)], axis=1)
    assert said(x)["f0_mean"] == pytest.approx(220, rel=0.01)


def test_a_gain_moves_levels_alone():
    x = voice(180.0) * (1 + 0.9 * np.sin(2 * np.pi * 3 * np.arange(16_000) / SFREQ))
    quiet, loud = said(x), said(8 * x + 0.3)  # an offset is no sound
    assert loud.pop("level_mean") - quiet.pop("level_mean") == pytest.approx(20 * np.log10(8))
    assert loud == pytest.approx(quiet, rel=1e-4)
    assert quiet["level_sd"] > 3


def test_peaks_of_the_level_are_counted():
    t = np.arange(32_000) / SFREQ
    assert said(voice(180.0, 2.0) * np.sin(2 * np.pi * 2.5 * t) ** 2)["peak_rate"] == pytest.approx(5, abs=0.5)
    assert said(voice(180.0, 2.0))["peak_rate"] <= 0.5


def test_simulated_voices_have_the_pitch_and_the_vowels_they_were_given():
    from thymos.sources.simulate.speech import speakers, synthesise

    for speaker in speakers(2, random_state=5):
        x = synthesise("neutral", speaker, random_state=1)
        found = said(x[None])
        assert found["f0_mean"] == pytest.approx(speaker["f0"], rel=0.08)
        assert found["peak_rate"] * len(x) / SFREQ == pytest.approx(7, abs=1.01)
    surprised = said(synthesise("surprised", speaker, random_state=1)[None])
    assert surprised["f0_mean"] > 1.3 * found["f0_mean"]
    assert surprised["f0_range"] > 2 * found["f0_range"]


def test_noise_has_no_pitch_and_the_transformer_says_so():
    x = np.stack([voice(150.0, 0.4), noise(0.4)]).astype(np.float32)
    made = Prosody().fit(x)
    values = made.transform(x)
    assert values.shape == (2, len(made.names()), 1, 1)
    assert values.dtype == np.float32
    assert np.array_equal(np.isnan(values[:, 0, 0, 0]), [False, True])
    assert np.isfinite(values[:, 4:]).all()
    first, second = made.problems(x)
    assert not first
    assert "no pitch" in second


def test_what_needs_no_pitch_neither_computes_nor_misses_it(monkeypatch):
    x = np.stack([voice(150.0, 0.4), noise(0.4)]).astype(np.float32)
    whole = Prosody().fit_transform(x)
    lacking = Prosody(only=["f0_sd", "seconds"]).fit(x)
    assert [bool(text) for text in lacking.problems(x)] == [False, True]
    assert Prosody(only=["voiced_share"]).fit(x).problems(x) == ["", ""]
    monkeypatch.setattr(speech, "fundamental_frequency", None)
    for trim in (False, True):
        some = Prosody(only=["seconds", "level_mean", "pause_share"], trim=trim).fit(x)
        assert np.array_equal(some.transform(x), whole[:, [10, 5, 8]])
        assert some.problems(x) == ["", ""]
    assert np.array_equal(np.isnan(prosody(x, SFREQ, pitch=False)[0, :, 0]), np.arange(len(PROSODY)) < 5)
    with pytest.raises(InputError, match="missing or infinite"):
        prosody(np.full((1, 8000), np.nan), SFREQ, pitch=False)


def test_an_utterance_without_pitch_may_have_a_stated_one():
    x = np.stack([voice(150.0, 0.4), noise(0.4)]).astype(np.float32)
    filled = Prosody(unvoiced=0.0, trim=True).fit(x)
    assert filled.problems(x) == ["", ""]
    known, unknown = filled.transform(x)[..., 0, 0]
    assert known[0] == pytest.approx(150, rel=0.01)
    assert unknown[:4].tolist() == [0, 0, 0, 0]
    assert np.array_equal(unknown[4:], Prosody().fit_transform(x)[1, 4:, 0, 0])


def test_utterances_of_any_length_are_pooled_to_one():
    for kind, n in ((LogMel(n_mels=20), 20), (MFCC(n_mfcc=5, deltas=2), 15)):
        kind.set_params(pool="frames")
        names, frames = kind.names(), kind.fit_transform(noise(0.5))
        assert len(set(names)) == n
        assert frames.shape == (1, n, 1, 48)
        kind.set_params(pool="mean_sd")
        pooled = kind.fit_transform(noise(0.5))[0, :, 0, 0]
        assert np.allclose(pooled, [*frames[0, :, 0].mean(axis=-1), *frames[0, :, 0].std(axis=-1)], atol=1e-4)
        assert kind.names() == tuple(f"{name}_{moment}" for moment in ("mean", "sd") for name in names)
        assert kind.fit_transform(noise(0.9)).shape == (1, 2 * n, 1, 1)
    # at 700 (2^k - 1) Hz the scale is k times what it is at 700 Hz
    assert LogMel(24_000.0, 3, fmin=0.0, fmax=10_500.0).names() == ("mel_700Hz", "mel_2100Hz", "mel_4900Hz")
    assert MFCC(n_mfcc=2, deltas=2).names() == ("c0", "c1", "c0_d", "c1_d", "c0_dd", "c1_dd")


def test_functionals_of_opensmile_are_88_and_know_the_pitch():
    pytest.importorskip("opensmile")
    x = voice(150.0, 0.6).astype(np.float32)
    made = EGeMAPS().fit(x)
    found = dict(zip(made.names(), made.transform(x)[0, :, 0, 0], strict=True))
    assert len(found) == 88
    assert found["F0semitoneFrom27.5Hz_sma3nz_amean"] == pytest.approx(12 * np.log2(150 / 27.5), abs=0.1)
    assert made.problems(x[:, None]) == [""]
    short = np.zeros((2, 1, 500), np.float32)
    assert np.isnan(made.fit(short).transform(short)).all()
    assert made.problems(short) == ["shorter than 0.06 s"] * 2
    with pytest.raises(InputError, match="8000 Hz"):
        EGeMAPS(4000.0).fit_transform(x)


def test_what_does_not_fit_is_said_in_words(words):
    with pytest.raises(InputError) as error:
        log_mel(noise(0.02), SFREQ)
    words(error.value, "320 samples", "windows of 400")
    with pytest.raises(InputError) as error:
        log_mel(noise(), SFREQ, fmax=9000.0)
    words(error.value, "9000 Hz", "fmax <= 8000 Hz")
    with pytest.raises(InputError, match="1 to 40 coefficients"):
        mfcc(noise(), SFREQ, n_mfcc=41)
    with pytest.raises(InputError, match="derivatives"):
        mfcc(noise(), SFREQ, deltas=3)
    with pytest.raises(InputError) as error:
        prosody(noise(), 2000.0)
    words(error.value, "800 Hz", "below 500 Hz")
    with pytest.raises(InputError, match="missing or infinite"):
        prosody(np.where(np.arange(8000) == 5, np.nan, noise(0.5)), SFREQ)
    with pytest.raises(InputError, match="Did you mean 'frames'"):
        LogMel(pool="frame").fit_transform(noise())
    with pytest.raises(InputError, match="n_channels, n_times"):
        prosody(noise()[0], SFREQ)


def test_women_of_ravdess_speak_higher_than_men(real_data):
    from thymos.sources.catalogue import SOURCES

    row = SOURCES["ravdess"]
    spoken = row.load()(real_data("ravdess") / row.folder).load(["01", "02"])
    f0 = {"01": [], "02": []}
    for recording in spoken:
        if recording.meta["emotion"] == "neutral":
            f0[recording.meta["subject"]].append(prosody(recording.signal("speech").data, SFREQ)[0, 0])
    assert max(f0["01"]) < 140 < 170 < min(f0["02"])
