import copy
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from thymos.report.chords import mean_relations, places, relations, strongest
from thymos.report.inspections import (
    FIGURES,
    branches,
    breakdown,
    draw_inspections,
    embedding,
    neighbour_chance,
    on_common_times,
    over_units,
    real_time,
    robustness,
)
from thymos.report.lipschitz import certified_accuracy, lipschitz
from thymos.report.page import write_report
from thymos.report.view import RunView

BRANCHES = ["global", "energies"]
ELECTRODES = ["Fp1", "Fp2", "Cz", "O1", "O2"]


def texts(drawn):
    """Return everything that is written in a figure, which holds each text as a comment beside its outlines."""
    return re.findall(r"<!-- (.*?) -->", drawn.svg)


def made(methods=("lda", "mlp"), folds="01", subjects=("s1", "s2"), **columns):
    """Return one row per method, fold and subject, and one over all subjects, each with the same columns."""
    rows = [
        {"protocol": "trial", "method": m, "labels": "true", "fold": f, "seed": 0, "subject": s, "level": "trial"}
        for m in methods
        for f in folds
        for s in (*subjects, "all")
    ]
    return pd.DataFrame(rows).assign(**columns)


def scores(value=0.7):
    """Return a table of the inspection ``branches``."""
    parts = [
        made(kind="scores", combination=name, weight=weight, n=4, balanced_accuracy=value)
        for name, weight in (*((b, 0.5) for b in BRANCHES), ("average", np.nan), ("learnt weights", np.nan))
    ]
    pair = made(subjects=(), kind="correlation", a="global", b="energies", correlation=0.25, agreement=0.5)
    return pd.concat([*parts, pair.drop(columns=["subject", "level"])], ignore_index=True)


def constants(**other):
    """Return a table of the inspection ``lipschitz``, without those quantities that are given as False."""
    parts = {
        "local": [
            made(subjects=(), quantity="local", where=w, value=v) for w in (*BRANCHES, "ensemble") for v in (1, 2)
        ],
        "attack": [made(subjects=(), quantity="attack", where="ensemble", value=3.0)],
        "bound": [made(subjects=(), quantity="bound", where="ensemble", value=v) for v in (9.0, np.inf)],
        "declared": [made(subjects=(), quantity="declared", where="ensemble", value=1.0)],
        "scale": [made(subjects=(), quantity="scale", where="ensemble", value=a, amount=a) for a in (1.0, 10.0)],
        "radius": [
            made(subjects=(), quantity="radius", where="ensemble", value=r, trial=t, correct=c)
            for r, t, c in ((2.0, "a", True), (0.5, "b", True), (0.0, "c", False))
        ],
    }
    rows = [table for name, tables in parts.items() if other.get(name, True) for table in tables]
    rows = [table.assign(unit="µV" if table["quantity"].iloc[0] == "radius" else "per µV") for table in rows]
    return pd.concat([pd.DataFrame(columns=["amount", "trial", "correct"]), *rows], ignore_index=True)


def chords(labels=("calm", "tense"), names=ELECTRODES):
    """Return a table of the inspection ``relations``: the first label has one strong pair."""
    rows = [
        {"label": label, "a": a, "b": b, "weight": 0.9 if (a, b, label) == (*names[:2], labels[0]) else 0.1}
        for label in labels
        for a in names
        for b in names
    ]
    head = {"protocol": "trial", "method": "mlp", "labels": "true", "fold": "0", "seed": 0}
    return pd.DataFrame(rows).assign(**head)


def test_the_page_shows_what_was_inspected(view, few_figures):
    text = write_report(view).read_text()
    section = text[text.index('<section id="inspections">') :]
    section = re.sub(r"<svg.*?</svg>", "FIGURE", section[: section.index("</section>")], flags=re.S)
    assert section.count("FIGURE") == 3
    for words in (
        "Robustness, protocol trial",
        "In real time, protocol trial",
        "Where windows lie, protocol random_window (LEAKY)",
        "folds of subjects, since there are fewer than 8 subjects",
        "Median and 95th percentile in ms: Discriminant",
        "in a batch differ by",
        "mean nothing",
    ):
        assert words in section, words
    assert 'href="#inspections"' in text
    assert not re.search(r"\bnan\b", section, re.IGNORECASE)
    assert "None" not in section


