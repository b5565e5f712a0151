"""A dry run says of each run how it stands, in words that name no signal."""

import dataclasses

from small_runs import spec_of
from stored_runs import Runs

from dta_bench.sweep.done_runs import describe_runs, state_of


def test_each_run_of_a_plan_says_how_it_stands() -> None:
    runs, specs = Runs(), [spec_of(seed=seed) for seed in range(6)]
    for spec, status in zip(specs, ("FINISHED", "KILLED", "KILLED", "FAILED", "RUNNING"), strict=False):
        runs.add(spec, 0.5, status=status)
    runs.tracked[2] = dataclasses.replace(runs.tracked[2], tags=runs.tracked[2].tags | {"stopped_epoch": "1"})
    state = state_of(specs, runs.tracked, lambda _: {})
    told = describe_runs(state, runs.tracked, lambda run_id: run_id == specs[1].id)
    assert list(map(told.get, (spec.id for spec in specs))) == [
        "done", "interrupted, goes on", "stopped early", "failed, is tried again", "running", "",
    ]  # fmt: skip
