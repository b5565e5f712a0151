"""The pages of the documentation and the commands on them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
    CONTRIBUTING,
    ROOT / "reports/README.md",
]
COMMAND = re.compile(r"^dta-bench [^#\n]*", re.MULTILINE)


def fenced(text: str) -> str:
    """What a page shows as code without a language, which is what a reader types."""
    blocks = re.findall(r"^```([a-z]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(code for language, code in blocks if not language)


def commands() -> list[str]:
    """Every ``dta-bench`` line of every page, once; placeholders in capitals and angle brackets stand for a name."""
    return list(dict.fromkeys(line for page in PAGES for line in commands_in(page.read_text())))


def commands_in(text: str) -> list[str]:
    """The ``dta-bench`` lines of a text."""
    return [re.sub(r"<[a-z-]+>", "conv3_fc2", line.strip()) for line in COMMAND.findall(fenced(text))]


def section(page: Path, heading: str) -> str:
    """What a page says under a heading of the second level, down to the next one."""
    _, text = page.read_text().split(f"\n## {heading}\n", 1)
    return re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]


def numbered(text: str) -> list[str]:
    """The items of a numbered list, each with its further lines."""
    return re.findall(r"^\d+\. (.*(?:\n   .*)*)", text, re.MULTILINE)


WALKTHROUGHS = [section(CONTRIBUTING, f"Add a {kind}") for kind in ("backbone", "benchmark", "method", "search space")]
"""How to add a plug-in of each kind; its files and commands are run by tests/docs/test_contributing.py."""


def shown_files(text: str) -> dict[str, str]:
    """The files that a text shows, each by the name that stands before it."""
    block = r"`([a-z_/]+\.(?:py|yaml))`[^`]*:\n\n```(?:python|yaml)\n(.*?)^```"
    return dict(re.findall(block, text, re.MULTILINE | re.DOTALL))


def walkthrough_commands() -> list[str]:
    """The commands of the walkthroughs, which need the files that these show."""
    return [line for text in WALKTHROUGHS for line in commands_in(text)]
