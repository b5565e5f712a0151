"""Print a report in the form that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dta_bench.cli.terminal import console, open_in_browser, print_ending, print_json

if TYPE_CHECKING:
    from dta_bench.report.command import FinishedReport, Form


def print_report(
    report: FinishedReport, form: Form, stdout: TextIO, next_commands: Sequence[str] = (), open_page: bool = False
) -> None:
    """Print a report as JSON, as the screen shows it, as HTML or as Markdown; then where its page is.

    Args:
        next_commands: what to do next, told only on the screen.
        open_page: open the page in a browser.
    """
    if form == "json":
        print_json(report.json_object(), stdout)
    elif form == "screen":
        report.show(console(stdout))
    else:
        print(report.text(form), end="", file=stdout)
    if form == "screen":
        beside = "".join(f"\nAlso written: {short_path(path)}" for path in report.beside)
        print(file=stdout)
        print_ending(f"Page: {short_path(report.file)}{beside}", next_commands, stdout)
    else:
        for path in report.beside:
            print(short_path(path), file=sys.stderr)
        print(f"page: {short_path(report.file)}", file=sys.stderr)
    if open_page:
        open_in_browser(report.file.as_uri())


def print_paths(report: FinishedReport, stdout: TextIO, open_page: bool = False) -> None:
    """Print where the page of a report is, and where what else was written is, a line each and nothing more."""
    for path in (report.file, *report.beside):
        print(short_path(path), file=stdout)
    if open_page:
        open_in_browser(report.file.as_uri())


def short_path(path: Path) -> str:
    """A path as it can be typed here: relative if it lies in this folder."""
    here = Path.cwd()
    return os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)
