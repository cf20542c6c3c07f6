import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.images import ImageFolder
from thymos.sources.simulate.images import album, write_images

SMALL = {"people": 5, "photos": 3}
PERSON = r"(?P<subject>p\d+)"


def test_what_is_written_is_read(check_writer):
    folder, truth = check_writer(write_images, "images", ".png", **SMALL)
    source = ImageFolder(folder, subject_pattern=PERSON)
    samples = source.load().images()
    made = album(15, 5, 3)
    facts = samples.meta.set_index("trial")
    known = {"train": "training", "val": "validation", "test": "test"}
    for k, row in enumerate(truth["photographs"]):
        part, label, name = row["file"].removesuffix(".png").split("/")
        trial = f"{known[part]}/{label}/{name}"
        assert np.array_equal(samples.X[facts.index.get_loc(trial), 0], made.pictures[k])
        assert facts.loc[trial, "emotion"] == label == row["label"] == made.label[k]
        assert facts.loc[trial, "identity"] == f"p{row['person'] + 1:02d}"
    assert facts.groupby("identity")["part"].nunique().eq(1).all(), "a person is on two sides"
    assert facts.groupby("part")["identity"].nunique().to_dict() == {"training": 3, "validation": 1, "test": 1}


def test_folders_without_parts_and_wrong_parameters(tmp_path):
    folder = write_images(tmp_path, people=2, photos=2, parts=False, size=24)
    assert "part" not in ImageFolder(folder).table()
    assert ImageFolder(folder).load().images().X.shape == (4, 1, 24, 24)
    with pytest.raises(InputError, match="3 or more"):
        write_images(tmp_path / "other", people=2)
    assert not (tmp_path / "other").exists()
