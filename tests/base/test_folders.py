import os
from pathlib import Path

import pytest

from thymos.base.errors import InputError
from thymos.base.folders import check_place, whole_folder


def write(place, text, overwrite=False):
    with whole_folder(place, "head.txt", "heads", overwrite) as fresh:
        (fresh / "head.txt").write_text(text)


def test_a_folder_appears_at_the_end_and_replaces_only_its_like(tmp_path, words):
    place = tmp_path / "new" / "x"
    with whole_folder(place, "head.txt", "heads") as fresh:
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
        with whole_folder(place, "head.txt", "heads", overwrite=True) as fresh:
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
        check_place(tmp_path / "file" / "x", "head.txt", "heads")
    monkeypatch.setattr(os, "access", lambda *a: False)
    with pytest.raises(InputError, match="does not allow it"):
        check_place(tmp_path / "x", "head.txt", "heads")
