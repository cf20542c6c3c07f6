"""Pickles of NumPy arrays, read without running anything they name.

A pickle is a program. Here its instructions are read first and compared with a short list; then it runs with
stand-ins in the place of everything it may name, and the arrays are made from the bytes that the stand-ins were given.
"""

from __future__ import annotations

import math
import mmap
import os
import pickle
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from thymos.base.errors import DataError
from thymos.sources.safe.files import LARGEST, bounded, readable

__all__ = ["read_pickle"]

_FITS = "a pickle of NumPy arrays, numbers and text in dicts and lists, and nothing else"
_DEEPEST = 32  # levels of dicts and lists
_LARGEST_MEMO = 10**6
_OPCODES = frozenset(
    """
    PROTO FRAME MARK STOP POP POP_MARK DUP EMPTY_DICT DICT SETITEM SETITEMS EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE
    TUPLE TUPLE1 TUPLE2 TUPLE3 NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING
    BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
    BYTEARRAY8 PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
    """.split()  # noqa: SIM905
)

#: Instructions followed by a length, of so many bytes, and as many bytes.
_COUNTED = {
    **dict.fromkeys(("SHORT_BINSTRING", "SHORT_BINUNICODE", "SHORT_BINBYTES"), 1),
    **dict.fromkeys(("BINSTRING", "BINUNICODE", "BINBYTES"), 4),
    **dict.fromkeys(("BINUNICODE8", "BINBYTES8", "BYTEARRAY8"), 8),
}


def read_pickle(path: str | os.PathLike, limit: int = LARGEST) -> Any:
    """Read a pickle that holds NumPy arrays, numbers and text only. Nothing in it is executed.

    Parameters
    ----------
    path : path
        Written by Python 2 or 3, any protocol.
    limit : int
        Bytes that one array may take.

    Returns
    -------
    object
        Dicts, lists and tuples of arrays, numbers and text.

    Raises
    ------
    DataError
        If the file cannot be read, is truncated, or names anything but a NumPy array.
    """
    path = Path(path)
    errors = (pickle.UnpicklingError, ValueError, EOFError, IndexError, KeyError, TypeError, AttributeError)
    with readable(path, _FITS, *errors, UnicodeDecodeError, RecursionError), path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise DataError(f"{path} is empty.", fits=_FITS, do="copy or download it again")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _inspect(path, content)
            content.seek(0)
            made = _Reader(content, encoding="latin1").load()
        return _finish(made, path, limit)


def _inspect(path: Path, content: mmap.mmap) -> None:
    """Compare every instruction with the list, before the first one runs."""
    for opcode, argument in _instructions(content):
        if opcode.name not in _OPCODES:
            raise _hostile(path, f"the instruction {opcode.name}")
        if opcode.name == "GLOBAL" and tuple(argument.split(" ", 1)) not in _ALLOWED:
            raise _hostile(path, argument.replace(" ", "."))
        if "PUT" in opcode.name and int(argument) > _LARGEST_MEMO:
            raise _hostile(path, f"a memo of {argument} entries")


def _instructions(content: mmap.mmap) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    """Yield every instruction with its argument, but for long texts and bytes, which are passed over."""
    while True:
        code = content.read(1)
        opcode = pickletools.code2op.get(code.decode("latin1"))  # type: ignore[attr-defined]  # not in its stub
        if opcode is None:
            raise ValueError(f"it has the unknown instruction {code!r}" if code else "it ends before its end")
        argument = None
        if opcode.name in _COUNTED:
            size = int.from_bytes(content.read(_COUNTED[opcode.name]), "little")
            if size > len(content) - content.tell():
                raise ValueError(f"it is cut off: {size} bytes are announced")
            content.seek(size, os.SEEK_CUR)
        elif opcode.name == "STRING":  # its escaped bytes need not be ASCII, which pickletools expects
            if not content.readline().endswith(b"\n"):
                raise ValueError("it is cut off inside a text")
        elif opcode.arg is not None:
            argument = opcode.arg.reader(content)
        yield opcode, argument
        if opcode.name == "STOP":
            return


def _hostile(path: Path | str, what: str) -> DataError:
    return DataError(
        f"{path} contains {what}, which no file of NumPy arrays needs. Nothing of it was executed.",
        fits=_FITS,
        do="do not open it with anything else; download it again from its publisher",
    )


