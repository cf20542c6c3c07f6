"""One small run with inspections and panels, for the tests of their figures."""

import copy

import pytest

from thymos.evaluation.runner import run_study
from thymos.evaluation.study_files import parse_study
from thymos.report.view import RunView

_NETWORK = {"mlp": {"max_epochs": 3, "hidden": [4]}}
_STIMULI = [f"k{number:02}" for number in range(1, 13)]
_CLASSES = {"calm": _STIMULI[:6], "tense": _STIMULI[6:]}
STUDY = {
    "name": "looked-at",
    "title": "Looked at",
    "source": {"simulated-eeg": {"subjects": 2, "trials": 12, "seconds": 3, "montage": "muse4"}},
    "windows": {"seconds": 1.0},
    "target": {"label": "stimulus", "classes": _CLASSES},
    "protocols": {
        "trial": {"parameters": {"n_splits": 2}},
        "random_window": {"parameters": {"n_splits": 2}, "twin_of": "trial"},
    },
    "methods": {
        "lda": {"title": "Discriminant", "steps": ["window_statistics", "flatten", "lda"]},
        "mlp": {"title": "Network", "steps": ["window_statistics", "flatten", _NETWORK]},
    },
    "permuted": [],
    "inspections": {
        "robustness": {"parameters": {"levels": 1}},
        "real_time": {"parameters": {"windows": 3}, "folds": 1},
        "embedding": {"methods": ["mlp"], "folds": 1, "protocols": ["random_window"]},
    },
    "panels": [
        {"title": "Early", "figure": "roc", "methods": {"A": "lda", "B": "mlp"}},
        {"title": "Late", "figure": "roc", "methods": ["mlp"], "protocol": "random_window", "caption": "As published."},
        {"title": "Steady", "figure": "curves", "methods": ["lda", "mlp"]},
    ],
}


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory):
    """Return a view of a finished run, summarised once; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("thymos.evaluation.runner._audit", lambda *run: None)  # most of the time, and not shown here
        outcome = run_study(parse_study(STUDY), tmp_path_factory.mktemp("looked-at") / "out")
    assert outcome.failed == {}
    view = RunView(outcome.results.folder)
    assert set(view.inspections) == set(STUDY["inspections"])
    assert set(view.methods) == {"majority", "lda", "mlp"}
    return view


@pytest.fixture
def view(looked_at):
    """Return a view of the run whose attributes a test may set."""
    return copy.copy(looked_at)


@pytest.fixture
def few_figures(monkeypatch):
    """Leave out the figures that every report has."""
    for name in ("results", "inflation", "split", "confusions", "curves", "calibration"):
        monkeypatch.setattr(f"thymos.report.figures.{name}", lambda *of: "")
