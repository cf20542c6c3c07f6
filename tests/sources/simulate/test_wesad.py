import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.simulate.physiology import Physiology
from thymos.sources.simulate.wesad import write_wesad
from thymos.sources.wesad import SIGNALS, WESAD

SMALL = {"subjects": 2, "seconds": 3.0}


def test_what_is_written_is_read(check_writer):
    folder, truth = check_writer(write_wesad, "wesad", ".pkl", **SMALL)
    recordings = list(WESAD(folder).recordings())
    assert [r.meta["trial"] for r in recordings] == [
        *(f"S2-{name}" for name in ("baseline-1", "amusement-1", "meditation-1", "stress-1", "meditation-2")),
        *(f"S3-{name}" for name in ("baseline-1", "stress-1", "meditation-1", "amusement-1", "meditation-2")),
    ]
    assert [b["condition"] for b in truth["blocks"]] == [r.meta["condition"] for r in recordings]
    assert recordings[6].meta["onset"] == 5 + 3 + 5
    felt = truth["blocks"][6]["felt"]
    body = Physiology(3).trial(1, 1, 3.0, felt, min(1, np.hypot(*felt)), 5.0)
    assert felt[0] < 0 < felt[1]
    made = {"emg": "trapezius", "wrist_eda": "eda", "wrist_temp": "temp", "wrist_acc": "acc"}
    for modality, (_, _, rate, ch_names, unit, *_) in SIGNALS.items():
        signal = recordings[6].signal(modality)
        expected = body.signal(made.get(modality, modality), rate).data[:, round(5 * rate) :]
        expected = expected * {"resp": 10, "bvp": 100}.get(modality, 1)
        assert (signal.sfreq, signal.ch_names, signal.unit, signal.start) == (rate, ch_names, unit, 0)
        assert np.allclose(signal.data, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max()), modality


def test_wrong_parameters_leave_nothing(tmp_path):
    for wrong in ({"subjects": 16}, {"subjects": 0}, {"seconds": 0.2}, {"effect": "much"}):
        with pytest.raises(InputError):
            write_wesad(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())
