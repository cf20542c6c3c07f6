"""Every piece of Python in the docs runs, and every command in them is one that Thymos has.

``docs/run_commands.py`` runs those commands, which takes longer than tests may.
"""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from thymos.cli import app
from thymos.evaluation.systems import SYSTEMS
from thymos.sources.simulate.catalogue import LAYOUTS

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
#: Parameters that make what a page constructs small, put in front of its ``random_state``.
SMALLER = {
    "docs/generation-search.md": {
        "MaskedElectrodeGAN(": "width=8, max_steps=2, judge_every=2, filtered=False, ",
        "EEGNASClassifier(": "width=4, cells=1, nodes=2, search_epochs=1, max_epochs=1, ",
        "PersonalisedSearch(": "width=4, cells=1, nodes=2, search_epochs=1, personal_epochs=1, max_epochs=1, ",
    },
    "docs/lel.md": {"LELClassifier(": "max_epochs=1, blocks=1, "},
    "docs/faces.md": {"FaceCNN(": "width=4, max_epochs=1, "},
    "docs/body-and-fusion.md": {"PhysioLSTM(": "hidden=(4, 4), max_epochs=1, "},
}

#: Corpora that pages read, simulated.
TWINS = {
    "deap": {"subjects": 2, "trials": 3, "seconds": 12.0, "films": 0},
    "hku956": {"subjects": 2, "trials": 6, "seconds": [24, 30]},
}


def _script(name):
    """Return a script of the folder docs as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made  # dataclasses look there
    spec.loader.exec_module(made)
    return made


def _blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.S | re.M)


def _entropies(make_samples):
    """Return what the page on generated samples calls X, y, meta: entropies (n, bands, electrodes, windows)."""
    names = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2"]
    made = make_samples(subjects=2, trials=10, windows=3, shape=(4, 8, 4))
    kept = np.zeros(len(made), dtype=bool)
    kept[made.meta["trial"].str[-1].isin(["8", "9"])] = True
    X, y, meta = made.X, np.where(made.y == "calm", 0, 1), made.meta
    parts = {"X": X[~kept], "y": y[~kept], "meta": meta[~kept].reset_index(drop=True)}
    held = (X[kept], y[kept])
    new = {"X_new": X[kept], "meta_new": meta[kept].reset_index(drop=True)}
    return {"names": names, **parts, "held": held, **new}


def _windows(make_samples):
    made = make_samples(subjects=2, trials=6, windows=2, shape=(3, 64))
    X = made.X * np.float32(1e-5)
    return {"X": X[:16], "y": made.y[:16], "X_held": X[16:], "y_held": made.y[16:], "X_new": X[16:]}


def _faces(make_samples):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (24, 1, 24, 24)).astype(np.uint8), np.array(["happy", "sad"] * 12)
    held = (X[16:], y[16:])
    return {"X": X[:16], "y": y[:16], "X_held": held[0], "y_held": held[1], "X_new": X[16:], "held": held}


def _pipe(make_samples):
    from thymos.models import MLPClassifier
    from thymos.signals.scaling import ChannelScaler
    from thymos.signals.spectral import DifferentialEntropy
    from thymos.sources import SimulatedEEG
    from thymos.training.pipeline import make_pipeline

    samples = SimulatedEEG(subjects=2, trials=6, seconds=2.0, montage="muse4").load().windows(seconds=1.0)
    samples = samples.replace(y=np.where(samples.meta["stimulus"] > "k03", "high", "low"))
    pipe = make_pipeline(DifferentialEntropy(), ChannelScaler(), MLPClassifier(max_epochs=1, random_state=0))
    return {"pipe": pipe.fit(samples), "test": samples}


#: What a page takes for granted.
GIVEN = {
    "docs/saliency.md": _pipe,
    "docs/generation-search.md": _entropies,
    "docs/lel.md": _windows,
    "docs/faces.md": _faces,
}
#: Pages whose code needs files that it does not make; tests of their own run it, as named.
ELSEWHERE = {
    "docs/deploy.md": "tests/test_cli.py trains, exports and predicts",
    "docs/pruning.md": "tests/models/test_pruned.py",
    "docs/training.md": "tests/test_docs.py looks at what it prints",
    "README.md": "tests/test_readme.py",
}


@pytest.mark.usefixtures("unaudited", "few_resamples")
@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page) and page not in ELSEWHERE])
def test_the_python_of_a_page_runs(page, make_samples, tmp_path, monkeypatch):
    code = "\n".join(_blocks(page))
    for made, smaller in SMALLER.get(page, {}).items():
        assert made in code
        code = code.replace(made, made + smaller)
    monkeypatch.chdir(tmp_path)
    for place, name in set(re.findall(r'"(DIR|DATA)/(\w+)"', code)):
        (tmp_path / place).mkdir(exist_ok=True)
        LAYOUTS[name].load()(tmp_path / place, random_state=1, **TWINS[name])
    given = GIVEN[page](make_samples) if page in GIVEN else {}
    exec(compile(code, page, "exec"), {"__name__": "docs", **given})


def _commands(page):
    """Return the thymos commands in the code blocks of a page, without comments."""
    lines = _script("run_commands").commands(page)
    return [shlex.split(line)[1:] for line in lines if line.startswith("thymos ")]


@pytest.mark.parametrize("page", [page for page in PAGES if _commands(page)])
def test_the_commands_of_a_page_exist_with_their_options(page):
    group = typer.main.get_command(app)
    for words in _commands(page):
        command = group.commands.get(words[0])
        if hasattr(command, "commands"):
            command, words = command.commands.get(words[1]), words[1:]
        assert command is not None, words
        known = {name for parameter in command.params for name in parameter.opts}
        unknown = [word for word in words[1:] if word.startswith("--") and word.split("=")[0] not in known]
        assert not unknown, f"{page}: thymos {' '.join(words)}"


def test_every_command_of_the_pages_was_run_and_the_times_are_stored():
    script = _script("run_commands")
    table = pd.read_csv(ROOT / "results" / "commands.csv")
    assert set(table["page"]) == {page for page in PAGES if script.commands(page)}
    refused = [row for row in table.itertuples() if row.status]
    assert [row.command.startswith("thymos predict model volts.csv") for row in refused] == [True]
    words = f"{len(table)} commands take {table['seconds'].sum() / 60:.0f} minutes"
    assert words in " ".join((ROOT / "docs" / "index.md").read_text().split())
    assert {"make demo", "make test"} <= set(table["command"])


def test_pages_that_run_elsewhere_are_there():
    assert set(ELSEWHERE) <= set(PAGES)
    for words in ELSEWHERE.values():
        assert (ROOT / words.split()[0]).is_file()


def test_the_table_of_the_five_systems_is_made_of_stored_results():
    tables = _script("write_tables")
    for page, _, content in tables.PARTS:
        assert content() in (ROOT / page).read_text(), f"{page} is not up to date: python docs/write_tables.py"
    row = tables.ROWS[0]
    assert tables.cell(row, row.honest, row.table) in tables.made()
    assert set(tables.VERDICTS) == {row.system for row in tables.ROWS} == set(SYSTEMS)
    lstm = tables.found("lstm-gru-muse.quick", "lstm_single", "recording", "window", "accuracy")["value"]
    assert f"For a new recording {lstm:.2f}" in " ".join(tables.verdicts().split())
