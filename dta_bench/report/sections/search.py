"""The search: what was tried, and what it cost to find the best of it."""

from __future__ import annotations

from typing import Any

from dta_bench import plugins
from dta_bench.report.figures.chart import Axes, Series, lines
from dta_bench.report.figures.parallel import Line, parallel
from dta_bench.report.page import Figure, Section
from dta_bench.report.sections.words import configuration, first_run, metric, runs_page
from dta_bench.report.table import differing


def search(found: dict[str, Any]) -> Section | None:
    """Parallel coordinates of all configurations, and regret against budget where a replayed table has it."""
    rows = [row for row in found["leaderboard"] if row["competes"]]
    figures = [_coordinates(found, rows)] if len(rows) > 1 else []
    words, commands = [], []
    if replayed := found.get("replay"):
        figures.append(_regret(found, replayed))
    elif len(rows) > 1:
        grid = f"grid_{found['benchmark']}"
        if grid in plugins.names("search_space"):
            words.append("Regret against budget, replayed on this pair's kept grid, is drawn here after:")
            commands.append(f"dta-bench replay {grid}")
    if not figures:
        return None
    return Section("search", "The search", words, figures=figures, commands=commands)


def _coordinates(found: dict[str, Any], rows: list[dict[str, Any]]) -> Figure:
    many = {"method", "backbone"} & {key for key in ("method", "backbone") if len({row[key] for row in rows}) > 1}
    names = [*sorted(many, reverse=True), *_differing(rows)]
    told = differing(rows)
    shown = [
        Line(
            configuration(row, told), [row[n] if n in many else row["params"].get(n) for n in names],
            row["test"], first_run(found, row), chosen=row is rows[0],
        )
        for row in rows
    ]  # fmt: skip
    spelt = f"target test {metric(found['headline'])}"
    drawn = parallel(names, shown, f"Parallel coordinates of {len(rows)} configurations", spelt)
    caption = (
        f"{len(rows)} configurations; the more solid a line, the higher its {spelt}. The rule {found['rule']} chose the"
        " one with squares. Each line leads to its first run in MLflow."
    )
    return Figure(drawn, caption)


def _differing(rows: list[dict[str, Any]]) -> list[str]:
    """Parameters in which rows differ, across methods too if both have them."""
    names = differing(rows)
    for name in {n for row in rows for n in row["params"]} - set(names):
        values = {str(row["params"][name]) for row in rows if name in row["params"]}
        names += [name] if len(values) > 1 else []
    return sorted(names)


def _regret(found: dict[str, Any], replayed: list[dict[str, Any]]) -> Figure:
    """A line for each search: its name, epochs spent, and mean regret."""
    series = [
        Series(
            one["search"], one["epochs"], one["regret"], 1 + i % 6,
            low=one.get("low", ()), high=one.get("high", ()), link=runs_page(found),
        )
        for i, one in enumerate(replayed)
    ]  # fmt: skip
    axes = Axes("Regret against budget", "epochs spent", "regret, points", height=320, from_zero=True)
    return Figure(lines(series, axes), "Mean regret against epochs spent, replayed on the kept grid.", [])
