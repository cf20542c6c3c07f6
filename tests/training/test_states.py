"""States of long loops on disk."""

import pickle
from pathlib import Path

import pytest
import torch

from thymos.training.states import load_state, save_state

STATE = {"number": 3, "history": [{"loss": 0.5}], "rng": torch.Generator().get_state(), "w": {"a": torch.ones(2, 3)}}


def test_what_is_saved_is_read_and_replaces_what_was_there(tmp_path):
    place = tmp_path / "folder" / "state.pt"
    save_state(place, {"number": 1})
    save_state(place, STATE)
    again = load_state(place)
    assert (again["number"], again["history"]) == (3, [{"loss": 0.5}])
    assert torch.equal(again["rng"], STATE["rng"])
    assert torch.equal(again["w"]["a"], STATE["w"]["a"])
    assert [p.name for p in place.parent.iterdir()] == ["state.pt"]


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    place = tmp_path / "state.pt"
    save_state(place, STATE)

    def half(state, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save_state(place, {"number": 4})
    assert load_state(place)["number"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


class Evil:
    def __reduce__(self):
        return Path.touch, (Path(self.place),)


def test_what_is_absent_damaged_or_would_run_code_is_computed_anew(tmp_path):
    place = tmp_path / "state.pt"
    assert load_state(place) is None
    assert load_state(tmp_path) is None
    save_state(place, STATE)
    whole = place.read_bytes()
    for damaged in (b"", b"no state", whole[: len(whole) // 2]):
        place.write_bytes(damaged)
        assert load_state(place) is None
    evil = Evil()
    evil.place = str(tmp_path / "ran")
    place.write_bytes(pickle.dumps(evil))
    assert load_state(place) is None
    torch.save(evil, place)
    assert load_state(place) is None
    assert not (tmp_path / "ran").exists()
