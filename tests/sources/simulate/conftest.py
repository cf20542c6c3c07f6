"""What every writer of a layout promises."""

import json

import pytest

from thymos.base.errors import InputError
from thymos.sources.simulate.folder import TRUTH


@pytest.fixture
def check_writer(tmp_path):
    """Return a function that tries a writer: seeds, truth, null mode, and that nothing else is touched."""

    def contents(folder):
        return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def check(write, layout, data_suffix, **small):
        places = [tmp_path / name for name in ("one", "same", "other", "null")]
        settings = [{"random_state": 3}, {"random_state": 3}, {"random_state": 4}, {"random_state": 3, "null": True}]
        folders = [write(place, **small, **chosen) for place, chosen in zip(places, settings, strict=True)]
        one, same, other, null = map(contents, folders)
        assert [list(place.iterdir()) for place in places] == [[folder] for folder in folders]
        assert one == same
        truth = json.loads((folders[0] / TRUTH).read_text())
        assert truth["layout"] == layout
        assert truth["parameters"]["random_state"] == 3
        assert set(small) <= set(truth["parameters"])
        assert {str(name) for name in one} == {TRUTH, *truth["files"]}
        data = [name for name in one if name.suffix == data_suffix]
        assert data
        assert any(one[name] != other.get(name) for name in data)
        assert set(one) == set(null), "labels changed with the effect"
        assert any(one[name] != null[name] for name in data)
        write(places[0], **small, random_state=4)
        assert contents(folders[0]) == other, "an earlier simulation was left"
        (folders[0] / TRUTH).unlink()
        before = contents(folders[0])
        with pytest.raises(InputError, match="was not simulated"):
            write(places[0], **small)
        assert contents(folders[0]) == before
        return folders[1], json.loads((folders[1] / TRUTH).read_text())

    return check
