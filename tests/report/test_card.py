"""The model card: stored facts in, Markdown out."""

import pandas as pd

from thymos.report.card import CARD, write_card
from thymos.report.view import RunView, number


def _tables(text):
    """Return the rows of every table of a Markdown text, as lists of cells."""
    tables, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows:
            tables.append(rows)
            rows = []
    return tables


def test_a_card_holds_results_data_and_time_and_its_tables_are_whole(view):
    view.audit = None
    path = write_card(view)
    assert path.name == CARD
    text = path.read_text()
    for table in _tables(text):
        assert len({len(row) for row in table}) == 1
    cell = view.cell("trial", "mlp")
    assert f"| Network | trial | {number(cell.value)} |" in text
    assert "random_window (LEAKS)" in text
    assert "Undefined" not in text
    assert "None" not in text
    hours = view.fits[["fit_seconds", "predict_seconds"]].sum().sum() / 3600
    assert f"{hours:.2f} hours" in text
    assert "&" not in text.replace(" & ", ""), "escaped for HTML"
    for caution in view.data["cautions"]:
        assert caution.strip() in text


def test_how_to_run_it_again_names_shipped_studies_and_files_of_others(view, monkeypatch):
    monkeypatch.setitem(view.study, "name", "mine")
    assert "thymos run FILE.yaml --budget" in write_card(view).read_text()
    monkeypatch.setitem(view.study, "name", "lel-demo")
    assert "thymos run lel-demo --budget" in write_card(view).read_text()


def test_energy_is_said_where_it_was_metered(view):
    view.audit = None
    first = {**view.sittings[0], "joules": 3.6e6}
    view.sittings = [first, {**first, "joules": None}]
    text = write_card(view).read_text()
    assert "1 kWh" in text
    assert "1 of 2 sittings metered" in text
    view.sittings = [{**first, "joules": None}]
    assert "not metered" in write_card(view).read_text()


def test_gaps_between_groups_are_those_of_the_breakdown(view, monkeypatch):
    view.audit = None
    assert "Not measured" in write_card(view).read_text()
    rows = [
        {"method": "mlp", "subject": f"s{k}", "column": "sex", "value": "fm"[k % 2], "level": view.level, "seed": 0}
        | {"balanced_accuracy": 0.5 + gap * (k % 2), "accuracy": 0.9, "protocol": protocol}
        for k in range(6)
        for protocol, gap in (("trial", 0.3), ("random_window", 0.1))
    ]
    view.inspections = {"missing_modality": pd.DataFrame(rows).assign(column="given")}
    assert "Not measured" in write_card(view).read_text(), "no groups of people"
    view.inspections = {"breakdown": pd.DataFrame(rows)}
    text = write_card(view).read_text()
    assert "| trial | Network | sex | f 0.500 | m 0.800 | 0.300" in text
    assert "| random_window (LEAKY) | Network | sex | f 0.500 | m 0.600 | 0.100" in text
    monkeypatch.setattr("thymos.report.card._gaps", lambda view: [])
    monkeypatch.setattr(RunView, "rating", True)
    assert "Each group's numbers stand in the report" in write_card(view).read_text()
