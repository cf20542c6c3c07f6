"""Streams of the Lab Streaming Layer: found by name, read in SI units, refused in words."""

import threading
import time
import uuid

import numpy as np
import pytest

from thymos.base.errors import DataError, InputError
from thymos.sources.lsl import LSLStream, open_outlet

lsl = pytest.importorskip("mne_lsl.lsl")


def outlet(names=("TP9", "AF7", "AUX"), units=("microvolts", "uV", "none"), sfreq=100.0, dtype="float32", name=None):
    """Return an outlet of a device, and its name."""
    name = name or f"device-{uuid.uuid4().hex[:8]}"
    info = lsl.StreamInfo(name, "EEG", 3, sfreq, dtype, f"id-{uuid.uuid4().hex[:8]}")
    if names:
        info.set_channel_names(list(names))
    if units:
        info.set_channel_units(list(units))
    made = lsl.StreamOutlet(info)
    if not lsl.resolve_streams(timeout=5.0, name=name):
        pytest.skip("streams of this machine cannot be found here: its network refuses them")
    return made, name


def first(stream, n=1):
    """Return the first samples, once there are so many."""
    data, times = [], []
    for piece, stamps in stream.pieces(patience=5.0):
        data.append(piece)
        times.append(stamps)
        if sum(map(len, times)) >= n:
            return np.concatenate(data, axis=1), np.concatenate(times)
    return None


def test_values_are_in_si_units_and_other_channels_are_left_out():
    device, name = outlet()
    stream = LSLStream(name, timeout=5.0)
    assert (stream.ch_names, stream.left_out, stream.sfreq) == (("TP9", "AF7"), ("AUX",), 100.0)
    sent = np.arange(60, dtype=np.float32).reshape(20, 3)
    device.push_chunk(sent, 1234.5)
    data, times = first(stream, 20)
    assert data == pytest.approx(sent.T[:2] * 1e-6)
    assert data.dtype == np.float32
    assert np.diff(times) == pytest.approx(np.full(19, 0.01), abs=1e-6)
    stream.close()


def test_what_the_device_does_not_say_is_given():
    device, name = outlet(names=None, units=None)
    with pytest.raises(DataError, match="3 channels and the names none"):
        LSLStream(name, timeout=5.0)
    with pytest.raises(DataError, match="does not say its unit"):
        LSLStream(name, channels=["a", "b", "c"], timeout=5.0)
    stream = LSLStream(name, unit="mV", channels=["a", "b", "c"], timeout=5.0)
    device.push_chunk(np.ones((4, 3), np.float32))
    data, _ = first(stream, 4)
    assert (stream.ch_names, data.shape) == (("a", "b", "c"), (3, 4))
    assert data == pytest.approx(1e-3)
    warm = LSLStream(name, "K", "degC", ["a", "b", "c"], timeout=5.0)
    device.push_sample(np.full(3, 20.0, np.float32))
    assert first(warm)[0] == pytest.approx(293.15)


@pytest.mark.parametrize("text", ["microvolts", "Microvolt", "uV", "µV", "uv"])
def test_microvolts_have_many_names(text):
    _, name = outlet(units=[text] * 3)
    stream = LSLStream(name, timeout=5.0)
    assert len(stream.ch_names) == 3
    assert stream._factor == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("device", "given", "words"),
    [
        ({"sfreq": 0.0}, {}, "has no rate"),
        ({"dtype": "string"}, {}, "is of texts"),
        ({"names": ("A", "A", "B")}, {}, "the names A, A, B"),
        ({"units": ("furlong",) * 3}, {}, r"A|TP9 \(furlong\)"),
        ({}, {"si": "S"}, "a signal in S"),
        ({}, {"channels": ["A"]}, "3 channels and the names A"),
    ],
)
def test_streams_that_are_no_signal_of_the_model_are_refused(device, given, words):
    kept, name = outlet(**device)
    with pytest.raises(DataError, match=words):
        LSLStream(name, timeout=5.0, **given)
    del kept


def test_streams_that_are_not_there_or_twice_are_named():
    kept, name = outlet()
    with pytest.raises(DataError, match=f"There is no stream '{name[:-1]}'") as told:
        LSLStream(name[:-1], timeout=1.0)
    assert name in str(told.value)
    again, _ = outlet(name=name)
    with pytest.raises(DataError, match=f"2 streams are called '{name}'"):
        LSLStream(name, timeout=5.0)
    assert len(LSLStream(kept.get_sinfo().source_id, timeout=5.0).ch_names) == 2
    with pytest.raises(InputError, match="no unit 'uv'"):
        LSLStream(name, unit="uv")
    del again


def test_a_silent_stream_is_given_up():
    device, name = outlet()
    stream = LSLStream(name, timeout=5.0)
    pieces = stream.pieces(patience=0.3)
    assert next(pieces)[0].shape == (2, 0)
    begin = time.monotonic()
    with pytest.raises(DataError, match="Nothing came"):
        for _ in pieces:
            pass
    assert time.monotonic() - begin < 5
    del device


def test_decisions_can_be_heard_by_others():
    name = f"mood-{uuid.uuid4().hex[:8]}"
    send = open_outlet(name, ["calm", "tense"])
    found = lsl.resolve_streams(timeout=5.0, name=name)
    if not found:
        pytest.skip("streams of this machine cannot be found here: its network refuses them")
    inlet = lsl.StreamInlet(found[0])
    inlet.open_stream(timeout=5.0)
    assert inlet.get_sinfo().get_channel_names() == ["calm", "tense"]
    assert found[0].stype == "Emotion"
    waiting = threading.Timer(0.2, lambda: (send([0.25, 0.75], 12.5), send([0.5, 0.5], float("nan"))))
    waiting.start()
    values, stamp = inlet.pull_sample(timeout=5.0)
    assert (list(values), stamp) == ([0.25, 0.75], 12.5)
    assert inlet.pull_sample(timeout=5.0)[1] == pytest.approx(lsl.local_clock(), abs=5.0)
    waiting.join()
