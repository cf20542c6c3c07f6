import json

import pytest

from thymos.base.errors import InputError
from thymos.sources.simulate.folder import TRUTH, simulated


def fill(folder, names, layout="made"):
    with simulated(folder, layout, {"random_state": 0}) as made:
        for name in names:
            made.file(name).write_text(name)
    return folder


def test_what_was_written_is_replaced_and_nothing_else(tmp_path):
    folder = fill(tmp_path / "c", ["data/a", "data/b"])
    (folder / "data" / "b").write_text("a real file, put here later")
    (folder / "data" / "mine").write_text("mine")
    fill(folder, ["data/c"])
    left = {p.name for p in folder.rglob("*") if p.is_file()}
    assert left == {"b", "mine", "c", TRUTH}
    assert json.loads((folder / TRUTH).read_text())["files"] == {"data/c": 6}


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    folder = fill(tmp_path / "c", ["data/a"])
    (folder / "data" / "b").write_text("real")
    with pytest.raises(InputError, match="was not simulated"):
        fill(folder, ["data/a", "data/b"])
    assert (folder / "data" / "b").read_text() == "real"


def test_links_lead_nowhere(tmp_path):
    folder = fill(tmp_path / "c", ["data/a"])
    precious = tmp_path / "precious"
    (folder / "data").rename(precious)
    (folder / "data").symlink_to(precious)
    with pytest.raises(InputError, match="lies elsewhere"):
        fill(folder, ["data/new"])
    assert [p.name for p in precious.iterdir()] == ["a"]


def test_another_layout_in_the_same_folder_is_refused(tmp_path):
    folder = fill(tmp_path / "c", ["a"])
    with pytest.raises(InputError, match="another layout, made"):
        fill(folder, ["b"], layout="other")
    assert (folder / "a").is_file()


def test_a_place_below_a_file_is_refused_in_words(tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"), simulated(tmp_path / "note" / "deap", "deap", {}):
        pass
    assert (tmp_path / "note").read_text() == "mine"
