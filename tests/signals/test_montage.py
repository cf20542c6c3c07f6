import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.montage import (
    common_channels,
    interpolate_channels,
    pick_channels,
    standard_montage,
    standard_name,
    standard_names,
)
from thymos.sources.simulate.eeg import MONTAGES

CAP = MONTAGES["deap32"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("FP1", "Fp1"),
        ("EEG Fp1-REF", "Fp1"),
        ("EEG FP1-LE", "Fp1"),
        ("eeg:cz", "Cz"),
        ("Fc5.", "FC5"),
        ("Cz..", "Cz"),
        (" F p z ", "Fpz"),
        ("T3", "T7"),
        ("EEG T6-A1", "P8"),
        ("t4-Ref", "T8"),
        ("POZ", "POz"),
        ("O2-M1", "O2"),
        ("AFF5h", "AFF5h"),
        ("A1", "A1"),
        ("EEG A2-A1", "A2"),
        ("cb1", "CB1"),
    ],
)
def test_names_as_devices_write_them(written, name):
    assert standard_name(written) == name


@pytest.mark.parametrize("written", ["F3-C3", "ECG", "EEG", "", "Status", "Ch1", "EXG1", "E12", "TEMP", "X3", "GSR1"])
def test_what_is_no_electrode_has_no_name(written):
    assert standard_name(written) is None


def test_every_name_of_the_system_is_its_own():
    for name in set(standard_montage().ch_names) - {"T3", "T4", "T5", "T6"}:
        assert standard_name(name) == standard_name(f"EEG {name.lower()}-REF") == name


def test_the_ears_are_not_taken_for_a_numbered_cap():
    assert standard_names(["A1", "A2", "Cz"]) == ["A1", "A2", "Cz"]
    assert standard_names(["A1", "A2", "A3", "B1"]) == [None, None, None, None]


def test_channels_are_picked_in_the_given_order_by_either_name():
    data = np.arange(12.0).reshape(3, 4)
    picked = pick_channels(data, ["EEG T3-REF", "CZ", "own"], ["own", "T7", "Cz"])
    assert np.array_equal(picked, data[[2, 0, 1]])
    stacked = pick_channels(np.stack([data, -data]), ["T3", "CZ", "own"], ["Cz"])
    assert np.array_equal(stacked, np.stack([data[[1]], -data[[1]]]))
    assert common_channels([["Fz", "Cz", "Oz"], ["Oz", "Fz"]]) == ["Fz", "Oz"]
    assert common_channels([]) == []


def test_wrong_channels_are_said_in_words(words):
    data = np.zeros((2, 5))
    with pytest.raises(InputError) as error:
        pick_channels(data, ["Fz", "Cz"], ["Fpz"])
    words(error.value, "no channel Fpz", "Did you mean 'Fz'", "some of Fz, Cz", "interpolate")
    with pytest.raises(InputError) as error:
        pick_channels(data, ["T3", "T7"], ["T7"])
    words(error.value, "'T3' and 'T7'", "same electrode, T7", "leave one of them out")
    with pytest.raises(InputError) as error:
        pick_channels(data, ["Fz"], ["Fz"])
    words(error.value, "(2, 5)", "1 channel names")


def smooth_field(names, times=50):
    """Make potentials of a few slowly varying functions of the place, in volts."""
    position = standard_montage().get_positions()["ch_pos"]
    places = np.array([position[name] for name in names])
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    weights = np.random.default_rng(0).normal(size=(4, times))
    functions = np.c_[places, places[:, 0] * places[:, 1]]
    return functions @ weights * 1e-5


def test_a_smooth_field_is_recovered_and_what_is_there_is_unchanged():
    field = smooth_field(CAP)
    missing = ["Cz", "P3", "F8"]
    there = [name for name in CAP if name not in missing]
    data = pick_channels(field, CAP, there)
    made = interpolate_channels(data, there, CAP, 128.0)
    assert made.shape == field.shape
    for row, name in enumerate(CAP):
        if name in missing:
            error = np.sqrt(np.mean((made[row] - field[row]) ** 2) / np.mean(field[row] ** 2))
            assert error < 0.15, (name, error)
        else:
            assert np.array_equal(made[row], field[row])
    assert interpolate_channels(data.astype(np.float32), there, ["Cz"], 128.0).dtype == np.float32


def test_interpolation_does_not_use_channels_without_a_place():
    field = smooth_field(CAP[:-1])
    loud = np.concatenate([field, np.full((2, field.shape[1]), 1.0)])
    made = interpolate_channels(loud, [*CAP[:-1], "CB1", "own"], ["CB1", CAP[-1]], 128.0)
    assert np.array_equal(made[0], loud[-2])
    assert np.abs(made[1]).max() < 1e-3


def test_what_cannot_be_interpolated_is_said_in_words(words):
    with pytest.raises(InputError) as error:
        interpolate_channels(np.zeros((4, 9)), ["TP9", "AF7", "AF8", "TP10"], ["Cz"], 128.0)
    words(error.value, "Cz cannot be interpolated", "only 4", "at least 8")
    with pytest.raises(InputError) as error:
        interpolate_channels(np.zeros((32, 9)), CAP, ["CB2", "own"], 128.0)
    words(error.value, "CB2, own has no place", "every recording has")
