"""A feed as Tune's searcher: a run a suggestion, and the other seeds of a point that was stopped are not begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray.tune_space import config_of
from dta_bench.sweep.run_queue import End, Feed, point_key


class FeedSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune what a feed has; Tune tells how it ended."""

    def __init__(self, plan: Plan, feed: Feed) -> None:
        super().__init__(metric="score", mode="max")
        self._plan, self._feed = plan, feed
        self._queue: list[RunSpec] = []
        self._running: dict[str, RunSpec] = {}
        self._given_up: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The next run, or FINISHED."""
        while True:
            self._queue = [run for run in self._queue if point_key(run) not in self._given_up]
            if self._queue:
                self._running[trial_id] = self._queue.pop(0)
                return config_of(self._plan, self._running[trial_id])
            more = self._feed.next()
            if more is None:
                return str(Searcher.FINISHED)
            self._queue = more

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A result without an outcome is of a run that was stopped: its score is a partial one."""
        run = self._running.pop(trial_id, None)
        if run is None:
            return
        if error or not result or result.get("outcome") == "failed":
            end = End("failed")
        elif "outcome" in result:
            end = End("done", result["score"], result["epoch"])
        else:
            end = End("stopped", result["score"], result["epoch"])
            self._given_up.add(point_key(run))
        self._feed.ended(run, end)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the tracking store knows what is done, and the same command asks it."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see :meth:`save`."""
