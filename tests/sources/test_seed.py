import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from thymos.base.errors import DataError, InputError
from thymos.sources.seed import (
    CHANNELS,
    SEED,
    SEED_DATES,
    SEED_LABELS,
    SEED_SECONDS,
    SEEDIV,
    SEEDIV_LABELS,
    SEEDIV_WINDOWS,
    SEEDFeatures,
    SEEDIVFeatures,
)


def values(trial, n=4):
    """Return what a trial holds in microvolts: its number is in every value."""
    return 1000.0 * trial + np.arange(62 * n).reshape(62, n)


def put(folder, name, trials=15, prefix="ab", lengths=None, **more):
    path = folder / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = lengths or [4] * trials
    variables = {f"{prefix}_eeg{k}": values(k, lengths[k - 1]) for k in range(trials, 0, -1)}
    savemat(path, variables | more)
    return path


def put_features(folder, name, trials=15, n_windows=3, n_channels=62, feature="de", lengths=None):
    path = folder / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = lengths or [n_windows] * trials
    shapes = [(n_channels, n, 5) for n in lengths]
    variables = {}
    for k, shape in enumerate(shapes, start=1):
        made = np.arange(np.prod(shape)).reshape(shape) + 10_000.0 * k
        variables |= {f"{feature}_LDS{k}": made, f"{feature}_movingAve{k}": made + 0.5, f"x{feature}_LDS{k}x": made}
    savemat(path, variables)
    return path


@pytest.fixture
def folder(tmp_path):
    put(tmp_path / "Preprocessed_EEG", "1_20131027", prefix="djc")
    return tmp_path


def test_the_published_labels_and_lengths():
    assert SEED_LABELS == (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)
    assert sum(SEED_SECONDS) == 3394
    assert (len(CHANNELS), len(set(CHANNELS)), CHANNELS[0], CHANNELS[8], CHANNELS[-1]) == (62, 62, "Fp1", "F1", "CB2")
    assert [len(session) for session in SEEDIV_LABELS] == [24, 24, 24]
    assert all(session.count(code) == 6 for session in SEEDIV_LABELS for code in range(4))
    assert [session[:5] for session in SEEDIV_LABELS] == [(1, 2, 3, 0, 2), (2, 1, 3, 0, 0), (1, 2, 2, 1, 3)]
    assert (sum(SEEDIV_WINDOWS), SEEDIV_WINDOWS[0], SEEDIV_WINDOWS[-1]) == (851, 42, 34)


def test_a_trial_is_told_by_the_number_at_the_end_of_its_variable(folder):
    recordings = list(SEED(folder).recordings())
    assert [r.meta["emotion_code"] for r in recordings] == list(SEED_LABELS)
    assert [r.meta["emotion"] for r in recordings[:3]] == ["positive", "neutral", "negative"]
    for k, recording in enumerate(recordings, start=1):
        signal = recording.signal("eeg")
        assert np.allclose(signal.data, values(k) * 1e-6, rtol=1e-6), "trial 1 is none of 10 to 15"
        assert (recording.meta["stimulus"], recording.meta["trial"]) == (f"clip{k:02d}", f"01-1-{k:02d}")
    assert (signal.sfreq, signal.unit, signal.ch_names) == (200, "V", CHANNELS)


def test_prefixes_differ_and_other_variables_and_files_are_passed_over(folder):
    place = folder / "Preprocessed_EEG"
    put(place, "2_20140404", prefix="eeg1_jl", fs=200.0, eegs=np.ones(3))
    savemat(place / "label.mat", {"label": np.array([SEED_LABELS])})
    (place / "readme.txt").write_text("read me")
    (place / ".1_20131030.mat").write_bytes(b"")
    source = SEED(folder)
    assert source.subjects() == ["01", "02"]
    assert len(source.table()) == 30
    assert SEED(place).subjects() == ["01", "02"]


def test_sessions_are_in_order_of_the_dates_and_subjects_in_that_of_numbers(tmp_path):
    for part, name in (("a", "10_20131204"), ("b", "10_20131130"), ("a", "10_20131211"), ("b", "2_20140404")):
        put(tmp_path / part / "Preprocessed_EEG", name)
    source = SEED(tmp_path)
    assert source.subjects() == ["02", "10"]
    sessions = source.table().drop_duplicates(["subject", "session"])
    assert sessions[["subject", "session", "date"]].to_numpy().tolist() == [
        ["02", "1", "20140404"],
        ["10", "1", "20131130"],
        ["10", "2", "20131204"],
        ["10", "3", "20131211"],
    ]
    assert sessions["stimulus"].unique().tolist() == ["clip01"], "every session shows the same clips"


