"""A run in the spelling that Tune hands to its workers."""

from __future__ import annotations

from typing import Any

from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.sampler import of_method


def suggestion(plan: Plan, run: RunSpec) -> dict[str, Any]:
    """A run as a point of the joint space, in Optuna's spelling."""
    space = plan.space(run.method)
    told = space.sets.keys() - space.inert(run.params)  # what has no effect is zero in a run, which its set may lack
    point = space.canonical({k: run.params[k] for k in space.sets if k in told})
    return {"backbone": run.backbone, "method": run.method, "seed": run.seed} | {
        of_method(run.method, name): value for name, value in point.items()
    }
