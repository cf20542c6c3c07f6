import numpy as np
import pytest

from thymos.base.errors import InputError, MissingExtraError
from thymos.base.recording import Frames, Recording, Signal, Span
from thymos.signals.asymmetry import Asymmetry
from thymos.signals.connectivity import Connectivity, pair_names
from thymos.signals.heart import HeartFeatures
from thymos.signals.scaling import ChannelScaler
from thymos.signals.smoothing import Smooth
from thymos.signals.spectral import DifferentialEntropy, PowerSpectralDensity, differential_entropy
from thymos.signals.statistics import Hjorth, WindowStatistics
from thymos.signals.stream import feature_blocks
from thymos.signals.table import feature_table
from thymos.signals.transformer import WindowFeatures
from thymos.signals.windows import cut_windows, joined

NAMES = ("F3", "F4", "P3")


def recording(trial="a", seconds=20.0, seed=0, **signals) -> Recording:
    rng = np.random.default_rng(seed)
    eeg = Signal(rng.normal(0, 1e-5, (3, round(100 * seconds))).astype(np.float32), 100.0, NAMES)
    rest = eeg.replace(data=rng.normal(0, 3e-5, (3, 300)).astype(np.float32), start=-3.0)
    meta = {"source": "made", "subject": "s", "session": "1", "trial": trial, "stimulus": "k", "mood": "calm"}
    return Recording({"eeg": eeg, **signals}, meta, (Span(7.0, 7.5, "rail"),), {"eeg": rest})


def computed(*steps, recordings=None, **options):
    return joined(feature_blocks(recordings or [recording(), recording("b", 13.5, 1)], steps, **options))


def test_samples_are_cut_from_features_of_the_whole_recording():
    entropy = DifferentialEntropy(method="filter", window=1.0, step=0.5)
    found = computed(entropy, seconds=6.0)
    assert found.X.shape == (5, 4, 3, 11), "a sample of 6 s holds 11 windows of 1 s every 0.5 s"
    assert found.meta["start"].tolist() == [0, 6, 12, 0, 6]
    assert (found.meta["stop"] - found.meta["start"]).eq(6).all()
    assert found.meta["mood"].eq("calm").all()
    whole = differential_entropy(recording().signal("eeg").data, 100.0, "deap", "filter", 1.0, 0.5)
    assert np.array_equal(found.X[1], whole[..., 12:23])
    assert found.info["offline"] == ["DifferentialEntropy"]
    assert "sfreq" not in found.info, "the last axis has another rate"
    assert "method='filter'" in found.info["features"][0]


def test_a_feature_without_windows_of_its_own_takes_the_samples_as_windows():
    found = computed(Hjorth(), seconds=2.0, step=1.0)
    assert found.X.shape == (19 + 12, 3, 3, 1)
    one = Hjorth(100.0).fit_transform(recording().signal("eeg").data[None, :, 300:500])
    assert np.array_equal(found.X[3], one[0])
    whole = computed(WindowStatistics())
    assert whole.X.shape == (2, 6, 3, 1)
    assert whole.meta["stop"].tolist() == [20, 13.5]


def test_later_steps_see_the_whole_trial_and_no_other():
    entropy = DifferentialEntropy(window=1.0)
    both = computed(entropy, Smooth(), Asymmetry(), seconds=4.0)
    alone = computed(entropy, Smooth(), Asymmetry(), seconds=4.0, recordings=[recording("b", 13.5, 1)])
    assert np.array_equal(both.X[-3:], alone.X)
    assert both.X.shape == (8, 4, 1, 4), "one pair: F3 and F4"
    assert both.info["ch_names"] == ["F3-F4"]
    ratios = computed(entropy, Asymmetry(kind="asm"), seconds=4.0)
    assert ratios.info["ch_names"] == ["F3-F4", "F3/F4"]
    rough = computed(entropy, Asymmetry(), seconds=4.0)
    assert np.diff(both.X[0], axis=-1).std() < 0.8 * np.diff(rough.X[0], axis=-1).std()
    assert (both.info["offline"], rough.info["offline"]) == (["Smooth"], [])


