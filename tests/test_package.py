"""What is shipped: every file that the package reads goes into the wheel, and all say the same version."""

import re
import tomllib
from pathlib import Path

import yaml

import thymos

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_file_beside_the_modules_goes_into_the_wheel():
    place = ROOT / "src" / "thymos"
    packed = {
        path for pattern in PYPROJECT["tool"]["setuptools"]["package-data"]["thymos"] for path in place.glob(pattern)
    }
    there = {path for path in place.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert there == packed
    assert place / "py.typed" in packed


def test_the_citation_and_the_changelog_name_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == thymos.__version__
    assert citation["license"] == PYPROJECT["project"]["license"]
    assert re.search(rf"^## {re.escape(thymos.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_developers_get_every_extra():
    extras = PYPROJECT["project"]["optional-dependencies"]
    (ours,) = [text for text in extras["dev"] if text.startswith("thymos[")]
    assert set(re.search(r"\[(.*)\]", ours)[1].split(",")) == set(extras) - {"dev"}
