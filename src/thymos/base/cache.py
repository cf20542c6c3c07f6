"""Derived samples on disk, under a key of everything they were made of: files, parameters, code.

An entry appears complete or not at all, by renaming a folder, so neither a kill nor a second process can leave a wrong
one. What is broken all the same (a file cut short by a full disk) is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from thymos.base.code import code_digest, versions
from thymos.base.errors import InputError, ThymosError
from thymos.base.folders import mine, remove_abandoned
from thymos.base.samples import Samples
from thymos.base.writer import Block, SamplesWriter

__all__ = ["Cache", "Entry", "cache_folder"]

_ROOMS = ("base", "signals", "sources")  # whose code decides on what a source's samples are
_FORMAT = "thymos-cache-1"
_FACTS = "entry.json"
_DIGESTS = "thymos-digests.json"
_RACY = 2.0  # s; a file changed as recently as that may change again without its times telling
_CHUNK = 2**22
_PREFIX = ".fresh-"


def cache_folder() -> Path:
    """Return where the cache is: ``THYMOS_CACHE``, or the place of the system for caches of a user."""
    given = os.environ.get("THYMOS_CACHE")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("thymos", appauthor=False)


@dataclass(frozen=True)
class Entry:
    """What the cache holds under one key.

    Parameters
    ----------
    key : str
        Name of its folder.
    size : int
        Bytes.
    created : str
        When it was made.
    facts : mapping
        What it was made of; empty if that cannot be read.
    whole : bool
        Whether all its files are there and as long as they were.
    current : bool
        Whether it was made by this version of the code; others are never served.
    """

    key: str
    size: int
    created: str
    facts: Mapping[str, Any]
    whole: bool
    current: bool


class Cache:
    """Derived samples on disk.

    Parameters
    ----------
    folder : path, optional
        Where; :func:`cache_folder` by default.
    away_from : sequence of path
        Folders of data in which a place that the user has chosen may not be.
    """

    def __init__(self, folder: str | os.PathLike | None = None, away_from: Iterable[Path] = ()):
        chosen = folder is not None or bool(os.environ.get("THYMOS_CACHE"))
        self.folder = Path(folder).expanduser() if folder is not None else cache_folder()
        self._away_from = tuple(away_from) if chosen else ()  # the system's own place is no folder of data

    def samples(
        self,
        facts: Mapping[str, Any],
        make: Callable[[], Iterable[Block]],
        unchanged: Callable[[], bool] | None = None,
    ) -> Samples:
        """Return the samples that belong to `facts`, made if they are not there.

        Parameters
        ----------
        facts : mapping
            Everything that decides on them, as plain values; code and versions of libraries are added. The order of
            mappings within counts.
        make : callable
            Returns at least one block; called only if there is no entry.
        unchanged : callable, optional
            Asked after they are made: whether what they were made of is still the same.

        Returns
        -------
        Samples
            Memory-mapped where they are large, and read-only then.

        Raises
        ------
        ThymosError
            If the cache cannot be written to, or something has changed in the meantime.
        """
        facts = {name: _plain(value) for name, value in {**facts, **_version()}.items()}
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        place = self.folder / key
        found = _read(place)
        if found is not None:
            return found
        remove_abandoned(self.folder, _PREFIX)
        fresh = self._fresh()
        try:
            self._guarded(fresh.mkdir, parents=True)
            with SamplesWriter(fresh) as writer:
                for block in make():
                    self._guarded(writer.add, block.X, block.meta)
                self._guarded(writer.finish, block.info)
            if unchanged is not None and not unchanged():
                raise ThymosError(
                    "Files have changed while they were read.", do="run again when nothing writes to them any more"
                )
            sizes = {str(p.relative_to(fresh)): p.stat().st_size for p in fresh.rglob("*") if p.is_file()}
            created = datetime.now(UTC).isoformat(timespec="seconds")
            head = {"format": _FORMAT, "created": created, "sizes": sizes, "facts": facts}
            self._guarded((fresh / _FACTS).write_text, json.dumps(head, indent=1))
            found = Samples.load(fresh)  # before it is in its place, from which others may clear it
            self._install(fresh, place)
            return found
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """Return what there is, oldest first."""
        found = [_entry(path) for path in self._places()]
        return sorted(found, key=lambda entry: (entry.created, entry.key))

    def clear(self, keys: Iterable[str] | None = None) -> int:
        """Remove some entries, or all and what killed processes have left behind; return the bytes that are free now.

        Only what the cache has made is touched.
        """
        wanted = None if keys is None else set(keys)
        size = 0
        for place in [p for p in self._places() if wanted is None or p.name in wanted]:
            gone = self._fresh()
            with suppress(OSError):  # another process was faster
                place.rename(gone)  # at once, so that nobody reads half of it
                size += _size(gone)
                shutil.rmtree(gone, ignore_errors=True)
        if wanted is None:
            remove_abandoned(self.folder, _PREFIX)
            with suppress(OSError):
                (self.folder / _DIGESTS).unlink()
        return size

    def keep_away(self, folders: Iterable[Path]) -> None:
        """Refuse to lie inside folders of a user's data.

        Raises
        ------
        InputError
            If the cache does.
        """
        here = self.folder.resolve()
        for folder in (Path(f).resolve() for f in (*folders, *self._away_from)):
            if here == folder or folder in here.parents:
                raise InputError(
                    f"The cache {here} lies inside the data {folder}.",
                    fits="a folder of its own",
                    do="set THYMOS_CACHE to another folder",
                )

    def digest(self, files: Iterable[Path], root: Path | None = None) -> str:
        """Return a hash of the content of some files and of their names below `root`.

        A file is read again only if its size, its times or its place on the disk have changed.

        Raises
        ------
        ThymosError
            If a file cannot be read.
        """
        known, fresh = self._digests(), {}
        digest = hashlib.blake2b(digest_size=16)
        for path in sorted(files):
            path = path.absolute()
            try:
                state = path.stat()
                stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
                if known.get(str(path), [None])[:-1] == stamp:
                    content = known[str(path)][-1]
                else:
                    now = time.time()
                    content = _content(path)
                    if now - max(state.st_mtime, state.st_ctime) > _RACY:
                        fresh[str(path)] = [*stamp, content]
            except OSError as error:
                raise ThymosError(f"{path} cannot be read: {error}.", do="check the file and its permissions") from None
            name = path if root is None else os.path.relpath(path, root.absolute())
            digest.update(f"{name}\n{content}\n".encode(errors="surrogateescape"))
        if fresh:
            self._remember({**known, **fresh})
        return digest.hexdigest()

    def _digests(self) -> dict[str, list]:
        try:
            known = json.loads((self.folder / _DIGESTS).read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _remember(self, known: dict[str, list]) -> None:
        """Keep hashes of files; two processes at once lose some of each other's, which are then computed again."""
        fresh = self.folder / f"{_DIGESTS}.{uuid.uuid4().hex}"
        with suppress(OSError):  # a cache that cannot be written to says so when it matters
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(known))
            fresh.replace(self.folder / _DIGESTS)

    def _install(self, fresh: Path, place: Path) -> None:
        """Put a finished entry in its place, unless another process was faster; what is broken there is replaced."""
        with suppress(OSError):
            if place.exists() and not _whole(place):
                place.rename(self._fresh())
        with suppress(OSError):
            fresh.rename(place)

    def _places(self) -> Iterator[Path]:
        with suppress(OSError):
            names = sorted(os.listdir(self.folder))
            yield from (self.folder / name for name in names if re.fullmatch(r"[0-9a-f]{32}", name))

    def _fresh(self) -> Path:
        """Return a new name for what this process is making or taking away."""
        return self.folder / f"{mine(_PREFIX)}{uuid.uuid4().hex}"

    def _guarded(self, function: Callable, *arguments: Any, **options: Any) -> Any:
        """Call a function that writes to the cache."""
        try:
            return function(*arguments, **options)
        except OSError as error:
            raise ThymosError(
                f"The cache {self.folder} cannot be written to: {error}.",
                do="free some space, set THYMOS_CACHE to another folder, or do without it (--no-cache, cache=None)",
            ) from None


