import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from thymos.base import cache as module
from thymos.base.cache import Cache, cache_folder
from thymos.base.errors import DataError, InputError, ThymosError
from thymos.base.writer import Block

FACTS = {"source": "made", "steps": [["entropy", {"window": 1.0}]], "seconds": 2.0, "subjects": None}


class Maker:
    """Make two blocks of samples, and count how often."""

    def __init__(self, value=1.0, error=None):
        self.calls, self.value, self.error = 0, value, error

    def __call__(self):
        self.calls += 1
        for n, trial in ((3, "a"), (2, "b")):
            meta = {"source": "m", "subject": "s", "session": "1", "trial": trial, "stimulus": "k"}
            meta = pd.DataFrame({**meta, "start": np.arange(n, dtype=float), "stop": 1.0 + np.arange(n)})
            yield Block(np.full((n, 4, 5), self.value, np.float32), meta, {"ch_names": ["x"] * 4})
            if self.error:
                raise self.error


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) if folder.exists() else []


def test_what_was_made_once_is_read_the_second_time(cache):
    maker = Maker()
    first, second = (cache.samples(FACTS, maker) for _ in range(2))
    assert maker.calls == 1
    assert np.array_equal(first.X, second.X)
    assert first.X.shape == (5, 4, 5)
    assert first.meta.equals(second.meta)
    assert second.info == {"ch_names": ["x"] * 4}
    (entry,) = cache.entries()
    assert entry.whole
    assert entry.current
    assert entry.facts["seconds"] == "2.0"


@pytest.mark.parametrize(
    "change",
    [
        {"source": "other"},
        {"seconds": 2.5},
        {"seconds": 2},
        {"subjects": ("s1",)},
        {"steps": [["entropy", {"window": 1.5}]]},
        {"steps": [["power", {"window": 1.0}]]},
        {"steps": [["entropy", {"window": None}]]},
        {"files": "abc"},
        {"more": False},
        {"source": np.arange(3)},
        {"steps": [["entropy", {"window": 1.0, "step": None}]]},
        {"steps": [["entropy", {"step": None, "window": 1.0}]]},
    ],
)
def test_any_change_of_a_parameter_changes_the_key(cache, change):
    old, new = Maker(1.0), Maker(2.0)
    cache.samples(FACTS, old)
    assert cache.samples({**FACTS, **change}, new).X.mean() == 2
    assert new.calls == 1
    assert len(cache.entries()) == 2


@pytest.mark.parametrize("what", ["code_digest", "versions"])
def test_other_code_or_other_libraries_are_another_key_and_their_entries_count_as_stale(cache, monkeypatch, what):
    cache.samples(FACTS, Maker(1.0))
    monkeypatch.setattr(module, what, lambda *rooms: "another")
    assert [entry.current for entry in cache.entries()] == [False]
    assert cache.samples(FACTS, Maker(2.0)).X.mean() == 2
    assert sorted(entry.current for entry in cache.entries()) == [False, True]


def test_an_object_whose_content_cannot_be_told_is_no_key(cache):
    with pytest.raises(InputError, match="cannot be told"):
        cache.samples({"function": object()}, Maker())


@pytest.mark.parametrize("error", [DataError("the file is damaged."), KeyboardInterrupt()])
def test_an_error_on_the_way_leaves_nothing(cache, error):
    with pytest.raises(type(error)):
        cache.samples(FACTS, Maker(error=error))
    assert files(cache.folder) == []
    assert cache.samples(FACTS, Maker(3.0)).X.mean() == 3


KILLED = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
from test_cache import FACTS, Maker
from thymos.base.cache import Cache
def slow():
    for number, block in enumerate(Maker(1.0)()):
        yield block
        if number == 0:
            print("writing", flush=True)
            time.sleep(60)
