import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.filters import band_pass, notch, resample, resample_signal

SFREQ = 256.0
T = np.arange(round(8 * SFREQ)) / SFREQ


def sine(freq, amplitude=1e-5):
    return amplitude * np.sin(2 * np.pi * freq * T)


def middle(x):
    return x[..., 512:-512]


@pytest.mark.parametrize(("freq", "gain"), [(0.2, 0.0), (10.0, 1.0), (30.0, 1.0), (80.0, 0.0)])
def test_band_pass_keeps_the_band_without_delay(freq, gain):
    x = sine(freq)
    # 2 % of the amplitude: a filter of order 4 used twice is not yet flat at 30 Hz
    assert np.allclose(middle(band_pass(x, SFREQ, 1.0, 45.0)), gain * middle(x), atol=2.5e-7)


def test_low_pass_and_high_pass():
    x = sine(5.0) + sine(60.0)
    assert np.allclose(middle(band_pass(x, SFREQ, high=30.0)), middle(sine(5.0)), atol=2e-7)
    assert np.allclose(middle(band_pass(x, SFREQ, low=30.0)), middle(sine(60.0)), atol=2e-7)


def test_notch_removes_mains_and_nothing_else():
    x = sine(10.0) + sine(50.0)
    assert np.allclose(middle(notch(x, SFREQ, 50.0)), middle(sine(10.0)), atol=3e-7)


def test_resampling_keeps_time_offset_and_what_fits_below_the_new_nyquist():
    x = 5e-4 + sine(10.0) + sine(100.0)
    y = resample(x[None], SFREQ, 128.0)[0]
    assert y.shape == (1024,)
    assert np.allclose(y[256:-256], (5e-4 + sine(10.0))[::2][256:-256], atol=2e-7)
    assert np.allclose(resample(np.full((1, 300), 5e-4), SFREQ, 128.0), 5e-4, rtol=1e-3), "an offset rings at the ends"
    signal = resample_signal(Signal(x[None], SFREQ, ("Fz",), start=3.0), 128.0)
    assert (signal.sfreq, signal.data.shape, signal.start) == (128.0, (1, 1024), 3.0)


def test_dtype_is_kept_and_short_recordings_work():
    x = sine(10.0).astype(np.float32)
    assert band_pass(x, SFREQ, 1, 45).dtype == np.float32
    assert resample(x, SFREQ, 128).dtype == np.float32
    assert np.isfinite(band_pass(x[:5], SFREQ, 1, 45)).all()


def test_what_cannot_be_filtered_is_said_in_words(words):
    for low, high in ((45.0, 1.0), (1.0, 200.0), (None, None), (-1.0, 20.0)):
        with pytest.raises(InputError, match="0 < low < high < 128"):
            band_pass(sine(10.0), SFREQ, low, high)
    with pytest.raises(InputError, match="notch at 200"):
        notch(sine(10.0), SFREQ, 200.0)
    holes = sine(10.0)
    holes[[3, 4]] = np.nan
    with pytest.raises(InputError) as error:
        band_pass(holes, SFREQ, 1, 45)
    words(error.value, "2 values are missing", "split the recording")
    with pytest.raises(InputError, match="two samples"):
        band_pass(np.zeros((1, 1)), SFREQ, 1, 45)
    with pytest.raises(InputError, match="positive rates"):
        resample(sine(10.0), SFREQ, 0)
