"""Measurements can be begun: scripts load, say how they are run, and the methods that they name exist."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest

from thymos.evaluation import load_study

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
