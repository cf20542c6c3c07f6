"""Variables of MATLAB files of both versions, as MATLAB and SciPy write them, whole and damaged."""

import struct
import zlib

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.io.matlab import MatlabObject
from scipy.sparse import coo_array

from thymos.base.errors import DataError
from thymos.sources.safe import MatFile

NUMBERS = np.arange(12.0).reshape(3, 4)


def cells(*values, shape=None):
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made.reshape(shape or (1, -1))


#: One variable of every kind.
CONTENT = {
    "numbers": NUMBERS,
    "whole": np.array([[1, -2]], dtype=np.int16),
    "text": "anger",
    "empty": np.zeros((0, 0)),
    "row": cells(NUMBERS, "two", np.zeros((0, 0)), shape=(1, 3)),
    "column": cells(NUMBERS[:1], NUMBERS[:2], shape=(2, 1)),
    "person": {"age": 21.0, "name": "P1", "eeg": {"rest": cells(NUMBERS, NUMBERS + 1, shape=(2, 1))}},
    "rows": np.array([[(1.0, NUMBERS)], [(2.0, NUMBERS + 1)]], dtype=[("vid", "O"), ("score", "O")]),
}


def same_content(file):
    assert file.names == [*CONTENT]
    assert np.array_equal(file.read("numbers"), NUMBERS)
    assert file.read("whole").tolist() == [[1, -2]]
    assert type(file.read("text")) is str
    assert file.read("text") == "anger"
    assert np.size(file.read("empty")) == 0
    row, column = file.read("row"), file.read("column")
    assert (row.shape, column.shape) == ((1, 3), (2, 1))
    assert row.dtype == column.dtype == object
    assert np.array_equal(row[0, 0], NUMBERS)
    assert row[0, 1] == "two"
    assert np.size(row[0, 2]) == 0
    assert np.array_equal(column[1, 0], NUMBERS[:2])
    person = file.read("person")
    assert list(person) == ["age", "name", "eeg"]
    assert (float(np.squeeze(person["age"])), person["name"]) == (21, "P1")
    assert person["eeg"]["rest"].shape == (2, 1)
    assert np.array_equal(person["eeg"]["rest"][1, 0], NUMBERS + 1)
    rows = file.read("rows")
    assert (rows.shape, rows.dtype) == ((2, 1), object)
    assert [float(np.squeeze(r["vid"])) for r in rows.reshape(-1)] == [1, 2]
    assert np.array_equal(rows[1, 0]["score"], NUMBERS + 1)


@pytest.mark.parametrize("compressed", [True, False])
def test_version_5_gives_arrays_cells_structs_and_text(compressed, tmp_path):
    savemat(tmp_path / "a.mat", CONTENT, do_compression=compressed)
    same_content(MatFile(tmp_path / "a.mat"))


