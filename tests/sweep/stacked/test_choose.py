"""Stacks are shared out among processes: every run once, seeds together, no process for a few runs."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from small_runs import spec_of

from dta_bench.spec.run_spec import RunSpec, Training
from dta_bench.sweep.stacked.choose import FEWEST, share_out, stacks_of

NECK = {"tune": "head", "neck_width": 48}


def runs(seeds: int, points: int, method: str = "dta") -> list[RunSpec]:
    params = [{"lambda_3": 0.0, "lambda_2": 0.01 * point} for point in range(points)]
    made = [spec_of(method, seed, **one) for one in params for seed in range(seeds)]
    return [dataclasses.replace(one, training=Training(**one.training.model_dump() | NECK)) for one in made]


@given(st.lists(st.integers(2, 60), min_size=1, max_size=4), st.integers(1, 5))
def test_every_run_is_in_one_share_once(sizes: list[int], processes: int) -> None:
    numbers = iter(range(1000))
    stacks = [[dataclasses.replace(RUN, seed=next(numbers)) for _ in range(size)] for size in sizes]
    shares = share_out(stacks, processes)
    assert len(shares) <= processes
    found = sorted(run.seed for share in shares for stack in share for run in stack)
    assert found == list(range(sum(sizes)))
    assert all(stack for share in shares for stack in share)
    assert all(share for share in shares)


RUN = runs(1, 1)[0]


def test_a_large_stack_is_cut_between_seeds_and_a_small_one_is_not() -> None:
    (first,), (second,) = share_out(stacks_of(runs(2, FEWEST)), 2)
    assert {run.seed for run in first} != {run.seed for run in second}
    assert len(first) == len(second) == FEWEST
    assert len(share_out(stacks_of(runs(2, FEWEST // 2)), 2)) == 1
