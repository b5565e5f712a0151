"""Regret against epochs spent, over many repetitions of each search; and whether stopping loses good runs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dta_bench.replay.grid import Grid, GridPoint, GridRun
from dta_bench.replay.search import SearchSetting, epoch_of, replay_search
from dta_bench.report.document.replay import CollapseStops, GridSummary, Replay, ReplayedSearch
from dta_bench.sweep.stop_rules import reason_to_stop, stop_rules

Floats = NDArray[np.float64]
SETTINGS = tuple(
    SearchSetting(kind, stop)
    for kind in ("grid", "random", "tpe")
    for stop in (("none",), ("collapse",), ("asha",), ("asha", "collapse"))
)
BAR_SHARE, BAR_POINTS = 0.2, 0.5
"""A search reaches the bar if, after this share of the grid's epochs, its mean regret is at most so many points."""
BUDGETS = 50
"""Budgets at which regret is read."""


def replay_grid(grid: Grid, repetitions: int, share: float, settings: Iterable[SearchSetting] = SETTINGS) -> Replay:
    """Mean regret in points and its middle 90 % at budgets up to ``share`` of the grid's epochs, for each search.

    ``regret`` is against the oracle, the best point by target test; ``regret_to_grid`` against what the rule
    ``labels`` chooses from the complete grid (the mean of its choices, where several are equal). Before anything has
    finished, the worst point counts as chosen.

    Args:
        repetitions: of each search, each with its own seed.
    """
    total = grid.total_epochs()
    budgets = np.linspace(0, share * total, BUDGETS + 1)[1:]
    tests = {id(point): grid.test_score(point) for point in grid.points}
    best, worst = max(tests.values()), min(tests.values())
    chosen = float(np.mean([tests[id(point)] for point in choices_of_labels(grid)]))
    stops = collapse_stops(grid)
    rows, known = [], dict[SearchSetting, Floats]()
    for setting in settings:
        same = setting if stops.stopped else setting.without_collapse()  # a rule that stops nothing changes nothing
        if same not in known:
            known[same] = np.array([_curve(grid, same, seed, budgets, tests, worst) for seed in range(repetitions)])
        curves = known[same]
        rows.append(_row(setting, budgets, total, best - curves, chosen - curves))
    return Replay(
        name=grid.name, labels=grid.labels, bar_points=BAR_POINTS, bar_share=BAR_SHARE, table=summarise_grid(grid),
        replay=rows, grid_epochs=total, repetitions=repetitions, best=best, regret_of_the_complete_grid=best - chosen,
        stopping=stops,
    )  # fmt: skip


def choices_of_labels(grid: Grid) -> list[GridPoint]:
    """The points that rule ``labels`` scores highest in the complete grid; a small subset gives several equal ones."""
    scores = [sum(run.curves["labels"][-1] for run in point.runs) for point in grid.points]
    return [point for point, score in zip(grid.points, scores, strict=True) if score > max(scores) - 1e-9]


def collapse_stops(grid: Grid) -> CollapseStops:
    """What collapse stopping stops: how many runs, how many of the ten best by target test, the best one's rank."""
    runs = [run for point in grid.points for run in point.runs]
    ranked = sorted(runs, key=lambda run: -run.test[grid.headline])
    ranks = [rank for rank, run in enumerate(ranked, start=1) if _collapses(grid, run)]
    return CollapseStops(
        runs=len(runs), stopped=len(ranks), stopped_of_the_ten_best=sum(rank <= 10 for rank in ranks),
        best_rank_stopped=min(ranks, default=0),
    )  # fmt: skip


def summarise_grid(grid: Grid) -> GridSummary:
    """What a grid holds, in a few numbers."""
    tests = sorted(grid.test_score(point) for point in grid.points)
    return GridSummary(
        points=len(grid.points), runs=sum(len(point.runs) for point in grid.points), epochs=grid.total_epochs(),
        best=tests[-1], median=tests[len(tests) // 2], worst=tests[0],
    )  # fmt: skip


def _collapses(grid: Grid, run: GridRun) -> bool:
    rules = stop_rules(("collapse",), grid.epochs, grid.classes)
    return any(reason_to_stop(rules, "", epoch_of(run, epoch)) for epoch in range(1, grid.epochs))


def _curve(
    grid: Grid, setting: SearchSetting, seed: int, budgets: Floats, tests: dict[int, float], worst: float
) -> Floats:
    """The target test score of the choice at each budget: of the last choice made within it."""
    scores = np.full(len(budgets), worst)
    for spent, chosen in replay_search(grid, setting, seed, int(budgets[-1])):
        if chosen is not None:
            scores[budgets >= spent] = tests[id(chosen)]
    return scores


def _row(setting: SearchSetting, budgets: Floats, total: int, regrets: Floats, to_grid: Floats) -> ReplayedSearch:
    """Means and quantiles over repetitions; ``regrets`` and ``to_grid`` are (repetitions, budgets)."""
    mean, mean_to_grid = regrets.mean(axis=0), to_grid.mean(axis=0)
    low, high = np.quantile(regrets, (0.05, 0.95), axis=0)
    at_bar = int(np.searchsorted(budgets, BAR_SHARE * total + 1e-9, side="right")) - 1
    return ReplayedSearch(
        search=str(setting), epochs=budgets.tolist(), regret=mean.tolist(), low=low.tolist(), high=high.tolist(),
        regret_to_grid=mean_to_grid.tolist(), regret_at_20_percent=float(mean[at_bar]),
        regret_to_grid_at_20_percent=float(mean_to_grid[at_bar]), reaches_the_bar=bool(mean[at_bar] <= BAR_POINTS),
    )  # fmt: skip
