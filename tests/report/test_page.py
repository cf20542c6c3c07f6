import copy
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError
from thymos.evaluation.runner import run_study
from thymos.evaluation.statistics import holm
from thymos.evaluation.study_files import narrowed, parse_study
from thymos.report import figures
from thymos.report.page import report_content, verdict, write_report, write_tables
from thymos.report.view import RunView, chance, number

STUDY = {
    "name": "small",
    "title": "Small <study> & co",
    "question": "Is anything there?",
    "citation": "Somebody 2024",
    "source": "muse-mental-state",
    "process": [{"resample": {"to": 64}}],
    "windows": {"seconds": 1.0, "step": 0.5},
    "target": {"label": "state"},
    "level": "window",
    "protocols": {
        "recording": {"parameters": {"n_splits": 2}},
        "random_window": {"parameters": {"n_splits": 2}, "twin_of": "recording"},
    },
    "methods": {
        "lda": {"title": "LDA", "steps": ["window_statistics", "flatten", "lda"]},
        "lstm": {"title": "LSTM", "steps": ["channel_scaler", {"recurrent": {"hidden": 2, "max_epochs": 2}}]},
    },
    "claims": [
        {"text": "LSTM on random rows", "value": 0.962, "source": "S", "protocol": "random_window", "method": "lstm"}
    ],
}


@pytest.fixture(scope="module")
def view(tmp_path_factory, write_muse):
    """Return one run for all tests of this file."""
    folder = tmp_path_factory.mktemp("data") / "muse-mental-state"
    folder.mkdir()
    number = 0
    for subject in "ab":
        for state in ("concentrating", "neutral", "relaxed"):
            for take in "12":
                number += 1
                write_muse(folder / f"subject{subject}-{state}-{take}.csv", seed=number, scale=8 + number % 5)
    outcome = run_study(parse_study(STUDY), tmp_path_factory.mktemp("run") / "out", folder.parent)
    assert not outcome.failed
    return RunView(outcome.results.folder)


