import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.fer2013 import FER2013
from thymos.sources.images import duplicate_table
from thymos.sources.simulate.fer2013 import NAMES, write_fer2013
from thymos.sources.simulate.images import album

SMALL = {"photos": [12, 5, 4], "people": 3, "copies": 0.5}
PARTS = ["training"] * 12 + ["validation"] * 5 + ["test"] * 4


@pytest.mark.parametrize(("form", "suffix", "off"), [("csv", ".csv", 0), ("folder", ".jpg", 8), ("zip", ".zip", 8)])
def test_what_is_written_is_read(check_writer, form, suffix, off):
    folder, truth = check_writer(write_fer2013, "fer2013", suffix, form=form, **SMALL)
    source = FER2013(folder)
    samples = source.load().images()
    made = album(21, 3, 3)
    pictures = made.pictures.copy()
    assert 2 <= len(truth["copies"]) <= 7
    for copy in truth["copies"]:
        pictures[copy["row"]] = pictures[copy["of"]]
    number = samples.meta["trial"].str.extract(r"(\d+)$")[0].astype(int).to_numpy()
    assert sorted(number) == list(range(21))
    assert np.abs(samples.X[:, 0].astype(int) - pictures[number]).mean(axis=(1, 2)).max() <= off / 4
    assert samples.meta["emotion"].tolist() == [NAMES[made.label[k]] for k in number]
    assert samples.meta["part"].tolist() == [PARTS[k] for k in number]
    across = duplicate_table(source.survey)[1].set_index(["first", "second"])["files_second"]
    assert across["training", "validation"] + across["training", "test"] == len(truth["copies"])


def test_wrong_parameters_leave_nothing(tmp_path):
    for wrong in ({"form": "tar"}, {"photos": [3, 3]}, {"photos": [3, 0, 3]}, {"copies": 2}, {"people": 0}):
        with pytest.raises(InputError):
            write_fer2013(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())
