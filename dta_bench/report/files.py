"""The report in files: a page to look at, its twin in Markdown, JSON for programs, SVG for a README."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from dta_bench.report.document.report import Report
from dta_bench.report.html.page import Page, html, markdown
from dta_bench.report.html.report_page import report_page
from dta_bench.report.terminal.show import show_report

# rich's own frame without its web font: the picture needs no network.
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def write_report(report: Report, folder: Path, page: Page | None = None) -> None:
    """Keep ``report.json``, ``.html``, its Markdown twin ``.md``, and ``.svg`` (what the screen shows).

    Args:
        page: of the report, where it has been made already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = page or report_page(report)
    texts = {
        "json": json.dumps(report.json_object(), indent=2) + "\n", "html": html(page), "md": markdown(page),
        "svg": _screen_as_svg(report),
    }  # fmt: skip
    for ending, text in texts.items():
        (folder / f"report.{ending}").write_text(text, encoding="utf-8")


def _screen_as_svg(report: Report) -> str:
    screen = Console(file=io.StringIO(), width=80, record=True, force_terminal=True)
    show_report(report, screen)
    return screen.export_svg(title=f"dta-bench report {report.benchmark}", code_format=SVG, unique_id="report")
