"""MATLAB files, version 5 (by SciPy) and 7.3 (HDF5, by h5py), one variable at a time.

A version 5 file is a list of compressed elements. Each is unpacked here, up to the size it declares, before SciPy sees
it, so that a small file cannot fill the memory.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from thymos.base.catalogue import near
from thymos.base.errors import DataError
from thymos.base.optional import require
from thymos.sources.safe.files import LARGEST, bounded, readable

__all__ = ["MatFile"]

_FITS = "a MATLAB file of version 5 or 7.3"
_HEADER = 128  # bytes before the first element of version 5
_COMPRESSED, _MATRIX = 15, 14
_CELL, _STRUCT, _CHAR = 1, 2, 4  # classes of arrays
_NUMBERS = range(6, 16)
_COMPLEX = 0x800  # flag
_STORED = (1, 2, 3, 4, 5, 6, 7, 9, 12, 13)  # types of elements: numbers,
_TEXT = (1, 2, 16, 17, 18)  # and text
_DEEPEST = 16  # levels of cells and structs
_NAME = 4096  # bytes of an element among which its name lies
_PIECE = 2**20  # bytes unpacked at a time
_MOST = 10**5  # groups, cells and arrays in one variable of version 7.3


class _Element(NamedTuple):
    """Where a variable lies in a file of version 5, and how large it is once unpacked."""

    offset: int
    size: int
    compressed: bool
    unpacked: int


class MatFile:
    """The variables of a MATLAB file, read when asked for.

    Parameters
    ----------
    path : path
        A file of version 5 or 7.3.
    limit : int
        Bytes that one variable may take.

    Raises
    ------
    DataError
        If it is no MATLAB file, or is truncated.
    """

    def __init__(self, path: str | os.PathLike, limit: int = LARGEST // 2):
        self.path, self.limit = Path(path), limit
        with readable(self.path, _FITS, ValueError), self.path.open("rb") as file:
            head = file.read(_HEADER)
        self._elements: dict[str, _Element] | None = None
        if head[:8] == b"\x89HDF\r\n\x1a\n" or head.startswith(b"MATLAB 7.3"):
            self.names = self._names_hdf5()
        elif head[126:128] in (b"IM", b"MI"):
            self._head, self._order = head, "<" if head[126:128] == b"IM" else ">"
            with readable(self.path, _FITS, struct.error, zlib.error, ValueError):
                self._elements = self._index()
            self.names = list(self._elements)
        else:
            raise DataError(
                f"{self.path} is no MATLAB file: it begins with {head[:16]!r}." if head else f"{self.path} is empty.",
                fits=_FITS,
                do="copy or download it again",
            )

    def read(self, name: str) -> Any:
        """Return a variable.

        Returns
        -------
        object
            Numbers as arrays with MATLAB's axes, text as str, a cell array as an array of objects, a struct as a
            dict, and an array of structs as an array of dicts.

        Raises
        ------
        DataError
            If there is no such variable, or it cannot be read.
        """
        if name not in self.names:
            raise DataError(
                f"{self.path} has no variable {name!r}.{near(name, self.names)}",
                fits=f"one of {', '.join(self.names[:20]) or 'none at all'}",
            )
        return self._read_hdf5(name) if self._elements is None else self._read_five(name, self._elements[name])

    # version 5

    def _index(self) -> dict[str, _Element]:
        elements, size = {}, self.path.stat().st_size
        with self.path.open("rb") as file:
            offset = _HEADER
            while offset + 8 <= size:
                file.seek(offset)
                kind, length = struct.unpack(f"{self._order}II", file.read(8))
                if kind not in (_COMPRESSED, _MATRIX) or offset + 8 + length > size:
                    what = "ends inside a variable" if kind in (_COMPRESSED, _MATRIX) else f"holds an element {kind}"
                    raise DataError(f"{self.path} {what}.", fits=_FITS, do="copy or download it again")
                head = file.read(min(length, _NAME))
                if kind == _COMPRESSED:
                    head = zlib.decompressobj().decompress(head, _NAME)
                else:
                    head = struct.pack(f"{self._order}II", kind, length) + head
                inner, unpacked = struct.unpack_from(f"{self._order}II", head)
                if inner != _MATRIX:
                    raise DataError(f"{self.path} holds an element {inner}.", fits=_FITS)
                if name := self._name(head):  # what has no name is the workspace of functions
                    elements[name] = _Element(offset + 8, length, kind == _COMPRESSED, unpacked)
                offset += 8 + length
        return elements

    def _tag(self, content: bytes | memoryview, at: int) -> tuple[int, int, int, int]:
        """Return type and length of an element inside another one, where its content begins and what follows it."""
        kind, length = struct.unpack_from(f"{self._order}II", content, at)
        if kind >> 16:  # small form: type, length and up to four bytes in one
            return kind & 0xFFFF, kind >> 16, at + 4, at + 8
        return kind, length, at + 8, at + 8 + -(-length // 8) * 8

    def _name(self, head: bytes) -> str:
        at = self._tag(head, self._tag(head, 8)[3])[3]  # after the flags and the dimensions
        _, length, start, _ = self._tag(head, at)
        return head[start : start + length].decode("latin1")

    def _read_five(self, name: str, element: _Element) -> Any:
        from scipy.io import loadmat

        bounded(f"{self.path}, variable {name}", (element.unpacked,), 1, self.limit)
        # SciPy's reader lets slip whatever a damaged file provokes in it
        with readable(self.path, _FITS, Exception), self.path.open("rb") as file:
            file.seek(element.offset)
            # uncompressed it is read through an object in memory, which cannot give more than it has
            whole = io.BytesIO()
            whole.write(self._head)
            if element.compressed:
                self._unpack(file, element, whole)
            else:
                whole.write(struct.pack(f"{self._order}II", _MATRIX, element.size))
                whole.write(file.read(element.size))
            self._check(whole.getbuffer()[_HEADER:])
            whole.seek(0)
            made = loadmat(whole, chars_as_strings=True)[name]
            return _plain(made)

    def _unpack(self, file: BinaryIO, element: _Element, whole: BinaryIO) -> None:
        """Unpack a variable piece by piece, and no more of it than it says it has."""
        unpacker, left, packed = zlib.decompressobj(), element.unpacked + 8, element.size
        while left:
            piece = unpacker.decompress(unpacker.unconsumed_tail or file.read(min(packed, _PIECE)), min(left, _PIECE))
            packed = element.size - (file.tell() - element.offset)
            left -= whole.write(piece)
            if not piece and not packed and not unpacker.unconsumed_tail:
                raise ValueError("a variable is truncated")

    def _check(self, content: memoryview, at: int = 0, depth: int = 0) -> int:
        """See that an array, and all that it holds, is what SciPy's reader takes for granted; return what follows it.

        The reader is compiled: an unknown type, a length that goes beyond the end, or recursion without end would not
        raise an error but end the process.
        """
        if depth > _DEEPEST:
            raise DataError(f"{self.path} nests more than {_DEEPEST} levels.", fits=_FITS)

        def element(at: int, *kinds: int) -> tuple[memoryview, int]:
            kind, length, start, following = self._tag(content, at)
            if kind not in kinds or start + length > len(content) or (start == at + 4 and length > 4):
                raise ValueError(f"an element of type {kind} and {length} bytes is where it cannot be")
            return content[start : start + length], following

        inner, _ = element(at, _MATRIX)
        at += 8
        if not inner:
            return at
        packed, at = element(at, 6)
        flags = struct.unpack(f"{self._order}II", packed)[0]
        sizes, at = element(at, 5, 6)
        shape = struct.unpack(f"{self._order}{len(sizes) // 4}i", sizes)
        _, at = element(at, *_TEXT)
        kind, size = flags & 0xFF, math.prod(shape)
        bounded(self.path, shape, 1, self.limit)
        if kind in (_CELL, _STRUCT):
            if kind == _STRUCT:
                packed, at = element(at, 5)
                names, at = element(at, *_TEXT)
                width = struct.unpack(f"{self._order}i", packed)[0]
                fields = len(names) // width if width > 0 else 0
                if not fields and (names or size > 1):
                    raise ValueError("a struct has fields without names")
                size *= fields
            for _ in range(size):
                at = self._check(content, at, depth + 1)
        elif kind in _NUMBERS:
            for _ in range(2 if flags & _COMPLEX else 1):
                _, at = element(at, *_STORED)
        elif kind == _CHAR:
            _, at = element(at, *_STORED, *_TEXT)
        else:
            raise ValueError(f"it holds something of the class {kind}, neither numbers nor text, cells or structs")
        return at

    # version 7.3

    def _open(self) -> Any:
        return require("h5py", "matlab").File(self.path, "r")

    def _names_hdf5(self) -> list[str]:
        with readable(self.path, _FITS, Exception), self._open() as file:
            return [name for name in file if not name.startswith("#")]

    def _read_hdf5(self, name: str) -> Any:
        with readable(self.path, _FITS, Exception), self._open() as file:
            return self._node(_member(file, name), file, itertools.count())

    def _node(self, node: Any, file: Any, visited: Iterator[int], depth: int = 0) -> Any:
        if depth > _DEEPEST or next(visited) > _MOST:  # references may lead to the same place again and again
            raise DataError(f"{self.path} nests more than {_DEEPEST} levels, or {_MOST} values.", fits=_FITS)
        if hasattr(node, "keys"):  # a struct; an array of structs keeps its elements as references in each field
            fields = {key: self._node(_member(node, key), file, visited, depth + 1) for key in node}
            whole = [
                key for key in node if not hasattr(node[key], "keys") and "MATLAB_class" not in node[key].attrs
            ]  # fields of an array of structs carry no class of their own
            if not whole or len(whole) != len(fields):
                return fields
            made = np.empty(fields[whole[0]].shape, dtype=object)
            for at in np.ndindex(made.shape):
                made[at] = {key: value[at] for key, value in fields.items()}
            return made
        if node.external or node.is_virtual:
            raise ValueError(f"{node.name} lies in another file")
        bounded(f"{self.path}, {node.name}", node.shape or (1,), node.dtype.itemsize, self.limit)
        kind = node.attrs.get("MATLAB_class", b"")
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        if node.attrs.get("MATLAB_empty", 0):
            return (
                ""
                if kind == "char"
                else np.zeros(tuple(int(n) for n in node[()]), dtype=object if kind == "cell" else float)
            )
        value = node[()]
        if node.dtype == object:  # references: a cell array
            made = np.empty(value.T.shape, dtype=object)
            for at in np.ndindex(made.shape):
                made[at] = self._node(file[value.T[at]], file, visited, depth + 1)
            return made
        if kind == "char":
            return "".join(map(chr, np.asarray(value).T.reshape(-1)))
        return np.asarray(value).T


def _member(group: Any, name: str) -> Any:
    """Return a member of a group, if it lies in this file."""
    h5py = require("h5py", "matlab")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    return group[name]


def _plain(value: Any) -> Any:
    """Turn what SciPy makes of cells and structs into arrays of objects and dicts."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        made = np.empty(value.shape, dtype=object)
        for at in np.ndindex(value.shape):
            made[at] = {key: _plain(value[at][key]) for key in value.dtype.names}
        return made.reshape(-1)[0] if made.size == 1 else made
    if value.dtype == object:
        made = np.empty(value.shape, dtype=object)
        for at in np.ndindex(value.shape):
            made[at] = _plain(value[at])
        return made
    if value.dtype.kind == "U":
        return str(value.reshape(-1)[0]) if value.size == 1 else "" if not value.size else value
    return value
