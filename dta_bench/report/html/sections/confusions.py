"""Confusion matrices."""

from __future__ import annotations

from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import ConfusionMatrix
from dta_bench.report.html.charts.colours import SIDE_COLOURS
from dta_bench.report.html.charts.heat import confusion
from dta_bench.report.html.page import Figure, Section
from dta_bench.report.html.sections.links import seed_links, side_name


def confusions_section(report: Report) -> Section | None:
    """The confusion matrices of the selected configuration and of the baselines, side by side."""
    if not report.confusion:
        return None
    figures = [_figure(report, side, matrix) for side, matrix in report.confusion.items()]
    return Section("confusions", "Confusion matrix (rows: true class)", figures=figures, beside=True)


def _figure(report: Report, side: str, matrix: ConfusionMatrix) -> Figure:
    name = side_name(report, side)
    drawing = confusion(matrix.counts, matrix.classes, name, SIDE_COLOURS[side])
    caption = f"{name}: % of each true class (row) by predicted class (column), target test, all seeds together."
    return Figure(drawing, caption, seed_links(report, side))
