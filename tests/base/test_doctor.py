"""The installation is looked at, and each thing that is missing comes with the line that helps."""

import sys
from importlib import metadata

import pytest

from thymos.base import doctor


@pytest.fixture
def requirements(monkeypatch):
    """Return a setter of what Thymos says that it needs."""

    def set_to(*texts, names=("colour", "broken", "dev")):
        monkeypatch.setattr(doctor.metadata, "requires", lambda package: list(texts))
        message = type("Message", (), {"get_all": lambda self, key: list(names)})()
        monkeypatch.setattr(doctor.metadata, "metadata", lambda package: message)

    return set_to


def _lines(made):
    return {line.what: line for line in made}


def test_a_whole_installation_has_nothing_wrong(tmp_path):
    lines = _lines(doctor.environment(tmp_path / "cache" / "deep"))
    assert {line.state for line in lines.values()} <= {"ok", "note"}
    assert sys.executable in lines["Python"].said
    assert "PyTorch" in lines["computing"].said
    assert "GB" in lines["memory"].said


def test_what_is_always_needed_is_wrong_where_it_lacks(tmp_path, requirements):
    requirements("numpy>=1", "numpy<1", "there-is-no-such-thing>=3")
    line = _lines(doctor.environment(tmp_path))["packages it always needs"]
    assert line.state == "wrong"
    assert f"numpy {metadata.version('numpy')}, but <1 is needed" in line.said
    assert "there-is-no-such-thing is not installed" in line.said
    assert "pip install" in line.do


def test_every_extra_is_listed_with_its_line_and_those_of_developers_are_not(requirements):
    requirements(
        *('numpy>=1; extra == "colour"', 'there-is-no-such-thing; extra == "broken"', 'scipy>=1; extra == "broken"'),
        *('ruff; extra == "dev"', "pandas"),
    )
    lines = _lines(doctor.extras())
    assert list(lines) == ["extra colour", "extra broken"]
    assert (lines["extra colour"].state, lines["extra colour"].do) == ("ok", "")
    assert (lines["extra broken"].state, lines["extra broken"].do) == ("missing", "pip install 'thymos[broken]'")


def test_a_folder_that_cannot_be_written_to_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda place, mode: False)
    line = _lines(doctor.environment(tmp_path))["cache"]
    assert line.state == "note"
    assert "not writable" in line.said
    assert "--no-cache" in line.do


def test_from_source_it_says_that_nothing_is_installed(tmp_path, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", missing)
    line = _lines(doctor.environment(tmp_path))["packages it always needs"]
    assert (line.state, line.do) == ("note", "pip install -e .")
    assert list(doctor.extras()) == []
