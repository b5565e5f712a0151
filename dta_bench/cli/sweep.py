"""``sweep``: all that is missing of a search space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dta_bench.cli.arguments import chosen, gpus, home_of, options_of, plan_of
from dta_bench.cli.options import (
    DATA,
    HERE,
    Json,
    Keep,
    LabelsDrawn,
    LabelsSeed,
    On,
    Out,
    Quiet,
    Root,
    Skip,
    Space,
    TrainingOptions,
    Uri,
)
from dta_bench.cli.output import print_report
from dta_bench.cli.terminal import chatter_on_stderr, print_json, stderr_console
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from dta_bench.run.home import Home
    from dta_bench.spec.plan import Plan


def sweep(
    name: Space,
    backbone: Annotated[
        list[str] | None, typer.Option(help="May be given several times. Default: the file's first.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "--methods", help="May be given several times, or all. Default: the file's."),
    ] = None,
    points: Annotated[
        int | None, typer.Option(min=1, help="Take this many points of each method, the published row first.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Run every point with seeds 0 to N-1.")] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="Runs at a time. Default: as many as fit.")] = None,
    cpus_per_run: Annotated[int, typer.Option(min=1)] = 1,
    gpus_per_run: Annotated[
        str | None,
        typer.Option(envvar="DTA_BENCH_GPUS_PER_RUN", help="A number; fractions share a GPU; auto measures."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    labels: Annotated[int | None, typer.Option(min=1, help="Size of the labelled target subset.")] = None,
    weights: Annotated[str, typer.Option(help="none, hub, or a file.")] = "none",
    training: TrainingOptions = None,
    labels_seed: LabelsSeed = None,
    labels_drawn: LabelsDrawn = None,
    search: Annotated[str, typer.Option(help="grid, random or tpe: which points, in which order.")] = "grid",
    stop: Annotated[
        list[str] | None, typer.Option(help="asha, collapse or none: stop runs early. May be given twice.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="A Ray cluster. Default: RAY_ADDRESS, else a local Ray.")] = None,
    benchmark: On = None,
    skip_unreadable: Skip = False,
    nodes: Annotated[int, typer.Option(min=0, envvar="DTA_BENCH_NODES", help="Worker nodes to wait for.")] = 0,
    wait: Annotated[float, typer.Option(min=0, help="Minutes that these nodes may take to come.")] = 10,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would run, and what it would cost.")
    ] = False,
    rate: Annotated[
        float | None, typer.Option("--images-per-second", min=0.001, help="A GPU's source_only rate, from profile.")
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="Of a GPU for an hour; told with --dry-run.")] = None,
    keep_network: Keep = False,
    quiet: Quiet = False,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Run what is missing of a sweep, then print its table. The same command starts, resumes and shows it."""
    options = options_of(backbone, method, points, seeds, epochs, labels, weights, training)
    options = chosen(options, labels_seed, labels_drawn, search, tuple(stop or ("none",)))
    with chatter_on_stderr() as stdout:
        plan = plan_of(name, options, benchmark)
        home = home_of(root, out, tracking_uri, skip_unreadable, keep_network)
        if dry_run:
            _print_plan(plan, home, as_json, stdout, rate, price)
            return
        from dta_bench.sweep.on_ray.cluster import Resources
        from dta_bench.sweep.sweep import sweep as run_sweep

        resources = Resources(parallel, cpus_per_run, gpus(gpus_per_run), address, nodes, wait)
        swept = run_sweep(plan, home, resources, stderr_console(quiet))
        if swept.failed and not swept.done:
            raise UserError(f"every run failed, the first with: {next(iter(swept.failed.values()))}")
        from dta_bench.report import command

        finished = command.report_runs(plan.name, "labels", home, only={run.id for run in plan.runs})
        print_report(finished, "json" if as_json else "screen", stdout)


def _print_plan(plan: Plan, home: Home, as_json: bool, stdout: TextIO, rate: float | None, price: float | None) -> None:
    from dta_bench.cost.sweep_estimate import estimate, told
    from dta_bench.sweep.state import state_of

    state = state_of(plan.runs, home.tracker().runs(plan.file.benchmark), marks=None)
    costs = estimate(plan, state.to_do, home.root, rate, price)
    found = {
        "points": plan.points,
        "runs": [
            {"id": r.id, "method": r.method, "backbone": r.backbone, "seed": r.seed, "params": r.params}
            for r in plan.runs
        ],
        "done": len(state.done), "diverged": len(state.diverged), "running": len(state.running),
        "to_do": len(state.to_do) - len(state.running),
        "estimate": costs,
    }  # fmt: skip
    if as_json:
        print_json(found, stdout)
        return
    for run in plan.runs:
        print(f"{run.id}  {run.method:<12} {run.backbone:<12} {plan.run_name(run)}", file=stdout)
    print(f"{plan.points} points, {len(plan.runs)} runs: {len(state.done)} done, {found['to_do']} to do", file=stdout)
    print(told(costs), file=stdout)
