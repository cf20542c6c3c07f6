"""What samplers generate, from the command line, in this process."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from thymos.base.errors import InputError
from thymos.cli import app

ENTROPY = {"differential_entropy": {"bands": "deap"}}
STUDY = {
    "name": "augmented",
    "title": "Augmented",
    "source": {"simulated-eeg": {"subjects": 2, "trials": 16, "seconds": 4}},
    "windows": {"seconds": 0.5},
    "target": {"label": "valence", "above": 5.0},
    "protocols": {"trial": {"parameters": {"within": "", "n_splits": 3}}},
    "methods": {
        "smote": {"title": "SMOTE", "steps": [ENTROPY, "channel_scaler", "smote", "flatten", "lda"]},
        "fewer": {"steps": [ENTROPY, "flatten", {"imblearn.under_sampling:RandomUnderSampler": {}}, "lda"]},
        "plain": {"steps": [ENTROPY, "flatten", "lda"]},
    },
}


def thymos(*arguments, raises=None):
    result = CliRunner().invoke(app, ["augment", *map(str, arguments), "--no-cache"])
    assert isinstance(result.exception, raises or (SystemExit, type(None))), result.exception
    return result


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "augmented.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return path


def test_a_study_ends_with_a_table_words_and_a_page(plan, tmp_path, monkeypatch):
    out = tmp_path / "look"
    result = thymos(plan, "--method", "smote", "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.rstrip().endswith(f"written: {out / 'generated.html'}")
    assert "smote (Smote)" in result.stdout
    assert "copies of training rows" in result.stdout
    assert json.loads((out / "quality.json").read_text())["methods"]["smote"]["verdict"] == "bad"
    monkeypatch.setattr("thymos.evaluation.generated.generate_study", lambda *_: 1 / 0)  # refused before it is computed
    again = thymos(plan, "--method", "smote", "--out", out, raises=InputError)
    assert "already exists" in str(again.exception)


def test_a_method_without_new_samples_is_said_and_the_others_are_shown(plan, tmp_path):
    result = thymos(plan, "--out", tmp_path / "look")
    assert result.exit_code == 1
    assert "RandomUnderSampler" in result.stderr
    assert "Nothing to show" in (tmp_path / "look" / "generated.html").read_text()


def test_mistakes_end_in_words_and_leave_no_folder(plan, tmp_path):
    out = tmp_path / "look"
    for options, words in (
        (["--method", "plain"], "'plain' has no sampler"),
        (["--fold", "9"], "no fold '9'"),
        (["--protocol", "tiral"], "Did you mean 'trial'"),
    ):
        result = thymos(plan, *options, "--out", out, raises=InputError)
        assert words in str(result.exception)
        assert not out.exists()
