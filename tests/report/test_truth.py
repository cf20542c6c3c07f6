"""Claimed, leaky, honest: what a finished run says of one method."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError
from thymos.evaluation.study_files import load_study
from thymos.evaluation.systems import SYSTEMS, System, systems_named
from thymos.report.truth import TABLE, check_folder, read_truth, truth_rows, write_truth


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


def test_words_of_a_study_make_no_simulated_data_of_real_ones(view):
    view.data = {**view.data, "info": {}, "cautions": ["Stated before a run on simulated people."]}
    view.study = {**view.study, "source": {"name": "faced"}}
    (row,) = truth_rows("lel", "looked-at", "mlp", view)
    assert not row["simulated"]
    assert "Simulated" not in row["verdict"]


def test_what_was_trained_once_is_said_where_another_seed_would_change_it(view):
    assert view.once == set()
    methods = {name: {**spec, "seeds": 1} for name, spec in view.study["methods"].items()}
    view.study = {**view.study, "methods": methods}
    assert view.once == {"mlp"}, "nothing is drawn in an LDA"
    row = truth_rows("lel", "looked-at", "lda", view)[0]
    assert (row["rival"], row["rival_once"]) == ("mlp", True)
    assert ("of one training each" if row["seeds"] == 1 else "the other trained once") in row["verdict"]


def test_a_claim_of_another_metric_is_compared_in_that_one(view):
    claim = {"text": "t", "value": 0.99, "source": "s", "protocol": "trial", "method": "mlp", "metric": "macro_f1"}
    view.study = {**view.study, "claims": [claim]}
    (row,) = truth_rows("lel", "looked-at", "mlp", view)
    reached = view.cell("trial", "mlp", "macro_f1").value
    assert row["in_claim_metric"] == reached != row["honest"]
    assert f"is {100 * (0.99 - reached):.0f} points higher in " in row["verdict"]


def verdict_of(view, **claim):
    head = {"text": "t", "value": 0.99, "source": "s", "protocol": "trial", "method": "mlp"}
    view.study = {**view.study, "claims": [{**head, **claim}]}
    (row,) = truth_rows("lel", "looked-at", "mlp", view)
    return row["verdict"]


def test_a_claim_is_compared_only_with_what_it_is_about(view):
    assert "is of another task (other films) and is not compared" in verdict_of(view, differs="other films")
    honest, leaky = (view.cell(protocol, "mlp").value for protocol in ("trial", "random_window"))
    assert "is reached." in verdict_of(view, value=honest - 0.01)
    assert "the leak" not in verdict_of(view, value=0.99)
    above = max(honest, leaky) + 0.02
    assert "the leak falls short of it too" in verdict_of(view, value=above, protocol="random_window")
    low = view.cell("trial", "mlp").high
    assert "within the interval" in verdict_of(view, value=min(low, honest + 0.01) if low > honest + 0.006 else low)


def test_of_several_claims_that_of_the_protocol_or_of_its_leak_is_taken(view):
    head = {"text": "t", "source": "s", "method": "mlp"}
    claims = [{**head, "value": v, "protocol": p} for v, p in ((0.7, "other"), (0.8, "random_window"), (0.9, "trial"))]
    for n, expected in ((3, 0.9), (2, 0.8), (1, 0.7)):
        view.study = {**view.study, "claims": claims[:n]}
        (row,) = truth_rows("lel", "looked-at", "mlp", view)
        assert row["claimed"] == expected
        assert ("leak_in_claim_metric" in row) == (n == 2)


def test_what_is_unfinished_unknown_or_invented_is_said(view, monkeypatch):
    assert "Unfinished" not in verdict_of(view)
    fits = view.fits
    mine = (fits["method"] == "mlp") & (fits["protocol"] == "trial")
    view.fits = fits[~mine | (fits["fold"] != fits.loc[mine, "fold"].iloc[0])]
    assert "Unfinished: 1 folds are missing" in verdict_of(view)
    cards = view.protocols
    view.protocols = {**cards, "trial": replace(cards["trial"], repeats=3)}
    assert "Unfinished: 9 folds are missing" in verdict_of(view), "of three dealings into four folds"
    view.protocols = cards
    view.study = {**view.study, "pairing": {"protocol": {}}}
    (row,) = truth_rows("lel", "looked-at", "mlp", view)
    assert row["pairs"] == "label"
    assert "by pairs that no person has" in row["verdict"]
    monkeypatch.setattr(type(view), "beats_chance", lambda *of: {})
    assert "Whether it is above chance cannot be said" in verdict_of(view)


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


def test_rows_of_another_machine_are_shown_and_give_way_to_own_ones(looked_at, tmp_path):
    system = System("Title", "someone 2025", "99 %", ("looked-at", "mlp"))
    runs, methods = {"looked-at": looked_at.results.folder}, {"looked-at": ("lel", "mlp"), "far": ("lel", "mlp")}
    write_truth(tmp_path / "there", {"lel": system}, runs, {}, methods)
    table = pd.read_csv(tmp_path / "there" / TABLE)
    far = tmp_path / "far.csv"
    pd.concat([table, table.assign(study="far", title="Far away", chance=np.nan, claimed=np.nan)]).to_csv(
        far, index=False
    )
    rows = read_truth(far)
    same = ["honest", "leaky", "gain", "verdict", "missing"]
    assert {key: rows[0][key] for key in same} == table[same].iloc[0].to_dict()
    assert rows[0]["pairs"] == ""
    assert "claimed" not in rows[1]
    page = write_truth(tmp_path / "both", {"lel": system}, runs, {"far": "no corpus here"}, methods, rows).read_text()
    assert page.count("looked-at, trial:") == page.count("far, trial:") == page.count("run elsewhere") == 1
    assert "no corpus here" not in page
    again = pd.read_csv(tmp_path / "both" / TABLE)
    assert again["study"].tolist() == ["looked-at", "far"]
    assert "elsewhere" not in again
    assert "run elsewhere" in write_truth(tmp_path / "only", {"lel": system}, {}, {}, {}, rows).read_text()


def test_of_rows_that_come_twice_the_one_with_the_larger_budget_is_shown(looked_at, tmp_path):
    methods, system = {"looked-at": ("lel", "mlp")}, {"lel": SYSTEMS["lel"]}
    write_truth(tmp_path, system, {"looked-at": looked_at.results.folder}, {}, methods)
    rows = read_truth(tmp_path / TABLE)
    small, large = ([{**row, "budget": budget, "title": budget} for row in rows] for budget in ("tiny", "quick"))
    for added in ([*small, *large], [*large, *small, *large]):
        write_truth(tmp_path / "both", system, {}, {}, {}, added)
        assert pd.read_csv(tmp_path / "both" / TABLE)["title"].tolist() == ["quick"] * len(rows)
    two = [{**rows[0], "budget": "tiny", "protocol": name} for name in ("trial", "other")]
    write_truth(tmp_path / "part", system, {}, {}, {}, [*two, {**rows[0], "budget": "quick"}])
    assert pd.read_csv(tmp_path / "part" / TABLE)["budget"].tolist() == ["quick"], "no study is half of another budget"
    bare = [{key: value for key, value in row.items() if not key.startswith(("gain_", "rival_"))} for row in rows]
    bare = pd.DataFrame(bare).drop(columns=["elsewhere", "claim_metric"], errors="ignore")
    bare.assign(claimed=0.9).to_csv(tmp_path / "bare.csv", index=False)
    assert write_truth(tmp_path / "bare", system, {}, {}, {}, read_truth(tmp_path / "bare.csv")).is_file()


@pytest.mark.parametrize("mine", ["truth.csv", "truth.html", ""])
def test_a_file_of_somebody_else_is_not_replaced(mine, tmp_path):
    check_folder(tmp_path / "new")
    place = tmp_path / "out"
    path = place / mine if mine else place
    path.parent.mkdir(exist_ok=True)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no folder" if not mine else "would be replaced"):
        check_folder(place)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop(columns="chance"), "no column chance"),
        (lambda table: table.assign(honest="much"), "values that are not"),
        (lambda table: table.assign(simulated="perhaps"), "values that are not"),
        (lambda table: table.assign(verdict=np.nan), "values that are not"),
        (lambda table: table.assign(system="other"), "tells of other"),
        (lambda table: table.iloc[:, :0], "cannot be read"),
    ],
)
def test_a_table_that_is_none_is_refused(change, words, looked_at, tmp_path):
    methods = {"looked-at": ("lel", "mlp")}
    write_truth(tmp_path, {"lel": SYSTEMS["lel"]}, {"looked-at": looked_at.results.folder}, {}, methods)
    change(pd.read_csv(tmp_path / TABLE)).to_csv(tmp_path / "wrong.csv", index=False)
    with pytest.raises(DataError, match=words):
        read_truth(tmp_path / "wrong.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_truth(tmp_path / "absent.csv")
