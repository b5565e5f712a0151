"""Class by class: ours, the baselines, and the published rows in the same metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dta_bench.report.document.published_figures import PublishedRow
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import TargetScores
from dta_bench.report.html.charts.bars import ClassBars, class_bars
from dta_bench.report.html.charts.colours import SIDE_COLOURS, other_look, other_turn
from dta_bench.report.html.charts.differences import differences
from dta_bench.report.html.charts.lines import Axes, Series, lines
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.cells import interval_cell, number_cell
from dta_bench.report.html.sections.links import seed_links, side_name
from dta_bench.report.paper.published import published_beside_ours
from dta_bench.spec.spelling import spell_metric

METRICS = ("accuracy", "mean_class_accuracy", "miou")

Sides = Mapping[str, TargetScores]
Printed = Mapping[str, PublishedRow]


def classes_section(report: Report) -> Section | None:
    """The per-class table and bars, and what the paper prints beside ours in the same metric."""
    sides = {side_name(report, side): scores for side, scores in report.scores_by_side().items()}
    if not sides:
        return None
    names = list(next(iter(sides.values())).per_class)
    tables = [_per_class_table(names, sides, _printed_rows(report, names))]
    if rows := published_beside_ours(report):
        tables.append(_published_table(rows))
    figures = [_bars_figure(report, names), *_difference_figure(report, names), *_reliability_figure(report)]
    return Section("classes", "Class by class", _words(report), tables, figures, beside=True)


def _bars_figure(report: Report, names: list[str]) -> Figure:
    """The bars of every method: the sides are there at first, the others wait for their names."""
    methods = [
        ClassBars(side_name(report, side), [scores.per_class.get(name) for name in names], SIDE_COLOURS[side])
        for side, scores in report.scores_by_side().items()
    ]
    methods += [
        ClassBars(method, [per_class.get(name) for name in names], other_look(number), other_turn(number), hidden=True)
        for number, (method, per_class) in enumerate((report.other_classes or {}).items())
    ]
    links = [*seed_links(report, "selected"), *seed_links(report, "source_only")]
    drawn = class_bars(names, methods, "Target test by class")
    return Figure(drawn, "Target test by class, last epoch, mean over seeds.", links)


def _difference_figure(report: Report, names: list[str]) -> list[Figure]:
    """Every method less source-only, class by class; nothing without source-only."""
    if report.source_only is None:
        return []
    base = report.source_only.per_class
    of_methods = {report.selected.method: report.test.per_class} if report.selected and report.test else {}
    of_methods |= report.other_classes or {}
    rows = {
        method: [_less(scores.get(name), base.get(name)) for name in names] for method, scores in of_methods.items()
    }
    if not any(value is not None for values in rows.values() for value in values):
        return []
    drawing = differences(rows, names, "Difference to source-only by class")
    caption = (
        "Target test by class vs. source-only, points, mean over seeds: blue is better, orange is worse. What the rule"
        " chose of each method, best first."
    )
    return [Figure(drawing, caption)]


def _less(score: float | None, base: float | None) -> float | None:
    return None if score is None or base is None else score - base


def _reliability_figure(report: Report) -> list[Figure]:
    """Accuracy by confidence of each side that stored its logits."""
    series = [
        Series(
            side_name(report, side), [100 * one.confidence for one in scores.reliability],
            [100 * one.accuracy for one in scores.reliability], SIDE_COLOURS[side],
        )
        for side, scores in report.scores_by_side().items()
        if scores.reliability
    ]  # fmt: skip
    if not series:
        return []
    even = Series("perfectly calibrated", [0.0, 100.0], [0.0, 100.0], 6, dash=3)
    axes = Axes("Reliability", "confidence, %", "accuracy, %", height=300)
    caption = "Reliability on target test: accuracy of the images by confidence (15 bins), all seeds together."
    return [Figure(lines([*series, even], axes), caption)]


def _words(report: Report) -> list[str]:
    if report.published:
        return ["Published rows are shown with their metric; averages of different metrics are never ranked together."]
    return ["The paper prints no figures for this pair."]


def _printed_rows(report: Report, names: list[str]) -> dict[str, PublishedRow]:
    """Column head → published row with per-class figures, of our backbone and of a method of ours that is shown."""
    if report.selected is None:
        return {}
    shown = {report.selected.method, "source_only"}
    return {
        f"Table {row.table}, {row.row} ({spell_metric(row.metric)})": row
        for row in report.published
        if row.per_class and row.backbone == report.selected.backbone and row.method in shown
        and list(row.per_class) == names
    }  # fmt: skip


def _per_class_table(names: list[str], sides: Sides, printed: Printed) -> Table:
    head = ["class", *sides, *[f"printed: {title}" for title in printed]]
    rows = [
        [
            Cell(name),
            *[number_cell(scores.per_class.get(name), absent="absent") for scores in sides.values()],
            *[number_cell((row.per_class or {})[name]) for row in printed.values()],
        ]
        for name in names
    ]
    for metric in METRICS:
        if any(scores.average(metric) is not None for scores in sides.values()):
            rows.append(_average_row(metric, sides, printed))
            intervals = [scores.interval(metric) for scores in sides.values()]
            rows.append([Cell("95 % interval"), *map(interval_cell, intervals), *[Cell("") for _ in printed]])
    rows += _calibration_rows(sides, printed)
    strong = frozenset(range(len(names), len(rows), 2))
    return Table(head, rows, "Target test, %, last epoch, mean over seeds.", strong, beside=True)


def _calibration_rows(sides: Sides, printed: Printed) -> list[list[Cell]]:
    """Calibration error and Brier score of each side that stored its logits."""
    rows = {
        "expected calibration error": ([scores.calibration_error for scores in sides.values()], 1),
        "Brier score (0 to 2)": ([scores.brier for scores in sides.values()], 3),
    }
    return [
        [Cell(name), *[number_cell(value, digits) for value in values], *[Cell("") for _ in printed]]
        for name, (values, digits) in rows.items()
        if any(value is not None for value in values)
    ]


def _average_row(metric: str, sides: Sides, printed: Printed) -> list[Cell]:
    """Ours, and of a published row its printed average if it is this metric, else what its classes give."""
    cells = [Cell(spell_metric(metric)), *[number_cell(scores.average(metric)) for scores in sides.values()]]
    for row in printed.values():
        cells.append(number_cell(row.average if row.metric == metric else (row.recomputed or {}).get(metric)))
    return cells


def _published_table(rows: Sequence[Sequence[str]]) -> Table:
    head = ["table", "row", "backbone", "metric", "printed", "ours"]
    body = [[*map(Cell, row[:4]), *[Cell(text, number=True) for text in row[4:]]] for row in rows]
    return Table(
        head, body, "Published values as printed, beside ours in the same metric; - where ours is in another one."
    )
