import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Signal
from thymos.signals.preprocessing import (
    bad_channels,
    interpolate_bad_channels_signal,
    reference_signal,
    remove_ocular_signal,
    subtract_baseline_signal,
    to_mne,
)
from thymos.sources.simulate.eeg import SimulatedEEG


@pytest.fixture(scope="module")
def eeg() -> Signal:
    source = SimulatedEEG(subjects=1, trials=1, seconds=20.0, artifacts=False)
    return next(iter(source.recordings())).signal("eeg")


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_the_average_reference_leaves_no_common_part_and_named_ones_cancel(eeg):
    average = reference_signal(eeg)
    assert np.abs(average.data.mean(axis=0)).max() < 1e-10
    assert average.data.dtype == np.float32
    ears = reference_signal(eeg, ["T7", "T8"])
    rows = [eeg.ch_names.index(name) for name in ("T7", "T8")]
    assert np.allclose(ears.data[rows[0]], -ears.data[rows[1]], atol=1e-10)
    assert np.allclose(ears.data - ears.data[0], eeg.data - eeg.data[0], atol=1e-10), "differences stay"
    with pytest.raises(InputError, match="M1"):
        reference_signal(eeg, "M1")
    with pytest.raises(InputError, match=r"Did you mean .*'F7'"):
        reference_signal(eeg, ["F77"])
    with pytest.raises(InputError, match="to no channel"):
        reference_signal(eeg, [])


def test_channels_that_are_flat_loud_or_alone_are_found_and_filled_in_from_the_others(eeg):
    assert bad_channels(eeg) == {}
    rng, data = np.random.default_rng(0), eeg.data.copy()
    flat, loud, alone = (eeg.ch_names.index(name) for name in ("F7", "FC1", "P3"))
    data[flat] = 0
    data[loud] *= 30
    data[alone] = data[alone].std() * rng.standard_normal(data.shape[1])
    damaged = eeg.replace(data=data)
    assert bad_channels(damaged) == {"F7": "flat", "FC1": "loud", "P3": "alone"}
    rest = eeg.replace(data=data[:, :256], start=-2.0)
    mended, mended_rest = interpolate_bad_channels_signal(damaged, rest)
    assert mended.notes == ("interpolated F7 (flat)", "interpolated FC1 (loud)", "interpolated P3 (alone)")
    for row in (flat, loud, alone):
        assert correlation(mended.data[row], eeg.data[row]) > 0.7
        assert np.allclose(mended_rest.data[row], mended.data[row, :256], atol=1e-9), "the same channels of the rest"
    untouched = np.setdiff1d(np.arange(32), [flat, loud, alone])
    assert np.array_equal(mended.data[untouched], eeg.data[untouched])
    assert interpolate_bad_channels_signal(eeg)[0] is eeg


def test_too_many_bad_channels_or_too_few_in_all_are_refused(eeg, words):
    data = eeg.data.copy()
    data[:9] = 0
    with pytest.raises(InputError) as error:
        interpolate_bad_channels_signal(eeg.replace(data=data))
    words(error.value, "9 of 32 channels are bad", "Fp1 (flat)", "leave the recording out")
    few = Signal(eeg.data[:4], eeg.sfreq, eeg.ch_names[:4])
    with pytest.raises(InputError, match="4 channels"):
        bad_channels(few)


def test_blinks_go_and_the_rest_of_the_brain_stays(eeg):
    n, rng = eeg.data.shape[1], np.random.default_rng(0)
    t = np.arange(n) / eeg.sfreq
    blinks = sum(np.exp(-0.5 * ((t - at) / 0.08) ** 2) for at in np.arange(1, 19, 2.3))
    reach = {"Fp1": 1, "Fp2": 1, "AF3": 0.6, "AF4": 0.6, "F7": 0.4, "F8": 0.4, "F3": 0.3, "F4": 0.3, "Fz": 0.3}
    field = np.array([reach.get(name, 0.05) for name in eeg.ch_names])[:, None] * 150e-6
    seen = eeg.replace(data=(eeg.data + field * blinks).astype(np.float32))
    rest = seen.replace(data=seen.data[:, : n // 4], start=-5.0)
    cleaned, cleaned_rest = remove_ocular_signal(seen, rest, components=10)
    assert "ocular components removed" in cleaned.notes[0]
    assert not cleaned.notes[0].startswith("0 ")
    eye, back = eeg.ch_names.index("Fp1"), eeg.ch_names.index("Pz")
    assert abs(correlation(cleaned.data[eye], blinks)) < 0.2 < 0.7 < correlation(seen.data[eye], blinks)
    assert correlation(cleaned.data[back], eeg.data[back]) > 0.9
    assert np.allclose(cleaned_rest.data, cleaned.data[:, : n // 4], atol=1e-6), "the same components of the rest"
    again, _ = remove_ocular_signal(seen, components=10)
    assert np.array_equal(again.data, cleaned.data), "the seed decides"
    loud = eeg.data.copy()
    loud[5] += np.float32(2e-3) * rng.standard_normal(n).astype(np.float32)
    assert "removed" in remove_ocular_signal(eeg.replace(data=loud))[0].notes[0], "one channel explains 99 %"
    with pytest.raises(InputError, match="10 s or more"):
        remove_ocular_signal(seen.replace(data=seen.data[:, :500]))


def test_the_mean_of_the_rest_is_subtracted(eeg):
    rest = eeg.replace(data=eeg.data[:, :100] + np.float32(5e-5), start=-1.0)
    corrected, corrected_rest = subtract_baseline_signal(eeg, rest)
    assert np.abs(corrected_rest.data.mean(axis=1)).max() < 1e-10
    assert np.allclose(eeg.data - corrected.data, rest.data.mean(axis=1, keepdims=True), atol=1e-10)
    with pytest.raises(InputError, match="without rest before the trial"):
        subtract_baseline_signal(eeg)


def test_z_scores_against_the_rest_level_people_and_leave_out_what_is_flat_at_rest(eeg):
    rest = eeg.replace(data=eeg.data[:, :100].copy(), start=-1.0)
    rest.data[2] = 3e-5
    scored, scored_rest = subtract_baseline_signal(eeg, rest, scale=True)
    others = np.delete(np.arange(len(eeg.data)), 2)
    assert np.allclose(scored_rest.data[others].std(axis=1), 1, atol=1e-4)
    assert np.isnan(scored.data[2]).all()
    assert np.isfinite(scored.data[others]).all()
    assert (scored.notes[-1], scored.unit) == (f"flat at rest, without values: {eeg.ch_names[2]}", "")
    louder, _ = subtract_baseline_signal(*(part.replace(data=4 * part.data + 1e-4) for part in (eeg, rest)), scale=True)
    assert np.allclose(louder.data[others], scored.data[others], rtol=1e-3, atol=1e-3)


def test_mne_gets_positions_for_the_names_it_knows(eeg):
    raw = to_mne(Signal(eeg.data[:3], eeg.sfreq, ("T3", "CB1", "Cz")))
    places = raw.get_montage().get_positions()["ch_pos"]
    assert places["T3"][0] < -0.05
    assert "CB1" not in places or not np.isfinite(places["CB1"]).all()
    assert raw.info["sfreq"] == eeg.sfreq