Cache({folder!r}).samples(FACTS, slow)
"""


def test_a_kill_in_the_middle_of_writing_leaves_no_entry_and_what_is_left_is_swept(cache):
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(cache.folder))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    left = [p.name for p in cache.folder.iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".fresh-")
    assert cache.entries() == []
    found = cache.samples(FACTS, Maker(2.0))
    assert (found.X.shape, found.X.mean()) == ((5, 4, 5), 2), "nothing of the killed process is served"
    assert [p.name for p in cache.folder.iterdir()] == [cache.entries()[0].key]


def test_two_processes_at_once_get_the_same_and_leave_one_entry(cache):
    def beside():
        yield from Maker(1.0)()
        Cache(cache.folder).samples(FACTS, Maker(1.0))  # the other is faster

    assert np.array_equal(cache.samples(FACTS, beside).X, np.ones((5, 4, 5)))
    assert len(cache.entries()) == 1
    assert [p.name for p in cache.folder.iterdir()] == [cache.entries()[0].key]


@pytest.mark.parametrize("damage", ["cut", "gone", "meta", "facts"])
def test_a_broken_entry_is_made_again(cache, damage):
    cache.samples(FACTS, Maker(1.0))
    place = cache.folder / cache.entries()[0].key
    if damage == "cut":
        os.truncate(place / "X.npy", 200)
    elif damage == "gone":
        (place / "X.npy").unlink()
    elif damage == "meta":
        size = (place / "meta.parquet").stat().st_size
        (place / "meta.parquet").write_bytes(b"0" * size)
    else:
        (place / "entry.json").write_text("{")
    assert cache.samples(FACTS, Maker(2.0)).X.mean() == 2
    assert [entry.whole for entry in cache.entries()] == [True]


def test_the_cache_never_lies_in_the_users_data(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    for place in (data, data / "deep" / "cache"):
        with pytest.raises(InputError, match="lies inside the data"):
            Cache(place).keep_away([data])
        with pytest.raises(InputError, match="lies inside the data"):
            Cache(place, away_from=[data]).keep_away([])
    Cache(tmp_path / "data-cache", away_from=[data]).keep_away([data])
    monkeypatch.delenv("THYMOS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(data))
    Cache(away_from=[data]).keep_away([]), "a home folder may hold both corpora and the system's own place for caches"


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path, words):
    (tmp_path / "file").write_text("")
    with pytest.raises(ThymosError) as error:
        Cache(tmp_path / "file" / "cache").samples(FACTS, Maker())
    words(error.value, "cannot be written", "THYMOS_CACHE", "--no-cache")


def test_clearing_removes_entries_and_nothing_else(cache):
    cache.samples(FACTS, Maker())
    cache.samples({**FACTS, "seconds": 3.0}, Maker())
    (cache.folder / "notes.txt").write_text("mine")
    (cache.folder / "photos").mkdir()
    (cache.folder / "photos" / "entry.json").write_text("{}")
    (cache.folder / "digests.json").write_text("{}")
    keep, gone = cache.entries()
    assert cache.clear([gone.key]) > 400
    assert [entry.key for entry in cache.entries()] == [keep.key]
    cache.clear()
    assert files(cache.folder) == ["digests.json", "notes.txt", "photos", "photos/entry.json"]
    for nowhere in (cache.folder / "nowhere", cache.folder / "notes.txt"):
        assert (Cache(nowhere).clear(), Cache(nowhere).entries()) == (0, [])


def test_the_digest_follows_content_and_names_and_reads_unchanged_files_once(cache, tmp_path, monkeypatch):
    root = tmp_path / "corpus"
    (root / "sub").mkdir(parents=True)
    paths = [root / "a.dat", root / "sub" / "b.dat"]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 1000)
    first = cache.digest(paths, root)
    moved = tmp_path / "moved"
    root.rename(moved)
    paths = [moved / "a.dat", moved / "sub" / "b.dat"]
    assert cache.digest(reversed(paths), moved) == first, "the place of the corpus is no matter"
    times = paths[0].stat()
    paths[0].write_bytes(b"\7" * 1000)
    os.utime(paths[0], ns=(times.st_atime_ns, times.st_mtime_ns))
    assert cache.digest(paths, moved) != first, "same size and same time of change, other content"
    assert cache.digest(paths[:1], moved) != cache.digest(paths, moved)
    assert not (cache.folder / "thymos-digests.json").exists(), (
        "files this young may change without their times telling"
    )
    monkeypatch.setattr(module, "_RACY", -1.0)
    second, read = cache.digest(paths, moved), []
    content = module._content
    monkeypatch.setattr(module, "_content", lambda path: read.append(path) or content(path))
    assert cache.digest(paths, moved) == second
    assert read == []
    times = paths[1].stat()
    paths[1].write_bytes(b"\7" * 1000)
    os.utime(paths[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    third = cache.digest(paths, moved)
    assert third != second
    assert read == [paths[1]]
    paths[0].rename(moved / "c.dat")
    assert cache.digest([moved / "c.dat", paths[1]], moved) != third, "names decide, too"
    (moved / "c.dat").rename(paths[0])
    (cache.folder / "thymos-digests.json").write_text("[]")
    cache.digest(paths, moved)
    assert len(json.loads((cache.folder / "thymos-digests.json").read_text())) == 2
    with pytest.raises(ThymosError, match="cannot be read"):
        cache.digest([tmp_path / "none"])


def test_the_place_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("THYMOS_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("THYMOS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "thymos" in cache_folder().name


def test_a_sweep_leaves_what_a_living_process_is_writing(cache):
    cache.folder.mkdir()
    mine = cache.folder / f".fresh-{socket.gethostname()}-{os.getpid()}-abc"
    other = cache.folder / ".fresh-another.machine-1-abc"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = cache.folder / f".fresh-{socket.gethostname()}-{dead.pid}-abc"
    for folder in (mine, other, gone):
        folder.mkdir()
    cache.samples(FACTS, Maker())
    assert (mine.exists(), other.exists(), gone.exists()) == (True, True, False)


def test_the_order_of_a_mapping_counts(cache):
    bands = {"theta": (4, 8), "alpha": (8, 13)}
    cache.samples({"bands": bands}, Maker(1.0))
    assert cache.samples({"bands": dict(reversed(bands.items()))}, Maker(2.0)).X.mean() == 2


def test_what_changes_while_it_is_read_is_not_kept(cache):
    with pytest.raises(ThymosError, match="changed while they were read"):
        cache.samples(FACTS, Maker(), unchanged=lambda: False)
    assert files(cache.folder) == []


def test_a_fault_of_the_source_is_not_blamed_on_the_cache(cache):
    with pytest.raises(FileNotFoundError, match="nonexistent"):
        cache.samples(FACTS, Maker(error=FileNotFoundError("nonexistent")))


def test_an_entry_that_is_cleared_while_it_is_made_or_read_is_no_error(cache):
    def cleared():
        yield from Maker(1.0)()
        Cache(cache.folder).clear()

    assert cache.samples(FACTS, cleared).X.mean() == 1
    kept = cache.samples(FACTS, Maker(1.0))
    cache.clear()
    assert kept.X.mean() == 1
    assert cache.entries() == []


BUSY = """
import sys
sys.path.insert(0, {tests!r})
from test_cache import Maker
from thymos.base.cache import Cache
cache = Cache({folder!r})
for k in range(60):
    assert cache.samples({{"k": k % 3}}, Maker(float(k % 3))).X.mean() == k % 3
    if k % 7 == {turn}:
        cache.clear()
        cache.entries()
"""


def test_processes_that_make_read_and_clear_at_once_disturb_nobody(cache):
    codes = [BUSY.format(tests=str(Path(__file__).parent), folder=str(cache.folder), turn=turn) for turn in (0, 1)]
    both = [subprocess.Popen([sys.executable, "-c", c], stderr=subprocess.PIPE, text=True) for c in codes]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]
    assert not list(cache.folder.glob(".fresh-*"))


def test_metadata_that_cannot_be_stored_are_said_in_words(cache):
    def mixed():
        for block in Maker()():
            yield block._replace(meta=block.meta.assign(odd=[1, "a", 2.5][: len(block.meta)]))

    with pytest.raises(InputError, match="metadata cannot be stored"):
        cache.samples(FACTS, mixed)
