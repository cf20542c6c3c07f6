"""What the documentation site adds to the pages as they stand in the repository.

Formulas become MathML, which browsers draw by themselves; the reference gets a page for each public module; figures of
protocols are drawn by the package itself; CONTRIBUTING.md becomes a page.
"""

from __future__ import annotations

import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("base", "sources", "signals", "models", "augmentation", "training", "evaluation", "report", "serving")
_MATH = re.compile(r"^```math\n(.*?)^```$", re.M | re.S)


def on_files(files, config):
    """Add pages that are made here."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "contributing.md", content=text))
    for room in ROOMS:
        names = [_module(path) for path in sorted((ROOT / "src" / "thymos" / room).rglob("*.py")) if _public(path)]
        text = f"# thymos.{room}\n\n" + "\n\n".join(f"::: {name}" for name in names)
        files.append(File.generated(config, f"api/{room}.md", content=text + "\n"))
    for path in sorted((ROOT / "results").iterdir()):
        files.append(File.generated(config, f"results/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Draw formulas, and lead links out of the folder of pages to where these files are on the site."""
    markdown = _MATH.sub(lambda found: _drawn(found[1].strip()), markdown)
    for there, here in (("](../README.md)", "](index.md)"), ("](../CONTRIBUTING.md)", "](contributing.md)")):
        markdown = markdown.replace(there, here)
    return markdown.replace("](../results/", "](results/")


def on_page_content(html, page, config, files):
    """Show names that docstrings mark for Sphinx as plain code."""
    html = re.sub(r":(?:func|class|data|meth|mod|attr):(?=<code)", "", html)
    return re.sub(r"(<code[^>]*>)~(?:\w+\.)*(\w+</code>)", r"\1\2", html)


def _drawn(formula: str) -> str:
    made = convert(formula, display="block")
    if "<mi>&</mi>" in made:  # aligned lines would be printed with their marks
        raise ValueError(f"This formula is not drawn as it is meant, write one block for each line: {formula}")
    return made


def _public(path: Path) -> bool:
    return not path.name.startswith("_") and "__all__" in path.read_text(encoding="utf-8")


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
