"""``dta-bench sweep SUITE``: all pairs of a suite as one set of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from dta_bench.cli import endings
from dta_bench.cli.output import print_report
from dta_bench.cli.sweep_plan import print_nothing_left, time_of
from dta_bench.cli.terminal import open_in_browser, print_ending, print_json
from dta_bench.errors import UserError
from dta_bench.spec.spelling import count_of, spell_notes

if TYPE_CHECKING:
    from dta_bench.cost.sweep_estimate import Estimate
    from dta_bench.cost.wall_time import Machines
    from dta_bench.run.workspace import Workspace
    from dta_bench.spec.plan import Options, Plan
    from dta_bench.spec.run_spec import RunSpec
    from dta_bench.sweep.on_ray.cluster import Resources
    from dta_bench.sweep.phases import Phases
    from dta_bench.sweep.suite import SuitePlan


def plan_of_suite(name: str, options: Options, patterns: Sequence[str], benchmark: str | None, root: Path) -> SuitePlan:
    """The plan of a suite's sweep; see :func:`dta_bench.sweep.suite.plan_suite`."""
    from dta_bench.domains import typed_paths
    from dta_bench.run import fingerprint

    fingerprint.check_torchvision()
    from dta_bench.sweep.suite import plan_suite

    return plan_suite(name, options, patterns, typed_paths.absolute(root), benchmark)


def run_suite(
    plan: SuitePlan, workspace: Workspace, resources: Resources, console: Console, as_json: bool, stdout: TextIO,
    open_page: bool = False, places: str = "", phases: Phases | None = None,
) -> None:  # fmt: skip
    """Run what is missing of all pairs, then print the suite's table.

    Args:
        places: the options that lead another command to the same places.
        phases: says what is being done before the first result.

    Raises:
        UserError: every run failed, or what :func:`dta_bench.sweep.sweep.sweep_plans` refuses.
    """
    from dta_bench.report.suite.command import report_suite
    from dta_bench.sweep.confirmation import reported_runs
    from dta_bench.sweep.suite import remove_kept_networks
    from dta_bench.sweep.sweep import sweep_plans

    plan.print_skipped(console)
    plans = list(plan.plans.values())
    swept = sweep_plans(plans, workspace, resources, console, phases)
    if phases is not None:
        phases.close()
    swept.print_nothing_trained(console)
    if swept.failed and not swept.done:
        raise UserError(f"every run failed, the first with: {next(iter(swept.failed.values()))}")
    if not swept.failed:
        remove_kept_networks(plan, workspace, console)
    only = set[str]().union(*(reported_runs(one) for one in plans))
    finished = report_suite(
        plan.suite.name, None, workspace, only=only, pairs=plan.pairs, with_pairs=False, places=places
    )
    if as_json:
        print_json(finished.json_object() | {"skipped": plan.skipped, "failed": swept.failed}, stdout)
    else:
        print_report(
            finished, "screen", stdout, [f"dta-bench report {plan.suite.name}{places}  # with a page of each pair"]
        )
    if open_page:
        open_in_browser(finished.file.as_uri())


