import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.affectnet import AffectNet
from thymos.sources.simulate.affectnet import NAMES, write_affectnet
from thymos.sources.simulate.images import album

SMALL = {"photos": [10, 4], "people": 3, "size": 32, "missing": 0.3}


@pytest.mark.parametrize("form", ["older", "newer"])
def test_what_is_written_is_read(check_writer, form):
    folder, truth = check_writer(write_affectnet, "affectnet", ".jpg", form=form, **SMALL)
    source = AffectNet(folder, grey=True)
    assert source.form == form
    table = source.table()
    assert 4 <= len(table) < 14
    assert len(AffectNet(folder, missing="keep").table()) == (14 if form == "newer" else len(table))
    made = album(14, 3, 3, 32)
    rows = {row["file"]: k for k, row in enumerate(truth["photographs"])}
    samples = source.load().images()
    for x, photo, part, name in zip(samples.X[:, 0], table["photo"], table["part"], table["expression"], strict=True):
        k = rows[photo]
        assert part == ("training" if k < 10 else "validation")
        assert name == NAMES[made.label[k]]
        # a colour of its own darkens all grey values alike
        assert np.corrcoef(x.ravel(), made.pictures[k].ravel())[0, 1] > 0.98
    strong = table[table["expression"].isin(["happy", "sad"])]
    assert (np.sign(strong["valence"]) == np.where(strong["expression"] == "happy", 1, -1)).mean() > 0.7
    assert table[["valence", "arousal"]].abs().le(1).all(axis=None)


def test_wrong_parameters_leave_nothing(tmp_path):
    for wrong in ({"form": "third"}, {"photos": [3]}, {"missing": 2}, {"size": 4}):
        with pytest.raises(InputError):
            write_affectnet(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())
