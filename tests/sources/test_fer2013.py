import io
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.sources.fer2013 import COUNTS, EMOTIONS, FER2013
from thymos.sources.images import duplicate_table

ROWS = [  # emotion, seed of the pixels, Usage
    ("neutral", 1, "Training"),
    ("sad", 2, "Training"),
    ("surprise", 3, "Training"),
    ("angry", 4, "PublicTest"),
    ("disgust", 2, "PublicTest"),
    ("fear", 5, "PrivateTest"),
    ("happy", 3, "PrivateTest"),
]
PART = {"Training": "training", "PublicTest": "validation", "PrivateTest": "test"}


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)


def write_csv(path, rows=ROWS, columns=("emotion", "pixels", "Usage"), edit=None):
    table = [[EMOTIONS.index(name), " ".join(map(str, pixels(seed).ravel())), usage] for name, seed, usage in rows]
    table = pd.DataFrame(table, columns=list(columns)).astype(object)
    if edit:
        column, row, change = edit
        table.loc[row, column] = change(table.loc[row, column])
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return path


def files(prefix=True):
    made = {}
    for k, (name, seed, usage) in enumerate(ROWS):
        content = io.BytesIO()
        Image.fromarray(pixels(seed)).save(content, "PNG")
        stem = f"{usage}_{k}" if prefix else f"im{k}"
        made[f"{'train' if usage == 'Training' else 'test'}/{name}/{stem}.png"] = content.getvalue()
    return made


@pytest.fixture
def folder(tmp_path, put_files):
    return put_files(tmp_path / "fer2013", files())


def by_part(source):
    samples = source.load().images()
    samples = samples[np.argsort((samples.meta["part"] + samples.meta["emotion"]).to_numpy(str))]
    return samples.X, samples.meta[["part", "emotion", "emotion_code"]]


def test_a_csv_in_an_archive_is_read_in_place_and_not_beyond_its_limit(tmp_path, monkeypatch, words):
    table = write_csv(tmp_path / "fer2013.csv")
    archive = tmp_path / "data" / "archive.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(table, "fer2013/fer2013.csv")
    inside, plain = (by_part(FER2013(place)) for place in (archive.parent, table))
    assert np.array_equal(inside[0], plain[0])
    assert inside[1].equals(plain[1])
    assert [p.name for p in archive.parent.iterdir()] == ["archive.zip"]
    monkeypatch.setattr("thymos.sources.fer2013._LARGEST_TABLE", 1000)
    with pytest.raises(DataError) as error:
        FER2013(archive).table()
    words(error.value, "archive.zip:fer2013/fer2013.csv", "larger than")


def test_csv_folder_and_archive_give_the_same(folder, tmp_path):
    (tmp_path / "csv").mkdir()
    csv = write_csv(tmp_path / "csv" / "fer2013.csv")
    blanks = write_csv(tmp_path / "icml" / "icml_face_data.csv", columns=("emotion", " pixels", " Usage"))
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "archive.zip", "w") as archive:
        for name, content in files().items():
            archive.writestr(name, content)
    X, meta = by_part(FER2013(folder))
    assert X.shape == (7, 1, 48, 48)
    order = sorted(ROWS, key=lambda row: PART[row[2]] + row[0])
    assert all(np.array_equal(x[0], pixels(seed)) for x, (_, seed, _) in zip(X, order, strict=True))
    assert meta["emotion"].tolist() == [name for name, *_ in order]
    assert meta["part"].tolist() == [PART[usage] for *_, usage in order]
    for root in (csv, csv.parent, blanks, blanks.parent, tmp_path / "zip", tmp_path / "zip" / "archive.zip"):
        other, facts = by_part(FER2013(root))
        assert np.array_equal(other, X)
        assert facts.equals(meta)


def test_codes_are_the_official_ones_not_the_order_of_folders(folder):
    table = FER2013(folder).table().drop_duplicates("emotion").set_index("emotion")["emotion_code"]
    assert table.to_dict() == {
        "angry": 0,
        "disgust": 1,
        "fear": 2,
        "happy": 3,
        "sad": 4,
        "surprise": 5,
        "neutral": 6,
    }
    assert FER2013(folder).table()["trial"].is_unique
    assert FER2013(folder).subjects() == ["unknown"]


def test_renamed_folders_are_not_taken_for_classes(folder, words):
    shutil.move(folder / "train" / "sad", folder / "train" / "4")
    with pytest.raises(DataError) as error:
        FER2013(folder).subjects()
    words(error.value, "class '4'", "expected: one of angry, disgust")


