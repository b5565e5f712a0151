"""Runs beside published numbers: selection after the fact, one honest table, on the screen, in Markdown, in JSON."""

from __future__ import annotations

import contextlib
from typing import Any

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.report.details import details
from dta_bench.report.files import write
from dta_bench.report.records import configurations
from dta_bench.report.selection.every_rule import choosing
from dta_bench.report.summary import table
from dta_bench.report.terminal.show import show
from dta_bench.tracking import Tracker, ui_link

__all__ = ["make", "show", "write"]


def make(
    tracker: Tracker, benchmark: str, rule: str, only: set[str] | None = None, root: str = "data"
) -> dict[str, Any]:
    """The report of a benchmark's runs (of those whose identity is in ``only``, if given) under a selection rule.

    ``all`` puts every rule and the label-budget curve (which needs the data under ``root``) beside ``labels``.

    Raises:
        UserError: no finished run, or an unknown rule.
    """
    runs = [run for run in tracker.runs(benchmark) if only is None or run.run_id in only]
    defined = plugins.load("benchmark", benchmark).BENCHMARK
    if not any(run.status == "FINISHED" for run in runs):
        raise UserError(f"no finished run of {benchmark} in {tracker.uri}; start or resume a sweep, or name its --out")
    grouped = configurations(tracker, runs)
    found = table(defined, grouped, runs, "labels" if rule == "all" else rule)
    if rule == "all":
        found |= choosing(defined, grouped, root)
    chosen = found["leaderboard"][0]["mlflow_run_ids"] if found["selected"] else []
    if only is None:
        with contextlib.suppress(Exception):  # a store that may only be read has its report all the same
            tracker.experiment(defined)  # an older store has no saved view yet
            tracker.mark_chosen(runs, found["rule"], chosen)
    found |= {"link": ui_link(tracker.uri, runs[0].experiment_id)}
    return found | details(tracker, runs, found)
