"""Files for the states of long computations: the same for the same facts, and for no others."""

import threading

import numpy as np
import pytest

import thymos.base.checkpoints as checkpoints
from thymos.base.checkpoints import checkpoint, kept_in

X = np.arange(12.0).reshape(3, 4)
FACTS = (X, ["a", "b"], 3, {"lr": 0.1}, np.array(["s0", "s1"]))


def test_nothing_is_kept_outside_of_a_run(tmp_path):
    assert checkpoint("search", *FACTS) is None
    with kept_in(tmp_path / "run"):
        assert checkpoint("search", *FACTS).parent == tmp_path / "run"
        with kept_in(None):
            assert checkpoint("search", *FACTS) is None
        assert checkpoint("search", *FACTS) is not None
    assert checkpoint("search", *FACTS) is None
    with pytest.raises(KeyboardInterrupt), kept_in(tmp_path):
        raise KeyboardInterrupt
    assert checkpoint("search", *FACTS) is None
    assert not list(tmp_path.iterdir()), "asking for a file makes none"


def test_equal_facts_have_one_file_and_each_other_fact_another(tmp_path):
    other = X.copy()
    other[2, 3] += 1e-9
    changed = [
        (X.T, *FACTS[1:]),
        (other, *FACTS[1:]),
        (X.astype(np.float32), *FACTS[1:]),
        (X.reshape(4, 3), *FACTS[1:]),
        (X, ["a", "c"], *FACTS[2:]),
        (X, ["a", "b"], 4, *FACTS[3:]),
        (X, ["a", "b"], "3", *FACTS[3:]),
        (*FACTS[:3], {"lr": 0.2}, FACTS[4]),
        (*FACTS[:4], np.array(["s0", "s2"])),
        FACTS[:4],
        (*FACTS, np.empty((0, 3))),
        (*FACTS, None),
    ]
    with kept_in(tmp_path):
        files = [checkpoint("search", *facts) for facts in (FACTS, *changed)]
        assert len(set(files)) == len(files)
        assert checkpoint("search", X.copy(order="F"), *FACTS[1:]) == files[0]
        assert checkpoint("gan", *FACTS) != files[0]
    assert files[0].name.startswith("search-")
    with kept_in(tmp_path / "other"):
        assert checkpoint("search", *FACTS).name == files[0].name


def test_long_columns_of_text_are_facts_too(tmp_path):
    names = np.array([f"trial {k}" for k in range(2000)], dtype=object)
    other = names.copy()
    other[1000] = "another"
    with kept_in(tmp_path):
        assert checkpoint("gan", names) != checkpoint("gan", other), "a printed array leaves out its middle"
        assert checkpoint("gan", names) == checkpoint("gan", names.copy())


def test_no_state_is_taken_over_from_other_code(tmp_path, monkeypatch):
    rooms = []
    with kept_in(tmp_path):
        before = checkpoint("search", *FACTS)
        monkeypatch.setattr(checkpoints, "code_digest", lambda *given: rooms.extend(given) or "other")
        assert checkpoint("search", *FACTS) != before
    assert {"base", "nn", "training", "models", "augmentation"} <= set(rooms)


def test_each_thread_has_its_own_folder(tmp_path):
    found = []
    with kept_in(tmp_path):
        thread = threading.Thread(target=lambda: found.append(checkpoint("search")))
        thread.start()
        thread.join()
    assert found == [None]
