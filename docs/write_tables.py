"""Write tables of stored results into README.md and pages: of the five systems, and of exported models.

Run: python docs/write_tables.py. Between the two marks of a page everything is replaced.
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from thymos.evaluation.systems import SYSTEMS

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ("majority", "mean")
#: How names of methods begin, or end, that are variants or parts of the system itself, and no rivals of it.
OWN = {
    "masked-gan": r"personal|population|random|.*_gan$",
    "hybrid": r"face_cnn|concat|attention|gated|lstm",
    "lel": r"lel",
    "gene-pruning": r"gene",
    "lstm-gru": r"lstm|gru",
}


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
    level : str
    metric : str
    unit : str
        What a sample is called, if it is no window and no trial.
    """

    system: str
    data: str
    table: str
    method: str
    honest: str
    leaky: str = ""
    level: str = "trial"
    metric: str = "accuracy"
    unit: str = ""


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
    Row("lel", "EAV, simulated, effect 6, 5 classes", "lel-eav3.quick", "lel", "trial"),
    Row("lel", "SEED, simulated, effect 3, 3 classes", "lel-seed-d3.quick", "lel", "stimulus", "random_window"),
    Row(
        "lel",
        "Muse recordings, 3 mental states",
        "lel-muse.quick",
        "lel",
        "recording",
        "",
        "window",
        "balanced_accuracy",
    ),
    Row(
        "masked-gan",
        "DEAP, simulated, effect 3, valence",
        "mgan-d3.quick",
        "personal_gan",
        "stimulus",
        "random_window",
    ),
    Row("masked-gan", "DEAP, simulated, effect 6, valence", "mgan-d6.quick", "personal_gan", "stimulus"),
    Row(
        "hybrid",
        "FER-2013: faces alone",
        "fer2013.quick",
        "face_cnn",
        "official",
        "official_with_copies",
        unit="photograph",
    ),
    Row(
        "hybrid",
        "FER-2013 beside DEAP, simulated: pairs of different people, 7 classes",
        "hybrid-fer-physio.quick",
        "concat",
        "paired_at_random",
        "paired_by_label",
        "window",
        unit="pair",
    ),
    Row(
        "hybrid",
        "face and heart rate of one moment, simulated, effect 3, 7 classes",
        "hybrid-demo.quick",
        "concat",
        "loso",
        "random_window",
        metric="balanced_accuracy",
    ),
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
        "hybrid",
        "the same, arousal",
        "hku956-arousal.quick",
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
        unit="digit",
    ),
    Row(
        "gene-pruning",
        "waveforms (no emotion), a fifth of the weights left",
        "gene-pruning-waves.quick",
        "gene",
        "recording",
        level="window",
        unit="sequence",
    ),
    Row(
        "gene-pruning",
        "FER-2013, half of the weights left",
        "gene-pruning-fer.quick",
        "gene",
        "official",
        unit="photograph",
    ),
    Row(
        "gene-pruning",
        "RAVDESS: voices of new actors, half of the weights left",
        "gene-pruning-ravdess.quick",
        "gene",
        "published",
        metric="balanced_accuracy",
        unit="utterance",
    ),
)

