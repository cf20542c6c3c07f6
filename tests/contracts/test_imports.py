"""Imports run one way only, and nothing heavy is imported before it is used."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import thymos

SRC = Path(thymos.__file__).parent

#: Each room, and the rooms it may import.
DOORS = {
    "base": set(),
    "signals": {"base"},
    "sources": {"base", "signals"},
    "nn": set(),
    "training": {"base", "nn"},
    "models": {"base", "nn", "training"},
    "augmentation": {"base", "signals", "nn", "training", "models"},
    "evaluation": {"base", "signals"},
    "report": {"base", "evaluation"},
    "serving": {"base", "signals", "training", "models"},
}
#: Of every room but the command line, which may know them all.
FILES = sorted(p for p in SRC.rglob("*.py") if p.parent not in (SRC, SRC / "cli"))


def imported(path):
    """Yield every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield node.module


def test_every_file_is_in_a_room():
    assert {p.relative_to(SRC).parts[0] for p in SRC.rglob("*.py") if p.parent != SRC} == {*DOORS, "cli"}
    assert {p.name for p in SRC.glob("*.py")} == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_imports_only_lead_down(path):
    room = path.relative_to(SRC).parts[0]
    for name in imported(path):
        if name.split(".")[0] == "thymos" and name != "thymos":
            other = name.split(".")[1]
            assert other == room or other in DOORS[room], f"{room} imports {name}"


def test_nobody_imports_the_command_line():
    assert not [p for p in FILES if any(f"{name}.".startswith("thymos.cli.") for name in imported(p))]


@pytest.mark.parametrize("statement", ["import thymos", "import thymos.cli", "import thymos.models, thymos.sources"])
def test_heavy_libraries_are_imported_on_use(statement):
    heavy = ["torch", "sklearn", "mne", "matplotlib", "pandas", "scipy", "skorch", "imblearn"]
    code = f"import sys; {statement}; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_nothing_in_the_package_can_run_code_from_a_file():
    calls = {"eval", "exec"}
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                owner = getattr(getattr(node.func, "value", None), "id", "")
                assert called not in calls or isinstance(node.func, ast.Attribute), f"{path}: {called}"
                assert (owner, called) not in {("pickle", "load"), ("pickle", "loads"), ("yaml", "load")}, path
                assert not any(k.arg == "allow_pickle" and getattr(k.value, "value", 0) is True for k in node.keywords)


def test_every_extra_that_is_asked_for_can_be_installed():
    asked = {
        (path.name, match[1])
        for path in SRC.rglob("*.py")
        for match in re.finditer(r'require\("[\w.]+", "(\w+)"\)', path.read_text())
    }
    extras = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert len(asked) > 5
    assert {extra for _, extra in asked} <= set(extras), asked
    assert set(re.findall(r"\w+", extras["dev"][0].partition("[")[2])) == set(extras) - {"dev"}
