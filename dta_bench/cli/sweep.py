"""``dta-bench sweep``: run what is missing of a search space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dta_bench.cli.arguments import (
    options_of,
    parse_gpus_per_run,
    parse_keep_networks,
    plan_of,
    refuse_unused,
    workspace_of,
)
from dta_bench.cli.options import (
    DEFAULT_OUT,
    DEFAULT_ROOT,
    Budget,
    Epochs,
    Json,
    KeepNetwork,
    KeepNetworks,
    Labels,
    LabelsDrawn,
    LabelsSeed,
    OtherBenchmark,
    Out,
    Quiet,
    Recipe,
    Root,
    SearchSpaceName,
    SkipUnreadable,
    TrackingUri,
    Training,
    Weights,
)
from dta_bench.cli.output import print_report
from dta_bench.cli.sweep_suite import plan_of_suite, print_suite_plan, run_suite
from dta_bench.cli.terminal import chatter_on_stderr, print_json, stderr_console
from dta_bench.cli.value_names import complete
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from dta_bench.run.workspace import Workspace
    from dta_bench.spec.plan import Plan


def sweep(
    context: typer.Context,
    name: SearchSpaceName,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone",
            "--backbones",
            autocompletion=complete("backbone"),
            help="Backbones, with commas or repeated. Default: the search space's first.",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "--methods",
            autocompletion=complete("method"),
            help="Methods, with commas or repeated, or all. Default: the search space's.",
        ),
    ] = None,
    points: Annotated[
        int | None, typer.Option(min=1, help="Run this many points of each method, the published row first.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Run every point with seeds 0 to N-1, at most 1000. Default: the search space's."),
    ] = None,
    confirm: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Then run what is chosen of each method, and the baselines, with N fresh seeds from 1000 on, which"
            " choose nothing; 0 for none. Default: the search space's.",
        ),
    ] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="Runs at the same time. Default: as many as fit.")] = None,
    cpus_per_run: Annotated[int, typer.Option(min=1, help="CPU cores of one run.")] = 1,
    gpus_per_run: Annotated[
        str | None,
        typer.Option(
            envvar="DTA_BENCH_GPUS_PER_RUN",
            help="GPUs of one run: a number (a fraction shares a GPU), or auto, which measures how many runs fit.",
        ),
    ] = None,
    epochs: Epochs = None,
    labels: Labels = None,
    weights: Weights = "none",
    training: Training = None,
    recipe: Recipe = None,
    budget: Budget = None,
    labels_seed: LabelsSeed = None,
    labels_drawn: LabelsDrawn = None,
    search: Annotated[
        str, typer.Option(help="grid, random or tpe: which points are taken, and in which order.")
    ] = "grid",
    stop: Annotated[
        list[str] | None,
        typer.Option(help="Rules that stop runs early: asha, collapse, both with a comma, or none."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="The address of a Ray cluster. Default: RAY_ADDRESS, else a Ray of its own.")
    ] = None,
    benchmark: OtherBenchmark = None,
    skip_unreadable: SkipUnreadable = False,
    nodes: Annotated[
        int, typer.Option(min=0, envvar="DTA_BENCH_NODES", help="Wait for this many worker nodes of the cluster.")
    ] = 0,
    wait: Annotated[float, typer.Option(min=0, help="Minutes to wait for these nodes at most.")] = 10,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Run nothing; say what this command would run and what that would cost."),
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            "--images-per-second",
            min=0.001,
            help="For the cost: source_only's images per second on the GPU, measured by dta-bench profile.",
        ),
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="For the cost: the price of a GPU for an hour.")] = None,
    keep_networks: KeepNetworks = None,
    keep_network: KeepNetwork = False,
    pairs: Annotated[
        list[str] | None,
        typer.Option("--pairs", help="Of a suite, only these pairs: 'photo->sketch', 'photo->*'. May be repeated."),
    ] = None,
    quiet: Quiet = False,
    root: Root = DEFAULT_ROOT,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Run what is missing of a sweep, then print its table.

    The same command starts a sweep, resumes it, and shows it once it is finished. With --confirm, what is chosen of
    each method runs again with fresh seeds, and the table is of these. The name of a suite sweeps all its pairs.
    """
    from dta_bench import plugins

    if not dry_run:
        refuse_unused(context, ["--price", "--images-per-second"], "without --dry-run")
    if not nodes:
        refuse_unused(context, ["--wait"], "without --nodes")
    gpus = parse_gpus_per_run(gpus_per_run)
    keep = parse_keep_networks(keep_networks, keep_network)
    options = options_of(
        backbone=backbone, method=method, points=points, seeds=seeds, epochs=epochs, weights=weights,
        training=training, recipe=recipe, budget=budget, labels=labels, labels_seed=labels_seed,
        labels_drawn=labels_drawn, search=search, stop=stop, confirm=confirm,
    )  # fmt: skip
    with chatter_on_stderr() as stdout:
        is_suite = plugins.is_suite(benchmark or name)
        if not is_suite:
            refuse_unused(context, ["--pairs"], f"on {benchmark or name}, which is no suite")
        if is_suite:
            workspace = workspace_of(
                root, out, tracking_uri, skip_unreadable=skip_unreadable, keep_networks=keep, reads_only=dry_run
            )
            of_suite = plan_of_suite(name, options, pairs or (), benchmark, root)
            if dry_run:
                print_suite_plan(of_suite, workspace, as_json, stdout, rate, price)
                return
            from dta_bench.sweep.on_ray.cluster import Resources

            resources = Resources(parallel, cpus_per_run, gpus, address, nodes, wait)
            run_suite(of_suite, workspace, resources, stderr_console(quiet), as_json, stdout)
            return
        plan = plan_of(name, options, benchmark, root)
        workspace = workspace_of(
            root, out, tracking_uri, skip_unreadable=skip_unreadable, keep_networks=keep, reads_only=dry_run,
            recipe=plan.recipe,
        )  # fmt: skip
        if dry_run:
            _print_plan(plan, workspace, as_json, stdout, rate, price)
            return
        from dta_bench.sweep.confirmation import reported_runs
        from dta_bench.sweep.on_ray.cluster import Resources
        from dta_bench.sweep.sweep import sweep as run_sweep

        resources = Resources(parallel, cpus_per_run, gpus, address, nodes, wait)
        swept = run_sweep(plan, workspace, resources, stderr_console(quiet))
        if swept.failed and not swept.done:
            raise UserError(f"every run failed, the first with: {next(iter(swept.failed.values()))}")
        from dta_bench.report import command

        finished = command.report_runs(
            plan.name, None, workspace, only=reported_runs(plan), confirm=plan.confirm, benchmark=plan.benchmark.name
        )
        print_report(finished, "json" if as_json else "screen", stdout)


