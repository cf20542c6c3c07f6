import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.causal import CausalFilter, CausalResampler
from thymos.signals.filters import band_pass, butterworth, notch, resample


@pytest.fixture
def signal():
    return np.random.default_rng(0).standard_normal((3, 1000)).astype(np.float32) + 40


def in_pieces(function, x, seed=1):
    cuts = np.sort(np.random.default_rng(seed).integers(0, x.shape[-1], 7))
    return np.concatenate([function(piece) for piece in np.split(x, cuts, axis=-1)], axis=-1)


def test_pieces_end_to_end_are_what_the_whole_gives(signal):
    whole = band_pass(signal, 128.0, 1.0, 40.0, causal=True)
    assert np.array_equal(in_pieces(CausalFilter(butterworth(128.0, 1.0, 40.0)), signal), whole)
    assert whole.dtype == np.float32
    assert np.abs(whole[:, :20]).max() < 5, "an offset of 40 does not make it ring"


@pytest.mark.parametrize(("sfreq", "to"), [(256, 128), (500, 128), (128, 256), (200, 200), (44100, 16000), (128, 4)])
def test_resampled_pieces_are_the_whole_and_lag_behind_zero_phase_by_the_stated_delay(signal, sfreq, to):
    whole = resample(signal, sfreq, to, causal=True)
    assert np.array_equal(in_pieces(CausalResampler(sfreq, to), signal), whole)
    zero_phase = resample(signal, sfreq, to)
    assert whole.shape == zero_phase.shape
    late = round(CausalResampler(sfreq, to).delay * to)
    edge = min(20, whole.shape[1] // 4)
    inner = whole[:, late + edge :], zero_phase[:, edge : whole.shape[1] - late]
    assert np.allclose(*(part[:, : -edge or None] for part in inner), atol=1e-3)


def test_an_empty_piece_before_all_others_changes_nothing(signal):
    made = CausalResampler(256, 128)
    assert made(signal[:, :0]).shape == (3, 0)
    assert np.array_equal(made(signal), CausalResampler(256, 128)(signal))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: band_pass(x, 128.0, 1.0, 40.0, causal=True),
        lambda x: notch(x, 128.0, causal=True),
        lambda x: resample(x, 128.0, 64.0, causal=True),
    ],
)
def test_nothing_of_the_future_is_used(signal, function):
    other = signal.copy()
    other[:, 600:] += 100
    before = 300  # after halving the rate
    assert np.array_equal(function(signal)[:, :before], function(other)[:, :before])
    assert not np.array_equal(function(signal)[:, before:], function(other)[:, before:])


def test_what_does_not_fit_is_said(signal, words):
    made = CausalFilter(butterworth(128.0, 1.0, 40.0))
    made(signal)
    with pytest.raises(InputError, match="same channels"):
        made(signal[:2])
    assert made(signal[:, :0]).shape == (3, 0)
    with pytest.raises(InputError, match="positive rates"):
        CausalResampler(0, 128)
    with pytest.raises(InputError) as error:
        band_pass(signal, 128.0, 1.0, 40.0, kind="fir", causal=True)
    words(error.value, "causal filter of kind 'fir'")
    assert np.abs(band_pass(signal, 128.0, 1.0, 40.0, kind="fir")[:, 200:-200].mean()) < 0.1
