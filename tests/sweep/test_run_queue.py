"""Which runs a sweep trains next, after early stops, restarts and runs of other sweeps in the same store."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.evaluation import metrics
from dta_bench.run.workspace import Workspace
from dta_bench.spec import search_space_file
from dta_bench.spec.identity import LATER_PARAMETERS
from dta_bench.spec.plan import Options, Plan
from dta_bench.spec.run_spec import RunResult, RunSpec
from dta_bench.sweep.apply_stop_rules import EarlyStopping
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.done_runs import state_of
from dta_bench.sweep.on_ray.queue_searcher import QueueSearcher
from dta_bench.sweep.run_queue import AdaptiveQueue, PlannedQueue, RunEnd, point_key, points_left
from dta_bench.sweep.stop_rules import Asha
from dta_bench.tracking import STOPPED


def plan_of(**options: Any) -> Plan:
    file = search_space_file.read("grid_fonts_digits")
    return make_plan("grid_fonts_digits", file, Options(**options))


DONE = RunEnd("done", 50.0, 10)


def run_all(queue: AdaptiveQueue | PlannedQueue, end: RunEnd = DONE) -> list[RunSpec]:
    """Take every run from a queue, with the same end for each."""
    ran = []
    while (runs := queue.next_runs()) is not None:
        for run in runs:
            ran.append(run)
            queue.record(run, end)
    return ran


def test_an_adaptive_sweep_trains_the_baselines_and_then_the_wanted_number_of_points() -> None:
    plan = plan_of(points=7, search="tpe")
    ran = run_all(AdaptiveQueue(plan, plan.runs, {}))
    assert [run.method for run in ran] == ["source_only"] * 2 + ["dta_released"] * 14
    assert len({run.id for run in ran}) == 16
    assert {run.id for run in ran} <= {run.id for run in plan.runs}
    published = plan.params("conv3_tiny", "dta_released", {})  # the published row first
    assert published.items() - ran[2].params.items() <= set(LATER_PARAMETERS.items())  # at its default it is in no spec
    assert ran[2].params.items() <= published.items()


def test_an_adaptive_sweep_started_again_counts_known_runs_and_trains_the_rest() -> None:
    plan = plan_of(points=7, search="tpe")
    first = run_all(AdaptiveQueue(plan, plan.runs, {}))[:10]  # baselines and four points
    known = {run.id: RunEnd("done", 50.0, 10) for run in first}
    to_do = [run for run in plan.runs if run.id not in known]
    rest = run_all(AdaptiveQueue(plan, to_do, known))
    assert len(rest) == 6
    assert not {run.id for run in rest} & known.keys()
    assert points_left(plan, known | {run.id: RunEnd("done", 50.0, 10) for run in rest}) == 0
    assert points_left(plan, known) == 3


def test_a_planned_queue_gives_runs_point_by_point() -> None:
    plan = plan_of(points=3)
    groups = []
    queue = PlannedQueue(plan.runs)
    while (runs := queue.next_runs()) is not None:
        groups.append(runs)
    assert [len({point_key(run) for run in group}) for group in groups] == [1] * 4
    assert sorted(r.id for group in groups for r in group) == sorted(r.id for r in plan.runs)


def test_the_other_seeds_of_a_stopped_point_are_not_started() -> None:
    plan = plan_of(points=2)
    searcher = QueueSearcher(plan, PlannedQueue(plan.runs))
    for number in range(len(plan.runs)):
        config = searcher.suggest(str(number))
        if config == "FINISHED":
            break
        partial = {"score": 99.0, "epoch": 3}
        done = {"score": 50.0, "epoch": 10, "outcome": "done"}
        stopped = isinstance(config, dict) and config["method"] == "dta_released"
        searcher.on_trial_complete(str(number), partial if stopped else done)
    assert number == 4  # two baselines and one seed of each of two points
    assert searcher.suggest("more") == "FINISHED"


def test_tune_may_copy_the_searcher_before_and_while_it_searches() -> None:
    plan = plan_of(points=3, search="tpe")
    searcher = QueueSearcher(plan, AdaptiveQueue(plan, plan.runs, {}))
    for number in range(3):
        searcher = copy.deepcopy(searcher)
        assert isinstance(searcher.suggest(str(number)), dict)


def result(run: str, epoch: int, score: float, **others: Any) -> dict[str, Any]:
    return {"run": run, "epoch": epoch, "score": score, "classes_in_use": 10, "entropy": 0.5} | others


def test_a_stopped_run_is_noted_with_its_epoch_and_reason() -> None:
    early_stopping = EarlyStopping([Asha(epochs=10, grace=3)], epochs=10, exempt={"baseline"})
    assert not early_stopping.should_stop(result("a", 3, 60))
    assert early_stopping.should_stop(result("b", 3, 50))
    assert early_stopping.stopped["b"].epoch == 3
    assert early_stopping.stopped["b"].reason.startswith("asha")
    assert not early_stopping.should_stop(result("baseline", 3, 0))
    assert not early_stopping.should_stop(result("a", 10, 0, outcome="done"))
    assert early_stopping.stopped.keys() == {"b"}


def test_runs_are_compared_with_those_of_an_earlier_start() -> None:
    early_stopping = EarlyStopping([Asha(epochs=10, grace=3)], epochs=10)
    early_stopping.compare_with(
        "before", [1, 2, 3, 4], {"score": [50, 60, 70, 75], "classes_in_use": [10] * 4, "entropy": [0.5] * 4}
    )
    assert not early_stopping.stopped
    assert early_stopping.should_stop(result("now", 3, 69))


def test_a_run_stopped_early_stays_so_only_in_a_sweep_with_stop_rules(tmp_path: Path) -> None:
    plan = plan_of(points=1, seeds=1)
    tracker = Workspace("", str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}").tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    run = plan.runs[0]
    log = tracker.open_run(run, None, "a", set(), {})
    tracker.end_run(log.mlflow_run_id, "KILLED", "asha: 3 of 4 runs had a better score", stopped_epoch=3)
    (tracked,) = tracker.runs("fonts_digits")
    assert (tracked.status, tracked.tags[STOPPED]) == ("KILLED", "3")
    assert state_of(plan.runs, [tracked], lambda _: {}, stops=True).stopped == (run,)
    assert run in state_of(plan.runs, [tracked], lambda _: {}).to_do
    tracker.open_run(run, None, "a", set(), {})  # opened again
    (tracked,) = tracker.runs("fonts_digits")
    assert STOPPED not in tracked.tags

    scores = metrics.scores(np.eye(10, dtype=np.int64), [str(k) for k in range(10)])
    arrays = {"target_validation_ids": np.array(["x"])}
    finished = RunResult(run.id, scores, scores, scores, collapsed=False, epochs=10, seconds=1.0, measuring_seconds=0.5)
    log.finish(finished, arrays, np.eye(10, dtype=np.int64), [str(k) for k in range(10)])
    other = Workspace("", str(tmp_path / "another user"), f"sqlite:///{tmp_path / 'mlflow.db'}").tracker()
    bigger = plan_of(points=5, search="random")  # another sweep, from another folder, on the same store
    assert run in state_of(bigger.runs, other.runs("fonts_digits"), lambda _: {}).done


def test_random_search_is_planned_ahead_and_grid_stays_as_it_was() -> None:
    random, grid = plan_of(points=10, search="random"), plan_of(points=10)
    assert random.runs[:2] == grid.runs[:2]  # the published row
    assert {run.id for run in random.runs} != {run.id for run in grid.runs}
    assert len(random.runs) == len(grid.runs) == 22


def test_the_labelled_subset_is_drawn_as_the_command_line_says() -> None:
    subset = plan_of(labels=50, label_seed=3, labels_drawn="stratified").label_subset
    assert (subset.size, subset.seed, subset.stratified) == (50, 3, True)
    assert plan_of().label_subset.seed == 0
    with pytest.raises(UserError, match="--labels-drawn sorted is not known; it takes random or stratified"):
        plan_of(labels_drawn="sorted")
    with pytest.raises(UserError, match="--search evolution is not known"):
        plan_of(search="evolution")