def test_the_rest_before_the_stimulus_is_subtracted_from_the_first_feature():
    entropy = DifferentialEntropy(window=1.0)
    plain, less = (computed(entropy, seconds=2.0, subtract_baseline=s) for s in (False, True))
    rest = recording().baseline["eeg"]
    mean = differential_entropy(rest.data, 100.0, "deap", window=1.0).mean(axis=-1, keepdims=True)
    assert np.allclose(less.X[0], plain.X[0] - mean, atol=1e-5)
    assert abs(less.X.mean() + np.log(3)) < 0.1
    with pytest.raises(InputError, match="no rest before"):
        computed(entropy, recordings=[Recording(recording().signals, recording().meta)], subtract_baseline=True)


def test_marked_samples_can_be_left_out():
    kept = computed(Hjorth(), seconds=2.0, drop=["rail"])
    assert 6.0 not in kept.meta["start"].tolist()
    assert len(kept) == 10 + 6 - 2


@pytest.mark.parametrize("sfreq", [51.2, 62.5, 31.25])
def test_rates_at_which_a_second_is_no_whole_number_of_samples_are_no_matter(sfreq):
    data = np.random.default_rng(0).normal(0, 1e-5, (3, round(20 * sfreq))).astype(np.float32)
    odd = Recording({"eeg": Signal(data, sfreq, NAMES)}, recording().meta)
    found = computed(Hjorth(), seconds=1.0, recordings=[odd])
    plain = cut_windows([odd], 1.0)
    assert len(found) == len(plain) == 20
    assert np.allclose(found.meta["start"], plain.meta["start"])
    fine = computed(Hjorth(window=1.0, step=0.5), seconds=4.0, step=2.0, recordings=[odd])
    assert fine.X.shape[1:] == (3, 3, 7)
    assert len(fine) >= 8
    assert np.allclose(fine.meta["start"], np.arange(len(fine)) * 4 * round(0.5 * sfreq) / sfreq)


def test_a_recording_with_missing_values_costs_itself_alone():
    damaged = recording("gap").signal("eeg").data.copy()
    damaged[1, 500] = np.nan
    gap = Recording({"eeg": Signal(damaged, 100.0, NAMES)}, {**recording().meta, "trial": "gap"})
    table, failures = feature_table([recording(), gap], {"eeg": Hjorth()})
    assert table["eeg_mobility_F3"].isna().tolist() == [False, True]
    assert "Hjorth fails on 'gap'" in failures["reason"][0]
    with pytest.raises(InputError, match="Hjorth fails on 'gap'"):
        computed(Hjorth(), recordings=[gap])


def test_pictures_and_values_over_time_are_no_row_of_a_table(words):
    frames = Frames(np.zeros((2, 1, 4, 4), np.uint8))
    pictures = Recording({"face": frames}, recording().meta)
    assert "is pictures" in feature_table([pictures], {"face": Hjorth()})[1]["reason"][0]
    with pytest.raises(InputError, match="is pictures"):
        computed(Hjorth(), modality="face", recordings=[pictures])
    with pytest.raises(InputError) as error:
        feature_table([recording()], {"eeg": Hjorth(window=1.0)})
    words(error.value, "gives 20 values over time for one row")


def test_the_columns_of_connectivity_are_pairs():
    table, _ = feature_table([recording()], {"eeg": Connectivity(bands={"alpha": (8, 13)})})
    names = [name for name in table if name.startswith("eeg_")]
    assert names == [f"eeg_alpha_{pair}" for pair in pair_names(NAMES)]


class Loudness(WindowFeatures):
    """One value for a whole sample."""

    framed = False

    def names(self):
        return ("loudness",)

    def _features(self, X):
        return X.std(axis=-1)[:, None, :, None]


