"""Claimed, leaky, honest: what a finished run says of one method."""

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError
from thymos.evaluation.study import load_study
from thymos.evaluation.systems import SYSTEMS, System, systems_named
from thymos.report.truth import TABLE, truth_rows, write_truth


@pytest.mark.parametrize("name", SYSTEMS)
def test_studies_of_a_system_exist_and_have_its_method(name):
    system = SYSTEMS[name]
    for study, method in (system.demo, *system.studies.items()):
        plan = load_study(study, "quick")
        assert method in plan.methods
        if study == system.demo[0]:
            brief = load_study(study, "brief")
            assert method in brief.methods
            assert any(spec.twin_of for spec in brief.protocols.values()), "nothing shows what the leak gives"


def test_a_name_that_is_none_is_refused_with_near_ones():
    assert list(systems_named("all")) == list(SYSTEMS)
    assert list(systems_named("lel")) == ["lel"]
    with pytest.raises(InputError, match="hybrid"):
        systems_named("hybird")


def test_a_row_sets_claim_leak_chance_and_rival_beside_the_honest_number(view):
    view.study = {
        **view.study,
        "claims": [{"text": "t", "value": 0.99, "source": "s", "protocol": "random_window", "method": "mlp"}],
    }
    (row,) = truth_rows("lel", "looked-at", "mlp", view)
    honest, leaky = (view.cell(protocol, "mlp") for protocol in ("trial", "random_window"))
    assert (row["honest"], row["low"], row["high"]) == (honest.value, honest.low, honest.high)
    assert row["leaky"] == leaky.value
    assert row["gain"] == pytest.approx(leaky.value - honest.value)
    assert row["gain_low"] <= row["gain"] + 1e-9
    assert row["gain"] - 1e-9 <= row["gain_high"]
    assert (row["claimed"], row["claim"]) == (0.99, "t, s")
    assert row["rival"] == "lda"
    assert row["difference"] == pytest.approx(honest.value - view.cell("trial", "lda").value, abs=0.02)
    for words in ("points higher", "random_window, which leaks", "Discriminant", "says nothing about people"):
        assert words in row["verdict"]
    assert ("Above chance" in row["verdict"]) == (row["p"] < 0.05)


def test_a_claim_of_another_metric_is_compared_in_that_one(view):
    claim = {"text": "t", "value": 0.99, "source": "s", "protocol": "trial", "method": "mlp", "metric": "macro_f1"}
    view.study = {**view.study, "claims": [claim]}
    (row,) = truth_rows("lel", "looked-at", "mlp", view)
    reached = view.cell("trial", "mlp", "macro_f1").value
    assert row["in_claim_metric"] == reached != row["honest"]
    assert f"is {100 * (0.99 - reached):.0f} points higher in " in row["verdict"]


def test_the_page_says_what_was_not_measured_and_why(looked_at, tmp_path):
    system = System("Title <b>", "someone 2025", "99 %", ("looked-at", "mlp"))
    runs = {"looked-at": looked_at.results.folder, "gone": tmp_path / "gone"}
    methods = dict.fromkeys(("looked-at", "gone", "absent"), ("x", "mlp"))
    page = write_truth(tmp_path / "out", {"x": system}, runs, {"absent": "no corpus here"}, methods)
    text = page.read_text()
    for words in ("Title &lt;b&gt;", "looked-at, trial:", "absent: no corpus here", "gone: "):
        assert words in text
    table = pd.read_csv(tmp_path / "out" / TABLE)
    assert table["study"].tolist() == ["looked-at"]
    assert np.isfinite(table[["honest", "low", "high", "chance", "leaky"]]).all().all()
    with pytest.raises(DataError, match="No study has a result"):
        write_truth(tmp_path / "none", {"x": system}, {}, {"absent": "no corpus here"}, methods)
