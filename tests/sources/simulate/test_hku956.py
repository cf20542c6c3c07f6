import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.hku956 import HKU956
from thymos.sources.simulate.hku956 import write_hku956
from thymos.sources.simulate.latent import Experiment
from thymos.sources.simulate.physiology import Physiology

SMALL = {"subjects": 2, "trials": 3, "seconds": [4, 9]}


def test_what_is_written_is_read(check_writer):
    folder, truth = check_writer(write_hku956, "hku956", ".csv", **SMALL)
    source = HKU956(folder, zeros="keep")
    recordings = {r.meta["trial"]: r for r in source.recordings()}
    assert source.subjects() == ["hku1903", "hku1904"]
    assert len(recordings) == 6
    experiment = Experiment(2, 3, 3)
    felt = experiment.subject(1)
    recording, row = recordings["hku1904/2"], truth["records"][5]
    assert row["trial"] == "hku1904/2"
    assert recording.meta["stimulus"] == str(100_001 + felt.order[2])
    assert recording.meta["valence_rating"] == pytest.approx((row["valence"] - 5) * 2.5, abs=0.051)
    assert recording.meta["arousal_rating"] == pytest.approx((row["arousal"] - 5) * 2.5, abs=0.051)
    length = recording.meta["duration"]
    assert 4 <= length <= 9
    body = Physiology(3).trial(1, 2, length, felt.felt[2], felt.intensity[2])
    for modality, factor, step in (("bvp", 100, 0.01), ("eda", 1, 1e-12), ("temp", 1, 0.01), ("hr", 1, 0.01 / 60)):
        signal = recording.signal(modality)
        expected = body.signal(modality, signal.sfreq).data * factor
        assert np.abs(signal.data - expected).max() <= step * 0.51 + 1e-6 * np.abs(expected).max()
    whole = body.intervals[:, 1]
    kept = source.intervals("hku1904/2")
    assert 0 < len(kept) < len(whole)
    assert all(np.abs(whole - value).min() <= 1 / 128 + 1e-6 for value in kept)
    lengths = source.table().groupby("stimulus")["duration"].nunique()
    assert lengths.eq(1).all(), "a song is as long for one as for the other"


def test_wrong_parameters_leave_nothing(tmp_path):
    for wrong in ({"seconds": [9, 4]}, {"seconds": [0, 4]}, {"subjects": 0}, {"trials": 0}, {"effect": -1}):
        with pytest.raises(InputError):
            write_hku956(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())


def test_songs_that_are_not_shared_are_heard_by_one(tmp_path):
    options = {"subjects": 3, "trials": 4, "seconds": [2, 3]}
    for shared, common in ((1.0, 4), (0.5, 2), (0.0, 0)):
        source = HKU956(write_hku956(tmp_path / f"{shared}", **options, shared=shared), zeros="keep")
        heard = source.table().groupby("stimulus")["subject"].nunique()
        assert heard.tolist().count(3) == common
        assert heard.tolist().count(1) == 3 * (4 - common)
    with pytest.raises(InputError, match="share"):
        write_hku956(tmp_path / "wrong", shared=1.5)
