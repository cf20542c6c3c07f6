import copy
import re

import numpy as np
import pandas as pd
import pytest

from thymos.evaluation.metrics import classification_metrics
from thymos.report.page import write_report
from thymos.report.panels import FALSE_ALARMS, draw_panels, macro_roc, mean_roc, stability


def texts(drawn):
    return re.findall(r"<!-- (.*?) -->", drawn.svg)


def area(curve):
    return np.trapezoid(np.r_[0, curve], np.r_[0, FALSE_ALARMS])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("digits", [1, 6])
def test_the_area_below_a_curve_is_that_of_the_metrics(n_classes, digits):
    rng = np.random.default_rng(n_classes)
    codes = rng.integers(n_classes, size=300)
    scores = rng.random((300, n_classes)) + 0.5 * np.eye(n_classes)[codes]
    scores = np.round(scores, digits) / np.round(scores, digits).sum(axis=1, keepdims=True)
    expected = classification_metrics(codes, scores, [str(k) for k in range(n_classes)])["roc_auc"]
    assert area(macro_roc(codes, scores)) == pytest.approx(expected, abs=0.005)


def test_curves_by_hand():
    codes, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert np.array_equal(macro_roc(codes, np.stack([1 - scores, scores], axis=1)), np.ones(201))
    assert np.allclose(macro_roc(codes, np.full((4, 2), 0.5)), FALSE_ALARMS)
    assert np.isnan(macro_roc(np.zeros(3, dtype=int), np.full((3, 2), 0.5))).all()


def test_scores_of_different_fits_are_not_ranked_against_each_other():
    p = np.array([0.1, 0.2, 0.8, 0.9])
    rows = [
        pd.DataFrame(
            {"fold": fold, "seed": 0, "label": ["a", "a", "b", "b"], "trial": list("1122"), "p0": 1 - q, "p1": q}
        )
        for fold, q in (("0", p), ("1", p / 10))
    ]
    for level in ("window", "trial"):
        assert np.array_equal(mean_roc(pd.concat(rows), ["a", "b"], level), np.ones(201))
    mixed = rows[0].assign(p1=[0.9, 0.1, 0.8, 0.8], p0=[0.1, 0.9, 0.2, 0.2])  # by window one of four pairs is wrong ...
    assert area(mean_roc(mixed, ["a", "b"], "window")) == pytest.approx(0.5, abs=0.005)
    assert area(mean_roc(mixed, ["a", "b"], "trial")) == 1  # ... but each trial is right


def test_stability_by_hand():
    history = pd.DataFrame(
        {
            "fold": ["0"] * 3 + ["1"] * 3,
            "seed": 0,
            "epoch": [3, 1, 2, 1, 2, 3],
            "valid_loss": [2.0, 1.0, 3.0, 5.0, 5.0, np.nan],
        }
    )
    found = stability(history)
    assert found["change"] == pytest.approx(((2 + 1) / 2 + 0) / 2)
    assert found["sd"] == pytest.approx(np.std([2.0, 5.0], ddof=1))
    assert found["n_fits"] == 2


def test_panels_are_drawn_as_the_study_asks(view):
    roc, curves = draw_panels(view)
    areas = view.metrics()["roc_auc"]
    shown = texts(roc)
    assert {"Early", "Late"} <= set(shown)  # side by side in one figure
    assert {"trial", "random_window (LEAKY)"} <= set(shown), "each with its own protocol"
    for label, protocol, method in (("A", "trial", "lda"), ("B", "trial", "mlp"), ("Network", "random_window", "mlp")):
        assert f"{label} ({areas[protocol, method]:.2f})" in shown
    assert roc.caption.startswith("As published.")
    same = [{**panel, "protocol": ""} for panel in view.panels]
    view.study = {**view.study, "panels": same}
    assert "trial" not in texts(draw_panels(view)[0])
    assert "trial, random_window (LEAKY)" in roc.caption
    assert curves.title == "Steady"
    assert "Network" in texts(curves)
    assert "Discriminant" not in texts(curves)  # it has no epochs
    steady = stability(view.history.query("method == 'mlp' and protocol == 'trial'"))
    assert f"change {steady['change']:.3f}, SD {steady['sd']:.3f}, 4 fits" in texts(curves)


def test_panels_stand_on_the_page(view, few_figures):
    text = write_report(view).read_text()
    assert 'href="#panels"' in text
    assert text.index('id="panels"') < text.index('id="inspections"') < text.index('id="protocols"')
    assert "As published." in text


def with_results_of(view, *methods):
    """Return the view of a run in which only some methods have finished."""
    other = copy.copy(view)
    other.__dict__["summary"] = view.summary[view.summary["method"].isin(methods)]
    other.__dict__.pop("methods", None)  # found in the summary, once
    return other


def test_panels_without_results_are_left_out(view):
    view.history = pd.DataFrame()
    (roc,) = draw_panels(with_results_of(view, "majority", "lda"))
    assert "Early" in texts(roc)
    assert "Late" not in texts(roc)
    assert draw_panels(with_results_of(view, "majority")) == []
