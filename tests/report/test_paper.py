"""Figures and tables for a paper, from stored results."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import InputError
from thymos.report.paper import write_paper
from thymos.report.view import number


def test_every_figure_is_a_vector_file_and_every_table_csv_and_latex(view, tmp_path):
    view.audit = None
    paths = {path.name: path for path in write_paper(view, tmp_path / "new" / "paper")}
    assert {"results.svg", "results.csv", "results.tex", "differences.tex", "split-trial.svg", "steady.svg"} <= set(
        paths
    )
    for path in paths.values():
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")
    table = pd.read_csv(paths["results.csv"])
    cell = view.cell("trial", "mlp")
    shown = table.set_index("method").loc["Network", "trial"]
    assert shown.startswith(number(cell.value))
    latex = paths["results.tex"].read_text()
    assert shown in latex
    assert r"random\_window (LEAKY)" in latex
    assert r"95 \% bootstrap" in latex
    assert r"\toprule" in latex
    assert r"\label{tab:looked-at-results}" in latex


def test_what_has_no_interval_has_none_in_the_tables_of_a_paper(view, tmp_path):
    view.audit = None
    view.comparisons = view.comparisons.assign(low=np.nan, high=np.nan, p=0.0001, p_holm=0.0001)
    paths = {path.name: path for path in write_paper(view, tmp_path)}
    latex = paths["differences.tex"].read_text()
    assert "[+nan" not in latex
    assert r"\textless{} 0.001" in latex


def test_files_of_the_same_names_are_written_anew(view, tmp_path):
    view.audit = None
    (tmp_path / "results.tex").write_text("old")
    write_paper(view, tmp_path)
    assert "old" not in (tmp_path / "results.tex").read_text()


def test_a_file_in_the_place_of_the_folder_is_refused_in_words(view, tmp_path):
    (tmp_path / "paper").write_text("mine")
    with pytest.raises(InputError, match="cannot be written"):
        write_paper(view, tmp_path / "paper")
    assert (tmp_path / "paper").read_text() == "mine"
