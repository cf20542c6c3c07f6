import pickle

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError
from thymos.sources.deap import DEAP
from thymos.sources.simulate.eav import write_film
from thymos.sources.simulate.folder import TRUTH

TRIALS, TIMES = 3, 3 * 128 + 64
RATINGS = np.array([[5.04, 1.0, 3.5, 9.0], [7.12, 8.99, 2.01, 4.5], [1.0, 5.0, 9.0, 6.66]])


def content(seed=0, trials=TRIALS, times=TIMES):
    data = np.random.default_rng(seed).normal(0, 10, (trials, 40, times))
    return {"data": data, "labels": np.resize(RATINGS, (trials, 4))}


def put(folder, made, name="s01", protocol=2):
    path = folder / "data_preprocessed_python" / f"{name}.dat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(made, protocol=protocol))
    return path


@pytest.fixture
def folder(tmp_path):
    """Return a small copy that says that it is simulated, so that it may have three trials."""
    (tmp_path / TRUTH).write_text("{}")
    put(tmp_path, content())
    return tmp_path


def table(folder, order=(3, 1, 2), rows=None, valence=RATINGS[:, 0]):
    """Write the table of ratings in order of presentation; `order` holds the videos."""
    made = pd.DataFrame(
        [
            {
                "Participant_id": 1,
                "Trial": place,
                "Experiment_id": video,
                "Start_time": 1000 * place,
                "Valence": valence[video - 1],
                "Arousal": RATINGS[video - 1, 1],
                "Dominance": 5,
                "Liking": 5,
                "Familiarity": 10 * video if video != 2 else None,
            }
            for place, video in enumerate(order, start=1)
        ]
    )
    (folder / "metadata_csv").mkdir(exist_ok=True)
    made.iloc[:rows].to_csv(folder / "metadata_csv" / "participant_ratings.csv", index=False)


def test_ratings_come_in_order_and_as_they_are(folder):
    recordings = list(DEAP(folder).recordings())
    columns = ("valence", "arousal", "dominance", "liking")
    assert [[r.meta[c] for c in columns] for r in recordings] == RATINGS.tolist()
    assert all(type(recordings[0].meta[c]) is float for c in columns)
    assert [r.meta["stimulus"] for r in recordings] == ["video01", "video02", "video03"]
    assert [r.meta["trial"] for r in recordings] == ["s01-01", "s01-02", "s01-03"]
    assert "presented" not in recordings[0].meta


@pytest.mark.parametrize(
    ("modality", "rows", "names", "unit"),
    [
        ("eog", (32, 33), ("hEOG", "vEOG"), "V"),
        ("emg", (34, 35), ("zygomaticus", "trapezius"), "V"),
        ("eda", (36,), ("GSR",), ""),
        ("resp", (37,), ("respiration",), ""),
        ("bvp", (38,), ("plethysmograph",), ""),
        ("temp", (39,), ("temperature",), ""),
    ],
)
def test_peripheral_rows_have_their_names_and_only_voltages_a_unit(folder, modality, rows, names, unit):
    recording = list(DEAP(folder).recordings())[1]
    signal = recording.signal(modality)
    assert (signal.ch_names, signal.unit, signal.sfreq) == (names, unit, 128)
    expected = content()["data"][1, list(rows), 384:] * (1e-6 if unit else 1)
    assert np.allclose(signal.data, expected, rtol=1e-6, atol=0)


def test_the_baseline_is_apart_and_electrodes_are_in_the_published_order(folder):
    recording = list(DEAP(folder).recordings())[2]
    rest, video = recording.baseline["eeg"], recording.signal("eeg")
    assert (rest.start, rest.duration, video.start, video.duration) == (-3, 3, 0, 0.5)
    whole = np.concatenate([rest.data, video.data], axis=1)
    assert np.allclose(whole, content()["data"][2, :32] * 1e-6, rtol=1e-6, atol=0)
    assert video.unit == "V"
    spots = {0: "Fp1", 2: "F3", 15: "Pz", 16: "Fp2", 18: "Fz", 23: "Cz", 31: "O2"}
    assert {k: video.ch_names[k] for k in spots} == spots
    assert len(set(video.ch_names)) == 32
    body = np.concatenate([recording.baseline["temp"].data, recording.signal("temp").data], axis=1)
    assert np.allclose(body, content()["data"][2, 39:], rtol=1e-6)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_every_protocol_gives_the_same(folder, protocol):
    before = next(iter(DEAP(folder).recordings())).signal("eeg").data
    put(folder, content(), protocol=protocol)
    assert np.array_equal(next(iter(DEAP(folder).recordings())).signal("eeg").data, before)


