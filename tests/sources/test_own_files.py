"""Files of somebody who has no labels and no manifest, or one."""

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError
from thymos.sources.manifest import Manifest
from thymos.sources.own_files import own_files

NAMES = ("Fp1", "T3", "Cz", "E7")


@pytest.fixture
def table(tmp_path):
    """Return a writer of a table of signals in microvolts."""

    def write(name="a.csv", seconds=2.0, names=NAMES, stamps=True, seed=0):
        n = round(seconds * 128)
        values = 10 * np.random.default_rng(seed).standard_normal((n, len(names)))
        made = pd.DataFrame(values, columns=list(names))
        if stamps:
            made.insert(0, "time", np.arange(n) / 128)
        made.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def read(path, **options):
    return [recording for own in own_files(path, **options) for recording in own.recordings()]


def test_a_file_is_a_trial_named_after_it_with_all_its_electrodes(table):
    path = table()
    (own,) = own_files(path)
    (recording,) = own.recordings()
    signal = recording.signal("eeg")
    assert signal.ch_names == ("Fp1", "T7", "Cz")
    assert (signal.sfreq, signal.unit, signal.data.shape) == (128.0, "V", (3, 256))
    assert signal.data.std() == pytest.approx(1e-5, rel=0.1)
    assert recording.meta["trial"] == recording.meta["recording"] == str(path)
    assert recording.meta["source"] == "file"
    assert own.notes == ("no unit is given; the values are taken as uV",)
    (more,) = read(path, channels=["Fp1", "E7"])
    assert more.signal("eeg").ch_names == ("Fp1", "T7", "Cz", "E7")


def test_stamps_printed_to_a_millisecond_tell_the_rate(tmp_path):
    stamps = 1533058199.0 + np.round(np.arange(2560) / 256, 3)
    pd.DataFrame({"timestamps": stamps, "Fp1": np.arange(2560) % 7}).to_csv(tmp_path / "a.csv", index=False)
    (recording,) = read(tmp_path / "a.csv")
    assert recording.signal("eeg").sfreq == pytest.approx(256, rel=1e-3)


def test_it_is_read_as_a_manifest_reads_it(table, tmp_path):
    path = table(names=NAMES[:3])
    (tmp_path / "m.csv").write_text("path,subject,sfreq,unit,mood\na.csv,anna,128,uV,calm\n")
    (ours,) = read(path)
    (theirs,) = Manifest(tmp_path / "m.csv").recordings()
    assert np.array_equal(ours.signal("eeg").data, theirs.signal("eeg").data)


def test_a_manifest_needs_no_labels_and_each_of_its_files_stands_for_itself(table, tmp_path, words):
    table("a.csv")
    table("b.csv", names=("Fp1", "O1"))
    rows = ["a.csv,anna,,0,1", "b.csv,ben,calm,0,1", "gone.csv,carl,,0,1", "a.csv,anna,,1,1"]
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "\n".join(["Path;Subject;mood;onset;duration;sfreq", *(r.replace(",", ";") + ";128" for r in rows)])
    )
    found = list(own_files(manifest))
    assert len(found) == 3
    first, second = found[0].recordings()
    assert [first.meta["trial"], second.meta["trial"]] == ["anna-1-a-1", "anna-1-a-2"]
    assert second.signal("eeg").start == 1.0
    assert next(found[1].recordings()).signal("eeg").ch_names == ("Fp1", "O1"), "files need no common channels"
    with pytest.raises(DataError) as error:
        list(found[2].recordings())
    words(error.value, "gone.csv")


def test_what_cannot_be_read_is_said_with_the_file_and_no_line(table, tmp_path, words):
    for path, expected in (
        (tmp_path / "no.edf", ["There is no file"]),
        (table("b.csv", stamps=False), ["b.csv does not say its sampling rate"]),
        (table("c.csv", names=("left", "right")), ["c.csv", "no channel with the name of an electrode"]),
    ):
        with pytest.raises(DataError) as error:
            read(path)
        words(error.value, *expected)
        assert "line 0" not in str(error.value)
    with pytest.raises(DataError, match=r"a\.csv: a\.csv has no channel of the modality 'ecg'"):
        read(table(names=("Fp1", "gsr")), modality="ecg")
    (tmp_path / "m.csv").write_text("path,subject,modality\na.csv,anna,ecg\n")
    with pytest.raises(DataError, match="no signal of the modality 'eeg'"):
        read(tmp_path / "m.csv")
    (tmp_path / "d.edf").write_bytes(b"0" * 100)
    with pytest.raises(DataError, match="EDF"):
        read(tmp_path / "d.edf")


def test_a_folder_is_refused_with_the_files_that_lie_in_it(tmp_path, words):
    for modality, ending in (("eeg", ".bdf"), ("speech", ".flac")):
        (tmp_path / f"a{ending}").write_bytes(b"")
        with pytest.raises(DataError) as error:
            list(own_files(tmp_path, modality))
        words(error.value, "is a folder", f"{tmp_path}/*{ending}")
