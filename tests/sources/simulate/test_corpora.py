"""What is written in the layout of a corpus is read as what was simulated: signals, labels and metadata."""

import json
from functools import partial

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.filters import band_pass_signal
from thymos.signals.spectral import differential_entropy
from thymos.sources.amigos import AMIGOS
from thymos.sources.amigos import REPORTS as ASSESSED
from thymos.sources.deap import CHANNELS as DEAP_CHANNELS
from thymos.sources.deap import DEAP
from thymos.sources.dreamer import CLIP_EMOTION as DREAMER_EMOTION
from thymos.sources.dreamer import DREAMER, HEADSET
from thymos.sources.eav import CHANNELS as EAV_CHANNELS
from thymos.sources.eav import EAV, EMOTIONS
from thymos.sources.faced import CLIP_EMOTION, FACED, ORDERS, FACEDFeatures
from thymos.sources.mahnob import MAHNOB
from thymos.sources.seed import (
    CHANNELS,
    SEED,
    SEED_LABELS,
    SEED_NAMES,
    SEED_SECONDS,
    SEEDIV,
    SEEDIV_LABELS,
    SEEDIV_NAMES,
    SEEDIV_WINDOWS,
    SEEDFeatures,
    SEEDIVFeatures,
)
from thymos.sources.simulate.deap import write_deap
from thymos.sources.simulate.dreamer import write_amigos, write_dreamer
from thymos.sources.simulate.eav import write_eav
from thymos.sources.simulate.eeg import SimulatedEEG
from thymos.sources.simulate.faced import write_faced
from thymos.sources.simulate.folder import TRUTH
from thymos.sources.simulate.mahnob import write_mahnob
from thymos.sources.simulate.meanings import placed
from thymos.sources.simulate.multimodal import Simulated
from thymos.sources.simulate.seed import write_seed

SEED_OF_ALL = {"random_state": 3}


def truth_of(folder):
    return json.loads((folder / TRUTH).read_text())


def close(made, expected, rtol=1e-5, atol=1e-5):
    """See that arrays agree; `atol` is a share of the largest value."""
    assert made.shape == expected.shape
    assert np.allclose(made, expected, rtol=rtol, atol=atol * np.abs(expected).max())


def both(source, index, k, felt, rest):
    """Return the EEG of rest and trial, joined."""
    parts = source.eeg.baseline(index, k, rest).data, source.eeg.signal(index, k, felt).data
    return np.concatenate(parts, axis=1)


def body(source, index, k, felt, rest):
    seconds = source.eeg.length(felt.order[k])
    return source.physiology.trial(index, k, seconds, felt.felt[k], felt.intensity[k], rest)


def whole(recording, modality):
    return np.concatenate([recording.baseline[modality].data, recording.signal(modality).data], axis=1)


def test_deap_filters_from_4_to_45_hz_and_sorts_by_the_video(tmp_path):
    folder = write_deap(tmp_path, subjects=2, trials=3, seconds=1.0, **SEED_OF_ALL)
    source = Simulated(subjects=2, trials=3, seconds=1.0, sfreq=128.0, **SEED_OF_ALL)
    truth, recordings = truth_of(folder)["subjects"], iter(DEAP(folder).recordings())
    for index, subject in enumerate(("s01", "s02")):
        felt = source.experiment.subject(index)
        assert sorted(truth[subject]["presented"]) == [1, 2, 3]
        for video, recording in zip(range(3), recordings, strict=False):
            k = int(np.flatnonzero(felt.order == video)[0])
            assert recording.meta["subject"] == subject
            assert recording.meta["presented"] == truth[subject]["presented"][video] == k + 1
            assert truth[subject]["felt"][video] == pytest.approx(felt.felt[k])
            for name in ("valence", "arousal", "dominance", "liking"):
                assert recording.meta[name] == felt.ratings[name][k]
            assert recording.meta["familiarity"] == pytest.approx(felt.ratings["familiarity"][k], abs=0.0051)
            signal = source.eeg.signal(index, k, felt)
            eeg = band_pass_signal(signal.replace(data=both(source, index, k, felt, 3.0)), 4, 45).data
            close(whole(recording, "eeg"), eeg)
            assert recording.signal("eeg").ch_names == DEAP_CHANNELS == source.eeg.ch_names
            made = body(source, index, k, felt, 3.0)
            for name in ("resp", "bvp", "temp"):
                close(whole(recording, name), made.signal(name, 128.0).data)
            close(whole(recording, "eda"), 1 / made.signal("eda", 128.0).data)
            muscles = [made.signal(name, 128.0).data for name in ("zygomaticus", "trapezius")]
            close(whole(recording, "emg"), np.concatenate(muscles))
            at = [DEAP_CHANNELS.index(name) for name in ("F7", "F8", "Fp1", "Fp2")]
            close(whole(recording, "eog"), np.stack([eeg[at[0]] - eeg[at[1]], eeg[at[2]] + eeg[at[3]]]))


