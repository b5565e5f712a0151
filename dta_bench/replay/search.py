"""One search on a table: points proposed, runs followed epoch by epoch, stopped by the rules of a sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dta_bench.replay.table import Point, Run, Table
from dta_bench.sweep.sampler import Proposals
from dta_bench.sweep.stop_rules import Epoch, StopRule, stop_rules, verdict


@dataclass(frozen=True)
class Setting:
    """A search as the command line names it."""

    search: str
    stop: tuple[str, ...] = ("none",)

    def without_collapse(self) -> Setting:
        """The same search without that rule."""
        return Setting(self.search, tuple(name for name in self.stop if name != "collapse") or ("none",))

    def __str__(self) -> str:
        stops = " + ".join(name for name in self.stop if name != "none")
        return f"{self.search} {stops}".strip()


@dataclass
class Followed:
    """How far a point came: its epochs, its score by the labelled subset, and why it was given up (or nothing)."""

    epochs: int = 0
    last_epoch: int = 0
    scores: list[float] = field(default_factory=list)
    stopped: str = ""

    @property
    def score(self) -> float:
        """The mean over the seeds so far."""
        return sum(self.scores) / len(self.scores)


def search(table: Table, setting: Setting, seed: int, budget: int) -> Iterator[tuple[int, Point | None]]:
    """Epochs spent so far and the choice of rule ``labels`` among the points that finished, after each point.

    A point whose run is stopped is given up with its other seeds. Ends when ``budget`` epochs are spent, or all points
    are.
    """
    by_params = {_key(point.params): point for point in table.points}
    proposals = Proposals(table.space, table.first, setting.search, seed)
    rules = stop_rules(setting.stop, table.epochs, table.classes)
    spent, best, chosen = 0, float("-inf"), None
    while spent < budget and (params := proposals.ask()) is not None:
        point = by_params[_key(params)]
        found = follow(table, point, rules)
        spent += found.epochs
        if found.stopped:
            proposals.tell_stopped(params, found.last_epoch, found.score)
        else:
            proposals.tell(params, found.score)
            if found.score > best:
                best, chosen = found.score, point
        yield spent, chosen


def follow(table: Table, point: Point, rules: list[StopRule]) -> Followed:
    """Run a point's seeds one after another."""
    found = Followed()
    for run in point.runs:
        name = f"{_key(point.params)} {run.seed}"
        for epoch in range(1, table.epochs + 1):
            found.epochs, found.last_epoch = found.epochs + 1, epoch
            if epoch < table.epochs and (reason := verdict(rules, name, seen(run, epoch))):
                found.scores.append(run.curves["labels"][epoch - 1])
                found.stopped = reason
                return found
        found.scores.append(run.curves["labels"][-1])
    return found


def seen(run: Run, epoch: int) -> Epoch:
    """What a stop rule may see of a run after an epoch, counted from 1."""
    at = {name: values[epoch - 1] for name, values in run.curves.items()}
    return Epoch(epoch, at["labels"], at["classes_in_use"], at["entropy"])


def _key(params: Mapping[str, object]) -> str:
    return json.dumps(params, sort_keys=True)