def test_a_pickle_of_python_2_is_read(folder):
    """Its text is bytes of an older kind and its arrays are named after the older NumPy."""
    written = pickle.dumps(content(), protocol=2)
    for new, old in (
        (b"X\x04\x00\x00\x00data", b"U\x04data"),
        (b"X\x06\x00\x00\x00labels", b"U\x06labels"),
        (b"X\x02\x00\x00\x00f8", b"U\x02f8"),
        (b"numpy._core.multiarray", b"numpy.core.multiarray"),
    ):
        written = written.replace(new, old)
    put(folder, content()).write_bytes(written)
    recording = next(iter(DEAP(folder).recordings()))
    assert np.allclose(recording.signal("eeg").data, content()["data"][0, :32, 384:] * 1e-6, rtol=1e-6, atol=0)


def test_the_table_of_ratings_is_joined_by_the_video_and_not_by_its_row(folder):
    table(folder)
    made = DEAP(folder).table()
    assert made["presented"].tolist() == [2, 3, 1]
    assert np.array_equal(made["familiarity"], [10, np.nan, 30], equal_nan=True)
    assert not any("participant_ratings" in str(note) for note in DEAP(folder).check())


def test_a_table_that_does_not_fit_the_files_is_refused(folder, words):
    table(folder, valence=RATINGS[::-1, 0])
    with pytest.raises(DataError) as error:
        DEAP(folder).table()
    words(error.value, "differ by up to 4.04", "another order")
    table(folder, rows=2)
    with pytest.raises(DataError) as error:
        DEAP(folder).table()
    words(error.value, "has 2 rows for s01", "expected: 3")


def test_the_table_of_metadata_has_a_row_per_trial_and_subjects_are_sorted(folder):
    for name in ("s10", "s2"):
        put(folder, content(int(name[1:])), name)
    source = DEAP(folder)
    assert source.subjects() == ["s01", "s02", "s10"]
    made = source.table()
    assert made["subject"].tolist() == ["s01"] * 3 + ["s02"] * 3 + ["s10"] * 3
    assert made["trial"].is_unique
    only = next(iter(source.load(["s10"])))
    assert np.allclose(only.signal("eeg").data, content(10)["data"][0, :32, 384:] * 1e-6, rtol=1e-6, atol=0)


@pytest.mark.parametrize("trials", [39, 40])
def test_of_real_data_every_trial_must_be_there(tmp_path, words, trials):
    put(tmp_path, content(trials=trials, times=385))
    if trials == 40:
        assert len(DEAP(tmp_path).table()) == 40
        return
    with pytest.raises(DataError) as error:
        DEAP(tmp_path).table()
    words(error.value, "s01.dat", "(39, 40, 385)", "40 x 40 x times")


def test_what_is_remarkable_is_noted(folder):
    notes = [str(note) for note in DEAP(folder).check()]
    assert notes == [
        "data: trials of 448 times, published are 8064 (63 s)",
        "participant_ratings.csv: not there: order of presentation and familiarity unknown",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c | {"labels": c["labels"][:2]}, ["labels", "(2, 4)", "3 x 4"]),
        (lambda c: c | {"labels": np.where(c["labels"] == 9, np.nan, c["labels"])}, ["ratings are missing", "1 to 9"]),
        (lambda c: c | {"labels": c["labels"] - 1}, ["between 0 and 8", "1 to 9"]),
        (lambda c: c | {"data": c["data"][:, :, :384]}, ["384 times", "baseline"]),
        (lambda c: c | {"data": c["data"] * 1e300}, ["trial 1", "infinite"]),
        (lambda c: c["data"], ["no dict"]),
    ],
)
def test_content_that_does_not_fit_is_said_in_words(folder, words, change, expected):
    path = put(folder, change(content()))
    with pytest.raises(DataError) as error:
        next(iter(DEAP(folder).recordings())).signal("eeg")
    words(error.value, str(path), *expected)


def test_films_of_faces_are_assigned_by_the_order_of_presentation(folder):
    film = folder / "face_video" / "s01" / "s01_trial01.avi"
    film.parent.mkdir(parents=True)
    write_film(film, np.full((20, 1, 32, 48), 90, np.uint8), 50.0)
    assert not any("face" in recording.signals for recording in DEAP(folder).recordings())
    assert "films of faces: 1, of no use without that table" in map(str, DEAP(folder).check())
    table(folder, order=(3, 1, 2))
    recordings = list(DEAP(folder, video_size=(16, 24), video_step=5).recordings())
    assert ["face" in recording.signals for recording in recordings] == [False, False, True]
    face = recordings[2].signal("face")
    assert (face.data.shape, face.sfreq) == ((4, 3, 16, 24), 10)