def print_suite_plan(
    plan: SuitePlan, workspace: Workspace, as_json: bool, stdout: TextIO, rate: float | None, price: float | None,
    stacked: bool = False, machines: Machines | None = None, places: str = "",
) -> None:  # fmt: skip
    """Print the pairs of a suite's sweep with their runs, how many are done, and hours and price of the others.

    Args:
        stacked: whether what can be stacked is; what is stacked on each pair, and its memory, is then said.
        machines: what would train, for the time that it would take; None: nobody said.
        places: the options that lead another command to the same places.
    """
    from dta_bench.cost.amount import amount_of, spell_amount, spell_money
    from dta_bench.cost.assumed_rate import describe_assumption, measured_instead
    from dta_bench.cost.wall_time import Machines, describe_wall_time
    from dta_bench.spec.recipe import describe as describe_recipe

    machines, tracker = machines or Machines(), workspace.tracker()
    tracker.check_address()
    trained = set[str]()
    rows = {key: _row(one, tracker, workspace, (rate, price), trained, stacked) for key, one in plan.plans.items()}
    devices = next(iter(plan.plans.values())).training.devices
    time = time_of([(row["estimate"], *row.pop("phases")) for row in rows.values()], machines, devices)
    estimates = [row["estimate"] for row in rows.values()]
    gpu_hours = sum(one["gpu_hours"] for one in estimates)
    amount = amount_of(gpu_hours, price, is_assumed=rate is None, device=estimates[0]["device"])
    if any(one["cost"] is None for one in estimates):
        amount |= {"cost": None, "cost_range": None}
    total = {
        "runs": sum(row["runs"] for row in rows.values()), "done": sum(row["done"] for row in rows.values()),
        "to_do": sum(row["to_do"] for row in rows.values()),
        "of_other_code": sum(row["of_other_code"] for row in rows.values()), "time": time, **amount,
    }  # fmt: skip
    if as_json:
        found = {"suite": plan.suite.name, "recipe": plan.recipe, "pairs": rows, "skipped": plan.skipped}
        print_json(found | {"total": total}, stdout)
        return
    if plan.recipe:
        print(describe_recipe(plan.recipe), file=stdout)
    notes = spell_notes(note for row in rows.values() for note in row["notes"])
    for line in [*plan.describe_skipped(), *notes]:
        print(line, file=stdout)
    width = max(map(len, rows))
    for key, row in rows.items():
        print(
            f"{key:<{width}}  {row['runs']} runs with confirmation: {row['done']} done, {row['to_do']} to do"
            f"{_spell_cost(row['estimate'])}", file=stdout,
        )  # fmt: skip
    for key, row in rows.items():
        if stacked:
            print(f"{key:<{width}}  {row['stacked']}", file=stdout)
    if total["of_other_code"]:
        print(f"{total['of_other_code']} of these runs were made by other code; they will run again", file=stdout)
    unmeasured = next((row["estimate"]["too_small"] for row in rows.values() if row["estimate"]["too_small"]), "")
    money = "" if amount["cost"] is None else f", {spell_money(amount)}"
    costs = "" if time is None or not total["to_do"] else f", {spell_amount(amount)}{money}"
    print(
        f"{count_of(len(rows), 'pair')}, {count_of(total['runs'], 'run')}: {total['done']} done, "
        f"{total['to_do']} to do{costs}; {count_of(len(plan.skipped), 'pair')} skipped", file=stdout,
    )  # fmt: skip
    if not total["to_do"]:
        print_nothing_left(plan.suite.name, places, stdout)
        return
    if unmeasured:
        print(f"no estimate: {unmeasured}", file=stdout)
    elif rate is None:
        instead = measured_instead(next((one["measure"] for one in estimates if one["measure"]), ""))
        print(f"The rate of these hours is {describe_assumption()}; {instead}", file=stdout)
    if time is not None:
        print(describe_wall_time(time, machines, amount["device"]), file=stdout)
    print_ending("", [endings.WITHOUT_DRY_RUN], stdout)


def _spell_cost(costs: Estimate) -> str:
    """What a pair's runs cost, behind a comma; nothing where the line below the pairs says why it is not known."""
    from dta_bench.cost.amount import spell_amount, spell_money

    if not costs["runs"]:
        return ""
    if costs["why"] or costs["too_small"]:
        return f"  (no estimate: {costs['why']})" if costs["why"] else ""
    money = "" if costs["cost"] is None else f", {spell_money(costs)}"
    return f", {spell_amount(costs)}{money}"


def _row(
    plan: Plan, tracker: Any, workspace: Workspace, prices: tuple[float | None, float | None], trained: set[str],
    stacked: bool,
) -> dict[str, Any]:  # fmt: skip
    from dta_bench.cost.sweep_estimate import estimate
    from dta_bench.run.code_fingerprint import fingerprints_of_many
    from dta_bench.spec import plan_notes
    from dta_bench.spec.row_origins import overruled
    from dta_bench.sweep.confirmation import expect_runs
    from dta_bench.sweep.done_runs import CODE, state_of
    from dta_bench.sweep.work import count_runs

    stored = tracker.runs(plan.file.benchmark)
    code_fingerprint = fingerprints_of_many()

    def marks(run: RunSpec) -> dict[str, str]:
        return {CODE: code_fingerprint(run)}  # a dry run compares no data

    state = state_of(plan.runs, stored, marks)
    confirming = expect_runs(plan, tracker, search_is_over=count_runs(plan, state, tracker) == 0)
    to_confirm = confirming.runs
    if confirming.known:
        to_confirm = state_of(confirming.runs, stored, marks).to_do
    to_do = [*state.to_do, *to_confirm]
    runs = len(plan.runs) + len(confirming.runs)
    of_stacks = {}
    if stacked:
        from dta_bench.sweep.stacked.describe import describe_stacks

        of_stacks = {"stacked": describe_stacks(plan, state.to_do, workspace.root)}
    return {
        "benchmark": plan.file.benchmark, "runs": runs, "done": runs - len(to_do), "to_do": len(to_do),
        "estimate": estimate(plan, to_do, workspace.root, *prices, trained), "labels": plan.label_subset.size,
        "notes": [*plan_notes.notes(plan), *overruled(plan)], "of_other_code": len(state.stale),
        "phases": (state.to_do, to_confirm), **of_stacks,
    }  # fmt: skip
