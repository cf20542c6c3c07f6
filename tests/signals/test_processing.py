import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Recording, Signal
from thymos.signals.filters import band_pass
from thymos.signals.processing import make_process, signal_digest, signal_spread

META = {"source": "made", "subject": "s", "session": "1", "trial": "t1", "stimulus": "none"}


def noise(scale=1.0, seconds=40.0, seed=0):
    data = scale * np.random.default_rng(seed).standard_normal((8, round(seconds * 128)))
    return Signal(data.astype(np.float32), 128.0, tuple("abcdefgh"))


def test_a_process_filters_the_signal_and_the_rest_before_it_and_names_itself_when_it_fails(words):
    signal = noise()
    recording = Recording({"eeg": signal}, META, baseline={"eeg": signal})
    made = make_process("band_pass", low=1.0, high=30.0).apply(recording)
    wanted = band_pass(signal.data, 128.0, 1.0, 30.0)
    assert np.array_equal(made.signal("eeg").data, wanted)
    assert np.array_equal(made.baseline["eeg"].data, wanted)
    with pytest.raises(InputError) as error:
        make_process("band_pass", low=100.0).apply(recording).signal("eeg")
    words(error.value, "'band_pass' fails on 't1'")
    with pytest.raises(InputError, match="no parameter 'lo'"):
        make_process("band_pass", lo=1.0)


def test_the_spread_is_that_of_a_normal_distribution_and_blind_to_offsets_bursts_and_a_dead_channel():
    signal = noise(scale=3e-5)
    assert signal_spread(signal) == pytest.approx(3e-5, rel=0.02)
    data = signal.data.astype(np.float64) + 5.0
    data[:, :100] *= 1e3
    data[0] = 0.0
    assert signal_spread(signal.replace(data=data)) == pytest.approx(3e-5, rel=0.1)
    said = np.zeros_like(data, dtype=np.float32)
    said[:, 1000:3000] = signal.data[:, 1000:3000]
    assert 1e-5 < signal_spread(signal.replace(data=said)) < 3e-5, "silence around it makes it little quieter"


def test_a_recording_is_known_again_by_its_values():
    signal = noise()
    assert signal_digest(signal) == signal_digest(signal.replace(data=signal.data.astype(np.float64), start=3.0))
    changed = signal.data.copy()
    changed[3, 17] += 1e-3
    others = [changed, signal.data[:, :-1], signal.data.reshape(4, -1)]
    named = [signal.replace(data=d, ch_names=tuple("abcdefgh"[: len(d)])) for d in others]
    assert signal_digest(signal) not in {signal_digest(other) for other in named}
