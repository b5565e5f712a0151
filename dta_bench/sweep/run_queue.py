"""The order of a sweep's runs: as planned, or as a search proposes them after what it has seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.search_space import Point

if TYPE_CHECKING:
    from dta_bench.sweep.sampler import Proposals


@dataclass(frozen=True)
class RunEnd:
    """How a run ended; ``score`` is on the labelled subset, in percent, after ``epoch``; only a done run's is final."""

    how: Literal["done", "stopped", "failed"]
    score: float = 0.0
    epoch: int = 0


class RunQueue(Protocol):
    """Gives the next runs whenever there is room for one, and takes note how each ended."""

    def next_runs(self) -> list[RunSpec] | None:
        """The missing runs of one more point, one a seed (none, if all are there); None when no point is left."""

    def record(self, run: RunSpec, end: RunEnd) -> None:
        """Take note how a run ended."""


class PlannedQueue:
    """Gives the planned runs in their order, point by point."""

    def __init__(self, runs: Iterable[RunSpec]) -> None:
        self._groups: dict[str, list[RunSpec]] = {}
        for run in runs:
            self._groups.setdefault(point_key(run), []).append(run)

    def next_runs(self) -> list[RunSpec] | None:
        """The next point's runs; None when no point is left."""
        return self._groups.pop(next(iter(self._groups))) if self._groups else None

    def record(self, run: RunSpec, end: RunEnd) -> None:
        """Do nothing: the order is fixed."""


class JointQueue:
    """Gives the runs of several queues, each of its own benchmark, one queue after the other.

    Args:
        queues: benchmark → its queue, in the order in which they are asked.
    """

    def __init__(self, queues: Mapping[str, RunQueue]) -> None:
        self._queues, self._open = queues, list(queues)

    def next_runs(self) -> list[RunSpec] | None:
        """The next runs of the first queue that has any; None when none has."""
        while self._open:
            if (runs := self._queues[self._open[0]].next_runs()) is not None:
                return runs
            self._open.pop(0)
        return None

    def record(self, run: RunSpec, end: RunEnd) -> None:
        """Tell the queue of the run's benchmark how it ended."""
        self._queues[run.benchmark].record(run, end)


class AdaptiveQueue:
    """Gives the baselines, then points that a search proposes; it learns from a point when all its seeds have ended.

    Args:
        to_do: the runs of the plan that are not done.
        known: identity → end of the runs of earlier starts. Their points count as proposed, and the search learns
            from them as from any other.
    """

    def __init__(self, plan: Plan, to_do: Iterable[RunSpec], known: Mapping[str, RunEnd]) -> None:
        self._plan, self._known = plan, dict(known)
        baselines = [run for run in to_do if run.method in plan.methods[1:]]
        self._baselines = PlannedQueue(baselines)
        self._searches = [_Search(plan, backbone, self._known) for backbone in plan.backbones]
        self._open: dict[str, tuple[_Search, Point]] = {}

    def next_runs(self) -> list[RunSpec] | None:
        """The baselines' runs, then the next point's of each backbone in turn; None when no point is left."""
        if (first := self._baselines.next_runs()) is not None:
            return first
        self._searches = [search for search in self._searches if not search.is_over()]
        if not self._searches:
            return None
        search = self._searches.pop(0)
        self._searches.append(search)
        if (point := search.ask()) is None:
            return self.next_runs()
        runs = search.runs_of(point)
        self._open[point_key(runs[0])] = (search, point)
        return [run for run in runs if run.id not in self._known]

    def record(self, run: RunSpec, end: RunEnd) -> None:
        """Take note of the end, and teach the search its point once every seed has ended or one was stopped."""
        self._known[run.id] = end
        if point_key(run) not in self._open:
            return
        search, point = self._open[point_key(run)]
        if search.teach(point):
            del self._open[point_key(run)]


class _Search:
    """One backbone's search, and how many points it may still propose."""

    _proposals: Proposals

    def __init__(self, plan: Plan, backbone: str, known: dict[str, RunEnd]) -> None:
        from dta_bench.sweep.sampler import Proposals  # imports Optuna

        self._ends = known
        method = plan.methods[0]
        self._proposals = Proposals(plan.space(method), plan.first_point(backbone, method), plan.search)
        points = plan.space(method).points()
        self._runs = {_key(p): [plan.spec(backbone, method, seed, p) for seed in plan.seeds] for p in points}
        self._ids = {key: [run.id for run in runs] for key, runs in self._runs.items()}
        ended = [point for point in points if self._has_ended(point)]
        for point in ended:
            self._proposals.mark_proposed(point)
            self.teach(point)
        self.left = max(0, plan.points - len(ended))

    def is_over(self) -> bool:
        """Whether all points that the sweep asks for have been proposed."""
        return self.left <= 0

    def ask(self) -> Point | None:
        """The next point."""
        self.left -= 1
        return self._proposals.ask()

    def runs_of(self, point: Point) -> list[RunSpec]:
        """A point's runs, one a seed."""
        return self._runs[_key(point)]

    def _has_ended(self, point: Point) -> bool:
        """Whether every seed of a point has ended, or one was stopped early."""
        ends = [self._ends.get(run_id) for run_id in self._ids[_key(point)]]
        return all(ends) or any(end is not None and end.how == "stopped" for end in ends)

    def teach(self, point: Point) -> bool:
        """Tell the proposals how a point ended; False, and nothing is told, while some of its runs are missing."""
        if not self._has_ended(point):
            return False
        ends = [end for run_id in self._ids[_key(point)] if (end := self._ends.get(run_id)) is not None]
        stopped = [end for end in ends if end.how == "stopped"]
        done = [end.score for end in ends if end.how == "done"]
        if stopped:
            self._proposals.tell_stopped(point, stopped[0].epoch, stopped[0].score)
        elif len(done) == len(ends):
            self._proposals.tell(point, sum(done) / len(done))
        else:
            self._proposals.tell_failed(point)
        return True


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)


def point_key(run: RunSpec) -> str:
    """A key that the seeds of one configuration share: benchmark, backbone, method and parameters."""
    return json.dumps([run.benchmark, run.backbone, run.method, run.params], sort_keys=True)


def points_left(plan: Plan, known: Mapping[str, RunEnd]) -> int:
    """How many points an adaptive sweep still has to propose, given how runs have ended (by identity)."""
    return sum(_Search(plan, backbone, dict(known)).left for backbone in plan.backbones)
