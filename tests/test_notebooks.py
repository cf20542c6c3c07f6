"""Every notebook runs from its first cell to its last."""

import json
from pathlib import Path

import pytest

from thymos.evaluation.systems import SYSTEMS

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def _cells(name, kind):
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_there_is_one_for_each_system_without_stored_output():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(SYSTEMS)
    for name in SYSTEMS:
        cells = json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]
        assert not any(cell.get("outputs") for cell in cells)
        assert any("thymos run" in text for text in _cells(name, "markdown"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_notebook_runs(name, capsys):
    scope = {"__name__": "notebook"}
    for number, code in enumerate(_cells(name, "code")):
        exec(compile(code, f"{name}, cell {number}", "exec"), scope)
    assert capsys.readouterr().out
