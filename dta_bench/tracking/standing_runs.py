"""Which run of a store stands for an identity, where several runs have the same one."""

from __future__ import annotations

from collections.abc import Iterable

from dta_bench.tracking.tracked_run import TrackedRun


def standing_runs(runs: Iterable[TrackedRun]) -> tuple[list[TrackedRun], list[TrackedRun]]:
    """Reduce runs to one for each identity: the finished one that was started last, else the one started last.

    Args:
        runs: in the order in which they were started.

    Returns:
        The runs that stand, and the others; both in the order of ``runs``.
    """
    ordered = list(runs)
    standing: dict[str, TrackedRun] = {}
    for run in ordered:
        before = standing.get(run.run_id)
        if before is None or run.status == "FINISHED" or before.status != "FINISHED":
            standing[run.run_id] = run
    kept = {id(run) for run in standing.values()}
    return [run for run in ordered if id(run) in kept], [run for run in ordered if id(run) not in kept]
