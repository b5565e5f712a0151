"""How far the runs came that failed, were stopped, or collapsed."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import EndedRun
from dta_bench.report.html.charts.colours import ENDED_COLOURS, SIDE_COLOURS
from dta_bench.report.html.charts.lines import Axes, Series, lines
from dta_bench.report.html.page import Figure
from dta_bench.report.html.sections.links import run_page, side_name
from dta_bench.spec.spelling import spell_metric

"""The look of a run by how it ended."""
MOST_LINES = 60
"""Lines that are drawn; the table below the figure has all runs."""


def cut_short_figures(report: Report) -> list[Figure]:
    """Each such run's score on the labelled subset with a mark at its end, beside the selected runs; none if none."""
    ended = [run for run in report.ended or [] if run.curve[0]][:MOST_LINES]
    if not ended:
        return []
    metric = spell_metric(report.headline)
    series = [*_selected_lines(report), *[_line(report, run, named=_first_of_its_kind(ended, run)) for run in ended]]
    axes = Axes("Runs cut short", "epoch", f"{metric} on the labelled subset, %")
    caption = f"Where runs failed, were interrupted or stopped, or collapsed (a mark each), by {metric} on the subset."
    return [Figure(lines(series, axes), caption)]


def _selected_lines(report: Report) -> list[Series]:
    key = f"validation/{report.headline}"
    runs = [run for run in (report.curves or {}).get("selected", []) if key in run.metrics]
    return [
        Series(
            side_name(report, "selected"), *run.metrics[key], look=SIDE_COLOURS["selected"],
            link=run_page(report, run.mlflow_run_id), named=i == 0,
        )
        for i, run in enumerate(runs)
    ]  # fmt: skip


def _line(report: Report, run: EndedRun, named: bool) -> Series:
    return Series(
        run.how, *run.curve, look=ENDED_COLOURS.get(run.how, 6), link=run_page(report, run.mlflow_run_id),
        ends=f"{run.name}: {run.reason}", named=named,
    )  # fmt: skip


def _first_of_its_kind(ended: Sequence[EndedRun], run: EndedRun) -> bool:
    """Whether it is the first that ended so: one name in the legend is enough."""
    return run is next(other for other in ended if other.how == run.how)
