"""``dta-bench runs``: list the runs of a store, and take some away."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import page_workspace_of, refuse_unused, separated, workspace_of
from dta_bench.cli.completion import complete
from dta_bench.cli.one_run import show_one
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, TrackingUri
from dta_bench.cli.settings_apart import settings_apart
from dta_bench.cli.silent_runs import silent_runs
from dta_bench.cli.terminal import chatter_on_stderr, console, print_ending, print_json, same_places
from dta_bench.errors import UserError
from dta_bench.spec.spelling import count_of

if TYPE_CHECKING:
    from dta_bench.tracking import TrackedRun, Tracker

REMOVE = "rm"
KINDS = ("benchmark", "search_space", "suite")
IDENTITY = re.compile("[0-9a-f]{4,32}")
"""The beginning of a run's identity, or of its id in MLflow."""
SORTS = ("started", "method", "subset", "test")
HEADS = ("run", "method", "benchmark", "backbone", "seed", "status", "subset", "test")
WHERE = ("benchmark", "backbone")
"""Columns that are left out where every run has the same there."""
OF_A_LIST = ["--method", "--status", "--sort"]
MOST_LOOKED_INTO = 8
"""Runs whose files are looked into for a kept network, best first: a server answers for each of them."""


def runs(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]... | RUN... | rm RUN...",
            autocompletion=complete("benchmark", "search_space", "suite"),
            help="Benchmarks, search spaces or suites to list, default all; or the beginning of a run's identity, to"
            " show all that is known of it; or rm and the beginnings of identities to remove.",
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "--methods", autocompletion=complete("method"), help="Only these methods."),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only runs of these states, such as failed,interrupted; with commas or repeated."),
    ] = None,
    sort: Annotated[str, typer.Option(help=f"By {', '.join(SORTS)}; the best score first.")] = "started",
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", "--classes", help="Of one run: these classes after each measured epoch; with commas."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With rm: do not ask.")] = False,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """List runs, or tell one in full; rm takes some away.

    Of one run: configuration, scores by class, its curve, and the command that trains it again.
    What rm takes away is marked as deleted in MLflow, which can restore its scores (mlflow runs restore), and its files
    are removed: predictions and networks. A sweep that needs the run trains it again.
    """
    with chatter_on_stderr() as stdout:
        if words and words[0] == REMOVE:
            refuse_unused(context, [*OF_A_LIST, "--class"], "with rm, which takes identities")
            removed, freed = _remove(workspace_of(DEFAULT_ROOT, out, tracking_uri).tracker(), words[1:], yes)
            if as_json:
                print_json({"removed": removed, "freed_bytes": freed}, stdout)
            else:
                said = f"{count_of(len(removed), 'run')} removed, {freed / 2**20:.1f} MiB of files freed"
                print_ending(said, endings.after_rm(same_places(out=out, tracking_uri=tracking_uri)), stdout)
            return
        refuse_unused(context, ["--yes"], "without rm")
        tracker = page_workspace_of(DEFAULT_ROOT, out, tracking_uri, out).tracker()
        if words and (found := _by_identity(tracker, words)):
            if len(found) == 1:
                refuse_unused(context, OF_A_LIST, "with the identity of a run")
                show_one(tracker, found[0], classes, out, tracking_uri, as_json, stdout)
                return
            words = []
        else:
            found = _listed(tracker, words or ())
        refuse_unused(context, ["--class"], "without the identity of one run")
        listed = _of_kind(found, separated(method), separated(status))
        silent = silent_runs(tracker, listed)
        apart = _apart(listed)
        rows = [_row(run) | {"apart": apart[run.mlflow_run_id]} | silent.get(run.mlflow_run_id, {}) for run in listed]
        rows = _sorted(rows, sort)
        if as_json:
            print_json({"runs": rows}, stdout)
        else:
            _show(rows, stdout)
            names = words or list(dict.fromkeys(row["benchmark"] for row in rows))
            places = same_places(out=out, tracking_uri=tracking_uri)
            following = (
                endings.after_runs(names, *_worth_a_look(rows), *_with_network(tracker, listed), places) if rows else []
            )
            print_ending("", following, stdout)