def test_without_prefixes_the_folder_tells_the_part_and_a_note_says_so(tmp_path, put_files):
    put_files(tmp_path, files(prefix=False))
    source = FER2013(tmp_path)
    assert source.table()["part"].value_counts().to_dict() == {"test": 4, "training": 3}
    notes = "\n".join(map(str, source.check()))
    assert "7 names have no prefix: their part is the folder's; validation (PublicTest) and test" in notes


def test_copies_are_kept_or_left_out_of_one_side(folder):
    assert len(FER2013(folder).table()) == 7
    fewer = FER2013(folder, copies="drop_training")
    assert fewer.table().groupby("part").size().to_dict() == {"test": 2, "training": 1, "validation": 2}
    assert len(list(fewer.load())) == 5
    clean = FER2013(folder, copies="drop_test")
    assert set(clean.table()["emotion"]) == {"neutral", "sad", "surprise", "angry", "fear"}
    assert clean.load().images().X.shape == (5, 1, 48, 48)
    with pytest.raises(InputError, match="keep, drop_training, drop_test"):
        FER2013(folder, copies="drop")


def test_counts_and_copies_are_noticed(folder):
    notes = "\n".join(map(str, FER2013(folder).check()))
    assert "training: other numbers than published: angry 0 instead of 3995" in notes
    assert "training / validation: 1 photographs are in both: 1 files of training, 1 of validation, 1 of" in notes
    assert "training / test: 1 photographs are in both" in notes


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("pixels", 2, lambda text: text.rsplit(" ", 1)[0]), ["row 3, column pixels: 2303 numbers", "2304 whole"]),
        (("pixels", 6, lambda text: text + " 7"), ["row 7, column pixels: 2305 numbers"]),
        (("pixels", 1, lambda text: ""), ["row 2, column pixels: 0 numbers"]),
        (("pixels", 1, lambda text: "256 " + text.split(" ", 1)[1]), ["row 2, column pixels: 256", "0 to 255"]),
        (("pixels", 1, lambda text: "9" * 40 + " " + text.split(" ", 1)[1]), ["row 2, column pixels: 9999"]),
        (("pixels", 3, lambda text: "-1 " + text.split(" ", 1)[1]), ["row 4, column pixels: '-1'"]),
        (("pixels", 3, lambda text: "1.5 " + text.split(" ", 1)[1]), ["row 4, column pixels: '1.5'"]),
        (("pixels", 3, lambda text: "nan " + text.split(" ", 1)[1]), ["row 4, column pixels: 'nan'"]),
        (("pixels", 3, lambda text: "\u0663 " + text.split(" ", 1)[1]), ["row 4, column pixels: '\u0663'"]),
        (("Usage", 0, lambda _: "Testing"), ["row 1, column Usage: 'Testing'", "Training, PublicTest, PrivateTest"]),
        (("emotion", 4, lambda _: 7), ["row 5, column emotion: '7'", "0 to 6"]),
        (("emotion", 4, lambda _: "happy"), ["row 5, column emotion: 'happy'"]),
        (("emotion", 4, lambda _: None), ["row 5, column emotion: ''"]),
    ],
)
def test_wrong_rows_of_the_csv_are_said_in_words(tmp_path, words, monkeypatch, edit, expected):
    for rows in (2048, 2):  # rows are counted across the pieces that are read
        monkeypatch.setattr("thymos.sources.fer2013._ROWS", rows)
        path = write_csv(tmp_path / "fer2013.csv", edit=edit)
        before = path.read_bytes()
        with pytest.raises(DataError) as error:
            FER2013(tmp_path).check()
        words(error.value, "fer2013.csv", *expected, "expected:")
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ["is empty", "emotion, pixels, Usage"]),
        (b"emotion,pixels\n0,1 2\n", ["has no column Usage; it has emotion, pixels"]),
        (b"emotion,pixels,Usage\n", ["has no rows"]),
        (b"\xff\xd8\xff\xe0" * 30, ["fer2013.csv"]),
        (b"emotion,pixels,Usage\n" + b"0,1 2,Training,x,y\n" * 3, ["fer2013.csv cannot be read", "header"]),
    ],
    ids=["empty", "column", "header only", "binary", "more cells"],
)
def test_other_tables_are_said_in_words(tmp_path, words, content, expected):
    (tmp_path / "fer2013.csv").write_bytes(content)
    with pytest.raises(DataError) as error:
        FER2013(tmp_path).check()
    words(error.value, *expected, "expected:")


