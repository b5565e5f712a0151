"""Print a report in the form that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from dta_bench.cli.terminal import console, print_json

if TYPE_CHECKING:
    from dta_bench.report.command import FinishedReport, Form


def print_report(report: FinishedReport, form: Form, stdout: TextIO) -> None:
    """Print a report as JSON, as the screen shows it, as HTML or as Markdown."""
    if form == "json":
        print_json(report.json_object(), stdout)
    elif form == "screen":
        report.show(console(stdout))
    else:
        print(report.text(form), end="", file=stdout)
