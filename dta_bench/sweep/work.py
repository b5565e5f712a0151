"""What one start of a sweep has to train: the missing runs, the rules that may stop them, and their order."""

from __future__ import annotations

from dataclasses import dataclass

from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.apply_stop_rules import EarlyStopping
from dta_bench.sweep.done_runs import State
from dta_bench.sweep.run_queue import AdaptiveQueue, PlannedQueue, RunEnd, RunQueue, point_key, points_left
from dta_bench.sweep.stop_rules import stop_rules
from dta_bench.tracking import STOPPED, Tracker, standing_runs


@dataclass(frozen=True)
class Work:
    """What a start of a sweep trains.

    Attributes:
        runs: the missing runs; with an adaptive queue any of them may be trained.
        early_stopping: decides after each epoch whether a run goes on.
        queue: gives the order; None for the order of ``runs``.
    """

    runs: tuple[RunSpec, ...]
    early_stopping: EarlyStopping
    queue: RunQueue | None = None


def choose_work(plan: Plan, state: State, tracker: Tracker) -> Work:
    """Choose what to train. A queue is needed only where the next run depends on how others have ended."""
    epochs, baselines = plan.training.epochs, {run.id for run in plan.runs if run.method in plan.methods[1:]}
    rules = stop_rules(plan.stop, epochs, len(plan.benchmark.classes), plan.training.measure_every)
    early_stopping = EarlyStopping(rules, epochs, exempt=baselines)
    if plan.search != "tpe" and not rules:
        return Work(state.to_do, early_stopping)
    if rules:
        _show_earlier_runs(plan, state, tracker, early_stopping)
    if plan.search == "tpe":
        return Work(state.to_do, early_stopping, AdaptiveQueue(plan, state.to_do, _earlier_ends(plan, state, tracker)))
    return Work(state.to_do, early_stopping, PlannedQueue(_without_stopped_points(state)))


def count_runs(plan: Plan, state: State, tracker: Tracker) -> int:
    """How many runs are to come, at most."""
    if plan.search != "tpe":
        return len(_without_stopped_points(state))
    baselines = sum(run.method in plan.methods[1:] for run in state.to_do)
    return baselines + points_left(plan, _earlier_ends(plan, state, tracker)) * len(plan.seeds)


def _show_earlier_runs(plan: Plan, state: State, tracker: Tracker, early_stopping: EarlyStopping) -> None:
    """Let the stop rules compare new runs with those that an earlier start has done or stopped."""
    metrics = {"score": f"validation/{plan.benchmark.headline}"}
    metrics |= {name: f"target_train/{name}" for name in ("classes_in_use", "entropy")}
    tracked = {run.run_id: run for run in standing_runs(tracker.runs(plan.file.benchmark))[0]}
    for run in (*state.done, *state.stopped):
        if run.id not in early_stopping.exempt:
            histories = tracker.history(tracked[run.id], list(metrics.values()))
            curves = {name: histories[metric][1] for name, metric in metrics.items()}
            early_stopping.compare_with(run.id, histories[metrics["score"]][0], curves)


def _without_stopped_points(state: State) -> list[RunSpec]:
    """The runs to do, without the other seeds of points that were stopped early."""
    stopped = {point_key(run) for run in state.stopped}
    return [run for run in state.to_do if point_key(run) not in stopped]


def _earlier_ends(plan: Plan, state: State, tracker: Tracker) -> dict[str, RunEnd]:
    """Identity → end of the runs that have ended before: in an earlier start, or in another sweep of this store."""
    headline = f"validation/{plan.benchmark.headline}"
    tracked = {run.run_id: run for run in standing_runs(tracker.runs(plan.file.benchmark))[0]}
    ends = {run.id: RunEnd("done", tracked[run.id].metrics[headline], plan.training.epochs) for run in state.done}
    ends |= {run.id: RunEnd("failed") for run in state.diverged}
    return ends | {
        run.id: RunEnd("stopped", tracked[run.id].metrics.get(headline, 0.0), int(tracked[run.id].tags[STOPPED]))
        for run in state.stopped
    }
