import shutil

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.sources import MuseMentalState
from thymos.sources.base import locate
from thymos.sources.catalogue import SOURCES

NAME = "subjecta-relaxed-1.csv"


@pytest.fixture
def folder(muse_folder):
    return muse_folder / "muse-mental-state"


def edit(folder, change, name=NAME):
    table = pd.read_csv(folder / name)
    table = change(table)
    table.to_csv(folder / name, index=False, float_format="%.3f")
    return table


def trial(folder, name="a-relaxed-1"):
    return [r for r in MuseMentalState(folder).recordings() if r.meta["trial"] == name]


def test_values_are_volts_and_metadata_are_complete(folder):
    table = pd.read_csv(folder / NAME)
    (recording,) = trial(folder)
    signal = recording.signal("eeg")
    assert signal.ch_names == ("TP9", "AF7", "AF8", "TP10")
    assert (signal.sfreq, signal.unit) == (256.0, "V")
    assert np.allclose(signal.data, table[list(signal.ch_names)].to_numpy().T * 1e-6)
    day = pd.Timestamp(table["timestamps"][0], unit="s").date().isoformat()
    expected = {
        "source": "muse-mental-state",
        "subject": "a",
        "session": day,
        "recording": "a-relaxed-1",
        "state": "relaxed",
    }
    assert {k: recording.meta[k] for k in expected} == expected
    trials = [r.meta["trial"] for r in MuseMentalState(folder).recordings()]
    assert len(trials) == len(set(trials)) == 18


def test_subjects_are_chosen_and_unknown_ones_named(folder, words):
    source = MuseMentalState(folder)
    assert source.subjects() == ["a", "b", "c"]
    assert {r.meta["subject"] for r in source.load(["b"])} == {"b"}
    with pytest.raises(InputError) as error:
        source.load(["b", "z"])
    words(error.value, "no subject z", "a, b, c")


def test_a_gap_splits_and_nothing_is_filtered_across_it(folder):
    def gap(table):
        table.loc[800:, "timestamps"] += 100
        return table

    table = edit(folder, gap)
    pieces = trial(folder)
    assert [p.signal("eeg").data.shape[1] for p in pieces] == [800, len(table) - 800]
    assert pieces[1].signal("eeg").start == pytest.approx(100 + 800 / 256, abs=2e-3)
    samples = MuseMentalState(folder).load(["a"]).process("band_pass", low=1, high=45).windows(1.0, 0.5)
    spans = samples.meta[samples.meta["trial"] == "a-relaxed-1"]
    assert not ((spans["start"] < 800 / 256) & (spans["stop"] > 800 / 256 + 0.01)).any()
    # a loud second piece leaves the first as it was: filtered alone
    before = samples.X[(samples.meta["piece"] == 0) & (samples.meta["trial"] == "a-relaxed-1")]
    edit(folder, lambda t: t.assign(TP9=t["TP9"].where(t.index < 800, t["TP9"] * 50)))
    samples = MuseMentalState(folder).load(["a"]).process("band_pass", low=1, high=45).windows(1.0, 0.5)
    assert np.array_equal(samples.X[(samples.meta["piece"] == 0) & (samples.meta["trial"] == "a-relaxed-1")], before)


def test_missing_values_split_and_are_reported(folder):
    edit(folder, lambda t: t.assign(AF7=t["AF7"].mask(t.index.isin([700, 701]))))
    pieces = trial(folder)
    assert [p.signal("eeg").data.shape[1] for p in pieces] == [700, 1536 - 702]
    assert all(np.isfinite(p.signal("eeg").data).all() for p in pieces)
    assert pieces[0].meta["missing_rows"] == 2
    assert any("2 rows with a missing value" in str(note) for note in MuseMentalState(folder).check())


def test_pieces_too_short_for_anything_are_left_out_and_reported(folder):
    edit(folder, lambda t: t.assign(AF7=t["AF7"].mask(t.index.isin([1000, 1002]))))
    pieces = trial(folder)
    assert [p.signal("eeg").data.shape[1] for p in pieces] == [1000, 1536 - 1003]
    assert any("1 rows in pieces under 0.25 s" in str(note) for note in MuseMentalState(folder).check())
    assert len(MuseMentalState(folder).load(["a"]).process("band_pass", low=1, high=45).windows(1.0))


def test_an_empty_auxiliary_channel_changes_nothing(folder):
    before = trial(folder)[0].signal("eeg").data
    edit(folder, lambda t: t.assign(**{"Right AUX": np.nan}))
    assert np.array_equal(trial(folder)[0].signal("eeg").data, before)
    edit(folder, lambda t: t.drop(columns=["Right AUX"]))
    assert np.array_equal(trial(folder)[0].signal("eeg").data, before)


def test_rails_are_marked_not_changed(folder):
    def rail(table):
        table.loc[100:109, "AF8"] = 999.5
        table.loc[300, "TP9"] = -1000.0
        return table

    edit(folder, rail)
    (recording,) = trial(folder)
    marks = [(s.channel, round(s.start * 256), round(s.stop * 256)) for s in recording.spans]
    assert marks == [("TP9", 300, 301), ("AF8", 100, 110)]
    assert recording.signal("eeg").data[2, 105] == pytest.approx(999.5e-6)
    samples = MuseMentalState(folder).load(["a"]).windows(1.0)
    mine = samples.meta[samples.meta["trial"] == "a-relaxed-1"]
    assert mine["marks"].tolist() == ["rail", "rail", "", "", "", ""]


