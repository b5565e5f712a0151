"""The command line: arguments in, one call out. Heavy imports live inside the commands, so that help comes at once."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from dta_bench.errors import Interrupted, UserError
from dta_bench.terminal import chatter_on_stderr, console, indented, print_json, stderr_console

if TYPE_CHECKING:
    from dta_bench.home import Home
    from dta_bench.reporting import Form, Told
    from dta_bench.sweep.plan import Options, Plan

app = typer.Typer(
    name="dta-bench",
    help="Sweeps and honest tables for Drop to Adapt and everything it is compared with.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Root = Annotated[Path, typer.Option("--root", envvar="DTA_BENCH_ROOT", help="Where data lies.")]
Out = Annotated[Path, typer.Option("--out", envvar="DTA_BENCH_OUT", help="Where runs, store and reports go.")]
Uri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow server or store; default: sqlite in --out."
    ),
]
Keep = Annotated[
    bool, typer.Option("--keep-network", help="Keep the final network also above 4 MiB, for dta-bench figures.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes; errors and results alone.")]
Space = Annotated[str, typer.Argument(help="A search space, or a benchmark that has none; dta-bench list names them.")]
On = Annotated[str | None, typer.Option("--benchmark", help="Run the search space on another benchmark.")]
Skip = Annotated[bool, typer.Option("--skip-unreadable", help="Leave images out that cannot be read, and name them.")]
TrainingOptions = Annotated[
    list[str] | None,
    typer.Option("--training", help="A field of the file's training, as key=value: batch_size=8, crop=[256,512]."),
]
LabelsSeed = Annotated[int | None, typer.Option(min=0, help="Seed that draws the labelled subset. Default: 0.")]
LabelsDrawn = Annotated[str | None, typer.Option(help="random, or stratified by class (a use of labels).")]
DATA, HERE = Path("data"), Path()


@app.command("list", epilog="Example: dta-bench list --json")
def list_(as_json: Json = False) -> None:
    """List benchmarks, backbones, methods and search spaces."""
    from dta_bench import plugins

    kinds = {"benchmarks": "benchmark", "backbones": "backbone", "methods": "method", "search_spaces": "search_space"}
    found = {
        plural: [{"name": name, "summary": plugins.summary(kind, name)} for name in plugins.names(kind)]
        for plural, kind in kinds.items()
    }
    if as_json:
        print_json(found)
        return
    for plural, entries in found.items():
        typer.echo(f"\n{plural.replace('_', ' ')}")
        for entry in entries:
            typer.echo(indented(entry["name"], entry["summary"]))


@app.command(epilog="Example: dta-bench prepare svhn_mnist --root DATA")
def prepare(
    name: str,
    root: Root = DATA,
    check: Annotated[bool, typer.Option("--check", help="Only verify; fetch nothing.")] = False,
    mirror: Annotated[str | None, typer.Option(help="URL of a folder that holds the owners' files.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a benchmark's data where that may be done, and verify it: sizes, labels, unreadable files, duplicates.

    Says what is missing and where it goes; status 2 if anything is wrong. An interrupted download goes on.
    """
    from dta_bench.prepare import prepare as verify

    with chatter_on_stderr() as stdout:
        found = verify(name, root.expanduser().resolve(), check, mirror, stderr_console())
    if as_json:
        print_json(found, stdout)
    else:
        from dta_bench.inspection import told

        print(told(found), file=stdout)
    if found["problems"]:
        raise typer.Exit(2)


