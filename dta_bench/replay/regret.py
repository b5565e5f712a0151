"""Regret against epochs spent, over many repetitions of each search; and whether stopping loses what is good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.replay.search import Setting, search, seen
from dta_bench.replay.table import Point, Run, Table
from dta_bench.sweep.stop_rules import stop_rules, verdict

SETTINGS = tuple(
    Setting(kind, stop)
    for kind in ("grid", "random", "tpe")
    for stop in (("none",), ("collapse",), ("asha",), ("asha", "collapse"))
)
BAR_SHARE, BAR_POINTS = 0.2, 0.5  # of the grid's epochs; of regret
STEPS = 50  # budgets at which regret is read


def replay(table: Table, repetitions: int, share: float, settings: Iterable[Setting] = SETTINGS) -> dict[str, Any]:
    """Mean regret in points and its middle 90 % at budgets up to ``share`` of the grid's epochs, for each search.

    ``regret`` is against the oracle, the best point by target test; ``regret_to_grid`` against what the rule
    ``labels`` chooses from the complete grid (the mean of its choices, where several are equal). Before anything has
    finished, the worst point counts as chosen.
    """
    total = table.all_epochs()
    budgets = np.linspace(0, share * total, STEPS + 1)[1:]
    tests = {id(point): table.test(point) for point in table.points}
    best, worst = max(tests.values()), min(tests.values())
    chosen = float(np.mean([tests[id(point)] for point in choices_of_all(table)]))
    stops = stopping(table)
    rows, known = [], dict[Setting, NDArray[np.float64]]()
    for setting in settings:
        same = setting if stops["stopped"] else setting.without_collapse()  # a rule that never speaks changes nothing
        if same not in known:
            known[same] = np.array([_curve(table, same, seed, budgets, tests, worst) for seed in range(repetitions)])
        curves = known[same]
        rows.append(_told(setting, budgets, total, best - curves, chosen - curves))
    return {
        "replay": rows, "grid_epochs": total, "repetitions": repetitions, "best": best,
        "regret_of_the_complete_grid": best - chosen, "stopping": stops,
    }  # fmt: skip


def choices_of_all(table: Table) -> list[Point]:
    """What rule ``labels`` holds highest in the complete grid; a small subset gives several points the same score."""
    scores = [sum(run.curves["labels"][-1] for run in point.runs) for point in table.points]
    return [point for point, score in zip(table.points, scores, strict=True) if score > max(scores) - 1e-9]


def stopping(table: Table) -> dict[str, int]:
    """What collapse stopping stops: how many runs, how many of the ten best by target test, the best one's rank."""
    runs = [run for point in table.points for run in point.runs]
    ranked = sorted(runs, key=lambda run: -run.test[table.headline])
    stopped = [rank for rank, run in enumerate(ranked, start=1) if _collapses(table, run)]
    return {
        "runs": len(runs), "stopped": len(stopped), "stopped_of_the_ten_best": sum(rank <= 10 for rank in stopped),
        "best_rank_stopped": min(stopped, default=0),
    }  # fmt: skip


def _collapses(table: Table, run: Run) -> bool:
    rules = stop_rules(("collapse",), table.epochs, table.classes)
    return any(verdict(rules, "", seen(run, epoch)) for epoch in range(1, table.epochs))


def _curve(
    table: Table, setting: Setting, seed: int, budgets: NDArray[np.float64], tests: dict[int, float], worst: float
) -> NDArray[np.float64]:
    """The target test score of the choice at each budget: of the last choice made within it."""
    found = np.full(len(budgets), worst)
    for spent, chosen in search(table, setting, seed, int(budgets[-1])):
        if chosen is not None:
            found[budgets >= spent] = tests[id(chosen)]
    return found


def _told(
    setting: Setting,
    budgets: NDArray[np.float64],
    total: int,
    regrets: NDArray[np.float64],
    to_grid: NDArray[np.float64],
) -> dict[str, Any]:
    low, high = np.quantile(regrets, (0.05, 0.95), axis=0)
    at_bar = int(np.searchsorted(budgets, BAR_SHARE * total + 1e-9, side="right")) - 1
    return {
        "search": str(setting), "epochs": budgets.tolist(), "regret": regrets.mean(axis=0).tolist(),
        "low": low.tolist(), "high": high.tolist(), "regret_to_grid": to_grid.mean(axis=0).tolist(),
        "regret_at_20_percent": float(regrets.mean(axis=0)[at_bar]),
        "regret_to_grid_at_20_percent": float(to_grid.mean(axis=0)[at_bar]),
        "reaches_the_bar": bool(regrets.mean(axis=0)[at_bar] <= BAR_POINTS),
    }  # fmt: skip
