"""Folders, archives and tables, read in place and within limits."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, SourceNotFoundError
from thymos.sources.safe import Tree, bounded, numbers, read_csv, readable
from thymos.sources.safe.files import csv_chunks, once, refuse

FILES = {
    "train/happy/2.jpg": b"two",
    "train/happy/10.JPG": b"ten",
    "b.txt": b"text",
    ".hidden": b"x",
    "train/.hidden/3.jpg": b"x",
    "train/._2.jpg": b"x",
    "__MACOSX/train/2.jpg": b"x",
}
SEEN = ["b.txt", "train/happy/10.JPG", "train/happy/2.jpg"]


@pytest.fixture
def trees(tmp_path):
    """Return the same files as a folder and as an archive."""
    folder, archive = tmp_path / "folder", tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("train/", b"")
        for name, content in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            made.writestr(name, content)
    return Tree(folder), Tree(archive)


def test_a_folder_and_an_archive_hold_the_same_without_what_is_hidden(trees, words):
    for tree in trees:
        assert tree.names() == SEEN
        assert tree.names(".jpg") == SEEN[1:]
        assert {name: tree.read(name) for name in SEEN} == {name: FILES[name] for name in SEEN}
        assert tree.size("b.txt") == 4
        assert str(tree.root) in tree.where("b.txt")
        for ask in (tree.read, tree.size):
            with pytest.raises(DataError) as error:
                ask("gone.jpg")
            words(error.value, str(tree.root), "gone.jpg")


def test_a_file_is_no_larger_than_the_limit_whatever_its_header_says(trees, tmp_path, words):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.jpg", bytes(2**20))
        made.writestr("exact.jpg", bytes(1000))
    assert path.stat().st_size < 5000
    tree = Tree(path, limit=1000)
    assert len(tree.read("exact.jpg")) == 1000
    with pytest.raises(DataError) as error:
        tree.read("bomb.jpg")
    words(error.value, "bomb.zip:bomb.jpg", "is larger than")
    small = Tree(trees[0].root, limit=3)
    assert small.read("train/happy/2.jpg") == b"two"
    with pytest.raises(DataError, match="is larger than"):
        small.read("b.txt")


def test_a_damaged_or_absent_archive_is_said_in_words(trees, tmp_path, words):
    path = trees[1].root
    whole = path.read_bytes()
    for n in np.linspace(0, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:n])
        with pytest.raises(DataError) as error:
            Tree(path)
        words(error.value, "all.zip", "a zip archive")
    at = whole.index(b"b.txt") + 5
    path.write_bytes(whole[:at] + b"\xff\xff\xff" + whole[at + 3 :])
    with pytest.raises(DataError):
        Tree(path).read("b.txt")
    with pytest.raises(SourceNotFoundError, match=r"There is no .*gone"):
        Tree(tmp_path / "gone.zip")


def test_of_copies_the_shallowest_is_kept():
    names = ["a/a/1.jpg", "a/1.jpg", "a/2.jpg", "b/1.jpg"]
    kept, copies = once(names, lambda name: name.rsplit("/", 1)[1])
    assert kept == ["a/1.jpg", "a/2.jpg"]
    assert copies == [("b/1.jpg", "a/1.jpg"), ("a/a/1.jpg", "a/1.jpg")]


def test_a_size_is_refused_before_it_is_allocated(words):
    bounded("f", (10, 10), 8, 800)
    for shape, limit in (((10, 10), 799), ((2**40, 2**40), 2**32), ((-1,), 100), ((-1, -1), 100)):
        with pytest.raises(DataError) as error:
            bounded("f", shape, 8, limit)
        words(error.value, "f declares an array of shape", "GiB")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (FileNotFoundError(2, "gone"), "There is no file f"),
        (PermissionError(13, "Permission denied"), "f cannot be read: Permission denied"),
        (MemoryError(), "needs more memory than there is"),
        (KeyError("k"), "f cannot be read: 'k'"),
        (ValueError("first line.\nsecond line"), "f cannot be read: first line."),
        (ValueError(""), "f cannot be read: ValueError"),
    ],
)
def test_errors_of_libraries_become_one_of_ours(raised, expected, words):
    with pytest.raises(DataError) as error, readable("f", "a file", KeyError, ValueError):
        raise raised
    words(error.value, expected)
    assert "second line" not in str(error.value)
    assert error.value.__cause__ is None


def test_errors_that_were_not_named_and_ours_pass():
    with pytest.raises(ZeroDivisionError), readable("f", "a file", ValueError):
        raise ZeroDivisionError
    with pytest.raises(DataError, match=r"^ours$"), readable("f", "a file", ValueError):
        raise DataError("ours")


def test_a_table_has_its_columns_and_numbers(tmp_path, words):
    path = tmp_path / "t.csv"
    path.write_text("a, b\n1,2\n,3\n")
    table = read_csv(path, ("a", "b"))
    assert list(table.columns) == ["a", "b"]
    assert np.array_equal(numbers(path, table, "a"), [1, np.nan], equal_nan=True)
    for text, expected in (
        ("a,c\n1,2\n", ["t.csv has no column b", "a, c"]),
        ("", ["t.csv is empty"]),
        ("a,b\n1,2,3,4\n", ["t.csv cannot be read"]),
        ('a,b\n"1,2\n', ["t.csv cannot be read"]),
    ):
        path.write_text(text)
        with pytest.raises(DataError) as error:
            read_csv(path, ("a", "b"))
        words(error.value, *expected)
    path.write_bytes(b"a,b\n\xff\xfe,2\n")
    with pytest.raises(DataError, match=r"t\.csv cannot be read"):
        read_csv(path, ("a", "b"))
    with pytest.raises(DataError) as error:
        numbers(path, pd.DataFrame({"a": ["1", "x"]}), "a")
    words(error.value, "row 2, column a: 'x' is not a number")
    with pytest.raises(DataError) as error:
        refuse(path, pd.DataFrame({"a": [1, 2]}), "a", [False, True], "ones", start=10)
    words(error.value, "row 12, column a", "ones")


def test_a_long_table_comes_in_pieces(tmp_path, words):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{k},{-k}\n" for k in range(5)))
    assert [piece["a"].tolist() for piece in csv_chunks(path, ("a", "b"), 2)] == [[0, 1], [2, 3], [4]]
    with pytest.raises(DataError) as error:
        list(csv_chunks(path, ("c",), 2))
    words(error.value, "t.csv has no column c")