def test_values_off_the_converters_grid_are_noticed(folder):
    assert not any("multiples" in str(n) for n in MuseMentalState(folder).check())
    edit(folder, lambda t: t.assign(TP9=t["TP9"].where(t.index != 40, t["TP9"] + 0.2)))
    assert any("1 values are not multiples" in str(n) for n in MuseMentalState(folder).check())


def lose(table, column):
    return table.drop(columns=[column])


def say(table, column, row, value):
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: lose(t, "AF8"), ["has no column AF8", "it has timestamps, TP9, AF7, TP10"]),
        (lambda t: say(t, "TP10", 17, "n/a?"), ["line 19, column TP10", "'n/a?' is not a number", "microvolts"]),
        (lambda t: say(t, "timestamps", 5, np.nan), ["line 7", "time stamp", "increasing"]),
        (lambda t: t.iloc[::-1], ["not later than the one before"]),
        (lambda t: t.assign(TP9=t["TP9"].mask(t.index % 2 == 0)), ["50% of the rows", "at most 20%"]),
        (lambda t: t.assign(timestamps=t["timestamps"] * 2 - t["timestamps"][0]), ["128.0 Hz", "256 Hz"]),
        (lambda t: t.iloc[:0], ["has 0 rows"]),
        (lambda t: t.assign(timestamps=t["timestamps"] * 1000), ["first time stamp is 1.533e+12", "Unix seconds"]),
    ],
    ids=[
        "missing column",
        "text",
        "no stamp",
        "backwards",
        "mostly missing",
        "other rate",
        "header only",
        "milliseconds",
    ],
)
def test_damage_is_said_in_words(folder, words, change, expected):
    edit(folder, change)
    with pytest.raises(DataError) as error:
        MuseMentalState(folder).check()
    words(error.value, NAME, *expected)


def test_empty_binary_and_absent_files_are_said_in_words(folder, tmp_path, words):
    (folder / NAME).write_bytes(b"")
    with pytest.raises(DataError) as error:
        MuseMentalState(folder).check()
    words(error.value, NAME, "is empty", "download it again")
    (folder / NAME).write_bytes(b"\x89PNG\r\n\xff\xfe\x00\x01" * 50)
    with pytest.raises(DataError) as error:
        MuseMentalState(folder).check()
    words(error.value, NAME, "expected: a csv")
    shutil.copy(folder / "subjecta-neutral-1.csv", folder / "subjecta-sleeping-1.csv")
    with pytest.raises(DataError) as error:
        MuseMentalState(folder).subjects()
    words(error.value, "'sleeping'", "concentrating, neutral, relaxed")
    with pytest.raises(DataError) as error:
        MuseMentalState(tmp_path).subjects()
    words(error.value, "holds no recording", "subjecta-relaxed-1.csv")


def test_an_absent_corpus_is_said_in_words(tmp_path, words):
    row = SOURCES["muse-mental-state"]
    with pytest.raises(SourceNotFoundError) as error:
        locate(row, tmp_path)
    words(error.value, str(tmp_path / "muse-mental-state"), "publish")
    with pytest.raises(SourceNotFoundError, match="--data DIR"):
        locate(row, None)


def test_the_real_recordings_are_as_published(real_data):
    root = real_data("muse-mental-state")
    source = MuseMentalState(locate(SOURCES["muse-mental-state"], root))
    recordings = list(source.load())
    table = pd.DataFrame(
        [{**r.meta, "n": r.signal("eeg").data.shape[1], "start": r.signal("eeg").start} for r in recordings]
    )
    assert table["n"].sum() == 319_776
    assert table["trial"].nunique() == 24
    assert table.drop_duplicates("trial").groupby(["subject", "state"]).size().eq(2).all()
    pieces = table.groupby("trial").size()
    assert pieces[pieces > 1].to_dict() == {"b-relaxed-2": 10}
    begins = table[table["trial"] == "b-relaxed-2"]["n"].cumsum().tolist()[:-1]
    assert begins == [1116, 2244, 3048, 4152, 5220, 6060, 7188, 8292, 9456]
    days = table.groupby(["subject", "state"])["session"].unique().map(list)
    assert days["a", "concentrating"] == ["2018-08-02"]
    assert days["a", "relaxed"] == days["c", "concentrating"] == ["2018-07-31"]
    rails = {r.meta["trial"] for r in recordings if any(s.kind == "rail" for s in r.spans)}
    assert len(rails) == 8
    notes = [str(n) for n in source.check()]
    assert "subjecta-concentrating-1.csv: 7 values are not multiples of the converter's step of 0.488 uV" in notes
    samples = source.load().windows(1.0, 0.5)
    assert samples.X.shape == (2442, 4, 256)
    assert 1e-6 < np.median(samples.X.std(axis=-1)) < 1e-3, "not volts"


def test_the_auxiliary_input_is_read_on_request(folder):
    table = pd.read_csv(folder / NAME)
    recordings = {r.meta["trial"]: r for r in MuseMentalState(folder, auxiliary=True).recordings()}
    signal = recordings["a-relaxed-1"].signal("eeg")
    assert signal.ch_names[-1] == "Right AUX"
    assert np.allclose(signal.data[4], table["Right AUX"] * 1e-6)
    assert np.array_equal(signal.data[:4], trial(folder)[0].signal("eeg").data)
    edit(folder, lambda t: t.assign(**{"Right AUX": 999.0}))
    source = MuseMentalState(folder, auxiliary=True)
    assert not [r for r in source.recordings() if r.spans], "an open input has no limits to mark"
    edit(folder, lambda t: t.drop(columns="Right AUX"))
    with pytest.raises(DataError, match="no column Right AUX"):
        list(source.recordings())
    assert trial(folder)
