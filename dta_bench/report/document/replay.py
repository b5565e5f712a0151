"""``replay.json``: searches replayed on a complete grid."""

from __future__ import annotations

from dta_bench.report.document.frozen_record import Document, FrozenRecord


class ReplayedSearch(FrozenRecord):
    """Regret of one search after so many epochs of training: mean over repetitions, and the middle 90 %, in points.

    ``regret`` is against the oracle, ``regret_to_grid`` against the choice of rule ``labels`` from the complete grid.
    """

    search: str
    epochs: list[float]
    regret: list[float]
    low: list[float]
    high: list[float]
    regret_to_grid: list[float]
    regret_at_20_percent: float
    regret_to_grid_at_20_percent: float
    reaches_the_bar: bool


class CollapseStops(FrozenRecord):
    """What collapse stopping stops: runs, runs among the ten best by target test, the best one's rank (0: none)."""

    runs: int
    stopped: int
    stopped_of_the_ten_best: int
    best_rank_stopped: int


class GridSummary(FrozenRecord):
    """A complete grid in a few numbers; ``best``, ``median`` and ``worst`` are target test scores in percent."""

    points: int
    runs: int
    epochs: int
    best: float
    median: float
    worst: float


class Replay(Document):
    """All replayed searches of a grid; the bar is a regret of ``bar_points`` at ``bar_share`` of the grid's epochs."""

    name: str
    labels: int
    """Size of the labelled subset that the grid's runs were scored on."""
    bar_points: float
    bar_share: float
    table: GridSummary
    replay: list[ReplayedSearch]
    grid_epochs: int
    repetitions: int
    best: float
    regret_of_the_complete_grid: float
    stopping: CollapseStops
