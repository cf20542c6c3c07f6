"""What the README promises."""

import json
import re
from pathlib import Path

import pandas as pd
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
    from thymos.evaluation.study_files import shipped_studies

    assert name in shipped_studies()


def test_what_it_says_of_its_table_is_stored():
    stored = pd.read_csv(ROOT / "results" / "lstm-gru-muse.quick.csv")
    stored = stored.query("metric == 'accuracy' and level == 'window'").set_index(["method", "protocol", "labels"])
    lstm = stored.xs("true", level="labels").loc["lstm_single", "value"]
    page = " ".join(README.split())
    assert f"A new recording leaves {lstm['recording']:.2f}, a new person {lstm['loso']:.2f}." in page


def test_how_often_the_audit_finds_something_is_stored():
    stored = json.loads((ROOT / "results" / "honesty-third-once.json").read_text())
    rates = [f"{row['rate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" for row in stored["by_strength"].values()]
    words = "at a first look, {} of the weak, {} of the middling, {} of the strong (20 cases of each)".format(*rates)
    assert {row["cases"] for row in stored["by_strength"].values()} == {20}
    page = " ".join(README.split())
    assert words in page
    assert f"accuses {len(stored['accused'])} of {stored['false_alarms']['n']} clean ones" in page
