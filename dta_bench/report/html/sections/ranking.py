"""Who is where: methods by backbones, and every configuration by its rank."""

from __future__ import annotations

from dta_bench.report.confirmation_sentences import count_fresh, legend_of_intervals
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow, differing_params
from dta_bench.report.html.charts.colours import SIDE_COLOURS
from dta_bench.report.html.charts.row_interval import RowScale, row_interval, row_scale
from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.cells import count_cell, interval_cell, number_cell
from dta_bench.report.html.sections.links import first_run_page
from dta_bench.report.labels import label_row
from dta_bench.spec.spelling import spell_gain, spell_metric

OPEN_ROWS, MANY = 15, 20
"""Rows of the ranking that are seen at first, where there are many."""


def ranking_section(report: Report) -> Section:
    """The best of each method on each backbone, then all configurations."""
    if report.target_labels in ("none", "subset"):
        return _ranking_without_test(report)
    words = [
        f"Ranked by the rule {report.rule}. The labelled subset's score serves to choose and is no result."
        f" Target test is {spell_metric(report.headline)} at the last epoch, mean over seeds, with a 95 % interval"
        " of the expected score.",
        *legend_of_intervals(report),
    ]
    if report.comparisons:
        words.append("Methods that share a letter cannot be told apart: no test of a pair shows a difference.")
    return Section("ranking", "Ranking", words, tables=[_configuration_table(report)])


def _ranking_without_test(report: Report) -> Section:
    """All configurations in the order of the rule, without a figure of target test."""
    words = [
        f"Ranked by the score of the rule {report.rule}; a higher score is better only by that rule."
        f" Held-out source is {spell_metric(report.headline)} at the last epoch, mean over seeds, on another domain."
    ]
    rows, subset = report.leaderboard, report.subset is not None
    if any(row.confirmed for row in rows):
        words.append("Fresh seeds had no part in choosing.")
    names, several = differing_params(rows), len({row.backbone for row in rows}) > 1
    head = ["#", "configuration", f"score ({report.rule})", *(["labelled subset"] if subset else [])]
    cells = [
        [
            Cell(str(rank) if row.competes else "-"), Cell(label_row(row, names, several), first_run_page(report, row)),
            number_cell(row.score, 3), *([number_cell(row.validation)] if subset else []),
            number_cell(row.source_validation), Cell(count_fresh(row), number=True),
            count_cell(row.collapsed),
        ]
        for rank, row in enumerate(rows, start=1)
    ]  # fmt: skip
    faint = frozenset(i for i, row in enumerate(rows) if not row.competes)
    table = Table([*head, "held-out source, %", "seeds", "collapsed seeds"], cells, "", faint=faint)
    return Section("ranking", "Ranking", words, tables=[table])


def _configuration_table(report: Report) -> Table:
    """All rows of the leaderboard in one table, each with its interval drawn; the best of each method stands out."""
    rows = report.leaderboard
    names = differing_params(rows)  # once: with hundreds of rows it is most of the page's time
    several = len({row.backbone for row in rows}) > 1
    reference = next((row.test for row in rows if row.method == "source_only"), None)
    scale = row_scale([row.ci95 for row in rows if row.ci95 is not None], reference)
    drawn = "" if scale is None else f"{scale.low:g} to {scale.high:g} %"
    head = [
        "#", "method", "target test, %", drawn, "95 % interval", "vs. source-only", "group", "labelled subset", "seeds",
    ]  # fmt: skip
    cells = [_row(report, rank, row, label_row(row, names, several), scale) for rank, row in enumerate(rows, start=1)]
    faint = frozenset(i for i, row in enumerate(rows) if not row.competes)
    best = {(row.method, row.backbone): i for i, row in reversed(list(enumerate(rows)))}
    bold = "the configuration that the rule chose of each method" if len(best) < len(rows) else "what the rule chose"
    caption = f"Target test: {spell_metric(report.headline)}. Bold: {bold}. Grey: does not compete."
    if reference is not None:
        caption += " The dashed line is source-only."
    strong = frozenset(best.values()) - faint if len(best) < len(rows) else frozenset({0}) - faint
    return Table(head, cells, caption, strong, faint, sortable=True, open_rows=OPEN_ROWS if len(rows) > MANY else 0)


def _row(report: Report, rank: int, row: LeaderboardRow, label: str, scale: RowScale | None) -> list[Cell]:
    gap = row.difference if row.method != "source_only" else None
    drawing = None
    if scale is not None and row.test is not None and row.ci95 is not None:
        look = SIDE_COLOURS.get("selected" if row.competes else row.method, 3)
        drawing = row_interval(row.test, row.ci95, scale, look)
    against = f"{gap.points:+.1f} ({spell_gain(gap.ci95, gap.seeds)})" if gap else ""
    return [
        Cell(str(rank) if row.competes else "-", number=True, key=float(rank)),
        Cell(label, first_run_page(report, row)),
        number_cell(row.test), Cell("", drawing=drawing, key=row.test), interval_cell(row.ci95),
        Cell(against, number=True, key=gap.points if gap else None), Cell(row.band or ""),
        number_cell(row.validation), Cell(count_fresh(row), number=True),
    ]  # fmt: skip
