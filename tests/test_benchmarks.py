"""Measurements can be begun: scripts load, say how they are run, and the methods that they name exist."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from unittest.mock import patch

import pytest

#: What belongs to ``honesty.py`` and is no script.
CASES = {"honesty_cases", "honesty_fresh"}
SCRIPTS = {path.stem: path for path in sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))}


def load(name):
    spec = spec_from_file_location(name, SCRIPTS[name])
    module = module_from_spec(spec)
    with patch.dict(os.environ), patch("sys.path", [str(SCRIPTS[name].parent), *sys.path]):
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - CASES))
def test_a_measurement_loads_and_says_how_it_is_run(name):
    module = load(name)
    assert callable(module.main)
    assert f"benchmarks/{name}.py" in module.__doc__


def test_all_methods_are_made_that_are_tried_where_there_is_nothing():
    null = load("null")
    last = {method: type(null.pipeline(method, 0)[-1]).__name__ for method in null.METHODS}
    assert last == {
        **dict.fromkeys(("lda", "gan"), "LinearDiscriminantAnalysis"),
        **dict.fromkeys(("search", "search_gan"), "PersonalisedSearch"),
        "lel": "LELClassifier",
    }