#: What follows, system by system. Numbers are looked up: {table method protocol}, or with level and metric, or column;
#: {table: protocol method rival} is p of a comparison.
VERDICTS = {
    "masked-gan": """
Real DEAP is not measured. On its simulated twin nothing of the claim is left without a leak: where windows of one
trial stand on both sides, the system reaches {mgan-d3 personal_gan random_window} on simulated DEAP, and an SVM
on the same features {mgan-d3 svm random_window}. For new clips it reaches {mgan-d3 personal_gan stimulus}
(chance {mgan-d3 personal_gan stimulus chance}), without generated samples {mgan-d3 personal stimulus}, without
personal architectures {mgan-d3 population_gan stimulus}, the SVM {mgan-d3 svm stimulus}: of five differences that
were planned none stands out, so that no part of it is seen to help.
""",
    "hybrid": """
Faces: the claimed 62 % are reached, {fer2013 face_cnn official} for the published network and
{fer2013 compact official} for a smaller one, without the copies that FER-2013 has in several parts. Generated
photographs of rare classes do not help ([faces](faces.md)). Heart rate: nothing is seen at real wrists of new people,
neither valence ({hku956-physio lstm subject_stimulus trial balanced_accuracy}, chance 0.50) nor arousal
({hku956-arousal lstm subject_stimulus trial balanced_accuracy}). Fusion: pairs of FER-2013 and physiology share no
person; paired by label they reach {hybrid-fer-physio concat paired_by_label window}, at random
{hybrid-fer-physio concat paired_at_random window}, and both are far from 90 %. Where face and heart rate are truly of
one moment (simulated), a trained fusion is ahead of the face, {hybrid-demo concat loso trial balanced_accuracy}
against {hybrid-demo face loso trial balanced_accuracy} by trial for new people (p {hybrid-demo: loso concat face});
single windows do not show it (p {hybrid-pairs: paired_truly concat face}).
""",
    "lel": """
The paper states whole trials, dealt 60 / 10 / 30; its published code puts windows of one trial on both sides. As the
code does it, simulated FACED gives {lel-faced-d3 lel random_window} and linear discriminant analysis
{lel-faced-d3 lda random_window}; as the paper states it {lel-faced-d3 lel trial_shares} and
{lel-faced-d3 lda trial_shares} (chance {lel-faced-d3 lel trial_shares chance}); in folds that use the few trials
better {lel-faced-d3 lel trial} and {lel-faced-d3 lda trial} (chance {lel-faced-d3 lel trial chance}). On simulated
SEED, for new clips, {lel-seed-d3 lel stimulus} and {lel-seed-d3 lda stimulus}; on EAV {lel-eav3 lel trial} and
{lel-eav3 lda trial} (the commonest of five classes alone: {lel-eav3 majority trial}). Windows of real recordings
(Muse, mental states) {lel-muse lel recording window balanced_accuracy} and
{lel-muse lda recording window balanced_accuracy}. The layers are bounded as published, and the bound can be proven
([LEL](lel.md)); that four branches recognise more than a linear rival is not seen in any of these.
""",
    "gene-pruning": """
The 92 % that are claimed for FER-2013 lie above what people agree on there, and are no target. Regulation keeps what
is known: with a fifth of the connections it reaches {gene-pruning-digits gene recording window} on digits (dense
{gene-pruning-digits dense recording window}) and {gene-pruning-waves gene recording window} on waveforms (dense
{gene-pruning-waves dense recording window}). So do simpler rules: the largest weights at once reach
{gene-pruning-digits magnitude recording window} and {gene-pruning-waves magnitude recording window}, and no rule that
goes by size, gradient or chance is told from it (p {gene-pruning-digits: recording gene magnitude} against this one
on digits); random scores in its own place are worse. On photographs (FER-2013) half of the channels' weights leave
{gene-pruning-fer gene official} of {gene-pruning-fer dense official}, which is not told from nothing lost (p
{gene-pruning-fer: official gene dense}), nor regulation from size (p {gene-pruning-fer: official gene gradual}) or from
a network that was small from the beginning (p {gene-pruning-fer: official gene small}). On real voices of new actors
(RAVDESS, chance
{gene-pruning-ravdess gene published trial balanced_accuracy chance}) half of the channels' weights cost something, as
they do under simpler rules: {gene-pruning-ravdess gene published trial balanced_accuracy} are left of
{gene-pruning-ravdess dense published trial balanced_accuracy}, far from the 90 % that are claimed. Half of
the parameters that really go save the claimed 35 % of the time where channels are left in multiples of what a vector
unit takes (photographs), and far less where any number may stay (voices; [pruning](pruning.md)).
""",
    "lstm-gru": """
The claims are of film emotions, in a table of two people that is not measured here. On recordings of mental states by
the same laboratory rows split at random give as much, {lstm-gru-muse lstm_single random_window window} and
{lstm-gru-muse gru_single random_window window}, since rows of one recording stand on both sides, and
{lstm-gru-muse lstm_single random_window window accuracy permuted} with labels that mean nothing. For a new recording
{lstm-gru-muse lstm_single recording window} and {lstm-gru-muse gru_single recording window} are left, for a new
person {lstm-gru-muse lstm_single loso window} and {lstm-gru-muse gru_single loso window}; a random forest has
{lstm-gru-muse random_forest recording window} and {lstm-gru-muse random_forest loso window}. LSTM and GRU lie that
near to each other, and what they see is in part the contact of an electrode ([audit](audit.md)).
""",
}


@cache
def stored(table: str) -> pd.DataFrame:
    """Return a stored summary."""
    return pd.read_csv(ROOT / "results" / f"{table}.csv", dtype={"labels": str})


def found(table: str, method: str, protocol: str, level: str, metric: str, labels: str = "true") -> dict[str, float]:
    """Return the row of a stored summary."""
    wanted = {"protocol": protocol, "method": method, "labels": labels, "level": level, "metric": metric}
    every = stored(table)
    (row,) = every.loc[(every[list(wanted)] == pd.Series(wanted)).all(axis=1)].to_dict("records")
    return row


