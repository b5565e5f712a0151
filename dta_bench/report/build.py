"""A benchmark's report from the runs of a store."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.configurations import group_runs
from dta_bench.report.details import add_details
from dta_bench.report.document.report import Report
from dta_bench.report.selection.every_rule import add_every_choice
from dta_bench.report.summary import summarise
from dta_bench.tracking import Tracker, standing_runs, ui_link


def build_report(
    tracker: Tracker,
    benchmark_name: str,
    rule: str | None,
    only: Collection[str] | None = None,
    root: str = "data",
    confirm: int | None = None,
) -> Report:
    """The report of a benchmark's runs under a selection rule; in the store the chosen runs are marked.

    Args:
        rule: a selection rule; None takes the default: ``labels`` where a labelled subset is there. ``all`` puts every
            rule and the label-budget curve beside the default.
        only: identities of the runs to report; None reports all, and only then are chosen runs marked.
        root: the data, which the label-budget curve needs.
        confirm: how many confirmation runs of each configuration were asked for; None asks the store.

    Raises:
        UserError: no finished run, or an unknown rule.
    """
    every, unreadable = tracker.runs_and_unreadable(benchmark_name)
    stored = [run for run in every if only is None or run.run_id in only]
    refused = [reason for run_id, reason in unreadable.items() if only is None or run_id in only]
    known = [run for run in stored if not run.unknown_fields]
    runs, repeated = standing_runs(known)
    benchmark = benchmark_of(benchmark_name)
    if not any(run.status == "FINISHED" for run in runs):
        others = f"; left out, as their spec is not allowed: {len(refused)} ({refused[0]})" if refused else ""
        raise UserError(
            f"no finished run of {benchmark_name} in {tracker.uri}; start or resume a sweep, or name its --out{others}"
        )
    configurations = group_runs(tracker, runs)
    if confirm is None:
        requested = tracker.requested_confirmations(benchmark_name)
    else:
        requested = {run.parent: confirm for run in runs}
    report = summarise(benchmark, configurations, runs, None if rule == "all" else rule, requested)
    newer = len(stored) - len(known)
    report = report.with_parts(repeated_runs=len(repeated), newer_runs=newer, refused_specs=refused or None)
    if rule == "all":
        report = add_every_choice(report, benchmark, configurations, root)
    if only is None and not tracker.can_only_be_read:
        chosen = report.leaderboard[0].every_mlflow_run_id if report.selected else []
        with contextlib.suppress(Exception):  # a store that may only be read has its report all the same
            tracker.keep_view(benchmark)
            tracker.mark_chosen(stored, report.rule, chosen)
    report = report.with_parts(link=ui_link(tracker.uri, runs[0].experiment_id))
    return add_details(report, tracker, runs, benchmark)
