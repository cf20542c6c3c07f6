"""What tests of readers share: files put into folders, and the way to real ones."""

import os
from pathlib import Path

import pytest


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
def real_folder(real_data):  # asking for real_data marks a test
    """Return a function: name of a corpus -> its own folder of real data, or skip with a reason."""
    data = Path(os.environ.get("THYMOS_DATA", Path(__file__).resolve().parents[3] / "shared/data"))

    def find(name):
        if not (data / name).is_dir():
            pytest.skip(f"{name} is not at {data / name}; set THYMOS_DATA")
        return data / name

    return find
