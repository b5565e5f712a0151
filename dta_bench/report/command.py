"""What ``dta-bench report`` does: make a report, keep it as files, and have it ready in the form that was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.report import make, write
from dta_bench.report.html.page import Page, html, markdown
from dta_bench.report.html.sections import page_of
from dta_bench.report.paper import tables
from dta_bench.report.paper.render import paper_page, show_paper
from dta_bench.report.terminal.show import show
from dta_bench.run.home import Home
from dta_bench.spec import search_space_file

Form = Literal["screen", "json", "html", "markdown"]


@dataclass(frozen=True)
class Told:
    """A report in all its forms."""

    found: dict[str, Any]
    page: Page
    show: Callable[[Console], None]

    def text(self, wanted: Form) -> str:
        """The HTML page or its Markdown twin."""
        return html(self.page) if wanted == "html" else markdown(self.page)


def form(**asked: bool) -> Form:
    """The one form that was asked for, by its name; the screen if none was.

    Raises:
        UserError: two were.
    """
    chosen = [name for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UserError(f"stdout takes one form at a time, but {' and '.join(f'--{n}' for n in chosen)} were given")
    found: dict[str, Form] = {"json": "json", "html": "html", "markdown": "markdown"}
    return found[chosen[0]] if chosen else "screen"


def report_runs(name: str, rule: str, home: Home, only: set[str] | None = None) -> Told:
    """The report of a benchmark's runs, or of a search space's benchmark's, kept in ``reports/<name>/``."""
    is_space = name in plugins.names("search_space")
    benchmark = search_space_file.benchmark_of(name) if is_space else name
    plugins.path("benchmark", benchmark)
    folder = Path(home.out) / "reports" / name
    found = make(home.tracker(), benchmark, rule, only, home.root) | _replay(
        folder, folder.parent / f"grid_{benchmark}"
    )
    if found["headline"] == "miou":
        from dta_bench.report.features import label_strips  # with torch, which takes as much memory as all of the rest

        found |= label_strips.write(home.tracker(), found, folder)
    write(found, folder)
    return Told(found, page_of(found), partial(show, found))


def _replay(*folders: Path) -> dict[str, Any]:
    """Regret against budget, where ``dta-bench replay`` has left it: beside the report, or beside that of its grid."""
    for path in (folder / "replay.json" for folder in folders):
        if path.exists():
            return {"replay": json.loads(path.read_text(encoding="utf-8"))["replay"]}
    return {}


def report_paper(name: str, home: Home) -> Told:
    """A table of the paper rebuilt, kept in ``reports/paper/``."""
    found = tables.paper_table(home.tracker(), name)
    tables.write_paper(found, Path(home.out) / "reports" / "paper")
    return Told(found, paper_page(found), partial(show_paper, found))
