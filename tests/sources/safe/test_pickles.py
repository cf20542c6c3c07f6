"""Arrays come out of a pickle as they went in, and nothing that a pickle names is ever run."""

import io
import os
import pickle
import struct

import numpy as np
import pytest

from thymos.base.errors import DataError
from thymos.sources.safe import read_pickle


@pytest.fixture
def read(tmp_path):
    """Return a function: bytes of a pickle -> what is read of them."""

    def run(content, **options):
        path = tmp_path / "made.pkl"
        path.write_bytes(content)
        return read_pickle(path, **options)

    return run


def same(a, b):
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in b)
    if isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    return type(a) is type(b) and a == b


ARRAYS = {
    "floats": np.linspace(-1, 1, 24).reshape(2, 3, 4),
    **{code: np.arange(6).reshape(2, 3).astype(code) for code in ("f4", "f2", "i8", "i2", "u1", "c16")},
    "bool": np.array([True, False]),
    "big endian": np.arange(6, dtype=">f8").reshape(3, 2),
    "big integers": np.array([1, -2], dtype=">i4"),
    "columns first": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "a view": np.arange(20.0)[::2],
    "no axis": np.array(3.5),
    "nothing": np.zeros((0, 3)),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ARRAYS)
def test_every_array_survives_every_protocol(name, protocol, read):
    assert same(read(pickle.dumps(ARRAYS[name], protocol=protocol)), ARRAYS[name])


@pytest.mark.parametrize("protocol", range(6))
def test_dicts_lists_and_numbers_survive_every_protocol(protocol, read):
    twice = np.arange(3)
    content = {
        "a": {"b": [1, 2.5, None, True, "text"], 3: (twice, twice)},
        "scalar": np.float64(2.5),
        "count": np.int32(-7),
        "large": 2**70,
        "empty": [{}, [], ()],
    }
    made = read(pickle.dumps(content, protocol=protocol))
    assert same(made, content)
    assert made["a"][3][0] is made["a"][3][1], "what is named twice is made once"


def test_a_pickle_of_python_2_has_text_keys_and_right_numbers(read):
    """As DEAP is stored: bytes are text, the type is written in one letter and its order is that of the machine."""
    raw = struct.pack("<4d", 1.5, -2.25, 1e-9, 200.0)
    dtype = b"cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01K\x02K\x02\x86"
    content = b"\x80\x02}U\x04data" + array + dtype + b"\x89U" + bytes([len(raw)]) + raw + b"tbs."
    made = read(content)
    assert list(made) == ["data"]
    assert made["data"].tolist() == [[1.5, -2.25], [1e-9, 200.0]]


