"""What a sweep runs next: the runs that were planned, or what a search makes of those that have ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.sampler import Point, Proposals


@dataclass(frozen=True)
class End:
    """How a run ended: ``score`` is its subset score in percent after ``epoch``; final only if ``how`` is done."""

    how: str  # done, stopped or failed
    score: float = 0.0
    epoch: int = 0


class Feed(Protocol):
    """Asked for the next runs whenever there is room; told how each of them ended."""

    def next(self) -> list[RunSpec] | None:
        """The seeds of one more point, as far as they are missing; None when there is no more."""

    def ended(self, run: RunSpec, end: End) -> None:
        """Learn from a run."""


class Planned:
    """The planned runs in their order, point by point."""

    def __init__(self, runs: Iterable[RunSpec]) -> None:
        self._groups: dict[str, list[RunSpec]] = {}
        for run in runs:
            self._groups.setdefault(point_key(run), []).append(run)

    def next(self) -> list[RunSpec] | None:
        """The next point's runs."""
        return self._groups.pop(next(iter(self._groups))) if self._groups else None

    def ended(self, run: RunSpec, end: End) -> None:
        """Nothing: the order was planned."""


class Adaptive:
    """The baselines, then points that a search proposes, each learnt from when all its seeds have ended.

    Points that are known from an earlier start count as proposed, and teach as much.
    """

    def __init__(self, plan: Plan, to_do: Iterable[RunSpec], known: Mapping[str, End]) -> None:
        self._plan, self._known = plan, dict(known)
        baselines = [run for run in to_do if run.method in plan.methods[1:]]
        self._baselines = Planned(baselines)
        self._searches = [_Search(plan, backbone, self._known) for backbone in plan.backbones]
        self._open: dict[str, tuple[_Search, Point]] = {}

    def next(self) -> list[RunSpec] | None:
        """The baselines' runs, then the next point's of each backbone in turn."""
        if (first := self._baselines.next()) is not None:
            return first
        self._searches = [search for search in self._searches if not search.is_over()]
        if not self._searches:
            return None
        search = self._searches.pop(0)
        self._searches.append(search)
        if (point := search.ask()) is None:
            return self.next()
        specs = search.specs(point)
        self._open[point_key(specs[0])] = (search, point)
        return [spec for spec in specs if spec.id not in self._known]

    def ended(self, run: RunSpec, end: End) -> None:
        """Tell the search of a point once every seed has ended, or one was stopped."""
        self._known[run.id] = end
        if point_key(run) not in self._open:
            return
        search, point = self._open[point_key(run)]
        if search.tell(point):
            del self._open[point_key(run)]


class _Search:
    """One backbone's search, and how many points it may still propose."""

    def __init__(self, plan: Plan, backbone: str, known: dict[str, End]) -> None:
        self._ends = known
        method = plan.methods[0]
        self._proposals = Proposals(plan.space(method), plan.first_point(backbone, method), plan.search)
        points = plan.space(method).points()
        self._specs = {_key(p): [plan.spec(backbone, method, seed, p) for seed in plan.seeds] for p in points}
        self._ids = {key: [spec.id for spec in specs] for key, specs in self._specs.items()}
        settled = [point for point in points if self.settled(point)]
        for point in settled:
            self._proposals.propose(point)
            self.tell(point)
        self.left = max(0, plan.points - len(settled))

    def is_over(self) -> bool:
        """Whether all points that were asked for have been proposed."""
        return self.left <= 0

    def ask(self) -> Point | None:
        """The next point."""
        self.left -= 1
        return self._proposals.ask()

    def specs(self, point: Point) -> list[RunSpec]:
        """A point's runs, one a seed."""
        return self._specs[_key(point)]

    def settled(self, point: Point) -> bool:
        """Whether nothing of a point is left to run."""
        ends = [self._ends.get(run_id) for run_id in self._ids[_key(point)]]
        return all(ends) or any(end is not None and end.how == "stopped" for end in ends)

    def tell(self, point: Point) -> bool:
        """Teach the search how a point ended; False while some of its runs are missing."""
        if not self.settled(point):
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
    """What the seeds of one configuration share."""
    return json.dumps([run.backbone, run.method, run.params], sort_keys=True)


def points_left(plan: Plan, known: Mapping[str, End]) -> int:
    """How many points an adaptive sweep has still to propose, or to bring to their end."""
    return sum(_Search(plan, backbone, dict(known)).left for backbone in plan.backbones)