def test_a_run_without_inspections_has_no_such_section(looked_at, tmp_path, few_figures):
    shutil.copytree(looked_at.results.folder, tmp_path / "run")
    path = tmp_path / "run" / "study.json"
    facts = json.loads(path.read_text())
    del facts["study"]["inspections"], facts["study"]["panels"]  # as runs of older versions are
    path.write_text(json.dumps(facts))
    old = RunView(tmp_path / "run")
    assert (old.inspections, old.panels) == ({}, [])
    text = write_report(old).read_text()
    for words in ("#inspections", 'id="inspections"', "#panels", 'id="panels"', "Not inspected"):
        assert words not in text


def test_inspections_that_failed_are_said(view, few_figures):
    assert view.uninspected == []
    failed = np.where(view.fits["method"] == "mlp", "robustness: <no> signals", "")
    view.__dict__["fits"] = view.fits.assign(uninspected=failed)
    folds = view.fits.loc[view.fits["method"] == "mlp", "fold"].unique()
    assert view.uninspected == [f"Network, folds {', '.join(folds)}: robustness: <no> signals"]
    view.__dict__["inspections"], view.study = {}, {**view.study, "panels": []}
    text = write_report(view).read_text()
    assert "Not inspected: Network" in text
    assert "&lt;no&gt; signals" in text
    view.__dict__["fits"] = view.fits.drop(columns="uninspected")
    assert view.uninspected == []


def test_an_inspection_without_a_figure_is_named(view):
    view.__dict__["inspections"] = {"pruned_parts": made()}
    (drawn,) = draw_inspections(view)
    assert (drawn.title, drawn.svg) == ("Pruned parts", "")
    assert "inspections/pruned_parts" in drawn.caption


def test_an_inspection_without_rows_is_left_out(view):
    view.study = {**view.study, "inspections": {"branches": {}}}
    del view.__dict__["inspections"]
    assert draw_inspections(view) == []


@pytest.mark.parametrize("name", FIGURES)
def test_an_empty_table_gives_no_figure(view, name):
    columns = ["protocol", "method", "labels", "fold", "seed", "subject", "level", "kind", "quantity", "where", "stage"]
    columns += ["corruption", "amount", "unit", "seconds", "milliseconds", "combination", "weight", "a", "b", "label"]
    columns += ["value", "balanced_accuracy", "difference", "column", "n"]
    numbers = dict.fromkeys(["value", "amount", "weight", "seconds", "milliseconds", "balanced_accuracy"], float)
    assert FIGURES[name](view, pd.DataFrame(columns=columns).astype(numbers)) == []


def test_robustness_has_a_panel_for_each_corruption_and_a_line_for_each_method(view):
    steps = [(0.0, 0.8), (1.0, 0.4), (2.0, np.nan)]
    table = pd.concat(
        [
            made(corruption=kind, amount=amount, unit=unit, balanced_accuracy=value)
            for kind, unit in (("noise", "SD"), ("loss", "electrodes"), ("gain", ""))
            for amount, value in steps
        ]
    )
    (drawn,) = robustness(view, table)
    assert {"noise", "loss", "gain", "amount (SD)", "amount (electrodes)", "amount", "Discriminant", "Network"} <= set(
        texts(drawn)
    )
    assert robustness(view, table.assign(level="window")) == []
    (drawn,) = robustness(view, table.assign(balanced_accuracy=table["balanced_accuracy"].where(table["unit"] != "SD")))
    assert "noise" not in texts(drawn)
    (drawn,) = robustness(view, table.assign(balanced_accuracy=np.nan).iloc[:1].assign(balanced_accuracy=0.5))
    assert "Network" not in texts(drawn)


