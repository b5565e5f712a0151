"""One search on a complete grid: points proposed, runs followed epoch by epoch, stopped by the rules of a sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dta_bench.replay.grid import Grid, GridPoint, GridRun
from dta_bench.sweep.sampler import Proposals
from dta_bench.sweep.stop_rules import EpochSummary, StopRule, reason_to_stop, stop_rules


@dataclass(frozen=True)
class SearchSetting:
    """A search as the command line names it: ``--search`` and ``--stop``."""

    search: str
    stop: tuple[str, ...] = ("none",)

    def without_collapse(self) -> SearchSetting:
        """The same search without the stop rule ``collapse``."""
        return SearchSetting(self.search, tuple(name for name in self.stop if name != "collapse") or ("none",))

    def __str__(self) -> str:
        stops = " + ".join(name for name in self.stop if name != "none")
        return f"{self.search} {stops}".strip()


@dataclass
class PointProgress:
    """How far a point came: its epochs, its scores by the labelled subset, and why it was stopped (or nothing)."""

    epochs: int = 0
    last_epoch: int = 0
    scores: list[float] = field(default_factory=list)
    stopped: str = ""

    @property
    def score(self) -> float:
        """The mean over the seeds so far."""
        return sum(self.scores) / len(self.scores)


def replay_search(grid: Grid, setting: SearchSetting, seed: int, budget: int) -> Iterator[tuple[int, GridPoint | None]]:
    """Replay one search; a point whose run is stopped is given up with its other seeds.

    Args:
        seed: the search's own.
        budget: epochs after which no further point is started.

    Yields:
        After each point: epochs spent so far, and the choice of rule ``labels`` among the points that finished.
    """
    by_params = {_key(point.params): point for point in grid.points}
    proposals = Proposals(grid.space, grid.first, setting.search, seed)
    rules = stop_rules(setting.stop, grid.epochs, grid.classes)
    spent, best_score, chosen = 0, float("-inf"), None
    while spent < budget and (params := proposals.ask()) is not None:
        point = by_params[_key(params)]
        progress = follow(grid, point, rules)
        spent += progress.epochs
        if progress.stopped:
            proposals.tell_stopped(params, progress.last_epoch, progress.score)
        else:
            proposals.tell(params, progress.score)
            if progress.score > best_score:
                best_score, chosen = progress.score, point
        yield spent, chosen


def follow(grid: Grid, point: GridPoint, rules: list[StopRule]) -> PointProgress:
    """Replay a point's seeds one after another, to their last epoch or until a rule stops one."""
    progress = PointProgress()
    for run in point.runs:
        name = f"{_key(point.params)} {run.seed}"
        for epoch in range(1, grid.epochs + 1):
            progress.epochs, progress.last_epoch = progress.epochs + 1, epoch
            if epoch < grid.epochs and (reason := reason_to_stop(rules, name, epoch_of(run, epoch))):
                progress.scores.append(run.curves["labels"][epoch - 1])
                progress.stopped = reason
                return progress
        progress.scores.append(run.curves["labels"][-1])
    return progress


def epoch_of(run: GridRun, epoch: int) -> EpochSummary:
    """What a stop rule may see of a run after an epoch, counted from 1."""
    values = {name: curve[epoch - 1] for name, curve in run.curves.items()}
    return EpochSummary(epoch, values["labels"], values["classes_in_use"], values["entropy"])


def _key(params: Mapping[str, object]) -> str:
    return json.dumps(params, sort_keys=True)
