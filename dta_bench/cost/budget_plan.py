"""What a budget comes to: the steps and FLOPs of each method of a sweep, all stages together."""

from __future__ import annotations

import dataclasses
from typing import TypedDict

from dta_bench.cost.stages import StageLength, describe_stages, measure_stages
from dta_bench.cost.sweep_estimate import epoch_lengths
from dta_bench.errors import UserError
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import count_of

MANY = 8
"""From more methods than that on, one line holds them all."""


class MethodBudget(TypedDict):
    """A method's first point on one backbone.

    Attributes:
        unbudgeted_steps: optimiser steps that the run would have without the budget.
        why: why it is not known; empty if it is.
    """

    method: str
    backbone: str
    stages: list[StageLength]
    unbudgeted_steps: int
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
        stages, without, why = list[StageLength](), 0, ""
        try:
            natural = epoch_lengths(plan, root)[0]
            stages = measure_stages(run, natural)
            without = _steps(measure_stages(dataclasses.replace(run, budget=None), natural))
        except UserError as error:
            why = str(error)
        found.append(
            MethodBudget(method=run.method, backbone=run.backbone, stages=stages, unbudgeted_steps=without, why=why)
        )
    return found


def describe_budget(plan: Plan, found: list[MethodBudget]) -> list[str]:
    """What of the budget each method trains, and what it would train without one.

    A line for each method, or one line where they are many; before them, what is the same for all.
    """
    changes = {(_steps(one["stages"]), one["unbudgeted_steps"]) for one in found if not one["why"]}
    is_same = len(changes) == 1 and len(found) > 1 and all(not one["why"] for one in found)
    several = len(plan.backbones) > 1
    parts = [
        f"{one['method']}{' on ' + one['backbone'] if several else ''}: "
        + (f"not known: {one['why']}" if one["why"] else describe_stages(one["stages"]))
        + ("" if one["why"] or is_same else f"; {_compare(_steps(one['stages']), one['unbudgeted_steps'])}")
        for one in found
    ]
    common = [
        f"budget {plan.budget}, every run: {count_of(steps, 'step')} in {count_of(plan.training.epochs, 'epoch')}; "
        f"{_compare(steps, without)}"
        for steps, without in changes
        if is_same
    ]
    if len(parts) > MANY:
        return [*common, f"budget {plan.budget}: " + "; ".join(part.replace("; ", ", ") for part in parts)]
    return [*common, *(f"budget {plan.budget}, {part}" for part in parts)]


def _steps(stages: list[StageLength]) -> int:
    return sum(stage["steps"] for stage in stages)


def _compare(steps: int, without: int) -> str:
    """What a budget changes of a run."""
    return "as many without a budget" if steps == without else f"{count_of(without, 'step')} without a budget"
