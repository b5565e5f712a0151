"""``dta-bench sweep --dry-run``: the runs of a plan, and what they would cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dta_bench.cli import endings
from dta_bench.cli.silent_runs import silent_runs
from dta_bench.cli.terminal import print_ending, print_json

if TYPE_CHECKING:
    from dta_bench.cost.sweep_estimate import Estimate
    from dta_bench.cost.wall_time import Machines, WallTime
    from dta_bench.run.workspace import Workspace
    from dta_bench.spec.plan import Plan
    from dta_bench.spec.run_spec import RunSpec


LISTED = 40
"""So many runs are listed whole; of more, the first half of that."""


def print_plan(
    plan: Plan, workspace: Workspace, as_json: bool, stdout: TextIO, rate: float | None, price: float | None,
    stacked: bool = False, machines: Machines | None = None, places: str = "",
    data_places: str = "",
) -> None:  # fmt: skip
    """Print the runs of a plan, how many of them are done, and what the others would cost.

    Args:
        stacked: whether what can be stacked is; the memory that this takes is then said.
        machines: what would train, for the time that it would take; None: nobody said.
        places: the options that lead another command to the same places.
        data_places: the options that lead another command to the same data.
    """
    from dta_bench import plugins
    from dta_bench.cost.budget_plan import budget_plan, describe_budget
    from dta_bench.cost.describe_estimate import describe
    from dta_bench.cost.equal_points import cost_of_equal_points, describe_equal_points
    from dta_bench.cost.sweep_estimate import estimate, note_on_few_steps
    from dta_bench.cost.wall_time import Machines, describe_wall_time
    from dta_bench.data.benchmark_plugin import benchmark_plugin
    from dta_bench.data.missing_data import missing_data
    from dta_bench.run.code_fingerprint import fingerprints_of_many
    from dta_bench.spec import plan_notes
    from dta_bench.spec.recipe import describe as describe_recipe
    from dta_bench.spec.row_origins import describe_origins, origins
    from dta_bench.spec.spelling import count_of
    from dta_bench.spec.target_labels import describe_target_labels, target_labels
    from dta_bench.sweep.confirmation import describe_confirmation, expect_runs
    from dta_bench.sweep.done_runs import CODE, describe_runs, state_of
    from dta_bench.sweep.kept_networks import describe_sizes, expected_sizes
    from dta_bench.sweep.network_notes import note_on_random_weights, note_on_small_images
    from dta_bench.sweep.work import count_runs

    machines, tracker = machines or Machines(), workspace.tracker()
    tracker.check_address()
    stored = tracker.runs(plan.file.benchmark)
    code_fingerprint = fingerprints_of_many()

    def marks(run: RunSpec) -> dict[str, str]:
        return {CODE: code_fingerprint(run)}  # a dry run needs no data

    state = state_of(plan.runs, stored, marks)
    confirming = expect_runs(plan, tracker, search_is_over=count_runs(plan, state, tracker) == 0)
    certain = {run.id for run in confirming.certain}
    of_the_choice = [run for run in confirming.runs if run.id not in certain]
    confirming_to_do = (*state_of(confirming.certain, stored, marks).to_do, *of_the_choice)
    budget = budget_plan(plan, workspace.root)
    silent = silent_runs(tracker, stored)
    dead = {run.run_id for run in stored if run.mlflow_run_id in silent} & {run.id for run in state.running}
    alive = len(state.running) - len(dead)
    to_do, nothing_done = len(state.to_do) - alive, len(state.to_do) == len(plan.runs)
    has_test = benchmark_plugin(plan.file.benchmark).has_test(Path(workspace.root))
    situation = (
        target_labels(has_subset=plan.label_subset.is_there, has_test=has_test) if has_test is not None else None
    )
    missing = missing_data(plan.file.benchmark, Path(workspace.root))
    notes = [*plan_notes.notes(plan), *note_on_small_images(plan), *note_on_random_weights(plan)]
    stands = describe_runs(state, stored, lambda run_id: workspace.checkpoint(run_id).is_file())
    stands |= dict.fromkeys(dead, "no sign of life of its command, is taken up again")
    if as_json:
        costs = estimate(plan, (*state.to_do, *confirming_to_do), workspace.root, rate, price)
        time = time_of([(costs, state.to_do, confirming_to_do)], machines, plan.training.devices)
        networks = expected_sizes(plan, workspace.keep_networks, confirming.runs)
        equal = cost_of_equal_points(plan, costs, state.to_do, confirming_to_do) if nothing_done else None
        runs = [
            {"id": r.id, "method": r.method, "backbone": r.backbone, "seed": r.seed, "params": r.params,
             "state": stands[r.id] or "to do"}
            for r in plan.runs
        ]  # fmt: skip
        rows = {f"{m} {b}": origins(plan, b, m) for b in plan.backbones for m in plan.methods}
        confirmation = {
            "seeds": list(plan.confirmation_seeds), "runs": len(confirming.runs),
            "done": len(confirming.runs) - len(confirming_to_do), "to_do": len(confirming_to_do),
        }  # fmt: skip
        found = {
            "points": plan.points, "points_by_method": plan.points_by_method(), "notes": notes,
            "runs": runs, "done": len(state.done), "diverged": len(state.diverged),
            "running": alive, "to_do": to_do, "of_other_code": len(state.stale),
            "origins": rows, "recipe": plan.recipe, "budget": budget,
            "confirmation": confirmation, "target_labels": situation, "missing_data": missing, "estimate": costs,
            "equal_points": equal,
            "time": time, "networks": networks,
        }  # fmt: skip
        print_json(found, stdout)
        return
    few = note_on_few_steps(plan, workspace.root)
    for note in [*notes, *([few] if few else [])]:  # before the list, which may be long
        print(f"note: {note}", file=stdout)
    shown = plan.runs if len(plan.runs) <= LISTED else plan.runs[: LISTED // 2]
    for run in shown:
        stand = f"  ({stands[run.id]})" if stands[run.id] else ""
        print(f"{run.id}  {run.backbone:<12} {plan.run_name(run)}{stand}", file=stdout)
    if len(shown) < len(plan.runs):
        print(f"and {len(plan.runs) - len(shown)} more runs; --json lists all", file=stdout)
    if plan.recipe:
        print(describe_recipe(plan.recipe), file=stdout)
    for line in [*describe_origins(plan), *describe_budget(plan, budget)]:
        print(line, file=stdout)
    counts = f"{count_of(len(plan.runs), 'run')}: {len(state.done)} done, {to_do} to do"
    print(f"{plan.describe_points()}; with the baselines {counts}", file=stdout)
    if state.stale:
        print(f"{len(state.stale)} of these runs were made by other code; they will run again", file=stdout)
    if confirming.runs:
        print(describe_confirmation(plan, confirming, len(confirming_to_do)), file=stdout)
    declared = ", as the benchmark's file declares them" if missing and situation is not None else ""
    print(f"labels of the target{declared}: {describe_target_labels(situation)}", file=stdout)
    if missing:
        print(f"the data of {plan.file.benchmark} are not there: {missing}", file=stdout)
    print(describe_sizes(expected_sizes(plan, workspace.keep_networks, confirming.runs)), file=stdout)
    if stacked:
        from dta_bench.sweep.stacked.describe import describe_stacks

        print(describe_stacks(plan, state.to_do, workspace.root), file=stdout)
    if not (state.to_do or confirming_to_do):
        print_nothing_left(plan.name, places, stdout)
        return
    stdout.flush()  # the plan is there while the cost is counted
    costs = estimate(plan, (*state.to_do, *confirming_to_do), workspace.root, rate, price)
    print(describe(costs), file=stdout)
    if nothing_done and (equal := cost_of_equal_points(plan, costs, state.to_do, confirming_to_do)) is not None:
        print(describe_equal_points(equal), file=stdout)
    time = time_of([(costs, state.to_do, confirming_to_do)], machines, plan.training.devices)
    if time is not None:
        print(describe_wall_time(time, machines, costs["device"]), file=stdout)
    name = plugins.suite_of(plan.file.benchmark) or plan.file.benchmark
    following = endings.get_data(name, data_places) if missing else [endings.WITHOUT_DRY_RUN]
    print_ending("", following, stdout)


def print_nothing_left(name: str, places: str, stdout: TextIO) -> None:
    """Say that a finished sweep has nothing to train, and which command shows what it found."""
    print_ending("Nothing is left to train.", [endings.report_of(name, places)], stdout)


def time_of(
    counted: Sequence[tuple[Estimate, Sequence[RunSpec], Sequence[RunSpec]]], machines: Machines, devices: int
) -> WallTime | None:
    """How long the runs of one or more plans would take together; None where there is no estimate.

    Args:
        counted: of each plan what it costs, its runs of the search, and those that confirm.
        devices: of one run.

    Raises:
        UserError: a run needs more GPUs than there are.
    """
    from dta_bench.cost.wall_time import wall_time

    if any(costs["why"] or costs["too_small"] for costs, _, _ in counted):
        return None
    search = [costs["run_hours"][run.id] for costs, runs, _ in counted for run in runs]
    confirmation = [costs["run_hours"][run.id] for costs, _, runs in counted for run in runs]
    is_assumed = any(not costs["measured"] for costs, _, _ in counted)
    return wall_time((search, confirmation), machines, devices, is_assumed=is_assumed)