def _by_identity(tracker: Tracker, words: list[str]) -> list[TrackedRun]:
    """The runs that identities name; none where the words are names, which come first.

    Raises:
        UserError: a word is no name, and begins no identity or several.
    """
    from dta_bench import plugins
    from dta_bench.report.predictions.find_run import find_run

    if not tracker.exists():
        return []
    names = {*tracker.experiments(), *(name for kind in KINDS for name in plugins.names(kind))}
    if not all(IDENTITY.fullmatch(word) for word in words) or names & {plugins.composed(word) for word in words}:
        return []
    return [find_run(tracker, word) for word in words]


def _listed(tracker: Tracker, names: Any) -> list[TrackedRun]:
    from dta_bench.tracking import standing_runs

    if not tracker.exists():
        raise UserError(f"there are no runs in {tracker.uri}; run a sweep there first, or name its --out")
    benchmarks = list(tracker.experiments())
    wanted = {benchmark for name in names for benchmark in _benchmarks_of(name, benchmarks)}
    if unknown := sorted(wanted - set(benchmarks)):
        raise UserError(f"{tracker.uri} has no runs of {', '.join(unknown)}; it has: {', '.join(benchmarks) or 'none'}")
    return [run for name in benchmarks if not wanted or name in wanted for run in standing_runs(tracker.runs(name))[0]]


def _of_kind(runs: list[TrackedRun], methods: tuple[str, ...], states: tuple[str, ...]) -> list[TrackedRun]:
    from dta_bench.tracking import STATES

    wanted = {state.lower() for state in states}
    if unknown := sorted(wanted - {*STATES, "killed"}):  # which is MLflow's word for interrupted and stopped
        raise UserError(f"--status {unknown[0]} is not known; it takes {', '.join(STATES)}")
    return [
        run
        for run in runs
        if (not methods or run.spec.method in methods) and (not wanted or wanted & {run.state, run.status.lower()})
    ]


def _benchmarks_of(name: str, stored: list[str]) -> list[str]:
    """The benchmark of a search space, or the pairs of a suite that have runs; any other name stays."""
    from dta_bench import plugins
    from dta_bench.spec import search_space_file

    if plugins.is_suite(name):
        return plugins.pairs_of_suite(name, stored) or [name]
    return [search_space_file.read(name).benchmark if name in plugins.names("search_space") else name]


def _row(run: TrackedRun) -> dict[str, Any]:
    from dta_bench.report.one_run import nearly_lost

    metric = _metric_of(run.spec.benchmark)
    return {
        "run": run.run_id, "name": run.name, "benchmark": run.spec.benchmark, "method": run.spec.method,
        "backbone": run.spec.backbone, "seed": run.spec.seed, "params": run.spec.params,
        "status": run.state, "metric": metric,
        "collapsed": run.tags.get("collapsed") == "true", "lost_classes": nearly_lost(run),
        "subset": run.metrics.get(f"validation/{metric}"), "test": run.metrics.get(f"test/{metric}"),
        "reason": run.tags.get("reason", ""), "silent": False, "mlflow_run_id": run.mlflow_run_id,
    }  # fmt: skip


def _apart(runs: Sequence[TrackedRun]) -> dict[str, str]:
    """MLflow's id of a run → the settings that tell it from the runs that the list would show as the same row."""
    alike: dict[str, list[TrackedRun]] = {}
    for run in runs:
        spec = run.spec
        row = [spec.benchmark, spec.backbone, spec.method, spec.seed, sorted(spec.params.items())]
        alike.setdefault(repr(row), []).append(run)
    return {
        run.mlflow_run_id: said
        for of in alike.values()
        for run, said in zip(of, settings_apart([one.spec for one in of]), strict=True)
    }


@cache
def _metric_of(benchmark: str) -> str:
    """The metric that reports of a benchmark lead with; accuracy where its file is no longer there."""
    from dta_bench.data.benchmark_plugin import benchmark_of

    try:
        return str(benchmark_of(benchmark).headline)
    except UserError:
        return "accuracy"


