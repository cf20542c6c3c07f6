"""What a paper needs of a run: every figure as a vector file, every table as csv and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from thymos.base.errors import InputError
from thymos.base.folders import whole_file
from thymos.report.page import report_content
from thymos.report.view import RunView, chance, number

__all__ = ["write_paper"]

_SPECIAL = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}", "<": r"\textless{}"}


def write_paper(view: RunView, folder: Path) -> list[Path]:
    """Write figures and tables of a run into a folder.

    Parameters
    ----------
    view : RunView
    folder : Path
        Made if it is not there; files of the same names are written anew.

    Returns
    -------
    list of Path
        ``*.svg``; ``*.csv`` and ``*.tex`` (`booktabs`, with caption and label).

    Raises
    ------
    DataError
        If the run has lost what it stored.
    InputError
        If there can be no such folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Figures and tables cannot be written to {folder}: {error.strerror or error}.",
            fits="a folder in a place one may write to",
            do="choose another --paper",
        ) from None
    paths = [_write(folder / f"{name}.svg", text) for name, text in _figures(view) if text]
    for name, table, caption in _tables(view):
        paths.append(_write(folder / f"{name}.csv", table.to_csv(index=False)))
        paths.append(_write(folder / f"{name}.tex", _latex(table, caption, f"tab:{view.study['name']}-{name}")))
    return paths


def _figures(view: RunView) -> Iterator[tuple[str, str]]:
    """Yield name and SVG of every figure of the report."""
    content = report_content(view)
    for name, drawn in content["figures"].items():
        for part, text in drawn.items() if isinstance(drawn, dict) else [("", drawn)]:
            yield "-".join(filter(None, (name, part))), text
    for drawn in (*content["panels"], *content["inspections"]):
        yield re.sub(r"[^a-z0-9]+", "-", drawn.title.lower()).strip("-"), drawn.svg
    for part in content["differences"]:
        yield f"ranks-{part['protocol']}", part["ranks"]


def _tables(view: RunView) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Yield name, table and caption."""
    rows, head, caption = view.main_table()
    yield "results", pd.DataFrame([[cell.text for cell in row] for row in rows], columns=head), caption
    found = view.comparisons.dropna(subset=["p"])
    if len(found):
        table = pd.DataFrame(
            {
                "protocol": found["protocol"],
                "method": found["a"].map(view.methods),
                "rival": found["b"].map(view.methods),
                "difference": [
                    f"{row.difference:+.3f}" + (f" [{row.low:+.2f}, {row.high:+.2f}]" if np.isfinite(row.low) else "")
                    for row in found.itertuples(index=False)
                ],
                "p": found["p"].map(chance),
                "p after Holm": found["p_holm"].map(chance),
                "could have been found": found["detectable"].map(number),
            }
        )
        words = f"{view.metric_title.capitalize()} by {view.level}: the method's minus the rival's, paired over "
        yield "differences", table, f"{words}{' or '.join(dict.fromkeys(found['unit'] + 's'))}, seeds averaged first."


def _latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """Return a table in LaTeX, with special characters of its words escaped."""
    clean = table.astype(str).map(_escaped)
    clean.columns = [_escaped(str(name)) for name in clean.columns]
    style = clean.style.hide(axis="index")
    return style.to_latex(
        hrules=True, caption=_escaped(caption), label=label, position="tb", column_format="l" * clean.shape[1]
    )


def _escaped(text: str) -> str:
    return re.sub("[&%_#${}<]", lambda found: _SPECIAL[found[0]], text)


def _write(path: Path, text: str) -> Path:
    with whole_file(path, overwrite=True) as fresh:
        fresh.write_text(text, encoding="utf-8")
    return path
