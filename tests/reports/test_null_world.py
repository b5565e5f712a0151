"""Runs of one method, dealt out to worlds of several names."""

import sys
from pathlib import Path

import pytest
from small_runs import spec_of
from stored_runs import Runs

from dta_bench.report.configurations import Configuration, group_runs

sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
from null_world import NAMES, SEEDS, deal


def of_seeds(count: int) -> Configuration:
    runs = Runs()
    for seed in range(count):
        runs.add(spec_of("source_only", seed=seed), 0.5)
    return group_runs(runs, runs.tracked)[0]  # type: ignore[arg-type]


def test_every_run_is_in_one_world_under_one_name() -> None:
    worlds = deal(of_seeds(2 * len(NAMES) * SEEDS), 2)
    assert [[one.method for one in world] for world in worlds] == [list(NAMES)] * 2
    seeds = [seed for world in worlds for one in world for seed in one.seeds]
    assert seeds == list(range(2 * len(NAMES) * SEEDS))


def test_too_few_runs_are_refused_with_the_command() -> None:
    with pytest.raises(SystemExit, match="17 runs of source-only are there, 18 are needed: make null-world"):
        deal(of_seeds(17), 2)