def _sorted(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    if by not in SORTS:
        raise UserError(f"--sort {by} is not known; it takes {', '.join(SORTS)}")
    if by == "started":
        return rows
    if by == "method":
        return sorted(rows, key=lambda row: (row["benchmark"], row["method"], row["seed"]))
    return sorted(rows, key=lambda row: -(row[by] if row[by] is not None else -1.0))


def _show(rows: list[dict[str, Any]], stdout: Any) -> None:
    from rich.table import Table

    same = {key: rows[0][key] for key in WHERE if rows and len({row[key] for row in rows}) == 1}
    heads = [head for head in HEADS if head not in same]
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", justify="right" if head in ("seed", "subset", "test") else "left")
    for row in rows:
        table.add_row(*(_cell(row, head) for head in heads))
    console(stdout).print(table)
    for row in rows:
        if row["reason"] and row["status"] != "finished":
            print(f"{row['run']} {row['status']}: {row['reason']}", file=stdout)
    print(", ".join([count_of(len(rows), "run"), *map(str, same.values())]), file=stdout)


def _cell(row: dict[str, Any], head: str) -> str:
    if head == "method":  # the run's name tells its configuration from those beside it
        name = str(row["name"] or row["method"]).removesuffix(f" seed={row['seed']}")
        return f"{name} ({row['apart']})" if row["apart"] else name
    if head == "status":
        further = ", collapsed" * row["collapsed"] + ", no sign of life" * row["silent"]
        further += f", {', '.join(row['lost_classes'])} nearly lost" if row["lost_classes"] else ""
        return f"{row['status']}{further}"
    if head in ("subset", "test"):
        return "" if row[head] is None else f"{row[head]:.1f}"
    return str(row[head])


def _worth_a_look(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """A run to show in full, and why: one that collapsed, else one that lost a class, else the first."""
    for row in rows:
        if row["collapsed"]:
            return row["run"], "one run in full: how it collapsed"
    for row in rows:
        if row["lost_classes"]:
            return row["run"], f"one run in full: how it lost {', '.join(row['lost_classes'])}"
    return rows[0]["run"], "one run in full"


def _with_network(tracker: Tracker, listed: list[TrackedRun]) -> tuple[str, str]:
    """Of the runs that kept a network, without which there are no figures, the one with the best score, and by what.

    Scores of two benchmarks are not compared: the first benchmark goes first. Both are empty if none kept one.
    """
    from dta_bench.report.predictions.stored_network import keeps_network
    from dta_bench.spec.spelling import spell_metric

    benchmarks = list(dict.fromkeys(run.spec.benchmark for run in listed))

    def score(run: TrackedRun) -> float | None:
        return run.metrics.get(f"test/{_metric_of(run.spec.benchmark)}")

    def rank(run: TrackedRun) -> tuple[int, bool, float]:
        found = score(run)
        return benchmarks.index(run.spec.benchmark), found is None, -(found or 0.0)

    finished = sorted((run for run in listed if run.status == "FINISHED"), key=rank)
    best = next((run for run in finished[:MOST_LOOKED_INTO] if keeps_network(tracker, run)), None)
    if best is None:
        return "", ""
    of = f"of the listed runs of {best.spec.benchmark} that kept a network"
    metric = spell_metric(_metric_of(best.spec.benchmark))
    if (found := score(best)) is None:
        return best.run_id, f"the first {of}; none has a score on target test"
    return best.run_id, f"{of}, the highest {metric} on target test, {found:.1f} %; no rule chose it"


def _remove(tracker: Tracker, names: list[str], yes: bool) -> tuple[list[str], int]:
    """Remove runs; returns their identities, and how many bytes their files had."""
    from dta_bench.report.predictions.find_run import find_run

    if not names:
        raise UserError("runs rm takes the beginnings of identities; dta-bench runs lists them")
    found = [find_run(tracker, name) for name in names]
    for run in found:
        if run.status == "RUNNING":
            raise UserError(f"run {run.run_id} is running; end its sweep first, or wait for it")
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(
                f"{count_of(len(found), 'run')} would be removed, and no terminal is there to ask on; add --yes"
            )
        names_of_runs = ", ".join(f"{run.run_id} ({run.name})" for run in found)
        typer.confirm(f"Remove {names_of_runs}?", abort=True, err=True)
    return [run.run_id for run in found], sum(tracker.remove_run(run.mlflow_run_id) for run in found)
