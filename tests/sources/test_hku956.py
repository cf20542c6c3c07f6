import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.sources.hku956 import FOLDER, HKU956, RATINGS, SIGNALS

RATES = {name: rate for name, rate, *_ in SIGNALS.values()}
SECONDS = 3
RATED = ["valence_rating", "valence", "arousal_rating", "arousal"]
COLUMNS = ["participant_id", "song_no", "song_id", *RATED, "play_duration"]


@pytest.fixture
def folder(tmp_path):
    """Two people; of the first one record has a rating of 0, the second hears one song twice."""
    root = tmp_path / "hku956"
    rows = [("hku2", 0, "77", -3.5, 1.0), ("hku1", 1, "12", 0.0, 2.5), ("hku1", 0, "11", 9.9, -0.1)]
    rows += [("hku2", 1, "77", 4.0, 4.0), ("hku1", 10, "13", 1.0, 1.0)]
    rng = np.random.default_rng(0)
    for person, number, song, *_ in rows:
        for name, rate in RATES.items():
            values = rng.uniform(30, 36, round(SECONDS * rate))
            write(root, person, name, number, song, values)
        write(root, person, "IBI", number, song, [0.8, 0.75])
    sign = {-1: "negative", 0: "neutral", 1: "positive"}
    table = pd.DataFrame(
        [(p, n, s, v, sign[np.sign(v)], a, sign[np.sign(a)], SECONDS) for p, n, s, v, a in rows],
        columns=COLUMNS,
    )
    table.to_csv(root / RATINGS, index=False)
    return root


def write(root, person, name, number, song, values):
    path = root / FOLDER / person / name / f"{number}_{song}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{value}\n" for value in values))
    return path


def test_signals_have_units_and_metadata_are_complete(folder):
    source = HKU956(folder)
    recordings = list(source.load())
    assert [r.meta["trial"] for r in recordings] == ["hku1/0", "hku1/10", "hku2/0", "hku2/1"]
    first = recordings[0]
    path = folder / FOLDER / "hku1" / "{}" / "0_11.csv"
    for modality, (factor, offset, unit) in {
        "bvp": (1, 0, ""),
        "eda": (1e-6, 0, "S"),
        "temp": (1, 273.15, "K"),
        "hr": (1 / 60, 0, "Hz"),
    }.items():
        name, rate = SIGNALS[modality][:2]
        signal = first.signal(modality)
        assert (signal.unit, signal.sfreq, signal.duration, signal.start) == (unit, rate, SECONDS, 0)
        assert np.allclose(signal.data[0], np.loadtxt(str(path).format(name)) * factor + offset, rtol=1e-6)
    expected = {"source": "hku956", "subject": "hku1", "stimulus": "11", "valence": "positive", "arousal": "negative"}
    assert {k: first.meta[k] for k in expected} == expected
    assert (first.meta["valence_rating"], first.meta["arousal_rating"]) == (9.9, -0.1)
    assert source.table().equals(pd.DataFrame([r.meta for r in recordings]))
    assert source.load().windows(1.0, modality="bvp").X.shape == (12, 1, 64)


def test_ratings_of_zero_are_left_out_or_neutral(folder):
    assert "hku1/1" not in set(HKU956(folder).table()["trial"])
    assert any(
        "1 of 5 records have a rating (valence or arousal) of exactly 0" in str(n) for n in HKU956(folder).check()
    )
    kept = HKU956(folder, zeros="keep").table().set_index("trial")
    assert kept.loc["hku1/1", ["valence", "arousal"]].tolist() == ["neutral", "positive"]
    assert str(HKU956(folder, zeros="keep").check()[0]).endswith("kept as neutral")
    with pytest.raises(InputError, match="drop or keep"):
        HKU956(folder, zeros="maybe")
    assert "hku1/1" in set(HKU956(folder, zeros_of=["arousal"]).table()["trial"])
    assert "hku1/1" not in set(HKU956(folder, zeros_of="valence").table()["trial"])
    with pytest.raises(InputError, match="valence, arousal, or both"):
        HKU956(folder, zeros_of=["mood"])


def test_intervals_are_no_signal_but_can_be_had(folder, words):
    source = HKU956(folder)
    assert "ibi" not in next(iter(source.recordings())).signals
    assert source.intervals("hku1/0").tolist() == [0.8, 0.75]
    write(folder, "hku1", "IBI", 0, "11", [])
    assert source.intervals("hku1/0").shape == (0,)
    with pytest.raises(InputError, match="no record 'hku1/7'"):
        source.intervals("hku1/7")
    write(folder, "hku1", "IBI", 0, "11", [0.8, -1])
    with pytest.raises(DataError) as error:
        source.intervals("hku1/0")
    words(error.value, "0_11.csv, row 2: -1", "positive seconds")


def test_findings_are_noted(folder):
    write(folder, "hku1", "EDA", 0, "11", [0.01] * 4 * SECONDS)
    write(folder, "hku1", "IBI", 0, "11", [])
    notes = "\n".join(map(str, HKU956(folder).check()))
    assert "1 records with a mean below 0.05 uS, probably no contact with the skin: hku1 1" in notes
    assert "1 records without an interval, 5 with fewer than 10" in notes
    assert "1 records repeat a song for the same participant" in notes
    table = pd.read_csv(folder / RATINGS)
    table.loc[table["participant_id"] == "hku2", ["valence_rating", "valence"]] = [0.0, "neutral"]
    table.to_csv(folder / RATINGS, index=False)
    assert list(HKU956(folder).left_out()) == ["hku2"]
    assert not HKU956(folder, zeros="keep").left_out()