def test_a_truncated_csv_is_said_in_words(tmp_path, words):
    path = write_csv(tmp_path / "fer2013.csv")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError) as error:
        FER2013(tmp_path).check()
    words(error.value, "fer2013.csv, row 7")


def test_damaged_folders_are_said_in_words(folder, tmp_path, words, put_files, folder_state):
    content = io.BytesIO()
    Image.fromarray(np.zeros((48, 47), np.uint8)).save(content, "PNG")
    put_files(folder, {"train/sad/Training_9.png": content.getvalue()})
    before = folder_state(folder)
    with pytest.raises(DataError) as error:
        FER2013(folder).check()
    words(error.value, "Training_9.png has 47 x 48 pixels", "expected: 48 x 48")
    put_files(folder, {"train/sad/Training_9.png": content.getvalue()[:50]})
    with pytest.raises(DataError, match=r"Training_9.png cannot be read"):
        FER2013(folder).check()
    put_files(folder, {"train/sad/Training_9.png": content.getvalue()})
    assert folder_state(folder) == before
    put_files(folder, {"test/sad/Training_9.png": b""})
    with pytest.raises(DataError) as error:
        FER2013(folder).subjects()
    words(error.value, "same part, class and name")
    put_files(tmp_path / "flat", {"sad/x.png": b""})
    with pytest.raises(DataError) as error:
        FER2013(tmp_path / "flat").subjects()
    words(error.value, "x.png names no part", "Training_")
    put_files(tmp_path / "two", {"a.zip": b"", "b.zip": b""})
    with pytest.raises(DataError) as error:
        FER2013(tmp_path / "two").subjects()
    words(error.value, "a.zip, b.zip", "point it at one")
    put_files(tmp_path / "cut", {"a.zip": b"PK\x03\x04"})
    with pytest.raises(DataError, match="a zip archive"):
        FER2013(tmp_path / "cut").subjects()
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no photograph"):
        FER2013(tmp_path / "none").subjects()
    with pytest.raises(SourceNotFoundError, match="There is no"):
        FER2013(tmp_path / "nowhere").subjects()


@pytest.fixture(scope="module")
def real(real_folder):
    source = FER2013(real_folder("fer2013"))
    return source, source.survey


def test_the_real_photographs_are_as_published(real):
    source, table = real
    assert len(table) == 35_887
    assert table["trial"].is_unique
    counts = pd.crosstab(table["part"], table["emotion"])
    assert {part: tuple(counts.loc[part, list(EMOTIONS)]) for part in COUNTS} == COUNTS
    assert not any("other numbers" in str(note) for note in source.check())
    shown = source.load().images().X
    assert shown.shape == (35_887, 1, 48, 48)
    assert shown.mean() == pytest.approx(129.385, abs=5e-4)


def test_the_real_copies_are_those_of_the_data_sheet(real):
    source, table = real
    within, across = duplicate_table(table)
    rows = within.set_index("part")
    columns = ["distinct", "groups", "in_groups", "redundant", "conflicting", "in_conflicting"]
    assert rows.loc["training", columns].tolist() == [27_473, 1_035, 2_271, 1_236, 39, 107]
    assert rows.loc["validation", columns].tolist() == [3_563, 26, 52, 26, 1, 2]
    assert rows.loc["test", columns].tolist() == [3_572, 16, 33, 17, 2, 4]
    assert rows.loc["all", columns].tolist() == [34_034, 1_516, 3_369, 1_853, 57, 160]
    assert across.to_numpy().tolist() == [
        ["training", "validation", 270, 351, 280, 7],
        ["training", "test", 278, 387, 288, 9],
        ["validation", "test", 43, 46, 44, 2],
    ]
    assert table["sd"].eq(0).sum() == 12
    faint = table["trial"][(table["sd"] > 0) & (table["sd"] < 5)]
    assert sorted(faint) == ["training/neutral/Training_3542668", "validation/happy/PublicTest_21832858"]
    training, test = (set(table["trial"][p]) for p in (table["part"] == "training", table["part"] != "training"))
    for copies, count in (("drop_training", 703), ("drop_test", 568)):
        fewer = FER2013(source.root, copies=copies)
        fewer.survey = table  # decoding once is enough
        gone = (training | test) - set(fewer.table()["trial"])
        assert len(gone) == count
        assert gone <= (training if copies == "drop_training" else test)
