"""The pages of the documentation and the commands on them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "reports/README.md",
]
COMMAND = re.compile(r"^dta-bench [^#\n]*", re.MULTILINE)


def fenced(text: str) -> str:
    """What a page shows as code without a language, which is what a reader types."""
    return "\n".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def commands() -> list[str]:
    """Every ``dta-bench`` line of every page, once; placeholders in capitals and angle brackets stand for a name."""
    found = [line.strip() for page in PAGES for line in COMMAND.findall(fenced(page.read_text()))]
    return list(dict.fromkeys(re.sub(r"<[a-z-]+>", "conv3_fc2", line) for line in found))


def section(page: Path, heading: str) -> str:
    """What a page says under a heading, down to the next one of the same level or above."""
    marks = "#" * len(re.search(rf"^(#+) {re.escape(heading)}$", page.read_text(), re.MULTILINE)[1])
    _, text = page.read_text().split(f"\n{marks} {heading}\n", 1)
    return re.split(rf"^#{{1,{len(marks)}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]


def numbered(text: str) -> list[str]:
    """The items of a numbered list, each with its further lines."""
    return re.findall(r"^\d+\. (.*(?:\n   .*)*)", text, re.MULTILINE)
