import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import InputError
from thymos.base.samples import Samples
from thymos.signals.together import together


def windows(starts, seconds=2.0, value=0.0, **more):
    """Return windows of trials; `starts` maps a trial to the starts of its windows, the values say which is which."""
    rows = [(trial, start) for trial, own in starts.items() for start in own]
    meta = pd.DataFrame(rows, columns=["trial", "start"])
    meta = meta.assign(source="made", subject="s", session="1", stimulus="k", stop=meta["start"] + seconds, **more)
    X = value + 10.0 * meta["trial"].map({"t1": 1, "t2": 2, "t3": 3}).to_numpy() + meta["start"].to_numpy()
    return Samples(X[:, None, None].astype(np.float32), None, meta, {"sfreq": 4.0 + value})


def frames(times, level=0):
    rows = [(trial, time) for trial, own in times.items() for time in own]
    meta = pd.DataFrame(rows, columns=["trial", "start"])
    meta = meta.assign(source="made", subject="s", session="1", stimulus="k", stop=meta["start"])
    X = (level + np.arange(len(meta))).astype(np.uint8)
    return Samples(np.broadcast_to(X[:, None, None, None], (len(X), 1, 4, 4)).copy(), None, meta, {})


def test_windows_that_begin_together_are_joined():
    a = windows({"t1": [0, 2, 4], "t2": [0, 2]})
    b = windows({"t2": [2.0004, 0.0], "t1": [2, 6]}, value=0.5)
    made = together({"a": a, "b": b})
    assert made.meta[["trial", "start"]].to_numpy().tolist() == [["t1", 2], ["t2", 0], ["t2", 2]]
    assert made.X["a"].ravel().tolist() == [12, 20, 22]
    assert made.X["b"].ravel() == pytest.approx([12.5, 20.5, 22.5], abs=1e-3)
    assert made.info["modalities"]["b"]["sfreq"] == 4.5


def test_windows_of_clocks_that_differ_by_less_than_half_a_step_are_of_one_moment():
    """A block that begins between two samples of a slow sensor, as on a wrist, leaves each its own first moment."""
    a = windows({"t1": [0, 2, 4], "t2": [0]})
    b = windows({"t1": [0.0156, 2.0156, 4.0156], "t2": [0.0156]}, value=0.5)
    c = windows({"t2": [0.25], "t1": [4.25, 0.25, 2.25]}, value=0.75)
    for missing in ("drop", "keep"):
        made = together({"a": a, "b": b, "c": c}, missing)
        assert made.meta[["trial", "start"]].to_numpy().tolist() == [["t1", 0], ["t1", 2], ["t1", 4], ["t2", 0]]
        assert made.X["c"].ravel().tolist() == [11, 13, 15, 21]
        assert not any("unmatched" in facts for facts in made.info["modalities"].values())


def test_windows_that_drift_apart_have_one_partner_each_and_the_others_are_counted():
    a = windows({"t1": 0.496 * np.arange(250)})  # every 62 samples at 125 Hz
    b = windows({"t1": 0.5 * np.arange(248)}, value=100.0)
    a.info["step"] = b.info["step"] = 0.5
    made = together({"a": a, "b": b})
    first, second = made.X["a"].ravel() - 10, made.X["b"].ravel() - 110
    assert np.abs(first - second).max() < 0.25
    assert len(set(first)) == len(set(second)) == len(made) >= 245
    assert made.info["modalities"]["a"]["unmatched"] == 250 - len(made)


def test_what_is_missing_is_kept_on_request():
    a = windows({"t1": [0, 2]}, mood="calm")
    b = windows({"t1": [2], "t3": [0]}, value=0.5, mood="tense")
    made = together({"a": a, "b": b, "face": frames({"t1": [3.0]}, 7)}, missing="keep")
    assert made.meta["trial"].tolist() == ["t1", "t1", "t3"]
    assert made.meta["mood"].tolist() == ["calm", "calm", "tense"]
    assert np.isnan(made.X["a"]).ravel().tolist() == [False, False, True]
    assert np.isnan(made.X["b"]).ravel().tolist() == [True, False, False]
    assert made.X["face"].dtype == np.float32
    assert np.isnan(made.X["face"][[0, 2]]).all()
    assert (made.X["face"][1] == 7).all()


def test_each_window_has_the_frame_nearest_to_its_middle():
    a = windows({"t1": [0, 2, 4], "t2": [0]})
    made = together({"face": frames({"t2": [0.9], "t1": [0.2, 1.2, 2.1, 2.8, 9.0]}), "a": a})
    assert made.meta[["trial", "start"]].to_numpy().tolist() == [["t1", 0], ["t1", 2], ["t2", 0]], "none is in 4 to 6 s"
    assert made.X["face"][:, 0, 0, 0].tolist() == [2, 4, 0]
    assert made.X["face"].dtype == np.uint8


def test_what_cannot_be_joined_is_said(words):
    a = windows({"t1": [0, 2]})
    with pytest.raises(InputError) as error:
        together({"face": frames({"t1": [0.5]})})
    words(error.value, "pictures only")
    with pytest.raises(InputError) as error:
        together({"a": a, "b": windows({"t2": [0]})})
    words(error.value, "no moment", "a, b")
    with pytest.raises(InputError, match="begin at the same time"):
        together({"a": windows({"t1": [0, 0.0001]})})
    with pytest.raises(InputError, match="drop or keep"):
        together({"a": a}, missing="fill")
