"""What the README promises."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_it_names_the_two_commands_and_they_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.M)


def test_its_python_runs_on_a_small_scale(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    small = code.replace("subjects=8, trials=20", "subjects=2, trials=10, seconds=4.0")
    assert small != code
    exec(compile(small, "README.md", "exec"), {})
    assert 0 <= float(capsys.readouterr().out) <= 1


@pytest.mark.parametrize("name", re.findall(r"thymos run (\S+) --data", README)[:1])
def test_the_studies_it_names_exist(name):
    from thymos.evaluation.study import shipped_studies

    assert name in shipped_studies()
