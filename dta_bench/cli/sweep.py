"""``dta-bench sweep``: run what is missing of a search space."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import (
    machines_of,
    options_of,
    parse_gpus_per_run,
    parse_keep_networks,
    plan_of,
    refuse_identity,
    refuse_unused,
    workspace_of,
)
from dta_bench.cli.completion import complete
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
    OpenPage,
    OtherBenchmark,
    Out,
    Quiet,
    Recipe,
    Root,
    SearchSpaceName,
    SkipUnreadable,
    TrackingUri,
    Training,
    Tune,
    Weights,
)
from dta_bench.cli.output import print_report
from dta_bench.cli.sweep_plan import print_plan
from dta_bench.cli.sweep_suite import plan_of_suite, print_suite_plan, run_suite
from dta_bench.cli.terminal import chatter_on_stderr, same_places, stderr_console
from dta_bench.errors import UserError
from dta_bench.sweep.phases import Phases, acknowledged_interrupts

if TYPE_CHECKING:
    from dta_bench.report.command import FinishedReport
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
    first_seed: Annotated[
        int,
        typer.Option(
            "--first-seed",
            min=0,
            max=999,
            help="Begin with this seed, and confirmation at 1000 above it: with numbers of its own, a second lab makes "
            "fresh seeds.",
        ),
    ] = 0,
    confirm: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Then run each method's choice, and the baselines, with N fresh seeds (from 1000 on) that have no part"
            " in choosing; 0 for none. Default: the search space's.",
        ),
    ] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="Runs at the same time. Default: as many as fit.")] = None,
    cpus_per_run: Annotated[int, typer.Option(min=1, help="CPU cores of one run.")] = 1,
    stacked: Annotated[
        bool,
        typer.Option(
            "--stacked",
            help="With --tune head and a neck_width: train points and seeds together, in a process for each core.",
        ),
    ] = False,
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
    tune: Tune = None,
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
    gpus: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="For the time: so many GPUs train at once, with one run each or as --gpus-per-run and --parallel say.",
        ),
    ] = None,
    keep_networks: KeepNetworks = None,
    keep_network: KeepNetwork = False,
    local_checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="A folder on each machine's own disk: checkpoints go there first, and are copied to --out every 30 "
            "minutes and when a run is stopped. Default: they go to --out at once.",
        ),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option("--pairs", help="Of a suite, only these pairs: 'photo->sketch', 'photo->*'. May be repeated."),
    ] = None,
    open_page: OpenPage = False,
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
    from dta_bench.cost import kept_counts

    refuse_identity(name, "sweep")
    if not dry_run:
        refuse_unused(context, ["--price", "--images-per-second", "--gpus"], "without --dry-run")
    if not nodes:
        refuse_unused(context, ["--wait"], "without --nodes")
    share = parse_gpus_per_run(gpus_per_run)
    keep = parse_keep_networks(keep_networks, keep_network)
    options = options_of(
        backbone=backbone, method=method, points=points, seeds=seeds, first_seed=first_seed, epochs=epochs,
        weights=weights, training=training, tune=tune, recipe=recipe, budget=budget, labels=labels,
        labels_seed=labels_seed, labels_drawn=labels_drawn, search=search, stop=stop, confirm=confirm,
    )  # fmt: skip
    console = stderr_console(quiet)
    with chatter_on_stderr() as stdout, acknowledged_interrupts(), Phases(console) as phases:
        if dry_run:
            kept_counts.on_counting.append(_say_that_it_counts)
        else:
            phases.begin("planning")
        is_suite = plugins.is_suite(benchmark or name)
        if not is_suite:
            refuse_unused(context, ["--pairs"], f"on {benchmark or name}, which is no suite")
        if is_suite:
            of_suite = plan_of_suite(name, options, pairs or (), benchmark, root)
            workspace = workspace_of(
                root, out, tracking_uri, skip_unreadable=skip_unreadable, keep_networks=keep, reads_only=dry_run,
                recipe=of_suite.recipe, local_checkpoints=local_checkpoints,
            )  # fmt: skip
            if dry_run:
                print_suite_plan(
                    of_suite, workspace, as_json, stdout, rate, price, stacked, machines_of(gpus, share, parallel),
                    same_places(root=root, out=out, tracking_uri=tracking_uri),
                )  # fmt: skip
                return
            phases.begin("importing what trains")
            from dta_bench.sweep.on_ray.cluster import Resources

            resources = Resources(parallel, cpus_per_run, share, address, nodes, wait, stacked)
            places = same_places(root=root, out=out, tracking_uri=tracking_uri)
            run_suite(of_suite, workspace, resources, console, as_json, stdout, open_page, places, phases)
            return
        plan = plan_of(name, options, benchmark, root)
        workspace = workspace_of(
            root, out, tracking_uri, skip_unreadable=skip_unreadable, keep_networks=keep, reads_only=dry_run,
            recipe=plan.recipe, local_checkpoints=local_checkpoints,
        )  # fmt: skip
        if dry_run:
            machines, places = machines_of(gpus, share, parallel), same_places(out=out, tracking_uri=tracking_uri)
            of_data = same_places(root=root)
            print_plan(plan, workspace, as_json, stdout, rate, price, stacked, machines, places, of_data)
            return
        phases.begin("importing what trains")
        from dta_bench.sweep.confirmation import reported_runs
        from dta_bench.sweep.on_ray.cluster import Resources
        from dta_bench.sweep.sweep import sweep as run_sweep

        resources = Resources(parallel, cpus_per_run, share, address, nodes, wait, stacked)
        swept = run_sweep(plan, workspace, resources, console, phases)
        phases.close()
        swept.print_nothing_trained(console)
        if swept.failed and not swept.done:
            raise UserError(f"every run failed, the first with: {next(iter(swept.failed.values()))}")
        from dta_bench.report import command
        from dta_bench.report.in_the_table import why_not_in_table

        finished = command.report_runs(
            plan.name, None, workspace, only=reported_runs(plan), confirm=plan.confirm, benchmark=plan.benchmark.name
        )
        _describe_parent(plan, workspace, finished)
        places = same_places(out=out, tracking_uri=tracking_uri)
        of_all = plugins.is_benchmark(plan.name) or plan.name in plugins.names("search_space")
        ours = [run.id for run in plan.runs]
        differs = why_not_in_table(workspace.tracker(), plan.benchmark.name, ours) if of_all else []
        following = endings.after_sweep(plan.name, plan.benchmark.name, differs, places)
        print_report(finished, "json" if as_json else "screen", stdout, [] if quiet else following, open_page)


def _say_that_it_counts() -> None:
    print("counting FLOPs and weights; the counts are kept for the next time", file=sys.stderr, flush=True)


def _describe_parent(plan: Plan, workspace: Workspace, finished: FinishedReport) -> None:
    """Put the sweep's answer and page on its parent run in MLflow; a store that does not take them has its report."""
    from dta_bench.report.html.page import markdown
    from dta_bench.sweep.sweep import sweep_id

    answer = finished.page.answer
    summary = markdown(dataclasses.replace(finished.page, sections=finished.page.sections[:1]))
    with contextlib.suppress(UserError):
        workspace.tracker().describe_sweep(
            plan.benchmark.name, sweep_id(plan), f"{plan.describe_points()}\n\n{summary}", answer, finished.file
        )
