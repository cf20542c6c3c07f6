import pickle

import numpy as np
import pytest
from scipy.io import savemat

from thymos.base.errors import DataError, InputError
from thymos.sources.faced import CLIP_EMOTION, FACED, REPORTS, FACEDFeatures
from thymos.sources.simulate.faced import write_faced

ORDER = np.random.default_rng(5).permutation(28) + 1  # clips in order of presentation


def put(folder, subject="sub000", array=None, name="{}.pkl", place="Processed_data"):
    path = folder / place / name.format(subject)
    path.parent.mkdir(parents=True, exist_ok=True)
    if array is None:
        array = np.arange(28)[:, None, None] * 100 + np.arange(32)[:, None] + np.linspace(0, 0.5, 6)
    path.write_bytes(pickle.dumps(array, protocol=2))
    return path


def score(clip):
    """Return the self-report on a clip; its number is in every rating."""
    made = np.zeros(12)
    made[clip % 8] = 3.5  # the emotion felt most
    made[8:] = clip / 4 % 7, clip / 5, clip % 7, 7 - clip % 7
    return made


def remarks(folder, subject="sub000", place="After_remarks", scores=score, order=ORDER):
    rows = np.empty((28, 1), dtype=[("score", "O"), ("trial", "O"), ("vid", "O")])
    for k, clip in enumerate(order):
        rows[k, 0] = (scores(clip), float(k + 1), float(clip))
    path = folder / place / subject / "After_remarks.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"After_remark": rows})


@pytest.fixture
def folder(tmp_path):
    put(tmp_path)
    remarks(tmp_path)
    return tmp_path


def test_each_clip_has_its_emotion_and_polarity(folder):
    made = FACED(folder).table()
    clips = {
        **{"anger": (1, 3), "disgust": (4, 6), "fear": (7, 9), "sadness": (10, 12), "neutral": (13, 16)},
        **{"amusement": (17, 19), "inspiration": (20, 22), "joy": (23, 25), "tenderness": (26, 28)},
    }
    for code, (emotion, (first, last)) in enumerate(clips.items()):
        rows = made.iloc[first - 1 : last]
        assert (rows["emotion"] == emotion).all()
        assert (rows["emotion_code"] == code).all()
        polarity = "negative" if last <= 12 else "neutral" if emotion == "neutral" else "positive"
        assert (rows["polarity"] == polarity).all()
    assert made["stimulus"].tolist() == [f"clip{k:02d}" for k in range(1, 29)]


def test_signals_are_volts_in_order_of_the_clips(folder):
    recordings = list(FACED(folder).recordings())
    signal = recordings[7].signal("eeg")
    assert (signal.sfreq, signal.unit, signal.data.shape) == (250, "V", (32, 6))
    expected = (700 + np.arange(32)[:, None] + np.linspace(0, 0.5, 6)) * 1e-6
    assert np.allclose(signal.data, expected, rtol=1e-6, atol=0)


def test_mastoids_lie_where_the_option_says(folder, words):
    last, middle = FACED(folder).ch_names, FACED(folder, mastoids="middle").ch_names
    assert last[:3] == ("Fp1", "Fp2", "Fz")
    assert (last[16], last[29], last[30:]) == ("CP1", "O2", ("A2", "A1"))
    assert (middle[15], middle[16:18], middle[18], middle[31]) == ("T8", ("A2", "A1"), "CP1", "O2")
    assert set(last) == set(middle)
    signal = next(iter(FACED(folder, mastoids="middle").recordings())).signal("eeg")
    assert signal.ch_names == middle
    assert signal.data[16, 0] == pytest.approx(16e-6), "rows stay where they are, only their names differ"
    with pytest.raises(InputError) as error:
        FACED(folder, mastoids="first")
    words(error.value, "'first'", "last, middle")


@pytest.mark.parametrize("place", ["After_remarks", "Data"])
def test_self_reports_are_joined_by_the_clip_and_not_by_their_row(tmp_path, place):
    put(tmp_path)
    remarks(tmp_path, place=place)
    made = FACED(tmp_path).table()
    assert np.allclose(made[list(REPORTS)], [score(clip) for clip in range(1, 29)])
    assert [int(ORDER[place - 1]) for place in made["presented"]] == list(range(1, 29))
    assert made["felt_emotion"].tolist() == [REPORTS[clip % 8] for clip in range(1, 29)]
    assert REPORTS[:4] == ("joy", "tenderness", "inspiration", "amusement")
    assert REPORTS[8:] == ("arousal", "valence", "familiarity", "liking")


