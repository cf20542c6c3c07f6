import shutil
import weakref

import pytest

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.sources import DEAP, EAV, FACED, SEED
from thymos.sources.base import TRUTH, is_simulated
from thymos.sources.catalogue import SOURCES
from thymos.sources.check import check_source
from thymos.sources.corpus import find

PATTERN, FITS = r"data/s(\d+)\.dat", "data/s01.dat"


@pytest.fixture
def tree(tmp_path, put_files):
    return put_files(tmp_path / "corpus", {"data/s01.dat": b"1", "data/s10.dat": b"10", "data/readme.txt": b""})


@pytest.mark.parametrize("below", ["..", ".", "data"])
def test_files_are_found_from_above_and_from_their_own_folder(tree, below):
    found = find(tree / below, PATTERN, FITS)
    assert {key: path.read_text() for key, path in found.items()} == {("1",): "1", ("10",): "10"}


def test_links_to_folders_are_followed_and_circles_end(tree, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "data").symlink_to(tree / "data")
    (tree / "data" / "circle").symlink_to(tree)
    assert set(find(tmp_path / "linked", PATTERN, FITS)) == {("1",), ("10",)}


def test_one_number_written_in_two_ways_is_the_same_file_twice(tree, words):
    (tree / "data" / "s1.dat").write_bytes(b"other")
    with pytest.raises(DataError) as error:
        find(tree, PATTERN, FITS)
    words(error.value, "is there twice", "s01.dat", "s1.dat", "remove the copy")


def test_copies_are_accepted_where_a_release_has_them_and_only_if_equal(tree, put_files):
    put_files(tree, {"again/data/s01.dat": b"1", ".hidden/data/s10.dat": b"other"})
    assert len(find(tree, PATTERN, FITS, copies=True)) == 2
    with pytest.raises(DataError, match="twice"):
        find(tree, PATTERN, FITS)
    put_files(tree, {"again/data/s01.dat": b"2"})
    with pytest.raises(DataError, match="twice"):
        find(tree, PATTERN, FITS, copies=True)


def test_an_archive_is_told_from_a_folder_that_is_not_there(tree, words):
    shutil.make_archive(str(tree), "zip", tree)
    with pytest.raises(SourceNotFoundError) as error:
        find(tree.with_suffix(".zip"), PATTERN, FITS)
    words(error.value, "is a file", "unpack")


def test_a_twin_is_known_from_any_of_its_folders(twin, tmp_path):
    for source in (
        DEAP(twin("deap").parent),
        DEAP(twin("deap") / "data_preprocessed_python"),
        SEED(twin("seed") / "Preprocessed_EEG"),
        FACED(twin("faced") / "Processed_data"),
    ):
        assert is_simulated(source)
        assert list(source.recordings())
    real = tmp_path / "real"
    shutil.copytree(twin("seed"), real)
    (real / TRUTH).unlink()
    assert not is_simulated(SEED(real))


def test_subjects_may_be_named_numbered_or_one(twin):
    source = DEAP(twin("deap"))

    def loaded(subjects):
        return {r.meta["subject"] for r in source.load(subjects)}

    assert loaded("s02") == loaded([2]) == loaded(["s02"]) == {"s02"}
    assert loaded(range(1, 3)) == {"s01", "s02"}
    with pytest.raises(InputError, match="no subject 3"):
        source.load([3])


def test_windows_of_a_modality_pass_over_recordings_without_it(twin):
    recordings = EAV(twin("eav")).load()
    voices = recordings.windows(0.5, modality="speech")
    assert set(voices.meta["task"]) == {"speaking"}
    with pytest.raises(InputError, match="no modality 'ecg'"):
        recordings.windows(0.5, modality="ecg")


def test_collected_recordings_keep_no_files_in_memory(twin, monkeypatch):
    from thymos.sources import deap

    read, seen = deap.read_pickle, []

    def watched(path):
        content = read(path)
        seen.append(weakref.ref(content["data"]))
        return content

    monkeypatch.setattr(deap, "read_pickle", watched)
    recordings = list(DEAP(twin("deap")).recordings())
    assert len(recordings) == 6
    assert [data() is None for data in seen] == [True, False]  # the last file is kept, and no other
    assert recordings[0].signal("eeg").data.shape == (32, 128)


def test_speaking_cannot_be_verified_without_sounds_and_films(twin, tmp_path):
    shutil.copytree(twin("eav"), tmp_path / "eav", ignore=shutil.ignore_patterns("Audio", "Video"))
    found = check_source(EAV(tmp_path / "eav"), "eav", SOURCES["eav"])
    assert any("cannot be verified" in line.text for line in found.lines)