class _Reader(pickle.Unpickler):
    """Unpickler that knows stand-ins only."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which is not allowed; nothing was executed"
            ) from None


class _Call:
    """A function that a pickle may call; unlike a function it has no attributes that a pickle could change."""

    __slots__ = ("_function",)

    def __init__(self, function: Any):
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it tries to change a function")


class _Dtype:
    """What a pickle says of the type of an array."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: str, *_: Any):
        self._code = str(code)
        self._order: Literal["<", ">", "="] = "="

    def __setstate__(self, state: tuple) -> None:
        orders: dict[str, Literal["<", ">"]] = {"<": "<", ">": ">"}
        self._order = orders.get(str(state[1]), "=")

    def made(self) -> np.dtype:
        made = np.dtype(self._code)
        if made.kind not in "biufcSU" or made.names:
            raise pickle.UnpicklingError(f"it holds an array of type {self._code}")
        return made.newbyteorder(self._order)


class _Array:
    """What a pickle says of an array: shape, type and bytes."""

    __slots__ = ("content", "dtype", "order", "shape")

    def __init__(self, *_: Any):
        self.shape = None

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, fortran, self.content = state
        self.order = "F" if fortran else "C"

    def made(self, path: Path, limit: int, seen: dict[int, Any]) -> np.ndarray:
        if self.shape is None or not isinstance(self.dtype, _Dtype):
            raise pickle.UnpicklingError("it holds an array without content")
        dtype = self.dtype.made()
        bounded(path, self.shape, dtype.itemsize, limit)
        content = self.content
        if isinstance(content, str):  # Python 2 wrote bytes as text; several arrays may share them
            if id(content) not in seen:
                seen[id(content)] = content.encode("latin1")
            content = seen[id(content)]
        if len(content) != math.prod(self.shape) * dtype.itemsize:
            raise DataError(
                f"{path} declares an array of shape {self.shape} and type {dtype}, and holds {len(content)} bytes.",
                fits=f"{math.prod(self.shape) * dtype.itemsize} bytes",
                do="copy or download it again",
            )
        return np.frombuffer(content, dtype).reshape(self.shape, order=self.order)


def _from_buffer(content: Any, dtype: _Dtype, shape: tuple, order: str) -> _Array:
    made = _Array()
    made.__setstate__((1, shape, dtype, order == "F", content))
    return made


def _scalar(dtype: _Dtype, content: Any) -> Any:
    content = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(content, dtype.made(), count=1)[0]


def _encode(text: str, encoding: str) -> bytes:
    if str(encoding).lower().replace("-", "").replace("_", "") not in {"latin1", "iso88591"}:
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Call(_Array),
    ("numpy", "dtype"): _Call(_Dtype),
    ("_codecs", "encode"): _Call(_encode),
    ("__builtin__", "bytes"): _Call(lambda: b""),
}
for _core in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _Call(_Array)
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _Call(_scalar)
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _Call(_from_buffer)


def _finish(made: Any, path: Path, limit: int, seen: dict[int, Any] | None = None, depth: int = 0) -> Any:
    """Put arrays in the place of their stand-ins; what the pickle names twice is made once."""
    seen = {} if seen is None else seen
    if depth > _DEEPEST:
        raise DataError(f"{path} nests more than {_DEEPEST} levels.", fits=_FITS)
    if not isinstance(made, (_Array, _Dtype, _Call, dict, list, tuple)):
        return made
    if id(made) not in seen:
        inner = seen, depth + 1
        if isinstance(made, _Array):
            seen[id(made)] = made.made(path, limit, seen)
        elif isinstance(made, dict):
            seen[id(made)] = {_key(k, path): _finish(v, path, limit, *inner) for k, v in made.items()}
        elif isinstance(made, (list, tuple)):
            seen[id(made)] = type(made)(_finish(v, path, limit, *inner) for v in made)
        else:
            raise DataError(f"{path} holds the type of an array without its content.", fits=_FITS)
    return seen[id(made)]


def _key(key: Any, path: Path) -> Any:
    if isinstance(key, bytes):
        return key.decode("latin1")
    if not isinstance(key, (str, int)):
        raise DataError(f"{path} has a key of type {type(key).__name__}.", fits="text")
    return key
