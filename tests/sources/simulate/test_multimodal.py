"""The multimodal experiment: what nobody asks for is not made, and one latent trial drives everything that is."""

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import META_COLUMNS, Frames, Lazy
from thymos.sources.simulate import multimodal
from thymos.sources.simulate.eeg import SimulatedEEG
from thymos.sources.simulate.multimodal import MODALITIES, Simulated

SMALL = {"subjects": 2, "trials": 3, "seconds": 4.0}
UNITS = {"eda": "S", "temp": "K", "bvp": "", "resp": "", "face": "", "speech": ""}


def recordings(**parameters):
    return list(Simulated(**{**SMALL, **parameters}).recordings())


def test_recordings_are_complete():
    made = recordings(sessions=2)
    assert [r.meta["trial"] for r in made[:4]] == ["s01-1-t01", "s01-1-t02", "s01-1-t03", "s01-2-t01"]
    for r in made[:2]:
        assert set(META_COLUMNS) - {"start", "stop"} <= r.meta.keys()
        assert r.meta["source"] == "simulated"
        assert {type(r.meta[n]) for n in ("valence", "arousal", "dominance", "liking", "felt_valence")} == {float}
        assert {type(r.meta[n]) for n in ("emotion", "meant_emotion")} == {str}
        assert 0.4 <= r.meta["intensity"] <= 1
        assert tuple(r.signals) == MODALITIES
        for name in MODALITIES:
            signal = r.signal(name)
            assert signal.unit == UNITS.get(name, "V"), name
            assert signal.duration == pytest.approx(4.0)
            assert signal.data.dtype == (np.uint8 if name == "face" else np.float32)
        assert isinstance(r.signal("face"), Frames)
        assert r.signal("face").data.shape == (4, 1, 48, 48)
        assert r.signal("emg").ch_names == ("zygomaticus", "trapezius")
        assert r.signal("speech").data.shape == (1, 64_000)


def test_what_nobody_asks_for_is_not_made(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("made without being asked for")

    monkeypatch.setattr(multimodal, "simulate_film", refuse)
    monkeypatch.setattr(multimodal, "synthesise", refuse)
    monkeypatch.setattr(SimulatedEEG, "signal", refuse)
    samples = Simulated(**SMALL).load().windows(2.0, modality="bvp")
    assert samples.X.shape == (12, 1, 128)
    for r in Simulated(**SMALL).recordings():
        assert isinstance(r.signals, Lazy)
        assert "face" in r.signals
        with pytest.raises(AssertionError):
            r.signal("face")


def test_the_eeg_and_the_emotions_are_those_of_the_eeg_alone():
    parameters = {**SMALL, "effect": 2.0, "montage": "muse4", "random_state": 5}
    for both, alone in zip(recordings(**parameters), SimulatedEEG(**parameters).recordings(), strict=True):
        assert both.signal("eeg").data.tobytes() == alone.signal("eeg").data.tobytes()
        assert both.meta.items() >= {k: v for k, v in alone.meta.items() if k != "source"}.items()


def test_same_seed_gives_identical_bytes_in_any_order():
    first, again = recordings(), recordings()
    for name in MODALITIES:
        assert first[4].signal(name).data.tobytes() == again[4].signal(name).data.tobytes()
    alone = list(Simulated(**SMALL).recordings(["s02"]))[1]
    wide = list(Simulated(**{**SMALL, "subjects": 5}).recordings(["s02"]))[1]
    for name in reversed(MODALITIES):
        assert first[4].signal(name).data.tobytes() == alone.signal(name).data.tobytes()
        assert first[4].signal(name).data.tobytes() == wide.signal(name).data.tobytes()
        assert first[1].signal(name).data.tobytes() != alone.signal(name).data.tobytes()


def test_null_mode_leaves_labels_and_nothing_emotional():
    strong, null, zero = (recordings(effect=e, null=n) for e, n in ((3.0, False), (3.0, True), (0.0, False)))
    for a, b, c in zip(strong, null, zero, strict=True):
        assert a.meta == b.meta == c.meta
        for name in MODALITIES:
            assert b.signal(name).data.tobytes() == c.signal(name).data.tobytes()
    names = [
        name for name in MODALITIES if strong[0].signal(name).data.tobytes() != null[0].signal(name).data.tobytes()
    ]
    assert set(names) >= {"eeg", "ecg", "bvp", "resp", "temp", "emg"}
    shown = next(i for i, r in enumerate(strong) if r.meta["emotion"] != "neutral")
    for name in ("face", "speech"):
        assert strong[shown].signal(name).data.tobytes() != null[shown].signal(name).data.tobytes()


def test_modalities_share_the_intensity():
    """Within one emotion, a louder voice comes with a face that has moved more."""
    parameters = {"subjects": 40, "trials": 4, "meant": [[-0.45, 0.6]] * 4, "seconds": 3.0, "speech_rate": 8000.0}
    rows = []
    for r, still in zip(recordings(**parameters), recordings(**parameters, null=True), strict=True):
        if r.meta["emotion"] == "anger":
            face = np.abs(r.signal("face").data[-1].astype(float) - still.signal("face").data[-1]).mean()
            voice = np.log(r.signal("speech").data.std() / still.signal("speech").data.std())
            rows.append((face, voice, r.meta["intensity"]))
    assert len(rows) > 60
    r = np.corrcoef(np.transpose(rows))
    assert r[0, 2] > 0.3
    assert r[1, 2] > 0.6
    assert r[0, 1] > 0.2


def test_frames_and_rates_can_be_chosen():
    r = recordings(size=96, frame_rate=2.0, speech_rate=8000.0, seconds=[1.0, 2.0, 3.0])[0]
    seconds = float(r.meta["stimulus"][1:])
    assert r.signal("face").data.shape == (2 * seconds, 1, 96, 96)
    assert r.signal("speech").data.shape == (1, 8000 * seconds)
    assert r.signal("eeg").duration == seconds


def test_a_face_is_its_subjects():
    film = recordings()[0].signal("face").data[:, 0]
    assert film.shape == (4, 48, 48)
    assert np.corrcoef(film.reshape(4, -1).astype(float))[0, 1] > 0.8


@pytest.mark.parametrize(
    ("parameters", "came"),
    [
        ({"subjects": 0}, "subjects=0"),
        ({"size": 3}, "size=3"),
        ({"frame_rate": 0}, "frame_rate=0"),
        ({"speech_rate": 10}, "speech_rate=10"),
        ({"montage": "deap"}, "no montage 'deap'"),
    ],
)
def test_wrong_input_is_answered(parameters, came):
    with pytest.raises(InputError) as caught:
        Simulated(**parameters)
    assert came in caught.value.came
    assert caught.value.do