def test_a_fourth_file_of_a_subject_is_refused(tmp_path, words):
    for day in range(1, 5):
        put(tmp_path / "Preprocessed_EEG", f"3_2014010{day}")
    with pytest.raises(DataError) as error:
        SEED(tmp_path).subjects()
    words(error.value, "Subject 03 has 4 files", "3_20140104.mat", "one per session")


def test_the_date_may_repeat_no_file(folder, words):
    put(folder / "Preprocessed_EEG" / "more" / "Preprocessed_EEG", "1_20131027")
    with pytest.raises(DataError) as error:
        SEED(folder).subjects()
    words(error.value, "1_20131027.mat is there twice")


@pytest.mark.parametrize("trials", [14, 16])
def test_trials_missing_or_too_many_are_named(folder, words, trials):
    put(folder / "Preprocessed_EEG", "1_20131027", trials)
    with pytest.raises(DataError) as error:
        SEED(folder).table()
    words(error.value, "1_20131027.mat", "lacks the trials [15]" if trials == 14 else "has the trials [16] beyond")


def test_lengths_that_are_not_published_and_missing_sessions_are_noted(folder):
    lengths = [200 * s for s in SEED_SECONDS]
    lengths[3] = 100
    put(folder / "Preprocessed_EEG", "1_20131027", lengths=[n // 100 for n in lengths])
    notes = [str(note) for note in SEED(folder).check()]
    assert notes[0] == "subject 01: 1 of 3 sessions"
    assert notes[1] == "01-1-01 and 14 more: the length of the trial is not the published one"


def test_raw_and_feature_files_of_one_name_are_told_apart(folder):
    put_features(folder / "ExtractedFeatures", "1_20131027")
    assert list(SEED(folder).files()) == list(SEEDFeatures(folder).files()) == ["01"]
    (raw,), (features,) = SEED(folder).files()["01"], SEEDFeatures(folder).files()["01"]
    assert (raw[2].parent.name, features[2].parent.name) == ("Preprocessed_EEG", "ExtractedFeatures")
    assert list(next(iter(SEEDFeatures(folder).recordings())).signals) == ["features"]
    assert len(SEEDFeatures(folder / "ExtractedFeatures").table()) == 15


@pytest.mark.parametrize(("smoothed", "added"), [("LDS", 0), ("movingAve", 0.5)])
def test_features_are_rows_band_by_band_and_times_are_windows(tmp_path, smoothed, added):
    put_features(tmp_path / "ExtractedFeatures", "1_20131027")
    recording = list(SEEDFeatures(tmp_path, smoothed=smoothed).recordings())[11]
    signal = recording.signal("features")
    assert (signal.data.shape, signal.sfreq, signal.unit) == ((310, 3), 1, "")
    stored = np.arange(62 * 3 * 5).reshape(62, 3, 5) + 120_000 + added
    for band, name in enumerate(("delta", "theta", "alpha", "beta", "gamma")):
        for channel in (0, 8, 61):
            row = band * 62 + channel
            assert signal.ch_names[row] == f"de-{name}-{CHANNELS[channel]}"
            assert np.array_equal(signal.data[row], stored[channel, :, band].astype(np.float32))
    assert recording.meta["emotion"] == "negative"


def test_asymmetries_have_as_many_pairs_as_published(tmp_path, words):
    put_features(tmp_path / "ExtractedFeatures", "1_20131027", n_channels=27, feature="dasm")
    signal = next(iter(SEEDFeatures(tmp_path, feature="dasm").recordings())).signal("features")
    assert (len(signal.ch_names), signal.ch_names[28]) == (135, "dasm-theta-pair02")
    for options in ({"feature": "entropy"}, {"smoothed": "none"}):
        with pytest.raises(InputError) as error:
            SEEDFeatures(tmp_path, **options)
        words(error.value, *map(str, options.values()))
    with pytest.raises(InputError, match="dasm"):
        SEEDIVFeatures(tmp_path, feature="dasm")


def test_the_session_of_seed_iv_is_its_folder_whatever_the_date(tmp_path):
    for session, date in ((1, "20160302"), (2, "20150915"), (3, "20151111")):
        put(tmp_path / "eeg_raw_data" / str(session), f"2_{date}", 24, prefix=f"p{session}")
    made = SEEDIV(tmp_path).table()
    assert made["session"].tolist() == ["1"] * 24 + ["2"] * 24 + ["3"] * 24
    assert made["emotion_code"].tolist() == [code for session in SEEDIV_LABELS for code in session]
    assert made.drop_duplicates("session")["date"].tolist() == ["20160302", "20150915", "20151111"]
    assert made["stimulus"].is_unique, "every session shows other clips"
    assert dict(zip(made["emotion_code"], made["emotion"], strict=True)) == {
        0: "neutral",
        1: "sad",
        2: "fear",
        3: "happy",
    }


def test_a_second_session_alone_keeps_its_labels(tmp_path):
    put(tmp_path / "eeg_raw_data" / "2", "2_20150915", 24)
    assert SEEDIV(tmp_path).table()["emotion_code"].tolist() == list(SEEDIV_LABELS[1])


def test_two_files_of_one_subject_in_one_session_of_seed_iv_are_refused(tmp_path, words):
    for date in ("20150915", "20150916"):
        put(tmp_path / "eeg_raw_data" / "2", f"2_{date}", 24)
    with pytest.raises(DataError) as error:
        SEEDIV(tmp_path).subjects()
    words(error.value, "Subject 02 has 2 files")


@pytest.mark.parametrize("wrong", [None, 5])
def test_windows_of_the_first_session_are_counted(tmp_path, wrong):
    lengths = list(SEEDIV_WINDOWS)
    if wrong is not None:
        lengths[wrong] += 1
    put_features(tmp_path / "eeg_feature_smooth" / "1", "1_20160302", 24, lengths=lengths)
    source = SEEDIVFeatures(tmp_path)
    assert next(iter(source.recordings())).signal("features").sfreq == 0.25
    notes = [str(note) for note in source.check()]
    odd = [] if wrong is None else ["01-1-06: the number of windows is not the published one"]
    assert notes == ["subject 01: 1 of 3 sessions", *odd]


def test_version_7_3_is_read_as_version_5(folder):
    before = [r.signal("eeg").data for r in SEED(folder).recordings()]
    with h5py.File(folder / "Preprocessed_EEG" / "1_20131027.mat", "w") as file:
        for k in range(1, 16):
            file.create_dataset(f"djc_eeg{k}", data=values(k).T).attrs["MATLAB_class"] = np.bytes_("double")
    after = [r.signal("eeg").data for r in SEED(folder).recordings()]
    assert all(map(np.array_equal, before, after))


def test_a_published_date_tells_its_session_even_if_another_is_missing(tmp_path):
    for date in ("20140629", "20140611"):  # the third and the second of subject 3
        put(tmp_path / "Preprocessed_EEG", f"3_{date}")
    dates = SEED(tmp_path).table().drop_duplicates("session").set_index("session")["date"].to_dict()
    assert dates == {"2": "20140611", "3": "20140629"}
    assert [len(dates) for dates in SEED_DATES] == [3] * 15
    assert SEED_DATES[9] == ["20131130", "20131204", "20131211"]


def test_an_asymmetry_is_not_taken_for_another_that_ends_like_it(tmp_path):
    path = put_features(tmp_path / "ExtractedFeatures", "1_20131027", n_channels=54, feature="asm")
    more = {f"{name}_LDS{k}": np.zeros((27, 3, 5)) for name in ("dasm", "rasm") for k in range(1, 16)}
    savemat(path, {k: v for k, v in loadmat(path).items() if k[0] != "_"} | more)
    data = next(iter(SEEDFeatures(tmp_path, feature="asm").recordings())).signal("features").data
    assert data.shape == (270, 3)
    assert data[0, 0] == 10_000


def test_folders_of_both_windows_are_told_apart_and_a_wrong_one_is_refused(tmp_path, words):
    four = [round(n / 4) for n in SEED_SECONDS]
    for name, lengths in (("ExtractedFeatures_1s", list(SEED_SECONDS)), ("ExtractedFeatures_4s", four)):
        put_features(tmp_path / "both" / name, "1_20131027", lengths=lengths)
    for window, lengths in ((1, SEED_SECONDS), (4, four)):
        made = [r.signal("features") for r in SEEDFeatures(tmp_path / "both", window=window).recordings()]
        assert [s.data.shape[1] for s in made] == list(lengths)
        assert {s.sfreq for s in made} == {1 / window}
    put_features(tmp_path / "plain" / "ExtractedFeatures", "1_20131027", lengths=four)
    with pytest.raises(DataError) as error:
        next(iter(SEEDFeatures(tmp_path / "plain").recordings())).signal("features")
    words(error.value, "windows of a clip of 235 s", "set window to 4")
    assert next(iter(SEEDFeatures(tmp_path / "plain", window=4).recordings())).signal("features").sfreq == 0.25
    with pytest.raises(InputError, match="1 or 4 seconds"):
        SEEDFeatures(tmp_path, window=2)
