"""Confirmation: what a sweep's rule chooses of each method runs again with fresh seeds, by which nothing is chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dta_bench.report.baselines import is_baseline
from dta_bench.report.selection.default_rule import default_rule
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import spell_seeds
from dta_bench.tracking import TrackedRun, Tracker, standing_runs


def rule_of(plan: Plan) -> str:
    """The selection rule of a sweep: what it chooses is confirmed, and leads the table that the sweep prints."""
    return default_rule(has_subset=plan.label_subset.is_there, task=plan.benchmark.task)


@dataclass(frozen=True)
class ExpectedRuns:
    """The confirmation runs that a sweep would make; ``known`` says whether their configurations are chosen yet.

    Until then ``runs`` holds the first point of each method instead, for their number and cost. ``certain`` are those
    of which the choice changes nothing: all once it is known, and before it those of methods with one point.
    """

    runs: tuple[RunSpec, ...]
    known: bool
    certain: tuple[RunSpec, ...]


def expect_runs(plan: Plan, tracker: Tracker, *, search_is_over: bool) -> ExpectedRuns:
    """The confirmation runs of a plan, before anything runs.

    Args:
        search_is_over: whether all runs of the search have ended.
    """
    if not plan.confirm:
        return ExpectedRuns((), known=True, certain=())
    if search_is_over and (chosen := chosen_configurations(plan, tracker)):
        runs = _with_seeds(chosen, plan)
        return ExpectedRuns(runs, known=True, certain=runs)
    points: dict[tuple[str, str], dict[str, RunSpec]] = {}
    for run in plan.runs:
        points.setdefault((run.backbone, run.method), {}).setdefault(dataclasses.replace(run, seed=0).id, run)
    first = [next(iter(of_method.values())) for of_method in points.values()]
    alone = [next(iter(of_method.values())) for of_method in points.values() if len(of_method) == 1]
    return ExpectedRuns(_with_seeds(first, plan), known=False, certain=_with_seeds(alone, plan))


def describe_confirmation(plan: Plan, expected: ExpectedRuns, to_do: int) -> str:
    """Say in one sentence how many confirmation runs there are, of what, with which seeds, and how many are to do."""
    seeds = spell_seeds(plan.confirmation_seeds)
    what = "what the search chose" if expected.known else "what the search will choose"
    at_most = "at most " if len(expected.certain) < len(expected.runs) else ""
    return (
        f"then {len(expected.runs)} confirmation runs of {what} of each method and of the baselines, with {seeds}:"
        f" {len(expected.runs) - to_do} done, {at_most}{to_do} to do"
    )


def confirmation_plan(plan: Plan, tracker: Tracker) -> Plan | None:
    """The plan of the confirmation runs of a sweep whose search is over; None if there are none to make.

    The runs go to the same sweep; no search proposes them and no stop rule ends them.
    """
    if not plan.confirm:
        return None
    runs = _with_seeds(chosen_configurations(plan, tracker), plan)
    seeds = plan.confirmation_seeds
    return dataclasses.replace(plan, runs=runs, seeds=seeds, search="grid", stop=("none",)) if runs else None


def chosen_configurations(plan: Plan, tracker: Tracker) -> list[RunSpec]:
    """What the rule chooses of each method on each backbone among the finished runs of the search, a run of each.

    The baselines have nothing to choose and are among them. What is chosen first comes first, then the baselines that
    its table is read against.
    """
    searched = {run.id for run in plan.runs}
    runs = [run for run in _standing(plan, tracker) if run.run_id in searched and run.status == "FINISHED"]
    if not runs:
        return []
    from dta_bench.report.configurations import group_runs
    from dta_bench.report.selection.ranking import choices, rank  # import scipy, which a plan does without

    ranked = rank(group_runs(tracker, runs), rule_of(plan), plan.benchmark.headline)
    chosen = choices([configuration for configuration, _ in ranked])
    baselines = [c for c in chosen[1:] if is_baseline(c.method)]
    others = [c for c in chosen[1:] if not is_baseline(c.method)]
    return [c.runs[0].spec for c in (*chosen[:1], *baselines, *others)]


def reported_runs(plan: Plan) -> set[str]:
    """The identities of all runs that the table of a sweep may show: of the search, and confirmation of any point."""
    seeds = plan.confirmation_seeds
    return {run.id for run in plan.runs} | {run.id for run in _every_seed(plan.runs, seeds)}


def _with_seeds(chosen: Iterable[RunSpec], plan: Plan) -> tuple[RunSpec, ...]:
    """The chosen runs with each confirmation seed; what trains nothing gives the same with any, and has none."""
    trained = [run for run in chosen if not plan.method_plugins[run.method].by_prompts]
    return tuple(_every_seed(trained, plan.confirmation_seeds))


def _every_seed(runs: Sequence[RunSpec], seeds: Sequence[int]) -> list[RunSpec]:
    """Each configuration once with each of the seeds."""
    again = [dataclasses.replace(run, seed=seed) for run in runs for seed in seeds]
    return list({run.id: run for run in again}.values())


def _standing(plan: Plan, tracker: Tracker) -> list[TrackedRun]:
    return standing_runs(tracker.runs(plan.file.benchmark))[0]
