"""What the runs cost."""

from __future__ import annotations

from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import Cost, MethodCost
from dta_bench.report.html.charts.colours import SIDE_COLOURS
from dta_bench.report.html.charts.scatter import Mark, scatter
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.cells import count_cell, number_cell
from dta_bench.report.html.sections.links import first_run_page
from dta_bench.spec.spelling import count_of, spell_gpu_hours, spell_metric


def cost_section(report: Report) -> Section | None:
    """Time and GPU hours in all, and by method beside source-only."""
    cost = report.cost
    if cost is None:
        return None
    words = [
        f"{count_of(cost.runs, 'finished run')} took {_spell_time(cost.seconds)} of training in all"
        f"{_gpu_share(cost.gpu_hours)}{_unfinished(cost.not_finished)}."
    ]
    head = ["method", "backbone", "device", "runs", "median time per run", "time ratio", "FLOPs ratio"]
    by_method = sorted(cost.by_method, key=lambda one: (one.backbone, one.seconds_a_run))
    caption = (
        "Ratios are to source-only. Time: the median of a run's training, first stage included, without evaluation;"
        " other work on the machine makes it longer. FLOPs: of all training steps, first stages included, as they are"
        f" after every ramp, {_who_counted(cost)}. Passes between steps, such as for pseudo-labels, are"
        " only in the time."
    )
    table = Table(head, [_row(one) for one in by_method], caption, sortable=True)
    return Section("cost", "Cost", words, [table], _scatters(report, cost), beside=True)


def _scatters(report: Report, cost: Cost) -> list[Figure]:
    """Target test against seconds and FLOPs of what the rule chose of each method, on one backbone and device."""
    best = {row.method: row for row in reversed(report.leaderboard)}
    first = next((one for one in cost.by_method if best.get(one.method) is report.leaderboard[0]), None)
    alike = [one for one in cost.by_method if first and (one.backbone, one.device) == (first.backbone, first.device)]
    metric = f"target test, {spell_metric(report.headline)}, %"
    figures = []
    for name, costs in (
        ("seconds of a run (median)", {one.method: one.seconds_a_run for one in alike}),
        ("FLOPs in runs of source-only, first stages included",
         {one.method: one.flops_ratio[1] for one in alike if one.flops_ratio}),
    ):  # fmt: skip
        marks = [
            Mark(method, value, row.test, *row.ci95, look=SIDE_COLOURS.get("selected" if row.competes else method, 3),
                 link=first_run_page(report, row))
            for method, value in costs.items()
            if value > 0 and (row := best.get(method)) is not None and row.test is not None and row.ci95 is not None
        ]  # fmt: skip
        if len(marks) > 2:
            drawing = scatter(marks, f"Target test against {name}", name, metric)
            figures.append(
                Figure(drawing, f"Target test against {name}. Dashed: no other method is cheaper and better.")
            )
    return figures


def _row(one: MethodCost) -> list[Cell]:
    return [
        Cell(one.method), Cell(one.backbone), Cell(one.device), count_cell(one.runs),
        Cell(_spell_time(one.seconds_a_run), number=True), _ratio_cell(one.time_ratio), _flops_cell(one.flops_ratio),
    ]  # fmt: skip


def _unfinished(runs: int) -> str:
    return f"; {count_of(runs, 'run')} did not finish" if runs else ""


def _gpu_share(hours: float) -> str:
    return f", {spell_gpu_hours(hours)} of it" if hours else ", none of it on a GPU"


def _who_counted(cost: Cost) -> str:
    """Where the FLOPs come from."""
    counted_here = cost.flops_counted
    by_whom = f"by each run, or for this page ({count_of(counted_here, 'run')})"
    if not counted_here:
        by_whom = "by each run"
    elif counted_here == cost.runs:
        by_whom = "for this page"
    return f"counted on the meta device {by_whom}"


def _flops_cell(bounds: tuple[float, float] | None) -> Cell:
    if bounds is None:
        return Cell("not counted", number=True)
    low, high = (f"{bound:.2f}x" for bound in bounds)
    return Cell(low if low == high else f"{low} to {high}", number=True)


def _ratio_cell(value: float | None) -> Cell:
    return number_cell(None) if value is None else Cell(f"{value:.2f}x", number=True)


def _spell_time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