def test_ratings_are_drawn_as_ratings(view):
    ratings = copy.copy(view)
    ratings.classes = []
    (drawn,) = robustness(ratings, made(corruption="noise", amount=0.0, unit="SD", ccc=-0.2))
    assert "concordance correlation by trial" in texts(drawn)


def test_real_time_draws_what_there_is(view):
    evidence = pd.concat([made(kind="evidence", seconds=s, balanced_accuracy=0.5 + s / 10) for s in (1.0, 2.0)])
    latency = made(subjects=(), kind="latency", milliseconds=[1.0, 2.0, 3.0, 4.0], difference=1e-7)
    both = pd.concat([evidence, latency.drop(columns=["subject", "level"])], ignore_index=True)
    (drawn,) = real_time(view, both)
    assert {"decision on the trial", "time of one window", "milliseconds"} <= set(texts(drawn))
    assert "Discriminant 1.5 and 1.95; Network 3.5 and 3.95" in drawn.caption
    assert "differ by 1e-07 at most" in drawn.caption
    for part in (
        evidence.assign(milliseconds=np.nan, difference=np.nan),
        latency.assign(seconds=np.nan, balanced_accuracy=0.0),
    ):
        (drawn,) = real_time(view, part)
        assert ("percentile" in drawn.caption) == (part["kind"].iloc[0] == "latency")


def test_decisions_are_set_on_common_times():
    rows = [("a", 1, 0.2), ("a", 3, 0.6), ("b", 2, 0.5), ("b", 4, 0.9)]
    table = pd.DataFrame(rows, columns=["subject", "seconds", "right"]).assign(method="m", fold="0", seed=0)
    made = on_common_times(table, "right").pivot_table(index="subject", columns="seconds", values="right", dropna=False)
    assert np.array_equal(made.to_numpy(), [[0.2, 0.2, 0.6, 0.6], [np.nan, 0.5, 0.5, 0.9]], equal_nan=True)
    many = pd.concat([table.assign(seconds=table["seconds"] + 5 * k) for k in range(50)])
    kept = on_common_times(many, "right")["seconds"].unique()
    assert len(kept) == 40
    assert (kept.min(), kept.max()) == (1, 249)


def test_embedding_shows_one_fold_of_each_method(view):
    dots = made(
        methods=("mlp",), subjects=("s1",), label="calm", x=0.0, y=1.0, neighbours=0.25, trial="t", stage="input"
    )
    dots = pd.concat([dots, dots.assign(stage="learnt", neighbours=np.nan)]).query("subject == 's1'")
    (drawn,) = embedding(view, dots)
    assert "fold 0, one fit" in drawn.caption
    assert {"input: neighbours 0.25, chance -", "learnt: neighbours -, chance -", "calm", "tense"} <= set(texts(drawn))
    assert drawn.svg.count("use xlink:href") < embedding(view, dots.assign(fold="0"))[0].svg.count("use xlink:href")


def test_chance_of_neighbours_by_hand():
    labels, trials = np.repeat(list("aabb"), 5), np.repeat(list("1234"), 5)
    assert neighbour_chance(labels, trials) == pytest.approx(1 / 3)  # one of the three other trials
    assert neighbour_chance(["a", "a", "b"], ["1", "2", "3"]) == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert np.isnan(neighbour_chance(["a", "a"], ["1", "1"]))


def test_branches_stand_beside_their_combinations(view):
    (drawn,) = branches(view, scores())
    shown = texts(drawn)
    assert {"Discriminant", "Network", *BRANCHES, "average", "learnt weights"} <= set(shown)
    assert shown.count("0.25") == 2  # the pair's correlation, once for each method
    assert shown.count("(0.50)") == 2
    (drawn,) = branches(view, scores().query("kind == 'scores'").assign(weight=np.nan))
    assert "(0.50)" not in texts(drawn)
    table = scores()
    (drawn,) = branches(
        view, table.assign(balanced_accuracy=table["balanced_accuracy"].where(table["combination"] != "average"))
    )
    assert "average" in texts(drawn)
    assert branches(view, scores(np.nan)) == []


