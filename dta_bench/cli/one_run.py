"""``dta-bench runs ID``: one run in full, or classes of it epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dta_bench.cli import endings
from dta_bench.cli.silent_runs import silent_runs
from dta_bench.cli.terminal import console, print_ending, print_json, same_places

if TYPE_CHECKING:
    from dta_bench.tracking import TrackedRun, Tracker


def show_one(
    tracker: Tracker,
    run: TrackedRun,
    classes: Sequence[str] | None,
    out: Path,
    tracking_uri: str | None,
    as_json: bool,
    stdout: TextIO,
) -> None:
    """Print all that is known of a run, or how some of its classes fared, as text or as one JSON object."""
    if classes:
        _show_classes(tracker, run, classes, as_json, stdout)
        return
    from dta_bench.data.benchmark_plugin import benchmark_of
    from dta_bench.domains import typed_paths
    from dta_bench.report.one_run import describe_run
    from dta_bench.report.train_again import train_again

    benchmark = benchmark_of(run.spec.benchmark)
    command = train_again(run, benchmark.task, out=str(out), tracking_uri=tracking_uri)
    found = describe_run(tracker, run, benchmark, typed_paths.absolute(out), command)
    if as_json:
        print_json(found.json_object(), stdout)
        return
    from dta_bench.report.terminal.one_run import show_run

    places = same_places(out=out, tracking_uri=tracking_uri)
    show_run(found, console(stdout), places)
    for silent in silent_runs(tracker, [run]).values():
        print(silent["reason"], file=stdout)
    names = [*(fall.name for fall in found.falls or ()), *(poor.name for poor in found.poor_classes)]
    gone_wrong = next(iter(names), "")
    print_ending("", endings.after_one_run(found.run_id, found.benchmark, gone_wrong, places), stdout)


def _show_classes(tracker: Tracker, run: TrackedRun, classes: Sequence[str], as_json: bool, stdout: TextIO) -> None:
    """Print how classes of a run fared after each measured epoch, as tables or as one JSON object."""
    from dta_bench.report.class_history import class_history

    found = class_history(tracker, run, classes)
    if as_json:
        print_json(found.json_object(), stdout)
        return
    from dta_bench.report.terminal.class_history import show_class_history

    show_class_history(found, console(stdout))
