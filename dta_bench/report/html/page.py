"""A page as data, and its two forms: one HTML file that needs no network, and the same in Markdown.

Both are drawn from the same sections and say the same; only the HTML has the figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dta_bench.report.html.charts.colours import ON_DARK, ON_LIGHT, css_variables

LINK = ":/?#@!$&'*+,;=%-._~"  # of a link, what stays as it is


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, the address that it links to, and whether it is a number (set flush right).

    ``drawing`` stands in place of the text on the HTML page; ``key`` is what the table is sorted by, else the text.
    """

    text: str
    link: str | None = None
    number: bool = False
    drawing: Markup | None = None
    key: float | None = None


@dataclass(frozen=True)
class Table:
    """Rows under a head; ``strong`` are the indices of rows to emphasise, ``faint`` of rows to grey out."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    strong: frozenset[int] = frozenset()
    faint: frozenset[int] = frozenset()
    folded: str = ""
    """The text on the handle of a folded table; empty if the table is open."""
    sortable: bool = False
    """Whether a reader can sort and filter it on the HTML page; without scripts it is a plain table."""
    open_rows: int = 0
    """Rows that are seen at first; the others follow at a click, or at once without scripts. 0: all."""
    beside: bool = False
    """Whether it stands beside an odd figure of its section, where there is room."""

    @property
    def numeric(self) -> list[bool]:
        """Of each column, whether it holds numbers."""
        return [any(row[i].number for row in self.rows) for i in range(len(self.head))]


@dataclass(frozen=True)
class Figure:
    """A drawing, its caption, and links (text, address) to the runs behind it."""

    svg: Markup
    caption: str
    links: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Section:
    """One part of a page under its own heading; ``name`` is its anchor.

    ``commands`` are shown as code; ``beside`` puts figures two in a row, where there is room; ``tables_first`` puts
    them below the tables.
    """

    name: str
    title: str
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    commands: Sequence[str] = ()
    beside: bool = False
    tables_first: bool = False


@dataclass(frozen=True)
class Page:
    """A whole page: first the answer, then the warnings, then the sections."""

    title: str
    kicker: str
    answer: str
    numbers: Sequence[tuple[str, str, str]] = ()
    """The answer's figures, printed large: (what it is, value, small text beside it)."""
    warnings: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=list)


def html(page: Page) -> str:
    """One self-contained HTML file: styles and figures inside, every text escaped."""
    return render("page.html", page=page, script=Markup(_template("page.js")))


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def render(template: str, **values: Any) -> str:
    """One self-contained HTML file of a template in ``templates/``, with the styles of all pages."""
    environment = Environment(
        loader=PackageLoader("dta_bench.report.html"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = environment.get_template("style.css").render(
        on_light=css_variables(ON_LIGHT), on_dark=css_variables(ON_DARK)
    )
    return environment.get_template(template).render(style=Markup(style), **values) + "\n"


def markdown(page: Page) -> str:
    """The page in Markdown, without its figures."""
    lines = [f"# {_plain(page.title)}", "", _plain(page.answer), ""]
    lines += [*[f"* {_plain(warning)}" for warning in page.warnings], ""] if page.warnings else []
    for section in page.sections:
        lines += [f"## {_plain(section.title)}", ""]
        for words in section.words:
            lines += [_plain(words), ""]
        for table in (part for whole in section.tables for part in _folded_apart(whole)):
            body = [*_rows(table), "", *([_plain(table.caption), ""] if table.caption else [])]
            fold = [f"<details><summary>{escape(table.folded)}</summary>", ""], ["</details>", ""]
            lines += [*fold[0], *body, *fold[1]] if table.folded else body
        if section.commands:
            lines += [*_code(section.commands), ""]
        for figure in section.figures:
            if not section.tables:
                lines += [f"(Figure, in the HTML page: {_plain(figure.caption)})", ""]
    return "\n".join(lines).rstrip() + "\n"


def _folded_apart(table: Table) -> list[Table]:
    """A table whose later rows wait for a click, as two: Markdown can only fold."""
    first = table.open_rows
    if not first or len(table.rows) <= first:
        return [table]
    rest = replace(table, rows=table.rows[first:], open_rows=0, folded=f"{len(table.rows) - first} more rows")
    return [replace(table, rows=table.rows[:first], open_rows=0, caption=""), rest]


def _rows(table: Table) -> list[str]:
    aligned = ["---:" if numeric else "---" for numeric in table.numeric]
    body = [[_linked(cell) for cell in row] for row in table.rows]
    return [f"| {' | '.join(cells)} |" for cells in ([*map(_plain, table.head)], aligned, *body)]


def _linked(cell: Cell) -> str:
    return f"[{_plain(cell.text)}]({quote(cell.link, safe=LINK)})" if cell.link and cell.text else _plain(cell.text)


def _plain(text: str) -> str:
    """The text with nothing that Markdown takes for HTML, code, a link, or the end of a cell or row."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", " ".join(text.splitlines()))
    text = re.sub(r"\\(?=[!-/:-@[-`{-~])", "&#92;", text)
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
    return re.sub(r"([|`]|(?<=\])\()", r"\\\1", text)


def _code(commands: Sequence[str]) -> list[str]:
    """A block of code that no command can end: its fence is longer than any row of backticks in it."""
    longest = max((len(row) for command in commands for row in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, *commands, fence]
