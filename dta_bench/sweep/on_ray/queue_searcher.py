"""A run queue as Tune's searcher; the other seeds of a point that was stopped early are not started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray.tune_space import config_of
from dta_bench.sweep.run_queue import RunEnd, RunQueue, point_key


class QueueSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune the runs of ``queue``, and the queue how they ended."""

    def __init__(self, plan: Plan, queue: RunQueue) -> None:
        super().__init__(metric="score", mode="max")
        self._plan, self._queue = plan, queue
        self._waiting: list[RunSpec] = []
        self._running: dict[str, RunSpec] = {}
        self._stopped_points: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The config of the next run, or FINISHED."""
        while True:
            self._waiting = [run for run in self._waiting if point_key(run) not in self._stopped_points]
            if self._waiting:
                self._running[trial_id] = self._waiting.pop(0)
                return config_of(self._plan, self._running[trial_id])
            more = self._queue.next_runs()
            if more is None:
                return str(Searcher.FINISHED)
            self._waiting = more

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the queue how a run ended; a last result without an outcome is of a run that was stopped early."""
        run = self._running.pop(trial_id, None)
        if run is None:
            return
        if error or not result or result.get("outcome") == "failed":
            end = RunEnd("failed")
        elif "outcome" in result:
            end = RunEnd("done", result["score"], result["epoch"])
        else:
            end = RunEnd("stopped", result["score"], result["epoch"])
            self._stopped_points.add(point_key(run))
        self._queue.record(run, end)

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file: the tracking store knows which runs are done, and the same command asks it."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing, see :meth:`save`."""
