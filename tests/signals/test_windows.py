import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Recording, Signal, Span
from thymos.signals.windows import cut_windows, sliding_windows


def recording(n_times=100, sfreq=10.0, start=0.0, trial="t1", spans=(), channels=("a", "b")):
    data = np.arange(len(channels) * n_times, dtype=np.float32).reshape(len(channels), n_times)
    meta = {"source": "made", "subject": "s1", "session": "1", "trial": trial, "stimulus": "k", "label": "x"}
    return Recording({"eeg": Signal(data, sfreq, channels, "V", start)}, meta, spans)


def test_windows_are_views_and_the_incomplete_last_one_is_left_out():
    x = np.arange(20.0).reshape(2, 10)
    windows = sliding_windows(x, 4, 3)
    assert windows.shape == (2, 3, 4)
    assert np.array_equal(windows[1, 2], x[1, 6:10])
    assert np.shares_memory(windows, x)
    assert sliding_windows(x, 11, 1).shape == (2, 0, 11)
    with pytest.raises(InputError, match="at least one sample"):
        sliding_windows(x, 4, 0)


def test_every_window_has_its_place_on_the_recordings_clock():
    samples = cut_windows([recording(start=2.0), recording(trial="t2")], seconds=1.0, step=0.5)
    assert samples.X.shape == (38, 2, 10)
    assert samples.X.dtype == np.float32
    first = samples.meta[samples.meta["trial"] == "t1"]
    assert first["start"].tolist() == [2.0 + 0.5 * k for k in range(19)]
    assert np.allclose(first["stop"] - first["start"], 1.0)
    assert np.array_equal(samples.X[3, 0], np.arange(15, 25))
    assert samples.info["sfreq"] == 10.0
    assert samples.meta["label"].eq("x").all()


def test_no_window_crosses_from_one_piece_into_the_next():
    pieces = [recording(n_times=25), recording(n_times=25, start=60.0)]
    samples = cut_windows(pieces, seconds=1.0)
    assert len(samples) == 4
    assert samples.meta["start"].tolist() == [0.0, 1.0, 60.0, 61.0]


def test_marked_windows_are_named_and_dropped_on_request():
    spans = (Span(1.2, 1.3, "rail", "a"), Span(3.0, 4.0, "rate"), Span(3.5, 3.6, "rail", "b"))
    samples = cut_windows([recording(spans=spans)], seconds=1.0)
    assert samples.meta["marks"].tolist() == ["", "rail", "", "rail,rate", "", "", "", "", "", ""]
    kept = cut_windows([recording(spans=spans)], seconds=1.0, drop=["rate"])
    assert kept.meta["start"].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_nothing_to_cut_and_mixed_recordings_are_said_in_words(words):
    with pytest.raises(InputError) as error:
        cut_windows([recording(n_times=5)], seconds=1.0)
    words(error.value, "No recording yields a window of 1.0 s", "0.50 s", "shorten the window")
    with pytest.raises(InputError) as error:
        cut_windows([recording(), recording(sfreq=20.0, trial="t9")], seconds=1.0)
    words(error.value, "'t9'", "20.0", "resample")
    with pytest.raises(InputError) as error:
        cut_windows([recording()], seconds=1.0, modality="bvp")
    words(error.value, "'bvp'", "eeg")


def test_recordings_refuse_shapes_and_metadata_that_do_not_fit(words):
    with pytest.raises(InputError) as error:
        Signal(np.zeros((3, 10)), 10.0, ("a", "b"))
    words(error.value, "(3, 10)", "2 channel names")
    with pytest.raises(InputError, match="positive rate"):
        Signal(np.zeros((1, 10)), 0.0, ("a",))
    with pytest.raises(InputError) as error:
        Recording({}, {"source": "x", "subject": "s"})
    words(error.value, "session, trial, stimulus")


def with_gap(trial="gap"):
    """Return a recording whose fourth second is missing."""
    made = recording(trial=trial)
    signal = made.signal("eeg")
    data = signal.data.copy()
    data[0, int(3 * signal.sfreq)] = np.nan
    return Recording({"eeg": signal.replace(data=data, notes=("a hole",))}, made.meta)


def test_windows_in_which_a_value_is_missing_are_kept_dropped_or_refused():
    whole = cut_windows([recording()], seconds=1.0)
    pieces = [recording(), with_gap()]
    assert len(cut_windows(pieces, seconds=1.0)) == 2 * len(whole)
    kept = cut_windows(pieces, seconds=1.0, incomplete="drop")
    assert len(kept) == 2 * len(whole) - 1
    assert (kept.info["left_out"], kept.info["too_short"]) == (1, 0)
    assert cut_windows([*pieces, recording(5)], seconds=1.0).info["too_short"] == 1
    assert 3.0 not in kept.meta.loc[kept.meta["trial"] == "gap", "start"].to_numpy()
    assert np.isfinite(kept.X).all()
    with pytest.raises(InputError, match=f"1 of {len(whole)} samples of 'gap' are incomplete: a hole"):
        cut_windows(pieces, seconds=1.0, incomplete="error")
    with pytest.raises(InputError, match="All 1 samples are incomplete"):
        cut_windows([with_gap()], seconds=whole.meta["stop"].max(), incomplete="drop")
    with pytest.raises(InputError, match="incomplete='dorp'"):
        cut_windows(pieces, seconds=1.0, incomplete="dorp")