def seed_source(counts, points, window, shortest, scale, subjects, sessions):
    seconds = np.maximum(shortest, np.round(window * np.array(counts) * scale)).tolist()
    return SimulatedEEG(
        subjects=subjects,
        trials=len(points),
        seconds=seconds * (len(points) // len(counts)),
        sfreq=200.0,
        montage=CHANNELS,
        sessions=sessions,
        meant=points,
        shuffled=False,
        **SEED_OF_ALL,
    )


def test_seed_shows_the_same_clips_in_three_sessions(tmp_path):
    folder = write_seed(tmp_path, subjects=1, scale=0.002, sessions=2, **SEED_OF_ALL)
    points = [placed(SEED_NAMES[code]) for code in SEED_LABELS]
    source = seed_source(SEED_SECONDS, points, 1.0, 1.0, 0.002, 1, 3)
    felt, recordings = source.experiment.subject(0), list(SEED(folder).recordings())
    assert np.allclose(truth_of(folder)["felt"]["s01"], felt.felt)
    assert [r.meta["emotion_code"] for r in recordings] == [*SEED_LABELS] * 2
    assert [r.meta["session"] for r in recordings] == ["1"] * 15 + ["2"] * 15
    for k in (0, 4, 14, 15, 29):
        close(recordings[k].signal("eeg").data, source.signal(0, k, felt).data)


def test_seed_iv_shows_other_clips_in_every_session(tmp_path):
    folder = write_seed(tmp_path, layout="seed-iv", subjects=1, scale=0.005, sessions=2, **SEED_OF_ALL)
    points = [placed(SEEDIV_NAMES[code]) for session in SEEDIV_LABELS for code in session]
    source = seed_source(SEEDIV_WINDOWS, points, 4.0, 1.0, 0.005, 1, 1)
    felt, recordings = source.experiment.subject(0), list(SEEDIV(folder).recordings())
    assert [r.meta["emotion_code"] for r in recordings] == [*SEEDIV_LABELS[0], *SEEDIV_LABELS[1]]
    for k in (0, 9, 23, 24, 47):
        close(recordings[k].signal("eeg").data, source.signal(0, k, felt).data)


def test_seed_features_are_entropies_and_powers_of_the_same_signals(tmp_path):
    folder = write_seed(tmp_path, layout="seed-features", subjects=1, scale=0.03, sessions=1, **SEED_OF_ALL)
    points = [placed(SEED_NAMES[code]) for code in SEED_LABELS]
    source = seed_source(SEED_SECONDS, points, 1.0, 1.0, 0.03, 1, 3)
    made = {
        (feature, smoothed): list(SEEDFeatures(folder, feature, smoothed).recordings())
        for feature in ("de", "psd")
        for smoothed in ("LDS", "movingAve")
    }
    for k in (0, 7):
        entropy = differential_entropy(source.signal(0, k).data * 1e6, 200.0, "seed", window=1.0)
        entropy = entropy.transpose(1, 2, 0).reshape(62, -1, 5).transpose(2, 0, 1).reshape(310, -1)
        n = entropy.shape[1]
        assert n >= 6
        moving = np.stack([entropy[:, max(0, t - 2) : t + 3].mean(axis=1) for t in range(n)], axis=1)
        averaged = made["de", "movingAve"][k].signal("features")
        close(averaged.data, moving)
        powers = made["psd", "movingAve"][k].signal("features").data
        close(0.5 * np.log(2 * np.pi * np.e * powers), moving, atol=1e-4)
        smooth = made["de", "LDS"][k].signal("features").data
        assert np.diff(smooth).std() < np.diff(averaged.data).std() < np.diff(entropy).std()
        assert np.corrcoef(smooth.mean(axis=1), entropy.mean(axis=1))[0, 1] > 0.99
        assert averaged.ch_names[62 + 9] == f"de-theta-{CHANNELS[9]}"


def test_seed_iv_features_have_a_window_per_4_s(tmp_path):
    folder = write_seed(tmp_path, layout="seed-iv-features", subjects=1, scale=0.1, sessions=1, **SEED_OF_ALL)
    recordings = list(SEEDIVFeatures(folder).recordings())
    counts = [r.signal("features").data.shape[1] for r in recordings]
    assert counts == np.maximum(1, np.round(4 * np.array(SEEDIV_WINDOWS) * 0.1) // 4).astype(int).tolist()


def faced_source(seconds):
    mastoids = {"A1": "TP9", "A2": "TP10"}
    return SimulatedEEG(
        subjects=2,
        trials=28,
        seconds=seconds,
        sfreq=250.0,
        montage=[mastoids.get(name, name) for name in ORDERS["last"]],
        meant=[placed(name) for name in CLIP_EMOTION],
        **SEED_OF_ALL,
    )


def test_faced_sorts_signals_by_the_clip_and_reports_by_the_presentation(tmp_path):
    folder = write_faced(tmp_path, subjects=2, seconds=1.0, **SEED_OF_ALL)
    source, truth = faced_source(1.0), truth_of(folder)["subjects"]
    recordings = list(FACED(folder).recordings())
    for index in (0, 1):
        felt = source.experiment.subject(index)
        assert felt.order.tolist() != sorted(felt.order)
        for clip in (0, 13, 27):
            recording, k = recordings[28 * index + clip], int(np.flatnonzero(felt.order == clip)[0])
            close(recording.signal("eeg").data, source.signal(index, k, felt).data)
            assert recording.meta["presented"] == truth[f"sub{index:03d}"]["presented"][clip] == k + 1
            for name in ("valence", "arousal", "liking", "familiarity"):
                assert recording.meta[name] == pytest.approx((felt.ratings[name][k] - 1) / 8 * 7, abs=0.051)


def test_faced_features_are_entropies_and_powers_of_the_same_signals(tmp_path):
    folder = write_faced(tmp_path, subjects=2, seconds=2.0, features=True, **SEED_OF_ALL)
    source = faced_source(2.0)
    felt = source.experiment.subject(1)
    entropies, powers = (list(FACEDFeatures(folder, f).recordings(["sub001"])) for f in ("DE", "PSD"))
    for clip in (0, 20):
        k = int(np.flatnonzero(felt.order == clip)[0])
        expected = differential_entropy(source.signal(1, k, felt).data * 1e6, 250.0, "seed", window=1.0)
        made = entropies[clip].signal("features").data
        close(made.reshape(5, 32, 2), expected, atol=1e-4)
        close(0.5 * np.log(2 * np.pi * np.e * powers[clip].signal("features").data), made, atol=1e-4)


def test_dreamer_has_a_rest_before_each_clip(tmp_path):
    folder = write_dreamer(tmp_path, subjects=2, seconds=1.0, baseline=2.0, **SEED_OF_ALL)
    source = Simulated(
        subjects=2,
        trials=18,
        seconds=1.0,
        sfreq=128.0,
        montage=HEADSET,
        meant=[placed(name) for name in DREAMER_EMOTION],
        **SEED_OF_ALL,
    )
    recordings, truth = list(DREAMER(folder).recordings()), truth_of(folder)["felt"]
    for index, subject in enumerate(("s01", "s02")):
        felt = source.experiment.subject(index)
        for clip in (0, 11):
            recording, k = recordings[18 * index + clip], int(np.flatnonzero(felt.order == clip)[0])
            close(whole(recording, "eeg"), both(source, index, k, felt, 2.0))
            ecg = body(source, index, k, felt, 2.0).signal("ecg", 256.0).data
            close(whole(recording, "ecg"), np.concatenate([ecg, 0.7 * ecg]))
            assert truth[subject][clip] == pytest.approx(felt.felt[k])
            assert recording.meta["valence"] == np.round((felt.ratings["valence"][k] + 1) / 2)
            assert recording.meta["arousal"] == np.round((felt.ratings["arousal"][k] + 1) / 2)


def test_amigos_has_missing_films_and_values(tmp_path):
    folder = write_amigos(tmp_path, subjects=8, videos=17, seconds=1.0, artifacts=False, **SEED_OF_ALL)
    lengths = [1.0] * 16 + [4.0]
    source = Simulated(
        subjects=8, trials=17, seconds=lengths, sfreq=128.0, montage=HEADSET, artifacts=False, **SEED_OF_ALL
    )
    made = {r.meta["trial"]: r for r in AMIGOS(folder).recordings(["P01", "P08"])}
    assert [str(n) for n in AMIGOS(folder).check()] == [
        "P03, film 1: left out: 1.3% of the samples have a missing value",
        "P06, film 1: left out: 1.3% of the samples have a missing value",
        "P08, film 17: left out: no signal",
    ]
    for index, film in ((0, 0), (0, 16), (7, 3)):
        felt, recording = source.experiment.subject(index), made[f"P{index + 1:02d}-{film + 1:02d}"]
        k = int(np.flatnonzero(felt.order == film)[0])
        close(whole(recording, "eeg"), both(source, index, k, felt, 5.0))
        close(whole(recording, "eda"), body(source, index, k, felt, 5.0).signal("eda", 128.0).data * 1e6)
        assert recording.signal("eeg").duration == lengths[film]
        for name in ASSESSED[:5]:
            assert recording.meta[name] == felt.ratings[name][k]


def test_eav_has_brain_voice_and_face_of_one_trial(tmp_path):
    folder = write_eav(tmp_path, subjects=1, turns=16, seconds=1.0, size=32, **SEED_OF_ALL)
    recordings = list(EAV(folder, video_size=(32, 32), video_step=1).recordings())
    assert {r.meta["emotion"] for r in recordings} == set(EMOTIONS)
    source = Simulated(
        subjects=1,
        trials=16,
        seconds=1.0,
        sfreq=500.0,
        montage=EAV_CHANNELS,
        meant=[placed(r.meta["emotion"]) for r in recordings],
        shuffled=False,
        size=32,
        frame_rate=30.0,
        **SEED_OF_ALL,
    )
    expected = list(source.recordings())
    truth = truth_of(folder)
    for k in (0, 3, 15):
        made, there = recordings[k], expected[k]
        close(made.signal("eeg").data, there.signal("eeg").data)
        assert truth["felt"]["s01"][k] == pytest.approx([there.meta["felt_valence"], there.meta["felt_arousal"]])
        assert truth["shown"]["s01"][k] == there.meta["emotion"]
        assert ("speech" in made.signals) == (k % 2 == 1)
        if k % 2:
            voice, spoken = made.signal("speech"), there.signal("speech")
            assert (voice.sfreq, voice.data.shape) == (spoken.sfreq, spoken.data.shape)
            assert np.abs(voice.data - np.clip(spoken.data, -1, 1)).max() < 2 / 32768
        face, shown = made.signal("face"), there.signal("face")
        assert (face.sfreq, face.data.shape) == (30, (30, 3, 32, 32))
        assert np.abs(face.data.astype(float) - shown.data).mean() < 10
        assert np.corrcoef(face.data.mean(axis=1).ravel(), shown.data.ravel())[0, 1] > 0.98


def test_mahnob_has_events_around_the_clip(tmp_path):
    folder = write_mahnob(tmp_path, subjects=2, trials=6, seconds=1.0, rest=1.0, **SEED_OF_ALL)
    source = Simulated(subjects=2, trials=6, seconds=1, sfreq=256.0, **SEED_OF_ALL)
    reader = MAHNOB(folder)
    recordings = {r.meta["trial"]: r for r in reader.recordings()}
    assert len(recordings) == 11
    assert [str(note) for note in reader.check()] == ["1 sessions: of the tagging experiment, left out: 20"]
    for index, k in ((0, 0), (1, 2)):
        felt, recording = source.experiment.subject(index), recordings[f"{index + 1:02d}-{12 * index + 2 * k + 2:04d}"]
        assert recording.meta["stimulus"] == f"{felt.order[k] + 1}.avi"
        assert recording.meta["valence"] == round(felt.ratings["valence"][k])
        assert recording.meta["arousal"] == round(felt.ratings["arousal"][k])
        assert np.allclose(truth_of(folder)["felt"][f"s{index + 1:02d}"], felt.felt)
        close(whole(recording, "eeg"), both(source, index, k, felt, 1.0), atol=1e-4)
        made = source.physiology.trial(index, k, 2.0, felt.felt[k], felt.intensity[k], 1.0)  # and the rest after it
        ecg = made.signal("ecg", 256.0).data[:, :512]
        close(whole(recording, "ecg"), np.concatenate([ecg, 0.8 * ecg, 0.6 * ecg]), atol=1e-4)
        for name in ("eda", "resp", "temp"):
            close(whole(recording, name), made.signal(name, 256.0).data[:, :512], atol=1e-4)


WRITERS = {
    "amigos": (write_amigos, ".mat", {"subjects": 1, "videos": 2, "seconds": 1.0}),
    "deap": (write_deap, ".dat", {"subjects": 1, "trials": 2, "seconds": 1.0}),
    "dreamer": (write_dreamer, ".mat", {"subjects": 1, "seconds": 1.0, "baseline": 1.0}),
    "eav": (write_eav, ".mat", {"subjects": 1, "turns": 4, "seconds": 1.0, "size": 24}),
    "faced": (write_faced, ".pkl", {"subjects": 1, "seconds": 1.0}),
    "faced-features": (write_faced, ".pkl", {"subjects": 1, "seconds": 1.0, "features": True}),
    "mahnob": (write_mahnob, ".bdf", {"subjects": 1, "trials": 2, "seconds": 1.0, "rest": 1.0}),
    **{
        name: (partial(write_seed, layout=name), ".mat", {"subjects": 1, "sessions": 1, "scale": 0.001})
        for name in ("seed", "seed-features", "seed-iv", "seed-iv-features")
    },
}
READERS = {
    "amigos": AMIGOS,
    "deap": DEAP,
    "dreamer": DREAMER,
    "eav": EAV,
    "faced": FACED,
    "faced-features": FACEDFeatures,
    "mahnob": MAHNOB,
    "seed": SEED,
    "seed-features": SEEDFeatures,
    "seed-iv": SEEDIV,
    "seed-iv-features": SEEDIVFeatures,
}


@pytest.mark.parametrize("layout", WRITERS)
def test_seeds_rule_the_bytes_and_without_effect_only_signals_change(layout, check_writer, tmp_path):
    write, suffix, small = WRITERS[layout]
    check_writer(write, layout, suffix, **small)
    same, null = (next((tmp_path / name).iterdir()) for name in ("same", "null"))
    one, two = (READERS[layout](folder).table() for folder in (same, null))
    assert one.equals(two), "labels changed with the effect"
    modality = "features" if "features" in layout else "eeg"
    with_effect, without = (list(READERS[layout](folder).recordings()) for folder in (same, null))
    assert any(
        not np.array_equal(a.signal(modality).data, b.signal(modality).data)
        for a, b in zip(with_effect, without, strict=True)
    )


@pytest.mark.parametrize("layout", WRITERS)
def test_wrong_parameters_leave_nothing(layout, tmp_path):
    write, _, small = WRITERS[layout]
    for wrong in ({"subjects": 0}, {"effect": -1.0}, {"random_state": -1}):
        with pytest.raises(InputError):
            write(tmp_path, **{**small, **wrong})
    assert not list(tmp_path.iterdir())


def test_a_layout_that_is_none_of_seed_is_refused(tmp_path, words):
    with pytest.raises(InputError) as error:
        write_seed(tmp_path, layout="seed-v")
    words(error.value, "'seed-v'", "seed-iv-features")
    assert not list(tmp_path.iterdir())
