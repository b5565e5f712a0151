"""The search: what was tried, and what it cost to find the best of it."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench import plugins
from dta_bench.report.document.replay import ReplayedSearch
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow, differing_params
from dta_bench.report.html.charts.lines import Axes, Series, lines
from dta_bench.report.html.charts.parallel import Line, parallel
from dta_bench.report.html.page import Figure, Section
from dta_bench.report.html.sections.effects import effect_figures
from dta_bench.report.html.sections.links import first_run_page, runs_page
from dta_bench.report.labels import label_row
from dta_bench.spec.spelling import spell_metric

MOST_METHODS = 6
"""Methods of which configurations are drawn, best first."""


def search_section(report: Report) -> Section | None:
    """Parallel coordinates of all configurations, and regret against budget where a replayed grid has it."""
    by_method = dict[str, list[LeaderboardRow]]()  # each has parameters of its own
    for row in report.competing:
        by_method.setdefault(row.method, []).append(row)
    several = {method: rows for method, rows in by_method.items() if len(rows) > 1}
    figures, words, commands = list[Figure](), list[str](), list[str]()
    for rows in list(several.values())[:MOST_METHODS]:
        figures += [_coordinates(report, rows), *effect_figures(report, rows)]
    if len(several) > MOST_METHODS:
        words.append(f"Drawn: the first {MOST_METHODS} of {len(several)} methods with several configurations.")
    if report.replay:
        figures.append(_regret_figure(report, report.replay))
    elif several:
        grid = f"grid_{report.benchmark}"
        if grid in plugins.names("search_space"):
            words.append(
                "The command below replays searches on this pair's kept grid; regret against budget is then drawn here."
            )
            commands.append(f"dta-bench replay {grid}")
    if not figures:
        return None
    return Section("search", "The search", words, figures=figures, commands=commands, beside=True)


def _coordinates(report: Report, rows: Sequence[LeaderboardRow]) -> Figure:
    several_backbones = len({row.backbone for row in rows}) > 1
    swept, differing = _swept_params(rows), differing_params(rows)
    axes = [*(["backbone"] if several_backbones else []), *swept]
    drawn_lines = [
        Line(
            label_row(row, differing, several_backbones),
            [*([row.backbone] if several_backbones else []),
             *[row.params.get(name) for name in swept]],
            _height(row), first_run_page(report, row), chosen=row is report.competing[0],
        )
        for row in rows
    ]  # fmt: skip
    score = f"target test {spell_metric(report.headline)}"
    if rows[0].test is None:
        score = f"score by the rule {report.rule}"
    drawing = parallel(axes, drawn_lines, f"Parallel coordinates of {len(rows)} configurations", score)
    caption = (
        f"{rows[0].method}, {len(rows)} configurations; the more solid a line, the higher its {score}. The rule"
        f" {report.rule} chose the one with squares. Each line leads to its first run in MLflow."
    )
    return Figure(drawing, caption)


def _height(row: LeaderboardRow) -> float:
    """Target test; what the rule gives it where no labelled target test is there."""
    return row.test if row.test is not None else row.score or 0.0


def _swept_params(rows: Sequence[LeaderboardRow]) -> list[str]:
    """Parameters in which rows differ, across methods too if both have them; by name."""
    names = differing_params(rows)
    for name in sorted({n for row in rows for n in row.params} - set(names)):
        values = {str(row.params[name]) for row in rows if name in row.params}
        names += [name] if len(values) > 1 else []
    return sorted(names)


def _regret_figure(report: Report, replayed: Sequence[ReplayedSearch]) -> Figure:
    """A line for each search: epochs spent, and mean regret; searches that do the same in every replay share one."""
    same_curve: dict[tuple[float, ...], list[ReplayedSearch]] = {}
    for search in replayed:
        same_curve.setdefault(tuple(search.regret), []).append(search)
    kinds = list(dict.fromkeys(_kind(search) for search in replayed))
    stops = list(dict.fromkeys(_stop(search) for (search, *_) in same_curve.values()))
    series = [
        Series(
            search.search, search.epochs, search.regret, 1 + kinds.index(_kind(search)) % 6, link=runs_page(report),
            dash=1 + stops.index(_stop(search)) % 6,
        )
        for (search, *_) in same_curve.values()
    ]  # fmt: skip
    axes = Axes("Regret against budget", "epochs spent", "regret, points", height=320, from_zero=True)
    shared = [f"{alike[0].search} ({_names(alike[1:])})" for alike in same_curve.values() if len(alike) > 1]
    caption = (
        "Mean regret against epochs spent, replayed on the kept grid; one colour per search, one dash per stop rule."
    )
    caption += f" Searches that draw the same line stand in brackets: {', '.join(shared)}." if shared else ""
    return Figure(lines(series, axes), caption)


def _kind(search: ReplayedSearch) -> str:
    return search.search.partition(" ")[0]


def _stop(search: ReplayedSearch) -> str:
    return search.search.partition(" ")[2]


def _names(searches: Sequence[ReplayedSearch]) -> str:
    return ", ".join(search.search for search in searches)