class Balance(HTMLParser):
    """Counts tags that are opened and not closed, and collects ids, links and outside addresses."""

    void = frozenset({"meta", "br", "img", "hr", "input", "link"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.outside = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in self.void:
            self.open.append(tag)
        if "id" in attrs and tag == "section":
            self.ids.append(attrs["id"])
        if attrs.get("href", "").startswith("#") and tag == "a":
            self.links.append(attrs["href"][1:])
        self.outside += [v for k, v in attrs.items() if k in {"src", "href"} and "//" in (v or "")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_self_contained_and_escaped(view):
    text = write_report(view).read_text()
    page = Balance()
    page.feed(text)
    assert page.open == []
    assert set(page.links) <= set(page.ids)
    assert not page.outside, "the page needs the internet"
    assert not re.search(r"<script|@import|url\(http", text)
    assert "Small &lt;study&gt; &amp; co" in text
    assert len(text) < 5e6


def test_all_that_a_budget_changes_stands_on_the_page(view, few_figures):
    view = copy.copy(view)
    view.study = {**view.study, "budget": "quick", "reduced": {"seeds": "1 (3)", "methods.svm": "left out"}}
    text = write_report(view).read_text()
    assert "2 values of the study that budget quick changes" in text
    assert "<code>seeds</code>: 1 (3)" in text
    view.study = {key: value for key, value in view.study.items() if key != "reduced"}  # a run of before
    assert "that budget quick" not in write_report(view).read_text()


def test_the_page_says_everything_a_reader_needs(view):
    text = re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>", "", write_report(view).read_text(), flags=re.S))
    for words in (
        "LEAKY",
        "mental states, not emotions",
        "confounded with the recording day",
        "Majority class",
        "Chance level",
        "interval over 12 recordings, since there are fewer than 8 subjects",
        "In the honest protocols nothing was found",
        "of 12 trials of the test part are in training too",
        "windows of the test part share signal with training",
        "Study digest",
        "Data fingerprint",
        "Split digest, recording",
        "Somebody 2024",
        "LSTM on random rows",
        "96.2 %",
        "can a new recording be recognised (of a known user, if people have several)?",
        "lowest validation loss",
    ):
        assert words in text, words
    assert text.count("None") == 0
    assert "nan" not in re.sub(r"[a-z]+nan|nan[a-z]+", "", text.lower())


def test_a_run_of_a_version_that_stored_less_of_the_audit_has_its_page(view, monkeypatch):
    older = {key: value for key, value in view.audit.items() if key != "failed"}
    assert older != view.audit
    monkeypatch.setattr(view, "audit", older)
    assert "In the honest protocols nothing was found" in write_report(view).read_text()


def test_every_number_of_the_table_is_the_stored_one(view):
    text = write_report(view).read_text()
    for protocol in view.protocols:
        for method in view.methods:
            cell = view.cell(protocol, method)
            assert f"<b>{cell.value:.3f}</b>" in text


def test_tables_are_written_as_csv_and_hold_what_the_page_shows(view):
    summary, fits = (pd.read_csv(path) for path in write_tables(view))
    row = summary.query("protocol == 'recording' and method == 'lda' and labels == 'true' and metric == 'accuracy'")
    assert row.query("level == 'window'")["value"].item() == pytest.approx(
        view.cell("recording", "lda").value, rel=1e-5
    )
    assert {"recall[neutral]", "precision[relaxed]", "f1[concentrating]"} <= set(fits)


def write_report_without(view):
    view.__dict__.pop("comparisons", None)
    return write_report(view).read_text()


def test_differences_between_methods_are_tested_and_shown(view, monkeypatch):
    def shown():
        view.__dict__.pop("comparisons", None)
        text = write_report(view).read_text()
        return re.search(r'<section id="differences">.*?</section>', text, re.S)[0]

    row = view.comparisons.iloc[0]
    assert (len(view.comparisons), row["protocol"], row["a"], row["b"]) == (1, "recording", "lda", "lstm")
    assert f"{row['difference']:+.3f}" in shown()
    assert "of 1 pairs (12 recordings)" in shown()
    monkeypatch.setitem(view.study, "comparisons", {"lstm": ["majority"]})
    assert "of 1 planned comparisons (12 recordings)" in shown()
    assert set(view.comparisons["b"]) == {"majority"}
    assert ">recall of<" not in shown()
    monkeypatch.setitem(view.study, "recalls", ["neutral", "relaxed"])
    view.__dict__.pop("recall_comparisons")
    assert shown().count(">recall of<") == 1
    assert "By the recall of single classes 0 of 2 differ" in shown()
    table = view.recall_comparisons
    of = view.recalls.set_index(["protocol", "method", "class"])["recall"]
    for row in table.itertuples(index=False):
        here = row[table.columns.get_loc("class")]
        mine, rival = (of[row.protocol, name, here] for name in (row.a, row.b))
        assert row.difference == pytest.approx(mine - rival)
    view.__dict__.pop("recall_comparisons")
    honest = (view.predictions["method"] == "lstm") & (view.predictions["protocol"] == "recording")
    monkeypatch.setitem(view.__dict__, "predictions", view.predictions[~honest])  # under the leaky control alone
    assert '<section id="differences">' not in write_report_without(view)
    view.__dict__.pop("comparisons")


def test_every_figure_is_drawn(view):
    text = write_report(view).read_text()
    # results, inflation, two splits, confusion, curves, calibration
    assert text.count("<svg") == 7


def test_the_verdict_sets_claim_leak_honesty_and_chance_side_by_side(view):
    claim, *others = (line.replace("\N{NO-BREAK SPACE}", " ") for line in verdict(view))
    leaky, honest = view.cell("random_window", "lstm"), view.cell("recording", "lstm")
    for value in (0.962, leaky.value, honest.value, honest.low, honest.high, honest.chance):
        assert f"{100 * value:.1f} %" in claim
    assert any("beat chance" in line for line in others)
    (leak,) = (line for line in others if "meaningless (permuted) labels" in line)
    assert "the accuracy by window under recording" in leak
    assert " at most, against " in leak


def test_a_leak_that_takes_away_adds_nothing(view, monkeypatch):
    table = view.inflation.assign(inflation=[-0.02, *[0.05] * (len(view.inflation) - 1)])
    monkeypatch.setattr(view, "inflation", table[[not view.is_baseline(m) for m in table["method"]]])
    view.inflation.iloc[0, view.inflation.columns.get_loc("inflation")] = -0.02
    (leak,) = (line for line in verdict(view) if line.startswith("The leak"))
    assert "changes -2.0" in leak.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")
    assert "in accuracy by window" in leak


def test_letters_that_a_font_lacks_are_left_to_the_browser(recwarn):
    fig = figures.Figure(figsize=(2, 1))
    fig.subplots().set_title("\u674e\u96f7")
    assert "\u674e\u96f7" in figures.svg(fig)
    assert not len(recwarn)


def test_methods_are_named_once_above_the_panels_of_calibration(view):
    drawn = figures.calibration(view, ["lstm", "lda"])
    assert [drawn.count(f"<!-- {view.methods[name]} -->") for name in ("lstm", "lda")] == [1, 1]
    assert drawn.count("<!-- calibration error -->") == len(view.protocols)
    assert drawn.count("<!-- confidence of the window's prediction -->") == 1


def test_captions_name_what_is_drawn_alone(view, monkeypatch):
    assert "Black tick" in write_report(view).read_text()
    monkeypatch.setitem(view.study, "claims", [])
    assert "Black tick" not in write_report(view).read_text()


def test_a_method_with_fits_of_permuted_labels_alone_waits_for_its_results(view, monkeypatch):
    mine = (view.predictions["method"] == "lstm") & (view.predictions["labels"] == "true")
    early = RunView(view.results.folder)
    early.predictions = early.predictions[~mine.to_numpy()]
    early.rows = early.rows[(early.rows["method"] != "lstm") | (early.rows["labels"] != "true")]
    assert "lstm" in set(early.predictions["method"])
    assert list(early.methods) == ["majority", "lda"]
    assert early.comparisons.empty
    assert "nan" not in re.sub(r"[a-z]+nan|nan[a-z]+", "", str(report_content(early)["costs"]))


def test_a_claim_that_states_an_honest_protocol_is_set_beside_it_alone(view, monkeypatch):
    other = {"text": "LSTM on recordings", "value": 0.7, "source": "S", "protocol": "recording", "method": "lstm"}
    absent = {**other, "method": "gru"}
    monkeypatch.setitem(view.study, "claims", [other, absent])
    claims = [line.replace("\N{NO-BREAK SPACE}", " ") for line in verdict(view) if line.startswith("Claimed")]
    honest = view.cell("recording", "lstm")
    assert len(claims) == 1
    for value in (0.7, honest.value, honest.low, honest.high, honest.chance):
        assert f"{100 * value:.1f} %" in claims[0]
    assert "leaky" not in claims[0]


def test_a_run_without_results_is_refused_in_words(tmp_path, view, words):
    with pytest.raises(DataError, match="not a readable run"):
        RunView(tmp_path)
    for name in ("study", "data", "audit", "environment"):
        (tmp_path / f"{name}.json").write_text((view.results.folder / f"{name}.json").read_text())
    with pytest.raises(DataError) as error:
        RunView(tmp_path)
    words(error.value, "no finished fit", "thymos run")


def test_holm_by_hand():
    assert np.allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert np.allclose(holm([np.nan, 0.012, np.nan, 0.02]), [np.nan, 0.024, np.nan, 0.024], equal_nan=True)


@pytest.mark.usefixtures("few_resamples")
def test_a_leaky_protocol_that_is_run_alone_is_reported_as_a_control(tmp_path):
    whole = {
        "name": "leak",
        "title": "A leak alone",
        "source": {"simulated-eeg": {"subjects": 3, "trials": 8, "seconds": 4, "montage": "muse4"}},
        "windows": {"seconds": 1.0},
        "target": {"label": "valence", "above": 5.0},
        "protocols": {
            "trial": {"parameters": {"n_splits": 2}},
            "random_window": {"parameters": {"n_splits": 2}, "twin_of": "trial"},
        },
        "methods": {"lda": {"title": "LDA", "steps": ["window_statistics", "flatten", "lda"]}},
        "claims": [
            {"text": "all", "value": 0.99, "source": "nobody", "protocol": "random_window", "method": "lda"},
        ],
    }
    outcome = run_study(narrowed(parse_study(whole), ["random_window"]), tmp_path / "out")
    assert outcome.failed == {}
    view = RunView(outcome.results.folder)
    text = write_report(view).read_text()
    assert "random_window (LEAKY)" in text
    assert view.cell("trial", "majority").value is not None
    assert view.cell("trial", "lda").value is None
    (claim,) = (line for line in verdict(view) if line.startswith("Claimed"))
    assert "under the leaky protocol random_window; what it reaches under trial is in no part of this run" in claim


RATINGS = {
    "name": "ratings",
    "title": "Ratings",
    "source": {"simulated-eeg": {"subjects": 3, "trials": 8, "seconds": 4, "montage": "muse4"}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "rating": True},
    "protocols": {
        "trial": {"parameters": {"n_splits": 2, "repeats": 2, "guard": 0.5, "inner": 2}},
        "subject_stimulus": {"parameters": {"n_splits": 2}},
        "random_window": {"parameters": {"n_splits": 2}, "twin_of": "trial"},
    },
    "methods": {
        "ridge": {
            "title": "Ridge",
            "steps": ["window_statistics", "flatten", "ridge"],
            "grid": {"ridge.alpha": [1, 10]},
        }
    },
}


@pytest.mark.usefixtures("unaudited", "few_resamples")
def test_ratings_are_reported_as_ratings(tmp_path):
    outcome = run_study(parse_study(RATINGS), tmp_path / "out")
    assert outcome.failed == {}
    view = RunView(outcome.results.folder)
    text = write_report(view).read_text()
    assert view.rating
    for words in (
        "Mean rating",
        "concordance correlation",
        "Predicted against given ratings",
        "rating from",
        "dealt 2 times",
        "0.5 s between windows",
        "2 within the rows left for training",
        "mostly ridge__alpha=",
        "grey ones stand in none",
    ):
        assert words in text, words
    for words in ("Confusion", "Calibration", "percentage points"):
        assert words not in text, words
    assert {"ccc", "pearson", "rmse", "r2", "mae"} == set(view.metrics().columns)
    assert set(view.folds["part"]) == {"train", "validation", "test", "left out"}


def test_a_run_that_was_not_audited_yet_says_so(view, tmp_path):
    import shutil

    shutil.copytree(view.results.folder, tmp_path / "run")
    (tmp_path / "run" / "audit.json").unlink()
    assert "has not been audited yet" in write_report(RunView(tmp_path / "run")).read_text()


def test_shortcuts_are_said_first_and_probes_shown(view, tmp_path):
    import json
    import shutil

    shutil.copytree(view.results.folder, tmp_path / "run")
    finding = {
        "protocol": "recording", "leaky": False, "fold": "", "severity": "shortcut", "kind": "shortcut",
        "text": "The day alone tells it.", "count": 3, "do": "record anew", "examples": ["monday: only calm"],
    }  # fmt: skip
    path = tmp_path / "run" / "audit.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "findings": [*facts["findings"], finding]}))
    changed = RunView(tmp_path / "run")
    assert "Shortcut under recording: The day alone tells it." in verdict(changed)
    text = write_report(changed).read_text()
    assert "monday: only calm" in text
    assert "What nuisances predict by themselves" in text
    assert "channel scale" in text


def test_numbers_have_no_minus_before_nothing():
    assert [number(x) for x in (-0.0001, 0.5, None, float("nan"))] == ["0.000", "0.500", "-", "-"]


def test_a_claim_is_drawn_where_its_metric_is(looked_at):
    view = copy.copy(looked_at)

    def drawn(**claim):
        made = {"text": "t", "value": 0.9, "source": "s", "protocol": "trial", "method": "mlp", **claim}
        view.study = {**looked_at.study, "claims": [made] if claim else []}
        return figures.results(view)

    bare = drawn()
    assert drawn(metric="macro_f1") == bare
    assert drawn(metric=view.metric) != bare
    assert drawn(metric=None) != bare


def test_what_was_not_run_is_no_matrix_and_no_column(view, monkeypatch):
    assert "not run" not in figures.confusions(view, ["lda", "lstm"])
    assert "leaky, labels permuted" in write_report(view).read_text()
    leaky = (view.predictions["method"] == "lstm") & (view.predictions["protocol"] != "recording")
    monkeypatch.setitem(view.__dict__, "predictions", view.predictions[~leaky])
    assert figures.confusions(view, ["lda", "lstm"]).count("not run") == 1
    nothing = view.inflation.assign(leaky_permuted=np.nan, honest_permuted=np.nan)
    monkeypatch.setitem(view.__dict__, "inflation", nothing)
    text = write_report(view).read_text()
    assert "leaky, labels permuted" not in text
    assert "labels permuted between trials" not in figures.inflation(view)


def test_no_p_value_is_0():
    assert [chance(p) for p in (0.0, 0.0004, 0.0006, 0.25, 1.0, None)] == [
        *("< 0.001", "< 0.001", "0.001", "0.250", "1.000", "-")
    ]
