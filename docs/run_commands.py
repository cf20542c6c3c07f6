"""Run every command of README and of the documentation, in order, and write down how long each takes.

Run: python docs/run_commands.py [--only PAGE] [--here] [--full]. The project is cloned and ``make`` installs it there,
unless `--here` takes the environment that this runs in. Each page has an empty folder of its own, with what it takes
for granted (simulated corpora in the real layouts, recordings, photographs, voices), and its commands run there one
after the other as they are printed, but for three things that the table shows: corpora lie where these do, studies are
run with the budget ``tiny`` unless `--full` is given, and a cluster is one of this machine. What stands alone and is on
several pages runs once (``make demo`` is ``thymos demo``). What belongs to Python and to measurements (``python
benchmarks/...``) has tests and stored results of its own and is not repeated. The table is
``results/commands.csv``; the status is 1 if a command failed that should not have.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from thymos.evaluation.study_files import load_study

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
BEGIN = ("thymos", "make", "mkdir", "mv", "head")
#: Small corpora in the layouts of the real ones.
CORPORA = {
    "deap": "--subjects 3 --set trials=6 --set films=0 --set seconds=24",
    "faced": "--subjects 3 --set seconds=12",
    "seed": "--subjects 2 --set scale=0.1",
    "eav": "--subjects 2 --set turns=20 --set seconds=6",
    "hku956": "--subjects 6 --set trials=8 --set shared=0.25",
    "muse-mental-state": "",
    "emotions-csv": "",
    "ravdess": "",
    "fer2013": "--set photos=[2000,200,200]",
    "affectnet": "",
}
CLUSTER = "tcp://127.0.0.1:8786"
#: What is printed in the documentation, and what stands for it here.
HERE = (
    (r"(--data) (DIR|DATA)\b", r"\1 {corpora}"),
    (r"/downloads/DEAP\b", "{corpora}/deap"),
    (r"/downloads/FACED\b", "{corpora}/faced"),
    (r"--out DIR\b", "--out made"),
    (r"tcp://[\w.]+:8786", CLUSTER),
    (r"\bSTUDY\b", "gene-pruning-digits"),
    (r"^make (\w+)", r"make -C {root} \1"),
)
_WRITE = "{python} {root}/examples/write_edf_files.py"
_STUDY = "thymos init recordings"
_WORDS = "; sed -i 's/,happy/,high/; s/,sad/,low/' labels.csv"  # of studies that ship
_LABELS = (
    "printf 'file,label\\n' > labels.csv; for f in {folder}*.edf; do b=$(basename $f); "
    "echo $b,$(echo $b | cut -d_ -f2) >> labels.csv; done"
)
_EDF = f"{_WRITE} people; cp people/anna_*.edf .; cp anna_happy_1.edf recording.edf; cp -r people my-recordings"
#: What a page takes for granted, as commands of a shell.
GIVEN = {
    "README.md": [_EDF, _LABELS.format(folder="anna_") + _WORDS, "{python} {helper} study my-study.yaml"],
    "docs/audit.md": [
        "{python} {helper} study my-study.yaml",
        "thymos run my-study.yaml --data {corpora} --out runs/mine --budget tiny",
    ],
    "docs/cite.md": ["thymos run gene-pruning-digits --out runs/mine --budget tiny"],
    "docs/deploy.md": [
        f"{_WRITE} recordings; mkdir new; mv recordings/fay_* new/",
        _STUDY,
        _LABELS.format(folder="new/"),
        "{python} {helper} volts volts.csv",
    ],
    "docs/faces.md": ["{python} {helper} photographs ."],
    "docs/lel.md": ["thymos simulate faced --out sim6 --subjects 3 --set seconds=12 --set effect=6 --seed 7"],
    "docs/own-recordings.md": [f"{_WRITE} recordings"],
    "docs/saliency.md": [_EDF, _LABELS.format(folder="anna_") + _WORDS],
    "docs/speech.md": ["cp $(find {corpora} -name '*.wav' | head -1) call.wav", "{python} {helper} flac call.wav"],
}
#: Commands that are to end with a status other than 0, and with which.
REFUSED = {("docs/deploy.md", "thymos predict model volts.csv"): 1}


def commands(page: str) -> list[str]:
    """Return the commands in the code blocks of a page, without comments, each once."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / page).read_text(), re.S | re.M)
    shell = [block for language, block in blocks if language in ("", "bash", "sh", "console")]
    lines = [line.removeprefix("$ ").strip() for block in shell for line in block.splitlines()]
    found = [re.sub(r"\s+#\s.*", "", line) for line in lines if line.split(" ")[0] in BEGIN]
    return list(dict.fromkeys(found))


def small(command: str) -> str:
    """Return a command with the budget ``tiny`` where it runs a study, without the protocols that are not in it."""
    words = command.split()
    if words[0] != "thymos":
        return command
    if "--protocol" in command:
        known = load_study(words[2], "tiny").protocols
        command = re.sub(r"--protocol (\w+) ", lambda found: found[0] if found[1] in known else "", command)
    if words[1] in ("run", "audit", "train", "augment") and "recordings/study.yaml" not in command:
        return re.sub(r"--budget \w+", "", command).strip() + (" --budget tiny" if "runs/" not in words[2] else "")
    if words[1] == "reproduce":
        return re.sub(r"--budget \w+", "", command).strip() + " --budget tiny"
    return command


