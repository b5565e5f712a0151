"""What a budget comes to: the steps and FLOPs of each method of a sweep, all stages together."""

from __future__ import annotations

from typing import TypedDict

from dta_bench.cost.stages import StageLength, describe_stages, measure_stages
from dta_bench.cost.sweep_estimate import epoch_lengths
from dta_bench.errors import UserError
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec

MANY = 8
"""From more methods than that on, one line holds them all."""


class MethodBudget(TypedDict):
    """A method's first point on one backbone.

    Attributes:
        why: why it is not known; empty if it is.
    """

    method: str
    backbone: str
    stages: list[StageLength]
    why: str


def budget_plan(plan: Plan, root: str) -> list[MethodBudget]:
    """How long the first run of each method on each backbone is; nothing without a budget.

    Args:
        root: where data lie; read only where the benchmark states no sizes.
    """
    if not plan.budget:
        return []
    found, first = [], dict[tuple[str, str], RunSpec]()
    for run in plan.runs:
        first.setdefault((run.backbone, run.method), run)
    for run in first.values():
        stages, why = list[StageLength](), ""
        try:
            stages = measure_stages(run, epoch_lengths(plan, root)[0])
        except UserError as error:
            why = str(error)
        found.append(MethodBudget(method=run.method, backbone=run.backbone, stages=stages, why=why))
    return found


def describe_budget(plan: Plan, found: list[MethodBudget]) -> list[str]:
    """What of the budget each method trains, and how much that is: a line for each, or one line where they are many."""
    several = len(plan.backbones) > 1
    parts = [
        f"{one['method']}{' on ' + one['backbone'] if several else ''}: "
        + (f"not known: {one['why']}" if one["why"] else describe_stages(one["stages"]))
        for one in found
    ]
    if len(parts) > MANY:
        return [f"budget {plan.budget}: " + "; ".join(part.replace("; ", ", ") for part in parts)]
    return [f"budget {plan.budget}, {part}" for part in parts]
