"""The search: what was tried, and what it cost to find the best of it."""

from __future__ import annotations

from typing import Any

from dta_bench import plugins
from dta_bench.report.html.charts.chart import Axes, Series, lines
from dta_bench.report.html.charts.parallel import Line, parallel
from dta_bench.report.html.page import Figure, Section
from dta_bench.report.html.sections.spelling import configuration, first_run, metric, runs_page
from dta_bench.report.summary import differing

MANY = 3
"""Methods above which only the chosen one's configurations are drawn as parallel coordinates."""


def search(found: dict[str, Any]) -> Section | None:
    """Parallel coordinates of all configurations, and regret against budget where a replayed table has it."""
    rows = [row for row in found["leaderboard"] if row["competes"]]
    if len({row["method"] for row in rows}) > MANY:  # each has parameters of its own: dozens of axes show nothing
        rows = [row for row in rows if row["method"] == rows[0]["method"]]
    figures = [_coordinates(found, rows)] if len(rows) > 1 else []
    words, commands = [], []
    if replayed := found.get("replay"):
        figures.append(_regret(found, replayed))
    elif len(rows) > 1:
        grid = f"grid_{found['benchmark']}"
        if grid in plugins.names("search_space"):
            words.append(
                "The command below replays searches on this pair's kept grid; regret against budget is then drawn here."
            )
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
    for name in sorted({n for row in rows for n in row["params"]} - set(names)):
        values = {str(row["params"][name]) for row in rows if name in row["params"]}
        names += [name] if len(values) > 1 else []
    return sorted(names)


def _regret(found: dict[str, Any], replayed: list[dict[str, Any]]) -> Figure:
    """A line for each search: epochs spent, and mean regret; searches that do the same in every replay share one."""
    alike: dict[tuple[float, ...], list[dict[str, Any]]] = {}
    for one in replayed:
        alike.setdefault(tuple(one["regret"]), []).append(one)
    kinds = list(dict.fromkeys(_kind(one) for one in replayed))
    stops = list(dict.fromkeys(one["search"].partition(" ")[2] for (one, *_) in alike.values()))
    series = [
        Series(
            one["search"], one["epochs"], one["regret"], 1 + kinds.index(_kind(one)) % 6, link=runs_page(found),
            dash=1 + stops.index(one["search"].partition(" ")[2]) % 6,
        )
        for (one, *_) in alike.values()
    ]  # fmt: skip
    axes = Axes("Regret against budget", "epochs spent", "regret, points", height=320, from_zero=True)
    shared = [f"{others[0]['search']} ({_names(others[1:])})" for others in alike.values() if len(others) > 1]
    caption = "Mean regret against epochs spent, replayed on the kept grid; a colour a search, a dash a stop rule."
    caption += f" The same line in brackets: {', '.join(shared)}." if shared else ""
    return Figure(lines(series, axes), caption)


def _kind(one: dict[str, Any]) -> str:
    return str(one["search"].partition(" ")[0])


def _names(rows: list[dict[str, Any]]) -> str:
    return ", ".join(one["search"] for one in rows)
