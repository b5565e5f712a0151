"""Which methods of a plan can train on the features that its training keeps, and which backbones can read prompts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dta_bench.errors import UserError
from dta_bench.spec import on_features
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.plan import Plan
from dta_bench.spec.prompts import has_text_tower
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import join_words


def obstacle(spec: RunSpec, method: MethodPlugin) -> str:
    """Why a run cannot train on features; empty where it can, or where its network is not frozen."""
    training = spec.training
    if training.tune == "head" and (need := method.need_of_pixels(spec.params)):
        return need
    if training.keeps_features and method.second_view is not None and int(training.views) < 2:
        return f"it takes a second view of each target image, and views is {training.views}"
    return ""


def obstacle_to_prompts(plan: Plan, method: str) -> str:
    """Why a method that predicts by prompts cannot run on any backbone of a plan; empty where it can, or needs none."""
    if not plan.method_plugins[method].by_prompts:
        return ""
    if plan.weights == "none":
        return "with random weights prompts mean nothing; give --weights hub or a file"
    if not any(map(has_text_tower, plan.backbones)):
        return (
            f"{join_words(plan.backbones)} {'has' if len(plan.backbones) == 1 else 'have'} no text tower to read "
            "prompts; open_clip/<model>.<tag> has one"
        )
    return ""


def check_prompts(plan: Plan) -> None:
    """A method that predicts by prompts has a backbone that can read them.

    Raises:
        UserError: it has none.
    """
    for method in plan.methods:
        if reason := obstacle_to_prompts(plan, method):
            raise UserError(f"{method} cannot run: {reason}")


def leave_out(plan: Plan) -> Plan:
    """The plan without the methods, but for the first, that cannot run on its features or read prompts."""
    out = {method: reason for method in plan.methods[1:] if (reason := obstacle_to_prompts(plan, method))}
    if plan.training.tune == "head":
        at_points = dataclasses.replace(plan, budget="")  # how long a run is says nothing of what it needs
        out |= {
            method: reason for method in plan.methods[1:] if method not in out
            for point in plan.space(method).points() or [{}]
            if (reason := obstacle(at_points.spec(plan.backbones[0], method, 0, point), plan.method_plugins[method]))
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
