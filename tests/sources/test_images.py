import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.evaluation.make import make_samples
from thymos.evaluation.study import make_protocol
from thymos.evaluation.study_files import load_study
from thymos.sources.catalogue import SOURCES
from thymos.sources.check import check_source
from thymos.sources.images import ImageFolder, duplicate_table


def png(seed=0, size=(8, 10), colour=False):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (*size, 3) if colour else size).astype(np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue(), pixels


@pytest.fixture
def folder(tmp_path, put_files):
    names = [f"{part}/{label}/p{k}-x.png" for part in ("train", "val", "test") for label in "ab" for k in range(2)]
    return put_files(tmp_path / "images", {name: png(k)[0] for k, name in enumerate(names)})


def test_photographs_are_read_with_part_class_and_a_unique_trial(folder):
    source = ImageFolder(folder)
    recordings = list(source.load())
    table = pd.DataFrame([r.meta for r in recordings])
    assert table.equals(source.table())
    assert table["part"].value_counts().to_dict() == {"training": 4, "validation": 4, "test": 4}
    assert table["trial"].is_unique
    assert table["trial"].tolist()[0] == "test/a/p0-x"
    assert table["subject"].eq("unknown").all()
    assert source.subjects() == ["unknown"]
    by_trial = {r.meta["trial"]: r for r in recordings}
    frames = by_trial["training/b/p1-x"].signal("face")
    assert frames.sfreq == 0
    assert np.array_equal(frames.data[0, 0], png(3)[1])
    assert source.load().images().X.shape == (12, 1, 8, 10)


def test_nothing_is_decoded_before_it_is_asked_for(folder):
    (folder / "train/a/p0-x.png").write_bytes(b"no picture")
    recordings = {r.meta["trial"]: r for r in ImageFolder(folder).load()}
    assert recordings["training/a/p1-x"].signal("face").data.shape == (1, 1, 8, 10)
    with pytest.raises(DataError, match=r"p0-x\.png cannot be read"):
        recordings["training/a/p0-x"].signal("face")


def test_a_zip_archive_and_a_nested_folder_give_the_same(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, f"inner/{path.relative_to(folder)}")
        archive.writestr("__MACOSX/train/a/._p0.png", b"x")
    plain, zipped = (ImageFolder(root).load().images() for root in (folder, tmp_path / "made.zip"))
    assert np.array_equal(plain.X, zipped.X)
    assert plain.meta.equals(zipped.meta)
    assert ImageFolder(tmp_path / "images").table().equals(plain.meta[ImageFolder(folder).table().columns])


def test_classes_are_mapped_by_name_and_unknown_ones_refused(folder, words, put_files):
    put_files(folder, {"val/B/late.png": png(50)[0]})
    source = ImageFolder(folder, classes={"A": "anger", "b": "boredom"}, label="expression")
    assert source.table()["expression"].value_counts().to_dict() == {"anger": 6, "boredom": 7}
    assert source.table()["trial"][0] == "test/anger/p0-x"
    with pytest.raises(DataError) as error:
        ImageFolder(folder, classes={"a": "anger"}).subjects()
    words(error.value, "class 'b'", "p0-x.png", "expected: one of a")


def test_identity_comes_from_file_names(folder, words):
    source = ImageFolder(folder, subject_pattern=r"(?P<subject>p\d+)-")
    assert source.subjects() == ["p0", "p1"]
    assert source.table()["identity"].equals(source.table()["subject"])
    assert {r.meta["subject"] for r in source.load(["p1"])} == {"p1"}
    with pytest.raises(InputError, match="no subject p7"):
        source.load(["p7"])
    with pytest.raises(DataError) as error:
        ImageFolder(folder, subject_pattern=r"(?P<subject>q\d+)").subjects()
    words(error.value, "names nobody", "q\\d+")
    for pattern in ("(", "p(.)"):
        with pytest.raises(InputError, match="subject_pattern"):
            ImageFolder(folder, subject_pattern=pattern).subjects()


def test_colour_is_kept_on_request(tmp_path, put_files):
    content, pixels = png(colour=True)
    put_files(tmp_path, {"a/x.png": content})
    assert ImageFolder(tmp_path).load().images().X.shape == (1, 1, 8, 10)
    made = ImageFolder(tmp_path, grey=False).load().images(grey=False)
    assert np.array_equal(made.X[0], np.moveaxis(pixels, -1, 0))
    assert "part" not in ImageFolder(tmp_path).table()


def test_copies_in_a_nested_tree_are_left_out_and_counted(folder, words, put_files, folder_state):
    put_files(folder, {f"images/{p.relative_to(folder)}": p.read_bytes() for p in list(folder.rglob("*.png"))})
    before = folder_state(folder)
    source = ImageFolder(folder)
    assert len(source.table()) == 12
    assert any("12 photographs lie twice" in str(note) for note in source.check())
    put_files(folder, {"images/train/a/p0-x.png": png(99)[0]})
    with pytest.raises(DataError) as error:
        ImageFolder(folder).check()
    words(error.value, "train/a/p0-x.png", "same part, class and name", "and differ")
    put_files(folder, {"images/train/a/p0-x.png": png(0)[0]})
    assert folder_state(folder) == before, "a reader wrote into the folder"


def test_files_that_differ_in_suffix_alone_stay_apart(tmp_path, put_files):
    put_files(tmp_path, {"a/x.png": png(0)[0], "a/x.bmp": png(1)[0]})
    assert ImageFolder(tmp_path).table()["trial"].tolist() == ["a/x.bmp", "a/x.png"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ["holds no photograph", "<class>/<file>"]),
        ({"notes.txt": b"x"}, ["holds no photograph"]),
        ({"x.png": b"x"}, ["x.png is in no folder of a class"]),
        ({"train/x.png": b"x"}, ["x.png is in no folder of a class"]),
        ({"train/a/x.png": b"x", "b/y.png": b"x"}, ["y.png is in no folder of a part"]),
    ],
    ids=["empty", "no photograph", "no class", "part only", "half in parts"],
)
def test_folders_that_do_not_fit_are_said_in_words(tmp_path, words, files, expected, put_files):
    put_files(tmp_path, files)
    with pytest.raises(DataError) as error:
        ImageFolder(tmp_path).check()
    words(error.value, *expected, "expected:")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", png()[0][:60], b"<svg/>"], ids=len)
