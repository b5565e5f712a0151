"""The run whose network predicts: named by its identity, or chosen among a benchmark's runs by a selection rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.configurations import Configuration, group_runs
from dta_bench.report.selection.ranking import rank
from dta_bench.report.selection.rules import competitors
from dta_bench.report.summary import reported_group, rule_or_default
from dta_bench.spec import search_space_file
from dta_bench.spec.spelling import count_of
from dta_bench.tracking import TrackedRun, Tracker, standing_runs

MOST_NAMED = 4
"""Runs that a message names; dta-bench runs lists all."""

SOURCE_ONLY = "source_only"


@dataclass(frozen=True)
class ChosenRun:
    """A run, and in words how it came to be chosen."""

    run: TrackedRun
    how: str


def choose_run(tracker: Tracker, name: str, rule: str | None) -> ChosenRun:
    """The run that stands for what a rule chooses: of its confirmation runs, else of the search's, the lowest seed.

    The choice is that of ``dta-bench report NAME --select RULE``.

    Args:
        name: a benchmark or a search space.
        rule: a selection rule; None takes the report's default.

    Raises:
        UserError: no such name or rule, no finished run, or nothing to choose from.
    """
    if rule == "all":
        raise UserError("--select all compares rules; predictions come from the choice of one of them")
    is_space = plugins.composed(name) in plugins.names("search_space")
    benchmark = benchmark_of(search_space_file.benchmark_of(name) if is_space else name)
    runs = standing_runs(run for run in tracker.runs(benchmark.name) if not run.unknown_fields)[0]
    if not any(run.status == "FINISHED" for run in runs):
        raise UserError(
            f"no finished run of {benchmark.name} in {tracker.uri}; start or resume a sweep, or name its --out"
        )
    every = group_runs(tracker, runs)
    group = reported_group(every, benchmark)
    rule, _ = rule_or_default(rule, group, benchmark)
    scored = rank(group, rule, benchmark.headline)
    ranked = [configuration for configuration, _ in scored]
    candidates = competitors(ranked)
    others = len(every) - len(group)
    beside = (
        f"; {count_of(others, 'configuration')} trained otherwise had no part (see report {name})" if others else ""
    )
    if not candidates:
        finished = [run.tracked for configuration in ranked for run in configuration.every_run]
        named = ", ".join(f"{run.run_id} ({run.name})" for run in finished[:MOST_NAMED])
        more = f" and {len(finished) - MOST_NAMED} more" if len(finished) > MOST_NAMED else ""
        raise UserError(
            f"only baselines of {benchmark.name} are finished, and no rule chooses these; name a run in place of --best"
            f" {name}: {named}{more}{beside}"
        )
    chosen = candidates[0]
    run = (chosen.confirmation or chosen.runs)[0]
    role = "the lowest seed of its confirmation runs" if chosen.confirmation else "its lowest seed"
    better = _better_baseline(scored, chosen)
    among = f"chosen by rule {rule} among {count_of(len(candidates), 'configuration')}"
    return ChosenRun(run.tracked, f"{among}; {role}{beside}{better}")


def _better_baseline(scored: Sequence[tuple[Configuration, float | None]], chosen: Configuration) -> str:
    """What to say where source-only, which no rule chooses, is better by the rule than what it chose; else nothing."""
    values = {id(configuration): value for configuration, value in scored}
    ours = values[id(chosen)]
    for other, value in scored:
        is_rival = other.method == SOURCE_ONLY and other.backbone == chosen.backbone
        if is_rival and value is not None and ours is not None and value > ours:
            run = (other.confirmation or other.runs)[0].tracked
            return (
                f"; source_only, a baseline that never competes to be chosen, is better by this rule: run {run.run_id} "
                "in place of --best predicts by it"
            )
    return ""
