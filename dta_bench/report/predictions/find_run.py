"""A run of a store by the beginning of its identity."""

from __future__ import annotations

from dta_bench.errors import UserError
from dta_bench.tracking import TrackedRun, Tracker, standing_runs


def find_run(tracker: Tracker, name: str) -> TrackedRun:
    """The one run whose identity or MLflow id begins with ``name``.

    Raises:
        UserError: there is none, or several.
    """
    if not tracker.exists():
        raise UserError(f"there are no runs in {tracker.uri}; run a sweep there first, or name its --out")
    known = [run for benchmark in tracker.experiments() for run in tracker.runs(benchmark)]
    found = [run for run in known if any(i.startswith(name) for i in (run.run_id, run.alias, run.mlflow_run_id))]
    found = standing_runs(found)[0] if len({run.run_id for run in found}) == 1 else found
    if len(found) != 1:
        problem = (
            f"{len(found)} runs' identities begin with {name!r}" if found else f"no run's identity begins with {name!r}"
        )
        raise UserError(f"{problem}; dta-bench runs lists them")
    return found[0]
