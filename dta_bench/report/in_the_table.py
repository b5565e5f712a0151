"""Whether the report of a benchmark has a run in its table, asked before a command promises that."""

from __future__ import annotations

from collections.abc import Collection

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.configurations import group_runs
from dta_bench.report.left_out import differences
from dta_bench.report.summary import reported_group
from dta_bench.spec.seeds import is_confirmation
from dta_bench.tracking import Tracker, standing_runs

CONFIRMATION_ALONE = "confirmation alone: no run of its search is there"


def why_not_in_table(tracker: Tracker, benchmark: str, run_ids: Collection[str]) -> list[str]:
    """What keeps finished runs out of the table of ``dta-bench report BENCHMARK``; empty if one is in it.

    Args:
        run_ids: identities of runs that were trained alike.

    Returns:
        Differences from the runs in the table, such as ``epochs 2 instead of 20``.
    """
    runs = standing_runs(run for run in tracker.runs(benchmark) if not run.unknown_fields)[0]
    if all(is_confirmation(run.spec.seed) for run in runs if run.status == "FINISHED"):
        return [CONFIRMATION_ALONE]
    configurations = group_runs(tracker, runs)
    group = reported_group(configurations, benchmark_of(benchmark))
    found = {run.tracked.run_id: run for configuration in configurations for run in configuration.every_run}
    asked = [found[run_id] for run_id in run_ids if run_id in found]
    if not asked:
        return [CONFIRMATION_ALONE]
    if any(run.tracked.run_id in run_ids for configuration in group for run in configuration.every_run):
        return []
    return differences(asked[0], group[0].runs[0])
