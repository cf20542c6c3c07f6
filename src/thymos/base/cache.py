"""Derived samples on disk, under a key of everything they were made of: files, parameters, code.

An entry appears complete or not at all, by renaming a folder, so neither a kill nor a second process can leave a wrong
one. What is broken all the same (a file cut short by a full disk) is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
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
from thymos.base.samples import Samples
from thymos.base.writer import Block, SamplesWriter

__all__ = ["Cache", "Entry", "cache_folder"]

_ROOMS = ("base", "signals", "sources")  # whose code decides on what a source's samples are
_FACTS = "entry.json"
_DIGESTS = "digests.json"
_RACY = 2.0  # s; a file changed as recently as that may change again without its times telling
_CHUNK = 2**22
_PREFIX = ".fresh-"


def cache_folder() -> Path:
    """Return where the cache is: ``THYMOS_CACHE``, or the place of the system for caches of a user."""
    given = os.environ.get("THYMOS_CACHE")
    if given:
        return Path(given)
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
    """

    def __init__(self, folder: str | os.PathLike | None = None):
        self.folder = Path(folder) if folder is not None else cache_folder()

    def samples(
        self,
        facts: Mapping[str, Any],
        make: Callable[[], Iterable[Block]],
        away_from: Iterable[Path] = (),
    ) -> Samples:
        """Return the samples that belong to `facts`, made if they are not there.

        Parameters
        ----------
        facts : mapping
            Everything that decides on them, as plain values; code and versions of libraries are added.
        make : callable
            Returns at least one block; called only if there is no entry.
        away_from : iterable of path
            Folders of a user's data, in which the cache may not lie.

        Returns
        -------
        Samples
            Memory-mapped where they are large, and read-only then.

        Raises
        ------
        InputError
            If the cache lies in a folder of data.
        ThymosError
            If it cannot be written to.
        """
        self._keep_away(away_from)
        facts = _plain({**facts, "code": code_digest(*_ROOMS), "versions": versions()})
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        place = self.folder / key
        found = _read(place)
        if found is not None:
            return found
        try:
            self._sweep()
            fresh = self.folder / f"{_PREFIX}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"
            fresh.mkdir(parents=True)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            with SamplesWriter(fresh) as writer:
                for block in make():
                    writer.add(block.X, block.meta)
                writer.finish(block.info)
            sizes = {str(p.relative_to(fresh)): p.stat().st_size for p in fresh.rglob("*") if p.is_file()}
            head = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "sizes": sizes, "facts": facts}
            (fresh / _FACTS).write_text(json.dumps(head, indent=1))
            return self._install(fresh, place)
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """Return what there is, oldest first."""
        found = [_entry(path) for path in self._places()]
        return sorted(found, key=lambda entry: (entry.created, entry.key))

    def clear(self, keys: Iterable[str] | None = None) -> int:
        """Remove some entries, or all and what killed processes have left behind; return the bytes that are free now.

        Only folders that the cache has made are touched.
        """
        wanted = None if keys is None else set(keys)
        places = [p for p in self._places() if wanted is None or p.name in wanted]
        size = sum(_size(place) for place in places)
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        if wanted is None:
            self._sweep()
            (self.folder / _DIGESTS).unlink(missing_ok=True)
        return size

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

    def _install(self, fresh: Path, place: Path) -> Samples:
        """Put a finished entry in its place, unless another process was faster."""
        try:
            fresh.rename(place)
        except OSError:
            found = _read(place)
            if found is not None:
                return found
            if not place.exists():
                raise
            broken = self.folder / f"{fresh.name}-broken"
            place.rename(broken)
            shutil.rmtree(broken, ignore_errors=True)
            fresh.rename(place)
        return Samples.load(place)

    def _places(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in self.folder.iterdir() if (path / _FACTS).is_file())

    def _keep_away(self, folders: Iterable[Path]) -> None:
        here = self.folder.resolve()
        for folder in (Path(f).resolve() for f in folders):
            if here == folder or folder in here.parents:
                raise InputError(
                    f"The cache {here} lies inside the data {folder}.",
                    fits="a folder of its own",
                    do="set THYMOS_CACHE to another folder",
                )

    def _unwritable(self, error: OSError) -> ThymosError:
        return ThymosError(
            f"The cache {self.folder} cannot be written to: {error}.",
            do="free some space, set THYMOS_CACHE to another folder, or do without it (--no-cache, cache=None)",
        )

    def _sweep(self) -> None:
        """Remove what processes of this machine that are no more have left unfinished."""
        if os.name != "posix":
            return  # elsewhere there is no harmless way to ask for a process
        for path in self.folder.glob(f"{_PREFIX}{socket.gethostname()}-*"):
            try:
                os.kill(int(path.name.removesuffix("-broken").rsplit("-", 2)[1]), 0)
            except ProcessLookupError:
                shutil.rmtree(path, ignore_errors=True)
            except (ValueError, PermissionError):
                continue


def _read(place: Path) -> Samples | None:
    """Return the samples of an entry, or None if there is none or it is broken."""
    if not (place / _FACTS).is_file() or not _entry(place).whole:
        return None
    try:
        return Samples.load(place)
    except ThymosError:
        return None


def _entry(place: Path) -> Entry:
    try:
        head = json.loads((place / _FACTS).read_text())
        sizes, facts, created = head["sizes"], dict(head["facts"]), str(head["created"])
        whole = all((place / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        facts, created, whole = {}, "", False
    current = facts.get("code") == code_digest(*_ROOMS) and facts.get("versions") == versions()
    return Entry(place.name, _size(place), created, facts, whole, current)


def _size(place: Path) -> int:
    total = 0
    for path in place.rglob("*"):
        with suppress(OSError):  # another process may be clearing
            total += path.stat().st_size if path.is_file() else 0
    return total


def _content(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Return facts as what JSON gives back, with types told apart that it would mix up."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
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