def cell(row: Row, protocol: str, table: str) -> str:
    """Return a value with its interval, or a dash."""
    if not protocol:
        return "-"
    here = found(table, row.method, protocol, row.level, row.metric)
    return f"{here['value']:.2f} [{here['low']:.2f}, {here['high']:.2f}] (`{protocol}`)"


def rival(row: Row) -> str:
    """Return the best method of the table under the honest protocol that is no part of the system."""
    every = stored(row.table).query("labels == 'true' and level == @row.level and metric == @row.metric")
    own = every["method"].str.match(OWN[row.system]) | every["method"].isin(BASELINES)
    others = every[(every["protocol"] == row.honest) & ~own]
    if others.empty:
        return "-"
    best = others.loc[others["value"].idxmax()]
    return f"`{best['method']}` {best['value']:.2f}"


def made() -> str:
    """Return a table for each system in Markdown."""
    parts = []
    for name, system in SYSTEMS.items():
        claim = f"**{system.title}** ({system.source}); claimed: {system.claim}"
        lines = [textwrap.fill(claim, 120, break_long_words=False, break_on_hyphens=False), ""]
        lines += ["| measured on | number | honest | chance | majority class | best rival | LEAKY |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for row in (row for row in ROWS if row.system == name):
            chance, majority = (
                f"{found(row.table, method, row.honest, row.level, row.metric)[column]:.2f}"
                for method, column in ((row.method, "chance"), ("majority", "value"))
            )
            cells = [row.data, f"{row.metric.replace('_', ' ')} by {row.unit or row.level}"]
            cells += [cell(row, row.honest, row.table), chance, majority, rival(row)]
            lines.append(f"| {' | '.join([*cells, cell(row, row.leaky, row.table)])} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _looked_up(match: re.Match) -> str:
    if ":" in match[1]:  # of a comparison, p after Holm
        table, (protocol, a, b) = match[1].split(":")[0], match[1].split(":")[1].split()
        compared = json.loads((ROOT / "results" / f"{table}.quick.json").read_text())[protocol]["compared"]
        return f"{next(row['p_holm'] for row in compared if (row['a'], row['b']) == (a, b)):.2f}"
    table, method, protocol, *more = match[1].split()
    column = more.pop() if more[-1:] == ["chance"] else "value"
    labels = more.pop() if more[-1:] == ["permuted"] else "true"
    level, metric, *_ = [*more, *("trial", "accuracy")[len(more) :]]
    return f"{found(f'{table}.quick', method, protocol, level, metric, labels)[column]:.2f}"


def verdicts() -> str:
    """Return what follows of each system, in Markdown."""
    parts = []
    for name, system in SYSTEMS.items():
        words = " ".join(re.sub(r"\{([^}]+)\}", _looked_up, VERDICTS[name]).split())
        parts.append(textwrap.fill(f"**{system.title}.** {words}", 120, break_long_words=False, break_on_hyphens=False))
    return "\n\n".join(parts) + "\n"


def exported() -> str:
    """Return what every model of the catalogue costs as trained and as ONNX, in Markdown."""
    table = pd.read_csv(ROOT / "results" / "exported.csv")
    lines = [
        "| model | difference | trained, ms (99 %) | ONNX, ms (99 %) | faster | 64 at once |",
        "|---|---|---|---|---|---|",
    ]
    if "reason" in table:  # no model may have failed
        table = table[table["reason"].isna()]
    for row in table.to_dict("records"):
        times = [f"{row[f'{kind}_p50_1']:.2f} ({row[f'{kind}_p99_1']:.2f})" for kind in ("trained", "exported")]
        faster = [f"{row[f'ratio_{batch}']:.1f} times" for batch in (1, 64)]
        cells = ["`{model}`".format(**row), "{difference:.0e}".format(**row), *times, *faster]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


#: What stands between which marks of which pages.
PARTS = (
    ("README.md", "systems", made),
    ("docs/systems.md", "systems", made),
    ("docs/systems.md", "verdicts", verdicts),
    ("docs/deploy.md", "exported", exported),
)


def main() -> None:
    """Write every page anew."""
    for page, mark, content in PARTS:
        path = ROOT / page
        text, begin, end = path.read_text(encoding="utf-8"), f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
        before, after = text.split(begin)[0], text.split(end)[1]
        path.write_text(f"{before}{begin}\n\n{content()}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
