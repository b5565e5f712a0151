"""Runs that are said to be running, and of which nobody has given a sign of life for a while."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dta_bench.tracking import TrackedRun, Tracker

WHY = "its command was killed or cannot reach the store, and the same command goes on with it"


def silent_runs(tracker: Tracker, runs: Sequence[TrackedRun]) -> dict[str, dict[str, Any]]:
    """Id in MLflow of each running run without a sign of life → ``silent``, and in ``reason`` since when, in words."""
    running = [run for run in runs if run.status == "RUNNING"]
    if not running:
        return {}
    from dta_bench.tracking.heartbeat import SILENT_SECONDS

    found, signs, now = {}, dict[str, float | None](), time.time()
    for benchmark in {run.spec.benchmark for run in running}:
        signs |= tracker.last_signs_of_life(benchmark)
    for run in running:
        last = signs.get(run.run_id, 0.0)  # 0: no command says that it works on it
        if last is None or now - last < SILENT_SECONDS:
            continue
        since = f" since {time.strftime('%Y-%m-%d %H:%M', time.localtime(last))}" if last else ""
        found[run.mlflow_run_id] = {"silent": True, "reason": f"no sign of life{since}: {WHY}"}
    return found
