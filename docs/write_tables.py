"""Write the table of the five systems into README.md and docs/systems.md from stored results.

Run: python docs/write_tables.py. Between the two marks of a page everything is replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from thymos.evaluation.systems import SYSTEMS

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/systems.md")
BEGIN, END = "<!-- systems: begin -->", "<!-- systems: end -->"


@dataclass(frozen=True)
class Row:
    """What was measured of one system on one corpus.

    Parameters
    ----------
    system : str
        Of :data:`thymos.evaluation.systems.SYSTEMS`.
    data : str
        In words, with what is simulated in it.
    table : str
        Stored summary, without ``.csv``.
    method : str
    honest, leaky : str
        Protocols; `leaky` may be empty.
    leaky_table : str
        Stored summary of the leaky protocol, where it is another.
    level : str
    metric : str
    """

    system: str
    data: str
    table: str
    method: str
    honest: str
    leaky: str = ""
    level: str = "trial"
    metric: str = "accuracy"
    leaky_table: str = ""


ROWS = (
    Row(
        "lstm-gru",
        "Muse recordings, 3 mental states",
        "lstm-gru-muse.quick",
        "lstm_single",
        "recording",
        "random_window",
        "window",
    ),
    Row("lstm-gru", "the same, new people", "lstm-gru-muse.quick", "lstm_single", "loso", "random_window", "window"),
    Row(
        "lstm-gru",
        "`emotions.csv`, simulated",
        "lstm-gru-emotions.quick",
        "lstm_single",
        "recording",
        "random_window",
        "window",
    ),
    Row("lel", "FACED, simulated, effect 3, 9 classes", "lel-faced-d3.quick", "lel", "trial", "random_window"),
    Row("lel", "SEED, simulated, effect 3, 3 classes", "lel-seed-d3.quick", "lel", "stimulus", "random_window"),
    Row(
        "lel",
        "Muse recordings, 3 mental states",
        "lel-muse.quick",
        "lel",
        "recording",
        "",
        "trial",
        "balanced_accuracy",
    ),
    Row(
        "masked-gan",
        "DEAP, simulated, effect 3, valence",
        "mgan-d3.quick",
        "personal_gan",
        "stimulus",
        "random_window",
        leaky_table="mgan-d3-leaky.quick",
    ),
    Row("masked-gan", "DEAP, simulated, effect 6, valence", "mgan-d6.quick", "personal_gan", "stimulus"),
    Row("hybrid", "FER-2013: faces alone", "fer2013.quick", "face_cnn", "official", "official_with_copies"),
    Row(
        "hybrid",
        "HKU956: heart rate at the wrist, valence",
        "hku956-physio.quick",
        "lstm",
        "subject_stimulus",
        "random_window",
        metric="balanced_accuracy",
    ),
    Row(
        "gene-pruning",
        "handwritten digits (no emotion), a fifth of the weights left",
        "gene-pruning-digits.quick",
        "gene",
        "recording",
        level="window",
    ),
)


def cell(row: Row, protocol: str, stored: str) -> str:
    """Return a value with its interval and chance, or a dash."""
    if not protocol:
        return "-"
    table = pd.read_csv(ROOT / "results" / f"{stored}.csv", dtype={"labels": str})
    wanted = {"protocol": protocol, "method": row.method, "labels": "true", "level": row.level, "metric": row.metric}
    mine = table.loc[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    (found,) = mine.to_dict("records")
    words = "" if row.metric == "accuracy" else f" ({row.metric.replace('_', ' ')})"
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}], chance {found['chance']:.2f}{words}"


def made() -> str:
    """Return the table in Markdown."""
    lines = ["| system | claimed | measured on | honest | LEAKY |", "|---|---|---|---|---|"]
    for name, system in SYSTEMS.items():
        rows = [row for row in ROWS if row.system == name]
        claim = f"{system.claim} ({system.source})"
        for number, row in enumerate(rows):
            honest, leaky = cell(row, row.honest, row.table), cell(row, row.leaky, row.leaky_table or row.table)
            cells = [f"{honest} (`{row.honest}`)", leaky]
            head = "| |" if number else f"| {system.title} | {claim}"  # said once
            lines.append(f"{head} | {row.data} | {' | '.join(cells)} |")
        if not rows:
            lines.append(f"| {system.title} | {claim} | not measured yet | - | - |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write every page anew."""
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        path.write_text(f"{before}{BEGIN}\n\n{made()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