def test_where_two_emotions_are_felt_most_or_none_there_is_no_felt_emotion(tmp_path):
    put(tmp_path)

    def scores(clip):
        made = score(clip)
        made[:8] = {1: [5, 5, *[0] * 6], 2: [0] * 8, 3: [*[0] * 7, 0.1]}.get(int(clip), made[:8])
        return made

    remarks(tmp_path, scores=scores)
    felt = FACED(tmp_path).table()["felt_emotion"]
    assert felt[:4].tolist() == ["", "", "sadness", REPORTS[4]]


def test_without_self_reports_they_are_missing_and_it_is_noted(folder):
    put(folder, "sub003")
    made = FACED(folder).table()
    alone = made[made["subject"] == "sub003"]
    assert alone[[*REPORTS, "presented"]].isna().all(axis=None)
    assert (alone["felt_emotion"] == "").all()
    assert made[made["subject"] == "sub000"][list(REPORTS)].notna().all(axis=None)
    notes = [str(note) for note in FACED(folder).check()]
    assert "sub003: no After_remarks.mat: self-reports are missing" in notes
    told = [(REPORTS[clip % 8], CLIP_EMOTION[clip - 1]) for clip in range(1, 29) if CLIP_EMOTION[clip - 1] != "neutral"]
    share = np.mean([felt != emotion for felt, emotion in told])
    assert any(note.startswith(f"self-reports: {share:.1%} name another emotion") for note in notes)


def test_the_wrong_join_gives_chance_and_the_right_one_does_not(tmp_path):
    folder = write_faced(tmp_path, random_state=2, subjects=6, seconds=1.0, effect=3.0, artifacts=False)
    made = FACED(folder).table()
    sign = made["polarity"].map({"negative": -1, "neutral": 0, "positive": 1}).to_numpy()
    by_row = made.sort_values(["subject", "presented"])["valence"].to_numpy()
    assert np.corrcoef(sign, made["valence"])[0, 1] > 0.5
    assert abs(np.corrcoef(sign, by_row)[0, 1]) < 0.25


@pytest.mark.parametrize("name", ["{}.pkl.pkl", "{}.pkl"])
def test_features_are_rows_band_by_band_and_no_file_is_renamed(tmp_path, folder_state, name):
    array = np.arange(28 * 32 * 3 * 5, dtype=float).reshape(28, 32, 3, 5)
    for feature, added in (("DE", 0), ("PSD", 0.5)):
        put(tmp_path, "sub007", array + added, name, f"EEG_Features/{feature}")
    before = folder_state(tmp_path)
    for feature, added in (("DE", 0), ("PSD", 0.5)):
        source = FACEDFeatures(tmp_path, feature=feature)
        assert source.subjects() == ["sub007"]
        signal = list(source.recordings())[4].signal("features")
        assert (signal.data.shape, signal.sfreq, signal.unit) == ((160, 3), 1, "")
        for band, word in enumerate(("delta", "theta", "alpha", "beta", "gamma")):
            assert signal.ch_names[32 * band + 2] == f"{feature.lower()}-{word}-Fz"
            assert np.array_equal(signal.data[32 * band + 2], array[4, 2, :, band] + added)
    source.check()
    assert folder_state(tmp_path) == before


@pytest.mark.parametrize("shape", [(27, 32, 6), (28, 30, 6), (28, 6, 32), (28, 32)])
def test_an_array_of_another_shape_is_refused(folder, words, shape):
    put(folder, array=np.ones(shape))
    with pytest.raises(DataError) as error:
        FACED(folder).table()
    words(error.value, "sub000.pkl", str(shape), "28 x 32 x times")


@pytest.mark.parametrize(
    ("scores", "order", "expected"),
    [
        (lambda clip: score(clip) - 0.1, ORDER, "0 to 7"),
        (lambda clip: score(clip)[:11], ORDER, "12 numbers"),
        (score, np.where(ORDER == 9, 8, ORDER), "no row for the clips [9]"),
        (score, ORDER - 1, "no row for the clips [28]"),
    ],
)
def test_self_reports_that_do_not_fit_are_refused(folder, words, scores, order, expected):
    remarks(folder, scores=scores, order=order)
    with pytest.raises(DataError) as error:
        FACED(folder).table()
    words(error.value, "After_remarks.mat", expected)
