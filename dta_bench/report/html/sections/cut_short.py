"""How far the runs came that failed, were stopped, or collapsed."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.charts.chart import Axes, Series, lines
from dta_bench.report.html.page import Figure
from dta_bench.report.html.sections.spelling import metric, run_page, side_name

LOOKS = {"stopped": 4, "failed": 2, "collapsed": 5}
"""The look of a run by how it ended."""
MOST = 60
"""Lines that are drawn; the table below the figure has all."""


def cut_short(found: dict[str, Any]) -> list[Figure]:
    """Each such run's score on the labelled subset with a mark at its end, beside the selected runs; none if none."""
    ended = [one for one in found["ended"] if one.get("curve") and one["curve"][0]][:MOST]
    if not ended:
        return []
    spelt = metric(found["headline"])
    series = [*_selected(found), *[_line(found, one, _first(ended, one)) for one in ended]]
    axes = Axes("Runs cut short", "epoch", f"{spelt} on the labelled subset, %")
    caption = f"Where runs failed, were stopped, or collapsed (a mark each), by {spelt} on the labelled subset."
    return [Figure(lines(series, axes), caption)]


def _selected(found: dict[str, Any]) -> list[Series]:
    key = f"validation/{found['headline']}"
    whole = [run for run in found["curves"].get("selected", []) if key in run["metrics"]]
    return [
        Series(
            side_name(found, "selected"), run["metrics"][key][0], run["metrics"][key][1], look=1,
            link=run_page(found, run["mlflow_run_id"]), named=i == 0,
        )
        for i, run in enumerate(whole)
    ]  # fmt: skip


def _line(found: dict[str, Any], one: dict[str, Any], named: bool) -> Series:
    return Series(
        one["how"], one["curve"][0], one["curve"][1], look=LOOKS.get(one["how"], 6),
        link=run_page(found, one["mlflow_run_id"]), ends=f"{one['name']}: {one['reason']}", named=named,
    )  # fmt: skip


def _first(ended: list[dict[str, Any]], one: dict[str, Any]) -> bool:
    """Whether it is the first that ended so: one name in the legend is enough."""
    return one is next(other for other in ended if other["how"] == one["how"])