def _print_plan(
    plan: Plan, workspace: Workspace, as_json: bool, stdout: TextIO, rate: float | None, price: float | None
) -> None:
    """Print the runs of a plan, how many of them are done, and what the others would cost."""
    from dta_bench.cost.budget_plan import budget_plan, describe_budget
    from dta_bench.cost.sweep_estimate import describe, estimate
    from dta_bench.data.benchmark_plugin import benchmark_plugin
    from dta_bench.run.code_fingerprint import code_fingerprint
    from dta_bench.spec.recipe import describe as describe_recipe
    from dta_bench.spec.row_origins import describe_origins, origins
    from dta_bench.spec.seeds import confirmation_seeds
    from dta_bench.spec.target_labels import describe_target_labels, target_labels
    from dta_bench.sweep.confirmation import describe_confirmation, expect_runs
    from dta_bench.sweep.done_runs import CODE, state_of
    from dta_bench.sweep.kept_networks import describe_sizes, expected_sizes
    from dta_bench.sweep.work import count_runs

    tracker = workspace.tracker()
    tracker.check_address()
    stored = tracker.runs(plan.file.benchmark)

    state = state_of(plan.runs, stored, lambda run: {CODE: code_fingerprint(run)})  # a dry run needs no data
    confirming = expect_runs(plan, tracker, search_is_over=count_runs(plan, state, tracker) == 0)
    confirming_to_do = confirming.runs
    if confirming.known:
        confirming_to_do = state_of(confirming.runs, stored, lambda run: {CODE: code_fingerprint(run)}).to_do
    costs = estimate(plan, (*state.to_do, *confirming_to_do), workspace.root, rate, price)
    budget = budget_plan(plan, workspace.root)
    networks = expected_sizes(plan, workspace.keep_networks, confirming.runs)
    to_do = len(state.to_do) - len(state.running)
    has_test = benchmark_plugin(plan.file.benchmark).has_test(Path(workspace.root))
    situation = (
        target_labels(has_subset=plan.label_subset.is_there, has_test=has_test) if has_test is not None else None
    )
    if as_json:
        runs = [
            {"id": r.id, "method": r.method, "backbone": r.backbone, "seed": r.seed, "params": r.params}
            for r in plan.runs
        ]
        rows = {f"{m} {b}": origins(plan, b, m) for b in plan.backbones for m in plan.methods}
        confirmation = {
            "seeds": list(confirmation_seeds(plan.confirm)), "runs": len(confirming.runs),
            "done": len(confirming.runs) - len(confirming_to_do), "to_do": len(confirming_to_do),
        }  # fmt: skip
        found = {
            "points": plan.points, "runs": runs, "done": len(state.done), "diverged": len(state.diverged),
            "running": len(state.running), "to_do": to_do, "of_other_code": len(state.stale),
            "origins": rows, "recipe": plan.recipe, "budget": budget,
            "confirmation": confirmation, "target_labels": situation, "estimate": costs, "networks": networks,
        }  # fmt: skip
        print_json(found, stdout)
        return
    for run in plan.runs:
        print(f"{run.id}  {run.backbone:<12} {plan.run_name(run)}", file=stdout)
    if plan.recipe:
        print(describe_recipe(plan.recipe), file=stdout)
    for line in [*describe_origins(plan), *describe_budget(plan, budget)]:
        print(line, file=stdout)
    print(f"{plan.points} points, {len(plan.runs)} runs: {len(state.done)} done, {to_do} to do", file=stdout)
    if state.stale:
        print(f"{len(state.stale)} of these are stored, made by other code; they will run again", file=stdout)
    if confirming.runs:
        print(describe_confirmation(plan, confirming, len(confirming_to_do)), file=stdout)
    print(f"labels of the target: {describe_target_labels(situation)}", file=stdout)
    print(describe(costs), file=stdout)
    print(describe_sizes(networks), file=stdout)
