"""What tests of readers share: files put into folders, and the way to real ones."""

import pytest

from thymos.sources.base import locate
from thymos.sources.catalogue import SOURCES


@pytest.fixture
def put_files():
    """Return a function: folder, mapping of name to bytes -> the folder, files written."""

    def put(folder, files):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder

    return put


@pytest.fixture(scope="session")
def real_folder(real_data):
    """Return a function: name of a source -> its own folder of real data, or skip with a reason."""
    return lambda name: locate(SOURCES[name], real_data(name))
