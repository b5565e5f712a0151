"""Backbones as a second axis, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dta_bench.report.by_backbone import by_backbone, sentence
from dta_bench.report.document.report import Report
from dta_bench.spec.spelling import spell_gain


def show_backbones(report: Report, console: Console) -> None:
    """Print the gain over source-only on each backbone; nothing where there is one backbone."""
    found = by_backbone(report)
    if not found or report.target_labels in ("none", "subset"):
        return
    table = Table(title="Does adaptation pay on each backbone?", title_justify="left")
    table.add_column("backbone", ratio=2)
    table.add_column("best", ratio=1)
    for column in ("target\ntest, %", "source-\nonly, %", "gain", "95 % interval"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for one in found:
        gain, source = one.best.difference, one.source_only
        best = "\n".join([one.best.method, *one.ranked_above()])
        table.add_row(
            escape(one.backbone), best, "" if one.best.test is None else f"{one.best.test:.1f}",
            "" if source is None or source.test is None else f"{source.test:.1f}",
            "" if gain is None else f"{gain.points:+.1f}",
            "" if gain is None else spell_gain(gain.ci95, gain.seeds), sentence(one),
        )  # fmt: skip
    console.print(table)