class Call:
    """Calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Persistent(pickle.Pickler):
    def persistent_id(self, value):
        return "outside" if isinstance(value, str) and value == "here" else None


def persistent():
    buffer = io.BytesIO()
    Persistent(buffer, protocol=2).dump(["here"])
    return buffer.getvalue()


MARKED = "open('executed', 'w').close()"
HOSTILE = {
    "eval": pickle.dumps(Call(eval, MARKED), protocol=2),
    "eval, protocol 0": pickle.dumps(Call(eval, MARKED), protocol=0),
    "eval, newest protocol": pickle.dumps(Call(eval, MARKED), protocol=5),
    "exec": pickle.dumps({"data": Call(exec, MARKED)}, protocol=4),
    "a function of the system": pickle.dumps([Call(os.mkdir, "executed")], protocol=2),
    "a chain of getattr": pickle.dumps(Call(getattr, Call(__import__, "os"), "mkdir"), protocol=2),
    "a name with dots": b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
    "a function of NumPy": b"\x80\x02cnumpy\nsave\nX\x08\x00\x00\x00executedK\x01\x86R.",
    "a name made of pieces": b"\x80\x04\x8c\x05posix\x8c\x05mkdir\x93\x8c\x08executed\x85R.",
    "INST": b"(S'executed'\niposix\nmkdir\n.",
    "OBJ": b"(cnumpy\nndarray\nS'executed'\no.",
    "NEWOBJ": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "NEWOBJ_EX": b"\x80\x04cnumpy\nndarray\n)}\x92.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT2": b"\x80\x02\x83\x01\x00.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "a persistent id": persistent(),
    "a persistent id in text": b"Poutside\n.",
    "a buffer from outside": b"\x80\x05\x97.",
    "a function changed": b"\x80\x02cnumpy\nndarray\n}X\x09\x00\x00\x00_functionK\x01sb.",
    "an array changed by a dict": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R}X\x05\x00\x00\x00shapeK\x01sb.",
    "an array without content": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.",
    "a type alone": pickle.dumps(np.dtype("f8"), protocol=2),
    "a type of objects": pickle.dumps(np.array([None, {}], dtype=object), protocol=2),
    "a type with fields": pickle.dumps(np.zeros(2, dtype=[("a", "f8")]), protocol=2),
    "a function that is allowed, alone": b"\x80\x02cnumpy\nndarray\n.",
    "another encoding": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",
    "a set": pickle.dumps({1, 2}, protocol=4),
    "a key that is a list": b"\x80\x02}]K\x01s.",
    "a key that is a tuple": pickle.dumps({(1, 2): 3}, protocol=2),
    "a memo that is not there": b"\x80\x02h\x05.",
    "a memo of two thousand million": b"\x80\x02}r\xff\xff\xff\x7f.",
    "nothing on the stack": b"\x80\x020.",
    "no end": b"\x80\x02]",
    "a protocol to come": b"\x80\x09].",
    "many levels": b"\x80\x02" + b"]" * 100 + b"a" * 99 + b".",
    "an array in itself": b"\x80\x02]q\x00h\x00a.",
}
NAMED = {
    "eval": "eval",
    "exec": "exec",
    "a function of the system": "mkdir",
    "a chain of getattr": "getattr",
    "INST": "INST",
    "OBJ": "OBJ",
    "EXT1": "EXT1",
    "a persistent id": "BINPERSID",
    "a memo of two thousand million": "a memo of 2147483647 entries",
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_hostile_pickle_runs_nothing(trick, read, tmp_path, monkeypatch, words):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError) as error:
        read(HOSTILE[trick])
    words(error.value, "made.pkl", NAMED.get(trick, ""))
    assert not list((tmp_path / "here").iterdir())


def resized(shape, kind=b"f8"):
    """Return a pickle of two numbers that says it has another shape."""
    content = pickle.dumps(np.zeros(2), protocol=2)
    return content.replace(b"K\x02\x85", shape).replace(b"f8", kind)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (resized(b"J\xff\xff\xff\x7f\x85"), "GiB"),
        (resized(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"), "GiB"),
        (resized(b"J\xff\xff\xff\xff\x85"), "GiB"),
        (resized(b"K\x03\x85"), "holds 16 bytes"),
        (resized(b"K\x01\x85"), "holds 16 bytes"),
        (resized(b"U\x01a\x85"), "cannot be read"),
        (resized(b"K\x02\x85", b"V8"), "V8"),
        (resized(b"K\x02\x85", b"xx"), "cannot be read"),
    ],
)
def test_an_array_is_as_large_as_its_bytes_and_no_larger(content, expected, read, words):
    assert content != pickle.dumps(np.zeros(2), protocol=2)
    with pytest.raises(DataError) as error:
        read(content)
    words(error.value, "made.pkl", expected)


def test_an_array_beyond_the_limit_is_not_made(read):
    content = pickle.dumps(np.zeros(100), protocol=4)
    assert read(content, limit=800).shape == (100,)
    with pytest.raises(DataError, match="declares an array of shape"):
        read(content, limit=799)


def test_a_pickle_cut_short_anywhere_is_our_error(read):
    whole = pickle.dumps({"data": np.arange(40.0).reshape(4, 10), "labels": np.ones((4, 2))}, protocol=2)
    for n in np.linspace(0, len(whole) - 1, 40).astype(int):
        with pytest.raises(DataError):
            read(whole[:n])


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # of pickletools, on odd text
def test_a_pickle_with_a_wrong_byte_is_read_or_is_our_error(read):
    whole = pickle.dumps({"data": np.arange(6.0), "labels": [1, "two"]}, protocol=2)
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole)
        content[rng.integers(len(content))] = rng.integers(256)
        try:
            read(bytes(content))
        except DataError:
            continue


def python_two(array, protocol):
    """Return a pickle of {'data': array} as Python 2 wrote it: bytes as text, escaped in protocol 0."""
    from struct import pack

    raw = array.tobytes()
    shape = "".join(f"I{n}\n" for n in array.shape)
    if protocol == 0:
        content = "S'" + "".join(f"\\x{b:02x}" for b in raw) + "'\n"
        return (
            "(dp0\nS'data'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntS'b'\ntRp4\n"
            f"(I1\n({shape}tcnumpy\ndtype\np5\n(S'f8'\nI0\nI1\ntRp6\n(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n{content}tbs."
        ).encode("ascii")
    head = b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R("
    kind = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    sizes = b"".join(b"K" + bytes([n]) for n in array.shape) + b"\x86"
    return head + b"K\x01" + sizes + kind + b"\x89T" + pack("<i", len(raw)) + raw + b"tbs."


@pytest.mark.parametrize("protocol", [0, 2])
def test_pickles_of_python_2_are_read_whatever_their_bytes(tmp_path, protocol):
    array = np.random.default_rng(0).standard_normal((3, 4))
    assert any(b >= 0x80 for b in array.tobytes())
    path = tmp_path / "a.dat"
    path.write_bytes(python_two(array, protocol))
    assert np.array_equal(read_pickle(path)["data"], array)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError):
        read_pickle(path)


def test_arrays_that_share_their_bytes_share_them_once_read(tmp_path):
    import pickletools

    one = python_two(np.arange(4.0).reshape(2, 2), 2)
    assert any(opcode.name == "BINSTRING" for opcode, *_ in pickletools.genops(one))
    text = b"\x80\x02}(U\x01tT" + (2**20).to_bytes(4, "little") + bytes(2**20) + b"q\x01"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01J\x00\x00\x02\x00\x85"
        b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x01tb"
    )
    path = tmp_path / "a.dat"
    path.write_bytes(text + b"".join(b"U\x02" + f"{k:02d}".encode() + array for k in range(20)) + b"u.")
    made = read_pickle(path)
    assert made["00"].shape == (2**17,)
    assert len({made[f"{k:02d}"].__array_interface__["data"][0] for k in range(20)}) == 1