def test_a_feature_of_a_whole_sample_is_computed_of_samples_cut_first():
    found = computed(Loudness(), seconds=2.0, step=1.0)
    data = recording().signal("eeg").data
    assert found.X.shape == (31, 1, 3, 1)
    assert np.allclose(found.X[3, 0, :, 0], data[:, 300:500].std(axis=-1))
    assert found.meta["start"].tolist()[:3] == [0, 1, 2]
    whole = computed(Loudness())
    assert np.allclose(whole.X[0, 0, :, 0], data.std(axis=-1))


class Gaps(WindowFeatures):
    """A feature that the second half of a recording does not have."""

    def __init__(self, window=None, step=None, sfreq=1.0):
        self.window, self.step, self.sfreq = window, step, sfreq

    def names(self):
        return ("gap",)

    def problems(self, X):
        return ["the sensor fell off"] * len(X)

    def _features(self, X):
        made = Hjorth(self.sfreq, self.window, self.step).fit(X).transform(X)[:, :1]
        made[..., made.shape[-1] // 2 :] = np.nan
        return made


def test_samples_without_a_value_are_refused_dropped_or_kept(words):
    with pytest.raises(InputError) as error:
        computed(Gaps(), seconds=2.0)
    words(error.value, "5 of 10 samples of 'a' are incomplete", "the sensor fell off", "incomplete: drop")
    dropped = computed(Gaps(), seconds=2.0, incomplete="drop")
    assert (len(dropped), dropped.info["left_out"]) == (5 + 3, 5 + 3)
    with pytest.raises(InputError) as error:
        computed(Gaps(), seconds=13.0, incomplete="drop")
    words(error.value, "All 2 samples are incomplete; the first: the sensor fell off", "only")
    kept = computed(Gaps(), seconds=2.0, incomplete="keep")
    assert np.isnan(kept.X[:, 0, 0, 0]).sum() == 5 + 3


@pytest.mark.parametrize(
    ("steps", "options", "expected"),
    [
        ([ChannelScaler()], {}, "ChannelScaler learns from data"),
        ([Smooth()], {}, "Smooth is no feature of a signal"),
        ([], {}, "at least one transformer"),
        ([Hjorth(window=3.0)], {"seconds": 2.0}, "windows of 3 s"),
        ([Hjorth(window=1.0)], {"seconds": 2.0, "step": 0.5}, "every whole multiple"),
        ([Hjorth()], {"seconds": 2.0, "incomplete": "skip"}, "error, drop, keep"),
        ([Hjorth()], {"seconds": 30.0}, "longest has 20.00 s"),
        ([Hjorth()], {"seconds": -1.0}, "seconds=-1.0 came"),
        ([Hjorth()], {"seconds": float("nan")}, "seconds=nan came"),
        ([Hjorth(window="1")], {"seconds": 2.0}, "Hjorth fails on 'a': window='1' came"),
        ([DifferentialEntropy(bands={"alpha": "8-13"})], {}, "The band alpha is '8-13'"),
        ([DifferentialEntropy(bands={})], {}, "The bands {} came"),
        ([DifferentialEntropy(window=1.0), Smooth(ratio="5")], {"seconds": 2.0}, "Smooth fails on 'a': TypeError"),
        ([PowerSpectralDensity()], {"subtract_baseline": True}, "give windows that fit into the rest"),
    ],
)
def test_what_does_not_fit_is_said_in_words(steps, options, expected, words):
    with pytest.raises(InputError) as error:
        computed(*steps, **options)
    words(error.value, expected)


def test_recordings_of_different_length_have_no_common_shape_but_a_mean():
    with pytest.raises(InputError, match=r"differ in shape: \(4, 3, 20\) \(a\), \(4, 3, 13\) \(b\)"):
        computed(DifferentialEntropy(window=1.0))


def test_a_table_has_a_row_for_each_recording_and_a_reason_for_each_failure(words):
    pulse = Signal(np.ones((1, 608), np.float32), 32.0, ("BVP",), "")
    recordings = [recording(bvp=pulse), recording("b", 13.5, 1), recording("c", 0.01, 2, bvp=pulse)]
    table, failures = feature_table(recordings, {"eeg": Hjorth(), "bvp": Gaps()})
    assert table["trial"].tolist() == ["a", "b", "c"]
    assert table.loc[0, "eeg_mobility_F4"] == pytest.approx(
        Hjorth(100.0).fit_transform(recording().signal("eeg").data[None])[0, 1, 1, 0]
    )
    assert np.isnan(table.loc[2, "eeg_activity_P3"])
    assert table["bvp_gap"].isna().all()
    assert table["stop"].tolist() == [20, 13.5, 19], "of the longest of the signals that could be used"
    by_trial = failures.set_index(["trial", "modality"])["reason"]
    assert by_trial["a", "bvp"] == by_trial["c", "bvp"] == "the sensor fell off"
    assert "1 samples at 100 Hz" in by_trial["c", "eeg"]
    assert len(failures) == 3
    windows, failed = feature_table(recordings[:2], {"eeg": Hjorth(), "bvp": Gaps()}, 2.0)
    assert windows.groupby("trial").size().tolist() == [10, 6]
    assert windows["bvp_gap"].notna().sum() == 4
    assert failed["reason"].tolist() == ["the sensor fell off"]
    with pytest.raises(InputError, match="No features were asked for"):
        feature_table(recordings, {})
    with pytest.raises(InputError) as error:
        feature_table(recordings, {"ecg": Gaps()})
    words(error.value, "No recording has ecg")


def test_a_row_holds_all_signals_whose_first_samples_are_a_little_apart():
    pulse = Signal(np.ones((1, 640), np.float32), 32.0, ("BVP",), "", start=0.03)
    table, _ = feature_table([recording(bvp=pulse)], {"eeg": Hjorth(), "bvp": Gaps()})
    assert table["start"].tolist() == [0]
    assert table["stop"].tolist() == [20.03]
    table, _ = feature_table([recording(bvp=pulse)], {"bvp": Gaps(), "eeg": Hjorth()}, 2.0)
    assert table["start"].tolist() == [round(0.03 + 2 * k, 6) for k in range(10)]
    assert table["bvp_gap"].notna().sum() == 5
    assert table["eeg_mobility_F4"].notna().all()


class Absent(Gaps):
    """A feature whose library is not installed."""

    def _features(self, X):
        raise MissingExtraError("This needs 'x', which is not installed.", do="pip install 'thymos[x]'")


def test_a_missing_library_is_no_fault_of_the_recordings():
    with pytest.raises(MissingExtraError):
        feature_table([recording()], {"eeg": Absent()})


def test_some_features_may_be_chosen_by_name(words):
    pulse = Signal(np.sin(2 * np.pi * 1.2 * np.arange(64 * 30) / 64)[None], 64.0, ("BVP",), "")
    made = HeartFeatures(only=["rmssd", "rate"])
    found = computed(made, recordings=[recording(seconds=30.0, bvp=pulse)], modality="bvp")
    assert found.X.shape == (1, 2, 1, 1), "power below 0.15 Hz, which 30 s do not have, was not asked for"
    assert found.X[0, 1, 0, 0] == pytest.approx(1.2, abs=0.01)
    assert made.names() == ("rmssd", "rate")
    everything = HeartFeatures().fit(pulse.data[None]).transform(pulse.data[None])
    assert np.array_equal(found.X[0, 0], everything[0, HeartFeatures().names().index("rmssd")].astype(np.float32))
    for wrong in (["rmsd"], []):
        with pytest.raises(InputError) as error:
            HeartFeatures(only=wrong).fit_transform(pulse.data[None])
        words(error.value, "some of rate", *(["Did you mean 'rmssd'"] if wrong else []))
