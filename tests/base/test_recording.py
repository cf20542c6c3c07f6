import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Frames, Lazy, Recording, Signal

META = {"source": "made", "subject": "a", "session": "1", "trial": "a-1", "stimulus": "k1"}


class Maker:
    """Makes a signal and counts how often."""

    def __init__(self, value=1.0):
        self.value, self.calls = value, 0

    def __call__(self):
        self.calls += 1
        return Signal(np.full((1, 4), self.value), 2.0, ("Cz",))


def doubled(signal):
    return signal.replace(data=signal.data * 2)


def test_a_lazy_signal_is_made_on_demand_and_once():
    eeg, ecg = Maker(), Maker()
    signals = Lazy({"eeg": eeg, "ecg": ecg})
    assert "eeg" in signals
    assert "face" not in signals
    assert (len(signals), list(signals), list(signals.keys())) == (2, ["eeg", "ecg"], ["eeg", "ecg"])
    assert (eeg.calls, ecg.calls) == (0, 0)
    assert signals["eeg"] is signals["eeg"]
    assert (eeg.calls, ecg.calls) == (1, 0)
    with pytest.raises(KeyError):
        signals["face"]


def test_a_signal_that_is_there_already_needs_no_maker():
    signal = Maker()()
    assert Lazy({"eeg": signal})["eeg"] is signal


def test_a_lazy_signal_is_replaced_without_being_made_and_the_original_stays():
    maker, applied = Maker(), []
    signals = Lazy({"eeg": maker, "ecg": Maker(7.0)})
    changed = signals.replace("eeg", lambda: applied.append(1) or doubled(signals["eeg"]))
    assert (maker.calls, applied) == (0, [])
    assert changed["eeg"].data.max() == changed["eeg"].data.min() == 2
    assert signals["eeg"].data.max() == 1
    assert (maker.calls, applied) == (1, [1])
    assert changed["ecg"].data.max() == 7
    assert changed.replace("eeg", lambda: doubled(changed["eeg"]))["eeg"].data.max() == 4


def test_a_recording_maps_one_modality_and_stays_lazy():
    maker = Maker()
    recording = Recording(Lazy({"eeg": maker, "ecg": Maker(7.0)}), META, baseline={"eeg": Maker(3.0)()})
    mapped = recording.map("eeg", doubled)
    assert isinstance(mapped.signals, Lazy)
    assert maker.calls == 0
    assert (mapped.signal("eeg").data.max(), recording.signal("eeg").data.max()) == (2, 1)
    assert mapped.signal("ecg").data.max() == 7
    assert mapped.baseline["eeg"].data.max() == 6, "the rest before the stimulus is processed alike"
    assert recording.baseline["eeg"].data.max() == 3
    plain = Recording({"eeg": maker()}, META)
    assert plain.map("eeg", doubled).signal("eeg").data.max() == 2
    assert plain.signal("eeg").data.max() == 1


@pytest.mark.parametrize("lazy", [True, False])
def test_a_function_may_take_the_rest_before_the_stimulus_together_with_the_signal(lazy):
    signals, rest = {"eeg": Maker(5.0)()}, {"eeg": Maker(2.0)()}
    calls = []

    def less(signal, baseline):
        calls.append(1)
        mean = 0 if baseline is None else baseline.data.mean()
        return signal.replace(data=signal.data - mean), baseline and baseline.replace(data=baseline.data - mean)

    recording = Recording(Lazy(signals) if lazy else signals, META, baseline=Lazy(rest) if lazy else rest)
    mapped = recording.map("eeg", less, paired=True)
    assert len(calls) == (0 if lazy else 1)
    assert (mapped.signal("eeg").data.max(), mapped.baseline["eeg"].data.max()) == (3, 0)
    assert len(calls) == 1, "decided once for both"
    alone = Recording(signals, META).map("eeg", less, paired=True)
    assert alone.signal("eeg").data.max() == 5
    assert not alone.baseline


def test_a_modality_that_is_not_there_is_named_with_those_that_are(words):
    recording = Recording(Lazy({"eeg": Maker(), "ecg": Maker()}), META)
    for ask in (recording.signal, lambda name: recording.map(name, doubled)):
        with pytest.raises(InputError) as error:
            ask("face")
        words(error.value, "'a-1'", "'face'", "eeg, ecg")


def test_a_recording_without_metadata_is_refused(words):
    with pytest.raises(InputError) as error:
        Recording({}, {key: META[key] for key in ("source", "session", "trial")})
    words(error.value, "subject, stimulus")


@pytest.mark.parametrize("shape", [(2, 1, 4, 6), (2, 3, 4, 6)])
def test_frames_have_a_duration_only_if_they_have_a_clock(shape):
    data = np.zeros(shape, np.uint8)
    assert Frames(data).duration == 0
    assert Frames(data, 4.0).duration == 0.5
    assert Frames(data).replace(sfreq=2.0).duration == 1


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((2, 4, 6), np.uint8),
        np.zeros((2, 3, 6), np.uint8),
        np.zeros((2, 4, 6, 3), np.uint8),
        np.zeros((2, 2, 4, 6), np.uint8),
        np.zeros((2, 1, 4, 6), np.float32),
        np.zeros((2, 1, 4, 6), np.int8),
    ],
)
def test_frames_are_bytes_with_one_or_three_channels_second(data, words):
    with pytest.raises(InputError) as error:
        Frames(data)
    words(error.value, str(data.shape), str(data.dtype), "uint8")


@pytest.mark.parametrize(
    ("data", "sfreq", "names"),
    [(np.zeros(4), 2.0, ("a",)), (np.zeros((2, 4)), 2.0, ("a",)), (np.zeros((1, 4)), 0.0, ("a",))],
)
def test_a_signal_has_a_name_per_channel_and_a_rate(data, sfreq, names):
    with pytest.raises(InputError, match="A signal came with"):
        Signal(data, sfreq, names)


def test_a_signal_knows_its_length():
    assert Signal(np.zeros((1, 5)), 2.0, ("a",)).duration == 2.5