class Matlab73:
    """Writes HDF5 as MATLAB does: axes reversed, text as numbers, cells and struct arrays by reference."""

    def __init__(self, path):
        self.path, self.n = path, 0

    def write(self, content):
        with h5py.File(self.path, "w", userblock_size=512, track_order=True) as self.file:
            for name, value in content.items():
                self.put(self.file, name, value)
        head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
        with open(self.path, "r+b") as file:
            file.write(head)
        return self.path

    def refer(self, value):
        self.n += 1
        name = f"#refs#/{self.n}"
        self.put(self.file, name, value)
        return self.file[name].ref

    def put(self, group, name, value):
        if isinstance(value, dict):
            made = group.create_group(name, track_order=True)
            made.attrs["MATLAB_class"] = np.bytes_("struct")
            for key, inner in value.items():
                self.put(made, key, inner)
            return
        if isinstance(value, np.ndarray) and value.dtype.names:
            made = group.create_group(name, track_order=True)
            made.attrs["MATLAB_class"] = np.bytes_("struct")
            for key in value.dtype.names:
                refs = [[self.refer(np.atleast_2d(v)) for v in row] for row in value[key].T]
                made.create_dataset(key, data=np.array(refs, dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
            return
        if isinstance(value, str):
            codes = np.array([[ord(c)] for c in value], dtype=np.uint16)
            group.create_dataset(name, data=codes).attrs["MATLAB_class"] = np.bytes_("char")
            return
        value = np.atleast_2d(value)
        kind = {"O": "cell", "i": "int16"}.get(value.dtype.kind, "double")
        if not value.size:
            made = group.create_dataset(name, data=np.array(value.shape, dtype=np.uint64))
            made.attrs["MATLAB_empty"] = np.uint8(1)
        elif kind == "cell":
            refs = np.array([[self.refer(v) for v in row] for row in value.T], dtype=h5py.ref_dtype)
            made = group.create_dataset(name, data=refs, dtype=h5py.ref_dtype)
        else:
            made = group.create_dataset(name, data=value.T)
        made.attrs["MATLAB_class"] = np.bytes_(kind)


def test_version_7_3_gives_the_same_as_version_5(tmp_path):
    same_content(MatFile(Matlab73(tmp_path / "a.mat").write(CONTENT)))


def test_what_is_empty_in_version_7_3_has_the_kind_that_it_says(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w") as file:
        for kind in ("char", "cell", "double"):
            file[kind] = np.array([0, 3], dtype=np.uint64)
            file[kind].attrs.update({"MATLAB_empty": np.uint8(1), "MATLAB_class": np.bytes_(kind)})
    made = MatFile(path)
    assert made.read("char") == ""
    assert (made.read("cell").shape, made.read("cell").dtype) == ((0, 3), object)
    assert (made.read("double").shape, made.read("double").dtype) == ((0, 3), float)


def big_endian(name, values):
    """Return a file as a machine with the other byte order writes it."""

    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content.ljust(-(-len(content) // 8) * 8, b"\0")

    inner = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", *values.shape))
    inner += element(1, name.encode()) + element(9, values.astype(">f8").tobytes(order="F"))
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + struct.pack(">II", 14, len(inner)) + inner


def test_the_other_byte_order_is_read(tmp_path):
    (tmp_path / "a.mat").write_bytes(big_endian("recorded", NUMBERS))
    made = MatFile(tmp_path / "a.mat")
    assert made.names == ["recorded"]
    assert np.array_equal(made.read("recorded"), NUMBERS)


def test_a_name_that_is_not_there_is_said_with_those_that_are(tmp_path, words):
    savemat(tmp_path / "a.mat", {"label": 1.0, "segments": 2.0})
    with pytest.raises(DataError) as error:
        MatFile(tmp_path / "a.mat").read("segment")
    words(error.value, "a.mat", "'segment'", "segments", "label")


@pytest.mark.parametrize("compressed", [True, False])
def test_a_variable_beyond_the_limit_is_not_unpacked(compressed, tmp_path, words):
    savemat(tmp_path / "a.mat", {"small": np.ones(3), "large": np.zeros(5000)}, do_compression=compressed)
    made = MatFile(tmp_path / "a.mat", limit=20_000)
    assert made.read("small").size == 3
    with pytest.raises(DataError) as error:
        made.read("large")
    words(error.value, "a.mat, variable large", "GiB")


def test_a_variable_beyond_the_limit_is_not_read_from_version_7_3(tmp_path, words):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset("large", shape=(2**20, 2**20), dtype="f8", chunks=(8, 8))
        file["small"] = np.ones((3, 1))
    made = MatFile(tmp_path / "a.mat", limit=20_000)
    assert made.read("small").shape == (1, 3)
    with pytest.raises(DataError) as error:
        made.read("large")
    words(error.value, "a.mat", "large", "8.19e+03 GiB")


@pytest.mark.parametrize("form", ["compressed", "plain", "7.3"])
def test_a_file_cut_short_anywhere_is_our_error_or_keeps_what_is_whole(form, tmp_path):
    path = tmp_path / "a.mat"
    if form == "7.3":
        Matlab73(path).write(CONTENT)
    else:
        savemat(path, CONTENT, do_compression=form == "compressed")
    whole = path.read_bytes()
    messages = []
    for n in np.linspace(0, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:n])
        try:
            made = MatFile(path)
            for name in made.names:
                made.read(name)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) >= 19
    assert all("a.mat" in text for text in messages)


def test_a_wrong_byte_is_read_or_is_our_error_and_never_ends_the_process(tmp_path):
    """SciPy's compiled reader trusts types, lengths and counts: a wrong one would be a segmentation fault."""
    path = tmp_path / "a.mat"
    savemat(path, {"a": NUMBERS, "b": cells("x", NUMBERS), "c": CONTENT["rows"], "d": NUMBERS * 1j})
    whole = path.read_bytes()
    for at in range(128, len(whole)):
        content = bytearray(whole)
        content[at] ^= (1, 255, 8, 16)[at % 4]
        path.write_bytes(content)
        try:
            made = MatFile(path)
            for name in made.names:
                made.read(name)
        except DataError:
            continue


def test_cells_nested_without_end_are_refused(tmp_path, words):
    value = np.ones(2)
    for _ in range(20):
        value = cells(value)
    savemat(tmp_path / "a.mat", {"deep": value})
    with pytest.raises(DataError) as error:
        MatFile(tmp_path / "a.mat").read("deep")
    words(error.value, "nests more than 16 levels")
    with h5py.File(tmp_path / "b.mat", "w") as file:
        made = file.create_dataset("a", (1, 1), h5py.ref_dtype)
        made[0, 0] = made.ref
    with pytest.raises(DataError) as error:
        MatFile(tmp_path / "b.mat").read("a")
    words(error.value, "nests more than 16 levels")


@pytest.mark.parametrize("value", [coo_array(NUMBERS), MatlabObject(CONTENT["rows"], "thing")])
def test_objects_and_sparse_arrays_are_refused(value, tmp_path, words):
    savemat(tmp_path / "a.mat", {"odd": value, "even": NUMBERS})
    made = MatFile(tmp_path / "a.mat")
    assert np.array_equal(made.read("even"), NUMBERS)
    with pytest.raises(DataError) as error:
        made.read("odd")
    words(error.value, "a.mat", "neither numbers nor text, cells or structs")


def test_an_element_that_unpacks_to_less_than_it_says_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"a": np.zeros(1000)}, do_compression=True)
    whole = path.read_bytes()
    inner = zlib.decompress(whole[136:])
    packed = zlib.compress(inner[:500])
    path.write_bytes(whole[:128] + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(DataError, match="truncated"):
        MatFile(path).read("a")


@pytest.mark.parametrize("content", [b"", b"\x00" * 200, b"<html>" * 50, b"MATLAB 5.0 MAT-file".ljust(126) + b"XX"])
def test_what_is_no_matlab_file_is_said_in_words(content, tmp_path, words):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DataError) as error:
        MatFile(tmp_path / "a.mat")
    words(error.value, "a.mat", "a MATLAB file of version 5 or 7.3")
    with pytest.raises(DataError, match="There is no file"):
        MatFile(tmp_path / "gone.mat")


def test_references_that_multiply_end_in_an_error(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.setattr("thymos.sources.safe.mat._MOST", 10**3)
    path = tmp_path / "a.mat"
    with h5py.File(path, "w") as file:
        file["level0"] = np.zeros(1)
        for level in range(1, 13):
            made = file.create_dataset(f"level{level}", (10, 1), h5py.ref_dtype)
            made[:, 0] = [file[f"level{level - 1}"].ref] * 10
            made.attrs["MATLAB_class"] = np.bytes_("cell")
    with pytest.raises(DataError, match="nests more than"):
        MatFile(path).read("level12")


def test_what_lies_in_another_file_is_not_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(b"root:x:0:0:root:/root")
    with h5py.File(tmp_path / "other.mat", "w") as file:
        file["x"] = np.ones(3)
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["linked"] = h5py.ExternalLink("other.mat", "x")
        file.create_dataset("outside", (8,), "u1", external=[(str(tmp_path / "secret"), 0, 8)])
    for name in ("linked", "outside"):
        with pytest.raises(DataError, match=r"link|another file"):
            MatFile(tmp_path / "a.mat").read(name)
