import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.sources.affectnet import EXPRESSIONS, IMAGES, LISTS, AffectNet

BOX = ["face_x", "face_y", "face_width", "face_height"]
HEAD = ["subDirectory_filePath", *BOX, "facial_landmarks", "expression", "valence", "arousal"]
ROWS = {  # file, box, expression, valence, arousal
    "training": [
        ("1/a.png", (2, 3, 10, 8), 1, 0.5, 0.25),
        ("1/b.png", (0, 0, 20, 16), 6, -0.5, 1),
        ("1/b.png", (5, 0, 6, 6), 0, 0, 0),
        ("1/c.png", (0, 0, 20, 16), 9, -2, -2),
        ("1/c.png", (0, 0, 20, 16), 10, -2, -2),
        ("2/a.png", (0, 0, 20, 16), 2, -2, -2),
        ("2/d.png", (0, 0, -1, 16), 2, -0.5, -0.5),
    ],
    "validation": [("1/v.png", (18, 0, 4, 4), 7, -1, 0.1)],
}


def photo(seed, size=(16, 20)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue(), np.moveaxis(pixels, -1, 0)


def npy(value):
    made = io.BytesIO()
    np.save(made, value)
    return made.getvalue()


def lists(rows=ROWS):
    return {
        LISTS[part]: pd.DataFrame([(file, *box, "1;2", *rest) for file, box, *rest in found], columns=HEAD)
        .to_csv(index=False)
        .encode()
        for part, found in rows.items()
    }


@pytest.fixture
def older(tmp_path, put_files):
    names = sorted({row[0] for rows in ROWS.values() for row in rows})
    images = {f"{IMAGES}/{name}": photo(k)[0] for k, name in enumerate(names)}
    return put_files(tmp_path / "affectnet", {**images, **lists()})


@pytest.fixture
def newer(tmp_path, put_files):
    files = {}
    for part, seed in (("train_set", 0), ("val_set", 50)):
        for k, (code, valence, arousal) in enumerate([(1, 0.5, 0.25), (6, -0.5, 1.0), (3, -2.0, -2.0)]):
            files[f"{part}/images/{k}.jpg"] = photo(seed + k)[0]
            kinds = {"exp": np.array(str(code)), "val": np.array([valence]), "aro": np.array(str(arousal))}
            kinds["lnd"] = np.zeros(136)
            files |= {f"{part}/annotations/{k}_{kind}.npy": npy(value) for kind, value in kinds.items()}
    return put_files(tmp_path / "affectnet", files)


def test_the_older_release_is_read_and_faces_cut_out(older):
    source = AffectNet(older)
    table = source.table()
    assert table["trial"].tolist() == ["training/1/a", "training/1/b", "training/1/b#2", "validation/1/v"]
    assert table["expression"].tolist() == ["happy", "anger", "neutral", "contempt"]
    assert table[["valence", "arousal"]].to_numpy().tolist() == [[0.5, 0.25], [-0.5, 1], [0, 0], [-1, 0.1]]
    assert table["part"].tolist() == ["training"] * 3 + ["validation"]
    assert table["photo"].tolist() == ["1/a.png", "1/b.png", "1/b.png", "1/v.png"]
    assert table["source"].eq("affectnet").all()
    a, _, b, v = (r.signal("face").data[0] for r in source.load())
    assert np.array_equal(a, photo(0)[1][:, 3:11, 2:12])
    assert np.array_equal(b, photo(1)[1][:, :6, 5:11])
    assert v.shape == (3, 4, 2), "half of the box lies outside"
    whole = AffectNet(older, crop=False, grey=True)
    assert whole.table()["trial"].tolist()[-2:] == ["training/2/d", "validation/1/v"]
    assert whole.load().images().X.shape == (5, 1, 16, 20)
    assert source.load().images(size=(8, 8)).X.shape == (4, 1, 8, 8)


def test_what_is_left_out_is_counted(older):
    notes = "\n".join(map(str, AffectNet(older).check()))
    assert "2 photographs left out by expression: uncertain 1, no-face 1" in notes
    assert "1 photographs have no valence or no arousal: left out" in notes
    assert "1 boxes have no size: left out" in notes
    assert "1 rows name a photograph that an earlier row names" in notes
    everything = AffectNet(older, (*EXPRESSIONS, "uncertain", "no-face"), missing="keep", crop=False)
    table = everything.table()
    assert len(table) == 8
    assert table["valence"].isna().sum() == 3
    assert AffectNet(older, ["sad"], missing="keep").table()["trial"].tolist() == ["training/2/a"]


def test_a_box_that_is_missing_leaves_the_photograph_out(older):
    damaged("training", 0, "face_x", "NULL")(older)
    damaged("validation", 0, "face_height", None)(older)
    assert AffectNet(older).table()["trial"].tolist() == ["training/1/b", "training/1/b#2"]
    assert any("3 boxes have no size" in str(note) for note in AffectNet(older).check())
    assert len(AffectNet(older, crop=False).table()) == 5


def test_the_newer_release_is_read_whatever_type_numbers_have(newer):
    source = AffectNet(newer)
    table = source.table()
    assert table["trial"].tolist() == ["training/0", "training/1", "validation/0", "validation/1"]
    assert table["expression"].tolist() == ["happy", "anger"] * 2
    assert table["valence"].tolist() == [0.5, -0.5] * 2
    assert table["arousal"].tolist() == [0.25, 1.0] * 2
    assert [
        np.array_equal(r.signal("face").data[0], photo(s)[1])
        for r, s in zip(source.load(), (0, 1, 50, 51), strict=True)
    ]
    assert len(AffectNet(newer, missing="keep").table()) == 6
    assert "2 photographs have no valence or no arousal: left out" in "\n".join(map(str, source.check()))


def test_other_packagings_have_expressions_alone(tmp_path, put_files, words):
    put_files(tmp_path / "a", {"train/0/x.png": photo(0)[0], "test/6/x.png": photo(1)[0]})
    table = AffectNet(tmp_path / "a").table()
    assert dict(zip(table["part"], table["expression"], strict=True)) == {"training": "neutral", "test": "anger"}
    assert "valence" not in table
    assert any("no valence" in str(note) for note in AffectNet(tmp_path / "a").check())
    put_files(tmp_path / "b", {"val/Anger/x.png": photo(0)[0], "val/contempt/x.png": photo(1)[0]})
    assert AffectNet(tmp_path / "b").table()["expression"].tolist() == ["anger", "contempt"]
    put_files(tmp_path / "b", {"val/8/x.png": photo(0)[0]})
    with pytest.raises(DataError) as error:
        AffectNet(tmp_path / "b").table()
    words(error.value, "class '8'", "expected: one of neutral")


def damaged(part, row, column, value):
    def damage(folder):
        path = folder / LISTS[part]
        table = pd.read_csv(path).astype(object)
        table.loc[row, column] = value
        table.to_csv(path, index=False)

    return damage


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (damaged("training", 1, "expression", 11), ["training.csv, row 2, column expression", "0 to 10"]),
        (damaged("training", 1, "expression", 1.5), ["training.csv, row 2, column expression"]),
        (damaged("training", 1, "expression", "happy"), ["training.csv, row 2", "'happy' is not a number"]),
        (damaged("validation", 0, "valence", 5), ["validation.csv, row 1, column valence", "-1 to 1, or -2"]),
        (damaged("validation", 0, "arousal", None), ["validation.csv, row 1, column arousal"]),
        (damaged("training", 0, "face_width", "wide"), ["row 1, column face_width", "'wide' is not a number"]),
        (damaged("training", 0, "face_width", "inf"), ["row 1, column face_width"]),
        (damaged("training", 0, "expression", None), ["row 1, column expression"]),
        (damaged("training", 0, "subDirectory_filePath", None), ["row 1, column subDirectory_filePath"]),
        (damaged("training", 0, "face_x", 400), ["1/a.png lies at x 400", "20 x 16", "crop=False"]),
        (damaged("training", 0, "face_height", 1e9), ["1/a.png lies at"]),
        (lambda f: (f / "validation.csv").unlink(), ["holds no validation.csv"]),
        (lambda f: (f / "training.csv").write_bytes(b""), ["training.csv is empty"]),
        (lambda f: (f / "training.csv").write_text("expression\n1\n"), ["has no column subDirectory_filePath"]),
        (lambda f: (f / IMAGES / "1/a.png").unlink(), ["lacks 1 of 4 photographs", "1/a.png"]),
        (lambda f: (f / IMAGES / "1/a.png").write_bytes(b"\x89PNG"), ["a.png cannot be read"]),
    ],
)
def test_damage_of_the_older_release_is_said_in_words(older, words, folder_state, damage, expected):
    damage(older)
    before = folder_state(older)
    with pytest.raises(DataError) as error:
        AffectNet(older).check()
    words(error.value, *expected, "expected:")
    assert folder_state(older) == before


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("touch hostile",)


