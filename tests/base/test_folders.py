import os
from pathlib import Path

import pytest

from thymos.base.errors import InputError
from thymos.base.folders import check_place, existing, whole_file, whole_folder


def write(place, text, overwrite=False):
    with whole_folder(place, ["head.txt", "*.npy"], "heads", overwrite) as fresh:
        (fresh / "head.txt").write_text(text)


def test_a_folder_appears_at_the_end_and_replaces_only_its_like(tmp_path, words):
    place = tmp_path / "new" / "x"
    with whole_folder(place, ["head.txt", "*.npy"], "heads") as fresh:
        assert not place.exists()
        (fresh / "head.txt").write_text("first")
    assert (place / "head.txt").read_text() == "first"
    with pytest.raises(InputError) as error:
        write(place, "second")
    words(error.value, "already exists", "overwrite")
    write(place, "second", overwrite=True)
    assert (place / "head.txt").read_text() == "second"
    (tmp_path / "thesis").mkdir()
    with pytest.raises(InputError, match="already exists"):
        write(tmp_path / "thesis", "third", overwrite=True)
    assert sorted(p.name for p in place.parent.iterdir()) == ["x"]


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, moment):
    place = tmp_path / "x"
    write(place, "old")
    rename = Path.rename

    def full(self, target):
        if target == place and "moved" not in moved:
            moved.append("moved")
            raise OSError("disk full")
        return rename(self, target)

    def attempt():
        with whole_folder(place, ["head.txt", "*.npy"], "heads", overwrite=True) as fresh:
            (fresh / "head.txt").write_text("new")
            if moment == "writing":
                raise OSError("disk full")
            monkeypatch.setattr(Path, "rename", full)

    moved = []
    with pytest.raises(OSError, match="disk full"):
        attempt()
    assert (place / "head.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_done(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="does not allow it"):
        check_place(tmp_path / "file" / "x", ["head.txt", "*.npy"], "heads")
    monkeypatch.setattr(os, "access", lambda *a: False)
    with pytest.raises(InputError, match="does not allow it"):
        check_place(tmp_path / "x", ["head.txt", "*.npy"], "heads")


def test_what_somebody_laid_beside_is_not_thrown_away(tmp_path, words):
    place = tmp_path / "x"
    write(place, "old")
    (place / "more.npy").write_text("of the same kind")
    write(place, "new", overwrite=True)
    (place / "notes.txt").write_text("mine")
    with pytest.raises(InputError) as error:
        write(place, "newer", overwrite=True)
    words(error.value, "'notes.txt'", "beside heads")
    assert (place / "notes.txt").read_text() == "mine"


def test_a_link_is_not_written_through(tmp_path, monkeypatch):
    write(tmp_path / "x", "old")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(InputError, match="is a link"):
            write(tmp_path / name, "new", overwrite=True)
    monkeypatch.chdir(tmp_path / "x")
    write(Path("."), "new", overwrite=True)
    assert (tmp_path / "x" / "head.txt").read_text() == "new"


def test_an_error_of_what_is_read_is_not_put_down_to_what_is_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), whole_file(tmp_path / "table.csv"):
        (tmp_path / "elsewhere").read_text()
    assert not list(tmp_path.iterdir())


def test_the_nearest_place_that_exists_is_found(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert existing(tmp_path) == tmp_path
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert existing(tmp_path / "file" / "b") == tmp_path / "file"
    monkeypatch.chdir(tmp_path)
    assert existing(Path("not") / "there") == tmp_path