def tasks(values, subjects=("s1", "s2"), n=6, **scores):
    """Return a table of the inspection ``breakdown``: in each value all do as `scores` has it, else 0.5."""
    parts = [
        made(subjects=subjects, column="task", value=value, n=n, balanced_accuracy=scores.get(value, 0.5))
        for value in values
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(n=table["n"].where(table["subject"] == "all", table["n"] // len(subjects)))


def test_values_of_a_column_stand_beside_each_other_with_subjects_as_lines(view):
    (drawn,) = breakdown(view, tasks(["walking", "sitting"], walking=0.8))
    shown = texts(drawn)
    assert drawn.title == "Breakdown by task"
    assert {"Discriminant", "Network", "task", "balanced accuracy by trial"} <= set(shown)
    assert shown.index("sitting") < shown.index("walking"), "sorted"
    assert "Tested trials: 12 of each." in drawn.caption, "of both folds, and not once for each method or subject"
    uneven = tasks(["a", "b"])
    uneven.loc[uneven["value"] == "b", "n"] *= 2
    assert "Tested trials: 12 a, 24 b." in breakdown(view, uneven)[0].caption
    assert breakdown(view, tasks(["a"]).assign(level="window")) == []
    assert breakdown(view, tasks(["a"], a=np.nan)) == []


def lines_of(monkeypatch, view, table):
    """Draw a breakdown and return, panel by panel, what stands there: lines as (x, y), and tick labels."""
    kept = []
    monkeypatch.setattr("thymos.report.inspections.svg", lambda fig: kept.append(fig) or "")
    breakdown(view, table)
    return [
        (
            [np.asarray(line.get_xydata()).round(6).tolist() for line in ax.lines],
            [t.get_text() for t in ax.get_xticklabels()],
        )
        for ax in kept[0].axes
        if ax.get_visible()
    ]


def test_gaps_of_a_breakdown_stand_in_tables_below_it(view):
    rows = [
        {"method": method, "subject": f"s{k}", "column": "sex", "value": "fm"[k % 2], "level": view.level, "seed": 0}
        | {"n": 4, "balanced_accuracy": 0.5 + gap * (k % 2) + 0.01 * k, "protocol": "trial", "fold": 1}
        for k in (*range(16), *range(17, 25, 2))
        for method, gap in (("mlp", 0.3), ("lda", 0.1))
    ]
    whole = [{**row, "subject": "all", "ece": 0.25} for row in rows[:4]]
    view.study = {**view.study, "comparisons": {"mlp": ["lda"]}}
    (drawn,) = breakdown(view, pd.DataFrame([*rows, *whole]))
    assert "interval over 8 to 12 subjects" in drawn.caption
    (head, *gaps), (_, compared) = drawn.tables
    assert head[-1].startswith("calibration error")
    cells = {row[0]: row[1:] for row in gaps}[view.methods["mlp"]]
    assert cells[0].startswith("0.350 [")
    assert (cells[1][:7], cells[2], cells[4]) == ("f 0.570", "m 0.920", "f 0.250, m 0.250")
    assert compared[:2] == [view.methods["mlp"], view.methods["lda"]]
    assert compared[2].startswith("+0.200 [")
    assert breakdown(view, pd.DataFrame([*rows, *whole]), gaps=False)[0].tables == ()


def test_a_breakdown_draws_each_subject_the_mean_and_chance(view, monkeypatch):
    table = tasks(["10", "9"], subjects=("s1", "s2", "s3"))
    value = table["subject"].map({"s1": 0.2, "s2": 0.4, "s3": 0.9, "all": 0.0}) + 0.1 * (table["value"] == "10")
    table = table.assign(balanced_accuracy=value.where((table["subject"] != "s3") | (table["value"] == "9")))
    (lines, labels), (others, _) = lines_of(monkeypatch, view, table)
    assert str(others) == str(lines), "the second method did the same"
    assert labels == ["9", "10"], "numbers by their size"
    assert lines[:2] == [[[0, 0.2], [1, 0.3]], [[0, 0.4], [1, 0.5]]]
    assert lines[2][0] == [0, 0.9]
    assert np.isnan(lines[2][1][1]), "a subject without such trials"
    assert lines[3] == [[0, 0.5], [1, 0.4]], "means"
    assert lines[4] == [[0, 0.5], [1, 0.5]], "chance of two classes"


def test_many_or_nameless_values_have_room(view, monkeypatch):
    panels = lines_of(monkeypatch, view, tasks([f"stimulus number {k}" for k in range(30)]))
    assert [len(labels) for _, labels in panels] == [0, 30], "below each other"
    (_, labels), *_ = lines_of(monkeypatch, view, tasks([""]))
    assert labels == [""]
    (drawn,) = breakdown(view, tasks([str(k) for k in range(30)]))
    assert "12 of each" in drawn.caption


def test_lipschitz_constants_scales_and_radii_are_figures_of_their_own(view):
    first, second, third = lipschitz(view, constants())
    assert {*BRANCHES, "ensemble", "Lipschitz constant (per µV)", "proven bound"} <= set(texts(first))
    assert {"factor of its input", "ensemble", "Discriminant", "Network"} <= set(texts(second)), "all in one panel"
    assert {"certified radius (µV)", "1 µV", "share of test trials"} <= set(texts(third))
    # where one fit proves nothing, nothing is proven
    assert lipschitz(view, constants(bound=False))[0].svg == first.svg
    proven = constants().replace({"value": {np.inf: 8.0}})
    assert lipschitz(view, proven)[0].svg != first.svg
    titles = [drawn.title for drawn in lipschitz(view, constants(radius=False, bound=False))]
    assert titles == [first.title, second.title]
    (only,) = lipschitz(view, constants(**dict.fromkeys(("local", "attack", "bound", "declared", "scale"), False)))
    assert only.title == third.title


def test_radii_in_different_units_share_no_axis(view):
    table = constants(**dict.fromkeys(("local", "attack", "bound", "declared", "scale"), False))
    table["unit"] = table["unit"].where(table["method"] == "lda", "")
    first, second = lipschitz(view, table)
    assert {"certified radius (µV)", "Discriminant"} <= set(texts(first))
    assert {"certified radius", "Network"} <= set(texts(second))
    assert "1 µV" not in texts(second)


def test_certified_accuracy_by_hand():
    table = pd.DataFrame({"value": [2.0, 0.5, 1.0, np.inf, np.nan], "correct": [True, True, False, True, None]})
    found = certified_accuracy(table)
    assert found["radius"].tolist() == [0, 0.5, 2]
    assert found["share"].tolist() == [0.6, 0.6, 0.4]
    assert certified_accuracy(table.iloc[2:3])["share"].tolist() == [0]


def test_relations_are_drawn_by_label_and_beside_their_mean(view):
    labels = {"calm", "tense", "other"}
    absolute, difference = relations(view, chords(labels=("calm", "tense", "other")))
    for drawn in (absolute, difference):
        assert {*labels, *ELECTRODES, "frontal", "central", "occipital"} <= set(texts(drawn))
    assert "between 0.1 and 0.5; if no pair were preferred, each would be their mean, 0.113." in absolute.caption
    assert {"0.5", "0.3", "0.1"} <= set(texts(absolute)), "how wide a weight is drawn"
    assert "only a picture" in difference.caption
    assert "0.27 at most" in difference.caption
    assert {"+0.27", "-0.27"} <= set(texts(difference))
    (absolute, difference) = relations(view, chords())
    assert {"calm", "tense"} <= set(texts(absolute))
    assert "calm minus tense" in texts(difference), "one picture, of which the other label's is the mirror image"
    assert "more than in tense" in difference.caption
    assert "0.4 at most" in difference.caption
    (alike,) = relations(view, chords().assign(weight=0.1))
    assert "the same for all labels" in alike.caption
    assert {"all labels"} == set(texts(alike)) & {"all labels", *labels}
    (single,) = relations(view, chords(labels=("calm",)))
    assert "difference" not in single.title
    (nodes, _) = relations(view, chords(names=["n1", "n2", "n3"]))
    assert {"n1", "n2", "n3"} <= set(texts(nodes))
    assert "frontal" not in texts(nodes)
    (capped, _) = relations(view, chords(names=["PO3", "P1", "AFz", "A1"]))
    assert {"occipital", "parietal", "frontal", "ears"} <= set(texts(capped))
    assert "central" not in texts(capped)
    assert relations(view, chords(names=["Cz"])) == []


def test_relations_are_means_over_fits_and_directions():
    table = pd.DataFrame(
        [
            ("x", "C3", "C4", 1.0),
            ("x", "C4", "C3", 3.0),
            ("x", "C3", "C4", 5.0),
            ("x", "C3", "C3", 99.0),
            ("y", "Cz", "C3", 4.0),
        ],
        columns=["label", "a", "b", "weight"],
    )
    labels, names, weights = mean_relations(table)
    assert (labels, names) == (["x", "y"], ["C3", "C4", "Cz"])
    assert np.array_equal(weights, [[3.0, np.nan, np.nan], [np.nan, 4.0, np.nan]], equal_nan=True)


def test_the_strongest_relations_count_by_size_and_come_last():
    found = strongest(np.array([0.1, -0.9, np.nan, 0.5, 0.0, 0.2]), ["a", "b", "c", "d"], 3)
    assert found[["a", "b"]].agg("".join, axis=1).tolist() == ["cd", "bc", "ac"]
    assert found["weight"].tolist() == [0.2, 0.5, -0.9]
    assert len(strongest(np.zeros(3), ["a", "b", "c"])) == 0


def test_electrodes_stand_on_their_side_of_the_circle():
    at = places(ELECTRODES)
    x, y = ({name: f(angle) for name, angle in at.items()} for f in (np.cos, np.sin))
    assert x["Fp1"] < 0 < x["Fp2"]
    assert x["O1"] < 0 < x["O2"]
    assert y["O1"] < y["Fp1"]
    assert len(set(np.round(list(at.values()), 6))) == len(ELECTRODES)
    assert places(["n1", "n2"]) == {"n1": np.pi / 2, "n2": 3 * np.pi / 2}


def test_means_over_units_by_hand():
    table = pd.DataFrame(
        {
            "fold": ["0", "1", "0", "1", "0"],
            "subject": ["a", "a", "b", "b", "all"],
            "kind": "k",
            "right": [0.2, 0.4, 0.8, np.nan, 99],
        }
    )
    (row,) = over_units(table, ["kind"], "right").to_dict("records")
    assert row["value"] == pytest.approx(1.4 / 3)
    assert row["n_units"] == 3
    assert row["low"] < row["value"] < row["high"]
    many = pd.DataFrame({"subject": np.repeat([f"s{k}" for k in range(8)], 2), "fold": list("01") * 8, "kind": "k"})
    (row,) = over_units(many.assign(right=[0.0, 1.0] * 8), ["kind"], "right").to_dict("records")
    assert (row["value"], row["low"], row["high"], row["n_units"]) == (0.5, 0.5, 0.5, 8)  # folds are averaged first
    assert "over 8 subjects" in over_units(many.assign(right=1.0), ["kind"], "right").attrs["words"]
    (row,) = over_units(table.iloc[:1], ["kind"], "right").to_dict("records")
    assert np.isnan(row["low"])
    assert "no interval" in over_units(table.iloc[:1], ["kind"], "right").attrs["words"]
    (row,) = over_units(table.iloc[4:], ["kind"], "right").to_dict("records")  # nothing but the whole test part
    assert row["value"] == 99
