"""Who is where: methods by backbones, and every configuration by its rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dta_bench.report.confirmation_sentences import count_fresh, legend_of_seeds
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow, differing_params
from dta_bench.report.html.charts.colours import SIDE_COLOURS
from dta_bench.report.html.charts.intervals import Dot, intervals
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.cells import count_cell, interval_cell, number_cell
from dta_bench.report.html.sections.links import first_run_page
from dta_bench.report.labels import label_row
from dta_bench.spec.spelling import label_run, spell_metric

OPEN_ROWS = 15
"""Rows of the ranking that are seen without unfolding."""

BestRows = Mapping[tuple[str, str], LeaderboardRow]
"""(method, backbone) → row."""


def ranking_section(report: Report) -> Section:
    """The best of each method on each backbone, then all configurations."""
    if report.target_labels in ("none", "subset"):
        return _ranking_without_test(report)
    words = [
        f"Ranked by the rule {report.rule}. The labelled subset's score is there for choosing; it is not a result."
        f" Target test is {spell_metric(report.headline)} at the last epoch, mean over seeds, with a 95 % interval"
        " of the expected score over training seeds and new test images; of one seed, over test images only.",
        *legend_of_seeds(report),
    ]
    if report.comparisons:
        words.append("Methods that share a letter cannot be told apart: no test of a pair shows a difference.")
    best = _best_of_each(report.leaderboard)
    return Section(
        "ranking", "Ranking", words,
        tables=[_best_table(report, best), *_configuration_tables(report)],
        figures=[_figure(report, best)],
    )  # fmt: skip


def _ranking_without_test(report: Report) -> Section:
    """All configurations in the order of the rule, without a figure of target test."""
    words = [
        f"Ranked by the rule {report.rule}, whose score stands beside each; a higher one is better by the rule alone."
        f" Held-out source is {spell_metric(report.headline)} at the last epoch, mean over seeds, on another domain."
    ]
    rows, subset = report.leaderboard, report.subset is not None
    if any(row.confirmed for row in rows):
        words.append("Fresh seeds chose nothing.")
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


def _best_of_each(rows: Sequence[LeaderboardRow]) -> dict[tuple[str, str], LeaderboardRow]:
    """The first row of each method on each backbone, in the order of the ranking."""
    best: dict[tuple[str, str], LeaderboardRow] = {}
    for row in rows:
        best.setdefault((row.method, row.backbone), row)
    return best


def _best_table(report: Report, best: BestRows) -> Table:
    methods, backbones = (list(dict.fromkeys(names)) for names in zip(*best, strict=True))
    head = ["method", *[title for b in backbones for title in (b, "95 % interval", "seeds")]]
    rows = [
        [Cell(method), *[cell for b in backbones for cell in _best_cells(report, best.get((method, b)))]]
        for method in methods
    ]
    caption = f"Target test, {spell_metric(report.headline)}, %: the configuration that the rule chooses of each method"
    return Table(head, rows, f"{caption}; every cell leads to its first run.")


def _best_cells(report: Report, row: LeaderboardRow | None) -> list[Cell]:
    if row is None:
        return [Cell("not run"), Cell(""), Cell("")]
    score = Cell("" if row.test is None else f"{row.test:.1f}", first_run_page(report, row), number=True)
    return [score, interval_cell(row.ci95), Cell(count_fresh(row), number=True)]


def _configuration_tables(report: Report) -> list[Table]:
    """All rows of the leaderboard; the first are open, the rest folded."""
    rows = report.leaderboard
    head = [
        "#",
        "configuration",
        "labelled subset",
        "target test, %",
        "95 % interval",
        "group",
        "vs. source-only",
        "seeds",
    ]
    names = differing_params(rows)  # once: with hundreds of rows it is most of the page's time
    several = len({row.backbone for row in rows}) > 1
    cells = [_row(report, rank, row, label_row(row, names, several)) for rank, row in enumerate(rows, start=1)]
    faint = frozenset(i for i, row in enumerate(rows) if not row.competes)
    strong = frozenset({0}) if rows[0].competes else frozenset()
    if len(rows) <= OPEN_ROWS + 5:
        return [Table(head, cells, "", strong, faint)]
    rest = frozenset(i - OPEN_ROWS for i in faint if i >= OPEN_ROWS)
    return [
        Table(head, cells[:OPEN_ROWS], "", strong, faint),
        Table(head, cells[OPEN_ROWS:], "", frozenset(), rest, f"{len(rows) - OPEN_ROWS} more configurations"),
    ]


def _row(report: Report, rank: int, row: LeaderboardRow, label: str) -> list[Cell]:
    gap = row.difference if row.method != "source_only" else None
    return [
        Cell(str(rank) if row.competes else "-"), Cell(label, first_run_page(report, row)),
        number_cell(row.validation), number_cell(row.test), interval_cell(row.ci95), Cell(row.band or ""),
        Cell(f"{gap.points:+.1f} ({gap.ci95[0]:+.1f} to {gap.ci95[1]:+.1f})" if gap else "", number=True),
        Cell(count_fresh(row), number=True),
    ]  # fmt: skip


def _figure(report: Report, best: BestRows) -> Figure:
    several = len({backbone for _, backbone in best}) > 1
    dots = [
        Dot(
            label_run(method, {}, backbone=backbone if several else None), row.test, *row.ci95,
            look=SIDE_COLOURS.get("selected" if row.competes else method, 3),
            link=first_run_page(report, row), bold=row is report.leaderboard[0] and row.competes,
        )
        for (method, backbone), row in best.items()
        if row.test is not None and row.ci95 is not None
    ]  # fmt: skip
    metric = spell_metric(report.headline)
    drawing = intervals(dots, f"Target test {metric} of each method", f"target test, {metric}, %")
    caption = "What the rule chose of each method, with 95 % intervals; each mark leads to its first run in MLflow."
    return Figure(drawing, caption)
