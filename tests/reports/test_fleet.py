"""The simulated sweep on a fleet: no run is lost or trained twice, and no slot works longer than its time."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
from fleet import Fleet, replay

NEVER = 1e12


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 3), st.sampled_from([0.5, 2.0, NEVER]), st.integers(0, 99))
def test_every_run_ends_once_and_no_slot_works_more_than_its_time(
    runs: int, nodes: int, slots: int, lost_hours: float, seed: int
) -> None:
    fleet = Fleet(nodes, slots, lost_hours, replaced_seconds=100.0, noticed=0.5)
    result = replay(runs, 10, 60.0, fleet, start_seconds=5.0, save=60.0, seed=seed)
    assert result["runs_ended"] == runs
    assert 0 < result["utilisation"] <= 1
    assert result["utilisation"] * (1 + result["repeated_share"]) <= 1 + 1e-9


def test_without_losses_the_sweep_takes_what_a_list_of_jobs_takes() -> None:
    result = replay(400, 10, 60.0, Fleet(10, 2, NEVER, 0.0, 0.0), start_seconds=0.0, save=60.0)
    work, longest = 400 * 600 / 20 / 3600, 600 * 1.1 / 3600
    assert 0.99 * work <= result["hours"] <= 1.01 * work + longest  # Graham's bound for list scheduling
    assert (result["machines_lost"], result["repeated_share"]) == (0, 0)


def test_a_notice_leaves_nothing_to_repeat_and_none_repeats_half_a_save_a_run() -> None:
    noticed, unnoticed = (
        replay(500, 20, 300.0, Fleet(20, 1, 2.0, 60.0, share), start_seconds=0.0, save=600.0) for share in (1.0, 0.0)
    )
    assert noticed["repeated_share"] == 0
    hours = unnoticed["hours"] * 20 * unnoticed["utilisation"]
    assert unnoticed["repeated_share"] * hours == pytest.approx(unnoticed["machines_lost"] * 300 / 3600, rel=0.2)
