"""Who is where: methods by backbones, and every configuration by its rank."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.charts.intervals import Dot, intervals
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.spelling import configuration, first_run, interval, metric, number
from dta_bench.report.summary import differing

OPEN_ROWS = 15
"""Rows of the ranking that are seen without unfolding."""


def ranking(found: dict[str, Any]) -> Section:
    """The best of each method on each backbone, then all configurations."""
    rows = found["leaderboard"]
    words = [
        f"Ranked by the rule {found['rule']}. The subset's score is there for choosing; it is not a result. Target test"
        f" is {metric(found['headline'])} at the last epoch, mean over seeds, with a 95 % bootstrap interval over seeds"
        " and images."
    ]
    return Section(
        "ranking", "Ranking", words,
        tables=[_matrix(found), *_configurations(found, rows)],
        figures=[_figure(found)],
    )  # fmt: skip


def best_of_each(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The first row of each method on each backbone, in the order of the ranking."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        best.setdefault((row["method"], row["backbone"]), row)
    return best


def _matrix(found: dict[str, Any]) -> Table:
    best = best_of_each(found["leaderboard"])
    methods, backbones = (list(dict.fromkeys(names)) for names in zip(*best, strict=True))
    head = ["method", *[title for b in backbones for title in (b, "95 % interval", "seeds")]]
    rows = [
        [Cell(method), *[cell for b in backbones for cell in _cells(found, best.get((method, b)))]]
        for method in methods
    ]
    caption = f"Target test, {metric(found['headline'])}, %: the configuration that the rule chooses of each method"
    return Table(head, rows, f"{caption}; every cell leads to its first run.")


def _cells(found: dict[str, Any], row: dict[str, Any] | None) -> list[Cell]:
    if row is None:
        return [Cell("not run"), Cell(""), Cell("")]
    return [
        Cell(f"{row['test']:.1f}", first_run(found, row), number=True), interval(row["ci95"]),
        Cell(str(row["seeds"]), number=True),
    ]  # fmt: skip


def _configurations(found: dict[str, Any], rows: list[dict[str, Any]]) -> list[Table]:
    """All rows; the first are open, the rest folded."""
    head = ["#", "configuration", "subset", "target test, %", "95 % interval", "less source-only", "seeds"]
    names = differing(rows)  # once: with hundreds of rows it is most of the page's time
    cells = [_row(found, rank, row, names) for rank, row in enumerate(rows, start=1)]
    faint = frozenset(i for i, row in enumerate(rows) if not row["competes"])
    strong = frozenset({0}) if rows[0]["competes"] else frozenset()
    if len(rows) <= OPEN_ROWS + 5:
        return [Table(head, cells, "", strong, faint)]
    rest = frozenset(i - OPEN_ROWS for i in faint if i >= OPEN_ROWS)
    return [
        Table(head, cells[:OPEN_ROWS], "", strong, faint),
        Table(head, cells[OPEN_ROWS:], "", frozenset(), rest, f"{len(rows) - OPEN_ROWS} more configurations"),
    ]


def _row(found: dict[str, Any], rank: int, row: dict[str, Any], names: list[str]) -> list[Cell]:
    gap = row.get("difference")
    apart = f"{gap['points']:+.1f} ± {gap['standard_error']:.1f}" if gap and row["method"] != "source_only" else ""
    return [
        Cell(str(rank) if row["competes"] else "-"),
        Cell(configuration(row, names), first_run(found, row)),
        number(row["validation"]), number(row["test"]), interval(row["ci95"]),
        Cell(apart, number=True), Cell(str(row["seeds"]), number=True),
    ]  # fmt: skip


def _figure(found: dict[str, Any]) -> Figure:
    best = best_of_each(found["leaderboard"])
    many = len({backbone for _, backbone in best}) > 1
    dots = [
        Dot(
            f"{method} {backbone}" if many else method, row["test"], row["ci95"][0], row["ci95"][1],
            look=1 if row["competes"] else 2 if method == "source_only" else 3,
            link=first_run(found, row), bold=row is found["leaderboard"][0] and row["competes"],
        )
        for (method, backbone), row in best.items()
    ]  # fmt: skip
    spelt = metric(found["headline"])
    drawn = intervals(dots, f"Target test {spelt} of each method", f"target test, {spelt}, %")
    caption = "What the rule chose of each method, with 95 % intervals; each mark leads to its first run in MLflow."
    return Figure(drawn, caption)