@app.command(epilog="Example: dta-bench train fonts_digits --method dta --set lambda_2=0.02 --seed 1")
def train(
    name: Space,
    backbone: Annotated[str | None, typer.Option(help="Default: the file's first.")] = None,
    method: Annotated[str | None, typer.Option(help="Default: the file's.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the method, as key=value.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    labels: Annotated[int | None, typer.Option(min=1, help="Size of the labelled target subset.")] = None,
    labels_seed: LabelsSeed = None,
    labels_drawn: LabelsDrawn = None,
    weights: Annotated[str, typer.Option(help="none, hub, or a file.")] = "none",
    training: TrainingOptions = None,
    benchmark: On = None,
    skip_unreadable: Skip = False,
    keep_network: Keep = False,
    quiet: Quiet = False,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Train one configuration and measure it; an interrupted run goes on where it stopped."""
    from dta_bench.single import train_one

    options = _options(backbone, method, None, None, epochs, labels, weights, training)
    options = _chosen(options, labels_seed, labels_drawn)
    with chatter_on_stderr() as stdout:
        plan = _plan(name, options, benchmark)
        found = train_one(
            plan, set_ or [], seed, _home(root, out, tracking_uri, skip_unreadable, keep_network), stderr_console(quiet)
        )
    if as_json:
        print_json(found, stdout)
    else:
        test = found["test"]
        maps = f"mean IoU {test['miou']:.1f} %, pixel " if "miou" in test else ""
        print(f"{found['name']}: target test {maps}accuracy {test['accuracy']:.1f} %, ", end="", file=stdout)
        print(f"class mean {test['mean_class_accuracy']:.1f} % (last epoch, seed {seed})", file=stdout)


@app.command(epilog="Example: dta-bench sweep visda --backbone resnet101 --points 12 --seeds 3")
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
    options = _options(backbone, method, points, seeds, epochs, labels, weights, training)
    options = _chosen(options, labels_seed, labels_drawn, search, tuple(stop or ("none",)))
    with chatter_on_stderr() as stdout:
        plan = _plan(name, options, benchmark)
        home = _home(root, out, tracking_uri, skip_unreadable, keep_network)
        if dry_run:
            _print_plan(plan, home, as_json, stdout, rate, price)
            return
        from dta_bench.sweep.cluster import Resources
        from dta_bench.sweep.run import sweep as run_sweep

        resources = Resources(parallel, cpus_per_run, _gpus(gpus_per_run), address, nodes, wait)
        swept = run_sweep(plan, home, resources, stderr_console(quiet))
        if swept.failed and not swept.done:
            raise UserError(f"every run failed, the first with: {next(iter(swept.failed.values()))}")
        from dta_bench import reporting

        told = reporting.report_runs(plan.name, "labels", home, only={run.id for run in plan.runs})
        _tell(told, "json" if as_json else "screen", stdout)


@app.command(epilog="Example: dta-bench report fonts_digits --select oracle")
def report(
    name: Annotated[str | None, typer.Argument(help="A benchmark or a search space.")] = None,
    select: Annotated[
        str, typer.Option(help="A selection rule (labels, source, entropy, oracle, ...), or all.")
    ] = "labels",
    paper: Annotated[str | None, typer.Option(help="Rebuild a table of the paper instead: table1 to table5.")] = None,
    as_html: Annotated[bool, typer.Option("--html", help="Print the HTML page on stdout.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the Markdown on stdout.")] = False,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Read runs back: the answer, leaderboard, classes, source-only beside it; kept in reports/<name>/."""
    if (name is None) == (paper is None):
        raise UserError("report takes a name that dta-bench list shows, or --paper table1 to table5 instead of it")
    with chatter_on_stderr() as stdout:
        from dta_bench import reporting

        wanted, home = reporting.form(json=as_json, html=as_html, markdown=as_markdown), _home(root, out, tracking_uri)
        told = reporting.report_paper(paper, home) if paper else reporting.report_runs(name or "", select, home)
        _tell(told, wanted, stdout)


@app.command(epilog="Example: dta-bench replay grid_fonts_digits")
def replay(
    name: Space,
    table: Annotated[Path | None, typer.Option(help="A kept grid. Default: the shipped one of this name.")] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Write the table of the complete grid in --out to this file, and replay nothing."),
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="Of each search, each with its own seed.")] = 200,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Of the grid's epochs that a search may spend.")] = 0.4,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Replay searches and stop rules on a kept grid: regret against epochs spent. Trains nothing."""
    with chatter_on_stderr() as stdout:
        from dta_bench.replay.run import keep as keep_table
        from dta_bench.replay.run import replayed
        from dta_bench.replay.show import show

        home = _home(root, out, tracking_uri)
        if keep is not None:
            print_json(
                keep_table(_plan(name, _options(None, None, None, None, None, None, "none")), home, keep), stdout
            )
            return
        found = replayed(name, table, repetitions, share, Path(home.out) / "reports" / name)
        if as_json:
            print_json(found, stdout)
        else:
            show(found, console(stdout))


@app.command(epilog="Example: dta-bench figures 63c7ccb1951f")
def figures(
    run: Annotated[str, typer.Argument(help="How a run's identity (its tag run_id) or its MLflow id begins.")],
    beside: Annotated[str | None, typer.Option(help="Another run. Default: source-only of the same seed.")] = None,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Draw what a run's final network shows: t-SNE, Grad-CAM without and with adversarial dropout."""
    with chatter_on_stderr() as stdout:
        from dta_bench.figures import draw

        found = draw(run, beside, _home(root, out, tracking_uri))
        if as_json:
            print_json(found, stdout)
        else:
            print(*filter(None, [found["note"], *found["files"].values(), found["page"]]), sep="\n", file=stdout)


@app.command(epilog="Examples: dta-bench profile visda --backbone resnet101 --batch 4; dta-bench profile data visda")
def profile(
    name: Annotated[
        list[str],
        typer.Argument(metavar="NAME | data NAME | memory NAME", help="A search space; after data, a benchmark."),
    ],
    backbone: Annotated[str | None, typer.Option(help="Default: the file's first.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Default: dta and dta_released.")] = None,
    batch: Annotated[int, typer.Option(min=2, help="Images of each domain.")] = 8,
    image_size: Annotated[int | None, typer.Option(min=8, help="Default: the benchmark's.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Steps timed for each row, interleaved.")] = 5,
    trace: Annotated[bool, typer.Option("--trace", help="Say also by which operators time and FLOPs part.")] = False,
    images: Annotated[int, typer.Option(min=2, help="With data: how many of each domain.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="With data: processes that read ahead.")] = 1,
    root: Root = DATA,
    as_json: Json = False,
) -> None:
    """Measure a step: FLOPs, time, images a second, memory, shares of the terms; random input, no data needed.

    With data: what an image costs from its file to the step, and how long a ResNet-18 waits for its batches.
    With memory: which steps fit which card, without computing any.
    """
    if name[0] == "memory":
        _profile_memory(name[1:], backbone, method, image_size, as_json)
        return
    if name[0] == "data":
        _profile_data(name[1:], backbone, batch, images, workers, root, rounds, as_json)
        return
    with chatter_on_stderr() as stdout:
        from dta_bench.cost import costs, show_costs, show_traces, traced

        plan = _plan(_only(name), _options(backbone, method or ["dta", "dta_released"], None, None, None, None, "none"))
        found = costs(plan, batch, image_size, rounds)
        if trace:
            found["traces"] = traced(plan, batch, image_size, rounds)
        if as_json:
            print_json(found, stdout)
        else:
            show_costs(found, console(stdout))
            show_traces(found.get("traces", []), console(stdout))


def _profile_data(
    name: list[str], backbone: str | None, batch: int, images: int, workers: int, root: Path, rounds: int, as_json: bool
) -> None:
    with chatter_on_stderr() as stdout:
        from dta_bench import data_cost

        found = data_cost.data_costs(_only(name), root.expanduser().resolve(), backbone, batch, images, workers, rounds)
        if as_json:
            print_json(found, stdout)
        else:
            data_cost.show(found, console(stdout))


def _profile_memory(
    name: list[str], backbone: str | None, method: list[str] | None, image_size: int | None, as_json: bool
) -> None:
    with chatter_on_stderr() as stdout:
        from dta_bench import memory_cost

        plan = _plan(_only(name), _options(backbone, method or ["dta"], None, None, None, None, "none"))
        found = memory_cost.memory_costs(plan, image_size)
        if as_json:
            print_json(found, stdout)
        else:
            memory_cost.show(found, console(stdout))


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise UserError(f"profile takes one name, alone or after data or memory; {len(names)} came")
    return names[0]


@app.command(epilog="Example: dta-bench check backbone timm/convnext_tiny")
def check(
    kind: Annotated[str, typer.Argument(help="backbone, method, benchmark, search-space or cluster.")],
    name: str,
    root: Root = DATA,
    as_json: Json = False,
) -> None:
    """Hold one plug-in, or a cluster file, to its contract and say in words what fails; status 2 if anything does."""
    with chatter_on_stderr() as stdout:
        from dta_bench.check import check as run_check

        found = run_check(kind, name, root)
        if as_json:
            print_json({"kind": kind, "name": name} | vars(found), stdout)
        else:
            print(found, f"{kind} {name}: {len(found.holds)} hold, {len(found.fails)} fail", sep="\n", file=stdout)
    if found.fails:
        raise typer.Exit(2)


@app.command(epilog="Example: dta-bench ui")
def ui(
    out: Out = HERE,
    tracking_uri: Uri = None,
    host: Annotated[str, typer.Option(help="Loopback unless asked otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1024, max=65535)] = 5000,
) -> None:
    """Open the MLflow UI on this folder's runs."""
    from dta_bench.tracking import serve_ui

    home = _home(DATA, out, tracking_uri)
    serve_ui(home.tracking_uri, Path(home.out), host, port)


def main() -> None:
    """Entry point: user errors are one sentence and status 2, Ctrl-C is status 130; nothing is a traceback."""
    try:
        app()
    except UserError as error:
        print(f"dta-bench: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted:
        print("dta-bench: interrupted; what was finished is kept, the same command goes on", file=sys.stderr)
        sys.exit(130)


def _options(
    backbone: list[str] | str | None, method: list[str] | str | None, points: int | None, seeds: int | None,
    epochs: int | None, labels: int | None, weights: str, training: list[str] | None = None,
) -> Options:  # fmt: skip
    from dta_bench.sweep.plan import Options

    if weights not in ("none", "hub"):
        weights = str(Path(weights).expanduser().resolve())  # workers run in other folders
    return Options(_tuple(backbone), _tuple(method), points, seeds, epochs, labels, weights, _tuple(training))


def _gpus(given: str | None) -> float | Literal["auto"] | None:
    if given is None:
        return None
    if given == "auto":
        return "auto"
    try:
        gpus = float(given)
    except ValueError:
        gpus = -1.0
    if not 0 <= gpus < float("inf"):
        raise UserError(f"--gpus-per-run {given} is neither a number from 0 up nor auto")
    return gpus


def _chosen(
    options: Options, seed: int | None, drawn: str | None, search: str = "grid", stop: tuple[str, ...] = ("none",)
) -> Options:
    return dataclasses.replace(options, label_seed=seed, drawn=drawn, search=search, stop=stop)


def _tuple(given: list[str] | str | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _plan(name: str, options: Options, benchmark: str | None = None) -> Plan:
    from dta_bench import experiment_file, plugins, provenance

    provenance.check_torchvision()
    from dta_bench.sweep.plan import make_plan

    name, file = experiment_file.for_benchmark(name, benchmark)
    return make_plan(name, file, options, plugins.load("benchmark", file.benchmark).BENCHMARK.label_budget)


def _home(
    root: Path, out: Path, tracking_uri: str | None, skip_unreadable: bool = False, keep_network: bool = False
) -> Home:
    from dta_bench.home import Home

    out = out.expanduser().resolve()
    if out.exists() and (not out.is_dir() or not os.access(out, os.W_OK)):
        raise UserError(f"--out {out} is not a folder that can be written to; name another one")
    uri = tracking_uri or f"sqlite:///{out / 'mlflow.db'}"
    typed = shlex.join(["dta-bench", *sys.argv[1:]])
    return Home(str(root.expanduser().resolve()), str(out), uri, skip_unreadable, keep_network, typed)


def _print_plan(plan: Plan, home: Home, as_json: bool, stdout: TextIO, rate: float | None, price: float | None) -> None:
    from dta_bench.estimate import estimate, told
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


def _tell(told: Told, wanted: Form, stdout: TextIO) -> None:
    if wanted == "json":
        print_json(told.found, stdout)
    elif wanted == "screen":
        told.show(console(stdout))
    else:
        print(told.text(wanted), end="", file=stdout)
