"""The report in files: a page to look at, its twin in Markdown, JSON for programs, SVG for a README."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from dta_bench.report.html.page import html, markdown
from dta_bench.report.html.sections import page_of
from dta_bench.report.terminal.show import show

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


def write(found: dict[str, Any], folder: Path) -> None:
    """Keep ``report.json``, ``.html``, its Markdown twin ``.md``, and ``.svg`` (what the screen shows)."""
    folder.mkdir(parents=True, exist_ok=True)
    page = page_of(found)
    texts = {"json": json.dumps(found, indent=2, default=str) + "\n", "html": html(page), "md": markdown(page)}
    screen = Console(file=io.StringIO(), width=80, record=True, force_terminal=True)
    show(found, screen)
    title = f"dta-bench report {found['benchmark']}"
    texts["svg"] = screen.export_svg(title=title, code_format=SVG, unique_id="report")
    for ending, text in texts.items():
        (folder / f"report.{ending}").write_text(text, encoding="utf-8")