def edit(folder, column, row, value):
    table = pd.read_csv(folder / RATINGS, dtype=str)
    table.loc[row, column] = value
    table.to_csv(folder / RATINGS, index=False)


SIGNAL = f"{FOLDER}/hku1/EDA/10_13.csv"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: edit(f, "valence_rating", 2, "11"), [RATINGS, "row 3, column valence_rating", "11.0", "-10 to 10"]),
        (lambda f: edit(f, "valence_rating", 2, "high"), [RATINGS, "row 3", "'high' is not a number"]),
        (
            lambda f: edit(f, "arousal", 0, "negative"),
            ["row 1, column arousal", "'negative'", "the sign of the rating"],
        ),
        (lambda f: edit(f, "arousal_rating", 1, None), ["row 2", "arousal_rating is missing"]),
        (lambda f: edit(f, "play_duration", 1, "-4"), ["row 2, column play_duration"]),
        (lambda f: edit(f, "song_no", 1, "0"), ["column song_no", "one row for each"]),
        (lambda f: edit(f, "song_no", 1, "0.5"), ["row 2, column song_no", "a whole number"]),
        (lambda f: edit(f, "song_id", 1, "../../x"), ["column participant_id", "letters and digits"]),
        (lambda f: edit(f, "song_id", 2, "99"), ["5 of 25 files", "0_99.csv"]),
        (lambda f: (f / RATINGS).write_text("a,b\n1,2\n"), ["has no column participant_id", "it has a, b"]),
        (lambda f: (f / RATINGS).write_bytes(b""), [RATINGS, "is empty"]),
        (lambda f: (f / RATINGS).write_bytes(b"\xff\xfe\x00" * 40), [RATINGS]),
        (lambda f: (f / RATINGS).unlink(), ["There is no file", RATINGS]),
        (lambda f: (f / SIGNAL).unlink(), ["1 of 25 files", "10_13.csv", "download it again"]),
        (lambda f: (f / SIGNAL).write_text("1.0\n" * 11), ["10_13.csv has 11 rows", "12: the song was played for 3 s"]),
        (lambda f: (f / SIGNAL).write_text("1.0\n" * 7 + "low\n"), ["10_13.csv, row 8: 'low'", "one number"]),
        (lambda f: (f / SIGNAL).write_text("1.0\nnan\n"), ["10_13.csv, row 2: 'nan'"]),
        (lambda f: (f / SIGNAL).write_text("1.0\n1e300\n"), ["10_13.csv, row 2: '1e300'"]),
        (lambda f: (f / SIGNAL).write_text("1e300\nlow\n"), ["10_13.csv, row 1: '1e300'"]),
        (lambda f: (f / RATINGS).write_text((f / RATINGS).read_text().replace(",3\n", ",3,,\n")), [RATINGS, "header"]),
        (lambda f: (f / SIGNAL).write_text("1.0\n\n1.0\n"), ["10_13.csv, row 2: ''"]),
        (lambda f: (f / SIGNAL).write_text("1.0,2.0\n" * 12), ["10_13.csv, row 1: '1.0,2.0'"]),
        (lambda f: (f / SIGNAL).write_bytes(b""), ["10_13.csv has 0 rows"]),
        (lambda f: (f / SIGNAL).write_bytes(b"\x00\xff" * 12), ["10_13.csv, row 1"]),
    ],
)
def test_damage_is_said_in_words(folder, words, folder_state, damage, expected):
    damage(folder)
    before = folder_state(folder)
    with pytest.raises(DataError) as error:
        HKU956(folder).check()
    words(error.value, *expected, "expected:")
    assert folder_state(folder) == before


def test_a_table_without_rows_and_absent_folders_are_said_in_words(folder, tmp_path):
    (folder / RATINGS).write_text((folder / RATINGS).read_text().splitlines()[0] + "\n")
    with pytest.raises(DataError, match="has no rows"):
        HKU956(folder).subjects()
    with pytest.raises(DataError, match="There is no file"):
        HKU956(tmp_path).subjects()
    with pytest.raises(SourceNotFoundError, match="no folder"):
        HKU956(tmp_path / "nowhere").subjects()


def test_the_real_corpus_is_as_published(real_folder):
    root = real_folder("hku956")
    table = HKU956(root, zeros="keep").table()
    assert (len(table), table["subject"].nunique(), table["stimulus"].nunique()) == (956, 30, 592)
    counts = pd.crosstab(table["valence"], table["arousal"])
    order = ["negative", "neutral", "positive"]
    assert counts.loc[order, order].to_numpy().tolist() == [[139, 2, 142], [7, 12, 7], [219, 6, 422]]
    source = HKU956(root)
    assert len(source.table()) == 956 - 34
    assert list(source.left_out()) == ["hku1916"]
    notes = "\n".join(map(str, source.check()))  # reads 956 x 5 files
    for text in (
        "34 of 956 records have a rating (valence or arousal) of exactly 0",
        "11 records with a mean below 0.05 uS, probably no contact with the skin: hku1916 6, hku1914 3, hku1915 2",
        "19 records without an interval, 142 with fewer than 10; together the intervals cover 55% of a record on "
        "average, below 30% of 221 records",
        "33 records repeat a song",
    ):
        assert text in notes
