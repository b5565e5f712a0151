"""How long a sweep takes on the clock: against ends that a test adds up by hand."""

from __future__ import annotations

import pytest

from dta_bench.cost.wall_time import Machines, describe_wall_time, spell_hours, wall_time
from dta_bench.errors import UserError


def test_runs_start_in_their_order_as_soon_as_a_gpu_is_free() -> None:
    found = wall_time(([1.0, 2.0, 3.0], []), Machines(gpus=2))
    assert (found["hours"], found["longest_run_hours"]) == (4.0, 3.0)  # 1 then 3 on one, 2 on the other


def test_more_gpus_than_runs_leave_the_longest_run() -> None:
    assert wall_time(([1.0, 2.0, 3.0], []), Machines(gpus=9))["hours"] == 3.0


def test_confirmation_waits_for_the_whole_search() -> None:
    assert wall_time(([1.0, 3.0], [1.0, 1.0]), Machines(gpus=2))["hours"] == 4.0


def test_runs_that_share_a_gpu_are_slower_each_and_as_fast_together() -> None:
    found = wall_time(([1.0] * 4, []), Machines(gpus=1, gpus_per_run=0.5))
    assert (found["runs_at_a_time"], found["hours"], found["longest_run_hours"]) == (2, 4.0, 2.0)


def test_no_more_runs_go_at_a_time_than_parallel_says() -> None:
    assert wall_time(([1.0] * 4, []), Machines(gpus=4, parallel=1))["hours"] == 4.0


def test_a_run_on_more_devices_than_there_are_gpus_is_refused() -> None:
    with pytest.raises(UserError, match="--gpus 1 is too few: one run takes 2 GPUs"):
        wall_time(([1.0], []), Machines(gpus=1), devices=2)
    assert wall_time(([1.0], []), Machines(), devices=2)["gpus"] == 2


def test_the_sentence_says_what_was_assumed() -> None:
    machines = Machines(gpus=2)
    said = describe_wall_time(wall_time(([30.0] * 4, []), machines), machines)
    assert said == (
        "Time: about 2.5 days on 2 GPUs that are always busy, with 2 runs at a time; the longest run takes 30.0 hours"
    )


def test_no_more_gpus_are_said_to_be_busy_than_runs_go_at_a_time() -> None:
    machines = Machines(gpus=4, parallel=1)
    said = describe_wall_time(wall_time(([30.0], []), machines), machines, "device")
    assert said.startswith("Time: about 30.0 hours on 1 of 4 devices, always busy, with one run at a time")
    assert wall_time(([1.0] * 4, []), Machines(gpus=5), devices=2)["gpus_in_use"] == 4
    assert wall_time(([1.0] * 4, []), Machines(gpus=2, gpus_per_run=0.5))["gpus_in_use"] == 2


def test_less_than_a_minute_is_not_about_less() -> None:
    said = describe_wall_time(wall_time(([0.001], []), Machines()), Machines())
    assert said.startswith("Time: less than a minute on")


def test_the_time_at_the_assumed_rate_is_a_range() -> None:
    said = describe_wall_time(wall_time(([2.0, 4.0], []), Machines(gpus=1), is_assumed=True), Machines(gpus=1))
    assert said.startswith("Time: 3.0 to 12.0 hours on 1 GPU")
    assert said.endswith("the longest run takes 2.0 to 8.0 hours")


def test_times_are_spelled_in_the_unit_that_fits() -> None:
    assert list(map(spell_hours, (0.001, 0.5, 3.8, 60))) == [
        "less than a minute",
        "30 minutes",
        "3.8 hours",
        "2.5 days",
    ]
