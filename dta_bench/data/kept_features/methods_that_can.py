"""Which methods of a plan can train on the features that its training keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dta_bench.errors import UserError
from dta_bench.spec import on_features
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec


def obstacle(spec: RunSpec, method: MethodPlugin) -> str:
    """Why a run cannot train on features; empty where it can, or where its network is not frozen."""
    training = spec.training
    if training.tune == "head" and (need := method.need_of_pixels(spec.params)):
        return need
    if training.keeps_features and method.second_view is not None and int(training.views) < 2:
        return f"it takes a second view of each target image, and views is {training.views}"
    return ""


def leave_out(plan: Plan) -> Plan:
    """The plan without the methods, but for the first, that cannot train on features at one of their points."""
    out = {
        method: reason for method in plan.methods[1:] for point in plan.space(method).points() or [{}]
        if (reason := obstacle(plan.spec(plan.backbones[0], method, 0, point), plan.method_plugins[method]))
    }  # fmt: skip
    return dataclasses.replace(plan, methods=tuple(m for m in plan.methods if m not in out), left_out=out)


def check(plan: Plan, runs: Sequence[RunSpec]) -> None:
    """What trains above a frozen part gets features, so a method that changes images cannot be one of them.

    Raises:
        UserError: it is, with every need.
    """
    needs = {
        run.method: need for run in runs
        if run.training.tune == "head" and (need := plan.method_plugins[run.method].need_of_pixels(run.params))
    }  # fmt: skip
    if needs:
        raise UserError(on_features.sentence("; ".join(f"{method}: {need}" for method, need in needs.items())))