ANNOTATION = "train_set/annotations/1_{}.npy"
LYING = npy(np.zeros(3)).replace(b"(3,), }", b"(9**9,)}"), npy(np.zeros(3)).replace(b"(3,), }", b"(-3,)} ")


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("exp", npy(np.array(8)), ["1_exp.npy holds 8", "0 to 7"]),
        ("exp", npy(np.array(0.5)), ["1_exp.npy holds 0.5"]),
        ("exp", npy(np.array("happy")), ["1_exp.npy cannot be read"]),
        ("val", npy(np.array(3.0)), ["1_val.npy holds 3", "-1 to 1, or -2"]),
        ("aro", npy(np.zeros(136)), ["1_aro.npy holds 136 numbers", "136 would be landmarks"]),
        ("val", npy(np.array(np.nan)), ["1_val.npy holds no number"]),
        ("aro", b"", ["1_aro.npy cannot be read"]),
        ("aro", npy(np.array(0.5))[:-3], ["1_aro.npy cannot be read: it holds 5 bytes"]),
        ("aro", b"\x93NUMPY\x01\x00\x05\x00((((\n", ["1_aro.npy cannot be read"]),
        ("aro", LYING[0], ["1_aro.npy"]),
        ("aro", LYING[1], ["1_aro.npy"]),
        ("aro", npy(np.zeros(200_000)), ["1_aro.npy cannot be read: it has more than"]),
        ("aro", npy(np.array(Hostile(), dtype=object)), ["1_aro.npy cannot be read: it holds values of type object"]),
        ("exp", None, ["There is no file", "1_exp.npy"]),
    ],
)
def test_damaged_annotations_are_said_in_words(
    newer, words, put_files, folder_state, monkeypatch, kind, content, expected
):
    monkeypatch.chdir(newer)
    path = newer / ANNOTATION.format(kind)
    put_files(newer, {path.name: b""} if content is None else {ANNOTATION.format(kind): content})
    if content is None:
        path.unlink()
    before = folder_state(newer)
    with pytest.raises(DataError) as error:
        AffectNet(newer).check()
    words(error.value, *expected, "expected:")
    assert folder_state(newer) == before, "something was written, or run"


def test_absent_folders_and_wrong_choices_are_said_in_words(older, newer, tmp_path, words):
    with pytest.raises(SourceNotFoundError, match="There is no"):
        AffectNet(tmp_path / "nowhere").subjects()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no photograph"):
        AffectNet(tmp_path / "empty").subjects()
    with pytest.raises(InputError) as error:
        AffectNet(older, ["hapy"])
    words(error.value, "no expression 'hapy'", "happy")
    with pytest.raises(InputError, match="drop or keep"):
        AffectNet(older, missing="fill")
    with pytest.raises(DataError, match="no photograph that is wanted"):
        AffectNet(older, ["surprise"]).subjects()