def _version() -> dict[str, Any]:
    """Return what decides on samples beside what they are made of."""
    return {"code": code_digest(*_ROOMS), "versions": versions()}


def _whole(place: Path) -> bool:
    """Whether an entry has all its files, as long as they were."""
    try:
        head = json.loads((place / _FACTS).read_text())
        sizes = head["sizes"].items()
        return head["format"] == _FORMAT and all((place / name).stat().st_size == size for name, size in sizes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _read(place: Path) -> Samples | None:
    """Return the samples of an entry, or None if there is none or it is broken."""
    if not _whole(place):
        return None
    try:
        return Samples.load(place)
    except ThymosError:
        return None


def _entry(place: Path) -> Entry:
    try:
        head = json.loads((place / _FACTS).read_text())
        facts, created = dict(head["facts"]), str(head["created"])
    except (OSError, ValueError, KeyError, TypeError):
        facts, created = {}, ""
    current = all(facts.get(name) == _plain(value) for name, value in _version().items())
    return Entry(place.name, _size(place), created, facts, _whole(place), current)


def _size(place: Path) -> int:
    total = 0
    with suppress(OSError):  # another process may be clearing
        for path in place.rglob("*"):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _content(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Return facts as what JSON gives back, with types told apart that it would mix up; mappings keep their order."""
    if isinstance(value, Mapping):
        return [[str(key), _plain(item)] for key, item in value.items()]
    if isinstance(value, (list, tuple, range)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_plain, value), key=repr)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "tolist"):  # NumPy's
        return [str(value.dtype), _plain(value.tolist())]
    if isinstance(value, (float, os.PathLike)):
        return repr(value) if isinstance(value, float) else os.fspath(value)
    raise InputError(
        f"{value!r} is among what derived samples are made of, and its content cannot be told.",
        fits="numbers, text, lists and mappings",
        do="do without the cache: cache=None",
    )