class Place:
    """A folder outside of the project, with what commands find in it, and how they are run there.

    Parameters
    ----------
    folder : path
    here : bool
        The environment that this runs in instead of a clone of its own.
    """

    def __init__(self, folder: Path, here: bool) -> None:
        self.folder, self.corpora = folder, folder / "corpora"
        self.root = ROOT if here else folder / "thymos"
        binaries = Path(sys.executable).parent if here else self.root / ".venv" / "bin"
        self.names = {"corpora": self.corpora, "root": self.root, "python": binaries / "python"}
        self.names["helper"] = self.root / "docs" / "given_files.py"
        self.environment = {
            **os.environ,
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(folder / "cache"),
            "COLUMNS": "80",
        }
        self.environment.pop("THYMOS_DATA", None)  # what a page does not name is not there
        self.corpora.mkdir(parents=True, exist_ok=True)

    def run(self, command: str, folder: Path) -> tuple[float, int, str]:
        """Return the seconds, the status and the errors of a command, and write down what it says."""
        for name, value in self.names.items():
            command = command.replace("{" + name + "}", str(value))
        begin = time.perf_counter()
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=self.environment, capture_output=True, text=True, check=False
        )
        with (folder / "said.txt").open("a") as said:
            said.write(f"$ {command}\n{done.stdout}{done.stderr}\n")
        return time.perf_counter() - begin, done.returncode, done.stderr

    def prepare(self, command: str, folder: Path, why: str) -> float:
        """Run what has to succeed before a page can be read; return the seconds."""
        seconds, status, said = self.run(command, folder)
        if status:
            raise SystemExit(f"{why}, {command}: {said}")
        return seconds

    def install(self) -> float:
        """Clone the project as it was committed, and install it; return the seconds."""
        if self.root.exists():
            subprocess.run(["git", "-C", str(self.root), "pull", "-q"], check=True)
        else:
            subprocess.run(["git", "clone", "-q", str(ROOT), str(self.root)], check=True)
        return self.prepare("make .venv/.installed", self.root, "nothing could be installed")

    def cluster(self, folder: Path) -> subprocess.Popen:
        """Return a scheduler with one worker, which lives as long as a page."""
        code = (
            "from distributed import LocalCluster; import time\n"
            "if __name__ == '__main__':\n"
            "    made = LocalCluster(n_workers=1, threads_per_worker=1, scheduler_port=8786, dashboard_address=None)\n"
            "    time.sleep(86400)\n"
        )
        (folder / "cluster.py").write_text(code)
        made = subprocess.Popen(["python", "cluster.py"], cwd=folder, env=self.environment)
        time.sleep(8)
        return made


def run_page(place: Place, page: str, left_out: set[str], full: bool) -> list[dict]:
    """Run what a page takes for granted and its commands; return a row for each of these.

    What is on several pages and stands alone joins `left_out`.
    """
    folder = place.folder / re.sub(r"\W", "-", page)
    folder.mkdir(exist_ok=True)
    listed, rows = commands(page), []
    cluster = place.cluster(folder) if any("tcp://" in command for command in listed) else None
    for command in GIVEN.get(page, []) if listed else []:
        place.prepare(command, folder, f"{page}: what it takes for granted failed")
    for command in listed:
        if command in left_out:
            continue
        if command.split()[1] in ("demo", "doctor", "reproduce", "studies"):
            left_out.add(command)
        shown = command if full else small(command)
        for pattern, here in HERE:
            shown = re.sub(pattern, here, shown)
        seconds, status, said = place.run(shown, folder)
        expected = next((s for (p, c), s in REFUSED.items() if p == page and command.startswith(c)), 0)
        ran = shown.replace("{corpora}", "CORPORA").replace(" -C {root}", "")
        rows.append({"page": page, "command": ran, "seconds": round(seconds, 1), "status": status})
        rows[-1]["failed"] = status != expected
        print(
            f"{seconds:7.1f} s  {status}  {page}: {ran}{'' if status == expected else '   <- ' + said[-300:]}",
            flush=True,
        )
    if cluster is not None:
        cluster.terminate()
    return rows


def store(table: pd.DataFrame, given: argparse.Namespace) -> None:
    """Write the table; pages and commands that were not run again stay as they were."""
    if given.out.exists():
        stored = pd.read_csv(given.out)
        kept = ~stored["page"].isin(given.only) | stored["command"].isin(given.but)
        table = pd.concat([stored[kept & stored["page"].isin(PAGES)], table])
    table = table.sort_values("page", key=lambda pages: pages.map(PAGES.index), kind="stable")
    given.out.parent.mkdir(exist_ok=True)
    table.to_csv(given.out, index=False)


def main() -> int:
    """Run all pages and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=PAGES, metavar="PAGE")
    parser.add_argument("--but", nargs="*", default=[], metavar="COMMAND", help="not again: what is stored of it stays")
    parser.add_argument("--here", action="store_true", help="no clone, no installation")
    parser.add_argument("--full", action="store_true", help="with the budgets that the pages say, which takes days")
    parser.add_argument("--place", type=Path, help="a folder outside of the project; a temporary one by default")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "commands.csv")
    given = parser.parse_args()
    place = Place(given.place or Path(tempfile.mkdtemp(prefix="thymos-commands-")), given.here)
    if not given.here:
        print(f"{place.install():7.1f} s  installed", flush=True)
    for name, options in CORPORA.items():
        place.prepare(f"thymos simulate {name} --out . {options}", place.corpora, f"{name} cannot be simulated")
    left_out = {*given.but, *(["thymos demo"] if "README.md" in given.only else [])}  # make demo is that
    table = pd.DataFrame([row for page in given.only for row in run_page(place, page, left_out, given.full)])
    failed = int(table.pop("failed").sum()) if len(table) else 0
    store(table, given)
    minutes = table["seconds"].sum() / 60 if len(table) else 0.0
    print(f"{len(table)} commands, {failed} failed, {minutes:.0f} minutes; {place.folder}")
    if given.place is None and not failed:
        shutil.rmtree(place.folder)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
