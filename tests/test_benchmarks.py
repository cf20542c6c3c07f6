"""Measurements can be begun: scripts load, say how they are run, and the methods that they name exist."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch

from thymos.evaluation import load_study
from thymos.nn.images import ImageAugmentation

#: What belongs to ``honesty.py`` and is no script.
CASES = {"honesty_cases", "honesty_second", "honesty_third"}
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
        **dict.fromkeys(("eegnas", "eegnas_gan"), "EEGNASClassifier"),
        "lel": "LELClassifier",
    }


def test_the_diary_of_published_forms_is_kept_in_every_epoch():
    script = load("gru_long")
    model, noted = script.Watched(hidden=2, max_epochs=3, device="cpu", random_state=0), []
    X, y = np.random.default_rng(0).normal(size=(12, 2, 5)).astype(np.float32), np.repeat(["a", "b"], 6)
    script.Watched.diary = script.Diary(noted.append, model.arrange, X, y, np.unique(y))
    model.fit(X, y, validation=(X, y))
    assert [row["epoch"] for row in noted[-1]] == [1, 2, 3]
    assert noted[-1][model.best_epoch_ - 1]["test_accuracy"] == model.score(X, y)


@pytest.mark.parametrize(
    ("study", "shape", "estimator", "gone"),
    [
        ("gene-pruning-fer", (1, 48, 48), "compact_face_cnn", {}),
        ("gene-pruning-ravdess", (16, 1, 50), "speech_cnn", {"blocks.0.0.weight": [1, 2]}),
    ],
)
def test_pruned_networks_are_built_for_the_samples_of_their_run(study, shape, estimator, gone):
    pytest.importorskip("torch_pruning")
    script, content = load("pruned_speed"), load_study(study, "tiny").model_dump(mode="json")
    X = script.samples_like(SimpleNamespace(data={"shape": {"X": [7, *shape]}}, study=content))
    assert X.shape[1:] == shape
    assert X.dtype == (np.uint8 if content["images"] else np.float32)
    step = {"parameters": {"estimator": {"name": estimator, "parameters": {"width": 4}}}}
    whole, less = (script.estimator_of(step, channels, X, 8) for channels in ({}, gone))
    assert whole.predict_proba(X[:3]).shape == less.predict_proba(X[:3]).shape == (3, 8)
    sizes = [sum(p.numel() for p in made.module_.parameters()) for made in (whole, less)]
    assert (sizes[1] < sizes[0]) == bool(gone)
    assert content["images"] or 0 < script.before_network(content, 1) < 1e4


def begin(module, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, words)])
    module.main()


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - CASES - {"pruned_speed", "zoo"}))
def test_where_it_stores_is_made_before_it_measures(name, monkeypatch):
    class Made(Exception):
        pass

    def made(*given, **options):
        raise Made

    module = load(name)
    monkeypatch.setattr(Path, "mkdir", made)
    with pytest.raises(Made):
        begin(module, monkeypatch, *{"copies": ("--data", "x"), "inspected": ("x",)}.get(name, ()))


def test_the_peak_of_a_process_is_not_that_of_the_one_before():
    code = load("streaming").PEAK + "print(peak())"
    peak = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0 < peak < 2**26, "an empty process, less than this one with all that it has imported"


def test_only_a_lack_of_memory_counts_as_refused(tmp_path, monkeypatch):
    script = load("streaming")

    def ended(code, said):
        return script.refusal(subprocess.CompletedProcess([], code, "", said))

    assert ended(0, "") == "went through: no limit"
    assert ended(1, "Traceback\nnumpy._ArrayMemoryError: Unable to allocate") == (
        "numpy._ArrayMemoryError: Unable to allocate"
    )
    with pytest.raises(SystemExit, match="no recording"):
        ended(1, "Traceback\nInputError: no recording")
    (tmp_path / "seed").mkdir()
    with pytest.raises(SystemExit):
        begin(script, monkeypatch, "--folder", tmp_path, "--subjects", 2, "--out", tmp_path / "x.json")


def test_random_changes_have_as_many_threads_as_their_rival():
    pytest.importorskip("PIL")
    script, threads, seen = load("faces"), torch.get_num_threads(), []
    forward = ImageAugmentation.forward

    def watched(self, X):
        seen.append(torch.get_num_threads())
        return forward(self, X)

    try:
        torch.set_num_threads(2)
        with patch.object(ImageAugmentation, "forward", watched):
            script.changes(3, 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert seen == [1]


def test_stacks_are_trained_where_their_rival_is():
    script, rng = load("stacked"), np.random.default_rng(0)
    X, y = rng.standard_normal((4, 2, 3)).astype(np.float32), np.array([0, 1, 0, 1])
    with patch.object(script, "TorchClassifier", wraps=script.TorchClassifier) as made:
        for stacked in (True, False):
            script.estimators(script.mlp, [(X, y, X, y)], 2, 1, stacked=stacked)
    assert {call.kwargs["device"] for call in made.call_args_list} == {"cpu"}


def test_each_method_that_finds_nothing_has_a_table_of_its_own(tmp_path, monkeypatch):
    null = load("null")
    monkeypatch.chdir(tmp_path)

    def row(seed, method, name):
        return pd.DataFrame([{"protocol": name, "level": "trial", "value": 0.5, "p": 0.5, "seed": seed}])

    monkeypatch.setattr(null, "one_seed", lambda *of: row(*of).assign(method=of[1]))
    begin(null, monkeypatch, "--seeds", 1, "--method", "gan")
    assert [path.name for path in Path("results").iterdir()] == ["null-gan.csv"]
    with pytest.raises(SystemExit, match="rows of gan, not of search"):
        begin(null, monkeypatch, "--seeds", 1, "--method", "search", "--out", "results/null-gan.csv")
    row(0, "lda", "trial").to_csv("results/null.csv", index=False)  # as older tables are
    with pytest.raises(SystemExit, match="rows of lda, not of gan"):
        begin(null, monkeypatch, "--seeds", 1, "--method", "gan", "--out", "results/null.csv")
    begin(null, monkeypatch, "--seeds", 2)
    table = pd.read_csv("results/null.csv")
    assert len(table) == 2 * len(null.METHODS["lda"])
    assert set(table["method"]) == {"lda"}


def test_one_method_after_the_other_is_stored_without_the_rest(tmp_path, monkeypatch):
    script, out = load("sequential"), tmp_path / "new" / "found.json"
    rows = {"method": "gene", "forgetting_of_people": [0.1, 0.2, 0.4]}
    monkeypatch.setattr(script, "measured", lambda name, seed: rows | {"method": name, "seed": seed})
    begin(script, monkeypatch, "--only", "gene", "--seeds", 2, "--out", out)
    stored = json.loads(out.read_text())
    assert {name: (row["n_seeds"], row["n_people"]) for name, row in stored["forgetting"].items()} == {"gene": (2, 6)}

    def broken(name, seed):
        if seed:
            raise KeyboardInterrupt
        return rows | {"method": name, "seed": seed}

    monkeypatch.setattr(script, "measured", broken)
    with pytest.raises(KeyboardInterrupt):
        begin(script, monkeypatch, "--only", "dense", "--out", out)
    assert json.loads(out.read_text()) == stored
    half = json.loads(out.with_name("found.part.json").read_text())
    assert [(row["method"], row["seed"]) for row in half["rows"]] == [("dense", 0), ("gene", 0), ("gene", 1)]


def test_a_table_of_exported_models_is_whole_or_the_one_before(tmp_path, monkeypatch):
    script, out = load("exported"), tmp_path / "exported.csv"
    monkeypatch.setattr(script, "MODELS", {"a": None, "b": None})
    monkeypatch.setattr(script, "row_of", lambda name, *of: {"model": name, "difference": 0.5, "memory": None})
    begin(script, monkeypatch, "--out", out)
    assert pd.read_csv(out)["model"].tolist() == ["a", "b"]

    def broken(name, *of):
        if name == "b":
            raise KeyboardInterrupt
        return {"model": name, "difference": 0.1}

    monkeypatch.setattr(script, "row_of", broken)
    with pytest.raises(KeyboardInterrupt):
        begin(script, monkeypatch, "--out", out)
    assert pd.read_csv(out)["difference"].tolist() == [0.5, 0.5]
    begin(script, monkeypatch, "--only", "a", "--out", tmp_path / "one.csv")
    assert pd.read_csv(tmp_path / "one.csv")["model"].tolist() == ["a"]
    monkeypatch.chdir(tmp_path)
    begin(script, monkeypatch, "--only", "a")
    assert not Path("results").exists()


def test_exported_models_are_shown_where_none_has_failed(tmp_path):
    path = SCRIPTS["exported"].parent.parent / "docs" / "write_tables.py"
    spec = spec_from_file_location("write_tables", path)
    script = module_from_spec(spec)
    with patch.dict(sys.modules, write_tables=script), patch("sys.path", [str(path.parent), *sys.path]):
        spec.loader.exec_module(script)
    row = {f"{kind}_p{share}_1": 2.0 for kind in ("trained", "exported") for share in (50, 99)}
    (tmp_path / "results").mkdir()
    table = pd.DataFrame([{"model": "a", "difference": 1e-7, **row, "ratio_1": 1.0, "ratio_64": 3.0}])
    with patch.object(script, "ROOT", tmp_path):
        for number, stored in enumerate([table, pd.concat([table, pd.DataFrame([{"model": "b", "reason": "no"}])])]):
            stored.to_csv(tmp_path / "results" / "exported.csv", index=False)
            shown = script.exported()
            assert "| `a` | 1e-07 | 2.00 (2.00) | 2.00 (2.00) | 1.0 times | 3.0 times |" in shown, number
            assert "`b`" not in shown


@pytest.mark.parametrize("words", [("--kind", "no such kind"), ("--again", "--kind", "clean")])
def test_kinds_of_leaks_are_known_and_not_chosen_of_stored_ones(words, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        begin(load("honesty"), monkeypatch, "--seeds", 0, *words, "--out", tmp_path)
    assert words[0] in capsys.readouterr().err