def test_damaged_photographs_are_said_in_words(folder, words, content, put_files, folder_state):
    put_files(folder, {"val/b/p1-x.png": content})
    before = folder_state(folder)
    with pytest.raises(DataError) as error:
        ImageFolder(folder).check()
    words(error.value, "p1-x.png", "expected: a photograph")
    assert folder_state(folder) == before


def test_an_absent_or_damaged_root_is_said_in_words(tmp_path, words):
    with pytest.raises(SourceNotFoundError, match="There is no"):
        ImageFolder(tmp_path / "nowhere").subjects()
    (tmp_path / "made.zip").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DataError) as error:
        ImageFolder(tmp_path / "made.zip").subjects()
    words(error.value, "made.zip cannot be read", "expected: a zip archive")


def test_duplicates_are_counted_within_and_across_parts():
    rows = [  # part, digest, label
        ("training", 1, "a"), ("training", 1, "b"), ("training", 2, "a"), ("training", 3, "a"), ("training", 3, "a"),
        ("test", 1, "a"), ("test", 2, "c"), ("test", 2, "a"), ("test", 9, "a"),
    ]  # fmt: skip
    within, across = duplicate_table(pd.DataFrame(rows, columns=["part", "digest", "emotion"]))
    assert within.set_index("part").loc["training"].tolist() == [5, 3, 2, 4, 2, 1, 2]
    assert within.set_index("part").loc["test"].tolist() == [4, 3, 1, 2, 1, 1, 2]
    assert within.set_index("part").loc["all"].tolist() == [9, 4, 3, 8, 5, 2, 6]
    assert across.to_numpy().tolist() == [["training", "test", 2, 3, 3, 1]]


def test_copies_emptiness_and_contrast_are_noticed(folder, put_files):
    grey = io.BytesIO()
    Image.fromarray(np.full((8, 10), 7, np.uint8)).save(grey, "PNG")
    faint = io.BytesIO()
    Image.fromarray(np.indices((8, 10)).sum(axis=0).astype(np.uint8) % 5).save(faint, "PNG")
    files = {"train/a/e.png": grey.getvalue(), "train/b/f.png": faint.getvalue(), "test/b/c.png": png(0)[0]}
    notes = [str(note) for note in ImageFolder(put_files(folder, files)).check()]
    assert notes == [
        "all: 1 of 15 photographs are exact copies of others: 1 groups of 2 files, 1 of them with several labels",
        "training / test: 1 photographs are in both: 1 files of training, 1 of test, 1 of the latter with a label that "
        "no copy in training has",
        f"{folder}: 1 photographs of one grey value throughout: training/a/e",
        f"{folder}: 1 photographs of very low contrast (SD below 5): training/b/f",
    ]


def test_a_check_says_that_people_cannot_be_told_apart(folder):
    texts = {}
    for pattern in (None, r"(?P<subject>p\d)"):
        found = check_source(ImageFolder(folder, subject_pattern=pattern), "images", SOURCES["images"])
        texts[pattern] = [line for line in found.lines if "told apart" in line.text]
    assert ["subject_pattern" in line.do for line in texts[None]] == [True]
    assert not texts[r"(?P<subject>p\d)"]


def test_the_study_of_the_page_on_faces_runs(tmp_path, put_files):
    page = Path(__file__).parents[2] / "docs/faces.md"
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page.read_text().split("## Photographs of your own")[1], re.S | re.M)
    (tmp_path / "study.yaml").write_text(text)
    names = [f"{c}/{p}_{k}.png" for c in ("happy", "sad") for p in ("anna", "ben", "carl") for k in range(2)]
    put_files(tmp_path / "images", {name: png(k, (48, 48))[0] for k, name in enumerate(names)})
    study = load_study(tmp_path / "study.yaml", "tiny")
    samples = make_samples(study, tmp_path)
    assert len(samples) == 12
    assert set(samples.meta["subject"]) == {"anna", "ben", "carl"}
    for name in study.protocols:
        assert make_protocol(study, name).folds(samples.meta, samples.y)
